"""BG/NBD and Pareto/NBD."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import gammaln, hyp2f1

from crmlab.errors import CrmlabError, NotConverged, NotEnoughData
from crmlab.stats import lifetime_bg, lifetime_pareto, likelihood
from crmlab.stats.lifetime import RepeatBuying, _grouped, bg_nbd, pareto_nbd
from tests.stats.buyers import leaving_alike, simulated, watched

CDNOW = pd.read_csv(Path(__file__).parent / "cdnow_sample.csv")
COLUMNS = ["frequency", "recency", "age"]
FITS = {"bg_nbd": bg_nbd, "pareto_nbd": pareto_nbd}
LAWS = {"bg_nbd": lifetime_bg, "pareto_nbd": lifetime_pareto}
#: Alpha above beta, and below it.
TRUE = {
    "bg_nbd": [(0.5, 30.0, 0.8, 2.4)],
    "pareto_nbd": [(0.55, 70.0, 0.9, 40.0), (0.7, 20.0, 0.8, 90.0)],
}
CASES = [(model, true) for model, several in TRUE.items() for true in several]


def cdnow(model, unit=1.0):
    x, recency, age = (CDNOW[name] for name in COLUMNS)
    return FITS[model](x, recency * unit, age * unit, customers=CDNOW["customers"])


def model_of(model, parameters):
    """A model with these parameters that was not fitted."""
    nothing = np.full(4, np.nan)
    return RepeatBuying(
        model,
        LAWS[model].NAMES,
        np.array(parameters),
        nothing,
        np.full((4, 4), np.nan),
        0,
        0,
        0,
        (),
    )


# --- the likelihood -----------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "true"), CASES)
def test_slopes_are_those_of_the_log_likelihood(model, true):
    buyers = _grouped(
        [0, 0, 1, 3, 40, 5000],
        [0, 0, 20, 3, 90, 80],
        [5, 100, 30, 90, 100, 95.0],
        [9, 1, 3, 1, 2, 1],
    )
    law, point = LAWS[model], np.log(true)
    _value, slope = law.log_likelihood(np.exp(point), buyers)
    peer = approx_fprime(point, lambda log: law.log_likelihood(np.exp(log), buyers)[0], 1e-7)
    assert slope == pytest.approx(peer, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("true", TRUE["pareto_nbd"])
def test_pareto_nbd_is_the_hypergeometric_form_of_the_literature(true):
    r, alpha, s, beta = true

    def published(x, recency, age):
        # Fader and Hardie (2005), A Note on Deriving the Pareto/NBD Model, equations 20 and 22.
        def part(at):
            if alpha >= beta:
                f = hyp2f1(r + s + x, s + 1, r + s + x + 1, (alpha - beta) / (alpha + at))
                return f / (alpha + at) ** (r + s + x)
            f = hyp2f1(r + s + x, r + x, r + s + x + 1, (beta - alpha) / (beta + at))
            return f / (beta + at) ** (r + s + x)

        there = (alpha + age) ** -(r + x) * (beta + age) ** -s
        gone = s / (r + s + x) * (part(recency) - part(age))
        front = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        return front + np.log(there + gone), there / (there + gone)

    fitted = model_of("pareto_nbd", true)
    for history in [(0, 0, 52), (1, 2, 52), (4, 50, 52), (25, 10, 39), (3, 0.5, 700), (2, 52, 52)]:
        value, alive = published(*history)
        found, _slope = lifetime_pareto.log_likelihood(np.array(true), _grouped(*history, None))
        assert found == pytest.approx(value, abs=1e-8)
        assert fitted.alive(*history) == pytest.approx(alive, abs=1e-9)


def test_bg_nbd_expects_what_the_hypergeometric_form_of_the_literature_does():
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    fitted = model_of("bg_nbd", (r, alpha, a, b))
    for time in (0.5, 39, 520):
        # Fader, Hardie and Lee (2005), equation 9.
        f = hyp2f1(r, b, a + b - 1, time / (alpha + time))
        new = (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + time)) ** r * f)
        assert fitted.expected_new(time) == pytest.approx(new, rel=1e-9)


@pytest.mark.parametrize("model", FITS)
def test_the_unit_of_time_changes_the_log_likelihood_by_its_log_a_purchase_and_nothing_else(model):
    weeks, days = cdnow(model), cdnow(model, 7)
    is_time = np.array(LAWS[model].TIMES)
    purchases = CDNOW["frequency"] @ CDNOW["customers"]
    assert days.parameters == pytest.approx(weeks.parameters * np.where(is_time, 7, 1), rel=1e-6)
    assert days.errors == pytest.approx(weeks.errors * np.where(is_time, 7, 1), rel=1e-6)
    lost = purchases * np.log(7)
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - lost, abs=1e-6)
    history = np.array([2, 30, 38])
    assert days.alive(*history * [1, 7, 7]) == pytest.approx(weeks.alive(*history), abs=1e-7)


@pytest.mark.parametrize("model", FITS)
def test_a_row_with_a_count_is_so_many_rows(model):
    each = CDNOW.loc[CDNOW.index.repeat(CDNOW["customers"])].sample(frac=1, random_state=1)
    assert len(each) == 2357
    together, apart = cdnow(model), FITS[model](*(each[name] for name in COLUMNS))
    assert apart.parameters == pytest.approx(together.parameters, rel=1e-9)
    assert apart.log_likelihood == pytest.approx(together.log_likelihood, abs=1e-7)
    assert (apart.customers, apart.repeat_buyers) == (2357, 946)


@pytest.mark.parametrize("model", FITS)
def test_errors_are_those_of_the_curvature_of_the_log_likelihood(model):
    found = cdnow(model)
    buyers = _grouped(*(CDNOW[name] for name in COLUMNS), CDNOW["customers"])

    def value(parameters):
        return LAWS[model].log_likelihood(parameters, buyers)[0]

    steps = np.diag(found.parameters * 1e-3)
    hessian = np.array(
        [
            [
                value(found.parameters + one + other)
                - value(found.parameters + one - other)
                - value(found.parameters - one + other)
                + value(found.parameters - one - other)
                for other in steps
            ]
            for one in steps
        ]
    ) / (4 * np.outer(steps.sum(axis=0), steps.sum(axis=0)))
    errors = np.sqrt(np.diagonal(np.linalg.inv(-hessian)))
    assert found.errors == pytest.approx(errors, rel=1e-3)


# --- what is predicted --------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "true"), CASES)
def test_purchases_of_new_customers_are_those_that_are_simulated(model, true):
    ages = np.full(200_000, 100.0)
    frequency, _recency = simulated(model, true, ages=ages, seed=4)
    fitted = model_of(model, true)
    error = frequency.std() / np.sqrt(len(ages))
    assert fitted.expected_new(100) == pytest.approx(frequency.mean(), abs=3.5 * error)
    for count in range(6):
        share = (frequency == count).mean()
        assert fitted.probability(count, 100) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(("model", "true"), CASES)
def test_chances_of_all_numbers_of_purchases_add_up_and_have_the_expected_mean(model, true):
    counts = np.arange(3000)
    chance = model_of(model, true).probability(counts, 80)
    assert chance.sum() == pytest.approx(1, abs=1e-9)
    assert chance @ counts == pytest.approx(float(model_of(model, true).expected_new(80)), rel=1e-7)


@pytest.mark.parametrize(("model", "true"), CASES)
def test_who_is_still_there_and_what_they_buy_is_as_simulated(model, true):
    now, later = 60.0, 110.0
    (x_later, _last, _there), (x, recency, there) = watched(
        model, true, ages=np.full(400_000, later), seed=5, before=later - now
    )
    fitted = model_of(model, true)
    for alike in (x == 0, (x == 1) & (recency < 30), (x == 2) & (recency > 40), x > 4):
        chance = fitted.alive(x[alike], recency[alike], now)
        error = np.sqrt(chance.mean() * (1 - chance.mean()) / alike.sum())
        assert there[alike].mean() == pytest.approx(chance.mean(), abs=3.5 * error + 1e-12)
        more = (x_later - x)[alike]
        expected = fitted.expected(later - now, x[alike], recency[alike], now)
        error = more.std() / np.sqrt(alike.sum())
        assert more.mean() == pytest.approx(expected.mean(), abs=3.5 * error)


def test_bg_nbd_takes_who_never_bought_again_for_a_customer_still():
    assert model_of("bg_nbd", TRUE["bg_nbd"][0]).alive([0, 0], [0, 0], [1, 5000]).tolist() == [1, 1]
    pareto = model_of("pareto_nbd", TRUE["pareto_nbd"][0]).alive([0, 0], [0, 0], [1, 5000])
    assert pareto[0] > 0.9 > 0.1 > pareto[1]


@pytest.mark.parametrize(("a", "s"), [(1.0, 1.0), (1 + 1e-9, 1 - 1e-9)])
def test_the_poles_of_the_formulas_are_none_of_the_model(a, s):
    for model, at, beside in (
        ("bg_nbd", (0.5, 30, a, 2), (0.5, 30, 1.0001, 2)),
        ("pareto_nbd", (0.5, 30, s, 50), (0.5, 30, 1.0001, 50)),
    ):
        for ask in (lambda one: one.expected_new(90), lambda one: one.expected(90, 2, 30, 40)):
            here, there = ask(model_of(model, at)), ask(model_of(model, beside))
            assert here == pytest.approx(float(there), rel=1e-3)


def test_expected_purchases_of_frequent_buyers_are_the_integral_over_the_chance_to_leave():
    r, alpha, a, b = 1.9, 0.24, 1.7, 30.0
    x, age, time = 5000, 500.0, 200.0
    given = lifetime_bg._of_new(np.array([time / (alpha + age)]), r + x, a, b + x)[0]

    def weighted(p):
        beta = gammaln(a + b + x) - gammaln(a) - gammaln(b + x)
        log = beta + (a - 2) * np.log(p) + (b + x - 1) * np.log1p(-p)
        return np.exp(log) * -np.expm1(-(r + x) * np.log1p(p * time / (alpha + age)))

    peer, _error = quad(weighted, 0, 1, points=[1e-5, 1e-4, 1e-3, 1e-2], limit=500)
    assert given == pytest.approx(peer, rel=1e-6)


@pytest.mark.parametrize("model", FITS)
@pytest.mark.parametrize("unit", [1, 1 / 7, 1 / 30.4, 86_400])
def test_very_frequent_buyers_break_nothing(model, unit):
    random = np.random.default_rng(3)
    age = random.uniform(300, 700, 400)
    frequency = random.poisson(random.gamma(2, 4, 400) * age)
    recency = np.where(frequency > 0, age * random.beta(np.maximum(frequency, 1), 1), 0)
    assert frequency.max() > 5000
    found = FITS[model](frequency, recency * unit, age * unit)
    history = np.array([5000, 5000, 0]), np.array([300, 500, 0]) * unit, 501 * unit
    alive, more = found.alive(*history), found.expected(100 * unit, *history)
    assert alive[0] < 1e-6
    assert alive[1] > 0.9
    assert more[1] == pytest.approx(1000, rel=0.1)
    assert np.isfinite(np.append(more, found.probability([0, 10, 5000], 500 * unit))).all()


# --- what is found ------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "true"), CASES)
def test_parameters_that_customers_were_simulated_with_are_found(model, true):
    ages = np.random.default_rng(1).uniform(60, 720, 6000)
    found = FITS[model](*simulated(model, true, ages=ages, seed=2), ages)
    assert found.weak == ()
    assert (np.abs(found.parameters - true) < 3 * found.errors).all()
    assert (found.errors < 0.5 * np.array(true)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("model", "true"), CASES)
def test_intervals_hold_as_often_as_they_say(model, true):
    repeats, within = 80, np.zeros(4)
    for seed in range(repeats):
        ages = np.random.default_rng(5000 + seed).uniform(60, 720, 1500)
        found = FITS[model](*simulated(model, true, ages=ages, seed=6000 + seed), ages)
        log_error = found.errors / found.parameters
        within += np.abs(np.log(found.parameters / true)) < 1.96 * log_error
    # 0.95 in large samples; of 1,500 customers somewhat less, with an error of 0.025.
    assert (within / repeats > 0.86).all()


def test_where_all_leave_at_one_rate_its_distribution_is_weak_and_the_rest_right():
    found = pareto_nbd(*leaving_alike(4000))
    assert found.weak == ("s", "beta")
    assert np.isnan(found.errors).tolist() == [False, False, True, True]
    r, _alpha, s, beta = found.parameters
    assert s / beta == pytest.approx(1 / 200, rel=0.15)
    assert r == pytest.approx(0.5, abs=3 * found.errors[0])
    truth = 0.02 * 200 * (1 - np.exp(-1))
    assert found.expected_new(200) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("model", FITS)
def test_where_nobody_leaves_all_are_alive(model):
    random = np.random.default_rng(3)
    age = random.uniform(100, 700, 3000)
    frequency = random.poisson(random.gamma(0.5, 0.04, 3000) * age)
    recency = np.where(frequency > 0, age * random.beta(np.maximum(frequency, 1), 1), 0)
    found = FITS[model](frequency, recency, age)
    assert found.weak == found.names[2:]
    assert found.errors[0] < 0.05
    assert (found.alive([3, 20], [350, 390], 400) > 0.95).all()


# --- what cannot be fitted ----------------------------------------------------------------------


@pytest.mark.parametrize("fit", FITS.values())
@pytest.mark.parametrize(
    ("history", "message"),
    [
        (([1, 2], [5, np.nan], [9, 9]), "1 of 2 customers lack .*.row 2: 2.0, nan, 9.0"),
        (([1, 2], [5, 5], [9, np.inf]), "1 of 2 customers lack"),
        (([1, -2, -1], [5, 5, 5], [9, 9, 9]), "2 of 3 customers .* below 0 .row 2: -2.0"),
        (([1, 2.5], [5, 5], [9, 9]), "1 of 2 customers .* not a whole number .row 2: 2.5"),
        (([1, 2], [5, 9.1], [9, 9]), "1 of 2 customers .* recency after their age .row 2: 9.1"),
        (([1, 0], [5, 3], [9, 9]), "1 of 2 customers .* no repeat purchase .row 2: 3.0"),
    ],
)
def test_impossible_histories_are_counted_and_shown(fit, history, message):
    with pytest.raises(CrmlabError, match=message):
        fit(*history)
    with pytest.raises(CrmlabError, match=message):
        model_of("bg_nbd", TRUE["bg_nbd"][0]).alive(*history)


def test_a_recency_that_rounding_puts_after_the_age_is_the_age():
    age = CDNOW["age"].to_numpy() / 3
    last = np.where(CDNOW["frequency"] > 0, age * (1 + 1e-12), 0)
    assert bg_nbd(CDNOW["frequency"], last, age).parameters.shape == (4,)


@pytest.mark.parametrize("fit", FITS.values())
def test_too_few_repeat_buyers_are_said(fit):
    with pytest.raises(NotEnoughData, match="9 of 109 customers bought again"):
        fit([0, 1, 2, 3], [0, 4, 5, 6], [9, 9, 9, 9], customers=[100, 3, 3, 3])
    with pytest.raises(NotEnoughData, match="0 of 0 customers"):
        fit([], [], [])


@pytest.mark.parametrize("fit", FITS.values())
def test_histories_without_variation_are_said(fit):
    with pytest.raises(NotEnoughData, match="only 2 different histories"):
        fit([0, 3], [0, 5], [9, 9], customers=[50, 50])
    with pytest.raises(NotEnoughData, match="finer unit"):
        fit([0, 1, 2, 3], [0, 0, 0, 0], [9, 9, 8, 7], customers=[50, 50, 50, 50])


def test_counts_and_times_to_come_are_judged():
    fitted = model_of("bg_nbd", TRUE["bg_nbd"][0])
    with pytest.raises(CrmlabError, match="customers must be"):
        bg_nbd([1, 2], [1, 2], [3, 3], customers=[1, -1])
    with pytest.raises(CrmlabError, match="customers must be"):
        bg_nbd([1, 2], [1, 2], [3, 3], customers=[1])
    with pytest.raises(CrmlabError, match="look ahead"):
        fitted.expected_new(-1)
    with pytest.raises(CrmlabError, match="counted"):
        fitted.probability(0.5, 3)
    assert fitted.expected_new(0) == 0
    assert fitted.expected(0, [0, 2], [0, 3], 5).tolist() == [0, 0]


def test_a_search_without_an_end_is_said(monkeypatch):
    monkeypatch.setattr(likelihood, "TURNS", 1)
    with pytest.raises(NotConverged, match="extreme values"):
        cdnow("bg_nbd")


def test_very_many_histories_start_from_a_part_of_them(monkeypatch):
    from crmlab.stats import lifetime

    whole = cdnow("bg_nbd")
    monkeypatch.setattr(lifetime, "START_HISTORIES", 100)
    assert cdnow("bg_nbd").parameters == pytest.approx(whole.parameters, rel=1e-5)
