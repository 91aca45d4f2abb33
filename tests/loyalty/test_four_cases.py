import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.simulate.effects import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.loyalty.answers import Diary
from crmlab.loyalty.four_cases import CASES, four_cases
from crmlab.stats import weighted

AS_OF = "2025-12-31"


def answer(number, overall, at="2025-03-01 09:00", customer=None, **more):
    usual = {
        "response_id": str(number),
        "customer_id": customer or f"C{number}",
        "answered_at": at,
        "overall": overall,
    }
    return usual | more


def order(number, customer, at, amount=10.0):
    return {"order_id": f"O{number}", "customer_id": customer, "ordered_at": at, "amount": amount}


def workspace(surveys, orders=None, **tables):
    frames = {"surveys": pd.DataFrame(surveys)} | tables
    if orders is not None:
        frames["orders"] = pd.DataFrame(orders)
    return from_frames(frames, as_of=AS_OF)


def counts(result):
    return dict(zip(result.table["case"], result.table["answers"], strict=True))


def test_each_answer_falls_into_one_of_the_four_cases():
    crm = workspace(
        [answer(1, 5), answer(2, 4), answer(3, 3), answer(4, 1), answer(5, 4)],
        [
            order(1, "C1", "2025-03-20"),
            order(2, "C3", "2025-04-30 23:00"),
            order(3, "C5", "2025-05-01"),
        ],
    )
    found = four_cases(crm)
    assert counts(found) == {
        "satisfied_loyal": 1,
        "satisfied_not_loyal": 2,
        "dissatisfied_loyal": 1,
        "dissatisfied_not_loyal": 1,
    }
    assert found.table["share"].tolist() == pytest.approx([0.2, 0.4, 0.2, 0.2])
    # 61 days after the answer is too late for 60 days, and soon enough for 61.
    assert counts(four_cases(crm, days=61))["satisfied_loyal"] == 2


def test_a_refund_and_an_order_of_the_day_of_the_answer_are_no_purchase_afterwards():
    crm = workspace(
        [answer(1, 5), answer(2, 5), answer(3, 5)],
        [
            order(1, "C1", "2025-03-10", -5.0),
            order(2, "C2", "2025-03-01 18:00"),
            order(3, "C3", "2025-03-10", 0.0),
        ],
    )
    assert counts(four_cases(crm))["satisfied_loyal"] == 1


def test_answers_whose_days_are_not_over_are_left_out_even_if_the_customer_bought():
    crm = workspace(
        [answer(1, 5), answer(2, 5, "2025-11-01"), answer(3, 5, "2025-11-02")],
        [order(1, "C3", "2025-11-10")],
    )
    found = four_cases(crm)
    assert counts(found)["satisfied_not_loyal"] == 2
    assert [(one.count, one.unit) for one in found.exclusions] == [(1, "questionnaire")]
    assert "1 questionnaire (fewer than 60 days before the end" in found.reading()


def test_loyal_in_attitude_needs_no_orders():
    surveys = [
        answer(1, 5, repurchase_intention=4),
        answer(2, 5, repurchase_intention=3),
        answer(3, 2, repurchase_intention=5),
        answer(4, 2),
    ]
    found = four_cases(workspace(surveys), loyal="intention")
    assert found.table["answers"].tolist() == [1, 1, 1, 0]
    assert found.exclusions[0].count == 1
    with pytest.raises(MissingColumns, match=r"orders\.customer_id"):
        four_cases(workspace(surveys), loyal="bought")
    assert four_cases(workspace(surveys)).loyal == "intention"


def test_shares_are_weighted_with_customers_as_clusters():
    surveys = [
        answer(n, 5 if n % 3 else 2, customer=f"C{n % 20}", weight=1.0 + n % 2) for n in range(60)
    ]
    crm = workspace(surveys, [order(n, f"C{n}", "2025-03-15") for n in range(0, 20, 2)])
    row = four_cases(crm).table.set_index("case").loc["satisfied_loyal"]
    own = [1.0 if n % 3 and (n % 20) % 2 == 0 else 0.0 for n in range(60)]
    by_hand = weighted.share(
        own, weights=[1.0 + n % 2 for n in range(60)], clusters=[n % 20 for n in range(60)]
    )
    assert row[["share", "low", "high"]].tolist() == pytest.approx(list(by_hand[:3]))


def test_of_more_questionnaires_than_can_be_held_a_sample_of_customers_is_used(monkeypatch):
    surveys = [answer(n, 5, customer=f"C{n // 2}", repurchase_intention=5) for n in range(40)]
    monkeypatch.setattr("crmlab.data.questionnaires.LARGEST", 10)
    found = four_cases(workspace(surveys))
    assert found.table["answers"].sum() == 10
    assert "Of 40 questionnaires those of 5 customers drawn at random are used." in found.reading()


def test_from_where_a_customer_is_satisfied_can_be_chosen():
    crm = workspace([answer(1, 4), answer(2, 5)], [order(1, "C1", "2025-03-15")])
    assert counts(four_cases(crm, satisfied_from=5))["dissatisfied_loyal"] == 1


def test_what_moved_is_of_customers_asked_in_successive_waves_with_their_last_answer():
    surveys = [
        answer(1, 5, "2025-01-10", "A", wave="winter", repurchase_intention=5),
        answer(2, 2, "2025-01-20", "A", wave="winter", repurchase_intention=5),
        answer(3, 2, "2025-04-10", "A", wave="spring", repurchase_intention=1),
        answer(4, 5, "2025-01-10", "B", wave="winter", repurchase_intention=5),
        answer(5, 5, "2025-07-10", "B", wave="summer", repurchase_intention=5),
        answer(6, 5, "2025-04-10", "C", wave="spring", repurchase_intention=5),
        answer(7, 5, "2025-07-10", "C", wave="summer", repurchase_intention=5),
    ]
    found = four_cases(workspace(surveys), loyal="intention")
    there = found.moved[found.moved["customers"] > 0]
    assert there[["case_before", "case", "customers"]].to_numpy().tolist() == [
        ["satisfied_loyal", "satisfied_loyal", 1],
        ["dissatisfied_loyal", "dissatisfied_not_loyal", 1],
    ]
    assert found.stayed.value == 0.5
    assert found.stayed_by_chance == pytest.approx(0.25)
    assert "1 who were dissatisfied yet loyal" in found.reading()
    assert "few to build on" in found.reading()


def test_who_is_content_later_and_does_not_come_back_has_stopped_being_loyal_too():
    later = {"A": (5, 1), "B": (2, 1), "C": (2, 5), "D": (5, 5)}
    surveys = [answer(n, 2, "2025-01-10", n, wave="a", repurchase_intention=5) for n in later]
    surveys += [
        answer(f"{n} later", overall, "2025-04-10", n, wave="b", repurchase_intention=intends)
        for n, (overall, intends) in later.items()
    ]
    reading = four_cases(workspace(surveys), loyal="intention").reading()
    assert "1 were so again and 2 had stopped being loyal" in reading


def test_one_wave_only():
    surveys = [answer(1, 5, wave="a", repurchase_intention=5)]
    surveys += [answer(2, 1, wave="b", repurchase_intention=1)]
    crm = workspace(surveys)
    found = four_cases(crm, loyal="intention", wave="b")
    assert counts(found)["dissatisfied_not_loyal"] == 1
    assert found.table["answers"].sum() == 1
    assert "wave b" in found.definition.denominator
    with pytest.raises(UnknownName, match="there are: a, b"):
        four_cases(crm, loyal="intention", wave="c")


def test_the_captive_are_held_against_the_other_dissatisfied():
    surveys = [
        answer(
            n, 2, repurchase_intention=5 if n < 40 else 1, share_of_needs=0.95 if n < 30 else 0.4
        )
        for n in range(80)
    ]
    tiers = pd.DataFrame({"customer_id": [f"C{n}" for n in range(80)], "tier": ["key"] * 80})
    found = four_cases(workspace(surveys, customers=tiers), loyal="intention")
    row = found.profile.iloc[0]
    assert (row["captive"], row["others"]) == (0.75, 0)
    assert row["low"] > 0.5
    assert found.tied.value == pytest.approx(30 / 80)
    assert "75% against 0%" in found.reading()


def test_comparisons_that_cannot_be_judged_count_among_those_corrected_for():
    surveys = [
        answer(
            n, 2, repurchase_intention=5 if n < 40 else 1,
            share_of_needs=(0.95 if n < 4 else 0.4) if n < 45 else None,
        )
        for n in range(80)
    ]  # fmt: skip
    tiers = ["key" if n < 30 else "general" for n in range(80)]
    customers = pd.DataFrame({"customer_id": [f"C{n}" for n in range(80)], "tier": tiers})
    found = four_cases(workspace(surveys, customers=customers), loyal="intention")
    assert found.profile["low"].isna().tolist() == [True, False, False]
    assert "among 3 comparisons" in found.reading()
    assert "Of the answers that say how much of their needs customers give us, 8.9%" in (
        found.reading()
    )


def test_of_few_captive_customers_nothing_is_said():
    surveys = [
        answer(n, 2, repurchase_intention=5 if n < 5 else 1, share_of_needs=0.95 if n < 5 else 0.4)
        for n in range(40)
    ]
    found = four_cases(workspace(surveys), loyal="intention")
    assert found.profile["low"].isna().all()
    assert "differ from those" not in found.reading()


def test_who_bought_often_before_is_loyal_anyway_and_the_reading_says_so():
    surveys = [answer(n, 5) for n in range(20)]
    often = [order(100 * n + d, f"C{n}", f"2025-02-{d:02d}") for n in range(8) for d in (1, 5, 9)]
    later = [order(5000 + n, f"C{n}", "2025-03-20") for n in range(10)]
    found = four_cases(workspace(surveys, [*often, *later]))
    usual = found.usual.set_index("group")
    assert usual.loc["more", ["answers", "loyal"]].tolist() == [8, 1]
    assert usual.loc["fewer", "loyal"] == pytest.approx(2 / 12)
    said = "Where a customer had bought at least once in the 180 days before the answer, "
    assert f"{said}100% (68% to 100%) bought again, else 17% (4% to 46%)," in found.reading()
    assert "who buys often buys again soon, whatever they feel." in found.reading()


def test_that_who_buys_often_buys_again_is_said_only_where_it_is_so():
    often = [order(d, "C1", f"2025-02-{d:02d}") for d in (1, 5, 9)]
    rarely = [order(20, "C2", "2025-02-02"), order(21, "C2", "2025-03-20")]
    found = four_cases(workspace([answer(1, 5), answer(2, 2)], [*often, *rarely]))
    assert found.median_before == 2
    assert "bought at least 3 times in the 180 days" in found.reading()
    assert "0% (0% to 79%) bought again, else 100% (21% to 100%), satisfied" in found.reading()
    assert "buys again soon" not in found.reading()


def test_call_centre_answers_and_those_without_customer_or_weight_are_counted_and_left_out():
    surveys = [
        answer(1, 5, mode="sample", weight=2.0),
        answer(2, 5, mode="call_centre", weight=2.0),
        answer(3, 5, mode="sample", weight=None),
        answer(4, None, mode="sample", weight=2.0),
        answer(5, 4, mode="sample", weight=2.0) | {"customer_id": None},
        answer(6, 4, None, mode="sample", weight=2.0),
    ]
    found = four_cases(workspace(surveys, [order(1, "C1", "2025-03-15")]))
    assert found.table["answers"].sum() == 1
    assert [one.count for one in found.exclusions] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"satisfied_from": 1}, "satisfied_from = 1 is not from 2 to 5"),
        ({"loyal": "yes"}, "loyal is 'bought' or 'intention'"),
        ({"days": 0}, "days = 0 is not from 1 to 365"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    crm = workspace([answer(1, 5)], [order(1, "C1", "2025-03-15")])
    with pytest.raises(CrmlabError, match=said):
        four_cases(crm, **options)


def test_without_any_answer_that_can_be_judged_it_is_said():
    orders = [order(1, "C1", "2025-03-15")]
    with pytest.raises(NotEnoughData, match="None of 1 answers can be judged"):
        four_cases(workspace([answer(1, 5, "2025-12-30")], orders))
    with pytest.raises(NotEnoughData, match="No questionnaire of a customer"):
        four_cases(workspace([answer(1, None)], orders))


def test_a_single_answer_gives_a_picture_and_a_reading():
    found = four_cases(workspace([answer(1, 5)], [order(1, "C1", "2025-03-15")]))
    assert found.table["share"].tolist() == [1, 0, 0, 0]
    assert len(found.title()) <= 90
    assert "Nobody was asked in two successive waves" in found.reading()
    assert found.plot().get_xlim() == (0, 2)


def test_of_the_company_the_share_that_is_tied_is_found(company):
    found = four_cases(company)
    assert found.tied.low < 0.12 < found.tied.high
    assert list(found.table["case"]) == list(CASES)
    assert found.table["share"].sum() == pytest.approx(1)


def test_the_shares_of_the_company_by_hand(company):
    surveys = company.surveys.query("mode != 'call_centre' and answered_at.notna()")
    over = surveys["answered_at"].dt.normalize() + pd.Timedelta(days=60)
    surveys = surveys[over <= pd.Timestamp(company.as_of)]
    orders = company.orders.query("not amount < 0")[["customer_id", "ordered_at"]]
    pairs = surveys.merge(orders, on="customer_id")
    gap = (pairs["ordered_at"].dt.normalize() - pairs["answered_at"].dt.normalize()).dt.days
    loyal = surveys["response_id"].isin(pairs.loc[gap.between(1, 60), "response_id"])
    weight = surveys["weight"].groupby([surveys["overall"] >= 4, loyal.rename("loyal")]).sum()
    by_hand = (weight / weight.sum()).loc[[(True, True), (True, False), (False, True)]]
    assert four_cases(company).table["share"][:3].tolist() == pytest.approx(by_hand.tolist())


def test_of_the_company_the_captive_in_attitude_are_tied_more_often(company):
    profile = four_cases(company, loyal="intention").profile
    assert profile.loc[profile["characteristic"] == "share_of_needs", "low"].item() > 0


def test_in_a_students_company_the_share_that_is_tied_is_found():
    crm = crmlab.load(student="20261234")
    found = four_cases(crm).tied
    assert found.low < effects_of("20261234")["captive_share"] < found.high


def test_purchases_around_a_day_are_those_counted_one_by_one():
    random = np.random.default_rng(1)
    orders = pd.DataFrame(
        {
            "customer_id": random.choice(list("ABCD"), 300),
            "ordered_at": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(random.integers(0, 200 * 24, 300), "h"),
        }
    )
    diary = Diary(orders)
    day = orders["ordered_at"].dt.normalize()
    for who, when in [("A", "2025-03-01"), ("D", "2025-06-30"), ("E", "2025-02-01")]:
        since = (day[orders["customer_id"] == who] - pd.Timestamp(when)).dt.days
        at = pd.to_datetime([when])
        assert diary.count([who], at, -30, -1)[0] == since.between(-30, -1).sum()
        assert diary.count([who], at, 1, 14)[0] == since.between(1, 14).sum()
        before = since[since < 0]
        assert diary.days_since([who], at)[0] == (-before.max() if len(before) else np.inf)
