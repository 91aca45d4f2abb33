"""Members and others, before and after joining, and what membership must bring to pay."""

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.membership import membership

COST = Settings(activity_costs={"points.point": 0.05})


def simulated(effect=1.0, busier=1.0, customers=400, seed=1, points=True, share=0.4):
    """Customers in 2025; some join from April on, and order `effect` times as much from then."""
    rng = np.random.default_rng(seed)
    member = rng.random(customers) < share
    month = np.where(member, rng.integers(4, 7, customers), 99)
    rate = rng.gamma(2, 1, customers) * np.where(member, busier, 1.0)
    rows = []
    for now in range(1, 13):
        mean = rate * np.where(now > month, effect, 1.0)
        for n in np.repeat(np.arange(customers), rng.poisson(mean)):
            earned = 100.0 if points and now >= month[n] else None
            day = f"2025-{now:02}-{rng.integers(1, 28):02}"
            rows.append((str(len(rows)), f"C{n}", day, 1000.0, 900.0, earned))
    names = ["order_id", "customer_id", "ordered_at", "amount", "cost", "points_earned"]
    orders = pd.DataFrame(rows, columns=names)
    people = pd.DataFrame({"customer_id": [f"C{n}" for n in range(customers)]})
    joined = [f"2025-{now:02}-01" if now < 99 else None for now in month]
    people["acquired_on"], people["member_since"] = "2024-01-01", joined
    return from_frames({"orders": orders, "customers": people}, as_of="2025-12-31", settings=COST)


def rows(result):
    return result.table.set_index("comparison")


@pytest.fixture(scope="module")
def busy_join():
    """Membership does nothing, but the busy ones join."""
    return membership(simulated(busier=1.8))


def test_those_who_join_are_busier_which_is_not_what_membership_does(busy_join):
    table = rows(busy_join)
    assert table["low"]["members"] > 0.3
    assert table["low"]["busier"] > 0.3
    assert table["low"]["joining"] < 0 < table["high"]["joining"]
    assert "cannot be told" in busy_join.reading()
    assert busy_join.title().startswith("What joining brings is open")


def test_a_change_with_joining_is_found_where_it_is():
    result = membership(simulated(effect=1.5))
    table = rows(result)
    assert table["low"]["joining"] < 0.5 < table["high"]["joining"]
    assert table["low"]["joining"] > 0.2
    periods = result.periods.set_index("period")
    assert (periods["low"][[1, 2, 3, 4, 5, 6]] > 0).all()
    assert abs(periods["change"][[-3, -2, -1]].mean()) < 0.01
    assert "They chose to join" in result.reading()


def test_what_it_takes_to_pay_is_the_cost_over_what_is_left(busy_join):
    # An order earns 100 and points of 5.
    assert rows(busy_join)["change"]["break_even"] == pytest.approx(5 / 95)
    more = membership(simulated(busier=1.8), member_cost=100.0)
    assert more.yearly_cost == pytest.approx(busy_join.yearly_cost + 100)
    assert rows(more)["change"]["break_even"] > 0.07


def test_members_are_compared_by_the_month_with_zero_for_those_without_orders():
    own = {
        "A": ["2025-01-05", "2025-03-05", "2025-03-06"],
        "B": ["2025-02-05", "2025-02-06"],
        "C": ["2025-01-01", "2025-01-08"],
        "D": [],
    }
    joined = {"A": "2025-01-20", "B": "2024-06-01"}
    twice = [(name, again) for name in own for again in "12"]
    frame = pd.DataFrame(
        [(name + again, day) for name, again in twice for day in own[name]],
        columns=["customer_id", "ordered_at"],
    )
    frame.insert(0, "order_id", [str(n) for n in range(len(frame))])
    people = pd.DataFrame({"customer_id": [name + again for name, again in twice]})
    people["acquired_on"] = "2024-01-01"
    people["member_since"] = [joined.get(name) for name, _again in twice]
    crm = from_frames({"orders": frame, "customers": people}, as_of="2025-03-31")
    # A is a member in February and March, with 2 orders; B in 3 months, with 2; C and D are none in
    # 3 months each, with 2 orders together.
    change = rows(membership(crm, before=1, after=1))["change"]["members"]
    assert change == pytest.approx((4 / 5) / (2 / 6) - 1)


def test_where_nobody_joined_within_the_data_the_rest_stands():
    crm = simulated()
    people = crm.customers.astype({"acquired_on": str})
    people["member_since"] = np.where(people["member_since"].isna(), None, "2024-03-01")
    orders = crm.orders.astype({"ordered_at": str})
    result = membership(from_frames({"orders": orders, "customers": people}, as_of="2025-12-31"))
    assert np.isnan(rows(result)["change"]["joining"])
    assert np.isfinite(rows(result)["change"]["members"])
    assert "Too few customers joined within the data" in result.reading()
    assert "which does not say why" in result.title()
    assert result.alt().startswith("Point with interval: ")
    result.plot()


def test_points_of_customers_who_never_joined_are_no_cost_of_membership(busy_join):
    crm = simulated(busier=1.8)
    people, orders = crm.customers, crm.orders
    never = set(people.loc[people["member_since"].isna(), "customer_id"])
    given = orders["points_earned"].mask(orders["customer_id"].isin(never), 100.0)
    frames = {"orders": orders.assign(points_earned=given), "customers": people}
    result = membership(from_frames(frames, as_of="2025-12-31", settings=COST))
    assert result.yearly_cost == pytest.approx(busy_join.yearly_cost)
    assert rows(result)["customers"]["break_even"] == rows(busy_join)["customers"]["break_even"]


def test_points_of_which_no_cost_is_stated_are_said_to_count_as_free(busy_join):
    crm = simulated(busier=1.8)
    frames = {"orders": crm.orders, "customers": crm.customers}
    result = membership(from_frames(frames, as_of="2025-12-31"), member_cost=100.0)
    assert result.yearly_cost == pytest.approx(100)
    assert "points count as free" in result.reading()
    assert "points count as free" not in busy_join.reading()


def test_where_nothing_can_be_compared_the_text_for_the_picture_says_so():
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A"})
    orders["ordered_at"] = ["2025-01-10", "2025-12-31"]
    people = pd.DataFrame({"customer_id": ["A", "B"], "member_since": ["2024-06-01", None]})
    crm = from_frames({"orders": orders, "customers": people}, as_of="2025-12-31")
    result = membership(crm)
    assert result.alt() == result.title() == "Members cannot be compared with others"


def test_without_points_or_costs_there_is_no_break_even():
    result = membership(simulated(points=False))
    assert np.isnan(rows(result)["change"]["break_even"])
    assert np.isnan(result.yearly_cost)
    assert "What membership costs is not known" in result.reading()


def test_who_is_left_out_is_counted(company):
    result = membership(company)
    people = company.customers
    early = people["member_since"] < pd.Timestamp("2024-01-01")
    bought = people["customer_id"].isin(company.orders["customer_id"])
    assert result.exclusions[0].count == (early & bought).sum()
    joined = (people["member_since"] >= pd.Timestamp("2024-01-01")) & bought
    assert result.joiners + result.exclusions[1].count == joined.sum()


def test_what_cannot_be_done_is_said():
    crm = simulated()
    with pytest.raises(CrmlabError, match="before and after are at least 1"):
        membership(crm, before=0)
    with pytest.raises(NotEnoughData, match="Of 400 customers 0 are members"):
        membership(simulated(share=0.0))
    with pytest.raises(crmlab.errors.MissingColumns, match="member_since"):
        membership(from_frames({"orders": crm.orders, "customers": crm.customers[["customer_id"]]}))


def test_at_the_simulated_company_membership_does_nothing_to_orders(company):
    # In its equations membership is not among the causes of orders.
    table = rows(membership(company))
    for code in ("members", "busier", "joining"):
        assert table["low"][code] < 0 < table["high"][code]
