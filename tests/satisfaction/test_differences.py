"""Which groups differ in a score, and which cannot be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData, UnknownName
from crmlab.language import set_language
from crmlab.satisfaction.differences import score_differences

SHARES = {"high": [0.0, 0.1, 0.2, 0.3, 0.4], "low": [0.3, 0.3, 0.2, 0.1, 0.1]}


def answers(shares, each=60):
    """Answers 1 to 5 of groups, each of a customer of its own, in the shares given."""
    rows = [
        (group, answer)
        for group, parts in shares.items()
        for answer, share in enumerate(parts, start=1)
        for _one in range(round(share * each))
    ]
    frame = pd.DataFrame(rows, columns=["wave", "overall"])
    number = [str(i) for i in range(len(frame))]
    return frame.assign(response_id=number, recommend=frame["overall"] * 2)


def workspace(frame, **more):
    return from_frames({"surveys": frame} | more, as_of="2025-12-31")


def of_regions(frame):
    """The same with the groups as a column that has no order in time."""
    orders = pd.DataFrame({"order_id": frame["response_id"], "region": frame["wave"]})
    return workspace(
        frame.drop(columns="wave").assign(order_id=frame["response_id"]), orders=orders
    )


def test_of_two_groups_the_test_is_welchs():
    frame = answers(SHARES)
    row = score_differences(of_regions(frame), by="region").table.iloc[0]
    parts = [frame.loc[frame["wave"] == group, "overall"] for group in ("high", "low")]
    expected = stats.ttest_ind(*parts, equal_var=False)
    assert (row["group"], row["compared_with"]) == ("high", "low")
    assert row["difference"] == pytest.approx(4.0 - 2.4)
    assert row["probability"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))


def test_three_groups_are_decided_upon_after_holm():
    shares = SHARES | {"middle": [0.05, 0.15, 0.25, 0.25, 0.3]}
    frame = answers(shares)
    result = score_differences(of_regions(frame), by="region")
    table = result.table.set_index(["group", "compared_with"])
    assert table.index.tolist() == [("high", "low"), ("middle", "low"), ("high", "middle")]
    of = {group: part["overall"] for group, part in frame.groupby("wave")}
    raw = [
        stats.ttest_ind(of[one], of[other], equal_var=False).pvalue for one, other in table.index
    ]
    assert table["probability"].tolist() == pytest.approx(multipletests(raw, method="holm")[1])
    assert table["differs"].tolist() == [True, True, False]
    assert "told apart by more than chance: 2 of 3" in result.reading()
    assert "It cannot be told whether they differ: high 0.40 scale points above middle" in (
        result.reading()
    )


def test_many_groups_are_compared_with_the_rest_and_the_lower_ones_lie_below_it():
    shares = {f"g{i}": SHARES["high"] for i in range(5)} | {"g5": SHARES["low"]}
    table = score_differences(of_regions(answers(shares)), by="region").table
    assert set(table["compared_with"]) == {"rest"}
    first = table.iloc[0]
    assert (first["group"], first["difference"] < 0, first["differs"]) == ("g5", True, True)
    pairs = score_differences(of_regions(answers(shares)), by="region", against="each_other")
    assert len(pairs.table) == 15


def test_in_time_the_later_group_stands_first():
    frame = answers({"2025-Q1": SHARES["high"], "2025-Q2": SHARES["low"]})
    result = score_differences(workspace(frame), by="wave")
    row = result.table.iloc[0]
    assert (row["group"], row["compared_with"]) == ("2025-Q2", "2025-Q1")
    assert row["difference"] == pytest.approx(-1.6)
    assert "2025-Q2 1.60 scale points below 2025-Q1" in result.title()


def test_share_of_the_two_highest_answers_and_the_net_promoter_score():
    crm = of_regions(answers(SHARES))
    top = score_differences(crm, by="region", score="top_two")
    assert top.table["difference"].iloc[0] == pytest.approx(0.7 - 0.2)
    assert "50.0 percentage points above low" in top.title()
    # recommendation is twice the answer: 10 promotes, 2, 4 and 6 are detractors
    score = score_differences(crm, by="region", score="nps").table.iloc[0]
    assert score["score"] == pytest.approx(40 - 30)
    assert score["other_score"] == pytest.approx(10 - 80)


def test_a_group_of_few_customers_or_of_answers_all_alike_is_not_judged():
    frame = answers({"A": SHARES["high"], "B": [0, 0, 0, 0, 1.0]})
    result = score_differences(of_regions(frame), by="region")
    assert result.table["differs"].isna().all()
    assert "Not judged, because a group has fewer than 5 customers" in result.reading()
    assert "No two groups can be compared." in result.reading()
    few = answers(SHARES).assign(customer_id="C1")
    assert score_differences(of_regions(few), by="region").table["differs"].isna().all()


def test_answers_of_an_unknown_group_are_left_out_and_counted():
    frame = answers(SHARES)
    frame.loc[:2, "wave"] = None
    result = score_differences(workspace(frame), by="wave")
    assert "3 questionnaires (group not known)" in result.reading()
    assert result.answers == len(frame) - 3


def test_customers_in_both_groups_are_compared_with_themselves():
    random = np.random.default_rng(2)
    level = random.integers(1, 5, 40)
    frame = pd.DataFrame(
        {
            "response_id": [str(i) for i in range(80)],
            "customer_id": [f"C{i}" for i in range(40)] * 2,
            "wave": ["w1"] * 40 + ["w2"] * 40,
            "overall": np.concatenate([level, level + (np.arange(40) % 3 > 0)]),
        }
    )
    paired = score_differences(workspace(frame), by="wave").table.iloc[0]
    alone = score_differences(workspace(frame.drop(columns="customer_id")), by="wave").table.iloc[0]
    assert paired["difference"] == alone["difference"]
    assert (paired["differs"], alone["probability"] > paired["probability"]) == (True, True)


def test_what_is_not_there_is_named():
    crm = of_regions(answers(SHARES).drop(columns="recommend"))
    with pytest.raises(MissingColumns, match=r"surveys\.recommend"):
        score_differences(crm, by="region", score="nps")
    with pytest.raises(UnknownName, match="no score smiles"):
        score_differences(crm, by="region", score="smiles")
    with pytest.raises(UnknownName, match="not with nobody"):
        score_differences(crm, by="region", against="nobody")
    with pytest.raises(NotEnoughData, match="Wave has 1"):
        score_differences(workspace(answers({"w": SHARES["high"]})), by="wave")


def test_the_bundled_company_shows_what_a_late_order_does(company):
    result = score_differences(company, by="on_time")
    row = result.table.iloc[0]
    assert (row["group"], row["compared_with"], row["differs"]) == ("True", "False", True)
    assert "on time" in result.title()
    set_language("zh_CN")
    assert all([result.title(), result.reading(), result.alt()])


@pytest.mark.parametrize("score", ["overall", "top_two", "nps"])
def test_picture_has_its_title_and_a_line_for_each_comparison(score):
    result = score_differences(of_regions(answers(SHARES)), by="region", score=score)
    axes = result.plot()
    assert axes.get_figure().get_suptitle() == result.title()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["high – low"]
    assert "high – low" in result.alt()
    assert result.definition.numerator


@pytest.mark.slow
def test_among_equal_groups_a_difference_is_seldom_found():
    random = np.random.default_rng(5)
    found = 0
    for _repeat in range(25):
        frame = pd.DataFrame({"response_id": [str(i) for i in range(240)]})
        frame["wave"] = [f"w{i % 4}" for i in range(240)]
        frame["overall"] = random.integers(1, 6, 240)
        found += score_differences(workspace(frame), by="wave").table["differs"].any()
    # Holm keeps the chance of any false finding below 5 %.
    assert found <= 4
