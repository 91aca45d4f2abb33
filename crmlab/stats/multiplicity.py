"""Several findings at once: which of them hold together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def holm(chances: ArrayLike, level: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of several findings hold together, and their adjusted probabilities.

    Parameters
    ----------
    chances : array_like of float
        Two-sided probabilities by chance. One that is NaN is not judged and does not count among
        the findings.
    level : float
        The probability of one false finding or more that is put up with, such as 0.05.

    Returns
    -------
    tuple of numpy.ndarray
        Whether each holds, False where it is not judged; and the adjusted probabilities, NaN there.

    Notes
    -----
    The smallest of m probabilities is multiplied by m, the next by m − 1, and so on, each made no
    smaller than the one before and no larger than 1. The same as `multipletests` of statsmodels,
    which collects garbage at every call and so takes a quarter of a second in a notebook.

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> holds, adjusted = holm([0.01, 0.04, np.nan], 0.05)
    >>> holds.tolist(), adjusted.tolist()
    ([True, True, False], [0.02, 0.04, nan])
    """
    each = np.asarray(chances, dtype=float)
    order = np.argsort(each, kind="stable")[: np.isfinite(each).sum()]  # NaN come last
    adjusted = np.full(len(each), np.nan)
    raised = each[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted <= level, adjusted


def holding(chances: ArrayLike, level: float) -> pd.arrays.BooleanArray:
    """Which of several findings hold together, as a column; missing where one is not judged.

    Parameters
    ----------
    chances, level
        As in `holm`.

    Examples
    --------
    >>> holding([0.01, 0.04, np.nan], 0.05).tolist()
    [True, True, <NA>]
    """
    holds, adjusted = holm(chances, level)
    return pd.arrays.BooleanArray(holds, np.isnan(adjusted))
