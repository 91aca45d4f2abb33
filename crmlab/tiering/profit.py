"""What serving the customers of each tier costs, and what is left of their margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import bootstrap_t, check_confidence
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.tiering.service_costs import (
    BLOCKS,
    NEEDS,
    Books,
    is_clear,
    known_books,
    ratio_and_error,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class CostToServe(Result):
    """Result of `cost_to_serve`.

    Attributes
    ----------
    overall : pandas.Series
        The same columns as the table, over all customers.
    customers : pandas.DataFrame
        A row per customer: customer_id, tier, revenue, margin, the blocks, cost_to_serve,
        profit_after_service.
    activities : pandas.DataFrame
        A row per activity: activity, block, units, rate (money for one), money.
    tiers : Tiers
    books : Books
    confidence : float
    resamples : int
    """

    measure = "tiering.cost_to_serve"

    overall: pd.Series
    customers: pd.DataFrame
    activities: pd.DataFrame
    tiers: Tiers
    books: Books
    confidence: float
    resamples: int

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self.tiers.names()}

    def title(self) -> str:
        known = self.table.dropna(subset=["share"]).sort_values("share", kind="stable")
        if known.empty:
            return _("Serving the customers cost {cost}; their margin was {margin}").format(
                cost=self._money(self.overall["cost_to_serve"]),
                margin=self._money(self.overall["margin"]),
            )
        names, least, most = self.tiers.names(), known.iloc[0], known.iloc[-1]
        if len(known) == 1:
            return _("Serving the customers takes {share} of their margin").format(
                share=percent(most["share"])
            )
        return _("Serving takes {most} of the margin in tier {tier}, {least} in {other}").format(
            most=percent(most["share"]),
            tier=names[most["tier"]],
            least=percent(least["share"]),
            other=names[least["tier"]],
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self.table.dropna(subset=["share"])
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 2.4 + 0.55 * max(len(known), 1)))
        names, places = self.tiers.names(), np.arange(len(known))[::-1]
        reached = np.zeros(len(known))
        for block in self.books.blocks:
            parts = (known[block] / known["margin"]).to_numpy(dtype=float)
            axes.barh(
                places, parts, left=reached, height=0.5, color=BLOCKS[block],
                label=shown(block).label,
            )  # fmt: skip
            reached = reached + parts
        axes.hlines(places - 0.33, known["low"], known["high"], color=charts.INK, linewidth=1.5)
        axes.axvline(1, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.set_yticks(places, [names[tier] for tier in known["tier"]])
        axes.set_xlim(0, None)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the margin; line below: interval; dashed: all of the margin"))
        if self.books.blocks:
            below = -0.5 / (0.9 + 0.55 * len(known))
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, below), ncol=3, fontsize=10)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._whole(),
            self._by_tier(),
            self._largest(),
            self.books.priced(),
            self.books.sentence(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _(
            "Stacked bars of the cost to serve as a share of the margin, a bar per tier. {tiers}"
        ).format(tiers=self._by_tier())

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _whole(self) -> str:
        said = _(
            "{customers} customers brought a margin of {margin}, {period}. Serving them cost "
            "{cost}, which leaves {profit}."
        ).format(
            customers=number(self.overall["customers"]),
            margin=self._money(self.overall["margin"]),
            period=self.context.period(),
            cost=self._money(self.overall["cost_to_serve"]),
            profit=self._money(self.overall["profit_after_service"]),
        )
        if pd.isna(self.overall["low"]):
            return said
        return (
            said
            + " "
            + _("The cost to serve is {share} ({low} to {high}) of the margin. {intervals}").format(
                share=percent(self.overall["share"]),
                low=percent(self.overall["low"]),
                high=percent(self.overall["high"]),
                intervals=intervals_in_brackets(self.confidence),
            )
        )

    def _by_tier(self) -> str:
        names = self.tiers.names()
        parts = [self._of_tier(names[row["tier"]], row) for _index, row in self.table.iterrows()]
        said = _("By tier: {parts}.").format(parts=_("; ").join(parts))
        return " ".join(part for part in [said, self._losing(names), self._apart(names)] if part)

    def _of_tier(self, name: str, row: pd.Series) -> str:
        if pd.isna(row["share"]):
            return _("{tier}: cost {cost}, margin {margin}, so no share").format(
                tier=name,
                cost=self._money(row["cost_to_serve"]),
                margin=self._money(row["margin"]),
            )
        if pd.isna(row["low"]):
            return _("{tier}: {share} (no interval)").format(tier=name, share=percent(row["share"]))
        return _("{tier}: {share} ({low} to {high})").format(
            tier=name,
            share=percent(row["share"]),
            low=percent(row["low"]),
            high=percent(row["high"]),
        )

    def _losing(self, names: Mapping[str, str]) -> str:
        losing = self.table[self.table["profit_after_service"] < 0]
        if losing.empty:
            return ""
        return _("Served at a loss as a whole: {tiers}.").format(
            tiers=_(", ").join(names[tier] for tier in losing["tier"])
        )

    def _apart(self, names: Mapping[str, str]) -> str:
        known = self.table.dropna(subset=["low"]).sort_values("share", kind="stable")
        if len(known) < 2:
            return ""
        least, most = known.iloc[0], known.iloc[-1]
        said = (
            _("The intervals of {most} and {least} do not meet: the difference is beyond chance.")
            if most["low"] > least["high"]
            else _("The intervals of {most} and {least} meet: they cannot be told apart so.")
        )
        return said.format(most=names[most["tier"]], least=names[least["tier"]])

    def _largest(self) -> str:
        cost = self.overall["cost_to_serve"]
        if not cost > 0:
            return ""
        block = self.overall[self.books.blocks].astype(float).idxmax()
        return _("The largest part of the cost to serve is {block}: {share}.").format(
            block=shown(block).label, share=percent(self.overall[block] / cost)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Cost to serve: each activity times the cost of one, and what complaints cost by "
                "the record"
            ),
            denominator=_("Margin (amount less direct cost) of the customers of a tier"),
            period=self.context.period(),
            method=_(
                "{tiers} {confidence} studentised bootstrap intervals of the ratio of two sums "
                "over the customers of a tier, {resamples} resamples. {priced}"
            )
            .format(
                tiers=self.tiers.words(),
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                priced=self.books.priced(),
            )
            .strip(),
            source=self.context.source,
            exclusions=self.books.exclusions(),
        )


@measure(needs=NEEDS)
def cost_to_serve(
    crm: Workspace,
    *,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> CostToServe:
    """What it costs to serve the customers of each tier, and what is left of their margin.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount, cost. Used where they are there: contacts
        (customer_id, channel), complaints (handling_cost, handling_minutes, compensation), surveys
        (customer_id), orders (lines, points_earned), and ``settings.activity_costs``.
    rules : pandas.DataFrame, optional
        As in `crmlab.stats.tiers.tier_rules`. Tiers that the company has given win.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    CostToServe
        `.table` has a row per tier, best first: tier, customers, margin, a column for each block
        of the cost of which money is known (contacts_cost, handling_cost, compensation, lines_cost,
        surveys_cost, points_cost), cost_to_serve, profit_after_service (all money), share (cost to
        serve over margin; missing where the margin is not above zero), low, high. `.customers` has
        the same by customer; `.activities` what was counted.

    Raises
    ------
    MissingColumns
        If a column of orders is not there.
    NotEnoughData
        If no order has a known cost.

    Notes
    -----
    Activity-based costing: units of an activity times the cost of one, as the settings state it
    (``"contact.<channel>"``, ``"complaint.minute"``, ``"order.line"``, ``"survey.sent"``,
    ``"points.point"``). A complaint that gives its handling cost counts with that, else with its
    minutes. An activity without a stated cost is counted and named, not taken as free; a cost
    without an activity is named too. A telephone call about a complaint is a contact and, by its
    minutes, part of the handling: state the two costs so that nothing is counted twice.

    Customers who were served and ordered nothing are in their tier with a margin of 0. The rates
    are taken as certain; the interval shows only how the ratio would move with another draw of
    customers, and is left out where the margin of the tier is within three standard errors of 0.

    References
    ----------
    Cooper, R. and Kaplan, R. S. (1991), Harvard Business Review 69(3), 130-135. Kaplan, R. S. and
    Narayanan, V. G. (2001), Journal of Cost Management 15(5), 5-15.
    """
    kept = known_books(crm)
    tiers = customer_tiers(crm, rules=rules)
    customers = kept.with_tier(tiers)
    drawing = {"confidence": confidence, "resamples": resamples, "seed": seed}
    order = [tier for tier in tiers.order if (customers["tier"] == tier).any()]
    rows = [
        {"tier": tier} | _served(customers[customers["tier"] == tier], kept.blocks, drawing)
        for tier in order
    ]
    overall = pd.Series(_served(customers, kept.blocks, drawing))
    columns = [
        "customer_id",
        "tier",
        "revenue",
        "margin",
        *kept.blocks,
        "cost_to_serve",
        "profit_after_service",
    ]
    return CostToServe(
        pd.DataFrame(rows),
        Context.of(crm),
        overall,
        customers.reset_index()[columns],
        kept.activities,
        tiers,
        kept,
        confidence,
        resamples,
    )


def _served(
    customers: pd.DataFrame, blocks: Sequence[str], drawing: Mapping[str, Any]
) -> dict[str, Any]:
    """Sums of a group of customers, and the cost to serve as a share of the margin."""
    sums = customers[["margin", *blocks, "cost_to_serve", "profit_after_service"]].sum().round(6)
    cost, margin = (customers[name].to_numpy(dtype=float) for name in ("cost_to_serve", "margin"))
    share = sums["cost_to_serve"] / sums["margin"] if sums["margin"] > 0 else np.nan
    limits = {"low": np.nan, "high": np.nan}
    check_confidence(drawing["confidence"])
    if len(customers) > 1 and is_clear(margin):
        low, high = bootstrap_t(
            lambda weights: ratio_and_error(cost, margin, weights), len(customers), **drawing
        )
        # Costs are never negative, so the share is not either.
        limits = {"low": max(0.0, float(low[0])), "high": float(high[0])}
    return {"customers": len(customers), **sums, "share": share, **limits}
