"""What is said of the items of a questionnaire, and what cannot be said."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.language import set_language
from crmlab.satisfaction.reliability import reliability

RANDOM = np.random.default_rng(8)
EFFECTS = tomllib.loads(Path("datasets/effects.toml").read_text(encoding="utf-8"))
PEOPLE = 120


def items(*dimensions):
    """An item per letter: ``items("aaa", "b")`` declares three items of a and one of b."""
    return tuple(
        model.Item(f"{letter}{place}", letter, f"Item {letter}{place}", "", 1, 7)
        for word in dimensions
        for place, letter in enumerate(word, 1)
    )


def workspace(answers, declared=()):
    """Questionnaires of as many customers, answered as the columns of a frame say."""
    table = pd.DataFrame(answers)
    table.insert(0, "response_id", [str(row) for row in range(len(table))])
    long = table.melt("response_id", var_name="item", value_name="value").dropna()
    surveys = pd.DataFrame({"response_id": table["response_id"]})
    surveys["customer_id"] = "C" + surveys["response_id"]
    frames = {"surveys": surveys, "answers": long.assign(aspect="perception")}
    return from_frames(frames, settings=model.Settings(items=declared))


def answers(letter, loadings):
    """Answers to items of one factor."""
    factor = RANDOM.standard_normal((PEOPLE, 1))
    values = factor * loadings + RANDOM.standard_normal((PEOPLE, len(loadings)))
    return {f"{letter}{place}": values[:, place - 1] for place in range(1, len(loadings) + 1)}


A = answers("a", [2.0, 2.0, 2.0])
B = answers("b", [0.2, 0.2, 0.2])


@pytest.fixture(scope="module")
def found(company):
    return reliability(company)


def test_alpha_of_the_company_is_that_of_its_known_loadings(found):
    rows = found.table.set_index("dimension")
    for name, size in zip(
        ("tangibles", "reliability", "responsiveness", "assurance", "empathy"), (4, 5, 4, 4, 5),
        strict=True,
    ):  # fmt: skip
        loading = EFFECTS[f"loading_{name}"]["value"]
        # Noise of variance 0.25, and 1/6 from answering in whole numbers.
        shared = loading**2 / (loading**2 + 0.25 + 1 / 6)
        expected = size * shared / (1 + (size - 1) * shared)
        assert rows.loc[name, "low"] < expected < rows.loc[name, "high"]


def test_attributes_that_need_not_go_together_are_no_scale(found):
    row = found.table.set_index("dimension").loc["logistics_service"]
    assert row["low"] < 0 < row["high"]
    assert row["reliable"] == "low"
    assert "no scale and are read one by one" in found.reading()


def test_the_weights_of_the_questionnaires_count(company, found):
    from crmlab.satisfaction.responses import responses, wide

    table = wide(company, "perception", dimensions=["empathy"])
    weight = responses(company).frame.set_index("response_id").loc[table.index, "weight"]
    covariance = np.cov(table.T, aweights=weight)
    by_hand = 5 / 4 * (1 - np.trace(covariance) / covariance.sum())
    assert found.table.set_index("dimension").loc["empathy", "alpha"] == pytest.approx(by_hand)


def test_verdicts_follow_the_whole_interval():
    crm = workspace(A | B, items("aaa", "bbb"))
    table = reliability(crm).table.set_index("dimension")
    assert table["reliable"].to_dict() == {"a": "enough", "b": "low"}
    alpha = table.loc["a", "alpha"]
    assert reliability(crm, enough=alpha).table["reliable"][0] == "unclear"
    assert "Whether α reaches" in reliability(crm, enough=alpha).reading()


def test_items_worded_the_other_way_round_are_named():
    turned = A | {"a4": -np.asarray(A["a1"]) + RANDOM.standard_normal(PEOPLE)}
    said = reliability(workspace(turned, items("aaaa"))).reading()
    assert "as items worded the other way round do: Item a4." in said
    assert "Without the item “Item a4”, α of a would be" in said


def test_an_item_is_not_said_to_run_against_others_by_chance(found):
    assert (found.items["item_total"] < 0).any()
    assert "Running against" not in found.reading()
    assert "No item would raise" in found.reading()


def test_a_single_item_and_an_item_everybody_answers_alike_are_said():
    crm = workspace(A | {"b1": B["b1"]} | {"a4": np.full(PEOPLE, 4.0)}, items("aaaa", "b"))
    result = reliability(crm)
    row = result.table.set_index("dimension").loc["b"]
    assert (row["reliable"], row["items"]) == ("one item", 1)
    assert np.isnan(row["alpha"])
    assert "A single item has no α: b." in result.reading()
    assert "because everybody answered the same: Item a4." in result.reading()
    assert result.table.set_index("dimension").loc["a", "items"] == 3


def test_incomplete_answers_are_counted_by_dimension():
    holes = {name: np.where(np.arange(PEOPLE) < 20, np.nan, value) for name, value in B.items()}
    part = A | holes
    part["a1"] = np.where(np.arange(PEOPLE) < 5, np.nan, A["a1"])
    result = reliability(workspace(part, items("aaa", "bbb")))
    table = result.table.set_index("dimension")
    assert table["incomplete"].to_dict() == {"a": 5, "b": 0}
    assert table["questionnaires"].to_dict() == {"a": PEOPLE - 5, "b": PEOPLE - 20}
    assert (result.questionnaires, result.incomplete) == (PEOPLE - 5, 5)
    assert "5 questionnaires (no dimension answered completely)" in result.reading()


def test_without_declared_dimensions_all_items_are_one():
    result = reliability(workspace(A | B))
    assert result.table["dimension"].tolist() == [""]
    assert "All items" in result.reading()


def test_too_few_customers_are_refused():
    few = {name: value[:9] for name, value in A.items()}
    with pytest.raises(NotEnoughData, match="two items or more that at least 10 customers"):
        reliability(workspace(few, items("aaa")))
    with pytest.raises(NotEnoughData, match="two items or more that at least 10 customers"):
        reliability(workspace({"a1": A["a1"]}, items("a")))


def test_two_items_have_an_alpha_without_omega():
    result = reliability(workspace({name: A[name] for name in ("a1", "a2")}, items("aa")))
    assert result.table["alpha"].notna().all()
    assert result.table["omega"].isna().all()
    assert "McDonald" not in result.reading()
    assert result.plot().get_legend() is None


def test_an_item_asked_twice_leaves_a_dimension_without_omega_and_the_others_with_it():
    result = reliability(workspace(A | {"a4": A["a1"]} | B, items("aaaa", "bbb")))
    table = result.table.set_index("dimension")
    assert table["alpha"].notna().all()
    assert table["omega"].isna().to_dict() == {"a": True, "b": False}
    assert "where an item follows from the others: a." in result.reading()


def test_items_that_are_copies_have_an_alpha_of_1_and_no_interval():
    copies = {f"a{place}": A["a1"] for place in (1, 2, 3)}
    result = reliability(workspace(copies | B, items("aaa", "bbb")))
    row = result.table.set_index("dimension").loc["a"]
    assert row["alpha"] == pytest.approx(1)
    assert row[["low", "high", "design_effect"]].isna().all()
    assert row["reliable"] == "unclear"
    assert "may ask the same thing twice: a." in result.reading()
    assert "nan" not in result.reading()


def test_other_aspects_of_the_same_items(company):
    assert set(reliability(company, aspect="expectation").table["reliable"]) <= {"low", "unclear"}


def test_words_are_there_in_both_languages(found):
    set_language("zh_CN")
    assert "按时送达" in found.value_labels()["item"].values()
    set_language("en")
    assert found.title() == ("α with its whole interval at 0.70 or above: 3 of 6 dimensions")
    assert found.definition.exclusions
    assert "Empathy" in found.alt()
