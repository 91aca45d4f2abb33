"""The complaints of one customer as a cluster, and counts of clusters by groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Places = NDArray[np.intp]


def clusters(customers: pd.Series) -> Places:
    """The number of the customer of each complaint; one without a customer has its own.

    Parameters
    ----------
    customers : pandas.Series

    Returns
    -------
    numpy.ndarray of int
        From 0, without gaps.

    Examples
    --------
    >>> clusters(pd.Series(["A", None, "A", None])).tolist()
    [0, 1, 0, 2]
    """
    number = pd.factorize(customers)[0].astype(np.intp)
    nobody = number < 0
    number[nobody] = number.max(initial=-1) + 1 + np.arange(nobody.sum())
    return np.asarray(number, np.intp)


def by_cluster(
    cluster: ArrayLike, group: ArrayLike, groups: int, weights: ArrayLike | None = None
) -> Array:
    """Complaints, or the sum of their weights, of each cluster and group.

    Parameters
    ----------
    cluster, group : array_like of int, shape (complaints,)
        Numbers from 0; a group below 0 is none, and its complaints do not count.
    groups : int
        How many groups there are.
    weights : array_like of float, shape (complaints,), optional

    Returns
    -------
    numpy.ndarray, shape (clusters, groups)

    Examples
    --------
    >>> by_cluster([0, 1, 0], [0, 1, 1], 2).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    who, what = np.asarray(cluster), np.asarray(group)
    size = int(who.max(initial=-1)) + 1
    some = what >= 0
    weight = None if weights is None else np.asarray(weights, float)[some]
    place = who[some] * groups + what[some]
    return np.bincount(place, weight, minlength=size * groups).reshape(size, groups).astype(float)
