"""How long customers stay: the measure."""

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.simulate import effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.loyalty.stays import MONTH
from crmlab.loyalty.survival import survival
from crmlab.stats.clustered import poisson
from crmlab.stats.intervals import wilson

AS_OF = "2025-12-31"


def workspace(customers, orders=None):
    if orders is None:
        orders = [("x", "2024-01-01", 10.0)]
    frame = pd.DataFrame(orders, columns=["customer_id", "ordered_at", "amount"])
    tables = {"orders": frame.assign(order_id=frame.index.astype(str))}
    if customers:
        tables["customers"] = pd.DataFrame(customers)
    return from_frames(tables, as_of=AS_OF)


def contract(customer, begins, ends, tier="general", **more):
    return {
        "customer_id": customer,
        "contract_from": begins,
        "contract_to": ends,
        "tier": tier,
        **more,
    }


SIX = [
    contract("a", "2024-01-01", "2024-06-30", "key"),
    contract("b", "2024-01-01", None, "key"),
    contract("c", "2024-01-01", "2024-03-31"),
    contract("d", "2024-01-01", "2025-03-31"),
    contract("e", "2024-01-01", None),
    contract("f", "2025-07-01", None),
]


def test_each_group_has_its_counts_its_rate_and_its_curve():
    table = survival(workspace(SIX)).table.set_index("tier")
    assert table.index.tolist() == ["key", "general"]
    assert table["customers"].tolist() == [2, 4]
    assert table["events"].tolist() == [1, 2]
    # Days with a contract: 182 + 731, and 91 + 456 + 731 + 184.
    months = np.array([182 + 731, 91 + 456 + 731 + 184]) / MONTH
    np.testing.assert_allclose(table["person_months"], months)
    np.testing.assert_allclose(table["leaving"], [1, 2] / months)
    low, high = poisson(2, months[1])
    assert table.loc["general", ["low", "high"]].tolist() == pytest.approx([low, high])
    # c leaves among four; f is watched 184 days; d leaves among two.
    assert table["stay_12"].tolist() == pytest.approx([0.5, 0.75])
    assert table["stay_24"].tolist() == pytest.approx([0.5, 0.375])
    assert table["median_months"].tolist() == pytest.approx([182 / MONTH, 456 / MONTH])


def test_what_was_not_watched_so_long_is_missing_and_said():
    found = survival(
        workspace([contract("a", "2025-07-01", None), contract("b", "2025-08-01", None)])
    )
    assert found.table[["stay_12", "stay_24", "median_months"]].isna().all(axis=None)
    assert "after 12 months is not known of any group" in found.reading()
    assert "after 12 months is not known of any group" in found.alt()
    assert found.title() == "0 of 2 customers have left so far"
    assert found.table["low"].tolist() == [0]
    assert found.plot() is not None


def test_a_share_without_an_interval_is_said_without_one():
    # Both contracts of the north ended after two years: nothing ends within the first.
    rows = [contract(f"{i}", "2024-01-01", "2025-12-31", region="North") for i in range(2)]
    rows += [contract(f"n{i}", "2025-09-01", None, region="New") for i in range(2)]
    found = survival(workspace(rows), by="region")
    assert found.title() == "Stay 12 months: North 100%"
    for said in (found.reading(), found.alt()):
        assert "–" not in said
        assert "North 100.0% (nobody's time had ended by then, so there is no interval)." in said
        assert "It is not known of: New." in said
    assert "In brackets" not in found.reading()


def test_a_group_alone_is_not_said_to_lack_customers_to_compare():
    found = survival(workspace([contract("a", "2024-01-01", None)]))
    assert "There is but one group, so none is compared." in found.reading()


def test_groups_that_stay_alike_are_each_named_in_the_title():
    rows = [
        contract(f"{region}{end}", "2024-01-01", end, region=region)
        for region in ("North", "South")
        for end in ("2024-06-30", None)
    ]
    found = survival(workspace(rows), by="region")
    assert found.title() == "Stay 12 months: North 50%, South 50%"


def test_of_a_beginning_that_nobody_saw_nothing_is_said():
    # Both contracts had run for a year as the data began; one ended half a year later.
    old = [contract("a", "2023-01-01", "2024-06-30"), contract("b", "2023-01-01", None)]
    found = survival(workspace(old), by=None)
    assert np.isnan(found.table["stay_12"].iloc[0])
    assert found.table["stay_24"].iloc[0] == 0.5
    assert "only after: all customers 12.0 months" in found.reading()
    assert (
        "only after" not in survival(workspace([*old, contract("c", "2024-02-01", None)])).reading()
    )


def test_all_together_have_one_row_and_no_test():
    found = survival(workspace(SIX), by=None)
    assert found.table["customers"].tolist() == [6]
    assert found.test is None
    assert "log-rank" not in found.reading()
    assert found.title() == "After 12 months 67% of the customers have stayed"


def test_groups_that_cannot_be_compared_are_said():
    found = survival(
        workspace([contract("a", "2025-01-01", None), contract("b", "2025-01-01", None, "key")])
    )
    assert found.test is None
    assert "cannot be compared" in found.reading()


def test_pairs_are_compared_only_if_asked_for_and_corrected():
    random = np.random.default_rng(1)
    ends = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        random.exponential(100, 90).round(), unit="D"
    )
    more = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        random.exponential(900, 90).round(), unit="D"
    )
    rows = [contract(f"a{i}", "2024-01-01", end, region="North") for i, end in enumerate(ends)]
    rows += [contract(f"b{i}", "2024-01-01", end, region="South") for i, end in enumerate(more)]
    rows += [contract(f"c{i}", "2024-01-01", end, region="East") for i, end in enumerate(more)]
    crm = workspace(rows)
    assert survival(crm, by="region").pairs.empty
    assert "survival(pairs=True) compares each two" in survival(crm, by="region").reading()
    pairs = survival(crm, by="region", pairs=True).pairs
    chance = pairs["probability"].to_numpy()
    assert pairs["differs"].sum() == 2
    assert pairs["corrected"].min() == pytest.approx(3 * chance.min())
    said = survival(crm, by="region", pairs=True).reading()
    assert "Corrected for 3 comparisons (Holm), these differ: North and South; " in said
    two = workspace([row for row in rows if row["region"] != "East"])
    assert "comparisons" not in survival(two, by="region", pairs=True).reading()


def test_a_pair_that_cannot_be_compared_is_not_counted_as_a_comparison():
    # The one of the west is watched from 12 months on, when the others have left.
    rows = [contract(f"n{i}", "2024-01-01", f"2024-0{i + 2}-01", region="North") for i in range(4)]
    rows += [contract(f"s{i}", "2024-01-01", f"2024-1{i}-01", region="South") for i in range(3)]
    rows += [contract("w", "2023-01-01", "2025-01-01", region="West")]
    found = survival(workspace(rows), by="region", pairs=True)
    known = found.pairs["probability"].notna()
    assert known.tolist() == [True, False, False]
    assert "cannot be compared" in found.reading()
    assert "By 1 comparison, these differ: North and South." in found.reading()


def test_contracts_put_the_rule_of_silence_to_the_test():
    customers = [
        contract("quiet", "2024-01-01", None),
        contract("buys", "2024-01-01", "2026-12-31"),
        contract("ended", "2024-01-01", "2024-12-31"),
        contract("ended but buys", "2024-01-01", "2025-06-30"),
        contract("just ended", "2024-01-01", "2025-12-01"),
        contract("never bought", "2024-01-01", "2025-01-01"),
    ]
    orders = [("quiet", "2024-01-05", 1.0), ("quiet", "2025-12-05", 1.0)]
    orders += [("ended", "2024-12-05", 1.0)]
    for month in pd.date_range("2024-01-05", AS_OF, freq="MS"):
        orders += [
            (name, f"{month:%Y-%m-%d}", 1.0) for name in ("buys", "ended but buys", "just ended")
        ]
    crm = workspace(customers, orders)
    found = survival(crm, setting="silence")
    assert found.check == (2, 1, 2, 1)
    low, _high = wilson(1, 2)
    said = f"50.0% ({100 * float(low):.1f}% to"
    assert said in found.reading()
    assert said not in survival(crm).reading()  # of contracts alone nobody needs to know it


def test_silence_says_how_many_came_back():
    orders = [("a", "2024-01-01", 1.0), ("a", "2025-12-01", 1.0), ("b", "2024-01-01", 1.0)]
    found = survival(workspace([], orders), by=None)
    assert found.table["events"].tolist() == [2]
    assert "Of 2 customers counted as having left, 1 (50.0%) bought again later" in found.reading()


def test_without_tiers_or_money_all_are_looked_at_together():
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["a"], "ordered_at": ["2024-01-01"]})
    assert survival(from_frames({"orders": orders}, as_of=AS_OF)).table["customers"].tolist() == [1]


def test_without_orders_or_contracts_it_is_left_out_by_name():
    crm = from_frames({"customers": pd.DataFrame({"customer_id": ["a"]})})
    with pytest.raises(MissingColumns, match=r"loyalty\.survival"):
        survival(crm)


def test_wrong_options_are_said():
    with pytest.raises(CrmlabError, match="confidence"):
        survival(workspace(SIX), confidence=95)
    with pytest.raises(NotEnoughData, match="Nothing is known of colour"):
        survival(workspace(SIX), by="colour")


def test_no_more_than_all_are_said_to_leave_in_a_month():
    found = survival(workspace([*SIX, contract("g", "2025-12-01", None, "potential")]))
    assert found.table.set_index("tier").loc["potential", "high"] > 1
    assert "Potential 0.0% (0.0% to 100.0%; 0 in 1 months)" in found.reading()


def test_curves_of_few_customers_are_drawn_to_the_end():
    found = survival(workspace(SIX), setting="contract")
    line = found.plot().get_lines()[0]
    assert found.curves["key"]["at_risk"].tolist() == [2, 1]
    assert line.get_xdata()[-1] == pytest.approx(found.curves["key"]["time"].iloc[-1] / MONTH)


def test_many_groups_are_drawn_in_part_and_are_all_in_the_table():
    rows = [contract(f"{i}", "2024-01-01", None, region=f"R{i % 9}") for i in range(40)]
    found = survival(workspace(rows), by="region")
    assert len(found.table) == 9
    assert len(found.plot().get_legend().get_texts()) == 6


@pytest.mark.parametrize("student", ["", "20261234"])
def test_the_rates_of_leaving_are_recovered_from_contracts(student, company):
    crm = crmlab.load(student=student) if student else company
    known = effects.effects_of(student) if student else effects.values()
    found = survival(crm, setting="contract")
    frame = found.groups.frame
    referred = crm.customers.set_index("customer_id")["referred_by"].notna()
    slower = np.exp(known["referral_churn"] * frame["customer_id"].map(referred))
    months = frame["time"] - frame["entry"]
    for row in found.table.itertuples():
        own = frame["tier"] == row.tier
        true = known[f"churn_{row.tier}"] * np.average(slower[own], weights=months[own])
        assert row.low < true < row.high, row.tier
