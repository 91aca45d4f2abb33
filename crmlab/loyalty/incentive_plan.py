"""The decision: which incentive for which stage of the relationship, within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, UnknownName
from crmlab.language import _, currency_name, money, ngettext, number, percent, signed
from crmlab.loyalty.incentive_returns import IncentiveReturns, returns
from crmlab.loyalty.lifecycle import incentives, names_of
from crmlab.loyalty.offered import arm_names
from crmlab.loyalty.stages import ORDER, stages
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.intervals import check_confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: Incentives of the course that are an activity whose cost the workspace knows.
ACTIVITIES = {
    "thanks": "contact.letter",
    "quick_answers": "contact.wechat",
    "joint_planning": "contact.meeting",
    "events": "contact.event",
    "ask_why": "contact.phone",
    "call": "contact.phone",
    "win_back": "contact.visit",
}
#: How often the plan is made again with parameters drawn anew.
REPLANS = 200


@dataclass(frozen=True, repr=False)
class IncentivePlan(Result):
    """Result of `incentive_plan`.

    Attributes
    ----------
    returns : IncentiveReturns
        What the tested offers bring, stage by stage.
    budget : float
        Money.
    budget_given : bool
    spent, gain, gain_low, gain_high : float
        Cost of the plan and its expected return with interval; money.
    assumed : dict of str to float
        Incentives that nobody tested, with the change of orders that is assumed.
    confidence : float
    """

    measure = "loyalty.incentive_plan"

    returns: IncentiveReturns
    budget: float
    budget_given: bool
    spent: float
    gain: float
    gain_low: float
    gain_high: float
    assumed: Mapping[str, float]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(("gain", "gain_low", "gain_high"), "money")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"stage": names_of(self.table["stage"]), "incentive": self._names()}

    def main_columns(self) -> Sequence[str]:
        return [
            *("stage", "incentive", "tested", "customers", "lift", "pays_from", "cost_total"),
            *("gain", "gain_low", "gain_high", "chosen", "chosen_share"),
        ]

    def chosen(self) -> pd.DataFrame:
        """The rows of the table that are in the plan."""
        return self.table[self.table["chosen"].fillna(False).astype(bool)]

    def title(self) -> str:
        chosen = self.chosen()
        if chosen.empty and self._useful().empty:
            return _("No tested incentive is expected to bring more than it costs")
        if chosen.empty:
            return _("The budget buys no incentive that is expected to pay")
        return ngettext(
            "{count} stage gets an incentive; it is expected to bring {gain}",
            "{count} stages get an incentive; they are expected to bring {gain}",
            len(chosen),
        ).format(count=number(len(chosen)), gain=self._money(self.gain))

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self._known().iloc[::-1]
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.8 + 0.42 * len(known)))
        places = np.arange(len(known))
        for place, row in zip(places, known.itertuples(), strict=True):
            colour = charts.ORANGE if row.chosen else charts.MUTED
            axes.plot([row.gain_low, row.gain_high], [place, place], color=colour)
            inside = colour if row.tested else "white"  # hollow: by assumption
            axes.plot(row.gain, place, "o", color=colour, markerfacecolor=inside)
        axes.axvline(0, color=charts.INK, linewidth=1)
        labels = [charts.wrapped(self._pair(row), 36) for _index, row in known.iterrows()]
        axes.set_yticks(places, labels)
        axes.margins(y=0.6 / max(len(known), 1))
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda value, _place: number(value))
        text = (
            _("Gain per customer with interval, {currency} (orange: in the plan)")
            if known["tested"].all()
            else _("Gain per customer, {currency}\n(orange: in the plan; hollow: assumed)")
        )
        axes.set_xlabel(text.format(currency=currency_name(self.context.currency)))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._plan(),
            self._open(),
            self._left_over(),
            self._how_sure(),
            self._rejected(),
            self._hoped(),
            self._untested(),
            self._between(),
            self._premises(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{pair} {gain} ({low} to {high})").format(
                pair=self._pair(row),
                gain=self._money(row["gain"]),
                low=self._money(row["gain_low"]),
                high=self._money(row["gain_high"]),
            )
            if row["tested"]
            else _("{pair} {gain}").format(pair=self._pair(row), gain=self._money(row["gain"]))
            for _index, row in self._known().iterrows()
        ]
        return _("Points with intervals of the expected gain per customer. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _names(self) -> dict[str, str]:
        tested = self.table.loc[self.table["tested"], "incentive"].unique()
        course = incentives().set_index("incentive")["label"].to_dict()
        return {str(code): str(label) for code, label in course.items()} | arm_names(tested)

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _known(self) -> pd.DataFrame:
        """What a test or an assumption says the gain of."""
        return self.table[self.table["gain"].notna()]

    def _useful(self) -> pd.DataFrame:
        return self.table[self.table["gain_total"] > 0]

    def _plain_pair(self, row: pd.Series) -> str:
        return _("{stage}: {incentive}").format(
            stage=names_of([row["stage"]])[row["stage"]], incentive=self._names()[row["incentive"]]
        )

    def _pair(self, row: pd.Series) -> str:
        """The stage and its incentive; where nobody tested it, what is assumed is marked."""
        pair = self._plain_pair(row)
        if row["tested"] or np.isnan(row["lift"]):
            return pair
        return _("{pair} (assumed)").format(pair=pair)

    def _listed(self, rows: pd.DataFrame) -> str:
        return _("; ").join(self._pair(row) for _index, row in rows.iterrows())

    def _plan(self) -> str:
        budget = (
            _("Within the budget of {budget}")
            if self.budget_given
            else _("Within a budget of {budget}, which a campaign has given away on average,")
        ).format(budget=self._money(self.budget))
        chosen = self.chosen()
        if chosen.empty:
            said = (
                _("{budget} nothing is chosen: no tested incentive pays.")
                if self._useful().empty
                else _("{budget} nothing is chosen: what is expected to pay costs more.")
            )
            return said.format(budget=budget)
        plan = _(
            "{budget} the plan is: {pairs}. It costs {spent} and is expected to bring {gain} "
            "({low} to {high}) after that cost, over {periods} periods. {intervals}"
        )
        return plan.format(
            budget=budget,
            pairs=self._listed(chosen),
            spent=self._money(self.spent),
            gain=self._money(self.gain),
            low=self._money(self.gain_low),
            high=self._money(self.gain_high),
            periods=number(self.returns.periods),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _open(self) -> str:
        if not self.gain_low < 0 < self.gain:
            return ""
        return _(
            "The interval of the gain begins below zero: that the plan pays is expected, not shown."
        )

    def _left_over(self) -> str:
        useful = self._useful()
        best = useful.groupby("stage")["gain_total"].max().sum()
        if useful.empty or not np.isclose(best, self.gain):
            return ""
        return _(
            "{left} of the budget are left: every stage for which something is expected to pay has "
            "got it, and spending the rest would lose money."
        ).format(left=self._money(self.budget - self.spent))

    def _how_sure(self) -> str:
        parts = [
            _("{pair} {share}").format(pair=self._pair(row), share=percent(row["chosen_share"], 0))
            for _index, row in self._known().iterrows()
            if row["chosen_share"] > 0
        ]
        if not parts:
            return ""
        return _(
            "Had the data fallen a little differently, the best plan would have had in it: {parts} "
            "of the time."
        ).format(parts=_("; ").join(parts))

    def _rejected(self) -> str:
        losing = self.table[self.table["gain_high"] < 0]
        if losing.empty:
            return ""
        return _(
            "Costs more than it brings, as far as the interval goes: {pairs}. The giveaway is paid "
            "on the orders that would have come anyway, too."
        ).format(pairs=self._listed(losing))

    def _hoped(self) -> str:
        rows = self.table[~self.table["tested"] & self.table["lift"].notna()]
        parts = [
            (
                _("{pair} {lift}")
                if np.isnan(row["pays_from"])
                else _("{pair} {lift}, where it pays from {needed}")
            ).format(
                pair=self._plain_pair(row),
                lift=signed(row["lift"], 1),
                needed=signed(row["pays_from"], 1),
            )
            for _index, row in rows.iterrows()
        ]
        said = []
        if parts:
            said.append(
                _(
                    "Nobody tested these; orders are assumed to change by: {parts}. The plan takes "
                    "that for certain, and so does its interval."
                ).format(parts=_("; ").join(parts))
            )
        idle = [self._names()[name] for name in self.assumed if name not in set(rows["incentive"])]
        if idle:
            said.append(
                _(
                    "Assumed to no avail, as the stage has no customers today, or too few were "
                    "drawn to know what it orders: {names}."
                ).format(names=_(", ").join(idle))
            )
        return " ".join(said)

    def _untested(self) -> str:
        table = self.table
        untested = table[~table["tested"] & table["lift"].isna() & table["pays_from"].notna()]
        if untested.empty:
            return ""
        parts = [
            _("{pair} {lift}").format(pair=self._pair(row), lift=signed(row["pays_from"], 1))
            for _index, row in untested.iterrows()
        ]
        return _(
            "Not tested, and so not chosen. To pay, orders would have to change by: {parts}."
        ).format(parts=_("; ").join(parts))

    def _between(self) -> str:
        names = arm_names(list(self.returns.spread.index))
        none = [names[arm] for arm, spread in self.returns.spread.items() if spread == 0]
        if not none:
            return ""
        return _(
            "Between stages the effect on orders differs by no more than chance explains for: "
            "{arms}. There every stage is given the same effect; what it brings differs by what "
            "the stage orders and earns."
        ).format(arms=_(", ").join(none))

    def _premises(self) -> str:
        return _(
            "Orders that an incentive adds are taken to earn what the stage's orders earn, and "
            "customers in a stage today to respond as those did who were in it when drawn."
        )

    def _left_out(self) -> str:
        texts = {
            "discount": _(
                "Orders have no list price (orders.list_price), so what a discount takes off is "
                "not seen: it counts as nothing, and the gain of an offer with one is too high."
            ),
            "points": _(
                "No cost of a point is stated (points.point in the settings), so points count as "
                "free, and the gain of an offer of points is too high."
            ),
        }
        free = [texts[name] for name in self.returns.free]
        return " ".join([*free, left_out_words(self.returns.exclusions, self.returns.part)])

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Expected profit from the offer: list price of a holdout customer's orders × "
                "((m − g) exp(θ) − m), with profit m and giveaway g per unit of list price and θ "
                "the log ratio of orders"
            ),
            denominator=_("Customers of a stage who are offered the incentive"),
            period=self.context.period(),
            method=_(
                "Poisson regression of orders on arm by stage, campaign by stage and history, "
                "customers as clusters; drawn towards the arm's mean over the stages (DerSimonian "
                "and Laird 1986). At most one incentive a stage, the greatest expected gain within "
                "the budget: an integer programme, solved by HiGHS (scipy). {confidence} intervals "
                "from {draws} draws of the parameters; {replans} of them are planned again."
            ).format(
                confidence=percent(self.confidence, 0),
                draws=number(len(self.returns.draws)),
                replans=number(min(REPLANS, len(self.returns.draws))),
            ),
            source=self.context.source,
            exclusions=self.returns.exclusions,
        )


@measure(
    needs={
        "assignments": ["customer_id", "campaign", "arm", "assigned_at"],
        "orders": ["customer_id", "ordered_at", "amount", "cost"],
    }
)
def incentive_plan(
    crm: Workspace,
    *,
    budget: float | None = None,
    assumed: Mapping[str, float] | None = None,
    holdout: str = "holdout",
    after: int = 1,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> IncentivePlan:
    """Which incentive for which stage brings most within a budget.

    Parameters
    ----------
    crm : Workspace
        With assignments: customer_id, campaign, arm, assigned_at; orders: customer_id, ordered_at,
        amount, cost; list_price to see what a discount gives away.
    budget : float, optional
        Money for one round of offers; by default what a campaign has given away on average.
    assumed : mapping of str to float, optional
        For incentives of the course that nobody has tested, the change of orders that is assumed,
        such as ``{"call": 0.05}``; they can then be chosen, and are marked as not tested.
    holdout : str
        The arm that got no offer.
    after : int
        Periods after the offer's own that count, for what was only brought forward.
    confidence : float
    draws, seed : int
        For the intervals, and to see how often the plan stays the same.

    Returns
    -------
    IncentivePlan
        `.table` has a row per stage and incentive, in the order of a life: stage, incentive,
        tested, customers (in the stage on the last day), lift (share by which orders change),
        lift_low, lift_high, pays_from (the lift at which it pays for itself; missing where no lift
        would), cost_each and cost_total (money expected to be given away), gain (expected profit
        per customer after that cost), gain_low, gain_high, gain_total (of all of them), chosen,
        chosen_share (of the plans made again).

    Raises
    ------
    CrmlabError
        If `budget` is negative, or `assumed` names an incentive whose cost is not known.
    NotEnoughData
        If no campaign can be judged, or no stage has customers enough.

    Notes
    -----
    Choosing at most one of the incentives k of each stage s with expected gain G and cost C: the
    greatest Σ G x with Σ C x ≤ budget, Σₖ x ≤ 1 in each stage, x ∈ {0, 1}: a multiple-choice
    knapsack (Kellerer, Pferschy and Pisinger 2004, chapter 11). For what G is see
    `crmlab.loyalty.incentive_returns.returns`.

    References
    ----------
    Kellerer, H., Pferschy, U. and Pisinger, D. (2004), Knapsack Problems, Springer.
    """
    check_confidence(confidence)
    if budget is not None and not budget >= 0:
        raise CrmlabError(
            _("budget is an amount of money of at least 0; it is {budget}.").format(budget=budget)
        )
    found = returns(crm, holdout=holdout, after=after, draws=draws, seed=seed)
    size = stages(crm).frame["stage"].value_counts()
    table, drawn = _tested(found, size, confidence)
    hopes = dict(assumed or {})
    more, more_drawn = _untested(crm, found, size, hopes)
    table = pd.concat([table, more], ignore_index=True)
    drawn = np.hstack([drawn, more_drawn])
    place = [ORDER.index(one) if one in ORDER else len(ORDER) for one in table["stage"]]
    order = np.lexsort([~table["tested"], place])
    table, drawn = table.iloc[order].reset_index(drop=True), drawn[:, order]
    limit = max(found.campaign_cost, 0.0) if budget is None else float(budget)
    table["chosen"], table["chosen_share"] = _planned(table, drawn, limit)
    chosen = table["chosen"].to_numpy(bool)
    sums = drawn[:, chosen] @ table.loc[chosen, "customers"].to_numpy(float)
    low, high = np.quantile(sums, [(1 - confidence) / 2, (1 + confidence) / 2])
    return IncentivePlan(
        table,
        Context.of(crm),
        found,
        limit,
        budget is not None,
        float(table.loc[chosen, "cost_total"].sum()),
        float(table.loc[chosen, "gain_total"].sum()),
        float(low),
        float(high),
        hopes,
        confidence,
    )


def knapsack(
    groups: Sequence[str], gains: Sequence[float], costs: Sequence[float], budget: float
) -> NDArray[np.bool_]:
    """Choose at most one item of each group, for the greatest gain within a budget.

    Parameters
    ----------
    groups : sequence of str
        The group of each item.
    gains, costs : sequence of float
        Of each item; an item that brings nothing is never chosen.
    budget : float

    Returns
    -------
    numpy.ndarray of bool
        Whether each item is chosen.

    Examples
    --------
    >>> knapsack(["a", "a", "b"], [5.0, 9.0, 4.0], [1.0, 3.0, 2.0], budget=3.0).tolist()
    [True, False, True]
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    gain, cost = np.asarray(gains, float), np.asarray(costs, float)
    useful = gain > 0
    if not useful.any():
        return useful
    own = np.equal.outer(pd.unique(np.asarray(groups)), np.asarray(groups)).astype(float)
    best = np.zeros(len(gain), bool)
    best[np.where((own > 0) & useful, gain, -np.inf).argmax(axis=1)] = True
    best &= useful
    if cost[best].sum() <= budget:  # the best of every group, and money left
        return best
    solved = milp(
        -np.where(useful, gain, 0.0),
        constraints=[LinearConstraint(cost[None, :], ub=budget), LinearConstraint(own, ub=1)],
        bounds=Bounds(0, useful.astype(float)),
        integrality=np.ones(len(gain)),
    )
    return np.asarray(solved.x > 0.5)


def _tested(
    found: IncentiveReturns, size: pd.Series, confidence: float
) -> tuple[pd.DataFrame, Array]:
    """The rows of the tested incentives in stages that have customers today."""
    from scipy.stats import norm

    there = found.table["stage"].isin(size.index).to_numpy(bool)
    own, drawn = found.table[there], found.draws[:, there]
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn, edges, axis=0)
    margin = float(norm.ppf((1 + confidence) / 2))
    left = own["margin"] - own["given"]
    each = own["listed"] * own["given"] * np.exp(own["log_ratio"])
    customers = own["stage"].map(size).astype("int64")
    table = pd.DataFrame(
        {
            "stage": own["stage"],
            "incentive": own["arm"],
            "tested": True,
            "customers": customers,
            "lift": np.expm1(own["log_ratio"]),
            "lift_low": np.expm1(own["log_ratio"] - margin * own["error"]),
            "lift_high": np.expm1(own["log_ratio"] + margin * own["error"]),
            "pays_from": np.where(
                (left > 0) & (own["margin"] > 0), own["margin"] / left - 1, np.nan
            ),
            "cost_each": each,
            "cost_total": each * customers,
            "gain": own["gain"],
            "gain_low": low,
            "gain_high": high,
            "gain_total": own["gain"] * customers,
        }
    )
    return table, drawn


def _untested(
    crm: Workspace,
    found: IncentiveReturns,
    size: pd.Series,
    assumed: dict[str, float],
) -> tuple[pd.DataFrame, Array]:
    """The rows of the course's incentives whose cost is known: what lift each would need."""
    costs = {
        code: float(crm.settings.activity_costs[activity])
        for code, activity in ACTIVITIES.items()
        if activity in crm.settings.activity_costs
    }
    strange = sorted(set(assumed) - set(costs))
    if strange:
        raise UnknownName(
            _(
                "assumed names {names}, of which no cost is known. The incentives that it can name "
                "are: {known}."
            ).format(names=_(", ").join(strange), known=_(", ").join(costs) or _("none"))
        )
    base = found.table.drop_duplicates("stage").set_index("stage")
    rows, drawn = [], []
    for one in incentives().itertuples():
        if one.incentive not in costs or one.stage not in base.index or one.stage not in size.index:
            continue
        earned = float(base.loc[one.stage, ["listed", "margin"]].prod())
        cost, lift = costs[one.incentive], assumed.get(one.incentive, np.nan)
        gain = earned * lift - cost
        rows.append(
            {
                "stage": one.stage,
                "incentive": one.incentive,
                "tested": False,
                "customers": int(size[one.stage]),
                "lift": lift,
                "pays_from": cost / earned if earned > 0 else np.nan,
                "cost_each": cost,
                "cost_total": cost * int(size[one.stage]),
                "gain": gain,
                "gain_low": np.nan,
                "gain_high": np.nan,
                "gain_total": gain * int(size[one.stage]),
            }
        )
        drawn.append(np.full(len(found.draws), gain))
    columns = np.column_stack(drawn) if drawn else np.empty((len(found.draws), 0))
    return pd.DataFrame(rows), columns


def _planned(table: pd.DataFrame, drawn: Array, budget: float) -> tuple[NDArray[np.bool_], Array]:
    """What the best plan holds, and how often it would with parameters drawn anew."""
    known = table["gain"].notna().to_numpy(bool)
    part, stage = table[known], table.loc[known, "stage"].tolist()
    size, cost = part["customers"].to_numpy(float), part["cost_total"].to_numpy(float)
    chosen, share = np.zeros(len(table), bool), np.zeros(len(table))
    chosen[known] = knapsack(stage, part["gain_total"].to_numpy(float), cost, budget)
    again = [knapsack(stage, row, cost, budget) for row in drawn[:REPLANS, known] * size]
    share[known] = np.mean(again, axis=0)
    return chosen, share
