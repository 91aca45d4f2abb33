import numpy as np
import pytest
from scipy.stats import binom

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.price_meter import crossing, crossing_interval


def drawn_crossing(falling, rising, weights):
    """Middle of the prices on a fine grid where the curves of shares change places."""
    grid = np.arange(0, 60, 0.01)
    falls = (weights * (falling[:, None] >= grid[None, :] - 1e-9).T).sum(axis=1)
    rises = (weights * (rising[:, None] <= grid[None, :] + 1e-9).T).sum(axis=1)
    below, above = grid[rises < falls].max(), grid[rises > falls].min()
    return (below + above) / 2


@pytest.mark.parametrize("seed", range(8))
def test_the_pooled_median_is_where_the_drawn_curves_change_places(seed):
    random = np.random.default_rng(seed)
    falling = random.normal(20, 6, 25).round(1)
    rising = random.normal(28, 6, 25).round(1)
    weights = random.integers(1, 4, 25).astype(float)
    found = crossing(falling, rising, weights=weights)
    assert found == pytest.approx(drawn_crossing(falling, rising, weights), abs=0.02)


def test_a_weight_counts_as_so_many_respondents():
    falling, rising, weights = [10, 14, 13], [15, 12, 20], [3, 1, 2]
    repeated = crossing(np.repeat(falling, weights), np.repeat(rising, weights))
    assert crossing(falling, rising, weights=weights) == repeated


def test_where_the_curves_coincide_it_is_the_middle():
    assert crossing([10, 12], [20, 30]) == 16
    assert crossing([10, 10, 10], [10, 10, 10]) == 10


def test_one_respondent_is_enough_for_a_crossing_and_none_is_not():
    assert crossing([4], [6]) == 5
    with pytest.raises(NotEnoughData, match="Nobody named prices"):
        crossing([], [])
    with pytest.raises(CrmlabError, match="Prices must be given"):
        crossing([1, np.nan], [2, 3])


def test_the_interval_holds_the_prices_that_a_sign_test_does_not_reject():
    falling, rising = np.arange(11, 31), np.arange(16, 36)
    low, high = crossing_interval(falling, rising, weights=np.ones(20), clusters=range(20))
    passed = []
    for price in np.unique([falling, rising]):
        up, down = int((rising <= price).sum()), int((falling >= price).sum())
        one = sum(binom.pmf(n, up + down, 0.5) for n in range(max(up, down) + 1, up + down + 1))
        if one + binom.pmf(max(up, down), up + down, 0.5) / 2 >= 0.025:
            passed.append(price)
    assert (low, high) == (min(passed), max(passed))
    assert low < crossing(falling, rising) < high


def test_a_wider_confidence_and_fewer_clusters_give_a_wider_interval():
    random = np.random.default_rng(2)
    falling = random.normal(15, 3, 80).round(1)
    rising = falling + random.uniform(2, 6, 80).round(1)
    ones, each, tens = np.ones(80), np.arange(80), np.arange(80) // 10

    def width(clusters, confidence=0.95):
        low, high = crossing_interval(
            falling, rising, weights=ones, clusters=clusters, confidence=confidence
        )
        return high - low

    assert width(each, 0.8) < width(each) < width(each, 0.99)
    assert width(np.sort(falling).searchsorted(falling) // 10) > width(each)
    assert np.isfinite(width(tens))


def test_weights_of_the_same_size_do_not_narrow_it():
    falling, rising = np.arange(11, 31), np.arange(16, 36)
    once, tenfold = (
        crossing_interval(falling, rising, weights=np.full(20, size), clusters=range(20))
        for size in (1, 10)
    )
    assert once == tenfold


def test_a_few_respondents_have_no_interval():
    found = crossing_interval([10, 11, 12], [13, 14, 15], weights=[1] * 3, clusters=range(3))
    assert np.isnan(found).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("customers", "steps"), [(60, (-0.5, 0.5)), (60, (-0.2, 0.2)), (200, (-0.5, 0.2))]
)
def test_the_intervals_hold_the_crossing(customers, steps):
    random = np.random.default_rng(11)
    truth, who = 18 * np.exp(sum(steps) / 2), np.arange(2 * customers) // 2
    held = []
    for _draw in range(300):
        own = np.repeat(np.log(18) + 0.25 * random.normal(size=customers), 2)
        low, high = (
            np.exp(own + step + random.uniform(-0.1, 0.1, 2 * customers)).round(1) for step in steps
        )
        weights = random.choice([1.0, 3.0], 2 * customers, p=[0.8, 0.2])
        ends = crossing_interval(low, high, weights=weights, clusters=who)
        held.append(ends[0] <= truth <= ends[1])
    assert np.mean(held) > 0.92
