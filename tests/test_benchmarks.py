"""What the benchmarks compare is the same work, and what they say of limits is so."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """The benchmarks' own modules, importable as they are for their scripts."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import explorers
    import repeat_buying
    import run
    import summary

    own = {
        "run": run,
        "summary": summary,
        "explorers": explorers,
        "repeat_buying": repeat_buying,
    }
    yield own
    for name in own:
        sys.modules.pop(name, None)


def test_sql_by_hand_and_pandas_find_what_crmlab_finds(benchmarks, tmp_path):
    summary = benchmarks["summary"]
    folder = tmp_path / "company"
    summary.make_orders(folder, 3000)
    own = summary.with_crmlab(folder)
    for other in (summary.with_duckdb(folder), summary.with_pandas(folder)):
        shared = [name for name in own.columns if name in other.columns]
        assert len(shared) >= 15
        pd.testing.assert_frame_equal(own[shared], other[shared], check_dtype=False, atol=1e-5)
    assert summary.with_duckdb(folder).columns.tolist() == own.columns.tolist()


def test_contestants_that_disagree_stop_the_benchmark(benchmarks):
    run, summary = benchmarks["run"], benchmarks["summary"]
    totals = {name: {"customers": 3.0, "amount": 10.0} for name in summary.CONTESTANTS}
    run._agree(totals)
    totals[summary.PANDAS]["amount"] = 10.1
    with pytest.raises(SystemExit, match=r"pandas groupby finds 10.1 for amount, crmlab 10.0"):
        run._agree(totals)


def test_the_exponent_of_growth_is_the_slope_on_logarithms(benchmarks):
    slope = benchmarks["run"].slope
    assert slope({10: 2.0, 100: 20.0, 1000: 200.0}) == pytest.approx(1)
    assert slope({10: 3.0, 100: 300.0}) == pytest.approx(2)


def test_the_page_says_which_limits_are_met_missed_and_not_looked_at(benchmarks):
    page = benchmarks["run"].Page()
    page.limit("speed", "1.10 ×", "≤ 1.15 ×", True)
    page.limit("memory", "0.60 ×", "≤ 0.5 ×", False)
    page.not_run("100,000,000 orders", "done")
    text = page.text("Measured here.")
    assert "| speed | 1.10 × | ≤ 1.15 × | yes |" in text
    assert "| memory | 0.60 × | ≤ 0.5 × | **no** |" in text
    assert "| 100,000,000 orders | – | done | not run |" in text
    assert page.missed() == ["not met: memory: 0.60 ×, the limit is ≤ 0.5 ×"]


def test_every_move_of_a_control_changes_its_value(benchmarks):
    import ipywidgets

    values = benchmarks["explorers"]._values
    controls = [
        ipywidgets.FloatSlider(value=0.2, min=0.0, max=1.0, step=0.005),
        ipywidgets.IntSlider(value=1, min=1, max=4),
        ipywidgets.SelectionSlider(options=[("a", 1.0), ("b", 2.0), ("c", 3.0)], value=2.0),
        ipywidgets.Checkbox(value=True),
    ]
    for control in controls:
        moves = values(control)
        assert len(moves) >= benchmarks["explorers"].MOVES - 1
        for value in moves:
            before = control.value
            control.value = value
            assert control.value != before


def test_an_explorer_that_is_expected_and_not_there_misses_its_limit(benchmarks, monkeypatch):
    run = benchmarks["run"]
    monkeypatch.setattr(run, "job", lambda _name: {"tiering.gone": [], "tiering.there": [0.1]})
    page = run.Page()
    run.explorers(page, (), 1)
    missed = "not met: tiering.gone: median of a move: there is no such explorer"
    assert page.missed() == [f"{missed}, the limit is ≤ 200 ms"]


def test_the_fit_on_cdnow_is_the_published_one_and_another_stops_the_benchmark(benchmarks):
    run, models = benchmarks["run"], benchmarks["repeat_buying"]
    history = models.cdnow()
    assert len(history[0]) == 2357
    # Fader, Hardie and Lee (2005), table 2.
    found = models.log_likelihood([0.243, 4.414, 0.793, 2.426], *history)
    assert found == pytest.approx(-9582.4, abs=0.05)
    assert models._parameters(models.CRMLAB, history)[0] == pytest.approx(0.243, abs=1e-3)
    run._same_fit({models.CRMLAB: found, models.LIFETIMES: found - 0.005})
    with pytest.raises(SystemExit, match=r"lifetimes finds a log-likelihood of -9583.4"):
        run._same_fit({models.CRMLAB: found, models.LIFETIMES: found - 1})


def test_customers_made_for_the_benchmark_have_the_parameters_that_they_are_made_from(benchmarks):
    models = benchmarks["repeat_buying"]
    history = models.simulated(40_000)
    found = models._parameters(models.CRMLAB, history)
    assert found == pytest.approx(models.TRUE, rel=0.15)
