"""The decision: thresholds and the service promise of each tier, and whether it can pay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.tiers import per_year
from crmlab.tiering.lifetime_value import LifetimeValue, clv
from crmlab.tiering.promises import ACTIVITIES, PromiseCost, promise_cost
from crmlab.tiering.service_costs import NEEDS, known_books
from crmlab.tiering.thresholds import Thresholds, thresholds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class Policy(Result):
    """Result of `policy`.

    Attributes
    ----------
    thresholds : Thresholds
        The tiers by these rules.
    promise : PromiseCost
        What the promises cost.
    lifetime : LifetimeValue
        What a customer of each tier is worth, and how many stay.
    today_known : bool
        Whether the data say how often the customers are visited and called today.
    """

    measure = "tiering.policy"

    thresholds: Thresholds
    promise: PromiseCost
    lifetime: LifetimeValue
    today_known: bool

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self._names(), "pays": _verdicts()}

    def formats(self) -> Mapping[str, str]:
        customers = (
            "lost", "lost_low", "lost_high", "break_even", "break_even_low", "break_even_high",
        )  # fmt: skip
        amounts = ("extra_cost", "kept", "kept_low", "kept_high")
        return dict.fromkeys(customers, "number1") | dict.fromkeys(amounts, "money")

    def main_columns(self) -> Sequence[str]:
        return [
            "tier", "at_least", "customers", "promise_cost", "extra_cost", "active", "lost",
            "break_even", "break_even_low", "break_even_high", "pays",
        ]  # fmt: skip

    def title(self) -> str:
        row = self.table.iloc[0]
        if self.table["promise_cost"].isna().all():
            return _("No cost is stated, so what the promises cost is not known")
        if not np.isfinite(row["break_even"]) or row["pays"] == "free":
            return _("The promises cost {cost} a year").format(
                cost=self._money(self.table["promise_cost"].sum())
            )
        return _(
            "{tier}: to pay, the promise must keep {needed} customers a year; {lost} leave"
        ).format(
            tier=self._names()[row["tier"]],
            needed=number(row["break_even"], 1),
            lost=number(row["lost"], 1),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        known = self.table.dropna(subset=["break_even"])
        known = known[(known["active"] > 0) & (known["pays"] != "free")]
        places = np.arange(len(known))[::-1]
        share = known["break_even"] / known["active"]
        low, high = (known[end] / known["active"] for end in ("break_even_low", "break_even_high"))
        lost = known["lost"] / known["active"]
        # Beyond all customers of a tier, how far beyond does not matter.
        edge = min(1.0, 1.6 * max(lost.max(), share.min(), 0.05)) if len(known) else 1.0
        colours = [charts.LAYER_COLOURS.get(tier, charts.BLUE) for tier in known["tier"]]
        axes.barh(places, share.clip(upper=edge), height=0.5, color=colours)
        axes.hlines(places, low.clip(upper=edge), high.clip(upper=edge), color=charts.INK, lw=1.5)
        ends = (known[end] / known["active"] for end in ("lost_low", "lost_high"))
        ends_low, ends_high = (end.clip(upper=edge) for end in ends)
        axes.hlines(places - 0.12, ends_low, ends_high, color=charts.INK, lw=1, ls=":")
        axes.scatter(
            lost, places - 0.12, marker="D", color="white", edgecolor=charts.INK, zorder=3,
            label=_("lost in a year today"),
        )  # fmt: skip
        for place, value in zip(places, share, strict=True):
            if value > edge:
                axes.annotate(
                    _("{share} →").format(share=percent(value, 0)), (edge, place), xytext=(-4, 6),
                    textcoords="offset points", ha="right", va="bottom",
                )  # fmt: skip
        names = self._names()
        axes.set_yticks(places, [names[tier] for tier in known["tier"]])
        axes.set_xlim(0, edge)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the tier's customers to be kept a year, so that it pays"))
        if len(known):
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderpad=0)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self.thresholds.tiers.words(),
            *(self._of_tier(row) for _index, row in self.table.iterrows()),
            self._how(),
        ]
        return "\n\n".join(parts)

    def _of_tier(self, row: pd.Series) -> str:
        name = self._names()[row["tier"]]
        if not row["customers"]:
            return _("{tier}: no customer is in it, so nothing is promised.").format(tier=name)
        if pd.isna(row["promise_cost"]):
            return _(
                "{tier}: what the promise to {customers} customers costs is not stated."
            ).format(tier=name, customers=number(row["customers"]))
        cost = _(
            "{tier}: the promise to {customers} customers costs {cost} a year, {extra} of it more "
            "than what is done today; their orders bring {margin} above their direct cost."
        ).format(
            tier=name,
            customers=number(row["customers"]),
            cost=self._money(row["promise_cost"]),
            extra=self._money(row["extra_cost"]),
            margin=self._money(row["margin"]),
        )
        return f"{cost} {self._judged(row)}"

    def _judged(self, row: pd.Series) -> str:
        said = {
            "free": _("As it costs nothing more, nobody need be kept for it to pay."),
            "worthless": _(
                "A customer kept here brings nothing, so keeping customers cannot pay for it."
            ),
            "not_known": _("What a customer kept is worth is not known well enough to judge it."),
            "possible": _("That is possible."),
            "impossible": _(
                "That is more than there are to keep: give less, or to fewer customers."
            ),
            "unclear": (
                _("That is more than leave today, but it cannot be told for sure.")
                if row["break_even"] > row["lost"]
                else _("That is fewer than leave today, but it cannot be told for sure.")
            ),
        }[row["pays"]]
        if row["pays"] in ("free", "worthless", "not_known"):
            return said
        return f"{self._needed(row)} {said}"

    def _needed(self, row: pd.Series) -> str:
        if not np.isfinite(row["break_even"]):
            needed = _(
                "Whether a customer kept brings anything cannot be told; if so, it pays only if it "
                "keeps {low} customers a year or more who would leave otherwise; {lost} "
                "({lost_low} to {lost_high}) of {active} leave in a year today."
            )
        elif np.isfinite(row["break_even_high"]):
            needed = _(
                "It pays if it keeps {needed} customers a year ({low} to {high}) who would leave "
                "otherwise; {lost} ({lost_low} to {lost_high}) of {active} leave in a year today."
            )
        else:
            needed = _(
                "It pays if it keeps {needed} customers a year ({low} or more) who would leave "
                "otherwise; {lost} ({lost_low} to {lost_high}) of {active} leave in a year today."
            )
        return needed.format(
            needed=number(row["break_even"], 1),
            low=number(row["break_even_low"], 1),
            high=number(row["break_even_high"], 1),
            lost=number(row["lost"], 1),
            lost_low=number(row["lost_low"], 1),
            lost_high=number(row["lost_high"], 1),
            active=number(row["active"]),
        )

    def _how(self) -> str:
        parts = [
            _(
                "A customer kept stays for the coming year for sure, and is worth the lifetime "
                "value of the tier divided by its retention, at today's cost of service and a "
                "discount of {discount} a year. {intervals} How many customers a promise keeps, no "
                "figure here says: try it on some of them and compare."
            ).format(
                discount=percent(self.lifetime.discount),
                intervals=intervals_in_brackets(self.lifetime.confidence),
            ),
            _(
                "The promise is to all customers of a tier by what they brought in all the data; "
                "those who leave are of the customers who bought in the last period, by what they "
                "brought in it."
            ),
        ]
        if not self.today_known:
            parts.append(
                _(
                    "How often customers are visited and called today is not known, so all "
                    "promised visits and calls count as more than today."
                )
            )
        if self.promise.servers is None:
            parts.append(self.promise.desk_words())
        parts.append(self.promise.left_out())
        return " ".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [self._of_tier(row) for _index, row in self.table.iterrows()]
        return _(
            "Bars of the share of each tier's customers that its promise must keep, beside the "
            "share that is lost. {parts}"
        ).format(parts=" ".join(parts))

    def _names(self) -> dict[str, str]:
        return self.thresholds.tiers.names()

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("What the promise to a tier costs in a year beyond what is done today"),
            denominator=_("Value of a customer of the tier who is kept for the coming year"),
            period=self.context.period(),
            method=_(
                "Customers that must be kept in a year = further cost / value of a customer kept, "
                "its interval from that of the value. Further cost: promised visits and calls that "
                "are not made today, account managers, and the complaint desk less what handling "
                "costs today. Value of a customer kept = lifetime value / retention = "
                "m / (1 + d − r) without an end. Lost in a year = customers who bought in the "
                "second period × (1 − retention). {promise} {lifetime}"
            ).format(
                promise=self.promise.definition.method, lifetime=self.lifetime.definition.method
            ),
            source=self.context.source,
            exclusions=self.lifetime.definition.exclusions,
        )


@measure(needs=NEEDS)
def policy(
    crm: Workspace,
    *,
    rules: pd.DataFrame | None = None,
    promises: pd.DataFrame | None = None,
    manager_salary: float | None = None,
    staff_salary: float | None = None,
    discount: float = 0.10,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Policy:
    """Where the tiers begin, what is promised to each, what it costs, and when it pays.

    Parameters
    ----------
    crm : Workspace
        As in `clv`; more of the promise is costed where there are contacts and complaints.
    rules : pandas.DataFrame, optional
        Tier rules in the shape of `crmlab.stats.tiers.tier_rules`. Tiers follow from them alone:
        tiers that the company has given are set aside, since they are what is to be decided.
    promises : pandas.DataFrame, optional
        In the shape of `service_promises`.
    manager_salary, staff_salary : float, optional
        As in `promise_cost`.
    discount : float
        As in `clv`.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Policy
        `.table` has a row per tier, best first: tier, at_least (money in 12 months), customers,
        margin and promise_cost (money a year), extra_cost (money a year, what of it is not spent
        today), kept, kept_low, kept_high (money, what a customer is worth who is kept for the
        coming year), active (customers who bought in the last period), lost, lost_low, lost_high
        (of them, in a year at today's retention), break_even (customers to be kept in a year for
        the promise to pay), break_even_low, break_even_high, pays (possible, impossible,
        unclear, free, worthless, not_known).

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData, CrmlabError
        As in `clv` and `promise_cost`.

    Notes
    -----
    A promise pays by keeping customers who would leave without it. Whoever is kept is there for the
    coming year, so with the figures of `clv` they are worth V = m / (1 + d − r), the lifetime value
    over the retention: the lifetime value itself is that of a customer of whom it is not known yet
    whether they stay. m is after today's cost of service. So what is done today is not charged a
    second time: of promised visits and calls, those made today to the tier's customers are taken
    off, of the complaint desk what handling the tier's complaints costs today. Further cost of C a
    year then needs C/V customers a year.

    Drawn again and again from the tiers of the bundled company (78 to 1,239 customers), the 95 %
    interval of V held the true value 92 to 95 times in 100.

    It is impossible if even the lower end of that exceeds the upper end of those lost, possible if
    the upper end stays below the lower end of those lost. Both intervals would have to miss at one
    end for a verdict to be wrong by chance, or one of them by much. Where a part of the promise has
    no stated cost the promise is not called possible. Business won from customers who stay anyway
    comes on top and is not counted; nor is it that more customers kept need more service.
    """
    ruled = thresholds(
        crm, rules=rules, confidence=confidence, resamples=resamples, seed=seed
    )  # the thresholds hold for every period from here on
    filled = ruled.tiers.rules
    promise = promise_cost(
        crm, promises=promises, rules=filled, given=False, manager_salary=manager_salary,
        staff_salary=staff_salary,
    )  # fmt: skip
    lifetime = clv(
        crm, discount=discount, rules=filled, given=False, confidence=confidence,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    table = ruled.table[["tier", "at_least", "customers"]]
    costs = promise.table[["tier", "margin", "promise_cost"]].assign(
        extra_cost=_extra_cost(crm, promise), whole=~promise.incomplete()
    )
    table = table.merge(costs, on="tier", how="left")
    worth = lifetime.table[["tier", "active", "retention", "retention_low", "retention_high"]]
    worth = worth.merge(lifetime.kept, on="tier")
    table = _judged(table.merge(worth, on="tier", how="left"))
    today_known = "visits_today" in promise.table
    return Policy(table, Context.of(crm), ruled, promise, lifetime, today_known)


def _extra_cost(crm: Workspace, promise: PromiseCost) -> pd.Series:
    """What each promise costs in a year beyond what the same costs today.

    Today's contacts and complaints are in today's cost to serve, and so in the value of a customer.
    """
    table, rates = promise.table, crm.settings.activity_costs
    saved = pd.Series(0.0, table.index)
    for kind, activity in ACTIVITIES.items():
        if f"{kind}_today" in table and activity in rates:
            today = table[f"{kind}_today"] * table["customers"] * rates[activity]
            saved += np.minimum(today, table[f"{kind}_cost"])
    handled = known_books(crm).with_tier(promise.tiers).groupby("tier")["handling_cost"].sum()
    handled = table["tier"].map(handled * per_year(crm)).fillna(0.0)
    saved += np.minimum(handled, table["desk_cost"].fillna(0.0))
    return (table["promise_cost"] - saved).clip(lower=0)


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """Add customers lost and customers to be kept, and the verdict."""
    cost, worth = table["extra_cost"], table["kept"]
    lost = table["active"] * (1 - table["retention"])
    needed = (cost / worth).where(worth > 0)
    least = (cost / table["kept_high"]).where(table["kept_high"] > 0)
    # A value that may be zero could need any number of customers.
    most = (cost / table["kept_low"]).where(table["kept_low"] > 0, np.inf)
    fewest_lost = table["active"] * (1 - table["retention_high"])
    most_lost = table["active"] * (1 - table["retention_low"])
    verdict = np.select(
        [
            cost.isna(),
            table["whole"].eq(True) & (cost <= 0),
            worth.isna() | table["kept_low"].isna(),
            table["kept_high"] <= 0,
            least > most_lost,
            table["whole"].eq(True) & (most <= fewest_lost),
        ],
        ["not_known", "free", "not_known", "worthless", "impossible", "possible"],
        "unclear",
    )
    known = ~np.isin(verdict, ["not_known", "worthless", "free"])
    columns = ["tier", "at_least", "customers", "margin", "promise_cost", "extra_cost", "kept"]
    return table[[*columns, "kept_low", "kept_high", "active"]].assign(
        lost=lost,
        lost_low=fewest_lost,
        lost_high=most_lost,
        break_even=needed.where(known),
        break_even_low=least.where(known),
        break_even_high=most.where(known),
        pays=verdict,
    )


def _verdicts() -> dict[str, str]:
    return {
        "possible": _("can pay"),
        "impossible": _("cannot pay"),
        "unclear": _("cannot be told"),
        "free": _("costs nothing more"),
        "worthless": _("nothing to keep"),
        "not_known": _("not known"),
    }
