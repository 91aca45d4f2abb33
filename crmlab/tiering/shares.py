"""How unequally a total is spread: Gini coefficient and top shares of plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError
from crmlab.language import _
from crmlab.stats.intervals import Interval, bootstrap_t

Array = NDArray[np.float64]

TOPS = (0.01, 0.05, 0.10, 0.20, 0.50)


def gini(values: ArrayLike, *, corrected: bool = False) -> float:
    """How unequally values are spread over customers: 0 all equal, 1 one customer has everything.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Not negative, with a positive sum.
    corrected : bool
        Multiply by n/(n − 1), which makes 1 reachable for a small number of customers.

    Returns
    -------
    float

    Raises
    ------
    CrmlabError
        If a value is negative or missing, or the sum is not positive.

    Notes
    -----
    Twice the area between the diagonal and the Lorenz curve; with x sorted upwards,
    G = 2 Σ i·xᵢ / (n Σ xᵢ) − (n + 1)/n.

    References
    ----------
    Gini, C. (1912), Variabilità e mutabilità. Sen, A. (1973), On Economic Inequality, chapter 2.

    Examples
    --------
    >>> round(gini([541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261]), 6)
    0.462091
    """
    falling = sorted_down(values)
    if np.isnan(falling).any() or (falling < 0).any() or falling.sum() <= 0:
        raise CrmlabError(
            _(
                "The Gini coefficient needs values that are not negative, none missing, "
                "with a positive sum."
            )
        )
    coefficient = float(gini_and_error(falling, np.ones(len(falling)))[0][0])
    if not corrected:
        return coefficient
    if len(falling) < 2:
        raise CrmlabError(_("The corrected Gini coefficient needs at least 2 values."))
    return coefficient * len(falling) / (len(falling) - 1)


def top_shares(values: ArrayLike, tops: Sequence[float] = TOPS) -> pd.DataFrame:
    """What share of the total the largest customers bring.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Negative values are allowed; their sum must be positive.
    tops : sequence of float
        Shares of customers, largest first, each above 0 and at most 1.

    Returns
    -------
    pandas.DataFrame
        A row per share: customers_share, customers (their number, rounded up to whole customers),
        share (of the total, brought by these whole customers).

    Raises
    ------
    CrmlabError
        If a share of customers is not between 0 and 1, or the sum is not positive.

    Examples
    --------
    >>> top_shares([70, 20, 10, 0], [0.25, 0.3])
       customers_share  customers  share
    0             0.25          1    0.7
    1             0.30          2    0.9
    """
    check_tops(tops)
    falling = sorted_down(values)
    if not falling.sum() > 0:
        raise CrmlabError(_("Top shares need values with a positive sum, none missing."))
    counts = [count(top, len(falling)) for top in tops]
    shares, _errors = shares_and_errors(falling, np.ones(len(falling)), counts)
    return pd.DataFrame({"customers_share": list(tops), "customers": counts, "share": shares})


def top_shares_with_intervals(
    values: ArrayLike,
    tops: Sequence[float] = TOPS,
    *,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """As `top_shares`, with studentised bootstrap intervals over customers: low and high.

    Parameters
    ----------
    values, tops
        As in `top_shares`.
    confidence : float
    resamples, seed : int
        Of the bootstrap.
    """
    table, falling = top_shares(values, tops), sorted_down(values)
    low, high = bootstrap_t(
        lambda weights: shares_and_errors(falling, weights, table["customers"]),
        len(falling),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    return table.assign(low=low, high=high)


def gini_interval(
    values: ArrayLike, *, confidence: float = 0.95, resamples: int = 999, seed: int = 0
) -> Interval:
    """Studentised bootstrap interval over customers of the Gini coefficient.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
    confidence : float
    resamples, seed : int
        Of the bootstrap.
    """
    falling = sorted_down(values)
    low, high = bootstrap_t(
        lambda weights: gini_and_error(falling, weights),
        len(falling),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    return Interval(low[0], high[0])


def check_tops(tops: Sequence[float]) -> None:
    """Refuse shares of customers that are not above 0 and at most 1."""
    wrong = [top for top in tops if not 0 < top <= 1]
    if wrong or not len(tops):
        raise CrmlabError(
            _("Shares of customers are above 0 and at most 1, such as 0.2; not {values}.").format(
                values=_(", ").join(str(top) for top in wrong) or "[]"
            )
        )


def sorted_down(values: ArrayLike) -> Array:
    """The values as floats, largest first."""
    return np.sort(np.asarray(values, dtype=float))[::-1]


def count(top: float, customers: int) -> int:
    """Number of customers in a top share, rounded up.

    Examples
    --------
    >>> count(0.1, 30)
    3
    """
    # 0.1 * 30 is 3.0000000000000004: without rounding it would count a fourth customer.
    return int(np.ceil(round(top * customers, 6)))


def top_curve(falling: Array, weights: Array) -> tuple[Array, Array]:
    """Cumulative number of customers and cumulative total, largest customers first, from 0."""
    customers, totals, _squares = cumulated(falling, weights)
    return customers, totals


def cumulated(falling: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Sums of weight, weight × value and weight × value² over the largest customers, from none.

    Parameters
    ----------
    falling : ndarray, shape (customers,)
    weights : ndarray, shape (..., customers)

    Returns
    -------
    three ndarrays, each of shape (..., customers + 1)
    """
    none = np.zeros((*weights.shape[:-1], 1))

    def summed(values: Array) -> Array:
        return np.concatenate([none, np.cumsum(values, axis=-1)], axis=-1)

    return summed(weights), summed(weights * falling), summed(weights * falling**2)


def shares_and_errors(
    falling: Array, weights: Array, counts: ArrayLike, *, between: bool = False
) -> tuple[Array, Array]:
    """Shares of the total of so many customers at the top, and their standard errors.

    Parameters
    ----------
    falling : ndarray, shape (customers,)
        Values, largest first.
    weights : ndarray, shape (..., customers)
        How often each counts; with a sum of n.
    counts : array_like of int, shape (shares,)
        Customers at the top, each at most n.
    between : bool
        Shares between one count and the next, the first from 0, instead of from the top.

    Returns
    -------
    two ndarrays, each of shape (..., shares)

    Notes
    -----
    With T the share, μ the mean, p the share of customers and q the value at the cut, a customer
    of value x influences T by (max(x − q, 0) + q p − T x)/μ; the standard error is the root of the
    sum of squares over n. The influence is a line in x on either side of the cut.
    """
    asked = np.asarray(counts, dtype=float)
    sums = customers, totals, _squares = cumulated(falling, weights)
    n, total = customers[..., -1:], totals[..., -1:]
    places = reached(customers, asked)
    cut, above = falling[places], asked / n
    shares = (at(totals, places) + (asked - at(customers, places)) * cut) / total
    influence = Influence(
        places,
        np.stack([-cut * (1 - above), 1 - shares], axis=-1),
        np.stack([cut * above, -shares], axis=-1),
    )
    before = influence.before() if between else influence.none()
    if between:
        shares = np.diff(shares, axis=-1, prepend=0)
    return shares, np.sqrt(squares_between(sums, before, influence)) / np.abs(total)


def reached(cumulative: Array, asked: ArrayLike) -> NDArray[np.intp]:
    """The first customer with whom the cumulative sums reach each value asked for.

    Parameters
    ----------
    cumulative : ndarray, shape (..., customers + 1)
        Rising, from 0.
    asked : array_like, shape (..., values)
    """
    wanted = np.broadcast_to(asked, (*cumulative.shape[:-1], np.shape(asked)[-1]))
    sums = cumulative[..., 1:]
    places = [(sums < wanted[..., [one]]).sum(axis=-1) for one in range(wanted.shape[-1])]
    return np.stack(places, axis=-1).clip(max=sums.shape[-1] - 1)


def at(cumulative: Array, places: NDArray[np.intp]) -> Array:
    """Cumulative sums of the customers before each place."""
    return np.take_along_axis(cumulative, places, axis=-1)


class Influence(NamedTuple):
    """What a customer of value x adds to estimates: α + β x above a cut, another line below it.

    Attributes
    ----------
    places : ndarray of int, shape (..., cuts)
        Number of customers above each cut.
    above, below : ndarray, shape (..., cuts, 2)
        α and β on either side.
    """

    places: NDArray[np.intp]
    above: Array
    below: Array

    def none(self) -> Influence:
        """No influence at all, in the same shape."""
        nothing = np.zeros_like(self.above)
        return Influence(np.zeros_like(self.places), nothing, nothing)

    def before(self) -> Influence:
        """The influence at the cut before; none before the first."""
        none = self.none()
        return Influence(
            np.concatenate([none.places[..., :1], self.places[..., :-1]], axis=-1),
            np.concatenate([none.above[..., :1, :], self.above[..., :-1, :]], axis=-2),
            np.concatenate([none.below[..., :1, :], self.below[..., :-1, :]], axis=-2),
        )


def squares_between(sums: tuple[Array, Array, Array], before: Influence, after: Influence) -> Array:
    """Σ w (I₂ − I₁)² over customers sorted down, from their cumulated sums.

    Parameters
    ----------
    sums
        As `cumulated` returns them.
    before, after : Influence
        I₁ and I₂; the cuts of the second lie at or below those of the first.

    Returns
    -------
    ndarray, shape (..., cuts)
    """
    everybody = np.full_like(after.places, sums[0].shape[-1] - 1)
    parts = [
        (after.above - before.above, np.zeros_like(everybody), before.places),
        (after.above - before.below, before.places, after.places),
        (after.below - before.below, after.places, everybody),
    ]
    found = np.zeros(after.places.shape)
    for line, first, last in parts:
        count, total, square = (at(one, last) - at(one, first) for one in sums)
        level, slope = line[..., 0], line[..., 1]
        found += level**2 * count + 2 * level * slope * total + slope**2 * square
    # What is zero may come out a little below it.
    return found.clip(min=0)


def group_shares_and_errors(
    values: Array, groups: NDArray[np.bool_], weights: Array
) -> tuple[Array, Array]:
    """Share of the total that each group brings, and its standard error as a ratio of two means.

    Parameters
    ----------
    values : ndarray, shape (customers,)
    groups : ndarray of bool, shape (groups, customers)
        Who belongs to which group.
    weights : ndarray, shape (..., customers)
        How often each customer counts.

    Returns
    -------
    two ndarrays, each of shape (..., groups)
    """
    total = (weights @ values)[..., None]
    shares = weights @ np.where(groups, values, 0).T / total
    within, outside = (weights @ np.where(mine, values**2, 0).T for mine in (groups, ~groups))
    return shares, np.sqrt((1 - shares) ** 2 * within + shares**2 * outside) / np.abs(total)


def gini_and_error(falling: Array, weights: Array) -> tuple[Array, Array]:
    """Gini coefficient of values sorted down and weighted, and its standard error.

    Parameters
    ----------
    falling : ndarray, shape (customers,)
    weights : ndarray, shape (..., customers)

    Returns
    -------
    two ndarrays, each of shape (..., 1)

    Notes
    -----
    G = 1 − m/μ with m the mean of the smaller of two values. With m₁(x) the mean of the smaller of
    x and another value, a customer influences G by −2(m₁(x) − m)/μ + m(x − μ)/μ².
    """
    customers, totals = top_curve(falling, weights)
    n = customers[..., -1:]
    mean = totals[..., -1:] / n
    smaller = (totals[..., -1:] - totals[..., :-1] + falling * customers[..., :-1]) / n
    middle = _summed(weights, smaller) / n
    influence = -2 * (smaller - middle) / mean + middle * (falling - mean) / mean**2
    return 1 - middle / mean, np.sqrt(_summed(weights, influence**2)) / n


def _summed(weights: Array, values: Array) -> Array:
    return np.einsum("...i,...i->...", weights, values)[..., None]
