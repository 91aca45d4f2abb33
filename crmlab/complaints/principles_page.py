"""The page of the five principles: picture and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, of_complaints
from crmlab.complaints.principle_values import PRINCIPLES, Judged, Training
from crmlab.complaints.principle_words import meanings, principle_names, reasons
from crmlab.complaints.principles_picture import draw_groups
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import group_name
from crmlab.show.result import Definition, Exclusion, Result, intervals_in_brackets, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A group of fewer customers is shown and not judged.
FEWEST = 5
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class Principles(Result):
    """Result of `principles`.

    Attributes
    ----------
    overall : pandas.DataFrame
        By principle, of all complaints together: complaints, share, low, high, target, left_out.
    beside : pandas.DataFrame
        A row for all complaints and one per group: repeats (complaints whose cause came back),
        expected_repeats (if causes came as they do in general), ratio, complete_records (share of
        records without a gap, of those with a field that could be filled by now), handovers
        (mean), kept_for_good (promises kept if one opened again counts as missed), median_hours
        (to the first answer, from the curve).
    judged : Judged
        With `.repeats.by_cause` and `.record.by_field`.
    training : Training or None
        Where owners trained before and others are both known.
    by : str
        Column of the groups; empty for none.
    days : int
        The same cause within so many days has come back.
    aside : Cases
        What was left out of all principles, without rows.
    """

    measure = "complaints.principles"

    overall: pd.DataFrame
    beside: pd.DataFrame
    judged: Judged
    training: Training | None
    by: str
    days: int
    aside: Cases

    @property
    def repeats(self) -> pd.DataFrame:
        """A row per cause: how often it came back, and how often it would by chance."""
        return self.judged.repeats.by_cause

    @property
    def record(self) -> pd.DataFrame:
        """A row per field of the record: how often it is filled where it could be."""
        return self.judged.record.by_field

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"principle": principle_names()}

    def weakest(self) -> str:
        """The principle furthest below its target, beyond chance; empty if there is none."""
        below = self.overall[self.overall["high"] < self.overall["target"]]
        if below.empty:
            return ""
        return str((below["target"] - below["share"]).idxmax())

    def title(self) -> str:
        if self.by and self.table["stands_out"].notna().any():
            apart = self._apart()
            if apart.empty:
                return _("By none of the five principles is a group shown to differ")
            found = [name for name in PRINCIPLES if name in set(apart["principle"])]
            return _("Groups differ in: {principles}").format(
                principles=_(", ").join(principle_names()[name] for name in found)
            )
        name = self.weakest()
        if not name:
            return _("None of the five principles is below its target by more than chance")
        row = self.overall.loc[name]
        return _("Furthest below its target: {principle}, {share} instead of {target}").format(
            principle=principle_names()[name],
            share=percent(row["share"], 0),
            target=percent(row["target"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        if self.by:
            return draw_groups(self, ax)
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 3.8))
        places = np.arange(len(PRINCIPLES))[::-1]
        weak = self.weakest()
        for place, (name, row) in zip(places, self.overall.iterrows(), strict=True):
            colour = charts.ORANGE if name == weak else charts.BLUE
            if row["share"] != row["share"]:
                axes.annotate(_("not known"), (0.01, place), va="center", color=charts.MUTED)
                continue
            axes.hlines(place, row["low"], row["high"], color=colour)
            axes.scatter(row["share"], place, color=colour, zorder=3)
            axes.annotate(
                percent(row["share"], 0), (row["share"], place), xytext=(0, 9),
                textcoords="offset points", ha="center", fontsize=10,
            )  # fmt: skip
        axes.scatter(
            self.overall["target"], places, marker="|", s=150, color=charts.INK, linewidth=2
        )
        axes.set_yticks(places, [principle_names()[name] for name in self.overall.index])
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlim(0, 1.02)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of cases in which it was kept, with 95% interval; bar: target"))
        charts.set_title(axes, self.title())
        return axes

    def _apart(self) -> pd.DataFrame:
        if not self.by:
            return self.table.head(0)
        return self.table[self.table["stands_out"].fillna(False).astype(bool)]

    # --- the words

    def reading(self) -> str:
        single = [
            self._prevention(),
            self._recording(),
            self._responsibility(),
            self._front_line(),
            self._timeliness(),
            self._weakest(),
        ]
        parts = [
            *([self._together()] if self.by else single),
            self._groups(),
            self._lacking(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = principle_names()
        parts = [
            _("{principle} {share}").format(principle=names[name], share=self._written(name))
            for name in PRINCIPLES
        ]
        if not self.by:
            return _("Points with intervals on a line from 0 to 100%. {parts}.").format(
                parts=_("; ").join(parts)
            )
        return _(
            "Five small pictures side by side, points with intervals; groups by {column}. {title}. "
            "All together: {parts}."
        ).format(column=shown(self.by).label, title=self.title(), parts=_("; ").join(parts))

    def _together(self) -> str:
        names = principle_names()
        parts = [
            _("{principle} {share}").format(principle=names[name], share=self._written(name))
            for name in PRINCIPLES
            if self._judged(name)
        ]
        said = _("All groups together: {parts}. {intervals}").format(
            parts=_("; ").join(parts), intervals=intervals_in_brackets(CONFIDENCE)
        )
        return f"{said} " + _("What lies behind each figure is said where no group is asked for.")

    def _written(self, name: str) -> str:
        row = self.overall.loc[name]
        return with_interval(row["share"], row["low"], row["high"], percent)

    def _judged(self, name: str) -> bool:
        return bool(self.overall.loc[name, "complaints"] > 0)

    def _count(self, name: str) -> str:
        count = self.overall.loc[name, "complaints"]
        return ngettext("{count} complaint", "{count} complaints", count).format(
            count=number(count)
        )

    def _prevention(self) -> str:
        if not self._judged("prevention"):
            return ""
        row = self.beside.iloc[0]
        said = _(
            "Prevention: of {complaints} {share} had none of the same cause by the same "
            "customer in the {days} days before; {repeats} had. Had causes come as they do in "
            "general, {expected} would have."
        ).format(
            complaints=self._count("prevention"),
            share=self._written("prevention"),
            days=number(self.days),
            repeats=number(row["repeats"]),
            expected=number(row["expected_repeats"], 0 if row["expected_repeats"] >= 10 else 1),
        )
        apart = self.repeats[self.repeats["stands_out"]]
        if apart.empty:
            return f"{said} " + _("No cause comes back more often than chance would have it.")
        causes = [
            _("{cause} {share} ({ratio} times what chance would bring, {low} to {high})").format(
                cause=shown("cause").written(cause["cause"], ""),
                share=percent(cause["share"]),
                ratio=number(cause["ratio"], 1),
                low=number(cause["low"], 1),
                high=number(cause["high"], 1),
            )
            for _index, cause in apart.iterrows()
        ]
        return f"{said} " + _("Comes back beyond chance: {causes}.").format(
            causes=_("; ").join(causes)
        )

    def _recording(self) -> str:
        if not self._judged("recording"):
            return ""
        said = _(
            "Recording: of the fields that could be filled by now {share} are; {complete} of the "
            "records have no gap."
        ).format(
            share=self._written("recording"),
            complete=percent(self.beside["complete_records"].iloc[0]),
        )
        least = self.record.iloc[0]
        if least["filled"] < least["complaints"]:
            said = f"{said} " + _("Least complete is {field}: {share} of {complaints}.").format(
                field=f"“{shown(least['field']).label}”",
                share=percent(least["share"]),
                complaints=number(least["complaints"]),
            )
        absent = self.judged.record.not_kept
        if not absent:
            return said
        return f"{said} " + _("Not in the data at all, and not counted: {fields}.").format(
            fields=_(", ").join(shown(field).label for field in absent)
        )

    def _responsibility(self) -> str:
        if not self._judged("responsibility"):
            return ""
        said = _(
            "Responsibility: of {complaints} {share} stayed with one owner throughout."
        ).format(complaints=self._count("responsibility"), share=self._written("responsibility"))
        mean, agree = self.beside["handovers"].iloc[0], self.judged.owners_agree
        if mean == mean:
            said = f"{said} " + _("On average one was handed on {mean} times.").format(
                mean=number(mean, 2)
            )
        if self.judged.from_events:
            said = f"{said} " + _("This is taken from the owners of the events.")
        elif agree == agree:
            said = f"{said} " + _("The owners of the events say the same of {share}.").format(
                share=percent(agree)
            )
        return said

    def _front_line(self) -> str:
        if not self._judged("front_line"):
            return ""
        said = _(
            "Capable front line: of {complaints} {share} were resolved at first contact."
        ).format(complaints=self._count("front_line"), share=self._written("front_line"))
        if self.training is None:
            return said
        each = self.training
        said = f"{said} " + _(
            "Owners trained before resolved {trained} in this way, others {untrained}; difference "
            "{apart}."
        ).format(
            trained=with_interval(*each.trained[:3], percent),
            untrained=with_interval(*each.untrained[:3], percent),
            apart=with_interval(*each.difference[:3], percent),
        )
        ratio = each.odds_ratio
        if ratio.value == ratio.value:
            told = (
                _("At equal severity the odds ratio is {ratio}.")
                if each.at_equal_severity
                else _("The odds ratio is {ratio}; the severity of the complaints is not known.")
            )
            said = f"{said} " + told.format(
                ratio=with_interval(*ratio[:3], lambda value: number(value, 2))
            )
        return f"{said} " + _("Who was trained was no draw, so this is an association.")

    def _timeliness(self) -> str:
        row = self.beside.iloc[0]
        if not self._judged("timeliness"):
            return ""
        said = _(
            "Timeliness: of {complaints} due by the last day {share} were resolved in "
            "time; {for_good} if one opened again counts as missed."
        ).format(
            complaints=self._count("timeliness"),
            share=self._written("timeliness"),
            for_good=percent(row["kept_for_good"]),
        )
        if row["median_hours"] == row["median_hours"]:
            said = f"{said} " + _("Half had a first answer within {hours} hours.").format(
                hours=number(row["median_hours"], 1)
            )
        return said

    def _weakest(self) -> str:
        brackets = intervals_in_brackets(CONFIDENCE)
        name = self.weakest()
        if not name:
            said = _(
                "No principle is below its target by more than chance would bring about. The "
                "targets are the company's to set."
            )
            return f"{brackets} {said}"
        row = self.overall.loc[name]
        said = _(
            "Furthest below its target is “{principle}”: {share} instead of {target}. {meaning} "
            "The targets are the company's to set; with others another principle may come first."
        ).format(
            principle=principle_names()[name],
            share=percent(row["share"]),
            target=percent(row["target"]),
            meaning=self._meaning(name),
        )
        return f"{brackets} {said}"

    def _meaning(self, name: str) -> str:
        if name == "prevention" and not self.repeats["stands_out"].any():
            return _(
                "Yet no cause is seen to come back more often than chance would have it among "
                "customers who complain so often."
            )
        return meanings()[name]

    def _groups(self) -> str:
        if not self.by:
            return ""
        if self.table["stands_out"].isna().all():
            return _(
                "Whether groups differ cannot be told: there is but one, or none has {fewest} "
                "customers and others to compare them with."
            ).format(fewest=number(FEWEST))
        apart, names = self._apart(), principle_names()
        judged = int(self.table["stands_out"].notna().sum())
        if apart.empty:
            return _(
                "No group differs from the others together by more than chance would bring about "
                "among {count} comparisons."
            ).format(count=number(judged))
        rows = [
            _("{group} in {principle} ({share}, all {all})").format(
                group=group_name(self.by, row[self.by]),
                principle=names[row["principle"]],
                share=percent(row["share"]),
                all=percent(self.overall.loc[row["principle"], "share"]),
            )
            for _index, row in apart.iterrows()
        ]
        said = _(
            "Different from the others together by more than chance would bring about among "
            "{count} comparisons: {groups}. Groups handle different complaints, so this says "
            "where, not why."
        ).format(count=number(judged), groups=_("; ").join(rows))
        return f"{said} {self._against_chance()}".strip()

    def _against_chance(self) -> str:
        """Groups that differ in prevention, beside what the number of their complaints explains."""
        if "prevention" not in set(self._apart()["principle"]):
            return ""
        rows = [
            _("{group} {ratio}").format(
                group=group_name(self.by, row[self.by]), ratio=number(row["ratio"], 1)
            )
            for _index, row in self.beside.iloc[1:].iterrows()
            if row["ratio"] == row["ratio"]
        ]
        return _(
            "Who complains often meets the same cause more easily; as a multiple of what that "
            "alone would bring: {ratios}."
        ).format(ratios=_("; ").join(rows))

    def _lacking(self) -> str:
        names = principle_names()
        found = [
            _("{principle} ({columns})").format(principle=names[name], columns=each.lacking)
            for name, each in self.judged.values.items()
            if each.lacking
        ]
        if found:
            return _("Nothing can be said of these, as the data lack: {principles}.").format(
                principles=_("; ").join(found)
            )
        return ""

    def _left_out(self) -> str:
        return left_out_words(self._exclusions(), nothing="")

    def _exclusions(self) -> tuple[Exclusion, ...]:
        names, why = principle_names(), reasons()
        found = [
            of_complaints(
                _("{principle}: {reason}").format(principle=names[name], reason=why[reason]),
                count,
            )
            for name, each in self.judged.values.items()
            for reason, count in each.left_out.items()
            if count
        ]
        return (*self.aside.exclusions(), *found)

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Of these, cases in which the principle was kept: no complaint of the same cause "
                "by the customer in the {days} days before; fields filled; one owner throughout; "
                "resolved at first contact; resolved by the time due"
            ).format(days=number(self.days)),
            denominator=_(
                "Complaints without suggestions: those whose days before lie within the data; "
                "fields that could be filled by now; complaints resolved; complaints of which "
                "it is known; complaints due by the last day"
            ),
            period=self.context.period(),
            method=_(
                "A complaint due after the last day is not judged, even if resolved; one open past "
                "its due time counts as missed; one opened again is judged at its first "
                "resolution. Without due_at the workspace's hours hold. 95% Wilson intervals, "
                "complaints of one customer as a cluster; groups against the others by t tests "
                "over customers, corrected by Holm; groups of fewer than {fewest} customers are "
                "not judged."
            ).format(fewest=number(FEWEST)),
            source=self.context.source,
            exclusions=self._exclusions(),
        )
