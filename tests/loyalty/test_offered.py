"""Who was drawn for an offer, and which orders belong to which period about it."""

import sys

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import signed
from crmlab.loyalty.offered import offered

AS_OF = "2025-12-31"


def drawn(customer, arm="holdout", at="2025-06-01 08:00", campaign="June"):
    return {"customer_id": customer, "campaign": campaign, "arm": arm, "assigned_at": at}


def order(number, customer, at, amount=100.0, **more):
    return {
        "order_id": str(number),
        "customer_id": customer,
        "ordered_at": at,
        "amount": amount,
    } | more


def workspace(assignments, orders, **tables):
    frames = {"assignments": assignments, "orders": orders} | tables
    made = {name: pd.DataFrame(rows) for name, rows in frames.items()}
    return from_frames(made, as_of=AS_OF)


def test_periods_are_calendar_months_where_all_were_assigned_on_the_first():
    orders = [
        order(1, "A", "2025-06-01 07:00"),
        order(2, "A", "2025-06-30 23:00"),
        order(3, "A", "2025-07-31 23:00"),
        order(4, "A", "2025-08-01 00:00"),
        order(5, "A", "2025-05-31 23:00"),
        order(6, "A", "2025-02-28 10:00"),
        order(7, "A", "2024-12-31 10:00"),
    ]
    found = offered(workspace([drawn("A", "coupon"), drawn("B")], orders), after=1)
    row = found.frame["customer_id"].tolist().index("A")
    assert found.orders[row].tolist() == [0, 0, 1, 2, 1]
    assert found.earlier[row] == 2
    assert "calendar month" in found.rule()


def test_periods_are_30_days_where_someone_was_assigned_on_another_day():
    orders = [
        order(1, "A", "2025-06-10 07:00"),
        order(2, "A", "2025-07-09 23:00"),
        order(3, "A", "2025-07-10 00:00"),
        order(4, "A", "2025-06-09 23:00"),
    ]
    found = offered(workspace([drawn("A", "coupon", "2025-06-10 08:00"), drawn("B")], orders))
    assert found.orders[found.frame["customer_id"] == "A"].tolist() == [[0, 0, 1, 2, 1]]
    assert "30 days" in found.rule()


def test_who_was_drawn_and_ordered_nothing_counts_with_zero():
    found = offered(
        workspace([drawn("A", "coupon"), drawn("B"), drawn("C")], [order(1, "A", "2025-06-02")])
    )
    assert found.frame["customer_id"].tolist() == ["A", "B", "C"]
    assert found.orders.sum(axis=1).tolist() == [1, 0, 0]


def test_a_refund_is_no_order_and_takes_money_back():
    orders = [
        order(1, "A", "2025-06-02", 100.0, cost=60.0, promotion="June", points_earned=10),
        order(2, "A", "2025-06-03", -100.0, cost=-60.0),
        order(3, "A", "2025-06-04", 50.0, cost=None, promotion="other"),
    ]
    found = offered(workspace([drawn("A", "coupon"), drawn("B")], orders))
    assert found.of_period(found.orders, 0)[0] == 2
    assert found.of_period(found.promoted, 0)[0] == 1
    assert found.of_period(found.amount, 0)[0] == 50
    assert found.of_period(found.margin, 0)[0] == 0
    assert found.of_period(found.points, 0)[0] == 10
    assert found.cost_missing == 1


def test_what_cannot_be_judged_is_left_out_and_counted():
    customers = [{"customer_id": name, "acquired_on": "2024-01-01"} for name in "ABCDE"]
    customers[2]["acquired_on"] = "2025-06-02"
    rows = [
        drawn("A", "coupon"),
        drawn("B"),
        drawn("C"),
        drawn("D", None),
        drawn("A", "coupon", "2025-12-01", "December"),
        drawn("B", "holdout", "2025-12-01", "December"),
        drawn("A", "coupon", "2025-03-01", "March"),
    ]
    found = offered(workspace(rows, [order(1, "A", "2025-01-01")], customers=customers))
    assert found.frame["customer_id"].tolist() == ["A", "B"]
    assert [(one.reason, one.count) for one in found.exclusions] == [
        ("customer, campaign, arm or day not given", 1),
        ("customer only since after the assignment", 1),
        ("periods not over by the last day", 2),
        ("campaign without a holdout or without another arm", 1),
    ]


def test_a_period_that_ends_on_the_last_day_is_over():
    rows = [drawn("A", "coupon", "2025-11-01"), drawn("B", "holdout", "2025-11-01")]
    crm = workspace(rows, [order(1, "A", "2025-11-02")])
    assert len(offered(crm, after=1).frame) == 2
    with pytest.raises(NotEnoughData, match=r"2 assignments \(periods not over by the last day\)"):
        offered(crm, after=2)


def test_without_a_holdout_the_arms_there_are_are_named():
    crm = workspace([drawn("A", "coupon"), drawn("B", "control")], [order(1, "A", "2025-06-02")])
    with pytest.raises(NotEnoughData, match="The arms are: control, coupon"):
        offered(crm)
    assert offered(crm, holdout="control").arms == ("coupon",)


def test_periods_before_the_data_begin_are_not_known():
    crm = workspace([drawn("A", "coupon"), drawn("B")], [order(1, "A", "2025-04-15")])
    assert offered(crm).known[0].tolist() == [False, False, True, True, True]


def test_campaigns_that_follow_each_other_closely_are_counted():
    rows = [
        drawn(customer, arm, day, campaign)
        for customer, arm in (("A", "coupon"), ("B", "holdout"))
        for campaign, day in (("one", "2025-06-01"), ("two", "2025-07-01"), ("six", "2025-10-01"))
    ]
    crm = workspace(rows, [order(1, "A", "2025-01-02")])
    assert offered(crm, after=1).overlapping == 2
    assert offered(crm, after=0).overlapping == 0


def test_of_very_many_assignments_those_of_a_sample_of_customers_are_used(monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.loyalty.offered"], "LARGEST", 20)
    rows = [drawn(f"C{n}", "coupon" if n % 2 else "holdout") for n in range(60)]
    found = offered(workspace(rows, [order(n, f"C{n}", "2025-06-02") for n in range(60)]))
    assert len(found.frame) == 20
    assert "Of 60 customers, 20 drawn at random" in found.part
    assert found.sampled == pytest.approx(20 / 60)


def test_customers_never_drawn_for_a_campaign_are_not_said_to_be_of_the_sample(monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.loyalty.offered"], "LARGEST", 30)
    rows = [drawn(f"C{n}", "coupon" if n % 2 else "holdout") for n in range(60)]
    orders = [order(n, f"C{n}", "2025-06-02") for n in range(200)]
    found = offered(
        workspace(rows, orders, customers=[{"customer_id": f"C{n}"} for n in range(200)])
    )
    assert 0 < len(found.frame) < 30
    assert f"Of 60 customers, {len(found.frame)} drawn at random" in found.part
    assert found.sampled == pytest.approx(len(found.frame) / 60)


def test_periods_asked_for_must_make_sense():
    crm = workspace([drawn("A", "coupon"), drawn("B")], [order(1, "A", "2025-06-02")])
    with pytest.raises(CrmlabError, match="before is at least 1"):
        offered(crm, before=0)


def test_a_part_keeps_the_rows_chosen_and_its_arms():
    rows = [drawn("A", "coupon"), drawn("B"), drawn("A", "points", "2025-08-01", "August")]
    rows.append(drawn("B", "holdout", "2025-08-01", "August"))
    found = offered(workspace(rows, [order(1, "A", "2025-06-02")]))
    part = found.only((found.frame["campaign"] == "June").to_numpy())
    assert (part.arms, part.campaigns) == (("coupon",), ["June"])
    assert np.array_equal(part.orders.sum(axis=1), [1, 0])


def test_a_change_bears_its_sign():
    assert [signed(0.5), signed(-0.5), signed(0)] == ["+50%", "-50%", "0%"]
