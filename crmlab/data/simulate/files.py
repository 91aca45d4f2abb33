r"""The company as CSV files: same seed, same bytes on any machine.

UTF-8 without a byte-order mark, ``\n`` line ends, times ``YYYY-MM-DD HH:MM`` (a time of midnight
without its clock, ``YYYY-MM-DD``), ``true``/``false``, numbers rounded to the decimals the model
declares and written without trailing zeros, nothing where a value is missing.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from crmlab.data import model

SUMS = "SHA256SUMS"


def csv_text(name: str, table: pd.DataFrame) -> str:
    """A table of the model as the text of its CSV file."""
    columns = [_written(model.table(name).column(column), table[column]) for column in table]
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*columns, strict=True))
    return made.getvalue()


def _written(column: model.Column, values: pd.Series) -> list[str]:
    if column.type in ("date", "datetime"):
        return _times(values)
    if column.type == "boolean":
        words = {True: "true", False: "false"}
        return [words.get(value, "") for value in values.astype(object)]
    if column.type in ("integer", "number"):
        return _numbers(values, column.decimals or 0)
    return values.fillna("").tolist()


def _times(values: pd.Series) -> list[str]:
    minutes = np.datetime_as_string(values.to_numpy().astype("M8[m]")).tolist()
    return [
        "" if text == "NaT" else text.replace("T", " ").removesuffix(" 00:00") for text in minutes
    ]


def _numbers(values: pd.Series, decimals: int) -> list[str]:
    numbers = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan).tolist()
    made = ["" if number != number else f"{number:.{decimals}f}" for number in numbers]
    if not decimals:
        return made
    return [text.rstrip("0").rstrip(".") if text else text for text in made]


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write each table to ``<name>.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (folder / f"{name}.csv").write_bytes(csv_text(name, table).encode("utf-8"))


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the files back, in the types of the model."""
    return {name: _read(name, folder / f"{name}.csv") for name in model.TABLES}


def _read(name: str, path: Path) -> pd.DataFrame:
    texts = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    made = {column.name: _typed(column, texts[column.name]) for column in model.table(name).columns}
    return pd.DataFrame(made)


def _typed(column: model.Column, values: pd.Series) -> pd.Series:
    if column.type in ("date", "datetime"):
        return pd.to_datetime(values, format="ISO8601").astype("M8[us]")
    if column.type == "boolean":
        return values.map({"true": True, "false": False}).astype("boolean")
    if column.type == "integer":
        return values.astype("Float64").astype("Int64")
    if column.type == "number":
        return values.astype("float64")
    return values


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(folder: Path) -> None:
    """Write the checksums of every data file below the folder."""
    made = sorted(path for path in folder.rglob("*") if path.suffix in (".csv", ".xlsx"))
    made += [folder / "effects.toml", folder / "workspace.toml"]
    lines = [f"{checksum(path)}  {path.relative_to(folder).as_posix()}\n" for path in made]
    (folder / SUMS).write_bytes("".join(lines).encode("utf-8"))


def read_sums(folder: Path) -> dict[str, str]:
    """Checksums by file, as committed."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}
