"""How much of R² each driver of a regression brings, when drivers overlap."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.stats.intervals import times_drawn

Array = NDArray[np.float64]

#: With more drivers than this R² is shared out over orders drawn at random.
EXACT = 20
#: Orders drawn at random, in pairs of an order and its reverse.
ORDERS = 2000
#: With more drivers than this a bootstrap takes too long.
BOOTSTRAPPED = 12
#: A driver of which less than this is left, the drivers before it taken off, brings nothing.
NOTHING_LEFT = 1e-9
#: Matrices are worked on together as long as their cells are no more than this.
CELLS = 4_000_000


class Importance(NamedTuple):
    """R² shared out among the drivers.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per driver: lmg (its share, on average over all orders of the drivers), first (its
        squared correlation with the outcome), last (what R² loses without it), betasq (its squared
        standardised coefficient), error (standard error of lmg that comes from drawing the orders;
        0 where all of them count).
    r_squared : float
        Of the regression on all drivers; the sum of lmg.
    """

    table: pd.DataFrame
    r_squared: float


def lmg(
    x: ArrayLike | pd.DataFrame,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    orders: int = ORDERS,
    seed: int = 0,
) -> Importance:
    """How much of R² each driver brings: the mean of what it adds over all orders of the drivers.

    Parameters
    ----------
    x : pandas.DataFrame or array_like of float, shape (cases, drivers)
    y : array_like of float, shape (cases,)
        The outcome.
    weights : array_like of float, shape (cases,), optional
    orders : int
        Orders drawn where there are more than 20 drivers.
    seed : int
        Of that draw.

    Returns
    -------
    Importance

    Raises
    ------
    NotEnoughData
        If there are fewer than three cases, or a driver or the outcome is the same in all.

    Notes
    -----
    With R²(S) of the regression on the drivers S, driver j of p is given the mean over all p!
    orders of R²(S and j) − R²(S), S being the drivers before j: its Shapley value. Equivalently
    Σ_S |S|!(p − |S| − 1)!/p! · (R²(S and j) − R²(S)) over the sets S without j. All 2^p sets are
    gone through, at each step splitting those with the next driver from those without it, whose
    variances and covariances are adjusted by one step of elimination.

    A driver that is a sum of others adds nothing after them. Cases with a missing value must be
    left out before.

    References
    ----------
    Lindeman, R. H., Merenda, P. F. and Gold, R. Z. (1980), Introduction to Bivariate and
    Multivariate Analysis, p. 119-127. Grömping, U. (2006), Journal of Statistical Software 17(1),
    on lmg, first, last and betasq. Castro, J., Gómez, D. and Tejada, J. (2009), Computers &
    Operations Research 36, 1726-1730, on drawing the orders.

    Examples
    --------
    Two drivers that go with the outcome alike, and with each other:

    >>> x = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6], "b": [2, 1, 4, 3, 6, 5]})
    >>> found = lmg(x, [2, 2, 3, 5, 6, 6])
    >>> found.table["lmg"].round(3).tolist(), round(found.r_squared, 3)
    ([0.565, 0.361], 0.926)
    """
    names = list(x.columns) if isinstance(x, pd.DataFrame) else None
    columns = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    together = correlations(sums(columns, weights))[0]
    if not np.isfinite(together).all():
        raise NotEnoughData(
            _(
                "Importance needs at least 3 cases, and drivers and an outcome that differ between "
                "them."
            )
        )
    drivers = len(together) - 1
    if drivers <= EXACT:
        shares, errors = shares_of(together[None])[0], np.zeros(drivers)
    else:
        shares, errors = _sampled(together, orders, np.random.default_rng(seed))
    table = pd.DataFrame({"lmg": shares, **_contrasts(together), "error": errors}, index=names)
    return Importance(table, float(shares.sum()))


def sums(columns: Array, weights: ArrayLike | None = None) -> Array:
    """What the correlations of columns are made of: Σw, Σwz and Σwzz' as one symmetric matrix.

    Parameters
    ----------
    columns : numpy.ndarray, shape (cases, columns)
    weights : array_like of float, shape (cases,), optional

    Returns
    -------
    numpy.ndarray, shape (1, columns + 1, columns + 1)
        Row and column 0 belong to a column of ones.

    Raises
    ------
    NotEnoughData
        If there are fewer than three cases.
    """
    if len(columns) < 3:
        raise NotEnoughData(
            _("Importance needs at least 3 cases; there are {count}.").format(count=len(columns))
        )
    weight = np.ones(len(columns)) if weights is None else np.asarray(weights, float)
    ones = np.column_stack([np.ones(len(columns)), columns])
    return np.asarray((ones * weight[:, None]).T @ ones)[None]


def resampled(
    columns: Array, weights: ArrayLike, clusters: ArrayLike, *, resamples: int = 999, seed: int = 0
) -> Array:
    """`sums` of cases whose clusters are drawn again and again, with replacement.

    Parameters
    ----------
    columns : numpy.ndarray, shape (cases, columns)
    weights : array_like of float, shape (cases,)
    clusters : array_like of int, shape (cases,)
        Such as the number of the customer: all cases of a cluster are drawn together.
    resamples, seed : int

    Returns
    -------
    numpy.ndarray, shape (resamples, columns + 1, columns + 1)

    Notes
    -----
    The sums of each cluster are made once; a draw adds them up as often as the cluster is drawn.
    """
    ones = np.column_stack([np.ones(len(columns)), columns])
    size = ones.shape[1]
    upper = np.triu_indices(size)
    products = ones[:, upper[0]] * ones[:, upper[1]] * np.asarray(weights, float)[:, None]
    found = drawn_sums(products, clusters, resamples=resamples, seed=seed)
    drawn = np.empty((resamples, size, size))
    drawn[:, upper[0], upper[1]] = found
    drawn[:, upper[1], upper[0]] = found
    return drawn


def drawn_sums(
    columns: Array, clusters: ArrayLike, *, resamples: int = 999, seed: int = 0
) -> Array:
    """Sums of columns over cases whose clusters are drawn again and again, with replacement.

    Parameters
    ----------
    columns : numpy.ndarray, shape (cases, columns)
    clusters : array_like of int, shape (cases,)
    resamples, seed : int
        The same clusters and seed give the same draws, whatever the columns.

    Returns
    -------
    numpy.ndarray, shape (resamples, columns)

    Examples
    --------
    >>> drawn_sums(np.array([[1.0], [2], [4]]), [0, 0, 1], resamples=4).ravel().tolist()
    [8.0, 7.0, 6.0, 6.0]
    """
    cluster = np.unique(np.asarray(clusters), return_inverse=True)[1]
    units = int(cluster.max()) + 1
    of_cluster = np.column_stack([np.bincount(cluster, column) for column in columns.T])
    random = np.random.default_rng(seed)
    found = np.empty((resamples, columns.shape[1]))
    for some in np.array_split(found, math.ceil(resamples * units / CELLS)):
        some[:] = times_drawn(len(some), units, random) @ of_cluster
    return found


def correlations(totals: Array) -> Array:
    """Correlations of the columns, from `sums` or `resampled`.

    Parameters
    ----------
    totals : numpy.ndarray, shape (draws, columns + 1, columns + 1)

    Returns
    -------
    numpy.ndarray, shape (draws, columns, columns)
        NaN where a column does not differ.
    """
    spread = covariances(totals)
    variance = np.diagonal(spread, axis1=1, axis2=2)
    # What the last digits leave of a column that is all the same is not a variance.
    square = np.diagonal(totals, axis1=1, axis2=2)[:, 1:] / totals[:, :1, 0]
    scale = np.sqrt(np.where(variance > 1e-12 * square, variance, np.nan))
    return np.asarray(spread / scale[:, :, None] / scale[:, None, :])


def covariances(totals: Array) -> Array:
    """Covariances of the columns, from `sums` or `resampled`; the weights divide by their sum."""
    means = totals[:, 0, 1:] / totals[:, :1, 0]
    return np.asarray(totals[:, 1:, 1:] / totals[:, :1, :1] - means[:, :, None] * means[:, None, :])


def shares_of(together: Array) -> Array:
    """Each driver's share of R², from correlations of which the last column is the outcome.

    Parameters
    ----------
    together : numpy.ndarray, shape (draws, drivers + 1, drivers + 1)

    Returns
    -------
    numpy.ndarray, shape (draws, drivers)
        They sum to R²; NaN where a correlation is.

    Raises
    ------
    CrmlabError
        If there are more than 20 drivers.
    """
    drivers = together.shape[1] - 1
    if drivers > EXACT:
        raise CrmlabError(
            _("All sets of drivers are gone through up to {most}; these are {count}.").format(
                most=EXACT, count=drivers
            )
        )
    cells = 2**drivers * 4 * len(together)
    parts = np.array_split(together, max(1, math.ceil(cells / CELLS)))
    return np.concatenate([_shapley(_explained(part)) for part in parts if len(part)])


def _explained(together: Array) -> Array:
    """R² of every set of drivers, shape (draws, 2^drivers): driver j is in set s where bit j is.

    The matrices hold what is left of the drivers still to come and of the outcome.
    """
    left = together[:, None]
    while left.shape[-1] > 1:
        row, pivot = left[..., 0, 1:], left[..., 0, 0]
        rest = left[..., 1:, 1:]
        per = np.where(pivot > NOTHING_LEFT, 1 / np.where(pivot > NOTHING_LEFT, pivot, 1.0), 0.0)
        taken = rest - row[..., :, None] * row[..., None, :] * per[..., None, None]
        left = np.concatenate([rest, taken], axis=1)
    return np.asarray(1 - left[..., 0, 0])


def _shapley(explained: Array) -> Array:
    draws, sets = explained.shape
    drivers = sets.bit_length() - 1
    members = np.zeros(1, np.int64)
    for _driver in range(drivers):
        members = np.concatenate([members, members + 1])
    # |S|!(p − |S| − 1)!/p! is the chance that S stands before j, were the order random.
    before = np.array([1 / (drivers * math.comb(drivers - 1, size)) for size in range(drivers)])
    without = np.append(before, 0.0)[members]
    within = np.append(0.0, before)[members]
    base = explained @ without
    both = explained * (without + within)
    shares = np.empty((draws, drivers))
    for driver in range(drivers):
        # The sets with this driver are every second block of 2^driver sets.
        blocks = both.reshape(draws, -1, 2, 2**driver)[:, :, 1]
        shares[:, driver] = blocks.sum(axis=(1, 2)) - base
    return shares


def _sampled(together: Array, orders: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Shares over orders drawn at random, each with its reverse, and their standard errors."""
    drivers = len(together) - 1
    pairs = max(2, orders // 2)
    forth = np.argsort(random.random((pairs, drivers)), axis=1, kind="stable")
    added = [_added(together, order) for order in (forth, forth[:, ::-1])]
    each = (added[0] + added[1]) / 2
    return each.mean(axis=0), each.std(axis=0, ddof=1) / math.sqrt(pairs)


def _added(together: Array, order: NDArray[np.intp]) -> Array:
    """What each driver adds to R² in each of the orders; a row per order, a column per driver."""
    drivers = order.shape[1]
    outcome = np.full((len(order), 1), drivers)
    places = np.hstack([order, outcome])
    added = np.empty(order.shape)
    for some in np.array_split(np.arange(len(order)), max(1, len(order) * drivers**2 // CELLS)):
        left = together[places[some][:, :, None], places[some][:, None, :]]
        for step in range(drivers):
            row, pivot = left[:, 0, 1:], left[:, 0, 0]
            per = np.where(pivot > NOTHING_LEFT, 1 / np.maximum(pivot, NOTHING_LEFT), 0.0)
            added[some, order[some, step]] = row[:, -1] ** 2 * per
            left = left[:, 1:, 1:] - row[:, :, None] * row[:, None, :] * per[:, None, None]
    return added


def _contrasts(together: Array) -> dict[str, Array]:
    """What is said of a driver alone, after all others, and by its coefficient."""
    among, outcome = together[:-1, :-1], together[:-1, -1]
    inverse = np.linalg.pinv(among, rcond=1e-9, hermitian=True)
    beta = inverse @ outcome
    # A driver that the others determine adds nothing when it comes last.
    own = np.diagonal(inverse)
    determined = np.abs(among @ inverse - np.eye(len(among))).max(axis=1) > 1e-6
    last = np.where(determined, 0.0, beta**2 / own)
    return {"first": outcome**2, "last": last, "betasq": beta**2}
