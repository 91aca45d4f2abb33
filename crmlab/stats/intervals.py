"""Intervals of shares and of anything a bootstrap can reach."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]

#: Draws of a bootstrap are counted together as long as the counts are no more than this.
CELLS = 2_000_000


def check_confidence(confidence: float) -> None:
    """Refuse what is not between 0 and 1.

    Raises
    ------
    CrmlabError

    Examples
    --------
    >>> check_confidence(0.95)
    """
    if not 0 < confidence < 1:
        raise CrmlabError(
            _("confidence lies between 0 and 1, such as 0.95; it is {confidence}.").format(
                confidence=confidence
            )
        )


class Interval(NamedTuple):
    """Both ends of an interval, each a number or an array."""

    low: Array
    high: Array


def wilson(successes: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Score interval of a share, good for few trials and for shares near 0 and 1.

    Parameters
    ----------
    successes, trials : array_like of float
        Counts, or effective counts: trials divided by a design effect. Same shape.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Interval
        NaN where there are no trials.

    Raises
    ------
    CrmlabError
        If `confidence` is not between 0 and 1.

    Notes
    -----
    With p = successes / trials, n = trials and z the normal quantile,
    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n). Computed by statsmodels.

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212.
    Newcombe, R. G. (1998), Statistics in Medicine 17, 857-872, method 3.

    Examples
    --------
    >>> low, high = wilson(81, 263)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2553, 0.3662)
    """
    from statsmodels.stats.proportion import proportion_confint

    check_confidence(confidence)
    counts = np.atleast_1d(np.asarray(successes, dtype=float))
    sizes = np.atleast_1d(np.asarray(trials, dtype=float))
    low = np.full(counts.shape, np.nan)
    high = np.full(counts.shape, np.nan)
    some = sizes > 0
    if some.any():
        low[some], high[some] = proportion_confint(
            counts[some], sizes[some], alpha=1 - confidence, method="wilson"
        )
    shape = np.shape(successes)
    return Interval(low.reshape(shape), high.reshape(shape))


def design_effect(successes: ArrayLike, trials: ArrayLike, *, correlation: float = 0.0) -> float:
    """How much wider a share's variance is because trials come in clusters, such as customers.

    Parameters
    ----------
    successes, trials : array_like of float, shape (clusters,)
        Counts per cluster; clusters without trials do not count.
    correlation : float
        Intraclass correlation known from elsewhere, such as from all groups together. With few
        clusters the effect cannot be seen in the data; this keeps it from being overlooked.

    Returns
    -------
    float
        The larger of two estimates, and at least 1: the variance of the share with whole clusters
        drawn over p(1 − p)/n, and 1 + (Σn²/Σn − 1)·correlation.

    Notes
    -----
    The share p = Σx/Σn is a ratio; its variance by linearisation over clusters is
    Σ((xᵢ − p nᵢ)²/(1 − nᵢ/Σn)) / (Σn)²: a cluster that holds much of the trials draws the share
    towards itself, which the second divisor makes good (Bell and McCaffrey); with m clusters of one
    size it is m/(m − 1). It cannot be estimated from fewer than two clusters, nor where p is 0 or
    1.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., equation 3.34. Bell, R. M. and McCaffrey,
    D. F. (2002), Survey Methodology 28, 169-181. Rao, J. N. K. and Scott, A. J. (1992), Biometrics
    48, 577-585. Franco, C., Little, R. J. A., Louis, T. A. and Slud, E. V.
    (2019), Journal of Survey Statistics and Methodology 7, 334-364, on the remaining shortfall.

    Examples
    --------
    Three customers whose orders are all on time or all late carry little more than three facts:

    >>> round(design_effect([10, 0, 10], [10, 10, 10]), 1)
    15.0
    >>> design_effect([9], [10], correlation=0.2)
    2.8
    """
    counts, sizes = _clusters(successes, trials)
    if not len(sizes):
        return 1.0
    modelled = 1 + (np.sum(sizes**2) / sizes.sum() - 1) * max(0.0, correlation)
    share = counts.sum() / sizes.sum()
    independent = share * (1 - share) / sizes.sum()
    if len(sizes) < 2 or independent <= 0:
        return float(modelled)
    moved = (counts - share * sizes) ** 2 / (1 - sizes / sizes.sum())
    observed = np.sum(moved) / sizes.sum() ** 2 / independent
    return float(max(1.0, modelled, observed))


def intraclass_correlation(successes: ArrayLike, trials: ArrayLike, groups: ArrayLike) -> float:
    """How alike the trials of one cluster are, beyond what its group has in common.

    Parameters
    ----------
    successes, trials : array_like of float, shape (clusters,)
        Counts per cluster; clusters without trials do not count.
    groups : array_like of int, shape (clusters,)
        Group of each cluster, as numbers.

    Returns
    -------
    float
        At least 0, and 0 where no group has two clusters.

    Notes
    -----
    The analysis-of-variance estimator within groups: with the mean squares B between the clusters
    of a group and W within clusters, (B − W) / (B + (n₀ − 1) W).

    References
    ----------
    Ridout, M. S., Demétrio, C. G. B. and Firth, D. (1999), Biometrics 55, 137-148.

    Examples
    --------
    >>> intraclass_correlation([10, 0, 10, 0], [10, 10, 10, 10], [0, 0, 0, 0])
    1.0
    """
    some = np.asarray(trials, dtype=float) > 0
    counts, sizes = _clusters(successes, trials)
    label = np.unique(np.asarray(groups)[some], return_inverse=True)[1]
    total = np.bincount(label, sizes)
    freedom = len(sizes) - len(total)
    if freedom <= 0 or sizes.sum() <= len(sizes):
        return 0.0
    share, of_group = counts / sizes, (np.bincount(label, counts) / total)[label]
    between = np.sum(sizes * (share - of_group) ** 2) / freedom
    within = np.sum(sizes * share * (1 - share)) / (sizes.sum() - len(sizes))
    typical = (sizes.sum() - np.sum(np.bincount(label, sizes**2) / total)) / freedom
    scale = between + (typical - 1) * within
    return float(max(0.0, (between - within) / scale)) if scale > 0 else 0.0


def bootstrap_t(
    statistic: Callable[[Array], tuple[Array, Array]],
    size: int,
    *,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Interval:
    """Studentised bootstrap interval of statistics that take weights.

    Parameters
    ----------
    statistic : callable
        Takes the number of times each of the `size` units was drawn, shape (draws, size), and
        returns the estimates and their standard errors, two arrays of shape (draws, estimates).
        Weights instead of redrawn data: what is sorted once stays sorted, and sums over the units
        are products of matrices.
    size : int
        Number of units, at least two.
    confidence : float
    resamples : int
    seed : int

    Returns
    -------
    Interval
        Of shape (estimates,). Where the standard error is 0, both ends are the estimate.

    Raises
    ------
    NotEnoughData
        If there are fewer than two units.
    CrmlabError
        If `confidence` is not between 0 and 1.

    Notes
    -----
    With t the estimate, s its standard error and t*, s* those of a resample, the ends are t minus
    s times the quantiles (1 ± confidence)/2 of (t* − t)/s*. For shares of a total that few units
    carry it holds its level far better than the percentile interval, whose misses lie nearly all
    above; with very unequal units it is still somewhat too short, because the largest unit that
    could occur has not been seen.

    References
    ----------
    Efron, B. and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, section 12.5.
    Davidson, R. and Flachaire, E. (2007), Journal of Econometrics 141, 141-166.

    Examples
    --------
    >>> values = np.arange(1.0, 101.0)
    >>> columns = np.column_stack([values, values**2])
    >>> def mean(weights):
    ...     drawn = weights.sum(axis=1, keepdims=True)
    ...     average, square = np.hsplit(weights @ columns / drawn, 2)
    ...     return average, np.sqrt((square - average**2) / drawn)
    >>> low, high = bootstrap_t(mean, 100)
    >>> bool(low[0] < 50.5 < high[0])
    True
    """
    check_confidence(confidence)
    if size < 2:
        raise NotEnoughData(
            _("An interval needs at least 2 units; there are {count}.").format(count=size)
        )
    estimate, error = (found[0] for found in statistic(np.ones((1, size))))
    random = np.random.default_rng(seed)
    studentised = np.full((resamples, len(estimate)), np.nan)
    parts = min(resamples, math.ceil(resamples * size / CELLS))
    for some in np.array_split(studentised, parts):
        drawn, spread = statistic(times_drawn(len(some), size, random))
        np.divide(drawn - estimate, spread, out=some, where=spread > 0)
    tail = (1 - confidence) / 2
    known = np.isfinite(studentised).any(axis=0) & (error > 0)
    upper, lower = np.zeros(estimate.shape), np.zeros(estimate.shape)
    if known.any():
        upper[known], lower[known] = np.nanquantile(studentised[:, known], [1 - tail, tail], axis=0)
    return Interval(estimate - upper * error, estimate - lower * error)


def times_drawn(draws: int, size: int, random: np.random.Generator) -> Array:
    """How often each unit is drawn with replacement, as many in all as there are: a row per draw.

    Examples
    --------
    >>> times_drawn(2, 4, np.random.default_rng(0)).tolist()
    [[0.0, 1.0, 2.0, 1.0], [3.0, 1.0, 0.0, 0.0]]
    """
    # Counting the units drawn is many times faster than drawing the counts.
    units = random.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(units.ravel(), minlength=draws * size).reshape(draws, size).astype(float)


def _clusters(successes: ArrayLike, trials: ArrayLike) -> tuple[Array, Array]:
    counts, sizes = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    return counts[sizes > 0], sizes[sizes > 0]
