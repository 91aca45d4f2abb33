import numpy as np
import pytest

from crmlab.stats.confounding import e_value, fieller


def test_a_ratio_below_1_needs_as_strong_a_confounder_as_its_inverse():
    assert e_value(0.5) == pytest.approx(e_value(2.0))
    assert e_value(1.0) == 1
    assert np.isnan(e_value(0.0))
    assert np.isnan(e_value(np.nan))


def test_fiellers_limits_are_those_that_a_t_test_just_does_not_reject():
    values, covariance = np.array([3.0, 1.5]), np.array([[0.2, 0.03], [0.03, 0.05]])
    found = fieller(values, covariance, 12)
    for limit in found[1:3]:
        apart = values @ [1, -limit]
        error = np.sqrt([1, -limit] @ covariance @ [1, -limit])
        assert abs(apart) / error == pytest.approx(2.1788, abs=1e-4)


def test_where_the_denominator_may_be_0_the_ratio_has_no_limits():
    found = fieller([3.0, 0.1], [[0.1, 0], [0, 0.1]], 50)
    assert found.value == pytest.approx(30)
    assert np.isnan(found.low)
    assert np.isnan(fieller([1.0, 0.0], np.eye(2), 50).value)
