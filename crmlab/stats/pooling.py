"""Partial pooling: what is known of one customer, who has few counts, with the help of the others.

For customers counted before and after a change, of whom some were exposed to it and others not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Logs of ratios at which likelihoods are added up.
LOGS = np.arange(-8, 8.001, 0.05)
#: Standard deviations at which the likelihood is computed; between them it is interpolated.
SPREADS = np.concatenate([[0.05], np.geomspace(0.1, 4, 22)])
#: Standard deviations between customers that are considered.
OWN = np.arange(0, 3.001, 0.01)
#: Every so manieth of them counts where deviations are averaged.
EVERY = 5
#: Twice the log-likelihood may fall by this much within a 95 % interval.
FALLS = 3.841
#: Steps of Newton's method for a mean.
STEPS = 25


class Pooled(NamedTuple):
    """How customers differ in what a change did, and what is known of each.

    Attributes
    ----------
    spread, low, high : float
        Standard deviation, between customers of a group, of the log ratio that the change brought
        about: most likely value and 95 % interval.
    noise : float
        Standard deviation of the log ratio of after to before for whatever other reason, as in
        customers who were not exposed.
    deviation, variance : numpy.ndarray, shape (customers,)
        Of each customer's log ratio from the mean of the group: mean and variance given all counts.
        Of a customer who was not exposed the deviation is 0, and the variance that between
        customers.
    """

    spread: float
    low: float
    high: float
    noise: float
    deviation: Array
    variance: Array


def pooled_changes(
    before: ArrayLike,
    after: ArrayLike,
    expected: ArrayLike,
    exposed: ArrayLike,
    groups: ArrayLike,
) -> Pooled:
    """What a change did to each customer's counts, as far as its own and the others' counts tell.

    Parameters
    ----------
    before, after : array_like of float, shape (customers,)
        Counts.
    expected : array_like of float, shape (customers,)
        Log of the ratio of after to before that length of time and season alone would give.
    exposed : array_like of bool, shape (customers,)
        Whether the change came upon the customer.
    groups : array_like, shape (customers,)
        Each group has a mean of its own.

    Returns
    -------
    Pooled

    Raises
    ------
    NotEnoughData
        If there are fewer than two exposed or two other customers with counts.

    Notes
    -----
    Given both counts together, n = before + after, the later one is binomial with log-odds
    expected + z. For customers who were not exposed z is normal with a mean for each group and
    variance ω²: orders come and go, and customers leave, for reasons of their own. For those who
    were it is normal with another mean and variance ω² + τ²; τ is by how much the answer to the
    change differs between customers of a group. Both likelihoods are added up over z on a grid (no
    count of zero needs a correction), the means are those of the greatest likelihood at every ω and
    τ, and so is ω at every τ. The interval of τ is that of the likelihood ratio.

    Of a customer's z − mean the part τ²/(ω² + τ²) is put down to the change. Deviation and variance
    are their means over τ, all values equally likely beforehand and ω at its best: so what is not
    known of τ is in the variance too.

    References
    ----------
    Efron, B. and Morris, C. (1975), Journal of the American Statistical Association 70, 311-319.
    Gelman, A. (2006), Bayesian Analysis 1, 515-534, on the flat prior of a standard deviation.

    Examples
    --------
    >>> found = pooled_changes([20] * 12, [20] * 6 + [10] * 6, [0.0] * 12, [False] * 6 + [True] * 6,
    ...     ["all"] * 12)
    >>> found.spread, found.low, bool(np.abs(found.deviation).max() < 0.01)
    (0.0, 0.0, True)
    """
    first, second = np.asarray(before, float), np.asarray(after, float)
    offset, open_to = np.asarray(expected, float), np.asarray(exposed, bool)
    if not np.isfinite(np.concatenate([first, second, offset])).all():
        raise CrmlabError(_("Counts before and after must be given, and what is expected too."))
    known = first + second > 0
    if min((known & open_to).sum(), (known & ~open_to).sum()) < 2:
        raise NotEnoughData(
            _(
                "Pooling needs two customers at least with counts who were exposed to the change, "
                "and two who were not."
            )
        )
    code = np.unique(np.asarray(groups), return_inverse=True)[1]
    cells = code * 2 + open_to
    likelihood, highest = _likelihoods(first, second, offset)
    means, logs = _profiles(likelihood, highest, cells, known)
    side = [logs[cell_side::2].sum(axis=0) for cell_side in (0, 1)]
    noise, profile = _over_spread(side[0], side[1])
    some = slice(None, None, EVERY)
    deviation, variance = _deviations(
        likelihood, cells, open_to, means, (OWN[some], noise[some], profile[some])
    )
    best = int(profile.argmax())
    inside = np.flatnonzero(2 * (profile[best] - profile) <= FALLS)
    return Pooled(
        float(OWN[best]),
        float(OWN[inside[0]]),
        float(OWN[inside[-1]]),
        float(noise[best]),
        deviation,
        variance,
    )


def _likelihoods(first: Array, second: Array, offset: Array) -> tuple[Array, Array]:
    """Likelihood of each customer's counts at each log ratio, over its highest, and that one."""
    odds = offset[:, None] + LOGS
    logs = second[:, None] * odds - (first + second)[:, None] * np.logaddexp(0, odds)
    highest = logs.max(axis=1)
    return np.exp(logs - highest[:, None]), highest


def _profiles(
    likelihood: Array, highest: Array, cells: NDArray[np.intp], known: Flags
) -> tuple[Array, Array]:
    """Best mean and its log-likelihood: cells × spreads; 0 for a cell without customers."""
    count = int(cells.max()) + 2 - int(cells.max()) % 2
    means, logs = np.zeros((count, len(SPREADS))), np.zeros((count, len(SPREADS)))
    for cell in range(count):
        rows = known & (cells == cell)
        if not rows.any():
            continue
        mean = 0.0
        for place, spread in enumerate(SPREADS):
            mean, log = _best_mean(likelihood[rows], spread, mean)
            means[cell, place], logs[cell, place] = mean, log + highest[rows].sum()
    return means, logs


def _best_mean(likelihood: Array, spread: float, mean: float) -> tuple[float, float]:
    """Mean of the greatest likelihood, by Newton's steps; and the log-likelihood."""
    for _step in range(STEPS):
        _marginal, middle, variance = _moments(likelihood, mean, spread)
        slope = float((middle - mean).sum()) / spread**2
        bend = float((variance / spread**2 - 1).sum()) / spread**2
        step = -slope / bend if bend < 0 else float(np.mean(middle)) - mean
        mean = float(np.clip(mean + np.clip(step, -1, 1), LOGS[0] + 1, LOGS[-1] - 1))
        if abs(step) < 1e-6:
            break
    return mean, float(np.log(_moments(likelihood, mean, spread)[0]).sum())


def _moments(likelihood: Array, mean: float, spread: float) -> tuple[Array, Array, Array]:
    """Marginal likelihood of each customer, and mean and variance of its log ratio."""
    prior = np.exp(-0.5 * ((LOGS - mean) / spread) ** 2)
    prior /= prior.sum()
    marginal, once, twice = (likelihood @ np.column_stack([prior, prior * LOGS, prior * LOGS**2])).T
    marginal = np.maximum(marginal, 1e-300)
    middle = once / marginal
    return marginal, middle, np.maximum(twice / marginal - middle**2, 0)


def _over_spread(others: Array, exposed: Array) -> tuple[Array, Array]:
    """At each spread between customers: the noise that fits best, and the log-likelihood."""
    from scipy.interpolate import CubicSpline

    plain = CubicSpline(np.log(SPREADS), others)
    wider = CubicSpline(np.log(SPREADS), exposed)
    noise = np.geomspace(SPREADS[0], SPREADS[-1], 300)
    both = np.minimum(np.hypot(noise[None, :], OWN[:, None]), SPREADS[-1])
    logs = plain(np.log(noise))[None, :] + wider(np.log(both))
    best = logs.argmax(axis=1)
    return noise[best], logs[np.arange(len(OWN)), best]


def _deviations(
    likelihood: Array,
    cells: NDArray[np.intp],
    exposed: Flags,
    means: Array,
    spreads: tuple[Array, Array, Array],
) -> tuple[Array, Array]:
    """Mean and variance of each customer's deviation, over what the spread may be.

    `spreads`: between customers, the noise that goes best with it, and the log-likelihood.
    """
    between, noise, profile = spreads
    weights = np.exp(profile - profile.max())
    weights = np.where(weights > 1e-3, weights, 0) / weights[weights > 1e-3].sum()
    total, square = np.zeros(len(cells)), np.zeros(len(cells))
    for own, quiet, weight in zip(between, noise, weights, strict=True):
        if not weight:
            continue
        spread = min(float(np.hypot(own, quiet)), SPREADS[-1])
        part = own**2 / spread**2
        value, variance = np.zeros(len(cells)), np.full(len(cells), own**2)
        for cell in np.unique(cells[exposed]):
            rows = cells == cell
            mean = float(np.interp(spread, SPREADS, means[cell]))
            _marginal, middle, own_variance = _moments(likelihood[rows], mean, spread)
            value[rows] = part * (middle - mean)
            variance[rows] = own**2 * (1 - part) + part**2 * own_variance
        total += weight * value
        square += weight * (variance + value**2)
    return total, square - total**2
