"""Response times (响应时间): how soon complaints are answered, resolved and closed for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.steps import end_of, hours_words
from crmlab.complaints.waits import CONFIDENCE, FEWEST, To, Waits, curve_of, summary, waits
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import group_name
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered_log_rank import clustered_log_rank
from crmlab.stats.multiplicity import holding
from crmlab.stats.survival import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Hours within which it should be done, where nothing else is said.
TARGETS: dict[str, float] = {"first_response": 4.0, "resolution": 72.0, "closing": 72.0}
#: A picture shows so many groups, those of the most complaints; the table has all.
SHOWN = 6
#: With more groups than these, bands would hide each other.
BANDS = 3
#: Days before the end in which the newest complaints were opened.
RECENT = 14
#: Of fewer complaints of those days nothing is said by themselves.
FEW_RECENT = 20
COLOURS = (charts.BLUE, charts.ORANGE, "#009e73", "#cc79a7", charts.INK, "#e69f00")


@dataclass(frozen=True, repr=False)
class ResponseTimes(Result):
    """Result of `response_times`.

    Attributes
    ----------
    overall : pandas.Series
        As a row of `.table`, of all complaints together.
    curves : list of (object, pandas.DataFrame)
        By group, those of the most complaints, the fastest first; as from
        `crmlab.stats.recurrent.gap_curve`.
    to : str
    by : str
        Column of the groups; empty for none.
    target : float
        Hours.
    chance : float
        Probability of groups so different by chance; NaN where they are not compared.
    recent : pandas.Series
        As a row of `.table`, of the complaints opened in the last `RECENT` days; empty if none was.
    found : Waits
        The waits, and what was left out of them.
    """

    measure = "complaints.response_times"

    overall: pd.Series
    curves: list[tuple[Any, pd.DataFrame]]
    to: str
    by: str
    target: float
    chance: float
    recent: pd.Series
    found: Waits

    def main_columns(self) -> Sequence[str]:
        hidden = ["late_hours_low", "late_hours_high", "closed_late"]
        hidden += ["closed_median"] if self.by else []
        return [name for name in self.table.columns if name not in hidden]

    def title(self) -> str:
        ends = self._extremes()
        if ends is None:
            if self.by and self.chance == self.chance:
                return self._no_extremes()
            return _("{event}: half within {median}, nine in ten within {late}").format(
                event=_events()[self.to],
                median=_hours(self.overall["median_hours"]),
                late=_hours(self.overall["late_hours"]),
            )
        slow, fast = ends
        return _("{event}, median: {slowest} {slow}, {fastest} {fast}").format(
            event=_events()[self.to],
            slow=_median(slow["median_hours"]),
            slowest=group_name(self.by, slow[self.by]),
            fast=_median(fast["median_hours"]),
            fastest=group_name(self.by, fast[self.by]),
        )

    def _extremes(self) -> tuple[pd.Series, pd.Series] | None:
        """The slowest and the fastest of the groups that differ from the others."""
        if not self.by or not self.chance < 1 - CONFIDENCE:
            return None
        apart = self._apart()
        if apart["median_hours"].nunique(dropna=False) < 2:
            return None
        # The slowest first, as in the table; a median not reached is the slowest.
        return apart.iloc[0], apart.iloc[-1]

    def _apart(self) -> pd.DataFrame:
        return self.table[self.table["stands_out"].fillna(False).astype(bool)]

    def _no_extremes(self) -> str:
        """The title where no two groups can be named as the slowest and the fastest."""
        apart, group, median = self._apart(), "", ""
        if not self.chance < 1 - CONFIDENCE:
            said = _("{event}: no group waits longer by more than chance")
        elif apart.empty:
            said = _("{event}: the groups differ, but no single one from all others together")
        elif len(apart) > 1:
            said = _("{event}: the groups differ, but not in the median")
        else:
            said = _("{event}: {group} differs from the others, median: {median}")
            group = group_name(self.by, apart.iloc[0][self.by])
            median = _median(apart.iloc[0]["median_hours"])
        return said.format(event=_events()[self.to], group=group, median=median)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        last = 1.0
        for place, (name, curve) in enumerate(self.curves):
            colour = charts.LAYER_COLOURS.get(str(name), COLOURS[place % len(COLOURS)])
            label = group_name(self.by, name) if self.by else ""
            x = np.concatenate([[0.0], curve["time"]])
            y = np.concatenate([[0.0], 1 - curve["survival"]])
            axes.step(x, y, where="post", color=colour, label=label)
            if len(self.curves) <= BANDS:
                axes.fill_between(
                    curve["time"], 1 - curve["high"], 1 - curve["low"], step="post", color=colour,
                    alpha=0.15, linewidth=0,
                )  # fmt: skip
            reached = curve.loc[curve["survival"] <= 0.02, "time"]
            last = max(last, float(reached.iloc[0] if len(reached) else curve["time"].iloc[-1]))
        last = max(last, self.target * 1.1)
        for level in (0.5, 0.9):
            axes.axhline(level, color=charts.GRID, linewidth=1, zorder=0)
        axes.axvline(self.target, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.annotate(
            _("target {hours}").format(hours=_hours(self.target)), (self.target, 0.02),
            xytext=(4, 0), textcoords="offset points", color=charts.MUTED, fontsize=10,
        )  # fmt: skip
        axes.set_xlim(0, last)
        axes.set_ylim(0, 1)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Hours since the complaint was opened"))
        axes.set_ylabel(_("Share done so far"))
        if self.by:
            axes.legend(loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._waiting(),
            self._open(),
            self._newest(),
            self._groups(),
            self._drawn(),
            self._unknown(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = self.table.iterrows() if self.by else [(0, self.overall)]
        parts = [
            _("{group}: half within {median}, nine in ten within {late}").format(
                group=group_name(self.by, row[self.by]) if self.by else _("all complaints"),
                median=_hours(row["median_hours"]),
                late=_hours(row["late_hours"]),
            )
            for _index, row in rows
        ]
        return _(
            "Rising step curves of the share of complaints for which it is done. {groups}."
        ).format(groups=_("; ").join(parts))

    # --- the words

    def _waiting(self) -> str:
        row = self.overall
        said = _(
            "{event}, of {complaints}: half within {median}, nine in ten within {late}. Within "
            "{target}: {share}. {intervals}"
        ).format(
            event=_events()[self.to],
            complaints=ngettext(
                "{count} complaint", "{count} complaints", row["complaints"]
            ).format(count=number(row["complaints"])),
            median=_span(row, "median_hours"),
            late=_span(row, "late_hours"),
            target=_hours(self.target),
            share=_share(row),
            intervals=intervals_in_brackets(CONFIDENCE),
        )
        whole = int(self.found.frame["whole_days"].sum())
        if not whole:
            return said
        return f"{said} " + ngettext(
            "{count} wait is counted in whole days, as one of its times has no clock.",
            "{count} waits are counted in whole days, as one of the times has no clock.",
            whole,
        ).format(count=number(whole))

    def _open(self) -> str:
        if not self.overall["open"]:
            return _("No complaint was still waiting at the end of the last day.")
        if self.overall["open"] == self.overall["complaints"]:
            return _("All of them were still waiting at the end of the last day.")
        return ngettext(
            "{count} complaint was still waiting at the end of the last day; its wait counts as "
            "at least so long (censored). Leaving it out, half would be within {median} and nine "
            "in ten within {late}.",
            "{count} complaints were still waiting at the end of the last day; their waits count "
            "as at least so long (censored). Leaving them out, half would be within {median} and "
            "nine in ten within {late}.",
            self.overall["open"],
        ).format(
            count=number(self.overall["open"]),
            median=_hours(self.overall["closed_median"]),
            late=_hours(self.overall["closed_late"]),
        )

    def _newest(self) -> str:
        if not len(self.recent) or not 0 < self.recent["open"] < self.recent["complaints"]:
            return ""
        if self.recent["complaints"] < FEW_RECENT:
            return ""
        return _(
            "Where it matters: of the {complaints} opened in the last {days} days, still waiting: "
            "{open}. The curve says half within {median}, nine in ten within {late}; the closed "
            "ones alone say {closed_median} and {closed_late}. Slow complaints are missing among "
            "the closed ones just because they are slow."
        ).format(
            complaints=number(self.recent["complaints"]),
            days=number(RECENT),
            open=number(self.recent["open"]),
            median=_hours(self.recent["median_hours"]),
            late=_hours(self.recent["late_hours"]),
            closed_median=_hours(self.recent["closed_median"]),
            closed_late=_hours(self.recent["closed_late"]),
        )

    def _groups(self) -> str:
        if not self.by:
            return ""
        if np.isnan(self.chance):
            return _(
                "The groups cannot be compared: there are no two that have {fewest} customers each."
            ).format(fewest=number(FEWEST))
        chance = shown("probability").written(self.chance, "")
        if not self.chance < 1 - CONFIDENCE:
            return _(
                "The groups differ no more than chance may bring about (log-rank test, complaints "
                "of a customer as a cluster, probability {chance})."
            ).format(chance=chance)
        apart = self._apart()
        said = _(
            "The groups differ by more than chance would bring about (log-rank test, complaints of "
            "a customer as a cluster, probability {chance}). They differ in other things too, so "
            "this is an association."
        ).format(chance=chance)
        if apart.empty:
            return f"{said} " + _("No single group differs from all others together.")
        names = [
            _("{group} {median} ({share} within the target)").format(
                group=group_name(self.by, row[self.by]),
                median=_median(row["median_hours"]),
                share=percent(row["share"]),
            )
            for _index, row in apart.iterrows()
        ]
        return f"{said} " + _(
            "Different from the others together, allowing for all groups, with the median: {names}."
        ).format(names=_("; ").join(names))

    def _drawn(self) -> str:
        if len(self.table) == len(self.curves):
            return ""
        return _("The picture shows the {count} groups of the most complaints.").format(
            count=number(len(self.curves))
        )

    def _unknown(self) -> str:
        if not self.found.unknown:
            return ""
        known, row = self.overall["complaints"], self.overall
        within = row["share"] * known
        if within != within:
            return ngettext(
                "{count} complaint was left out: a later step is known, so it is not waiting, but "
                "not when this one was taken.",
                "{count} complaints were left out: a later step is known, so they are not waiting, "
                "but not when this one was taken.",
                self.found.unknown,
            ).format(count=number(self.found.unknown))
        return ngettext(
            "{count} complaint was left out: a later step is known, so it is not waiting, but not "
            "when this one was taken. Had it been late or in time, the share within {target} would "
            "be {low} or {high}.",
            "{count} complaints were left out: a later step is known, so they are not waiting, but "
            "not when this one was taken. Had all of them been late or all in time, the share "
            "within {target} would be {low} or {high}.",
            self.found.unknown,
        ).format(
            count=number(self.found.unknown),
            target=_hours(self.target),
            low=percent(within / (known + self.found.unknown)),
            high=percent((within + self.found.unknown) / (known + self.found.unknown)),
        )

    def _left_out(self) -> str:
        return left_out_words(self.found.exclusions(), nothing="")

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Hours from the opening of a complaint to: {event}").format(
                event=_events()[self.to]
            ),
            denominator=_("Complaints without suggestions, those still waiting among them"),
            period=self.context.period(),
            method=_(
                "Kaplan and Meier's curve; complaints still waiting are censored at the end of the "
                "last day. Median and 90% are read off the curve; intervals on the scale "
                "log(−log S) with the variance over customers (Ying and Wei 1994). Groups: "
                "log-rank scores summed over customers (Lin and Wei 1989), each group against the "
                "others corrected by Holm; groups of fewer than {fewest} customers are not judged."
            ).format(fewest=number(FEWEST)),
            source=self.context.source,
            exclusions=self.found.exclusions(),
        )


@measure(
    needs=[
        {"complaints": ["opened_at", "first_response_at"]},
        {"complaints": ["opened_at", "resolved_at"]},
    ]
)
def response_times(
    crm: Workspace,
    *,
    to: To = "first_response",
    by: str | None = None,
    target: float | None = None,
) -> ResponseTimes:
    """How soon complaints are answered or resolved, with those that still wait.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; first_response_at or resolved_at.
    to : {"first_response", "resolution", "closing"}
        What is waited for. A complaint opened again has its first resolution in ``"resolution"``
        and its last in ``"closing"``.
    by : str, optional
        A column of complaints, their orders, customers or owners (staff), such as ``"tier"``.
    target : float, optional
        Hours within which it should be done; 4 for the first answer, else 72.

    Returns
    -------
    ResponseTimes
        `.table` has a row per group (or one in all), the slowest first: the column of `by`,
        complaints, open (still waiting), median_hours and late_hours (nine in ten; missing where
        the curve does not get there), share (within the target), each with low and high,
        closed_median and closed_late (of the closed ones alone, which are too small); with `by`
        also stands_out (from the others together; missing under five customers).

    Raises
    ------
    CrmlabError
        If `to` is none of these, or `target` is not above 0.
    MissingColumns
        If the data have no such step.
    NotEnoughData
        If of no complaint anything is known.

    Notes
    -----
    An open complaint says that its wait is at least so long. Left out, the slow ones are missing
    just because they are slow. A complaint of which a later step is known does not wait any more;
    when its wait ended is not known, so it is left out and counted, with what it could change.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53, 457-481.
    Ying, Z. and Wei, L. J. (1994), Journal of Multivariate Analysis 50, 17-29.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": list("1234"), "customer_id": list("ABCD"),
    ...     "opened_at": ["2025-03-01 09:00"] * 3 + ["2025-03-31 09:00"],
    ...     "first_response_at": ["2025-03-01 10:00", "2025-03-01 11:00", "2025-03-01 12:00", None],
    ... })
    >>> found = response_times(from_frames({"complaints": complaints}, as_of="2025-03-31"))
    >>> found.table[["complaints", "open", "median_hours", "share"]]
       complaints  open  median_hours  share
    0           4     1           2.0   0.75
    """
    if target is not None and not target > 0:
        raise CrmlabError(_("target = {value} is no number of hours above 0.").format(value=target))
    found = waits(crm, to, by)
    by = by.rpartition(".")[2] if by else None
    frame, hours = found.frame, TARGETS[to] if target is None else float(target)
    overall = pd.Series(summary(frame, hours, CONFIDENCE))
    chance, table = np.nan, pd.DataFrame([overall])
    parts: list[tuple[Any, pd.DataFrame]] = [(None, frame)]
    if by:
        parts = list(frame.groupby(by, dropna=False, sort=True))
        table, chance = _by_group(frame, parts, by, hours)
    drawn = sorted(parts, key=lambda part: -len(part[1]))[:SHOWN]
    curves = [(name, curve_of(part, CONFIDENCE)) for name, part in drawn]
    # The fastest first, as the curves lie; one that does not reach the median last.
    curves.sort(key=lambda part: np.nan_to_num(quantile(part[1]).value, nan=np.inf))
    counts = ["complaints", "open"]
    table[counts] = table[counts].astype("int64")
    fresh = frame[frame["opened_at"] >= end_of(crm) - pd.Timedelta(days=RECENT)]
    return ResponseTimes(
        table,
        Context.of(crm),
        overall,
        curves,
        to,
        by or "",
        hours,
        chance,
        pd.Series(summary(fresh, hours, CONFIDENCE) if len(fresh) else {}, dtype=float),
        found,
    )


def _by_group(
    frame: pd.DataFrame, parts: list[tuple[Any, pd.DataFrame]], by: str, target: float
) -> tuple[pd.DataFrame, float]:
    """A row per group, and whether the groups that can be judged differ at all."""
    rows = [{by: name} | summary(part, target, CONFIDENCE) for name, part in parts]
    many = np.array([part["cluster"].nunique() >= FEWEST for _name, part in parts])
    group = frame.groupby(by, dropna=False, sort=True).ngroup().to_numpy()
    chances = [
        _chance(frame, group == place) if judged else np.nan for place, judged in enumerate(many)
    ]
    judged = many[group]
    chance = _chance(frame[judged], group[judged]) if many.sum() > 1 else np.nan
    # One group is only looked for where all of them together differ.
    apart = pd.Series(holding(chances, 1 - CONFIDENCE))
    apart = apart.where(apart.isna() | (chance < 1 - CONFIDENCE), False)
    table = pd.DataFrame(rows).assign(stands_out=apart)
    table = table.sort_values("median_hours", ascending=False, kind="stable", na_position="first")
    return table.reset_index(drop=True), chance


def _chance(frame: pd.DataFrame, group: Any) -> float:
    try:
        return clustered_log_rank(frame["hours"], frame["ended"], group, frame["cluster"])
    except NotEnoughData:
        return float("nan")


def _events() -> dict[str, str]:
    return {
        "first_response": _("First answer"),
        "resolution": _("Resolution"),
        "closing": _("Final closing"),
    }


def _hours(value: float) -> str:
    """A time in hours, or in minutes where it is less than one."""
    if value != value:
        return _("a time not reached")
    return hours_words(value) if value < 1 else _in_hours(value, _digits(value))


def _in_hours(value: float, digits: int) -> str:
    return ngettext("{hours} hour", "{hours} hours", 1 if value == 1 and not digits else 2).format(
        hours=number(value, digits)
    )


def _median(value: float) -> str:
    """A median where the sentence does not begin with "half within"."""
    return _("not reached by half of them") if value != value else _hours(value)


def _digits(*values: float) -> int:
    """Digits after the point: none for large or for whole hours; the first decides on large."""
    return int(values[0] < 100 and any(value != round(value) for value in values))


def _span(row: pd.Series, name: str) -> str:
    """A time with its interval in one unit, with one number of digits.

    The upper end may not be reached.
    """
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if low != low:
        return _hours(value)
    if high != high:
        return _("{value} (from {low})").format(value=_hours(value), low=_hours(low))
    if (low < 1) != (high < 1):
        return with_interval(value, low, high, _hours)
    if high < 1:
        said, low, high, digits = _hours(value), 60 * low, 60 * high, 0
    else:
        digits = _digits(value, low, high)
        said = _in_hours(value, digits)
    return _("{value} ({low} to {high})").format(
        value=said, low=number(low, digits), high=number(high, digits)
    )


def _share(row: pd.Series) -> str:
    if row["share"] != row["share"]:
        return _("not known, as the curve does not get so far")
    return with_interval(row["share"], row["low"], row["high"], percent)
