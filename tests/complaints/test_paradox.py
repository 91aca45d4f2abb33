import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.incident_answers import incident_answers
from crmlab.complaints.paradox import paradox
from crmlab.data.simulate.truth import answers_of_all
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import speaking

QUICK, SLOW = "2025-03-05 10:00", "2025-03-08 10:00"


def order(number, wrong=False, **more):
    usual = {
        "order_id": f"O{number}",
        "customer_id": f"C{number}",
        "ordered_at": "2025-03-01 09:00",
        "delivered_at": "2025-03-04 09:00",
        "damaged": wrong,
    }
    return usual | more


def complaint(number, answered=QUICK, **more):
    usual = {
        "complaint_id": f"K{number}",
        "customer_id": f"C{number}",
        "order_id": f"O{number}",
        "opened_at": "2025-03-05 09:00",
        "first_response_at": answered,
    }
    return usual | more


def answer(number, overall=3, **more):
    usual = {
        "response_id": f"Q{number}",
        "customer_id": f"C{number}",
        "order_id": f"O{number}",
        "answered_at": "2025-03-20 09:00",
        "mode": "sample",
        "overall": overall,
    }
    return usual | more


def workspace(orders, complaints, surveys, **tables):
    frames = {"orders": orders, "complaints": complaints, "surveys": surveys} | tables
    frames = {name: pd.DataFrame(rows) for name, rows in frames.items() if len(rows)}
    return from_frames(frames, as_of="2025-04-30")


def company_of(well, none, poor=(), silent=(), **more):
    """A customer for each answer given, by what had happened."""
    orders, complaints, surveys = [], [], []
    for group, overalls in (("well", well), ("none", none), ("poor", poor), ("silent", silent)):
        for overall in overalls:
            number = len(orders)
            orders.append(order(number, group != "none"))
            surveys.append(answer(number, overall))
            if group in ("well", "poor"):
                complaints.append(complaint(number, QUICK if group == "well" else SLOW))
    return workspace(orders, complaints, surveys, **more)


def test_questionnaires_are_told_apart_by_what_happened_to_their_order():
    orders = [order(n, wrong=n in (1, 2, 3, 5, 9)) for n in range(1, 10)]
    orders += [order(60, wrong=True, customer_id="C6", delivered_at="2025-03-10 09:00")]
    complaints = [
        complaint(1),
        complaint(2, SLOW),
        complaint(5, opened_at="2025-03-25 09:00", first_response_at="2025-03-25 10:00"),
        complaint(7),
        complaint(9, kind="suggestion"),
    ]
    surveys = [answer(n) for n in range(1, 10)]
    surveys[7]["mode"] = "call_centre"
    found = incident_answers(workspace(orders, complaints, surveys))
    groups = found.frame.set_index("response_id")["group"].to_dict()
    assert groups == {"Q1": "well", "Q2": "poor", "Q3": "silent", "Q4": "none", "Q9": "silent"}
    # 5 complained after the answer, 6 had another order damaged, 7 complained of something else.
    assert found.counts == {"called": 1, "nobody": 0, "early": 1, "other": 1, "shadow": 1}
    assert found.about == "order"


def test_what_is_well_can_be_defined_otherwise():
    orders = [order(n, wrong=True) for n in (1, 2, 3)]
    done = {"resolved_at": "2025-03-06 09:00"}
    complaints = [
        complaint(1, due_at="2025-03-07 09:00", **done),
        complaint(2, due_at="2025-03-05 12:00", **done),
        complaint(3, due_at=None, **done),
    ]
    crm = workspace(orders, complaints, [answer(n) for n in (1, 2, 3)])
    assert incident_answers(crm).frame["group"].tolist() == ["well"] * 3
    both = incident_answers(crm, well=("quick", "kept"))
    assert both.frame["group"].tolist() == ["well", "poor"]
    assert both.counts["unclear"] == 1


def test_without_the_orders_any_answer_soon_after_the_complaint_counts():
    complaints = [complaint(1), complaint(2, SLOW), complaint(3, opened_at="2025-01-05 09:00")]
    surveys = [answer(n) for n in (1, 2, 3, 4)]
    found = incident_answers(workspace([], complaints, surveys))
    assert found.about == "customer"
    assert found.frame["group"].tolist() == ["well", "poor", "none", "none"]
    longer = incident_answers(workspace([], complaints, surveys), days=90)
    assert longer.frame["group"].tolist() == ["well", "poor", "poor", "none"]
    assert (
        "nothing is known of who kept silent"
        in paradox(workspace([], complaints, surveys)).reading()
    )


def test_a_paradox_is_found_where_the_recovered_are_above():
    result = paradox(company_of([5, 4] * 15, [3, 2, 4] * 20, poor=[2, 1] * 8))
    row = result.table.set_index("group").loc["well"]
    assert row[["answers", "matched", "mean", "others_mean"]].tolist() == [30, 30, 4.5, 3]
    assert row["difference"] == pytest.approx(1.5)
    assert row["difference_low"] > 0
    assert result.title().startswith("A paradox:")
    assert "by more than chance" in result.reading()
    assert "Poorly recovered -1.50" in result.reading()


def test_no_paradox_and_not_to_be_told_are_not_the_same():
    below = paradox(company_of([2, 3] * 15, [3, 4, 5] * 20))
    assert below.title().startswith("No paradox")
    assert "There is no service-recovery paradox" in below.reading()
    open_ = paradox(company_of([3, 4, 5, 2] * 4, [3, 4, 5, 2] * 15))
    assert open_.title().startswith("Whether there is a recovery paradox cannot be told")
    assert "neither found nor ruled out" in open_.reading()
    few = paradox(company_of([5, 4, 5], [3, 2] * 20))
    assert "too few customers, or answers that do not vary" in few.reading()
    few.plot()
    alike = paradox(company_of([4] * 20, [4] * 40))
    assert alike.title() == open_.title()
    assert "So nothing is decided" in alike.reading()


def test_the_smallest_difference_that_would_be_found_is_that_of_a_t_test():
    from statsmodels.stats.power import TTestIndPower

    rng = np.random.default_rng(1)
    crm = company_of(rng.integers(1, 6, 200), rng.integers(1, 6, 200))
    row = paradox(crm).table.set_index("group").loc["well"]
    effect = TTestIndPower().solve_power(nobs1=200, alpha=0.05, power=0.8)
    # The standard deviation of 1 to 5, each equally likely.
    assert row["detectable"] == pytest.approx(effect * np.sqrt(2), rel=0.05)


def test_survey_weights_count_on_both_sides():
    customers = [{"customer_id": f"C{n}", "tier": "key" if n < 4 else "general"} for n in range(8)]
    orders = [order(n, wrong=n in (0, 1, 4)) for n in range(8)]
    weights, overall = [1, 3, 1, 2, 2, 1, 1, 4], [5, 1, 4, 1, 3, 2, 5, 3]
    surveys = [answer(n, overall[n], weight=float(weights[n])) for n in range(8)]
    crm = workspace(orders, [complaint(n) for n in (0, 1, 4)], surveys, customers=customers)
    row = paradox(crm).table.iloc[0]
    assert row["mean"] == pytest.approx((1 * 5 + 3 * 1 + 2 * 3) / 6)
    # Key customers stand for 4, general ones for 2 of the 6.
    key, general = (1 * 4 + 2 * 1) / 3, (1 * 2 + 1 * 5 + 4 * 3) / 6
    assert row["others_mean"] == pytest.approx((4 * key + 2 * general) / 6)


def test_the_change_within_persons_is_that_against_the_others():
    orders, complaints, surveys = [], [], []
    for n in range(40):
        before = {"order_id": f"A{n}", "customer_id": f"C{n}", "ordered_at": "2025-01-05 09:00"}
        orders += [order(n, **before, delivered_at="2025-01-07 09:00"), order(n, wrong=n < 20)]
        early = {"response_id": f"E{n}", "order_id": f"A{n}", "answered_at": "2025-01-20 09:00"}
        surveys += [answer(n, 4, **early), answer(n, 2 + n % 2 if n < 20 else 3 + n % 2)]
        complaints += [complaint(n)] if n < 20 else []
    row = paradox(workspace(orders, complaints, surveys)).table.set_index("group").loc["well"]
    # −1.5 of the recovered and −0.5 of the others
    assert row["pairs"] == 20
    assert row["change"] == pytest.approx(-1.0)
    assert row["change_high"] < 0


def test_without_earlier_answers_no_change_is_claimed():
    result = paradox(company_of([3, 4] * 10, [3, 4] * 20))
    assert result.table["change"].isna().all()
    assert "None of the well recovered had answered before" in result.reading()


def test_earlier_answers_without_a_counterpart_are_not_said_to_be_missing():
    orders, complaints, surveys = [], [], []
    for n in range(40):
        before = {"order_id": f"A{n}", "customer_id": f"C{n}", "ordered_at": "2025-01-05 09:00"}
        orders += [order(n, **before, delivered_at="2025-01-07 09:00"), order(n, wrong=n < 12)]
        early = {"response_id": f"E{n}", "order_id": f"A{n}", "answered_at": "2025-01-20 09:00"}
        surveys += [answer(n, 4, **early)] if n < 12 else []
        surveys.append(answer(n, 2 + n % 2))
        complaints += [complaint(n)] if n < 12 else []
    tiers = [{"customer_id": f"C{n}", "tier": "key" if n < 12 else "general"} for n in range(40)]
    for customers in (tiers, [one | {"tier": "key"} for one in tiers]):
        result = paradox(workspace(orders, complaints, surveys, customers=customers))
        assert (result.earlier, result.table["pairs"].iloc[0]) == (12, 0)
        assert "12 of the well recovered had also answered before the incident, but nobody" in (
            result.reading()
        )
        assert "None of the well recovered had answered" not in result.reading()
    # Nobody of their tier: no match at all, and nothing warns.
    apart = paradox(workspace(orders, complaints, surveys, customers=tiers))
    assert apart.table["matched"].iloc[0] == 0
    assert apart.balance["after"].isna().all()
    assert apart.balance["before"].notna().all()


def test_earlier_answers_that_only_some_can_be_held_against_are_counted_apart():
    orders, complaints, surveys = [], [], []
    for n in range(40):
        before = {"order_id": f"A{n}", "customer_id": f"C{n}", "ordered_at": "2025-01-05 09:00"}
        orders += [order(n, **before, delivered_at="2025-01-07 09:00"), order(n, wrong=n < 12)]
        early = {"response_id": f"E{n}", "order_id": f"A{n}", "answered_at": "2025-01-20 09:00"}
        surveys += [answer(n, 4, **early), answer(n, 2 + n % 2)]
        complaints += [complaint(n)] if n < 12 else []
    tiers = [{"customer_id": f"C{n}", "tier": "key" if n < 5 else "general"} for n in range(40)]
    result = paradox(workspace(orders, complaints, surveys, customers=tiers))
    assert (result.earlier, result.table["pairs"].iloc[0]) == (12, 7)
    assert "7 of the well recovered had also answered before the incident; since then" in (
        result.reading()
    )
    assert "5 more had, but nobody like them for whom nothing went wrong." in result.reading()


def test_what_cannot_be_asked_is_said():
    crm = company_of([3, 4], [3, 4], poor=[2])
    with pytest.raises(UnknownName, match=r"well names ways of handling, .* it is \('kind',\)"):
        paradox(crm, well=("kind",))
    with pytest.raises(CrmlabError, match="days = 3 is not from 7 to 365"):
        paradox(crm, days=3)
    with pytest.raises(CrmlabError, match="about is 'order' or 'customer'; it is 'next'"):
        paradox(crm, about="next")
    with pytest.raises(CrmlabError, match=r"about = 'order' needs the orders"):
        paradox(workspace([], [complaint(1)], [answer(1)]), about="order")
    with pytest.raises(UnknownName, match="cannot be matched on tier"):
        paradox(crm, match=["tier"])
    with pytest.raises(NotEnoughData, match="of 0 well recovered and 2 customers"):
        paradox(company_of([], [3, 4], poor=[2]))


def test_in_the_company_recovery_does_not_make_up_for_the_incident(company):
    result = paradox(company)
    rows = result.table.set_index("group")
    truth = answers_of_all()
    truth = truth[truth["eligible"]].reset_index(drop=True)
    everyone = pd.DataFrame(
        {
            "response_id": truth.index.astype(str),
            "customer_id": truth["customer_id"],
            "order_id": truth["order_id"],
            "answered_at": truth["month"] + pd.Timedelta(days=23),
            "overall": truth["answer"],
        }
    )
    tables = {name: getattr(company, name) for name in ("orders", "complaints", "customers")}
    census = paradox(from_frames(tables | {"surveys": everyone})).table.set_index("group")
    # effects.toml: late and damaged orders cost more than recovered_satisfaction .7 gives back, to
    # those who complained and were answered quickly alone.
    assert census.loc["well", "difference_high"] < 0
    assert census.loc["well", "difference_low"] > census.loc["poor", "difference"]
    assert census.loc["silent", "difference"] == pytest.approx(
        census.loc["poor", "difference"], abs=0.2
    )
    for group in ("well", "poor", "silent"):
        true = census.loc[group, "difference"]
        assert rows.loc[group, "difference_low"] < true < rows.loc[group, "difference_high"]
        assert rows.loc[group, "change_low"] < true < rows.loc[group, "change_high"]
    assert result.balance["after"].max() < 0.1
    without = int((rows["answers"] - rows["matched"]).sum())
    assert result.definition.exclusions[-1].count == without > 0


def test_every_word_is_there_in_both_languages(company):
    for code in ("en", "zh_CN"):
        with speaking(code):
            for about in ("order", "customer"):
                result = paradox(company, about=about, well=("quick", "kept"))
                assert result.reading()
                assert result.alt()
                assert result.definition.method
