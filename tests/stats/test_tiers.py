"""Tier rules: what a table of rules does to customers, and which tables are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import set_language
from crmlab.stats.tiers import (
    assign,
    customer_tiers,
    known_tiers,
    per_year,
    tier_names,
    tier_rules,
    with_thresholds,
)


@pytest.fixture
def rules() -> pd.DataFrame:
    return tier_rules()


def workspace(customers: pd.DataFrame | None = None, amounts=(100.0, 60.0, 5.0)):
    orders = pd.DataFrame(
        {
            "order_id": [str(i) for i in range(len(amounts))],
            "customer_id": list("ABCDEFGH"[: len(amounts)]),
            "ordered_at": ["2024-01-01", *["2024-12-31"] * (len(amounts) - 1)],
            "amount": amounts,
            "cost": [0.5 * amount for amount in amounts],
        }
    )
    frames = {"orders": orders}
    return from_frames(frames if customers is None else frames | {"customers": customers})


# --- thresholds


def test_a_blank_threshold_is_the_value_at_the_rank(rules):
    filled = with_thresholds(np.arange(1.0, 41.0), rules)
    assert filled["at_least"].tolist() == [39.0, 33.0, -np.inf]


def test_a_share_that_is_no_whole_number_of_customers_is_rounded_up(rules):
    assert with_thresholds([10.0, 20.0, 30.0], rules)["at_least"].tolist() == [30.0, 30.0, -np.inf]


def test_a_fifth_of_a_hundred_is_twenty_although_binary_fractions_say_otherwise(rules):
    assert with_thresholds(np.arange(1.0, 101.0), rules)["at_least"].iloc[1] == 81.0


def test_customers_who_brought_nothing_are_not_ranked(rules):
    with_zeros = with_thresholds([*range(1, 41), *[0.0] * 1000, -5.0], rules)
    assert with_zeros["at_least"].tolist() == [39.0, 33.0, -np.inf]


def test_a_threshold_that_is_written_wins_over_the_share(rules):
    filled = with_thresholds(np.arange(1.0, 41.0), rules.assign(at_least=[38.5, 20.0, np.nan]))
    assert filled["at_least"].tolist() == [38.5, 20.0, -np.inf]


def test_nobody_to_rank_is_said(rules):
    with pytest.raises(NotEnoughData, match="there are none"):
        with_thresholds([0.0, 0.0], rules)


# --- tiers of values


def test_who_brings_exactly_the_threshold_is_in_the_tier(rules):
    filled = rules.assign(at_least=[100.0, 10.0, -np.inf])
    tiers = assign(pd.Series([100.0, 99.99, 10.0, 9.99, -3.0]), filled)
    assert tiers.tolist() == ["key", "potential", "potential", "general", "general"]


def test_equal_customers_are_never_parted(rules):
    values = pd.Series([50.0] * 10 + [1.0] * 90)
    tiers = assign(values, with_thresholds(values, rules))
    assert set(tiers[values == 50.0]) == {"key"}


def test_a_value_that_is_not_known_gives_the_last_tier(rules):
    filled = rules.assign(at_least=[100.0, 10.0, -np.inf])
    assert assign(pd.Series([np.nan]), filled).tolist() == ["general"]


# --- tables that are refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rules: rules.drop(columns="at_least"), "at_least"),
        (lambda rules: rules.head(0), "at least one row"),
        (lambda rules: rules.assign(tier="key"), "key twice"),
        (
            lambda rules: rules.assign(customers_share=[np.nan, 0.15, np.nan]),
            "tier key has neither",
        ),
        (lambda rules: rules.assign(customers_share=[0.9, 0.9, np.nan]), "add up to 180"),
        (lambda rules: rules.assign(customers_share=[-0.1, 0.9, np.nan]), "above 0"),
        (lambda rules: rules.assign(at_least=[5.0, 50.0, np.nan]), "potential asks for 50"),
    ],
)
def test_rules_that_cannot_be_applied_are_refused_with_the_reason(rules, change, said):
    with pytest.raises(CrmlabError, match=said):
        with_thresholds(np.arange(1.0, 41.0), change(rules))


def test_the_book_s_rules_are_handed_out_as_a_copy(rules):
    rules.loc[0, "tier"] = "changed"
    assert tier_rules()["tier"].tolist() == ["key", "potential", "general"]


# --- customers


def test_money_counts_by_twelve_months_whatever_the_period():
    crm = workspace()
    assert per_year(crm) == pytest.approx(365.25 / 366)
    tiers = customer_tiers(crm)
    assert tiers.table["value"].tolist() == pytest.approx(
        [100 * 365.25 / 366, 60 * 365.25 / 366, 5 * 365.25 / 366]
    )


def test_profit_is_amount_less_cost():
    tiers = customer_tiers(workspace(), value="profit")
    assert tiers.table["value"].iloc[0] == pytest.approx(50 * 365.25 / 366)


def test_a_tier_that_the_company_has_given_wins_and_the_others_are_computed():
    customers = pd.DataFrame({"customer_id": list("ABC"), "tier": ["general", None, "key"]})
    tiers = customer_tiers(workspace(customers))
    assert tiers.table["tier"].tolist() == ["general", "general", "key"]
    assert tiers.table["given"].tolist() == [True, False, True]
    assert tiers.words().startswith("2 of 3 customers have the tier that the company has given")


def test_given_tiers_can_be_set_aside():
    customers = pd.DataFrame({"customer_id": list("ABC"), "tier": ["general", None, "key"]})
    tiers = customer_tiers(workspace(customers), given=False)
    assert tiers.table["tier"].tolist() == ["key", "general", "general"]


def test_a_customer_without_orders_brings_nothing_and_is_counted():
    customers = pd.DataFrame({"customer_id": list("ABCD")})
    table = customer_tiers(workspace(customers)).table.set_index("customer_id")
    assert table.loc["D", ["tier", "value"]].tolist() == ["general", 0.0]


def test_a_tier_of_the_company_s_own_comes_before_the_first_that_brings_less():
    customers = pd.DataFrame({"customer_id": list("ABC"), "tier": ["gold", "silver", "key"]})
    tiers = customer_tiers(workspace(customers))
    assert tiers.order == ["gold", "silver", "key"]
    assert tiers.names()["gold"] == "gold"


def test_the_tiers_of_the_rules_keep_their_order_whatever_they_bring():
    customers = pd.DataFrame({"customer_id": list("ABC"), "tier": ["general", "gold", "key"]})
    assert customer_tiers(workspace(customers)).order == ["gold", "key", "general"]


def test_thresholds_are_said_in_money():
    words = customer_tiers(workspace()).words()
    assert words.startswith("Tiers by revenue in 12 months: Key from")
    assert words.endswith("the rest General.")


def test_tiers_go_by_revenue_or_profit_only():
    with pytest.raises(CrmlabError, match="'weight'"):
        customer_tiers(workspace(), value="weight")


def test_without_money_nobody_has_a_known_tier():
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2024-01-01"]})
    assert known_tiers(from_frames({"orders": orders})) is None
    assert known_tiers(workspace(amounts=(0.0, -5.0))) is None
    assert known_tiers(workspace()).order == customer_tiers(workspace()).order


def test_labels_follow_the_language():
    set_language("zh_CN")
    try:
        assert tier_names()["potential"] == "潜力客户"
    finally:
        set_language("en")


def test_on_the_company_the_tiers_are_the_given_ones(company):
    tiers = customer_tiers(company)
    assert tiers.table["given"].all()
    shares = tiers.table["tier"].value_counts(normalize=True)
    assert shares["key"] == pytest.approx(0.05, abs=0.001)
    assert tiers.words() == "Tiers as the company has given them."
