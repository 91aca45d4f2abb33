import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.loyalty.events import events

FIRST, EVENT, AS_OF = "2025-01-01", "2025-07-01", "2025-12-31"


def workspace(orders, came, *, tiers=None, **columns):
    """Orders as (customer, day), attendances as (customer, day)."""
    bought = pd.DataFrame(orders, columns=["customer_id", "ordered_at"])
    bought = bought.assign(order_id=[f"O{n}" for n in range(len(bought))], **columns)
    contacts = pd.DataFrame(came, columns=["customer_id", "contacted_at"])
    contacts = contacts.assign(contact_id=[f"C{n}" for n in range(len(came))], channel="event")
    tables = {"orders": bought, "contacts": contacts}
    if tiers:
        known = pd.DataFrame(tiers.items(), columns=["customer_id", "tier"])
        tables["customers"] = known
    return from_frames(tables, as_of=AS_OF)


def judged(crm, **options):
    return events(crm, **{"days": 90} | options)


def row_of(found, name="coming"):
    return found.table.set_index("comparison").loc[name]


def pairs(many=12, after_guest=3, after_other=2):
    """Guests G and others O, with two orders before the event and some after it, won earlier."""
    orders = [("first", FIRST)]
    for n in range(many):
        for who, after in ((f"G{n}", after_guest + n % 2), (f"O{n}", after_other)):
            orders += [(who, day) for day in ("2025-01-02", "2025-06-10", "2025-06-11")]
            orders += [(who, "2025-07-20")] * after
    return orders


def guests(many=12, day=EVENT):
    return [(f"G{n}", day) for n in range(many)]


def test_the_change_of_guests_is_held_against_that_of_who_did_not_come():
    orders = pairs(12) + [(f"O{n}", "2025-06-12") for n in range(6)]
    row = row_of(judged(workspace(orders, guests())))
    assert row[["attendances", "others"]].tolist() == [12, 13]
    assert row[["orders_before", "orders_after"]].tolist() == [2, 3.5]
    # Twelve O with 30 orders before and 24 after; the first customer has none.
    assert row["others_before"] == pytest.approx(30 / 13)
    assert row["change"] == pytest.approx((3.5 / 2) / (24 / 30) - 1)
    assert 0 < row["low"] < row["change"] < row["high"]


def test_orders_count_from_the_day_after_the_last_day_of_the_event():
    orders = [
        *pairs(1, 0, 0),
        ("G0", "2025-06-30"),
        ("G0", "2025-07-03"),
        ("G0", "2025-07-04"),
        ("G0", "2025-10-01"),
        ("G0", "2025-10-02"),
        ("G0", "2025-04-02"),
        ("G0", "2025-04-01"),
    ]
    came = [("G0", "2025-07-01 09:00"), ("G0", "2025-07-03 17:00"), ("O9", "2025-07-01")]
    own = judged(workspace(orders, came)).guests.people.set_index("customer_id").loc["G0"]
    assert own[["event", "last"]].tolist() == [pd.Timestamp(EVENT), pd.Timestamp("2025-07-03")]
    assert own[["earlier", "before", "after"]].tolist() == [2, 4, 2]


def test_what_lies_before_the_data_or_the_first_order_is_not_taken_for_no_orders():
    found = judged(workspace(pairs(12), guests(day="2025-06-20")))
    assert found.guests.people["earlier"].isna().all()
    assert row_of(found, "earlier")["attendances"] == 0
    assert np.isnan(row_of(found, "earlier")["change"])
    lately = judged(workspace([*pairs(12), ("young", "2025-02-01")], guests()))
    assert lately.guests.people.set_index("customer_id")["earlier"].isna().sum() == 1


def test_days_within_a_week_are_one_event_and_a_later_day_another():
    came = [*guests(2), ("G0", "2025-07-07"), ("G1", "2025-07-08")]
    found = judged(workspace(pairs(2), came))
    assert found.guests.people["event"].nunique() == 2
    assert found.guests.people["event"].unique().tolist() == [
        pd.Timestamp("2025-07-01"),
        pd.Timestamp("2025-07-08"),
    ]
    assert found.guests.people["came"].sum() == 3


def test_others_are_weighted_to_the_tiers_and_regions_of_guests():
    tiers = {"G0": "key", "G1": "key", "O0": "key", "O1": "general", "first": None}
    found = judged(workspace(pairs(2), guests(2), tiers=tiers))
    assert found.guests.people.set_index("customer_id")["weight"].to_dict() == {
        "G0": 1, "G1": 1, "O0": 2, "O1": 0, "first": 0,
    }  # fmt: skip
    assert row_of(found, "guests")["others"] == 3
    assert row_of(found)["others"] == 1


def test_what_cannot_be_judged_is_counted_by_reason():
    came = [
        *guests(2),
        ("G0", "2025-02-01"),
        ("G0", "2025-11-01"),
        ("G1", "2025-11-01"),
        (None, EVENT),
        ("prospect", EVENT),
        ("late", EVENT),
    ]
    orders = [*pairs(2), ("late", "2025-05-01")]
    tiers = dict.fromkeys(["G0", "O0", "O1", "late"], "key") | {"G1": "general"}
    found = judged(workspace(orders, came, tiers=tiers))
    assert {one.reason: one.count for one in found.guests.exclusions} == {
        "customer or day not given": 1,
        "fewer than 90 days of data before the event": 1,
        "fewer than 90 days of data after the event": 2,
        "no customers yet 90 days before the event": 2,
        "came, without like customers who did not": 1,
    }
    assert "2 attendances (no customers yet 90 days before the event)" in found.reading()


@pytest.mark.parametrize("student", [None, "20261234"])
def test_the_company_shows_who_comes_and_no_effect_of_coming(student):
    found = judged(crmlab.load(student=student))
    assert row_of(found, "guests")["low"] > 1
    assert row_of(found)["low"] < 0 < row_of(found)["high"]
    assert row_of(found, "earlier")["low"] < 0 < row_of(found, "earlier")["high"]
    assert "cannot be told" in found.reading()


def busy_guests(seed, lift):
    """300 customers known early; 100, busier by nature, come and order `lift` as often after."""
    random = np.random.default_rng(seed)
    orders = [("first", FIRST)]
    for n in range(300):
        who, rate = f"G{n}", random.gamma(2) + (2 if n < 100 else 0)
        orders.append((who, FIRST))
        for begin, times in (("2025-04-02", 1.0), ("2025-07-02", lift if n < 100 else 1.0)):
            days = random.integers(0, 90, random.poisson(1.3 * rate * times))
            orders += [
                (who, str(np.datetime64(begin) + np.timedelta64(int(day), "D"))) for day in days
            ]
    return workspace(orders, guests(100))


def test_intervals_hold_the_lift_of_guests_who_are_busier_by_nature():
    rows = [row_of(events(busy_guests(seed, 1.4))) for seed in range(20)]
    held = [row["low"] < 0.4 < row["high"] for row in rows]
    assert 17 <= sum(held) <= 20
    assert np.mean([row["change"] for row in rows]) == pytest.approx(0.4, abs=0.05)


def test_who_moved_apart_before_the_event_is_no_fair_comparison():
    orders = [*pairs(12), *[(f"G{n}", "2025-03-01") for n in range(12) for _k in range(6 + n % 2)]]
    tables = workspace(orders, guests())
    won = pd.DataFrame({"customer_id": orders_of(orders), "acquired_on": "2024-06-01"})
    crm = from_frames(
        {"orders": tables.orders, "contacts": tables.contacts, "customers": won}, as_of=AS_OF
    )
    found = judged(crm)
    row = row_of(found, "earlier")
    assert row["change"] == pytest.approx((2 / 7.5) / (2 / 1) - 1)
    assert row["high"] < 0
    assert "the comparison is not fair" in found.reading()
    assert found.title().endswith("; they had moved apart before")
    assert "lies above" not in judged(crm, cost=0).reading()


def orders_of(orders):
    return sorted({who for who, _day in orders})


def test_an_attendance_pays_from_its_cost_over_the_margin_guests_would_bring():
    # A refund without a cost, and an order in the window of which the cost is missing.
    orders = [("G0", "2025-06-20"), *pairs(12)]
    amount = [-40.0] + [100.0] * (len(orders) - 1)
    cost = [np.nan] + [60.0] * (len(orders) - 1)
    cost[orders.index(("G3", "2025-06-11"))] = np.nan
    crm = workspace(orders, guests(), amount=amount, cost=cost)
    found = judged(crm, cost=30)
    needed = row_of(found, "break_even")
    assert needed["change"] == pytest.approx(30 / ((23 * 40 - 40) * 24 / 23 / 12))
    assert needed["low"] < needed["change"] < needed["high"]
    assert "To pay in 90 days, it must raise" in found.reading()
    assert row_of(judged(crm, cost=0), "break_even")["change"] == 0
    assert np.isnan(judged(crm).cost)
    assert "What an attendance costs is not known" in judged(crm).reading()


def test_what_came_with_coming_is_held_against_what_pays_for_it():
    crm = busy_guests(1, 1.6)
    dear = judged(crm, cost=1e6)
    assert "What guests' orders earn is not known" in dear.reading()
    orders = crm.orders.assign(amount=100.0, cost=60.0)
    crm = from_frames({"orders": orders, "contacts": crm.contacts}, as_of=AS_OF)
    assert "lies above that" in judged(crm, cost=0.01).reading()
    assert "lies below that" in judged(crm, cost=1000).reading()
    middle = row_of(judged(crm, cost=0.01))["change"]
    cost = middle * 0.01 / row_of(judged(crm, cost=0.01), "break_even")["change"]
    assert "more or less cannot be told" in judged(crm, cost=cost).reading()


def test_a_season_is_no_effect_where_more_guests_come_in_it():
    # Two events; all orders double after the first and halve after the second, whoever comes.
    orders = [("first", FIRST)]
    came = []
    for n in range(24):
        guest_at = "2025-04-15" if n % 4 == 0 else "2025-09-15" if n % 4 == 1 else ""
        orders += [(f"C{n}", FIRST)]
        many = 6 if guest_at == "2025-04-15" else 2
        for begin, times in (("04-01", 1), ("05-01", 2), ("09-01", 1), ("10-01", 0.5)):
            orders += [(f"C{n}", f"2025-{begin}")] * int(many * times)
        came += [(f"C{n}", guest_at)] if guest_at else []
    found = events(workspace(orders, came), days=60)
    assert found.guests.people["event"].nunique() == 2
    assert row_of(found)["change"] == pytest.approx(0, abs=1e-9)


def test_events_close_together_are_warned_of():
    assert "days apart" not in judged(workspace(pairs(12), guests())).reading()
    crm = workspace(pairs(12), [*guests(6), *guests(6, "2025-07-31")])
    assert "closest two events lie 30 days apart, less than twice 90" in judged(crm).reading()


def test_columns_to_match_on_can_be_chosen():
    tiers = {f"G{n}": "key" for n in range(2)} | {"O0": "key", "O1": "general"}
    crm = workspace(pairs(2), guests(2), tiers=tiers)
    assert judged(crm).guests.match == ("tier",)
    every = judged(crm, match=[])
    assert row_of(every)["others"] == 3
    assert "alike in: nothing but the event" in every.reading()
    with pytest.raises(UnknownName, match="cannot be matched on colour"):
        judged(crm, match=["colour"])


def test_many_guests_held_against_one_customer_have_no_interval():
    tiers = {f"G{n}": "key" for n in range(12)} | {f"O{n}": "general" for n in range(12)}
    crm = workspace(pairs(12), guests(), tiers=tiers | {"O0": "key"})
    assert row_of(judged(crm))["attendances"] == 12
    assert np.isnan(row_of(judged(crm))["low"])


def test_few_customers_are_compared_without_an_interval():
    found = judged(workspace(pairs(9), guests(9)))
    assert row_of(found)["change"] > 0.5
    assert np.isnan(row_of(found)["low"])
    assert "too few for an interval" in found.reading()
    assert "nan" not in found.reading() + found.title() + found.alt()


def test_guests_unlike_all_others_are_compared_only_as_they_are():
    tiers = {"G0": "key", "O0": "general"}
    found = judged(workspace(pairs(1), guests(1), tiers=tiers))
    assert np.isnan(row_of(found)["change"])
    assert "Guests cannot be compared with like customers" in found.reading()
    # Three orders of G0, of O0 and the first customer two: 3 against 1 each.
    assert found.title() == "Guests of events order +200% compared with all others"
    found.plot()


def test_where_nobody_orders_afterwards_there_is_nothing_to_compare():
    found = judged(workspace(pairs(2, -1, 0), guests(2)))
    assert found.title() == "Guests of events cannot be compared with others"
    assert "Guests or all others placed no orders in the days after" in found.reading()
    assert "–" not in found.title() + found.reading() + found.alt()
    found.plot()


def test_wrong_options_and_data_without_events_are_refused():
    crm = workspace(pairs(2), guests(2))
    with pytest.raises(CrmlabError, match="14 to 365"):
        events(crm, days=7)
    with pytest.raises(CrmlabError, match="below 0"):
        judged(crm, cost=-1)
    with pytest.raises(NotEnoughData, match="1 event, but not 200 days"):
        judged(crm, days=200)
    with pytest.raises(NotEnoughData, match="nobody"):
        judged(workspace([("G0", FIRST)], guests(1)))
    with pytest.raises(NotEnoughData, match="name the channel"):
        judged(workspace(pairs(2), [(None, EVENT)]))
    with pytest.raises(MissingColumns):
        events(from_frames({"orders": crm.orders}))
