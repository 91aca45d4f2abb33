"""Whether the loyalty index of a day goes with the purchases after it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty import loyalty_validity
from crmlab.loyalty.nine_values import measured


def orders(*rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
    days = pd.to_datetime(frame["ordered_at"], format="mixed")
    return frame.assign(ordered_at=days, order_id=[str(number) for number in range(len(rows))])


@pytest.fixture
def crm():
    """Customer k of 30 buys in k months of the first year, and in about as many weeks after it."""
    rng = np.random.default_rng(8)
    rows = []
    for customer in range(30):
        name = f"C{customer:02d}"
        rows += [(name, f"2024-{month:02d}-15") for month in range(1, 2 + customer % 12)]
        days = rng.choice(170, 1 + customer % 12 + rng.integers(0, 3), replace=False)
        rows += [(name, pd.Timestamp("2025-01-01") + pd.Timedelta(days=int(one))) for one in days]
    return from_frames({"orders": orders(*rows, ("new", "2025-06-30"))})


def test_the_index_is_made_of_what_was_known_before_and_purchases_counted_after(crm):
    result = loyalty_validity(crm)
    assert result.until == date(2024, 12, 31)
    row = result.table.set_index("predictor").loc["repeat_purchase"]
    before = measured(crm, last=date(2024, 12, 31)).scores["repeat_purchase"]
    bought = crm.orders[crm.orders["ordered_at"] >= "2025-01-01"]
    after = bought.groupby("customer_id").size().reindex(before.index)
    expected = stats.spearmanr(before, after).statistic
    assert row["correlation"] == pytest.approx(expected)
    assert row["customers"] == 30  # who came later is not among them
    assert "new" not in result.measured.scores.index


def test_what_happens_later_does_not_change_the_index_of_the_day(crm):
    shorter = crm.orders[crm.orders["ordered_at"] < "2025-01-01"]
    early = from_frames({"orders": shorter}, as_of=date(2024, 12, 31))
    then, now = measured(early), measured(crm, last=date(2024, 12, 31))
    pd.testing.assert_frame_equal(then.scores, now.scores)


def test_answers_given_later_are_not_in_the_index_of_the_day(company):
    found = loyalty_validity(company).measured
    surveys = company.surveys
    known = surveys[surveys["answered_at"] <= "2025-06-30 23:59:59"]
    last = known.sort_values("answered_at").iloc[-1]["customer_id"]
    assert last in found.scores.index
    assert found.last == date(2025, 6, 30)
    only_later = set(surveys["customer_id"]) - set(known["customer_id"])
    assert found.weight.reindex(sorted(only_later)).isna().all()


def test_who_bought_nothing_later_counts_with_nothing():
    rows = [(f"C{number:02d}", f"2024-{1 + number % 11:02d}-15") for number in range(24)]
    rows += [(f"C{number:02d}", "2024-12-20") for number in range(24)]
    rows += [(f"C{number:02d}", "2025-06-30") for number in range(6)]
    result = loyalty_validity(from_frames({"orders": orders(*rows)}))
    assert result.silent == 18
    assert "18 of them bought nothing then" in result.reading()


def test_few_customers_are_shown_and_not_judged():
    rows = [("A", "2024-01-05"), ("B", "2024-02-05"), ("C", "2024-03-05"), ("C", "2024-12-05")]
    result = loyalty_validity(from_frames({"orders": orders(*rows, ("A", "2025-06-30"))}))
    assert result.table["low"].isna().all()
    assert result.table["beyond_chance"].isna().all()
    assert "cannot be told" in result.title()
    assert "Of 3 customers with an index" in result.reading()
    assert "too few" in result.reading()
    assert "beyond chance" not in result.reading()


def test_one_customer_is_no_picture_of_points():
    rows = [("A", "2024-01-05"), ("A", "2024-12-05"), ("A", "2025-06-30")]
    result = loyalty_validity(from_frames({"orders": orders(*rows)}))
    assert "Of 1 customer with an index" in result.reading()
    assert result.alt() == result.title()


def test_data_that_are_too_short_are_refused(crm):
    with pytest.raises(NotEnoughData, match="nothing before the last 24 months"):
        loyalty_validity(crm, ahead=24)
    with pytest.raises(CrmlabError, match="ahead"):
        loyalty_validity(crm, ahead=0)


def test_a_single_month_is_one(crm):
    result = loyalty_validity(crm, ahead=1, months=1)
    assert result.definition.period == "1 month up to May 31, 2025; purchases in the month after"
    assert "purchase in the month after is" in result.reading()
    assert result.title().startswith("Index and purchases of the next month: correlation")


def test_in_the_company_behaviour_goes_with_later_purchases_and_attitudes_hardly(company):
    result = loyalty_validity(company)
    table = result.table.set_index("predictor")
    assert table["customers"].max() == table.loc["index", "customers"]
    assert table.loc["layer behavioural", "low"] > 0.5
    assert abs(table.loc["layer affective", "correlation"]) < 0.15
    assert table.loc["index", "low"] > 0
    assert table.loc["price_sensitivity", "correlation"] < 0
    assert "Against the direction in which it is scored goes: Price sensitivity." in (
        result.reading()
    )
    assert "This is an association" in result.reading()
    assert len(result.title()) <= 90
    assert len(result.plot().get_yticks()) == 13


def test_by_hand_in_plain_pandas(crm):
    first = crm.orders[crm.orders["ordered_at"] < "2025-01-01"]
    later = crm.orders[crm.orders["ordered_at"] >= "2025-01-01"].groupby("customer_id").size()
    days = (pd.Timestamp("2024-12-31") - first["ordered_at"]).dt.days
    months = first.assign(month=12 * days // 365).groupby("customer_id")["month"]
    again = (months.nunique() - 1) / months.max()
    both = pd.DataFrame({"before": again, "after": later}).loc[again.index].fillna(0)
    by_hand = both.corr("spearman").iloc[0, 1]
    found = loyalty_validity(crm).table.set_index("predictor").loc["index", "correlation"]
    assert found == pytest.approx(by_hand)
