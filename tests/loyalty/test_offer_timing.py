"""Orders in each period about an offer, arm by arm."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.offer_timing import offer_timing
from crmlab.loyalty.offered import arm_names


def workspace(effects, *, starts=(6,), customers=300, seed=1, first=1, busier=0.0, follow=None):
    """Customers of campaigns that start in those months of 2025, with effects by period.

    With the chance `follow`, if given, the arm is that of the campaign before.
    """
    rng = np.random.default_rng(seed)
    factor = np.ones((customers, 13))
    rows = []
    own = np.zeros(customers, bool)
    for place, start in enumerate(starts):
        if place and follow is not None:
            own = own == (rng.random(customers) < follow)
        else:
            own = rng.permutation(np.arange(customers) % 2) == 1
        for n in range(customers):
            arm = "coupon" if own[n] else "holdout"
            rows.append((f"C{n}", f"M{start:02}", arm, f"2025-{start:02}-01"))
        for period, ratio in effects.items():
            factor[own, start + period] *= ratio
        factor[own] *= np.exp(busier)
    rate = rng.gamma(2, 1, customers)
    orders = []
    for month in range(first, 13):
        for n in np.repeat(np.arange(customers), rng.poisson(rate * factor[:, month])):
            orders.append((f"C{n}", f"2025-{month:02}-{rng.integers(1, 28):02}"))
    names = ["customer_id", "campaign", "arm", "assigned_at"]
    made = pd.DataFrame(orders, columns=["customer_id", "ordered_at"])
    made.insert(0, "order_id", [str(n) for n in range(len(made))])
    frames = {"orders": made, "assignments": pd.DataFrame(rows, columns=names)}
    return from_frames(frames, as_of="2025-12-31")


@pytest.fixture(scope="module")
def lift_and_dip():
    return workspace({0: 1.5, 1: 0.7}, customers=800, seed=4)


def test_lift_and_dip_are_found_where_they_are(lift_and_dip):
    table = offer_timing(lift_and_dip).table.set_index("period")
    assert table["low"][0] < np.log(1.5) < table["high"][0]
    assert table["low"][1] < np.log(0.7) < table["high"][1]
    assert table.index[table["told"].fillna(False)].tolist() == [0, 1]
    assert table["told"][[-3, -2, -1]].isna().all()
    assert table["customers"].tolist() == [400] * 7


def test_coefficients_are_those_of_a_regression_with_a_dummy_for_each_customer():
    crm = workspace({0: 2.0}, customers=60)
    table = offer_timing(crm, before=2, after=1).table
    orders, drawn = crm.orders, crm.assignments
    month = orders["ordered_at"].dt.month
    wide = pd.crosstab(orders["customer_id"], month)
    wide = wide.reindex(drawn["customer_id"], fill_value=0)[[4, 5, 6, 7]]
    wide = wide[wide.sum(axis=1) > 0]
    coupon = (drawn.set_index("customer_id")["arm"] == "coupon").reindex(wide.index)
    long = wide.reset_index(names="customer").melt(
        "customer", var_name="month", value_name="orders"
    )
    own = long["customer"].map(coupon)
    design = pd.get_dummies(long["customer"]).astype(float)
    for one in (4, 6, 7):
        design[f"m{one}"] = (long["month"] == one).astype(float)
        design[f"c{one}"] = ((long["month"] == one) & own).astype(float)
    fit = sm.GLM(long["orders"], design, family=sm.families.Poisson()).fit()
    before = (fit.params["c4"] + 0) / 2
    expected = [fit.params["c4"] - before, -before, fit.params["c6"] - before]
    assert table["log_ratio"].tolist()[:3] == pytest.approx(expected, abs=1e-5)
    assert table["log_ratio"].tolist()[3] == pytest.approx(fit.params["c7"] - before, abs=1e-5)


def test_customers_that_were_always_busier_do_not_look_lifted():
    crm = workspace({}, customers=400, busier=0.5)
    result = offer_timing(crm)
    assert not result.table["told"].fillna(False).any()
    assert "in no period from the offer on can a change be told" in result.reading()


def test_arms_that_moved_apart_before_are_found():
    result = offer_timing(workspace({-3: 0.6, 0: 1.4}, customers=600))
    assert result.before_chance < 0.01
    assert "the draw was not random" in result.reading()


def test_an_offer_that_still_works_in_the_next_campaign_is_taken_out():
    # Every second campaign follows at once: its period before is the first one's offer.
    effects = {0: 1.6, 1: 0.6}
    result = offer_timing(workspace(effects, starts=(5, 6), customers=900, seed=2, follow=0.9))
    table = result.table.set_index("period")
    assert table["low"][0] < np.log(1.6) < table["high"][0]
    assert table["low"][1] < np.log(0.6) < table["high"][1]
    assert 800 < result.overlapping < 1000
    assert "of another campaign was at work" in result.reading()


def test_periods_before_the_data_begin_are_left_out():
    result = offer_timing(workspace({0: 1.5}, starts=(4, 9), first=3))
    # In March alone is the campaign of April known before.
    assert result.table.set_index("period")["customers"].to_dict() == {
        -3: 150, -2: 150, -1: 300, 0: 300, 1: 300, 2: 300, 3: 300,
    }  # fmt: skip
    first = offer_timing(workspace({0: 1.5}, starts=(3, 9), first=3))
    assert first.more_exclusions[0].count == 300
    assert "begun when the data had just begun" in first.reading()


def test_of_very_many_campaigns_the_latest_are_used(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules["crmlab.loyalty.offer_timing"], "CAMPAIGNS", 1)
    result = offer_timing(workspace({0: 1.5}, starts=(4, 8)))
    assert result.offered.campaigns == ["M08"]
    assert "300 assignments (earlier campaigns)" in result.reading()


def test_what_cannot_be_done_is_said(lift_and_dip):
    with pytest.raises(CrmlabError, match="before is from 1 to 12"):
        offer_timing(lift_and_dip, before=0)
    with pytest.raises(NotEnoughData, match="periods not over"):
        offer_timing(lift_and_dip, after=12)
    with pytest.raises(NotEnoughData, match="there is no before"):
        offer_timing(workspace({0: 1.5}, starts=(3,), first=3))


def test_the_title_is_of_an_arm_whose_change_holds(lift_and_dip):
    result = offer_timing(lift_and_dip)
    [own] = result.offered.arms
    wild = result.table.assign(arm="wild", log_ratio=5.0, told=pd.array([False], "boolean")[0])
    both = pd.concat([result.table, wild], ignore_index=True)
    assert replace(result, table=both).title().startswith(arm_names([own])[own])


def test_one_period_on_either_side_will_do(lift_and_dip):
    result = offer_timing(lift_and_dip, before=1, after=0)
    assert result.table["period"].tolist() == [-1, 0]
    assert np.isnan(result.before_chance)
    assert result.title().endswith("% in the period of the offer")
    assert "Coupon, period -1: " in result.alt()
    assert "Coupon, period 0: " in result.alt()
    result.plot()


def test_the_effects_of_the_simulated_company_are_recovered(company):
    result = offer_timing(company, confidence=0.99)
    table = result.table.set_index(["arm", "period"])
    # effects.toml
    for arm, period, truth in (
        ("coupon", 0, 0.35),
        ("coupon", 1, -0.25),
        ("points", 0, 0.12),
        ("points", 1, 0.0),
    ):
        assert table["low"][(arm, period)] < truth < table["high"][(arm, period)]
    assert result.before_chance > 0.01
