"""Curves of gaps that belong to customers."""

import numpy as np
import pandas as pd
import pytest

from crmlab.errors import NotEnoughData
from crmlab.stats.recurrent import gap_curve, per_cluster
from crmlab.stats.survival import kaplan_meier


def gaps(seed, customers, days=365, mean=30, shape=1.7):
    """Poisson customers of gamma rates, seen for a year from a purchase: length, closed, whose."""
    random = np.random.default_rng(seed)
    rates = random.gamma(shape, 1 / shape, customers) / mean
    found = []
    for customer, rate in enumerate(rates):
        left = days
        while left > 0:
            gap = int(np.ceil(random.exponential(1 / rate)))
            found.append((min(gap, left), gap <= left, customer))
            left -= gap
    return [np.array(column) for column in zip(*found, strict=True)]


def at(curve, day, column="survival"):
    return curve[column].to_numpy()[np.searchsorted(curve["time"], day, side="right") - 1]


def test_with_a_gap_each_it_is_kaplan_meier_with_greenwoods_interval():
    # Leukaemia remission, 6-MP (Freireich et al. 1963): S(6) .8571, S(7) .8067, S(10) .7529
    time = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    event = [1] * 9 + [0] * 12
    curve = gap_curve(time, event, np.arange(21))
    assert [at(curve, day) for day in (6, 7, 10)] == pytest.approx(
        [0.8571, 0.8067, 0.7529], abs=1e-4
    )
    plain = kaplan_meier(time, event)
    pd.testing.assert_frame_equal(curve.iloc[:, :5], plain.iloc[:, :5])
    # Greenwood's variance times 21 / 20, on the scale log(-log S)
    inner = (curve["survival"] < 1).to_numpy()
    reach = [np.log(np.log(one["high"]) / np.log(one["low"]))[inner] for one in (curve, plain)]
    assert reach[0].to_numpy() / reach[1].to_numpy() == pytest.approx(np.sqrt(21 / 20), abs=1e-9)


def test_a_customer_counted_twice_makes_no_more_certain():
    time, event = np.array([3, 5, 8, 9, 12]), np.array([1, 1, 0, 1, 0])
    once = gap_curve(time, event, np.arange(5))
    twice = gap_curve(np.tile(time, 2), np.tile(event, 2), np.tile(np.arange(5), 2))
    pd.testing.assert_frame_equal(
        once[["survival", "low", "high"]], twice[["survival", "low", "high"]]
    )
    weighted = gap_curve(time, event, np.arange(5), weights=np.full(5, 2.0))
    pd.testing.assert_frame_equal(weighted, twice)


def test_the_variance_is_the_sum_of_squares_written_out_customer_by_customer():
    time, event, owner = gaps(1, 40)
    curve = gap_curve(time, event, owner)
    inner = ((curve["survival"] < 1) & (curve["survival"] > 0)).to_numpy()
    left = (curve["at_risk"] - curve["events"]).to_numpy()[inner]
    times, steps = curve["time"].to_numpy()[inner], curve["events"].to_numpy()[inner] / left
    lasting, ending = time[:, None] >= times, (time[:, None] == times) & (event[:, None] == 1)
    # dN less its share of those at risk, over those who are left
    each = ending / left - lasting * steps / curve["at_risk"].to_numpy()[inner]
    errors = np.array([each[owner == one].sum(axis=0).cumsum() for one in np.unique(owner)])
    deviation = np.sqrt((errors**2).sum(axis=0) * 40 / 39)
    reach = np.log(np.log(curve["low"]) / np.log(curve["high"])).to_numpy()[inner] / 2
    expected = 1.959963984540054 * deviation / -np.log(curve["survival"].to_numpy()[inner])
    assert inner.sum() > 50
    assert reach == pytest.approx(expected, rel=1e-9)


def test_weights_per_customer_give_the_gap_of_a_customer_drawn_at_random():
    time, event, owner = gaps(2, 8000)
    own = gap_curve(time, event, owner, weights=per_cluster(event, owner))
    # The exponential of a gamma rate is Pareto: S(t) = (1 + t / (shape mean))^-shape
    truth = [(1 + day / (1.7 * 30)) ** -1.7 for day in (10, 30, 60, 120)]
    assert [at(own, day) for day in (10, 30, 60, 120)] == pytest.approx(truth, abs=0.015)
    pooled = gap_curve(time, event, owner)
    assert at(pooled, 30) < truth[1] - 0.1


def test_the_intervals_hold_their_level_and_those_without_clusters_do_not():
    truth = (1 + 30 / (1.7 * 30)) ** -1.7
    big = gap_curve(*gaps(99, 8000))
    held = np.zeros(3)
    for seed in range(200):
        time, event, owner = gaps(seed, 100)
        own = gap_curve(time, event, owner, weights=per_cluster(event, owner))
        held[0] += at(own, 30, "low") <= truth <= at(own, 30, "high")
        for row, curve in ((1, gap_curve(time, event, owner)), (2, kaplan_meier(time, event))):
            held[row] += at(curve, 30, "low") <= at(big, 30) <= at(curve, 30, "high")
    assert (held[:2] / 200 > 0.9).all()
    assert held[2] / 200 < 0.8


def test_one_customer_has_no_interval_and_no_gap_no_curve():
    curve = gap_curve([3, 4], [1, 0], ["a", "a"])
    assert curve["survival"].tolist() == [0.5, 0.5]
    assert curve[["low", "high"]].isna().all(axis=None)
    with pytest.raises(NotEnoughData, match="no time between two events"):
        gap_curve([], [], [])


def test_a_curve_that_reaches_zero_ends_there():
    curve = gap_curve([1, 2], [1, 1], ["a", "b"])
    assert curve["survival"].tolist() == [0.5, 0.0]
    assert curve["low"].iloc[1] == 0
    assert curve["high"].iloc[1] == curve["high"].iloc[0]
