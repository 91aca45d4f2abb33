"""Holm's rule, where some findings cannot be judged."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from crmlab.stats.multiplicity import holm


def test_each_probability_is_multiplied_by_the_findings_left():
    holds, adjusted = holm([0.03, 0.005, 0.02, 0.9], 0.05)
    assert adjusted == pytest.approx([0.06, 0.02, 0.06, 0.9])
    assert holds.tolist() == [False, True, False, False]


def test_what_is_not_judged_takes_nothing_from_the_others():
    holds, adjusted = holm([np.nan, 0.02, np.nan, 0.04], 0.05)
    assert holds.tolist() == [False, True, False, True]
    assert adjusted[[1, 3]] == pytest.approx([0.04, 0.04])
    assert np.isnan(adjusted[[0, 2]]).all()


def test_nothing_to_judge_finds_nothing():
    holds, adjusted = holm([np.nan], 0.05)
    assert not holds.any()
    assert np.isnan(adjusted).all()
    assert len(holm([], 0.05)[0]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_rule_of_statsmodels(seed):
    chances = np.random.default_rng(seed).beta(0.3, 2, 12).round(3)
    holds, adjusted = holm(chances, 0.05)
    expected = multipletests(chances, 0.05, method="holm")
    assert holds.tolist() == expected[0].tolist()
    assert adjusted == pytest.approx(expected[1])
