import numpy as np
import pandas as pd
import pytest

from crmlab import language
from crmlab.complaints.staffing import ACTUAL, staffing
from crmlab.complaints.staffing_explorer import Desks, explore_staffing, words_of
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.stats.queueing import fifo_wait, servers_needed
from crmlab.stats.replay import waits_of

COST = Settings(activity_costs={"complaint.minute": 2.0})


def workspace(opened, minutes=30.0, settings=None, as_of="2025-03-31", **more):
    rows = pd.DataFrame({"opened_at": opened, "handling_minutes": minutes} | more)
    rows.insert(0, "complaint_id", [str(number) for number in range(len(rows))])
    return from_frames({"complaints": rows}, settings, as_of=as_of)


def every_workday(cases, first="2025-03-03", days=20):
    """So many cases at noon of each working day."""
    return np.repeat(pd.bdate_range(first, periods=days) + pd.Timedelta(hours=12), cases)


def without_minutes():
    rows = pd.DataFrame({"complaint_id": ["1"], "opened_at": ["2025-03-03 09:00"]})
    return from_frames({"complaints": rows}, as_of="2025-03-31")


def test_the_work_is_cases_an_hour_times_hours_a_case():
    found = staffing(workspace(every_workday(8), 45.0, as_of="2025-03-28"))
    assert found.desk.per_hour == 1.0
    assert found.desk.load == 0.75
    assert found.by_formula == servers_needed(1.0, 1 / 0.75, target=4.0, share=0.9)
    row = found.table.set_index("staff").loc[2]
    assert row["attained"] == pytest.approx(fifo_wait(1.0, 1 / 0.75, 2).within(4.0))
    assert row["wait"] == pytest.approx(fifo_wait(1.0, 1 / 0.75, 2).mean)
    assert row["utilisation"] == pytest.approx(0.375)


def test_a_year_of_a_person_costs_its_working_minutes():
    found = staffing(workspace(every_workday(1, days=261), settings=COST, as_of="2026-03-02"))
    # 261 working days of 8 hours in 365 days, at 2 a minute
    cost = found.table.set_index("staff").loc[1, "cost_a_year"]
    assert cost == pytest.approx(261 * 8 * 60 * 2 * 365.25 / 365, rel=0.01)
    without = staffing(workspace(every_workday(1)))
    assert without.table["cost_a_year"].isna().all()
    assert "does not say what a minute costs" in without.reading()


def test_what_comes_at_the_weekend_waits_for_monday():
    saturdays = pd.date_range("2025-03-01 10:00", periods=5, freq="7D")[:4]
    found = staffing(workspace(np.repeat(saturdays, 10), as_of="2025-03-28"))
    daily = found.desk.daily
    assert daily.sum() == 40
    assert (daily > 0).sum() == 4
    assert found.desk.dispersion > 5
    assert "What comes on days off waits for the next working day" in found.reading()
    last = staffing(workspace(["2025-03-03 09:00", "2025-03-08 09:00"], as_of="2025-03-09"))
    assert [(one.reason, one.count) for one in last.exclusions] == [
        ("came after the last working day", 1)
    ]


def test_a_burst_takes_more_people_than_the_formula_says():
    one_day_a_week = np.repeat(pd.date_range("2025-03-03 12:00", periods=4, freq="7D"), 40)
    found = staffing(workspace(one_day_a_week, 60.0, as_of="2025-03-28"), within=2.0)
    assert found.desk.load == 1.0
    assert found.needed > found.by_formula
    row = found.table.set_index("staff").loc[found.needed]
    assert row["attained_real"] >= 0.9
    fewer = found.table.set_index("staff").loc[found.needed - 1]
    assert fewer["attained_real"] < 0.9
    assert f"With one fewer, {100 * fewer['attained_real']:.1f}% are begun" in found.reading()


def test_the_needed_number_lies_in_its_interval_and_grows_with_the_promise():
    random = np.random.default_rng(0)
    days = pd.bdate_range("2025-01-06", periods=60)
    opened = np.repeat(days + pd.Timedelta(hours=10), random.poisson(14, 60))
    crm = workspace(opened, random.exponential(60, len(opened)), as_of="2025-03-28")
    easy, hard = staffing(crm, within=8.0, share=0.8), staffing(crm, within=0.5, share=0.95)
    assert easy.needed < hard.needed
    for found in (easy, hard):
        assert found.needed_low <= found.needed <= found.needed_high
        assert found.table["staff"].max() >= found.needed_high
        assert found.table["attained_real"].is_monotonic_increasing
    again = staffing(
        workspace(opened, crm.complaints["handling_minutes"], as_of="2025-03-28"),
        within=0.5, share=0.95,
    )  # fmt: skip
    pd.testing.assert_frame_equal(again.table, hard.table)


def test_most_of_the_time_to_a_resolution_is_not_work():
    resolved = pd.Series(every_workday(2)) + pd.Timedelta(hours=10)
    found = staffing(workspace(every_workday(2), 30.0, resolved_at=resolved))
    assert found.work_share.value == pytest.approx(0.05)
    assert found.elapsed == 10
    assert "somebody works on a case for 5.0%" in found.reading()
    assert "no case has both" in staffing(workspace(every_workday(2))).reading()


def test_cases_without_minutes_are_taken_to_be_like_the_others():
    found = staffing(workspace(every_workday(2), [30.0, None] * 20))
    assert found.desk.mean == 0.5
    assert "20 cases have no handling time" in found.reading()


def test_one_case_makes_true_sentences_in_both_languages():
    found = staffing(workspace(["2025-03-31 09:00"]))
    assert (found.needed, found.needed_low, found.needed_high) == (1, 1, 1)
    assert "takes 1 person (1 to 1)" in found.reading()
    assert "varian" not in found.reading()
    assert found.reading().startswith(
        "1 case came in 8 working hours, 0.12 an hour, and kept somebody busy for 30.0 minutes"
    )
    with language.speaking("zh_CN"):
        found.plot()
        assert found.reading()


def test_a_history_in_which_nothing_comes_keeps_the_promise():
    found = staffing(workspace(pd.date_range("2025-03-03 09:00", periods=8, freq="h")))
    runs = found.desk.histories(10, 100, 0)
    assert (runs.counts == 0).sum() > 50
    assert (found.needed, found.needed_low, found.needed_high) == (1, 1, 1)
    assert found.table["staff"].tolist() == [1, 2, 3]
    assert found.table[["low", "high"]].to_numpy().tolist() == [[1.0, 1.0]] * 3


def test_days_without_cases_after_more_than_are_replayed_do_not_stand_alone(monkeypatch):
    monkeypatch.setattr("crmlab.complaints.desk.MOST_REPLAYED", 5)
    opened = ["2025-03-03 09:00"] * 8 + ["2025-03-04 09:00"] * 7
    found = staffing(workspace(opened, as_of="2025-03-07"))
    runs = found.desk.histories(2, 0, 0)
    assert runs.counts.tolist() == [7, 7]
    assert np.isfinite(found.table["wait_real"]).all()


def test_what_cannot_be_computed_is_said():
    crm = workspace(every_workday(1))
    with pytest.raises(CrmlabError, match=r"share = 1 is not between 0 and 1\."):
        staffing(crm, share=1)
    with pytest.raises(CrmlabError, match=r"within = -1 is not 0 hours or more\."):
        staffing(crm, within=-1)
    with pytest.raises(CrmlabError, match=r"hours_per_day = 25 is not above 0 and at most 24\."):
        staffing(crm, hours_per_day=25)
    with pytest.raises(NotEnoughData, match="No complaint has a handling time above 0"):
        staffing(workspace(every_workday(1), 0.0))
    with pytest.raises(NotEnoughData, match="no working day between"):
        staffing(workspace(["2025-03-01 09:00"], as_of="2025-03-02"))
    with pytest.raises(MissingColumns, match=r"complaints\.handling_minutes"):
        staffing(without_minutes())


def test_the_company_needs_more_than_the_load_and_is_mostly_waiting(company):
    found = staffing(company)
    load = company.complaints["handling_minutes"].sum() / 60
    hours = len(found.desk.daily) * 8
    assert found.desk.load == pytest.approx(load / hours, rel=0.02)
    assert found.needed == 2
    # the load keeps four fifths of one person busy, but its cases do not come evenly
    assert found.desk.dispersion > 2
    assert found.work_share.high < 0.05


# --- the explorer


def shown(monkeypatch, crm):
    from crmlab.show import widgets

    caught = {}

    def explorer(figure, move, words, controls):
        caught.update(figure=figure, move=move, words=words, controls=controls)

    monkeypatch.setattr(widgets, "explorer", explorer)
    explore_staffing(crm)
    return caught


def test_the_sliders_start_at_the_fewest_who_keep_the_promise(monkeypatch, company):
    caught = shown(monkeypatch, company)
    values = {name: control.value for name, control in caught["controls"].items()}
    assert values == {"within": 4.0, "staff": 2}
    axes = caught["figure"].axes[0]
    assert [text.get_text() for text in axes.texts][:2] == ["1", "2"]
    artists = len(axes.lines)
    caught["move"](**values)
    assert axes.get_title("left").startswith("The promise is kept: 96% begun within 4 h")
    caught["move"](within=4.0, staff=1)
    assert axes.get_title("left").startswith("The promise is not kept: 4")
    assert len(axes.lines) == artists
    assert "For 90% in time it takes 2 people." in caught["words"](**values)


def test_the_explorer_says_what_the_measure_says(monkeypatch, company):
    found = staffing(company)
    replayed = []

    def counted(runs, staff):
        replayed.append(runs.come.shape[1])
        return waits_of(runs, staff)

    monkeypatch.setattr("crmlab.complaints.staffing_explorer.waits_of", counted)
    desks = Desks(found.desk)
    assert set(replayed) == {ACTUAL}
    row = found.table.set_index("staff").loc[2]
    assert desks.share(2, 4.0) == pytest.approx(row["attained_real"], abs=1e-9)
    assert desks.fewest(4.0) == found.needed
    assert desks.share(1, 0.0) <= desks.share(1, 4.0) <= desks.share(2, 4.0)


def test_the_explorer_says_when_nobody_it_shows_is_enough_and_when_money_is_not_known():
    one_day = np.repeat(pd.to_datetime(["2025-03-03 12:00", "2025-03-31 12:00"]), 400)
    crm = workspace(one_day, 30.0)
    desks = Desks(staffing(crm).desk)
    said = words_of(desks, 0.0, desks.staff[-1], "CNY")
    assert f"even {desks.staff[-1]} people are not enough" in said
    assert "does not say what a minute costs" in said
    with pytest.raises(MissingColumns, match=r"complaints\.explore_staffing"):
        explore_staffing(without_minutes())
