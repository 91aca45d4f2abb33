"""Whether items hang together, how many factors they share, and which item loads on which."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]
Rotation = Literal["varimax", "oblimin"]

#: Into so many groups the customers are divided for the jackknife of the loadings.
GROUPS = 20
#: Specific variances are kept above this, as in the factor analysis of R.
LEAST_UNIQUENESS = 0.005


class Adequacy(NamedTuple):
    """The Kaiser-Meyer-Olkin measure: over all items, and item by item."""

    overall: float
    items: Array


class Sphericity(NamedTuple):
    """Bartlett's test: χ², its degrees of freedom, and the probability by chance."""

    statistic: float
    freedom: int
    chance: float


class Parallel(NamedTuple):
    """Parallel analysis: eigenvalues, those of random data, and how many factors stand out."""

    eigenvalues: Array
    random: Array
    factors: int


class Loadings(NamedTuple):
    """A factor analysis: loadings, specific variances, and correlations of the factors."""

    loadings: Array
    uniquenesses: Array
    correlations: Array

    @property
    def communalities(self) -> Array:
        """The part of each item's variance that the factors explain."""
        return 1 - self.uniquenesses

    @property
    def explained(self) -> float:
        """The part of the variance of all items together that the factors explain."""
        return float(self.communalities.mean())


def correlations(items: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Correlations of items, with the weights of the answers.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Without missing values.
    weights : array_like of float, shape (answers,), optional

    Returns
    -------
    numpy.ndarray, shape (items, items)

    Raises
    ------
    NotEnoughData
        If the answers to an item are all the same.

    Examples
    --------
    >>> correlations([[1, 1], [2, 3], [3, 2]]).round(6).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    table = np.asarray(items, float)
    weight = None if weights is None else np.asarray(weights, float)
    covariance = np.atleast_2d(np.cov(table.T, aweights=weight))
    return correlations_of(covariance)


def correlations_of(covariance: ArrayLike) -> Array:
    """Correlations that belong to a matrix of covariances.

    Parameters
    ----------
    covariance : array_like of float, shape (items, items)

    Raises
    ------
    NotEnoughData
        If an item does not vary.

    Examples
    --------
    >>> correlations_of([[4, 1], [1, 1]]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    matrix = np.asarray(covariance, float)
    spread = np.sqrt(np.diag(matrix))
    if not (spread > 0).all():
        place = int(np.argmin(spread)) + 1
        raise NotEnoughData(
            _(
                "The answers to item {place} are all the same, so it has no correlation with the "
                "others. Leave it out."
            ).format(place=place)
        )
    found = matrix / np.outer(spread, spread)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def kmo(correlations: ArrayLike) -> Adequacy:
    """How much of the correlations is shared by more than two items: Kaiser, Meyer, Olkin.

    Parameters
    ----------
    correlations : array_like of float, shape (items, items)

    Returns
    -------
    Adequacy
        Between 0 and 1; near 1 where what two items share is shared by others too.

    Raises
    ------
    NotEnoughData
        If an item follows exactly from others.

    Notes
    -----
    Over pairs of items, Σr² / (Σr² + Σq²) with r the correlation of two items and q their partial
    correlation given all others. Kaiser called .9 marvellous, .8 meritorious, .7 middling, .6
    mediocre, .5 miserable and less unacceptable.

    References
    ----------
    Kaiser, H. F. (1974), Psychometrika 39, 31-36. Kaiser, H. F. and Rice, J. (1974), Educational
    and Psychological Measurement 34, 111-117.

    Examples
    --------
    >>> round(kmo([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]]).overall, 4)
    0.6923
    """
    matrix = _regular(correlations)
    inverse = np.linalg.inv(matrix)
    scale = np.sqrt(np.diag(inverse))
    partial = -inverse / np.outer(scale, scale)
    apart = ~np.eye(len(matrix), dtype=bool)
    shared = np.where(apart, matrix**2, 0.0)
    rest = np.where(apart, partial**2, 0.0)
    each = shared.sum(axis=0) / (shared.sum(axis=0) + rest.sum(axis=0))
    return Adequacy(float(shared.sum() / (shared.sum() + rest.sum())), np.asarray(each))


def bartlett_sphericity(correlations: ArrayLike, n: float) -> Sphericity:
    """Whether items correlate at all: Bartlett's test of sphericity.

    Parameters
    ----------
    correlations : array_like of float, shape (items, items)
    n : float
        Answers, or their effective number.

    Returns
    -------
    Sphericity

    Raises
    ------
    NotEnoughData
        If an item follows exactly from others, or `n` is no larger than the number of items.

    Notes
    -----
    With p items, χ² = −(n − 1 − (2p + 5)/6) · ln|R| with p(p − 1)/2 degrees of freedom.

    References
    ----------
    Bartlett, M. S. (1951), Biometrika 38, 337-344.

    Examples
    --------
    >>> found = bartlett_sphericity([[1, 0.5], [0.5, 1]], 20)
    >>> round(found.statistic, 3), found.freedom, round(found.chance, 4)
    (5.034, 1, 0.0248)
    """
    from scipy.stats import chi2

    matrix = _regular(correlations)
    items = len(matrix)
    if n <= items:
        raise NotEnoughData(
            _(
                "Bartlett's test of {items} items needs more answers than items; there are {n}."
            ).format(items=items, n=round(n))
        )
    statistic = -(n - 1 - (2 * items + 5) / 6) * np.linalg.slogdet(matrix)[1]
    freedom = items * (items - 1) // 2
    return Sphericity(float(statistic), freedom, float(chi2.sf(statistic, freedom)))


def parallel_analysis(
    correlations: ArrayLike, n: float, *, draws: int = 200, level: float = 0.95, seed: int = 0
) -> Parallel:
    """How many factors items share: those whose eigenvalue is larger than chance makes it.

    Parameters
    ----------
    correlations : array_like of float, shape (items, items)
    n : float
        Answers, or their effective number.
    draws : int
        Random data sets.
    level : float
        Quantile of the random eigenvalues that an eigenvalue has to exceed.
    seed : int

    Returns
    -------
    Parallel
        `.factors` counts the eigenvalues before the first that does not exceed its quantile.

    Notes
    -----
    The random data are `n` answers to as many items that are normal and uncorrelated. Their
    covariances have a Wishart distribution, from which they are drawn directly (Bartlett's
    decomposition), so that the work does not grow with `n`.

    References
    ----------
    Horn, J. L. (1965), Psychometrika 30, 179-185. Glorfeld, L. W. (1995), Educational and
    Psychological Measurement 55, 377-393, on the 95th percentile.

    Examples
    --------
    >>> two = np.kron(np.eye(2), np.full((3, 3), 0.5)) + 0.5 * np.eye(6)
    >>> parallel_analysis(two, 100).factors
    2
    """
    matrix = np.asarray(correlations, float)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    drawn = _eigenvalues_drawn(np.eye(len(matrix)), n, draws, np.random.default_rng(seed))
    random = np.quantile(drawn, level, axis=0)
    beyond = eigenvalues > random
    factors = len(beyond) if beyond.all() else int(np.argmin(beyond))
    return Parallel(eigenvalues, random, factors)


def sequential_parallel_analysis(
    correlations: ArrayLike, n: float, *, draws: int = 200, level: float = 0.95, seed: int = 0
) -> Parallel:
    """How many factors items share, each compared with data that hold only those before it.

    Where factors correlate, the first takes so much of the variance that later ones can fall
    below the eigenvalues of answers with nothing in common, although they are there.

    Parameters
    ----------
    correlations, n, draws, level, seed
        As in `parallel_analysis`.

    Returns
    -------
    Parallel
        `.random` holds, for each eigenvalue up to the first that is not counted, its quantile if
        there were only the factors before it; for later ones, if there were only those counted.

    Raises
    ------
    NotEnoughData
        If an item follows exactly from others.

    References
    ----------
    Green, S. B., Levy, R., Thompson, M. S., Lu, M. and Lo, W.-J. (2012), Educational and
    Psychological Measurement 72, 357-374.

    Examples
    --------
    >>> two = np.kron(np.eye(2), np.full((3, 3), 0.5)) + 0.5 * np.eye(6)
    >>> sequential_parallel_analysis(two, 100).factors
    2
    """
    matrix = _regular(correlations)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    random: Array = np.empty(len(matrix))
    generator = np.random.default_rng(seed)
    most = most_factors(len(matrix))
    for factors in range(most + 1):
        drawn = _eigenvalues_drawn(_of_so_many(matrix, factors), n, draws, generator)
        random[factors:] = np.quantile(drawn[:, factors:], level, axis=0)
        if factors == most or eigenvalues[factors] <= random[factors]:
            break
    return Parallel(np.asarray(eigenvalues), random, factors)


def _of_so_many(matrix: Array, factors: int) -> Array:
    """The correlations that a model of so many factors fits to the matrix."""
    if not factors:
        return np.eye(len(matrix))
    loadings, unique = _fitted(matrix, factors)
    return correlations_of(loadings @ loadings.T + np.diag(unique))


def _eigenvalues_drawn(model: Array, n: float, draws: int, random: np.random.Generator) -> Array:
    """Eigenvalues, largest first, of correlations of `n` normal answers to items of a model."""
    items, answers = len(model), round(n)
    freedom = answers - 1 - np.arange(items)
    if (freedom <= 0).any():
        root = random.standard_normal((draws, items, max(answers, 2)))
        root -= root.mean(axis=2, keepdims=True)
    else:
        root = np.tril(random.standard_normal((draws, items, items)), -1)
        diagonal = np.sqrt(random.chisquare(freedom, (draws, items)))
        root += diagonal[:, :, None] * np.eye(items)
    root = np.linalg.cholesky(model) @ root
    covariance = root @ root.transpose(0, 2, 1)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    found = covariance / (spread[:, :, None] * spread[:, None, :])
    return np.asarray(np.linalg.eigvalsh(found)[:, ::-1])


def most_factors(items: int) -> int:
    """The largest number of factors that so many items can tell apart.

    The model of that many factors has no more parameters than there are correlations.

    Examples
    --------
    >>> [most_factors(items) for items in (2, 3, 5, 6, 22)]
    [0, 1, 2, 3, 15]
    """
    found = [m for m in range(1, items) if (items - m) ** 2 >= items + m]
    return max(found, default=0)


def factor_loadings(
    correlations: ArrayLike, factors: int, *, rotation: Rotation | None = "varimax"
) -> Loadings:
    """Which items load on which factor, by maximum likelihood.

    Parameters
    ----------
    correlations : array_like of float, shape (items, items)
    factors : int
    rotation : {"varimax", "oblimin"}, optional
        Factors that do not correlate, or factors that may; None leaves them as they come.

    Returns
    -------
    Loadings
        A column per factor, the one that explains most first; its loadings sum to more than
        nothing. With ``"oblimin"`` the loadings are the pattern: what a factor adds, the other
        factors held fixed.

    Raises
    ------
    NotEnoughData
        If the items are too few for so many factors, or one follows exactly from others.
    CrmlabError
        If there is no such rotation.

    Notes
    -----
    The correlations are ΛΦΛ' + Ψ, with specific variances Ψ no smaller than .005. The factors and
    their rotations are those of `statsmodels.multivariate.factor`. Both rotations are made on
    loadings whose rows have length 1 (Kaiser's normalisation); oblimin is the direct one with
    γ = 0 (quartimin). Communalities do not depend on the rotation.

    References
    ----------
    Jöreskog, K. G. (1967), Psychometrika 32, 443-482. Kaiser, H. F. (1958), Psychometrika 23,
    187-200. Jennrich, R. I. and Sampson, P. F. (1966), Psychometrika 31, 313-323.

    Examples
    --------
    >>> one = np.full((4, 4), 0.25) + 0.75 * np.eye(4)
    >>> factor_loadings(one, 1).loadings.round(3).ravel().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    matrix = _regular(correlations)
    if not 1 <= factors <= most_factors(len(matrix)):
        raise NotEnoughData(
            _(
                "{items} items cannot tell {factors} factors apart; at most {most} can be asked "
                "for."
            ).format(items=len(matrix), factors=factors, most=most_factors(len(matrix)))
        )
    plain, unique = _fitted(matrix, factors)
    turned, related = _rotated(plain, rotation)
    order = np.argsort(-(turned**2).sum(axis=0), kind="stable")
    turned, related = turned[:, order], related[np.ix_(order, order)]
    signs = np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
    return Loadings(turned * signs, unique, related * np.outer(signs, signs))


def loading_errors(
    items: ArrayLike,
    found: Loadings,
    *,
    weights: ArrayLike,
    clusters: ArrayLike,
    groups: int = GROUPS,
    seed: int = 0,
) -> Array:
    """Standard errors of the loadings of `factor_loadings` with the oblimin rotation.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Without missing values.
    found : Loadings
        The loadings of all answers.
    weights : array_like of float, shape (answers,)
    clusters : array_like of int, shape (answers,)
    groups : int
        Into so many groups the clusters are divided at random.
    seed : int

    Returns
    -------
    numpy.ndarray, shape (items, factors)

    Notes
    -----
    The jackknife: each group of clusters is left out in turn, the factors fitted again and turned
    towards those of all answers before they are rotated; with G groups the variance is
    (G − 1)/G Σ (loading − mean)². The t distribution with G − 1 degrees of freedom belongs to it.

    References
    ----------
    Jennrich, R. I. (2008), Psychometrika 73, 579-594. Wolter, K. M. (2007), Introduction to
    Variance Estimation, chapter 4.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> items = random.standard_normal((200, 1)) + random.standard_normal((200, 4))
    >>> one = factor_loadings(correlations(items), 1)
    >>> loading_errors(items, one, weights=np.ones(200), clusters=np.arange(200)).shape
    (4, 1)
    """
    answers, weight = np.asarray(items, float), np.asarray(weights, float)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = min(groups, int(number.max()) + 1)
    group = np.random.default_rng(seed).permutation(np.arange(number.max() + 1) % count)[number]
    each = np.array(
        [
            _near(correlations(answers[group != left], weight[group != left]), found)
            for left in range(count)
        ]
    )
    return np.asarray(np.sqrt((count - 1) / count * ((each - each.mean(axis=0)) ** 2).sum(axis=0)))


def _near(matrix: Array, found: Loadings) -> Array:
    """Loadings of other answers, each factor being the one nearest to that of `found`."""
    from statsmodels.multivariate.factor_rotation import rotate_factors

    factors = found.loadings.shape[1]
    plain = _fitted(matrix, factors)[0]
    if factors == 1:
        return plain * np.sign((plain * found.loadings).sum())
    turn = np.linalg.inv(np.linalg.lstsq(plain, found.loadings, rcond=None)[0]).T
    turn /= np.sqrt((turn**2).sum(axis=0))
    length = np.sqrt((plain**2).sum(axis=1, keepdims=True))
    length[length == 0] = 1.0
    limits = {"tol": 1e-4, "max_tries": 100}
    turned = rotate_factors(plain / length, "oblimin", 0, "oblique", T=turn, **limits)[0]
    return np.asarray(turned * length)


def _fitted(matrix: Array, factors: int) -> tuple[Array, Array]:
    """Unrotated loadings and specific variances of the greatest likelihood, by statsmodels.

    From principal axes the search takes milliseconds; from its own start, with BFGS, ten times
    as long.
    """
    from statsmodels.multivariate.factor import Factor

    axes = Factor(corr=matrix, n_factor=factors).fit()
    start: Array = np.full((len(matrix), factors), LEAST_UNIQUENESS)
    start[:, : axes.loadings.shape[1]] = axes.loadings
    model = Factor(corr=matrix, n_factor=factors, method="ml")
    with warnings.catch_warnings():
        # What they warn of is looked at below.
        warnings.simplefilter("ignore")
        found = model.fit(
            start=(start, np.maximum(axes.uniqueness, LEAST_UNIQUENESS)),
            opt_method="L-BFGS-B",
            opt={"maxiter": 10_000, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 50},
        )
    # Where a specific variance goes to nothing, the likelihood has no maximum to arrive at.
    if not found.mle_retvals.success and found.uniqueness.min() > LEAST_UNIQUENESS:
        raise NotEnoughData(
            _(
                "The likelihood of {factors} factors of {items} items has no clear maximum; ask "
                "for fewer factors."
            ).format(factors=factors, items=len(matrix))
        )
    # From numpy 2.5 on the eigenvectors that statsmodels turns them by are of complex numbers.
    return np.real(found.loadings), np.maximum(found.uniqueness, LEAST_UNIQUENESS)


def _rotated(plain: Array, rotation: Rotation | None) -> tuple[Array, Array]:
    """Rotated loadings, and the correlations of the factors."""
    from statsmodels.multivariate.factor_rotation import rotate_factors

    if rotation not in ("varimax", "oblimin", None):
        raise CrmlabError(
            _("There is no rotation {name}; there are varimax, oblimin and None.").format(
                name=rotation
            )
        )
    factors = plain.shape[1]
    if factors == 1 or rotation is None:
        return plain, np.eye(factors)
    length = np.sqrt((plain**2).sum(axis=1, keepdims=True))
    length[length == 0] = 1.0
    # From where two factors are alike neither rotation would find a way, so we start elsewhere.
    aside = np.linalg.qr(np.random.default_rng(0).standard_normal((factors, factors)))[0]
    start = rotate_factors(plain / length @ aside, "varimax")[0]
    if rotation == "varimax":
        return start * length, np.eye(factors)
    turned, oblique = rotate_factors(start, "oblimin", 0, "oblique")
    return turned * length, np.asarray(oblique.T @ oblique)


def _regular(correlations: ArrayLike) -> Array:
    """The matrix, if no item follows from others."""
    matrix = np.asarray(correlations, float)
    if np.linalg.eigvalsh(matrix)[0] < 1e-10:
        raise NotEnoughData(
            _(
                "An item follows exactly from the others, or there are fewer answers than items; "
                "leave out items that repeat others."
            )
        )
    return matrix


def effective_size(items: ArrayLike, *, weights: ArrayLike, clusters: ArrayLike) -> float:
    """Independent answers whose correlations would be as sure as those of these answers.

    Parameters
    ----------
    items : array_like of float, shape (answers, items)
        Without missing values.
    weights : array_like of float, shape (answers,)
    clusters : array_like of int, shape (answers,)

    Returns
    -------
    float
        No more than the number of answers.

    Notes
    -----
    Over pairs of items, Σ(1 − r²)² / Σ var(r). The numerator belongs to one normal answer; the
    variance is by linearisation, summed over clusters: an answer moves the correlation of the
    standardised items x and z by xz − r(x² + z²)/2.

    References
    ----------
    Steiger, J. H. and Hakstian, A. R. (1982), British Journal of Mathematical and Statistical
    Psychology 35, 208-215, on the variance without normality.

    Examples
    --------
    >>> items = np.random.default_rng(0).standard_normal((400, 3))
    >>> twice = {"weights": np.ones(800), "clusters": np.tile(np.arange(400), 2)}
    >>> round(effective_size(np.tile(items, (2, 1)), **twice))
    441
    """
    share = np.asarray(weights, float) / np.sum(weights)
    answers = np.asarray(items, float)
    apart = answers - share @ answers
    apart /= np.sqrt(share @ apart**2)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(number.max()) + 1
    one = variance = 0.0
    for place in range(apart.shape[1] - 1):
        own, others = apart[:, [place]], apart[:, place + 1 :]
        related = share @ (own * others)
        moved = share[:, None] * (own * others - related * (own**2 + others**2) / 2)
        sums = np.zeros((count, others.shape[1]))
        np.add.at(sums, number, moved)
        variance += float((sums**2).sum()) * count / max(count - 1, 1)
        one += float(((1 - related**2) ** 2).sum())
    return min(one / variance, float(len(answers))) if variance > 0 else float(len(answers))
