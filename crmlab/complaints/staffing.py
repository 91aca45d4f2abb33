"""Staffing (人员配置): how many people keep the promise that work on a complaint begins in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, cases, of_complaints
from crmlab.complaints.clusters import clusters
from crmlab.complaints.desk import Desk, desk_of
from crmlab.complaints.durations import hours_between
from crmlab.complaints.steps import hours_words, promise_words
from crmlab.errors import CrmlabError
from crmlab.language import _, money, ngettext, number, percent, with_interval
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
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence
from crmlab.stats.queueing import servers_needed
from crmlab.stats.replay import waits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: The days as they were are replayed so many times, and so many histories are drawn anew.
ACTUAL, DRAWN = 10, 100
#: Rows beyond the number needed, and the most rows.
BEYOND, MOST_ROWS = 2, 12
#: A variance of this many times the mean is called burstier than chance.
BURSTY = 1.2


@dataclass(frozen=True, repr=False)
class Staffing(Result):
    """Result of `staffing`.

    Attributes
    ----------
    desk : Desk
        The work that comes.
    within : float
        Working hours until work on a case begins.
    share : float
        The share of cases for which that is promised.
    needed, needed_low, needed_high : int
        The fewest people who keep the promise on the days as they were, and the interval over
        histories with weeks drawn anew.
    by_formula : int
        The fewest by Erlang's formula.
    work_share : Estimate
        Share of the time from opening to resolution in which somebody works on the case.
    elapsed : float
        Mean hours from opening to resolution, day and night.
    confidence : float
    exclusions : tuple of Exclusion
    """

    measure = "complaints.staffing"

    desk: Desk
    within: float
    share: float
    needed: int
    needed_low: int
    needed_high: int
    by_formula: int
    work_share: Estimate
    elapsed: float
    confidence: float
    exclusions: tuple[Exclusion, ...]

    def title(self) -> str:
        row = self._row()
        return ngettext(
            "With {count} person {share} of complaints are begun within {within}",
            "With {count} people {share} of complaints are begun within {within}",
            self.needed,
        ).format(
            count=number(self.needed),
            share=percent(row["attained_real"], 0),
            within=promise_words(self.within),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        table = self.table
        enough = table["staff"] >= self.needed
        colours = np.where(
            table["staff"] == self.needed, charts.ORANGE, np.where(enough, charts.BLUE, charts.GREY)
        ).tolist()
        reach = np.clip(
            [table["attained_real"] - table["low"], table["high"] - table["attained_real"]], 0, None
        )
        bars = axes.bar(
            table["staff"], table["attained_real"], color=colours, width=0.6, yerr=reach,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.3},
        )  # fmt: skip
        axes.scatter(
            table["staff"], table["attained"], marker="D", s=40, facecolor="white",
            edgecolor=charts.INK, zorder=4,
        )  # fmt: skip
        axes.axhline(self.share, color=charts.MUTED, linestyle=":", linewidth=1.5)
        for bar, (_index, row) in zip(bars, table.iterrows(), strict=True):
            axes.annotate(
                self._bar_words(row), (bar.get_x() + bar.get_width() / 2, 0.02), ha="center",
                va="bottom", fontsize=9,
                color="white" if row["staff"] >= self.needed else charts.INK,
            )  # fmt: skip
        axes.set_xticks(table["staff"], [number(staff) for staff in table["staff"]])
        axes.set_ylim(0, 1.06)
        charts.share_axis(axes.yaxis)
        axes.set_ylabel(_("Begun within {within}").format(within=promise_words(self.within)))
        axes.set_xlabel(
            _("People; bar: days as they were, diamond: Erlang's formula, dotted: the promise")
        )
        charts.set_title(axes, self.title())
        return axes

    def _bar_words(self, row: pd.Series) -> str:
        busy = _("busy\n{share}").format(share=percent(min(row["utilisation"], 1.0), 0))
        return busy if row["attained_real"] > 0.15 else ""

    def reading(self) -> str:
        parts = [
            self._work(),
            self._needed(),
            self._fewer(),
            self._formula(),
            self._what_it_shortens(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{staff}: {share} ({low} to {high})").format(
                staff=number(row["staff"]),
                share=percent(row["attained_real"]),
                low=percent(row["low"]),
                high=percent(row["high"]),
            )
            for _i, row in self.table.iterrows()
        ]
        return _(
            "Bars of the share begun in time by number of people, with intervals; a dotted line "
            "at {share}. {staff}."
        ).format(share=percent(self.share, 0), staff=_("; ").join(said))

    # --- the words

    def _row(self) -> pd.Series:
        return self.table.set_index("staff", drop=False).loc[self.needed]

    def _work(self) -> str:
        return ngettext(
            "{cases} case came in {hours} working hours, {rate} an hour, and kept somebody busy "
            "for {minutes} minutes: work for {load} people.",
            "{cases} cases came in {hours} working hours, {rate} an hour, and each kept somebody "
            "busy for {minutes} minutes: work for {load} people.",
            self.desk.cases,
        ).format(
            cases=number(self.desk.cases),
            hours=number(len(self.desk.daily) * self.desk.hours_per_day),
            rate=number(self.desk.per_hour, 2),
            minutes=number(self.desk.mean * 60, 1),
            load=number(self.desk.load, 2),
        )

    def _needed(self) -> str:
        row = self._row()
        said = ngettext(
            "That work on {promised} of them begins within {within} of working time takes {count} "
            "person ({low} to {high}), who begins {share} in time and is busy {busy} of the time.",
            "That work on {promised} of them begins within {within} of working time takes {count} "
            "people ({low} to {high}), who begin {share} in time and are busy {busy} of the time.",
            self.needed,
        ).format(
            promised=percent(self.share, 0),
            within=promise_words(self.within),
            count=number(self.needed),
            low=number(self.needed_low),
            high=number(self.needed_high),
            share=percent(row["attained_real"]),
            busy=percent(row["utilisation"], 0),
        )
        cost = (
            _("The workspace does not say what a minute costs.")
            if np.isnan(row["cost_a_year"])
            else _("They cost {cost} a year.").format(
                cost=money(row["cost_a_year"], self.context.currency)
            )
        )
        return f"{said} {cost} {intervals_in_brackets(self.confidence)}"

    def _fewer(self) -> str:
        fewer = self.table[self.table["staff"] == self.needed - 1]
        if fewer.empty:
            return ""
        row = fewer.iloc[0]
        if row["utilisation"] >= 1:
            return _("With one fewer, more comes than can be done, and the line never ends.")
        return _(
            "With one fewer, {share} are begun in time, and the mean wait is {wait} instead of "
            "{own}."
        ).format(
            share=percent(row["attained_real"]),
            wait=hours_words(row["wait_real"]),
            own=hours_words(self._row()["wait_real"]),
        )

    def _formula(self) -> str:
        row = self._row()
        parts = [
            ngettext(
                "Erlang's formula asks for {count} person and puts the share with {own} at "
                "{share}.",
                "Erlang's formula asks for {count} people and puts the share with {own} at "
                "{share}.",
                self.by_formula,
            ).format(
                count=number(self.by_formula),
                own=number(self.needed),
                share=percent(row["attained"]),
            )
        ]
        if np.isfinite(self.desk.dispersion):
            said = (
                _(
                    "It takes cases to come evenly. What comes on days off waits for the next "
                    "working day, and the variance of the number a day is {dispersion} times what "
                    "chance alone would make."
                )
                if self.desk.dispersion > BURSTY
                else _(
                    "It takes cases to come evenly, and they do: the variance of the number a day "
                    "is {dispersion} times what chance alone would make."
                )
            )
            parts.append(said.format(dispersion=number(self.desk.dispersion, 1)))
        return " ".join(parts)

    def _what_it_shortens(self) -> str:
        if np.isnan(self.work_share.value):
            return _(
                "How much of the time to a resolution is work cannot be said: no case has both."
            )
        return _(
            "Of the {elapsed} from opening to resolution, day and night, somebody works on a case "
            "for {share}. The rest is waiting for documents, carriers, answers: "
            "more people shorten only the wait until work begins."
        ).format(
            elapsed=hours_words(self.elapsed),
            share=with_interval(
                self.work_share.value, self.work_share.low, self.work_share.high, percent
            ),
        )

    def _left_out(self) -> str:
        noted = ""
        if self.desk.untimed:
            noted = ngettext(
                "{count} case has no handling time and is taken to be like the others.",
                "{count} cases have no handling time and are taken to be like the others.",
                self.desk.untimed,
            ).format(count=number(self.desk.untimed))
        return f"{noted} {left_out_words(self.exclusions, nothing='')}".strip()

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Cases on which work begins within {within} of working time").format(
                within=promise_words(self.within)
            ),
            denominator=_("All complaints and suggestions"),
            period=self.context.period(),
            method=_(
                "Working time: {hours} hours on Monday to Friday and make-up days, less holidays; "
                "what comes on a day off is taken to come on the next working day, and each case "
                "at a random time of its day. First come, first served; work begun is finished. "
                "Days as they were: replayed {actual} times with observed handling times; "
                "{confidence} intervals over {drawn} histories of weeks drawn with replacement. "
                "Formula: Erlang C (Gross, Shortle, Thompson and Harris 2008, section 2.3). Cost: "
                "working hours of a year at the cost of a minute, busy or not."
            ).format(
                hours=number(self.desk.hours_per_day, 1),
                actual=number(ACTUAL),
                drawn=number(DRAWN),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.exclusions,
        )


@measure(needs={"complaints": ["opened_at", "handling_minutes"]})
def staffing(
    crm: Workspace,
    *,
    within: float = 4.0,
    share: float = 0.9,
    hours_per_day: float = 8.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> Staffing:
    """How many people at the desk keep the promise that work on a complaint begins in time.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, handling_minutes; resolved_at and the workspace's cost of
        ``complaint.minute`` where they are known.
    within : float
        Working hours until work on a case begins.
    share : float
        The share of cases for which that is promised, below 1.
    hours_per_day : float
        Working hours of a working day.
    confidence : float
    seed : int

    Returns
    -------
    Staffing
        `.table` has a row per number of people: staff, utilisation, attained (share begun in time)
        and wait (mean hours) by formula, attained_real, low, high and wait_real on the days as
        they were, cost_a_year.

    Raises
    ------
    CrmlabError
        If an option is not one of those allowed.
    NotEnoughData
        If there is no complaint, no working day or no handling time.

    Notes
    -----
    The interval of the number of people is that of the numbers which histories of the same length
    would have asked for, with weeks of five working days drawn with replacement: a week's burst
    stays together. A history in which nothing comes keeps the promise with whoever is there, and
    counts as one in which all was begun in time. Whether somebody who is free begins at once, and
    is never ill, the model does not ask; nor does it know of work on a case that comes in pieces.

    References
    ----------
    Gross, D., Shortle, J. F., Thompson, J. M. and Harris, C. M. (2008), Fundamentals of Queueing
    Theory, 4th edition. Künsch, H. R. (1989), Annals of Statistics 17, 1217-1241, on blocks.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": [str(n) for n in range(8)],
    ...     "opened_at": pd.date_range("2025-03-03 09:00", periods=8, freq="h"),
    ...     "handling_minutes": 30.0})
    >>> found = staffing(from_frames({"complaints": complaints}))
    >>> found.needed, round(found.desk.load, 2)
    (1, 0.5)
    """
    _check(within, share, hours_per_day, confidence)
    known = cases(crm)
    desk = desk_of(crm, known, hours_per_day)
    by_formula = servers_needed(desk.per_hour, 1 / desk.mean, target=within, share=share)
    table, needed = _table(desk, within, share, confidence, seed)
    work, elapsed = _work_share(known, confidence)
    return Staffing(
        table,
        Context.of(crm),
        desk,
        within,
        share,
        *needed,
        by_formula,
        work,
        elapsed,
        confidence,
        _exclusions(known, desk),
    )


def _check(within: float, share: float, hours_per_day: float, confidence: float) -> None:
    check_confidence(confidence)
    if not within >= 0:
        raise CrmlabError(_("within = {value} is not 0 hours or more.").format(value=within))
    if not 0 < share < 1:
        raise CrmlabError(_("share = {value} is not between 0 and 1.").format(value=share))
    if not 0 < hours_per_day <= 24:
        raise CrmlabError(
            _("hours_per_day = {value} is not above 0 and at most 24.").format(value=hours_per_day)
        )


def _table(
    desk: Desk, within: float, share: float, confidence: float, seed: int
) -> tuple[pd.DataFrame, tuple[int, int, int]]:
    """A row per number of people, and how many are needed, with the interval."""
    runs = desk.histories(ACTUAL, DRAWN, seed)
    cases_of, nothing_came = np.maximum(runs.counts, 1), runs.counts == 0
    rows: list[dict[str, Any]] = []
    shares: list[NDArray[np.float64]] = []
    tail = (1 - confidence) / 2
    staff = max(1, int(np.floor(desk.load)))
    while True:
        waits = waits_of(runs, staff)
        in_time = np.round((waits <= within + 1e-9).sum(axis=0) / cases_of, 9)
        in_time[nothing_came] = 1.0  # no case, so none for which the promise was broken
        low, high = np.quantile(in_time[ACTUAL:], [tail, 1 - tail])
        formula = desk.formula(staff)
        rows.append(
            {
                "staff": staff,
                "utilisation": formula.utilisation,
                "attained": formula.within(within),
                "wait": formula.mean,
                "attained_real": float(in_time[:ACTUAL].mean()),
                "low": float(low),
                "high": float(high),
                "wait_real": float(np.nanmean(waits[:, :ACTUAL])),
                "cost_a_year": desk.cost(staff),
            }
        )
        shares.append(in_time)
        kept = np.array([part[ACTUAL:] >= share for part in shares]).any(axis=0).all()
        enough = [row["attained_real"] >= share for row in rows]
        if (kept and sum(enough) > BEYOND) or (len(rows) >= MOST_ROWS and any(enough)):
            break
        staff += 1
    table = pd.DataFrame(rows)
    needed = int(table.loc[enough, "staff"].min())
    low, high = _interval(np.array(shares)[:, ACTUAL:] >= share, rows[0]["staff"], tail)
    shown = table["staff"].between(needed - 3, max(needed + BEYOND, high))
    return table[shown].reset_index(drop=True), (needed, min(low, needed), max(high, needed))


def _interval(kept: NDArray[np.bool_], first: int, tail: float) -> tuple[int, int]:
    """Ends of the number of people that the histories drawn anew ask for."""
    # A history that none of the rows keeps asks for one more than the last.
    asked = np.where(kept.any(axis=0), kept.argmax(axis=0), len(kept)) + first
    low, high = np.quantile(asked, [tail, 1 - tail], method="inverted_cdf")
    return int(low), int(high)


def _work_share(known: Cases, confidence: float) -> tuple[Estimate, float]:
    """What share of the time to the resolution is work, and that time in hours."""
    frame = known.frame
    hours = hours_between(frame["opened_at"], frame["resolved_at"])["hours"]
    used = (hours.notna() & frame["handling_minutes"].notna()).to_numpy()
    elapsed = hours[used].to_numpy(float)
    if not elapsed.sum() > 0:
        return NOTHING, float("nan")
    place = np.unique(clusters(frame["customer_id"])[used], return_inverse=True)[1]
    work = np.bincount(place, frame.loc[used, "handling_minutes"].to_numpy(float) / 60)
    found = clustered.mean(work, np.bincount(place, elapsed), confidence=confidence)
    return found, float(elapsed.mean())


def _exclusions(known: Cases, desk: Desk) -> tuple[Exclusion, ...]:
    late = of_complaints(_("came after the last working day"), desk.late)
    return known.exclusions() + ((late,) if late.count else ())
