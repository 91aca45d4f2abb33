"""Maximum likelihood of models whose parameters are all above zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotConverged
from crmlab.language import _

Array = NDArray[np.float64]
#: Takes the parameters; gives the log-likelihood and its slope along each log parameter.
LogLikelihood = Callable[[Array], tuple[float, Array]]

#: A direction in which the standard error of the log parameters is larger is flat: a factor of
#: exp(4) = 55 either way is one standard error.
FLAT = 4.0
#: The share of a flat direction from which a parameter is one that the data cannot tell.
IN_FLAT = 0.1
#: The log-likelihood that may still be gained where the search has ended.
LEFT = 1e-4
#: Log parameters this close to a limit are at it.
AT_LIMIT = 1e-6
#: Step of the differences of slopes that give the curvature.
STEP = 1e-4
#: The search ends where the next step would raise the log-likelihood by less, or by less than this
#: part of it, which is lost in rounding.
ENOUGH, ROUNDING = 1e-8, 1e-13
#: Steps at most, the longest, in log parameters, and how often it may be halved.
TURNS = 100
LONGEST = 1.5
HALVINGS = 30


def row_counts(customers: ArrayLike | None, rows: int) -> Array:
    """How many customers each row stands for, judged: one, unless it is given."""
    if customers is None:
        return np.ones(rows)
    many = np.ravel(np.asarray(customers, float))
    if len(many) != rows or not (np.isfinite(many) & (many >= 0)).all():
        raise CrmlabError(_("customers must be a number that is not below 0 for each row."))
    return many


class Maximum(NamedTuple):
    """Where a log-likelihood is greatest.

    Attributes
    ----------
    parameters : numpy.ndarray, shape (parameters,)
    log_likelihood : float
    covariance : numpy.ndarray, shape (parameters, parameters)
        Of the log parameters: the inverse of the observed information. Along flat directions the
        parameters are held, so that it says how far the others are known.
    weak : numpy.ndarray of bool, shape (parameters,)
        Whether the data cannot tell the parameter: it is part of a flat direction or at a limit.
    """

    parameters: Array
    log_likelihood: float
    covariance: Array
    weak: NDArray[np.bool_]


def maximum(
    log_likelihood: LogLikelihood, start: Array, *, lowest: Array, highest: Array
) -> Maximum:
    """The greatest log-likelihood, by Newton's steps in the log parameters.

    Parameters
    ----------
    log_likelihood : callable
    start, lowest, highest : numpy.ndarray, shape (parameters,)
        Parameters, all above 0.

    Returns
    -------
    Maximum

    Raises
    ------
    NotConverged
        If the search ends where the likelihood still rises.

    Notes
    -----
    The information is made of differences of the exact slopes, central ones where the search has
    ended. As it is needed for the errors in any case, each step uses it too: few steps are needed,
    and they follow a ridge, where methods that guess the curvature from the slopes lose their way.
    """
    limits = np.log(lowest), np.log(highest)
    point = _climbed(log_likelihood, np.clip(np.log(start), *limits), limits)
    value, slope = log_likelihood(np.exp(point))
    information = observed_information(log_likelihood, point)
    free = _free(point, limits)
    covariance, flat = _inverse(information, free)
    gain = float(slope @ covariance @ slope) / 2
    if not (np.isfinite(information).all() and gain < LEFT):
        raise NotConverged(
            _(
                "The search for the most likely parameters has found no end. Look for customers "
                "with extreme values, leave them out, or take a longer period or more customers."
            )
        )
    return Maximum(np.exp(point), float(value), covariance, flat | ~free)


def _free(point: Array, limits: tuple[Array, Array]) -> NDArray[np.bool_]:
    """Which log parameters are within their limits."""
    return np.asarray((point > limits[0] + AT_LIMIT) & (point < limits[1] - AT_LIMIT))


def _climbed(log_likelihood: LogLikelihood, point: Array, limits: tuple[Array, Array]) -> Array:
    """The point where Newton's steps end."""
    value, slope = log_likelihood(np.exp(point))
    for _turn in range(TURNS):
        step = _step(log_likelihood, point, slope, limits)
        if not slope @ step > max(ENOUGH, ROUNDING * abs(value)):
            return np.asarray(np.clip(point + step, *limits))
        step = _up_to_limit(point, step, limits)
        for _halving in range(HALVINGS):
            further = np.clip(point + step, *limits)
            new_value, new_slope = log_likelihood(np.exp(further))
            if new_value > value:
                break
            step = step / 2
        else:
            break
        point, value, slope = further, new_value, new_slope
    return point


def _up_to_limit(point: Array, step: Array, limits: tuple[Array, Array]) -> Array:
    """The part of a step that ends where the first parameter meets its limit.

    Parameters that grow together on a ridge would leave it if one were held and the others not.
    """
    room = np.where(step > 0, limits[1] - point, limits[0] - point)
    ahead = _free(point, limits) & (step != 0)
    return np.asarray(step * np.min(room[ahead] / step[ahead], initial=1.0))


def _step(
    log_likelihood: LogLikelihood, point: Array, slope: Array, limits: tuple[Array, Array]
) -> Array:
    """Newton's step upwards; where the likelihood bends the wrong way, as far as if it did not."""
    ahead = [log_likelihood(np.exp(point + step))[1] for step in STEP * np.eye(len(point))]
    information = (slope - np.array(ahead)) / STEP
    inward = np.where(point <= limits[0] + AT_LIMIT, slope > 0, slope < 0)
    moved = np.flatnonzero(_free(point, limits) | inward)
    step = np.zeros_like(point)
    if len(moved) and np.isfinite(information).all():
        part = information[np.ix_(moved, moved)]
        curvature, direction = np.linalg.eigh((part + part.T) / 2)
        along = direction.T @ slope[moved]
        step[moved] = direction @ (along / np.maximum(np.abs(curvature), np.abs(along) / LONGEST))
    return np.asarray(step / max(1.0, np.abs(step).max() / LONGEST))


def observed_information(log_likelihood: LogLikelihood, point: Array) -> Array:
    """Less the second derivatives along the log parameters, by central differences of slopes."""
    steps = STEP * np.eye(len(point))
    rows = [
        (log_likelihood(np.exp(point - step))[1] - log_likelihood(np.exp(point + step))[1])
        / (2 * STEP)
        for step in steps
    ]
    information = np.array(rows)
    return np.asarray((information + information.T) / 2)


def _inverse(information: Array, free: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """The inverse over directions that are not flat, and which parameters flat ones are made of."""
    covariance = np.zeros_like(information)
    weak = np.zeros(len(free), dtype=bool)
    if not free.any() or not np.isfinite(information).all():
        return covariance, weak
    which = np.flatnonzero(free)
    curvature, direction = np.linalg.eigh(information[np.ix_(which, which)])
    firm = curvature > FLAT**-2
    kept = direction[:, firm]
    covariance[np.ix_(which, which)] = kept / curvature[firm] @ kept.T
    weak[which] = (direction[:, ~firm] ** 2).sum(axis=1) > IN_FLAT
    return covariance, weak
