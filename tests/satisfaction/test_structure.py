"""How many factors the items share, and where an item goes astray."""

import numpy as np
import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.language import set_language
from crmlab.satisfaction.structure import kmo_word, scree, structure

RANDOM = np.random.default_rng(11)
PEOPLE = 300
FACTORS = RANDOM.standard_normal((PEOPLE, 2))


def answers(factor, loading, count):
    """Answers to so many items of one factor, as text keys of a letter."""
    noise = RANDOM.standard_normal((PEOPLE, count)) * np.sqrt(1 - loading**2)
    return FACTORS[:, [factor]] * loading + noise


A, B = answers(0, 0.75, 4), answers(1, 0.75, 4)
NAMES = [f"{letter}{place}" for letter in "ab" for place in range(1, 5)]


def item(name, dimension=None, maximum=7):
    return model.Item(name, dimension or name[0], f"Item {name}", "", 1, maximum)


def workspace(values, names=NAMES, declared=None):
    """Questionnaires of as many customers with the answers of an array."""
    table = pd.DataFrame(np.asarray(values), columns=list(names))
    table.insert(0, "response_id", [str(row) for row in range(len(table))])
    long = table.melt("response_id", var_name="item", value_name="value").dropna()
    surveys = pd.DataFrame({"response_id": table["response_id"]})
    frames = {"surveys": surveys, "answers": long.assign(aspect="perception")}
    settings = model.Settings(items=tuple(item(name) for name in names)
                              if declared is None else declared)  # fmt: skip
    return from_frames(frames, settings=settings)


@pytest.fixture(scope="module")
def counted(company):
    return scree(company)


@pytest.fixture(scope="module")
def loaded(company):
    return structure(company)


def test_the_company_asks_about_five_factors(counted):
    assert counted.parallel.factors == 5
    assert counted.table["beyond"].sum() == 5
    assert counted.table["eigenvalue"].sum() == pytest.approx(22)
    assert (counted.table["low"] < counted.table["eigenvalue"]).all()
    assert counted.adequacy.overall > 0.8
    assert counted.sphericity.chance < 0.001


def test_every_item_of_the_company_loads_on_its_own_dimension(loaded):
    assert (loaded.table["place"] == "fits").all()
    assert list(loaded.named_after) == list(dict.fromkeys(loaded.table["dimension"]))
    assert (loaded.fitted.correlations[np.triu_indices(5, 1)] > 0.2).all()


def test_items_on_another_scale_are_left_out_by_name(counted):
    assert len(counted.answers.other_scale) == 6
    assert "their scale is another one: Goods arrive when promised" in counted.reading()
    assert not any(name.startswith("lsq_") for name in counted.answers.frame)


def test_named_dimensions_are_analysed_whatever_their_scale(company):
    found = scree(company, dimensions=["logistics_service"])
    assert len(found.table) == 6
    assert found.answers.other_scale == ()


def test_items_without_anything_in_common_have_no_structure(company):
    found = scree(company, dimensions=["logistics_service"])
    assert found.parallel.factors == 0
    assert found.title() == "0 factors of 6 items stand out from chance"
    assert "Not even the first eigenvalue" in found.reading()
    with pytest.raises(NotEnoughData, match="go together no more than random answers do"):
        structure(company, dimensions=["logistics_service"])


def test_eigenvalue_intervals_are_those_of_a_jackknife(counted):
    together = counted.answers
    answers, weights = together.frame.to_numpy(), together.weights
    group = np.random.default_rng(0).permutation(together.clusters.max() + 1) % 60
    group = group[together.clusters]
    each = []
    for left in range(60):
        kept = group != left
        covariance = np.cov(answers[kept].T, aweights=weights[kept])
        spread = np.sqrt(np.diag(covariance))
        each.append(np.linalg.eigvalsh(covariance / np.outer(spread, spread))[-1])
    error = np.sqrt(59 / 60 * np.sum((each - np.mean(each)) ** 2))
    first = counted.table.iloc[0]
    assert (first["high"] - first["low"]) / 2 / 1.96 == pytest.approx(error, rel=0.2)


def test_two_factors_are_found_and_named():
    result = structure(workspace(np.hstack([A, B])))
    assert result.factor_names() == ["a", "b"]
    assert result.table["factor"].tolist() == ["1"] * 4 + ["2"] * 4
    assert result.table["loading"].to_numpy() == pytest.approx(np.full(8, 0.75), abs=0.12)
    assert "Every item is strongest on the factor of its own dimension" in result.reading()
    assert "The two factors correlate by" in result.reading()
    assert result.title() == "8 of 8 items load as meant on 2 factors"


def test_an_item_of_the_wrong_dimension_is_found():
    declared = tuple(item(name, "a" if name == "b1" else None) for name in NAMES)
    result = structure(workspace(np.hstack([A, B]), declared=declared))
    astray = result.table.set_index("item")["place"]
    assert astray[astray != "fits"].to_dict() == {"b1": "elsewhere"}
    assert "Strongest on the factor of another dimension: “Item b1” (b" in result.reading()


def test_weak_items_and_items_of_two_factors_are_found():
    random = np.random.default_rng(12)
    both = FACTORS @ [0.45, 0.75] + 0.5 * random.standard_normal(PEOPLE)
    values = np.column_stack([A, B[:, :3], both, random.standard_normal(PEOPLE)])
    names = [*NAMES[:7], "b5", "b6"]
    result = structure(workspace(values, names))
    place = result.table.set_index("item")["place"]
    assert place[place != "fits"].to_dict() == {"b5": "two", "b6": "weak"}
    assert "On two factors, the second with 0.30 or more: “Item b5”" in result.reading()
    assert "Weak, below 0.40 on every factor: “Item b6”" in result.reading()


def test_dimensions_that_share_a_factor_are_said():
    names = ["a1", "a2", "c3", "c4"]
    result = structure(workspace(A, names))
    assert result.loadings.shape == (4, 1)
    assert "Without a factor of their own, " in result.reading()
    assert "correlate by" not in result.reading()
    assert "second_factor" not in result.table


def test_factors_that_do_not_come_back_are_not_read():
    few = 30
    noise = np.random.default_rng(1).standard_normal((few, 6))
    result = structure(workspace(A[:few, [0] * 6] * 0.6 + noise, NAMES[:6]), factors=3)
    assert result.error > 0.15
    assert "These factors cannot be relied on" in result.reading()
    assert "structure(crm, factors=2)" in result.reading()
    assert "as meant" not in result.reading()
    assert result.title() == "3 factors of 6 items that change when customers are left out"


def test_without_declared_dimensions_factors_have_numbers():
    result = structure(workspace(np.hstack([A, B]), declared=()))
    assert result.factor_names() == ["Factor 1", "Factor 2"]
    assert "dimension" not in result.table
    assert result.title() == "8 items on 2 factors"
    assert "own dimension" not in result.reading()
    assert "means to ask" not in scree(workspace(np.hstack([A, B]), declared=())).reading()


def test_the_number_of_factors_can_be_asked_for():
    crm = workspace(np.hstack([A, B]))
    result = structure(crm, factors=1)
    assert result.loadings.shape == (8, 1)
    assert "(as asked for)" in result.reading()
    three = structure(crm, factors=3)
    assert three.loadings.shape == (8, 3)
    assert len(set(three.factor_names())) == 3
    with pytest.raises(NotEnoughData, match="8 items cannot tell 5 factors apart; at most 4"):
        structure(crm, factors=5)


def test_answers_that_are_incomplete_or_all_alike_are_left_out_and_counted():
    values = np.hstack([A, B, np.full((PEOPLE, 1), 4.0)])
    values[:12, 0] = np.nan
    result = scree(workspace(values, [*NAMES, "b9"]))
    assert result.answers.incomplete == 12
    assert "12 questionnaires (not all items answered)" in result.reading()
    assert "everybody answered the same: Item b9." in result.reading()


def test_too_few_customers_are_refused():
    with pytest.raises(NotEnoughData, match="8 items, and 20 customers answered all"):
        scree(workspace(np.hstack([A, B])[:20]))
    with pytest.raises(NotEnoughData, match="at least 3 items"):
        structure(workspace(A[:, :2], NAMES[:2]))


def test_an_item_asked_twice_is_refused():
    with pytest.raises(NotEnoughData, match="follows exactly from the others"):
        scree(workspace(np.column_stack([A, A[:, 0]]), [*NAMES[:4], "a5"]))


def test_the_same_answers_give_the_same_result_again():
    crm = workspace(np.hstack([A, B]))
    again = workspace(np.hstack([A, B]))
    pd.testing.assert_frame_equal(structure(crm).table, structure(again).table)


def test_kaisers_words():
    assert [kmo_word(value) for value in (0.95, 0.85, 0.75, 0.65, 0.55, 0.4)] == [
        "marvellous", "meritorious", "middling", "mediocre", "miserable", "unacceptable",
    ]  # fmt: skip


def test_words_are_there_in_both_languages(counted, loaded):
    assert loaded.alt().startswith("Grid of loadings")
    assert counted.alt().startswith("Falling line")
    assert counted.definition.exclusions == loaded.definition.exclusions
    set_language("zh_CN")
    assert "按承诺时间送达" in loaded.value_labels()["item"].values()
    assert loaded.plot().get_yticklabels()[4].get_text() == "按承诺时间送达"
