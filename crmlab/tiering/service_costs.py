"""What it costs to serve each customer: activities counted, times what one of them costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number
from crmlab.show.once import once
from crmlab.show.result import Exclusion, left_out_words
from crmlab.stats.tiers import Tiers
from crmlab.tiering import population
from crmlab.tiering.shares import Array

if TYPE_CHECKING:
    from datetime import date

    from crmlab.data.sources import Workspace

#: What profit after service needs, here and in the modules that build on it.
NEEDS: Mapping[str, Sequence[str]] = {"orders": ("customer_id", "ordered_at", "amount", "cost")}
#: The blocks that the cost to serve is made of, each with its colour in pictures. None of the
#: colours is that of a tier.
BLOCKS: Mapping[str, str] = {
    "contacts_cost": "#56b4e9",
    "handling_cost": "#cc79a7",
    "compensation": "#882255",
    "lines_cost": "#009e73",
    "surveys_cost": "#f0e442",
    "points_cost": "#e69f00",
}
#: Activities whose money stands in the data, so that no cost of a unit is needed.
RECORDED = ("complaint.handling", "complaint.compensation")
#: Complaints that give neither minutes nor a cost.
UNRECORDED = "complaint.unrecorded"
#: A sum closer to zero than this many standard errors is no denominator for an interval.
CLEAR = 3.0


@dataclass(frozen=True)
class Books:
    """What each customer brought and what serving them cost.

    Attributes
    ----------
    customers : pandas.DataFrame
        Indexed by customer_id, a row for each customer who ordered or was served: revenue,
        list_price, discount, cost, margin (0 without an order), a column for each block of
        `BLOCKS`, cost_to_serve, profit_after_service, ordered (truth value).
    activities : pandas.DataFrame
        A row per activity: activity, block, units, rate (money for one, missing where none is
        stated and none is needed or known), money (missing where it cannot be known).
    stated : bool
        Whether the cost of any activity is stated.
    without_data : tuple of str
        Activities whose cost is stated and of which there are none.
    set_aside : population.Population
    unowned, unknown : int
        Records of no customer, and of customers whose profit is not known.
    """

    customers: pd.DataFrame
    activities: pd.DataFrame
    stated: bool
    without_data: tuple[str, ...]
    set_aside: population.Population
    unowned: int
    unknown: int

    @property
    def blocks(self) -> list[str]:
        """The blocks of which some money is known."""
        known = set(self.activities.loc[self.activities["money"].notna(), "block"])
        return [block for block in BLOCKS if block in known]

    @property
    def served_only(self) -> int:
        """Customers who were served and ordered nothing."""
        return int((~self.customers["ordered"]).sum())

    def with_tier(self, tiers: Tiers) -> pd.DataFrame:
        """The customers with their tier; one that is on no list is in the last tier."""
        named = tiers.table.set_index("customer_id")["tier"].reindex(self.customers.index)
        return self.customers.assign(tier=named.fillna(tiers.rules["tier"].iloc[-1]))

    def priced(self) -> str:
        """Which activities have no cost and which costs have no activity, in sentences."""
        parts = [
            self._nothing_stated() or self._not_priced(),
            self._unrecorded(),
            self._no_data(),
        ]
        return " ".join(part for part in parts if part)

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What was left out, each with its count."""
        of_records = {
            _("contact, complaint or questionnaire of no named customer"): self.unowned,
            _("of a customer whose profit is not known"): self.unknown,
        }
        served = [
            Exclusion(reason, count, ngettext("record of service", "records of service", count))
            for reason, count in of_records.items()
            if count
        ]
        orders = replace(self.set_aside, without_orders=0).exclusions("profit")
        return (*orders, *served, *self._neither())

    def _neither(self) -> tuple[Exclusion, ...]:
        """Customers on the list who neither ordered nor were served."""
        neither = self.set_aside.without_orders - self.served_only
        if neither <= 0:
            return ()
        return (Exclusion.of_customers(_("neither an order nor a record of service"), neither),)

    def sentence(self) -> str:
        """What was left out, and who is in it without an order, in sentences."""
        left = left_out_words(
            self.exclusions(),
            nothing=_("No order, no customer and no record of service was left out."),
        )
        if not self.served_only:
            return left
        return f"{left} " + ngettext(
            "{count} customer was served and ordered nothing: their cost counts, their margin "
            "is 0.",
            "{count} customers were served and ordered nothing: their cost counts, their margin "
            "is 0.",
            self.served_only,
        ).format(count=number(self.served_only))

    def _nothing_stated(self) -> str:
        if self.stated:
            return ""
        how = _(
            "State what one costs under [workspace.activity_costs] in the mapping or in "
            'workspace.toml, such as "contact.phone" = 6 or "order.line" = 1.5.'
        )
        if not self.blocks:
            return (
                _("No cost of any activity is stated or recorded, so serving appears to be free.")
                + f" {how}"
            )
        return (
            _(
                "No cost of any activity is stated, so only the money recorded with complaints "
                "counts."
            )
            + f" {how}"
        )

    def _not_priced(self) -> str:
        lacking = self.activities[self.activities["money"].isna()]
        lacking = lacking[lacking["activity"] != UNRECORDED]
        if lacking.empty:
            return ""
        parts = [
            _("{activity} ({count})").format(activity=row.activity, count=number(row.units))
            for row in lacking.itertuples()
        ]
        return _("Counted, but not in the cost, because none is stated for it: {parts}.").format(
            parts=_(", ").join(parts)
        )

    def _unrecorded(self) -> str:
        found = self.activities[self.activities["activity"] == UNRECORDED]
        count = int(found["units"].sum())
        if not count:
            return ""
        return ngettext(
            "{count} complaint gives neither the minutes nor the cost of its handling, which is "
            "not in the cost.",
            "{count} complaints give neither the minutes nor the cost of their handling, which is "
            "not in the cost.",
            count,
        ).format(count=number(count))

    def _no_data(self) -> str:
        if not self.without_data:
            return ""
        return _("A cost is stated, but the data have none of: {names}.").format(
            names=_(", ").join(self.without_data)
        )


@once
def books(
    crm: Workspace, *, period_from: date | None = None, period_to: date | None = None
) -> Books:
    """What each customer brought and what serving them cost, in the period.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount, cost.
    period_from, period_to : datetime.date, optional
        First and last day that count, both included.

    Returns
    -------
    Books

    Notes
    -----
    Customers with an order but no order of known cost are left out with what serving them cost.
    The lines of cancelled orders count: somebody handled them.
    """
    period = {"period_from": period_from, "period_to": period_to}
    people = _people(crm, period)
    stated = dict(crm.settings.activity_costs)
    done = _priced(_activities(crm, people.summary, period), stated)
    with_profit = people.with_profit()
    unknown_profit = set(people.summary["customer_id"]) - set(with_profit["customer_id"])
    owned, unknown = done["customer_id"].notna(), done["customer_id"].isin(unknown_profit)
    counted, of_service = done[owned & ~unknown], done["records"].fillna(0)
    return Books(
        _customers(with_profit, counted),
        _by_activity(counted),
        bool(stated),
        _without_data(stated, done),
        people,
        int(of_service[~owned].sum()),
        int(of_service[unknown].sum()),
    )


def known_books(crm: Workspace) -> Books:
    """The books of the whole period, of a workspace in which some profit is known.

    Raises
    ------
    NotEnoughData
        If no order has both an amount and a cost.
    """
    kept = books(crm)
    if kept.set_aside.with_profit().empty:
        raise NotEnoughData(
            _("No order has both an amount and a cost, so there is no profit to work with.")
        )
    return kept


def ratio_and_error(top: Array, bottom: Array, weights: Array) -> tuple[Array, Array]:
    """Ratio of two sums over customers, and its standard error by linearisation.

    Parameters
    ----------
    top, bottom : ndarray, shape (customers,)
    weights : ndarray, shape (..., customers)
        How often each customer counts.

    Returns
    -------
    two ndarrays, each of shape (..., 1)
        Missing where the lower sum is 0.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., section 2.11.
    """
    columns = np.column_stack([top, bottom, top**2, top * bottom, bottom**2])
    above, below, squared, product, square = np.split(weights @ columns, 5, axis=-1)
    below = np.where(below == 0, np.nan, below)
    ratio = above / below
    # What is zero may come out a little below it.
    around = (squared - 2 * ratio * product + ratio**2 * square).clip(min=0)
    return ratio, np.sqrt(around) / np.abs(below)


def is_clear(values: Array) -> bool:
    """Whether a sum is positive and far enough from zero to be divided by.

    Examples
    --------
    >>> is_clear(np.array([5.0, 6.0, 7.0])), is_clear(np.array([5.0, -6.0, 7.0]))
    (True, False)
    """
    return bool(values.sum() > CLEAR * np.sqrt(len(values)) * values.std())


def _people(crm: Workspace, period: Mapping[str, Any]) -> population.Population:
    if not any(period.values()):
        return population.customers(crm)
    summary = crm.query("customer_summary", **period)
    listed = crm.rows("customers") if crm.has("customers") else len(summary)
    accounting = dict(crm.query("orders_accounting").iloc[0])
    return population.Population(summary, accounting, max(0, listed - len(summary)))


def _activities(crm: Workspace, summary: pd.DataFrame, period: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of customer_id, activity, units, recorded (money) and records (of service)."""
    of_orders = {"order.line": "lines", "points.point": "points_earned"}
    parts = [crm.query("service_activities", **period)]
    for activity, column in of_orders.items():
        some = summary[summary[column].fillna(0) > 0]
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": some["customer_id"],
                    "activity": activity,
                    "units": some[column].astype(float),
                    "recorded": np.nan,
                    "records": 0,
                }
            )
        )
    # An empty part has no types that could be put together with those of the others.
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _priced(done: pd.DataFrame, stated: Mapping[str, float]) -> pd.DataFrame:
    """The activities with block, rate and money; money is missing where it cannot be known."""
    rate = done["activity"].map(stated).astype(float)
    recorded = done["activity"].isin(RECORDED)
    money = (done["units"] * rate).where(~recorded, done["recorded"])
    return done.assign(block=done["activity"].map(_block), rate=rate, money=money)


def _block(activity: str) -> str:
    if activity == "complaint.compensation":
        return "compensation"
    blocks = {
        "contact": "contacts_cost",
        "complaint": "handling_cost",
        "order": "lines_cost",
        "survey": "surveys_cost",
        "points": "points_cost",
    }
    return blocks[activity.partition(".")[0]]


def _customers(with_profit: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """A row per customer who ordered or was served."""
    money = done.pivot_table(
        index="customer_id", columns="block", values="money", aggfunc="sum", observed=True
    )
    names = {"amount": "revenue"}
    columns = ["amount", "list_price", "discount", "cost", "margin"]
    bought = with_profit.set_index("customer_id")[columns].rename(columns=names).astype(float)
    everyone = bought.index.union(done["customer_id"].unique()).rename("customer_id")
    frame = bought.reindex(everyone)
    ordered = everyone.isin(bought.index)
    frame.loc[~ordered, ["revenue", "margin"]] = 0.0
    blocks = money.reindex(index=everyone, columns=list(BLOCKS)).astype(float).fillna(0.0)
    frame = frame.join(blocks)
    frame["cost_to_serve"] = blocks.sum(axis=1).round(6)
    frame["profit_after_service"] = (frame["margin"] - frame["cost_to_serve"]).round(6)
    frame["ordered"] = ordered
    return frame


def _by_activity(done: pd.DataFrame) -> pd.DataFrame:
    groups = done.groupby(["activity", "block"], as_index=False)
    table = groups.agg(units=("units", "sum"), rate=("rate", "first"))
    # A sum of nothing but missing money is missing, not 0.
    table["money"] = groups["money"].sum(min_count=1)["money"]
    return table


def _without_data(stated: Mapping[str, float], done: pd.DataFrame) -> tuple[str, ...]:
    present = set(done["activity"])
    if "complaint.handling" in present:
        # The complaints give their cost, which stands in for the minutes.
        present.add("complaint.minute")
    return tuple(sorted(set(stated) - present))
