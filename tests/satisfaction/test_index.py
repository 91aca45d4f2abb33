"""A satisfaction index, and what its weights do to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Item, Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import set_language
from crmlab.satisfaction.index import explore_weights, index_of, satisfaction_index
from crmlab.stats import weighted

ITEMS = (
    Item("a", "speed", "Fast", "快速", 1, 5),
    Item("b", "speed", "On the day", "当日", 1, 5),
    Item("c", "care", "Careful", "仔细", 0, 10),
)
#: Answers of four questionnaires to the items.
VALUES = {"a": [5, 4, 3, 4], "b": [1, 2, 3, 2], "c": [5, 5, 10, None]}


def long(values, aspect="perception"):
    rows = [
        (str(place), item, aspect, float(value))
        for item, answers in values.items()
        for place, value in enumerate(answers, start=1)
        if value is not None
    ]
    return pd.DataFrame(rows, columns=["response_id", "item", "aspect", "value"])


def workspace(*more, items=ITEMS, values=VALUES, **columns):
    surveys = pd.DataFrame({"response_id": ["1", "2", "3", "4"], **columns})
    answers = pd.concat([long(values), *more])
    return from_frames({"surveys": surveys, "answers": answers}, Settings(items=items))


def test_index_is_the_weighted_mean_of_rescaled_items():
    result = satisfaction_index(workspace())
    table = result.table.set_index("item")
    assert table.loc[["a", "b", "c"], "score"].tolist() == pytest.approx([75, 25, 200 / 3])
    assert table.loc[["a", "b", "c"], "mean"].tolist() == pytest.approx([4, 2, 20 / 3])
    assert table["answers"].to_dict() == {"a": 4, "b": 4, "c": 3}
    assert result.index["index"] == pytest.approx((75 + 25 + 200 / 3) / 3)
    assert table["index_points"].sum() == pytest.approx(result.index["index"])
    by_hand = index_of([4, 2, 20 / 3], [1, 1, 0], [5, 5, 10])
    assert result.index["index"] == pytest.approx(by_hand)


def test_own_weights_are_divided_by_their_sum_and_items_not_named_have_none():
    result = satisfaction_index(workspace(), weights={"a": 3, "b": 1})
    assert result.index["index"] == pytest.approx(0.75 * 75 + 0.25 * 25)
    assert "Weights of the items: your own." in result.reading()


def test_interval_of_complete_answers_is_that_of_the_mean_of_each_one():
    values = VALUES | {"c": [5, 5, 10, 0]}
    crm = workspace(values=values, customer_id=["A", "A", "B", "C"], weight=[1.0, 2.0, 1.0, 3.0])
    result = satisfaction_index(crm)
    scores = np.mean(
        [25 * (np.array(values[item], float) - 1) for item in "ab"]
        + [10 * np.array(values["c"], float)],
        axis=0,
    )
    expected = weighted.mean(scores, weights=[1, 2, 1, 3], clusters=[0, 0, 1, 2])
    assert tuple(result.index) == pytest.approx(expected[:3])
    assert "with its design weight" in result.reading()


def test_stated_importance_weights_items_or_the_items_of_its_dimension():
    of_items = long({"a": [10, 30, 20, 20], "b": [20] * 4, "c": [60] * 4}, "importance")
    table = satisfaction_index(workspace(of_items), weights="stated").table.set_index("item")
    assert table.loc[["a", "b", "c"], "weight"].tolist() == pytest.approx([0.2, 0.2, 0.6])
    of_dimensions = long({"speed": [60] * 4, "care": [40] * 4}, "importance")
    table = satisfaction_index(workspace(of_dimensions), weights="stated").table.set_index("item")
    assert table.loc[["a", "b", "c"], "weight"].tolist() == pytest.approx([0.3, 0.3, 0.4])


def test_derived_weights_are_the_correlations_and_a_negative_one_counts_as_none():
    result = satisfaction_index(workspace(overall=[5, 4, 3, 4]), weights="derived")
    weights = result.table.set_index("item")["weight"]
    # a goes with overall, b and c against it
    assert weights.to_dict() == {"a": pytest.approx(1.0), "b": 0.0, "c": 0.0}


def test_every_way_of_weighting_that_the_data_allow_stands_beside_the_one_chosen():
    variants = satisfaction_index(workspace()).variants.set_index("weighting")
    assert variants.index.tolist() == ["equal", "lowest", "highest"]
    assert variants["index"].tolist() == pytest.approx([(75 + 25 + 200 / 3) / 3, 25, 75])
    assert variants.loc["equal", ["difference", "difference_low"]].tolist() == [0, 0]
    result = satisfaction_index(workspace(overall=[5, 4, 3, 4]), weights={"a": 1})
    assert result.variants["weighting"].tolist() == [
        "equal",
        "derived",
        "own",
        "lowest",
        "highest",
    ]


def test_random_weights_lie_between_the_items_and_are_the_same_each_time():
    low, high = satisfaction_index(workspace()).spread
    assert 25 < low < high < 75
    assert (low, high) == satisfaction_index(workspace(), seed=0).spread
    assert (low, high) != satisfaction_index(workspace(), seed=1).spread


def test_whether_weights_matter_more_than_chance_is_said():
    many = {item: values * 40 for item, values in (VALUES | {"c": [5, 5, 10, 5]}).items()}
    surveys = pd.DataFrame({"response_id": [str(i) for i in range(1, 161)]})
    crm = from_frames({"surveys": surveys, "answers": long(many)}, Settings(items=ITEMS))
    assert (
        "wider than the interval: the choice of weights can count for more"
        in satisfaction_index(crm).reading()
    )
    alike = {item: [1, 5, 1, 5] for item in "ab"}
    assert "no wider than the interval" in satisfaction_index(workspace(values=alike)).reading()


def test_items_asked_of_few_are_left_out_unless_asked_for():
    values = {"a": [5, 4, 3, 4], "b": [1, 2, 3, 2], "c": [5, None, None, None]}
    crm = workspace(values=values)
    result = satisfaction_index(crm)
    assert set(result.table["item"]) == {"a", "b"}
    assert "asked of few: 1." in result.reading()
    only = satisfaction_index(crm, dimensions=["care"])
    assert only.table["item"].tolist() == ["c"]
    assert only.index[["low", "high"]].isna().all()
    assert "3 questionnaires (none of these items answered)" in only.reading()


def test_an_item_that_only_questionnaires_of_weight_0_answer_is_no_item_of_the_index():
    values = {"a": [5, 4, 3, 4], "b": [1, 2, 3, None], "c": [None, None, None, 5]}
    crm = workspace(values=values, weight=[1.0, 1.0, 1.0, 0.0])
    result = satisfaction_index(crm, dimensions=["speed", "care"])
    assert set(result.table["item"]) == {"a", "b"}
    assert result.index["index"] == pytest.approx((75 + 25) / 2)


def test_an_item_that_all_answered_alike_has_no_interval():
    table = satisfaction_index(workspace(values=VALUES | {"b": [2] * 4})).table.set_index("item")
    assert table.loc["b", "score"] == 25
    assert table["low"].isna().to_dict() == {"a": False, "b": True, "c": False}
    assert table["high"].isna().to_dict() == {"a": False, "b": True, "c": False}


def test_items_without_a_scale_are_left_out_and_counted():
    result = satisfaction_index(workspace(items=ITEMS[:2]))
    assert set(result.table["item"]) == {"a", "b"}
    assert "scale is not declared: 1." in result.reading()
    with pytest.raises(NotEnoughData, match=r"Declare the items .* under \[\[items\]\]"):
        satisfaction_index(workspace(items=()))


def test_what_is_wrong_is_named():
    with pytest.raises(MissingColumns, match=r"answers\.item"):
        satisfaction_index(from_frames({"surveys": pd.DataFrame({"response_id": ["1"]})}))
    with pytest.raises(UnknownName, match="no item z to weight; the items are: a, b, c"):
        satisfaction_index(workspace(), weights={"z": 1})
    with pytest.raises(UnknownName, match="not heavy"):
        satisfaction_index(workspace(), weights="heavy")
    with pytest.raises(NotEnoughData, match="what weights stated would be"):
        satisfaction_index(workspace(), weights="stated")
    with pytest.raises(CrmlabError, match="not negative"):
        index_of([3, 3], 1, 5, weights=[1, -1])
    with pytest.raises(CrmlabError, match="not all 0; they are 0, 0"):
        index_of([3, 3], 1, 5, weights=[0, 0])
    with pytest.raises(CrmlabError, match="lies above its minimum"):
        index_of([3, 3], [1, 5], 5)


def test_reweighting_multiplies_the_weights_of_the_table():
    result = satisfaction_index(workspace())
    assert result.reweighted({}).value == pytest.approx(result.index["index"])
    assert result.reweighted({"b": 0, "c": 0}).value == pytest.approx(75)
    assert np.isnan(result.reweighted({"a": 0, "b": 0, "c": 0}).value)


def test_picture_names_the_items_with_their_weights_in_both_languages():
    result = satisfaction_index(workspace())
    axes = result.plot()
    assert axes.get_figure().get_suptitle() == result.title()
    assert axes.get_yticklabels()[0].get_text() == "Fast (33%)"
    assert "Careful 66.7" in result.alt()
    set_language("zh_CN")
    assert "快速" in satisfaction_index(workspace()).plot().get_yticklabels()[0].get_text()


def test_the_explorer_follows_its_controls(monkeypatch):
    caught = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: caught.update(
            move=move, words=words, controls=controls
        ),
    )
    explore_weights(satisfaction_index(workspace()))
    assert [control.description for control in caught["controls"].values()] == [
        "Fast",
        "Careful",
        "On the day",
    ]
    caught["move"](item0=1.0, item1=0.0, item2=0.0)
    assert "the index is 75.0" in caught["words"](item0=1.0, item1=0.0, item2=0.0)
    assert "At least one item" in caught["words"](item0=0.0, item1=0.0, item2=0.0)


def test_the_bundled_company_is_rated_by_the_items_asked_of_all(company):
    result = satisfaction_index(company)
    assert len(result.table) == 6
    assert result.variants["weighting"].tolist()[:3] == ["equal", "stated", "derived"]
    by_item = result.table.set_index("item")["score"]
    assert by_item["lsq_accuracy"] > by_item["lsq_recovery"]
