import numpy as np
import pytest

from crmlab.stats.queueing import fifo_wait, replayed_waits
from crmlab.stats.replay import runs_of, waits_of


@pytest.mark.parametrize("servers", [1, 2, 3])
def test_every_run_waits_as_if_it_were_replayed_alone(servers):
    random = np.random.default_rng(1)
    runs = runs_of([[4, 0, 3], [1, 5, 2], [0, 0, 0]], 8.0, [1.0, 6.0, 3.0], random)
    waits = waits_of(runs, servers)
    for run, count in enumerate([7, 8, 0]):
        alone = replayed_waits(runs.come[:count, run], runs.lasts[:count, run], servers)
        assert waits[:count, run].tolist() == alone.tolist()
        assert np.isnan(waits[count:, run]).all()


def test_cases_come_on_their_days():
    runs = runs_of([[2, 0, 3]], 8.0, [1.0], np.random.default_rng(0))
    assert (runs.come[:, 0] // 8).tolist() == [0, 0, 2, 2, 2]
    assert (np.diff(runs.come[:, 0]) >= 0).all()


def test_poisson_days_and_exponential_durations_wait_as_erlang_says():
    random = np.random.default_rng(2)
    daily = random.poisson(16, (40, 800))
    runs = runs_of(daily, 8.0, random.exponential(0.8, 100_000), random)
    waits = waits_of(runs, 2)[2000:]
    share = np.nansum(waits <= 1.0) / np.isfinite(waits).sum()
    assert share == pytest.approx(fifo_wait(2.0, 1.25, 2).within(1.0), abs=0.02)
