import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t
from statsmodels.tools.sm_exceptions import SpecificationWarning

from crmlab.errors import NotEnoughData
from crmlab.stats.matching import (
    change_apart,
    coarsened_exact,
    compared,
    standardised_difference,
)


def drawn(seed=1, units=400):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "who": random.integers(0, 90, units),
            "tier": random.choice(["a", "b", None], units),
            "month": random.integers(1, 5, units),
        }
    )
    frame["treated"] = random.random(units) < np.where(frame["month"] > 2, 0.5, 0.2)
    frame["value"] = random.poisson(1 + frame["month"] + frame["who"] % 3)
    return frame


def test_the_matched_have_the_treateds_shares_of_all_strata():
    frame = drawn()
    frame["weight"] = coarsened_exact(frame["treated"], frame[["tier", "month"]])
    sums = frame.pivot_table("weight", ["tier", "month"], "treated", aggfunc="sum")
    assert sums[True].sum() > 0
    assert sums[True].to_numpy() == pytest.approx(sums[False].to_numpy())


def test_a_stratum_of_one_kind_only_has_no_weight_and_a_gap_is_a_category():
    strata = pd.DataFrame({"tier": ["a", "a", None, None, None, "b", "c"]})
    treated = [True, False, True, True, False, True, False]
    assert coarsened_exact(treated, strata).tolist() == [1, 1, 1, 1, 2, 0, 0]


def test_the_difference_is_the_mean_over_strata_weighted_by_the_treated():
    frame = drawn(2)
    weights = coarsened_exact(frame["treated"], frame[["month"]])
    by_hand = frame.pivot_table("value", "month", "treated")
    many = frame.groupby("month")["treated"].sum()
    expected = ((by_hand[True] - by_hand[False]) * many).sum() / many.sum()
    result = compared(frame["value"], frame["treated"], weights, frame["who"])
    assert result.difference.value == pytest.approx(expected)


def test_errors_are_those_of_a_weighted_regression_with_clusters():
    frame = drawn(3)
    weights = coarsened_exact(frame["treated"], frame[["tier", "month"]])
    own = weights > 0
    design = sm.add_constant(frame["treated"].astype(float))[own]
    fit = sm.WLS(frame["value"][own], design, weights=weights[own]).fit(
        cov_type="cluster", cov_kwds={"groups": frame["who"][own], "use_correction": False}
    )
    result = compared(frame["value"], frame["treated"], weights, frame["who"])
    many = frame["who"][own].nunique()
    freedom = (
        min(frame.loc[own & (frame["treated"] == side), "who"].nunique() for side in (0, 1)) - 1
    )
    reach = t.ppf(0.975, freedom) * fit.bse.iloc[1] * np.sqrt(many / (many - 1))
    assert result.difference.value == pytest.approx(fit.params.iloc[1])
    assert result.difference.high - result.difference.value == pytest.approx(reach)


def test_the_ratio_is_that_of_a_poisson_regression_with_clusters():
    frame = drawn(4)
    design = sm.add_constant(frame["treated"].astype(float))
    fit = sm.GLM(frame["value"], design, family=sm.families.Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": frame["who"], "use_correction": False}
    )
    result = compared(frame["value"], frame["treated"], np.ones(400), frame["who"]).ratio
    assert np.log(result.value) == pytest.approx(fit.params.iloc[1])
    many = frame["who"].nunique()
    sides = [frame.loc[frame["treated"] == side, "who"].nunique() for side in (0, 1)]
    expected = t.ppf(0.975, min(sides) - 1) * fit.bse.iloc[1] * np.sqrt(many / (many - 1))
    assert np.log(result.high / result.value) == pytest.approx(expected, rel=1e-6)


def test_a_side_of_one_cluster_has_no_interval_and_a_mean_of_nought_no_ratio():
    result = compared([1, 1, 0, 0], [1, 1, 0, 0], [1] * 4, ["a", "a", "b", "c"])
    assert result.difference.value == 1
    assert np.isnan(result.difference.low)
    assert np.isnan(result.ratio.value)


def test_an_empty_side_is_said():
    with pytest.raises(NotEnoughData, match="one of the two sides is empty"):
        compared([1, 2], [1, 0], [1, 0], ["a", "b"])


def test_matching_takes_the_difference_off_what_is_matched_on():
    frame = drawn(5)
    weights = coarsened_exact(frame["treated"], frame[["month"]])
    assert standardised_difference(frame["month"], frame["treated"]) > 0.3
    after = standardised_difference(frame["month"], frame["treated"], weights)
    assert after == pytest.approx(0, abs=1e-12)


def test_standardised_differences_of_what_does_not_vary():
    assert standardised_difference([1, 1, 1], [1, 0, 0]) == 0
    assert np.isnan(standardised_difference([2, 1, 1], [1, 0, 0]))
    assert np.isnan(standardised_difference([2, 1], [1, 1]))


def test_intervals_hold_where_incidents_do_nothing():
    """150 customers who order at very unequal rates; incidents differ by region, and do nothing."""
    held = []
    for seed in range(150):
        random = np.random.default_rng(seed)
        rate = random.gamma(1.0, 2.0, 150) + 0.1
        orders = random.poisson(rate[:, None], (150, 10))
        who, month = np.repeat(np.indices(orders.shape).reshape(2, -1), orders.ravel(), axis=1)
        kept = (month > 0) & (month < 9)
        who, month = who[kept], month[kept]
        before, after = orders[who, month - 1], orders[who, month + 1]
        wrong = random.random(len(who)) < np.array([0.3, 0.1, 0.1])[who % 3]
        strata = pd.DataFrame(
            {"month": month, "region": who % 3, "before": np.digitize(before, [1, 2, 3, 5, 9])}
        )
        weights = coarsened_exact(wrong, strata)
        share = compared(after > 0, wrong, weights, who).difference
        ratio = compared(after, wrong, weights, who).ratio
        held.append((share.low < 0 < share.high, ratio.low < 1 < ratio.high))
    assert np.mean(held, axis=0) == pytest.approx([0.97, 0.98], abs=0.03)


def test_the_change_apart_is_the_interaction_of_a_poisson_regression():
    frame = drawn(5)
    frame["before"] = np.random.default_rng(9).poisson(2 + frame["who"] % 4)
    frame["weight"] = coarsened_exact(frame["treated"], frame[["tier", "month"]])
    found = change_apart(
        frame["before"], frame["value"], frame["treated"], frame["weight"], frame["who"]
    )
    used = frame[frame["weight"] > 0]
    both = pd.concat([used.assign(y=used["before"], post=0), used.assign(y=used["value"], post=1)])
    design = both[["treated", "post"]].astype(float).assign(const=1.0)
    design["both"] = design["treated"] * design["post"]
    model = sm.GLM(both["y"], design, family=sm.families.Poisson(), var_weights=both["weight"])
    with pytest.warns(SpecificationWarning, match="var_weights"):
        fit = model.fit(
            cov_type="cluster", cov_kwds={"groups": both["who"], "use_correction": False}
        )
    many = used["who"].nunique()
    fewer = min(used.groupby("treated")["who"].nunique())
    error = fit.bse["both"] * np.sqrt(many / (many - 1))
    reach = t.ppf(0.975, fewer - 1) * error
    ends = fit.params["both"] + np.array([0, -reach, reach])
    assert found[:3] == pytest.approx(np.expm1(ends), rel=1e-6)


def test_each_group_has_a_season_of_its_own():
    # Orders rise by half in one group and fall by half in the other, for all alike.
    before = np.array([8.0, 8, 2, 2, 2, 2, 4, 4])
    after = before * np.array([1.5, 1.5, 1.5, 1.5, 0.5, 0.5, 0.5, 0.5])
    treated = [1, 1, 0, 0, 1, 1, 0, 0]
    units, group = np.ones(8), list("aaaabbbb")
    apart = change_apart(before, after, treated, units, range(8), groups=group)
    assert apart.value == pytest.approx(0)
    assert change_apart(before, after, treated, units, range(8)).value > 0.5


def test_the_interval_over_groups_is_that_of_the_jackknife_over_clusters():
    frame = drawn(6, 900)
    frame["before"] = np.random.default_rng(4).poisson(2 + frame["who"] % 4)
    frame["weight"] = coarsened_exact(frame["treated"], frame[["tier", "month"]])
    frame = frame[frame["weight"] > 0]

    def found(part):
        columns = (part[name] for name in ("before", "value", "treated", "weight", "who"))
        return change_apart(*columns, groups=part["month"])

    whole = found(frame)
    rest = [found(frame[frame["who"] != who]).value for who in frame["who"].unique()]
    many = len(rest)
    error = np.sqrt((many - 1) / many * np.sum((np.log1p(rest) - np.mean(np.log1p(rest))) ** 2))
    fewer = min(frame.groupby("treated")["who"].nunique())
    reach = (np.log1p(whole.high) - np.log1p(whole.low)) / 2 / t.ppf(0.975, fewer - 1)
    assert reach == pytest.approx(error, rel=0.05)


def test_a_group_whose_others_had_nothing_before_does_not_count():
    apart = change_apart(
        [1, 1, 5, 0], [3, 2, 50, 9], [1, 0, 1, 0], np.ones(4), range(4), groups=[1, 1, 2, 2]
    )
    assert apart.value == pytest.approx(0.5)


def test_a_side_without_orders_has_no_change():
    assert np.isnan(change_apart([0, 1], [1, 1], [1, 0], [1, 1], [1, 2]).value)
    assert np.isnan(change_apart([1, 1], [1, 1], [1, 1], [1, 1], [1, 2]).value)
    lone = change_apart([1, 1], [2, 1], [1, 0], [1, 1], [1, 2])
    assert lone.value == pytest.approx(1.0)
    assert np.isnan(lone.low)
