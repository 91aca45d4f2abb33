"""Days between purchases: open gaps, same days, groups, and what it says of the company."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.loyalty.gaps import purchase_gaps
from tests.loyalty.bought import workspace as of_purchases

workspace = partial(of_purchases, as_of="2025-01-31")


BOUGHT = [
    ("A", "2025-01-01 09:00"),
    ("A", "2025-01-01 17:00"),
    ("A", "2025-01-04"),
    ("A", "2025-01-05", -10.0),  # a refund
    ("A", "2025-01-10", 0.0),
    ("B", "2025-01-30 23:59"),
    ("C", "2025-01-31"),
    (None, "2025-01-31"),
    ("D", None),
]


def test_the_query_counts_closed_and_open_gaps():
    found = workspace(BOUGHT).query("purchase_gaps")
    assert found.to_numpy().tolist() == [
        [0, 0, 1],  # C bought on the last day
        [0, 1, 1],
        [0, 21, 1],
        [1, 0, 1],  # two orders on a day
        [1, 3, 1],
        [1, 6, 1],
    ]


def test_the_query_groups_by_what_is_known_of_customers():
    customers = {"customer_id": ["A", "B"], "size": ["large", "small"]}
    crm = workspace(BOUGHT, customers=customers)
    found = crm.query("purchase_gaps", by=["orders.customer_id", "customers.size"])
    assert found.columns.tolist() == ["customer_id", "size", "closed", "days", "gaps"]
    assert found.groupby("customer_id")["gaps"].sum().tolist() == [4, 1, 1]
    assert found.loc[found["customer_id"] == "C", "size"].isna().all()


def test_gaps_over_the_end_of_february_and_of_the_year():
    rows = [("A", "2023-12-31"), ("A", "2024-02-28"), ("A", "2024-03-01"), ("A", "2025-03-01")]
    found = workspace(rows, as_of="2025-03-01").query("purchase_gaps")
    assert sorted(found.loc[found["closed"] == 1, "days"]) == [2, 59, 365]


def test_a_day_of_the_workspaces_time_zone():
    times = pd.to_datetime(["2025-01-01 23:30", "2025-01-03 10:00"]).tz_localize("UTC")
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A", "ordered_at": times})
    for zone, days in (("UTC", 2), ("Asia/Shanghai", 1)):
        crm = from_frames({"orders": orders}, Settings(timezone=zone), as_of="2025-01-31")
        assert crm.query("purchase_gaps").query("closed == 1")["days"].tolist() == [days]


def test_the_open_gap_is_censored_and_not_left_out():
    result = purchase_gaps(workspace(BOUGHT), by=None)
    assert result.overall[["customers", "gaps", "open_gaps"]].tolist() == [3, 2, 3]
    curve = result.curves.set_index("time")["survival"]
    # At 3 days 3 gaps are waited for (B's ended, open, at 1), at 6 days 2.
    assert curve.to_dict() == pytest.approx({1: 1.0, 3: 2 / 3, 6: 1 / 3, 21: 1 / 3})
    assert result.overall["median"] == 6
    assert np.isnan(result.overall["day_90"])
    assert result.overall["completed_90"] == 6
    assert "No day can be named after which silence means" in result.reading()


def test_orders_of_one_day_make_gaps_of_no_days_if_asked_for():
    by_order = purchase_gaps(workspace(BOUGHT), by=None, occasion="order")
    assert by_order.overall["gaps"] == 3
    assert by_order.curves["time"].tolist() == [0, 1, 3, 6, 21]
    assert "Each order counts by itself" in by_order.reading()


def test_who_buys_often_gives_more_gaps_and_counts_once_by_customer():
    days = pd.date_range("2025-01-01", "2025-12-31")
    often = [("often", day) for day in days[::2]]
    seldom = [(f"seldom{n}", day) for n in range(9) for day in days[n::30]]
    result = purchase_gaps(workspace(often + seldom, as_of="2025-12-31"), by=None)
    assert result.overall["median"] == 2
    assert result.overall["customer_median"] == 30
    assert result.overall["typical"] == 30


def test_groups_come_with_the_quickest_first_and_unknown_ones_apart():
    days = pd.date_range("2025-01-01", "2025-12-31")
    bought, customers = [], []
    for name, step in (("small", 30), ("large", 3), (None, 10)):
        for number in range(6):
            customers.append({"customer_id": f"{name}{number}", "size": name})
            bought += [(f"{name}{number}", day) for day in days[number::step]]
    result = purchase_gaps(workspace(bought, as_of="2025-12-31", customers=customers), by="size")
    assert result.table["median"].tolist() == [3, 10, 30]
    assert result.table["size"].isna().tolist() == [False, True, False]
    # With all together it is 30 days too, which is not early for the small ones.
    assert result.overall["day_95"] == 30
    assert "Of Large alone it is 3 days, of Small 30." in result.reading()
    assert result.plot().get_lines()
    assert "not given" in result.alt()


def test_the_extremes_are_those_of_the_day_that_is_spoken_of():
    # Most purchases of x are followed the next day, the others after 60 days; those of y after 10.
    days = {"x": [0, 1, 2, 3, 4, 64, 65, 66, 67, 127], "y": range(0, 140, 10)}
    bought, customers = [], []
    for name, every in days.items():
        for number in range(12):
            customers.append({"customer_id": f"{name}{number}", "size": name})
            start = pd.Timestamp("2025-01-01") + pd.Timedelta(days=number)
            bought += [(f"{name}{number}", start + pd.Timedelta(days=day)) for day in every]
    result = purchase_gaps(workspace(bought, as_of="2025-05-20", customers=customers), by="size")
    assert result.table["size"].tolist() == ["x", "y"]  # the shortest median first
    assert result.table["day_95"].tolist() == [60, 10]
    assert "Of y alone it is 10 days, of x 60." in result.reading()


def test_of_a_single_customer_no_interval_is_announced():
    said = purchase_gaps(workspace(BOUGHT[:5]), by=None).reading()
    assert "The gaps of a single customer have no interval." in said
    assert "In brackets" not in said


def test_without_a_given_tier_everybody_is_taken_together_and_it_is_said():
    result = purchase_gaps(workspace(BOUGHT))
    assert result.by == ""
    assert "The data give no tier of their own" in result.reading()
    result.plot()


def test_many_groups_are_drawn_as_points():
    rows = [(f"{n}", f"2025-01-{day:02d}") for n in range(6) for day in (1, 2 + n, 20)]
    customers = {"customer_id": [str(n) for n in range(6)], "region": list("abcdef")}
    result = purchase_gaps(workspace(rows, customers=customers), by="region")
    assert len(result.plot().get_yticks()) == 6
    # One customer alone has a curve and no interval.
    assert result.table["median_low"].isna().all()


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(NotEnoughData, match="cannot be grouped by size; they can by: none"):
        purchase_gaps(workspace(BOUGHT), by="size")
    with pytest.raises(NotEnoughData, match="No purchase has been followed for a day"):
        purchase_gaps(workspace([("A", "2025-01-31"), ("B", "2025-01-31")]))


def test_of_very_many_customers_a_sample_is_used_which_is_said(monkeypatch):
    monkeypatch.setattr("crmlab.data.drawn.some_customers.__defaults__", (20,))
    rows = [(str(n), f"2025-01-{day:02d}") for n in range(60) for day in (1, 9)]
    result = purchase_gaps(workspace(rows))
    assert result.overall["customers"] == 20
    assert "Of 60 customers, 20 drawn at random are used here." in result.reading()


@pytest.mark.parametrize("student", ["", "20261234"])
def test_better_tiers_of_the_company_buy_sooner(company, student):
    crm = crmlab.load(student=student) if student else company
    result = purchase_gaps(crm)
    assert result.table["tier"].tolist() == ["key", "potential", "general"]
    for name in ("median", "day_90", "day_95", "customer_median"):
        low, high = result.table[f"{name}_low"].to_numpy(), result.table[f"{name}_high"].to_numpy()
        assert (high[:-1] < low[1:]).all()
    assert result.overall["completed_90"] < result.overall["day_90_low"]
    assert result.overall["customer_median"] > result.overall["median_high"]
