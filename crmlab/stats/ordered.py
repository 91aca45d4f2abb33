"""Ordered logit of answers that carry weights and come in clusters."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.intervals import check_confidence
from crmlab.stats.threads import on_one_processor
from crmlab.stats.weighted import design_of

Array = NDArray[np.float64]

#: The slope of the log-likelihood per answer that is still taken for a maximum.
UPHILL = 1e-3
#: A coefficient or log distance of cuts beyond this has no maximum.
LARGEST = 25.0


class Ordered(NamedTuple):
    """A fitted ordered regression.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per column of x: coefficient, low, high, chance (two-sided probability of a
        coefficient as far from 0 if it were 0).
    pseudo_r_squared : float
        McFadden's: 1 − log-likelihood over that without any x.
    levels : numpy.ndarray
        The answers there are, sorted.
    cuts : numpy.ndarray, shape (levels − 1,)
        Between each level and the next.
    influence : numpy.ndarray, shape (answers, columns + levels − 1)
        How far each answer moves each coefficient, then each cut.
    """

    table: pd.DataFrame
    pseudo_r_squared: float
    levels: Array
    cuts: Array
    influence: Array


@on_one_processor
def ordered(
    x: pd.DataFrame,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    link: str = "logit",
    confidence: float = 0.95,
) -> Ordered:
    """Regression of an answer on an ordered scale, such as 1 to 5, that takes only its order.

    Parameters
    ----------
    x : pandas.DataFrame, shape (answers, columns)
        Without a constant; best standardised.
    y : array_like, shape (answers,)
        Any values that can be sorted.
    weights : array_like of float, shape (answers,), optional
        Above 0.
    clusters : array_like of int, shape (answers,), optional
        Every answer alone where none are given.
    link : {"logit", "probit"}
    confidence : float

    Returns
    -------
    Ordered

    Raises
    ------
    NotEnoughData
        If all answers are the same, there are fewer than two clusters, a column of x is the same in
        all answers or follows from others, or some x tells the answers apart without fail, so that
        no coefficient is large enough.

    Notes
    -----
    P(y ≤ k) = F(c_k − xb) with increasing cuts c_k: a coefficient is the change of log-odds of a
    higher answer per unit of x, the same at every cut. statsmodels' OrderedModel with the
    log-likelihood weighted (pseudo-likelihood); the errors are the sandwich over clusters, the
    intervals t with the clusters less one degrees of freedom.

    References
    ----------
    McCullagh, P. (1980), Journal of the Royal Statistical Society B 42, 109-142. Binder, D. A.
    (1983), International Statistical Review 51, 279-292, on weights.

    Examples
    --------
    >>> x = pd.DataFrame({"rating": [1.0, 2, 3, 4, 5, 6, 7, 8]})
    >>> found = ordered(x, [1, 1, 2, 1, 2, 3, 2, 3])
    >>> round(float(found.table.loc["rating", "coefficient"]), 2)
    1.2
    """
    from scipy.stats import t

    check_confidence(confidence)
    codes, levels = pd.factorize(np.asarray(y), sort=True)
    weight, own = design_of(len(codes), weights, clusters)
    cluster = np.unique(own, return_inverse=True)[1]
    freedom = int(cluster.max()) if len(cluster) else 0
    if len(levels) < 2 or freedom < 1:
        raise NotEnoughData(
            _("An ordered regression needs answers that differ, of at least 2 customers.")
        )
    many, columns = x.shape[1], x.to_numpy(float)
    if np.linalg.matrix_rank(np.column_stack([np.ones(len(x)), columns])) <= many:
        raise NotEnoughData(
            _(
                "An ordered regression needs ratings of which none is the same in all answers or "
                "follows from others."
            )
        )
    weight = weight / weight.mean()
    fit = _fit(codes, columns, weight, cluster, link)
    value, error = fit.params[:many], fit.bse[:many]
    reach = t.ppf((1 + confidence) / 2, freedom) * error
    chance = 2 * t.sf(np.abs(value / error), freedom)
    table = pd.DataFrame(
        {"coefficient": value, "low": value - reach, "high": value + reach, "chance": chance},
        index=x.columns,
    )
    pseudo = float(1 - fit.llf / _null(codes, weight))
    return Ordered(table, pseudo, np.asarray(levels), *_cuts(fit, many))


def _cuts(fit: Any, many: int) -> tuple[Array, Array]:
    """The cuts, and the influences; statsmodels' own parameters are the first cut and logs."""
    steps = np.append(1.0, np.exp(fit.params[many + 1 :]))
    cuts = np.cumsum(np.append(fit.params[many], steps[1:]))
    moved = fit.model.score_obs(fit.params) @ fit.normalized_cov_params
    of_cuts = np.cumsum(moved[:, many:] * steps, axis=1)
    return cuts, np.column_stack([moved[:, :many], of_cuts])


def _null(codes: NDArray[np.intp], weight: Array) -> float:
    """Log-likelihood of the shares alone."""
    from scipy.special import xlogy

    of_level = np.bincount(codes, weight)
    return float(xlogy(of_level, of_level / of_level.sum()).sum())


def _fit(codes: Any, x: Array, weight: Array, cluster: Any, link: str) -> Any:
    from scipy.special import expit, ndtr
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    class Weighted(OrderedModel):
        """With weights, which statsmodels does not take."""

        def cdf(self, x: Array) -> Array:
            # scipy's distributions check what they are given at every call, and take far longer.
            return np.asarray(expit(x) if link == "logit" else ndtr(x))

        def loglikeobs(self, params: Array) -> Array:
            return np.asarray(super().loglikeobs(params) * weight)

    model = Weighted(codes, x, distr=link)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # What statsmodels warns of is looked at below.
        warnings.simplefilter("ignore")
        fit = model.fit(
            method="bfgs", maxiter=300, disp=0, cov_type="cluster", cov_kwds={"groups": cluster}
        )
        left = np.abs(model.score(fit.params)).max() / len(codes)
    if not left < UPHILL or not np.isfinite(fit.bse).all() or np.abs(fit.params).max() > LARGEST:
        raise NotEnoughData(
            _(
                "The ordered regression finds no end: with {count} answers some rating tells "
                "them apart without fail, or some answer is too rare."
            ).format(count=len(codes))
        )
    return fit
