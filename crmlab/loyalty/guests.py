"""Who came to which event, and the customers that they are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number
from crmlab.loyalty.answers import Diary, day_number, day_of, of_customers
from crmlab.loyalty.purchases import known_since
from crmlab.show.result import Exclusion
from crmlab.stats.matching import coarsened_exact

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Days with contacts at an event that lie within so many days of its first belong to one event.
ONE_EVENT = 7


@dataclass(frozen=True)
class Guests:
    """Guests of events, and who did not come.

    Attributes
    ----------
    people : pandas.DataFrame
        A row per customer and event that can be judged: customer_id, event and last (its first and
        last day), came, earlier, before, after (orders), the columns of `match`, and weight, 0
        without a like customer.
    match : tuple of str
        Columns of customers in which guests and others agree.
    gap : float
        Days from an event to the next, the fewest; infinite where there is only one.
    exclusions : tuple of Exclusion
    """

    people: pd.DataFrame
    match: tuple[str, ...]
    gap: float
    exclusions: tuple[Exclusion, ...]


def guests(crm: Workspace, days: int, match: Sequence[str] | None = None) -> Guests:
    """The customers known `days` days before each event, whether they came, and their orders.

    Parameters
    ----------
    crm : Workspace
    days : int
        Length of a spell of orders.
    match : sequence of str, optional
        Columns of customers; by default tier and region, where known.

    Raises
    ------
    UnknownName
        If customers have no such column.
    NotEnoughData
        If no event can be judged, or all or none of the customers came.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> days = pd.to_datetime(["2025-01-01", "2025-01-02", "2025-03-01", "2025-04-20"])
    >>> orders = pd.DataFrame({"order_id": list("1234"), "customer_id": list("ABAA"),
    ...     "ordered_at": days})
    >>> contacts = pd.DataFrame({"contact_id": ["1"], "customer_id": ["A"], "channel": "event",
    ...     "contacted_at": ["2025-03-10"]})
    >>> crm = from_frames({"orders": orders, "contacts": contacts}, as_of="2025-06-30")
    >>> guests(crm, 60).people[["customer_id", "came", "before", "after"]]
      customer_id   came  before  after
    0           A   True       1      1
    1           B  False       0      0
    """
    attended, held, counts = _attended(crm)
    first, last = day_of(crm.first_day), day_of(crm.as_of)
    early = day_number(held["event"]) - days < first
    late = (day_number(held["last"]) + days > last) & ~early
    for text, out in (
        (_("fewer than {days} days of data before the event"), early),
        (_("fewer than {days} days of data after the event"), late),
    ):
        counts[text.format(days=number(days))] = int(
            attended["event"].isin(held["event"][out]).sum()
        )
    judged = held[~(early | late)]
    if judged.empty:
        raise NotEnoughData(
            ngettext(
                "The data hold {count} event, but not {days} days before and after it.",
                "The data hold {count} events, but of none {days} days before and after it.",
                len(held),
            ).format(count=number(len(held)), days=number(days))
        )
    attended = attended[attended["event"].isin(judged["event"])]
    people = _people(crm, attended, judged, days)
    reason = _("no customers yet {days} days before the event").format(days=number(days))
    counts[reason] = len(attended) - int(people["came"].sum())
    chosen = _matched_on(crm, people, match)
    people["weight"] = weights(people, chosen, "before")
    counts[_("came, without like customers who did not")] = int(
        (people["came"] & (people["weight"] == 0)).sum()
    )
    apart = np.diff(day_number(held["event"]))
    return Guests(
        people,
        tuple(chosen),
        float(apart.min()) if len(apart) else math.inf,
        tuple(
            Exclusion(reason, count, ngettext("attendance", "attendances", count))
            for reason, count in counts.items()
            if count
        ),
    )


def weights(people: pd.DataFrame, match: Sequence[str], spell: str) -> pd.Series:
    """Weights that give the others of each event the guests' shares of the columns of `match`.

    Of an event whose others placed no orders in `spell`, which can say nothing of how orders moved,
    nobody has a weight.
    """
    found = coarsened_exact(people["came"], people[["event", *match]])
    placed = np.where(people["came"], 0.0, found * people[spell])
    told = pd.Series(placed, people.index).groupby(people["event"]).transform("sum") > 0
    return pd.Series(np.where(told, found, 0.0), people.index)


def _attended(crm: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
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
                "that is one in the mapping (contacts.channel, codes, event)."
            )
        )
    held = _held(came["day"])
    place = np.searchsorted(held["event"], came["day"], side="right") - 1
    came["event"] = held["event"].to_numpy()[place]
    counts = {_("customer or day not given"): int((~known).sum())}
    return came.drop_duplicates(["customer_id", "event"]), held, counts


def _held(days: pd.Series) -> pd.DataFrame:
    """The events: first and last day of each."""
    rows: list[list[pd.Timestamp]] = []
    for day in sorted(days.unique()):
        if rows and day < rows[-1][0] + pd.Timedelta(days=ONE_EVENT):
            rows[-1][1] = day
        else:
            rows.append([day, day])
    return pd.DataFrame(rows, columns=["event", "last"])


def _people(crm: Workspace, attended: pd.DataFrame, held: pd.DataFrame, days: int) -> pd.DataFrame:
    """Every customer known long enough before each event, and their orders around it."""
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
    return people


def _matched_on(crm: Workspace, people: pd.DataFrame, match: Sequence[str] | None) -> list[str]:
    """The columns to match on, put into `people`."""
    chosen = []
    for name in ("tier", "region") if match is None else match:
        values = of_customers(crm, people["customer_id"], name)
        if values is not None:
            people[name] = values
            chosen.append(name)
        elif match is not None:
            raise UnknownName(
                _("Guests cannot be matched on {column}: customers do not have it.").format(
                    column=name
                )
            )
    return chosen
