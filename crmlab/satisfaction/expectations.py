"""Whether customers expect more from year to year, and what that does to the gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data.model import Settings
from crmlab.errors import NotEnoughData
from crmlab.language import _, percent
from crmlab.satisfaction.pairs import (
    FEWEST,
    NEEDS,
    Pairs,
    by_dimension,
    overall_mean,
    pairs,
)
from crmlab.satisfaction.responses import excluded, grouped_by
from crmlab.satisfaction.servqual import (
    chance,
    design_words,
    dimension_labels,
    scale_words,
    two,
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
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: A trend is not drawn through fewer months than this.
MONTHS = 3
DAYS = 365.25
COLOURS = {"expectation": charts.ORANGE, "perception": charts.BLUE}


@dataclass(frozen=True, repr=False)
class Expectations(Result):
    """Result of `expectations`.

    Attributes
    ----------
    months : pandas.DataFrame
        A row per month and aspect: month (its first day), aspect, questionnaires, mean, low, high.
    dimensions : pandas.DataFrame
        As the table, a row per dimension and aspect.
    ends : tuple of pandas.Timestamp
        The first and the last answer that counts.
    pairs : Pairs
    unused : int
        Questionnaires without a time, or without one of the dimensions.
    settings : Settings
    confidence : float
    """

    measure = "satisfaction.expectations"

    months: pd.DataFrame
    dimensions: pd.DataFrame
    ends: tuple[pd.Timestamp, pd.Timestamp]
    pairs: Pairs
    unused: int
    settings: Settings
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"aspect": aspect_labels(), "dimension": dimension_labels(self)}

    def title(self) -> str:
        row = self._row("expectation")
        if not row["apart"]:
            return _("Whether expectations rise or fall cannot be told")
        said = (
            _("Expectations rise by {value} points a year")
            if row["a_year"] > 0
            else _("Expectations fall by {value} points a year")
        )
        return said.format(value=two(abs(row["a_year"])))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        for aspect, colour in COLOURS.items():
            part = self.months[self.months["aspect"] == aspect]
            reach = np.abs(part[["low", "high"]].to_numpy().T - [part["mean"]] * 2)
            axes.errorbar(
                part["month"] + pd.Timedelta(days=14), part["mean"], yerr=reach, fmt="o",
                color=colour, markersize=4, linewidth=1, alpha=0.8,
            )  # fmt: skip
            row = self._row(aspect)
            axes.plot(self.ends, row[["at_start", "at_end"]].astype(float), color=colour)
            axes.annotate(
                aspect_labels()[aspect], (self.ends[1], row["at_end"]), xytext=(8, 0),
                color=colour, textcoords="offset points", va="center",
            )  # fmt: skip
        charts.date_axis(axes.xaxis, ticks=(4, 8))
        axes.set_ylabel(_("Mean answer"))
        axes.set_xlabel(
            _("Month of the answer; {scale}, with {confidence} intervals").format(
                scale=scale_words(self.pairs.items), confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        moves = [self._moves("expectation"), self._moves("perception"), self._gap()]
        by_dimension = _("Change of expectations a year by dimension: {parts}. {brackets}").format(
            parts=_("; ").join(
                _("{name} {value} ({low} to {high})").format(
                    name=dimension_labels(self)[row.dimension], **_numbers(row.a_year, row)
                )
                for row in self.dimensions.itertuples()
                if row.aspect == "expectation"
            ),
            brackets=intervals_in_brackets(self.confidence),
        )
        who = self.pairs.sentence(*self._missing())
        return "\n\n".join([" ".join(moves), by_dimension, who])

    def alt(self) -> str:
        expected, perceived = self._row("expectation"), self._row("perception")
        return _(
            "Monthly means with intervals and two straight lines: expectation from {start} to "
            "{end}, perception from {begin} to {close}."
        ).format(
            start=two(expected["at_start"]),
            end=two(expected["at_end"]),
            begin=two(perceived["at_start"]),
            close=two(perceived["at_end"]),
        )

    def _row(self, aspect: str) -> pd.Series:
        return self.table.set_index("aspect").loc[aspect]

    def _missing(self) -> tuple[Exclusion, ...]:
        return excluded({_("no time of the answer, or a dimension not answered"): self.unused})

    def _moves(self, aspect: str) -> str:
        """How an aspect moves, in a sentence."""
        row = self._row(aspect)
        said = _sentences(aspect)[int(np.sign(row["a_year"])) if row["apart"] else 0]
        return said.format(
            start=two(row["at_start"]),
            end=two(row["at_end"]),
            **_numbers(abs(row["a_year"]) if row["apart"] else row["a_year"], row),
        )

    def _gap(self) -> str:
        row = self._row("gap")
        if not row["apart"]:
            said = _(
                "Whether the gap between the two changes cannot be told: {value} points a year "
                "({low} to {high})."
            )
            return said.format(**_numbers(row["a_year"], row))
        behind = bool(row["at_start"] < 0), bool(row["at_end"] < 0)
        said = _gap_sentences(falling=bool(row["a_year"] < 0))[behind]
        return said.format(**_numbers(row["a_year"], row))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Change of the mean expectation, perception and gap, in points"),
            denominator=_("A year"),
            period=self.context.period(),
            method=_(
                "The mean over the dimensions, all alike, of each questionnaire, against the time "
                "of its answer: a straight line by weighted least squares. {confidence} t "
                "intervals with the questionnaires of a customer as a cluster (Liang and Zeger "
                "1986); Holm's rule over the three lines. {design}"
            ).format(confidence=percent(self.confidence, 0), design=design_words(self.pairs.found)),
            source=self.context.source,
            exclusions=self.pairs.exclusions(*self._missing()),
        )


@measure(
    needs=[
        {**NEEDS, "surveys": ["response_id", "answered_at"]},
        {**NEEDS, "surveys": ["response_id", "sent_at"]},
    ]
)
def expectations(crm: Workspace, *, confidence: float = 0.95) -> Expectations:
    """Whether expectations rise, and what that does to the gap.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, answered_at or sent_at; answers: response_id, item, aspect
        (expectation, perception), value.
    confidence : float

    Returns
    -------
    Expectations
        `.table` has a row for expectation, perception and gap: aspect, questionnaires, at_start
        and at_end (of the line, at the first and the last answer), a_year (points a year), low,
        high, probability (after Holm's correction), apart. `.dimensions` has the same by
        dimension, `.months` the means of each month.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If the answers come from fewer than three months, or from fewer than ten customers.

    Notes
    -----
    A straight line through the answers of different customers at different times: it says how the
    mean moves, not how any customer's mind does. Where those asked change, so does the mean.

    References
    ----------
    Liang, K.-Y. and Zeger, S. L. (1986), Biometrika 73, 13-22. Zeithaml, V. A., Berry, L. L. and
    Parasuraman, A. (1993), Journal of the Academy of Marketing Science 21, 1-12.
    """
    both = pairs(crm)
    parts = {
        "expectation": by_dimension(both.expectation, both.items),
        "perception": by_dimension(both.perception, both.items),
    }
    parts["gap"] = parts["perception"] - parts["expectation"]
    series = pd.DataFrame({aspect: overall_mean(part) for aspect, part in parts.items()})
    when = moment(both.frame)
    used = series["gap"].notna() & when.notna()
    series, frame = series[used], both.frame[used]
    month = grouped_by(crm, frame, "month")
    _check_enough(month.nunique(), frame["cluster"].nunique())
    years = (when - when.min()) / pd.Timedelta(days=DAYS)
    own = [
        trend_table(
            pd.DataFrame({aspect: part[code] for aspect, part in parts.items()}),
            years, both.frame, confidence,
        ).assign(dimension=code)
        for code in parts["gap"]
    ]  # fmt: skip
    return Expectations(
        trend_table(series, years[used], frame, confidence),
        Context.of(crm),
        _months(series, month, frame, confidence),
        pd.concat(own, ignore_index=True),
        (when[used].min(), when[used].max()),
        both,
        len(both.frame) - len(frame),
        crm.settings,
        confidence,
    )


def _check_enough(months: int, customers: int) -> None:
    if months < MONTHS:
        raise NotEnoughData(
            _("A trend needs answers of {fewest} months at least; there are {months}.").format(
                fewest=MONTHS, months=months
            )
        )
    if customers < FEWEST:
        raise NotEnoughData(
            _(
                "A trend needs all dimensions from {fewest} customers at least; there are "
                "{customers}."
            ).format(fewest=FEWEST, customers=customers)
        )


def moment(frame: pd.DataFrame) -> pd.Series:
    """When a questionnaire was answered; when it was sent where that is not known."""
    return frame["answered_at"].fillna(frame["sent_at"])


def trend_table(
    series: pd.DataFrame, years: pd.Series, frame: pd.DataFrame, confidence: float = 0.95
) -> pd.DataFrame:
    """A straight line through each series of answers.

    Parameters
    ----------
    series : pandas.DataFrame
        A row per questionnaire, a column per series.
    years : pandas.Series
        Time of each questionnaire; one without a time does not count.
    frame : pandas.DataFrame
        weight and cluster of each questionnaire.
    confidence : float

    Returns
    -------
    pandas.DataFrame
        A row per series: aspect, questionnaires, at_start, at_end, a_year, low, high, probability
        (after Holm's correction over the series), apart.

    Notes
    -----
    With time t and weight w the slope is Σw(t − t̄)y / Σw(t − t̄)²; an answer moves it by
    w(t − t̄)e / Σw(t − t̄)², with e its distance from the line. These are summed over clusters; with
    clusters of one answer the error is the heteroscedasticity-consistent one (HC1).

    Examples
    --------
    >>> series = pd.DataFrame({"expectation": [5.0, 5.3, 5.4, 5.6]})
    >>> frame = pd.DataFrame({"weight": [1] * 4, "cluster": range(4)})
    >>> trend_table(series, pd.Series([0, 1, 2, 3]), frame)[["a_year", "low", "high"]].round(2)
       a_year  low  high
    0    0.19  0.1  0.28
    """
    rows, chances = [], []
    for aspect in series:
        values, times = series[aspect].to_numpy(float), np.asarray(years, float)
        some = np.isfinite(values) & np.isfinite(times)
        weights, who = frame["weight"].to_numpy(float)[some], frame["cluster"].to_numpy()[some]
        line, found = _line(values[some], times[some], weights, who, confidence)
        chances.append(chance(found, len(np.unique(who)) - 2, confidence))
        count = {"aspect": aspect, "questionnaires": int(some.sum())}
        ends = {"a_year": found.value, "low": found.low, "high": found.high}
        rows.append({**count, **line, **ends})
    apart, adjusted = holm(chances, 1 - confidence)
    return pd.DataFrame(rows).assign(probability=adjusted, apart=apart)


def _line(
    answers: np.ndarray, times: np.ndarray, weights: np.ndarray, who: np.ndarray, confidence: float
) -> tuple[dict[str, float], Estimate]:
    """Both ends of the straight line through the answers, and its slope."""
    if len(np.unique(times)) < 2:
        return {"at_start": np.nan, "at_end": np.nan}, NOTHING
    away, middle = times - np.average(times, weights=weights), np.average(answers, weights=weights)
    spread = np.sum(weights * away**2)
    slope = np.sum(weights * away * answers) / spread
    moved = weights * away * (answers - middle - slope * away) / spread
    found = survey.from_influence(float(slope), moved, who, spent=2, confidence=confidence)
    ends = {"at_start": middle + slope * away.min(), "at_end": middle + slope * away.max()}
    return ends, found


def _months(
    series: pd.DataFrame, month: pd.Series, frame: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    rows = []
    for first, part in frame.groupby(month.to_numpy()):
        for aspect in series:
            values = series.loc[part.index, aspect]
            found = survey.mean(
                values, weights=part["weight"], clusters=part["cluster"], confidence=confidence
            )
            ends = {"mean": found.value, "low": found.low, "high": found.high}
            count = int(values.notna().sum())
            rows.append({"month": first, "aspect": aspect, "questionnaires": count, **ends})
    return pd.DataFrame(rows)


def aspect_labels() -> Mapping[str, str]:
    """What the lines are called in the current language."""
    return {"expectation": _("Expectation"), "perception": _("Perception"), "gap": _("Gap")}


def _sentences(aspect: str) -> Mapping[int, str]:
    """What is said of an aspect that rises (1), falls (−1), or of which neither can be told."""
    if aspect == "expectation":
        return {
            1: _(
                "Expectations rise by {value} points a year ({low} to {high}), from {start} to "
                "{end} over the period."
            ),
            -1: _(
                "Expectations fall by {value} points a year ({low} to {high}), from {start} to "
                "{end} over the period."
            ),
            0: _(
                "Whether expectations rise or fall cannot be told: {value} points a year ({low} "
                "to {high})."
            ),
        }
    return {
        1: _(
            "Perceptions rise by {value} points a year ({low} to {high}), from {start} to {end} "
            "over the period."
        ),
        -1: _(
            "Perceptions fall by {value} points a year ({low} to {high}), from {start} to {end} "
            "over the period."
        ),
        0: _(
            "Whether perceptions rise or fall cannot be told: {value} points a year ({low} to "
            "{high})."
        ),
    }


def _gap_sentences(falling: bool) -> Mapping[tuple[bool, bool], str]:
    """What is said of a gap that changes, by whether service is behind at the start, the end."""
    return {
        (True, True): _(
            "Service falls further behind: perception less expectation changes by {value} "
            "points a year ({low} to {high})."
        )
        if falling
        else _(
            "Service catches up: perception less expectation changes by {value} points a year "
            "({low} to {high})."
        ),
        (False, False): _(
            "The lead over expectations shrinks: perception less expectation changes by "
            "{value} points a year ({low} to {high})."
        )
        if falling
        else _(
            "The lead over expectations grows: perception less expectation changes by {value} "
            "points a year ({low} to {high})."
        ),
        (True, False): _(
            "Service overtakes expectations: perception less expectation changes by {value} "
            "points a year ({low} to {high})."
        ),
        (False, True): _(
            "The lead over expectations is lost: perception less expectation changes by {value} "
            "points a year ({low} to {high})."
        ),
    }


def _numbers(value: float, row: Any) -> dict[str, str]:
    """A change with its interval, written; the interval of a fall is turned round."""
    low, high = (-row.high, -row.low) if value > 0 > row.high else (row.low, row.high)
    return {"value": two(value), "low": two(low), "high": two(high)}
