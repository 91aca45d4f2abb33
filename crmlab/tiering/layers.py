"""The course's table of customer layers (客户层次), put to the test on profit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure, require
from crmlab.stats.intervals import bootstrap_t
from crmlab.tiering import population
from crmlab.tiering.shares import Array, count, group_shares_and_errors, shares_and_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Share of customers and share of profit of each layer, as taught.
LAYERS: Mapping[str, tuple[float, float]] = {
    "key": (0.05, 0.80),
    "potential": (0.15, 0.15),
    "general": (0.80, 0.05),
}

#: Fewer customers than this leave too few in the key layer to speak of.
LEAST = 40
#: A key layer whose interval is wider than this says nothing about the table.
WIDE = 0.30


@dataclass(frozen=True, repr=False)
class Layers(Result):
    """Result of `layers`.

    Attributes
    ----------
    by : str
        Whether the layers go by rank of profit or by the tier given.
    losing : int
        Customers whose profit is negative.
    set_aside : population.Population
    confidence : float
    resamples : int
    """

    measure = "tiering.layers"

    by: str
    losing: int
    set_aside: population.Population
    confidence: float
    resamples: int

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"layer": layer_names()}

    def title(self) -> str:
        key = self.table.iloc[0]
        said = (
            _("The top {customers} by profit bring {share} of it; the course says {taught}")
            if self.by == "profit"
            else _("Key customers ({customers}) bring {share} of profit; the course says {taught}")
        )
        return said.format(
            customers=percent(key["customers_share"], 0),
            share=percent(key["share"]),
            taught=percent(key["taught"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        table, names = self.table, layer_names()
        places = np.arange(len(table))[::-1]
        colours = [charts.LAYER_COLOURS[layer] for layer in table["layer"]]
        whiskers = np.abs(table[["low", "high"]].to_numpy().T - table["share"].to_numpy())
        axes.barh(
            places, table["share"], height=0.5, color=colours, xerr=whiskers, ecolor=charts.INK,
            capsize=3,
        )  # fmt: skip
        # Below the bar, so that it does not hide the end of the interval.
        axes.scatter(table["taught"], places - 0.36, marker="^", s=60, color=charts.INK)
        labels = [
            f"{names[row.layer]}\n{percent(row.customers_share, 0)}" for row in table.itertuples()
        ]
        axes.set_yticks(places, labels)
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of profit; triangle: as taught"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        shares = _(
            "Share of profit by layer. {layers}. In brackets: intervals that hold together with "
            "{confidence} confidence."
        ).format(layers=self._layers(), confidence=percent(self.confidence, 0))
        left_out = self.set_aside.sentence("profit")
        return "\n\n".join([shares, self._verdict(), self._losing(), left_out])

    def alt(self) -> str:
        return _("Bars of the share of profit by customer layer. {layers}. {verdict}").format(
            layers=self._layers(), verdict=self._verdict()
        )

    def _layers(self) -> str:
        names = layer_names()
        parts = [
            _(
                "{layer} ({customers} of customers): {share} ({low} to {high}), taught {taught}"
            ).format(
                layer=names[row.layer],
                customers=percent(row.customers_share, 0),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
                taught=percent(row.taught, 0),
            )
            for row in self.table.itertuples()
        ]
        return _("; ").join(parts)

    def _verdict(self) -> str:
        above = self._named(self.table["low"] > self.table["taught"])
        below = self._named(self.table["high"] < self.table["taught"])
        if above and below:
            return _("More than taught: {above}. Less than taught: {below}.").format(
                above=above, below=below
            )
        if above:
            return _("More than taught: {above}.").format(above=above)
        if below:
            return _("Less than taught: {below}.").format(below=below)
        key = self.table.iloc[0]
        if key["high"] - key["low"] > WIDE:
            return _("There are too few customers, or too unequal ones, to tell.")
        return _(
            "The shares taught all lie within the intervals: the table cannot be told from these "
            "customers. That does not prove it."
        )

    def _named(self, chosen: pd.Series) -> str:
        names = layer_names()
        return _(", ").join(names[layer] for layer in self.table.loc[chosen, "layer"])

    def _losing(self) -> str:
        return _(
            "{losing} of {customers} customers bring less than they cost directly; the costs "
            "of serving them are not yet in this figure."
        ).format(losing=number(self.losing), customers=number(self.table["customers"].sum()))

    def _method(self) -> str:
        if self.by == "profit":
            return _(
                "Customers ranked by profit; key: the top 5 %, potential: the next 15 %, general: "
                "the rest."
            )
        return _("Layers by the tier that the company has given; other tiers are in none.")

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Profit (amount less direct cost) of the customers of a layer"),
            denominator=_("Profit of all customers"),
            period=self.context.period(),
            method=_(
                "{layers} Studentised bootstrap intervals over customers, {resamples} resamples, "
                "that hold for the three layers together with {confidence} confidence. "
                "{cancellations}"
            ).format(
                layers=self._method(),
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("profit"),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount", "cost"]})
def layers(
    crm: Workspace,
    *,
    by: Literal["profit", "tier"] = "profit",
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Layers:
    """Whether 5 / 15 / 80 % of the customers bring 80 / 15 / 5 % of the profit, as taught.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount, cost; for ``by="tier"`` also customers: tier.
    by : {"profit", "tier"}
        Layers by rank of profit, or the tiers (key, potential, general) that the company has given
        its customers.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Layers
        `.table` has a row per layer: layer (key, potential, general), customers_share, customers,
        taught, share, low, high, agrees (whether the share taught lies in the interval).

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If there are too few customers, or they bring no profit together.
    CrmlabError
        If `by` is something else.

    Notes
    -----
    Profit is amount less direct cost, over the orders whose cost is known. Ranked by the profit
    they turned out to bring, the top layer is the luckiest as well as the best, so its share is
    larger than that of customers chosen beforehand. Each interval has the confidence
    1 − (1 − confidence)/3 (Bonferroni), so that a table that is true is contradicted with
    probability 1 − confidence, or somewhat more where a few customers carry most of the profit.
    """
    people = population.customers(crm)
    profit = (
        people.with_profit()
        .set_index("customer_id")["margin"]
        .sort_values(ascending=False, kind="stable")
    )
    groups = _groups(crm, profit, by)
    values = profit.to_numpy(dtype=float)
    if len(values) < LEAST or values.sum() <= 0:
        raise NotEnoughData(
            _(
                "The layers need at least {least} customers with a profit together; there are "
                "{customers} with {profit}."
            ).format(least=LEAST, customers=len(values), profit=number(float(values.sum())))
        )
    statistic = _by_rank(values) if by == "profit" else _by_group(values, groups)
    low, high = bootstrap_t(
        statistic, len(values), confidence=_each(confidence), resamples=resamples, seed=seed
    )
    taught = np.array([profit_share for _customers, profit_share in LAYERS.values()])
    table = pd.DataFrame(
        {
            "layer": list(LAYERS),
            "customers_share": groups.mean(axis=1),
            "customers": groups.sum(axis=1),
            "taught": taught,
            "share": groups @ values / values.sum(),
            "low": low,
            "high": high,
            "agrees": (low <= taught) & (taught <= high),
        }
    )
    losing = int((values < 0).sum())
    return Layers(table, Context.of(crm), by, losing, people, confidence, resamples)


def _groups(crm: Workspace, profit: pd.Series, by: str) -> NDArray[np.bool_]:
    """Who belongs to which layer: a row per layer, a column per customer."""
    if by == "profit":
        reached = [count(float(edge), len(profit)) for edge in _edges()]
        rank = np.arange(len(profit))
        return np.array([(low <= rank) & (rank < high) for low, high in pairwise([0, *reached])])
    if by != "tier":
        raise CrmlabError(
            _("layers() goes by {names}, not by {value}.").format(names="profit, tier", value=by)
        )
    require(crm, "tiering.layers", crm.missing({"customers": ["customer_id", "tier"]}))
    tiers = crm.customers.set_index("customer_id")["tier"].reindex(profit.index)
    return np.array([(tiers == layer).fillna(False).to_numpy(dtype=bool) for layer in LAYERS])


def _by_rank(falling: Array) -> Callable[[Array], tuple[Array, Array]]:
    reached = [count(float(edge), len(falling)) for edge in _edges()]
    return lambda weights: shares_and_errors(falling, weights, reached, between=True)


def _by_group(values: Array, groups: NDArray[np.bool_]) -> Callable[[Array], tuple[Array, Array]]:
    return lambda weights: group_shares_and_errors(values, groups, weights)


def layer_names() -> dict[str, str]:
    """Names of the customer layers in the current language.

    Examples
    --------
    >>> layer_names()["key"]
    'Key customers'
    """
    return {
        "key": _("Key customers"),
        "potential": _("Potential customers"),
        "general": _("General customers"),
    }


def _edges() -> Array:
    return np.cumsum([customers for customers, _profit in LAYERS.values()])


def _each(confidence: float) -> float:
    """Confidence of each layer's interval, so that all three together have that asked for."""
    return 1 - (1 - confidence) / len(LAYERS)
