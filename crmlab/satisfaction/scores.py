"""Scores of a survey (满意度得分): the mean and the two highest answers, by any group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from crmlab.language import _, number, percent
from crmlab.satisfaction.answers import (
    Answers,
    Flags,
    answers_to,
    by_group,
    counts_of,
    distribution,
    exclusions_of,
    group_colours,
    group_name,
    scale_of,
    weighting_said,
)
from crmlab.satisfaction.responses import Responses, questionnaires_left_out
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: More groups than this are drawn as the first and the last.
DRAWN = 24
#: With fewer answers than this the reading says that a group is small.
SMALL = 30
#: Answers of overall satisfaction from here on are those of the satisfied: the two highest.
SATISFIED = scale_of("overall")[1] - 1


@dataclass(frozen=True, repr=False)
class Scores(Result):
    """A score of all questionnaires and of groups of them.

    Attributes
    ----------
    question : str
        The column of surveys that holds the answers.
    score : str
        The column of the table that holds the score.
    by : str or None
        What the groups are made by.
    whole : pandas.Series
        The figures of all questionnaires together.
    distribution : pandas.DataFrame
        Share of each answer: answer, answers, share, low, high.
    asked : Responses
        The questionnaires of the chosen modes, whether they answer this question or not.
    weighted : bool
        Whether answers count with design weights.
    confidence : float
    """

    question: ClassVar[str]
    score: ClassVar[str]

    by: str | None
    whole: pd.Series
    distribution: pd.DataFrame
    asked: Responses
    weighted: bool
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        if self.by is None:
            return {}
        names = {str(value): group_name(self.by, value) for value in self.table[self.by].dropna()}
        return {self.by: names}

    def plot(self, ax: Axes | None = None) -> Axes:
        return self._plot_shares(ax) if self.by is None else self._plot_groups(ax)

    def _plot_shares(self, ax: Axes | None) -> Axes:
        axes = charts.new_axes(ax)
        drawn = self.distribution
        colours = [self._colour(answer) for answer in drawn["answer"]]
        axes.bar(drawn["answer"], drawn["share"], color=colours, width=0.8)
        axes.vlines(drawn["answer"], drawn["low"], drawn["high"], color=charts.INK, linewidth=1.2)
        axes.set_xticks(drawn["answer"])
        axes.set_ylim(0, None)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(self._question())
        axes.set_ylabel(
            _("Share of answers with {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def _plot_groups(self, ax: Axes | None) -> Axes:
        drawn, score = self._drawn(), self.score
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.42 * len(drawn) + 1.4)))
        places = np.arange(len(drawn))[::-1]
        axes.axvline(self.whole[score], color=charts.MUTED, linestyle="--", linewidth=1)
        colours = group_colours(str(self.by), drawn[self.by])
        axes.hlines(places, drawn["low"], drawn["high"], colors=colours)
        axes.scatter(drawn[score], places, color=colours, zorder=3)
        axes.set_yticks(places, [self._name(value) for value in drawn[self.by]])
        axes.set_ylim(-0.7, len(drawn) - 0.3)
        axes.set_xlabel(
            _("{score} with {confidence} interval; dashed: all answers").format(
                score=self._scored(), confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def title(self) -> str:
        if self.by is None or len(self.table) < 2:
            return self._of_all()
        highest, lowest = self._extremes()
        return self._apart().format(
            low=self._written(lowest[self.score]),
            lowest=self._name(lowest[self.by]),
            high=self._written(highest[self.score]),
            highest=self._name(highest[self.by]),
        )

    def reading(self) -> str:
        groups = "" if self.by is None else self._groups()
        weights = f"{self._weighting()} {self._effect()}".strip()
        parts = [self._told(), weights, groups, self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if self.by is None:
            parts = [
                _("{answer}: {share} ({low} to {high})").format(
                    answer=row.answer,
                    share=percent(row.share),
                    low=percent(row.low),
                    high=percent(row.high),
                )
                for row in self.distribution.itertuples()
            ]
            return _("Bars of the share of each answer. {parts}.").format(parts=_("; ").join(parts))
        parts = [self._with_interval(row) for _index, row in self._drawn().iterrows()]
        return _("Points with intervals: {score}. {groups}.").format(
            score=self._scored(), groups=_("; ").join(parts)
        )

    def _of_all(self) -> str:
        """The title where there are no groups."""
        raise NotImplementedError

    def _apart(self) -> str:
        """The title where there are, with places for the highest and the lowest."""
        raise NotImplementedError

    def _told(self) -> str:
        """What the answers say, all together."""
        raise NotImplementedError

    def _question(self) -> str:
        raise NotImplementedError

    def _scored(self) -> str:
        """What the score is called on an axis."""
        raise NotImplementedError

    def _colour(self, answer: int) -> str:
        raise NotImplementedError

    def _written(self, value: float) -> str:
        raise NotImplementedError

    def _drawn(self) -> pd.DataFrame:
        if len(self.table) <= DRAWN:
            return self.table
        return pd.concat([self.table.head(DRAWN // 2), self.table.tail(DRAWN // 2)])

    def _name(self, value: Any) -> str:
        return group_name(str(self.by), value)

    def _with_interval(self, row: pd.Series) -> str:
        return _("{group} {score} ({low} to {high})").format(
            group=self._name(row[self.by]),
            score=self._written(row[self.score]),
            low=self._written(row["low"]),
            high=self._written(row["high"]),
        )

    def _extremes(self) -> tuple[pd.Series, pd.Series]:
        """The highest and the lowest group."""
        order = self.table[self.score].sort_values(kind="stable").index
        return self.table.loc[order[-1]], self.table.loc[order[0]]

    def _groups(self) -> str:
        if len(self.table) < 2:
            return _("There is only one group: {group}.").format(
                group=self._with_interval(self.table.iloc[0])
            )
        highest, lowest = self._extremes()
        found = _(
            "Of {groups} groups the highest is {highest}, the lowest {lowest}. Whether groups "
            "differ by more than chance, score_differences tells; two intervals may overlap and "
            "the groups still differ."
        ).format(
            groups=number(len(self.table)),
            highest=self._with_interval(highest),
            lowest=self._with_interval(lowest),
        )
        return f"{found} {self._small()}".strip()

    def _small(self) -> str:
        small = self.table[self.table["answers"] < SMALL]
        if small.empty:
            return ""
        return _("Fewer than {least} answers, so little can be told: {groups}.").format(
            least=number(SMALL), groups=_(", ").join(self._name(value) for value in small[self.by])
        )

    def _effect(self) -> str:
        effect = self.whole["design_effect"]
        if not np.isfinite(effect):
            return ""
        if effect < 1:
            return _(
                "The design effect is {effect}: weights and customers who answered more than once "
                "cost no precision that could be seen."
            ).format(effect=number(effect, 2))
        return _(
            "The design effect is {effect}: these answers tell about as much as {count} "
            "independent answers of equal weight."
        ).format(effect=number(effect, 2), count=number(self.whole["answers"] / effect))

    def _left_out(self) -> str:
        return questionnaires_left_out(self._exclusions(), self.asked.part)

    def _exclusions(self) -> tuple[Exclusion, ...]:
        return exclusions_of(self.asked, self.question, int(self.whole["answers"]))

    def _weighting(self) -> str:
        return weighting_said(self.asked, self.weighted)


@dataclass(frozen=True, repr=False)
class Csat(Scores):
    """Result of `csat`."""

    measure = "satisfaction.csat"
    question = "overall"
    score = "mean"

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def _of_all(self) -> str:
        return _("{share} answer {top}; the mean is {mean} on the scale {scale}").format(
            share=percent(self.whole["satisfied_share"]),
            top=_top(),
            mean=self._written(self.whole["mean"]),
            scale=_scale("overall"),
        )

    def _apart(self) -> str:
        return _("Mean satisfaction from {low} ({lowest}) to {high} ({highest})")

    def _told(self) -> str:
        whole = self.whole
        return _(
            "{answers} questionnaires of {customers} customers say how satisfied they are. The "
            "mean is {mean} ({low} to {high}) on the scale {scale}; {share} ({share_low} to "
            "{share_high}) answer {top}, {period}. {intervals}"
        ).format(
            answers=number(whole["answers"]),
            customers=number(whole["customers"]),
            mean=self._written(whole["mean"]),
            low=self._written(whole["low"]),
            high=self._written(whole["high"]),
            scale=_scale("overall"),
            share=percent(whole["satisfied_share"]),
            share_low=percent(whole["satisfied_low"]),
            share_high=percent(whole["satisfied_high"]),
            top=_top(),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _question(self) -> str:
        return _("Overall satisfaction, {scale}").format(scale=_scale("overall"))

    def _scored(self) -> str:
        return _("Mean satisfaction")

    def _colour(self, answer: int) -> str:
        return charts.BLUE if answer >= SATISFIED else charts.GREY

    def _written(self, value: float) -> str:
        return number(value, 2) if np.isfinite(value) else "–"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Sum of the answers on overall satisfaction; answers of {top}").format(
                top=_top()
            ),
            denominator=_("Questionnaires that answer the question on overall satisfaction"),
            period=self.context.period(),
            method=_(
                "Scale {scale}. {weighting} The mean with a {confidence} t interval, the share "
                "with a Wilson interval on the effective number of answers; the answers of one "
                "customer are a cluster."
            ).format(
                scale=_scale("overall"),
                weighting=self._weighting(),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


def _top() -> str:
    return _("{next} or {highest}").format(
        next=number(SATISFIED), highest=number(scale_of("overall")[1])
    )


def _scale(question: str) -> str:
    low, high = scale_of(question)
    return _("{low} to {high}").format(low=number(low), high=number(high))


@measure(needs={"surveys": ["overall"]})
def csat(
    crm: Workspace,
    *,
    by: str | None = None,
    weighted: bool = True,
    modes: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Csat:
    """How satisfied customers are (满意度得分): the mean, and the share of the two highest answers.

    Parameters
    ----------
    crm : Workspace
        With surveys: overall.
    by : str, optional
        Groups: a column of surveys (``"wave"``, ``"mode"`` …), of the customer (``"tier"``,
        ``"customer_region"`` …), of the order asked about (``"on_time"``, ``"region"`` …), or
        ``"month"``.
    weighted : bool
        Whether answers count with their design weights, if there are any.
    modes : sequence of str, optional
        Modes of asking that count; by default all but the call centre.
    confidence : float

    Returns
    -------
    Csat
        `.table` has a row per group, highest mean first (months and waves in their order): the
        column of `by`, customers, answers, mean (of the answers 1 to 5), low, high,
        satisfied_share (of the answers 4 or 5), satisfied_low, satisfied_high, design_effect (of
        the mean). `.distribution` has the share of each answer.

    Raises
    ------
    MissingColumns
        If overall satisfaction is not there.
    UnknownName
        If there is no such column to group by.
    NotEnoughData
        If nobody answered the question.

    Notes
    -----
    The mean is Σwy/Σw with a linearised variance over customers; the share has a Wilson interval on
    its effective number of answers (`crmlab.stats.weighted`). Questionnaires that leave the
    question out are counted, not guessed. The interval of the mean ends where the scale does; a
    group of one customer, or whose answers are all alike, has none.

    References
    ----------
    Lumley, T. (2010), Complex Surveys, chapter 2. Korn, E. L. and Graubard, B. I. (1998), Survey
    Methodology 24, 193-201.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": ["1", "2", "3", "4"], "overall": [3, 4, 5, 4]})
    >>> csat(from_frames({"surveys": surveys})).table[["mean", "satisfied_share"]]
       mean  satisfied_share
    0   4.0             0.75
    """
    answers = answers_to(crm, "overall", weighted=weighted, modes=modes)

    def row(answers: Answers, within: Flags) -> dict[str, Any]:
        return counts_of(answers, within) | _figures(answers, within, confidence)

    table, whole = by_group(crm, answers, by, row, "mean")
    shares = distribution(answers, *scale_of("overall"), confidence)
    return Csat(table, Context.of(crm), by, whole, shares, answers.asked, weighted, confidence)


def _figures(answers: Answers, within: Flags, confidence: float) -> dict[str, float]:
    values, weights, customers = (
        part[within] for part in (answers.values, answers.weights, answers.clusters)
    )
    middle = survey.mean(values, weights=weights, clusters=customers, confidence=confidence)
    satisfied = survey.share(
        values >= SATISFIED, weights=weights, clusters=customers, confidence=confidence
    )
    # The t interval of few answers may go beyond the scale; of answers that are all alike it would
    # have no width, as if nobody could have answered otherwise.
    known = np.ptp(values) > 0
    low, high = np.clip([middle.low, middle.high], *scale_of("overall")) if known else [np.nan] * 2
    return {
        "mean": middle.value,
        "low": float(low),
        "high": float(high),
        "satisfied_share": satisfied.value,
        "satisfied_low": satisfied.low,
        "satisfied_high": satisfied.high,
        "design_effect": middle.effect,
    }
