"""The customer life cycle (客户关系生命周期): who is in which stage, and what each is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.language import _, day, money, ngettext, number, percent
from crmlab.loyalty.purchases import NEEDS, Occasion, Purchases, purchases
from crmlab.loyalty.stages import ORDER, Stages, lifecycle_rules, stage_names, stages
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The stages have colours of their own: those on the way up are blue.
COLOURS = {
    "exploration": "#9ecae1",
    "formation": "#56a0d3",
    "stable": charts.BLUE,
    "decline": charts.ORANGE,
    "lost": charts.GREY,
}
#: A trend of everybody below or above these is said, for it moves many customers at once.
STEADY = (0.85, 1.15)


def incentives() -> pd.DataFrame:
    """The incentives that the course gives each stage.

    Returns
    -------
    pandas.DataFrame
        A row per incentive, in the order of a life: stage (code), incentive (code), label and
        why (in the current language).

    Examples
    --------
    >>> incentives().groupby("stage", sort=False)["incentive"].first().to_dict()
    {'exploration': 'first_order', 'formation': 'personal_offer', 'stable': 'priority_service',
     'decline': 'ask_why', 'lost': 'win_back'}
    """
    rows = [
        ("exploration", "first_order", _("Discount or free trial on the first order"),
         _("It takes the risk out of trying us.")),
        ("exploration", "thanks", _("Letter of thanks after the first order"),
         _("A new customer sees that the order was noticed.")),
        ("exploration", "quick_answers", _("Quick answers to questions"),
         _("Whoever is still comparing goes to the one who answers.")),
        ("formation", "personal_offer", _("Offers that fit what the customer buys"),
         _("They show that we know the customer.")),
        ("formation", "points", _("Points for every purchase"),
         _("They give a reason for the next one.")),
        ("formation", "membership", _("Membership"),
         _("It makes a buyer one of ours.")),
        ("stable", "priority_service", _("Priority in service"),
         _("Those who carry the business do not wait.")),
        ("stable", "joint_planning", _("Joint planning"),
         _("Plans made together make both sides depend on each other.")),
        ("stable", "events", _("Events for customers"),
         _("People who know each other do not leave over a small thing.")),
        ("stable", "price_guarantee", _("Guaranteed prices"),
         _("They take away the reason to ask others.")),
        ("decline", "ask_why", _("Ask what went wrong"),
         _("The reason decides what can help.")),
        ("decline", "call", _("Call by the account manager"),
         _("A call comes before a discount, which would pay those who stay as well.")),
        ("decline", "remedy", _("Remedy for what went wrong"),
         _("A fault put right can bind more than none.")),
        ("lost", "win_back", _("Offer to come back, to those worth it"),
         _("Winning back costs money, and does not pay for everybody.")),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["stage", "incentive", "label", "why"])


@dataclass(frozen=True, repr=False)
class Lifecycle(Result):
    """Result of `lifecycle`.

    Attributes
    ----------
    stages : Stages
        `.frame` has a row per customer with the measures and the stage.
    rules : pandas.DataFrame
        In the shape of `lifecycle_rules`.
    found : Purchases
        Of all the data, for what counts as a purchase.
    confidence : float
    """

    measure = "loyalty.lifecycle"

    stages: Stages
    rules: pd.DataFrame
    found: Purchases
    confidence: float

    @property
    def customers(self) -> pd.DataFrame:
        """A row per customer: customer_id, since, the measures, revenue and stage."""
        return self.stages.frame

    def formats(self) -> Mapping[str, str]:
        return {"silence": "number1", "last_year": "number1"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"stage": names_of(self.table["stage"])}

    def title(self) -> str:
        row = self.table.set_index("stage")
        if {"stable", "decline", "lost"} <= set(row.index):
            return _(
                "{stable} of the customers are stable, {decline} in decline, {lost} lost"
            ).format(
                stable=percent(row.loc["stable", "share"], 0),
                decline=percent(row.loc["decline", "share"], 0),
                lost=percent(row.loc["lost", "share"], 0),
            )
        most = self.table.loc[self.table["share"].idxmax()]
        return _("The largest stage is {stage}, with {share} of the customers").format(
            stage=names_of([most["stage"]])[most["stage"]], share=percent(most["share"], 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.7 + 0.5 * len(self.table)))
        names = names_of(self.table["stage"])
        places = np.arange(len(self.table))[::-1]
        share = self.table["share"].to_numpy()
        whiskers = np.abs(self.table[["low", "high"]].to_numpy().T - share)
        axes.barh(
            places, share, height=0.6, xerr=whiskers,
            color=[COLOURS.get(stage, charts.BLUE) for stage in self.table["stage"]],
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5},
        )  # fmt: skip
        for place, (_index, row) in zip(places, self.table.iterrows(), strict=True):
            if pd.notna(row["revenue_share"]):
                axes.annotate(
                    _("{share} of revenue").format(share=percent(row["revenue_share"])),
                    (row["high"], place), xytext=(8, 0), textcoords="offset points", va="center",
                    fontsize=9.5,
                )  # fmt: skip
        axes.set_yticks(places, [names[stage] for stage in self.table["stage"]])
        axes.set_xlim(0, 1.3 * float(self.table["high"].max()))
        charts.share_axis(axes.xaxis)
        axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 1])
        axes.set_xlabel(
            _("Share of the customers, with {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._counts(),
            self._declining(),
            self._money(),
            self._incentives(),
            self._season(),
            self._known(),
            _(
                "Where a stage begins is a rule, not a fact: lifecycle_rules() holds it, and can "
                "be changed. The stage lost is not one of the course's four; without it customers "
                "who left long ago would count as in decline."
            )
            if "lost" in set(self.table["stage"])
            else "",
            self.found.rule(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Bars of the share of customers in each stage. {said}.").format(
            said=self._shares()
        )

    # --- the words

    def _shares(self) -> str:
        names = names_of(self.table["stage"])
        return _("; ").join(
            _("{stage} {share} ({low} to {high})").format(
                stage=names[row["stage"]],
                share=percent(row["share"]),
                low=percent(row["low"]),
                high=percent(row["high"]),
            )
            for _index, row in self.table.iterrows()
        )

    def _counts(self) -> str:
        return _(
            "Of {customers} customers who had bought by {at}: {shares}. In brackets: intervals "
            "that hold together with {confidence} confidence."
        ).format(
            customers=number(self.table["customers"].sum()),
            at=day(self.stages.at),
            shares=self._shares(),
            confidence=percent(self.confidence, 0),
        )

    def _declining(self) -> str:
        part = self.stages.frame[self.stages.frame["stage"] == "decline"]
        if part.empty:
            return ""
        said = _(
            "Those in decline have been silent for {silence} days at the median, {ratio} times the "
            "gap to be expected of each."
        ).format(
            silence=number(part["silence"].median()),
            ratio=number(part["silence_ratio"].median(), 1),
        )
        rule = (self.rules["stage"] == "decline") & (self.rules["measure"] == "silence_ratio")
        bounds = self.rules.loc[rule, "at_least"].dropna()
        if bounds.empty:
            return said
        return _(
            "{said} A silence of {bound} gaps is no proof: if purchases come at random, about "
            "{chance} of all gaps last so long although the customer stays."
        ).format(
            said=said,
            bound=number(bounds.min(), 0 if float(bounds.min()).is_integer() else 1),
            chance=percent(np.exp(-bounds.min()), 0),
        )

    def _money(self) -> str:
        known = self.table.dropna(subset=["revenue_share"])
        if known.empty:
            return ""
        names = names_of(known["stage"])
        most = known.loc[known["revenue_share"].idxmax()]
        said = _(
            "In the 12 months before, {share} of the revenue came from customers who are now in "
            "the stage {stage}."
        ).format(share=percent(most["revenue_share"]), stage=names[most["stage"]])
        risk = known[(known["stage"] == "decline") & (known["customers"] > 0)]
        if risk.empty:
            return said
        return _("{said} Those in decline brought {money}, {part} of it.").format(
            said=said,
            money=money(risk["revenue"].iloc[0], self.context.currency),
            part=percent(risk["revenue_share"].iloc[0]),
        )

    def _incentives(self) -> str:
        names = names_of(self.table["stage"])
        there = set(self.table.loc[self.table["customers"] > 0, "stage"])
        parts = [
            _("{stage}: {incentives}.").format(
                stage=names[str(stage)], incentives=_("; ").join(of_stage["label"])
            )
            for stage, of_stage in incentives().groupby("stage", sort=False)
            if stage in there
        ]
        if not parts:
            return ""
        listed = "\n".join(f"- {part}" for part in parts)
        said = _("What the course gives each stage:")
        return f"{said}\n\n{listed}"

    def _season(self) -> str:
        trend = self.stages.trend
        if np.isnan(trend) or STEADY[0] <= trend <= STEADY[1]:
            return ""
        return _(
            "All together bought {times} times as often in the last 6 months as in the 6 before; "
            "a season moves many customers at once and is not the fault of any of them."
        ).format(times=number(trend, 2))

    def _known(self) -> str:
        parts = []
        if self.stages.older:
            parts.append(
                ngettext(
                    "{count} customer was won before the data begin: only the purchases since then "
                    "are counted.",
                    "{count} customers were won before the data begin: only the purchases since "
                    "then are counted.",
                    self.stages.older,
                ).format(count=number(self.stages.older))
            )
        if np.isnan(self.stages.typical):
            parts.append(
                _(
                    "Nobody bought twice, so there is no gap to be expected, and no silence is "
                    "long for anybody."
                )
            )
        if self.stages.seen < 1:
            parts.append(
                _(
                    "The data hold only {share} of the 12 months before the day: no trend is "
                    "known, and the purchases a year of customers won earlier are scaled up."
                ).format(share=percent(self.stages.seen, 0))
            )
        return " ".join(parts)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers in the stage on {at}").format(at=day(self.stages.at)),
            denominator=_("Customers with a purchase by then"),
            period=_("{first} to {last}").format(
                first=day(self.context.first_day), last=day(self.stages.at)
            ),
            method=_(
                "Rules on age, number of purchases, silence and trend, from what was known on the "
                "day: {rules} {rule} Revenue of the 12 months before, refunds subtracted. Wilson "
                "intervals that hold together (Bonferroni)."
            ).format(rules=rules_in_words(self.rules), rule=self.found.rule()),
            source=self.context.source,
            exclusions=self.found.exclusions,
        )


def rules_in_words(rules: pd.DataFrame) -> str:
    """The rules as they stand in a definition.

    Examples
    --------
    >>> print(rules_in_words(lifecycle_rules()).split(";")[0])
    Lost if silence ≥ 180 and silence_ratio ≥ 6
    """
    said, names = [], names_of(rules["stage"])
    for name, of_stage in rules.groupby("stage", sort=False):
        ways = []
        for _number, way in of_stage.groupby("way"):
            bounds = []
            for _index, row in way.dropna(subset=["measure"]).iterrows():
                if pd.notna(row["at_least"]):
                    bounds.append(f"{row['measure']} ≥ {row['at_least']:g}")
                if pd.notna(row["at_most"]):
                    bounds.append(f"{row['measure']} ≤ {row['at_most']:g}")
            ways.append(_all_of(bounds))
        conditions = _(" or ").join(way for way in ways if way)
        if conditions:
            said.append(
                _("{stage} if {conditions}").format(stage=names[name], conditions=conditions)
            )
        else:
            said.append(_("{stage} otherwise").format(stage=names[name]))
    return _("{rules}.").format(rules=_("; ").join(said))


def _all_of(bounds: list[str]) -> str:
    said = ""
    for bound in bounds:
        said = _("{said} and {bound}").format(said=said, bound=bound) if said else bound
    return said


def names_of(codes: pd.Series | list[str]) -> dict[str, str]:
    """Label of each stage, those of a user's own rules by their code."""
    return {str(code): str(code) for code in codes} | stage_names()


def in_order(rules: pd.DataFrame) -> list[str]:
    """The stages of the rules in the order of a life; a user's own, from the rules, after them."""
    there = [str(name) for name in rules["stage"].unique()]
    return [*(one for one in ORDER if one in there), *(one for one in there if one not in ORDER)]


@measure(needs=NEEDS)
def lifecycle(
    crm: Workspace,
    *,
    at: date | str | None = None,
    rules: pd.DataFrame | None = None,
    occasion: Occasion = "day",
    confidence: float = 0.95,
) -> Lifecycle:
    """In which stage of its life each customer is on a day.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; amount gives the revenue of the stages, and
        customers.acquired_on the age of those won before the data begin.
    at : datetime.date or str, optional
        The day; the last one of the data by default. Nothing later is used.
    rules : pandas.DataFrame, optional
        In the shape of `lifecycle_rules`, which are the default.
    occasion : {"day", "order"}
        Whether all orders of a day are one purchase, or each is one.
    confidence : float
        Of all shares together.

    Returns
    -------
    Lifecycle
        `.table` has a row per stage in the order of a life: stage, customers, share, low, high,
        revenue (money of the 12 months before, refunds subtracted), revenue_share, silence (median
        days since the last purchase), last_year (median purchases in 12 months). `.customers` has
        a row per customer with all measures.

    Raises
    ------
    CrmlabError
        If the day is none of the data's, or the rules cannot be read.
    UnknownName
        If a rule names a measure that there is not.
    NotEnoughData
        If the data reach back less than 90 days before the day, or nobody had bought by then.

    Notes
    -----
    Behaviour alone decides. The gap to be expected of a customer with n purchases from the first to
    the last of them over d days is (d + t) / n, t the median of all customers' mean gaps: one
    purchase says nothing of its own, and few say little. If purchases come at random (a Poisson
    process), a silence of k such gaps has the probability e⁻ᵏ, 5 % for 3 and 0.2 % for 6. A drop is
    judged by the binomial distribution: of n purchases in 12 months, as many would fall into the
    last 6 as of all customers' purchases together.

    References
    ----------
    Dwyer, F. R., Schurr, P. H. and Oh, S. (1987), Journal of Marketing 51(2), 11-27, on the stages
    of a relationship. Jap, S. D. and Ganesan, S. (2000), Journal of Marketing Research 37, 227-245.
    """
    check_confidence(confidence)
    chosen = lifecycle_rules() if rules is None else rules
    found = stages(crm, at=at, rules=chosen, occasion=occasion)
    return Lifecycle(
        _table(found.frame, in_order(chosen), confidence),
        Context.of(crm),
        found,
        chosen,
        purchases(crm, occasion=occasion),
        confidence,
    )


def _table(frame: pd.DataFrame, order: list[str], confidence: float) -> pd.DataFrame:
    groups = frame.groupby("stage")
    customers = groups.size().reindex(order).fillna(0).astype("int64")
    together = 1 - (1 - confidence) / len(order)
    low, high = wilson(customers, np.full(len(order), len(frame)), confidence=together)
    revenue = groups["revenue"].sum(min_count=1).reindex(order).astype(float)
    known = frame["revenue"].notna().any()
    revenue = revenue.where(customers > 0, 0.0 if known else np.nan)
    total = revenue.sum()
    return pd.DataFrame(
        {
            "stage": order,
            "customers": customers.to_numpy(),
            "share": customers.to_numpy() / len(frame),
            "low": low,
            "high": high,
            "revenue": revenue.to_numpy(),
            "revenue_share": revenue.to_numpy() / total if total > 0 else np.nan,
            "silence": groups["silence"].median().reindex(order).to_numpy(),
            "last_year": groups["last_year"].median().reindex(order).to_numpy(),
        }
    )


__all__ = ["Lifecycle", "incentives", "lifecycle"]
