import numpy as np
import pandas as pd
import pytest

from crmlab.stats.control_charts import NELSON, WESTERN_ELECTRIC, Limits
from crmlab.stats.false_alarms import false_alarms


def chart(points, size=1.0, phase=2):
    return pd.DataFrame({"n": np.full(points, size), "phase": phase})


def test_limits_alone_give_the_normal_laws_false_signals():
    found = false_alarms(
        chart(100), Limits("individuals", 0, 1, 100), rules=["western_1"], draws=2000
    )
    # 1 point in 370.4 lies beyond three standard errors.
    assert found.loc[0, "points"] == pytest.approx(100 / 370.4, rel=0.1)
    assert found.loc[0, "charts"] == pytest.approx(1 - (1 - 1 / 370.4) ** 100, abs=0.03)


def test_four_rules_give_about_four_times_as_many():
    limits = Limits("individuals", 0, 1, 100)
    found = false_alarms(chart(100), limits, rules=WESTERN_ELECTRIC, draws=500)
    found = found.set_index("rule")
    # Champ and Woodall: the first of all four after 91.75 points on the average.
    assert found.loc["any", "charts"] == pytest.approx(1 - np.exp(-100 / 91.75), abs=0.06)
    assert found.loc["any", "points"] <= found.loc[list(WESTERN_ELECTRIC), "points"].sum()


def test_few_events_a_point_give_more_signals_above_than_the_normal_law():
    limits = Limits("u", 0.5, 1, 50)
    few = false_alarms(chart(50), limits, rules=["western_1"], draws=1000)
    # With half an event a point the limit is at 2.62 events: P(3 or more) = 0.0144.
    assert few.loc[0, "points"] == pytest.approx(50 * 0.0144, rel=0.15)


def test_a_centre_estimated_from_few_points_brings_more_signals_in_a_row():
    limits = Limits("u", 100, 1, 4)
    known = false_alarms(chart(40), limits, rules=["western_4"])
    estimated = chart(40).assign(phase=[1] * 4 + [2] * 36)
    found = false_alarms(estimated, limits, rules=["western_4"])
    assert found.loc[0, "points"] > 1.3 * known.loc[0, "points"]


def test_a_moving_average_hardly_gives_any():
    limits = Limits("ewma", 10, 2, 50, smoothing=0.2)
    found = false_alarms(chart(50, size=4), limits, rules=["western_1"], draws=1000)
    # Lucas and Saccucci: after 560 points on the average.
    assert found.loc[0, "charts"] == pytest.approx(50 / 560, abs=0.03)


def test_shares_and_widened_limits_have_their_law_too():
    share = false_alarms(chart(50, 200), Limits("p", 0.5, 1, 50), rules=["western_1"], draws=500)
    assert share.loc[0, "points"] == pytest.approx(50 / 370, abs=0.12)
    wide = false_alarms(chart(50, 200), Limits("u", 0.5, 2, 50), rules=["western_1"], draws=500)
    assert wide.loc[0, "points"] == pytest.approx(50 / 370, abs=0.12)


def test_the_same_seed_gives_the_same_and_every_rule_has_a_row():
    limits = Limits("u", 5, 1, 20)
    one, two = (false_alarms(chart(20), limits, rules=NELSON, draws=20) for _ in range(2))
    assert one.equals(two)
    assert one["rule"].tolist() == [*NELSON, "any"]
