"""Satisfaction with an order: the latent scale, the answer 1–5, what it does to later orders.

Satisfaction y of a customer with the first order of a month is one of 1 … 5, cut from a latent
scale::

    latent = late_satisfaction · late + damage_satisfaction · damaged
           + documents_satisfaction · wrong + short_satisfaction · short
           + check_satisfaction · checked
           + recovered_satisfaction · (complained of and answered within 4 hours)
           + service_change_satisfaction · (Southwest, from 2025-01)
           + employee_satisfaction · (satisfaction of the account manager − 3.5)
           + .15 potential | .3 key + region + ε

ε is logistic, so the coefficients are those of an ordered logit. Its normal score is Σ c_j a_j +
the rest, where a_j is how the customer rates attribute j and c_j = d_j / √(1 + Σ d²) with d_j =
driver_<attribute>: an ordered probit of y on the a_j, among orders that went well, has slopes d_j.
The rest is correlated .3 within a customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from crmlab.data.simulate.customers import MIGRATION_MONTH, SOUTHWEST, Customers, Staff

#: Position of suggestions among the causes of complaints; they are not failures to recover from.
SUGGESTION = 10
ATTRIBUTES = ("timeliness", "accuracy", "condition", "information", "contact", "recovery")
CUTS = np.array([-2.7, -1.55, -0.25, 1.25])
_REGION = np.array([0.1, 0.0, 0.05, -0.05, -0.15, 0.0])
_WITHIN = 0.3


@dataclass
class Experience:
    """Customers × months, for the first order of the month.

    Attributes
    ----------
    order : numpy.ndarray
        Row of the order, −1 where there is none.
    predictor : numpy.ndarray
        Latent satisfaction without ε.
    noise : numpy.ndarray
        ε.
    score : numpy.ndarray
        Normal score of ε.
    answer : numpy.ndarray
        What the customer would answer, 1 to 5.
    attributes : numpy.ndarray
        The ratings a_j, standardised; customers × months × attributes.
    log_effect : numpy.ndarray
        Effect on the log order rate of the two following months.
    """

    order: np.ndarray
    predictor: np.ndarray
    noise: np.ndarray
    score: np.ndarray
    answer: np.ndarray
    attributes: np.ndarray
    log_effect: np.ndarray

    @classmethod
    def empty(cls, customers: int, months: int) -> Experience:
        """No experience yet."""
        shape = (customers, months)
        return cls(
            order=np.full(shape, -1),
            predictor=np.zeros(shape),
            noise=np.zeros(shape),
            score=np.zeros(shape),
            answer=np.zeros(shape, np.int64),
            attributes=np.zeros((*shape, len(ATTRIBUTES))),
            log_effect=np.zeros(shape),
        )


def experience(
    rng: np.random.Generator,
    felt: Experience,
    month: int,
    batch: Mapping[str, np.ndarray],
    first: np.ndarray,
    customers: Customers,
    staff: Staff,
    e: Mapping[str, float],
) -> None:
    """Fill in the month: how each customer felt about the first order of it."""
    who = batch["customer"][first]
    predictor = _predictor(month, batch, first, customers, staff, e)
    weights = driver_weights(e)
    rest = np.sqrt(1 - weights @ weights)
    attributes = rng.standard_normal((len(who), len(ATTRIBUTES)))
    own = np.sqrt(_WITHIN) * customers.mood[who]
    own = own + np.sqrt(1 - _WITHIN) * rng.standard_normal(len(who))
    score = attributes @ weights + rest * own
    felt.predictor[who, month] = predictor
    felt.score[who, month] = score
    felt.noise[who, month] = logistic(score)
    felt.attributes[who, month] = attributes
    felt.answer[who, month] = categories(predictor + logistic(score))
    felt.log_effect[who, month] = _later(
        predictor, felt.answer[who, month], customers.captive[who], e
    )


def driver_weights(e: Mapping[str, float]) -> np.ndarray:
    """The c_j: weights of the attributes in the normal score of ε."""
    d = np.array([e[f"driver_{name}"] for name in ATTRIBUTES])
    return d / np.sqrt(1 + d @ d)


def logistic(score: np.ndarray) -> np.ndarray:
    """Logistic noise with the given normal scores."""
    share = np.clip(ndtr(score), 1e-12, 1 - 1e-12)
    return np.log(share) - np.log1p(-share)


def categories(latent: np.ndarray, cuts: np.ndarray = CUTS) -> np.ndarray:
    """Answer of 1 or more: how many cuts the latent value has passed, plus one."""
    return 1 + np.searchsorted(cuts, latent)


def _predictor(
    month: int,
    batch: Mapping[str, np.ndarray],
    first: np.ndarray,
    customers: Customers,
    staff: Staff,
    e: Mapping[str, float],
) -> np.ndarray:
    who = batch["customer"][first]
    region = customers.region[who]
    recovered = batch["quick"][first] & (batch["cause"][first] < SUGGESTION)
    predictor = e["late_satisfaction"] * batch["late"][first]
    predictor = predictor + e["damage_satisfaction"] * batch["damaged"][first]
    predictor += e["documents_satisfaction"] * ~batch["documents_ok"][first]
    predictor += e["short_satisfaction"] * batch["short"][first]
    predictor += e["check_satisfaction"] * batch["checked"][first]
    predictor += e["recovered_satisfaction"] * recovered
    predictor += e["service_change_satisfaction"] * (
        (region == SOUTHWEST) & (month >= MIGRATION_MONTH)
    )
    predictor += e["employee_satisfaction"] * (staff.satisfaction[customers.manager[who]] - 3.5)
    return predictor + np.array([0.0, 0.15, 0.3])[customers.tier[who]] + _REGION[region]


def _later(
    predictor: np.ndarray, answer: np.ndarray, captive: np.ndarray, e: Mapping[str, float]
) -> np.ndarray:
    """Log rate effect of the answer, less the log of its mean given what happened."""
    low, high = np.exp(e["satisfaction_low_orders"]), np.exp(e["satisfaction_high_orders"])
    share_low = 1 / (1 + np.exp(predictor - CUTS[1]))
    share_high = 1 / (1 + np.exp(CUTS[3] - predictor))
    mean = share_low * low + share_high * high + 1 - share_low - share_high
    effect = np.select([answer <= 2, answer == 5], [np.log(low), np.log(high)], 0.0) - np.log(mean)
    return np.where(captive, 0.0, effect)
