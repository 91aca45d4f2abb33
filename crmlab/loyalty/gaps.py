"""Days between purchases (购买间隔): how soon the next one comes, and when silence tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data.drawn import some_customers
from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.newcomers import check_group, drawn, groups, largest_only
from crmlab.loyalty.purchases import NEEDS, Occasion, Purchases, purchases
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.intervals import check_confidence
from crmlab.stats.recurrent import gap_curve, per_cluster
from crmlab.stats.survival import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Shares of purchases by whose day the next one has come.
SHARES = {"median": 0.5, "day_90": 0.9, "day_95": 0.95}
#: More groups than these are drawn as points rather than curves.
CURVES = 4
#: Groups of fewer customers are drawn only where there is room for all, and not named as extremes.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class PurchaseGaps(Result):
    """Result of `purchase_gaps`.

    Attributes
    ----------
    overall : pandas.Series
        As a row of `.table`, of all customers together.
    curves : pandas.DataFrame
        For each group, and with a missing group for all: group, time (days), survival (share of
        gaps that last longer), low, high.
    by : str
        Column of the groups; empty for none.
    no_tier : bool
        Whether groups by tier were asked for and the data give no tier.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    found : Purchases
    confidence : float
    """

    measure = "loyalty.purchase_gaps"

    overall: pd.Series
    curves: pd.DataFrame
    by: str
    no_tier: bool
    part: str
    found: Purchases
    confidence: float

    def formats(self) -> Mapping[str, str]:
        days = [f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")]
        return dict.fromkeys([*days, "completed_90"], "integer")

    def main_columns(self) -> list[str]:
        hidden = {
            f"{name}{end}"
            for name in ("median", "day_90", "customer_median")
            for end in ("_low", "_high")
        }
        return [name for name in self.table if name not in hidden]

    def title(self) -> str:
        median, late = self.overall["median"], self.overall["day_95"]
        if not np.isnan(late):
            return _(
                "Half of the next purchases come within {median} days, 95% within {late}"
            ).format(median=number(median), late=number(late))
        if not np.isnan(median):
            return _("Half of the next purchases come within {median} days").format(
                median=number(median)
            )
        return _("Most purchases have not been followed by another so far")

    def plot(self, ax: Axes | None = None) -> Axes:
        many = len(self.table) > CURVES
        axes = self._draw_points(ax) if many else self._draw_curves(ax)
        charts.set_title(axes, self.title())
        return axes

    def _draw_curves(self, ax: Axes | None) -> Axes:
        axes = charts.new_axes(ax)
        end = self._end()
        for level in (0.9, 0.95):
            axes.axhline(level, color=charts.GRID, linewidth=1.2)
        ends = []
        for name, curve in self._drawn():
            colour = charts.LAYER_COLOURS.get(str(name), charts.BLUE)
            days = np.concatenate([[0.0], curve["time"]])
            share = 1 - np.concatenate([[1.0], curve["survival"]])
            low, high = (1 - np.concatenate([[1.0], curve[one]]) for one in ("high", "low"))
            axes.fill_between(days, low, high, step="post", color=colour, alpha=0.18, linewidth=0)
            axes.step(days, share, where="post", color=colour)
            if self.by:
                last = share[days <= end][-1]
                ends.append((last, group_name(self.by, name), colour))
        places = _apart([share for share, _name, _colour in ends])
        for place, (_share, name, colour) in zip(places, ends, strict=True):
            axes.annotate(
                name, (end, place), xytext=(5, 0), textcoords="offset points", color=colour,
                va="center", annotation_clip=False,
            )  # fmt: skip
        axes.set_xlim(0, end)
        axes.set_ylim(0, 1)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(
            _("Days since the purchase; band: {confidence} interval; lines at 90% and 95%").format(
                confidence=percent(self.confidence, 0)
            )
        )
        axes.set_ylabel(_("Followed by another"))
        return axes

    def _drawn(self) -> list[tuple[Any, pd.DataFrame]]:
        curves = self.curves
        if not self.by:
            return [(None, curves)]
        of_groups = curves[~curves["all"]]
        return [(name, part) for name, part in of_groups.groupby("group", sort=False, dropna=False)]

    def _end(self) -> float:
        """Last day drawn: a little after 95% have come in the slowest group, or the last day."""
        last = float(self.curves["time"].max())
        late = self.table["day_95"]
        if late.isna().any():
            return max(last, 1.0)
        return max(min(last, 1.25 * late.max()), 1.0)

    def _large(self) -> pd.DataFrame:
        """The groups that are drawn as points."""
        return drawn(self.table, self.by, self.table["customers"] >= FEWEST)

    def _draw_points(self, ax: Axes | None) -> Axes:
        table = self._large()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.6 + 0.42 * len(table)))
        places = np.arange(len(table))[::-1]
        for column, colour in (("median", charts.BLUE), ("day_90", charts.ORANGE)):
            low, high = table[f"{column}_low"], table[f"{column}_high"]
            axes.hlines(places, low, high, color=colour, linewidth=2)
            axes.scatter(table[column], places, color=colour, s=40, zorder=3)
        axes.set_yticks(places, [group_name(self.by, one) for one in table[self.by]])
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlim(left=0)
        axes.set_xlabel(
            _("Days until half (left) and 90% (right) have come, {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )
        return axes

    def reading(self) -> str:
        parts = [
            self._all(),
            self._groups(),
            largest_only(len(self._large()), len(self.table)) if self.by else "",
            self._silence(),
            self._open(),
            self._per_customer(),
            self.part,
            self.found.rule(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if not self.by:
            return _("Rising curve of the share of purchases followed by another. {said}").format(
                said=self._days(self.overall)
            )
        parts = [
            _("{group}: {said}").format(
                group=group_name(self.by, row[self.by]), said=self._days(row)
            )
            for _index, row in self.table.iterrows()
        ]
        return _("How soon the next purchase comes, by group. {groups}").format(
            groups=" ".join(parts)
        )

    # --- the words

    def _days(self, row: pd.Series) -> str:
        """The days by which 50, 90 and 95% of the next purchases have come."""
        if np.isnan(row["median"]):
            return _("Not half have been followed by another so far.")
        if np.isnan(row["day_90"]):
            return _("Half come within {median} days, 90% have not come so far.").format(
                median=_between(row, "median")
            )
        if np.isnan(row["day_95"]):
            return _(
                "Half come within {median} days, 90% within {late}; 95% have not come so far."
            ).format(median=_between(row, "median"), late=_between(row, "day_90"))
        return _("Half come within {median} days, 90% within {late}, 95% within {last}.").format(
            median=_between(row, "median"),
            late=_between(row, "day_90"),
            last=_between(row, "day_95"),
        )

    def _all(self) -> str:
        said = _(
            "After {purchases} purchases of {customers} customers the next one was waited for: "
            "{closed} came, {open} are still awaited. {days}"
        ).format(
            purchases=number(self.overall["gaps"] + self.overall["open_gaps"]),
            customers=number(self.overall["customers"]),
            closed=number(self.overall["gaps"]),
            open=number(self.overall["open_gaps"]),
            days=self._days(self.overall),
        )
        if self.overall["customers"] == 1:
            return _("{said} The gaps of a single customer have no interval.").format(said=said)
        return _("{said} {intervals} They allow for one customer giving many gaps.").format(
            said=said, intervals=intervals_in_brackets(self.confidence)
        )

    def _groups(self) -> str:
        if self.no_tier:
            return _(
                "The data give no tier of their own, and one computed from the same purchases "
                "would only say that those who buy more buy more often."
            )
        if not self.by:
            return ""
        parts = [
            _("{group}: {said}").format(
                group=group_name(self.by, row[self.by]), said=self._days(row)
            )
            for _index, row in self.table.iterrows()
        ]
        return "\n".join(f"- {part}" for part in parts)

    def _silence(self) -> str:
        late = self.overall["day_95"]
        if np.isnan(late):
            return _(
                "No day can be named after which silence means a customer is lost: so many "
                "purchases were never followed by another that 95% have not come by the end."
            )
        said = _(
            "A customer silent for {days} days has been silent longer than after 95 of 100 "
            "purchases: a candidate for the day from which silence counts as lost."
        ).format(days=number(late))
        known = self.table[self.table["day_95"].notna() & (self.table["customers"] >= FEWEST)]
        if not known["day_95"].min() < known["day_95"].max():
            return said
        quick, slow = known.loc[known["day_95"].idxmin()], known.loc[known["day_95"].idxmax()]
        text = (
            _(
                "{said} One day for everybody is late for {quick} ({early} days) and early for "
                "{slow} ({long} days)."
            )
            if quick["day_95"] < late < slow["day_95"]
            else _("{said} Of {quick} alone it is {early} days, of {slow} {long}.")
        )
        return text.format(
            said=said,
            quick=group_name(self.by, quick[self.by]),
            early=number(quick["day_95"]),
            slow=group_name(self.by, slow[self.by]),
            long=number(slow["day_95"]),
        )

    def _open(self) -> str:
        ended, late = self.overall["completed_90"], self.overall["day_90"]
        if np.isnan(ended) or ended >= late:
            return ""
        if np.isnan(late):
            return _(
                "The gaps that have ended would say 90% within {ended} days. They leave out all "
                "who never came back."
            ).format(ended=number(ended))
        return _(
            "The gaps that have ended, taken alone, would say 90% within {ended} days in place of "
            "{late}: long gaps are those still open, and leaving them out makes customers look "
            "quicker than they are."
        ).format(ended=number(ended), late=number(late))

    def _per_customer(self) -> str:
        own, typical = self.overall["customer_median"], self.overall["typical"]
        if np.isnan(typical):
            return ""
        if np.isnan(own):
            return _(
                "Who buys often gives more gaps, and they are short. Every customer counted once, "
                "less than half have been seen to buy again; of those with two purchases or more, "
                "half have a mean gap of {typical} days at most."
            ).format(typical=number(typical, 1))
        return _(
            "Who buys often gives more gaps, and they are short. Every customer counted once, half "
            "of the gaps last {own} days at most; of the customers with two purchases or more, "
            "half have a mean gap of {typical} days at most."
        ).format(own=_between(self.overall, "customer_median"), typical=number(typical, 1))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Purchases followed by another within so many days"),
            denominator=_(
                "Purchases of known customers, each until the next one or, if there was none, "
                "until the last day of the data"
            ),
            period=self.context.period(),
            method=_(
                "{rule} Kaplan-Meier curve of all gaps, the last of each customer censored; "
                "{confidence} intervals with customers as clusters (Ying and Wei 1994). Every "
                "customer counted once: Wang and Chang (1999)."
            ).format(rule=self.found.rule(), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.found.exclusions,
        )


def _between(row: pd.Series, name: str) -> str:
    """A number of days with its interval, as far as it is known."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if np.isnan(low):
        return number(value)
    if np.isnan(high):
        return _("{days} (from {low} on)").format(days=number(value), low=number(low))
    return _("{days} ({low} to {high})").format(
        days=number(value), low=number(low), high=number(high)
    )


def _apart(values: list[float], least: float = 0.07) -> list[float]:
    """Places for labels near their values, each so far from the next."""
    order = np.argsort(values, kind="stable")[::-1]
    places = np.array(values, dtype=float)
    for upper, lower in pairwise(order):
        places[lower] = min(places[lower], places[upper] - least)
    return [float(place) for place in places]


@measure(needs=NEEDS)
def purchase_gaps(
    crm: Workspace,
    *,
    by: str | None = "tier",
    occasion: Occasion = "day",
    confidence: float = 0.95,
) -> PurchaseGaps:
    """How many days pass from one purchase of a customer to the next.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; amount tells refunds from purchases.
    by : str, optional
        A column of customers that makes groups, as in `repeat_purchase`. Where the data give no
        tier, everybody is taken together.
    occasion : {"day", "order"}
        Whether all orders of a day are one purchase, or each is one: then there are gaps of 0 days.
    confidence : float

    Returns
    -------
    PurchaseGaps
        `.table` has a row per group (or one in all), the shortest median first: the column of
        `by`, customers (with a purchase), gaps (that have ended), open_gaps, median, day_90 and
        day_95 (days by which the next purchase has come after 50, 90, 95% of the purchases;
        missing where the curve does not get there), each with _low and _high, completed_90 (days
        by which 90% of the ended gaps had ended: a contrast), customer_median (days, every
        customer counted once) with _low and _high, typical (days, median of the mean gaps of
        customers with two purchases or more).

    Raises
    ------
    NotEnoughData
        If there is no purchase, none that was followed for a day, or `by` is not there.

    Notes
    -----
    A gap is the time from a purchase to the customer's next. The last one is open: it is known to
    last longer than the days until the end of the data, and is censored there. The gaps are taken
    together for a Kaplan-Meier curve, whose interval adds up what each customer contributes
    (`crmlab.stats.recurrent.gap_curve`), for the gaps of one customer are alike.

    All gaps together describe purchases, not customers: who buys often gives more of them. The gap
    of a customer drawn at random is longer on the whole; its distribution is Wang and Chang's
    (`crmlab.stats.recurrent.per_cluster`). In it, who has left is seen only where they
    bought but once.

    Of very many customers a random sample is used, which is said.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53, 457-481.
    Ying, Z. and Wei, L. J. (1994), Journal of Multivariate Analysis 50, 17-29. Wang, M.-C. and
    Chang, S.-H. (1999), Journal of the American Statistical Association 94, 146-153. Brookmeyer,
    R. and Crowley, J. (1982), Biometrics 38, 29-41.
    """
    check_confidence(confidence)
    no_tier = by == "tier" and "tier" not in groups(crm)
    chosen = None if no_tier else by
    if chosen is not None:
        check_group(crm, chosen)
    found = purchases(crm, occasion=occasion)
    workspace, part = some_customers(crm)
    gaps = _gaps(workspace, chosen, occasion)
    if not (gaps["days"] > 0).any():
        raise NotEnoughData(_("No purchase has been followed for a day, so no gap is known."))
    overall, curve = _row(gaps, confidence)
    table, curves = pd.DataFrame([overall]), curve.assign(group=None, all=True)
    if chosen is not None:
        table, curves = _by_group(gaps, chosen, confidence, curves)
    counts = ["customers", "gaps", "open_gaps"]
    table[counts] = table[counts].astype("int64")
    columns = ["group", "all", "time", "survival", "low", "high"]
    context = Context.of(crm)
    return PurchaseGaps(
        table,
        context,
        overall,
        curves[columns].reset_index(drop=True),
        chosen or "",
        no_tier,
        part,
        found,
        confidence,
    )


def _gaps(crm: Workspace, by: str | None, occasion: Occasion) -> pd.DataFrame:
    """Counted gaps by customer: customer_id, the column of `by`, closed, days, gaps."""
    columns = ["orders.customer_id", *([f"customers.{by}"] if by else [])]
    found = crm.query("purchase_gaps", by=columns)
    same_day = (found["closed"] == 1) & (found["days"] == 0)
    return found if occasion == "order" else found[~same_day].reset_index(drop=True)


def _by_group(
    gaps: pd.DataFrame, by: str, confidence: float, curves: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, drawn = [], [curves]
    for name, part in gaps.groupby(by, dropna=False):
        row, curve = _row(part, confidence)
        rows.append({by: name, **row})
        drawn.append(curve.assign(group=name, all=False))
    table = pd.DataFrame(rows).sort_values(
        ["median", "day_90", by], ignore_index=True, na_position="last"
    )
    rank = {name: place for place, name in enumerate(table[by])}
    drawn[1:] = sorted(drawn[1:], key=lambda one: rank.get(_first(one["group"]), len(rank)))
    return table, pd.concat(drawn)


def _first(values: pd.Series) -> Any:
    return values.iloc[0] if len(values) else None


def _row(gaps: pd.DataFrame, confidence: float) -> tuple[pd.Series, pd.DataFrame]:
    """The row of the table, and the curve; without any time to see, everything is missing."""
    closed = gaps["closed"] == 1
    seen = gaps[(gaps["days"] > 0) | closed]
    row: dict[str, Any] = {
        "customers": gaps["customer_id"].nunique(),
        "gaps": int(gaps.loc[closed, "gaps"].sum()),
        "open_gaps": int(gaps.loc[~closed, "gaps"].sum()),
    }
    if seen.empty:
        curve = pd.DataFrame(columns=["time", "survival", "low", "high"], dtype=float)
        names = [f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")]
        row |= dict.fromkeys([*names, "completed_90", "customer_median"], np.nan)
        row |= dict.fromkeys(["customer_median_low", "customer_median_high", "typical"], np.nan)
        return pd.Series(row), curve
    arguments = seen["days"], seen["closed"] == 1, seen["customer_id"]
    curve = gap_curve(*arguments, weights=seen["gaps"], confidence=confidence)
    for name, share in SHARES.items():
        row |= _with_ends(name, curve, share)
    row["completed_90"] = _counted_quantile(gaps[closed], 0.9)
    weights = per_cluster(*arguments[1:], weights=seen["gaps"])
    own = gap_curve(*arguments, weights=weights, confidence=confidence)
    row |= _with_ends("customer_median", own, 0.5)
    row["typical"] = _typical(gaps[closed])
    return pd.Series(row), curve


def _with_ends(name: str, curve: pd.DataFrame, share: float) -> dict[str, float]:
    found = quantile(curve, share)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _counted_quantile(gaps: pd.DataFrame, share: float) -> float:
    """The number of days within which that share of counted gaps lies."""
    if gaps.empty:
        return np.nan
    counts = gaps.groupby("days")["gaps"].sum()
    reached = counts.cumsum() >= share * counts.sum() - 1e-9
    return float(counts.index[reached.to_numpy()][0])


def _typical(gaps: pd.DataFrame) -> float:
    """Median of the customers' mean gaps."""
    if gaps.empty:
        return np.nan
    days = (gaps["days"] * gaps["gaps"]).groupby(gaps["customer_id"]).sum()
    return float((days / gaps.groupby("customer_id")["gaps"].sum()).median())


__all__ = ["PurchaseGaps", "purchase_gaps"]
