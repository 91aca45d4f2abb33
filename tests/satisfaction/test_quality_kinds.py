"""Technical and functional quality on one map."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import set_language
from crmlab.satisfaction.quality_kinds import quality_kinds

ITEMS = (
    model.Item("what", "reliability", "On time", "准时", 1, 7, "technical"),
    model.Item("how", "reliability", "Sincere", "真诚", 1, 7, "functional"),
    model.Item("more", "empathy", "Attentive", "关怀", 1, 7, "functional"),
    model.Item("other", "empathy", "Other", "其他", 1, 7),
)


def workspace(answers, items=ITEMS):
    """Questionnaires as a mapping of (aspect, item) to values."""
    count = len(next(iter(answers.values())))
    ids = [f"Q{row:03d}" for row in range(count)]
    long = pd.concat(
        pd.DataFrame({"response_id": ids, "item": item, "aspect": aspect, "value": values})
        for (aspect, item), values in answers.items()
    )
    frames = {"surveys": pd.DataFrame({"response_id": ids}), "answers": long.dropna()}
    return from_frames(frames, settings=model.Settings(items=items))


def made(what=4.0, how=5.0, **more):
    """Twenty questionnaires that expect 6 of everything."""
    wobble = np.tile([-1.0, 0, 1, 0], 5)
    answers = {("expectation", item): [6.0] * 20 for item in ("what", "how", *more)}
    answers |= {("perception", "what"): what + wobble, ("perception", "how"): how + wobble[::-1]}
    answers |= {("perception", item): value + wobble for item, value in more.items()}
    return answers


def test_means_of_the_kinds_and_their_difference_within_the_questionnaire():
    table = quality_kinds(workspace(made())).table.set_index("quality")
    assert table["perception"].tolist() == pytest.approx([4, 5, -1])
    assert table["gap"].tolist() == pytest.approx([-2, -1, -1])
    assert table.loc["difference", ["apart", "gap_apart"]].tolist() == [True, True]
    assert table["items"].tolist()[:2] == [1, 1]


def test_the_worse_kind_is_named_whichever_it_is():
    assert quality_kinds(workspace(made(4, 5))).title().startswith("Technical quality compares")
    assert quality_kinds(workspace(made(5, 4))).title().startswith("Functional quality compares")
    same = quality_kinds(workspace(made(5, 5)))
    assert same.title() == "Which kind of quality falls further short cannot be told"
    assert "Which kind is perceived higher cannot be told" in same.reading()


def test_what_a_dimension_does_is_kept_apart_from_what_a_kind_does():
    table = quality_kinds(workspace(made(4, 4, more=6.0))).table.set_index("quality")
    # functional items average 5 because of empathy, which has no technical item
    assert table.loc["difference", "perception"] == pytest.approx(-1)
    assert table.loc["within", "perception"] == pytest.approx(0)
    assert not table.loc["within", "apart"]


def test_items_of_neither_kind_are_counted_and_left_out():
    result = quality_kinds(workspace(made(other=2.0)))
    assert result.items["item"].tolist() == ["what", "how"]
    assert "1 item is declared as neither and left out." in result.reading()


def test_questionnaires_with_items_of_neither_kind_alone_are_left_out():
    answers = {
        key: [*values, *([np.nan] * 3 if key[1] != "other" else [5.0] * 3)]
        for key, values in made(other=2.0).items()
    }
    result = quality_kinds(workspace(answers))
    assert "These are 20 questionnaires of 20 customers. Left out: 3 questionnaires" in (
        result.reading()
    )


def test_without_expectations_importance_takes_their_place():
    answers = {key: value for key, value in made().items() if key[0] == "perception"}
    answers |= {("importance", "what"): [3.0, 4] * 10, ("importance", "how"): [5.0, 6] * 10}
    result = quality_kinds(workspace(answers))
    assert result.against == "importance"
    assert result.table["importance"].tolist() == pytest.approx([3.5, 5.5, -2])
    assert "Technical quality is said to matter less: -2.00" in result.reading()
    assert result.title() == "Technical quality is rated lower than functional, by 1.00"
    with pytest.raises(NotEnoughData, match="aspect expectation"):
        quality_kinds(workspace(answers), against="gap")


def test_what_is_missing_or_misspelt_is_said():
    with pytest.raises(CrmlabError, match="against gap, importance, not against price"):
        quality_kinds(workspace(made()), against="price")
    with pytest.raises(NotEnoughData, match="Declare quality"):
        quality_kinds(workspace(made(), items=(ITEMS[0],)))
    few = {key: list(value)[:5] for key, value in made().items()}
    few |= {("importance", "what"): [3.0] * 5}
    with pytest.raises(NotEnoughData, match=r"from 10 customers at least; there are 5\."):
        quality_kinds(workspace(few), against="importance")


def test_the_company_s_items_are_told_apart_only_where_they_differ(company):
    gaps = quality_kinds(company).table.set_index("quality")
    assert gaps["items"].tolist()[:2] == [10, 12]
    assert not gaps.loc["within", "gap_apart"]
    rated = quality_kinds(company, against="importance").table.set_index("quality")
    # means of the ratings: (66 + 70 + 68) / 3 and (58 + 64 + 55) / 3, less what went wrong
    assert rated.loc["difference", "perception"] == pytest.approx(9, abs=1.5)
    assert rated.loc["difference", "importance"] == pytest.approx(6.3, abs=0.5)


def test_the_picture_names_few_items_all_and_of_many_the_ends(company):
    set_language("zh_CN")
    of_many = [text.get_text() for text in quality_kinds(company).plot().texts]
    of_few = [text.get_text() for text in quality_kinds(company, against="importance").plot().texts]
    assert len(of_many) == 4
    assert len(of_few) == 8
    assert "货物完好" in of_few
