"""Pareto analysis of complaints: the few causes that make most of the number, or of the cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.complaints.cases import cases, of_complaints
from crmlab.complaints.clusters import Array, Places, by_cluster, clusters
from crmlab.complaints.pareto_words import Pareto
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, TooManyGroups
from crmlab.language import _
from crmlab.show.columns import shown
from crmlab.show.result import Context, measure
from crmlab.stats import clustered
from crmlab.stats.intervals import bootstrap_t, check_confidence, times_drawn
from crmlab.stats.multiplicity import holding, holm

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Value = Literal["count", "cost", "both"]

#: So much of the whole is "most of it".
MOST = 0.8
#: A group with fewer customers is shown and not judged.
FEWEST = 5
#: More groups than this make no Pareto chart.
GROUPS = 200
RESAMPLES = 999
#: With more groups it is not judged whether number and cost differ.
COMPARED = 48
#: So many complaints at most are shuffled, those of customers drawn at random.
SHUFFLED = 20_000
#: Draws are counted together as long as the counts are no more than this.
CELLS = 2_000_000


@measure(needs={"complaints": ["opened_at"]})
def pareto(
    crm: Workspace,
    *,
    by: str = "cause",
    value: Value = "both",
    confidence: float = 0.95,
    seed: int = 0,
) -> Pareto:
    """Which few causes make most of the complaints, and which make most of their cost.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at and the column of `by`; for the cost handling_cost (or
        handling_minutes and the workspace's cost of ``complaint.minute``) or compensation.
    by : str
        A column of complaints, or of their orders, customers or owners.
    value : {"count", "cost", "both"}
        What is added up: complaints, money, or each of them. Without any cost ``"both"`` counts.
    confidence : float
    seed : int
        Of the customers drawn again.

    Returns
    -------
    Pareto
        `.table` has a row per group, that with the most complaints first (the highest cost first
        for ``"cost"``): the column of `by`, complaints, customers; for the count share, low, high,
        cumulative, vital (whether it is among those that make up 80 % together), first_share (of
        the resamples in which it has the most); and for the cost complaint_cost, unknown
        (complaints whose cost is not known), cost_part (share of the cost), cost_part_low,
        cost_part_high, cost_cumulative, cost_vital, cost_first_share; for both also
        cost_apart (whether the share of the cost differs from that of the number beyond chance;
        missing where it is not judged).

    Raises
    ------
    CrmlabError
        If `value` is none of the three.
    TooManyGroups
        If `by` makes more than 200 groups.
    MissingColumns
        If `value` is ``"cost"`` and no cost is known.
    NotEnoughData
        If no complaint has a value of `by`.

    Notes
    -----
    Suggestions are left out and counted. Cost is handling and compensation together; a complaint
    whose cost is not known adds nothing to the cost, which is then a lower bound. The cumulative
    share of the cost is that along the order of the cost, whatever the order of the rows.

    Customers are the units of chance, because those of one customer are alike: Wilson intervals of
    the number by the design effect of customers, studentised bootstrap intervals of the share of
    the cost, a few large sums of which carry much. A group of fewer than five customers has no
    interval. Count and cost disagree on the order of two groups beyond chance where the difference
    of their shares of the number and that of their shares of the cost have opposite signs and both
    differ from 0, by t tests over customers; the larger of the two probabilities counts, corrected
    by Holm's method for the number of pairs.

    Whether a group costs more or less than its number would suggest is tested by shuffling, since a
    few large sums make other tests see too much: all costs of a customer go to another customer who
    has complained as often, while the groups stay. How often the group's cost is then as high, or
    as low, gives the probability, corrected by Holm's method for the number of groups. More than 48
    groups are not judged; of more than 20,000 complaints those of customers drawn at random are
    shuffled.

    References
    ----------
    Juran, J. M. (1975), The non-Pareto principle; mea culpa, Quality Progress 8(5), 8-9. Efron, B.
    and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, section 12.5. Berger, R. L.
    (1982), Technometrics 24, 295-300, on the larger of two probabilities. Good, P. (2005),
    Permutation, Parametric and Bootstrap Tests of Hypotheses, 3rd ed.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2", "3"], "customer_id": ["A", "B", "C"],
    ...     "opened_at": ["2025-03-01"] * 3, "cause": ["damage", "damage", "training"],
    ...     "compensation": [5.0, 15.0, 80.0]})
    >>> table = pareto(from_frames({"complaints": complaints})).table
    >>> table[["cause", "complaints", "cumulative", "cost_part"]].round(2)
          cause  complaints  cumulative  cost_part
    0    damage           2        0.67        0.2
    1  training           1        1.00        0.8
    """
    check_confidence(confidence)
    if value not in ("count", "cost", "both"):
        raise CrmlabError(
            _("value is 'count', 'cost' or 'both'; it is {value}.").format(value=repr(value))
        )
    found = cases(crm, suggestions=False, by=by)
    by = by.rpartition(".")[2]
    frame = found.frame[found.frame[by].notna()].reset_index(drop=True)
    _check(crm, frame, by, value)
    left_out = [*found.exclusions()]
    if len(frame) < len(found.frame):
        reason = _("{column} not given").format(column=shown(by).label)
        left_out.append(of_complaints(reason, len(found.frame) - len(frame)))
    counted = value != "cost"
    costed = value != "count" and bool(frame["cost"].sum() > 0)
    table, pairs = _measured(frame, by, counted, costed, confidence, seed)
    return Pareto(
        table,
        Context.of(crm),
        by,
        counted,
        costed,
        value == "both",
        pairs,
        bool(frame["customer_id"].notna().any()),
        int(frame["cost_by_rule"].sum()),
        confidence,
        tuple(left_out),
    )


def _measured(
    frame: pd.DataFrame, by: str, counted: bool, costed: bool, confidence: float, seed: int
) -> tuple[pd.DataFrame, tuple[tuple[int, int], ...]]:
    """The table, and the pairs of its rows on whose order number and cost disagree."""
    names = sorted(frame[by].unique())
    who = clusters(frame["customer_id"])
    group = pd.Categorical(frame[by], categories=names).codes.astype(np.intp)
    numbers = by_cluster(who, group, len(names))
    costs = by_cluster(who, group, len(names), frame["cost"].fillna(0).to_numpy())
    table = pd.DataFrame({by: names, "complaints": numbers.sum(axis=0).astype("int64")})
    table["customers"] = (numbers > 0).sum(axis=0)
    if counted:
        table = table.join(_counts(numbers, table["customers"], confidence, seed))
    if costed:
        unknown = np.bincount(group, frame["cost"].isna(), minlength=len(names)).astype("int64")
        table = table.assign(complaint_cost=costs.sum(axis=0), unknown=unknown)
        table = table.join(_costs(costs, table["customers"], confidence, seed))
    pairs = []
    if counted and costed:
        table["cost_apart"] = _apart(frame, group, who, table["customers"], 1 - confidence, seed)
        pairs = _reversed(numbers, costs, table, confidence)
    first = "complaints" if counted else "complaint_cost"
    order = table.sort_values(first, ascending=False, kind="stable").index
    place = {int(old): new for new, old in enumerate(order)}
    reversed_pairs = tuple((place[one], place[other]) for one, other in pairs)
    return table.loc[order].reset_index(drop=True), reversed_pairs


def _check(crm: Workspace, frame: pd.DataFrame, by: str, value: str) -> None:
    groups = frame[by].nunique()
    if not groups:
        raise NotEnoughData(
            _("No complaint has a value of {column}, so there is nothing to rank.").format(
                column=by
            )
        )
    if groups > GROUPS:
        raise TooManyGroups(
            _(
                "by = {column} makes {groups} groups; a ranking of more than {most} cannot be "
                "read. Choose a column with fewer values."
            ).format(column=repr(by), groups=groups, most=GROUPS)
        )
    if value == "cost" and not frame["cost"].sum() > 0:
        raise MissingColumns(
            _(
                "pareto() with value='cost' needs complaints.handling_cost, handling_minutes with "
                "a cost of complaint.minute, or compensation, which {source} does not have. Take "
                "value='count', or name the columns in the mapping."
            ).format(source=crm.source),
            measure="complaints.pareto",
            missing={"complaints": ("handling_cost", "compensation")},
        )


def _counts(numbers: Array, customers: pd.Series, confidence: float, seed: int) -> pd.DataFrame:
    sizes = numbers.sum(axis=1)
    shares = [clustered.share(own, sizes, confidence=confidence) for own in numbers.T]
    table = pd.DataFrame(shares)[["value", "low", "high"]]
    table.columns = ["share", "low", "high"]
    table[["low", "high"]] = table[["low", "high"]].where(customers >= FEWEST)
    table["cumulative"], table["vital"] = _cumulative(numbers.sum(axis=0))
    return table.assign(first_share=_stays_first(numbers, seed))


def _costs(costs: Array, customers: pd.Series, confidence: float, seed: int) -> pd.DataFrame:
    total = costs.sum()
    table = pd.DataFrame({"cost_part": costs.sum(axis=0) / total})
    table["cost_part_low"], table["cost_part_high"] = np.nan, np.nan
    if len(costs) >= FEWEST:
        low, high = bootstrap_t(
            _shares_of(costs), len(costs), confidence=confidence, resamples=RESAMPLES, seed=seed
        )
        judged = customers >= FEWEST
        table["cost_part_low"] = pd.Series(np.clip(low, 0, 1)).where(judged)
        table["cost_part_high"] = pd.Series(np.clip(high, 0, 1)).where(judged)
    table["cost_cumulative"], table["cost_vital"] = _cumulative(costs.sum(axis=0))
    return table.assign(cost_first_share=_stays_first(costs, seed))


def _cumulative(totals: Array) -> tuple[Array, np.ndarray]:
    """Cumulative share down to each group, and whether it is still needed for 80 %."""
    order = np.argsort(-totals, kind="stable")
    along = np.cumsum(totals[order]) / totals.sum()
    before = np.concatenate([[0.0], along[:-1]])
    cumulative, vital = np.empty(len(totals)), np.empty(len(totals), bool)
    cumulative[order], vital[order] = along, before.round(12) < MOST
    return cumulative, vital


def _stays_first(amounts: Array, seed: int) -> Array:
    """Share of resamples of customers in which each group has the most; ties are divided."""
    random = np.random.default_rng(seed)
    first = np.zeros(amounts.shape[1])
    parts = -(-RESAMPLES * len(amounts) // CELLS)
    for some in np.array_split(np.arange(RESAMPLES), min(RESAMPLES, parts)):
        first += times_first(times_drawn(len(some), len(amounts), random) @ amounts)
    return np.asarray(first / RESAMPLES)


def times_first(drawn: Array) -> Array:
    """In how many of the draws each group has the most; ties are divided.

    Parameters
    ----------
    drawn : numpy.ndarray, shape (draws, groups)

    Examples
    --------
    >>> times_first(np.array([[5.0, 1.0, 2.0], [3.0, 3.0, 0.0]])).tolist()
    [1.5, 0.5, 0.0]
    """
    totals = drawn.round(6)
    most = totals == totals.max(axis=1, keepdims=True)
    return np.asarray((most / most.sum(axis=1, keepdims=True)).sum(axis=0))


def _shares_of(amounts: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Shares of the groups and their linearised errors, by how often each customer is drawn."""
    each = amounts.sum(axis=1)
    squares, products = amounts**2, amounts * each[:, None]
    clusters_ = len(amounts) / (len(amounts) - 1)

    def shares(weights: Array) -> tuple[Array, Array]:
        total = (weights @ each)[:, None]
        share = (weights @ amounts) / np.where(total > 0, total, np.nan)
        spread = weights @ squares - 2 * share * (weights @ products)
        spread = spread + share**2 * (weights @ each**2)[:, None]
        return share, np.sqrt(np.maximum(spread, 0) * clusters_) / total

    return shares


def _reversed(
    numbers: Array, costs: Array, table: pd.DataFrame, confidence: float
) -> list[tuple[int, int]]:
    """Pairs of groups of which the first has more complaints and the second costs more."""
    customers = len(numbers)
    judged = np.flatnonzero(table["customers"] >= FEWEST)
    if customers < FEWEST or len(judged) < 2:
        return []
    one, other = np.triu_indices(len(judged), 1)
    one, other = judged[one], judged[other]
    (apart, chance), (apart_cost, chance_cost) = (
        _differences(amounts, one, other) for amounts in (numbers, costs)
    )
    opposite = apart * apart_cost < 0
    holds, _adjusted = holm(
        np.where(opposite, np.fmax(chance, chance_cost), 1.0), 1 - confidence
    )  # fmt: skip
    ends = zip(one[holds], other[holds], apart[holds] > 0, strict=True)
    return [(int(a), int(b)) if more else (int(b), int(a)) for a, b, more in ends]


def _apart(
    frame: pd.DataFrame, group: Places, who: Places, customers: pd.Series, level: float, seed: int
) -> object:
    """Whether each group's share of the cost differs from its share of the number."""
    cost = frame["cost"].to_numpy(float)
    used = np.isfinite(cost) & _some(who, seed)
    judged = (customers >= FEWEST).to_numpy() & (len(customers) <= COMPARED)
    if len(np.unique(who[used])) < FEWEST:
        judged[:] = False
    chance = _shuffled(group[used], cost[used], who[used], len(customers), seed)
    return holding(np.where(judged, chance, np.nan), level)


def _some(who: Places, seed: int) -> np.ndarray:
    """All complaints, or those of as many customers as can be shuffled."""
    sizes = np.bincount(who)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    chosen = np.zeros(len(sizes), bool)
    chosen[drawn[np.cumsum(sizes[drawn]) <= SHUFFLED]] = True
    return np.asarray(chosen[who])


def _shuffled(group: Places, cost: Array, who: Places, groups: int, seed: int) -> Array:
    """Two-sided probabilities of the groups' costs where costs have nothing to do with groups.

    All costs of a customer go together to another customer with as many complaints, in any order.
    """
    random = np.random.default_rng(seed)
    number = np.unique(who, return_inverse=True)[1]
    order = np.lexsort((number, np.bincount(number)[number]))
    group, cost, number = group[order], cost[order], number[order]
    size = np.bincount(number)[number]
    draws = RESAMPLES * (1 + (groups > COMPARED // 2))
    found = np.bincount(group, cost, minlength=groups).round(6)
    less, more = np.ones(groups), np.ones(groups)
    for _draw in range(draws):
        place = size + 0.9 * random.random(len(size))[number] + 1e-9 * random.random(len(size))
        moved = cost[np.argsort(place, kind="stable")]
        totals = np.bincount(group, moved, minlength=groups).round(6)
        less += totals <= found
        more += totals >= found
    return np.asarray(np.minimum(1.0, 2 * np.minimum(less, more) / (draws + 1)))


def _differences(amounts: Array, one: Places, other: Places) -> tuple[Array, Array]:
    """Differences of the shares of pairs, and their probabilities by chance over customers."""
    share, moved = _moved(amounts)
    covariance = moved.T @ moved * len(amounts) / (len(amounts) - 1)
    own = np.diagonal(covariance)
    spread = own[one] + own[other] - 2 * covariance[one, other]
    apart = share[one] - share[other]
    return apart, _chance(apart, spread, len(amounts))


def _moved(amounts: Array) -> tuple[Array, Array]:
    """Shares of the groups, and how far each customer moves them."""
    total = amounts.sum()
    share = amounts.sum(axis=0) / total
    return share, (amounts - share * amounts.sum(axis=1, keepdims=True)) / total


def _chance(apart: Array, spread: Array, customers: int) -> Array:
    """Two-sided probabilities by a t test; 1 where nothing varies."""
    from scipy.stats import t

    z = np.divide(apart, np.sqrt(spread), out=np.zeros_like(apart), where=spread > 1e-18)
    return np.asarray(2 * t.sf(np.abs(z), customers - 1))
