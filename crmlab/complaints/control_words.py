"""The picture and the words of a control chart of complaints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.series import Choice, Gathered, choice_words
from crmlab.language import _, day, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import group_name, record_names
from crmlab.show.result import Definition, Result, left_out_words
from crmlab.stats.control_charts import Chart, Limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

#: Signals whose date stands in the picture, and those named in a sentence.
DATED = 5
NAMED = 6
#: With fewer expected events in a point the normal law's limits are crude.
FEW = 5
#: Of limits that rest on fewer points it is said that they say little.
FEW_POINTS = 12
#: A probability below this is not put down to chance.
LEVEL = 0.05


@dataclass(frozen=True)
class Dispersion:
    """How much more the points of phase I vary than their law says.

    Attributes
    ----------
    ratio : float
        Sum of z² over its degrees of freedom: 1 by the law.
    chance : float
        Probability of so much or more by the law alone.
    sigma : float
        Laney's σz, from neighbours: 1 by the law.
    other : int
        Signals with limits by the law if they were widened, and the other way round.
    """

    ratio: float
    chance: float
    sigma: float
    other: int


@dataclass(frozen=True, repr=False)
class ControlChart(Result):
    """Result of `control`.

    Attributes
    ----------
    chart, every, share : str
        As asked for; share is empty unless shares are charted.
    of, where : mapping or None
    laney : bool
    rules : tuple of str
    control : crmlab.stats.control_charts.Chart
        Its `.limits` can be saved and held for later.
    gathered : Gathered
    dispersion : Dispersion or None
        None where the chart has no law, or no phase I.
    alarms : pandas.DataFrame
        A row per rule and one for all (``"any"``): rule, signals (points that break it), points (of
        them to be expected by chance alone), charts (share of charts with one or more by chance).
    excess : pandas.DataFrame
        A row per cause, the largest first: cause, more (complaints at the signals above the centre,
        less those that phase I leads one to expect); empty where it cannot be told.
    skipped : int
        Periods without a point, as there was nothing to divide by.
    held : bool
        Whether the limits were given.
    """

    measure = "complaints.control"

    chart: str
    every: str
    share: str
    of: Choice
    where: Choice
    laney: bool
    rules: tuple[str, ...]
    control: Chart
    gathered: Gathered
    dispersion: Dispersion | None
    alarms: pd.DataFrame
    excess: pd.DataFrame
    skipped: int
    held: bool

    @property
    def limits(self) -> Limits:
        """What the limits are made of: `.save` writes them to a file."""
        return self.control.limits

    def formats(self) -> Mapping[str, str]:
        written = "percent" if self.share else "number1"
        return dict.fromkeys(["low", "high", "centre", "lower", "upper"], written)

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"rule": {one: self.rules_words(one) for one in self.table["rule"].unique()}}

    def main_columns(self) -> Sequence[str]:
        size = {"p": "cases", "c": ""}.get(self.chart, "cases" if self.share else "orders")
        counts = "" if self.chart == "c" else "complaints"
        shown = ["begins_on", counts, size, self.value, "lower", "centre", "upper", "rule"]
        return [name for name in shown if name]

    def title(self) -> str:
        name = choice_words(self.of, self.where)
        figure = _("{figure} ({name})").format(figure=self.figure(), name=name)
        figure = figure if name else self.figure()
        later = self.signals(2)
        if not (self.table["phase"] == 2).any():
            return _("{figure}: {count} points, all of them phase I").format(
                figure=figure, count=number(len(self.table))
            )
        early = len(self.signals(1))
        if later.empty and early:
            return ngettext(
                "{figure}: {count} signal in phase I, none after it",
                "{figure}: {count} signals in phase I, none after it",
                early,
            ).format(figure=figure, count=number(early))
        if later.empty:
            return _("{figure}: no signal after phase I").format(figure=figure)
        return ngettext(
            "{figure}: {count} signal after phase I, in {first}",
            "{figure}: {count} signals after phase I, the first in {first}",
            len(later),
        ).format(
            figure=figure, count=number(len(later)), first=self.named(later["begins_on"].iloc[0])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.dates import date2num

        axes = charts.new_axes(ax)
        days = np.asarray(date2num(self.table["begins_on"]), float)
        value = self.table[self.value].to_numpy(float)
        axes.xaxis_date()
        self._shade(axes, days)
        for side in ("lower", "upper"):
            axes.step(days, self.table[side], where="mid", color=charts.MUTED, linewidth=1)
        axes.plot(days, self.table["centre"], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.plot(days, value, color=charts.BLUE, marker="o", markersize=3, linewidth=1.2)
        top = max(value.max(), float(self.table["upper"].max()))
        axes.set_ylim(0, top * 1.15)
        self._name_lines(axes, top)
        self._mark(axes, days, value)
        charts.date_axis(axes.xaxis)
        if self.share:
            axes.set_ylim(0, min(1.05, top * 1.15))
            charts.share_axis(axes.yaxis)
        axes.set_ylabel(charts.wrapped(self.axis(), 38))
        charts.set_title(axes, self.title())
        return axes

    def _shade(self, axes: Axes, days: Array) -> None:
        first = self.table["phase"].to_numpy() == 1
        if not first.any() or first.all():
            return
        axes.axvspan(days[first][0], days[first][-1], color=charts.GRID, alpha=0.6, zorder=0)
        axes.annotate(
            _("phase I"), (days[first][0], 0.985), xycoords=axes.get_xaxis_transform(),
            xytext=(4, 0), textcoords="offset points", va="top", color=charts.MUTED, fontsize=9,
        )  # fmt: skip

    def _name_lines(self, axes: Axes, top: float) -> None:
        """The centre and the limits by name at their right end, unless they lie too close."""
        last = self.table.iloc[-1]
        for side in ("centre", "lower", "upper"):
            if side != "centre" and abs(last[side] - last["centre"]) < 0.06 * top:
                continue
            axes.annotate(
                shown(side).label, (1, last[side]), xycoords=("axes fraction", "data"),
                xytext=(3, 0), textcoords="offset points", va="center", color=charts.MUTED,
                fontsize=9,
            )  # fmt: skip

    def _mark(self, axes: Axes, days: Array, value: Array) -> None:
        """Signals in orange, the farthest with their date as far as there is room."""
        out = np.flatnonzero(self.table["signal"])
        axes.scatter(days[out], value[out], color=charts.ORANGE, s=28, zorder=4)
        z = self.table["z"].to_numpy(float)
        width = np.ptp(days) if len(days) > 1 else 1.0
        written: list[float] = []
        for place in out[np.argsort(-np.abs(z[out]), kind="stable")]:
            near = [other for other in written if abs(days[place] - other) < width * 0.11]
            if near or len(written) == DATED:
                continue
            written.append(float(days[place]))
            above = z[place] > 0
            axes.annotate(
                self.named(self.table["begins_on"].iloc[place], short=True),
                (days[place], value[place]), xytext=(0, 6 if above else -6),
                textcoords="offset points", ha="center", va="bottom" if above else "top",
                color=charts.ORANGE, fontsize=9,
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )  # fmt: skip

    def reading(self) -> str:
        parts = [
            self._basis(), self._within(), self._later(), self._made_of(), self._by_chance(),
            self._spread(), self._few(), self._left_out(),
        ]  # fmt: skip
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        out = self.table[self.table["signal"]]
        said = _(
            "Line of {count} points from {first} to {last}, {figure}, between stepped limits; "
            "centre {centre}."
        ).format(
            count=number(len(self.table)),
            first=self.named(self.table["begins_on"].iloc[0]),
            last=self.named(self.table["begins_on"].iloc[-1]),
            figure=self.axis(),
            centre=self.written(self.limits.centre),
        )
        if out.empty:
            return said
        return said + " " + _("Marked: {points}.").format(points=self._points(out))

    # --- names and numbers

    @property
    def value(self) -> str:
        """Column of the points."""
        if self.chart == "c":
            return "complaints"
        return "share" if self.share else "per_1000"

    def figure(self) -> str:
        """What is charted."""
        if self.share == "in_time":
            return _("Complaints resolved in the time promised")
        if self.share == "first_contact":
            return _("Complaints resolved at first contact")
        if self.chart == "c":
            return _("Complaints a week") if self.every == "week" else _("Complaints a month")
        return _("Complaints per 1,000 {records}").format(
            records=record_names(self.gathered.record)
        )

    def axis(self) -> str:
        """The same, as it stands at the axis."""
        if self.chart == "ewma":
            return _("Moving average: {figure}").format(figure=self.figure())
        return self.figure()

    def named(self, begins: Any, *, short: bool = False) -> str:
        """A point by the day it begins on, or its month."""
        if self.every == "month":
            return f"{begins:%Y-%m}"
        if short:
            return f"{begins:%m-%d}"
        return _("the week from {day}").format(day=day(begins))

    def written(self, value: float) -> str:
        """A value of the chart."""
        return percent(value) if self.share else number(value, 1)

    def signals(self, phase: int) -> pd.DataFrame:
        """Points of a phase that break a rule."""
        return self.table[self.table["signal"] & (self.table["phase"] == phase)]

    def rules_words(self, names: str) -> str:
        """Names of rules, as they are joined in the table, in words."""
        known = rule_names()
        parts = [known[name] for name in names.split(", ") if name]
        return _(" and ").join(parts) if parts else "–"

    def _points(self, rows: pd.DataFrame) -> str:
        parts = []
        for _index, row in rows.head(NAMED).iterrows():
            text = _("{point} {value} (above: {rule})")
            if row["z"] < 0:
                text = _("{point} {value} (below: {rule})")
            parts.append(
                text.format(
                    point=self.named(row["begins_on"]),
                    value=self.written(row[self.value]),
                    rule=rule_names()[row["rule"].split(", ")[0]],
                )
            )
        if len(rows) > NAMED:
            more = len(rows) - NAMED
            parts.append(
                ngettext("{count} further point", "{count} further points", more).format(
                    count=number(more)
                )
            )
        return _("; ").join(parts)

    # --- the sentences

    def _basis(self) -> str:
        first = self.table[self.table["phase"] == 1]
        if self.held:
            return _(
                "The limits were given and rest on {points} points of an earlier time: centre "
                "{centre}. Nothing of the points below went into them."
            ).format(points=number(self.limits.points), centre=self.written(self.limits.centre))
        return _(
            "Phase I, on which the limits rest, are the {points} points from {first} to {last}: "
            "centre {centre}. {constant} The limits are held for all later points."
        ).format(
            points=number(len(first)),
            first=self.named(first["begins_on"].iloc[0]),
            last=self.named(first["begins_on"].iloc[-1]),
            centre=self.written(self.limits.centre),
            constant=self._constant(),
        )

    def _constant(self) -> str:
        limits = self.limits
        if self.chart == "individuals":
            return _(
                "Limits: 3 times the mean range of two neighbours over d2 = 1.128, on either side."
            )
        if self.chart == "ewma":
            return _("λ = {smoothing}; limits {width} standard errors off the centre.").format(
                smoothing=number(limits.smoothing, 2), width=number(limits.width, 1)
            )
        law = {
            "u": _("Limits: 3 times the root of the centre over the orders, in thousands."),
            "c": _("Limits: 3 times the root of the centre."),
            "p": _("Limits: 3 standard errors by the binomial law."),
        }[self.chart]
        if not self.laney:
            return law
        return (
            law
            + " "
            + _("They are multiplied by Laney's σz = {sigma}.").format(
                sigma=number(limits.sigma, 2)
            )
        )

    def _within(self) -> str:
        if self.held:
            return ""
        own = self.signals(1)
        count = int((self.table["phase"] == 1).sum())
        if own.empty and count < FEW_POINTS:
            return _(
                "No point of phase I breaks a rule, but limits that rest on {count} points say "
                "little. Twenty or more are usual."
            ).format(count=number(count))
        if own.empty:
            return _("No point of phase I breaks a rule, so it may serve as a standard.")
        return _(
            "In phase I itself these points break a rule: {points}. Find out why before the limits "
            "are used."
        ).format(points=self._points(own))

    def _later(self) -> str:
        if not (self.table["phase"] == 2).any():
            return _("All points are phase I; a chart is of use when later ones are added.")
        later = self.signals(2)
        if later.empty:
            return _("No later point breaks a rule: a change, if there was one, is not seen.")
        return _(
            "Later points that break a rule: {points}. The chart says that something changed and "
            "about when, not what."
        ).format(points=self._points(later))

    def _made_of(self) -> str:
        more = self.excess[self.excess["more"] > 0]
        if more.empty:
            return ""
        first = more.iloc[0]
        return _(
            "At the points above the centre that break a rule there were {all} complaints more of "
            "some causes than phase I leads one to expect; the largest part, {part}, is {cause}."
        ).format(
            all=number(more["more"].sum()),
            part=number(first["more"]),
            cause=group_name("cause", first["cause"]),
        )

    def _by_chance(self) -> str:
        whole = self.alarms.iloc[-1]
        said = _(
            "If nothing ever changed, such a chart of {count} points with these rules would have "
            "{points} signals on the average, and {share} of such charts at least one. This one "
            "has {signals}."
        ).format(
            count=number(len(self.table)),
            points=number(whole["points"], 1),
            share=percent(whole["charts"], 0),
            signals=number(whole["signals"]),
        )
        if len(self.alarms) < 3:
            return said
        known = rule_names()
        parts = [
            _("{rule}: {signals}, by chance {points}").format(
                rule=known[row["rule"]],
                signals=number(row["signals"]),
                points=number(row["points"], 1),
            )
            for _index, row in self.alarms.iloc[:-1].iterrows()
        ]
        return said + " " + _("By rule: {parts}.").format(parts=_("; ").join(parts))

    def _spread(self) -> str:
        found = self.dispersion
        if found is None:
            return ""
        if found.chance < LEVEL and found.ratio > 1:
            text = _(
                "In phase I the points vary more than chance alone would make them: {ratio} times "
                "the variance ({chance}); Laney's σz, from neighbouring points, is {sigma}."
            )
        else:
            text = _(
                "In phase I the points vary no more than chance would make them: {ratio} times the "
                "variance ({chance}); Laney's σz, from neighbouring points, is {sigma}."
            )
        said = text.format(
            ratio=number(found.ratio, 2),
            chance=_("p < 0.001")
            if found.chance < 0.001
            else _("p = {chance}").format(chance=number(found.chance, 3)),
            sigma=number(found.sigma, 2),
        )
        if found.other < 0 or (not self.laney and found.sigma <= 1):
            return said
        if found.other == len(self.control.signals):
            return said + " " + _("With or without σz there are as many signals.")
        if self.laney:
            other = ngettext(
                "With limits not widened there would be {other} signal, not {signals}.",
                "With limits not widened there would be {other} signals, not {signals}.",
                found.other,
            )
        else:
            other = ngettext(
                "With limits multiplied by σz there would be {other} signal, not {signals}.",
                "With limits multiplied by σz there would be {other} signals, not {signals}.",
                found.other,
            )
        signals = number(len(self.control.signals))
        return said + " " + other.format(other=number(found.other), signals=signals)

    def _few(self) -> str:
        if self.chart not in ("u", "c", "p"):
            return ""
        centre = self.limits.centre
        rarer = min(centre, 1 - centre) if self.chart == "p" else centre
        expected = float((rarer * self.control.frame["n"]).median())
        if expected >= FEW:
            return ""
        if self.chart == "p":
            return _(
                "Half of the points have {expected} or fewer expected cases of the rarer outcome. "
                "So few do not follow the normal law that the limits come from: false signals are "
                "more frequent. Take months, or more places together."
            ).format(expected=number(expected, 1))
        return _(
            "Half of the points have {expected} or fewer expected events. So few do not follow the "
            "normal law that the limits come from: false signals above are more frequent, and "
            "below the centre there may be no limit. Take months, or more places together."
        ).format(expected=number(expected, 1))

    def _left_out(self) -> str:
        said = [self._dating(), left_out_words(self.gathered.exclusions)]
        if self.skipped:
            said.append(
                ngettext(
                    "{count} period has no point, as there was nothing to divide by.",
                    "{count} periods have no point, as there was nothing to divide by.",
                    self.skipped,
                ).format(count=number(self.skipped))
            )
        return " ".join(one for one in said if one)

    def _dating(self) -> str:
        if self.value == "per_1000" or self.gathered.dated == "ordered":
            return self.gathered.dating()
        return _("A complaint counts when it was opened.")

    def _define(self) -> Definition:
        texts = {
            "in_time": _("Complaints resolved by the time promised"),
            "first_contact": _("Complaints resolved at first contact"),
            "": _("Complaints opened in the period, suggestions apart"),
        }
        whole = _("Orders placed in the period, in thousands")
        if self.share:
            whole = _("Complaints opened in the period of which that is known")
        if self.chart == "c":
            whole = _("None: the periods are taken to be alike")
        name = choice_words(self.of, self.where)
        numerator = texts[self.share]
        return Definition(
            numerator=_("{figure} ({name})").format(figure=numerator, name=name)
            if name
            else numerator,
            denominator=whole,
            period=self.context.period(),
            method=_(
                "{constant} Run rules: {rules}. Low and high are the 95% interval of a point by "
                "itself, not the chart's limits. Periods that are not whole have no point. {dated} "
                "False signals are counted on drawn charts on which nothing changes."
            ).format(constant=self._constant(), rules=", ".join(self.rules), dated=self._dating()),
            source=self.context.source,
            exclusions=self.gathered.exclusions,
        )


def rule_names() -> dict[str, str]:
    """The run rules in words."""
    two, four = (
        _("two of three beyond 2 standard errors"),
        _("four of five beyond 1 standard error"),
    )
    return {
        "western_1": _("beyond the limits"),
        "western_2": two,
        "western_3": four,
        "western_4": _("eight in a row on one side"),
        "nelson_1": _("beyond the limits"),
        "nelson_2": _("nine in a row on one side"),
        "nelson_3": _("six in a row rising or falling"),
        "nelson_4": _("fourteen in a row up and down by turns"),
        "nelson_5": two,
        "nelson_6": four,
        "nelson_7": _("fifteen in a row within 1 standard error"),
        "nelson_8": _("eight in a row beyond 1 standard error, on either side"),
        "any": _("any of them"),
    }
