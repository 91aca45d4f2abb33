"""Moves between stages: who is in which row, and with what interval."""

import datetime as dt
from functools import partial

import pandas as pd
import pytest

import crmlab
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.stage_moves import stage_moves
from crmlab.loyalty.stages import stages
from crmlab.stats import clustered
from tests.loyalty.bought import every
from tests.loyalty.bought import workspace as of_purchases

workspace = partial(of_purchases, as_of="2024-12-31")


BOUGHT = [
    *[row for number in range(3) for row in every(f"steady{number}", 20)],
    *every("leaves", 20, last="2024-05-30"),
    *every("back", 20, last="2023-10-01"),
    *every("back", 20, first="2024-10-01"),
    *every("fresh", 30, first="2024-11-01"),
]


def test_rows_are_stages_before_and_columns_those_after():
    result = stage_moves(workspace(BOUGHT))
    assert result.days == (dt.date(2024, 6, 30), dt.date(2024, 12, 31))
    counts = result.matrix()
    assert counts.loc["stable"].to_dict() == {
        "exploration": 0,
        "formation": 0,
        "stable": 3,
        "decline": 0,
        "lost": 1,
    }
    assert counts.loc["lost", "stable"] == 1
    assert counts.loc["new", "exploration"] == 1
    assert counts.to_numpy().sum() == 6
    assert result.title() == "After 6 months 75% of the stable are stable, 25% in decline or lost"
    assert "Of those called lost, 100.0% were not lost any more" in result.reading()
    assert "1 customer bought for the first time in between" in result.reading()


def test_shares_of_a_row_add_up_and_hold_together():
    table = stage_moves(workspace(BOUGHT)).table
    assert table.groupby("origin")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    cell = table[(table["origin"] == "stable") & (table["destination"] == "stable")].iloc[0]
    # Wilson (1927) at 99 % for each of five: 3 of 4
    assert cell[["low", "high"]].tolist() == pytest.approx([0.2181, 0.9699], abs=1e-4)


def test_the_end_of_a_month_stays_the_end_of_a_month():
    result = stage_moves(workspace(every("A", 20), as_of="2024-08-31"), months=6)
    assert result.days == (dt.date(2024, 2, 29), dt.date(2024, 8, 31))
    result = stage_moves(workspace(every("A", 20)), months=3, origins=3)
    assert result.days == (
        dt.date(2024, 3, 31),
        dt.date(2024, 6, 30),
        dt.date(2024, 9, 30),
        dt.date(2024, 12, 31),
    )


def test_several_pairs_of_days_count_a_customer_again_and_as_a_cluster():
    result = stage_moves(workspace(BOUGHT), months=3, origins=2)
    assert len(result.moves) == 5 + 6
    stable = result.moves[result.moves["origin"] == "stable"]
    inside = stable["destination"] == "stable"
    owner = stable["customer_id"].factorize()[0]
    sums = inside.groupby(owner).sum(), inside.groupby(owner).size()
    expected = clustered.share(*sums, confidence=1 - 0.05 / 5)
    cell = result.table[
        (result.table["origin"] == "stable") & (result.table["destination"] == "stable")
    ].iloc[0]
    assert cell["customers"] == inside.sum()
    assert cell[["share", "low", "high"]].tolist() == pytest.approx(
        [expected.value, expected.low, expected.high]
    )
    assert "on 3 days from Jun 30, 2024 to Dec 31, 2024" in result.reading()


def test_each_days_stages_are_those_of_that_day_alone():
    crm = workspace(BOUGHT)
    moves = stage_moves(crm).moves.set_index("customer_id")
    before = stages(crm, at="2024-06-30").frame.set_index("customer_id")["stage"]
    assert moves["origin"].drop("fresh").to_dict() == before.to_dict()
    earlier = stage_moves(crm, at="2024-06-30")
    assert earlier.days[-1] == dt.date(2024, 6, 30)
    assert "fresh" not in set(earlier.moves["customer_id"])


def test_where_the_data_are_short_before_the_first_day_it_is_said():
    result = stage_moves(workspace(every("A", 20, first="2024-01-01")))
    assert "the data hold only 50% of 12 months" in result.reading()
    assert "the data hold only" not in stage_moves(workspace(BOUGHT)).reading()


def test_without_the_stage_stable_the_title_speaks_of_all():
    rules = pd.DataFrame(
        {
            "stage": ["quiet", "rest"],
            "way": 1,
            "measure": ["silence", None],
            "at_least": [90.0, None],
            "at_most": None,
        }
    )
    result = stage_moves(workspace(BOUGHT), rules=rules)
    assert result.title() == "60% are in the same stage 6 months later"
    assert result.value_labels()["origin"]["quiet"] == "quiet"
    result.plot()


def test_who_had_not_bought_by_the_first_day_is_new():
    result = stage_moves(workspace([("old", "2024-01-01"), *every("A", 20, first="2024-08-01")]))
    assert result.matrix().loc["new"].to_dict() == {
        "exploration": 0,
        "formation": 1,
        "stable": 0,
        "decline": 0,
        "lost": 0,
    }
    assert "1 customer bought for the first time in between" in result.reading()
    assert len(result.plot().get_yticks()) == 2
    # The old one, who bought but once, is lost by then.
    assert result.title() == "0% are in the same stage 6 months later"


def test_where_nobody_had_bought_by_the_first_day_there_are_no_moves():
    crm = workspace([(None, "2024-01-01"), *every("A", 20, first="2024-08-01")])
    with pytest.raises(NotEnoughData, match="No customer is known to have bought by Jun 30, 2024"):
        stage_moves(crm)


def test_what_is_not_allowed_is_refused():
    with pytest.raises(CrmlabError, match="months is a whole number, 1 or more; it is 0"):
        stage_moves(workspace(BOUGHT), months=0)
    with pytest.raises(CrmlabError, match="origins is a whole number"):
        stage_moves(workspace(BOUGHT), origins=0)
    with pytest.raises(NotEnoughData, match="Stages need purchases of 90 days"):
        stage_moves(workspace(BOUGHT), months=24)


@pytest.mark.parametrize("student", ["", "20261234"])
def test_most_of_those_the_company_has_lost_stay_lost_and_most_of_the_stable_stable(
    company, student
):
    crm = crmlab.load(student=student) if student else company
    table = stage_moves(crm).table.set_index(["origin", "destination"])
    assert table.loc[("lost", "lost"), "low"] > 0.75
    assert table.loc[("stable", "stable"), "low"] > 0.7
    # Those in decline are lost far more often than the stable.
    assert table.loc[("decline", "lost"), "low"] > 3 * table.loc[("stable", "lost"), "high"]
