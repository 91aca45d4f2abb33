"""Means, shares and differences of weighted answers that come in clusters."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING
from crmlab.stats.intervals import wilson
from tests.stats.bell_mccaffrey import bell_mccaffrey

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


def test_the_error_of_a_difference_of_equal_customers_is_statsmodels():
    values, customer = VALUES[:60], np.repeat(np.arange(15), 4)
    first = np.tile([True, False, False, True], 15)
    found = weighted.difference(values, first, ~first, clusters=customer)
    fitted = sm.OLS(values, sm.add_constant(first.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": customer, "use_correction": False}
    )
    assert found.value == pytest.approx(fitted.params[1])
    error = reach(found) / stats.t.ppf(0.975, 14)
    assert error == pytest.approx(fitted.bse[1] * np.sqrt(15 / 14))


@pytest.mark.parametrize("between", [True, False])
def test_the_error_of_a_difference_of_unequal_customers_is_bell_and_mccaffreys(between):
    first = CUSTOMER < 8 if between else np.arange(len(CUSTOMER)) % 3 == 0
    found = weighted.contrast(VALUES, first, ~first, clusters=CUSTOMER)
    design = np.column_stack([first, ~first]).astype(float)
    expected = bell_mccaffrey(VALUES, design, CUSTOMER)
    apart = np.array([1, -1])
    assert found.error == pytest.approx(np.sqrt(apart @ expected @ apart))


def test_a_group_has_the_degrees_of_freedom_of_so_many_equal_customers():
    groups = CUSTOMER < 8
    found = weighted.contrast(VALUES, groups, ~groups, weights=WEIGHTS, clusters=CUSTOMER)
    weight = np.bincount(CUSTOMER, WEIGHTS)
    moved = [
        np.bincount(CUSTOMER, weighted.influence(VALUES, np.where(group, WEIGHTS, 0)))
        for group in (groups, ~groups)
    ]
    kept = np.where(np.arange(40) < 8, weight / weight[:8].sum(), weight / weight[8:].sum())
    one, other = (np.sum(each**2 / (1 - kept)) for each in moved)
    few, many = (part.sum() ** 2 / np.sum(part**2) for part in (weight[:8], weight[8:]))
    assert found.error == pytest.approx(np.sqrt(one + other))
    expected = (one + other) ** 2 / (one**2 / (few - 1) + other**2 / (many - 1))
    assert found.freedom == pytest.approx(expected)
    assert 1 < few < 8


def test_groups_that_do_not_differ_are_seldom_found_to_with_very_unequal_customers():
    random, chances = np.random.default_rng(11), []
    for _ in range(400):
        sizes = np.ceil(np.exp(random.normal(0, 1.5, 50)) * 5).astype(int)
        customer = np.repeat(np.arange(50), sizes)
        level = np.clip(random.normal(0.6, 0.15, 50), 0.02, 0.98)
        kept = random.random(len(customer)) < level[customer]
        few = customer < 10
        chances.append(weighted.contrast(kept, few, ~few, clusters=customer).chance)
    assert 0.02 < np.mean(np.array(chances) < 0.05) < 0.1


def test_a_group_that_is_nearly_one_customer_keeps_one_degree_of_freedom():
    customer = np.array([0] * 50 + [1] + [2] * 5 + [3] * 5)
    values = np.arange(len(customer)) % 7
    found = weighted.contrast(values, customer < 2, customer > 1, clusters=customer)
    assert found.freedom >= 1
    assert np.isfinite(found.estimate().high)


def test_without_weights_and_clusters_a_difference_is_welchs():
    groups = np.arange(40) < 6
    found = weighted.contrast(VALUES[:40], groups, ~groups)
    expected = stats.ttest_ind(VALUES[:6], VALUES[6:40], equal_var=False)
    interval = expected.confidence_interval(0.9)
    assert found.freedom == pytest.approx(expected.df)
    assert found.chance == pytest.approx(expected.pvalue)
    assert found.estimate(0.9)[1:3] == pytest.approx((interval.low, interval.high))


def test_answers_of_all_in_both_groups_have_the_paired_t_interval():
    second = np.tile([False, True], 20)
    pairs = np.repeat(np.arange(20), 2)
    found = weighted.contrast(VALUES[:40], second, ~second, clusters=pairs)
    expected = stats.ttest_rel(VALUES[1:40:2], VALUES[:40:2])
    assert found.freedom == pytest.approx(19)
    assert found.chance == pytest.approx(expected.pvalue)


def test_a_group_of_one_customer_gives_a_difference_no_interval():
    groups = CUSTOMER == 0
    found = weighted.difference(VALUES, groups, ~groups, clusters=CUSTOMER)
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.high]).all()


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
    low, high = wilson(0.8 * 9, 9)
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_the_error_of_a_clustered_share_is_bell_and_mccaffreys():
    flags, count = (VALUES > 3).astype(float), len(VALUES)
    found = weighted.share(flags, clusters=CUSTOMER)
    value = flags.mean()
    assert found.value == pytest.approx(value)
    sizes = np.bincount(CUSTOMER)
    freedom = sizes.sum() ** 2 / np.sum(sizes**2) - 1
    few = (stats.t.ppf(0.975, freedom) / stats.t.ppf(0.975, count - 1)) ** 2
    variance = bell_mccaffrey(flags, np.ones((count, 1)), CUSTOMER)[0, 0]
    assert found.effect == pytest.approx(count * variance / (value * (1 - value)) * few)


def test_weights_and_clusters_widen_the_interval_of_a_share_together():
    flags, weights = VALUES > 3, WEIGHTS
    found = weighted.share(flags, weights=weights, clusters=CUSTOMER)
    fitted = sm.WLS(flags.astype(float), np.ones(len(VALUES)), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": CUSTOMER}
    )
    robust = len(VALUES) * fitted.bse[0] ** 2 / (fitted.params[0] * (1 - fitted.params[0]))
    assert found.value == pytest.approx(fitted.params[0])
    assert robust < found.effect < 1.1 * robust


def test_a_share_of_few_customers_has_the_wider_interval_of_few_degrees_of_freedom():
    flags, customers = np.tile([1, 1, 1, 0, 1, 0], 8), np.repeat(np.arange(6), 8)
    many = weighted.share(flags, clusters=np.arange(48))
    few = weighted.share(flags, clusters=customers)
    assert many.effect == pytest.approx(48 / 47)
    assert few.high - few.low > many.high - many.low


def test_without_an_error_nothing_is_said_of_chance():
    alike = weighted.contrast([1.0] * 6, np.arange(6) < 3, np.arange(6) > 2)
    assert alike.value == 0
    assert np.isnan(alike.chance)
    assert np.isnan(weighted.contrast([1.0, 2.0], [1, 1], [0, 0]).chance)


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
    design = {"weights": weights[5:], "clusters": clusters[5:]}
    complete = weighted.means(columns[5:], **design).combined([1, -1])
    expected = weighted.mean(columns[5:, 0] - columns[5:, 1], **design)
    assert complete[:3] == pytest.approx(expected[:3])


def test_means_without_answers_or_with_one_cluster_have_no_interval():
    assert np.isnan(weighted.means([[1.0, np.nan]]).values[1])
    alone = weighted.means([[1.0], [2.0]], clusters=[0, 0]).combined([1.0])
    assert alone.value == 1.5
    assert np.isnan(alone.low)
