"""Ordered regression with weights and clusters."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.ordered import ordered

RANDOM = np.random.default_rng(5)
SIZE = 300
X = pd.DataFrame(RANDOM.normal(size=(SIZE, 2)), columns=["a", "b"])
LATENT = X["a"] - 0.5 * X["b"] + RANDOM.logistic(size=SIZE)
Y = 1 + np.searchsorted([-2.0, -0.5, 1.0], LATENT)
CUSTOMER = np.arange(SIZE) // 3


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_without_weights_it_is_statsmodels(link):
    found = ordered(X, Y, clusters=CUSTOMER, link=link)
    peer = OrderedModel(Y, X, distr=link).fit(
        method="bfgs", disp=0, cov_type="cluster", cov_kwds={"groups": CUSTOMER}
    )
    assert found.table["coefficient"].to_numpy() == pytest.approx(peer.params[:2], abs=1e-4)
    half = (found.table["high"] - found.table["low"]) / 2
    assert half.to_numpy() == pytest.approx(1.9842 * peer.bse[:2], rel=1e-3)  # t with 99 df
    assert found.pseudo_r_squared == pytest.approx(peer.prsquared)


def test_a_weight_is_so_many_answers_of_the_customer():
    times = RANDOM.integers(1, 4, SIZE)
    often = np.repeat(np.arange(SIZE), times)
    weighted = ordered(X, Y, weights=times, clusters=CUSTOMER).table
    repeated = ordered(X.iloc[often], Y[often], clusters=CUSTOMER[often]).table
    pd.testing.assert_frame_equal(weighted, repeated, atol=2e-3, rtol=0)


def test_two_answers_are_a_plain_logit_and_only_their_order_counts():
    import statsmodels.api as sm

    high = (Y > 2).astype(int)
    found = ordered(X, np.where(high, 9, 4)).table["coefficient"]
    peer = sm.Logit(high, sm.add_constant(X)).fit(disp=0).params
    assert found.to_numpy() == pytest.approx(peer[["a", "b"]].to_numpy(), abs=1e-4)


def test_answers_that_a_rating_tells_apart_without_fail_are_refused():
    x = pd.DataFrame({"a": np.arange(20.0)})
    with pytest.raises(NotEnoughData, match="finds no end"):
        ordered(x, x["a"] > 9)


@pytest.mark.parametrize("third", [np.full(SIZE, 3.0), X["a"] - 2 * X["b"]])
def test_ratings_that_do_not_differ_or_follow_from_others_are_refused(third):
    with pytest.raises(NotEnoughData, match="none is the same in all answers or follows from"):
        ordered(X.assign(c=third), Y)


def test_answers_that_do_not_differ_are_refused():
    with pytest.raises(NotEnoughData, match="answers that differ"):
        ordered(X, np.ones(SIZE))
    with pytest.raises(CrmlabError, match="between 0 and 1"):
        ordered(X, Y, confidence=95)


def test_influences_of_the_answers_give_the_errors_and_cuts_rise():
    found = ordered(X, Y, clusters=CUSTOMER)
    sums = np.column_stack([np.bincount(CUSTOMER, column) for column in found.influence.T])
    # statsmodels' factors for few clusters and answers
    errors = np.sqrt((sums**2).sum(axis=0) * 100 / 99 * 299 / 295)
    half = (found.table["high"] - found.table["low"]).to_numpy() / 2 / 1.9842
    assert errors[:2] == pytest.approx(half, rel=1e-4)
    assert (np.diff(found.cuts) > 0).all()
    assert found.levels.tolist() == [1, 2, 3, 4]
    # Without an answer the others would give about what the influence says.
    most = int(np.abs(found.influence[:, 2]).argmax())
    without = ordered(X.drop(index=most), np.delete(Y, most))
    assert found.cuts[0] - without.cuts[0] == pytest.approx(found.influence[most, 2], rel=0.2)
