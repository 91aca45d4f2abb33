"""Spearman's rank correlation and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crmlab.errors import CrmlabError
from crmlab.stats.rank_correlation import spearman


def test_value_and_chance_are_those_of_scipy_with_ties():
    rng = np.random.default_rng(1)
    one = rng.integers(0, 6, 60).astype(float)
    other = one + rng.integers(0, 9, 60)
    expected = stats.spearmanr(one, other)
    found = spearman(one, other)
    assert found.value == pytest.approx(expected.statistic)
    assert found.chance == pytest.approx(expected.pvalue)


def test_interval_is_that_of_bonett_and_wright():
    # r = .7 from 30 pairs: artanh .7 = .8673, standard error √(1.245/27) = .21474
    rng = np.random.default_rng(0)
    found = spearman(np.arange(30), np.arange(30) + rng.normal(0, 9, 30))
    z, error = np.arctanh(found.value), np.sqrt((1 + found.value**2 / 2) / 27)
    assert np.arctanh([found.low, found.high]).tolist() == pytest.approx(
        [z - 1.959964 * error, z + 1.959964 * error], abs=1e-6
    )


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.8])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(strength):
    rng = np.random.default_rng(7)
    truth = 6 / np.pi * np.arcsin(strength / 2)  # of a bivariate normal
    held = 0
    for _time in range(600):
        one = rng.standard_normal(60)
        other = strength * one + np.sqrt(1 - strength**2) * rng.standard_normal(60)
        found = spearman(one, other)
        held += found.low <= truth <= found.high
    assert 0.92 < held / 600 < 0.98


def test_missing_pairs_do_not_count_and_what_does_not_vary_has_no_correlation():
    found = spearman([1, 2, 3, 4, np.nan, 6], [1, 3, 2, 5, 5, np.nan])
    assert found.n == 4
    assert found.value == pytest.approx(0.8)
    assert np.isnan(found.low)
    assert np.isnan(spearman([1, 1, 1, 1], [1, 2, 3, 4]).value)
    assert np.isnan(spearman([1, 2], [1, 2]).value)


def test_ranks_that_agree_wholly_have_no_interval():
    found = spearman([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1])
    assert found.value == -1
    assert np.isnan(found.low)
    with pytest.raises(CrmlabError):
        spearman([1, 2, 3], [1, 2, 3], confidence=95)
