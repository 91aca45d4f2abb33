import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.language import number
from crmlab.satisfaction.employees import employees


def workspace(managers, answers=8, **surveys_more):
    """A manager a row: satisfaction, and what the customers answer by turns."""
    customers, surveys = [], []
    for name, (_own, given) in managers.items():
        for n in range(answers):
            who = f"{name}{n}"
            customers.append((who, name))
            surveys.append((f"Q{who}", who, given[n % len(given)]))
    staff = pd.DataFrame(
        {"staff_id": list(managers), "satisfaction": [own for own, _given in managers.values()]}
    )
    frame = pd.DataFrame(surveys, columns=["response_id", "customer_id", "overall"])
    return from_frames(
        {
            "surveys": frame.assign(sent_at="2025-01-01", **surveys_more),
            "customers": pd.DataFrame(customers, columns=["customer_id", "account_manager"]),
            "staff": staff,
        }
    )


RISING = {
    "A": (1.0, [1, 2]), "B": (2.0, [2, 3]), "C": (3.0, [2, 3]), "D": (4.0, [3, 4]),
    "E": (5.0, [4, 5]), "F": (3.0, [3, 2]),
}  # fmt: skip
FLAT = {name: (own, [3, 4]) for name, (own, _given) in RISING.items()}


def test_each_manager_has_a_row_with_the_mean_of_the_customers():
    table = employees(workspace(RISING)).table
    assert table["staff_id"].tolist() == ["A", "B", "C", "F", "D", "E"]
    assert table["satisfaction"].tolist() == [1.5, 2.5, 2.5, 2.5, 3.5, 4.5]
    assert table["customers"].tolist() == [8] * 6


def test_the_slope_is_that_of_the_line_through_the_answers():
    result = employees(workspace(RISING))
    # x = 1 2 3 3 4 5 about 3, y about 17/6: Σxy = 7, Σx² = 10
    assert result.slope.value == pytest.approx(0.7)
    assert result.slope.low > 0
    assert "more satisfied account managers are more satisfied" in result.title()


def test_the_interval_is_that_of_leaving_out_one_manager_after_the_other():
    import statsmodels.api as sm

    crm = workspace(RISING, weight=[1.0, 2, 3] * 16)
    result = employees(crm)
    frame = crm.surveys.merge(crm.customers).merge(
        crm.staff.rename(columns={"staff_id": "account_manager"})
    )

    def slope(part):
        design = sm.add_constant(part["satisfaction"])
        return sm.WLS(part["overall"], design, weights=part["weight"]).fit().params

    whole = slope(frame)
    without = [slope(frame[frame["account_manager"] != name])["satisfaction"] for name in RISING]
    error = np.sqrt(5 / 6 * sum((one - whole["satisfaction"]) ** 2 for one in without))
    assert result.slope.value == pytest.approx(whole["satisfaction"])
    assert result.level == pytest.approx(whole["const"])
    assert result.slope.high - result.slope.value == pytest.approx(2.570582 * error)


def test_managers_who_are_alike_but_for_one_are_refused():
    managers = {name: (1.0 if name == "A" else 3.0, given) for name, (_o, given) in RISING.items()}
    with pytest.raises(NotEnoughData, match="of different satisfaction"):
        employees(workspace(managers))


def test_without_a_connection_none_is_claimed():
    result = employees(workspace(FLAT))
    assert result.slope.value == pytest.approx(0)
    assert "no connection can be told" in result.title()


def test_answers_without_a_known_manager_are_counted():
    managers = RISING | {"X": (None, [1])}
    result = employees(workspace(managers))
    assert result.unknown == 8
    assert "Of 8 answers no account manager" in result.reading()


def test_few_managers_are_refused():
    few = dict(list(RISING.items())[:3])
    with pytest.raises(NotEnoughData, match="At least 5 account managers"):
        employees(workspace(few))


def test_the_connection_of_the_simulated_company_is_recovered(company):
    result = employees(company)
    # effects.toml: .4 per point in the ordered logit, the rest of the order's service held
    assert result.logit.low < 0.4 < result.logit.high
    odds = number(np.exp(result.logit.value), 2)
    assert f"multiplies the odds of a higher answer of the customer by {odds} (" in result.reading()
    assert result.slope.low > 0
