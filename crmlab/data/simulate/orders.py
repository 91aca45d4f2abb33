"""Orders, month after month: placed, carried out, complained of or not, remembered.

Chances of one order (added up, so that differences of shares are the effects)::

    late       by region and month − service_change_on_time in Southwest from 2025-01
    damaged    .03 (cold chain .04) + route_fault_damage on R03, 2025-06-10 … 2025-08-31
    documents  wrong: .025 + repeat_documents in the two months after a complaint of it
    short      .02

An order that went wrong becomes a complaint with probability complain_<customer type>; other
complaints and suggestions come with a small chance from orders that went well. A complaint is
answered within 4 hours with probability .42 + fast_lane_key for key customers (half of it for
potential ones).

Satisfaction with the month's first order (``satisfaction.py``) is remembered too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crmlab.data.simulate import calendar, names
from crmlab.data.simulate.calendar import DAY, DAYS, EMPTY, END, MONTHS, day_of
from crmlab.data.simulate.customers import (
    MIGRATION_MONTH,
    SOUTHWEST,
    TARIFF_DAY,
    TARIFF_REGIONS,
    Customers,
    Staff,
)
from crmlab.data.simulate.demand import Memory, Offers, Presence, Questions, order_rate
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame, maybe
from crmlab.data.simulate.satisfaction import SUGGESTION, Experience, experience

FAULT_ROUTE = 2
FAULT_DAYS = (day_of("2025-06-10"), day_of("2025-08-31"))
LATE_REGION = np.array([0.10, 0.12, 0.11, 0.13, 0.20, 0.15])
LATE_MONTH = np.array([0.0, 0.05, 0, 0, 0, 0.02, 0, 0, 0, 0, 0.08, 0.02] * 2)
CAUSES = (
    "damage",
    "short_delivery",
    "documents",
    "late_delivery",
    "attitude",
    "price_change",
    "installation",
    "promotion_information",
    "payment_credit",
    "training",
    "suggestion",
)
DOCUMENTS = CAUSES.index("documents")
_OTHER = np.array([0.21, 0.16, 0.09, 0.12, 0.11, 0.06, 0.25])
_LEAD_DAYS = np.array([2, 4, 3, 2, 1])
_BASE_PRICE = np.array([5.6, 6.2, 6.9, 6.5, 6.0])


@dataclass
class Orders:
    """Orders as arrays, in the order they were placed; see `frame` for empty times."""

    customer: np.ndarray
    month: np.ndarray
    ordered: np.ndarray
    promised: np.ndarray
    shipped: np.ndarray
    delivered: np.ndarray
    late: np.ndarray
    damaged: np.ndarray
    documents_ok: np.ndarray
    short: np.ndarray
    line: np.ndarray
    route: np.ndarray
    checked: np.ndarray
    offer: np.ndarray
    cause: np.ndarray
    complained: np.ndarray
    quick: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.customer)

    def known(self) -> np.ndarray:
        """Orders delivered by the last day."""
        return self.delivered < END


def make_orders(
    seed: int,
    customers: Customers,
    staff: Staff,
    presence: Presence,
    offers: Offers,
    questions: Questions,
    e: Mapping[str, float],
) -> tuple[Orders, Experience]:
    """All orders, and the experience of each customer with the first order of each month."""
    rng = stream(seed, "orders")
    memory = Memory(customers, questions, e)
    felt = Experience.empty(len(customers), MONTHS)
    months, count = [], 0
    for month in range(MONTHS):
        rate = order_rate(month, customers, presence, offers, memory, e)
        batch = _place(rng, month, rate, customers, presence)
        _carry_out(rng, batch, customers, memory, e)
        _use_offer(rng, batch, offers.used_by(month))
        _complain(rng, batch, customers, e)
        first = _first_of_each(batch["customer"])
        experience(
            stream(seed, f"experience {month}"), felt, month, batch, first, customers, staff, e
        )
        felt.order[batch["customer"][first], month] = count + first
        _remember(memory, month, batch, felt, e)
        count += len(batch["customer"])
        months.append(batch)
    joined = {name: np.concatenate([batch[name] for batch in months]) for name in months[0]}
    ids = np.array([f"O{number:05d}" for number in range(1, count + 1)], object)
    return Orders(**joined, ids=ids), felt


def _place(
    rng: np.random.Generator,
    month: int,
    rate: np.ndarray,
    customers: Customers,
    presence: Presence,
) -> dict[str, np.ndarray]:
    """Who orders what, and when; a customer won this month orders on the day of acquisition."""
    again = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    days = presence.days(rng, again, month)
    starts = calendar.MONTH_START[month : month + 2]
    new = np.flatnonzero((customers.acquired >= starts[0]) & (customers.acquired < starts[1]))
    customer = np.concatenate([new, again])
    day = np.concatenate([customers.acquired[new], days])
    ordered = calendar.office_hours(rng, day)
    order = np.argsort(ordered, kind="stable")
    customer, ordered = customer[order], ordered[order]
    size = len(customer)
    line = np.where(
        rng.random(size) < 0.7, customers.industry[customer] % 5, rng.integers(0, 5, size)
    )
    return {
        "customer": customer,
        "month": np.full(size, month),
        "ordered": ordered,
        "line": line,
        "route": customers.region[customer] * 4 + rng.choice(4, size, p=[0.2, 0.2, 0.4, 0.2]),
    }


def _carry_out(
    rng: np.random.Generator,
    batch: dict[str, np.ndarray],
    customers: Customers,
    memory: Memory,
    e: Mapping[str, float],
) -> None:
    customer, month, ordered = batch["customer"], int(batch["month"][0]), batch["ordered"]
    size, day, region = len(customer), ordered // DAY, customers.region[customer]
    improved = (region == SOUTHWEST) & (month >= MIGRATION_MONTH)
    late = LATE_REGION[region] + LATE_MONTH[month] - e["service_change_on_time"] * improved
    fault = (batch["route"] == FAULT_ROUTE) & (day >= FAULT_DAYS[0]) & (day <= FAULT_DAYS[1])
    damaged = 0.03 + 0.01 * (batch["line"] == 3) + e["route_fault_damage"] * fault
    wrong = 0.025 + e["repeat_documents"] * memory.documents_again(month)[customer]
    u = rng.random((4, size))
    batch["late"] = u[0] < late
    batch["damaged"] = u[1] < damaged
    batch["documents_ok"] = u[2] >= wrong
    batch["short"] = u[3] < 0.02
    _times(rng, batch)
    tier = customers.tier[customer]
    batch["checked"] = rng.random(size) < np.array([0.07, 0.12, 0.18])[tier]


def _times(rng: np.random.Generator, batch: dict[str, np.ndarray]) -> None:
    size, ordered = len(batch["customer"]), batch["ordered"]
    lead = _LEAD_DAYS[batch["line"]] + rng.integers(0, 2, size)
    promised = (ordered // DAY + lead) * DAY + 1080
    shipped = ordered + rng.integers(60, 600, size)
    early = shipped + ((promised - shipped) * rng.uniform(0.45, 0.99, size)).astype(np.int64)
    behind = promised + 30 + rng.exponential(1500, size).astype(np.int64)
    batch["promised"], batch["shipped"] = promised, shipped
    batch["delivered"] = np.where(batch["late"], behind, early)


def _use_offer(
    rng: np.random.Generator, batch: dict[str, np.ndarray], arms: np.ndarray | None
) -> None:
    """The arm whose offer an order used, 0 if none: more than half of those who could."""
    u = rng.random(len(batch["customer"]))
    batch["offer"] = np.zeros(len(u), np.int64)
    if arms is not None:
        arm = np.maximum(arms[batch["customer"]], 0)
        batch["offer"] = np.where(u < 0.6, arm, 0)


def _complain(
    rng: np.random.Generator,
    batch: dict[str, np.ndarray],
    customers: Customers,
    e: Mapping[str, float],
) -> None:
    """What went wrong (the gravest of it), whether it was complained of, and how soon answered."""
    customer, size = batch["customer"], len(batch["customer"])
    wrong = [batch["damaged"], batch["short"], ~batch["documents_ok"], batch["late"]]
    cause = np.select(wrong, [0, 1, 2, 3], -1)
    chance = np.array([e[f"complain_{kind}"] for kind in names.TYPES])[customers.kind[customer]]
    u = rng.random((3, size))
    other = (cause < 0) & (u[0] < 0.03) & ~customers.internal[customer]
    complained = other | ((cause >= 0) & (u[0] < chance))
    drawn = 4 + np.searchsorted(np.cumsum(_OTHER), u[1] * 0.999999)
    batch["cause"] = np.where(other, drawn, cause)
    batch["complained"] = complained
    tier = customers.tier[customer]
    quick = 0.42 + e["fast_lane_key"] * np.array([0, 0.5, 1])[tier]
    batch["quick"] = complained & (u[2] < quick)


def _first_of_each(customer: np.ndarray) -> np.ndarray:
    """Position of each customer's first order of the batch."""
    return np.unique(customer, return_index=True)[1]


def _remember(
    memory: Memory,
    month: int,
    batch: dict[str, np.ndarray],
    felt: Experience,
    e: Mapping[str, float],
) -> None:
    customer, cause, complained = batch["customer"], batch["cause"], batch["complained"]
    effect = np.zeros(len(memory.log_effect))
    silent = (cause >= 0) & ~complained
    effect[customer[silent]] = e["silent_orders"]
    grave = complained & (cause != SUGGESTION)
    rows = np.flatnonzero(grave)
    first = rows[_first_of_each(customer[rows])]
    effect[customer[first]] = e["complaint_orders"] + e["quick_orders"] * batch["quick"][first]
    memory.log_effect[:, month] += effect + felt.log_effect[:, month]
    memory.documents[customer[complained & (cause == DOCUMENTS)], month] = True


def orders_table(
    seed: int, made: Orders, customers: Customers, e: Mapping[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of orders by time, refunds included; and the orders alone, row by row as made."""
    rng = stream(seed, "order money")
    columns = _facts(rng, made, customers) | _money(rng, made, customers, e)
    columns |= _payment(rng, made, customers) | _points(rng, made, customers, columns)
    by_row = frame("orders", columns)
    return _with_refunds(rng, by_row, made), by_row


def _facts(rng: np.random.Generator, made: Orders, customers: Customers) -> dict[str, np.ndarray]:
    known = made.known()
    size = len(made)
    tier = customers.tier[made.customer]
    ordered = np.maximum(1, rng.poisson(np.array([6, 14, 40])[tier])).astype(float)
    missing = np.maximum(1, np.floor(ordered * rng.uniform(0.05, 0.3, size)))
    delivered = np.where(known, ordered - np.where(made.short, missing, 0), np.nan)
    return {
        "order_id": made.ids,
        "customer_id": customers.ids[made.customer],
        "ordered_at": made.ordered,
        "promised_at": made.promised,
        "shipped_at": calendar.happened(made.shipped),
        "delivered_at": calendar.happened(made.delivered),
        "on_time": maybe(~made.late, known),
        "region": np.array(names.REGIONS, object)[customers.region[made.customer]],
        "service_line": np.array(names.LINES, object)[made.line],
        "route": np.array(names.ROUTES, object)[made.route],
        "quantity_ordered": ordered,
        "quantity_delivered": delivered,
        "unit": np.array(names.UNITS, object)[made.line],
        "damaged": maybe(made.damaged, known),
        "documents_ok": maybe(made.documents_ok, known),
        "promotion": _promotion(made),
        "lines": np.ones(size),
    }


def _promotion(made: Orders) -> np.ndarray:
    campaign = np.array([f"OFFER-{24 + m // 12}{m % 12 + 1:02d}" for m in range(MONTHS)], object)
    return maybe(campaign[made.month], made.offer > 0)


def _money(
    rng: np.random.Generator, made: Orders, customers: Customers, e: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """List price, discount, amount, direct cost; the profit's shares by tier are exact.

    log(list price) = line + order_value_<tier> + customer + order (standard deviation .5) + tariff
    ± 1 from 2025 on for customers who migrate.
    """
    who, tier = made.customer, customers.tier[made.customer]
    level = np.array([0.0, e["order_value_potential"], e["order_value_key"]])[tier]
    log_price = _BASE_PRICE[made.line] + level + customers.log_size[who]
    log_price = log_price + 0.5 * rng.standard_normal(len(made))
    log_price += customers.shift[who] * (made.month >= MIGRATION_MONTH)
    tariff = np.isin(customers.region[who], TARIFF_REGIONS) & (made.ordered >= TARIFF_DAY * DAY)
    log_price += np.log1p(e["tariff_change"]) * tariff
    price = np.maximum(10, np.round(np.exp(log_price)))
    agreed = np.round(price * customers.discount[who])
    coupon = np.round(0.15 * price) * (made.offer == 1)
    discount = agreed + coupon
    amount = price - discount
    noise = rng.normal(0, 0.03, len(made))
    # Carrying goods costs the same whether the customer had a coupon or not.
    margin = (price - agreed) * (customers.margin[who] + noise)
    cost = np.round(price - agreed - _shared_out(margin, coupon, tier, e), 1)
    return {"amount": amount, "list_price": price, "discount": discount, "cost": cost}


def _shared_out(
    margin: np.ndarray, coupon: np.ndarray, tier: np.ndarray, e: Mapping[str, float]
) -> np.ndarray:
    """Margins scaled by tier so that the tiers have their declared shares, coupons taken off."""
    key, general = e["profit_share_key"], e["profit_share_general"]
    shares = np.array([general, 1 - key - general, key])
    totals, given = np.bincount(tier, margin, 3), np.bincount(tier, coupon, 3)
    profit = shares / key * (totals[2] - given[2])
    return margin * ((profit + given) / totals)[tier]


def _payment(rng: np.random.Generator, made: Orders, customers: Customers) -> dict[str, np.ndarray]:
    """Invoice two days after delivery, payment around the date due; cash customers pay at once."""
    terms = customers.terms[made.customer]
    day = np.where(made.known(), made.delivered // DAY, DAYS)
    invoiced = day + np.where(terms > 0, 2, 0)
    slow = rng.normal(0, 0.8, len(customers))[made.customer]
    delay = np.round(6 * np.exp(slow + 0.6 * rng.standard_normal(len(made))) - 6).astype(np.int64)
    paid = np.maximum(invoiced, invoiced + terms + delay)
    cash = (terms == 0) & made.known()
    return {
        "invoiced_at": calendar.happened(invoiced * DAY),
        "due_at": np.where((terms > 0) & (invoiced < DAYS), (invoiced + terms) * DAY, EMPTY),
        "paid_at": np.where(cash, invoiced * DAY, calendar.happened(paid * DAY)),
    }


def _points(
    rng: np.random.Generator,
    made: Orders,
    customers: Customers,
    columns: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """A point for each 10 yuan of a member's order, twice as many in the points offer."""
    joined = customers.member[made.customer]
    member = (joined != EMPTY) & (made.ordered >= joined * DAY)
    earned = np.floor(columns["amount"] / 10) * np.where(made.offer == 2, 2, 1)
    earned = np.where(member, earned, np.nan)
    before = pd.Series(earned).groupby(made.customer).shift().to_numpy()
    redeems = member & (rng.random(len(made)) < 0.15) & (before > 0)
    return {
        "points_earned": earned,
        "points_redeemed": np.where(redeems, np.floor(np.nan_to_num(before) * 0.6), np.nan),
    }


def _with_refunds(rng: np.random.Generator, table: pd.DataFrame, made: Orders) -> pd.DataFrame:
    """Orders and the refunds of one in eighty: the same order's money taken back, days later."""
    cancelled = (rng.random(len(made)) < 0.0125) & ~made.complained & (made.month < MONTHS - 1)
    rows = np.flatnonzero(cancelled)
    money = ["amount", "list_price", "discount", "cost"]
    kept = ["customer_id", "region", "service_line", "route", *money]
    refunds = table.loc[rows, kept]
    refunds[money] = -refunds[money] + 0.0
    day = made.delivered[rows] // DAY + rng.integers(1, 10, len(rows))
    at = calendar.office_hours(rng, day)
    numbers = range(len(table) + 1, len(table) + 1 + len(rows))
    refunds["order_id"] = [f"O{number:05d}" for number in numbers]
    times = frame("orders", {"ordered_at": at, "paid_at": at // DAY * DAY})
    refunds[["ordered_at", "paid_at"]] = times[["ordered_at", "paid_at"]].to_numpy()
    refunds["lines"] = 1
    whole = pd.concat([table, refunds[at < END].astype(_same_types(table, refunds))])
    whole = whole.sort_values(["ordered_at", "order_id"], kind="stable")
    return whole[list(table.columns)].reset_index(drop=True)


def _same_types(table: pd.DataFrame, part: pd.DataFrame) -> dict[str, object]:
    return {name: table[name].dtype for name in part.columns}
