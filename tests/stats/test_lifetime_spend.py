"""Gamma-Gamma: what customers spend a purchase."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import gamma

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.lifetime import gamma_gamma
from crmlab.stats.lifetime_spend import _log_likelihood
from tests.stats.buyers import spending

CDNOW = pd.read_csv(Path(__file__).parent / "cdnow_sample.csv").query("frequency > 0")
TRUE = (6.0, 4.0, 15.0)


def test_the_log_likelihood_is_that_of_gammas_mixed_over_customers():
    p, q, v = TRUE

    def mixed(x, z):
        # The mean of x gammas with shape p and a rate is gamma with px and x times the rate.
        return quad(
            lambda rate: (
                gamma.pdf(z, p * x, scale=1 / (x * rate)) * gamma.pdf(rate, q, scale=1 / v)
            ),
            0,
            5,
        )[0]

    for x, z in [(1, 30.0), (4, 22.0), (9, 55.0)]:
        one = np.array([float(x)]), np.array([z]), np.ones(1)
        found, _slope = _log_likelihood(np.array(TRUE), *one, one[0], np.ones(1))
        assert found == pytest.approx(np.log(mixed(x, z)), abs=1e-7)


def test_slopes_are_those_of_the_log_likelihood():
    x, z = spending(200, seed=2, true=TRUE)
    counts, of_count = np.unique(x, return_counts=True)

    def value(log):
        return _log_likelihood(np.exp(log), x, z, np.ones(200), counts, of_count)

    point = np.log([3.0, 2.0, 30.0])
    peer = approx_fprime(point, lambda log: value(log)[0], 1e-7)
    assert value(point)[1] == pytest.approx(peer, rel=1e-4)


@pytest.mark.parametrize("true", [TRUE, (2.0, 2.5, 400.0)])
def test_parameters_that_customers_were_simulated_with_are_found(true):
    found = gamma_gamma(*spending(5000, seed=1, true=true))
    assert (np.abs(found.parameters - true) < 3 * found.errors).all()
    assert (found.errors < 0.3 * np.array(true)).all()
    assert found.mean == pytest.approx(true[0] * true[2] / (true[1] - 1), rel=0.05)


@pytest.mark.slow
def test_intervals_hold_as_often_as_they_say():
    repeats, within = 120, np.zeros(3)
    for seed in range(repeats):
        found = gamma_gamma(*spending(800, seed=seed, true=TRUE))
        error = found.errors / found.parameters
        within += np.abs(np.log(found.parameters / TRUE)) < 1.96 * error
    assert (within / repeats > 0.88).all()


def test_the_unit_of_money_and_counted_rows_change_nothing():
    once = gamma_gamma(CDNOW["frequency"], CDNOW["spend"])
    cents = gamma_gamma(CDNOW["frequency"], 100 * CDNOW["spend"])
    assert cents.parameters == pytest.approx(once.parameters * [1, 1, 100], rel=1e-6)
    assert cents.errors == pytest.approx(once.errors * [1, 1, 100], rel=1e-6)
    assert cents.log_likelihood == pytest.approx(once.log_likelihood - 946 * np.log(100), abs=1e-6)
    twice = gamma_gamma(CDNOW["frequency"], CDNOW["spend"], customers=np.full(946, 2))
    assert twice.parameters == pytest.approx(once.parameters, rel=1e-6)
    assert twice.errors == pytest.approx(once.errors / np.sqrt(2), rel=1e-5)


def test_expected_spend_moves_from_the_population_to_the_customer_as_purchases_grow():
    found = gamma_gamma(CDNOW["frequency"], CDNOW["spend"])
    expected = found.expected([0, 1, 5, 10_000], [0, 100, 100, 100])
    assert expected[0] == pytest.approx(found.mean)
    assert (np.diff(expected) > 0).all()
    assert expected[3] == pytest.approx(100, rel=1e-3)
    # Of customers like those simulated, the mean of one more purchase.
    random = np.random.default_rng(7)
    rate = random.gamma(TRUE[1], 1 / TRUE[2], 400_000)
    first, second = random.gamma(TRUE[0], size=(2, 400_000)) / rate
    alike = np.abs(first - 60) < 3
    fitted = gamma_gamma(*spending(100_000, seed=1, true=TRUE))
    assert second[alike].mean() == pytest.approx(float(fitted.expected(1, 60)), rel=0.03)


def test_where_all_purchases_of_a_customer_are_alike_their_shape_is_weak():
    random = np.random.default_rng(1)
    spend = 90 / random.gamma(4, size=2000)
    found = gamma_gamma(random.integers(1, 9, 2000), spend)
    assert found.weak == ("p", "v")
    assert np.isnan(found.errors).tolist() == [True, False, True]
    assert found.parameters[1] == pytest.approx(4, abs=3 * found.errors[1])
    assert found.mean == pytest.approx(30, rel=0.1)
    assert found.expected(5, 80) == pytest.approx(80, rel=0.01)


@pytest.mark.parametrize(("p", "many"), [(1.0, 10), (6.0, 100), (10.0, 10_000)])
def test_where_all_customers_are_alike_how_they_differ_is_weak(p, many):
    x = np.repeat(np.arange(1, 6), 200)
    place = np.tile((np.arange(200) + 0.5) / 200, 5)
    # Every customer's purchases are gamma about the same mean of 90.
    found = gamma_gamma(x, gamma.ppf(place, p * x, scale=90 / p / x), customers=np.full(1000, many))
    assert found.weak == ("q", "v")
    assert found.parameters[0] == pytest.approx(p, rel=0.02)
    assert found.mean == pytest.approx(90, rel=1e-3)
    assert found.expected([0, 1, 5], [0, 40, 40]) == pytest.approx(90, rel=0.01)


def test_no_mean_of_the_population_where_its_tail_is_too_long():
    random = np.random.default_rng(1)
    spend = random.gamma(5, size=3000) / random.gamma(0.7, size=3000)
    found = gamma_gamma(np.ones(3000), spend)
    assert found.parameters[1] < 1
    assert found.mean == np.inf
    assert found.expected(0, 0) == np.inf
    assert np.isfinite(found.expected(1, 10))


def test_customers_without_purchases_or_spend_are_counted_and_refused():
    with pytest.raises(CrmlabError, match=r"2 of 4 customers .*row 2: frequency 0.0, spend 5.0"):
        gamma_gamma([1, 0, 3, 2], [5, 5, 5, 0])
    with pytest.raises(CrmlabError, match="1 of 2 customers"):
        gamma_gamma([1, 2], [5, np.nan])
    with pytest.raises(CrmlabError, match="for each row"):
        gamma_gamma([1, 2], [5])
    with pytest.raises(CrmlabError, match="customers must be"):
        gamma_gamma([1, 2], [5, 6], customers=[1, np.nan])
    with pytest.raises(CrmlabError, match="Frequency must not"):
        gamma_gamma(*spending(100, seed=1, true=TRUE)).expected(2, np.nan)


def test_too_few_customers_and_spends_all_alike_are_said():
    with pytest.raises(NotEnoughData, match="9 customers"):
        gamma_gamma(*spending(9, seed=1, true=TRUE))
    with pytest.raises(NotEnoughData, match="All 40 customers spend the same"):
        gamma_gamma(np.arange(1, 41), np.full(40, 12.3))
