import random

import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError
from crmlab.tiering import key_accounts, rfm, rfm_rules, rfm_scores, rfm_segments


def scores_by_counting(values, classes, *, small_is_good):
    """Scores in plain Python: how many thresholds a value exceeds."""
    ranked = sorted(values)
    thresholds = []
    for k in range(1, classes):
        enough = [v for v in ranked if classes * sum(w <= v for w in ranked) >= k * len(ranked)]
        thresholds.append(min(enough))
    exceeded = [sum(value > cut for cut in thresholds) for value in values]
    return [classes - e if small_is_good else e + 1 for e in exceeded]


@pytest.mark.parametrize("classes", [2, 3, 5, 7])
def test_scores_equal_an_independent_count(classes):
    dice = random.Random(classes)
    summary = pd.DataFrame(
        {
            "recency": [dice.randint(0, 40) for _ in range(83)],
            "frequency": [dice.choice([1, 1, 1, 2, 3, 8]) for _ in range(83)],
            "monetary": [float(dice.randint(-5, 500)) for _ in range(83)],
        }
    )

    scores, thresholds = rfm_scores(summary, classes=classes)

    for name, score in [("recency", "r"), ("frequency", "f"), ("monetary", "m")]:
        expected = scores_by_counting(
            summary[name].tolist(), classes, small_is_good=name == "recency"
        )
        assert scores[score].tolist() == expected
    assert len(thresholds) == classes - 1


def test_equal_customers_get_equal_scores_whatever_the_order_of_rows():
    summary = pd.DataFrame(
        {"recency": [3] * 9 + [90], "frequency": [1] * 9 + [7], "monetary": [10.0] * 9 + [99.0]}
    )
    scores, _thresholds = rfm_scores(summary)
    assert scores["f"].nunique() == 2
    shuffled, _thresholds = rfm_scores(summary.sample(frac=1, random_state=3))
    assert shuffled.sort_index()[["r", "f", "m"]].equals(scores[["r", "f", "m"]])


def test_one_class_is_refused():
    with pytest.raises(CrmlabError, match="at least 2 classes, not 1"):
        rfm_scores(pd.DataFrame(), classes=1)


def test_rfm_counts_from_as_of_and_leaves_out_who_only_cancelled(crm):
    result = rfm(crm)

    table = result.table.set_index("customer_id")
    assert table.loc["A", ["recency", "frequency", "monetary"]].tolist() == [0, 2, 1000.0]
    assert table.loc["B", ["recency", "frequency", "monetary"]].tolist() == [58, 1, 300.0]
    assert table.loc["C", "monetary"] == 0
    assert "D" not in table.index
    excluded = {one.reason: one.count for one in result.definition.exclusions}
    assert excluded["only ever cancelled"] == 1


def test_rules_cover_every_combination_of_scores_once():
    rules = rfm_rules()
    combinations = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    for r, f, m in combinations:
        fits = rules[
            rules["r_low"].le(r) & rules["r_high"].ge(r)
            & rules["f_low"].le(f) & rules["f_high"].ge(f)
            & rules["m_low"].le(m) & rules["m_high"].ge(m)
        ]  # fmt: skip
        assert len(fits) == 1


def test_rules_that_leave_a_customer_out_are_refused_with_an_example(crm):
    rules = rfm_rules()
    with pytest.raises(CrmlabError, match="without a segment, for example R"):
        rfm(crm, rules=rules[rules["segment"] == "core"])


def test_editing_the_rules_does_not_change_those_of_the_book():
    rules = rfm_rules()
    rules.loc[0, "segment"] = "mine"
    assert rfm_rules().loc[0, "segment"] == "core"


def test_segments_share_out_all_customers_and_all_revenue(company):
    scored, segments = rfm(company), rfm_segments(company)

    assert segments.table["customers"].sum() == len(scored.table)
    assert segments.table["share"].sum() == pytest.approx(1)
    assert segments.table["revenue"].sum() == pytest.approx(scored.table["monetary"].sum())
    assert segments.table["revenue"].is_monotonic_decreasing
    assert segments.table["share"].between(segments.table["low"], segments.table["high"]).all()
    money = segments.table[["revenue_low", "revenue_share", "revenue_high"]]
    assert money.apply(lambda row: row.is_monotonic_increasing, axis=1).all()


def test_key_accounts_are_the_largest_customers_in_the_places_there_are(company):
    scored = rfm(company).table
    chosen = key_accounts(company, places=7)

    assert chosen.table["rank"].tolist() == list(range(1, 8))
    assert chosen.table["revenue"].tolist() == scored["monetary"].nlargest(7).tolist()
    covered = chosen.table["revenue"].sum() / scored["monetary"].sum()
    assert chosen.covered["share"] == pytest.approx(covered)
    assert chosen.covered["low"] < covered < chosen.covered["high"]


@pytest.mark.parametrize("places", [0, -1, "10", 10.0, 2.5])
def test_places_that_are_no_whole_number_are_refused(crm, places):
    with pytest.raises(CrmlabError, match="whole number of at least 1, such as 10; it is"):
        key_accounts(crm, places=places)


def test_more_places_than_large_customers_are_said(company):
    result = key_accounts(company, places=5000)
    large = (rfm(company).table["m"] >= 4).sum()
    assert len(result.table) == large
    assert f"Only {large:,} customers have an M score in the top two classes" in result.reading()


def test_thresholds_say_what_a_score_needs(company):
    result = rfm(company)
    for score, row in result.thresholds.iterrows():
        or_better = result.table[result.table["r"] >= score]
        assert or_better["recency"].max() == row["recency_at_most"]
        assert (
            result.table.loc[result.table["f"] >= score, "frequency"].min() > row["frequency_above"]
        )
        assert (
            result.table.loc[result.table["m"] >= score, "monetary"].min() > row["monetary_above"]
        )


def test_other_classes_need_rules_of_their_own(crm):
    with pytest.raises(CrmlabError, match="with 3 classes pass rules of your own"):
        rfm(crm, classes=3)


@pytest.mark.parametrize("rules", ["rules.csv", {}, pd.DataFrame({"segment": ["core"]})])
def test_rules_that_are_no_such_table_are_refused(crm, rules):
    with pytest.raises(CrmlabError, match=r"in the shape of rfm_rules\(\).*they lack: .*r_low"):
        rfm(crm, rules=rules)


def test_customers_whose_money_is_unknown_have_no_score_and_are_counted(orders):
    orders.loc[len(orders)] = ["O9", "E", "2025-03-01", None, None, None]
    result = rfm(from_frames({"orders": orders}, Settings(name="Five")))
    assert "E" not in set(result.table["customer_id"])
    excluded = {one.reason: one.count for one in result.definition.exclusions}
    assert excluded["no amount known"] == 1


def test_the_first_argument_must_be_a_workspace(orders):
    with pytest.raises(CrmlabError, match=r"rfm\(\) is the workspace.*rfm\(crm\)"):
        rfm(orders)
