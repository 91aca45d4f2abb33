import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.pooling import pooled_changes


def drawn(own, seed=1, customers=900, noise=0.5):
    """Customers' counts before and after; a change met every other one, unlike by `own`."""
    random = np.random.default_rng(seed)
    exposed, group = np.arange(customers) % 2 == 0, random.integers(0, 3, customers)
    level = random.gamma(0.8, 14, customers)
    moved = noise * random.normal(size=customers)
    deviation = own * random.normal(size=customers)
    answer = exposed * (deviation - 0.3 * group)
    before = random.poisson(level)
    after = random.poisson(level * 0.6 * np.exp(moved + answer))
    return before, after, np.full(customers, np.log(0.6)), exposed, group, deviation


@pytest.mark.parametrize("own", [0.0, 0.6])
def test_spread_and_noise_are_recovered(own):
    found = pooled_changes(*drawn(own, seed=3)[:5])
    assert found.low <= own <= found.high
    assert found.noise == pytest.approx(0.5, abs=0.12)
    assert (found.low > 0) == (own > 0)


def test_the_likelihood_is_that_of_a_binomial_with_a_normal_log_ratio():
    # One group: ω, τ and two means by scipy's quadrature and a general optimiser.
    before, after, expected, exposed, _group, _deviation = drawn(0.7, customers=240)
    found = pooled_changes(before, after, expected, exposed, np.zeros(240))
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)

    def fall(parameters):
        spread = np.where(exposed, np.hypot(*parameters[2:]), abs(parameters[2]))
        mean = np.where(exposed, parameters[1], parameters[0])
        odds = expected[:, None] + mean[:, None] + spread[:, None] * nodes
        chance = binom.pmf(after[:, None], (before + after)[:, None], 1 / (1 + np.exp(-odds)))
        return -np.log(chance @ weights).sum()

    best = minimize(fall, [0, -0.3, 0.5, 0.5], method="Nelder-Mead", options={"maxiter": 4000})
    assert found.noise == pytest.approx(abs(best.x[2]), abs=0.03)
    assert found.spread == pytest.approx(abs(best.x[3]), abs=0.03)

    def fallen(spread):
        others = minimize(lambda part: fall([*part, spread]), best.x[:3], method="Nelder-Mead")
        return 2 * (others.fun - best.fun)

    # χ² with 1 at 5% is 3.84; the interval ends on a grid.
    assert fallen(found.high) < 3.9
    assert fallen(found.high + 0.02) > 3.84


def test_customers_who_differ_keep_a_part_of_their_own_and_it_is_near_the_truth():
    *counts, deviation = drawn(0.6)
    found = pooled_changes(*counts)
    exposed = counts[3]
    error = found.deviation - deviation
    assert np.std(error[exposed]) < 0.95 * np.std(deviation[exposed])
    inside = np.abs(error[exposed]) < norm.ppf(0.975) * np.sqrt(found.variance[exposed])
    assert 0.9 < inside.mean() < 0.99


def test_those_who_were_not_exposed_have_no_deviation_and_the_whole_variance():
    *counts, _deviation = drawn(0.6)
    found = pooled_changes(*counts)
    others = ~counts[3]
    assert (found.deviation[others] == 0).all()
    assert found.variance[others] == pytest.approx(np.full(others.sum(), found.variance[others][0]))
    assert np.sqrt(found.variance[others][0]) == pytest.approx(found.spread, abs=0.1)


def test_more_counts_say_more_of_a_customer():
    before, after, expected, exposed, group, _deviation = drawn(0.6)
    before[:4], after[:4] = [3, 3, 300, 300], [1, 1, 100, 100]
    exposed[:4], group[:4] = True, 0
    found = pooled_changes(before, after, expected, exposed, group)
    assert abs(found.deviation[2]) > 2 * abs(found.deviation[0])
    assert found.variance[2] < found.variance[0]


def test_zero_counts_on_one_side_are_no_obstacle_and_on_both_say_nothing():
    before, after, expected, exposed, group, _deviation = drawn(0.6)
    before[:2], after[:2], exposed[:2] = [0, 12], [9, 0], True
    before[2], after[2], exposed[2] = 0, 0, True
    found = pooled_changes(before, after, expected, exposed, group)
    assert found.deviation[0] > 0 > found.deviation[1]
    assert np.isfinite(found.variance).all()


def test_too_few_customers_and_gaps_are_refused():
    with pytest.raises(NotEnoughData, match="two customers at least"):
        pooled_changes([1, 2, 3], [1, 2, 3], [0.0] * 3, [True, True, False], ["a"] * 3)
    with pytest.raises(CrmlabError, match="must be given"):
        pooled_changes([1, np.nan], [1, 2], [0.0, 0.0], [True, False], ["a", "a"])


def test_of_what_is_known_of_a_customer_only_the_part_of_the_response_is_put_down_to_it():
    random = np.random.default_rng(5)
    exposed = np.arange(400) % 2 == 0
    moved = 0.3 * random.normal(size=400) + exposed * 0.4 * random.normal(size=400)
    before = np.full(400, 4000)
    found = pooled_changes(before, before * np.exp(moved), np.zeros(400), exposed, np.zeros(400))
    own, other = found.spread**2, found.noise**2
    slope = np.polyfit(moved[exposed], found.deviation[exposed], 1)[0]
    assert slope == pytest.approx(own / (own + other), abs=0.03)
    assert found.variance[exposed].mean() == pytest.approx(own * other / (own + other), rel=0.1)
