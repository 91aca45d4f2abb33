"""The times of a complaint: known, missing, mere days, and those that cannot be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, cases
from crmlab.complaints.durations import hours_between, is_day
from crmlab.data import model
from crmlab.data.staging import REMOVING
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.accounting import for_reader
from crmlab.show.result import Context, Definition, Result, left_out_words, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The way of a complaint, in its order; each is a column of complaints without its ``_at``.
WAY = (
    "opened",
    "first_response",
    "accepted",
    "investigated",
    "negotiated",
    "resolved",
    "followed_up",
)
#: What a step off the way follows on.
BESIDE = {"due": ("opened",), "reopened": WAY[:-1]}
#: All of them, as the table has them.
STEPS = ("opened", "due", *WAY[1:], "reopened")
#: Numbers of complaints that are named as examples.
EXAMPLES = 3


@dataclass(frozen=True, repr=False)
class Times(Result):
    """Result of `times`.

    Attributes
    ----------
    pairs : pandas.DataFrame
        A row per two steps in impossible order: earlier, step (which stands before it), complaints,
        examples (complaint_ids).
    complaints : int
        Complaints whose day of opening is known.
    strange : int
        Of these, with a time before that of an earlier step.
    mere_days : int
        Times at midnight sharp, of all steps.
    reopened : int
        Complaints opened again.
    closed_again : int or None
        Of these, resolved again; None where no events tell.
    loading : pandas.DataFrame
        What loading did with the rows of complaints: step, rows, remark.
    aside : Cases
        What was left out of all, without rows.
    """

    measure = "complaints.times"

    pairs: pd.DataFrame
    complaints: int
    strange: int
    mere_days: int
    reopened: int
    closed_again: int | None
    loading: pd.DataFrame
    aside: Cases

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"step": step_names()}

    def title(self) -> str:
        missing = int(self.table["not_recorded"].sum())
        if self.strange:
            return ngettext(
                "{count} complaint has a time that cannot be right",
                "{count} complaints have times that cannot be right",
                self.strange,
            ).format(count=number(self.strange))
        if missing:
            return ngettext(
                "All times are in a possible order; {count} is missing",
                "All times are in a possible order; {count} are missing",
                missing,
            ).format(count=number(missing))
        given = int(self.table["given"].sum())
        if given < len(self.table):
            return _(
                "The data have times of {given} of {steps} steps; none is missing or out of order"
            ).format(given=number(given), steps=number(len(self.table)))
        return _("No time is missing, and all are in a possible order")

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes = charts.new_axes(ax, size=(charts.SIZE[0], 4.6))
        table = self.table.iloc[::-1].reset_index(drop=True)
        places = np.arange(len(table))
        left = np.zeros(len(table))
        for label, counts, colour in self._bars(table):
            if counts.any():
                axes.barh(places, counts, left=left, color=colour, label=label, height=0.7)
            left = left + counts
        for place, row in table.iterrows():
            if not row["given"]:
                axes.annotate(
                    _("not in the data"), (0, place), xytext=(4, 0), va="center",
                    textcoords="offset points", color=charts.MUTED,
                )  # fmt: skip
            elif row["impossible"]:
                axes.annotate(
                    _("{count} impossible").format(count=number(row["impossible"])),
                    (row["known"], place), xytext=(-4, 0), textcoords="offset points",
                    va="center", ha="right", color=charts.INK, fontsize=9,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                )  # fmt: skip
        axes.set_yticks(places, [step_names()[step] for step in table["step"]])
        axes.set_xlim(0, max(1.0, float(left.max())))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value)))
        axes.set_xlabel(_("Complaints"))
        axes.legend(loc="upper center", bbox_to_anchor=(0.42, -0.14), ncols=2, fontsize=10)
        charts.set_title(axes, self.title())
        return axes

    @staticmethod
    def _bars(table: pd.DataFrame) -> list[tuple[str, Any, str]]:
        counts = table[["known", "mere_day", "not_recorded", "not_yet"]].fillna(0).astype(float)
        parts = [
            (_("known, with a clock time"), counts["known"] - counts["mere_day"], charts.BLUE),
            (_("known, a mere day"), counts["mere_day"], "#8cc4e8"),
            (_("missing"), counts["not_recorded"], charts.ORANGE),
            (_("not yet, or not done"), counts["not_yet"], charts.GRID),
        ]
        return [(label, part.to_numpy(), colour) for label, part, colour in parts]

    def reading(self) -> str:
        parts = [
            self._known(),
            self._absent(),
            self._impossible(),
            self._days(),
            self._again(),
            self._loaded(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = step_names()
        rows = [
            _("{step} {known} known, {missing} missing, {not_yet} not yet").format(
                step=names[row["step"]],
                known=number(row["known"]),
                missing=number(row["not_recorded"]),
                not_yet=number(row["not_yet"]),
            )
            for _index, row in self.table[self.table["given"]].iterrows()
        ]
        return _("Bars of the complaints, a bar per step. {steps}.").format(
            steps=_("; ").join(rows)
        )

    # --- the words

    def _known(self) -> str:
        given = self.table[self.table["given"]]
        missing = given[given["not_recorded"] > 0]
        said = ngettext(
            "{count} complaint was looked at.", "{count} complaints were looked at.",
            self.complaints,
        ).format(count=number(self.complaints))  # fmt: skip
        if missing.empty:
            return f"{said} " + _("Of the steps that the data have, no time is missing.")
        names = step_names()
        rows = [
            _("{step} {count}").format(step=names[row["step"]], count=number(row["not_recorded"]))
            for _index, row in missing.iterrows()
        ]
        return f"{said} " + _(
            "Missing, though it must have been or a later step is known: {steps}. These are not "
            "“not yet”, and are not treated as such."
        ).format(steps=_("; ").join(rows))

    def _absent(self) -> str:
        absent = self.table[~self.table["given"]]
        if absent.empty:
            return ""
        names = step_names()
        return _("The data have no times of: {steps}. Nothing can be said of them.").format(
            steps=_(", ").join(names[step] for step in absent["step"])
        )

    def _impossible(self) -> str:
        if self.pairs.empty:
            return _("No step stands before the step that comes before it.")
        names = step_names()
        rows = [
            _("“{step}” before “{earlier}”: {count} ({examples})").format(
                step=names[row["step"]],
                earlier=names[row["earlier"]],
                count=number(row["complaints"]),
                examples=row["examples"],
            )
            for _index, row in self.pairs.iterrows()
        ]
        return _(
            "Impossible, and so left out wherever a time between these is measured: {pairs}."
        ).format(pairs=_("; ").join(rows))

    def _days(self) -> str:
        if not self.mere_days:
            return ""
        known = int(self.table["known"].sum())
        said = _(
            "{count} of {known} times stand at midnight sharp ({share}) and are taken for mere "
            "days: times between them are counted in whole days."
        ).format(
            count=number(self.mere_days),
            known=number(known),
            share=percent(self.mere_days / known),
        )
        if self.mere_days / known > 0.01:
            return said
        return f"{said} " + _("So few may be true midnights; it changes next to nothing.")

    def _again(self) -> str:
        if not self.reopened:
            return ""
        said = ngettext(
            "{count} complaint was opened again", "{count} complaints were opened again",
            self.reopened,
        ).format(count=number(self.reopened))  # fmt: skip
        if self.closed_again is None:
            return _("{said}; whether resolved again is not known.").format(said=said)
        return _("{said}, of which {closed} resolved again by the last day.").format(
            said=said, closed=number(self.closed_again)
        )

    def _loaded(self) -> str:
        steps = self.loading.groupby("step", sort=False)["rows"].sum()
        said = _("Loading read {read} rows of complaints and kept {kept}.").format(
            read=number(steps.get("read", 0)), kept=number(steps.get("kept", 0))
        )
        gone = [step for step in steps.index if step in REMOVING]
        noted = [step for step in steps.index if step not in (*REMOVING, "read", "kept")]
        if gone:
            said = f"{said} " + _("Set aside: {steps}.").format(steps=_listed(steps[gone]))
        if noted:
            said = f"{said} " + _("Noted: {steps}.").format(steps=_listed(steps[noted]))
        return f"{said} {left_out_words(self.aside.exclusions(), nothing='')}".rstrip()

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Complaints whose time of the step is known, missing, not yet, impossible"),
            denominator=_("Complaints and suggestions whose day of opening is known"),
            period=self.context.period(),
            method=_(
                "A step without a time is missing where a later step is known, else not yet "
                "reached or not done. A promise is due with every complaint. A time is impossible "
                "where it lies before the last known step before it; where one of the two is a "
                "mere day (midnight sharp), where its day does."
            ),
            source=self.context.source,
            exclusions=self.aside.exclusions(),
        )


@measure(needs={"complaints": ["opened_at"]})
def times(crm: Workspace) -> Times:
    """Which times of the complaints are known, and which cannot be right.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, and any of the other times.

    Returns
    -------
    Times
        `.table` has a row per step: step, given (whether the data have the column), known,
        mere_day (of the known, without a clock time), not_recorded (missing though a later step is
        known; of due, without a promise; of opened, without a day), not_yet, impossible (before the
        last known step before it) and examples. Where the data have no such column the counts but
        known are missing.

    Raises
    ------
    NotEnoughData
        If there is no complaint whose day of opening is known.

    Notes
    -----
    Suggestions are among the complaints. A follow-up or a reopening that is not there has not
    happened: no later step depends on it. Where a mapping refuses or excludes a complaint that was
    resolved before it was opened, it never gets here; `.loading` then counts it.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"],
    ...     "opened_at": ["2025-03-01 09:00", "2025-03-02"],
    ...     "first_response_at": [None, "2025-03-02"],
    ...     "resolved_at": ["2025-03-03 10:00", None]})
    >>> found = times(from_frames({"complaints": complaints}, as_of="2025-03-31"))
    >>> found.table.loc[found.table["given"], ["step", "known", "mere_day", "not_recorded"]]
                 step  known  mere_day  not_recorded
    0          opened      2         1             0
    2  first_response      1         1             1
    6        resolved      1         0             0
    """
    found = cases(crm)
    frame = found.frame
    wrong = pd.concat([_out_of_order(frame, step) for step in STEPS[1:]])
    table = pd.DataFrame([_row(crm, frame, step, wrong, found.undated) for step in STEPS])
    counts = ["known", "mere_day", "not_recorded", "not_yet", "impossible"]
    table[counts] = table[counts].astype("Int64")
    again = frame["reopened_at"].notna()
    closed = int(frame.loc[again, "closed_at"].notna().sum())
    account = crm.accounting
    return Times(
        table,
        Context.of(crm),
        _pairs(wrong),
        len(frame),
        int(wrong["complaint_id"].nunique()),
        int(table["mere_day"].sum()),
        int(again.sum()),
        closed if crm.has("complaint_events", "stage") else None,
        account.loc[account["table"] == "complaints", ["step", "rows", "remark"]],
        replace(found, frame=frame.head(0)),
    )


def step_names() -> dict[str, str]:
    """The steps in the current language.

    Examples
    --------
    >>> step_names()["first_response"]
    'First response at'
    """
    return {step: model.table("complaints").column(f"{step}_at").shown() for step in STEPS}


def later_known(frame: pd.DataFrame, step: str) -> pd.Series:
    """Whether a step after this one is known, so that this one must have been.

    Examples
    --------
    >>> frame = pd.DataFrame({"accepted_at": [pd.NaT], "investigated_at": [pd.NaT],
    ...     "negotiated_at": [pd.NaT], "resolved_at": [pd.Timestamp("2025-03-01")],
    ...     "followed_up_at": [pd.NaT], "reopened_at": [pd.NaT]})
    >>> later_known(frame, "first_response").tolist(), later_known(frame, "resolved").tolist()
    ([True], [False])
    """
    later = [] if step in BESIDE else [f"{name}_at" for name in WAY[WAY.index(step) + 1 :]]
    # A complaint opened again had been resolved; nothing comes after the question how it was.
    later += ["reopened_at"] if step in WAY[:-1] else []
    return frame[later].notna().any(axis=1)


def _row(
    crm: Workspace, frame: pd.DataFrame, step: str, wrong: pd.DataFrame, undated: int
) -> dict[str, Any]:
    given = step == "opened" or crm.has("complaints", f"{step}_at")
    known = frame[f"{step}_at"].notna() & (given or step != "due")
    here = wrong[wrong["step"] == step]
    if step == "due" and given:
        known &= ~frame["due_by_rule"]
    must = pd.Series(True, frame.index) if step == "due" else later_known(frame, step)
    missing = int((~known & must).sum()) if step != "opened" else undated
    counts: dict[str, Any] = {
        "mere_day": int((known & is_day(frame[f"{step}_at"])).sum()),
        "not_recorded": missing,
        "not_yet": int((~known & ~must).sum()),
        "impossible": len(here),
    }
    if not given:
        counts = dict.fromkeys(counts, pd.NA)
    return {
        "step": step,
        "given": given,
        "known": int(known.sum()),
        **counts,
        "examples": _examples(here["complaint_id"]),
    }


def _out_of_order(frame: pd.DataFrame, step: str) -> pd.DataFrame:
    """The complaints whose step stands before the last known one before it, and which that is."""
    before: Sequence[str] = BESIDE.get(step) or WAY[: WAY.index(step)]
    last = frame["opened_at"]
    name = pd.Series("opened", frame.index)
    for earlier in before[1:]:
        known = frame[f"{earlier}_at"].notna()
        last = last.where(~known, frame[f"{earlier}_at"])
        name = name.where(~known, earlier)
    wrong = hours_between(last, frame[f"{step}_at"])["impossible"]
    if step == "due":
        wrong &= ~frame["due_by_rule"]
    found = frame.loc[wrong, ["complaint_id"]]
    return found.assign(step=step, earlier=name[wrong])


def _pairs(wrong: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "earlier": earlier,
            "step": step,
            "complaints": len(part),
            "examples": _examples(part["complaint_id"]),
        }
        for (step, earlier), part in wrong.groupby(["step", "earlier"], sort=True)
    ]
    table = pd.DataFrame(rows, columns=["earlier", "step", "complaints", "examples"])
    return table.sort_values("complaints", ascending=False, kind="stable", ignore_index=True)


def _examples(numbers: pd.Series) -> str:
    return ", ".join(numbers.head(EXAMPLES).astype(str))


def _listed(steps: pd.Series) -> str:
    """Steps of the loading, each with its rows, in the current language."""
    names = for_reader(steps.reset_index()).iloc[:, 0]
    return _("; ").join(
        _("{step} {count}").format(step=name, count=number(rows))
        for name, rows in zip(names, steps, strict=True)
    )
