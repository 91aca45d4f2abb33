"""Cox's model of the rate of an event, with Efron's ties, late entry, and its check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.stats.intervals import check_confidence
from crmlab.stats.survival import Seen, checked, kaplan_meier, watched_only, weight_at_risk

Array = NDArray[np.float64]

#: Steps of Newton's method; where an estimate is finite five or six are enough.
STEPS = 40


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
    seen = checked(time, event, entry, None, drop=False)
    values = design.to_numpy(dtype=float)
    if len(values) != len(seen.time) or np.isnan(values).any():
        raise CrmlabError(_("The design has a row per case, and no missing values."))
    used, seen = watched_only(seen)
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


def _standard(values: Array, seen: Seen, names: Sequence[str]) -> tuple[Array, Array]:
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


def _ordered(seen: Seen) -> _Order:
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


def _parts(standard: Array, coefficients: Array, seen: Seen, order: _Order) -> _Parts:
    """Efron's log-likelihood, gradient and information, without a loop over times."""
    score = standard @ coefficients
    top = score.max()
    risk = np.exp(score - top)
    weighed = np.column_stack([risk, standard * risk[:, None]])
    sums = np.column_stack(
        [weight_at_risk(seen._replace(weight=w), order.times) for w in weighed.T]
    )
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


def _fitted(standard: Array, seen: Seen) -> tuple[Array, Array, float, float, Array]:
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
