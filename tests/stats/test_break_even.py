import numpy as np
import pytest

from crmlab.stats.break_even import break_even


def test_at_the_break_even_profit_is_that_without_the_programme():
    cost, margin = np.array([1.0, 3.0, 2.0]), np.array([20.0, 61.0, 30.0])
    lift = break_even(cost, margin).value
    assert margin.sum() - cost.sum() == pytest.approx(margin.sum() / (1 + lift))


def test_at_the_break_even_of_more_points_profit_is_that_of_the_usual_ones():
    cost, margin = np.array([1.0, 3.0, 2.0]), np.array([20.0, 61.0, 30.0])
    for multiple in (1.5, 2.0, 5.0):
        lift = break_even(cost, margin, multiple=multiple).value
        after = (1 + lift) * (margin.sum() - multiple * cost.sum())
        assert after == pytest.approx(margin.sum() - cost.sum())


def test_a_margin_below_the_cost_has_no_break_even():
    assert np.isnan(break_even([2, 2, 2], [1, 1, 1]).value)
    assert np.isnan(break_even([1, 1, 1], [1.5, 1.5, 1.5], multiple=2).value)
    assert np.isnan(break_even([1], [10]).value)


def test_where_one_customer_decides_there_is_no_interval():
    found = break_even([1, 1, 1], [100, 0.1, 0.1])
    assert np.isfinite(found.value)
    assert np.isnan(found.low)


def test_the_interval_is_that_of_the_jackknife_and_not_below_zero():
    # Without one of the three customers each time, and with all: 6/49.
    found = break_even([1, 2, 3], [5, 21, 29])
    without = np.array([5 / 45, 4 / 30, 3 / 23])
    error = np.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    assert found.value == pytest.approx(6 / 49)
    assert found.high - found.value == pytest.approx(4.302653 * error)  # t with 2
    assert break_even([0, 0, 9], [100, 100, 20]).low == 0


def test_intervals_hold_the_true_break_even_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = 0
    for _draw in range(400):
        spend = rng.lognormal(0, 1, 200)
        cost, margin = 0.02 * spend, spend * rng.normal(0.3, 0.1, 200)
        found = break_even(cost, margin, multiple=2)
        held += found.low < 0.02 / 0.26 < found.high
    assert 366 <= held <= 392
