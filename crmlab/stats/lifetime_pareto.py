"""Pareto/NBD: customers who buy at random and may leave at any time.

Plain functions of the parameters r, alpha (rates of purchase, gamma), s, beta (rates of leaving,
gamma). `crmlab.stats.lifetime` has the model.

References
----------
Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), Counting Your Customers: Who Are They
and What Will They Do Next?, Management Science 33, 1-24. Fader, P. S. and Hardie, B. G. S. (2005),
A Note on Deriving the Pareto/NBD Model and Related Expressions.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmlab.stats.lifetime_bg import Buyers, negative_binomial

Array = NDArray[np.float64]

NAMES = ("r", "alpha", "s", "beta")
#: Whether a parameter is a time.
TIMES = (False, True, False, True)

#: Points of Gauss's quadrature over the time of leaving.
POINTS = 32
#: The integral ends where the integrand is exp(-NOTHING) of what it begins with.
NOTHING = 38.0
#: Rows that are worked on at once: what is made of them stays in the processor's memory.
ROWS = 2048
#: Points over the life of a new customer.
LIFE_POINTS = 200


class _Gone(NamedTuple):
    """Log of the integral over the time of leaving, and the means over that time of its parts."""

    log: Array
    log_buying: Array
    buying: Array
    log_leaving: Array
    leaving: Array


@cache
def _legendre(points: int) -> tuple[Array, Array]:
    """Points and weights on 0 to 1."""
    point, weight = np.polynomial.legendre.leggauss(points)
    return (point + 1) / 2, weight / 2


def log_likelihood(parameters: Array, buyers: Buyers) -> tuple[float, Array]:
    """Log-likelihood and its slopes along the log parameters.

    Of a history: Γ(r + x) αʳ βˢ / Γ(r) times
    (α + T)^−(r + x) (β + T)^−s + s ∫ (α + τ)^−(r + x) (β + τ)^−(s + 1) dτ over τ from t_x to T:
    still there at T, or gone at τ. Both parts are above 0, so that nothing cancels, whichever of α
    and β is larger; the integral is the difference of hypergeometric functions of the literature.
    """
    from scipy.special import gammaln, psi

    r, alpha, s, beta = parameters
    many, x_of, of = buyers.customers, buyers.counts, buyers.of_count
    total = many.sum()
    value = of @ (gammaln(r + x_of) - gammaln(r))
    value += total * (r * np.log(alpha) + s * np.log(beta))
    slope = np.array(
        [
            of @ (psi(r + x_of) - psi(r)) + total * np.log(alpha),
            total * r / alpha,
            total * np.log(beta),
            total * s / beta,
        ]
    )
    for begin in range(0, len(many), ROWS):
        rows = slice(begin, begin + ROWS)
        x, recency, age = buyers.frequency[rows], buyers.recency[rows], buyers.age[rows]
        stayed, gone = _stayed_or_gone(parameters, x, recency, age)
        either = np.logaddexp(stayed, gone.log)
        share = np.exp(gone.log - either)
        here_part, gone_part = many[rows] * (1 - share), many[rows] * share
        value += many[rows] @ either
        slope += [
            -here_part @ np.log(alpha + age) - gone_part @ gone.log_buying,
            -here_part @ ((r + x) / (alpha + age)) - gone_part @ ((r + x) * gone.buying),
            -here_part @ np.log(beta + age) + gone_part @ (1 / s - gone.log_leaving),
            -here_part @ (s / (beta + age)) - (s + 1) * gone_part @ gone.leaving,
        ]
    return float(value), slope * parameters


def _stayed_or_gone(parameters: Array, x: Array, recency: Array, age: Array) -> tuple[Array, _Gone]:
    """Logs of the two parts of the likelihood that depend on the times."""
    r, alpha, s, beta = parameters
    stayed = -(r + x) * np.log(alpha + age) - s * np.log(beta + age)
    return stayed, _gone(parameters, x, recency, age)


def _gone(parameters: Array, x: Array, recency: Array, age: Array) -> _Gone:
    """Gauss's quadrature over v = log(m + τ), m being the smaller of alpha and beta.

    In v the integrand is smooth and its log is concave. For frequent buyers it falls from t_x on;
    where it has become nothing the integral ends.
    """
    r, alpha, s, beta = parameters
    least = min(alpha, beta)
    first, last = least + recency, least + age
    fall = (r + x) * first / (alpha + recency) + (s + 1) * first / (beta + recency) - 1
    length = np.log(last / first)
    length = np.minimum(length, NOTHING / np.maximum(fall, 1e-9))
    point, weight = _legendre(POINTS)
    beyond = length[:, None] * point
    log_least = np.log(first)[:, None] + beyond
    time_least = np.exp(log_least)
    time_other = time_least + abs(alpha - beta)
    log_other = np.log(time_other)
    if alpha < beta:
        buying, log_buying, leaving, log_leaving = time_least, log_least, time_other, log_other
    else:
        buying, log_buying, leaving, log_leaving = time_other, log_other, time_least, log_least
    power = beyond - (r + x)[:, None] * log_buying - (s + 1) * log_leaving
    top = power.max(axis=1, initial=-np.inf)
    part = np.exp(power - top[:, None]) * weight
    whole = part.sum(axis=1)
    part /= whole[:, None]
    with np.errstate(divide="ignore"):
        log = np.log(s * first * length) + top + np.log(whole)
    return _Gone(
        log,
        (part * log_buying).sum(axis=1),
        (part / buying).sum(axis=1),
        (part * log_leaving).sum(axis=1),
        (part / leaving).sum(axis=1),
    )


def alive(parameters: Array, x: Array, recency: Array, age: Array) -> Array:
    """The chance to be still a customer, equation 11 of Schmittlein, Morrison and Colombo."""
    from scipy.special import expit

    shape = np.shape(x)
    x, recency, age = (np.ravel(part) for part in (x, recency, age))
    found = np.empty(len(x))
    for begin in range(0, len(x), ROWS):
        rows = slice(begin, begin + ROWS)
        stayed, gone = _stayed_or_gone(parameters, x[rows], recency[rows], age[rows])
        found[rows] = expit(stayed - gone.log)
    return found.reshape(shape)


def expected(parameters: Array, time: Array, x: Array, recency: Array, age: Array) -> Array:
    """Purchases in the time to come: those of a new customer with r + x, alpha + T, beta + T."""
    r, alpha, s, beta = parameters
    new = _of_new(time, r + x, alpha + age, s, beta + age)
    return np.asarray(new * alive(parameters, x, recency, age))


def expected_new(parameters: Array, time: Array) -> Array:
    """Repeat purchases of a new customer up to a time."""
    r, alpha, s, beta = parameters
    return _of_new(time, r, alpha, s, beta)


def _of_new(time: Array, r: Array | float, alpha: Array, s: float, beta: Array) -> Array:
    """(r β / (α (s − 1))) (1 − (β / (β + t))^(s − 1)), in a form without a pole at s = 1."""
    from scipy.special import exprel

    log = np.log1p(time / beta)
    return np.asarray(r * beta / alpha * log * exprel(-(s - 1) * log))


def probability(parameters: Array, purchases: Array, time: Array) -> Array:
    """The chance of so many repeat purchases of a new customer up to a time.

    Fader, P. S. and Hardie, B. G. S. (2006), Deriving an Expression for P(X(t) = x) Under the
    Pareto/NBD Model: still there, or gone at τ, integrated over τ.
    """
    r, alpha, s, beta = parameters
    x, time = np.broadcast_arrays(purchases, time)
    stayed = negative_binomial(r, alpha, x, time) * (1 + time / beta) ** -s
    point, weight = _legendre(LIFE_POINTS)
    length = np.log1p(time / beta)[..., None]
    tau = beta * np.expm1(length * point)
    density = s * np.exp(-s * length * point)
    gone = negative_binomial(r, alpha, x[..., None], tau) * density * length
    return np.asarray(stayed + gone @ weight)
