"""Large customers who lose money after service, and what makes the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, currency_name, money, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence, wilson
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.tiering.service_costs import NEEDS, Books, known_books
from crmlab.tiering.shares import check_tops, count, sorted_down

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What can make a large customer a loss, in the order in which equal ones are named.
REASONS = ("discount", "direct_cost", "contacts", "complaints", "other_service")
#: The reason of a loss that stays with every part at the median.
UNEXPLAINED = "unexplained"
#: More unprofitable customers than this are not all drawn.
DRAWN = 12


@dataclass(frozen=True, repr=False)
class UnprofitableLarge(Result):
    """Result of `unprofitable_large`.

    Attributes
    ----------
    large : pandas.DataFrame
        All large customers, largest first, with the columns of the table but the last two.
    medians : pandas.Series
        Of the large customers, each part of a loss as a share of the list price.
    losing : pandas.Series
        Share of the large customers who lose money: share, low, high.
    top : float
    threshold : float
        Revenue of the smallest of the large customers.
    discount_known : bool
        Whether list prices or discounts are given.
    tiers : Tiers
    books : Books
    confidence : float
    """

    measure = "tiering.unprofitable_large"

    large: pd.DataFrame
    medians: pd.Series
    losing: pd.Series
    top: float
    threshold: float
    discount_known: bool
    tiers: Tiers
    books: Books
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self.tiers.names(), "reason": reason_names()}

    def main_columns(self) -> Sequence[str]:
        return [
            "customer_id", "tier", "revenue", "discount_share", "margin", "cost_to_serve",
            "profit_after_service", "reason", "profit_at_median",
        ]  # fmt: skip

    def title(self) -> str:
        if self.table.empty:
            return _("No large customer loses money after service")
        by_reason = self._by_reason()
        return ngettext(
            "{count} large customer loses {loss}; main reason: {reason}",
            "{count} large customers lose {loss}; mostly for {reason} ({share})",
            len(self.table),
        ).format(
            count=number(len(self.table)),
            loss=self._money(-self.table["profit_after_service"].sum()),
            share=percent(by_reason["loss"].iloc[0] / by_reason["loss"].sum(), 0),
            reason=reason_names()[by_reason.index[0]],
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self.table.head(DRAWN)
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.5 + 0.3 * max(len(drawn), 1)))
        names, places = self.tiers.names(), np.arange(len(drawn))[::-1]
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.barh(
            places, drawn["profit_after_service"], height=0.55, color="#cc79a7",
            label=_("Profit after service"),
        )  # fmt: skip
        mended = drawn["profit_at_median"].to_numpy(dtype=float)
        axes.scatter(
            mended, places, color="#009e73", zorder=3, label=_("with the reason at the median")
        )
        axes.hlines(places, drawn["profit_after_service"], mended, color="#009e73", linewidth=1)
        labels = [
            f"{row.customer_id} · {names[row.tier]} · {reason_names()[row.reason]}"
            for row in drawn.itertuples()
        ]
        axes.set_yticks(places, labels)
        axes.set_xlabel(
            _("Profit after service, {currency}").format(
                currency=currency_name(self.context.currency)
            )
        )
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _place: number(value))
        if len(drawn):
            axes.legend(loc="lower right", fontsize=10)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._who(), self._why(), self._no_discount(), self.books.priced()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if self.table.empty:
            return _("An empty picture: no large customer loses money after service.")
        return _(
            "Bars of the loss of {drawn} of {count} large customers, and a point for each where "
            "the profit would be with the main reason at the median of large customers. {why}"
        ).format(
            drawn=number(min(len(self.table), DRAWN)),
            count=number(len(self.table)),
            why=self._why(),
        )

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _who(self) -> str:
        large = ngettext(
            "{count} large customer: the top {top} by revenue, from {threshold}.",
            "{count} large customers: the top {top} by revenue, from {threshold}.",
            len(self.large),
        ).format(
            count=number(len(self.large)),
            top=percent(self.top, 0),
            threshold=self._money(self.threshold),
        )
        lost = ngettext(
            "{count} of them ({share}, {low} to {high}) loses money after service, {loss} in all, "
            "{period}. {intervals}",
            "{count} of them ({share}, {low} to {high}) lose money after service, {loss} in all, "
            "{period}. {intervals}",
            len(self.table),
        ).format(
            count=number(len(self.table)),
            share=percent(self.losing["share"]),
            low=percent(self.losing["low"]),
            high=percent(self.losing["high"]),
            loss=self._money(-self.table["profit_after_service"].sum()),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )
        return f"{large} {lost}"

    def _why(self) -> str:
        if self.table.empty:
            return ""
        by_reason = self._by_reason()
        mended = by_reason.drop(index=UNEXPLAINED, errors="ignore")
        said = [self._mended(mended)] if len(mended) else []
        if UNEXPLAINED in by_reason.index:
            rest = by_reason.loc[UNEXPLAINED]
            said.append(
                ngettext(
                    "{count} customer, who loses {loss}, would lose with every part at the median "
                    "too.",
                    "{count} customers, who lose {loss}, would lose with every part at the median "
                    "too.",
                    int(rest["customers"]),
                ).format(count=number(rest["customers"]), loss=self._money(rest["loss"]))
            )
        return " ".join(said)

    def _mended(self, by_reason: pd.DataFrame) -> str:
        """What turns losses into profits, in a sentence."""
        names = reason_names()
        parts = [
            ngettext(
                "{reason}: {count} customer, who loses {loss}",
                "{reason}: {count} customers, who lose {loss}",
                int(row.customers),
            ).format(
                reason=names[row.Index], count=number(row.customers), loss=self._money(row.loss)
            )
            for row in by_reason.itertuples()
        ]
        return _(
            "What would turn the loss into a profit if it were at the median of large customers: "
            "{parts}. That is arithmetic on the accounts, not a forecast of what the customer "
            "would do."
        ).format(parts=_("; ").join(parts))

    def _by_reason(self) -> pd.DataFrame:
        """Customers and loss (money) of each reason, the largest loss first."""
        groups = self.table.groupby("reason")["profit_after_service"]
        table = pd.DataFrame({"customers": groups.size(), "loss": -groups.sum()})
        return table.sort_values("loss", ascending=False, kind="stable")

    def _no_discount(self) -> str:
        if self.discount_known:
            return ""
        return _(
            "The data give neither list prices nor discounts, so a price that is too low shows as "
            "a direct cost that is too high."
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Large customers whose margin is less than their cost to serve"),
            denominator=_("The top {top} of customers by revenue, equal ones kept together").format(
                top=percent(self.top, 0)
            ),
            period=self.context.period(),
            method=_(
                "Profit = list price × (1 − discount − direct cost − contacts − complaints − other "
                "service), each as a share of the list price. The reason is the part that, put at "
                "the median of large customers, turns the loss into a profit; of several, the one "
                "that changes most. {confidence} Wilson interval. {priced}"
            )
            .format(confidence=percent(self.confidence, 0), priced=self.books.priced())
            .strip(),
            source=self.context.source,
            exclusions=self.books.exclusions(),
        )


@measure(needs=NEEDS)
def unprofitable_large(
    crm: Workspace,
    *,
    top: float = 0.20,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> UnprofitableLarge:
    """Which large customers lose money after service, and what makes the loss.

    Parameters
    ----------
    crm : Workspace
        As in `cost_to_serve`; with orders: list_price or discount also the discount is judged.
    top : float
        Share of the customers with positive revenue who count as large.
    rules : pandas.DataFrame, optional
        Tier rules, as in `cost_to_serve`.
    confidence : float

    Returns
    -------
    UnprofitableLarge
        `.table` has a row per unprofitable large customer, largest loss first: customer_id, tier,
        revenue, discount_share (of the list price), margin, the blocks of the cost,
        cost_to_serve, profit_after_service (money), reason (discount, direct_cost, contacts,
        complaints, other_service, several, unexplained), profit_at_median (money, with the reason
        put right).

    Raises
    ------
    MissingColumns
        If a column of orders is not there.
    CrmlabError
        If `top` or `confidence` is not between 0 and 1.
    NotEnoughData
        If no customer has a positive revenue.

    Notes
    -----
    Over the list price L a customer's profit is a plain sum, L (1 − δ − κ − c − q − o), of
    discount, direct cost, contacts, complaints (handling and compensation) and other service, so
    what each part does can be told apart without remainder. One part after the other is put at the
    median of all large customers. If none turns the loss into a profit alone, the reason is
    ``"several"``, and profit_at_median has all parts that are above their median put right; if that
    is a loss too, as where most large customers lose money, it is ``"unexplained"``.

    Where a list price is missing or below the amount, the discount counts as 0 and shares are of
    the amount. All who bring as much as the last of the large customers are large too.

    References
    ----------
    Kaplan, R. S. and Narayanan, V. G. (2001), Journal of Cost Management 15(5), 5-15.
    """
    check_tops([top])
    check_confidence(confidence)
    kept = known_books(crm)
    tiers = customer_tiers(crm, rules=rules)
    large = _large(kept.with_tier(tiers), top)
    rates = _rates(large)
    medians = rates.median()
    columns = ["tier", "revenue", "discount_share", "margin", *kept.blocks, "cost_to_serve"]
    large = large.assign(discount_share=rates["discount"].where(large["list_price"].notna()))
    large = large[[*columns, "profit_after_service"]]
    losing = large["profit_after_service"] < 0
    reasons = _reasons(large.loc[losing], rates.loc[losing], medians, rates.attrs["base"])
    low, high = wilson(int(losing.sum()), len(large), confidence=confidence)
    share = pd.Series({"share": losing.mean(), "low": float(low), "high": float(high)})
    table = (
        large[losing].join(reasons).sort_values("profit_after_service", kind="stable").reset_index()
    )
    return UnprofitableLarge(
        table,
        Context.of(crm),
        large.reset_index(),
        medians,
        share,
        top,
        float(large["revenue"].min()),
        crm.has("orders", "list_price") or crm.has("orders", "discount"),
        tiers,
        kept,
        confidence,
    )


def reason_names() -> dict[str, str]:
    """Names of what makes a large customer a loss, in the current language.

    Examples
    --------
    >>> reason_names()["direct_cost"]
    'direct cost'
    """
    return {
        "discount": _("discount"),
        "direct_cost": _("direct cost"),
        "contacts": _("contacts"),
        "complaints": _("complaints"),
        "other_service": _("other service"),
        "several": _("several together"),
        UNEXPLAINED: _("none: a loss at the median too"),
    }


def _large(customers: pd.DataFrame, top: float) -> pd.DataFrame:
    """The largest customers by revenue, equal ones kept together."""
    buying = customers[customers["revenue"] > 0]
    if buying.empty:
        raise NotEnoughData(_("No customer has a positive revenue, so none is large."))
    falling = sorted_down(buying["revenue"])
    threshold = falling[count(top, len(falling)) - 1]
    large = buying[buying["revenue"] >= threshold]
    large = large.sort_values("revenue", ascending=False, kind="stable")
    given = large["list_price"].fillna(large["revenue"] + large["discount"])
    return large.assign(list_price=given.where(given >= large["revenue"]))


def _rates(large: pd.DataFrame) -> pd.DataFrame:
    """What each part takes of the list price; that price itself is in `.attrs`."""
    base = large["list_price"].fillna(large["revenue"])
    parts = {
        "discount": base - large["revenue"],
        "direct_cost": large["revenue"] - large["margin"],
        "contacts": large["contacts_cost"],
        "complaints": large["handling_cost"] + large["compensation"],
        "other_service": large[["lines_cost", "surveys_cost", "points_cost"]].sum(axis=1),
    }
    rates = pd.DataFrame({reason: parts[reason] / base for reason in REASONS})
    rates.attrs["base"] = base
    return rates


def _reasons(
    losing: pd.DataFrame, rates: pd.DataFrame, medians: pd.Series, base: pd.Series
) -> pd.DataFrame:
    """The reason of each loss, and the profit with it put at the median."""
    gains = (rates - medians).mul(base.reindex(losing.index), axis=0)
    best = gains.max(axis=1)
    alone = losing["profit_after_service"] + best > 0
    together = gains.clip(lower=0).sum(axis=1)
    mended = losing["profit_after_service"] + together > 0
    reason = gains.idxmax(axis=1) if len(gains) else pd.Series(dtype=object)
    return pd.DataFrame(
        {
            "reason": reason.where(alone, "several").where(alone | mended, UNEXPLAINED),
            "profit_at_median": losing["profit_after_service"] + best.where(alone, together),
        },
        index=losing.index,
    )
