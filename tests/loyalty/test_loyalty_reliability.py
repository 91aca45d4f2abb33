"""α of the ratings of loyalty, and how all the measures go together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData
from crmlab.loyalty import loyalty_measures, loyalty_reliability, scorecard
from crmlab.stats.reliability import cronbach_alpha

RATINGS = ["brand_attention", "competitor_attention", "incident_tolerance", "identification"]


def said(rows=12, **columns):
    rng = np.random.default_rng(4)
    liking = rng.integers(1, 6, rows)
    frame = pd.DataFrame(
        {
            "response_id": [str(number) for number in range(rows)],
            "customer_id": [f"C{number // 2}" for number in range(rows)],
            "identification": liking,
            "incident_tolerance": np.clip(liking + rng.integers(-1, 2, rows), 1, 5),
            "competitor_attention": np.clip(6 - liking + rng.integers(-1, 2, rows), 1, 5),
            "weight": rng.uniform(1, 3, rows),
        }
    )
    return frame.assign(**columns)


def test_alpha_is_that_of_the_ratings_with_those_against_us_turned_round():
    frame = said()
    result = loyalty_reliability(from_frames({"surveys": frame}))
    turned = frame[["competitor_attention", "incident_tolerance", "identification"]].astype(float)
    turned["competitor_attention"] = 6 - turned["competitor_attention"]
    expected = cronbach_alpha(
        turned, weights=frame["weight"], clusters=pd.factorize(frame["customer_id"])[0]
    )
    assert tuple(result.alpha) == pytest.approx(tuple(expected))
    assert result.table["measure"].tolist() == list(turned.columns)
    assert (result.table["item_total"] > 0.5).all()


def test_numbers_that_are_no_ratings_are_not_in_alpha(company):
    result = loyalty_reliability(company)
    assert result.table["measure"].tolist() == RATINGS
    assert result.alpha.items == 4
    assert len(result.pairs) == 36
    assert "Over all 9 measures α would be no test." in result.reading()


def test_which_measures_are_ratings_is_data(company):
    table = loyalty_measures()
    table["item"] = table["measure"].isin(["identification", "incident_tolerance"])
    assert loyalty_reliability(company, measures=table).alpha.items == 2


def test_a_rating_that_runs_against_the_others_is_named():
    frame = said(rows=60)
    frame["identification"] = 6 - frame["identification"]
    result = loyalty_reliability(from_frames({"surveys": frame}))
    assert "Running against the other ratings: Identification." in result.reading()


def test_pairs_are_rank_correlations_of_the_customers_scores(company):
    result = loyalty_reliability(company)
    pairs = result.pairs.set_index(["measure", "other"])
    found = scorecard(company).customers[["repeat_purchase", "spend"]].dropna()
    expected = stats.spearmanr(found["repeat_purchase"], found["spend"]).statistic
    row = pairs.loc[("repeat_purchase", "spend")]
    assert row["correlation"] == pytest.approx(expected)
    assert row["customers"] == len(found)
    assert row["low"] < expected < row["high"]


def test_ratings_share_an_attachment_and_have_nothing_to_do_with_what_is_bought(company):
    """So the company was made: its ratings rest on one attachment, its orders do not."""
    pairs = loyalty_reliability(company).pairs
    within = pairs[pairs["measure"].isin(RATINGS) & pairs["other"].isin(RATINGS)]
    bought = ["repeat_purchase", "spend", "share_of_needs"]
    across = pairs[pairs["measure"].isin(bought) & pairs["other"].isin(RATINGS)]
    assert within["beyond_chance"].all()
    assert len(across) == 8
    assert not across["beyond_chance"].any()


def test_too_few_ratings_are_an_error():
    frame = said()
    with pytest.raises(NotEnoughData, match="there are 1"):
        loyalty_reliability(
            from_frames({"surveys": frame[["response_id", "customer_id", "identification"]]})
        )
    with pytest.raises(NotEnoughData, match="same for everybody"):
        loyalty_reliability(
            from_frames(
                {"surveys": said(identification=3, incident_tolerance=3, competitor_attention=3)}
            )
        )
    with pytest.raises(MissingColumns):
        loyalty_reliability(from_frames({"orders": pd.DataFrame({"order_id": ["1"]})}))


def test_two_ratings_of_one_customer_give_alpha_without_an_interval():
    frame = said(rows=4).assign(customer_id="A")
    result = loyalty_reliability(from_frames({"surveys": frame}))
    assert np.isnan(result.alpha.low)
    assert "from 4 questionnaires." in result.reading()
    assert result.pairs["correlation"].isna().all()
    assert result.pairs["beyond_chance"].isna().all()
    assert "–" not in result.reading()
    assert result.alt().endswith("framed.")
    assert not result.plot().texts


def test_by_hand_in_plain_pandas():
    frame = said(weight=1.0)
    frame["customer_id"] = frame["response_id"]
    items = pd.DataFrame(
        {"a": frame["identification"], "b": frame["incident_tolerance"],
         "c": 6 - frame["competitor_attention"]}
    )  # fmt: skip
    alpha = 3 / 2 * (1 - items.var().sum() / items.sum(axis=1).var())
    found = loyalty_reliability(from_frames({"surveys": frame})).alpha.value
    assert found == pytest.approx(alpha)


def test_the_picture_and_its_words(company):
    result = loyalty_reliability(company)
    axes = result.plot()
    assert len(axes.texts) == 36
    assert len(result.title()) <= 90
    assert "rank correlation" in result.alt()
    crmlab.set_language("zh_CN")
    assert "α" in result.title()


def test_questionnaires_that_leave_a_rating_out_are_counted():
    frame = said().astype({"identification": "Int64"})
    frame.loc[[0, 5], "identification"] = pd.NA
    result = loyalty_reliability(from_frames({"surveys": frame}))
    assert (result.alpha.n, result.incomplete) == (10, 2)
    assert "2 questionnaires (not all items answered)" in result.reading()
    assert result.definition.exclusions[-1].count == 2
