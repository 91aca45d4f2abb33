"""Customer events (客户活动): who comes, what comes with coming, and what it must bring to pay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, ngettext, number, signed, with_interval
from crmlab.loyalty.answers import Diary, day_number, day_of, listed, of_customers
from crmlab.loyalty.purchases import known_since, some_customers
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import clustered
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence
from crmlab.stats.matching import change_apart, coarsened_exact, compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Days with contacts at an event that lie within so many days of its first belong to one event.
ONE_EVENT = 7
#: A comparison with fewer customers on either side has no interval.
FEWEST = 10
COLOURS = {
    "guests": charts.GREY,
    "coming": charts.ORANGE,
    "earlier": charts.BLUE,
    "break_even": charts.INK,
}


@dataclass(frozen=True, repr=False)
class Events(Result):
    """Result of `events`.

    Attributes
    ----------
    days : int
        How long customers are followed after an event, and looked back on before it.
    held : int
        Events that can be judged.
    came : int
        Attendances at these that can be judged.
    people : pandas.DataFrame
        A row per customer and event that can be judged: customer_id, event and last (its first and
        last day), came, earlier, before, after (orders), tier and region where known, and weight, 0
        without a like customer.
    cost : float
        Cost of an attendance; NaN where it is not known.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    confidence : float
    """

    measure = "loyalty.events"

    days: int
    held: int
    came: int
    people: pd.DataFrame
    cost: float
    exclusions: tuple[Exclusion, ...]
    part: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        spells = ("orders_before", "orders_after", "others_before", "others_after")
        return dict.fromkeys(spells, "number") | {"change": "percent"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"comparison": comparison_names()}

    def main_columns(self) -> Sequence[str]:
        return [
            *("comparison", "attendances", "orders_before", "orders_after"),
            *("others_before", "others_after", "change", "low", "high"),
        ]

    def title(self) -> str:
        row, naive = self._row("coming"), signed(self._row("guests")["change"])
        if math.isnan(row["low"]):
            return _("Guests of events order {naive} compared with all others").format(naive=naive)
        if row["low"] > 0 or row["high"] < 0:
            return _("Guests of events order {naive}; with coming came {change}").format(
                naive=naive, change=signed(row["change"])
            )
        return _("Guests order {naive}; what coming brings is open ({low} to {high})").format(
            naive=naive, low=signed(row["low"]), high=signed(row["high"])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        rows = self.table.dropna(subset=["change"])
        places = np.arange(len(rows))[::-1]
        colours = [COLOURS[code] for code in rows["comparison"]]
        # Without an interval only the point is drawn.
        low, high = (rows[end].fillna(rows["change"]) for end in ("low", "high"))
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.hlines(places, low, high, color=colours, linewidth=3)
        axes.scatter(rows["change"], places, color=colours, s=60, zorder=3)
        names = comparison_names()
        axes.set_yticks(places, [charts.wrapped(names[code], 22) for code in rows["comparison"]])
        axes.set_ylim(-0.6, len(places) - 0.4)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Orders of guests, more or less"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._guests(),
            self._coming(),
            self._earlier(),
            self._pays(),
            intervals_in_brackets(self.confidence) if self.table["low"].notna().any() else "",
            listed(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = comparison_names()
        said = [
            _("{name}: {apart}").format(name=names[row["comparison"]], apart=_written(row))
            for _index, row in self.table.dropna(subset=["change"]).iterrows()
        ]
        return _("Points with intervals: orders of guests of events. {said}.").format(
            said=_("; ").join(said)
        )

    # --- the words

    def _row(self, code: str) -> pd.Series:
        return self.table.set_index("comparison").loc[code]

    def _guests(self) -> str:
        row = self._row("guests")
        held = ngettext(
            "{count} event can be judged, with {came} attendances.",
            "{count} events can be judged, with {came} attendances.",
            self.held,
        ).format(count=number(self.held), came=number(self.came))
        if math.isnan(row["change"]):
            return held + " " + _("Guests or all others placed no orders in the days after.")
        said = _(
            "In the {days} days after, guests placed {own} orders each and all other customers "
            "{others}: {change}. That says who comes as much as what an event does."
        ).format(
            days=number(self.days),
            own=number(row["orders_after"], 1),
            others=number(row["others_after"], 1),
            change=_written(row),
        )
        return f"{held} {said}"

    def _coming(self) -> str:
        row = self._row("coming")
        if math.isnan(row["change"]):
            return _(
                "Guests cannot be compared with like customers before and after: one side is empty "
                "or placed no orders."
            )
        said = _(
            "For {count} attendances there are customers of the same tier and region, as far as "
            "these are known, who did not come. From the {days} days before to the {days} days "
            "after, guests went from {before} orders to {after}, these others from {before_others} "
            "to {after_others}."
        ).format(
            count=number(row["attendances"]),
            days=number(self.days),
            before=number(row["orders_before"], 1),
            after=number(row["orders_after"], 1),
            before_others=number(row["others_before"], 1),
            after_others=number(row["others_after"], 1),
        )
        return f"{said} {self._verdict(row)}"

    @staticmethod
    def _verdict(row: pd.Series) -> str:
        if math.isnan(row["low"]):
            text = _(
                "Compared with moving like them, guests' orders changed by {change}; customers are "
                "too few for an interval."
            )
        elif row["low"] > 0 or row["high"] < 0:
            text = _(
                "Compared with moving like them, guests' orders changed by {change}. They chose to "
                "come: what else moved them then is in that figure."
            )
        else:
            text = _(
                "That guests' orders changed, compared with moving like them, cannot be told: "
                "{change}."
            )
        return text.format(change=_written(row))

    def _earlier(self) -> str:
        row = self._row("earlier")
        if math.isnan(row["low"]):
            return ""
        text = (
            _(
                "Before the event guests moved no further apart from the others than by chance: "
                "{change}. That is no proof that they would have gone on so."
            )
            if row["low"] <= 0 <= row["high"]
            else _(
                "Before the event guests already moved apart from the others: {change}. They come "
                "when something changes, and the comparison is not fair."
            )
        )
        return text.format(change=_written(row))

    def _pays(self) -> str:
        if math.isnan(self.cost):
            return _(
                "What an attendance costs is not known: name it in the settings (contact.event) or "
                "as cost=."
            )
        said = _("An attendance costs {cost}.").format(
            cost=money(self.cost, self.context.currency, 2)
        )
        needed = self._row("break_even")
        if math.isnan(needed["change"]):
            return said + " " + _("What guests' orders earn is not known, or nothing.")
        said += " " + _("To pay, it must raise their orders by {needed}.").format(
            needed=_written(needed)
        )
        change = self._row("coming")
        if not (math.isfinite(change["low"]) and math.isfinite(needed["high"])):
            return said
        if change["low"] > needed["high"]:
            return said + " " + _("What came with coming lies above that.")
        if change["high"] < needed["low"]:
            return said + " " + _("What came with coming lies below that.")
        return said + " " + _("Whether what came with coming is more or less cannot be told.")

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders of guests in the {days} days after an event").format(
                days=number(self.days)
            ),
            denominator=_("What they would be, had they moved like customers who did not come"),
            period=self.context.period(),
            method=_(
                "Guests' orders in the {days} days before are carried forward by the change of "
                "those who did not come to the event, weighted to the guests' tiers and regions "
                "where known (difference in differences, multiplicative: Wooldridge 2023). Both "
                "were customers {days} days before. The same between the {days} days before and "
                "those before them is the test. Errors linearised over customers. Break-even: cost "
                "over the margin of what guests would order."
            ).format(days=number(self.days)),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def comparison_names() -> dict[str, str]:
    """What the comparisons are called."""
    return {
        "guests": _("Guests against all others"),
        "coming": _("After the event, against expected"),
        "earlier": _("Before the event, against expected"),
        "break_even": _("Needed to pay"),
    }


def _written(row: pd.Series) -> str:
    return with_interval(row["change"], row["low"], row["high"], lambda share: signed(share, 1))


@measure(
    needs={
        "contacts": ["customer_id", "contacted_at", "channel"],
        "orders": ["customer_id", "ordered_at"],
    }
)
def events(
    crm: Workspace, *, days: int = 90, cost: float | None = None, confidence: float = 0.95
) -> Events:
    """Whether customers order more after an event they came to, and what it must bring to pay.

    Parameters
    ----------
    crm : Workspace
        With contacts: customer_id, contacted_at, channel (an attendance is a contact of channel
        ``"event"``); orders: customer_id, ordered_at, for the margin amount and cost; tier and
        region of customers are matched on where known.
    days : int
        14 to 365: how long orders are counted after an event, and before it.
    cost : float, optional
        Of an attendance; by default ``settings.activity_costs["contact.event"]``.
    confidence : float

    Returns
    -------
    Events
        `.table` has a row per comparison: comparison (``"guests"``: orders after the event against
        those of all who did not come; ``"coming"``: after it against expected; ``"earlier"``: the
        same before it, when nobody had come; ``"break_even"``: needed to pay), attendances, others
        (customers and events they are compared with), orders_before, orders_after,
        others_before, others_after (mean numbers; of ``"earlier"`` of the two spells
        before the event), change, low, high (shares of orders). With fewer than 10 customers on
        either side there is no interval.

    Raises
    ------
    CrmlabError
        If `days` is not from 14 to 365 or `cost` is below 0.
    NotEnoughData
        If no contact is at an event, none of the events can be judged, or everybody came.

    Notes
    -----
    Days with contacts at an event within a week of the first are one event; orders count from the
    day after its last day, and up to the day before its first. It is judged where the data hold
    `days` days on both sides, with those who had been customers (`known_since`) for `days` days. Of
    those who did not come nobody is left out for coming to another event: that would choose them by
    what they did afterwards. Customers are weighted to the guests' tiers and regions but not to
    their past orders: among customers with equal numbers of orders, those of the busier group have
    had a quiet spell, and the others a busy one that does not last (Daw and Hatfield 2018). See
    `crmlab.stats.matching.change_apart` for the change.
    Coming is chosen: this is association, and an invitation drawn by lot would settle it. With e
    the orders expected of a guest and m the margin of one of their orders, an attendance of cost c
    pays from c/(e m); its interval is that of m and of e over customers, taken as independent.

    References
    ----------
    Wooldridge, J. M. (2023), Econometrics Journal 26, C31-C66. Daw, J. R. and Hatfield, L. A.
    (2018), Health Services Research 53, 4138-4156, on matching before differences in differences.
    """
    check_confidence(confidence)
    if not 14 <= days <= 365:
        raise CrmlabError(_("days = {value} is not from 14 to 365.").format(value=days))
    if cost is not None and not cost >= 0:
        raise CrmlabError(_("cost = {value} is below 0.").format(value=cost))
    workspace, part = some_customers(crm)
    attended, held, exclusions = _attended(workspace, days)
    people, unknown = _people(workspace, attended, held, days)
    matched_on = [name for name in ("tier", "region") if name in people]
    people["weight"] = coarsened_exact(people["came"], people[["event", *matched_on]])
    counts = exclusions | unknown
    counts[_("came, without a like customer who did not")] = int(
        (people["came"] & (people["weight"] == 0)).sum()
    )
    paid = workspace.settings.activity_costs.get("contact.event", math.nan)
    each = float(paid if cost is None else cost)
    table = _table(people, confidence)
    table.loc[len(table)] = _break_even(workspace, people, table, each, confidence)
    return Events(
        table,
        Context.of(crm),
        days,
        int(people["event"].nunique()),
        int(people["came"].sum()),
        people,
        each,
        tuple(_of_attendances(reason, count) for reason, count in counts.items() if count),
        part,
        confidence,
    )


def _of_attendances(reason: str, count: int) -> Exclusion:
    return Exclusion(reason, count, ngettext("attendance", "attendances", count))


def _attended(crm: Workspace, days: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Who came to what (customer_id, event), the events (event, last) and what does not count."""
    contacts = crm.contacts
    at_events = contacts[contacts["channel"].eq("event").fillna(False)]
    known = at_events["customer_id"].notna() & at_events["contacted_at"].notna()
    came = at_events.loc[known, ["customer_id"]].assign(
        day=at_events.loc[known, "contacted_at"].dt.normalize()
    )
    if came.empty:
        raise NotEnoughData(
            _(
                "No contact of a customer and day that are known is at an event: name the channel "
                "that is one in the mapping (contacts.channel, values, event)."
            )
        )
    held = _held(came["day"])
    came["event"] = held["event"].to_numpy()[
        np.searchsorted(held["event"], came["day"], side="right") - 1
    ]
    came = came.drop_duplicates(["customer_id", "event"])
    first, last = day_of(crm.first_day), day_of(crm.as_of)
    early = day_number(held["event"]) - days < first
    late = day_number(held["last"]) + days > last
    judged = held[~(early | late)].reset_index(drop=True)
    counts = {
        _("customer or day not given"): int((~known).sum()),
        _("fewer than {days} days of data before the event").format(days=number(days)): int(
            came["event"].isin(held["event"][early]).sum()
        ),
        _("fewer than {days} days of data after the event").format(days=number(days)): int(
            came["event"].isin(held["event"][late & ~early]).sum()
        ),
    }
    if judged.empty:
        raise NotEnoughData(
            ngettext(
                "The data hold {count} event, but not {days} days before and after it.",
                "The data hold {count} events, but of none {days} days before and after it.",
                len(held),
            ).format(count=number(len(held)), days=number(days))
        )
    return came[came["event"].isin(judged["event"])], judged, counts


def _held(days: pd.Series) -> pd.DataFrame:
    """The events: first and last day of each."""
    rows: list[list[pd.Timestamp]] = []
    for day in sorted(days.unique()):
        if rows and day < rows[-1][0] + pd.Timedelta(days=ONE_EVENT):
            rows[-1][1] = day
        else:
            rows.append([day, day])
    return pd.DataFrame(rows, columns=["event", "last"])


def _people(
    crm: Workspace, attended: pd.DataFrame, held: pd.DataFrame, days: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Every customer known long enough before each event, and guests who were not."""
    diary = Diary(crm.orders)
    since = known_since(crm, crm.query("purchase_history"))
    parts = []
    for event, last in held.itertuples(index=False):
        who = since.index[since <= event - pd.Timedelta(days=days)]
        begin, end = (pd.DatetimeIndex([day]).repeat(len(who)) for day in (event, last))
        spells = {
            "earlier": diary.count(who, begin, -2 * days, -days - 1),
            "before": diary.count(who, begin, -days, -1),
            "after": diary.count(who, end, 1, days),
        }
        parts.append(pd.DataFrame({"customer_id": who, "event": begin, "last": end} | spells))
    people = pd.concat(parts, ignore_index=True)
    own = pd.MultiIndex.from_frame(people[["customer_id", "event"]])
    people["came"] = own.isin(pd.MultiIndex.from_frame(attended[["customer_id", "event"]]))
    came = int(people["came"].sum())
    if came in (0, len(people)):
        raise NotEnoughData(
            _(
                "Of {all} customers known {days} days before an event, {came} came: there is "
                "nobody to compare."
            ).format(all=number(len(people)), days=number(days), came=number(came))
        )
    # Who was no customer yet, and what lies before the data, is not known: not the same as none.
    begin = people["event"] - pd.Timedelta(days=2 * days)
    known = people["customer_id"].map(since)
    seen = (begin >= pd.Timestamp(crm.first_day)) & (known <= begin)
    people["earlier"] = people["earlier"].astype(float).where(seen)
    for name in ("tier", "region"):
        values = of_customers(crm, people["customer_id"], name)
        if values is not None:
            people[name] = values
    reason = _("no customers yet {days} days before the event").format(days=number(days))
    return people, {reason: len(attended) - came}


def _table(people: pd.DataFrame, confidence: float) -> pd.DataFrame:
    seen = people[people["earlier"].notna()]
    spells = ("before", "after")
    rows = [
        _compare("guests", people.assign(weight=1.0), spells, confidence),
        _compare("coming", people, spells, confidence),
        _compare("earlier", seen, ("earlier", "before"), confidence),
    ]
    return pd.DataFrame(rows)


def _compare(
    code: str, people: pd.DataFrame, spells: tuple[str, str], confidence: float
) -> dict[str, object]:
    """A row of the table; without figures where one side has nobody."""
    people = people[people["weight"] > 0]
    weight, came = people["weight"].to_numpy(), people["came"].to_numpy(bool)
    first, second = (people[name].to_numpy(float) for name in spells)
    who = people["customer_id"]
    fewest = min(who[came].nunique(), who[~came].nunique())
    row: dict[str, object] = {
        "comparison": code,
        "attendances": int(came.sum()),
        "others": int((~came).sum()),
    }
    for side, whose in ((came, "orders"), (~came, "others")):
        for name, values in (("before", first), ("after", second)):
            mean = np.average(values[side], weights=weight[side]) if side.any() else math.nan
            row[f"{whose}_{name}"] = float(mean)
    if not fewest:
        found = NOTHING
    elif code == "guests":
        ratio = compared(second, came, weight, who, confidence=confidence).ratio
        found = Estimate(ratio.value - 1, ratio.low - 1, ratio.high - 1, math.nan)
    else:
        found = change_apart(first, second, came, weight, who, confidence=confidence)
    low, high = (found.low, found.high) if fewest >= FEWEST else (math.nan, math.nan)
    return row | {"change": found.value, "low": low, "high": high}


def _break_even(
    crm: Workspace, people: pd.DataFrame, table: pd.DataFrame, cost: float, confidence: float
) -> dict[str, object]:
    """The row of what is needed: cost over the margin of what guests would order anyway."""
    guests = people[people["came"] & (people["weight"] > 0)]
    needed = NOTHING
    of_others = table.set_index("comparison").loc["coming"]
    if len(guests) and not math.isnan(cost) and of_others["others_before"] > 0:
        moved = of_others["others_after"] / of_others["others_before"]
        needed = _needed(crm, guests, moved, cost, confidence)
    return {
        "comparison": "break_even",
        "attendances": len(guests),
        "others": 0,
        "change": needed.value,
        "low": needed.low,
        "high": needed.high,
    }


def _needed(
    crm: Workspace, guests: pd.DataFrame, moved: float, cost: float, confidence: float
) -> Estimate:
    if not crm.has("orders", "amount", "cost"):
        return NOTHING
    orders = crm.orders
    own = orders[orders["customer_id"].isin(guests["customer_id"])]
    own = own.dropna(subset=["amount", "cost"])
    # A refund takes from the margin and is no order.
    sums = own.assign(margin=own["amount"] - own["cost"], placed=~(own["amount"] < 0))
    sums = sums.groupby("customer_id")[["margin", "placed"]].sum()
    usual = guests.groupby("customer_id")["before"].agg(["sum", "size"])
    margin = clustered.mean(sums["margin"], sums["placed"], confidence=confidence)
    orders_each = clustered.mean(usual["sum"], usual["size"], confidence=confidence)
    expected = moved * margin.value * orders_each.value
    if not expected > 0:
        return NOTHING
    value = cost / expected
    # The relative errors of the two means add as squares.
    apart = [
        math.hypot(*(one[end] / one.value - 1 for one in (margin, orders_each))) for end in (1, 2)
    ]
    high = value / (1 - apart[0]) if apart[0] < 1 else math.inf
    return Estimate(value, value / (1 + apart[1]), high, math.nan)
