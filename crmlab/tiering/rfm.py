"""Recency, frequency, monetary: who bought lately, often and much, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, current_language, money, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats.intervals import wilson
from crmlab.tiering import population

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

NEEDS = {"orders": ["customer_id", "ordered_at", "amount"]}
SCORES = {"recency": "r", "frequency": "f", "monetary": "m"}
CLASSES = 5
#: Segments of the bundled rules whose customers bring much and have not bought lately.
QUIET = ("retaining", "winning_back")


@cache
def _rules() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "rfm_rules.csv", encoding="utf-8")


def rfm_rules() -> pd.DataFrame:
    """The segment rules that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per segment: segment, label, label_zh, r_low, r_high, f_low, f_high, m_low, m_high
        (scores, both ends included), treatment, treatment_zh. The first row that fits a customer
        wins.

    Examples
    --------
    >>> rfm_rules()["segment"].tolist()[:2]
    ['core', 'developing']
    """
    return _rules().copy()


def rfm_scores(
    summary: pd.DataFrame, *, classes: int = CLASSES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score customers from 1 (worst) to `classes` (best) on recency, frequency and monetary.

    Parameters
    ----------
    summary : pandas.DataFrame
        A row per customer with recency (days since the last purchase), frequency (purchases) and
        monetary (net revenue), none missing.
    classes : int
        Number of classes, at least 2.

    Returns
    -------
    scores : pandas.DataFrame
        `summary` with the integer columns r, f, m added.
    thresholds : pandas.DataFrame
        The largest value of each class but the last, a row per class and column per measure. For
        recency, a customer at or below the threshold of row 1 is in the best class.

    Raises
    ------
    CrmlabError
        If `classes` is below 2.

    Notes
    -----
    The thresholds are the values observed at the quantiles 1/k … (k − 1)/k (inverse of the
    empirical distribution). A value equal to a threshold belongs to the class below it (for
    recency: to the more recent class), so equal customers always get equal scores; with many ties
    classes are uneven and some may be empty.

    References
    ----------
    Hughes, A. M. (1994), Strategic Database Marketing, chapter on RFM; Hyndman, R. J. and Fan, Y.
    (1996), The American Statistician 50, 361-365, definition 1.

    Examples
    --------
    >>> frame = pd.DataFrame({"recency": [1, 9], "frequency": [5, 1], "monetary": [80.0, 20.0]})
    >>> scores, thresholds = rfm_scores(frame, classes=2)
    >>> scores[["r", "f", "m"]].values.tolist()
    [[2, 2, 2], [1, 1, 1]]
    """
    if classes < 2:
        raise CrmlabError(_("RFM needs at least 2 classes, not {classes}.").format(classes=classes))
    steps = np.arange(1, classes) / classes
    cuts = {name: np.quantile(summary[name], steps, method="inverted_cdf") for name in SCORES}
    scores = summary.copy()
    for name, score in SCORES.items():
        above = np.searchsorted(cuts[name], summary[name].to_numpy(dtype=float), side="left")
        scores[score] = classes - above if name == "recency" else above + 1
    thresholds = pd.DataFrame(cuts, index=pd.Index(range(1, classes), name="class"))
    return scores, thresholds


@dataclass(frozen=True, repr=False)
class RFM(Result):
    """Result of `rfm`.

    Attributes
    ----------
    thresholds : pandas.DataFrame
        As returned by `rfm_scores`.
    rules : pandas.DataFrame
        The segment rules used.
    set_aside : population.Population
    """

    measure = "tiering.rfm"

    thresholds: pd.DataFrame
    rules: pd.DataFrame
    set_aside: population.Population

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"segment": segment_names(self.rules)}

    def title(self) -> str:
        best = (self.table[["r", "f"]] == self.table[["r", "f"]].max()).all(axis=1).mean()
        return _("{share} of customers have the top score in both recency and frequency").format(
            share=percent(best)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        grid = self.grid()
        axes.imshow(grid, cmap="Blues", aspect="auto", vmin=0, origin="lower")
        for row, r in enumerate(grid.index):
            for column, f in enumerate(grid.columns):
                count = grid.loc[r, f]
                dark = count > 0.6 * grid.to_numpy().max()
                colour = "white" if dark else charts.INK
                axes.text(column, row, number(count), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(grid.columns)), [str(f) for f in grid.columns])
        axes.set_yticks(range(len(grid.index)), [str(r) for r in grid.index])
        axes.set_xlabel(_("F score (5 = bought most often)"))
        axes.set_ylabel(_("R score (5 = bought most recently)"))
        charts.set_title(axes, self.title())
        return axes

    def grid(self) -> pd.DataFrame:
        """Number of customers by R score (rows) and F score (columns)."""
        classes = range(1, len(self.thresholds) + 2)
        counts = pd.crosstab(self.table["r"], self.table["f"])
        return counts.reindex(index=classes, columns=classes, fill_value=0)

    def reading(self) -> str:
        middle = self.table[list(SCORES)].median()
        typical = _(
            "Of the {customers} customers, half last bought within {recency} days; "
            "half bought at least {frequency} times; half brought at least {monetary}."
        ).format(
            customers=number(len(self.table)),
            recency=number(middle["recency"]),
            frequency=number(middle["frequency"]),
            monetary=money(middle["monetary"], self.context.currency),
        )
        return "\n\n".join(
            [
                typical,
                self._ties(),
                self.set_aside.sentence(without_revenue=False, only_cancelled=True),
            ]
        )

    def alt(self) -> str:
        grid = self.grid()
        r, f = np.unravel_index(int(grid.to_numpy().argmax()), grid.shape)
        return _(
            "Heat map of the number of customers by R score and F score. The fullest cell is "
            "R {r}, F {f} with {count} customers."
        ).format(r=grid.index[r], f=grid.columns[f], count=number(grid.iloc[r, f]))

    def _ties(self) -> str:
        sizes = self.table["f"].value_counts()
        return _(
            "Equal customers have equal scores, so classes are not equally large: the F "
            "classes hold {least} to {most} customers."
        ).format(least=number(sizes.min()), most=number(sizes.max()))

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Recency: days from the last purchase to the end of the period; frequency: "
                "number of purchases; monetary: net revenue"
            ),
            denominator=_("Customers with at least one purchase"),
            period=self.context.period(),
            method=_(
                "Scores 1 to {classes} by the quantiles observed; a value equal to a "
                "threshold belongs to the class below. Thresholds: {thresholds}. "
                "{cancellations}"
            ).format(
                classes=len(self.thresholds) + 1,
                thresholds=self._thresholds(),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions(without_revenue=False, only_cancelled=True),
        )

    def _thresholds(self) -> str:
        parts = [
            "{score} {values}".format(
                score=score.upper(),
                values=", ".join(number(cut, 0) for cut in self.thresholds[name]),
            )
            for name, score in SCORES.items()
        ]
        return "; ".join(parts)


@measure(needs=NEEDS)
def rfm(crm: Workspace, *, classes: int = CLASSES, rules: pd.DataFrame | None = None) -> RFM:
    """Recency, frequency and monetary value of each customer, scored and put into segments.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    classes : int
        Number of score classes.
    rules : pandas.DataFrame, optional
        Segment rules in the shape of `rfm_rules`, which are the default.

    Returns
    -------
    RFM
        `.table` has a row per customer, best first: customer_id, recency (days), frequency
        (purchases), monetary (money), r, f, m, segment. `.thresholds` are the class limits.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If no customer has made a purchase.
    CrmlabError
        If the rules leave a customer without a segment.

    Notes
    -----
    Recency is counted from the last day of the period (`as_of`), never from today. Customers who
    only ever cancelled are left out and counted.
    """
    people = population.customers(crm)
    buyers = people.buyers()
    if buyers.empty:
        raise NotEnoughData(_("RFM needs customers who bought something; there is none."))
    summary = pd.DataFrame(
        {
            "customer_id": buyers["customer_id"],
            "recency": (pd.Timestamp(crm.as_of) - buyers["last_day"]).dt.days.astype("int64"),
            "frequency": buyers["orders"].astype("int64"),
            "monetary": buyers["amount"].fillna(0).astype(float),
        }
    )
    scores, thresholds = rfm_scores(summary, classes=classes)
    chosen = rfm_rules() if rules is None else rules
    scores["segment"] = _segments(scores, chosen)
    order = ["r", "f", "m", "monetary", "customer_id"]
    table = scores.sort_values(order, ascending=[False] * 4 + [True], ignore_index=True)
    return RFM(table, Context.of(crm), thresholds, chosen, people)


@dataclass(frozen=True, repr=False)
class Segments(Result):
    """Result of `rfm_segments`.

    Attributes
    ----------
    rules : pandas.DataFrame
    set_aside : population.Population
    confidence : float
    """

    measure = "tiering.rfm_segments"

    rules: pd.DataFrame
    set_aside: population.Population
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"segment": segment_names(self.rules), "treatment": _treatments(self.rules)}

    def title(self) -> str:
        first = self.table.iloc[0]
        return _("{segment}: {share} of customers, {revenue} of revenue").format(
            segment=segment_names(self.rules)[first["segment"]],
            share=percent(first["share"], 0),
            revenue=percent(first["revenue_share"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.table))[::-1]
        whiskers = np.abs(self.table[["low", "high"]].to_numpy().T - self.table["share"].to_numpy())
        axes.barh(
            places - 0.2, self.table["share"], height=0.36, color=charts.GREY, xerr=whiskers,
            ecolor=charts.INK, capsize=2, label=_("Share of customers"),
        )  # fmt: skip
        axes.barh(
            places + 0.2, self.table["revenue_share"], height=0.36, color=charts.BLUE,
            label=_("Share of revenue"),
        )  # fmt: skip
        names = segment_names(self.rules)
        axes.set_yticks(places, [names[segment] for segment in self.table["segment"]])
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        charts.share_axis(axes.xaxis)
        handles, labels = axes.get_legend_handles_labels()
        # The bars are stacked upwards, the legend is read downwards.
        axes.legend(handles[::-1], labels[::-1], loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        names = segment_names(self.rules)
        parts = [
            _(
                "{segment}: {customers} customers ({share}; {low} to {high}), {revenue} of revenue"
            ).format(
                segment=names[row.segment],
                customers=number(row.customers),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
                revenue=percent(row.revenue_share),
            )
            for row in self.table.head(3).itertuples()
        ]
        return _("The segments that bring most: {parts}.").format(parts=_("; ").join(parts))

    def alt(self) -> str:
        names = segment_names(self.rules)
        parts = [
            _("{segment}: {share} of customers, {revenue} of revenue").format(
                segment=names[row.segment],
                share=percent(row.share),
                revenue=percent(row.revenue_share),
            )
            for row in self.table.itertuples()
        ]
        return _("Bars of each segment's share of customers and of revenue. {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers, and net revenue, of the segment"),
            denominator=_("All customers with at least one purchase, and their net revenue"),
            period=self.context.period(),
            method=_(
                "Segments by the rules on R, F and M scores, the first that fits; "
                "{confidence} Wilson intervals of the share of customers."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.set_aside.exclusions(without_revenue=False, only_cancelled=True),
        )


@measure(needs=NEEDS)
def rfm_segments(
    crm: Workspace,
    *,
    classes: int = CLASSES,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> Segments:
    """How many customers each RFM segment has and what it brings.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    classes, rules
        As in `rfm`.
    confidence : float

    Returns
    -------
    Segments
        `.table` has a row per segment that has customers, most revenue first: segment, customers,
        share (of customers), low, high, revenue (money), revenue_share, recency (median days),
        treatment (the segment's code; the rules hold the words).
    """
    scored = rfm(crm, classes=classes, rules=rules)
    groups = scored.table.groupby("segment", sort=True)
    table = groups.agg(
        customers=("customer_id", "size"),
        revenue=("monetary", "sum"),
        recency=("recency", "median"),
    ).reset_index()
    interval = wilson(
        table["customers"], np.full(len(table), len(scored.table)), confidence=confidence
    )
    table = table.assign(
        share=table["customers"] / len(scored.table),
        low=interval.low,
        high=interval.high,
        revenue_share=table["revenue"] / table["revenue"].sum(),
        treatment=table["segment"],
    ).sort_values(["revenue", "segment"], ascending=[False, True], ignore_index=True)
    first = ["segment", "customers", "share", "low", "high", "revenue", "revenue_share"]
    table = table[[*first, "recency", "treatment"]]
    return Segments(table, scored.context, scored.rules, scored.set_aside, confidence)


@dataclass(frozen=True, repr=False)
class KeyAccounts(Result):
    """Result of `key_accounts`.

    Attributes
    ----------
    rules : pandas.DataFrame
    total : float
        Revenue of all customers.
    customers : int
        Number of all customers.
    places : int
    set_aside : population.Population
    """

    measure = "tiering.key_accounts"

    rules: pd.DataFrame
    total: float
    customers: int
    places: int
    set_aside: population.Population

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"segment": segment_names(self.rules), "treatment": _treatments(self.rules)}

    def covered(self) -> float:
        """Share of all revenue that the chosen customers bring."""
        return float(self.table["revenue"].sum() / self.total)

    def title(self) -> str:
        return _("{places} key accounts cover {share} of revenue").format(
            places=number(len(self.table)), share=percent(self.covered(), 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        names = segment_names(self.rules)
        reached = self.table["revenue"].cumsum() / self.total
        axes.plot(self.table["rank"], reached, color=charts.BLUE)
        quiet = self.table["segment"].isin(QUIET)
        axes.scatter(
            self.table.loc[quiet, "rank"], reached[quiet], color=charts.ORANGE, s=22, zorder=3,
            label=_(", ").join(names[code] for code in QUIET if code in names),
        )  # fmt: skip
        charts.share_axis(axes.yaxis)
        axes.set_ylim(0, None)
        axes.set_xlim(0, None)
        axes.set_xlabel(_("Rank of the key account"))
        axes.set_ylabel(_("Share of revenue covered"))
        if quiet.any():
            axes.legend(loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        names = segment_names(self.rules)
        counts = self.table["segment"].value_counts()
        parts = [
            _("{count} × {segment}").format(count=number(counts[segment]), segment=names[segment])
            for segment in counts.index
        ]
        return _(
            "With {places} places for key accounts ({share} of {customers} customers), the "
            "customers chosen bring {covered} of revenue. They are: {parts}."
        ).format(
            places=number(self.places),
            share=percent(len(self.table) / self.customers),
            customers=number(self.customers),
            covered=percent(self.covered()),
            parts=_("; ").join(parts),
        )

    def alt(self) -> str:
        return _(
            "Curve of the share of revenue covered by the first, second, … key account; it "
            "reaches {share} at {places}. Marked: key accounts that have not bought lately."
        ).format(share=percent(self.covered()), places=number(len(self.table)))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Net revenue of the customers chosen"),
            denominator=_("Net revenue of all customers with at least one purchase"),
            period=self.context.period(),
            method=_(
                "Customers with an M score in the top two classes, by net revenue, as many as "
                "there are places; the treatment is the segment's."
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions(without_revenue=False, only_cancelled=True),
        )


@measure(needs=NEEDS)
def key_accounts(
    crm: Workspace,
    *,
    places: int | None = None,
    classes: int = CLASSES,
    rules: pd.DataFrame | None = None,
) -> KeyAccounts:
    """Whom to treat as key accounts when there is room for so many, and how.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    places : int, optional
        Number of key accounts that can be looked after; default 5 % of the customers.
    classes, rules
        As in `rfm`.

    Returns
    -------
    KeyAccounts
        `.table` has a row per key account, largest first: rank, customer_id, revenue (money),
        recency (days), frequency (purchases), segment, treatment (the segment's code; the rules
        hold the words).

    Raises
    ------
    CrmlabError
        If `places` is below 1.
    """
    if places is not None and places < 1:
        raise CrmlabError(
            _("There must be at least 1 place for key accounts, not {places}.").format(
                places=places
            )
        )
    scored = rfm(crm, classes=classes, rules=rules)
    room = max(1, round(0.05 * len(scored.table))) if places is None else places
    large = scored.table[scored.table["m"] >= classes - 1]
    chosen = large.sort_values(["monetary", "customer_id"], ascending=[False, True]).head(room)
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(chosen) + 1),
            "customer_id": chosen["customer_id"].to_numpy(),
            "revenue": chosen["monetary"].to_numpy(),
            "recency": chosen["recency"].to_numpy(),
            "frequency": chosen["frequency"].to_numpy(),
            "segment": chosen["segment"].to_numpy(),
            "treatment": chosen["segment"].to_numpy(),
        }
    )
    total = float(scored.table["monetary"].sum())
    return KeyAccounts(
        table, scored.context, scored.rules, total, len(scored.table), room, scored.set_aside
    )


def segment_names(rules: pd.DataFrame) -> dict[str, str]:
    """Label of each segment in the current language, from the rules.

    Examples
    --------
    >>> segment_names(rfm_rules())["core"]
    'Core customers'
    """
    return dict(zip(rules["segment"], rules[_localised("label")], strict=True))


def _treatments(rules: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rules["segment"], rules[_localised("treatment")], strict=True))


def _localised(column: str) -> str:
    return f"{column}_zh" if current_language() == "zh_CN" else column


def _segments(scores: pd.DataFrame, rules: pd.DataFrame) -> np.ndarray:
    """The first rule that fits each customer."""
    fits = [_fits(scores, rule) for rule in rules.to_dict("records")]
    segments = np.select(fits, list(rules["segment"]), default="")
    lost = int((segments == "").sum())
    if lost:
        example = scores.loc[segments == "", ["r", "f", "m"]].iloc[0].to_dict()
        raise CrmlabError(
            _(
                "The segment rules leave {count} customers without a segment, for example R "
                "{r}, F {f}, M {m}. Add a row for them."
            ).format(count=lost, **example)
        )
    return segments


def _fits(scores: pd.DataFrame, rule: Mapping[str, int]) -> pd.Series:
    inside = [
        scores[score].between(rule[f"{score}_low"], rule[f"{score}_high"])
        for score in SCORES.values()
    ]
    return inside[0] & inside[1] & inside[2]
