"""The backlog (积压): what comes, what is closed, what is left open, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, cases, of_complaints
from crmlab.complaints.steps import CONFIDENCE, end_of
from crmlab.complaints.times import later_known
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats import clustered
from crmlab.stats.clustered import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

DAY = pd.Timedelta(days=1)
#: Ages in days at which a new band begins.
BANDS = (0.0, 3.0, 7.0, 14.0)
COLOURS = (charts.GRID, charts.GREY, charts.BLUE, charts.ORANGE)
#: Periods over which it is said whether the backlog grew.
RECENT = 13
#: Little's law is called kept where both sides are this close.
CLOSE = 0.05


@dataclass(frozen=True, repr=False)
class Backlog(Result):
    """Result of `backlog`.

    Attributes
    ----------
    days : int
        Days in a period.
    bands : pandas.DataFrame
        Open at the end of each period, by age: until, and a column per band, named by the days at
        which it begins.
    arrivals, throughput : crmlab.stats.clustered.Estimate
        Opened (again too) and closed in a period.
    little : pandas.Series
        open (mean number, over time), per_day (opened, again too), stay (mean days until closed,
        of those closed) and ended (spells).
    overdue : int
        Cases open on the last day whose promise has passed.
    promised : bool
        Whether promises are known.
    endless : int
        Cases opened again of which no later resolution is recorded; they count as open.
    exclusions : tuple of Exclusion
    """

    measure = "complaints.backlog"

    days: int
    bands: pd.DataFrame
    arrivals: Estimate
    throughput: Estimate
    little: pd.Series
    overdue: int
    promised: bool
    endless: int
    exclusions: tuple[Exclusion, ...]

    def formats(self) -> dict[str, str]:
        return {"mean_age": "number1", "oldest": "number1"}

    def title(self) -> str:
        last = self._last()
        if not last["open_cases"]:
            return _("No case is open at the end of {day}").format(day=day(last["until"]))
        return ngettext(
            "{count} case is open at the end of {day}, for {oldest} days",
            "{count} cases are open at the end of {day}, the oldest for {oldest} days",
            int(last["open_cases"]),
        ).format(
            count=number(last["open_cases"]),
            day=day(last["until"]),
            oldest=number(last["oldest"], 1),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        ends = self.bands["until"].to_numpy()
        # A step begins at the end of the period before, the first one a period earlier.
        ends = np.r_[ends[:1] - np.timedelta64(self.days, "D"), ends]
        counts = [self.bands[str(int(start))].to_numpy(float) for start in BANDS]
        counts = [np.r_[count[:1], count] for count in counts]
        # The oldest at the bottom, where their number can be read off.
        axes.stackplot(
            ends, counts[::-1], step="pre", colors=COLOURS[::-1], labels=_band_names()[::-1]
        )
        axes.set_ylim(0, max(1.3 * float(np.sum(counts, axis=0).max()), 1.0))
        axes.set_xlim(ends[0], ends[-1])
        charts.date_axis(axes.xaxis)
        axes.set_ylabel(_("Open cases"))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="upper left", ncols=4, fontsize=9)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._flow(),
            self._lately(),
            self._ages(),
            self._law(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        last = self._last()
        now = self.bands.iloc[-1]
        said = [
            _("{name}: {count}").format(name=name, count=number(now[str(int(start))]))
            for name, start in zip(_band_names(), BANDS, strict=True)
        ]
        return _(
            "Stacked areas over time, open cases by age; at most {most}, {last} at the end "
            "({bands})."
        ).format(
            most=number(self.table["open_cases"].max()),
            last=number(last["open_cases"]),
            bands=_("; ").join(said),
        )

    # --- the words

    def _last(self) -> pd.Series:
        return self.table.iloc[0]

    def _flow(self) -> str:
        return ngettext(
            "On a day {came} cases come on average, those opened again counted again, and "
            "{closed} are closed. {intervals}",
            "In {days} days {came} cases come on average, those opened again counted again, and "
            "{closed} are closed. {intervals}",
            self.days,
        ).format(
            days=number(self.days),
            came=_span(self.arrivals),
            closed=_span(self.throughput),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _lately(self) -> str:
        recent = self.table.head(RECENT)
        came = int(recent["opened"].sum() + recent["reopened"].sum())
        closed = int(recent["closed"].sum())
        now = int(self._last()["open_cases"])
        before = now - came + closed
        flow = ngettext(
            "In the last period {came} came and {closed} were closed.",
            "In the last {count} periods {came} came and {closed} were closed.",
            len(recent),
        ).format(count=number(len(recent)), came=number(came), closed=number(closed))
        size = (
            _("The backlog rose from {before} to {now}.")
            if now > before
            else _("The backlog fell from {before} to {now}.")
            if now < before
            else _("The backlog is as large as before, {now}.")
        )
        return f"{flow} {size.format(before=number(before), now=number(now))}"

    def _ages(self) -> str:
        last = self._last()
        if not last["open_cases"]:
            return _("No case is open, so none has an age.")
        old = int(self.bands.iloc[-1][str(int(BANDS[-1]))])
        said = _(
            "The open cases are {mean} days old on average, the oldest {oldest}; {old} are older "
            "than {days} days."
        ).format(
            mean=number(last["mean_age"], 1),
            oldest=number(last["oldest"], 1),
            old=number(old),
            days=number(BANDS[-1]),
        )
        if not self.promised:
            return said
        return (
            said + " " + _("Beyond the promised time: {count}.").format(count=number(self.overdue))
        )

    def _law(self) -> str:
        law = self.little
        if not law["ended"]:
            return _("Nothing has been closed, so how long a case stays open is not known.")
        expected = law["per_day"] * law["stay"]
        apart = expected / law["open"] - 1 if law["open"] > 0 else 0.0
        said = _(
            "Little's law: {rate} come a day and stay open {stay} days on average, which makes "
            "{expected} open at a time; counted over the whole time it was {open}."
        ).format(
            rate=number(law["per_day"], 2),
            stay=number(law["stay"], 2),
            expected=number(expected, 2),
            open=number(law["open"], 2),
        )
        if abs(apart) <= CLOSE:
            return said + " " + _("The two agree: to halve the backlog, halve the time.")
        return (
            said
            + " "
            + _(
                "The two differ by {apart}, because cases still open have not stayed to their end."
            ).format(apart=percent(abs(apart), 0))
        )

    def _left_out(self) -> str:
        noted = ""
        if self.endless:
            noted = ngettext(
                "{count} case was opened again and no later resolution is recorded; it counts "
                "as open.",
                "{count} cases were opened again and no later resolution is recorded; they "
                "count as open.",
                self.endless,
            ).format(count=number(self.endless))
        return f"{noted} {left_out_words(self.exclusions, nothing='')}".strip()

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Complaints and suggestions opened, opened again, closed, and still open"),
            denominator=ngettext(
                "Single days up to the last",
                "Periods of {days} days that end with the last day",
                self.days,
            ).format(days=number(self.days)),
            period=self.context.period(),
            method=_(
                "A case is open from the day it came until it is resolved, and again from its "
                "reopening until the last resolution in the table of complaint events. Age is "
                "counted from the first opening. Cases a period: exact Poisson intervals on the "
                "effective number, periods as clusters. Little's law (1961): the mean number open "
                "is the rate of arrivals times the mean time open. Cases that were open before the "
                "first day of the data are not seen."
            ),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def _span(found: Estimate) -> str:
    return with_interval(*found[:3], written=lambda one: number(one, 1))


def _band_names() -> list[str]:
    first, second, third = (number(start) for start in BANDS[1:])
    return [
        _("up to {days} days").format(days=first),
        _("{low} to {high} days").format(low=first, high=second),
        _("{low} to {high} days").format(low=second, high=third),
        _("over {days} days").format(days=third),
    ]


@measure(needs={"complaints": ["opened_at", "resolved_at"]})
def backlog(crm: Workspace, *, days: int = 7) -> Backlog:
    """How many complaints are open, how old they are, and whether as many are closed as come.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, resolved_at; reopened_at, due_at and the table complaint_events
        where they are known.
    days : int
        Days in a period: 7 for weeks, 1 for days.

    Returns
    -------
    Backlog
        `.table` has a row per period, the latest first: until (its last day), opened, reopened,
        closed, open_cases (at its end), mean_age and oldest (days, of these; NaN where there is
        none).

    Raises
    ------
    CrmlabError
        If `days` is not above 0.
    NotEnoughData
        If there is no complaint, or of none is it known how long it was open.

    Notes
    -----
    A complaint of which a later step is known but not the resolution is not open; when it was
    closed is not known, so it is left out and counted. Periods are counted back from the last day;
    the first may be cut short. A case opened again is open twice, so that for every day open =
    opened + reopened − closed so far. Where complaint events are not known, a case opened again
    never ends.

    References
    ----------
    Little, J. D. C. (1961), A proof for the queuing formula L = λW, Operations Research 9, 383-387.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"],
    ...     "opened_at": ["2025-03-01 09:00", "2025-03-02 09:00"],
    ...     "resolved_at": ["2025-03-02 21:00", None]})
    >>> crm = from_frames({"complaints": complaints}, as_of="2025-03-03")
    >>> backlog(crm, days=1).table[["opened", "closed", "open_cases", "oldest"]]
       opened  closed  open_cases  oldest
    0       0       0           1   1.625
    1       1       1           1   0.625
    2       1       0           1   0.625
    """
    if days < 1:
        raise CrmlabError(_("days = {value} is not above 0.").format(value=days))
    known = cases(crm)
    frame, now = known.frame, end_of(crm)
    untimed = frame["resolved_at"].isna() & later_known(frame, "resolved")
    frame = frame[~untimed].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(_("Of no complaint is it known how long it was open."))
    spells = _spells(frame)
    first = frame["opened_at"].min().normalize()
    ends = _ends(first, now, days)
    table, bands = _counted(spells, ends)
    last = spells[spells["closed"].isna()]
    due = frame.loc[last["case"], "due_at"]
    again = frame["reopened_at"].notna() & frame["closed_at"].isna()
    return Backlog(
        table[::-1].reset_index(drop=True),
        Context.of(crm),
        days,
        bands,
        _per_period(table["opened"] + table["reopened"], ends, first, days),
        _per_period(table["closed"], ends, first, days),
        _little(spells, first, now),
        int((due < now).sum()),
        bool(frame["due_at"].notna().any()),
        int(again.sum()),
        _exclusions(known, int(untimed.sum())),
    )


def _exclusions(known: Cases, untimed: int) -> tuple[Exclusion, ...]:
    late = of_complaints(_("step taken at a time that is not known"), untimed)
    return known.exclusions() + ((late,) if late.count else ())


def _spells(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per time that a case was open: case, came (first opened), opened, closed, again.

    A resolution that is a mere day, that of the opening, is taken to be at the opening.
    """
    again = frame["reopened_at"].notna() & frame["resolved_at"].notna()
    once = pd.DataFrame(
        {
            "case": frame.index,
            "came": frame["opened_at"],
            "opened": frame["opened_at"],
            "closed": frame["resolved_at"].where(again, frame["closed_at"]),
            "again": False,
        }
    )
    twice = pd.DataFrame(
        {
            "case": frame.index[again],
            "came": frame.loc[again, "opened_at"],
            "opened": frame.loc[again, ["reopened_at", "resolved_at"]].max(axis=1),
            "closed": frame.loc[again, "closed_at"],
            "again": True,
        }
    )
    spells = pd.concat([once, twice], ignore_index=True)
    early = spells["closed"] < spells["opened"]
    return spells.assign(closed=spells["closed"].mask(early, spells["opened"]))


def _ends(first: pd.Timestamp, now: pd.Timestamp, days: int) -> pd.DatetimeIndex:
    """The ends of the periods, counted back from the last."""
    many = max(1, int(np.ceil((now - first) / (days * DAY))))
    return pd.DatetimeIndex([now - k * days * DAY for k in range(many)][::-1])


def _counted(spells: pd.DataFrame, ends: pd.DatetimeIndex) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What happened in each period and what was open at its end; the latter by age, too."""
    again = spells["again"].to_numpy()
    opened, closed = spells["opened"].to_numpy(), spells["closed"].to_numpy()
    came = spells["came"].to_numpy()
    rows, bands = [], []
    for end in ends.to_numpy():
        there = (opened < end) & ~(closed < end)
        ages = (end - came[there]) / np.timedelta64(1, "D")
        rows.append(
            {
                "open_cases": int(there.sum()),
                "mean_age": ages.mean() if len(ages) else np.nan,
                "oldest": ages.max() if len(ages) else np.nan,
            }
        )
        place = np.searchsorted(BANDS, ages, side="left") - 1
        bands.append(np.bincount(np.maximum(place, 0), minlength=len(BANDS)))
    table = pd.DataFrame(rows)
    until = (ends - DAY).normalize()
    counts = {
        "until": until,
        "opened": _in_periods(opened[~again], ends),
        "reopened": _in_periods(opened[again], ends),
        "closed": _in_periods(closed, ends),
    }
    named = pd.DataFrame(bands, columns=[str(int(start)) for start in BANDS])
    return pd.concat([pd.DataFrame(counts), table], axis=1), named.assign(until=until)


def _in_periods(times: NDArray[np.datetime64], ends: pd.DatetimeIndex) -> NDArray[np.int64]:
    """How many of the times lie in each period; one at its end sharp is in the next."""
    known = times[~np.isnat(times)]
    place = ends.searchsorted(pd.DatetimeIndex(known), side="right")
    return np.bincount(place, minlength=len(ends) + 1)[: len(ends)].astype(np.int64)


def _per_period(
    counts: pd.Series, ends: pd.DatetimeIndex, first: pd.Timestamp, days: int
) -> Estimate:
    lengths = np.full(len(ends), 1.0)
    lengths[0] = min(1.0, (ends[0] - first) / (days * DAY))
    return clustered.rate(counts, lengths, confidence=CONFIDENCE)


def _little(spells: pd.DataFrame, first: pd.Timestamp, now: pd.Timestamp) -> pd.Series:
    """Both sides of Little's law: the mean number open, and the rate times the stay."""
    over = spells["closed"].notna()
    stayed = (spells["closed"].fillna(now) - spells["opened"]) / DAY
    length = (now - first) / DAY
    return pd.Series(
        {
            "open": float(stayed.sum() / length),
            "per_day": len(spells) / length,
            "stay": float(stayed[over].mean()),
            "ended": int(over.sum()),
        }
    )
