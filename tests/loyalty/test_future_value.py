import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError
from crmlab.loyalty.future_value import _spend, discounted, future_value
from crmlab.loyalty.histories import seen


@pytest.fixture(scope="module")
def crm(simulated):
    return simulated(500, seed=8)


def test_the_value_is_the_sum_over_months(crm):
    result = future_value(crm, margin=0.2, months=24, discount=0.12)
    fit, frame = result.fits.fit, result.fits.histories.frame
    x, last, until = (
        frame["frequency"],
        frame["recency_days"] / 7,
        frame["age_days"] / 7,
    )
    week = 365.25 / 12 / 7
    upto = [fit.expected(month * week, x, last, until) for month in range(25)]
    worth = sum(
        (upto[month] - upto[month - 1]) * 1.12 ** (-(month - 0.5) / 12) for month in range(1, 25)
    )
    direct = worth * result.customers["spend"] * 0.2
    assert result.customers["future"].to_numpy() == pytest.approx(direct, rel=1e-5)
    assert result.table["future_total"].iloc[-1] == pytest.approx(direct.sum(), rel=1e-5)


@pytest.mark.parametrize("months", [1, 2, 7, 36, 120])
def test_interpolation_is_exact_for_curves_that_bend(months):
    weights, times = discounted(months, 0.10)

    def curve(time):
        return 3 * (1 - (40 / (40 + time)) ** 1.3)

    ends = np.arange(months + 1.0)
    direct = np.diff(curve(ends)) @ 1.1 ** (-(ends[1:] - 0.5) / 12)
    assert weights @ curve(times) == pytest.approx(direct, rel=1e-6)


def test_tiers_add_up_to_all(company):
    table = future_value(company).table
    parts, total = table.iloc[:-1], table.iloc[-1]
    assert parts["future_total"].sum() == pytest.approx(total["future_total"])
    assert parts["customers"].sum() == total["customers"]
    assert parts["future_share"].sum() == pytest.approx(1.0)
    assert (table["future_low"] < table["future"]).all()
    assert (table["future_total"] < table["future_total_high"]).all()


def test_the_key_customers_hold_the_known_share_of_the_margin(company):
    # 80 % of the margin of the two years is theirs by construction; that of the years to come is
    # near it.
    table = future_value(company).table.set_index("tier")
    assert table.loc["key", "future_share"] == pytest.approx(0.8, abs=0.05)
    assert table.loc["general", "future_share"] == pytest.approx(0.05, abs=0.02)


def test_margins_are_those_of_the_tier_after_refunds(company):
    table = future_value(company).table.set_index("tier")
    orders = company.orders.merge(company.customers[["customer_id", "tier"]])
    sums = orders.groupby("tier")[["amount", "cost"]].sum()
    rate = (sums["amount"] - sums["cost"]) / sums["amount"]
    for tier in ("key", "potential", "general"):
        assert table.loc[tier, "margin_rate"] == pytest.approx(rate[tier])


def test_a_margin_that_is_given_wins_and_has_no_error(company):
    result = future_value(company, margin=0.1)
    assert (result.table["margin_rate"] - 0.1).abs().max() < 1e-12
    assert "as given" in result.reading()
    own, ours = future_value(company).table, result.table
    width = [
        (table["future_total_high"] - table["future_total"]) / table["future_total"].abs()
        for table in (own, ours)
    ]
    assert width[1].iloc[0] < width[0].iloc[0]


def test_without_cost_or_margin_the_remedy_is_said(crm):
    with pytest.raises(CrmlabError, match=r"margin=0\.12"):
        future_value(crm)


@pytest.mark.parametrize(
    "wrong", [{"discount": 1.0}, {"discount": -0.1}, {"months": 0}, {"months": 1.5}, {"margin": 12}]
)
def test_wrong_arguments_are_named(company, wrong):
    with pytest.raises(CrmlabError, match=next(iter(wrong))):
        future_value(company, **wrong)


def test_refunds_are_taken_off(crm):
    frame = crm.orders[["order_id", "customer_id", "ordered_at", "amount"]]
    some = frame.iloc[::10].assign(order_id=lambda rows: "R" + rows["order_id"])
    some["amount"] = -some["amount"]
    back = from_frames({"orders": pd.concat([frame, some])}, as_of="2025-12-30")
    plain, less = (future_value(one, margin=0.2) for one in (crm, back))
    share = -some["amount"].sum() / frame["amount"].sum()
    assert less.refunded == pytest.approx(share)
    ratio = less.customers["future"] / plain.customers["future"]
    assert ratio.to_numpy() == pytest.approx(1 - share)
    assert less.customers["so_far"].sum() == pytest.approx(frame["amount"].sum() * (1 - share))


def test_bg_nbd_values_those_who_never_bought_again_more(company):
    pareto, bg = (future_value(company, model=name).customers for name in ("pareto_nbd", "bg_nbd"))
    never = pareto["frequency"] == 0
    assert bg.loc[never, "alive"].eq(1).all()
    assert bg.loc[never, "future"].sum() > pareto.loc[never, "future"].sum()


def test_the_interval_of_the_total_agrees_with_random_draws_of_both_models(company):
    result = future_value(company, margin=0.1)
    groups, group = result.fits.histories.groups()
    (known, model), random = _spend(result.fits), np.random.default_rng(2)
    weights, times = discounted(36, 0.10)
    ahead = times[:, None] * 365.25 / 12 / 7
    totals = []
    for _draw in range(150):
        buying, spending = (
            replace(
                fit,
                parameters=np.exp(
                    random.multivariate_normal(np.log(fit.parameters), fit.covariance)
                ),
            )
            for fit in (result.fits.fit, model)
        )
        worth = (weights @ buying.expected(ahead, *seen(groups)))[group]
        totals.append(0.1 * (1 - result.refunded) * (worth @ spending.expected(*known)))
    low, high = np.quantile(totals, [0.025, 0.975])
    row = result.table.iloc[-1]
    assert row["future_total_low"] == pytest.approx(low, abs=0.2 * (high - low))
    assert row["future_total_high"] == pytest.approx(high, abs=0.2 * (high - low))


def test_the_best_are_compared_by_customer(company):
    # made so by hand: the best fifth of five is one
    result = future_value(company)
    five = result.customers.head(5).assign(future=[9.0, 1, 1, 1, 0], so_far=[1.0, 2, 3, 4, 5])
    made = replace(result, customers=five)
    assert made.best_share == pytest.approx(0.75)
    assert made.same_best == 0.0
    last = five["alive"].iloc[-1]
    assert f"The others are still there with a chance of {last:.0%} on average" in made.reading()
    alike = replace(result, customers=five.assign(so_far=five["future"]))
    assert alike.same_best == 1.0
    assert "The others" not in alike.reading()


def test_a_tier_of_one_customer_has_no_interval_and_no_margin_is_no_loss(simulated):
    few = simulated(16, seed=8)
    result = future_value(few, margin=0.0)
    table = result.table.set_index("tier")
    assert table.loc["key", "customers"] == 1
    assert np.isnan(table.loc["key", "future_low"])
    assert "(one customer)" in result.reading()
    assert "nan" not in result.reading().lower()
    assert "no more than they cost" in result.title()
    # All are worth the same, so that none is among the best.
    assert "Of the best" not in result.reading()


def test_customers_who_are_not_in_the_picture_are_counted(company, monkeypatch):
    result = future_value(company)
    # One got all money back.
    assert "1 customer from whom no money is left" in result.reading()
    assert "drawn at random" not in result.reading()
    some = result.customers[result.customers["so_far"] > 0].reset_index(drop=True)
    assert "in the picture" not in replace(result, customers=some).reading()
    back = some.assign(so_far=some["so_far"].mask(some.index < 3, [-5.0] + [0.0] * (len(some) - 1)))
    assert "3 customers from whom no money" in replace(result, customers=back).reading()
    monkeypatch.setattr(sys.modules["crmlab.loyalty.future_value"], "POINTS", 50)
    made = replace(result, customers=back)
    assert "shows 50 customers, drawn at random" in made.reading()
    (axes,) = made.plot().figure.axes
    assert sum(len(tier.get_offsets()) for tier in axes.collections) == 50


def test_everything_is_said_and_drawn(company):
    result = future_value(company)
    for text in (result.title(), result.reading(), result.alt(), result.definition.method):
        assert text
        assert "nan" not in text
    assert len(result.title()) <= 90
    assert result.plot().get_xlabel()
