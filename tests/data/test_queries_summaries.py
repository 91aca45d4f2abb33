"""The queries on contacts, complaints and questionnaires: what they count."""

import pandas as pd
import pytest

from crmlab.data.sources import from_frames

AS_OF = "2025-03-31"


def workspace(**tables):
    return from_frames({name: pd.DataFrame(rows) for name, rows in tables.items()}, as_of=AS_OF)


def contact(number, **more):
    usual = {
        "contact_id": str(number),
        "customer_id": "A",
        "contacted_at": "2025-03-01 09:00",
        "direction": "inbound",
        "channel": "phone",
        "purpose": "inquiry",
        "needs_answer": True,
        "responded_at": None,
        "campaign": None,
    }
    return usual | more


def test_contacts_are_counted_by_customer_channel_purpose_and_direction():
    found = workspace(
        contacts=[
            contact(1),
            contact(2, contacted_at="2025-03-02 09:00", campaign="spring"),
            contact(3, channel="visit", purpose="thanks", direction="outbound"),
            contact(4, customer_id="B"),
            contact(5, customer_id=None, purpose=None),
        ]
    ).query("contacts_summary")
    assert found["customer_id"].fillna("nobody").tolist() == ["A", "A", "B", "nobody"]
    assert found["channel"].tolist() == ["phone", "visit", "phone", "phone"]
    assert found["contacts"].tolist() == [2, 1, 1, 1]
    assert found["in_campaigns"].tolist() == [1, 0, 0, 0]
    assert found["purpose"].isna().tolist() == [False, False, False, True]
    assert found.loc[0, "first_day"] == pd.Timestamp(2025, 3, 1)
    assert found.loc[0, "last_day"] == pd.Timestamp(2025, 3, 2)


def test_an_unanswered_contact_counts_once_its_24_hours_are_over():
    rows = [
        contact(1, responded_at="2025-03-02 09:00"),
        contact(2, responded_at="2025-03-02 09:01"),
        contact(3),
        contact(4, contacted_at="2025-03-31 09:00", responded_at="2025-03-31 09:05"),
        contact(5, needs_answer=False),
        contact(6, needs_answer=None),
        contact(7, direction="outbound"),
    ]
    found = workspace(contacts=rows).query("contacts_summary").set_index("direction")
    assert found.loc["inbound", ["contacts", "asked"]].tolist() == [6, 4]
    assert found.loc["inbound", ["answered_within_24h", "answered_known"]].tolist() == [1, 3]
    assert found.loc["outbound", ["contacts", "asked", "answered_known"]].tolist() == [1, 0, 0]


def test_without_answer_times_nothing_is_known_of_answers():
    contacts = pd.DataFrame([contact(1)]).drop(columns="responded_at")
    found = from_frames({"contacts": contacts}, as_of=AS_OF).query("contacts_summary").iloc[0]
    assert found[["asked", "answered_within_24h", "answered_known"]].tolist() == [1, 0, 0]


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": "A",
        "kind": "transport",
        "severity": "low",
        "opened_at": "2025-03-01 09:00",
        "due_at": "2025-03-03 09:00",
        "first_response_at": None,
        "resolved_at": None,
        "reopened_at": None,
        "handling_minutes": None,
        "handling_cost": None,
        "compensation": None,
    }
    return usual | more


def test_complaints_are_counted_by_customer_kind_and_severity_and_suggestions_apart():
    found = workspace(
        complaints=[
            complaint(1, handling_minutes=30, handling_cost=36, compensation=0),
            complaint(2, handling_minutes=20, resolved_at="2025-03-02 09:00", compensation=50),
            complaint(3, severity="high"),
            complaint(4, kind="suggestion"),
            complaint(5, customer_id=None),
        ]
    ).query("complaints_summary")
    assert found["kind"].tolist() == ["suggestion", "transport", "transport", "transport"]
    assert found["severity"].tolist() == ["low", "high", "low", "low"]
    assert found["complaints"].tolist() == [1, 1, 2, 1]
    assert found["customer_id"].isna().tolist() == [False, False, False, True]
    both = found.iloc[2]
    assert both[["handling_minutes", "handling_minutes_known"]].tolist() == [50, 2]
    assert both[["handling_cost", "handling_cost_known"]].tolist() == [36, 1]
    # What complaint 1 was paid is known only when it is resolved.
    assert both[["compensation", "resolved"]].tolist() == [50, 1]
    assert pd.isna(found.loc[0, "handling_minutes"])


def test_a_first_answer_is_judged_when_its_4_hours_are_over():
    rows = [
        complaint(1, first_response_at="2025-03-01 13:00"),
        complaint(2, first_response_at="2025-03-01 13:01"),
        complaint(3),
        complaint(
            4, opened_at="2025-03-31 21:00", first_response_at="2025-03-31 21:10", due_at=None
        ),
    ]
    found = workspace(complaints=rows).query("complaints_summary").iloc[0]
    assert found[["complaints", "answered_within_4h", "answered_known"]].tolist() == [4, 1, 3]


def test_a_promise_is_kept_missed_or_not_yet_known():
    rows = [
        complaint(1, resolved_at="2025-03-03 09:00"),
        complaint(2, resolved_at="2025-03-03 09:01"),
        complaint(3),
        complaint(4, due_at="2025-04-02 09:00", resolved_at="2025-03-02 09:00"),
        complaint(5, due_at=None, resolved_at="2025-03-02 09:00"),
    ]
    found = workspace(complaints=rows).query("complaints_summary").iloc[0]
    assert found[["sla_kept", "sla_missed", "sla_unknown"]].tolist() == [1, 2, 2]


def test_without_times_of_answer_and_resolution_nothing_is_missed():
    complaints = pd.DataFrame([complaint(1)])[["complaint_id", "customer_id", "opened_at"]]
    complaints["due_at"] = "2025-03-03"
    found = from_frames({"complaints": complaints}, as_of=AS_OF).query("complaints_summary")
    first = found.iloc[0]
    assert first[["sla_missed", "sla_unknown", "answered_known"]].tolist() == [0, 1, 0]
    assert pd.isna(first["handling_cost"])
    assert first["handling_cost_known"] == 0


def questionnaire(number, overall, weight=1.0, **more):
    usual = {
        "response_id": str(number),
        "customer_id": "A",
        "sent_at": "2025-03-01",
        "answered_at": None if overall is None else "2025-03-04",
        "mode": "sample",
        "overall": overall,
        "weight": weight,
    }
    return usual | more


def test_only_answers_are_summed_and_only_weighted_ones_with_their_weight():
    rows = [
        questionnaire(1, 5, 2.0),
        questionnaire(2, 3, 4.0),
        questionnaire(3, None, 8.0),
        questionnaire(4, 4, None),
        questionnaire(5, 1, 1.0, mode="call_centre"),
    ]
    found = workspace(surveys=rows).query("satisfaction_summary").set_index("mode").loc["sample"]
    assert found[["sent", "answered", "overall", "satisfied"]].tolist() == [4, 3, 12, 2]
    assert found[["weighted", "weight", "weight_overall", "weight_satisfied"]].tolist() == [
        2,
        6,
        22,
        2,
    ]


@pytest.mark.parametrize(
    ("query", "count", "rows"),
    [
        ("contacts_summary", "contacts", {"contacts": [contact(1)]}),
        ("complaints_summary", "complaints", {"complaints": [complaint(1)]}),
        ("satisfaction_summary", "sent", {"surveys": [questionnaire(1, 4)]}),
    ],
)
def test_a_period_includes_its_first_and_last_day(query, count, rows):
    crm = workspace(**rows)
    inside = crm.query(query, period_from="2025-03-01", period_to="2025-03-01")
    assert inside[count].tolist() == [1]
    assert crm.query(query, period_from="2025-03-02").empty
    assert crm.query(query, period_to="2025-02-28").empty


@pytest.mark.parametrize(
    "query", ["contacts_summary", "complaints_summary", "satisfaction_summary"]
)
def test_without_the_table_a_summary_is_empty_with_the_same_types(query):
    full = workspace(
        contacts=[contact(1)], complaints=[complaint(1)], surveys=[questionnaire(1, 4)]
    ).query(query)
    empty = workspace(orders=[{"order_id": "1"}]).query(query)
    assert empty.empty
    assert empty.dtypes.equals(full.dtypes)


def order(number, **more):
    usual = {"order_id": str(number), "customer_id": "A", "amount": 10.0, "route": "R1"}
    return usual | {"ordered_at": "2025-03-01 09:00"} | more


def test_orders_are_counted_by_group_without_cancellations():
    crm = workspace(
        orders=[
            order(1, amount=None),
            order(2, route="R2", ordered_at="2025-03-02 09:00"),
            order(3, amount=-5.0),
            order(4, route=None, customer_id="B"),
        ],
        customers=[{"customer_id": "A", "tier": "key", "region": "North"}],
    )
    assert crm.query("order_counts")["orders"].tolist() == [3]
    by_route = crm.query("order_counts", by="route")
    assert by_route["route"].fillna("none").tolist() == ["R1", "R2", "none"]
    by_tier = crm.query("order_counts", by=["tier", "customers.region"])
    assert by_tier["orders"].tolist() == [2, 1]
    assert by_tier["region"].fillna("none").tolist() == ["North", "none"]
    assert crm.query("order_counts", period_from="2025-03-02")["orders"].tolist() == [1]
    assert crm.query("order_counts", period_to="2025-03-01")["orders"].tolist() == [2]


def test_orders_are_counted_by_day_and_group():
    crm = workspace(
        orders=[order(1), order(2), order(3, route="R2"), order(4, ordered_at=None)],
    )
    by_day = crm.query("order_days", by="route")
    assert by_day["orders"].tolist() == [2, 1, 1]
    assert by_day["route"].tolist() == ["R1", "R2", "R1"]
    assert by_day["day"].isna().tolist() == [False, False, True]
    assert crm.query("order_days")["orders"].tolist() == [3, 1]


def test_each_complaint_is_a_row_whatever_else_is_known_of_it():
    rows = [complaint(1, order_id="7", owner="S1"), complaint(2, customer_id=None, order_id="7")]
    crm = workspace(
        complaints=[*rows, complaint(3, order_id="8", owner="S2")],
        orders=[order(7, customer_id="B", region="East")],
        customers=[{"customer_id": "B", "tier": "key", "region": "North"}],
        staff=[{"staff_id": "S1", "team": "claims"}],
    )
    found = crm.query("complaint_cases", by=["region", "team", "customers.region"])
    assert found["complaint_id"].tolist() == ["1", "2", "3"]
    assert found["customer_id"].tolist() == ["A", "B", "A"]
    assert found["tier"].fillna("none").tolist() == ["none", "key", "none"]
    assert found["region"].fillna("none").tolist() == ["East", "East", "none"]
    assert found["customers_region"].fillna("none").tolist() == ["none", "North", "none"]
    assert found["team"].fillna("none").tolist() == ["claims", "none", "none"]


def test_complaints_alone_are_enough_for_their_cases():
    crm = workspace(complaints=[complaint(1, reopened_at="2025-03-05")])
    found = crm.query("complaint_cases").iloc[0]
    assert pd.isna(found["closed_at"])
    assert pd.isna(found["tier"])
