"""How often customers order: presence, offers, questions, and what they remember.

The order rate of customer i in month m is::

    log rate = log(rate_i) + log(season_m) + log(share of the month i was a customer)
             + price_<type> · log(1 + tariff_change)      where and when the tariff changed
             + coupon_lift | points_lift                  in the month of the offer
             + coupon_dip | points_dip                    in the month after it
             + Σ over the two months before of
                 silent_orders    an order of that month went wrong and nobody complained
                 complaint_orders the first complaint about an order of that month, suggestions
                                  aside
                 quick_orders     …and it was answered within 4 hours
                 followup_orders  the month's first question was answered within 7 days
                 satisfaction_low_orders | satisfaction_high_orders   with the month's first order

The satisfaction terms are less their mean given what happened to the order, so that each effect is
the whole effect of its cause. Captive customers have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crmlab.data.simulate import calendar
from crmlab.data.simulate.calendar import DAY, DAYS, EMPTY, MONTH_START, MONTHS
from crmlab.data.simulate.customers import (
    TARIFF_MONTH,
    TARIFF_REGIONS,
    TEAMS,
    Customers,
    Staff,
)
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame

#: Randomised offers: campaign and month.
OFFERS = {"OFFER-2405": 4, "OFFER-2409": 8, "OFFER-2503": 14, "OFFER-2509": 20}
ARMS = ("holdout", "coupon", "points")
QUESTION_CHANNELS = ("phone", "wechat", "email", "meeting")


class Presence:
    """When each customer was one: shares of months, and days drawn by how busy they are.

    Attributes
    ----------
    share : numpy.ndarray
        Customers × months: share of the month's orders that falls while the customer is one.
    """

    def __init__(self, customers: Customers) -> None:
        self._cumulative = np.concatenate([[0.0], np.cumsum(calendar.day_weights())])
        days = np.arange(DAYS + 1)
        came = self._cumulative[np.clip(customers.acquired, 0, DAYS)][:, None]
        went = np.interp(np.minimum(customers.left, DAYS), days, self._cumulative)[:, None]
        edges = self._cumulative[MONTH_START]
        self._low = np.maximum(came, edges[:-1])
        self._high = np.maximum(self._low, np.minimum(went, edges[1:]))
        self.share = (self._high - self._low) / np.diff(edges)

    def days(self, rng: np.random.Generator, rows: np.ndarray, month: int) -> np.ndarray:
        """A day of the month for each of the customers in `rows`."""
        low, high = self._low[rows, month], self._high[rows, month]
        at = low + (high - low) * rng.random(len(rows))
        return np.searchsorted(self._cumulative, at, side="right") - 1


@dataclass(frozen=True)
class Offers:
    """The arm of every customer in every offer: 0 holdout, 1 coupon, 2 points, −1 not in it."""

    arm: dict[int, np.ndarray]

    def used_by(self, month: int) -> np.ndarray | None:
        """Arms of the offer of that month, None if there is none."""
        return self.arm.get(month)


def make_offers(seed: int, customers: Customers, presence: Presence) -> Offers:
    """Draw the arms, anew for each offer, among those who are customers and may be contacted."""
    rng = stream(seed, "offers")
    arms = {}
    for month in OFFERS.values():
        here = customers.acquired < MONTH_START[month]
        here &= (customers.left > MONTH_START[month]) & ~customers.silent & ~customers.internal
        drawn = np.full(len(customers), -1)
        rows = np.flatnonzero(here)
        drawn[rows] = rng.permutation(np.arange(len(rows)) % 3)
        arms[month] = drawn
    return Offers(arms)


def assignments_table(customers: Customers, offers: Offers) -> pd.DataFrame:
    """The table of assignments."""
    parts = []
    for campaign, month in OFFERS.items():
        rows = np.flatnonzero(offers.arm[month] >= 0)
        parts.append(
            frame(
                "assignments",
                {
                    "customer_id": customers.ids[rows],
                    "campaign": np.full(len(rows), campaign, object),
                    "arm": np.array(ARMS, object)[offers.arm[month][rows]],
                    "assigned_at": np.full(len(rows), MONTH_START[month] * DAY + 480),
                },
            )
        )
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Questions:
    """Questions of customers (inquiries and requests), and how they were answered."""

    customer: np.ndarray
    at: np.ndarray
    channel: np.ndarray
    inquiry: np.ndarray
    staff: np.ndarray
    answered_at: np.ndarray
    followed: np.ndarray


def make_questions(
    seed: int, customers: Customers, presence: Presence, staff: Staff, e: Mapping[str, float]
) -> Questions:
    """Draw the questions; `followed` is customers × months: the first was answered in 7 days."""
    rng = stream(seed, "questions")
    mean = np.array([0.1, 0.3, 0.75])[customers.tier][:, None] * presence.share
    counts = rng.poisson(mean)
    rows, days = [], []
    for month in range(MONTHS):
        who = np.repeat(np.arange(len(customers)), counts[:, month])
        rows.append(who)
        days.append(presence.days(rng, who, month))
    customer = np.concatenate(rows)
    day = np.concatenate(days)
    at = calendar.office_hours(rng, day)
    order = np.argsort(at, kind="stable")
    customer, at = customer[order], at[order]
    channel = rng.choice(4, len(at), p=[0.46, 0.3, 0.2, 0.04])
    who = _served_by(rng, channel)
    in_time = rng.random(len(at)) < _chance(staff, who, channel, e)
    hours = _answer_hours(rng, channel, in_time, e)
    answered = np.where(np.isnan(hours), EMPTY, at + (np.nan_to_num(hours) * 60 + 1).astype(int))
    return Questions(
        customer=customer,
        at=at,
        channel=channel,
        inquiry=rng.random(len(at)) < 0.6,
        staff=who,
        answered_at=answered,
        followed=_first_followed(len(customers), customer, at, in_time),
    )


def _served_by(rng: np.random.Generator, channel: np.ndarray) -> np.ndarray:
    """Half of the service team takes most telephone calls."""
    first, last = TEAMS["service"]
    half = (last - first) // 2
    on_phone = rng.random(len(channel)) < np.where(channel == 0, 0.75, 0.3)
    return first + rng.integers(0, half, len(channel)) + half * ~on_phone


def _chance(
    staff: Staff, who: np.ndarray, channel: np.ndarray, e: Mapping[str, float]
) -> np.ndarray:
    score = 0.9 + staff.answering[who] + e["followup_junior"] * staff.junior[who]
    return expit(score + e["followup_phone"] * (channel == 0))


def _answer_hours(
    rng: np.random.Generator, channel: np.ndarray, in_time: np.ndarray, e: Mapping[str, float]
) -> np.ndarray:
    """Hours to the answer; none where it never comes."""
    size = len(channel)
    shift = np.array([e["answer_time_phone"], -0.6, 0.0, 0.2])[channel]
    quick = np.exp(np.log(9.0) + shift + 0.85 * rng.standard_normal(size))
    late = rng.uniform(169, 600, size)
    never = rng.random(size) < e["never_answered"]
    return np.where(in_time, np.minimum(quick, 167.9), np.where(never, np.nan, late))


def _first_followed(
    size: int, customer: np.ndarray, at: np.ndarray, in_time: np.ndarray
) -> np.ndarray:
    followed = np.zeros((size, MONTHS), bool)
    month = calendar.month_of(at // DAY)
    first = np.unique(customer * MONTHS + month, return_index=True)[1]
    followed[customer[first], month[first]] = in_time[first]
    return followed


def expit(score: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-score)))


class Memory:
    """What customers remember of each month: customers × months of log rate effects."""

    def __init__(self, customers: Customers, questions: Questions, e: Mapping[str, float]) -> None:
        self.log_effect = questions.followed * e["followup_orders"]
        self.documents = np.zeros((len(customers), MONTHS), bool)

    def log_rate(self, month: int) -> np.ndarray:
        """Sum over the two months before."""
        return self.log_effect[:, max(0, month - 2) : month].sum(axis=1)

    def documents_again(self, month: int) -> np.ndarray:
        """Whether documents were complained of in the two months before."""
        return np.asarray(self.documents[:, max(0, month - 2) : month].any(axis=1))


def order_rate(
    month: int,
    customers: Customers,
    presence: Presence,
    offers: Offers,
    memory: Memory,
    e: Mapping[str, float],
) -> np.ndarray:
    """Expected orders of each customer in the month."""
    log_rate = memory.log_rate(month)
    if month >= TARIFF_MONTH:
        elasticity = np.array([e[f"price_{kind}"] for kind in _KINDS])[customers.kind]
        changed = np.isin(customers.region, TARIFF_REGIONS)
        log_rate = log_rate + elasticity * np.log1p(e["tariff_change"]) * changed
    for when, suffix in ((month, "lift"), (month - 1, "dip")):
        arms = offers.used_by(when)
        if arms is not None:
            log_rate = log_rate + e[f"coupon_{suffix}"] * (arms == 1)
            log_rate = log_rate + e[f"points_{suffix}"] * (arms == 2)
    base = customers.rate * calendar.SEASON[month] * presence.share[:, month]
    return base * np.exp(log_rate)


_KINDS = ("economic", "ethical", "personalised", "convenience")
