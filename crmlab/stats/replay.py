"""A desk played through many times at once, with the days as they were or drawn again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Runs(NamedTuple):
    """Histories of a desk, side by side.

    Attributes
    ----------
    come, lasts : numpy.ndarray, shape (cases, runs)
        Times of arrival, in order, and durations, in one unit.
    counts : numpy.ndarray, shape (runs,)
        Cases of each run; what lies below is filling.
    """

    come: Array
    lasts: Array
    counts: NDArray[np.int64]


def runs_of(
    daily: ArrayLike, hours: float, durations: ArrayLike, random: np.random.Generator
) -> Runs:
    """Histories from numbers of cases per working day.

    Parameters
    ----------
    daily : array_like of int, shape (runs, days)
    hours : float
        Working hours of a day.
    durations : array_like of float
        Observed durations, of which one is drawn for each case.
    random : numpy.random.Generator

    Returns
    -------
    Runs
        The cases of a day come at random times of it.

    Examples
    --------
    >>> runs = runs_of([[1, 0, 2]], 8.0, [0.5], np.random.default_rng(0))
    >>> (runs.come // 8).ravel().tolist(), runs.lasts.ravel().tolist()
    ([0.0, 2.0, 2.0], [0.5, 0.5, 0.5])
    """
    numbers = np.asarray(daily).astype(np.int64)
    counts = numbers.sum(axis=1)
    most, many = int(counts.max(initial=0)), len(numbers)
    after = numbers.shape[1] * hours
    come = np.full((many, most), 2 * after)
    for run, row in enumerate(numbers):
        day = np.repeat(np.arange(len(row)), row)
        come[run, : len(day)] = np.sort(day + random.random(len(day))) * hours
    lasts = random.choice(np.asarray(durations, dtype=float), (most, many))
    return Runs(np.ascontiguousarray(come.T), lasts, counts)


def waits_of(runs: Runs, servers: int) -> Array:
    """The wait of each case, first come first served, in all runs at once.

    Parameters
    ----------
    runs : Runs
    servers : int

    Returns
    -------
    numpy.ndarray, shape (cases, runs)
        NaN below the number of cases of a run.

    Notes
    -----
    As `crmlab.stats.queueing.replayed_waits`, a step a case for all runs together.

    Examples
    --------
    >>> runs = Runs(np.array([[0.0], [1.0], [2.0]]), np.full((3, 1), 3.0), np.array([3]))
    >>> waits_of(runs, 1).ravel().tolist()
    [0.0, 2.0, 4.0]
    """
    many = runs.come.shape[1]
    rows = np.arange(many)
    free = np.full((many, servers), -np.inf)
    waits = np.empty(runs.come.shape)
    for place, (come, lasts) in enumerate(zip(runs.come, runs.lasts, strict=True)):
        server = free.argmin(axis=1)
        begins = np.maximum(come, free[rows, server])
        free[rows, server] = begins + lasts
        waits[place] = begins - come
    waits[np.arange(len(waits))[:, None] >= runs.counts] = np.nan
    return waits
