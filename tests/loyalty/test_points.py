"""A points programme: points earned and owed, what they cost, and what they must bring."""

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.offers import offers
from crmlab.loyalty.points import points_programme
from crmlab.loyalty.points_explorer import Programme, explore_points, programme_of, words_of

COST = Settings(activity_costs={"points.point": 0.05})


def order(number, customer, at="2025-03-01", earned=100.0, redeemed=None, **more):
    usual = {
        "order_id": str(number),
        "customer_id": customer,
        "ordered_at": at,
        "amount": 1000.0,
        "cost": 800.0,
        "points_earned": earned,
        "points_redeemed": redeemed,
    }
    return usual | more


def workspace(orders, settings=COST, drop=(), **tables):
    frames = {"orders": pd.DataFrame(orders).drop(columns=list(drop))} | tables
    return from_frames(frames, as_of="2025-12-31", settings=settings)


FEW = [
    order(1, "A"),
    order(2, "A", "2025-12-01", redeemed=60.0),
    order(3, "B", "2025-11-01"),
    order(4, "C"),
    order(5, "D", earned=None),
]


def items(result):
    return result.table.set_index("figure")


def test_points_earned_redeemed_and_owed_are_counted():
    result = points_programme(workspace(FEW))
    value = items(result)["value"]
    assert value[["earned", "redeemed", "outstanding"]].tolist() == [400, 60, 340]
    assert value["redemption_rate"] == pytest.approx(0.15)
    # C is silent for more than half a year, with 100 of the 340 points.
    assert value["breakage"] == pytest.approx(100 / 340)
    owed = items(result).loc["liability"]
    assert owed[["value", "low", "high"]].tolist() == pytest.approx([12, 340 * 0.05 * 0.15, 17])
    assert result.members == 3


def test_the_cost_of_points_stands_beside_the_margin_of_the_orders_that_earn_them():
    value = items(points_programme(workspace(FEW)))["value"]
    # Four orders earn 200 each, and points of 5; the order that earns none does not count.
    assert value["points_cost"] == pytest.approx(20)
    assert value["cost_of_margin"] == pytest.approx(20 / 800)
    assert value["programme_break_even"] == pytest.approx(20 / 780)


def test_a_refund_takes_its_margin_back():
    refund = order(9, "A", "2025-04-01", earned=None, amount=-1000.0, cost=-800.0)
    value = items(points_programme(workspace([*FEW, refund])))["value"]
    assert value["cost_of_margin"] == pytest.approx(20 / 600)


def test_what_is_not_known_is_left_out_and_the_rest_stands():
    bare = points_programme(workspace(FEW, settings=Settings()))
    assert items(bare)["value"][["points_cost", "programme_break_even"]].isna().all()
    assert items(bare)["value"]["redemption_rate"] == pytest.approx(0.15)
    assert "What the points cost beside the margin" in bare.reading()
    bare.plot()
    no_redeemed = points_programme(workspace(FEW, drop=["points_redeemed"]))
    assert items(no_redeemed)["value"][["redeemed", "outstanding"]].isna().all()
    assert "What was redeemed is not known" in no_redeemed.reading()
    nothing = points_programme(workspace(FEW, Settings(), ["points_redeemed", "cost", "amount"]))
    assert nothing.title() == "400 points have been earned"
    nothing.plot()
    given = points_programme(workspace(FEW, settings=Settings()), point_cost=0.05)
    assert items(given)["value"]["points_cost"] == pytest.approx(20)


def test_who_redeemed_more_than_was_earned_counts_with_nothing_and_is_said():
    result = points_programme(workspace([*FEW, order(6, "E", redeemed=250.0)]))
    assert items(result)["value"]["outstanding"] == 340
    assert result.overdrawn == 1
    assert "1 customer redeemed more than was earned in the data" in result.reading()
    assert result.exclusions == ()  # E's orders and points count in all else
    assert "redeemed more than" not in points_programme(workspace(FEW)).reading()


def test_in_data_shorter_than_the_silence_nothing_is_known_of_breakage():
    late = [row | {"ordered_at": "2025-11-20"} for row in FEW]
    result = points_programme(workspace(late))
    assert np.isnan(items(result)["value"]["breakage"])
    assert "ordered nothing for 180 days cannot be known" in result.reading()
    owed = items(result).loc["liability"]
    assert owed[["value", "low", "high"]].tolist() == pytest.approx([17, 340 * 0.05 * 0.15, 17])
    assert "from CN¥3, if no larger share is redeemed than so far, to CN¥17" in result.reading()
    known = points_programme(workspace(late), silent_days=40)
    assert items(known)["value"]["breakage"] == pytest.approx(1)
    assert "cannot be known" not in known.reading()


def test_one_customer_is_one_customer():
    alone = points_programme(workspace(FEW[:2]))
    assert alone.reading().startswith("1 customer earned 200 points and redeemed 60")


def test_orders_of_unknown_cost_are_said():
    unknown = order(7, "F", cost=None)
    assert "Left out: 1 order (direct cost not known" in (
        points_programme(workspace([*FEW, unknown])).reading()
    )


def test_without_a_draw_nothing_is_said_of_what_points_do():
    result = points_programme(workspace(FEW))
    assert result.offered is None
    assert "what points do to orders cannot be told" in result.reading()
    assert items(result)["value"]["lift"] != items(result)["value"]["lift"]


def test_margins_below_the_cost_never_pay():
    poor = [row | {"cost": 998.0} for row in FEW]
    result = points_programme(workspace(poor))
    assert np.isnan(items(result)["value"]["programme_break_even"])
    assert "no lift pays" in result.reading()


def test_options_that_make_no_sense_are_refused():
    crm = workspace(FEW)
    for wrong in ({"multiple": 1}, {"point_cost": 0}, {"silent_days": 0}):
        with pytest.raises(CrmlabError, match="must be above"):
            points_programme(crm, **wrong)
    with pytest.raises(NotEnoughData, match="earns points"):
        points_programme(workspace([order(1, "A", earned=None), order(2, "B", earned=0.0)]))
    with pytest.raises(crmlab.errors.MissingColumns, match="points_earned"):
        points_programme(workspace(FEW, drop=["points_earned"]))


def drawn(lift, customers=600, arm="points", seed=3):
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.arange(customers) % 2) == 1
    rate = rng.gamma(2, 1, customers)
    rows = []
    for month in range(1, 9):
        factor = np.where(own & (month == 6), lift, 1.0)
        for n in np.repeat(np.arange(customers), rng.poisson(rate * factor)):
            earned = 200.0 if own[n] and month == 6 else 100.0
            day = f"2025-{month:02}-{rng.integers(1, 28):02}"
            rows.append(order(len(rows), f"C{n}", day, earned, amount=1000.0, cost=900.0))
    table = pd.DataFrame({"customer_id": [f"C{n}" for n in range(customers)]})
    table["arm"] = np.where(own, arm, "holdout")
    table["campaign"], table["assigned_at"] = "June", "2025-06-01"
    return workspace(rows, assignments=table)


def test_a_lift_that_pays_is_told_from_one_that_does_not():
    # An order earns 100 and points of 5, or of 10: at 5/(100 − 10) more orders it pays.
    good = points_programme(drawn(1.5))
    table = items(good)
    assert table["value"]["multiple_break_even"] == pytest.approx(5 / 90)
    assert table["low"]["lift"] < 0.5 < table["high"]["lift"]
    assert "lies above" in good.reading()
    assert table["low"]["extra_profit"] > 0
    assert "It earned money." in good.reading()
    bad = points_programme(drawn(1.0, customers=3000))
    assert items(bad)["high"]["extra_profit"] < items(bad)["high"]["extra_margin"]
    assert "It earned money." not in bad.reading()


def test_the_lift_is_that_of_offers(company):
    lift = items(points_programme(company)).loc["lift"]
    row = offers(company).row("points", "during")
    assert lift["value"] == pytest.approx(np.expm1(row["log_ratio"]), rel=0.03)


def test_another_arm_can_be_named():
    crm = drawn(1.5, arm="double")
    missing = points_programme(crm)
    assert "No arm is called 'points'; the arms are: double" in missing.reading()
    assert items(points_programme(crm, arm="double"))["value"]["lift"] > 0


def test_the_company_owes_what_its_points_say(company):
    result = points_programme(company)
    orders = company.orders
    value = items(result)["value"]
    assert value["earned"] == orders["points_earned"].sum()
    assert value["redeemed"] == orders["points_redeemed"].sum()
    assert value["outstanding"] == value["earned"] - value["redeemed"]
    # A point for each 10 yuan, at 0.01: a thousandth of revenue.
    assert 0 < value["cost_of_margin"] < 0.02
    # effects.toml: points_lift
    table = items(result)
    assert np.log1p(table["low"]["lift"]) < 0.12 < np.log1p(table["high"]["lift"])


# --- the explorer


def test_the_explorer_breaks_even_where_the_measure_does():
    crm = workspace(FEW)
    found = programme_of(crm)
    expected = items(points_programme(crm))["value"]["programme_break_even"]
    assert found.needed() == pytest.approx(expected)
    assert found.profit(expected) == pytest.approx(0)


def test_a_programme_that_costs_more_than_the_margin_never_pays():
    poor = Programme(1000, 100, 0.5, 1.0, 0.2)
    assert poor.needed() == np.inf
    assert "No lift pays" in words_of(poor, 0.1, "CNY")


def test_the_sliders_start_at_the_data_and_move_the_picture(monkeypatch):
    from crmlab.show import widgets

    shown = {}

    def caught(figure, move, words, controls):
        shown.update(figure=figure, move=move, words=words, controls=controls)

    monkeypatch.setattr(widgets, "explorer", caught)
    explore_points(workspace(FEW))
    values = {name: control.value for name, control in shown["controls"].items()}
    assert values == pytest.approx(
        {"per_hundred": 10, "point_cost": 0.05, "redeemed": 1, "margin": 0.2, "lift": 0.05}
    )
    axes = shown["figure"].axes[0]
    shown["move"](**values)
    assert axes.get_title("left") == "Break-even at 2.56% more orders"
    shown["move"](**values | {"margin": 0.0})
    assert axes.get_title("left") == "No lift of orders pays for these points"
    assert "It breaks even where orders rise by 2.56%" in shown["words"](**values)
