"""Curves and the log-rank test, against published figures and by hand."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.survival import (
    at_risk_table,
    influence,
    kaplan_meier,
    log_rank,
    quantile,
    survival_at,
)
from tests.stats.lives import random_cases

# Freireich et al. (1963), Blood 21, 699-716: weeks of remission of leukaemia.
DRUG = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
DRUG_EVENT = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


# --- curves


def test_the_median_remission_is_that_of_the_published_curve():
    drug = quantile(kaplan_meier(DRUG, DRUG_EVENT))
    assert (drug.value, drug.low) == (23, 13)
    assert np.isnan(drug.high)
    assert quantile(kaplan_meier(PLACEBO, np.ones(21))).value == 8


def test_the_interval_is_that_of_collett_on_the_log_log_scale():
    # By hand: S(7) = .8067, Greenwood's error .0869; exp(ln S e^{±1.96 · .0869/(S |ln S|)}).
    row = survival_at(kaplan_meier(DRUG, DRUG_EVENT), 7).iloc[0]
    spread = 3 / (21 * 18) + 1 / (17 * 16)
    half = 1.959964 * np.sqrt(spread) / -np.log(row["survival"])
    assert row["low"] == pytest.approx(row["survival"] ** np.exp(half), abs=1e-6)
    assert row["high"] == pytest.approx(row["survival"] ** np.exp(-half), abs=1e-6)
    assert row[["low", "high"]].round(3).tolist() == [0.563, 0.923]


def test_late_entry_by_hand():
    # At 2: A, B; at 4: B, C, D; at 5: C, D. C comes at 2 and is not at risk at 2.
    curve = kaplan_meier([2, 4, 5, 6], [1, 1, 1, 0], entry=[0, 1, 2, 3])
    assert curve["at_risk"].tolist() == [2, 3, 2, 1]
    assert curve["survival"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6, 1 / 6])


@pytest.mark.parametrize("seed", range(3))
def test_late_entry_agrees_with_statsmodels(seed):
    time, event, entry, _group = random_cases(seed)
    ours = kaplan_meier(time, event, entry=entry)
    theirs = SurvfuncRight(time, event.astype(float), entry=entry)
    ours = ours[ours["events"] > 0]
    np.testing.assert_allclose(ours["time"], theirs.surv_times)
    np.testing.assert_allclose(ours["at_risk"], theirs.n_risk)
    np.testing.assert_allclose(ours["survival"], theirs.surv_prob, atol=1e-12)


def test_counted_rows_are_as_many_rows():
    time, event, entry, _group = random_cases(4, 60)
    weights = np.random.default_rng(5).integers(1, 4, len(time))
    counted = kaplan_meier(time, event, entry=entry, weights=weights)
    each = kaplan_meier(
        *(np.repeat(x, weights) for x in (time, event)), entry=np.repeat(entry, weights)
    )
    pd.testing.assert_frame_equal(counted, each)


def test_every_case_is_an_event_or_censored_once():
    curve = kaplan_meier(DRUG, DRUG_EVENT)
    assert curve["events"].sum() == 9
    assert curve["censored"].sum() == 12
    assert curve["at_risk"].iloc[0] == 21


def test_a_late_entry_is_no_bias_and_ignoring_it_is_one():
    random = np.random.default_rng(6)
    late, naive = [], []
    for _turn in range(200):
        lives, entry = random.exponential(10, 400), random.uniform(0, 15, 400)
        seen = lives > entry
        time, event, entry = np.minimum(lives, 25)[seen], (lives < 25)[seen], entry[seen]
        late.append(survival_at(kaplan_meier(time, event, entry=entry), 10)["survival"].iloc[0])
        naive.append(survival_at(kaplan_meier(time, event), 10)["survival"].iloc[0])
    assert np.mean(late) == pytest.approx(np.exp(-1), abs=0.01)
    assert np.mean(naive) > 0.5


def test_intervals_hold_as_often_as_they_say():
    random = np.random.default_rng(7)
    holds = []
    for _turn in range(400):
        lives, ends = random.exponential(10, 60), random.uniform(3, 15, 60)
        found = survival_at(kaplan_meier(np.minimum(lives, ends), lives < ends), 6).iloc[0]
        holds.append(found["low"] <= np.exp(-0.6) <= found["high"])
    assert 0.92 < np.mean(holds) < 0.98


def test_before_the_first_event_the_interval_is_not_of_no_width():
    first = kaplan_meier([1, 2, 3, 4], [0, 1, 0, 0]).iloc[0]
    assert first[["survival", "high"]].tolist() == [1, 1]
    assert first["low"] == pytest.approx(0.025 ** (1 / 4))


def test_a_curve_at_zero_stays_there_when_others_come_later():
    curve = kaplan_meier([2, 6, 7], [1, 1, 0], entry=[0, 4, 4])
    assert curve["survival"].tolist() == [0, 0, 0]
    assert curve["low"].tolist() == [0, 0, 0]
    assert np.isfinite(curve["high"]).all()


def test_beyond_the_last_time_nothing_is_known():
    found = survival_at(kaplan_meier([2, 4], [1, 0]), [1, 2, 4, 4.1])
    assert found["survival"].tolist()[:3] == [1, 0.5, 0.5]
    assert np.isnan(found["survival"].iloc[3])
    assert survival_at(kaplan_meier([2, 4], [1, 1]), 9)["survival"].tolist() == [0]


def test_a_median_that_is_not_reached_is_missing():
    assert np.isnan(quantile(kaplan_meier([1, 2, 3], [1, 0, 0])).value)


def test_at_the_origin_those_are_at_risk_who_are_watched_from_there():
    found = at_risk_table([0, 1, 3], [2, 3, 5], entry=[0, 1, 2])
    assert found["at_risk"].tolist() == [1, 1, 2]


def test_influences_add_up_to_greenwoods_variance():
    time, event, entry, _group = random_cases(8, 2000)
    curve = kaplan_meier(time, event, entry=entry)
    part = curve[curve["time"] <= 20]
    n, d, s = part["at_risk"], part["events"], part["survival"].iloc[-1]
    greenwood = s**2 * (d / (n * (n - d))).sum()
    added = influence(time, event, 20, entry=entry)
    assert np.sum(added**2) == pytest.approx(greenwood, rel=0.005)
    assert np.sum(added) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"time": [1, np.nan], "event": [1, 0]}, "1 values"),
        ({"time": [1, -2], "event": [1, 0]}, "negative"),
        ({"time": [1, 2], "event": [1, 2]}, "events 0 or 1"),
        ({"time": [1, 2], "event": [1]}, "one length"),
        ({"time": [1, 2], "event": [1, 1], "entry": [0, 3]}, "after their end"),
    ],
)
def test_wrong_input_is_said(arguments, words):
    with pytest.raises(CrmlabError, match=words):
        kaplan_meier(**arguments)


def test_nobody_watched_is_said():
    with pytest.raises(NotEnoughData, match="Nobody was watched"):
        kaplan_meier([3, 4], [1, 1], entry=[3, 4])
    with pytest.raises(NotEnoughData, match="Nobody was watched"):
        kaplan_meier([], [])


def test_an_event_at_the_origin_counts():
    assert kaplan_meier([0, 1], [1, 0])["survival"].tolist() == [0.5, 0.5]


# --- the log-rank test


def test_log_rank_of_the_leukaemia_patients_is_the_published_one():
    groups = ["drug"] * 21 + ["placebo"] * 21
    found = log_rank(DRUG + PLACEBO, DRUG_EVENT + [1] * 21, groups)
    assert found.statistic == pytest.approx(16.793, abs=5e-4)
    assert found.freedom == 1
    assert found.chance == pytest.approx(4.17e-5, rel=1e-2)
    assert found.table["observed"].tolist() == [9, 21]
    assert found.table["expected"].tolist() == pytest.approx([19.25, 10.75], abs=5e-3)


def test_log_rank_with_late_entry_agrees_with_statsmodels_and_adds_up():
    time, event, entry, group = random_cases(9)
    found = log_rank(time, event, group, entry=entry)
    assert found.freedom == 2
    assert found.statistic == pytest.approx(survdiff(time, event * 1.0, group, entry=entry)[0])
    assert found.table["expected"].sum() == pytest.approx(event.sum())


def test_a_group_that_is_never_at_risk_at_an_event_is_left_out_of_the_test():
    found = log_rank(
        [3, 4, 3, 4, 9, 9], [1, 1, 1, 0, 0, 0], list("aabbcc"), entry=[0] * 4 + [8] * 2
    )
    assert found.freedom == 1
    assert found.table.set_index("group").loc["c", ["observed", "expected"]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("time", "event", "group", "entry"),
    [
        ([1, 2, 3], [1, 1, 0], "aaa", [0, 0, 0]),
        ([1, 2, 3], [0, 0, 0], "aab", [0, 0, 0]),
        ([2, 2, 5, 5], [1, 1, 1, 0], "aabb", [0, 0, 3, 3]),
    ],
)
def test_groups_that_cannot_be_compared_are_said(time, event, group, entry):
    with pytest.raises(NotEnoughData, match="two groups"):
        log_rank(time, event, list(group), entry=entry)
