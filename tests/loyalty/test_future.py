import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.alive import alive
from crmlab.loyalty.alive_check import alive_check
from crmlab.loyalty.future import repeat_buying
from crmlab.loyalty.histories import histories


def workspace(days, customers=None, *, as_of="2025-03-31", **columns):
    """Orders of customers, by customer; an order is a day."""
    rows = [(name, at) for name, every in days.items() for at in every]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"]).assign(**columns)
    orders["order_id"] = [str(number) for number in range(len(orders))]
    tables = {"orders": orders}
    if customers is not None:
        tables["customers"] = pd.DataFrame(
            {"customer_id": list(customers), "acquired_on": list(customers.values())}
        )
    return from_frames(tables, as_of=as_of)


# --- the histories


def test_the_observation_ends_at_as_of_and_begins_with_the_first_purchase():
    crm = workspace({"A": ["2025-01-01", "2025-01-08", "2025-02-05"], "B": ["2025-03-31"]})
    frame = histories(crm).frame.set_index("customer_id")
    assert frame.loc["A", ["frequency", "recency_days", "age_days"]].tolist() == [2, 35, 89]
    assert frame.loc["B", ["frequency", "recency_days", "age_days"]].tolist() == [0, 0, 0]


def test_orders_of_one_day_are_one_occasion_unless_each_is_to_count():
    days = {"A": ["2025-01-01 08:00", "2025-01-01 20:00", "2025-02-05"], "B": ["2025-01-02"]}
    assert histories(workspace(days)).frame["frequency"].tolist() == [1, 0]
    by_order = histories(workspace(days), occasion="order").frame
    assert by_order["frequency"].tolist() == [2, 0]


def test_days_are_those_of_the_time_zone_of_the_company():
    rows = pd.DataFrame(
        {
            "order_id": ["1", "2"],
            "customer_id": ["A", "A"],
            # Both on 2 January in Shanghai.
            "ordered_at": ["2025-01-01T17:00:00+00:00", "2025-01-02T15:00:00+00:00"],
        }
    )
    crm = from_frames({"orders": rows}, as_of="2025-03-31")
    frame = histories(crm).frame
    assert frame["frequency"].tolist() == [0]
    assert frame["first_day"].tolist() == [pd.Timestamp("2025-01-02")]


def test_a_refund_is_no_purchase_and_an_order_of_nothing_is_one():
    days = {"A": ["2025-01-01", "2025-02-01", "2025-03-01"]}
    crm = workspace(days, amount=[10.0, 0.0, -10.0])
    row = histories(crm).frame.iloc[0]
    assert row[["frequency", "recency_days"]].tolist() == [1, 31]


def test_what_comes_after_until_is_not_seen():
    crm = workspace({"A": ["2025-01-01", "2025-03-01"], "B": ["2025-03-02"]})
    found = histories(crm, until=pd.Timestamp("2025-02-01").date())
    assert found.frame[["customer_id", "frequency", "age_days"]].to_numpy().tolist() == [
        ["A", 0, 31]
    ]


def test_customers_acquired_before_the_data_are_counted_and_not_fitted_to():
    days = {"old": ["2025-01-05"], "new": ["2025-01-01", "2025-02-01"], "who": ["2025-01-06"]}
    crm = workspace(days, {"old": "2024-12-31", "new": "2025-01-01", "who": None})
    found = histories(crm)
    assert found.frame.set_index("customer_id")["fitted"].to_dict() == {
        "old": False,
        "new": True,
        "who": False,
    }
    assert (found.survivors, found.undated) == (1, 1)
    assert [one.count for one in found.exclusions()] == [1, 1]
    everyone = histories(crm, cohort="all")
    assert everyone.frame["fitted"].all()
    assert everyone.exclusions() == ()
    assert "That is wrong" in everyone.words()


def test_without_a_day_of_acquisition_all_are_taken_and_that_is_said():
    found = histories(workspace({"A": ["2025-01-01"]}))
    assert found.frame["fitted"].all()
    assert "not in the data" in found.words()


def test_days_of_acquisition_that_may_be_from_the_orders_are_suspected():
    crm = workspace({"A": ["2025-01-01"]}, {"A": "2025-01-01"})
    assert "cannot be told from new ones" in histories(crm).words()


def test_nobody_acquired_within_the_data_says_what_to_do():
    crm = workspace({"A": ["2025-01-01"]}, {"A": "2020-01-01"})
    with pytest.raises(NotEnoughData, match="cohort='all'"):
        histories(crm)


@pytest.mark.parametrize(
    "wrong", [{"unit": "year"}, {"cohort": "old"}, {"until": pd.Timestamp("2030-01-01").date()}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(CrmlabError, match=str(next(iter(wrong.values())))[:4]):
        histories(workspace({"A": ["2025-01-01"]}), **wrong)


def test_customers_alike_are_grouped_and_found_again():
    days = {"A": ["2025-01-01", "2025-01-08"], "B": ["2025-01-02"]}
    found = histories(workspace({**days, "C": days["A"]}))
    groups, group = found.groups()
    assert groups["customers"].tolist() == [1, 2]
    assert groups["recency"].tolist() == [0, 1]
    assert group.tolist() == [1, 0, 1]


# --- the models


def test_a_rate_of_leaving_that_does_not_differ_is_found_without_its_heterogeneity(company):
    result = repeat_buying(company, model="pareto_nbd")
    table = result.table.set_index("parameter")
    customers = company.customers
    won = customers[customers["contract_from"] >= pd.Timestamp(company.first_day)]
    until = won["contract_to"].clip(upper=pd.Timestamp(company.as_of))
    weeks = (until - won["contract_from"]).dt.days.sum() / 7
    known = (won["contract_to"] < pd.Timestamp(company.as_of)).sum() / weeks
    row = table.loc["leaving"]
    assert row["low"] < known < row["high"]
    assert table.loc[["s", "beta"]].drop(columns="standard_error").isna().all(axis=None)
    assert "cannot be told from these data" in result.reading()


def test_both_models_are_compared_on_the_same_customers(company):
    one, other = (repeat_buying(company, model=name) for name in ("bg_nbd", "pareto_nbd"))
    values = [
        result.comparison.set_index("model")["log_likelihood"].to_dict() for result in (one, other)
    ]
    assert values[0] == pytest.approx(values[1])
    assert set(values[0]) == {"bg_nbd", "pareto_nbd"}


def test_known_parameters_are_recovered(simulated):
    crm = simulated(1500, seed=3)
    table = repeat_buying(crm, model="pareto_nbd").table.set_index("parameter")
    for name, truth in {"r": 1.2, "rate": 0.2, "s": 1.5, "leaving": 0.01}.items():
        assert table.loc[name, "low"] < truth < table.loc[name, "high"], name


def test_expected_counts_are_those_of_the_negative_binomial_where_nobody_leaves():
    random = np.random.default_rng(4)
    days = {}
    for customer in range(400):
        start = pd.Timestamp("2025-01-01") + pd.Timedelta(days=int(random.integers(0, 20)))
        gaps = np.cumsum(random.exponential(1 / random.gamma(2.0, 0.04), 200)).astype(int)
        days[f"C{customer}"] = [start + pd.Timedelta(days=int(gap)) for gap in [0, *gaps]]
    seen = {
        name: [at for at in every if at <= pd.Timestamp("2025-06-30")]
        for name, every in days.items()
    }
    result = repeat_buying(workspace(seen, as_of="2025-06-30"), unit="day")
    frame = result.fits.histories.frame
    fit = result.fits.fit
    chance = fit.parameters[1] / (fit.parameters[1] + frame["age_days"])
    counts = result.counts.set_index("purchases")
    law = nbinom(fit.parameters[0], chance)
    for many in range(4):
        assert counts.loc[many, "expected"] == pytest.approx(law.pmf(many).sum(), rel=0.05)
    assert counts["expected"].sum() == pytest.approx(400)
    assert counts["actual"].sum() == 400


def test_where_nobody_seems_to_leave_that_is_said():
    random = np.random.default_rng(9)
    days = {}
    for customer in range(300):
        gaps = np.cumsum(random.exponential(1 / random.gamma(2.0, 0.03), 250)).astype(int)
        days[f"C{customer}"] = [
            pd.Timestamp("2025-01-01") + pd.Timedelta(days=int(gap)) for gap in [0, *gaps]
        ]
    seen = {
        name: [at for at in every if at <= pd.Timestamp("2025-06-30")]
        for name, every in days.items()
    }
    crm = workspace(seen, as_of="2025-06-30")
    result = repeat_buying(crm, model="pareto_nbd")
    assert "nan" not in result.reading()
    assert result.fits.staying > 0.99
    assert "next to no sign that customers leave" in result.reading()
    assert "next to no sign that customers leave" in alive(crm, model="pareto_nbd").reading()


def test_units_of_time_give_the_same_predictions(simulated):
    crm = simulated(300)
    results = {unit: alive(crm, unit=unit, model="bg_nbd") for unit in ("day", "week", "month")}
    week = results["week"].customers
    for result in results.values():
        for name in ("alive", "expected", "expected_low", "expected_high"):
            assert result.customers[name].to_numpy() == pytest.approx(week[name], rel=1e-3)


def test_too_few_who_bought_again_is_said():
    with pytest.raises(NotEnoughData, match="bought again"):
        repeat_buying(workspace({"A": ["2025-01-01", "2025-02-01"], "B": ["2025-01-02"]}))


def test_an_unknown_model_is_named(company):
    with pytest.raises(CrmlabError, match="'nbd'"):
        repeat_buying(company, model="nbd")


# --- who is there


def test_bg_nbd_says_that_those_who_never_bought_again_are_there_for_sure(company):
    result = alive(company)
    never = result.customers[result.customers["frequency"] == 0]
    assert (never[["alive", "alive_low", "alive_high"]] == 1).all(axis=None)
    assert result.never["customers"] == len(never)
    assert 0 < result.never["pareto_nbd"] < 1
    assert f"{len(never)} customers never bought again" in result.reading()


def test_the_tiers_add_up_to_all(company):
    table = alive(company, weeks=26).table
    parts, total = table.iloc[:-1], table.iloc[-1]
    assert parts["customers"].sum() == total["customers"]
    assert parts["expected"].sum() == pytest.approx(total["expected"])
    mean = np.average(parts["alive"], weights=parts["customers"])
    assert mean == pytest.approx(total["alive"])


def test_a_customer_of_thousands_of_orders_does_no_harm(simulated):
    crm = simulated(200)
    often = pd.date_range("2024-01-01", periods=3000, freq="5h", unit="us")
    heavy = pd.DataFrame(
        {
            "customer_id": "H",
            "ordered_at": often,
            "order_id": [f"H{number}" for number in range(3000)],
            "amount": 10.0,
        }
    )
    orders = pd.concat([crm.orders[list(heavy)], heavy])
    busy = from_frames({"orders": orders}, as_of="2025-12-30")
    for model in ("bg_nbd", "pareto_nbd"):
        row = alive(busy, model=model, occasion="order").customers.set_index("customer_id").loc["H"]
        assert row["frequency"] == 2999
        assert np.isfinite(
            row[["alive", "expected", "expected_low", "expected_high"]].astype(float)
        ).all()


def test_parts_of_a_week_are_not_rounded_away(company):
    assert "in the next 6.5 weeks" in alive(company, weeks=6.5).reading()
    assert "in the next 6 weeks" in alive(company, weeks=6.0).reading()


def test_weeks_to_look_ahead_are_above_none(company):
    with pytest.raises(CrmlabError, match="weeks"):
        alive(company, weeks=0)


def test_parameters_that_are_hardly_told_do_no_harm():
    random = np.random.default_rng(0)
    days = {}
    for customer, at in zip(random.integers(0, 40, 120), random.integers(0, 360, 120), strict=True):
        days.setdefault(f"C{customer}", []).append(
            pd.Timestamp("2025-01-01") + pd.Timedelta(days=int(at))
        )
    crm = workspace(days, as_of="2025-12-31", amount=0.0)
    for model in ("bg_nbd", "pareto_nbd"):
        assert repeat_buying(crm, model=model).reading()
        result = alive(crm, model=model)
        # Nothing was paid, so there are no tiers.
        assert result.table["tier"].tolist() == ["all"]
        assert "nan" not in result.reading()


def test_without_amounts_there_are_no_tiers(simulated):
    orders = simulated(200).orders[["order_id", "customer_id", "ordered_at"]]
    result = alive(from_frames({"orders": orders}, as_of="2025-12-30"))
    assert result.table["customers"].tolist() == [200]
    assert "tier" not in result.customers


# --- held against contracts


def test_p_alive_of_pareto_nbd_agrees_with_the_contracts(company):
    result = alive_check(company, model="pareto_nbd")
    scores = result.scores.set_index("model")
    blind = result.in_force * (1 - result.in_force)
    assert scores.loc["pareto_nbd", "brier"] < scores.loc["bg_nbd", "brier"] < blind
    assert scores.loc["pareto_nbd", "alive"] == pytest.approx(result.in_force, abs=0.04)
    assert scores.loc["pareto_nbd", "ordered"] > 0.9
    assert result.table["customers"].sum() == len(result.customers)


def test_contracts_are_counted_as_of_the_last_day(simulated):
    crm = simulated(200)
    customers = pd.DataFrame({"customer_id": sorted(crm.orders["customer_id"].unique())})
    customers["contract_from"] = pd.Timestamp("2024-01-01")
    # ended the day before, on the last day, later, never; begun too late
    ends = ["2025-12-29", "2025-12-30", "2026-05-01", None]
    customers["contract_to"] = pd.to_datetime([ends[place % 4] for place in range(200)])
    customers.loc[:9, "contract_from"] = pd.Timestamp("2025-12-31")
    customers.loc[:9, "contract_to"] = pd.NaT
    # and two who never bought, whose contracts tell nothing
    customers.loc[200] = ["X", pd.Timestamp("2024-01-01"), pd.NaT]
    customers.loc[201] = ["Y", pd.Timestamp("2024-01-01"), pd.Timestamp("2024-06-30")]
    own = from_frames({"orders": crm.orders, "customers": customers}, as_of="2025-12-30")
    result = alive_check(own)
    assert len(result.customers) == 190
    assert {one.reason: one.count for one in result.definition.exclusions} == {
        "no contract that had begun by the last day": 10,
        "a contract and no purchase": 2,
    }
    assert result.customers["in_force"].sum() == 190 - sum(
        1 for place in range(10, 200) if place % 4 == 0
    )


def test_the_confidence_that_is_asked_for_is_that_of_the_check(company):
    usual, wide = alive_check(company), alive_check(company, confidence=0.99)
    known = usual.table["customers"] > 0
    assert (wide.table["low"] < usual.table["low"])[known].all()
    assert (wide.table["high"] > usual.table["high"])[known].all()
    for text in (wide.reading(), wide.definition.method, wide.plot().get_ylabel()):
        assert "99%" in text
        assert "95%" not in text
    with pytest.raises(CrmlabError, match="confidence"):
        alive_check(company, confidence=95)


def test_the_brier_score_is_the_mean_squared_distance(company):
    result = alive_check(company)
    distance = result.customers["alive"] - result.customers["in_force"]
    assert result.scores["brier"].iloc[0] == pytest.approx((distance**2).mean())


def test_too_few_ended_contracts_are_counted(simulated):
    crm = simulated(200)
    customers = pd.DataFrame({"customer_id": sorted(crm.orders["customer_id"].unique())})
    customers["contract_from"] = pd.Timestamp("2024-01-01")
    customers["contract_to"] = pd.Timestamp("2026-01-01")
    own = from_frames({"orders": crm.orders, "customers": customers}, as_of="2025-12-30")
    with pytest.raises(NotEnoughData, match="there are 0 and 200"):
        alive_check(own)


@pytest.mark.parametrize("measure", [repeat_buying, alive, alive_check])
def test_everything_is_said_and_drawn(company, measure):
    result = measure(company)
    for text in (result.title(), result.reading(), result.alt(), result.definition.method):
        assert text
        assert "nan" not in text
    assert len(result.title()) <= 90
    assert result.plot().get_xlabel()
