"""The known effects: where they are declared, and the values a company or a student gets.

Every effect is declared once, in ``datasets/effects.toml``: its value in the bundled company, its
unit, the range from which a student's value is drawn, the chapter that recovers it, and a sentence
in both languages.
"""

from __future__ import annotations

import hashlib
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from crmlab.data.bundled import datasets_folder as datasets_folder
from crmlab.errors import UnknownName
from crmlab.language import _


@dataclass(frozen=True)
class Effect:
    """One known effect of the bundled company.

    Attributes
    ----------
    name : str
    value : float
        Its value in the bundled company.
    unit : str
        Scale on which it is defined, and on which the right estimator returns it.
    low, high : float
        Range from which a student's value is drawn; equal where it is the same for everyone.
    chapter : int
        Chapter that recovers it.
    sentence, sentence_zh : str
        What it says, in English and in Chinese.
    structural : bool
        A setting that holds exactly in every company, not a parameter that is estimated.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    chapter: int
    sentence: str
    sentence_zh: str
    structural: bool = False


@cache
def declared() -> dict[str, Effect]:
    """All effects by name, as ``datasets/effects.toml`` declares them.

    Examples
    --------
    >>> declared()["late_satisfaction"].value < 0
    True
    """
    with (datasets_folder() / "effects.toml").open("rb") as file:
        tables = tomllib.load(file)
    return {name: Effect(name=name, **table) for name, table in tables.items()}


def values(changed: Mapping[str, float] | None = None) -> dict[str, float]:
    """Value of every effect: the declared one, unless it is changed.

    Parameters
    ----------
    changed : mapping of str to float, optional
        Effects that shall have another value.

    Raises
    ------
    UnknownName
        If an effect is changed that is not declared.

    Examples
    --------
    >>> values({"late_satisfaction": -2.0})["late_satisfaction"]
    -2.0
    """
    known = {name: effect.value for name, effect in declared().items()}
    unknown = sorted(set(changed or {}) - set(known))
    if unknown:
        raise UnknownName(
            _("There is no effect {name}. The effects are: {names}.").format(
                name=unknown[0], names=", ".join(known)
            )
        )
    return known | {name: float(value) for name, value in (changed or {}).items()}


def normalised(student: str) -> str:
    """A student number without the differences that typing makes: width, case, spaces.

    Examples
    --------
    >>> normalised(" ２０２６ 1234a ")
    '20261234A'
    """
    return "".join(unicodedata.normalize("NFKC", student).split()).upper()


def seed_of(student: str) -> int:
    """Seed of a student's variant: the first 48 bits of the SHA-256 of the student number.

    Examples
    --------
    >>> seed_of("20261234") == seed_of(" 2026 1234 ")
    True
    """
    digest = hashlib.sha256(normalised(student).encode("utf-8")).hexdigest()
    return int(digest[:12], 16)


def effects_of(student: str) -> dict[str, float]:
    """Effect values of a student's variant, each drawn within its declared range.

    Parameters
    ----------
    student : str
        Student number.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> effects_of("20261234") == effects_of("20265678")
    False
    """
    drawn = {}
    for name, effect in declared().items():
        u = stream(seed_of(student), f"effect {name}").random()
        drawn[name] = round(effect.low + (effect.high - effect.low) * u, 4)
    return drawn


def stream(seed: int, topic: str) -> np.random.Generator:
    """The random numbers of one topic: another topic's draws never shift them."""
    return np.random.default_rng([seed, *topic.encode("utf-8")])
