"""Validation on datasets/raw finds the faults that were planted there, kind by kind."""

from pathlib import Path

import pandas as pd
import pytest

from crmlab.data import sources, staging

ROOT = Path(__file__).parents[2]
RAW = ROOT / "datasets/raw"
MAPPING = ROOT / "docs/mappings/raw.toml"

ORDERS, CUSTOMERS = "tms_orders.csv", "crm_customers.csv"
CONTACTS, COMPLAINTS = "crm_contacts.csv", "callcentre_complaints.csv"

#: file, column there, kinds planted, table, column, kind found: the counts are equal.
FOUND = [
    (ORDERS, "金额", "unit_in_value", "orders", "amount", "not_a_number"),
    (ORDERS, "下单时间", "date_format", "orders", "ordered_at", "not_a_time"),
    (ORDERS, "承诺送达", "date_format", "orders", "promised_at", "not_a_time"),
    (ORDERS, "实际送达", "date_without_time", "orders", "delivered_at", "not_a_time"),
    (ORDERS, "地区", "stray_space", "orders", "region", "untranslated"),
    (ORDERS, "业务类型", "unknown_code", "orders", "service_line", "untranslated"),
    (ORDERS, "货损", "unknown_code", "orders", "damaged", "untranslated"),
    (ORDERS, "客户编号", "full_width orphan", "orders", "customer_id", "orphan"),
    (CUSTOMERS, "Region", "unknown_code", "customers", "region", "untranslated"),
    (CUSTOMERS, "Won on", "date_format", "customers", "acquired_on", "not_a_time"),
    (CUSTOMERS, "No contact", "unknown_code", "customers", "do_not_contact", "untranslated"),
    (CONTACTS, "At", "date_format date_without_time", "contacts", "contacted_at", "not_a_time"),
    (CONTACTS, "In/Out", "unknown_code", "contacts", "direction", "untranslated"),
    (CONTACTS, "Channel", "unknown_code", "contacts", "channel", "untranslated"),
    (CONTACTS, "Customer No", "orphan stray_space", "contacts", "customer_id", "orphan"),
    (COMPLAINTS, "投诉时间", "date_without_time", "complaints", "opened_at", "not_a_time"),
    (COMPLAINTS, "首次答复", "date_format", "complaints", "first_response_at", "not_a_time"),
    (COMPLAINTS, "解决时间", "date_without_time", "complaints", "resolved_at", "not_a_time"),
    (COMPLAINTS, "原因", "unknown_code", "complaints", "cause", "untranslated"),
    (COMPLAINTS, "严重程度", "unknown_code", "complaints", "severity", "untranslated"),
    (COMPLAINTS, "满意度", "out_of_range", "complaints", "satisfaction_after", "out_of_bounds"),
    (COMPLAINTS, "赔偿", "unit_in_value", "complaints", "compensation", "not_a_number"),
    (COMPLAINTS, "客户", "full_width", "complaints", "customer_id", "orphan"),
]

#: The same for times that run backwards: a few hide behind another fault of their row.
BACKWARDS = [
    (ORDERS, "实际送达", "orders", "delivered_at"),
    (CUSTOMERS, "Contract to", "customers", "contract_to"),
    (CONTACTS, "Answered", "contacts", "responded_at"),
    (COMPLAINTS, "解决时间", "complaints", "resolved_at"),
]

#: Values that stand for "not known": the mapping names them, the accounting counts them.
NAMED_MISSING = [
    (ORDERS, "实际送达", "delivered_at"),
    (CUSTOMERS, "Contract to", "contract_to"),
    (CONTACTS, "Answered", "responded_at"),
    (COMPLAINTS, "解决时间", "resolved_at"),
]


@pytest.fixture(scope="module")
def planted():
    listed = pd.read_csv(RAW / "faults.csv", dtype="str", keep_default_na=False)
    return listed.groupby(["file", "column", "kind"]).size()


@pytest.fixture(scope="module")
def found():
    counts = {}
    for fault in sources.faults(MAPPING, files=RAW):
        key = (fault.table, fault.column, fault.kind)
        counts[key] = counts.get(key, 0) + fault.count
    return counts


@pytest.fixture(scope="module")
def accounting():
    return sources.load(MAPPING, files=RAW).accounting


@pytest.mark.parametrize(
    ("file", "column", "kinds", "table", "name", "kind"),
    FOUND,
    ids=[f"{r[3]}.{r[4]}" for r in FOUND],
)
def test_every_planted_fault_of_a_kind_is_found(
    file, column, kinds, table, name, kind, planted, found
):
    wanted = sum(planted.get((file, column, each), 0) for each in kinds.split())
    assert wanted > 0
    assert found[table, name, kind] == wanted


@pytest.mark.parametrize(("file", "column", "table", "name"), BACKWARDS)
def test_times_that_run_backwards_are_found(file, column, table, name, planted, found):
    wanted = planted[file, column, "impossible_time"]
    assert 0.9 * wanted <= found[table, name, "impossible_order"] <= wanted


@pytest.mark.parametrize(
    ("file", "header", "table", "key"),
    [
        (ORDERS, "订单号", "orders", "order_id"),
        (CUSTOMERS, "Customer No", "customers", "customer_id"),
        (CONTACTS, "Contact No", "contacts", "contact_id"),
        (COMPLAINTS, "投诉单号", "complaints", "complaint_id"),
    ],
)
def test_copies_are_found_unless_their_key_was_changed(file, header, table, key, planted, found):
    copies = planted[file, "", "duplicate"] + planted[file, "", "near_duplicate"]
    assert found[table, key, "duplicate_key"] == copies - planted.get((file, header, "differs"), 0)


@pytest.mark.parametrize(("file", "column", "name"), NAMED_MISSING)
def test_values_that_stand_for_missing_are_counted(file, column, name, planted, accounting):
    entries = accounting.query("file == @file and step == 'missing'")
    entry = entries[entries["remark"].str.startswith(f"{name}:")]
    assert entry["rows"].tolist() == [planted[file, column, "missing_code"]]


def test_customers_won_in_the_future_are_left_out_and_counted(planted, accounting):
    later = accounting.query("table == 'customers' and step == 'after_as_of'")["rows"].sum()
    assert later == planted[CUSTOMERS, "Won on", "impossible_time"]


def test_a_row_is_excluded_or_kept_and_counted_once(accounting):
    for table in ("customers", "orders", "contacts", "complaints"):
        rows = accounting[accounting["table"] == table].groupby("step")["rows"].sum()
        removed = rows[[step for step in rows.index if step in staging.REMOVING]].sum()
        assert rows["read"] == rows["kept"] + removed


def test_quality_shows_every_dimension():
    quality = sources.quality(MAPPING, files=RAW)
    assert set(quality["dimension"]) == {
        "completeness",
        "validity",
        "uniqueness",
        "consistency",
        "timeliness",
    }
    assert quality["share"].dropna().between(0, 1).all()


def test_characters_that_gbk_lacks_are_read(planted):
    texts = sources.load(MAPPING, files=RAW).complaints["text"]
    assert 0 < texts.str.contains("😡").sum() <= planted[COMPLAINTS, "内容", "rare_character"]
