"""The service customers get: how much arrives on time, by any column of orders or customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.groups import group_name, record_names
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered import share_effects
from crmlab.stats.intervals import intraclass_correlation, wilson
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

COUNTS = ["orders", "on_time", "late", "overdue", "unknown"]
#: More groups than this are drawn as the best and the worst.
DRAWN = 20
#: With fewer customers than this a group is not judged.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class OnTime(Result):
    """Result of `on_time`.

    Attributes
    ----------
    by : tuple of str
        Columns of the groups.
    overall : pandas.Series
        The counts, share, low, high and design_effect of all orders together.
    clustered : bool
        Whether the intervals allow for orders of one customer being alike.
    record : str
        What one row of the orders is: ``"order"`` or ``"line"``.
    cancellations : int
        Orders of negative amount, which are not deliveries.
    confidence : float
    """

    measure = "tiering.on_time"

    by: tuple[str, ...]
    overall: pd.Series
    clustered: bool
    record: str
    cancellations: int
    confidence: float

    def title(self) -> str:
        if not self.by:
            return _("{share} of orders with a known outcome arrived on time").format(
                share=percent(self.overall["share"])
            )
        below = self.table[self._worse(self.table)]
        if below.empty:
            return _("On time: no group lies below the others by more than chance")
        return _("On time: {below} below the others").format(below=self._names(below))

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.42 * len(known) + 1.4)))
        places = np.arange(len(known))[::-1]
        axes.axvline(self.overall["share"], color=charts.MUTED, linestyle="--", linewidth=1)
        colours = [charts.ORANGE if worse else charts.BLUE for worse in self._worse(known)]
        axes.hlines(places, known["low"], known["high"], colors=colours)
        axes.scatter(known["share"], places, color=colours, zorder=3)
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
            "{high}), {period}. {intervals}"
        ).format(
            known=number(self.table[["on_time", "late"]].to_numpy().sum()),
            records=self._records(),
            share=percent(self.overall["share"]),
            low=percent(self.overall["low"]),
            high=percent(self.overall["high"]),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )
        parts = [overall]
        if self.clustered:
            parts.append(self._effect())
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

    @staticmethod
    def _worse(table: pd.DataFrame) -> list[bool]:
        if "below" not in table:
            return [False] * len(table)
        return table["below"].fillna(False).astype(bool).tolist()

    def _names(self, table: pd.DataFrame) -> str:
        return _(", ").join(self._name(row) for _index, row in table.iterrows())

    def _name(self, row: pd.Series) -> str:
        if not self.by:
            return _("All orders")
        names = [group_name(column, row[column]) for column in self.by]
        return " · ".join(names)

    def _record(self) -> str:
        return _("one order line") if self.record == "line" else _("one order")

    def _records(self) -> str:
        return record_names(self.record)

    def _effect(self) -> str:
        known = self.table[["on_time", "late"]].to_numpy().sum()
        return _(
            "The design effect is {effect}: these orders tell as much as {effective} of customers "
            "who order once."
        ).format(
            effect=number(self.overall["design_effect"], 2),
            effective=number(known / self.overall["design_effect"]),
        )

    def _apart(self) -> str:
        below = self.table[self._worse(self.table)]
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
            below=self._names(below),
        )

    def _left_out(self) -> str:
        left = left_out_words(self._exclusions(), nothing=_("No order of the period was left out."))
        overdue = int(self.table["overdue"].sum())
        if not overdue:
            return left
        return f"{left} " + ngettext(
            "{count} order counts as late because it was still under way after the time promised.",
            "{count} orders count as late because they were still under way after the time "
            "promised.",
            overdue,
        ).format(count=number(overdue))

    def _exclusions(self) -> tuple[Exclusion, ...]:
        unknown = int(self.table["unknown"].sum())
        found = [
            Exclusion.of_orders(_("outcome not known"), unknown, self.record),
            Exclusion.of_orders(_("cancellation or refund"), self.cancellations, self.record),
        ]
        return tuple(one for one in found if one.count)

    def _define(self) -> Definition:
        if self.clustered:
            trials = _("trials divided by the design effect of orders within customers")
        elif self.record == "line":
            trials = _("each line taken as independent, those of one order too")
        else:
            trials = _("each order taken as independent, as no customer is given")
        return Definition(
            numerator=_("Orders that arrived by the time promised"),
            denominator=_(
                "Orders due by the last day whose outcome is known: arrived, or still under way "
                "after the time promised"
            ),
            period=self.context.period(),
            method=_(
                "On time as given in the data, else delivered_at compared with promised_at; "
                "one row is {record}. {confidence} Wilson intervals, {trials}."
            ).format(
                record=self._record(),
                confidence=percent(self.confidence, 0),
                trials=trials,
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
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
        `.table` has a row per group, best first: the columns of `by`, customers (where given),
        orders, on_time, late, overdue (of the late, those still under way), unknown, share, low,
        high, design_effect; with `by` also below: whether the group lies below the others
        together, missing where it has fewer than five customers.

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
    The share is on_time / (on_time + late), among orders whose promise was due by the last day.
    Orders of one customer resemble each other, so each group's trials are divided by its design
    effect before the Wilson interval is taken. A group of few customers cannot show how alike
    their orders are; its effect is at least that of the intraclass correlation of all groups.
    Orders without a customer count as independent, and so do all where no customer is given.

    A group is compared with all the others by the score test of two shares (pooled variance),
    trials divided by the design effects; `below` holds at the level 1 − confidence after Holm's
    correction for the number of groups. A customer who is in both makes the test conservative.

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212. Rao, J. N. K.
    and Scott, A. J. (1992), Biometrics 48, 577-585. Holm, S. (1979), Scandinavian Journal of
    Statistics 6, 65-70.
    """
    groups = _columns(by)
    clustered = crm.has("orders", "customer_id")
    cells = crm.query("on_time", by=_with_customer(groups) if clustered else groups)
    if cells[["on_time", "late"]].to_numpy().sum() == 0:
        raise NotEnoughData(_("No order has a known outcome, so there is no share on time."))
    overall = _share(cells, clustered, 0.0, confidence)
    table = _by_group(cells, groups, clustered, confidence) if groups else pd.DataFrame([overall])
    counted = [*COUNTS, *(["customers"] if clustered else [])]
    table[counted] = table[counted].astype("int64")
    shares = pd.Series({"design_effect": 1.0} | overall)
    return OnTime(
        table,
        Context.of(crm),
        tuple(groups),
        shares,
        clustered,
        crm.settings.record,
        int(cells["cancellations"].sum()),
        confidence,
    )


def _by_group(
    cells: pd.DataFrame, groups: list[str], clustered: bool, confidence: float
) -> pd.DataFrame:
    parts = list(cells.groupby(groups, dropna=False, sort=True))
    alike = _correlation(cells, groups) if clustered else 0.0
    rows = [_named(groups, key) | _share(part, clustered, alike, confidence) for key, part in parts]
    differences = [
        _difference(part, cells.drop(part.index), clustered, alike) for _key, part in parts
    ]
    table = pd.DataFrame(rows).assign(below=_below(differences, 1 - confidence))
    if clustered:
        table["below"] = table["below"].where(table["customers"] >= FEWEST)
    directions = [False, *[True] * len(groups)]
    return table.sort_values(["share", *groups], ascending=directions, ignore_index=True)


def _with_customer(groups: list[str]) -> list[str]:
    return groups if "customer_id" in groups else [*groups, "customer_id"]


def _columns(by: str | Sequence[str] | None) -> list[str]:
    if by is None:
        return []
    return [by] if isinstance(by, str) else list(by)


def _share(cells: pd.DataFrame, clustered: bool, alike: float, confidence: float) -> dict[str, Any]:
    counts = cells[COUNTS].sum()
    on_time, known = _known(cells)
    effect, wide = _effects(cells, clustered, alike, confidence)
    interval = wilson(on_time / wide, known / wide, confidence=confidence)
    share = on_time / known if known else np.nan
    seen = cells[(cells["on_time"] + cells["late"]) > 0]
    customers = {"customers": int(seen["customer_id"].nunique())} if clustered else {}
    limits = {"low": float(interval.low), "high": float(interval.high)}
    more = {"design_effect": effect} if clustered else {}
    return {**customers, **counts, "share": share, **limits, **more}


def _known(cells: pd.DataFrame) -> tuple[float, float]:
    """Orders on time, and orders of which it is known."""
    on_time, late = (float(cells[name].sum()) for name in ("on_time", "late"))
    return on_time, on_time + late


def _effects(
    cells: pd.DataFrame, clustered: bool, alike: float, confidence: float = 0.95
) -> tuple[float, float]:
    """The design effect, and the wider one of the interval.

    Orders without a customer belong to no cluster, so they count in full.
    """
    _on_time, known = _known(cells)
    if not clustered or not known:
        return 1.0, 1.0
    by_customer = cells.groupby("customer_id")[["on_time", "late"]].sum()
    each = by_customer.sum(axis=1)
    own, wide = (
        known / (each.sum() / effect + known - each.sum())
        for effect in share_effects(
            by_customer["on_time"], each, correlation=alike, confidence=confidence
        )
    )
    return float(own), float(wide)


def _correlation(cells: pd.DataFrame, groups: list[str]) -> float:
    """How alike the orders of one customer are within a group."""
    named = cells[cells["customer_id"].notna()]
    label = named.groupby(groups, dropna=False).ngroup()
    return intraclass_correlation(named["on_time"], named["on_time"] + named["late"], label)


def _difference(
    group: pd.DataFrame, others: pd.DataFrame, clustered: bool, alike: float
) -> tuple[float, float]:
    """Share of a group less that of the others, and its two-sided probability by chance."""
    from statsmodels.stats.proportion import proportions_ztest

    (hits, trials), (other_hits, other_trials) = (
        np.array(_known(cells)) / _effects(cells, clustered, alike)[0] for cells in (group, others)
    )
    if not trials or not other_trials:
        return 0.0, 1.0
    difference = hits / trials - other_hits / other_trials
    if np.isclose(hits + other_hits, 0) or np.isclose(hits + other_hits, trials + other_trials):
        return difference, 1.0
    _z, chance = proportions_ztest([hits, other_hits], [trials, other_trials])
    return difference, float(chance)


def _below(differences: list[tuple[float, float]], level: float) -> Any:
    rejected, _adjusted = holm([chance for _less, chance in differences], level)
    less = np.array([difference < 0 for difference, _chance in differences])
    return pd.array(rejected & less, dtype="boolean")


def _named(groups: list[str], key: object) -> dict[str, Any]:
    return dict(zip(groups, key if isinstance(key, tuple) else (key,), strict=True))
