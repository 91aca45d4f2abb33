"""Time to an event: curves and the comparison of groups, for any chapter that waits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number
from crmlab.stats.clustered import Estimate
from crmlab.stats.intervals import check_confidence

Array = NDArray[np.float64]


class Seen(NamedTuple):
    """Checked input: from when to when each is watched, how it ended, for how many it stands."""

    time: Array
    event: NDArray[np.bool_]
    entry: Array
    weight: Array


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The share to whom nothing has happened yet, by time.

    Parameters
    ----------
    time : array_like of float
        Time from the origin to the event, or to the last moment of watching.
    event : array_like of bool
        Whether it ended with the event; the others are censored.
    entry : array_like of float, optional
        Time from the origin to the first moment of watching; 0 by default. Whoever enters at t is
        at risk after t only (left truncation).
    weights : array_like of float, optional
        For how many equal cases each row stands; 1 by default.
    confidence : float

    Returns
    -------
    pandas.DataFrame
        A row per distinct time: time, at_risk (just before), events, censored, survival, low, high.

    Raises
    ------
    CrmlabError
        If a value is missing or negative, the lengths differ, or somebody enters after the end.
    NotEnoughData
        If nobody is watched for any time.

    Notes
    -----
    S(t) = ∏ (1 − dᵤ/nᵤ) over event times u ≤ t; Greenwood's variance S² Σ d/(n(n − d)); the
    interval is symmetric on the scale log(−log S), so it stays between 0 and 1. Where nothing has
    happened yet that scale has no interval: there the lower end is (α/2)^(1/n), Clopper and
    Pearson's of n of n at risk. Where S is 0 the upper end is the last one before.

    Rows without time at risk (entry = time, after 0) are left out. With late entry the first risk
    sets can be small; an event among them pulls down all of the curve, as its interval says.
    statsmodels' `SurvfuncRight` gives the same curve, but with weights the error of the cumulated
    hazard in place of Greenwood's, and no times without an event.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53,
    457-481. Kalbfleisch, J. D. and Prentice, R. L. (2002), The Statistical Analysis of Failure
    Time Data, section 1.4.

    Examples
    --------
    >>> kaplan_meier([2, 3, 3, 5], [1, 1, 0, 1])[["time", "at_risk", "events", "survival"]]
       time  at_risk  events  survival
    0   2.0      4.0     1.0      0.75
    1   3.0      3.0     1.0      0.50
    2   5.0      1.0     1.0      0.00
    """
    check_confidence(confidence)
    seen = checked(time, event, entry, weights)
    times, place = np.unique(seen.time, return_inverse=True)
    ended = np.bincount(place, seen.weight, len(times))
    events = np.bincount(place, seen.weight * seen.event, len(times)).astype(float)
    at_risk = weight_at_risk(seen, times)
    survival = np.asarray(np.cumprod(1 - events / at_risk), dtype=float)
    survival[survival < 1e-12] = 0.0
    low, high = log_log_ends(survival, _greenwood(at_risk, events), at_risk, confidence)
    return pd.DataFrame(
        {
            "time": times,
            "at_risk": at_risk,
            "events": events,
            "censored": ended - events,
            "survival": survival,
            "low": low,
            "high": high,
        }
    )


def at_risk_table(
    at: ArrayLike, time: ArrayLike, *, entry: ArrayLike | None = None
) -> pd.DataFrame:
    """How many are at risk at given times; to be put below a curve.

    Returns
    -------
    pandas.DataFrame
        time, at_risk: those who have entered before and not ended before.

    Examples
    --------
    >>> at_risk_table([0, 2, 4], [2, 3, 5], entry=[0, 0, 2])["at_risk"].tolist()
    [2.0, 2.0, 1.0]
    """
    times = np.atleast_1d(np.asarray(at, dtype=float))
    seen = checked(time, np.zeros(np.shape(time), dtype=bool), entry, None)
    return pd.DataFrame({"time": times, "at_risk": weight_at_risk(seen, times)})


def survival_at(curve: pd.DataFrame, at: ArrayLike) -> pd.DataFrame:
    """A curve's value at given times.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from `kaplan_meier`.
    at : array_like of float

    Returns
    -------
    pandas.DataFrame
        time, survival, low, high; NaN after the last time of the curve, unless it has reached 0,
        and for the interval before its first.

    Examples
    --------
    >>> survival_at(kaplan_meier([2, 3, 5], [1, 0, 0]), [2, 4, 6])["survival"].round(3).tolist()
    [0.667, 0.667, nan]
    """
    times = np.atleast_1d(np.asarray(at, dtype=float))
    place = np.searchsorted(curve["time"].to_numpy(), times, side="right") - 1
    found = curve[["survival", "low", "high"]].to_numpy()[np.maximum(place, 0)]
    found[place < 0] = [1.0, np.nan, np.nan]
    found[(times > curve["time"].iloc[-1]) & (curve["survival"].iloc[-1] > 0)] = np.nan
    columns = dict(zip(("survival", "low", "high"), found.T, strict=True))
    return pd.DataFrame({"time": times, **columns})


def quantile(curve: pd.DataFrame, share: float = 0.5) -> Estimate:
    """The time by which the event has happened to a share; the median by default.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from `kaplan_meier`.
    share : float

    Returns
    -------
    Estimate
        NaN for what the curve has not reached. No effect is given.

    Notes
    -----
    The first time at which S(t) ≤ 1 − share; the ends of the interval are where the curve's own
    interval gets there (Brookmeyer and Crowley 1982, Biometrics 38, 29-41).

    Examples
    --------
    >>> quantile(kaplan_meier([1, 2, 3, 4], [1, 1, 1, 0])).value
    2.0
    """
    level = 1 - share + 1e-12

    def first(column: str) -> float:
        reached = curve.loc[curve[column] <= level, "time"]
        return float(reached.iloc[0]) if len(reached) else np.nan

    value, low, high = first("survival"), first("low"), first("high")
    return Estimate(value, low, high, np.nan)


def influence(
    time: ArrayLike, event: ArrayLike, at: float, *, entry: ArrayLike | None = None
) -> Array:
    """What each case adds to the error of a curve at one time.

    Two curves in which the same customers stand are compared by the differences of what each adds.

    Returns
    -------
    numpy.ndarray
        Their squares add up to Greenwood's variance, nearly so with late entry. All 0 where the
        curve is 0 or 1.

    Notes
    -----
    −S(t) Σ [Nᵢ(u) − Yᵢ(u) d/n] / (n − d) over event times u ≤ t, with Nᵢ(u) whether i has the event
    at u and Yᵢ(u) whether i is at risk: the derivative of S(t) by the weight of i.

    References
    ----------
    Reid, N. (1981), Annals of Statistics 9, 78-92.

    Examples
    --------
    >>> influence([1, 2, 3, 4], [1, 0, 1, 0], 1).round(4).tolist()
    [-0.1875, 0.0625, 0.0625, 0.0625]
    """
    seen = checked(time, event, entry, None, drop=False)
    used, watched = watched_only(seen)
    times = np.unique(watched.time[watched.event & (watched.time <= at)])
    added = np.zeros(len(seen.time))
    if not len(times):
        return added
    at_risk = weight_at_risk(watched, times)
    place = np.searchsorted(times, watched.time)
    own = watched.event & (watched.time <= at)
    events = np.bincount(place[own], minlength=len(times))
    if (events == at_risk).any():
        return added
    sums = np.concatenate([[0.0], np.cumsum(events / at_risk / (at_risk - events))])
    lasting = sums[np.searchsorted(times, watched.time, side="right")]
    lasting -= sums[np.searchsorted(times, watched.entry, side="right")]
    jump = np.zeros(len(watched.time))
    jump[own] = 1 / (at_risk - events)[place[own]]
    added[used] = -np.prod(1 - events / at_risk) * (jump - lasting)
    return added


class LogRank(NamedTuple):
    """The log-rank test.

    Attributes
    ----------
    statistic : float
        Chi-squared.
    freedom : int
    chance : float
        Probability of so large a statistic were all groups alike.
    table : pandas.DataFrame
        A row per group: group, cases, observed, expected (events).
    """

    statistic: float
    freedom: int
    chance: float
    table: pd.DataFrame


def log_rank(
    time: ArrayLike, event: ArrayLike, group: ArrayLike, *, entry: ArrayLike | None = None
) -> LogRank:
    """Whether groups differ in how soon the event comes.

    Parameters
    ----------
    time, event, entry : array_like
        As in `kaplan_meier`.
    group : array_like

    Returns
    -------
    LogRank
        Groups that are never at risk at the time of an event are in its table and not in the test.

    Raises
    ------
    NotEnoughData
        If there is no event, or there are no two groups at risk at the same time.

    Notes
    -----
    Observed less expected events over all event times, with the hypergeometric variance; computed
    by statsmodels' `survdiff`.

    References
    ----------
    Mantel, N. (1966), Cancer Chemotherapy Reports 50, 163-170.

    Examples
    --------
    >>> test = log_rank([1, 2, 3, 4], [1, 1, 1, 1], ["a", "a", "b", "b"])
    >>> round(test.statistic, 3), test.freedom, test.table["expected"].round(3).tolist()
    (2.882, 1, [0.833, 3.167])
    """
    from scipy.stats import chi2
    from statsmodels.duration.survfunc import survdiff

    seen = checked(time, event, entry, None, drop=False)
    names = np.asarray(group)
    used, seen = watched_only(seen)
    names = names[used]
    table = _expected(seen, names)
    kept = np.isin(names, table.loc[table["expected"] > 0, "group"].to_numpy())
    codes, count = pd.factorize(names[kept])[0], int((table["expected"] > 0).sum())
    few = NotEnoughData(
        _("The log-rank test needs an event, and two groups that are at risk at the same time.")
    )
    if count < 2:
        raise few
    late = {} if entry is None else {"entry": seen.entry[kept]}
    with np.errstate(all="ignore"):
        try:
            statistic = survdiff(seen.time[kept], seen.event[kept] * 1.0, codes, **late)[0]
        except np.linalg.LinAlgError:
            raise few from None
    if not np.isfinite(statistic) or statistic < 0:
        raise few
    return LogRank(float(statistic), count - 1, float(chi2.sf(statistic, count - 1)), table)


# --- inside


def checked(
    time: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None,
    weights: ArrayLike | None,
    *,
    drop: bool = True,
) -> Seen:
    """The input as arrays of one length, in order; with `drop`, of those watched for some time."""
    end = np.asarray(time, dtype=float)
    start = np.zeros(end.shape) if entry is None else np.asarray(entry, dtype=float)
    count = np.ones(end.shape) if weights is None else np.asarray(weights, dtype=float)
    happened = np.asarray(event, dtype=float)
    columns = (end, happened, start, count)
    if len({column.shape for column in columns}) > 1 or end.ndim != 1:
        raise CrmlabError(_("Times, events, entries and weights are columns of one length."))
    wrong = sum(int((np.isnan(column) | (column < 0)).sum()) for column in columns)
    if wrong or not np.isin(happened, (0, 1)).all():
        raise CrmlabError(
            _(
                "Times, entries and weights are numbers from 0 on, and events 0 or 1; {count} "
                "values are missing or negative."
            ).format(count=number(wrong))
        )
    after = int((start > end).sum())
    if after:
        raise CrmlabError(
            _("{count} cases enter after their end; leave out whoever was never watched.").format(
                count=number(after)
            )
        )
    seen = Seen(end, happened.astype(bool), start, count)
    used, watched = watched_only(seen)
    if not used.any():
        raise NotEnoughData(_("Nobody was watched for any time, so nothing can be said."))
    return watched if drop else seen


def watched_only(seen: Seen) -> tuple[NDArray[np.bool_], Seen]:
    """Which rows are watched for some time (or at 0), and those rows."""
    used = (seen.entry < np.maximum(seen.time, 1e-300)) & (seen.weight > 0)
    return used, _part(seen, used)


def _part(seen: Seen, rows: NDArray[np.bool_]) -> Seen:
    return Seen(seen.time[rows], seen.event[rows], seen.entry[rows], seen.weight[rows])


def weight_at_risk(seen: Seen, times: Array) -> Array:
    """Weight of those who have entered before each time, or at 0, and not ended before it."""
    ends, starts = (np.argsort(part, kind="stable") for part in (seen.time, seen.entry))
    ended = np.concatenate([[0.0], seen.weight[ends].cumsum()])
    begun = np.concatenate([[0.0], seen.weight[starts].cumsum()])
    gone = ended[np.searchsorted(seen.time[ends], times, side="left")]
    # Whoever is watched from the origin is at risk at 0 already.
    come = begun[np.searchsorted(seen.entry[starts], np.where(times > 0, times, 1e-300), "left")]
    return np.asarray(come - gone, dtype=float)


def _greenwood(at_risk: Array, events: Array) -> Array:
    """Greenwood's sum Σ d/(n(n − d)); infinite once the curve has reached 0."""
    left = at_risk - events
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(events > 0, events / (at_risk * left), 0.0)
    return np.asarray(np.cumsum(terms), dtype=float)


def log_log_ends(
    survival: Array, spread: Array, cases: Array, confidence: float
) -> tuple[Array, Array]:
    """Ends of the interval of a curve, from the variance of log S; of n cases where S is 1."""
    from scipy.stats import norm

    tail = (1 - confidence) / 2
    low, high = tail ** (1 / cases), np.ones(len(survival))
    some = (survival < 1) & (survival > 0)
    logs = np.log(survival[some])
    half = -norm.ppf(tail) * np.sqrt(spread[some]) / np.abs(logs)
    low[some], high[some] = np.exp(logs * np.exp(half)), np.exp(logs * np.exp(-half))
    gone = survival <= 0
    if gone.any():
        first = int(np.argmax(gone))
        low[gone], high[gone] = 0.0, high[first - 1] if first else 1.0
    return low, high


def _expected(seen: Seen, names: NDArray[np.generic]) -> pd.DataFrame:
    """Events of each group, and how many there would be were all alike."""
    times = np.unique(seen.time[seen.event])
    events = np.bincount(np.searchsorted(times, seen.time[seen.event]), minlength=len(times))
    everybody = weight_at_risk(seen, times)
    rows = []
    for name in pd.unique(pd.Series(names).sort_values(kind="stable")):
        part = _part(seen, np.asarray(names == name))
        alone = weight_at_risk(part, times)
        shared = (everybody > 1) & (alone < everybody)
        rows.append(
            {
                "group": name,
                "cases": len(part.time),
                "observed": int(part.event.sum()),
                "expected": float(np.sum(events * alone / everybody)) if shared.any() else 0.0,
            }
        )
    return pd.DataFrame(rows)
