"""What counts as a purchase, for every measure of the loyalty chapter."""

import datetime as dt
from functools import partial

import pandas as pd
import pytest

from crmlab.data.drawn import some_customers
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.purchases import customer_months, known_since, purchases
from tests.loyalty.bought import workspace as of_purchases

workspace = partial(of_purchases, as_of="2025-03-31")


BOUGHT = [
    ("A", "2025-01-10 09:00", 100.0),
    ("A", "2025-01-10 18:00", 50.0),
    ("A", "2025-02-01 10:00", 30.0),
    ("A", "2025-02-03 10:00", -30.0),
    ("B", "2025-03-31 23:59", 0.0),
    ("C", "2025-01-05 10:00", -20.0),
    (None, "2025-01-05 10:00", 70.0),
    ("D", None, 80.0),
]


def test_orders_of_one_day_are_one_purchase_or_one_each():
    by_day, by_order = purchases(workspace(BOUGHT)), purchases(workspace(BOUGHT), occasion="order")
    assert by_day.frame["purchases"].tolist() == [2, 1]
    assert by_order.frame["purchases"].tolist() == [3, 1]
    assert by_day.same_day == by_order.same_day == 1
    assert by_day.rule().startswith("All orders of a customer on one day count as one purchase (1 ")
    assert by_order.rule().startswith("Each order counts by itself, also the 1 on a day")


def test_money_after_the_first_purchase_is_that_of_the_later_ones():
    assert purchases(workspace(BOUGHT)).frame["repeat_amount"].tolist() == [30.0, 0.0]
    # Which of two orders on the first day came first is not asked: the first is worth their mean.
    by_order = purchases(workspace(BOUGHT), occasion="order").frame
    assert by_order["repeat_amount"].tolist() == [105.0, 0.0]


def test_the_second_purchase_is_on_another_day_or_is_another_order():
    by_day, by_order = purchases(workspace(BOUGHT)), purchases(workspace(BOUGHT), occasion="order")
    assert by_day.frame["second_day"].tolist() == [pd.Timestamp(2025, 2, 1), pd.NaT]
    assert by_order.frame["second_day"].tolist() == [pd.Timestamp(2025, 1, 10), pd.NaT]


def test_refunds_are_no_purchases_and_zero_amounts_are():
    frame = purchases(workspace(BOUGHT)).frame.set_index("customer_id")
    assert frame.index.tolist() == ["A", "B"]
    assert frame.loc["A", ["amount", "refunded"]].tolist() == [180.0, 30.0]
    assert frame.loc["A", "last_day"] == pd.Timestamp(2025, 2, 1)
    assert frame.loc["B", ["purchases", "amount"]].tolist() == [1, 0.0]


def test_what_belongs_to_nobody_or_to_no_day_is_counted():
    found = {one.reason: one.count for one in purchases(workspace(BOUGHT)).exclusions}
    # The refund of C, who never bought, is an order of a customer too.
    assert found == {
        "no customer given": 1,
        "no date given": 1,
        "refunds, which are no purchases": 2,
    }


def test_a_period_is_inclusive_on_both_sides():
    frame = purchases(
        workspace(BOUGHT), period_from=dt.date(2025, 1, 10), period_to=dt.date(2025, 1, 10)
    ).frame
    assert frame[["customer_id", "purchases"]].to_numpy().tolist() == [["A", 1]]


def test_the_day_is_that_of_the_companys_time_zone():
    late = pd.to_datetime(["2025-01-01 23:30", "2025-01-02 08:00"]).tz_localize("UTC")
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A", "ordered_at": late})
    crm = from_frames({"orders": orders}, Settings(timezone="Asia/Shanghai"))
    assert purchases(crm).frame["purchases"].tolist() == [1]
    crm = from_frames({"orders": orders}, Settings(timezone="UTC"))
    assert purchases(crm).frame["purchases"].tolist() == [2]


def test_an_unknown_occasion_and_data_without_purchases_are_refused():
    with pytest.raises(CrmlabError, match="occasion is 'day' or 'order'; it is 'week'"):
        purchases(workspace(BOUGHT), occasion="week")
    with pytest.raises(NotEnoughData, match="no purchase of a known customer"):
        purchases(workspace(BOUGHT[5:]))


def test_only_whole_months_make_the_table_of_months():
    rows = [("A", "2025-01-10", 10.0), ("A", "2025-03-05", 20.0), ("B", "2025-02-28", 5.0)]
    found = customer_months(workspace(rows, as_of="2025-03-30"))
    # The data begin on 10 January and end before the last of March.
    assert found["month"].unique().tolist() == [pd.Timestamp(2025, 2, 1)]
    assert found[["customer_id", "orders", "amount"]].to_numpy().tolist() == [
        ["A", 0, 0.0],
        ["B", 1, 5.0],
    ]
    with pytest.raises(NotEnoughData, match="no whole month"):
        customer_months(workspace(rows[:1], as_of="2025-01-31"))


def test_months_add_up_to_the_orders(company):
    months = customer_months(company)
    bought = company.orders[company.orders["amount"] >= 0]
    assert months["orders"].sum() == len(bought)
    assert months["amount"].sum() == pytest.approx(bought["amount"].sum())
    back = company.orders[company.orders["amount"] < 0]
    assert months["refunded"].sum() == pytest.approx(-back["amount"].sum())
    assert months["promoted"].sum() == bought["promotion"].notna().sum()


def test_a_customer_is_known_since_the_acquisition_unless_they_bought_before():
    customers = pd.DataFrame(
        {"customer_id": ["A", "B"], "acquired_on": ["2024-12-01", "2025-04-01"]}
    )
    rows = [("A", "2025-01-10", 1.0), ("B", "2025-01-20", 1.0), ("C", "2025-01-30", 1.0)]
    crm = workspace(rows, customers=customers, as_of="2025-04-30")
    since = known_since(crm, crm.query("purchase_history"))
    assert since.dt.strftime("%Y-%m-%d").to_dict() == {
        "A": "2024-12-01",
        "B": "2025-01-20",
        "C": "2025-01-30",
    }


def test_very_many_customers_are_sampled_and_it_is_said(company):
    same, nothing = some_customers(company)
    assert same is company
    assert nothing == ""
    some, said = some_customers(company, largest=50)
    assert some.customers["customer_id"].nunique() == 50
    assert said == "Of 1,939 customers, 50 drawn at random are used here."
