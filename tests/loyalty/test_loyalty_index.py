"""The loyalty index of customers and company, and what its weights do to it."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.loyalty import (
    explore_loyalty_weights,
    index_sensitivity,
    index_weights,
    loyalty_index,
    loyalty_measures,
)
from crmlab.loyalty.index_explorer import reweighted
from crmlab.loyalty.index_sensitivity import against_first, at_top
from crmlab.stats import weighted

#: Scores 100 and 50 of identification and tolerance, and so on.
ANSWERS = pd.DataFrame(
    {
        "response_id": list("12345"),
        "customer_id": list("ABCDE"),
        "answered_at": "2025-12-31",
        "identification": [5, 4, 3, 2, None],
        "incident_tolerance": [3, 5, 1, None, None],
        "share_of_needs": [0.5, 0.1, 0.9, None, 0.4],
        "weight": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
)
THREE = {"identification": 2, "incident_tolerance": 1, "share_of_needs": 1}


def said(**columns):
    return from_frames({"surveys": ANSWERS.assign(**columns)})


def test_index_is_the_weighted_mean_of_the_scores_that_are_known():
    result = loyalty_index(said(), weights=THREE)
    index = result.customers.set_index("customer_id")["index"]
    assert index["A"] == pytest.approx((2 * 100 + 50 + 50) / 4)
    assert index["B"] == pytest.approx((2 * 75 + 100 + 10) / 4)
    assert index["C"] == pytest.approx((2 * 50 + 0 + 90) / 4)
    assert index["D"] == pytest.approx(25)  # half of the weight is known, which is enough
    assert "E" not in index  # a quarter is not
    assert result.too_few == 1
    assert result.customers["customer_id"].tolist() == list("ABCD")
    assert result.customers["rank"].tolist() == [1, 2, 3, 4]


def test_the_companys_index_is_the_weighted_mean_with_its_interval():
    result = loyalty_index(said(), weights=THREE)
    found = result.customers.sort_values("customer_id")
    expected = weighted.mean([75, 65, 47.5, 25], weights=[1, 2, 3, 4])
    assert found["index"].tolist() == pytest.approx([75, 65, 47.5, 25])
    assert result.index["index"] == pytest.approx(expected.value)
    assert result.index["high"] == pytest.approx(expected.high)
    assert result.index["low"] == pytest.approx(max(expected.low, 0))
    assert result.table["index_points"].sum() == pytest.approx(expected.value)


def test_least_decides_who_is_known_well_enough():
    assert loyalty_index(said(), weights=THREE, least=0.2).too_few == 0
    assert loyalty_index(said(), weights=THREE, least=1.0).too_few == 2
    with pytest.raises(CrmlabError, match="least"):
        loyalty_index(said(), least=0)


def test_weight_on_what_nobody_knows_is_shared_out_and_said():
    result = loyalty_index(said(), weights=THREE | {"spend": 4})
    assert result.dropped == pytest.approx(0.5)
    assert result.shares.sum() == pytest.approx(1)
    assert result.index["index"] == loyalty_index(said(), weights=THREE).index["index"]
    assert (
        "50.0% of the weight was meant for measures of which nothing is known" in result.reading()
    )


def test_weights_of_known_measures_that_add_up_by_rounding_alone_leave_nothing_to_share_out():
    weights = {"identification": 1, "incident_tolerance": 4, "share_of_needs": 1}
    result = loyalty_index(said(), weights=weights)
    assert result.dropped == 0
    assert "shared out" not in result.reading()


def test_every_layer_weighs_the_same_by_default():
    table = index_weights()
    assert table.groupby("layer")["weight"].sum().tolist() == pytest.approx([1 / 3] * 3)
    edited = loyalty_measures().query("layer != 'affective'")
    assert index_weights(edited).groupby("layer")["weight"].sum().tolist() == pytest.approx(
        [0.5] * 2
    )


def test_weights_may_be_an_edited_table():
    table = index_weights()
    table["weight"] = table["measure"].map(THREE).fillna(0)
    assert loyalty_index(said(), weights=table).index["index"] == pytest.approx(
        loyalty_index(said(), weights=THREE).index["index"]
    )


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({"charm": 1}, UnknownName, "no measure charm"),
        ({"spend": -1, "identification": 2}, CrmlabError, "not negative"),
        ({"identification": 0}, CrmlabError, "not all 0"),
        ({"identification": np.nan}, CrmlabError, "numbers"),
        (pd.DataFrame({"measure": ["spend"]}), CrmlabError, "lacks the columns: weight"),
        ({"spend": 1}, NotEnoughData, "nothing is known: Spend"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, error, words):
    with pytest.raises(error, match=words):
        loyalty_index(said(), weights=weights)


def test_answers_all_alike_give_an_index_without_an_interval():
    result = loyalty_index(said(identification=4, incident_tolerance=4, share_of_needs=0.75))
    assert result.index["index"] == pytest.approx(75)
    assert result.index[["low", "high"]].isna().all()
    assert result.title() == "The loyalty index is 75.0 of 100"
    with pytest.raises(NotEnoughData, match="different indices"):
        index_sensitivity(said(identification=4, incident_tolerance=4, share_of_needs=0.75))


def test_one_customer_has_an_index_and_no_interval():
    crm = from_frames({"surveys": ANSWERS.head(1)})
    assert loyalty_index(crm, weights=THREE).index["index"] == 75
    assert np.isnan(loyalty_index(crm, weights=THREE).index["low"])
    with pytest.raises(NotEnoughData, match="two customers"):
        index_sensitivity(crm)


def test_by_hand_in_plain_pandas(company):
    scores = crmlab.loyalty.scorecard(company).customers.set_index("customer_id")
    weights = index_weights().set_index("measure")["weight"]
    known = scores[[f"{code}_score" for code in weights.index]].set_axis(weights.index, axis=1)
    index = (known * weights).sum(axis=1) / (known.notna() * weights).sum(axis=1)
    enough = (known.notna() * weights).sum(axis=1) >= 0.5
    by_hand = np.average(index[enough], weights=scores.loc[enough, "weight"])
    assert loyalty_index(company).index["index"] == pytest.approx(by_hand)


def test_orders_alone_give_an_index_of_what_customers_did():
    orders = pd.DataFrame(
        {
            "order_id": list("1234"),
            "customer_id": list("AABC"),
            "ordered_at": ["2025-01-01", "2025-12-31", "2025-05-01", "2025-06-01"],
            "amount": [5.0, 5.0, 9.0, 1.0],
        }
    )
    result = loyalty_index(from_frames({"orders": orders}))
    assert result.table["measure"].tolist() == ["repeat_purchase", "spend"]
    assert result.dropped == pytest.approx(7 / 9)
    assert "nobody's attitude is in it" in result.reading()


def test_title_picture_and_words(company):
    result = loyalty_index(company)
    assert len(result.title()) <= 90
    heights = [bar.get_height() for bar in result.plot().patches[:20]]
    assert sum(heights) == pytest.approx(1)
    assert "They are chosen, not measured." in result.reading()
    assert "half of them lie between" in result.alt()


# --- other weights


def test_the_top_and_the_rank_correlation_agree_with_scipy():
    rng = np.random.default_rng(5)
    columns = rng.integers(0, 30, (50, 4)).astype(float)
    related, kept = against_first(columns, 0.1)
    expected = [spearmanr(columns[:, 0], column).statistic for column in columns.T]
    assert related.tolist() == pytest.approx(expected)
    first, second = at_top(columns[:, 0], 0.1), at_top(columns[:, 1], 0.1)
    assert kept[1] == pytest.approx((first & second).sum() / first.sum())


def test_equal_customers_are_never_parted_at_the_top():
    assert at_top(np.array([3.0, 2.0, 2.0, 2.0, 1.0]), 0.4).tolist() == [True] * 4 + [False]


def test_leaving_a_measure_out_is_the_index_without_it():
    table = index_sensitivity(said(), weights=THREE).table.set_index("weighting")
    found = loyalty_index(said(), weights={"identification": 2, "incident_tolerance": 1})
    base = loyalty_index(said(), weights=THREE)
    same = found.customers.set_index("customer_id")["index"].reindex(list("ABCD"))
    expected = np.average(same, weights=[1, 2, 3, 4])
    assert table.loc["without share_of_needs", "index"] == pytest.approx(expected)
    assert table.loc["without share_of_needs", "difference"] == pytest.approx(
        expected - base.index["index"]
    )
    assert table.index.tolist() == [
        "stated", "equal", "without share_of_needs", "without incident_tolerance",
        "without identification", "random",
    ]  # fmt: skip
    assert table.loc["stated", ["correlation", "stays", "difference"]].tolist() == pytest.approx(
        [1, 1, 0]
    )


def test_the_difference_has_the_interval_of_a_paired_comparison():
    row = index_sensitivity(said(), weights=THREE).table.set_index("weighting").loc["equal"]
    alike = np.array([(100 + 50 + 50) / 3, (75 + 100 + 10) / 3, (50 + 0 + 90) / 3, 25])
    expected = weighted.mean(alike - [75, 65, 47.5, 25], weights=[1, 2, 3, 4])
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(
        list(expected[:3])
    )


def test_leaving_out_the_only_measure_that_varies_moves_the_index_with_an_interval():
    crm = said(incident_tolerance=[3, 3, 3, 3, 3], share_of_needs=None)
    both = {"identification": 1, "incident_tolerance": 1}
    table = index_sensitivity(crm, weights=both).table.set_index("weighting")
    row = table.loc["without identification"]
    assert row["index"] == 50
    assert row[["low", "high"]].isna().all()  # alike for all
    index = np.array([75, 62.5, 50, 37.5, 50])
    expected = weighted.mean(50 - index, weights=[1, 2, 3, 4, 5])
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(
        list(expected[:3])
    )
    assert np.isnan(table.loc["stated", "difference_low"])


def test_the_same_seed_draws_the_same_weights():
    one, other = (index_sensitivity(said(), seed=seed).table.iloc[-1] for seed in (1, 1))
    assert one.equals(other)
    assert not one.equals(index_sensitivity(said(), seed=2).table.iloc[-1])


def test_one_measure_alone_cannot_be_weighed():
    crm = from_frames({"surveys": ANSWERS[["response_id", "customer_id", "identification"]]})
    with pytest.raises(NotEnoughData, match="Only one measure"):
        index_sensitivity(crm)
    with pytest.raises(CrmlabError, match="top is a share"):
        index_sensitivity(said(), top=1.5)


def test_of_few_customers_it_is_not_said_who_stays_at_the_top():
    result = index_sensitivity(said(), weights=THREE)
    assert result.title() == "Who stays at the top with other weights cannot be told from so few"
    reading = result.reading()
    assert "At the top is 1 customer of 4 by the weights stated: too few to say" in reading
    assert "stay at the top" not in reading
    assert "moves farthest without " in reading
    assert "90% give a company index between" in reading


def test_where_nobody_leaves_the_top_no_change_is_blamed():
    rows = 100
    frame = pd.DataFrame(
        {
            "response_id": [str(number) for number in range(rows)],
            "customer_id": [f"C{number:02d}" for number in range(rows)],
            "answered_at": "2025-12-31",
            "identification": [1 + number // 20 for number in range(rows)],
            "share_of_needs": [number / rows for number in range(rows)],
        }
    )
    measures = loyalty_measures().query("measure in ['identification', 'share_of_needs']")
    result = index_sensitivity(
        from_frames({"surveys": frame}), measures=measures, top=0.2,
        weights={"identification": 1, "share_of_needs": 2},
    )  # fmt: skip
    assert result.title() == "No single change of the weights moves anybody from the top"
    assert "The 20 most loyal of 100 customers by the weights stated stay at the top" in (
        result.reading()
    )


def test_of_many_customers_those_who_answered_say_what_other_weights_make_of_the_index(
    monkeypatch,
):
    """Far more customers have an index than answered, and only these are in the company's."""
    rng = np.random.default_rng(3)
    bought = pd.DataFrame(
        {
            "order_id": [str(number) for number in range(900)],
            "customer_id": [f"C{number % 300:03d}" for number in range(900)],
            "ordered_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(
                rng.integers(0, 365, 900), "D"
            ),
            "amount": rng.gamma(2.0, 50.0, 900),
        }
    )  # fmt: skip
    ids = [f"C{number:03d}" for number in range(20)]
    answers = {"response_id": ids, "customer_id": ids, "answered_at": "2025-12-31"}
    surveys = pd.DataFrame(answers | {"identification": rng.integers(1, 6, 20)})
    tables = {"orders": bought, "surveys": surveys}
    weights = {"repeat_purchase": 1, "spend": 1, "identification": 1}
    whole = index_sensitivity(from_frames(tables), weights=weights).table.iloc[-1]
    monkeypatch.setattr(import_module("crmlab.loyalty.index_sensitivity"), "RANKED", 60)
    sampled = index_sensitivity(from_frames(tables), weights=weights)
    assert sampled.customers == 60
    names = ["index", "low", "high", "difference"]
    assert sampled.table.iloc[-1][names].tolist() == pytest.approx(whole[names].tolist())


def test_the_sensitivity_of_the_company(company):
    result = index_sensitivity(company)
    table = result.table.set_index("weighting")
    assert len(table) == 12
    assert table.drop(index="stated")["stays"].between(0.3, 1).all()
    worst = table.drop(index=["stated", "random"])["stays"].idxmin()
    assert result.value_labels()["weighting"][worst][1:] in result.title()
    assert len(result.title()) <= 90
    assert len(result.plot().get_yticks()) == 11
    assert "sets of weights drawn at random" in result.reading()


# --- the explorer


@pytest.fixture
def explored(monkeypatch):
    caught = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: caught.update(
            figure=figure, move=move, words=words, controls=controls
        ),
    )
    explore_loyalty_weights(loyalty_index(said(), weights=THREE))
    return caught


def test_reweighting_multiplies_the_weights_of_the_table():
    result = loyalty_index(said(), weights=THREE)
    same = reweighted(result, {})
    assert (same.value, same.low, same.high) == pytest.approx(tuple(result.index))
    assert same.stays == 1
    assert same.shares.tolist() == pytest.approx(result.histogram().tolist())
    without = reweighted(result, {"identification": 0, "share_of_needs": 0})
    assert without.value == pytest.approx((50 + 2 * 100 + 3 * 0) / 6)  # D did not answer it
    assert without.shares.sum() == pytest.approx(1)
    assert without.stays == 0
    assert np.isnan(reweighted(result, dict.fromkeys(THREE, 0)).value)


def test_the_explorer_follows_its_controls(explored):
    labels = [control.description for control in explored["controls"].values()]
    assert labels == ["Identification", "Share of needs met", "Tolerance of incidents"]
    moved = {"measure0": 0.0, "measure1": 0.0, "measure2": 1.0}
    explored["move"](**moved)
    heights = [bar.get_height() for bar in explored["figure"].axes[0].patches[:20]]
    assert heights[10] == pytest.approx(1 / 6)
    assert "index is 41.7" in explored["words"](**moved)
    assert "At least one measure" in explored["words"](**dict.fromkeys(moved, 0.0))
