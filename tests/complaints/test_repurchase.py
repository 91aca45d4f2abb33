import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import crmlab
from crmlab.complaints.aftermath import answers, fitted
from crmlab.complaints.repurchase import after_incidents
from crmlab.data.simulate.effects import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import languages, speaking

AS_OF = "2025-06-30"


def order(number, customer="A", day="2025-01-10", damaged=False, **more):
    return {
        "order_id": f"O{number}",
        "customer_id": customer,
        "ordered_at": day,
        "damaged": damaged,
        "amount": 10.0,
    } | more


def complaint(number, order, hours=None, day="2025-01-12 09:00", kind="transport"):
    first = None if hours is None else pd.Timestamp(day) + pd.Timedelta(hours=hours)
    return {
        "complaint_id": str(number),
        "order_id": order,
        "opened_at": day,
        "first_response_at": first,
        "kind": kind,
    }


def workspace(orders, complaints, **tables):
    frames = {"orders": orders, "complaints": complaints} | tables
    return from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()}, as_of=AS_OF)


def many(customers=4):
    """Customers of each kind with an order in January, and two or three, or one or two, later."""
    orders, told = [], []
    for n in range(customers):
        for kind, later in (("well", 2), ("silent", 1), ("slow", 1), ("quick", 2)):
            who = f"{kind}{n}"
            orders.append(order(who, who, damaged=kind != "well"))
            again = later + (n % 2)
            orders += [order(f"{who}-{k}", who, f"2025-0{2 + k % 2}-15") for k in range(again)]
            if kind in ("slow", "quick"):
                told.append(complaint(who, f"O{who}", {"slow": 5, "quick": 3}[kind]))
    return orders, told


def varied(customers=30):
    """Customers who order some times a month, and whose orders go wrong now and then."""
    random = np.random.default_rng(1)
    orders, told = [], []
    for n in range(customers):
        for month in range(1, 7):
            for k in range(random.poisson(1.5)):
                name = f"{n}-{month}-{k}"
                wrong = bool(random.random() < 0.4)
                orders.append(order(name, f"C{n}", f"2025-0{month}-{10 + k}", damaged=wrong))
                if wrong and random.random() < 0.6:
                    day = f"2025-0{month}-20 09:00"
                    told.append(complaint(name, f"O{name}", 1 + 6 * (k % 2), day))
    return orders, told


def row_of(found, name):
    return found.table.set_index("happened").loc[name]


def test_a_month_counts_by_its_first_complaint_then_by_what_went_wrong_unsaid():
    orders = [
        order(1, "A", "2025-01-03", damaged=True),
        order(2, "A", "2025-01-09", damaged=True),
        order(3, "A", "2025-01-20"),
        order(4, "B", "2025-01-03", damaged=True),
        order(5, "B", "2025-01-05"),
        order(6, "C", "2025-01-05"),
        order(7, "C", "2025-02-05"),
    ]
    told = [
        complaint(1, "O3", 9, day="2025-01-22 09:00"),
        complaint(2, "O2", 1),
        complaint(3, "O5", 1, kind="suggestion"),
    ]
    found = after_incidents(workspace(orders, told))
    months = found.months.set_index(["customer_id", "month"])["happened"]
    january, february = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-02-01")
    # Of A the complaint of the order of 9 January counts, not that of the 20th.
    assert months.to_dict() == {
        ("A", january): "quick",
        ("B", january): "silent",
        ("C", january): "well",
        ("C", february): "well",
    }


def test_the_first_complaint_of_a_month_may_be_of_a_later_order():
    orders = [order(1, "A", "2025-01-02", damaged=True), order(2, "A", "2025-01-20", damaged=True)]
    told = [
        complaint(1, "O1", 1, day="2025-02-20 09:00"),
        complaint(2, "O2", 9, day="2025-01-22 09:00"),
    ]
    months = after_incidents(workspace(orders, told)).months
    assert months[["happened", "about"]].to_numpy().tolist() == [["slow", "O2"]]


def test_how_an_order_was_answered_is_told_as_in_recovery():
    days = {"opened_at": "2025-01-10", "first_response_at": "2025-01-10"}
    told = [
        complaint(1, "O1") | days,
        complaint(2, "O2") | {"resolved_at": "2025-01-12 10:00"},
        complaint(3, "O3") | {"first_response_at": "2025-01-12 11:00"},
        complaint(4, "O4") | {"opened_at": None},
    ]
    orders = [order(number, "A", "2025-01-03", damaged=True) for number in range(1, 5)]
    found = answers(workspace(orders, told), 4.0)
    assert found.sort_index().to_dict() == {"O1": "", "O2": "", "O3": "quick", "O4": ""}


def test_whole_calendar_months_that_follow_are_counted():
    orders = [
        order(1, "A", "2025-01-31", damaged=True),
        order(2, "A", "2025-02-01"),
        order(3, "A", "2025-03-31"),
        order(4, "A", "2025-04-01"),
        order(5, "A", "2025-05-01"),
        order(6, "A", "2025-01-31", amount=-10.0),
    ]
    found = after_incidents(workspace(orders, [complaint(1, "O9")]), months=2)
    counted = found.months[["month", "after", "again", "so_far", "recent"]]
    assert counted["after"].tolist() == [2, 2, 2, 1]
    assert counted["so_far"].tolist() == [1, 1, 1, 1]
    assert counted["recent"].tolist() == [0, 1, 2, 3]
    # May is followed by June alone.
    assert {one.reason: one.count for one in found.exclusions} == {
        "refunds, which are no purchases": 1,
        "of months not followed by whole months enough": 1,
        "names no order that is known": 1,
    }


def test_an_answer_is_slow_also_while_it_has_not_come_and_unknown_while_it_may_come_in_time():
    told = [
        complaint(1, "O1", 4),
        complaint(2, "O2", 4.1),
        complaint(3, "O3"),
        complaint(4, "O4", day="2025-06-30 22:00"),
        complaint(5, "O1", 40, day="2025-01-13 09:00"),
    ]
    found = answers(workspace([order(n) for n in range(1, 5)], told), 4)
    assert found.to_dict() == {
        "O1": "quick", "O2": "slow", "O3": "slow", "O4": "",
    }  # fmt: skip


def test_plain_ratios_by_hand():
    found = after_incidents(workspace(*many()))
    # Well 2 or 3 orders; silent and slow 1 or 2; quick 2 or 3. February and March are months too.
    january = found.months[found.months["month"] == "2025-01-01"]
    mean = january.groupby("happened")["after"].mean()
    assert mean.to_dict() == {"quick": 2.5, "silent": 1.5, "slow": 1.5, "well": 2.5}
    assert row_of(found, "silent")["naive_ratio"] == pytest.approx(
        1.5 / row_of(found, "well")["orders_after"]
    )
    assert row_of(found, "slow")["bought_again"] == 1


def test_the_regression_is_poissons_as_statsmodels_has_it(company):
    found = after_incidents(company)
    frame = found.months
    held = pd.DataFrame({name: frame["happened"].eq(name) for name in ("silent", "slow", "quick")})
    held["orders"], held["so_far"] = np.log(frame["orders"]), np.log(frame["so_far"])
    held["recent"] = np.log(frame["recent"] + 1)
    held["one"], held["two"] = frame["orders"] == 1, frame["orders"] == 2
    known = pd.cut(frame["known"], [0, 1, 2, 3, 6, 12, 24], labels=False)
    for name, values in (("k", known), ("m", frame["month"]), ("t", frame["tier"])):
        dummies = pd.get_dummies(values, prefix=name, drop_first=True)
        held = held.join(dummies.rename(columns=str))
    design = sm.add_constant(held.astype(float))
    glm = sm.GLM(frame["after"], design, family=sm.families.Poisson()).fit()
    for name in ("silent", "slow", "quick"):
        assert row_of(found, name)["ratio"] == pytest.approx(np.exp(glm.params[name]), rel=1e-6)


def test_what_is_known_of_the_company_is_found(company):
    found = after_incidents(company)
    silent, slow = row_of(found, "silent"), row_of(found, "slow")
    assert silent["ratio_low"] < np.exp(-0.35) < silent["ratio_high"]
    assert slow["ratio_low"] < np.exp(-0.30) < slow["ratio_high"]
    quick = found.contrasts.set_index(["first", "second"]).loc[("quick", "slow")]
    assert quick["ratio_low"] < np.exp(0.28) < quick["ratio_high"]
    assert quick["beyond_chance"]
    # Who has incidents orders more: with nothing held equal the loss looks like a gain.
    assert silent["naive_ratio"] > 1 > silent["ratio_high"]


def test_in_a_students_company_the_effects_are_found():
    effects = effects_of("20260002")
    found = after_incidents(crmlab.load(student="20260002"))
    quick = found.contrasts.set_index(["first", "second"]).loc[("quick", "slow")]
    assert quick["ratio_low"] < np.exp(effects["quick_orders"]) < quick["ratio_high"]
    silent = row_of(found, "silent")
    assert silent["ratio_low"] < np.exp(effects["silent_orders"]) < silent["ratio_high"]


def test_without_dates_of_answers_complaints_are_one_group():
    orders, told = varied()
    rows = [{name: one[name] for name in ("complaint_id", "order_id")} for one in told]
    found = after_incidents(workspace(orders, rows))
    assert found.table["happened"].tolist() == ["well", "silent", "complained"]
    assert found.contrasts[["first", "second"]].to_numpy().tolist() == [["complained", "silent"]]
    assert "unsaid" in found.title()
    found.plot()


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("made", [many(1), many(4), varied()])
def test_few_customers_are_shown_and_said_without_being_held_equal(made, language):
    with speaking(language):
        found = after_incidents(workspace(*made))
        some = found.table[found.table["happened"] != "well"]
        assert some["ratio"].isna().tolist() == (some["customers"] < 5).tolist()
        found.plot()
        for said in (found.title(), found.alt(), found.reading(), found.definition.method):
            assert said
            assert "nan" not in said


def test_where_nobody_comes_back_the_ratio_is_missing_and_not_nought():
    orders = [order(f"w{n}", f"W{n}") for n in range(9)]
    orders += [order(f"w{n}b", f"W{n}", "2025-02-03") for n in range(9)]
    orders += [order(f"s{n}", f"S{n}", damaged=True) for n in range(9)]
    found = after_incidents(workspace(orders, [complaint(1, "O77")]))
    assert np.isnan(row_of(found, "silent")["ratio"])
    assert row_of(found, "silent")["naive_ratio"] == 0
    assert "Nothing can be held equal here" in found.reading()
    found.plot()


def test_a_column_that_others_make_up_is_left_out_of_the_regression():
    frame = after_incidents(workspace(*varied())).months.assign(tier="key")
    names = fitted(frame, ["silent", "slow", "quick"]).names
    assert names[:3] == ("silent", "slow", "quick")
    assert not [name for name in names if name.startswith("tier")]


def test_what_cannot_be_done_is_said():
    crm = workspace(*many(1))
    with pytest.raises(CrmlabError, match=r"months = 13 is not from 1 to 12"):
        after_incidents(crm, months=13)
    with pytest.raises(CrmlabError, match=r"hours = 0 is not above 0"):
        after_incidents(crm, hours=0)
    with pytest.raises(NotEnoughData, match="No month in which something went wrong"):
        after_incidents(workspace([order(1), order(2, damaged=True, day="2025-05-05")],
                                  [complaint(1, "O9")]))  # fmt: skip
