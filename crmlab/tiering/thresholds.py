"""What the thresholds of the tiers do: how many customers each tier gets, and what they bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.intervals import bootstrap_t, wilson
from crmlab.stats.tiers import Tiers, assign, customer_tiers, tier_names
from crmlab.tiering import population
from crmlab.tiering.shares import group_shares_and_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Between thresholds that half and that one in two hundred of the customers reach, the explorer
#: stops so often.
WIDEST, NARROWEST, STOPS = 0.5, 0.005, 24


@dataclass(frozen=True, repr=False)
class Thresholds(Result):
    """Result of `thresholds`.

    Attributes
    ----------
    tiers : crmlab.stats.tiers.Tiers
        The tier of every customer by these rules.
    moved : pandas.DataFrame
        Where the company has given tiers of its own: customers by given tier (rows) and tier by
        these rules (columns), if they have the same names; empty otherwise.
    set_aside : population.Population
    confidence : float
    resamples : int
    """

    measure = "tiering.thresholds"

    tiers: Tiers
    moved: pd.DataFrame
    set_aside: population.Population
    confidence: float
    resamples: int

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self.tiers.names()}

    def title(self) -> str:
        best = self.table.iloc[0]
        return _("{tier}: {customers} of customers, {revenue} of revenue").format(
            tier=self.tiers.names()[best["tier"]],
            customers=percent(best["share"]),
            revenue=percent(best["revenue_share"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        bars = _Bars(axes, self.table["tier"].tolist(), self.tiers.names())
        shares = self.table[["share", "revenue_share"]].to_numpy().T
        highs = self.table[["high", "revenue_high"]].to_numpy().T
        bars.set(shares[0], shares[1], beyond=(highs - shares).ravel())
        axes.hlines(bars.upper, self.table["low"], self.table["high"], charts.INK, lw=1.2)
        lows, highs = self.table["revenue_low"], self.table["revenue_high"]
        axes.hlines(bars.lower, lows, highs, charts.INK, lw=1.2)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        names = self.tiers.names()
        parts = [
            _(
                "{tier}: {customers} customers ({share}; {low} to {high}), {revenue} of revenue "
                "({revenue_low} to {revenue_high})"
            ).format(
                tier=names[row.tier],
                customers=number(row.customers),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
                revenue=percent(row.revenue_share),
                revenue_low=percent(row.revenue_low),
                revenue_high=percent(row.revenue_high),
            )
            for row in self.table.itertuples()
        ]
        made = _("{parts}.").format(parts=_("; ").join(parts))
        intervals = intervals_in_brackets(self.confidence)
        found = [f"{self.tiers.words()} {made} {intervals}", self._moves()]
        return "\n\n".join([*(one for one in found if one), self.set_aside.sentence("everybody")])

    def _moves(self) -> str:
        """How the rules differ from the tiers that the company has given."""
        if self.moved.empty:
            return ""
        places = {tier: place for place, tier in enumerate(self.tiers.rules["tier"])}
        given = self.moved.index.map(places).to_numpy()[:, None]
        ruled = self.moved.columns.map(places).to_numpy()[None, :]
        counts = self.moved.to_numpy()
        return _(
            "Of the {customers} customers to whom the company has given one of these tiers, {same} "
            "have the same tier by these rules, {up} a better one and {down} a lower one."
        ).format(
            customers=number(counts.sum()),
            same=number(counts[given == ruled].sum()),
            up=number(counts[ruled < given].sum()),
            down=number(counts[ruled > given].sum()),
        )

    def alt(self) -> str:
        names = self.tiers.names()
        parts = [
            _("{tier} {customers} of customers and {revenue} of revenue").format(
                tier=names[row.tier],
                customers=percent(row.share),
                revenue=percent(row.revenue_share),
            )
            for row in self.table.itertuples()
        ]
        return _("Two bars for each tier, its share of customers and of revenue: {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers of a tier, and their net revenue"),
            denominator=_("All customers, and their net revenue; without orders it is 0"),
            period=self.context.period(),
            method=_(
                "{tiers} Wilson intervals of the shares of customers; studentised bootstrap "
                "intervals over customers of the shares of revenue, {resamples} resamples, the "
                "thresholds held fixed; {confidence} confidence each. {cancellations}"
            ).format(
                tiers=self.tiers.words(),
                resamples=number(self.resamples),
                confidence=percent(self.confidence, 0),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("everybody"),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def thresholds(
    crm: Workspace,
    *,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Thresholds:
    """Which tiers a table of rules makes, whatever tiers the company has given so far.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    rules : pandas.DataFrame, optional
        In the shape of `crmlab.stats.tiers.tier_rules`, which are the default.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Thresholds
        `.table` has a row per tier, best first: tier, at_least (money per 12 months; missing for
        the last), customers, share (of customers), low, high, revenue (money of the period),
        revenue_share, revenue_low, revenue_high.

    Raises
    ------
    NotEnoughData
        If there are fewer than two customers, or their revenue together is not above zero.
    CrmlabError
        If the rules cannot be applied.

    Notes
    -----
    Where a threshold comes from a rank, it is a figure of these data; the intervals hold it fixed
    and say how far the shares would move with another draw of such customers.
    """
    tiers = customer_tiers(crm, rules=rules, given=False)
    yearly = tiers.table["value"].to_numpy(dtype=float)
    if len(yearly) < 2 or yearly.sum() <= 0:
        raise NotEnoughData(
            _(
                "Thresholds need at least 2 customers who bring revenue together; there are "
                "{customers}."
            ).format(customers=number(len(yearly)))
        )
    groups = tiers.table["tier"].to_numpy()[None, :] == tiers.rules["tier"].to_numpy()[:, None]
    low, high = bootstrap_t(
        lambda weights: group_shares_and_errors(yearly, groups, weights),
        len(yearly), confidence=confidence, resamples=resamples, seed=seed,
    )  # fmt: skip
    people = population.customers(crm)
    customers = groups.sum(axis=1)
    interval = wilson(customers, np.full(len(groups), len(yearly)), confidence=confidence)
    share = groups @ yearly / yearly.sum()
    table = pd.DataFrame(
        {
            "tier": tiers.rules["tier"],
            "at_least": tiers.rules["at_least"].where(np.isfinite(tiers.rules["at_least"])),
            "customers": customers,
            "share": customers / len(yearly),
            "low": interval.low,
            "high": interval.high,
            "revenue": share * people.summary["amount"].sum(),
            "revenue_share": share,
            "revenue_low": low,
            "revenue_high": high,
        }
    )
    moved = _moved(crm, tiers)
    return Thresholds(table, Context.of(crm), tiers, moved, people, confidence, resamples)


def _moved(crm: Workspace, tiers: Tiers) -> pd.DataFrame:
    """Customers by the tier given (rows) and the tier by rule (columns)."""
    if not crm.has("customers", "customer_id", "tier"):
        return pd.DataFrame()
    known = list(tiers.rules["tier"])
    given = tiers.table["customer_id"].map(crm.customers.set_index("customer_id")["tier"])
    given = given[given.isin(known)].astype(str)
    if given.empty:
        return pd.DataFrame()
    counts = pd.crosstab(given, tiers.table.loc[given.index, "tier"])
    return counts.reindex(index=known, columns=known, fill_value=0)


class _Bars:
    """Two bars for each tier, share of customers above share of revenue, that can be changed."""

    def __init__(self, axes: Axes, order: list[str], names: Mapping[str, str]) -> None:
        places = np.arange(len(order))[::-1].astype(float)
        self.upper, self.lower = places + 0.2, places - 0.2
        colours = [charts.LAYER_COLOURS.get(tier, charts.MUTED) for tier in order]
        nothing = np.zeros(len(order))
        self.customers = axes.barh(self.upper, nothing, 0.36, color=colours, alpha=0.45)
        self.revenue = axes.barh(self.lower, nothing, 0.36, color=colours)
        texts = [(place, _("customers")) for place in self.upper]
        texts += [(place, _("revenue")) for place in self.lower]
        self.texts = [axes.text(0, place, "", va="center") for place, _what in texts]
        self.what = [what for _place, what in texts]
        axes.set_yticks(places, [names[tier] for tier in order])
        axes.set(xlim=(0, 1.3), xlabel=_("Share of all customers, and of all revenue"))
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.spines["bottom"].set_bounds(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _place: percent(value, 0))

    def set(
        self, customers: np.ndarray, revenue: np.ndarray, beyond: np.ndarray | None = None
    ) -> None:
        """Give the bars these shares; their labels stand `beyond` the ends."""
        shares = np.concatenate([customers, revenue])
        further = np.zeros(len(shares)) if beyond is None else beyond
        for bar, share in zip([*self.customers, *self.revenue], shares, strict=True):
            bar.set_width(share)
        for text, what, end in zip(self.texts, self.what, shares, strict=True):
            text.set_text(f"{what} {percent(end)}")
        for text, end in zip(self.texts, np.maximum(shares, 0) + further, strict=True):
            text.set_x(end + 0.02)


def explore_thresholds(result: Thresholds) -> None:
    """Two controls, the thresholds of the two best tiers, and the tiers that they make.

    Parameters
    ----------
    result : Thresholds
        It says where the controls start; the book's rules have three tiers, and so must its.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    values = np.sort(result.tiers.table["value"].to_numpy(dtype=float))[::-1]
    order = list(result.tiers.rules["tier"][:3])
    names = tier_names(result.tiers.rules)
    limits = result.tiers.rules["at_least"].to_numpy()[:2]
    stops = _stops(values, limits)
    options = [(money(stop, result.context.currency), stop) for stop in stops]
    controls = {
        name: ipywidgets.SelectionSlider(
            options=options, value=float(limit), continuous_update=False,
            description=_("{tier} from").format(tier=names[tier]),
            style={"description_width": "initial"}, layout={"width": "460px"},
        )
        for name, tier, limit in zip(("best", "second"), order, limits, strict=False)
    }  # fmt: skip
    with charts.house_style():
        axes = charts.new_axes()
        bars = _Bars(axes, order, names)

    def tiers_of(best: float, second: float) -> tuple[np.ndarray, np.ndarray]:
        rules = result.tiers.rules.head(3).assign(at_least=[best, min(best, second), -np.inf])
        groups = assign(values, rules).to_numpy()[None, :] == np.array(order)[:, None]
        return groups.mean(axis=1), groups @ values / values.sum()

    def move(best: float, second: float) -> None:
        bars.set(*tiers_of(best, second))

    def words(best: float, second: float) -> str:
        customers, revenue = tiers_of(best, second)
        parts = [
            _("{tier} {customers} customers with {revenue} of revenue").format(
                tier=names[tier],
                customers=number(round(share * len(values))),
                revenue=percent(money_share),
            )
            for tier, share, money_share in zip(order, customers, revenue, strict=True)
        ]
        return _("{parts}.").format(parts=_("; ").join(parts))

    figure: Any = axes.figure
    explorer(figure, move, words, controls)


def _stops(falling: np.ndarray, limits: np.ndarray) -> list[float]:
    """Round amounts of money between which the controls move, and the thresholds themselves."""
    positive = falling[falling > 0]
    least, most = (float(positive[int(at * len(positive))]) for at in (WIDEST, NARROWEST))
    rounded = {float(f"{stop:.2g}") for stop in np.geomspace(least, most, STOPS)}
    return sorted(rounded | {float(limit) for limit in limits})
