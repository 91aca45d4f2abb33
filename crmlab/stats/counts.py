"""Regression of counts, such as the orders of customers in months, by Poisson's likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.stats.clustered import Estimate, wald_chance
from crmlab.stats.threads import on_one_processor
from crmlab.stats.weighted import t_interval

Array = NDArray[np.float64]
Places = NDArray[np.intp]

#: Steps after which a fit that still moves is given up.
STEPS = 60
#: A step that would raise the log-likelihood by less than this is the last.
LAST = 1e-10
#: A column whose ends differ by more than e to this power in what is expected has no bound.
FARTHEST = 15.0
#: Numbers held at once while clusters are left out one after the other.
AT_ONCE = 4_000_000


class CountRegression(NamedTuple):
    """Coefficients of a regression of counts: logs of ratios.

    Attributes
    ----------
    names : tuple of str
        Of the columns.
    coefficients : numpy.ndarray, shape (columns,)
    covariance : numpy.ndarray, shape (columns, columns)
        Over clusters.
    freedom : int
        Clusters less one.
    log_likelihood : float
        Poisson's, given the sums of the groups where groups are absorbed; without the factorials.
    """

    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    freedom: int
    log_likelihood: float

    @property
    def errors(self) -> Array:
        """Standard errors of the coefficients."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))

    def estimate(self, column: int | str, *, confidence: float = 0.95) -> Estimate:
        """A coefficient, by its place or name, with its t interval and without an effect."""
        place = self.names.index(column) if isinstance(column, str) else column
        vector = np.zeros(len(self.coefficients))
        vector[place] = 1.0
        return self.contrast(vector, confidence=confidence)

    def contrast(self, vector: ArrayLike, *, confidence: float = 0.95) -> Estimate:
        """A weighted sum of coefficients with its t interval."""
        weights = np.asarray(vector, float)
        error = float(np.sqrt(weights @ self.covariance @ weights))
        value = float(weights @ self.coefficients)
        return t_interval(value, error, self.freedom, confidence=confidence)

    def chance(self, vector: ArrayLike) -> float:
        """Two-sided probability of a weighted sum of coefficients as far from 0 by chance."""
        from scipy.stats import t

        weights = np.asarray(vector, float)
        error = float(np.sqrt(weights @ self.covariance @ weights))
        return float(2 * t.sf(abs(float(weights @ self.coefficients)) / error, self.freedom))

    def chance_of_all(self, columns: Sequence[int]) -> float:
        """Probability, by an F test, that these coefficients are all 0 but for chance."""
        rows = list(columns)
        covariance = self.covariance[np.ix_(rows, rows)]
        return wald_chance(self.coefficients[rows], covariance, self.freedom)


class _Data(NamedTuple):
    """Rows that tell something, sorted by group."""

    counts: Array
    design: Array
    log_exposure: Array
    starts: Places
    sizes: Places
    clusters: Places

    @property
    def absorbed(self) -> bool:
        """Whether the rows come in groups with levels of their own."""
        return len(self.starts) > 0


@on_one_processor
def poisson(
    counts: ArrayLike,
    design: ArrayLike,
    *,
    exposure: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike,
    names: Sequence[str] | None = None,
) -> CountRegression:
    """Which ratio of counts goes with each column: quasi-Poisson, with clustered errors.

    Parameters
    ----------
    counts : array_like of float, shape (rows,)
        At least 0.
    design : array_like of float, shape (rows, columns)
        With a column of ones where there is to be a constant; without where groups are absorbed.
    exposure : array_like of float, shape (rows,), optional
        What the expected count is in proportion to, such as days; rows with none are left out.
    groups : array_like, shape (rows,), optional
        Such as the customer: each has a level of its own, which is not estimated but conditioned
        on; a group whose counts are all zero says nothing of ratios, and is left out. Columns that
        do not vary within any group cannot be told apart from the levels.
    clusters : array_like, shape (rows,)
        Rows of different clusters are independent; the rows of a group are of one cluster.
    names : sequence of str, optional
        Of the columns; by default their numbers.

    Returns
    -------
    CountRegression

    Raises
    ------
    CrmlabError
        If a count is below 0 or a figure is missing, or a group lies in several clusters.
    NotEnoughData
        If there are fewer than two clusters, columns that cannot be told apart (also once some
        cluster is left out), or a coefficient without bound, as where a column's rows count
        nothing.

    Notes
    -----
    The mean is exposure · level · exp(xβ). With the level of each group replaced by what fits best,
    its sum of counts over its sum of exposure · exp(xβ), the likelihood is the multinomial of the
    counts given their sums; here the conditional estimate is that of a Poisson regression with a
    dummy for every group, and there is no incidental-parameter bias. It needs the mean to be right,
    not Poisson's variance. Solved by Newton's steps, halved where the likelihood would fall.

    The covariance is that of the jackknife over the G clusters, each left out in one Newton step:
    (G − 1)/G Σ d d′, d = (H − H₍g₎)⁻¹ s₍g₎ with H₍g₎ and s₍g₎ the cluster's part of the
    information and of the score. It is wider than the sandwich where clusters are few or unlike,
    which is then too short, and tends to it where they are many.

    References
    ----------
    Hausman, J., Hall, B. H. and Griliches, Z. (1984), Econometrica 52, 909-938. Wooldridge, J. M.
    (1999), Journal of Econometrics 90, 77-97. Bell, R. M. and McCaffrey, D. F. (2002), Survey
    Methodology 28, 169-181.

    Examples
    --------
    Four customers before and after; C and D had to pay more: 11 for 10, and (2/8) / (11/10).

    >>> found = poisson([6, 6, 4, 5, 5, 1, 3, 1],
    ...     [[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [1, 1], [0, 0], [1, 1]],
    ...     groups=list("AABBCCDD"), clusters=list("AABBCCDD"))
    >>> np.exp(found.coefficients).round(4).tolist()
    [1.1, 0.2273]
    """
    data = _prepared(counts, design, exposure, groups, clusters)
    columns = data.design.shape[1]
    labels = tuple(names) if names is not None else tuple(str(place) for place in range(columns))
    many = int(data.clusters.max()) + 1 if len(data.clusters) else 0
    if many < 2:
        raise NotEnoughData(
            _("A regression of counts needs counts above zero in two clusters at least.")
        )
    scale = _spread(data, labels)
    scaled = data._replace(design=data.design / scale)
    found, likelihood = _newton(scaled, labels)
    covariance = _jackknife(scaled, found, many)
    return CountRegression(
        labels,
        found / scale,
        covariance / np.outer(scale, scale),
        many - 1,
        likelihood,
    )


def _prepared(
    counts: ArrayLike,
    design: ArrayLike,
    exposure: ArrayLike | None,
    groups: ArrayLike | None,
    clusters: ArrayLike,
) -> _Data:
    count, columns = np.asarray(counts, float), np.asarray(design, float)
    open_to = np.ones(len(count)) if exposure is None else np.asarray(exposure, float)
    figures = np.column_stack([count, columns, open_to])
    if not np.isfinite(figures).all() or (count < 0).any() or (open_to < 0).any():
        raise CrmlabError(
            _("Counts and exposure must be given and at least 0, and no column may have gaps.")
        )
    if (count[open_to == 0] > 0).any():
        raise CrmlabError(_("There are counts where the exposure is 0."))
    cluster = np.unique(np.asarray(clusters), return_inverse=True)[1]
    kept = open_to > 0
    if groups is None:
        made = np.unique(cluster[kept], return_inverse=True)[1]
        none = np.zeros(0, np.intp)
        return _Data(count[kept], columns[kept], np.log(open_to[kept]), none, none, made)
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    total = np.bincount(group, count)
    first = np.full(len(total), -1)
    first[group[::-1]] = cluster[::-1]
    if (first[group] != cluster).any():
        raise CrmlabError(_("The rows of a group must be of one cluster."))
    rows = np.flatnonzero(kept & (total[group] > 0))
    rows = rows[np.argsort(group[rows], kind="stable")]
    _groups, starts, sizes = np.unique(group[rows], return_index=True, return_counts=True)
    made = np.unique(cluster[rows], return_inverse=True)[1]
    return _Data(
        count[rows], columns[rows], np.log(open_to[rows]), starts, sizes, made
    )  # fmt: skip


def _spread(data: _Data, names: tuple[str, ...]) -> Array:
    """Root mean square of each column, less its mean of the group where groups are absorbed."""
    columns = _centred(data, np.ones(len(data.counts)))
    spread = np.sqrt(np.mean(columns**2, axis=0))
    size = np.sqrt(np.mean(data.design**2, axis=0))
    flat = [name for name, one, all_ in zip(names, spread, size, strict=True) if one <= 1e-9 * all_]
    if flat:
        raise NotEnoughData(
            _("What {names} would add cannot be told: there is nothing to compare it with.").format(
                names=_(", ").join(flat)
            )
        )
    square = (columns / spread).T @ (columns / spread) / len(columns)
    if np.linalg.matrix_rank(square, tol=1e-9, hermitian=True) < len(names):
        raise NotEnoughData(
            _("The columns {names} cannot be told apart.").format(names=_(", ").join(names))
        )
    return np.asarray(spread)


def _expected(data: _Data, found: Array) -> tuple[Array, float]:
    """Mean of each row at these coefficients, and the log-likelihood."""
    log_mean = data.log_exposure + data.design @ found
    if not data.absorbed:
        mean = np.exp(np.minimum(log_mean, 700))
        return mean, float(data.counts @ log_mean - mean.sum())
    highest = np.repeat(np.maximum.reduceat(log_mean, data.starts), data.sizes)
    raw = np.exp(log_mean - highest)
    share = raw / np.repeat(np.add.reduceat(raw, data.starts), data.sizes)
    total = np.repeat(np.add.reduceat(data.counts, data.starts), data.sizes)
    some = data.counts > 0
    with np.errstate(divide="ignore"):  # a share of 0 where something was counted: too far
        likelihood = float(data.counts[some] @ np.log(share[some]))
    return share * total, likelihood


def _centred(data: _Data, mean: Array) -> Array:
    """The columns less their means over the group, weighted by what is expected."""
    if not data.absorbed:
        return data.design
    totals = np.add.reduceat(mean, data.starts)
    return data.design - np.repeat(_sums(data, mean) / totals[:, None], data.sizes, axis=0)


def _information(data: _Data, mean: Array) -> Array:
    """Minus the second derivatives of the log-likelihood."""
    rooted = data.design * np.sqrt(mean)[:, None]
    square = rooted.T @ rooted
    if not data.absorbed:
        return np.asarray(square)
    totals = np.add.reduceat(mean, data.starts)
    sums = _sums(data, mean) / np.sqrt(totals)[:, None]
    return np.asarray(square - sums.T @ sums)


def _sums(data: _Data, weights: Array) -> Array:
    """Weighted sums of the columns over each group."""
    from scipy.sparse import csr_matrix

    rows = len(data.counts)
    edges = np.append(data.starts, rows)
    picked = csr_matrix((weights, np.arange(rows), edges), shape=(len(data.starts), rows))
    return np.asarray(picked @ data.design)


def _start(data: _Data) -> Array:
    """One step of weighted least squares on the logs; zero where groups are absorbed."""
    if data.absorbed:
        return np.zeros(data.design.shape[1])
    near = data.counts + 0.5
    aim = np.log(near) + (data.counts - near) / near - data.log_exposure
    weighed = data.design * near[:, None]
    return np.asarray(np.linalg.solve(weighed.T @ data.design, weighed.T @ aim))


def _newton(data: _Data, names: tuple[str, ...]) -> tuple[Array, float]:
    found, gain = _start(data), np.inf
    mean, likelihood = _expected(data, found)
    for _step in range(STEPS):
        information = _information(data, mean)
        score = data.design.T @ (data.counts - mean)
        try:
            step = np.asarray(np.linalg.solve(information, score), float)
        except np.linalg.LinAlgError:
            break
        gain = float(step @ score)
        if gain < LAST:
            break
        found, mean, likelihood = _uphill(data, found, step, likelihood)
    reach = np.abs(found) * np.ptp(data.design, axis=0)
    if not gain < LAST or reach.max() > FARTHEST:
        raise _without_bound(names[int(reach.argmax())])
    return found, likelihood


def _uphill(
    data: _Data, found: Array, step: Array, likelihood: float
) -> tuple[Array, Array, float]:
    """A Newton step, halved until the likelihood does not fall."""
    for _half in range(30):
        mean, now = _expected(data, found + step)
        if now >= likelihood - 1e-9 * (1 + abs(likelihood)):
            break
        step = step / 2
    return found + step, mean, now


def _without_bound(name: str) -> NotEnoughData:
    return NotEnoughData(
        _(
            "The coefficient of {name} has no bound: among the rows that tell of it, nothing was "
            "counted on one side."
        ).format(name=name)
    )


def _jackknife(data: _Data, found: Array, many: int) -> Array:
    """Covariance from leaving each cluster out, in one Newton step."""
    mean, _likelihood = _expected(data, found)
    apart = _centred(data, mean)
    left = apart * (data.counts - mean)[:, None]
    order = np.argsort(data.clusters, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(data.clusters, minlength=many))])
    scores = np.add.reduceat(left[order], edges[:-1])
    rooted = (apart * np.sqrt(mean)[:, None])[order]
    information = rooted.T @ rooted
    columns = rooted.shape[1]
    moved = np.empty((many, columns))
    step = max(1, AT_ONCE // columns**2)
    for low in range(0, many, step):
        high = min(low + step, many)
        parts = np.stack([rooted[edges[g] : edges[g + 1]].T @ rooted[edges[g] : edges[g + 1]]
                          for g in range(low, high)])  # fmt: skip
        moved[low:high] = _left_out(information - parts, scores[low:high])
    return np.asarray((many - 1) / many * moved.T @ moved)


def _left_out(without: Array, scores: Array) -> Array:
    """How far each cluster moves the coefficients."""
    size = np.sqrt(np.abs(np.diagonal(without, axis1=1, axis2=2)).max(axis=0))
    scaled = without / np.outer(size, size)
    try:
        np.linalg.cholesky(scaled - 1e-10 * np.eye(len(size)))
    except np.linalg.LinAlgError:
        raise NotEnoughData(
            _(
                "Without one of the clusters the columns could not be told apart, so there is no "
                "error over clusters."
            )
        ) from None
    return np.asarray(np.linalg.solve(without, scores[:, :, None])[:, :, 0])
