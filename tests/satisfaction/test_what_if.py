"""What satisfaction is predicted if ratings rise, and how sure that is."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.satisfaction import explore_what_if, what_if

SIZE = 250
RANDOM = np.random.default_rng(21)
X = pd.DataFrame({name: RANDOM.normal(60, 12, SIZE) for name in ("fast", "clear")})
X = X.round().clip(0, 100)
LATENT = (X["fast"] - 60) / 12 + 0.4 * (X["clear"] - 60) / 12 + RANDOM.logistic(size=SIZE)
Y = pd.Series(1 + np.searchsorted([-2.5, -1.2, 0.0, 1.6], LATENT))
RECOMMEND = pd.Series(np.clip(np.round(5 + 1.5 * LATENT), 0, 10))
ITEMS = tuple(model.Item(name, "service", minimum=0, maximum=100) for name in X)


def workspace(x=X, y=Y, **surveys):
    ids = [f"R{number:03d}" for number in range(len(x))]
    named = x.set_axis(ids).rename_axis("response_id").reset_index()
    answers = named.melt("response_id", var_name="item").assign(aspect="perception")
    table = pd.DataFrame({"response_id": ids, "overall": np.asarray(y), **surveys})
    return from_frames({"surveys": table, "answers": answers}, settings=model.Settings(items=ITEMS))


def row(result, figure):
    return result.table.set_index("figure").loc[figure]


def test_the_change_is_that_of_the_expected_answers_of_an_ordered_logit():
    result = what_if(workspace(), raise_by={"fast": 5})
    peer = OrderedModel(Y, X, distr="logit").fit(method="bfgs", maxiter=500, disp=0)
    before = peer.predict(X).to_numpy()
    after = peer.predict(X.assign(fast=(X["fast"] + 5).clip(upper=100))).to_numpy()
    moved = (after - before).mean(axis=0)
    assert row(result, "mean")["change"] == pytest.approx(moved @ [1, 2, 3, 4, 5], abs=1e-3)
    assert row(result, "top")["change"] == pytest.approx(100 * moved[3:].sum(), abs=0.02)


def test_the_figures_now_are_the_answers():
    result = what_if(workspace(recommend=RECOMMEND), raise_by={})
    assert result.table["figure"].tolist() == ["mean", "top", "nps"]
    promoters, detractors = (RECOMMEND >= 9).mean(), (RECOMMEND <= 6).mean()
    expected = [Y.mean(), 100 * (Y >= 4).mean(), 100 * (promoters - detractors)]
    assert result.table["now"].tolist() == pytest.approx(expected)
    assert result.table["then"].tolist() == pytest.approx(expected)
    assert result.table["change"].tolist() == pytest.approx([0, 0, 0])
    error = Y.std() / np.sqrt(SIZE)
    assert row(result, "mean")["high"] - Y.mean() == pytest.approx(1.9695 * error, rel=1e-3)
    assert "No rating is raised" in result.reading()


@pytest.mark.slow
def test_the_interval_of_a_change_is_that_of_a_jackknife():
    found = row(what_if(workspace(), raise_by={"fast": 5}), "mean")
    group = np.random.default_rng(3).permutation(SIZE) % 25
    each = []
    for left in range(25):
        kept = group != left
        part = workspace(X[kept].reset_index(drop=True), Y[kept])
        each.append(row(what_if(part, raise_by={"fast": 5}), "mean")["change"])
    error = np.sqrt(24 / 25 * np.sum((each - np.mean(each)) ** 2))
    half = (found["change_high"] - found["change_low"]) / 2 / 1.9695
    assert half == pytest.approx(error, rel=0.2)


def test_the_net_promoter_score_is_that_of_those_who_answer_it_and_they_are_counted():
    asked = RECOMMEND.where(RECOMMEND.index % 2 == 0)
    result = what_if(workspace(recommend=asked), raise_by={"fast": 5})
    now = 100 * ((asked >= 9).sum() - (asked <= 6).sum()) / asked.notna().sum()
    assert row(result, "nps")["now"] == pytest.approx(now)
    assert "to recommend the company: 125. From these the Net Promoter Score" in result.reading()
    everybody = what_if(workspace(recommend=RECOMMEND), raise_by={"fast": 5})
    assert "recommend the company" not in everybody.reading()


@pytest.mark.parametrize(("answers", "count"), [([1, 5, 9], "3"), ([7] * 40, "40")])
def test_answers_on_recommendation_that_do_not_suffice_are_said(answers, count):
    asked = pd.Series(answers, dtype=float).reindex(range(SIZE))
    result = what_if(workspace(recommend=asked), raise_by={"fast": 5})
    assert result.table["figure"].tolist() == ["mean", "top"]
    assert f"is not predicted: of the answers on recommendation ({count})" in result.reading()
    assert "Net Promoter Score" not in what_if(workspace(), raise_by={"fast": 5}).reading()


def test_no_rating_rises_beyond_its_scale():
    x = X.assign(fast=np.where(np.arange(SIZE) % 2, 100.0, 60.0))
    some = what_if(workspace(x), raise_by={"fast": 40})
    more = what_if(workspace(x), raise_by={"fast": 90})
    pd.testing.assert_frame_equal(some.table, more.table)


def test_a_larger_raise_of_what_counts_is_a_larger_and_less_certain_change():
    result = what_if(workspace(), raise_by={"fast": 4})
    more = result.predicted({"fast": 12}).set_index("figure").loc["mean"]
    less = row(result, "mean")
    assert 0 < less["change"] < more["change"]
    assert more["change_high"] - more["change_low"] > less["change_high"] - less["change_low"]
    for found in (less, more):
        assert found["change_low"] < found["change"] < found["change_high"]
        assert found["low"] < found["then"] < found["high"] <= 5


def test_answers_of_one_customer_make_the_prediction_less_certain():
    alone = what_if(workspace(), raise_by={"fast": 5})
    twice = what_if(
        workspace(
            pd.concat([X, X], ignore_index=True),
            pd.concat([Y, Y]),
            customer_id=[f"C{number}" for number in range(SIZE)] * 2,
        ),
        raise_by={"fast": 5},
    )
    first, second = row(alone, "mean"), row(twice, "mean")
    assert second["change"] == pytest.approx(first["change"], abs=1e-4)
    assert second["change_high"] == pytest.approx(first["change_high"], rel=0.02)


def test_a_tenth_of_the_scale_of_the_best_two_is_asked_by_default():
    result = what_if(workspace())
    assert result.raise_by == {"fast": 10.0, "clear": 10.0}
    assert "“fast” by 10; “clear” by 10" in result.reading()
    assert "prediction from association" in result.reading()


def test_what_cannot_be_raised_is_refused():
    with pytest.raises(UnknownName, match="no rating of cheap to raise; rated are: fast, clear"):
        what_if(workspace(), raise_by={"cheap": 3})
    for points in (-1, np.nan, "5"):
        with pytest.raises(CrmlabError, match="points of at least 0, such as 5; for fast"):
            what_if(workspace(), raise_by={"fast": points})


def test_every_attribute_has_a_slider_that_moves_the_picture(monkeypatch):
    from crmlab.show import widgets

    shown = {}

    def caught(figure, move, words, controls):
        shown.update(figure=figure, move=move, words=words, controls=controls)

    monkeypatch.setattr(widgets, "explorer", caught)
    result = what_if(workspace(), raise_by={"fast": 5})
    explore_what_if(result)
    controls = shown["controls"]
    assert {name: (control.value, control.max) for name, control in controls.items()} == {
        "fast": (5, 20),
        "clear": (0, 20),
    }
    axes = shown["figure"].axes[0]
    shown["move"](fast=5.0, clear=0.0)
    first = [text.get_text() for text in axes.texts if "→" in text.get_text()]
    shown["move"](fast=15.0, clear=0.0)
    second = [text.get_text() for text in axes.texts if "→" in text.get_text()]
    assert len(first) == 2
    assert all(one != other for one, other in zip(first, second, strict=True))
    assert "“fast” by 15" in shown["words"](fast=15.0, clear=0.0)


def test_the_company_would_gain(company):
    result = what_if(company)
    assert set(result.raise_by) == {"lsq_timeliness", "lsq_information"}
    assert (result.table["change_low"] > 0).all()
    assert result.table["figure"].tolist() == ["mean", "top", "nps"]


def test_ratings_that_determine_each_other_give_no_prediction():
    with pytest.raises(NotEnoughData, match="cannot be told apart: also, fast"):
        what_if(workspace(X.assign(also=X["fast"])), items=["also", "clear", "fast"])
