"""Reading a user's files in chunks, as they stand: text as text, nothing guessed.

CSV is decoded strictly: a wrong encoding names the file, the byte and the encodings that would do.
A row with too many or too few cells is not repaired but reported. Parquet and Excel keep the types
they have.
"""

from __future__ import annotations

import codecs
import glob
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlab.data.mapping import TableMap, closest
from crmlab.errors import MappingError, SourceNotFound
from crmlab.language import _

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows converted at a time.
CHUNK_ROWS = 200_000

_BLOCK_BYTES = 1 << 24
_HEADER_BYTES = 1 << 18

#: Encodings that are tried when the one said does not fit.
ENCODINGS = ("utf-8", "gb18030", "big5", "cp949", "shift_jis", "cp1252")

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")
PACKED_SUFFIXES = (".gz", ".bz2", ".zst", ".lz4")


@dataclass
class Chunk:
    """Some rows of a file: their numbers, counted from 1 after the header, and their cells."""

    numbers: Any
    cells: pa.Table


@dataclass
class Reading:
    """What was seen while a file was read.

    Attributes
    ----------
    rows : int
        Rows of the file, those left out included.
    ragged : list of (int, str)
        Rows that have too many or too few cells.
    """

    rows: int = 0
    ragged: list[tuple[int, str]] = field(default_factory=list)


def kind(path: Path) -> str:
    """``"csv"``, ``"excel"`` or ``"parquet"``, by the suffix; empty if it is none of them.

    Examples
    --------
    >>> kind(Path("orders.csv.gz"))
    'csv'
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes = suffixes[:-1]
    last = suffixes[-1] if suffixes else ""
    if last in CSV_SUFFIXES:
        return "csv"
    if last in EXCEL_SUFFIXES:
        return "excel"
    return "parquet" if last in (".parquet", ".pq") else ""


def find(folder: Path, names: Sequence[str], where: str) -> list[Path]:
    """The files of a table, in the order said; a pattern's in the order of their names.

    Raises
    ------
    SourceNotFound
        If a name or pattern fits no file.
    """
    found: list[Path] = []
    for name in names:
        pattern = str(folder / name)
        paths = [Path(pattern)] if Path(pattern).is_file() else []
        paths = paths or [Path(path) for path in sorted(glob.glob(pattern)) if Path(path).is_file()]
        if not paths:
            raise SourceNotFound(_not_found(folder, name, where))
        found += paths
    return list(dict.fromkeys(found))


def _not_found(folder: Path, name: str, where: str) -> str:
    if not folder.is_dir():
        return _("{where}: there is no folder {folder}.").format(where=where, folder=folder)
    near = closest(name, [path.name for path in folder.iterdir()])
    if near:
        return _("{where}: there is no file {file} in {folder}. Did you mean {near}?").format(
            where=where, file=name, folder=folder, near=near
        )
    return _("{where}: there is no file {file} in {folder}.").format(
        where=where, file=name, folder=folder
    )


def columns(path: Path, table: TableMap) -> list[str]:
    """The names of a file's columns.

    Raises
    ------
    SourceNotFound
        If the file cannot be read as what it is said to be.
    """
    if not kind(path):
        raise SourceNotFound(
            _("{file} is not a CSV, Excel (.xlsx) or Parquet file.").format(file=path)
        )
    if kind(path) == "parquet":
        return _parquet_header(path)
    if not table.header:
        return list(table.names)
    if kind(path) == "excel":
        return _excel_header(path, table)
    return (
        _whitespace_header(path, table)
        if table.delimiter == "whitespace"
        else _csv_header(path, table)
    )


def chunks(path: Path, table: TableMap, reading: Reading) -> Iterator[Chunk]:
    """The rows of a file, some at a time.

    Parameters
    ----------
    path : Path
    table : TableMap
        How it is read, and which of its columns are wanted.
    reading : Reading
        Filled as the file is read.

    Raises
    ------
    SourceNotFound
        If the file cannot be read as what it is said to be.
    MappingError
        If it lacks a column that is wanted.
    """
    readers = {"csv": _csv_chunks, "excel": _excel_chunks, "parquet": _parquet_chunks}
    wanted = _wanted(path, table)
    return readers[kind(path)](path, table, wanted, reading)


def _wanted(path: Path, table: TableMap) -> list[str]:
    there = columns(path, table)
    wanted = list(table.needed()) or there
    for name in wanted:
        if name not in there:
            raise MappingError(_lacking(path, table, name, there))
        if there.count(name) > 1:
            raise MappingError(
                _("{file} has {count} columns called {column}. Give each its own name.").format(
                    file=path.name, count=there.count(name), column=name
                )
            )
    return wanted


def _lacking(path: Path, table: TableMap, name: str, there: list[str]) -> str:
    near = closest(name, there)
    if near:
        return _("{file} has no column {column} (table {table}). Did you mean {near}?").format(
            file=path.name, column=name, table=table.table, near=near
        )
    return _(
        "{file} has no column {column} (table {table}). It has: {names}. If these names look wrong,"
        " say another encoding or delimiter."
    ).format(file=path.name, column=name, table=table.table, names=", ".join(there))


# --- CSV ----------------------------------------------------------------------------------------


def _csv_options(table: TableMap, block: int = _BLOCK_BYTES) -> tuple[Any, Any]:
    import pyarrow.csv as csv

    read = csv.ReadOptions(
        use_threads=False,
        block_size=block,
        encoding=table.encoding,
        skip_rows=table.skip_rows,
        column_names=None if table.header else list(table.names),
    )
    parse = csv.ParseOptions(delimiter=table.delimiter, newlines_in_values=True)
    return read, parse


def _refuse_other_text(path: Path, table: TableMap) -> None:
    """Look at the file's first bytes before PyArrow does, which writes a traceback of its own."""
    try:
        decoder = codecs.getincrementaldecoder(table.encoding)(errors="strict")
        with _bytes(path) as stream:
            decoder.decode(stream.read(_HEADER_BYTES))
    except (UnicodeError, LookupError, OSError) as error:
        raise _unreadable(path, table, error) from error


def _csv_header(path: Path, table: TableMap) -> list[str]:
    import pyarrow as pa
    import pyarrow.csv as csv

    _refuse_other_text(path, table)
    read, parse = _csv_options(table, _HEADER_BYTES)
    parse.invalid_row_handler = lambda row: "skip"
    try:
        with csv.open_csv(str(path), read_options=read, parse_options=parse) as stream:
            return list(stream.schema.names)
    except (pa.ArrowInvalid, UnicodeError, LookupError, OSError) as error:
        raise _unreadable(path, table, error) from error


def _csv_chunks(
    path: Path, table: TableMap, wanted: list[str], reading: Reading
) -> Iterator[Chunk]:
    if table.delimiter == "whitespace":
        yield from _whitespace_chunks(path, table, wanted, reading)
        return
    import numpy as np
    import pyarrow as pa

    try:
        for batch in _csv_batches(path, table, wanted, reading):
            ragged = [row for row, _text in reading.ragged if row > reading.rows]
            last = reading.rows + batch.num_rows + len(ragged)
            numbers = np.setdiff1d(np.arange(reading.rows + 1, last + 1), ragged)
            numbers = numbers[: batch.num_rows]
            reading.rows = int(numbers[-1]) if len(numbers) else reading.rows
            yield from _cut(numbers, pa.Table.from_batches([batch]).select(wanted))
        reading.rows = max([reading.rows, *(row for row, _text in reading.ragged)])
    except (pa.ArrowInvalid, UnicodeError, LookupError, OSError) as error:
        raise _unreadable(path, table, error) from error


def _csv_batches(
    path: Path, table: TableMap, wanted: list[str], reading: Reading
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as csv

    read, parse = _csv_options(table)
    above = table.skip_rows + (1 if table.header else 0)

    def note(row: Any) -> str:
        reading.ragged.append((row.number - above, _row_text(row)))
        return "skip"

    parse.invalid_row_handler = note
    convert = csv.ConvertOptions(
        strings_can_be_null=False,
        include_columns=wanted,
        column_types={name: pa.string() for name in columns(path, table)},
    )
    with csv.open_csv(
        str(path), read_options=read, parse_options=parse, convert_options=convert
    ) as stream:
        yield from stream


def _row_text(row: Any) -> str:
    try:
        return str(row.text)
    except UnicodeError:
        return ""


def _cut(numbers: Any, cells: pa.Table) -> Iterator[Chunk]:
    for start in range(0, cells.num_rows, CHUNK_ROWS):
        stop = start + CHUNK_ROWS
        yield Chunk(numbers[start:stop], cells.slice(start, CHUNK_ROWS))


def _whitespace_header(path: Path, table: TableMap) -> list[str]:
    try:
        with _text(path, table.encoding) as lines:
            return next((line.split() for line in _after(lines, table.skip_rows)), [])
    except (UnicodeError, LookupError, OSError) as error:
        raise _unreadable(path, table, error) from error


def _whitespace_chunks(
    path: Path, table: TableMap, wanted: list[str], reading: Reading
) -> Iterator[Chunk]:
    names = columns(path, table)
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        with _text(path, table.encoding) as lines:
            for line in _after(lines, table.skip_rows + (1 if table.header else 0)):
                reading.rows += 1
                cells = line.split()
                if len(cells) != len(names):
                    reading.ragged.append((reading.rows, line.strip()))
                    continue
                rows.append(cells)
                numbers.append(reading.rows)
                if len(rows) == CHUNK_ROWS:
                    yield _text_chunk(numbers, rows, names, wanted)
                    rows, numbers = [], []
    except (UnicodeError, LookupError, OSError) as error:
        raise _unreadable(path, table, error) from error
    yield _text_chunk(numbers, rows, names, wanted)


def _text_chunk(
    numbers: list[int], rows: list[list[str]], names: list[str], wanted: list[str]
) -> Chunk:
    import numpy as np
    import pyarrow as pa

    cells = {
        name: pa.array([row[names.index(name)] for row in rows], pa.string()) for name in wanted
    }
    return Chunk(np.array(numbers, dtype="int64"), pa.table(cells))


def _after(lines: Any, skip: int) -> Iterator[str]:
    """The lines that hold something, after the first `skip`."""
    kept = (line for line in lines if line.strip())
    for position, line in enumerate(kept):
        if position >= skip:
            yield line


def _bytes(path: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="detect")


def _text(path: Path, encoding: str) -> Any:
    return io.TextIOWrapper(io.BufferedReader(_Raw(_bytes(path))), encoding=encoding)


class _Raw(io.RawIOBase):
    """An Arrow stream as Python's own kind of raw file."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _unreadable(path: Path, table: TableMap, error: Exception) -> SourceNotFound | MappingError:
    """What to say when a text file cannot be read: its encoding first."""
    try:
        codecs.lookup(table.encoding)
    except LookupError:
        return MappingError(
            _("There is no encoding {encoding} (table {table}). Common ones are {names}.").format(
                encoding=table.encoding, table=table.table, names=", ".join(ENCODINGS)
            )
        )
    try:
        position = undecodable(path, table.encoding)
    except OSError:
        return SourceNotFound(
            _("{file} cannot be opened: {problem}.").format(file=path, problem=error)
        )
    if position is None:
        return SourceNotFound(
            _("{file} cannot be read as a CSV file: {problem}. Export it again.").format(
                file=path, problem=_reason(error)
            )
        )
    fitting = [name for name in ENCODINGS if undecodable(path, name) is None]
    if not fitting:
        return SourceNotFound(
            _(
                "{file} is not text: no encoding fits byte {position}. If it is an Excel or Parquet"
                " file, let its name say so (.xlsx, .parquet); else export it again as CSV."
            ).format(file=path, position=position)
        )
    return SourceNotFound(
        _(
            "{file} is not {encoding} text: byte {position} does not fit. Encodings that would fit:"
            ' {names}. Say encoding = "…" for the table {table} in a mapping.'
        ).format(
            file=path,
            encoding=table.encoding,
            position=position,
            names=", ".join(fitting),
            table=table.table,
        )
    )


def undecodable(path: Path, encoding: str) -> int | None:
    """Position of the first byte that an encoding cannot read; None if it can read all."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    with _bytes(path) as stream:
        position = 0
        while True:
            data = stream.read(1 << 20)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                return position - pending + error.start
            position += len(data)
            if not data:
                return None


# --- Parquet ------------------------------------------------------------------------------------


def _reason(error: Exception) -> str:
    """What another library says of the file: its first sentence, without a full stop."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


def _not_parquet(path: Path, error: Exception) -> SourceNotFound:
    return SourceNotFound(
        _("{file} cannot be read as a Parquet file: {problem}. Write it again.").format(
            file=path, problem=_reason(error)
        )
    )


def _parquet_header(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _not_parquet(path, error) from error


def _parquet_chunks(
    path: Path, table: TableMap, wanted: list[str], reading: Reading
) -> Iterator[Chunk]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as source:
            for batch in source.iter_batches(batch_size=CHUNK_ROWS, columns=wanted):
                first = reading.rows
                reading.rows += batch.num_rows
                numbers = np.arange(first + 1, reading.rows + 1)
                yield Chunk(numbers, pa.Table.from_batches([batch]).select(wanted))
    except (pa.ArrowInvalid, OSError) as error:
        raise _not_parquet(path, error) from error


# --- Excel --------------------------------------------------------------------------------------


def _excel_rows(path: Path, table: TableMap) -> Iterator[tuple[Any, ...]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, InvalidFileException, zipfile.BadZipFile, KeyError) as error:
        raise SourceNotFound(
            _(
                "{file} cannot be read as an Excel file: {problem}. Open it in Excel and save it as"
                " an Excel workbook (.xlsx) or as CSV."
            ).format(file=path, problem=_reason(error))
        ) from error
    try:
        name = table.sheet or book.sheetnames[0]
        if name not in book.sheetnames:
            raise MappingError(
                _("{file} has no sheet {sheet}. It has: {names}.").format(
                    file=path.name, sheet=name, names=", ".join(book.sheetnames)
                )
            )
        rows = book[name].iter_rows(values_only=True, min_row=table.skip_rows + 1)
        yield from (row for row in rows if any(cell is not None for cell in row))
    finally:
        book.close()


def _excel_header(path: Path, table: TableMap) -> list[str]:
    first = next(_excel_rows(path, table), ())
    return [_cell_text(cell) or "" for cell in first]


def _excel_chunks(
    path: Path, table: TableMap, wanted: list[str], reading: Reading
) -> Iterator[Chunk]:
    names = columns(path, table)
    rows: list[tuple[Any, ...]] = []
    source = _excel_rows(path, table)
    if table.header:
        next(source, None)
    for row in source:
        reading.rows += 1
        rows.append(row + (None,) * (len(names) - len(row)))
        if len(rows) == CHUNK_ROWS:
            yield _excel_chunk(reading.rows, rows, names, wanted)
            rows = []
    yield _excel_chunk(reading.rows, rows, names, wanted)


def _excel_chunk(
    last: int, rows: list[tuple[Any, ...]], names: list[str], wanted: list[str]
) -> Chunk:
    import numpy as np
    import pyarrow as pa

    cells = {
        name: _excel_column([row[position] for row in rows])
        for position, name in enumerate(names)
        if name in wanted
    }
    numbers = np.arange(last - len(rows) + 1, last + 1)
    return Chunk(numbers, pa.table(cells).select(wanted))


def _excel_column(values: list[Any]) -> pa.Array:
    """A column of cells in their own type where they share one, else as text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds and kinds <= {date, datetime}:
        return pa.array(values, pa.timestamp("us"))
    return pa.array([_cell_text(value) for value in values], pa.string())


def _cell_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
