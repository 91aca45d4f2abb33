"""The workbook of a chapter, built from the tables and definitions that `crmlab.show` wrote.

Nothing is computed here. Numbers stay numbers with a format, so that they can be worked with; text
that a spreadsheet would take for a formula stays text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from crmlab.language import _, number
from crmlab.report.leave_out import LeftOut

#: Excel's own limits.
MAX_ROWS = 1_048_576
MAX_TEXT = 32_767
_SHEET_NAME = 31

_FORMATS = {
    "text": "@",
    "integer": "#,##0",
    "number": "#,##0.000",
    "number1": "#,##0.0",
    "chance": '[<0.001]"< 0.001";0.000',
    "percent": "0.0%",
    "money": "#,##0.00",
    "date": "yyyy-mm-dd",
}
_NARROWEST, _WIDEST = 9, 60
_TITLE = Font(bold=True, size=14)
_HEADER = Font(bold=True)
_HEADER_FILL = PatternFill("solid", start_color="FFE8ECF1")
_WRAP = Alignment(wrap_text=True, vertical="top")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FORBIDDEN_IN_NAMES = re.compile(r"[\[\]:*?/\\]")


@dataclass(frozen=True)
class _Measure:
    """One result as `crmlab.show` wrote it."""

    said: dict[str, Any]
    table: pd.DataFrame

    @property
    def name(self) -> str:
        return f"{self.said['number']:02d} {self.said['measure'].rpartition('.')[2]}"


def write_workbook(
    tables: Path,
    path: Path,
    *,
    facts: Sequence[tuple[str, str]] = (),
    excluded: pd.DataFrame | None = None,
    left_out: Sequence[LeftOut] = (),
) -> None:
    """Write the workbook of one chapter.

    Parameters
    ----------
    tables : Path
        Folder with a ``.parquet`` and a ``.json`` for each result.
    path : Path
        The ``.xlsx`` to write.
    facts : sequence of (str, str)
        Provenance, put on the first sheet.
    excluded : DataFrame, optional
        Rows read and excluded.
    left_out : sequence of LeftOut
        What the data did not suffice for.
    """
    measures = _read(tables)
    book = Workbook()
    first = book.active
    assert first is not None
    first.title = _("Definitions")
    _write_definitions(first, measures, facts)
    for measure in measures:
        _write_measure(book.create_sheet(_sheet_name(book, measure.name)), measure)
    if excluded is not None and not excluded.empty:
        _write_frame(book.create_sheet(_sheet_name(book, _("Rows read"))), excluded)
    if left_out:
        _write_left_out(book.create_sheet(_sheet_name(book, _("Left out"))), left_out)
    book.save(path)


def _read(tables: Path) -> list[_Measure]:
    measures = [
        _Measure(
            json.loads(path.read_text(encoding="utf-8")),
            pd.read_parquet(path.with_suffix(".parquet")),
        )
        for path in sorted(tables.glob("*.json"))
    ]
    return sorted(measures, key=lambda measure: measure.said["number"])


# ---- the sheets


def _write_definitions(
    sheet: Worksheet, measures: Iterable[_Measure], facts: Sequence[tuple[str, str]]
) -> None:
    row = 1
    for name, value in facts:
        _put(sheet.cell(row, 1), name).font = _HEADER
        _put(sheet.cell(row, 2), value)
        row += 1
    row += bool(facts)
    names = [
        _("Sheet"),
        _("Measure"),
        _("Title"),
        _("Numerator"),
        _("Denominator"),
        _("Period"),
        _("Method"),
        _("Source"),
        _("Excluded"),
    ]
    _header(sheet, row, names)
    for measure in measures:
        row += 1
        for column, value in enumerate(_definition(measure), start=1):
            _put(sheet.cell(row, column), value).alignment = _WRAP
    _widths(sheet, 1)


def _definition(measure: _Measure) -> list[str]:
    said, definition = measure.said, measure.said.get("definition", {})
    parts = ("numerator", "denominator", "period", "method", "source")
    excluded = "\n".join(
        _("{count} {unit}: {reason}").format(
            count=number(one["count"]), unit=one.get("unit", ""), reason=one.get("reason", "")
        )
        for one in definition.get("exclusions", ())
    )
    told = [str(definition.get(part) or "") for part in parts]
    return [measure.name, said["measure"], said.get("title", ""), *told, excluded]


def _write_measure(sheet: Worksheet, measure: _Measure) -> None:
    said, table = measure.said, measure.table
    _put(sheet.cell(1, 1), said.get("title", "")).font = _TITLE
    columns = [column for column in _columns(measure) if column["name"] in table]
    _header(sheet, 3, [column["label"] for column in columns])
    shown = table.head(MAX_ROWS - 10)
    for position, column in enumerate(columns, start=1):
        number_format = _number_format(column["format"], str(said.get("currency", "")))
        words = column.get("values") or {}
        for row, value in enumerate(shown[column["name"]], start=4):
            _put(sheet.cell(row, position), words.get(str(value), value), number_format)
    sheet.freeze_panes = "A4"
    _widths(sheet, 3)
    below = 5 + len(shown)
    if len(shown) < len(table):
        note = _("Only the first {count} rows are shown; all are in {file}.")
        file = f"{said['number']:02d}_{said['measure']}.parquet"
        sheet.cell(below, 1).value = note.format(count=f"{len(shown):,}", file=file)
        below += 1
    for offset, sentence in enumerate(str(said.get("reading") or "").splitlines()):
        _put(sheet.cell(below + offset, 1), sentence)


def _number_format(kind: str, currency: str) -> str:
    number_format = _FORMATS.get(kind, "General")
    if kind == "money" and _CURRENCY.fullmatch(currency):
        return f"[${currency}] {number_format}"
    return number_format


def _columns(measure: _Measure) -> list[dict[str, Any]]:
    declared = measure.said.get("columns")
    if declared:
        return list(declared)
    return [{"name": str(name), "label": str(name), "format": ""} for name in measure.table]


def _write_frame(sheet: Worksheet, frame: pd.DataFrame) -> None:
    _header(sheet, 1, [str(name) for name in frame.columns])
    for row, values in enumerate(frame.itertuples(index=False), start=2):
        for column, value in enumerate(values, start=1):
            _put(sheet.cell(row, column), value, _FORMATS["integer"])
    sheet.freeze_panes = "A2"
    _widths(sheet, 1)


def _write_left_out(sheet: Worksheet, left_out: Sequence[LeftOut]) -> None:
    _header(sheet, 1, [_("Section"), _("Measure"), _("Missing"), _("Reason")])
    for row, one in enumerate(left_out, start=2):
        values = (one.title, one.measure, one.columns(), one.reason())
        for column, value in enumerate(values, start=1):
            _put(sheet.cell(row, column), value).alignment = _WRAP
    sheet.freeze_panes = "A2"
    _widths(sheet, 1)


# ---- cells


def _put(cell: Cell, value: object, number_format: str = "General") -> Cell:
    """Put a value in a cell: a number as a number, a text as a text, whatever it begins with."""
    plain = _plain(value)
    if isinstance(plain, str):
        # Set by hand: openpyxl takes a text that begins with = for a formula.
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", plain)[:MAX_TEXT]
        cell.data_type = "s"
        if plain[:1] in ("=", "+", "-", "@"):
            cell.quotePrefix = True
        cell.number_format = "@"
        return cell
    cell.value = plain
    if plain is not None:
        cell.number_format = number_format
    return cell


def _plain(value: object) -> str | int | float | bool | date | None:
    """A value as a spreadsheet knows it; None where there is none."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # Excel has neither NaN nor infinity
        return value if math.isfinite(value) else (None if math.isnan(value) else str(value))
    if isinstance(value, pd.Timestamp):
        value = value.tz_localize(None).to_pydatetime()
    if isinstance(value, datetime | date):
        return value
    return str(value)


def _header(sheet: Worksheet, row: int, names: Iterable[str]) -> None:
    for column, name in enumerate(names, start=1):
        cell = _put(sheet.cell(row, column), name)
        cell.font, cell.fill, cell.alignment = _HEADER, _HEADER_FILL, _WRAP


def _widths(sheet: Worksheet, header_row: int) -> None:
    """Columns as wide as what stands in their first rows; a Chinese character takes two places."""
    for column in range(1, sheet.max_column + 1):
        longest = max(
            _places(sheet.cell(row, column))
            for row in range(header_row, min(sheet.max_row, header_row + 200) + 1)
        )
        width = min(max(longest + 2, _NARROWEST), _WIDEST)
        sheet.column_dimensions[get_column_letter(column)].width = width


def _places(cell: Cell) -> int:
    if cell.value is None:
        return 0
    if isinstance(cell.value, float):
        return len(f"{cell.value:,.2f}")
    if isinstance(cell.value, datetime):
        return 10
    lines = str(cell.value).splitlines() or [""]
    return max(sum(2 if ord(letter) > 0x2E7F else 1 for letter in line) for line in lines)


def _sheet_name(book: Workbook, wanted: str) -> str:
    """A name Excel accepts and the book does not have yet."""
    base = _FORBIDDEN_IN_NAMES.sub(" ", wanted).strip("' ")[:_SHEET_NAME] or "Sheet"
    name, again = base, 2
    while name.lower() in (other.lower() for other in book.sheetnames):
        ending = f" {again}"
        name, again = base[: _SHEET_NAME - len(ending)] + ending, again + 1
    return name
