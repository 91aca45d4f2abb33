"""Clusters: groups that an algorithm proposes, and whether there is anything to them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Exclusion, Result, left_out_words, measure
from crmlab.stats.intervals import bootstrap_t, check_confidence
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.tiering import population
from crmlab.tiering.rfm import NEEDS
from crmlab.tiering.scores import criterion_names, criterion_values
from crmlab.tiering.shares import group_shares_and_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

CRITERIA = ("recency", "frequency", "monetary")
ALLOWED = ("length", *CRITERIA)
#: Numbers of clusters that are tried.
TRIED = tuple(range(2, 9))
#: Fewer customers than this are not clustered.
LEAST = 30
#: The algorithm is fitted to so many customers at most, the others join the nearest centre; and
#: a silhouette is taken of so many, because it compares every customer with every other.
LARGEST_FIT, LARGEST_SILHOUETTE = 10_000, 2_000
#: Clouds without groups that the silhouette is compared with, and customers in each.
CLOUDS, CLOUD_SIZE = 19, 500
#: A criterion with more skewness than this is clustered by its logarithm.
SKEWED = 1.0
#: Bootstrap draws for the shares of revenue and the agreement with the tiers, which cost little.
REVENUE_RESAMPLES = 999
#: Starts of the algorithm where only the best counts.
STARTS = 3
#: Mean silhouettes from which there is some, a reasonable, a strong structure (Kaufman and
#: Rousseeuw 1990, table 4); Jaccard similarities from which a cluster is stable, below which it is
#: dissolved (Hennig 2007); adjusted Rand indices from which agreement is moderate, good, excellent
#: (Steinley 2004).
SILHOUETTES = (0.25, 0.50, 0.70)
STABLE, DISSOLVED = 0.75, 0.50
AGREEMENTS = (0.65, 0.80, 0.90)
#: A cluster's median stands out if it lies beyond these shares of all customers.
LOW, HIGH = 0.35, 0.65


def adjusted_rand(one: ArrayLike, other: ArrayLike) -> float:
    """How far two groupings of the same customers agree: 0 as by chance, 1 entirely.

    Parameters
    ----------
    one, other : array_like, shape (customers,)
        The group of each customer, under each grouping.

    Returns
    -------
    float
        Can be below 0.

    Notes
    -----
    With pairs of customers as the unit, (pairs together in both − expected) / (mean of the pairs
    together in each − expected), where expected is what groups of these sizes have in common by
    chance.

    References
    ----------
    Hubert, L. and Arabie, P. (1985), Journal of Classification 2, 193-218.

    Examples
    --------
    >>> adjusted_rand(["a", "a", "b", "b"], [1, 1, 2, 2])
    1.0
    """
    table = pd.crosstab(np.asarray(one), np.asarray(other)).to_numpy(dtype=float)
    return float(_rand_of_tables(table[None])[0])


def silhouette(values: ArrayLike, groups: ArrayLike) -> float:
    """How much closer customers are to their own group than to the next, on average: -1 to 1.

    Parameters
    ----------
    values : array_like of float, shape (customers, criteria)
    groups : array_like, shape (customers,)

    Returns
    -------
    float

    Notes
    -----
    For one customer (b − a)/max(a, b), with a the mean distance to the others of the group and b
    that to the nearest other group; 0 for a group of one. Computed by scikit-learn.

    References
    ----------
    Rousseeuw, P. J. (1987), Journal of Computational and Applied Mathematics 20, 53-65.

    Examples
    --------
    >>> round(silhouette([[0], [1], [10], [11]], [1, 1, 2, 2]), 4)
    0.8997
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(np.asarray(values, dtype=float), np.asarray(groups)))


@dataclass(frozen=True, repr=False)
class Clusters(Result):
    """Result of `clusters`.

    Attributes
    ----------
    k : int
    chosen : bool
        Whether `k` was chosen by the silhouette rather than given.
    by_k : pandas.DataFrame
        A row per number of clusters tried: k, silhouette, and low, high, the range of the same
        figure in clouds without groups.
    silhouette : float
        Mean silhouette at `k`.
    chance : float
        Share of the clouds, these customers counted as one of them, whose best silhouette is at
        least as large.
    seeds_agree : float
        Mean adjusted Rand index between the clusters from different starts.
    starts : int
    logged, constant : tuple of str
        Criteria clustered by their logarithm, and those left out as all customers are equal.
    levels : pandas.DataFrame
        Where each cluster's median lies among all customers: a row per cluster, a column per
        criterion, 1 high, 0 in the middle, -1 low.
    members : pandas.Series
        The cluster of each customer, by customer_id.
    tiers : Tiers
    crosstab : pandas.DataFrame
        Number of customers by cluster (rows) and tier (columns).
    agreement : pandas.Series
        Adjusted Rand index of clusters and tiers: estimate, low, high.
    fitted : int
        Customers that the algorithm was fitted to.
    confidence : float
    resamples : int
    nets_to_nothing : int
        Customers left out because their revenue nets to zero or less.
    set_aside : population.Population
    """

    measure = "tiering.clusters"

    k: int
    chosen: bool
    by_k: pd.DataFrame
    silhouette: float
    chance: float
    seeds_agree: float
    starts: int
    logged: tuple[str, ...]
    constant: tuple[str, ...]
    levels: pd.DataFrame
    members: pd.Series
    tiers: Tiers
    crosstab: pd.DataFrame
    agreement: pd.Series
    fitted: int
    confidence: float
    resamples: int
    nets_to_nothing: int
    set_aside: population.Population

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"cluster": self.names()}

    def names(self) -> dict[str, str]:
        """Name of each cluster, made from where its medians lie among all customers."""
        words, said = _level_words(), {}
        for cluster, levels in self.levels.iterrows():
            found = [words[str(name), level] for name, level in levels.items() if level]
            said[cluster] = _(", ").join(found) if found else _("in the middle")
        return {str(cluster): self._name(cluster, said) for cluster in said}

    def _name(self, cluster: Any, said: Mapping[Any, str]) -> str:
        """Number and words, with the median money where another cluster has the same words."""
        if list(said.values()).count(said[cluster]) == 1 or "monetary" not in self.table:
            return _("{number}: {words}").format(number=cluster, words=said[cluster])
        typical = self.table.set_index("cluster")["monetary"][cluster]
        return _("{number}: {words} (median {money})").format(
            number=cluster,
            words=said[cluster],
            money=money(typical, self.context.currency),
        )

    def title(self) -> str:
        said = (
            _(
                "{k} clusters, better separated than a cloud without groups (silhouette "
                "{silhouette})"
            )
            if self._beyond_chance()
            else _(
                "{k} clusters, no better separated than a cloud without groups (silhouette "
                "{silhouette})"
            )
        )
        return said.format(k=self.k, silhouette=number(self.silhouette, 2))

    def _beyond_chance(self) -> bool:
        return self.chance <= 1 / (CLOUDS + 1)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        found = self.by_k
        axes.fill_between(
            found["k"], found["low"], found["high"], color=charts.GREY, alpha=0.35, linewidth=0,
            label=_("clouds without groups"),
        )  # fmt: skip
        axes.plot(
            found["k"], found["silhouette"], color=charts.BLUE, marker="o",
            label=_("these customers"),
        )  # fmt: skip
        axes.scatter([self.k], [self.silhouette], color=charts.ORANGE, s=90, zorder=3)
        axes.set_xticks(found["k"])
        axes.set_ylim(min(0.0, 1.1 * float(found["silhouette"].min())), self._height())
        axes.legend(loc="upper right")
        axes.set_xlabel(_("Number of clusters"))
        axes.set_ylabel(_("Mean silhouette"))
        charts.set_title(axes, self.title())
        return axes

    def _height(self) -> float:
        """Room above the curve for the legend."""
        return min(1.0, 1.3 * float(self.by_k[["silhouette", "high"]].to_numpy().max()))

    def reading(self) -> str:
        parts = [
            self._separation(),
            self._stability(),
            self._each(),
            self._against_tiers(),
            self._preparation(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def _left_out(self) -> str:
        return left_out_words(
            self._exclusions(), nothing=_("No order and no customer of the period was left out.")
        )

    def _separation(self) -> str:
        none, weak, reasonable = SILHOUETTES
        if self.silhouette <= none:
            judged = _(
                "The mean silhouette of {k} clusters is {silhouette}: no structure to speak of."
            )
        elif self.silhouette <= weak:
            judged = _(
                "The mean silhouette of {k} clusters is {silhouette}: a weak structure, which may "
                "be artificial."
            )
        elif self.silhouette <= reasonable:
            judged = _(
                "The mean silhouette of {k} clusters is {silhouette}: a reasonable structure."
            )
        else:
            judged = _("The mean silhouette of {k} clusters is {silhouette}: a strong structure.")
        said = judged.format(k=self.k, silhouette=number(self.silhouette, 2))
        return f"{said} {self._clouds()}"

    def _clouds(self) -> str:
        at_k = self.by_k.set_index("k").loc[self.k]
        if self._beyond_chance():
            said = _(
                "Clouds without groups, with the same correlations, reach {low} to {high}: these "
                "customers are better separated. Skewed or lumped values do that too, so it does "
                "not prove that there are kinds of customers."
            )
        else:
            said = _(
                "Clouds without groups, with the same correlations, reach {low} to {high}: the "
                "clusters cut up one cloud, and other cuts would do as well."
            )
        return said.format(low=number(at_k["low"], 2), high=number(at_k["high"], 2))

    def _stability(self) -> str:
        names = self.names()
        shaky = self.table[self.table["jaccard"] < STABLE]
        again = _(
            "From {starts} different starts, the clusters agree with an adjusted Rand index of "
            "{index} on average."
        ).format(starts=self.starts, index=number(self.seeds_agree, 2))
        if shaky.empty:
            drawn = _(
                "With other draws of customers every cluster comes back (mean Jaccard similarity "
                "at least {stable}). That a cut comes back does not show a gap where it is made."
            ).format(stable=number(STABLE, 2))
        else:
            drawn = _(
                "With other draws of customers these clusters do not reliably come back (mean "
                "Jaccard similarity below {stable}): {parts}."
            ).format(
                stable=number(STABLE, 2),
                parts=_("; ").join(
                    _("{name} ({jaccard})").format(
                        name=names[str(row.cluster)], jaccard=number(row.jaccard, 2)
                    )
                    for row in shaky.itertuples()
                ),
            )
        return f"{again} {drawn}"

    def _each(self) -> str:
        names = self.names()
        parts = [
            _(
                "{name}, {share} of customers and {revenue} ({low} to {high}) of revenue; half of "
                "them brought {money} or more"
            ).format(
                name=names[str(row.cluster)],
                share=percent(row.share),
                revenue=percent(row.revenue_share),
                low=percent(row.revenue_low),
                high=percent(row.revenue_high),
                money=money(row.monetary, self.context.currency),
            )
            for row in self.table.itertuples()
        ]
        return _("The clusters: {parts}. In brackets: {confidence} confidence intervals.").format(
            parts=_("; ").join(parts), confidence=percent(self.confidence, 0)
        )

    def _against_tiers(self) -> str:
        if self.crosstab.shape[1] < 2:
            return _("All these customers are in one tier, so there is nothing to compare with.")
        moderate, good, excellent = AGREEMENTS
        found = self.agreement
        if found["low"] <= 0:
            said = _(
                "Clusters and tiers: adjusted Rand index {index} ({low} to {high}), not to be told "
                "from chance."
            )
        elif found["estimate"] < moderate:
            said = _(
                "Clusters and tiers: adjusted Rand index {index} ({low} to {high}), more than "
                "chance but poor: they do not sort customers alike."
            )
        elif found["estimate"] < good:
            said = _(
                "Clusters and tiers: adjusted Rand index {index} ({low} to {high}), a moderate "
                "agreement."
            )
        elif found["estimate"] < excellent:
            said = _(
                "Clusters and tiers: adjusted Rand index {index} ({low} to {high}), a good "
                "agreement."
            )
        else:
            said = _(
                "Clusters and tiers: adjusted Rand index {index} ({low} to {high}): they sort "
                "customers almost alike."
            )
        said = said.format(
            index=number(found["estimate"], 2),
            low=number(found["low"], 2),
            high=number(found["high"], 2),
        )
        return f"{said} {self._best_tier()}"

    def _best_tier(self) -> str:
        best = self.crosstab.columns[0]
        column = self.crosstab[best]
        home = int(column.idxmax())
        return _("Of the customers of the tier {tier}, {share} are in cluster {cluster}.").format(
            tier=self.tiers.names()[best],
            share=percent(column[home] / column.sum()),
            cluster=home,
        )

    def _preparation(self) -> str:
        names = criterion_names()
        parts = []
        if self.logged:
            parts.append(
                _("Because they are skewed, these went in as logarithms: {criteria}.").format(
                    criteria=_(", ").join(names[name] for name in self.logged)
                )
            )
        if self.constant:
            parts.append(
                _("Left out, because all customers are equal in it: {criteria}.").format(
                    criteria=_(", ").join(names[name] for name in self.constant)
                )
            )
        if self.fitted < len(self.members):
            parts.append(
                _(
                    "The algorithm was fitted to a random {fitted} of {customers} customers; the "
                    "others joined the nearest centre."
                ).format(fitted=number(self.fitted), customers=number(len(self.members)))
            )
        return " ".join(parts)

    def alt(self) -> str:
        parts = [
            _("{k} clusters: {silhouette} (clouds {low} to {high})").format(
                k=row.k,
                silhouette=number(row.silhouette, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
            )
            for row in self.by_k.itertuples()
        ]
        return _("Line of the mean silhouette by number of clusters. {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _define(self) -> Definition:
        chosen = (
            _("The number of clusters, of {tried} tried, is that with the largest silhouette.")
            if self.chosen
            else _("The number of clusters was given.")
        )
        return Definition(
            numerator=_("Customers, and net revenue, of the cluster"),
            denominator=_("Customers with a purchase and a revenue above zero"),
            period=self.context.period(),
            method=_(
                "k-means on {criteria}, each with mean 0 and standard deviation 1, the best of "
                "{starts} starts. {chosen} Silhouettes of {most} customers at most. Clouds: "
                "{clouds} draws from a normal distribution with the same correlations. Jaccard "
                "similarities over {resamples} bootstrap draws (Hennig 2007). Tiers: {tiers} "
                "{cancellations}"
            ).format(
                criteria=_(", ").join(criterion_names()[name] for name in self.levels.columns),
                starts=self.starts,
                chosen=chosen.format(tried=len(self.by_k)),
                most=number(LARGEST_SILHOUETTE),
                clouds=CLOUDS,
                resamples=number(self.resamples),
                tiers=self.tiers.words(),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )

    def _exclusions(self) -> tuple[Exclusion, ...]:
        found = self.set_aside.exclusions("purchases")
        if self.nets_to_nothing:
            reason = _("revenue nets to zero or less")
            found = (*found, Exclusion.of_customers(reason, self.nets_to_nothing))
        return found


@measure(needs=NEEDS)
def clusters(
    crm: Workspace,
    *,
    k: int | None = None,
    criteria: Sequence[str] = CRITERIA,
    seeds: int = 20,
    resamples: int = 50,
    confidence: float = 0.95,
    seed: int = 0,
) -> Clusters:
    """Groups of alike customers that an algorithm finds, and whether there is anything to them.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    k : int, optional
        Number of clusters; by default that of 2 to 8 with the largest mean silhouette.
    criteria : sequence of str
        Of length, recency, frequency, monetary.
    seeds : int
        Number of different starts.
    resamples : int
        Bootstrap draws of customers for the stability of clusters.
    confidence : float
    seed : int

    Returns
    -------
    Clusters
        `.table` has a row per cluster, most revenue first: cluster (its number), customers, share,
        the median of each criterion (days, days, purchases, money), silhouette (mean), jaccard
        (mean similarity to the most similar cluster of a bootstrap draw), revenue_share,
        revenue_low, revenue_high. `.members` says who is in which, `.crosstab` compares with the
        tiers.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If there are fewer than 30 customers, or they hardly differ.
    CrmlabError
        If `k` or `criteria` is not one of those allowed.

    Notes
    -----
    Customers with a purchase and a positive revenue are clustered. A criterion with a skewness
    above 1 goes in as log(1 + x); then each has mean 0 and standard deviation 1, so each counts
    alike. k-means always finds k clusters. Three things say whether they mean anything: the
    silhouette; the same figure in clouds without groups that have the same correlations; and
    whether clusters come back in bootstrap draws of the customers (compared on the customers
    drawn, each once). The intervals of revenue take the clusters as given.

    The interval of the adjusted Rand index is the percentile interval over bootstrap draws of
    customers, clusters and tiers taken as given.

    References
    ----------
    Kaufman, L. and Rousseeuw, P. J. (1990), Finding Groups in Data. Hennig, C. (2007),
    Computational Statistics and Data Analysis 52, 258-271. Hennig, C. and Lin, C.-J. (2015),
    Statistics and Computing 25, 821-833, on comparing with a model without clusters. Steinley, D.
    (2004), Psychological Methods 9, 386-396.
    """
    check_confidence(confidence)
    _check_criteria(criteria)
    people = population.customers(crm)
    values, _acquired = criterion_values(crm, people)
    positive = values[values["monetary"] > 0].reset_index(drop=True)
    columns, logged, constant = _standardised(positive, criteria)
    points = columns.to_numpy()
    numbers = _numbers_of_clusters(points, k)
    random = np.random.default_rng(seed)
    fitted = points[_drawn(len(points), LARGEST_FIT, random)]
    with _one_thread(), _unchecked():
        by_k, chance = _separation(fitted, numbers, k, random, seed)
        best = int(by_k.loc[by_k["silhouette"].idxmax(), "k"]) if k is None else k
        labels = _fit(fitted, best, seeds, seed).predict(points)
        members = _numbered(labels, positive["monetary"])
        table = _table(positive, points, members, list(columns), random)
        table["jaccard"] = _jaccard(points, members, best, resamples, random)
        agree = _seeds_agree(fitted, best, seeds, seed)
    table = _with_revenue(table, positive["monetary"], members, confidence, seed)
    tiers = customer_tiers(crm)
    crosstab = _crosstab(positive["customer_id"], members, tiers)
    return Clusters(
        table,
        Context.of(crm),
        k=best,
        chosen=k is None,
        by_k=by_k,
        silhouette=float(by_k.set_index("k")["silhouette"][best]),
        chance=chance,
        seeds_agree=agree,
        starts=seeds,
        logged=logged,
        constant=constant,
        levels=_levels(positive, members, list(columns)),
        members=pd.Series(members, positive["customer_id"], name="cluster"),
        tiers=tiers,
        crosstab=crosstab,
        agreement=_agreement(crosstab, confidence, random),
        fitted=len(fitted),
        confidence=confidence,
        resamples=resamples,
        nets_to_nothing=len(values) - len(positive),
        set_aside=people,
    )


def _one_thread() -> Any:
    """k-means on one thread: on small data several wait for each other most of the time.

    Measured on a busy machine with two cores: 8 seconds in place of 130.
    """
    import sklearn.cluster  # noqa: F401 - its threads can be limited once it is loaded
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def _unchecked() -> Any:
    """Hundreds of small fits whose arguments are ours: checking them takes as long as fitting."""
    from sklearn import config_context

    return config_context(assume_finite=True, skip_parameter_validation=True)


def _check_criteria(criteria: Sequence[str]) -> None:
    unknown = [name for name in criteria if name not in ALLOWED]
    if unknown or not len(criteria) or isinstance(criteria, str):
        raise CrmlabError(
            _("Customers are clustered by some of {names}; criteria is {criteria}.").format(
                names=", ".join(ALLOWED), criteria=repr(criteria)
            )
        )


def _standardised(
    values: pd.DataFrame, criteria: Sequence[str]
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """The criteria with mean 0 and standard deviation 1; which were logged, which are constant."""
    if len(values) < LEAST:
        raise NotEnoughData(
            _("Clusters need at least {least} customers with revenue; there are {count}.").format(
                least=LEAST, count=len(values)
            )
        )
    columns = values[list(criteria)].astype(float)
    constant = tuple(name for name in columns if columns[name].min() == columns[name].max())
    columns = columns.drop(columns=list(constant))
    if columns.empty:
        raise NotEnoughData(
            _("All customers are equal in {criteria}; there is nothing to cluster.").format(
                criteria=", ".join(criteria)
            )
        )
    logged = tuple(name for name in columns if columns[name].skew() > SKEWED)
    for name in logged:
        columns[name] = np.log1p(columns[name])
    return (columns - columns.mean()) / columns.std(ddof=0), logged, constant


def _numbers_of_clusters(points: Array, k: int | None) -> list[int]:
    """The numbers of clusters to try, of which there cannot be as many as different customers."""
    different = len(np.unique(points, axis=0))
    numbers = sorted({*TRIED, *([k] if isinstance(k, int) else [])})
    possible = [one for one in numbers if 2 <= one < different]
    if k is not None and k not in possible:
        raise CrmlabError(
            _("k is a whole number from 2 to {most}, such as 3; it is {k}.").format(
                most=max(2, different - 1), k=repr(k)
            )
        )
    if not possible:
        raise NotEnoughData(
            _("Clusters need at least 3 different customers; there are {count}.").format(
                count=different
            )
        )
    return possible


def _drawn(size: int, most: int, random: np.random.Generator) -> Labels:
    """Places of all, or of a random `most`."""
    if size <= most:
        return np.arange(size)
    return np.sort(random.choice(size, most, replace=False))


def _fit(points: Array, k: int, starts: int, seed: int) -> Any:
    """The best of several starts of k-means."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Where customers are equal it may find fewer than k clusters; callers look at the labels.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(k, n_init=starts, random_state=seed).fit(points)


def _separation(
    points: Array, numbers: list[int], k: int | None, random: np.random.Generator, seed: int
) -> tuple[pd.DataFrame, float]:
    """Mean silhouette by number of clusters, here and in clouds without groups."""
    found = _silhouettes(points, numbers, random, seed)
    correlations = np.atleast_2d(np.corrcoef(points, rowvar=False))
    size = min(len(points), CLOUD_SIZE)
    middle = np.zeros(len(correlations))
    clouds = np.array(
        [
            _silhouettes(
                random.multivariate_normal(middle, correlations, size), numbers, random, seed
            )
            for _cloud in range(CLOUDS)
        ]
    )
    by_k = pd.DataFrame(
        {"k": numbers, "silhouette": found, "low": clouds.min(axis=0), "high": clouds.max(axis=0)}
    )
    asked = [numbers.index(k)] if k is not None else list(range(len(numbers)))
    at_least = clouds[:, asked].max(axis=1) >= found[asked].max()
    return by_k, float((1 + at_least.sum()) / (1 + CLOUDS))


def _silhouettes(
    points: Array, numbers: list[int], random: np.random.Generator, seed: int
) -> Array:
    """Mean silhouette for each number of clusters; -1 where there are not that many."""
    from scipy.spatial.distance import pdist, squareform
    from sklearn.metrics import silhouette_score

    sample = _drawn(len(points), LARGEST_SILHOUETTE, random)
    # The same for every number of clusters, and what takes longest.
    distances = squareform(pdist(points[sample]))
    found = []
    for k in numbers:
        labels = _fit(points, k, STARTS, seed).labels_[sample]
        whole = len(np.unique(labels)) == k
        found.append(silhouette_score(distances, labels, metric="precomputed") if whole else -1.0)
    return np.array(found)


def _seeds_agree(points: Array, k: int, seeds: int, seed: int) -> float:
    """Mean adjusted Rand index over pairs of single starts."""
    random = np.random.default_rng(seed)
    starts = [_fit(points, k, 1, int(one)).labels_ for one in random.integers(2**31, size=seeds)]
    indices = [
        _rand_of_tables(_counts(one, other, k, k)[None])[0]
        for one, other in combinations(starts, 2)
    ]
    return float(np.mean(indices)) if indices else 1.0


def _numbered(labels: Labels, revenue: pd.Series) -> Labels:
    """Clusters numbered from 1, that of most revenue first."""
    order = revenue.groupby(labels).sum().sort_values(ascending=False, kind="stable").index
    places = {label: place for place, label in enumerate(order, start=1)}
    return np.array([places[label] for label in labels])


def _table(
    values: pd.DataFrame,
    points: Array,
    members: Labels,
    criteria: list[str],
    random: np.random.Generator,
) -> pd.DataFrame:
    from sklearn.metrics import silhouette_samples

    groups = values.groupby(members)
    table = groups[criteria].median()
    table.insert(0, "customers", groups.size())
    table.insert(1, "share", table["customers"] / len(values))
    sample = _drawn(len(points), LARGEST_SILHOUETTE, random)
    each = pd.Series(silhouette_samples(points[sample], members[sample]))
    table["silhouette"] = each.groupby(members[sample]).mean()
    return table.rename_axis("cluster").reset_index()


def _with_revenue(
    table: pd.DataFrame, revenue: pd.Series, members: Labels, confidence: float, seed: int
) -> pd.DataFrame:
    of_cluster = members[None, :] == table["cluster"].to_numpy()[:, None]
    values = revenue.to_numpy()
    low, high = bootstrap_t(
        lambda weights: group_shares_and_errors(values, of_cluster, weights),
        len(values),
        confidence=confidence,
        resamples=REVENUE_RESAMPLES,
        seed=seed,
    )
    shares = of_cluster @ values / values.sum()
    return table.assign(revenue_share=shares, revenue_low=low, revenue_high=high)


def _jaccard(
    points: Array, members: Labels, k: int, resamples: int, random: np.random.Generator
) -> Array:
    """Mean similarity of each cluster to the most similar one of a bootstrap draw."""
    pool = _drawn(len(points), LARGEST_FIT, random)
    points, members = points[pool], members[pool]
    found = np.zeros((resamples, k))
    for draw in range(resamples):
        drawn = random.integers(len(points), size=len(points))
        model = _fit(points[drawn], k, STARTS, draw)
        once, first = np.unique(drawn, return_index=True)
        both = _counts(members[once] - 1, model.labels_[first], k, k)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        found[draw] = np.divide(both, either, out=np.zeros_like(both), where=either > 0).max(axis=1)
    return found.mean(axis=0)


def _levels(values: pd.DataFrame, members: Labels, criteria: list[str]) -> pd.DataFrame:
    medians = values.groupby(members)[criteria].median()
    levels = pd.DataFrame(0, index=medians.index, columns=criteria)
    for name in criteria:
        falling = np.sort(values[name].to_numpy(dtype=float))
        below = np.searchsorted(falling, medians[name], side="left")
        up_to = np.searchsorted(falling, medians[name], side="right")
        place = (below + up_to) / (2 * len(falling))
        levels[name] = (place > HIGH).astype(int) - (place < LOW).astype(int)
    return levels.rename_axis("cluster")


def _crosstab(customers: pd.Series, members: Labels, tiers: Tiers) -> pd.DataFrame:
    tier = customers.map(tiers.table.set_index("customer_id")["tier"])
    counts = pd.crosstab(pd.Series(members, name="cluster"), tier.rename("tier"))
    return counts[[name for name in tiers.order if name in counts]]


def _agreement(crosstab: pd.DataFrame, confidence: float, random: np.random.Generator) -> pd.Series:
    """Adjusted Rand index of a crosstab, with a percentile bootstrap interval."""
    counts = crosstab.to_numpy(dtype=float)
    drawn = random.multinomial(int(counts.sum()), counts.ravel() / counts.sum(), REVENUE_RESAMPLES)
    indices = _rand_of_tables(drawn.reshape(-1, *counts.shape).astype(float))
    tail = (1 - confidence) / 2
    low, high = np.quantile(indices, [tail, 1 - tail])
    return pd.Series({"estimate": _rand_of_tables(counts[None])[0], "low": low, "high": high})


def _counts(one: Labels, other: Labels, rows: int, columns: int) -> Array:
    """Crosstab of two groupings numbered from 0."""
    cells = np.bincount(one * columns + other, minlength=rows * columns)
    return cells.reshape(rows, columns).astype(float)


def _rand_of_tables(tables: Array) -> Array:
    """Adjusted Rand index of each crosstab, shape (tables, rows, columns)."""

    def pairs(counts: Array) -> Array:
        return counts * (counts - 1) / 2

    together = pairs(tables).sum(axis=(1, 2))
    one = pairs(tables.sum(axis=2)).sum(axis=1)
    other = pairs(tables.sum(axis=1)).sum(axis=1)
    expected = one * other / pairs(tables.sum(axis=(1, 2)))
    spread = (one + other) / 2 - expected
    # Two groupings that both put everybody together, or all apart, agree.
    return np.divide(together - expected, spread, out=np.ones_like(spread), where=spread != 0)


def _level_words() -> dict[tuple[str, int], str]:
    return {
        ("length", 1): _("with us long"),
        ("length", -1): _("with us for a short time"),
        ("recency", -1): _("bought lately"),
        ("recency", 1): _("bought long ago"),
        ("frequency", 1): _("often"),
        ("frequency", -1): _("seldom"),
        ("monetary", 1): _("much"),
        ("monetary", -1): _("little"),
    }
