"""What a result's column is called and how its values are written, for tables and Excel alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from crmlab.data.model import TABLES, Column
from crmlab.language import _, day, money, number, percent

Format = Literal["text", "integer", "number", "number1", "percent", "money", "date", "boolean"]


@dataclass(frozen=True)
class Shown:
    """A column as the reader sees it.

    Attributes
    ----------
    label : str
        In the current language.
    format : str
        How its values are written.
    values : mapping of str to str
        For a column of codes, the label of each code.
    """

    label: str
    format: Format
    values: Mapping[str, str] = field(default_factory=dict)

    def written(self, value: object, currency: str) -> str:
        """One value as text in the current language; a missing one as a dash.

        Examples
        --------
        >>> Shown("Share", "percent").written(0.125, "CNY")
        '12.5%'
        """
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            return "–"
        if str(value) in self.values:
            return self.values[str(value)]
        return _WRITERS[self.format](value, currency)


_WRITERS: dict[Format, Callable[[Any, str], str]] = {
    "text": lambda value, currency: str(value),
    "integer": lambda value, currency: number(value),
    "number": lambda value, currency: number(value, 3),
    "number1": lambda value, currency: number(value, 1),
    "percent": lambda value, currency: percent(value),
    "money": lambda value, currency: money(value, currency),
    "date": lambda value, currency: day(pd.Timestamp(value)),
    "boolean": lambda value, currency: _("yes") if value else _("no"),
}


def shown(
    name: str, *, format: str | None = None, values: Mapping[str, str] | None = None
) -> Shown:
    """Label, format and codes of a result's column.

    Columns of the data model are labelled by the model; the columns that measures add, here; any
    other keeps its name.

    Parameters
    ----------
    name : str
    format : str, optional
        In place of the book's usual format.
    values : mapping of str to str, optional
        Labels of codes, in place of the model's.

    Examples
    --------
    >>> shown("low").label, shown("low").format
    ('Low', 'percent')
    >>> shown("region").label
    'Region'
    """
    column = model_column(name)
    label, usual = _vocabulary().get(name) or (
        (column.shown(), _format_of(column)) if column else (name, "text")
    )
    codes = {code: column.shown_value(code) for code in column.codes} if column else {}
    chosen: Format = format if format else usual  # type: ignore[assignment]
    return Shown(label, chosen, codes if values is None else dict(values))


def model_column(name: str) -> Column | None:
    """The model's column of that name: of orders or customers first, else of the first table."""
    for table in (TABLES["orders"], TABLES["customers"], *TABLES.values()):
        if name in table:
            return table.column(name)
    return None


def _format_of(column: Column) -> Format:
    if column.unit == "money":
        return "money"
    formats: dict[str, Format] = {
        "integer": "integer",
        "number": "number1",
        "boolean": "boolean",
        "datetime": "date",
        "date": "date",
    }
    return formats.get(column.type, "text")


def _vocabulary() -> dict[str, tuple[str, Format]]:
    return {
        "share": (_("Share"), "percent"),
        "low": (_("Low"), "percent"),
        "high": (_("High"), "percent"),
        "customers": (_("Customers"), "integer"),
        "orders": (_("Orders"), "integer"),
        "on_time": (_("On time"), "integer"),
        "late": (_("Late"), "integer"),
        "overdue": (_("Overdue"), "integer"),
        "below": (_("Below the others"), "boolean"),
        "unknown": (_("Not known"), "integer"),
        "layer": (_("Layer"), "text"),
        "customers_share": (_("Share of customers"), "percent"),
        "taught": (_("Share as taught"), "percent"),
        "agrees": (_("Agrees"), "boolean"),
        "recency": (_("Recency (days)"), "integer"),
        "frequency": (_("Frequency (orders)"), "integer"),
        "monetary": (_("Monetary"), "money"),
        "r": (_("R score"), "integer"),
        "f": (_("F score"), "integer"),
        "m": (_("M score"), "integer"),
        "segment": (_("Segment"), "text"),
        "revenue": (_("Revenue"), "money"),
        "revenue_share": (_("Share of revenue"), "percent"),
        "revenue_low": (_("Low (revenue)"), "percent"),
        "revenue_high": (_("High (revenue)"), "percent"),
        "design_effect": (_("Design effect"), "number"),
        "treatment": (_("Treatment"), "text"),
        "table": (_("Table"), "text"),
        "file": (_("File"), "text"),
        "step": (_("Step"), "text"),
        "rows": (_("Rows"), "integer"),
        "remark": (_("Remark"), "text"),
        "rank": (_("Rank"), "integer"),
    }
