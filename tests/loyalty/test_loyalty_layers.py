"""The three layers of loyalty as a profile, and who is loyal in which."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty import loyalty_layers, loyalty_measures
from crmlab.stats import weighted

ANSWERS = pd.DataFrame(
    {
        "response_id": list("1234"),
        "customer_id": list("ABCD"),
        "answered_at": "2025-12-31",
        "brand_attention": [5, 1, 5, 3],
        "competitor_attention": [1, 5, 3, 3],
        "identification": [5, 2, 1, None],
        "incident_tolerance": [4, None, 1, None],
        "share_of_needs": [0.2, 0.9, 0.1, 0.6],
        "weight": [1.0, 2.0, 3.0, 4.0],
    }
)


def said(**columns):
    return from_frames({"surveys": ANSWERS.assign(**columns)})


def test_a_layer_is_the_mean_of_its_measures_that_are_known():
    result = loyalty_layers(said())
    found = result.customers.set_index("customer_id")
    assert result.layers == ("cognitive", "affective", "behavioural")
    assert found["cognitive"].to_dict() == {"A": 100.0, "B": 0.0, "C": 75.0}
    assert found["affective"].to_dict() == {"A": 87.5, "B": 25.0, "C": 0.0}
    assert found["behavioural"].tolist() == pytest.approx([20, 90, 10])
    assert result.too_few == 1


def test_means_are_weighted_and_those_of_the_same_customers():
    table = loyalty_layers(said()).table.set_index("layer")
    expected = weighted.mean([100, 0, 75], weights=[1, 2, 3])
    row = table.loc["cognitive"]
    assert row["score"] == pytest.approx(expected.value)
    assert row["customers"] == 3
    assert (row["low"], row["high"]) == (0.0, 100.0)  # the t interval goes beyond the scale


def test_patterns_are_counted_for_all_eight_combinations():
    result = loyalty_layers(said())
    assert len(result.patterns) == 8
    shares = result.patterns.set_index("pattern")["share"]
    assert shares["high-low-low"] == pytest.approx(3 / 6)
    assert shares["low-low-high"] == pytest.approx(2 / 6)
    assert shares["high-high-low"] == pytest.approx(1 / 6)
    assert shares.sum() == pytest.approx(1)
    assert "33% of the customers are loyal in what they do and not in what they feel" in (
        result.reading()
    )
    assert "high in cognitive only 50%" in result.reading()


def test_a_score_at_the_cut_is_high():
    crm = said(identification=3, incident_tolerance=3)
    shares = loyalty_layers(crm).patterns.set_index("pattern")["share"]
    assert shares.filter(regex="^(high|low)-high").sum() == pytest.approx(1)
    assert "High from 50.10 on, of the customers:" in loyalty_layers(crm, cut=50.1).reading()
    above = loyalty_layers(crm, cut=50.1).patterns.set_index("pattern")["share"]
    assert above.filter(regex="^(high|low)-high").sum() == 0
    with pytest.raises(CrmlabError, match="cut"):
        loyalty_layers(crm, cut=0)


def test_layers_that_differ_by_chance_alone_are_not_ranked_in_the_title():
    assert loyalty_layers(said()).title() == (
        "The layers of loyalty do not differ by more than chance"
    )
    rng = np.random.default_rng(2)
    ids = [str(number) for number in range(40)]
    surveys = pd.DataFrame(
        {
            "response_id": ids,
            "customer_id": ids,
            "identification": rng.integers(4, 6, 40),
            "brand_attention": rng.integers(1, 3, 40),
        }
    )
    title = loyalty_layers(from_frames({"surveys": surveys})).title()
    assert title.startswith("Affective loyalty stands highest")


def test_of_one_customer_or_of_customers_all_alike_nothing_is_said_of_differences():
    alone = loyalty_layers(from_frames({"surveys": ANSWERS.head(1)}))
    assert alone.title() == "Whether the layers of loyalty differ cannot be told"
    assert "In brackets" not in alone.reading()
    assert "in what they do and not in what they feel" not in alone.reading()
    alike = {"identification": 5, "incident_tolerance": 5, "brand_attention": 3}
    same = loyalty_layers(said(**alike, competitor_attention=3, share_of_needs=0.2))
    assert same.title() == "Whether the layers of loyalty differ cannot be told"


def test_which_measure_belongs_to_which_layer_is_data():
    table = loyalty_measures()
    table["layer"] = table["layer"].replace("affective", "heart")
    result = loyalty_layers(said(), measures=table)
    assert result.layers == ("cognitive", "behavioural", "heart")
    assert "heart: Tolerance of incidents, Identification" in result.reading()


def test_layers_alike_for_all_have_no_interval():
    table = loyalty_layers(said(brand_attention=3, competitor_attention=3)).table
    row = table.set_index("layer").loc["cognitive"]
    assert row["score"] == 50
    assert np.isnan(row["low"])


def test_orders_alone_give_one_layer_and_the_others_are_named_as_unknown():
    days = ["2025-01-01", "2025-12-31", "2025-05-01", "2025-06-01"]
    orders = pd.DataFrame(
        {"order_id": list("1234"), "customer_id": list("AABC"), "ordered_at": days}
    )
    result = loyalty_layers(from_frames({"orders": orders}))
    assert result.layers == ("behavioural",)
    assert result.patterns["pattern"].tolist() == ["low", "high"]
    assert "Nothing is known of the layers: Cognitive, Affective" in result.reading()
    assert result.title().startswith("Behavioural loyalty stands at")
    with_money = loyalty_layers(from_frames({"orders": orders.assign(amount=[9.0, 9, 1, 2])}))
    assert "by construction" in with_money.reading()


def test_no_customer_with_all_layers_is_an_error():
    crm = said(share_of_needs=[None, None, None, 0.5])
    with pytest.raises(NotEnoughData, match="Cognitive, Affective, Behavioural"):
        loyalty_layers(crm)


def test_tiers_are_compared_with_the_others_together_and_small_ones_not_judged():
    rng = np.random.default_rng(0)
    size = 60
    ids = [f"C{number:02d}" for number in range(size)]
    tier = np.array(["key"] * 28 + ["general"] * 30 + ["potential"] * 2)
    surveys = pd.DataFrame(
        {
            "response_id": ids,
            "customer_id": ids,
            "identification": np.where(tier == "key", 5, 2) - rng.integers(0, 2, size),
            "brand_attention": rng.integers(1, 6, size),
        }
    )
    orders = pd.DataFrame(
        {"order_id": ids, "customer_id": ids, "ordered_at": "2025-01-01", "amount": 5.0}
    )
    customers = pd.DataFrame({"customer_id": ids, "tier": tier})
    crm = from_frames({"surveys": surveys, "orders": orders, "customers": customers})
    measures = loyalty_measures().query("measure in ['identification', 'brand_attention']")
    result = loyalty_layers(crm, measures=measures)
    table = result.table.set_index(["tier", "layer"])["stands_out"]
    assert bool(table["key", "affective"])
    assert not bool(table["key", "cognitive"])
    assert table["potential"].isna().all()
    assert "Key in the layer Affective" in result.reading()
    assert result.title().startswith("Tiers differ most in the layer Affective: Key")
    # Two customers who are not judged lie farther off in either layer, and are no headline.
    surveys.loc[tier == "potential", ["identification", "brand_attention"]] = [[1, 1], [1, 1]]
    far = loyalty_layers(
        from_frames({"surveys": surveys, "orders": orders, "customers": customers}),
        measures=measures,
    )
    assert far.table.set_index(["tier", "layer"]).loc[("potential", "affective"), "score"] == 0
    assert far.title().startswith("Tiers differ most in the layer Affective: Key")
    assert "General" in far.title()


def test_by_hand_in_plain_pandas(company):
    scores = crmlab.loyalty.scorecard(company).customers.set_index("customer_id")
    pair = scores[["incident_tolerance_score", "identification_score"]].mean(axis=1).dropna()
    by_hand = np.average(pair, weights=scores.loc[pair.index, "weight"])
    table = loyalty_layers(company).table.set_index(["tier", "layer"])["score"]
    assert table["all", "affective"] == pytest.approx(by_hand)


def test_attitudes_do_not_differ_by_tier_and_behaviour_does(company):
    """The company's attitudes are drawn alike for all tiers; orders and money are not."""
    table = loyalty_layers(company).table.set_index(["tier", "layer"])["stands_out"]
    assert not table.loc[["key", "potential", "general"], "affective"].any()
    assert table.loc[["key", "general"], "behavioural"].all()


def test_the_picture_and_its_words(company):
    result = loyalty_layers(company)
    axes = result.plot()
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "Cognitive", "Affective", "Behavioural",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "Key", "Potential", "General",
    ]  # fmt: skip
    assert len(result.title()) <= 90
    assert "Behavioural" in result.alt()
