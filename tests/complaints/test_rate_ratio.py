import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from statsmodels.stats.rates import confint_poisson_2indep

from crmlab.complaints.rate_ratio import compare_rates, rate_ratio
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName


def workspace(told, customers=10):
    """Two regions of 10 customers with 20 orders each; `told` are numbers of orders."""
    orders = pd.DataFrame(
        [
            {"customer_id": f"{region}{who}", "region": region}
            for region in ("North", "South")
            for who in range(customers)
            for _n in range(20)
        ]
    )
    orders = orders.assign(order_id=[str(n) for n in orders.index], ordered_at="2025-03-01")
    complaints = pd.DataFrame({"order_id": [str(n) for n in told], "opened_at": "2025-03-02"})
    complaints["complaint_id"] = [str(n) for n in complaints.index]
    return from_frames({"orders": orders, "complaints": complaints}, as_of="2025-03-31")


APART = [*range(0, 200, 5), *range(200, 400, 20)]


@pytest.mark.parametrize("counts", [(60, 51477.5, 30, 54308.7), (41, 28010, 15, 19017)])
def test_the_interval_is_the_score_interval_of_statsmodels(counts):
    found = rate_ratio(*counts)
    low, high = confint_poisson_2indep(*counts, method="score")
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)


def test_no_event_in_one_group_or_in_both_has_an_interval_or_none():
    assert rate_ratio(0, 10, 3, 10)[:2] == (0, 0)
    assert np.isfinite(rate_ratio(0, 10, 3, 10).high)
    none = rate_ratio(3, 10, 0, 10)
    assert (none.value, none.high) == (np.inf, np.inf)
    assert none.low == pytest.approx(1 / rate_ratio(0, 10, 3, 10).high)
    assert none.chance == pytest.approx(rate_ratio(0, 10, 3, 10).chance)
    assert np.isnan(rate_ratio(0, 10, 0, 10)).all()


def test_a_higher_and_a_lower_rate_are_told_apart():
    crm = workspace(APART)
    found = compare_rates(crm, by="region", first="North", second="South")
    assert found.table["complaints"].tolist() == [40, 10]
    assert found.ratio.value == pytest.approx(4)
    assert "it is higher by more than chance" in found.reading()
    assert found.title() == "North: 4.00 times the complaints per order of South"
    back = compare_rates(crm, by="region", first="South", second="North")
    assert back.ratio.value == pytest.approx(0.25)
    assert back.ratio.low == pytest.approx(1 / found.ratio.high)
    assert "it is lower by more than chance" in back.reading()


def test_equal_rates_are_not_said_to_differ():
    found = compare_rates(workspace(range(0, 400, 20)), by="region", first="North", second="South")
    assert found.ratio.value == pytest.approx(1)
    assert "that they differ is not shown" in found.reading()


def test_one_customer_with_all_complaints_is_no_difference_between_groups():
    found = compare_rates(workspace([*range(12), 250, 390]), by="region", first="North",
                          second="South")  # fmt: skip
    assert found.plain.chance < 0.05 < found.ratio.chance
    assert "design effects" in found.reading()


def test_groups_without_complaints_or_of_few_customers_have_true_words():
    none = compare_rates(workspace([250]), by="region", first="North", second="South")
    assert "The rate of North is 0.00 times that of South" in none.reading()
    infinite = compare_rates(workspace([250]), by="region", first="South", second="North")
    assert infinite.title() == "South has complaints, North has none"
    assert "∞" in infinite.reading()
    few = compare_rates(workspace(range(0, 80, 2), 4), by="region", first="North", second="South")
    assert "fewer than five customers, so they are not compared" in few.reading()
    assert few.plot().get_title() == ""


def test_groups_that_cannot_be_are_refused():
    crm = workspace(APART)
    with pytest.raises(CrmlabError, match="kind is a column of complaints, whose groups share"):
        compare_rates(crm, by="kind", first="a", second="b")
    with pytest.raises(UnknownName, match=r"second = 'Sud' is not among .* North, South"):
        compare_rates(crm, by="region", first="North", second="Sud")
    with pytest.raises(CrmlabError, match="both are 'North'"):
        compare_rates(crm, by="region", first="North", second="North")
    with pytest.raises(UnknownName, match="no column regoin"):
        compare_rates(crm, by="regoin", first="North", second="South")
    with pytest.raises(NotEnoughData, match="no complaint whose day"):
        compare_rates(workspace([]), by="region", first="North", second="South")


def test_personalised_customers_of_the_company_complain_more_than_ethical_ones(company):
    found = compare_rates(company, by="customer_type", first="personalised", second="ethical")
    assert found.ratio.low > 1.5
    assert found.ratio.high < 0.36 / 0.15 + 0.1
    assert found.shared == 0
    routes = compare_rates(company, by="route", first="R01", second="R02")
    assert routes.shared > 0
    assert "have orders in both groups" in routes.reading()


def test_without_names_the_two_groups_of_the_most_customers_are_compared():
    crm = workspace(APART)
    orders = crm.orders.assign(region=crm.orders["region"].where(crm.orders.index >= 100, "East"))
    crm = from_frames({"orders": orders, "complaints": crm.complaints}, as_of="2025-03-31")
    found = compare_rates(crm, by="region")
    assert found.first == "South"
    assert found.table["customers"].tolist() == [10, 5]
    named = compare_rates(crm, by="region", first="East")
    assert (named.first, named.second) == ("East", "South")


def test_a_single_group_has_nothing_to_be_compared_with():
    crm = workspace(APART)
    orders = crm.orders.assign(region="North")
    crm = from_frames({"orders": orders, "complaints": crm.complaints}, as_of="2025-03-31")
    with pytest.raises(NotEnoughData, match=r"All orders are of one group of"):
        compare_rates(crm, by="region")


def test_two_groups_are_compared_with_the_freedom_of_their_customers():
    # Two of twenty orders of each customer in the North, one in the South: no overdispersion.
    crm = workspace([*range(0, 200, 10), *range(200, 400, 20)])
    found = compare_rates(crm, by="region", first="North", second="South")
    assert found.effects == (1, 1)
    normal = rate_ratio(20, 200, 10, 200)
    assert found.plain == pytest.approx(normal)
    assert found.ratio.chance == pytest.approx(2 * t.sf(norm.isf(normal.chance / 2), 18))
    wider = rate_ratio(20, 200, 10, 200, confidence=2 * norm.cdf(t.ppf(0.975, 18)) - 1)
    assert (found.ratio.low, found.ratio.high) == pytest.approx((wider.low, wider.high))
