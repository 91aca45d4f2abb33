"""A satisfaction index (满意度指数): many items in one figure, and what its weights do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number, percent
from crmlab.satisfaction.answers import weighting_said
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    item_names,
    items,
    questionnaires_left_out,
    responses,
    weighed,
    wide,
)
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted as survey
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.weighted import Means

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: Items that fewer than this share of the others' most were asked are left out by default.
ASKED = 0.5
#: Sets of weights that are drawn at random, and the share of them that is stated.
DRAWS, MIDDLE = 2000, 0.95
#: More items than this are drawn as the highest and the lowest.
DRAWN = 24
#: So many items get a slider in the explorer.
SLIDERS = 6


def index_of(
    means: ArrayLike, minimum: ArrayLike, maximum: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Satisfaction index from the means of its items, as national indices compute it.

    Parameters
    ----------
    means : array_like of float, shape (items,)
    minimum, maximum : array_like of float, shape (items,) or ()
        Ends of the items' scales.
    weights : array_like of float, shape (items,), optional
        Not negative; they are divided by their sum. All alike where none are given.

    Returns
    -------
    float
        From 0, all at the lowest end, to 100, all at the highest.

    Raises
    ------
    CrmlabError
        If a weight is negative, or all are 0; or if a scale does not end above where it begins.

    Notes
    -----
    Σ w (mean − minimum)/(maximum − minimum) · 100 with Σ w = 1. The American index and the Chinese
    one (CCSI) take the mean of three questions on satisfaction, with weights estimated from the
    data.

    References
    ----------
    Fornell, C., Johnson, M. D., Anderson, E. W., Cha, J. and Bryant, B. E. (1996), Journal of
    Marketing 60(4), 7-18.

    Examples
    --------
    >>> index_of([4, 3], 1, 5)
    62.5
    >>> index_of([4, 3], 1, 5, weights=[3, 1])
    68.75
    """
    middle = np.asarray(means, float)
    weight = _shares(np.ones(middle.shape) if weights is None else np.asarray(weights, float))
    low, high = np.asarray(minimum, float), np.asarray(maximum, float)
    if not np.all(low < high):
        raise CrmlabError(_("The maximum of each scale lies above its minimum."))
    return float(100 * np.sum(weight * (middle - low) / (high - low)))


def _shares(weights: Array) -> Array:
    if not np.all(weights >= 0) or not weights.sum() > 0:
        raise CrmlabError(
            _("Weights are not negative and not all 0; they are {weights}.").format(
                weights=_(", ").join(f"{weight:g}" for weight in weights)
            )
        )
    return weights / weights.sum()


class Rated(NamedTuple):
    """The items of an index, rescaled.

    Attributes
    ----------
    items : pandas.DataFrame
        item, dimension, label, minimum, maximum.
    scores : pandas.DataFrame
        A row per questionnaire, a column per item, 0 to 100; NaN where not answered.
    means : Means
        Of the scores.
    frame : pandas.DataFrame
        The questionnaires, in the order of the scores.
    asked : Responses
    rarely_asked, without_scale : int
        Items left out because they were asked of few, or because their scale is not declared.
    """

    items: pd.DataFrame
    scores: pd.DataFrame
    means: Means
    frame: pd.DataFrame
    asked: Responses
    rarely_asked: int
    without_scale: int


@dataclass(frozen=True, repr=False)
class SatisfactionIndex(Result):
    """Result of `satisfaction_index`.

    Attributes
    ----------
    index : pandas.Series
        The index with its interval: index, low, high.
    variants : pandas.DataFrame
        The index with other weights: weighting, index, low, high, difference.
    spread : tuple of float
        Between which two figures 95 % of the indices lie whose weights are drawn at random.
    weighting : str
        Code of the weights chosen.
    means : Means
        Of the items' scores, with their covariance.
    names : dict of str to str
        Label of each item, in the language it was computed in.
    customers, answers : int
        Customers, and questionnaires with at least one of the items.
    left_out : tuple of int
        Items left out because they were asked of few, and because no scale is declared.
    asked : Responses
    confidence : float
    """

    measure = "satisfaction.satisfaction_index"

    index: pd.Series
    variants: pd.DataFrame
    spread: tuple[float, float]
    weighting: str
    means: Means
    names: dict[str, str]
    customers: int
    answers: int
    left_out: tuple[int, int]
    asked: Responses
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"weight": "percent", "score": "number1", "low": "number1", "high": "number1"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"item": self.names}

    def title(self) -> str:
        return _("The satisfaction index is {index} of 100 ({low} to {high})").format(
            index=number(self.index["index"], 1),
            low=number(self.index["low"], 1),
            high=number(self.index["high"], 1),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.8, 0.42 * len(drawn) + 1.6)))
        places = np.arange(len(drawn))[::-1]
        axes.barh(places, drawn["score"], color=charts.GREY, height=0.7)
        axes.hlines(places, drawn["low"], drawn["high"], color=charts.INK, linewidth=1.2)
        axes.axvspan(*self.spread, color=charts.BLUE, alpha=0.18, linewidth=0)
        axes.axvline(self.index["index"], color=charts.BLUE)
        names = [
            _("{item} ({weight})").format(
                item=charts.wrapped(self.names[row.item], 32), weight=percent(row.weight, 0)
            )
            for row in drawn.itertuples()
        ]
        axes.set_yticks(places, names)
        axes.set_ylim(-0.7, len(drawn) - 0.3)
        axes.set_xlim(0, 100)
        axes.set_xlabel(_("Score; line: index; band: other weights"))
        charts.set_title(axes, self.title())
        return axes

    def _drawn(self) -> pd.DataFrame:
        if len(self.table) <= DRAWN:
            return self.table
        return pd.concat([self.table.head(DRAWN // 2), self.table.tail(DRAWN // 2)])

    def reading(self) -> str:
        best, worst = self.table.iloc[0], self.table.iloc[-1]
        first = _(
            "The satisfaction index is {index} of 100 ({low} to {high}), from {items} items, "
            "{answers} questionnaires of {customers} customers, {period}. {intervals}"
        ).format(
            index=number(self.index["index"], 1),
            low=number(self.index["low"], 1),
            high=number(self.index["high"], 1),
            items=number(len(self.table)),
            answers=number(self.answers),
            customers=number(self.customers),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )
        extremes = _("Highest stands {best} with {high}, lowest {worst} with {low}.").format(
            best=self.names[best["item"]],
            high=number(best["score"], 1),
            worst=self.names[worst["item"]],
            low=number(worst["score"], 1),
        )
        left_out = questionnaires_left_out(self._exclusions(), self.asked.part)
        return "\n\n".join(
            [
                f"{first} {extremes}",
                self._sensitivity(),
                f"{weighting_said(self.asked, True)} {left_out} {self._items()}".strip(),
            ]
        )

    def alt(self) -> str:
        parts = [
            _("{item} {score} ({low} to {high})").format(
                item=self.names[row.item],
                score=number(row.score, 1),
                low=number(row.low, 1),
                high=number(row.high, 1),
            )
            for row in self._drawn().itertuples()
        ]
        return _("Bars of the items' scores, with the index as a line at {index}. {parts}.").format(
            index=number(self.index["index"], 1), parts=_("; ").join(parts)
        )

    def reweighted(self, factors: Mapping[str, float]) -> Estimate:
        """The index with the weights of some items multiplied by a factor.

        Parameters
        ----------
        factors : mapping of str to float

        Returns
        -------
        Estimate
            All NaN where no weight is left.
        """
        weights = self.table.set_index("item")["weight"].reindex(list(self.names))
        changed = weights * pd.Series(dict(factors)).reindex(weights.index).fillna(1.0)
        if not changed.sum() > 0:
            return NOTHING
        return self.means.combined(changed / changed.sum(), confidence=self.confidence)

    def _sensitivity(self) -> str:
        parts = [
            _("{weighting}: {index}").format(
                weighting=weightings()[row.weighting], index=number(row.index_value, 1)
            )
            for row in self.variants.rename(columns={"index": "index_value"}).itertuples()
            if row.weighting != self.weighting
        ]
        said = _(
            "Weights of the items: {weighting}. Other weights would give: {parts}. Of weights "
            "drawn at random, {middle} give an index between {low} and {high}."
        ).format(
            weighting=weightings()[self.weighting],
            parts=_("; ").join(parts),
            middle=percent(MIDDLE, 0),
            low=number(self.spread[0], 1),
            high=number(self.spread[1], 1),
        )
        chance = self.index["high"] - self.index["low"]
        if not np.isfinite(chance):
            return said
        more = (
            _("That range is wider than the interval: the choice of weights can count for more.")
            if self.spread[1] - self.spread[0] > chance
            else _("That range is no wider than the interval.")
        )
        return f"{said} {more}"

    def _items(self) -> str:
        rarely, without = self.left_out
        parts = []
        if rarely:
            parts.append(
                _("Items left out because they were asked of few: {count}.").format(
                    count=number(rarely)
                )
            )
        if without:
            parts.append(
                _("Items left out because their scale is not declared: {count}.").format(
                    count=number(without)
                )
            )
        return " ".join(parts)

    def _exclusions(self) -> tuple[Exclusion, ...]:
        silent = len(self.asked.frame) - self.answers
        if not silent:
            return self.asked.exclusions()
        more = Exclusion.of_questionnaires(_("none of these items answered"), silent)
        return (*self.asked.exclusions(), more)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Sum of weight times mean score of the items"),
            denominator=_("Sum of the weights"),
            period=self.context.period(),
            method=_(
                "Each item's mean, over those who answer it, is rescaled from the ends of its "
                "scale to 0 to 100. The weights, {weighting}, are taken as fixed. {confidence} t "
                "interval; the answers of one customer are a cluster."
            ).format(
                weighting=weightings()[self.weighting], confidence=percent(self.confidence, 0)
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


def explore_weights(result: SatisfactionIndex) -> None:
    """Sliders that raise or lower the weights of the items, and the index that follows.

    Parameters
    ----------
    result : SatisfactionIndex
        With more items than sliders those of the largest weights get one.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    items = list(result.table.nlargest(SLIDERS, "weight", keep="first")["item"])
    sliders = {
        f"item{place}": ipywidgets.FloatSlider(
            value=1.0, min=0.0, max=5.0, step=0.5, readout_format=".1f", continuous_update=False,
            description=result.names[item], style={"description_width": "280px"},
            layout={"width": "560px"},
        )
        for place, item in enumerate(items)
    }  # fmt: skip
    with charts.house_style():
        axes = result.plot()
        # The title states the default; once a slider moves, the sentence below does.
        axes.figure.suptitle("")
        (now,) = axes.plot(
            [0, 0], [0, 1], color=charts.ORANGE, transform=axes.get_xaxis_transform()
        )

    def move(**factors: float) -> None:
        found = result.reweighted(dict(zip(items, factors.values(), strict=True)))
        now.set_xdata([found.value, found.value])

    def words(**factors: float) -> str:
        found = result.reweighted(dict(zip(items, factors.values(), strict=True)))
        if not np.isfinite(found.value):
            return _("At least one item needs a weight.")
        return _(
            "With these weights the index is {index} ({low} to {high}); with the weights of the "
            "table, the other line, it is {before}."
        ).format(
            index=number(found.value, 1),
            low=number(found.low, 1),
            high=number(found.high, 1),
            before=number(result.index["index"], 1),
        )

    figure: Any = axes.figure
    explorer(figure, move, words, sliders)


def weightings() -> dict[str, str]:
    """Names of the ways of weighting items, in the current language.

    Examples
    --------
    >>> weightings()["equal"]
    'all alike'
    """
    return {
        "own": _("your own"),
        "equal": _("all alike"),
        "stated": _("by the importance that customers state"),
        "derived": _("by the correlation with overall satisfaction"),
        "lowest": _("all on the lowest item"),
        "highest": _("all on the highest item"),
    }


@measure(needs={"surveys": ["response_id"], "answers": ["response_id", "item", "aspect", "value"]})
def satisfaction_index(
    crm: Workspace,
    *,
    weights: Mapping[str, float] | str = "equal",
    dimensions: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> SatisfactionIndex:
    """A satisfaction index (满意度指数), and how far it depends on its weights.

    Parameters
    ----------
    crm : Workspace
        With surveys, and answers of the aspect perception whose items the workspace declares.
    weights : mapping of str to float, or {"equal", "stated", "derived"}
        A weight for each item (items not named have none), or the way they are found: all alike; by
        the mean of the aspect importance; by the correlation with overall satisfaction.
    dimensions : sequence of str, optional
        Dimensions whose items count; by default all items that at least half as many answer as the
        item answered most.
    modes : sequence of str, optional
        As in `csat`.
    confidence : float
    seed : int
        Of the weights drawn at random.

    Returns
    -------
    SatisfactionIndex
        `.table` has a row per item, the highest score first: item, answers, weight (share), mean
        (on its own scale), score, low, high (0 to 100), index_points (weight times score; they sum
        to the index); an item that all answered alike has no low and high. `.index` has the index;
        `.variants` the index with other weights, and with all weight on the lowest or the highest
        item.

    Raises
    ------
    MissingColumns
        If there are no answers.
    NotEnoughData
        If no declared item is answered, or if the weights cannot be found from these data.
    UnknownName
        If `weights` names no item, or no way of weighting.
    CrmlabError
        If a weight is negative, or all are 0.

    Notes
    -----
    The formula is that of `index_of`. A questionnaire that leaves an item out counts in the others.
    Stated and derived weights are taken as if they were known. The weights drawn at random are
    uniform over all weights that sum to 1 (Dirichlet).

    References
    ----------
    Fornell, C., Johnson, M. D., Anderson, E. W., Cha, J. and Bryant, B. E. (1996), Journal of
    Marketing 60(4), 7-18. Saisana, M., Saltelli, A. and Tarantola, S. (2005), Journal of the Royal
    Statistical Society A 168, 307-323, on the sensitivity of an index to its weights.

    Examples
    --------
    >>> from crmlab.data.model import Item, Settings
    >>> from crmlab.data.sources import from_frames
    >>> answers = pd.DataFrame({"response_id": ["1", "1", "2", "2"], "item": ["a", "b"] * 2,
    ...     "aspect": "perception", "value": [4.0, 3.0, 4.0, 5.0]})
    >>> surveys = pd.DataFrame({"response_id": ["1", "2"]})
    >>> settings = Settings(items=(Item("a", "x"), Item("b", "x")))
    >>> crm = from_frames({"surveys": surveys, "answers": answers}, settings)
    >>> satisfaction_index(crm).table[["item", "weight", "mean", "score", "index_points"]]
      item  weight  mean  score  index_points
    0    a     0.5   4.0   75.0          37.5
    1    b     0.5   4.0   75.0          37.5
    """
    rated = _rated(crm, dimensions, modes)
    found = _weightings(crm, rated, modes)
    way, chosen = _chosen(weights, found, rated)
    whole = rated.means.combined(chosen, confidence=confidence)
    table = _table(rated, chosen, confidence)
    named = item_names(crm)
    return SatisfactionIndex(
        table,
        Context.of(crm),
        pd.Series(
            {
                "index": whole.value,
                "low": np.clip(whole.low, 0.0, 100.0),
                "high": np.clip(whole.high, 0.0, 100.0),
            }
        ),
        _variants(rated, found | {way: chosen}, chosen, confidence),
        _spread(rated.means.values, seed),
        way,
        rated.means,
        {item: named[item] for item in rated.scores.columns},
        len(np.unique(clusters(rated.frame))),
        len(rated.frame),
        (rated.rarely_asked, rated.without_scale),
        replace(rated.asked, frame=rated.asked.frame[["response_id"]]),
        confidence,
    )


def _rated(crm: Workspace, dimensions: Sequence[str] | None, modes: Sequence[str] | None) -> Rated:
    asked = weighed(responses(crm, modes=modes))
    values = wide(crm, "perception", dimensions=dimensions, modes=modes)
    values = values[values.index.isin(asked.frame["response_id"])].dropna(axis=1, how="all")
    declared = items(crm).set_index("item", drop=False)
    known = [item for item in values.columns if item in declared.index]
    if not known:
        raise NotEnoughData(
            _(
                "No item that was answered has a scale. Declare the items with their minimum and "
                "maximum under [[items]] in the mapping."
            )
        )
    counts = values[known].notna().sum()
    often = [item for item in known if counts[item] >= ASKED * counts.max()]
    kept = known if dimensions is not None else often
    scales = declared.loc[kept]
    scores = values[kept].dropna(how="all")
    scores = 100 * (scores - scales["minimum"]) / (scales["maximum"] - scales["minimum"])
    frame = asked.frame.set_index("response_id", drop=False)
    frame = frame.loc[frame.index.isin(scores.index)]
    scores = scores.loc[frame.index]
    means = survey.means(
        scores.to_numpy(float), weights=frame["weight"].to_numpy(float), clusters=clusters(frame)
    )
    rarely, without = len(known) - len(kept), values.shape[1] - len(known)
    return Rated(
        scales.reset_index(drop=True),
        scores,
        means,
        frame.reset_index(drop=True),
        asked,
        rarely,
        without,
    )


def _weightings(crm: Workspace, rated: Rated, modes: Sequence[str] | None) -> dict[str, Array]:
    """Weights of the items, found in each way that the data allow; each set sums to 1."""
    ways: dict[str, Array | None] = {
        "equal": np.ones(len(rated.items)),
        "stated": _stated(crm, rated, modes),
        "derived": _derived(rated),
    }
    return {
        way: found / found.sum()
        for way, found in ways.items()
        if found is not None and np.isfinite(found).all() and found.sum() > 0
    }


def _stated(crm: Workspace, rated: Rated, modes: Sequence[str] | None) -> Array | None:
    """Mean importance of each item; that of its dimension, shared out, where items have none."""
    try:
        importance = wide(crm, "importance", modes=modes)
    except NotEnoughData:
        return None
    of = rated.frame.set_index("response_id")["weight"]
    importance = importance[importance.index.isin(of.index)]
    if importance.empty:
        return None
    middle = survey.means(
        importance.to_numpy(float), weights=of.loc[importance.index].to_numpy(float)
    ).values
    means = pd.Series(middle, importance.columns)
    if rated.items["item"].isin(means.index).all():
        return means[rated.items["item"]].to_numpy(float)
    if rated.items["dimension"].isin(means.index).all():
        sizes = rated.items["dimension"].map(rated.items["dimension"].value_counts())
        return (rated.items["dimension"].map(means) / sizes).to_numpy(float)
    return None


def _derived(rated: Rated) -> Array | None:
    """Correlation of each item with overall satisfaction; a negative one counts as none."""
    overall = rated.frame["overall"].to_numpy(float)
    if not np.isfinite(overall).any():
        return None
    weights = rated.frame["weight"].to_numpy(float)
    return np.array(
        [
            _correlation(rated.scores[item].to_numpy(float), overall, weights)
            for item in rated.scores
        ]
    )


def _correlation(one: Array, other: Array, weights: Array) -> float:
    both = np.isfinite(one) & np.isfinite(other) & (weights > 0)
    if both.sum() < 3:
        return np.nan
    covariance = np.cov(one[both], other[both], aweights=weights[both])
    scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return max(0.0, float(covariance[0, 1] / scale)) if scale > 0 else np.nan


def _chosen(
    weights: Mapping[str, float] | str, found: Mapping[str, Array], rated: Rated
) -> tuple[str, Array]:
    if not isinstance(weights, str):
        unknown = [item for item in weights if item not in rated.scores]
        if unknown:
            raise UnknownName(
                _("There is no item {item} to weight; the items are: {items}.").format(
                    item=unknown[0], items=_(", ").join(rated.scores.columns)
                )
            )
        return "own", _shares(np.array([weights.get(item, 0.0) for item in rated.scores], float))
    if weights not in ("equal", "stated", "derived"):
        raise UnknownName(
            _("Weights are {names}, or a weight for each item; not {weights}.").format(
                names="equal, stated, derived", weights=weights
            )
        )
    if weights not in found:
        raise NotEnoughData(
            _("These data do not say what weights {weights} would be.").format(weights=weights)
        )
    return weights, found[weights]


def _table(rated: Rated, weights: Array, confidence: float) -> pd.DataFrame:
    of, customers = rated.frame["weight"].to_numpy(float), clusters(rated.frame)
    # One by one: an item that few answered has the degrees of freedom of these few.
    each = [
        survey.mean(rated.scores[item], weights=of, clusters=customers, confidence=confidence)
        for item in rated.scores
    ]
    scales = rated.items
    values, low, high = np.array([one[:3] for one in each]).T
    # Answers all alike would give an interval without a width, as if none could be another.
    differ = (rated.scores.max() > rated.scores.min()).to_numpy()
    table = pd.DataFrame(
        {
            "item": scales["item"],
            "answers": rated.scores.notna().sum().to_numpy("int64"),
            "weight": weights,
            "mean": scales["minimum"] + values / 100 * (scales["maximum"] - scales["minimum"]),
            "score": values,
            "low": np.where(differ, np.maximum(low, 0.0), np.nan),
            "high": np.where(differ, np.minimum(high, 100.0), np.nan),
            "index_points": weights * values,
        }
    )
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _variants(
    rated: Rated, found: Mapping[str, Array], chosen: Array, confidence: float
) -> pd.DataFrame:
    values = rated.means.values
    extremes = {"lowest": np.eye(len(values))[np.argmin(values)]}
    extremes["highest"] = np.eye(len(values))[np.argmax(values)]
    rows: list[dict[str, Any]] = []
    for way, weights in {**found, **extremes}.items():
        one: Estimate = rated.means.combined(weights, confidence=confidence)
        apart = rated.means.combined(weights - chosen, confidence=confidence)
        rows.append(
            {
                "weighting": way,
                "index": one.value,
                "low": one.low,
                "high": one.high,
                "difference": apart.value,
                "difference_low": apart.low,
                "difference_high": apart.high,
            }
        )
    return pd.DataFrame(rows)


def _spread(values: Array, seed: int) -> tuple[float, float]:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(values)), DRAWS) @ values
    low, high = np.quantile(drawn, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2])
    return float(low), float(high)
