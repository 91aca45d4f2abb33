"""What an offer did, as assigned: against the holdout, everyone counted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.loyalty.offered import offered
from crmlab.loyalty.offers import Setting, compared, differences, offers, setting


def drawn(customer, arm="holdout", at="2025-06-01 08:00", campaign="June"):
    return {"customer_id": customer, "campaign": campaign, "arm": arm, "assigned_at": at}


def order(number, customer, at, amount=100.0, **more):
    usual = {"order_id": str(number), "customer_id": customer, "ordered_at": at, "amount": amount}
    return usual | more


def workspace(assignments, orders):
    made = {"assignments": pd.DataFrame(assignments), "orders": pd.DataFrame(orders)}
    return from_frames(made, as_of="2025-12-31")


WINDOWS = ["during", "after", "both"]


def made(customers=400, lift=2.0, dip=1.0, seed=1, arms=("coupon", "holdout"), money=False):
    """Orders of customers who buy once a month on average, times `lift` in June."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2, 0.5, customers)
    arm = rng.permutation(np.arange(customers) % len(arms))
    rows = [drawn(f"C{n}", arms[arm[n]]) for n in range(customers)]
    orders = []
    for month in range(1, 9):
        factor = np.where(arm == 0, {6: lift, 7: dip}.get(month, 1.0), 1.0)
        for n in np.repeat(np.arange(customers), rng.poisson(rates * factor)):
            day = f"2025-{month:02}-{rng.integers(1, 28):02}"
            more = {"cost": 60.0, "points_earned": 10} if money else {}
            orders.append(order(len(orders), f"C{n}", day, **more))
    return workspace(rows, orders)


def as_rows(crm):
    return crm.assignments.astype({"assigned_at": str}).to_dict("records")


@pytest.fixture(scope="module")
def doubled():
    return made()


def test_the_ratio_is_that_of_a_poisson_regression_of_statsmodels(doubled):
    found = offered(doubled)
    at = setting(found)
    orders = found.of_period(found.orders, 0)
    (one,) = compared(orders, at, 0.95)
    fit = sm.GLM(orders, at.design, family=sm.families.Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": at.who}
    )
    assert one.log_ratio.value == pytest.approx(fit.params[0], abs=1e-6)
    error = (one.log_ratio.high - one.log_ratio.low) / 2 / 1.966  # t of 399
    assert error == pytest.approx(fit.bse[0], rel=0.02)


def test_the_difference_is_what_is_expected_with_the_offer_less_without(doubled):
    found = offered(doubled)
    at = setting(found)
    orders = found.of_period(found.orders, 0)
    (one,) = compared(orders, at, 0.95)
    fit = sm.GLM(orders, at.design, family=sm.families.Poisson()).fit()
    with_it, without = at.design.copy(), at.design.copy()
    with_it[:, 0], without[:, 0] = 1, 0
    expected = (fit.predict(with_it) - fit.predict(without)).mean()
    assert one.more.value == pytest.approx(expected, rel=1e-6)
    # Of an unadjusted comparison of one campaign it is the difference of the means, and so is its
    # error nearly that of two independent means.
    (bare,) = compared(orders, at._replace(history=at.history[:, :0]), 0.95)
    groups = [orders[found.frame["arm"] == arm] for arm in ("coupon", "holdout")]
    assert bare.more.value == pytest.approx(groups[0].mean() - groups[1].mean())
    error = np.sqrt(sum(group.var(ddof=1) / len(group) for group in groups))
    assert (bare.more.high - bare.more.low) / 2 / 1.966 == pytest.approx(error, rel=0.01)


def test_a_lift_is_found_and_what_was_not_there_is_not(doubled):
    result = offers(doubled)
    during, after, both = (result.row("coupon", window) for window in WINDOWS)
    assert during["low"] < np.log(2) < during["high"]
    assert during["told"]
    assert not after["told"]
    assert both["low"] < np.log(1.5) < both["high"]
    assert result.table["campaign"].unique().tolist() == ["all"]
    assert "It brought orders, and no dip afterwards can be told." in result.reading()


def test_of_the_time_after_nothing_is_said_where_nothing_is_known(doubled):
    alone = offers(doubled, after=0)
    assert alone.table["window"].tolist() == ["during"]
    row = offers(doubled).row("coupon", "during")
    assert alone.row("coupon", "during")["log_ratio"] == pytest.approx(row["log_ratio"])
    early = doubled.orders[doubled.orders["ordered_at"] < "2025-07-01"]
    for result in (alone, offers(workspace(doubled.assignments, early))):
        assert "afterwards is not known" in result.reading()
        assert "dip" not in result.reading()
        assert result.title().endswith("while offered")
        assert "–" not in result.reading() + result.title()
        result.plot()


def test_orders_that_were_only_moved_are_called_moved():
    result = offers(made(1000, lift=1.5, dip=0.5, seed=3))
    assert result.row("coupon", "during")["told"]
    assert result.row("coupon", "after")["high"] < 0
    assert not result.row("coupon", "both")["told"]
    assert "that more were gained than moved cannot be told" in result.reading()


def test_history_makes_it_more_precise(doubled):
    row = offers(doubled).row("coupon", "both")
    assert row["high"] - row["low"] < 0.85 * (row["plain_high"] - row["plain_low"])


def test_orders_per_100_customers_are_those_counted_by_hand(doubled):
    drawn_, orders = doubled.assignments, doubled.orders
    month = orders["ordered_at"].dt.to_period("M")
    june = orders[month == "2025-06"].groupby("customer_id").size()
    own = drawn_.loc[drawn_["arm"] == "coupon", "customer_id"]
    expected = 100 * june.reindex(own).fillna(0).mean()
    assert offers(doubled).row("coupon", "during")["orders_per_100"] == pytest.approx(expected)


def test_money_is_profit_where_costs_are_known_else_revenue_else_nothing(doubled):
    assert offers(doubled).money_of == "revenue"
    crm = made(money=True)
    result = offers(crm)
    assert result.money_of == "profit"
    # Every order earns 40; points have no stated cost.
    more, gained = result.row("coupon", "both")[["more", "gained"]]
    assert gained == pytest.approx(40 * more / 100, rel=0.2)
    frames = {"assignments": crm.assignments, "orders": crm.orders.drop(columns=["amount", "cost"])}
    assert offers(workspace(**frames)).money_of == ""


def test_differences_in_money_are_a_least_squares_regression(doubled):
    found = offered(doubled)
    at = setting(found)
    money = found.of_period(found.amount, 0)
    (one,) = differences(money, at, 0.95)
    fit = sm.OLS(money, at.design).fit(cov_type="HC3")
    assert one.value == pytest.approx(fit.params[0])
    assert (one.high - one.low) / 2 / 1.966 == pytest.approx(fit.bse[0], rel=0.01)


def few_with_points():
    return [drawn(f"S{n}", "points") for n in range(3)]


def test_an_arm_that_cannot_be_judged_does_not_spoil_the_others(doubled):
    crm = workspace([*as_rows(doubled), *few_with_points()], doubled.orders)
    result = offers(crm)
    assert result.row("points", "during")[["log_ratio", "low"]].isna().all()
    assert result.row("points", "during")["customers"] == 3
    assert np.isfinite(result.row("coupon", "during")["log_ratio"])
    assert "Double points: too few customers or orders" in result.reading()
    assert result.title().startswith("Coupon")


def test_the_title_is_of_an_arm_whose_change_holds(doubled):
    result = offers(workspace([*as_rows(doubled), *few_with_points()], doubled.orders))
    wild = (result.table["arm"] == "points") & (result.table["window"] == "during")
    table = result.table.assign(log_ratio=result.table["log_ratio"].mask(wild, 5.0))
    assert replace(result, table=table).title().startswith("Coupon")


def test_points_of_no_stated_cost_are_said_to_count_as_free():
    assert "so points count as free" in offers(made(money=True)).reading()
    assert "count as free" not in offers(made()).reading()


def test_what_cannot_be_judged_is_not_in_the_text_for_the_picture(doubled):
    result = offers(workspace([*as_rows(doubled), *few_with_points()], doubled.orders))
    assert "Coupon, while offered" in result.alt()
    assert "Double points" not in result.alt()
    assert "–" not in result.alt()


def test_nobody_orders():
    rows = [drawn(f"C{n}", "coupon" if n % 2 else "holdout") for n in range(40)]
    result = offers(workspace(rows, [order(1, "X", "2025-01-02")]))
    assert result.table["log_ratio"].isna().all()
    assert "too few customers or orders" in result.reading()
    assert result.alt() == result.title() == "Too few customers or orders to judge any offer"
    result.plot()


def test_campaigns_are_judged_one_by_one_with_holms_correction(company):
    table = offers(company).table
    own = table[table["campaign"] != "all"]
    assert own["campaign"].unique().tolist() == company.assignments["campaign"].unique().tolist()
    assert len(own) == 4 * 2 * 3
    assert (own["probability"] <= 1).all()
    again = own.sort_values("probability")["told"].astype(bool)
    assert not again.iloc[int(again.sum()) :].any()


def test_arms_that_differed_before_are_found():
    crm = made(300)
    busy = crm.query("purchase_history").set_index("customer_id")["orders"]
    rows = crm.assignments
    many = rows["customer_id"].map(busy).fillna(0) > busy.median()
    rows.loc[many, "arm"] = "coupon"
    result = offers(workspace(rows, crm.orders))
    assert result.checks.iloc[-1]["differs"]
    assert "in doubt" in result.reading()


def test_what_is_left_out_is_said(doubled):
    late = [drawn("C1", "coupon", "2025-12-01", "December")]
    result = offers(workspace([*as_rows(doubled), *late], doubled.orders))
    assert "1 assignment (periods not over by the last day)" in result.reading()
    assert result.definition.exclusions[0].count == 1


def test_without_assignments_the_missing_columns_are_named(doubled):
    with pytest.raises(crmlab.errors.MissingColumns, match=r"assignments\.arm"):
        offers(from_frames({"orders": doubled.orders}))
    with pytest.raises(NotEnoughData, match="arms are: coupon, holdout"):
        offers(doubled, holdout="control")


def test_the_effects_of_the_simulated_company_are_recovered(company):
    result = offers(company)
    # effects.toml
    for arm, window, truth in (
        ("coupon", "during", 0.35),
        ("coupon", "after", -0.25),
        ("points", "during", 0.12),
        ("points", "after", 0.0),
    ):
        row = result.row(arm, window)
        assert row["low"] < truth < row["high"]
    assert not result.checks.iloc[-1]["differs"]


def test_intervals_hold_the_true_ratio_as_often_as_they_say():
    rng = np.random.default_rng(5)
    held = 0
    for _draw in range(200):
        rate = rng.gamma(1.5, 1, 120)
        arm = rng.permutation(np.repeat([0.0, 1.0], 60))
        history = np.log1p(rng.poisson(3 * rate))
        at = setting_of(arm, history)
        (one,) = compared(rng.poisson(rate * np.exp(0.3 * arm)).astype(float), at, 0.95)
        held += one.log_ratio.low < 0.3 < one.log_ratio.high
    assert 182 <= held <= 198


def setting_of(arm, history):
    ones = np.ones((len(arm), 1))
    return Setting(arm[:, None], ones, history[:, None], np.arange(len(arm)))


def test_a_table_of_everyone_is_as_the_docstring_says(company):
    result = offers(company)
    assert isinstance(result.table, pd.DataFrame)
    assert set(result.main_columns()) <= set(result.table)
    assert result.table["customers"].dtype == "int64"


def test_a_campaign_in_which_nobody_ordered_does_not_spoil_the_others(doubled):
    quiet = [
        drawn(f"C{n}", "coupon" if n % 2 else "holdout", "2025-10-01", "October") for n in range(90)
    ]
    both = offers(workspace([*as_rows(doubled), *quiet], doubled.orders))
    alone = offers(doubled).row("coupon", "during")
    assert both.row("coupon", "during")["log_ratio"] == pytest.approx(alone["log_ratio"])
    assert both.table.query("campaign == 'October'")["log_ratio"].isna().all()
