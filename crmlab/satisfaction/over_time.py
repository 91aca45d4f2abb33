"""Satisfaction over time as a control chart (控制图): what changed, and what only jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    excluded,
    grouped_by,
    questionnaires_left_out,
    responses,
    weighed,
)
from crmlab.satisfaction.scores import SATISFIED
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Exclusion, Result, measure
from crmlab.stats import weighted
from crmlab.stats.clustered import Estimate
from crmlab.stats.control_charts import Chart, broken_rules, ewma, p_chart, xbar_s

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Charts without any change that are drawn to count false signals.
CHARTS = 2000
#: Batches named in the reading.
NAMED = 6


@dataclass(frozen=True)
class Rated:
    """Answered questionnaires that say how satisfied the customer is overall.

    Attributes
    ----------
    frame : pandas.DataFrame
        As in `Responses`, with overall known and a weight above 0.
    found : Responses
    unrated : int
        Answered, but without overall satisfaction.
    """

    frame: pd.DataFrame
    found: Responses
    unrated: int

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        own = excluded({_("overall satisfaction not given"): self.unrated})
        return (*self.found.exclusions(), *own)

    def sentence(self) -> str:
        """What is left out, in a sentence."""
        return questionnaires_left_out(self.exclusions(), self.found.part)


def rated(crm: Workspace) -> Rated:
    """The answered questionnaires with overall satisfaction.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, overall.

    Returns
    -------
    Rated

    Raises
    ------
    NotEnoughData
        If no questionnaire says how satisfied the customer is.
    """
    found = weighed(responses(crm))
    known = found.frame["overall"].notna()
    frame = found.frame[known].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(_("No questionnaire says how satisfied the customer is overall."))
    frame["overall"] = frame["overall"].astype(float)
    return Rated(frame, found, int((~known).sum()))


@dataclass(frozen=True, repr=False)
class SatisfactionChart(Result):
    """Result of `satisfaction_chart`.

    Attributes
    ----------
    figure : str
        ``"mean"`` or ``"top_two"``: what is charted.
    chart : str
        ``"batches"`` or ``"ewma"``.
    control : crmlab.stats.control_charts.Chart
        Its `.limits` can be saved and held for the batches to come.
    change : Estimate
        The figure after phase I less that of phase I; NaN if nothing comes after.
    rated : Rated
    undated : int
        Answers of which the batch is not known.
    gaps : tuple of str
        Months between the first and the last without an answer; they have no point.
    """

    measure = "satisfaction.satisfaction_chart"

    figure: str
    chart: str
    control: Chart
    change: Estimate
    rated: Rated
    undated: int
    gaps: tuple[str, ...]

    def formats(self) -> Mapping[str, str]:
        written = "percent" if self.figure == "top_two" else "number"
        return dict.fromkeys(["satisfaction", "low", "high", "centre", "lower", "upper"], written)

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"rule": _rule_names()}

    def main_columns(self) -> Sequence[str]:
        interval = [] if self.chart == "ewma" else ["low", "high"]
        return ["batch", "answers", "satisfaction", *interval, "lower", "upper", "rule"]

    def title(self) -> str:
        if not (self.table["phase"] == 2).any():
            return _("{figure}: {count} batches, all of them phase I").format(
                figure=self._figure(), count=number(len(self.table))
            )
        later = self._later_signals()
        if later.empty:
            return _("{figure}: no signal after phase I").format(figure=self._figure())
        return ngettext(
            "{figure}: {count} signal after phase I, in {first}",
            "{figure}: {count} signals after phase I, the first in {first}",
            len(later),
        ).format(figure=self._figure(), count=number(len(later)), first=later["batch"].iloc[0])

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.table))
        axes.fill_between(
            places, self.table["lower"], self.table["upper"], step="mid", color=charts.GRID
        )
        axes.plot(places, self.table["centre"], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.plot(places, self.table["satisfaction"], color=charts.BLUE, marker="o", markersize=5)
        out = self.table["signal"].to_numpy()
        axes.scatter(
            places[out], self.table["satisfaction"][out], color=charts.ORANGE, s=60, zorder=4,
            label=_("Signal"),
        )  # fmt: skip
        self._mark_phase(axes)
        step = max(1, -(-len(places) // 8))
        axes.set_xticks(places[::step], self.table["batch"][::step])
        axes.set_xlim(-0.6, len(places) - 0.4)
        if self.figure == "top_two":
            charts.share_axis(axes.yaxis)
        axes.set_ylabel(self._axis())
        if out.any():
            axes.legend(loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def _mark_phase(self, axes: Axes) -> None:
        first = self.table["phase"] == 1
        if first.all():
            return
        axes.axvline(int(first.sum()) - 0.5, color=charts.MUTED, linestyle=":", linewidth=1)
        axes.annotate(
            _("phase I"), (int(first.sum()) - 0.5, 0.98), xycoords=axes.get_xaxis_transform(),
            xytext=(-6, 0), textcoords="offset points", ha="right", va="top",
            color=charts.MUTED, fontsize=9,
        )  # fmt: skip

    def reading(self) -> str:
        parts = [self._basis(), self._few(), self._signals(), self._change(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{batch} {value} (limits {lower} to {upper})").format(
                batch=row["batch"],
                value=self._written(row["satisfaction"]),
                lower=self._written(row["lower"]),
                upper=self._written(row["upper"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Line of the batches inside a band of limits. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _figure(self) -> str:
        return _("Answers 4 or 5") if self.figure == "top_two" else _("Mean satisfaction")

    def _axis(self) -> str:
        if self.chart == "ewma":
            return _("Moving average: {figure}").format(figure=self._figure())
        return self._figure()

    def _written(self, value: float) -> str:
        return percent(value) if self.figure == "top_two" else number(value, 2)

    def _later_signals(self) -> pd.DataFrame:
        return self.table[self.table["signal"] & (self.table["phase"] == 2)]

    def _basis(self) -> str:
        first = self.table[self.table["phase"] == 1]
        return _(
            "Phase I, on which the limits rest, are the {batches} batches from {first} to {last}: "
            "centre {centre}. The limits are held for all later batches."
        ).format(
            batches=number(len(first)),
            first=first["batch"].iloc[0],
            last=first["batch"].iloc[-1],
            centre=self._written(self.control.limits.centre),
        )

    def _few(self) -> str:
        size = self.table["effective"]
        above = self.table["upper"] - self.table["centre"]
        # A share has no limit beyond 0 or 1; then the other side tells.
        reach = np.maximum(above, self.table["centre"] - self.table["lower"]).median()
        return _(
            "A batch has {fewest} to {most} answers; allowing for their weights they tell as much "
            "as {least} to {greatest} of equal weight. By the limits a point may lie {reach} off "
            "the centre although nothing has changed (median of the batches)."
        ).format(
            fewest=number(self.table["answers"].min()),
            most=number(self.table["answers"].max()),
            least=number(size.min()),
            greatest=number(size.max()),
            reach=_("{points} percentage points").format(points=number(reach * 100, 1))
            if self.figure == "top_two"
            else number(reach, 2),
        )

    def _signals(self) -> str:
        said = [self._within_phase(), self._after_phase(), self._false_alarms()]
        return " ".join(part for part in said if part)

    def _false_alarms(self) -> str:
        limits = self.control.limits
        flags = false_signals(
            len(self.table), limits.points, limits.smoothing if self.chart == "ewma" else None
        )
        return _(
            "If nothing ever changed, {share} of charts of {count} points would give a false "
            "signal somewhere, the centre being an estimate from {batches} batches."
        ).format(
            share=percent(flags.any(axis=1).mean(), 0),
            count=number(len(self.table)),
            batches=number(limits.points),
        )

    def _within_phase(self) -> str:
        own = self.table[self.table["signal"] & (self.table["phase"] == 1)]
        if own.empty:
            return _("No batch of phase I breaks a rule, so it may serve as a standard.")
        return _(
            "In phase I itself these batches break a rule: {batches}. Find out why before the "
            "limits are used."
        ).format(batches=self._named(own))

    def _after_phase(self) -> str:
        if not (self.table["phase"] == 2).any():
            return ""
        later = self._later_signals()
        if later.empty:
            return _("No later batch breaks a rule: a change, if there was one, is not seen.")
        return _("Later batches that break a rule: {batches}.").format(batches=self._named(later))

    def _named(self, rows: pd.DataFrame) -> str:
        names = _rule_names()
        parts = []
        for _index, row in rows.head(NAMED).iterrows():
            above = row["satisfaction"] > row["centre"]
            text = _("{batch} (above, {rule})") if above else _("{batch} (below, {rule})")
            parts.append(text.format(batch=row["batch"], rule=names[row["rule"]]))
        if len(rows) > NAMED:
            more = len(rows) - NAMED
            parts.append(ngettext("{count} more", "{count} more", more).format(count=number(more)))
        return _("; ").join(parts)

    def _change(self) -> str:
        value, low, high, _effect = self.change
        if not np.isfinite(low):
            return ""
        if low > 0:
            text = _("After phase I the figure is higher by {change} ({low} to {high}).")
        elif high < 0:
            text = _("After phase I the figure is lower: {change} ({low} to {high}).")
        else:
            text = _(
                "Whether the figure after phase I is higher or lower cannot be told: {change} "
                "({low} to {high})."
            )
        scale, decimals = (100, 1) if self.figure == "top_two" else (1, 2)
        said = text.format(
            change=self._step(value),
            low=number(low * scale, decimals),
            high=number(high * scale, decimals),
        )
        return said + " " + _("The chart says when something changed, not why.")

    def _left_out(self) -> str:
        said = [self.rated.sentence()]
        for one in self._undated():
            said.append(_("Nor is the batch known of: {parts}.").format(parts=one.words()))
        if self.gaps:
            said.append(
                _(
                    "Months without an answer have no point, so the rules pass over them: {months}."
                ).format(months=_(", ").join(self.gaps))
            )
        return " ".join(said)

    def _undated(self) -> tuple[Exclusion, ...]:
        return excluded({_("batch not known"): self.undated})

    def _step(self, value: float) -> str:
        if self.figure == "top_two":
            return _("{points} percentage points").format(points=number(value * 100, 1))
        return number(value, 2)

    def _define(self) -> Definition:
        limits = self.control.limits
        if self.chart == "ewma":
            kind = _(
                "Exponentially weighted moving average with λ = {smoothing} and limits at "
                "{width} standard errors, wider for smaller batches."
            ).format(smoothing=number(limits.smoothing, 2), width=number(limits.width, 1))
        elif self.figure == "mean":
            kind = _(
                "Chart of means; limits 3 standard errors from the centre, from the pooled "
                "standard deviation within batches; run rules of Western Electric."
            )
        else:
            kind = _(
                "Chart of shares; limits 3 standard errors from the centre by the binomial law; "
                "run rules of Western Electric."
            )
        return Definition(
            numerator=_("Weighted sum of overall satisfaction")
            if self.figure == "mean"
            else _("Weight of the answers 4 or 5"),
            denominator=_("Weight of all answers of the batch"),
            period=self.context.period(),
            method=kind
            + " "
            + _(
                "Size of a batch: the answers of equal weight that would tell as much (Kish). "
                "Low and high are the 95% interval of a batch by itself, not the chart's limits."
            ),
            source=self.context.source,
            exclusions=(*self.rated.exclusions(), *self._undated()),
        )


@cache
def false_signals(points: int, phase: int, smoothing: float | None = None) -> NDArray[np.bool_]:
    """Signals of charts on which nothing ever changes.

    Parameters
    ----------
    points : int
        Batches of a chart, all of one size.
    phase : int
        So many from the first are phase I: their mean is the centre.
    smoothing : float, optional
        Weight of the newest batch of a moving average; without, batches judged by the rules of
        Western Electric.

    Returns
    -------
    numpy.ndarray of bool, shape (charts, points)

    Notes
    -----
    Drawn from a normal law with a known standard deviation. With a centre that is known too, all
    four rules give the first false signal after 91.75 points on the average (Champ and Woodall
    1987), and a moving average with λ = 0.2 and limits at 3 standard errors after 560 (Lucas and
    Saccucci 1990). A centre from few batches is off by some of a standard error for good, which
    a moving average takes for a change.

    References
    ----------
    Champ, C. W. and Woodall, W. H. (1987), Technometrics 29, 393-399. Lucas, J. M. and Saccucci,
    M. S. (1990), Technometrics 32, 1-12. Jensen, W. A. et al. (2006), Journal of Quality Technology
    38, 349-364, on limits that are estimates.

    Examples
    --------
    >>> flags = false_signals(24, 12)
    >>> bool(0.15 < flags.any(axis=1).mean() < 0.3)
    True
    """
    z = np.random.default_rng(0).normal(size=(CHARTS, points))
    z -= z[:, :phase].mean(axis=1, keepdims=True)
    if smoothing is None:
        # One after the other, kept apart by as many points at the centre as a rule looks back.
        apart = np.pad(z, ((0, 0), (0, 8)))
        broken = np.array([bool(names) for names in broken_rules(apart.ravel())])
        return broken.reshape(apart.shape)[:, :points]
    average, variance, flags = np.zeros(CHARTS), 0.0, np.zeros(z.shape, bool)
    for point in range(points):
        average = smoothing * z[:, point] + (1 - smoothing) * average
        variance = smoothing**2 + (1 - smoothing) ** 2 * variance
        flags[:, point] = np.abs(average) > 3 * np.sqrt(variance)
    return flags


def _rule_names() -> dict[str, str]:
    return {
        "": "–",
        "western_1": _("beyond the limits"),
        "western_2": _("two of three beyond 2 standard errors"),
        "western_3": _("four of five beyond 1 standard error"),
        "western_4": _("eight in a row on one side"),
    }


@measure(
    needs=[
        {"surveys": ["response_id", "overall", "answered_at"]},
        {"surveys": ["response_id", "overall", "sent_at"]},
    ]
)
def satisfaction_chart(
    crm: Workspace,
    *,
    measure: Literal["mean", "top_two"] = "mean",
    chart: Literal["batches", "ewma"] = "batches",
    by: str = "month",
    phase: int = 12,
    smoothing: float = 0.2,
) -> SatisfactionChart:
    """When satisfaction changed, and when a batch only jumped.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, overall, and answered_at or sent_at.
    measure : {"mean", "top_two"}
        Mean of overall satisfaction, or share of the answers 4 or 5.
    chart : {"batches", "ewma"}
        Each batch by itself, judged by the rules of Western Electric; or the exponentially
        weighted moving average, which sees small changes that last.
    by : str
        What makes a batch: ``"month"`` or a column that orders in time, such as ``"wave"``.
    phase : int
        So many batches from the first are phase I; the limits come from them and are held.
    smoothing : float
        Weight of the newest batch in the moving average.

    Returns
    -------
    SatisfactionChart
        `.table` has a row per batch: batch, answers, effective (answers of equal weight that would
        tell as much), satisfaction (the point), low, high (95 % interval of the batch's own figure,
        clustered by customer; on an EWMA chart missing), centre, lower, upper, phase, signal, rule
        (the first that is broken).

    Raises
    ------
    UnknownName
        If `measure` or `chart` is none of those.
    NotEnoughData
        If there are no more batches than `phase` needs, or fewer than two.

    Notes
    -----
    The size of a batch with weights w is (Σw)²/Σw², the sums of a customer's weights taken first.
    A batch's mean then has the standard error σ/√size, with σ pooled over phase I. Batches differ
    more than that if something common to a month moves all its answers; then signals come oftener.

    References
    ----------
    Montgomery, D. C. (2013), Introduction to Statistical Quality Control, 7th ed., chapters 5, 6
    and 9. Kish, L. (1965), Survey Sampling, section 11.7.
    """
    _check("measure", measure, ("mean", "top_two"))
    _check("chart", chart, ("batches", "ewma"))
    found = rated(crm)
    batch = _batch_names(grouped_by(crm, found.frame, by))
    value = found.frame["overall"]
    if measure == "top_two":
        value = (value >= SATISFIED).astype(float)
    frame = found.frame.assign(_batch=batch, _value=value, _cluster=clusters(found.frame))
    undated = int(frame["_batch"].isna().sum())
    frame = frame[frame["_batch"].notna()]
    table = _batches(frame, measure)
    if len(table) < max(phase, 2):
        raise NotEnoughData(
            _("Phase I takes {phase} batches; there are {count}.").format(
                phase=number(max(phase, 2)), count=number(len(table))
            )
        )
    control = _control(table, measure, chart, phase, smoothing)
    drawn = control.frame
    table = table.assign(
        satisfaction=drawn["value"],
        centre=drawn["centre"],
        lower=drawn["lower"],
        upper=drawn["upper"],
        phase=drawn["phase"],
        signal=drawn["rules"].map(len) > 0,
        rule=drawn["rules"].map(lambda names: names[0] if names else ""),
    ).drop(columns="deviation")
    if chart == "ewma":
        table[["low", "high"]] = np.nan
    inside = frame["_batch"].astype(str).isin(table["batch"][:phase])
    change = weighted.difference(
        frame["_value"], ~inside, inside, weights=frame["weight"], clusters=frame["_cluster"]
    )
    gaps = _months_without(table["batch"]) if by == "month" else ()
    return SatisfactionChart(
        table, Context.of(crm), measure, chart, control, change, found, undated, gaps
    )


def explore_smoothing(result: SatisfactionChart) -> None:
    """A slider for λ: from an average that hardly moves to the batches themselves.

    Parameters
    ----------
    result : SatisfactionChart
        With ``chart="batches"``.

    Raises
    ------
    CrmlabError
        If the chart is a moving average already.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    averages = smoothed(result)
    slider = ipywidgets.SelectionSlider(
        options=[(number(value, 2), value) for value in averages], value=0.2,
        description=_("Weight of the newest batch (λ)"), continuous_update=False,
        style={"description_width": "initial"}, layout={"width": "420px"},
    )  # fmt: skip
    places = np.arange(len(result.table))
    with charts.house_style():
        axes = result.plot()
        # The title and the marks are of the batches; the sentence below follows the slider.
        axes.figure.suptitle("")
        axes.collections[-1].remove()
        band: Any = axes.collections[0]
        batches: Any = axes.lines[1]
        batches.set(color=charts.GREY, linewidth=1, label=_("batch"))
        (line,) = axes.plot(places, batches.get_ydata(), color=charts.BLUE, label=_("average"))
        out = axes.scatter(
            places, batches.get_ydata(), color=charts.ORANGE, zorder=4, label=_("Signal")
        )
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.12 * (high - low), high)  # room for the legend
        axes.legend(loc="lower right", ncols=3)

    def move(smoothing: float) -> None:
        frame = averages[smoothing].frame
        band.set_verts(_band(frame["lower"], frame["upper"]))
        line.set_ydata(frame["value"])
        signal = frame["rules"].map(len) > 0
        out.set_offsets(np.column_stack([places, frame["value"].where(signal, np.nan)]))

    def words(smoothing: float) -> str:
        return _smoothing_words(averages[smoothing], smoothing)

    figure: Any = axes.figure
    explorer(figure, move, words, {"smoothing": slider})


#: Stops of the slider.
SMOOTHING = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def smoothed(result: SatisfactionChart) -> dict[float, Chart]:
    """The moving average of a chart of batches for each stop of the slider.

    Parameters
    ----------
    result : SatisfactionChart
        With ``chart="batches"``.

    Returns
    -------
    dict of float to Chart
    """
    if result.chart != "batches":
        raise CrmlabError(
            _(
                "The slider starts from the batches themselves: satisfaction_chart(crm) without "
                'chart="ewma".'
            )
        )
    table, limits = result.table, result.control.limits
    return {
        value: ewma(
            table["satisfaction"], table["effective"], points=table["batch"].tolist(),
            phase=limits.points, centre=limits.centre, sigma=_spread(result.figure, result.control),
            smoothing=value,
        )
        for value in SMOOTHING
    }  # fmt: skip


def _band(lower: pd.Series, upper: pd.Series) -> list[NDArray[np.float64]]:
    """Outline of the limits, a step of width 1 around each batch."""
    edges = np.repeat(np.arange(len(lower) + 1) - 0.5, 2)[1:-1]
    below, above = np.repeat(lower.to_numpy(), 2), np.repeat(upper.to_numpy(), 2)
    way = np.concatenate([edges, edges[::-1]])
    return [np.column_stack([way, np.concatenate([below, above[::-1]])])]


def _smoothing_words(chart: Chart, smoothing: float) -> str:
    later = chart.frame[chart.frame["phase"] == 2]
    signals = later[later["rules"].map(len) > 0]
    if signals.empty:
        return _("λ = {smoothing}: after phase I the average stays within its limits.").format(
            smoothing=number(smoothing, 2)
        )
    return ngettext(
        "λ = {smoothing}: after phase I the average is beyond its limits in {count} batch of "
        "{batches}, in {first}.",
        "λ = {smoothing}: after phase I the average is beyond its limits in {count} batches of "
        "{batches}, first in {first}.",
        len(signals),
    ).format(
        smoothing=number(smoothing, 2),
        count=number(len(signals)),
        batches=number(len(later)),
        first=signals["point"].iloc[0],
    )


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UnknownName(
            _("{name} is one of {names}, not {value}.").format(
                name=name, names=", ".join(known), value=value
            )
        )


def _batch_names(batch: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(batch):
        return batch.dt.strftime("%Y-%m")
    return batch.astype(object).where(batch.notna(), None)


def _months_without(batches: pd.Series) -> tuple[str, ...]:
    """Months between the first and the last that are not there."""
    every = pd.period_range(batches.min(), batches.max(), freq="M").astype(str)
    there = set(batches)
    return tuple(month for month in every if month not in there)


def _batches(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Figure, spread and size of each batch, in time."""
    estimate = weighted.share if figure == "top_two" else weighted.mean
    rows: list[dict[str, Any]] = []
    for name, part in frame.groupby("_batch", sort=True):
        weight = part["weight"].to_numpy(float)
        own = estimate(part["_value"], weights=weight, clusters=part["_cluster"])
        of_customers = part.groupby("_cluster")["weight"].sum()
        size = float(of_customers.sum() ** 2 / np.sum(of_customers**2))
        variance = np.average((part["_value"] - own.value) ** 2, weights=weight)
        rows.append(
            {
                "batch": str(name),
                "answers": len(part),
                "effective": size,
                "satisfaction": own.value,
                "low": own.low,
                "high": own.high,
                "deviation": np.sqrt(variance * size / (size - 1)) if size > 1 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _control(table: pd.DataFrame, figure: str, chart: str, phase: int, smoothing: float) -> Chart:
    value, size, names = table["satisfaction"], table["effective"], table["batch"].tolist()
    if figure == "mean":
        shewhart = xbar_s(value, table["deviation"], size, points=names, phase=phase)[0]
    else:
        shewhart = p_chart(value * size, size, points=names, phase=phase)
    sigma = _spread(figure, shewhart)
    if chart == "batches":
        return shewhart
    return ewma(
        value, size, points=names, phase=phase, centre=shewhart.limits.centre, sigma=sigma,
        smoothing=smoothing,
    )  # fmt: skip


def _spread(figure: str, shewhart: Chart) -> float:
    """Standard deviation of one answer, by the chart of the batches."""
    limits = shewhart.limits
    if figure == "mean":
        return limits.sigma
    return float(np.sqrt(limits.centre * (1 - limits.centre)))
