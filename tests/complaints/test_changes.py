import dataclasses

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.complaints.changes import changes
from crmlab.complaints.control import control
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.stats.clustered import poisson

MONDAY = pd.Timestamp("2025-01-06")
WEEKS = 20


def workspace(counts, *, customers=True, cause=None, orders=40):
    """Complaints a week of each route, each of an order of Monday, opened on Tuesday."""
    rows, placed = [], []
    for route, weeks in counts.items():
        for week, count in enumerate(weeks):
            day = MONDAY + pd.Timedelta(days=7 * week)
            for number in range(orders):
                name = f"{route}-{week}-{number}"
                placed.append({"order_id": name, "ordered_at": day, "route": route})
                if number < count:
                    rows.append({"complaint_id": name, "order_id": name, "opened_at": day})
    complaints = pd.DataFrame(rows)
    complaints["opened_at"] += pd.Timedelta(hours=30)
    complaints["cause"] = cause or "damage"
    if customers:
        complaints["customer_id"] = [f"C{number}" for number in range(len(complaints))]
    frames = {"complaints": complaints, "orders": pd.DataFrame(placed)}
    return from_frames(frames, as_of="2025-06-01")


def steady(routes="ABCDEFGH", count=1):
    return {route: [count] * WEEKS for route in routes}


FAULT = steady() | {"B": [1] * 8 + [8] * 4 + [1] * 8}


def test_the_place_and_the_weeks_of_a_fault_are_found():
    result = changes(workspace(FAULT))
    found = result.found
    assert len(found) == 1
    row = found.iloc[0]
    assert row["route"] == "B"
    assert row["begins_on"] == MONDAY + pd.Timedelta(weeks=8)
    assert row["ends_on"] == MONDAY + pd.Timedelta(days=7 * 12 - 1)
    assert row["complaints"] == 32
    assert row["per_1000"] == pytest.approx(1000 * 32 / 160)
    assert row["other_per_1000"] == pytest.approx(1000 * 16 / 640)
    assert row["ratio"] == pytest.approx(32 / row["expected_count"])
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
    assert row["probability"] == pytest.approx(0.001)
    assert "B, Damaged goods: from Mar 3, 2025 to Mar 30, 2025" in result.reading()
    assert "looks worse than it is" in result.reading()
    assert "Out of proportion: B, Damaged goods" in result.title()


def test_where_nothing_changed_nothing_is_found_and_the_nearest_is_named():
    counts = steady() | {"B": [1, 2, 0] * 6 + [1, 1]}
    result = changes(workspace(counts))
    assert result.found.empty
    assert "Nothing is beyond chance. The most unlikely is" in result.reading()
    assert result.title() == "No place and stretch of time is out of proportion"
    flat = changes(workspace(steady("A")))
    assert flat.table.empty
    assert "No stretch has anything out of the ordinary" in flat.reading()
    assert "empty time line" in flat.alt()
    assert flat.plot() is not None


def test_what_all_places_share_is_no_change_of_a_place_but_one_of_all_together():
    season = {route: [1] * 8 + [8] * 5 + [1] * 7 for route in "ABCDEFGH"}
    assert changes(workspace(season)).found.empty
    together = changes(workspace(season), by=None).found
    assert together["begins_on"].tolist() == [MONDAY + pd.Timedelta(weeks=8)]
    assert "a season is a finding" in changes(workspace(season), by=None).reading()


def test_fewer_complaints_are_found_when_asked_for():
    counts = steady(count=6) | {"C": [6] * 10 + [0] * 5 + [6] * 5}
    row = changes(workspace(counts), direction="fewer").found.iloc[0]
    assert (row["route"], row["complaints"], row["ratio"]) == ("C", 0, 0)
    assert row["begins_on"] == MONDAY + pd.Timedelta(weeks=10)
    assert row["ratio_low"] == 0 < row["ratio_high"] < 1


def test_a_stretch_of_few_customers_is_shown_and_not_judged():
    crm = workspace(FAULT)
    route, _week, number = zip(*crm.complaints["complaint_id"].str.split("-"), strict=True)
    people = [f"{name}{int(each) % 4}" for name, each in zip(route, number, strict=True)]
    complaints = crm.complaints.assign(customer_id=people)
    result = changes(from_frames({"complaints": complaints, "orders": crm.orders}, as_of=crm.as_of))
    assert result.table["complaints"].iloc[0] == 16
    assert result.table["customers"].iloc[0] == 4
    assert result.table["beyond_chance"].isna().iloc[0]
    assert result.found.empty
    assert "Not judged" in result.reading()
    # Four complaints of each customer tell no more than one: the interval is wide.
    low, high = poisson(4, result.table["expected_count"].iloc[0] / 4)
    assert result.table["ratio_low"].iloc[0] == pytest.approx(low)
    assert result.table["ratio_high"].iloc[0] == pytest.approx(high)


def test_customers_that_are_not_known_keep_nothing_from_being_found():
    result = changes(workspace(FAULT, customers=False))
    assert len(result.found) == 1
    assert result.table["customers"].isna().all()


def test_sorts_are_looked_at_each_by_itself_and_rare_ones_left_out():
    crm = workspace(FAULT)
    cause = ["attitude"] * 2 + ["damage"] * (len(crm.complaints) - 2)
    rare = from_frames(
        {"complaints": crm.complaints.assign(cause=cause), "orders": crm.orders}, as_of=crm.as_of
    )
    result = changes(rare)
    assert result.sorts == 1
    assert "2 complaints (of a sort that is rare or not given)" in result.reading()
    assert changes(rare, per=None).table.columns[0] == "route"
    assert "cause" not in changes(rare, per=None).table


def test_dated_by_opening_the_week_before_counts_too():
    result = changes(workspace(FAULT), dated="opened")
    assert result.found["route"].tolist() == ["B"]
    assert result.gathered.dated == "opened"
    assert "when it was opened" in result.reading()


def test_complaints_where_nobody_ordered_are_left_out_and_counted():
    crm = workspace(steady())
    orders = crm.orders[~(crm.orders["route"].eq("A") & crm.orders["ordered_at"].eq(MONDAY))]
    complaints = crm.complaints.drop(columns="order_id").assign(
        opened_at=crm.complaints["opened_at"] - pd.Timedelta(hours=30)
    )
    with_route = from_frames({"complaints": complaints, "orders": orders}, as_of=crm.as_of)
    assert changes(with_route, by=None, dated="opened").gathered.exclusions == ()
    with pytest.raises(NotEnoughData, match="at least 8 whole weeks"):
        changes(with_route, dated="opened")  # no complaint has a place


def test_a_place_may_be_named_with_its_table():
    result = changes(workspace(FAULT), by="orders.route", draws=199)
    assert result.by == "route"
    assert "B, Damaged goods" in result.reading()


def test_the_same_seed_gives_the_same_bytes_and_another_nearly_so():
    one, two = (changes(workspace(FAULT), seed=1, draws=199) for _ in range(2))
    assert one.table.to_csv() == two.table.to_csv()
    other = changes(workspace(FAULT), seed=2, draws=199)
    assert other.table["likelihood"].tolist() == one.table["likelihood"].tolist()


def test_what_cannot_be_asked_is_said():
    crm = workspace(FAULT)
    with pytest.raises(UnknownName, match="per is one of cause"):
        changes(crm, per="route")
    with pytest.raises(UnknownName, match="direction is one of more, fewer"):
        changes(crm, direction="up")
    with pytest.raises(UnknownName, match="no column rout"):
        changes(crm, by="rout")
    with pytest.raises(CrmlabError, match="draws = 5 is not from 99"):
        changes(crm, draws=5)
    with pytest.raises(CrmlabError, match="level = 2 is not between"):
        changes(crm, level=2)
    with pytest.raises(CrmlabError, match="a scan looks at 200 places at most"):
        changes(crm, by="orders.order_id")
    with pytest.raises(NotEnoughData, match="No sort of complaint has 5 complaints"):
        changes(workspace({"A": [1, 0] * 2 + [0] * 16}))
    with pytest.raises(MissingColumns, match="orders"):
        changes(from_frames({"complaints": crm.complaints}, as_of=crm.as_of))


def check_the_loading_dock(found):
    # effects.toml: route_fault_damage, route R03 from 10 June to 31 August 2025
    assert found[["route", "cause"]].to_numpy().tolist() == [["R03", "damage"]]
    begins, ends = found["begins_on"].iloc[0], found["ends_on"].iloc[0]
    assert abs(begins - pd.Timestamp("2025-06-10")) <= pd.Timedelta(days=21)
    assert abs(ends - pd.Timestamp("2025-08-31")) <= pd.Timedelta(days=21)
    assert found["ratio_low"].iloc[0] > 1.5


def test_the_loading_dock_and_nothing_else_is_found_in_the_company(company):
    result = changes(company)
    check_the_loading_dock(result.found)
    bounds = result.bounds.iloc[0]
    assert bounds["begins_from"] <= pd.Timestamp("2025-06-10") <= bounds["begins_to"]
    assert bounds["ends_from"] <= pd.Timestamp("2025-08-31") <= bounds["ends_to"]
    check_the_loading_dock(changes(company, dated="opened").found)


def test_a_students_company_has_the_loading_dock_too():
    check_the_loading_dock(changes(crmlab.load(student="20261234")).found)


def test_the_season_of_late_deliveries_is_found_of_all_places_together(company):
    found = changes(company, by=None).found
    # crmlab.data.simulate.orders: more is late in November.
    assert found["cause"].tolist() == ["late_delivery"]
    assert found["begins_on"].iloc[0] < pd.Timestamp("2025-11-15") < found["ends_on"].iloc[0]
    assert changes(company, direction="fewer", draws=199).found.empty


def test_chance_finds_something_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    found = 0
    for _trial in range(12):
        counts = {route: rng.poisson(1.5, WEEKS).tolist() for route in "ABC"}
        result = changes(workspace(counts, orders=9), draws=99, level=0.1)
        found += len(result.found) > 0
    # Of 12 at 0.1: 4 at most but for bad luck of 1 in 200.
    assert found <= 4


def test_what_a_customer_complains_of_twice_in_a_week_counts_once():
    twice = steady(count=2) | {"B": [2] * 8 + [8] * 4 + [2] * 8}
    crm = workspace(twice)
    people = [f"P{number // 2}" for number in range(len(crm.complaints))]
    frames = {"complaints": crm.complaints.assign(customer_id=people), "orders": crm.orders}
    result = changes(from_frames(frames, as_of="2025-06-01"), draws=99)
    # All come in pairs of one customer, so there are half as many facts.
    assert result.table["complaints"].iloc[0] == 16
    assert result.gathered.left_out["same_week"] == len(people) / 2
    assert "further one of a customer, of the same sort, place and week" in result.reading()


def test_order_lines_are_called_so():
    crm = workspace(FAULT)
    settings = dataclasses.replace(crm.settings, record="line")
    frames = {"complaints": crm.complaints, "orders": crm.orders}
    lines = from_frames(frames, settings, as_of="2025-06-01")
    assert "on 1,000 order lines" in changes(lines, draws=99).reading()
    assert control(lines).title().startswith("Complaints per 1,000 order lines")


def test_without_a_cause_a_sort_must_not_be_asked_for():
    crm = workspace(steady())
    bare = {"complaints": crm.complaints.drop(columns="cause"), "orders": crm.orders}
    crm = from_frames(bare, as_of="2025-06-01")
    with pytest.raises(UnknownName, match="Say per = None"):
        changes(crm)
    assert changes(crm, per=None, draws=99).title()


def test_where_nothing_is_more_than_expected_the_table_is_empty_and_has_its_columns():
    found = changes(workspace({"A": [1] * WEEKS}, orders=1), by=None, draws=99)
    assert found.table.empty
    assert not [name for name in found.table if name.startswith("_")]
