"""Spearman's rank correlation with its interval: association without a straight line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crmlab.stats.intervals import check_confidence


class RankCorrelation(NamedTuple):
    """Spearman's rank correlation.

    Attributes
    ----------
    value, low, high : float
        NaN where one of the two does not vary; the ends alone with fewer than five pairs, or where
        the ranks agree wholly.
    chance : float
        Two-sided probability of such a correlation by chance.
    n : int
        Pairs that are known.
    """

    value: float
    low: float
    high: float
    chance: float
    n: int


def spearman(one: ArrayLike, other: ArrayLike, *, confidence: float = 0.95) -> RankCorrelation:
    """Spearman's rank correlation with an interval.

    Parameters
    ----------
    one, other : array_like of float, shape (n,)
        Independent pairs; one that is missing on either side does not count.
    confidence : float

    Returns
    -------
    RankCorrelation

    Notes
    -----
    Equal values share the mean of their ranks. The interval is that of z = artanh r with the
    variance (1 + r²/2)/(n − 3), turned back by tanh; the probability by chance that of the t
    distribution, r √((n − 2)/(1 − r²)) with n − 2 degrees of freedom.

    References
    ----------
    Bonett, D. G. and Wright, T. A. (2000), Psychometrika 65, 23-28. Kendall, M. and Gibbons, J. D.
    (1990), Rank Correlation Methods, 5th ed.

    Examples
    --------
    >>> found = spearman([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])
    >>> [round(part, 3) for part in found]
    [0.829, -0.127, 0.986, 0.042, 6]
    """
    from scipy.stats import norm, rankdata, t

    check_confidence(confidence)
    first, second = np.asarray(one, float), np.asarray(other, float)
    known = np.isfinite(first) & np.isfinite(second)
    n = int(known.sum())
    if n < 3 or not np.ptp(first[known]) > 0 or not np.ptp(second[known]) > 0:
        return RankCorrelation(np.nan, np.nan, np.nan, np.nan, n)
    ranks = rankdata(first[known]), rankdata(second[known])
    value = float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))
    if abs(value) > 1 - 1e-12:
        return RankCorrelation(float(np.sign(value)), np.nan, np.nan, np.nan, n)
    chance = float(2 * t.sf(abs(value) * np.sqrt((n - 2) / (1 - value**2)), n - 2))
    if n < 5:
        return RankCorrelation(value, np.nan, np.nan, chance, n)
    reach = norm.ppf((1 + confidence) / 2) * np.sqrt((1 + value**2 / 2) / (n - 3))
    middle = np.arctanh(value)
    return RankCorrelation(
        value, float(np.tanh(middle - reach)), float(np.tanh(middle + reach)), chance, n
    )
