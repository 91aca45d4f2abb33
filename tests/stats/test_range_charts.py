import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.control_charts import (
    Limits,
    ewma,
    individuals,
    p_chart,
    range_constants,
    xbar_r,
    xbar_s,
)

# Inside diameters of piston rings, mm: 40 samples of 5, the last 15 monitored. Montgomery (2013),
# chapter 6, and the data set pistonrings of the R package qcc, whose limits are those below.
RINGS = [
    [74.030, 74.002, 74.019, 73.992, 74.008],
    [73.995, 73.992, 74.001, 74.011, 74.004],
    [73.988, 74.024, 74.021, 74.005, 74.002],
    [74.002, 73.996, 73.993, 74.015, 74.009],
    [73.992, 74.007, 74.015, 73.989, 74.014],
    [74.009, 73.994, 73.997, 73.985, 73.993],
    [73.995, 74.006, 73.994, 74.000, 74.005],
    [73.985, 74.003, 73.993, 74.015, 73.988],
    [74.008, 73.995, 74.009, 74.005, 74.004],
    [73.998, 74.000, 73.990, 74.007, 73.995],
    [73.994, 73.998, 73.994, 73.995, 73.990],
    [74.004, 74.000, 74.007, 74.000, 73.996],
    [73.983, 74.002, 73.998, 73.997, 74.012],
    [74.006, 73.967, 73.994, 74.000, 73.984],
    [74.012, 74.014, 73.998, 73.999, 74.007],
    [74.000, 73.984, 74.005, 73.998, 73.996],
    [73.994, 74.012, 73.986, 74.005, 74.007],
    [74.006, 74.010, 74.018, 74.003, 74.000],
    [73.984, 74.002, 74.003, 74.005, 73.997],
    [74.000, 74.010, 74.013, 74.020, 74.003],
    [73.988, 74.001, 74.009, 74.005, 73.996],
    [74.004, 73.999, 73.990, 74.006, 74.009],
    [74.010, 73.989, 73.990, 74.009, 74.014],
    [74.015, 74.008, 73.993, 74.000, 74.010],
    [73.982, 73.984, 73.995, 74.017, 74.013],
    [74.012, 74.015, 74.030, 73.986, 74.000],
    [73.995, 74.010, 73.990, 74.015, 74.001],
    [73.987, 73.999, 73.985, 74.000, 73.990],
    [74.008, 74.010, 74.003, 73.991, 74.006],
    [74.003, 74.000, 74.001, 73.986, 73.997],
    [73.994, 74.003, 74.015, 74.020, 74.004],
    [74.008, 74.002, 74.018, 73.995, 74.005],
    [74.001, 74.004, 73.990, 73.996, 73.998],
    [74.015, 74.000, 74.016, 74.025, 74.000],
    [74.030, 74.005, 74.000, 74.016, 74.012],
    [74.001, 73.990, 73.995, 74.010, 74.024],
    [74.015, 74.020, 74.024, 74.005, 74.019],
    [74.035, 74.010, 74.012, 74.015, 74.026],
    [74.017, 74.013, 74.036, 74.025, 74.026],
    [74.010, 74.005, 74.029, 74.000, 74.020],
]  # fmt: skip

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "reference_cases.json").read_text(encoding="utf-8")
    )
}


def rings(**options):
    values = np.array(RINGS)
    return xbar_r(values.mean(axis=1), np.ptp(values, axis=1), [5] * 40, phase=25, **options)


def test_the_piston_rings_have_the_published_limits_and_signals():
    means, ranges = rings(rules=["western_1"])
    row = means.frame.iloc[0]
    assert row["centre"] == pytest.approx(74.001176, abs=5e-7)
    assert row[["lower", "upper"]].tolist() == pytest.approx([73.98805, 74.01430], abs=6e-6)
    assert means.signals["point"].tolist() == [37, 38, 39]
    assert ranges.frame.loc[0, "centre"] == pytest.approx(0.02276, abs=1e-9)
    # Montgomery's D4 of 5 is 2.114; D3 is 0.
    assert ranges.frame.loc[0, "upper"] == pytest.approx(2.114 * 0.02276, abs=2e-5)
    assert ranges.frame.loc[0, "lower"] == 0
    assert ranges.signals.empty


def test_limits_held_from_the_first_25_samples_judge_the_later_15_alike(tmp_path):
    means, ranges = rings()
    for chart, name in ((means, "means"), (ranges, "ranges")):
        chart.limits.save(tmp_path / f"{name}.json")
    held = tuple(Limits.load(tmp_path / f"{name}.json") for name in ("means", "ranges"))
    later = np.array(RINGS[25:])
    monitored, _ranges = xbar_r(
        later.mean(axis=1), np.ptp(later, axis=1), [5] * 15, limits=held, rules=["western_1"]
    )
    assert monitored.signals["point"].tolist() == [12, 13, 14]
    assert monitored.frame["phase"].eq(2).all()
    assert monitored.frame["upper"].iloc[0] == means.frame["upper"].iloc[0]


def test_the_mean_range_and_the_mean_deviation_tell_about_the_same():
    values = np.array(RINGS[:25])
    by_range, _ = xbar_r(values.mean(axis=1), np.ptp(values, axis=1), [5] * 25)
    by_deviation, _ = xbar_s(
        values.mean(axis=1), values.std(axis=1, ddof=1), [5] * 25, spread="mean"
    )
    assert by_range.limits.sigma == pytest.approx(by_deviation.limits.sigma, rel=0.03)


def test_batches_of_different_size_share_one_standard_deviation():
    d2, _d3 = range_constants([2, 4])
    means, ranges = xbar_r([10, 12], 3 * d2, [2, 4])
    assert means.limits.sigma == pytest.approx(3)
    assert means.limits.centre == pytest.approx((2 * 10 + 4 * 12) / 6)
    assert ranges.frame["centre"].tolist() == pytest.approx((3 * d2).tolist())


@pytest.mark.parametrize("count", [2, 3, 7, 25])
def test_the_mean_range_is_that_of_tippetts_integral(count):
    whole = quad(lambda x: 1 - norm.sf(x) ** count - norm.cdf(x) ** count, -10, 10)[0]
    assert range_constants([count])[0][0] == pytest.approx(whole, abs=1e-8)


def test_the_deviation_of_the_range_of_two_is_known_exactly():
    assert range_constants([2])[1][0] == pytest.approx(np.sqrt(2 - 4 / np.pi), abs=1e-8)


def test_a_range_of_one_or_of_very_many_values_is_refused():
    with pytest.raises(CrmlabError, match=r"from 2 to 25, not 1\.0; for others"):
        xbar_r([1, 2], [0, 1], [1, 5])
    with pytest.raises(CrmlabError, match=r"not 26\.0"):
        range_constants([26])
    with pytest.raises(NotEnoughData, match="at least 2 points"):
        xbar_r([1, 2], [1, 1], [5, 5], phase=1)


def test_limits_of_means_do_not_serve_for_ranges():
    means, _ranges = rings()
    with pytest.raises(CrmlabError, match="kind xbar, not r"):
        rings(limits=(means.limits, means.limits))


def test_of_the_orange_juice_samples_15_and_23_are_out():
    chart = p_chart(**CASES["p-chart-orange-juice"]["inputs"], rules=["western_1"])
    assert chart.signals["point"].tolist() == [15, 23]
    row = chart.frame.iloc[0]
    assert row[["lower", "centre", "upper"]].tolist() == pytest.approx(
        [0.052427, 0.231333, 0.410239], abs=6e-7
    )


def test_the_flow_rates_have_nists_moving_range():
    chart = individuals(**CASES["individuals-flowrate"]["inputs"])
    assert chart.limits.sigma * 1.128 == pytest.approx(1.8778, abs=5e-5)
    assert chart.limits.centre == pytest.approx(50.81)


def test_the_ewma_has_nists_limits_and_no_signal():
    chart = ewma(**CASES["ewma-process"]["inputs"])
    last = chart.frame.iloc[-1]
    assert last[["lower", "upper"]].tolist() == pytest.approx([47.4116, 52.5884], abs=6e-5)
    assert chart.signals.empty
