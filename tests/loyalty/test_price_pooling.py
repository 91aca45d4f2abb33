import numpy as np
import pandas as pd
import pytest

from crmlab.errors import NotEnoughData
from crmlab.loyalty.price import price_response
from crmlab.loyalty.price_pooling import customer_elasticities, price_by_customer
from crmlab.loyalty.purchases import customer_months
from tests.loyalty.test_price import CHANGE, TWO_TYPES, workspace


def test_customers_of_the_company_have_the_elasticity_of_their_type(company):
    # The simulated truth: no variation within a type.
    result = price_by_customer(company)
    assert result.pooled.low == 0
    assert "do not show that customers of a group differ" in result.reading()
    of_type = price_response(company).table.set_index("customer_type")["elasticity"]
    apart = result.table["elasticity"] - result.table["customer_type"].map(of_type)
    assert apart.abs().max() < 0.2
    truth = {"economic": -1.8, "ethical": -0.5, "personalised": -0.8, "convenience": -1.1}
    true = result.table["customer_type"].map(truth).astype(float)
    assert result.table["low"].lt(true).all()
    assert result.table["high"].gt(true).all()
    raw = result.table["raw"].quantile([0.05, 0.95])
    assert raw.iloc[1] - raw.iloc[0] > 10


def test_the_raw_figure_by_hand(company):
    result = price_by_customer(company)
    months = customer_months(company)
    row = result.table.iloc[5]
    own = months[
        (months["customer_id"] == row["customer_id"]) & (months["month"] > months["since"])
    ]
    late = own["month"] >= "2025-04-01"
    assert row["orders_after"] == own.loc[late, "orders"].sum()
    assert row["orders_before"] == own.loc[~late, "orders"].sum()


def test_every_customer_of_a_judged_type_has_a_figure(company):
    found = customer_elasticities(company)
    assert list(found) == ["customer_id", "elasticity", "low", "high"]
    assert found["customer_id"].is_unique
    assert found.notna().all(axis=None)
    result = price_by_customer(company)
    assert len(found) == len(result.customers) > len(result.table)
    elsewhere = result.customers[~result.customers["changed"]]
    assert elsewhere["raw"].isna().all()
    assert elsewhere.groupby("customer_type")["elasticity"].nunique().eq(1).all()
    assert len(found) + result.not_judged == result.tariff.frame["customer_id"].nunique()


def test_customers_who_differ_are_told_apart():
    groups = {("S", "a"): (9, 2), ("S", "b"): (9, 9), ("N", "a"): (9, 9), ("N", "b"): (9, 9)}
    crm = workspace(groups, customers=20)
    together = price_by_customer(crm, by=None, change=CHANGE)
    assert together.pooled.low > 0
    assert "varies more" in together.reading()
    kinds = together.table["customer_id"].str[1]
    assert together.table.loc[kinds == "a", "elasticity"].max() < (
        together.table.loc[kinds == "b", "elasticity"].min()
    )
    assert "customer_type" not in together.table
    together.plot()
    apart = price_by_customer(crm, change=CHANGE)
    assert apart.pooled.low == 0


def test_a_cut_of_the_price_has_elasticities_of_the_same_sign():
    crm = workspace({("S", "a"): (4, 8), ("N", "a"): (6, 6)})
    result = price_by_customer(crm, change=CHANGE | {"share": -0.2})
    expected = np.log(2) / np.log(0.8)
    assert result.table["elasticity"].tolist() == pytest.approx([expected] * 12, abs=0.2)
    assert (result.table["low"] < result.table["high"]).all()


def test_where_no_group_is_judged_it_is_said():
    few = workspace(TWO_TYPES, customers=4)
    with pytest.raises(NotEnoughData, match="In no group"):
        price_by_customer(few, change=CHANGE)


def test_customers_without_orders_are_counted():
    crm = workspace(TWO_TYPES)
    late = pd.DataFrame(
        {
            "order_id": ["x"],
            "customer_id": ["new"],
            "ordered_at": [pd.Timestamp("2025-03-05")],
            "service_line": ["FTL"],
        }
    )
    listed = pd.DataFrame({"customer_id": ["new"], "region": ["S"], "customer_type": ["ethical"]})
    crm = from_parts(crm, late, listed)
    result = price_by_customer(crm, change=CHANGE)
    assert result.not_judged == 1
    assert "new" not in result.table["customer_id"].tolist()


def from_parts(crm, orders, customers):
    from crmlab.data.sources import from_frames

    return from_frames(
        {
            "orders": pd.concat([crm.orders, orders], ignore_index=True),
            "customers": pd.concat([crm.customers, customers], ignore_index=True),
        }
    )
