"""Gamma-Gamma: what customers spend a purchase, from the mean of those they have made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number
from crmlab.stats.likelihood import maximum, row_counts

Array = NDArray[np.float64]

NAMES = ("p", "q", "v")
#: Fewer customers do not tell three parameters.
FEWEST = 10
#: Shapes are sought from 1/SHAPES to SHAPES; v, in mean spends, over twice the powers.
SHAPES = 1e4


@dataclass(frozen=True, eq=False)
class Spend:
    """A fitted Gamma-Gamma model.

    Attributes
    ----------
    names : tuple of str
        p, q, v.
    parameters : numpy.ndarray, shape (3,)
        A purchase of a customer is gamma with shape p; the rate differs between customers, gamma
        with shape q and rate v, which is in the unit of spend.
    errors : numpy.ndarray, shape (3,)
        Standard errors, by the delta method; NaN for those that are weak.
    covariance : numpy.ndarray, shape (3, 3)
        Of the log parameters.
    log_likelihood : float
        Of the mean spends in their unit: in a unit k times as large it is larger by log(k) for each
        customer.
    customers : float
    weak : tuple of str
        Parameters that the data cannot tell: others fit as well.
    """

    names: tuple[str, ...]
    parameters: Array
    errors: Array
    covariance: Array
    log_likelihood: float
    customers: float
    weak: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean spend a purchase of a customer taken at random, pv / (q − 1); infinite if q ≤ 1."""
        p, q, v = self.parameters
        return float(p * v / (q - 1)) if q > 1 else float("inf")

    def expected(self, frequency: ArrayLike, spend: ArrayLike) -> Array:
        """What a customer will spend a purchase, who spent so much on the average of so many.

        Parameters
        ----------
        frequency : array_like of int
            Purchases that the mean is of; at 0 the population's mean is expected.
        spend : array_like of float
            Mean spend; not looked at where frequency is 0.

        Notes
        -----
        p (v + x z) / (px + q − 1): a mean of the customer's own and the population's.
        """
        p, q, v = self.parameters
        x, z = np.broadcast_arrays(np.asarray(frequency, float), np.asarray(spend, float))
        none = x == 0
        if not (np.isfinite(x) & (x >= 0) & (none | (np.isfinite(z) & (z > 0)))).all():
            raise CrmlabError(_("Frequency must not be below 0, nor spend missing, 0 or below it."))
        divisor = p * x + q - 1
        own = p * (v + np.where(none, 0.0, x * z)) / np.where(divisor > 0, divisor, np.nan)
        return np.asarray(np.where(divisor > 0, own, np.inf))


def gamma_gamma(
    frequency: ArrayLike, spend: ArrayLike, *, customers: ArrayLike | None = None
) -> Spend:
    """Fit Gamma-Gamma: what customers spend a purchase, however often they buy.

    Parameters
    ----------
    frequency : array_like of int
        Purchases that the mean is of: the repeat purchases, as a rule. Above 0.
    spend : array_like of float
        Mean spend of these purchases, money. Above 0.
    customers : array_like of float, optional
        How many customers each row stands for.

    Returns
    -------
    Spend

    Raises
    ------
    NotEnoughData
        With fewer than 10 customers, or if all spend the same.
    NotConverged
        If the search finds no end.
    CrmlabError
        If there are customers without purchases or without spend; they are to be left out.

    Notes
    -----
    The density of the mean spend z of x purchases is
    Γ(px + q) / (Γ(px) Γ(q)) v^q z^(px − 1) x^px / (v + xz)^(px + q). The model assumes that what
    customers spend a purchase does not go with how often they buy; look at the correlation.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), RFM and CLV: Using Iso-Value Curves for
    Customer Base Analysis, Journal of Marketing Research 42, 415-430. Fader, P. S. and Hardie,
    B. G. S. (2013), The Gamma-Gamma Model of Monetary Value, equation 1a.

    Examples
    --------
    >>> spend = [12, 18, 22, 24, 27, 30, 34, 38, 45, 52, 61, 85]
    >>> found = gamma_gamma([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4], spend)
    >>> round(found.mean, 1)
    38.6
    >>> found.expected(frequency=[0, 1, 10], spend=[0, 85, 85]).round(1).tolist()
    [38.6, 61.8, 80.8]
    """
    x, z, many = _purchases_with_spend(frequency, spend, customers)
    total = float(many.sum())
    if total < FEWEST:
        raise NotEnoughData(
            _(
                "{count} customers have a mean spend of repeat purchases, and the model needs "
                "{fewest} at least."
            ).format(count=number(total), fewest=FEWEST)
        )
    if np.ptp(z) <= 1e-12 * z.max():
        raise NotEnoughData(
            _("All {count} customers spend the same a purchase: there is nothing to tell.").format(
                count=number(total)
            )
        )
    unit = float(many @ z) / total
    counts, which = np.unique(x, return_inverse=True)
    of_count = np.bincount(which, many).astype(float)
    limit = np.array([SHAPES, SHAPES, SHAPES**2])
    found = maximum(
        lambda parameters: _log_likelihood(parameters, x, z / unit, many, counts, of_count),
        np.array([2.0, 3.0, 1.0]),
        lowest=1 / limit,
        highest=limit,
    )
    weak = found.weak.copy()
    weak[2] |= weak[:2].any()
    parameters = found.parameters * np.array([1.0, 1.0, unit])
    errors = parameters * np.sqrt(np.diagonal(found.covariance))
    return Spend(
        names=NAMES,
        parameters=parameters,
        errors=np.where(weak, np.nan, errors),
        covariance=found.covariance,
        log_likelihood=found.log_likelihood - total * float(np.log(unit)),
        customers=total,
        weak=tuple(name for name, is_weak in zip(NAMES, weak, strict=True) if is_weak),
    )


def _purchases_with_spend(
    frequency: ArrayLike, spend: ArrayLike, customers: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """The three as plain arrays, judged."""
    x, z = np.ravel(np.asarray(frequency, float)), np.ravel(np.asarray(spend, float))
    if len(x) != len(z):
        raise CrmlabError(_("frequency and spend must have a value for each row."))
    many = row_counts(customers, len(x))
    wrong = ~(np.isfinite(x) & np.isfinite(z) & (x > 0) & (z > 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise CrmlabError(
            _(
                "{count} of {all} customers have no repeat purchase or no spend above 0 (row "
                "{row}: frequency {frequency}, spend {spend}). Leave them out: the model is of "
                "what is spent when something is bought."
            ).format(
                count=number(int(wrong.sum())),
                all=number(len(x)),
                row=number(row + 1),
                frequency=x[row],
                spend=z[row],
            )
        )
    counted = many > 0
    return x[counted], z[counted], many[counted]


def _log_likelihood(
    parameters: Array, x: Array, z: Array, many: Array, counts: Array, of_count: Array
) -> tuple[float, Array]:
    """Equation 1a of Fader and Hardie (2013), and its slopes along the log parameters."""
    from scipy.special import gammaln, psi

    p, q, v = parameters
    spent = x * z
    log_of, log_to = np.log1p(v / spent), np.log1p(spent / v)
    value = (
        of_count @ (gammaln(p * counts + q) - gammaln(p * counts) - gammaln(q))
        - p * (many * x) @ log_of
        - q * many @ log_to
        - many @ np.log(z)
    )
    both = psi(p * counts + q)
    slope = np.array(
        [
            (of_count * counts) @ (both - psi(p * counts)) - (many * x) @ log_of,
            of_count @ (both - psi(q)) - many @ log_to,
            many @ ((q * spent / v - p * x) / (v + spent)),
        ]
    )
    return float(value), slope * parameters
