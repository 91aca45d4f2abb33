"""Which attributes satisfaction goes with: what is counted, what is said, what is recovered."""

import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.data import model
from crmlab.data.simulate import effects, instrument
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.satisfaction import drivers
from crmlab.satisfaction.ratings import rated
from crmlab.stats.ordered import ordered

SIZE = 200
RANDOM = np.random.default_rng(8)
X = pd.DataFrame(RANDOM.normal(60, 10, (SIZE, 3)), columns=["fast", "clear", "kind"]).round()
LATENT = (X["fast"] - 60) / 10 + 0.4 * (X["clear"] - 60) / 10 + RANDOM.normal(0, 1, SIZE)
Y = pd.Series(1 + np.searchsorted([-2.0, -1.0, 0.0, 1.2], LATENT))
ITEMS = tuple(
    model.Item(name, "service", name.title(), minimum=0, maximum=100) for name in ("clear", "fast")
)


def workspace(x=X, y=Y, items=(), **surveys):
    ids = [f"R{number:03d}" for number in range(len(x))]
    long = x.set_axis(ids).rename_axis("response_id").reset_index()
    answers = long.melt("response_id", var_name="item").assign(aspect="perception").dropna()
    table = pd.DataFrame({"response_id": ids, "overall": np.asarray(y), **surveys})
    settings = model.Settings(items=items)
    return from_frames({"surveys": table, "answers": answers}, settings=settings)


def test_coefficients_are_those_of_a_regression_in_standard_deviations():
    table = drivers(workspace(), resamples=50).table.set_index("item")
    z = (X - X.mean()) / X.std(ddof=0)
    peer = sm.OLS((Y - Y.mean()) / Y.std(ddof=0), sm.add_constant(z)).fit()
    for item in X:
        assert table.loc[item, "beta"] == pytest.approx(peer.params[item])
    assert table["part"].sum() == pytest.approx(peer.rsquared)
    raw = sm.OLS(Y, sm.add_constant(X)).fit().params
    assert table.loc["fast", "slope"] == pytest.approx(raw["fast"])
    assert table.loc["fast", "rating"] == pytest.approx(X["fast"].mean())


def test_the_most_important_comes_first_and_one_that_does_not_count_is_named():
    result = drivers(workspace(), resamples=200)
    assert result.table["item"].tolist() == ["fast", "clear", "kind"]
    assert result.table["associated"].tolist() == [True, True, False]
    assert (result.table["part_low"] <= result.table["part"]).all()
    assert "Not told from no association (Holm's correction): “kind”." in result.reading()
    assert result.agreement == 1
    assert "it would hardly be others" in result.reading()
    assert result.title() == "“fast” and “clear” go furthest with overall satisfaction"


def test_of_attributes_that_count_alike_the_first_two_are_not_certain():
    alike = (X.sum(axis=1) - 180) / 12 + RANDOM.normal(0, 1, SIZE)
    result = drivers(workspace(y=1 + np.searchsorted([-2.0, -1, 0, 1], alike)), resamples=200)
    assert 0.2 < result.agreement < 0.95
    assert "it might be others" in result.reading()
    assert "not certain" in result.title()


def test_weights_count_and_answers_of_one_customer_make_the_intervals_wider():
    weight = np.where(np.arange(SIZE) < 50, 4.0, 1.0)
    table = drivers(workspace(weight=weight), resamples=20).table.set_index("item")
    peer = sm.WLS(Y, sm.add_constant(X), weights=weight).fit().params
    assert table.loc["clear", "slope"] == pytest.approx(peer["clear"])
    twice = drivers(
        workspace(
            pd.concat([X, X], ignore_index=True),
            pd.concat([Y, Y]),
            customer_id=[f"C{number}" for number in range(SIZE)] * 2,
        ),
        resamples=20,
    ).table.set_index("item")
    once = drivers(workspace(), resamples=20).table.set_index("item")
    widths = [(table["high"] - table["low"])["fast"] for table in (twice, once)]
    assert widths[0] == pytest.approx(widths[1], rel=0.02)


def test_questionnaires_of_weight_0_do_not_count_and_are_counted():
    weight = np.where(np.arange(SIZE) < 50, 0.0, 1.0)
    result = drivers(workspace(weight=weight), resamples=20)
    without = drivers(workspace(X[50:].reset_index(drop=True), Y[50:]), resamples=20)
    pd.testing.assert_frame_equal(result.table, without.table)
    assert result.rated.customers == SIZE - 50
    assert "50 questionnaires (answered, but without a weight)" in result.reading()
    # What only they rated differently is rated alike by all that count.
    same = workspace(X.assign(kind=X["kind"].where(weight == 0, 50)), weight=weight)
    assert rated(same).alike == ("kind",)


def test_inflation_is_that_of_the_regression_on_the_others():
    weight = np.where(np.arange(SIZE) < 50, 4.0, 1.0)
    close = X.assign(kind=X["fast"] + RANDOM.normal(0, 7, SIZE))
    table = drivers(workspace(close, weight=weight), resamples=20).table.set_index("item")
    for item in close:
        others = sm.add_constant(close.drop(columns=item))
        peer = sm.WLS(close[item], others, weights=weight).fit().rsquared
        assert table.loc[item, "vif"] == pytest.approx(1 / (1 - peer))


def test_overlap_of_the_ratings_is_said():
    said = drivers(workspace(), resamples=20).reading()
    assert "hardly go with each other" in said
    assert "No weights are given, so every questionnaire counts alike." in said
    close = X.assign(kind=X["fast"] + RANDOM.normal(0, 7, SIZE))
    said = drivers(workspace(close), resamples=20).reading()
    assert "times as uncertain as it would be alone" in said
    same = X.assign(kind=X["fast"] + RANDOM.normal(0, 0.5, SIZE))
    assert "cannot be kept apart" in drivers(workspace(same), resamples=20).reading()


def test_an_incomplete_questionnaire_and_an_item_rated_alike_are_left_out_and_said():
    x = X.assign(same=50.0)
    x.loc[3, "fast"] = np.nan
    result = drivers(workspace(x, Y.where(Y.index != 7)), resamples=20)
    assert result.rated.incomplete == 2
    assert "same" not in result.table["item"].tolist()
    assert "So are 2 questionnaires in which an item" in result.reading()
    assert "nothing can be said of them: “same”." in result.reading()
    assert [one.count for one in result.definition.exclusions] == [2]


def test_items_are_a_dimension_a_list_or_all_that_were_rated():
    crm = workspace(items=ITEMS)
    assert set(drivers(crm, resamples=20).table["item"]) == {"fast", "clear", "kind"}
    by_dimension = drivers(crm, items="service", resamples=20)
    assert set(by_dimension.table["item"]) == {"fast", "clear"}
    assert by_dimension.names == {"clear": "Clear", "fast": "Fast"}
    named = drivers(crm, items=["kind", "fast"], resamples=20)
    assert set(named.table["item"]) == {"fast", "kind"}
    with pytest.raises(UnknownName, match="no dimension speed; it has: service"):
        drivers(crm, items="speed")
    with pytest.raises(UnknownName, match="Nobody rated the item speed; rated were:"):
        drivers(crm, items=["speed"])


def test_what_cannot_be_computed_says_why():
    with pytest.raises(NotEnoughData, match="there are 3 items and 20 questionnaires"):
        drivers(workspace(X.head(20), Y.head(20)))
    with pytest.raises(NotEnoughData, match="the same outcome"):
        drivers(workspace(y=Y * 0 + 4))
    with pytest.raises(MissingColumns, match="recommend"):
        drivers(workspace(), of="recommend")
    with pytest.raises(UnknownName, match="holds numbers"):
        drivers(workspace(wave="2025-Q1"), of="wave")
    with pytest.raises(CrmlabError, match="it is 'probit'"):
        drivers(workspace(), model="probit")
    with pytest.raises(
        NotEnoughData, match=r"of 5 customers at least, 2 more than items.*; there are 1"
    ):
        drivers(workspace(customer_id="C1"))


def test_with_very_many_items_there_are_parts_but_no_intervals_of_them():
    many = pd.DataFrame(RANDOM.normal(size=(SIZE, 13)), columns=[f"i{n}" for n in range(13)])
    result = drivers(workspace(many, 1 + np.searchsorted([-1, 0, 1], many["i1"])))
    assert result.table["part_low"].isna().all()
    assert result.table["low"].notna().all()
    assert "there are no intervals of the parts" in result.reading()
    assert result.table["item"].iloc[0] == "i1"
    # Of so many only those that count are named, and at least two.
    assert result.reading().count("“i") <= 6
    assert "of 13." in result.reading()


def test_the_ordered_logit_gives_odds_ratios_in_the_same_order():
    result = drivers(workspace(), model="logit")
    assert result.table["item"].tolist() == ["fast", "clear", "kind"]
    assert (result.table["low"] < result.table["odds_ratio"]).all()
    assert "puts the attributes in the same order" in result.reading()
    assert "times the odds of a higher answer" in result.title()
    assert result.table["associated"].tolist() == [True, True, False]


def test_the_known_weights_of_the_attributes_are_recovered(company):
    """An ordered probit on orders that went well has the known slopes per standard deviation."""
    ratings = rated(company)
    surveys, orders = company.surveys, company.orders
    complaints = company.complaints
    complained = complaints.loc[complaints["kind"] != "suggestion", "order_id"]
    well = orders[
        orders["on_time"].fillna(True)
        & ~orders["damaged"].fillna(False)
        & orders["documents_ok"].fillna(True)
        & ~(orders["quantity_delivered"] < orders["quantity_ordered"])
        & ~orders["order_id"].isin(complained)
    ]["order_id"]
    of = surveys.set_index("response_id")["order_id"].reindex(ratings.x.index)
    chosen = of.isin(well).to_numpy()
    fit = ordered(
        ratings.x[chosen] / instrument.RATING_SPREAD,
        ratings.y[chosen],
        weights=ratings.weights[chosen],
        clusters=ratings.clusters[chosen],
        link="probit",
        confidence=0.99,
    ).table
    known = effects.values()
    for item, row in fit.iterrows():
        slope = known["driver_" + item.removeprefix("lsq_")]
        assert row["low"] < slope < row["high"], item


def test_the_company_s_attributes_come_in_the_known_order(company):
    known = effects.values()
    result = drivers(company)
    slopes = [known["driver_" + item.removeprefix("lsq_")] for item in result.table["item"]]
    assert slopes == sorted(slopes, reverse=True)


def test_of_too_many_questionnaires_those_of_some_customers_are_used():
    crm = workspace(customer_id=[f"C{number // 4}" for number in range(SIZE)])
    some = rated(crm, most=80)
    assert (len(some.x), some.of_all) == (80, SIZE)
    assert np.unique(some.clusters, return_counts=True)[1].tolist() == [4] * 20
    assert "Of 200 questionnaires those of customers drawn at random are used: 80." in (
        some.sentence({})
    )
    assert rated(crm, most=SIZE).of_all == 0


def test_of_ratings_that_determine_each_other_no_coefficient_is_told():
    twice = X.assign(also=X["fast"])
    result = drivers(workspace(twice), resamples=50)
    table = result.table.set_index("item")
    assert table.loc[["fast", "also"], ["beta", "low", "slope"]].isna().all(axis=None)
    assert not table.loc[["fast", "also"], "associated"].any()
    alone = drivers(workspace(), resamples=50).table.set_index("item")
    assert table.loc["clear", "beta"] == pytest.approx(alone.loc["clear", "beta"])
    assert table.loc["fast", "part"] == pytest.approx(table.loc["also", "part"])
    assert "follows from the others, so it has no coefficient of its own" in result.reading()
    assert "nan" not in result.reading()
    with pytest.raises(NotEnoughData, match="cannot be told apart: also, fast"):
        drivers(workspace(twice), model="logit")


def test_the_error_of_orders_drawn_at_random_is_said():
    random = np.random.default_rng(2)
    many = pd.DataFrame(random.normal(size=(260, 21)), columns=[f"i{n:02d}" for n in range(21)])
    outcome = np.clip(np.round(3 + many["i00"] + random.normal(size=260)), 1, 5)
    drawn = drivers(workspace(many, outcome))
    assert 0 < drawn.drawing < 0.01
    assert "the drawing alone leaves each of them uncertain" in drawn.reading()
    exact = drivers(workspace(many.iloc[:, :20], outcome))
    assert exact.drawing == 0
    assert "drawn at random" not in exact.reading()


# --- other outcomes


def questionnaire(rows=120, overall=False):
    """Answers to two items and to two of satisfaction, with or without overall satisfaction."""
    random = np.random.default_rng(5)
    quick, exact = random.integers(1, 6, (2, rows)).astype(float)
    content = np.clip(np.round(0.8 * quick + 0.2 * exact + random.normal(0, 0.4, rows)), 1, 5)
    columns = {"quick": quick, "exact": exact, "sat1": content, "sat2": np.clip(content, 1, 4)}
    wide = pd.DataFrame(columns, index=[str(row) for row in range(rows)])
    answers = wide.rename_axis("response_id").reset_index()
    answers = answers.melt("response_id", var_name="item").assign(aspect="perception")
    surveys = pd.DataFrame({"response_id": wide.index})
    if overall:
        surveys["overall"] = 6 - content.astype(int)
    dimensions = {"quick": "service", "exact": "service", "sat1": "satisfaction"}
    found = tuple(
        model.Item(item, dimensions.get(item, "satisfaction"), maximum=5) for item in wide
    )
    frames = {"surveys": surveys, "answers": answers}
    return from_frames(frames, settings=model.Settings(items=found)), wide


def test_where_overall_was_not_asked_the_items_of_satisfaction_are_the_outcome():
    crm, wide = questionnaire()
    result = drivers(crm)
    assert result.of == "satisfaction"
    assert set(result.table["item"]) == {"quick", "exact"}
    outcome = (wide["sat1"] + wide["sat2"]) / 2
    expected = sm.OLS(outcome, sm.add_constant(wide[["quick", "exact"]])).fit().rsquared
    assert result.table["part"].sum() == pytest.approx(expected)
    assert "satisfaction" in result.reading()
    assert drivers(questionnaire(overall=True)[0], items=["quick", "exact"]).of == "overall"


def test_an_item_may_be_the_outcome_and_is_then_no_driver_of_itself():
    crm, _wide = questionnaire()
    result = drivers(crm, of="sat1")
    assert set(result.table["item"]) == {"quick", "exact", "sat2"}
    by_order = drivers(crm, of="sat1", items="service", model="logit")
    assert set(by_order.table["item"]) == {"quick", "exact"}
    with pytest.raises(UnknownName, match="or an item or a dimension of the questionnaire; not x"):
        drivers(crm, of="x")


def test_an_outcome_of_many_values_has_no_ordered_logit(monkeypatch):
    module = sys.modules[drivers.__module__]
    monkeypatch.setattr(module, "STEPS", 4)
    with pytest.raises(NotEnoughData, match="an outcome of few steps; this one takes"):
        drivers(questionnaire()[0], model="logit")


def test_without_any_outcome_drivers_are_refused_with_the_remedy():
    crm, _wide = questionnaire()
    items = tuple(one for one in crm.settings.items if one.dimension == "service")
    bare = from_frames(
        {"surveys": crm.surveys, "answers": crm.answers}, settings=model.Settings(items=items)
    )
    with pytest.raises(
        NotEnoughData, match=r"Drivers need an outcome: the column surveys\.overall"
    ):
        drivers(bare)
