import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.loyalty.spend import spend


def workspace(rows, as_of="2025-12-31"):
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders["order_id"] = [str(number) for number in range(len(orders))]
    return from_frames({"orders": orders}, as_of=as_of)


def several(customers=20, **more):
    """Customers of two repeat purchases each, of 10, 11, 12 … on average."""
    rows = []
    for place in range(customers):
        name = f"C{place:02d}"
        rows += [
            (name, "2025-01-01", 500.0),
            (name, "2025-02-01", 10.0 + place - 2),
            (name, "2025-03-01", 10.0 + place + 2),
        ]
    return rows


def test_spend_is_the_mean_of_the_purchases_after_the_first():
    result = spend(workspace(several()))
    assert result.customers["spend"].tolist() == pytest.approx([10.0 + k for k in range(20)])
    assert (result.customers["frequency"] == 2).all()


def test_orders_of_a_day_are_one_purchase_of_their_sum():
    rows = [*several(), ("D", "2025-01-01", 1.0), ("D", "2025-02-01", 30.0)]
    rows.append(("D", "2025-02-01", 12.0))
    own = spend(workspace(rows)).customers.set_index("customer_id").loc["D"]
    assert own[["frequency", "spend"]].tolist() == [1, pytest.approx(42.0)]


def test_refunds_zero_and_unknown_amounts_are_counted():
    rows = [
        *several(),
        ("refund", "2025-01-01", 10.0),
        ("refund", "2025-02-01", 20.0),
        ("refund", "2025-03-01", -20.0),
        ("free", "2025-01-01", 9.0),
        ("free", "2025-02-01", 0.0),
        ("unknown", "2025-01-01", 9.0),
        ("unknown", "2025-02-01", None),
        ("once", "2025-01-01", 9.0),
    ]
    result = spend(workspace(rows))
    assert result.left_out == {"once": 1, "unknown": 1, "nothing": 1}
    own = result.customers.set_index("customer_id")["spend"]
    assert own["refund"] == pytest.approx(20.0)
    brought = sum(amount for _name, _at, amount in rows if amount is not None and amount > 0)
    assert result.refunded == pytest.approx(20.0 / brought)
    assert [one.count for one in result.definition.exclusions] == [1, 1, 1, 1]


def test_known_parameters_are_recovered(simulated):
    table = spend(simulated(900, seed=6)).table.set_index("parameter")
    for name, truth in {"p": 5.0, "q": 4.0, "mean": 100.0}.items():
        assert table.loc[name, "low"] < truth < table.loc[name, "high"], name


def test_how_customers_or_purchases_differ_is_not_said_where_it_cannot_be_told():
    random = np.random.default_rng(1)
    days = pd.date_range("2025-01-01", periods=6, freq="30D")
    names = [f"C{place}" for place in range(60)]
    alike = spend(workspace([(who, at, random.gamma(4, 20)) for who in names for at in days]))
    assert "q" in alike.fit.weak
    assert "Whether customers differ cannot be told" in alike.reading()
    assert "1/√(q−2)" not in alike.reading()
    own = dict(zip(names, 90 / random.gamma(4, size=60), strict=True))
    steady = spend(workspace([(who, at, own[who]) for who in names for at in days]))
    assert "p" in steady.fit.weak
    assert "hardly differ from their mean" in steady.reading()
    assert "1/√(q−2)" in steady.reading()


def test_the_assumption_is_tested_by_ranks(company):
    result = spend(company)
    value = spearmanr(result.customers["frequency"], result.customers["spend"]).statistic
    assert result.correlation.value == pytest.approx(value)
    assert result.correlation.low < value < result.correlation.high
    # Customers of higher tiers order more often and more.
    assert "those who buy often also spend more" in result.reading()


def test_the_line_of_the_picture_is_a_density(company):
    result = spend(company)
    grid = np.geomspace(1e-3, 1e9, 20_000)
    assert np.trapezoid(result._density(grid), np.log(grid)) == pytest.approx(1.0, abs=1e-3)


def test_a_tenth_of_the_customers_lies_in_each_tail_of_a_model_that_holds(simulated):
    low, high = spend(simulated(900, seed=6)).tails
    assert low == pytest.approx(0.1, abs=0.04)
    assert high == pytest.approx(0.1, abs=0.04)


def test_nobody_with_a_repeat_purchase_is_said():
    with pytest.raises(NotEnoughData, match="None of 1"):
        spend(workspace([("A", "2025-01-01", 5.0)]))


def test_everything_is_said_and_drawn(company):
    result = spend(company)
    for text in (result.title(), result.reading(), result.alt(), result.definition.method):
        assert text
        assert "nan" not in text.lower().replace("finance", "")
    assert len(result.title()) <= 90
    assert result.plot().get_xlabel()


def test_customers_who_buy_equally_often_leave_the_correlation_unknown():
    result = spend(workspace(several()))
    assert np.isnan(result.correlation.value)
    assert "cannot be told" in result.reading()
