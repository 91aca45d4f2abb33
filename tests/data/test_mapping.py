"""The mapping file: what it may say, and what it answers to a slip."""

import datetime as dt

import pytest

from crmlab.data import mapping
from crmlab.errors import MappingError, SourceNotFound


def orders(**settings):
    return {"orders": {"files": "o.csv", "columns": {"order_id": "No"}} | settings}


def tariff(**settings):
    change = {"regions": ["S", "N"], "since": "2025-04-01"} | settings
    return {"workspace": {"tariff_changes": [change]}}


def test_a_bare_name_is_the_column_of_the_source():
    table = mapping.parse(orders()).tables["orders"]
    assert table.columns["order_id"].column == "No"
    assert table.files == ("o.csv",)
    assert table.needed() == ("No",)


def test_settings_of_a_table_hold_for_its_columns_unless_they_say_otherwise():
    columns = {"order_id": "No", "amount": {"column": "Sum", "decimal": "."}}
    table = mapping.parse(orders(decimal=",", strip=True, columns=columns)).tables["orders"]
    assert table.columns["order_id"].strip
    assert table.columns["order_id"].decimal == ","
    assert table.columns["amount"].decimal == "."


def test_missing_always_includes_the_empty_text():
    assert mapping.parse(orders(missing="N/A")).tables["orders"].missing == ("", "N/A")


def test_workspace_settings_are_read():
    made = mapping.parse_settings(
        {
            "workspace": {
                "name": "物流",
                "timezone": "Asia/Shanghai",
                "as_of": dt.date(2025, 12, 31),
                "sla_hours": {"high": 24, "key": {"high": 12}},
                "activity_costs": {"contact.phone": 8.5},
                "workdays": {"2025-01-26": True, "2025-01-28": False},
            },
            "items": [{"item": "REL1", "dimension": "reliability", "maximum": 7}],
        },
        "workspace.toml",
    )
    assert made.as_of == dt.date(2025, 12, 31)
    assert made.sla_hours == {"high": 24, "key.high": 12}
    assert made.activity_costs == {"contact.phone": 8.5}
    assert made.workdays[dt.date(2025, 1, 26)]
    assert not made.workdays[dt.date(2025, 1, 28)]
    assert made.items[0].maximum == 7


def test_a_change_of_the_tariff_is_read_with_or_without_its_size():
    announced = mapping.parse(tariff(share=0.25, label="New tariff")).settings.tariff_changes[0]
    assert announced.regions == ("S", "N")
    assert announced.since == dt.date(2025, 4, 1)
    assert announced.share == 0.25
    assert mapping.parse(tariff()).settings.tariff_changes[0].share is None
    assert mapping.parse(orders()).settings.tariff_changes == ()


def test_lines_kept_apart_make_the_workspace_one_of_lines():
    apart = orders(one_row_is="line", key="row_number", columns={"amount": "Sum"})
    together = orders(one_row_is="line", combine=True)
    assert mapping.parse(apart).settings.record == "line"
    assert mapping.parse(together).settings.record == "order"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"order": {}}, "there is no table order. Did you mean orders"),
        (orders(encodign="gbk"), "no setting encodign. Did you mean encoding"),
        (orders(columns={"custmer_id": "C"}), "no column custmer_id. Did you mean customer_id"),
        (orders(columns={"order_id": {"colum": "C"}}), "no setting colum. Did you mean column"),
        (orders(columns={"order_id": {"strip": True}}), "exactly one of column, value"),
        (orders(columns={"order_id": {"column": "a", "value": 1}}), "exactly one of column"),
        (orders(columns={"amount": "Sum"}), 'key order_id is not mapped. Map it, or say key = "r'),
        (orders(key="row_number"), "order_id is mapped and made by key as well"),
        (orders(skip_rows="2"), "skip_rows = '2' should be of the kind int"),
        (orders(header=False), "say the names of the columns"),
        (orders(combine=True), 'say one_row_is = "line" as well'),
        (orders(one_row_is="line", combine="No"), "lines are combined by the key, order_id"),
        (orders(invalid="skip"), "invalid is skip; it can be error, exclude"),
        (orders(filter=[{"source": "A"}]), "exactly one of equals, not"),
        (orders(filter=[{"complete": True, "drop_duplicates": True}]), "either complete"),
        (orders(filter=[{"column": "amout", "not": 0}]), "Did you mean amount"),
        (
            orders(filter=[{"column": "amount", "not": 0}, {"complete": True}]),
            "filters of source columns come before",
        ),
        (orders(timezone="Asia/Shangai"), "no time zone Asia/Shangai"),
        (
            orders(columns={"order_id": {"column": "a", "unit": "万圆"}}),
            "no unit 万圆. There are: 元, 角",
        ),
        ({"orders": {"columns": {"order_id": "No"}}}, "say either files or from"),
        ({"customers": {"from": "orders", "columns": {"customer_id": "c"}}}, "not in the mapping"),
        ({"workspace": {"curency": "CNY"}}, "Did you mean currency"),
        ({"workspace": {"as_of": "31.12.2025"}}, "is not a date. Write it as 2025-12-31"),
        (tariff(regons=["S"]), "no setting regons. Did you mean regions"),
        ({"workspace": {"tariff_changes": [{"regions": ["S"]}]}}, "since is missing"),
        ({"workspace": {"tariff_changes": {}}}, "should be of the kind list"),
        (tariff(regions="South"), "should be of the kind list"),
        (tariff(regions=[]), 'should name regions of customers: ["South", "North"]'),
        (tariff(since="spring"), "is not a date"),
        (tariff(share="25%"), "share = '25%' should be of the kind"),
        (tariff(share=25), "share = 25 is no rise of prices. Write 0.25"),
        (tariff(share=0), "share = 0 is no rise of prices"),
        (
            {"complaint_events": {"files": "e.csv", "key": "row_number"}},
            "the key of complaint_events is complaint_id, at",
        ),
    ],
)
def test_a_slip_is_answered_with_the_nearest_word_or_the_remedy(content, words):
    with pytest.raises(MappingError) as caught:
        mapping.parse(content, "m.toml")
    assert words in str(caught.value)
    assert "m.toml" in str(caught.value)


def test_a_derived_table_cannot_have_filters_of_its_own():
    content = orders() | {
        "customers": {
            "from": "orders",
            "columns": {"customer_id": "customer_id"},
            "filter": [{"complete": True}],
        }
    }
    with pytest.raises(MappingError, match=r"filter"):
        mapping.parse(content)


def test_a_file_that_is_not_toml_is_named(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text("[orders\n")
    with pytest.raises(MappingError, match=r"m.toml is not valid TOML"):
        mapping.read(path)
    with pytest.raises(SourceNotFound, match=r"There is no file"):
        mapping.read(tmp_path / "none.toml")


def test_a_mapping_saved_by_a_windows_editor_is_read(tmp_path):
    path = tmp_path / "m.toml"
    path.write_bytes(b"\xef\xbb\xbf[workspace]\r\nname = 'Demo'\r\n")
    assert mapping.read(path).settings.name == "Demo"
