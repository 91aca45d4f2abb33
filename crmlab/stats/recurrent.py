"""Times between events that come again and again to the same customer: curves that allow for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.intervals import check_confidence
from crmlab.stats.survival import log_log_ends

Array = NDArray[np.float64]


def gap_curve(
    time: ArrayLike,
    event: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The share of gaps that last longer, by time, with intervals that allow for clusters.

    Parameters
    ----------
    time : array_like of float, shape (gaps,)
        Length of each gap, or of what has been seen of it; above 0.
    event : array_like of bool, shape (gaps,)
        Whether it was seen to end; the others are censored.
    clusters : array_like, shape (gaps,)
        To whom the gap belongs. The gaps of one customer are alike.
    weights : array_like of float, shape (gaps,), optional
        For how many each gap stands; 1 by default, one of weight 0 does not count. See
        `per_cluster`.
    confidence : float

    Returns
    -------
    pandas.DataFrame
        As from `crmlab.stats.survival.kaplan_meier`: time, at_risk, events, censored, survival,
        low, high. Without an interval where there are fewer than two clusters.

    Raises
    ------
    NotEnoughData
        If there is no gap.

    Notes
    -----
    The curve is Kaplan and Meier's, of all gaps together. Its variance adds up squares of what
    each cluster contributes to the error, S(t) ∫ (dNᵢ − Yᵢ dΛ)/Y up to t, times m/(m − 1) for m
    clusters (Ying and Wei 1994); with a gap per cluster that is Greenwood's but for terms of order
    1/n. The interval is symmetric on the scale log(−log S); where nothing has happened yet the
    lower end is (α/2)^(1/m), where S is 0 the ends are 0 and the last upper end before.

    References
    ----------
    Ying, Z. and Wei, L. J. (1994), Journal of Multivariate Analysis 50, 17-29. Lin, D. Y. (1994),
    Statistics in Medicine 13, 2233-2247, on models of the same kind.

    Examples
    --------
    >>> gap_curve([2, 3, 3, 5], [1, 1, 0, 1], list("abcd"))[["time", "at_risk", "survival"]]
       time  at_risk  survival
    0   2.0      4.0      0.75
    1   3.0      3.0      0.50
    2   5.0      1.0      0.00
    """
    check_confidence(confidence)
    length, ended = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    weight = np.ones(len(length)) if weights is None else np.asarray(weights, dtype=float)
    some = weight > 0
    if not some.any():
        raise NotEnoughData(_("There is no time between two events."))
    length, ended, weight = length[some], ended[some], weight[some]
    times, place = np.unique(length, return_inverse=True)
    all_of = np.bincount(place, weight, len(times))
    events = np.bincount(place, weight * ended, len(times)).astype(float)
    at_risk = all_of[::-1].cumsum()[::-1]
    survival = np.cumprod(1 - events / at_risk)
    survival[survival < 1e-12] = 0.0
    owner = np.unique(np.asarray(clusters)[some], return_inverse=True)[1]
    low = high = np.full(len(times), np.nan)
    if owner.any():  # one customer alone has no interval
        spread = _spread(owner, place, weight, ended, events, at_risk)  # over S²
        number = np.full(len(times), float(owner.max() + 1))
        low, high = log_log_ends(survival, spread, number, confidence)
    return pd.DataFrame(
        {
            "time": times,
            "at_risk": at_risk,
            "events": events,
            "censored": all_of - events,
            "survival": survival,
            "low": low,
            "high": high,
        }
    )


def per_cluster(event: ArrayLike, clusters: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Weights with which every cluster counts as one, whatever the number of its gaps.

    Parameters
    ----------
    event, clusters : array_like, shape (gaps,)
        As in `gap_curve`.
    weights : array_like of float, optional
        Number of equal gaps that a row stands for.

    Returns
    -------
    numpy.ndarray
        To be given to `gap_curve`: for m closed gaps 1/m each and 0 for the open one; for a
        cluster without a closed gap 1 for the open one.

    Notes
    -----
    In a given span of time those whose gaps are short show more of them, so all gaps together are
    shorter than the gaps of a customer drawn at random. And whether the last gap is open depends on
    its length, which the closed ones leave no room for; so it counts only where it is the only one.

    References
    ----------
    Wang, M.-C. and Chang, S.-H. (1999), Journal of the American Statistical Association 94,
    146-153.

    Examples
    --------
    >>> per_cluster([1, 1, 0, 0], ["a", "a", "a", "b"]).tolist()
    [0.5, 0.5, 0.0, 1.0]
    """
    ended = np.asarray(event, dtype=bool)
    owner = np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = np.ones(len(ended)) if weights is None else np.asarray(weights, dtype=float)
    closed = np.bincount(owner, count * ended)[owner]
    alone = np.where(closed > 0, 0.0, 1.0)
    shared = np.divide(count, closed, out=np.zeros(len(count)), where=closed > 0)
    return np.asarray(np.where(ended, shared, alone))


def _spread(
    owner: NDArray[np.intp],
    place: NDArray[np.intp],
    weight: Array,
    ended: NDArray[np.bool_],
    events: Array,
    at_risk: Array,
) -> Array:
    """Variance of log S by clusters.

    What a cluster contributes up to t is a − b H(t), with H the hazard added up, b the weight of
    its gaps that last longer and a what its other gaps have left: both change at its own gaps
    only, so the squares of all clusters are added up gap by gap.
    """
    left = at_risk - events
    # d log S = −dN / (Y − dN) of the product, where somebody is left
    step = np.divide(1.0, left, out=np.zeros(len(left)), where=left > 1e-9)
    hazard = np.cumsum(np.divide(events, at_risk) * step)
    size = int(owner.max()) + 1
    order = np.lexsort((place, owner))
    owner, place, weight, ended = owner[order], place[order], weight[order], ended[order]
    own = weight * (ended * step[place] - hazard[place])
    first = np.searchsorted(owner, np.arange(size))
    whole = np.bincount(owner, weight, size)
    a, gone = (_within(values, owner, first) for values in (own, weight))
    b = whole[owner] - gone
    before_a, before_b = a - own, b + weight
    squares, products, lasting = (
        np.cumsum(np.bincount(place, change, len(at_risk)))
        for change in (a**2 - before_a**2, a * b - before_a * before_b, b**2 - before_b**2)
    )
    lasting += (whole**2).sum()
    total = np.maximum(squares - 2 * hazard * products + hazard**2 * lasting, 0)
    return total * size / (size - 1)


def _within(values: Array, owner: NDArray[np.intp], first: NDArray[np.intp]) -> Array:
    """Values added up within each owner, whose rows stand together from `first` on."""
    added = np.cumsum(values)
    return np.asarray(added - (added[first] - values[first])[owner])
