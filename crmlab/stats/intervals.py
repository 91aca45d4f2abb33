"""Intervals of shares and of anything a bootstrap can reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]


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


def design_effect(successes: ArrayLike, trials: ArrayLike) -> float:
    """How much wider a share's interval is because trials come in clusters, such as customers.

    Parameters
    ----------
    successes, trials : array_like of float, shape (clusters,)
        Counts per cluster; clusters without trials do not count.

    Returns
    -------
    float
        Variance of the share with whole clusters drawn, divided by the variance p(1 − p)/n of
        independent trials; never below 1, and 1 where it cannot be estimated (fewer than two
        clusters, or a share of 0 or 1).

    Notes
    -----
    The share p = Σx/Σn is a ratio; its variance by linearisation over m clusters is
    m/(m − 1) · Σ(xᵢ − p nᵢ)² / (Σn)².

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., equation 3.34.
    Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585.

    Examples
    --------
    Three customers whose orders are all on time or all late carry little more than three facts:

    >>> round(design_effect([10, 0, 10], [10, 10, 10]), 1)
    15.0
    """
    counts = np.asarray(successes, dtype=float)
    sizes = np.asarray(trials, dtype=float)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    clusters, total = len(sizes), sizes.sum()
    if clusters < 2:
        return 1.0
    share = counts.sum() / total
    independent = share * (1 - share) / total
    if independent <= 0:
        return 1.0
    clustered = clusters / (clusters - 1) * np.sum((counts - share * sizes) ** 2) / total**2
    return max(1.0, float(clustered / independent))


def bootstrap(
    statistic: Callable[[Array], Array],
    size: int,
    *,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic that takes weights.

    Parameters
    ----------
    statistic : callable
        Takes the number of times each of the `size` units was drawn, shape (size,), and returns
        one or several numbers, always of the same shape. Weights instead of redrawn data: what is
        sorted once stays sorted.
    size : int
        Number of units, at least two.
    confidence : float
    resamples : int
    seed : int

    Returns
    -------
    Interval
        Of the statistic's shape.

    Raises
    ------
    NotEnoughData
        If there are fewer than two units.

    References
    ----------
    Efron, B. and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, section 13.3.

    Examples
    --------
    >>> values = np.arange(1.0, 101.0)
    >>> low, high = bootstrap(lambda weights: np.average(values, weights=weights), 100)
    >>> bool(low < 50.5 < high)
    True
    """
    if size < 2:
        raise NotEnoughData(
            _("An interval needs at least 2 units; there are {count}.").format(count=size)
        )
    random = np.random.default_rng(seed)
    even = np.full(size, 1 / size)
    draws = [statistic(random.multinomial(size, even).astype(float)) for _draw in range(resamples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(draws), [tail, 1 - tail], axis=0)
    return Interval(low, high)
