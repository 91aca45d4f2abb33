"""Retention by cohort: who is in which, and cells that are not over."""

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.loyalty.cohorts import retention
from tests.loyalty.bought import workspace

BOUGHT = [
    ("A", "2024-11-30"),
    ("A", "2024-12-01"),
    ("A", "2025-02-28 23:59"),
    ("B", "2024-11-05"),
    ("B", "2024-11-20"),
    ("C", "2025-01-31"),
    ("C", "2025-02-01", -10.0),  # a refund
    ("C", "2025-02-02", 0.0),
    ("D", "2025-02-14"),
    (None, "2025-02-14"),
]


def rows(result, column="share"):
    """Each cohort's shares by age, those of the future left out; NaN where not over."""
    wide = result.triangle(column)
    return {cohort: wide.loc[cohort].tolist() for cohort in wide.index}


def test_a_cohort_is_a_month_and_its_ages_are_the_months_after():
    result = retention(workspace(BOUGHT, as_of="2025-02-28"), unit="month")
    missing = float("nan")
    expected = {
        "2024-11": [1, 0.5, 0, 0.5],
        "2025-01": [1, 1, missing, missing],
        "2025-02": [1, missing, missing, missing],
    }
    assert list(rows(result)) == list(expected)  # in December nobody was won
    for cohort, shares in rows(result).items():
        np.testing.assert_array_equal(shares, expected[cohort])
    assert result.triangle("customers")[0].tolist() == [2, 1, 1]
    first = result.table[(result.table["cohort"] == "2024-11") & (result.table["age"] == 1)]
    # Wilson (1927), of 1 in 2
    assert first[["low", "high"]].to_numpy()[0] == pytest.approx([0.0945, 0.9055], abs=1e-4)


def test_a_period_that_is_not_over_is_unknown_though_it_holds_purchases():
    result = retention(workspace(BOUGHT, as_of="2025-02-27"), unit="month")
    table = result.table.set_index(["cohort", "age"])
    assert not table.loc[("2025-01", 1), "over"]
    assert pd.isna(table.loc[("2025-01", 1), "buyers"])
    assert pd.isna(table.loc[("2025-01", 1), "share"])
    assert result.curve["cohorts"].tolist() == [2, 1, 1, 0]
    assert "Cells whose period is not over on Feb 27, 2025 are not known" in result.reading()


def test_quarters_and_years_begin_in_january_and_join_their_months():
    crm = workspace(BOUGHT, as_of="2025-03-31")
    quarters = retention(crm, unit="quarter")
    assert rows(quarters)["2024-Q4"] == [1.0, 0.5]
    assert quarters.triangle("customers")[0].tolist() == [2, 2]
    assert rows(retention(crm, unit="year"))["2024"][0] == 1
    assert retention(crm, unit="year").table["over"].tolist() == [True, False, False, False]


def test_all_cohorts_together_are_those_whose_time_has_come():
    curve = retention(workspace(BOUGHT, as_of="2025-02-28"), unit="month").curve
    assert curve["customers"].tolist() == [4, 3, 2, 2]
    assert curve["buyers"].tolist() == [4, 2, 0, 1]
    assert curve["share"].tolist() == pytest.approx([1, 2 / 3, 0, 0.5])
    assert curve["high"].iloc[2] == pytest.approx(0.6576, abs=1e-4)  # Wilson, none of 2


def test_the_leap_day_belongs_to_february():
    bought = [("A", "2024-01-31"), ("A", "2024-02-29"), ("A", "2024-03-01")]
    result = retention(workspace(bought, as_of="2024-02-29"), unit="month")
    assert rows(result)["2024-01"] == [1, 1]


def test_a_day_of_the_workspaces_time_zone():
    times = pd.to_datetime(["2025-01-05 10:00", "2025-01-31 23:30"]).tz_localize("UTC")
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A", "ordered_at": times})
    for zone, share in (("UTC", 0), ("Asia/Shanghai", 1)):
        crm = from_frames({"orders": orders}, Settings(timezone=zone), as_of="2025-02-28")
        assert rows(retention(crm, unit="month"))["2025-01"] == [1, share]


CUSTOMERS = {
    "customer_id": ["A", "B", "C", "D", "E", "F"],
    # A and D are said to be won after the first purchase, E never bought, of F nothing is known.
    "acquired_on": ["2024-12-05", "2019-01-01", "2024-12-24", "2025-02-20", "2025-01-15", None],
}


def test_those_won_before_the_data_are_in_no_cohort():
    crm = workspace(BOUGHT, as_of="2025-02-28", customers=CUSTOMERS)
    result = retention(crm, unit="month")
    assert result.triangle("customers")[0].tolist() == [1, 1, 1]
    assert result.older == 1
    assert "In no cohort: 1 customer (won before the first order of the data)" in result.reading()


def test_cohorts_by_acquisition_count_those_who_never_bought():
    crm = workspace(BOUGHT, as_of="2025-02-28", customers=CUSTOMERS)
    result = retention(crm, unit="month", start="acquired")
    assert result.triangle("customers")[0].tolist() == [1, 1, 1, 1]
    found = rows(result)
    assert found["2024-11"][:2] == [1, 1]  # A had bought before the day given
    assert found["2024-12"][:3] == [0, 1, 1]  # C, won in December, bought in January
    assert found["2025-01"][:2] == [0, 0]  # E
    assert found["2025-02"][0] == 1  # D bought before the day given, in the same month
    assert (result.older, result.undated) == (1, 1)
    with pytest.raises(MissingColumns, match=r"customers\.acquired_on"):
        retention(workspace(BOUGHT, as_of="2025-02-28"), start="acquired")


def test_with_a_lead_those_first_seen_at_the_start_are_in_no_cohort():
    result = retention(workspace(BOUGHT, as_of="2025-02-28"), unit="month", lead=10)
    assert result.early == 1
    assert result.triangle("customers")[0].tolist() == [1, 1, 1]


def test_cohorts_that_differ_are_told_from_those_that_do_not():
    def two(again):
        bought = []
        for cohort, (month, back) in enumerate((("01", 30), ("02", again))):
            for number in range(60):
                bought.append((f"{cohort}-{number}", f"2025-{month}-10"))
                if number < back:
                    bought.append((f"{cohort}-{number}", f"2025-0{int(month) + 1}-10"))
        return retention(workspace(bought, as_of="2025-03-31"), unit="month")

    assert "More than chance".lower() in two(50).reading().lower()
    assert "that they differ cannot be told" in two(32).reading()


def test_cohorts_that_are_alike_are_not_said_to_go_from_one_to_another():
    bought = [("A", "2025-01-05"), ("A", "2025-02-05"), ("B", "2025-02-06"), ("B", "2025-03-05")]
    said = retention(workspace(bought, as_of="2025-03-31"), unit="month").reading()
    assert "In the first period after, the share is 100.0% in each cohort." in said


def test_of_the_period_of_winning_alone_nothing_is_said_of_ages():
    bought = [("A", "2025-01-05"), ("B", "2025-02-06")]
    result = retention(workspace(bought, as_of="2025-02-20"), unit="month")
    assert result.curve["cohorts"].tolist() == [1, 0]
    assert "Cells whose period is not over" in result.reading()
    assert "last age seen" not in result.reading()


def test_where_every_cell_is_known_none_is_said_to_be_empty():
    result = retention(workspace([("A", "2025-01-05")], as_of="2025-01-31"), unit="month")
    assert result.table["over"].tolist() == [True]
    assert "left empty" not in result.reading()


def test_one_cohort_that_is_not_over_says_so():
    result = retention(workspace([("A", "2025-02-14")], as_of="2025-02-20"))
    assert result.title() == "No cohort has been seen for a whole period after it was won"
    assert result.curve["share"].isna().all()
    assert "none of which has been seen" in result.reading()
    result.plot()
    assert "none" in result.alt()


def test_the_picture_says_which_cells_are_not_over():
    few = retention(workspace(BOUGHT, as_of="2025-02-28"), unit="month").plot()
    assert [text.get_text() for text in few.texts if "not over" in text.get_text()]
    long = [("A", f"2025-{month:02d}-01") for month in range(1, 11)]
    axes = retention(workspace(long, as_of="2025-10-30"), unit="month").plot()
    assert "hatched: not over yet" in axes.get_xlabel()


def test_what_is_not_allowed_is_refused():
    crm = workspace(BOUGHT, as_of="2025-02-28")
    with pytest.raises(CrmlabError, match="unit is one of month, quarter, year; it is 'week'"):
        retention(crm, unit="week")
    with pytest.raises(CrmlabError, match="start is 'purchase' or 'acquired'"):
        retention(crm, start="contract")
    old = {"customer_id": ["A", "B", "C", "D"], "acquired_on": "2001-01-01"}
    with pytest.raises(NotEnoughData, match="Of none of 4 customers"):
        retention(workspace(BOUGHT, as_of="2025-02-28", customers=old))


@pytest.mark.parametrize("student", ["", "20261234"])
def test_the_company_loses_customers_at_about_the_rate_it_was_made_with(company, student):
    crm = crmlab.load(student=student) if student else company
    curve = retention(crm, unit="month").curve.query("age >= 1 and customers >= 50")
    weight = np.sqrt(curve["customers"] * curve["share"] / (1 - curve["share"]))
    slope = np.polyfit(curve["age"], np.log(curve["share"]), 1, w=weight)[0]
    # effects.toml: .02 a month of general customers, .013 of potential, .008 of key ones; the
    # share that buys in a month falls as fast as they leave, but for season and drift.
    assert 0.006 < -slope < 0.024


def test_the_triangle_of_the_company_agrees_with_plain_pandas(company):
    orders = company.orders[company.orders["amount"] >= 0]
    quarter = orders["ordered_at"].dt.to_period("Q")
    first = quarter.groupby(orders["customer_id"]).transform("min")
    won = orders["customer_id"].map(company.customers.set_index("customer_id")["acquired_on"])
    new = won >= "2024-01-01"
    by_hand = orders[new].groupby([first, quarter])["customer_id"].nunique().unstack()  # noqa: PD010
    result = retention(company).triangle("buyers")
    for place, cohort in enumerate(by_hand.index):
        counts = by_hand.loc[cohort].iloc[place:].tolist()
        assert result.iloc[place, : len(counts)].tolist() == counts
