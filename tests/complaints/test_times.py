import pandas as pd
import pytest

import crmlab
from crmlab.complaints.times import later_known, times
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.language import speaking


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": "A",
        "opened_at": f"2025-03-{number:02} 09:00",
        "kind": "transport",
    }
    return usual | more


def workspace(complaints, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames(
        {name: pd.DataFrame(rows) for name, rows in frames.items()}, as_of="2025-03-31"
    )


def counts(result, step):
    row = result.table.set_index("step").loc[step]
    return row[["known", "mere_day", "not_recorded", "not_yet", "impossible"]].tolist()


def test_a_step_is_missing_where_a_later_one_is_known_and_else_not_yet():
    rows = [
        complaint(1, first_response_at="2025-03-01 10:00", resolved_at="2025-03-02 09:00"),
        complaint(2, resolved_at="2025-03-03 09:00", followed_up_at="2025-03-05 09:00"),
        complaint(3),
        complaint(4, first_response_at="2025-03-04 10:00", reopened_at="2025-03-09 09:00"),
    ]
    result = times(workspace(rows))
    assert counts(result, "first_response") == [2, 0, 1, 1, 0]
    assert counts(result, "resolved") == [2, 0, 1, 1, 0]
    assert counts(result, "followed_up") == [1, 0, 0, 3, 0]
    assert result.table.set_index("step")["given"].loc[["due", "accepted"]].tolist() == [0, 0]
    assert result.closed_again is None
    reading = result.reading()
    assert "4 complaints were looked at." in reading
    assert "First response at 1; Resolved at 1" in reading
    assert "The data have no times of: Due at, Accepted at" in reading
    assert "1 complaint was opened again; whether resolved again is not known" in reading


def test_a_promise_that_only_the_rules_make_is_missing():
    rows = [complaint(1, due_at="2025-03-04 09:00"), complaint(2, due_at=None)]
    result = times(workspace(rows))
    assert counts(result, "due") == [1, 0, 1, 0, 0]
    assert result.title() == "All times are in a possible order; 1 is missing"
    bare = times(workspace([complaint(1)]))
    assert bare.title() == ("The data have times of 1 of 9 steps; none is missing or out of order")


def test_impossible_times_are_named_by_pair_against_the_last_known_step():
    rows = [
        complaint(1, accepted_at="2025-03-01 12:00", investigated_at="2025-03-02 09:00"),
        complaint(2, investigated_at="2025-03-05 09:00", resolved_at="2025-03-04 09:00"),
        complaint(3, investigated_at="2025-03-05 09:00", resolved_at="2025-03-04 09:00"),
        complaint(4, accepted_at="2025-03-04 12:00", resolved_at="2025-03-04 00:00"),
    ]
    result = times(workspace(rows))
    assert result.pairs.to_numpy().tolist() == [["investigated", "resolved", 2, "2, 3"]]
    assert result.strange == 2
    assert result.title() == "2 complaints have times that cannot be right"
    assert "“Resolved at” before “Investigated at”: 2 (2, 3)" in result.reading()


RAW = """\
投诉单号,客户,投诉时间,首次答复,解决时间
1,A,2025-03-01 09:00,2025-03-01 10:00,2025-03-03 09:00
2,A,2025/03/02,2025/03/02,2025/03/04
3,B,2025-03-05 09:00,2025-03-05 11:00,2025-03-04 09:00
4,B,2025-03-06 09:00,,2025-03-08 09:00
5,C,2025-03-07 09:00,-,-
6,C,somewhen,,
7,D,2025-04-02 09:00,,
8,D,2025-03-30 09:00,2025-03-30 10:00,2025-04-03 09:00
"""
MAPPING = """\
[workspace]
name = "Export"
as_of = 2025-03-31

[complaints]
files = "raw.csv"
format = ["%Y-%m-%d %H:%M", "%Y/%m/%d"]
missing = ["-"]
invalid = "exclude"

[complaints.columns]
complaint_id = "投诉单号"
customer_id = "客户"
opened_at = "投诉时间"
first_response_at = "首次答复"
resolved_at = "解决时间"
"""


def test_what_loading_set_aside_is_said_and_no_row_is_lost(tmp_path):
    (tmp_path / "raw.csv").write_text(RAW, encoding="utf-8")
    (tmp_path / "export.toml").write_text(MAPPING, encoding="utf-8")
    result = times(crmlab.load(tmp_path / "export.toml", files=tmp_path))
    steps = result.loading.groupby("step")["rows"].sum()
    # Resolved before it was opened, a day that is none, and one after the last day.
    assert steps[["read", "invalid", "after_as_of", "kept"]].tolist() == [8, 2, 1, 5]
    assert result.complaints == steps["read"] - steps["invalid"] - steps["after_as_of"]
    assert counts(result, "opened") == [5, 1, 0, 0, 0]
    assert counts(result, "first_response") == [3, 1, 1, 1, 0]
    assert counts(result, "resolved") == [3, 1, 0, 2, 0]
    reading = result.reading()
    assert "Loading read 8 rows of complaints and kept 5." in reading
    assert "not valid 2; left out: later than the last day 1" in reading
    assert "not yet known on the last day 1" in reading
    assert "3 of 11 times stand at midnight sharp" in reading


def test_complaints_without_a_day_are_missing_their_opening():
    result = times(workspace([complaint(1), complaint(2, opened_at=None)]))
    assert counts(result, "opened") == [1, 0, 1, 0, 0]
    assert "1 complaint (day of opening not known)" in result.reading()
    with pytest.raises(NotEnoughData, match="no complaint whose day"):
        times(workspace([complaint(1, opened_at=None)]))


def test_nothing_follows_on_a_follow_up():
    frame = pd.DataFrame({"followed_up_at": [pd.NaT], "reopened_at": [pd.Timestamp("2025-03-01")]})
    assert later_known(frame, "followed_up").tolist() == [False]


def test_the_raw_export_of_the_company_loses_no_row():
    result = times(crmlab.load("docs/mappings/raw.toml", files="datasets/raw"))
    steps = result.loading.groupby("step")["rows"].sum()
    gone = steps.reindex(["invalid", "after_as_of", "orphan_excluded"]).fillna(0).sum()
    assert steps["read"] == steps["kept"] + gone
    assert result.complaints == steps["kept"]
    assert result.table.set_index("step").loc["accepted", "given"] == 0


def test_the_company_opens_6_percent_again_and_has_no_impossible_time(company):
    result = times(company)
    assert result.strange == 0
    assert result.pairs.empty
    assert result.closed_again == result.reopened
    resolved = result.table.set_index("step").loc["resolved", "known"]
    assert 0.04 <= result.reopened / resolved <= 0.09
    for code in ("en", "zh_CN"):
        with speaking(code):
            assert result.plot().get_figure() is not None
            assert "3,021" in result.reading()
