"""BG/NBD: customers who buy at random and may leave after any repeat purchase.

Plain functions of the parameters r, alpha (rates of purchase, gamma), a, b (chance of leaving after
a purchase, beta). `crmlab.stats.lifetime` has the model.

References
----------
Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "Counting Your Customers" the Easy Way: An
Alternative to the Pareto/NBD Model, Marketing Science 24, 275-284.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NAMES = ("r", "alpha", "a", "b")
#: Whether a parameter is a time.
TIMES = (False, True, False, False)

#: Quadrature nodes, least and most.
NODES = (12, 256)


class Buyers(NamedTuple):
    """Customers of equal history in a row each.

    Attributes
    ----------
    frequency, recency, age : numpy.ndarray
    customers : numpy.ndarray
        How many they are.
    counts, of_count : numpy.ndarray
        The numbers of repeat purchases that there are, and the customers with each.
    """

    frequency: Array
    recency: Array
    age: Array
    customers: Array
    counts: Array
    of_count: Array


def log_likelihood(parameters: Array, buyers: Buyers) -> tuple[float, Array]:
    """Log-likelihood, equation 6 of Fader, Hardie and Lee, and its slopes along log parameters."""
    from scipy.special import gammaln, psi

    r, alpha, a, b = parameters
    x, many, x_of, of = buyers.frequency, buyers.customers, buyers.counts, buyers.of_count
    total = many.sum()
    value = (
        of @ (gammaln(r + x_of) - gammaln(r))
        + total * r * np.log(alpha)
        + of @ (gammaln(a + b) - gammaln(a + b + x_of) + gammaln(b + x_of) - gammaln(b))
    )
    stayed, left = _stayed_or_left(parameters, x, buyers.recency, buyers.age)
    either = np.logaddexp(stayed, left)
    gone = np.exp(left - either)
    here_part, gone_part = many * (1 - gone), many * gone
    until, last = alpha + buyers.age, alpha + buyers.recency
    by_both = psi(a + b) * total - of @ psi(a + b + x_of)
    slope = np.array(
        [
            of @ (psi(r + x_of) - psi(r))
            + total * np.log(alpha)
            - here_part @ np.log(until)
            - gone_part @ np.log(last),
            total * r / alpha - here_part @ ((r + x) / until) - gone_part @ ((r + x) / last),
            by_both + gone_part.sum() / a,
            by_both + of @ (psi(b + x_of) - psi(b)) - gone_part @ (1 / _leaving(b, x)),
        ]
    )
    return float(value + many @ either), slope * parameters


def _leaving(b: float, x: Array) -> Array:
    """The divisor b + x − 1; 1 without repeat purchases, where it does not count."""
    return np.asarray(np.where(x > 0, b + x - 1, 1.0))


def _stayed_or_left(parameters: Array, x: Array, recency: Array, age: Array) -> tuple[Array, Array]:
    """Logs of A3 and of A4 of equation 6: the customer is still there, or left at recency."""
    r, alpha, a, b = parameters
    stayed = -(r + x) * np.log(alpha + age)
    left = np.log(a) - np.log(_leaving(b, x)) - (r + x) * np.log(alpha + recency)
    return stayed, np.where(x > 0, left, -np.inf)


def alive(parameters: Array, x: Array, recency: Array, age: Array) -> Array:
    """The chance to be still a customer; 1 without repeat purchases, after which alone one leaves.

    Fader, P. S. and Hardie, B. G. S. (2008), Computing P(alive) Using the BG/NBD Model.
    """
    from scipy.special import expit

    stayed, left = _stayed_or_left(parameters, x, recency, age)
    return np.asarray(expit(stayed - left))


def expected(parameters: Array, time: Array, x: Array, recency: Array, age: Array) -> Array:
    """Purchases in the time to come, equation 10.

    A customer who is still there has a rate that is gamma with r + x and alpha + T, and a chance of
    leaving that is beta with a and b + x: as a new customer with these parameters.
    """
    r, alpha, a, b = parameters
    time, x, recency, age = np.broadcast_arrays(time, x, recency, age)
    found = np.zeros(x.shape)
    for count in np.unique(x):
        which = x == count
        found[which] = _of_new(time[which] / (alpha + age[which]), r + count, a, b + count)
    return found * alive(parameters, x, recency, age)


def expected_new(parameters: Array, time: Array) -> Array:
    """Repeat purchases of a new customer up to a time, equation 9."""
    r, alpha, a, b = parameters
    return _of_new(time / alpha, r, a, b)


def _of_new(time: Array, r: float, a: float, b: float) -> Array:
    """E[X(t)] for alpha = 1: the mean over the chance of leaving p of (1 − (1 + pt)^−r) / p.

    This is the integral behind the hypergeometric function of equation 9, which has poles at
    a = 1 and overflows for frequent buyers; the mean over a beta is taken by Gauss's quadrature.
    """
    flat = np.ravel(time)[:, None]
    found = beta_mean(
        lambda chance: -np.expm1(-r * np.log1p(flat * chance)) / chance,
        a,
        b,
        steepness=float(np.max(time, initial=0.0)),
    )
    return np.reshape(found, np.shape(time))


def beta_mean(function: Callable[[Array], Array], a: float, b: float, *, steepness: float) -> Array:
    """The mean of a function over a beta distribution, by Gauss's quadrature.

    Parameters
    ----------
    function : callable
        Of an array of chances, along the last axis.
    a, b : float
    steepness : float
        The function is smooth but at −1 / steepness, on which the number of points depends.
    """
    far = 1 + 2 / max(steepness, 1e-3)
    nodes = int(np.clip(18 / np.log(far + np.sqrt(far**2 - 1)), *NODES))
    chance, weight = beta_nodes(a, b, nodes)
    return np.asarray(function(np.maximum(chance, 1e-300)) @ weight)


def beta_nodes(a: float, b: float, nodes: int) -> tuple[Array, Array]:
    """Points and weights of Gauss's quadrature for the mean over a beta distribution.

    Golub, G. H. and Welsch, J. H. (1969), Mathematics of Computation 23, 221-230; the weights add
    up to 1, so that nothing overflows for large a and b.
    """
    from scipy.linalg import eigh_tridiagonal

    # Jacobi's polynomials with exponents b − 1 at 1 and a − 1 at −1, moved from (−1, 1) to (0, 1).
    n = np.arange(1.0, nodes)
    both = a + b - 2
    middle = np.empty(nodes)
    middle[0] = a / (a + b)
    middle[1:] = 0.5 + (a - b) * both / (2 * (2 * n + both) * (2 * n + both + 2))
    beside = np.empty(nodes - 1)
    beside[0] = a * b / ((a + b) ** 2 * (a + b + 1))
    m = n[1:]
    beside[1:] = (
        m * (m + b - 1) * (m + a - 1) * (m + both)
        / ((2 * m + both) ** 2 * (2 * m + both + 1) * (2 * m + both - 1))
    )  # fmt: skip
    points, vectors = eigh_tridiagonal(middle, np.sqrt(beside))
    return points, vectors[0] ** 2


def probability(parameters: Array, purchases: Array, time: Array) -> Array:
    """The chance of so many repeat purchases of a new customer up to a time, equation 8."""
    from scipy.special import betainc, betaln

    r, alpha, a, b = parameters
    x, time = np.broadcast_arrays(purchases, time)
    stayed = np.exp(betaln(a, b + x) - betaln(a, b)) * negative_binomial(r, alpha, x, time)
    some = np.maximum(x, 1.0)
    left = np.exp(betaln(a + 1, b + some - 1) - betaln(a, b)) * betainc(
        some, r, time / (alpha + time)
    )
    return np.asarray(stayed + np.where(x > 0, left, 0.0))


def negative_binomial(r: float, alpha: float, x: Array, time: Array) -> Array:
    """The chance of x purchases in a time of one who stays."""
    from scipy.special import gammaln, xlogy

    share = time / (alpha + time)
    log = gammaln(r + x) - gammaln(r) - gammaln(x + 1) - r * np.log1p(time / alpha)
    return np.asarray(np.exp(log + xlogy(x, share)))
