import sys

import numpy as np
import pandas as pd
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from crmlab.complaints.handled import adjusted, handled
from crmlab.complaints.recovery import recovery
from crmlab.data.model import Settings
from crmlab.data.simulate.effects import values
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import speaking


def complaint(number, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": "2025-03-03 09:00",
        "first_response_at": "2025-03-03 11:00",
        "kind": "transport",
        "severity": "low",
        "satisfaction_after": 4,
    }
    return usual | more


def workspace(complaints, settings=None, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames(
        {name: pd.DataFrame(rows) for name, rows in frames.items()}, settings, as_of="2025-03-31"
    )


def flags(rows, name, **more):
    frame = handled(workspace(rows, **more)).frame
    return ["?" if pd.isna(flag) else bool(flag) for flag in frame[name]]


def many(answers, **columns):
    rows = [complaint(n, satisfaction_after=answer) for n, answer in enumerate(answers)]
    return [row | {name: of[n] for name, of in columns.items()} for n, row in enumerate(rows)]


def test_an_answer_is_quick_or_not_where_the_times_can_tell():
    rows = [
        complaint(1, first_response_at="2025-03-03 13:00"),
        complaint(2, first_response_at="2025-03-03 13:01"),
        complaint(3, first_response_at="2025-03-03 00:00"),
        complaint(4, first_response_at="2025-03-05 00:00"),
        complaint(6, first_response_at=None, resolved_at="2025-03-03 10:00"),
        complaint(7, first_response_at=None),
        complaint(8, first_response_at=None, opened_at="2025-03-31 22:00"),
    ]
    # The day of the third leaves it open, that of the fourth does not; what was resolved had an
    # answer; the last may still be answered in time.
    assert flags(rows, "quick") == [True, False, "?", False, "?", False, "?"]
    assert handled(workspace(rows), hours=5).frame["quick"].iloc[1]


def test_a_promise_is_kept_or_broken_also_while_the_complaint_is_open():
    due = {"due_at": "2025-03-05 09:00"}
    rows = [
        complaint(1, resolved_at="2025-03-05 09:00", **due),
        complaint(2, resolved_at="2025-03-05 09:01", **due),
        complaint(3, resolved_at="2025-03-05 00:00", **due),
        complaint(4, resolved_at=None, **due),
        complaint(5, resolved_at=None, due_at="2025-04-05 09:00"),
        complaint(6, resolved_at="2025-03-05 09:00", due_at=None),
        complaint(7, resolved_at="2025-03-05 18:00", due_at="2025-03-05 00:00"),
    ]
    assert flags(rows, "kept") == [True, False, True, False, "?", "?", True]
    rule = Settings(sla_hours={"key.low": 48.0})
    customers = [{"customer_id": "C1", "tier": "key"}]
    late = [complaint(1, resolved_at="2025-03-05 10:00", due_at=None)]
    assert flags(late, "kept", settings=rule, customers=customers) == [False]


def test_compensated_is_told_by_the_money_else_by_the_remedy():
    done = {"resolved_at": "2025-03-05 09:00"}
    rows = [
        complaint(1, compensation=20.0, remedy="apology", **done),
        complaint(2, compensation=0.0, remedy="compensation", **done),
        complaint(3, compensation=None, remedy="compensation", **done),
        complaint(4, compensation=None, remedy="apology", **done),
        complaint(5, compensation=None, remedy=None, **done),
    ]
    assert flags(rows, "compensated") == [True, False, True, False, "?"]
    # Where nobody has a 0 none given means none paid, unless the end is still to come.
    none = {"compensation": None, "resolved_at": None, "remedy": None}
    rows = [rows[0], rows[4], complaint(6, satisfaction_after=None, **none), complaint(7, **none)]
    assert flags(rows, "compensated") == [True, False, "?", False]


def test_where_resolutions_are_not_recorded_no_compensation_given_is_none_paid():
    rows = [complaint(1, compensation=20.0), complaint(2, compensation=None)]
    assert flags(rows, "compensated") == [True, False]


def test_whether_a_promise_was_kept_is_told_as_on_the_page_of_the_principles():
    due = {"due_at": "2025-03-05 09:00"}
    rows = [
        complaint(1, resolved_at="2025-03-04 09:00", **due),
        complaint(2, resolved_at=None, followed_up_at="2025-03-06 09:00", **due),
        complaint(3, resolved_at=None, **due),
        complaint(4, resolved_at="2025-03-30 09:00", due_at="2025-04-02 09:00"),
    ]
    assert flags(rows, "kept") == [True, "?", False, "?"]


def test_shares_and_their_difference_are_of_those_who_answered():
    answers = [5, 4, 4, 2, None, 1, 4, 3, 2, 1, 2, 3]
    told = [True] * 5 + [False] * 7
    row = recovery(workspace(many(answers, told_of_improvement=told))).table.set_index("handling")
    told_row = row.loc["told"]
    assert told_row[["answers", "satisfied_share", "mean"]].tolist() == [4, 0.75, 3.75]
    others = told_row[["others_answers", "others_satisfied", "others_mean"]].tolist()
    assert others == pytest.approx([7, 1 / 7, 16 / 7])
    assert told_row["difference"] == pytest.approx(0.75 - 1 / 7)
    # Four customers are too few to judge.
    assert np.isnan(told_row["difference_low"])


def test_the_odds_ratios_are_those_of_statsmodels():
    rng = np.random.default_rng(3)
    told, quick = rng.random(400) < 0.4, rng.random(400) < 0.5
    steps = rng.integers(0, 3, 400)
    latent = 0.8 * quick + 0.4 * told - 0.9 * steps + rng.logistic(size=400)
    rows = many(
        1 + np.searchsorted([-2, -1, 0, 1.2], latent),
        told_of_improvement=told,
        first_response_at=np.where(quick, "2025-03-03 10:00", "2025-03-04 10:00"),
        severity=np.array(["low", "medium", "high"])[steps],
    )
    result = recovery(workspace(rows))
    x = np.column_stack([quick, told, steps]).astype(float)
    theirs = OrderedModel(1 + np.searchsorted([-2, -1, 0, 1.2], latent), x, distr="logit").fit(
        method="bfgs", disp=0
    )
    own = result.odds.table.set_index("term").loc[["quick", "told", "severity"], "coefficient"]
    assert own.to_numpy() == pytest.approx(np.asarray(theirs.params)[:3], abs=1e-3)
    table = result.table.set_index("handling")
    assert table.loc["quick", "odds_ratio"] == pytest.approx(np.exp(own["quick"]))
    assert table.loc["quick", "associated"]
    assert "First answer within 4 hours" in result.title()


def test_who_is_missing_is_said_by_handling():
    quick = ["2025-03-03 10:00"] * 30 + ["2025-03-04 10:00"] * 30
    answers = [4, 3, 5] * 10 + [4, 3, 5] * 2 + [None] * 24
    result = recovery(workspace(many(answers, first_response_at=quick)))
    row = result.asked.set_index("handling").loc["quick"]
    assert row[["asked_share", "others_asked_share"]].tolist() == [1, 0.2]
    assert "known of 100.0%, of the others 20.0%" in result.reading()
    assert [one.count for one in result.definition.exclusions] == [24]
    even = recovery(workspace(many([4, 3, 5, None] * 15, first_response_at=quick)))
    assert "does not differ beyond chance by: First answer within 4 hours" in even.reading()


def test_what_is_not_known_is_left_out_and_nothing_is_claimed():
    bare = pd.DataFrame({"complaint_id": ["1", "2", "3"], "opened_at": "2025-03-01"})
    bare["satisfaction_after"] = [4, 2, 5]
    result = recovery(from_frames({"complaints": bare}, as_of="2025-03-31"))
    assert result.table.empty
    assert "there is nothing to compare" in result.reading()
    assert "cannot be fitted" in result.reading()
    assert result.title() == "What goes with a better answer cannot be told from these complaints"
    result.plot()
    with pytest.raises(NotEnoughData, match="After no complaint is it known how satisfied"):
        recovery(workspace([complaint(1, satisfaction_after=None)]))
    with pytest.raises(CrmlabError, match=r"hours = 0 is not above 0 and up to 720"):
        recovery(workspace([complaint(1)]), hours=0)


def test_where_all_answers_are_alike_no_odds_are_given():
    rows = many([4] * 20, told_of_improvement=[True, False] * 10)
    result = recovery(workspace(rows))
    assert result.table["odds_ratio"].isna().all()
    assert result.table["associated"].isna().all()


def test_a_difference_that_severity_explains_is_said_to_go():
    # Grave complaints end badly and are handed on more often; within a severity nothing differs.
    part = {"low": ([5] * 14 + [4] * 10 + [3] * 8) * 2, "high": ([1] * 14 + [2] * 10 + [3] * 8) * 2}
    answers, handed, severity = [], [], []
    for code, given in part.items():
        for repeat in range(4):
            answers += given
            severity += [code] * 64
            often = 1 if code == "low" else 3
            handed += [int(repeat < often)] * 64
    rows = many(answers, reassignments=handed, severity=severity)
    result = recovery(workspace(rows))
    row = result.table.set_index("handling").loc["reassigned"]
    assert row["difference_high"] < 0
    assert row["odds_ratio"] == pytest.approx(1, abs=0.01)
    assert not row["associated"]
    assert "with the rest equal it no longer goes beyond chance: Handed on" in result.reading()


def test_the_known_effects_of_the_company_lie_within_the_intervals(company):
    result = recovery(company)
    known = values()
    odds = result.odds.table.set_index("term")
    for term, effect in {
        "quick": "quick_recovery",
        "compensated": "compensation_recovery",
        "told": "told_recovery",
        "severity": "severity_recovery",
    }.items():
        assert odds.loc[term, "low"] < known[effect] < odds.loc[term, "high"]
    table = result.table.set_index("handling")
    assert table.loc[["quick", "compensated", "told"], "associated"].all()
    # The simulation knows no effect of these.
    assert not table.loc[["first_contact", "kept", "reassigned"], "associated"].any()
    # In the company every complaint is as likely to be followed up.
    assert not result.asked["differs"].fillna(False).any()


def test_of_very_many_answers_the_regression_takes_some(monkeypatch, company):
    monkeypatch.setattr(sys.modules["crmlab.complaints.handled"], "LARGEST", 500)
    found = adjusted(company, hours=5.0)
    assert found.answers == 500
    assert found.drawn_from > 2000


def test_all_words_are_there_in_both_languages(company):
    result = recovery(company)
    for code in ("en", "zh_CN"):
        with speaking(code):
            assert result.reading()
            assert result.alt()
            assert result.definition.method


def test_one_answer_is_known():
    several = recovery(workspace(many([4, None, None, None, None, None, None, None]))).reading()
    assert several.startswith("Of 8 complaints, 1 (12.5%) is known to have ended with a rating")
    alone = recovery(workspace(many([4]))).reading()
    assert alone.startswith("The only complaint is known to have ended with a rating")
