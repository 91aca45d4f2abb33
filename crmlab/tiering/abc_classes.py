"""ABC classes: customers cut by the share of the money they bring, not by their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
    require,
)
from crmlab.stats.intervals import bootstrap_t
from crmlab.tiering import population
from crmlab.tiering.layers import LAYERS, layer_names
from crmlab.tiering.shares import (
    Array,
    Influence,
    at,
    count,
    cumulated,
    reached,
    sorted_down,
    squares_between,
    top_curve,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

CLASSES = ("A", "B", "C")
#: A class has the colour of the layer whose place it takes.
COLOURS = dict(zip(CLASSES, charts.LAYER_COLOURS.values(), strict=True))
#: Columns of the query customer_summary that hold each value.
_COLUMNS = {"revenue": "amount", "profit": "margin"}


@dataclass(frozen=True, repr=False)
class AbcClasses(Result):
    """Result of `abc_classes`.

    Attributes
    ----------
    value : {"revenue", "profit"}
    cuts : tuple of float
        Shares of the money at which A ends and at which B ends.
    curve : pandas.DataFrame
        Points of the Pareto curve, largest customers first: customers, share (both cumulative).
    layers : pandas.DataFrame
        The same customers cut at 5 and 20 % of their number, as the course's table does: layer,
        customers, share (of the money).
    losing : int
        Customers set aside because their profit is zero or less; 0 for revenue.
    lost : float
        The profit of those customers, zero or less.
    set_aside : population.Population
    confidence : float
    resamples : int
    """

    measure = "tiering.abc_classes"

    value: str
    cuts: tuple[float, float]
    curve: pd.DataFrame
    layers: pd.DataFrame
    losing: int
    lost: float
    set_aside: population.Population
    confidence: float
    resamples: int

    def title(self) -> str:
        first = self.table.iloc[0]
        return _("Class A: {customers} of customers bring {share} of {value}").format(
            customers=percent(first["customers_share"]),
            share=percent(first[f"{self.value}_share"]),
            value=_value_name(self.value),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        ends = np.concatenate([[0.0], self.table["customers_share"].cumsum()])
        for row, (start, end) in zip(self._rows(), pairwise(ends), strict=True):
            if row["customers"]:
                points = np.unique(np.concatenate([self._between(start, end), [start, end]]))
                colour, reached = COLOURS[row["class"]], self._reached(points)
                axes.plot(points, reached, color=colour, label=self._label(row))
                axes.fill_between(points, reached, color=colour, alpha=0.18, linewidth=0)
        self._draw_interval(axes)
        marks = np.cumsum([customers for customers, _profit in LAYERS.values()])[:-1]
        axes.scatter(marks, self._reached(marks), marker="^", s=45, color=charts.INK, zorder=4)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xlabel(
            _("Customers, largest first; triangles: {first} and {second} of customers").format(
                first=percent(marks[0], 0), second=percent(marks[1], 0)
            )
        )
        axes.set_ylabel(_("Share of {value}").format(value=_value_name(self.value)))
        charts.share_axis(axes.xaxis)
        charts.share_axis(axes.yaxis)
        axes.legend(loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._classes(), self._draws(), self._contrast()]
        if self.losing:
            parts.append(self._losing())
        parts.append(self.set_aside.sentence(self._use()))
        return "\n\n".join(parts)

    def alt(self) -> str:
        return _(
            "Curve of the share of {value} against the share of customers, largest first, in the "
            "colours of three classes. {classes}"
        ).format(value=_value_name(self.value), classes=self._classes())

    def _use(self) -> population.Use:
        return "revenue" if self.value == "revenue" else "profit"

    def _between(self, start: float, end: float) -> Array:
        customers = self.curve["customers"].to_numpy()
        return customers[(customers > start) & (customers < end)]

    def _reached(self, customers: Array) -> Array:
        return np.interp(customers, self.curve["customers"], self.curve["share"])

    def _draw_interval(self, axes: Axes) -> None:
        first = self.table.iloc[0]
        axes.errorbar(
            [first["customers_share"]], [first[f"{self.value}_share"]],
            xerr=[[first["customers_share"] - first["low"]],
                  [first["high"] - first["customers_share"]]],
            color=charts.INK, linewidth=1.5, capsize=3, zorder=3,
        )  # fmt: skip

    def _rows(self) -> list[dict[Any, Any]]:
        return self.table.to_dict("records")

    def _label(self, row: Mapping[str, Any]) -> str:
        return _("{name}: {customers} of customers, {share} of {value}").format(
            name=row["class"],
            customers=percent(row["customers_share"]),
            share=percent(row[f"{self.value}_share"]),
            value=_value_name(self.value),
        )

    def _classes(self) -> str:
        parts = [self._class(row) for row in self._rows() if row["customers"]]
        return _("{parts}. {intervals}").format(
            parts=_(". ").join(parts), intervals=intervals_in_brackets(self.confidence)
        )

    def _class(self, row: Mapping[str, Any]) -> str:
        return ngettext(
            "Class {name}: {customers} customer ({share} of customers; {low} to {high}), {money} "
            "of {value}, at least {least} each",
            "Class {name}: {customers} customers ({share} of customers; {low} to {high}), {money} "
            "of {value}, at least {least} each",
            int(row["customers"]),
        ).format(
            name=row["class"],
            customers=number(row["customers"]),
            share=percent(row["customers_share"]),
            low=percent(row["low"]),
            high=percent(row["high"]),
            money=percent(row[f"{self.value}_share"]),
            value=_value_name(self.value),
            least=money(row["at_least"], self.context.currency),
        )

    def _draws(self) -> str:
        return _(
            "The intervals say how many customers it would take to bring {first} and {second} in "
            "another draw of such customers; for these customers the shares are exact. The "
            "customer who crosses a cut belongs to the better class, and so do all who bring the "
            "same."
        ).format(first=percent(self.cuts[0], 0), second=percent(self.cuts[1], 0))

    def _contrast(self) -> str:
        names = layer_names()
        parts = [
            _("{layer} ({customers}) {share}").format(
                layer=names[row.layer], customers=number(row.customers), share=percent(row.share)
            )
            for row in self.layers.itertuples()
        ]
        cut = _(
            "Cut by number instead, at {first} and {second} of customers as in the course's table, "
            "the layers bring: {parts}."
        ).format(
            first=percent(self._edges()[0], 0),
            second=percent(self._edges()[1], 0),
            parts=_("; ").join(parts),
        )
        return f"{cut} {self._difference()}"

    def _edges(self) -> Array:
        return np.cumsum([customers for customers, _profit in LAYERS.values()])

    def _difference(self) -> str:
        """How class A and the key layer differ; both start at the largest customer."""
        difference = int(self.table["customers"].iloc[0] - self.layers["customers"].iloc[0])
        if difference == 0:
            return _("Class A and the key layer are the same customers.")
        if difference > 0:
            return ngettext(
                "Class A is the key layer and {count} customer more.",
                "Class A is the key layer and {count} customers more.",
                difference,
            ).format(count=number(difference))
        return ngettext(
            "Class A is the key layer without {count} of its customers.",
            "Class A is the key layer without {count} of its customers.",
            -difference,
        ).format(count=number(-difference))

    def _losing(self) -> str:
        return ngettext(
            "{count} customer whose profit is zero or less is set aside, with {lost} of losses: "
            "a share of the total needs a value above zero.",
            "{count} customers whose profit is zero or less are set aside, with {lost} of losses "
            "together: a share of the total needs a value above zero.",
            self.losing,
        ).format(count=number(self.losing), lost=money(-self.lost, self.context.currency))

    def _exclusions(self) -> tuple[Exclusion, ...]:
        found = self.set_aside.exclusions(self._use())
        if self.losing:
            found += (Exclusion.of_customers(_("profit of zero or less"), self.losing),)
        return found

    def _define(self) -> Definition:
        name = _value_name(self.value)
        return Definition(
            numerator=_("Customers of a class, and their {value}").format(value=name),
            denominator=_("Customers whose {value} is above zero, and their {value}").format(
                value=name
            ),
            period=self.context.period(),
            method=_(
                "Customers sorted by {value}, largest first; A until {first} of it are reached, B "
                "until {second}, C the rest. The customer who crosses a cut belongs to the better "
                "class, equal customers to the same. {confidence} studentised bootstrap intervals "
                "over customers, {resamples} resamples, of the share of customers needed. "
                "{cancellations}"
            ).format(
                value=name,
                first=percent(self.cuts[0], 0),
                second=percent(self.cuts[1], 0),
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def abc_classes(
    crm: Workspace,
    *,
    value: Literal["revenue", "profit"] = "revenue",
    cuts: tuple[float, float] = (0.80, 0.95),
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> AbcClasses:
    """How few customers bring most of the money: classes A, B and C by cumulative share.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for ``value="profit"`` also cost.
    value : {"revenue", "profit"}
        Net revenue (refunds subtracted), or amount less direct cost.
    cuts : (float, float)
        Shares of the money at which class A ends and at which class B ends.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    AbcClasses
        `.table` has a row per class: class, customers, customers_share, low, high (of
        customers_share), then revenue (money), revenue_share, or profit and profit_share, and
        at_least (the smallest value in the class, money). `.layers` are the same customers cut by
        their number.

    Raises
    ------
    MissingColumns
        If a column is not there.
    CrmlabError
        If `value` or `cuts` is not one of those allowed.
    NotEnoughData
        If fewer than two customers have a value above zero.

    Notes
    -----
    A customer belongs to A when those who bring more have not reached the first cut yet, to B when
    they have not reached the second. So the customer who crosses a cut is in the better class, and
    customers who bring the same are in the same class, the better one if a cut falls among them;
    class A therefore brings the first cut or somewhat more. Customers whose value is zero or less
    are set aside and counted: they have no place on a curve that rises to 100 %.

    For the customers the company had, the classes are exact. The interval is of the share of
    customers that it takes to bring a cut in another draw of such customers. With p the share
    needed to bring s, q the value at the cut and x a customer's value, a customer influences p by
    −(max(x − q, 0) + q p − s x)/q, which gives the standard error that the studentised bootstrap
    needs. The interval is computed with the share interpolated between two customers and moved by
    the rounding up to whole customers. With very unequal customers it is somewhat too short: drawn
    from lognormal values, intervals of 95 % held the true share in 87 to 96 of 100 draws.

    References
    ----------
    Dickie, H. F. (1951), ABC inventory analysis shoots for dollars not pennies, Factory Management
    and Maintenance 109 (7), 92-94. Goldie, C. M. (1977), Advances in Applied Probability 9,
    765-791, on the inverse of the Lorenz curve.
    """
    _check(crm, value, cuts)
    people = population.customers(crm)
    known = people.with_revenue() if value == "revenue" else people.with_profit()
    values = known[_COLUMNS[value]].astype(float)
    falling = sorted_down(values[values > 0])
    if len(falling) < 2:
        raise NotEnoughData(
            _("ABC classes need at least 2 customers above zero; there are {customers}.").format(
                customers=len(falling)
            )
        )
    table = _table(falling, value, cuts)
    low, high = bootstrap_t(
        lambda weights: needed_and_errors(falling, weights, cuts),
        len(falling),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    rounding = table["customers_share"] - needed_and_errors(falling, np.ones(len(falling)), cuts)[0]
    table.insert(3, "low", (low + rounding).clip(0, 1))
    table.insert(4, "high", (high + rounding).clip(0, 1))
    losing = values[values <= 0]
    return AbcClasses(
        table,
        Context.of(crm),
        value,
        cuts,
        _curve(falling),
        _layers(falling),
        len(losing),
        float(losing.sum()),
        people,
        confidence,
        resamples,
    )


def classify(values: ArrayLike, cuts: tuple[float, float] = (0.80, 0.95)) -> pd.Series:
    """The class of each customer, equal customers in the same.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Above zero.
    cuts : (float, float)

    Returns
    -------
    pandas.Series of str
        ``"A"``, ``"B"`` or ``"C"``, in the order of `values`.

    Examples
    --------
    >>> classify([5, 70, 10, 10, 5]).tolist()
    ['B', 'A', 'A', 'A', 'B']
    """
    amounts = pd.Series(values, dtype=float)
    by_value = amounts.groupby(amounts).sum().sort_index(ascending=False)
    # What those bring who bring more; rounded, or 0.7 + 0.1 would fall short of 0.8.
    above = ((by_value.cumsum() - by_value) / by_value.sum()).round(12)
    places = np.searchsorted(np.asarray(cuts), above.to_numpy(), side="right")
    classes = pd.Series(np.array(CLASSES)[places], index=by_value.index)
    return amounts.map(classes).astype(str).rename("class")


def needed_and_errors(
    falling: Array, weights: Array, cuts: tuple[float, float]
) -> tuple[Array, Array]:
    """Shares of customers in A, B and C, not rounded to whole customers, and standard errors.

    Parameters
    ----------
    falling : ndarray, shape (customers,)
        Values above zero, largest first.
    weights : ndarray, shape (..., customers)
        How often each counts.
    cuts : (float, float)

    Returns
    -------
    two ndarrays, each of shape (..., 3)
    """
    sums = customers, totals, _squares = cumulated(falling, weights)
    n, shares = customers[..., -1:], np.asarray(cuts)
    asked = shares * totals[..., -1:]
    places = reached(totals, asked)
    cut = falling[places]
    needed = (at(customers, places) + (asked - at(totals, places)) / cut) / n
    influence = Influence(
        places,
        np.stack([1 - needed, (shares - 1) / cut], axis=-1),
        np.stack([-needed, shares / cut], axis=-1),
    )
    squares = [
        squares_between(sums, influence.before(), influence),
        squares_between(sums, influence.none(), influence)[..., -1:],
    ]
    errors = np.sqrt(np.concatenate(squares, axis=-1)) / n
    return np.diff(needed, axis=-1, prepend=0, append=1), errors


def _check(crm: Workspace, value: str, cuts: tuple[float, float]) -> None:
    if value not in _COLUMNS:
        raise CrmlabError(
            _("abc_classes() knows the values {names}, not {value}.").format(
                names=", ".join(_COLUMNS), value=value
            )
        )
    if len(cuts) != 2 or not 0 < cuts[0] < cuts[1] < 1:
        raise CrmlabError(
            _(
                "cuts are two rising shares between 0 and 1, such as (0.8, 0.95); not {cuts}."
            ).format(cuts=cuts)
        )
    if value == "profit":
        needs = {"orders": ["customer_id", "ordered_at", "amount", "cost"]}
        require(crm, "tiering.abc_classes", crm.missing(needs))


def _table(falling: Array, value: str, cuts: tuple[float, float]) -> pd.DataFrame:
    values = pd.Series(falling)
    groups = values.groupby(classify(falling, cuts))
    found = groups.agg(["size", "sum", "min"]).reindex(list(CLASSES))
    return pd.DataFrame(
        {
            "class": list(CLASSES),
            "customers": found["size"].fillna(0).astype("int64").to_numpy(),
            "customers_share": (found["size"].fillna(0) / len(falling)).to_numpy(),
            value: found["sum"].fillna(0.0).to_numpy(),
            f"{value}_share": (found["sum"].fillna(0.0) / falling.sum()).to_numpy(),
            "at_least": found["min"].to_numpy(),
        }
    )


def _layers(falling: Array) -> pd.DataFrame:
    """The same customers cut by their number, as the course's table of layers cuts them."""
    edges = np.cumsum([customers for customers, _profit in LAYERS.values()])
    reached = np.array([0, *[count(float(edge), len(falling)) for edge in edges]])
    totals = np.concatenate([[0.0], np.cumsum(falling)])
    return pd.DataFrame(
        {
            "layer": list(LAYERS),
            "customers": np.diff(reached),
            "share": np.diff(totals[reached]) / totals[-1],
        }
    )


def _curve(falling: Array) -> pd.DataFrame:
    customers, totals = top_curve(falling, np.ones(len(falling)))
    # A few thousand points draw the same line as a million.
    keep = np.unique(np.linspace(0, len(customers) - 1, 5001).round().astype(int))
    return pd.DataFrame({"customers": customers[keep], "share": totals[keep]}) / [
        customers[-1],
        totals[-1],
    ]


def _value_name(value: str) -> str:
    return {"revenue": _("revenue"), "profit": _("profit")}[value]
