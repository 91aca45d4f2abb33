"""Repeat purchase (重复购买率): how many of the customers won buy again in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.newcomers import (
    Newcomers,
    drawn,
    group_of,
    largest_only,
    newcomers,
)
from crmlab.loyalty.purchases import NEEDS, Occasion, purchases
from crmlab.show import charts
from crmlab.show.groups import group_name, those_apart
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence, wilson
from crmlab.stats.multiplicity import holding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: A group of fewer customers is shown and not judged.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class RepeatPurchase(Result):
    """Result of `repeat_purchase`.

    Attributes
    ----------
    overall : pandas.Series
        As a row of `.table`, of all customers together.
    naive : pandas.DataFrame
        Contrast: a row for the first half of the data and one for all of it: until (day),
        customers (all who bought), retained (with two purchases or more), share, low, high.
    days : pandas.Series
        Days from the first purchase to the second of those who bought again in time.
    by : str
        Column of the groups; empty for none.
    within : int
        Days that count as in time.
    recent : int
        Customers left out because their days are not over.
    recent_again : int
        Of these, customers who have bought again already.
    found : Newcomers
    confidence : float
    """

    measure = "loyalty.repeat_purchase"

    overall: pd.Series
    naive: pd.DataFrame
    days: pd.Series
    by: str
    within: int
    recent: int
    recent_again: int
    found: Newcomers
    confidence: float

    def title(self) -> str:
        judged = self.table[self.table["stands_out"].notna()] if self.by else self.table
        if len(judged) > 1:
            best, last = judged.iloc[0], judged.iloc[-1]
            return _("Bought again within {days} days: {best} {share}, {last} {other}").format(
                days=number(self.within),
                best=group_name(self.by, best[self.by]),
                share=percent(best["share"], 0),
                last=group_name(self.by, last[self.by]),
                other=percent(last["share"], 0),
            )
        return _("{share} of the customers won bought again within {days} days").format(
            share=percent(self.overall["share"], 0), days=number(self.within)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        size = (charts.SIZE[0], max(2.6, 1.6 + 0.45 * len(self._drawn())))
        axes = charts.new_axes(ax, size=size if self.by else charts.SIZE)
        if self.by:
            self._draw_groups(axes)
        else:
            self._draw_days(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_days(self, axes: Axes) -> None:
        days = np.arange(self.within + 1)
        again = np.searchsorted(np.sort(self.days.to_numpy()), days, side="right")
        customers = self.overall["customers"]
        low, high = wilson(again, np.full(len(days), customers), confidence=self.confidence)
        axes.fill_between(days, low, high, step="post", color=charts.BLUE, alpha=0.2, linewidth=0)
        axes.step(days, again / customers, where="post", color=charts.BLUE)
        axes.set_xlim(0, self.within)
        axes.set_ylim(0, 1)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(
            _("Days since the first purchase; band: {confidence} interval of each day").format(
                confidence=percent(self.confidence, 0)
            )
        )
        axes.set_ylabel(_("Share who have bought again"))

    def _drawn(self) -> pd.DataFrame:
        if not self.by:
            return self.table
        return drawn(self.table, self.by, self.table["stands_out"].notna())

    def _draw_groups(self, axes: Axes) -> None:
        table = self._drawn()
        places = np.arange(len(table))[::-1]
        colours = [charts.LAYER_COLOURS.get(str(one), charts.BLUE) for one in table[self.by]]
        axes.axvline(self.overall["share"], color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, table["low"], table["high"], color=colours, linewidth=2.5)
        axes.scatter(table["share"], places, color=colours, s=45, zorder=3, clip_on=False)
        axes.set_yticks(places, [self._with_size(row) for _index, row in table.iterrows()])
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlim(0, 1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Share who bought again, with {confidence} interval; dashed: all together").format(
                confidence=percent(self.confidence, 0)
            )
        )

    def reading(self) -> str:
        parts = [
            self._share(),
            self._groups(),
            largest_only(len(self._drawn()), len(self.table)),
            self._contrast(),
            self._left_out(),
            self.found.caution(),
            self.found.purchases.rule(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if not self.by:
            return _(
                "Rising curve of the share who have bought again; it reaches {share} ({low} to "
                "{high}) after {days} days."
            ).format(days=number(self.within), **_written(self.overall))
        parts = [
            _("{group} {share} ({low} to {high})").format(
                group=group_name(self.by, row[self.by]), **_written(row)
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Points with intervals, a row per group. {groups}.").format(
            groups=_("; ").join(parts)
        )

    # --- the words

    def _with_size(self, row: pd.Series) -> str:
        return _("{group} ({customers})").format(
            group=group_name(self.by, row[self.by]), customers=number(row["customers"])
        )

    def _share(self) -> str:
        said = _(
            "Of {customers} customers who were won at least {days} days before the end of the "
            "data, {again} bought again within {days} days: {share} ({low} to {high}). {intervals}"
        ).format(
            customers=number(self.overall["customers"]),
            again=number(self.overall["retained"]),
            days=number(self.within),
            intervals=intervals_in_brackets(self.confidence),
            **_written(self.overall),
        )
        if not len(self.days):
            return said
        return _("{said} Half of those who did came back within {median} days.").format(
            said=said, median=number(self.days.median())
        )

    def _groups(self) -> str:
        if not self.by:
            return ""
        judged = self.table["stands_out"].notna()
        if not judged.any():
            return _(
                "Whether groups differ cannot be told: none has {fewest} customers and as many "
                "others to compare them with."
            ).format(fewest=number(FEWEST))
        said = those_apart(self.table, self.by, int(judged.sum()))
        if not self.table.loc[judged, "stands_out"].any():
            return said
        return _(
            "{said} These customers chose their group or were put into it, so this is an "
            "association."
        ).format(said=said)

    def _contrast(self) -> str:
        half, whole = (row for _index, row in self.naive.iterrows())
        said = _(
            "The share of all buyers with two purchases or more is another number: {share} in "
            "these data. It gives those won long ago more time than those won lately, so it "
            "depends on how long the data are."
        ).format(share=percent(whole["share"]))
        if pd.isna(half["share"]):
            return said
        return _("{said} Had they ended on {until}, it would be {half}.").format(
            said=said, half=percent(half["share"]), until=day(half["until"])
        )

    def _left_out(self) -> str:
        parts = []
        if self.recent:
            parts.append(
                ngettext(
                    "Left out is {count} customer won so recently that their days are not over, "
                    "whether they have bought again ({again}) or not.",
                    "Left out are {count} customers won so recently that their days are not over, "
                    "whether they have bought again ({again}) or not.",
                    self.recent,
                ).format(count=number(self.recent), again=number(self.recent_again))
            )
        if self.found.older:
            parts.append(
                ngettext(
                    "{count} customer was won before the data begin: their first purchase is not "
                    "known.",
                    "{count} customers were won before the data begin: their first purchase is "
                    "not known.",
                    self.found.older,
                ).format(count=number(self.found.older))
            )
        return " ".join(parts)

    def _define(self) -> Definition:
        recent = Exclusion.of_customers(_("won too recently to be judged"), self.recent)
        return Definition(
            numerator=_("Of these, customers whose second purchase came within {days} days").format(
                days=number(self.within)
            ),
            denominator=_(
                "Customers whose first purchase is in the data and at least {days} days before "
                "the last day"
            ).format(days=number(self.within)),
            period=self.context.period(),
            method=_(
                "{rule} {confidence} Wilson intervals; groups against all others by Fisher's "
                "exact test, corrected for their number (Holm 1979)."
            ).format(rule=self.found.purchases.rule(), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=(*([recent] if self.recent else []), *self.found.exclusions()),
        )


def _written(row: pd.Series) -> dict[str, str]:
    return {name: percent(row[name]) for name in ("share", "low", "high")}


@measure(needs=NEEDS)
def repeat_purchase(
    crm: Workspace,
    *,
    within: int = 180,
    by: str | None = None,
    occasion: Occasion = "day",
    lead: int = 0,
    confidence: float = 0.95,
) -> RepeatPurchase:
    """What share of the customers won buys a second time within so many days.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; amount tells refunds from purchases, and
        customers.acquired_on who was won before the data begin.
    within : int
        Days after the first purchase that count as in time.
    by : str, optional
        A column of customers that makes groups: tier (as given), region, industry, size, scope,
        customer_type, acquisition_channel or account_manager.
    occasion : {"day", "order"}
        Whether all orders of a day are one purchase, or each is one.
    lead : int
        Leave out customers first seen within so many days of the first order: where the data do
        not say when customers were won, these may have bought before.
    confidence : float

    Returns
    -------
    RepeatPurchase
        `.table` has a row per group (or one in all), the highest share first: the column of `by`,
        customers (won, their days over), retained (of them, who bought again in time), share, low,
        high, and with `by` also stands_out (from the others together; missing where it or they
        are fewer than five).

    Raises
    ------
    CrmlabError
        If `within` is less than 1 or `lead` negative.
    NotEnoughData
        If no customer with a known first purchase has been followed for so long, or the column of
        `by` is not there.

    Notes
    -----
    Every customer counted has been followed for `within` whole days: the day of the first purchase
    is at least so many days before the last day of the data. Those won later are left out even if
    they have bought again already; counting only those who did would raise the share, and counting
    those who did not yet would lower it. Intervals are Wilson's (1927).

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212. Holm, S.
    (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    check_confidence(confidence)
    if within < 1:
        raise CrmlabError(
            _("within is a number of days, 1 or more; it is {within}.").format(within=within)
        )
    found = newcomers(crm, occasion=occasion, lead=lead)
    judged = _judged(found.frame, crm, within)
    old = judged[judged["over"]]
    if old.empty:
        raise NotEnoughData(
            _(
                "None of {customers} customers with a known first purchase has been followed for "
                "{days} days; take fewer days."
            ).format(customers=number(len(judged)), days=number(within))
        )
    overall = pd.Series(_row(old, confidence))
    table = pd.DataFrame([overall]) if by is None else _by_group(crm, old, by, confidence)
    table[["customers", "retained"]] = table[["customers", "retained"]].astype("int64")
    recent = judged[~judged["over"]]
    return RepeatPurchase(
        table,
        Context.of(crm),
        overall,
        _naive(crm, occasion, found, confidence),
        old.loc[old["again"], "days"].astype("int64"),
        by or "",
        within,
        len(recent),
        int(recent["again"].sum()),
        found,
        confidence,
    )


def _judged(frame: pd.DataFrame, crm: Workspace, within: int) -> pd.DataFrame:
    """Days to the second purchase, whether they are in time, and whether the time is over."""
    days = (frame["second_day"] - frame["first_day"]).dt.days
    followed = (pd.Timestamp(crm.as_of) - frame["first_day"]).dt.days
    return frame.assign(days=days, again=days <= within, over=followed >= within)


def _row(part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    customers, again = len(part), int(part["again"].sum())
    low, high = wilson(again, customers, confidence=confidence)
    return {
        "customers": customers,
        "retained": again,
        "share": again / customers,
        "low": float(low),
        "high": float(high),
    }


def _by_group(crm: Workspace, old: pd.DataFrame, by: str, confidence: float) -> pd.DataFrame:
    group = old["customer_id"].map(group_of(crm, by))
    parts = list(old.groupby(group, dropna=False))
    rows = [{by: name} | _row(part, confidence) for name, part in parts]
    chances = [_chance(old, part) for _name, part in parts]
    table = pd.DataFrame(rows).assign(stands_out=holding(chances, 1 - confidence))
    return table.sort_values(["share", by], ascending=[False, True], ignore_index=True)


def _chance(old: pd.DataFrame, part: pd.DataFrame) -> float:
    """Probability by chance of such a difference from all others (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    customers, again = len(part), int(part["again"].sum())
    others, others_again = len(old) - customers, int(old["again"].sum()) - again
    if min(customers, others) < FEWEST:
        return np.nan
    counts = [[again, customers - again], [others_again, others - others_again]]
    return float(fisher_exact(counts)[1])


def _naive(crm: Workspace, occasion: Occasion, found: Newcomers, confidence: float) -> pd.DataFrame:
    """Share of all buyers with two purchases, had the data ended half way and as they are."""
    half = found.opening + (crm.as_of - found.opening) / 2
    rows = []
    for until in (half, crm.as_of):
        if until <= found.opening < crm.as_of:
            part = pd.DataFrame({"again": []})
        elif until == crm.as_of:
            part = found.purchases.frame.assign(again=found.purchases.frame["purchases"] > 1)
        else:
            earlier = purchases(crm, occasion=occasion, period_to=until).frame
            part = earlier.assign(again=earlier["purchases"] > 1)
        nothing = {"customers": 0, "retained": 0, "share": np.nan, "low": np.nan, "high": np.nan}
        rows.append({"until": until} | (_row(part, confidence) if len(part) else nothing))
    table = pd.DataFrame(rows)
    return table.assign(until=pd.to_datetime(table["until"]))


__all__ = ["RepeatPurchase", "repeat_purchase"]
