"""Means, shares and differences of answers that carry weights and come in clusters.

A row is an answer. The answers of one customer are a cluster: they are alike, and count for less
than as many answers of different customers. Strata are not used, nor what share of all customers
was asked: intervals of a stratified sample, or of nearly everyone, are somewhat too wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.stats import clustered
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence, wilson

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
    The mean is Σwy/Σw, its interval that of `from_influence`; the answers' own variance, by which
    the effect divides, is Σw(y − mean)²/Σw · n/(n − 1). The error is that of statsmodels' weighted
    regression on a constant with errors by cluster, without a regression for each of many groups.

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
    moved = influence(answers, weight)
    middle = float(np.average(answers, weights=weight))
    found = from_influence(middle, moved, cluster, confidence=confidence)
    return found._replace(effect=_effect(answers, weight, _error(moved, cluster)))


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
        As from `crmlab.stats.clustered.weighted_share`, but that the effect allows for few clusters
        too.

    Notes
    -----
    The effective number of answers is multiplied by (t/t*)², the quantiles of t with the degrees of
    freedom of n answers and of the clusters (`crmlab.stats.clustered.freedom`): from few customers
    the design effect itself is not well known.

    References
    ----------
    Korn, E. L. and Graubard, B. I. (1998), Survey Methodology 24, 193-201.

    Examples
    --------
    >>> [round(part, 3) for part in share([1, 0, 1, 1], weights=[1, 3, 1, 1])]
    [0.5, 0.082, 0.918, 2.4]
    """
    from scipy.stats import t

    answers, weight, cluster = _known(flags, weights, clusters)
    if not len(answers):
        return NOTHING
    found = clustered.weighted_share(
        np.bincount(cluster, weight * answers),
        np.bincount(cluster, weight),
        np.bincount(cluster),
        confidence=confidence,
    )
    count, customers = len(answers), int(cluster.max()) + 1
    if not 1 < customers < count or found.value in (0, 1):
        return found
    tail = (1 + confidence) / 2
    own = clustered.freedom(np.bincount(cluster, weight))
    effect = found.effect * (t.ppf(tail, own) / t.ppf(tail, count - 1)) ** 2
    effective = count / effect
    low, high = wilson(found.value * effective, effective, confidence=confidence)
    return Estimate(found.value, float(low), float(high), float(effect))


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
        Without an effect. NaN where a group has no answer; without an interval where one has fewer
        than two clusters.

    Notes
    -----
    That of `contrast`.

    Examples
    --------
    >>> found = difference([3, 4, 5, 1, 2, 3], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> [round(part, 2) for part in found[:3]]
    [2.0, -0.27, 4.27]
    """
    found = contrast(values, first, second, weights=weights, clusters=clusters)
    return found.estimate(confidence)


class Contrast(NamedTuple):
    """The difference of two means.

    Attributes
    ----------
    value, error : float
        The difference and its standard error.
    freedom : float
        Degrees of freedom of the error.
    """

    value: float
    error: float
    freedom: float

    @property
    def chance(self) -> float:
        """Two-sided probability of such a difference by chance; NaN where the error is 0."""
        from scipy.stats import t

        if not self.error > 0:
            return np.nan
        return float(2 * t.sf(abs(self.value) / self.error, self.freedom))

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """The difference with its t interval, without an effect."""
        if np.isnan(self.value):
            return NOTHING
        return t_interval(self.value, self.error, self.freedom, confidence=confidence)


def contrast(
    values: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Contrast:
    """Mean of one group of answers less that of another, with its error and degrees of freedom.

    Parameters
    ----------
    values, first, second, weights, clusters
        As in `difference`.

    Returns
    -------
    Contrast

    Notes
    -----
    With Sᵢ and Tᵢ the influences on the two means, summed over cluster i, and sᵢ, tᵢ the shares of
    either group's weight that the cluster holds, the variance is Σ(Sᵢ/√(1 − sᵢ) − Tᵢ/√(1 − tᵢ))²:
    the means move together as far as they come from the same customers, and a cluster that draws
    the mean towards itself is given its due, after Bell and McCaffrey (exactly theirs where the
    weights within a cluster are alike). A customer with many answers counts for more than one with
    few, so a group of m clusters tells as much as m* = 1/Σsᵢ² equal ones. The degrees of freedom
    are Satterthwaite's, (V₁ + V₂)²/(V₁²/(m₁* − 1) + V₂²/(m₂* − 1)), never less than 1, and no more
    than those of both groups together: 1/Σpᵢ² − 1, pᵢ the mean of sᵢ and tᵢ weighted by V₁ and V₂.
    So a small group beside a large one has the few degrees of freedom that are its own. Without
    weights and clusters this is Welch's test; where every cluster has one answer in both groups,
    the paired t test.

    References
    ----------
    Satterthwaite, F. E. (1946), Biometrics Bulletin 2, 110-114. Welch, B. L. (1947), Biometrika 34,
    28-35. Bell, R. M. and McCaffrey, D. F. (2002), Survey Methodology 28, 169-181. Kish, L. (1965),
    Survey Sampling, section 11.7. Carter, A. V., Schnepel, K. T. and Steigerwald, D. G. (2017),
    Review of Economics and Statistics 99, 698-709.

    Examples
    --------
    >>> found = contrast([3, 4, 5, 1, 2, 3], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> round(found.freedom, 2), round(found.chance, 4)
    (4.0, 0.0705)
    """
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    answers = np.asarray(values, float)
    weight, own = design_of(len(answers), weights, clusters)
    used = (one | other) & np.isfinite(answers) & (weight > 0)
    one, other, answers, weight = one[used], other[used], answers[used], weight[used]
    if not one.any() or not other.any():
        return Contrast(np.nan, np.nan, np.nan)
    cluster = np.unique(own[used], return_inverse=True)[1]
    sides = [_moved_by(answers, weight, group, cluster) for group in (one, other)]
    value = sides[0].mean - sides[1].mean
    if min(np.count_nonzero(side.held) for side in sides) < 2:
        return Contrast(value, np.nan, np.nan)
    scaled = [side.moved / np.sqrt(1 - side.held) for side in sides]
    spreads = np.array([np.sum(moved**2) for moved in scaled])
    if not spreads.any():
        return Contrast(value, 0.0, float(cluster.max()))
    parts = spreads / spreads.sum()
    both = parts[0] * sides[0].held + parts[1] * sides[1].held
    alone = np.array([clustered.freedom(side.held) for side in sides])
    freedom = min(clustered.freedom(both), 1 / np.sum(parts**2 / alone))
    return Contrast(value, float(np.sqrt(np.sum((scaled[0] - scaled[1]) ** 2))), float(freedom))


class _Side(NamedTuple):
    """A group: its mean, how far each cluster moves it, and the share of it each cluster holds."""

    mean: float
    moved: Array
    held: Array


def _moved_by(
    answers: Array, weight: Array, group: NDArray[np.bool_], cluster: NDArray[np.intp]
) -> _Side:
    of_group = np.where(group, weight, 0.0)
    moved = np.asarray(np.bincount(cluster, influence(answers, of_group)), float)
    held = np.bincount(cluster, of_group) / of_group.sum()
    return _Side(float(np.average(answers, weights=of_group)), moved, held)


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
    cluster = np.unique(np.asarray(clusters), return_inverse=True)[1]
    freedom = int(cluster.max()) + 1 - spent if len(cluster) else 0
    error = _error(np.asarray(moved, float), cluster, spent)
    return t_interval(value, error, freedom, confidence=confidence)


def t_interval(value: float, error: float, freedom: float, *, confidence: float = 0.95) -> Estimate:
    """A figure with the t interval of its standard error, and without an effect.

    Parameters
    ----------
    value, error, freedom : float
        The figure, its standard error and the degrees of freedom of that.
    confidence : float

    Returns
    -------
    Estimate
        Without an interval where the error is not known or no degree of freedom is left.

    Examples
    --------
    >>> [round(part, 3) for part in t_interval(2.0, 0.5, 10)[:3]]
    [2.0, 0.886, 3.114]
    """
    from scipy.stats import t

    check_confidence(confidence)
    reach = float(t.ppf((1 + confidence) / 2, freedom) * error) if freedom > 0 else np.nan
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
        factor = np.asarray(factors, float)
        error = np.sqrt(np.maximum(factor @ self.covariance @ factor, 0.0))
        return t_interval(
            float(factor @ self.values), float(error), self.freedom, confidence=confidence
        )


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
    weight, own = design_of(len(answers), weights, clusters)
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


def design_of(
    answers: int, weights: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[Array, NDArray[np.generic]]:
    """Weights and clusters of so many answers: where none are given all alike, and each alone.

    Examples
    --------
    >>> [part.tolist() for part in design_of(3, None, ["a", "a", "b"])]
    [[1.0, 1.0, 1.0], ['a', 'a', 'b']]
    """
    weight = np.ones(answers) if weights is None else np.asarray(weights, dtype=float)
    return weight, np.arange(answers) if clusters is None else np.asarray(clusters)


def _known(
    values: ArrayLike, weights: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[Array, Array, NDArray[np.intp]]:
    """Answers that count, their weights, and the numbers of their clusters from 0 on."""
    answers = np.asarray(values, dtype=float)
    weight, own = design_of(len(answers), weights, clusters)
    counts = np.isfinite(answers) & (weight > 0)
    number = np.unique(own[counts], return_inverse=True)[1]
    return answers[counts], weight[counts], number


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
