"""Who answers, how they differ from all who were asked, and what asking again brings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from crmlab.data import model
from crmlab.data.simulate import effects
from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData, UnknownName
from crmlab.satisfaction.asked import asked
from crmlab.satisfaction.asking_again import follow_up
from crmlab.satisfaction.nonresponse import nonresponse_bias
from crmlab.satisfaction.response import response_rates
from crmlab.show import charts
from crmlab.stats.intervals import wilson

NAMES = [
    "response_id",
    "customer_id",
    "stratum",
    "mode",
    "sent_at",
    "answered_at",
    "weight",
    "overall",
]


def sent(groups, *, overall=4.0, weight=1.0, mode="sample", start=0):
    """Questionnaires, each of a customer of its own: of every group so many, so many answered."""
    rows = []
    for group, (count, back) in groups.items():
        for i in range(count):
            number = start + len(rows)
            day = "2025-03-02" if i < back else None
            said = overall if i < back else None
            row = (f"Q{number}", f"C{number}", group, mode, "2025-03-01", day, weight, said)
            rows.append(row)
    return pd.DataFrame(rows, columns=NAMES)


def workspace(*surveys, **tables):
    frames = {"surveys": pd.concat(surveys, ignore_index=True)} | tables
    return from_frames(frames, model.Settings(name="Test"), as_of="2025-12-31")


def customers_of(crm_surveys, **columns):
    return pd.DataFrame({"customer_id": crm_surveys["customer_id"].unique()} | columns)


# --- rates


def test_the_rate_counts_the_first_try_and_not_who_called_or_was_asked_again():
    crm = workspace(
        sent({"key": (10, 6)}),
        sent({"key": (4, 4)}, mode="follow_up", start=100),
        sent({"key": (5, 5)}, mode="call_centre", weight=None, start=200),
    )
    result = response_rates(crm, by="")
    row = result.table.iloc[0]
    assert row[["sent", "returned"]].tolist() == [10, 6]
    low, high = wilson(0.6 * 9, 9)  # of ten customers one is spent on the mean
    assert row[["share", "low", "high"]].tolist() == pytest.approx([0.6, float(low), float(high)])
    said = result.reading()
    assert "4 were asked again, and all answered" in said
    again = sent({"key": (4, 3)}, mode="follow_up", start=100)
    some = response_rates(workspace(sent({"key": (10, 6)}), again), by="").reading()
    assert "4 were asked again, and 3 of these answered" in some
    assert "Left out: 5 questionnaires (asked in the mode Call centre)." in said


def test_a_group_that_answers_less_is_found_and_named():
    crm = workspace(sent({"key": (200, 160), "potential": (200, 155), "general": (200, 80)}))
    result = response_rates(crm)
    assert result.by == "stratum"
    assert result.table["stratum"].tolist() == ["general", "potential", "key"]
    assert result.table["verdict"].tolist() == ["below", "above", "above"]
    assert result.title() == "Fewer answers from General, more from Potential, Key"
    assert (
        "came back from General and a larger one from Potential, Key, by more" in result.reading()
    )


def test_of_many_groups_the_first_and_the_last_are_drawn_in_their_colours():
    few, many = {f"a{i:02}": (40, 20) for i in range(30)}, {"zero": (40, 0), "all": (40, 40)}
    axes = response_rates(workspace(sent(few | many))).plot()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    colours = [to_hex(colour) for colour in axes.collections[1].get_facecolors()]
    assert (len(labels), labels[0], labels[-1]) == (24, "zero", "all")
    assert colours == [charts.ORANGE] + [charts.BLUE] * 23


def test_groups_that_answer_alike_are_not_said_to_be_proven_alike():
    crm = workspace(sent({"key": (100, 50), "general": (100, 50)}))
    result = response_rates(crm)
    assert set(result.table["verdict"]) == {"alike"}
    assert "That does not show that their rates are the same." in result.reading()


def test_a_group_of_few_customers_is_not_judged():
    crm = workspace(sent({"key": (4, 0), "general": (100, 90)}))
    result = response_rates(crm)
    assert result.table.set_index("stratum")["verdict"].isna().tolist() == [True, False]
    assert result.title() == "More answers than from the others: General"
    assert "a larger share came back from General, by more" in result.reading()


def test_groups_that_are_not_judged_are_named_and_not_counted():
    crm = workspace(sent({"key": (4, 2), "potential": (60, 30), "general": (60, 30)}))
    said = response_rates(crm).reading()
    assert "bring about among 2 groups" in said
    assert "Not judged, because they are fewer than 5 customers: Key." in said


def test_a_group_that_is_all_there_is_is_compared_with_nobody_and_not_called_small():
    said = response_rates(workspace(sent({"key": (100, 60)}))).reading()
    assert "Not judged" not in said
    assert "than chance" not in said


def test_only_unequal_weights_are_said_to_make_some_more_likely_to_be_asked():
    alike = response_rates(workspace(sent({"key": (100, 60)}, weight=3.0)), by="").reading()
    assert "more likely to be asked" not in alike
    rare = sent({"general": (100, 30)}, weight=9.0, start=100)
    unequal = response_rates(workspace(sent({"key": (100, 60)}), rare), by="").reading()
    assert "by the weights of the sample the rate is 33.0%" in unequal


def test_one_of_several_groups_must_differ_by_more_than_it_would_alone():
    others = dict.fromkeys("abcd", (100, 50))
    # 62 of 100 against 200 of 400: 0.03 alone, 0.15 by Holm's rule among five.
    some = response_rates(workspace(sent(others | {"e": (100, 62)}))).table
    assert set(some["verdict"]) == {"alike"}
    more = response_rates(workspace(sent(others | {"e": (100, 68)}))).table
    assert more["verdict"].tolist() == ["alike"] * 4 + ["above"]


def test_a_small_group_of_which_all_answered_is_judged_by_an_exact_test():
    crm = workspace(sent({"key": (5, 5), "general": (1000, 600)}))
    # Fisher's exact test gives 0.16; that all five answer is no rarity.
    assert set(response_rates(crm).table["verdict"]) == {"alike"}
    crm = workspace(sent({"key": (30, 30), "general": (1000, 600)}))
    assert response_rates(crm).table.set_index("stratum")["verdict"]["key"] == "above"


def test_questionnaires_of_one_customer_widen_the_interval():
    alone = sent({"key": (200, 100)})
    shared = alone.assign(customer_id="C" + (alone.index // 20).astype(str))
    row = response_rates(workspace(shared)).table.iloc[0]
    assert row["customers"] == 10
    # Ten customers who all answer or all do not: 20 · 10/9, and t of 9 for t of 199 degrees.
    effect = 20 * 10 / 9 * (2.262157 / 1.971957) ** 2
    assert row["design_effect"] == pytest.approx(effect, rel=1e-4)
    low, high = wilson(100 / effect, 200 / effect)
    assert row[["low", "high"]].tolist() == pytest.approx([float(low), float(high)], rel=1e-4)


def test_months_stand_in_their_order_and_are_those_of_sending():
    late = sent({"key": (20, 19)}, start=100).assign(sent_at="2025-01-31", answered_at="2025-02-01")
    result = response_rates(workspace(sent({"key": (20, 5)}), late), by="month")
    assert result.table["month"].dt.strftime("%Y-%m").tolist() == ["2025-01", "2025-03"]


def test_a_group_that_is_not_known_is_one_of_its_own():
    crm = workspace(sent({"key": (10, 5), None: (10, 5)}))
    assert sorted(response_rates(crm).table["stratum"]) == ["key", "not given"]
    with pytest.raises(UnknownName, match="no column colour"):
        response_rates(crm, by="colour")


def test_without_the_unanswered_there_is_no_rate_and_it_is_said():
    with pytest.raises(NotEnoughData, match="who was asked in vain"):
        response_rates(workspace(sent({"key": (5, 5)})))
    with pytest.raises(NotEnoughData, match="No questionnaire was answered"):
        response_rates(workspace(sent({"key": (5, 0)})))
    with pytest.raises(MissingColumns, match=r"surveys\.answered_at"):
        response_rates(workspace(sent({"key": (5, 2)}).drop(columns="answered_at")))


def test_questionnaires_without_a_weight_are_left_out_where_others_have_one():
    crm = workspace(sent({"key": (6, 3)}), sent({"key": (4, 1)}, weight=None, start=50))
    found = asked(crm)
    assert (len(found.frame), found.silent, found.without_weight) == (6, 3, 4)
    assert found.sentence() == "Left out: 4 questionnaires (without a weight)."


# --- what is known of everyone


def test_standardised_difference_by_hand():
    surveys = pd.concat([sent({"a": (50, 40)}), sent({"b": (50, 20)}, start=50)])
    people = customers_of(surveys, tier=["key"] * 50 + ["general"] * 50)
    result = nonresponse_bias(workspace(surveys, customers=people), margins=("tier",))
    row = result.table.set_index("category").loc["key"]
    assert row["asked_share"] == pytest.approx(0.5)
    assert row["returned_share"] == pytest.approx(40 / 60)
    assert row["standardised"] == pytest.approx((40 / 60 - 0.5) / 0.5)
    assert row["low"] < row["standardised"] < row["high"]
    assert result.table["apart"].tolist() == [True, True]
    assert "Those who answered differ from those asked: Tier · " in result.title()
    assert "Order on time" not in result.reading()
    assert "Late order, Revenue above the median, Has complained" in result.reading()


def test_no_difference_is_said_to_be_no_more_than_chance():
    surveys = pd.concat([sent({"a": (50, 25)}), sent({"b": (50, 25)}, start=50)])
    people = customers_of(surveys, tier=["key"] * 50 + ["general"] * 50)
    result = nonresponse_bias(workspace(surveys, customers=people), margins=("tier",))
    assert (
        result.title()
        == "No difference between those who answered and those asked is beyond chance"
    )
    assert "In none of 2 comparisons" in result.reading()
    assert "The decision allows for all 2 comparisons (Holm)" in result.reading()


def test_where_all_are_alike_there_is_nothing_to_compare():
    surveys = sent({"a": (10, 5)})
    people = customers_of(surveys, tier="key")
    with pytest.raises(NotEnoughData, match="Nothing is known of those who were asked"):
        nonresponse_bias(workspace(surveys, customers=people))


def test_late_orders_are_compared_among_those_whose_outcome_is_known():
    surveys = sent({"a": (40, 20)})
    surveys["order_id"] = "O" + surveys.index.astype(str)
    orders = pd.DataFrame(
        {
            "order_id": surveys["order_id"],
            "on_time": [True] * 18 + [False] * 18 + [None] * 4,
        }
    )
    result = nonresponse_bias(workspace(surveys, orders=orders))
    row = result.table.iloc[0]
    assert row["characteristic"] == "late"
    assert row["asked_share"] == pytest.approx(0.5)
    assert row["returned_share"] == pytest.approx(2 / 20)


def test_revenue_and_complaints_are_compared_among_those_who_name_their_customer():
    surveys = sent({"a": (40, 20)})
    surveys.loc[:9, "customer_id"] = None
    surveys.loc[10:, "customer_id"] = [f"C{i}" for i in range(30)]
    people = pd.DataFrame({"customer_id": [f"C{i}" for i in range(30)], "tier": "key"})
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["C0"], "amount": [5.0]})
    complaints = pd.DataFrame({"complaint_id": ["1", "2"], "customer_id": ["C0", "C29"]})
    tables = {"customers": people, "orders": orders, "complaints": complaints}
    rows = nonresponse_bias(workspace(surveys, **tables)).table.set_index("characteristic")
    assert rows.loc["large", "asked_share"] == pytest.approx(1 / 30)
    assert rows.loc["complained", ["asked_share", "returned_share"]].tolist() == pytest.approx(
        [2 / 30, 1 / 10]
    )


# --- asking again


def twice_asked(*, at_once, later, reached=10):
    """60 of 100 answer at once; of the 40 others 10 are asked again, each standing for 4."""
    first = sent({"a": (100, 60)}, overall=at_once)
    again = sent({"a": (10, reached)}, overall=later, weight=4.0, mode="follow_up", start=60)
    again["response_id"] = "again " + again["response_id"]
    return [first, again]


def test_each_of_the_silent_ones_reached_stands_for_several():
    surveys = twice_asked(at_once=5.0, later=2.0)
    surveys[0].loc[0, "overall"] = 4.0
    surveys[1].loc[0, "overall"] = 3.0
    result = follow_up(workspace(*surveys))
    rows = result.table.set_index("way")
    assert rows.index.tolist() == ["first", "silent", "both"]
    assert rows.loc["first", "satisfaction"] == pytest.approx(299 / 60)
    assert rows.loc["silent", "satisfaction"] == pytest.approx(2.1)
    assert rows.loc["both", "satisfaction"] == pytest.approx((299 + 4 * 21) / 100)
    assert rows.loc["both", "satisfied_share"] == pytest.approx(0.6)
    assert "the first answers alone flatter the company" in result.reading()
    assert "All 10 questionnaires sent again were answered." in result.reading()
    assert "Nothing is known of everyone that the answers could be raked to." in result.reading()


def test_the_other_direction_and_no_direction_have_their_own_words():
    surveys = twice_asked(at_once=2.0, later=5.0)
    surveys[0].loc[0, "overall"] = 3.0
    worse = follow_up(workspace(*surveys))
    assert "make the company look worse" in worse.reading()
    assert "more satisfied" in worse.title()
    surveys = twice_asked(at_once=4.0, later=4.0)
    surveys[0].loc[:29, "overall"] = 2.0
    surveys[1].loc[:4, "overall"] = 2.0
    alike = follow_up(workspace(*surveys))
    assert "cannot be told" in alike.title()
    assert "no difference can be told" in alike.reading()
    assert "1 would mean that satisfaction does not matter, and that is not" in alike.reading()


def test_the_same_customers_asked_twice_as_often_tell_no_more():
    first, again = twice_asked(at_once=5.0, later=2.0)
    first.loc[:29, "overall"] = 4.0
    again.loc[:4, "overall"] = 3.0
    twice = [
        pd.concat([one, one.assign(response_id="2 " + one["response_id"])])
        for one in (first, again)
    ]
    once, doubled = follow_up(workspace(first, again)), follow_up(workspace(*twice))
    assert doubled.apart[:3] == pytest.approx(once.apart[:3])
    people = customers_of(first, tier=["key", "general"] * 50)
    bias = [
        nonresponse_bias(workspace(*surveys, customers=people), margins=("tier",)).table
        for surveys in ([first], twice[:1])
    ]
    ends = ["standardised", "low", "high"]
    pd.testing.assert_frame_equal(bias[0][ends], bias[1][ends])


def test_odds_of_answering_at_once_by_hand():
    """At once 20 say 5 and 40 say 4; of the 40 others half do: odds of 1/2 and of 2."""
    surveys = twice_asked(at_once=4.0, later=4.0)
    surveys[0].loc[:19, "overall"] = 5.0
    surveys[1].loc[:4, "overall"] = 5.0
    odds = follow_up(workspace(*surveys)).odds
    assert odds.value == pytest.approx((20 / 20) / (40 / 20), rel=1e-3)
    assert odds.low < odds.value < odds.high


def test_those_never_reached_are_named_as_unknown():
    result = follow_up(workspace(*twice_asked(at_once=5.0, later=2.0, reached=7)))
    assert "Of 10 questionnaires sent again 7 were answered" in result.reading()


def test_nobody_asked_again_is_not_enough():
    with pytest.raises(NotEnoughData, match="nothing is known of the silent ones"):
        follow_up(workspace(sent({"a": (20, 10)})))


def test_without_weights_nobody_knows_for_how_many_those_asked_again_stand():
    surveys = [one.assign(weight=np.nan) for one in twice_asked(at_once=5.0, later=2.0)]
    with pytest.raises(NotEnoughData, match="No questionnaire has a weight"):
        follow_up(workspace(*surveys))


def test_a_margin_that_cannot_be_raked_is_said_and_the_rest_stays():
    surveys = twice_asked(at_once=5.0, later=2.0)
    people = customers_of(pd.concat(surveys), tier=["key"] * 60 + ["general"] * 40)
    result = follow_up(workspace(*surveys, customers=people))
    assert result.table["way"].tolist() == ["first", "silent", "both"]
    assert "Nobody of tier general answered" in result.reading()


# --- the simulated company


def test_who_answers_in_the_company_is_more_satisfied(company):
    result = follow_up(company)
    rows = result.table.set_index("way")
    assert result.apart.low > 0.3
    known = effects.values(None)["nonresponse_satisfaction"]
    assert np.log(result.odds.low) < known < np.log(result.odds.high)
    assert abs(rows.loc["raked", "satisfaction"] - rows.loc["first", "satisfaction"]) < 0.05
    late = nonresponse_bias(company).table.set_index("characteristic").loc["late"]
    assert late["high"] < 0


@pytest.mark.parametrize("measure", [response_rates, nonresponse_bias, follow_up])
def test_words_and_pictures_are_made_from_the_company(company, measure):
    result = measure(company)
    axes = result.plot()
    points = axes.collections[1].get_offsets()[:, 0].tolist()
    drawn = {"response_rates": "share", "nonresponse_bias": "standardised"}
    column = drawn.get(measure.__name__, "satisfaction")
    assert points == pytest.approx(result.table[column].tolist())
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(labels)) == len(result.table)
    assert all(f"{label} " in result.alt() for label in labels)
    assert "720 questionnaires (asked in the mode Call centre)" in result.reading()


def test_large_is_above_the_median_of_those_asked_by_weight():
    surveys = sent({"a": (4, 2)})
    orders = pd.DataFrame(
        {
            "order_id": ["1", "2", "3", "4"],
            "customer_id": surveys["customer_id"],
            "ordered_at": "2025-02-01",
            "amount": [10.0, 20.0, 40.0, 30.0],
        }
    )
    people = customers_of(surveys, tier=["key", "general"] * 2)

    def large(weights):
        crm = workspace(surveys.assign(weight=weights), customers=people, orders=orders)
        table = nonresponse_bias(crm).table.set_index("characteristic")
        return table.loc["large", "asked_share"]

    assert large([1.0, 1.0, 1.0, 3.0]) == pytest.approx(1 / 6)  # 40 alone lies above 30
    assert large([1.0] * 4) == pytest.approx(1 / 2)  # 30 and 40 above 20
