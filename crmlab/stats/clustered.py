"""Shares, rates and means whose units come in clusters, such as the orders of one customer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.stats.intervals import Interval, check_confidence, design_effect, wilson

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A figure with its interval, and by how much clustering raises its variance.

    All four are NaN where there is nothing to estimate from; `low` and `high` alone where there is
    too little for an interval.
    """

    value: float
    low: float
    high: float
    effect: float


NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan)


def share(
    successes: ArrayLike, trials: ArrayLike, *, correlation: float = 0.0, confidence: float = 0.95
) -> Estimate:
    """Share of trials that succeed, with a Wilson interval on the effective number of trials.

    Parameters
    ----------
    successes, trials : array_like of float, shape (clusters,)
    correlation : float
        Intraclass correlation known from elsewhere, as in `design_effect`.
    confidence : float

    Returns
    -------
    Estimate

    Notes
    -----
    Successes and trials are divided by the design effect before the interval is taken. An effect
    seen in few clusters is itself uncertain: for the interval it is multiplied by (t*/t)², the
    quantiles of t with the degrees of freedom of the clusters (`freedom`) and of the trials.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585. Korn, E. L. and Graubard, B. I.
    (1998), Survey Methodology 24, 193-201, on the quantiles.

    Examples
    --------
    >>> [round(part, 3) for part in share([1, 0, 1, 1], [1, 1, 1, 1])]
    [0.75, 0.256, 0.963, 1.333]
    """
    hits, sizes = np.sum(np.asarray(successes, float)), np.sum(np.asarray(trials, float))
    if not sizes > 0:
        return NOTHING
    effect, wide = share_effects(successes, trials, correlation=correlation, confidence=confidence)
    low, high = wilson(hits / wide, sizes / wide, confidence=confidence)
    return Estimate(float(hits / sizes), float(low), float(high), effect)


def share_effects(
    successes: ArrayLike, trials: ArrayLike, *, correlation: float = 0.0, confidence: float = 0.95
) -> tuple[float, float]:
    """The design effect of a share, and by what its interval divides successes and trials.

    Parameters
    ----------
    successes, trials, correlation, confidence
        As in `share`, which has the formulas.

    Returns
    -------
    tuple of float
        The effect, and the effect widened because few clusters show it; at least 1.

    Examples
    --------
    >>> [round(part, 2) for part in share_effects([10, 0, 10], [10, 10, 10])]
    [15.0, 66.39]
    """
    effect = design_effect(successes, trials, correlation=correlation)
    independent = float(np.sum(np.asarray(trials, float))) - 1
    seen = design_effect(successes, trials) * _few(trials, independent, confidence)
    return effect, max(effect, seen)


def weighted_share(
    successes: ArrayLike, weights: ArrayLike, answers: ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Share in a survey with weights, with a Wilson interval on the effective number of answers.

    Parameters
    ----------
    successes, weights : array_like of float, shape (clusters,)
        Weight of a cluster's answers that say yes, and of all its answers.
    answers : array_like of float, shape (clusters,)
        Number of answers.
    confidence : float

    Returns
    -------
    Estimate
        The effect is the number of answers over their effective number.

    Notes
    -----
    The effective number is p(1 − p) over the linearised variance of the weighted share, and no more
    than the number of answers. Where all answers are alike the variance cannot be seen; then it is
    Kish's (Σw)²/Σw² over clusters.

    References
    ----------
    Kish, L. (1965), Survey Sampling, section 11.7. Korn, E. L. and Graubard, B. I. (1998), Survey
    Methodology 24, 193-201.

    Examples
    --------
    >>> [round(part, 3) for part in weighted_share([2, 0, 2, 2], [2, 2, 2, 2], [1, 1, 1, 1])]
    [0.75, 0.256, 0.963, 1.333]
    """
    count = float(np.sum(np.asarray(answers, float)))
    value, error, clusters = _ratio(successes, weights)
    if not clusters:
        return NOTHING
    if error > 0:
        effective = min(count, value * (1 - value) / error**2)
    else:
        weight = np.asarray(weights, float)
        effective = float(np.sum(weight) ** 2 / np.sum(weight**2))
    low, high = wilson(value * effective, effective, confidence=confidence)
    return Estimate(value, float(low), float(high), count / effective)


def mean(totals: ArrayLike, weights: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of weighted answers, with a t interval that allows for clusters.

    Parameters
    ----------
    totals, weights : array_like of float, shape (clusters,)
        Sum of weight times answer, and sum of weight; without weights the sum of the answers and
        their number.
    confidence : float

    Returns
    -------
    Estimate
        Without an effect, which needs the answers one by one. No interval from fewer than two
        clusters.

    Notes
    -----
    The mean Σt/Σw is a ratio; its variance by linearisation over clusters is
    Σ((tᵢ − mean·wᵢ)²/(1 − wᵢ/Σw)) / (Σw)², as in `crmlab.stats.intervals.design_effect`, and its
    degrees of freedom are those of `freedom`.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., equation 3.34. Bell, R. M. and McCaffrey,
    D. F. (2002), Survey Methodology 28, 169-181.

    Examples
    --------
    >>> [round(part, 3) for part in mean([3, 4, 5, 4], [1, 1, 1, 1])[:3]]
    [4.0, 2.701, 5.299]
    """
    from scipy.stats import t

    check_confidence(confidence)
    value, error, clusters = _ratio(totals, weights)
    if clusters < 2:
        return Estimate(value, np.nan, np.nan, np.nan)
    reach = float(t.ppf((1 + confidence) / 2, freedom(weights))) * error
    return Estimate(value, value - reach, value + reach, np.nan)


def rate(
    events: ArrayLike,
    exposure: ArrayLike,
    *,
    overdispersion: float = 0.0,
    confidence: float = 0.95,
) -> Estimate:
    """Events per unit of exposure, with an exact Poisson interval on the effective number.

    Parameters
    ----------
    events, exposure : array_like of float, shape (clusters,)
    overdispersion : float
        How unlike the clusters are, known from elsewhere, as from the function `overdispersion`.
        Few clusters cannot show it; this keeps it from being overlooked.
    confidence : float

    Returns
    -------
    Estimate

    Notes
    -----
    Some customers complain more often than others, so the variance of the rate r = Σx/Σe is larger
    than Poisson's r/Σe. The effect is the larger of 1, of the linearised variance (as in `mean`)
    over Poisson's, and of 1 + overdispersion · r · Σe²/Σe. Events and exposure are divided by it
    before the exact interval is taken, the part seen in these clusters multiplied by (t/z)² as in
    `share`.

    References
    ----------
    Garwood, F. (1936), Biometrika 28, 437-442. McCullagh, P. and Nelder, J. A. (1989), Generalized
    Linear Models, 2nd ed., section 6.2, on overdispersion.

    Examples
    --------
    >>> [round(part, 3) for part in rate([2, 3, 2, 3], [10, 10, 10, 10])]
    [0.25, 0.12, 0.46, 1.0]
    """
    counts, sizes = _exposed(events, exposure)
    if not sizes.sum() > 0:
        return NOTHING
    effect, wide = rate_effects(counts, sizes, overdispersion=overdispersion, confidence=confidence)
    low, high = poisson(counts.sum() / wide, sizes.sum() / wide, confidence=confidence)
    return Estimate(float(counts.sum() / sizes.sum()), float(low), float(high), effect)


def rate_effects(
    events: ArrayLike,
    exposure: ArrayLike,
    *,
    overdispersion: float = 0.0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The design effect of a rate, and by what its interval divides events and exposure.

    Parameters
    ----------
    events, exposure, overdispersion, confidence
        As in `rate`, which has the formulas.

    Returns
    -------
    tuple of float
        The effect, and the effect widened because few clusters show it; at least 1.

    Examples
    --------
    >>> [round(part, 2) for part in rate_effects([0, 9, 0, 7], [10, 10, 10, 10])]
    [5.5, 14.5]
    """
    counts, sizes = _exposed(events, exposure)
    value, error, clusters = _ratio(counts, sizes)
    if not value > 0:
        return 1.0, 1.0
    observed = error**2 * sizes.sum() / value if clusters > 1 else 1.0
    modelled = 1 + overdispersion * value * np.sum(sizes**2) / sizes.sum()
    effect = float(max(1.0, observed, modelled))
    return effect, float(max(effect, observed * _few(sizes, np.inf, confidence)))


def freedom(sizes: ArrayLike) -> float:
    """Degrees of freedom of clusters of unequal size: of so many equal ones, less one.

    Parameters
    ----------
    sizes : array_like of float, shape (clusters,)
        What each counts for, such as its trials; those without any do not count.

    Returns
    -------
    float
        (Σs)²/Σs² − 1, never less than 1; NaN of fewer than two clusters.

    References
    ----------
    Kish, L. (1965), Survey Sampling, section 11.7. Carter, A. V., Schnepel, K. T. and Steigerwald,
    D. G. (2017), Review of Economics and Statistics 99, 698-709.

    Examples
    --------
    >>> freedom([5, 5, 5, 5]), round(freedom([20, 1, 1, 1]), 2)
    (3.0, 1.0)
    """
    weights = np.asarray(sizes, float)
    weights = weights[weights > 0]
    if len(weights) < 2:
        return np.nan
    return max(1.0, float(weights.sum() ** 2 / np.sum(weights**2)) - 1)


def _few(sizes: ArrayLike, independent: float, confidence: float) -> float:
    """How much wider, squared, an interval is as few clusters show how far they lie apart."""
    from scipy.special import stdtrit  # the quantiles of t; scipy.stats takes a second to import

    own = freedom(sizes)
    if not own < independent:
        return 1.0
    tail = (1 + confidence) / 2
    return float((stdtrit(own, tail) / stdtrit(independent, tail)) ** 2)


def poisson(events: ArrayLike, exposure: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Exact interval of the rate of a Poisson count, or of each of several.

    Parameters
    ----------
    events : array_like of float
        A count, or an effective count.
    exposure : array_like of float
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Garwood, F. (1936), Biometrika 28, 437-442.

    Examples
    --------
    >>> low, high = poisson(10, 1)
    >>> round(float(low), 3), round(float(high), 3)
    (4.795, 18.39)
    """
    from scipy.stats import chi2

    check_confidence(confidence)
    tail = (1 - confidence) / 2
    count, size = np.asarray(events, float), np.asarray(exposure, float)
    some = count > 0
    low = np.where(some, chi2.ppf(tail, np.where(some, 2 * count, 1)) / 2, 0)
    high = chi2.ppf(1 - tail, 2 * count + 2) / 2
    return Interval((low / size)[()], (high / size)[()])


def overdispersion(events: ArrayLike, exposure: ArrayLike, groups: ArrayLike) -> float:
    """How unlike the clusters of a group are in their rates, beyond chance.

    Parameters
    ----------
    events, exposure : array_like of float, shape (clusters,)
    groups : array_like, shape (clusters,)

    Returns
    -------
    float
        The φ of Var(x) = μ + φμ², by moments within the groups; at least 0.

    Examples
    --------
    >>> overdispersion([0, 0, 8, 8], [10, 10, 10, 10], ["a", "a", "a", "a"])
    0.75
    """
    some = np.asarray(exposure, float) > 0
    counts, sizes = _exposed(events, exposure)
    if not len(sizes):
        return 0.0
    label = np.unique(np.asarray(groups)[some], return_inverse=True)[1]
    of_group = np.bincount(label, counts) / np.bincount(label, sizes)
    expected = of_group[label] * sizes
    if not expected.sum() > 0:
        return 0.0
    beyond = np.sum((counts - expected) ** 2 - expected)
    return float(max(0.0, beyond / np.sum(expected**2)))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Difference of two independent estimates, with an interval made of their intervals.

    Parameters
    ----------
    one, other : Estimate
        With intervals of one confidence, which is also that of the difference.

    Returns
    -------
    Estimate
        `one` less `other`, without an effect.

    Notes
    -----
    With d the difference, the ends are d − √((v₁ − l₁)² + (u₂ − v₂)²) and
    d + √((u₁ − v₁)² + (v₂ − l₂)²). That two intervals overlap does not mean that the two figures do
    not differ; this interval says whether they do.

    References
    ----------
    Newcombe, R. G. (1998), Statistics in Medicine 17, 873-890, method 10. Zou, G. Y. and Donner, A.
    (2008), Statistics in Medicine 27, 1693-1702.

    Examples
    --------
    >>> part = difference(share([56], [70]), share([48], [80]))
    >>> [round(value, 4) for value in part[:3]]
    [0.2, 0.0524, 0.3339]
    """
    apart = one.value - other.value
    below = np.hypot(one.value - one.low, other.high - other.value)
    above = np.hypot(one.high - one.value, other.value - other.low)
    return Estimate(apart, float(apart - below), float(apart + above), np.nan)


def wald_chance(values: ArrayLike, covariance: ArrayLike, freedom: int) -> float:
    """Probability, by an F test, of estimates so far from 0 by chance, all of them together.

    Parameters
    ----------
    values : array_like of float, shape (values,)
    covariance : array_like of float, shape (values, values)
        Over clusters.
    freedom : int
        Clusters less one.

    Returns
    -------
    float
        NaN if there are no values or no fewer than clusters, or the covariance has no inverse.

    Notes
    -----
    With q values, m clusters and covariance V, v'V⁻¹v / q · (m − q)/(m − 1) is held against F with
    q and m − q degrees of freedom (Hotelling's T²).

    Examples
    --------
    >>> round(wald_chance([2.0], [[1.0]], 30), 4)
    0.0546
    """
    from scipy.stats import f

    found = np.asarray(values, float)
    many = len(found)
    left = freedom - many + 1
    if not many or left < 1:
        return np.nan
    try:
        wald = float(found @ np.linalg.solve(np.asarray(covariance, float), found))
    except np.linalg.LinAlgError:
        return np.nan
    return float(f.sf(wald / many * left / freedom, many, left))


def _ratio(totals: ArrayLike, sizes: ArrayLike) -> tuple[float, float, int]:
    """Ratio of two sums over clusters, its standard error, and the number of clusters."""
    counts, weights = _exposed(totals, sizes)
    clusters = len(weights)
    if not clusters:
        return np.nan, np.nan, 0
    value = counts.sum() / weights.sum()
    if clusters < 2:
        return float(value), 0.0, clusters
    spread = np.sum((counts - value * weights) ** 2 / (1 - weights / weights.sum()))
    return float(value), float(np.sqrt(spread) / weights.sum()), clusters


def _exposed(totals: ArrayLike, sizes: ArrayLike) -> tuple[Array, Array]:
    """The clusters that have a size; what happens in one without is left out."""
    counts, weights = np.asarray(totals, dtype=float), np.asarray(sizes, dtype=float)
    some = weights > 0
    return counts[some], weights[some]
