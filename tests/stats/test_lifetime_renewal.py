"""sBG: how many customers renew."""

import numpy as np
import pytest
from scipy.special import hyp2f1

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.lifetime import sbg
from crmlab.stats.lifetime_renewal import _log_likelihood

HIGH_END = [86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]


def cohorts(true, sizes, periods, seed):
    """Customers lost in each period, missing beyond what is observed, and those still there."""
    random = np.random.default_rng(seed)
    lost = np.full((len(sizes), max(periods)), np.nan)
    active = np.zeros(len(sizes))
    for row, (size, seen) in enumerate(zip(sizes, periods, strict=True)):
        life = random.geometric(random.beta(*true, size))
        lost[row, :seen] = [(life == period).sum() for period in range(1, seen + 1)]
        active[row] = (life > seen).sum()
    return lost, active


def test_shares_with_or_without_the_start_and_per_cent_are_the_counts_that_they_are_of():
    start = np.append(100, HIGH_END)
    shares = [sbg(survival=given) for given in (HIGH_END, start, start / 100)]
    shares.append(sbg(survival=HIGH_END, customers=1000))
    shares.append(sbg(-np.diff(10 * start), 491))
    for found in shares:
        assert found.parameters == pytest.approx(shares[0].parameters, rel=1e-4)
    assert shares[3].errors == pytest.approx(shares[4].errors, rel=1e-6)
    assert shares[4].log_likelihood == pytest.approx(-1611.158, abs=1e-3)
    assert shares[0].log_likelihood == pytest.approx(-1.611158, abs=1e-6)


def test_nothing_is_said_of_errors_where_the_number_of_customers_is_not_known():
    found = sbg(survival=HIGH_END)
    assert np.isnan(found.errors).all()
    assert np.isnan(found.covariance).all()


def test_retention_and_survival_are_those_of_the_model():
    found = sbg(survival=HIGH_END)
    alpha, beta = found.parameters
    retention = found.retention([1, 2, 3])
    assert retention == pytest.approx((beta + np.arange(3)) / (alpha + beta + np.arange(3)))
    assert found.survival([0, 1, 2, 3]) == pytest.approx(np.append(1, np.cumprod(retention)))
    assert found.survival([1, 7]) == pytest.approx([0.869, 0.491], abs=0.02)


@pytest.mark.parametrize("discount", [0.01, 0.1, 1.0])
def test_residual_lifetime_is_the_discounted_sum_and_the_published_form(discount):
    found = sbg(survival=HIGH_END)
    alpha, beta = found.parameters
    ahead = np.arange(4000)
    for renewals in (0, 1, 4):
        given = float(found.residual_lifetime(renewals, discount))
        there = found.survival(renewals + 1 + ahead) / found.survival(renewals)
        assert given == pytest.approx(there @ (1 + discount) ** -ahead.astype(float))
        # Fader and Hardie (2010), equation 6, with n = renewals + 1.
        n = renewals + 1
        front = (beta + n - 1) / (alpha + beta + n - 1)
        peer = front * hyp2f1(1, beta + n, alpha + beta + n, 1 / (1 + discount))
        assert given == pytest.approx(peer, rel=1e-9)
    assert found.residual_lifetime([[0, 1], [2, 3]], discount).shape == (2, 2)


def test_slopes_are_those_of_the_log_likelihood():
    from scipy.optimize import approx_fprime

    given = np.array([30.0, 20, 5]), np.array([70.0, 50, 20]), np.arange(3.0)
    point = np.log([0.7, 2.0])
    peer = approx_fprime(point, lambda log: _log_likelihood(np.exp(log), *given)[0], 1e-7)
    assert _log_likelihood(np.exp(point), *given)[1] == pytest.approx(peer, rel=1e-5)


@pytest.mark.parametrize("true", [(0.7, 3.8), (2.0, 1.0)])
def test_parameters_of_cohorts_of_unequal_length_are_found(true):
    lost, active = cohorts(true, [3000, 2500, 2000, 1500], [8, 6, 3, 1], seed=1)
    found = sbg(lost, active)
    assert found.customers == 9000
    assert (np.abs(found.parameters - true) < 3 * found.errors).all()
    assert (found.errors < 0.3 * np.array(true)).all()


@pytest.mark.slow
def test_intervals_hold_as_often_as_they_say():
    true, repeats = (0.7, 3.8), 120
    within = np.zeros(2)
    for seed in range(repeats):
        found = sbg(*cohorts(true, [800, 600], [7, 4], seed=seed))
        within += np.abs(np.log(found.parameters / true)) < 1.96 * found.errors / found.parameters
    assert (within / repeats > 0.9).all()


def test_where_all_renew_at_one_rate_how_customers_differ_is_weak():
    found = sbg(1000 * 0.8 ** np.arange(6) * 0.2, 1000 * 0.8**6)
    assert found.weak == ("alpha", "beta")
    assert np.isnan(found.errors).all()
    assert found.survival([1, 6, 12]) == pytest.approx([0.8, 0.8**6, 0.8**12], rel=0.01)
    assert found.residual_lifetime(3, 0.1) == pytest.approx(0.8 / (1 - 0.8 / 1.1), rel=0.01)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Give either"),
        ({"lost": [1, 2]}, "Give either"),
        ({"lost": [1, 2], "active": 3, "survival": [0.9, 0.8]}, "Give either"),
        ({"survival": [0.9, 0.8], "active": 3}, "Give either"),
        ({"lost": [1, 2], "active": 3, "customers": 9}, "goes with survival"),
        ({"survival": [0.9, 0.95]}, "must not grow"),
        ({"survival": [120, 90]}, "must not grow"),
        ({"survival": [0.9, np.nan]}, "must be numbers"),
        ({"survival": [0.9, 0.8], "customers": 0}, "above 0"),
        ({"lost": [1, -2], "active": 3}, "not below 0"),
        ({"lost": [1, 2], "active": np.nan}, "not below 0"),
        ({"lost": [[1, np.nan, 2]], "active": [3]}, "missing only at its end"),
        ({"lost": [[1, 2], [3, 4]], "active": [3]}, "a number for each cohort"),
    ],
)
def test_impossible_input_is_refused(given, message):
    with pytest.raises(CrmlabError, match=message):
        sbg(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"survival": [0.9]},
        {"survival": []},
        {"lost": [0, 0, 0], "active": 50},
        {"lost": [50, 0], "active": 0},
        {"lost": [0, 0], "active": 0},
    ],
)
def test_too_little_is_said(given):
    with pytest.raises(NotEnoughData, match="two periods"):
        sbg(**given)


def test_periods_and_discounts_are_judged():
    found = sbg(survival=HIGH_END)
    with pytest.raises(CrmlabError, match="counted"):
        found.survival(1.5)
    with pytest.raises(CrmlabError, match="period 1"):
        found.retention(0)
    with pytest.raises(CrmlabError, match="discount"):
        found.residual_lifetime(0, 0)
