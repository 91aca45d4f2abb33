import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.discrete.conditional_models import ConditionalPoisson

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.counts import poisson


@pytest.fixture(scope="module")
def panel():
    """40 groups in 8 rows each, three columns, unequal exposure."""
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 8)
    design = random.normal(size=(320, 3))
    exposure = random.uniform(0.5, 2, 320)
    level = random.normal(size=40)[group]
    counts = random.poisson(exposure * np.exp(level + design @ [0.3, -0.2, 0]))
    return counts, design, exposure, group


def test_absorbed_levels_are_those_of_a_dummy_for_every_group(panel):
    counts, design, exposure, group = panel
    found = poisson(counts, design, exposure=exposure, groups=group, clusters=group)
    some = np.bincount(group, counts) > 0
    rows = some[group]
    dummies = np.column_stack([design, np.eye(40)[group][:, some]])[rows]
    family = sm.families.Poisson()
    fit = sm.GLM(counts[rows], dummies, family=family, offset=np.log(exposure[rows])).fit()
    np.testing.assert_allclose(found.coefficients, fit.params[:3], rtol=1e-7)


def test_the_likelihood_is_that_of_the_counts_given_their_sums(panel):
    counts, design, exposure, group = panel
    found = poisson(counts, design, exposure=exposure, groups=group, clusters=group)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = ConditionalPoisson(counts, design, groups=group, offset=np.log(exposure)).fit(disp=0)
    np.testing.assert_allclose(found.coefficients, fit.params, rtol=1e-4)
    assert found.log_likelihood == pytest.approx(fit.llf)


def test_without_groups_it_is_poissons_regression(panel):
    counts, design, exposure, group = panel
    design = sm.add_constant(design)
    found = poisson(counts, design, exposure=exposure, clusters=group)
    family = sm.families.Poisson()
    fit = sm.GLM(counts, design, family=family, offset=np.log(exposure)).fit()
    np.testing.assert_allclose(found.coefficients, fit.params, rtol=1e-7)


@pytest.mark.parametrize("absorbed", [True, False])
def test_errors_are_near_those_of_leaving_out_one_cluster_after_the_other(panel, absorbed):
    counts, design, exposure, group = panel
    design = design if absorbed else sm.add_constant(design)

    def fitted(rows):
        return poisson(
            counts[rows],
            design[rows],
            exposure=exposure[rows],
            groups=group[rows] if absorbed else None,
            clusters=group[rows],
        )

    found = fitted(group >= 0)
    present = np.unique(group) if not absorbed else np.flatnonzero(np.bincount(group, counts))
    without = np.array([fitted(group != one).coefficients for one in present])
    spread = without - found.coefficients
    count = len(present)
    full = np.sqrt((count - 1) / count * np.sum(spread**2, axis=0))
    np.testing.assert_allclose(found.errors, full, rtol=0.08)
    assert found.freedom == count - 1


def test_with_few_clusters_the_errors_are_nearly_those_of_leaving_each_out():
    counts = np.array([410, 520, 480, 600, 390, 470, 505, 450, 530, 495, 420, 580])
    design, who = np.column_stack([np.ones(12), np.tile([0, 1], 6)]), np.repeat(range(6), 2)
    found = poisson(counts, design, clusters=who)
    without = [
        poisson(counts[who != one], design[who != one], clusters=who[who != one]).coefficients
        for one in range(6)
    ]
    full = np.sqrt(5 / 6 * np.sum((np.array(without) - found.coefficients) ** 2, axis=0))
    np.testing.assert_allclose(found.errors, full, rtol=0.01)


def test_with_many_clusters_the_errors_are_those_of_the_sandwich():
    random = np.random.default_rng(5)
    cluster = np.repeat(np.arange(1500), 3)
    design = np.column_stack([np.ones(4500), random.normal(size=1500)[cluster]])
    shared = random.gamma(2, 0.5, 1500)[cluster]
    counts = random.poisson(shared * np.exp(design @ [0.2, 0.3]))
    found = poisson(counts, design, clusters=cluster)
    fit = sm.GLM(counts, design, family=sm.families.Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": cluster}
    )
    np.testing.assert_allclose(found.errors, fit.bse, rtol=0.01)


def test_two_periods_give_the_ratio_of_the_sums():
    # Before and after: others 10 and 11, changed 8 and 2.
    counts = [6, 6, 4, 5, 5, 1, 3, 1]
    design = [[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [1, 1], [0, 0], [1, 1]]
    found = poisson(
        counts, design, groups=list("AABBCCDD"), clusters=list("AABBCCDD"), names=["late", "did"]
    )
    assert np.exp(found.coefficients) == pytest.approx([11 / 10, (2 / 8) / (11 / 10)])
    together = found.contrast([1, 1])
    assert np.exp(together.value) == pytest.approx(2 / 8)
    assert found.estimate("did") == found.estimate(1)
    late, did = found.estimate(0), found.estimate(1)
    # Those of unchanged and changed customers are independent: half lengths add as squares.
    assert (did.high - did.value) ** 2 == pytest.approx(
        (late.high - late.value) ** 2 + (together.high - together.value) ** 2
    )


def test_exposure_counts_in_proportion_and_rows_without_any_are_left_out():
    counts, groups = [4, 8, 3, 6, 0], ["A", "A", "B", "B", "B"]
    found = poisson(
        counts,
        [[0], [1], [0], [1], [1]],
        exposure=[1, 2, 1, 2, 0],
        groups=groups,
        clusters=groups,
    )
    assert found.coefficients == pytest.approx([0], abs=1e-9)


def test_an_f_test_of_one_column_is_its_t_test(panel):
    counts, design, exposure, group = panel
    found = poisson(counts, design, exposure=exposure, groups=group, clusters=group)
    assert found.chance_of_all([1]) == pytest.approx(found.chance([0, 1, 0]))
    assert found.chance_of_all([0, 1]) < 0.001


def test_a_side_on_which_nothing_was_counted_is_named():
    counts = [3, 2, 2, 4, 3, 0, 2, 0] * 2
    design = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [1, 1], [0, 0], [1, 1]] * 2)
    groups = np.repeat(np.arange(8), 2)
    with pytest.raises(NotEnoughData, match="coefficient of did has no bound"):
        poisson(counts, design, groups=groups, clusters=groups, names=["late", "did"])


def test_what_cannot_be_told_is_said():
    groups = [0, 0, 1, 1, 2, 2]
    with pytest.raises(NotEnoughData, match="What level would add"):
        poisson(
            [1, 2, 3, 4, 5, 6],
            [[0, 1], [1, 1], [0, 2], [1, 2], [0, 3], [1, 3]],
            groups=groups,
            clusters=groups,
            names=["late", "level"],
        )
    with pytest.raises(NotEnoughData, match="cannot be told apart"):
        poisson([1, 2, 3, 4], [[1, 2], [2, 4], [3, 6], [5, 10]], clusters=range(4))
    with pytest.raises(NotEnoughData, match="two clusters"):
        poisson([1, 2], [[0], [1]], groups=["A", "A"], clusters=["A", "A"])
    with pytest.raises(NotEnoughData, match="two clusters"):
        poisson([0, 0, 0, 0], [[0], [1]] * 2, groups=list("AABB"), clusters=list("AABB"))
    with pytest.raises(NotEnoughData, match="Without one of the clusters"):
        poisson([1, 2, 3, 4], [[1, 0], [1, 0], [1, 0], [1, 1]], clusters=range(4))


def test_impossible_input_is_refused():
    with pytest.raises(CrmlabError, match="at least 0"):
        poisson([-1, 2], [[1], [1]], clusters=[0, 1])
    with pytest.raises(CrmlabError, match="at least 0"):
        poisson([1, np.nan], [[1], [1]], clusters=[0, 1])
    with pytest.raises(CrmlabError, match="exposure is 0"):
        poisson([1, 2], [[1], [1]], exposure=[0, 1], clusters=[0, 1])
    with pytest.raises(CrmlabError, match="one cluster"):
        poisson([1, 2], [[0], [1]], groups=["A", "A"], clusters=[0, 1])


@pytest.mark.slow
def test_intervals_hold_with_few_unlike_clusters():
    random = np.random.default_rng(7)
    group = np.repeat(np.arange(16), 6)
    late = np.tile([0, 0, 0, 1, 1, 1], 16)
    design = np.column_stack([late, late * (group < 4)])
    held = []
    for _draw in range(400):
        mean = np.exp(1 + 0.3 * random.normal(size=16)[group] + design @ [0.1, 0.2])
        mean = mean * np.exp(0.3 * random.normal(size=16)[group] * late)
        found = poisson(random.poisson(mean), design, groups=group, clusters=group)
        interval = found.estimate(1)
        held.append(interval.low < 0.2 < interval.high)
    assert 0.91 < np.mean(held) < 0.985
