import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.tiering import rfm, segmentation
from crmlab.tiering.segmentation import cramers_v, main_needs

LINES = ["Parcel", "LTL", "FTL"]


def orders_of(size, line_of, amount_of):
    rows = [
        (f"{i}-{n}", f"C{i:03d}", f"2025-{1 + (i * 7 + n) % 12:02d}-10", amount_of(i), line_of(i))
        for i in range(size)
        for n in range(2)
    ]
    names = ["order_id", "customer_id", "ordered_at", "amount", "service_line"]
    return pd.DataFrame(rows, columns=names)


def workspace(frame, **tables):
    return from_frames({"orders": frame, **tables}, Settings(name="Test"), as_of="2025-12-31")


@pytest.fixture(scope="module")
def apart():
    """Need goes round with every customer; only money tells the tiers."""
    return workspace(orders_of(240, lambda i: LINES[i % 3], lambda i: 10.0 + i * i))


# --- the query


def test_purchases_are_counted_by_customer_and_column_without_cancellations(crm):
    found = crm.query("purchases", by="customer_id").set_index("customer_id")
    assert found["orders"].tolist() == [2, 1, 1, 0]
    assert found["amount"].tolist()[:3] == [1000.0, 400.0, 50.0]
    assert np.isnan(found.loc["D", "amount"])
    assert crm.query("purchases").iloc[0]["orders"] == 4


def test_priced_purchases_have_both_an_amount_and_a_list_price():
    frame = pd.DataFrame(
        {
            "order_id": list("123456"),
            "customer_id": "A",
            "ordered_at": "2025-01-01",
            "amount": [80.0, 500.0, -40.0, None, 0.0, 5.0],
            "list_price": [100.0, None, -50.0, 10.0, 20.0, 0.0],
            "service_line": ["LTL", "LTL", "LTL", "FTL", None, None],
        }
    )
    crm = from_frames({"orders": frame})
    row = crm.query("purchases", by="customer_id").iloc[0]
    figures = row[["orders", "amount", "priced", "priced_amount", "priced_list"]]
    assert figures.tolist() == [5, 585.0, 2, 80.0, 120.0]
    by_line = crm.query("purchases", by=["customer_id", "service_line"])
    assert by_line["service_line"].tolist()[:2] == ["FTL", "LTL"]
    assert by_line["orders"].tolist() == [1, 2, 2]


def test_purchases_of_a_period_include_both_ends(crm):
    found = crm.query("purchases", period_from="2025-01-10", period_to="2025-02-01")
    assert found["orders"].tolist() == [2]


# --- Cramér's V


def test_cramers_v_is_1_for_the_same_grouping_and_0_under_independence():
    assert cramers_v(np.diag([40, 30, 30])) == pytest.approx(1.0)
    assert cramers_v([[10, 20], [20, 40]]) == 0.0


def test_cramers_v_ignores_empty_groups_and_is_missing_with_one():
    assert cramers_v([[30, 10, 0], [10, 30, 0]]) == pytest.approx(cramers_v([[30, 10], [10, 30]]))
    assert np.isnan(cramers_v([[30, 10]]))


def test_cramers_v_is_not_raised_by_small_tables_that_say_nothing():
    random = np.random.default_rng(0)
    tables = random.multinomial(40, np.full(20, 1 / 20), 400).reshape(-1, 4, 5)
    squares = [cramers_v(table) ** 2 for table in tables]
    assert np.mean(squares) < 0.02


# --- main needs


def test_a_main_need_has_three_fifths_of_the_purchases():
    counts = pd.DataFrame(
        {
            "customer_id": ["A", "A", "B", "B", "C", "C", "D"],
            "service_line": ["LTL", "FTL", "LTL", "FTL", None, "FTL", None],
            "orders": [3, 2, 59, 41, 9, 1, 4],
        }
    )
    assert main_needs(counts).to_dict() == {"A": "LTL", "B": "mixed", "C": "FTL"}


# --- the measure


def test_each_way_holds_all_customers_and_all_revenue(apart):
    result = segmentation(apart)
    for _way, rows in result.table.groupby("way"):
        assert rows["customers"].sum() == 240
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["revenue_share"].sum() == pytest.approx(1)
    assert result.table["way"].unique().tolist() == ["value", "need", "behaviour"]
    tiers = result.table.loc[result.table["way"] == "value", "segment"]
    assert tiers.tolist() == ["key", "potential", "general"]
    assert (result.table["orders_per_customer"] == 2).all()


def test_behaviour_is_the_rfm_segment(apart):
    members = segmentation(apart).members.set_index("customer_id")["behaviour"]
    segments = rfm(apart).table.set_index("customer_id")["segment"]
    assert members.sort_index().tolist() == segments.sort_index().tolist()


def test_a_need_that_value_says_nothing_about_adds_most(apart):
    result = segmentation(apart)
    pairs = result.associations.set_index(["one", "other"])
    assert pairs.loc[("value", "need"), "v"] < 0.1
    assert pairs.loc[("value", "behaviour"), "low"] > pairs.loc[("value", "need"), "high"]
    assert "segmenting by need adds most" in result.reading()
    assert "next to nothing about need" in result.title()


def test_a_need_that_is_the_tier_is_found_to_say_the_same():
    crm = workspace(
        orders_of(200, lambda i: LINES[(i >= 160) + (i >= 190)], lambda i: 10.0 + i * i)
    )
    result = segmentation(crm)
    found = result.associations.set_index(["one", "other"]).loc[("value", "need")]
    assert found["v"] == pytest.approx(1.0)
    assert found["high"] <= 1.0 + 1e-9
    assert "Value says much about need" in result.title()


def test_where_the_intervals_overlap_nothing_is_claimed():
    crm = workspace(orders_of(12, lambda i: LINES[i % 2], lambda i: 10.0 + i))
    assert "Which way adds most cannot be told" in segmentation(crm).reading()


def test_the_customers_column_is_taken_where_orders_have_no_service_line(apart):
    frame = orders_of(60, lambda i: None, lambda i: 10.0 + i).drop(columns="service_line")
    kinds = ["economic", "ethical", None]
    listed = pd.DataFrame(
        {
            "customer_id": [f"C{i:03d}" for i in range(60)],
            "customer_type": [kinds[i % 3] for i in range(60)],
        }
    )
    result = segmentation(workspace(frame, customers=listed))
    assert result.need == "customer_type"
    needs = result.table[result.table["way"] == "need"]
    assert needs["segment"].tolist()[-1] == "not_given"
    assert "The need of 20 customers is not given" in result.reading()
    pairs = result.associations.set_index(["one", "other"])["customers"]
    assert pairs[("value", "need")] == 40
    assert pairs[("value", "behaviour")] == 60


def test_without_a_need_the_other_ways_are_compared_and_it_is_said(crm):
    frame = orders_of(60, lambda i: None, lambda i: 10.0 + i).drop(columns="service_line")
    result = segmentation(workspace(frame))
    assert result.need == ""
    assert len(result.associations) == 1
    assert "What customers need cannot be told from these data" in result.reading()
    assert "about behaviour" in result.title()


def test_one_tier_for_all_cannot_be_compared():
    frame = orders_of(30, lambda i: LINES[0], lambda i: 10.0)
    listed = pd.DataFrame({"customer_id": [f"C{i:03d}" for i in range(30)], "tier": "general"})
    result = segmentation(workspace(frame, customers=listed))
    assert "cannot be compared" in result.reading()
    assert result.plot() is not None


def test_an_unknown_need_and_a_single_customer_are_refused(apart):
    with pytest.raises(UnknownName, match="no column charm"):
        segmentation(apart, need="charm")
    with pytest.raises(NotEnoughData, match="at least 2 customers"):
        segmentation(workspace(orders_of(1, lambda i: "LTL", lambda i: 5.0)))


def test_the_picture_shows_each_tiers_shares_and_its_words_name_the_labels(company):
    result = segmentation(company)
    columns = result.grid().sum(axis="columns")
    assert columns.tolist() == pytest.approx([1, 1, 1])
    axes = result.plot()
    assert len(axes.texts) == result.grid().size
    assert "Less than truckload" in result.alt()
    assert result.value_labels()["segment"]["core"] == "Core customers"
