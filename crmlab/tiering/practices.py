"""The course's ten key-account practices (大客户管理), each as something the data can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, current_language, day, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Needs,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered import Estimate, difference
from crmlab.stats.intervals import wilson
from crmlab.stats.tiers import Tiers, customer_tiers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What each practice is seen in; one list of columns is enough.
NEEDS: Mapping[str, tuple[Needs, ...]] = {
    "priority_supply": (
        {"orders": ["on_time"]},
        {"orders": ["promised_at", "delivered_at"]},
    ),
    "relationship": ({"contacts": ["customer_id", "contacted_at", "direction"]},),
    "new_services": ({"orders": ["service_line"]},),
    "watching": ({"contacts": ["customer_id", "contacted_at", "direction"]},),
    "executive_visits": ({"contacts": ["customer_id", "contacted_at", "purpose"]},),
    "promotions": ({"orders": ["promotion"]},),
    "asking": (
        {"contacts": ["customer_id", "contacted_at", "purpose"]},
        {"surveys": ["customer_id", "sent_at"]},
    ),
    "information": (
        {"contacts": ["customer_id", "contacted_at", "direction", "needs_answer", "responded_at"]},
    ),
    "rewards": ({"orders": ["list_price", "discount"]},),
    "meetings": ({"contacts": ["customer_id", "contacted_at", "channel"]},),
}
_ORDERS = ["customer_id", "ordered_at", "amount"]

#: Fewest orders or inquiries of a customer that a share is taken of.
FEWEST = 4
#: Shares of a customer's own records: one with few records reaches a threshold, or misses it, by
#: luck, so tiers whose customers have few and many records cannot be compared by them.
OWN_RECORDS = ("priority_supply", "watching", "information")
#: A fall is a quarter with at most this part of the orders of the quarter before, of at least
#: FEWEST; and the days within which we should have been in touch.
FELL = 0.5
DAYS_TO_REACT = 30
#: Customers with the fewest practices who are named in the reading.
NAMED = 5


@cache
def _rules() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "practice_rules.csv", encoding="utf-8")


def practice_rules() -> pd.DataFrame:
    """The ten practices with what each looks at: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per practice: practice (code), label, label_zh, looks_at, looks_at_zh, unit, at_least
        (the practice is met by a customer whose value is this or more). Rows may be left out and
        `at_least` changed.

    Examples
    --------
    >>> practice_rules()[["practice", "at_least"]].head(2)
              practice  at_least
    0  priority_supply      0.01
    1     relationship      4.00
    """
    return _rules().copy()


@dataclass(frozen=True, repr=False)
class Practices(Result):
    """Result of `practices`.

    Attributes
    ----------
    by_customer : pandas.DataFrame
        A row per customer of the tier and practice: customer_id, practice, value, unit, met
        (missing where it is not known).
    fewest : pandas.DataFrame
        A row per customer of the tier, those with the smallest part of the practices first:
        customer_id, met, known (practices of which it is known), share.
    tier, others : str
        Code of the tier looked at, and of the tier it is compared with; the latter is empty where
        there is none.
    tiers : crmlab.stats.tiers.Tiers
    rules : pandas.DataFrame
    absent : tuple of str
        Practices for which the columns, or enough of the past, are not there.
    first_day : pandas.Timestamp
        First of the days looked at.
    idle : int
        Customers of the tier without a purchase in these days, who are left out.
    confidence : float
    """

    measure = "tiering.practices"

    by_customer: pd.DataFrame
    fewest: pd.DataFrame
    tier: str
    others: str
    tiers: Tiers
    rules: pd.DataFrame
    absent: tuple[str, ...]
    first_day: pd.Timestamp
    idle: int
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"practice": practice_names(self.rules), "verdict": _verdicts()}

    def title(self) -> str:
        seen = self._seen()
        if seen.empty:
            return _("Practices: nothing is known of {tier} customers").format(tier=self._tier())
        rarest = seen.iloc[-1]
        return _("{tier} customers: seen least is “{practice}” ({share})").format(
            tier=self._tier(),
            practice=self._name(rarest["practice"]),
            share=percent(rarest["share"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        seen = self._seen()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.42 * len(seen) + 1.6)))
        places = np.arange(len(seen))[::-1]
        colour = charts.LAYER_COLOURS.get(self.tier, charts.BLUE)
        whiskers = np.abs(seen[["low", "high"]].to_numpy().T - seen["share"].to_numpy())
        axes.barh(
            places, seen["share"], height=0.6, color=colour, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5}, label=self._tier(),
        )  # fmt: skip
        if self.others:
            axes.scatter(  # missing where the tiers are not compared
                seen["others_share"], places, marker="D", s=42, color="white",
                edgecolor=charts.INK, linewidth=1.5, zorder=4, clip_on=False,
                label=self._tier(self.others),
            )  # fmt: skip
        axes.set_yticks(places, [charts.wrapped(self._name(n), 26) for n in seen["practice"]])
        axes.set_xlim(0, 1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the customers who see the practice"))
        if self.others:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._who(), self._often(), *self._compared(), self._least(), self._not_there()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{practice} {share}").format(
                practice=self._name(row["practice"]), share=self._with_interval(row)
            )
            for _index, row in self._seen().iterrows()
        ]
        return _("Bars of the share of {tier} customers who see each practice. {parts}.").format(
            tier=self._tier(), parts=_("; ").join(parts)
        )

    # --- the words

    def _tier(self, code: str = "") -> str:
        return self.tiers.names()[code or self.tier]

    def _name(self, practice: str) -> str:
        return practice_names(self.rules)[practice]

    def _names(self, table: pd.DataFrame) -> str:
        return _("; ").join(
            _("{practice} {share}").format(
                practice=self._name(row["practice"]), share=self._with_interval(row)
            )
            for _index, row in table.iterrows()
        )

    def _with_interval(self, row: pd.Series) -> str:
        return with_interval(row["share"], row["low"], row["high"], lambda share: percent(share, 0))

    def _seen(self) -> pd.DataFrame:
        known = self.table.dropna(subset=["share"])
        return known.sort_values("share", ascending=False, kind="stable")

    def _who(self) -> str:
        return _(
            "{tier} customers with a purchase from {first} to {last}: {customers}. Practices "
            "looked for: {practices}. {intervals}"
        ).format(
            tier=self._tier(),
            first=day(self.first_day),
            last=day(self.context.last_day),
            customers=number(len(self.fewest)),
            practices=number(len(self.table)),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _often(self) -> str:
        seen = self._seen()
        rare, usual = seen[seen["high"] < 0.5], seen[seen["low"] > 0.5]
        parts = []
        if len(usual):
            parts.append(
                _("Seen with most of them: {practices}.").format(practices=self._names(usual))
            )
        if len(rare):
            parts.append(
                _("Seen with fewer than half: {practices}.").format(practices=self._names(rare))
            )
        between = seen[~seen.index.isin(rare.index) & ~seen.index.isin(usual.index)]
        if len(between):
            parts.append(
                _("Whether it is half of them cannot be told: {practices}.").format(
                    practices=self._names(between)
                )
            )
        return " ".join(parts)

    def _compared(self) -> list[str]:
        if not self.others:
            return [_("There is no other tier to compare with.")]
        says = {
            "more": _("More often than {others} customers: {practices}."),
            "less": _("Less often than {others} customers: {practices}."),
            "unknown": _("Cannot be told from {others} customers: {practices}."),
        }
        found = []
        for verdict, sentence in says.items():
            rows = self.table[self.table["verdict"] == verdict]
            if len(rows):
                found.append(
                    sentence.format(others=self._tier(self.others), practices=self._against(rows))
                )
        if self.table["practice"].isin(OWN_RECORDS).any():
            found.append(self._own_records())
        return [" ".join(found)] if found else []

    def _own_records(self) -> str:
        own = self.table.loc[self.table["practice"].isin(OWN_RECORDS), "practice"]
        return _(
            "Not compared: {practices}. Each is a share of a customer's own records, and where "
            "there are few of them it is high or low by luck."
        ).format(practices=_(", ").join(self._name(practice) for practice in own))

    def _against(self, rows: pd.DataFrame) -> str:
        return _("; ").join(
            _("{practice} ({share} against {others})").format(
                practice=self._name(row["practice"]),
                share=percent(row["share"], 0),
                others=percent(row["others_share"], 0),
            )
            for _index, row in rows.iterrows()
        )

    def _least(self) -> str:
        known = self.fewest[self.fewest["known"] > 0].head(NAMED)
        if known.empty:
            return ""
        parts = [
            _("{customer} {met} of {known}").format(
                customer=row.customer_id, met=number(row.met), known=number(row.known)
            )
            for row in known.itertuples()
        ]
        return _("The customers who see the smallest part of them: {customers}.").format(
            customers=_("; ").join(parts)
        )

    def _not_there(self) -> str:
        parts = []
        if self.absent:
            names = practice_names(self.rules)
            parts.append(
                _("What these data cannot show: {practices}.").format(
                    practices=_(", ").join(names[name] for name in self.absent)
                )
            )
        if self.idle:
            parts.append(left_out_words(self._exclusions()))
        return " ".join(parts)

    def _exclusions(self) -> tuple[Exclusion, ...]:
        reason = _("in the tier, but without a purchase in this period")
        return (Exclusion.of_customers(reason, self.idle),) if self.idle else ()

    def _define(self) -> Definition:
        chinese = current_language() == "zh_CN"
        looks_at = self.rules["looks_at_zh" if chinese else "looks_at"]
        rules = [
            _("{practice}: {looks_at}, at least {least}").format(
                practice=self._name(row["practice"]),
                looks_at=looks_at[index],
                least=_threshold(row["at_least"], row["unit"]),
            )
            for index, row in self.rules.iterrows()
        ]
        return Definition(
            numerator=_("Customers whose value reaches the threshold of the practice"),
            denominator=_(
                "Customers of the tier with a purchase in the days looked at, of whom the value is "
                "known"
            ),
            period=_("{first} to {last}").format(
                first=day(self.first_day), last=day(self.context.last_day)
            ),
            method=_(
                "{tiers} {rules}. {confidence} Wilson intervals over customers; tiers compared by "
                "Newcombe's hybrid interval, with Bonferroni's correction for the number of "
                "practices."
            ).format(
                tiers=self.tiers.words(),
                rules=_("; ").join(rules),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


_CONTACTS = ["customer_id", "contacted_at", "direction", "purpose", "channel"]


@measure(
    needs=[
        {"orders": _ORDERS, "contacts": _CONTACTS},
        {"orders": _ORDERS, "contacts": ["customer_id", "contacted_at", "direction"]},
        {"orders": _ORDERS, "contacts": ["customer_id", "contacted_at", "purpose"]},
        {"orders": _ORDERS, "contacts": ["customer_id", "contacted_at", "channel"]},
        {"orders": [*_ORDERS, "service_line"]},
        {"orders": [*_ORDERS, "promotion"]},
        {"orders": [*_ORDERS, "list_price", "discount"]},
        {"orders": [*_ORDERS, "on_time"]},
        {"orders": [*_ORDERS, "promised_at", "delivered_at"]},
    ]
)
def practices(
    crm: Workspace,
    *,
    tier: str = "",
    rules: pd.DataFrame | None = None,
    tier_rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> Practices:
    """Which of the course's ten key-account practices each key customer has seen in a year.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; and what the practices are seen in, such as
        contacts: direction, purpose, channel. What cannot be seen is left out by name.
    tier : str
        Code of the tier looked at, the best one if empty; it is compared with the last tier.
    rules : pandas.DataFrame, optional
        In the shape of `practice_rules`, which are the default.
    tier_rules : pandas.DataFrame, optional
        In the shape of `crmlab.stats.tiers.tier_rules`; a tier given in customers.tier wins.
    confidence : float

    Returns
    -------
    Practices
        `.table` has a row per practice: practice, customers (of whom it is known), share (of them
        who see it), low, high, others, others_share (the same of the last tier), verdict (more,
        less, unknown: whether the difference is more than chance). `.by_customer` has a row per
        customer and practice, `.fewest` the customers in the order of how little they see.

    Raises
    ------
    MissingColumns
        If nothing of the practices can be seen.
    UnknownName
        If no customer is in the tier.
    NotEnoughData
        If no customer of the tier bought in the last 12 months.
    CrmlabError
        If the rules have another shape.

    Notes
    -----
    The days looked at are the 12 months up to the last day. Priority supply and special rewards are
    measured against the customers outside the tier; for each customer's orders the share on time is
    the one that others get on the same service and route, the customer's own orders left out. New
    services are known only of customers who had ordered before, and not all there is. Watching is
    known only of customers whose orders fell from one quarter to the next by half or more, from at
    least 4 orders, when the 30 days after that are over.

    Priority supply, watching and information are shares of a customer's own orders, falls and
    inquiries, taken from 4 orders or inquiries on. A customer with few of them reaches a threshold
    by luck more easily than one with many, so tiers are not compared by them. Counts grow with the
    number of orders: that key customers see a practice more often may be because they order more.

    A practice counts as seen where a record of it is: what is done and not written down is missed.

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212. Newcombe, R.
    G. (1998), Statistics in Medicine 17, 873-890.
    """
    chosen = _checked(rules)
    tiers = customer_tiers(crm, rules=tier_rules)
    tier = tier or tiers.order[0]
    others = _compared_with(tiers, tier)
    year = _Year(crm, set(tiers.table.loc[tiers.table["tier"] != tier, "customer_id"]))
    of_tier = tiers.table.set_index("customer_id")["tier"].reindex(year.active)
    ours, theirs = (of_tier.index[of_tier == code] for code in (tier, others))
    if not len(ours):
        raise NotEnoughData(
            _("No customer of the tier {tier} bought in the last 12 months.").format(tier=tier)
        )
    values = {
        name: found for name in chosen["practice"] if (found := _value(year, name)) is not None
    }
    met = {name: _met(values[name], _least(chosen, name)) for name in values}
    by_customer = _by_customer(chosen, values, met, ours)
    return Practices(
        _table(met, ours, theirs, confidence),
        Context.of(crm),
        by_customer,
        _fewest(by_customer, ours),
        tier,
        others,
        tiers,
        chosen,
        tuple(name for name in chosen["practice"] if name not in values),
        year.starts[0],
        int((tiers.table["tier"] == tier).sum()) - len(ours),
        confidence,
    )


# --- the year, and what each practice is seen in


class _Year:
    """The last 12 months of a workspace, by quarter, with what the practices are seen in.

    Parameters
    ----------
    crm : Workspace
    outside : set of str
        Customers outside the tier looked at, whom it is measured against.
    """

    def __init__(self, crm: Workspace, outside: set[str]) -> None:
        self.crm = crm
        self.outside = outside
        self.end = pd.Timestamp(crm.as_of)
        after = self.end + pd.Timedelta(days=1)
        self.starts = [after - pd.DateOffset(months=months) for months in (12, 9, 6, 3)]
        self.bounds = {"period_from": self.starts[0].date(), "period_to": crm.as_of}
        summary = crm.query("customer_summary", **self.bounds).set_index("customer_id")
        self.orders = summary[summary["orders"] > 0]
        self.active = self.orders.index

    @cached_property
    def contacts(self) -> pd.DataFrame:
        """Contacts of the 12 months."""
        return self.crm.query("contacts_summary", **self.bounds)

    def quarters(self) -> list[tuple[Any, Any]]:
        """First and last day of each quarter."""
        ends = [start - pd.Timedelta(days=1) for start in self.starts[1:]] + [self.end]
        return [(a.date(), b.date()) for a, b in zip(self.starts, ends, strict=True)]

    def count(self, rows: pd.DataFrame, column: str = "contacts") -> pd.Series:
        """Sum of a column by active customer; 0 where there is none."""
        sums = rows.groupby("customer_id")[column].sum()
        return sums.reindex(self.active, fill_value=0).astype(float)


def _value(year: _Year, practice: str) -> pd.Series | None:
    """The value of a practice for each active customer; None where nobody's can be known."""
    if all(year.crm.missing(way) for way in NEEDS[practice]):
        return None
    found = _SEEN[practice](year)
    return None if found.isna().all() else found


def _priority_supply(year: _Year) -> pd.Series:
    """Share on time, less that of customers outside the tier on the same services and routes."""
    groups = [name for name in ("service_line", "route") if year.crm.has("orders", name)]
    cells = year.crm.query("on_time", by=["customer_id", *groups], **year.bounds)
    cells = cells[cells["customer_id"].notna()].copy()
    cells["known"] = cells["on_time"] + cells["late"]
    out = cells["customer_id"].isin(year.outside)
    for name in ("on_time", "known"):
        of_others = cells[name].where(out, 0)
        whole = (
            of_others.groupby([cells[group] for group in groups], dropna=False).transform("sum")
            if groups
            else of_others.sum()
        )
        cells[f"{name}_others"] = whole - of_others
    cells = cells[(cells["known"] > 0) & (cells["known_others"] > 0)]
    expected = cells["known"] * cells["on_time_others"] / cells["known_others"]
    sums = cells.assign(expected=expected).groupby("customer_id")[["on_time", "known", "expected"]]
    total = sums.sum()
    total = total[total["known"] >= FEWEST]
    return ((total["on_time"] - total["expected"]) / total["known"]).reindex(year.active)


def _relationship(year: _Year) -> pd.Series:
    quarters = pd.Series(0.0, year.active)
    for first, last in year.quarters():
        rows = year.crm.query("contacts_summary", period_from=first, period_to=last)
        rows = rows[(rows["direction"] == "outbound") & (rows["purpose"] != "collection")]
        quarters += year.count(rows) > 0
    return quarters


def _new_services(year: _Year) -> pd.Series:
    """Services of the 12 months that a customer had not ordered before.

    Not known of customers who had not ordered anything before, or all services there are.
    """
    by = ["customer_id", "service_line"]
    before = year.starts[0] - pd.Timedelta(days=1)
    known = _ordered(year.crm.query("on_time", by=by, period_to=before.date()))
    now = _ordered(year.crm.query("on_time", by=by, **year.bounds))
    new = now[~now.set_index(by).index.isin(known.set_index(by).index)]
    counts = new.groupby("customer_id").size().reindex(year.active, fill_value=0).astype(float)
    used = known.groupby("customer_id").size().reindex(year.active, fill_value=0)
    services = pd.concat([known["service_line"], now["service_line"]]).nunique()
    return counts.where((used > 0) & (used < services))


def _ordered(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[(cells["orders"] > 0) & cells["service_line"].notna()]


def _watching(year: _Year) -> pd.Series:
    """Share of the falls after which we were in touch within 30 days."""
    falls = pd.Series(0.0, year.active)
    noticed = pd.Series(0.0, year.active)
    before = _orders_before(year)
    for first, last in year.quarters():
        now = _orders(year, first, last)
        reacted = pd.Timestamp(last) + pd.Timedelta(days=DAYS_TO_REACT)
        if before is not None and reacted <= year.end:
            fell = (before >= FEWEST) & (now <= FELL * before)
            after = (pd.Timestamp(last) + pd.Timedelta(days=1)).date()
            rows = year.crm.query("contacts_summary", period_from=after, period_to=reacted.date())
            contacted = year.count(rows[rows["direction"] == "outbound"]) > 0
            falls, noticed = falls + fell, noticed + (fell & contacted)
        before = now
    return noticed / falls.where(falls > 0)


def _orders_before(year: _Year) -> pd.Series | None:
    """Orders of the quarter before the 12 months; None where the data do not reach back so far."""
    first = year.starts[0] - pd.DateOffset(months=3)
    if first < pd.Timestamp(year.crm.first_day):
        return None
    return _orders(year, first.date(), (year.starts[0] - pd.Timedelta(days=1)).date())


def _orders(year: _Year, first: Any, last: Any) -> pd.Series:
    rows = year.crm.query("customer_summary", period_from=first, period_to=last)
    return year.count(rows, "orders")


def _executive_visits(year: _Year) -> pd.Series:
    return year.count(year.contacts[year.contacts["purpose"] == "executive_visit"])


def _promotions(year: _Year) -> pd.Series:
    return year.orders["promotions"].astype(float)


def _asking(year: _Year) -> pd.Series:
    """Consultations, and questionnaires sent; survey contacts where there are no questionnaires."""
    crm, asked = year.crm, pd.Series(0.0, year.active)
    has_surveys = crm.has("surveys", "customer_id", "sent_at")
    if has_surveys:
        asked += year.count(crm.query("satisfaction_summary", **year.bounds), "sent")
    if crm.has("contacts", "customer_id", "contacted_at", "purpose"):
        purposes = ["consultation"] if has_surveys else ["consultation", "survey"]
        asked += year.count(year.contacts[year.contacts["purpose"].isin(purposes)])
    return asked


def _information(year: _Year) -> pd.Series:
    known = year.count(year.contacts, "answered_known")
    return year.count(year.contacts, "answered_within_24h") / known.where(known >= FEWEST)


def _rewards(year: _Year) -> pd.Series:
    """Discount rate, less the median of the customers outside the tier."""
    list_price = year.orders["list_price"]
    rates = year.orders["discount"] / list_price.where(list_price > 0)
    return rates - rates[rates.index.isin(year.outside)].median()


def _meetings(year: _Year) -> pd.Series:
    return year.count(year.contacts[year.contacts["channel"].isin(["meeting", "event"])])


_SEEN: Mapping[str, Callable[[_Year], pd.Series]] = {
    "priority_supply": _priority_supply,
    "relationship": _relationship,
    "new_services": _new_services,
    "watching": _watching,
    "executive_visits": _executive_visits,
    "promotions": _promotions,
    "asking": _asking,
    "information": _information,
    "rewards": _rewards,
    "meetings": _meetings,
}


# --- from values to shares


def _met(values: pd.Series, least: float) -> pd.Series:
    # A share of 0.8 worked out from counts is not always 0.8 in binary.
    reached = pd.Series(values.round(9) >= least, dtype="boolean")
    return reached.where(values.notna())


def _least(rules: pd.DataFrame, practice: str) -> float:
    return float(rules.loc[rules["practice"] == practice, "at_least"].iloc[0])


def _table(
    met: Mapping[str, pd.Series], ours: pd.Index, theirs: pd.Index, confidence: float
) -> pd.DataFrame:
    columns = [
        "practice", "customers", "share", "low", "high", "others", "others_share", "verdict",
    ]  # fmt: skip
    each = 1 - (1 - confidence) / max(1, len(met))
    rows = []
    for practice, seen in met.items():
        compared = theirs if practice not in OWN_RECORDS else theirs[:0]
        customers, own = _share(seen.loc[ours], confidence)
        others, other = _share(seen.loc[compared], confidence)
        apart = difference(*(_share(seen.loc[index], each)[1] for index in (ours, compared)))
        rows.append((practice, customers, *own[:3], others, other.value, _verdict(apart)))
    table = pd.DataFrame(rows, columns=columns)
    table["others"] = table["others"].astype("Int64").where(table["others_share"].notna())
    return table


def _share(met: pd.Series, confidence: float) -> tuple[int, Estimate]:
    known = met.dropna()
    if known.empty:
        return 0, Estimate(np.nan, np.nan, np.nan, np.nan)
    low, high = wilson(int(known.sum()), len(known), confidence=confidence)
    return len(known), Estimate(float(known.mean()), float(low), float(high), 1.0)


def _verdict(apart: Estimate) -> str:
    if np.isnan(apart.value):
        return "not_compared"
    return "more" if apart.low > 0 else "less" if apart.high < 0 else "unknown"


def _by_customer(
    rules: pd.DataFrame,
    values: Mapping[str, pd.Series],
    met: Mapping[str, pd.Series],
    ours: pd.Index,
) -> pd.DataFrame:
    units = rules.set_index("practice")["unit"]
    parts = [
        pd.DataFrame(
            {
                "customer_id": ours,
                "practice": practice,
                "value": found.loc[ours].to_numpy(),
                "unit": units[practice],
                "met": met[practice].loc[ours].array,
            }
        )
        for practice, found in values.items()
    ]
    columns = ["customer_id", "practice", "value", "unit", "met"]
    if not parts:
        return pd.DataFrame(columns=columns)
    whole = pd.concat(parts, ignore_index=True)
    return whole.sort_values("customer_id", kind="stable", ignore_index=True)


def _fewest(by_customer: pd.DataFrame, ours: pd.Index) -> pd.DataFrame:
    of_each = by_customer.groupby("customer_id")["met"]
    counts = pd.DataFrame({"met": of_each.sum(), "known": of_each.count()})
    counts = counts.reindex(ours, fill_value=0).rename_axis("customer_id").astype("int64")
    counts["share"] = counts["met"] / counts["known"].where(counts["known"] > 0)
    return counts.reset_index().sort_values(["share", "customer_id"], ignore_index=True)


# --- rules and names


def practice_names(rules: pd.DataFrame | None = None) -> dict[str, str]:
    """Label of each practice in the current language.

    Examples
    --------
    >>> practice_names()["executive_visits"]
    'Executive visits'
    """
    table = _rules() if rules is None else rules
    column = "label_zh" if current_language() == "zh_CN" else "label"
    return dict(zip(table["practice"], table[column], strict=True))


def _verdicts() -> dict[str, str]:
    return {
        "more": _("more often"),
        "less": _("less often"),
        "unknown": _("cannot be told"),
        "not_compared": _("not compared"),
    }


def _threshold(least: float, unit: str) -> str:
    return percent(least, 0) if unit == "share" else number(least)


def _checked(rules: pd.DataFrame | None) -> pd.DataFrame:
    if rules is None:
        return practice_rules()
    columns = list(rules.columns) if isinstance(rules, pd.DataFrame) else []
    lacking = [name for name in _rules().columns if name not in columns]
    if lacking or rules.empty:
        raise CrmlabError(
            _(
                "The practice rules are a table in the shape of practice_rules(), with at least "
                "one row; they lack: {columns}."
            ).format(columns=_(", ").join(lacking) or _("rows"))
        )
    unknown = [name for name in rules["practice"] if name not in NEEDS]
    if unknown or rules["practice"].duplicated().any() or rules["at_least"].isna().any():
        raise CrmlabError(
            _(
                "The practice rules have a row for each practice at most, with a threshold "
                "at_least. The practices are: {names}."
            ).format(names=", ".join(NEEDS))
        )
    return rules.reset_index(drop=True)


def _compared_with(tiers: Tiers, tier: str) -> str:
    if tier not in tiers.order:
        raise UnknownName(
            _("No customer is in the tier {tier}. The tiers are: {names}.").format(
                tier=tier, names=", ".join(tiers.order)
            )
        )
    last = tiers.order[-1]
    return last if last != tier else ""
