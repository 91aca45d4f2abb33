"""Weighted scores: several criteria in one figure, with weights that come from judgements (AHP)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Exclusion, Result, measure
from crmlab.tiering import population
from crmlab.tiering.ahp import (
    AHP,
    Array,
    ahp,
    comparison_matrix,
    default_comparisons,
    principal,
    stepped,
    times_words,
)
from crmlab.tiering.rfm import CLASSES, NEEDS, rfm_scores
from crmlab.tiering.shares import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The criteria there are, each with the column of its score.
CRITERIA = {"length": "l", "recency": "r", "frequency": "f", "monetary": "m", "price": "c"}

#: Share of customers whose place at the top is followed when the judgements change.
TOP = 0.05
#: Of the changed judgements, the share that lies outside each end of a range said.
TAIL = 0.05


@dataclass(frozen=True, repr=False)
class WeightedScores(Result):
    """Result of `weighted_scores`.

    Attributes
    ----------
    criteria : pandas.DataFrame
        A row per criterion, heaviest first: criterion, weight, low, high (the range of the weight
        when judgements move by one step), classes (how many different scores there are).
    judgements : AHP
    sensitivity : pandas.DataFrame
        What happens when judgements move by one step: a row for ``"all"`` (every judgement at
        random: medians, and the range of the share kept) and one for ``"one"`` (the worst single
        judgement). Columns: moved, correlation (Spearman), kept (share of the top), low, high.
    worst_step : tuple of (str, str, float)
        The judgement whose move changes the top most: criterion, other, new judgement.
    top : int
        Customers at the top that are followed.
    left_out : tuple of str
        Criteria that these data do not have.
    unpriced : int
        Customers without a list price, scored by the other criteria.
    acquired : int
        Customers whose length counts from the day they were acquired.
    set_aside : population.Population
    draws : int
    """

    measure = "tiering.weighted_scores"

    criteria: pd.DataFrame
    judgements: AHP
    sensitivity: pd.DataFrame
    worst_step: tuple[str, str, float] | None
    top: int
    left_out: tuple[str, ...]
    unpriced: int
    acquired: int
    set_aside: population.Population
    draws: int

    def title(self) -> str:
        heaviest = self.criteria.iloc[0]
        return _(
            "{criterion} weighs {weight}; moving every judgement by a step keeps {kept} of the top"
        ).format(
            criterion=criterion_names()[heaviest["criterion"]],
            weight=percent(heaviest["weight"], 0),
            kept=percent(self._all()["kept"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table, names = self.criteria, criterion_names()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.55 * len(table) + 1.3)))
        places = np.arange(len(table))[::-1]
        whiskers = np.abs(table[["low", "high"]].to_numpy().T - table["weight"].to_numpy())
        axes.barh(
            places, table["weight"], height=0.55, color=charts.BLUE, xerr=whiskers,
            ecolor=charts.INK, capsize=3,
        )  # fmt: skip
        axes.set_yticks(places, [names[name] for name in table["criterion"]])
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Weight; line: where it lies if judgements move by a step"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._weights(),
            self.judgements.reading(criterion_names()),
            self._moved(),
            self._coarse(),
            self._lacking(),
            self.set_aside.sentence("purchases"),
        ]
        return "\n\n".join(part for part in parts if part)

    def _weights(self) -> str:
        names = criterion_names()
        parts = [
            _("{criterion} {weight} ({low} to {high})").format(
                criterion=names[row.criterion],
                weight=percent(row.weight),
                low=percent(row.low),
                high=percent(row.high),
            )
            for row in self.criteria.itertuples()
        ]
        return _(
            "Weights of the criteria: {parts}. In brackets: the range that holds {share} of the "
            "weights when every judgement may move by one step at random."
        ).format(parts=_("; ").join(parts), share=percent(1 - 2 * TAIL, 0))

    def _all(self) -> pd.Series:
        return self.sensitivity.set_index("moved").loc["all"]

    def _moved(self) -> str:
        if self.worst_step is None:
            return _("With one criterion there is nothing to weigh.")
        at_random = self._all()
        alone = self.sensitivity.set_index("moved").loc["one"]
        names = criterion_names()
        criterion, other, times = self.worst_step
        drawn = _(
            "If every judgement may move by one step, {kept} of the top {share} of customers "
            "({top}) stay there; {most} of {draws} draws lie between {low} and {high}. The whole "
            "ranking then correlates {correlation} with this one (Spearman)."
        ).format(
            share=percent(TOP, 0),
            most=percent(1 - 2 * TAIL, 0),
            kept=percent(at_random["kept"]),
            top=number(self.top),
            low=percent(at_random["low"]),
            high=percent(at_random["high"]),
            draws=number(self.draws),
            correlation=number(at_random["correlation"], 3),
        )
        if alone["kept"] == 1:
            single = _("No single judgement, moved by one step, changes who is at the top.")
            return f"{drawn} {single}"
        single = _(
            "The single judgement that matters most is that of {criterion} against {other}: at "
            "{times}, {kept} stay."
        ).format(
            criterion=names[criterion],
            other=names[other],
            times=times_words(times),
            kept=percent(alone["kept"]),
        )
        return f"{drawn} {single}"

    def _coarse(self) -> str:
        names = criterion_names()
        coarse = self.criteria[self.criteria["classes"] < CLASSES]
        if coarse.empty:
            return ""
        return _(
            "Because many customers are equal, not every criterion fills all {classes} classes: "
            "{parts}."
        ).format(
            classes=CLASSES,
            parts=_("; ").join(
                _("{criterion}: {classes}").format(
                    criterion=names[row.criterion], classes=row.classes
                )
                for row in coarse.itertuples()
            ),
        )

    def _lacking(self) -> str:
        names = criterion_names()
        parts = []
        if self.left_out:
            parts.append(
                _("Not in these data, so left out of the score: {criteria}.").format(
                    criteria=_(", ").join(names[name] for name in self.left_out)
                )
            )
        if self.unpriced:
            parts.append(
                ngettext(
                    "{count} customer has no purchase with a list price and is scored by the other "
                    "criteria.",
                    "{count} customers have no purchase with a list price and are scored by the "
                    "other criteria.",
                    self.unpriced,
                ).format(count=number(self.unpriced))
            )
        return " ".join(parts)

    def alt(self) -> str:
        return _("Bars of the weight of each criterion. {weights}").format(weights=self._weights())

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Sum of each criterion's score from 1 to {classes} times its weight; length: days "
                "from the day acquired (known for {acquired} customers, else from the first "
                "purchase) to the end of the period; price realisation: amount over list price of "
                "the purchases that have both; the others as in RFM"
            ).format(classes=CLASSES, acquired=number(self.acquired)),
            denominator=_("Sum of the weights of the criteria that the customer has"),
            period=self.context.period(),
            method=_(
                "Weights by the analytic hierarchy process (Saaty 1980), consistency ratio "
                "{ratio}. Scores by the quantiles observed; equal customers have equal scores. "
                "Sensitivity: {draws} draws in which each judgement keeps its place or moves by "
                "one step of the scale 1/9 to 9, with equal chance. The top are the first {share} "
                "of customers. {cancellations}"
            ).format(
                ratio=number(self.judgements.consistency_ratio, 3),
                draws=number(self.draws),
                share=percent(TOP, 0),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )

    def _exclusions(self) -> tuple[Exclusion, ...]:
        return self.set_aside.exclusions("purchases")


@measure(needs=NEEDS)
def weighted_scores(
    crm: Workspace,
    *,
    comparisons: pd.DataFrame | ArrayLike | None = None,
    draws: int = 200,
    seed: int = 0,
) -> WeightedScores:
    """One score per customer out of several criteria, and how far it hangs on the weights.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; list_price for price realisation; and
        customers: acquired_on for the length of the relationship.
    comparisons : pandas.DataFrame, optional
        Judgements in the shape of `default_comparisons`, which are the default, or as a square
        table; over some or all of length, recency, frequency, monetary, price.
    draws : int
        How often the judgements are moved at random.
    seed : int

    Returns
    -------
    WeightedScores
        `.table` has a row per customer, best first: rank (equal scores share the better one),
        customer_id, score (1 to 5), length (days), recency (days), frequency (purchases), monetary
        (money), price_realisation (share of the list price), l, r, f, m, c. Criteria that are not
        used have no columns.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If nobody bought anything.
    CrmlabError
        If the judgements name an unknown criterion, or cannot be used (see `ahp`).

    Notes
    -----
    Scores follow `rfm_scores`: quantiles observed, equal customers equal. Without a day of
    acquisition, or where the first purchase lies before it, length counts from the first purchase
    in the data, which for old customers is later than the true one. A customer without any list
    price gets the weighted mean of the other criteria. In the order of the table equal scores are
    parted by the M, F, R, L and C score and then by revenue; only the count of the top uses that.

    A step of the scale of judgements leads from 1/2 to 1 to 2 to 3; steps end at 1/9 and 9. A
    range says how far a figure depends on the judgements; it is no confidence interval.

    References
    ----------
    Saaty, T. L. (1980), The Analytic Hierarchy Process. Chang, H. H. and Tsay, S. F. (2004),
    Journal of Information Management 11 (4), 161-203, on length beside RFM.
    """
    people = population.customers(crm)
    values, acquired = criterion_values(crm, people)
    square = _usable(comparisons, list(values.columns.drop("customer_id")))
    left_out = tuple(name for name in CRITERIA if name in square and name not in values)
    square = square.drop(index=list(left_out), columns=list(left_out))
    judgements = ahp(square)
    scores = _scores(values, list(square.index))
    table = _ranked(scores, judgements.weights)
    patterns = _patterns(table, list(square.index))
    moves = _moves(judgements, patterns, count(TOP, len(table)), draws, seed)
    unpriced = int(table["c"].isna().sum()) if "c" in table else 0
    return WeightedScores(
        table,
        Context.of(crm),
        _criteria(judgements, moves.weights, table),
        judgements,
        moves.table,
        moves.worst,
        count(TOP, len(table)),
        left_out,
        unpriced,
        acquired,
        people,
        draws,
    )


def criterion_names() -> dict[str, str]:
    """Name of each criterion in the current language.

    Examples
    --------
    >>> criterion_names()["length"]
    'Length of the relationship'
    """
    return {
        "length": _("Length of the relationship"),
        "recency": _("Recency"),
        "frequency": _("Frequency"),
        "monetary": _("Monetary value"),
        "price": _("Price realisation"),
    }


def criterion_values(crm: Workspace, people: population.Population) -> tuple[pd.DataFrame, int]:
    """The criteria of each buyer, and for how many the day of acquisition is used."""
    buyers = people.buyers()
    if buyers.empty:
        raise NotEnoughData(_("A score needs customers who bought something; there is none."))
    last = pd.Timestamp(crm.as_of)
    start, acquired = _starts(crm, buyers)
    values = pd.DataFrame(
        {
            "customer_id": buyers["customer_id"],
            "length": (last - start).dt.days.astype("int64"),
            "recency": (last - buyers["last_day"]).dt.days.astype("int64"),
            "frequency": buyers["orders"].astype("int64"),
            "monetary": buyers["amount"].astype(float),
        }
    ).reset_index(drop=True)
    if crm.has("orders", "list_price"):
        paid = crm.query("purchases", by="customer_id").set_index("customer_id")
        realised = values["customer_id"].map(paid["priced_amount"] / paid["priced_list"])
        if realised.notna().any():
            values["price"] = realised.astype(float)
    return values, acquired


def _starts(crm: Workspace, buyers: pd.DataFrame) -> tuple[pd.Series, int]:
    """When each relationship began, and how many of these days are given by the data."""
    first = buyers["first_day"]
    if not crm.has("customers", "customer_id", "acquired_on"):
        return first, 0
    groups = crm.query("purchases", by=["customer_id", "acquired_on"])
    days = groups.dropna(subset=["acquired_on"]).set_index("customer_id")["acquired_on"]
    given = buyers["customer_id"].map(days)
    earlier = given.notna() & (given <= first)
    return given.where(earlier, first), int(earlier.sum())


def _usable(comparisons: pd.DataFrame | ArrayLike | None, there: list[str]) -> pd.DataFrame:
    square = comparison_matrix(default_comparisons() if comparisons is None else comparisons)
    unknown = [str(name) for name in square.index if name not in CRITERIA]
    if unknown:
        raise CrmlabError(
            _("The score knows the criteria {names}, not {unknown}.").format(
                names=", ".join(CRITERIA), unknown=", ".join(unknown)
            )
        )
    every = [name for name in there if name != "price"]
    if not set(square.index) & set(every):
        raise CrmlabError(
            _(
                "A score needs at least one criterion that every customer has; judge one of: "
                "{names}."
            ).format(names=", ".join(every))
        )
    return square


def _scores(values: pd.DataFrame, used: list[str]) -> pd.DataFrame:
    """The values of the criteria, with the score of each that is used."""
    scored, _thresholds = rfm_scores(values)
    if "length" in used:
        scored["l"] = _rising(scored["length"])
    if "price" in used:
        known = scored["price"].notna()
        scored["c"] = _rising(scored.loc[known, "price"]).astype("Int64").reindex(scored.index)
    return scored


def _rising(values: pd.Series) -> pd.Series:
    """Scores of a criterion of which more is better, by the rule of `rfm_scores`."""
    frame = pd.DataFrame({"recency": values, "frequency": values, "monetary": values})
    return rfm_scores(frame)[0]["f"]


def _ranked(scored: pd.DataFrame, weights: pd.Series) -> pd.DataFrame:
    letters = [CRITERIA[name] for name in weights.index]
    points = scored[letters].to_numpy(dtype=float, na_value=np.nan)
    table = scored.assign(score=_weighted(points, weights.to_numpy()))
    ties = [letter for letter in "mfrlc" if letter in letters]
    order = ["score", *ties, "monetary", "customer_id"]
    directions = [False] * (len(order) - 1) + [True]
    table = table.sort_values(order, ascending=directions, ignore_index=True)
    table["rank"] = table["score"].rank(method="min", ascending=False).astype("int64")
    table = table.rename(columns={"price": "price_realisation"})
    values = [name for name in CRITERIA if name in weights.index]
    values = ["price_realisation" if name == "price" else name for name in values]
    letters = [letter for letter in CRITERIA.values() if letter in letters]
    return table[["rank", "customer_id", "score", *values, *letters]]


def _weighted(points: Array, weights: Array) -> Array:
    """Weighted mean of the scores a customer has; equal ones to the last digit."""
    there = ~np.isnan(points)
    total = np.where(there, points, 0.0) @ weights
    return np.round(total / (there @ weights), 9)


@dataclass(frozen=True)
class _Moves:
    """What moved judgements do: a summary, the weights drawn, the step that matters most."""

    table: pd.DataFrame
    weights: Array
    worst: tuple[str, str, float] | None


@dataclass(frozen=True)
class _Patterns:
    """The different combinations of scores, best first among equals, and how many have each.

    There are a few thousand at most, however many customers: rankings of patterns are rankings of
    customers.
    """

    points: Array
    customers: Array

    def ranks(self, weights: Array) -> tuple[NDArray[np.intp], Array]:
        """Order of the patterns, best first, and the mean rank of each one's customers."""
        scores = _weighted(self.points, weights)
        order = np.argsort(-scores, kind="stable")
        label = np.unique(-scores, return_inverse=True)[1]
        sizes = np.bincount(label, self.customers)
        middle = np.cumsum(sizes) - (sizes - 1) / 2
        return order, middle[label]

    def taken(self, order: NDArray[np.intp], top: int) -> Array:
        """How many customers of each pattern are among the first `top`."""
        before = np.cumsum(self.customers[order]) - self.customers[order]
        taken = np.empty(len(order))
        taken[order] = np.clip(top - before, 0, self.customers[order])
        return taken


def _patterns(table: pd.DataFrame, used: list[str]) -> _Patterns:
    letters = [CRITERIA[name] for name in used]
    ties = [letter for letter in "mfrlc" if letter in letters]
    counts = table.groupby(ties, dropna=False).size().rename("customers").reset_index()
    counts = counts.sort_values(ties, ascending=False)
    points = counts[letters].to_numpy(dtype=float, na_value=np.nan)
    return _Patterns(points, counts["customers"].to_numpy(dtype=float))


def _moves(base: AHP, patterns: _Patterns, top: int, draws: int, seed: int) -> _Moves:
    """Move the judgements, one by one and all at random, and rank the customers again."""
    judged = base.comparisons.to_numpy()
    pairs = list(combinations(range(len(judged)), 2))
    singles = [(pair, step) for pair in range(len(pairs)) for step in (-1, 1)]
    random = np.random.default_rng(seed)
    at_random = [
        stepped(judged, pairs, step) for step in random.integers(-1, 2, (draws, len(pairs)))
    ]
    one_by_one = [
        stepped(judged, pairs, step * np.eye(len(pairs), dtype=int)[pair]) for pair, step in singles
    ]
    weights = np.array([principal(each)[0] for each in at_random]).reshape(draws, len(judged))
    alone = [principal(each)[0] for each in one_by_one]
    changed = _changes(base.weights.to_numpy(), weights, patterns, top)
    changed_alone = _changes(base.weights.to_numpy(), np.array(alone), patterns, top)
    table = pd.DataFrame(
        [
            {"moved": "all"} | _summary(changed),
            {"moved": "one"} | _summary(changed_alone, worst=True),
        ]
    )
    worst = None
    if pairs:
        least = int(np.argmin(changed_alone[:, 1]))
        (row, column), names = pairs[singles[least][0]], list(base.comparisons.index)
        worst = _spoken(names, one_by_one[least], row, column)
    return _Moves(table, weights, worst)


def _spoken(names: list[str], judged: Array, row: int, column: int) -> tuple[str, str, float]:
    """A judgement with the more important criterion first."""
    if judged[row, column] < 1:
        row, column = column, row
    return names[row], names[column], float(judged[row, column])


def _changes(base: Array, weights: Array, patterns: _Patterns, top: int) -> Array:
    """For each set of weights, rank correlation with the base and share of the top that stays."""
    order, ranks = patterns.ranks(base)
    before = patterns.taken(order, top)
    rows = []
    for each in weights:
        new_order, new_ranks = patterns.ranks(each)
        stayed = np.minimum(before, patterns.taken(new_order, top)).sum() / top
        rows.append((_correlation(ranks, new_ranks, patterns.customers), stayed))
    return np.array(rows).reshape(-1, 2)


def _correlation(one: Array, other: Array, counts: Array) -> float:
    one = one - np.average(one, weights=counts)
    other = other - np.average(other, weights=counts)
    spread = np.sqrt((counts @ one**2) * (counts @ other**2))
    return float(counts @ (one * other) / spread) if spread > 0 else 1.0


def _summary(changed: Array, *, worst: bool = False) -> dict[str, float]:
    """Median and range of the changes; of single steps, the worst."""
    if not len(changed):
        return {"correlation": 1.0, "kept": 1.0, "low": 1.0, "high": 1.0}
    correlation, kept = changed.T
    if worst:
        found = {"correlation": correlation.min(), "kept": kept.min()}
        return found | {"low": kept.min(), "high": kept.max()}
    low, high = np.quantile(kept, [TAIL, 1 - TAIL])
    return {
        "correlation": float(np.median(correlation)),
        "kept": float(np.median(kept)),
        "low": float(low),
        "high": float(high),
    }


def _criteria(judgements: AHP, drawn: Array, table: pd.DataFrame) -> pd.DataFrame:
    low, high = (
        np.quantile(drawn, [TAIL, 1 - TAIL], axis=0) if len(drawn) else [judgements.weights] * 2
    )
    frame = pd.DataFrame(
        {
            "criterion": judgements.weights.index,
            "weight": judgements.weights.to_numpy(),
            "low": np.asarray(low),
            "high": np.asarray(high),
            "classes": [table[CRITERIA[name]].nunique() for name in judgements.weights.index],
        }
    )
    return frame.sort_values(["weight", "criterion"], ascending=[False, True], ignore_index=True)
