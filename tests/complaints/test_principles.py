import math

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.complaints.cases import cases
from crmlab.complaints.principles import TARGETS, principles
from crmlab.complaints.promises import promises
from crmlab.complaints.record import record, record_fields
from crmlab.complaints.repeats import repeats
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import speaking

AS_OF = "2025-06-30"


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": "2025-06-01 09:00",
        "kind": "transport",
        "cause": "damage",
    }
    return usual | more


def workspace(complaints, settings=None, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames(
        {name: pd.DataFrame(rows) for name, rows in frames.items()}, settings, as_of=AS_OF
    )


def row(result, principle):
    return result.overall.loc[principle]


def test_a_promise_is_kept_missed_not_due_or_not_known():
    due = "2025-06-05 09:00"
    rows = [
        complaint(1, due_at=due, resolved_at="2025-06-05 09:00"),
        complaint(2, due_at=due, resolved_at="2025-06-05 09:01"),
        complaint(3, due_at=due),
        complaint(4, due_at="2025-07-01 09:00", resolved_at="2025-06-02 09:00"),
        complaint(5, due_at="2025-07-01 09:00"),
        complaint(6, resolved_at="2025-06-02 09:00"),
        complaint(7, due_at=due, followed_up_at="2025-06-09 09:00"),
        complaint(8, due_at="2025-06-05 00:00", resolved_at="2025-06-05 17:00"),
        complaint(9, due_at=due, resolved_at="2025-06-03 09:00", reopened_at="2025-06-04 09:00"),
    ]
    crm = workspace(rows)
    verdicts = promises(crm, cases(crm).frame.sort_values("complaint_id"))
    assert verdicts.tolist() == [
        "kept", "missed", "missed", "not_due", "not_due", "no_promise", "not_known", "kept", "kept",
    ]  # fmt: skip
    result = principles(crm)
    assert row(result, "timeliness")[["complaints", "left_out"]].tolist() == [5, 4]
    assert row(result, "timeliness")["share"] == pytest.approx(3 / 5)
    assert result.beside["kept_for_good"].iloc[0] == pytest.approx(2 / 5)
    reading = result.reading()
    assert "40.0% if one opened again counts as missed" in reading
    assert "2 complaints (Timeliness: not due by the last day)" in reading
    assert "1 complaint (Timeliness: no promise and no rule for one)" in reading
    assert "1 complaint (Timeliness: time of the resolution not known)" in reading


def test_without_due_at_the_hours_of_the_workspace_are_the_promise():
    settings = Settings(sla_hours={"general.low": 24.0})
    rows = [
        complaint(1, severity="low", resolved_at="2025-06-02 08:00"),
        complaint(2, severity="low", resolved_at="2025-06-02 10:00"),
    ]
    customers = [{"customer_id": f"C{n}", "tier": "general"} for n in (1, 2)]
    result = principles(workspace(rows, settings, customers=customers))
    assert row(result, "timeliness")["share"] == pytest.approx(0.5)
    assert row(result, "timeliness")["complaints"] == 2


def test_the_same_cause_within_the_days_before_has_come_back():
    times = {
        "1": ("A", "damage", "2025-01-01 09:00"),
        "2": ("A", "late", "2025-03-10 09:00"),
        "3": ("A", "damage", "2025-03-20 09:00"),
        "4": ("A", "damage", "2025-05-19 09:00"),  # sixty days after the one before
        "5": ("A", "damage", "2025-07-18 09:01"),  # sixty days and a minute
        "6": ("B", "damage", "2025-05-01 09:00"),
        "7": ("A", "damage", "2025-07-18 09:01"),  # of the same moment
        "8": (None, "damage", "2025-07-20 09:00"),
    }
    frame = pd.DataFrame.from_dict(
        times, orient="index", columns=["customer_id", "cause", "opened_at"]
    ).assign(opened_at=lambda found: pd.to_datetime(found["opened_at"]))
    found = repeats(frame, 60, 0.95)
    assert dict(zip(frame.index, found.again, strict=True)) == {
        "1": False, "2": False, "3": False, "4": True, "5": False, "6": False, "7": False,
        "8": False,
    }  # fmt: skip
    assert (found.too_early, found.unnamed) == (1, 1)
    # Of 8 complaints 7 are about damage; one of another cause was made in the sixty days before
    # no. 3, and no. 3 in those before no. 4; none before the others.
    assert found.expected[[2, 3]] == pytest.approx([7 / 8, 7 / 8])
    assert found.expected[[0, 1, 4, 5, 6, 7]].sum() == 0


def test_a_record_lacks_what_could_be_known_by_now_and_no_more():
    rows = [
        complaint(1, owner="S1", remedy="apology", resolved_at="2025-06-02 09:00"),
        complaint(2, owner=None, remedy=None, resolved_at="2025-06-02 09:00"),
        complaint(3, owner="S1", remedy=None),
    ]
    crm = workspace(rows)
    fields = pd.DataFrame(
        {"field": ["owner", "remedy", "due_at"], "known_by": ["opened", "resolved", "opened"]}
    )
    found = record(crm, cases(crm).frame, fields)
    assert found.required.tolist() == [2, 2, 1]
    assert found.filled.tolist() == [2, 0, 1]
    assert found.by_field.to_numpy().tolist() == [["remedy", 2, 1, 0.5], ["owner", 3, 2, 2 / 3]]
    assert found.not_kept == ("due_at",)
    result = principles(crm, fields=fields)
    assert row(result, "recording")["share"] == pytest.approx(3 / 5)
    assert "Least complete is “Remedy”: 50.0% of 2." in result.reading()
    assert "Not in the data at all, and not counted: Due at." in result.reading()


def test_one_owner_is_judged_once_resolved_and_taken_from_events_where_need_be():
    rows = [
        complaint(1, reassignments=0, resolved_at="2025-06-02 09:00"),
        complaint(2, reassignments=2, resolved_at="2025-06-02 09:00"),
        complaint(3, reassignments=0),
        complaint(4, reassignments=None, resolved_at="2025-06-02 09:00"),
    ]
    events = [
        {"complaint_id": n, "at": f"2025-06-01 1{place}:00", "stage": stage, "owner": owner}
        for place, (n, stage, owner) in enumerate([
            ("1", "accept", "S1"), ("1", "resolve", "S1"), ("2", "accept", "S1"),
            ("4", "accept", "S1"), ("4", "resolve", "S2"),
        ])
    ]  # fmt: skip
    result = principles(workspace(rows, complaint_events=events))
    assert row(result, "responsibility")[["complaints", "share", "left_out"]].tolist() == [
        2, 0.5, 2,
    ]  # fmt: skip
    assert result.judged.owners_agree == pytest.approx(1 / 2)
    bare = [{key: value for key, value in one.items() if key != "reassignments"} for one in rows]
    counted = principles(workspace(bare, complaint_events=events))
    assert row(counted, "responsibility")["share"] == pytest.approx(2 / 3)
    assert "taken from the owners of the events" in counted.reading()
    alone = principles(workspace(bare))
    assert np.isnan(row(alone, "responsibility")["share"])
    assert "as the data lack: Responsibility (complaints.reassignments)" in alone.reading()


def test_open_complaints_are_not_judged_by_their_owners_even_where_all_are_open():
    rows = [complaint(n, reassignments=0, resolved_at=None) for n in range(6)]
    result = principles(workspace(rows))
    assert row(result, "responsibility")[["complaints", "left_out"]].tolist() == [0, 6]
    assert "stayed with one owner" not in result.reading()
    assert "6 complaints (Responsibility: not yet resolved)" in result.reading()
    without = [{key: one[key] for key in one if key != "resolved_at"} for one in rows]
    assert row(principles(workspace(without)), "responsibility")["complaints"] == 6


def test_a_record_of_which_nothing_is_required_yet_is_none_without_a_gap():
    rows = [
        complaint(n, remedy="apology" if n == 0 else None, severity="low" if n < 3 else "high",
                  resolved_at="2025-06-02 09:00" if n < 3 else None)
        for n in range(5)
    ]  # fmt: skip
    fields = pd.DataFrame({"field": ["remedy"], "known_by": ["resolved"]})
    result = principles(workspace(rows), fields=fields, by="severity")
    complete = result.beside.set_index("severity")["complete_records"]
    assert complete.iloc[0] == pytest.approx(1 / 3)
    assert complete["low"] == pytest.approx(1 / 3)
    assert np.isnan(complete["high"])
    alone = principles(workspace(rows), fields=fields).reading()
    assert "33.3% of the records have no gap" in alone


def of_trained(missing):
    """Complaints by severity and training of the owner; what to write where it is not known."""
    numbers = [  # severity, trained, complaints, resolved at first contact
        ("high", False, 20, 5), ("high", True, 4, 2), ("low", False, 10, 5), ("low", True, 10, 7),
        (missing, False, 4, 3), (missing, True, 30, 27),
    ]  # fmt: skip
    rows = []
    for severity, trained, many, hits in numbers:
        for n in range(many):
            owner = f"{'T' if trained else 'U'}{n % 3}"
            rows.append(
                complaint(len(rows), severity=severity, owner=owner,
                          first_contact_resolution=n < hits)
            )  # fmt: skip
    staff = [
        {"staff_id": f"{kind}{n}", "trained_on": "2025-01-01" if kind == "T" else None}
        for kind in "TU"
        for n in range(3)
    ]
    return principles(workspace(rows, staff=staff))


def test_a_severity_not_known_is_a_step_of_its_own():
    found, as_code = of_trained(None), of_trained("medium")
    assert found.training.odds_ratio[:3] == pytest.approx(as_code.training.odds_ratio[:3])
    assert 2.4 < found.training.odds_ratio.value < 2.9
    assert "At equal severity the odds ratio is" in found.reading()


def test_of_equal_severity_nothing_is_said_where_no_severity_is_known():
    rows = [
        complaint(n, owner=f"S{n % 4}", first_contact_resolution=n % 4 < 2 or n % 3 == 0,
                  severity=None)
        for n in range(60)
    ]  # fmt: skip
    staff = [{"staff_id": f"S{n}", "trained_on": ("2025-01-01", None)[n % 2]} for n in range(4)]
    kept = [one | {"severity": "low" if place else None} for place, one in enumerate(rows)]
    assert "At equal severity the odds" in principles(workspace(kept, staff=staff)).reading()
    for told in (rows, [{key: one[key] for key in one if key != "severity"} for one in rows]):
        reading = principles(workspace(told, staff=staff)).reading()
        assert "At equal severity" not in reading
        assert "The odds ratio is 1." in reading
        assert "; the severity of the complaints is not known." in reading


def test_a_group_without_an_interval_is_drawn_inside_its_panel():
    rows = [
        complaint(n, reassignments=int(n == 3), resolved_at="2025-06-02 09:00", severity="low")
        for n in range(40)
    ]
    rows += [
        complaint(90, reassignments=2, resolved_at="2025-06-02 09:00", severity="high"),
    ]
    result = principles(workspace(rows), by="severity")
    panels = result.plot().child_axes
    place = result.overall.index.get_loc("responsibility")
    shares = result.table.loc[result.table["principle"] == "responsibility", "share"]
    assert sorted(shares) == [0, 0.975]
    low, high = panels[place].get_xlim()
    assert low < 0
    assert high > 0.975


def test_the_weakest_is_the_one_furthest_below_its_target_beyond_chance():
    rows = [
        complaint(n, reassignments=int(n <= 30), first_contact_resolution=n > 8,
                  resolved_at="2025-06-02 09:00")
        for n in range(1, 101)
    ]  # fmt: skip
    crm = workspace(rows)
    result = principles(crm)
    assert result.weakest() == "responsibility"
    assert result.title() == "Furthest below its target: Responsibility, 70% instead of 90%"
    assert "name one person who answers for each" in result.reading()
    calm = principles(crm, targets={"responsibility": 0.7, "front_line": 0.9})
    assert calm.weakest() == ""
    assert "None of the five principles is below" in calm.title()
    high = principles(crm, targets={"responsibility": 0.75, "front_line": 1})
    assert high.weakest() == "front_line"
    assert TARGETS["responsibility"] == 0.9


def test_groups_are_judged_from_five_customers_on_and_named_in_order():
    def handled(first, tier, late, count=40):
        return [
            complaint(n, due_at="2025-06-05 09:00",
                      resolved_at="2025-06-08 09:00" if n % 4 < late else "2025-06-03 09:00",
                      customer_id=f"{tier}{n}")
            for n in range(first, first + count)
        ]  # fmt: skip

    rows = [*handled(0, "general", 0), *handled(100, "key", 3), *handled(200, "potential", 2, 4)]
    customers = [
        {"customer_id": one["customer_id"], "tier": one["customer_id"].rstrip("0123456789")}
        for one in rows
    ]
    rows.append(complaint(900, customer_id=None, first_response_at="2025-06-01 15:00"))
    result = principles(workspace(rows, customers=customers), by="tier")
    timely = result.table[result.table["principle"] == "timeliness"]
    assert timely["tier"].fillna("none").tolist() == ["key", "potential", "general", "none"]
    assert timely["stands_out"].isna().tolist() == [False, True, False, True]
    assert timely["share"].iloc[:3].tolist() == [0.25, 0.5, 1]
    assert result.title() == "Groups differ in: Timeliness"
    assert "Key in Timeliness (25.0%, all" in result.reading()
    assert len(result.beside) == 5
    hours = result.beside["median_hours"]
    assert np.isnan(hours.iloc[1])  # of whom no answer is known
    assert hours.iloc[4] == 6


def test_complaints_of_one_customer_have_no_interval_and_no_verdict():
    rows = [
        complaint(n, customer_id="A", reassignments=1, resolved_at="2025-06-02 09:00",
                  severity="low" if n % 2 else "high")
        for n in range(20)
    ]  # fmt: skip
    result = principles(workspace(rows), by="severity")
    assert row(result, "responsibility")["share"] == 0
    assert np.isnan(row(result, "responsibility")["high"])
    assert result.weakest() == ""
    assert "below its target by more than chance" in result.title()
    assert "Whether groups differ cannot be told" in result.reading()


def test_wrong_options_are_named():
    crm = workspace([complaint(1, reassignments=0)])
    with pytest.raises(CrmlabError, match="days = 0 is below 1"):
        principles(crm, days=0)
    with pytest.raises(CrmlabError, match="targets names speed, which is none of the principles"):
        principles(crm, targets={"speed": 1})
    with pytest.raises(CrmlabError, match=r"targets\['recording'\] = 98 is no share"):
        principles(crm, targets={"recording": 98})
    with pytest.raises(CrmlabError, match="The table of fields lacks: known_by"):
        principles(crm, fields=pd.DataFrame({"field": ["owner"]}))
    with pytest.raises(CrmlabError, match="known_by = closed is none of the steps"):
        principles(crm, fields=pd.DataFrame({"field": ["owner"], "known_by": ["closed"]}))
    with pytest.raises(CrmlabError, match="known_by = closed, nan is none of the steps"):
        principles(
            crm, fields=pd.DataFrame({"field": ["owner"] * 2, "known_by": ["closed", np.nan]})
        )
    with pytest.raises(CrmlabError, match="field = nan, tier is none of"):
        principles(
            crm, fields=pd.DataFrame({"field": ["tier", np.nan], "known_by": ["opened"] * 2})
        )
    with pytest.raises(CrmlabError, match="field = tier is none of"):
        principles(crm, fields=pd.DataFrame({"field": ["tier"], "known_by": ["opened"]}))
    with pytest.raises(UnknownName, match="no column teem"):
        principles(crm, by="teem")


def test_mere_openings_can_be_judged_by_recording_or_by_nothing():
    rows = [{"complaint_id": "1", "opened_at": "2025-06-01"}]
    with pytest.raises(NotEnoughData, match="judged by any of the five"):
        principles(workspace(rows))
    result = principles(workspace([rows[0] | {"owner": "S1"}]))
    assert result.overall["complaints"].tolist() == [0, 1, 0, 0, 0]
    for code in ("en", "zh_CN"):
        with speaking(code):
            assert result.reading()
            assert result.plot().get_figure() is not None


def test_the_default_fields_can_be_edited_without_changing_them():
    mine = record_fields()
    mine.loc[0, "field"] = "order_id"
    assert record_fields()["field"].iloc[0] == "customer_id"


def test_trained_owners_of_the_company_resolve_more_at_first_contact(company):
    odds = principles(company).training.odds_ratio
    assert 0.5 <= math.log(odds.value) <= 0.9
    assert odds.low > 1


def test_documents_of_the_company_come_back_beyond_chance(company):
    found = principles(company).repeats
    assert found.loc[found["stands_out"], "cause"].tolist() == ["documents"]
    assert 2 < found["ratio"].iloc[0] < 3


def test_the_page_of_the_company_agrees_with_its_tables(company):
    result = principles(company, by="level")
    events = company.complaint_events.groupby("complaint_id")["owner"].nunique()
    first = result.judged.owners_agree
    assert first == 1
    assert len(events) == company.rows("complaints")
    summary = company.query("complaints_summary").query("kind != 'suggestion'")
    kept, missed = summary["sla_kept"].sum(), summary["sla_missed"].sum()
    assert row(result, "timeliness")["complaints"] == kept + missed
    assert row(result, "timeliness")["share"] == pytest.approx(kept / (kept + missed))
    assert result.table.groupby("principle")["complaints"].sum().to_dict() == (
        result.overall["complaints"].to_dict()
    )
    for code in ("en", "zh_CN"):
        with speaking(code):
            assert "74.3%" in result.reading()
            assert result.plot().get_figure() is not None


def test_the_raw_export_is_judged_by_what_it_has():
    result = principles(crmlab.load("docs/mappings/raw.toml", files="datasets/raw"))
    assert result.overall.loc["prevention", "complaints"] > 300
    assert "Capable front line (complaints.first_contact_resolution)" in result.reading()
    assert result.record["field"].iloc[0] == "owner"


def test_an_earlier_complaint_without_a_cause_repeats_none_and_is_not_expected_to():
    frame = pd.DataFrame(
        {
            "customer_id": ["B", "A", "A"],
            "cause": ["x", None, "x"],
            "opened_at": pd.to_datetime(["2025-01-01", "2025-03-01", "2025-03-02"]),
        }
    )
    found = repeats(frame, 30, 0.95)
    assert found.judged.tolist() == [False, False, True]
    assert found.again.tolist() == [False, False, False]
    assert found.expected.tolist() == [0, 0, 0]


def test_a_cause_that_one_customer_keeps_complaining_of_does_not_stand_out():
    days = pd.date_range("2025-01-01", periods=80, freq="D")
    frame = pd.DataFrame({"opened_at": days, "customer_id": "A", "cause": ["x", "y"] * 40})
    others = frame.assign(
        customer_id=[f"C{number}" for number in range(80)], cause=["y"] * 40 + ["z"] * 40
    )
    both = pd.concat([frame, others], ignore_index=True)
    table = repeats(both, 1, 0.95).by_cause
    assert not table["stands_out"].any()


def test_groups_may_be_named_with_their_table():
    rows = [complaint(n, first_contact_resolution=n % 2 == 0) for n in range(10)]
    result = principles(workspace(rows), by="complaints.cause")
    assert result.by == "cause"
    assert result.table["cause"].unique().tolist() == ["damage"]
