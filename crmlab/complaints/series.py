"""Complaints and orders by week or month: of one kind, at one place, over whole periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.cases import SUGGESTION, cases, of_complaints
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.show.columns import shown
from crmlab.show.groups import group_name
from crmlab.show.result import Exclusion, require

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: A period, and the columns of complaints that say which complaints are meant.
EVERY = ("week", "month")
DATED = ("opened", "ordered")
#: Share of complaints that have come when the orders of a period are looked at.
COME = 0.95
OF = ("kind", "cause", "severity", "channel", "owner", "remedy")

Choice = Mapping[str, Any] | None


@dataclass(frozen=True)
class Gathered:
    """Complaints and orders with the whole period that each falls into.

    Attributes
    ----------
    complaints : pandas.DataFrame
        As in `Cases`, with place (number of the period, from 0).
    orders : pandas.DataFrame or None
        Day, orders, the column of groups, and place; None where the orders have no day.
    starts : pandas.DatetimeIndex
        First day of each period.
    end : pandas.Timestamp
        The day after the last period.
    dated : str
        Whether a complaint counts when it was ``"opened"`` or when its order was ``"ordered"``.
    wait : int
        Days from order to complaint within which most complaints come; 0 if they are not known.
    left_out : mapping of str to int
        Complaints left out, by the reason (`reasons`).
    record : str
        What one row of the orders is: ``"order"`` or ``"line"``.
    """

    complaints: pd.DataFrame
    orders: pd.DataFrame | None
    starts: pd.DatetimeIndex
    end: pd.Timestamp
    dated: str
    wait: int
    left_out: Mapping[str, int]
    record: str = "order"

    @property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, in the current language."""
        known = reasons()
        return tuple(
            of_complaints(known[name], count) for name, count in self.left_out.items() if count
        )

    def dating(self) -> str:
        """When complaints and orders count, in a sentence."""
        if self.dated == "opened":
            said = _("A complaint counts when it was opened, an order when it was placed.")
            if self.wait <= (self.last_days()[0] - self.starts[0]).days + 1:
                return said
            late = _(
                "{share} of complaints come within {days} days of their order, which is longer "
                "than a period: the two do not belong together. Date complaints by their order, "
                'with dated = "ordered".'
            ).format(share=percent(COME, 0), days=number(self.wait))
            return f"{said} {late}"
        return ngettext(
            "A complaint counts when its order was placed. {share} of complaints come within "
            "{days} day of that; periods that ended later than a day before the last day are left "
            "out.",
            "A complaint counts when its order was placed. {share} of complaints come within "
            "{days} days of that; periods that ended later than so many days before the last day "
            "are left out.",
            self.wait,
        ).format(share=percent(COME, 0), days=number(self.wait))

    def last_days(self) -> pd.DatetimeIndex:
        """Last day of each period."""
        nexts = self.starts[1:].append(pd.DatetimeIndex([self.end]))
        return nexts - pd.Timedelta(days=1)


def gather(
    crm: Workspace,
    *,
    of: Choice = None,
    where: Choice = None,
    by: str | None = None,
    every: str = "week",
    dated: str = "opened",
) -> Gathered:
    """The complaints and orders that are meant, by whole periods.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; for orders also orders: ordered_at.
    of : mapping, optional
        Column of complaints to the value, or values, that are meant.
    where : mapping, optional
        Column of orders or customers to the value, or values, that are meant.
    by : str, optional
        A further column of orders or customers.
    every : {"week", "month"}
        A week begins on Monday.
    dated : {"opened", "ordered"}

    Returns
    -------
    Gathered

    Raises
    ------
    UnknownName
        If an option names no such column or value.
    NotEnoughData
        If there is no such complaint, or no whole period.

    Notes
    -----
    Suggestions are left out unless `of` asks for them. The first period begins with or after the
    first complaint of any kind: before it none may have been recorded.
    """
    check_one("every", every, EVERY)
    check_one("dated", dated, DATED)
    _check_of(of)
    places = [*(where or {}), *([by] if by else [])]
    columns = [_qualified(crm, name) for name in places]
    orders = crm.query("order_days", by=columns) if crm.has("orders", "ordered_at") else None
    linked = orders is not None and crm.has("complaints", "order_id")
    if dated == "ordered":
        require(crm, "dated", crm.missing({"orders": ["ordered_at"]}))
    further = [*columns, *(["orders.ordered_at"] if linked or dated == "ordered" else [])]
    found = cases(crm, suggestions=_asks_for_suggestions(of), by=further)
    frame = found.frame
    gone = {"undated": found.undated, "suggestion": found.suggestions}
    times, wait = frame["opened_at"], _wait(frame) if linked else 0
    if dated == "ordered":
        times = frame["ordered_at"]
        gone["undated_order"] = int(times.isna().sum())
        frame = frame[times.notna()]
        if frame.empty:
            raise NotEnoughData(
                _(
                    "No complaint names an order whose day is known; date complaints by their "
                    'opening: dated = "opened".'
                )
            )
        times = frame["ordered_at"]
    starts, end = whole_periods(crm, times.min(), every, wait if dated == "ordered" else 0)
    frame = _chosen(frame.assign(place=_places(times, starts, end)), of)
    unplaced = frame[[_short(name) for name in places]].isna().any(axis=1)
    gone["unplaced"] = int(unplaced.sum())
    frame = frame[~unplaced]
    if orders is not None:
        orders = _chosen(orders, where, must=True)
        orders = orders.assign(place=_places(pd.to_datetime(orders["day"]), starts, end))
    frame = _chosen(frame, where, must=orders is None)
    outside = frame["place"] < 0
    gone["outside"] = int(outside.sum())
    frame = frame[~outside].reset_index(drop=True)
    return Gathered(frame, orders, starts, end, dated, wait, gone, crm.settings.record)


def reasons() -> dict[str, str]:
    """Why complaints are left out, in words."""
    return {
        "undated": _("day of opening not known"),
        "suggestion": _("suggestion, which is welcome and no failure"),
        "undated_order": _("day of the order not known"),
        "unplaced": _("place not known"),
        "outside": _("in a period that is not whole"),
        "no_order": _("at a place and in a week without an order"),
        "before": _("before the first day charted"),
        "nothing_to_divide_by": _("in a period without an order"),
        "no_outcome": _("outcome not known, or not yet"),
        "same_week": _("further one of a customer, of the same sort, place and week"),
        "rare": _("of a sort that is rare or not given"),
    }


def check_one(name: str, value: str, known: Sequence[str]) -> None:
    """Raise `UnknownName` if the value of an option is none of those that are known."""
    if value not in known:
        raise UnknownName(
            _("{name} is one of {names}, not {value}.").format(
                name=name, names=", ".join(known), value=value
            )
        )


def _wait(frame: pd.DataFrame) -> int:
    """Days from order to complaint, within which most complaints come."""
    days = ((frame["opened_at"] - frame["ordered_at"]) / pd.Timedelta(days=1)).dropna()
    return max(0, int(np.ceil(days.quantile(COME)))) if len(days) else 0


def whole_periods(
    crm: Workspace, first: pd.Timestamp, every: str, wait: int = 0
) -> tuple[pd.DatetimeIndex, pd.Timestamp]:
    """First days of the periods from `first` to `wait` days before the end, and the day after."""
    letter = "W-SUN" if every == "week" else "M"
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1) - pd.Timedelta(days=wait)
    begin = max(pd.Timestamp(crm.first_day), min(first.normalize(), end))
    periods = pd.period_range(begin, end, freq=letter)
    starts = periods.start_time
    nexts = (periods + 1).start_time
    whole = (starts >= begin) & (nexts <= end)
    if not whole.any():
        raise NotEnoughData(
            _("From the first complaint to the last day there is no whole {period}.").format(
                period=period_name(every)
            )
        )
    return starts[whole], nexts[whole][-1]


def period_name(every: str) -> str:
    """A week or a month, in words."""
    return _("week") if every == "week" else _("month")


def choice_words(of: Choice, where: Choice) -> str:
    """What is meant, in words: empty if all complaints are.

    Examples
    --------
    >>> choice_words({"cause": "damage"}, {"route": ["R03", "R04"]})
    'Cause: Damaged goods; Route: R03, R04'
    """
    parts = []
    for column, wanted in [*(of or {}).items(), *(where or {}).items()]:
        short = _short(column)
        names = _(", ").join(group_name(short, value) for value in _values(wanted))
        parts.append(_("{column}: {names}").format(column=shown(short).label, names=names))
    return _("; ").join(parts)


def _check_of(of: Choice) -> None:
    for name in of or {}:
        check_one("of", name, OF)


def _asks_for_suggestions(of: Choice) -> bool:
    named = [value for name in ("kind", "cause") for value in _values((of or {}).get(name, []))]
    return SUGGESTION in named


def _qualified(crm: Workspace, name: str) -> str:
    """The column with its table, so that it means the same for complaints and orders."""
    if "." in name or name == "tier":
        return name
    table = next((one for one in ("orders", "customers") if crm.has(one, name)), "")
    return f"{table}.{name}" if table else name


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _values(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, list | tuple | set) else [wanted]


def _chosen(rows: pd.DataFrame, choice: Choice, *, must: bool = True) -> pd.DataFrame:
    """The rows that are meant; a value that is nowhere is named, if it must be somewhere."""
    kept = np.ones(len(rows), bool)
    for column, wanted in (choice or {}).items():
        known = rows[_short(column)]
        inside = known.isin(_values(wanted)).to_numpy()
        if must and not inside.any():
            raise UnknownName(
                _("{column} has no {value}. There are: {names}.").format(
                    column=_short(column),
                    value=", ".join(str(value) for value in _values(wanted)),
                    names=", ".join(sorted(str(one) for one in known.dropna().unique())[:30]),
                )
            )
        kept &= inside
    return rows[kept]


def _places(times: pd.Series, starts: pd.DatetimeIndex, end: pd.Timestamp) -> NDArray[np.int64]:
    """Number of the period of each time; -1 outside."""
    found = np.searchsorted(starts.to_numpy(), times.to_numpy(), side="right") - 1
    outside = times.isna().to_numpy() | (times >= end).to_numpy()
    return np.where(outside, -1, found)
