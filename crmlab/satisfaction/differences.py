"""Which groups of customers differ in a score, by how much, and which cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.answers import (
    IN_TIME,
    Answers,
    Flags,
    answers_to,
    exclusions_of,
    group_name,
    groups_of,
    scale_of,
    weighting_said,
)
from crmlab.satisfaction.net_promoter import signs_of
from crmlab.satisfaction.responses import Responses, questionnaires_left_out
from crmlab.satisfaction.scores import SATISFIED
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Exclusion, Result, measure, require
from crmlab.stats import weighted as survey
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Score = Literal["overall", "top_two", "nps"]
Against = Literal["each_other", "rest"]

#: The question behind each score.
QUESTIONS = {"overall": "overall", "top_two": "overall", "nps": "recommend"}
#: Up to so many groups each is compared with each, unless asked otherwise.
EACH_OTHER = 4
#: With fewer customers than this a group is not judged.
FEWEST = 5
#: So many comparisons are named in a reading, and so many drawn.
NAMED, DRAWN = 6, 24
#: Code of all other groups together.
REST = "rest"


@dataclass(frozen=True, repr=False)
class ScoreDifferences(Result):
    """Result of `score_differences`.

    Attributes
    ----------
    score : str
        What is compared: ``"overall"``, ``"top_two"`` or ``"nps"``.
    by : str
        What the groups are made by.
    against : str
        ``"each_other"`` or ``"rest"``.
    values : dict of str to object
        Value of `by` of each group, by its code.
    not_given : int
        Answers whose group is not known.
    answers : int
        Answers that are compared.
    asked : Responses
        The questionnaires of the chosen modes.
    weighted : bool
    confidence : float
    """

    measure = "satisfaction.score_differences"

    score: str
    by: str
    against: str
    values: dict[str, Any]
    not_given: int
    answers: int
    asked: Responses
    weighted: bool
    confidence: float

    def formats(self) -> Mapping[str, str]:
        kind = {"overall": "number", "top_two": "percent", "nps": "number1"}[self.score]
        return dict.fromkeys(["score", "other_score", "difference", "low", "high"], kind)

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = {code: self._name(code) for code in [*self.values, REST]}
        return {"group": names, "compared_with": names}

    def title(self) -> str:
        apart = self._told()
        if apart.empty:
            return _("{score} by {by}: no groups are told apart").format(
                score=score_name(self.score), by=shown(self.by).label
            )
        largest = apart.loc[apart["difference"].abs().idxmax()]
        if self._judged_count() < 2:
            return _("{score}: {largest}").format(
                score=score_name(self.score), largest=self._said(largest)
            )
        return _("{score}: {largest}; told apart: {count} of {all}").format(
            score=score_name(self.score),
            largest=self._said(largest),
            count=number(len(apart)),
            all=number(self._judged_count()),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.42 * len(drawn) + 1.5)))
        places = np.arange(len(drawn))[::-1]
        told = drawn["differs"].fillna(False).astype(bool)
        colours = [charts.BLUE if one else charts.GREY for one in told]
        axes.axvline(0, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, drawn["low"], drawn["high"], colors=colours)
        axes.scatter(drawn["difference"], places, color=colours, zorder=3)
        axes.set_yticks(places, [self._pair(row) for _index, row in drawn.iterrows()])
        axes.set_ylim(-0.7, len(drawn) - 0.3)
        if self.score == "top_two":
            charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Difference with {confidence} interval; grey: cannot be told").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._count(),
            self._listed(self._told(), _("They differ: {parts}.")),
            self._not_told(),
            self._not_judged(),
            f"{weighting_said(self.asked, self.weighted)} "
            + questionnaires_left_out(self._exclusions(), self.asked.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{pair} {difference} ({low} to {high})").format(
                pair=self._pair(row),
                difference=self._written(row["difference"]),
                low=self._written(row["low"]),
                high=self._written(row["high"]),
            )
            for _index, row in self._drawn().iterrows()
        ]
        return _("Points with intervals of the differences in {score}. {parts}.").format(
            score=score_name(self.score), parts=_("; ").join(parts)
        )

    # --- the parts of the reading

    def _count(self) -> str:
        judged, told = self._judged_count(), len(self._told())
        if not judged:
            return _("No two groups can be compared.")
        found = _(
            "{score} by {by}, comparisons told apart by more than chance: {told} of {all}."
        ).format(
            score=score_name(self.score),
            by=shown(self.by).label,
            all=number(judged),
            told=number(told),
        )
        if judged < 2:
            return found
        return f"{found} " + _(
            "The decision allows for all {all} comparisons (Holm); each interval, {confidence}, "
            "stands for its own comparison alone."
        ).format(all=number(judged), confidence=percent(self.confidence, 0))

    def _not_told(self) -> str:
        table = self.table[self.table["differs"].eq(False).fillna(False).astype(bool)]
        if table.empty:
            return ""
        said = self._listed(table, _("It cannot be told whether they differ: {parts}."))
        said += " " + _("That is not to say that they are equal: look at how far the intervals go.")
        clear = (table["low"] > 0) | (table["high"] < 0)
        if not clear.any():
            return said
        return f"{said} " + _(
            "Where an interval leaves out 0 all the same, that is too little for one comparison "
            "among so many."
        )

    def _not_judged(self) -> str:
        table = self.table[self.table["differs"].isna()]
        if table.empty:
            return ""
        parts = [self._pair(row) for _index, row in table.head(NAMED).iterrows()]
        return _(
            "Not judged, because a group has fewer than {fewest} customers or answers that are all "
            "alike: {parts}."
        ).format(fewest=number(FEWEST), parts=self._with_more(parts, len(table)))

    def _listed(self, table: pd.DataFrame, sentence: str) -> str:
        if table.empty:
            return ""
        parts = [
            _("{said} ({low} to {high})").format(
                said=self._said(row),
                low=self._written(row["low"]),
                high=self._written(row["high"]),
            )
            for _index, row in table.head(NAMED).iterrows()
        ]
        return sentence.format(parts=self._with_more(parts, len(table)))

    @staticmethod
    def _with_more(parts: list[str], count: int) -> str:
        more = count - len(parts)
        if more:
            said = ngettext("{count} more in the table", "{count} more in the table", more)
            parts = [*parts, said.format(count=number(more))]
        return _("; ").join(parts)

    def _said(self, row: pd.Series) -> str:
        sentence = (
            _("{group} {amount} above {other}")
            if row["difference"] >= 0
            else _("{group} {amount} below {other}")
        )
        return sentence.format(
            group=self._name(row["group"]),
            amount=self._amount(abs(row["difference"])),
            other=self._name(row["compared_with"]),
        )

    def _amount(self, value: float) -> str:
        if self.score == "top_two":
            return _("{value} percentage points").format(value=number(100 * value, 1))
        if self.score == "nps":
            return _("{value} NPS points").format(value=self._written(value))
        return _("{value} scale points").format(value=self._written(value))

    def _written(self, value: float) -> str:
        if not np.isfinite(value):
            return "–"
        if self.score == "top_two":
            return number(100 * value, 1)
        return number(value, 2 if self.score == "overall" else 1)

    def _pair(self, row: pd.Series) -> str:
        return _("{group} – {other}").format(
            group=self._name(row["group"]), other=self._name(row["compared_with"])
        )

    def _name(self, code: str) -> str:
        return _("all others") if code == REST else group_name(self.by, self.values[code])

    def _told(self) -> pd.DataFrame:
        return self.table[self.table["differs"].fillna(False).astype(bool)]

    def _judged_count(self) -> int:
        return int(self.table["differs"].notna().sum())

    def _drawn(self) -> pd.DataFrame:
        known = self.table.dropna(subset=["low"])
        if len(known) <= DRAWN:
            return known
        largest = known["difference"].abs().nlargest(DRAWN).index
        return known.loc[known.index.isin(largest)]

    def _exclusions(self) -> tuple[Exclusion, ...]:
        found = exclusions_of(self.asked, QUESTIONS[self.score], self.answers + self.not_given)
        if not self.not_given:
            return found
        return (*found, Exclusion.of_questionnaires(_("group not known"), self.not_given))

    def _define(self) -> Definition:
        against = {
            "each_other": _("Each group is compared with each other group."),
            "rest": _("Each group is compared with all others together."),
        }[self.against]
        return Definition(
            numerator=_("{score} of one group less that of the other").format(
                score=score_name(self.score)
            ),
            denominator=_("Questionnaires that answer the question and whose group is known"),
            period=self.context.period(),
            method=_(
                "{against} {weighting} {confidence} t intervals of the difference, the answers of "
                "one customer, who may be in both groups, a cluster; decisions after Holm (1979)."
            ).format(
                against=against,
                weighting=weighting_said(self.asked, self.weighted),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


def score_name(score: str) -> str:
    """Name of a score in the current language.

    Examples
    --------
    >>> score_name("top_two")
    'Share of answers 4 or 5'
    """
    return {
        "overall": _("Mean satisfaction"),
        "top_two": _("Share of answers {next} or {highest}").format(
            next=number(SATISFIED), highest=number(scale_of("overall")[1])
        ),
        "nps": _("Net Promoter Score"),
    }[score]


@measure(needs=[{"surveys": ["overall"]}, {"surveys": ["recommend"]}])
def score_differences(
    crm: Workspace,
    *,
    by: str,
    score: Score = "overall",
    against: Against | None = None,
    weighted: bool = True,
    modes: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> ScoreDifferences:
    """Which groups differ in a score, by how much, and which cannot be told apart.

    Parameters
    ----------
    crm : Workspace
        With surveys: overall; for ``score="nps"`` recommend.
    by : str
        Groups, as in `csat`. Answers whose group is not known are left out and counted.
    score : {"overall", "top_two", "nps"}
        Mean satisfaction, the share of the two highest answers, or the Net Promoter Score.
    against : {"each_other", "rest"}, optional
        Whether each group is compared with each other one or with all others together; by default
        each other up to four groups.
    weighted, modes, confidence
        As in `csat`.

    Returns
    -------
    ScoreDifferences
        `.table` has a row per comparison, the largest difference first (groups in time in their
        order): group, compared_with (``"rest"`` for all others), score, other_score, difference,
        low, high (points, or shares for ``"top_two"``), probability (of such a difference by
        chance, after Holm), differs (missing where it is not judged). The higher group stands
        first; of months and waves the later one.

    Raises
    ------
    MissingColumns
        If the question's column is not there.
    UnknownName
        If there is no such column to group by, or no such score or comparison.
    NotEnoughData
        If there are fewer than two groups.

    Notes
    -----
    The difference of two weighted means has a linearised variance over customers, which allows for
    customers in both groups, and a t interval with Satterthwaite's degrees of freedom
    (`crmlab.stats.weighted.contrast`): without weights and repeated customers, Welch's test. The
    Net Promoter Score is the mean of 100, 0 and −100. In simulations of 5 customers with up to
    three answers each against 200, a 95% interval held the difference of means in 93% of samples;
    of 10 customers, in 95%. A comparison is judged where both groups have
    at least five customers and answers that are not all alike; those judged are decided upon at
    the level 1 − confidence after Holm's correction for their number.

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70. Lumley, T. (2010), Complex
    Surveys, chapter 2.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": [str(i) for i in range(12)],
    ...     "overall": [5, 4, 5, 4, 5, 5, 2, 3, 2, 1, 2, 2], "wave": ["a"] * 6 + ["b"] * 6})
    >>> found = score_differences(from_frames({"surveys": surveys}), by="wave")
    >>> found.table[["group", "compared_with", "difference", "differs"]].round(2)
      group compared_with  difference  differs
    0     b             a       -2.67     True
    """
    _check(score, against)
    question = QUESTIONS[score]
    require(crm, ScoreDifferences.measure, crm.missing({"surveys": [question]}))
    answers = answers_to(crm, question, weighted=weighted, modes=modes)
    answers = answers._replace(values=_scored(answers.values, score))
    groups = groups_of(crm, answers.frame, by)
    known = {str(value): (value, within) for value, within in groups if value is not None}
    if len(known) < 2:
        raise NotEnoughData(
            _("To compare groups there must be two of them; {by} has {count}.").format(
                by=shown(by).label, count=len(known)
            )
        )
    against = against or ("each_other" if len(known) <= EACH_OTHER else "rest")
    members = {code: within for code, (_value, within) in known.items()}
    table = _compared(answers, members, against, by in IN_TIME, confidence)
    compared = int(np.any(list(members.values()), axis=0).sum())
    return ScoreDifferences(
        _decided(table, by in IN_TIME, confidence),
        Context.of(crm),
        score,
        by,
        against,
        {code: value for code, (value, _within) in known.items()},
        len(answers.values) - compared,
        compared,
        answers.asked,
        weighted,
        confidence,
    )


def _check(score: str, against: str | None) -> None:
    if score not in QUESTIONS:
        raise UnknownName(
            _("There is no score {score}. Choose one of: {names}.").format(
                score=score, names=", ".join(QUESTIONS)
            )
        )
    if against not in (None, "each_other", "rest"):
        raise UnknownName(
            _("Groups are compared with each_other or with the rest, not with {against}.").format(
                against=against
            )
        )


def _scored(values: NDArray[np.float64], score: str) -> NDArray[np.float64]:
    if score == "top_two":
        return (values >= SATISFIED).astype(float)
    return 100 * signs_of(values) if score == "nps" else values


def _compared(
    answers: Answers, members: dict[str, Flags], against: str, in_time: bool, confidence: float
) -> pd.DataFrame:
    means = {
        code: np.average(answers.values[within], weights=answers.weights[within])
        for code, within in members.items()
    }
    # The higher or the later group first; they come sorted, so of equals the first stays first.
    order = list(members)[::-1] if in_time else sorted(members, key=means.__getitem__)[::-1]
    if against == "each_other":
        pairs = [(one, other, members[other]) for one, other in combinations(order, 2)]
    else:
        everybody = np.any(list(members.values()), axis=0)
        pairs = [(one, REST, everybody & ~members[one]) for one in order]
    rows = [
        {"group": one, "compared_with": other}
        | _difference(answers, members[one], rest, confidence)
        for one, other, rest in pairs
    ]
    return pd.DataFrame(rows)


def _difference(
    answers: Answers, one: Flags, other: Flags, confidence: float
) -> dict[str, float | bool]:
    values, weights, customers = answers.values, answers.weights, answers.clusters
    apart = survey.contrast(values, one, other, weights=weights, clusters=customers)
    found = apart.estimate(confidence)
    judged = all(_judged(values[within], customers[within]) for within in (one, other))
    return {
        "score": float(np.average(values[one], weights=weights[one])),
        "other_score": float(np.average(values[other], weights=weights[other])),
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "probability": apart.chance if judged else np.nan,
    }


def _judged(values: NDArray[np.float64], customers: NDArray[np.intp]) -> bool:
    return len(np.unique(customers)) >= FEWEST and bool(np.ptp(values) > 0)


def _decided(table: pd.DataFrame, in_time: bool, confidence: float) -> pd.DataFrame:
    """With probabilities after Holm, the decisions, and the largest difference first."""
    differs = pd.array([pd.NA] * len(table), dtype="boolean")
    judged = table["probability"].notna().to_numpy()
    holds, table["probability"] = holm(table["probability"], 1 - confidence)
    differs[judged] = holds[judged]
    table = table.assign(differs=differs)
    if in_time:
        return table.iloc[::-1].reset_index(drop=True)
    size = table["difference"].abs()
    return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
