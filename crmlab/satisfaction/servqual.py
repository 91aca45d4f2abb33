"""Service quality as the gap between what customers perceive and what they expect (SERVQUAL)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data.model import Settings
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.pairs import NEEDS, Pairs, by_dimension, overall_mean, pairs
from crmlab.satisfaction.responses import Responses, dimension_names, item_names, wide
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted as survey
from crmlab.stats.clustered import Estimate
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


# --- tests


def chance(found: Estimate, freedom: int, confidence: float = 0.95) -> float:
    """How often chance alone would bring a t estimate so far from zero, on either side.

    Parameters
    ----------
    found : Estimate
        With a t interval.
    freedom : int
        Degrees of freedom of the interval.
    confidence : float
        Of the interval.

    Returns
    -------
    float
        NaN without an interval.

    Examples
    --------
    >>> from crmlab.stats import weighted
    >>> round(chance(weighted.mean([-1, -2, 0, -1, -3]), 4), 4)
    0.0516
    """
    from scipy.stats import t

    if not np.isfinite(found.high):
        return np.nan
    error = (found.high - found.value) / t.ppf((1 + confidence) / 2, freedom)
    if error == 0:
        return float(found.value == 0)
    return float(2 * t.sf(abs(found.value) / error, freedom))


# --- the measure


@dataclass(frozen=True, repr=False)
class Servqual(Result):
    """Result of `servqual`.

    Attributes
    ----------
    items : pandas.DataFrame
        A row per item, largest gap first: item, dimension, questionnaires, expectation,
        perception, gap, low, high, probability, short.
    whole : pandas.DataFrame
        All dimensions together, a row each for ``"unweighted"``, ``"weighted"`` and
        ``"difference"``: way, questionnaires, gap, low, high, design_effect. Only the first where
        nothing is weighted.
    pairs : Pairs
    settings : Settings
    unweighted_because : str
        Why nothing is weighted by importance; empty if it is.
    confidence : float
    """

    measure = "satisfaction.servqual"

    items: pd.DataFrame
    whole: pd.DataFrame
    pairs: Pairs
    settings: Settings
    unweighted_because: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number", "importance": "percent"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"dimension": self._names(), "item": item_labels(self)}

    def main_columns(self) -> Sequence[str]:
        hidden = ("expectation_", "perception_", "probability")
        return [name for name in self.table if not name.startswith(hidden)]

    def title(self) -> str:
        # The largest gap of all may be of few answers, and so may not be told from none.
        short = self.table[self.table["short"].astype(bool)]
        if short.empty:
            return _("In no dimension does service fall short of expectations by more than chance")
        worst = short.iloc[0]
        return _("Furthest short of expectations: {dimension}, by {gap}").format(
            dimension=self._names()[worst["dimension"]], gap=points(-worst["gap"])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.6 * len(table) + 1.4)))
        places = np.arange(len(table))[::-1]
        axes.hlines(
            places, table["perception"], table["expectation"], color=charts.GRID, linewidth=6
        )
        for column, colour in {"perception": charts.BLUE, "expectation": charts.ORANGE}.items():
            means = table[column]
            reach = np.abs(table[[f"{column}_low", f"{column}_high"]].to_numpy().T - [means] * 2)
            axes.errorbar(
                means, places, xerr=reach, fmt="o", color=colour, capsize=3, linewidth=1.5
            )
        for place, row in zip(places, table.itertuples(), strict=True):
            middle = (row.perception + row.expectation) / 2
            axes.text(middle, place + 0.16, two(row.gap), ha="center", va="bottom")
        _name_both(axes, table, places)
        axes.set_yticks(places, [self._names()[code] for code in table["dimension"]])
        axes.set_ylim(-0.6, len(table) - 0.1)
        _room_beside(axes, table)
        axes.set_xlabel(self._axis())
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._dimensions(), self._whole(), self._items(), self.pairs.sentence()]
        return "\n\n".join(parts)

    def alt(self) -> str:
        parts = [
            _("{name}: expected {expected}, perceived {perceived}, gap {gap}").format(
                name=self._names()[row.dimension],
                expected=two(row.expectation),
                perceived=two(row.perception),
                gap=two(row.gap),
            )
            for row in self.table.itertuples()
        ]
        return _(
            "Two points for each dimension, expectation and perception, and the gap between. "
            "{parts}."
        ).format(parts=_("; ").join(parts))

    def _names(self) -> Mapping[str, str]:
        return dimension_labels(self)

    def _axis(self) -> str:
        return _("Mean answer, {scale}; with {confidence} intervals").format(
            scale=scale_words(self.pairs.items), confidence=percent(self.confidence, 0)
        )

    def _dimensions(self) -> str:
        short = self.table[self.table["short"].astype(bool)]
        above = self.table[(self.table["gap"] > 0) & self.table["apart"].astype(bool)]
        said = ngettext(
            "In {short} of {all} dimension the service perceived falls short of what is expected "
            "by more than chance would bring about (Holm's rule).",
            "In {short} of {all} dimensions the service perceived falls short of what is expected "
            "by more than chance would bring about (Holm's rule).",
            len(self.table),
        ).format(short=number(len(short)), all=number(len(self.table)))
        if len(above):
            said += " " + _("It exceeds it in: {names}.").format(
                names=_(", ").join(self._names()[code] for code in above["dimension"])
            )
        parts = [
            with_interval(self._names()[row.dimension], row) for row in self.table.itertuples()
        ]
        gaps = _("Gaps, perception less expectation, {scale}: {parts}. {brackets}").format(
            scale=scale_words(self.pairs.items),
            parts=_("; ").join(parts),
            brackets=intervals_in_brackets(self.confidence),
        )
        return f"{said} {gaps}"

    def _whole(self) -> str:
        whole = self.whole.set_index("way")
        if not whole.loc["unweighted", "questionnaires"]:
            return _("No questionnaire has all dimensions, so they are not put together.")
        plain = _("With all dimensions alike the gap is {gap} ({low} to {high}).").format(
            **numbers(whole.loc["unweighted"])
        )
        effect = effect_words(whole.loc["unweighted", "design_effect"])
        if "weighted" not in whole.index:
            return " ".join(part for part in (plain, effect, self.unweighted_because) if part)
        own = _(
            "Weighted by the importance that each customer gives the dimensions it is {gap} "
            "({low} to {high})."
        ).format(**numbers(whole.loc["weighted"]))
        change = whole.loc["difference"]
        return " ".join(part for part in (plain, own, _change(change), effect) if part)

    def _items(self) -> str:
        short = self.items[self.items["short"].astype(bool)]
        if short.empty:
            return _(
                "Item by item, none of {all} falls short by more than chance would bring about "
                "among so many."
            ).format(all=number(len(self.items)))
        worst = short.iloc[0]
        return _(
            "Items that fall short by more than chance would bring about among so many: {short} of "
            "{all}; the largest gap is “{item}”, {gap} ({low} to {high})."
        ).format(
            short=number(len(short)),
            all=number(len(self.items)),
            item=item_labels(self).get(worst["item"], worst["item"]),
            **numbers(worst),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Perception less expectation of the same item, in points of the scale"),
            denominator=_("Questionnaires in which both were answered"),
            period=self.context.period(),
            method=_(
                "A questionnaire's gap in a dimension is the mean over its items, where at least "
                "half of them were answered (Parasuraman, Zeithaml and Berry 1988). Means with the "
                "questionnaires' design weights; {confidence} t intervals and paired tests with "
                "the questionnaires of a customer as a cluster; Holm's rule over the dimensions "
                "and over the items. Weighted: each customer's gaps by the importance that the "
                "same customer gives (Parasuraman, Berry and Zeithaml 1991). {design}"
            ).format(confidence=percent(self.confidence, 0), design=design_words(self.pairs.found)),
            source=self.context.source,
            exclusions=self.pairs.exclusions(),
        )


@measure(needs=NEEDS)
def servqual(crm: Workspace, *, weighted: bool = True, confidence: float = 0.95) -> Servqual:
    """How far service falls short of expectations, by dimension and by item.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id; answers: response_id, item, aspect (expectation, perception;
        importance of the dimensions where given), value; items declared with their dimensions.
    weighted : bool
        Whether to weight the dimensions by the importance stated, where it was asked for.
    confidence : float

    Returns
    -------
    Servqual
        `.table` has a row per dimension, largest gap first: dimension, questionnaires,
        expectation, perception, gap (points of the scale), low, high, probability (Holm's), short
        (perception below expectation beyond chance), apart (different beyond chance); with
        importance (share of the points) and contribution (what the dimension adds to the weighted
        gap). `.items` has the same per item, `.whole` all dimensions together.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If fewer than ten customers answered both, or no item has a dimension.
    CrmlabError
        If the items have different scales.

    Notes
    -----
    Gap = P − E. A dimension's gap in a questionnaire is the mean over those of its items whose
    expectation and perception were both answered, at least half of them. The test is the paired t
    test with design weights and with the questionnaires of a customer as a cluster; without
    weights and with one questionnaire a customer it is the ordinary one. Importance is that of the
    items named as the dimensions; points are divided by their sum in the questionnaire.

    References
    ----------
    Parasuraman, A., Zeithaml, V. A. and Berry, L. L. (1988), Journal of Retailing 64(1), 12-40.
    Parasuraman, A., Berry, L. L. and Zeithaml, V. A. (1991), Journal of Retailing 67(4), 420-450.
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    both = pairs(crm)
    parts = [by_dimension(table, both.items) for table in (both.expectation, both.perception)]
    expected, perceived = parts
    table = gap_table(expected, perceived, both.frame, confidence).rename(
        columns={"name": "dimension"}
    )
    if table.empty:
        raise NotEnoughData(
            _(
                "No questionnaire has answers to half of the items of a dimension, so no gap can "
                "be told."
            )
        )
    gaps = (perceived - expected)[table["dimension"].tolist()]
    points_given, because = _importance(crm, both, gaps) if weighted else (None, "")
    if points_given is not None:
        table = _with_importance(table, gaps, points_given, both.frame)
    single = gap_table(both.expectation, both.perception, both.frame, confidence)
    single = both.items[["item", "dimension"]].merge(single.rename(columns={"name": "item"}))
    return Servqual(
        _worst_first(table),
        Context.of(crm),
        _worst_first(single),
        _whole(gaps, points_given, both.frame, confidence),
        both,
        crm.settings,
        because,
        confidence,
    )


def gap_table(
    expected: pd.DataFrame, perceived: pd.DataFrame, frame: pd.DataFrame, confidence: float = 0.95
) -> pd.DataFrame:
    """Means and gap of each column, with paired tests that hold together.

    Parameters
    ----------
    expected, perceived : pandas.DataFrame
        A row per questionnaire, a column per item or dimension; the same of both.
    frame : pandas.DataFrame
        weight and cluster of each questionnaire.
    confidence : float

    Returns
    -------
    pandas.DataFrame
        A row per column that has answers: name, questionnaires, expectation, perception and gap,
        each with its interval, probability (after Holm's correction), apart and short.

    Examples
    --------
    >>> expected = pd.DataFrame({"tan1": [5, 6, 6, 5, 6]})
    >>> perceived = pd.DataFrame({"tan1": [4, 4, 6, 4, 3]})
    >>> frame = pd.DataFrame({"weight": [1] * 5, "cluster": range(5)})
    >>> gap_table(expected, perceived, frame)[["gap", "low", "high", "probability"]].round(3)
        gap    low   high  probability
    0  -1.4 -2.816  0.016        0.052
    """
    weights, who = frame["weight"].to_numpy(float), frame["cluster"].to_numpy()
    rows, chances = [], []
    for name in expected:
        row: dict[str, Any] = {"name": name}
        gap = (perceived[name] - expected[name]).to_numpy(float)
        row["questionnaires"] = int(np.isfinite(gap).sum())
        for column, values in (("expectation", expected[name]), ("perception", perceived[name])):
            found = survey.mean(values, weights=weights, clusters=who, confidence=confidence)
            row |= {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}
        found = survey.mean(gap, weights=weights, clusters=who, confidence=confidence)
        freedom = len(np.unique(who[np.isfinite(gap)])) - 1
        chances.append(chance(found, freedom, confidence))
        rows.append(row | {"gap": found.value, "low": found.low, "high": found.high})
    table = pd.DataFrame(rows)
    apart, adjusted = holm(chances, 1 - confidence)
    table = table.assign(probability=adjusted, apart=apart, short=apart & (table["gap"] < 0))
    return table[table["questionnaires"] > 0].reset_index(drop=True)


def _worst_first(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("gap", kind="stable", ignore_index=True)


def _importance(crm: Workspace, both: Pairs, gaps: pd.DataFrame) -> tuple[pd.DataFrame | None, str]:
    """Share of the points that each questionnaire gives each dimension, or why there is none."""
    dimensions = list(gaps)
    try:
        given = wide(crm, "importance")
    except NotEnoughData:
        given = pd.DataFrame()
    if not any(dimension in given for dimension in dimensions):
        return None, _("Nothing is weighted: nobody said how important the dimensions are.")
    given = given.reindex(index=both.frame["response_id"], columns=dimensions)
    total = given.sum(axis=1, skipna=False)
    shares = given.div(total.where(total > 0), axis=0).rename_axis(columns=None)
    shares = shares.reset_index(drop=True)
    if not (shares.notna() & gaps.notna()).all(axis=1).any():
        return None, _(
            "Nothing is weighted: no questionnaire has both the gap and the importance of every "
            "dimension."
        )
    return shares, ""


def _with_importance(
    table: pd.DataFrame, gaps: pd.DataFrame, shares: pd.DataFrame, frame: pd.DataFrame
) -> pd.DataFrame:
    """With the mean importance, and what each dimension adds to the weighted gap."""
    known = (gaps.notna() & shares.notna()).all(axis=1).to_numpy()
    weights = frame["weight"].to_numpy(float)[known]
    importance = np.average(shares[known], axis=0, weights=weights)
    adds = np.average((shares * gaps)[known], axis=0, weights=weights)
    return table.assign(importance=importance, contribution=adds)


def _whole(
    gaps: pd.DataFrame, shares: pd.DataFrame | None, frame: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    plain = overall_mean(gaps)
    ways = {"unweighted": plain}
    if shares is not None:
        own = (gaps * shares).sum(axis=1, min_count=gaps.shape[1])
        ways |= {"weighted": own, "difference": own - plain}
    rows = []
    for way, values in ways.items():
        found = survey.mean(
            values, weights=frame["weight"], clusters=frame["cluster"], confidence=confidence
        )
        ends = {"gap": found.value, "low": found.low, "high": found.high}
        count = int(values.notna().sum())
        rows.append({"way": way, "questionnaires": count, **ends, "design_effect": found.effect})
    return pd.DataFrame(rows)


# --- words


def item_labels(result: Any) -> Mapping[str, str]:
    """Label of each item in the current language; `result` has the settings."""
    return item_names(result)


def dimension_labels(result: Any) -> Mapping[str, str]:
    """Label of each dimension in the current language; `result` has the settings."""
    return dimension_names(result)


def two(value: float) -> str:
    """A number with two decimals, and no minus before nought; one that is not known as a dash.

    Examples
    --------
    >>> two(-1.234), two(-0.001), two(float("nan"))
    ('-1.23', '0.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    return number(round(float(value), 2) + 0.0, 2)


def points(value: float) -> str:
    """So many points of a scale.

    Examples
    --------
    >>> points(1.25)
    '1.25 points'
    """
    return _("{value} points").format(value=two(value))


def scale_words(items: pd.DataFrame) -> str:
    """The scale of the items in words.

    Examples
    --------
    >>> scale_words(pd.DataFrame({"minimum": [1.0], "maximum": [7.0]}))
    'on the scale from 1 to 7'
    """
    known = items.dropna(subset=["minimum", "maximum"])
    if known.empty:
        return _("in points of the answers")
    low, high = known["minimum"].iloc[0], known["maximum"].iloc[0]
    return _("on the scale from {low} to {high}").format(low=number(low), high=number(high))


def numbers(row: Any) -> dict[str, str]:
    """Gap and interval of a row, written."""
    return {name: two(row[name]) for name in ("gap", "low", "high")}


def with_interval(name: str, row: Any) -> str:
    """A name with its gap and interval."""
    return _("{name} {value} ({low} to {high})").format(
        name=name, value=two(row.gap), low=two(row.low), high=two(row.high)
    )


def effect_words(effect: float) -> str:
    """What the design effect says; nothing where it is not known."""
    if not np.isfinite(effect):
        return ""
    return _(
        "The design effect is {effect}: weights and repeated customers change the variance by "
        "this factor."
    ).format(effect=two(effect))


def design_words(found: Responses) -> str:
    """Whether the answers carry design weights."""
    if found.weighted:
        return _("Design weights as given in the data.")
    return _("The data give no design weights; every questionnaire counts once.")


def _change(change: pd.Series) -> str:
    """What weighting does to the gap."""
    ends = {name: two(abs(change[name])) for name in ("low", "high")}
    if change["high"] < 0:
        return _(
            "Importance makes it worse by {high} to {low}: service compares worse with "
            "expectations where it matters more."
        ).format(**ends)
    if change["low"] > 0:
        return _(
            "Importance makes it better by {low} to {high}: service compares better with "
            "expectations where it matters more."
        ).format(**ends)
    return _("Whether importance makes it better or worse cannot be told.")


def _room_beside(axes: Axes, table: pd.DataFrame) -> None:
    """Room on both sides of the points for their names, whichever row they stand in."""
    ends = table[["perception_low", "expectation_low", "perception_high", "expectation_high"]]
    ends = ends.fillna(table[["perception", "expectation"]].mean(axis=1).mean())
    low, high = float(ends.min().min()), float(ends.max().max())
    room = 0.3 * max(high - low, 0.1)
    axes.set_xlim(low - room, high + room)


def _name_both(axes: Axes, table: pd.DataFrame, places: np.ndarray) -> None:
    """Names of the two kinds of point, beside those of the first row."""
    first = table.iloc[0]
    names = {"perception": _("Perception"), "expectation": _("Expectation")}
    colours = {"perception": charts.BLUE, "expectation": charts.ORANGE}
    left = min(names, key=lambda column: first[column])
    for column, name in names.items():
        axes.annotate(
            name, (first[column], places[0]), color=colours[column],
            xytext=(-16 if column == left else 16, 0), textcoords="offset points",
            ha="right" if column == left else "left", va="center",
        )  # fmt: skip
