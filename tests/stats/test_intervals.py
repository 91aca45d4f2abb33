import numpy as np
import pytest

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats import intervals
from crmlab.stats.intervals import (
    bootstrap_t,
    design_effect,
    intraclass_correlation,
    wilson,
)
from tests.stats.bell_mccaffrey import bell_mccaffrey


def test_wilson_keeps_the_shape_and_gives_nan_without_trials():
    low, high = wilson([3, 0], [10, 0])
    assert low.shape == high.shape == (2,)
    assert 0 < low[0] < 0.3 < high[0]
    assert np.isnan(low[1])
    assert np.isnan(high[1])


def test_wilson_is_narrower_at_lower_confidence():
    low, high = wilson(30, 100, confidence=0.80)
    wide_low, wide_high = wilson(30, 100)
    assert wide_low < low < high < wide_high


def test_design_effect_equals_bell_and_mccaffreys_over_independent_variance():
    random = np.random.default_rng(4)
    cluster = np.repeat(np.arange(40), random.integers(1, 30, 40))
    rate = random.beta(2, 1, 40)[cluster]
    success = (random.random(len(cluster)) < rate).astype(float)
    robust = bell_mccaffrey(success, np.ones((len(cluster), 1)), cluster)[0, 0]
    share = success.mean()
    expected = robust / (share * (1 - share) / len(success))

    effect = design_effect(np.bincount(cluster, success), np.bincount(cluster))

    assert effect == pytest.approx(expected, rel=1e-9)
    assert effect > 1


def test_design_effect_is_one_where_it_cannot_be_estimated():
    assert design_effect([3], [10]) == 1
    assert design_effect([10, 10], [10, 10]) == 1
    assert design_effect([0, 5, 0], [0, 10, 0]) == 1


def test_design_effect_ignores_clusters_without_trials():
    assert design_effect([10, 0, 10, 0], [10, 10, 10, 0]) == design_effect([10, 0, 10], [10] * 3)


def mean_and_error(values):
    def statistic(weights):
        drawn = weights.sum(axis=1)
        mean = weights @ values / drawn
        spread = np.sum(weights * (values - mean[:, None]) ** 2, axis=1)
        return mean[:, None], (np.sqrt(spread) / drawn)[:, None]

    return statistic


def test_bootstrap_t_agrees_with_redrawing_the_rows():
    values = np.random.default_rng(8).lognormal(3, 1, 120)
    low, high = bootstrap_t(mean_and_error(values), len(values), resamples=4999)

    random = np.random.default_rng(5)
    redrawn = random.choice(values, (4999, len(values)))
    error = redrawn.std(axis=1) / np.sqrt(len(values))
    studentised = (redrawn.mean(axis=1) - values.mean()) / error
    ends = values.mean() - np.quantile(studentised, [0.975, 0.025]) * (
        values.std() / np.sqrt(len(values))
    )

    assert low[0] == pytest.approx(ends[0], rel=0.02)
    assert high[0] == pytest.approx(ends[1], rel=0.02)


def test_bootstrap_t_repeats_with_the_same_seed_and_moves_with_another():
    statistic = mean_and_error(np.arange(50.0))
    first = bootstrap_t(statistic, 50, resamples=99)
    assert bootstrap_t(statistic, 50, resamples=99) == first
    assert bootstrap_t(statistic, 50, resamples=99, seed=1) != first


@pytest.mark.parametrize("cells", [10, 500, 2500])
def test_bootstrap_t_draws_the_same_however_many_draws_are_counted_together(cells, monkeypatch):
    drawn = []

    def statistic(weights):
        drawn.append(len(weights))
        return mean_and_error(np.arange(50.0))(weights)

    together = bootstrap_t(statistic, 50, resamples=99)
    assert drawn == [1, 99]
    drawn.clear()
    monkeypatch.setattr(intervals, "CELLS", cells)
    apart = bootstrap_t(statistic, 50, resamples=99)
    assert apart.low == pytest.approx(together.low, rel=1e-12)
    assert apart.high == pytest.approx(together.high, rel=1e-12)
    assert sum(drawn[1:]) == 99
    # Never an empty part, also where one draw alone is more than is counted together.
    assert min(drawn) > 0


def test_bootstrap_t_of_equal_values_is_a_point():
    low, high = bootstrap_t(mean_and_error(np.full(20, 3.0)), 20, resamples=99)
    assert low[0] == high[0] == 3


def test_bootstrap_t_covers_the_mean_of_a_skewed_population():
    inside = 0
    for seed in range(60):
        values = np.random.default_rng(seed).exponential(1, 40)
        low, high = bootstrap_t(mean_and_error(values), 40, resamples=299, seed=seed)
        inside += low[0] <= 1 <= high[0]
    assert inside >= 52  # 95 % of 60 is 57; three standard errors below is 52


def test_bootstrap_t_of_one_unit_is_refused():
    with pytest.raises(NotEnoughData, match="at least 2 units; there are 1"):
        bootstrap_t(mean_and_error(np.ones(1)), 1)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(CrmlabError, match=r"between 0 and 1, such as 0\.95"):
        wilson(3, 10, confidence=confidence)


def test_known_correlation_widens_what_few_clusters_cannot_show():
    assert design_effect([9], [10], correlation=0.2) == pytest.approx(2.8)
    assert design_effect([10, 0], [10, 10], correlation=0.01) > 2


def test_correlation_of_independent_trials_is_small_and_of_clusters_is_found():
    random = np.random.default_rng(2)
    sizes = random.integers(5, 40, 400)
    groups = np.arange(400) % 4
    alike = random.beta(8, 2, 400)
    independent = intraclass_correlation(random.binomial(sizes, 0.8), sizes, groups)
    clustered = intraclass_correlation(random.binomial(sizes, alike), sizes, groups)
    assert independent < 0.01
    # A beta(8, 2) rate has the intraclass correlation 1/(8 + 2 + 1).
    assert clustered == pytest.approx(1 / 11, abs=0.02)


def test_correlation_ignores_differences_between_groups():
    assert intraclass_correlation([9, 9, 1, 1], [10] * 4, [0, 0, 1, 1]) == 0
    assert intraclass_correlation([9, 1], [10, 10], [0, 1]) == 0
