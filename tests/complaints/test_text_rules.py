import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.text_rules import classify_by_rules, find_rules, keyword_rules
from crmlab.complaints.words import normalised
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.stats.intervals import wilson


def complaint(number, text, **more):
    usual = {
        "complaint_id": str(number),
        "customer_id": f"C{number}",
        "opened_at": "2025-03-01 09:00",
        "text": text,
    }
    return usual | more


def workspace(rows):
    return from_frames({"complaints": pd.DataFrame(rows)}, as_of="2025-03-31")


def found(texts, rules=None, label="cause"):
    plain = pd.Series(texts, dtype="object").map(normalised)
    made = find_rules(plain, keyword_rules() if rules is None else rules, label)["found"]
    return [one if isinstance(one, str) else None for one in made]


def test_the_rules_are_a_table_of_the_models_causes_that_can_be_changed():
    table = keyword_rules()
    assert list(table) == ["language", "word", "cause", "kind", "weight", "deniable"]
    assert table["cause"].nunique() == 11
    assert table.groupby("cause")["kind"].nunique().eq(1).all()
    assert not table.duplicated(["word", "cause"]).any()
    table["word"] = "x"
    assert (keyword_rules()["word"] != "x").any()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("外箱破损", "damage"),
        ("没有破损", None),
        ("并未发现问题，无破损", None),
        ("没有破损，只是晚到了一天", "late_delivery"),
        ("没有破损？明明破损了", "damage"),
        ("没有人安装", "installation"),
        ("not damaged", None),
        ("the goods were not late", None),
        ("no delay this time", None),
        ("never been late, but the driver was rude", "attitude"),
        ("a note damaged in transit", "damage"),
        ("LATE!", "late_delivery"),
        ("ｌａｔｅ", "late_delivery"),
        ("货late了三天", "late_delivery"),
        ("see you later", None),
        ("my relatives", None),
        ("translated papers", None),
        ("delays and delaying", "late_delivery"),
        ("3 boxes were CRUSHED", "damage"),
        ("12345 67", None),
        ("", None),
        (None, None),
    ],
)
def test_words_count_where_they_stand_as_words_and_are_not_denied(text, cause):
    assert found([text]) == [cause]


def test_the_larger_weight_decides_then_the_first_word_then_the_longer_one():
    rules = pd.DataFrame(
        {
            "word": ["甲", "乙", "丙", "乙丁"],
            "topic": ["a", "b", "a", "c"],
            "weight": [1, 1, 0.5, 1],
        }
    )
    assert found(["甲乙", "乙甲", "乙甲丙", "乙丁"], rules, "topic") == ["a", "b", "a", "c"]


def test_the_same_word_twice_counts_once():
    rules = pd.DataFrame({"word": ["x", "y"], "topic": ["a", "b"], "weight": [1.0, 1.5]})
    assert found(["x x x y"], rules, "topic") == ["b"]


def test_rules_and_record_are_compared_label_by_label():
    rows = [
        complaint(1, "破损", cause="damage"),
        complaint(2, "破损", cause="damage"),
        complaint(3, "破损", cause="late_delivery"),
        complaint(4, "晚到", cause="late_delivery"),
        complaint(5, "没有人理我", cause="damage"),
        complaint(6, "晚到", cause=None),
    ]
    result = classify_by_rules(workspace(rows))
    table = result.table.set_index("cause")
    assert table.loc["damage", ["texts", "named", "right"]].tolist() == [3, 3, 2]
    # The text without a label in the record is named, and no part of the precision.
    assert table.loc["late_delivery", ["texts", "named", "right"]].tolist() == [2, 2, 1]
    assert table.loc["late_delivery", "precision"] == 1
    assert table.loc["late_delivery", "share"] == pytest.approx(2 / 6)
    assert table.loc["damage", ["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3] * 3)
    # Three customers of one text each: the variance is p(1 − p)/(m − 1), of two texts.
    low, high = wilson(4 / 3, 2)
    assert table.loc["damage", "precision_low"] == pytest.approx(float(low))
    assert table.loc["damage", "precision_high"] == pytest.approx(float(high))
    assert result.told.value == pytest.approx(5 / 6)
    assert result.agreed.value == pytest.approx(3 / 4)
    assert not table["judged"].any()
    assert "none is judged" in result.reading()
    assert [(one.reason, one.count) for one in result.definition.exclusions] == [
        ("label not recorded, from the comparison", 1)
    ]
    confusion = result.confusion.fillna("none").set_index(["recorded", "found"])["texts"]
    assert confusion.to_dict() == {
        ("damage", "damage"): 2,
        ("damage", "none"): 1,
        ("late_delivery", "damage"): 1,
        ("late_delivery", "late_delivery"): 1,
    }


def test_without_labels_the_rules_say_what_they_find():
    rows = [complaint(1, "破损"), complaint(2, "破损了"), complaint(3, "late"), complaint(4, "?")]
    rows.append(complaint(5, None))
    result = classify_by_rules(workspace(rows))
    assert result.main_columns() == ["cause", "named", "share", "low", "high"]
    assert result.table[["cause", "named"]].to_numpy().tolist() == [
        ["damage", 2],
        ["late_delivery", 1],
    ]
    assert result.table["share"].tolist() == [0.5, 0.25]
    assert "No label is recorded" in result.reading()
    assert result.definition.exclusions[0].words() == "1 complaint (no text)"
    assert result.plot().get_title() is not None
    assert "Damaged goods 50.0%" in result.alt()


def test_labels_that_no_rule_knows_are_not_compared():
    rows = [complaint(1, "破损", cause="货损"), complaint(2, "late", cause="迟到")]
    result = classify_by_rules(workspace(rows))
    assert not result.comparable
    assert "None of the labels in the record" in result.reading()


def test_own_rules_work_with_the_labels_of_the_record():
    rows = [complaint(1, "外箱破损", cause="货损"), complaint(2, "late", cause="迟到")]
    rows.append(complaint(3, "other", cause="其他"))
    rules = pd.DataFrame({"word": ["破损", "late"], "cause": ["货损", "迟到"]})
    result = classify_by_rules(workspace(rows), rules=rules)
    assert result.table.set_index("cause")["right"].to_dict() == {"货损": 1, "迟到": 1, "其他": 0}
    assert "no rule: 其他" in result.reading()


def test_a_label_the_rules_do_not_find_has_no_precision():
    rows = [complaint(1, "破损", cause="damage"), complaint(2, "?", cause="late_delivery")]
    row = classify_by_rules(workspace(rows)).table.set_index("cause").loc["late_delivery"]
    assert np.isnan(row["precision"])
    assert row["recall"] == 0
    assert row["share"] == 0


def test_texts_that_hold_several_causes_are_counted():
    rows = [complaint(1, "破损，而且晚到"), complaint(2, "破损"), complaint(3, "x")]
    assert (
        "1 text holds words of more than one label" in classify_by_rules(workspace(rows)).reading()
    )


def test_faults_in_rules_are_named():
    crm = workspace([complaint(1, "破损")])
    with pytest.raises(UnknownName, match=r"no column topic"):
        classify_by_rules(crm, label="topic")
    with pytest.raises(CrmlabError, match=r"needs a word; 1 of 2 rules have none"):
        classify_by_rules(crm, rules=pd.DataFrame({"word": [" ", "x"], "cause": ["a", "b"]}))
    rules = pd.DataFrame({"word": ["x"], "cause": ["a"], "weight": [0]})
    with pytest.raises(CrmlabError, match=r"above 0; that of x is 0"):
        classify_by_rules(crm, rules=rules)
    with pytest.raises(CrmlabError, match=r"has no row with a cause; a rule needs a word"):
        classify_by_rules(crm, rules=keyword_rules().head(0))
    without = pd.DataFrame({"word": ["破损", None], "cause": ["a", "b"]})
    with pytest.raises(CrmlabError, match=r"needs a word; 1 of 2 rules have none"):
        classify_by_rules(crm, rules=without)
    with pytest.raises(NotEnoughData, match="No complaint has a text"):
        classify_by_rules(workspace([complaint(1, " "), complaint(2, "", cause="damage")]))


def test_an_empty_cell_in_a_table_of_rules_is_no_rule():
    rules = pd.DataFrame({"word": ["破损", None], "cause": ["a", None], "deniable": [None, None]})
    assert found(["没有破损"], rules) == ["a"]
    other = pd.DataFrame({"word": ["破损", "晚"], "cause": ["a", None], "topic": ["x", "y"]})
    assert found(["晚", "破损"], other) == [None, "a"]


def test_a_label_that_only_the_rules_give_has_a_row_of_its_own():
    rows = [complaint(n, "晚到", cause="damage") for n in range(40)]
    rows += [complaint(n, "破损", cause="damage") for n in range(40, 58)]
    rows += [complaint(58, "?", cause="attitude"), complaint(59, "?", cause=None)]
    result = classify_by_rules(workspace(rows))
    assert result.table["cause"].tolist() == ["damage", "attitude", "late_delivery"]
    table = result.table.set_index("cause")
    assert table.loc["late_delivery", ["texts", "customers", "named", "right"]].tolist() == [
        0, 0, 40, 0,
    ]  # fmt: skip
    assert table.loc["late_delivery", ["precision", "share"]].tolist() == [0, 40 / 60]
    assert np.isnan(table.loc["late_delivery", "recall"])
    assert table["named"].tolist() == [18, 0, 40]
    # Nothing of 60 texts has an interval too.
    assert table.loc["attitude", ["share", "low"]].tolist() == [0, 0]
    assert table.loc["attitude", "high"] == pytest.approx(float(wilson(0, 60)[1]))
    assert table["judged"].tolist() == [True, False, False]
    assert len(result.plot().get_yticklabels()) == 3
    assert "Late delivery: precision 0%, recall –" in result.alt()


def test_where_the_rules_find_nothing_the_picture_is_said_to_be_empty():
    result = classify_by_rules(workspace([complaint(1, "?"), complaint(2, "x")]))
    assert result.table.empty
    assert len(result.plot().patches) == 0
    assert result.alt() == ("A picture without bars: the rules find nothing in any of the texts.")


def test_the_rules_find_most_causes_of_the_company(company):
    result = classify_by_rules(company)
    assert 0.7 < result.told.value < 0.9
    # Six in a hundred labels name another cause than the text; the rules err a little besides.
    assert 0.90 < result.agreed.value < 0.95
    assert result.table["judged"].all()
    assert result.title().startswith("Keyword rules speak of")
    by_kind = classify_by_rules(company, label="kind")
    assert by_kind.agreed.value > result.agreed.value
