"""Customer lifetime value by tier."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.stats.intervals import wilson
from crmlab.tiering import clv, margin_multiple


def workspace(rows, *, as_of="2025-12-31", tiers=None, costs=None, **tables):
    """Orders of (customer, day, amount, cost)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "cost"])
    frame["order_id"] = [str(place) for place in range(len(frame))]
    found = {"orders": frame} | tables
    if tiers:
        found["customers"] = pd.DataFrame({"customer_id": list(tiers), "tier": tiers.values()})
    settings = Settings(name="Test", activity_costs=costs or {})
    return from_frames(found, settings, as_of=as_of)


def two_years(*, start="2024-01-01", first="2024-06-01", second="2025-06-01"):
    """Twenty customers of the first period; sixteen come back and bring 30 + their number."""
    rows = [(f"C{i:02d}", first, 200.0, 100.0) for i in range(20)]
    rows += [(f"C{i:02d}", second, 100.0, 70.0 - i) for i in range(16)]
    rows.append(("C00", start, 0.0, 0.0))
    return rows


def general(rows):
    return dict.fromkeys(sorted({row[0] for row in rows}), "general")


def only(result):
    assert len(result.table) == 1
    return result.table.iloc[0]


def test_the_value_is_yearly_profit_times_the_margin_multiple():
    rows = two_years()
    row = only(clv(workspace(rows, tiers=general(rows))))
    mean = 30 + 7.5
    assert row[["customers", "retained"]].tolist() == [20, 16]
    assert row["yearly_profit"] == pytest.approx(mean)
    assert row["retention"] == pytest.approx(0.8)
    assert row["clv"] == pytest.approx(mean * 0.8 / (1 + 0.10 - 0.8))
    assert row["total"] == pytest.approx(16 * row["clv"])


def test_a_horizon_cuts_the_sum():
    rows = two_years()
    row = only(clv(workspace(rows, tiers=general(rows)), years=2, discount=0.0))
    assert row["clv"] == pytest.approx(37.5 * (0.8 + 0.8**2))


def test_a_long_horizon_comes_to_no_end():
    assert margin_multiple(0.8, 0.12, years=400) == pytest.approx(margin_multiple(0.8, 0.12))


@pytest.mark.parametrize("years", [None, 1, 4])
@pytest.mark.parametrize("length", [1.0, 0.5])
def test_the_slopes_of_the_value_are_its_derivatives(years, length):
    from crmlab.tiering.lifetime_value import _value

    value, step = _value(0.1, years, length), 1e-6
    _worth, by_profit, by_retained = value(50.0, 0.7)
    profit = (value(50 + step, 0.7)[0] - value(50 - step, 0.7)[0]) / (2 * step)
    retained = (value(50, 0.7 + step)[0] - value(50, 0.7 - step)[0]) / (2 * step)
    assert by_profit == pytest.approx(profit, rel=1e-6)
    assert by_retained == pytest.approx(retained, rel=1e-6)


def test_the_interval_of_retention_is_wilsons():
    rows = two_years()
    row = only(clv(workspace(rows, tiers=general(rows))))
    low, high = wilson(16, 20)
    assert row["retention_low"] == pytest.approx(float(low))
    assert row["retention_high"] == pytest.approx(float(high))
    assert row["clv_low"] < row["clv"] < row["clv_high"]


def test_serving_the_silent_counts_against_those_who_stayed():
    rows = two_years()
    calls = pd.DataFrame(
        {
            "contact_id": ["1", "2"],
            "customer_id": ["C19", "C19"],
            "contacted_at": ["2025-03-01", "2024-03-01"],
            "channel": "phone",
        }
    )
    crm = workspace(rows, tiers=general(rows), costs={"contact.phone": 16.0}, contacts=calls)
    # 16 for the call of the second year, shared out among 16 customers.
    assert only(clv(crm))["yearly_profit"] == pytest.approx(37.5 - 1)


def test_a_negative_profit_gives_a_negative_value_and_the_reading_says_so():
    rows = [(name, day, amount, amount + 20) for name, day, amount, _cost in two_years()]
    result = clv(workspace(rows, tiers=general(rows)))
    row = only(result)
    assert row["clv"] == pytest.approx(-20 * 0.8 / 0.3)
    assert "a higher retention makes the value worse" in result.reading()
    result.plot()


def test_a_computed_tier_goes_by_the_first_period_alone():
    rows = [(f"C{i:03d}", "2024-06-01", 100.0 + i, 50.0) for i in range(100)]
    # The smallest customer of the first year is the largest of the second.
    rows += [("C000", "2025-06-01", 1e6, 0.0), ("C099", "2025-06-01", 1.0, 0.0)]
    rows.append(("C001", "2024-01-01", 0.0, 0.0))
    result = clv(workspace(rows))
    then = result.customers.set_index("customer_id")["tier"]
    assert then["C000"] == "general"
    assert then["C099"] == "key"
    table = result.table.set_index("tier")
    assert table["customers"].tolist() == [5, 15, 80]
    assert table.loc["key", "active"] == 1
    assert "frozen there" in result.definition.method


def test_a_tier_of_which_nobody_came_back_has_no_value():
    rows = two_years()
    tiers = general(rows) | {f"C{i}": "key" for i in (17, 18, 19)}
    result = clv(workspace(rows, tiers=tiers))
    key = result.table.set_index("tier").loc["key"]
    assert key["retention"] == 0
    assert np.isnan(key["clv"])
    assert "not computed, too few customers (3)" in result.reading()


def test_shorter_data_are_cut_into_halves_and_retention_raised_to_a_year():
    rows = two_years(start="2025-01-01", first="2025-01-02", second="2025-08-01")
    result = clv(workspace(rows, tiers=general(rows)))
    row = only(result)
    assert result.periods.years == pytest.approx(182 / 365.25)
    assert row["retention"] == pytest.approx(0.8 ** (365.25 / 182))
    assert row["yearly_profit"] == pytest.approx(37.5 * 365.25 / 182)
    multiple = margin_multiple(row["retention"], 0.10)
    assert row["clv"] == pytest.approx(row["yearly_profit"] * multiple)
    assert "The data do not hold two years" in result.reading()


def test_a_few_months_are_not_enough():
    rows = [("A", "2025-10-01", 10.0, 5.0), ("A", "2025-12-01", 10.0, 5.0)]
    with pytest.raises(NotEnoughData, match="at least 180 days"):
        clv(workspace(rows))


def test_the_last_two_years_of_longer_data_count():
    rows = [*two_years(), ("C00", "2020-01-01", 10.0, 5.0)]
    result = clv(workspace(rows, tiers=general(rows)))
    assert result.periods.first_day.isoformat() == "2024-01-01"
    assert result.periods.second_day.isoformat() == "2025-01-01"


def test_a_second_period_of_unknown_profit_leaves_the_customer_out():
    rows = two_years()
    rows = [(n, d, a, np.nan if (n, d) == ("C03", "2025-06-01") else c) for n, d, a, c in rows]
    row = only(clv(workspace(rows, tiers=general(rows))))
    assert row[["customers", "retained"]].tolist() == [19, 15]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"discount": 0.0}, "discount is a rate"),
        ({"discount": 10}, "discount is a rate"),
        ({"years": 0}, "whole number"),
        ({"years": 2.5}, "whole number"),
        ({"confidence": 95}, "confidence"),
    ],
)
def test_what_is_not_allowed_is_refused(options, says):
    rows = two_years()
    with pytest.raises(CrmlabError, match=says):
        clv(workspace(rows), **options)


def test_a_retention_is_a_share():
    with pytest.raises(CrmlabError, match="between 0 and 1"):
        margin_multiple(80, 0.1)


def test_a_lifetime_value_needs_the_direct_cost():
    frame = pd.DataFrame({"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-01-01"]})
    crm = from_frames({"orders": frame.assign(amount=1.0)}, as_of="2025-12-31")
    with pytest.raises(MissingColumns, match=r"orders\.cost"):
        clv(crm)


def test_the_known_rates_of_leaving_lie_in_the_intervals_of_retention(company):
    """datasets/effects.toml, per month; some of the silent have not left, which is small here."""
    table = clv(company, resamples=99).table.set_index("tier")
    for tier, monthly in {"key": 0.008, "potential": 0.013, "general": 0.02}.items():
        stays = np.exp(-12 * monthly)
        assert table.loc[tier, "retention_low"] < stays < table.loc[tier, "retention_high"]
    assert table.loc["key", "clv_low"] > table.loc["general", "clv_high"]


def test_the_yearly_profit_times_retention_is_what_a_customer_brought(company):
    result = clv(company, resamples=9)
    mean = result.customers.groupby("tier")["profit_after_service"].mean()
    table = result.table.set_index("tier")
    product = table["yearly_profit"] * table["retention"]
    assert product.to_numpy() == pytest.approx(mean[product.index].to_numpy())


def test_a_value_whose_sign_is_open_is_not_called_negative(company):
    result = clv(company, resamples=9)
    table = result.table.assign(clv=[-1.0, -1.0, 5.0], clv_low=[-3.0, -3.0, 1.0])
    words = replace(result, table=table.assign(clv_high=[-0.5, 2.0, 9.0]))._negative()
    below, open_sign = words.split("Whether")
    assert "Key" in below
    assert "Potential" not in below
    assert "Potential" in open_sign
    assert "General" not in words
