"""Time to an event: curves, comparison of groups and Cox's model, for any chapter that waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence

Array = NDArray[np.float64]

#: Steps of Newton's method; where an estimate is finite five or six are enough.
STEPS = 40


class _Seen(NamedTuple):
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
    seen = _checked(time, event, entry, weights)
    times, place = np.unique(seen.time, return_inverse=True)
    ended = np.bincount(place, seen.weight, len(times))
    events = np.bincount(place, seen.weight * seen.event, len(times)).astype(float)
    at_risk = _at_risk(seen, times)
    survival = np.asarray(np.cumprod(1 - events / at_risk), dtype=float)
    survival[survival < 1e-12] = 0.0
    low, high = _log_log(survival, _greenwood(at_risk, events), at_risk, confidence)
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
    at: ArrayLike,
    time: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
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
    seen = _checked(time, np.zeros(np.shape(time), dtype=bool), entry, weights)
    return pd.DataFrame({"time": times, "at_risk": _at_risk(seen, times)})


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


def restricted_mean(curve: pd.DataFrame, until: float, *, confidence: float = 0.95) -> Estimate:
    """Mean time without the event within the first `until`.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from `kaplan_meier`.
    until : float
    confidence : float

    Returns
    -------
    Estimate
        NaN where the curve does not reach so far. No effect is given.

    Notes
    -----
    The area under the curve up to `until`, with variance Σ A(u)² d/(n(n − d)), A(u) the area from
    event time u on, and a normal interval (Irwin 1949, Journal of Hygiene 47, 188-189).

    Examples
    --------
    >>> restricted_mean(kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]), 3).value
    2.25
    """
    from scipy.stats import norm

    check_confidence(confidence)
    if until > curve["time"].iloc[-1] and curve["survival"].iloc[-1] > 0:
        return NOTHING
    inside = curve[curve["time"] < until]
    edges = np.concatenate([[0.0], inside["time"], [until]])
    areas = np.diff(edges) * np.concatenate([[1.0], inside["survival"]])
    rest = areas[::-1].cumsum()[::-1][1:]
    n, d = inside["at_risk"].to_numpy(), inside["events"].to_numpy()
    left = n > d
    spread = np.sqrt(np.sum(rest[left] ** 2 * d[left] / (n[left] * (n[left] - d[left]))))
    half = float(norm.ppf((1 + confidence) / 2) * spread)
    value = float(areas.sum())
    return Estimate(value, value - half, min(value + half, until), np.nan)


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
    seen = _checked(time, event, entry, None, drop=False)
    used, watched = _watched(seen)
    times = np.unique(watched.time[watched.event & (watched.time <= at)])
    added = np.zeros(len(seen.time))
    if not len(times):
        return added
    at_risk = _at_risk(watched, times)
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

    seen = _checked(time, event, entry, None, drop=False)
    names = np.asarray(group)
    used, seen = _watched(seen)
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


class Cox(NamedTuple):
    """Cox's proportional hazards model.

    Attributes
    ----------
    table : pandas.DataFrame
        By column of the design: coefficient, error, hazard_ratio, low, high (of the ratio), chance.
    covariance : numpy.ndarray
        Of the coefficients.
    log_likelihood, null_log_likelihood : float
        With the coefficients, and with all of them 0.
    cases, events : int
        Rows with some time at risk, and events among them.
    residuals : pandas.DataFrame
        A row per event: time and, by column, the scaled Schoenfeld residual, whose mean at a time
        is the coefficient at that time.
    """

    table: pd.DataFrame
    covariance: Array
    log_likelihood: float
    null_log_likelihood: float
    cases: int
    events: int
    residuals: pd.DataFrame


def cox(
    design: pd.DataFrame,
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Cox:
    """How what is known of each case goes with the rate of the event.

    Parameters
    ----------
    design : pandas.DataFrame
        Numbers, a row per case, without a constant.
    time, event, entry : array_like
        As in `kaplan_meier`.
    confidence : float

    Returns
    -------
    Cox

    Raises
    ------
    CrmlabError
        If a value is missing.
    NotEnoughData
        If there is no event, columns cannot be told apart, or a coefficient has no finite estimate.

    Notes
    -----
    The rate of a case with x at time t is h₀(t) exp(x β). The partial likelihood of tied events is
    Efron's. Fitted by Newton's method on standardised columns. statsmodels' `PHReg` gives the same,
    but loops over times, which takes seconds for some hundred of them; it has a case at risk at the
    very time of its entry, where the curves here do not; and its Schoenfeld residuals take ties as
    Breslow does.

    References
    ----------
    Cox, D. R. (1972), Journal of the Royal Statistical Society B 34, 187-220. Efron, B. (1977),
    Journal of the American Statistical Association 72, 557-565.

    Examples
    --------
    >>> found = cox(pd.DataFrame({"x": [1, 0, 1, 0, 0]}), [1, 2, 2, 3, 4], [1, 1, 1, 1, 0])
    >>> round(float(found.table.loc["x", "coefficient"]), 3), round(found.log_likelihood, 3)
    (1.773, -3.72)
    """
    from scipy.stats import norm

    check_confidence(confidence)
    seen = _checked(time, event, entry, None, drop=False)
    values = design.to_numpy(dtype=float)
    if len(values) != len(seen.time) or np.isnan(values).any():
        raise CrmlabError(_("The design has a row per case, and no missing values."))
    used, seen = _watched(seen)
    values = values[used]
    centre, scale = _standard(values, seen, list(design.columns))
    standard = (values - centre) / scale
    coefficients, covariance, likelihood, nothing, residuals = _fitted(standard, seen)
    # Of a column scaled to 1, so few events as one leave an error of about 1.
    loose = ~(np.abs(np.diagonal(covariance)) < 400)
    if loose.any() or not np.isfinite(covariance).all():
        raise NotEnoughData(
            _(
                "The rate cannot be told for {names}: none of those who have it, or all others "
                "together, have had the event."
            ).format(names=_(", ").join(str(n) for n in design.columns[loose]))
        )
    scaled = (residuals @ covariance * seen.event.sum() + coefficients) / scale
    coefficients, covariance = coefficients / scale, covariance / np.outer(scale, scale)
    errors = np.sqrt(np.diagonal(covariance))
    half = norm.ppf((1 + confidence) / 2) * errors
    table = pd.DataFrame(
        {
            "coefficient": coefficients,
            "error": errors,
            "hazard_ratio": np.exp(coefficients),
            "low": np.exp(coefficients - half),
            "high": np.exp(coefficients + half),
            "chance": 2 * norm.sf(np.abs(coefficients) / errors),
        },
        index=design.columns,
    )
    frame = pd.DataFrame(scaled, columns=design.columns)
    frame.insert(0, "time", np.sort(seen.time[seen.event]), allow_duplicates=True)
    events = int(seen.event.sum())
    return Cox(table, covariance, likelihood, nothing, len(seen.time), events, frame)


def proportional(
    found: Cox, clock: ArrayLike, *, terms: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Whether the hazard ratios of a Cox model change over time.

    Parameters
    ----------
    found : Cox
    clock : array_like of float
        The transform of time against which a trend is looked for, a value per event in the order of
        `found.residuals`: the times themselves, their logarithm, or `kaplan_meier_clock`.
    terms : mapping of str to sequence of str, optional
        Columns that are tested together, such as the levels of one covariate; each column by
        itself by default.

    Returns
    -------
    pandas.DataFrame
        By term, and last "all": statistic, freedom, chance. NaN where all events are at one time.

    Notes
    -----
    Grambsch and Therneau's test: with g the centred clock, r* the scaled residuals, d events and V
    the covariance, (Σ g r*)′ V⁻¹ (Σ g r*) / (d Σ g²), as `cox.zph` of R's survival before version
    3 (which is now a score test of the same thing).

    References
    ----------
    Grambsch, P. M. and Therneau, T. M. (1994), Biometrika 81, 515-526.
    """
    from scipy.stats import chi2

    names = list(found.table.index)
    groups = dict(terms) if terms is not None else {str(name): [name] for name in names}
    centred = np.asarray(clock, dtype=float)
    centred = centred - centred.mean()
    spread = float(found.events * np.sum(centred**2))
    trend = centred @ found.residuals[names].to_numpy()
    rows = {}
    for term, columns in [*groups.items(), ("all", names)]:
        place = [names.index(column) for column in columns]
        part = found.covariance[np.ix_(place, place)]
        known = spread > 0
        value = trend[place] @ np.linalg.solve(part, trend[place]) / spread if known else np.nan
        rows[term] = (value, len(place), chi2.sf(value, len(place)))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "freedom", "chance"])


def kaplan_meier_clock(
    time: ArrayLike, event: ArrayLike, *, entry: ArrayLike | None = None
) -> Array:
    """For each event in order of time: 1 less the curve just before it.

    A clock that runs evenly over the cases rather than over time, so that few late events do not
    decide the test.
    """
    curve = kaplan_meier(time, event, entry=entry)
    before = np.concatenate([[1.0], curve["survival"].to_numpy()[:-1]])
    return np.asarray(np.repeat(1 - before, curve["events"].astype("int64")), dtype=float)


# --- inside


def _checked(
    time: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None,
    weights: ArrayLike | None,
    *,
    drop: bool = True,
) -> _Seen:
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
    seen = _Seen(end, happened.astype(bool), start, count)
    used, watched = _watched(seen)
    if not used.any():
        raise NotEnoughData(_("Nobody was watched for any time, so nothing can be said."))
    return watched if drop else seen


def _watched(seen: _Seen) -> tuple[NDArray[np.bool_], _Seen]:
    """Which rows are watched for some time (or at 0), and those rows."""
    used = (seen.entry < np.maximum(seen.time, 1e-300)) & (seen.weight > 0)
    return used, _part(seen, used)


def _part(seen: _Seen, rows: NDArray[np.bool_]) -> _Seen:
    return _Seen(seen.time[rows], seen.event[rows], seen.entry[rows], seen.weight[rows])


def _at_risk(seen: _Seen, times: Array) -> Array:
    """Weight of those who have entered before each time, or at 0, and not ended before it."""
    ends, starts = np.argsort(seen.time), np.argsort(seen.entry)
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


def _log_log(
    survival: Array, spread: Array, at_risk: Array, confidence: float
) -> tuple[Array, Array]:
    from scipy.stats import norm

    tail = (1 - confidence) / 2
    low, high = (tail ** (1 / at_risk)), np.ones(len(survival))
    some = (survival < 1) & (survival > 0)
    logs = np.log(survival[some])
    half = -norm.ppf(tail) * np.sqrt(spread[some]) / np.abs(logs)
    low[some], high[some] = np.exp(logs * np.exp(half)), np.exp(logs * np.exp(-half))
    gone = survival <= 0
    if gone.any():
        first = int(np.argmax(gone))
        low[gone], high[gone] = 0.0, high[first - 1] if first else 1.0
    return low, high


def _expected(seen: _Seen, names: NDArray[np.generic]) -> pd.DataFrame:
    """Events of each group, and how many there would be were all alike."""
    times = np.unique(seen.time[seen.event])
    events = np.bincount(np.searchsorted(times, seen.time[seen.event]), minlength=len(times))
    everybody = _at_risk(seen, times)
    rows = []
    for name in pd.unique(pd.Series(names).sort_values()):
        part = _part(seen, np.asarray(names == name))
        alone = _at_risk(part, times)
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


def _standard(values: Array, seen: _Seen, names: Sequence[str]) -> tuple[Array, Array]:
    """Mean and spread of each column; an error where the columns cannot tell cases apart."""
    if not seen.event.any() or not len(names):
        raise NotEnoughData(_("Cox's model needs an event, and something to compare cases by."))
    centre, scale = values.mean(axis=0), values.std(axis=0)
    alike = scale <= 1e-12 * np.maximum(1, np.abs(centre))
    if alike.any():
        raise NotEnoughData(
            _("All cases are alike in {names}; leave it out.").format(
                names=_(", ").join(str(n) for n, same in zip(names, alike, strict=True) if same)
            )
        )
    standard = (values - centre) / scale
    if np.linalg.matrix_rank(standard.T @ standard / len(values), tol=1e-9) < len(names):
        raise NotEnoughData(
            _("Some of {names} follow from the others; leave out what says the same twice.").format(
                names=_(", ").join(str(n) for n in names)
            )
        )
    return centre, scale


class _Parts(NamedTuple):
    """The partial likelihood at given coefficients.

    Attributes
    ----------
    value : float
    gradient : numpy.ndarray
    information : numpy.ndarray
    means : numpy.ndarray
        For each event in order of time the mean of those at risk, less its part of those tied.
    """

    value: float
    gradient: Array
    information: Array
    means: Array


class _Order(NamedTuple):
    """What of the times does not depend on the coefficients."""

    times: Array
    rows: NDArray[np.int64]  # of the events, in order of time
    place: NDArray[np.int64]  # of the event's time among the times
    part: Array  # of those tied that Efron takes away: 0, 1/d, 2/d …
    first: NDArray[np.int64]  # for each case the first time at which it is at risk
    last: NDArray[np.int64]  # and the first at which it no longer is


def _ordered(seen: _Seen) -> _Order:
    times = np.unique(seen.time[seen.event])
    rows = np.argsort(seen.time, kind="stable")
    rows = rows[seen.event[rows]]
    place = np.searchsorted(times, seen.time[rows])
    count = np.bincount(place)
    rank = np.arange(len(rows)) - (np.cumsum(count) - count)[place]
    from_origin = seen.entry <= 0
    first = np.where(from_origin, 0, np.searchsorted(times, seen.entry, side="right"))
    last = np.searchsorted(times, seen.time, side="right")
    return _Order(times, rows, place, rank / count[place], first, last)


def _parts(standard: Array, coefficients: Array, seen: _Seen, order: _Order) -> _Parts:
    """Efron's log-likelihood, gradient and information, without a loop over times."""
    score = standard @ coefficients
    top = score.max()
    risk = np.exp(score - top)
    weighed = np.column_stack([risk, standard * risk[:, None]])
    sums = np.column_stack([_at_risk(seen._replace(weight=w), order.times) for w in weighed.T])
    tied = np.zeros_like(sums)
    np.add.at(tied, order.place, weighed[order.rows])
    left = sums[order.place] - order.part[:, None] * tied[order.place]
    means = left[:, 1:] / left[:, :1]
    each = np.bincount(order.place, 1 / left[:, 0])
    cumulated = np.concatenate([[0.0], np.cumsum(each)])
    amount = risk * (cumulated[order.last] - cumulated[order.first])
    own = np.bincount(order.place, order.part / left[:, 0])
    amount[order.rows] -= risk[order.rows] * own[order.place]
    information = (standard * amount[:, None]).T @ standard - means.T @ means
    with np.errstate(all="ignore"):
        value = float(np.sum(score[order.rows] - top - np.log(left[:, 0])))
    gradient = np.sum(standard[order.rows] - means, axis=0)
    return _Parts(value, gradient, information, means)


def _fitted(standard: Array, seen: _Seen) -> tuple[Array, Array, float, float, Array]:
    """Coefficients, covariance, log-likelihood with them and without, Schoenfeld residuals."""
    order = _ordered(seen)
    coefficients = np.zeros(standard.shape[1])
    found = _parts(standard, coefficients, seen, order)
    nothing = found.value
    for _turn in range(STEPS):
        step = np.linalg.lstsq(found.information, found.gradient, rcond=None)[0]
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        further = _parts(standard, coefficients + step, seen, order)
        while further.value < found.value - 1e-9 * abs(found.value) and np.abs(step).max() > 1e-9:
            step /= 2
            further = _parts(standard, coefficients + step, seen, order)
        if not np.isfinite(further.value):
            break
        gain = further.value - found.value
        coefficients, found = coefficients + step, further
        if abs(gain) <= 1e-11 * abs(found.value) and np.abs(step).max() < 1e-7:
            break
    covariance: Array = np.full(found.information.shape, np.inf)
    if np.linalg.cond(found.information) < 1e12:
        covariance = np.asarray(np.linalg.inv(found.information), dtype=float)
    # Of tied events all have the mean of the tie.
    count = np.bincount(order.place)[order.place]
    mean = np.zeros((len(order.times), standard.shape[1]))
    np.add.at(mean, order.place, found.means / count[:, None])
    residuals = standard[order.rows] - mean[order.place]
    return coefficients, covariance, found.value, nothing, residuals
