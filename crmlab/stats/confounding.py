"""How strong something unseen would have to be, and how sure a ratio of two estimates is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence


def e_value(ratio: float) -> float:
    """How strong an unseen confounder must be to explain a risk ratio away.

    Parameters
    ----------
    ratio : float
        A risk ratio above 0, on either side of 1: the estimate, or the limit of its interval that
        is closer to 1.

    Returns
    -------
    float
        The smallest risk ratio that the confounder must have with both the treatment and the
        outcome, beyond what was taken into account; 1 where `ratio` is 1, NaN where it is not above
        0.

    Notes
    -----
    RR + √(RR(RR − 1)), of the ratio or its inverse, whichever is above 1.

    References
    ----------
    VanderWeele, T. J. and Ding, P. (2017), Annals of Internal Medicine 167, 268-274.

    Examples
    --------
    >>> round(e_value(3.9), 2), round(e_value(1 / 3.9), 2), e_value(1.0)
    (7.26, 7.26, 1.0)
    """
    if not ratio > 0:
        return np.nan
    above = max(ratio, 1 / ratio)
    return float(above + np.sqrt(above * (above - 1)))


def fieller(
    values: ArrayLike, covariance: ArrayLike, freedom: float, *, confidence: float = 0.95
) -> Estimate:
    """Ratio of two estimates that vary together, with Fieller's interval.

    Parameters
    ----------
    values : array_like of float, shape (2,)
        Numerator and denominator.
    covariance : array_like of float, shape (2, 2)
    freedom : float
        Degrees of freedom of the covariance.
    confidence : float

    Returns
    -------
    Estimate
        Without an effect; without an interval where the denominator cannot be told from 0, since
        the ratio may then be anything.

    Notes
    -----
    The interval holds every r for which numerator − r · denominator is not told from 0 by a t
    test: the roots of (a − rb)² = t²(Vaa − 2r Vab + r² Vbb).

    References
    ----------
    Fieller, E. C. (1954), Journal of the Royal Statistical Society B 16, 175-185.

    Examples
    --------
    >>> [round(part, 3) for part in fieller([10, 2], [[1, 0], [0, 0.04]], 1000)[:3]]
    [5.0, 3.771, 6.629]
    """
    from scipy.stats import t

    check_confidence(confidence)
    top, bottom = (float(one) for one in np.asarray(values, float))
    if not bottom or not freedom > 0:
        return NOTHING
    spread = np.asarray(covariance, float) * float(t.ppf((1 + confidence) / 2, freedom)) ** 2
    first = bottom**2 - spread[1, 1]
    second = top * bottom - spread[0, 1]
    root = second**2 - first * (top**2 - spread[0, 0])
    if not first > 0 or not root >= 0:
        return Estimate(top / bottom, np.nan, np.nan, np.nan)
    low, high = ((second + sign * np.sqrt(root)) / first for sign in (-1, 1))
    return Estimate(top / bottom, float(low), float(high), np.nan)
