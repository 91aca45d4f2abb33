import datetime as dt

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import multinomial_proportions_confint

from crmlab.data import simulate
from crmlab.data.model import Settings
from crmlab.data.simulate import customers as simulated
from crmlab.data.simulate import effects as simulated_effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.language import set_language
from crmlab.stats.intervals import wilson
from crmlab.stats.tiers import tier_rules
from crmlab.tiering import markov, migration
from crmlab.tiering.migration import _interval, _mix
from crmlab.tiering.movement import choose_periods, customer_states, moves_without_change

#: Key from 100, potential from 10 in 12 months; no amount below is near either.
RULES = tier_rules().assign(at_least=[100.0, 10.0, np.nan])


def workspace(rows, customers=None, as_of="2025-12-31", **settings):
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders.insert(0, "order_id", [f"O{i}" for i in range(len(orders))])
    frames = {"orders": orders}
    if customers is not None:
        frames["customers"] = pd.DataFrame(customers, columns=["customer_id", "acquired_on"])
    return from_frames(frames, Settings(name="Test", **settings), as_of=as_of)


ROWS = [
    ("steady", "2024-01-01", 200.0),
    ("steady", "2025-03-01", 200.0),
    ("up", "2024-05-01", 50.0),
    ("up", "2025-05-01", 150.0),
    ("down", "2024-06-01", 150.0),
    ("down", "2025-06-01", 5.0),
    ("lost", "2024-07-01", 50.0),
    ("back", "2025-08-01", 20.0),
    ("won", "2025-02-01", 30.0),
    ("came", "2025-09-01", 1.0),
    ("refunded", "2025-09-01", -5.0),
    ("unknown", "2024-02-01", None),
]
CUSTOMERS = [
    ("steady", None),
    ("back", "2023-05-01"),
    ("quiet", "2023-05-01"),
    ("won", "2025-02-01"),
    ("came", None),
    ("never", None),
]


@pytest.fixture
def small():
    return migration(workspace(ROWS, CUSTOMERS), rules=RULES, resamples=99)


@pytest.fixture(scope="module")
def of_company(company):
    return migration(company, resamples=99)


# --- the periods


def test_two_years_of_data_give_the_last_two_times_12_months():
    periods = choose_periods(workspace(ROWS))
    assert periods.first == (dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    assert periods.second == (dt.date(2025, 1, 1), dt.date(2025, 12, 31))
    assert periods.kind == "years"


@pytest.mark.parametrize(("first", "kind"), [("2024-01-03", "years"), ("2024-01-04", "halves")])
def test_two_days_may_be_lacking_from_two_years(first, kind):
    rows = [("A", first, 1.0), ("A", "2025-12-01", 1.0)]
    assert choose_periods(workspace(rows)).kind == kind


def test_years_that_end_on_a_leap_day_are_whole_years():
    rows = [("A", "2022-03-01", 1.0), ("A", "2024-02-29", 1.0)]
    periods = choose_periods(workspace(rows, as_of="2024-02-29"))
    assert periods.first == (dt.date(2022, 3, 1), dt.date(2023, 2, 28))
    assert periods.second == (dt.date(2023, 3, 1), dt.date(2024, 2, 29))


def test_less_than_two_years_are_halved_and_the_reading_warns_of_seasons():
    rows = [("A", "2025-01-01", 9.0), ("A", "2025-01-11", 9.0)]
    crm = workspace(rows, as_of="2025-01-11")
    periods = choose_periods(crm)
    assert periods.first == (dt.date(2025, 1, 1), dt.date(2025, 1, 6))
    assert periods.second == (dt.date(2025, 1, 7), dt.date(2025, 1, 11))
    assert "Seasons differ between them" in migration(crm, resamples=9).reading()


def test_periods_can_be_given_as_text_or_days():
    crm = workspace(ROWS)
    asked = (("2024-01-01", "2024-06-30"), (dt.date(2024, 7, 1), "2024-12-31"))
    periods = choose_periods(crm, asked)
    assert periods.second == (dt.date(2024, 7, 1), dt.date(2024, 12, 31))
    assert periods.kind == "given"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("2024", "two pairs of days"),
        ((("2024-01-01", "2024-06-30"),), "two pairs of days"),
        ((("2024-01-01", "2024-06-30"), ("2024-08-01", "2024-12-31")), "day after the first"),
        ((("2024-01-01", "2024-06-30"), ("2024-07-01", "2025-06-30")), "about as long"),
        ((("2025-01-01", "2025-12-31"), ("2026-01-01", "2026-12-31")), "the data on Dec 31, 2025"),
    ],
)
def test_periods_that_cannot_be_compared_are_refused(asked, said):
    with pytest.raises(CrmlabError, match=said):
        choose_periods(workspace(ROWS), asked)


def test_february_may_follow_january():
    asked = (("2025-01-01", "2025-01-31"), ("2025-02-01", "2025-02-28"))
    assert choose_periods(workspace(ROWS), asked).months() == pytest.approx(0.92, abs=0.01)


# --- the states


def test_every_customer_has_the_state_that_the_purchases_and_the_day_won_say(small):
    states = small.states.table.set_index("customer_id")
    assert {name: tuple(row) for name, row in states.iterrows()} == {
        "steady": ("key", "key"),
        "up": ("potential", "key"),
        "down": ("key", "general"),
        "lost": ("potential", "inactive"),
        "back": ("inactive", "potential"),
        "quiet": ("inactive", "inactive"),
        "won": ("new", "potential"),
        "came": ("new", "general"),
    }


def test_who_cannot_be_placed_is_left_out_and_counted(small):
    counts = {one.reason: one.count for one in small.definition.exclusions}
    assert counts == {
        "the value of all they bought in a period is not known": 1,
        "no purchase, and not won, by the end of the second period": 2,
    }


def test_an_order_before_both_periods_makes_a_customer_inactive_not_new():
    rows = [*ROWS, ("came", "2023-03-03", 1.0)]
    states = migration(workspace(rows), rules=RULES, resamples=9).states.table
    origin = states.set_index("customer_id")["origin"]
    assert origin["came"] == "inactive"
    assert origin["won"] == "new"


def test_the_tier_given_is_not_used_as_it_would_never_change(small):
    customers = pd.DataFrame(CUSTOMERS, columns=["customer_id", "acquired_on"])
    crm = workspace(ROWS)
    given = from_frames(
        {"orders": crm.orders, "customers": customers.assign(tier="key")}, as_of="2025-12-31"
    )
    assert migration(given, rules=RULES, resamples=9).matrix().equals(small.matrix())


def test_the_first_period_s_thresholds_hold_for_both_so_that_all_can_rise():
    amounts = {f"C{i}": float(i) for i in range(1, 41)}
    rows = [(name, "2024-01-01", amount) for name, amount in amounts.items()]
    rows += [(name, "2025-01-01", 100 * amount) for name, amount in amounts.items()]
    result = migration(workspace(rows), resamples=9)
    assert result.matrix().loc["general", "key"] == 32
    assert result.summary.set_index("movement")["customers"]["down"] == 0


def test_thresholds_are_money_in_12_months_whatever_the_length_of_the_periods():
    rows = [("A", "2025-01-01", 9.0), ("A", "2025-01-20", 9.0)]
    asked = (("2025-01-01", "2025-01-15"), ("2025-01-16", "2025-01-30"))
    result = migration(workspace(rows), periods=asked, rules=RULES, resamples=9)
    assert result.matrix().loc["key", "key"] == 1


def test_profit_is_amount_less_cost_and_needs_costs():
    crm = workspace(ROWS)
    with pytest.raises(MissingColumns, match=r"orders\.cost"):
        migration(crm, value="profit")
    orders = crm.orders.assign(cost=lambda frame: frame["amount"] - 150)
    result = migration(from_frames({"orders": orders}), rules=RULES, value="profit", resamples=9)
    assert result.matrix().loc["key", "key"] == 3


def test_the_query_of_days_won_has_a_row_for_each_listed_customer():
    found = workspace(ROWS, CUSTOMERS).query("customers_acquired")
    assert found["customer_id"].tolist() == sorted(name for name, _day in CUSTOMERS)
    assert found["acquired_on"].notna().sum() == 3
    assert str(found["acquired_on"].dtype) == "datetime64[us]"


# --- the table


def test_shares_of_a_row_add_up_and_customers_to_all(small):
    shares = small.table.groupby("origin")["share"].sum()
    assert shares.tolist() == pytest.approx([1] * len(shares))
    assert small.table["customers"].sum() == len(small.states.table) == 8
    # Nobody was general in the first period, so there is no such row.
    assert small.table["origin"].unique().tolist() == ["key", "potential", "inactive", "new"]


def test_intervals_of_a_row_are_goodman_s(of_company):
    for origin, row in of_company.matrix().iterrows():
        expected = multinomial_proportions_confint(row.to_numpy(), 0.05, method="goodman")
        found = of_company.table.loc[
            of_company.table["origin"] == origin, ["low", "high"]
        ].to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_summary_counts_each_movement_among_those_who_could_make_it(small):
    summary = small.summary.set_index("movement")
    assert summary["customers"].to_dict() == {
        "up": 1, "steady": 1, "down": 1, "lost": 1, "won_back": 1, "new": 2,
    }  # fmt: skip
    assert summary["of"].to_dict() == {
        "up": 4, "steady": 4, "down": 4, "lost": 4, "won_back": 2, "new": 6,
    }  # fmt: skip
    low, high = wilson(1, 2)
    assert summary.loc["won_back", ["low", "high"]].tolist() == [float(low), float(high)]
    low, high = wilson(1, 4, confidence=1 - 0.05 / 4)
    assert summary.loc["up", ["low", "high"]].tolist() == [float(low), float(high)]


# --- the long run

#: Rain, nice and snow in the Land of Oz as key, potential and inactive; nobody is new.
OZ = np.array([[2, 1, 1], [2, 0, 2], [1, 1, 2], [0, 0, 0]])


def test_a_closed_company_settles_like_the_weather_in_the_land_of_oz():
    assert _mix("return", OZ).tolist() == pytest.approx([2 / 3, 1 / 3])


def test_with_new_customers_the_company_settles_like_the_drunkard_s_walk():
    cells = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 5], [0, 1, 0, 0]])
    assert _mix("inflow", cells).tolist() == pytest.approx([0.25, 0.5, 0.25])


def test_a_tier_that_nobody_was_in_does_not_stand_in_the_way():
    with_empty = np.insert(np.insert(OZ, 2, 0, axis=0), 2, 0, axis=1)
    assert _mix("return", with_empty).tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_the_long_run_stays_where_it_is_under_the_moves_seen(of_company):
    states = ["key", "potential", "general", "inactive"]
    rates = (
        of_company.matrix().loc[states].pipe(lambda counts: counts.div(counts.sum(axis=1), axis=0))
    )
    long_run = markov.stationary(rates)
    np.testing.assert_allclose(long_run @ rates.to_numpy(), long_run, atol=1e-12)
    closed = of_company.long_run[of_company.long_run["case"] == "return"]
    assert closed["share"].tolist() == pytest.approx((long_run[:3] / long_run[:3].sum()).tolist())


def test_new_customers_every_year_lead_to_the_inflow_s_long_run(of_company):
    tiers = ["key", "potential", "general"]
    counts = of_company.matrix()
    moves = counts.loc[tiers, tiers].div(counts.loc[tiers].sum(axis=1), axis=0).to_numpy()
    customers = np.zeros(3)
    for _year in range(500):
        customers = customers @ moves + counts.loc["new", tiers].to_numpy()
    open_ = of_company.long_run[of_company.long_run["case"] == "inflow"]
    assert open_["share"].tolist() == pytest.approx((customers / customers.sum()).tolist())


def test_without_days_won_the_long_run_rests_on_new_customers_and_says_so():
    # Somebody has to be general in the first period and leave, or nothing is known of that tier.
    rows = [*ROWS, ("minor", "2024-03-01", 5.0)]
    result = migration(workspace(rows), rules=RULES, resamples=99)
    assert result.case == "inflow"
    assert "Whether they do cannot be seen here." in result.reading()
    assert "nobody could be won back" in result.reading()


def test_a_company_that_nobody_joins_dies_out():
    rows = [(f"C{i}", "2024-01-01", 5.0) for i in range(4)]
    rows += [(f"C{i}", "2025-06-01", 5.0) for i in range(2)]
    result = migration(workspace(rows), rules=RULES, resamples=9)
    assert result.case == "dying"
    assert result.halving == pytest.approx(1)
    assert result.long_run.empty
    assert "halved in 1.0 periods of 12 months" in result.reading()


def test_where_nobody_ever_leaves_no_long_run_is_made_up():
    rows = [("A", "2024-01-01", 5.0), ("A", "2025-06-01", 5.0), ("B", "2025-06-01", 5.0)]
    result = migration(workspace(rows), rules=RULES, resamples=9)
    assert result.case == "none"
    assert "A long run is not computed" in result.reading()


def test_too_few_moves_give_a_long_run_without_an_interval():
    low, high = _interval("return", OZ, 0.95, 99, 0)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    low, high = _interval("return", OZ * 100, 0.95, 99, 0)
    assert (low < [2 / 3, 1 / 3]).all()
    assert (high > [2 / 3, 1 / 3]).all()


def test_a_chain_with_two_ends_has_no_one_long_run():
    with pytest.raises(NotEnoughData, match="where customers begin"):
        markov.stationary([[1, 0], [0, 1]])


@pytest.mark.parametrize("wrong", [[[0.5, 0.5]], [[1.2, -0.2], [0, 1]], [[0.5, 0.4], [0, 1]]])
def test_what_is_no_matrix_of_transitions_is_refused(wrong):
    with pytest.raises(CrmlabError, match="matrix of transitions"):
        markov.stationary(wrong)


# --- moves by chance


def checked(crm, shuffles=200):
    periods = choose_periods(crm)
    rules = customer_states(crm, periods, RULES, "revenue").rules
    found = moves_without_change(crm, periods, rules, "revenue", shuffles=shuffles)
    return found.set_index("movement")


def test_a_large_and_a_small_purchase_fall_either_way_as_often():
    pairs = [(f"C{i}", day, amount) for i in range(200)
             for day, amount in (("2024-06-01", 90.0), ("2025-06-01", 5.0))]  # fmt: skip
    found = checked(workspace([("first", "2024-01-01", 1.0), *pairs]))
    assert found["of"].tolist() == [200, 200]
    assert found["share"].tolist() == [0, 1]
    # The mean of 200 shuffles of 200 fair coins, give or take four standard errors.
    error = 4 * 0.5 / np.sqrt(200 * 200)
    assert found["expected"].tolist() == pytest.approx([0.5, 0.5], abs=error)


def test_nobody_moves_by_chance_who_always_buys_the_same_twice():
    rows = [("A", "2024-01-01", 50.0), ("A", "2025-06-01", 50.0)]
    found = checked(workspace(rows))
    assert found[["share", "expected", "low", "high"]].to_numpy().tolist() == [[0.0] * 4] * 2


def test_a_purchase_between_falls_into_a_period_by_its_share_of_the_days():
    # From 2024-12-02 to 2025-03-31 are 30 of 120 days in 2024; one of four thirds falls there.
    rows = [(f"C{i}", day, 4.0) for i in range(400)
            for day in ("2024-12-02", "2025-02-01", "2025-03-31")]  # fmt: skip
    rules = tier_rules().assign(at_least=[100.0, 6.0, np.nan])
    crm = workspace([("first", "2024-01-01", 1.0), *rows])
    periods = choose_periods(crm)
    filled = customer_states(crm, periods, rules, "revenue").rules
    found = moves_without_change(crm, periods, filled, "revenue").set_index("movement")
    # Two of three purchases in 2025 is a rise from 4 to 8.
    error = 4 * np.sqrt(0.25 * 0.75 / (400 * 200))
    assert found.loc["up", "expected"] == pytest.approx(0.75, abs=error)
    assert found.loc["down", "expected"] == pytest.approx(0.25, abs=error)


def test_a_refund_goes_with_the_purchase_before_it():
    rows = [
        ("A", "2024-01-01", 50.0),
        ("A", "2025-06-01", 150.0),
        ("A", "2025-06-09", -100.0),
        ("B", "2024-06-01", -100.0),
        ("B", "2024-07-01", 50.0),
        ("B", "2025-07-01", 50.0),
    ]
    found = checked(workspace(rows))
    assert found[["share", "expected"]].to_numpy().tolist() == [[0.0, 0.0]] * 2


def test_lines_of_one_order_fall_together():
    rows = [
        ("A", "2024-01-01", 9.0),
        ("A", "2024-01-01", 9.0),
        ("A", "2025-01-01", 9.0),
        ("A", "2025-01-01", 9.0),
    ]
    assert checked(workspace(rows, record="line"))["expected"].tolist() == [0.0, 0.0]


def test_without_customers_in_both_periods_nothing_is_said_of_chance():
    rows = [("A", "2024-01-01", 9.0), ("B", "2025-06-01", 9.0)]
    result = migration(workspace(rows), resamples=9)
    assert result.chance.empty
    assert "by chance" not in result.reading()


# --- on the company, whose effects are known


def with_effects(up, down):
    frames = simulate.company(effects={"migration_up": up, "migration_down": down})
    tables = {name: frames[name] for name in ("customers", "orders")}
    return migration(from_frames(tables, as_of="2025-12-31"), resamples=9)


def test_in_a_company_where_nobody_migrates_the_moves_are_those_of_chance():
    chance = with_effects(0.0, 0.0).chance
    assert chance["share"].between(chance["low"], chance["high"]).all()


def test_in_a_company_where_many_rise_more_rise_than_by_chance():
    found = with_effects(0.3, 0.15)
    up = found.chance.set_index("movement").loc["up"]
    assert up["share"] > up["high"]
    assert "More rose than chance would bring about." in found.reading()


def test_customers_whose_orders_grow_rise_and_whose_orders_shrink_fall_more_often(
    company, of_company
):
    values = simulated_effects.values(None)
    shift = simulated.make_customers(simulate.SEED, 2000, values).shift
    states = of_company.states.table.set_index("customer_id")
    states["shift"] = pd.Series(shift, index=company.customers["customer_id"])
    rank = {"key": 0, "potential": 1, "general": 2}
    both = states[states["origin"].isin(rank) & states["destination"].isin(rank)]
    step = both["origin"].map(rank) - both["destination"].map(rank)
    for direction in (1, -1):
        moved = (np.sign(step) == direction).groupby(both["shift"]).agg(["mean", "size"])
        error = np.sqrt((moved["mean"] * (1 - moved["mean"]) / moved["size"]).loc[[0, direction]])
        difference = moved.loc[direction, "mean"] - moved.loc[0, "mean"]
        assert difference > 2 * np.sqrt((error**2).sum())


def test_key_customers_are_lost_less_often_than_general_ones(of_company):
    counts = of_company.matrix()
    totals = counts.sum(axis=1)
    lost = counts["inactive"] / totals
    error = np.sqrt(lost * (1 - lost) / totals)
    difference = lost["general"] - lost["key"]
    assert difference > 2 * np.hypot(error["general"], error["key"])


# --- words and picture


def test_the_title_and_the_matrix_say_the_same(small):
    assert small.title() == ("25.0% kept their tier, 25.0% rose, 25.0% fell, 25.0% bought no more")
    axes = small.plot()
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "Inactive"
    assert "50.0%\n1" in {text.get_text() for text in axes.texts}


def test_the_reading_says_what_the_long_run_takes_for_granted(of_company):
    reading = of_company.reading()
    assert "as a closed company" in reading
    assert "If the inactive never came back and" in reading
    assert "periods of 12 months" in reading


def test_every_case_can_be_said_in_both_languages(of_company, small):
    for language in ("en", "zh_CN"):
        set_language(language)
        for result in (small, of_company):
            assert result.title()
            assert result.reading()
            assert result.alt()
            assert result.definition.method


# --- what it refuses


def test_nobody_to_follow_is_said():
    rows = [("A", "2024-01-01", -5.0), ("A", "2025-06-01", 5.0)]
    with pytest.raises(NotEnoughData, match="Nobody bought anything from Jan 1, 2024"):
        migration(workspace(rows))


def test_orders_of_one_day_cannot_be_compared():
    with pytest.raises(NotEnoughData, match="more than one day"):
        migration(workspace([("A", "2025-12-31", 1.0)]))


def test_a_tier_may_not_have_the_name_of_a_state():
    rules = RULES.assign(tier=["new", "potential", "general"])
    with pytest.raises(CrmlabError, match="cannot be called new"):
        migration(workspace(ROWS), rules=rules)


def test_an_unknown_value_names_those_there_are():
    with pytest.raises(CrmlabError, match="revenue, profit, not orders"):
        migration(workspace(ROWS), value="orders")
