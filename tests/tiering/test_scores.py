import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns
from crmlab.tiering import ahp, default_comparisons, rfm, weighted_scores
from crmlab.tiering.ahp import comparison_matrix

SAATY = [[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]]


def company_of(rows, **more):
    names = ["order_id", "customer_id", "ordered_at", "amount", "list_price"]
    return from_frames({"orders": pd.DataFrame(rows, columns=names), **more}, as_of="2025-12-31")


@pytest.fixture
def small():
    """Ten customers: C9 bought most, most often and last; C0 never had a list price."""
    rows = [
        (
            f"{i}-{n}",
            f"C{i}",
            f"2025-{3 + i:02d}-{10 + n}",
            100.0 * (i + 1),
            10_000.0 if i else None,
        )
        for i in range(9)
        for n in range(i + 1)
    ]
    rows += [(f"9-{n}", "C9", f"2025-12-{10 + n}", 5000.0, 5000.0) for n in range(12)]
    customers = pd.DataFrame(
        {"customer_id": ["C0", "C1", "C2"], "acquired_on": ["2020-01-01", "2025-12-01", None]}
    )
    return company_of(rows, customers=customers)


# --- AHP


def test_weights_and_eigenvalue_of_three_criteria():
    result = ahp(SAATY)
    np.testing.assert_allclose(result.weights, [0.6370, 0.2583, 0.1047], atol=5e-5)
    assert result.lambda_max == pytest.approx(3.0385, abs=5e-5)
    assert result.consistency_index == pytest.approx(0.0193, abs=5e-5)
    assert result.consistent


def test_weights_of_three_criteria_are_the_geometric_means():
    means = np.prod(SAATY, axis=1) ** (1 / 3)
    np.testing.assert_allclose(ahp(SAATY).weights, means / means.sum(), rtol=1e-10)


def test_one_and_two_criteria_cannot_contradict_each_other():
    assert ahp([[1]]).weights.tolist() == [1.0]
    two = ahp([[1, 4], [0.25, 1]])
    assert two.consistency_ratio == 0
    np.testing.assert_allclose(two.weights, [0.8, 0.2])


def test_judgements_in_a_circle_are_named_with_what_would_follow():
    judged = pd.DataFrame(
        {"criterion": ["a", "b", "c"], "other": ["b", "c", "a"], "times": [3, 3, 3]}
    )
    result = ahp(judged)
    assert not result.consistent
    assert "a to b is judged 3 and b to c 3, so a to c would be 9; it is judged 1/3" in (
        result.reading()
    )


def test_the_worst_three_of_four_are_found():
    judged = default_comparisons().query("criterion != 'length' and other != 'length'").copy()
    turned = (judged["criterion"] == "recency") & (judged["other"] == "price")
    judged.loc[turned, "times"] = 9
    assert set(ahp(judged).worst()) >= {"recency", "price"}


@pytest.mark.parametrize(
    ("comparisons", "message"),
    [
        ([[1, 2]], "1 rows and 2 columns"),
        ([[1, -2], [-0.5, 1]], "2 judgements are missing or not above zero, such as that of 1"),
        ([[1, 3], [0.5, 1]], "of 1 against 2 is 3, so that of 2 against 1 must be 1/3; it is 1/2"),
        (np.ones((11, 11)), "1 to 10 criteria"),
    ],
)
def test_what_is_wrong_with_judgements_is_said(comparisons, message):
    with pytest.raises(CrmlabError, match=message):
        ahp(comparisons)


def test_a_pair_without_a_judgement_is_named():
    judged = pd.DataFrame({"criterion": ["a", "b"], "other": ["b", "c"], "times": [2, 2]})
    with pytest.raises(CrmlabError, match="such as that of a against c"):
        ahp(judged)


def test_rounded_fractions_are_accepted_and_the_default_is_consistent():
    assert ahp([[1, 3], [0.33, 1]]).weights.iloc[0] == pytest.approx(0.75, abs=0.01)
    assert ahp(default_comparisons()).consistency_ratio < 0.02


def test_default_comparisons_are_a_copy():
    mine = default_comparisons()
    mine.loc[0, "times"] = 9
    assert default_comparisons().loc[0, "times"] == 2


# --- weighted scores


def test_scores_lie_between_1_and_5_best_first_and_the_weights_add_up(small):
    result = weighted_scores(small)
    table = result.table
    assert table["score"].between(1, 5).all()
    assert table["score"].is_monotonic_decreasing
    assert table["customer_id"].iloc[0] == "C9"
    assert result.criteria["weight"].sum() == pytest.approx(1)


def test_the_score_is_the_weighted_mean_of_the_criteria_and_of_those_a_customer_has(small):
    result = weighted_scores(small)
    weights = result.criteria.set_index("criterion")["weight"]
    table = result.table.set_index("customer_id")
    every = {"l": "length", "r": "recency", "f": "frequency", "m": "monetary", "c": "price"}
    full = sum(table.loc["C9", letter] * weights[name] for letter, name in every.items())
    assert table.loc["C9", "score"] == pytest.approx(full)
    del every["c"]
    rest = sum(table.loc["C0", letter] * weights[name] for letter, name in every.items())
    assert table.loc["C0", "score"] == pytest.approx(rest / (1 - weights["price"]))
    assert "1 customer has no purchase with a list price" in result.reading()


def test_recency_frequency_and_monetary_are_scored_as_in_rfm(company):
    mine = weighted_scores(company).table.set_index("customer_id")
    theirs = rfm(company).table.set_index("customer_id").loc[mine.index]
    assert (mine[["r", "f", "m"]].astype(int) == theirs[["r", "f", "m"]]).all(axis=None)


def test_length_counts_from_the_day_acquired_unless_the_first_purchase_is_earlier(small):
    result = weighted_scores(small)
    length = result.table.set_index("customer_id")["length"]
    assert length["C0"] == 2191
    assert length["C1"] == (pd.Timestamp(2025, 12, 31) - pd.Timestamp(2025, 4, 10)).days
    assert result.acquired == 1


def test_price_realisation_takes_purchases_that_have_both_prices():
    rows = [
        ("1", "A", "2025-01-01", 80.0, 100.0),
        ("2", "A", "2025-02-01", 500.0, None),
        ("3", "A", "2025-03-01", -40.0, -50.0),
        ("4", "A", "2025-04-01", 100.0, 100.0),
        ("5", "B", "2025-05-01", 10.0, 10.0),
    ]
    table = weighted_scores(company_of(rows)).table.set_index("customer_id")
    assert table.loc["A", "price_realisation"] == pytest.approx(0.9)


def test_without_list_prices_the_other_weights_are_computed_anew_and_it_is_said(crm):
    result = weighted_scores(crm)
    assert result.left_out == ("price",)
    assert "price_realisation" not in result.table
    assert result.criteria["weight"].sum() == pytest.approx(1)
    assert "left out of the score: Price realisation" in result.reading()


def test_equal_customers_have_equal_scores_and_share_the_rank(small):
    table = weighted_scores(small).table
    for _score, group in table.groupby("score"):
        assert group["rank"].min() == group["rank"].max()
    assert table["rank"].min() == 1


def test_one_criterion_gives_its_own_scores(small):
    table = weighted_scores(small, comparisons=pd.DataFrame([[1]], ["monetary"], ["monetary"]))
    assert (table.table["score"] == table.table["m"]).all()
    assert "nothing to weigh" in table.reading()


def test_unknown_criteria_and_price_alone_are_refused(small):
    with pytest.raises(CrmlabError, match="not charm"):
        weighted_scores(small, comparisons=pd.DataFrame([[1]], ["charm"], ["charm"]))
    with pytest.raises(CrmlabError, match="judge one of: length, recency"):
        weighted_scores(small, comparisons=pd.DataFrame([[1]], ["price"], ["price"]))


def test_a_single_step_is_as_bad_as_ranking_anew_says(company):
    result = weighted_scores(company)
    criterion, other, times = result.worst_step
    moved = default_comparisons()
    row = ((moved["criterion"] == criterion) & (moved["other"] == other)) | (
        (moved["criterion"] == other) & (moved["other"] == criterion)
    )
    moved.loc[row, ["criterion", "other"]] = [criterion, other]
    moved["times"] = moved["times"].astype(float)
    moved.loc[row, "times"] = times
    again = weighted_scores(company, comparisons=moved)
    before = set(result.table["customer_id"].head(result.top))
    after = set(again.table["customer_id"].head(result.top))
    alone = result.sensitivity.set_index("moved").loc["one"]
    assert len(before & after) / result.top == pytest.approx(alone["kept"])


def test_the_same_seed_gives_the_same_draws(company):
    one, other = weighted_scores(company, draws=20), weighted_scores(company, draws=20)
    pd.testing.assert_frame_equal(one.sensitivity, other.sensitivity)
    low, high = one.criteria["low"], one.criteria["high"]
    assert ((low <= one.criteria["weight"]) & (one.criteria["weight"] <= high)).all()


def test_contradicting_judgements_are_said_in_the_reading(small):
    judged = pd.DataFrame(
        {
            "criterion": ["recency", "frequency", "monetary"],
            "other": ["frequency", "monetary", "recency"],
            "times": [5, 5, 5],
        }
    )
    reading = weighted_scores(small, comparisons=judged).reading()
    assert "The judgements contradict each other" in reading
    assert "Think these three over again" in reading


def test_the_matrix_of_pairs_is_square_and_reciprocal():
    square = comparison_matrix(default_comparisons())
    assert list(square.index) == list(square.columns)
    np.testing.assert_allclose(square * square.T, np.ones(square.shape))


def test_the_picture_has_a_bar_a_criterion_and_the_words_are_there(company):
    result = weighted_scores(company)
    axes = result.plot()
    assert len(axes.patches) == len(result.criteria) == 5
    assert axes.get_xlim()[0] == 0
    assert "Monetary value" in result.alt()
    assert "Saaty 1980" in result.definition.method


def test_without_amounts_it_is_said_what_is_missing():
    frame = pd.DataFrame({"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-01-01"]})
    with pytest.raises(MissingColumns, match=r"orders\.amount"):
        weighted_scores(from_frames({"orders": frame}))
