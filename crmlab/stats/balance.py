"""Whether arms that were drawn at random are alike in what was known before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Balance(NamedTuple):
    """How far the arms differ, and the probability that the draw alone makes them differ so.

    Attributes
    ----------
    statistic : float
    freedom : int
    chance : float
        NaN where nothing could differ.
    """

    statistic: float
    freedom: int
    chance: float


def balance(values: ArrayLike, arms: ArrayLike, blocks: ArrayLike) -> Balance:
    """Whether arms drawn at random within blocks are alike in all of several figures together.

    Parameters
    ----------
    values : array_like of float, shape (rows,) or (rows, figures)
        What was known before the draw.
    arms : array_like, shape (rows,)
    blocks : array_like, shape (rows,)
        Such as the campaign: the arms of each were drawn by themselves.

    Returns
    -------
    Balance

    Notes
    -----
    The draw itself says how far the arms' sums of the figures would vary: within block b of n_b
    rows with covariance S_b (divisor n_b − 1), the sums of arms a and c, less what is expected,
    have the covariance S_b · (n_a 1[a = c] − n_a n_c / n_b). The statistic is the squared distance
    of all sums by that covariance added over the blocks, and is held against χ² with as many
    degrees of freedom as the covariance has rank. With one block and one figure it is the
    statistic of Kruskal and Wallis, of the values in place of their ranks.

    References
    ----------
    Hansen, B. B. and Bowers, J. (2008), Statistical Science 23, 219-236.

    Examples
    --------
    >>> found = balance([1, 2, 3, 4, 5, 6], ["a", "b"] * 3, [0] * 6)
    >>> round(found.statistic, 4), found.freedom, round(found.chance, 4)
    (0.4286, 1, 0.5127)
    """
    from scipy.stats import chi2

    columns = np.asarray(values, float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if not len(columns):
        return Balance(0.0, 0, np.nan)
    spread = columns.std(axis=0)
    columns = columns[:, spread > 0] / spread[spread > 0]
    arm = np.unique(np.asarray(arms), return_inverse=True)[1]
    block = np.unique(np.asarray(blocks), return_inverse=True)[1]
    many = int(arm.max()) + 1 if len(arm) else 0
    sums = np.zeros((many, columns.shape[1]))
    covariance = np.zeros((many * columns.shape[1],) * 2)
    for one in range(int(block.max()) + 1 if len(block) else 0):
        part, more = _of_block(columns[block == one], arm[block == one], many)
        sums, covariance = sums + part, covariance + more
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True)) if covariance.size else 0
    if not rank:
        return Balance(0.0, 0, np.nan)
    apart = sums.ravel()
    statistic = float(apart @ np.linalg.pinv(covariance, hermitian=True) @ apart)
    return Balance(statistic, rank, float(chi2.sf(statistic, rank)))


def _of_block(
    columns: NDArray[np.float64], arm: NDArray[np.intp], many: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of each arm less what is expected, and their covariance by the draw."""
    size = len(columns)
    inside = np.equal.outer(np.arange(many), arm).astype(float)
    apart = columns - columns.mean(axis=0)
    if size < 2:
        return np.zeros((many, columns.shape[1])), np.zeros((many * columns.shape[1],) * 2)
    counts = inside.sum(axis=1)
    drawn = np.diag(counts) - np.outer(counts, counts) / size
    return inside @ apart, np.kron(drawn, apart.T @ apart / (size - 1))
