import numpy as np
import pytest

from crmlab.errors import NotEnoughData
from crmlab.stats.clustered_log_rank import clustered_log_rank, scores
from crmlab.stats.survival import log_rank


def waits(seed, cases=400, ratio=1.0):
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, cases)
    time = np.ceil(random.exponential(10 * np.where(group, ratio, 1.0), cases))
    end = np.ceil(random.uniform(1, 40, cases))
    return np.minimum(time, end), time <= end, group


def test_the_scores_are_those_of_statsmodels_cox_model_without_an_effect():
    from statsmodels.duration.hazard_regression import PHReg

    time, event, group = waits(1, cases=60)
    model = PHReg(time, group[:, None].astype(float), status=event * 1, ties="breslow")
    independent = model.score_residuals(np.zeros(1))[:, 0]
    assert scores(time, event, group)[1].to_numpy() == pytest.approx(independent, abs=1e-9)


def test_the_scores_add_up_to_observed_less_expected_events():
    time, event, group = waits(2)
    table = log_rank(time, event, group).table
    apart = table["observed"] - table["expected"]
    assert scores(time, event, group).sum().to_numpy() == pytest.approx(apart.to_numpy())


def test_with_a_case_per_cluster_it_is_nearly_the_log_rank_test():
    time, event, group = waits(3, cases=4000, ratio=1.1)
    alone = clustered_log_rank(time, event, group, np.arange(len(time)))
    assert alone == pytest.approx(log_rank(time, event, group).chance, rel=0.15)


def test_cases_told_three_times_do_not_make_the_groups_more_different():
    time, event, group = waits(5, cases=120, ratio=1.6)
    once = clustered_log_rank(time, event, group, np.arange(120))
    thrice = [np.tile(part, 3) for part in (time, event, group, np.arange(120))]
    assert clustered_log_rank(*thrice) == pytest.approx(once, rel=0.02)
    assert log_rank(*thrice[:3]).chance < once / 2


def test_one_group_or_no_event_is_refused():
    with pytest.raises(NotEnoughData, match="two of them"):
        clustered_log_rank([1, 2], [1, 1], ["a", "a"], [0, 1])
    with pytest.raises(NotEnoughData, match="an event"):
        clustered_log_rank([1, 2], [0, 0], ["a", "b"], [0, 1])


def test_as_many_clusters_as_groups_are_enough_and_fewer_are_not():
    time, event, group = [1, 2, 3, 4, 5, 6], [1] * 6, list("aabbcc")
    assert 0 < clustered_log_rank(time, event, group, [0, 0, 1, 1, 2, 2]) < 1
    assert np.isnan(clustered_log_rank(time, event, group, [0, 0, 1, 1, 1, 0]))
    assert np.isnan(clustered_log_rank(time, event, group, [0] * 6))
