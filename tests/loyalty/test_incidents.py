import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.order_faults import complained
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.loyalty.incidents import incidents

FIRST = "2025-01-01"
AS_OF = "2025-12-31"


def order(number, customer, at, late=False, amount=10.0, **more):
    return {
        "order_id": f"O{number}",
        "customer_id": customer,
        "ordered_at": str(at),
        "on_time": not late,
        "amount": amount,
    } | more


def workspace(orders, as_of=AS_OF, **tables):
    """A workspace that begins on 1 January 2025, with the order of somebody else."""
    frame = pd.DataFrame([order("first", "nobody", FIRST), *orders])
    return from_frames({"orders": frame} | tables, as_of=as_of)


def row_of(found, name="matched"):
    return found.table.set_index("comparison").loc[name]


def twins(pairs=20, after_wrong=0, after_well=1, at="2025-06-05"):
    """Pairs of customers with one order each, one of them late, and orders 30 days later."""
    orders = []
    for n in range(pairs):
        orders += [order(f"w{n}", f"W{n}", at, late=True), order(f"g{n}", f"G{n}", at)]
        later = pd.Timestamp(at) + pd.Timedelta(days=30)
        orders += [order(f"w{n}-{k}", f"W{n}", later) for k in range(after_wrong)]
        orders += [order(f"g{n}-{k}", f"G{n}", later) for k in range(after_well)]
    return orders


def test_orders_are_compared_with_orders_of_the_same_month_and_history():
    orders = [
        order(1, "A", "2025-06-05", late=True),
        order(2, "B", "2025-06-25"),
        order(3, "B", "2025-07-20"),
        # Of another month, and of customers who had bought before.
        order(4, "C", "2025-05-25"),
        order(5, "D", "2025-06-05"),
        order(6, "D", "2025-05-05"),
    ]
    found = incidents(workspace(orders))
    row = row_of(found)
    assert row[["incidents", "orders"]].tolist() == [1, 1]
    assert row[["again", "again_others"]].tolist() == [0, 1]
    assert found.unmatched == 0
    assert row_of(found, "naive")["orders"] == 5
    assert "1 order that came late was followed by another" in found.reading()


def test_what_comes_after_is_counted_from_the_day_after_to_the_last_day():
    orders = [
        order(1, "A", "2025-06-05", late=True),
        order(2, "A", "2025-06-05 20:00", amount=5.0, late=True),
        order(3, "A", "2025-08-04 23:00"),
        order(4, "A", "2025-08-05"),
        order(5, "B", "2025-06-06"),
        order(6, "B", "2025-07-01", amount=-3.0),
    ]
    row = row_of(incidents(workspace(orders), days=60))
    assert (row["orders_after"], row["orders_after_others"]) == (1, 0)


def test_orders_without_history_or_time_to_judge_and_with_other_faults_are_counted_out():
    orders = [
        *twins(2),
        order(1, "X", "2025-03-31"),
        order(2, "Y", "2025-11-02"),
        order(3, "Z", "2025-06-10", damaged=True),
        order(4, None, "2025-06-10"),
        order(5, "V", "2025-06-10", amount=-1.0),
    ]
    orders = [one | {"damaged": one.get("damaged", False)} for one in orders]
    found = incidents(workspace(orders))
    assert {one.reason: one.count for one in found.exclusions} == {
        "refunds, or without customer or day": 2,
        "fewer than 90 days of history": 2,
        "fewer than 60 days before the end of the data": 1,
        "went wrong in another way": 1,
    }
    assert set(found.orders["customer_id"]) == {"W0", "W1", "G0", "G1"}


def test_an_order_without_a_match_is_counted_and_does_not_count():
    orders = [*twins(3), order(1, "X", "2025-07-10", late=True)]
    found = incidents(workspace(orders))
    assert (found.found, found.unmatched) == (4, 1)
    assert row_of(found)["incidents"] == 3
    assert "1 order (went wrong, without a match)" in found.reading()


def test_tiers_and_other_columns_are_matched_on_where_asked_for():
    tiers = pd.DataFrame({"customer_id": ["W0", "G0", "G1"], "tier": ["key", "key", "general"]})
    lines = [one | {"service_line": "AB"[int(one["order_id"][2])]} for one in twins(2)]
    orders = [one for one in lines if one["customer_id"] != "W1"]
    crm = workspace(orders, customers=tiers)
    assert row_of(incidents(crm))["orders"] == 1
    assert row_of(incidents(crm, match=[]))["orders"] == 2
    assert incidents(crm).match == ("tier",)
    both = incidents(crm, match=["tier", "service_line"])
    assert row_of(both)["orders"] == 1
    with pytest.raises(UnknownName, match="cannot be matched on colour"):
        incidents(crm, match=["colour"])


def test_the_difference_by_hand_from_the_orders_of_the_result(company):
    found = incidents(company)
    classes = ["month", *found.match, "orders_class", "days_class"]
    share = found.orders.pivot_table("again", classes, "wrong")
    many = found.orders[found.orders["wrong"]].groupby(classes).size()
    apart = ((share[True] - share[False]) * many).dropna()
    by_hand = apart.sum() / many[apart.index].sum()
    assert row_of(found)["difference"] == pytest.approx(by_hand)


def test_those_who_complained_and_those_who_did_not_are_told_apart():
    orders = twins(24, after_wrong=0)
    orders += [order(f"late{n}", f"W{n}", "2025-07-10") for n in range(12)]
    told = pd.DataFrame({"complaint_id": range(12), "order_id": [f"Ow{n}" for n in range(12)]})
    found = incidents(workspace(orders, complaints=told))
    assert row_of(found, "complained")[["incidents", "again"]].tolist() == [12, 1]
    assert row_of(found, "silent")[["incidents", "again"]].tolist() == [12, 0]
    assert "that is no experiment" in found.reading()
    # Nobody among them buys often, and those who buy seldom are two groups by complaint.
    assert "often" not in set(found.table["comparison"])
    assert "intervals corrected for 4 groups" in found.reading()
    assert "silent" not in set(incidents(workspace(orders)).table["comparison"])


def test_a_suggestion_is_no_complaint():
    told = pd.DataFrame(
        {"complaint_id": [1, 2], "order_id": ["O1", "O2"], "kind": ["suggestion", "service"]}
    )
    crm = workspace([order(1, "A", "2025-06-05"), order(2, "A", "2025-06-06")], complaints=told)
    assert complained(crm, crm.orders).tolist() == [False, False, True]


def test_few_customers_have_no_interval_and_a_reading_still():
    found = incidents(workspace(twins(4)))
    assert np.isnan(row_of(found)["low"])
    assert row_of(found)["difference"] == -1
    assert len(found.title()) <= 90
    found.plot()
    assert len(found.likeness().title()) <= 90
    found.likeness().plot()
    found.reading()


def test_what_matching_leaves_unlike_is_named():
    lines = [one | {"service_line": "AB"["G" in one["customer_id"]]} for one in twins(6)]
    lines += [order(f"h{n}", f"W{n}", "2025-04-10", True, service_line="C") for n in range(2)]
    likeness = incidents(workspace(lines)).likeness()
    rows = likeness.table.set_index("characteristic")
    assert rows.loc["service_line", "unlike_after"] > 1
    assert "Not balanced (below 0.1) are: " in likeness.reading()
    assert "Service line" in likeness.reading().split("Not balanced")[1]
    assert "Orders are not matched on earlier incidents" in likeness.reading()
    assert "Service line: " in likeness.alt()


def test_where_nobody_or_everybody_comes_back_there_is_no_interval_of_no_width():
    found = incidents(workspace(twins(20)))
    row = row_of(found)
    assert row["difference"] == pytest.approx(-1)
    assert np.isnan(row["low"])
    said = found.reading()
    assert "20 orders that came late were followed by another within 60 days in 0.0%" in said
    assert "An interval cannot be given" in said


def test_what_cannot_be_done_is_said():
    with pytest.raises(CrmlabError, match="kind is 'late', 'damaged' or 'any'"):
        incidents(workspace(twins(1)), kind="short")
    with pytest.raises(CrmlabError, match="days = 5 is not from 7 to 365"):
        incidents(workspace(twins(1)), days=5)
    with pytest.raises(MissingColumns, match=r"needs orders\.damaged"):
        incidents(workspace(twins(1)), kind="damaged")
    with pytest.raises(NotEnoughData, match="Of 0 orders that went wrong"):
        incidents(workspace([order(1, "A", "2025-06-05")]))
    with pytest.raises(NotEnoughData, match="No order has 90 days of history"):
        incidents(workspace([order(1, "A", "2025-02-01")], as_of="2025-02-28"))


def test_without_being_told_the_first_fault_that_the_data_show_is_looked_at():
    damaged = [
        {name: value for name, value in one.items() if name != "on_time"}
        | {"damaged": not one["on_time"], "documents_ok": one["on_time"]}
        for one in twins(3)
    ]
    first = {"order_id": "f", "customer_id": "nobody", "ordered_at": FIRST, "damaged": False}
    frame = pd.DataFrame([first | {"documents_ok": True}, *damaged])
    assert incidents(workspace(twins(3))).kind == "late"
    assert incidents(from_frames({"orders": frame}, as_of=AS_OF)).kind == "damaged"
    rest = frame.drop(columns="damaged")
    found = incidents(from_frames({"orders": rest}, as_of=AS_OF))
    assert (found.kind, found.found) == ("any", 3)
    bare = from_frames({"orders": rest.drop(columns="documents_ok")}, as_of=AS_OF)
    with pytest.raises(MissingColumns, match=r"orders\.on_time"):
        incidents(bare)


def test_of_the_company_matched_customers_buy_less_after_a_late_order(company):
    found = incidents(company)
    row = row_of(found)
    assert row["high"] < 0
    assert row["ratio_high"] < 1
    balance = found.balance.set_index("characteristic")["after"].abs()
    assert balance.max() < 0.1
    assert balance[["month", "tier", "region"]].max() < 1e-9


def test_of_the_company_the_loss_is_seen_where_orders_are_rare(company):
    # exp(-0.35) for those who say nothing, from the following month on: by days somewhat less.
    seldom = row_of(incidents(company, kind="any"), "seldom")
    assert np.exp(-0.35) < seldom["ratio_high"] < 1
    assert seldom["ratio_low"] > np.exp(-0.45)


def test_of_the_company_not_matching_turns_the_number_of_orders_round(company):
    # Who orders much has more orders that go wrong.
    found = incidents(company, kind="any")
    assert row_of(found, "naive")["ratio"] > 1 > row_of(found)["ratio"]


def test_in_a_students_company_the_loss_is_found():
    found = incidents(crmlab.load(student="20261234"), kind="any")
    assert row_of(found)["high"] < 0
    assert row_of(found, "seldom")["ratio_high"] < 1


def test_tolerance_is_stated_by_tier_where_it_was_asked(company):
    found = incidents(company)
    assert found.tolerance["tier"].tolist() == ["general", "key", "potential"]
    assert "Tolerance of incidents as customers state it" in found.reading()
    assert incidents(workspace(twins(2))).tolerance.empty
