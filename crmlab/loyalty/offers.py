"""What an offer did to those it was made to (客户贿赂的检验): as assigned, against the holdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, money, ngettext, number, percent, signed, with_interval
from crmlab.loyalty.offered import (
    FEWEST,
    NEEDS,
    Array,
    Offered,
    arm_names,
    changed,
    offered,
)
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.balance import balance
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.counts import CountRegression, poisson
from crmlab.stats.intervals import check_confidence
from crmlab.stats.multiplicity import holm
from crmlab.stats.regression import least_squares
from crmlab.stats.weighted import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Periods that a row of the table is about.
WINDOWS = ("during", "after", "both")
#: Name that stands for all campaigns together.
ALL = "all"
#: Colours of the arms, in their order.
COLOURS = (charts.ORANGE, charts.BLUE, charts.INK, charts.GREY)


@dataclass(frozen=True, repr=False)
class Offers(Result):
    """Result of `offers`.

    Attributes
    ----------
    checks : pandas.DataFrame
        Whether arms were alike before, a row for each thing known and one of all together:
        characteristic, statistic, freedom, probability (Holm's, but for the last), differs.
    offered : Offered
    money_of : {"profit", "revenue", ""}
        What the money columns hold.
    point_cost : float
        Cost of a point; 0 where none is stated.
    confidence : float
    """

    measure = "loyalty.offers"

    checks: pd.DataFrame
    offered: Offered
    money_of: str
    point_cost: float
    confidence: float

    @property
    def pooled(self) -> pd.DataFrame:
        """The rows of all campaigns together."""
        return self.table[self.table["campaign"] == ALL]

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "arm": arm_names(self.offered.arms),
            "window": window_names(),
            "campaign": {ALL: _("All together")},
        }

    def main_columns(self) -> Sequence[str]:
        names = ["campaign", "arm", "window", "customers", "log_ratio", "low", "high"]
        more = ["more", "more_low", "more_high"]
        gained = ["gained", "gained_low", "gained_high"] if self.money_of else []
        return [*names, "told", *more, *gained]

    @property
    def windows(self) -> tuple[str, ...]:
        """The periods of the table: only the offer's own where nothing after it is asked for."""
        return WINDOWS if self.offered.after else WINDOWS[:1]

    def row(self, arm: str, window: str, campaign: str = ALL) -> pd.Series:
        """The row of an arm and period."""
        rows = self.table.set_index(["campaign", "arm", "window"])
        return rows.loc[(campaign, arm, window)]

    def title(self) -> str:
        if not self.pooled["log_ratio"].notna().any():
            return _("Too few customers or orders to judge any offer")
        if not self.pooled["told"].fillna(False).astype(bool).any():
            return _("That the offers changed orders cannot be told")
        arm = self._foremost()
        changes = {
            window: signed(np.expm1(self.row(arm, window)["log_ratio"])) for window in self.windows
        }
        text = (
            _("{arm}: orders {during} while offered, {after} afterwards, {both} in all")
            if self._followed(arm)
            else _("{arm}: orders {during} while offered")
        )
        return text.format(arm=arm_names(self.offered.arms)[arm], **changes)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        names, windows = arm_names(self.offered.arms), window_names()
        colours = arm_colours(self.offered.arms)
        draw_arms(
            axes,
            [
                [
                    Line(
                        _("{group}: {said}").format(group=names[arm], said=windows[window]),
                        colours[arm],
                        *np.expm1(
                            self.row(arm, window)[["low", "high", "log_ratio"]].astype(float)
                        ),
                    )
                    for window in self.windows
                ]
                for arm in self.offered.arms
            ],
        )
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Orders compared with the holdout, with {confidence} intervals").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._who(),
            *[self._of_arm(arm) for arm in self.offered.arms],
            self._one_by_one(),
            self._alike(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names, windows = arm_names(self.offered.arms), window_names()
        rows = self.pooled.dropna(subset=["log_ratio"])
        if rows.empty:
            return self.title()
        parts = [
            _("{arm}, {window}: {change}").format(
                arm=names[row["arm"]], window=windows[row["window"]], change=changed(row)
            )
            for _index, row in rows.iterrows()
        ]
        return _("Points with intervals of the change in orders. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _foremost(self) -> str:
        """The arm whose orders changed most while it was offered, of those of which any holds."""
        told = self.pooled.loc[self.pooled["told"].fillna(False).astype(bool), "arm"].unique()
        during = self.pooled[self.pooled["window"] == "during"].set_index("arm")["log_ratio"]
        return str(during[told].abs().fillna(0).idxmax())

    @staticmethod
    def _more(row: pd.Series) -> str:
        ends = row["more_low"], row["more_high"]
        return with_interval(row["more"], *ends, lambda orders: number(orders, 1))

    def _who(self) -> str:
        campaigns = len(self.offered.campaigns)
        said = ngettext(
            "In {count} campaign {rows} assignments of {customers} customers were drawn; {held} of "
            "them got no offer. Everyone counts as drawn, whether the offer was used or not.",
            "In {count} campaigns {rows} assignments of {customers} customers were drawn; {held} "
            "of them got no offer. Everyone counts as drawn, whether the offer was used or not.",
            campaigns,
        ).format(
            count=number(campaigns),
            rows=number(len(self.offered.frame)),
            customers=number(self.offered.customers),
            held=number(int((self.offered.frame["arm"] == self.offered.holdout).sum())),
        )
        judged = _(
            "What is called a change holds beside the {count} comparisons of all campaigns "
            "together (Holm)."
        ).format(count=number(int(self.pooled["probability"].notna().sum())))
        brackets = intervals_in_brackets(self.confidence)
        return f"{said} {self.offered.rule()} {brackets} {judged}"

    def _of_arm(self, arm: str) -> str:
        during = self.row(arm, "during")
        name = arm_names(self.offered.arms)[arm]
        if not np.isfinite(during["low"]):
            return _("{arm}: too few customers or orders to be judged.").format(arm=name)
        if self._followed(arm):
            said = self._both_periods(arm, name)
        else:
            said = _(
                "{arm}: compared with the holdout, orders changed by {during} while it was "
                "offered; per 100 customers that is {more} orders."
            ).format(arm=name, during=changed(during), more=self._more(during))
        return " ".join(part for part in (said, self._verdict(arm), self._paid(arm)) if part)

    def _followed(self, arm: str) -> bool:
        """Whether anything is known of the time after the offer."""
        return len(self.windows) > 1 and bool(np.isfinite(self.row(arm, "after")["low"]))

    def _both_periods(self, arm: str, name: str) -> str:
        during, after, both = (self.row(arm, window) for window in WINDOWS)
        return _(
            "{arm}: compared with the holdout, orders changed by {during} while it was offered, by "
            "{after} afterwards, and by {both} over both. Per 100 customers that is {more_during} "
            "orders, {more_after} afterwards, and {more} in all."
        ).format(
            arm=name,
            during=changed(during),
            after=changed(after),
            both=changed(both),
            more_during=self._more(during),
            more_after=self._more(after),
            more=self._more(both),
        )

    def _verdict(self, arm: str) -> str:
        during = _sign(self.row(arm, "during"))
        if during < 0:
            return _("Those who got it ordered less.")
        if during == 0:
            return _("That it did anything to orders cannot be told.")
        if not self._followed(arm):
            return _("It brought orders; whether from the time afterwards is not known.")
        after, both = (_sign(self.row(arm, window)) for window in ("after", "both"))
        if after < 0:
            texts = {
                1: _(
                    "The dip afterwards shows purchases moved forward; more were gained than moved."
                ),
                0: _(
                    "The dip afterwards shows purchases moved forward; that more were gained than "
                    "moved cannot be told."
                ),
                -1: _("The dip afterwards took back more than was gained."),
            }
            return texts[both]
        if both > 0:
            return _("It brought orders, and no dip afterwards can be told.")
        return _(
            "It brought orders while it was offered; whether anything remains over both periods "
            "cannot be told."
        )

    def _paid(self, arm: str) -> str:
        row = self.row(arm, self.windows[-1])
        if not self.money_of or not np.isfinite(row["gained_low"]):
            return ""
        gained = {
            name: row[column]
            for name, column in (
                ("value", "gained"),
                ("low", "gained_low"),
                ("high", "gained_high"),
            )
        }
        decimals = 0 if max(abs(value) for value in gained.values()) >= 100 else 2
        values = {
            name: money(value, self.context.currency, decimals) for name, value in gained.items()
        }
        if self.money_of == "revenue":
            return _(
                "Revenue per customer drawn changed by {value} ({low} to {high}) in that time; "
                "without direct costs nothing can be said of profit."
            ).format(**values)
        if row["gained_low"] > 0:
            text = _(
                "Per customer drawn it earned {value} ({low} to {high}) in that time, discounts "
                "and points paid."
            )
        elif row["gained_high"] < 0:
            text = _(
                "Per customer drawn it lost money: profit changed by {value} ({low} to {high})."
            )
        else:
            text = _(
                "Whether it paid cannot be told: profit per customer drawn changed by {value} "
                "({low} to {high}) in that time, discounts and points paid."
            )
        return text.format(**values)

    def _one_by_one(self) -> str:
        rows = self.table[(self.table["campaign"] != ALL) & (self.table["window"] == "during")]
        if rows.empty:
            return ""
        judged = rows[rows["probability"].notna()]
        return _(
            "Campaign by campaign, a change while offered holds in {some} of {all} comparisons "
            "(Holm's correction for their number); one that does not hold is not shown to be none."
        ).format(
            some=number(int(judged["told"].fillna(False).astype(bool).sum())),
            all=number(len(judged)),
        )

    def _alike(self) -> str:
        whole = self.checks.iloc[-1]
        if not np.isfinite(whole["probability"]):
            return ""
        text = (
            _(
                "Before the draw the arms differed by more than chance (probability {chance}): "
                "whether they were drawn at random is in doubt."
            )
            if whole["differs"]
            else _(
                "Before the draw the arms were as alike as chance makes them (probability "
                "{chance})."
            )
        )
        return text.format(chance=number(whole["probability"], 2))

    def _left_out(self) -> str:
        offer = self.offered
        parts = [offer.left_out()]
        if offer.overlapping:
            parts.append(
                ngettext(
                    "{count} assignment began before the periods of an earlier campaign were over "
                    "for the same customer; as arms are drawn anew, that falls alike on all.",
                    "{count} assignments began before the periods of an earlier campaign were over "
                    "for the same customer; as arms are drawn anew, that falls alike on all.",
                    offer.overlapping,
                ).format(count=number(offer.overlapping))
            )
        if self.money_of == "profit" and offer.cost_missing:
            parts.append(
                ngettext(
                    "The direct cost of {count} order is not known; it adds no profit.",
                    "The direct cost of {count} orders is not known; they add no profit.",
                    offer.cost_missing,
                ).format(count=number(offer.cost_missing))
            )
        if self.money_of == "profit" and not self.point_cost and offer.points.any():
            parts.append(
                _(
                    "No cost of a point is stated (points.point in the settings), so points count "
                    "as free."
                )
            )
        return " ".join(part for part in parts if part)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders per customer drawn for the offer"),
            denominator=_("Orders per customer of the holdout, in the same campaign and period"),
            period=self.context.period(),
            method=_(
                "Intention to treat. Poisson regression of the orders of each customer drawn "
                "(0 where there are none) on arm and campaign and on the logs of 1 + orders in the "
                "{before} periods before and of 1 + all earlier orders; differences in orders are "
                "the mean of what it expects with and without the offer. Money by least squares on "
                "the same and on money before. Errors over customers by the jackknife. Rosenblum "
                "and van der Laan (2010). Plain: without the orders before. {rule}"
            ).format(before=number(self.offered.before), rule=self.offered.rule()),
            source=self.context.source,
            exclusions=self.offered.exclusions,
        )


def window_names() -> dict[str, str]:
    """What the periods of the table are called."""
    return {"during": _("while offered"), "after": _("afterwards"), "both": _("both together")}


def arm_colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm."""
    return {arm: COLOURS[place % len(COLOURS)] for place, arm in enumerate(arms)}


class Line(NamedTuple):
    """A point with its interval, as it is drawn."""

    label: str
    colour: str
    low: float
    high: float
    value: float


def draw_arms(axes: Axes, arms: Sequence[Sequence[Line]], *, width: int = 30) -> None:
    """Draw the lines of each arm one below the other, with a gap between arms, and the zero."""
    places: list[float] = []
    for above, lines in enumerate(arms):
        for line in lines:
            places.append(-len(places) - 0.6 * above)
            axes.plot([line.low, line.high], [places[-1]] * 2, color=line.colour)
            axes.scatter(line.value, places[-1], color=line.colour, s=45, zorder=3)
    axes.axvline(0, color=charts.MUTED, linewidth=1, zorder=0)
    axes.set_yticks(places, [charts.wrapped(line.label, width) for lines in arms for line in lines])


def _sign(row: pd.Series) -> int:
    """Whether there are more orders, or fewer, as far as that holds; 0 if it cannot be told."""
    if pd.isna(row["told"]) or not row["told"]:
        return 0
    return 1 if row["log_ratio"] > 0 else -1


@measure(needs=NEEDS)
def offers(
    crm: Workspace, *, holdout: str = "holdout", after: int = 1, confidence: float = 0.95
) -> Offers:
    """What an offer did to orders and profit while it ran and afterwards, against the holdout.

    Parameters
    ----------
    crm : Workspace
        With assignments: customer_id, campaign, arm, assigned_at; orders: customer_id, ordered_at,
        for money also amount, cost, points_earned and ``settings.activity_costs``
        (``"points.point"``).
    holdout : str
        The arm without an offer.
    after : int
        Periods after the offer's own that count as afterwards; with 0 only its own is looked at.
    confidence : float

    Returns
    -------
    Offers
        `.table` has a row per campaign (``"all"`` first), arm and window (``"during"`` the offer's
        own period, ``"after"``, ``"both"``): customers, holdout_customers, orders_per_100 (of the
        arm), log_ratio, low, high (of orders, adjusted for history), more, more_low, more_high
        (orders per 100 customers), probability and told (Holm, over the rows of all together, and
        over those of the campaigns); and of all together only plain, plain_low, plain_high (log
        ratio not adjusted), gained, gained_low, gained_high (money per customer: profit where
        direct costs are known, else revenue).

    Raises
    ------
    CrmlabError
        If `after` is less than 0.
    NotEnoughData
        If no campaign has a holdout and another arm, or its periods are not over.

    Notes
    -----
    A period is the calendar month where every assignment of the campaign falls on the first day of
    one, else 30 days from the day of the assignment. Orders μ = exp(campaign + arm + history β);
    the draw makes the arm's coefficient the log ratio of orders whether or not the rest of the
    model is right, and history makes it more precise. Profit is amount less refunds, direct cost
    and points earned at their cost: what the discount took off is off the amount already.

    References
    ----------
    Rosenblum, M. and van der Laan, M. J. (2010), International Journal of Biostatistics 6(1), 13.
    Neslin, S. A. (2002), Sales Promotion, Marketing Science Institute, on purchases moved forward.
    """
    check_confidence(confidence)
    found = offered(crm, holdout=holdout, after=after)
    cost = float(crm.settings.activity_costs.get("points.point", 0.0))
    known = [name for name in ("amount", "cost") if crm.has("orders", name)]
    money_of = {2: "profit", 1: "revenue" if "amount" in known else ""}.get(len(known), "")
    parts = [_rows(found, ALL, money_of, cost, confidence)]
    if len(found.campaigns) > 1:
        for campaign in found.campaigns:
            part = found.only((found.frame["campaign"] == campaign).to_numpy(bool))
            parts.append(_rows(part, campaign, "", cost, confidence))
    table = _together(parts, 1 - confidence)
    return Offers(
        table, Context.of(crm), _checks(found, 1 - confidence), found, money_of, cost, confidence
    )


# --- the estimates


class Setting(NamedTuple):
    """What the arms are compared by: columns of the regression and who belongs together."""

    arms: Array
    campaigns: Array
    history: Array
    who: np.ndarray[Any, Any]

    @property
    def design(self) -> Array:
        """All columns, those of the arms first."""
        return np.column_stack([self.arms, self.campaigns, self.history])


def setting(found: Offered, *more: Array) -> Setting:
    """The columns of the comparison: arms, campaigns, and the history that varies."""
    frame = found.frame
    history = [
        np.log1p(found.of_period(found.orders, -found.before, -1)),
        np.log1p(found.earlier),
        *more,
    ]
    campaigns = np.equal.outer(frame["campaign"].to_numpy(), found.campaigns).astype(float)
    return Setting(
        np.equal.outer(frame["arm"].to_numpy(), list(found.arms)).astype(float),
        campaigns,
        independent(campaigns, history),
        pd.factorize(frame["customer_id"])[0],
    )


def independent(campaigns: Array, columns: Sequence[Array]) -> Array:
    """Those of the columns that say more than the campaigns and the columns before them."""
    kept: list[Array] = []
    for column in columns:
        others = np.column_stack([campaigns, *kept])
        left = column - others @ np.linalg.lstsq(others, column, rcond=None)[0]
        if np.abs(left).max(initial=0) > 1e-9 * max(np.abs(column).max(initial=0), 1e-300):
            kept.append(column)
    return np.column_stack(kept) if kept else np.empty((len(campaigns), 0))


class Compared(NamedTuple):
    """An arm against the holdout: log ratio of counts, its probability by chance, difference."""

    log_ratio: Estimate
    chance: float
    more: Estimate


def compared(counts: Array, at: Setting, confidence: float) -> list[Compared]:
    """Counts of each arm against those of the holdout.

    Parameters
    ----------
    counts : numpy.ndarray, shape (rows,)
    at : Setting
    confidence : float

    Returns
    -------
    list of Compared
        One for each arm; NaN where it cannot be judged. The difference is the mean over all rows of
        what the regression expects of them with the offer less without it.
    """
    many = at.arms.shape[1]
    told = at.campaigns @ (at.campaigns.T @ counts) > 0  # campaigns in which somebody ordered
    if not told.all():
        counts, at = counts[told], _part(at, told)
    fit = _fit(counts, at)
    if fit is None and many == 1:
        return [Compared(NOTHING, np.nan, NOTHING)]
    if fit is None:
        return [compared(counts[rows], part, confidence)[0] for rows, part in _apart(at)]
    unit = np.eye(at.design.shape[1])
    return [
        Compared(
            fit.estimate(place, confidence=confidence),
            fit.chance(unit[place]),
            _more(fit, at, place, confidence),
        )
        for place in range(many)
    ]


def _fit(counts: Array, at: Setting) -> CountRegression | None:
    """The regression; None where some arm or the holdout has no orders, or too few customers."""
    groups = [*at.arms.T, at.arms.sum(axis=1) == 0]
    if not all(counts[group > 0].any() for group in groups):
        return None
    try:
        return poisson(counts, at.design, clusters=at.who)
    except NotEnoughData:
        return None


def _more(fit: CountRegression, at: Setting, place: int, confidence: float) -> Estimate:
    """The mean difference that the arm makes, with the interval of the delta method."""
    many = at.arms.shape[1]
    others = at.design[:, many:]
    base = np.exp(others @ fit.coefficients[many:])
    ratio = np.exp(fit.coefficients[place])
    slope = np.zeros(len(fit.coefficients))
    slope[place] = base.mean() * ratio
    slope[many:] = (ratio - 1) * (base @ others) / len(base)
    error = float(np.sqrt(slope @ fit.covariance @ slope))
    return t_interval(float(base.mean() * (ratio - 1)), error, fit.freedom, confidence=confidence)


def _apart(at: Setting) -> list[tuple[np.ndarray[Any, Any], Setting]]:
    """Each arm with the holdout alone, so that one that cannot be judged does not spoil others."""
    held = at.arms.sum(axis=1) == 0
    found = []
    for place in range(at.arms.shape[1]):
        rows = held | (at.arms[:, place] > 0)
        found.append((rows, _part(at._replace(arms=at.arms[:, [place]]), rows)))
    return found


def _part(at: Setting, rows: np.ndarray[Any, Any]) -> Setting:
    """The columns of some rows, without campaigns and history that say nothing there."""
    campaigns = at.campaigns[rows]
    campaigns = campaigns[:, campaigns.any(axis=0)]
    history = independent(campaigns, list(at.history[rows].T))
    return Setting(at.arms[rows], campaigns, history, at.who[rows])


def differences(values: Array, at: Setting, confidence: float) -> list[Estimate]:
    """The difference of a mean of each arm from the holdout."""
    try:
        fit = least_squares(at.design, values, weights=np.ones(len(values)), clusters=at.who)
    except NotEnoughData:
        return [NOTHING] * at.arms.shape[1]
    return [fit.estimate(place, confidence=confidence) for place in range(at.arms.shape[1])]


def profits(found: Offered, money_of: str, point_cost: float) -> Array:
    """Money of each customer and period: profit after direct cost and points, or revenue."""
    if money_of == "profit":
        return found.margin - point_cost * found.points
    return found.amount


def _rows(
    found: Offered, campaign: str, money_of: str, point_cost: float, confidence: float
) -> pd.DataFrame:
    spans = {"during": (0, 0)}
    if found.after:
        spans |= {"after": (1, found.after), "both": (0, found.after)}
    at = setting(found)
    rows = []
    for window, (first, last) in spans.items():
        orders = found.of_period(found.orders, first, last)
        made = [
            {"campaign": campaign, "arm": arm, "window": window}
            | _counts(found, arm, orders)
            | _compared(one)
            for arm, one in zip(found.arms, compared(orders, at, confidence), strict=True)
        ]
        if campaign == ALL:
            bare = compared(orders, at._replace(history=at.history[:, :0]), confidence)
            gained = _gained(found, money_of, point_cost, (first, last), confidence)
            for row, one, other in zip(made, bare, gained, strict=True):
                row |= _named("plain", one.log_ratio) | _named("gained", other)
        rows += made
    return _judged_only(pd.DataFrame(rows))


def _counts(found: Offered, arm: str, orders: Array) -> dict[str, Any]:
    own = (found.frame["arm"] == arm).to_numpy(bool)
    return {
        "customers": int(own.sum()),
        "holdout_customers": int((found.frame["arm"] == found.holdout).sum()),
        "orders_per_100": 100 * float(orders[own].mean()),
    }


def _compared(one: Compared) -> dict[str, float]:
    value, low, high, _effect = one.log_ratio
    hundred = Estimate(*(100 * part for part in one.more))
    return (
        {"log_ratio": value, "low": low, "high": high, "probability": one.chance}
        | _named("more", hundred)
    )  # fmt: skip


def _named(stem: str, found: Estimate) -> dict[str, float]:
    return {stem: found.value, f"{stem}_low": found.low, f"{stem}_high": found.high}


def _gained(
    found: Offered, money_of: str, point_cost: float, span: tuple[int, int], confidence: float
) -> list[Estimate]:
    if not money_of:
        return [NOTHING] * len(found.arms)
    each = profits(found, money_of, point_cost)
    past = found.of_period(each, -found.before, -1)
    return differences(found.of_period(each, *span), setting(found, past), confidence)


def _judged_only(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of too few customers on either side keep their counts only."""
    few = rows[["customers", "holdout_customers"]].min(axis=1) < FEWEST
    estimates = rows.columns.difference(
        ["campaign", "arm", "window", "customers", "holdout_customers", "orders_per_100"]
    )
    rows.loc[few, estimates] = np.nan
    return rows


def _together(parts: Sequence[pd.DataFrame], level: float) -> pd.DataFrame:
    """The rows of all campaigns and those of each, each family with Holm's correction."""
    pooled = parts[0]
    families = [pooled, pd.concat(parts[1:], ignore_index=True)] if len(parts) > 1 else [pooled]
    for family in families:
        judged = family["probability"].notna()
        told, family["probability"] = holm(family["probability"], level)
        family["told"] = pd.array(told, dtype="boolean")
        family.loc[~judged, "told"] = pd.NA
    table = pd.concat(families, ignore_index=True)
    last = ["probability", "told"]
    return table[[*table.columns.difference(last, sort=False), *last]]


def _checks(found: Offered, level: float) -> pd.DataFrame:
    """Whether what was known before is alike in the arms, one by one and all together."""
    known = {
        "orders_before": np.log1p(found.of_period(found.orders, -found.before, -1)),
        "earlier_orders": np.log1p(found.earlier),
    }
    blocks: dict[str, Array] = {name: values[:, None] for name, values in known.items()}
    for name in ("tier", "region"):
        if found.frame[name].notna().any():
            blocks[name] = pd.get_dummies(found.frame[name], dummy_na=True).to_numpy(float)
    arms, campaigns = found.frame["arm"], found.frame["campaign"]
    each = [balance(values, arms, campaigns) for values in blocks.values()]
    whole = balance(np.column_stack(list(blocks.values())), arms, campaigns)
    _holds, chances = holm([one.chance for one in each], level)
    table = pd.DataFrame(
        {
            "characteristic": [*blocks, "all"],
            "statistic": [*(one.statistic for one in each), whole.statistic],
            "freedom": [*(one.freedom for one in each), whole.freedom],
            "probability": [*chances, whole.chance],
        }
    )
    return table.assign(differs=table["probability"] <= level)
