"""Which incentive for which stage: returns from the draw, and the choice within a budget."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.loyalty import incentive_plan, knapsack
from crmlab.loyalty.incentive_returns import _drawn, between_variance, returns


def best_by_trying_all(groups, gains, costs, budget):
    names = sorted(set(groups))
    options = [
        [None, *(place for place, own in enumerate(groups) if own == name)] for name in names
    ]
    affordable = [
        sum(gains[place] for place in picked if place is not None)
        for picked in itertools.product(*options)
        if sum(costs[place] for place in picked if place is not None) <= budget
    ]
    return max(affordable)


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_the_best_of_all_that_can_be_paid(seed):
    random = np.random.default_rng(seed)
    groups = [str(name) for name in random.integers(0, 4, 9)]
    gains, costs = random.normal(5, 10, 9).round(2), random.uniform(0, 10, 9).round(2)
    chosen = knapsack(groups, gains, costs, 12.0)
    assert costs[chosen].sum() <= 12
    assert pd.Series(groups)[chosen].is_unique
    assert gains[chosen].sum() == pytest.approx(best_by_trying_all(groups, gains, costs, 12.0))


def test_nothing_is_chosen_that_loses_money_even_if_it_is_free():
    assert not knapsack(["a", "b"], [-1.0, 0.0], [0.0, 0.0], 100.0).any()


def test_the_variance_between_stages_is_that_of_dersimonian_and_laird():
    # By hand: w = 4, 1, 2; mean 2/7; Q = 4(.5 - 2/7)² + (1 + 2/7)² + 2(.5 - 2/7)² = 1.928571;
    # (Q - 2) < 0. With values twice as far apart Q = 7.714286 and C = 7 - 21/7 = 4.
    values, variances = np.array([0.5, -1.0, 0.5]), np.array([0.25, 1.0, 0.5])
    assert between_variance(values, variances) == 0
    assert between_variance(2 * values, variances) == pytest.approx(5.714286 / 4, abs=1e-6)
    assert between_variance(values[:1], variances[:1]) == 0


@pytest.mark.parametrize(("shared", "expected"), [(0.1, 2.0), (0.06, 1.36), (0.0, 1.0)])
def test_stages_that_share_an_effect_share_its_chance(shared, expected):
    # One arm in two stages whose gains are exp(θ) - 1, with θ of standard deviation .1. Of the sum
    # of both θ the variance is 2 × .1² if they are independent, else 1 + shared²/.1² times that.
    table = pd.DataFrame({"stage": ["a", "b"], "arm": "points", "log_ratio": 0.0, "error": 0.1})
    table = table.assign(shared_error=shared, listed=1.0, margin=1.0, given=0.0)
    table = table.assign(listed_error=0.0, margin_error=0.0, given_error=0.0)
    logs = np.log1p(_drawn(table, 20_000, seed=0))
    assert logs.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.03)
    assert logs.sum(axis=1).var() / (2 * 0.1**2) == pytest.approx(expected, rel=0.03)


# --- a company whose customers are all alike


def company(customers=120, *, coupon_orders=3, discount=10.0, drop=(), settings=None, **more):
    """Holdout: 2 orders at 100 in May; coupon: more of them, at a discount; June: 1 order each."""
    rows = []
    for place in range(customers):
        arm = ("holdout", "coupon")[place % 2]
        name = f"C{place:03}"
        rows += [(name, f"2024-0{month}-10", 100.0, 100.0) for month in (1, 2, 3, 4)]
        many = (coupon_orders if arm == "coupon" else 2) + (1, -1)[place // 2 % 2]
        price = 100.0 - discount * (arm == "coupon")
        rows += [(name, f"2024-05-{day + 10}", price, 100.0) for day in range(many)]
        rows += [(name, "2024-06-10", 100.0, 100.0)]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "list_price"])
    orders["order_id"] = [str(place) for place in range(len(orders))]
    orders["cost"] = 60.0
    names = sorted(set(orders["customer_id"]))
    drawn = pd.DataFrame(
        {
            "customer_id": names,
            "campaign": "MAY",
            "arm": ["holdout", "coupon"] * (customers // 2),
            "assigned_at": "2024-05-01 08:00",
        }
    )
    frames = {"orders": orders.assign(**more).drop(columns=list(drop)), "assignments": drawn}
    return from_frames(frames, as_of="2024-06-30", settings=settings)


def test_a_gain_is_what_the_offer_brings_less_what_it_gives_away():
    found = returns(company(), holdout="holdout", after=1, draws=100, seed=0)
    row = found.table.iloc[0]
    # 300 yuan at list price and a profit of 40 % without; 4 orders in place of 3 with; of 400 yuan
    # at list price 30 are given away.
    assert row["listed"] == 300
    assert row["margin"] == pytest.approx(0.4)
    assert np.exp(row["log_ratio"]) == pytest.approx(4 / 3)
    assert row["given"] == pytest.approx(30 / 400)
    assert row["gain"] == pytest.approx(300 * ((0.4 - 0.075) * 4 / 3 - 0.4))
    assert found.campaign_cost == pytest.approx(60 * 30)


def test_an_offer_that_brings_no_orders_costs_what_it_gives_away():
    found = returns(company(coupon_orders=2), holdout="holdout", after=1, draws=100, seed=0)
    row = found.table.iloc[0]
    assert row["log_ratio"] == pytest.approx(0)
    assert row["gain"] == pytest.approx(-20)
    plan = incentive_plan(company(coupon_orders=2))
    assert plan.chosen().empty
    assert plan.title() == "No tested incentive is expected to bring more than it costs"
    assert "nothing is chosen" in plan.reading()


def test_the_break_even_is_the_lift_at_which_the_gain_is_none():
    plan = incentive_plan(company(), budget=10_000)
    row = plan.table[plan.table["tested"]].iloc[0]
    # (.4 - .075) ratio = .4
    assert row["pays_from"] == pytest.approx(0.4 / 0.325 - 1)
    assert row["lift"] > row["pays_from"]
    assert plan.chosen()["incentive"].tolist() == ["coupon"]


def test_a_budget_too_small_for_the_stage_buys_nothing():
    enough = incentive_plan(company(), budget=120 * 30.001)
    short = incentive_plan(company(), budget=120 * 29.999)
    assert enough.chosen()["customers"].tolist() == [120]
    assert enough.spent == pytest.approx(120 * 30)
    assert short.chosen().empty
    assert short.title() == "The budget buys no incentive that is expected to pay"
    assert "what is expected to pay costs more" in short.reading()


@pytest.fixture
def phoned(monkeypatch):
    """The company, all of whose customers are in formation, with a price of what is offered there.

    Its other incentive whose cost is known is for a stage in which nobody is.
    """
    plan = sys.modules["crmlab.loyalty.incentive_plan"]
    monkeypatch.setitem(plan.ACTIVITIES, "personal_offer", "contact.phone")
    costs = {"contact.phone": 6.0, "contact.letter": 1.0}
    return company(settings=Settings(activity_costs=costs))


def test_what_nobody_tested_is_chosen_only_by_assumption(phoned):
    plan = incentive_plan(phoned)
    row = plan.table.set_index("incentive").loc["personal_offer"]
    assert not row["chosen"]
    # An order more for each of 300 yuan at a profit of 40 % is worth 120; a call costs 6.
    assert row["pays_from"] == pytest.approx(6 / 120)
    assert "Not tested, and so not chosen" in plan.reading()
    hoped = incentive_plan(phoned, assumed={"personal_offer": 0.5})
    row = hoped.table.set_index("incentive").loc["personal_offer"]
    assert row["gain"] == pytest.approx(300 * 0.4 * 0.5 - 6)
    assert hoped.chosen()["incentive"].tolist() == ["personal_offer"]


def test_what_is_assumed_is_marked_wherever_it_is_named(phoned):
    hoped = incentive_plan(phoned, assumed={"personal_offer": 0.5})
    said = hoped.reading()
    assert "the plan is: Formation: Offers that fit what the customer buys (assumed)." in said
    assert "Nobody tested these" in said
    assert "+50.0%, where it pays from +5.0%" in said
    assert "so not chosen" not in said
    assert "(assumed) CN¥54" in hoped.alt()
    assert "tested" in hoped.main_columns()
    labels = [label.get_text() for label in hoped.plot().get_yticklabels()]
    assert sum("(assumed)" in label for label in labels) == 1


def test_an_assumption_for_a_stage_in_which_nobody_is_is_said(phoned):
    hoped = incentive_plan(phoned, assumed={"thanks": 0.5})
    assert "thanks" not in set(hoped.table["incentive"])
    assert "Assumed to no avail" in hoped.reading()
    assert "Letter of thanks after the first order" in hoped.reading()


def test_what_an_offer_gives_away_unseen_is_said():
    plan = incentive_plan(company(drop=["list_price"], points_earned=10.0))
    assert plan.returns.free == ("discount", "points")
    assert "Orders have no list price" in plan.reading()
    assert "No cost of a point is stated" in plan.reading()
    assert returns(company(), holdout="holdout", after=1, draws=2, seed=0).free == ()


def test_a_stage_unknown_of_the_whole_holdout_is_no_crash():
    frames = company()
    drawn = frames.assignments
    late = frames.orders["customer_id"].isin(drawn.loc[drawn["arm"] == "holdout", "customer_id"])
    orders = frames.orders[~late | (frames.orders["ordered_at"] >= "2024-05-01")]
    crm = from_frames({"orders": orders, "assignments": drawn}, as_of="2024-06-30")
    with pytest.raises(NotEnoughData, match="No stage has 20 customers"):
        incentive_plan(crm)


def test_what_a_campaign_gave_away_is_of_all_even_where_a_sample_is_used(monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.loyalty.offered"], "LARGEST", 90)
    found = returns(company(), holdout="holdout", after=1, draws=100, seed=0)
    assert "Of 120 customers, 90 drawn at random" in found.part
    assert found.part in incentive_plan(company()).reading()
    drawn = found.table["customers"].iloc[0]
    given = drawn * 4 * 100 * found.table["given"].iloc[0]  # of list price, by the sample's coupons
    assert found.campaign_cost == pytest.approx(given * 120 / 90, rel=0.05)
    assert found.campaign_cost > given * 1.2


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(CrmlabError, match="at least 0; it is -1"):
        incentive_plan(company(), budget=-1)
    with pytest.raises(UnknownName, match="assumed names gifts"):
        incentive_plan(company(), assumed={"gifts": 0.1})
    with pytest.raises(NotEnoughData, match="No stage has 20 customers"):
        incentive_plan(company(customers=20))
    with pytest.raises(MissingColumns, match=r"assignments\.customer_id"):
        incentive_plan(from_frames({"orders": company().orders}))


# --- the bundled company


def test_the_effects_of_the_company_are_recovered_over_both_months(company_returns, effects):
    known = {
        "coupon": np.log((np.exp(effects["coupon_lift"]) + np.exp(effects["coupon_dip"])) / 2),
        "points": np.log((np.exp(effects["points_lift"]) + np.exp(effects["points_dip"])) / 2),
    }
    for arm, rows in company_returns.table.groupby("arm"):
        pooled = rows.loc[rows["error"].idxmin()]
        assert abs(pooled["log_ratio"] - known[arm]) < 3 * pooled["error"]
    assert (company_returns.spread == 0).all()  # the same effect in every stage
    assert np.allclose(company_returns.table["shared_error"], company_returns.table["error"])


def test_a_coupon_costs_what_its_terms_say(company_returns):
    given = company_returns.table.groupby("arm")["given"].first()
    # 15 % of the list price in the month of the offer, which has e^.35 of e^.35 + e^-.25 orders.
    share = np.exp(0.35) / (np.exp(0.35) + np.exp(-0.25))
    assert given["coupon"] == pytest.approx(0.15 * share, abs=0.035)
    assert 0 <= given["points"] < 0.001


def test_the_plan_gives_points_and_no_coupons(company):
    plan = incentive_plan(company)
    assert set(plan.chosen()["incentive"]) == {"points"}
    coupons = plan.table[plan.table["incentive"] == "coupon"]
    assert (coupons["gain_high"] < 0).all()
    assert plan.gain == pytest.approx((plan.chosen()["gain"] * plan.chosen()["customers"]).sum())
    assert plan.gain_low < plan.gain < plan.gain_high
    assert plan.spent <= plan.budget


@pytest.fixture(scope="module")
def company_returns(company):
    return returns(company, holdout="holdout", after=1, draws=200, seed=0)


@pytest.fixture(scope="module")
def effects():
    from crmlab.data import simulate

    return {name: effect.value for name, effect in simulate.declared().items()}
