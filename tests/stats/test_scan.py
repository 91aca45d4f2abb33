import numpy as np
import pytest
from scipy.stats import ks_2samp, poisson

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.scan import (
    expected_events,
    largest_by_chance,
    log_ratio,
    nearly_as_likely,
    scan,
)

FLAT = np.full((3, 20), 0.5)


def test_the_ratio_is_that_of_two_poisson_laws():
    # Nine events where four of twelve are expected, and three where eight are.
    apart = poisson.logpmf(9, 9) + poisson.logpmf(3, 3)
    alike = poisson.logpmf(9, 4) + poisson.logpmf(3, 8)
    assert log_ratio(9, 4, 12) == pytest.approx(apart - alike)
    assert log_ratio(9, 4, 12, fewer=True) == 0
    assert log_ratio(1, 4, 12) == 0
    assert log_ratio(0, 4, 12, fewer=True) == pytest.approx(12 * np.log(12 / 8))


def test_the_most_unlikely_stretch_of_each_place_is_found():
    found = scan([[0, 0, 6, 6, 0, 0], [1, 1, 1, 1, 1, 1]], np.full((2, 6), 1.5))
    assert found.first.tolist() == [2, -1]
    assert found.last.tolist() == [3, -1]
    assert found.events[0] == 12
    assert found.expected[0] == 3
    assert found.likelihood[0] == pytest.approx(12 * np.log(12 / 3) + 6 * np.log(6 / 15))
    assert found.likelihood[1] == 0
    assert np.isnan(found.events[1])


def test_fewer_events_than_expected_are_found_on_demand():
    found = scan([[4, 4, 0, 0, 0, 4]], [[2.0] * 6], fewer=True)
    assert (found.first[0], found.last[0], found.events[0]) == (2, 4, 0)
    assert found.likelihood[0] == pytest.approx(12 * np.log(12 / 6))


def test_a_place_that_is_always_high_has_no_stretch_of_its_own():
    steady = [[6] * 20, [2] * 20]
    expected = expected_events(steady, np.ones((2, 20)))
    # 120 against 40 is no chance, so the levels are hardly pulled together.
    assert expected[:, 0].tolist() == pytest.approx([6, 2], abs=0.06)
    assert scan(steady, expected).likelihood.max() < 0.2


def test_places_that_differ_by_chance_alone_are_pulled_to_one_level():
    expected = expected_events([[1, 0, 1, 0], [0, 1, 0, 2]], np.ones((2, 4)))
    assert expected.ravel().tolist() == pytest.approx([5 / 8] * 8)


def test_a_season_that_all_places_share_is_expected_and_one_of_a_single_place_is_not():
    counts = np.full((3, 12), 4)
    counts[:, 6:] = 16
    months = np.repeat(np.arange(6), 2)
    expected = expected_events(counts, np.ones(counts.shape), months)
    assert expected[0, 8] == pytest.approx(16, abs=0.5)
    # One place's events cannot tell its season from a change.
    assert expected_events(counts[:1], np.ones((1, 12)), months).std() == 0


def test_expected_events_follow_the_exposure():
    expected = expected_events([[3, 1]], [[10, 30]])
    assert expected.tolist() == [[1, 3]]


@pytest.mark.parametrize("fewer", [False, True])
def test_draws_have_the_same_law_as_scans_of_drawn_counts(fewer):
    rng = np.random.default_rng(1)
    uneven = FLAT * np.linspace(0.2, 1.8, 20)
    quick = largest_by_chance(uneven, 30, rng, draws=400, fewer=fewer)
    chance = (uneven / uneven.sum()).ravel()
    drawn = np.random.default_rng(2).multinomial(30, chance, size=400).reshape(400, 3, 20)
    slow = [scan(one, uneven * 30 / uneven.sum(), fewer=fewer).likelihood.max() for one in drawn]
    assert ks_2samp(quick, slow).pvalue > 0.01
    assert quick.max() == pytest.approx(max(slow), rel=0.5)


def test_a_false_find_comes_as_often_as_the_probability_says():
    rng = np.random.default_rng(3)
    null = largest_by_chance(FLAT, 30, rng, draws=999)
    later = largest_by_chance(FLAT, 30, rng, draws=999)
    assert np.mean(later > np.quantile(null, 0.95)) == pytest.approx(0.05, abs=0.025)


def test_the_same_seed_draws_the_same_and_chunks_do_not_matter():
    one = largest_by_chance(FLAT, 30, np.random.default_rng(5), draws=40)
    again = largest_by_chance(FLAT, 30, np.random.default_rng(5), draws=40)
    shorter = largest_by_chance(FLAT, 30, np.random.default_rng(5), draws=32)
    assert one.tolist() == again.tolist()
    assert one[:32].tolist() == shorter.tolist()


def test_stretches_nearly_as_likely_say_how_sure_the_dates_are():
    sharp = nearly_as_likely([0, 0, 30, 30, 0, 0], [10.0] * 6, 60)
    assert [side.tolist() for side in sharp] == [[2, 2], [3, 3]]
    blurred = nearly_as_likely([1, 2, 5, 4, 2, 1], [2.5] * 6, 15)
    assert blurred[0][0] < blurred[0][1]
    assert nearly_as_likely([1, 1], [1.0, 1.0], 2)[0].tolist() == [-1, -1]


def test_events_without_expectation_and_nothing_at_all_are_said():
    with pytest.raises(CrmlabError, match="1 are"):
        scan([[1, 1]], [[0.0, 2.0]])
    with pytest.raises(NotEnoughData, match="There is no event"):
        expected_events([[0, 0]], [[1, 1]])


def test_a_stretch_is_at_most_half_of_the_time_unless_more_is_asked_for():
    high = [[3] * 15 + [0] * 5]
    expected = [[45 / 20] * 20]
    half, whole = scan(high, expected), scan(high, expected, longest=20)
    assert half.last[0] - half.first[0] + 1 == 10
    assert whole.last[0] - whole.first[0] + 1 == 15
    assert whole.likelihood[0] > half.likelihood[0]
    bounds = nearly_as_likely(high[0], expected[0], 45, longest=20, within=0.01)
    assert [side.tolist() for side in bounds] == [[0, 0], [14, 14]]
