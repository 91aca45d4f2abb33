"""Wide questionnaires: a row a respondent, a column a question."""

import re
import tomllib
from pathlib import Path

import openpyxl
import pytest

from crmlab.data import staging
from crmlab.data.mapping import parse
from crmlab.data.sources import load
from crmlab.errors import InvalidValues, MappingError
from crmlab.satisfaction.responses import responses, wide

DOCS = Path(__file__).parents[2] / "docs"

ITEMS = """
[[items]]
item = "rel1"
dimension = "reliability"
maximum = 7

[[items]]
item = "rel2"
dimension = "reliability"
maximum = 7
"""


def _numbered(**blocks):
    return [f"{name}{place}" for name, many in blocks.items() for place in range(1, many + 1)]


def mapped(tmp_path, content, answers, surveys="", name="a.csv", encoding="utf-8"):
    """A workspace of one wide file, by a mapping that says how it is read."""
    (tmp_path / name).write_text(content, encoding=encoding)
    text = f'[answers]\nfiles = "{name}"\nencoding = "{encoding}"\nwide = true\n{answers}\n'
    (tmp_path / "mapping.toml").write_text(f"{text}{surveys}{ITEMS}", encoding="utf-8")
    return load(tmp_path / "mapping.toml")


def long(crm):
    return crm.answers[["response_id", "item", "aspect", "value"]].to_numpy().tolist()


def steps(crm, table="answers"):
    return crm.accounting.query("table == @table").groupby("step", sort=False)["rows"].sum()


def balanced(crm):
    rows = steps(crm)
    assert rows["read"] == rows["kept"] + rows.reindex(list(staging.REMOVING)).sum()


BY_NAME = 'items = "{item}"\ncolumns.response_id = "no"'


def test_columns_called_like_the_items_are_answers_row_by_row(tmp_path):
    crm = mapped(tmp_path, "no,rel1,rel2\nA,5,6\nB,7,1\n", BY_NAME)
    assert long(crm) == [
        ["A", "rel1", "perception", 5.0],
        ["A", "rel2", "perception", 6.0],
        ["B", "rel1", "perception", 7.0],
        ["B", "rel2", "perception", 1.0],
    ]
    balanced(crm)


def test_a_pattern_names_the_aspects_in_the_files_own_words(tmp_path):
    rule = (
        'items = "{item}{aspect}"\ncolumns.response_id = "编号"\n'
        'aspects = { "期望" = "expectation", "感知" = "perception" }'
    )
    crm = mapped(tmp_path, "编号,rel1期望,rel1感知\n甲,6,4\n", rule, encoding="gbk")
    assert long(crm) == [["甲", "rel1", "expectation", 6.0], ["甲", "rel1", "perception", 4.0]]


def test_each_item_may_name_its_columns_by_aspect(tmp_path):
    rule = (
        'columns.response_id = "no"\n[answers.items]\nrel1 = "Q1"\n'
        'rel2 = { expectation = "Q2a", perception = "Q2b" }'
    )
    crm = mapped(tmp_path, "no,Q1,Q2a,Q2b,other\nA,5,6,7,x\n", rule)
    assert crm.answers["item"].tolist() == ["rel1", "rel2", "rel2"]
    assert crm.answers["value"].tolist() == [5, 6, 7]


def test_an_empty_cell_is_no_row_and_is_counted(tmp_path):
    rule = f'{BY_NAME}\nmissing = "99"'
    crm = mapped(tmp_path, "no,rel1,rel2\nA,,6\nB,99,1\nC,,\n", rule)
    assert crm.answers["response_id"].tolist() == ["A", "B"]
    rows = steps(crm)
    assert rows[["questionnaires", "read", "unanswered", "kept"]].tolist() == [3, 6, 4, 2]
    assert rows["missing"] == 1
    balanced(crm)


def test_who_answered_nothing_is_still_a_questionnaire(tmp_path):
    surveys = '[surveys]\nfiles = "a.csv"\nkey = "row_number"\ncolumns.wave = "wave"\n'
    rule = 'items = "{item}"\nkey = "row_number"'
    crm = mapped(tmp_path, "wave,rel1,rel2\nQ1,5,6\nQ1,,\nQ2,3,2\n", rule, surveys)
    assert responses(crm).frame["response_id"].tolist() == ["1", "2", "3"]
    assert wide(crm, "perception").to_dict("index") == {
        "1": {"rel1": 5.0, "rel2": 6.0},
        "3": {"rel1": 3.0, "rel2": 2.0},
    }


def test_row_numbers_go_on_in_the_next_file_for_both_tables(tmp_path):
    (tmp_path / "b2.csv").write_text("wave,rel1,rel2\nQ3,1,2\n", encoding="utf-8")
    surveys = '[surveys]\nfiles = "b*.csv"\nkey = "row_number"\ncolumns.wave = "wave"\n'
    rule = 'items = "{item}"\nkey = "row_number"'
    crm = mapped(tmp_path, "wave,rel1,rel2\nQ1,5,6\nQ2,3,2\n", rule, surveys, name="b1.csv")
    assert crm.surveys["response_id"].tolist() == ["1", "2", "3"]
    both = (tmp_path / "mapping.toml").read_text(encoding="utf-8")
    both = both.replace('files = "b1.csv"', 'files = "b*.csv"')
    (tmp_path / "mapping.toml").write_text(both, encoding="utf-8")
    crm = load(tmp_path / "mapping.toml")
    assert crm.answers.query("response_id == '3'")["value"].tolist() == [1, 2]


def test_parts_of_a_questionnaire_in_several_files_come_together(tmp_path):
    (tmp_path / "b.csv").write_text("no,rel2\nB,2\nA,6\n", encoding="utf-8")
    rule = BY_NAME + '\nfiles = ["a.csv", "b.csv"]'
    (tmp_path / "a.csv").write_text("no,rel1\nA,5\nB,3\n", encoding="utf-8")
    text = f"[answers]\nwide = true\n{rule}\n{ITEMS}"
    (tmp_path / "mapping.toml").write_text(text, encoding="utf-8")
    crm = load(tmp_path / "mapping.toml")
    assert wide(crm, "perception").to_dict("index") == {
        "A": {"rel1": 5.0, "rel2": 6.0},
        "B": {"rel1": 3.0, "rel2": 2.0},
    }
    balanced(crm)


def test_answers_off_the_scale_are_faults_with_file_column_row_and_remedy(tmp_path):
    with pytest.raises(InvalidValues) as raised:
        mapped(tmp_path, "no,rel1,rel2\nA,5,0\nB,8,6\nC,9.5,six\n", BY_NAME)
    by_column = {fault.column: fault for fault in raised.value.faults}
    assert by_column["rel1"].count == 2
    assert by_column["rel1"].examples == ((2, "8"), (3, "9.5"))
    message = by_column["rel1"].message
    assert message.startswith("a.csv: `rel1` has 2 answers off the scale of rel1 (perception)")
    assert "from 1 to 7 (row 2: 8)" in message
    assert "`missing`" in message
    kinds = [fault.kind for fault in raised.value.faults if fault.column == "rel2"]
    assert sorted(kinds) == ["not_a_number", "off_scale"]


def test_where_the_mapping_says_so_only_the_bad_answers_are_left_out(tmp_path):
    content = "no,rel1,rel2\nA,5,0\nB,8,6\nC,,six\n"
    crm = mapped(tmp_path, content, f'{BY_NAME}\ninvalid = "exclude"')
    assert long(crm) == [["A", "rel1", "perception", 5.0], ["B", "rel2", "perception", 6.0]]
    assert steps(crm)[["read", "invalid", "unanswered", "kept"]].tolist() == [6, 3, 1, 2]
    balanced(crm)


def test_an_aspect_may_have_a_scale_of_its_own(tmp_path):
    rule = f'{BY_NAME}\naspect = "importance"\nscales = {{ importance = [0, 100] }}'
    crm = mapped(tmp_path, "no,rel1,rel2\nA,60,40\n", rule)
    assert crm.answers["value"].tolist() == [60, 40]
    assert set(crm.answers["aspect"]) == {"importance"}


def test_words_are_translated_by_codes(tmp_path):
    rule = f'{BY_NAME}\ncolumns.value = {{ codes = {{ "满意" = 6, "不满意" = 2 }} }}'
    crm = mapped(tmp_path, "no,rel1,rel2\nA,满意,不满意\n", rule)
    assert crm.answers["value"].tolist() == [6, 2]
    with pytest.raises(InvalidValues, match=r"rel2.*很好"):
        mapped(tmp_path, "no,rel1,rel2\nA,满意,很好\n", rule)


def test_filters_count_answers_and_the_account_adds_up(tmp_path):
    rule = f'{BY_NAME}\n[[answers.filter]]\nsource = "test"\nequals = "no"'
    crm = mapped(tmp_path, "no,test,rel1,rel2\nA,no,1,2\nB,yes,3,4\n", rule)
    assert steps(crm)[["read", "filtered", "kept"]].tolist() == [4, 2, 2]
    balanced(crm)


def test_a_column_that_fits_no_question_is_named(tmp_path):
    crm = mapped(tmp_path, "no,rel1,rell2\nA,1,2\n", BY_NAME)
    entry = crm.accounting.query("step == 'unread_columns'").iloc[0]
    assert "rell2" in entry["remark"]


def test_two_rows_of_one_questionnaire_are_a_fault(tmp_path):
    with pytest.raises(InvalidValues, match="repeat"):
        mapped(tmp_path, "no,rel1,rel2\nA,1,2\nA,3,4\n", BY_NAME)


def test_an_excel_file_is_read_alike(tmp_path):
    book = openpyxl.Workbook()
    for row in (["no", "rel1", "rel2"], ["A", 5, None], ["B", 7, 1.0]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    mapping = f'[answers]\nfiles = "a.xlsx"\nwide = true\n{BY_NAME}\n{ITEMS}'
    (tmp_path / "mapping.toml").write_text(mapping, encoding="utf-8")
    crm = load(tmp_path / "mapping.toml")
    assert crm.answers["value"].tolist() == [5, 7, 1]


def test_korean_text_is_read(tmp_path):
    rule = 'columns.response_id = "번호"\nitems.rel1 = "만족도"'
    crm = mapped(tmp_path, "번호,만족도\n가,6\n", rule, encoding="cp949")
    assert long(crm) == [["가", "rel1", "perception", 6.0]]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"wide": True, "key": "row_number"}, "which column is which question"),
        ({"items": "{item}", "key": "row_number"}, "wide = true"),
        ({"wide": True, "items": "{item}"}, "the key response_id is not mapped"),
        ({"wide": True, "items": "item", "key": "row_number"}, "should hold {item}"),
        ({"wide": True, "items": "{item}_{what}", "key": "row_number"}, "should hold {item}"),
        ({"wide": True, "items": {"rel9": "a"}, "key": "row_number"}, "Did you mean rel1"),
        (
            {"wide": True, "items": {"rel1": {"percepton": "a"}}, "key": "row_number"},
            "Did you mean perception",
        ),
        (
            {"wide": True, "items": "{item}", "aspect": "gap", "key": "row_number"},
            "no aspect gap",
        ),
        (
            {"wide": True, "items": "{item}", "scales": {"importance": [9]}, "key": "row_number"},
            "[lowest, highest]",
        ),
        (
            {"wide": True, "items": "{item}", "scales": {"importance": ["1", "9"]}},
            "[lowest, highest]",
        ),
        ({"wide": True, "items": "{item}", "columns": "same"}, "one by one"),
        (
            {"wide": True, "items": "{item}", "combine": True, "key": "row_number"},
            "is for the table answers",
        ),
    ],
)
def test_a_slip_in_the_mapping_is_answered_with_what_to_say(section, words):
    items = [{"item": "rel1", "dimension": "reliability", "maximum": 7}]
    with pytest.raises(MappingError) as raised:
        parse({"answers": {"files": "a.csv"} | section, "items": items})
    assert words in str(raised.value)


def test_only_answers_can_be_wide_and_items_must_be_declared():
    with pytest.raises(MappingError, match="is for the table answers"):
        parse({"orders": {"files": "a.csv", "wide": True, "items": "{item}"}})
    with pytest.raises(MappingError, match=r"\[\[items\]\]"):
        parse({"answers": {"files": "a.csv", "wide": True, "items": "{item}", "key": "no"}})


def test_a_file_without_any_of_the_questions_says_what_was_expected(tmp_path):
    with pytest.raises(MappingError, match="such as rel1_expectation"):
        mapped(
            tmp_path,
            "no,q1\nA,1\n",
            'columns.response_id = "no"\nitems = "{item}_{aspect}"',
        )


def test_the_example_of_the_documentation_comes_out_as_it_says(tmp_path):
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    part = text[text.index("### Wide questionnaires") : text.index("### Derived tables")]
    blocks = re.findall(r"```(?:toml)?\n(.*?)```", part, re.DOTALL)
    (tmp_path / "answers.csv").write_text(blocks[0], encoding="gbk")
    (tmp_path / "mapping.toml").write_text(blocks[1], encoding="utf-8")
    crm = load(tmp_path / "mapping.toml")
    assert len(crm.answers) == 7
    assert steps(crm)["unanswered"] == 1
    assert wide(crm, "expectation").to_numpy()[0].tolist() == [7, 6]
    named = parse(
        tomllib.loads(
            f"items = [{{item='rel1', dimension='r'}}, "
            f"{{item='rel2', dimension='r'}}]\n"
            f"[answers]\nfiles='a.csv'\nwide=true\nkey='row_number'\n"
            f"{blocks[2]}"
        )
    )
    assert len(named.tables["answers"].wide.questions) == 3


@pytest.mark.parametrize(
    ("name", "file", "columns"),
    [
        (
            "ecsi",
            "satisfaction.csv",
            [*_numbered(imag=5, expe=5, qual=5, val=4, sat=4, loy=4), "gender"],
        ),
        (
            "ecsi_mobile",
            "mobile.csv",
            [*_numbered(ima=5, exp=3, qua=7, val=2, sat=3), "comp", *_numbered(loy=3)],
        ),
    ],
)
def test_the_shipped_mappings_read_files_of_that_shape(tmp_path, name, file, columns):
    rows = ["3" if column != "gender" else "female" for column in columns]
    lines = [",".join(f'"{column}"' for column in columns), ",".join(rows), ",".join(rows)]
    (tmp_path / file).write_text("\n".join(lines), encoding="utf-8")
    crm = load(DOCS / "mappings" / f"{name}.toml", files=tmp_path)
    items = [column for column in columns if column != "gender"]
    assert wide(crm, "perception").columns.tolist() == items
    assert len(crm.answers) == 2 * len(items)
