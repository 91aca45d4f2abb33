"""The service customers get: how much arrives on time, by any column of orders or customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Exclusion, Result, measure
from crmlab.stats.intervals import design_effect, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

COUNTS = ["orders", "on_time", "late", "overdue", "unknown"]
#: More groups than this are drawn as the best and the worst.
DRAWN = 20


@dataclass(frozen=True, repr=False)
class OnTime(Result):
    """Result of `on_time`.

    Attributes
    ----------
    by : tuple of str
        Columns of the groups.
    overall : pandas.Series
        Share, low and high of all orders together.
    clustered : bool
        Whether the intervals allow for orders of one customer being alike.
    record : str
        What one row of the orders is: ``"order"`` or ``"line"``.
    confidence : float
    """

    measure = "tiering.on_time"

    by: tuple[str, ...]
    overall: pd.Series
    clustered: bool
    record: str
    confidence: float

    def title(self) -> str:
        if not self.by:
            return _("{share} of orders with a known outcome arrived on time").format(
                share=percent(self.overall["share"])
            )
        known = self.table.dropna(subset=["share"])
        best, worst = known.iloc[0], known.iloc[-1]
        return _("On time: {best} {high}, {worst} {low}").format(
            best=self._name(best),
            high=percent(best["share"], 0),
            worst=self._name(worst),
            low=percent(worst["share"], 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.42 * len(known) + 1.4)))
        places = np.arange(len(known))[::-1]
        whiskers = np.abs(known[["low", "high"]].to_numpy().T - known["share"].to_numpy())
        axes.axvline(self.overall["share"], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.errorbar(known["share"], places, xerr=whiskers, fmt="o", color=charts.BLUE, capsize=3)
        names = [self._name(row) for _index, row in known.iterrows()]
        axes.set_yticks(places, names)
        axes.set_ylim(-0.7, len(known) - 0.3)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Share on time with {confidence} interval; dashed: all orders").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        overall = _(
            "Of {known} {records} with a known outcome, {share} arrived on time ({low} to "
            "{high}), {period}."
        ).format(
            known=number(self.table[["on_time", "late"]].to_numpy().sum()),
            records=self._records(),
            share=percent(self.overall["share"]),
            low=percent(self.overall["low"]),
            high=percent(self.overall["high"]),
            period=self.context.period(),
        )
        parts = [overall]
        if self.by:
            parts.append(self._apart())
        parts.append(self._left_out())
        return "\n\n".join(parts)

    def alt(self) -> str:
        parts = [
            _("{group} {share} ({low} to {high})").format(
                group=self._name(row),
                share=percent(row["share"]),
                low=percent(row["low"]),
                high=percent(row["high"]),
            )
            for _index, row in self._drawn().iterrows()
        ]
        return _("Points with intervals of the share on time. {groups}.").format(
            groups=_("; ").join(parts)
        )

    def _drawn(self) -> pd.DataFrame:
        known = self.table.dropna(subset=["share"])
        if len(known) <= DRAWN:
            return known
        return pd.concat([known.head(DRAWN // 2), known.tail(DRAWN // 2)])

    def _name(self, row: pd.Series) -> str:
        if not self.by:
            return _("All orders")
        names = [
            _("not given") if pd.isna(row[column]) else shown(column).written(row[column], "")
            for column in self.by
        ]
        return " · ".join(names)

    def _record(self) -> str:
        return _("order line") if self.record == "line" else _("order")

    def _records(self) -> str:
        return _("order lines") if self.record == "line" else _("orders")

    def _apart(self) -> str:
        below = self.table[self.table["below"]]
        if below.empty:
            return _(
                "No group lies below the others by more than chance would bring about "
                "among {groups} groups."
            ).format(groups=number(len(self.table)))
        return _(
            "Below the others by more than chance would bring about among {groups} groups: "
            "{below}. This says where, not why."
        ).format(
            groups=number(len(self.table)),
            below=_(", ").join(self._name(row) for _index, row in below.iterrows()),
        )

    def _left_out(self) -> str:
        unknown, overdue = (int(self.table[column].sum()) for column in ("unknown", "overdue"))
        return _(
            "Left out because the outcome is not known: {unknown}. Counted late because they "
            "were still under way after the time promised: {overdue}."
        ).format(unknown=number(unknown), overdue=number(overdue))

    def _define(self) -> Definition:
        independent = _("each {record} taken as independent, as no customer is given").format(
            record=self._record()
        )
        clustered = _("trials divided by the design effect of orders within customers")
        exclusion = Exclusion(
            _("outcome not known"), int(self.table["unknown"].sum()), self._records()
        )
        return Definition(
            numerator=_("Orders that arrived by the time promised"),
            denominator=_(
                "Orders whose outcome is known: arrived, or still under way after the time promised"
            ),
            period=self.context.period(),
            method=_(
                "On time as given in the data, else delivered_at compared with promised_at; "
                "one row is one {record}. {confidence} Wilson intervals, {trials}."
            ).format(
                record=self._record(),
                confidence=percent(self.confidence, 0),
                trials=clustered if self.clustered else independent,
            ),
            source=self.context.source,
            exclusions=(exclusion,) if exclusion.count else (),
        )


@measure(
    needs=[
        {"orders": ["ordered_at", "on_time"]},
        {"orders": ["ordered_at", "promised_at", "delivered_at"]},
    ]
)
def on_time(
    crm: Workspace, *, by: str | Sequence[str] | None = None, confidence: float = 0.95
) -> OnTime:
    """What share of orders arrives on time, by any column.

    Parameters
    ----------
    crm : Workspace
        With orders: on_time, or promised_at and delivered_at.
    by : str or sequence of str, optional
        Columns of orders or customers that make the groups; None for all orders together.
    confidence : float

    Returns
    -------
    OnTime
        `.table` has a row per group, best first: the columns of `by`, orders, on_time, late,
        overdue (of the late, those still under way), unknown, share, low, high, and with `by`
        below: whether the group lies below the others together.

    Raises
    ------
    MissingColumns
        If the columns are not there.
    UnknownName
        If `by` names no column of orders or customers.
    NotEnoughData
        If no order has a known outcome.

    Notes
    -----
    The share is on_time / (on_time + late). Orders of one customer resemble each other, so each
    group's trials are divided by its design effect before the Wilson interval is taken; without
    customers the orders are taken as independent, which the definition then says.

    A group is compared with all the others by the score test of two shares (pooled variance),
    trials divided by the design effects; `below` holds at the level 1 − confidence after Holm's
    correction for the number of groups.

    References
    ----------
    Wilson (1927); Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585. Holm, S. (1979),
    Scandinavian Journal of Statistics 6, 65-70.
    """
    groups = _columns(by)
    clustered = crm.has("orders", "customer_id")
    cells = crm.query("on_time", by=[*groups, "customer_id"] if clustered else groups)
    if cells[["on_time", "late"]].to_numpy().sum() == 0:
        raise NotEnoughData(_("No order has a known outcome, so there is no share on time."))
    overall = _share(cells, clustered, confidence)
    table = _by_group(cells, groups, clustered, confidence) if groups else pd.DataFrame([overall])
    table[COUNTS] = table[COUNTS].astype("int64")
    shares = pd.Series({name: overall[name] for name in ("share", "low", "high")})
    return OnTime(
        table, Context.of(crm), tuple(groups), shares, clustered, crm.settings.record, confidence
    )


def _by_group(
    cells: pd.DataFrame, groups: list[str], clustered: bool, confidence: float
) -> pd.DataFrame:
    parts = cells.groupby(groups, dropna=False, sort=True)
    rows = [_named(groups, key) | _share(part, clustered, confidence) for key, part in parts]
    probabilities = [_difference(part, cells.drop(part.index), clustered) for _key, part in parts]
    table = pd.DataFrame(rows).assign(below=_below(probabilities, 1 - confidence))
    directions = [False, *[True] * len(groups)]
    return table.sort_values(["share", *groups], ascending=directions, ignore_index=True)


def _columns(by: str | Sequence[str] | None) -> list[str]:
    if by is None:
        return []
    return [by] if isinstance(by, str) else list(by)


def _share(cells: pd.DataFrame, clustered: bool, confidence: float) -> dict[str, Any]:
    counts = cells[COUNTS].sum()
    on_time, known = _effective(cells, clustered)
    interval = wilson(on_time, known, confidence=confidence)
    share = on_time / known if known else np.nan
    return {**counts, "share": share, "low": float(interval.low), "high": float(interval.high)}


def _effective(cells: pd.DataFrame, clustered: bool) -> tuple[float, float]:
    """Orders on time and orders known, both divided by the design effect."""
    on_time, known = cells["on_time"], cells["on_time"] + cells["late"]
    effect = design_effect(on_time, known) if clustered else 1.0
    return on_time.sum() / effect, known.sum() / effect


def _difference(group: pd.DataFrame, others: pd.DataFrame, clustered: bool) -> tuple[float, float]:
    """Share of a group less that of the others, and its two-sided probability by chance."""
    from statsmodels.stats.proportion import proportions_ztest

    (hits, trials), (other_hits, other_trials) = (
        _effective(cells, clustered) for cells in (group, others)
    )
    if not trials or not other_trials:
        return 0.0, 1.0
    difference = hits / trials - other_hits / other_trials
    if (hits + other_hits) in (0, trials + other_trials):
        return difference, 1.0
    _z, chance = proportions_ztest([hits, other_hits], [trials, other_trials])
    return difference, float(chance)


def _below(differences: list[tuple[float, float]], level: float) -> list[bool]:
    from statsmodels.stats.multitest import multipletests

    rejected = multipletests([chance for _less, chance in differences], level, method="holm")[0]
    return [
        bool(found and less < 0) for found, (less, _p) in zip(rejected, differences, strict=True)
    ]


def _named(groups: list[str], key: object) -> dict[str, Any]:
    return dict(zip(groups, key if isinstance(key, tuple) else (key,), strict=True))
