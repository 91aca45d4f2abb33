"""Factors: how many there are, and which item loads on which."""

import numpy as np
import pytest

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.factors import (
    bartlett_sphericity,
    correlations,
    correlations_of,
    effective_size,
    factor_loadings,
    kmo,
    loading_errors,
    most_factors,
    parallel_analysis,
    sequential_parallel_analysis,
)

#: Six ability tests of 112 people (Smith and Stanley 1983): general, picture, blocks, maze,
#: reading, vocabulary; `ability.cov` of R.
ABILITY = correlations_of(
    [
        [24.641, 5.991, 33.520, 6.023, 20.755, 29.701],
        [5.991, 6.700, 18.137, 1.782, 4.936, 7.204],
        [33.520, 18.137, 149.831, 19.424, 31.430, 50.753],
        [6.023, 1.782, 19.424, 12.711, 4.757, 9.075],
        [20.755, 4.936, 31.430, 4.757, 52.604, 66.762],
        [29.701, 7.204, 50.753, 9.075, 66.762, 135.292],
    ]
)
#: Two factors of three items each, which correlate by 0.3.
TRUE = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
RELATED = np.array([[1, 0.3], [0.3, 1]])
TWO = TRUE @ RELATED @ TRUE.T
np.fill_diagonal(TWO, 1.0)


def test_one_factor_of_six_ability_tests_is_that_of_r():
    # R: factanal(factors = 1, covmat = ability.cov)
    found = factor_loadings(ABILITY, 1)
    assert found.loadings.ravel() == pytest.approx(
        [0.682, 0.384, 0.502, 0.300, 0.877, 0.849], abs=6e-4
    )
    assert found.uniquenesses == pytest.approx([0.535, 0.853, 0.748, 0.910, 0.232, 0.280], abs=6e-4)


def test_two_rotated_factors_of_six_ability_tests_are_those_of_r():
    # R: factanal(factors = 2, covmat = ability.cov), as in the tests of GPArotation. R's varimax
    # stops a little before the maximum, hence the wider tolerance of the loadings.
    found = factor_loadings(ABILITY, 2)
    assert found.uniquenesses == pytest.approx([0.455, 0.589, 0.218, 0.769, 0.052, 0.334], abs=6e-4)
    assert found.loadings == pytest.approx(
        np.array(
            [
                [0.499438, 0.543449],
                [0.156070, 0.621538],
                [0.205787, 0.859926],
                [0.108531, 0.467761],
                [0.956242, 0.182096],
                [0.784768, 0.224822],
            ]
        ),
        abs=4e-3,
    )


@pytest.mark.parametrize("rotation", ["varimax", "oblimin", None])
def test_communalities_do_not_depend_on_the_rotation(rotation):
    found = factor_loadings(TWO, 2, rotation=rotation)
    assert found.communalities == pytest.approx([0.64, 0.49, 0.36] * 2, abs=1e-4)
    rebuilt = found.loadings @ found.correlations @ found.loadings.T
    assert rebuilt + np.diag(found.uniquenesses) == pytest.approx(TWO, abs=1e-4)


def test_oblimin_finds_factors_that_correlate():
    found = factor_loadings(TWO, 2, rotation="oblimin")
    assert found.correlations[0, 1] == pytest.approx(0.3, abs=1e-3)
    assert np.abs(found.loadings).max(axis=1) == pytest.approx([0.8, 0.7, 0.6] * 2, abs=1e-3)
    assert np.abs(found.loadings).min(axis=1) == pytest.approx(np.zeros(6), abs=1e-3)


def test_factors_come_with_the_largest_first_and_pointing_up():
    downwards = correlations_of(-TRUE[::-1] @ TRUE[::-1].T * 0.5 + np.eye(6) * 0.9)
    found = factor_loadings(downwards, 1)
    assert found.loadings.sum() >= 0
    ability = factor_loadings(ABILITY, 2).loadings
    assert (ability.sum(axis=0) > 0).all()
    assert (ability**2).sum(axis=0)[0] >= (ability**2).sum(axis=0)[1]


def test_kmo_of_ten_items_is_that_of_factor_analyzer(ten_items):
    # factor_analyzer 0.5.1, calculate_kmo
    found = kmo(np.corrcoef(ten_items.T))
    assert found.overall == pytest.approx(0.48755168, abs=1e-7)
    assert found.items == pytest.approx(
        [0.65871704, 0.54336715, 0.53942234, 0.45145535, 0.25034219, 0.47246526, 0.41631896,
         0.60789952, 0.36292513, 0.57323341], abs=1e-7,
    )  # fmt: skip


@pytest.fixture
def ten_items():
    """Fifteen answers to ten items, an example of pingouin."""
    rows = (
        "3241451432 5463512555 7355643365 2433222663 6565444675 1234252352 4353521243 2443722465 "
        "6555165232 5464353172 4352532341 4232534234 5562332445 6554221465 4355313234"
    )
    return np.array([[int(answer) for answer in row] for row in rows.split()], float)


def test_parallel_analysis_counts_the_factors_that_are_there():
    found = parallel_analysis(TWO, 200)
    assert found.factors == 2
    assert found.eigenvalues.sum() == pytest.approx(6)
    assert (np.diff(found.random) < 0).all()


def test_items_that_do_not_correlate_have_no_factor():
    assert parallel_analysis(np.eye(8), 300).factors == 0
    assert bartlett_sphericity(np.eye(8), 300).chance == pytest.approx(1)


def test_random_eigenvalues_are_those_of_random_answers():
    answers = np.random.default_rng(1).standard_normal((400, 60, 5))
    simulated = [np.linalg.eigvalsh(np.corrcoef(sample.T))[::-1] for sample in answers]
    expected = np.quantile(simulated, 0.95, axis=0)
    found = parallel_analysis(np.eye(5), 60, draws=400).random
    assert found == pytest.approx(expected, abs=0.04)


def test_fewer_answers_than_items_still_have_random_eigenvalues():
    assert parallel_analysis(np.eye(6), 4).random.sum() >= 6


def test_weights_count_as_so_many_answers():
    answers = np.random.default_rng(2).standard_normal((20, 3))
    counts = np.arange(20) % 3 + 1
    assert correlations(answers, counts) == pytest.approx(
        correlations(np.repeat(answers, counts, axis=0))
    )


def test_answers_of_equal_weight_count_in_full_and_repeated_ones_once():
    answers = np.random.default_rng(6).standard_normal((1000, 5))
    plain = effective_size(answers, weights=np.ones(1000), clusters=np.arange(1000))
    assert plain == pytest.approx(1000, rel=0.08)
    weights = np.tile([1.0, 4.0], 500)
    kish = weights.sum() ** 2 / (weights**2).sum()
    unequal = effective_size(answers, weights=weights, clusters=np.arange(1000))
    assert unequal == pytest.approx(kish, rel=0.1)


def test_correlated_factors_are_counted_one_after_the_other():
    # Four factors that correlate by 0.7: the first takes so much that Horn overlooks the others.
    loadings = np.kron(np.eye(4), np.full((4, 1), 0.65))
    matrix = loadings @ (0.7 + 0.3 * np.eye(4)) @ loadings.T
    np.fill_diagonal(matrix, 1.0)
    assert parallel_analysis(matrix, 200).factors < 4
    assert sequential_parallel_analysis(matrix, 500).factors == 4
    assert parallel_analysis(matrix, 500).factors < 4


def test_no_factor_is_counted_where_there_is_none():
    counts = [
        sequential_parallel_analysis(
            np.corrcoef(np.random.default_rng(seed).standard_normal((100, 8)).T), 100, draws=100
        ).factors
        for seed in range(20)
    ]
    assert sum(counts) <= 3


def test_an_item_that_repeats_others_is_refused():
    answers = np.random.default_rng(3).standard_normal((30, 2))
    twice = np.corrcoef(np.column_stack([answers, answers.sum(axis=1)]).T)
    with pytest.raises(NotEnoughData, match="follows exactly from the others"):
        kmo(twice)


def test_too_many_factors_and_unknown_rotations_are_refused():
    assert most_factors(6) == 3
    with pytest.raises(NotEnoughData, match="6 items cannot tell 4 factors apart; at most 3"):
        factor_loadings(ABILITY, 4)
    with pytest.raises(CrmlabError, match="no rotation promax; there are varimax, oblimin"):
        factor_loadings(ABILITY, 2, rotation="promax")
    with pytest.raises(NotEnoughData, match="needs more answers than items; there are 5"):
        bartlett_sphericity(ABILITY, 5)


def answers_of_two_factors():
    random = np.random.default_rng(4)
    return random.standard_normal((400, 6)) @ np.linalg.cholesky(TWO).T


def test_jackknife_errors_of_loadings_are_those_of_many_samples():
    # Over 300 samples of 400 answers the standard deviations are .035 to .050, .043 on average.
    answers = answers_of_two_factors()
    found = factor_loadings(correlations(answers), 2, rotation="oblimin")
    errors = loading_errors(answers, found, weights=np.ones(400), clusters=np.arange(400))
    assert errors.mean() == pytest.approx(0.043, abs=0.012)
    assert errors.max() < 0.1


def test_answers_that_come_twice_have_the_errors_of_once():
    answers = answers_of_two_factors()
    found = factor_loadings(correlations(answers), 2, rotation="oblimin")
    once = loading_errors(answers, found, weights=np.ones(400), clusters=np.arange(400))
    twice = loading_errors(
        np.tile(answers, (2, 1)), found, weights=np.ones(800), clusters=np.tile(np.arange(400), 2)
    )
    assert twice == pytest.approx(once, abs=1e-4)
