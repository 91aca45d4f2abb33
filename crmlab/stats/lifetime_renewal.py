"""sBG: how many customers renew their contracts, period after period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.stats.lifetime_bg import beta_mean
from crmlab.stats.likelihood import maximum

Array = NDArray[np.float64]

NAMES = ("alpha", "beta")
#: Parameters are sought from 1/LIMIT to LIMIT.
LIMIT = 1e4
#: Shares of an unknown number of customers are fitted as of so many.
MANY = 1e6


@dataclass(frozen=True, eq=False)
class Renewal:
    """A fitted shifted beta-geometric model.

    Attributes
    ----------
    names : tuple of str
        alpha, beta.
    parameters : numpy.ndarray, shape (2,)
        The chance that a customer leaves at the end of a period is beta distributed with these.
    errors : numpy.ndarray, shape (2,)
        Standard errors, by the delta method; NaN for those that are weak, and for shares of an
        unknown number of customers.
    covariance : numpy.ndarray, shape (2, 2)
        Of the log parameters; NaN for shares of an unknown number of customers.
    log_likelihood : float
        Of one customer where their number is not known.
    customers : float
        NaN where it is not known.
    weak : tuple of str
        Both where the data cannot tell how customers differ, as where all renew at one rate.
    """

    names: tuple[str, ...]
    parameters: Array
    errors: Array
    covariance: Array
    log_likelihood: float
    customers: float
    weak: tuple[str, ...]

    def survival(self, period: ArrayLike) -> Array:
        """Share of customers still there after so many periods, which may be 0."""
        from scipy.special import betaln

        alpha, beta = self.parameters
        return np.asarray(np.exp(betaln(alpha, beta + _periods(period)) - betaln(alpha, beta)))

    def retention(self, period: ArrayLike) -> Array:
        """Share of those there at the start of a period (1, 2, …) who renew at its end."""
        alpha, beta = self.parameters
        before = _periods(period) - 1
        if (before < 0).any():
            raise CrmlabError(_("Customers renew after period 1 for the first time."))
        return np.asarray((beta + before) / (alpha + beta + before))

    def residual_lifetime(self, renewals: ArrayLike, discount: float) -> Array:
        """Discounted periods to come of a customer who has renewed so often, before the next time.

        Parameters
        ----------
        renewals : array_like of int
            How often the customer has renewed: 0 in the first period.
        discount : float
            A period; above 0.

        Returns
        -------
        numpy.ndarray
            The sum of S(t | there after `renewals` periods) over the periods t to come, the next
            one in full, each later one discounted by a period more.

        Notes
        -----
        Equation 6 of Fader and Hardie (2010), their DERL before renewal number renewals + 1, as the
        mean of (1 − θ)(1 + d) / (d + θ) over the chance to leave θ, which is beta with alpha and
        beta + renewals.
        """
        if not discount > 0:
            raise CrmlabError(_("The discount a period must be above 0."))
        alpha, beta = self.parameters
        times = _periods(renewals)
        flat = [
            beta_mean(
                lambda leave: (1 - leave) * (1 + discount) / (discount + leave),
                alpha,
                beta + time,
                steepness=1 / discount,
            )
            for time in np.ravel(times)
        ]
        return np.reshape(np.array(flat), np.shape(times))


def _periods(period: ArrayLike) -> Array:
    found = np.asarray(period, float)
    if not (np.isfinite(found) & (found >= 0) & (found == np.floor(found))).all():
        raise CrmlabError(_("Periods are counted: 0, 1, 2 and so on."))
    return found


def sbg(
    lost: ArrayLike | None = None,
    active: ArrayLike | None = None,
    *,
    survival: ArrayLike | None = None,
    customers: float | None = None,
) -> Renewal:
    """Fit the shifted beta-geometric model: each customer has a chance of their own to leave.

    Parameters
    ----------
    lost : array_like of float, shape (periods,) or (cohorts, periods), optional
        Customers who left at the end of the 1st, 2nd … period of their contracts. NaN at the end of
        a row, where a cohort has not been observed for so long.
    active : array_like of float, shape () or (cohorts,), optional
        Customers of each cohort still there after its last period.
    survival : array_like of float, optional
        In place of the two: the share still there after each period, from 0 to 1, or per cent if
        any is above 1. It may begin with the whole, before the first period.
    customers : float, optional
        How many the shares are of. Without it nothing is said of errors.

    Returns
    -------
    Renewal

    Raises
    ------
    NotEnoughData
        If there are fewer than two periods, or none or all of the customers left.
    NotConverged
        If the search finds no end.
    CrmlabError
        If values are impossible, such as a share still there that grows.

    Notes
    -----
    Of those there at the start of period t, α / (α + β + t − 1) leave at its end: the likelihood is
    a product of binomial ones. Retention rises from period to period though nobody becomes more
    loyal: those with a large chance to leave go first.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2007), How to Project Customer Retention, Journal of
    Interactive Marketing 21, 76-90. Fader, P. S. and Hardie, B. G. S. (2010), Customer-Base
    Valuation in a Contractual Setting: The Perils of Ignoring Heterogeneity, Marketing Science 29,
    85-93.

    Examples
    --------
    >>> found = sbg(survival=[100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1])
    >>> found.parameters.round(3).tolist()
    [0.668, 3.806]
    >>> found.survival([8, 12]).round(3).tolist()
    [0.46, 0.378]
    """
    if (survival is None) == (lost is None) or (survival is None) != (active is not None):
        raise CrmlabError(_("Give either lost and active, or survival."))
    if lost is not None and customers is not None:
        raise CrmlabError(_("customers goes with survival; lost and active are numbers of them."))
    if survival is not None:
        at_risk, gone = _of_shares(survival, customers)
    else:
        at_risk, gone = _of_cohorts(lost, active)
    stayed = at_risk - gone
    if len(gone) < 2 or not gone.sum() > 0 or not stayed.sum() > 0:
        raise NotEnoughData(
            _("The model needs two periods at least, in which some customers left and some stayed.")
        )
    known = survival is None or customers is not None
    return _fitted(gone, stayed, float(at_risk[0]) if known else float("nan"))


def _fitted(gone: Array, stayed: Array, customers: float) -> Renewal:
    known = not np.isnan(customers)
    # Where the maximum is does not hang on how many the shares are of; many make it sharp.
    scale = 1.0 if known else MANY
    before = np.arange(float(len(gone)))
    found = maximum(
        lambda parameters: _log_likelihood(parameters, scale * gone, scale * stayed, before),
        np.array([1.0, 2.0]),
        lowest=np.full(2, 1 / LIMIT),
        highest=np.full(2, LIMIT),
    )
    weak = bool(found.weak.any())
    covariance = found.covariance if known else np.full((2, 2), np.nan)
    errors = found.parameters * np.sqrt(np.diagonal(covariance))
    return Renewal(
        names=NAMES,
        parameters=found.parameters,
        errors=np.full(2, np.nan) if weak else errors,
        covariance=covariance,
        log_likelihood=found.log_likelihood / scale,
        customers=customers,
        weak=NAMES if weak else (),
    )


def _of_shares(survival: ArrayLike, customers: float | None) -> tuple[Array, Array]:
    """Those at risk in each period and those lost, from shares still there."""
    share = np.ravel(np.asarray(survival, float))
    if not (np.isfinite(share) & (share >= 0)).all():
        raise CrmlabError(_("Shares of survival must be numbers that are not below 0."))
    if (share > 1).any():
        share = share / 100
    if not len(share) or share[0] < 1:
        share = np.append(1.0, share)
    if (share > 1).any() or (np.diff(share) > 0).any():
        raise CrmlabError(
            _("Shares of survival must not grow, nor be above 1 (or, in per cent, above 100).")
        )
    if customers is not None and not (np.isfinite(customers) and customers > 0):
        raise CrmlabError(_("The number of customers must be above 0."))
    many = (1.0 if customers is None else customers) * share
    return many[:-1], -np.diff(many)


def _of_cohorts(lost: ArrayLike | None, active: ArrayLike | None) -> tuple[Array, Array]:
    """Those at risk in each period and those lost, over cohorts."""
    gone = np.atleast_2d(np.asarray(lost, float))
    left = np.ravel(np.asarray(active, float))
    seen = ~np.isnan(gone)
    if gone.ndim != 2 or len(left) != len(gone) or (np.diff(seen, axis=1) & seen[:, 1:]).any():
        raise CrmlabError(
            _(
                "lost needs a row for each cohort with periods from the first on, missing only at "
                "its end, and active a number for each cohort."
            )
        )
    gone = np.where(seen, gone, 0.0)
    if not (np.isfinite(gone) & (gone >= 0)).all() or not (np.isfinite(left) & (left >= 0)).all():
        raise CrmlabError(_("Customers lost or active must be numbers that are not below 0."))
    later = np.cumsum(gone[:, ::-1], axis=1)[:, ::-1]
    at_risk = np.where(seen, later + left[:, None], 0.0).sum(axis=0)
    return at_risk, gone.sum(axis=0)


def _log_likelihood(
    parameters: Array, gone: Array, stayed: Array, before: Array
) -> tuple[float, Array]:
    """Of leaving or staying in each period, and its slopes along the log parameters."""
    alpha, beta = parameters
    both = np.log(alpha + beta + before)
    value = gone @ (np.log(alpha) - both) + stayed @ (np.log(beta + before) - both)
    shared = (gone + stayed) @ (1 / (alpha + beta + before))
    slope = np.array([gone.sum() / alpha - shared, stayed @ (1 / (beta + before)) - shared])
    return float(value), slope * parameters
