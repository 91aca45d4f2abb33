"""Regression of answers in clusters, with the jackknife."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from crmlab.errors import NotEnoughData
from crmlab.stats.regression import least_squares

RANDOM = np.random.default_rng(6)
CLUSTER = np.repeat(np.arange(12), RANDOM.integers(2, 9, 12))
SIZE = len(CLUSTER)
DESIGN = np.column_stack([np.ones(SIZE), RANDOM.normal(size=(SIZE, 2))])
ANSWERS = DESIGN @ [1.0, 0.5, 0] + RANDOM.normal(size=12)[CLUSTER] + RANDOM.normal(size=SIZE)
WEIGHTS = RANDOM.uniform(0.5, 3, SIZE)


def fitted(rows):
    return sm.WLS(ANSWERS[rows], DESIGN[rows], weights=WEIGHTS[rows]).fit().params


def test_the_errors_are_those_of_leaving_out_one_cluster_after_the_other():
    found = least_squares(DESIGN, ANSWERS, weights=WEIGHTS, clusters=CLUSTER)
    whole = fitted(np.ones(SIZE, bool))
    left = np.array([fitted(one != CLUSTER) for one in range(12)])
    assert found.coefficients == pytest.approx(whole)
    assert found.errors == pytest.approx(np.sqrt(11 / 12 * np.sum((left - whole) ** 2, axis=0)))
    estimate = found.estimate(1)
    assert estimate.high - estimate.value == pytest.approx(2.200985 * found.errors[1])
    beyond = abs(found.coefficients[1]) / found.errors[1]
    assert found.chance(1) == pytest.approx(2 * (1 - stats.t.cdf(beyond, 11)))


@pytest.mark.parametrize("answers", [np.full(SIZE, 4.3), DESIGN @ [1.0, 0.5, 0.0]])
def test_of_answers_that_depart_from_no_line_no_error_is_known(answers):
    found = least_squares(DESIGN, answers, weights=WEIGHTS, clusters=CLUSTER)
    assert np.isnan(found.errors).all()
    assert np.isnan([found.chance(1), found.estimate(1).low]).all()


def test_with_many_clusters_it_is_the_sandwich():
    random = np.random.default_rng(2)
    x = sm.add_constant(random.normal(size=(4000, 1)))
    y, who = x[:, 1] + random.normal(size=4000), np.arange(4000) // 2
    peer = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": who}, use_t=True)
    found = least_squares(x, y, weights=np.ones(4000), clusters=who)
    assert found.errors == pytest.approx(peer.bse, rel=0.01)
    assert found.freedom == 1999


def test_intervals_over_few_clusters_hold_as_often_as_they_say():
    random = np.random.default_rng(9)
    held = []
    for _draw in range(400):
        own = random.normal(size=8)
        who = np.repeat(np.arange(8), random.integers(10, 60, 8))
        y = random.normal(0, 0.4, 8)[who] + random.normal(size=len(who))
        design = np.column_stack([np.ones(len(who)), own[who]])
        found = least_squares(design, y, weights=np.ones(len(who)), clusters=who).estimate(1)
        held.append(found.low < 0 < found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_what_only_one_cluster_tells_is_not_told():
    alone = np.column_stack([np.ones(SIZE), CLUSTER == 3]).astype(float)
    with pytest.raises(NotEnoughData, match="All but one cluster are alike"):
        least_squares(alone, ANSWERS, weights=WEIGHTS, clusters=CLUSTER)
    with pytest.raises(NotEnoughData, match="two of them"):
        least_squares(DESIGN, ANSWERS, weights=WEIGHTS, clusters=np.zeros(SIZE))
