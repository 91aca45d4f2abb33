"""Three ways to segment (细分) the same customers, by value, by need and by behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.intervals import bootstrap_t, check_confidence, wilson
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.tiering import population
from crmlab.tiering.rfm import NEEDS, rfm, segment_names
from crmlab.tiering.shares import group_shares_and_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: Columns that say what a customer needs, the first that the data have; table and column.
NEEDED = (("orders", "service_line"), ("customers", "customer_type"), ("customers", "industry"))
#: A customer's main need is that of at least this share of the purchases.
MAIN = 0.60
MIXED, NOT_GIVEN = "mixed", "not_given"
#: Cramér's V from which an association is weak, moderate, strong (Rea and Parker 1992).
WEAK, MODERATE, STRONG = 0.10, 0.20, 0.40
RESAMPLES = 999


def cramers_v(counts: ArrayLike) -> float:
    """How far one grouping of customers says the other: 0 not at all, 1 entirely.

    Parameters
    ----------
    counts : array_like, shape (rows, columns)
        Number of customers by both groupings.

    Returns
    -------
    float
        Corrected for bias: 0 where there is no more association than chance brings about. NaN
        where one of the groupings has fewer than two groups.

    Notes
    -----
    With φ² = χ²/n, reduced by its expectation under independence, φ̃² = max(0, φ² −
    (r − 1)(c − 1)/(n − 1)), and r̃ = r − (r − 1)²/(n − 1) rows, c̃ columns likewise,
    V = √(φ̃² / min(r̃ − 1, c̃ − 1)). Empty rows and columns do not count.

    References
    ----------
    Bergsma, W. (2013), Journal of the Korean Statistical Society 42, 323-328.

    Examples
    --------
    >>> round(cramers_v([[30, 10], [10, 30]]), 4)
    0.4903
    """
    return float(_v_of_tables(np.asarray(counts, dtype=float)[None])[0])


@dataclass(frozen=True, repr=False)
class Segmentation(Result):
    """Result of `segmentation`.

    Attributes
    ----------
    associations : pandas.DataFrame
        A row per pair of ways: one, other, v (bias-corrected Cramér's V), low, high, customers
        (those with a segment in both).
    members : pandas.DataFrame
        A row per customer: customer_id and the segment under each way.
    need : str
        Column that says what a customer needs; empty where the data have none.
    tiers : Tiers
    rules : pandas.DataFrame
        The segment rules of RFM.
    confidence : float
    set_aside : population.Population
    """

    measure = "tiering.segmentation"

    associations: pd.DataFrame
    members: pd.DataFrame
    need: str
    tiers: Tiers
    rules: pd.DataFrame
    confidence: float
    set_aside: population.Population

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        every = {**self._labels("need"), **self._labels("behaviour"), **self._labels("value")}
        return {"way": way_names(), "segment": every}

    def _labels(self, way: str) -> dict[str, str]:
        """Label of each segment of a way, in the current language."""
        if way == "value":
            return self.tiers.names()
        if way == "behaviour":
            return segment_names(self.rules)
        codes = {str(code): shown(_bare(self.need)).written(code, "") for code in self._codes()}
        return codes | {MIXED: _("mixed"), NOT_GIVEN: _("not given")}

    def _codes(self) -> list[str]:
        return [] if not self.need else [str(code) for code in self.members["need"].unique()]

    def _pair(self) -> tuple[str, str]:
        """The pair that is drawn: value and need, or value and behaviour."""
        return ("value", "need") if self.need else ("value", "behaviour")

    def title(self) -> str:
        one, other = self._pair()
        found = self._association(one, other)
        names = _way_words()
        if found[["v", "low"]].isna().any():
            return _("Value and {other} cannot be compared").format(other=names[other])
        if found["low"] <= 0 or found["v"] < WEAK:
            said = _("Value says next to nothing about {other} (Cramér's V {v})")
        elif found["v"] < MODERATE:
            said = _("Value says a little about {other} (Cramér's V {v})")
        elif found["v"] < STRONG:
            said = _("Value says something about {other} (Cramér's V {v})")
        else:
            said = _("Value says much about {other} (Cramér's V {v})")
        return said.format(other=names[other], v=number(found["v"], 2))

    def _association(self, one: str, other: str) -> pd.Series:
        pairs = self.associations.set_index(["one", "other"])
        return pairs.loc[(one, other)]

    def plot(self, ax: Axes | None = None) -> Axes:
        one, other = self._pair()
        shares = self.grid().T
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.42 * len(shares) + 1.9))
        most = float(shares.to_numpy().max())
        axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0, vmax=most)
        for row in range(shares.shape[0]):
            for column in range(shares.shape[1]):
                share = shares.iloc[row, column]
                colour = "white" if share > 0.6 * most else charts.INK
                axes.text(column, row, percent(share, 0), ha="center", va="center", color=colour)
        sizes = self.members[one].value_counts()
        names, others = self._labels(one), self._labels(other)
        axes.set_xticks(
            range(len(shares.columns)),
            [f"{names[code]}\n{number(sizes[code])}" for code in shares.columns],
        )
        axes.set_yticks(range(len(shares)), [others[code] for code in shares.index])
        axes.set_xlabel(_("Share of each tier's customers; below it their number"))
        charts.set_title(axes, self.title())
        return axes

    def grid(self) -> pd.DataFrame:
        """Share of each value tier's customers (rows) in each segment of the other way."""
        one, other = self._pair()
        counts = pd.crosstab(self.members[one], self.members[other])
        rows = [code for code in self._order(one) if code in counts.index]
        columns = [code for code in self._order(other) if code in counts.columns]
        counts = counts.loc[rows, columns]
        return counts.div(counts.sum(axis=1), axis=0)

    def _order(self, way: str) -> list[str]:
        return self.table.loc[self.table["way"] == way, "segment"].tolist()

    def reading(self) -> str:
        parts = [
            self._ways(),
            self._pairs(),
            self._new_information(),
            self._without_need(),
            self.set_aside.sentence("purchases"),
        ]
        return "\n\n".join(part for part in parts if part)

    def _ways(self) -> str:
        names = _way_words()
        parts = []
        for way, rows in self.table.groupby("way", sort=False):
            first = rows.loc[rows["customers"].idxmax()]
            parts.append(
                _(
                    "by {way} into {segments}, the largest {segment} with {share} ({low} to "
                    "{high}) of customers and {revenue} of revenue"
                ).format(
                    way=names[way],
                    segments=len(rows),
                    segment=self._labels(str(way))[first["segment"]],
                    share=percent(first["share"]),
                    low=percent(first["low"]),
                    high=percent(first["high"]),
                    revenue=percent(first["revenue_share"]),
                )
            )
        return _("{customers} customers, segmented in {ways} ways: {parts}. {intervals}").format(
            customers=number(len(self.members)),
            ways=len(parts),
            parts=_("; ").join(parts),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _pairs(self) -> str:
        names = _way_words()
        parts = [
            _("{one} and {other}: {v} ({low} to {high}), {strength}").format(
                one=names[row.one],
                other=names[row.other],
                v=number(row.v, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
                strength=_strength(row.v, row.low),
            )
            for row in self.associations.dropna().itertuples()
        ]
        if not parts:
            return _(
                "The ways cannot be compared: all customers are in one segment, or there are too "
                "few of them."
            )
        return _("How far one way says the other (Cramér's V, 0 to 1): {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _new_information(self) -> str:
        """Which way stands most apart, and whether the intervals bear it out."""
        pairs = self.associations.dropna()
        if len(pairs) < 3:
            return ""
        closest = pairs.loc[pairs["v"].idxmax()]
        rest = pairs.drop(index=closest.name)
        (apart,) = {"value", "need", "behaviour"} - {closest["one"], closest["other"]}
        names = _way_words()
        if (rest["high"] < closest["low"]).all():
            said = _(
                "Of the three pairs, {one} and {other} say most alike; segmenting by {apart} adds "
                "most that the others do not say."
            )
        else:
            said = _(
                "Which way adds most cannot be told: the intervals of the pairs overlap. By the "
                "estimates alone it is {apart}."
            )
        return said.format(
            one=names[closest["one"]], other=names[closest["other"]], apart=names[apart]
        )

    def _without_need(self) -> str:
        if not self.need:
            return _(
                "What customers need cannot be told from these data: they have neither a service "
                "line of orders nor a type or industry of customers."
            )
        unknown = int((self.members["need"] == NOT_GIVEN).sum())
        if not unknown:
            return ""
        return ngettext(
            "The need of {count} customer is not given; pairs with need leave that customer out.",
            "The need of {count} customers is not given; pairs with need leave them out.",
            unknown,
        ).format(count=number(unknown))

    def alt(self) -> str:
        one, other = self._pair()
        shares = self.grid()
        names, others = self._labels(one), self._labels(other)
        parts = [
            _("{segment}: {shares}").format(
                segment=names[code],
                shares=_(", ").join(
                    _("{segment} {share}").format(segment=others[column], share=percent(share, 0))
                    for column, share in row.items()
                ),
            )
            for code, row in shares.iterrows()
        ]
        return _("Heat map of each tier's customers by {way}. {parts}.").format(
            way=_way_words()[other], parts=_("; ").join(parts)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers, net revenue and purchases of the segment"),
            denominator=_("All customers with at least one purchase, and their net revenue"),
            period=self.context.period(),
            method=" ".join(self._methods()),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("purchases"),
        )

    def _methods(self) -> list[str]:
        by_need = _(
            "Need: {column}, that of at least {share} of a customer's purchases, else mixed."
        ).format(column=shown(_bare(self.need)).label, share=percent(MAIN, 0))
        return [
            _("Value: {tiers}").format(tiers=self.tiers.words()),
            *([by_need] if self.need else []),
            _(
                "Behaviour: RFM segments. {confidence} Wilson intervals of shares of customers and "
                "studentised bootstrap intervals of shares of revenue. Cramér's V corrected for "
                "bias (Bergsma 2013), with a bootstrap interval over customers."
            ).format(confidence=percent(self.confidence, 0)),
            self.set_aside.cancellation_rule(),
        ]


@measure(needs=NEEDS)
def segmentation(
    crm: Workspace, *, need: str | None = None, confidence: float = 0.95, seed: int = 0
) -> Segmentation:
    """The same customers by value, by need and by behaviour, and how far these say the same.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for need also orders: service_line, or
        customers: customer_type or industry; customers: tier wins over tiers by rule.
    need : str, optional
        Column of orders or customers that says what a customer needs; by default the first of
        these three that the data have.
    confidence : float
    seed : int

    Returns
    -------
    Segmentation
        `.table` has a row per way (value, need, behaviour) and segment: way, segment, customers,
        share, low, high, revenue (money), revenue_share, revenue_low, revenue_high,
        orders_per_customer. Tiers come best first, the others by revenue. `.associations` says how
        much the ways say the same.

    Raises
    ------
    MissingColumns
        If a column is not there.
    UnknownName
        If `need` names no column.
    NotEnoughData
        If nobody, or only one customer, bought anything.

    Notes
    -----
    By value: the tier. By behaviour: the RFM segment. By need: where at least 60 % of a customer's
    purchases whose need is given are of one kind, that kind, else ``"mixed"``; a customer whose
    purchases are never given one is ``"not_given"``. A customer of few purchases is ``"mixed"``, or
    of one kind, partly by accident.

    Bias-corrected, Cramér's V is not raised by small tables. A resample brings in the bias once
    more, so it is subtracted twice in the bootstrap, which gives percentile intervals around the
    corrected estimate. Value and behaviour both contain revenue, so some association is built in.

    References
    ----------
    Bergsma, W. (2013), Journal of the Korean Statistical Society 42, 323-328. Rea, L. M. and
    Parker, R. A. (1992), Designing and Conducting Survey Research, on what is weak and strong.
    """
    check_confidence(confidence)
    scored = rfm(crm)
    customers = scored.table[["customer_id", "segment", "monetary", "frequency"]]
    if len(customers) < 2:
        raise NotEnoughData(_("Segments need at least 2 customers who bought something."))
    tiers = customer_tiers(crm)
    tier = tiers.table.set_index("customer_id")["tier"]
    members = pd.DataFrame(
        {"customer_id": customers["customer_id"], "value": customers["customer_id"].map(tier)}
    )
    chosen = _need(crm) if need is None else need
    if chosen:
        main = main_needs(crm.query("purchases", by=["customer_id", chosen]))
        members["need"] = customers["customer_id"].map(main).fillna(NOT_GIVEN)
    members["behaviour"] = customers["segment"]
    parts = [
        _of_way(way, members[way], customers, confidence, seed, tiers)
        for way in members.columns.drop("customer_id")
    ]
    return Segmentation(
        pd.concat(parts, ignore_index=True),
        Context.of(crm),
        _associations(members, confidence, seed),
        members,
        chosen,
        tiers,
        scored.rules,
        confidence,
        scored.set_aside,
    )


def way_names() -> dict[str, str]:
    """Name of each way to segment, in the current language.

    Examples
    --------
    >>> way_names()["need"]
    'By need'
    """
    return {"value": _("By value"), "need": _("By need"), "behaviour": _("By behaviour")}


def _way_words() -> dict[str, str]:
    """Name of each way as it stands inside a sentence."""
    return {"value": _("value"), "need": _("need"), "behaviour": _("behaviour")}


def main_needs(purchases: pd.DataFrame) -> pd.Series:
    """What each customer mainly buys.

    Parameters
    ----------
    purchases : pandas.DataFrame
        The query ``purchases`` by customer_id and one column.

    Returns
    -------
    pandas.Series of str
        By customer_id: the value of that column in at least 60 % of the purchases that have one,
        else ``"mixed"``. Customers who have none are not there.

    Examples
    --------
    >>> counts = pd.DataFrame({"customer_id": ["A", "A", "B", "B"], "line": ["air", "sea"] * 2,
    ...     "orders": [3, 2, 1, 1]})
    >>> main_needs(counts).to_dict()
    {'A': 'air', 'B': 'mixed'}
    """
    _customer, column = purchases.columns[:2]
    known = purchases[purchases[column].notna() & (purchases["orders"] > 0)]
    total = known.groupby("customer_id")["orders"].sum()
    # At 60 % no two can be largest.
    most = known.sort_values("orders", kind="stable").groupby("customer_id").last()
    enough = most["orders"] >= MAIN * total
    return most[column].astype(str).where(enough, MIXED)


def _need(crm: Workspace) -> str:
    """The first column that says what customers need; empty if there is none."""
    return next((column for table, column in NEEDED if crm.has(table, column)), "")


def _bare(column: str) -> str:
    return column.rpartition(".")[2]


def _of_way(
    way: str,
    segments: pd.Series,
    customers: pd.DataFrame,
    confidence: float,
    seed: int,
    tiers: Tiers,
) -> pd.DataFrame:
    """The rows of one way."""
    groups = customers.groupby(segments.rename("segment"))
    table = groups.agg(
        customers=("customer_id", "size"), revenue=("monetary", "sum"), orders=("frequency", "sum")
    ).reset_index()
    of_segment = segments.to_numpy()[None, :] == table["segment"].to_numpy()[:, None]
    values = customers["monetary"].to_numpy()
    low, high = bootstrap_t(
        lambda weights: group_shares_and_errors(values, of_segment, weights),
        len(values), confidence=confidence, resamples=RESAMPLES, seed=seed,
    )  # fmt: skip
    everybody = np.full(len(table), len(customers))
    interval = wilson(table["customers"], everybody, confidence=confidence)
    table = table.assign(
        way=way,
        share=table["customers"] / len(customers),
        low=interval.low,
        high=interval.high,
        revenue_share=table["revenue"] / table["revenue"].sum(),
        revenue_low=low,
        revenue_high=high,
        orders_per_customer=table["orders"] / table["customers"],
    )
    table["place"] = [_place(way, segment, tiers) for segment in table["segment"]]
    table = table.sort_values(["place", "revenue", "segment"], ascending=[True, False, True])
    shares = ["customers", "share", "low", "high", "revenue", "revenue_share"]
    more = ["revenue_low", "revenue_high", "orders_per_customer"]
    return table[["way", "segment", *shares, *more]]


def _place(way: str, segment: str, tiers: Tiers) -> int:
    """Tiers best first; of the others, those that are no segment of their own last."""
    if way == "value":
        return tiers.order.index(segment)
    return {MIXED: 1, NOT_GIVEN: 2}.get(segment, 0) if way == "need" else 0


def _associations(members: pd.DataFrame, confidence: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = []
    for one, other in combinations(members.columns.drop("customer_id"), 2):
        known = members[(members[[one, other]] != NOT_GIVEN).all(axis=1)]
        counts = pd.crosstab(known[one], known[other]).to_numpy(dtype=float)
        low, high = _interval(counts, confidence, random)
        found = {"one": one, "other": other, "v": cramers_v(counts), "low": low, "high": high}
        rows.append(found | {"customers": len(known)})
    return pd.DataFrame(rows)


def _interval(counts: Array, confidence: float, random: np.random.Generator) -> tuple[float, float]:
    if min(counts.shape, default=0) < 2:
        return np.nan, np.nan
    size = int(counts.sum())
    drawn = random.multinomial(size, counts.ravel() / size, RESAMPLES)
    found = _v_of_tables(drawn.reshape(-1, *counts.shape).astype(float), biased=2)
    tail = (1 - confidence) / 2
    # A resample that drew one group only says nothing about an association.
    known = found[np.isfinite(found)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _v_of_tables(tables: Array, *, biased: int = 1) -> Array:
    """Bias-corrected Cramér's V of each crosstab, shape (tables, rows, columns).

    `biased` is how often the bias is in φ²: once in a sample, twice in a resample of it.
    """
    size = tables.sum(axis=(1, 2))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    expected = rows[:, :, None] * columns[:, None, :] / size[:, None, None]
    squares = np.divide(
        (tables - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0
    )
    r, c = (rows > 0).sum(axis=1), (columns > 0).sum(axis=1)
    bias = (r - 1) * (c - 1) / (size - 1)
    phi = np.maximum(0.0, squares.sum(axis=(1, 2)) / size - biased * bias)
    least = np.minimum(r - 1 - (r - 1) ** 2 / (size - 1), c - 1 - (c - 1) ** 2 / (size - 1))
    return np.sqrt(np.divide(phi, least, out=np.full_like(phi, np.nan), where=least > 0))


def _strength(v: float, low: float) -> str:
    if low <= 0:
        return _("not to be told from chance")
    if v < WEAK:
        return _("negligible")
    if v < MODERATE:
        return _("weak")
    return _("moderate") if v < STRONG else _("strong")
