import pandas as pd
import pytest

from crmlab.complaints.cases import cases
from crmlab.complaints.clusters import by_cluster, clusters
from crmlab.complaints.taxonomy import ALL, taxonomy
from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData


def workspace(rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "kind", "cause"])
    frame["complaint_id"] = [str(number) for number in range(len(frame))]
    return from_frames({"complaints": frame.assign(opened_at="2025-03-01")}, as_of="2025-03-31")


MIXED = [
    ("A", "transport", "late_delivery"),
    ("B", "transport", "late_delivery"),
    ("C", "transport", "damage"),
    ("D", "service", "damage"),
    (None, "suggestion", None),
    ("A", None, "own code"),
]


def test_causes_stand_below_their_kind_and_add_up_to_it():
    table = taxonomy(workspace(MIXED)).table
    assert table["kind"].fillna("–").tolist() == [
        "transport", "transport", "transport", "service", "service", "suggestion", "suggestion",
        "–", "–",
    ]  # fmt: skip
    assert table["cause"].fillna("–").tolist()[:5] == [
        ALL, "late_delivery", "damage", ALL, "damage",
    ]  # fmt: skip
    assert table["complaints"].tolist() == [3, 2, 1, 1, 1, 1, 1, 1, 1]
    assert table["share"].round(3).tolist()[:3] == [0.5, 0.333, 0.167]
    assert table["after_sale"].tolist()[:3] == [False, True, False]


def test_what_is_not_given_and_what_stands_under_two_kinds_is_said():
    found = taxonomy(workspace(MIXED))
    text = found.reading()
    assert "Without a kind: 1; without a cause: 1." in text
    assert "several places: Damaged goods (Service, Freight transport)" in text
    assert "1 of them is a suggestion: it is welcome" in text
    assert "1 has no customer and counts as independent" in text
    assert "The causes hold 1 of the course's six after-sale problems, together 33.3%" in text
    assert "Not recorded: Price change, Installation not done well" in text


def test_shares_allow_for_customers_who_complain_often_about_the_same():
    often = [("A", "transport", "damage")] * 20 + [(f"B{n}", "service", "x") for n in range(20)]
    once = [(f"A{n}", *row[1:]) for n, row in enumerate(often)]
    wide, narrow = (taxonomy(workspace(rows)).table.iloc[0] for rows in (often, once))
    assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])


def test_other_codes_and_absent_columns_have_true_words():
    found = taxonomy(workspace([("A", "x", "y"), ("B", "x", "z")]))
    assert found.title() == "x: 100.0% of all complaints and suggestions"
    assert "None of the course's six" in found.reading()
    assert "suggestion: it" not in found.reading()
    causes = pd.DataFrame(
        {"complaint_id": ["1", "2"], "opened_at": "2025-03-01", "cause": "training"}
    )
    alone = taxonomy(from_frames({"complaints": causes}))
    assert alone.title() == "Lack of training: 100.0% of all complaints and suggestions"
    assert "no kind is given" in alone.reading()
    assert alone.plot().get_yticklabels()[0].get_text() == "kind not given"
    with pytest.raises(MissingColumns, match=r"complaints\.kind"):
        taxonomy(from_frames({"complaints": causes.drop(columns="cause")}))


def test_a_workspace_without_complaints_says_so():
    with pytest.raises(NotEnoughData, match="no complaint whose day"):
        taxonomy(from_frames({"complaints": pd.DataFrame(
            {"complaint_id": ["1"], "opened_at": [None], "kind": ["service"]})}))  # fmt: skip


def test_the_company_has_four_kinds_and_all_six_problems(company):
    found = taxonomy(company)
    kinds = found.table[found.table["cause"] == ALL]
    assert kinds["complaints"].sum() == found.complaints == len(company.complaints)
    assert kinds["kind"].tolist() == ["transport", "sales_contract", "service", "suggestion"]
    assert found.table["after_sale"].sum() == 6
    assert "hold 6 of the course's six" in found.reading()
    assert "Not recorded" not in found.reading()
    assert found.several == {}
    widths = {one.get_width() for one in found.plot().patches}
    assert max(widths) == pytest.approx(kinds["share"].max())


def test_clusters_are_customers_and_a_complaint_without_one_is_its_own():
    who = clusters(pd.Series([None, "A", None, "A", "B"]))
    assert len(set(who)) == 4
    assert who[1] == who[3]
    assert by_cluster([0, 1, 1], [0, -1, 1], 2, [2.0, 3.0, 4.0]).tolist() == [[2, 0], [0, 4]]


def test_complaints_of_one_customer_have_no_interval():
    rows = [("A", "transport", "late_delivery")] * 3 + [("A", "service", "damage")] * 2
    found = taxonomy(workspace(rows))
    assert found.table[["low", "high"]].isna().all(axis=None)
    assert "together 60.0% of all" in found.reading()
    assert found.plot().patches


def test_where_neither_kind_nor_cause_is_given_the_title_says_so():
    found = taxonomy(workspace([("A", None, None), ("B", None, None)]))
    assert found.title() == "Of no complaint is the kind or the cause given"
    assert [one.get_text() for one in found.plot().get_yticklabels()] == ["kind not given"]
    assert "Without a kind: 2; without a cause: 2." in found.reading()
    assert found.alt().endswith("kind not given 100.0% (34.2% to 100.0%).")


def test_a_suggestion_is_told_by_its_cause_where_the_kind_is_not_given():
    causes = [("A", None, "suggestion"), ("B", None, "suggestion"), ("C", "suggestion", "damage")]
    rows = [*causes, ("D", "service", "suggestion"), ("E", None, "damage"), ("F", None, None)]
    crm = workspace(rows)
    assert "3 of them are suggestions" in taxonomy(crm).reading()
    assert cases(crm).frame["suggestion"].sum() == 3


def test_one_complaint_is_one():
    kind = taxonomy(workspace([("A", "service", None)])).reading()
    assert kind.startswith("1 complaint or suggestion, ")
    none = taxonomy(workspace([("A", None, "damage")])).reading()
    assert none.startswith("1 complaint or suggestion, ")
    assert "no kind is given" in none
