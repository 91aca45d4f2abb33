"""Where attributes stand by importance and performance, and in which two to invest."""

import numpy as np
import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns
from crmlab.language import languages, set_language
from crmlab.satisfaction import importance_performance
from crmlab.satisfaction.importance import _correlated, _overlap
from crmlab.show import charts

SIZE = 240
RANDOM = np.random.default_rng(12)
MEANS = {"fast": 50, "clear": 70, "kind": 45, "neat": 75}
X = pd.DataFrame({name: RANDOM.normal(mean, 8, SIZE) for name, mean in MEANS.items()}).round()
LATENT = (X["fast"] - 50) / 8 + 0.8 * (X["clear"] - 70) / 8 + RANDOM.normal(0, 1, SIZE)
Y = pd.Series(1 + np.searchsorted([-2.0, -1.0, 0.0, 1.2], LATENT))
#: Asked, customers say that friendliness and neatness count.
SAID = {"fast": 40, "clear": 42, "kind": 60, "neat": 62}
STATED = pd.DataFrame({name: RANDOM.normal(mean, 5, SIZE) for name, mean in SAID.items()})
ITEMS = tuple(model.Item(name, "service", minimum=0, maximum=100) for name in MEANS)


def long(table, aspect):
    ids = [f"R{number:03d}" for number in range(len(table))]
    named = table.set_axis(ids).rename_axis("response_id").reset_index()
    return named.melt("response_id", var_name="item").assign(aspect=aspect).dropna()


def workspace(x=X, y=Y, stated=STATED, **surveys):
    answers = [long(x, "perception"), *([] if stated is None else [long(stated, "importance")])]
    ids = [f"R{number:03d}" for number in range(len(x))]
    table = pd.DataFrame({"response_id": ids, "overall": np.asarray(y), **surveys})
    return from_frames(
        {"surveys": table, "answers": pd.concat(answers)}, settings=model.Settings(items=ITEMS)
    )


@pytest.fixture(scope="module")
def result():
    return importance_performance(workspace(), resamples=200)


def test_an_attribute_is_in_the_field_its_importance_and_rating_put_it(result):
    table = result.table.set_index("item")
    assert table["field"].to_dict() == {
        "fast": "concentrate",
        "clear": "keep_up",
        "kind": "low_priority",
        "neat": "possible_overkill",
    }
    assert table["field_stated"].to_dict() == {
        "fast": "low_priority",
        "clear": "possible_overkill",
        "kind": "concentrate",
        "neat": "keep_up",
    }
    assert (table["steady"] > 0.9).all()
    assert result.title() == "Important and rated below the average: “fast”"


def test_means_and_shares_are_those_of_the_answers(result):
    table = result.table.set_index("item")
    assert table["rating"].to_dict() == pytest.approx(X.mean().to_dict())
    assert table["stated"].to_dict() == pytest.approx(STATED.mean().to_dict())
    assert table["derived"].sum() == pytest.approx(1)
    for name in ("rating", "stated", "derived", "gain"):
        assert (table[f"{name}_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_high"]).all()


def test_what_is_said_and_what_counts_may_rank_the_attributes_in_opposite_ways(result):
    assert result.ranks["estimate"] < 0
    assert "4 attributes move to another field" in result.reading()
    assert "“fast” from “Low priority” to “Concentrate here”" in result.reading()


def test_the_gain_is_the_slope_times_a_tenth_of_the_way_to_the_top(result):
    slopes = np.linalg.lstsq(np.column_stack([np.ones(SIZE), X]), Y, rcond=None)[0][1:]
    expected = dict(zip(X, slopes * 0.1 * (100 - X.mean().to_numpy()), strict=True))
    assert result.table.set_index("item")["gain"].to_dict() == pytest.approx(expected)
    assert result.table["gain"].is_monotonic_decreasing
    assert result.table["item"].head(2).tolist() == ["fast", "clear"]
    assert result.table["among_two"].tolist() == [1, 1, 0, 0]
    assert result.both == 1
    assert "it would hardly be others that gain most" in result.reading()


def test_where_attributes_count_alike_the_choice_is_said_to_be_uncertain():
    alike = ((X - X.mean()) / 8).sum(axis=1) / 2 + RANDOM.normal(0, 1.5, SIZE)
    y = 1 + np.searchsorted([-2.0, -1, 0, 1], alike)
    x = X - X.mean() + 60
    result = importance_performance(workspace(x.clip(0, 100).round(), y), resamples=100)
    assert result.both < 0.95
    assert "the choice is not certain" in result.reading()
    assert "Not certain of their field" in result.reading()
    assert result.table["among_two"].sum() == pytest.approx(2)


def test_without_stated_importance_the_map_has_derived_importance_alone():
    result = importance_performance(workspace(stated=None), resamples=50)
    assert result.table["stated"].isna().all()
    assert np.isnan(result.ranks["estimate"])
    assert "Nobody was asked what is important" in result.reading()
    assert "stated" not in result.main_columns()
    assert result.plot().get_ylabel() == "Share of importance, derived"


def test_importance_stated_of_some_attributes_is_no_field_of_any():
    result = importance_performance(workspace(stated=STATED[["fast", "neat"]]), resamples=50)
    assert result.table["stated"].notna().sum() == 2
    assert result.table["field_stated"].isna().all()
    assert "Customers said of only 2 of 4 attributes how important they are" in result.reading()
    assert result.plot().get_ylabel() == "Share of importance, derived"


def test_importance_can_be_derived_from_an_item():
    found = importance_performance(workspace(), of="neat", resamples=50)
    assert set(found.table["item"]) == {"fast", "clear", "kind"}
    with pytest.raises(MissingColumns, match=r"surveys\.recommend"):
        importance_performance(workspace(), of="recommend", resamples=50)


def test_without_declared_items_the_scale_ends_at_the_best_rating_given():
    crm = workspace(stated=None)
    undeclared = from_frames({"surveys": crm.surveys, "answers": crm.answers})
    result = importance_performance(undeclared, resamples=50)
    assert result.rated.scale["maximum"].to_dict() == X.max().to_dict()
    assert result.table["gain"].notna().all()


def test_who_did_not_say_what_is_important_does_not_count_for_it():
    stated = STATED.copy()
    stated.iloc[:60] = np.nan
    result = importance_performance(workspace(stated=stated), resamples=50)
    found = result.table.set_index("item")["stated"].to_dict()
    assert found == pytest.approx(STATED.iloc[60:].mean().to_dict())
    assert np.isfinite(result.ranks).all()


def test_rank_correlation_is_spearmans_row_by_row():
    from scipy.stats import spearmanr

    one, other = RANDOM.normal(size=(3, 6)).round(), RANDOM.normal(size=(3, 6))
    expected = [spearmanr(*pair).statistic for pair in zip(one, other, strict=True)]
    assert _correlated(one, other) == pytest.approx(expected)
    assert np.isnan(_correlated(np.ones((1, 6)), other[:1]))[0]


def test_boxes_overlap_where_they_share_a_point():
    assert _overlap((0, 2, 0, 2), (1, 1, 1, 1))
    assert not _overlap((0, 2, 0, 2), (3, 4, 0, 2))
    assert not _overlap((0, 2, 0, 2), (0, 2, 3, 4))


@pytest.mark.parametrize("language", languages())
def test_no_name_lies_on_another_in_the_picture(company, language):
    set_language(language)
    with charts.house_style():
        axes = importance_performance(company).plot()
        charts.png(axes.figure)
        drawn = axes.figure.canvas.get_renderer()
        names = [text for text in axes.texts if text.get_fontsize() == 9]
        boxes = [text.get_window_extent(drawn) for text in names]
    assert len(boxes) == 6
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_the_company_s_two_best_are_its_two_strongest_drivers(company):
    result = importance_performance(company)
    assert set(result.table["item"].head(2)) == {"lsq_timeliness", "lsq_information"}
    assert result.both > 0.95


def test_items_of_different_scales_are_not_put_on_one_map():
    crm = workspace()
    items = (*ITEMS[:-1], model.Item("neat", "service", minimum=1, maximum=7))
    mixed = from_frames(
        {"surveys": crm.surveys, "answers": crm.answers}, settings=model.Settings(items=items)
    )
    with pytest.raises(CrmlabError, match="different scales"):
        importance_performance(mixed, resamples=20)


def test_of_many_attributes_the_fields_are_said_to_be_less_certain():
    random = np.random.default_rng(5)
    many = pd.DataFrame(random.normal(4, 1, (150, 13)), columns=[f"i{n:02d}" for n in range(13)])
    outcome = np.clip(np.round(many["i00"] - 1 + random.normal(0, 0.7, 150)), 1, 5)
    result = importance_performance(workspace(many, outcome, stated=None), resamples=50)
    assert result.table["derived_low"].isna().all()
    assert "only the ratings are drawn again" in result.reading()


def test_where_overall_was_not_asked_the_items_of_satisfaction_are_the_outcome():
    asked = long(X, "perception")
    content = asked[asked["item"] == "fast"].assign(item="content")
    items = (*ITEMS, model.Item("content", "satisfaction", minimum=0, maximum=100))
    frames = {
        "surveys": asked[["response_id"]].drop_duplicates(),
        "answers": pd.concat([asked, content]),
    }
    crm = from_frames(frames, settings=model.Settings(items=items))
    result = importance_performance(crm, resamples=20)
    assert result.of == "satisfaction"
    derived = result.table.set_index("item")["derived"]
    assert set(derived.index) == set(MEANS)
    # "fast" is satisfaction itself; what the others share with it by chance is next to nothing.
    assert derived["fast"] == pytest.approx(1, abs=0.05)
