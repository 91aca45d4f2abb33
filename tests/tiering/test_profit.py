"""Cost to serve, the whale curve, and large customers who lose money."""

import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.tiering import cost_to_serve, unprofitable_large, whale_curve
from crmlab.tiering.service_costs import books

COSTS = {
    "contact.phone": 6.0,
    "contact.visit": 100.0,
    "complaint.minute": 2.0,
    "order.line": 1.5,
    "survey.sent": 1.0,
    "points.point": 0.01,
}
TABLES = {
    "customers": pd.DataFrame(
        {
            "customer_id": ["A", "B", "C", "D"],
            "tier": ["key", "general", "general", "general"],
        }
    ),
    "orders": pd.DataFrame(
        [
            ("O1", "A", "2025-01-10", 1000.0, 600.0, 4, 1000),
            ("O2", "A", "2025-02-10", 500.0, 400.0, 2, 500),
            ("O3", "B", "2025-01-11", 50.0, 40.0, 1, None),
        ],
        columns=[
            "order_id",
            "customer_id",
            "ordered_at",
            "amount",
            "cost",
            "lines",
            "points_earned",
        ],
    ),
    "contacts": pd.DataFrame(
        [
            ("T1", "A", "2025-01-05", "visit", None),
            ("T2", "A", None, "visit", "2025-02-01"),
            ("T3", "B", "2025-01-05", "phone", None),
            ("T4", "B", "2025-01-06", "phone", None),
            ("T5", "C", "2025-01-07", "phone", None),
            ("T6", None, "2025-01-08", "phone", None),
        ],
        columns=["contact_id", "customer_id", "contacted_at", "channel", "planned_for"],
    ),
    "complaints": pd.DataFrame(
        [
            ("K1", "A", "2025-01-20", 30.0, None, 25.0),
            ("K2", "B", "2025-01-20", 30.0, 9.0, None),
            ("K3", "B", "2025-01-21", None, None, None),
        ],
        columns=[
            "complaint_id",
            "customer_id",
            "opened_at",
            "handling_minutes",
            "handling_cost",
            "compensation",
        ],
    ),
    "surveys": pd.DataFrame({"response_id": ["R1"], "customer_id": ["A"], "sent_at": "2025-01-25"}),
}


def workspace(tables=TABLES, costs=COSTS, **more):
    settings = Settings(name="Test", activity_costs=costs)
    return from_frames(dict(tables) | more, settings, as_of="2025-03-31")


def of_orders(rows, **columns):
    """Orders of one customer each: (amount, cost)."""
    frame = pd.DataFrame(rows, columns=["amount", "cost"]).assign(**columns)
    names = [f"C{place:03d}" for place in range(len(rows))]
    frame = frame.assign(customer_id=names, order_id=names, ordered_at="2025-01-01")
    return {"orders": frame}


# --- cost to serve


def test_each_activity_is_multiplied_by_what_one_costs():
    result = cost_to_serve(workspace())
    found = result.customers.set_index("customer_id")
    # A: a visit; 30 minutes; the compensation; 6 lines; a questionnaire; 1,500 points.
    blocks = ["contacts_cost", "handling_cost", "compensation", "lines_cost", "surveys_cost"]
    assert found.loc["A", blocks].tolist() == [100, 60, 25, 9, 1]
    assert found.loc["A", "points_cost"] == 15
    assert found.loc["A", ["margin", "cost_to_serve", "profit_after_service"]].tolist() == [
        500,
        210,
        290,
    ]
    assert found.loc["B", ["margin", "cost_to_serve"]].tolist() == [10, 12 + 9 + 1.5]


def test_the_cost_that_a_complaint_gives_wins_over_its_minutes():
    found = books(workspace()).customers
    assert found.loc["B", "handling_cost"] == 9


def test_a_visit_that_was_planned_and_not_made_costs_nothing():
    found = cost_to_serve(workspace()).activities.set_index("activity")
    assert found.loc["contact.visit", "units"] == 1


def test_a_customer_who_was_served_and_ordered_nothing_is_counted_with_a_margin_of_0():
    result = cost_to_serve(workspace())
    found = result.customers.set_index("customer_id")
    assert found.loc["C", ["margin", "cost_to_serve", "profit_after_service"]].tolist() == [
        0,
        6,
        -6,
    ]
    assert "D" not in found.index
    assert "1 customer was served and ordered nothing" in result.reading()
    assert "1 customer (neither an order nor a record of service)" in result.reading()


def test_the_table_adds_up_by_tier():
    table = cost_to_serve(workspace()).table.set_index("tier")
    assert table.index.tolist() == ["key", "general"]
    assert table["customers"].tolist() == [1, 2]
    assert table.loc["key", "share"] == pytest.approx(210 / 500)
    assert table.loc["general", "share"] == pytest.approx(28.5 / 10)
    assert table[["low", "high"]].isna().all().all()


def test_what_has_no_customer_is_counted_and_left_out():
    result = cost_to_serve(workspace())
    words = [one.words() for one in result.definition.exclusions]
    assert "1 record of service (contact, complaint or questionnaire of no named customer)" in words


def test_an_activity_without_a_cost_is_named_and_not_free():
    result = cost_to_serve(workspace(costs={"contact.visit": 100.0}))
    assert "contact.phone (3)" in result.reading()
    assert "order.line (7)" in result.reading()
    assert "lines_cost" not in result.table
    assert result.activities.set_index("activity")["money"].isna()["contact.phone"]


def test_a_complaint_of_which_nothing_is_recorded_is_named():
    assert (
        "1 complaint gives neither the minutes nor the cost" in cost_to_serve(workspace()).reading()
    )


def test_a_cost_without_an_activity_is_named():
    result = cost_to_serve(workspace(costs=COSTS | {"contact.letter": 5.0}))
    assert "A cost is stated, but the data have none of: contact.letter." in result.reading()


def test_without_stated_costs_only_recorded_money_counts_and_the_remedy_is_said():
    result = cost_to_serve(workspace(costs={}))
    assert result.overall["cost_to_serve"] == 25 + 9
    assert "[workspace.activity_costs]" in result.reading()
    assert "only the money recorded with complaints counts" in result.reading()


def test_orders_alone_make_serving_appear_free_and_the_reading_says_so():
    result = cost_to_serve(workspace({"orders": TABLES["orders"]}, costs={}))
    assert result.overall["cost_to_serve"] == 0
    assert "serving appears to be free" in result.reading()
    result.plot()


def test_customers_of_unknown_profit_are_left_out_with_their_service():
    orders = TABLES["orders"].copy()
    orders.loc[2, "cost"] = None
    result = cost_to_serve(workspace(orders=orders))
    assert "B" not in set(result.customers["customer_id"])
    words = [one.words() for one in result.definition.exclusions]
    assert "4 records of service (of a customer whose profit is not known)" in words


def test_cost_to_serve_needs_the_direct_cost():
    orders = TABLES["orders"].drop(columns="cost")
    with pytest.raises(MissingColumns, match=r"orders\.cost"):
        cost_to_serve(workspace({"orders": orders}))


def test_without_one_known_cost_there_is_nothing_to_work_with():
    with pytest.raises(NotEnoughData, match="no profit to work with"):
        cost_to_serve(workspace({"orders": TABLES["orders"].assign(cost=np.nan)}))


def test_the_interval_of_a_ratio_is_that_of_its_linearisation():
    """Many customers, margins far from zero: the studentised interval is nearly symmetric."""
    random = np.random.default_rng(1)
    amounts = random.uniform(90, 110, 400)
    rows = np.column_stack([amounts, amounts - 10 - random.uniform(0, 2, 400)])
    tables = of_orders(rows, lines=random.integers(1, 4, 400))
    row = cost_to_serve(workspace(tables, costs={"order.line": 1.0})).overall
    frame = tables["orders"]
    margin, lines = frame["amount"] - frame["cost"], frame["lines"]
    share = lines.sum() / margin.sum()
    error = np.sqrt(((lines - share * margin) ** 2).sum()) / margin.sum()
    assert row["share"] == pytest.approx(share)
    assert row["low"] == pytest.approx(share - 1.96 * error, abs=0.3 * error)
    assert row["high"] == pytest.approx(share + 1.96 * error, abs=0.3 * error)


def test_a_margin_that_is_not_clear_of_zero_has_no_interval():
    rows = [(100, 0), (100, 195), *[(100, 99.9)] * 30]
    row = cost_to_serve(workspace(of_orders(rows), costs={"order.line": 1.0})).overall
    assert row["share"] > 0
    assert np.isnan(row["low"])


def test_the_bundled_company_serves_general_customers_at_the_highest_share(company):
    result = cost_to_serve(company, resamples=199)
    table = result.table.set_index("tier")
    parts = list(result.books.blocks)
    assert table[parts].sum(axis=1).to_numpy() == pytest.approx(table["cost_to_serve"].to_numpy())
    assert table.loc["general", "low"] > table.loc["key", "high"]
    assert result.overall["customers"] == table["customers"].sum()
    complaints, minutes = company.complaints, 1.2
    assert table["handling_cost"].sum() == pytest.approx(
        (complaints["handling_minutes"] * minutes).sum(), rel=1e-6
    )


# --- whale curve

WHALE = [(200, 100), (200, 100), *[(50, 50)] * 7, (100, 200)]


def test_the_peak_is_what_the_profitable_customers_earn():
    result = whale_curve(workspace(of_orders(WHALE), costs={}), resamples=199)
    peak = result.table.set_index("point").loc["peak"]
    assert peak[["customers", "profit_after_service", "share"]].tolist() == [2, 200, 2.0]
    assert result.losing[["customers", "share", "profit_after_service"]].tolist() == [1, 0.1, -100]
    assert "peaks at 200.0%" in result.reading()


def test_a_total_near_zero_has_shares_without_an_interval_and_says_so():
    result = whale_curve(workspace(of_orders(WHALE), costs={}))
    assert result.table["low"].isna().all()
    assert "too close to zero" in result.reading()


def test_a_company_that_loses_is_shown_in_money():
    rows = [(200, 100), *[(50, 60)] * 30, (100, 200)]
    result = whale_curve(workspace(of_orders(rows), costs={}), resamples=199)
    assert result.in_money
    assert result.table["share"].isna().all()
    assert result.total == -300
    end = result.table.set_index("point").loc["all"]
    assert end["low"] < -300 < end["high"]
    assert result.formats()["low"] == "money"
    assert "not above zero" in result.reading()
    result.plot()


def test_where_nobody_loses_the_curve_rises_to_its_end():
    result = whale_curve(workspace(of_orders([(100, 50 + i) for i in range(40)]), costs={}))
    peak = result.table.set_index("point").loc["peak"]
    assert peak["share"] == 1
    assert result.losing["customers"] == 0
    assert "rises to its end" in result.reading()
    assert result.title() == "No customer costs more than they bring"


def test_the_curve_passes_through_its_peak(company):
    result = whale_curve(company, resamples=99)
    peak = result.table.set_index("point").loc["peak"]
    highest = result.curve.loc[result.curve["profit_after_service"].idxmax()]
    assert highest["profit_after_service"] == pytest.approx(peak["profit_after_service"])
    lost = peak["profit_after_service"] + result.losing["profit_after_service"]
    assert lost == pytest.approx(result.total)


def test_one_customer_makes_no_whale():
    with pytest.raises(NotEnoughData, match="at least 2 customers"):
        whale_curve(workspace(of_orders([(10, 5)]), costs={}))


# --- large customers who lose money


def twenty(**changed):
    """Twenty large customers alike, the first one as `changed` says."""
    rows = pd.DataFrame({"list_price": [100.0] * 20, "amount": 90.0, "cost": 60.0})
    for name, value in changed.items():
        rows.loc[0, name] = value
    tables = of_orders(rows[["amount", "cost"]].to_numpy().tolist())
    return {"orders": tables["orders"].assign(list_price=rows["list_price"])}


def only(result):
    assert result.table["customer_id"].tolist() == ["C000"]
    return result.table.iloc[0]


def test_a_discount_that_makes_the_loss_is_the_reason():
    row = only(unprofitable_large(workspace(twenty(amount=55.0), costs={}), top=1.0))
    assert row["reason"] == "discount"
    assert row["discount_share"] == pytest.approx(0.45)
    assert row["profit_at_median"] == pytest.approx(30)


def test_a_direct_cost_that_makes_the_loss_is_the_reason():
    row = only(unprofitable_large(workspace(twenty(cost=95.0), costs={}), top=1.0))
    assert row["reason"] == "direct_cost"
    assert row["profit_at_median"] == pytest.approx(30)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (
            {
                "contacts": pd.DataFrame(
                    {"contact_id": ["1"], "customer_id": ["C000"], "channel": ["visit"]}
                )
            },
            "contacts",
        ),
        (
            {
                "complaints": pd.DataFrame(
                    {"complaint_id": ["1"], "customer_id": ["C000"], "compensation": [100.0]}
                )
            },
            "complaints",
        ),
    ],
)
def test_service_that_makes_the_loss_is_the_reason(table, reason):
    row = only(unprofitable_large(workspace(twenty() | table), top=1.0))
    assert row["reason"] == reason
    assert row["profit_after_service"] < 0


def test_if_no_part_alone_turns_the_loss_they_are_several():
    tables = twenty(amount=70.0, cost=101.0)
    row = only(unprofitable_large(workspace(tables, costs={}), top=1.0))
    # −31: the discount at the median gives 20 of it, the direct cost 41 with a remainder of 10.
    assert row["reason"] == "direct_cost"
    tables = twenty(amount=55.0, cost=96.0)
    row = only(unprofitable_large(workspace(tables, costs={}), top=1.0))
    assert row["reason"] == "several"
    assert row["profit_at_median"] == pytest.approx(30)


def test_where_the_median_customer_loses_too_no_part_is_called_the_reason():
    tables = of_orders([(90.0, 100.0)] * 20)
    result = unprofitable_large(workspace(tables, costs={}), top=1.0)
    assert set(result.table["reason"]) == {"unexplained"}
    assert "would lose with every part at the median too" in result.reading()
    assert "What would turn the loss into a profit" not in result.reading()


def test_equal_customers_are_large_together():
    result = unprofitable_large(workspace(twenty(amount=95.0), costs={}), top=0.1)
    assert len(result.large) == 20
    assert result.table.empty
    assert result.title() == "No large customer loses money after service"
    result.plot()


def test_without_list_prices_the_reading_says_where_a_discount_shows():
    tables = {"orders": twenty(amount=55.0)["orders"].drop(columns="list_price")}
    result = unprofitable_large(workspace(tables, costs={}), top=1.0)
    row = only(result)
    assert row["reason"] == "direct_cost"
    assert np.isnan(row["discount_share"])
    assert "neither list prices nor discounts" in result.reading()


def test_a_discount_alone_gives_the_list_price():
    orders = twenty(amount=55.0)["orders"]
    orders = orders.assign(discount=orders["list_price"] - orders["amount"])
    tables = {"orders": orders.drop(columns="list_price")}
    row = only(unprofitable_large(workspace(tables, costs={}), top=1.0))
    assert row["reason"] == "discount"


def test_top_is_a_share():
    with pytest.raises(CrmlabError, match="above 0 and at most 1"):
        unprofitable_large(workspace(twenty(), costs={}), top=20)


def test_the_contracts_that_lose_money_are_found_and_the_small_one_is_not_large(company):
    """datasets/effects.toml: unprofitable_key_share, a tenth of the 100 key customers."""
    result = unprofitable_large(company)
    tiers = company.customers.set_index("customer_id")["tier"]
    margin = company.query("customer_summary").set_index("customer_id")["margin"]
    on_losing_contracts = set(margin[(margin < 0) & (tiers.reindex(margin.index) == "key")].index)
    assert len(on_losing_contracts) == 10
    found = result.table[result.table["reason"] == "discount"]
    assert set(found["customer_id"]) <= on_losing_contracts
    missed = on_losing_contracts - set(found["customer_id"])
    revenue = company.query("customer_summary").set_index("customer_id")["amount"]
    assert (revenue[list(missed)] < result.threshold).all()
    assert len(missed) == 1
    wider = unprofitable_large(company, top=0.25)
    assert on_losing_contracts <= set(
        wider.table.loc[wider.table["reason"] == "discount"]["customer_id"]
    )


# --- the query


def test_service_activities_count_what_took_place_by_customer():
    found = workspace().query("service_activities")
    kept = found.dropna(subset=["customer_id"]).set_index(["customer_id", "activity"])
    assert kept["records"].to_dict() == {
        ("A", "complaint.compensation"): 1,
        ("A", "complaint.minute"): 1,
        ("A", "contact.visit"): 1,
        ("A", "survey.sent"): 1,
        ("B", "complaint.handling"): 1,
        ("B", "complaint.unrecorded"): 1,
        ("B", "contact.phone"): 2,
        ("C", "contact.phone"): 1,
    }
    assert kept.loc[("A", "complaint.minute"), "units"] == 30
    assert kept.loc[("A", "complaint.compensation"), "recorded"] == 25
    assert kept.loc[("B", "complaint.handling"), "recorded"] == 9
    assert found["customer_id"].isna().sum() == 1


def test_service_activities_of_a_period_are_those_that_happened_in_it():
    found = workspace().query(
        "service_activities", period_from="2025-01-06", period_to="2025-01-20"
    )
    assert sorted(found["activity"]) == [
        "complaint.compensation",
        "complaint.handling",
        "complaint.minute",
        "contact.phone",
        "contact.phone",
        "contact.phone",
    ]
