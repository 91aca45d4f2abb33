import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.satisfaction.over_time import (
    explore_smoothing,
    false_signals,
    satisfaction_chart,
    smoothed,
)


def workspace(months, answers=30, seed=1, **more):
    """Answers of 3 and 4 by turns, moved by so much in each month."""
    random = np.random.default_rng(seed)
    rows = []
    for month, moved in enumerate(months):
        day = pd.Timestamp(2024 + month // 12, month % 12 + 1, 10)
        fours = round(answers * (0.5 + moved % 1))
        draws = random.permutation([3] * (answers - fours) + [4] * fours) + int(moved)
        rows += [(f"Q{month}-{n}", f"C{month}-{n}", day, draw) for n, draw in enumerate(draws)]
    frame = pd.DataFrame(rows, columns=["response_id", "customer_id", "answered_at", "overall"])
    return from_frames({"surveys": frame.assign(**more)})


def test_a_lasting_change_is_seen_and_a_steady_year_is_not():
    steady = satisfaction_chart(workspace([0] * 18))
    changed = satisfaction_chart(workspace([0] * 12 + [1] * 6))
    assert not steady.table["signal"].any()
    assert changed.table["signal"].tolist() == [False] * 12 + [True] * 6
    assert "No later batch breaks a rule" in steady.reading()
    assert "the first in 2025-01" in changed.title()
    assert "is higher by 1.00" in changed.reading()


def test_the_limits_come_from_the_stated_phase_alone():
    result = satisfaction_chart(workspace([0] * 12 + [1] * 6))
    assert result.table["phase"].tolist() == [1] * 12 + [2] * 6
    assert result.control.limits.centre == pytest.approx(3.5)
    assert result.control.limits.points == 12


def test_the_figure_and_its_limits_by_hand():
    # 15 threes and 15 fours a month: s² = 30 · 1/4 / 29, pooled over 12 months.
    row = satisfaction_chart(workspace([0] * 14)).table.iloc[-1]
    sigma = np.sqrt(30 / 4 / 29)
    assert row["satisfaction"] == pytest.approx(3.5)
    assert row["upper"] == pytest.approx(3.5 + 3 * sigma / np.sqrt(30), rel=1e-3)


def test_weights_make_a_batch_count_for_fewer_answers():
    result = satisfaction_chart(workspace([0] * 13, weight=[1.0, 9.0] * 195))
    assert result.table["effective"].iloc[0] == pytest.approx(30 * 25 / 41)


def test_answers_of_one_customer_count_for_less():
    result = satisfaction_chart(workspace([0] * 13, customer_id=["A", "A", "B"] * 130))
    assert result.table["effective"].iloc[0] == pytest.approx(30**2 / (20**2 + 10**2))


def test_answers_of_weight_0_are_left_out_and_counted():
    weight = [1.0] * (13 * 30) + [0.0] * 30
    result = satisfaction_chart(workspace([0] * 13 + [1], weight=weight))
    assert len(result.table) == 13
    assert "30 questionnaires (answered, but without a weight)" in result.reading()


def test_where_every_answer_is_alike_no_batch_is_a_signal():
    weight = np.random.default_rng(1).uniform(0.3, 7, 14 * 30)
    result = satisfaction_chart(workspace([0] * 14, overall=3, weight=weight))
    assert not result.table["signal"].any()
    assert result.table[["lower", "upper"]].to_numpy() == pytest.approx(3.0)


def test_batches_whose_names_are_numbers_are_in_the_order_of_the_numbers():
    days = np.repeat(np.arange(5, 19), 30)
    result = satisfaction_chart(
        workspace([0] * 12 + [1] * 2, decision_days=days), by="decision_days"
    )
    assert result.table["batch"].tolist() == [f"{day}.0" for day in range(5, 19)]
    assert result.change.value == pytest.approx(1)


def test_where_all_batches_are_phase_one_nothing_is_said_of_what_came_after():
    result = satisfaction_chart(workspace([0] * 12))
    assert result.title() == "Mean satisfaction: 12 batches, all of them phase I"
    assert "after phase I" not in result.reading().lower()
    assert "ater batch breaks" not in result.reading()


def test_the_share_of_satisfied_answers_has_binomial_limits():
    row = satisfaction_chart(workspace([0] * 14), measure="top_two").table.iloc[-1]
    assert row["satisfaction"] == pytest.approx(0.5)
    assert row["upper"] == pytest.approx(0.5 + 3 * np.sqrt(0.25 / 30))


def test_a_moving_average_starts_at_the_centre_and_sees_a_small_change():
    months = [0] * 12 + [0.2] * 12
    batches = satisfaction_chart(workspace(months))
    average = satisfaction_chart(workspace(months), chart="ewma")
    assert average.table["satisfaction"].iloc[0] == pytest.approx(3.5)
    late = average.table["signal"].iloc[12:].sum()
    beyond = (batches.table["rule"] == "western_1").iloc[12:].sum()
    assert late > beyond


def test_a_phase_that_already_varies_is_said():
    reading = satisfaction_chart(workspace([0] * 5 + [1] + [0] * 8)).reading()
    assert "In phase I itself these batches break a rule: 2024-06 (above" in reading


def test_what_is_not_enough_or_not_known_is_said():
    with pytest.raises(NotEnoughData, match="Phase I takes 12 batches; there are 3"):
        satisfaction_chart(workspace([0, 0, 0]))
    with pytest.raises(UnknownName, match="measure is one of mean, top_two, not nps"):
        satisfaction_chart(workspace([0] * 12), measure="nps")
    with pytest.raises(NotEnoughData, match="No questionnaire says how satisfied"):
        satisfaction_chart(workspace([0] * 12, overall=None))


def test_the_change_of_2025_is_seen_in_the_simulated_company(company):
    result = satisfaction_chart(company, chart="ewma")
    assert not result.table["signal"].iloc[:12].any()
    assert result.table["signal"].iloc[15:].all()
    assert result.change.low > 0


def test_full_weight_of_the_newest_batch_gives_the_batches_themselves():
    result = satisfaction_chart(workspace([0] * 12 + [1] * 6))
    averages = smoothed(result)
    assert averages[1.0].frame["value"].tolist() == pytest.approx(
        result.table["satisfaction"].tolist()
    )
    assert averages[1.0].frame["upper"].tolist() == pytest.approx(result.table["upper"].tolist())


def test_the_slider_starts_from_the_batches():
    with pytest.raises(CrmlabError, match="starts from the batches themselves"):
        explore_smoothing(satisfaction_chart(workspace([0] * 14), chart="ewma"))


def test_the_explorer_follows_its_slider(monkeypatch):
    caught = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: caught.update(figure=figure, move=move, words=words),
    )
    result = satisfaction_chart(workspace([0] * 12 + [0.2] * 12))
    explore_smoothing(result)
    (axes,) = caught["figure"].axes
    (line,) = [one for one in axes.lines if one.get_label() == "average"]
    for smoothing in (0.2, 1.0):
        frame = smoothed(result)[smoothing].frame
        caught["move"](smoothing=smoothing)
        assert list(line.get_ydata()) == pytest.approx(frame["value"].tolist())
        band = axes.collections[0].get_paths()[0].vertices
        assert band[:, 1].max() == pytest.approx(frame["upper"].max())
        assert band[:, 1].min() == pytest.approx(frame["lower"].min())
    said = caught["words"](smoothing=0.2)
    signals = (frame := smoothed(result)[0.2].frame)[frame["rules"].map(len) > 0]
    assert f"in {len(signals)} batches of 12, first in {signals['point'].iloc[0]}" in said


def test_a_centre_that_is_well_known_gives_the_published_run_length_and_another_more_signals():
    # Run lengths of 91.75 and 560: about so many charts of 24 points without a change signal.
    for smoothing, length in ((None, 91.75), (0.2, 560)):
        known = false_signals(184, 160, smoothing)[:, 160:]
        rough = false_signals(36, 12, smoothing)[:, 12:]
        assert known.any(axis=1).mean() == pytest.approx(1 - np.exp(-24 / length), abs=0.02)
        assert rough.sum() > 1.4 * known.sum()


def test_false_signals_are_said_for_the_chart_that_is_drawn():
    months = [0] * 18
    for chart, smoothing in (("batches", None), ("ewma", 0.2)):
        share = false_signals(18, 12, smoothing).any(axis=1).mean()
        reading = satisfaction_chart(workspace(months), chart=chart).reading()
        assert f"{share:.0%} of charts of 18 points would give a false signal" in reading


def test_answers_without_a_batch_and_months_without_answers_are_said():
    wave = ["x"] * 30 + ["y"] * 30 + [None] * 30 + ["z"] * 30
    waves = satisfaction_chart(workspace([0] * 4, wave=wave), by="wave", phase=2)
    assert waves.undated == 30
    assert "Nor is the batch known of: 30 questionnaires" in waves.reading()
    assert waves.definition.exclusions[-1].count == 30
    there = satisfaction_chart(workspace([0] * 14))
    frame = workspace([0] * 14).surveys
    holes = from_frames({"surveys": frame[frame["answered_at"].dt.month != 5]})
    assert there.gaps == ()
    assert satisfaction_chart(holes).gaps == ("2024-05",)
    assert "Months without" not in there.reading()
