import pandas as pd
import pytest

from crmlab.complaints.cases import cases
from crmlab.complaints.durations import hours_between
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": None,
        "order_id": None,
        "opened_at": f"2025-03-{number:02} 09:00",
        "kind": "transport",
        "severity": "low",
    }
    return usual | more


def workspace(complaints, settings=None, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames(
        {name: pd.DataFrame(rows) for name, rows in frames.items()}, settings, as_of="2025-03-31"
    )


def test_a_complaint_takes_its_customer_and_columns_from_its_order():
    orders = [{"order_id": "O1", "customer_id": "A", "route": "R1", "ordered_at": "2025-02-01"}]
    crm = workspace([complaint(1, order_id="O1"), complaint(2)], orders=orders)
    frame = cases(crm, by=["route", "kind"]).frame
    assert frame["customer_id"].fillna("nobody").tolist() == ["A", "nobody"]
    assert frame["route"].fillna("none").tolist() == ["R1", "none"]
    with pytest.raises(UnknownName, match=r"no column roote to group by\. Did you mean route"):
        cases(crm, by="roote")


def test_suggestions_and_undated_complaints_are_counted_when_they_are_left_out():
    rows = [complaint(1), complaint(2, kind="suggestion"), complaint(3, opened_at=None)]
    rows.append(complaint(4, kind=None))
    found = cases(workspace(rows), suggestions=False)
    assert found.frame["complaint_id"].tolist() == ["1", "4"]
    assert [(one.count, one.unit) for one in found.exclusions()] == [
        (1, "complaint"), (1, "complaint"),
    ]  # fmt: skip
    assert cases(workspace(rows)).frame["suggestion"].tolist() == [False, True, False]
    with pytest.raises(NotEnoughData, match="no complaint whose day"):
        cases(workspace([complaint(1, opened_at=None)]))


def test_without_a_kind_the_cause_says_what_a_suggestion_is():
    rows = [complaint(1, kind=None, cause="suggestion"), complaint(2, kind=None, cause="damage")]
    rows.append(complaint(3, kind="service", cause="suggestion"))
    found = cases(workspace(rows)).frame
    assert found["suggestion"].tolist() == [True, False, False]


def test_a_complaint_opened_again_is_closed_by_the_resolution_after_that():
    again = {"resolved_at": "2025-03-10 09:00", "reopened_at": "2025-03-12 09:00"}
    events = [
        {"complaint_id": "1", "at": "2025-03-10 09:00", "stage": "resolve"},
        {"complaint_id": "2", "at": "2025-03-10 09:00", "stage": "resolve"},
        {"complaint_id": "2", "at": "2025-03-13 09:00", "stage": "resolve"},
    ]
    rows = [
        complaint(1, **again),
        complaint(2, **again),
        complaint(3, resolved_at=again["resolved_at"]),
    ]
    closed = cases(workspace(rows, complaint_events=events)).frame["closed_at"]
    assert closed.isna().tolist() == [True, False, False]
    assert closed.iloc[1] == pd.Timestamp("2025-03-13 09:00")


def test_promises_and_costs_come_from_the_rules_only_where_they_are_not_given():
    settings = Settings(sla_hours={"key.low": 96.0}, activity_costs={"complaint.minute": 2.0})
    rows = [
        complaint(
            1, customer_id="A", due_at="2025-03-02 09:00", handling_cost=7.0, compensation=3.0
        ),
        complaint(2, customer_id="A", due_at=None, handling_minutes=10.0),
        complaint(3, customer_id="B", due_at=None),
    ]
    customers = [{"customer_id": "A", "tier": "key"}, {"customer_id": "B", "tier": "general"}]
    frame = cases(workspace(rows, settings, customers=customers)).frame
    assert frame["due_at"].iloc[1] == pd.Timestamp("2025-03-06 09:00")
    assert frame["due_at"].isna().tolist() == [False, False, True]
    assert frame["due_by_rule"].tolist() == [False, True, False]
    assert frame["cost"].fillna(-1).tolist() == [10, 20, -1]


def test_an_end_before_its_start_is_impossible_unless_a_mere_day_leaves_it_open():
    start = pd.Series(pd.to_datetime(["2025-03-01 09:00", "2025-03-01 09:00", None]))
    end = pd.Series(pd.to_datetime(["2025-03-01 00:00", "2025-03-01 08:59", "2025-03-01 09:00"]))
    found = hours_between(start, end)
    assert found["hours"].fillna(-1).tolist() == [0, -1, -1]
    assert found["impossible"].tolist() == [False, True, False]
    assert found["whole_days"].tolist() == [True, False, False]


def test_every_complaint_of_the_company_is_there_with_its_route(company):
    frame = cases(company, by=["route", "service_line", "level"]).frame
    assert len(frame) == len(company.complaints)
    assert frame["route"].isna().sum() == company.complaints["order_id"].isna().sum()
    assert frame["level"].notna().all()


def test_where_all_complaints_are_suggestions_that_is_said():
    crm = workspace([complaint(1, kind="suggestion")])
    with pytest.raises(NotEnoughData, match=r"All complaints .* are suggestions"):
        cases(crm, suggestions=False)
