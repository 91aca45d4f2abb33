"""The query files: what they count, and that every SQL engine could run them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import sqlglot
from sqlglot import expressions as exp

from crmlab.data import engine
from crmlab.data.sources import from_frames
from crmlab.errors import UnknownName

QUERIES = engine.query_names()
GROUPINGS = {
    "none": (),
    "orders": (("orders", "region"),),
    "both": (("orders", "region"), ("customers", "region"), ("customers", "size")),
}


def rendered(name, by=()):
    return engine._without_comments(engine.render(engine.query_text(name), by))


# --- the portable subset

PERCENTILES = (exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.Median, exp.ApproxQuantile)


def breaches(sql):
    """The constructs that architecture.md forbids in a query, as a list of words."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    found = [type(node).__name__ for node in tree.find_all(*PERCENTILES)]
    found += [node.name for node in tree.find_all(exp.Anonymous) if "tile" in node.name.lower()]
    found += ["NTILE" for _node in tree.find_all(exp.Ntile)]
    for node in tree.find_all(exp.DateDiff):
        dates = all(isinstance(part, exp.Cast) for part in (node.this, node.expression))
        found += [] if dates else ["DateDiff not on dates"]
    for node in tree.find_all(exp.Div):
        right = node.expression
        double = isinstance(right, exp.Cast) and right.is_type("double")
        found += [] if double else ["Div not by a double"]
    found += ["Round" for _node in tree.find_all(exp.Round)]
    for node in tree.find_all(exp.Sum, exp.Count):
        top = node.find_ancestor(exp.Cast, exp.Case, exp.CTE, exp.Select)
        outermost = node.parent_select is tree and not isinstance(top, exp.Cast)
        found += ["Sum not cast"] if outermost and isinstance(node, exp.Sum) else []
    return found


@pytest.mark.parametrize("by", GROUPINGS.values(), ids=list(GROUPINGS))
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_translates_to_spark_and_postgresql(name, by):
    sql = rendered(name, by)
    for dialect in ("spark", "postgres"):
        (text,) = sqlglot.transpile(
            sql,
            read="duckdb",
            write=dialect,
            unsupported_level=sqlglot.ErrorLevel.RAISE,
        )
        again = sqlglot.parse_one(text, read=dialect)
        assert again.find(exp.Select) is not None
        assert "PERCENTILE" not in text.upper()


@pytest.mark.parametrize("by", GROUPINGS.values(), ids=list(GROUPINGS))
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_uses_nothing_that_is_forbidden(name, by):
    assert breaches(rendered(name, by)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY amount) FROM orders",
        "SELECT MEDIAN(amount) FROM orders",
        "SELECT QUANTILE_CONT(amount, 0.9) FROM orders",
        "SELECT APPROX_QUANTILE(amount, 0.9) FROM orders",
        "SELECT customer_id, NTILE(5) OVER (ORDER BY amount) FROM orders",
        "SELECT DATE_DIFF('day', ordered_at, delivered_at) FROM orders",
        "SELECT COUNT(on_time) / COUNT(*) FROM orders",
        "SELECT CAST(ROUND(SUM(amount), 2) AS DOUBLE) FROM orders",
        "SELECT SUM(points_earned) FROM orders",
    ],
)
def test_the_check_finds_what_is_forbidden(sql):
    assert breaches(sql) != []


def test_the_check_lets_the_allowed_forms_pass():
    sql = (
        "SELECT DATE_DIFF('day', CAST(ordered_at AS DATE), CAST(delivered_at AS DATE)) AS days,"
        " CAST(COUNT(on_time) AS DOUBLE) / CAST(COUNT(*) AS DOUBLE) AS share FROM orders GROUP BY 1"
    )
    assert breaches(sql) == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_says_first_what_one_row_is(name):
    first = engine.query_text(name).splitlines()[0]
    assert first.startswith("-- One row")


@pytest.mark.parametrize("name", QUERIES)
def test_keywords_are_upper_case(name):
    tokens = sqlglot.tokenize(rendered(name), read="duckdb")
    kinds = {"SELECT", "FROM", "WHERE", "GROUP_BY", "CASE", "WHEN", "THEN", "ELSE", "END", "WITH"}
    for token in tokens:
        if token.token_type.name in kinds:
            assert token.text == token.text.upper(), token


# --- what they count


@pytest.fixture
def crm():
    at = pd.to_datetime
    orders = pd.DataFrame(
        [
            # id, customer, ordered, promised, delivered, amount, cost, damaged, promotion, region
            ("1", "A", "2025-01-02", "2025-01-05", "2025-01-04", 100.0, 60.0, False, None, "N"),
            ("2", "A", "2025-01-02", "2025-01-05", "2025-01-06", 50.0, 20.0, True, "P1", "N"),
            ("3", "A", "2025-02-01", "2025-02-05", None, -30.0, -10.0, None, None, "N"),
            ("4", "B", "2025-02-02", "2025-02-05", None, 0.0, 5.0, None, None, None),
            ("5", "C", "2025-02-03", None, None, -0.1, None, None, "P1", "S"),
            ("6", None, "2025-02-04", "2025-03-01", None, 7.0, 1.0, None, None, "S"),
            ("7", "B", None, "2025-03-02", None, None, None, None, "P1", None),
        ],
        columns=[
            "order_id",
            "customer_id",
            "ordered_at",
            "promised_at",
            "delivered_at",
            "amount",
            "cost",
            "damaged",
            "promotion",
            "region",
        ],
    )
    for name in ("ordered_at", "promised_at", "delivered_at"):
        orders[name] = at(orders[name])
    customers = pd.DataFrame(
        {"customer_id": ["A", "B", "C"], "size": ["small", None, "large"], "region": list("XYZ")}
    )
    return from_frames({"orders": orders, "customers": customers}, as_of=dt.date(2025, 2, 10))


def test_a_customer_summary_has_one_row_for_each_customer_with_orders(crm):
    found = crm.query("customer_summary").set_index("customer_id")
    assert found.index.tolist() == ["A", "B", "C"]
    assert found["orders"].tolist() == [2, 2, 0]
    assert found["active_days"].tolist() == [1, 1, 0]
    assert found["cancellations"].tolist() == [1, 0, 1]
    assert found["first_day"].tolist()[:2] == [pd.Timestamp(2025, 1, 2), pd.Timestamp(2025, 2, 2)]
    assert found["last_day"].isna().tolist() == [False, False, True]


def test_a_cancellation_reduces_the_money_and_is_no_purchase(crm):
    found = crm.query("customer_summary").set_index("customer_id")
    assert found.loc["A", ["amount", "purchases_amount", "cancelled_amount"]].tolist() == [
        120,
        150,
        30,
    ]
    assert found.loc["C", ["amount", "purchases_amount", "cancelled_amount"]].tolist() == [
        -0.1,
        0,
        0.1,
    ]
    assert found.loc["A", ["cost", "margin"]].tolist() == [70, 50]
    assert found["promotions"].tolist() == [1, 1, 0]
    assert found["lines"].tolist() == [3, 2, 1]


def test_an_undelivered_order_whose_promise_is_over_is_late(crm):
    found = crm.query("customer_summary").set_index("customer_id")
    assert found["on_time"].tolist() == [1, 0, 0]
    assert found["late"].tolist() == [1, 1, 0]
    assert found["on_time_known"].tolist() == [2, 1, 0]
    assert found["damaged"].tolist() == [1, 0, 0]
    assert found["damaged_known"].tolist() == [2, 0, 0]


def test_a_promise_that_falls_due_after_as_of_is_unknown(crm):
    found = crm.query("on_time").iloc[0]
    assert found[["orders", "on_time", "late", "unknown", "overdue"]].tolist() == [5, 1, 2, 2, 1]
    assert found["cancellations"] == 2


def test_without_delivery_times_nothing_is_overdue():
    orders = pd.DataFrame(
        {
            "order_id": ["1", "2"],
            "ordered_at": ["2025-01-01", "2025-06-01"],
            "promised_at": "2025-01-05",
        }
    )
    orders.loc[1, "promised_at"] = "2025-07-01"
    found = from_frames({"orders": orders}).query("on_time").iloc[0]
    assert found[["orders", "late", "unknown", "overdue"]].tolist() == [2, 0, 2, 0]


def test_on_time_as_given_wins_over_the_times():
    orders = pd.DataFrame(
        {
            "order_id": ["1", "2"],
            "ordered_at": "2025-01-01",
            "promised_at": "2025-01-05",
            "delivered_at": ["2025-01-01", "2025-01-01"],
            "on_time": pd.array([False, None], "boolean"),
        }
    )
    found = from_frames({"orders": orders}, as_of="2025-01-31").query("on_time").iloc[0]
    assert found[["on_time", "late", "unknown"]].tolist() == [1, 1, 0]


def test_groups_may_be_columns_of_orders_and_of_customers_and_missing_is_kept(crm):
    found = crm.query("on_time", by=["region", "size", "customers.region"])
    assert list(found.columns[:3]) == ["region", "size", "customers_region"]
    assert found["orders"].sum() == 5
    assert found["region"].isna().sum() == 1
    nowhere = found[found["region"].isna()].iloc[0]
    assert (nowhere["customers_region"], nowhere["orders"]) == ("Y", 2)
    with pytest.raises(UnknownName, match=r"no column route to group by. There are: order_id, "):
        crm.query("on_time", by="route")


def test_a_name_to_group_by_cannot_smuggle_in_sql(crm):
    with pytest.raises(UnknownName):
        crm.query("on_time", by='region" ; DROP VIEW orders --')


def test_a_period_is_inclusive_on_both_sides(crm):
    found = crm.query(
        "customer_summary", period_from=dt.date(2025, 2, 1), period_to=dt.date(2025, 2, 2)
    )
    assert found["customer_id"].tolist() == ["A", "B"]
    assert found["orders"].tolist() == [0, 1]
    assert crm.query("on_time", period_to=dt.date(2025, 1, 2))["orders"].tolist() == [2]


def test_what_orders_hold_is_accounted_for(crm):
    found = crm.query("orders_accounting").iloc[0]
    assert found["orders"] == found["lines"] == 7
    assert found["customers"] == 3
    assert found["orders_without_customer"] == found["lines_without_customer"] == 1
    assert found["cancellations"] == 2
    assert found["zero_amount_orders"] == 1
    assert found["amount_missing"] == 1
    assert found["ordered_at_missing"] == 1


def test_money_that_nets_to_zero_is_zero():
    orders = pd.DataFrame({"order_id": list("123"), "customer_id": "A", "amount": [0.1, 0.2, -0.3]})
    found = from_frames({"orders": orders}).query("customer_summary")
    assert found["amount"].tolist() == [0.0]
    assert not np.signbit(found["amount"][0])


def test_an_amount_nobody_gave_stays_missing():
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["A"]})
    found = from_frames({"orders": orders}).query("customer_summary").iloc[0]
    assert found["orders"] == 1
    assert found[["amount", "purchases_amount", "cancelled_amount"]].isna().all()


def test_types_are_the_same_with_and_without_rows(crm):
    full = crm.query("customer_summary")
    empty = crm.query("customer_summary", period_to=dt.date(2000, 1, 1))
    assert empty.empty
    assert full.dtypes.equals(empty.dtypes)
    kinds = {name: str(kind) for name, kind in full.dtypes.items()}
    assert kinds["customer_id"] == "str"
    assert kinds["first_day"] == "datetime64[us]"
    assert kinds["orders"] == kinds["late"] == "int64"
    assert kinds["amount"] == kinds["points_earned"] == "float64"


def test_unknown_queries_and_parameters_name_those_there_are(crm):
    with pytest.raises(
        UnknownName,
        match=r"no query sumary. The queries are: cohort_purchases, complaint_cases, ",
    ):
        crm.query("sumary")
    with pytest.raises(UnknownName, match=r"no parameter since. It has: period_from, period_to"):
        crm.query("customer_summary", since=1)
    with pytest.raises(UnknownName, match="no parameter by"):
        crm.query("customer_summary", by="region")
    with pytest.raises(UnknownName, match="no parameter as_of_end"):
        crm.query("on_time", as_of_end=1)
