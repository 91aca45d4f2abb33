"""The decision: what a promise costs against what the customers it may keep are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns
from crmlab.tiering import clv, policy, promise_cost, service_promises, thresholds
from crmlab.tiering.policy import _judged


@pytest.fixture(scope="module")
def decided(company):
    return policy(company, resamples=199)


def tier(**changes) -> pd.DataFrame:
    """One tier whose promise costs 100 more than today and whose customers kept are worth 50."""
    row = {
        "tier": "key", "at_least": 1.0, "customers": 20, "margin": 500.0, "promise_cost": 130.0,
        "extra_cost": 100.0, "whole": True,
        "active": 20, "kept": 50.0, "kept_low": 40.0, "kept_high": 80.0,
        "retention": 0.8, "retention_low": 0.7, "retention_high": 0.85,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_a_promise_pays_by_keeping_its_cost_over_the_value_of_a_customer():
    row = _judged(tier()).iloc[0]
    assert row["break_even"] == pytest.approx(100 / 50)
    assert (row["break_even_low"], row["break_even_high"]) == pytest.approx((100 / 80, 100 / 40))
    assert row["lost"] == pytest.approx(4)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "possible"),  # at most 2.5 are needed, at least 3 are lost
        ({"kept_low": 20.0}, "unclear"),  # up to 5 are needed
        ({"kept_low": -5.0}, "unclear"),  # a value that may be zero needs any number
        ({"kept": -5.0, "kept_low": -20.0}, "unclear"),
        ({"extra_cost": 1000.0}, "impossible"),  # 12.5 at least, 6 lost at most
        ({"extra_cost": 1000.0, "whole": False}, "impossible"),  # and more, if all were costed
        ({"whole": False}, "unclear"),  # part of the promise has no cost
        ({"extra_cost": 0.0}, "free"),
        ({"extra_cost": 0.0, "whole": False}, "unclear"),
        ({"kept": -10.0, "kept_low": -20.0, "kept_high": -5.0}, "worthless"),
        ({"kept": np.nan, "kept_low": np.nan, "kept_high": np.nan}, "not_known"),
        ({"extra_cost": np.nan}, "not_known"),
    ],
)
def test_a_verdict_allows_for_both_intervals(changes, verdict):
    assert _judged(tier(**changes))["pays"].tolist() == [verdict]


def test_where_a_customer_may_be_worth_nothing_there_is_no_upper_end():
    assert _judged(tier(kept_low=-5.0))["break_even_high"].tolist() == [np.inf]


def test_the_tiers_follow_from_the_rules_and_not_from_what_the_company_has_given(company, decided):
    by_rule = thresholds(company, resamples=199).table
    assert decided.table["customers"].tolist() == by_rule["customers"].tolist()
    assert decided.table["at_least"].iloc[0] == pytest.approx(by_rule["at_least"].iloc[0])
    assert not decided.promise.tiers.table["given"].any()
    assert decided.lifetime.given is False


def test_cost_and_value_are_those_of_the_measures_it_is_made_of(company, decided):
    rules = decided.thresholds.tiers.rules
    cost = promise_cost(company, rules=rules, given=False).table["promise_cost"]
    assert decided.table["promise_cost"].tolist() == pytest.approx(cost.tolist())
    worth = clv(company, rules=rules, given=False, resamples=199).table
    staying = worth["clv"] / worth["retention"]
    assert decided.table["kept"].tolist() == pytest.approx(staying.tolist())
    needed = decided.table["extra_cost"] / staying
    assert decided.table["break_even"].tolist() == pytest.approx(needed.tolist())


def test_what_is_done_today_is_not_charged_a_second_time(company, decided):
    table, cost = decided.table.iloc[0], decided.promise.table.iloc[0]
    visits = company.settings.activity_costs["contact.visit"] * cost["visits_today"]
    calls = company.settings.activity_costs["contact.phone"] * cost["calls_today"]
    contacts = (visits + calls) * cost["customers"]
    saved = table["promise_cost"] - table["extra_cost"]
    # The rest is what handling the tier's complaints costs today, at most the cost of the desk.
    assert contacts < saved <= contacts + cost["desk_cost"]


def test_a_promise_of_what_is_done_anyway_costs_nothing_more(company):
    less = service_promises().assign(
        visits_per_year=0.5, calls_per_year=0.5, customers_per_manager=np.nan, answered_share=0.0
    )
    found = policy(company, promises=less, staff_salary=1.0, resamples=29)
    row = found.table.set_index("tier").loc["key"]
    assert (row["extra_cost"], row["pays"]) == (0, "free")
    assert "nobody need be kept" in found.reading()
    found.plot()


def test_a_customer_kept_is_worth_a_sure_profit_and_what_follows_from_it():
    # 80 a year, retention 0.8, discount 0.1: 80/1.1 + 80·0.8/1.1² + … = 80 / 0.3.
    year = [f"2024-{month:02d}-15" for month in range(1, 11)]
    days = [*year, *[day.replace("2024", "2025") for day in year[:8]]]
    names = [*"ABCDEFGHIJ", *"ABCDEFGH"]
    orders = pd.DataFrame({"order_id": range(18), "customer_id": names, "ordered_at": days})
    orders = orders.astype({"order_id": str}).assign(amount=100.0, cost=20.0)
    end = pd.DataFrame({"order_id": ["a", "b"], "customer_id": [None, None],
                        "ordered_at": ["2024-01-01", "2025-12-31"]})  # fmt: skip
    found = clv(from_frames({"orders": pd.concat([orders, end])}), resamples=29)
    assert found.table["clv"].tolist() == pytest.approx([80 * 0.8 / 0.3])
    assert found.kept["kept"].tolist() == pytest.approx([80 / 0.3])


def test_no_number_is_written_that_is_not_there(decided):
    table = decided.table.assign(
        break_even=np.nan, break_even_high=np.inf, pays="unclear", promise_cost=np.nan
    )
    assert "nan" not in decided._judged(table.iloc[0]).lower()
    assert "is not stated" in decided._of_tier(table.iloc[0])
    nobody = decided._of_tier(table.assign(customers=0).iloc[0])
    assert nobody == "Key: no customer is in it, so nothing is promised."


def test_a_dearer_promise_needs_more_customers_kept(company, decided):
    dearer = service_promises()
    dearer.loc[dearer["tier"] == "key", "visits_per_year"] += 20
    more = policy(company, promises=dearer, resamples=199).table.iloc[0]
    assert more["break_even"] > decided.table["break_even"].iloc[0]


def test_every_tier_is_judged_in_words(decided):
    reading = decided.reading()
    assert all(f"{name}: the promise" in reading for name in ("Key", "Potential", "General"))
    assert "no figure here says" in reading


def test_an_open_end_is_not_written_as_a_number(decided):
    table = decided.table.assign(break_even_high=np.inf)
    words = decided._judged(table.iloc[0])
    assert "or more) who would leave" in words
    assert "∞" not in words


def test_without_costs_there_is_no_decision():
    orders = pd.DataFrame(
        {"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-01-01"], "amount": [1.0]}
    )
    with pytest.raises(MissingColumns, match=r"orders\.cost"):
        policy(from_frames({"orders": orders}))


def test_the_picture_shows_a_bar_for_every_tier_that_is_judged(decided):
    axes = decided.plot()
    assert len(axes.patches) == decided.table["break_even"].notna().sum()
    assert axes.get_xlim()[0] == 0
