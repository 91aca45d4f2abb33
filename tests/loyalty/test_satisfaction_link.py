import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.miscmodels.ordinal_model import OrderedModel

import crmlab
from crmlab.data.order_faults import faults
from crmlab.data.simulate.effects import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.loyalty.answers import answers_of
from crmlab.loyalty.coefficients import of_counts
from crmlab.loyalty.link_answers import later_orders
from crmlab.loyalty.satisfaction_link import satisfaction_link

KNOWN = {"satisfaction_low_orders": -0.45, "satisfaction_high_orders": 0.30}
KNOWN_INTENTION = {"intention_low": -1.3, "intention_high": 1.0}


def order(number, customer, at, amount=10.0, **more):
    return {
        "order_id": f"O{number}",
        "customer_id": customer,
        "ordered_at": at,
        "amount": amount,
    } | more


def answer(number, overall, customer, order_id=None, at="2025-01-25", **more):
    return {
        "response_id": str(number),
        "customer_id": customer,
        "order_id": order_id,
        "answered_at": at,
        "overall": overall,
    } | more


def made_up(logs, customers=300, seed=1, share=0.5, start=0):
    """Customers asked of an order in January 2025, with orders in February as the logs say."""
    random = np.random.default_rng(seed)
    orders, surveys = [], []
    for n in range(start, start + customers):
        level, rate = 1 + n % 5, random.gamma(2, 1.0)
        many = [random.poisson(rate) for _month in range(6)]
        days = [(f"2024-{7 + month:02d}-10", count) for month, count in enumerate(many)]
        days += [("2025-02-10", random.poisson(rate * np.exp(logs[level - 1])))]
        orders.append(order(f"{n}-0", f"C{n}", "2025-01-10"))
        orders += [
            order(f"{n}-{day}-{k}", f"C{n}", day) for day, count in days for k in range(count)
        ]
        surveys.append(answer(n, level, f"C{n}", f"O{n}-0", share_of_needs=share))
    return surveys, orders


def workspace(surveys, orders, as_of="2025-02-28", **tables):
    frames = {"surveys": pd.DataFrame(surveys), "orders": pd.DataFrame(orders)} | tables
    return from_frames(frames, as_of=as_of)


# --- what is counted


def test_orders_of_the_whole_months_after_that_of_the_order_are_counted():
    orders = [
        order(0, "A", "2024-12-01"),
        order(1, "A", "2025-01-20"),
        order(2, "A", "2025-01-31 23:59"),
        order(3, "A", "2025-02-01"),
        order(4, "A", "2025-03-31 23:59"),
        order(5, "A", "2025-04-01"),
        order(6, "A", "2025-03-05", -4.0),
        order(7, "B", "2025-02-10"),
    ]
    crm = workspace([answer(1, 4, "A", "O1", at="2025-02-03")], orders, as_of="2025-04-30")
    row = later_orders(crm, answers_of(crm)[0].frame, 2)[0].iloc[0]
    assert row["later"] == 2
    assert row["month"] == pd.Timestamp("2025-01-01")
    assert row["orders_now"] == pytest.approx(np.log(3))
    months = 31 / (365.25 / 12)
    assert row["orders_before"] == pytest.approx(np.log(1.5 / (months + 0.5)))


def test_answers_whose_months_are_not_over_and_second_answers_of_a_month_are_counted_out():
    orders = [order(n, "A", f"2025-{n:02d}-05") for n in range(1, 7)]
    orders.append(order(9, "A", "2025-01-20"))
    surveys = [answer(n, 4, "A", f"O{n}") for n in (1, 9, 4, 5)] + [answer(7, 4, "A", "O77")]
    crm = workspace(surveys, orders, as_of="2025-06-30")
    frame, left_out = later_orders(crm, answers_of(crm)[0].frame, 2)
    assert frame["order_id"].tolist() == ["O1", "O4"]
    assert {one.reason: one.count for one in left_out} == {
        "day of the order not known": 1,
        "a second answer of the month": 1,
        "the months after are not over": 1,
    }


def test_without_orders_named_the_month_is_that_of_the_answer():
    orders = [order(1, "A", "2025-01-05"), order(2, "A", "2025-02-05")]
    crm = workspace([answer(1, 4, "A", at="2025-01-25")], orders)
    frame, _left_out = later_orders(crm, answers_of(crm)[0].frame, 1)
    assert frame["later"].tolist() == [1]
    assert "late" not in frame


def test_what_went_wrong_is_taken_from_what_the_data_have():
    orders = pd.DataFrame(
        {
            "order_id": list("abcde"),
            "ordered_at": ["2025-01-01"] * 5,
            "on_time": [False, True, None, None, None],
            "promised_at": ["2025-01-05"] * 4 + ["2025-03-01"],
            "delivered_at": [None, None, "2025-01-06", None, None],
            "quantity_ordered": [5, 5, 5, 5, 5],
            "quantity_delivered": [5, 4, None, 5, 5],
        }
    )
    crm = from_frames({"orders": orders}, as_of="2025-01-31")
    found = faults(crm, crm.orders)
    assert found["late"].tolist() == [True, False, True, True, False]
    assert found["short"].tolist() == [False, True, False, False, False]
    assert list(found) == ["late", "short"]


# --- the link


def test_ratios_are_those_of_a_poisson_regression_of_statsmodels(company):
    found = satisfaction_link(company)
    groups = ("tier", "region", "month")
    terms = [f"C({name})" if name in groups else name for name in found.controls]
    formula = "later ~ C(overall, Treatment(3)) + " + " + ".join(terms)
    fit = smf.glm(formula, found.used, family=sm.families.Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(found.used["customer_id"])[0]}
    )
    ratios = np.exp(fit.params.filter(like="overall"))
    own = found.table[found.table["overall"] != 3]
    assert own["ratio"].tolist() == pytest.approx(ratios.tolist(), rel=1e-5)
    width = np.log(own["high"] / own["low"]) / (2 * 1.96)
    assert width.tolist() == pytest.approx(fit.bse.filter(like="overall").tolist(), rel=0.06)


def test_of_the_company_the_known_effects_on_orders_are_recovered(company):
    zone = satisfaction_link(company).zone
    for row, known in zip(zone.itertuples(), KNOWN.values(), strict=True):
        assert row.low < np.exp(known) < row.high


def test_of_the_company_the_zone_is_found_and_the_captive_do_not_react(company):
    found = satisfaction_link(company)
    assert found.bent < 0.05
    assert found.indifferent
    assert (found.tied["low"] < 1).all()
    assert (found.tied["high"] > 1).all()
    assert "a zone of indifference, by two one-sided tests" in found.reading()
    assert len(found.title()) <= 90


def test_of_the_company_the_known_effects_on_intention_are_recovered(company):
    found = satisfaction_link(company, outcome="intention")
    for row, known in zip(found.zone.itertuples(), KNOWN_INTENTION.values(), strict=True):
        assert row.low < np.exp(known) < row.high
    assert found.bent < 0.001
    assert found.indifferent


@pytest.mark.parametrize("outcome", ["orders", "intention"])
def test_in_a_students_company_the_effects_are_recovered(outcome):
    known = effects_of("20261234")
    names = KNOWN if outcome == "orders" else KNOWN_INTENTION
    zone = satisfaction_link(crmlab.load(student="20261234"), outcome=outcome).zone
    for row, name in zip(zone.itertuples(), names, strict=True):
        assert row.low < np.exp(known[name]) < row.high


def test_without_weights_odds_are_those_of_statsmodels_ordered_logit():
    random = np.random.default_rng(3)
    levels = random.integers(1, 6, 400)
    felt = 0.5 * levels + random.logistic(size=400)
    intends = np.digitize(felt, [0, 1, 2, 3]) + 1
    surveys = [
        answer(n, int(level), f"C{n}", repurchase_intention=int(value))
        for n, (level, value) in enumerate(zip(levels, intends, strict=True))
    ]
    crm = from_frames({"surveys": pd.DataFrame(surveys)}, as_of="2025-02-28")
    found = satisfaction_link(crm)
    assert found.outcome == "intention"
    dummies = pd.DataFrame({str(level): levels == level for level in (1, 2, 4, 5)}).astype(float)
    fit = OrderedModel(intends, dummies, distr="logit").fit(method="bfgs", disp=0)
    own = found.table[found.table["overall"] != 3]
    assert np.log(own["ratio"]).tolist() == pytest.approx(fit.params[:4].tolist(), abs=1e-3)
    assert "flatten the line" in found.reading()


def test_a_straight_line_is_not_called_bent_and_its_step_is_no_zone():
    surveys, orders = made_up([-0.8, -0.4, 0.0, 0.4, 0.8], customers=500)
    found = satisfaction_link(workspace(surveys, orders), months=1)
    assert found.bent > 0.05
    assert found.straight.low < np.exp(0.4) < found.straight.high
    assert not found.indifferent
    assert "zone of indifference is not shown" in found.reading()


def test_a_flat_middle_is_a_zone_only_within_the_margin():
    surveys, orders = made_up([-1.0, -1.0, 0.0, 0.0, 0.7], customers=800)
    crm = workspace(surveys, orders)
    found = satisfaction_link(crm, months=1)
    assert found.bent < 0.05
    assert satisfaction_link(crm, months=1, margin=2.0).indifferent
    assert not satisfaction_link(crm, months=1, margin=1.01).indifferent


def test_the_captive_are_told_apart_and_do_not_count_in_the_table():
    surveys, orders = made_up([-1.0, -1.0, 0.0, 0.0, 0.7], customers=300)
    tied, theirs = made_up([0.0] * 5, customers=150, seed=2, share=0.95, start=1000)
    found = satisfaction_link(workspace(surveys + tied, orders + theirs), months=1)
    assert found.table["answers"].sum() == 300
    assert found.tied["low"].iloc[0] > found.zone["ratio"].iloc[0]
    assert "90% of their needs or more, as they say" in found.reading()


def test_a_level_that_too_few_gave_is_shown_and_not_judged():
    surveys, orders = made_up([0.0] * 5, customers=200)
    kept = [one for one in surveys if one["overall"] != 1][:155]
    kept += [one for one in surveys if one["overall"] == 1][:4]
    found = satisfaction_link(workspace(kept, orders), months=1)
    row = found.table.iloc[0]
    assert row["answers"] == 4
    assert np.isnan(row["ratio"])
    assert any("too few gave" in one.reason and one.count == 4 for one in found.exclusions)
    found.plot()


def test_a_joint_test_of_single_coefficients_is_that_of_the_counts_regression():
    from crmlab.stats.counts import poisson

    random = np.random.default_rng(5)
    design = pd.DataFrame(random.normal(size=(200, 3)), columns=list("abc"))
    counts = pd.Series(random.poisson(np.exp(0.2 * design["a"])))
    who = pd.Series(np.arange(200) // 2)
    ours = of_counts(counts, design, who)
    theirs = poisson(counts, design.assign(one=1.0), clusters=who)
    assert ours.chance_of([[1, 0, 0], [0, 0, 1]]) == pytest.approx(theirs.chance_of_all([0, 2]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"outcome": "money"}, "outcome is 'orders' or 'intention'"),
        ({"months": 0}, "months = 0 is not from 1 to 12"),
        ({"margin": 1.0}, "margin = 1.0 is not above 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    surveys, orders = made_up([0.0] * 5, customers=5)
    with pytest.raises(CrmlabError, match=said):
        satisfaction_link(workspace(surveys, orders), **options)


def test_what_is_missing_is_named():
    surveys, orders = made_up([0.0] * 5, customers=5)
    with pytest.raises(MissingColumns, match=r"surveys\.repurchase_intention"):
        satisfaction_link(workspace(surveys, orders), outcome="intention")
    alone = from_frames({"surveys": pd.DataFrame(surveys)}, as_of="2025-02-28")
    with pytest.raises(MissingColumns, match=r"orders\.customer_id"):
        satisfaction_link(alone, outcome="orders")
    with pytest.raises(MissingColumns, match=r"orders\.order_id"):
        satisfaction_link(alone)


def test_with_too_few_answers_it_says_how_many_there_are_and_are_needed():
    surveys, orders = made_up([0.0] * 5, customers=40)
    with pytest.raises(NotEnoughData, match="need 10 customers each: 1 points 8; 2 points 8"):
        satisfaction_link(workspace(surveys, orders), months=1)
    with pytest.raises(NotEnoughData, match="after which 12 whole months are known"):
        satisfaction_link(workspace(surveys, orders), months=12)


def test_where_nobody_orders_afterwards_it_is_said():
    surveys, orders = made_up([-50.0] * 5, customers=100)
    with pytest.raises(NotEnoughData, match="ordered anything afterwards"):
        satisfaction_link(workspace(surveys, orders), months=1)
