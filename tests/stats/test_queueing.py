import random

import numpy as np
import pytest

from crmlab.errors import CrmlabError
from crmlab.stats.queueing import (
    conserved_wait,
    erlang_c,
    fifo_wait,
    priority_wait,
    priority_within,
    replayed_waits,
    servers_needed,
    simulate_priority,
)

RATES = [0.2, 0.6, 1.2]


def small(arrivals=RATES, service=(3.0, 3.0, 3.0), servers=1, **options):
    settings = {"duration": 400, "warm_up": 40, "replications": 6} | options
    return simulate_priority(arrivals, list(service), servers, **settings)


# --- closed forms


@pytest.mark.parametrize("servers", [1, 2, 3])
def test_priority_moves_the_waiting_and_does_not_lessen_it(servers):
    waits = priority_wait(RATES, 3.0, servers)
    fifo = fifo_wait(sum(RATES), 3.0, servers).mean
    assert conserved_wait(RATES, [3.0] * 3, waits["wait"]) == pytest.approx(fifo)
    assert waits["wait_fifo"].tolist() == pytest.approx([fifo] * 3)


def test_with_other_durations_the_work_weighted_wait_is_the_same_in_every_order():
    rates, served, spread = np.array([0.2, 0.5, 0.3]), np.array([4.0, 2.0, 1.0]), [0.0, 1.0, 3.0]
    found = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        waits = priority_wait(rates[order], served[order], variability=np.array(spread)[order])[
            "wait"
        ]
        found.append(conserved_wait(rates[order], served[order], waits))
    assert found == pytest.approx([found[0]] * 3)


def test_equal_durations_halve_the_wait_of_exponential_ones():
    exponential = priority_wait(RATES, 3.0)["wait"]
    equal = priority_wait(RATES, 3.0, variability=0)["wait"]
    assert (equal / exponential).tolist() == pytest.approx([0.5] * 3)


def test_an_overloaded_desk_still_serves_the_better_classes():
    waits = priority_wait([1.0, 1.5, 2.0, 1.0], 3.0)
    # The desk is never idle: a new case finds on average 1/3 of work under way.
    assert waits["wait"].tolist() == pytest.approx([0.5, 3.0, np.inf, np.inf])
    assert np.isinf(waits["wait_fifo"]).all()


def test_the_class_that_overflows_counts_with_the_time_the_better_ones_leave_it():
    waits = priority_wait([1.0, 10.0], [2.0, 1.0])["wait"]
    # Half the time a class 1 case (residual 1/2), half the time a class 2 case (residual 1).
    assert waits[0] == pytest.approx((0.5 * 0.5 + 0.5 * 1.0) / 0.5)


def test_several_servers_and_different_durations_have_no_closed_form():
    with pytest.raises(CrmlabError, match=r"use simulate_priority\(\)"):
        priority_wait(RATES, [3.0, 3.0, 2.0], 2)
    with pytest.raises(CrmlabError, match="only for exponential durations"):
        priority_wait(RATES, 3.0, 2, variability=0.5)


def test_one_class_waits_as_in_a_plain_line():
    plain = fifo_wait(2.0, 3.0, 2)
    assert priority_wait([2.0], 3.0, 2)["wait"].iloc[0] == pytest.approx(plain.mean)
    assert priority_within([2.0], 3.0, 2, 0.3)[0] == pytest.approx(plain.within(0.3), abs=1e-7)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_shares_within_every_time_add_up_to_the_mean_wait(place):
    times = np.linspace(0, 30, 1001)
    beyond = [1 - priority_within(RATES, 3.0, 1, time)[place] for time in times]
    mean = priority_wait(RATES, 3.0)["wait"].iloc[place]
    assert np.trapezoid(beyond, times) == pytest.approx(mean, abs=5e-3)


def test_nobody_waits_where_nobody_comes_and_everybody_where_too_many_come():
    assert fifo_wait(0.0, 3.0).within(0) == 1
    assert fifo_wait(4.0, 3.0).within(100) == 0
    assert erlang_c(2, 5.0) == 1
    assert priority_within([1.0, 3.0], 3.0, 1, 5.0)[1] == 0


def test_erlang_c_of_a_large_centre_does_not_overflow():
    assert 0 < erlang_c(1000, 950.0) < 1


# --- servers


def test_the_fewest_servers_are_found():
    needed = servers_needed(20, 10, target=1 / 60, share=0.8)
    assert fifo_wait(20, 10, needed).within(1 / 60) >= 0.8
    assert fifo_wait(20, 10, needed - 1).within(1 / 60) < 0.8


def test_a_class_without_a_promise_needs_no_server():
    strict = servers_needed([1.0, 8.0], 3.0, target=0.2, share=[0.9, 0.9])
    lenient = servers_needed([1.0, 8.0], 3.0, target=0.2, share=[0.9, 0.0])
    assert lenient < strict


def test_certainty_cannot_be_promised():
    with pytest.raises(CrmlabError, match="below 1"):
        servers_needed(1.0, 2.0, target=1.0, share=1.0)


# --- simulation


def test_the_simulation_holds_the_closed_form_in_its_intervals():
    found = small(duration=1500, warm_up=100, target=0.5, confidence=0.99)
    classes = found.classes
    exact = priority_wait(RATES, 3.0)["wait"]
    within = priority_within(RATES, 3.0, 1, 0.5)
    assert ((classes["low"] < exact) & (exact < classes["high"])).all()
    assert ((classes["within_low"] < within) & (within < classes["within_high"])).all()
    assert found.overall["low"] < 2 / 3 < found.overall["high"]


def test_first_come_first_served_and_priority_have_one_mean_wait_in_the_simulation():
    with_priority, without = (small(priority=first).overall for first in (True, False))
    assert with_priority["wait"] == pytest.approx(without["wait"], rel=0.02)


def test_observed_durations_are_drawn_from():
    found = small([1.0], [np.array([0.5, 0.5])], confidence=0.99, duration=1500)
    # M/D/1: ρ/(2μ(1 − ρ)) with μ = 2, ρ = 1/2.
    assert found.classes["low"].iloc[0] < 0.25 < found.classes["high"].iloc[0]


def test_a_seed_gives_the_same_again_and_another_seed_does_not():
    first, again, other = (small(seed=seed).overall["wait"] for seed in (1, 1, 2))
    assert first == again != other


def test_the_simulation_leaves_the_global_generators_as_they_were():
    import ciw

    before, generator = random.getstate(), ciw.rng
    small()
    assert random.getstate() == before
    assert ciw.rng is generator


def test_who_still_waits_at_the_end_is_counted():
    classes = small([1.0, 4.0], [3.0, 3.0], duration=100, warm_up=10).classes
    assert classes["unserved"].iloc[0] <= 1
    assert classes["unserved"].iloc[1] > 100


def test_a_class_nobody_belongs_to_has_no_wait():
    classes = small([0.0, 1.0], [3.0, 3.0], target=1.0).classes
    assert classes["cases"].iloc[0] == 0
    assert classes.loc[0, ["wait", "low", "within"]].isna().all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(CrmlabError, match="one of each per class"):
        small(RATES, [3.0])
    with pytest.raises(CrmlabError, match="at least 2 replications"):
        small(replications=1)
    with pytest.raises(CrmlabError, match="whole number from 1 on"):
        priority_wait(RATES, 3.0, 0)
    with pytest.raises(CrmlabError, match="Arrival rates are 0 or more"):
        priority_wait([-1.0], 3.0)


# --- replay


def test_a_replay_sends_each_case_to_whoever_is_free_first():
    assert replayed_waits([0, 1, 1, 9], [4, 2, 1, 1], 2).tolist() == [0, 0, 2, 0]
