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
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.intervals import bootstrap_t, wilson
from crmlab.tiering import population
from crmlab.tiering.shares import group_shares_and_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

NEEDS = {"orders": ["customer_id", "ordered_at", "amount"]}
SCORES = {"recency": "r", "frequency": "f", "monetary": "m"}
CLASSES = 5


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
        What a customer needs for a score or better, a row per score from `classes` down to 2:
        recency_at_most (days), frequency_above (purchases), monetary_above (money).

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
    After Hughes, A. M. (1994), Strategic Database Marketing, who makes the classes exactly equal;
    here equal values stay together. Hyndman, R. J. and Fan, Y.
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
    thresholds = pd.DataFrame(
        {
            "recency_at_most": cuts["recency"],
            "frequency_above": cuts["frequency"][::-1],
            "monetary_above": cuts["monetary"][::-1],
        },
        index=pd.Index(range(classes, 1, -1), name="score"),
    )
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
        return _("{share} of customers have the top score in both recency and frequency").format(
            share=percent(self._top("r", "f"))
        )

    def _top(self, *scores: str) -> float:
        """Share of customers with the top score in all of these."""
        best = len(self.thresholds) + 1
        return float((self.table[list(scores)] == best).all(axis=1).mean())

    def _both(self) -> str:
        return _(
            "{r} have the top score in recency and {f} in frequency; if the two had nothing to do "
            "with each other, {expected} would have both. It is {both}."
        ).format(
            r=percent(self._top("r")),
            f=percent(self._top("f")),
            expected=percent(self._top("r") * self._top("f")),
            both=percent(self._top("r", "f")),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        grid = self.grid()
        axes.imshow(grid, cmap="Blues", aspect="auto", vmin=0, origin="lower")
        for row, r in enumerate(grid.index):
            for column, f in enumerate(grid.columns):
                count = grid.loc[r, f]
                dark = count > 0.7 * grid.to_numpy().max()
                colour = "white" if dark else charts.INK
                axes.text(column, row, number(count), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(grid.columns)), [str(f) for f in grid.columns])
        axes.set_yticks(range(len(grid.index)), [str(r) for r in grid.index])
        axes.set_xlabel(_("F score ({best} = bought most often)").format(best=len(grid)))
        axes.set_ylabel(_("R score ({best} = bought most recently)").format(best=len(grid)))
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
            "The customer in the middle of {customers} last bought {recency} days ago, bought "
            "{frequency} times and brought {monetary}, each measure taken for itself."
        ).format(
            customers=number(len(self.table)),
            recency=number(middle["recency"]),
            frequency=number(middle["frequency"]),
            monetary=money(middle["monetary"], self.context.currency),
        )
        left_out = self.set_aside.sentence("purchases")
        return "\n\n".join([typical, self._both(), self._ties(), left_out])

    def alt(self) -> str:
        grid = self.grid()
        best = grid.index.max()
        r, f = np.unravel_index(int(grid.to_numpy().argmax()), grid.shape)
        return _(
            "Heat map of the number of customers by R score and F score. The fullest cell is "
            "R {r}, "
            "F {f} with {count} customers. The corners: best in both {both}, worst in both {none}, "
            "recent but seldom {recent}, often but not recently {often}."
        ).format(
            r=grid.index[r],
            f=grid.columns[f],
            count=number(grid.iloc[r, f]),
            both=number(grid.loc[best, best]),
            none=number(grid.loc[1, 1]),
            recent=number(grid.loc[best, 1]),
            often=number(grid.loc[1, best]),
        )

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
                "Scores 1 to {classes} by the quantiles observed; equal customers have equal "
                "scores. "
                "For a score or better: {thresholds}. {cancellations}"
            ).format(
                classes=len(self.thresholds) + 1,
                thresholds=self._thresholds(),
                cancellations=self.set_aside.cancellation_rule(),
            ),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("purchases"),
        )

    def _thresholds(self) -> str:
        parts = [
            _(
                "score {score}: at most {days} days, more than {times} purchases, over {money}"
            ).format(
                score=score,
                days=number(row["recency_at_most"]),
                times=number(row["frequency_above"]),
                money=money(row["monetary_above"], self.context.currency),
            )
            for score, row in self.thresholds.iterrows()
        ]
        return _("; ").join(parts)


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
        If the rules lack a column, are for other scores, or leave a customer without a segment.

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
            "monetary": buyers["amount"].astype(float),
        }
    )
    scores, thresholds = rfm_scores(summary, classes=classes)
    chosen = _checked_rules(rules, classes)
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
        return {"segment": segment_names(self.rules), "treatment": treatments(self.rules)}

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
        pairs = [("share", "low", "high"), ("revenue_share", "revenue_low", "revenue_high")]
        looks = [
            (-0.2, charts.GREY, _("Share of customers")),
            (0.2, charts.BLUE, _("Share of revenue")),
        ]
        for (share, low, high), (shift, colour, label) in zip(pairs, looks, strict=True):
            whiskers = [self.table[share] - self.table[low], self.table[high] - self.table[share]]
            axes.barh(
                places + shift, self.table[share], height=0.36, color=colour, xerr=whiskers,
                ecolor=charts.INK, capsize=2, label=label,
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
                "{segment}: {customers} customers ({share}; {low} to {high}), {revenue} of "
                "revenue ({revenue_low} to {revenue_high})"
            ).format(
                segment=names[row.segment],
                customers=number(row.customers),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
                revenue=percent(row.revenue_share),
                revenue_low=percent(row.revenue_low),
                revenue_high=percent(row.revenue_high),
            )
            for row in self.table.head(3).itertuples()
        ]
        most = _("The segments that bring most: {parts}.").format(parts=_("; ").join(parts))
        return f"{most} {intervals_in_brackets(self.confidence)}"

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
                "Segments by the rules on R, F and M scores, the first that fits, thresholds taken "
                "as given; {confidence} Wilson intervals of the share of customers, studentised "
                "bootstrap intervals of the share of revenue."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("purchases"),
        )


@measure(needs=NEEDS)
def rfm_segments(
    crm: Workspace,
    *,
    classes: int = CLASSES,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Segments:
    """How many customers each RFM segment has and what it brings.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    classes, rules
        As in `rfm`.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Segments
        `.table` has a row per segment that has customers, most revenue first: segment, customers,
        share (of customers), low, high, revenue (money), revenue_share, revenue_low, revenue_high,
        recency (median days),
        treatment (the segment's code; the rules hold the words).
    """
    scored = rfm(crm, classes=classes, rules=rules)
    groups = scored.table.groupby("segment", sort=True)
    table = groups.agg(
        customers=("customer_id", "size"),
        revenue=("monetary", "sum"),
        recency=("recency", "median"),
    ).reset_index()
    of_segment = scored.table["segment"].to_numpy()[None, :] == table["segment"].to_numpy()[:, None]
    monetary = scored.table["monetary"].to_numpy()
    low, high = bootstrap_t(
        lambda weights: group_shares_and_errors(monetary, of_segment, weights),
        len(scored.table),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    interval = wilson(
        table["customers"], np.full(len(table), len(scored.table)), confidence=confidence
    )
    table = table.assign(
        share=table["customers"] / len(scored.table),
        low=interval.low,
        high=interval.high,
        revenue_share=table["revenue"] / table["revenue"].sum(),
        revenue_low=low,
        revenue_high=high,
        treatment=table["segment"],
    ).sort_values(["revenue", "segment"], ascending=[False, True], ignore_index=True)
    counted = ["segment", "customers", "share", "low", "high", "revenue"]
    money_shares = ["revenue_share", "revenue_low", "revenue_high"]
    table = table[[*counted, *money_shares, "recency", "treatment"]]
    return Segments(table, scored.context, scored.rules, scored.set_aside, confidence)


def segment_names(rules: pd.DataFrame) -> dict[str, str]:
    """Label of each segment in the current language, from the rules.

    Examples
    --------
    >>> segment_names(rfm_rules())["core"]
    'Core customers'
    """
    return dict(zip(rules["segment"], rules[_localised("label")], strict=True))


def treatments(rules: pd.DataFrame) -> dict[str, str]:
    """What each segment is to be given, in the current language, from the rules."""
    return dict(zip(rules["segment"], rules[_localised("treatment")], strict=True))


def _localised(column: str) -> str:
    return f"{column}_zh" if current_language() == "zh_CN" else column


def _checked_rules(rules: pd.DataFrame | None, classes: int) -> pd.DataFrame:
    """The book's rules, or the user's if they can be applied."""
    if rules is None:
        if classes != CLASSES:
            raise CrmlabError(
                _(
                    "The rules of the book are for scores 1 to 5; with {classes} classes pass "
                    "rules of your own: rules=…, in the shape of rfm_rules()."
                ).format(classes=classes)
            )
        return rfm_rules()
    columns = list(rules.columns) if isinstance(rules, pd.DataFrame) else []
    lacking = [name for name in rfm_rules().columns if name not in columns]
    if lacking or rules.empty:
        raise CrmlabError(
            _(
                "The segment rules are a table in the shape of rfm_rules(), with at least one row; "
                "they lack: {columns}."
            ).format(columns=_(", ").join(lacking) or _("rows"))
        )
    return rules


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
