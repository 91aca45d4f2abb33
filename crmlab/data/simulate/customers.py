"""Customers and staff: who they are, and what the company cannot see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crmlab.data.simulate import names
from crmlab.data.simulate.calendar import DAYS, EMPTY, day_of
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame, maybe

STAFF = 60
#: Rows of the staff table by team: first and last row.
TEAMS = {"sales": (0, 22), "service": (22, 46), "complaints": (46, 58), "management": (58, 60)}
SOUTHWEST = 4
TARIFF_REGIONS = (1, 2, 5)
TARIFF_DAY = day_of("2025-04-01")
TARIFF_MONTH = 15
MIGRATION_MONTH = 12
#: Orders a month of an average customer of each tier.
MEAN_RATE = np.array([0.79, 2.25, 5.9])


@dataclass(frozen=True)
class Staff:
    """Staff as arrays; `answering` is the hidden skill in answering within 7 days."""

    ids: np.ndarray
    junior: np.ndarray
    trained: np.ndarray
    satisfaction: np.ndarray
    answering: np.ndarray


@dataclass(frozen=True)
class Customers:
    """Customers as arrays: codes are positions in the tuples of `names`, days count from the start.

    Hidden from the company: `left` (the day the customer left for good), `rate` (orders a month),
    `captive`, `log_size`, `shift` (of the order size from 2025 on), `mood`, `margin`.
    """

    ids: np.ndarray
    tier: np.ndarray
    kind: np.ndarray
    region: np.ndarray
    industry: np.ndarray
    english: np.ndarray
    internal: np.ndarray
    acquired: np.ndarray
    left: np.ndarray
    contract: np.ndarray
    referred_by: np.ndarray
    member: np.ndarray
    silent: np.ndarray
    manager: np.ndarray
    terms: np.ndarray
    rate: np.ndarray
    captive: np.ndarray
    log_size: np.ndarray
    shift: np.ndarray
    mood: np.ndarray
    margin: np.ndarray
    discount: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def make_staff(seed: int, e: Mapping[str, float]) -> Staff:
    """Draw the staff."""
    rng = stream(seed, "staff")
    trained = np.where(rng.random(STAFF) < 0.7, rng.integers(60, 670, STAFF), EMPTY)
    return Staff(
        ids=np.array([f"S{number:02d}" for number in range(1, STAFF + 1)], object),
        junior=rng.permutation(STAFF) < STAFF // 3,
        trained=trained,
        satisfaction=np.round(np.clip(rng.normal(3.5, 0.7, STAFF), 1, 5), 1),
        answering=rng.normal(0, e["staff_spread"], STAFF),
    )


def staff_table(staff: Staff) -> pd.DataFrame:
    """The table of staff."""
    team = np.empty(STAFF, object)
    for name, (first, last) in TEAMS.items():
        team[first:last] = name
    level = np.where(staff.junior, "junior", "experienced").astype(object)
    level[[first for first, _ in TEAMS.values()]] = "lead"
    return frame(
        "staff",
        {
            "staff_id": staff.ids,
            "team": team,
            "level": np.where(staff.junior, "junior", level),
            "trained_on": staff.trained,
            "satisfaction": staff.satisfaction,
        },
    )


def make_customers(seed: int, size: int, e: Mapping[str, float]) -> Customers:
    """Draw `size` customers, the internal ones among them, in the order they were won."""
    rng = stream(seed, "customers")
    acquired = _acquired(rng, size)
    tier = _tiers(rng, size, e)
    referred_by = _referred_by(rng, size, acquired)
    internal = np.zeros(size, bool)
    internal[: max(2, min(len(names.INTERNAL), size // 300))] = True
    referred_by[internal] = -1
    tier = _swap_internal(tier, internal)
    left = _left(rng, acquired, tier, referred_by >= 0, e)
    left[internal] = DAYS + 1.0
    member = np.where(rng.random(size) < 0.4, acquired + rng.integers(0, 300, size), EMPTY)
    member[member > np.minimum(left, DAYS - 1)] = EMPTY
    contract = (rng.random(size) < np.array([0.3, 0.65, 0.95])[tier]) & ~internal
    loss = _loss_makers(rng, tier, e)
    return Customers(
        ids=np.array([f"C{number:04d}" for number in range(1, size + 1)], object),
        tier=tier,
        kind=rng.choice(4, size, p=[0.38, 0.16, 0.26, 0.2]),
        region=rng.choice(6, size, p=[0.27, 0.2, 0.16, 0.13, 0.16, 0.08]),
        industry=rng.integers(0, 7, size),
        english=rng.random(size) < 0.15,
        internal=internal,
        acquired=acquired,
        left=left,
        contract=contract,
        referred_by=referred_by,
        member=member,
        silent=(rng.random(size) < 0.06) | internal,
        manager=rng.integers(*TEAMS["sales"], size),
        terms=_terms(rng, tier, contract),
        rate=MEAN_RATE[tier] * rng.gamma(e["order_rate_shape"], 1 / e["order_rate_shape"], size),
        captive=(rng.random(size) < e["captive_share"]) & ~internal,
        log_size=rng.normal(0, 0.45, size),
        shift=_shift(rng, tier, acquired, e),
        mood=rng.normal(0, 1, size),
        margin=np.where(loss, -0.1, np.clip(rng.normal(0.17, 0.03, size), 0.08, 0.3)),
        discount=np.where(loss, 0.3, np.array([0.0, 0.04, 0.08])[tier]) * contract,
    )


def _acquired(rng: np.random.Generator, size: int) -> np.ndarray:
    before = round(size * 0.62)
    old = -1 - np.floor(rng.beta(1, 2, before) * 365 * 5).astype(np.int64)
    new = rng.integers(0, DAYS - 20, size - before)
    return np.sort(np.concatenate([old, new]))


def _tiers(rng: np.random.Generator, size: int, e: Mapping[str, float]) -> np.ndarray:
    key = round(size * e["customer_share_key"])
    general = round(size * e["customer_share_general"])
    return rng.permutation(np.repeat([0, 1, 2], [general, size - general - key, key]))


def _swap_internal(tier: np.ndarray, internal: np.ndarray) -> np.ndarray:
    """Make internal customers general, without changing how many there are of each tier."""
    tier = tier.copy()
    spare = iter(np.flatnonzero(~internal & (tier == 0)))
    for row in np.flatnonzero(internal & (tier > 0)):
        other = next(spare)
        tier[row], tier[other] = tier[other], tier[row]
    return tier


def _referred_by(rng: np.random.Generator, size: int, acquired: np.ndarray) -> np.ndarray:
    earlier = np.searchsorted(acquired, acquired)
    chosen = (rng.random(size) * earlier).astype(np.int64)
    return np.where((rng.random(size) < 0.22) & (earlier > 20), np.maximum(chosen, 10), -1)


def _left(
    rng: np.random.Generator,
    acquired: np.ndarray,
    tier: np.ndarray,
    referred: np.ndarray,
    e: Mapping[str, float],
) -> np.ndarray:
    """Day of leaving: exponential from the later of acquisition and the start of the window."""
    monthly = np.array([e["churn_general"], e["churn_potential"], e["churn_key"]])[tier]
    daily = monthly * np.exp(e["referral_churn"] * referred) * 12 / 365.25
    return np.maximum(acquired, 0) + rng.exponential(1, len(tier)) / daily


def _loss_makers(rng: np.random.Generator, tier: np.ndarray, e: Mapping[str, float]) -> np.ndarray:
    key = np.flatnonzero(tier == 2)
    loss = np.zeros(len(tier), bool)
    loss[rng.permutation(key)[: round(len(key) * e["unprofitable_key_share"])]] = True
    return loss


def _terms(rng: np.random.Generator, tier: np.ndarray, contract: np.ndarray) -> np.ndarray:
    terms = np.array([0, 30, 60])[tier]
    return np.where(contract & (tier == 0), rng.choice([15, 30], len(tier)), terms)


def _shift(
    rng: np.random.Generator, tier: np.ndarray, acquired: np.ndarray, e: Mapping[str, float]
) -> np.ndarray:
    u = rng.random(len(tier))
    up = (tier == 0) & (u < e["migration_up"])
    down = (tier > 0) & (u < e["migration_down"])
    return up.astype(float) - down.astype(float)


def customers_table(seed: int, made: Customers, staff: Staff) -> pd.DataFrame:
    """The table of customers: what the company knows."""
    rng = stream(seed, "customer details")
    size = len(made)
    called = np.array(names.customer_names(rng, made.region, made.industry, made.english), object)
    for row, department in zip(np.flatnonzero(made.internal), names.INTERNAL, strict=False):
        called[row] = f"{names.COMPANY_ZH}{department}"
    referred = made.referred_by >= 0
    won = rng.choice(["acquaintance", "letter", "advertising", "event", "website"], size)
    ended = np.floor(np.minimum(made.left, DAYS + 1)).astype(np.int64)
    runs_on = DAYS + rng.integers(1, 700, size)
    credit = np.array([5_000, 50_000, 500_000])[made.tier] * rng.choice([1, 2, 3], size)
    return frame(
        "customers",
        {
            "customer_id": made.ids,
            "name": called,
            "phone": [f"199{number:08d}" for number in rng.permutation(size) * 7],
            "email": [f"{i.lower()}@customer.example" for i in made.ids],
            "industry": np.array(names.INDUSTRIES, object)[made.industry],
            "size": np.array(["small", "medium", "large"], object)[_size_class(rng, made.tier)],
            "region": np.array(names.REGIONS, object)[made.region],
            "scope": np.where(made.internal, "internal", "external"),
            "acquired_on": made.acquired,
            "acquisition_channel": maybe(np.where(referred, "introduction", won), ~made.internal),
            "referred_by": maybe(made.ids[np.maximum(made.referred_by, 0)], referred),
            "customer_type": np.array(names.TYPES, object)[made.kind],
            "account_manager": staff.ids[made.manager],
            "contract_from": np.where(made.contract, made.acquired, EMPTY),
            "contract_to": np.where(made.contract, np.where(ended < DAYS, ended, runs_on), EMPTY),
            "member_since": made.member,
            "credit_limit": np.where(made.terms > 0, credit, 0),
            "payment_terms_days": made.terms,
            "do_not_contact": made.silent,
            "tier": np.array(names.TIERS, object)[made.tier],
        },
    )


def _size_class(rng: np.random.Generator, tier: np.ndarray) -> np.ndarray:
    return np.clip(tier + rng.choice([-1, 0, 1], len(tier), p=[0.2, 0.6, 0.2]), 0, 2)
