"""The questionnaire: what is asked in which order, the page, the file and the way back; wording."""

import csv
import re

import openpyxl
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Item, Settings
from crmlab.data.sources import from_frames, load
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.satisfaction.questionnaire import IDENTIFYING, questionnaire
from crmlab.satisfaction.wording import design_check, wording_rules
from crmlab.show import charts

ITEMS = (
    Item("price_low", "price", "So cheap, you doubt it", "便宜到怀疑质量", 0, 1000),
    Item("gift", "kano", "A gift", "礼品", 1, 5),
    Item("rel1", "reliability", "Keeps <promises>", "按承诺时间送达", 1, 7, "technical"),
    Item("reliability", "importance", "Points for reliability", "给可靠性的分数", 0, 100),
    Item("lsq", "logistics_service", "Goods arrive", "货物送达", 0, 100),
)


def workspace(items=ITEMS, **tables):
    surveys = pd.DataFrame({"response_id": ["1"], "overall": [4], "recommend": [9]})
    settings = Settings(name="Test & Co", name_zh="测试公司", items=items)
    return from_frames({"surveys": surveys} | tables, settings)


def wordings(*labels, **more):
    """A workspace whose items have these English labels."""
    items = [Item(f"i{place}", "x", label, **more) for place, label in enumerate(labels)]
    return workspace(tuple(items))


def test_general_questions_come_before_specific_ones_and_pairs_stay_together():
    asked = questionnaire(workspace()).questions
    assert asked["column"].tolist() == [
        "overall",
        "recommend",
        "lsq_perception",
        "rel1_perception",
        "reliability_importance",
        "gift_functional",
        "gift_dysfunctional",
        "price_low_price",
    ]


def test_an_item_is_asked_as_it_has_been_answered():
    answers = pd.DataFrame(
        {"response_id": ["1", "1"], "item": ["rel1"] * 2, "value": [6.0, 4.0]}
    ).assign(aspect=["perception", "expectation"])
    asked = questionnaire(workspace(answers=answers)).questions
    assert {"rel1_expectation", "rel1_perception", "gift_functional"} <= set(asked["column"])


def test_a_short_form_asks_only_the_aspects_named():
    asked = questionnaire(workspace(), aspects=["perception"]).questions
    assert asked["column"].tolist() == [
        "overall",
        "recommend",
        "lsq_perception",
        "rel1_perception",
    ]
    with pytest.raises(UnknownName, match="perception"):
        questionnaire(workspace(), aspects=["perceived"])


def test_without_items_there_is_no_questionnaire():
    with pytest.raises(NotEnoughData):
        questionnaire(workspace(items=()))
    with pytest.raises(NotEnoughData):
        design_check(workspace(items=()))


def test_the_page_needs_nothing_from_elsewhere_and_hides_nothing():
    page = questionnaire(workspace()).html()
    assert not re.search(r"<script|https?:|url\(|@import|src=|hidden|display: none", page)
    assert "size: A4" in page
    assert '<html lang="en">' in page
    assert "Test &amp; Co" in page
    assert "Keeps &lt;promises&gt;" in page
    for name in ("response_id", "customer_id", "order_id", "answered_at"):
        assert f'id="{name}"' in page


def test_every_question_stands_on_the_page_once_with_its_number():
    form = questionnaire(workspace())
    page = form.html()
    for place, one in enumerate(form.asked, start=1):
        assert page.count(f'id="{one.column}"') == 1
        assert f"<legend>{place}. " in page
    assert page.count('class="box"') == 5 + 11 + 7
    assert page.count('class="answer"') == 10


def test_each_part_is_a_table_whose_head_says_what_it_asks():
    parts = re.findall(
        r'<table class="part (\w+)".*?</table>', questionnaire(workspace()).html(), re.S
    )
    assert parts == ["general", "rating", "perception", "points", "kano", "price"]
    page = questionnaire(workspace()).html()
    heads = re.findall(r"<thead><tr><td><h2>(.*?)</h2><p class=\"about\">(.*?)</p>", page)
    assert (
        "What you find",
        "Now think of Test &amp; Co. How far does each of these hold?",
    ) in heads
    assert len(heads) == len(parts)
    points = page.split('<table class="part points"')[1].split("</table>")[0]
    assert points.index('id="reliability_importance"') < points.index("Together: 100")


def test_item_codes_with_commas_and_quotes_come_back(tmp_path):
    item = Item('a,"b"', "x", "Careful")
    path = tmp_path / "answers.csv"
    mapping = questionnaire(workspace((item,))).template(path)
    _type_in(path, [{"response_id": "1", "answered_at": "2026-03-01", 'a,"b"_perception': 4}])
    assert load(mapping).answers[["item", "value"]].to_numpy().tolist() == [['a,"b"', 4.0]]


def test_the_other_language_is_used_for_the_page_alone():
    form = questionnaire(workspace(), language="zh_CN")
    page = form.html()
    assert '<html lang="zh-CN">' in page
    assert "按承诺时间送达" in page
    assert "测试公司" in page
    assert crmlab.language.current_language() == "en"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_what_is_typed_into_the_file_comes_back_through_its_mapping(tmp_path, ending):
    form = questionnaire(workspace())
    path = tmp_path / f"answers.{ending}"
    mapping = form.template(path)
    typed = {
        "response_id": "Q-1", "customer_id": "甲公司", "answered_at": "2026-03-01",
        "overall": 5, "recommend": 8, "rel1_perception": 6, "reliability_importance": 100,
        "gift_functional": 1, "gift_dysfunctional": 3, "price_low_price": 7.5,
    }  # fmt: skip
    _type_in(path, [typed, {"response_id": "Q-2", "answered_at": "2026-03-02", "overall": 2}])
    crm = load(mapping)
    assert crm.settings.shown() == "Test & Co"
    assert {item.item for item in crm.settings.items} == {item.item for item in ITEMS}
    surveys = crm.surveys.set_index("response_id")
    assert surveys["overall"].tolist() == [5, 2]
    assert surveys.loc["Q-1", "customer_id"] == "甲公司"
    found = {(row.item, row.aspect): row.value for row in crm.answers.itertuples()}
    assert found == {
        ("rel1", "perception"): 6,
        ("reliability", "importance"): 100,
        ("gift", "functional"): 1,
        ("gift", "dysfunctional"): 3,
        ("price_low", "price"): 7.5,
    }


def _type_in(path, rows):
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as source:
            names = next(csv.reader(source))
        with path.open("a", encoding="utf-8", newline="") as target:
            csv.DictWriter(target, names).writerows(rows)
        return
    book = openpyxl.load_workbook(path)
    sheet = book["answers"]
    names = [cell.value for cell in sheet[1]]
    for row in rows:
        sheet.append([row.get(name) for name in names])
    book.save(path)


def test_the_file_begins_with_what_identifies_and_is_never_written_over(tmp_path):
    form = questionnaire(workspace())
    form.template(tmp_path / "answers.csv")
    header = (tmp_path / "answers.csv").read_text(encoding="utf-8-sig").strip().split(",")
    assert tuple(header[: len(IDENTIFYING)]) == IDENTIFYING
    with pytest.raises(CrmlabError, match="there already"):
        form.template(tmp_path / "answers.csv")
    with pytest.raises(CrmlabError, match=r"\.csv or \.xlsx"):
        form.template(tmp_path / "answers.doc")


def test_the_companys_own_questionnaire_asks_everything_it_has_answers_to(company):
    form = questionnaire(company)
    pairs = company.answers[["item", "aspect"]].drop_duplicates()
    columns = set(pairs["item"] + "_" + pairs["aspect"])
    assert columns <= set(form.questions["column"])
    assert form.parts == (
        "general", "rating", "expectation", "perception", "importance", "points", "kano", "price",
    )  # fmt: skip


# --- wording


@pytest.mark.parametrize(
    ("label", "rule", "words"),
    [
        ("Fast and friendly", "double", "and"),
        ("Rail or road", "double", "or"),
        ("Our excellent drivers are on time", "leading", "excellent"),
        ("Drivers are never late", "negative", "never"),
        ("Drivers often call", "vague", "often"),
        ("One two three four five six seven eight nine ten eleven twelve more", "long", "13"),
    ],
)
def test_a_wording_against_a_rule_is_found_with_its_words(label, rule, words):
    table = design_check(wordings(label)).table
    assert table[["rule", "words"]].to_numpy().tolist() == [[rule, words]]


@pytest.mark.parametrize("label", ["Orders are handled promptly", "Nothing is brandished"])
def test_a_plain_wording_is_left_alone(label):
    result = design_check(wordings(label))
    assert result.table.empty
    assert "None breaks one." in result.reading()
    with charts.house_style():
        result.plot()


def test_chinese_wording_has_rules_of_its_own():
    item = Item("a", "x", label_zh="司机快速和友好")
    prompt = Item("b", "x", label_zh="服务及时")
    table = design_check(workspace((item, prompt))).table
    assert table[["item", "words"]].to_numpy().tolist() == [["a", "和"]]


def test_the_same_wording_twice_is_found_in_both_items():
    table = design_check(wordings("On time", "on time.", "Careful")).table
    assert table[["item", "rule", "words"]].to_numpy().tolist() == [
        ["i0", "duplicate", "i1"],
        ["i1", "duplicate", "i0"],
    ]


def test_scales_without_a_middle_or_unlike_their_dimension_are_found():
    items = (
        Item("even", "a", "Careful", maximum=4),
        Item("other", "a", "Prompt", maximum=5),
        Item("rating", "b", "Good", minimum=0, maximum=100),
    )
    table = design_check(workspace(items)).table
    assert table[["item", "rule"]].to_numpy().tolist() == [
        ["even", "no_middle"],
        ["other", "mixed"],
    ]


def test_items_without_wording_are_counted():
    result = design_check(workspace((Item("a", "x"), Item("b", "x", "Prompt"))))
    assert "1 of them have no wording" in result.reading()


def test_rules_of_ones_own_are_used_and_checked():
    rules = wording_rules()
    rules = rules[rules["rule"] == "double"].assign(pattern="plus")
    assert design_check(wordings("Rail plus road"), rules=rules).table["words"].tolist() == ["plus"]
    with pytest.raises(CrmlabError, match="lack remedy"):
        design_check(wordings("x"), rules=rules.drop(columns="remedy"))
    with pytest.raises(CrmlabError, match="regular expression"):
        design_check(wordings("x"), rules=rules.assign(pattern="("))
    with pytest.raises(CrmlabError, match="regular expression"):
        design_check(wordings("x"), rules=rules.assign(pattern=None))
    with pytest.raises(CrmlabError, match="looks at word; it can look at: words, length"):
        design_check(wordings("x"), rules=rules.assign(looks_at="word"))


def test_a_pattern_with_groups_finds_whole_words():
    rules = wording_rules()
    rules = rules[rules["rule"] == "double"].assign(pattern=r"\b(and|or)\b( else)?")
    found = design_check(wordings("Rail and road or else air"), rules=rules).table
    assert found["words"].tolist() == ["and, or else"]


def test_the_check_of_the_company_is_shown_in_both_languages(company):
    result = design_check(company)
    assert "held against" in result.reading()
    crmlab.set_language("zh_CN")
    assert result.value_labels()["rule"]["double"] == "一题两问"
    with charts.house_style():
        axes = result.plot()
    assert "一题两问" in [label.get_text() for label in axes.get_yticklabels()]
