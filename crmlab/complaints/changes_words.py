"""The picture and the words of a scan for places and stretches of time out of proportion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.series import Choice, Gathered, choice_words
from crmlab.language import _, day, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.groups import group_name, record_names
from crmlab.show.result import Definition, Result, intervals_in_brackets, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Rows drawn, and stretches described one by one.
DRAWN = 8
NAMED = 3
#: With fewer customers than this a stretch is shown and not judged.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class Changes(Result):
    """Result of `changes`.

    Attributes
    ----------
    by, per : str
        Columns of the places and of the sorts of complaints; empty for all together.
    of, where : mapping or None
    fewer : bool
        Whether fewer complaints were looked for.
    gathered : Gathered
    places, sorts : int
        How many of each were looked at.
    draws : int
    level : float
    bounds : pandas.DataFrame
        For each row of the table: earliest and latest first day (begins_from, begins_to) and last
        day (ends_from, ends_to) of stretches nearly as likely.
    """

    measure = "complaints.changes"

    by: str
    per: str
    of: Choice
    where: Choice
    fewer: bool
    gathered: Gathered
    places: int
    sorts: int
    draws: int
    level: float
    bounds: pd.DataFrame

    def formats(self) -> dict[str, str]:
        return {"ratio_low": "number1", "ratio_high": "number1", "ratio": "number1"}

    def main_columns(self) -> Sequence[str]:
        shown = [
            self.by, self.per, "begins_on", "ends_on", "complaints", "expected_count", "ratio",
            "ratio_low", "ratio_high", "probability", "beyond_chance",
        ]  # fmt: skip
        return [name for name in shown if name]

    @property
    def found(self) -> pd.DataFrame:
        """The rows beyond chance."""
        return self.table[self.table["beyond_chance"].fillna(False).astype(bool)]

    def title(self) -> str:
        found = self.found
        if found.empty:
            return _("No place and stretch of time is out of proportion")
        first = found.iloc[0]
        if len(found) == 1:
            return _("Out of proportion: {name}, {first} to {last}").format(
                name=self.name(first), first=day(first["begins_on"]), last=day(first["ends_on"])
            )
        return _("{count} out of proportion, first {name}, {first} to {last}").format(
            count=number(len(found)),
            name=self.name(first),
            first=day(first["begins_on"]),
            last=day(first["ends_on"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.dates import date2num

        rows = self.table.head(DRAWN)
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.6 + 0.4 * max(1, len(rows))))
        start, end = date2num(self.gathered.starts[0]), date2num(self.gathered.end)
        axes.set_xlim(start, end)
        axes.xaxis_date()
        places = np.arange(len(rows))[::-1]
        for place, (_index, row) in zip(places, rows.iterrows(), strict=True):
            self._draw_row(axes, int(place), row, start, end)
        axes.set_yticks(places, [charts.wrapped(self.name(row), 30) for _i, row in rows.iterrows()])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        charts.date_axis(axes.xaxis)
        axes.set_xlabel(_("Most unlikely stretch of each; orange: beyond chance"))
        charts.set_title(axes, self.title())
        return axes

    def _draw_row(self, axes: Axes, place: int, row: pd.Series, start: float, end: float) -> None:
        from matplotlib.dates import date2num

        first, last = date2num(row["begins_on"]), date2num(row["ends_on"]) + 1
        beyond = row["beyond_chance"] is not pd.NA and bool(row["beyond_chance"])
        axes.hlines(place, start, end, color=charts.GRID, linewidth=1, zorder=0)
        axes.barh(
            place, last - first, left=first, height=0.5,
            color=charts.ORANGE if beyond else charts.GREY,
        )  # fmt: skip
        left = (first + last) / 2 > start + 0.55 * (end - start)
        axes.annotate(
            _("{complaints} for {expected} expected").format(
                complaints=number(row["complaints"]), expected=number(row["expected_count"], 1)
            ),
            (first if left else last, place), xytext=(-5 if left else 5, 0),
            textcoords="offset points", ha="right" if left else "left", va="center", fontsize=9,
        )  # fmt: skip

    def reading(self) -> str:
        parts = [
            self._scope(), self._findings(), self._nearest(), self._few(), self._cannot(),
            self._left_out(),
        ]  # fmt: skip
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{name} {first} to {last}, {complaints} for {expected} expected").format(
                name=self.name(row),
                first=day(row["begins_on"]),
                last=day(row["ends_on"]),
                complaints=number(row["complaints"]),
                expected=number(row["expected_count"], 1),
            )
            for _index, row in self.table.head(DRAWN).iterrows()
        ]
        if not parts:
            return _("An empty time line: no stretch has anything to show.")
        return _("Bars on a time line, the most unlikely first. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def name(self, row: pd.Series) -> str:
        """Place and sort of a row."""
        parts = [group_name(name, row[name]) for name in (self.by, self.per) if name]
        return _(", ").join(parts) if parts else _("All complaints")

    def _scope(self) -> str:
        said = _(
            "Every stretch of the {weeks} weeks was tried (places: {places}; sorts of complaint: "
            "{sorts}). Expected is what orders, the usual level of the place and that of all "
            "places in the month lead one to expect. The probability is that of anything so "
            "unlikely anywhere, by chance alone ({draws} draws)."
        )
        if not self.by:
            said = _(
                "Every stretch of the {weeks} weeks was tried (all places together; sorts of "
                "complaint: {sorts}). Expected is what the orders lead one to expect, so that a "
                "season is a finding. The probability is that of anything so unlikely anywhere, by "
                "chance alone ({draws} draws)."
            )
        name = choice_words(self.of, self.where)
        said = said.format(
            weeks=number(len(self.gathered.starts)),
            places=number(self.places),
            sorts=number(self.sorts),
            draws=number(self.draws),
        )
        return said + " " + _("Looked at: {name}.").format(name=name) if name else said

    def _findings(self) -> str:
        found = self.found
        parts = [self._finding(place) for place in found.index[:NAMED]]
        if not parts:
            return ""
        if len(found) > NAMED:
            more = len(found) - NAMED
            parts.append(
                ngettext(
                    "{count} further stretch is beyond chance; see the table.",
                    "{count} further stretches are beyond chance; see the table.",
                    more,
                ).format(count=number(more))
            )
        return "\n\n".join([*parts, intervals_in_brackets(0.95)])

    def _finding(self, place: Any) -> str:
        row, bounds = self.table.loc[place], self.bounds.loc[place]
        said = _(
            "{name}: from {first} to {last} there were {complaints} complaints where {expected} "
            "were to be expected, {ratio} times as many ({low} to {high}); {inside} on 1,000 "
            "{records}, {outside} at other times there. Probability: {chance}."
        ).format(
            name=self.name(row),
            records=record_names(self.gathered.record),
            first=day(row["begins_on"]),
            last=day(row["ends_on"]),
            complaints=number(row["complaints"]),
            expected=number(row["expected_count"], 1),
            ratio=number(row["ratio"], 1),
            low=number(row["ratio_low"], 1),
            high=number(row["ratio_high"], 1),
            inside=number(row["per_1000"], 1),
            outside=number(row["other_per_1000"], 1),
            chance=number(row["probability"], 3),
        )
        dates = _(
            "The days are not sharp: stretches that begin from {begins_from} to {begins_to} and "
            "end from {ends_from} to {ends_to} are nearly as likely."
        ).format(**{name: day(value) for name, value in bounds.items()})
        return f"{said} {dates}"

    def _nearest(self) -> str:
        if len(self.found):
            return ""
        if self.table.empty:
            return _("No stretch has anything out of the ordinary.")
        first = self.table.iloc[0]
        return _(
            "Nothing is beyond chance. The most unlikely is {name}, {first} to {last}, "
            "{complaints} complaints where {expected} were to be expected; chance alone brings "
            "about something as unlikely in {share} of draws."
        ).format(
            name=self.name(first),
            first=day(first["begins_on"]),
            last=day(first["ends_on"]),
            complaints=number(first["complaints"]),
            expected=number(first["expected_count"], 1),
            share=percent(first["probability"], 0),
        )

    def _few(self) -> str:
        few = self.table[self.table["beyond_chance"].isna()]
        if few.empty:
            return ""
        return _(
            "Not judged, as the complaints are those of fewer than {fewest} customers: {names}."
        ).format(
            fewest=number(FEWEST),
            names=_("; ").join(self.name(row) for _index, row in few.head(NAMED).iterrows()),
        )

    def _cannot(self) -> str:
        if self.found.empty:
            return _("A change that is small, short or in a place with few orders is not seen.")
        return _(
            "A stretch that is shown because it is the most unlikely one looks worse than it is. "
            "The scan says where and when to ask, not what happened; of each place and sort it "
            "keeps one stretch."
        )

    def _left_out(self) -> str:
        return " ".join([self.gathered.dating(), left_out_words(self.gathered.exclusions)])

    def _define(self) -> Definition:
        side = _("Fewer complaints than expected.") if self.fewer else _(
            "More complaints than expected."
        )  # fmt: skip
        return Definition(
            numerator=_(
                "Complaints in a stretch of whole weeks, suggestions apart; those of one customer, "
                "of one sort, place and week, count once"
            ),
            denominator=_("Complaints to be expected there and then"),
            period=self.context.period(),
            method=_(
                "{side} Scan statistic (Kulldorff 2001): likelihood ratio of Poisson counts, the "
                "largest over places, sorts and stretches; its probability from draws, the same "
                "for all. Levels of places and months pulled towards 1 as far as chance explains "
                "them. Interval of the ratio: exact Poisson on the effective number of complaints, "
                "those of one customer being alike. Beyond chance: probability at most {level}."
            ).format(side=side, level=percent(self.level, 0)),
            source=self.context.source,
            exclusions=self.gathered.exclusions,
        )
