import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from crmlab.errors import NotEnoughData
from crmlab.stats.intervals import bootstrap, design_effect, wilson


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


def test_design_effect_equals_cluster_robust_over_independent_variance():
    random = np.random.default_rng(4)
    cluster = np.repeat(np.arange(40), random.integers(1, 30, 40))
    rate = random.beta(2, 1, 40)[cluster]
    success = (random.random(len(cluster)) < rate).astype(float)
    constant = np.ones(len(cluster))
    robust = sm.OLS(success, constant).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    share = success.mean()
    expected = float(robust.cov_params()[0, 0]) / (share * (1 - share) / len(success))

    effect = design_effect(np.bincount(cluster, success), np.bincount(cluster))

    assert effect == pytest.approx(expected, rel=1e-9)
    assert effect > 1


def test_design_effect_is_one_where_it_cannot_be_estimated():
    assert design_effect([3], [10]) == 1
    assert design_effect([10, 10], [10, 10]) == 1
    assert design_effect([0, 5, 0], [0, 10, 0]) == 1


def test_design_effect_ignores_clusters_without_trials():
    assert design_effect([10, 0, 10, 0], [10, 10, 10, 0]) == design_effect([10, 0, 10], [10] * 3)


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(8).lognormal(3, 1, 200)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4999, rng=np.random.default_rng(1)
    ).confidence_interval

    low, high = bootstrap(
        lambda weights: np.average(values, weights=weights), len(values), resamples=4999
    )

    assert low == pytest.approx(theirs.low, rel=0.02)
    assert high == pytest.approx(theirs.high, rel=0.02)


def test_bootstrap_repeats_with_the_same_seed_and_moves_with_another():
    def total(weights):
        return weights @ np.arange(50.0)

    assert bootstrap(total, 50, resamples=99) == bootstrap(total, 50, resamples=99)
    assert bootstrap(total, 50, resamples=99) != bootstrap(total, 50, resamples=99, seed=1)


def test_bootstrap_of_one_unit_is_refused():
    with pytest.raises(NotEnoughData, match="at least 2 units; there are 1"):
        bootstrap(lambda weights: weights.sum(), 1)
