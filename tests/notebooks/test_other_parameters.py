"""Chapters run with other parameters: the tables they write are right, not only the exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import openpyxl
import pandas as pd
import pytest

import crmlab
from crmlab.language import set_language
from crmlab.report import ChapterReport, run
from crmlab.report.leave_out import section

pytestmark = pytest.mark.notebooks

STUDENT = "2026001"
# revenue of ten customers, with the Gini coefficient worked out by hand
REVENUE = (541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261)
GINI = 0.462091
MAPPING = """\
[workspace]
name = "物流公司"
currency = "CNY"

[orders]
files = "订单.csv"
encoding = "gbk"
delimiter = ";"

[orders.columns]
order_id = "单号"
customer_id = "客户"
ordered_at = { column = "日期", format = "%Y年%m月%d日" }
region = "区域"
amount = { column = "金额", units = { "元" = 1, "万元" = 10000 } }
on_time = { column = "准时", codes = { "是" = true, "否" = false } }
"""

# eight answered questionnaires: 3 promoters, 4 passives, 1 detractor
RECOMMEND = (9, 10, 8, 7, 3, 9, 8, 7)
NET_PROMOTER = 100 * (3 - 1) / 8
QUESTIONNAIRE = """\
items = [
  { item = "快", dimension = "运输", minimum = 1, maximum = 5 },
  { item = "准", dimension = "运输", minimum = 1, maximum = 5 },
  { item = "好", dimension = "运输", minimum = 1, maximum = 5 },
]

[workspace]
name = "满意度调查"

[surveys]
files = "问卷.csv"
encoding = "gbk"

[surveys.columns]
response_id = "编号"
customer_id = "客户"
recommend = "推荐"

[answers]
files = "问卷.csv"
encoding = "gbk"
wide = true
items = "{item}"

[answers.columns]
response_id = "编号"
"""

# complaints as a call centre keeps them: no kind, no customer, times with and without a clock
CALLS = """\
[workspace]
name = "客服中心"
as_of = 2025-06-30

[complaints]
files = "来电.csv"
encoding = "gbk"
format = ["%Y/%m/%d %H:%M", "%Y-%m-%d"]
invalid = "exclude"

[complaints.columns]
complaint_id = "编号"
opened_at = "来电时间"
resolved_at = "解决时间"
text = "内容"
"""
CALLED = """\
编号,来电时间,解决时间,内容
1,2025/03/03 09:00,2025/03/04 09:00,外箱破损，两件货压坏了
2,2025/03/05 10:00,2025-03-07,说好三天到，结果延误了
3,2025/03/09 11:00,,司机态度很差
4,2025-04-01,2025/04/02 15:00,请尽快回复
5,2025/04/08 09:00,2025/04/07 09:00,货又晚到
6,2025/05/20 08:30,2025/05/20 17:30,The pallet arrived damaged
"""


class Written:
    """What a chapter wrote: its tables and what is said about each."""

    def __init__(self, report: ChapterReport) -> None:
        assert report.failure is None, report.failure
        self.report = report
        self.page, self.workbook, self.notebook, self.folder = report.files
        self.said = [json.loads(path.read_text("utf-8")) for path in sorted(self._all("json"))]
        self.measures = [said["measure"] for said in self.said]

    def _all(self, ending: str) -> list[Path]:
        return list(self.folder.glob(f"*.{ending}"))

    def table(self, number: int) -> pd.DataFrame:
        (path,) = self.folder.glob(f"{number:02d}_*.parquet")
        return pd.read_parquet(path)

    def first(self, measure: str) -> pd.DataFrame:
        return self.table(self.measures.index(measure) + 1)


def by_hand(values) -> float:
    """Gini coefficient of values, from its definition by pairs."""
    values = np.asarray(values, dtype=float)
    differences = np.abs(values[:, None] - values[None, :]).mean()
    return differences / (2 * values.mean())


def assert_concentration(written: Written, revenue: pd.Series) -> None:
    """The table and the reading of the Lorenz curve are those of these customers."""
    table = written.first("tiering.lorenz")
    largest = revenue.sort_values(ascending=False)
    shares = [largest.head(customers).sum() / largest.sum() for customers in table["customers"]]
    assert table["share"].tolist() == pytest.approx(shares)
    reading = written.said[written.measures.index("tiering.lorenz")]["reading"]
    assert f" {by_hand(revenue):.2f}" in reading
    assert f"{len(revenue):,}" in reading


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("other")


@pytest.fixture(scope="module")
def student(folder) -> Written:
    """Chapter 5 on a student's own company, in English."""
    (report,) = run(["tiering"], student=STUDENT, out=folder / "student")
    return Written(report)


@pytest.fixture(scope="module")
def chinese(folder) -> Written:
    """Chapter 5 on the bundled company up to an earlier day, in Chinese."""
    (report,) = run(["5"], as_of="2025-06-30", language="zh_CN", out=folder / "zh")
    return Written(report)


@pytest.fixture(scope="module")
def mapped(folder) -> Written:
    """Chapter 5 on a small file as a Chinese spreadsheet program saves it."""
    rows = [
        f"D{place};客户{place};2025年{month:02d}月1{place % 9}日;{region};{amount};{on_time}"
        for place, (revenue, region) in enumerate(zip(REVENUE, ["华北", "华东"] * 5, strict=True))
        for month, amount, on_time in [(place % 6 + 1, in_words(revenue), "否" if place else "是")]
    ]
    text = "\n".join(["单号;客户;日期;区域;金额;准时", *rows]) + "\n"
    (folder / "订单.csv").write_bytes(text.encode("gbk"))
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    (report,) = run(["05"], data=str(folder / "mapping.toml"), out=folder / "mapped")
    return Written(report)


def in_words(revenue: int) -> str:
    return f"{revenue / 10000}万元" if revenue > 10000 else f"{revenue}元"


@pytest.fixture(scope="module")
def surveyed(folder) -> Written:
    """Chapter 2 on a student's own company, in English."""
    (report,) = run(["satisfaction"], student=STUDENT, out=folder / "surveyed")
    return Written(report)


@pytest.fixture(scope="module")
def surveyed_chinese(folder) -> Written:
    """Chapter 2 on the bundled company up to an earlier day, in Chinese."""
    (report,) = run(["2"], as_of="2025-06-30", language="zh_CN", out=folder / "surveyed_zh")
    return Written(report)


@pytest.fixture(scope="module")
def asked(folder) -> Written:
    """Chapter 2 on a small questionnaire, a row a respondent, as a Chinese program saves it."""
    here = folder / "asked"
    here.mkdir()
    rows = [
        f"Q{place},客户{place},{score},{place % 5 + 1},{(place + 1) % 5 + 1},{'' if place else 3}"
        for place, score in enumerate(RECOMMEND)
    ]
    text = "\n".join(["编号,客户,推荐,快,准,好", *rows]) + "\n"
    (here / "问卷.csv").write_bytes(text.encode("gbk"))
    (here / "mapping.toml").write_text(QUESTIONNAIRE, encoding="utf-8")
    (report,) = run(["02"], data=str(here / "mapping.toml"), out=here / "out")
    return Written(report)


@pytest.fixture(scope="module")
def returning(folder) -> Written:
    """Chapter 3 on a student's own company, in English."""
    (report,) = run(["loyalty"], student=STUDENT, out=folder / "returning")
    return Written(report)


@pytest.fixture(scope="module")
def returning_chinese(folder) -> Written:
    """Chapter 3 on the bundled company up to an earlier day, in Chinese."""
    (report,) = run(["3"], as_of="2025-06-30", language="zh_CN", out=folder / "returning_zh")
    return Written(report)


@pytest.fixture(scope="module")
def bought(folder) -> Written:
    """Chapter 3 on a few orders as a Chinese spreadsheet program saves them."""
    here = folder / "bought"
    here.mkdir()
    days = {"甲": (1, 31, 200), "乙": (3, 40), "丙": (5,), "丁": (10, 10, 189), "戊": (363,)}
    rows = [
        f"{name}{place};{name};{pd.Timestamp('2024-12-31') + pd.Timedelta(days=day):%Y年%m月%d日}"
        f";华北;{10 * day}元;是"
        for name, when in days.items()
        for place, day in enumerate(when)
    ]
    text = "\n".join(["单号;客户;日期;区域;金额;准时", *rows]) + "\n"
    (here / "订单.csv").write_bytes(text.encode("gbk"))
    mapping = MAPPING.replace('currency = "CNY"', 'currency = "CNY"\nas_of = 2025-12-31')
    (here / "mapping.toml").write_text(mapping, encoding="utf-8")
    (report,) = run(["03"], data=str(here / "mapping.toml"), out=here / "out")
    return Written(report)


@pytest.fixture(scope="module")
def complained(folder) -> Written:
    """Chapter 4 on a student's own company, in English."""
    (report,) = run(["complaints"], student=STUDENT, out=folder / "complained")
    return Written(report)


@pytest.fixture(scope="module")
def complained_chinese(folder) -> Written:
    """Chapter 4 on the bundled company up to an earlier day, in Chinese."""
    (report,) = run(["4"], as_of="2025-06-30", language="zh_CN", out=folder / "complained_zh")
    return Written(report)


@pytest.fixture(scope="module")
def called(folder) -> Written:
    """Chapter 4 on the calls of a call centre: texts and times, nothing else."""
    here = folder / "called"
    here.mkdir()
    (here / "来电.csv").write_bytes(CALLED.encode("gbk"))
    (here / "mapping.toml").write_text(CALLS, encoding="utf-8")
    (report,) = run(["04"], data=str(here / "mapping.toml"), out=here / "out")
    return Written(report)


@pytest.fixture(autouse=True)
def _english():
    yield
    set_language("en")


# ---- a student's own company


def test_a_students_tables_are_computed_from_the_students_company(student):
    orders = crmlab.load(student=STUDENT).orders
    revenue = orders.groupby("customer_id")["amount"].sum()
    assert_concentration(student, revenue[revenue > 0])
    rfm = student.first("tiering.rfm").set_index("customer_id")
    counts = orders[orders["amount"] >= 0].groupby("customer_id").size()
    assert rfm["frequency"].to_dict() == counts.reindex(rfm.index).to_dict()


def test_a_students_company_is_not_the_bundled_one(student):
    bundled = crmlab.tiering.rfm(crmlab.load()).table
    assert not student.first("tiering.rfm").equals(bundled)


def test_a_students_survey_is_the_students_own(surveyed):
    surveys = crmlab.load(student=STUDENT).surveys
    answered = surveys[surveys["mode"] != "call_centre"].dropna(subset=["recommend"])
    score = 1.0 * (answered["recommend"] >= 9) - 1.0 * (answered["recommend"] <= 6)
    by_hand = 100 * np.average(score, weights=answered["weight"])
    assert surveyed.first("satisfaction.nps").loc[0, "nps"] == pytest.approx(by_hand)


def test_a_students_contracts_are_the_students_own(returning):
    crm = crmlab.load(student=STUDENT)
    held = crm.customers.dropna(subset=["contract_from"])
    ended = held["contract_to"] <= pd.Timestamp(crm.as_of)
    table = returning.first("loyalty.survival").set_index("tier")
    assert table["events"].to_dict() == ended.groupby(held["tier"]).sum().to_dict()


def test_a_students_offers_are_the_students_own(returning):
    crm = crmlab.load(student=STUDENT)
    drawn = crm.assignments.assign(month=crm.assignments["assigned_at"].dt.to_period("M"))
    orders = crm.orders[crm.orders["amount"] >= 0]
    orders = orders.assign(month=orders["ordered_at"].dt.to_period("M"))
    pairs = drawn.merge(orders, on=["customer_id", "month"])
    per_100 = 100 * pairs.groupby("arm").size() / drawn.groupby("arm").size()
    table = returning.first("loyalty.offers").query("campaign == 'all' and window == 'during'")
    found = table.set_index("arm")["orders_per_100"]
    assert found["coupon"] == pytest.approx(per_100["coupon"])
    assert found["points"] == pytest.approx(per_100["points"])


def test_a_students_complaints_are_the_students_own(complained):
    crm = crmlab.load(student=STUDENT)
    failures = crm.complaints[crm.complaints["kind"] != "suggestion"]
    orders = crm.orders[crm.orders["amount"] >= 0]
    rate = complained.first("complaints.complaint_rates").loc[0]
    assert (rate["complaints"], rate["orders"]) == (len(failures), len(orders))
    assert rate["per_1000"] == pytest.approx(1000 * len(failures) / len(orders))
    pareto = complained.first("complaints.pareto").set_index("cause")["complaints"]
    assert pareto.to_dict() == failures.groupby("cause").size().to_dict()


@pytest.mark.parametrize("written", ["student", "surveyed", "returning", "complained"])
def test_nothing_is_left_out_of_the_bundled_kind_of_company(written, request):
    assert request.getfixturevalue(written).report.left_out == ()


@pytest.mark.parametrize("written", ["student", "surveyed", "returning", "complained"])
def test_every_table_has_its_sheet_with_as_many_rows(written, request):
    of = request.getfixturevalue(written)
    book = openpyxl.load_workbook(of.workbook, read_only=True)
    sheets = [name for name in book.sheetnames if re.match(r"\d\d ", name)]
    assert len(sheets) == len(of.said)
    for number, name in enumerate(sheets, start=1):
        rows = list(book[name].iter_rows(min_row=4, max_col=1, values_only=True))
        assert len(rows) >= len(of.table(number))


# ---- in Chinese


@pytest.mark.parametrize(
    "written", ["chinese", "surveyed_chinese", "returning_chinese", "complained_chinese"]
)
def test_the_chinese_edition_is_chinese_throughout(written, request):
    chinese = request.getfixturevalue(written)
    notebook = nbformat.read(chinese.notebook, 4)
    prose = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "markdown"}
    assert not [cell for cell, source in prose.items() if not is_chinese(source)]
    for said in chinese.said:
        assert said["language"] == "zh_CN"
        assert is_chinese(said["reading"])
        assert is_chinese(said["title"])
        assert is_chinese(said["alt"])
        assert all(is_chinese(column["label"]) for column in said["columns"]), said["columns"]
        definition = said["definition"]
        assert is_chinese(definition["numerator"])
        assert is_chinese(definition["denominator"])
        assert is_chinese(definition["method"])
    page = chinese.page.read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page
    assert "Code 1" not in page


def is_chinese(text: object) -> bool:
    return re.search("[\u4e00-\u9fff]", str(text)) is not None


@pytest.mark.parametrize(
    "written", ["chinese", "surveyed_chinese", "returning_chinese", "complained_chinese"]
)
def test_no_warning_stands_in_the_chinese_edition(written, request):
    notebook = nbformat.read(request.getfixturevalue(written).notebook, 4)
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    assert not [one.text for one in outputs if one.get("name") == "stderr"]


def test_an_earlier_day_counts_only_what_had_happened(chinese):
    crm = crmlab.load(as_of="2025-06-30")
    assert crm.orders["ordered_at"].max() < pd.Timestamp("2025-07-01")
    revenue = crm.orders.groupby("customer_id")["amount"].sum()
    assert_concentration(chinese, revenue[revenue > 0])


# ---- a user's file


def test_a_mapped_gbk_file_gives_the_figures_worked_out_by_hand(mapped):
    assert by_hand(REVENUE) == pytest.approx(GINI, abs=5e-7)
    assert_concentration(mapped, pd.Series(REVENUE))
    on_time = mapped.first("tiering.on_time")
    assert (on_time.loc[0, "orders"], on_time.loc[0, "on_time"]) == (10, 1)
    rfm = mapped.first("tiering.rfm").set_index("customer_id")
    assert rfm.loc["客户9", "monetary"] == 22261


def test_a_few_mapped_orders_give_the_figures_worked_out_by_hand(bought):
    # 甲 and 乙 came back, 丙 never, 丁 (twice on the first day) after 179 days; 戊 is new.
    repeat = bought.first("loyalty.repeat_purchase").loc[0]
    assert (repeat["customers"], repeat["retained"]) == (4, 3)
    cohorts = bought.first("loyalty.retention").set_index(["cohort", "age"])["buyers"]
    assert cohorts["2025-Q1"].to_list()[:3] == [4, 0, 2]
    stages = bought.first("loyalty.lifecycle").set_index("stage")["customers"]
    assert stages["exploration"] == 1


def test_what_orders_alone_cannot_say_of_loyalty_is_left_out_by_name(bought):
    left = {one.section: one.columns() for one in bought.report.left_out}
    assert left["four-cases"] == "surveys.customer_id, surveys.overall, surveys.answered_at"
    assert left["offers"].startswith("assignments.customer_id")
    assert "loyalty.offers" not in bought.measures
    few = {one.title: one.reason() for one in bought.report.left_out if one.too_few}
    reason = few["Buying again: a model of coming and going"]
    assert reason.startswith("3 of 5 customers bought again")


def test_a_wide_gbk_questionnaire_gives_the_figures_worked_out_by_hand(asked):
    assert asked.first("satisfaction.nps").loc[0, "nps"] == pytest.approx(NET_PROMOTER)
    page = asked.page.read_text(encoding="utf-8")
    assert "满意度调查" in page
    assert "no dates given" in page


def test_what_a_questionnaire_alone_cannot_answer_is_left_out_by_name(asked):
    left = [(one.section, one.columns()) for one in asked.report.left_out]
    assert ("csat", "surveys.overall") in left
    assert ("sample-plan", "customers.tier") in left
    assert "satisfaction.csat" not in asked.measures


def test_what_a_mapped_file_lacks_is_left_out_by_name(mapped):
    left = {one.section: one.columns() for one in mapped.report.left_out}
    assert left["layers"] == "orders.cost"
    assert left["on-time-service"] == "orders.service_line"
    assert "tiering.layers" not in mapped.measures
    page = mapped.page.read_text(encoding="utf-8")
    assert "tiering.layers needs a column that these data do not have: orders.cost." in page
    book = openpyxl.load_workbook(mapped.workbook)
    named = [(one.columns() or None, one.reason()) for one in mapped.report.left_out]
    rows = book["Left out"].iter_rows(min_row=2, min_col=3, values_only=True)
    assert list(rows) == named


def test_what_too_few_customers_cannot_answer_is_left_out_with_the_reason(mapped):
    left = {one.section: one.reason() for one in mapped.report.left_out if one.too_few}
    assert left["clusters"] == "Clusters need at least 30 customers with revenue; there are 10."
    assert "tiering.clusters" not in mapped.measures
    sections = {section(cell) for cell in nbformat.read(mapped.notebook, 4).cells}
    assert set(left) <= sections


def test_the_report_names_the_users_data_and_not_where_it_was_made(mapped, folder):
    page = mapped.page.read_text(encoding="utf-8")
    assert "物流公司" in page
    assert "mapped/." not in page
    cells = {cell.id: cell.source for cell in nbformat.read(mapped.notebook, 4).cells}
    assert json.dumps(str(folder / "mapping.toml")) in cells["parameters-given"]


def test_calls_alone_give_their_times_and_what_the_rules_find_in_the_texts(called):
    # 5 was resolved before it was opened: it is set aside at loading, and counted.
    times = called.first("complaints.times").set_index("step")
    assert times.loc["opened", ["known", "mere_day"]].tolist() == [5, 1]
    assert times.loc["resolved", ["known", "mere_day", "not_yet"]].tolist() == [4, 1, 1]
    found = called.first("complaints.classify_by_rules").set_index("cause")["named"]
    assert found[found > 0].to_dict() == {"damage": 2, "late_delivery": 1, "attitude": 1}
    left = {one.section: one.columns() for one in called.report.left_out}
    assert left["pareto"] == "complaints.cause"
    assert "complaints.pareto" not in called.measures
