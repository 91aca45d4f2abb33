"""Where customers end up who keep moving between states at constant rates: Markov chains."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]

#: Smaller than this counts as zero.
_ZERO = 1e-9


def stationary(transitions: ArrayLike) -> Array:
    """Shares of the states in the long run of a chain that nobody enters and nobody leaves.

    Parameters
    ----------
    transitions : array_like of float, shape (states, states)
        Row i: the shares of those in state i who are in each state one period later; rows add up
        to 1.

    Returns
    -------
    ndarray, shape (states,)
        The row vector π with π P = π and sum 1.

    Raises
    ------
    CrmlabError
        If it is not a square matrix of shares whose rows add up to 1.
    NotEnoughData
        If the long run depends on where the customers begin, so that there is no one answer.

    References
    ----------
    Kemeny, J. G. and Snell, J. L. (1960), Finite Markov Chains, chapter 4.

    Examples
    --------
    The weather in the Land of Oz: rain, nice, snow.

    >>> stationary([[0.5, 0.25, 0.25], [0.5, 0, 0.5], [0.25, 0.25, 0.5]]).round(3).tolist()
    [0.4, 0.2, 0.4]
    """
    matrix = _square(transitions)
    if not np.allclose(matrix.sum(axis=1), 1):
        raise CrmlabError(_("The rows of a matrix of transitions add up to 1."))
    size = len(matrix)
    system = np.vstack([matrix.T - np.eye(size), np.ones(size)])
    target = np.append(np.zeros(size), 1.0)
    shares, _rest, rank, _sizes = np.linalg.lstsq(system, target, rcond=_ZERO)
    if rank < size:
        raise NotEnoughData(
            _("The long run depends on where customers begin; there is no one answer.")
        )
    return np.clip(shares, 0, None)


def with_inflow(inflow: ArrayLike, transitions: ArrayLike) -> Array:
    """How many are in each state in the long run when the same number enters every period.

    Parameters
    ----------
    inflow : array_like of float, shape (states,)
        How many enter each state every period.
    transitions : array_like of float, shape (states, states)
        As in `stationary`, but rows add up to less than 1: the rest leave and do not come back.

    Returns
    -------
    ndarray, shape (states,)
        ν (I − Q)⁻¹, with ν the inflow and Q the transitions.

    Raises
    ------
    CrmlabError
        If it is not a square matrix of shares.
    NotEnoughData
        If some never leave, so that their number grows for ever.

    References
    ----------
    Bartholomew, D. J. (1973), Stochastic Models for Social Processes, 2nd ed., chapter 3; Kemeny,
    J. G. and Snell, J. L. (1960), Finite Markov Chains, chapter 3, on the matrix (I − Q)⁻¹.

    Examples
    --------
    >>> with_inflow([0, 1, 0], [[0, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0]]).round(9).tolist()
    [1.0, 2.0, 1.0]
    """
    matrix = _square(transitions)
    if largest_eigenvalue(matrix) > 1 - _ZERO:
        raise NotEnoughData(_("Some customers never leave, so their number grows for ever."))
    return np.linalg.solve(np.eye(len(matrix)) - matrix.T, np.asarray(inflow, dtype=float))


def largest_eigenvalue(transitions: ArrayLike) -> float:
    """The factor by which those who stay are multiplied each period, in the end.

    Examples
    --------
    >>> largest_eigenvalue([[0.5, 0.0], [0.2, 0.4]])
    0.5
    """
    return float(np.abs(np.linalg.eigvals(np.asarray(transitions, dtype=float))).max())


def second_eigenvalue(transitions: ArrayLike) -> float:
    """The factor by which the distance to the long run is multiplied each period, in the end.

    Examples
    --------
    >>> round(second_eigenvalue([[0.5, 0.25, 0.25], [0.5, 0, 0.5], [0.25, 0.25, 0.5]]), 6)
    0.25
    """
    sizes = np.sort(np.abs(np.linalg.eigvals(np.asarray(transitions, dtype=float))))
    return float(sizes[-2]) if len(sizes) > 1 else 0.0


def periods_to_halve(factor: float) -> float:
    """Periods until what is multiplied by `factor` each period is halved.

    Examples
    --------
    >>> periods_to_halve(0.25)
    0.5
    >>> periods_to_halve(1.0)
    inf
    """
    if factor <= 0:
        return 0.0
    return float(np.log(0.5) / np.log(factor)) if factor < 1 - _ZERO else float("inf")


def _square(transitions: ArrayLike) -> Array:
    matrix = np.asarray(transitions, dtype=float)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.size > 0
    if not square or np.isnan(matrix).any() or (matrix < 0).any():
        raise CrmlabError(
            _("A matrix of transitions is square and holds shares that are not negative.")
        )
    return matrix
