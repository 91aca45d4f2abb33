import numpy as np
import pandas as pd
import pytest

from crmlab import language
from crmlab.complaints.rework import rework
from crmlab.data.model import Settings
from crmlab.data.simulate import effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData

STRAIGHT = ["accept", "investigate", "negotiate", "resolve"]
LOOP = ["accept", "investigate", "negotiate", "investigate", "negotiate", "resolve"]


def complaint(number, resolved="2025-03-05 09:00", **more):
    return {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": "2025-03-01 08:00",
        "resolved_at": resolved,
        "reopened_at": None,
    } | more


def steps(number, stages, owner="A"):
    """A step a day from the 1st of March on."""
    days = pd.date_range("2025-03-01 10:00", periods=len(stages))
    return [
        {"complaint_id": str(number), "at": at, "stage": stage, "owner": owner}
        for at, stage in zip(days, stages, strict=True)
    ]


def workspace(rows, events, settings=None):
    frames = {"complaints": pd.DataFrame(rows), "complaint_events": pd.DataFrame(events)}
    return from_frames(frames, settings, as_of="2025-03-31")


def moves(result):
    return result.table.set_index(["origin", "destination"])["moves"].to_dict()


def test_moves_are_counted_and_those_to_an_earlier_stage_go_back():
    rows = [complaint(1), complaint(2), complaint(3)]
    found = rework(workspace(rows, steps(1, STRAIGHT) + steps(2, LOOP) + steps(3, STRAIGHT)))
    assert moves(found) == {
        ("accept", "investigate"): 3,
        ("investigate", "negotiate"): 4,
        ("negotiate", "investigate"): 1,
        ("negotiate", "resolve"): 3,
    }
    assert found.table["back"].tolist() == [False, False, True, False]
    assert found.loop == ("negotiate", "investigate")
    assert found.looped[["cases", "back"]].tolist() == [3, 1]
    assert found.looped["share"] == pytest.approx(1 / 3)


def test_a_case_still_in_the_stage_is_not_taken_for_one_that_went_on():
    rows = [complaint(1), complaint(2), complaint(3, None), complaint(4, None)]
    events = steps(1, STRAIGHT) + steps(2, LOOP) + steps(3, STRAIGHT[:3]) + steps(4, ["accept"])
    found = rework(workspace(rows, events))
    assert (found.looped["cases"], found.waiting) == (2, 2)
    assert "2 cases have not left it yet" in found.reading()


def test_what_comes_after_a_reopening_does_not_go_back():
    again = [*STRAIGHT, "follow_up", "reopen", "investigate", "negotiate", "investigate"]
    found = rework(workspace([complaint(1)], steps(1, again)))
    assert not found.table["back"].any()
    assert found.title() == "No case went back from negotiation to investigation"
    assert found.looped["share"] == 0
    assert found.looped["high"] > 0.5


def test_cases_resolved_at_first_contact_do_not_count_in_the_loop():
    rows = [complaint(1, first_contact_resolution=True), complaint(2)]
    rows.append(complaint(3, first_contact_resolution=False))
    events = steps(1, STRAIGHT) + steps(2, LOOP) + steps(3, STRAIGHT)
    assert rework(workspace(rows, events)).looped["cases"] == 2


def test_what_a_loop_takes_is_compared_within_a_severity():
    rows, events = [], []
    for number in range(1, 41):
        loop, grave = number % 4 == 0 or number > 30, number > 20
        # a loop takes 20 minutes, gravity 15
        rows.append(
            complaint(
                number,
                severity="high" if grave else "low",
                handling_minutes=30.0 + 20 * loop + 15 * grave + number % 2,
            )
        )
        events += steps(number, LOOP if loop else STRAIGHT)
    settings = Settings(activity_costs={"complaint.minute": 2.0})
    found = rework(workspace(rows, events, settings))
    minutes = found.costs.set_index("what").loc["minutes"]
    assert minutes["difference"] == pytest.approx(20, abs=1)
    assert minutes["low"] < 20 < minutes["high"]
    assert "At CN¥2.00 a minute a loop costs CN¥" in found.reading()
    assert "alike in severity" in found.reading()


def test_a_case_resolved_lately_is_not_yet_judged_for_reopening():
    rows = [
        complaint(1),
        complaint(2, reopened_at="2025-03-10"),
        complaint(3, reopened_at="2025-03-25"),
        complaint(4, "2025-03-20 09:00", reopened_at="2025-03-22"),
        complaint(5, "2025-03-20 09:00"),
        complaint(6, None),
    ]
    found = rework(workspace(rows, steps(1, STRAIGHT)))
    assert found.reopened[["cases", "reopened", "early", "early_reopened"]].tolist() == [3, 1, 2, 1]
    longer = rework(workspace(rows, steps(1, STRAIGHT)), days=22)
    assert longer.reopened[["cases", "reopened"]].tolist() == [3, 2]


def test_handovers_come_from_the_steps_where_their_number_is_not_recorded():
    events = steps(1, ["accept"]) + steps(1, STRAIGHT[1:], owner="B")[:2] + steps(2, STRAIGHT)
    for day, event in enumerate(events[:3]):
        event["at"] = pd.Timestamp(2025, 3, 1 + day)
    found = rework(workspace([complaint(1), complaint(2)], events))
    assert found.handed[["cases", "handed_on", "repeated"]].tolist() == [2, 1, 0]
    rows = [complaint(1, reassignments=2), complaint(2, reassignments=None)]
    found = rework(workspace(rows, events))
    assert found.handed[["cases", "handed_on", "repeated"]].tolist() == [1, 1, 1]


def test_steps_are_put_in_the_order_of_their_times():
    found = rework(workspace([complaint(1)], steps(1, STRAIGHT)[::-1]))
    assert found.table["destination"].tolist() == ["investigate", "negotiate", "resolve"]
    found.plot()
    with language.speaking("zh_CN"):
        assert found.alt() != rework(workspace([complaint(1)], steps(1, LOOP))).alt()


def test_reopenings_that_are_not_recorded_are_said_to_be_so():
    events = steps(1, STRAIGHT)
    found = rework(workspace([complaint(1)], events))
    assert found.exclusions == ()
    assert (
        "Reopenings are not recorded."
        in rework(
            workspace([{k: v for k, v in complaint(1).items() if k != "reopened_at"}], events)
        ).reading()
    )


def test_what_cannot_be_computed_is_said():
    with pytest.raises(MissingColumns, match=r"complaint_events\.complaint_id"):
        rework(from_frames({"complaints": pd.DataFrame([complaint(1)])}, as_of="2025-03-31"))
    with pytest.raises(NotEnoughData, match="No complaint has two steps"):
        rework(workspace([complaint(1)], steps(1, ["accept"])))
    with pytest.raises(CrmlabError, match=r"days = 0 is not above 0\."):
        rework(workspace([complaint(1)], steps(1, STRAIGHT)), days=0)
    short = rework(workspace([complaint(1, None)], steps(1, STRAIGHT[:2])))
    assert short.title() == "No case has been far enough to go back"
    assert "No case has left negotiation so far" in short.reading()


def test_the_company_goes_back_and_reopens_as_often_as_it_was_made_to(company):
    found, known = rework(company), effects.values()
    assert found.looped["low"] < known["rework"] < found.looped["high"]
    assert found.reopened["low"] < known["reopened"] < found.reopened["high"]
    minutes = found.costs.set_index("what").loc["minutes"]
    # its handling minutes are 40 longer on average where a case goes back
    assert minutes["low"] < 40 < minutes["high"]
    assert np.isfinite(found.costs["low"]).all()


def test_a_case_of_one_step_was_handed_on_to_nobody():
    handed_on = steps(1, STRAIGHT)
    handed_on[-1]["owner"] = "B"
    nameless = steps(4, STRAIGHT, owner=None)
    events = handed_on + steps(2, ["accept"]) + steps(3, ["accept"]) + nameless
    found = rework(workspace([complaint(n) for n in range(1, 5)], events))
    assert found.handed[["cases", "handed_on", "repeated"]].tolist() == [3, 1, 0]
    assert "of 3 cases; more than once: 0." in found.reading()
    alone = rework(workspace([complaint(1)], handed_on)).reading()
    assert "of 1 case; more than once: 0." in alone


def test_of_handovers_nobody_recorded_nothing_is_said():
    rows = [complaint(1, reassignments=None), complaint(2, reassignments=None)]
    crm = workspace([*rows, complaint(3, reassignments=1)], steps(1, STRAIGHT))
    assert rework(crm).handed["cases"] == 1
    nothing = rework(workspace(rows, steps(1, STRAIGHT, owner=None)))
    assert nothing.handed.empty
    assert "Handed on" not in nothing.reading()


def test_who_is_past_the_stage_without_having_been_in_it_does_not_wait():
    short = ["investigate", "resolve"]
    rows = [complaint(1), complaint(2), complaint(3), complaint(4, None), complaint(5)]
    events = steps(1, STRAIGHT) + steps(2, short) + steps(3, short) + steps(4, short[:1])
    found = rework(workspace(rows, events))
    # 2 and 3 were never negotiated with, 5 was resolved without a step; 4 is on its way.
    assert (found.looped["cases"], found.waiting) == (1, 1)
    assert "Of 1 case that was not resolved at first contact and has left" in found.reading()
    assert "Of 4 cases resolved at least 14 days before the end" in found.reading()
    assert "1 case has not left it yet" in found.reading()
    one = rework(workspace([complaint(1)], steps(1, STRAIGHT)))
    assert "Of 1 case resolved at least 14 days before the end, 0 was opened" in one.reading()


def test_who_was_opened_again_may_still_leave_the_stage():
    again = complaint(2, reopened_at="2025-03-06")
    events = steps(1, STRAIGHT) + steps(2, ["accept", "resolve", "reopen", "negotiate"])
    assert rework(workspace([complaint(1), again], events)).waiting == 1
    assert rework(workspace([complaint(1), again], events[:-1])).waiting == 0


def test_what_does_not_vary_has_no_interval_and_no_brackets():
    rows = [complaint(n, handling_minutes=50.0 if n > 6 else 30.0) for n in range(1, 13)]
    events = [
        step for n in range(1, 13) for step in steps(n, LOOP if n > 6 else STRAIGHT)
    ]  # fmt: skip
    text = rework(workspace(rows, events)).reading()
    assert "they took 50.0, the others 30.0: a difference of 20.0 minutes. An interval" in text
    assert "cases of too few customers, or do not vary." in text
    assert "–" not in text
