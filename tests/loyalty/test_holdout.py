import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.future import repeat_buying
from crmlab.loyalty.holdout import holdout

SPLIT = dt.date(2025, 4, 30)


@pytest.fixture(scope="module")
def crm(simulated):
    return simulated(1200, seed=11)


def test_the_days_of_purchase_are_counted_by_customer():
    orders = pd.DataFrame(
        {
            "order_id": list("123456"),
            "customer_id": ["A", "A", "A", "B", None, "B"],
            "ordered_at": [f"2025-01-0{day} 08:00" for day in (1, 1, 2, 3, 4, 5)],
            "amount": [1.0, None, 0.0, -5.0, 2.0, 3.0],
        }
    )
    found = from_frames({"orders": orders}, as_of="2025-01-31").query("purchase_days")
    assert found["customer_id"].tolist() == ["A", "A", "B"]
    assert found["purchase_day"].dt.day.tolist() == [1, 2, 5]
    assert found["orders"].tolist() == [2, 1, 1]


def test_the_model_sees_nothing_after_the_split(crm):
    result = holdout(crm, split=SPLIT)
    cut = crm.orders[crm.orders["ordered_at"] < "2025-05-01"]
    alone = from_frames({"orders": cut}, as_of="2025-04-30")
    expected = repeat_buying(alone).fits.fit.expected(
        (crm.as_of - SPLIT).days / 7,
        result.customers["frequency"],
        result.customers["recency_days"] / 7,
        result.customers["age_days"] / 7,
    )
    assert result.customers["expected"].to_numpy() == pytest.approx(expected, rel=1e-4)


def test_actual_purchases_are_the_days_bought_on_after_the_split(crm):
    result = holdout(crm, split=SPLIT)
    orders = crm.orders[crm.orders["customer_id"].isin(result.customers["customer_id"])]
    later = orders[orders["ordered_at"] >= "2025-05-01"]
    days = later.groupby("customer_id")["ordered_at"].nunique()
    own = result.customers.set_index("customer_id")["actual"]
    assert own[own > 0].to_dict() == days.to_dict()


def test_customers_first_seen_after_the_split_are_left_out_and_counted(simulated):
    crm = simulated(300, seed=2)
    split = dt.date(2024, 9, 30)
    first = crm.orders.groupby("customer_id")["ordered_at"].min()
    late = int((first > "2024-09-30").sum())
    result = holdout(crm, split=split)
    assert result.later == late > 0
    assert len(result.customers) == 300 - late
    assert result.definition.exclusions[-1].count == late


def test_customers_who_buy_and_leave_as_the_model_says_are_predicted(crm):
    result = holdout(crm, split=SPLIT, model="pareto_nbd")
    model, same, _recency = (row for _index, row in result.errors.iterrows())
    assert abs(model["total_error"]) < 0.06
    assert same["total_error"] > 0.1
    assert model["mae"] < same["mae"]
    assert result.by_frequency["held"].sum() >= 7
    weeks = result.weeks
    inside = weeks["actual"].between(weeks["low"], weeks["high"])
    assert inside[weeks["held_out"]].mean() > 0.85
    assert 0.9 < inside.mean() < 1  # a band that held all of them would be too wide


def test_the_expected_weeks_are_those_of_newcomers(crm):
    result = holdout(crm, split=SPLIT)
    frame = result.histories.frame
    fit = repeat_buying(crm, until=SPLIT).fits.fit
    start = pd.Timestamp(crm.first_day)
    upto = []
    for week in (40, 41):
        age = (start + pd.Timedelta(days=7 * week - 1) - frame["first_day"]).dt.days
        upto.append(fit.expected_new(age[age >= 0] / 7).sum())
    assert result.weeks["expected"].iloc[40] == pytest.approx(upto[1] - upto[0])


def test_the_weeks_add_up_to_the_repeat_purchases(crm):
    result = holdout(crm, split=SPLIT)
    last = result.weeks["week"].iloc[-1] + pd.Timedelta(days=6)
    orders = crm.orders[crm.orders["customer_id"].isin(result.customers["customer_id"])]
    days = orders[orders["ordered_at"] <= last].groupby("customer_id")["ordered_at"].nunique()
    assert result.weeks["actual"].sum() == (days - 1).sum()
    assert result.weeks["held_out"].sum() == 34


def test_the_same_rate_and_the_recency_rule_are_what_they_say(crm):
    result = holdout(crm, split=SPLIT)
    own = result.customers[result.customers["age_days"] > 0]
    ahead = (crm.as_of - SPLIT).days
    rate = own["frequency"] / own["age_days"]
    silent = own["age_days"] - own["recency_days"]
    third = ((SPLIT - crm.first_day).days + 1) / 3
    errors = result.errors.set_index("method")["expected"]
    assert errors["same_rate"] == pytest.approx((rate * ahead).sum())
    assert errors["recency"] == pytest.approx((rate * ahead)[silent <= third].sum())


def test_a_group_of_few_is_not_judged(crm):
    result = holdout(crm, split=SPLIT, picture="conditional")
    few = result.table["customers"] < 5
    assert result.table.loc[few, ["actual_low", "held"]].isna().all(axis=None)
    assert result.table["customers"].sum() == len(result.customers)


@pytest.mark.parametrize(
    ("held", "title", "said"),
    [
        (
            [True, True, None],
            "2 of 2 groups",
            ["In every group", "Too few to be judged are", ": 2."],
        ),
        ([True, False, None], "1 of 2 groups", [": 1. By chance 0.1 of 2 intervals", ": 2."]),
        ([True, False, True], "2 of 3 groups", [": 1. By chance 0.2 of 3 intervals"]),
        ([None, None, None], "Too few customers", ["before the split: 0, 1, 2."]),
    ],
)
def test_groups_that_are_not_judged_are_not_counted_as_missed(crm, held, title, said):
    result = holdout(crm, split=SPLIT, picture="conditional")
    groups = result.by_frequency.head(3).assign(held=pd.array(held, dtype="boolean"))
    other = dataclasses.replace(result, by_frequency=groups)
    assert title in other.title()
    assert all(part in other.reading() for part in said)
    assert ("Too few to be judged" in other.reading()) is (None in held)


def test_two_thirds_of_the_days_are_the_default(company):
    assert holdout(company).split == dt.date(2025, 5, 1)


def test_a_split_that_leaves_no_holdout_is_refused(crm):
    with pytest.raises(NotEnoughData, match="28 days"):
        holdout(crm, split=dt.date(2025, 12, 20))


def test_an_unknown_picture_is_named(crm):
    with pytest.raises(CrmlabError, match="'both'"):
        holdout(crm, picture="both")


@pytest.mark.parametrize("picture", ["tracking", "conditional"])
def test_everything_is_said_and_drawn(company, picture):
    result = holdout(company, picture=picture)
    for text in (result.title(), result.reading(), result.alt(), result.definition.method):
        assert text
        assert "nan" not in text
    assert len(result.title()) <= 90
    assert result.plot().get_ylabel()


def test_nobody_who_buys_after_the_split_is_said_without_a_share(simulated):
    crm = simulated(300, seed=5)
    cut = crm.orders[crm.orders["ordered_at"] < "2025-05-01"]
    silent = from_frames({"orders": cut}, as_of="2025-12-30")
    result = holdout(silent, split=SPLIT)
    assert np.isnan(result.errors["total_error"]).all()
    said = result.title() + result.reading()
    assert "nan" not in said.lower()
    assert "there were none" in said
    assert "not known" not in said
