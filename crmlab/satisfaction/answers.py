"""The answers to one question of the questionnaire, by groups, and what counts of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.data import model
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    excluded,
    grouped_by,
    responses,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Exclusion
from crmlab.stats import weighted as survey
from crmlab.stats.weighting import effective_size

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Groups that stand in the order of time.
IN_TIME = ("month", "wave")
#: Columns whose codes are those of another column.
SAME_CODES = {"stratum": "tier", "customer_region": "region"}


class Answers(NamedTuple):
    """The answers to one question.

    Attributes
    ----------
    frame : pandas.DataFrame
        The questionnaires that answer it, as in `Responses`.
    values, weights : numpy.ndarray
        The answers, and what each counts.
    clusters : numpy.ndarray
        Number of the customer.
    asked : Responses
        All questionnaires of the chosen modes.
    """

    frame: pd.DataFrame
    values: Array
    weights: Array
    clusters: NDArray[np.intp]
    asked: Responses


def answers_to(
    crm: Workspace, question: str, *, weighted: bool = True, modes: Sequence[str] | None = None
) -> Answers:
    """The answers to a question of the questionnaire.

    Parameters
    ----------
    crm : Workspace
    question : str
        A column of surveys, such as ``"overall"`` or ``"recommend"``.
    weighted : bool
        Whether an answer counts with its design weight. Without, each counts once, those without a
        weight too.
    modes : sequence of str, optional
        As in `responses`.

    Returns
    -------
    Answers

    Raises
    ------
    NotEnoughData
        If nobody answered it.
    """
    asked = responses(crm, modes=modes, weighted=weighted)
    counts = asked.frame[question].notna() & (asked.frame["weight"] > 0)
    frame = asked.frame[counts].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(
            _("No questionnaire answers the question {question}.").format(
                question=shown(question).label
            )
        )
    values, weights = frame[question].to_numpy(float), frame["weight"].to_numpy(float)
    kept = replace(asked, frame=asked.frame[["response_id", question]])
    return Answers(frame, values, weights, clusters(frame), kept)


def group_name(by: str, value: Any) -> str:
    """A group's name in the current language.

    Parameters
    ----------
    by : str
        As in `grouped_by`.
    value : object

    Examples
    --------
    >>> group_name("stratum", "key"), group_name("on_time", False)
    ('Key', 'late')
    """
    if pd.isna(value):
        return _("not given")
    if by == "on_time":
        return _("on time") if value else _("late")
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m}" if by == "month" else day(value)
    if isinstance(value, bool | np.bool_):
        return _("yes") if value else _("no")
    return shown(SAME_CODES.get(by, by)).values.get(str(value), str(value))


def group_colours(by: str, values: Iterable[Any]) -> list[str]:
    """The colour of each group: that of its tier, else the same for all.

    Examples
    --------
    >>> group_colours("region", ["East", "South"])
    ['#0072b2', '#0072b2']
    """
    layers = charts.LAYER_COLOURS if SAME_CODES.get(by, by) == "tier" else {}
    return [layers.get(str(value), charts.BLUE) for value in values]


def groups_of(crm: Workspace, frame: pd.DataFrame, by: str) -> list[tuple[Any, Flags]]:
    """The groups of questionnaires, each with which rows belong to it; what is not known is last.

    Parameters
    ----------
    crm : Workspace
    frame : pandas.DataFrame
        As in `Responses`.
    by : str
        As in `grouped_by`.
    """
    codes, values = pd.factorize(grouped_by(crm, frame, by), sort=True)
    found: list[tuple[Any, Flags]] = [(value, codes == code) for code, value in enumerate(values)]
    if (codes < 0).any():
        found.append((None, codes < 0))
    return found


def by_group(
    crm: Workspace,
    answers: Answers,
    by: str | None,
    row: Callable[[Answers, Flags], dict[str, Any]],
    score: str,
) -> tuple[pd.DataFrame, pd.Series]:
    """The figures of each group, and of all together.

    Parameters
    ----------
    crm : Workspace
    answers : Answers
    by : str or None
        As in `grouped_by`.
    row : callable
        Takes the answers and which of them belong to the group; returns its figures.
    score : str
        The figure the groups are sorted by, the highest first; months and waves stand in their
        order.

    Returns
    -------
    pandas.DataFrame, pandas.Series
    """
    everybody = np.ones(len(answers.values), bool)
    figures = row(answers, everybody)
    whole = pd.Series(figures)
    if by is None:
        return pd.DataFrame([figures]), whole
    rows = [
        {by: value} | row(answers, within) for value, within in groups_of(crm, answers.frame, by)
    ]
    table = pd.DataFrame(rows)
    if by not in IN_TIME:
        table = table.sort_values(score, ascending=False, kind="stable", ignore_index=True)
    return table, whole


def counts_of(answers: Answers, within: Flags) -> dict[str, int]:
    """Number of customers and of answers of a group."""
    customers = len(np.unique(answers.clusters[within]))
    return {"customers": customers, "answers": int(within.sum())}


def distribution(answers: Answers, low: int, high: int, confidence: float) -> pd.DataFrame:
    """Share of each answer from `low` to `high`: answer, answers, share, low, high."""
    rows = []
    for answer in range(low, high + 1):
        chosen = answers.values == answer
        found = survey.share(
            chosen, weights=answers.weights, clusters=answers.clusters, confidence=confidence
        )
        rows.append((answer, int(chosen.sum()), found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["answer", "answers", "share", "low", "high"])


def scale_of(question: str) -> tuple[int, int]:
    """Lowest and highest answer that a question of the questionnaire allows.

    Examples
    --------
    >>> scale_of("overall"), scale_of("recommend")
    ((1, 5), (0, 10))
    """
    column = model.table("surveys").column(question)
    if column.minimum is None or column.maximum is None:
        raise CrmlabError(
            _("The question {question} has no scale.").format(question=column.shown())
        )
    return int(column.minimum), int(column.maximum)


def effective_number(
    answers: int, effect: float, weights: ArrayLike, customers: ArrayLike
) -> float:
    """How many independent answers of equal weight tell as much; no more than there are.

    Parameters
    ----------
    answers : int
    effect : float
        Design effect; NaN or 0 where it cannot be seen because all answers are alike.
    weights, customers : array_like, shape (answers,)

    Notes
    -----
    The number of answers over the design effect, or Kish's (Σw)²/Σw² over the customers where the
    effect cannot be seen. Of few customers the effect is not well known either: the number is
    multiplied by the squared ratio of the t quantiles with the answers less one and the customers
    less one degrees of freedom.

    References
    ----------
    Korn, E. L. and Graubard, B. I. (1998), Survey Methodology 24, 193-201.

    Examples
    --------
    >>> effective_number(4, 2.0, [1, 1, 1, 1], [0, 1, 2, 3])
    2.0
    >>> effective_number(4, np.nan, [1, 1, 1, 1], [0, 0, 1, 1])
    2.0
    >>> round(effective_number(40, 2.0, [1] * 40, [0, 1, 2, 3, 4] * 8), 2)
    10.61
    """
    from scipy.stats import t

    number_of = np.unique(np.asarray(customers), return_inverse=True)[1]
    weight = np.bincount(number_of, np.asarray(weights, float))
    if not (np.isfinite(effect) and effect > 0):
        return effective_size(weight)
    known = t.ppf(0.975, answers - 1) / t.ppf(0.975, len(weight) - 1)
    return float(min(answers, answers / effect) * known**2)


def exclusions_of(asked: Responses, question: str, answers: int) -> tuple[Exclusion, ...]:
    """What was left out of the answers to a question, each with its count.

    Parameters
    ----------
    asked : Responses
        As in `Answers`.
    question : str
    answers : int
        Number of answers that count.
    """
    silent = int(asked.frame[question].isna().sum())
    found = {
        _("answered, but not this question"): silent,
        _("answered, but of weight 0"): len(asked.frame) - silent - answers,
    }
    return (*asked.exclusions(), *excluded(found))


def weighting_said(asked: Responses, weighted: bool) -> str:
    """What an answer counts, in a sentence."""
    if weighted and asked.weighted:
        return _("Each answer counts with its design weight.")
    return _("Each answer counts once.")
