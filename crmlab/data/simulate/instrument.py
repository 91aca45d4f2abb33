"""The questionnaire's items, and how they are answered.

Everyone rates the six attributes of logistics service (0–100) and says how important they are. A
third of those who answer get SERVQUAL: 22 items, expectation and perception (1–7), and 100 points
of importance to share out among the five dimensions. Another third get Kano's pairs, the rest the
four price questions.

SERVQUAL perception of item i of dimension d is 3.9 + loading_d · F_d + noise, expectation is
perception's mean − gap_d + expectation_trend · years + noise. Any two factors F have correlation
factor_correlation. Values lie within the scale and are rounded up or down at random so that means
and covariances of the whole numbers are those of the equations. Satisfaction moves all factors
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr

from crmlab.data.simulate.calendar import EMPTY
from crmlab.data.simulate.orders import Orders
from crmlab.data.simulate.satisfaction import ATTRIBUTES, Experience

if TYPE_CHECKING:
    from crmlab.data.simulate.surveys import Sent

DIMENSIONS = ("tangibles", "reliability", "responsiveness", "assurance", "empathy")
ITEMS_OF = (4, 5, 4, 4, 5)
KANO = ("tracking", "insurance", "night_delivery", "green_packaging", "lead_time", "gift")
KANO_TYPE = (2, 2, 0, 0, 1, 3)
PRICES = ("too_cheap", "cheap", "expensive", "too_expensive")
IMPORTANCE = np.array([62.0, 58.0, 66.0, 52.0, 55.0, 60.0])
RATING = np.array([66.0, 70.0, 68.0, 58.0, 64.0, 55.0])
RATING_SPREAD = 11.0
PERCEIVED = 3.9
_ROOT3 = np.sqrt(3.0)


def answers_table(
    rng: np.random.Generator,
    ids: np.ndarray,
    sent: Sent,
    orders: Orders,
    felt: Experience,
    e: Mapping[str, float],
) -> pd.DataFrame:
    """The table of answers: one row per item, aspect and answered questionnaire."""
    came = np.flatnonzero(sent.answered != EMPTY)
    block = rng.permutation(np.arange(len(came)) % 3)
    parts = [
        _attributes(rng, came, sent, orders, felt),
        _servqual(rng, came[block == 0], sent, felt, e),
        _kano(rng, came[block == 1], e),
        _prices(rng, came[block == 2], e),
    ]
    rows = np.concatenate([part[0] for part in parts])
    item = np.concatenate([part[1] for part in parts])
    aspect = np.concatenate([part[2] for part in parts])
    value = np.concatenate([part[3] for part in parts])
    order = np.argsort(rows, kind="stable")
    return pd.DataFrame(
        {
            "response_id": pd.Series(ids[rows[order]], dtype="str"),
            "item": pd.Series(item[order], dtype="str"),
            "aspect": pd.Series(aspect[order], dtype="str"),
            "value": value[order] + 0.0,
        }
    )


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _long(rows: np.ndarray, items: list[str], aspect: str, values: np.ndarray) -> _Part:
    """Questionnaires × items to long columns."""
    return (
        np.repeat(rows, len(items)),
        np.tile(np.array(items, object), len(rows)),
        np.full(values.size, aspect, object),
        values.ravel(),
    )


def _join(*parts: _Part) -> _Part:
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return columns[0], columns[1], columns[2], columns[3]


def _attributes(
    rng: np.random.Generator, rows: np.ndarray, sent: Sent, orders: Orders, felt: Experience
) -> _Part:
    """Ratings 0–100: the mean + 11 a_j, less where it failed; and the importance stated."""
    who, month = sent.customer[rows], sent.month[rows]
    order = felt.order[who, month]
    failed = np.zeros((len(rows), len(ATTRIBUTES)))
    failed[:, 0] = orders.late[order]
    failed[:, 1] = orders.short[order] | ~orders.documents_ok[order]
    failed[:, 2] = orders.damaged[order]
    latent = RATING + RATING_SPREAD * felt.attributes[who, month] - 14 * failed
    rating = np.clip(np.round(latent), 0, 100)
    stated = np.clip(np.round(IMPORTANCE + 12 * rng.standard_normal(rating.shape)), 0, 100)
    items = [f"lsq_{name}" for name in ATTRIBUTES]
    return _join(_long(rows, items, "perception", rating), _long(rows, items, "importance", stated))


def _servqual(
    rng: np.random.Generator,
    rows: np.ndarray,
    sent: Sent,
    felt: Experience,
    e: Mapping[str, float],
) -> _Part:
    factors = _factors(rng, rows, sent, felt, e["factor_correlation"])
    years = sent.month[rows, None] / 12
    dimension = np.repeat(np.arange(5), ITEMS_OF)
    loading = np.array([e[f"loading_{name}"] for name in DIMENSIONS])[dimension]
    gap = np.array([e[f"gap_{name}"] for name in DIMENSIONS])[dimension]
    shape = (len(rows), len(dimension))
    perceived = PERCEIVED + loading * factors[:, dimension] + 0.5 * _uniform(rng, shape)
    own = 0.25 * _uniform(rng, (len(rows), 1))
    expected = PERCEIVED - gap + e["expectation_trend"] * years + own + 0.35 * _uniform(rng, shape)
    items = servqual_items()
    return _join(
        _long(rows, items, "expectation", _at_random(rng, expected)),
        _long(rows, items, "perception", _at_random(rng, perceived)),
        _long(rows, list(DIMENSIONS), "importance", _hundred(rng, len(rows), e)),
    )


def servqual_items() -> list[str]:
    """Names of the 22 items.

    Examples
    --------
    >>> servqual_items()[:5]
    ['tan1', 'tan2', 'tan3', 'tan4', 'rel1']
    """
    pairs = zip(DIMENSIONS, ITEMS_OF, strict=True)
    return [f"{name[:3]}{number}" for name, many in pairs for number in range(1, many + 1)]


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers with mean 0 and standard deviation 1."""
    return rng.uniform(-_ROOT3, _ROOT3, shape)


def _factors(
    rng: np.random.Generator, rows: np.ndarray, sent: Sent, felt: Experience, correlation: float
) -> np.ndarray:
    """Five factors with standard deviation 1; their common part follows satisfaction."""
    score = felt.score[sent.customer[rows], sent.month[rows]]
    mixed = np.sqrt(0.6) * score + np.sqrt(0.4) * rng.standard_normal(len(rows))
    common = _ROOT3 * (2 * ndtr(mixed) - 1)
    own = _uniform(rng, (len(rows), 5))
    return np.sqrt(correlation) * common[:, None] + np.sqrt(1 - correlation) * own


def _at_random(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Whole numbers whose mean is the value: rounded up with the probability of the fraction."""
    return np.clip(np.floor(values + rng.random(values.shape)), 1, 7)


def _hundred(rng: np.random.Generator, size: int, e: Mapping[str, float]) -> np.ndarray:
    """A hundred points shared out among the dimensions, by twenties of five points."""
    points = np.array([e[f"importance_{name}"] for name in DIMENSIONS])
    return 5.0 * rng.multinomial(20, points / points.sum(), size)


def _kano(rng: np.random.Generator, rows: np.ndarray, e: Mapping[str, float]) -> _Part:
    """1 like it … 5 dislike it; the attribute's own type with its probability, else another."""
    own = np.array([e[f"kano_{name}"] for name in KANO])
    shape = (len(rows), len(KANO))
    other = (np.array(KANO_TYPE) + rng.integers(1, 4, shape)) % 4
    kind = np.where(rng.random(shape) < own, KANO_TYPE, other)
    middle = rng.integers(2, 5, (2, *shape))
    present = np.where(kind <= 1, 1, middle[0])
    missing = np.where((kind == 1) | (kind == 2), 5, middle[1])
    items = [f"kano_{name}" for name in KANO]
    return _join(
        _long(rows, items, "functional", present.astype(float)),
        _long(rows, items, "dysfunctional", missing.astype(float)),
    )


def _prices(rng: np.random.Generator, rows: np.ndarray, e: Mapping[str, float]) -> _Part:
    """Four prices around the customer's own, each lognormal with the same spread."""
    own = np.log(e["price_point"]) + 0.25 * rng.standard_normal((len(rows), 1))
    steps = np.array([-0.5, -0.2, 0.2, 0.5]) + rng.uniform(-0.1, 0.1, (len(rows), 4))
    return _long(rows, list(PRICES), "price", np.round(np.exp(own + steps), 1))
