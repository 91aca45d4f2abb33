"""R² shared out among drivers that overlap."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats import relative_importance
from crmlab.stats.intervals import times_drawn
from crmlab.stats.relative_importance import (
    correlations,
    covariances,
    lmg,
    resampled,
    shares_of,
    sums,
)

RANDOM = np.random.default_rng(4)
SIZE = 120
X = pd.DataFrame(RANDOM.normal(size=(SIZE, 4)), columns=["a", "b", "c", "d"])
X["b"] += X["a"]
Y = X["a"] + 0.5 * X["b"] - X["c"] + RANDOM.normal(0, 2, SIZE)
WEIGHTS = RANDOM.uniform(0.5, 4, SIZE)


def r_squared(names):
    design = sm.add_constant(X[list(names)]) if names else np.ones(SIZE)
    return sm.WLS(Y, design, weights=WEIGHTS).fit().rsquared if names else 0.0


def test_a_share_is_the_mean_of_what_a_driver_adds_in_every_order():
    added = {name: [] for name in X}
    for order in itertools.permutations(X):
        for place, name in enumerate(order):
            added[name].append(r_squared(order[: place + 1]) - r_squared(order[:place]))
    expected = [np.mean(added[name]) for name in X]
    found = lmg(X, Y, WEIGHTS)
    assert found.table["lmg"].to_numpy() == pytest.approx(expected, abs=1e-10)
    assert found.table.index.tolist() == list(X)
    assert (found.table["error"] == 0).all()


def test_shares_sum_to_r_squared_and_last_is_what_is_lost_without_the_driver():
    found = lmg(X, Y, WEIGHTS)
    whole = r_squared(list(X))
    assert found.table["lmg"].sum() == pytest.approx(whole)
    assert found.r_squared == pytest.approx(whole)
    lost = [whole - r_squared([other for other in X if other != name]) for name in X]
    assert found.table["last"].to_numpy() == pytest.approx(lost)
    assert found.table["first"].to_numpy() == pytest.approx([r_squared([name]) for name in X])


def test_drivers_that_do_not_overlap_are_given_their_own_r_squared():
    corners = pd.DataFrame(list(itertools.product([-1.0, 1], repeat=3)), columns=["a", "b", "c"])
    table = lmg(corners, corners @ [3, 2, 1]).table
    for way in ("lmg", "first", "last", "betasq"):
        assert table[way].to_numpy() == pytest.approx([9 / 14, 4 / 14, 1 / 14])


def test_a_weight_is_so_many_cases():
    times = RANDOM.integers(1, 4, SIZE)
    often = np.repeat(np.arange(SIZE), times)
    weighted, repeated = lmg(X, Y, times), lmg(X.iloc[often], Y.iloc[often])
    pd.testing.assert_frame_equal(weighted.table, repeated.table)


def test_a_driver_that_is_the_sum_of_others_shares_with_them_and_adds_nothing_last():
    found = lmg(X.assign(e=X["a"] + X["c"]), Y)
    assert found.r_squared == pytest.approx(lmg(X, Y).r_squared)
    assert found.table.loc["e", "lmg"] > 0
    assert found.table.loc["e", "last"] == pytest.approx(0, abs=1e-8)
    assert found.table.loc["b", "last"] > 0


def test_orders_drawn_at_random_come_close_and_say_how_close(monkeypatch):
    exact = lmg(X, Y).table["lmg"]
    monkeypatch.setattr(relative_importance, "EXACT", 3)
    drawn = lmg(X, Y)
    assert drawn.r_squared == pytest.approx(exact.sum())
    assert (drawn.table["error"] > 0).all()
    assert (drawn.table["error"] < 0.01).all()
    assert ((drawn.table["lmg"] - exact).abs() < 4 * drawn.table["error"]).all()


def test_what_does_not_differ_has_no_importance():
    with pytest.raises(NotEnoughData, match="differ"):
        lmg(X.assign(a=7.3), Y)
    with pytest.raises(NotEnoughData, match="at least 3 cases; there are 2"):
        lmg(X.head(2), Y.head(2))
    with pytest.raises(CrmlabError, match="up to 20; these are 21"):
        shares_of(np.eye(22)[None])


def test_every_draw_is_the_regression_of_the_customers_drawn():
    columns = np.column_stack([X, Y])
    customers = np.arange(SIZE) // 3
    draws = resampled(columns, WEIGHTS, customers, resamples=5, seed=2)
    times = times_drawn(5, SIZE // 3, np.random.default_rng(2))
    assert draws.shape == (5, 6, 6)
    expected = lmg(X, Y, WEIGHTS * times[3][customers])
    shares = shares_of(correlations(draws))[3]
    assert shares == pytest.approx(expected.table["lmg"].to_numpy())
    again = resampled(columns, WEIGHTS, customers, resamples=5, seed=2)
    np.testing.assert_array_equal(draws, again)


def test_sums_give_weighted_covariances():
    columns = X.to_numpy()
    expected = np.cov(columns.T, aweights=WEIGHTS, ddof=0)
    assert covariances(sums(columns, WEIGHTS))[0] == pytest.approx(expected)


def test_many_draws_are_worked_on_in_parts(monkeypatch):
    together = correlations(resampled(X.to_numpy(), np.ones(SIZE), np.arange(SIZE), resamples=9))
    whole = shares_of(together)
    monkeypatch.setattr(relative_importance, "CELLS", 100)
    assert shares_of(together) == pytest.approx(whole)
