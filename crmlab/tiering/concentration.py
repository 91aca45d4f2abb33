"""How much of the business hangs on few customers: Lorenz curve, top shares, customer layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats.intervals import bootstrap
from crmlab.tiering import population

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: The course's customer layers (客户层次): share of customers, share of profit as taught.
LAYERS: Mapping[str, tuple[float, float]] = {
    "key": (0.05, 0.80),
    "potential": (0.15, 0.15),
    "general": (0.80, 0.05),
}

TOPS = (0.01, 0.05, 0.10, 0.20, 0.50)


def gini(values: ArrayLike, *, corrected: bool = False) -> float:
    """How unequally values are spread over customers: 0 all equal, 1 one customer has everything.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Not negative, with a positive sum.
    corrected : bool
        Multiply by n/(n − 1), which makes 1 reachable for a small number of customers.

    Returns
    -------
    float

    Raises
    ------
    CrmlabError
        If a value is negative or missing, or the sum is not positive.

    Notes
    -----
    Twice the area between the diagonal and the Lorenz curve; with x sorted upwards,
    G = 2 Σ i·xᵢ / (n Σ xᵢ) − (n + 1)/n.

    References
    ----------
    Gini, C. (1912), Variabilità e mutabilità. Deaton, A. (1997), The Analysis of Household Surveys,
    section 3.1.

    Examples
    --------
    >>> round(gini([541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261]), 6)
    0.462091
    """
    falling = _falling(values)
    if np.isnan(falling).any() or (falling < 0).any() or falling.sum() <= 0:
        raise CrmlabError(
            _(
                "The Gini coefficient needs values that are not negative, none missing, with "
                "a positive sum."
            )
        )
    result = _gini(falling, np.ones(len(falling)))
    return result * len(falling) / (len(falling) - 1) if corrected else result


def top_shares(values: ArrayLike, tops: Sequence[float] = TOPS) -> pd.DataFrame:
    """What share of the total the largest customers bring.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Negative values are allowed; their sum must be positive.
    tops : sequence of float
        Shares of customers, largest first, each between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        A row per share: customers_share, customers (their number, rounded up), share (of the
        total).

    Notes
    -----
    Where the share of customers is not a whole number of customers, the last one counts in part.

    Examples
    --------
    >>> top_shares([70, 20, 10, 0], [0.25, 0.5])
       customers_share  customers  share
    0             0.25          1    0.7
    1             0.50          2    0.9
    """
    falling = _falling(values)
    return pd.DataFrame(
        {
            "customers_share": list(tops),
            "customers": [_count(top, len(falling)) for top in tops],
            "share": _top_shares(falling, np.ones(len(falling)), tops),
        }
    )


@dataclass(frozen=True, repr=False)
class Lorenz(Result):
    """Result of `lorenz`.

    Attributes
    ----------
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

    curve: pd.DataFrame
    values: pd.Series
    value: str
    set_aside: population.Population
    confidence: float
    resamples: int

    def formats(self) -> Mapping[str, str]:
        return {"estimate": "number", "low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        labels = {
            "gini": _("Gini coefficient"),
            "top_share": _("Share of the total brought by the top"),
        }
        return {"statistic": labels}

    def top(self, customers_share: float) -> Mapping[str, Any]:
        """The table's row for a share of customers."""
        rows = self.table[np.isclose(self.table["customers_share"], customers_share)]
        return dict(rows.iloc[0])

    def title(self) -> str:
        top = self.top(0.20) if 0.20 in self.table["customers_share"].values else self.top(TOPS[0])
        return _("The top {customers} of customers bring {share} of {value}").format(
            customers=percent(top["customers_share"], 0),
            share=percent(top["estimate"], 0),
            value=value_name(self.value),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        axes.plot([0, 1], [0, 1], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.plot(self.curve["customers"], self.curve["share"], color=charts.BLUE)
        axes.fill_between(
            self.curve["customers"],
            self.curve["share"],
            self.curve["customers"],
            color=charts.BLUE,
            alpha=0.1,
        )
        axes.text(
            0.5,
            0.53,
            _("all customers alike"),
            rotation=_diagonal(axes),
            color=charts.MUTED,
            ha="center",
        )
        axes.text(
            0.62, 0.30, _gini_words(self), color=charts.BLUE, ha="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
        _share_axes(
            axes,
            _("Customers, smallest first"),
            _("Share of {value}").format(value=value_name(self.value)),
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        return "\n\n".join([_top_sentence(self), _gini_sentence(self), self.set_aside.sentence()])

    def alt(self) -> str:
        return _(
            "Lorenz curve of {value} over {customers} customers: it runs well below the "
            "diagonal where customers differ; "
            "the smaller half brings {half} of the total. {gini}."
        ).format(
            value=value_name(self.value),
            customers=number(len(self.values)),
            half=percent(1 - self.top(0.50)["estimate"]),
            gini=_gini_words(self),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("{value} of the largest customers").format(value=value_name(self.value)),
            denominator=_("{value} of all customers with a positive sum").format(
                value=value_name(self.value)
            ),
            period=self.context.period(),
            method=_(
                "Customers sorted by value; Gini = 2 Σ i·x / (n Σ x) − (n + 1)/n. "
                "{confidence} percentile bootstrap intervals over customers, {resamples} "
                "resamples. {cancellations}"
            ).format(
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions(),
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
        `.table` has a row for the Gini coefficient and one per top share: statistic,
        customers_share, customers, estimate, low, high.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If fewer than two customers have a positive sum.

    Notes
    -----
    The customers of the period are taken as a sample of the customers the company might have had,
    so the intervals say how far the figures would move with other customers of the same kind. A
    customer whose sum is zero or negative is set aside and counted: a Lorenz curve has no place
    for them.

    References
    ----------
    Lorenz, M. O. (1905), Publications of the American Statistical Association 9, 209-219.
    """
    people = population.customers(crm)
    values = _values(people.positive(), value)
    falling = values.to_numpy(dtype=float)
    estimate = _statistics(falling, np.ones(len(falling)), tops)
    interval = bootstrap(
        lambda weights: _statistics(falling, weights, tops),
        len(falling),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    table = pd.DataFrame(
        {
            "statistic": ["gini"] + ["top_share"] * len(tops),
            "customers_share": [np.nan, *tops],
            "customers": [len(falling), *(_count(top, len(falling)) for top in tops)],
            "estimate": estimate,
            "low": interval.low,
            "high": interval.high,
        }
    )
    return Lorenz(
        table, Context.of(crm), _curve(falling), values, value, people, confidence, resamples
    )


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
        return _(
            "Key customers bring {share} of profit; the table of the course says {taught}"
        ).format(share=percent(key["share"], 0), taught=percent(key["taught"], 0))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.table))[::-1]
        whiskers = np.abs(self.table[["low", "high"]].to_numpy().T - self.table["share"].to_numpy())
        colours = [charts.LAYER_COLOURS[layer] for layer in self.table["layer"]]
        axes.barh(
            places,
            self.table["share"],
            height=0.55,
            color=colours,
            xerr=whiskers,
            ecolor=charts.INK,
            capsize=3,
        )
        axes.scatter(
            self.table["taught"],
            places,
            marker="D",
            s=46,
            color="white",
            edgecolor=charts.INK,
            zorder=3,
        )
        names = layer_names()
        axes.set_yticks(
            places,
            [
                f"{names[row.layer]}\n{percent(row.customers_share, 0)}"
                for row in self.table.itertuples()
            ],
        )
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of profit; diamond: as taught"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        agreeing = self.table.loc[self.table["agrees"], "layer"]
        names = layer_names()
        if len(agreeing) == len(self.table):
            verdict = _(
                "The shares taught all lie within the intervals: these customers bear the "
                "table out."
            )
        elif len(agreeing) == 0:
            verdict = _(
                "None of the shares taught lies within its interval: these customers do not "
                "follow the table."
            )
        else:
            verdict = _("The share taught lies within the interval only for: {layers}.").format(
                layers=_(", ").join(names[layer] for layer in agreeing)
            )
        return "\n\n".join([_layers_sentence(self), verdict, self._losing_sentence()])

    def alt(self) -> str:
        names = layer_names()
        parts = [
            _("{layer}: {share} of profit, {taught} as taught").format(
                layer=names[row.layer], share=percent(row.share), taught=percent(row.taught, 0)
            )
            for row in self.table.itertuples()
        ]
        return _("Bars of the share of profit by customer layer. {layers}.").format(
            layers=_("; ").join(parts)
        )

    def _losing_sentence(self) -> str:
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
                "{confidence} percentile bootstrap intervals over customers, {resamples} "
                "resamples. {cancellations}"
            ).format(
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions(without_revenue=False),
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
    Profit is amount less direct cost. Customers are ranked by the profit they turned out to
    bring, so the top layer is the luckiest as well as the best: some of it will not repeat.
    """
    people = population.customers(crm)
    profit = people.summary.set_index("customer_id")["margin"].dropna().sort_values(ascending=False)
    falling = profit.to_numpy(dtype=float)
    if len(falling) < 20 or falling.sum() <= 0:
        raise NotEnoughData(
            _(
                "The layers need at least 20 customers with a profit together; there are "
                "{customers} with {profit}."
            ).format(customers=len(falling), profit=number(float(falling.sum())))
        )
    shares = _layer_shares(falling, np.ones(len(falling)))
    interval = bootstrap(
        lambda weights: _layer_shares(falling, weights),
        len(falling),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    taught = np.array([profit_share for _customers, profit_share in LAYERS.values()])
    table = pd.DataFrame(
        {
            "layer": list(LAYERS),
            "customers_share": [customers for customers, _profit in LAYERS.values()],
            "customers": _layer_counts(len(falling)),
            "taught": taught,
            "share": shares,
            "low": interval.low,
            "high": interval.high,
            "agrees": (interval.low <= taught) & (taught <= interval.high),
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


def explore_top_share(result: Lorenz) -> None:
    """A slider over the Lorenz curve: the largest customers, and what they bring.

    Parameters
    ----------
    result : Lorenz
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    slider = ipywidgets.FloatSlider(
        value=0.20, min=0.01, max=1.0, step=0.01, readout_format=".0%", continuous_update=False,
        description=_("Top customers"), style={"description_width": "initial"},
        layout={"width": "420px"},
    )  # fmt: skip
    with charts.house_style():
        axes = result.plot()
        line = axes.axvline(0.8, color=charts.ORANGE, linewidth=1.5)
        (point,) = axes.plot([0.8], [0.5], "o", color=charts.ORANGE)
        # The title states the default; once the slider moves, the sentence below does.
        axes.figure.suptitle("")

    def move(top: float) -> None:
        share = _share_of_top(result, top)
        line.set_xdata([1 - top, 1 - top])
        point.set_data([1 - top], [1 - share])

    def words(top: float) -> str:
        return _("The top {customers} of customers ({count}) bring {share} of {value}.").format(
            customers=percent(top, 0),
            count=number(_count(top, len(result.values))),
            share=percent(_share_of_top(result, top)),
            value=value_name(result.value),
        )

    explorer(axes.figure, move, words, {"top": slider})  # type: ignore[arg-type]


def value_name(value: str) -> str:
    """Name of what is shared out, in the current language, as it stands inside a sentence."""
    return {"revenue": _("revenue"), "orders": _("orders")}[value]


def layer_names() -> dict[str, str]:
    """Names of the customer layers (客户层次) in the current language."""
    return {
        "key": _("Key customers"),
        "potential": _("Potential customers"),
        "general": _("General customers"),
    }


def _values(summary: pd.DataFrame, value: str) -> pd.Series:
    columns = {"revenue": "amount", "orders": "orders"}
    if value not in columns:
        raise CrmlabError(
            _("lorenz() knows the values {names}, not {value}.").format(
                names=", ".join(columns), value=value
            )
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


def _falling(values: ArrayLike) -> Array:
    return np.sort(np.asarray(values, dtype=float))[::-1]


def _count(top: float, customers: int) -> int:
    # 0.1 * 30 is 3.0000000000000004: without rounding it would count a fourth customer.
    return int(np.ceil(round(top * customers, 6)))


def _top_curve(falling: Array, weights: Array) -> tuple[Array, Array]:
    customers = np.concatenate([[0.0], np.cumsum(weights)])
    totals = np.concatenate([[0.0], np.cumsum(weights * falling)])
    return customers / customers[-1], totals / totals[-1]


def _top_shares(falling: Array, weights: Array, tops: Sequence[float]) -> Array:
    customers, shares = _top_curve(falling, weights)
    return np.interp(tops, customers, shares)


def _gini(falling: Array, weights: Array) -> float:
    customers, shares = _top_curve(falling, weights)
    return float(2 * np.trapezoid(shares, customers) - 1)


def _statistics(falling: Array, weights: Array, tops: Sequence[float]) -> Array:
    return np.concatenate([[_gini(falling, weights)], _top_shares(falling, weights, tops)])


def _layer_shares(falling: Array, weights: Array) -> Array:
    edges = np.cumsum([customers for customers, _profit in LAYERS.values()])
    return np.diff(_top_shares(falling, weights, [0.0, *edges]))


def _layer_counts(customers: int) -> list[int]:
    edges = np.cumsum([share for share, _profit in LAYERS.values()])
    return [
        int(count) for count in np.diff([0, *(_count(float(edge), customers) for edge in edges)])
    ]


def _curve(falling: Array) -> pd.DataFrame:
    customers, shares = _top_curve(falling, np.ones(len(falling)))
    # A thousand points draw the same line as a million.
    keep = np.unique(np.linspace(0, len(customers) - 1, 1001).round().astype(int))
    return pd.DataFrame(
        {"customers": (1 - customers[keep])[::-1], "share": (1 - shares[keep])[::-1]}
    )


def _share_of_top(result: Lorenz, top: float) -> float:
    return float(np.interp(1 - top, result.curve["customers"], 1 - result.curve["share"]))


def _gini_words(result: Lorenz) -> str:
    row = result.table.iloc[0]
    return _("Gini {gini} ({low} to {high})").format(
        gini=number(row["estimate"], 2), low=number(row["low"], 2), high=number(row["high"], 2)
    )


def _top_sentence(result: Lorenz) -> str:
    rows = result.table[result.table["statistic"] == "top_share"]
    parts = [
        _("the top {customers} ({count} customers) bring {share} ({low} to {high})").format(
            customers=percent(row.customers_share, 0),
            count=number(row.customers),
            share=percent(row.estimate),
            low=percent(row.low),
            high=percent(row.high),
        )
        for row in rows.itertuples()
        if row.customers_share <= 0.20
    ]
    return _("Of {value}, {parts}.").format(
        value=value_name(result.value), parts=_("; ").join(parts)
    )


def _gini_sentence(result: Lorenz) -> str:
    return _("{gini}, over {customers} customers, {period}.").format(
        gini=_gini_words(result),
        customers=number(len(result.values)),
        period=result.context.period(),
    )


def _layers_sentence(result: Layers) -> str:
    names = layer_names()
    parts = [
        _("{layer} ({customers} of customers): {share} ({low} to {high}), taught {taught}").format(
            layer=names[row.layer],
            customers=percent(row.customers_share, 0),
            share=percent(row.share),
            low=percent(row.low),
            high=percent(row.high),
            taught=percent(row.taught, 0),
        )
        for row in result.table.itertuples()
    ]
    return _("Share of profit by layer. {parts}.").format(parts=_("; ").join(parts))


def _share_axes(axes: Axes, xlabel: str, ylabel: str) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        charts.share_axis(axis)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)


def _diagonal(axes: Axes) -> float:
    figure = axes.get_figure()
    width, height = charts.SIZE if figure is None else figure.get_size_inches()  # type: ignore
    return float(np.degrees(np.arctan2(height * 0.8, width * 0.87)))


__all__ = [
    "LAYERS",
    "Layers",
    "Lorenz",
    "explore_top_share",
    "gini",
    "layer_names",
    "layers",
    "lorenz",
    "top_shares",
    "value_name",
]
