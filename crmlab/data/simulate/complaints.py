"""Complaints: how they are handled, step by step, and how satisfied the customer is afterwards.

Satisfaction with the handling, 1 … 5, is cut from a latent scale with logistic noise::

    latent = quick_recovery · (first answer within 4 hours) + compensation_recovery · compensated
           + severity_recovery · severity (0, 1, 2) + told_recovery · told of the improvement

Compensation is the likelier the graver the complaint (.1, .4, .75), so that compensated customers
are the less satisfied until severity is taken into account. Resolution at first contact has
log-odds −.2 + training_resolution · (owner trained before) − .5 · severity. Stage durations are
lognormal with medians hours_<stage>; with probability `rework` a negotiation goes back to
investigation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crmlab.data.simulate import calendar, texts
from crmlab.data.simulate.calendar import DAY, EMPTY, END
from crmlab.data.simulate.customers import TEAMS, Customers, Staff
from crmlab.data.simulate.demand import expit
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame, maybe
from crmlab.data.simulate.names import TIERS
from crmlab.data.simulate.orders import CAUSES, Orders
from crmlab.data.simulate.satisfaction import SUGGESTION, categories

KINDS = ("sales_contract", "transport", "service", "suggestion")
SEVERITIES = ("low", "medium", "high")
CHANNELS = ("phone", "wechat", "email", "meeting", "letter")
STAGES = ("accept", "investigate", "negotiate", "resolve")
REMEDIES = ("apology", "explanation", "compensation", "replacement", "discount")
#: Promised hours to resolution by tier and severity.
SLA_HOURS = {
    "general": (168, 120, 72),
    "potential": (120, 96, 48),
    "key": (96, 72, 36),
}
COST_OF_A_MINUTE = 1.2
_KIND_OF_CAUSE = np.array([1, 1, 1, 1, 2, 0, 2, 0, 0, 2, 3])
_SEVERE = np.array([0.45, 0.25, 0.15, 0.2, 0.2, 0.15, 0.15, 0.05, 0.2, 0.1, 0.0])
_MEDIUM = np.array([0.4, 0.5, 0.45, 0.45, 0.45, 0.45, 0.45, 0.35, 0.45, 0.45, 0.1])
_CUTS = np.array([-2.4, -1.3, -0.1, 1.3])
_SPREAD = 0.7


@dataclass(frozen=True)
class Complaints:
    """Complaints as arrays, in the order they were opened; times may lie after the last day."""

    ids: np.ndarray
    order: np.ndarray
    customer: np.ndarray
    cause: np.ndarray
    severity: np.ndarray
    channel: np.ndarray
    owner: np.ndarray
    opened: np.ndarray
    answered: np.ndarray
    quick: np.ndarray
    first_contact: np.ndarray
    ends: np.ndarray
    rework: dict[str, np.ndarray]
    followed_up: np.ndarray
    reopened: np.ndarray
    handed_on: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def resolved(self) -> np.ndarray:
        """When each was resolved."""
        return self.ends[3]


def make_complaints(
    seed: int, orders: Orders, customers: Customers, staff: Staff, e: Mapping[str, float]
) -> Complaints:
    """Open and handle the complaints that the orders gave rise to."""
    rng = stream(seed, "complaints")
    order, opened = _opened(rng, orders)
    size = len(order)
    cause, quick = orders.cause[order], orders.quick[order]
    u = rng.random(size)
    severity = (u < _SEVERE[cause] + _MEDIUM[cause]).astype(int) + (u < _SEVERE[cause])
    owner = rng.integers(*TEAMS["complaints"], size)
    wait = np.where(quick, rng.uniform(10, 239, size), 241 + rng.exponential(900, size))
    answered = opened + wait.astype(np.int64)
    trained = (staff.trained[owner] != EMPTY) & (staff.trained[owner] * DAY < opened)
    score = -0.2 + e["training_resolution"] * trained - 0.5 * severity
    first_contact = rng.random(size) < expit(score)
    ends, rework = _stages(rng, answered, first_contact, e)
    return Complaints(
        ids=np.array([f"K{number:04d}" for number in range(1, size + 1)], object),
        order=order,
        customer=orders.customer[order],
        cause=cause,
        severity=severity,
        channel=rng.choice(5, size, p=[0.48, 0.26, 0.16, 0.06, 0.04]),
        owner=owner,
        opened=opened,
        answered=answered,
        quick=quick,
        first_contact=first_contact,
        ends=ends,
        rework=rework,
        followed_up=_followed_up(rng, ends[3]),
        reopened=_reopened(rng, ends[3], e),
        handed_on=np.where(first_contact, 0, rng.poisson(0.35, size)),
    )


def _opened(rng: np.random.Generator, orders: Orders) -> tuple[np.ndarray, np.ndarray]:
    order = np.flatnonzero(orders.complained)
    wait = 30 + np.minimum(rng.exponential(DAY, len(order)), 3 * DAY - 60)
    opened = orders.delivered[order] + wait.astype(np.int64)
    by_time = np.argsort(opened, kind="stable")
    order, opened = order[by_time], opened[by_time]
    return order[opened < END], opened[opened < END]


def _stages(
    rng: np.random.Generator,
    answered: np.ndarray,
    first_contact: np.ndarray,
    e: Mapping[str, float],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Ends of the four stages (4 × complaints), and the extra rounds of those that went back."""
    size = len(answered)
    median = np.array([e[f"hours_{stage}"] for stage in STAGES])[:, None] * 60
    minutes = median * np.exp(_SPREAD * rng.standard_normal((4, size)))
    minutes = np.where(first_contact, rng.uniform(2, 15, (4, size)), minutes)
    again = ~first_contact & (rng.random(size) < e["rework"])
    extra = median[1:3] * np.exp(_SPREAD * rng.standard_normal((2, size))) * again
    steps = np.maximum(1, np.rint(minutes)).astype(np.int64)
    extra = np.rint(extra).astype(np.int64)
    accepted = answered + steps[0]
    first_investigated = accepted + steps[1]
    sent_back = first_investigated + extra[1]
    investigated = np.where(again, sent_back + extra[0], first_investigated)
    negotiated = investigated + steps[2]
    ends = np.stack([accepted, investigated, negotiated, negotiated + steps[3]])
    return ends, {"again": again, "first_end": first_investigated, "sent_back": sent_back}


def _followed_up(rng: np.random.Generator, resolved: np.ndarray) -> np.ndarray:
    hours = 60 * np.exp(0.5 * rng.standard_normal(len(resolved)))
    asked = rng.random(len(resolved)) < 0.75
    return np.where(asked, resolved + (hours * 60).astype(np.int64), END)


def _reopened(rng: np.random.Generator, resolved: np.ndarray, e: Mapping[str, float]) -> np.ndarray:
    again = rng.random(len(resolved)) < e["reopened"]
    wait = rng.integers(DAY, 14 * DAY, len(resolved))
    return np.where(again, resolved + wait, END)


def complaints_table(
    seed: int,
    made: Complaints,
    orders: pd.DataFrame,
    customers: Customers,
    staff: Staff,
    e: Mapping[str, float],
) -> pd.DataFrame:
    """The table of complaints."""
    rng = stream(seed, "complaint details")
    tier = customers.tier[made.customer]
    sla = np.array([SLA_HOURS[name] for name in TIERS])[tier, made.severity]
    known_order = (made.cause != SUGGESTION) | (rng.random(len(made)) < 0.4)
    stages = {
        f"{stage}_at": calendar.happened(made.ends[row])
        for row, stage in enumerate(("accepted", "investigated", "negotiated", "resolved"))
    }
    english = customers.english[made.customer]
    columns = {
        "complaint_id": made.ids,
        "customer_id": customers.ids[made.customer],
        "order_id": maybe(orders["order_id"], known_order),
        "opened_at": made.opened,
        "due_at": made.opened + sla * 60,
        "first_response_at": calendar.happened(made.answered),
        **stages,
        "followed_up_at": calendar.happened(made.followed_up),
        "reopened_at": calendar.happened(made.reopened),
        "kind": np.array(KINDS, object)[_KIND_OF_CAUSE[made.cause]],
        "cause": np.array(CAUSES, object)[made.cause],
        "severity": np.array(SEVERITIES, object)[made.severity],
        "channel": np.array(CHANNELS, object)[made.channel],
        "owner": staff.ids[made.owner],
        "reassignments": made.handed_on,
        "first_contact_resolution": maybe(made.first_contact, made.answered < END),
        "text": texts.complaint_texts(
            stream(seed, "complaint texts"), made.cause, english, e["text_label_noise"]
        ),
    }
    columns |= _effort(rng, made) | _outcome(rng, made, orders, e)
    return frame("complaints", columns)


def _effort(rng: np.random.Generator, made: Complaints) -> dict[str, np.ndarray]:
    mean = np.where(made.first_contact, 18, 70 + 25 * made.severity + 40 * made.rework["again"])
    minutes = np.maximum(3, np.round(mean * rng.gamma(4, 0.25, len(made))))
    return {"handling_minutes": minutes, "handling_cost": minutes * COST_OF_A_MINUTE}


def _outcome(
    rng: np.random.Generator, made: Complaints, orders: pd.DataFrame, e: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Remedy, compensation, and what the customer says when asked again."""
    size = len(made)
    suggestion = made.cause == SUGGESTION
    chance = np.array([0.1, 0.4, 0.75])[made.severity]
    paid = (rng.random(size) < chance) & ~suggestion
    share = rng.uniform(0.05, 0.3, size) * (1 + made.severity)
    money = np.maximum(5, np.round(orders["amount"].to_numpy() * np.minimum(share, 1)))
    told = rng.random(size) < 0.4
    latent = e["quick_recovery"] * made.quick + e["compensation_recovery"] * paid
    latent = latent + e["severity_recovery"] * made.severity + e["told_recovery"] * told
    answer = categories(latent + rng.logistic(size=size), _CUTS)
    resolved, asked = made.resolved < END, made.followed_up < END
    remedy = np.where(paid, 2, rng.choice([0, 1, 3, 4], size, p=[0.45, 0.3, 0.15, 0.1]))
    return {
        "remedy": maybe(np.array(REMEDIES, object)[remedy], resolved & ~suggestion),
        "compensation": np.where(resolved, money * paid, np.nan),
        "satisfaction_after": np.where(asked, answer, np.nan),
        "told_of_improvement": maybe(told, asked),
    }


def events_table(seed: int, made: Complaints, staff: Staff) -> pd.DataFrame:
    """The table of complaint events: each step, when it began and who had it in hand."""
    rng = stream(seed, "complaint events")
    every = np.arange(len(made))
    again = np.flatnonzero(made.rework["again"])
    back = np.flatnonzero(made.reopened < END)
    steps = [
        ("accept", every, made.answered),
        ("investigate", every, made.ends[0]),
        ("negotiate", again, made.rework["first_end"][again]),
        ("investigate", again, made.rework["sent_back"][again]),
        ("negotiate", every, made.ends[1]),
        ("resolve", every, made.ends[2]),
        ("follow_up", np.flatnonzero(made.followed_up < END), None),
        ("reopen", back, made.reopened[back]),
        ("resolve", back, made.reopened[back] + rng.integers(60, 3 * DAY, len(back))),
    ]
    rows = np.concatenate([step[1] for step in steps])
    stage = np.repeat([step[0] for step in steps], [len(step[1]) for step in steps])
    times = [made.resolved[step[1]] if step[2] is None else step[2] for step in steps]
    at = np.concatenate(times)
    owner = _owners(rng, made, rows, stage)
    order = np.lexsort((at, rows))
    order = order[at[order] < END]
    return frame(
        "complaint_events",
        {
            "complaint_id": made.ids[rows[order]],
            "at": at[order],
            "stage": stage[order].astype(object),
            "owner": staff.ids[owner[order]],
        },
    )


def _owners(
    rng: np.random.Generator, made: Complaints, rows: np.ndarray, stage: np.ndarray
) -> np.ndarray:
    """Whoever owns it now, but somebody else before it was handed on."""
    first, last = TEAMS["complaints"]
    other = first + (made.owner[rows] - first + rng.integers(1, last - first, len(rows))) % (
        last - first
    )
    before = (stage == "accept") & (made.handed_on[rows] > 0)
    return np.where(before, other, made.owner[rows])
