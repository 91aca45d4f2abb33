"""Matching units with a treatment to units without it that are alike beforehand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.weighted import t_interval

Array = NDArray[np.float64]

#: Errors below this are what rounding leaves.
ROUNDING = 1e-12


def coarsened_exact(treated: ArrayLike, characteristics: pd.DataFrame) -> Array:
    """Match units that agree in all characteristics, coarsened beforehand.

    Parameters
    ----------
    treated : array_like of bool, shape (units,)
    characteristics : pandas.DataFrame, shape (units, characteristics)
        Categories; a missing one is a category of its own. What is continuous must have been cut
        into classes.

    Returns
    -------
    numpy.ndarray, shape (units,)
        Weights: 1 for a treated unit that has a match, for the others of its stratum the treated
        over the untreated; 0 for units without a match.

    Notes
    -----
    In a stratum with T treated and C untreated units, both at least 1, the treated have the weight
    1 and the others T/C, so that the weighted untreated have the treated's shares of all strata;
    the comparison is of the treated that are matched (Iacus, King and Porro multiply by a constant
    more, which changes no mean).

    References
    ----------
    Iacus, S. M., King, G. and Porro, G. (2012), Political Analysis 20, 1-24.

    Examples
    --------
    >>> tiers = pd.DataFrame({"tier": ["a", "a", "a", "b", "c"]})
    >>> coarsened_exact([True, False, False, True, False], tiers).tolist()
    [1.0, 0.5, 0.5, 0.0, 0.0]
    """
    flags = np.asarray(treated, bool)
    stratum = np.zeros(len(flags), np.intp)
    for name in characteristics:
        codes, values = pd.factorize(characteristics[name], use_na_sentinel=False)
        stratum = np.unique(stratum * len(values) + codes, return_inverse=True)[1]
    many = int(stratum.max()) + 1 if len(stratum) else 0
    treated_of = np.bincount(stratum, flags, minlength=many)
    others_of = np.bincount(stratum, ~flags, minlength=many)
    both = (treated_of > 0) & (others_of > 0)
    ratio = np.divide(treated_of, others_of, out=np.zeros(many), where=both)
    return np.asarray(np.where(flags, both[stratum], ratio[stratum]), float)


class Comparison(NamedTuple):
    """An outcome of treated units against that of the units matched to them.

    Attributes
    ----------
    treated, others : float
        The weighted means.
    difference, ratio : crmlab.stats.clustered.Estimate
        Of the first to the second, with t intervals; without an effect.
    """

    treated: float
    others: float
    difference: Estimate
    ratio: Estimate


def compared(
    values: ArrayLike,
    treated: ArrayLike,
    weights: ArrayLike,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Mean outcome of the treated and of the untreated matched to them.

    Parameters
    ----------
    values : array_like of float, shape (units,)
    treated : array_like of bool, shape (units,)
    weights : array_like of float, shape (units,)
        As from `coarsened_exact`; units of weight 0 do not count. Ones compare all with all.
    clusters : array_like, shape (units,)
        Such as the customer, who may have units of both kinds.
    confidence : float

    Returns
    -------
    Comparison
        Without intervals where either side has fewer than two clusters, or neither varies at all:
        that is not to say that it is known without an error. Without a ratio where either mean is
        not above 0.

    Raises
    ------
    NotEnoughData
        If one side has no unit.

    Notes
    -----
    The weights are taken as given. With Sᵢ and Tᵢ the influences on the two means, summed over the
    units of cluster i, the variance of the difference is m/(m − 1) Σ(Sᵢ − Tᵢ)², that of the log of
    the ratio the same with Sᵢ and Tᵢ over their means. What strata explain of the outcome is not
    taken off, so that the intervals are rather too wide than too narrow.

    References
    ----------
    Deville, J.-C. (1999), Survey Methodology 25, 193-203, on influences. Stuart, E. A. (2010),
    Statistical Science 25, 1-21, section 5, on weights of a matching in the analysis.

    Examples
    --------
    >>> found = compared([1, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [1, 2, 3, 4])
    >>> found.treated, found.others
    (0.5, 1.0)
    """
    value, flags = np.asarray(values, float), np.asarray(treated, bool)
    weight = np.asarray(weights, float)
    own = weight > 0
    if not (flags & own).any() or not (~flags & own).any():
        raise NotEnoughData(_("There is nobody to compare with: one of the two sides is empty."))
    value, flags, weight = value[own], flags[own], weight[own]
    cluster = np.unique(np.asarray(clusters)[own], return_inverse=True)[1]
    means: list[float] = []
    sums: list[Array] = []
    sides: list[int] = []
    for side in (flags, ~flags):
        share = np.where(side, weight, 0.0) / weight[side].sum()
        mean = float(share @ value)
        means.append(mean)
        sums.append(np.asarray(np.bincount(cluster, share * (value - mean)), float))
        sides.append(len(np.unique(cluster[side])))
    freedom = min(sides) - 1
    apart = t_interval(
        means[0] - means[1], _error(sums[0] - sums[1]), freedom, confidence=confidence
    )
    return Comparison(means[0], means[1], apart, _ratio(means, sums, freedom, confidence))


def _error(moved: Array) -> float:
    """Standard error from what each cluster moves; NaN where nothing varies at all."""
    many = len(moved)
    error = float(np.sqrt(many / (many - 1) * np.sum(moved**2))) if many > 1 else np.nan
    return error if error > ROUNDING else np.nan


def _ratio(means: list[float], sums: list[Array], freedom: int, confidence: float) -> Estimate:
    if min(means) <= 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    error = _error(sums[0] / means[0] - sums[1] / means[1])
    found = t_interval(float(np.log(means[0] / means[1])), error, freedom, confidence=confidence)
    value, low, high = np.exp(found[:3])
    return Estimate(float(value), float(low), float(high), np.nan)


def standardised_difference(
    values: ArrayLike, treated: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """How far the treated differ from the others, in standard deviations.

    Parameters
    ----------
    values : array_like of float, shape (units,)
    treated : array_like of bool, shape (units,)
    weights : array_like of float, shape (units,), optional
        As from `coarsened_exact`, to see what is left after matching.

    Returns
    -------
    float
        NaN where one side is empty; 0 where nothing differs and nothing varies.

    Notes
    -----
    (Mean of the treated − mean of the others)/√((s₁² + s₀²)/2); the deviations s are those before
    matching in either case, so that before and after can be compared. Below 0.1 is commonly called
    balanced.

    References
    ----------
    Austin, P. C. (2009), Statistics in Medicine 28, 3083-3107. Stuart, E. A. (2010), Statistical
    Science 25, 1-21.

    Examples
    --------
    >>> round(standardised_difference([1, 2, 3, 2, 3, 4], [0, 0, 0, 1, 1, 1]), 3)
    1.0
    """
    value, flags = np.asarray(values, float), np.asarray(treated, bool)
    weight = np.ones(len(value)) if weights is None else np.asarray(weights, float)
    if not weight[flags].sum() > 0 or not weight[~flags].sum() > 0:
        return np.nan
    apart = np.average(value[flags], weights=weight[flags]) - np.average(
        value[~flags], weights=weight[~flags]
    )
    spreads = [np.var(value[side], ddof=1) if side.sum() > 1 else 0.0 for side in (flags, ~flags)]
    spread = float(np.sqrt(np.mean(spreads)))
    if spread > 0:
        return float(apart / spread)
    return 0.0 if abs(apart) < 1e-12 else np.nan


def change_apart(
    before: ArrayLike,
    after: ArrayLike,
    treated: ArrayLike,
    weights: ArrayLike,
    clusters: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """How a total changed among the treated against that of the untreated matched to them.

    Parameters
    ----------
    before, after : array_like of float, shape (units,)
        Counts or amounts of two spells.
    treated, weights, clusters : array_like, shape (units,)
        As in `compared`.
    groups : array_like, shape (units,), optional
        Such as the event: the treated of each are held against the untreated of the same. Groups
        whose untreated have no total before do not count.
    confidence : float

    Returns
    -------
    Estimate
        After over expected, less 1, as a share, without an effect. NaN where either is not above 0;
        without an interval where either side has fewer than two clusters.

    Notes
    -----
    With weighted totals A₁ after and B₁ before of the treated of a group, A₀ and B₀ of the others,
    expected is the sum over groups of B₁A₀/B₀: the treated, had they moved by the same factor as
    the others of their group. Summing before dividing would take a season for an effect where the
    treated of one group are busier. The log of the ratio is linearised over clusters; a t interval
    with the clusters of the smaller side less one is taken of it. With a single group it is the
    interaction in a Poisson regression of both spells on treatment and spell.

    References
    ----------
    Wooldridge, J. M. (2023), Econometrics Journal 26, C31-C66, on differences in differences that
    multiply. Deville, J.-C. (1999), Survey Methodology 25, 193-203, on influences.

    Examples
    --------
    >>> found = change_apart([2, 2, 4, 4], [3, 3, 5, 3], [1, 1, 0, 0], [1, 1, 1, 1], [1, 2, 3, 4])
    >>> round(found.value, 3)
    0.5
    """
    flags, weight = np.asarray(treated, bool), np.asarray(weights, float)
    first, second = (weight * np.asarray(spell, float) for spell in (before, after))
    group = np.zeros(len(flags), np.intp) if groups is None else pd.factorize(np.asarray(groups))[0]
    totals = np.bincount(group, first * ~flags)
    own = (weight > 0) & (totals[group] > 0)
    flags, first, second, group = flags[own], first[own], second[own], group[own]
    many = len(totals)
    factor, usual = np.zeros(many), np.bincount(group, first * flags, minlength=many)
    np.divide(
        np.bincount(group, second * ~flags, minlength=many), totals, out=factor, where=totals > 0
    )
    expected, found = float(usual @ factor), float(second[flags].sum())
    if min(expected, found) <= 0:
        return NOTHING
    of_treated = second / found - factor[group] * first / expected
    of_others = -usual[group] / totals[group] * (second - factor[group] * first) / expected
    cluster = np.unique(np.asarray(clusters)[own], return_inverse=True)[1]
    error = _error(np.asarray(np.bincount(cluster, np.where(flags, of_treated, of_others)), float))
    freedom = min(len(np.unique(cluster[side])) for side in (flags, ~flags)) - 1
    ratio = t_interval(float(np.log(found / expected)), error, freedom, confidence=confidence)
    value, low, high = np.expm1(ratio[:3])
    return Estimate(float(value), float(low), float(high), np.nan)
