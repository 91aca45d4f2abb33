"""Cronbach's α and McDonald's ω: what moves them, and what cannot be said."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.factors import correlations_of
from crmlab.stats.reliability import (
    alpha_if_deleted,
    alpha_influence,
    alpha_of,
    corrected_item_total,
    cronbach_alpha,
    feldt,
    mcdonald_omega,
    omega_of,
)

RANDOM = np.random.default_rng(5)
FACTOR = RANDOM.standard_normal((400, 1))
ANSWERS = FACTOR * [0.9, 0.7, 0.5, 0.8] + RANDOM.standard_normal((400, 4))
WEIGHTS = RANDOM.uniform(1, 4, 400)


def moved_by_more_weight(coefficient, answer):
    """What a little more weight of one answer does to a coefficient, per unit of weight."""
    step = 1e-4 * WEIGHTS.sum()
    more, less = WEIGHTS.copy(), WEIGHTS.copy()
    more[answer] += step
    less[answer] -= step
    ends = [coefficient(np.cov(ANSWERS.T, aweights=weight)) for weight in (more, less)]
    return (ends[0] - ends[1]) / (2 * step) * WEIGHTS[answer]


def test_answers_of_weight_0_do_not_count():
    weights = np.where(np.arange(400) < 40, 1.0, 0.0)
    found = cronbach_alpha(ANSWERS, weights=weights)
    assert found == pytest.approx(cronbach_alpha(ANSWERS[:40], weights=np.ones(40)))
    assert found.n == 40


@pytest.mark.parametrize("standardised", [False, True])
def test_the_influence_of_an_answer_is_what_more_weight_of_it_does(standardised):
    moved = alpha_influence(ANSWERS, WEIGHTS, standardised=standardised)
    assert moved.sum() == pytest.approx(0, abs=1e-12)
    for answer in (0, 7, 100):
        assert moved[answer] == pytest.approx(
            moved_by_more_weight(
                lambda matrix: alpha_of(matrix, standardised=standardised), answer
            ),
            rel=1e-5,
        )


def test_without_clusters_linearisation_and_feldt_agree_for_normal_answers():
    classic = cronbach_alpha(ANSWERS)
    linear = cronbach_alpha(ANSWERS, clusters=np.arange(400))
    assert linear.value == classic.value
    assert linear[1:3] == pytest.approx(classic[1:3], abs=0.01)


def test_answers_that_come_twice_say_no_more_than_once():
    once = cronbach_alpha(ANSWERS, clusters=np.arange(400))
    twice = cronbach_alpha(np.tile(ANSWERS, (2, 1)), clusters=np.tile(np.arange(400), 2))
    assert twice[:3] == pytest.approx(once[:3])
    assert twice.n == 800
    omega = mcdonald_omega(ANSWERS, clusters=np.arange(400))
    assert mcdonald_omega(
        np.tile(ANSWERS, (2, 1)), clusters=np.tile(np.arange(400), 2)
    ) == pytest.approx((*omega[:3], 800, 4), abs=1e-5)


def test_a_weight_counts_as_so_many_answers():
    counts = np.arange(400) % 3 + 1
    weighted = cronbach_alpha(ANSWERS, weights=counts)
    assert weighted.value == pytest.approx(cronbach_alpha(np.repeat(ANSWERS, counts, axis=0)).value)


def test_omega_of_items_that_measure_equally_well_is_alpha():
    equal = np.full((5, 5), 0.4) + 0.6 * np.eye(5)
    assert omega_of(equal) == pytest.approx(alpha_of(equal))


def test_omega_is_above_alpha_where_items_measure_unequally_well():
    loadings = np.array([0.9, 0.9, 0.3, 0.3])
    unequal = np.outer(loadings, loadings)
    np.fill_diagonal(unequal, 1.0)
    assert omega_of(unequal) > alpha_of(unequal) + 0.02


def test_two_items_have_an_alpha_and_no_omega():
    assert cronbach_alpha(ANSWERS[:, :2]).items == 2
    assert np.isnan(mcdonald_omega(ANSWERS[:, :2]).value)
    assert alpha_if_deleted(ANSWERS[:, :2])["gain"].isna().all()


def test_an_item_worded_the_other_way_round_correlates_negatively_and_spoils_alpha():
    turned = ANSWERS * [1, 1, -1, 1]
    assert corrected_item_total(turned).loc[2, "total_high"] < 0
    found = alpha_if_deleted(turned)
    assert found["gain"].idxmax() == 2
    assert found.loc[2, "gain_low"] > 0
    assert found.loc[2, "alpha_if_deleted"] == pytest.approx(alpha_if_deleted(ANSWERS).iloc[2, 0])


def test_the_interval_of_an_item_total_correlation_is_near_fishers():
    total = corrected_item_total(ANSWERS).loc[0]
    fisher = np.tanh(np.arctanh(total["item_total"]) + np.array([-1.96, 1.96]) / np.sqrt(397))
    assert total[["total_low", "total_high"]].to_numpy() == pytest.approx(fisher, abs=0.015)


def test_an_item_that_never_varies_has_no_correlation_with_the_others():
    constant = np.column_stack([ANSWERS, np.ones(400)])
    assert corrected_item_total(constant).loc[4].isna().all()
    with pytest.raises(NotEnoughData, match="item 5 are all the same"):
        correlations_of(np.cov(constant.T))


def test_pairwise_counts_the_pair_with_fewest_answers():
    holes = ANSWERS.copy()
    holes[:50, 0] = np.nan
    holes[30:70, 1] = np.nan
    assert cronbach_alpha(holes, missing="pairwise").n == 330
    assert cronbach_alpha(holes).n == 330
    holes[70:100, 2] = np.nan
    assert cronbach_alpha(holes, missing="pairwise").n == 320
    assert cronbach_alpha(holes).n == 300


def test_what_cannot_be_computed_is_said():
    with pytest.raises(NotEnoughData, match="at least 2 items that measure the same; there is 1"):
        cronbach_alpha(ANSWERS[:, :1])
    with pytest.raises(NotEnoughData, match="an answer to every item; there are 1"):
        cronbach_alpha(ANSWERS[:1])
    with pytest.raises(NotEnoughData, match="the same for everybody"):
        alpha_of([[1, -1], [-1, 1]])
    with pytest.raises(NotEnoughData, match="never answered together"):
        cronbach_alpha([[1, np.nan], [2, np.nan], [np.nan, 3]], missing="pairwise")
    with pytest.raises(CrmlabError, match="listwise or pairwise, not pairwise; with weights"):
        cronbach_alpha(ANSWERS, weights=WEIGHTS, missing="pairwise")


def test_one_answer_has_no_interval():
    assert np.isnan(feldt(0.8, 1, 5).low)


def test_the_interval_of_an_item_and_the_others_is_about_fishers_for_normal_answers():
    found = corrected_item_total(ANSWERS)
    for item, row in found.iterrows():
        others = np.delete(ANSWERS, item, axis=1).sum(axis=1)
        expected = pearsonr(ANSWERS[:, item], others)
        interval = expected.confidence_interval()
        assert row["item_total"] == pytest.approx(expected.statistic)
        assert (row["total_low"], row["total_high"]) == pytest.approx(tuple(interval), abs=0.02)


def test_the_interval_of_items_that_are_nearly_copies_ends_below_1():
    one = RANDOM.standard_normal((6, 1))
    found = corrected_item_total(one + 0.05 * RANDOM.standard_normal((6, 3)))
    assert (found["total_high"] < 1).all()
    assert (found["total_high"] > found["item_total"]).all()
