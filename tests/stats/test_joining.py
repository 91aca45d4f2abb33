import numpy as np
import pytest

from crmlab.errors import NotEnoughData
from crmlab.stats.joining import joining


def simulated(rng, units=300, months=18, effect=1.0, before_effect=1.0, join_at=None, busier=1.0):
    """Counts of units of which a third join in some month, with a season common to all."""
    rate = rng.gamma(2, 0.5, units)
    season = np.exp(0.3 * np.sin(np.arange(months)))
    joined = np.full(units, np.nan)
    some = rng.random(units) < 0.33
    rate[some] *= busier
    joined[some] = rng.integers(3, months - 4, some.sum()) if join_at is None else join_at
    mean = rate[:, None] * season
    month = np.arange(months)
    mean = mean * np.where(month > joined[:, None], effect, 1.0)
    mean = mean * np.where(month == joined[:, None] - 1, before_effect, 1.0)
    return rng.poisson(mean), joined, np.zeros(units, int)


def test_joiners_of_one_month_give_the_ratio_of_ratios():
    counts = [[2, 4, 9, 6], [3, 3, 3, 3], [1, 2, 0, 5], [0, 0, 7, 9]]
    joined = [2, np.nan, np.nan, np.nan]
    found = joining(counts, joined, [0, 0, 0, 0], before=2, after=1)
    # The last one bought nothing before and counts as well; the joiner's 6 stand against the
    # others' 17 of 9 before.
    assert np.exp(found.after) == pytest.approx(6 / (6 * 17 / 9))
    assert np.exp(found.values[2]) == pytest.approx(9 / (6 * 10 / 9))
    assert np.exp(found.level) == pytest.approx(6 / (9 / 3))
    assert (found.joiners, found.others) == (1, 3)


def test_those_who_joined_before_are_nobodys_comparison():
    counts = np.array([[5, 5, 50, 50, 50, 50], [5, 5, 5, 5, 50, 50], [5, 5, 5, 5, 5, 5]])
    found = joining(counts, [1, 3, np.nan], [0, 0, 0], before=1, after=2)
    # With the first one beside the second, the second would seem to change by less.
    assert np.exp(found.after) == pytest.approx(10)


def test_those_who_join_soon_after_are_nobodys_comparison():
    counts = np.array([[5, 5, 5, 5], [5, 5, 50, 50], [5, 5, 5, 5]])
    found = joining(counts, [1, 2, np.nan], [0, 0, 0], before=1, after=2)
    assert np.exp(found.after) == pytest.approx(1)
    assert found.others == 1


def test_the_error_is_nearly_that_of_the_jackknife():
    rng = np.random.default_rng(4)
    # Fewer others than joiners, so that their part of the error matters.
    counts, joined, first = simulated(rng, units=80, months=9)
    joined[:55], joined[55:] = np.where(rng.random(55) < 0.5, 3, 5), np.nan
    found = joining(counts, joined, first, before=2, after=2)
    without = []
    for unit in range(80):
        kept = np.arange(80) != unit
        part = joining(counts[kept], joined[kept], first[kept], before=2, after=2)
        without.append([*part.values, part.after, part.level])
    jackknife = np.sqrt(79 / 80 * ((np.array(without) - np.mean(without, axis=0)) ** 2).sum(axis=0))
    assert np.sqrt((found.moved**2).sum(axis=0)) == pytest.approx(jackknife, rel=0.12)


def test_few_units_widen_the_interval():
    counts = [[4, 4, 6], [2, 2, 5], [3, 3, 3], [5, 5, 4]]
    found = joining(counts, [1, 1, np.nan, np.nan], [0] * 4, before=1, after=1)
    error = np.sqrt(2 * (found.moved[:, -2] ** 2).sum())  # of two on either side
    one = found.estimate(-2)
    assert one.high - one.value == pytest.approx(12.706205 * error)  # t with 1


def test_units_that_are_new_do_not_count():
    counts = [[2, 4, 6], [3, 3, 3], [9, 9, 9]]
    found = joining(counts, [1, np.nan, np.nan], [0, 0, 1], before=1, after=1)
    assert found.others == 1


def test_intervals_hold_the_true_ratio_as_often_as_they_say():
    rng = np.random.default_rng(11)
    held, level, placebo = 0, 0, 0
    for _draw in range(200):
        found = joining(*simulated(rng, effect=1.3), before=3, after=3)
        one, busier = found.estimate(-2), found.estimate(-1)
        held += one.low < np.log(1.3) < one.high
        level += busier.low < 0 < busier.high
        placebo += found.chance_before(3) < 0.05
    assert 182 <= held <= 198
    assert 182 <= level <= 198
    assert placebo <= 20


def test_that_joiners_are_busier_is_no_change():
    rng = np.random.default_rng(13)
    held = 0
    for _draw in range(100):
        counts, joined, first = simulated(rng, busier=4.0)
        counts = rng.binomial(counts.astype(int), 0.3)  # many others have none in three months
        found = joining(counts, joined, first, before=3, after=6)
        one = found.estimate(-2)
        held += one.low < 0 < one.high
    # Were those alone compared who counted something before, it would be 7 of 100.
    assert held >= 89


def test_a_run_up_before_joining_is_found():
    rng = np.random.default_rng(12)
    found = joining(*simulated(rng, units=900, before_effect=1.8), before=3, after=3)
    assert found.chance_before(3) < 0.01
    assert found.values[2] > 0.2


def test_what_cannot_be_compared_is_said():
    counts = np.ones((4, 6))
    with pytest.raises(NotEnoughData, match="Nobody joined in the data"):
        joining(counts, [np.nan] * 4, [0] * 4, before=1, after=1)
    with pytest.raises(NotEnoughData, match="Nobody joined in the data"):
        joining(counts, [2] * 4, [0] * 4, before=1, after=1)
    single = joining(counts, [2, np.nan, np.nan, np.nan], [0] * 4, before=1, after=1)
    assert np.isnan(single.estimate(-2).low)


def test_a_period_without_counts_has_no_ratio():
    counts = [[2, 4, 0], [3, 3, 3], [1, 1, 0], [2, 2, 0]]
    found = joining(counts, [1, np.nan, np.nan, 1], [0] * 4, before=1, after=1)
    assert np.isnan(found.after)
    assert np.isnan(found.estimate(-2).value)
