import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm, t

from crmlab.complaints.exposure import exposed, has_own_orders
from crmlab.complaints.rate_ratio import compare_rates, score_chance
from crmlab.complaints.rates import complaint_rates
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName


def workspace(orders, complaints, customers=None):
    """Orders: rows of (customer, region, how many); complaints: (order or customer, kind)."""
    placed = [
        {"customer_id": who, "region": region} for who, region, many in orders for _n in range(many)
    ]
    frame = pd.DataFrame(placed).assign(ordered_at="2025-03-01")
    frame["order_id"] = [str(number) for number in range(len(frame))]
    told = pd.DataFrame(complaints, columns=["order_id", "customer_id", "kind"])
    told["complaint_id"] = [str(number) for number in range(len(told))]
    tables = {"orders": frame, "complaints": told.assign(opened_at="2025-03-02")}
    if customers is not None:
        tables["customers"] = pd.DataFrame(customers)
    return from_frames(tables, as_of="2025-03-31")


def of_orders(*numbers, kind="service"):
    return [(str(number), None, kind) for number in numbers]


SPREAD = [(f"N{n}", "North", 10) for n in range(10)] + [(f"S{n}", "South", 10) for n in range(10)]


def test_the_rate_and_its_plain_interval_are_those_worked_out_by_hand():
    found = complaint_rates(workspace(SPREAD, of_orders(1, 21, 41, 61)))
    row = found.table.iloc[0]
    assert (row["orders"], row["complaints"], row["per_1000"]) == (200, 4, 20)
    assert row["plain_low"] == pytest.approx(chi2.ppf(0.025, 8) / 2 / 0.2)
    assert row["plain_high"] == pytest.approx(chi2.ppf(0.975, 10) / 2 / 0.2)
    assert found.reading().startswith("4 complaints on 200 orders")


def test_suggestions_stand_beside_and_count_only_when_asked_for():
    crm = workspace(SPREAD, of_orders(1, 21) + of_orders(41, 61, kind="suggestion"))
    without, counted = complaint_rates(crm), complaint_rates(crm, suggestions=True)
    assert without.table[["per_1000", "with_suggestions"]].to_numpy().tolist() == [[10, 20]]
    assert counted.table[["per_1000", "without_suggestions"]].to_numpy().tolist() == [[20, 10]]
    assert "With the 2 suggestions, which are welcome" in without.reading()
    assert "Without the 2 suggestions" in counted.reading()
    assert [one.get_text() for one in counted.plot().get_yticklabels()] == [
        "Without suggestions", "With suggestions",
    ]  # fmt: skip


def test_no_event_has_an_interval_from_0():
    table = complaint_rates(workspace(SPREAD, of_orders(1, 2)), by="region").table
    south = table.set_index("region").loc["South"]
    assert (south["per_1000"], south["low"]) == (0, 0)
    assert south["high"] == pytest.approx(1000 * -np.log(0.025) / 100)


def test_only_suggestions_leave_a_rate_of_0():
    found = complaint_rates(workspace(SPREAD, of_orders(1, 2, kind="suggestion")))
    assert (found.table["complaints"].iloc[0], found.table["low"].iloc[0]) == (0, 0)
    assert "0 complaints on 200 orders" in found.reading()
    with pytest.raises(NotEnoughData, match="only suggestions"):
        complaint_rates(workspace(SPREAD, of_orders(1, kind="suggestion")), by="kind")


def test_one_customer_who_complains_often_makes_the_interval_wider():
    one = complaint_rates(workspace(SPREAD, of_orders(*range(10))))
    ten = complaint_rates(workspace(SPREAD, of_orders(*range(0, 200, 20))))
    assert one.table["plain_high"].iloc[0] == ten.table["plain_high"].iloc[0]
    assert one.table["design_effect"].iloc[0] > 5
    assert one.table["high"].iloc[0] > 2 * ten.table["high"].iloc[0]
    assert "Some customers complain more often" in one.reading()
    assert "do not differ in their rates by more than chance" in ten.reading()


def test_groups_far_apart_stand_out_and_alike_ones_do_not():
    far = complaint_rates(workspace(SPREAD, of_orders(*range(0, 100, 4), 110)), by="region")
    assert far.table["region"].tolist() == ["North", "South"]
    assert far.table["stands_out"].tolist() == [True, True]
    assert far.title() == "Complaints on 1,000 orders: North above the others"
    assert "Below them: South 10.0" in far.reading()
    near = complaint_rates(workspace(SPREAD, of_orders(*range(0, 200, 8))), by="region")
    assert not near.table["stands_out"].any()
    assert "No group differs from the others together" in near.reading()


def test_a_group_of_few_customers_or_few_orders_is_shown_and_not_judged():
    orders = [*SPREAD, ("E1", "East", 100), *[(f"W{n}", "West", 1) for n in range(8)]]
    found = complaint_rates(workspace(orders, of_orders(*range(0, 310, 4))), by="region")
    few = found.table.set_index("region")["few"]
    assert few.to_dict() == {"North": False, "South": False, "East": True, "West": True}
    assert found.table.loc[found.table["few"], "stands_out"].isna().all()
    text = found.reading()
    assert "Not judged, and not to be ranked: " in text
    assert "fewer than five customers" in text
    assert "hollow: too few to judge" in found.plot().get_xlabel()


def test_kinds_are_held_against_all_orders_and_add_up():
    told = of_orders(*range(0, 60, 3)) + of_orders(100, 150, kind="transport")
    found = complaint_rates(workspace(SPREAD, told), by="kind")
    assert found.table["orders"].tolist() == [200, 200]
    assert found.table["per_1000"].tolist() == [100, 10]
    assert found.overall.estimate.value * 1000 == pytest.approx(110)
    assert "stands_out" not in found.table
    assert "parts of the whole and add up" in found.reading()
    assert "fewer than five complaints: Freight transport." in found.reading()
    assert not has_own_orders("kind")


def test_complaints_without_an_order_have_no_group_of_orders_and_are_counted():
    crm = workspace(SPREAD, [*of_orders(1, 2), (None, "N1", "service")])
    found = complaint_rates(crm, by="region")
    assert found.table["complaints"].sum() == 2
    assert [(one.reason, one.count) for one in found.left_out] == [("Region not given", 1)]
    assert complaint_rates(crm).table["complaints"].iloc[0] == 3


def test_a_complaint_without_an_order_still_belongs_to_its_customers_tier():
    customers = [{"customer_id": f"N{n}", "tier": "key"} for n in range(10)]
    customers += [{"customer_id": f"S{n}", "tier": "general"} for n in range(10)]
    crm = workspace(SPREAD, [*of_orders(1), (None, "N1", "service")], customers)
    table = complaint_rates(crm, by="tier").table.set_index("tier")
    assert table.loc["key", ["orders", "complaints"]].tolist() == [100, 2]


def test_without_customers_the_reading_says_what_that_means():
    orders = pd.DataFrame({"order_id": ["1", "2", "3"], "ordered_at": "2025-03-01", "region": "N"})
    told = pd.DataFrame({"complaint_id": ["1"], "order_id": ["1"], "opened_at": "2025-03-02"})
    found = complaint_rates(from_frames({"orders": orders, "complaints": told}), by="region")
    assert "customers" not in found.table
    assert "No customer is given" in found.reading()
    assert "Whether groups differ cannot be told" in found.reading()


def test_what_is_missing_or_unknown_is_said():
    told = pd.DataFrame({"complaint_id": ["1"], "opened_at": "2025-03-02"})
    with pytest.raises(MissingColumns, match=r"orders\.ordered_at"):
        complaint_rates(from_frames({"complaints": told}))
    crm = workspace(SPREAD, of_orders(1))
    with pytest.raises(UnknownName, match="no column regoin"):
        complaint_rates(crm, by="regoin")
    with pytest.raises(NotEnoughData, match="Nothing is known of severity"):
        complaint_rates(crm, by="severity")
    many = [(f"C{n}", f"R{n}", 1) for n in range(201)]
    with pytest.raises(CrmlabError, match="makes 201 groups"):
        complaint_rates(workspace(many, of_orders(1)), by="region")


def test_every_order_and_complaint_is_in_the_cells_once(company):
    for by in (None, "customer_type", "route", "tier"):
        found = exposed(company, by=by)
        assert found.frame["orders"].sum() == len(company.orders.query("not amount < 0"))
        lost = sum(one.count for one in found.left_out)
        told = found.frame[["complaints", "suggestions"]].to_numpy().sum()
        assert told + lost == len(company.complaints)


def test_customer_types_of_the_company_complain_as_they_were_made_to(company):
    table = complaint_rates(company, by="customer_type").table
    assert table["customer_type"].tolist() == [
        "personalised", "economic", "convenience", "ethical",
    ]  # fmt: skip
    assert table["stands_out"].tolist() == [True, False, True, True]
    assert table["low"].iloc[0] > table["high"].iloc[2]


def test_a_column_may_be_named_with_its_table(company):
    found = complaint_rates(company, by="customers.region")
    assert found.table["region"].nunique() == company.customers["region"].nunique()
    assert found.table["complaints"].sum() == (company.complaints["kind"] != "suggestion").sum()
    by_owner = complaint_rates(company, by="staff.team")
    assert by_owner.table["orders"].iloc[0] == found.table["orders"].sum()


def test_a_rate_so_high_that_it_is_a_share_is_said_to_be_one():
    often = complaint_rates(workspace(SPREAD, of_orders(*range(0, 200, 4))))
    assert "may go beyond 1,000" in often.reading()
    seldom = complaint_rates(workspace(SPREAD, of_orders(*range(0, 200, 20))))
    assert "may go beyond 1,000" not in seldom.reading()


def test_groups_that_are_yes_or_no_are_called_so(company):
    found = complaint_rates(company, by="on_time")
    assert [one.get_text() for one in found.plot().get_yticklabels()] == [
        "On time: no", "On time: yes",
    ]  # fmt: skip
    assert found.formats()["on_time"] == "boolean"
    assert found.table["stands_out"].all()


def test_order_lines_are_called_so():
    crm = workspace(SPREAD, of_orders(*range(0, 100, 4), 110))
    lines = from_frames(
        {"orders": crm.orders, "complaints": crm.complaints},
        dataclasses.replace(crm.settings, record="line"),
        as_of=crm.as_of,
    )
    result = complaint_rates(lines, by="region")
    assert result.title() == "Complaints on 1,000 order lines: North above the others"
    assert result.plot().get_xlabel().startswith("Complaints on 1,000 order lines")
    two = compare_rates(lines, by="region", first="North", second="South")
    assert "North 25 on 100 order lines" in two.reading()


def test_of_a_single_customer_it_is_not_said_that_customers_are_alike():
    reading = complaint_rates(workspace([("A", "North", 10)], of_orders(1, 2, 3))).reading()
    assert "All orders are those of one customer" in reading
    assert "do not differ" not in reading


def test_a_group_is_held_against_the_others_with_the_freedom_of_its_customers():
    # Two of ten orders of each customer in the North, one of ten in the South: no overdispersion.
    told = of_orders(*range(0, 100, 5), *range(100, 200, 10))
    table = complaint_rates(workspace(SPREAD, told), by="region").table
    normal = score_chance((20, 100), (10, 100))
    own = 2 * t.sf(norm.isf(normal / 2), 9 + 9)
    assert table["corrected"].tolist() == pytest.approx([2 * own] * 2)
    assert own > normal


def test_customers_that_are_not_known_leave_the_normal_law():
    orders = workspace(SPREAD, []).orders.drop(columns="customer_id")
    told = pd.DataFrame({"order_id": [str(n) for n in range(0, 100, 5)], "opened_at": "2025-03-02"})
    told["complaint_id"] = told["order_id"]
    crm = from_frames({"orders": orders, "complaints": told}, as_of="2025-03-31")
    table = complaint_rates(crm, by="region").table
    assert table["corrected"].tolist() == pytest.approx([2 * score_chance((20, 100), (0, 100))] * 2)


def test_the_picture_counts_only_groups_that_have_a_rate():
    """40 regions: those of 25, or of 31, have orders; the others a refund alone."""
    for drawable, said in ((25, False), (31, True)):
        orders = [(f"C{n}", f"R{n:02}", 10 if n < drawable else 0) for n in range(40)]
        placed = [
            {"customer_id": who, "region": region, "amount": 5.0}
            for who, region, many in orders
            for _n in range(many)
        ]
        refunds = [
            {"customer_id": who, "region": region, "amount": -5.0}
            for who, region, many in orders
            if not many
        ]
        frame = pd.DataFrame([*placed, *refunds]).assign(ordered_at="2025-03-01")
        frame["order_id"] = [str(number) for number in range(len(frame))]
        told = pd.DataFrame(
            {
                "complaint_id": [str(n) for n in range(40)],
                "opened_at": "2025-03-02",
                "order_id": [str(frame.index[frame["region"] == f"R{n:02}"][0]) for n in range(40)],
            }
        )
        crm = from_frames({"orders": frame, "complaints": told}, as_of="2025-03-31")
        found = complaint_rates(crm, by="region")
        assert found.table["per_1000"].notna().sum() == drawable
        assert ("The picture shows" in found.reading()) is said
        if said:
            assert "the lowest 15 of 31." in found.reading()


def test_one_complaint_and_one_order_are_one():
    one = complaint_rates(workspace([("N", "North", 1)], of_orders(0)))
    assert one.reading().startswith("1 complaint on 1 order, ")
    counted = complaint_rates(workspace([("N", "North", 1)], of_orders(0)), suggestions=True)
    assert counted.reading().startswith("1 complaint or suggestion on 1 order, ")
