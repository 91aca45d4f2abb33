"""The picture and the words of a Pareto analysis of complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.rates_words import listed
from crmlab.language import _, money, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import formats_of, group_name
from crmlab.show.result import Definition, Exclusion, Result, intervals_in_brackets, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More groups than this are not drawn, and more than that not named in a sentence.
DRAWN = 25
NAMED = 6


@dataclass(frozen=True, repr=False)
class Pareto(Result):
    """Result of `pareto`.

    Attributes
    ----------
    by : str
        Column of the groups.
    counted, costed : bool
        Whether the table has the number, and whether it has the cost.
    cost_asked : bool
        Whether the cost was to be there too.
    reversed : tuple of tuple of int
        Pairs of rows of which the first has more complaints and the second costs more, beyond
        chance.
    clustered : bool
        Whether customers are known.
    by_rule : int
        Complaints whose cost of handling comes from the minutes and the workspace's cost of one.
    confidence : float
    left_out : tuple of Exclusion
    """

    measure = "complaints.pareto"

    by: str
    counted: bool
    costed: bool
    cost_asked: bool
    reversed: tuple[tuple[int, int], ...]
    clustered: bool
    by_rule: int
    confidence: float
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        if self.counted and self.costed:
            return _(
                "Most frequent: {often} ({share}); most costly: {costly} ({cost_share})"
            ).format(
                often=self._name(0),
                share=percent(self.table["share"].iloc[0], 0),
                costly=self._name(self._costliest()),
                cost_share=percent(self.table["cost_part"].max(), 0),
            )
        vital = int(self.table["vital" if self.counted else "cost_vital"].sum())
        said = (
            ngettext(
                "{vital} of {groups} groups makes up 80% of the complaints",
                "{vital} of {groups} groups make up 80% of the complaints",
                vital,
            )
            if self.counted
            else ngettext(
                "{vital} of {groups} groups makes up 80% of the cost of complaints",
                "{vital} of {groups} groups make up 80% of the cost of complaints",
                vital,
            )
        )
        return said.format(vital=number(vital), groups=number(len(self.table)))

    def formats(self) -> Mapping[str, str]:
        return formats_of(self.table, self.by)

    def main_columns(self) -> list[str]:
        hidden = ["customers", "vital", "cost_vital", "unknown"]
        if self.counted and self.costed:
            hidden += ["cumulative", "cost_cumulative", "cost_first_share"]
        return [name for name in self.table.columns if name not in hidden]

    # --- the picture

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = self.table.head(DRAWN)
        height = 0.45 if self.counted and self.costed else 0.32
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(3.0, height * len(rows) + 1.6)))
        places = np.arange(len(rows))[::-1]
        if self.counted and self.costed:
            self._draw_both(axes, rows, places)
        else:
            self._draw_one(axes, rows, places)
        names = [charts.wrapped(self._name(row), 30) for row in range(len(rows))]
        axes.set_yticks(places, names)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        charts.share_axis(axes.xaxis)
        charts.set_title(axes, self.title())
        return axes

    def _draw_both(self, axes: Axes, rows: pd.DataFrame, places: np.ndarray) -> None:
        kinds = (
            ("share", "low", "high", charts.BLUE, 0.19, _("Complaints")),
            ("cost_part", "cost_part_low", "cost_part_high", charts.ORANGE, -0.19, _("Cost")),
        )
        for value, low, high, colour, up, label in kinds:
            _bars(axes, rows, (value, low, high), places + up, [colour] * len(rows), 0.36, label)
        self._draw_sum(axes, rows["cumulative"], places)
        axes.set_xlabel(_("Shares, with intervals; dashed: 80%"))
        # Above the axes, as the bars may be long and the line ends in the lower right corner.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=10)

    def _draw_one(self, axes: Axes, rows: pd.DataFrame, places: np.ndarray) -> None:
        names = ("share", "low", "high") if self.counted else _COST
        vital = rows["vital" if self.counted else "cost_vital"]
        colours = [charts.BLUE if one else charts.GREY for one in vital]
        _bars(axes, rows, names, places, colours, 0.6, "")
        self._draw_sum(axes, rows["cumulative" if self.counted else "cost_cumulative"], places)
        axes.set_xlabel(_("Share with interval; line: added up from the top; dashed: 80%"))

    def _draw_sum(self, axes: Axes, along: pd.Series, places: np.ndarray) -> None:
        """The shares added up from the top, and where they pass 80%."""
        axes.axvline(0.8, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.plot(
            along, places, color=charts.INK, marker="o", markersize=4, linewidth=1.2,
            label=_("Complaints, added up"),
        )  # fmt: skip
        axes.set_xlim(0, 1.02)

    # --- the words

    def reading(self) -> str:
        parts = []
        if self.counted:
            parts += [self._by_number(), self._vital("vital")]
        if self.costed:
            parts += [self._by_cost(), self._vital("cost_vital")]
        if self.counted and self.costed:
            parts += [self._dearer(), self._order()]
        elif self.cost_asked:
            parts.append(_("No cost is known, so the complaints are only counted."))
        parts += [self._few(), self._independent(), self._drawn(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = self.table.head(DRAWN)
        if self.counted and self.costed:
            parts = [
                _("{group} {share} of complaints, {cost_share} of cost").format(
                    group=self._name(place),
                    share=percent(row["share"]),
                    cost_share=percent(row["cost_part"]),
                )
                for place, (_index, row) in enumerate(rows.iterrows())
            ]
            return _(
                "Pairs of bars, the most frequent first, and the line of the complaints added up. "
                "{groups}."
            ).format(groups=_("; ").join(parts))
        value = "share" if self.counted else "cost_part"
        parts = [
            _("{group} {share}").format(group=self._name(place), share=percent(row[value]))
            for place, (_index, row) in enumerate(rows.iterrows())
        ]
        return _("Bars, the longest first, and the line of their sum. {groups}.").format(
            groups=_("; ").join(parts)
        )

    def _name(self, row: int) -> str:
        return group_name(self.by, self.table[self.by].iloc[row])

    def _costliest(self) -> int:
        return int(np.argmax(self.table["cost_part"].to_numpy()))

    def _by_number(self) -> str:
        row = self.table.iloc[0]
        count = int(self.table["complaints"].sum())
        said = ngettext(
            "{complaints} complaint, {period}. The most frequent is {group} with {share}. "
            "{intervals}",
            "{complaints} complaints, {period}. The most frequent is {group} with {share}. "
            "{intervals}",
            count,
        ).format(
            complaints=number(count),
            period=self.context.period(),
            share=_share(row, ("share", "low", "high")),
            group=self._name(0),
            intervals=intervals_in_brackets(self.confidence),
        )
        return f"{said} {self._stays(row['first_share'])}".rstrip()

    def _by_cost(self) -> str:
        place = self._costliest()
        row = self.table.iloc[place]
        texts = {
            True: _(
                "Handling and compensation cost {cost}; most costly is {group} with {share}. "
                "{intervals}"
            ),
            False: _("Handling and compensation cost {cost}; most costly is {group} with {share}."),
        }
        said = texts[not self.counted].format(
            cost=money(self.table["complaint_cost"].sum(), self.context.currency),
            group=self._name(place),
            share=_share(row, _COST),
            intervals=intervals_in_brackets(self.confidence),
        )
        parts = [said, self._stays(row["cost_first_share"]), self._rule(), self._unknown()]
        return " ".join(part for part in parts if part)

    def _stays(self, share: float) -> str:
        if len(self.table) < 2:
            return ""
        text = (
            _("Where customers are drawn again it stays first in {share} of the draws.")
            if self.clustered
            else _("Where complaints are drawn again it stays first in {share} of the draws.")
        )
        return text.format(share=percent(share, 0))

    def _rule(self) -> str:
        if not self.by_rule:
            return ""
        return ngettext(
            "Of {count} complaint the cost of handling is the minutes it took, times the "
            "workspace's cost of a minute.",
            "Of {count} complaints the cost of handling is the minutes they took, times the "
            "workspace's cost of a minute.",
            self.by_rule,
        ).format(count=number(self.by_rule))

    def _unknown(self) -> str:
        unknown = int(self.table["unknown"].sum())
        if not unknown:
            return ""
        return ngettext(
            "Of {count} complaint the cost is not known, so the true sum is higher.",
            "Of {count} complaints the cost is not known, so the true sum is higher.",
            unknown,
        ).format(count=number(unknown))

    def _vital(self, flag: str) -> str:
        if len(self.table) < 2:
            return ""
        order = "complaints" if flag == "vital" else "complaint_cost"
        rows = self.table.sort_values(order, ascending=False, kind="stable")
        names = [group_name(self.by, name) for name in rows.loc[rows[flag], self.by]]
        texts = {
            "vital": _("80% of the complaints are made up by {vital} of {groups} groups: {names}."),
            "cost_vital": _("80% of the cost is made up by {vital} of {groups} groups: {names}."),
        }
        return texts[flag].format(
            vital=number(len(names)), groups=number(len(self.table)), names=listed(names, NAMED)
        )

    def _dearer(self) -> str:
        if self.table["cost_apart"].isna().all():
            return _(
                "Whether any group costs more than its number would suggest is not judged: the "
                "groups are too many, or their customers too few."
            )
        apart = self.table[self.table["cost_apart"].fillna(False).astype(bool)]
        if apart.empty:
            return _(
                "For no group does the share of the cost differ from the share of the number by "
                "more than chance would bring about."
            )
        dearer = apart["cost_part"] > apart["share"]
        texts = (
            (apart[dearer], _("Costs more than its number would suggest: {groups}.")),
            (apart[~dearer], _("Costs less than its number would suggest: {groups}.")),
        )
        return " ".join(
            text.format(
                groups=listed([self._both_shares(row) for _index, row in rows.iterrows()], NAMED)
            )
            for rows, text in texts
            if len(rows)
        )

    def _both_shares(self, row: pd.Series) -> str:
        return _("{group} ({share} of the number, {cost_share} of the cost)").format(
            group=group_name(self.by, row[self.by]),
            share=percent(row["share"]),
            cost_share=percent(row["cost_part"]),
        )

    def _order(self) -> str:
        if len(self.table) < 2:
            return ""
        if not self.reversed:
            if self.table["cost_part_low"].notna().sum() < 2:
                return ""
            return _(
                "Count and cost do not disagree on the order of any two groups by more than chance "
                "would bring about."
            )
        named = [
            _("{often} before {costly}").format(often=self._name(one), costly=self._name(other))
            for one, other in self.reversed
        ]
        return _(
            "Count and cost disagree on the order by more than chance would bring about. By "
            "number, but not by cost: {pairs}."
        ).format(pairs=listed(named, NAMED))

    def _few(self) -> str:
        low = "low" if self.counted else "cost_part_low"
        few = self.table[self.table[low].isna()]
        if few.empty:
            return ""
        names = [group_name(self.by, name) for name in few[self.by]]
        return _("Too few customers for an interval or a comparison: {names}.").format(
            names=listed(names, NAMED)
        )

    def _drawn(self) -> str:
        if len(self.table) <= DRAWN:
            return ""
        return _("The picture shows the first {drawn} of {groups} groups.").format(
            drawn=number(DRAWN), groups=number(len(self.table))
        )

    def _independent(self) -> str:
        if self.clustered:
            return ""
        return _("No customer is given, so every complaint counts as independent of the others.")

    def _left_out(self) -> str:
        return left_out_words(self.left_out, nothing=_("No complaint of the period was left out."))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Complaints of the group, and the cost of their handling and compensation"),
            denominator=_("All complaints opened in the period for which the group is known"),
            period=self.context.period(),
            method=_(
                "Groups by {column}. {confidence} intervals by customers: Wilson's for the number, "
                "divided by the design effect, the studentised bootstrap for the cost. Number "
                "against cost by shuffling the costs among customers who complain as often; the "
                "order of two groups by t tests of both differences; both corrected for the number "
                "of comparisons (Holm)."
            ).format(column=shown(self.by).label, confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.left_out,
        )


_COST = ("cost_part", "cost_part_low", "cost_part_high")


def _bars(
    axes: Axes, rows: pd.DataFrame, names: tuple[str, str, str], places: np.ndarray,
    colours: list[str], height: float, label: str,
) -> None:  # fmt: skip
    value, low, high = (rows[name].to_numpy(float) for name in names)
    whiskers = np.nan_to_num(np.abs(np.stack([value - low, high - value])))
    axes.barh(
        places, value, color=colours, height=height, xerr=whiskers, label=label,
        error_kw={"ecolor": charts.INK, "capsize": 2, "linewidth": 1.2},
    )  # fmt: skip


def _share(row: pd.Series, names: tuple[str, str, str]) -> str:
    value, low, high = (row[name] for name in names)
    return with_interval(value, low, high, percent)
