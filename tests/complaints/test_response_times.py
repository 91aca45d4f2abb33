from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.complaints.response_times import _share, _span, response_times
from crmlab.complaints.stage_times import by_group
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.language import speaking

AS_OF = "2025-03-31"


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": "2025-03-01 09:00",
        "first_response_at": None,
        "resolved_at": None,
        "followed_up_at": None,
        "reopened_at": None,
        "kind": "transport",
        "severity": "low",
    }
    return usual | more


def workspace(complaints, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()}, as_of=AS_OF)


def answered(number, hours, **more):
    at = pd.Timestamp("2025-03-01 09:00") + pd.Timedelta(hours=hours)
    return complaint(number, first_response_at=str(at), **more)


def test_open_complaints_are_censored_at_the_end_of_the_last_day_and_not_dropped():
    rows = [answered(1, 1), answered(2, 3), answered(3, 30)]
    rows.append(complaint(4, opened_at="2025-03-31 22:00"))  # two hours are left of the last day
    result = response_times(workspace(rows))
    row = result.overall
    # 1 h: 3/4 left; at 2 h the open one leaves; 3 h: 3/8; 30 h: none.
    assert row["median_hours"] == pytest.approx(3)
    assert row["share"] == pytest.approx(1 - 0.375)
    assert (row["complaints"], row["open"], row["closed_median"]) == (4, 1, 3)
    assert result.recent["complaints"] == 1
    assert "1 complaint was still waiting at the end of the last day" in result.reading()


def test_the_newest_are_spoken_of_only_where_they_are_many():
    def reading(answers):
        rows = [answered(number, 1, opened_at="2025-03-25 09:00") for number in range(answers)]
        for row in rows:
            row["first_response_at"] = "2025-03-25 12:00"
        return response_times(workspace([*rows, complaint(99, opened_at="2025-03-31 09:00")]))

    assert "opened in the last 14 days" not in reading(18).reading()
    assert "of the 20 opened in the last 14 days, still waiting: 1." in reading(19).reading()


def test_of_fewer_than_five_customers_there_is_no_interval():
    rows = [answered(number, 1 + number % 7, customer_id=f"C{number % 4}") for number in range(60)]
    few = response_times(workspace(rows)).overall
    assert few["median_hours"] == 4
    assert np.isnan(
        few[["median_hours_low", "median_hours_high", "low", "high"]].astype(float)
    ).all()
    rows[0]["customer_id"] = "C9"
    assert np.isfinite(
        response_times(workspace(rows)).overall[["median_hours_low", "low"]].astype(float)
    ).all()


def test_a_median_that_is_not_reached_is_said_and_no_number():
    rows = [answered(1, 1)] + [complaint(number) for number in range(2, 6)]
    result = response_times(workspace(rows), target=2)
    assert np.isnan(result.overall["median_hours"])
    assert result.title() == (
        "First answer: half within a time not reached, nine in ten within a time not reached"
    )
    assert result.overall["share"] == pytest.approx(0.2)


def test_where_all_still_wait_nothing_is_said_of_the_closed_ones():
    reading = response_times(workspace([complaint(1), complaint(2)])).reading()
    assert "All of them were still waiting at the end of the last day." in reading
    assert "Leaving" not in reading


def test_an_answer_of_unknown_time_is_no_open_complaint():
    rows = [answered(1, 1), answered(2, 30), complaint(3, resolved_at="2025-03-05 09:00")]
    result = response_times(workspace(rows))
    assert (result.overall["complaints"], result.overall["open"], result.found.unknown) == (2, 0, 1)
    assert "the share within 4 hours would be 33.3% or 66.7%" in result.reading()
    assert "1 complaint (step taken at a time that is not known)" in result.reading()


def test_a_complaint_opened_again_is_resolved_once_and_closed_later():
    again = complaint(1, resolved_at="2025-03-02 09:00", reopened_at="2025-03-04 09:00")
    events = [{"complaint_id": "1", "at": "2025-03-05 09:00", "stage": "resolve"}]
    crm = workspace([again, complaint(2)], complaint_events=events)
    assert response_times(crm, to="resolution").overall["median_hours"] == 24
    assert response_times(crm, to="closing").overall["median_hours"] == 96
    known = workspace([again, complaint(2)])
    assert response_times(known, to="closing").found.unknown == 1
    assert response_times(known, to="resolution").found.unknown == 0


def test_mere_days_make_whole_days_and_suggestions_are_left_out():
    rows = [
        complaint(1, opened_at="2025-03-01", first_response_at="2025-03-02 18:00"),
        answered(3, 2, kind="suggestion"),
    ]
    result = response_times(workspace(rows))
    assert result.overall[["complaints", "median_hours"]].tolist() == [1, 24]
    assert result.found.frame["whole_days"].sum() == 1
    assert [one.words() for one in result.found.exclusions()] == [
        "1 complaint (suggestion, which is welcome and no failure)"
    ]


def test_groups_are_compared_over_customers_and_a_small_one_is_not_judged():
    rows = [answered(n, 1 + n / 100, severity="low") for n in range(20)]
    rows += [answered(n, 20 + n / 100, severity="high") for n in range(20, 40)]
    rows += [answered(n, 5, severity="medium", customer_id="X") for n in range(40, 50)]
    result = response_times(workspace(rows), by="severity")
    table = result.table.set_index("severity")
    assert result.table["severity"].tolist() == ["high", "medium", "low"]
    assert table["stands_out"].fillna(False).tolist() == [True, False, True]
    assert pd.isna(table.loc["medium", "stands_out"])
    assert result.chance < 0.001
    assert result.title() == "First answer, median: High 20.3 hours, Low 1.1 hours"
    assert (
        "Different from the others together, allowing for all groups, with the median: High"
        in result.reading()
    )
    # Ten complaints of one customer say no more than one.
    one = [answered(n, 1, severity="low", customer_id="A") for n in range(10)]
    one += [answered(n, 9, severity="high", customer_id="B") for n in range(10, 20)]
    alone = response_times(workspace(one), by="severity")
    assert np.isnan(alone.chance)
    assert alone.table["median_hours_low"].isna().all()
    assert "The groups cannot be compared" in alone.reading()


MIDDLE = (5, 10, 20, 40, 68, 100, 300, 400)


def three_groups():
    """Slow ones, most of whom still wait, fast ones, and some between."""
    rows = [answered(n, 300 + n, severity="high") for n in range(2)]
    rows += [complaint(n, severity="high") for n in range(2, 8)]
    rows += [answered(10 + n, 10 + n, severity="low") for n in range(8)]
    return rows + [answered(20 + n, MIDDLE[n], severity="medium") for n in range(8)]


def test_the_slowest_and_the_fastest_are_of_the_groups_that_differ():
    result = response_times(workspace(three_groups()), by="severity")
    assert result.table["severity"].tolist() == ["high", "medium", "low"]
    assert result.table["stands_out"].tolist() == [True, False, True]
    assert result.title() == (
        "First answer, median: High not reached by half of them, Low 13 hours"
    )
    assert "High not reached by half of them (0.0% within the target)" in result.reading()
    assert [name for name, _curve in result.curves] == ["low", "medium", "high"]


@pytest.mark.parametrize(
    ("stand_out", "medians", "title"),
    [
        ([], [9, 6, 3], "the groups differ, but no single one from all others together"),
        (["low"], [9, 6, 3], "Low differs from the others, median: 3 hours"),
        (
            ["high"], [np.nan, 6, 3],
            "High differs from the others, median: not reached by half of them",
        ),
        (["high", "low"], [3, 3, 3], "the groups differ, but not in the median"),
    ],
)  # fmt: skip
def test_groups_that_differ_without_two_extremes_are_not_called_alike(stand_out, medians, title):
    found = response_times(workspace(three_groups()), by="severity")
    table = found.table.assign(
        stands_out=found.table["severity"].isin(stand_out), median_hours=medians
    )
    assert replace(found, table=table).title() == f"First answer: {title}"
    alike = replace(found, chance=0.5).title()
    assert alike == "First answer: no group waits longer by more than chance"


def test_times_of_less_than_an_hour_are_in_minutes():
    result = response_times(workspace([answered(n, (n % 2 + 1) / 60) for n in range(8)]))
    assert result.title() == "First answer: half within 1 min, nine in ten within 2 min"
    assert "0.0 hours" not in result.reading()


def test_an_interval_has_the_digits_and_the_unit_it_needs():
    def span(value, low, high):
        return _span(pd.Series({"t": value, "t_low": low, "t_high": high}), "t")

    assert span(2.0, 1.6, 2.4) == "2.0 hours (1.6 to 2.4)"
    assert span(4.0, 3.0, 6.0) == "4 hours (3 to 6)"
    assert span(1.0, 1.0, 1.0) == "1 hour (1 to 1)"
    assert span(120.4, 95.3, 140.6) == "120 hours (95 to 141)"
    assert span(0.5, 0.2, 0.75) == "30 min (12 to 45)"
    assert span(0.9, 0.5, 1.3) == "54 min (30 min to 1.3 hours)"
    assert span(2.0, 0.5, np.nan) == "2 hours (from 30 min)"
    assert span(2.0, np.nan, np.nan) == "2 hours"


def test_a_share_whose_interval_is_not_known_stands_alone():
    share = pd.Series({"share": 0.5, "low": 0.25, "high": np.nan})
    assert _share(share) == "50.0%"


def test_where_the_share_is_not_reached_nothing_is_said_of_what_it_would_be():
    rows = [
        complaint(1, opened_at="2025-03-31 20:00", first_response_at="2025-03-31 21:00"),
        complaint(2, opened_at="2025-03-31 21:30"),
        complaint(3, resolved_at="2025-03-05 09:00"),
    ]
    reading = response_times(workspace(rows), target=72).reading()
    assert "–" not in reading
    assert (
        "1 complaint was left out: a later step is known, so it is not waiting, but not when this "
        "one was taken.\n"
    ) in reading


def test_in_a_stage_the_longest_median_comes_first_and_one_not_reached_is_the_longest():
    frame = pd.DataFrame({"team": ["A", "B", "C"]})
    span = pd.DataFrame(
        {"hours": [1.0, 2.0, 9.0], "ended": [True, False, True], "still_open": False}
    )
    table = by_group(frame, "team", span, np.array(["usual"] * 3), np.arange(3))
    assert table["team"].tolist() == ["B", "C", "A"]


def test_wrong_options_and_missing_columns_are_named():
    crm = workspace([answered(1, 1)])
    with pytest.raises(CrmlabError, match="to = 'answer' is none of 'first_response'"):
        response_times(crm, to="answer")
    with pytest.raises(CrmlabError, match="target = 0 is no number of hours"):
        response_times(crm, target=0)
    rows = [{"complaint_id": "1", "opened_at": "2025-03-01", "resolved_at": "2025-03-02"}]
    with pytest.raises(MissingColumns, match=r"complaints\.first_response_at"):
        response_times(workspace(rows))
    assert response_times(workspace(rows), to="resolution").overall["median_hours"] == 24
    with pytest.raises(NotEnoughData, match="how long it waited"):
        response_times(workspace([complaint(1, resolved_at="2025-03-04 09:00")]))


def test_words_are_made_in_the_language_in_which_they_are_asked_for():
    with speaking("zh_CN"):
        result = response_times(workspace([answered(1, 1), answered(2, 1, kind="suggestion")]))
    assert "1 complaint (suggestion, which" in result.reading()


def test_key_customers_of_the_company_are_answered_within_4_hours_more_often(company):
    result = response_times(company, by="tier")
    table = result.table.set_index("tier")
    assert 0.15 <= table.loc["key", "share"] - table.loc["general", "share"] <= 0.3
    assert result.chance < 0.001
    assert bool(table.loc["key", "stands_out"])
    for code in ("en", "zh_CN"):
        with speaking(code):
            assert "211" in result.reading()
            assert result.plot().get_figure() is not None


def test_the_closed_ones_of_the_last_days_look_faster_than_they_are(company):
    recent = response_times(company, to="resolution").recent
    assert recent["open"] > 0
    assert recent["closed_median"] < recent["median_hours"]


def test_the_raw_export_has_response_times():
    crm = crmlab.load("docs/mappings/raw.toml", files="datasets/raw")
    result = response_times(crm)
    assert result.overall["complaints"] + result.found.unknown <= crm.rows("complaints")
    assert 0.4 < result.overall["share"] < 0.6


def test_groups_may_be_named_with_their_table():
    rows = [answered(n, n, severity="low" if n % 2 else "high") for n in range(1, 13)]
    result = response_times(workspace(rows), by="complaints.severity")
    assert result.by == "severity"
    assert sorted(result.table["severity"]) == ["high", "low"]
