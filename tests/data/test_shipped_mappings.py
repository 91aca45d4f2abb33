"""The mappings in docs/mappings on small files of the same shape; the example of mapping.md."""

import gzip
import re
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crmlab.data import staging
from crmlab.data.sources import load

DOCS = Path(__file__).parents[2] / "docs"

RETAIL = pd.DataFrame(
    [
        ("536365", "85123A", "HEART", 6, "2010-12-01 08:26:00", 2.55, 17850.0, "United Kingdom"),
        (
            "536365",
            "71053",
            "LANTERN, WHITE",
            6,
            "2010-12-01 08:27:00",
            3.39,
            17850.0,
            "United Kingdom",
        ),
        ("C536379", "D", "Discount", -1, "2010-12-01 09:41:00", 27.5, 14527.0, "United Kingdom"),
        ("536414", "22139", None, 56, "2010-12-01 11:52:00", 0.0, None, "United Kingdom"),
        ("536415", "22139", "BOX", 1, "2011-12-09 12:50:00", 1.255, 17850.0, "EIRE"),
    ],
    columns=[
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "CustomerID",
        "Country",
    ],
)


def steps(crm, table="orders"):
    return crm.accounting.query("table == @table").groupby("step", sort=False)["rows"].sum()


def balanced(crm):
    for table in crm.tables:
        rows = steps(crm, table)
        removed = rows[[step for step in rows.index if step in staging.REMOVING]].sum()
        assert rows["read"] == rows["kept"] + removed


@pytest.fixture
def retail(tmp_path):
    typed = RETAIL.assign(InvoiceDate=pd.to_datetime(RETAIL["InvoiceDate"]))
    typed.to_parquet(tmp_path / "online_retail.parquet")
    with gzip.open(tmp_path / "online_retail.csv.gz", "wt", encoding="utf-8") as out:
        RETAIL.to_csv(out, index=False)
    return tmp_path


@pytest.mark.parametrize("name", ["online_retail", "online_retail_csv"])
def test_online_retail(retail, name):
    crm = load(DOCS / f"mappings/{name}.toml", files=retail)
    assert crm.orders["order_id"].tolist() == ["536365", "C536379", "536414", "536415"]
    assert crm.orders["amount"].tolist() == [35.64, -27.5, 0.0, 1.255]
    assert crm.orders["lines"].tolist() == [2, 1, 1, 1]
    summary = crm.query("customer_summary").set_index("customer_id")
    assert summary.index.tolist() == ["14527", "17850"]
    assert summary["orders"].tolist() == [0, 2]
    assert summary["amount"].tolist() == [-27.5, 36.895]
    assert crm.customers["region"].tolist() == ["United Kingdom", "United Kingdom"]
    assert steps(crm)["without_customer"] == 1
    assert crm.settings.currency == "GBP"
    balanced(crm)


def test_both_forms_of_online_retail_give_the_same_tables(retail):
    one = load(DOCS / "mappings/online_retail.toml", files=retail)
    two = load(DOCS / "mappings/online_retail_csv.toml", files=retail)
    for table in ("orders", "customers"):
        assert_frame_equal(getattr(one, table), getattr(two, table))
    assert_frame_equal(one.query("customer_summary"), two.query("customer_summary"))


def test_cdnow(tmp_path):
    (tmp_path / "CDNOW_master.txt").write_text(
        " customer_id  date number_of_cds  dollar_value\n"
        " 00001 19970101  1   11.77\n 00002 19970112  1   12.00\n 00002 19970112  5   77.00\n"
        " 00003 19970102  2    0.00\n",
        encoding="ascii",
    )
    crm = load(DOCS / "mappings/cdnow_master.toml", files=tmp_path)
    summary = crm.query("customer_summary").set_index("customer_id")
    assert summary.index.tolist() == ["00001", "00002", "00003"]
    assert summary["orders"].tolist() == [1, 2, 1]
    assert summary["active_days"].tolist() == [1, 1, 1]
    assert summary["amount"].tolist() == [11.77, 89, 0]
    assert steps(crm)["generated_key"] == 4
    balanced(crm)


@pytest.fixture
def wuliu(tmp_path):
    (tmp_path / "data_wuliu.csv").write_bytes(
        (
            "订单号,订单行,销售时间,交货时间,货品交货状况,货品,货品用户反馈,销售区域,数量,销售金额\n"
            'P1,10,2016-7-30,2016-9-30, 晚交货,货品3,质量合格,华北,2,"1052,75元"\n'
            'P2,10,2016-8-30,2016-10-30, 按时交货,货品3,质量合格,华北,10,"11,50万元"\n'
            'P2,10,2016-8-30,2016-10-30, 按时交货,货品3,质量合格,华北,10,"11,50万元"\n'
            ',20,2016-8-30,2016-10-30, 按时交货,货品3,质量合格,华北,10,"11,50万元"\n'
            'P3,10,2016-12-30,2017-3-22,按时交货,货品1,返修,泰国,2,"6858,77元"\n'
            "P4,10,2016-12-30,2017-3-22,按时交货,货品1,返修,泰国,2,0元\n"
        ).encode("gbk")
    )
    return tmp_path


def test_wuliu(wuliu):
    crm = load(DOCS / "mappings/wuliu_cn.toml", files=wuliu)
    assert crm.settings.record == "line"
    assert crm.orders["amount"].tolist() == [105275.0, 11500000.0, 685877.0]
    assert crm.orders["order_id"].tolist() == ["1", "2", "5"]
    found = crm.query("on_time", by="region")
    assert found[["region", "on_time", "late"]].to_numpy().tolist() == [
        ["华北", 1, 1],
        ["泰国", 1, 0],
    ]
    removed = crm.accounting.query("step == 'filtered'")
    assert removed[["rows", "remark"]].to_numpy().tolist() == [
        [1, "行重复"],
        [1, "行不完整"],
        [1, "销售金额为零"],
    ]
    assert not crm.has("orders", "customer_id")
    assert steps(crm)["stripped"] == 2
    balanced(crm)


def test_wuliu_with_its_complaints(wuliu):
    crm = load(DOCS / "mappings/wuliu_cn_complaints.toml", files=wuliu)
    assert crm.orders["amount"].tolist() == [105275.0, 11500000.0, 685877.0]
    assert crm.complaints["cause"].tolist() == ["返修"]
    found = crm.query("complaint_cases", by=["region", "service_line"])
    assert found[["region", "service_line"]].to_numpy().tolist() == [["泰国", "货品1"]]
    rows = steps(crm, "complaints")
    assert (rows["read"], rows["filtered"], rows["orphan_excluded"], rows["kept"]) == (6, 4, 1, 1)
    plain = load(DOCS / "mappings/wuliu_cn.toml", files=wuliu)
    assert crm.query("on_time").equals(plain.query("on_time"))
    balanced(crm)


def test_the_worked_example_of_the_documentation_comes_out_as_it_says(tmp_path):
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    data = re.search(r"```\n(订单号.*?)```", text, re.DOTALL).group(1)
    toml = re.search(r"```toml\n(\[workspace\].*?)```", text, re.DOTALL).group(1)
    (tmp_path / "lines.csv").write_bytes(data.encode("gbk"))
    (tmp_path / "m.toml").write_text(toml, encoding="utf-8")
    crm = load(tmp_path / "m.toml")
    first = crm.orders.iloc[0]
    assert (first["amount"], first["lines"], first["on_time"]) == (116052.75, 2, False)
    wanted = re.findall(
        r"^\| (customers|orders) \| (\w+) \| (\d+) \| (.*?) ?\|$", text, re.MULTILINE
    )
    found = crm.accounting[["table", "step", "rows", "remark"]].astype(str)
    assert found.to_numpy().tolist() == [list(row) for row in wanted]


def test_the_reference_names_every_setting_of_a_mapping():
    from crmlab.data import mapping

    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    settings = {*mapping._TABLE_SETTINGS, *mapping._COLUMN_SETTINGS, *mapping._COMPARISONS}
    for name in settings - {"filter"}:
        assert f"`{name}`" in text or f"`{name} =" in text, name
