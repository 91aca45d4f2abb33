"""Repeat purchase: who is counted, who is not yet, and what the naive share does."""

import datetime as dt
from functools import partial

import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.repeat import repeat_purchase
from tests.loyalty.bought import workspace as of_purchases

workspace = partial(of_purchases, as_of="2025-12-31")


def test_the_share_is_of_customers_followed_for_all_the_days():
    crm = workspace(
        [
            ("A", "2025-01-01"), ("A", "2025-01-31"),  # 30 days later: in time
            ("B", "2025-01-01"), ("B", "2025-02-01"),  # 31: too late
            ("C", "2025-01-01"),
            ("D", "2025-12-01"),  # followed for exactly 30 days
            ("E", "2025-12-02"), ("E", "2025-12-05"),  # for 29, though back already
            ("F", "2025-12-02"),
        ]
    )  # fmt: skip
    result = repeat_purchase(crm, within=30)
    assert result.table[["customers", "retained"]].to_numpy().tolist() == [[4, 1]]
    assert result.overall["share"] == 0.25
    # Wilson (1927), of 1 in 4
    assert result.overall[["low", "high"]].tolist() == pytest.approx([0.0456, 0.6994], abs=1e-4)
    assert (result.recent, result.recent_again) == (2, 1)
    assert result.days.tolist() == [30]
    assert "Left out are 2 customers won so recently" in result.reading()
    assert result.definition.exclusions[0].count == 2


def test_the_naive_share_grows_with_the_data_and_the_rate_does_not():
    bought = [("A", "2025-01-01"), ("A", "2025-01-21"), ("B", "2025-01-01"), ("B", "2025-10-01")]
    crm = workspace(bought)
    result = repeat_purchase(crm, within=30)
    assert result.naive["share"].tolist() == [0.5, 1.0]
    assert result.naive["until"].tolist() == [pd.Timestamp(2025, 7, 2), pd.Timestamp(2025, 12, 31)]
    assert result.overall["share"] == 0.5
    assert repeat_purchase(workspace(bought[:3], as_of="2025-07-02"), within=30).overall[
        "share"
    ] == pytest.approx(0.5)
    assert "Had they ended on Jul 2, 2025, it would be 50.0%" in result.reading()


def test_two_orders_on_the_first_day_are_no_repeat_unless_asked_for():
    crm = workspace([("A", "2025-01-01 09:00"), ("A", "2025-01-01 17:00"), ("B", "2025-01-01")])
    assert repeat_purchase(crm).overall["retained"] == 0
    by_order = repeat_purchase(crm, occasion="order")
    assert by_order.overall["retained"] == 1
    assert by_order.days.tolist() == [0]


def test_refunds_do_not_make_a_repeat_and_zero_amounts_do():
    crm = workspace(
        [
            ("A", "2025-01-01"), ("A", "2025-01-05", -10.0),
            ("B", "2025-01-01"), ("B", "2025-01-05", 0.0),
            ("C", "2025-01-01", -5.0), ("C", "2025-01-03"), ("C", "2025-01-04"),
        ]
    )  # fmt: skip
    result = repeat_purchase(crm, within=10)
    assert result.overall[["customers", "retained"]].tolist() == [3, 2]
    assert sorted(result.days) == [1, 4]


def test_the_first_purchase_of_those_won_before_the_data_is_not_known():
    customers = {
        "customer_id": ["A", "B", "C", "D"],
        # B was won on the first day; C bought before it is said to have been; of D nothing is said.
        "acquired_on": ["2019-03-01", "2025-01-01", "2025-06-01", None],
    }
    bought = [("A", "2025-01-01"), ("A", "2025-01-02"), ("B", "2025-01-02"), ("C", "2025-01-03")]
    crm = workspace([*bought, ("D", "2025-02-01"), ("D", "2025-02-03")], customers=customers)
    result = repeat_purchase(crm)
    assert result.overall[["customers", "retained"]].tolist() == [3, 1]
    assert (result.found.older, result.found.undated) == (1, 1)
    assert "Of 1 customer the data do not say when they were won" in result.reading()
    assert {one.reason: one.count for one in result.definition.exclusions} == {
        "won before the first order of the data": 1
    }


def test_with_a_lead_those_seen_at_the_start_are_left_out_and_a_crowd_there_is_said():
    days = pd.date_range("2025-01-01", "2025-12-31")
    bought = [(f"old{n}", days[n % 20]) for n in range(200)]
    bought += [(f"new{n}", day) for n, day in enumerate(days[40:])]
    crm = workspace(bought)
    result = repeat_purchase(crm, within=30)
    assert "many of them may have bought before the data begin" in result.reading()
    later = repeat_purchase(crm, within=30, lead=30)
    assert later.found.early == 200
    assert "may have bought before" not in later.found.caution()
    assert later.overall["customers"] == sum(day <= pd.Timestamp(2025, 12, 1) for day in days[40:])


def test_a_purchase_late_in_the_evening_of_london_is_of_the_next_day_in_shanghai():
    times = pd.to_datetime(["2025-01-01 15:30", "2025-01-31 23:30"]).tz_localize("UTC")
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A", "ordered_at": times})
    for zone, days in (("UTC", 30), ("Asia/Shanghai", 31)):
        crm = from_frames({"orders": orders}, Settings(timezone=zone), as_of="2025-12-31")
        assert repeat_purchase(crm, within=days).overall["retained"] == 1
        assert repeat_purchase(crm, within=days - 1).overall["retained"] == 0


def test_leap_days_count():
    bought = [("A", "2024-02-28"), ("A", "2024-03-01"), ("B", "2025-02-28"), ("B", "2025-03-01")]
    assert repeat_purchase(workspace(bought), within=10).days.tolist() == [2, 1]


def groups(shares, size=40):
    bought, customers = [], []
    for name, share in shares.items():
        for number in range(size):
            who = f"{name}{number}"
            customers.append({"customer_id": who, "size": name})
            bought.append((who, "2025-01-01"))
            if number < share * size:
                bought.append((who, "2025-01-09"))
    return workspace(bought, customers=customers)


def test_groups_that_differ_from_the_others_are_found_and_only_they():
    crm = groups({"large": 0.9, "medium": 0.5, "small": 0.5})
    result = repeat_purchase(crm, by="size")
    assert result.table["size"].tolist() == ["large", "medium", "small"]
    assert result.table["share"].tolist() == pytest.approx([0.9, 0.5, 0.5])
    # Fisher's exact test: 36 of 40 against 40 of 80, 0.00001; 20 of 40 against 56 of 80, 0.045
    assert result.table["stands_out"].tolist() == [True, False, False]
    assert "this is an association" in result.reading()
    assert result.title() == "Bought again within 180 days: Large 90%, Small 50%"


def test_small_groups_and_a_group_alone_are_not_judged():
    result = repeat_purchase(groups({"large": 1.0, "small": 0.0}, size=4), by="size")
    assert result.table["stands_out"].isna().all()
    assert "Whether groups differ cannot be told" in result.reading()
    alone = repeat_purchase(groups({"large": 0.5}), by="size")
    assert alone.table["stands_out"].isna().all()
    alone.plot()


def test_of_many_groups_the_largest_that_are_judged_are_drawn_and_speak_in_the_title():
    bought, customers = [], []
    for number in range(16):
        for one in range(3 if number < 3 else 6 + number):
            who = f"{number}-{one}"
            customers.append({"customer_id": who, "region": f"R{number:02d}"})
            bought.append((who, "2025-01-01"))
            if number < 3 or one < 2:
                bought.append((who, "2025-01-20"))
    result = repeat_purchase(workspace(bought, customers=customers), by="region")
    assert len(result.table) == 16
    assert len(result.plot().get_yticks()) == 12
    assert "The 12 largest of 16 groups are drawn" in result.reading()
    assert result.title() == "Bought again within 180 days: R03 22%, R15 10%"


def test_customers_without_a_group_are_a_group():
    crm = workspace(
        [("A", "2025-01-01"), ("B", "2025-01-01")],
        customers={"customer_id": ["A", "B"], "size": ["small", None]},
    )
    result = repeat_purchase(crm, by="size")
    assert result.table["customers"].tolist() == [1, 1]
    assert "not given" in result.alt()


def test_what_cannot_be_answered_is_refused():
    crm = workspace([("A", "2025-12-30")])
    with pytest.raises(NotEnoughData, match="None of 1 customers with a known first purchase"):
        repeat_purchase(crm)
    with pytest.raises(CrmlabError, match="within is a number of days"):
        repeat_purchase(crm, within=0)
    with pytest.raises(CrmlabError, match="lead is a number of days"):
        repeat_purchase(crm, lead=-1)
    with pytest.raises(NotEnoughData, match="cannot be grouped by tier; they can by: none"):
        repeat_purchase(crm, by="tier", within=1)
    old = workspace(
        [("A", "2025-01-01")], customers={"customer_id": ["A"], "acquired_on": ["2020-01-01"]}
    )
    with pytest.raises(NotEnoughData, match="Of none of 1 customers the first purchase is known"):
        repeat_purchase(old)


def test_data_of_a_single_day_have_no_half():
    result = repeat_purchase(workspace([("A", "2025-01-01")], as_of="2025-01-02"), within=1)
    assert result.overall["share"] == 0
    assert result.naive["share"].isna().tolist() == [True, False]
    assert "Had they ended" not in result.reading()
    result.plot()


@pytest.mark.parametrize("student", ["", "20261234"])
def test_better_tiers_of_the_company_come_back_sooner(company, student):
    crm = crmlab.load(student=student) if student else company
    result = repeat_purchase(crm, within=30, by="tier")
    # Tiers differ in their order rates (effects.toml); how they were won makes no difference.
    assert result.table["tier"].tolist() == ["key", "potential", "general"]
    assert result.table["stands_out"].tolist() == [True, True, True]
    assert not repeat_purchase(crm, within=30, by="acquisition_channel").table["stands_out"].any()


def test_the_naive_share_of_the_company_depends_on_the_length_of_its_data(company):
    half, whole = repeat_purchase(company).naive["share"]
    assert half < whole
    until = crmlab.load(as_of=dt.date(2024, 12, 31))
    assert repeat_purchase(until).naive["share"].iloc[1] == pytest.approx(half)
