"""A points programme (积分计划): what it costs, what is outstanding, and what it must bring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, ngettext, number, percent, with_interval
from crmlab.loyalty.offered import NEEDS as OFFERED
from crmlab.loyalty.offered import Offered, offered
from crmlab.loyalty.offers import compared, differences, setting
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats import clustered
from crmlab.stats.break_even import break_even
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

NEEDS = {"orders": ["customer_id", "ordered_at", "points_earned"]}
#: Items with their units, in the order of the table.
UNITS = {
    "earned": "points",
    "redeemed": "points",
    "redemption_rate": "share",
    "outstanding": "points",
    "breakage": "share",
    "liability": "money",
    "points_cost": "money",
    "cost_of_margin": "share",
    "programme_break_even": "share",
    "lift": "share",
    "multiple_break_even": "share",
    "extra_margin": "money",
    "extra_points": "money",
    "extra_profit": "money",
}


@dataclass(frozen=True, repr=False)
class PointsProgramme(Result):
    """Result of `points_programme`.

    Attributes
    ----------
    members : int
        Customers whose orders earn points.
    point_cost : float
        NaN where it is not stated.
    multiple : float
    silent_days : int
    offered : Offered or None
        The experiment; None where there is none.
    no_experiment : str
        Why there is none, in words.
    overdrawn : int
        Customers who redeemed more than they earned in the data; outstanding of them is nothing.
    exclusions : tuple of Exclusion
    confidence : float
    """

    measure = "loyalty.points_programme"

    members: int
    point_cost: float
    multiple: float
    silent_days: int
    offered: Offered | None
    no_experiment: str
    overdrawn: int
    exclusions: tuple[Exclusion, ...]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["value", "low", "high"], "sized")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"figure": item_names(), "unit": unit_names()}

    def title(self) -> str:
        lift, needed = self._item("lift"), self._item("multiple_break_even")
        if lift is not None and needed is not None:
            text = (
                _("More points pay at {needed} more orders; while given they brought {lift}")
                if lift["low"] > 0
                else _(
                    "More points pay at {needed} more orders; that they bring any cannot be told"
                )
            )
            return text.format(needed=percent(needed["value"]), lift=percent(lift["value"]))
        whole = self._item("programme_break_even")
        if whole is not None:
            return _("The points pay if they raise orders by {needed}").format(
                needed=percent(whole["value"])
            )
        rate = self._item("redemption_rate")
        if rate is not None:
            return _("{share} of the points earned have been redeemed").format(
                share=percent(rate["value"])
            )
        return _("{points} points have been earned").format(points=number(self._value("earned")))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        wanted = ["programme_break_even", "multiple_break_even", "lift"]
        rows = [(code, self._item(code)) for code in wanted]
        known = [(code, row) for code, row in rows if row is not None]
        if not known:
            known = [("redemption_rate", self._item("redemption_rate"))]
        names, labels = item_names(), []
        for place, (code, row) in enumerate(known):
            if row is None:
                continue
            colour = charts.ORANGE if code == "lift" else charts.BLUE
            axes.plot([row["low"], row["high"]], [-place, -place], color=colour)
            axes.scatter(row["value"], -place, color=colour, s=50, zorder=3)
            labels.append(charts.wrapped(names[code], 30))
        axes.set_yticks([-place for place in range(len(labels))], labels)
        axes.set_ylim(-len(labels) + 0.4, 0.6)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0), max(high, 0.01))
        axes.axvline(0, color=charts.MUTED, linewidth=1, zorder=0)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Share, with {confidence} intervals").format(confidence=percent(self.confidence, 0))
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._flows(),
            self._owed(),
            self._programme(),
            self._experiment(),
            intervals_in_brackets(self.confidence) if self._intervals() else "",
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = item_names()
        shares = self.table[self.table["unit"] == "share"].dropna(subset=["value"])
        parts = [
            _("{item} {value}").format(
                item=names[row["figure"]], value=self._share(row)
            )
            for _index, row in shares.iterrows()
        ]  # fmt: skip
        return _("Points with intervals. {parts}.").format(parts=_("; ").join(parts))

    # --- the words

    def _item(self, code: str) -> pd.Series | None:
        row = self.table.set_index("figure").loc[code]
        return row if np.isfinite(row["value"]) else None

    def _intervals(self) -> bool:
        """Whether any item has one; the range of the liability is none."""
        return bool(self.table.loc[self.table["figure"] != "liability", "low"].notna().any())

    def _value(self, code: str) -> float:
        return float(self.table.set_index("figure")["value"][code])

    @staticmethod
    def _share(row: pd.Series) -> str:
        return with_interval(row["value"], row["low"], row["high"], percent)

    def _money(self, row: pd.Series) -> str:
        currency = self.context.currency
        return with_interval(
            row["value"], row["low"], row["high"], lambda value: money(value, currency)
        )

    def _flows(self) -> str:
        rate = self._item("redemption_rate")
        if rate is None:
            return ngettext(
                "{members} customer earned {earned} points. What was redeemed is not known.",
                "{members} customers earned {earned} points. What was redeemed is not known.",
                self.members,
            ).format(members=number(self.members), earned=number(self._value("earned")))
        return ngettext(
            "{members} customer earned {earned} points and redeemed {redeemed}, {rate} of them.",
            "{members} customers earned {earned} points and redeemed {redeemed}, {rate} of them.",
            self.members,
        ).format(
            members=number(self.members),
            earned=number(self._value("earned")),
            redeemed=number(self._value("redeemed")),
            rate=self._share(rate),
        )

    def _owed(self) -> str:
        if self._item("outstanding") is None:
            return ""
        breakage, owed = self._item("breakage"), self._item("liability")
        said = [
            _("Outstanding are {points} points.").format(points=number(self._value("outstanding")))
        ]
        if self.overdrawn:
            said.append(
                ngettext(
                    "{count} customer redeemed more than was earned in the data; nothing counts as "
                    "outstanding there.",
                    "{count} customers redeemed more than they earned in the data; nothing counts "
                    "as outstanding there.",
                    self.overdrawn,
                ).format(count=number(self.overdrawn))
            )
        if breakage is not None:
            said.append(
                _(
                    "{share} of them belong to customers who have ordered nothing for {days} days; "
                    "it is an assumption that these are never redeemed, and the others are."
                ).format(share=self._share(breakage), days=number(self.silent_days))
            )
        elif self._value("outstanding") > 0:
            said.append(
                _(
                    "How many of them belong to customers who have ordered nothing for {days} days "
                    "cannot be known: the data are shorter. silent_days=… asks for fewer."
                ).format(days=number(self.silent_days))
            )
        if owed is not None:
            said.append(self._liability(owed, breakage is not None))
        return " ".join(said)

    def _liability(self, owed: pd.Series, with_breakage: bool) -> str:
        text = (
            _(
                "At {cost} a point the company owes {value}: {low} if no larger share is redeemed "
                "than so far, {high} if all are."
            )
            if with_breakage
            else _(
                "At {cost} a point the company owes from {low}, if no larger share is redeemed "
                "than so far, to {high}, if all are."
            )
        )
        values = {
            name: money(owed[name], self.context.currency) for name in ("value", "low", "high")
        }
        return text.format(cost=money(self.point_cost, self.context.currency, 3), **values)

    def _programme(self) -> str:
        share, needed = self._item("cost_of_margin"), self._item("programme_break_even")
        if share is None:
            return _(
                "What the points cost beside the margin of the orders is not known: it takes the "
                "direct costs of the orders, and a cost of a point, in the settings under "
                "points.point or as point_cost=."
            )
        said = _(
            "All points earned cost {cost} if every one is redeemed, {share} of the margin of the "
            "orders that earned them."
        ).format(
            cost=money(self._value("points_cost"), self.context.currency), share=self._share(share)
        )
        if needed is None:
            return (
                said + " " + _("That margin does not cover the points, so no lift pays for them.")
            )
        return said + " " + _(
            "The programme pays if without it there would be fewer orders: it must raise them by "
            "{needed}. Whether it does, orders of members alone cannot say."
        ).format(needed=self._share(needed))  # fmt: skip

    def _experiment(self) -> str:
        if self.offered is None:
            return self.no_experiment
        lift, needed = self._item("lift"), self._item("multiple_break_even")
        if lift is None:
            return _("The arm with more points has too few orders to be judged.")
        said = _(
            "Drawn at random, {multiple} times the points raised orders by {lift} while they were "
            "given."
        ).format(multiple=_times(self.multiple), lift=self._share(lift))
        if needed is not None:
            said += " " + _("To pay for the points more, {needed} would do.").format(
                needed=self._share(needed)
            )
            said += " " + self._compared(lift, needed)
        profit = self._item("extra_profit")
        if profit is not None:
            said += " " + self._profit(profit)
        return said

    @staticmethod
    def _compared(lift: pd.Series, needed: pd.Series) -> str:
        if not (np.isfinite(lift["low"]) and np.isfinite(needed["high"])):
            return ""
        if lift["low"] > needed["high"]:
            return _("The whole interval of the lift lies above that of what is needed.")
        if lift["high"] < needed["low"]:
            return _("The whole interval of the lift lies below that of what is needed.")
        return _("The two intervals overlap, so whether it is enough cannot be told from them.")

    def _profit(self, profit: pd.Series) -> str:
        extra = {
            code: self._money(row)
            for code in ("extra_margin", "extra_points")
            if (row := self._item(code)) is not None
        }
        said = _(
            "Counted in money per customer drawn, over the period of the offer and the next, less "
            "that of the holdout: margin {margin}, points {points}, profit {profit}."
        ).format(
            margin=extra["extra_margin"],
            points=extra["extra_points"],
            profit=self._money(profit),
        )
        if profit["low"] > 0:
            return said + " " + _("It earned money.")
        if profit["high"] < 0:
            return said + " " + _("It lost money.")
        return said + " " + _(
            "As orders differ so much in value, money alone cannot tell whether it paid; the lift "
            "says more, if the orders it brought earn what others do."
        )  # fmt: skip

    def _left_out(self) -> str:
        part = self.offered.part if self.offered else ""
        return left_out_words(self.exclusions, part) if self.exclusions else part

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Points earned and redeemed, their cost, and the margin of orders"),
            denominator=_("Orders that earn points; customers drawn for more points, and holdout"),
            period=self.context.period(),
            method=_(
                "Redemption rate and cost as share of margin: ratios of sums, linearised over "
                "customers. Break-even: cost over margin less cost (Blattberg, Kim and Neslin "
                "2008, chapter 22), jackknife over customers. Lift and money of the experiment as "
                "in offers(); {multiple} times the points are taken as given on every order of "
                "the arm. Points of the time before the data are not known."
            ).format(multiple=_times(self.multiple)),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def _times(multiple: float) -> str:
    return number(multiple, 0 if float(multiple).is_integer() else 1)


def item_names() -> dict[str, str]:
    """What the items of the table are called."""
    return {
        "earned": _("Points earned"),
        "redeemed": _("Points redeemed"),
        "redemption_rate": _("Redemption rate"),
        "outstanding": _("Points outstanding"),
        "breakage": _("Breakage (assumed)"),
        "liability": _("Liability"),
        "points_cost": _("Cost of all points earned"),
        "cost_of_margin": _("Cost as share of margin"),
        "programme_break_even": _("Break-even of the programme"),
        "lift": _("Lift of more points, by the draw"),
        "multiple_break_even": _("Break-even of more points"),
        "extra_margin": _("Margin more per customer drawn"),
        "extra_points": _("Points more per customer drawn"),
        "extra_profit": _("Profit more per customer drawn"),
    }


def unit_names() -> dict[str, str]:
    """What the units of the items are called."""
    return {"points": _("points"), "share": _("share"), "money": _("money")}


@measure(needs=NEEDS)
def points_programme(
    crm: Workspace,
    *,
    arm: str = "points",
    holdout: str = "holdout",
    multiple: float = 2.0,
    point_cost: float | None = None,
    silent_days: int = 180,
    confidence: float = 0.95,
) -> PointsProgramme:
    """What a points programme costs and owes, and the lift of orders at which it pays.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, points_earned; for what is owed points_redeemed, for
        money amount and cost, for the experiment assignments (see `offers`).
    arm, holdout : str
        The arm that got more points, and the one that got the usual.
    multiple : float
        How many times the usual points the arm got, above 1.
    point_cost : float, optional
        Money that a redeemed point costs; by default ``"points.point"`` of the settings'
        activity costs.
    silent_days : int
        Points of customers who have ordered nothing for so long are assumed never to be redeemed.
    confidence : float

    Returns
    -------
    PointsProgramme
        `.table` has a row per figure: figure, value, low, high, unit (points, share or money); NaN
        where it cannot be told, as breakage where the data hold fewer than `silent_days` days. The
        range of the liability is of assumptions, not a confidence interval; without breakage its
        value is that of all points.

    Raises
    ------
    CrmlabError
        If `multiple` is not above 1, or a cost or number of days is not above 0.
    NotEnoughData
        If no order earns points.

    Notes
    -----
    A point counts with its whole cost when it is earned, as in `tiering.cost_to_serve`; breakage
    only lowers what is owed. The break-even lift p/(m − p), with p the cost of points and m the
    margin of the orders that earn them, assumes that further orders earn what those seen do.

    References
    ----------
    Blattberg, R. C., Kim, B.-D. and Neslin, S. A. (2008), Database Marketing, chapter 22. Dowling,
    G. R. and Uncles, M. (1997), Sloan Management Review 38(4), 71-82.
    """
    check_confidence(confidence)
    stated = crm.settings.activity_costs.get("points.point", math.nan)
    cost = float(stated if point_cost is None else point_cost)
    if not multiple > 1 or cost <= 0 or silent_days <= 0:
        raise CrmlabError(
            _("multiple must be above 1, and point_cost and silent_days above 0.")
        )  # fmt: skip
    frame = crm.query("points_by_customer")
    if not (frame["earned"] > 0).any():
        raise NotEnoughData(_("No order of a known customer earns points."))
    with_cost = crm.has("orders", "amount", "cost")
    items = _flows(frame, crm, silent_days, cost, confidence)
    items |= _costs(frame, cost if with_cost else math.nan, confidence)
    found, why = _drawn(crm, arm, holdout)
    if found is not None:
        items |= _experiment(found, cost, multiple, with_cost, confidence)
    rows = [
        (code, *items.get(code, NOTHING)[:3], unit) for code, unit in UNITS.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "unit"])
    members = int((frame["orders"] > 0).sum())
    overdrawn = int((frame["redeemed"] > frame["earned"]).sum())
    left = _exclusions(frame, crm.settings.record, found)
    return PointsProgramme(
        table,
        Context.of(crm),
        members,
        cost,
        multiple,
        silent_days,
        found,
        why,
        overdrawn,
        left,
        confidence,
    )


def _exclusions(frame: pd.DataFrame, record: str, found: Offered | None) -> tuple[Exclusion, ...]:
    missing = int(frame["cost_missing"].sum())
    reason = _("direct cost not known, left out of the margin")
    own = (Exclusion.of_orders(reason, missing, record),) if missing else ()
    return own if found is None else (*own, *found.exclusions)


def _fixed(value: float) -> Estimate:
    return Estimate(value, np.nan, np.nan, np.nan)


def _flows(
    frame: pd.DataFrame, crm: Workspace, silent_days: int, cost: float, confidence: float
) -> dict[str, Estimate]:
    """Points earned, redeemed and outstanding, and what is owed for them."""
    found = {"earned": _fixed(float(frame["earned"].sum()))}
    if not crm.has("orders", "points_redeemed"):
        return found
    rate = clustered.mean(frame["redeemed"], frame["earned"], confidence=confidence)
    rate = rate._replace(low=max(rate.low, 0.0))
    left = (frame["earned"] - frame["redeemed"]).clip(lower=0)
    breakage = _breakage(frame, left, crm, silent_days, confidence)
    points = float(left.sum())
    found |= {
        "redeemed": _fixed(float(frame["redeemed"].sum())),
        "redemption_rate": rate,
        "outstanding": _fixed(points),
        "breakage": breakage,
    }
    if np.isfinite(cost) and points > 0:
        likely = points * cost * (1 - np.nan_to_num(breakage.value))
        least = min(points * cost * min(rate.value, 1.0), likely)
        found["liability"] = Estimate(likely, least, points * cost, np.nan)
    return found


def _breakage(
    frame: pd.DataFrame, left: pd.Series, crm: Workspace, silent_days: int, confidence: float
) -> Estimate:
    """Share of the points of the silent; not known where the data are shorter than the silence."""
    if (crm.as_of - crm.first_day).days < silent_days:
        return NOTHING
    quiet = (pd.Timestamp(crm.as_of) - frame["last_day"]).dt.days >= silent_days
    found = clustered.mean(left.where(quiet, 0.0), left, confidence=confidence)
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def _costs(frame: pd.DataFrame, cost: float, confidence: float) -> dict[str, Estimate]:
    """What the points cost beside the margin of the orders that earn them."""
    if not np.isfinite(cost):
        return {}
    spent = cost * frame["earned"]
    found = {
        "points_cost": _fixed(float(spent.sum())),
        "programme_break_even": break_even(spent, frame["margin"], confidence=confidence),
    }
    if frame["margin"].sum() > 0:
        found["cost_of_margin"] = clustered.mean(spent, frame["margin"], confidence=confidence)
    return found


def _drawn(crm: Workspace, arm: str, holdout: str) -> tuple[Offered | None, str]:
    """The arm with more points and the holdout; or why there is none, in words."""
    if crm.missing(OFFERED):
        return None, _(
            "Without customers drawn at random for more points (the table assignments), what "
            "points do to orders cannot be told from these data."
        )
    try:
        found = offered(crm, holdout=holdout)
    except NotEnoughData as error:
        return None, str(error)
    if arm not in found.arms:
        return None, _(
            "No arm is called '{arm}'; the arms are: {arms}. Name it as arm='…'."
        ).format(arm=arm, arms=_(", ").join(found.arms))
    own = found.frame["arm"].isin([arm, holdout])
    has_arm = (found.frame["arm"] == arm).groupby(found.frame["campaign"]).transform("any")
    return found.only((own & has_arm).to_numpy(bool)), ""


def _experiment(
    found: Offered, cost: float, multiple: float, with_cost: bool, confidence: float
) -> dict[str, Estimate]:
    """Lift and money of the arm with more points, and the lift that would pay for them."""
    at = setting(found)
    (one,) = compared(found.of_period(found.orders, 0), at, confidence)
    value, low, high, _effect = one.log_ratio
    lift, least, most = (float(np.expm1(part)) for part in (value, low, high))
    items = {"lift": Estimate(lift, least, most, np.nan)}
    if not (with_cost and np.isfinite(cost)):
        return items
    held = (found.frame["arm"] == found.holdout).to_numpy(bool)
    first = pd.DataFrame(
        {
            "who": found.frame["customer_id"],
            "cost": cost * found.of_period(found.points, 0),
            "margin": found.of_period(found.margin, 0),
        }
    )[held]
    sums = first.groupby("who")[["cost", "margin"]].sum()
    items["multiple_break_even"] = break_even(
        sums["cost"], sums["margin"], multiple=multiple, confidence=confidence
    )
    spent = cost * found.points
    for code, values in (
        ("extra_margin", found.margin),
        ("extra_points", spent),
        ("extra_profit", found.margin - spent),
    ):
        past = found.of_period(values, -found.before, -1)
        (items[code],) = differences(
            found.of_period(values, 0, found.after), setting(found, past), confidence
        )
    return items
