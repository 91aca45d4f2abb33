"""Priority: who waits how long when the better tier goes first, and who pays for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.language import _, ngettext, number, percent
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
from crmlab.stats.queueing import SimulatedWaits, conserved_wait, simulate_priority
from crmlab.tiering.desk import UNNAMED, Desk, Work, desk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace
    from crmlab.stats.tiers import Tiers

#: Cases of one replication of the simulation that count; a tenth as many come before and after.
SIMULATED = 1000
#: A change of a wait by less than this, in minutes, is not worth a word.
NOTICED = 0.05
#: A replayed wait within this factor of the formula's is called close to it.
CLOSE = 1.25


@dataclass(frozen=True, repr=False)
class Priority(Result):
    """Result of `priority`.

    Attributes
    ----------
    desk : Desk
        The work that comes in.
    servers : int
    tiers : Tiers
    overall : pandas.DataFrame
        The mean wait of a unit of work, in minutes: a row per order of service (fifo, priority),
        with formula, simulated, low, high.
    replayed : float
        Mean wait in minutes, first come first served, with the days as they really were.
    weighted : pandas.Series
        Mean wait in minutes, weighted by what the tiers bring: fifo, priority.
    target : float
        Minutes of wait that count as answered in time.
    replications : int
    confidence : float
    """

    measure = "tiering.priority"

    desk: Desk
    servers: int
    tiers: Tiers
    overall: pd.DataFrame
    replayed: float
    weighted: pd.Series
    target: float
    replications: int
    confidence: float

    def formats(self) -> dict[str, str]:
        return {"low": "number1", "high": "number1"}

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"tier": names(self.tiers)}

    def title(self) -> str:
        first, last = self.table.iloc[0], self.table.iloc[-1]
        if len(self.table) == 1:
            return _("There is only one tier, so nobody can go first")
        return _("With priority {first} waits {short}, not {fifo}; {last} {long}").format(
            first=self._name(first),
            short=minutes_words(first["wait_priority"]),
            fifo=minutes_words(first["wait_fifo"]),
            last=self._name(last),
            long=minutes_words(last["wait_priority"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.62 * len(self.table) + 2.2))
        places = np.arange(len(self.table))[::-1]
        shown = self.table[["wait_fifo", "wait_priority", "high"]].replace(np.inf, np.nan)
        right = 1.15 * np.nanmax([float(shown.max().max()), 1.0])
        for place, (_index, row) in zip(places, self.table.iterrows(), strict=True):
            self._row(axes, place, row, right)
        axes.set_xlim(0, right)
        axes.set_ylim(-0.6, len(places) - 0.3)
        axes.set_yticks(places, [self._name(row) for _index, row in self.table.iterrows()])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(
            _(
                "Mean wait in minutes of working time\n"
                "ring: first come, first served; dot: priority; thin line: simulated"
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._desk_words(), self._waits_words()]
        if len(self.table) > 1 and np.isfinite(self.table["wait_priority"]).all():
            parts += [self._fairness_words(), self._worth_words()]
        if self.table["simulated"].notna().any() and self._steady():
            parts.append(self._check_words())
        parts += [self._assumption_words(), self._left_out_words()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{tier} {priority} with priority, {fifo} first come first served").format(
                tier=self._name(row),
                priority=minutes_words(row["wait_priority"]),
                fifo=minutes_words(row["wait_fifo"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Dots and rings, the mean wait of each tier. {tiers}.").format(
            tiers=_("; ").join(parts)
        )

    def _row(self, axes: Axes, place: float, row: pd.Series, right: float) -> None:
        colour = charts.LAYER_COLOURS.get(row["tier"], charts.MUTED)
        fifo, wait = (min(row[name], right) for name in ("wait_fifo", "wait_priority"))
        axes.plot([fifo, wait], [place, place], color=colour, alpha=0.35, linewidth=5)
        if np.isfinite(row["low"]) and self._steady():
            axes.plot([row["low"], row["high"]], [place - 0.16] * 2, color=colour, linewidth=1)
        if np.isfinite(row["wait_fifo"]):
            axes.scatter(fifo, place, s=60, facecolor="white", edgecolor=charts.INK, zorder=3)
        if np.isfinite(row["wait_priority"]):
            axes.scatter(wait, place, s=60, color=colour, zorder=4)
        side = wait > 0.75 * right
        axes.annotate(
            minutes_words(row["wait_priority"]), (wait, place), color=charts.INK,
            xytext=(-4 if side else 4, 9), textcoords="offset points",
            ha="right" if side else "left",
        )  # fmt: skip

    def _name(self, row: pd.Series) -> str:
        return names(self.tiers).get(row["tier"], row["tier"])

    def _steady(self) -> bool:
        """Whether the desk can do what comes in."""
        return self.desk.load < self.servers

    def _desk_words(self) -> str:
        work = self.desk
        what = (
            _("A case is a complaint or suggestion.")
            if work.work == "complaints"
            else _("A case is an order line.")
            if work.record == "line"
            else _("A case is an order.")
        )
        how_long = (
            _("each takes {minutes} minutes of work as observed")
            if work.times
            else _("each is taken to need {minutes} minutes of work, which is stated, not observed")
        ).format(minutes=number(work.minutes, 1))
        come = _(
            "{what} {cases} came in {hours} working hours, {rate} an hour; {how_long}. That is "
            "work for {load} people."
        ).format(
            what=what,
            cases=number(work.cases),
            hours=number(work.hours),
            rate=number(work.classes["per_hour"].sum(), 2),
            how_long=how_long,
            load=number(work.load, 2),
        )
        return f"{come} {self._busy_words()}"

    def _busy_words(self) -> str:
        if self._steady():
            return ngettext(
                "With {servers} person at the desk, that person is busy {utilisation} of the time.",
                "With {servers} people at the desk, they are busy {utilisation} of the time.",
                self.servers,
            ).format(
                servers=number(self.servers), utilisation=percent(self.desk.load / self.servers)
            )
        endless = self.table[np.isinf(self.table["wait_priority"])]
        return ngettext(
            "More comes in than {servers} person can do: first come first served, the line grows "
            "without end; with priority, that of: {tiers}.",
            "More comes in than {servers} people can do: first come first served, the line grows "
            "without end; with priority, that of: {tiers}.",
            self.servers,
        ).format(
            servers=number(self.servers),
            tiers=_(", ").join(self._name(row) for _index, row in endless.iterrows()),
        )

    def _waits_words(self) -> str:
        parts = [
            _("{tier} {priority} either way").format(
                tier=self._name(row), priority=minutes_words(row["wait_priority"])
            )
            if minutes_words(row["wait_priority"]) == minutes_words(row["wait_fifo"])
            else _("{tier} {priority} instead of {fifo}").format(
                tier=self._name(row),
                priority=minutes_words(row["wait_priority"]),
                fifo=minutes_words(row["wait_fifo"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _(
            "Mean wait until somebody begins, in working time, with priority instead of first "
            "come first served: {tiers}."
        ).format(tiers=_("; ").join(parts))

    def _fairness_words(self) -> str:
        losing = self.table[self.table["wait_change"] > NOTICED]
        waits = self.table.loc[self.table["cases"] > 0, "wait_priority"]
        if losing.empty or not waits.min() > 0:
            return _("No tier waits noticeably longer because of priority.")
        parts = [self._loss_words(row) for _index, row in losing.iterrows()]
        ratio = _(
            "The tier that waits longest waits {ratio} times as long as the one that waits "
            "shortest; first come first served, all wait the same."
        ).format(ratio=number(waits.max() / waits.min(), 1))
        longer = _("Longer because of priority: {tiers}.").format(tiers=_("; ").join(parts))
        return f"{longer} {ratio} {self._exchange_words()}"

    def _loss_words(self, row: pd.Series) -> str:
        said = (
            _("{tier} by {more} in each of {cases} cases")
            if row["tier"] == UNNAMED
            else _("{tier} by {more} in each of {cases} cases of {customers} customers")
        )
        return said.format(
            tier=self._name(row),
            more=minutes_words(row["wait_change"]),
            cases=number(row["cases"]),
            customers=number(row["customers"]),
        )

    def _exchange_words(self) -> str:
        total = self.table["wait_change"] * self.table["cases"] / 60
        saved, lost = -total[total < 0].sum(), total[total > 0].sum()
        if saved <= 0:
            return ""
        rate = lost / saved
        said = (
            _(
                "In all, {saved} hours of waiting are saved and {lost} are added: priority moves "
                "the waiting, it does not lessen it."
            )
            if abs(rate - 1) < 0.005
            else _(
                "In all, {saved} hours of waiting are saved and {lost} are added, {rate} for each "
                "hour saved; the two differ because the tiers' cases take different times."
            )
        )
        return said.format(saved=number(saved), lost=number(lost), rate=number(rate, 2))

    def _worth_words(self) -> str:
        fifo, first = self.weighted["fifo"], self.weighted["priority"]
        if not np.isfinite([fifo, first]).all() or abs(first - fifo) < NOTICED:
            return ""
        by = _("margin") if self.desk.valued_by == "margin" else _("revenue")
        said = (
            _(
                "Weighted by the {value} of the tiers, the mean wait falls from {fifo} to "
                "{priority}: that is what priority buys."
            )
            if first < fifo
            else _(
                "Weighted by the {value} of the tiers, the mean wait does not fall: {fifo} first "
                "come first served, {priority} with priority. The tiers that go first do not bring "
                "enough to justify it."
            )
        )
        return said.format(value=by, fifo=minutes_words(fifo), priority=minutes_words(first))

    def _check_words(self) -> str:
        row = self.overall.loc["priority"]
        inside = row["low"] <= row["formula"] <= row["high"]
        parts = [
            _("{tier} {wait} ({low} to {high})").format(
                tier=self._name(one),
                wait=number(one["simulated"], 1),
                low=number(one["low"], 1),
                high=number(one["high"], 1),
            )
            for _index, one in self.table.dropna(subset=["low"]).iterrows()
        ]
        said = (
            _("The simulation agrees with the formula for all work together")
            if inside
            else _("For all work together the formula lies outside the simulation's interval")
        )
        checked = _(
            "Simulated {replications} times with priority, in minutes: {tiers}. {agrees}: {wait} "
            "({low} to {high}) against {formula}. {intervals}"
        ).format(
            replications=number(self.replications),
            tiers=_("; ").join(parts),
            agrees=said,
            wait=number(row["simulated"], 1),
            low=number(row["low"], 1),
            high=number(row["high"], 1),
            formula=number(row["formula"], 1),
            intervals=intervals_in_brackets(self.confidence),
        )
        if self.servers == 1 or not self.desk.times:
            return checked
        spread = _(
            "With several people the formula takes the minutes to be exponential, with a variance "
            "of 1 times the squared mean; observed, it is {variability} times."
        ).format(variability=number(self.desk.variability, 2))
        return f"{checked} {spread}"

    def _assumption_words(self) -> str:
        if not np.isfinite(self.desk.dispersion):
            return ""
        even = _(
            "The formula takes cases to come at an even rate, independently of each other: the "
            "variance of the number per working day would be about its mean. It is {dispersion} "
            "times the mean."
        ).format(dispersion=number(self.desk.dispersion, 1))
        fifo = self.overall.loc["fifo", "formula"]
        if not np.isfinite(fifo) or not np.isfinite(self.replayed):
            return even
        far = self.replayed > CLOSE * fifo
        said = (
            _(
                "With the days as they really were, the pile after each weekend and holiday "
                "included, the mean wait first come first served is about {replayed} instead of "
                "{fifo}: the formula is for comparing the tiers, not for promising a time."
            )
            if far
            else _(
                "With the days as they really were, the mean wait first come first served is "
                "about {replayed}; the formula says {fifo}."
            )
        )
        return f"{even} " + said.format(
            replayed=minutes_words(self.replayed), fifo=minutes_words(fifo)
        )

    def _left_out_words(self) -> str:
        left = left_out_words(self._exclusions(), nothing="")
        unnamed = self.desk.unnamed
        served_last = (
            ngettext(
                "{count} case names no customer of a known tier and is served last.",
                "{count} cases name no customer of a known tier and are served last.",
                unnamed,
            ).format(count=number(unnamed))
            if unnamed
            else ""
        )
        untimed = self.desk.untimed
        like_others = (
            ngettext(
                "{count} case has no handling time and is taken to be like the others.",
                "{count} cases have no handling time and are taken to be like the others.",
                untimed,
            ).format(count=number(untimed))
            if untimed
            else ""
        )
        return " ".join(part for part in (left, served_last, like_others) if part)

    def _exclusions(self) -> tuple[Exclusion, ...]:
        count = self.desk.undated
        unit = ngettext("case", "cases", count)
        return (Exclusion(_("no day given"), count, unit),) if count else ()

    def _define(self) -> Definition:
        formula = (
            _("One server: Cobham's formula with the mean and the spread of each tier's minutes.")
            if self.servers == 1
            else _(
                "Several servers: the formula for exponential durations of one mean for all tiers, "
                "as there is none for others; the simulation takes each tier's own."
            )
        )
        return Definition(
            numerator=_("Minutes of working time until somebody begins to work on a case"),
            denominator=_("All cases of a tier, those too that do not wait"),
            period=self.context.period(),
            method=_(
                "{formula} Work begun is finished; within a tier, first come first served. "
                "{rule} Working time: {hours} hours on Monday to Friday and make-up days, less "
                "holidays, {days} days; what comes at other times is taken to come in working "
                "time, at an even rate. Simulated with Ciw, {replications} replications of "
                "{simulated} cases, {confidence} intervals by Student's t; answered is a wait of "
                "at most {target} minutes, in the simulation. Cobham (1954); Gross, Shortle, "
                "Thompson and Harris, Fundamentals of Queueing Theory."
            ).format(
                formula=formula,
                rule=self.tiers.words(),
                hours=number(self.desk.hours_per_day, 1),
                days=number(self.desk.days),
                replications=number(self.replications),
                simulated=number(SIMULATED),
                confidence=percent(self.confidence, 0),
                target=number(self.target),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def priority(
    crm: Workspace,
    *,
    work: Work = "complaints",
    servers: int | None = None,
    minutes: float | None = None,
    rules: pd.DataFrame | None = None,
    hours_per_day: float = 8.0,
    target: float = 60.0,
    replications: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Priority:
    """Who waits how long when the better tier goes first, and who pays for it.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount. For complaints also complaints: customer_id,
        opened_at, and handling_minutes unless `minutes` is given.
    work : {"complaints", "orders"}
        What waits.
    servers : int, optional
        People at the desk. Default: the fewest who are busy at most 85 % of the time.
    minutes : float, optional
        Mean minutes of work on a case. Default: as observed of complaints; 15 for an order, which
        is an assumption and is said to be one.
    rules : pandas.DataFrame, optional
        Tier rules in the shape of `crmlab.stats.tiers.tier_rules`.
    hours_per_day : float
        Working hours of a working day.
    target : float
        Minutes of wait that count as answered in time.
    replications, seed : int
        Of the simulation.
    confidence : float

    Returns
    -------
    Priority
        `.table` has a row per tier, the best first: tier, customers (who had a case), cases,
        per_hour (cases per working hour), work_share (share of all work), wait_fifo and
        wait_priority (minutes, closed form), wait_change, simulated, low, high (minutes, priority),
        answered_fifo and answered (share who wait at most `target` minutes, simulated). Cases
        without a customer of a known tier make a last row, ``unnamed``. A wait is infinite where
        the line grows without end.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If there is no case, no working day or no handling time.
    CrmlabError
        If an option is not one of those allowed.

    Notes
    -----
    Non-preemptive priority: whoever is free takes the first case of the best tier that waits, and
    finishes it. One server: Cobham's formula with each tier's own durations. Several: exponential
    durations of one mean, W0 = C(c, a)/(cμ); the simulation takes the observed durations of each
    tier. The mean wait of a unit of work is the same with priority as without (Kleinrock's
    conservation law), which `.overall` shows.

    The intervals of the simulation take its replications as normal, but long waits come in bursts:
    of one server who is busy 85 % of the time, 95 % intervals of 10 replications held the true mean
    in 89 of 100 (of 70 %, in 95), and missed it nearly always below.

    Cases that come at night or on days off are spread evenly over working time, which makes waits
    look shorter than they are; `.replayed` says by how much, with the number of cases of each
    working day as it was (what came on days off added to the next working day).

    References
    ----------
    Cobham, A. (1954), Operations Research 2, 70-76. Kleinrock, L. (1965), Naval Research Logistics
    Quarterly 12, 181-192. Gross, D. et al. (2008), Fundamentals of Queueing Theory, 4th edition,
    section 3.4.
    """
    work_in, tiers = desk(crm, work, minutes=minutes, rules=rules, hours_per_day=hours_per_day)
    people = work_in.enough() if servers is None else servers
    table = _closed(work_in, people)
    fifo, first = (
        _simulated(work_in, people, first, target, replications, confidence, seed)
        for first in (False, True)
    )
    for name in ("wait", "low", "high"):
        column = "simulated" if name == "wait" else name
        table[column] = first.classes[name].clip(lower=0).to_numpy() * 60
    table["answered_fifo"] = fifo.classes["within"].to_numpy()
    table["answered"] = first.classes["within"].to_numpy()
    overall = _overall(work_in, people, table, fifo, first)
    weights = work_in.classes["value"]
    weighted = pd.Series(
        {"fifo": _weighted(table["wait_fifo"], weights)}
        | {"priority": _weighted(table["wait_priority"], weights)}
    )
    return Priority(
        table, Context.of(crm), work_in, people, tiers, overall,
        work_in.replayed(people, seed=seed), weighted, target, replications, confidence,
    )  # fmt: skip


def explore_waits(result: Priority) -> None:
    """Sliders over the desk: people, minutes of a case, and whether the better tier goes first.

    Parameters
    ----------
    result : Priority
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    usual, wide = result.desk.minutes, {"description_width": "initial"}
    people = ipywidgets.IntSlider(
        value=result.servers, min=1, max=result.servers + 4, continuous_update=False,
        description=_("People at the desk"), style=wide, layout={"width": "420px"},
    )  # fmt: skip
    minutes = ipywidgets.FloatSlider(
        value=round(usual, 1), min=round(usual / 2, 1), max=round(1.5 * usual, 1), step=0.1,
        readout_format=".1f", continuous_update=False, description=_("Minutes a case"), style=wide,
        layout={"width": "420px"},
    )  # fmt: skip
    first = ipywidgets.Checkbox(value=True, description=_("The better tier goes first"))
    with charts.house_style():
        axes, bars, line = _bars(result)
        clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        labels = [axes.text(0, 0, "", va="center", bbox=clear) for _bar in bars]

    def waits(people: int, minutes: float, first: bool) -> pd.DataFrame:
        longer = 1.0 if abs(minutes - usual) < 0.06 else minutes / usual
        found = result.desk.waits(people, longer=longer)
        return found.assign(wait=found["wait_priority" if first else "wait_fifo"])

    def move(people: int, minutes: float, first: bool) -> None:
        found = waits(people, minutes, first)
        finite = found[["wait", "wait_fifo"]].replace(np.inf, np.nan)
        longest = float(np.nanmax([finite.max().max(), 0.5]))
        # A line without end is drawn longer than any other.
        ends = found[["wait", "wait_fifo"]].clip(upper=1.1 * longest)
        for bar, label, wait, end in zip(bars, labels, found["wait"], ends["wait"], strict=True):
            bar.set_width(end)
            label.set_text(minutes_words(wait))
            label.set_position((end + 0.015 * longest, bar.get_y() + bar.get_height() / 2))
        line.set_xdata([ends["wait_fifo"].iloc[0]] * 2)
        axes.set_xlim(0, 1.35 * longest)

    def words(people: int, minutes: float, first: bool) -> str:
        found = waits(people, minutes, first)
        called = names(result.tiers)
        parts = [f"{called[row.tier]} {minutes_words(row.wait)}" for row in found.itertuples()]
        said = ngettext(
            "{people} person, {minutes} minutes a case, busy {busy} of the time. Mean wait: "
            "{tiers}.",
            "{people} people, {minutes} minutes a case, busy {busy} of the time. Mean wait: "
            "{tiers}.",
            people,
        )
        return said.format(
            people=number(people),
            minutes=number(minutes, 1),
            busy=percent(min(float(found["utilisation"].iloc[-1]), 1.0)),
            tiers=_("; ").join(parts),
        )

    figure: Any = axes.figure
    explorer(figure, move, words, {"people": people, "minutes": minutes, "first": first})


def minutes_words(minutes: float) -> str:
    """Minutes as a reader wants them: without end, or with a decimal where they are few.

    Examples
    --------
    >>> minutes_words(123.4), minutes_words(1.234), minutes_words(float("inf"))
    ('123 min', '1.2 min', 'without end')
    """
    if np.isinf(minutes):
        return _("without end")
    return _("{minutes} min").format(minutes=number(minutes, 0 if abs(minutes) >= 100 else 1))


def names(tiers: Tiers) -> dict[str, str]:
    """Label of each tier in the current language, and of the cases without one."""
    return tiers.names() | {UNNAMED: _("No known customer")}


def _closed(work: Desk, servers: int) -> pd.DataFrame:
    found = work.waits(servers)
    table = work.classes[["tier", "customers", "cases", "per_hour"]].copy()
    effort = work.classes["cases"] * work.classes["minutes"]
    table["work_share"] = effort / effort.sum()
    table["wait_fifo"] = found["wait_fifo"]
    table["wait_priority"] = found["wait_priority"]
    steady = np.isfinite(table["wait_fifo"]) & np.isfinite(table["wait_priority"])
    change = table["wait_priority"].where(steady) - table["wait_fifo"].where(steady)
    return table.assign(wait_change=change)


def _simulated(
    work: Desk,
    servers: int,
    first: bool,
    target: float,
    replications: int,
    confidence: float,
    seed: int,
) -> SimulatedWaits:
    """Waits in hours of a desk that is played through."""
    hours = SIMULATED / float(work.classes["per_hour"].sum())
    return simulate_priority(
        work.classes["per_hour"], work.service(), servers, duration=hours, warm_up=hours / 10,
        replications=replications, seed=seed, priority=first, target=target / 60,
        confidence=confidence,
    )  # fmt: skip


def _overall(
    work: Desk, servers: int, table: pd.DataFrame, fifo: SimulatedWaits, first: SimulatedWaits
) -> pd.DataFrame:
    come = work.classes["per_hour"]
    # With several servers the formula knows one service rate for all tiers.
    rates = 60 / (work.classes["minutes"] if servers == 1 else work.minutes)
    rows = {
        name: {
            "formula": conserved_wait(come, rates, table[f"wait_{name}"]),
            "simulated": run.overall["wait"] * 60,
            "low": run.overall["low"] * 60,
            "high": run.overall["high"] * 60,
        }
        for name, run in (("fifo", fifo), ("priority", first))
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _weighted(waits: pd.Series, weights: pd.Series) -> float:
    some = weights > 0
    return float(np.average(waits[some], weights=weights[some])) if some.any() else np.nan


def _bars(result: Priority) -> tuple[Axes, Any, Any]:
    """The tiers' bars and the line of first come, first served, to be moved."""
    tiers = result.table["tier"]
    axes = charts.new_axes(size=(charts.SIZE[0], 0.62 * len(tiers) + 1.7))
    colours = [charts.LAYER_COLOURS.get(tier, charts.MUTED) for tier in tiers]
    places = np.arange(len(tiers))[::-1]
    bars = axes.barh(places, np.zeros(len(tiers)), color=colours, height=0.6)
    line = axes.axvline(0, color=charts.INK, linestyle="--", linewidth=1)
    axes.set_yticks(places, [names(result.tiers)[tier] for tier in tiers])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(_("Mean wait in minutes; dashed: first come, first served"))
    return axes, bars, line
