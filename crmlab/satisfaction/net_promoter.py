"""The Net Promoter Score (净推荐值): promoters less detractors, in points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.language import _, number, percent
from crmlab.satisfaction.answers import (
    Answers,
    Flags,
    answers_to,
    by_group,
    counts_of,
    distribution,
    effective_number,
    scale_of,
)
from crmlab.satisfaction.scores import Scores
from crmlab.show import charts
from crmlab.show.result import Context, Definition, intervals_in_brackets, measure
from crmlab.stats import weighted as survey
from crmlab.stats.clustered import Estimate
from crmlab.stats.intervals import Interval, check_confidence

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: Answers from here on are promoters, and up to here detractors (Reichheld 2003).
PROMOTERS, DETRACTORS = 9, 6
#: Answers added before the interval of a Net Promoter Score is taken: promoters, passives,
#: detractors (Rocks 2016).
ADDED = (0.75, 1.5, 0.75)


# --- plain functions


def nps_of(scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Net Promoter Score (净推荐值): percentage of promoters less percentage of detractors.

    Parameters
    ----------
    scores : array_like of float, shape (answers,)
        Answers from 0 to 10; one that is missing does not count.
    weights : array_like of float, shape (answers,), optional

    Returns
    -------
    float
        In points, from −100 to 100; NaN where nobody answered.

    Notes
    -----
    Promoters answer 9 or 10, detractors 0 to 6.

    References
    ----------
    Reichheld, F. F. (2003), Harvard Business Review 81(12), 46-54.

    Examples
    --------
    >>> nps_of([10, 9, 8, 3])
    25.0
    >>> nps_of([10, 9, 8, 3], weights=[1, 1, 1, 3])
    -16.666666666666668
    """
    signs = signs_of(scores)
    weight = np.ones(signs.shape) if weights is None else np.asarray(weights, float)
    counts = np.isfinite(signs) & (weight > 0)
    if not counts.any():
        return np.nan
    return float(100 * np.sum(weight[counts] * signs[counts]) / weight[counts].sum())


def nps_error(scores: ArrayLike) -> float:
    """Standard error of the Net Promoter Score of independent answers.

    Parameters
    ----------
    scores : array_like of float, shape (answers,)
        Answers from 0 to 10; one that is missing does not count.

    Returns
    -------
    float
        In points; NaN where nobody answered.

    Notes
    -----
    With the shares p of promoters and d of detractors, 100 √((p + d − (p − d)²)/n). It is 0 where
    all are promoters or all detractors, which is why `nps_interval` is built otherwise.

    References
    ----------
    Rocks, B. (2016), The American Statistician 70, 365-372.

    Examples
    --------
    >>> round(nps_error([1, 8, 8, 10, 5, 9]), 3)
    33.333
    """
    signs = signs_of(scores)
    signs = signs[np.isfinite(signs)]
    if not len(signs):
        return np.nan
    return float(100 * np.sqrt(signs.var() / len(signs)))


def nps_interval(
    promoters: float, passives: float, detractors: float, *, confidence: float = 0.95
) -> Interval:
    """Adjusted Wald interval of a Net Promoter Score, from counts.

    Parameters
    ----------
    promoters, passives, detractors : float
        Counts, or effective counts: counts divided by a design effect.
    confidence : float

    Returns
    -------
    Interval
        In points, within −100 and 100, never without the score itself; NaN where nobody answered.

    Raises
    ------
    CrmlabError
        If `confidence` is not between 0 and 1.

    Notes
    -----
    Three answers are added, ¾ of them promoters, 1½ passives, ¾ detractors; then
    s ± z √((p + d − s²)/n) with s = p − d. It holds its level for few answers and where all agree,
    and for many it is the usual interval.

    References
    ----------
    Rocks, B. (2016), The American Statistician 70, 365-372. Agresti, A. and Min, Y. (2005),
    Statistics in Medicine 24, 729-740, on the answers added.

    Examples
    --------
    >>> [round(float(end), 2) for end in nps_interval(2, 2, 2)]
    [-51.07, 51.07]
    >>> [round(float(end), 2) for end in nps_interval(10, 0, 0)]
    [47.5, 100.0]
    """
    from scipy.stats import norm

    check_confidence(confidence)
    counts = np.array([promoters, passives, detractors], float)
    if not counts.sum() > 0:
        return Interval(np.float64(np.nan), np.float64(np.nan))  # type: ignore[arg-type]
    raw = (counts[0] - counts[2]) / counts.sum()
    size = counts.sum() + sum(ADDED)
    up, _level, down = (counts + ADDED) / size
    middle = up - down
    reach = norm.ppf((1 + confidence) / 2) * np.sqrt((up + down - middle**2) / size)
    low, high = min(raw, middle - reach), max(raw, middle + reach)
    return Interval(100 * np.maximum(low, -1.0), 100 * np.minimum(high, 1.0))


def signs_of(scores: ArrayLike) -> Array:
    """1 for a promoter, −1 for a detractor, 0 for the others; NaN for a missing answer."""
    answers = np.asarray(scores, float)
    signs = (answers >= PROMOTERS).astype(float) - (answers <= DETRACTORS).astype(float)
    return np.where(np.isfinite(answers), signs, np.nan)


# --- recommendation


@dataclass(frozen=True, repr=False)
class Nps(Scores):
    """Result of `nps`."""

    measure = "satisfaction.nps"
    question = "recommend"
    score = "nps"

    def formats(self) -> Mapping[str, str]:
        return {"low": "number1", "high": "number1"}

    def _of_all(self) -> str:
        return _(
            "{promoters} promoters less {detractors} detractors: a Net Promoter Score of {nps}"
        ).format(
            promoters=percent(self.whole["promoters"]),
            detractors=percent(self.whole["detractors"]),
            nps=self._written(self.whole["nps"]),
        )

    def _apart(self) -> str:
        return _("Net Promoter Score from {low} ({lowest}) to {high} ({highest})")

    def _told(self) -> str:
        whole = self.whole
        first = _(
            "{answers} questionnaires of {customers} customers say how likely they are to "
            "recommend the company, {period}: {promoters} promoters (9 or 10), {passives} passives "
            "(7 or 8), {detractors} detractors (0 to 6). The Net Promoter Score is {nps} points "
            "({low} to {high}). {intervals}"
        ).format(
            answers=number(whole["answers"]),
            customers=number(whole["customers"]),
            period=self.context.period(),
            promoters=percent(whole["promoters"]),
            passives=percent(whole["passives"]),
            detractors=percent(whole["detractors"]),
            nps=self._written(whole["nps"]),
            low=self._written(whole["low"]),
            high=self._written(whole["high"]),
            intervals=intervals_in_brackets(self.confidence),
        )
        return f"{first} {self._sign()}"

    def _sign(self) -> str:
        if self.whole["low"] > 0:
            return _("There are more promoters than detractors.")
        if self.whole["high"] < 0:
            return _("There are more detractors than promoters.")
        return _("Whether there are more promoters or more detractors cannot be told.")

    def _question(self) -> str:
        return _("How likely to recommend: 0–6 detractors, 7–8 passives, 9–10 promoters")

    def _scored(self) -> str:
        return _("Net Promoter Score")

    def _colour(self, answer: int) -> str:
        if answer >= PROMOTERS:
            return charts.BLUE
        return charts.ORANGE if answer <= DETRACTORS else charts.GREY

    def _written(self, value: float) -> str:
        return number(value, 1) if np.isfinite(value) else "–"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Promoters (9 or 10) less detractors (0 to 6), times 100"),
            denominator=_("Questionnaires that answer the question on recommendation"),
            period=self.context.period(),
            method=_(
                "{weighting} {confidence} adjusted Wald interval (Rocks 2016: three answers are "
                "added) on the effective number of answers; the answers of one customer are a "
                "cluster."
            ).format(weighting=self._weighting(), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs={"surveys": ["recommend"]})
def nps(
    crm: Workspace,
    *,
    by: str | None = None,
    weighted: bool = True,
    modes: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Nps:
    """Net Promoter Score (净推荐值): how many more would recommend the company than warn of it.

    Parameters
    ----------
    crm : Workspace
        With surveys: recommend.
    by, weighted, modes, confidence
        As in `csat`.

    Returns
    -------
    Nps
        `.table` has a row per group, highest score first (months and waves in their order): the
        column of `by`, customers, answers, promoters, passives, detractors (shares), nps, low,
        high (points from −100 to 100), design_effect. `.distribution` has the share of each
        answer.

    Raises
    ------
    MissingColumns
        If recommendation is not there.
    UnknownName
        If there is no such column to group by.
    NotEnoughData
        If nobody answered the question.

    Notes
    -----
    The interval is that of `nps_interval` on the effective number of answers (`effective_number`):
    their number divided by the design effect of the score, and less where customers are few. Where
    all answers are alike the effect cannot be seen; then it is Kish's (Σw)²/Σw² over customers.

    References
    ----------
    Reichheld, F. F. (2003), Harvard Business Review 81(12), 46-54. Rocks, B. (2016), The American
    Statistician 70, 365-372. Kish, L. (1965), Survey Sampling, section 11.7.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": list("abcdef"), "recommend": [1, 8, 8, 10, 5, 9]})
    >>> nps(from_frames({"surveys": surveys})).table[["nps", "low", "high"]].round(2)
       nps    low   high
    0  0.0 -51.07  51.07
    """
    answers = answers_to(crm, "recommend", weighted=weighted, modes=modes)

    def row(answers: Answers, within: Flags) -> dict[str, Any]:
        signs, weights = signs_of(answers.values[within]), answers.weights[within]
        shares = [float(np.average(signs == sign, weights=weights)) for sign in (1, 0, -1)]
        found = _nps_estimate(signs, weights, answers.clusters[within], confidence)
        return {
            **counts_of(answers, within),
            **dict(zip(("promoters", "passives", "detractors"), shares, strict=True)),
            "nps": found.value,
            "low": found.low,
            "high": found.high,
            "design_effect": found.effect,
        }

    table, whole = by_group(crm, answers, by, row, "nps")
    shares = distribution(answers, *scale_of("recommend"), confidence)
    return Nps(table, Context.of(crm), by, whole, shares, answers.asked, weighted, confidence)


def _nps_estimate(
    signs: Array, weights: Array, customers: NDArray[np.intp], confidence: float
) -> Estimate:
    found = survey.mean(signs, weights=weights, clusters=customers)
    count = effective_number(len(signs), found.effect, weights, customers)
    shares = [np.average(signs == sign, weights=weights) for sign in (1, 0, -1)]
    low, high = nps_interval(*(count * share for share in shares), confidence=confidence)
    return Estimate(100 * found.value, float(low), float(high), len(signs) / count)
