import pytest

from crmlab.data import model
from crmlab.errors import UnknownName
from crmlab.language import set_language

COLUMNS = [
    pytest.param(table, column, id=f"{table.name}.{column.name}")
    for table in model.TABLES.values()
    for column in table.columns
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_reference_points_to_the_key_of_a_table(table, column):
    if column.references:
        other, _dot, key = column.references.partition(".")
        assert model.table(other).key == (key,)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_known_at_names_a_time_of_the_same_table(table, column):
    if column.known_at:
        assert table.column(column.known_at).type == "datetime"


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_column_has_both_labels_and_one_sentence(table, column):
    assert column.label
    assert column.label_zh
    assert column.description.endswith(".")


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_numbers_and_only_numbers_have_decimals(table, column):
    assert (column.decimals is not None) == (column.type in ("integer", "number"))


def test_column_names_are_unique_and_keys_exist():
    for table in model.TABLES.values():
        assert len(set(table.names)) == len(table.names)
        assert set(table.key) <= set(table.names)


def test_times_that_decide_about_as_of_exist():
    for table in model.TABLES.values():
        assert not table.starts or table.column(table.starts).type in ("datetime", "date")
        assert not (table.starts and table.follows)
    for name, column in model.AS_OF_COLUMNS:
        assert model.table(name).column(column).type == "datetime"


def test_answers_become_known_with_their_questionnaire():
    assert model.table("answers").follows == "surveys.answered_at"


def test_labels_follow_the_language():
    set_language("zh_CN")
    assert model.table("orders").shown() == "订单"
    assert model.table("contacts").column("channel").shown_value("visit") == "上门回访"


def test_an_unknown_column_names_those_there_are():
    with pytest.raises(UnknownName, match=r"staff has no column name. It has: staff_id, team"):
        model.table("staff").column("name")
    with pytest.raises(UnknownName, match="There is no table clients"):
        model.table("clients")
