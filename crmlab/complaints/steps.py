"""The stages a complaint goes through, and how long each case was in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crmlab.complaints.durations import HOUR, hours_between
from crmlab.complaints.times import later_known
from crmlab.language import _, current_language, number
from crmlab.stats.clustered import Estimate
from crmlab.stats.survival import influence, kaplan_meier, quantile

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Each stage and the column in which its end stands; it begins where the one before ended.
ENDS = {
    "first_answer": "first_response_at",
    "accept": "accepted_at",
    "investigate": "investigated_at",
    "negotiate": "negotiated_at",
    "resolve": "resolved_at",
    "follow_up": "followed_up_at",
}
#: The stage after the resolution, which is no part of the time to it.
AFTERWARDS = "follow_up"
CONFIDENCE = 0.95


class Step(NamedTuple):
    """A stage and the columns of its two ends."""

    stage: str
    start: str
    end: str


def recorded_steps(crm: Workspace) -> list[Step]:
    """The stages whose end is recorded; one begins where the recorded one before it ended.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1"], "opened_at": ["2025-03-01 09:00"],
    ...     "first_response_at": ["2025-03-01 10:00"], "resolved_at": ["2025-03-02 10:00"]})
    >>> [step.stage for step in recorded_steps(from_frames({"complaints": complaints}))]
    ['first_answer', 'resolve']
    """
    steps, start = [], "opened_at"
    for stage, end in ENDS.items():
        if crm.has("complaints", end):
            steps.append(Step(stage, start, end))
            start = end
    return steps


def spans(frame: pd.DataFrame, steps: list[Step], now: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """How long each case was in each stage.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per case, as `cases` gives it.
    steps : list of Step
    now : pandas.Timestamp
        Until when cases were watched.

    Returns
    -------
    dict of str to pandas.DataFrame
        Per stage a row per case: hours (until `now` where the case is in the stage still; NaN
        where it was never in it, or its time is not known), ended, still_open, whole_days,
        impossible (the end lies before the start) and untimed (one of its two ends, or both, not
        written down though it is over).
    """
    found = {}
    for stage, start, end in steps:
        later = later_known(frame, end.removesuffix("_at"))
        begun, ended = frame[start].notna(), frame[end].notna()
        span = hours_between(frame[start], frame[end])
        waits = begun & ~ended & ~later & (frame[start] <= now)
        untimed = (~ended & later) | (~begun & ended)
        hours = span["hours"].where(~waits, (now - frame[start]) / HOUR)
        found[stage] = span.assign(
            hours=hours, ended=hours.notna() & ended, still_open=waits, untimed=untimed
        )
    return found


def end_of(crm: Workspace) -> pd.Timestamp:
    """The end of the last day that counts."""
    return pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)


def waiting_times(
    hours: ArrayLike, ended: ArrayLike, clusters: ArrayLike
) -> tuple[Estimate, float]:
    """The median of a stage with its interval, and the time within which nine in ten are over.

    Parameters
    ----------
    hours : array_like of float
        Known for all.
    ended : array_like of bool
        Whether it is over; the others have taken at least so long.
    clusters : array_like
        Such as the customer.

    Returns
    -------
    tuple of Estimate and float
        The effect is the design effect of the clusters at the median. NaN for what is not reached.

    Notes
    -----
    Kaplan and Meier's curve; its interval is widened by the square root of the design effect, the
    variance over clusters over Greenwood's, before the median's interval is read off it.

    Examples
    --------
    >>> median, late = waiting_times([1, 2, 3, 4, 9], [1, 1, 1, 1, 0], [1, 2, 3, 4, 5])
    >>> median.value, late
    (3.0, nan)
    """
    from scipy.stats import norm

    if not len(np.asarray(hours)):
        return Estimate(np.nan, np.nan, np.nan, np.nan), np.nan
    curve = kaplan_meier(hours, ended)
    late = quantile(curve, 0.9).value
    found = quantile(curve)
    if np.isnan(found.value):
        return found, late
    added = influence(hours, ended, found.value)
    alone = float(np.sum(added**2))
    place = np.unique(np.asarray(clusters), return_inverse=True)[1]
    together = float(np.sum(np.bincount(place, added) ** 2))
    effect = max(1.0, together / alone) if alone > 0 else 1.0
    if effect == 1:
        return found._replace(effect=effect), late
    wider = 2 * float(norm.cdf(norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(effect))) - 1
    found = quantile(kaplan_meier(hours, ended, confidence=min(wider, 1 - 1e-12)))
    return found._replace(effect=effect), late


# --- the words


def stage_names() -> dict[str, str]:
    """What each stage is called in the current language."""
    return {
        "first_answer": _("First answer"),
        "accept": _("Acceptance"),
        "investigate": _("Investigation"),
        "negotiate": _("Negotiation"),
        "resolve": _("Resolution"),
        "follow_up": _("Follow-up"),
        "reopen": _("Reopening"),
    }


def stage_name(stage: str) -> str:
    """What a stage is called; a code that is not of the model stands as it is."""
    return stage_names().get(stage, stage)


def within_sentence(stage: str) -> str:
    """A stage in the middle of a sentence: small in English.

    Examples
    --------
    >>> within_sentence("investigate")
    'investigation'
    """
    name = stage_name(stage)
    return name.lower() if current_language() == "en" else name


def hours_words(hours: float) -> str:
    """Hours as a reader wants them: in minutes where they are few.

    Examples
    --------
    >>> hours_words(0.2), hours_words(36.04), hours_words(250.2), hours_words(float("nan"))
    ('12 min', '36.0 h', '250 h', 'not known')
    """
    if np.isnan(hours):
        return _("not known")
    if abs(hours) < 1:
        return _("{minutes} min").format(minutes=_bare(hours))
    return _("{hours} h").format(hours=_bare(hours))


def _bare(hours: float) -> str:
    """The number of `hours_words` without its unit."""
    if abs(hours) < 1:
        return number(hours * 60)
    return number(hours, 0 if abs(hours) >= 100 else 1)


def promise_words(hours: float) -> str:
    """A promised time, without a decimal that says nothing.

    Examples
    --------
    >>> promise_words(4.0), promise_words(1.5), promise_words(0.5)
    ('4 h', '1.5 h', '30 min')
    """
    if hours == int(hours):
        return _("{hours} h").format(hours=number(hours))
    return hours_words(hours)


def median_words(row: pd.Series) -> str:
    """A median with its interval, from the columns median, median_low and median_high.

    The unit is said once where the interval has the same.

    Examples
    --------
    >>> median_words(pd.Series({"median": 3.8, "median_low": 3.6, "median_high": 4.0}))
    '3.8 h (3.6 to 4.0)'
    >>> median_words(pd.Series({"median": 1.1, "median_low": 0.9, "median_high": 1.3}))
    '1.1 h (54 min to 1.3 h)'
    """
    if np.isnan(row["median"]):
        return _("not reached by half of them")
    if not np.isfinite([row["median_low"], row["median_high"]]).all():
        return hours_words(row["median"])
    low, high = row["median_low"], row["median_high"]
    said = _bare if (low < 1) == (high < 1) else hours_words
    return _("{value} ({low} to {high})").format(
        value=hours_words(row["median"]), low=said(low), high=said(high)
    )
