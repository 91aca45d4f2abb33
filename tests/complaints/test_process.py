import numpy as np
import pandas as pd
import pytest

from crmlab import language
from crmlab.complaints.process import process
from crmlab.complaints.steps import hours_words, waiting_times
from crmlab.data.simulate import effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName


def complaint(number, answered=1, investigated=11, resolved=14, **more):
    """Opened at nine on the 1st; answered and so on so many hours after."""
    opened = pd.Timestamp("2025-03-01 09:00")

    def after(hours):
        return None if hours is None else opened + pd.Timedelta(hours=hours)

    return {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": opened,
        "first_response_at": after(answered),
        "investigated_at": after(investigated),
        "resolved_at": after(resolved),
        "first_contact_resolution": False,
    } | more


def workspace(rows, **tables):
    frames = {"complaints": rows} | tables
    return from_frames({name: pd.DataFrame(part) for name, part in frames.items()},
                       as_of="2025-03-10")  # fmt: skip


def usual(result):
    return result.stages[result.stages["way"] == "usual"].set_index("stage")


def test_a_stage_begins_where_the_recorded_one_before_it_ended():
    rows = [complaint(1), complaint(2, 3, 9, 20), complaint(3, 2, 22, 24)]
    found = process(workspace(rows))
    table = usual(found)
    # hours: 1, 3, 2; 10, 6, 20; 3, 11, 2
    assert table["median"].to_dict() == {"first_answer": 2, "investigate": 10, "resolve": 3}
    assert found.stage == "investigate"
    assert table.loc["investigate", "share"] == pytest.approx(36 / 58)
    assert table.loc["investigate", "mean_hours"] == 12
    assert "Not recorded is the end of: Acceptance, Negotiation." in found.reading()
    assert found.title() == "Investigation takes 62% of the 19.3 h to a resolution"


def test_open_cases_are_censored_not_dropped():
    rows = [complaint(1), complaint(2, 1, 9, 20), complaint(3, 1, None, None)]
    rows.append(complaint(4, 1, None, None))
    table = usual(process(workspace(rows)))
    # 8, 10 and two that have been there longer: half are over after 10 hours
    assert table.loc["investigate", "median"] == 10
    assert table.loc["investigate", ["cases", "still_open"]].tolist() == [4, 2]
    assert np.isnan(table.loc["investigate", "p90"])
    assert table.loc["resolve", "cases"] == 2


def test_those_resolved_at_first_contact_and_those_sent_back_stand_apart():
    quick = [complaint(n, 1, 1.1, 1.2, first_contact_resolution=True) for n in (4, 5, 6, 7)]
    rows = [complaint(1), complaint(2, 1, 9, 20), complaint(3, 1, 300, 310), *quick]
    at = ["2025-03-01 10:00", "2025-03-02 10:00"]
    events = [{"complaint_id": "3", "at": day, "stage": "investigate"} for day in at]
    found = process(workspace(rows, complaint_events=events))
    assert usual(found).loc["investigate", "cases"] == 2
    assert found.mixed["investigate"] == pytest.approx(0.1)
    said = found.reading()
    assert "4 cases were resolved at first contact" in said
    assert "Mixed with the others they would make a median of 6 min instead of 8.0 h" in said
    assert "Left out: 1 complaint (went back to investigation; see the rework)." in said


def test_impossible_and_untimed_spans_are_counted_and_days_are_said():
    rows = [
        complaint(1),
        complaint(2, 5, 3, 9),
        complaint(3, 1, None, 20),
        complaint(4, first_response_at=pd.Timestamp("2025-03-02")),
    ]
    found = process(workspace(rows))
    counts = {one.reason: one.count for one in found.exclusions}
    assert counts["end before the start"] == 2
    assert counts["one of its two ends not given"] == 2
    assert "In 1 of 8 spans one end is a mere day" in found.reading()
    assert usual(found).loc["first_answer", "p90"] == 24


def test_groups_are_compared_in_the_slowest_stage_and_small_ones_are_not_judged():
    slow = [complaint(n, 1, 30 + n, 50 + n, owner="A") for n in range(1, 13)]
    fast = [complaint(n, 1, 2 + n / 10, 3 + n / 10, owner="B") for n in range(21, 33)]
    few = [complaint(41, 1, 90, 91, owner="D")]
    found = process(workspace([*slow, *fast, *few]), by="owner")
    assert found.table["owner"].tolist() == ["D", "A", "B"]
    assert found.table["stands_out"].fillna(False).tolist() == [False, True, True]
    assert found.table["stands_out"].isna().tolist() == [True, False, False]
    assert found.title() == "Investigation takes 35.0 h with A, 30.0 h with all"
    assert "They may have had other cases." in found.reading()
    assert "dots" in found.alt().lower()
    apart = process(workspace([*slow, *fast]), by="owner")
    assert apart.table["stands_out"].tolist() == [True, True]
    alike = process(workspace([complaint(n, owner="AB"[n % 2]) for n in range(20)]), by="owner")
    assert alike.title() == "Investigation: no group stands out"


def test_the_median_of_a_group_of_alike_customers_has_a_wider_interval():
    hours = np.repeat(np.arange(1.0, 41.0), 5)
    ended = np.ones(200, bool)
    alone, _late = waiting_times(hours, ended, np.arange(200))
    together, late = waiting_times(hours, ended, np.repeat(np.arange(40), 5))
    assert (alone.value, together.value, late) == (20, 20, 36)
    assert together.effect == pytest.approx(5, rel=0.05)
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_the_median_interval_of_single_customers_is_that_of_statsmodels():
    from statsmodels.duration.survfunc import SurvfuncRight

    hours = np.array([3, 5, 5, 8, 9, 12, 14, 15, 20, 22, 30, 41.0])
    ended = np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0], bool)
    found, _late = waiting_times(hours, ended, np.arange(12))
    curve = SurvfuncRight(hours, ended)
    assert found.value == curve.quantile(0.5)
    low, high = curve.quantile_ci(0.5, method="cloglog")
    assert (found.low, found.high) == (low, high)


def test_what_cannot_be_computed_is_said():
    with pytest.raises(MissingColumns, match="resolved_at"):
        process(workspace([{"complaint_id": "1", "opened_at": "2025-03-01"}]))
    with pytest.raises(CrmlabError, match=r"stage = 'nap' is not one of the stages recorded here"):
        process(workspace([complaint(1)]), stage="nap")
    with pytest.raises(UnknownName, match="no column wner"):
        process(workspace([complaint(1)]), by="wner")
    with pytest.raises(NotEnoughData, match="Every complaint was resolved at first contact"):
        process(workspace([complaint(1, first_contact_resolution=True)]))
    with pytest.raises(NotEnoughData, match=r"Of no case in this stage is Owner known\."):
        process(workspace([complaint(1)]), by="owner")


def test_one_case_and_none_resolved_make_true_sentences():
    one = process(workspace([complaint(1)]))
    assert "1 case that went straight through the stages took 14.0 h" in one.reading()
    rows = [complaint(1, None, None, None), complaint(2, 2, None, None), complaint(3, 2, 3, 1)]
    none = process(workspace(rows))
    assert none.reading().startswith("Of no case are all times up to the resolution known")
    assert none.title() == "How long each stage of a complaint takes"
    none.plot()
    with language.speaking("zh_CN"):
        assert one.reading()


def test_what_took_no_time_or_one_stage_alone_has_no_share_in_words():
    none = process(workspace([complaint(n, 0, 0, 0) for n in range(3)]))
    assert none.title() == "How long each stage of a complaint takes"
    assert "took 0 min on average to their resolution.\n" in none.reading()
    rows = [complaint(n) for n in range(3)]
    for row in rows:
        del row["first_response_at"], row["investigated_at"]
    alone = process(workspace(rows))
    assert alone.title() == "How long each stage of a complaint takes"
    assert "took 14.0 h on average to their resolution.\n" in alone.reading()
    third = process(workspace([complaint(n, 4, 8, 12) for n in range(3)]))
    assert "no other stage takes more." in third.reading()


def test_groups_of_one_customer_cannot_be_compared():
    rows = [complaint(n, owner="AB"[n % 2], customer_id="C") for n in range(20)]
    found = process(workspace(rows), by="owner")
    assert found.title() == "Investigation: the groups cannot be compared"
    assert "Whether groups differ in investigation cannot be told" in found.reading()


def test_hours_are_written_in_minutes_where_they_are_few():
    assert [hours_words(hours) for hours in (0, 0.99, 1, 99.94, 123.4)] == [
        "0 min", "59 min", "1.0 h", "99.9 h", "123 h",
    ]  # fmt: skip


def test_the_medians_of_the_company_are_those_it_was_made_with(company):
    table, known = usual(process(company)), effects.values()
    for stage in ("accept", "investigate", "negotiate", "resolve"):
        row = table.loc[stage]
        assert row["median_low"] <= known[f"hours_{stage}"] * 1.03
        assert row["median_high"] >= known[f"hours_{stage}"] * 0.97
        assert row["median"] == pytest.approx(known[f"hours_{stage}"], rel=0.1)
    assert process(company).stage == "investigate"
    assert process(company, by="level").table["cases"].sum() == table.loc["investigate", "cases"]


def test_groups_may_be_named_with_their_table():
    rows = [complaint(n, owner="S1" if n % 2 else "S2") for n in range(12)]
    result = process(workspace(rows), by="complaints.owner")
    assert result.by == "owner"
    assert sorted(result.table["owner"]) == ["S1", "S2"]


def test_a_case_opened_again_was_resolved_though_nobody_wrote_it_down():
    rows = [complaint(1, resolved=None, reopened_at="2025-03-04 09:00"), complaint(2)]
    found = process(workspace(rows))
    assert usual(found)["still_open"].tolist() == [0, 0, 0]
    assert "No case is in a stage before the resolution now." in found.reading()
    assert [one.words() for one in found.exclusions] == ["1 span (one of its two ends not given)"]


def test_a_span_with_neither_end_written_down_is_counted():
    opened = pd.Timestamp("2025-03-01 09:00")
    rows = [
        complaint(1, accepted_at=opened + pd.Timedelta(hours=2)),
        complaint(2, investigated=None, accepted_at=None),
    ]
    found = process(workspace(rows))
    # Acceptance, investigation and resolution of the second.
    assert found.faults["untimed"] == 3
    assert [one.count for one in found.exclusions] == [3]


def test_of_mere_days_no_mixture_is_said_to_be_other():
    day = pd.Timestamp("2025-03-01")
    ends = dict.fromkeys(("opened_at", "first_response_at", "investigated_at", "resolved_at"), day)
    rows = [complaint(n, first_contact_resolution=n > 3, **ends) for n in range(1, 9)]
    text = process(workspace(rows)).reading()
    assert "5 cases were resolved at first contact and are kept apart" in text
    assert "Mixed with the others" not in text


def test_the_group_that_half_of_its_cases_have_not_left_is_the_slowest():
    fast = [complaint(n, 1, 2 + n / 10, 3 + n / 10, owner="B") for n in range(21, 43)]
    stuck = [complaint(n, 1, None, None, owner="A") for n in range(1, 13)]
    found = process(workspace([*fast, *stuck]), by="owner")
    assert found.title() == (
        "Investigation takes 4.7 h with all; with A half of the cases are not through yet"
    )
    assert "The picture leaves out 1 group of whose cases half" in found.reading()
    assert [one.get_text() for one in found.plot().get_yticklabels()] == ["B"]
    said = "Dots with intervals, median hours of investigation: "
    assert found.alt() == said + "B 4.1 h (3.6 to 4.6)."
    nobody = process(workspace(stuck), by="owner", stage="investigate")
    assert nobody.plot().get_yticklabels() == []
    assert nobody.alt() == said + "none."


def test_groups_beyond_those_drawn_are_counted():
    rows = [complaint(n, 1, 2 + n % 20, 30, owner=f"O{n % 20}") for n in range(100)]
    found = process(workspace(rows), by="owner")
    assert len(found.plot().get_yticklabels()) == 14
    assert "The picture shows the 14 longest of 20 medians." in found.reading()
    few = process(workspace(rows[:14]), by="owner")
    assert "The picture" not in few.reading()
