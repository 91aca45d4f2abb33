import numpy as np
import pytest

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.stats.control_charts import (
    NELSON,
    WESTERN_ELECTRIC,
    Limits,
    broken_rules,
    c_chart,
    ewma,
    individuals,
    p_chart,
    u_chart,
    xbar_s,
)

# Montgomery (2013), table 6.3: means and standard deviations of 25 samples of 5 piston rings, mm.
MEANS = [
    74.010, 74.001, 74.008, 74.003, 74.003, 73.996, 74.000, 73.997, 74.004, 73.998, 73.994, 74.001,
    73.998, 73.990, 74.006, 73.997, 74.001, 74.007, 73.998, 74.009, 74.000, 74.002, 74.002, 74.005,
    73.998,
]  # fmt: skip
DEVIATIONS = [
    0.0148, 0.0075, 0.0147, 0.0091, 0.0122, 0.0087, 0.0055, 0.0123, 0.0055, 0.0063, 0.0029, 0.0042,
    0.0105, 0.0153, 0.0073, 0.0078, 0.0106, 0.0070, 0.0085, 0.0080, 0.0122, 0.0074, 0.0119, 0.0087,
    0.0162,
]  # fmt: skip
# Table 6.4: the same with samples of 3 to 5.
UNEQUAL = [5, 3, 5, 5, 5, 4, 4, 5, 4, 5, 5, 5, 3, 5, 3, 5, 4, 5, 5, 3, 5, 5, 5, 5, 5]
UNEQUAL_DEVIATIONS = [
    0.0148, 0.0046, 0.0147, 0.0091, 0.0122, 0.0099, 0.0055, 0.0123, 0.0064, 0.0063, 0.0029, 0.0042,
    0.0100, 0.0153, 0.0087, 0.0078, 0.0099, 0.0070, 0.0085, 0.0068, 0.0122, 0.0074, 0.0119, 0.0087,
    0.0162,
]  # fmt: skip


def test_equal_samples_give_the_textbooks_limits_of_the_piston_rings():
    means, deviations = xbar_s(MEANS, DEVIATIONS, [5] * 25, spread="mean")
    row, spread = means.frame.iloc[0], deviations.frame.iloc[0]
    assert row[["lower", "centre", "upper"]].tolist() == pytest.approx(
        [73.988, 74.001, 74.014], abs=6e-4
    )
    assert spread[["lower", "upper"]].tolist() == pytest.approx([0, 0.0196], abs=6e-5)
    assert means.signals.empty
    assert deviations.signals.empty


def test_unequal_samples_give_the_textbooks_pooled_deviation():
    means, _deviations = xbar_s(MEANS, UNEQUAL_DEVIATIONS, UNEQUAL)
    assert means.limits.sigma == pytest.approx(0.0103, abs=6e-5)
    reach = means.frame["upper"] - means.frame["centre"]
    assert (reach * np.sqrt(UNEQUAL)).std() == pytest.approx(0, abs=1e-12)


def test_a_batch_of_one_has_no_deviation_but_a_mean():
    means, deviations = xbar_s([10, 11, 9, 15], [1, 1, 1, np.nan], [4, 4, 4, 1], phase=3)
    assert means.frame["rules"].tolist()[-1] == ("western_1",)
    assert deviations.frame["rules"].tolist()[-1] == ()


def test_limits_of_phase_one_do_not_move_with_later_points():
    early = individuals([5, 6, 5, 6])
    later = individuals([5, 6, 5, 6, 60], phase=4)
    assert later.limits == early.limits
    assert later.frame["phase"].tolist() == [1, 1, 1, 1, 2]
    assert later.signals["point"].tolist() == [5]


def test_limits_are_saved_and_held_for_new_points(tmp_path):
    first = p_chart([12, 15, 8, 10], [50, 50, 50, 50])
    first.limits.save(tmp_path / "limits.json")
    held = Limits.load(tmp_path / "limits.json")
    assert held == first.limits
    chart = p_chart([30], [50], limits=held)
    assert chart.frame["phase"].tolist() == [2]
    assert chart.frame["rules"].tolist() == [("western_1",)]


def test_a_file_that_holds_no_limits_is_named(tmp_path):
    (tmp_path / "x.json").write_text('{"kind": "p"}')
    with pytest.raises(CrmlabError, match=r"x\.json holds no limits"):
        Limits.load(tmp_path / "x.json")


def test_limits_of_another_kind_of_chart_are_refused():
    held = individuals([1, 2, 3]).limits
    with pytest.raises(CrmlabError, match="kind individuals, not p"):
        p_chart([1], [10], limits=held)


def test_a_larger_sample_has_narrower_limits():
    frame = p_chart([9, 40], [100, 400]).frame
    assert frame["upper"].iloc[1] < frame["upper"].iloc[0]
    assert frame["lower"].iloc[1] > frame["lower"].iloc[0]


def test_laney_widens_the_limits_where_points_vary_more_than_the_binomial_law():
    # p = .25, z = (-2, 2, -2, 2) times sqrt(48/25) / 2: the moving range of z is what sigma comes
    # from.
    counts, sizes = [150, 250, 150, 250], [800] * 4
    plain, wide = (p_chart(counts, sizes, laney=laney) for laney in (False, True))
    z = (250 / 800 - 0.25) / np.sqrt(0.25 * 0.75 / 800)
    assert wide.limits.sigma == pytest.approx(2 * z / 1.128)
    assert len(plain.signals) == 4
    assert wide.signals.empty


def test_laneys_rate_chart_is_as_wide_as_the_points_of_phase_one_vary():
    # u = 6, z = ±2/√6, so σz = 4/√6/1.128 and the reach 3 σz √6 = 12/1.128.
    frame = u_chart([4, 8], [1, 1], laney=True).frame
    assert frame["centre"].tolist() == [6, 6]
    assert frame["upper"].tolist() == pytest.approx([6 + 12 / 1.128] * 2)


def test_counts_have_no_limit_below_zero_and_shares_none_above_one():
    assert c_chart([2, 3, 4]).frame["lower"].tolist() == [0, 0, 0]
    assert p_chart([9, 10, 9], [10, 10, 10]).frame["upper"].tolist() == [1, 1, 1]


def test_points_that_differ_by_rounding_alone_break_no_rule():
    value, sizes = [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3], [7, 3, 3, 3, 3]
    chart, _deviations = xbar_s(value, [1e-17] * 5, sizes)
    assert chart.signals.empty
    assert xbar_s([*value, 0.31], [0] * 6, [*sizes, 3], phase=5)[0].signals["point"].tolist() == [6]


def test_the_limits_of_an_ewma_widen_to_their_last_value():
    frame = ewma([10.0] * 40, centre=10, sigma=1, smoothing=0.2).frame
    reach = frame["upper"] - frame["centre"]
    assert reach.is_monotonic_increasing
    assert reach.iloc[0] == pytest.approx(3 * 0.2)
    assert reach.iloc[-1] == pytest.approx(3 * np.sqrt(0.2 / 1.8), abs=1e-5)


def test_an_ewma_of_batches_of_different_size_needs_their_sigma():
    with pytest.raises(CrmlabError, match=r"sigma = …"):
        ewma([1, 2], [10, 20])
    reach = ewma([1, 2], [10, 40], sigma=1, smoothing=1).frame.eval("upper - centre")
    assert reach.tolist() == pytest.approx([3 / np.sqrt(10), 3 / np.sqrt(40)])


SEQUENCES = {
    "western_1": [0, 0, -3.1],
    "western_2": [-2.1, 0, -2.2],
    "western_3": [-1.1, -1.2, 0, -1.3, -1.4],
    "western_4": [-0.5] * 8,
    "nelson_1": [0, 0, 3.1],
    "nelson_2": [0.5] * 9,
    "nelson_3": [-1, -0.5, 0, 0.2, 0.3, 0.5],
    "nelson_4": [0.5, -0.5] * 7,
    "nelson_5": [2.1, 0, 2.2],
    "nelson_6": [1.1, 1.2, 0, 1.3, 1.4],
    "nelson_7": [0.5, -0.4, 0.3] * 5,
    "nelson_8": [1.5, -1.5, 1.2, 1.3, -1.4, 1.1, -1.6, 1.7],
}


@pytest.mark.parametrize("rule", [*WESTERN_ELECTRIC, *NELSON])
def test_a_rule_is_broken_by_the_point_that_completes_its_pattern(rule):
    z = SEQUENCES[rule]
    found = broken_rules(z, rules=[rule])
    assert found == [()] * (len(z) - 1) + [(rule,)]


def test_the_two_of_three_must_lie_on_one_side():
    assert broken_rules([2.5, 0, -2.5], rules=["western_2"]) == [(), (), ()]


def test_unknown_rules_missing_values_and_too_few_points_are_said():
    with pytest.raises(UnknownName, match="no run rule western_9"):
        individuals([1, 2], rules=["western_9"])
    with pytest.raises(CrmlabError, match="a number for every point"):
        individuals([1, np.nan])
    with pytest.raises(NotEnoughData, match="at least 2 points in phase I; there are 1"):
        individuals([1, 2, 3], phase=1)
    with pytest.raises(NotEnoughData, match="has no event"):
        p_chart([0, 0], [10, 10])
