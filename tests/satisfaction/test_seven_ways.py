import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import number
from crmlab.satisfaction.seven_ways import _compared, seven_ways, ways


def answers(count=80, overall=(3, 4)):
    return pd.DataFrame(
        {
            "response_id": [f"Q{n:03d}" for n in range(count)],
            "customer_id": [f"C{n:03d}" for n in range(count)],
            "order_id": [f"O{n:03d}" for n in range(count)],
            "answered_at": "2025-06-01",
            "overall": [overall[n % len(overall)] for n in range(count)],
        }
    )


def row(crm, way, **more):
    return seven_ways(crm, **more).table.set_index("way").loc[way]


def test_a_way_that_goes_with_satisfaction_is_found_and_its_share_is_right():
    surveys = answers()
    surveys["overall"] = [5 if n % 4 and n % 3 else 3 for n in range(80)]
    orders = surveys[["order_id", "customer_id"]].assign(
        ordered_at="2025-05-01", on_time=[n % 4 != 0 for n in range(80)]
    )
    crm = from_frames({"surveys": surveys, "orders": orders})
    found = row(crm, "excellent_service")
    assert found["share"] == 0.75
    with_it = surveys["overall"][orders["on_time"]].mean()
    assert found["difference"] == pytest.approx(with_it - 3)
    assert found["room"] == pytest.approx((with_it - 3) / 4)
    assert found["beyond_chance"]
    assert "Excellent service" in seven_ways(crm).title()


def test_ways_that_the_data_do_not_show_are_named():
    orders = answers()[["order_id"]].assign(on_time=[True, False] * 40)
    result = seven_ways(from_frames({"surveys": answers(), "orders": orders}))
    assert result.table["way"].tolist() == ["excellent_service"]
    assert len(result.absent) == 6
    assert "The data do not show: Senior commitment, " in result.reading()


def test_promises_and_repeated_causes_are_those_of_the_year_before_the_answer():
    complaints = pd.DataFrame(
        [
            ("1", "C000", "2025-01-01", "2025-01-05", "2025-01-04", "damage"),
            ("2", "C000", "2025-03-01", "2025-03-05", "2025-03-06", "damage"),
            ("3", "C001", "2025-03-01", "2025-03-05", "2025-03-04", "damage"),
            ("4", "C002", "2024-01-01", "2024-01-05", "2024-02-04", "damage"),
            ("5", "C003", "2025-05-31", "2025-06-05", "2025-06-04", "damage"),
        ],
        columns=["complaint_id", "customer_id", "opened_at", "due_at", "resolved_at", "cause"],
    )
    crm = from_frames({"surveys": answers(), "complaints": complaints}, as_of="2025-06-30")
    found = crm.query("seven_ways").head(4)
    assert found["promises_kept"].tolist() == [1, 1, 0, 0]
    assert found["promises_broken"].tolist() == [1, 0, 0, 0]
    assert found["complaints"].tolist() == [2, 1, 0, 1]
    assert found["repeated"].tolist() == [1, 0, 0, 0]
    kept = row(crm, "loyalty_to_customers")
    assert (kept["answers"], kept["share"]) == (2, 0.5)
    assert pd.isna(kept["difference"])


def test_a_complaint_of_unknown_cause_is_neither_repeated_nor_new():
    complaints = pd.DataFrame(
        [
            ("1", "C000", "2025-01-01", None),
            ("2", "C000", "2025-02-01", None),
            ("3", "C001", "2025-01-01", "damage"),
            ("4", "C001", "2025-02-01", "damage"),
        ],
        columns=["complaint_id", "customer_id", "opened_at", "cause"],
    )
    crm = from_frames({"surveys": answers(), "complaints": complaints})
    found = crm.query("seven_ways").head(2)
    assert found[["complaints", "repeated"]].to_numpy().tolist() == [[0, 0], [2, 1]]
    assert row(crm, "learning")["answers"] == 1


def test_of_an_answer_without_a_customer_no_way_of_the_customer_is_known():
    surveys = answers()
    surveys.loc[:9, "customer_id"] = None
    contacts = pd.DataFrame(
        {
            "contact_id": ["1"],
            "customer_id": ["C020"],
            "contacted_at": ["2025-05-01"],
            "purpose": "executive_visit",
        }
    )
    found = row(from_frames({"surveys": surveys, "contacts": contacts}), "senior_commitment")
    assert found["answers"] == 70
    assert found["share"] == pytest.approx(1 / 70)


def test_visits_by_executives_count_in_the_year_before_the_answer():
    contacts = pd.DataFrame(
        {
            "contact_id": ["1", "2", "3", "4"],
            "customer_id": ["C000", "C001", "C002", "C003"],
            "contacted_at": ["2025-05-01", "2024-01-01", "2025-06-10", "2025-05-01"],
            "direction": "outbound",
            "purpose": ["executive_visit"] * 3 + ["consultation"],
        }
    )
    crm = from_frames({"surveys": answers(), "contacts": contacts}, as_of="2025-06-30")
    assert row(crm, "senior_commitment")["share"] == 1 / 80


def test_feedback_looks_at_the_last_dissatisfied_answer_before():
    first = answers(60, overall=(1,)).assign(answered_at="2025-03-01")
    later = answers(60).assign(response_id=[f"R{n}" for n in range(60)])
    contacts = pd.DataFrame(
        {
            "contact_id": [str(n) for n in range(30)],
            "customer_id": [f"C{n:03d}" for n in range(30)],
            "contacted_at": "2025-03-05",
            "direction": "outbound",
            "purpose": "recovery",
        }
    )
    surveys = pd.concat([first, later], ignore_index=True).drop(columns="order_id")
    found = row(from_frames({"surveys": surveys, "contacts": contacts}), "customer_feedback")
    assert (found["answers"], found["share"]) == (60, 0.5)


def test_records_are_complete_when_no_field_is_missing():
    customers = answers()[["customer_id"]].assign(
        phone="1", email="a@b.cn", industry="retail", size="small", region="N"
    )
    customers.loc[:19, "email"] = None
    crm = from_frames({"surveys": answers(), "customers": customers})
    assert row(crm, "information_management")["share"] == 0.75
    less = ways().assign(at_least=4)
    assert row(crm, "information_management", rules=less)["share"] == 1


def test_what_the_rules_or_the_data_lack_is_said():
    crm = from_frames({"surveys": answers()})
    with pytest.raises(NotEnoughData, match="show none of the ways"):
        seven_ways(crm)
    with pytest.raises(UnknownName, match="no way luck"):
        seven_ways(crm, rules=ways().assign(way="luck"))


def test_service_and_managers_stand_out_in_the_simulated_company(company):
    result = seven_ways(company)
    table = result.table.set_index("way")
    assert table.loc["excellent_service", "beyond_chance"]
    room = number(table.loc["excellent_service", "room"], 2)
    labels = [one.get_text() for one in result.plot().get_yticklabels()]
    assert f"Excellent service ({room})" in labels
    assert table.loc["employee_satisfaction", "difference_low"] > 0


def test_a_way_that_one_manager_alone_has_is_not_compared():
    frame = pd.DataFrame({"overall": [1.0, 2, 3, 4, 5, 4], "weight": 1.0})
    frame["_cluster"] = [0, 0, 1, 1, 2, 2]
    flag = pd.Series([1.0, 1, 0, 0, 0, 0])
    assert np.isnan(list(_compared(frame, flag, None).values())).all()
