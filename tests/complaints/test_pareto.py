import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.pareto import pareto
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName


def workspace(rows):
    """Rows of customer, cause, cost."""
    frame = pd.DataFrame(rows, columns=["customer_id", "cause", "compensation"])
    frame["compensation"] = frame["compensation"].astype(float)
    frame["complaint_id"] = [str(number) for number in range(len(frame))]
    frame["kind"] = frame["cause"].map({"suggestion": "suggestion"})
    return from_frames({"complaints": frame.assign(opened_at="2025-03-01")}, as_of="2025-03-31")


def many(cause, complaints, cost, first=0):
    return [(f"C{first + n}", cause, cost) for n in range(complaints)]


def test_shares_add_up_along_the_order_of_the_number_and_of_the_cost():
    rows = many("a", 6, 1) + many("b", 3, 20, 10) + many("c", 1, 34, 20)
    table = pareto(workspace(rows)).table
    assert table["cause"].tolist() == ["a", "b", "c"]
    assert table["share"].round(6).tolist() == [0.6, 0.3, 0.1]
    assert table["cumulative"].round(6).tolist() == [0.6, 0.9, 1.0]
    assert table["vital"].tolist() == [True, True, False]
    assert table["cost_part"].tolist() == [0.06, 0.6, 0.34]
    assert table["cost_cumulative"].round(6).tolist() == [1.0, 0.6, 0.94]
    assert table["cost_vital"].tolist() == [False, True, True]


def test_the_picture_of_number_and_cost_adds_the_number_up_to_the_whole():
    rows = many("a", 6, 1) + many("b", 3, 20, 10) + many("c", 1, 34, 20)
    axes = pareto(workspace(rows)).plot()
    (line,) = [one for one in axes.lines if one.get_label() == "Complaints, added up"]
    assert [round(float(end), 6) for end in line.get_xdata()] == [0.6, 0.9, 1.0]
    assert axes.get_xlim() == (0, 1.02)


def test_exactly_80_percent_needs_no_further_group():
    table = pareto(workspace(many("a", 8, 1) + many("b", 2, 1, 10)), value="count").table
    assert table["vital"].tolist() == [True, False]
    assert "cost_part" not in table


def test_suggestions_unknown_causes_and_unknown_costs_are_counted():
    rows = [*many("a", 6, 5), ("X", None, 5), ("Y", "suggestion", 5), ("Z", "a", None)]
    found = pareto(workspace(rows))
    assert [(one.reason, one.count) for one in found.definition.exclusions] == [
        ("suggestion, which is welcome and no failure", 1),
        ("Cause not given", 1),
    ]
    assert found.table["complaints"].tolist() == [7]
    assert "Of 1 complaint the cost is not known" in found.reading()


def test_count_and_cost_disagree_on_the_order_where_cheap_complaints_are_many():
    rows = many("often", 60, 1) + many("dear", 20, 100, 100)
    rows += [(f"D{n}", "dear", 90) for n in range(10)]
    found = pareto(workspace(rows))
    assert found.reversed == ((0, 1),)
    text = found.reading()
    assert "By number, but not by cost: often before dear." in text
    assert "Costs more than its number would suggest: dear (33.3% of the number" in text
    assert "Costs less than its number would suggest: often (66.7% of the number" in text


def test_one_customer_with_many_costly_complaints_is_no_disagreement_beyond_chance():
    rows = many("often", 40, 1) + [("Big", "dear", 1000)] * 10 + many("dear", 6, 1, 100)
    found = pareto(workspace(rows))
    assert found.reversed == ()
    assert "do not disagree on the order of any two groups" in found.reading()


def test_two_groups_that_are_alike_take_turns_at_being_first():
    found = pareto(workspace(many("a", 30, 5) + many("b", 30, 5, 100)))
    assert found.table["first_share"].sum() == pytest.approx(1)
    assert found.table["first_share"].between(0.4, 0.6).all()
    again = pareto(workspace(many("a", 30, 5) + many("b", 30, 5, 100)), seed=0)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_a_group_of_few_customers_is_shown_and_not_judged():
    found = pareto(workspace(many("a", 30, 5) + many("b", 4, 500, 100)))
    few = found.table.set_index("cause").loc["b"]
    assert np.isnan(few[["low", "high", "cost_part_low", "cost_part_high"]].astype(float)).all()
    assert pd.isna(few["cost_apart"])
    assert "Too few customers for an interval or a comparison: b." in found.reading()
    assert "do not disagree on the order" not in found.reading()


def test_the_interval_of_the_cost_holds_the_share_and_lies_within_0_and_1(company):
    table = pareto(company).table
    assert (table["cost_part_low"] < table["cost_part"]).all()
    assert (table["cost_part"] < table["cost_part_high"]).all()
    assert table["cost_part_low"].min() >= 0
    assert table["cost_part_high"].max() <= 1


def test_without_costs_complaints_are_counted_and_cost_alone_is_refused():
    crm = workspace(many("a", 6, None))
    found = pareto(crm)
    assert "No cost is known, so the complaints are only counted." in found.reading()
    assert found.title() == "1 of 1 groups makes up 80% of the complaints"
    with pytest.raises(MissingColumns, match=r"value='cost' needs complaints\.handling_cost"):
        pareto(crm, value="cost")


def test_cost_alone_is_ordered_by_cost():
    found = pareto(workspace(many("a", 6, 1) + many("b", 5, 20, 10)), value="cost")
    assert found.table["cause"].tolist() == ["b", "a"]
    assert found.title() == "1 of 2 groups makes up 80% of the cost of complaints"
    assert "most costly is b with 94.3%" in found.reading()
    assert len(found.plot().lines) >= 2


def test_options_that_cannot_be_are_refused():
    crm = workspace(many("a", 6, 1))
    with pytest.raises(CrmlabError, match=r"value is 'count', 'cost' or 'both'; it is 'money'"):
        pareto(crm, value="money")
    with pytest.raises(UnknownName, match="no column casue"):
        pareto(crm, by="casue")
    with pytest.raises(NotEnoughData, match="No complaint has a value of channel"):
        pareto(crm, by="channel")
    with pytest.raises(CrmlabError, match="makes 201 groups"):
        pareto(workspace(many("a", 201, 1)), by="complaint_id")


def test_late_delivery_is_the_companys_first_and_damage_costs_more_than_its_number(company):
    found = pareto(company)
    table = found.table.set_index("cause")
    assert found.table["cause"].iloc[0] == "late_delivery"
    assert table.loc["late_delivery", "first_share"] == 1
    assert table["complaints"].sum() == (company.complaints["kind"] != "suggestion").sum()
    assert table.loc["damage", "cost_apart"]
    assert table.loc["damage", "cost_part"] > table.loc["damage", "share"]
    assert table["complaint_cost"].sum() == pytest.approx(
        company.complaints.loc[company.complaints["kind"] != "suggestion",
            ["handling_cost", "compensation"]].sum().sum()
    )  # fmt: skip


@pytest.mark.slow
def test_costs_that_have_nothing_to_do_with_the_cause_are_seldom_said_to_differ():
    """Three causes, a few very large costs: over 40 draws at most a few false findings."""
    random = np.random.default_rng(0)
    false = 0
    for draw in range(40):
        cause = random.choice(["a", "b", "c"], 150, p=[0.7, 0.2, 0.1])
        cost = np.exp(random.normal(3, 1.6, 150)).round(2)
        rows = [(f"C{n // 2}", cause[n], cost[n]) for n in range(150)]
        false += pareto(workspace(rows), seed=draw).table["cost_apart"].fillna(False).any()
    assert false <= 5


def test_more_groups_than_can_be_compared_are_not_judged():
    rows = [row for n in range(50) for row in many(f"cause {n:02}", 6, n + 1, 10 * n)]
    found = pareto(workspace(rows))
    assert found.table["cost_apart"].isna().all()
    assert "The picture shows the first 25 of 50 groups." in found.reading()
    assert len(found.plot().get_yticklabels()) == 25
    assert "Whether any group costs more than its number would suggest is not judged" in (
        found.reading()
    )


def test_costs_that_come_from_minutes_are_counted():
    frame = pd.DataFrame({"complaint_id": ["1", "2"], "opened_at": "2025-03-01", "cause": "damage"})
    frame = frame.assign(handling_minutes=[10.0, 20.0], compensation=[None, 5.0])
    settings = Settings(activity_costs={"complaint.minute": 2.0})
    found = pareto(from_frames({"complaints": frame}, settings, as_of="2025-03-31"))
    assert found.table["complaint_cost"].tolist() == [65]
    assert "Of 2 complaints the cost of handling is the minutes they took" in found.reading()


def test_one_complaint_is_one():
    said = pareto(workspace([("A", "a", 1), ("B", "suggestion", 1)]), value="count").reading()
    assert said.startswith("1 complaint, ")
    assert "The most frequent is a with 100.0%" in said
