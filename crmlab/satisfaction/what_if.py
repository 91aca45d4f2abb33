"""What satisfaction to expect if attributes were rated better: a prediction from association."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number, percent
from crmlab.satisfaction.answers import scale_of
from crmlab.satisfaction.net_promoter import DETRACTORS, PROMOTERS, signs_of
from crmlab.satisfaction.ratings import (
    LARGEST,
    NEEDS,
    Array,
    Rated,
    check_apart,
    deviation,
    names_of,
    quoted,
    rated,
)
from crmlab.satisfaction.scores import SATISFIED
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.ordered import Ordered, ordered
from crmlab.stats.weighted import influence, t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What is asked by default, and the most that a slider asks: part of the scale's width.
USUAL, MOST = 0.10, 0.20
#: Sliders that there is room for; the attributes of the largest gain get one.
SLIDERS = 6


@dataclass(frozen=True)
class Curve:
    """A figure of the answers to one question, as an ordered logit of the ratings.

    Attributes
    ----------
    figure : str
        ``"mean"``, ``"top"`` or ``"nps"``.
    now : float
        As answered.
    scores : numpy.ndarray, shape (levels,)
        What an answer of each level counts in the figure.
    coefficients : numpy.ndarray, shape (items,)
        Change of the log-odds of a higher answer per standard deviation of a rating.
    cuts : numpy.ndarray, shape (levels − 1,)
    covariance : numpy.ndarray, shape (1 + items + cuts,) * 2
        Of the figure now, the coefficients and the cuts.
    freedom : int
        Customers less one.
    least, most : float
        Ends of the figure's scale.
    """

    figure: str
    now: float
    scores: Array
    coefficients: Array
    cuts: Array
    covariance: Array
    freedom: int
    least: float
    most: float

    def expected(self, x: Array, weights: Array) -> tuple[float, Array]:
        """The figure that the curve gives for standardised ratings, and its gradient."""
        from scipy.special import expit

        below = expit(self.cuts - (x @ self.coefficients)[:, None])
        steps = np.diff(self.scores)
        share = weights / weights.sum()
        value = self.scores[-1] - float(share @ below @ steps)
        slope = below * (1 - below) * steps * share[:, None]
        return value, np.append(slope.sum(axis=1) @ x, -slope.sum(axis=0))


@dataclass(frozen=True, repr=False)
class WhatIf(Result):
    """Result of `what_if`.

    Attributes
    ----------
    raise_by : dict of str to float
        Points by which each rating is raised, by item.
    curves : tuple of Curve
    names : dict of str to str
        Label of each item.
    rated : Rated
    confidence : float
    """

    measure = "satisfaction.what_if"

    raise_by: dict[str, float]
    curves: tuple[Curve, ...]
    names: dict[str, str]
    rated: Rated
    confidence: float

    def predicted(self, raise_by: Mapping[str, float]) -> pd.DataFrame:
        """The table for other raises, by item."""
        return _predicted(self.curves, self.rated, raise_by, self.confidence)

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(list(self.table.columns[1:]), "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"figure": figure_names(self.curves)}

    def title(self) -> str:
        row = self.table.iloc[0]
        return _("{figure}: {now} now, {then} predicted with better ratings").format(
            figure=figure_names(self.curves)[row["figure"]],
            now=number(row["now"], 2),
            then=number(row["then"], 2),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.8 * len(self.table) + 1.4))
        _Rows(axes, self).set(self.table)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        caution = _(
            "This is a prediction from association: it holds if customers who come to rate an "
            "attribute better become as satisfied as those who rate it so now. A trial would show "
            "it."
        )
        left_out = self.rated.sentence(self.names)
        said = f"{self.words(self.raise_by, self.table)} {intervals_in_brackets(self.confidence)}"
        return "\n\n".join([f"{said} {self._recommending()}".strip(), caution, left_out])

    def _recommending(self) -> str:
        """Whose Net Promoter Score is predicted, where it is not that of all, or that it is not."""
        count = int(np.isfinite(_recommended(self.rated)).sum())
        if "nps" not in figure_names(self.curves):
            return (
                _(
                    "The Net Promoter Score is not predicted: of the answers on recommendation "
                    "({count}) there are too few, or too few that differ."
                ).format(count=number(count))
                if count
                else ""
            )
        if count == len(self.rated.x):
            return ""
        return _(
            "Questionnaires that also answer how likely they are to recommend the company: "
            "{count}. From these the Net Promoter Score is predicted."
        ).format(count=number(count))

    def words(self, raise_by: Mapping[str, float], table: pd.DataFrame) -> str:
        """What is raised, and what a table predicts, in a sentence."""
        names = figure_names(self.curves)
        figures = _("; ").join(
            _("{figure} {now} now, {then} predicted ({low} to {high})").format(
                figure=names[row.figure],
                now=number(row.now, _decimals(row.figure)),
                then=number(row.then, _decimals(row.figure)),
                low=number(row.low, _decimals(row.figure)),
                high=number(row.high, _decimals(row.figure)),
            )
            for row in table.itertuples()
        )
        raised = [
            _("{item} by {points}").format(item=quoted(item, self.names), points=_points(points))
            for item, points in raise_by.items()
            if points > 0
        ]
        if not raised:
            return _("No rating is raised: {figures}.").format(figures=figures)
        return _("Ratings raised: {raised}. {figures}.").format(
            raised=_("; ").join(raised), figures=figures
        )

    def alt(self) -> str:
        return _("A row for each figure, from the worst to the best of its scale. {words}").format(
            words=self.words(self.raise_by, self.table)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Mean of overall satisfaction; answers of {satisfied} or more; promoters "
                "({promoters} or more) less detractors ({detractors} or fewer)"
            ).format(satisfied=SATISFIED, promoters=PROMOTERS, detractors=DETRACTORS),
            denominator=_("Questionnaires that rated every attribute, by design weight"),
            period=self.context.period(),
            method=_(
                "Ordered logit of the answers on the ratings, by design weight; a rating is raised "
                "in every questionnaire by the points given, at most to the top of its scale; the "
                "figure now is moved by the change of what the model expects. {confidence} "
                "intervals by linearisation, allowing for customers who answered more than once."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.rated.exclusions(),
        )


@measure(needs=NEEDS)
def what_if(
    crm: Workspace,
    *,
    raise_by: Mapping[str, float] | None = None,
    items: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> WhatIf:
    """What satisfaction to expect if attributes were rated so many points better.

    Parameters
    ----------
    crm : Workspace
        As for `drivers`; with surveys.recommend the Net Promoter Score is predicted too.
    raise_by : mapping of str to float, optional
        Points by item. By default a tenth of the scale for the two attributes that gain most.
    items : str or sequence of str, optional
        The attributes that are in the regression, as in `drivers`.
    confidence : float

    Returns
    -------
    WhatIf
        `.table` has a row per figure: figure (``"mean"`` of overall, ``"top"``: percentage of
        answers 4 or 5, ``"nps"``: Net Promoter Score, of those who answer that question and where
        their answers suffice), now, change, change_low, change_high, then
        (now and the change together), low, high (of then).

    Raises
    ------
    MissingColumns, UnknownName, NotEnoughData
        As `drivers`; UnknownName also if `raise_by` names an item that is not rated.
    CrmlabError
        If points are negative or not a number.

    Notes
    -----
    The figure is a mean of scores of the answers: the answers themselves, 100 for 4 and 5, or 100
    for promoters and −100 for detractors. An ordered logit gives the expected score of every
    questionnaire at its ratings and at those raised; the mean difference is added to the figure as
    answered. Its variance comes from the influence of each questionnaire on the figure, the
    coefficients and the cuts together, summed over the customer; the ratings count as known. Of
    more than 20,000 questionnaires about as many are used, of customers drawn at random.

    References
    ----------
    McCullagh, P. (1980), Journal of the Royal Statistical Society B 42, 109-142. Deville, J.-C.
    (1999), Survey Methodology 25, 193-203, on linearisation by influence.
    """
    ratings = rated(crm, "overall", items, most=LARGEST)
    check_apart(ratings)
    curves = tuple(_curves(ratings))
    asked = _usual(ratings, curves[0]) if raise_by is None else dict(raise_by)
    _check(asked, ratings)
    table = _predicted(curves, ratings, asked, confidence)
    names = names_of(crm, ratings)
    return WhatIf(table, Context.of(crm), asked, curves, names, ratings, confidence)


def explore_what_if(result: WhatIf) -> None:
    """A slider for each attribute: raise its rating, and see the satisfaction predicted.

    Parameters
    ----------
    result : WhatIf
        The sliders start at its raises.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    width = result.rated.scale["maximum"] - result.rated.scale["minimum"]
    controls = {
        item: ipywidgets.FloatSlider(
            value=min(result.raise_by.get(item, 0.0), MOST * width[item]), min=0.0,
            max=MOST * width[item], step=width[item] / 100, readout_format=".1f",
            continuous_update=False, description=result.names[item],
            style={"description_width": "300px"}, layout={"width": "620px"},
        )
        for item in _sliders(result)
    }  # fmt: skip
    with charts.house_style():
        axes = charts.new_axes(size=(charts.SIZE[0], 0.8 * len(result.table) + 1.0))
        rows = _Rows(axes, result)

    @functools.lru_cache(maxsize=1)
    def predicted(points: tuple[tuple[str, float], ...]) -> pd.DataFrame:
        return result.predicted(dict(points))

    def move(**points: float) -> None:
        rows.set(predicted(tuple(points.items())))

    def words(**points: float) -> str:
        return result.words(points, predicted(tuple(points.items())))

    figure: Any = axes.figure
    explorer(figure, move, words, controls)


def figure_names(curves: Sequence[Curve]) -> dict[str, str]:
    """Names of the figures, with their scales."""
    names = {
        "mean": _("Mean satisfaction (1 to 5)"),
        "top": _("Answers 4 or 5 (%)"),
        "nps": _("Net Promoter Score"),
    }
    return {curve.figure: names[curve.figure] for curve in curves}


# --- the curves


def _curves(ratings: Rated) -> list[Curve]:
    """Each figure as a curve of the ratings."""
    overall = ratings.y.to_numpy()
    fit = _fitted(ratings, overall)
    satisfied = np.where(fit.levels >= SATISFIED, 100.0, 0.0)
    found = [
        _curve("mean", fit, fit.levels.astype(float), scale_of("overall"), ratings, overall),
        _curve("top", fit, satisfied, (0.0, 100.0), ratings, overall),
    ]
    recommended = _recommended(ratings)
    # Where the answers do not suffice, the reading says so.
    with contextlib.suppress(NotEnoughData):
        fit = _fitted(ratings, recommended)
        points = 100 * signs_of(fit.levels)
        found.append(_curve("nps", fit, points, (-100.0, 100.0), ratings, recommended))
    return found


def _recommended(ratings: Rated) -> Array:
    """How likely to recommend the company; NaN where that is not answered."""
    asked = ratings.answered.frame.set_index("response_id")["recommend"]
    return asked.reindex(ratings.x.index).to_numpy(float)


def _fitted(ratings: Rated, answers: Array) -> Ordered:
    known = np.isfinite(answers)
    return ordered(
        _standard(ratings, ratings.x)[known],
        answers[known],
        weights=ratings.weights[known],
        clusters=ratings.clusters[known],
    )


def _standard(ratings: Rated, x: pd.DataFrame) -> pd.DataFrame:
    """Ratings, raised or not, in standard deviations of those given."""
    middle = np.average(ratings.x, axis=0, weights=ratings.weights)
    return (x - middle) / deviation(ratings.x, ratings.weights)


def _curve(
    figure: str,
    fit: Ordered,
    scores: Array,
    scale: tuple[float, float],
    ratings: Rated,
    answers: Array,
) -> Curve:
    known = np.isfinite(answers)
    weight = ratings.weights[known]
    score = scores[np.searchsorted(fit.levels, answers[known])]
    now = float(np.average(score, weights=weight))
    # How far each questionnaire moves the figure, the coefficients and the cuts.
    moved = np.column_stack([influence(score, weight), fit.influence])
    cluster = np.unique(ratings.clusters[known], return_inverse=True)[1]
    sums = np.column_stack([np.bincount(cluster, column) for column in moved.T])
    many = len(sums)
    covariance = many / (many - 1) * sums.T @ sums
    coefficients = fit.table["coefficient"].to_numpy()
    return Curve(figure, now, scores, coefficients, fit.cuts, covariance, many - 1, *scale)


def _predicted(
    curves: Sequence[Curve], ratings: Rated, raise_by: Mapping[str, float], confidence: float
) -> pd.DataFrame:
    as_is = _standard(ratings, ratings.x).to_numpy()
    raised = _standard(ratings, _raised(ratings, raise_by)).to_numpy()
    found = [_foreseen(curve, as_is, raised, ratings.weights, confidence) for curve in curves]
    return pd.DataFrame(found)


def _raised(ratings: Rated, raise_by: Mapping[str, float]) -> pd.DataFrame:
    """The ratings with the points added; none rises beyond its scale, and none falls."""
    points = np.array([float(raise_by.get(item, 0.0)) for item in ratings.x])
    most = np.maximum(ratings.scale["maximum"].to_numpy(), ratings.x)
    return np.minimum(ratings.x + points, most)


def _foreseen(
    curve: Curve, as_is: Array, raised: Array, weights: Array, confidence: float
) -> dict[str, Any]:
    before, slope_before = curve.expected(as_is, weights)
    after, slope_after = curve.expected(raised, weights)
    change, moved = after - before, slope_after - slope_before
    of_change, of_then = (
        t_interval(value, _spread(curve, part), curve.freedom, confidence=confidence)
        for value, part in (
            (change, np.append(0.0, moved)),
            (curve.now + change, np.append(1.0, moved)),
        )
    )
    value, low, high = np.clip(of_then[:3], curve.least, curve.most)
    return {
        "figure": curve.figure,
        "now": curve.now,
        "change": change,
        "change_low": of_change.low,
        "change_high": of_change.high,
        "then": float(value),
        "low": float(low),
        "high": float(high),
    }


def _spread(curve: Curve, gradient: Array) -> float:
    """Standard error of what moves with the figure now, the coefficients and the cuts."""
    return float(np.sqrt(np.maximum(gradient @ curve.covariance @ gradient, 0.0)))


def _gains(ratings: Rated, curve: Curve) -> pd.Series:
    """What a tenth of the scale of each attribute alone brings."""
    width = ratings.scale["maximum"] - ratings.scale["minimum"]
    found = {
        item: _predicted([curve], ratings, {item: USUAL * width[item]}, 0.95)["change"].iloc[0]
        for item in ratings.x
    }
    return pd.Series(found).sort_values(ascending=False, kind="stable")


def _usual(ratings: Rated, curve: Curve) -> dict[str, float]:
    width = ratings.scale["maximum"] - ratings.scale["minimum"]
    return {item: float(USUAL * width[item]) for item in _gains(ratings, curve).index[:2]}


def _sliders(result: WhatIf) -> list[str]:
    """Items that get a slider: those asked for, then those that gain most."""
    best = [*result.raise_by, *_gains(result.rated, result.curves[0]).index]
    chosen = list(dict.fromkeys(best))[:SLIDERS]
    return [item for item in result.rated.x if item in chosen]


def _check(raise_by: Mapping[str, float], ratings: Rated) -> None:
    unknown = [item for item in raise_by if item not in ratings.x]
    if unknown:
        raise UnknownName(
            _("There is no rating of {item} to raise; rated are: {names}.").format(
                item=unknown[0], names=_(", ").join(ratings.x.columns)
            )
        )
    for item, points in raise_by.items():
        if not (isinstance(points, int | float | np.number) and 0 <= float(points) < np.inf):
            raise CrmlabError(
                _("raise_by gives points of at least 0, such as 5; for {item} it is {points}.")
                .format(item=item, points=repr(points))
            )  # fmt: skip


# --- picture and words


class _Rows:
    """A row per figure: its scale, where it stands, and where it would stand."""

    def __init__(self, axes: Axes, result: WhatIf) -> None:
        self.curves = result.curves
        names = figure_names(result.curves)
        places = np.arange(len(self.curves))[::-1]
        axes.hlines(places, 0, 1, color=charts.GRID, linewidth=4)
        self.then = [
            (
                axes.plot([], [], color=charts.ORANGE, linewidth=2)[0],
                axes.plot([], [], color=charts.ORANGE, marker="o", markersize=8)[0],
                axes.text(0.5, place + 0.2, "", ha="center", va="bottom"),
            )
            for place in places
        ]
        now = [self._at(curve, curve.now) for curve in self.curves]
        axes.scatter(now, places, s=60, facecolors="white", edgecolors=charts.BLUE, zorder=4)
        for place, curve in zip(places, self.curves, strict=True):
            for side, end in ((0, curve.least), (1, curve.most)):
                axes.text(
                    side, place - 0.18, number(end), ha="center", va="top", color=charts.MUTED,
                    fontsize=9,
                )  # fmt: skip
        labels = [charts.wrapped(names[curve.figure], 18) for curve in self.curves]
        axes.set_yticks(places, labels)
        axes.tick_params(left=False)
        axes.set_ylim(-0.6, len(self.curves) - 0.35)
        axes.set_xlim(-0.04, 1.04)
        axes.set_xticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xlabel(_("Ring: now; dot: predicted, with its interval"))

    def set(self, table: pd.DataFrame) -> None:
        """Put the predictions of a table."""
        for place, curve, row, (bar, dot, label) in zip(
            range(len(table) - 1, -1, -1), self.curves, table.itertuples(), self.then, strict=True
        ):
            low, then, high = (self._at(curve, value) for value in (row.low, row.then, row.high))
            bar.set_data([low, high], [place, place])
            dot.set_data([then], [place])
            decimals = _decimals(curve.figure)
            label.set_text(
                _("{now} → {then} ({low} to {high})").format(
                    now=number(row.now, decimals),
                    then=number(row.then, decimals),
                    low=number(row.low, decimals),
                    high=number(row.high, decimals),
                )
            )
            label.set_x(min(max((self._at(curve, row.now) + then) / 2, 0.2), 0.8))

    @staticmethod
    def _at(curve: Curve, value: float) -> float:
        return (value - curve.least) / (curve.most - curve.least)


def _decimals(figure: str) -> int:
    return 2 if figure == "mean" else 1


def _points(points: float) -> str:
    return number(points, 0 if float(points).is_integer() else 2)
