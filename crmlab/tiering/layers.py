"""The course's table of customer layers (客户层次), put to the test on profit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats.intervals import bootstrap_t
from crmlab.tiering import population
from crmlab.tiering.shares import count, shares_and_errors, sorted_down

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
    total : float
        Profit of all customers.
    losing : int
        Customers whose profit is negative.
    set_aside : population.Population
    confidence : float
    resamples : int
    """

    measure = "tiering.layers"

    total: float
    losing: int
    set_aside: population.Population
    confidence: float
    resamples: int

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"layer": layer_names()}

    def title(self) -> str:
        key = self.table.iloc[0]
        return _("Key customers bring {share} of profit; the course says {taught}").format(
            share=percent(key["share"]), taught=percent(key["taught"], 0)
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

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Profit (amount less direct cost) of the customers of a layer"),
            denominator=_("Profit of all customers"),
            period=self.context.period(),
            method=_(
                "Customers ranked by profit; key: the top 5 %, potential: the next 15 %, "
                "general: the rest. "
                "Studentised bootstrap intervals over customers, {resamples} resamples, that hold "
                "for the three layers together with {confidence} confidence. {cancellations}"
            ).format(
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("profit"),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount", "cost"]})
def layers(
    crm: Workspace, *, confidence: float = 0.95, resamples: int = 999, seed: int = 0
) -> Layers:
    """Whether 5 / 15 / 80 % of the customers bring 80 / 15 / 5 % of the profit, as taught.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount, cost.
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

    Notes
    -----
    Profit is amount less direct cost, over the orders whose cost is known. Customers are ranked
    by the profit they turned out to bring, so the top layer is the luckiest as well as the best:
    some of it will not repeat. Each interval has the confidence 1 − (1 − confidence)/3
    (Bonferroni), so that a table that is true is contradicted with probability 1 − confidence, or
    somewhat more where a few customers carry most of the profit.
    """
    people = population.customers(crm)
    falling = sorted_down(people.with_profit()["margin"])
    if len(falling) < LEAST or falling.sum() <= 0:
        raise NotEnoughData(
            _(
                "The layers need at least {least} customers with a profit together; there are "
                "{customers} with {profit}."
            ).format(least=LEAST, customers=len(falling), profit=number(float(falling.sum())))
        )
    reached = [count(float(edge), len(falling)) for edge in _edges()]
    low, high = bootstrap_t(
        lambda weights: shares_and_errors(falling, weights, reached, between=True),
        len(falling),
        confidence=_each(confidence),
        resamples=resamples,
        seed=seed,
    )
    taught = np.array([profit_share for _customers, profit_share in LAYERS.values()])
    table = pd.DataFrame(
        {
            "layer": list(LAYERS),
            "customers_share": [customers for customers, _profit in LAYERS.values()],
            "customers": np.diff(reached, prepend=0),
            "taught": taught,
            "share": np.diff(_cumulative(falling, reached), prepend=0),
            "low": low,
            "high": high,
            "agrees": (low <= taught) & (taught <= high),
        }
    )
    return Layers(
        table,
        Context.of(crm),
        float(falling.sum()),
        int((falling < 0).sum()),
        people,
        confidence,
        resamples,
    )


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


def _edges() -> NDArray[np.float64]:
    return np.cumsum([customers for customers, _profit in LAYERS.values()])


def _each(confidence: float) -> float:
    """Confidence of each layer's interval, so that all three together have that asked for."""
    return 1 - (1 - confidence) / len(LAYERS)


def _cumulative(falling: NDArray[np.float64], reached: list[int]) -> NDArray[np.float64]:
    return np.cumsum(falling)[np.array(reached) - 1] / falling.sum()
