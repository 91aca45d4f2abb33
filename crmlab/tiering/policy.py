"""The decision: thresholds and the service promise of each tier, and whether it can pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.tiering.lifetime_value import LifetimeValue, clv
from crmlab.tiering.promises import PromiseCost, promise_cost
from crmlab.tiering.service_costs import NEEDS
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
    """

    measure = "tiering.policy"

    thresholds: Thresholds
    promise: PromiseCost
    lifetime: LifetimeValue

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self._names(), "verdict": _verdicts()}

    def formats(self) -> Mapping[str, str]:
        shown = ("lost", "break_even", "break_even_low", "break_even_high")
        return dict.fromkeys(shown, "number1")

    def title(self) -> str:
        row = self.table.iloc[0]
        if np.isnan(row["break_even"]):
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
        places = np.arange(len(known))[::-1]
        share = known["break_even"] / known["active"]
        low, high = (known[end] / known["active"] for end in ("break_even_low", "break_even_high"))
        lost = known["lost"] / known["active"]
        # Beyond all customers of a tier, how far beyond does not matter.
        edge = min(1.0, 1.6 * max(lost.max(), share.min(), 0.05)) if len(known) else 1.0
        colours = [charts.LAYER_COLOURS.get(tier, charts.BLUE) for tier in known["tier"]]
        axes.barh(places, share.clip(upper=edge), height=0.5, color=colours)
        axes.hlines(places, low.clip(upper=edge), high.clip(upper=edge), color=charts.INK, lw=1.5)
        axes.scatter(
            lost, places, marker="D", color="white", edgecolor=charts.INK, zorder=3,
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
        cost = _(
            "{tier}: the promise to {customers} customers costs {cost} a year; their orders bring "
            "{margin} above their direct cost."
        ).format(
            tier=name,
            customers=number(row["customers"]),
            cost=self._money(row["promise_cost"]),
            margin=self._money(row["margin"]),
        )
        return f"{cost} {self._judged(row)}"

    def _judged(self, row: pd.Series) -> str:
        if row["verdict"] == "worthless":
            return _("A customer kept here brings nothing, so keeping customers cannot pay for it.")
        if row["verdict"] == "not_known":
            return _("What a customer kept is worth is not known well enough to judge it.")
        needed = (
            _(
                "It pays if it keeps {needed} customers a year ({low} to {high}) who would leave "
                "otherwise; {lost} of {active} leave in a year today."
            )
            if np.isfinite(row["break_even_high"])
            else _(
                "It pays if it keeps {needed} customers a year ({low} or more) who would leave "
                "otherwise; {lost} of {active} leave in a year today."
            )
        ).format(
            needed=number(row["break_even"], 1),
            low=number(row["break_even_low"], 1),
            high=number(row["break_even_high"], 1),
            lost=number(row["lost"], 1),
            active=number(row["active"]),
        )
        said = {
            "possible": _("That is possible."),
            "impossible": _(
                "That is more than there are to keep: give less, or to fewer customers."
            ),
            "unclear": _("Whether so many can be kept cannot be told from these data."),
        }
        return f"{needed} {said[row['verdict']]}"

    def _how(self) -> str:
        return _(
            "A customer kept is worth the lifetime value of the tier, at today's cost of service "
            "and a discount of {discount} a year. {intervals} How many customers a promise keeps, "
            "no figure here says: try it on some of them and compare."
        ).format(
            discount=percent(self.lifetime.discount),
            intervals=intervals_in_brackets(self.lifetime.confidence),
        )

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
            numerator=_("Cost of the promise to a tier in a year"),
            denominator=_("Lifetime value of a customer of the tier"),
            period=self.context.period(),
            method=_(
                "Customers that must be kept in a year = cost / lifetime value, its interval from "
                "that of the lifetime value; lost in a year = customers who bought in the last "
                "12 months × (1 − retention). {promise} {lifetime}"
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
        margin and promise_cost (money a year), active (customers who bought in the last period),
        lost (of them, in a year at today's retention), break_even (customers to be kept in a year
        for the promise to pay), break_even_low, break_even_high, verdict (possible, impossible,
        unclear, worthless, not_known).

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData, CrmlabError
        As in `clv` and `promise_cost`.

    Notes
    -----
    A promise pays by keeping customers who would leave without it. With V the lifetime value of a
    customer, a cost of C a year needs C/V of them a year. It is impossible if even the lower end of
    that exceeds the upper end of those lost, possible if the upper end stays below the lower end of
    those lost. Business won from customers who stay anyway comes on top and is not counted.
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
    table = table.merge(promise.table[["tier", "margin", "promise_cost"]], on="tier", how="left")
    worth = lifetime.table[
        ["tier", "active", "clv", "clv_low", "clv_high", "retention", "retention_low",
         "retention_high"]
    ]  # fmt: skip
    table = _judged(table.merge(worth, on="tier", how="left"))
    return Policy(table, Context.of(crm), ruled, promise, lifetime)


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """Add customers lost and customers to be kept, and the verdict."""
    cost = table["promise_cost"]
    pays = table["clv"] > 0
    lost = table["active"] * (1 - table["retention"])
    needed = (cost / table["clv"]).where(pays)
    least = (cost / table["clv_high"]).where(table["clv_high"] > 0)
    # A value that may be zero could need any number of customers.
    most = (cost / table["clv_low"]).where(table["clv_low"] > 0, np.inf)
    fewest_lost = table["active"] * (1 - table["retention_high"])
    most_lost = table["active"] * (1 - table["retention_low"])
    verdict = np.select(
        [
            table["clv"].isna() | cost.isna() | table["clv_low"].isna(),
            table["clv_high"] <= 0,
            least > most_lost,
            most <= fewest_lost,
        ],
        ["not_known", "worthless", "impossible", "possible"],
        "unclear",
    )
    known = ~np.isin(verdict, ["not_known", "worthless"])
    return pd.DataFrame(
        {
            "tier": table["tier"],
            "at_least": table["at_least"],
            "customers": table["customers"],
            "margin": table["margin"],
            "promise_cost": cost,
            "active": table["active"],
            "lost": lost,
            "break_even": needed.where(known),
            "break_even_low": least.where(known),
            "break_even_high": most.where(known),
            "verdict": verdict,
        }
    )


def _verdicts() -> dict[str, str]:
    return {
        "possible": _("can pay"),
        "impossible": _("cannot pay"),
        "unclear": _("cannot be told"),
        "worthless": _("nothing to keep"),
        "not_known": _("not known"),
    }
