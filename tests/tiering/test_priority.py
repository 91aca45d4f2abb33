import datetime as dt
import importlib

import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.language import set_language
from crmlab.stats.queueing import priority_wait
from crmlab.stats.working_days import working_days
from crmlab.tiering import explore_waits, priority, promise_cost, service_promises
from crmlab.tiering.desk import UNNAMED, desk

# The function of the same name hides the module from an ordinary import.
MODULE = importlib.import_module("crmlab.tiering.priority")
QUICK = {"replications": 2}


@pytest.fixture(autouse=True)
def _short_simulations(monkeypatch):
    monkeypatch.setattr(MODULE, "SIMULATED", 60)


def workspace(complaints=None, *, tiers=("key", "general"), cost=50.0, **settings):
    """Ten customers, one key; complaints as (customer, day, minutes)."""
    customers = pd.DataFrame(
        {"customer_id": [f"C{i}" for i in range(10)], "tier": [tiers[0], *[tiers[1]] * 9]}
    )
    orders = pd.DataFrame(
        {
            "order_id": [str(i) for i in range(10)],
            "customer_id": customers["customer_id"],
            "ordered_at": "2025-06-02",
            "amount": [1000.0, *[100.0] * 9],
            "cost": cost,
        }
    )
    tables = {"customers": customers, "orders": orders}
    if cost is None:
        tables["orders"] = orders.drop(columns="cost")
    if complaints is not None:
        frame = pd.DataFrame(complaints, columns=["customer_id", "opened_at", "handling_minutes"])
        tables["complaints"] = frame.assign(complaint_id=[str(i) for i in range(len(frame))])
    return from_frames(tables, Settings(name="Ten", **settings), as_of="2025-06-06")


def week(minutes=(30, 30, 30, 30)):
    """A key and three general complaints on each day of a working week."""
    days = [f"2025-06-0{day}" for day in range(2, 7)]
    return [(f"C{i}", day, minutes[i]) for day in days for i in range(4)]


# --- the desk


def test_make_up_days_are_worked_and_holidays_are_not():
    changes = {dt.date(2025, 9, 28): True, dt.date(2025, 10, 1): False}
    days = working_days(dt.date(2025, 9, 27), dt.date(2025, 10, 2), changes)
    assert [day.day for day in days] == [28, 29, 30, 2]


def test_cases_are_counted_by_tier_over_the_working_hours():
    found, _tiers = desk(workspace(week()), "complaints")
    assert found.classes["tier"].tolist() == ["key", "general"]
    assert found.classes["cases"].tolist() == [5, 15]
    assert found.classes["customers"].tolist() == [1, 3]
    assert (found.hours, found.days) == (40, 5)
    assert found.classes["per_hour"].tolist() == [0.125, 0.375]
    assert found.load == pytest.approx(0.25)


def test_what_comes_on_a_day_off_is_seen_on_the_next_working_day():
    cases = [("C0", "2025-05-30", 30), ("C1", "2025-05-31", 30), ("C1", "2025-06-01", 30)]
    found, _tiers = desk(workspace(cases), "complaints")
    # Friday, then Monday to Friday.
    assert found.daily.tolist() == [1, 2, 0, 0, 0, 0]


def test_cases_of_unknown_customers_take_time_and_are_served_last():
    found, _tiers = desk(workspace([*week(), (None, "2025-06-02", 30)]), "complaints")
    assert found.classes["tier"].tolist()[-1] == UNNAMED
    assert found.unnamed == 1
    assert found.cases == 21


def test_cases_without_a_day_are_left_out_and_counted():
    result = priority(workspace([*week(), ("C0", None, 30)]), **QUICK)
    assert result.desk.undated == 1
    assert "1 case (no day given)" in result.reading()


def test_a_case_without_handling_time_counts_as_one_like_the_others():
    found, _tiers = desk(workspace([*week(), ("C0", "2025-06-02", None)]), "complaints")
    assert found.untimed == 1
    assert found.classes["cases"].tolist() == [6, 15]
    assert found.classes["minutes"].tolist() == [30, 30]


def test_very_many_handling_times_keep_their_mean(monkeypatch):
    monkeypatch.setattr("crmlab.tiering.desk.MOST_TIMES", 3)
    found, _tiers = desk(workspace(week((30, 10, 20, 90))), "complaints")
    assert found.classes["minutes"].tolist() == pytest.approx([30, 40])


def test_cancellations_are_no_orders_to_handle(orders):
    crm = from_frames({"orders": orders}, Settings(name="Four"), as_of="2025-03-31")
    found, _tiers = desk(crm, "orders")
    # Five purchases: four of customers, one of nobody who is named.
    assert found.cases == 5
    assert found.unnamed == 1


# --- waits


def test_one_server_has_cobhams_waits_with_each_tiers_own_minutes():
    result = priority(workspace(week((60, 20, 40, 30))), servers=1, **QUICK)
    minutes = np.array([60, 30])
    spread = np.array([0.0, np.var([20, 40, 30]) / 30**2])
    exact = priority_wait([0.125, 0.375], 60 / minutes, variability=spread)
    assert result.table["wait_priority"].tolist() == pytest.approx((exact["wait"] * 60).tolist())
    formula = result.overall["formula"]
    assert formula["priority"] == pytest.approx(formula["fifo"])


def test_the_better_tier_waits_less_and_the_others_pay_for_it():
    result = priority(workspace(week()), servers=1, **QUICK)
    change = result.table["wait_change"]
    assert change.iloc[0] < 0 < change.iloc[1]
    assert (change * result.table["cases"]).sum() == pytest.approx(0, abs=1e-9)
    assert "priority moves the waiting, it does not lessen it" in result.reading()


def test_a_desk_that_is_too_small_still_serves_the_better_tier():
    result = priority(workspace(week((60, 180, 180, 180))), servers=1, **QUICK)
    assert np.isfinite(result.table["wait_priority"].iloc[0])
    assert np.isinf(result.table["wait_priority"].iloc[1])
    assert "the line grows without end; with priority, that of: General" in result.reading()
    result.plot()


def test_the_default_desk_is_busy_at_most_85_percent_of_the_time():
    result = priority(workspace(week((60, 180, 180, 180))), **QUICK)
    assert result.desk.load / result.servers <= 0.85
    assert result.desk.load / (result.servers - 1) > 0.85


def test_priority_is_worth_it_only_where_the_better_tier_brings_more():
    rich = priority(workspace(week()), servers=1, **QUICK)
    assert rich.weighted["priority"] < rich.weighted["fifo"]
    poor = priority(workspace(week(), tiers=("general", "key")), servers=1, **QUICK)
    poor_first = poor.table["tier"].tolist()
    assert poor_first == ["key", "general"]
    assert poor.weighted["priority"] > poor.weighted["fifo"]
    assert "do not bring enough" in poor.reading()


def test_without_costs_revenue_weighs_the_waits():
    result = priority(workspace(week(), cost=None), servers=1, **QUICK)
    assert result.desk.valued_by == "revenue"
    assert "Weighted by the revenue" in result.reading()


def test_minutes_of_an_order_are_stated_and_said_to_be():
    result = priority(workspace(), work="orders", **QUICK)
    assert result.desk.minutes == 15
    assert "stated, not observed" in result.reading()
    again = priority(workspace(), work="orders", minutes=30, **QUICK)
    assert again.desk.load == pytest.approx(2 * result.desk.load)


def test_one_tier_alone_has_nobody_to_go_before():
    result = priority(workspace(week(), tiers=("key", "key")), servers=1, **QUICK)
    assert result.title() == "There is only one tier, so nobody can go first"
    assert result.table["wait_change"].tolist() == pytest.approx([0])
    assert result.reading()


def test_a_tier_without_cases_is_kept_in_the_table():
    cases = [case for case in week() if case[0] != "C0"]
    result = priority(workspace(cases), servers=1, **QUICK)
    assert result.table["cases"].tolist() == [0, 15]
    assert result.reading()
    result.plot()


def test_a_single_day_has_no_dispersion_and_is_not_judged():
    result = priority(workspace([("C0", "2025-06-06", 30), ("C1", "2025-06-06", 30)]), **QUICK)
    assert "per working day would be" not in result.reading()


def test_without_complaints_the_measure_names_what_it_needs():
    with pytest.raises(MissingColumns, match=r"complaints\.handling_minutes"):
        priority(workspace())


def test_without_handling_times_minutes_may_be_stated():
    complaints = [(*case[:2], None) for case in week()]
    with pytest.raises(NotEnoughData, match="say minutes=30"):
        priority(workspace(complaints))
    assert priority(workspace(complaints), minutes=30, **QUICK).desk.times is None


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(CrmlabError, match='work is "complaints" or "orders"'):
        priority(workspace(week()), work="calls")
    with pytest.raises(CrmlabError, match="above 0"):
        priority(workspace(week()), minutes=0)


@pytest.mark.slow
def test_on_the_bundled_company_formula_and_simulation_agree(company, monkeypatch):
    monkeypatch.setattr(MODULE, "SIMULATED", 800)
    result = priority(company, servers=1, replications=8, confidence=0.99)
    row = result.overall.loc["priority"]
    assert row["low"] < row["formula"] < row["high"]


def test_the_explorer_follows_its_controls(monkeypatch):
    result = priority(workspace(week()), servers=1, **QUICK)
    caught = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: caught.update(move=move, words=words),
    )
    explore_waits(result)
    caught["move"](people=1, minutes=30.0, first=False)
    fifo = caught["words"](people=1, minutes=30.0, first=False)
    first = caught["words"](people=1, minutes=30.0, first=True)
    assert fifo != first
    caught["move"](people=1, minutes=200.0, first=True)
    assert "without end" in caught["words"](people=1, minutes=200.0, first=True)


# --- promises


COSTS = {"contact.visit": 100.0, "contact.phone": 10.0}


def test_promised_contacts_cost_what_the_settings_say():
    table = promise_cost(workspace(activity_costs=COSTS)).table
    assert table["visits_cost"].tolist() == [400.0, 0.0]
    assert table["calls_cost"].tolist() == [120.0, 90.0]
    assert table["managers"].tolist() == [1, 0]
    assert table["promise_cost"].tolist() == [150_520.0, 90.0]


def test_an_activity_without_a_cost_is_named_and_left_out_of_the_sum():
    result = promise_cost(workspace(activity_costs={"contact.phone": 10.0}))
    assert result.table["visits_cost"].isna().all()
    assert result.table["promise_cost"].tolist() == [150_120.0, 90.0]
    assert "left out of the sums: contact.visit" in result.reading()


def test_the_desk_has_the_people_who_keep_every_promise():
    result = promise_cost(workspace(week((120, 120, 120, 120)), activity_costs=COSTS))
    assert result.servers <= result.servers_fifo
    shares = result.table["desk_cost"] / result.table["desk_cost"].sum()
    assert shares.tolist() == pytest.approx([0.25, 0.75])
    assert result.table["desk_cost"].sum() == result.servers * 90_000


def test_without_complaints_contacts_or_costs_the_promise_says_what_it_lacks():
    result = promise_cost(workspace(cost=None))
    reading = result.reading()
    assert "Left out: the complaint desk" in reading
    assert "no contacts" in reading
    assert "margin to set against it is not known" in reading
    result.plot()


def test_what_is_provided_today_is_counted_from_the_outbound_contacts():
    crm = workspace()
    contacts = pd.DataFrame(
        {
            "contact_id": list("1234"),
            "customer_id": ["C0", "C0", "C0", "C1"],
            "contacted_at": "2025-06-02",
            "direction": ["outbound", "outbound", "inbound", "outbound"],
            "channel": ["visit", "phone", "phone", "phone"],
        }
    )
    tables = {"customers": crm.customers, "orders": crm.orders, "contacts": contacts}
    again = from_frames(tables, crm.settings, as_of=dt.date(2026, 6, 1))
    table = promise_cost(again).table
    assert table["visits_today"].tolist() == pytest.approx([1, 0], rel=0.01)
    assert table["calls_today"].tolist() == pytest.approx([1, 1 / 9], rel=0.01)


def test_in_another_currency_no_salary_is_assumed():
    result = promise_cost(workspace(currency="GBP"))
    assert result.table["promise_cost"].isna().all()
    assert "No cost is stated" in result.title()
    assert "say manager_salary and staff_salary, in GBP" in result.reading()
    assert result.alt()
    result.plot()
    stated = promise_cost(workspace(currency="GBP"), manager_salary=40_000)
    assert stated.table["promise_cost"].tolist() == [40_000, 0]


def test_promises_can_be_edited_and_are_checked():
    mine = service_promises()
    mine.loc[mine["tier"] == "key", "customers_per_manager"] = None
    assert promise_cost(workspace(), promises=mine).table["managers"].tolist() == [0, 0]
    with pytest.raises(CrmlabError, match="lack: visits_per_year"):
        promise_cost(workspace(), promises=mine.drop(columns="visits_per_year"))
    with pytest.raises(CrmlabError, match="one row per tier"):
        promise_cost(workspace(), promises=pd.concat([mine, mine]))


def test_a_tier_without_a_row_in_the_promises_is_named():
    reading = promise_cost(workspace(tiers=("gold", "general"))).reading()
    assert "Nothing is promised to: gold" in reading


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_word_can_be_said(company, language):
    set_language(language)
    for result in (
        priority(company, replications=2),
        priority(company, work="orders", replications=2),
        promise_cost(company),
    ):
        for words in (result.title(), result.reading(), result.alt(), result.definition.method):
            assert words
            assert "{" not in words
            assert "nan" not in words
