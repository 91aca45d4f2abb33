"""When an offer works: orders in each period about it, arm by arm (促销前后的订单)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, signed
from crmlab.loyalty.offered import (
    DAYS,
    NEEDS,
    Array,
    Offered,
    arm_names,
    changed,
    of_assignments,
    offered,
)
from crmlab.loyalty.offers import arm_colours
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.counts import CountRegression, poisson
from crmlab.stats.intervals import check_confidence
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: With more campaigns than these the latest are used.
CAMPAIGNS = 12


@dataclass(frozen=True, repr=False)
class OfferTiming(Result):
    """Result of `offer_timing`.

    Attributes
    ----------
    offered : Offered
    before_chance : float
        Probability, by an F test of all arms together, that orders before the offer move as far
        apart by chance; NaN with a single period before.
    overlapping : int
        Assignments in whose periods an offer drawn in another campaign was still at work.
    more_exclusions : tuple of Exclusion
    confidence : float
    """

    measure = "loyalty.offer_timing"

    offered: Offered
    before_chance: float
    overlapping: int
    more_exclusions: tuple[Exclusion, ...]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number") | {"period": "integer"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"arm": arm_names(self.offered.arms)}

    def title(self) -> str:
        told = self.table.loc[self.table["told"].fillna(False).astype(bool), "arm"].unique()
        if not len(told):
            return _("In no period from the offer on can a change in orders be told")
        rows = self.table[self.table["period"] == 0].set_index("arm")["log_ratio"]
        arm = str(rows[told].abs().idxmax())
        if self.offered.after < 1:
            text = _("{arm}: orders {during} in the period of the offer")
        else:
            text = _("{arm}: orders {during} in the period of the offer, {after} in the next")
        return text.format(
            arm=arm_names([arm])[arm],
            during=signed(np.expm1(rows[arm])),
            after=signed(np.expm1(self._row(arm, 1)["log_ratio"])) if self.offered.after else "",
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        names, colours = arm_names(self.offered.arms), arm_colours(self.offered.arms)
        axes.axvspan(-0.5, 0.5, color=charts.GRID, alpha=0.7, linewidth=0, zorder=0)
        axes.axhline(0, color=charts.MUTED, linewidth=1, zorder=1)
        many = len(self.offered.arms)
        for place, arm in enumerate(self.offered.arms):
            rows = self.table[self.table["arm"] == arm]
            x = rows["period"] + 0.16 * (place - (many - 1) / 2)
            low, high, value = (np.expm1(rows[name]) for name in ("low", "high", "log_ratio"))
            axes.vlines(x, low, high, color=colours[arm])
            axes.plot(
                x,
                value,
                color=colours[arm],
                marker="o",
                linewidth=1,
                label=charts.wrapped(names[arm], 24),
                zorder=3,
            )
        charts.share_axis(axes.yaxis)
        periods = range(-self.offered.before, self.offered.after + 1)
        axes.set_xticks(list(periods))
        axes.set_xlabel(_("Periods since the offer began (shaded: the offer's own)"))
        axes.set_ylabel(_("Orders against the holdout"))
        axes.legend(loc="upper left")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._what(),
            *[self._of_arm(arm) for arm in self.offered.arms],
            self._before(),
            self._overlap(),
            self.offered.left_out(self.more_exclusions),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = arm_names(self.offered.arms)
        parts = [
            _("{arm}, period {period}: {change}").format(
                arm=names[row["arm"]], period=number(row["period"]), change=changed(row)
            )
            for _index, row in self.table.iterrows()
        ]
        return _(
            "Points with intervals of orders against the holdout, by periods since the offer. "
            "{parts}."
        ).format(parts=_("; ").join(parts))

    # --- the words

    def _row(self, arm: str, period: int) -> pd.Series:
        return self.table.set_index(["arm", "period"]).loc[(arm, period)]

    def _what(self) -> str:
        said = ngettext(
            "Each customer drawn is compared with their own orders in the {count} period before "
            "the offer, and with the holdout's in the same period.",
            "Each customer drawn is compared with their own orders in the {count} periods before "
            "the offer, and with the holdout's in the same period.",
            self.offered.before,
        ).format(count=number(self.offered.before))
        return f"{said} {self.offered.rule()} {intervals_in_brackets(self.confidence)}"

    def _of_arm(self, arm: str) -> str:
        rows = self.table[(self.table["arm"] == arm) & (self.table["period"] >= 0)]
        name = arm_names([arm])[arm]
        told = rows[rows["told"].astype(bool)]
        if told.empty:
            return _(
                "{arm}: in no period from the offer on can a change be told; in the offer's own "
                "period it is {change}."
            ).format(arm=name, change=changed(rows.iloc[0]))
        said = _(
            "{arm}: changes that hold beside each other (Holm) are {changes}."
        ).format(
            arm=name,
            changes=_("; ").join(
                _("{change} in period {period}").format(
                    change=changed(row), period=number(row["period"])
                )
                for _index, row in told.iterrows()
            ),
        )  # fmt: skip
        others = rows[~rows["told"].astype(bool)]
        if others.empty:
            return said
        rest = _("None can be told in period {periods}.").format(
            periods=_(", ").join(number(period) for period in others["period"])
        )
        return f"{said} {rest}"

    def _before(self) -> str:
        if not np.isfinite(self.before_chance):
            return ""
        text = (
            _(
                "Before the offer the arms already moved apart by more than chance usually does "
                "(probability {chance}). An offer cannot do that before it is made: either this is "
                "one of the rare draws, or the draw was not random."
            )
            if self.before_chance < 1 - self.confidence
            else _(
                "Before the offer, when it can have done nothing, the arms moved no further apart "
                "than chance moves them (probability {chance})."
            )
        )
        return text.format(chance=number(self.before_chance, 2))

    def _overlap(self) -> str:
        if not self.overlapping:
            return ""
        return ngettext(
            "In the periods of {count} assignment an offer of another campaign was at work for the "
            "same customer; it counts there as what it is, by the same coefficients.",
            "In the periods of {count} assignments an offer of another campaign was at work for "
            "the same customer; it counts there as what it is, by the same coefficients.",
            self.overlapping,
        ).format(count=number(self.overlapping))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders of customers drawn for the offer, period by period"),
            denominator=_("Orders of the holdout in the same campaign and period"),
            period=self.context.period(),
            method=_(
                "Event study: Poisson regression of orders in a period with a level for each "
                "customer in each campaign, an effect of each campaign's periods, and one of each "
                "arm's, also where the offer is of another campaign; coefficients less their mean "
                "over the periods before. Errors over customers by the jackknife. Miller (2023). "
                "{rule}"
            ).format(rule=self.offered.rule()),
            source=self.context.source,
            exclusions=(*self.offered.exclusions, *self.more_exclusions),
        )


@measure(needs=NEEDS)
def offer_timing(
    crm: Workspace,
    *,
    holdout: str = "holdout",
    before: int = 3,
    after: int = 3,
    confidence: float = 0.95,
) -> OfferTiming:
    """In which periods an offer changes orders: the lift, the dip after it, and nothing before.

    Parameters
    ----------
    crm : Workspace
        With assignments: customer_id, campaign, arm, assigned_at; orders: customer_id, ordered_at.
    holdout : str
        The arm without an offer.
    before, after : int
        Periods before the offer's own, and after it; at most 12 each.
    confidence : float

    Returns
    -------
    OfferTiming
        `.table` has a row per arm and period (0 is the offer's own): arm, period, customers (of the
        arm in it), log_ratio, low, high (of orders against the holdout, less the mean of the
        periods before), probability and told (Holm, over the periods from 0 on; missing before).

    Raises
    ------
    CrmlabError
        If `before` or `after` is out of range.
    NotEnoughData
        If no campaign can be judged, or an arm has no orders in some period.

    Notes
    -----
    Of customer i in campaign c and period k, orders are Poisson of mean
    exp(level_ic + effect_ck + β_arm,k); the levels are conditioned on, not estimated. As arms are
    drawn at random β before the offer is 0: these periods are a placebo, and their mean is what the
    others are measured from, which is more precise than to measure from the last one alone. Periods
    before the data begin are left out, and customers who ordered in none of the periods say nothing
    here. Where periods of two campaigns of a customer overlap, the offer of the other one enters
    with the coefficients β of its own periods from 0 on. Where campaigns differ in their effects,
    this is an average.

    References
    ----------
    Miller, D. L. (2023), Journal of Economic Perspectives 37(2), 203-230. van Heerde, H. J.,
    Leeflang, P. S. H. and Wittink, D. R. (2000), Journal of Marketing Research 37, 383-395.
    """
    check_confidence(confidence)
    if not (1 <= before <= 12 and 0 <= after <= 12):
        raise CrmlabError(
            _("before is from 1 to 12 and after from 0 to 12; they are {before} and {after}.")
            .format(before=before, after=after)
        )  # fmt: skip
    everyone = offered(crm, holdout=holdout, before=before, after=after)
    found, left = _latest(everyone)
    fit, leads, overlapping = _fitted(found)
    table = _table(found, fit, confidence)
    chance = fit.chance_of_all(leads) if leads else np.nan
    return OfferTiming(table, Context.of(crm), found, chance, overlapping, left, confidence)


def _latest(found: Offered) -> tuple[Offered, tuple[Exclusion, ...]]:
    """The campaigns that have a period before within the data, and of very many the latest."""
    with_before = found.known[:, found.before - 1]
    recent = np.isin(found.frame["campaign"], found.campaigns[-CAMPAIGNS:])
    counts = {
        _("begun when the data had just begun"): int((~with_before).sum()),
        _("earlier campaigns"): int((with_before & ~recent).sum()),
    }
    kept = with_before & recent
    if not kept.any():
        raise NotEnoughData(
            _("No campaign began a whole period after the data begin, so there is no before.")
        )
    left = tuple(of_assignments(reason, count) for reason, count in counts.items() if count)
    return found.only(kept), left


def _fitted(found: Offered) -> tuple[CountRegression, list[int], int]:
    """The regression of the stacked periods, the columns before the offer, and what overlaps."""
    at_work, overlapping = _at_work(found)
    rows, places = np.nonzero(found.known)
    periods = places - found.before
    campaign = found.frame["campaign"].to_numpy()[rows]
    others = [period for period in range(-found.before, found.after + 1) if period != -1]
    columns: dict[str, Array] = {}
    for arm in found.arms:
        for period in others:
            columns[f"{arm} {period:+d}"] = at_work[(arm, period)][rows, places]
    for name in found.campaigns:
        for period in others:
            columns[f"{name}: {period:+d}"] = (campaign == name) & (periods == period)
    columns = {name: column for name, column in columns.items() if column.any()}
    fit = poisson(
        found.orders[rows, places],
        np.column_stack(list(columns.values())).astype(float),
        groups=rows,
        clusters=pd.factorize(found.frame["customer_id"])[0][rows],
        names=list(columns),
    )
    early = {f"{arm} {period:+d}" for arm in found.arms for period in others if period < -1}
    return fit, [place for place, name in enumerate(columns) if name in early], overlapping


def _at_work(found: Offered) -> tuple[dict[tuple[str, int], Array], int]:
    """For each arm and period of it, the rows and periods in which it is at work.

    Of the customer's other campaigns the periods from 0 on count too.
    """
    frame, before, after = found.frame, found.before, found.after
    arm = frame["arm"].to_numpy()
    made = {}
    for name in found.arms:
        for period in range(-before, after + 1):
            made[(name, period)] = np.zeros(found.orders.shape)
            made[(name, period)][arm == name, period + before] = 1
    touched = np.zeros(len(frame), dtype=bool)
    pairs = _other_campaigns(frame)
    for period in range(-before, after + 1):
        theirs = pairs["apart"] + period
        for name in found.arms:
            for other in range(after + 1):
                rows = pairs.loc[(theirs == other) & (pairs["other_arm"] == name), "row"]
                made[(name, other)][rows, period + before] += 1
                touched[rows] = True
    return made, int(touched.sum())


def _other_campaigns(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row with the customer's other campaigns: row, other_arm, apart (periods between)."""
    own = frame[["customer_id", "arm", "assigned_day", "calendar"]].assign(
        row=np.arange(len(frame))
    )
    pairs = own.merge(own, on="customer_id", suffixes=("", "_other"))
    pairs = pairs[pairs["row"] != pairs["row_other"]]
    one, other = pairs["assigned_day"].dt, pairs["assigned_day_other"].dt
    months = 12 * (one.year - other.year) + one.month - other.month
    days = (pairs["assigned_day"] - pairs["assigned_day_other"]).dt.days // DAYS
    apart = months.where(pairs["calendar"] & pairs["calendar_other"], days)
    return pairs.assign(apart=apart, other_arm=pairs["arm_other"])[["row", "other_arm", "apart"]]


def _table(found: Offered, fit: CountRegression, confidence: float) -> pd.DataFrame:
    rows = []
    for arm in found.arms:
        own = (found.frame["arm"] == arm).to_numpy(bool)
        before = _before_mean(found, fit, arm)
        for period in range(-found.before, found.after + 1):
            known = int((found.known[:, period + found.before] & own).sum())
            if not known:
                continue
            vector = _unit(fit, arm, period) - before
            value, low, high, _effect = fit.contrast(vector, confidence=confidence)
            chance = fit.chance(vector) if vector.any() else np.nan
            rows.append((arm, period, known, value, low, high, chance))
    names = ["arm", "period", "customers", "log_ratio", "low", "high", "probability"]
    table = pd.DataFrame(rows, columns=names)
    table.loc[table["period"] < 0, "probability"] = np.nan
    told, table["probability"] = holm(table["probability"], 1 - confidence)
    table["told"] = pd.array(told, dtype="boolean")
    table.loc[table["period"] < 0, "told"] = pd.NA
    return table


def _unit(fit: CountRegression, arm: str, period: int) -> np.ndarray[Any, Any]:
    """The vector that picks an arm's coefficient of a period; 0 for the one left out."""
    name = f"{arm} {period:+d}"
    return np.array([float(one == name) for one in fit.names])


def _before_mean(found: Offered, fit: CountRegression, arm: str) -> np.ndarray[Any, Any]:
    """The vector of the mean of an arm's coefficients before the offer."""
    known = [
        period
        for period in range(-found.before, 0)
        if found.known[:, period + found.before].any()
    ]  # fmt: skip
    return np.asarray(sum(_unit(fit, arm, period) for period in known) / len(known))
