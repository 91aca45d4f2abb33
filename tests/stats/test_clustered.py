import math

import numpy as np
import pytest
from scipy import stats

from crmlab.stats import clustered
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.intervals import wilson


def test_a_share_of_unclustered_trials_is_wilsons():
    found = clustered.share([1] * 81 + [0] * 182, [1] * 263)
    low, high = wilson(81 / found.effect, 263 / found.effect)
    assert found.effect == pytest.approx(263 / 262)
    assert (found.low, found.high) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_two_estimates_together_are_held_against_hotellings_distribution():
    # Wald's 5 with 9 degrees of freedom: 5/2 · 8/9 as F with 2 and 8.
    chance = clustered.wald_chance([2.0, 1.0], np.eye(2), 9)
    assert chance == pytest.approx(0.170788, abs=1e-6)
    assert math.isnan(clustered.wald_chance([2.0, 1.0], np.zeros((2, 2)), 9))
    assert math.isnan(clustered.wald_chance([2.0, 1.0], np.eye(2), 1))
    assert math.isnan(clustered.wald_chance([], np.eye(0), 9))


def test_weights_that_are_all_alike_change_nothing():
    hits, ones = np.array([1, 0, 1, 1, 0, 1]), np.ones(6)
    plain = clustered.share(hits, ones)
    weighted = clustered.weighted_share(hits * 3.5, ones * 3.5, ones)
    assert weighted[:3] == pytest.approx(plain[:3])


def test_unequal_weights_widen_the_interval_of_a_share():
    hits = np.array([1, 0, 1, 0, 1, 0, 1, 0] * 5)
    weights = np.where(np.arange(40) < 4, 20.0, 1.0)
    even = clustered.weighted_share(hits, np.ones(40), np.ones(40))
    uneven = clustered.weighted_share(hits * weights, weights, np.ones(40))
    assert uneven.high - uneven.low > even.high - even.low


def test_where_all_answers_are_alike_the_effective_number_is_kishs():
    found = clustered.weighted_share([1.0, 3.0], [1.0, 3.0], [1, 1])
    low, _high = wilson(1.6, 1.6)
    assert found.value == 1
    assert found.low == pytest.approx(float(low))


def test_a_mean_without_clusters_is_students():
    answers = np.array([3.0, 4, 5, 4, 2, 5])
    found = clustered.mean(answers, np.ones(6))
    low, high = stats.t.interval(0.95, 5, answers.mean(), stats.sem(answers))
    assert found[:3] == pytest.approx((answers.mean(), low, high))


def test_a_mean_of_one_customer_has_no_interval():
    found = clustered.mean([9.0], [2.0])
    assert found.value == 4.5
    assert math.isnan(found.low)


def test_customers_who_are_alike_leave_the_exact_poisson_interval():
    found = clustered.rate([1, 1, 1, 1, 1], [2, 2, 2, 2, 2])
    low, high = clustered.poisson(5, 10)
    assert found == pytest.approx((0.5, float(low), float(high), 1.0))


def test_customers_who_are_unlike_widen_the_interval_of_a_rate():
    alike = clustered.rate([5] * 20, [10] * 20)
    unlike = clustered.rate([0] * 18 + [50] * 2, [10] * 20)
    assert unlike.value == alike.value
    assert unlike.effect > 10
    assert unlike.low < alike.low
    assert unlike.high > alike.high


def test_few_customers_take_over_the_overdispersion_of_all():
    alone = clustered.rate([4], [10])
    told = clustered.rate([4], [10], overdispersion=1.0)
    assert alone.effect == 1.0
    assert told.effect == pytest.approx(1 + 0.4 * 10)


def test_no_events_have_a_rate_of_zero_and_an_upper_end():
    found = clustered.rate([0, 0], [5, 5])
    assert found[:2] == (0.0, 0.0)
    assert found.high == pytest.approx(3.689 / 10, abs=1e-4)


def test_poissons_law_shows_no_overdispersion_and_two_kinds_of_customers_do():
    rng = np.random.default_rng(0)
    plain = rng.poisson(3.0, 4000)
    mixed = rng.poisson(rng.gamma(2.0, 1.5, 4000))
    assert clustered.overdispersion(plain, np.ones(4000), np.zeros(4000)) < 0.03
    # Gamma of shape 2: 1/2.
    assert clustered.overdispersion(mixed, np.ones(4000), np.zeros(4000)) == pytest.approx(
        0.5, abs=0.06
    )


def test_what_has_no_size_gives_nothing():
    for found in (
        clustered.share([], []),
        clustered.rate([0.0], [0.0]),
        clustered.weighted_share([], [], []),
    ):
        assert np.isnan(found).all()
    assert np.isnan(NOTHING).all()


def test_a_difference_turns_round_with_its_parts():
    one, other = Estimate(0.7, 0.6, 0.78, 1.0), Estimate(0.4, 0.3, 0.52, 1.0)
    there, back = clustered.difference(one, other), clustered.difference(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((56, 70), (48, 80), (0.2000, 0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.6000, 0.1705, 0.8090)),
        ((10, 10), (0, 10), (1.0000, 0.6075, 1.0000)),
    ],
)
def test_a_difference_of_shares_is_newcombes_method_10(one, other, expected):
    """Newcombe (1998), Statistics in Medicine 17, 873-890, table II, examples (a), (b) and (h)."""
    parts = []
    for hits, trials in (one, other):
        low, high = wilson(hits, trials)
        parts.append(Estimate(hits / trials, float(low), float(high), 1.0))
    assert clustered.difference(*parts)[:3] == pytest.approx(expected, abs=6e-5)


def test_intervals_of_several_counts_are_those_of_each():
    low, high = clustered.poisson([0, 10], [2, 1])
    each = [clustered.poisson(0, 2), clustered.poisson(10, 1)]
    assert low.tolist() == [float(one.low) for one in each]
    assert high.tolist() == [float(one.high) for one in each]
    assert low[0] == 0


def very_unequal(random):
    """Forty customers, a few of whom have a large part of all orders."""
    return np.ceil(np.exp(random.normal(0, 1.5, 40)) * 20)


def test_the_interval_of_a_rate_holds_the_truth_with_very_unequal_customers():
    random, held = np.random.default_rng(5), []
    for _ in range(400):
        orders = very_unequal(random)
        events = random.poisson(0.07 * random.gamma(2, 0.5, 40) * orders)
        found = clustered.rate(events, orders)
        held.append(found.low <= 0.07 <= found.high)
    assert 0.91 < np.mean(held) < 0.98


def test_the_interval_of_a_share_holds_the_truth_with_very_unequal_customers():
    random, held = np.random.default_rng(6), []
    for _ in range(400):
        orders = very_unequal(random).astype(int)
        hits = random.binomial(orders, random.beta(7, 3, 40))
        found = clustered.share(hits, orders)
        held.append(found.low <= 0.7 <= found.high)
    assert 0.91 < np.mean(held) < 0.98


def test_clusters_of_one_trial_each_have_no_fewer_degrees_of_freedom_than_trials():
    effect, wide = clustered.share_effects([1, 0, 1, 1], [1, 1, 1, 1])
    assert effect == wide == pytest.approx(4 / 3)


def test_the_degrees_of_freedom_are_of_so_many_equal_clusters():
    assert clustered.freedom([3, 3, 3, 0]) == pytest.approx(2)
    assert clustered.freedom([100, 1, 1]) == 1
    assert 2 < clustered.freedom([4, 3, 2, 3]) < 3
    assert np.isnan(clustered.freedom([5, 0]))
