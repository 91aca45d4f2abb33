import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import TariffChange
from crmlab.data.simulate import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import MappingError, MissingColumns, NotEnoughData
from crmlab.loyalty.price import price_response
from crmlab.loyalty.purchases import customer_months

CHANGE = {"regions": ["S"], "since": "2025-01-01", "share": 0.25}


def workspace(orders_a_month, customers=12, months=24, prices=None, since="2023-06-15"):
    """Customers of each (region, type) who order so often a month before and after 2025."""
    rows, listed = [], []
    for (region, kind), (before, after) in orders_a_month.items():
        for one in range(customers):
            who = f"{region}{kind}{one}"
            listed.append((who, region, kind, since))
            for month in range(months):
                first = pd.Timestamp("2024-01-01") + pd.DateOffset(months=month)
                # Not all alike: some order once more and others once less.
                count = (after if month >= 12 else before) + (one % 3 - 1) * (month % 2 * 2 - 1)
                price = 100 * (prices or {}).get(region, 1) ** (month >= 12)
                rows += [(who, first + pd.Timedelta(days=n), price) for n in range(max(0, count))]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "list_price"])
    orders = orders.assign(order_id=[str(n) for n in range(len(orders))], service_line="FTL")
    if prices is None:
        orders = orders.drop(columns="list_price")
    names = ["customer_id", "region", "customer_type", "acquired_on"]
    return from_frames({"orders": orders, "customers": pd.DataFrame(listed, columns=names)})


TWO_TYPES = {
    ("S", "economic"): (8, 4),
    ("N", "economic"): (6, 6),
    ("S", "ethical"): (5, 6),
    ("N", "ethical"): (5, 6),
}


def test_the_response_is_the_double_ratio_over_the_rise():
    result = price_response(workspace(TWO_TYPES), change=CHANGE)
    rows = result.table.set_index("customer_type")
    assert rows["elasticity"].to_dict() == pytest.approx(
        {"economic": np.log(4 / 8) / np.log(1.25), "ethical": 0}, abs=1e-6
    )
    assert rows.loc["economic", "revenue_change"] == pytest.approx(1.25 * 0.5 - 1)
    assert rows.loc["ethical", "before_after"] == pytest.approx(np.log(6 / 5) / np.log(1.25))
    assert rows["sensitivity"].to_dict() == {"economic": "elastic", "ethical": "inelastic"}
    assert rows.loc["economic", ["customers_changed", "customers_other"]].tolist() == [12, 12]
    assert rows.loc["economic", ["orders_before", "orders_after"]].tolist() == [1152, 528]
    # The data end with the last order, so the last month is not whole and does not count.


def test_by_hand_with_sums_of_orders(company):
    months = customer_months(company).merge(
        company.customers[["customer_id", "region", "customer_type"]], on="customer_id"
    )
    known = months[months["since"] < "2024-01-01"]
    after = (known["month"] >= "2025-04-01").map({True: "after", False: "before"})
    dearer = known["region"].isin(["South", "North", "Northeast"]).map({True: "S", False: "N"})
    sums = known.pivot_table("orders", "customer_type", [dearer, after], aggfunc="sum")
    ratios = [sums[side, "after"] / sums[side, "before"] for side in ("S", "N")]
    by_hand = np.log(ratios[0] / ratios[1]) / np.log(1.25)
    result = price_response(company, newcomers=False)
    found = result.table.set_index("customer_type")["elasticity"]
    pd.testing.assert_series_equal(
        found.sort_index(), by_hand.rename("elasticity"), check_exact=False, rtol=1e-6
    )
    assert [each.count for each in result.definition.exclusions] == [760]


@pytest.mark.parametrize("student", ["", "20261234"])
def test_the_companys_elasticities_are_within_their_intervals(company, student):
    crm = crmlab.load(student=student) if student else company
    truth = {"economic": -1.8, "ethical": -0.5, "personalised": -0.8, "convenience": -1.1}
    if student:
        truth = {kind: effects_of(student)[f"price_{kind}"] for kind in truth}
    table = price_response(crm).table.set_index("customer_type").loc[list(truth)]
    assert (table["low"] < pd.Series(truth)).all()
    assert (pd.Series(truth) < table["high"]).all()
    assert table.loc["economic", "sensitivity"] == "elastic" or student
    assert not table["placebo_apart"].any()
    # Before and after alone takes the customers who leave for a response to the price.
    assert (table["before_after"] < table["elasticity"]).all()
    assert (table["across"] > 0).all()


def test_the_declared_rise_agrees_with_the_list_prices(company):
    assert "The list prices of the orders agree" in price_response(company).reading()
    other = company.settings.tariff_changes[0]
    wrong = TariffChange(other.regions, other.since, share=0.9)
    assert "do not agree" in price_response(company, change=wrong).reading()


def test_without_a_share_the_rise_is_measured_and_its_error_counts():
    crm = workspace(TWO_TYPES, prices={"S": 1.5, "N": 1.2})
    unknown = {name: CHANGE[name] for name in ("regions", "since")}
    with pytest.raises(NotEnoughData, match="list prices of the orders do not show it"):
        price_response(crm, change=unknown)  # all rise alike, so there is no error to be known
    noisy = crm.orders.assign(
        list_price=lambda frame: frame["list_price"] * np.exp(0.1 * (np.arange(len(frame)) % 7 - 3))
    )
    crm = from_frames({"orders": noisy, "customers": crm.customers})
    result = price_response(crm, change=unknown)
    assert result.tariff.measured.value == pytest.approx(1.5 / 1.2 - 1, abs=0.02)
    assert "as measured in the list prices" in result.reading()
    announced = price_response(
        crm, change=unknown | {"share": float(np.expm1(result.tariff.log_rise))}
    )
    ours, theirs = (
        each.table.set_index("customer_type").loc["economic"] for each in (result, announced)
    )
    assert ours["elasticity"] == pytest.approx(theirs["elasticity"])
    half = (theirs["high"] - theirs["elasticity"]) ** 2
    rise = ours["elasticity"] * result.tariff.log_error / result.tariff.log_rise
    from scipy.stats import t

    assert (ours["high"] - ours["elasticity"]) ** 2 == pytest.approx(
        half + (rise * t.ppf(0.975, 23)) ** 2
    )
    # All groups are divided by the same rise: its error makes none unlike another, and it does not
    # average out over them.
    assert result.unlike == pytest.approx(announced.unlike)
    wider = result.overall.value * result.tariff.log_error / result.tariff.log_rise
    assert (result.overall.high - result.overall.value) ** 2 == pytest.approx(
        (announced.overall.high - announced.overall.value) ** 2 + (wider * t.ppf(0.975, 46)) ** 2
    )


def test_prices_per_unit_are_compared_where_quantities_are_known():
    crm = workspace(TWO_TYPES, prices={"S": 1.25, "N": 1.0})
    orders = crm.orders.assign(
        list_price=lambda frame: frame["list_price"] * (1 + np.arange(len(frame)) % 5),
        quantity_ordered=lambda frame: 1.0 + np.arange(len(frame)) % 5,
    )
    noise = np.exp(0.01 * (np.arange(len(orders)) % 7 - 3))
    orders["list_price"] *= noise
    result = price_response(
        from_frames({"orders": orders, "customers": crm.customers}), change=CHANGE
    )
    assert result.tariff.measured.value == pytest.approx(0.25, abs=0.002)


def test_the_month_of_coming_and_the_time_before_do_not_count():
    crm = workspace({("S", "a"): (3, 2), ("N", "a"): (3, 3)}, since="2024-03-20")
    frame = price_response(crm, change=CHANGE).tariff.frame
    # Who ordered before the day of coming is known from the first order.
    assert frame["month"].min() == pd.Timestamp("2024-02-01")
    assert frame["customer_id"].nunique() == 24


def test_a_change_within_a_month_leaves_that_month_out():
    change = CHANGE | {"since": "2025-01-15"}
    months = price_response(workspace(TWO_TYPES), change=change).tariff.frame
    assert pd.Timestamp("2025-01-01") not in months["month"].tolist()
    assert months.loc[months["after"], "month"].min() == pd.Timestamp("2025-02-01")


def test_a_small_group_is_not_judged_and_one_without_a_region_is_counted():
    crm = workspace(TWO_TYPES | {("S", "convenience"): (3, 2), ("N", "convenience"): (3, 3)}, 12)
    customers = crm.customers
    few = customers["customer_id"].str.contains("Sconvenience") & (
        customers["customer_id"].str[-1].isin(list("56789"))
    )
    customers = customers.assign(region=customers["region"].mask(few))
    result = price_response(
        from_frames({"orders": crm.orders, "customers": customers}), change=CHANGE
    )
    row = result.table.set_index("customer_type").loc["convenience"]
    assert np.isnan([row["elasticity"], row["low"], row["placebo"], row["before_after"]]).all()
    assert pd.isna(row["sensitivity"])
    assert pd.isna(row["placebo_apart"])
    assert "Too few customers or orders to judge: Convenience." in result.reading()
    [left_out] = result.definition.exclusions
    assert (left_out.reason, left_out.count) == ("region not known", 5)


def test_a_short_time_before_has_no_trial():
    crm = workspace(TWO_TYPES)
    orders = crm.orders[crm.orders["ordered_at"] >= "2024-09-01"]
    result = price_response(
        from_frames({"orders": orders, "customers": crm.customers}), change=CHANGE
    )
    assert result.trial == ""
    assert "too short" in result.reading()
    assert result.table["placebo"].isna().all()


def test_paths_that_part_before_the_change_are_told():
    crm = workspace(TWO_TYPES)
    orders, customers = crm.orders, crm.customers
    south = orders["customer_id"].str.startswith("Seconomic")
    early = orders["ordered_at"] < "2024-07-01"
    odd = np.arange(len(orders)) % 2 == 0
    result = price_response(
        from_frames({"orders": orders[~(south & early & odd)], "customers": customers}),
        change=CHANGE,
    )
    row = result.table.set_index("customer_type").loc["economic"]
    assert result.trial == "2024-07"
    assert row["placebo_apart"]
    assert "more than chance for Economic" in result.reading()


def test_no_order_after_the_rise_is_not_judged():
    crm = workspace({("S", "a"): (3, 0), ("N", "a"): (3, 3)})
    orders = crm.orders
    gone = orders["customer_id"].str.startswith("S") & (orders["ordered_at"] >= "2025-01-01")
    result = price_response(
        from_frames({"orders": orders[~gone], "customers": crm.customers}), change=CHANGE
    )
    assert result.table["low"].isna().all()
    assert "cannot be told" in result.title()
    assert "Nowhere are there enough orders" in result.reading()
    result.plot()


def test_a_side_whose_months_hold_no_order_is_said_to_have_none():
    crm = workspace({("S", "a"): (3, 3), ("N", "a"): (3, 3)})
    orders = crm.orders
    south = orders["customer_id"].str.startswith("S")
    # The data end within December 2025, which is no whole month.
    orders.loc[south, "ordered_at"] = orders["ordered_at"].max()
    frames = {"orders": orders, "customers": crm.customers}
    with pytest.raises(NotEnoughData, match="on one of the two sides there are none"):
        price_response(from_frames(frames), change=CHANGE)


def test_list_prices_of_one_side_only_measure_no_rise():
    crm = workspace({("S", "a"): (8, 4), ("N", "a"): (6, 6)}, prices={"S": 1.25})
    orders = crm.orders
    one_side = orders["list_price"].where(orders["customer_id"].str.startswith("N"))
    frames = {"orders": orders.assign(list_price=one_side), "customers": crm.customers}
    result = price_response(from_frames(frames), change=CHANGE)
    assert np.isnan(result.tariff.measured.value)
    assert "list prices of the orders" not in result.reading()
    assert "(12) and those who do not (12)" in result.reading()


def test_what_is_missing_is_named():
    crm = workspace(TWO_TYPES)
    with pytest.raises(NotEnoughData, match="No change of the tariff is declared"):
        price_response(crm)
    with pytest.raises(NotEnoughData, match="one of the four groups is empty"):
        price_response(crm, change=CHANGE | {"regions": ["X"]})
    with pytest.raises(NotEnoughData, match="one of the four groups is empty"):
        price_response(crm, change=CHANGE | {"since": "2030-01-01"})
    with pytest.raises(NotEnoughData, match="can be grouped by: customer_type"):
        price_response(crm, by="tier", change=CHANGE)
    with pytest.raises(MappingError, match="no setting region"):
        price_response(crm, change={"region": "S", "since": "2025-01-01"})
    orders = from_frames({"orders": crm.orders})
    with pytest.raises(MissingColumns, match=r"customers\.region"):
        price_response(orders, change=CHANGE)


def test_all_together_have_no_column_of_groups():
    result = price_response(workspace(TWO_TYPES), by=None, change=CHANGE)
    assert "customer_type" not in result.table
    assert result.table["elasticity"].tolist() == pytest.approx(
        [np.log((4 + 6) / (8 + 5) / (12 / 11)) / np.log(1.25)], abs=1e-6
    )
    assert np.isnan(result.unlike)
    assert "fewer orders" in result.title()
    alike = price_response(workspace({("S", "a"): (3, 3), ("N", "a"): (3, 3)}), change=CHANGE)
    assert "cannot be told from chance" in alike.title()


def test_groups_alike_are_not_told_apart(company):
    result = price_response(company, by="tier")
    assert result.unlike > 0.05
    assert "do not differ" in result.title()
    assert price_response(company).unlike < 0.001
