"""What other weights would make of the loyalty index: its level, and who is at the top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.loyalty.loyalty_index import (
    LEAST,
    LoyaltyIndex,
    indices,
    loyalty_index,
    mean_index,
)
from crmlab.loyalty.nine_measures import Array, Weights, measure_names
from crmlab.loyalty.nine_values import Own
from crmlab.loyalty.scorecard import CONFIDENCE, NEEDS
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Share of customers whose place at the top is followed.
TOP = 0.10
#: Of more customers than this a random sample is followed.
RANKED = 3000
#: Of fewer customers at the top it is shown who stays there, and not judged.
FEWEST = 10
#: Share of the draws that a range holds.
MIDDLE = 0.90


@dataclass(frozen=True, repr=False)
class IndexSensitivity(Result):
    """Result of `index_sensitivity`.

    Attributes
    ----------
    found : LoyaltyIndex
        The index by the weights that were stated.
    customers, top : int
        Customers whose ranking is followed, and those of them at the top.
    share : float
        Share of customers that was meant to be the top.
    draws : int
    """

    measure = "loyalty.index_sensitivity"

    found: LoyaltyIndex
    customers: int
    top: int
    share: float
    draws: int

    def formats(self) -> Mapping[str, str]:
        return {
            "low": "number1", "high": "number1", "difference": "number1",
            "difference_low": "number1", "difference_high": "number1",
        }  # fmt: skip

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = measure_names(self.found.measured.measures)
        without = {
            f"without {code}": _("without {measure}").format(measure=name)
            for code, name in names.items()
        }
        return {"weighting": _ways() | without}

    def main_columns(self) -> Sequence[str]:
        return [
            "weighting", "index", "low", "high", "difference", "correlation", "stays",
            "stays_low", "stays_high",
        ]  # fmt: skip

    def title(self) -> str:
        if self.top < FEWEST:
            return _("Who stays at the top with other weights cannot be told from so few")
        worst = self._worst()
        if worst["stays"] == 1:
            return _("No single change of the weights moves anybody from the top")
        return _("{weighting}, {kept} of the {top} most loyal customers stay at the top").format(
            weighting=_sentence_case(self._named(worst)),
            kept=percent(worst["stays"], 0),
            top=number(self.top),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self.table[self.table["weighting"] != "stated"].sort_values(
            "stays", ascending=False, kind="stable"
        )
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.38 * len(drawn) + 1.7))
        places = np.arange(len(drawn))[::-1]
        colours = [charts.ORANGE if way == "random" else charts.BLUE for way in drawn["weighting"]]
        axes.hlines(places, 0, drawn["stays"], color=charts.GRID, linewidth=1)
        axes.hlines(
            places, drawn["stays_low"], drawn["stays_high"], color=charts.ORANGE, linewidth=3
        )
        axes.scatter(drawn["stays"], places, color=colours, zorder=3)
        axes.set_yticks(
            places, [charts.wrapped(self._named(row), 34) for _index, row in drawn.iterrows()]
        )
        axes.set_xlim(0, 1.02)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the most loyal customers who stay at the top"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        singles = f"{self._top()} {self._farthest()}".rstrip()
        parts = [singles, self._drawn(), self._advice(), self._followed()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{weighting} {kept}").format(
                weighting=self._named(row), kept=percent(row["stays"], 0)
            )
            for _index, row in self._single().iterrows()
        ]
        return _("Share of the top that stays with other weights. {parts}. {random}").format(
            parts=_("; ").join(parts), random=self._drawn()
        )

    # --- the words

    def _named(self, row: pd.Series) -> str:
        return self.value_labels()["weighting"][row["weighting"]]

    def _single(self) -> pd.DataFrame:
        return self.table[~self.table["weighting"].isin(["stated", "random"])]

    def _row(self, way: str) -> pd.Series:
        return self.table.set_index("weighting").loc[way]

    def _worst(self) -> pd.Series:
        """The single change that keeps fewest at the top."""
        return self._single().sort_values("stays", kind="stable").iloc[0]

    def _top(self) -> str:
        """How many stay at the top, if they are enough to say so."""
        worst, of = self._worst(), number(self.customers)
        if self.top < FEWEST:
            return ngettext(
                "At the top is {top} customer of {customers} by the weights stated: too few to say "
                "who stays there.",
                "At the top are {top} customers of {customers} by the weights stated: too few to "
                "say who stays there.",
                self.top,
            ).format(top=number(self.top), customers=of)
        if worst["stays"] == 1:
            return _(
                "The {top} most loyal of {customers} customers by the weights stated stay at the "
                "top whichever single change is made."
            ).format(top=number(self.top), customers=of)
        return _(
            "Of the {top} most loyal of {customers} customers by the weights stated, {kept} are "
            "still among as many at the top {weighting}; no other single change does more."
        ).format(
            top=number(self.top),
            customers=of,
            kept=percent(worst["stays"], 0),
            weighting=self._named(worst),
        )

    def _farthest(self) -> str:
        """The single change that moves the company's index farthest."""
        single = self._single()
        farthest = single.loc[single["difference"].abs().idxmax()]
        if np.isnan(farthest["difference_low"]):
            return ""
        return _(
            "The company's index, {stated} as stated, moves farthest {weighting}: by {difference} "
            "({low} to {high}). {intervals}"
        ).format(
            stated=number(self._row("stated")["index"], 1),
            weighting=self._named(farthest),
            difference=number(farthest["difference"], 1),
            low=number(farthest["difference_low"], 1),
            high=number(farthest["difference_high"], 1),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _drawn(self) -> str:
        drawn = self._row("random")
        text = (
            _(
                "Of {draws} sets of weights drawn at random, {middle} give a company index between "
                "{index_low} and {index_high}; the median rank correlation with the ranking as "
                "stated is {correlation}."
            )
            if self.top < FEWEST
            else _(
                "Of {draws} sets of weights drawn at random, {middle} keep between {low} and "
                "{high} of the top, half of them {kept} or more; they give a company index between "
                "{index_low} and {index_high}, and the median rank correlation with the ranking as "
                "stated is {correlation}."
            )
        )
        return text.format(
            draws=number(self.draws),
            middle=percent(MIDDLE, 0),
            low=percent(drawn["stays_low"], 0),
            high=percent(drawn["stays_high"], 0),
            kept=percent(drawn["stays"], 0),
            index_low=number(drawn["low"], 1),
            index_high=number(drawn["high"], 1),
            correlation=number(drawn["correlation"], 2),
        )

    def _advice(self) -> str:
        stated, drawn = self._row("stated"), self._row("random")
        chance = stated["high"] - stated["low"]
        if not np.isfinite(chance):
            return ""
        if drawn["high"] - drawn["low"] > chance:
            return _(
                "The choice of weights moves the company's index farther than chance does, so it "
                "says little without its weights, and can be compared only with one that has the "
                "same."
            )
        return _("The choice of weights moves the company's index no farther than chance does.")

    def _followed(self) -> str:
        customers = len(self.found.customers)
        if customers <= self.customers:
            return ngettext(
                "The ranking is that of the {count} customer who has an index.",
                "The ranking is that of the {count} customers who have an index.",
                customers,
            ).format(count=number(customers))
        return _(
            "The ranking of {some} of {count} customers who have an index, drawn at random, is "
            "followed."
        ).format(some=number(self.customers), count=number(customers))

    def _define(self) -> Definition:
        base = self.found.definition
        return Definition(
            numerator=_("Customers at the top by the weights stated and by other weights"),
            denominator=_("Customers at the top by the weights stated: {share} of those ranked")
            .format(share=percent(self.share, 0)),
            period=base.period,
            method=_(
                "Customers equal to the last of the top belong to it. Other weights: all measures "
                "alike; each measure left out in turn; {draws} sets drawn at random, uniform over "
                "all that sum to 1. Who has an index does not change with the weights. {method}"
            ).format(draws=number(self.draws), method=base.method),
            source=base.source,
            exclusions=base.exclusions,
        )  # fmt: skip


def _sentence_case(words: str) -> str:
    return words[:1].upper() + words[1:]


def _ways() -> dict[str, str]:
    return {
        "stated": _("as stated"),
        "equal": _("with all measures alike"),
        "random": _("with weights drawn at random"),
    }


@measure(needs=NEEDS)
def index_sensitivity(
    crm: Workspace,
    *,
    weights: Weights | None = None,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    months: int = 12,
    least: float = LEAST,
    top: float = TOP,
    draws: int = 500,
    seed: int = 0,
) -> IndexSensitivity:
    """How far the loyalty index, and who is at the top, depend on the weights.

    Parameters
    ----------
    crm, weights, measures, own, months, least
        As for `loyalty_index`.
    top : float
        Share of customers whose place at the top is followed.
    draws : int
        Sets of weights drawn at random.
    seed : int

    Returns
    -------
    IndexSensitivity
        `.table` has a row per weighting: weighting (``"stated"``, ``"equal"``, ``"without
        <measure>"`` for each, ``"random"``), index (the company's), low, high, difference (from the
        index as stated), difference_low, difference_high, correlation (Spearman's, of the
        customers' indices), stays (share of the top that stays). The row ``"random"`` has medians
        over the draws, and 5 and 95 % quantiles as low and high, stays_low and stays_high.

    Raises
    ------
    CrmlabError
        As for `loyalty_index`; also if `top` is no share, or there are no draws.
    NotEnoughData
        If only one measure is known, if fewer than two customers have an index, or if all have the
        same.

    References
    ----------
    Saisana, M., Saltelli, A. and Tarantola, S. (2005), Journal of the Royal Statistical Society A
    168, 307-323.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3", "4"], "customer_id": list("ABCC"),
    ...     "ordered_at": ["2025-01-01", "2025-01-02", "2025-01-03", "2025-12-31"],
    ...     "amount": [9.0, 8.0, 1.0, 2.0]})
    >>> found = index_sensitivity(from_frames({"orders": orders}), top=0.3, draws=10)
    >>> found.table.set_index("weighting")["stays"].tolist()[:4]
    [1.0, 1.0, 0.0, 1.0]
    """
    if not 0 < top < 1 or draws < 1:
        raise CrmlabError(_("top is a share between 0 and 1, and draws at least 1."))
    found = loyalty_index(
        crm, weights=weights, measures=measures, own=own, months=months, least=least
    )
    codes = list(found.shares.index)
    if len(codes) < 2:
        raise NotEnoughData(
            _("Only one measure of loyalty is known, so there is nothing to weigh.")
        )
    ranked = _sample(found.customers["customer_id"])
    if len(ranked) < 2 or found.customers["index"].max() - found.customers["index"].min() <= 0:
        raise NotEnoughData(
            _("A ranking needs two customers with different indices; there are none.")
        )
    singles = {"stated": found.shares.to_numpy(), **_alternatives(found)}
    rows = [_level(found, way, shares) for way, shares in singles.items()]
    scores = found.measured.scores[codes].loc[ranked].to_numpy(float)
    several = indices(scores, np.column_stack(list(singles.values())), 0.0)
    related, kept = against_first(several, top)
    for row, correlation, share in zip(rows, related, kept, strict=True):
        row |= {"correlation": correlation, "stays": share}
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(codes)), draws)
    related, kept = against_first(
        np.column_stack([several[:, 0], indices(scores, drawn.T, 0.0)]), top
    )
    rows.append(_random(found.index["index"], _levels(found, drawn), related[1:], kept[1:]))
    return IndexSensitivity(
        pd.DataFrame(rows),
        Context.of(crm),
        found,
        len(ranked),
        int(at_top(several[:, 0], top).sum()),
        top,
        draws,
    )


def _sample(customers: pd.Series | pd.Index) -> pd.Index:
    """The customers in order: all, or of many a sample that is the same every time."""
    ids = pd.Index(customers).sort_values()
    if len(ids) <= RANKED:
        return ids
    chosen = np.random.default_rng(0).choice(len(ids), RANKED, replace=False)
    return ids[np.sort(chosen)]


def _alternatives(found: LoyaltyIndex) -> dict[str, Array]:
    """All measures alike, and each that has a weight left out in turn."""
    shares = found.shares
    alike = np.full(len(shares), 1 / len(shares))
    ways = {} if np.allclose(shares, alike) else {"equal": alike}
    for place, code in enumerate(shares.index):
        if 0 < shares.iloc[place] < 1:
            rest = np.where(np.arange(len(shares)) == place, 0.0, shares.to_numpy())
            ways[f"without {code}"] = rest / rest.sum()
    return ways


def _counted(found: LoyaltyIndex) -> pd.DataFrame:
    """The customers who count in the company's index."""
    return found.customers[found.customers["weight"] > 0].set_index("customer_id")


def _level(found: LoyaltyIndex, way: str, shares: Array) -> dict[str, Any]:
    """The company's index by other weights, and its difference from that as stated."""
    counted = _counted(found)
    scores = found.measured.scores.loc[counted.index, found.shares.index].to_numpy(float)
    other = indices(scores, shares, 0.0)
    index = mean_index(other, counted["weight"], found.confidence)
    moved = other - counted["index"]
    apart = weighted.mean(moved, weights=counted["weight"], confidence=found.confidence)
    if not moved.max() - moved.min() > 1e-9:  # as stated, one customer, or all moved alike
        apart = NOTHING._replace(value=apart.value)
    return {
        "weighting": way,
        "index": index.value,
        "low": index.low,
        "high": index.high,
        "difference": apart.value,
        "difference_low": apart.low,
        "difference_high": apart.high,
    }


def _levels(found: LoyaltyIndex, drawn: Array) -> Array:
    """The company's index by each set of weights; of many customers a sample says how it moves."""
    counted = _counted(found)
    some = counted.loc[_sample(counted.index)]
    scores = found.measured.scores.loc[some.index, found.shares.index].to_numpy(float)
    others = indices(scores, drawn.T, 0.0)
    weight = some["weight"].to_numpy(float)
    stated = np.average(some["index"], weights=weight)
    return np.asarray(found.index["index"] + _averages(others, weight) - stated, float)


def _random(stated: float, level: Array, related: Array, kept: Array) -> dict[str, Any]:
    """The row of all sets of weights drawn at random together."""
    tail = (1 - MIDDLE) / 2
    low, middle, high = np.quantile(level, [tail, 0.5, 1 - tail])
    kept_low, kept_middle, kept_high = np.quantile(kept, [tail, 0.5, 1 - tail])
    return {
        "weighting": "random",
        "index": middle,
        "low": low,
        "high": high,
        "difference": middle - stated,
        "correlation": float(np.nanmedian(related)),
        "stays": kept_middle,
        "stays_low": kept_low,
        "stays_high": kept_high,
    }


def _averages(columns: Array, weight: Array) -> Array:
    known = np.isfinite(columns)
    return np.asarray(weight @ np.where(known, columns, 0.0) / (weight @ known), float)


def at_top(values: Array, share: float) -> np.ndarray:
    """Who is at the top: so many of the best, and whoever equals the last of them.

    Examples
    --------
    >>> at_top(np.array([9.0, 5.0, 5.0, 1.0]), 0.5).tolist()
    [True, True, True, False]
    """
    place = int(np.ceil(np.round(share * len(values), 9)))
    return np.asarray(values >= np.sort(values)[::-1][place - 1] - 1e-9)


def against_first(columns: Array, share: float) -> tuple[Array, Array]:
    """Rank correlation of each column with the first, and the share of its top that stays.

    Parameters
    ----------
    columns : numpy.ndarray, shape (customers, rankings)
        A value that is missing comes last.
    share : float

    Returns
    -------
    tuple of numpy.ndarray, shape (rankings,)
        The correlation is NaN where a column does not vary.

    Examples
    --------
    >>> related, kept = against_first(np.array([[4.0, 1.0], [3.0, 2.0], [2.0, 3.0]]), 0.5)
    >>> related.round(6).tolist(), kept.tolist()
    ([1.0, -1.0], [1.0, 0.5])
    """
    from scipy.stats import rankdata

    filled = np.where(np.isfinite(columns), columns, -1.0).round(9)
    ranks = rankdata(filled, axis=0)
    apart = ranks - ranks.mean(axis=0)
    spread = np.sqrt((apart**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        related = (apart * apart[:, :1]).sum(axis=0) / (spread * spread[0])
    first = at_top(filled[:, 0], share)
    kept = [float(at_top(column, share)[first].mean()) for column in filled.T]
    return np.asarray(related.clip(-1, 1), float), np.asarray(kept, float)
