import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData, UnknownName
from crmlab.stats.intervals import wilson
from crmlab.tiering import on_time


def workspace(frame, **settings):
    return from_frames({"orders": frame}, Settings(name="Test", **settings), as_of="2025-12-31")


def many_orders(shares, orders=400):
    """Orders of regions with a known share on time, each order of a customer of its own."""
    rows = [
        (f"{region}{i}", f"C{region}{i}", "2025-06-01", region, i < share * orders)
        for region, share in shares.items()
        for i in range(orders)
    ]
    names = ["order_id", "customer_id", "ordered_at", "region", "on_time"]
    return pd.DataFrame(rows, columns=names)


def test_share_counts_only_known_outcomes(crm):
    result = on_time(crm)

    row = result.table.iloc[0]
    assert row[["orders", "on_time", "late", "unknown"]].tolist() == [5, 3, 2, 0]
    assert row["share"] == pytest.approx(0.6)


def test_delivery_is_compared_with_the_promise_and_what_is_overdue_is_late():
    frame = pd.DataFrame(
        {
            "order_id": ["1", "2", "3", "4"],
            "ordered_at": ["2025-12-01"] * 4,
            "promised_at": ["2025-12-05", "2025-12-05", "2025-12-06", "2026-01-05"],
            "delivered_at": ["2025-12-05", "2025-12-06", None, None],
        }
    )
    row = on_time(workspace(frame)).table.iloc[0]
    counts = row[["orders", "on_time", "late", "overdue", "unknown"]].tolist()
    assert counts == [4, 1, 2, 1, 1]


def test_without_customers_the_interval_is_wilsons_and_the_definition_says_so():
    frame = many_orders({"N": 0.8}).drop(columns="customer_id")
    result = on_time(workspace(frame))
    low, high = wilson(320, 400)
    assert result.table["low"].iloc[0] == pytest.approx(float(low))
    assert result.table["high"].iloc[0] == pytest.approx(float(high))
    assert "taken as independent, as no customer is given" in result.definition.method


def test_lines_of_one_order_are_said_to_be_taken_as_independent():
    frame = many_orders({"N": 0.8}).drop(columns="customer_id")
    result = on_time(workspace(frame, record="line"))
    assert "each line taken as independent, those of one order too" in result.definition.method
    assert "order lines" in result.reading()


def test_orders_of_one_customer_widen_the_interval():
    alone = many_orders({"N": 0.8})
    shared = alone.assign(customer_id=["C" + str(i // 20) for i in range(len(alone))])
    narrow = on_time(workspace(alone)).table.iloc[0]
    wide = on_time(workspace(shared)).table.iloc[0]
    assert wide["share"] == pytest.approx(narrow["share"])
    assert wide["low"] < narrow["low"]
    assert wide["high"] > narrow["high"]


def test_a_group_that_is_worse_is_found_and_an_equal_one_is_not():
    result = on_time(workspace(many_orders({"N": 0.9, "S": 0.9, "W": 0.7})), by="region")
    assert result.table["region"].tolist() == ["N", "S", "W"]
    assert result.table["below"].tolist() == [False, False, True]
    assert "W. This says where, not why." in result.reading()


@pytest.mark.slow
def test_among_equal_groups_one_is_seldom_called_worse():
    random = np.random.default_rng(3)
    found = 0
    for _repeat in range(40):
        shares = dict.fromkeys("ABCDEFGH", 0.8)
        frame = many_orders(shares, orders=60)
        frame["on_time"] = random.random(len(frame)) < 0.8
        found += on_time(workspace(frame), by="region").table["below"].any()
    # Holm keeps the chance of any false finding below 5 %, half of it on this side.
    assert found <= 4


def test_orders_without_a_region_are_a_group_of_their_own():
    frame = many_orders({"N": 0.9}, orders=10)
    frame.loc[0, "region"] = None
    table = on_time(workspace(frame), by="region").table
    assert table["orders"].sum() == 10
    assert table["region"].isna().sum() == 1


def test_a_misspelt_column_is_named():
    crm = workspace(many_orders({"N": 0.9}, orders=10))
    with pytest.raises(UnknownName, match=r"no column regoin to group by\. Did you mean region\?"):
        on_time(crm, by="regoin")


def test_without_any_way_to_tell_the_measure_says_what_it_needs(orders):
    with pytest.raises(MissingColumns, match=r"orders\.on_time"):
        on_time(workspace(orders.drop(columns="on_time")))


def test_no_known_outcome_is_an_error_not_a_nan():
    frame = many_orders({"N": 1}, orders=3).assign(on_time=None)
    with pytest.raises(NotEnoughData, match="No order has a known outcome"):
        on_time(workspace(frame))


def test_orders_without_a_customer_count_as_independent():
    named = many_orders({"N": 0.8})
    unnamed = named.assign(customer_id=None)
    effects = [
        on_time(workspace(frame)).table["design_effect"].iloc[0] for frame in (named, unnamed)
    ]
    assert effects == pytest.approx([1, 1], abs=0.01)


def test_a_group_of_few_customers_is_not_judged():
    frame = many_orders({"N": 0.9, "S": 0.9, "W": 0.3})
    frame.loc[frame["region"] == "W", "customer_id"] = "CW0"
    result = on_time(workspace(frame), by="region")
    judged = result.table.set_index("region")["below"]
    assert judged[["N", "S"]].tolist() == [False, False]
    assert judged.isna()["W"]


def test_customers_alike_elsewhere_widen_the_interval_of_a_single_customer():
    frame = many_orders({"N": 0.5})
    frame["customer_id"] = ["C" + str(i // 20) for i in range(len(frame))]
    alone = many_orders({"S": 0.5}, orders=40).assign(customer_id="CS")
    table = on_time(workspace(pd.concat([frame, alone])), by="region").table.set_index("region")
    low, high = wilson(20, 40)
    assert table.loc["S", "design_effect"] > 5
    assert table.loc["S", "low"] < low
    assert table.loc["S", "high"] > high


def test_an_order_promised_for_after_the_last_day_is_not_known_even_if_it_came_early():
    frame = pd.DataFrame(
        {
            "order_id": ["1", "2"],
            "ordered_at": ["2025-12-01"] * 2,
            "promised_at": ["2025-12-05", "2026-01-05"],
            "delivered_at": ["2025-12-04", "2025-12-20"],
        }
    )
    row = on_time(workspace(frame)).table.iloc[0]
    assert row[["orders", "on_time", "late", "unknown"]].tolist() == [2, 1, 0, 1]
