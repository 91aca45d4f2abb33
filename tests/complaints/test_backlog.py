import numpy as np
import pandas as pd
import pytest

from crmlab import language
from crmlab.complaints.backlog import backlog
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData


def complaint(number, opened, resolved=None, reopened=None, **more):
    return {
        "complaint_id": str(number),
        "opened_at": opened,
        "resolved_at": resolved,
        "reopened_at": reopened,
    } | more


def workspace(rows, events=None):
    frames = {"complaints": pd.DataFrame(rows)}
    if events:
        frames["complaint_events"] = pd.DataFrame(events)
    return from_frames(frames, as_of="2025-03-10")


ROWS = [
    complaint(1, "2025-03-01 12:00", "2025-03-03 12:00"),
    complaint(2, "2025-03-02 12:00", "2025-03-02 18:00", "2025-03-05 12:00"),
    complaint(3, "2025-03-09 00:00"),
]
EVENTS = [
    {"complaint_id": "2", "at": "2025-03-02 18:00", "stage": "resolve"},
    {"complaint_id": "2", "at": "2025-03-05 12:00", "stage": "reopen"},
    {"complaint_id": "2", "at": "2025-03-07 12:00", "stage": "resolve"},
]


def test_open_at_the_end_of_a_day_is_what_came_less_what_was_closed():
    found = backlog(workspace(ROWS, EVENTS), days=1)
    table = found.table[::-1]
    # a day each from the 1st to the 10th
    assert table["opened"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    assert table["reopened"].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert table["closed"].tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    assert table["open_cases"].tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    assert table["until"].iloc[[0, -1]].dt.day.tolist() == [1, 10]


def test_a_case_opened_again_keeps_its_first_day():
    table = backlog(workspace(ROWS, EVENTS), days=1).table[::-1]
    assert table["oldest"].fillna(-1).tolist() == [0.5, 1.5, -1, -1, 3.5, 4.5, -1, -1, 1, 2]


def test_a_case_opened_again_without_a_later_resolution_stays_open_and_is_said():
    found = backlog(workspace(ROWS), days=1)
    assert found.table["open_cases"].iloc[0] == 2
    assert found.endless == 1
    assert "1 case was opened again and no later resolution is recorded" in found.reading()


def test_periods_are_counted_back_from_the_last_day():
    table = backlog(workspace(ROWS, EVENTS), days=7).table[::-1]
    assert [day.day for day in table["until"]] == [3, 10]
    assert table["opened"].tolist() == [2, 1]
    assert table["closed"].tolist() == [2, 1]


def test_littles_law_holds_exactly_where_everything_is_closed():
    rows = [complaint(n, f"2025-03-0{n} 00:00", f"2025-03-0{n + 2} 12:00") for n in range(1, 7)] + [
        complaint(9, "2025-03-10 00:00", "2025-03-10 12:00")
    ]
    found = backlog(workspace(rows))
    assert found.little["open"] == pytest.approx((6 * 2.5 + 0.5) / 10)
    assert found.little["per_day"] * found.little["stay"] == pytest.approx(found.little["open"])
    assert "The two agree" in found.reading()
    assert found.title() == "No case is open at the end of Mar 10, 2025"
    assert "No case is open, so none has an age." in found.reading()


def test_littles_law_is_not_said_to_hold_where_much_is_still_open():
    rows = [complaint(n, "2025-03-01 12:00") for n in range(9)]
    rows.append(complaint(9, "2025-03-01 12:00", "2025-03-02 12:00"))
    said = backlog(workspace(rows)).reading()
    assert "because cases still open have not stayed to their end" in said
    none = backlog(workspace(rows[:9]))
    assert "Nothing has been closed" in none.reading()
    assert np.isnan(none.little["stay"])


def test_promises_that_have_passed_are_counted_where_they_are_known():
    rows = [
        complaint(1, "2025-03-01 12:00", due_at="2025-03-05 12:00"),
        complaint(2, "2025-03-01 12:00", due_at="2025-03-15 12:00"),
        complaint(3, "2025-03-01 12:00", "2025-03-09 12:00", due_at="2025-03-05 12:00"),
    ]
    found = backlog(workspace(rows))
    assert (found.overdue, found.promised) == (1, True)
    assert "Beyond the promised time: 1." in found.reading()
    assert "promised" not in backlog(workspace(ROWS)).reading()


def test_a_backlog_that_grows_is_said_to_grow():
    rows = [complaint(n, f"2025-03-0{n} 12:00") for n in range(1, 6)]
    assert "The backlog rose from 0 to 5" in backlog(workspace(rows)).reading()


def test_one_period_can_be_drawn_in_both_languages():
    found = backlog(workspace([complaint(1, "2025-03-09 12:00")]))
    assert len(found.table) == 1
    assert found.title() == "1 case is open at the end of Mar 10, 2025, for 1.5 days"
    found.plot()
    with language.speaking("zh_CN"):
        found.plot()
        assert found.alt()


def test_what_cannot_be_computed_is_said():
    with pytest.raises(MissingColumns, match=r"complaints\.resolved_at"):
        backlog(workspace([{"complaint_id": "1", "opened_at": "2025-03-01"}]))
    with pytest.raises(CrmlabError, match=r"days = 0 is not above 0\."):
        backlog(workspace(ROWS), days=0)


def test_in_the_company_what_came_less_what_was_closed_is_open(company):
    table = backlog(company).table[::-1]
    came = (table["opened"] + table["reopened"]).cumsum()
    assert (came - table["closed"].cumsum()).tolist() == table["open_cases"].tolist()
    assert table["opened"].sum() == len(company.complaints)
    assert table["reopened"].sum() == company.complaints["reopened_at"].notna().sum()


def test_what_was_resolved_at_a_time_that_is_not_known_is_not_open_and_is_counted():
    rows = [
        complaint(1, "2025-03-01 12:00", "2025-03-03 12:00", followed_up_at="2025-03-05 12:00"),
        complaint(2, "2025-03-02 12:00", followed_up_at="2025-03-04 12:00"),
        complaint(3, "2025-03-04 15:00", "2025-03-04"),  # a mere day
    ]
    found = backlog(workspace(rows), days=1)
    assert found.table["open_cases"].iloc[0] == 0
    assert found.table["opened"].sum() == found.table["closed"].sum() == 2
    assert found.little["stay"] == pytest.approx(1)
    assert "1 complaint (step taken at a time that is not known)" in found.reading()


def test_where_no_time_of_closing_is_known_nothing_is_said():
    rows = [
        complaint(1, "2025-03-01 12:00", followed_up_at="2025-03-05 12:00"),
        complaint(2, "2025-03-01 12:00", "2025-03-02 12:00") | {"opened_at": None},
    ]
    with pytest.raises(NotEnoughData, match=r"how long it was open"):
        backlog(workspace(rows))


def test_a_single_day_is_a_period_in_words_too():
    found = backlog(workspace([complaint(1, "2025-03-09 12:00")]), days=1)
    assert "On a day 0.5 " in found.reading()
    assert found.definition.denominator == "Single days up to the last"
