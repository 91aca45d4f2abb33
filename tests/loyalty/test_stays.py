"""Who is watched from when to when, and what counts as leaving."""

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.stays import grouped, stays
from crmlab.stats.survival import kaplan_meier, survival_at

AS_OF = "2025-12-31"


def order(customer, at, amount=10.0):
    return {"customer_id": customer, "ordered_at": at, "amount": amount}


def bought(**days):
    """Orders by customer: a list of days each."""
    return [order(customer, at) for customer, every in days.items() for at in every]


def workspace(orders=None, customers=None):
    tables = {}
    if orders is not None:
        frame = pd.DataFrame(orders)
        tables["orders"] = frame.assign(order_id=frame.index.astype(str))
    if customers is not None:
        tables["customers"] = pd.DataFrame(customers)
    return from_frames(tables, as_of=AS_OF)


def row(found, customer):
    return found.frame.set_index("customer_id").loc[customer]


# --- the queries


def lapses(crm, silence=30):
    return crm.query("first_lapses", silence=silence).set_index("customer_id")["quiet_since"]


def test_a_silence_is_complete_only_when_all_its_days_are_over():
    found = lapses(
        workspace(
            bought(
                A=["2025-01-01", "2025-01-31", "2025-12-02"],  # 30 days on: 29 silent ones
                B=["2025-01-01", "2025-02-01", "2025-12-02"],  # 31 days on: 30 silent ones
                C=["2025-12-01"],  # December has 30 days more
                D=["2025-12-02"],
            )
        )
    )
    assert found["A"] == pd.Timestamp(2025, 1, 31)
    assert found["B"] == pd.Timestamp(2025, 1, 1)
    assert found["C"] == pd.Timestamp(2025, 12, 1)
    assert pd.isna(found["D"])


def test_refunds_and_orders_without_a_day_break_no_silence():
    rows = [order("A", "2025-01-01"), order("A", "2025-01-20", -5.0), order("A", None)]
    rows += [order("A", "2025-02-10"), order("A", "2025-02-20", None), order("A", "2025-03-10", 0)]
    found = workspace(rows).query("first_lapses", silence=30).iloc[0]
    assert found["quiet_since"] == pd.Timestamp(2025, 1, 1)
    assert found["last_day"] == pd.Timestamp(2025, 3, 10)


def test_early_revenue_is_that_of_the_first_days_refunds_subtracted():
    rows = [
        order("A", "2025-01-01", 100.0),
        order("A", "2025-01-30", 20.0),
        order("A", "2025-01-30", -5.0),
        order("A", "2025-01-31", 7.0),
        order("B", "2025-01-01", -3.0),
        order("B", "2025-02-01", None),
    ]
    found = workspace(rows).query("early_revenue", days=30)
    assert found["customer_id"].tolist() == ["A", "B"]
    assert found["amount"].tolist() == [115, 0]


# --- contracts


def contract(customer, begins, ends, **more):
    return {"customer_id": customer, "contract_from": begins, "contract_to": ends} | more


CONTRACTS = [
    contract("old", "2023-12-22", "2025-03-31"),
    contract("runs", "2024-01-01", "2026-06-30"),
    contract("last day", "2025-12-01", "2025-12-31"),
    contract("open", "2025-12-30", None),
    contract("gone before", "2020-01-01", "2023-12-31"),
    contract("to come", "2026-01-01", "2026-12-31"),
    contract("none", None, None),
]


@pytest.fixture
def contracts():
    return stays(workspace(bought(A=["2024-01-01"]), CONTRACTS))


def test_a_contract_that_began_before_the_data_counts_from_their_first_day_on(contracts):
    old = row(contracts, "old")
    assert (old["entry"], old["time"], old["event"]) == (10, 466, True)
    assert contracts.late == 1
    assert contracts.watched_late().startswith("1 contract began before the data; it counts only")


def test_a_contract_that_ends_after_the_data_runs_on(contracts):
    assert row(contracts, "runs")[["entry", "time", "event"]].tolist() == [0, 731, False]
    assert row(contracts, "open")[["entry", "time", "event"]].tolist() == [0, 2, False]
    assert row(contracts, "last day")[["time", "event"]].tolist() == [31, True]


def test_contracts_that_are_never_watched_are_counted(contracts):
    left = {one.reason: one.count for one in contracts.exclusions}
    assert left == {
        "no contract": 1,
        "contract begins after the data": 1,
        "contract ended before the data begin": 1,
    }
    assert len(contracts.frame) + sum(left.values()) == len(CONTRACTS)


def test_the_setting_is_the_contract_where_one_is_known():
    orders = bought(A=["2024-01-01"])
    assert stays(workspace(orders, [contract("A", "2024-01-01", None)])).setting == "contract"
    assert stays(workspace(orders, [contract("A", None, None)])).setting == "silence"
    assert stays(workspace(orders)).setting == "silence"


# --- silence


def test_leaving_is_dated_to_the_day_the_silence_is_complete():
    found = stays(workspace(bought(A=["2025-01-01", "2025-02-01"])), silence=180)
    assert row(found, "A")[["entry", "time", "event"]].tolist() == [0, 31 + 180, True]


def test_a_silence_not_complete_is_censored_at_the_end_of_the_data():
    found = stays(workspace(bought(A=["2025-01-01"], B=["2025-10-02"])), silence=180)
    assert row(found, "B")[["entry", "time", "event"]].tolist() == [0, 90, False]


def test_those_who_came_back_are_counted_and_have_left_all_the_same():
    found = stays(workspace(bought(A=["2025-01-01", "2025-12-01"], B=["2025-01-01"])), silence=180)
    assert found.frame["event"].tolist() == [True, True]
    assert found.returned == 1


def test_who_was_won_before_the_data_enters_when_a_silence_would_have_been_seen():
    customers = [{"customer_id": "A", "acquired_on": "2024-12-22"}]
    customers += [{"customer_id": "B", "acquired_on": "2024-12-22"}]
    customers += [{"customer_id": "C", "acquired_on": "2025-01-02"}]
    orders = bought(
        A=["2025-01-20", "2025-02-01"], B=["2025-02-15", "2025-03-01"], C=["2025-01-10"],
        D=["2025-01-01"],
    )  # fmt: skip
    found = stays(workspace(orders, customers), silence=30)
    # The data begin on January 1, ten days after A was won; thirty days are over on January 30.
    assert row(found, "A")[["entry", "time"]].tolist() == [39, 41 + 30]
    assert row(found, "C")[["entry", "time"]].tolist() == [8, 8 + 30]
    assert row(found, "D")[["entry", "time"]].tolist() == [0, 30]
    assert "B" not in set(found.frame["customer_id"])
    assert [(one.reason, one.count) for one in found.exclusions] == [
        ("won before the data and silent at their beginning", 1)
    ]


def test_a_customer_of_the_last_day_was_not_watched():
    found = stays(workspace(bought(A=["2025-01-01"], B=[AS_OF])))
    assert found.frame["customer_id"].tolist() == ["A"]
    assert found.exclusions[0].count == 1


@pytest.fixture(scope="module")
def histories():
    """Customers of six years who buy every 40 days while they stay, 500 days on average."""
    random = np.random.default_rng(1)
    count = 4000
    began = random.integers(0, 6 * 365, count)
    left = began + random.exponential(500, count)
    rows = []
    for customer in range(count):
        at = began[customer]
        while at < left[customer]:
            rows.append((f"C{customer}", int(at)))
            at = at + 1 + random.exponential(39)
    orders = pd.DataFrame(rows, columns=["customer_id", "day"])
    orders = orders[orders["day"] < 6 * 365]
    return orders, pd.DataFrame({"customer_id": [f"C{i}" for i in range(count)], "began": began})


def test_of_a_window_the_curve_is_that_of_the_whole_history(histories):
    """The last two years, with delayed entry, give what all six years do."""
    orders, customers = histories
    origin = pd.Timestamp(AS_OF) - pd.Timedelta(days=6 * 365 - 1)
    orders = orders.assign(
        ordered_at=origin + pd.to_timedelta(orders["day"], unit="D"), amount=10.0
    )
    known = customers.assign(acquired_on=origin + pd.to_timedelta(customers["began"], unit="D"))
    known = known[["customer_id", "acquired_on"]]
    whole = stays(workspace(orders), silence=90).frame
    part = orders[orders["day"] >= 4 * 365]
    window = stays(
        workspace(part, known[known["customer_id"].isin(part["customer_id"])]), silence=90
    )
    assert window.late > 500

    def share(frame, **late):
        return survival_at(kaplan_meier(frame["time"], frame["event"], **late), [365, 730])

    true = share(whole)["survival"]
    found = share(window.frame, entry=window.frame["entry"])
    assert (found["low"] < true).all()
    assert (true < found["high"]).all()
    naive = share(window.frame)  # as if all had been watched from the beginning
    assert (naive["low"] > true).all()


# --- groups


def test_the_tier_in_the_data_is_taken_and_the_others_are_counted():
    customers = [
        contract("A", "2024-01-01", None, tier="key"),
        contract("B", "2024-01-01", None, tier="general"),
        contract("C", "2024-01-01", None, tier=None),
    ]
    crm = workspace(bought(A=["2024-01-01"]), customers)
    groups = grouped(crm, stays(crm), "tier")
    assert groups.order == ["key", "general"]
    assert not groups.landmark
    assert groups.exclusions[0].count == 1


def test_without_a_tier_it_is_made_of_the_first_days_and_nobody_counts_before():
    orders = [order("A", "2025-01-01", 1000.0), order("B", "2025-01-01", 1.0)]
    # What B buys later is no reason to call it key from the beginning.
    orders += [order("B", "2025-06-01", 90_000.0), order("C", "2025-11-01", 5.0)]
    crm = workspace(orders)
    groups = grouped(crm, stays(crm, silence=180), "tier")
    tiers = groups.frame.set_index("customer_id")
    assert tiers["tier"].to_dict() == {"A": "key", "B": "general"}
    assert tiers["entry"].tolist() == [90, 90]
    assert groups.landmark
    assert groups.exclusions[0].count == 1


def test_an_unknown_group_is_said_with_those_there_are():
    crm = workspace(bought(A=["2025-01-01"]), [{"customer_id": "A", "region": "North"}])
    with pytest.raises(NotEnoughData, match=r"Nothing is known of size.*region"):
        grouped(crm, stays(crm), "size")


# --- what cannot be done


def test_wrong_options_are_said():
    crm = workspace(bought(A=["2025-01-01"]))
    with pytest.raises(CrmlabError, match="setting is"):
        stays(crm, setting="subscription")
    for silence in (0, 1.5, True, "90"):
        with pytest.raises(CrmlabError, match="silence is"):
            stays(crm, silence=silence)
    with pytest.raises(NotEnoughData, match="No customer has a contract"):
        stays(crm, setting="contract")


def test_nobody_watched_is_said_with_the_reasons():
    with pytest.raises(NotEnoughData, match=r"1 customer \(not watched for a day\)"):
        stays(workspace(bought(A=[AS_OF])))


def test_data_of_refunds_alone_are_said():
    with pytest.raises(NotEnoughData, match="no customers"):
        stays(workspace([order("A", "2025-01-01", -5.0)]))


def test_contracts_without_any_other_date_cannot_be_watched():
    crm = from_frames({"customers": pd.DataFrame([contract("A", "2024-01-01", None)])})
    with pytest.raises(NotEnoughData, match="no dates"):
        stays(crm)


def test_silence_needs_orders():
    crm = workspace(customers=[contract("A", "2024-01-01", None)])
    with pytest.raises(NotEnoughData, match="Silence needs"):
        stays(crm, setting="silence")
