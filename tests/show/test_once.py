"""What is computed once is the same as what is computed again, and nobody can spoil it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.language import set_language
from crmlab.show import once as module
from crmlab.show.once import once


@dataclass(frozen=True)
class Inner:
    rows: pd.Series


@dataclass(frozen=True)
class Answer:
    table: pd.DataFrame
    inner: Inner


@pytest.fixture
def crm():
    rows = {"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-01-01"], "amount": [9.0]}
    return from_frames({"orders": pd.DataFrame(rows)})


@pytest.fixture
def counted():
    """A function that counts how often it is computed."""
    calls = []

    @once
    def answer(crm, *arguments, **options):
        calls.append((arguments, options))
        return Answer(pd.DataFrame({"share": [0.5]}), Inner(pd.Series([1, 2])))

    answer.calls = calls
    return answer


@pytest.fixture(autouse=True)
def _english():
    yield
    set_language("en")


def test_the_same_question_is_computed_once(crm, counted):
    rules = pd.DataFrame({"tier": ["key", "general"], "at_least": [10.0, 0.0]})
    for _time in range(2):
        counted(crm, (0.1, 0.2), rules=rules.copy(), costs={"phone": 6.0})
    assert len(counted.calls) == 1


def test_what_is_said_and_what_holds_by_default_are_the_same_question(crm):
    calls = []

    @once
    def answer(crm, *, by="tier", cut=None):
        calls.append((by, cut))
        return Answer(pd.DataFrame({"share": [0.5]}), Inner(pd.Series([1, 2])))

    answer(crm)
    answer(crm, cut=None, by="tier")
    answer(crm, by="region")
    assert calls == [("tier", None), ("region", None)]


@pytest.mark.parametrize(
    "other",
    [
        {"rules": pd.DataFrame({"at_least": [11.0]})},
        {"rules": pd.DataFrame({"limit": [10.0]})},
        {"rules": pd.DataFrame({"at_least": ["10"]})},
        {"rules": pd.DataFrame({"at_least": [10.0]}, index=[1])},
        {"rules": pd.DataFrame({"at_least": [10.0]}), "seed": 1},
        {"rules": None},
    ],
    ids=["value", "column", "type", "row", "option", "none"],
)
def test_another_question_is_computed(crm, counted, other):
    counted(crm, rules=pd.DataFrame({"at_least": [10.0]}))
    counted(crm, **other)
    assert len(counted.calls) == 2


def test_equal_numbers_of_another_type_are_another_question(crm, counted):
    counted(crm, 1)
    counted(crm, True)
    counted(crm, 1.0)
    assert len(counted.calls) == 3


def test_settings_language_and_workspace_are_part_of_the_question(crm, counted):
    counted(crm)
    crm.settings = replace(crm.settings, activity_costs={"contact.phone": 7.0})
    counted(crm)
    set_language("zh_CN")
    counted(crm)
    counted(crm.sample(customers=0))
    assert len(counted.calls) == 4


def test_who_changes_an_answer_changes_nobody_elses(crm, counted):
    spoiled = counted(crm)
    spoiled.table.loc[0, "share"] = 7.0
    spoiled.table["more"] = 1
    spoiled.inner.rows.iloc[0] = 9
    again = counted(crm)
    assert again.table.to_dict("list") == {"share": [0.5]}
    assert again.inner.rows.tolist() == [1, 2]
    assert len(counted.calls) == 1


class Fit(NamedTuple):
    draws: np.ndarray


@dataclass(frozen=True)
class Curves:
    by_tier: dict[str, pd.DataFrame]
    fit: Fit
    pair: tuple[np.ndarray, str]


def test_nor_does_who_changes_an_array_or_a_table_within(crm):
    @once
    def answer(crm):
        curve = pd.DataFrame({"share": [0.5]})
        return Curves({"key": curve}, Fit(np.ones(2)), (np.ones(2), "a"))

    spoiled = answer(crm)
    spoiled.by_tier["key"]["share"] = 7.0
    spoiled.by_tier["more"] = pd.DataFrame()
    spoiled.fit.draws[:] = 9
    spoiled.pair[0][:] = 9
    again = answer(crm)
    assert {name: curve["share"].tolist() for name, curve in again.by_tier.items()} == {
        "key": [0.5]
    }
    assert isinstance(again.fit, Fit)
    assert again.fit.draws.tolist() == again.pair[0].tolist() == [1, 1]
    assert again.pair[1] == "a"


def test_what_cannot_be_told_apart_is_computed_every_time(crm, counted):
    for _time in range(2):
        counted(crm, {1, 2})
    for _time in range(2):
        counted("no workspace")
    assert len(counted.calls) == 4


def test_long_tables_are_not_kept_and_only_so_many_answers(crm, counted, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    for number in (1, 2, 1, 3, 1, 2):
        counted(crm, number)
    assert [arguments for arguments, _options in counted.calls] == [(1,), (2,), (3,), (2,)]
    monkeypatch.setattr(module, "LONGEST", 1)
    before = len(counted.calls)
    for _time in range(2):
        counted(crm, "long")
    assert len(counted.calls) == before + 2
