"""Surveys and their answers.

Each month some customers whose first order of the month has arrived are asked about it: a sample
stratified by tier (key customers over-represented; `weight` = customers there / customers drawn),
and some of those who called the call centre. The questionnaire comes back with log-odds
nonresponse_satisfaction · (answer − 3). Of those who do not answer, one in three is drawn at random
and telephoned until reached (mode follow_up; its weight is three times the weight of the first
try).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crmlab.data.simulate import calendar, names
from crmlab.data.simulate.calendar import DAY, MONTH_START, MONTHS
from crmlab.data.simulate.customers import Customers
from crmlab.data.simulate.demand import Questions, expit
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame, maybe
from crmlab.data.simulate.instrument import answers_table
from crmlab.data.simulate.orders import Orders
from crmlab.data.simulate.satisfaction import Experience, categories

MODES = ("sample", "call_centre", "follow_up")
ASKED_A_MONTH = (0.054, 0.024, 0.015)
CALLED_A_MONTH = 0.015
FOLLOWED_UP = 3
_AGREE = np.array([-2.2, -1.0, 0.3, 1.7])


@dataclass(frozen=True)
class Sent:
    """Questionnaires sent: whom, in which month, how, with what weight; answered or not."""

    customer: np.ndarray
    month: np.ndarray
    mode: np.ndarray
    weight: np.ndarray
    sent: np.ndarray
    answered: np.ndarray
    overall: np.ndarray


def make_surveys(
    seed: int,
    customers: Customers,
    orders: Orders,
    felt: Experience,
    questions: Questions,
    e: Mapping[str, float],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of surveys and of answers."""
    rng = stream(seed, "survey sample")
    called = np.zeros(felt.order.shape, bool)
    called[questions.customer, calendar.month_of(questions.at // DAY)] = True
    parts = [
        _month(rng, month, customers, orders, felt, called[:, month], e) for month in range(MONTHS)
    ]
    sent = Sent(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    ids = np.array([f"Q{number:04d}" for number in range(1, len(sent.sent) + 1)], object)
    rng = stream(seed, "survey answers")
    surveys = _table(rng, ids, sent, customers, orders, felt, e)
    answers = answers_table(stream(seed, "items"), ids, sent, orders, felt, e)
    return surveys, answers


def _month(
    rng: np.random.Generator,
    month: int,
    customers: Customers,
    orders: Orders,
    felt: Experience,
    called: np.ndarray,
    e: Mapping[str, float],
) -> tuple[np.ndarray, ...]:
    """One month's batch, as the columns of `Sent`."""
    start = int(MONTH_START[month]) * DAY
    there = eligible(start, orders, felt.order[:, month], customers)
    drawn, weight = _stratified(rng, there, customers.tier, len(customers))
    answer = felt.answer[drawn, month]
    came = rng.random(len(drawn)) < expit(-0.35 + e["nonresponse_satisfaction"] * (answer - 3))
    silent = np.flatnonzero(~came)
    again = silent[rng.random(len(silent)) < 1 / FOLLOWED_UP]
    rest = np.setdiff1d(np.flatnonzero(there), drawn)
    callers = _convenience(rng, rest, called, round(len(customers) * CALLED_A_MONTH))
    heard = felt.predictor[callers, month] + felt.noise[callers, month]
    answer_called = categories(heard + e["call_centre_satisfaction"])
    who = np.concatenate([drawn, callers, drawn[again]])
    mode = np.repeat([0, 1, 2], [len(drawn), len(callers), len(again)])
    overall = np.concatenate([answer, answer_called, answer[again]])
    came = np.concatenate([came, np.ones(len(callers) + len(again), bool)])
    weights = np.concatenate([weight, np.full(len(callers), np.nan), weight[again] * FOLLOWED_UP])
    sent, answered = _times(rng, start, mode)
    order = np.argsort(sent, kind="stable")
    columns = (who, np.full(len(who), month), mode, weights, sent, answered, overall)
    answered[~came] = calendar.EMPTY
    return tuple(column[order] for column in columns)


def eligible(start: int, orders: Orders, first: np.ndarray, customers: Customers) -> np.ndarray:
    """External customers whose first order of the month arrived by the 18th."""
    arrived = orders.delivered[np.maximum(first, 0)] < start + 18 * DAY
    return (first >= 0) & arrived & ~customers.internal


def _stratified(
    rng: np.random.Generator, there: np.ndarray, tier: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    drawn, weights = [], []
    for code, share in enumerate(ASKED_A_MONTH):
        stratum = np.flatnonzero(there & (tier == code))
        number = min(len(stratum), max(2, round(size * share)))
        drawn.append(np.sort(rng.permutation(stratum)[:number]))
        weights.append(np.full(number, len(stratum) / max(number, 1)))
    return np.concatenate(drawn), np.concatenate(weights)


def _convenience(
    rng: np.random.Generator, rest: np.ndarray, called: np.ndarray, number: int
) -> np.ndarray:
    """Callers first, then whoever was at hand."""
    at_hand = rng.random(len(rest)) + ~called[rest]
    return rest[np.argsort(at_hand, kind="stable")[:number]]


def _times(rng: np.random.Generator, start: int, mode: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sent on the 22nd or 23rd, back within three days; calls are answered at once."""
    day = start // DAY + np.choose(mode, [21, 21, 26]) + rng.integers(0, 2, len(mode))
    sent = calendar.office_hours(rng, day)
    wait = np.minimum(rng.exponential(1.2 * DAY, len(mode)), 3 * DAY).astype(np.int64)
    return sent, sent + np.where(mode == 0, 5 + wait, 6)


def _table(
    rng: np.random.Generator,
    ids: np.ndarray,
    sent: Sent,
    customers: Customers,
    orders: Orders,
    felt: Experience,
    e: Mapping[str, float],
) -> pd.DataFrame:
    who, month = sent.customer, sent.month
    came = sent.answered != calendar.EMPTY
    wave = np.array([f"{2024 + m // 12}-Q{m % 12 // 3 + 1}" for m in range(MONTHS)], object)
    drawn = sent.mode != 1
    said = {
        name: np.where(came, values, np.nan)
        for name, values in _said(rng, sent, customers, e).items()
    }
    return frame(
        "surveys",
        {
            "response_id": ids,
            "customer_id": customers.ids[who],
            "order_id": orders.ids[felt.order[who, month]],
            "sent_at": sent.sent,
            "answered_at": sent.answered,
            "mode": np.array(MODES, object)[sent.mode],
            "wave": wave[month],
            "stratum": maybe(np.array(names.TIERS, object)[customers.tier[who]], drawn),
            "weight": sent.weight,
            **said,
        },
    )


def _said(
    rng: np.random.Generator, sent: Sent, customers: Customers, e: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """The closing questions, each an ordered logit on overall satisfaction y.

    recommend: recommend_slope · y. repurchase_intention: intention_low if y ≤ 2, intention_high if
    y = 5, + 1 for captive customers. The loyalty questions share the customer's attachment.
    """
    overall, size = sent.overall, len(sent.overall)
    captive = customers.captive[sent.customer]
    attached = 0.8 * customers.mood[sent.customer] + 0.5 * (overall - 3.5)
    zone = np.select([overall <= 2, overall == 5], [e["intention_low"], e["intention_high"]], 0.0)
    noise = rng.logistic(size=(6, size))
    recommend = categories(e["recommend_slope"] * overall + noise[0], np.linspace(-0.2, 5.6, 10))
    share = np.where(captive, rng.uniform(0.9, 1, size), rng.beta(2.5, 2, size) * 0.88)
    days = np.exp(0.9 - 0.3 * attached + 0.6 * rng.standard_normal(size))
    return {
        "overall": overall,
        "recommend": recommend - 1,
        "repurchase_intention": categories(zone + captive + noise[1], _AGREE),
        "incident_tolerance": categories(1.2 * attached - 0.3 + noise[2], _AGREE),
        "competitor_attention": categories(-attached - captive + noise[3], _AGREE),
        "brand_attention": categories(1.3 * attached + noise[4], _AGREE),
        "identification": categories(1.5 * attached + noise[5], _AGREE),
        "share_of_needs": np.floor(share * 100) / 100,
        "decision_days": np.minimum(days, 60),
    }
