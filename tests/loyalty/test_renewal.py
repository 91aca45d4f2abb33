import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.renewal import by_period, renewal, tenures
from crmlab.stats.lifetime import sbg


def workspace(terms, first="2024-01-01", as_of="2025-12-31"):
    """Contracts as (begin, end); an order on the first day makes the data begin there."""
    customers = pd.DataFrame(terms, columns=["contract_from", "contract_to"])
    customers["customer_id"] = [f"C{place:04d}" for place in range(len(customers))]
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["C0000"], "ordered_at": [first]})
    return from_frames({"customers": customers, "orders": orders}, as_of=as_of)


def cohort(survivors, size):
    """A cohort of contracts of which so many are left after each year from 2010 on."""
    lost = -np.diff([size, *survivors])
    ends = [f"{2010 + year}-12-31" for year, many in enumerate(lost) for _one in range(many)]
    ends += [None] * survivors[-1]
    return [("2010-01-01", end) for end in ends]


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta"),
    [
        ([869, 743, 653, 593, 551, 517, 491], 0.668, 3.806),
        ([631, 468, 382, 326, 289, 262, 241], 0.704, 1.182),
    ],
)
def test_the_published_customers_of_high_and_regular_end(survivors, alpha, beta):
    # Fader and Hardie (2007), table 1 and figures 4 and 5.
    crm = workspace(cohort(survivors, 1000), "2010-01-01", "2016-12-31")
    result = renewal(crm, period="year")
    assert result.fit.parameters == pytest.approx([alpha, beta], abs=0.0015)
    assert result.table["contracts"].tolist()[:7] == [1000, *survivors[:-1]]
    assert result.chance < 0.001
    assert "nobody becomes more loyal" in result.reading()
    assert result.table["survival"].iloc[11] == pytest.approx(
        sbg(survival=[many / 1000 for many in survivors], customers=1000).survival(12)
    )


def test_a_contract_is_lost_in_the_period_at_whose_end_it_was_not_renewed():
    crm = workspace(
        [
            ("2024-01-01", "2024-12-31"),  # the whole first year
            ("2024-01-01", "2025-01-01"),  # said a day later, as some books do
            ("2024-01-01", "2025-01-02"),  # into the second
            ("2024-02-29", "2025-02-27"),
            ("2024-01-01", "2024-01-01"),
            ("2024-01-01", None),
            ("2024-01-01", "2026-05-01"),
            ("2024-01-01", "2025-12-31"),  # not renewed on the last day of the data
        ]
    )
    terms = tenures(crm, "year")
    assert terms["lost"].fillna(0).tolist() == [1, 1, 2, 1, 1, 0, 0, 2]
    assert terms["in_force"].sum() == 2
    assert by_period(terms)[["contracts", "not_renewed"]].to_numpy().tolist() == [[8, 4], [4, 2]]


def test_a_period_that_is_not_over_counts_neither_way():
    crm = workspace(
        [
            ("2025-02-01", "2025-12-15"),  # ended in its fourth quarter, which ends in January
            ("2025-02-01", None),
            ("2025-11-15", "2025-12-01"),  # no quarter is over
        ]
    )
    terms = tenures(crm, "quarter")
    assert terms["last"].tolist() == [3, 3, 0]
    assert terms["lost"].isna().all()
    assert by_period(terms)["contracts"].tolist() == [2, 2, 2]


def test_an_older_contract_enters_at_the_first_period_seen_in_full():
    crm = workspace(
        [
            ("2023-10-01", None),  # a quarter is over as the data begin
            ("2023-11-15", None),  # in its first
            ("2023-09-15", "2024-02-01"),  # ends in its second, seen in part only
        ]
    )
    terms = tenures(crm, "quarter")
    assert not terms["begun"].any()
    assert terms["first"].tolist() == [2, 2, 3]
    assert by_period(terms)["contracts"].tolist()[:3] == [0, 2, 2]
    assert by_period(terms)["not_renewed"].sum() == 0


def test_contracts_that_have_not_begun_are_none():
    crm = workspace([("2024-01-01", None), ("2026-01-01", None), (None, "2024-05-01")])
    assert tenures(crm, "quarter")["customer_id"].tolist() == ["C0000"]


def test_who_has_no_contract_that_counts_is_counted():
    left = [("2024-01-01", None), ("2024-01-01", "2024-08-31"), ("2026-01-01", None)]
    crm = workspace([*left, (None, None), ("2020-01-01", None), ("2025-12-01", None)])
    assert {one.reason: one.count for one in renewal(crm).definition.exclusions} == {
        "no contract": 1,
        "contract begins after the data": 1,
        "contracts begun before the data": 1,
        "contracts of which no period is over": 1,
    }


def test_the_rate_of_leaving_of_the_company_is_found(company):
    result = renewal(company)
    new = company.customers[company.customers["contract_from"] >= pd.Timestamp(company.first_day)]
    end = pd.Timestamp(company.as_of)
    years = (new["contract_to"].clip(upper=end) - new["contract_from"]).dt.days.sum() / 365.25
    rate = (new["contract_to"] < end).sum() / years
    row = result.table.iloc[0]
    assert row["expected_retention_low"] < np.exp(-rate / 4) < row["expected_retention_high"]
    # All leave at a constant rate.
    assert result.chance > 0.05
    assert "no sign that retention rises" in result.reading()
    assert "That agrees" in result.reading()


def test_the_periods_to_come_are_the_discounted_shares_left():
    crm = workspace(cohort([869, 743, 653, 593, 551, 517, 491], 1000), "2010-01-01", "2016-12-31")
    result = renewal(crm, period="year", discount=0.10)
    ahead = np.arange(1.0, 2000.0)
    direct = (result.fit.survival(ahead) / 1.1 ** (ahead - 1)).sum()
    assert result.residual["new"] == pytest.approx(direct, rel=1e-4)
    assert result.residual["in_force"] > result.residual["new"]
    assert result.in_force == 491


def test_the_band_widens_into_the_future():
    crm = workspace(cohort([86, 74, 65], 100), "2010-01-01", "2012-12-31")
    table = renewal(crm, period="year").table
    width = table["survival_high"] - table["survival_low"]
    assert width.is_monotonic_increasing
    assert table["contracts"].isna().tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    "terms",
    [
        [("2020-01-01", None)] * 9,
        [("2024-01-01", None)] * 9,
        [("2024-01-01", "2024-02-01")] * 9,
        [(None, None)] * 3,
    ],
)
def test_too_little_to_tell_is_said(terms):
    with pytest.raises(NotEnoughData, match="Two periods are needed"):
        renewal(workspace(terms))


def test_where_no_contract_is_in_force_nothing_is_said_of_those():
    ends = ["2024-05-01", "2024-08-31", "2025-03-01"]
    result = renewal(workspace([("2024-01-01", end) for end in ends]))
    assert result.in_force == 0
    assert "None is in force any more" in result.reading()
    assert "–" not in result.reading()


@pytest.mark.parametrize("wrong", [{"period": "week"}, {"discount": 0}])
def test_wrong_arguments_are_named(company, wrong):
    with pytest.raises(CrmlabError, match=next(iter(wrong))):
        renewal(company, **wrong)


@pytest.mark.parametrize("period", ["month", "quarter"])
def test_everything_is_said_and_drawn(company, period):
    result = renewal(company, period=period)
    for text in (result.title(), result.reading(), result.alt(), result.definition.method):
        assert text
        assert "nan" not in text
    assert len(result.title()) <= 90
    assert result.plot().get_xlabel()
