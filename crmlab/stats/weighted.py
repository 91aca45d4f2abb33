"""Means, shares and differences of answers that carry weights and come in clusters.

A row is an answer. The answers of one customer are a cluster: they are alike, and count for less
than as many answers of different customers. Strata are not used, which makes an interval of a
stratified sample somewhat too wide, never too short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.stats import clustered
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence

Array = NDArray[np.float64]


def mean(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of answers, with a t interval and the design effect.

    Parameters
    ----------
    values : array_like of float, shape (answers,)
        An answer that is missing does not count.
    weights : array_like of float, shape (answers,), optional
        All alike where none are given; an answer of weight 0 does not count.
    clusters : array_like, shape (answers,), optional
        Such as the number of the customer; every answer alone where none are given.
    confidence : float

    Returns
    -------
    Estimate
        The effect is the variance of the mean over that of the same number of answers drawn
        independently and without weights. No interval from fewer than two clusters.

    Notes
    -----
    The mean Σwy/Σw and its linearised variance are those of `crmlab.stats.clustered.mean`; the
    answers' own variance, by which the effect divides, is Σw(y − mean)²/Σw · n/(n − 1).

    References
    ----------
    Lumley, T. (2010), Complex Surveys, chapter 2. Kish, L. (1965), Survey Sampling, section 8.2.

    Examples
    --------
    >>> [round(part, 3) for part in mean([3, 4, 5, 4])]
    [4.0, 2.701, 5.299, 1.0]
    >>> twice = mean([3, 4, 5, 4] * 2, clusters=[0, 1, 2, 3] * 2)
    >>> [round(part, 3) for part in twice]
    [4.0, 2.701, 5.299, 2.333]
    """
    check_confidence(confidence)
    answers, weight, cluster = _known(values, weights, clusters)
    if not len(answers):
        return NOTHING
    found = clustered.mean(
        np.bincount(cluster, weight * answers), np.bincount(cluster, weight), confidence=confidence
    )
    error = _error(influence(answers, weight), cluster)
    return found._replace(effect=_effect(answers, weight, error))


def share(
    flags: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Share of answers that say yes, with a Wilson interval on their effective number.

    Parameters
    ----------
    flags : array_like of bool or float, shape (answers,)
        An answer that is missing does not count.
    weights, clusters, confidence
        As in `mean`.

    Returns
    -------
    Estimate
        As from `crmlab.stats.clustered.weighted_share`.

    Examples
    --------
    >>> [round(part, 3) for part in share([1, 0, 1, 1], weights=[1, 3, 1, 1])]
    [0.5, 0.103, 0.897, 1.778]
    """
    answers, weight, cluster = _known(flags, weights, clusters)
    if not len(answers):
        return NOTHING
    return clustered.weighted_share(
        np.bincount(cluster, weight * answers),
        np.bincount(cluster, weight),
        np.bincount(cluster),
        confidence=confidence,
    )


def difference(
    values: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of one group of answers less that of another, with a t interval.

    Parameters
    ----------
    values : array_like of float, shape (answers,)
    first, second : array_like of bool, shape (answers,)
        The answers of either group; a customer may have answers in both.
    weights, clusters, confidence
        As in `mean`.

    Returns
    -------
    Estimate
        Without an effect. NaN where a group has no answer.

    Notes
    -----
    The two means move together as far as they come from the same customers; the difference of
    their influences, summed over each cluster, allows for it. The degrees of freedom are the
    clusters less two.

    Examples
    --------
    >>> found = difference([3, 4, 5, 1, 2, 3], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> [round(part, 2) for part in found[:3]]
    [2.0, -0.27, 4.27]
    """
    check_confidence(confidence)
    groups = np.column_stack([np.asarray(first, bool), np.asarray(second, bool)])
    used = groups.any(axis=1) & np.isfinite(np.asarray(values, float))
    one, other = groups[used].T
    answers, weight, cluster = _known(
        np.asarray(values, float)[used], _of(weights, used), _of(clusters, used)
    )
    if len(answers) < used.sum():  # answers of weight 0
        kept = np.asarray(_of(weights, used), float) > 0
        one, other = one[kept], other[kept]
    if not one.any() or not other.any():
        return NOTHING
    apart = np.average(answers[one], weights=weight[one]) - np.average(
        answers[other], weights=weight[other]
    )
    moved = influence(answers, np.where(one, weight, 0.0)) - influence(
        answers, np.where(other, weight, 0.0)
    )
    return from_influence(float(apart), moved, cluster, spent=2, confidence=confidence)


def influence(values: ArrayLike, weights: ArrayLike) -> Array:
    """How far each answer moves the weighted mean: w(y − mean)/Σw.

    Parameters
    ----------
    values, weights : array_like of float, shape (answers,)

    Returns
    -------
    numpy.ndarray, shape (answers,)
        They sum to zero.

    Examples
    --------
    >>> influence([1, 2, 3], [1, 1, 2]).round(4).tolist()
    [-0.3125, -0.0625, 0.375]
    """
    answers, weight = np.asarray(values, float), np.asarray(weights, float)
    return np.asarray(weight * (answers - np.average(answers, weights=weight)) / weight.sum())


def from_influence(
    value: float,
    moved: ArrayLike,
    clusters: ArrayLike,
    *,
    spent: int = 1,
    confidence: float = 0.95,
) -> Estimate:
    """A figure with the t interval that the influences of its answers give.

    Parameters
    ----------
    value : float
    moved : array_like of float, shape (answers,)
        How far each answer moves the figure, as from `influence`.
    clusters : array_like of int, shape (answers,)
    spent : int
        Means that the figure is made of; so many degrees of freedom are spent, and the sum of
        squares over m clusters is multiplied by m/(m − spent).
    confidence : float

    Returns
    -------
    Estimate
        Without an effect; without an interval where no degree of freedom is left.

    References
    ----------
    Deville, J.-C. (1999), Survey Methodology 25, 193-203, on linearisation by influence.

    Examples
    --------
    >>> [round(part, 3) for part in from_influence(2.0, influence([1, 2, 3], [1, 1, 1]), [0, 1, 2])]
    [2.0, -0.484, 4.484, nan]
    """
    from scipy.stats import t

    check_confidence(confidence)
    cluster = np.unique(np.asarray(clusters), return_inverse=True)[1]
    freedom = int(cluster.max()) + 1 - spent if len(cluster) else 0
    if freedom < 1:
        return Estimate(value, np.nan, np.nan, np.nan)
    reach = float(t.ppf((1 + confidence) / 2, freedom))
    reach *= _error(np.asarray(moved, float), cluster, spent)
    return Estimate(value, value - reach, value + reach, np.nan)


class Means(NamedTuple):
    """Means of several columns of answers, and how they vary together.

    Attributes
    ----------
    values : numpy.ndarray, shape (columns,)
    covariance : numpy.ndarray, shape (columns, columns)
        Of the means.
    freedom : int
        Degrees of freedom: the clusters less one.
    """

    values: Array
    covariance: Array
    freedom: int

    def combined(self, factors: ArrayLike, *, confidence: float = 0.95) -> Estimate:
        """The sum of the means, each times its factor, with a t interval.

        Parameters
        ----------
        factors : array_like of float, shape (columns,)
        confidence : float

        Returns
        -------
        Estimate
            Without an effect; without an interval where no degree of freedom is left.
        """
        from scipy.stats import t

        check_confidence(confidence)
        factor = np.asarray(factors, float)
        value = float(factor @ self.values)
        if self.freedom < 1:
            return Estimate(value, np.nan, np.nan, np.nan)
        spread = max(0.0, float(factor @ self.covariance @ factor))
        reach = float(t.ppf((1 + confidence) / 2, self.freedom) * np.sqrt(spread))
        return Estimate(value, value - reach, value + reach, np.nan)


def means(
    columns: ArrayLike, *, weights: ArrayLike | None = None, clusters: ArrayLike | None = None
) -> Means:
    """Means of several columns of answers of the same people, and their covariance.

    Parameters
    ----------
    columns : array_like of float, shape (answers, columns)
        An answer that is missing does not count in its column.
    weights, clusters : array_like, shape (answers,), optional
        As in `mean`.

    Returns
    -------
    Means
        NaN for a column without an answer.

    Notes
    -----
    The linearised covariance over m clusters is m/(m − 1) ΣSᵢSᵢ', with Sᵢ the influences on the
    means, summed over the answers of cluster i.

    Examples
    --------
    >>> found = means([[3, 1], [4, 2], [5, 3], [4, 2]])
    >>> found.values.tolist()
    [4.0, 2.0]
    >>> [round(part, 3) for part in found.combined([1, 0])[:3]]
    [4.0, 2.701, 5.299]
    >>> [round(part, 3) for part in found.combined([1, -1])[:3]]
    [2.0, 2.0, 2.0]
    """
    answers = np.asarray(columns, float)
    weight = np.ones(len(answers)) if weights is None else np.asarray(weights, float)
    own = np.arange(len(answers)) if clusters is None else np.asarray(clusters)
    known = np.isfinite(answers) & (weight > 0)[:, None]
    of_each = np.where(known, weight[:, None], 0.0)
    with np.errstate(invalid="ignore"):
        share = of_each / of_each.sum(axis=0)
    filled = np.where(known, answers, 0.0)
    middle = np.sum(share * filled, axis=0)
    some = known.any(axis=1)
    number = np.unique(own[some], return_inverse=True)[1]
    count = int(number.max()) + 1 if len(number) else 0
    sums = np.zeros((count, answers.shape[1]))
    np.add.at(sums, number, (share * (filled - middle))[some])
    scale = count / (count - 1) if count > 1 else np.nan
    return Means(middle, scale * sums.T @ sums, count - 1)


def probability(found: Estimate, freedom: int, *, confidence: float = 0.95) -> float:
    """Probability that chance alone brings a figure as far from 0, from its t interval.

    Parameters
    ----------
    found : Estimate
        With a t interval that has the figure in the middle.
    freedom : int
        Degrees of freedom of the interval.
    confidence : float
        Of the interval.

    Returns
    -------
    float
        Two-sided; NaN without an interval, or where it has no width.

    Examples
    --------
    >>> found = difference([3, 4, 5, 1, 2, 3], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> round(probability(found, 4), 4)
    0.0705
    """
    from scipy.stats import t

    check_confidence(confidence)
    reach = (found.high - found.low) / 2
    if freedom < 1 or not reach > 0:
        return np.nan
    error = reach / t.ppf((1 + confidence) / 2, freedom)
    return float(2 * t.sf(abs(found.value) / error, freedom))


def _known(
    values: ArrayLike, weights: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[Array, Array, NDArray[np.intp]]:
    """Answers that count, their weights, and the numbers of their clusters from 0 on."""
    answers = np.asarray(values, dtype=float)
    weight = np.ones(answers.shape) if weights is None else np.asarray(weights, dtype=float)
    own = np.arange(len(answers)) if clusters is None else np.asarray(clusters)
    counts = np.isfinite(answers) & (weight > 0)
    number = np.unique(own[counts], return_inverse=True)[1]
    return answers[counts], weight[counts], number


def _of(values: ArrayLike | None, used: NDArray[np.bool_]) -> ArrayLike | None:
    return None if values is None else np.asarray(values)[used]


def _error(moved: Array, cluster: NDArray[np.intp], spent: int = 1) -> float:
    """Standard error from the influences of the answers, summed over clusters."""
    sums = np.bincount(cluster, moved)
    if len(sums) <= spent:
        return np.nan
    return float(np.sqrt(len(sums) / (len(sums) - spent) * np.sum(sums**2)))


def _effect(answers: Array, weight: Array, error: float) -> float:
    count = len(answers)
    if count < 2:
        return np.nan
    middle = np.average(answers, weights=weight)
    spread = np.average((answers - middle) ** 2, weights=weight) * count / (count - 1)
    return float(error**2 / (spread / count)) if spread > 0 else np.nan
