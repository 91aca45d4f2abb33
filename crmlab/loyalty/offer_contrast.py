"""Used against not used: the comparison that flatters every coupon, beside the one that is fair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.loyalty.offered import NEEDS, Array, Offered, arm_names, offered
from crmlab.loyalty.offers import Line, Setting, arm_colours, compared, draw_arms, setting
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import check_confidence
from crmlab.stats.regression import least_squares
from crmlab.stats.weighted import difference, share, t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Flags = np.ndarray[Any, np.dtype[np.bool_]]

COMPARISONS = ("used", "before", "assigned", "compliers")
#: Those of them that are drawn in grey, as they say nothing of what the offer did.
MISLEADING = ("used", "before")


@dataclass(frozen=True, repr=False)
class OfferContrast(Result):
    """Result of `offer_contrast`.

    Attributes
    ----------
    offered : Offered
    used : pandas.DataFrame
        A row per arm: arm, customers, used (who used the offer), share, low, high.
    held_users : int
        Customers of the holdout who used an offer that was not theirs.
    confidence : float
    """

    measure = "loyalty.offer_contrast"

    offered: Offered
    used: pd.DataFrame
    held_users: int
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["difference", "low", "high"], "number1")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"arm": arm_names(self.offered.arms), "comparison": comparison_names()}

    def title(self) -> str:
        arm = self._arm()
        naive, fair = self._value(arm, "used"), self._value(arm, "assigned")
        if not np.isfinite(naive):
            return _("Nobody can be compared by whether the offer was used")
        if not np.isfinite(fair):
            return _("{arm}: what the offer itself brought cannot be told").format(
                arm=arm_names([arm])[arm]
            )
        text = (
            _("{arm}: users order {naive} more per 100; the offer itself brought {fair}")
            if naive >= 0
            else _("{arm}: users order {naive} fewer per 100; the offer itself brought {fair}")
        )
        return text.format(arm=arm_names([arm])[arm], naive=number(abs(naive)), fair=number(fair))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        names, words = arm_names(self.offered.arms), comparison_names()
        colours = arm_colours(self.offered.arms)
        draw_arms(
            axes,
            [
                [
                    Line(
                        _("{group}: {said}").format(group=names[arm], said=words[code]),
                        charts.GREY if code in MISLEADING else colours[arm],
                        *self._row(arm, code)[["low", "high", "difference"]],
                    )
                    for code in COMPARISONS
                ]
                for arm in self.offered.arms
            ],
            width=34,
        )
        axes.tick_params(axis="y", labelsize=9)
        axes.set_xlabel(_("Orders per 100 customers (grey: a comparison that misleads)"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self.offered.rule() + " " + intervals_in_brackets(self.confidence)]
        parts += [self._of_arm(arm) for arm in self.offered.arms]
        parts += [self._assumptions(), self.offered.left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names, words = arm_names(self.offered.arms), comparison_names()
        rows = self.table.dropna(subset=["difference"])
        if rows.empty:
            return self.title()
        parts = [
            _("{arm}, {comparison}: {value}").format(
                arm=names[row["arm"]],
                comparison=words[row["comparison"]],
                value=self._written(row),
            )
            for _index, row in rows.iterrows()
        ]
        return _("Points with intervals of orders per 100 customers. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _row(self, arm: str, comparison: str) -> pd.Series:
        return self.table.set_index(["arm", "comparison"]).loc[(arm, comparison)]

    def _value(self, arm: str, comparison: str) -> float:
        return float(self._row(arm, comparison)["difference"])

    def _arm(self) -> str:
        """The arm of which the two comparisons lie furthest apart."""
        apart = {
            arm: abs(self._value(arm, "used") - self._value(arm, "assigned"))
            for arm in self.offered.arms
        }
        known = {arm: value for arm, value in apart.items() if np.isfinite(value)}
        return max(known, key=lambda arm: known[arm]) if known else self.offered.arms[0]

    @staticmethod
    def _written(row: pd.Series) -> str:
        return with_interval(
            row["difference"], row["low"], row["high"], lambda orders: number(orders, 1)
        )

    def _of_arm(self, arm: str) -> str:
        name = arm_names([arm])[arm]
        rate = self.used.set_index("arm").loc[arm]
        if not np.isfinite(self._value(arm, "used")):
            return _(
                "{arm}: {users} of {customers} used it, so there is nobody to compare."
            ).format(arm=name, users=number(rate["used"]), customers=number(rate["customers"]))
        said = _(
            "{arm}: {share} of those who could used it. In the period of the offer, users "
            "differ from those who did not use it by {naive} orders per 100 customers. Who uses an "
            "offer has ordered in that period; who does not may not have, whatever the offer does."
        ).format(
            arm=name, share=percent(rate["share"]), naive=self._written(self._row(arm, "used"))
        )
        return " ".join([said, self._busier(arm), self._fair(arm)])

    def _fair(self, arm: str) -> str:
        """What the draw says."""
        if not np.isfinite(self._value(arm, "assigned")):
            return _(
                "Drawn against not drawn, what the offer brought cannot be told: on one of the two "
                "sides are too few customers or orders."
            )
        text = (
            _(
                "Drawn against not drawn, the offer brought {fair} orders per 100 customers; for "
                "those who used it because they got it, {compliers} per 100 of them."
            )
            if np.isfinite(self._value(arm, "compliers"))
            else _(
                "Drawn against not drawn, the offer brought {fair} orders per 100 customers; too "
                "few used it to say what that is per user."
            )
        )
        return text.format(
            fair=self._written(self._row(arm, "assigned")),
            compliers=self._written(self._row(arm, "compliers")),
        )

    def _busier(self, arm: str) -> str:
        row = self._row(arm, "before")
        if row["low"] > 0:
            text = _(
                "Users were the busier ones before the offer too, by {before} orders per 100 "
                "customers and period."
            )
        elif row["high"] < 0:
            text = _(
                "Before the offer users ordered less: {before} orders per 100 customers and period."
            )
        else:
            text = _(
                "Before the offer they differed by {before} orders per 100 customers and "
                "period, which may be chance."
            )
        return text.format(before=self._written(row))

    def _assumptions(self) -> str:
        """What the figures per user rest on; empty where there are none."""
        if not self.table.loc[self.table["comparison"] == "compliers", "difference"].notna().any():
            return ""
        said = _(
            "The last figure divides what the offer brought by the share that used it. It rests on "
            "the draw, and on the offer doing nothing to those who did not use it."
        )
        if not self.held_users:
            return said
        more = ngettext(
            "{count} customer of the holdout used an offer that was not theirs; the share of such "
            "is taken off that of the users.",
            "{count} customers of the holdout used an offer that was not theirs; the share of such "
            "is taken off that of the users.",
            self.held_users,
        ).format(count=number(self.held_users))
        return f"{said} {more}"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders in the period of the offer"),
            denominator=_("Per 100 customers: users and others, or drawn and not drawn"),
            period=self.context.period(),
            method=_(
                "Used: an order of the period names the campaign. Users less others, and the same "
                "in the periods before, are differences of means (an association). Drawn against "
                "holdout as in offers(). Per user: that difference over the difference in the "
                "share of users (Wald's estimate), interval by the delta method. Errors over "
                "customers. Imbens and Angrist (1994)."
            ),
            source=self.context.source,
            exclusions=self.offered.exclusions,
        )


def comparison_names() -> dict[str, str]:
    """What the comparisons are called."""
    return {
        "used": _("users less those who did not use it"),
        "before": _("the same, before the offer"),
        "assigned": _("drawn less holdout"),
        "compliers": _("per user, by the draw"),
    }


@measure(needs=NEEDS | {"orders": [*NEEDS["orders"], "promotion"]})
def offer_contrast(
    crm: Workspace, *, holdout: str = "holdout", confidence: float = 0.95
) -> OfferContrast:
    """How far the comparison of users with others overstates what an offer does.

    Parameters
    ----------
    crm : Workspace
        With assignments: customer_id, campaign, arm, assigned_at; orders: customer_id, ordered_at,
        promotion (the campaign whose offer was used).
    holdout : str
        The arm without an offer.
    confidence : float

    Returns
    -------
    OfferContrast
        `.table` has a row per arm and comparison: arm, comparison (``"used"``: users less others of
        the arm; ``"before"``: the same two, a period before the offer; ``"assigned"``: drawn less
        holdout; ``"compliers"``: the same per user), customers, difference, low, high (orders per
        100 customers and period).

    Raises
    ------
    NotEnoughData
        If no campaign has a holdout and another arm whose period was over.

    Notes
    -----
    To use an offer one must order, so users have an order at least and the others perhaps none:
    the first difference would be large even if the offer did nothing. With D the difference drawn
    less holdout in orders, and S that in the share of users, D/S is the effect on those who use the
    offer because they got it, if it does nothing to others. Its variance is that of D − (D/S)·S
    over S², where the covariance is that of least squares on the same columns.

    References
    ----------
    Imbens, G. W. and Angrist, J. D. (1994), Econometrica 62, 467-475. Bloom, H. S. (1984),
    Evaluation Review 8, 225-246.
    """
    check_confidence(confidence)
    found = offered(crm, holdout=holdout, after=0)
    user = found.of_period(found.promoted, 0) > 0
    table = pd.DataFrame([row for arm in found.arms for row in _rows(found, user, arm, confidence)])
    held = (found.frame["arm"] == holdout).to_numpy(bool)
    return OfferContrast(
        table,
        Context.of(crm),
        found,
        _used(found, user, confidence),
        int(found.frame.loc[held & user, "customer_id"].nunique()),
        confidence,
    )


def _rows(found: Offered, user: Flags, arm: str, confidence: float) -> list[dict[str, Any]]:
    own = (found.frame["arm"] == arm).to_numpy(bool)
    held = (found.frame["arm"] == found.holdout).to_numpy(bool)
    orders = found.of_period(found.orders, 0)
    before = found.of_period(found.orders, -found.before, -1) / found.before
    who = found.frame["customer_id"].to_numpy()
    used = [
        difference(100 * values, own & user, own & ~user, clusters=who, confidence=confidence)
        for values in (orders, before)
    ]
    drawn, compliers = _drawn(found.only(own | held), user[own | held], confidence)
    figures = zip(COMPARISONS, (*used, drawn, compliers), strict=True)
    sizes = {"used": own, "before": own, "assigned": own | held, "compliers": own | held}
    return [
        {
            "arm": arm,
            "comparison": code,
            "customers": int(sizes[code].sum()),
            "difference": one.value,
            "low": one.low,
            "high": one.high,
        }
        for code, one in figures
    ]


def _drawn(found: Offered, user: Flags, confidence: float) -> tuple[Estimate, Estimate]:
    """Orders per 100 customers that the offer brought, and per 100 who used it."""
    at = setting(found)
    orders = 100 * found.of_period(found.orders, 0)
    (one,) = compared(orders / 100, at, confidence)
    drawn = Estimate(*(100 * part for part in one.more))
    try:
        share, error = _least_squares(user.astype(float), at)
        _value, of_orders = _least_squares(orders, at)
        if not share > 2 * error or not np.isfinite(drawn.low):
            return drawn, NOTHING  # a share that may be none cannot be divided by
        ratio = drawn.value / share
        _value, of_both = _least_squares(orders - ratio * user, at)
    except NotEnoughData:
        return drawn, NOTHING
    freedom = len(np.unique(at.who)) - 1
    own = t_interval(0.0, 1.0, freedom, confidence=confidence).high
    spread = (drawn.high - drawn.value) / own * of_both / of_orders / share
    return drawn, t_interval(ratio, spread, freedom, confidence=confidence)


def _least_squares(values: Array, at: Setting) -> tuple[float, float]:
    fit = least_squares(at.design, values, weights=np.ones(len(values)), clusters=at.who)
    return float(fit.coefficients[0]), float(np.nan_to_num(fit.errors[0]))


def _used(found: Offered, user: Flags, confidence: float) -> pd.DataFrame:
    rows = []
    for arm in found.arms:
        own = (found.frame["arm"] == arm).to_numpy(bool)
        who = found.frame["customer_id"].to_numpy()[own]
        one = share(user[own], clusters=who, confidence=confidence)
        rows.append((arm, int(own.sum()), int(user[own].sum()), one.value, one.low, one.high))
    return pd.DataFrame(rows, columns=["arm", "customers", "used", "share", "low", "high"])
