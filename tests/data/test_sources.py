"""From files to a workspace: formats, conversions, faults, accounts, as_of."""

import datetime as dt
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crmlab.data import files, model, sources, staging
from crmlab.data.sources import from_frames, load
from crmlab.errors import (
    CrmlabError,
    InvalidValues,
    MappingError,
    MissingColumns,
    SourceNotFound,
    TooLarge,
    UnknownName,
)

ORDERS = """order_id,customer_id,ordered_at,promised_at,delivered_at,amount,damaged
A1,C1,2025-01-05 09:00:00,2025-01-08 18:00:00,2025-01-08 12:00:00,100.5,false
A2,C1,2025-02-05 09:00:00,2025-02-08 18:00:00,2025-02-09 12:00:00,50,true
A3,C2,2025-03-05 09:00:00,2025-03-08 18:00:00,,-20,
A4,,2025-03-06 09:00:00,2025-03-09 18:00:00,2025-03-06 20:00:00,0,false
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "customers.csv").write_text(
        'customer_id,name,acquired_on\nC1,京东,2024-01-01\nC2,Ltd "X",2024-06-01\n'.replace(
            'Ltd "X"', '"Ltd ""X"", Co"'
        ),
        encoding="utf-8",
    )
    (tmp_path / "workspace.toml").write_text('[workspace]\nname = "Demo"\n', encoding="utf-8")
    return tmp_path


def mapped(tmp_path, text, name="data.csv", content=ORDERS, encoding="utf-8", **more):
    if content is not None:
        (tmp_path / name).write_bytes(content.encode(encoding))
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    return load(tmp_path / "m.toml", **more)


def one_column(tmp_path, entry, values, column="amount", **more):
    """Orders with one column, converted as `entry` says."""
    content = "v\n" + "".join(f'"{value}"\n' for value in values)
    text = (
        f'[orders]\nfiles = "data.csv"\nkey = "row_number"\n[orders.columns]\n{column} = {entry}\n'
    )
    return mapped(tmp_path, text, content=content, **more).orders[column].tolist()


def balance(crm):
    """For every table: rows read less those removed, and rows kept."""
    steps = crm.accounting.pivot_table(
        index="table", columns="step", values="rows", aggfunc="sum", fill_value=0
    )
    removed = steps.reindex(columns=list(staging.REMOVING), fill_value=0).sum(axis=1)
    return (steps["read"] - removed).to_dict(), steps["kept"].to_dict()


# --- a folder


def test_a_folder_in_the_models_shape_is_read_into_the_models_types(folder):
    crm = load(folder)
    assert crm.tables == ("customers", "orders")
    assert crm.source == "Demo"
    assert {name: str(kind) for name, kind in crm.orders.dtypes.items()} == {
        "order_id": "str",
        "customer_id": "str",
        "ordered_at": "datetime64[us]",
        "promised_at": "datetime64[us]",
        "delivered_at": "datetime64[us]",
        "amount": "float64",
        "damaged": "boolean",
    }
    assert str(crm.customers["acquired_on"].dtype) == "datetime64[us]"
    assert crm.customers["name"].tolist() == ["京东", 'Ltd "X", Co']
    assert crm.orders["damaged"].isna().tolist() == [False, False, True, False]


def test_the_same_folder_as_parquet_and_as_excel_gives_the_same_tables(folder, tmp_path_factory):
    wanted = load(folder)
    for suffix in ("parquet", "xlsx"):
        other = tmp_path_factory.mktemp(suffix)
        for name in ("orders", "customers"):
            frame = getattr(wanted, name)
            if suffix == "parquet":
                frame.to_parquet(other / f"{name}.parquet")
            else:
                frame.to_excel(other / f"{name}.xlsx", index=False)
        found = load(other)
        assert_frame_equal(found.orders, wanted.orders)
        assert_frame_equal(found.customers, wanted.customers)
        assert_frame_equal(found.query("customer_summary"), wanted.query("customer_summary"))


def test_only_the_columns_present_are_handed_out_and_named(folder):
    crm = load(folder)
    assert crm.columns("orders") == frozenset(crm.orders.columns)
    assert crm.has("orders", "amount")
    assert not crm.has("orders", "cost")
    assert not crm.has("contacts")
    assert crm.missing({"orders": ["amount", "cost"], "contacts": ["channel"]}) == {
        "orders": ("cost",),
        "contacts": ("channel",),
    }
    assert crm.missing({"orders": ["amount"]}) == {}


def test_a_missing_table_says_what_to_do(folder):
    with pytest.raises(MissingColumns, match=r"no table contacts; there are: customers, orders"):
        load(folder).contacts  # noqa: B018


def test_changing_a_frame_does_not_change_the_workspace(folder):
    crm = load(folder)
    frame = crm.orders
    frame.loc[0, "amount"] = -1
    assert crm.orders["amount"].tolist() == [100.5, 50, -20, 0]


def asked_of_the_engine(crm, monkeypatch):
    """Count what reaches the engine of a workspace."""
    seen, query = [], crm._engine.query
    monkeypatch.setattr(
        crm._engine,
        "query",
        lambda name, *more, **by: seen.append(name) or query(name, *more, **by),
    )
    return seen


def test_the_same_question_is_computed_once_and_another_anew(folder, monkeypatch):
    crm = load(folder)
    seen = asked_of_the_engine(crm, monkeypatch)
    first, second = crm.query("customer_summary"), crm.query("customer_summary")
    assert_frame_equal(first, second)
    assert seen == ["customer_summary"]
    crm.query("customer_summary", period_to=dt.date(1999, 1, 1))
    crm.query("on_time")
    crm.query("on_time", by="customer_id")
    assert len(seen) == 4


def test_changing_an_answer_does_not_change_the_next_one(folder):
    crm = load(folder)
    spoilt = crm.query("customer_summary")
    spoilt["amount"] = 0.0
    spoilt.loc[0, "orders"] = 99
    spoilt["more"] = 1
    again = crm.query("customer_summary")
    assert_frame_equal(again, load(folder).query("customer_summary"))


def test_a_large_answer_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(sources, "_KEPT_ROWS", 0)
    crm = load(folder)
    seen = asked_of_the_engine(crm, monkeypatch)
    crm.query("customer_summary")
    crm.query("customer_summary")
    assert len(seen) == 2


def test_columns_that_the_model_does_not_have_are_reported(folder):
    (folder / "staff.csv").write_text("staff_id,levle\nS1,2\n")
    crm = load(folder)
    entry = crm.accounting.query("table == 'staff' and step == 'unread_columns'").iloc[0]
    assert "levle (level?)" in entry["remark"]
    assert crm.columns("staff") == {"staff_id"}


def test_a_folder_without_tables_or_key_says_so(tmp_path):
    with pytest.raises(SourceNotFound, match=r"holds no table"):
        load(tmp_path)
    (tmp_path / "orders.csv").write_text("order_no,amount\n1,2\n")
    with pytest.raises(MappingError, match=r"has no column order_id, the key of orders. Did you m"):
        load(tmp_path)
    (tmp_path / "orders.parquet").write_bytes(b"")
    with pytest.raises(MappingError, match=r"orders is there twice"):
        load(tmp_path)


def test_a_table_may_be_a_folder_of_parts(tmp_path):
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "2024.csv").write_text("order_id,amount\n1,2\n")
    (tmp_path / "orders" / "2025.csv").write_text("order_id,region\n2,N\n")
    crm = load(tmp_path)
    assert crm.orders["order_id"].tolist() == ["1", "2"]
    assert crm.orders["region"].isna().tolist() == [True, False]
    assert crm.accounting.query("step == 'read'")["rows"].tolist() == [1, 1]


def test_other_engines_are_refused_with_what_to_do():
    with pytest.raises(CrmlabError, match=r"Databases are not read yet .postgresql://….. Export"):
        load("postgresql://user:secret@host/base")
    with pytest.raises(CrmlabError) as caught:
        load("postgresql://user:secret@host/base")
    assert "secret" not in str(caught.value)
    spark = type("SparkSession", (), {"__module__": "pyspark.sql.session"})()
    with pytest.raises(CrmlabError, match=r"Spark is not read yet"):
        load(spark)
    with pytest.raises(UnknownName, match=r"from_frames"):
        load(pd.DataFrame())
    with pytest.raises(SourceNotFound, match=r"no folder or mapping file"):
        load("nowhere")


def test_a_workspace_is_handed_back_as_it_is(folder):
    crm = load(folder)
    assert load(crm) is crm


# --- Chinese files, encodings, delimiters

CHINESE = '订单号,客户,销售时间,货品交货状况,销售金额\nP1,甲,2016-7-30, 按时交货,"1052,75元"\n'
CHINESE += (
    'P2,乙,2016-8-1,晚交货,"11,50万元"\nP2,乙,2016-8-1,晚交货,"11,50万元"\nP3,,,按时交货,"1,00元"\n'
)

CHINESE_MAP = """
[orders]
files = "data.csv"
encoding = "gbk"
[orders.columns]
order_id = "订单号"
customer_id = "客户"
ordered_at = { column = "销售时间", format = "%Y-%m-%d" }
on_time = { column = "货品交货状况", strip = true, codes = { "按时交货" = true, "晚交货" = false } }
amount = { column = "销售金额", remove = ",", units = { "元" = 1, "万元" = 10000 } }
[[orders.filter]]
drop_duplicates = true
[[orders.filter]]
complete = ["客户"]
"""


def test_a_gbk_file_with_units_statuses_and_spaces_is_read(tmp_path):
    crm = mapped(tmp_path, CHINESE_MAP, content=CHINESE, encoding="gbk")
    assert crm.orders["amount"].tolist() == [105275.0, 11500000.0]
    assert crm.orders["on_time"].tolist() == [True, False]
    assert crm.orders["ordered_at"].tolist() == [
        pd.Timestamp(2016, 7, 30),
        pd.Timestamp(2016, 8, 1),
    ]
    steps = crm.accounting.set_index(["step", "remark"])["rows"]
    assert steps["filtered"].tolist() == [1, 1]
    assert steps["stripped"].tolist() == [1]
    read, kept = balance(crm)
    assert read == kept == {"orders": 2}


def test_a_wrong_encoding_names_the_byte_and_those_that_fit(tmp_path):
    content = "订单号,金额\n1,2\n"
    text = '[orders]\nfiles = "data.csv"\n[orders.columns]\norder_id = "订单号"\n'
    with pytest.raises(SourceNotFound) as caught:
        mapped(tmp_path, text, content=content, encoding="gbk")
    message = str(caught.value)
    assert "is not utf-8 text: byte 0 does not fit" in message
    assert "gb18030" in message
    assert "data.csv" in message
    with pytest.raises(MappingError, match=r"no encoding gkb"):
        mapped(tmp_path, text.replace("[orders.c", 'encoding = "gkb"\n[orders.c'), content=content)


def test_the_byte_is_counted_in_the_whole_file(tmp_path):
    path = tmp_path / "late.csv"
    path.write_bytes(b"a\n" + b"x\n" * 2_000_000 + "库".encode("gbk"))
    assert files.undecodable(path, "utf-8") == 4_000_002
    assert files.undecodable(path, "gbk") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings_that_mappings_name(tmp_path, encoding):
    text = f'[orders]\nfiles = "data.csv"\nencoding = "{encoding}"\n'
    text += '[orders.columns]\norder_id = "订单号"\nregion = "地区"\n'
    crm = mapped(tmp_path, text, content="订单号,地区\nA,华北\n", encoding=encoding)
    assert crm.orders["region"].tolist() == ["华北"]


def test_korean_text_is_read(tmp_path):
    text = '[orders]\nfiles = "data.csv"\nencoding = "cp949"\n'
    text += '[orders.columns]\norder_id = "주문"\nregion = "지역"\n'
    crm = mapped(tmp_path, text, content="주문,지역\nA,서울\n", encoding="cp949")
    assert crm.orders["region"].tolist() == ["서울"]


@pytest.mark.parametrize(
    ("delimiter", "content"),
    [
        (";", "No;Sum\nA;1,5\nB;2\n"),
        ("\\t", "No\tSum\nA\t1,5\nB\t2\n"),
        ("whitespace", " No   Sum\n A  1,5\n\n B     2\n"),
    ],
)
def test_delimiters_and_decimal_comma(tmp_path, delimiter, content):
    text = f'[orders]\nfiles = "data.csv"\ndelimiter = "{delimiter}"\ndecimal = ","\n'
    text += '[orders.columns]\norder_id = "No"\namount = "Sum"\n'
    crm = mapped(tmp_path, text, content=content)
    assert crm.orders["amount"].tolist() == [1.5, 2.0]
    assert crm.orders["order_id"].tolist() == ["A", "B"]


@pytest.mark.parametrize("delimiter", [",", "whitespace"])
def test_a_file_without_header_and_with_rows_above(tmp_path, delimiter):
    text = '[orders]\nfiles = "data.csv"\nheader = false\nskip_rows = 1\nnames = ["no", "sum"]\n'
    text += f'delimiter = "{delimiter}"\n[orders.columns]\norder_id = "no"\namount = "sum"\n'
    content = "report of today\nA,1\nB,2\n".replace("," if delimiter != "," else "\0", " ")
    crm = mapped(tmp_path, text, content=content)
    assert crm.orders["amount"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("delimiter", [",", "whitespace"])
def test_rows_with_too_few_or_too_many_cells_are_faults_with_their_numbers(tmp_path, delimiter):
    content = "no,sum\nA,1\nB\nC,3\nD,4,5\n"
    if delimiter == "whitespace":
        content = content.replace(",", " ")
    text = f'[orders]\nfiles = "data.csv"\ndelimiter = "{delimiter}"\n'
    text += '[orders.columns]\norder_id = "no"\namount = "sum"\n'
    with pytest.raises(InvalidValues) as caught:
        mapped(tmp_path, text, content=content)
    fault = caught.value.faults[0]
    assert (fault.kind, fault.count) == ("ragged_row", 2)
    assert [row for row, _text in fault.examples] == [2, 4]
    crm = mapped(
        tmp_path, text.replace("[orders.c", 'invalid = "exclude"\n[orders.c'), content=content
    )
    assert crm.orders["order_id"].tolist() == ["A", "C"]
    read, kept = balance(crm)
    assert read == kept == {"orders": 2}


def test_packed_files_and_patterns_are_read_in_order(tmp_path):
    for month, row in (("02", "B,2"), ("01", "A,1")):
        with gzip.open(tmp_path / f"o-2025-{month}.csv.gz", "wt") as out:
            out.write(f"no,sum\n{row}\n")
    text = '[orders]\nfiles = "o-*.csv.gz"\n[orders.columns]\norder_id = "no"\namount = "sum"\n'
    crm = mapped(tmp_path, text, content=None)
    assert crm.orders["order_id"].tolist() == ["A", "B"]
    with pytest.raises(SourceNotFound, match=r"no file p-\*.csv.gz"):
        mapped(tmp_path, text.replace("o-*", "p-*"), content=None)


def test_a_column_that_is_not_there_names_the_nearest(tmp_path):
    text = '[orders]\nfiles = "data.csv"\n[orders.columns]\norder_id = "ordr_id"\n'
    with pytest.raises(
        MappingError, match=r"no column ordr_id .table orders.. Did you mean order_id"
    ):
        mapped(tmp_path, text)


def test_an_excel_sheet_is_read_with_its_types(tmp_path):
    frame = pd.DataFrame(
        {
            "编号": [17850, 17851],
            "日期": [dt.datetime(2025, 1, 2), dt.datetime(2025, 1, 3, 4, 5)],
            "金额": [1.5, None],
            "备注": ["x", 3],
        }
    )
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        pd.DataFrame().to_excel(book, sheet_name="封面")
        frame.to_excel(book, sheet_name="明细", index=False)
    text = '[orders]\nfiles = "book.xlsx"\nsheet = "明细"\n[orders.columns]\norder_id = "编号"\n'
    text += 'ordered_at = "日期"\namount = "金额"\nroute = "备注"\n'
    crm = mapped(tmp_path, text, content=None)
    assert crm.orders["order_id"].tolist() == ["17850", "17851"]
    assert crm.orders["ordered_at"].tolist() == frame["日期"].tolist()
    assert crm.orders["route"].tolist() == ["x", "3"]
    assert np.isnan(crm.orders["amount"][1])
    with pytest.raises(MappingError, match=r"has no sheet 细. It has: 封面, 明细"):
        mapped(tmp_path, text.replace('"明细"', '"细"'), content=None)


# --- values


@pytest.mark.parametrize(
    ("entry", "values", "wanted"),
    [
        ('"v"', ["1", "-2.5", "+3", ".5", "1e3"], [1, -2.5, 3, 0.5, 1000]),
        ('{ column = "v", thousands = ",", decimal = "." }', ["1,234.5", "12"], [1234.5, 12]),
        ('{ column = "v", thousands = ".", decimal = "," }', ["1.234,5", "0,25"], [1234.5, 0.25]),
        ('{ column = "v", unit = "万元" }', ["11.5", "0.07"], [115000, 700]),
        ('{ column = "v", factor = 0.01 }', ["250"], [2.5]),
        (
            '{ column = "v", units = { "" = 1, "元" = 1, "万元" = 10000 } }',
            ["5", "6元", "7万元"],
            [5, 6, 70000],
        ),
        ('{ column = "v", remove = ["¥", " "] }', ["¥ 12"], [12]),
        ('{ column = "v", drop_suffix = " CNY" }', ["12 CNY", "13"], [12, 13]),
        ('{ column = "v", codes = { "免费" = 0, "1" = 1 } }', ["免费", "1"], [0, 1]),
    ],
)
def test_numbers_as_the_mapping_says(tmp_path, entry, values, wanted):
    assert one_column(tmp_path, entry, values) == pytest.approx(wanted, abs=0)


@pytest.mark.parametrize(
    ("entry", "value", "remedy"),
    [
        ('"v"', "1,234.5", 'Say `thousands = ","`'),
        ('"v"', "11,50", '`remove = ","`'),
        ('"v"', "11.5万元", "units"),
        ('"v"', " 12", "strip = true"),
        ('"v"', "n/a", "missing"),
        ('"v"', "nan", "missing"),
        ('"v"', "inf", "missing"),
        ('{ column = "v", thousands = "," }', "11,50", "remove"),
        ('{ column = "v", decimal = "," }', "1.5", "missing"),
        ('{ column = "v", units = { "元" = 1 } }', "12", "missing"),
    ],
)
def test_a_number_that_does_not_fit_is_a_fault_with_its_remedy(tmp_path, entry, value, remedy):
    with pytest.raises(InvalidValues) as caught:
        one_column(tmp_path, entry, ["1元" if "units" in entry else "1", value])
    fault = caught.value.faults[0]
    assert (fault.table, fault.column, fault.kind) == ("orders", "amount", "not_a_number")
    assert fault.examples == ((2, value),)
    assert remedy in fault.message
    assert "row 2" in fault.message


@pytest.mark.parametrize(
    ("entry", "values", "wanted"),
    [
        ('"v"', ["2025-01-02", "2025-01-02 03:04"], ["2025-01-02", "2025-01-02 03:04"]),
        ('"v"', ["2025-01-02T03:04:05.5"], ["2025-01-02 03:04:05.5"]),
        ('{ column = "v", format = "%Y年%m月%d日" }', ["2025年1月2日"], ["2025-01-02"]),
        (
            '{ column = "v", format = ["%Y-%m-%d", "%d.%m.%Y"] }',
            ["2025-1-2", "3.1.2025"],
            ["2025-01-02", "2025-01-03"],
        ),
        ('{ column = "v", format = "excel" }', ["45659.5"], ["2025-01-02 12:00"]),
        ('{ column = "v", format = "unix" }', ["1735776000"], ["2025-01-02 08:00"]),
        ('{ column = "v", timezone = "UTC" }', ["2025-01-02 00:00"], ["2025-01-02 08:00"]),
        (
            '"v"',
            ["2025-01-02T00:00:00Z", "2025-01-02T00:00+09:00"],
            ["2025-01-02 08:00", "2025-01-01 23:00"],
        ),
        (
            '{ column = "v", format = "%d/%m/%Y %H:%M %z" }',
            ["02/01/2025 00:00 +0000"],
            ["2025-01-02 08:00"],
        ),
        ('{ column = "v", day_end = true }', ["2025-01-02"], ["2025-01-02 23:59:59.999999"]),
    ],
)
def test_times_as_the_mapping_says(tmp_path, entry, values, wanted):
    found = one_column(tmp_path, entry, values, column="promised_at")
    assert found == [pd.Timestamp(value) for value in wanted]


@pytest.mark.parametrize(
    ("entry", "value", "kind", "remedy"),
    [
        ('"v"', "2016/7/30", "not_a_time", 'Say `format = "%Y/%m/%d"`'),
        ('"v"', "03/04/2024", "not_a_time", '"%d/%m/%Y", "%m/%d/%Y"'),
        ('"v"', "2016", "not_a_time", "format"),
        ('"v"', "2025-02-30", "not_a_time", "correct the file"),
        (
            '{ column = "v", format = ["%d/%m/%Y", "%m/%d/%Y"] }',
            "03/04/2024",
            "ambiguous_time",
            "the one",
        ),
    ],
)
def test_a_time_that_does_not_fit_is_a_fault(tmp_path, entry, value, kind, remedy):
    good = "25/12/2024" if "format" in entry else "2024-12-25"
    with pytest.raises(InvalidValues) as caught:
        one_column(tmp_path, entry, [good, value], column="promised_at")
    fault = caught.value.faults[0]
    assert (fault.kind, fault.count, fault.examples) == (kind, 1, ((2, value),))
    assert remedy in fault.message


def test_a_day_written_twice_the_same_by_two_formats_is_not_ambiguous(tmp_path):
    entry = '{ column = "v", format = ["%d/%m/%Y", "%m/%d/%Y"] }'
    found = one_column(tmp_path, entry, ["05/05/2024"], column="promised_at")
    assert found == [pd.Timestamp(2024, 5, 5)]


def test_a_time_of_day_in_a_day_is_a_fault(tmp_path):
    content = "id,day\nC1,2024-01-01\nC2,2024-01-02 10:00\n"
    text = '[customers]\nfiles = "data.csv"\n[customers.columns]\ncustomer_id = "id"\n'
    with pytest.raises(InvalidValues, match=r"is a day, but 1 value has a time of day .row 2"):
        mapped(tmp_path, text + 'acquired_on = "day"\n', content=content)


def test_texts_translations_and_missing_values_are_counted(tmp_path):
    text = '[orders]\nfiles = "data.csv"\nmissing = ["N/A", "-"]\n[orders.columns]\n'
    text += 'order_id = { column = "no", drop_suffix = ".0", strip = true }\n'
    text += 'region = "area"\nservice_line = { column = "line", codes = { "陆" = "road" } }\n'
    content = "no,area,line\n 17850.0,N/A,陆\n17851.0, 华北,\n17852,-,陆\n"
    crm = mapped(tmp_path, text, content=content)
    assert crm.orders["order_id"].tolist() == ["17850", "17851", "17852"]
    assert crm.orders["service_line"].tolist()[0] == "road"
    assert crm.orders["region"].tolist()[1] == " 华北"
    steps = crm.accounting.groupby("step")["rows"].sum()
    assert steps[["stripped", "missing", "spaces"]].tolist() == [1, 2, 1]
    with pytest.raises(InvalidValues, match=r"1 value that codes does not translate .row 2: '空'"):
        mapped(tmp_path, text, content="no,area,line\n1,a,陆\n2,b,空\n")


def test_whole_numbers_and_truth_values(tmp_path):
    assert one_column(tmp_path, '"v"', ["3", "4.0", ""], column="points_earned")[:2] == [3, 4]
    with pytest.raises(InvalidValues, match=r"not a whole number .row 1: '2.5'"):
        one_column(tmp_path, '"v"', ["2.5"], column="points_earned")
    found = one_column(tmp_path, '"v"', ["true", "False", "1", "0"], column="damaged")
    assert found == [True, False, True, False]
    with pytest.raises(InvalidValues, match=r"neither true nor false .row 1: 'yes'"):
        one_column(tmp_path, '"v"', ["yes"], column="damaged")


def test_constants_and_computed_columns(tmp_path):
    text = '[orders]\nfiles = "data.csv"\n[orders.columns]\n'
    text += 'order_id = { join = ["a", "b"], separator = "-" }\nunit = { value = "kg" }\n'
    text += 'amount = { product = ["n", "p"] }\ndiscount = { difference = ["p", "n"] }\n'
    text += 'list_price = { sum = ["n", "p"], factor = 10 }\ndamaged = { value = false }\n'
    text += 'ordered_at = { join = ["day", "clock"], format = "%Y-%m-%d %H:%M" }\n'
    content = "a,b,n,p,day,clock\nX,1,3,1.1,2025-01-02,09:30\nX,2,,2,2025-01-03,10:00\n"
    orders = mapped(tmp_path, text, content=content).orders
    assert orders["order_id"].tolist() == ["X-1", "X-2"]
    assert orders["unit"].tolist() == ["kg", "kg"]
    assert orders["damaged"].tolist() == [False, False]
    assert orders["amount"].tolist()[0] == 3.3
    assert np.isnan(orders["amount"][1])
    assert orders["discount"].tolist()[0] == -1.9
    assert orders["list_price"].tolist()[0] == 41.0
    assert orders["ordered_at"][0] == pd.Timestamp(2025, 1, 2, 9, 30)


# --- keys, grain, derived tables

LINES = """no,line,who,country,day,n,p
1,1,17850.0,UK,2025-01-01 08:00:00,2,1.25
1,2,17850.0,UK,2025-01-01 08:01:00,1,0.5
C2,1,17850.0,FR,2025-01-03 08:00:00,-2,1.25
3,1,,UK,2025-01-04 08:00:00,4,0
"""
LINES_MAP = """
[orders]
files = "data.csv"
one_row_is = "line"
combine = true
[orders.columns]
order_id = "no"
customer_id = { column = "who", drop_suffix = ".0" }
ordered_at = "day"
region = "country"
amount = { product = ["n", "p"] }
[customers]
from = "orders"
[customers.columns]
customer_id = "customer_id"
acquired_on = { column = "ordered_at", combine = "min" }
region = { column = "region", combine = "first" }
"""


def test_lines_are_combined_and_customers_derived(tmp_path):
    crm = mapped(tmp_path, LINES_MAP, content=LINES)
    assert crm.orders["amount"].tolist() == [3.0, -2.5, 0.0]
    assert crm.orders["lines"].tolist() == [2, 1, 1]
    assert crm.orders["ordered_at"][0] == pd.Timestamp("2025-01-01 08:00")
    assert crm.customers["customer_id"].tolist() == ["17850"]
    assert crm.customers["acquired_on"].tolist() == [pd.Timestamp(2025, 1, 1)]
    assert crm.customers["region"].tolist() == ["UK"]
    read, kept = balance(crm)
    assert read == kept == {"orders": 3, "customers": 1}
    steps = crm.accounting.set_index("step")["rows"]
    assert steps["without_customer"] == 1
    assert steps["combined"].tolist() == [1, 1]


def test_lines_of_one_order_that_disagree_are_faults_unless_the_mapping_says(tmp_path):
    content = LINES.replace("1,2,17850.0,UK", "1,2,17850.0,DE")
    with pytest.raises(InvalidValues) as caught:
        mapped(tmp_path, LINES_MAP, content=content)
    fault = caught.value.faults[0]
    assert (fault.kind, fault.column, fault.count) == ("disagreeing", "region", 1)
    assert fault.examples == ((1, "1: 'DE', 'UK'"),)
    says = LINES_MAP.replace(
        'region = "country"', 'region = { column = "country", combine = "first" }'
    )
    assert mapped(tmp_path, says, content=content).orders["region"].tolist() == ["UK", "FR", "UK"]


def test_a_combined_sum_is_missing_only_where_all_lines_are(tmp_path):
    content = (
        "no,who,country,day,n,p\n1,,UK,2025-01-01,,1\n1,,UK,2025-01-01,2,1\n2,,UK,2025-01-02,,1\n"
    )
    amounts = mapped(tmp_path, LINES_MAP, content=content).orders["amount"]
    assert amounts[0] == 2
    assert np.isnan(amounts[1])


def test_keys_made_of_columns_or_row_numbers_are_reported(tmp_path):
    text = '[orders]\nfiles = "data.csv"\none_row_is = "line"\nkey = ["no", "line"]\n'
    text += '[orders.columns]\ncustomer_id = "who"\n'
    crm = mapped(tmp_path, text, content=LINES)
    assert crm.orders["order_id"].tolist() == ["1-1", "1-2", "C2-1", "3-1"]
    assert crm.settings.record == "line"
    entry = crm.accounting.query("step == 'generated_key'").iloc[0]
    assert entry["remark"] == "order_id made from no, line"
    numbered = text.replace('["no", "line"]', '"row_number"')
    assert mapped(tmp_path, numbered, content=LINES).orders["order_id"].tolist() == list("1234")


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ('source = "no"\nnot_starts_with = "C"', ["1-1", "1-2", "3-1"]),
        ('source = "country"\nequals = "FR"', ["C2-1"]),
        ('source = "country"\nnot = "FR"', ["1-1", "1-2", "3-1"]),
        ('source = "no"\nin = ["3", "C2"]', ["C2-1", "3-1"]),
        ('source = "no"\nnot_in = ["3", "C2"]', ["1-1", "1-2"]),
        ("complete = true", ["1-1", "1-2", "C2-1"]),
        ('drop_duplicates = ["no"]', ["1-1", "C2-1", "3-1"]),
        ('column = "quantity_ordered"\nat_least = 2', ["1-1", "3-1"]),
        ('column = "quantity_ordered"\nnot = 4', ["1-1", "1-2", "C2-1"]),
        ('column = "ordered_at"\nat_most = 2025-01-03', ["1-1", "1-2"]),
    ],
)
def test_filters_keep_what_they_say_and_count_the_rest(tmp_path, rule, kept):
    text = '[orders]\nfiles = "data.csv"\none_row_is = "line"\nkey = ["no", "line"]\n'
    text += '[orders.columns]\nquantity_ordered = "n"\nordered_at = "day"\n'
    crm = mapped(tmp_path, text + f"[[orders.filter]]\n{rule}\n", content=LINES)
    assert crm.orders["order_id"].tolist() == kept
    assert crm.accounting.query("step == 'filtered'")["rows"].sum() == 4 - len(kept)


def test_duplicates_are_found_across_chunks_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK_ROWS", 2)
    (tmp_path / "b.csv").write_text("no,sum\n5,1\n1,1\n")
    text = '[orders]\nfiles = ["data.csv", "b.csv"]\n[orders.columns]\norder_id = "no"\n'
    text += "[[orders.filter]]\ndrop_duplicates = true\n"
    content = "no,sum\n1,1\n2,1\n3,1\n1,1\n"
    crm = mapped(tmp_path, text.replace("[[", 'amount = "sum"\n[[', 1), content=content)
    assert crm.orders["order_id"].tolist() == ["1", "2", "3", "5"]


def test_many_rows_spill_to_a_temporary_file_with_the_same_result(tmp_path, monkeypatch):
    wanted = mapped(tmp_path, LINES_MAP, content=LINES)
    monkeypatch.setattr(staging, "SPILL_ROWS", 1)
    monkeypatch.setattr(files, "CHUNK_ROWS", 1)
    found = mapped(tmp_path, LINES_MAP, content=LINES)
    assert_frame_equal(found.orders, wanted.orders)
    assert_frame_equal(found.customers, wanted.customers)
    assert_frame_equal(found.accounting, wanted.accounting)


# --- faults


def test_all_faults_of_all_tables_are_raised_at_once(tmp_path):
    (tmp_path / "orders.csv").write_text(
        "order_id,ordered_at,delivered_at,amount\n"
        "A,2025-01-02,2025-01-01,x\nA,2025-01-02,,1\n,2025-01-02,,1\n"
    )
    (tmp_path / "customers.csv").write_text(
        "customer_id,scope,credit_limit\nC1,outside,-5\nC2,internal,5\n"
    )
    with pytest.raises(InvalidValues) as caught:
        load(tmp_path)
    assert {(f.table, f.column, f.kind, f.count) for f in caught.value.faults} == {
        ("orders", "amount", "not_a_number", 1),
        ("orders", "order_id", "duplicate_key", 1),
        ("orders", "order_id", "missing_key", 1),
        ("orders", "delivered_at", "impossible_order", 1),
        ("customers", "scope", "not_allowed", 1),
        ("customers", "credit_limit", "out_of_bounds", 1),
    }
    assert len(str(caught.value).splitlines()) == 6
    assert {fault.file for fault in caught.value.faults} == {"orders.csv", "customers.csv"}


def test_rows_with_faults_are_excluded_and_counted_where_the_mapping_says(tmp_path):
    content = "no,day,arrived,sum\nA,2025-01-02,2025-01-01,1\nB,2025-01-02,,x\nB,2025-01-03,,2\n"
    content += "B,2025-01-03,,3\n,2025-01-03,,3\nC,2025-01-03,2025-01-03,4\n"
    text = '[orders]\nfiles = "data.csv"\ninvalid = "exclude"\n[orders.columns]\norder_id = "no"\n'
    text += 'ordered_at = "day"\ndelivered_at = "arrived"\namount = "sum"\n'
    crm = mapped(tmp_path, text, content=content)
    assert crm.orders["order_id"].tolist() == ["B", "C"]
    assert crm.accounting.query("step == 'invalid'")["rows"].tolist() == [1, 1, 1, 1]
    read, kept = balance(crm)
    assert read == kept == {"orders": 2}


def test_orphans_are_noted_or_refused_or_excluded(tmp_path):
    (tmp_path / "c.csv").write_text("id\nC1\n")
    text = '[customers]\nfiles = "c.csv"\n[customers.columns]\ncustomer_id = "id"\n'
    text += '[orders]\nfiles = "data.csv"\norphans = "note"\n'
    text += '[orders.columns]\norder_id = "order_id"\ncustomer_id = "customer_id"\n'
    crm = mapped(tmp_path, text)
    assert len(crm.orders) == 4
    entry = crm.accounting.query("step == 'orphan'").iloc[0]
    assert entry["rows"] == 1
    assert "not in customers.customer_id (row 3: 'C2')" in entry["remark"]
    with pytest.raises(InvalidValues, match=r"not in customers.customer_id"):
        mapped(tmp_path, text.replace('"note"', '"error"'))
    crm = mapped(tmp_path, text.replace('"note"', '"exclude"'))
    assert crm.orders["order_id"].tolist() == ["A1", "A2", "A4"]
    read, kept = balance(crm)
    assert read == kept


def test_a_message_reads_as_the_style_asks(tmp_path):
    with pytest.raises(InvalidValues) as caught:
        one_column(tmp_path, '"v"', ["1", "11.5万元", "2万元", "3万元", "4万元"])
    assert str(caught.value) == (
        "data.csv: `orders.amount` has 4 values that are not numbers (row 2: '11.5万元'). Say"
        ' `units = {"元" = 1, "万元" = 10000}` for this column in the mapping, with the units that'
        " occur, or correct the file."
    )
    assert len(caught.value.faults[0].examples) == 3


# --- as_of


def frames(**orders):
    return {
        "orders": pd.DataFrame(
            {
                "order_id": ["1", "2", "3"],
                "customer_id": ["A", "A", "B"],
                "ordered_at": pd.to_datetime(
                    ["2025-01-10 10:00", "2025-01-31 23:59", "2025-02-01 00:00"]
                ),
                "promised_at": pd.to_datetime(["2025-01-15", "2025-02-05", "2025-02-10"]),
                "delivered_at": pd.to_datetime(["2025-01-14", "2025-02-04", None]),
                "damaged": pd.array([False, True, None], "boolean"),
                "amount": [10.0, 20, 40],
            }
        ),
        "surveys": pd.DataFrame(
            {
                "response_id": ["r1", "r2"],
                "sent_at": pd.to_datetime(["2025-01-20", "2025-01-30"]),
                "answered_at": pd.to_datetime(["2025-01-21", "2025-02-02"]),
                "overall": pd.array([4, 2], "Int64"),
            }
        ),
        "answers": pd.DataFrame(
            {
                "response_id": ["r1", "r2"],
                "item": ["q", "q"],
                "aspect": ["perception", "perception"],
                "value": [4.0, 2.0],
            }
        ),
    }


def test_as_of_is_the_latest_beginning_and_never_a_promise():
    crm = from_frames(frames())
    assert crm.as_of == dt.date(2025, 2, 2)
    assert crm.first_day == dt.date(2025, 1, 10)


def test_later_records_are_excluded_and_later_events_masked():
    crm = from_frames(frames(), as_of=dt.date(2025, 1, 31))
    assert crm.orders["order_id"].tolist() == ["1", "2"]
    assert crm.orders["delivered_at"].isna().tolist() == [False, True]
    assert crm.orders["damaged"].isna().tolist() == [False, True]
    assert crm.surveys["overall"].isna().tolist() == [False, True]
    assert crm.answers["response_id"].tolist() == ["r1"]
    steps = crm.accounting.set_index(["table", "step"])["rows"]
    assert steps["orders", "after_as_of"].sum() == 1
    assert steps["orders", "masked"].sum() == 1
    assert steps["answers", "after_as_of"].sum() == 1
    read, kept = balance(crm)
    assert read == kept


def test_the_day_itself_counts_to_its_end():
    crm = from_frames(frames(), as_of="2025-01-31")
    assert crm.orders["ordered_at"].max() == pd.Timestamp("2025-01-31 23:59")
    assert crm.query("customer_summary")["orders"].tolist() == [2]


def test_customers_acquired_later_do_not_exist_yet():
    tables = frames() | {
        "customers": pd.DataFrame(
            {"customer_id": ["A", "B"], "acquired_on": ["2025-01-10", "2025-02-01"]}
        )
    }
    assert from_frames(tables, as_of="2025-01-31").customers["customer_id"].tolist() == ["A"]


def test_a_setting_of_the_workspace_gives_way_to_the_argument():
    settings = model.Settings(as_of=dt.date(2025, 1, 31))
    assert from_frames(frames(), settings).as_of == dt.date(2025, 1, 31)
    crm = from_frames(frames(), settings, as_of="2025-01-12")
    assert crm.as_of == crm.settings.as_of == dt.date(2025, 1, 12)
    with pytest.raises(UnknownName, match=r"as_of = 12.1.2025 is not a date"):
        from_frames(frames(), as_of="12.1.2025")


def test_a_stray_time_is_a_fault_with_its_row_unless_as_of_is_said():
    days = pd.date_range("2024-01-01", periods=1000, freq="h").tolist()
    days[17] = pd.Timestamp("2099-01-01")
    orders = pd.DataFrame({"order_id": [str(i) for i in range(1000)], "ordered_at": days})
    with pytest.raises(InvalidValues) as caught:
        from_frames({"orders": orders})
    fault = caught.value.faults[0]
    assert (fault.kind, fault.count) == ("stray_time", 1)
    assert fault.examples[0] == (18, "2099-01-01 00:00:00")
    crm = from_frames({"orders": orders}, as_of="2024-12-31")
    assert len(crm.orders) == 999


def test_a_quiet_year_is_no_stray_time():
    days = pd.date_range("2022-01-01", periods=300, freq="D").tolist()
    days += pd.date_range("2024-06-01", periods=10, freq="D").tolist()
    orders = pd.DataFrame({"order_id": [str(i) for i in range(310)], "ordered_at": days})
    assert from_frames({"orders": orders}).as_of == dt.date(2024, 6, 10)


def test_tables_without_times_can_be_loaded():
    crm = from_frames({"orders": pd.DataFrame({"order_id": ["1"], "amount": [3]})})
    assert crm.as_of == model.NO_TIME
    assert crm.query("customer_summary").empty
    assert crm.query("orders_accounting")["amount"].tolist() == [3.0]


# --- size


def test_a_large_table_is_not_handed_out_as_a_frame(folder, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_FRAME", 3)
    crm = load(folder)
    with pytest.raises(TooLarge, match=r"orders has 4 rows; .*crm.query.*crm.sample"):
        crm.orders  # noqa: B018
    assert crm.query("orders_accounting")["orders"].tolist() == [4]


def test_large_parquet_is_read_in_place_and_judged_on_request(
    folder, tmp_path_factory, monkeypatch
):
    place = tmp_path_factory.mktemp("parquet")
    frame = load(folder).orders
    frame.loc[1, "order_id"] = "A1"
    frame.to_parquet(place / "orders.parquet")
    with pytest.raises(InvalidValues, match=r"repeats an earlier key .row 2: 'A1'"):
        load(place)
    monkeypatch.setattr(staging, "CHECKED_ROWS", 1)
    crm = load(place)
    assert crm.accounting.query("step == 'not_checked'")["rows"].tolist() == [4]
    with pytest.raises(InvalidValues, match=r"repeats an earlier key"):
        crm.check()


def test_nan_in_parquet_read_in_place_is_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table({"order_id": ["1", "2"], "customer_id": ["A", "A"], "amount": [1.5, np.nan]})
    assert table.column("amount").null_count == 0
    pyarrow.parquet.write_table(table, tmp_path / "orders.parquet")
    crm = load(tmp_path)
    assert crm.query("customer_summary")["amount"].tolist() == [1.5]
    assert crm.query("orders_accounting")["amount_missing"].tolist() == [1]


def test_parquet_in_other_types_is_converted(tmp_path):
    frame = pd.DataFrame(
        {
            "order_id": [1, 2],
            "customer_id": pd.Categorical(["a", None]),
            "ordered_at": pd.to_datetime(["2025-01-01 00:00", "2025-01-02 00:00"]).tz_localize(
                "UTC"
            ),
            "amount": ["1.5", "2"],
            "lines": [1.0, 2.0],
        }
    )
    frame.to_parquet(tmp_path / "orders.parquet")
    orders = load(tmp_path).orders
    assert orders["order_id"].tolist() == ["1", "2"]
    assert orders["ordered_at"].tolist() == [
        pd.Timestamp(2025, 1, 1, 8),
        pd.Timestamp(2025, 1, 2, 8),
    ]
    assert orders["amount"].tolist() == [1.5, 2.0]
    assert orders["lines"].tolist() == [1, 2]


def many():
    count = 300
    ids = [f"C{i:03d}" for i in range(30)]
    orders = pd.DataFrame(
        {
            "order_id": [f"O{i}" for i in range(count)],
            "customer_id": [ids[i % 30] if i % 7 else None for i in range(count)],
            "ordered_at": pd.date_range("2025-01-01", periods=count, freq="h"),
            "amount": np.arange(count, dtype=float),
        }
    )
    complaints = pd.DataFrame(
        {
            "complaint_id": [f"K{i}" for i in range(60)],
            "customer_id": [ids[i % 30] for i in range(60)],
            "opened_at": pd.date_range("2025-01-01", periods=60, freq="h"),
        }
    )
    events = pd.DataFrame(
        {
            "complaint_id": complaints["complaint_id"],
            "at": complaints["opened_at"],
            "stage": "accept",
        }
    )
    return {
        "customers": pd.DataFrame({"customer_id": ids}),
        "orders": orders,
        "complaints": complaints,
        "complaint_events": events,
        "staff": pd.DataFrame({"staff_id": ["S1"]}),
    }


def test_a_sample_holds_complete_customers():
    crm = from_frames(many(), source="Demo")
    sample = crm.sample(customers=5, seed=1)
    chosen = set(sample.customers["customer_id"])
    assert len(chosen) == 5
    whole = crm.orders[crm.orders["customer_id"].isin(chosen)]
    assert_frame_equal(sample.orders, whole.reset_index(drop=True))
    assert set(sample.complaint_events["complaint_id"]) == set(sample.complaints["complaint_id"])
    assert len(sample.complaints) == 10
    assert len(sample.staff) == 1
    assert sample.source == "Demo: 5 of 30 customers"
    assert sample.as_of == crm.as_of
    read, kept = balance(sample)
    assert read == kept
    assert set(crm.sample(5, seed=1).customers["customer_id"]) == chosen
    assert set(crm.sample(5, seed=2).customers["customer_id"]) != chosen


def test_a_sample_of_more_customers_than_there_are_is_the_whole():
    crm = from_frames(many())
    assert crm.sample(customers=30) is crm


def test_customers_known_from_their_orders_alone_are_drawn_once_each():
    orders = pd.DataFrame({"order_id": range(60), "customer_id": list("ABC") * 20})
    crm = from_frames({"orders": orders.astype(str)}, source="Demo")
    sample = crm.sample(customers=2)
    assert sample.orders["customer_id"].nunique() == 2
    assert sample.source == "Demo: 2 of 3 customers"
    assert crm.sample(customers=3) is crm


def test_quality_is_measured_on_data_with_faults_without_raising(tmp_path):
    (tmp_path / "orders.csv").write_text(
        "order_id,ordered_at,delivered_at,amount\n"
        "A,2025-01-02,2025-01-01,x\nA,2025-03-02,,1\nB,2025-03-02,,1\n"
    )
    found = sources.quality(tmp_path).set_index(["column", "dimension", "remark"])
    assert found.loc[("order_id", "uniqueness", "duplicate_key"), "faulty"] == 1
    assert found.loc[("amount", "validity", "not_a_number"), "faulty"] == 1
    assert found.loc[("delivered_at", "completeness", ""), "share"] == pytest.approx(1 / 3)
    consistency = found.xs("consistency", level="dimension")
    assert consistency["faulty"].sum() == 1
    timeliness = found.xs("timeliness", level="dimension").iloc[0]
    assert (timeliness["checked"], timeliness["faulty"]) == (3, 1)
    assert {fault.kind for fault in sources.faults(tmp_path)} == {
        "duplicate_key",
        "not_a_number",
        "impossible_order",
    }


def test_quality_of_a_workspace_has_the_same_shape(folder):
    found = load(folder).quality()
    assert list(found.columns) == [
        "table",
        "column",
        "dimension",
        "checked",
        "faulty",
        "share",
        "remark",
    ]
    damaged = found.query("column == 'damaged' and dimension == 'completeness'").iloc[0]
    assert (damaged["checked"], damaged["faulty"], damaged["share"]) == (4, 1, 0.75)


def test_temporary_files_go_with_the_workspace(folder):
    crm = load(folder)
    place = crm._engine.folder
    assert place.is_dir()
    crm._engine.close()
    assert not place.exists()


def test_text_in_memory_needs_no_file():
    content = io.StringIO("order_id,amount\n1,2\n")
    frame = pd.read_csv(content)
    assert from_frames({"orders": frame}).orders["order_id"].tolist() == ["1"]


# --- odd files


def test_a_file_without_rows_is_an_empty_table(tmp_path):
    (tmp_path / "orders.csv").write_text("order_id,amount\n")
    crm = load(tmp_path)
    assert crm.orders.empty
    assert crm.columns("orders") == {"order_id", "amount"}
    assert crm.query("customer_summary").empty
    assert crm.query("on_time")["orders"].tolist() == [0]
    (tmp_path / "orders.csv").write_text("")
    with pytest.raises(SourceNotFound, match="Empty CSV"):
        load(tmp_path)


def test_files_that_are_not_what_their_name_says_are_refused(tmp_path):
    for name, words in (("orders.parquet", "a Parquet file"), ("orders.xlsx", "an Excel file")):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(SourceNotFound, match=rf"{name} cannot be read as {words}"):
            load(tmp_path)
        (tmp_path / name).unlink()
    text = (
        '[orders]\nfiles = "data.csv"\ndelimiter = "whitespace"\n[orders.columns]\norder_id = "a"\n'
    )
    with pytest.raises(SourceNotFound, match="is not utf-8 text: byte 0"):
        mapped(tmp_path, text, content="订 单\n", encoding="gbk")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "data.json").write_text("{}")
    text = '[orders]\nfiles = "data.json"\n[orders.columns]\norder_id = "a"\n'
    with pytest.raises(SourceNotFound, match=r"data.json is not a CSV, Excel"):
        mapped(tmp_path, text, content=None)


@pytest.mark.parametrize("header", [True, False])
def test_rows_are_numbered_after_the_header_whatever_stands_above(tmp_path, header):
    text = '[orders]\nfiles = "data.csv"\nskip_rows = 2\n'
    text += "" if header else 'header = false\nnames = ["no", "sum"]\n'
    text += '[orders.columns]\norder_id = "no"\namount = "sum"\n'
    content = "a report\nof today\n" + ("no,sum\n" if header else "") + "A,1\nB\nC,x\nD\n"
    with pytest.raises(InvalidValues) as caught:
        mapped(tmp_path, text, content=content)
    rows = {f.kind: [row for row, _value in f.examples] for f in caught.value.faults}
    assert rows == {"ragged_row": [2, 4], "not_a_number": [3]}


def test_rows_keep_their_numbers_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(files, "_HEADER_BYTES", 64)
    lines = [f"{i},1" if i % 7 else str(i) for i in range(1, 101)]
    lines[98] = "99,x"
    text = '[orders]\nfiles = "data.csv"\n[orders.columns]\norder_id = "no"\namount = "sum"\n'
    with pytest.raises(InvalidValues) as caught:
        mapped(tmp_path, text, content="no,sum\n" + "\n".join(lines) + "\n")
    found = {fault.kind: fault for fault in caught.value.faults}
    assert found["ragged_row"].count == 14
    assert found["not_a_number"].examples == ((99, "x"),)
    says = text.replace("[orders.c", 'invalid = "exclude"\n[orders.c')
    crm = mapped(tmp_path, says, content="no,sum\n" + "\n".join(lines) + "\n")
    read, kept = balance(crm)
    assert read == kept == {"orders": 85}


def test_a_frame_with_mixed_values_is_refused_by_name():
    with pytest.raises(MappingError, match="orders has a column with values of different kinds"):
        from_frames({"orders": pd.DataFrame({"order_id": ["1", 2]}, dtype=object)})


def test_names_follow_the_language(folder):
    from crmlab.language import set_language

    (folder / "workspace.toml").write_text(
        '[workspace]\nname = "Demo"\nname_zh = "示例"\n', encoding="utf-8"
    )
    crm = load(folder)
    assert crm.source == "Demo"
    set_language("zh_CN")
    assert crm.source == "示例"


def test_a_student_number_without_quotation_marks_is_refused():
    with pytest.raises(UnknownName, match='quotation marks: student = "20261234"'):
        load(student=20261234)
