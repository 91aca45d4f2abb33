"""Thresholds of the tiers: who is in which tier by a table of rules, and what that brings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.stats.tiers import tier_rules
from crmlab.tiering import thresholds


def workspace(amounts, tiers=None):
    customers = [f"C{i}" for i in range(len(amounts))]
    orders = pd.DataFrame(
        {
            "order_id": [str(i) for i in range(len(amounts))],
            "customer_id": customers,
            "ordered_at": ["2024-01-01", *["2024-12-30"] * (len(amounts) - 1)],
            "amount": amounts,
        }
    )
    frames = {"orders": orders}
    if tiers is not None:
        frames["customers"] = pd.DataFrame({"customer_id": customers, "tier": tiers})
    return from_frames(frames)


@pytest.fixture
def forty():
    """Forty customers who bring 1 to 40 in a period of 365 days."""
    return workspace([float(amount) for amount in range(1, 41)])


def test_shares_of_the_tiers_add_up_to_all_customers_and_all_revenue(forty):
    table = thresholds(forty).table
    assert table["customers"].sum() == 40
    assert table["share"].sum() == pytest.approx(1)
    assert table["revenue_share"].sum() == pytest.approx(1)
    assert table["revenue"].sum() == pytest.approx(820)


def test_by_rank_the_first_five_percent_are_key(forty):
    key = thresholds(forty).table.iloc[0]
    assert (key["tier"], key["customers"], key["revenue"]) == ("key", 2, pytest.approx(79))


def test_the_thresholds_written_into_the_rules_are_used(forty):
    rules = tier_rules().assign(at_least=[30.0, 20.0, np.nan])
    table = thresholds(forty, rules=rules).table
    # 12 months have 365.25 days, the period 365: an amount of 20 is 20.01 a year.
    assert table["customers"].tolist() == [11, 10, 19]
    assert table["at_least"].iloc[:2].tolist() == [30.0, 20.0]
    assert np.isnan(table["at_least"].iloc[2])


def test_intervals_hold_the_shares(forty):
    table = thresholds(forty).table
    assert ((table["low"] < table["share"]) & (table["share"] < table["high"])).all()
    inside = table["revenue_share"].between(table["revenue_low"], table["revenue_high"])
    assert inside.all()


def test_customers_whom_the_rules_move_are_counted():
    tiers = ["general"] * 37 + ["potential"] + ["key", "general"]
    found = thresholds(workspace([float(amount) for amount in range(1, 41)], tiers))
    # C39, the second key customer by rank, is given as general.
    assert found.moved.loc["general", "key"] == 1
    assert found.moved.to_numpy().sum() == 40
    same = int(np.trace(found.moved.to_numpy()))
    assert f"{same} have the same tier by these rules, {40 - same} a better one" in found.reading()


def test_tiers_that_the_rules_do_not_know_are_not_compared():
    found = thresholds(workspace([1.0, 2.0, 3.0], ["gold", "key", None]))
    assert found.moved.to_numpy().sum() == 1


def test_without_given_tiers_nothing_is_said_of_them(forty):
    assert thresholds(forty).moved.empty
    assert "has given" not in thresholds(forty).reading()


def test_the_definition_says_where_the_thresholds_come_from(forty):
    assert "Tiers by revenue in 12 months: Key from" in thresholds(forty).definition.method


def test_customers_who_bring_nothing_together_have_no_thresholds():
    with pytest.raises(NotEnoughData):
        thresholds(workspace([-5.0, 0.0]))


def test_a_picture_labels_every_bar_and_nothing_leaves_it(company):
    found = thresholds(company)
    axes = found.plot()
    assert len(axes.texts) == 2 * len(found.table)
    axes.figure.canvas.draw()
    right = axes.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right for text in axes.texts)


def test_on_the_company_rank_and_given_tier_agree_for_most_but_not_all(company):
    moved = thresholds(company).moved
    agree = np.trace(moved.to_numpy()) / moved.to_numpy().sum()
    assert 0.75 < agree < 0.95


def test_given_tiers_of_other_names_are_not_compared_with_those_of_the_rules():
    frame = pd.DataFrame(
        {"order_id": list("123"), "customer_id": list("ABC"), "amount": [9.0, 5.0, 1.0],
         "ordered_at": "2025-01-01"}
    )  # fmt: skip
    customers = pd.DataFrame({"customer_id": list("ABC"), "tier": ["gold", "silver", "silver"]})
    found = thresholds(from_frames({"orders": frame, "customers": customers}))
    assert found.moved.empty
    assert "the company has given" not in found.reading()
