import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.complaints.iceberg import iceberg
from crmlab.data.model import Settings
from crmlab.data.simulate.effects import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import languages, speaking

AS_OF = "2025-01-31"


def order(number, customer="A", damaged=True, day="2025-01-05", **more):
    return {
        "order_id": f"O{number}",
        "customer_id": customer,
        "ordered_at": day,
        "damaged": damaged,
        "amount": 10.0,
    } | more


def complaint(number, order=None, day="2025-01-06", kind="transport"):
    named = None if order is None else f"O{order}"
    return {"complaint_id": str(number), "order_id": named, "opened_at": day, "kind": kind}


def workspace(orders, complaints, **tables):
    frames = {"orders": orders, "complaints": complaints} | tables
    return from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()}, as_of=AS_OF)


def test_each_order_counts_once_however_often_it_was_complained_of():
    orders = [order(n, customer=f"C{n}") for n in range(4)] + [order(9, damaged=False)]
    told = [complaint(1, 0), complaint(2, 0, day="2025-01-07"), complaint(3, 9), complaint(4)]
    told.append(complaint(5, 1, kind="suggestion"))
    found = iceberg(workspace(orders, told))
    row = found.overall
    assert row[["incidents", "complained", "silent"]].tolist() == [4, 1, 3]
    assert (row["share"], row["per_complaint"]) == (0.25, 4.0)
    # Wilson's interval of 0.75 in 3: the spread between customers is known from three differences.
    assert (row["low"], row["high"]) == pytest.approx((0.0368, 0.7439), abs=1e-4)
    assert row["per_complaint_low"] == pytest.approx(1 / row["high"])
    assert (found.more, found.well, found.unnamed) == (1, 1, 1)
    said = found.reading()
    assert "1 complaint more was of an order already complained of" in said
    assert "1 order complained of had nothing wrong" in said
    assert "1 complaint names no order that is known" in said
    assert found.delays.tolist() == [1.0]


def test_what_went_wrong_in_the_last_days_is_counted_apart():
    days = ["2025-01-24", "2025-01-25", "2025-01-31 20:00"]
    orders = [order(n, day=day) for n, day in enumerate(days)]
    orders.append(order(8, amount=-10.0))
    found = iceberg(workspace(orders, [complaint(1, 2)]), days=7)
    assert found.overall["incidents"] == 1
    assert [(one.reason, one.count) for one in found.exclusions] == [
        ("refunds, which are no purchases", 1),
        ("went wrong less than 7 days before the last day", 2),
    ]
    assert iceberg(workspace(orders, [complaint(1, 2)]), days=0).overall["incidents"] == 3


def test_an_order_is_judged_from_its_delivery_and_only_without_one_from_its_promise():
    late = {"promised_at": "2025-01-20 18:00", "delivered_at": "2025-01-30 09:00"}
    lost = {"promised_at": "2025-01-20 18:00", "delivered_at": None}
    orders = [order(1, damaged=False, **late), order(2, damaged=False, **lost)]
    found = iceberg(workspace(orders, [complaint(1, 2, day="2025-01-22 18:00")]))
    assert found.table[["fault", "incidents"]].to_numpy().tolist() == [["late", 1]]
    assert found.delays.tolist() == [2.0]


def test_an_order_with_two_faults_counts_under_both_and_once_in_all():
    orders = [order(1, documents_ok=False), order(2, documents_ok=True)]
    found = iceberg(workspace(orders, [complaint(1, 1)]))
    assert found.table[["fault", "incidents", "complained"]].to_numpy().tolist() == [
        ["damaged", 2, 1],
        ["documents", 1, 1],
    ]
    assert found.overall["incidents"] == 2


def test_customers_who_always_or_never_complain_widen_the_interval():
    alone = [order(n, customer=f"C{n}") for n in range(40)]
    alike = [order(n, customer=f"C{n // 10}") for n in range(40)]
    told = [complaint(n, n) for n in range(20)]
    one = iceberg(workspace(alone, told)).overall
    other = iceberg(workspace(alike, told)).overall
    assert one["share"] == other["share"] == 0.5
    assert other["high"] - other["low"] > 2 * (one["high"] - one["low"])


def test_groups_are_compared_with_the_others_only_where_there_are_customers_enough():
    orders = [order(n, customer=f"C{n}", region="N") for n in range(30)]
    orders += [order(100 + n, customer=f"D{n}", region="S") for n in range(30)]
    orders += [order(200 + n, customer=f"E{n}", region=None) for n in range(4)]
    told = [complaint(n, n) for n in range(25)] + [complaint(100, 101)]
    found = iceberg(workspace(orders, told), by="region")
    table = found.table.assign(region=found.table["region"].fillna("none")).set_index("region")
    assert table["incidents"].tolist() == [30, 30, 4]
    assert table["stands_out"].isna().to_dict() == {"N": False, "S": False, "none": True}
    assert table.loc[["N", "S"], "stands_out"].all()
    assert "among 2 groups: N 83.3%" in found.reading()
    assert "not given 0.0%" in found.alt()


@pytest.mark.parametrize("told", [[], [0], [0, 1]])
@pytest.mark.parametrize("language", languages())
def test_nobody_or_everybody_complaining_is_said_and_drawn(told, language):
    orders = [order(n, customer=f"C{n}") for n in range(2)]
    rows = [complaint(n, n) for n in told] or [complaint(1, 77)]
    with speaking(language):
        found = iceberg(workspace(orders, rows))
        found.plot()
        for said in (found.title(), found.alt(), found.definition.method, found.reading()):
            assert said
            assert "–" not in said
            assert "nan" not in said


def test_without_a_complaint_there_is_no_multiplier():
    found = iceberg(workspace([order(1)], [complaint(1, 77)]))
    assert np.isnan(found.overall["per_complaint"])
    assert found.title() == "Of 1 order that went wrong none was complained of"
    assert "For each one" not in found.reading()


def test_complaints_that_come_later_than_the_days_waited_are_pointed_out():
    told = [complaint(1, 1, day="2025-01-20")]
    assert "Say more days" in iceberg(workspace([order(1)], told), days=7).reading()
    assert "Say more days" not in iceberg(workspace([order(1)], told), days=15).reading()


def test_what_cannot_be_done_is_said():
    crm = workspace([order(1)], [complaint(1, 1)])
    with pytest.raises(CrmlabError, match=r"days = 91 is not from 0 to 90"):
        iceberg(crm, days=91)
    with pytest.raises(UnknownName, match="cannot be grouped by colour"):
        iceberg(crm, by="colour")
    many = [order(n, customer=f"C{n}", route=f"R{n}") for n in range(61)]
    with pytest.raises(CrmlabError, match=r"by = 'route' makes 61 groups; at most 60"):
        iceberg(workspace(many, [complaint(1, 1)]), by="route")
    with pytest.raises(NotEnoughData, match="No order is known to have gone wrong"):
        iceberg(workspace([order(1, damaged=False)], [complaint(1, 1)]))
    with pytest.raises(NotEnoughData, match="that went wrong are more recent than 7 days"):
        iceberg(workspace([order(1, day="2025-01-30")], [complaint(1, 1)]))
    bare = {"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-01-01"]}
    crm = from_frames({"orders": pd.DataFrame(bare), "complaints": pd.DataFrame([complaint(1, 1)])})
    with pytest.raises(MissingColumns, match=r"needs orders\.on_time"):
        iceberg(crm)


def test_without_customers_each_order_stands_for_itself():
    orders = [{k: v for k, v in order(n).items() if k != "customer_id"} for n in range(4)]
    assert iceberg(workspace(orders, [complaint(1, 0)])).overall["share"] == 0.25


def test_of_very_many_customers_some_are_drawn(monkeypatch):
    monkeypatch.setattr("crmlab.data.drawn.some_customers.__defaults__", (200,))
    found = iceberg(crmlab.load())
    assert "200 drawn at random are used here" in found.reading()
    assert found.overall["incidents"] < 2000


def test_the_chance_of_a_complaint_is_found_for_each_type_of_customer(company):
    found = iceberg(company, by="customer_type").table.set_index("customer_type")
    truth = {"economic": 0.26, "ethical": 0.15, "personalised": 0.36, "convenience": 0.21}
    for kind, chance in truth.items():
        assert found.loc[kind, "low"] < chance < found.loc[kind, "high"]
    assert found.loc["personalised", "stands_out"]
    # What went wrong makes no difference to who complains of it.
    assert not iceberg(company).table["stands_out"].any()


def test_in_a_students_company_who_complains_most_is_found():
    student = "20261234"
    effects = effects_of(student)
    kinds = ("economic", "ethical", "personalised", "convenience")
    found = iceberg(crmlab.load(student=student), by="customer_type").table
    most = max(kinds, key=lambda kind: effects[f"complain_{kind}"])
    assert found.sort_values("share")["customer_type"].iloc[-1] == most


def test_a_suggestion_is_told_by_its_cause_where_the_kind_is_not_given():
    told = [complaint(1, 1, kind=None) | {"cause": "suggestion"}, complaint(2, 2)]
    found = iceberg(workspace([order(1), order(2)], told))
    assert found.overall[["complained", "silent"]].tolist() == [1, 1]


def test_complaints_before_the_goods_arrive_are_said_to_be_so():
    late = {"delivered_at": "2025-01-15", "promised_at": "2025-01-08", "damaged": False}
    orders = [order(n, customer=f"C{n}") | late for n in range(3)]
    told = [complaint(n, n, day=f"2025-01-{10 + 5 * n:02}") for n in range(3)]
    crm = workspace(orders, told)
    assert "Half of those complained of were so before delivery, nine" in iceberg(crm).reading()
    del late["delivered_at"]
    orders = [order(n, customer=f"C{n}") | late | {"on_time": False} for n in range(3)]
    assert "days of the promised day, nine in ten" in iceberg(workspace(orders, told)).reading()


def test_order_lines_are_called_so():
    frames = {"orders": pd.DataFrame([order(1), order(2)])}
    frames["complaints"] = pd.DataFrame([complaint(1, 1)])
    found = iceberg(from_frames(frames, Settings(record="line"), as_of=AS_OF))
    assert found.title() == "For each complaint 2.0 order lines went wrong: 50% were complained of"
    assert found.plot().get_ylabel() == "Order lines that went wrong"
