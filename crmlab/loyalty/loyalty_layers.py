"""Three layers of loyalty (认知忠诚、情感忠诚、行为忠诚): a profile, and who is loyal in which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.loyalty.loyalty_index import indices
from crmlab.loyalty.nine_measures import layer_names, measure_names, plain
from crmlab.loyalty.nine_values import Measured, Own, measured
from crmlab.loyalty.scorecard import CONFIDENCE, NEEDS
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.multiplicity import holding
from crmlab.stats.tiers import Tiers, known_tiers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: A score from here on is high: the middle of the scale.
CUT = 50.0
#: Share of a layer's measures that must be known of a customer.
LEAST = 0.5
#: A tier of fewer customers is shown and not judged.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class LoyaltyLayers(Result):
    """Result of `loyalty_layers`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer of whom every layer is known: customer_id, tier (if known), the score of
        each layer under its code, pattern (``"high"`` or ``"low"`` of each layer, with hyphens),
        weight.
    patterns : pandas.DataFrame
        A row per combination of high and low, the most frequent first: pattern, customers, share
        (weighted), low, high.
    layers : tuple of str
        The layers that these data know something of, in their order.
    unknown : tuple of str
        The others.
    too_few : int
        Customers of whom a layer is not known.
    cut : float
    tiers : Tiers or None
    measured : Measured
    """

    measure = "loyalty.loyalty_layers"

    customers: pd.DataFrame
    patterns: pd.DataFrame
    layers: tuple[str, ...]
    unknown: tuple[str, ...]
    too_few: int
    cut: float
    tiers: Tiers | None
    measured: Measured

    def formats(self) -> Mapping[str, str]:
        return {"score": "number1", "low": "number1", "high": "number1"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        tiers = {} if self.tiers is None else self.tiers.names()
        return {"layer": self._names(), "tier": tiers | {"all": _("All customers")}}

    def title(self) -> str:
        together = self.table[self.table["tier"] == "all"].set_index("layer")["score"]
        names = self._names()
        if self.table["stands_out"].fillna(False).any():
            return self._widest()
        if len(together) == 1:
            return _("{layer} loyalty stands at {score} of 100").format(
                layer=names[together.index[0]], score=number(together.iloc[0], 1)
            )
        best, worst = str(together.idxmax()), str(together.idxmin())
        apart = self._apart(best, worst)
        if np.isnan(apart.low):
            return _("Whether the layers of loyalty differ cannot be told")
        if apart.low <= 0:
            return _("The layers of loyalty do not differ by more than chance")
        return _("{best} loyalty stands highest ({high}), {worst} lowest ({low})").format(
            best=names[best],
            high=number(together.max(), 1),
            worst=names[worst].lower(),
            low=number(together.min(), 1),
        )

    def _apart(self, best: str, worst: str) -> Estimate:
        """By how much the same customers score higher in one layer, picked out of several pairs."""
        apart = self.customers[best] - self.customers[worst]
        if not np.ptp(apart) > 0:  # one customer, or all alike: nothing to tell chance by
            return NOTHING
        pairs = len(self.layers) * (len(self.layers) - 1) / 2
        return weighted.mean(
            apart, weights=self.customers["weight"], confidence=1 - (1 - CONFIDENCE) / pairs
        )

    def _widest(self) -> str:
        """The layer, of those in which a tier stands out, where tiers that are judged differ most.

        If one alone can be judged, it is held against the others all the same.
        """
        rows = self.table[self.table["tier"] != "all"]
        rows = rows[rows["layer"].isin(rows.loc[rows["stands_out"].fillna(False), "layer"])]
        judged = rows[rows["stands_out"].notna()]
        if len(set(judged["tier"])) > 1:
            rows = judged
        scores = rows.pivot_table(index="layer", columns="tier", values="score", sort=False)
        layer = (scores.max(axis=1) - scores.min(axis=1)).idxmax()
        labels = self.value_labels()["tier"]
        best, worst = scores.loc[layer].idxmax(), scores.loc[layer].idxmin()
        return _("Tiers differ most in the layer {layer}: {best} {high}, {worst} {low}").format(
            layer=self._names()[str(layer)],
            best=labels.get(best, best),
            high=number(scores.loc[layer, best], 1),
            worst=labels.get(worst, worst),
            low=number(scores.loc[layer, worst], 1),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        groups = list(dict.fromkeys(self.table["tier"]))
        drawn = [name for name in groups if name != "all"] or ["all"]
        labels = self.value_labels()["tier"]
        step = 0.7 / len(drawn)
        for place, name in enumerate(drawn):
            part = self.table[self.table["tier"] == name].set_index("layer").loc[list(self.layers)]
            x = np.arange(len(self.layers)) + (place - (len(drawn) - 1) / 2) * step
            colour = charts.LAYER_COLOURS.get(name, charts.BLUE)
            known = part["low"].notna()
            axes.vlines(x[known], part["low"][known], part["high"][known], color=colour)
            axes.plot(x, part["score"], "o", color=colour, label=labels.get(name, name))
        axes.axhline(self.cut, color=charts.GRID, linewidth=1, zorder=0)
        axes.set_xticks(range(len(self.layers)), [self._names()[name] for name in self.layers])
        axes.set_xlim(-0.6, len(self.layers) - 0.4)
        axes.set_ylim(0, 100)
        axes.set_ylabel(_("Score of the layer, with 95% interval"))
        if len(drawn) > 1:
            axes.legend(loc="lower right", ncols=len(drawn))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._levels(),
            self._tiers(),
            self._circular(),
            self._patterns(),
            self._missing(),
            self._asked(),
            self.measured.left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = _("Points with intervals, a group per layer. {levels} {tiers}").format(
            levels=self._levels(), tiers=self._by_tier()
        )
        return said.rstrip()

    # --- the words

    def _names(self) -> dict[str, str]:
        return {layer: layer for layer in self.layers + self.unknown} | layer_names()

    def _scores(self, rows: pd.DataFrame) -> str:
        parts = []
        for row in rows.itertuples():
            said = (
                _("{layer} {score}")
                if np.isnan(row.low)
                else _("{layer} {score} ({low} to {high})")
            )
            parts.append(
                said.format(
                    layer=self._names()[str(row.layer)],
                    score=number(row.score, 1),
                    low=number(row.low, 1),
                    high=number(row.high, 1),
                )
            )
        return _("; ").join(parts)

    def _levels(self) -> str:
        rows = self.table[self.table["tier"] == "all"]
        known = rows["low"].notna().any()
        said = _("Mean scores of the layers, from 0 to 100: {parts}. {intervals}").format(
            parts=self._scores(rows),
            intervals=intervals_in_brackets(CONFIDENCE) if known else "",
        )
        return said.rstrip()

    def _by_tier(self) -> str:
        rows = self.table[self.table["tier"] != "all"]
        labels = self.value_labels()["tier"]
        parts = [
            _("{tier}: {parts}").format(tier=labels.get(name, name), parts=self._scores(part))
            for name, part in rows.groupby("tier", sort=False)
        ]
        return " ".join(_("{part}.").format(part=part) for part in parts)

    def _tiers(self) -> str:
        rows = self.table[self.table["tier"] != "all"]
        if rows.empty:
            return ""
        apart = rows[rows["stands_out"].fillna(False)]
        if rows["stands_out"].isna().all():
            said = _("Whether tiers differ cannot be told from so few.")
        elif apart.empty:
            said = _("No tier differs from the others together by more than chance in any layer.")
        else:
            labels = self.value_labels()["tier"]
            said = _("Different from the other tiers together beyond chance: {names}.").format(
                names=_("; ").join(
                    _("{tier} in the layer {layer}").format(
                        tier=labels.get(row.tier, row.tier), layer=self._names()[row.layer]
                    )
                    for row in apart.itertuples()
                )
            )
        return f"{self._by_tier()} {said}"

    def _circular(self) -> str:
        """That a tier made of revenue differs in spending by construction."""
        if self.tiers is None or bool(self.tiers.table["given"].all()):
            return ""
        sources = self.measured.measures.set_index("measure")
        paid = [code for code in self.measured.known if sources["source"][code] == "orders.amount"]
        if not paid:
            return ""
        return _(
            "{tiers} Spend is part of the layer {layer}: that tiers differ there is so by "
            "construction."
        ).format(tiers=self.tiers.words(), layer=self._names()[sources["layer"][paid[0]]])

    def _patterns(self) -> str:
        """The frequent combinations, and what behaviour without attachment may mean."""
        shown = [
            _("{pattern} {share} ({low} to {high})").format(
                pattern=self.pattern_name(row.pattern),
                share=percent(row.share, 0),
                low=percent(row.low, 0),
                high=percent(row.high, 0),
            )
            for row in self.patterns[self.patterns["customers"] > 0].itertuples()
        ]
        said = _("High from {cut} on, of the customers: {parts}.").format(
            cut=plain(self.cut), parts=_("; ").join(shown)
        )
        hollow = self._hollow()
        if not hollow > 0:  # nobody, or a layer is not known
            return said
        more = _(
            "{share} of the customers are loyal in what they do and not in what they feel: by "
            "habit, or captive, and may leave once something better is at hand."
        ).format(share=percent(hollow, 0))
        return f"{said} {more}"

    def _hollow(self) -> float:
        """Share of customers high in the behavioural layer and low in the affective one."""
        if not {"affective", "behavioural"} <= set(self.layers):
            return np.nan
        high = self.customers["behavioural"] >= self.cut
        which = high & ~(self.customers["affective"] >= self.cut)
        return float(np.average(which, weights=self.customers["weight"]))

    def pattern_name(self, pattern: str) -> str:
        """A combination of high and low in words, by the names that Dick and Basu gave some."""
        levels = dict(zip(self.layers, pattern.split("-"), strict=True))
        names = self._names()
        if len(levels) == 1:
            return _("high") if pattern == "high" else _("low")
        high = [names[layer].lower() for layer, level in levels.items() if level == "high"]
        if len(high) == len(levels):
            return _("high in all")
        if not high:
            return _("low in all")
        return _("high in {layers} only").format(layers=_(" and ").join(high))

    def _missing(self) -> str:
        names, measures = self._names(), measure_names(self.measured.measures)
        of = self.measured.measures.set_index("measure")["layer"]
        parts = [
            _("{layer}: {names}").format(
                layer=names[layer],
                names=_(", ").join(
                    measures[code] for code in self.measured.known if of[code] == layer
                ),
            )
            for layer in self.layers
        ]
        said = _("Layers are the means of their measures. {parts}.").format(
            parts=_("; ").join(parts)
        )
        if self.unknown:
            more = _("Nothing is known of the layers: {names}.").format(
                names=_(", ").join(names[layer] for layer in self.unknown)
            )
            said = f"{said} {more}"
        if not self.too_few:
            return said
        few = ngettext(
            "The profile is that of the customers of whom every layer is known; of {count} more "
            "customer one is not.",
            "The profile is that of the customers of whom every layer is known; of {count} more "
            "customers one is not.",
            self.too_few,
        ).format(count=number(self.too_few))
        return f"{said} {few}"

    def _asked(self) -> str:
        if self.measured.said is None:
            return ""
        return f"{self.measured.said.sentence()} {self.measured.weighting()}"

    def _define(self) -> Definition:
        few = Exclusion.of_customers(_("a layer not known"), self.too_few)
        return Definition(
            numerator=_("Of each customer the mean of the scores of a layer's measures"),
            denominator=_("Customers of whom half of each layer's measures or more are known"),
            period=self.measured.period(),
            method=_(
                "Means weighted as in the scorecard, 95% t intervals over customers; a tier "
                "against the others together, corrected for their number (Holm). Shares with "
                "Wilson intervals on the effective number. Layers after Oliver (1999), patterns "
                "after Dick and Basu (1994)."
            ),
            source=self.context.source,
            exclusions=self.measured.exclusions + ((few,) if self.too_few else ()),
        )


@measure(needs=NEEDS)
def loyalty_layers(
    crm: Workspace,
    *,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    months: int = 12,
    cut: float = CUT,
) -> LoyaltyLayers:
    """The three layers of loyalty: how loyal customers are in each, by tier, and who in which.

    Parameters
    ----------
    crm : Workspace
        As for `scorecard`; tiers as given in customers, or by revenue where orders have amounts.
    measures : pandas.DataFrame, optional
        Which measure belongs to which layer, in the shape of `loyalty_measures`.
    own, months
        As for `scorecard`.
    cut : float
        A score from here on is high.

    Returns
    -------
    LoyaltyLayers
        `.table` has a row per layer for all customers (tier ``"all"``) and per tier and layer:
        tier, layer, customers, score (0 to 100), low, high, stands_out (from the other tiers
        together; missing where it or they have fewer than five customers). `.patterns` has the
        combinations of high and low, `.customers` the scores of each customer.

    Raises
    ------
    CrmlabError
        If `measures`, `own`, `months` or `cut` cannot be used.
    NotEnoughData
        If of nobody all layers are known that the data know something of.

    Notes
    -----
    The score of a layer is the mean of the scores of its measures that are known of the customer,
    if they are half or more of those known of anybody. All layers are those of the same customers,
    with the same weights, so that they can be compared.

    That behaviour is high and liking low is what Dick and Basu call spurious loyalty: habit, or
    nowhere else to go. High liking with little bought is latent loyalty. Where the cut lies decides
    how many are in each; on scores by rank, half are high by construction.

    References
    ----------
    Oliver, R. L. (1999), Journal of Marketing 63 (special issue), 33-44. Dick, A. S. and Basu, K.
    (1994), Journal of the Academy of Marketing Science 22, 99-113.
    """
    if not 0 < cut <= 100:
        raise CrmlabError(_("cut is a score above 0 and at most 100, not {cut}.").format(cut=cut))
    found = measured(crm, measures=measures, own=own, months=months)
    scores = layer_scores(found)
    every = scores.dropna()
    every = every[found.weight[every.index] > 0]
    if every.empty:
        raise NotEnoughData(
            _(
                "Of no customer all of these layers are known: {names}. Leave measures out of the "
                "table to have fewer layers."
            ).format(names=_(", ").join(layer_names().get(name, name) for name in scores))
        )
    tiers = known_tiers(crm)
    customers = every.assign(
        tier=_tier(every.index, tiers),
        pattern=_pattern(every, cut),
        weight=found.weight[every.index],
    ).reset_index()
    names = tuple(scores.columns)
    others = [layer for layer in dict.fromkeys(found.measures["layer"]) if layer not in names]
    return LoyaltyLayers(
        _table(customers, names, tiers),
        Context.of(crm),
        customers,
        _patterns(customers, len(names)),
        names,
        tuple(others),
        int(scores.notna().any(axis=1).sum()) - len(every),
        float(cut),
        tiers,
        found,
    )


def layer_scores(found: Measured) -> pd.DataFrame:
    """The score of each customer in each layer that something is known of.

    Parameters
    ----------
    found : Measured

    Returns
    -------
    pandas.DataFrame
        A column per layer: the three of the course first, in their order.
    """
    of = found.measures.set_index("measure")["layer"]
    order = list(dict.fromkeys([*layer_names(), *of]))
    columns = {}
    for layer in order:
        codes = [code for code in found.known if of[code] == layer]
        if codes:
            alike = np.full(len(codes), 1 / len(codes))
            columns[layer] = indices(found.scores[codes].to_numpy(float), alike, LEAST)
    return pd.DataFrame(columns, index=found.scores.index)


def _tier(customers: pd.Index, tiers: Tiers | None) -> pd.Series:
    if tiers is None:
        return pd.Series(np.nan, customers, dtype="object")
    known = tiers.table.set_index("customer_id")["tier"]
    return known.reindex(customers).astype("object")


def _pattern(scores: pd.DataFrame, cut: float) -> pd.Series:
    levels = np.where(scores.to_numpy() >= cut - 1e-9, "high", "low")
    return pd.Series(["-".join(row) for row in levels], scores.index)


def _table(customers: pd.DataFrame, layers: Sequence[str], tiers: Tiers | None) -> pd.DataFrame:
    rows = [_row(customers, "all", layer) for layer in layers]
    there = set(customers["tier"].dropna())
    for name in [] if tiers is None else [tier for tier in tiers.order if tier in there]:
        part = customers[customers["tier"] == name]
        rows += [
            _row(part, name, layer) | {"chance": _chance(customers, name, layer)}
            for layer in layers
        ]
    table = pd.DataFrame(rows)
    chance = table["chance"].to_numpy(float) if "chance" in table else np.full(len(table), np.nan)
    return table.drop(columns="chance", errors="ignore").assign(
        stands_out=holding(chance, 1 - CONFIDENCE)
    )


def _row(part: pd.DataFrame, tier: str, layer: str) -> dict[str, Any]:
    mean = weighted.mean(part[layer], weights=part["weight"], confidence=CONFIDENCE)
    differ = part[layer].max() - part[layer].min() > 0
    return {
        "tier": tier,
        "layer": layer,
        "customers": len(part),
        "score": mean.value,
        "low": max(mean.low, 0.0) if differ else np.nan,
        "high": min(mean.high, 100.0) if differ else np.nan,
    }


def _chance(customers: pd.DataFrame, tier: str, layer: str) -> float:
    inside = (customers["tier"] == tier).to_numpy()
    outside = customers["tier"].notna().to_numpy() & ~inside
    if min(inside.sum(), outside.sum()) < FEWEST:
        return np.nan
    return weighted.contrast(customers[layer], inside, outside, weights=customers["weight"]).chance


def _patterns(customers: pd.DataFrame, layers: int) -> pd.DataFrame:
    rows = []
    for levels in product(("high", "low"), repeat=layers):
        pattern = "-".join(levels)
        inside = customers["pattern"] == pattern
        share = weighted.share(inside, weights=customers["weight"], confidence=CONFIDENCE)
        rows.append(
            {
                "pattern": pattern,
                "customers": int(inside.sum()),
                "share": share.value,
                "low": share.low,
                "high": share.high,
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)
