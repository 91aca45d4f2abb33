"""Weights of the answers, and the test of them against the truth."""

from __future__ import annotations

import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.satisfaction.weights import weighting, weights_put_to_test


def workspace(weights=None):
    """40 key and 40 general customers are asked; 30 and 10 answer. There are 100 and 900."""
    tiers = ["key"] * 100 + ["general"] * 900
    regions = ["East", "West"] * 500
    customers = pd.DataFrame(
        {"customer_id": [f"C{i}" for i in range(1000)], "tier": tiers, "region": regions}
    )
    who = [*range(40), *range(100, 140)]
    back = [*[True] * 30, *[False] * 10, *[True] * 10, *[False] * 30]
    surveys = pd.DataFrame(
        {
            "response_id": [f"Q{i}" for i in range(80)],
            "customer_id": [f"C{i}" for i in who],
            "mode": "sample",
            "sent_at": "2025-03-01",
            "answered_at": ["2025-03-02" if answered else None for answered in back],
            "overall": [4.0 if answered else None for answered in back],
        }
    )
    if weights:
        surveys["weight"] = [weights["key"]] * 40 + [weights["general"]] * 40
    frames = {"surveys": surveys, "customers": customers}
    return from_frames(frames, model.Settings(name="Test"), as_of="2025-12-31")


def test_answers_are_raked_to_all_who_were_asked():
    result = weighting(workspace(), margins=("tier",))
    rows = result.table.set_index("category")
    assert rows.index.tolist() == ["key", "general"]
    assert rows["population"].tolist() == [40, 40]
    assert rows["answers"].tolist() == [30, 10]
    assert rows["weighted_share"].tolist() == pytest.approx([0.5, 0.5])
    assert rows["weight"].tolist() == pytest.approx([2 / 3, 2])
    assert result.weights.loc["Q0"] == pytest.approx(2 / 3)
    assert result.effects == (pytest.approx(1), pytest.approx(40 * (30 * 4 / 9 + 40) / 40**2))


def test_weights_of_the_sample_say_how_many_there_are():
    result = weighting(workspace({"key": 2.5, "general": 22.5}), margins=("tier",))
    rows = result.table.set_index("category")
    assert rows["population"].tolist() == pytest.approx([100, 900])
    assert rows["weighted_share"].tolist() == pytest.approx([0.1, 0.9])
    assert rows["answers_share"].tolist() == pytest.approx([0.75, 0.25])


def test_within_a_category_the_weights_of_the_sample_keep_their_ratio():
    crm = workspace({"key": 1.0, "general": 1.0})
    surveys = crm.surveys.assign(weight=[3.0, *[1.0] * 79])
    weights = weighting(from_frames({"surveys": surveys, "customers": crm.customers})).weights
    assert weights["Q0"] == pytest.approx(3 * weights["Q2"])


def test_answers_are_raked_to_the_customers_listed():
    result = weighting(workspace(), to="customers")
    rows = result.table.set_index(["characteristic", "category"])
    assert rows.loc[("tier", "general"), "population"] == 900
    assert rows.loc[("region", "West"), "weighted_share"] == pytest.approx(0.5, abs=1e-5)
    assert "75.0% of the answers, 10.0% of the customers" in result.reading()
    assert "Consider trim=5" not in result.reading()


def test_a_limit_on_the_weights_is_kept_and_said():
    result = weighting(workspace(), margins=("tier",), to="customers", trim=2)
    assert result.weights.max() <= 2 + 1e-6
    assert not result.raked.converged
    assert "were held at 2.0 times the mean" in result.reading()
    assert "The limit on the largest weight is too tight" in result.reading()


def test_margins_of_orders_are_not_known_of_customers():
    with pytest.raises(UnknownName, match="not by on_time"):
        weighting(from_company_with_on_time(), margins=("on_time",), to="customers")
    with pytest.raises(UnknownName, match="colour is not known"):
        weighting(workspace(), margins=("colour",))
    with pytest.raises(UnknownName, match="not all"):
        weighting(workspace(), to="all")  # type: ignore[arg-type]


def from_company_with_on_time():
    crm = workspace()
    surveys = crm.surveys.assign(order_id=[f"O{i}" for i in range(80)])
    orders = pd.DataFrame({"order_id": surveys["order_id"], "on_time": [True, False] * 40})
    frames = {"surveys": surveys, "customers": crm.customers, "orders": orders}
    return from_frames(frames, model.Settings(name="Test"), as_of="2025-12-31")


def test_answers_can_be_raked_to_what_is_known_of_orders():
    rows = weighting(from_company_with_on_time(), margins=("tier", "on_time")).table
    assert rows["category"].tolist() == ["key", "general", "False", "True"]
    assert rows["weighted_share"].tolist() == pytest.approx([0.5] * 4, abs=1e-5)


def test_in_the_company_raking_stays_biased_and_asking_again_does_not(company):
    result = weights_put_to_test(company)
    rows = result.table.set_index("way")
    assert rows.loc["raked", "error"] > 0.2
    assert not rows.loc["raked", "holds"]
    assert result.title() == "The truth lies inside the interval of: All, asked again counted in"
    assert rows.loc["both", "holds"]
    assert abs(rows.loc["both", "error"]) < 0.1
    assert "Nearest to the truth is: All, asked again counted in." in result.reading()
    assert result.plot().get_xlabel().endswith("the truth")


def test_of_real_data_nobody_knows_the_truth():
    crm = workspace({"key": 1.0, "general": 1.0})
    with pytest.raises(NotEnoughData, match="nobody knows"):
        weights_put_to_test(crm)


def test_words_and_pictures_are_made_from_the_company(company):
    result = weighting(company)
    assert "Raking met every total" in result.reading()
    assert result.alt().startswith("Pairs of points")
    assert result.definition.exclusions[0].count == 720
    assert len(result.plot().get_yticklabels()) == len(result.table)


def test_where_nothing_is_known_of_the_customers_nothing_is_weighted():
    tables = workspace()
    surveys = tables.surveys.assign(customer_id=None)
    crm = from_frames({"surveys": surveys, "customers": tables.customers})
    with pytest.raises(NotEnoughData, match="Nothing is known of everyone"):
        weighting(crm)
