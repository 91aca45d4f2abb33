"""Rework (返工): how often cases go back, what a loop costs, who is handed on, who comes again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints import rework_picture
from crmlab.complaints.cases import Cases, cases
from crmlab.complaints.clusters import clusters
from crmlab.complaints.durations import hours_between
from crmlab.complaints.moves import first_exits, main_loop, move_table, moves_of, not_yet_past
from crmlab.complaints.steps import (
    CONFIDENCE,
    end_of,
    stage_name,
    stage_names,
    within_sentence,
)
from crmlab.errors import CrmlabError, NotEnoughData
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
from crmlab.stats.clustered import Estimate
from crmlab.stats.matching import coarsened_exact, compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from crmlab.complaints.moves import Moves
    from crmlab.data.sources import Workspace

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, repr=False)
class Rework(Result):
    """Result of `rework`.

    Attributes
    ----------
    loop : tuple of str
        The move back that is made most often: from which stage to which.
    looped : pandas.Series
        Of cases not resolved at first contact that have left the first stage of the loop: cases,
        back, share, low, high.
    waiting : int
        Cases not resolved at first contact that are in it, or have not come to it yet, and do not
        count.
    costs : pandas.DataFrame
        What a loop takes: a row for hours (from opening to resolution) and minutes (of work) where
        they are known, with back and others (means), difference, low, high, cases (that went
        back) and severity (whether the others are matched by severity).
    rate : float
        Cost of a minute of work; NaN where the workspace does not say.
    reopened : pandas.Series
        Of resolved cases whose days are over: cases, reopened, share, low, high, early (cases
        whose days are not over), early_reopened.
    days : int
        Days after the resolution in which a case counts as reopened.
    handed : pandas.Series
        Cases handed on: cases, handed_on, share, low, high, repeated (more than once); empty if
        nothing is known of it.
    exclusions : tuple of Exclusion
    """

    measure = "complaints.rework"

    loop: tuple[str, str]
    looped: pd.Series
    waiting: int
    costs: pd.DataFrame
    rate: float
    reopened: pd.Series
    days: int
    handed: pd.Series
    exclusions: tuple[Exclusion, ...]

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"origin": stage_names(), "destination": stage_names()}

    def title(self) -> str:
        if not self.looped["cases"]:
            return _("No case has been far enough to go back")
        if not self.looped["back"]:
            return _("No case went back from {origin} to {destination}").format(**self._ends())
        return _(
            "{share} of cases not resolved at first contact went back from {origin} to "
            "{destination}"
        ).format(share=percent(self.looped["share"], 0), **self._ends())

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 4.8))
        rework_picture.draw(axes, self.table)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._loops(),
            *(self._cost(row) for _i, row in self.costs.iterrows()),
            self._money(),
            self._reopenings(),
            self._handed_on(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{origin} to {destination}: {count}").format(
                origin=stage_name(row["origin"]),
                destination=stage_name(row["destination"]),
                count=number(row["moves"]),
            )
            for _i, row in self.table.iterrows()
        ]
        return _("Boxes, one for each stage, and arrows with the number of moves. {moves}.").format(
            moves=_("; ").join(said) or _("none")
        )

    # --- the words

    def _ends(self) -> dict[str, str]:
        return {
            "origin": within_sentence(self.loop[0]),
            "destination": within_sentence(self.loop[1]),
        }

    def _loops(self) -> str:
        if not self.looped["cases"]:
            return _("No case has left {origin} so far, so none can have gone back.").format(
                origin=self._ends()["origin"]
            )
        said = ngettext(
            "Of {cases} case that was not resolved at first contact and has left {origin}, {back} "
            "first went back to {destination}: {share}. {intervals}",
            "Of {cases} cases that were not resolved at first contact and have left {origin}, "
            "{back} first went back to {destination}: {share}. {intervals}",
            int(self.looped["cases"]),
        ).format(
            cases=number(self.looped["cases"]),
            back=number(self.looped["back"]),
            share=_share(self.looped),
            intervals=intervals_in_brackets(CONFIDENCE),
            **self._ends(),
        )
        if not self.waiting:
            return said
        return (
            said
            + " "
            + ngettext(
                "{count} case has not left it yet and does not count.",
                "{count} cases have not left it yet and do not count.",
                self.waiting,
            ).format(count=number(self.waiting))
        )

    def _cost(self, row: pd.Series) -> str:
        bare = np.isnan(row["low"])
        hours = (
            _(
                "Cases that went back took {back} hours to their resolution, those that did not "
                "{others}: a difference of {difference} hours."
            )
            if bare
            else _(
                "Cases that went back took {back} hours to their resolution, those that did not "
                "{others}: a difference of {difference} hours ({low} to {high})."
            )
        )
        minutes = (
            _(
                "Of minutes of work they took {back}, the others {others}: a difference of "
                "{difference} minutes."
            )
            if bare
            else _(
                "Of minutes of work they took {back}, the others {others}: a difference of "
                "{difference} minutes ({low} to {high})."
            )
        )
        found = (hours if row["what"] == "hours" else minutes).format(
            **{
                name: number(row[name], 1)
                for name in ("back", "others", "difference", "low", "high")
            }
        )
        return found + " " + self._likeness(row)

    @staticmethod
    def _likeness(row: pd.Series) -> str:
        if np.isnan(row["low"]):
            return _(
                "An interval cannot be given: they are cases of too few customers, or do not vary."
            )
        matched = (
            _("The others are weighted to be alike in severity.")
            if row["severity"]
            else _("Severity is not known, so the two sides may differ in it.")
        )
        if row["low"] <= 0 <= row["high"]:
            return matched + " " + _("The difference may be chance.")
        return matched

    def _money(self) -> str:
        minutes = self.costs[self.costs["what"] == "minutes"]
        if minutes.empty or np.isnan(self.rate) or not minutes.iloc[0]["low"] > 0:
            return ""
        row = minutes.iloc[0]
        return _(
            "At {rate} a minute a loop costs {one}, and the {count} cases that went back cost "
            "{all} ({low} to {high}) in the period."
        ).format(
            rate=money(self.rate, self.context.currency, 2),
            one=money(row["difference"] * self.rate, self.context.currency),
            count=number(row["cases"]),
            all=money(row["difference"] * row["cases"] * self.rate, self.context.currency),
            low=money(row["low"] * row["cases"] * self.rate, self.context.currency),
            high=money(row["high"] * row["cases"] * self.rate, self.context.currency),
        )

    def _reopenings(self) -> str:
        row = self.reopened
        if row.empty:
            return _("Reopenings are not recorded.")
        if not row["cases"]:
            return _(
                "No case was resolved {days} days ago or more, so reopenings cannot be judged."
            ).format(days=number(self.days))
        said = ngettext(
            "Of {cases} case resolved at least {days} days before the end, {reopened} was opened "
            "again within {days} days: {share}.",
            "Of {cases} cases resolved at least {days} days before the end, {reopened} were opened "
            "again within {days} days: {share}.",
            int(row["cases"]),
        ).format(
            cases=number(row["cases"]),
            days=number(self.days),
            reopened=number(row["reopened"]),
            share=_share(row),
        )
        if not row["early"]:
            return said
        return (
            said
            + " "
            + ngettext(
                "{count} was resolved later and does not count yet; {again} of these came again "
                "already.",
                "{count} were resolved later and do not count yet; {again} of these came again "
                "already.",
                int(row["early"]),
            ).format(count=number(row["early"]), again=number(row["early_reopened"]))
        )

    def _handed_on(self) -> str:
        row = self.handed
        if row.empty:
            return ""
        return ngettext(
            "Handed on to another owner: {share} of {cases} case; more than once: {repeated}.",
            "Handed on to another owner: {share} of {cases} cases; more than once: {repeated}.",
            int(row["cases"]),
        ).format(share=_share(row), cases=number(row["cases"]), repeated=number(row["repeated"]))

    def _left_out(self) -> str:
        return left_out_words(self.exclusions, nothing="")

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Moves from one stage to another; cases that first left a stage backwards"),
            denominator=_("Moves out of the stage; cases that have left it"),
            period=self.context.period(),
            method=_(
                "Moves are successive steps of a case in the table of complaint events, complaints "
                "and suggestions alike. Back is a move to an earlier stage of a case that was not "
                "reopened before. Shares: 95% Wilson intervals, customers as clusters. What a loop "
                "takes: resolved cases not resolved at first contact, coarsened exact matching on "
                "severity (Iacus, King and Porro 2012), 95% t intervals with customers as "
                "clusters. Reopened: within {days} days of the resolution, of cases whose days are "
                "over."
            ).format(days=number(self.days)),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def _share(row: pd.Series) -> str:
    return with_interval(row["share"], row["low"], row["high"], percent)


@measure(
    needs={
        "complaints": ["opened_at"],
        "complaint_events": ["complaint_id", "at", "stage"],
    }
)
def rework(crm: Workspace, *, days: int = 14) -> Rework:
    """How often complaints go back to an earlier stage, what that costs, and who comes again.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; complaint_events: complaint_id, at, stage. Where they are
        known: complaints.resolved_at, reopened_at, handling_minutes, severity, reassignments,
        first_contact_resolution, and complaint_events.owner.
    days : int
        Days after the resolution in which a case counts as reopened.

    Returns
    -------
    Rework
        `.table` has a row per kind of move, in the order of the process: origin, destination,
        moves, share (of the moves out of origin), low, high, back (whether it goes back).

    Raises
    ------
    CrmlabError
        If `days` is not above 0.
    NotEnoughData
        If there is no complaint, or no event of one.

    Notes
    -----
    The share that goes back is that of the first move out of the stage, so that a case that is
    there still is not taken for one that went on. What a loop takes is an association: cases that
    go back may be harder in more than their severity. Hours are compared among resolved cases
    only. A case resolved less than `days` ago has had less time to be opened again; to count it as
    not reopened would lower the share.

    References
    ----------
    Iacus, S. M., King, G. and Porro, G. (2012), Political Analysis 20, 1-24.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1"], "opened_at": ["2025-03-01"]})
    >>> stages = ["investigate", "negotiate", "investigate", "negotiate", "resolve"]
    >>> events = pd.DataFrame({"complaint_id": "1", "stage": stages,
    ...     "at": pd.date_range("2025-03-02", periods=5)})
    >>> tables = {"complaints": complaints, "complaint_events": events}
    >>> found = rework(from_frames(tables, as_of="2025-03-31"))
    >>> found.table[["origin", "destination", "moves", "back"]]
            origin  destination  moves   back
    0  investigate    negotiate      2  False
    1    negotiate  investigate      1   True
    2    negotiate      resolve      1  False
    """
    if days < 1:
        raise CrmlabError(_("days = {value} is not above 0.").format(value=days))
    known = cases(crm)
    moves = moves_of(crm, known)
    if moves.rows.empty:
        raise NotEnoughData(_("No complaint has two steps in the table of complaint events."))
    customers = clusters(known.frame["customer_id"])
    table = move_table(moves.rows, customers)
    loop = main_loop(table)
    further = ~known.frame["first_contact_resolution"].fillna(False).astype(bool).to_numpy()
    exits = first_exits(moves.rows, loop)
    exits = exits[further[exits.index]]
    back = np.zeros(len(known.frame), bool)
    back[moves.rows.loc[moves.rows["back"], "case"].to_numpy()] = True
    return Rework(
        table,
        Context.of(crm),
        loop,
        _shares(exits, customers[exits.index], "back"),
        int((further & _waiting(known.frame, moves, exits, loop[0])).sum()),
        _costs(known.frame, back, further, customers),
        float(crm.settings.activity_costs.get("complaint.minute", np.nan)),
        _reopened(crm, known.frame, customers, days),
        days,
        _handed(crm, known.frame, moves, customers),
        _exclusions(known, moves),
    )


def _waiting(frame: pd.DataFrame, moves: Moves, exits: pd.Series, stage: str) -> NDArray[np.bool_]:
    """Whether each case may still leave the stage for the first time."""
    over = frame["resolved_at"].notna() & frame["reopened_at"].isna()
    waits = not_yet_past(moves.last.reindex(frame.index), over, stage)
    return (waits & ~frame.index.isin(exits.index)).to_numpy()


def _shares(flags: pd.Series, customers: NDArray[np.int64], name: str) -> pd.Series:
    found = _estimate(flags.to_numpy(bool), customers)
    return pd.Series(
        {"cases": len(flags), name: int(flags.sum()), "share": found.value}
        | {"low": found.low, "high": found.high}
    )


def _estimate(flags: NDArray[np.bool_], customers: NDArray[np.int64]) -> Estimate:
    place = np.unique(customers, return_inverse=True)[1]
    many = int(place.max()) + 1 if len(place) else 0
    hits = np.bincount(place, flags, many)
    return clustered.share(hits, np.bincount(place, minlength=many), confidence=CONFIDENCE)


def _costs(
    frame: pd.DataFrame,
    back: NDArray[np.bool_],
    further: NDArray[np.bool_],
    customers: NDArray[np.int64],
) -> pd.DataFrame:
    """What cases that went back took, against others of the same severity."""
    resolved = hours_between(frame["opened_at"], frame["resolved_at"])["hours"]
    values = {"hours": resolved, "minutes": frame["handling_minutes"].where(resolved.notna())}
    graded = bool(frame["severity"].notna().any())
    rows: list[dict[str, Any]] = []
    for what, value in values.items():
        used = further & value.notna().to_numpy()
        weights = coarsened_exact(back[used], frame.loc[used, ["severity"]])
        if not (weights[back[used]] > 0).any():
            continue
        found = compared(value[used], back[used], weights, customers[used], confidence=CONFIDENCE)
        rows.append(
            {
                "what": what,
                "back": found.treated,
                "others": found.others,
                "difference": found.difference.value,
                "low": found.difference.low,
                "high": found.difference.high,
                "cases": int((weights[back[used]] > 0).sum()),
                "severity": graded,
            }
        )
    names = ["what", "back", "others", "difference", "low", "high", "cases", "severity"]
    return pd.DataFrame(rows, columns=names)


def _reopened(
    crm: Workspace, frame: pd.DataFrame, customers: NDArray[np.int64], days: int
) -> pd.Series:
    if not crm.has("complaints", "resolved_at", "reopened_at"):
        return pd.Series(dtype=float)
    over = (frame["resolved_at"] + days * DAY <= end_of(crm)).to_numpy()
    again = (frame["reopened_at"] - frame["resolved_at"] <= days * DAY).to_numpy()
    fresh = frame["resolved_at"].notna().to_numpy() & ~over
    found = _shares(pd.Series(again[over]), customers[over], "reopened")
    return pd.concat(
        [found, pd.Series({"early": fresh.sum(), "early_reopened": (again & fresh).sum()})]
    )


def _handed(
    crm: Workspace, frame: pd.DataFrame, moves: Moves, customers: NDArray[np.int64]
) -> pd.Series:
    """From the number of handovers; where that is not recorded, from the owners of the steps."""
    if crm.has("complaints", "reassignments"):
        times = frame["reassignments"].astype("Float64")
    elif crm.has("complaint_events", "owner"):
        # A case of one step has no move, and was handed on to nobody.
        counted = moves.rows.groupby("case")["owner_changed"].sum()
        counted = counted.reindex(moves.owned, fill_value=0)
        times = counted.reindex(frame.index).astype("Float64")
    else:
        return pd.Series(dtype=float)
    given = times.notna().to_numpy()
    if not given.any():
        return pd.Series(dtype=float)
    found = _shares(times[given] > 0, customers[given], "handed_on")
    return pd.concat([found, pd.Series({"repeated": (times[given] > 1).sum()})])


def _exclusions(known: Cases, moves: Moves) -> tuple[Exclusion, ...]:
    found = (
        Exclusion(
            _("of no known complaint"), moves.unknown, ngettext("event", "events", moves.unknown)
        ),
        Exclusion(
            _("no time or stage given"),
            moves.incomplete,
            ngettext("event", "events", moves.incomplete),
        ),
    )
    return known.exclusions() + tuple(one for one in found if one.count)
