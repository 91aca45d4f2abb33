import sys

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.satisfaction.closed_loop import closed_loop
from crmlab.stats.intervals import wilson

AS_OF = "2025-03-31"


def answer(number, overall=1, at="2025-03-01 09:00", customer=None, order=None):
    return {
        "response_id": str(number),
        "customer_id": customer or f"C{number}",
        "order_id": order,
        "answered_at": at,
        "overall": overall,
    }


def contact(number, at="2025-03-03 09:00", **more):
    usual = {
        "contact_id": str(number),
        "customer_id": f"C{number}",
        "order_id": None,
        "complaint_id": None,
        "in_reply_to": None,
        "contacted_at": at,
        "direction": "outbound",
        "purpose": "recovery",
    }
    return usual | more


def workspace(surveys, contacts, **tables):
    frames = {"surveys": surveys, "contacts": contacts} | tables
    return from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()}, as_of=AS_OF)


def test_those_told_are_counted_among_the_dissatisfied_with_wilsons_interval():
    crm = workspace(
        [answer(1), answer(2, 2), answer(3), answer(4, 3), answer(5, 5)],
        [contact(1), contact(4), contact(5)],
    )
    row = closed_loop(crm).overall
    assert row[["answers", "told_in_time"]].tolist() == [3, 1]
    # Three customers of one answer each: the variance is p(1 − p)/(m − 1), of two answers.
    low, high = wilson(2 / 3, 2)
    assert row["low"] == pytest.approx(float(low))
    assert row["high"] == pytest.approx(float(high))
    assert row["days"] == pytest.approx(2)


def test_only_a_contact_of_ours_about_the_answer_counts():
    wrong = [
        contact(1, direction="inbound"),
        contact(2, purpose="promotion"),
        contact(3, complaint_id="K1"),
        contact(4, in_reply_to="99"),
        contact(5, at="2025-02-28 09:00"),
        contact(6, order_id="another"),
        contact(7, at="2025-03-11 09:01"),
        contact(8, order_id="own", purpose="follow_up"),
    ]
    surveys = [answer(number, order="own") for number in range(1, 9)]
    result = closed_loop(workspace(surveys, wrong))
    assert result.days.index.tolist() == ["8"]
    assert closed_loop(workspace(surveys, wrong), within=11).overall["told_in_time"] == 2


def test_answers_whose_days_are_not_over_are_left_out_told_or_not():
    crm = workspace(
        [answer(1), answer(2, at="2025-03-22 09:00"), answer(3, at="2025-03-29 09:00")],
        [contact(1), contact(2, at="2025-03-23 09:00")],
    )
    result = closed_loop(crm)
    assert result.overall["answers"] == 1
    assert (result.open, result.open_told) == (2, 1)
    assert "2 answers so recent" in result.reading()
    assert result.definition.exclusions[0].count == 2


def test_the_first_contact_says_how_long_it_took():
    crm = workspace([answer(1)], [contact(1, at="2025-03-06 09:00"), contact(1, contact_id="b")])
    assert closed_loop(crm).days.tolist() == [2]


def test_answers_of_one_customer_are_a_cluster():
    surveys = [answer(n, customer=f"C{n // 10}") for n in range(60)]
    contacts = [contact(n, contact_id=str(n), customer_id=f"C{n}") for n in range(3)]
    clustered = closed_loop(workspace(surveys, contacts)).overall
    assert clustered["share"] == 0.5
    assert clustered["low"] < float(wilson(30, 60).low)


def test_a_group_that_is_told_less_is_found():
    tiers = pd.DataFrame({"customer_id": [f"C{n}" for n in range(80)]})
    tiers["tier"] = np.where(np.arange(80) < 40, "key", "general")
    surveys = [answer(n) for n in range(80)]
    contacts = [contact(n) for n in range(80) if n < 36 or n > 75]
    result = closed_loop(workspace(surveys, contacts, customers=tiers), by="tier")
    assert result.table["tier"].tolist() == ["general", "key"]
    assert result.table["share"].tolist() == pytest.approx([0.1, 0.9])
    assert result.table["stands_out"].tolist() == [True, True]
    assert "General" in result.reading()


def test_a_group_beside_a_single_other_customer_is_not_judged():
    customers = pd.DataFrame({"customer_id": [f"C{n}" for n in range(9)]})
    customers["tier"] = ["key"] + ["general"] * 8
    surveys = [answer(n, customer=f"C{n}") for n in range(9)]
    contacts = [contact(n) for n in range(1, 9)]
    table = closed_loop(workspace(surveys, contacts, customers=customers), by="tier").table
    assert table["share"].tolist() == [0, 1]
    assert table["stands_out"].isna().all()


def test_of_very_many_questionnaires_the_groups_are_of_a_sample_which_is_said(monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.data.questionnaires"], "LARGEST", 20)
    customers = pd.DataFrame({"customer_id": [f"C{n}" for n in range(60)], "tier": "key"})
    crm = workspace([answer(n) for n in range(60)], [contact(1)], customers=customers)
    grouped = closed_loop(crm, by="tier")
    assert closed_loop(crm).overall["answers"] == 60
    assert grouped.overall["answers"] == grouped.table["answers"].sum() == 20
    assert "Of 60 questionnaires those of 20 customers drawn at random" in grouped.reading()
    assert "drawn at random" not in closed_loop(crm).reading()


def test_what_cannot_be_said_is_said():
    crm = workspace([answer(1, 5)], [contact(1)])
    with pytest.raises(NotEnoughData, match="No dissatisfied answer is older than 10 days"):
        closed_loop(crm)
    with pytest.raises(CrmlabError, match="within = 200 is not from 1 to 90"):
        closed_loop(crm, within=200)
    with pytest.raises(NotEnoughData, match="Nothing is known of tier"):
        closed_loop(workspace([answer(1)], [contact(1)]), by="tier")


def test_the_share_of_the_simulated_company_is_recovered(company):
    result = closed_loop(company)
    # effects.toml: closed_loop .55, the contact on the next working day after 1 to 7 days
    assert result.overall["low"] < 0.55 < result.overall["high"]
    assert 2 < result.days.median() < 6


def test_of_groups_too_small_to_be_judged_nothing_is_said():
    customers = [{"customer_id": f"C{n}", "tier": "key" if n < 3 else "general"} for n in range(6)]
    crm = workspace([answer(n) for n in range(6)], [contact(1), contact(4)], customers=customers)
    result = closed_loop(crm, by="tier")
    assert result.table["stands_out"].isna().all()
    assert "Whether groups differ cannot be told" in result.reading()
    assert "No group differs" not in result.reading()
