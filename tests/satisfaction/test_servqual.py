"""Gaps between perception and expectation, by dimension and item."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmlab.data import model
from crmlab.data.simulate.effects import values as known_effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.satisfaction.pairs import by_dimension, pairs
from crmlab.satisfaction.responses import wide
from crmlab.satisfaction.servqual import chance, gap_table, servqual
from crmlab.stats.weighted import mean

ITEMS = (
    model.Item("tan1", "tangibles", "Vehicles", "车辆", 1, 7),
    model.Item("tan2", "tangibles", "Depots", "仓库", 1, 7),
    model.Item("rel1", "reliability", "On time", "准时", 1, 7),
    model.Item("tangibles", "importance", minimum=0, maximum=100),
    model.Item("reliability", "importance", minimum=0, maximum=100),
)
DIMENSIONS = ("tangibles", "reliability", "responsiveness", "assurance", "empathy")


def workspace(answers, items=ITEMS, **columns):
    """Questionnaires as a mapping of (aspect, item) to values."""
    count = len(next(iter(answers.values())))
    ids = [f"Q{row:03d}" for row in range(count)]
    surveys = pd.DataFrame({"response_id": ids} | columns)
    long = pd.concat(
        pd.DataFrame({"response_id": ids, "item": item, "aspect": aspect, "value": values})
        for (aspect, item), values in answers.items()
    )
    frames = {"surveys": surveys, "answers": long.dropna(subset=["value"])}
    return from_frames(frames, settings=model.Settings(items=items))


def simple(**changed):
    """Twelve questionnaires: reliability short by two points on the average, tangibles met."""
    answers = {
        ("expectation", "tan1"): [5, 6] * 6,
        ("perception", "tan1"): [6, 5] * 6,
        ("expectation", "rel1"): [6, 6, 7] * 4,
        ("perception", "rel1"): [4, 5, 4] * 4,
    }
    return workspace(answers, **changed)


def test_the_title_names_the_largest_gap_that_can_be_told():
    answers = {
        ("expectation", "tan1"): [5, 6] * 6,
        ("perception", "tan1"): [4, 5] * 6,
        ("expectation", "rel1"): [7, 1, *[np.nan] * 10],
        ("perception", "rel1"): [1, 4, *[np.nan] * 10],
    }
    result = servqual(workspace(answers))
    assert result.table["dimension"].tolist() == ["reliability", "tangibles"]
    assert result.table["short"].tolist() == [False, True]
    assert result.title() == "Furthest short of expectations: Tangibles, by 1.00 points"
    low, high = result.plot().get_xlim()
    assert low < result.table["perception_low"].min()
    assert high > result.table["expectation_high"].max()


def test_the_gap_is_perception_less_expectation_and_the_largest_comes_first():
    table = servqual(simple()).table
    assert table["dimension"].tolist() == ["reliability", "tangibles"]
    assert table["gap"].tolist() == pytest.approx([-2, 0])
    assert table["short"].tolist() == [True, False]
    assert table["questionnaires"].tolist() == [12, 12]


def test_without_weights_the_test_is_the_paired_t_test():
    expected = pd.Series([5, 6, 6, 5, 6, 4, 7.0])
    perceived = pd.Series([4, 4, 6, 4, 3, 5, 6.0])
    frame = pd.DataFrame({"weight": np.ones(7), "cluster": range(7)})
    row = gap_table(pd.DataFrame({"a": expected}), pd.DataFrame({"a": perceived}), frame).iloc[0]
    test = stats.ttest_rel(perceived, expected)
    assert row["probability"] == pytest.approx(test.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval()))


def test_a_gap_counts_only_where_both_were_answered():
    answers = {
        ("expectation", "rel1"): [6.0] * 11 + [None],
        ("perception", "rel1"): [5.0] * 11 + [1.0],
    }
    result = servqual(workspace(answers))
    assert result.table.iloc[0][["questionnaires", "gap"]].tolist() == [11, -1]
    assert "1 questionnaire (answered, but no item with both" in result.reading()


def test_questionnaires_of_weight_0_do_not_count_and_are_said():
    expected, perceived = [5.0, 6, 7, 6] * 3, [5.0, 5, 6, 6] * 3
    answers = {("expectation", "rel1"): expected, ("perception", "rel1"): perceived}
    more = {key: [*values, 7.0, 1.0] for key, values in answers.items()}
    plain = servqual(workspace(answers))
    result = servqual(workspace(more, weight=[1.0] * 12 + [0.0] * 2))
    pd.testing.assert_frame_equal(result.table, plain.table)
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found == {"answered, but without a weight": 2}
    assert "12 questionnaires of 12 customers" in result.reading()


def test_half_of_the_items_make_a_dimension_and_fewer_do_not():
    items = pd.DataFrame({"item": list("abc"), "dimension": ["one"] * 3})
    values = pd.DataFrame({"a": [1, 1.0], "b": [3, np.nan], "c": [np.nan] * 2})
    np.testing.assert_equal(by_dimension(values, items)["one"].to_numpy(), [2, np.nan])


def test_importance_weighs_each_customers_own_gaps():
    answers = {
        ("expectation", "tan1"): [5] * 12,
        ("perception", "tan1"): [5] * 12,
        ("expectation", "rel1"): [6] * 12,
        ("perception", "rel1"): [4, 2] * 6,
        ("importance", "tangibles"): [50, 0] * 6,
        ("importance", "reliability"): [50, 100] * 6,
    }
    result = servqual(workspace(answers))
    whole = result.whole.set_index("way")["gap"]
    # (0.5 × −2 + 1 × −4) / 2 and (−1 − 2) / 2
    assert whole.tolist() == pytest.approx([-1.5, -2.5, -1.0])
    assert result.table["contribution"].tolist() == pytest.approx([-2.5, 0])
    assert result.table["importance"].tolist() == pytest.approx([0.75, 0.25])
    assert "Importance makes it worse" in result.reading()


def test_without_importance_it_is_said():
    result = servqual(simple())
    assert result.whole["way"].tolist() == ["unweighted"]
    assert "nobody said how important the dimensions are" in result.reading()
    assert "importance" not in result.table
    assert "nobody said" not in servqual(simple(), weighted=False).reading()


def test_importance_of_one_dimension_alone_is_not_said_to_be_nobodys():
    answers = {
        ("expectation", "tan1"): [5, 6] * 6,
        ("perception", "tan1"): [6, 5] * 6,
        ("expectation", "rel1"): [6, 6, 7] * 4,
        ("perception", "rel1"): [4, 5, 4] * 4,
        ("importance", "tangibles"): [40.0] * 12,
    }
    result = servqual(workspace(answers))
    assert result.whole["way"].tolist() == ["unweighted"]
    assert "no questionnaire has both the gap and the importance" in result.reading()
    assert "nobody said" not in result.reading()


def test_questionnaires_of_one_customer_are_not_taken_for_independent():
    alone = servqual(simple(customer_id=[f"C{row}" for row in range(12)]))
    shared = servqual(simple(customer_id=[f"C{min(row, 9)}" for row in range(12)]))
    assert (alone.pairs.customers, shared.pairs.customers) == (12, 10)
    assert shared.table["low"].iloc[0] != pytest.approx(alone.table["low"].iloc[0])
    answers = {
        ("expectation", "rel1"): [6, 6, 7] * 8,
        ("perception", "rel1"): [4, 5, 4] * 8,
    }
    twice = servqual(workspace(answers, customer_id=[f"C{row % 12}" for row in range(24)]))
    ends = ["gap", "low", "high"]
    row = alone.table.set_index("dimension").loc["reliability"]
    assert twice.table.iloc[0][ends].tolist() == pytest.approx(row[ends].tolist())


def test_gaps_that_chance_explains_are_not_called_short():
    random = np.random.default_rng(5)
    answers = {
        (aspect, "rel1"): random.integers(3, 6, 40).astype(float)
        for aspect in ("expectation", "perception")
    }
    result = servqual(workspace(answers))
    assert result.title().startswith("In no dimension does service fall short")
    assert "Item by item, none of 1 falls short" in result.reading()


def test_service_better_than_expected_is_said_too():
    answers = {("expectation", "rel1"): [3, 4] * 6, ("perception", "rel1"): [6, 6, 5] * 4}
    assert "It exceeds it in: Reliability." in servqual(workspace(answers)).reading()


def test_few_customers_two_scales_and_undeclared_items_are_refused_in_words():
    answers = {("expectation", "rel1"): [6] * 5, ("perception", "rel1"): [5] * 5}
    with pytest.raises(NotEnoughData, match=r"from 10 customers at least; there are 5\."):
        servqual(workspace(answers))
    two = (*ITEMS[:2], model.Item("rel1", "reliability", minimum=0, maximum=100))
    with pytest.raises(CrmlabError, match=r"tan1 \(1 to 7\); rel1 \(0 to 100\)"):
        servqual(simple(items=two))
    with pytest.raises(NotEnoughData, match="Declare the items"):
        servqual(simple(items=()))


def test_answers_without_expectations_end_the_section_by_name():
    with pytest.raises(NotEnoughData, match="aspect expectation"):
        servqual(workspace({("perception", "rel1"): [5] * 12}))
    with pytest.raises(MissingColumns, match=r"answers\.item"):
        servqual(from_frames({"surveys": pd.DataFrame({"response_id": ["1"]})}))


def test_chance_without_spread_is_nought_or_one():
    assert chance(mean([1.0, 1.0, 1.0]), 2) == 0
    assert chance(mean([0.0, 0.0, 0.0]), 2) == 1
    assert np.isnan(chance(mean([1.0]), 0))


def test_the_known_gaps_of_the_company_are_within_the_intervals(company):
    result = servqual(company)
    frame = pairs(company).frame
    months = (frame["sent_at"].dt.year - 2024) * 12 + frame["sent_at"].dt.month - 1
    effects = known_effects()
    years = np.average(months / 12, weights=frame["weight"])
    rise = effects["expectation_trend"] * years
    gaps = result.table.set_index("dimension")
    for dimension in DIMENSIONS:
        # perceptions of those who answer, and of these 662 customers, wander by a few hundredths
        known = effects[f"gap_{dimension}"] - rise
        assert gaps.loc[dimension, "gap"] == pytest.approx(known, abs=0.08)
    assert gaps.index[:2].tolist() == ["reliability", "responsiveness"]
    assert gaps["short"].all()
    assert result.items["short"].all()


def test_the_picture_names_both_kinds_of_point_and_every_dimension(company):
    axes = servqual(company).plot()
    written = [text.get_text() for text in axes.texts]
    assert {"Perception", "Expectation"} <= set(written)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "Reliability"
    assert len(names) == 5


def test_what_the_notebook_does_by_hand_agrees(company):
    perceived, expected = wide(company, "perception"), wide(company, "expectation")
    items = [f"rel{number}" for number in range(1, 6)]
    gap = (perceived[items] - expected[items]).mean(axis=1).dropna()
    weight = company.surveys.set_index("response_id")["weight"].reindex(gap.index)
    by_hand = (gap * weight).sum() / weight.sum()
    table = servqual(company).table.set_index("dimension")
    assert table.loc["reliability", "gap"] == pytest.approx(by_hand)


def test_dimensions_asked_of_different_customers_are_not_put_together():
    half = [5.0] * 12 + [None] * 12
    answers = {
        ("expectation", "tan1"): half,
        ("perception", "tan1"): half,
        ("expectation", "rel1"): half[::-1],
        ("perception", "rel1"): [None] * 12 + [4.0, 3.0] * 6,
        ("importance", "tangibles"): [50.0] * 24,
        ("importance", "reliability"): [50.0] * 24,
    }
    result = servqual(workspace(answers))
    assert result.table["questionnaires"].tolist() == [12, 12]
    assert "No questionnaire has all dimensions" in result.reading()
    assert "NaN" not in result.reading() + result.alt()


def test_an_item_that_nobody_answered_both_ways_has_no_row():
    answers = {
        ("expectation", "rel1"): [6.0] * 12 + [None],
        ("perception", "rel1"): [5.0, 4.0] * 6 + [None],
        ("expectation", "tan1"): [6.0] * 12 + [None],
        ("perception", "tan1"): [None] * 12 + [5.0],
    }
    result = servqual(workspace(answers))
    assert result.table["dimension"].tolist() == ["reliability"]
    assert result.items["item"].tolist() == ["rel1"]
