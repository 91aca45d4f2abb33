"""How much more customers must order for what it costs: the break-even of a programme."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.weighted import t_interval

Array = NDArray[np.float64]


def break_even(
    costs: ArrayLike, margins: ArrayLike, *, multiple: float = 1.0, confidence: float = 0.95
) -> Estimate:
    """The lift of orders at which their margin pays for a cost that grows with them.

    Parameters
    ----------
    costs, margins : array_like of float, shape (customers,)
        What each customer's orders cost in points and the like, at the usual rate, and their margin
        before that. Where ``multiple`` is 1, of the orders as they are with the programme.
    multiple : float
        How many times the usual rate is given. 1: the programme itself against none; 2: the rate
        doubled against the usual one.
    confidence : float

    Returns
    -------
    Estimate
        The lift as a share, without an effect. NaN where the margin does not cover the cost, so
        that no lift pays.

    Notes
    -----
    Per customer let the usual cost be p and the margin m. With orders raised by L and k times the
    usual rate the cost is k(1 + L)p, so with k > 1 profit is unchanged where L m = k(1 + L)p − p,
    L = (k − 1)p / (m − k p). Against no programme (k = 1), p and m are of the orders with it;
    without it there would be 1/(1 + L) of them, so L = p / (m − p). The interval is by the
    jackknife over customers.

    References
    ----------
    Miller, R. G. (1974), Biometrika 61, 1-15. Blattberg, R. C., Kim, B.-D. and Neslin, S. A.
    (2008), Database Marketing, chapter 22.

    Examples
    --------
    >>> round(break_even([1, 1, 1], [21, 20, 22]).value, 3)
    0.05
    >>> round(break_even([1, 1, 1], [21, 20, 22], multiple=2).value, 4)
    0.0526
    """
    cost, margin = np.asarray(costs, float), np.asarray(margins, float)
    many = len(cost)
    whole = _lift(cost.sum(), margin.sum(), multiple)
    if many < 2 or not np.isfinite(whole):
        return NOTHING
    without = _lift(cost.sum() - cost, margin.sum() - margin, multiple)
    if not np.isfinite(without).all():
        return Estimate(float(whole), np.nan, np.nan, np.nan)
    error = float(np.sqrt((many - 1) / many * np.sum((without - without.mean()) ** 2)))
    found = t_interval(float(whole), error, many - 1, confidence=confidence)
    return found._replace(low=max(found.low, 0.0))


def _lift(cost: ArrayLike, margin: ArrayLike, multiple: float) -> Array:
    costs, margins = np.asarray(cost, float), np.asarray(margin, float)
    more = costs if multiple == 1 else (multiple - 1) * costs
    left = margins - (1.0 if multiple == 1 else multiple) * costs
    return np.where(left > 0, more / np.where(left > 0, left, 1.0), np.nan)
