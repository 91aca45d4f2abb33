"""How far items that are added up measure one thing: Cronbach's α and McDonald's ω."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.stats import weighted
from crmlab.stats.factors import correlations_of, factor_loadings
from crmlab.stats.intervals import Interval, check_confidence

Array = NDArray[np.float64]


class Coefficient(NamedTuple):
    """A coefficient of reliability with its interval, and the answers and items it rests on."""

    value: float
    low: float
    high: float
    n: int
    items: int


def alpha_of(covariance: ArrayLike, *, standardised: bool = False) -> float:
    """Cronbach's α from the covariances of the items.

    Parameters
    ----------
    covariance : array_like of float, shape (items, items)
    standardised : bool
        As if every item had the same variance: α from the correlations.

    Returns
    -------
    float
        At most 1; negative where the items run against each other.

    Raises
    ------
    NotEnoughData
        If there are fewer than two items, or their sum does not vary.

    Notes
    -----
    With k items, k/(k − 1) · (1 − Σ variances / variance of the sum).

    References
    ----------
    Cronbach, L. J. (1951), Psychometrika 16, 297-334.

    Examples
    --------
    >>> alpha_of([[1, 0.5], [0.5, 1]])
    0.6666666666666667
    """
    matrix = np.asarray(covariance, float)
    _check_size(len(matrix))
    if standardised:
        matrix = correlations_of(matrix)
    total = matrix.sum()
    if not total > 0:
        raise NotEnoughData(
            _("The sum of the items is the same for everybody, so nothing can be said of it.")
        )
    size = len(matrix)
    return float(size / (size - 1) * (1 - np.trace(matrix) / total))


def feldt(value: float, n: int, items: int, *, confidence: float = 0.95) -> Interval:
    """Interval of α for independent answers with a normal distribution.

    Parameters
    ----------
    value : float
        α.
    n, items : int
        Answers and items.
    confidence : float

    Returns
    -------
    Interval

    Notes
    -----
    1 − (1 − α) F, F the quantiles of the F distribution with n − 1 and (n − 1)(items − 1) degrees
    of freedom.

    References
    ----------
    Feldt, L. S. (1965), Psychometrika 30, 357-370.

    Examples
    --------
    >>> [round(float(end), 3) for end in feldt(0.8, 50, 5)]
    [0.697, 0.876]
    """
    from scipy.stats import f

    check_confidence(confidence)
    if n < 2:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))
    tail = (1 - confidence) / 2
    ends = f.ppf([1 - tail, tail], n - 1, (n - 1) * (items - 1))
    low, high = 1 - (1 - value) * ends
    return Interval(np.asarray(low), np.asarray(high))


def cronbach_alpha(
    items: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    missing: Literal["listwise", "pairwise"] = "listwise",
    standardised: bool = False,
    confidence: float = 0.95,
) -> Coefficient:
    """Cronbach's α with its interval.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        NaN where an item was not answered.
    weights : array_like of float, shape (answers,), optional
    clusters : array_like, shape (answers,), optional
        Such as the number of the customer.
    missing : {"listwise", "pairwise"}
        Only answers to all items, or for each pair of items the answers to both. The second cannot
        have weights or clusters.
    standardised : bool
    confidence : float

    Returns
    -------
    Coefficient
        `n` counts the answers used; with ``"pairwise"`` those of the pair that has fewest.

    Raises
    ------
    NotEnoughData
        If there are fewer than two items or answers, or the sum of the items does not vary.
    CrmlabError
        If `missing` is not one of those two, or is ``"pairwise"`` with weights or clusters.

    Notes
    -----
    Without weights and clusters the interval is Feldt's. With them it is a t interval of
    log(1 − α) by linearisation, summed over clusters, which does not need a normal distribution:
    with T the sum of the variances, V the variance of the sum, and tᵢ and vᵢ an answer's own part
    in them, an answer moves α by k/(k − 1) · (T vᵢ − V tᵢ)/V².

    References
    ----------
    Feldt, L. S. (1965), Psychometrika 30, 357-370. Maydeu-Olivares, A., Coffman, D. L. and
    Hartmann, W. M. (2007), Psychological Methods 12, 157-176, on the interval without normality.

    Examples
    --------
    >>> found = cronbach_alpha([[1, 2, 1], [2, 2, 3], [3, 4, 3], [4, 3, 4], [5, 5, 4]])
    >>> [round(part, 3) for part in found]
    [0.918, 0.588, 0.991, 5, 3]
    """
    table = _table(items)
    check_confidence(confidence)
    if missing == "pairwise" and weights is None and clusters is None:
        return _pairwise(table, standardised, confidence)
    if missing != "listwise":
        raise CrmlabError(
            _(
                "missing is listwise or pairwise, not {name}; with weights or clusters it is "
                "listwise."
            ).format(name=missing)
        )
    kept, weight, cluster = _complete(table, weights, clusters)
    n, size = kept.shape
    value = alpha_of(np.cov(kept.T, aweights=weight), standardised=standardised)
    if weights is None and clusters is None:
        interval = feldt(value, n, size, confidence=confidence)
        return Coefficient(value, float(interval.low), float(interval.high), n, size)
    moved = alpha_influence(kept, weight, standardised=standardised)
    return Coefficient(value, *_limits(value, moved, cluster, confidence), n, size)


def alpha_influence(items: ArrayLike, weights: ArrayLike, *, standardised: bool = False) -> Array:
    """How far each answer moves α.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Without missing values.
    weights : array_like of float, shape (answers,)
    standardised : bool

    Returns
    -------
    numpy.ndarray, shape (answers,)
        They sum to zero.

    Examples
    --------
    >>> alpha_influence([[1, 2], [2, 2], [3, 4]], [1, 1, 1]).round(3).tolist()
    [0.012, -0.047, 0.036]
    """
    weight = np.asarray(weights, float) / np.sum(weights)
    apart = _centred(items, weight)
    if standardised:
        apart = apart / np.sqrt(weight @ apart**2)
    own, whole = (apart**2).sum(axis=1), apart.sum(axis=1) ** 2
    if standardised:
        # A variance that is set to 1 takes back half of what it does to its correlations.
        related = (weight[:, None] * apart).T @ apart
        whole = whole - (apart**2 * related.sum(axis=1)).sum(axis=1)
        own = np.zeros_like(own)
        trace, total = float(len(related)), float(related.sum())
    else:
        trace, total = float(weight @ own), float(weight @ whole)
        own, whole = own - trace, whole - total
    size = apart.shape[1]
    return np.asarray(weight * size / (size - 1) * (trace * whole - total * own) / total**2)


def corrected_item_total(
    items: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Correlation of each item with the sum of the others.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Only answers to all items count.
    weights, clusters, confidence
        As in `cronbach_alpha`.

    Returns
    -------
    pandas.DataFrame
        A row per item: item_total, with total_low and total_high, by linearisation.
        Negative for an item that runs against the others, as one worded the other way round. NaN
        for an item that does not vary.

    Notes
    -----
    With z and s the item and the sum of the others, both standardised, an answer moves their
    correlation r by zs − r(z² + s²)/2. The t interval is that of artanh r, which keeps it between
    −1 and 1.

    References
    ----------
    Fisher, R. A. (1921), Metron 1, 3-32, on the scale artanh r. Nunnally, J. C. (1978),
    Psychometric Theory, 2nd ed., chapter 8.

    Examples
    --------
    >>> found = corrected_item_total([[1, 2, 1], [2, 2, 3], [3, 4, 3], [4, 3, 4]])
    >>> found["item_total"].round(3).tolist()
    [0.944, 0.592, 0.803]
    """
    kept, weight, cluster = _complete(_table(items), weights, clusters)
    share = weight / weight.sum()
    rows = []
    for place in range(kept.shape[1]):
        pair = _centred(
            np.column_stack([kept[:, place], np.delete(kept, place, axis=1).sum(axis=1)]), share
        )
        spread = np.sqrt(share @ pair**2)
        # What does not vary may still differ from its mean by rounding.
        if not (spread > 1e-12).all():
            rows.append((np.nan, np.nan, np.nan))
            continue
        own, rest = (pair / spread).T
        value = float(share @ (own * rest))
        moved = share * (own * rest - value * (own**2 + rest**2) / 2)
        rows.append((value, *_correlation_limits(value, moved, cluster, confidence)))
    return pd.DataFrame(rows, columns=["item_total", "total_low", "total_high"])


def _correlation_limits(
    value: float, moved: Array, cluster: Array, confidence: float
) -> tuple[float, float]:
    """Ends of the interval of a correlation, taken on Fisher's scale."""
    if not abs(value) < 1 - 1e-12:
        return np.nan, np.nan
    found = weighted.from_influence(
        float(np.arctanh(value)), moved / (1 - value**2), cluster, confidence=confidence
    )
    return float(np.tanh(found.low)), float(np.tanh(found.high))


def alpha_if_deleted(
    items: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What α would be without each item, and how much that is more than with it.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Only answers to all items count.
    weights, clusters, confidence
        As in `cronbach_alpha`.

    Returns
    -------
    pandas.DataFrame
        A row per item: alpha_if_deleted; gain, that less α of all items, with gain_low and
        gain_high, a t interval by linearisation. Missing where there are only two items.

    Examples
    --------
    >>> alpha_if_deleted([[1, 2, 1], [2, 2, 3], [3, 4, 3], [4, 3, 4]])["gain"].round(3).tolist()
    [-0.239, 0.085, -0.091]
    """
    kept, weight, cluster = _complete(_table(items), weights, clusters)
    size = kept.shape[1]
    if size < 3:
        return pd.DataFrame(
            np.nan, range(size), ["alpha_if_deleted", "gain", "gain_low", "gain_high"]
        )
    matrix = np.cov(kept.T, aweights=weight)
    whole, moved = alpha_of(matrix), alpha_influence(kept, weight)
    rows = []
    for place in range(size):
        others = np.delete(np.arange(size), place)
        without = alpha_of(matrix[np.ix_(others, others)])
        apart = alpha_influence(kept[:, others], weight) - moved
        found = weighted.from_influence(without - whole, apart, cluster, confidence=confidence)
        rows.append([without, *found[:3]])
    return pd.DataFrame(rows, columns=["alpha_if_deleted", "gain", "gain_low", "gain_high"])


def omega_of(covariance: ArrayLike) -> float:
    """McDonald's ω of one factor, from the covariances of the items.

    Parameters
    ----------
    covariance : array_like of float, shape (items, items)

    Returns
    -------
    float
        (Σλ)² / ((Σλ)² + Σψ), λ the loadings and ψ the specific variances; NaN for two items, to
        which one factor can be fitted in many ways.

    References
    ----------
    McDonald, R. P. (1999), Test Theory, chapter 6.

    Examples
    --------
    >>> round(omega_of(np.full((4, 4), 0.25) + 0.75 * np.eye(4)), 4)
    0.5714
    """
    return _omega(*_one_factor(np.asarray(covariance, float)))


def _omega(loadings: Array, unique: Array) -> float:
    shared = loadings.sum() ** 2
    return float(shared / (shared + unique.sum()))


def mcdonald_omega(
    items: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Coefficient:
    """McDonald's ω of one factor, with its interval.

    Unlike α it does not take for granted that all items measure the factor equally well.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Only answers to all items count.
    weights, clusters, confidence
        As in `cronbach_alpha`.

    Returns
    -------
    Coefficient

    Raises
    ------
    NotEnoughData
        As in `cronbach_alpha`, and if an item follows exactly from others.

    Notes
    -----
    The factor is fitted by maximum likelihood. The interval is a t interval of log(1 − ω) by
    linearisation: the loadings and specific variances move with an answer as its scores of the
    likelihood, divided by the expected information, say. NaN for two items.

    References
    ----------
    McDonald, R. P. (1999), Test Theory, chapter 6. Satorra, A. and Bentler, P. M. (1994), in von
    Eye, A. and Clogg, C. C., Latent Variables Analysis, on the linearisation.

    Examples
    --------
    >>> answers = [[1, 2, 3], [2, 1, 2], [3, 2, 1], [3, 5, 4], [5, 4, 5], [4, 4, 3]]
    >>> round(mcdonald_omega(answers).value, 3)
    0.851
    """
    kept, weight, cluster = _complete(_table(items), weights, clusters)
    check_confidence(confidence)
    n, size = kept.shape
    if size < 3:
        return Coefficient(np.nan, np.nan, np.nan, n, size)
    loadings, unique = _one_factor(np.cov(kept.T, aweights=weight, ddof=0))
    value = _omega(loadings, unique)
    moved = _omega_influence(kept, weight, loadings, unique)
    return Coefficient(value, *_limits(value, moved, cluster, confidence), n, size)


def _one_factor(covariance: Array) -> tuple[Array, Array]:
    """Loadings and specific variances of one factor, in the units of the items."""
    _check_size(len(covariance))
    if len(covariance) < 3:
        return np.full(2, np.nan), np.full(2, np.nan)
    found = factor_loadings(correlations_of(covariance), 1, rotation=None)
    spread = np.sqrt(np.diag(covariance))
    return spread * found.loadings[:, 0], spread**2 * found.uniquenesses


def _omega_influence(kept: Array, weights: Array, loadings: Array, unique: Array) -> Array:
    """How far each answer moves ω."""
    weight = weights / weights.sum()
    apart = _centred(kept, weight)
    inverse = np.linalg.inv(np.outer(loadings, loadings) + np.diag(unique))
    leaning = inverse @ loadings
    scores = apart @ inverse
    part = np.hstack([2 * scores * (scores @ loadings)[:, None], scores**2])
    part -= weight @ part
    cross = 2 * inverse * leaning
    information = np.block(
        [
            [2 * (np.outer(leaning, leaning) + (loadings @ leaning) * inverse), cross],
            [cross.T, inverse**2],
        ]
    )
    shared, rest = loadings.sum(), unique.sum()
    whole = shared**2 + rest
    slope = np.concatenate(
        [np.full(len(loadings), 2 * shared * rest), np.full(len(loadings), -(shared**2))]
    )
    return np.asarray(weight * (part @ np.linalg.solve(information, slope / whole**2)))


def _limits(value: float, moved: Array, cluster: Array, confidence: float) -> tuple[float, float]:
    """Ends of the interval, taken on the scale log(1 − value); that of 1 has none."""
    if not value < 1 - 1e-12:
        return np.nan, np.nan
    found = weighted.from_influence(
        np.log(1 - value), -moved / (1 - value), cluster, confidence=confidence
    )
    return float(1 - np.exp(found.high)), float(1 - np.exp(found.low))


def _pairwise(table: pd.DataFrame, standardised: bool, confidence: float) -> Coefficient:
    answered = table.notna().astype(int)
    n = int((answered.T @ answered).to_numpy().min())
    if n < 2:
        raise NotEnoughData(
            _("Two of the items were never answered together, so nothing is known of the pair.")
        )
    value = alpha_of(table.cov().to_numpy(), standardised=standardised)
    low, high = feldt(value, n, table.shape[1], confidence=confidence)
    return Coefficient(value, float(low), float(high), n, table.shape[1])


def _table(items: ArrayLike) -> pd.DataFrame:
    table = pd.DataFrame(items).astype(float)
    _check_size(table.shape[1])
    return table


def _complete(
    table: pd.DataFrame, weights: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Answers to all items, with their weights and clusters; one of weight 0 does not count."""
    weight, cluster = weighted.design_of(len(table), weights, clusters)
    kept = table.notna().all(axis=1).to_numpy() & (weight > 0)
    if kept.sum() < 2:
        raise NotEnoughData(
            _(
                "Reliability needs at least 2 questionnaires with an answer to every item; there "
                "are {n}."
            ).format(n=int(kept.sum()))
        )
    return table.to_numpy()[kept], weight[kept], cluster[kept]


def _centred(items: ArrayLike, weight: Array) -> Array:
    answers = np.asarray(items, float)
    return np.asarray(answers - weight @ answers)


def _check_size(items: int) -> None:
    if items < 2:
        raise NotEnoughData(
            _("Reliability needs at least 2 items that measure the same; there is {items}.").format(
                items=items
            )
        )
