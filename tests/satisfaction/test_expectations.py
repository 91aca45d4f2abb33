"""The trend of expectations, with perceptions and the gap beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.data import model
from crmlab.data.simulate.effects import values as known_effects
from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData
from crmlab.satisfaction.expectations import expectations, trend_table

ITEMS = (model.Item("rel1", "reliability", "On time", "准时", 1, 7),)


def workspace(expected, perceived, days="30D", **columns):
    """A questionnaire every so many days, each of a customer of its own."""
    ids = [f"Q{row:03d}" for row in range(len(expected))]
    when = pd.date_range("2024-01-10", periods=len(ids), freq=days)
    surveys = pd.DataFrame({"response_id": ids, "answered_at": when} | columns)
    answers = pd.concat(
        pd.DataFrame({"response_id": ids, "item": "rel1", "aspect": aspect, "value": values})
        for aspect, values in (("expectation", expected), ("perception", perceived))
    )
    frames = {"surveys": surveys, "answers": answers}
    return from_frames(frames, settings=model.Settings(items=ITEMS))


def wobbling(start, step, count=24):
    """A line of so many steps, with something on both sides of it."""
    return [start + step * place + (0.1 if place % 2 else -0.1) for place in range(count)]


def test_a_line_through_clusters_has_the_errors_of_statsmodels():
    random = np.random.default_rng(1)
    years = pd.Series(random.random(60) * 2)
    series = pd.DataFrame({"expectation": 4 + 0.5 * years + random.normal(size=60)})
    frame = pd.DataFrame(
        {"weight": random.integers(1, 5, 60).astype(float), "cluster": np.arange(60) // 3}
    )
    row = trend_table(series, years, frame).iloc[0]
    design = sm.add_constant(years.to_numpy())
    fit = sm.WLS(series["expectation"].to_numpy(), design, weights=frame["weight"]).fit()
    robust = fit.get_robustcov_results("cluster", groups=frame["cluster"], use_correction=False)
    error = robust.bse[1] * np.sqrt(20 / 18)
    assert row["a_year"] == pytest.approx(fit.params[1])
    assert row["high"] - row["a_year"] == pytest.approx(2.10092204 * error)


def test_answers_of_one_moment_have_no_trend():
    frame = pd.DataFrame({"weight": np.ones(3), "cluster": range(3)})
    table = trend_table(pd.DataFrame({"gap": [1.0, 2, 3]}), pd.Series([1.0] * 3), frame)
    assert np.isnan(table["a_year"].iloc[0])
    assert not table["apart"].iloc[0]


def test_rising_expectations_and_falling_perceptions_are_said():
    result = expectations(workspace(wobbling(4, 0.05), wobbling(5, -0.02)))
    said = result.reading()
    assert result.title().startswith("Expectations rise by 0.6")
    assert "Perceptions fall by 0.2" in said
    assert "The lead over expectations is lost" in said


def test_the_interval_of_a_fall_is_written_without_signs():
    said = expectations(workspace(wobbling(6, -0.05), wobbling(5, 0.0))).reading()
    assert said.startswith("Expectations fall by 0.6")
    assert "a year (-" not in said.partition(".")[0]
    assert "Service overtakes expectations" in said


def test_what_chance_explains_is_no_trend():
    flat = wobbling(4, 0.0)
    result = expectations(workspace(flat, flat[::-1]))
    assert result.title() == "Whether expectations rise or fall cannot be told"
    assert "Whether the gap between the two changes cannot be told" in result.reading()


def test_behind_and_falling_back_is_told_from_a_lead_that_grows():
    behind = expectations(workspace(wobbling(5, 0.05), wobbling(4, 0.0))).reading()
    ahead = expectations(workspace(wobbling(4, 0.0), wobbling(4.5, 0.05))).reading()
    assert "Service falls further behind" in behind
    assert "The lead over expectations grows" in ahead
    nearer = expectations(workspace(wobbling(6, -0.03), wobbling(5, 0.0))).reading()
    less = expectations(workspace(wobbling(4, 0.03), wobbling(5, 0.0))).reading()
    assert "Service catches up" in nearer
    assert "The lead over expectations shrinks" in less


def test_questionnaires_without_a_time_or_a_dimension_are_counted():
    expected, perceived = wobbling(4, 0.05), wobbling(5, 0.0)
    crm = workspace(expected, perceived)
    items = (*ITEMS, model.Item("emp1", "empathy", minimum=1, maximum=7))
    answers = pd.concat([crm.answers, crm.answers.assign(item="emp1")])
    answers = answers[(answers["item"] == "rel1") | (answers["response_id"] > "Q001")]
    surveys = crm.surveys.rename(columns={"answered_at": "sent_at"})
    surveys["sent_at"] = surveys["sent_at"].where(surveys["response_id"] != "Q023")
    frames = {"surveys": surveys, "answers": answers}
    result = expectations(from_frames(frames, settings=model.Settings(items=items)))
    assert result.table["questionnaires"].tolist() == [21] * 3
    assert result.months["questionnaires"].sum() == 3 * 21
    assert "Left out besides: 3 questionnaires (no time of the answer, or a" in result.reading()
    assert [one.count for one in result.definition.exclusions] == [3]
    line = result.plot().lines[-1]
    assert [day.date().isoformat() for day in line.get_xdata(orig=True)] == [
        "2024-03-10",
        "2025-10-31",
    ]


def test_fewer_than_three_months_are_no_trend_and_no_time_is_named():
    with pytest.raises(NotEnoughData, match="3 months at least; there are 1"):
        expectations(workspace(wobbling(4, 0.0, 20), wobbling(4, 0.0, 20), days="1D"))
    surveys = pd.DataFrame({"response_id": ["1"]})
    answers = pd.DataFrame(
        {"response_id": ["1"], "item": ["a"], "aspect": ["expectation"], "value": [1.0]}
    )
    with pytest.raises(MissingColumns, match=r"surveys\.answered_at"):
        expectations(from_frames({"surveys": surveys, "answers": answers}))


def test_every_month_has_its_means():
    months = expectations(workspace(wobbling(4, 0.0), wobbling(5, 0.0), days="10D")).months
    assert months.groupby("aspect")["questionnaires"].sum().to_dict() == dict.fromkeys(
        ["expectation", "perception", "gap"], 24
    )
    first = months[months["month"] == "2024-01-01"].set_index("aspect")
    # answers of the 10th, the 20th and the 30th: 3.9, 4.1, 3.9 and a point more
    assert first["questionnaires"].tolist() == [3] * 3
    assert first["mean"].to_dict() == pytest.approx(
        {"expectation": 11.9 / 3, "perception": 14.9 / 3, "gap": 1}
    )


def test_the_known_trend_and_gaps_of_the_company_are_within_the_intervals(company):
    result = expectations(company)
    effects = known_effects()
    row = result.table.set_index("aspect").loc["expectation"]
    assert row["low"] < effects["expectation_trend"] < row["high"]
    gaps = result.dimensions.query("aspect == 'gap'").set_index("dimension")["at_start"]
    for dimension, gap in gaps.items():
        assert gap == pytest.approx(effects[f"gap_{dimension}"], abs=0.1)
