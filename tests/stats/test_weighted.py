"""Means, shares and differences of weighted answers that come in clusters."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING

RANDOM = np.random.default_rng(3)
CUSTOMER = np.repeat(np.arange(40), RANDOM.integers(1, 5, 40))
VALUES = RANDOM.normal(3, 1, 40)[CUSTOMER] + RANDOM.normal(0, 0.5, len(CUSTOMER))
WEIGHTS = RANDOM.uniform(0.5, 4, len(CUSTOMER))


def clustered_regression(design):
    """Weighted least squares with errors clustered by customer, no small-sample factor."""
    fitted = sm.WLS(VALUES, design, weights=WEIGHTS)
    return fitted.fit(cov_type="cluster", cov_kwds={"groups": CUSTOMER, "use_correction": False})


def reach(found):
    return (found.high - found.low) / 2


def test_answers_without_weights_or_clusters_have_students_interval():
    found = weighted.mean(VALUES)
    expected = stats.t.interval(0.95, len(VALUES) - 1, np.mean(VALUES), stats.sem(VALUES))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.effect == pytest.approx(1)


def test_the_error_of_a_weighted_clustered_mean_is_statsmodels():
    found = weighted.mean(VALUES, weights=WEIGHTS, clusters=CUSTOMER)
    fitted = clustered_regression(np.ones(len(VALUES)))
    assert found.value == pytest.approx(fitted.params[0])
    error = reach(found) / stats.t.ppf(0.975, 39)
    assert error == pytest.approx(fitted.bse[0] * np.sqrt(40 / 39))
    assert found.effect > 1


def test_the_error_of_a_difference_is_statsmodels():
    first = np.arange(len(VALUES)) % 2 == 0
    found = weighted.difference(VALUES, first, ~first, weights=WEIGHTS, clusters=CUSTOMER)
    fitted = clustered_regression(sm.add_constant(first.astype(float)))
    assert found.value == pytest.approx(fitted.params[1])
    error = reach(found) / stats.t.ppf(0.975, 38)
    assert error == pytest.approx(fitted.bse[1] * np.sqrt(40 / 38))


def test_two_groups_of_one_size_have_the_pooled_t_interval():
    one, other = VALUES[:20], VALUES[20:40]
    groups = np.arange(40) < 20
    found = weighted.difference(VALUES[:40], groups, ~groups)
    expected = stats.ttest_ind(one, other).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_customer_in_both_groups_is_compared_with_itself():
    level = np.repeat(RANDOM.normal(0, 10, 30), 2)
    second = np.tile([False, True], 30)
    values = level + second * 1.0 + RANDOM.normal(0, 0.1, 60)
    paired = weighted.difference(values, second, ~second, clusters=np.repeat(np.arange(30), 2))
    alone = weighted.difference(values, second, ~second)
    assert reach(paired) < reach(alone) / 20


def test_missing_answers_and_answers_of_weight_zero_do_not_count():
    values, weights = [1.0, np.nan, 3.0, 9.0, 5.0], [1, 1, 1, 0, 2]
    whole = weighted.mean([1.0, 3.0, 5.0], weights=[1, 1, 2])
    assert weighted.mean(values, weights=weights) == pytest.approx(whole)
    groups = np.array([True, True, False, True, False])
    found = weighted.difference(values, groups, ~groups, weights=weights)
    assert found.value == pytest.approx(1 - 13 / 3)


def test_nothing_to_estimate_from_is_nan():
    assert weighted.mean([np.nan]) is NOTHING
    assert weighted.share([]) is NOTHING
    nobody = weighted.difference([1.0, 2.0], [True, True], [False, False])
    assert nobody is NOTHING
    alone = weighted.mean([1.0, 2.0], clusters=[7, 7])
    assert alone.value == 1.5
    assert np.isnan([alone.low, alone.high]).all()


def test_a_share_without_weights_is_wilsons_on_the_effective_number():
    found = weighted.share([True] * 8 + [False] * 2, clusters=np.arange(10))
    assert found.effect == pytest.approx(10 / 9)
    assert 0.4 < found.low < 0.5


def test_probability_of_a_difference_is_that_of_the_pooled_t_test():
    one, other = VALUES[:20], VALUES[20:40]
    groups = np.arange(40) < 20
    found = weighted.difference(VALUES[:40], groups, ~groups, confidence=0.9)
    expected = stats.ttest_ind(one, other).pvalue
    assert weighted.probability(found, 38, confidence=0.9) == pytest.approx(expected)


def test_without_an_interval_there_is_no_probability():
    assert np.isnan(weighted.probability(NOTHING, 10))
    assert np.isnan(weighted.probability(weighted.mean([1.0, 1.0]), 1))
    assert np.isnan(weighted.probability(weighted.mean([1.0, 2.0]), 0))


def test_means_of_columns_are_those_of_each_column_with_what_they_share():
    columns = np.column_stack([VALUES[:40], VALUES[:40] + RANDOM.normal(0, 1, 40)])
    columns[:5, 1] = np.nan
    weights, clusters = np.arange(1, 41), np.arange(40) // 2
    found = weighted.means(columns, weights=weights, clusters=clusters)
    first = weighted.mean(columns[:, 0], weights=weights, clusters=clusters)
    assert found.combined([1, 0])[:3] == pytest.approx(first[:3])
    assert found.combined([0, 1]).value == pytest.approx(
        weighted.mean(columns[:, 1], weights=weights).value
    )
    assert found.freedom == 19
    apart = reach(found.combined([1, -1]))
    assert apart < reach(found.combined([1, 0])) + reach(found.combined([0, 1]))


def test_means_without_answers_or_with_one_cluster_have_no_interval():
    assert np.isnan(weighted.means([[1.0, np.nan]]).values[1])
    alone = weighted.means([[1.0], [2.0]], clusters=[0, 0]).combined([1.0])
    assert alone.value == 1.5
    assert np.isnan(alone.low)
