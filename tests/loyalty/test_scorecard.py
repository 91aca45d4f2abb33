"""The nine measures of loyalty of every customer: values, scores, and what is known of each."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import crmlab
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.loyalty import loyalty_measures, price_by_customer, scorecard
from crmlab.loyalty.nine_answers import Said
from crmlab.loyalty.nine_measures import scored
from crmlab.loyalty.nine_values import _weights, measured
from crmlab.loyalty.scorecard import weighted_quantiles
from crmlab.stats import weighted

CODES = list(loyalty_measures()["measure"])
RATINGS = ["brand_attention", "competitor_attention", "incident_tolerance", "identification"]


def orders(*rows, **columns):
    """Orders of (customer, day, amount)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    return frame.assign(order_id=[str(number) for number in range(len(rows))], **columns)


def surveys(*rows, **columns):
    """Answers of (customer, day, identification)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "answered_at", "identification"])
    frame["sent_at"] = frame["answered_at"]
    return frame.assign(response_id=[str(number) for number in range(len(rows))], **columns)


def values(crm, code, **options):
    return scorecard(crm, **options).customers.set_index("customer_id")[code].to_dict()


# --- what customers do


def test_repeat_purchase_is_the_share_of_months_since_the_first_with_another():
    crm = from_frames(
        {
            "orders": orders(
                ("old", "2023-05-01", 1.0),
                ("old", "2025-12-30", 1.0),
                ("old", "2025-11-10", 1.0),
                ("new", "2025-07-02", 1.0),  # month 5: counted back from 31 December
                ("new", "2025-12-01", 1.0),
                ("once", "2025-07-02", 1.0),
                ("fresh", "2025-12-31", 1.0),
            )
        }
    )
    found = values(crm, "repeat_purchase")
    assert found["old"] == pytest.approx(2 / 12)
    assert found["new"] == pytest.approx(1 / 5)
    assert found["once"] == 0
    assert np.isnan(found["fresh"])


def test_several_purchases_of_a_month_are_one_and_refunds_none():
    crm = from_frames(
        {
            "orders": orders(
                ("A", "2025-01-05", 9.0),
                ("A", "2025-12-20", 5.0),
                ("A", "2025-12-21", 5.0),
                ("A", "2025-12-21", 5.0),
                ("A", "2025-06-15", -2.0),
                ("B", "2025-12-31", 1.0),
            )
        }
    )
    assert values(crm, "repeat_purchase")["A"] == pytest.approx(1 / 11)
    assert values(crm, "spend")["A"] == 9 + 15 - 2


def test_the_months_are_those_of_365_days_up_to_the_last_day():
    crm = from_frames(
        {
            "orders": orders(
                ("A", "2024-12-31", 7.0), ("A", "2025-01-01", 5.0), ("B", "2025-12-31", 1.0)
            )
        }
    )
    assert values(crm, "spend") == {"A": 5.0, "B": 1.0}
    assert values(crm, "spend", months=1) == {"A": 0.0, "B": 1.0}


def test_who_bought_for_unknown_money_has_no_spend_and_who_bought_nothing_spent_nothing():
    crm = from_frames(
        {
            "orders": orders(
                ("A", "2025-12-01", None), ("B", "2023-12-01", 5.0), ("C", "2025-12-31", 3.0)
            )
        }
    )
    found = values(crm, "spend")
    assert np.isnan(found["A"])
    assert (found["B"], found["C"]) == (0.0, 3.0)


def test_the_stand_in_for_price_sensitivity_is_the_share_of_purchases_with_a_promotion():
    bought = orders(
        ("A", "2025-12-01", 8.0), ("A", "2025-12-02", None), ("A", "2025-12-02", -8.0),
        ("B", "2025-12-31", 10.0), ("C", "2023-12-31", 10.0), promotion=["P", None, "P", None, "P"],
    )  # fmt: skip
    result = scorecard(from_frames({"orders": bought}))
    found = result.customers.set_index("customer_id")
    assert found["price_sensitivity"].dropna().to_dict() == {"A": 0.5, "B": 0.0}
    assert found["price_sensitivity_score"].dropna().to_dict() == {"A": 25.0, "B": 75.0}
    assert "stand-in" in result.reading()


def test_the_share_of_the_list_price_given_away_can_stand_in_instead():
    bought = orders(
        ("A", "2025-12-01", 8.0), ("A", "2025-12-02", None), ("B", "2025-12-31", 10.0),
        list_price=[10.0, 99.0, 10.0],
    )  # fmt: skip
    table = loyalty_measures()
    table["source"] = table["source"].replace("orders.promotion", "orders.list_price")
    result = scorecard(from_frames({"orders": bought}), measures=table)
    found = result.customers.set_index("customer_id")
    assert found["price_sensitivity"].to_dict() == {"A": pytest.approx(0.2), "B": 0.0}
    assert "agreed in a contract" in result.reading()


def test_the_stand_in_does_not_tell_tiers_apart_as_contract_discounts_would(company):
    tier = company.customers.set_index("customer_id")["tier"]
    table = loyalty_measures()
    given_away = table.assign(
        source=table["source"].replace("orders.promotion", "orders.list_price")
    )
    code = "price_sensitivity_score"
    apart = {}
    for name, rules in {"promotion": table, "list price": given_away}.items():
        found = scorecard(company, measures=rules).customers.set_index("customer_id")[code]
        means = found.groupby(tier).mean()
        apart[name] = means.max() - means.min()
    assert apart["promotion"] < 20 < apart["list price"]


def test_own_values_take_the_place_of_a_source():
    crm = from_frames({"orders": orders(("A", "2025-12-01", 8.0), ("B", "2025-12-31", 10.0))})
    result = scorecard(crm, own={"price_sensitivity": pd.Series({"A": 1.8, "B": 0.5, "Z": np.inf})})
    found = result.customers.set_index("customer_id")
    assert found["price_sensitivity"].to_dict() == {"A": 1.8, "B": 0.5}
    assert found["price_sensitivity_score"].to_dict() == {"A": 25.0, "B": 75.0}
    assert "stand-in" not in result.reading()
    assert result.value_labels()["made_of"]["price_sensitivity"] == "values handed in"


def test_estimated_price_sensitivities_can_be_handed_in(company):
    """The company's economic customers answer to prices most, its ethical ones least."""
    found = price_by_customer(company).customers.set_index("customer_id")["elasticity"]
    result = scorecard(company, own={"price_sensitivity": -found})
    score = result.customers.set_index("customer_id")["price_sensitivity_score"]
    means = score.groupby(company.customers.set_index("customer_id")["customer_type"]).mean()
    assert means.idxmin() == "economic"
    assert means.idxmax() == "ethical"


# --- what customers say


def test_several_answers_of_a_customer_are_averaged_by_their_weights():
    asked = surveys(
        ("A", "2025-12-01", 5), ("A", "2025-11-01", 1), ("B", "2025-12-31", 3),
        weight=[3.0, 1.0, 2.0],
    )  # fmt: skip
    result = scorecard(from_frames({"surveys": asked}))
    found = result.customers.set_index("customer_id")
    assert found["identification"].to_dict() == {"A": 4.0, "B": 3.0}
    assert found["identification_score"].to_dict() == {"A": 75.0, "B": 50.0}
    assert found["weight"].to_dict() == {"A": 4.0, "B": 2.0}
    row = result.table.set_index("measure").loc["identification"]
    assert row["score"] == pytest.approx((4 * 75 + 2 * 50) / 6)


def test_callers_old_answers_and_answers_without_a_weight_are_left_out_and_counted():
    asked = surveys(
        ("A", "2025-12-01", 5), ("B", "2025-12-02", 1), ("C", "2024-12-01", 2),
        ("D", "2025-12-31", 4), (None, "2025-12-31", 4), ("E", None, None),
        mode=["sample", "call_centre", "sample", "sample", "sample", "sample"],
        weight=[1.0, None, 1.0, None, 1.0, 1.0],
    )  # fmt: skip
    asked["sent_at"] = ["2025-12-01", "2025-12-01", "2024-12-01", *["2025-12-01"] * 3]
    result = scorecard(from_frames({"surveys": asked}))
    assert result.customers["customer_id"].tolist() == ["A"]
    counts = {one.reason: one.count for one in result.definition.exclusions}
    assert counts == {
        "asked when they called the call centre": 1,
        "customer not given": 1,
        "answered, but without a weight": 1,
    }
    assert "4 were sent, so 75% came back" in result.reading()  # D's and nobody's did as well


def test_answers_that_come_back_after_the_day_are_not_back_yet():
    sent = surveys(("A", "2025-06-20", 5), ("B", "2025-07-02", 1), ("C", None, None))
    sent["sent_at"] = "2025-06-15"
    bought = orders(("A", "2025-01-01", 1.0), ("A", "2025-12-31", 1.0))
    found = measured(from_frames({"orders": bought, "surveys": sent}), last=date(2025, 6, 30))
    assert "of 1 questionnaire of 1 customer; 3 were sent, so 33% came back" in (
        found.said.sentence()
    )


def test_callers_are_counted_where_nobody_else_answered():
    asked = surveys(("A", "2025-12-01", 5), ("B", "2025-12-02", 1), mode="call_centre")
    bought = orders(("A", "2025-01-01", 8.0), ("B", "2025-12-31", 10.0))
    reading = scorecard(from_frames({"orders": bought, "surveys": asked})).reading()
    assert "There are no answers of customers to these questions." in reading
    assert "Left out: 2 questionnaires (asked when they called the call centre)." in reading


def test_who_buys_in_more_months_could_be_asked_more_often_and_counts_no_more_for_it():
    bought = orders(
        ("A", "2025-12-31", 1.0), ("A", "2025-11-15", 1.0), ("A", "2025-10-15", 1.0),
        ("A", "2025-09-15", 1.0), ("B", "2025-12-31", 1.0),
    )  # fmt: skip
    asked = surveys(
        ("A", "2025-12-31", 5), ("A", "2025-11-20", 5), ("B", "2025-12-31", 1),
        weight=[2.0, 2.0, 1.0], order_id=["0", "1", "4"],
    )  # fmt: skip
    result = scorecard(from_frames({"orders": bought, "surveys": asked}))
    assert result.customers.set_index("customer_id")["weight"].to_dict() == {"A": 1.0, "B": 1.0}
    relational = scorecard(
        from_frames({"orders": bought, "surveys": asked.drop(columns="order_id")})
    )
    assert relational.customers.set_index("customer_id")["weight"].to_dict() == {"A": 4.0, "B": 1.0}


def test_weight_sharing_makes_buyers_of_those_who_answered(company):
    """Spend is known of all buyers: what the weights make of those who answered must be near it."""
    found = scorecard(company).customers
    buyers = found[found["spend"] > 0]
    answered = buyers[buyers["weight"].notna()]
    truth = buyers["spend_score"].mean()
    shared = np.average(answered["spend_score"], weights=answered["weight"])
    assert shared == pytest.approx(truth, abs=2.5)
    assert answered["spend_score"].mean() > truth + 5


def test_without_weights_every_customer_counts_the_same():
    result = scorecard(
        from_frames(
            {
                "surveys": surveys(
                    ("A", "2025-12-01", 5), ("A", "2025-12-02", 5), ("B", "2025-12-03", 1)
                )
            }
        )
    )
    assert result.customers["weight"].tolist() == [1.0, 1.0]
    assert result.table.set_index("measure").loc["identification", "score"] == 50


# --- scores and the table


@pytest.mark.parametrize(
    ("scale", "ends", "given", "expected"),
    [
        ("linear", (1, 5), [0, 1, 3, 5, 6], [0, 0, 50, 100, 100]),
        ("linear", (5, 1), [1, 2, 5], [100, 75, 0]),
        ("log", (30, 1), [0, 1, 30**0.5, 30, 60], [100, 100, 50, 0, 0]),
        ("rank", (), [3, 1, 2, 2], [87.5, 12.5, 50, 50]),
        ("rank_reversed", (), [3, 1, 2, 2], [12.5, 87.5, 50, 50]),
        ("rank", (), [7, 7], [50, 50]),
    ],
)
def test_scores_run_from_0_to_100(scale, ends, given, expected):
    assert scored(given, scale, *ends).tolist() == pytest.approx(expected)


def test_weighted_quantiles_agree_with_those_of_repeated_values():
    rng = np.random.default_rng(3)
    found, times = rng.integers(0, 50, 40).astype(float), rng.integers(1, 5, 40)
    shares = [0.25, 0.5, 0.75]
    expected = np.quantile(np.repeat(found, times), shares, method="averaged_inverted_cdf")
    assert weighted_quantiles(found, times, shares).tolist() == pytest.approx(expected.tolist())


def test_direction_is_that_of_the_scale(company):
    table = scorecard(company).table.set_index("measure")
    less = table.index[table["direction"] == "less"].tolist()
    assert less == ["competitor_attention", "price_sensitivity", "decision_days"]


def test_ranks_have_no_interval_because_their_mean_is_50(company):
    table = scorecard(company).table.set_index("measure")
    assert table.loc[["price_sensitivity", "spend"], "score"].tolist() == pytest.approx([50, 50])
    assert table.loc[["price_sensitivity", "spend"], ["low", "high"]].isna().all(axis=None)
    rest = table.drop(index=["price_sensitivity", "spend"])
    assert ((rest["low"] < rest["score"]) & (rest["score"] < rest["high"])).all()


def test_orders_alone_give_the_measures_of_what_customers_do():
    crm = from_frames({"orders": orders(("A", "2025-01-01", 8.0), ("B", "2025-12-31", 10.0))})
    result = scorecard(crm)
    assert result.table["measure"].tolist() == CODES
    known = result.table[result.table["customers"] > 0]["measure"].tolist()
    assert known == ["repeat_purchase", "spend"]
    assert "2 of 9 measures" in result.reading()
    assert "no column for: Share of needs met, Attention to our brand" in result.reading()
    assert "no answers of customers" in result.reading()


def test_questionnaires_alone_give_the_measures_of_what_customers_say():
    result = scorecard(from_frames({"surveys": surveys(("A", "2025-12-01", 4))}))
    assert result.customers[["known", "identification_score"]].to_numpy().tolist() == [[1, 75.0]]
    row = result.table.set_index("measure").loc["identification"]
    assert np.isnan(row["low"])
    assert "Identification stands at 75.0 of 100." in result.reading()
    assert "In brackets" not in result.reading()
    assert result.title() == "1 of 9 measures of loyalty are known, of 1 customer"


def test_measures_that_all_stand_alike_have_no_highest():
    asked = surveys(("A", "2025-12-01", 3), incident_tolerance=3)
    reading = scorecard(from_frames({"surveys": asked})).reading()
    assert "The measures that have a scale all stand at 50.0 of 100 (12 months up to" in reading
    assert "Highest" not in reading


def test_answers_without_any_date_all_count_and_no_day_is_invented():
    asked = surveys(("A", None, 4), ("B", None, 2)).drop(columns=["answered_at", "sent_at"])
    result = scorecard(from_frames({"surveys": asked}))
    assert result.customers["identification"].tolist() == [4.0, 2.0]
    assert "1970" not in result.reading()
    assert result.definition.period == "no dates given"


def test_the_rules_are_data():
    table = loyalty_measures()
    table = table[table["measure"].isin(["identification", "spend"])]
    table.loc[table["measure"] == "identification", ["at_0", "at_100"]] = [0, 10]
    result = scorecard(from_frames({"surveys": surveys(("A", "2025-12-01", 4))}), measures=table)
    assert result.customers["identification_score"].tolist() == [40.0]
    assert len(result.table) == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("source", "surveys.nothing", "there is no source surveys.nothing"),
        ("source", "orders.cost", "there is no source orders.cost"),
        ("scale", "cubic", "the scale is one of"),
        ("at_0", 1.0, "two different numbers"),
        ("layer", None, "has no layer"),
        ("measure", "spend", "each code once"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(column, value, said):
    table = loyalty_measures()
    table[column] = table[column].mask(table["measure"] == "repeat_purchase", value)
    crm = from_frames({"orders": orders(("A", "2025-12-01", 8.0))})
    with pytest.raises(CrmlabError, match=said):
        scorecard(crm, measures=table)


def test_a_table_without_a_column_is_refused():
    crm = from_frames({"orders": orders(("A", "2025-12-01", 8.0))})
    with pytest.raises(CrmlabError, match="lacks the columns: layer"):
        scorecard(crm, measures=loyalty_measures().drop(columns="layer"))


def test_own_values_for_no_measure_or_in_no_series_are_refused():
    crm = from_frames({"orders": orders(("A", "2025-12-01", 8.0))})
    with pytest.raises(UnknownName, match="charm"):
        scorecard(crm, own={"charm": pd.Series({"A": 1.0})})
    with pytest.raises(CrmlabError, match="Series"):
        scorecard(crm, own={"spend": {"A": 1.0}})
    with pytest.raises(CrmlabError, match="months"):
        scorecard(crm, months=0)


def test_nothing_known_is_said():
    asked = surveys(("A", "2025-12-01", None))
    with pytest.raises(NotEnoughData, match="None of the measures"):
        scorecard(from_frames({"surveys": asked}))
    with pytest.raises(MissingColumns):
        scorecard(from_frames({"contacts": pd.DataFrame({"contact_id": ["1"]})}))


def test_by_hand_in_plain_pandas(company):
    orders = company.orders[~(company.orders["amount"] < 0)]
    days = (pd.Timestamp(company.as_of) - orders["ordered_at"].dt.normalize()).dt.days
    bought = orders.assign(month=12 * days // 365).drop_duplicates(["customer_id", "month"])
    could = bought.groupby("customer_id")["month"].max().clip(upper=12)
    again = bought[bought["month"] < bought["customer_id"].map(could)].groupby("customer_id").size()
    share = again.reindex(could.index).fillna(0) / could[could > 0]
    helper = scorecard(company).customers.set_index("customer_id")["repeat_purchase"]
    pd.testing.assert_series_equal(share.reindex(helper.index), helper, check_names=False)


def test_the_picture_and_its_words(company):
    result = scorecard(company)
    axes = result.plot()
    assert len(axes.get_yticks()) == 9
    assert "known of 1,9" in result.alt()
    assert len(result.title()) <= 90
    assert "rank correlation with Spend is " in result.reading()
    related = stats.spearmanr(result.customers[["price_sensitivity", "spend"]].dropna()).statistic
    assert f"rank correlation with Spend is {related:.2f} (" in result.reading()


def test_a_students_variant_has_all_nine():
    result = scorecard(crmlab.load(student="20261234"))
    assert (result.table["customers"] > 500).all()


def test_the_interval_of_a_shared_mean_holds_the_truth_about_as_often_as_it_says():
    """Monthly samples of those who bought: who buys often likes us more, and is asked oftener."""
    rng = np.random.default_rng(11)
    size = 1500
    chance = rng.beta(1, 2, size)
    liking = 40 + 40 * chance + rng.normal(0, 15, size)
    held, naive, times = 0, [], 120
    for _time in range(times):
        bought = rng.random((size, 12)) < chance[:, None]
        rows = []
        for month in range(12):
            there = np.flatnonzero(bought[:, month])
            asked = rng.permutation(there)[: max(2, len(there) // 25)]
            rows.append(pd.DataFrame({"customer_id": asked, "weight": len(there) / len(asked)}))
        answers = pd.concat(rows).assign(q=lambda frame: liking[frame["customer_id"]])
        behaviour = pd.DataFrame({"months_bought": bought.sum(axis=1)})
        said = Said(answers.reset_index(drop=True), 0, 0, True, True, ())
        weight, shared = _weights(said, behaviour, said.customers.index)
        assert shared
        found = weighted.mean(said.customers["q"], weights=weight)
        truth = liking[bought.any(axis=1)].mean()
        held += found.low <= truth <= found.high
        naive.append(said.customers["q"].mean() - truth)
    assert 0.90 < held / times < 0.99, held
    assert np.mean(naive) > 3  # whoever answered, each once, would be too kind
