"""Closing the loop: are dissatisfied customers told what was improved (将改进措施反馈给客户)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data.questionnaires import part_of
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.responses import clusters, excluded, facts
from crmlab.show import charts
from crmlab.show.groups import group_name, those_apart
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The query looks so many days ahead.
FARTHEST = 90
#: A group of fewer customers is shown and not judged.
FEWEST = 5
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class ClosedLoop(Result):
    """Result of `closed_loop`.

    Attributes
    ----------
    overall : pandas.Series
        As a row of `.table`, of all dissatisfied answers together.
    days : pandas.Series
        Days to the contact of those told in time, by response_id.
    by : str
        Column of the groups; empty for none.
    within : int
        Days that count as in time.
    open : int
        Answers whose days were not over by the last day; they are left out.
    open_told : int
        Of these, customers who have been told already.
    part : str
        With groups: what the answers are a sample of, in words; empty if they are all.
    """

    measure = "satisfaction.closed_loop"

    overall: pd.Series
    days: pd.Series
    by: str
    within: int
    open: int
    open_told: int
    part: str

    def title(self) -> str:
        return _("{share} of dissatisfied answers were followed up within {days} days").format(
            share=percent(self.overall["share"], 0), days=number(self.within)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        if self.by:
            self._draw_groups(axes)
        else:
            self._draw_days(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_days(self, axes: Axes) -> None:
        days = np.sort(self.days.to_numpy())
        answers = self.overall["answers"]
        x = np.concatenate([[0.0], days, [self.within]])
        y = np.concatenate([[0.0], np.arange(1, len(days) + 1), [len(days)]]) / answers
        axes.step(x, y, where="post", color=charts.BLUE)
        axes.vlines(
            self.within, self.overall["low"], self.overall["high"], color=charts.ORANGE,
            linewidth=3, clip_on=False,
        )  # fmt: skip
        axes.set_xlim(0, self.within * 1.01)
        axes.set_ylim(0, 1)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Days since the answer; at the right the 95% interval"))
        axes.set_ylabel(_("Share told so far"))

    def _draw_groups(self, axes: Axes) -> None:
        known = self.table.dropna(subset=["share"])
        places = np.arange(len(known))[::-1]
        colours = [charts.LAYER_COLOURS.get(str(name), charts.BLUE) for name in known[self.by]]
        whiskers = np.abs(known[["low", "high"]].to_numpy().T - known["share"].to_numpy())
        axes.barh(
            places, known["share"], color=colours, height=0.6, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5},
        )  # fmt: skip
        axes.set_yticks(places, [group_name(self.by, value) for value in known[self.by]])
        axes.set_xlim(0, 1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share told in time, with 95% interval"))

    def reading(self) -> str:
        parts = [self._share(), self._how_long(), self._groups(), self.part, self._still_open()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if not self.by:
            return _(
                "Rising curve of the share of dissatisfied customers told so far; it reaches "
                "{share} ({low} to {high}) after {days} days."
            ).format(days=number(self.within), **self._written(self.overall))
        parts = [
            _("{group} {share} ({low} to {high})").format(
                group=group_name(self.by, row[self.by]), **self._written(row)
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Bars of the share told in time. {groups}.").format(groups=_("; ").join(parts))

    # --- the words

    @staticmethod
    def _written(row: pd.Series) -> dict[str, str]:
        return {name: percent(row[name]) for name in ("share", "low", "high")}

    def _share(self) -> str:
        return _(
            "Of {answers} answers of 1 or 2 points, {told} were followed within {days} days by a "
            "contact of ours about it: {share} ({low} to {high}). {intervals}"
        ).format(
            answers=number(self.overall["answers"]),
            told=number(self.overall["told_in_time"]),
            days=number(self.within),
            intervals=intervals_in_brackets(CONFIDENCE),
            **self._written(self.overall),
        )

    def _how_long(self) -> str:
        if not len(self.days):
            return ""
        return _(
            "Where it was made in time, half of the contacts came within {median} days, nine in "
            "ten within {late}."
        ).format(median=number(self.days.median(), 1), late=number(self.days.quantile(0.9), 1))

    def _groups(self) -> str:
        if not self.by:
            return ""
        if self.table["stands_out"].isna().all():
            return _(
                "Whether groups differ cannot be told: there is but one, or none has answers of "
                "{fewest} customers and others to compare them with."
            ).format(fewest=number(FEWEST))
        return those_apart(self.table, self.by, len(self.table))

    def _still_open(self) -> str:
        if not self.open:
            return _("Every answer was old enough to be judged.")
        return ngettext(
            "Left out is {count} answer so recent that its days are not over; of these, {told} has "
            "been told already.",
            "Left out are {count} answers so recent that their days are not over; of these, {told} "
            "have been told already.",
            self.open,
        ).format(count=number(self.open), told=number(self.open_told))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, answers followed in time by a contact of ours about it"),
            denominator=_("Answers of 1 or 2 points in any mode whose days were over"),
            period=self.context.period(),
            method=_(
                "A contact counts if its purpose is recovery or follow-up, if it is about the same "
                "order or about none, and if it neither belongs to a complaint nor answers a "
                "question. What was said in it is not seen. 95% Wilson intervals, answers of one "
                "customer as a cluster; groups against the others by t intervals corrected for "
                "their number (Bonferroni)."
            ),
            source=self.context.source,
            exclusions=excluded({_("days to answer not over"): self.open}),
        )


@measure(
    needs={
        "surveys": ["response_id", "customer_id", "overall", "answered_at"],
        "contacts": ["customer_id", "contacted_at", "direction", "purpose"],
    }
)
def closed_loop(crm: Workspace, *, by: str | None = None, within: int = 10) -> ClosedLoop:
    """What share of dissatisfied customers is told what was improved, and how soon.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, overall, answered_at; contacts: customer_id,
        contacted_at, direction, purpose.
    by : str, optional
        What makes the groups: a column of customers or orders as in `facts`, such as ``"tier"``,
        ``"account_manager"`` or ``"region"``.
    within : int
        Days from the answer that count as in time, at most 90.

    Returns
    -------
    ClosedLoop
        `.table` has a row per group (or one in all), the lowest share first: the column of `by`,
        answers (of 1 or 2 points), told_in_time, share, low, high, days (median to the contact),
        and with `by` also stands_out (from the others together; missing where it has fewer than
        five customers, or the others are a single one).

    Raises
    ------
    CrmlabError
        If `within` is not from 1 to 90.
    NotEnoughData
        If there is no dissatisfied answer whose days are over, or the column of `by` is not known.

    Notes
    -----
    All modes of asking count, and no weights: it is these customers who are owed an answer, not
    those they stand for. An answer younger than `within` days at the end of the data is left out
    whether told or not; to count the told ones alone would raise the share.

    References
    ----------
    Markey, R., Reichheld, F. and Dullweber, A. (2009), Harvard Business Review 87(12), 43-47.
    """
    if not 1 <= within <= FARTHEST:
        raise CrmlabError(
            _("within = {value} is not from 1 to {farthest} days.").format(
                value=within, farthest=FARTHEST
            )
        )
    # What is known of very many questionnaires is known of those of a sample of customers.
    workspace, part = part_of(crm) if by else (crm, "")
    answers = _answers(workspace, within)
    due = answers[answers["due"]].reset_index(drop=True)
    if due.empty:
        raise NotEnoughData(
            _("No dissatisfied answer is older than {days} days, so nothing can be said.").format(
                days=number(within)
            )
        )
    overall = pd.Series(_row(due))
    table = pd.DataFrame([overall]) if by is None else _by_group(crm, due, by)
    table[["answers", "told_in_time"]] = table[["answers", "told_in_time"]].astype("int64")
    fresh = answers[~answers["due"]]
    return ClosedLoop(
        table,
        Context.of(crm),
        overall,
        due.loc[due["told"], ["response_id", "days"]].set_index("response_id")["days"],
        by or "",
        within,
        len(fresh),
        int(fresh["told"].sum()),
        part,
    )


def _answers(crm: Workspace, within: int) -> pd.DataFrame:
    """The dissatisfied answers: days to the contact, told in time, and whether they are due."""
    found = crm.query("dissatisfied_answers")
    days = (found["told_at"] - found["answered_at"]) / pd.Timedelta(days=1)
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    return found.assign(
        days=days,
        told=days <= within,
        due=found["answered_at"] + pd.Timedelta(days=within) < end,
        cluster=clusters(found),
    )


def _row(part: pd.DataFrame) -> dict[str, Any]:
    share = weighted.share(part["told"], clusters=part["cluster"], confidence=CONFIDENCE)
    return {
        "answers": len(part),
        "told_in_time": int(part["told"].sum()),
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "days": part.loc[part["told"], "days"].median(),
    }


def _by_group(crm: Workspace, due: pd.DataFrame, by: str) -> pd.DataFrame:
    known = facts(crm)
    names: Sequence[str] = [name for name in known if known[name].notna().any()]
    if by not in names:
        raise NotEnoughData(
            _("Nothing is known of {column}; the answers can be grouped by: {names}.").format(
                column=by, names=_(", ").join(names) or _("none")
            )
        )
    group = due["response_id"].map(known[by])
    parts = list(due.groupby(group, dropna=False))
    rows = [
        {by: name} | _row(part) | {"stands_out": _differs(due, part, len(parts))}
        for name, part in parts
    ]
    table = pd.DataFrame(rows).astype({"stands_out": "boolean"})
    return table.sort_values(["share", by], ignore_index=True)


def _differs(due: pd.DataFrame, part: pd.DataFrame, groups: int) -> bool | None:
    """Whether the group's share differs from that of all others together."""
    inside = due.index.isin(part.index)
    if part["cluster"].nunique() < FEWEST or inside.all():
        return None
    level = 1 - (1 - CONFIDENCE) / groups
    apart = weighted.difference(
        due["told"].astype(float), inside, ~inside, clusters=due["cluster"], confidence=level
    )
    if np.isnan(apart.low):  # the others are a single customer
        return None
    return bool(apart.low > 0 or apart.high < 0)
