"""The last six months as three careless systems export them, with every planted fault listed.

A transport management system (orders; GBK, Chinese headers), a CRM (customers and contacts; UTF-8
with a byte-order mark, semicolons) and a call centre (complaints; GB18030). Undoing the faults of
``faults.csv``, duplicates last, gives the clean export back.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crmlab.data.simulate import names
from crmlab.data.simulate.effects import stream

SINCE = pd.Timestamp("2025-07-01")
FAULTS = "faults.csv"
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_YES = {True: "是", False: "否"}


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes
    ----------
    file : str
    row : int
        1 is the first row of data.
    column : str
        Header as in the file; empty for whole rows.
    kind : str
    planted : str
        What stands there; for a duplicate, the key of the row.
    true : str
        What should stand there; for a duplicate, the row it repeats.
    """

    file: str
    row: int
    column: str
    kind: str
    planted: str
    true: str


@dataclass
class Export:
    """One file: how it is written, and its cells as text."""

    file: str
    encoding: str
    delimiter: str
    cells: pd.DataFrame
    faults: list[Fault] = field(default_factory=list)

    def encoded(self) -> bytes:
        """The file's bytes; line ends as Windows makes them."""
        made = io.StringIO(newline="")
        writer = csv.writer(made, delimiter=self.delimiter, lineterminator="\r\n")
        writer.writerow(self.cells.columns)
        writer.writerows(self.cells.itertuples(index=False))
        return made.getvalue().encode(self.encoding)


# --- the clean exports ----------------------------------------------------------------------------


def exports(tables: Mapping[str, pd.DataFrame]) -> list[Export]:
    """The four files before anything goes wrong."""
    return [
        Export("tms_orders.csv", "gbk", ",", _orders(tables["orders"])),
        Export("crm_customers.csv", "utf-8-sig", ";", _customers(tables["customers"])),
        Export("crm_contacts.csv", "utf-8-sig", ";", _contacts(tables["contacts"])),
        Export("callcentre_complaints.csv", "gb18030", ",", _complaints(tables["complaints"])),
    ]


def _clock(times: pd.Series, form: str = "%Y-%m-%d %H:%M") -> list[str]:
    return ["" if pd.isna(time) else time.strftime(form) for time in times]


def _plain(values: pd.Series, decimals: int = 0) -> list[str]:
    return ["" if pd.isna(value) else f"{value:.{decimals}f}" for value in values]


def _words(values: pd.Series, words: Mapping[Any, str]) -> list[str]:
    return ["" if pd.isna(value) else words[value] for value in values]


def _orders(orders: pd.DataFrame) -> pd.DataFrame:
    rows = orders[(orders["ordered_at"] >= SINCE) & (orders["amount"] > 0)]
    region = dict(zip(names.REGIONS, names.REGIONS_ZH, strict=True))
    line = dict(zip(names.LINES, names.LINES_ZH, strict=True))
    made = {
        "订单号": rows["order_id"].tolist(),
        "客户编号": rows["customer_id"].tolist(),
        "下单时间": _clock(rows["ordered_at"]),
        "承诺送达": _clock(rows["promised_at"]),
        "实际送达": _clock(rows["delivered_at"]),
        "地区": _words(rows["region"], region),
        "业务类型": _words(rows["service_line"], line),
        "线路": rows["route"].tolist(),
        "金额": _plain(rows["amount"], 2),
        "直接成本": _plain(rows["cost"], 2),
        "订购数量": _plain(rows["quantity_ordered"]),
        "交付数量": _plain(rows["quantity_delivered"]),
        "货损": _words(rows["damaged"], _YES),
        "单证正确": _words(rows["documents_ok"], _YES),
    }
    return pd.DataFrame(made, dtype=object).reset_index(drop=True)


def _customers(customers: pd.DataFrame) -> pd.DataFrame:
    made = {
        "Customer No": customers["customer_id"].tolist(),
        "Name": customers["name"].tolist(),
        "Phone": customers["phone"].tolist(),
        "Region": customers["region"].tolist(),
        "Type": customers["customer_type"].tolist(),
        "Won on": _clock(customers["acquired_on"], "%d.%m.%Y"),
        "Contract from": _clock(customers["contract_from"], "%d.%m.%Y"),
        "Contract to": _clock(customers["contract_to"], "%d.%m.%Y"),
        "Credit limit": [value.replace(".", ",") for value in _plain(customers["credit_limit"], 2)],
        "Manager": customers["account_manager"].tolist(),
        "No contact": _words(customers["do_not_contact"], {True: "Y", False: "N"}),
    }
    return pd.DataFrame(made, dtype=object)


def _contacts(contacts: pd.DataFrame) -> pd.DataFrame:
    rows = contacts[contacts["contacted_at"] >= SINCE]
    made = {
        "Contact No": rows["contact_id"].tolist(),
        "Customer No": rows["customer_id"].tolist(),
        "At": _clock(rows["contacted_at"], "%d.%m.%Y %H:%M"),
        "In/Out": _words(rows["direction"], {"inbound": "I", "outbound": "O"}),
        "Channel": rows["channel"].tolist(),
        "Purpose": rows["purpose"].tolist(),
        "Staff": rows["staff_id"].tolist(),
        "Answered": _clock(rows["responded_at"], "%d.%m.%Y %H:%M"),
        "Text": rows["message"].fillna("").tolist(),
    }
    return pd.DataFrame(made, dtype=object).reset_index(drop=True)


def _complaints(complaints: pd.DataFrame) -> pd.DataFrame:
    rows = complaints[complaints["opened_at"] >= SINCE]
    severity = {"low": "轻微", "medium": "一般", "high": "严重"}
    made = {
        "投诉单号": rows["complaint_id"].tolist(),
        "客户": rows["customer_id"].tolist(),
        "订单": rows["order_id"].fillna("").tolist(),
        "投诉时间": _clock(rows["opened_at"]),
        "首次答复": _clock(rows["first_response_at"]),
        "解决时间": _clock(rows["resolved_at"]),
        "原因": rows["cause"].tolist(),
        "严重程度": _words(rows["severity"], severity),
        "责任人": rows["owner"].tolist(),
        "赔偿": _plain(rows["compensation"], 2),
        "满意度": _plain(rows["satisfaction_after"]),
        "内容": rows["text"].tolist(),
    }
    return pd.DataFrame(made, dtype=object).reset_index(drop=True)


# --- planting -------------------------------------------------------------------------------------


class Planter:
    """Plants faults into an export, at most one a cell, and writes them down."""

    def __init__(self, export: Export, rng: np.random.Generator) -> None:
        self.export = export
        self.rng = rng
        self._taken: set[tuple[int, str]] = set()
        self._rows: set[int] = set()
        self._listed: list[tuple[int, str, str, str, str]] = []

    def cells(
        self,
        kind: str,
        column: str,
        chance: float | np.ndarray,
        change: Callable[[str], str],
    ) -> None:
        """Change cells of a column, each with its chance; empty cells are left alone."""
        values = self.export.cells[column]
        hit = self.rng.random(len(values)) < chance
        for row in np.flatnonzero(hit & (values != "").to_numpy()):
            self._change(kind, column, int(row), change)

    def _change(self, kind: str, column: str, row: int, change: Callable[[str], str]) -> None:
        if (row, column) in self._taken:
            return
        true = str(self.export.cells.loc[row, column])
        planted = change(true)
        if planted == true:
            return
        self.export.cells.loc[row, column] = planted
        self._taken.add((row, column))
        self._rows.add(row)
        self._listed.append((row, column, kind, planted, true))

    def choice(self, *words: str) -> Callable[[str], str]:
        """A change into one of the words at random."""
        return lambda _true: words[int(self.rng.integers(len(words)))]

    def finish(
        self, key: str, copies: int, near: Sequence[tuple[str, Callable[[str], str]]]
    ) -> None:
        """Insert copies of faultless rows, exact and near ones, and number all faults."""
        free = np.setdiff1d(np.arange(len(self.export.cells)), list(self._rows))
        chosen = np.sort(self.rng.permutation(free)[: 2 * copies])
        exact = self.rng.permutation(len(chosen)) < copies
        after = np.minimum(
            chosen + self.rng.integers(0, 40, len(chosen)), len(self.export.cells) - 1
        )
        order = np.concatenate([np.arange(len(self.export.cells)), chosen])
        place = np.concatenate([np.arange(len(self.export.cells)) * 1.0, after + 0.5])
        at = np.argsort(place, kind="stable")
        final = np.empty(len(at), int)
        final[at] = np.arange(1, len(at) + 1)
        original = len(self.export.cells)
        cells = self.export.cells.iloc[order].reset_index(drop=True)
        for number, (row, same) in enumerate(zip(chosen, exact, strict=True)):
            copy = original + number
            self._note(final, copy, key, "duplicate" if same else "near_duplicate", cells, row)
            if not same:
                column, change = near[number % len(near)]
                true = str(cells.loc[copy, column])
                cells.loc[copy, column] = change(true)
                self._listed.append((copy, column, "differs", str(cells.loc[copy, column]), true))
        self.export.cells = cells.iloc[at].reset_index(drop=True)
        self._number(final)

    def _note(
        self,
        final: np.ndarray,
        copy: int,
        key: str,
        kind: str,
        cells: pd.DataFrame,
        row: int,
    ) -> None:
        self._listed.append((copy, "", kind, str(cells.loc[copy, key]), f"row {final[row]}"))

    def _number(self, final: np.ndarray) -> None:
        file = self.export.file
        made = [Fault(file, int(final[row]), *rest) for row, *rest in self._listed]
        self.export.faults = sorted(made, key=lambda fault: (fault.row, fault.column))


def _wide(text: str) -> str:
    """Full-width digits, as a Chinese keyboard types them."""
    return text.translate(_WIDE)


def _spaced(text: str) -> str:
    return f" {text} "


def _slashes(text: str) -> str:
    """``2025-07-03 09:05`` as ``2025/7/3 9:05``."""
    time = pd.Timestamp(text)
    return f"{time.year}/{time.month}/{time.day} {time.hour}:{time.minute:02d}"


def _chinese(text: str) -> str:
    time = pd.Timestamp(text)
    return f"{time.year}年{time.month}月{time.day}日 {time.hour}时{time.minute:02d}分"


def _day_only(text: str) -> str:
    return text.split(" ")[0]


def _ten_thousands(text: str) -> str:
    return f"{float(text) / 10_000:.6f}".rstrip("0") + "万元"


def _yuan(text: str) -> str:
    return f"{float(text):,.2f}元"


def _days_earlier(days: int, form: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        return (pd.to_datetime(text, format=form) - pd.Timedelta(days=days)).strftime(form)

    return change


def _plant_orders(p: Planter) -> None:
    cells = p.export.cells
    amount = cells["金额"].astype(float).to_numpy()
    cost = pd.to_numeric(cells["直接成本"]).to_numpy()
    far = (cells["地区"] == "东北").to_numpy()
    p.cells("unit_in_value", "金额", 0.02 * (amount > 3000), _ten_thousands)
    p.cells("unit_in_value", "金额", 0.012, _yuan)
    p.cells("out_of_range", "金额", 0.001, lambda text: text.replace(".", ""))
    p.cells("date_format", "下单时间", 0.015, _slashes)
    p.cells("date_format", "承诺送达", 0.01, _chinese)
    p.cells("date_without_time", "实际送达", 0.01, _day_only)
    p.cells("impossible_time", "实际送达", 0.003, _days_earlier(9, "%Y-%m-%d %H:%M"))
    p.cells("missing_code", "实际送达", 0.006, p.choice("9999-12-31", "N/A"))
    p.cells("missing_mcar", "线路", 0.01, p.choice("", "-", "N/A"))
    p.cells("missing_mar", "交付数量", np.where(far, 0.08, 0.006), p.choice("", "-"))
    p.cells(
        "missing_mnar",
        "直接成本",
        np.where(cost > np.quantile(cost, 0.95), 0.15, 0.002),
        p.choice(""),
    )
    p.cells("out_of_range", "订购数量", 0.002, p.choice("-1", "99999"))
    p.cells("unknown_code", "业务类型", 0.004, p.choice("快运", "其他", "？"))
    p.cells("stray_space", "地区", 0.008, _spaced)
    p.cells("full_width", "客户编号", 0.006, _wide)
    p.cells("orphan", "客户编号", 0.004, lambda text: "C9" + text[2:])
    p.cells("unknown_code", "货损", 0.004, p.choice("Y", "有"))
    p.finish("订单号", 40, [("订单号", _spaced), ("金额", lambda text: text.split(".")[0])])


def _plant_customers(p: Planter) -> None:
    p.cells("stray_space", "Name", 0.012, _spaced)
    p.cells("full_width", "Phone", 0.015, _wide)
    p.cells("other_format", "Phone", 0.02, lambda text: f"+86 {text[:3]}-{text[3:7]}-{text[7:]}")
    p.cells("unknown_code", "Region", 0.008, p.choice("HQ", "Overseas", "?"))
    p.cells("missing_mcar", "Type", 0.015, p.choice("", "N/A", "-"))
    p.cells("impossible_time", "Won on", 0.004, lambda text: text[:6] + "2035")
    p.cells("date_format", "Won on", 0.02, lambda text: "/".join(reversed(text.split("."))))
    p.cells("missing_code", "Contract to", 0.03, p.choice("31.12.9999"))
    p.cells("impossible_time", "Contract to", 0.008, lambda text: text[:6] + "2009")
    p.cells("out_of_range", "Credit limit", 0.004, lambda text: "-" + text)
    p.cells("orphan", "Manager", 0.006, p.choice("S99", "S00"))
    p.cells("unknown_code", "No contact", 0.006, p.choice("1", "yes"))
    p.finish("Customer No", 12, [("Customer No", lambda text: text + "-1"), ("Name", _spaced)])


def _plant_contacts(p: Planter) -> None:
    inbound = (p.export.cells["In/Out"] == "I").to_numpy()
    p.cells("date_without_time", "At", 0.008, _day_only)
    p.cells("date_format", "At", 0.008, lambda text: text.replace(".", "/"))
    p.cells("impossible_time", "Answered", 0.006, _days_earlier(40, "%d.%m.%Y %H:%M"))
    p.cells("missing_code", "Answered", 0.01, p.choice("31.12.9999", "-"))
    p.cells("unknown_code", "In/Out", 0.004, p.choice("X", "in"))
    p.cells("missing_mar", "Channel", np.where(inbound, 0.02, 0.002), p.choice("", "n/a"))
    p.cells("unknown_code", "Channel", 0.004, p.choice("fax", "telegram"))
    p.cells("orphan", "Customer No", 0.004, lambda text: "C8" + text[2:])
    p.cells("stray_space", "Customer No", 0.005, _spaced)
    p.cells("missing_mcar", "Staff", 0.01, p.choice("", "-"))
    p.finish("Contact No", 25, [("Text", _spaced), ("Staff", _wide)])


def _plant_complaints(p: Planter) -> None:
    happy = pd.to_numeric(p.export.cells["满意度"], errors="coerce").to_numpy()
    p.cells("impossible_time", "解决时间", 0.02, _days_earlier(60, "%Y-%m-%d %H:%M"))
    p.cells("date_without_time", "解决时间", 0.04, _day_only)
    p.cells("missing_code", "解决时间", 0.015, p.choice("9999-12-31"))
    p.cells("date_without_time", "投诉时间", 0.03, _day_only)
    p.cells("date_format", "首次答复", 0.04, _slashes)
    p.cells("missing_mnar", "满意度", np.where(happy <= 2, 0.3, 0.02), p.choice(""))
    p.cells("out_of_range", "满意度", 0.01, p.choice("0", "6", "99"))
    p.cells("missing_mcar", "责任人", 0.03, p.choice("", "-"))
    p.cells("unknown_code", "严重程度", 0.015, p.choice("特急", "3"))
    p.cells("unknown_code", "原因", 0.015, p.choice("其他", "late delivery"))
    p.cells("orphan", "订单", 0.015, lambda text: "O9" + text[2:])
    p.cells("unit_in_value", "赔偿", 0.02, _yuan)
    p.cells("full_width", "客户", 0.01, _wide)
    p.cells("rare_character", "内容", 0.02, lambda text: text + "😡")
    p.finish("投诉单号", 8, [("内容", _spaced), ("责任人", _wide)])


_PLANTERS = (_plant_orders, _plant_customers, _plant_contacts, _plant_complaints)


def careless(seed: int, tables: Mapping[str, pd.DataFrame]) -> list[Export]:
    """The four files with their faults."""
    made = exports(tables)
    for export, plant in zip(made, _PLANTERS, strict=True):
        plant(Planter(export, stream(seed, f"raw {export.file}")))
    return made


def write_raw(seed: int, tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write the files and the list of their faults."""
    folder.mkdir(parents=True, exist_ok=True)
    made = careless(seed, tables)
    for export in made:
        (folder / export.file).write_bytes(export.encoded())
    listed = io.StringIO(newline="")
    writer = csv.writer(listed, lineterminator="\n")
    writer.writerow(("file", "row", "column", "kind", "planted", "true"))
    for export in made:
        writer.writerows(
            (f.file, f.row, f.column, f.kind, f.planted, f.true) for f in export.faults
        )
    (folder / FAULTS).write_bytes(listed.getvalue().encode("utf-8"))


def read_export(export: Export, folder: Path) -> pd.DataFrame:
    """The cells of a file as they stand there."""
    text = (folder / export.file).read_bytes().decode(export.encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=export.delimiter))
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object)


def undone(cells: pd.DataFrame, faults: Sequence[Fault]) -> pd.DataFrame:
    """The clean cells, from the faulty ones and the list of faults."""
    cells = cells.copy()
    copies = [fault.row - 1 for fault in faults if fault.kind in ("duplicate", "near_duplicate")]
    for fault in faults:
        if fault.column:
            cells.loc[fault.row - 1, fault.column] = fault.true
    return cells.drop(index=copies).reset_index(drop=True)
