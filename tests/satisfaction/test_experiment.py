from __future__ import annotations

import re
import sys

import numpy as np
import pandas as pd
import pytest

from crmlab.data.simulate.effects import declared
from crmlab.data.simulate.truth import known_truth
from crmlab.data.sources import Workspace, from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.language import set_language
from crmlab.satisfaction import compare_samples, sample_plan
from crmlab.satisfaction.experiment import Samples
from crmlab.show.display import shown_table


@pytest.fixture(scope="module")
def result(company: Workspace) -> Samples:
    return compare_samples(company)


def row(result: Samples, kind: str) -> pd.Series:
    return result.table.set_index("sampling").loc[kind]


def answered(answers: dict[str, list[int]], **columns: object) -> dict[str, pd.DataFrame]:
    """Tables of a company where each customer of a tier gave one answer."""
    said = [(tier, one) for tier, values in answers.items() for one in values]
    surveys = pd.DataFrame(said, columns=["tier", "overall"])
    surveys["response_id"] = surveys["customer_id"] = [str(i) for i in range(len(surveys))]
    surveys["answered_at"] = "2025-06-15"
    customers = surveys[["customer_id", "tier"]]
    return {"customers": customers, "surveys": surveys.drop(columns="tier").assign(**columns)}


# --- the simulated company: the truth is known


def test_the_population_is_what_everyone_who_could_be_asked_would_have_said(
    result: Samples, company: Workspace
) -> None:
    truth = known_truth(company)
    able = truth[truth["eligible"]]
    assert len(result.population) == len(able)
    assert result.truth == pytest.approx(able["answer"].mean())
    assert result.simulated


@pytest.mark.parametrize("kind", ["random", "proportional", "neyman"])
def test_random_samples_are_unbiased_and_their_intervals_hold_as_often_as_said(
    result: Samples, kind: str
) -> None:
    found = row(result, kind)
    error = found["spread"] / np.sqrt(result.draws)
    assert abs(found["bias"]) < 3.5 * error
    assert found["coverage"] == pytest.approx(0.95, abs=0.025)
    assert found["coverage_low"] < found["coverage"] < found["coverage_high"]


def test_a_simple_random_sample_has_the_standard_error_of_the_textbook(result: Samples) -> None:
    answers = result.population["answer"]
    expected = answers.std() / np.sqrt(200) * np.sqrt(1 - 200 / len(answers))
    assert row(result, "random")["spread"] == pytest.approx(expected, rel=0.08)


def test_callers_are_biased_by_as_much_as_the_truth_says(result: Samples) -> None:
    callers = result.population[result.population["calls"]]
    exact = callers["said"].mean() - result.truth
    found = row(result, "call_centre")
    assert found["low"] - 0.005 < exact < found["high"] + 0.005
    assert result.who + result.moment == pytest.approx(exact)
    squares = found["bias"] ** 2 + found["spread"] ** 2
    assert found["rmse"] == pytest.approx(np.sqrt(squares), rel=1e-3)
    assert found["coverage"] < 0.05
    assert found["width"] == pytest.approx(row(result, "random")["width"], rel=0.1)


def test_what_the_moment_of_the_call_adds_is_the_known_effect(result: Samples) -> None:
    callers = result.population[result.population["calls"]]

    def logit(answers: pd.Series, cut: int) -> float:
        share = float((answers > cut).mean())
        return float(np.log(share / (1 - share)))

    shifts = [logit(callers["said"], cut) - logit(callers["answer"], cut) for cut in (1, 2, 3, 4)]
    # Callers differ in what happened to them, which brings their shift together a little nearer 0.
    assert np.mean(shifts) == pytest.approx(declared()["call_centre_satisfaction"].value, abs=0.15)


def test_a_larger_sample_of_callers_is_no_nearer_to_the_truth(company: Workspace) -> None:
    larger = row(compare_samples(company, size=800, draws=300), "call_centre")
    smaller = row(compare_samples(company, size=200, draws=300), "call_centre")
    assert larger["bias"] == pytest.approx(smaller["bias"], abs=0.02)
    assert larger["width"] < 0.6 * smaller["width"]
    assert larger["coverage"] <= smaller["coverage"]


def test_the_reading_says_what_makes_callers_differ(result: Samples) -> None:
    assert "below the truth on average" in result.reading()
    assert "because they are asked when they call" in result.reading()
    assert "callers 0.4" in result.title()


def test_the_kinds_of_sample_stand_under_their_own_heading(result: Samples) -> None:
    assert shown_table(result).columns[0] == "Kind of sample"


def test_the_same_seed_draws_the_same_samples() -> None:
    def drawn(seed: int) -> pd.DataFrame:
        crm = from_frames(answered({"key": [1, 2, 3, 4, 5] * 20}))
        return compare_samples(crm, size=20, draws=20, seed=seed).estimates

    pd.testing.assert_frame_equal(drawn(5), drawn(5))
    assert not drawn(5).equals(drawn(6))


# --- real data: who answered stands for everybody


def test_of_real_data_the_population_is_who_answered(company: Workspace) -> None:
    tables = {name: getattr(company, name) for name in ("customers", "surveys", "contacts")}
    result = compare_samples(from_frames(tables), draws=100)
    assert not result.simulated
    assert "Nobody knows what those would have said" in result.reading()
    assert "because they are asked when they call" not in result.reading()
    assert list(result.estimates) == ["random", "proportional", "neyman", "call_centre"]
    assert result.moment == 0


def test_strata_that_differ_make_a_stratified_sample_more_precise() -> None:
    tables = answered({"key": [4, 5] * 200, "general": [1, 2] * 200})
    result = compare_samples(from_frames(tables), size=40)
    assert row(result, "proportional")["spread"] < 0.5 * row(result, "random")["spread"]
    assert row(result, "proportional")["coverage"] == pytest.approx(0.95, abs=0.025)


def test_half_of_a_population_is_known_better_than_the_same_number_of_a_large_one() -> None:
    answers = [1, 2, 3, 4, 5] * 20
    half = row(compare_samples(from_frames(answered({"key": answers})), size=50), "random")
    large = row(compare_samples(from_frames(answered({"key": answers * 40})), size=50), "random")
    assert half["spread"] == pytest.approx(large["spread"] * np.sqrt(0.5), rel=0.1)
    assert half["width"] == pytest.approx(large["width"] * np.sqrt(0.5), rel=0.05)


def contacts(customers: list[str], day: str, direction: str = "inbound") -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": customers, "contacted_at": day, "channel": "phone"})
    return frame.assign(contact_id=[f"K{i}" for i in range(len(frame))], direction=direction)


def test_callers_are_those_who_telephoned_before_they_answered() -> None:
    tables = answered({"key": [1] * 60 + [5] * 60})
    before = contacts([str(i) for i in range(60)], "2025-06-14")
    after = contacts([str(i) for i in range(60, 120)], "2025-06-16")
    result = compare_samples(from_frames(tables | {"contacts": before}), size=20, draws=50)
    assert row(result, "call_centre")["mean"] == 1
    assert "below the truth on average" in result.reading()
    # they telephoned, but only afterwards
    result = compare_samples(from_frames(tables | {"contacts": after}), size=20, draws=50)
    assert result.lacking == ("few",)
    # we telephoned them
    outbound = contacts([str(i) for i in range(60)], "2025-06-14", direction="outbound")
    result = compare_samples(from_frames(tables | {"contacts": outbound}), size=20, draws=50)
    assert result.lacking == ("few",)


def test_intervals_have_the_degrees_of_freedom_and_the_population_of_their_sample() -> None:
    tables = answered({"key": [1, 5] * 60})
    calls = contacts([str(i) for i in range(60)], "2025-06-14")
    result = compare_samples(from_frames(tables | {"contacts": calls}), size=2, draws=400)
    # Two answers 1 and 5 have the variance 8; t of one degree of freedom is 12.706.
    wide = 2 * 12.7062 * np.sqrt(8 / 2 * (1 - 2 / 120))
    for kind in ("random", "call_centre"):
        differ = (result.estimates[kind] == 3).mean()
        assert row(result, kind)["width"] == pytest.approx(differ * wide, rel=1e-5)


def test_callers_who_are_happier_are_said_to_lie_above() -> None:
    tables = answered({"key": [1] * 60 + [5] * 60})
    calls = contacts([str(i) for i in range(60, 120)], "2025-06-14")
    result = compare_samples(from_frames(tables | {"contacts": calls}), size=20, draws=50)
    assert "above the truth on average" in result.reading()
    assert result.title().endswith("above")


def test_callers_like_all_others_are_said_to_show_no_bias() -> None:
    tables = answered({"key": [1, 5] * 60})
    calls = contacts([str(i) for i in range(60)], "2025-06-14")
    result = compare_samples(from_frames(tables | {"contacts": calls}), size=20, draws=50)
    assert "no bias can be seen here" in result.reading()
    assert "random or of callers" in result.title()


def test_what_is_not_known_is_said_and_the_rest_is_drawn(company: Workspace) -> None:
    surveys = pd.DataFrame({"response_id": [str(i) for i in range(60)], "overall": [1, 3, 5] * 20})
    result = compare_samples(from_frames({"surveys": surveys}), size=20)
    assert list(result.estimates) == ["random"]
    assert result.lacking == ("strata", "calls")
    assert "no stratified sample was drawn" in result.reading()
    assert "no sample of callers was drawn" in result.reading()


def test_where_no_customer_has_a_tier_no_strata_are_drawn() -> None:
    tables = answered({"key": [1, 5] * 20})
    tables["customers"] = tables["customers"].assign(tier=None)
    result = compare_samples(from_frames(tables), size=10, draws=20)
    assert list(result.estimates) == ["random"]
    assert (result.lacking, len(result.population)) == (("strata", "calls"), 40)


def test_questionnaires_without_an_answer_or_a_stratum_are_counted() -> None:
    tables = answered({"key": [1, 5] * 20, "general": [2, 4] * 20})
    tables["surveys"].loc[:2, "overall"] = None
    tables["customers"] = tables["customers"].iloc[:70]
    result = compare_samples(from_frames(tables), size=10, draws=20)
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found == {"without overall satisfaction": 3, "of a customer in no stratum": 10}
    assert len(result.population) == 67


def test_a_population_that_is_a_part_of_the_answers_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["crmlab.data.questionnaires"], "LARGEST", 100)
    crm = from_frames(answered({"key": [1, 2, 3, 4, 5] * 40}))
    assert "Of 200 questionnaires" in compare_samples(crm, size=20, draws=20).reading()
    assert "Of 200 questionnaires" in sample_plan(crm, size=20).reading()


def test_too_few_answers_and_impossible_sizes_are_refused() -> None:
    crm = from_frames(answered({"key": [1, 5] * 20}))
    with pytest.raises(NotEnoughData, match="there are 40"):
        compare_samples(crm, size=21)
    with pytest.raises(CrmlabError, match="at least 2"):
        compare_samples(crm, size=1)
    with pytest.raises(MissingColumns, match=r"surveys\.overall"):
        compare_samples(from_frames({"surveys": pd.DataFrame({"response_id": ["1"]})}))


def test_it_is_drawn_and_told_in_both_languages(result: Samples) -> None:
    coverage = [f"{share:.0%}" for share in result.table["coverage"]]
    for language in ("en", "zh_CN"):
        set_language(language)
        axes = result.plot()
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert [share in label for share, label in zip(coverage, labels, strict=True)] == [True] * 4
        assert axes.lines[0].get_xdata()[0] == result.truth
        assert f"{result.truth:.2f}" in result.alt()
    assert re.search("[一-鿿]", result.reading())
    assert re.search("[一-鿿]", result.definition.method)
