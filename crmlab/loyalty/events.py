"""Customer events (客户活动): who comes, what comes with coming, and what it must bring to pay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.drawn import some_customers
from crmlab.errors import CrmlabError
from crmlab.language import _, money, ngettext, number, signed, with_interval
from crmlab.loyalty.answers import day_number
from crmlab.loyalty.guests import Guests, guests, weights
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered import NOTHING, Estimate, difference
from crmlab.stats.intervals import check_confidence
from crmlab.stats.matching import change_apart, compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: A comparison with fewer customers on either side, by their weights, has no interval.
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
    guests : Guests
    cost : float
        Cost of an attendance; NaN where it is not known.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    confidence : float
    """

    measure = "loyalty.events"

    days: int
    guests: Guests
    cost: float
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
        if math.isnan(self._row("guests")["change"]):
            return _("Guests of events cannot be compared with others")
        if math.isnan(row["low"]):
            return _("Guests of events order {naive} compared with all others").format(naive=naive)
        if self._unfair():
            return _("Guests of events order {naive}; they had moved apart before").format(
                naive=naive
            )
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
            self._close(),
            self._pays(),
            self._brackets(),
            left_out_words(self.guests.exclusions, self.part),
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

    def _unfair(self) -> bool:
        """Whether guests and others moved apart before the event, beyond chance."""
        row = self._row("earlier")
        return bool(row["low"] > 0 or row["high"] < 0)

    def _guests(self) -> str:
        row, people = self._row("guests"), self.guests.people
        held = ngettext(
            "{count} event can be judged, with {came} attendances.",
            "{count} events can be judged, with {came} attendances.",
            people["event"].nunique(),
        ).format(count=number(people["event"].nunique()), came=number(people["came"].sum()))
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
        names = _(", ").join(shown(name).label for name in self.guests.match)
        said = ngettext(
            "{count} attendance has like customers who did not come (alike in: {names}).",
            "{count} attendances have like customers who did not come (alike in: {names}).",
            row["attendances"],
        ).format(count=number(row["attendances"]), names=names or _("nothing but the event"))
        moved = _(
            "From the {days} days before to the {days} days after, guests went from {before} "
            "orders to {after}, these others from {before_others} to {after_others}."
        ).format(
            days=number(self.days),
            before=number(row["orders_before"], 1),
            after=number(row["orders_after"], 1),
            before_others=number(row["others_before"], 1),
            after_others=number(row["others_after"], 1),
        )
        return f"{said} {moved} {self._verdict(row)}"

    @staticmethod
    def _verdict(row: pd.Series) -> str:
        if math.isnan(row["low"]):
            text = _(
                "Compared with what they would have ordered, had their orders moved like these "
                "others' at each event, guests ordered {change}; customers are too few for an "
                "interval."
            )
        elif row["low"] > 0 or row["high"] < 0:
            text = _(
                "Compared with what they would have ordered, had their orders moved like these "
                "others' at each event, guests ordered {change}. They chose to come, or were "
                "chosen: what else moved them then is in that figure."
            )
        else:
            text = _(
                "Whether guests' orders moved otherwise than these others' at each event cannot be "
                "told: {change}."
            )
        return text.format(change=_written(row))

    def _earlier(self) -> str:
        row = self._row("earlier")
        if math.isnan(row["low"]):
            return _(
                "Whether guests had moved apart from these others before the event cannot be "
                "checked: the data are too short, or customers too few."
            )
        text = (
            _(
                "Before the event guests already moved apart from these others: {change}. They "
                "come when something changes, and the comparison is not fair."
            )
            if self._unfair()
            else _(
                "Before the event guests did not move apart from these others by more than chance: "
                "{change}. A drift within that range would not be noticed."
            )
        )
        return text.format(change=_written(row))

    def _close(self) -> str:
        if self.guests.gap >= 2 * self.days:
            return ""
        return _(
            "The closest two events lie {gap} days apart, less than twice {days}: guests of one "
            "may still order more for having been at another, and the change is then too small."
        ).format(gap=number(self.guests.gap), days=number(self.days))

    def _pays(self) -> str:
        if math.isnan(self.cost):
            return _(
                "What an attendance costs is not known: name it in the settings (contact.event) or "
                "as cost=."
            )
        said = _("An attendance costs {cost}.").format(
            cost=money(self.cost, self.context.currency, 2)
        )
        needed, change = self._row("break_even"), self._row("coming")
        if math.isnan(needed["change"]):
            return said + " " + _("What guests' orders earn is not known, or nothing.")
        said += " " + _("To pay in {days} days, it must raise their orders by {needed}.").format(
            days=number(self.days), needed=_written(needed)
        )
        if math.isnan(change["low"]) or math.isnan(needed["low"]) or self._unfair():
            return said
        more = difference(_estimate(change), _estimate(needed))
        if more.low > 0:
            return said + " " + _("The change measured lies above that.")
        if more.high < 0:
            return said + " " + _("The change measured lies below that.")
        return said + " " + _("Whether the change measured is more or less cannot be told.")

    def _brackets(self) -> str:
        if self.table["low"].isna().all():
            return ""
        return _("{intervals} They are for these events; others may bring more or less.").format(
            intervals=intervals_in_brackets(self.confidence)
        )

    def _define(self) -> Definition:
        names = _(", ").join(shown(name).label for name in self.guests.match)
        return Definition(
            numerator=_("Orders of guests in the {days} days after an event").format(
                days=number(self.days)
            ),
            denominator=_("What they would be, had they moved like customers who did not come"),
            period=self.context.period(),
            method=_(
                "At each event guests' orders in the {days} days before are carried forward by the "
                "change of those who did not come, weighted to the guests' shares of {names} as "
                "they are today (difference in differences, multiplicative: Wooldridge 2023). Both "
                "were customers {days} days before. The same between the {days} days before and "
                "those before them is the check. Errors linearised over customers. Break-even: "
                "cost over the margin of what guests would order."
            ).format(days=number(self.days), names=names or _("nothing but the event")),
            source=self.context.source,
            exclusions=self.guests.exclusions,
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


def _estimate(row: pd.Series) -> Estimate:
    return Estimate(row["change"], row["low"], row["high"], math.nan)


@measure(
    needs={
        "contacts": ["customer_id", "contacted_at", "channel"],
        "orders": ["customer_id", "ordered_at"],
    }
)
def events(
    crm: Workspace,
    *,
    days: int = 84,
    match: Sequence[str] | None = None,
    cost: float | None = None,
    confidence: float = 0.95,
) -> Events:
    """Whether customers order more after an event they came to, and what it must bring to pay.

    Parameters
    ----------
    crm : Workspace
        With contacts: customer_id, contacted_at, channel (an attendance is a contact of channel
        ``"event"``); orders: customer_id, ordered_at, for the margin amount and cost.
    days : int
        14 to 365: how long orders are counted after an event, and before it. Whole weeks hold every
        weekday equally often.
    match : sequence of str, optional
        Columns of customers in which guests are compared with their like; by default tier and
        region, where known.
    cost : float, optional
        Of an attendance; by default ``settings.activity_costs["contact.event"]``.
    confidence : float

    Returns
    -------
    Events
        `.table` has a row per comparison: comparison (``"guests"``: orders after the event against
        those of all who did not come; ``"coming"``: after it against expected; ``"earlier"``: the
        same over the time before it; ``"break_even"``: needed to pay), attendances, others
        (customers and events they are compared with), orders_before, orders_after, others_before,
        others_after (mean numbers), change, low, high (shares of orders). With fewer than 10
        customers on either side, (Σw)²/Σw² by their weights, there is no interval.

    Raises
    ------
    CrmlabError
        If `days` is not from 14 to 365 or `cost` is below 0.
    NotEnoughData
        If no contact is at an event, none of the events can be judged, or everybody came.
    UnknownName
        If customers do not have a column of `match`.

    Notes
    -----
    Days with contacts at an event within a week of the first are one event; orders count from the
    day after its last day, and up to the day before its first. It is judged where the data hold
    `days` days on both sides, with those who had been customers (`known_since`) for `days` days. Of
    those who did not come nobody is left out for coming to another event: that would choose them by
    what they did afterwards. See `crmlab.stats.matching.change_apart`, with an event as a group.

    Past orders are not matched on: among customers with equal numbers of orders, those of the
    busier group have had a quiet spell, and the others a busy one that does not last (Daw and
    Hatfield 2018). A tier is that of today; if it is given by orders around the event, matching on
    it brings the same back: try ``match=["region"]``. Who has left already cannot come: if a share
    h of the customers leaves in `days` days, guests seem to do about h/2 better after the event,
    and h better in the check before it. Guests of earlier events are in that check as they are.

    Coming is chosen: this is association, and an invitation drawn by lot would settle it. An
    attendance of cost c pays from c/M, M being the margin of a guest's orders in the days before,
    carried forward like their number; refunds are taken off, and orders of which amount or cost is
    missing count with the mean of the others. Whether the change is more than that is judged by
    the difference of the two (Zou and Donner 2008), as if they were independent.

    References
    ----------
    Wooldridge, J. M. (2023), Econometrics Journal 26, C31-C66. Daw, J. R. and Hatfield, L. A.
    (2018), Health Services Research 53, 4138-4156, on matching before differences in differences.
    Zou, G. Y. and Donner, A. (2008), Statistics in Medicine 27, 1693-1702.
    """
    check_confidence(confidence)
    if not 14 <= days <= 365:
        raise CrmlabError(_("days = {value} is not from 14 to 365.").format(value=days))
    if cost is not None and not cost >= 0:
        raise CrmlabError(_("cost = {value} is below 0.").format(value=cost))
    workspace, part = some_customers(crm)
    found = guests(workspace, days, match)
    paid = workspace.settings.activity_costs.get("contact.event", math.nan)
    each = float(paid if cost is None else cost)
    return Events(
        _table(workspace, found, days, each, confidence),
        Context.of(crm),
        days,
        found,
        each,
        part,
        confidence,
    )


def _table(
    crm: Workspace, found: Guests, days: int, cost: float, confidence: float
) -> pd.DataFrame:
    people = found.people
    seen = people[people["earlier"].notna()]
    seen = seen.assign(weight=weights(seen, found.match, "earlier"))
    rows = [
        _naive(people, confidence),
        _row("coming", people, "before", "after", confidence) | _means(people),
        _row("earlier", seen, "earlier", "before", confidence),
        _needed(crm, people, days, cost, confidence),
    ]
    columns = [
        *("comparison", "attendances", "others", "orders_before", "orders_after"),
        *("others_before", "others_after", "change", "low", "high"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _naive(people: pd.DataFrame, confidence: float) -> dict[str, object]:
    """Orders of guests after the event against those of all others."""
    every = people.assign(weight=1.0)
    after, came, who = (every[name] for name in ("after", "came", "customer_id"))
    ratio = compared(after, came, every["weight"], who, confidence=confidence).ratio
    change = Estimate(ratio.value - 1, ratio.low - 1, ratio.high - 1, math.nan)
    return _sized("guests", every, change) | _means(every)


def _row(
    code: str, people: pd.DataFrame, first: str, second: str, confidence: float
) -> dict[str, object]:
    """The change of guests' orders from a spell to the next, against expected."""
    columns = (people[name] for name in (first, second, "came", "weight", "customer_id"))
    change = change_apart(*columns, groups=people["event"], confidence=confidence)
    return _sized(code, people, change)


def _sized(code: str, people: pd.DataFrame, change: Estimate) -> dict[str, object]:
    """A row of the table; without an interval where customers are too few."""
    used = people[people["weight"] > 0]
    of_side = [
        side.groupby("customer_id")["weight"].sum()
        for side in (used[used["came"]], used[~used["came"]])
    ]
    enough = all(side.sum() ** 2 >= FEWEST * (side**2).sum() > 0 for side in of_side)
    return {
        "comparison": code,
        "attendances": int(used["came"].sum()),
        "others": int((~used["came"]).sum()),
        "change": change.value,
        "low": change.low if enough else math.nan,
        "high": change.high if enough else math.nan,
    }


def _means(people: pd.DataFrame) -> dict[str, float]:
    """Mean orders of both sides before the event and after it."""
    means = {}
    for side, whose in ((people["came"], "orders"), (~people["came"], "others")):
        own = people[side & (people["weight"] > 0)]
        for spell in ("before", "after"):
            total = own["weight"].sum()
            means[f"{whose}_{spell}"] = (
                float((own["weight"] * own[spell]).sum() / total) if total else math.nan
            )
    return means


def _needed(
    crm: Workspace, people: pd.DataFrame, days: int, cost: float, confidence: float
) -> dict[str, object]:
    """The row of what is needed: cost over the margin of what guests would order anyway."""
    nothing = _sized("break_even", people, NOTHING)
    if math.isnan(cost) or not crm.has("orders", "amount", "cost"):
        return nothing
    came, weight = people["came"], people["weight"]
    margin = _margins(crm, people[came & (weight > 0)], days).reindex(people.index)
    if cost == 0:
        return nothing | {"change": 0.0}
    # The cost over the margins carried forward: a change from one to the other.
    apart = change_apart(
        margin.where(came, people["before"]).fillna(0.0),
        people["after"].astype(float).where(~came, cost),
        came,
        weight,
        people["customer_id"],
        groups=people["event"],
        confidence=confidence,
    )
    needed = Estimate(apart.value + 1, apart.low + 1, apart.high + 1, math.nan)
    return _sized("break_even", people, needed)


def _margins(crm: Workspace, people: pd.DataFrame, days: int) -> pd.Series:
    """The margin of each guest's orders in the days before the event, refunds taken off."""
    orders = crm.orders[["customer_id", "ordered_at", "amount", "cost"]]
    rows = people[["customer_id", "event"]].reset_index().merge(orders, on="customer_id")
    ago = day_number(rows["event"]) - day_number(rows["ordered_at"])
    rows = rows[(ago >= 1) & (ago <= days)]
    refund = rows["amount"] < 0
    margin = rows["amount"] - rows["cost"].where(~refund, rows["cost"].fillna(0.0))
    known = margin.notna() & ~refund
    scale = (~refund).sum() / known.sum() if known.any() else math.nan
    return margin.groupby(rows["index"]).sum().reindex(people.index, fill_value=0.0) * scale
