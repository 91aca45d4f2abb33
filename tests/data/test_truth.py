from __future__ import annotations

import pandas as pd
import pytest

import crmlab
from crmlab.data.simulate.effects import effects_of
from crmlab.data.simulate.truth import answers_of_all, known_truth
from crmlab.data.sources import Workspace, from_frames
from crmlab.errors import NotEnoughData


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return answers_of_all()


def asked(crm: Workspace, truth: pd.DataFrame, mode: str) -> pd.DataFrame:
    """Answered questionnaires of a mode, with the truth of the order they are about."""
    surveys = crm.surveys[(crm.surveys["mode"] == mode) & crm.surveys["answered_at"].notna()]
    return surveys.merge(truth, on=["customer_id", "order_id"], how="left", validate="one_to_one")


@pytest.mark.parametrize("mode", ["sample", "follow_up"])
def test_whoever_was_asked_gave_the_true_answer(
    company: Workspace, truth: pd.DataFrame, mode: str
) -> None:
    found = asked(company, truth, mode)
    assert len(found) > 500
    assert (found["overall"] == found["answer"]).all()
    assert found["eligible"].all()


def test_whoever_was_asked_when_calling_gave_the_answer_of_callers(
    company: Workspace, truth: pd.DataFrame
) -> None:
    found = asked(company, truth, "call_centre")
    assert (found["overall"] == found["answer_called"]).all()
    assert found["called"].mean() > 0.9


def test_customers_are_those_of_the_table(company: Workspace, truth: pd.DataFrame) -> None:
    found = truth.merge(company.customers, on="customer_id", suffixes=("", "_of_table"))
    assert len(found) == len(truth)
    assert (found["tier"] == found["tier_of_table"]).all()
    assert (found["region"] == found["region_of_table"]).all()


def test_a_customer_answers_once_a_month(truth: pd.DataFrame) -> None:
    assert not truth.duplicated(["customer_id", "month"]).any()
    assert truth["month"].nunique() == 24


def test_callers_answer_lower_and_never_higher(truth: pd.DataFrame) -> None:
    assert (truth["answer_called"] <= truth["answer"]).all()
    assert (truth["answer_called"] < truth["answer"]).mean() > 0.2


def test_a_students_truth_is_that_of_the_students_company() -> None:
    crm = crmlab.load(student="20261234")
    truth = known_truth(crm)
    found = asked(crm, truth, "sample")
    assert (found["overall"] == found["answer"]).all()
    found = asked(crm, truth, "call_centre")
    assert (found["overall"] == found["answer_called"]).all()
    assert effects_of("20261234") != effects_of("")


def test_a_change_to_the_frame_does_not_reach_the_next_one(truth: pd.DataFrame) -> None:
    mine = answers_of_all()
    mine["answer"] = 0
    assert (answers_of_all()["answer"] > 0).all()


def test_months_are_known_that_are_over_by_as_of() -> None:
    truth = known_truth(crmlab.load(as_of="2024-03-31"))
    assert truth["month"].max() == pd.Timestamp("2024-03-01")
    truth = known_truth(crmlab.load(as_of="2024-03-30"))
    assert truth["month"].max() == pd.Timestamp("2024-02-01")


def test_before_the_first_month_is_over_nothing_is_known() -> None:
    with pytest.raises(NotEnoughData, match="No month is over"):
        known_truth(crmlab.load(as_of="2024-01-20"))


def test_a_sample_of_customers_has_their_truth_only(company: Workspace) -> None:
    some = company.sample(customers=100)
    whole = known_truth(company)
    expected = whole[whole["customer_id"].isin(some.customers["customer_id"])]
    assert 0 < len(expected) < len(whole)
    pd.testing.assert_frame_equal(known_truth(some), expected.reset_index(drop=True))


def test_of_real_data_the_truth_is_not_known() -> None:
    real = from_frames({"surveys": pd.DataFrame({"response_id": ["1"], "overall": [4]})})
    with pytest.raises(NotEnoughData, match="nobody knows what those would have said"):
        known_truth(real)
