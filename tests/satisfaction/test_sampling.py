from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import Workspace, from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import set_language, speaking
from crmlab.satisfaction import (
    allocate,
    explore_sample_size,
    margin_of_error,
    sample_plan,
    sample_size,
    sample_size_mean,
)
from crmlab.show.columns import shown

FOUR = pd.DataFrame(
    {"stratum": list("ABCD"), "customers": [400, 300, 200, 100], "spread": [1.0, 1.0, 1.0, 3.0]}
)


def surveyed(spreads: dict[str, list[int]], customers: int = 100) -> Workspace:
    """A company with as many customers in each tier, some of whom gave the answers."""
    who = pd.DataFrame(
        [(f"{tier}{i}", tier) for tier in spreads for i in range(customers)],
        columns=["customer_id", "tier"],
    )
    said = [(f"{tier}{i}", one) for tier in spreads for i, one in enumerate(spreads[tier])]
    surveys = pd.DataFrame(said, columns=["customer_id", "overall"])
    surveys["response_id"] = [f"Q{i}" for i in range(len(surveys))]
    surveys["answered_at"] = "2025-06-01"
    return from_frames({"customers": who, "surveys": surveys})


# --- formulas


def test_a_small_population_needs_fewer_answers_and_never_more_than_it_has() -> None:
    sizes = [sample_size(0.05, population=n) for n in (1, 5, 50, 500, 5000)]
    assert sizes == sorted(sizes)
    assert sizes[:2] == [1, 5]
    assert sample_size(0.05, population=10**9) == sample_size(0.05)


def test_a_share_of_one_half_needs_the_most_answers() -> None:
    sizes = {share: sample_size(0.05, share=share) for share in (0.1, 0.3, 0.5, 0.7)}
    assert max(sizes, key=lambda share: sizes[share]) == 0.5
    assert sizes[0.3] == sizes[0.7]


def test_no_answer_too_many_where_the_formula_gives_a_whole_number() -> None:
    confidence = 0.9544997361036416  # two standard errors
    assert sample_size(0.05, confidence=confidence) == 400


@pytest.mark.parametrize("population", [None, 300, 5000])
def test_the_size_keeps_the_margin_and_one_answer_fewer_does_not(population: int | None) -> None:
    size = sample_size(0.04, share=0.3, population=population)
    found = [margin_of_error(n, share=0.3, population=population) for n in (size, size - 1)]
    assert found[0] <= 0.04 < found[1]
    size = sample_size_mean(0.1, 1.3, population=population)
    found = [margin_of_error(n, spread=1.3, population=population) for n in (size, size - 1)]
    assert found[0] <= 0.1 < found[1]


def test_who_asks_everybody_has_no_margin() -> None:
    assert margin_of_error(40, population=40) == 0
    assert margin_of_error(40, population=40, spread=2.0) == 0
    assert margin_of_error(1, population=1) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_size(5),
        lambda: sample_size(0.05, share=1),
        lambda: sample_size(0.05, population=0),
        lambda: sample_size(0.05, confidence=95),
        lambda: sample_size_mean(0, 1.0),
        lambda: sample_size_mean(0.1, -1.0),
        lambda: margin_of_error(0),
        lambda: margin_of_error(11, population=10),
        lambda: margin_of_error(10, spread=0.0),
    ],
)
def test_what_makes_no_sense_is_refused(call) -> None:
    with pytest.raises(CrmlabError):
        call()


# --- allocation


@pytest.mark.parametrize("method", ["proportional", "neyman"])
@pytest.mark.parametrize("size", [8, 9, 50, 333, 999, 1000])
def test_an_allocation_adds_up_and_keeps_its_bounds(method: str, size: int) -> None:
    found = allocate(FOUR, size, method=method)["sample"]
    assert found.sum() == size
    assert (found <= FOUR["customers"]).all()
    assert (found >= 2).all()


def test_in_proportion_every_customer_counts_the_same() -> None:
    assert allocate(FOUR, 100)["sample"].tolist() == [40, 30, 20, 10]


def test_a_stratum_that_would_give_more_than_it_has_gives_all() -> None:
    assert allocate(FOUR, 600, method="neyman")["sample"].tolist() == [222, 167, 111, 100]


def test_equal_fractions_go_to_the_first_stratum() -> None:
    strata = pd.DataFrame({"customers": [10, 10, 10, 10]})
    assert allocate(strata, 10)["sample"].tolist() == [3, 3, 2, 2]


def test_a_stratum_where_all_answer_alike_is_asked_little_but_asked() -> None:
    strata = pd.DataFrame({"customers": [100, 100], "spread": [0.0, 1.0]})
    assert allocate(strata, 20, method="neyman")["sample"].tolist() == [2, 18]
    assert allocate(strata, 150, method="neyman")["sample"].tolist() == [50, 100]


def test_a_stratum_smaller_than_the_least_gives_all_it_has() -> None:
    strata = pd.DataFrame({"customers": [100, 1]})
    assert allocate(strata, 10, at_least=5)["sample"].tolist() == [9, 1]


def test_neymans_allocation_has_the_smallest_variance_of_all() -> None:
    strata = pd.DataFrame({"customers": [12, 8, 10], "spread": [1.0, 4.0, 2.0]})

    def variance(sample: tuple[int, ...]) -> float:
        n, size, spread = np.array(sample), strata["customers"], strata["spread"]
        return float((size**2 * spread**2 / n * (1 - n / size)).sum())

    every = [(a, b, 12 - a - b) for a in range(2, 9) for b in range(2, 9) if 2 <= 12 - a - b <= 10]
    best = min(every, key=variance)
    assert allocate(strata, 12, method="neyman")["sample"].tolist() == list(best)


@pytest.mark.parametrize(
    ("strata", "size", "message"),
    [
        (FOUR, 1001, "1,001 answers cannot come from 1,000 customers"),
        (FOUR, 7, "at least 8 answers"),
        (FOUR.assign(customers=[400, 300, 200, 0]), 50, "at least one customer"),
        (FOUR.assign(spread=[1, 1, 1, None]), 50, "none may be missing"),
    ],
)
def test_an_impossible_allocation_is_refused(strata: pd.DataFrame, size: int, message: str) -> None:
    with pytest.raises(CrmlabError, match=message):
        allocate(strata, size, method="neyman")


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UnknownName, match="optimal"):
        allocate(FOUR, 100, method="optimal")


# --- the plan


def test_customer_groups_counts_each_combination_also_what_is_not_given() -> None:
    customers = pd.DataFrame(
        {
            "customer_id": ["1", "2", "3", "4"],
            "tier": ["key", "key", "general", None],
            "region": ["N", "N", "N", "S"],
        }
    )
    found = from_frames({"customers": customers}).query("customer_groups")
    assert found["customers"].sum() == 4
    by_tier = found.groupby("tier", dropna=False)["customers"].sum()
    assert by_tier["key"] == 2
    assert by_tier[by_tier.index.isna()].tolist() == [1]
    assert found["scope"].isna().all()


def test_neymans_rule_asks_more_where_answers_differ_more() -> None:
    crm = surveyed({"key": [1, 5] * 10, "general": [3, 4] * 10})
    result = sample_plan(crm, size=60)
    table = result.table.set_index("tier")
    assert table["proportional"].tolist() == [30, 30]
    assert table.loc["key", "spread"] == pytest.approx(4 * table.loc["general", "spread"])
    assert table.loc[["key", "general"], "neyman"].tolist() == [48, 12]
    errors = result.plans["error"]
    assert errors["neyman"] < errors["proportional"] < errors["random"]
    assert result.enough < 60
    assert "instead of 60" in result.reading()
    assert "saves" in result.title()


def test_the_answers_said_to_suffice_by_neymans_rule_do() -> None:
    crm = surveyed({"key": [1, 5] * 10, "general": [3, 4] * 10}, customers=1000)
    result = sample_plan(crm, size=400)
    error = result.plans.loc["proportional", "error"]
    enough = sample_plan(crm, size=result.enough).plans.loc["neyman", "error"]
    fewer = sample_plan(crm, size=result.enough - 4).plans.loc["neyman", "error"]
    assert enough <= error * 1.001
    assert fewer > error


def test_where_all_customers_are_asked_neymans_rule_saves_nothing() -> None:
    crm = surveyed({"key": [1, 5] * 10, "general": [3, 4] * 10}, customers=50)
    result = sample_plan(crm, size=100)
    assert result.plans["error"].tolist() == pytest.approx([0, 0, 0])
    assert (result.enough, result.saving) == (100, 0)
    assert (result.table[["margin_proportional", "margin_neyman"]] == 0).all(axis=None)


def test_where_spreads_are_equal_the_gain_is_said_to_be_nothing() -> None:
    crm = surveyed({"key": [1, 5, 3] * 10, "general": [1, 5, 3] * 10})
    result = sample_plan(crm, size=60)
    assert "saves less than 2% of the answers" in result.title()
    assert "saves less than 2% of the answers" in result.reading()


def test_the_size_is_that_of_a_simple_random_sample_for_the_margin() -> None:
    crm = surveyed({"key": [1, 5, 3] * 10, "general": [1, 5, 3] * 10})
    result = sample_plan(crm, margin=0.2)
    assert result.plans.loc["random", "margin"] <= 0.2
    assert sample_plan(crm, size=result.size - 1).plans.loc["random", "margin"] > 0.2


def test_internal_customers_and_those_of_no_stratum_are_left_out_and_counted() -> None:
    crm = surveyed({"key": [1, 5] * 10, "general": [3, 4] * 10})
    customers = crm.customers.assign(scope="external")
    customers.loc[:4, "scope"] = "internal"
    customers.loc[5:7, "tier"] = None
    surveys = crm.surveys.assign(overall=crm.surveys["overall"].where(crm.surveys.index > 20))
    result = sample_plan(from_frames({"customers": customers, "surveys": surveys}), size=40)
    assert result.table["customers"].sum() == 192
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found["internal"] == 5
    assert found["stratum not known"] == 3
    assert found["without overall satisfaction"] == 21


def test_answers_of_internal_customers_do_not_count():
    crm = surveyed({"key": [1, 5] * 10 + [3] * 20, "general": [3, 4] * 10})
    inside = {f"key{i}" for i in range(20, 40)}
    customers = crm.customers.assign(scope="external")
    customers.loc[customers["customer_id"].isin(inside), "scope"] = "internal"
    both = from_frames({"customers": customers, "surveys": crm.surveys})
    result = sample_plan(both, size=40)
    key = result.table.set_index("tier").loc["key"]
    assert (key["customers"], key["answers"]) == (80, 20)
    assert key["spread"] == pytest.approx(np.std([1, 5] * 10, ddof=1))
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found == {"of a customer in no stratum": 20, "internal": 20}
    assert sample_plan(both, by="scope", size=40).table["answers"].sum() == 60


def test_a_margin_that_two_of_each_stratum_surpass_is_not_said_to_need_them():
    result = sample_plan(surveyed({"key": [1, 5] * 10, "general": [3, 4] * 10}), margin=4)
    assert (result.size, result.margin) == (4, None)
    assert "The answers of 4 of 200 customers" in result.reading()
    assert "have to answer" not in result.reading()


def test_a_stratum_of_one_answer_takes_the_spread_of_all() -> None:
    result = sample_plan(surveyed({"key": [1, 5] * 10, "general": [3]}), size=40)
    assert result.borrowed == 1
    assert "1 stratum has fewer than two answers" in result.reading()
    assert result.table["spread"].notna().all()


def test_one_stratum_alone_has_no_plans_to_compare() -> None:
    assert "Neyman" not in sample_plan(surveyed({"key": [1, 5] * 10}), size=40).reading()


def test_answers_that_are_all_alike_plan_nothing() -> None:
    with pytest.raises(NotEnoughData, match="answered alike"):
        sample_plan(surveyed({"key": [4] * 10}))


def test_without_a_tier_the_column_is_named() -> None:
    crm = surveyed({"key": [1, 5] * 10})
    bare = from_frames({"customers": crm.customers.drop(columns="tier"), "surveys": crm.surveys})
    with pytest.raises(MissingColumns, match=r"customers\.tier"):
        sample_plan(bare)
    with pytest.raises(UnknownName, match="Strata are made by one of"):
        sample_plan(bare, by="wave")


@pytest.mark.parametrize("by", ["tier", "customer_region", "industry"])
def test_the_bundled_company_is_planned(company: Workspace, by: str) -> None:
    result = sample_plan(company, by=by)
    customers = company.customers
    column = "region" if by == "customer_region" else by
    external = customers[customers["scope"] != "internal"]
    expected = external[column].value_counts().to_dict()
    assert result.table.set_index(by)["customers"].to_dict() == expected
    assert result.table[["proportional", "neyman"]].sum().tolist() == [result.size] * 2
    assert (result.table["low"] < result.table["mean"]).all()


def test_it_is_drawn_and_told_in_both_languages(company: Workspace) -> None:
    result = sample_plan(company)
    table = result.table.set_index("tier")
    for language, key in (("en", "Key"), ("zh_CN", shown_in("zh_CN", "key"))):
        set_language(language)
        axes = result.plot()
        assert [label.get_text() for label in axes.get_yticklabels()][-1] == key
        widths = [bar.get_width() for bars in axes.containers for bar in bars]
        assert widths == [*table["proportional"], *table["neyman"]]
        assert f"{key} {table.loc['key', 'proportional']}" in result.alt()
    assert re.search("[一-鿿]", result.reading())
    assert re.search("[一-鿿]", result.definition.denominator)


def shown_in(language: str, tier: str) -> str:
    with speaking(language):
        return shown("tier").values[tier]


# --- the explorer


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch, company: Workspace) -> dict:
    found: dict = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: found.update(
            figure=figure, move=move, words=words, controls=controls
        ),
    )
    explore_sample_size(company)
    return found


def test_the_explorer_follows_its_controls(caught: dict) -> None:
    axes = caught["figure"].axes[0]
    caught["move"](margin=0.05, population=1000, share=0.5, confidence=0.95)
    unlimited, curve, _guide, point = (dict(np.transpose(line.get_data())) for line in axes.lines)
    assert point == {0.05: 278}
    assert [text.get_text() for text in axes.texts] == ["278"]
    there = pytest.approx(0.05)
    assert [size for margin, size in curve.items() if margin == there] == [278]
    assert [size for margin, size in unlimited.items() if margin == there] == [385]
    assert "278 answers of 1,000" in caught["words"](0.05, 1000, 0.5, 0.95)
    caught["move"](margin=0.01, population=0, share=0.5, confidence=0.99)
    assert [text.get_text() for text in axes.texts] == ["16,588"]
    assert "16,588 answers, however many" in caught["words"](0.01, 0, 0.5, 0.99)


def test_the_explorer_begins_with_the_customers_there_are(caught: dict, company: Workspace) -> None:
    assert caught["controls"]["population"].value == company.rows("customers")
