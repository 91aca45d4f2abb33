"""Kano's classes, when they can be told, and the map of better and worse."""

import io
import tomllib

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

import crmlab
from crmlab.data.bundled import datasets_folder
from crmlab.data.model import Item, Settings
from crmlab.data.simulate import instrument
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.satisfaction.kano import _draw_table, evaluation_table, explore_kano, kano
from crmlab.show import charts
from crmlab.stats import kano as rules

#: A pair of answers of each class.
PAIR = {"A": (1, 3), "O": (1, 5), "M": (3, 5), "I": (3, 3), "R": (4, 1), "Q": (5, 5)}


def workspace(counts, *, customers=None, weights=None, item="tracking"):
    """Questionnaires that answer one attribute, so many of each class."""
    classes = [letter for letter, count in counts.items() for _ in range(count)]
    ids = [f"{place:03}" for place in range(len(classes))]
    surveys = pd.DataFrame({"response_id": ids})
    if customers is not None:
        surveys["customer_id"] = [f"C{place % customers}" for place in range(len(ids))]
    if weights is not None:
        surveys["weight"] = [weights.get(letter, 1.0) for letter in classes]
    rows = [
        (one, item, aspect, float(PAIR[letter][place]))
        for one, letter in zip(ids, classes, strict=True)
        for place, aspect in enumerate(("functional", "dysfunctional"))
    ]
    answers = pd.DataFrame(rows, columns=["response_id", "item", "aspect", "value"])
    settings = Settings(name="Test", items=(Item(item, "kano", "Live tracking", "在途跟踪", 1, 5),))
    return from_frames({"surveys": surveys, "answers": answers}, settings)


def only(crm):
    return kano(crm).table.iloc[0]


def test_every_cell_of_the_table_is_kanos():
    found = [
        "".join(rules.evaluate([there] * 5, [1, 2, 3, 4, 5]).tolist()) for there in range(1, 6)
    ]
    assert found == ["QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ"]


def test_the_most_frequent_class_counts_where_it_can_be_told():
    row = only(workspace({"M": 70, "O": 15, "A": 10, "I": 5}))
    assert row[["class", "next_class", "treat_as"]].tolist() == [
        "must_be",
        "one_dimensional",
        "must_be",
    ]
    assert row["told"]
    assert row["strength"] == pytest.approx(0.55)
    assert row["low"] > 0


def test_of_classes_that_cannot_be_told_apart_the_more_pressing_is_used():
    crm = workspace({"A": 40, "O": 36, "I": 24})
    row = only(crm)
    assert (row["class"], row["told"], row["treat_as"]) == ("attractive", False, "one_dimensional")
    assert "attractive or one-dimensional, treat it as one-dimensional" in kano(crm).reading()
    assert "Where it cannot be told which class" in kano(crm).reading()


def test_equal_classes_are_ordered_by_the_rule():
    row = only(workspace({"A": 20, "M": 20, "I": 20}))
    assert (row["class"], row["next_class"]) == ("must_be", "attractive")
    assert row["strength"] == 0


def test_a_difference_that_fongs_test_finds_may_not_be_told():
    """34 and 22 of 100: Fong's critical difference is 10.4, but the interval reaches zero."""
    row = only(workspace({"M": 34, "O": 22, "A": 22, "I": 22}))
    assert rules.fong(34, 22, 100) < 34 - 22
    assert row["low"] < 0
    assert not row["told"]


def test_answers_of_few_customers_are_not_judged():
    assert not only(workspace({"M": 9}))["told"]
    assert not only(workspace({"M": 60}, customers=9))["told"]
    assert only(workspace({"M": 10}))["told"]


def test_better_and_worse_leave_reverse_and_questionable_out():
    row = only(workspace({"A": 45, "O": 123, "M": 95, "I": 33, "R": 10, "Q": 4}))
    assert row["better"] == pytest.approx(0.568, abs=5e-4)
    assert row["worse"] == pytest.approx(-0.736, abs=5e-4)
    assert row["worse_low"] < row["worse"] < row["worse_high"] < 0
    assert row["reverse"] == pytest.approx(10 / 310)
    assert row["questionable"] == pytest.approx(4 / 310)


def test_reverse_and_questionable_answers_are_counted_in_the_reading():
    said = kano(workspace({"A": 30, "R": 4, "Q": 2})).reading()
    assert "Of 36 pairs of answers, 4 say" in said
    assert "2 contradict themselves" in said


def test_scores_are_dumouchels_without_questionable_answers():
    row = only(workspace({"O": 10, "I": 10, "Q": 5}))
    assert row["present_score"] == pytest.approx((10 * 4 + 10 * 0) / 20)
    assert row["absent_score"] == pytest.approx((10 * 4 + 10 * 0) / 20)
    row = only(workspace({"A": 10, "I": 10, "R": 20}))
    # liked: 4 and 0; neutral both ways: 0 and 0; bearable and liked if missing: -1 and -2
    assert row["present_score"] == pytest.approx((10 * 4 + 20 * -1) / 40)
    assert row["absent_score"] == pytest.approx(20 * -2 / 40)


def test_weights_count():
    row = only(workspace({"M": 30, "A": 30}, weights={"M": 1.0, "A": 4.0}))
    assert row["class"] == "attractive"
    assert row["attractive"] == pytest.approx(0.8)


def test_answers_of_weight_0_do_not_count_and_are_said():
    result = kano(workspace({"M": 20, "A": 30}, weights={"M": 1.0, "A": 0.0}))
    assert result.table["class"].tolist() == ["must_be"]
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found == {"answered, but without a weight": 30}


def test_answers_of_the_same_customers_count_for_less():
    """Each customer gives the same answers six times over."""
    alone = only(workspace({"M": 60, "A": 36}))
    together = workspace({"M": 60, "A": 36}, customers=16)
    frames = {"surveys": together.surveys, "answers": together.answers}
    frames["surveys"]["customer_id"] = [f"C{place // 6}" for place in range(96)]
    row = only(from_frames(frames))
    assert row["strength"] == pytest.approx(alone["strength"])
    assert row["high"] - row["low"] > 2 * (alone["high"] - alone["low"])
    assert row["design_effect"] > 4


def test_halves_and_answers_off_the_five_are_left_out_and_counted():
    crm = workspace({"M": 20, "A": 5})
    answers = crm.answers
    answers.loc[0, "value"] = 9.0
    answers = answers.drop(index=3)
    surveys = pd.concat([crm.surveys, pd.DataFrame({"response_id": ["x"]})])
    result = kano(from_frames({"surveys": surveys, "answers": answers}))
    assert result.table["questionnaires"].tolist() == [23]
    found = {one.reason: one.count for one in result.definition.exclusions}
    assert found == {
        "answered, but no pair of questions": 1,
        "one of the two answers is missing": 1,
        "an answer that is none of the five": 1,
    }


def test_without_pairs_the_measure_says_so():
    crm = workspace({"M": 12})
    one_way = crm.answers[crm.answers["aspect"] == "functional"]
    with pytest.raises(NotEnoughData):
        kano(from_frames({"surveys": crm.surveys, "answers": one_way}))
    off = crm.answers.assign(value=7.0)
    with pytest.raises(NotEnoughData, match="1 to 5"):
        kano(from_frames({"surveys": crm.surveys, "answers": off}))


def test_the_companys_attributes_are_of_the_kinds_they_were_made(company):
    kinds = ["attractive", "one_dimensional", "must_be", "indifferent"]
    table = kano(company).table.set_index("item")
    text = (datasets_folder() / "effects.toml").read_text(encoding="utf-8")
    effects = tomllib.loads(text)
    for name, kind in zip(instrument.KANO, instrument.KANO_TYPE, strict=True):
        row = table.loc[f"kano_{name}"]
        assert row["class"] == kinds[kind]
        assert row["told"]
        known = effects[f"kano_{name}"]
        assert known["low"] < row[kinds[kind]] < known["high"]


def test_the_picture_has_a_point_and_a_name_for_each_attribute(company):
    result = kano(company)
    with charts.house_style():
        axes = result.plot()
    written = {text.get_text() for text in axes.texts}
    assert {"Live tracking", "Cargo insurance", "must-be"} <= written
    assert "Live tracking" in result.alt()


def test_names_follow_the_language(company):
    result = kano(company)
    crmlab.set_language("zh_CN")
    assert result.value_labels()["item"]["kano_tracking"] == "在途跟踪"
    table = evaluation_table()
    assert table.shape == (5, 5)
    assert table.iloc[0].tolist() == ["可疑", "魅力型", "魅力型", "魅力型", "期望型"]


def test_the_explorer_shows_where_two_answers_meet(monkeypatch):
    caught = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: caught.update(
            figure=figure, move=move, words=words, controls=controls
        ),
    )
    explore_kano()
    (marked,) = caught["figure"].axes[0].patches
    caught["move"](there=0, missing=4)
    assert marked.get_xy() == (4, 0)
    with charts.house_style():
        drawn_anew = charts.new_axes(size=(7.2, 3.4))
        _draw_table(drawn_anew, evaluation_table())
        drawn_anew.add_patch(
            Rectangle((4, 0), 1, 1, fc=charts.ORANGE, ec=charts.ORANGE, alpha=0.25)
        )
        shown, anew = (
            imread(io.BytesIO(charts.png(one))) for one in (caught["figure"], drawn_anew.figure)
        )
    np.testing.assert_allclose(shown, anew, atol=3 / 255)
    said = caught["words"](0, 4)
    assert said == "I like it if it is there, I dislike it if it is missing: one-dimensional."
    assert set(caught["controls"]) == {"there", "missing"}
