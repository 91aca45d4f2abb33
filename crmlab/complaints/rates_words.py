"""The picture and the words of complaints per 1,000 orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.exposure import Rate
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.groups import formats_of, group_name, record_names
from crmlab.show.result import (
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More groups than this are drawn as the highest and the lowest.
DRAWN = 30
NAMED = 8
#: With more complaints on 1,000 orders a count is hardly Poisson's.
OFTEN = 200
PER = 1000


@dataclass(frozen=True, repr=False)
class ComplaintRates(Result):
    """Result of `complaint_rates`.

    Attributes
    ----------
    by : str
        Column of the groups; empty for none.
    suggestions : bool
        Whether suggestions count.
    overall : Rate
        Of all groups together.
    other : Rate
        The same with suggestions, or without them if they count.
    own_orders : bool
        Whether a group has orders of its own; otherwise its complaints are held against all.
    clustered : bool
        Whether customers are known.
    customers : int
        Those who have orders.
    record : str
        What one row of the orders is: ``"order"`` or ``"line"``.
    confidence : float
    left_out : tuple of Exclusion
    """

    measure = "complaints.complaint_rates"

    by: str
    suggestions: bool
    overall: Rate
    other: Rate
    own_orders: bool
    clustered: bool
    customers: int
    record: str
    confidence: float
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        if not self.by or not self.own_orders:
            return _("{rate} complaints on 1,000 {records}").format(
                records=record_names(self.record), rate=_per_1000(self.overall.estimate.value)
            )
        above = self._apart(above=True)
        if above.empty:
            return _(
                "Complaints on 1,000 {records}: no group lies above the others beyond chance"
            ).format(records=record_names(self.record))
        return _("Complaints on 1,000 {records}: {groups} above the others").format(
            records=record_names(self.record), groups=self._names(above, NAMED)
        )

    def formats(self) -> Mapping[str, str]:
        names = ("low", "high", "plain_low", "plain_high")
        usual = dict.fromkeys(names, "number1") | {"design_effect": "number"}
        return usual | dict(formats_of(self.table, self.by))

    def main_columns(self) -> list[str]:
        hidden = ["design_effect", "few"]
        if self.by:
            hidden += ["plain_low", "plain_high", "with_suggestions"]
        return [name for name in self.table.columns if name not in hidden]

    # --- the picture

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = self._drawn() if self.by else self._both_ways()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.3 * len(rows) + 1.6)))
        places = np.arange(len(rows))[::-1]
        if self.by and self.own_orders:
            common = self.overall.estimate.value * PER
            axes.axvline(common, color=charts.MUTED, linestyle="--", linewidth=1)
        for place, (_index, row) in zip(places, rows.iterrows(), strict=True):
            self._draw(axes, row, place)
        axes.set_yticks(places, rows["name"])
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_xlim(0, None)
        axes.set_xlabel(self._axis())
        charts.set_title(axes, self.title())
        return axes

    @staticmethod
    def _draw(axes: Axes, row: pd.Series, place: int) -> None:
        out, few = (not pd.isna(row[name]) and bool(row[name]) for name in ("stands_out", "few"))
        colour = charts.ORANGE if out else charts.GREY if few else charts.BLUE
        axes.hlines(place, row["low"], row["high"], colors=colour)
        face = "white" if few else colour
        axes.plot([row["per_1000"]], [place], "o", color=colour, markerfacecolor=face)

    def _axis(self) -> str:
        said = _("Complaints on 1,000 {records}, with interval")
        if self.by and self.own_orders:
            said = _("Complaints on 1,000 {records}, with interval; dashed: all groups")
            if self.table["few"].any():
                said = _("Complaints on 1,000 {records}; dashed: all; hollow: too few to judge")
        return said.format(records=record_names(self.record))

    def _drawn(self) -> pd.DataFrame:
        rows = self.table.dropna(subset=["per_1000"])
        rows = rows.assign(name=[group_name(self.by, value) for value in rows[self.by]])
        if "stands_out" not in rows:
            rows = rows.assign(stands_out=False)
        if len(rows) <= DRAWN:
            return rows
        return pd.concat([rows.head(DRAWN // 2), rows.tail(DRAWN // 2)])

    def _both_ways(self) -> pd.DataFrame:
        names = [_("Without suggestions"), _("With suggestions")]
        rates = [self.other, self.overall] if self.suggestions else [self.overall, self.other]
        rows = [
            {
                "name": name,
                "per_1000": rate.estimate.value * PER,
                "low": rate.estimate.low * PER,
                "high": rate.estimate.high * PER,
            }
            for name, rate in zip(names, rates, strict=True)
        ]
        return pd.DataFrame(rows).assign(few=False, stands_out=False)

    # --- the words

    def reading(self) -> str:
        parts = [
            self._overall(),
            self._other_way(),
            self._effect(),
            self._parts(),
            self._groups(),
            self._small(),
            self._often(),
            self._not_drawn(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = self._drawn() if self.by else self._both_ways()
        parts = [
            _("{group} {rate} ({low} to {high})").format(
                group=row["name"],
                rate=number(row["per_1000"], 1),
                low=number(row["low"], 1),
                high=number(row["high"], 1),
            )
            for _index, row in rows.iterrows()
        ]
        return _("Points with intervals of the complaints on 1,000 {records}. {groups}.").format(
            records=record_names(self.record), groups=_("; ").join(parts)
        )

    def _apart(self, *, above: bool) -> pd.DataFrame:
        if "stands_out" not in self.table:
            return self.table.head(0)
        apart = self.table[self.table["stands_out"].fillna(False).astype(bool)]
        higher = apart["per_1000"] > self.overall.estimate.value * PER
        return apart[higher if above else ~higher]

    def _names(self, rows: pd.DataFrame, most: int) -> str:
        names = [group_name(self.by, value) for value in rows[self.by]]
        return listed(names, most)

    def _overall(self) -> str:
        count = int(self.overall.events)
        texts = {
            False: ngettext(
                "{events} complaint on {orders} {records}, {period}: {rate} on 1,000 ({low} to "
                "{high}). {intervals}",
                "{events} complaints on {orders} {records}, {period}: {rate} on 1,000 ({low} to "
                "{high}). {intervals}",
                count,
            ),
            True: ngettext(
                "{events} complaint or suggestion on {orders} {records}, {period}: {rate} on "
                "1,000 ({low} to {high}). {intervals}",
                "{events} complaints and suggestions on {orders} {records}, {period}: {rate} on "
                "1,000 ({low} to {high}). {intervals}",
                count,
            ),
        }
        return texts[self.suggestions].format(
            events=number(count),
            orders=number(self.overall.orders),
            records=_records(self.record, int(self.overall.orders)),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
            **_written(self.overall),
        )

    def _other_way(self) -> str:
        count = abs(int(self.overall.events - self.other.events))
        if not count:
            return _(
                "No suggestion is recorded, so there is nothing to tell apart from complaints."
            )
        if self.by and not self.suggestions:
            return ngettext(
                "{count} suggestion, which is welcome and no failure, is not counted.",
                "{count} suggestions, which are welcome and no failures, are not counted.",
                count,
            ).format(count=number(count))
        texts = {
            False: ngettext(
                "With the {count} suggestion, which is welcome and no failure, it would be {rate} "
                "({low} to {high}).",
                "With the {count} suggestions, which are welcome and no failures, it would be "
                "{rate} ({low} to {high}).",
                count,
            ),
            True: ngettext(
                "Without the {count} suggestion, which is welcome and no failure, it would be "
                "{rate} ({low} to {high}).",
                "Without the {count} suggestions, which are welcome and no failures, it would be "
                "{rate} ({low} to {high}).",
                count,
            ),
        }
        return texts[self.suggestions].format(count=number(count), **_written(self.other))

    def _effect(self) -> str:
        if not self.clustered:
            return _(
                "No customer is given, so every complaint counts as independent; where some "
                "customers complain often the intervals are too short."
            )
        if self.by:
            return ""
        if self.customers < 2:
            return _(
                "All orders are those of one customer, so every complaint counts as independent; "
                "what other customers would do is not known."
            )
        effect = self.overall.estimate.effect
        if effect < 1.005:
            return _(
                "Customers do not differ in their rates by more than chance would bring about."
            )
        return _(
            "Some customers complain more often than others: the design effect is {effect}. "
            "Without allowing for it, the interval would be {low} to {high}."
        ).format(
            effect=number(effect, 2),
            low=_per_1000(self.overall.plain.low),
            high=_per_1000(self.overall.plain.high),
        )

    def _parts(self) -> str:
        if not self.by or self.own_orders:
            return ""
        return _(
            "All are held against the same orders, so the rates are parts of the whole and add up "
            "to it; they say what is frequent, not which orders are at risk."
        )

    def _groups(self) -> str:
        if not self.by or not self.own_orders:
            return ""
        judged = int(self.table["stands_out"].notna().sum())
        if not judged or len(self.table) < 2:
            return _("Whether groups differ cannot be told: too little is known of them.")
        above = _("Above the others together, allowing for {judged} groups: {groups}.")
        sides = [
            (self._apart(above=True), above),
            (self._apart(above=False), _("Below them: {groups}.")),
        ]
        said = [
            text.format(judged=number(judged), groups=self._with_rates(rows))
            for rows, text in sides
            if len(rows)
        ]
        if not said:
            return _(
                "No group differs from the others together by more than chance would bring about "
                "among {groups} groups."
            ).format(groups=number(judged))
        if self._apart(above=True).empty:
            return _("Below the others together, allowing for {judged} groups: {groups}.").format(
                judged=number(judged), groups=self._with_rates(self._apart(above=False))
            )
        return " ".join([*said, _("This says where, not why.")])

    def _with_rates(self, rows: pd.DataFrame) -> str:
        parts = [
            _("{group} {rate} ({low} to {high})").format(
                group=group_name(self.by, row[self.by]),
                rate=number(row["per_1000"], 1),
                low=number(row["low"], 1),
                high=number(row["high"], 1),
            )
            for _index, row in rows.iterrows()
        ]
        return listed(parts, NAMED)

    def _small(self) -> str:
        if "few" not in self.table or not self.table["few"].any():
            return ""
        small = self.table[self.table["few"]]
        if not self.own_orders:
            return ngettext(
                "Not to be ranked, with fewer than five complaints: {groups}.",
                "Not to be ranked, with fewer than five complaints each: {groups}.",
                len(small),
            ).format(groups=self._names(small, NAMED))
        return ngettext(
            "Not judged, and not to be ranked: {groups}. It has fewer than five customers, or so "
            "few orders that fewer than five complaints are to be expected; there chance alone "
            "makes a rate very high or nothing.",
            "Not judged, and not to be ranked: {groups}. They have fewer than five customers, or "
            "so few orders that fewer than five complaints are to be expected; there chance alone "
            "makes a rate very high or nothing.",
            len(small),
        ).format(groups=self._names(small, NAMED))

    def _not_drawn(self) -> str:
        known = int(self.table["per_1000"].notna().sum())
        if known <= DRAWN:
            return ""
        return _("The picture shows the highest {half} and the lowest {half} of {groups}.").format(
            half=number(DRAWN // 2), groups=number(known)
        )

    def _often(self) -> str:
        if not self.table["per_1000"].max() > OFTEN:
            return ""
        return _(
            "Where an order can be complained of but once, so high a rate is a share, which varies "
            "less than a Poisson count: the intervals are then too long, and may go beyond 1,000."
        )

    def _left_out(self) -> str:
        return left_out_words(self.left_out, nothing=_("No complaint of the period was left out."))

    def _define(self) -> Definition:
        numerators = {
            False: _("Complaints opened in the period, suggestions aside"),
            True: _("Complaints and suggestions opened in the period"),
        }
        denominators = {
            True: _("Orders placed in the period, of the group; refunds aside"),
            False: _("All orders placed in the period; refunds aside"),
        }
        return Definition(
            numerator=numerators[self.suggestions],
            denominator=denominators[bool(self.by) and self.own_orders],
            period=self.context.period(),
            method=_(
                "{confidence} exact Poisson intervals (Garwood); events and orders divided by the "
                "overdispersion of customers. A group against all others by the score test of two "
                "rates, held against t with the degrees of freedom of the customers, corrected for "
                "the number of groups (Holm). Complaints that the last orders will still bring are "
                "not in."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.left_out,
        )


def _records(record: str, count: int) -> str:
    """What so many rows of the orders are called."""
    if record == "line":
        return ngettext("order line", "order lines", count)
    return ngettext("order", "orders", count)


def _per_1000(value: float) -> str:
    return number(value * PER, 1)


def _written(rate: Rate) -> dict[str, str]:
    found = rate.estimate
    return {
        "rate": _per_1000(found.value),
        "low": _per_1000(found.low),
        "high": _per_1000(found.high),
    }


def listed(names: list[str], most: int) -> str:
    """Names one after the other; of more than so many the first, and how many more there are.

    Examples
    --------
    >>> listed(["A", "B", "C"], 2)
    'A; B and 1 more'
    """
    if len(names) <= most:
        return _("; ").join(names)
    return _("{names} and {count} more").format(
        names=_("; ").join(names[:most]), count=number(len(names) - most)
    )
