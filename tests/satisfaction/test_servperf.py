"""Gaps, perceptions and logistics service compared by what they say of satisfaction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.satisfaction.pairs import pairs
from crmlab.satisfaction.servperf import difference_reliability, explained, servperf
from crmlab.stats.reliability import cronbach_alpha

ITEMS = (
    model.Item("rel1", "reliability", minimum=1, maximum=7),
    model.Item("rel2", "reliability", minimum=1, maximum=7),
    model.Item("lsq", "logistics_service", minimum=0, maximum=100),
)


def workspace(expected, perceived, overall, logistics=None, **columns):
    """Questionnaires with two items of one dimension, rows by item."""
    ids = [f"Q{row:03d}" for row in range(len(overall))]
    parts = {
        ("rel1", "expectation"): expected[0],
        ("rel2", "expectation"): expected[1],
        ("rel1", "perception"): perceived[0],
        ("rel2", "perception"): perceived[1],
    }
    if logistics is not None:
        parts["lsq", "perception"] = logistics
    answers = pd.concat(
        pd.DataFrame({"response_id": ids, "item": item, "aspect": aspect, "value": values})
        for (item, aspect), values in parts.items()
    ).dropna(subset=["value"])
    surveys = pd.DataFrame({"response_id": ids, "overall": overall} | columns)
    frames = {"surveys": surveys, "answers": answers}
    return from_frames(frames, settings=model.Settings(items=ITEMS))


def made(of="perception", size=200, logistics=False, seed=8):
    """Satisfaction that follows perceptions, or the gap; expectations of their own."""
    random = np.random.default_rng(seed)
    expected, perceived = random.integers(3, 7, (2, size)), random.integers(2, 7, (2, size))
    lead = {"perception": perceived[0] - 4, "gap": perceived[0] - expected[0]}[of]
    overall = np.clip(np.round(3 + 0.6 * lead + random.normal(0, 0.5, size)), 1, 5)
    ratings = np.round(50 + random.normal(0, 10, size)) if logistics else None
    return workspace(expected, perceived, overall, ratings)


def test_shares_are_those_of_weighted_least_squares():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(40, 3)), columns=["a", "b", "y"])
    weights = random.integers(1, 5, 40).astype(float)
    fit = sm.WLS(frame["y"], sm.add_constant(frame[["a", "b"]]), weights=weights).fit()
    assert explained(frame[["a", "b"]], frame["y"], weights)[0] == pytest.approx(fit.rsquared)
    plain = sm.OLS(frame["y"], sm.add_constant(frame[["a", "b"]])).fit()
    found = explained(frame[["a", "b"]], frame["y"])
    assert found == pytest.approx((plain.rsquared, plain.rsquared_adj))


def test_a_predictor_twice_explains_no_more():
    frame = pd.DataFrame({"a": [1.0, 2, 3, 5, 4]})
    outcome = [1, 3, 2, 4, 4]
    twice = explained(frame.assign(b=frame["a"]), outcome)
    assert twice[0] == pytest.approx(explained(frame, outcome)[0])


def test_without_more_answers_than_predictors_nothing_is_adjusted():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [1.0, 3, 2]})
    share, adjusted = explained(frame, [1, 2, 4])
    assert share == pytest.approx(1)
    assert np.isnan(adjusted)


def test_weights_that_leave_too_few_for_the_predictors_are_refused():
    crm = made(size=60)
    frames = {"surveys": crm.surveys.assign(weight=[1e6, *[1.0] * 59]), "answers": crm.answers}
    with pytest.raises(NotEnoughData, match=r"count for 1\.0 of equal weight; with 1 predictors"):
        servperf(from_frames(frames, settings=crm.settings))


def test_questionnaires_that_lack_one_of_the_ways_are_counted():
    crm = made()
    surveys = crm.surveys.assign(overall=crm.surveys["overall"].where(crm.surveys.index > 4))
    result = servperf(from_frames({"surveys": surveys, "answers": crm.answers}, crm.settings))
    assert result.table["questionnaires"].tolist() == [195, 195]
    assert "Left out besides: 5 questionnaires (overall satisfaction or" in result.reading()
    assert [one.count for one in result.definition.exclusions] == [5]


def test_the_share_of_a_variance_is_no_more_than_all_of_it():
    random = np.random.default_rng(2)
    perceived = random.integers(2, 7, (2, 40))
    perceived[1] = perceived[0]
    crm = workspace(random.integers(3, 7, (2, 40)), perceived, perceived[0] - 1)
    row = servperf(crm).table.set_index("way").loc["perception"]
    assert row[["adjusted", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    alike = workspace(perceived, perceived + 1, random.integers(1, 6, 40))
    table = servperf(alike).table.set_index("way")
    assert table.loc["gap", "low"] == 0 <= table.loc["gap", "high"]


def test_dimensions_whose_reliability_cannot_be_told_are_named():
    random = np.random.default_rng(5)
    expected = random.integers(3, 7, (2, 60))
    crm = workspace(expected, expected - 1, random.integers(1, 6, 60))
    result = servperf(crm)
    assert result.reliability.empty
    assert "no dimension has two items or more" in result.reading()
    crm = made()
    single = crm.answers[crm.answers["item"] == "rel1"].assign(item="tan1")
    items = (*ITEMS, model.Item("tan1", "tangibles", minimum=1, maximum=7))
    frames = {"surveys": crm.surveys, "answers": pd.concat([crm.answers, single])}
    result = servperf(from_frames(frames, settings=model.Settings(items=items)))
    assert result.reliability["dimension"].tolist() == ["reliability"]
    assert "Without two items that 30 customers answered, and not all alike: Tangibles." in (
        result.reading()
    )


def test_where_satisfaction_follows_perception_it_beats_the_gap():
    result = servperf(made("perception"))
    assert result.table["way"].tolist() == ["perception", "gap"]
    assert result.differences["apart"].tolist() == [True]
    assert result.title().startswith("Perceptions alone account for more of satisfaction")
    assert "Logistics service was not asked for" in result.reading()


def test_where_satisfaction_follows_the_gap_the_gap_wins():
    result = servperf(made("gap"))
    assert result.table["way"].tolist() == ["gap", "perception"]
    assert result.title().startswith("Gaps account for more of satisfaction")


def test_expectations_that_hardly_differ_leave_nothing_to_choose():
    random = np.random.default_rng(3)
    expected = np.full((2, 100), 6)
    expected[:, :3] = 5
    perceived = random.integers(2, 7, (2, 100))
    overall = np.clip(np.round(perceived[0] - 1 + random.normal(0, 1, 100)), 1, 5)
    result = servperf(workspace(expected, perceived, overall))
    assert result.title().startswith("Whether perceptions or gaps go better")


def test_logistics_service_that_says_nothing_comes_last():
    result = servperf(made(logistics=True))
    assert result.table["way"].tolist() == ["perception", "gap", "logistics"]
    assert result.table["low"].iloc[2] == 0
    assert len(result.differences) == 3
    assert result.why_not_logistics == ""


def test_logistics_service_asked_of_others_is_not_compared_and_it_is_said():
    crm = made(logistics=True)
    of_few = crm.answers[(crm.answers["item"] != "lsq") | (crm.answers["response_id"] < "Q010")]
    frames = {"surveys": crm.surveys, "answers": of_few}
    result = servperf(from_frames(frames, settings=crm.settings))
    assert result.table["way"].tolist() == ["perception", "gap"]
    assert "answered by other customers than the gaps" in result.reading()


def test_the_reliability_of_a_gap_is_made_of_alphas_and_their_correlation():
    random = np.random.default_rng(5)
    own = random.normal(0, 1, (2, 1, 150))
    expected, perceived = np.clip(np.round(4 + own + random.normal(0, 0.7, (2, 2, 150))), 1, 7)
    result = servperf(workspace(expected, perceived, random.integers(1, 6, 150)))
    row = result.reliability.iloc[0]
    assert row["expectation"] == pytest.approx(cronbach_alpha(expected.T).value)
    assert row["perception"] == pytest.approx(cronbach_alpha(perceived.T).value)
    totals = expected.sum(axis=0), perceived.sum(axis=0)
    correlation = np.corrcoef(*totals)[0, 1]
    assert row["correlation"] == pytest.approx(correlation)
    first, second = (total.std() for total in totals)
    shared = 2 * correlation * first * second
    part = row["expectation"] * first**2 + row["perception"] * second**2 - shared
    assert row["gap"] == pytest.approx(part / (first**2 + second**2 - shared))
    assert row["gap"] == pytest.approx(cronbach_alpha((perceived - expected).T).value, abs=0.06)
    assert row["low"] < row["gap"] < row["high"]


def test_parts_that_go_together_make_an_unreliable_difference():
    assert difference_reliability(0.8, 0.8, 0.0) == pytest.approx(0.8)
    assert difference_reliability(0.8, 0.8, 0.6) == pytest.approx(0.5)
    assert difference_reliability(0.8, 0.8, 0.8) == pytest.approx(0.0)
    assert np.isnan(difference_reliability(0.8, 0.8, 1.0))
    with_wide = difference_reliability(0.9, 0.5, 0.0, first_spread=3, second_spread=1)
    assert with_wide == pytest.approx((9 * 0.9 + 0.5) / 10)


def test_more_questionnaires_of_the_same_customers_do_not_narrow_the_interval():
    alone = made(size=120)
    surveys = alone.surveys.assign(customer_id=alone.surveys["response_id"])
    frames = {
        name: pd.concat(
            [table.assign(response_id=table["response_id"] + copy) for copy in "abc"],
            ignore_index=True,
        )
        for name, table in (("surveys", surveys), ("answers", alone.answers))
    }
    one = servperf(alone).table.iloc[0]
    three = servperf(from_frames(frames, settings=alone.settings)).table.iloc[0]
    assert three["r_squared"] == pytest.approx(one["r_squared"])
    assert three["high"] - three["low"] == pytest.approx(one["high"] - one["low"], rel=0.15)


def test_too_few_or_all_alike_is_refused():
    with pytest.raises(NotEnoughData, match="30 customers at least"):
        servperf(made(size=20))
    random = np.random.default_rng(1)
    expected, perceived = random.integers(3, 7, (2, 2, 40))
    with pytest.raises(NotEnoughData, match="gave the same overall satisfaction"):
        servperf(workspace(expected, perceived, [4] * 40))


def test_in_the_company_gaps_say_least_and_are_the_less_reliable(company):
    result = servperf(company)
    assert result.table["way"].iloc[-1] == "gap"
    assert len(result.reliability) == 5
    assert result.reliability["less"].all()
    assert result.table["questionnaires"].eq(len(pairs(company).frame)).all()
    again = servperf(company, seed=1)
    pd.testing.assert_frame_equal(
        result.table[["low", "high"]], again.table[["low", "high"]], atol=0.02
    )
