"""How far predictions are certain: points about a fit, and what simulation says of intervals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import betaln

from crmlab.loyalty.alive import alive
from crmlab.loyalty.histories import fits
from crmlab.loyalty.uncertainty import interval, neighbours, spread
from crmlab.stats.lifetime import bg_nbd, gamma_gamma, pareto_nbd, sbg
from tests.stats.buyers import leaving_alike, simulated, spending


def made(fit, parameters):
    return replace(fit, parameters=parameters)


def test_neighbours_have_the_mean_and_the_covariance_of_the_parameters(company):
    fit = fits(company, "bg_nbd").fit
    logs = np.log([one.parameters for one in neighbours(fit)])
    assert logs.mean(axis=0) == pytest.approx(np.log(fit.parameters))
    assert np.cov(logs.T, ddof=0) == pytest.approx(fit.covariance)


def test_intervals_agree_with_hundreds_of_random_draws(company):
    found = fits(company, "pareto_nbd")
    groups, _group = found.histories.groups()
    seen = [groups[name].to_numpy(float) for name in ("frequency", "recency", "age")]
    many = groups["customers"].to_numpy(float)
    fit, random = found.fit, np.random.default_rng(1)
    logs = random.multivariate_normal(np.log(fit.parameters), fit.covariance, 300)
    drawn = [made(fit, one).alive(*seen) @ many for one in np.exp(logs)]
    row = alive(company, model="pareto_nbd").table.iloc[-1]
    low, high = np.quantile(drawn, [0.025, 0.975]) / many.sum()
    width = high - low
    assert row["alive_low"] == pytest.approx(low, abs=0.2 * width)
    assert row["alive_high"] == pytest.approx(high, abs=0.2 * width)


def test_a_certain_chance_has_no_interval():
    low, high = interval(np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 0.0]]), 0.95, "logit")
    assert low.tolist() == high.tolist() == [1.0, 0.0]


def test_weak_parameters_leave_a_prediction_as_certain_as_it_is():
    found = pareto_nbd(*leaving_alike(4000))
    assert found.weak == ("s", "beta")
    truth = 0.02 * 200 * (1 - np.exp(-1))
    error = float(spread([one.expected_new(200) for one in neighbours(found)]))
    assert 0.01 * truth < error < 0.1 * truth


# --- intervals hold as often as they say


def held(fit, what, truth, scale="log"):
    around = np.array([what(one) for one in neighbours(fit)])
    low, high = interval(what(fit), around, 0.95, scale)
    return low < truth < high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "true"), [(bg_nbd, (0.5, 30.0, 0.8, 2.4)), (pareto_nbd, (0.7, 20.0, 0.8, 90.0))]
)
def test_intervals_cover_what_new_customers_buy(model, true):
    found = []
    for seed in range(80):
        ages = np.random.default_rng(5000 + seed).uniform(60, 720, 1500)
        fit = model(*simulated(model.__name__, true, ages=ages, seed=6000 + seed), ages)
        truth = float(made(fit, np.array(true)).expected_new(365))
        found.append(held(fit, lambda one: float(one.expected_new(365)), truth))
    # 0.95 in large samples, with an error of 0.025.
    assert 0.86 < np.mean(found) <= 1


@pytest.mark.slow
def test_intervals_cover_the_mean_spend():
    true = (6.0, 4.0, 15.0)
    fits_of = (gamma_gamma(*spending(800, seed, true)) for seed in range(120))
    found = [held(fit, lambda one: one.mean, true[0] * true[2] / (true[1] - 1)) for fit in fits_of]
    assert 0.88 < np.mean(found) <= 0.99


def test_intervals_cover_what_is_left_in_the_end():
    random = np.random.default_rng(1)
    truth = np.exp(betaln(1.0, 6.0 + 12) - betaln(1.0, 6.0))
    found = []
    for _one in range(100):
        years = random.geometric(random.beta(1.0, 6.0, 500))
        fit = sbg(survival=[(years > year).mean() for year in range(1, 7)], customers=500)
        found.append(held(fit, lambda one: one.survival(12), truth, "logit"))
    assert 0.89 <= np.mean(found) <= 0.99
