import numpy as np
import pytest
from scipy.stats import chi2, kruskal, rankdata

from crmlab.stats.balance import balance


def test_of_ranks_in_one_block_it_is_the_test_of_kruskal_and_wallis():
    rng = np.random.default_rng(1)
    values, arms = rng.normal(size=60), np.repeat(["a", "b", "c"], 20)
    values[arms == "b"] += 0.6
    found = balance(rankdata(values), arms, np.zeros(60))
    other = kruskal(*(values[arms == arm] for arm in "abc"))
    assert found.statistic == pytest.approx(other.statistic)
    assert found.freedom == 2
    assert found.chance == pytest.approx(other.pvalue)


def test_blocks_are_compared_within_themselves():
    # Every block's arms are alike; all together, "a" has the larger values.
    values = [1, 1, 1, 5, 5, 5]
    arms = ["b", "b", "a", "a", "a", "b"]
    assert balance(values, arms, [0, 0, 0, 1, 1, 1]).freedom == 0
    assert balance(values, arms, [0] * 6).statistic > 0


def test_it_is_as_often_beyond_its_limit_as_it_should_be():
    rng = np.random.default_rng(2)
    size = 90
    values = np.column_stack([rng.gamma(1, size=size), rng.random(size) < 0.3, np.ones(size)])
    blocks = np.repeat([0, 1], [30, 60])
    arms = np.repeat(["a", "b", "c"], 10).tolist() + np.repeat(["a", "b", "c"], 20).tolist()
    drawn = []
    for _draw in range(400):
        mixed = np.concatenate([rng.permutation(arms[:30]), rng.permutation(arms[30:])])
        drawn.append(balance(values, mixed, blocks))
    assert {one.freedom for one in drawn} == {4}
    assert np.mean([one.statistic for one in drawn]) == pytest.approx(4, abs=0.45)
    beyond = np.mean([one.statistic > chi2.ppf(0.95, 4) for one in drawn])
    assert 0.02 < beyond < 0.085


def test_where_nothing_could_differ_there_is_no_probability():
    assert np.isnan(balance([3, 3, 3, 3], ["a", "b", "a", "b"], [0] * 4).chance)
    assert np.isnan(balance([1, 2], ["a", "a"], [0, 0]).chance)
    assert np.isnan(balance([], [], []).chance)
