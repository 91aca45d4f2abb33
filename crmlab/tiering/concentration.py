"""How much of the business hangs on few customers: the Lorenz curve and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.tiering import population
from crmlab.tiering.shares import (
    TOPS,
    Array,
    check_tops,
    count,
    gini,
    gini_interval,
    sorted_down,
    top_curve,
    top_shares_with_intervals,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class Lorenz(Result):
    """Result of `lorenz`.

    Attributes
    ----------
    gini : pandas.Series
        The Gini coefficient: estimate, low, high.
    curve : pandas.DataFrame
        Points of the Lorenz curve, smallest customers first: customers, share (both cumulative).
    values : pandas.Series
        The value of each customer, by customer_id, largest first.
    value : str
    set_aside : population.Population
        Who was counted and who was not.
    confidence : float
    resamples : int
    """

    measure = "tiering.lorenz"

    gini: pd.Series
    curve: pd.DataFrame
    values: pd.Series
    value: str
    set_aside: population.Population
    confidence: float
    resamples: int

    def top(self, customers_share: float) -> float:
        """Share of the total that the top `customers_share` of customers bring."""
        largest = self.values.to_numpy()[: count(customers_share, len(self.values))]
        return float(largest.sum() / self.values.sum())

    def title(self) -> str:
        return top_words(self.value, 0.20, self.top(0.20), decimals=0)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        customers, share = self.curve["customers"], self.curve["share"]
        axes.plot([0, 1], [0, 1], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.plot(customers, share, color=charts.BLUE)
        axes.fill_between(customers, share, customers, color=charts.BLUE, alpha=0.1)
        axes.text(
            0.5, 0.53, _("all customers alike"), rotation=_diagonal(axes), color=charts.MUTED,
            ha="center",
        )  # fmt: skip
        axes.text(0.48, 0.24, self._gini_words(), color=charts.BLUE, ha="center")
        axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=_("Customers, smallest first"))
        axes.set_ylabel(_("Share of {value}").format(value=value_name(self.value)))
        charts.share_axis(axes.xaxis)
        charts.share_axis(axes.yaxis)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            ngettext(
                "the top {customers} ({count} customer) {share} ({low} to {high})",
                "the top {customers} ({count} customers) {share} ({low} to {high})",
                row.customers,
            ).format(
                customers=percent(row.customers_share, 0),
                count=number(row.customers),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
            )
            for row in self.table.itertuples()
        ]
        tops = _("Of {value}, customers bring: {parts}.").format(
            value=value_name(self.value), parts=_("; ").join(parts)
        )
        whole = _("{gini}, over {customers} customers, {period}. {intervals}").format(
            gini=self._gini_words(),
            customers=number(len(self.values)),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )
        return "\n\n".join([tops, whole, self.set_aside.sentence("revenue")])

    def alt(self) -> str:
        return _(
            "Lorenz curve of {value} over {customers} customers: it runs well below the diagonal "
            "where customers differ; the smaller half brings {half} of the total. {gini}."
        ).format(
            value=value_name(self.value),
            customers=number(len(self.values)),
            half=percent(1 - self.top(0.50)),
            gini=self._gini_words(),
        )

    def _gini_words(self) -> str:
        return _("Gini {gini} ({low} to {high})").format(
            gini=number(self.gini["estimate"], 2),
            low=number(self.gini["low"], 2),
            high=number(self.gini["high"], 2),
        )

    def _define(self) -> Definition:
        name = value_name(self.value)
        return Definition(
            numerator=_("{value} of the largest customers").format(value=name),
            denominator=_("{value} of all customers whose revenue is above zero").format(
                value=name
            ),
            period=self.context.period(),
            method=_(
                "Customers sorted by value; Gini = 2 Σ i·x / (n Σ x) − (n + 1)/n. {confidence} "
                "studentised bootstrap intervals over customers, {resamples} resamples; with very "
                "unequal customers they are somewhat too short, mostly at the upper end. "
                "{cancellations}"
            ).format(
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("revenue"),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def lorenz(
    crm: Workspace,
    *,
    value: Literal["revenue", "orders"] = "revenue",
    tops: Sequence[float] = TOPS,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Lorenz:
    """How concentrated the business is: Lorenz curve, Gini coefficient and top shares.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    value : {"revenue", "orders"}
        Net revenue (refunds subtracted) or number of purchases.
    tops : sequence of float
        Shares of customers whose share of the total is reported.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Lorenz
        `.table` has a row per top share: customers_share, customers, share (of the total), low,
        high. `.gini` has estimate, low and high.

    Raises
    ------
    MissingColumns
        If a column is not there.
    CrmlabError
        If `value`, `tops` or `confidence` is not one of those allowed.
    NotEnoughData
        If fewer than two customers have a positive sum.

    Notes
    -----
    For the customers the company had, the shares are exact. The interval treats them as a random
    draw from a large pool of such customers and says how far the figure would move with another
    draw, not how far the same customers will change next year. A customer whose revenue nets to
    zero or less is set aside and counted: a Lorenz curve has no place for them.

    References
    ----------
    Lorenz, M. O. (1905), Publications of the American Statistical Association 9, 209-219.
    """
    check_tops(tops)
    people = population.customers(crm)
    values = _values(people.with_revenue(), value)
    falling = sorted_down(values)
    drawing = {"confidence": confidence, "resamples": resamples, "seed": seed}
    table = top_shares_with_intervals(falling, tops, **drawing)  # type: ignore[arg-type]
    low, high = gini_interval(falling, **drawing)  # type: ignore[arg-type]
    coefficient = pd.Series({"estimate": gini(falling), "low": float(low), "high": float(high)})
    curve = _curve(falling)
    context = Context.of(crm)
    return Lorenz(table, context, coefficient, curve, values, value, people, confidence, resamples)


def explore_top_share(result: Lorenz) -> None:
    """A slider over the Lorenz curve: the largest customers, and what they bring.

    Parameters
    ----------
    result : Lorenz
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    slider = ipywidgets.FloatSlider(
        value=0.20, min=0.005, max=1.0, step=0.005, readout_format=".1%", continuous_update=False,
        description=_("Top customers"), style={"description_width": "initial"},
        layout={"width": "420px"},
    )  # fmt: skip
    with charts.house_style():
        axes = result.plot()
        # The title states the default; once the slider moves, the sentence below does.
        axes.figure.suptitle("")
        crowd = axes.axvspan(0.8, 1.0, color=charts.ORANGE, alpha=0.12)
        (bracket,) = axes.plot([], [], color=charts.ORANGE, marker="_", markersize=9)
        label = axes.text(0, 0, "", color=charts.INK, ha="right", va="center")

    def move(top: float) -> None:
        edge, reached = 1 - top, 1 - result.top(top)
        crowd.set_x(edge)
        crowd.set_width(top)
        bracket.set_data([edge, edge], [reached, 1.0])
        label.set_text(percent(result.top(top)))
        label.set_position((max(edge - 0.015, 0.12), (1 + reached) / 2))

    def words(top: float) -> str:
        return _("The top {customers} of customers ({count}) bring {share} of {value}.").format(
            customers=percent(top),
            count=number(count(top, len(result.values))),
            share=percent(result.top(top)),
            value=value_name(result.value),
        )

    figure: Any = axes.figure
    explorer(figure, move, words, {"top": slider})


def top_words(value: str, customers: float, share: float, *, decimals: int = 1) -> str:
    """The sentence that says what the largest customers bring."""
    return _("The top {customers} of customers bring {share} of {value}").format(
        customers=percent(customers, 0), share=percent(share, decimals), value=value_name(value)
    )


def value_name(value: str) -> str:
    """Name of what is shared out, in the current language, as it stands inside a sentence."""
    return {"revenue": _("revenue"), "orders": _("all orders")}[value]


def _values(summary: pd.DataFrame, value: str) -> pd.Series:
    columns = {"revenue": "amount", "orders": "orders"}
    if value not in columns:
        raise CrmlabError(
            _(
                "lorenz() knows the values {names}, not {value}. "
                "For profit, which can be negative, use layers(crm)."
            ).format(names=", ".join(columns), value=value)
        )
    values = summary.set_index("customer_id")[columns[value]].astype(float)
    values = values[values > 0].sort_values(ascending=False, kind="stable")
    if len(values) < 2:
        raise NotEnoughData(
            _(
                "A Lorenz curve needs at least 2 customers with a positive sum; there are "
                "{customers}."
            ).format(customers=len(values))
        )
    return values


def _curve(falling: Array) -> pd.DataFrame:
    customers, totals = top_curve(falling, np.ones(len(falling)))
    customers, shares = customers / customers[-1], totals / totals[-1]
    # A thousand points draw the same line as a million.
    keep = np.unique(np.linspace(0, len(customers) - 1, 5001).round().astype(int))
    return pd.DataFrame(
        {"customers": (1 - customers[keep])[::-1], "share": (1 - shares[keep])[::-1]}
    )


def _diagonal(axes: Axes) -> float:
    figure = axes.get_figure()
    width, height = charts.SIZE if figure is None else figure.get_size_inches()  # type: ignore
    return float(np.degrees(np.arctan2(height * 0.8, width * 0.87)))
