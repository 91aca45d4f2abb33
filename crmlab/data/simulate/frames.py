"""From arrays to the model's tables: types, order of columns, rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crmlab.data import model
from crmlab.data.simulate.calendar import DAY, EMPTY, ORIGIN


def frame(table: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table of the model from its columns; columns that are not given are empty.

    Parameters
    ----------
    table : str
        Name of the table.
    columns : mapping of str to array
        Dates as days and times as minutes since the start, `EMPTY` where there is none.
    """
    rows = len(next(iter(columns.values())))
    made = {
        column.name: _typed(column, columns.get(column.name), rows)
        for column in model.table(table).columns
    }
    return pd.DataFrame(made)


def _typed(column: model.Column, given: Any, rows: int) -> pd.Series:
    if column.type in ("date", "datetime"):
        return pd.Series(_times(given, rows, DAY if column.type == "date" else 1))
    if column.type in ("text", "code"):
        return pd.Series([None] * rows if given is None else given, dtype="str")
    if column.type == "boolean":
        return pd.Series([None] * rows if given is None else given, dtype="boolean")
    numbers = np.full(rows, np.nan) if given is None else np.asarray(given, dtype=float)
    if column.type == "integer":
        return pd.Series(numbers).round().astype("Int64")
    return pd.Series(np.round(numbers, column.decimals or 0) + 0.0)


def _times(given: Any, rows: int, minutes: int) -> np.ndarray:
    if given is None:
        return np.full(rows, np.datetime64("NaT", "us"), "M8[us]")
    given = np.asarray(given, np.int64)
    empty = given == EMPTY
    microseconds = np.where(empty, 0, given) * minutes * 60_000_000
    times = ORIGIN + microseconds.astype("m8[us]")
    times[empty] = np.datetime64("NaT", "us")
    return times


def maybe(values: Any, there: np.ndarray) -> np.ndarray:
    """Values as objects, None where they are not there."""
    made = np.array(values, dtype=object)
    made[~there] = None
    return made
