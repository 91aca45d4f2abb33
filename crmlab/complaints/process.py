"""The process of handling complaints (处理流程): how long each stage takes, where cases wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, cases, of_complaints
from crmlab.complaints.clusters import clusters
from crmlab.complaints.stage_times import (
    FEWEST,
    by_group,
    faults_of,
    mixed_medians,
    slowest,
    stage_table,
    ways_of,
)
from crmlab.complaints.steps import (
    AFTERWARDS,
    CONFIDENCE,
    ENDS,
    end_of,
    hours_words,
    median_words,
    recorded_steps,
    spans,
    stage_name,
    stage_names,
    within_sentence,
)
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: A median that the mixture changes by no more than this share is called alike.
ALIKE = 0.05
#: Groups beyond so many are not drawn.
MOST_DRAWN = 14


@dataclass(frozen=True, repr=False)
class Process(Result):
    """Result of `process`.

    Attributes
    ----------
    stage : str
        The stage that takes the largest share of the time, or the one that was asked for.
    by : str
        Column of the groups; empty for none.
    stages : pandas.DataFrame
        As `.table` without groups.
    mixed : pandas.Series
        Median hours of each stage over all cases, of whichever way; empty where there is but one.
    resolved : int
        Cases whose means and shares are given: resolved, with every time known.
    total : float
        Mean hours of these to the resolution.
    first_contact : int
        Cases resolved at first contact.
    faults : pandas.Series
        Spans by fault: impossible, untimed and whole_days; and those that ended (spans).
    unrecorded : tuple of str
        Stages whose end is not recorded; their time is part of the next stage.
    exclusions : tuple of Exclusion
    """

    measure = "complaints.process"

    stage: str
    by: str
    stages: pd.DataFrame
    mixed: pd.Series
    resolved: int
    total: float
    first_contact: int
    faults: pd.Series
    unrecorded: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]

    def formats(self) -> dict[str, str]:
        names = ("median", "median_low", "median_high", "p90", "mean_hours")
        return dict.fromkeys(names, "sized")

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"stage": stage_names(), "way": way_names()}

    def main_columns(self) -> list[str]:
        return [name for name in self.table.columns if name != "mean_hours"]

    def title(self) -> str:
        if self.by:
            return self._title_of_groups()
        row = self._row(self.stage)
        if not 0 < row["share"] < 1:
            return _("How long each stage of a complaint takes")
        return _("{stage} takes {share} of the {hours} to a resolution").format(
            stage=stage_name(self.stage), share=percent(row["share"], 0), hours=self._total()
        )

    def _title_of_groups(self) -> str:
        if self.table["stands_out"].isna().all():
            return _("{stage}: the groups cannot be compared").format(stage=stage_name(self.stage))
        apart = self.table[self.table["stands_out"].fillna(False).astype(bool)]
        if apart.empty:
            return _("{stage}: no group stands out").format(stage=stage_name(self.stage))
        first = apart.iloc[0]
        said = (
            _("{stage} takes {usual} with all; with {group} half of the cases are not through yet")
            if np.isnan(first["median"])
            else _("{stage} takes {median} with {group}, {usual} with all")
        )
        return said.format(
            stage=stage_name(self.stage),
            group=group_name(self.by, first[self.by]),
            median=hours_words(first["median"]),
            usual=hours_words(self._row(self.stage)["median"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = len(self._drawn()) if self.by else self.stages["stage"].nunique()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.36 * rows + 2.0))
        if self.by:
            self._draw_groups(axes)
        else:
            self._draw_stages(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_stages(self, axes: Axes) -> None:
        """Each stage begins where the mean of the one before ended."""
        usual = self._usual()
        length = usual["mean_hours"].fillna(usual["median"]).fillna(0.0)
        begins = length.cumsum() - length
        places = np.arange(len(usual))[::-1]
        colours = [
            charts.ORANGE if row["stage"] == self.stage
            else charts.GREY if row["stage"] == AFTERWARDS
            else charts.BLUE
            for _i, row in usual.iterrows()
        ]  # fmt: skip
        axes.barh(places, length, left=begins, color=colours, height=0.62)
        right = max(float(length.sum()), 1e-9)
        for place, (_index, row), start, size in zip(
            places, usual.iterrows(), begins, length, strict=True
        ):
            before = start + size > 0.6 * right
            axes.annotate(
                self._label(row), (start if before else start + size, place), va="center",
                ha="right" if before else "left", xytext=(-5 if before else 5, 0),
                textcoords="offset points", fontsize=9.5,
            )  # fmt: skip
        axes.set_yticks(places, [stage_name(stage) for stage in usual["stage"]])
        axes.set_xlim(0, 1.03 * right)
        axes.set_xlabel(
            _("Hours since the complaint came; a bar is as long as its mean (grey: median)")
        )

    @staticmethod
    def _label(row: pd.Series) -> str:
        if np.isnan(row["share"]):
            return _("median {median}").format(median=hours_words(row["median"]))
        return _("median {median}; {share} of the time").format(
            median=hours_words(row["median"]), share=percent(row["share"], 0)
        )

    def _draw_groups(self, axes: Axes) -> None:
        table = self._drawn()
        places = np.arange(len(table))[::-1]
        low = table["median_low"].fillna(table["median"])
        high = table["median_high"].fillna(table["median"])
        apart = table["stands_out"].fillna(False).astype(bool)
        colours = np.where(apart, charts.ORANGE, charts.BLUE).tolist()
        axes.hlines(places, low, high, color=colours, linewidth=3)
        axes.scatter(table["median"], places, color=colours, s=55, zorder=3)
        usual = self._row(self.stage)["median"]
        axes.axvline(usual, color=charts.MUTED, linestyle=":", linewidth=1.5)
        axes.set_yticks(places, [group_name(self.by, value) for value in table[self.by]])
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlim(0, None)
        axes.set_xlabel(
            _("{stage}: median hours with 95% interval; dotted: all").format(
                stage=stage_name(self.stage)
            )
        )

    def reading(self) -> str:
        found = (
            [self._groups(), self._not_drawn(), self._where()]
            if self.by
            else [self._where(), self._medians(), self._first_contact()]
        )
        parts = [*found, self._open(), self._faults(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if self.by:
            said = [
                _("{group} {median}").format(
                    group=group_name(self.by, row[self.by]), median=median_words(row)
                )
                for _i, row in self._drawn().iterrows()
            ]
            return _("Dots with intervals, median hours of {stage}: {groups}.").format(
                stage=within_sentence(self.stage), groups=_("; ").join(said) or _("none")
            )
        return _("A bar for each stage, one after the other on an axis of hours. {stages}.").format(
            stages=self._listed(self._usual())
        )

    def _drawn(self) -> pd.DataFrame:
        """The groups that the picture shows."""
        return self.table.dropna(subset=["median"]).head(MOST_DRAWN)

    # --- the words

    def _usual(self) -> pd.DataFrame:
        return self.stages[self.stages["way"] == "usual"]

    def _row(self, stage: str) -> pd.Series:
        return self._usual().set_index("stage").loc[stage]

    def _total(self) -> str:
        return hours_words(self.total)

    @staticmethod
    def _listed(rows: pd.DataFrame) -> str:
        said = [
            _("{name}: {apart}").format(name=stage_name(row["stage"]), apart=median_words(row))
            for _i, row in rows.iterrows()
        ]
        return _("; ").join(said)

    def _where(self) -> str:
        row = self._row(self.stage)
        if np.isnan(self.total):
            return _(
                "Of no case are all times up to the resolution known, so what share of the time a "
                "stage takes cannot be said."
            )
        took = ngettext(
            "{count} case that went straight through the stages took {total} to its resolution.",
            "{count} cases that went straight through the stages took {total} on average to their "
            "resolution.",
            self.resolved,
        ).format(count=number(self.resolved), total=self._total())
        recorded = int((self._usual()["stage"] != AFTERWARDS).sum())
        if recorded == 1 or not row["share"] > 0:
            return took
        return f"{took} {self._share(row)}"

    def _share(self, row: pd.Series) -> str:
        share = with_interval(row["share"], row["low"], row["high"], percent)
        said = (
            _("{stage} took {share} of this, most of the time.")
            if row["share"] > 0.5
            else _("{stage} took {share} of this; no other stage takes more.")
            if row["share"] >= self._usual()["share"].max()
            else _("{stage} took {share} of this.")
        )
        return said.format(stage=stage_name(self.stage), share=share)

    def _medians(self) -> str:
        late = [
            _("{name} {hours}").format(name=stage_name(row["stage"]), hours=hours_words(row["p90"]))
            for _i, row in self._usual().dropna(subset=["p90"]).iterrows()
        ]
        said = _("Medians: {stages}. {intervals}").format(
            stages=self._listed(self._usual()), intervals=intervals_in_brackets(CONFIDENCE)
        )
        if not late:
            return said
        return (
            said
            + " "
            + _("Nine in ten are over within: {stages}.").format(stages=_("; ").join(late))
        )

    def _groups(self) -> str:
        if self.table["stands_out"].isna().all():
            return _(
                "Whether groups differ in {stage} cannot be told: there is but one, or none has "
                "cases of {fewest} customers and others to compare them with."
            ).format(stage=within_sentence(self.stage), fewest=number(FEWEST))
        apart = self.table[self.table["stands_out"].fillna(False).astype(bool)]
        judged = number(int(self.table["stands_out"].notna().sum()))
        if apart.empty:
            return _(
                "In {stage} no group differs from the others together by more than chance would "
                "bring about among {groups} groups."
            ).format(stage=within_sentence(self.stage), groups=judged)
        named = [
            _("{group} {median}").format(
                group=group_name(self.by, row[self.by]), median=median_words(row)
            )
            for _i, row in apart.iterrows()
        ]
        return _(
            "In {stage} these differ from the others together by more than chance would bring "
            "about among {groups} groups: {named}. They may have had other cases."
        ).format(stage=within_sentence(self.stage), groups=judged, named=_("; ").join(named))

    def _not_drawn(self) -> str:
        """Groups that the picture leaves out: without a median, and beyond so many."""
        parts = []
        known = int(self.table["median"].notna().sum())
        without = len(self.table) - known
        if without:
            said = ngettext(
                "The picture leaves out {count} group of whose cases half are not through yet.",
                "The picture leaves out {count} groups of whose cases half are not through yet.",
                without,
            )
            parts.append(said.format(count=number(without)))
        if known > MOST_DRAWN:
            said = _("The picture shows the {drawn} longest of {groups} medians.")
            parts.append(said.format(drawn=number(MOST_DRAWN), groups=number(known)))
        return " ".join(parts)

    def _first_contact(self) -> str:
        quick = self.stages[self.stages["way"] == "first_contact"].set_index("stage")
        if self.stage not in quick.index or np.isnan(quick.loc[self.stage, "median"]):
            return ""
        apart = ngettext(
            "{count} case was resolved at first contact and is kept apart: {stage} took {median} "
            "there.",
            "{count} cases were resolved at first contact and are kept apart: {stage} took a "
            "median of {median} there.",
            self.first_contact,
        ).format(
            count=number(self.first_contact),
            stage=within_sentence(self.stage),
            median=hours_words(quick.loc[self.stage, "median"]),
        )
        own, mixed = self._row(self.stage)["median"], self.mixed[self.stage]
        if not np.isfinite([own, mixed]).all() or abs(mixed - own) <= ALIKE * own:
            return apart
        return (
            apart
            + " "
            + _(
                "Mixed with the others they would make a median of {mixed} instead of {own}, which "
                "describes neither: it moves with the share resolved at first contact."
            ).format(mixed=hours_words(mixed), own=hours_words(own))
        )

    def _open(self) -> str:
        before = self._usual()[self._usual()["stage"] != AFTERWARDS]
        waiting = int(before["still_open"].sum())
        said = (
            ngettext(
                "{count} case is in one of these stages now; it counts in the median with the time "
                "it has been there.",
                "{count} cases are in one of these stages now; they count in the medians with the "
                "time they have been there.",
                waiting,
            ).format(count=number(waiting))
            if waiting
            else _("No case is in a stage before the resolution now.")
        )
        names = list(self._usual()["stage"])
        if AFTERWARDS not in names or not self._row(AFTERWARDS)["still_open"]:
            return said
        never = int(self._row(AFTERWARDS)["still_open"])
        followed = ngettext(
            "{count} resolved case has not been followed up so far; its wait goes on.",
            "{count} resolved cases have not been followed up so far; their wait goes on.",
            never,
        ).format(count=number(never))
        return f"{said} {followed}"

    def _faults(self) -> str:
        parts = []
        if self.unrecorded:
            parts.append(
                _(
                    "Not recorded is the end of: {stages}. Their time is part of the stage after."
                ).format(stages=_(", ").join(stage_name(stage) for stage in self.unrecorded))
            )
        if self.faults["whole_days"]:
            parts.append(
                _(
                    "In {count} of {all} spans one end is a mere day, so that only whole days "
                    "can be counted."
                ).format(count=number(self.faults["whole_days"]), all=number(self.faults["spans"]))
            )
        return " ".join(parts)

    def _left_out(self) -> str:
        return left_out_words(self.exclusions, nothing="")

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Hours from the end of one stage to the end of the next"),
            denominator=_(
                "Complaints and suggestions that were not resolved at first contact and did not go "
                "back, that came to the stage; those resolved at first contact apart"
            ),
            period=self.context.period(),
            method=_(
                "Medians by Kaplan and Meier (1958), cases still in a stage as censored; 95% "
                "intervals by Brookmeyer and Crowley (1982), widened by the design effect of "
                "customers. Means and shares of the time: resolved cases whose times are all "
                "known; 95% t intervals of a ratio, customers as clusters. Groups against the "
                "others by the share that took longer than the common median, corrected for their "
                "number (Holm). Hours run day and night."
            ),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def way_names() -> dict[str, str]:
    """What the ways of a case are called."""
    return {"usual": _("Stage by stage"), "first_contact": _("At first contact")}


@measure(needs={"complaints": ["opened_at", "resolved_at"]})
def process(crm: Workspace, *, by: str | None = None, stage: str | None = None) -> Process:
    """How long each stage of handling a complaint takes, and where cases wait.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, resolved_at; the ends of the other stages
        (first_response_at, accepted_at, investigated_at, negotiated_at, followed_up_at),
        first_contact_resolution and the table complaint_events where they are known.
    by : str, optional
        Compare groups: a column of complaints or of their orders, customers or owners, such as
        ``"owner"``, ``"severity"`` or ``"level"``.
    stage : str, optional
        The stage in which groups are compared. Default: the one that takes most of the time.

    Returns
    -------
    Process
        `.table` has a row per way and stage: way (usual: stage by stage; first_contact), stage,
        cases (that came to it), still_open (that are in it now), median, median_low, median_high,
        p90 (hours; NaN where not reached), mean_hours, share, low, high (of the mean time to the
        resolution). With `by` a row per group, the longest median first, and before all one that is
        not reached: the column of `by`, cases, still_open, median, median_low, median_high, p90,
        stands_out (from the others together; missing where it has cases of fewer than five
        customers).

    Raises
    ------
    NotEnoughData
        If there is no complaint, or none that went stage by stage.
    UnknownName
        If `by` names no column.
    CrmlabError
        If `stage` is not recorded.

    Notes
    -----
    A stage begins at the recorded end of the one before; where the end of a stage is not recorded
    at all, its time is part of the next. A case went back if complaint_events show it more than
    once in investigation; such cases are looked at by `rework`. A case of which it is not yet
    known whether it was resolved at first contact counts as not resolved then. Cases still in a
    stage are censored: to leave them out would make the stage look shorter, the more so the more
    cases wait in it. Means and shares are of resolved cases, so that they add up.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53, 457-481.
    Brookmeyer, R. and Crowley, J. (1982), Biometrics 38, 29-41.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"],
    ...     "opened_at": ["2025-03-01 09:00", "2025-03-02 09:00"],
    ...     "first_response_at": ["2025-03-01 11:00", "2025-03-02 11:00"],
    ...     "resolved_at": ["2025-03-02 09:00", "2025-03-03 09:00"]})
    >>> found = process(from_frames({"complaints": complaints}))
    >>> found.table[["stage", "cases", "mean_hours", "share"]].round(2)
              stage  cases  mean_hours  share
    0  first_answer      2         2.0   0.08
    1       resolve      2        22.0   0.92
    """
    known = cases(crm, by=by)
    by = by.rpartition(".")[2] if by else None
    frame = known.frame
    steps = recorded_steps(crm)
    _check_stage(stage, [step.stage for step in steps])
    lasted = spans(frame, steps, end_of(crm))
    ways = ways_of(crm, frame)
    if not (ways == "usual").any():
        raise NotEnoughData(
            _("Every complaint was resolved at first contact or went back; no stage can be timed.")
        )
    customers = clusters(frame["customer_id"])
    stages, resolved, total = stage_table(lasted, ways, customers)
    usual = stages[stages["way"] == "usual"].set_index("stage")
    where = stage or str(slowest(usual))
    table = stages if by is None else by_group(frame, by, lasted[where], ways, customers)
    return Process(
        table,
        Context.of(crm),
        where,
        by or "",
        stages,
        mixed_medians(lasted, ways),
        resolved,
        total,
        int((ways == "first_contact").sum()),
        faults_of(lasted),
        tuple(name for name in ENDS if name not in lasted and name != AFTERWARDS),
        _exclusions(known, lasted, ways),
    )


def _check_stage(stage: str | None, recorded: Sequence[str]) -> None:
    if stage is not None and stage not in recorded:
        raise CrmlabError(
            _("stage = {value} is not one of the stages recorded here: {names}.").format(
                value=repr(stage), names=_(", ").join(recorded)
            )
        )


def _exclusions(
    known: Cases, lasted: dict[str, pd.DataFrame], ways: NDArray[np.str_]
) -> tuple[Exclusion, ...]:
    faults = faults_of(lasted)
    impossible, untimed = int(faults["impossible"]), int(faults["untimed"])
    found = (
        of_complaints(_("went back to investigation; see the rework"), int((ways == "back").sum())),
        Exclusion(_("end before the start"), impossible, ngettext("span", "spans", impossible)),
        Exclusion(_("one of its two ends not given"), untimed, ngettext("span", "spans", untimed)),
    )
    return known.exclusions() + tuple(one for one in found if one.count)
