"""From the cells of a file to the model's types, with every value that does not fit reported.

Nothing is reinterpreted silently: spaces are taken away only where the mapping asks, a number needs
the marks the mapping says, a time needs a form the mapping names (ISO 8601 where it names none).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crmlab.data import model
from crmlab.data.mapping import ColumnMap
from crmlab.errors import Fault
from crmlab.language import _, ngettext

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Decimals that computed and converted numbers are rounded to.
DECIMALS = 6

_TRUTH = {"true": True, "True": True, "TRUE": True, "1": True} | {
    "false": False,
    "False": False,
    "FALSE": False,
    "0": False,
}
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
_OFFSET = r":.*(?:Z|[+-][0-9]{2}:?[0-9]{2})$"

#: Forms of dates that are tried only to say which one would do.
_LIKELY_FORMATS = (
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y年%m月%d日",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%Y%m%d%H%M%S",
)


@dataclass
class Found:
    """Faults and notes gathered while one file is converted.

    Attributes
    ----------
    faults : dict of (column, kind) to [count, examples]
    notes : dict of (kind, column) to int
        Rows to be told of, though nothing is wrong.
    """

    faults: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    notes: dict[tuple[str, str], int] = field(default_factory=dict)

    def fault(
        self, column: str, kind: str, rows: Sequence[int] | np.ndarray, values: Sequence[object]
    ) -> None:
        """Count rows with a fault, and keep the first three as examples."""
        if not len(rows):
            return
        entry = self.faults.setdefault((column, kind), [0, []])
        entry[0] += len(rows)
        room = 3 - len(entry[1])
        pairs = zip(rows[:room], values[:room], strict=True) if room else ()
        entry[1] += [(int(row), str(value)) for row, value in pairs]

    def note(self, kind: str, column: str, count: int) -> None:
        """Count rows that the accounting should mention."""
        if count:
            self.notes[kind, column] = self.notes.get((kind, column), 0) + count


class Converter:
    """Converts the columns of one file's chunks.

    Parameters
    ----------
    table : model.Table
    timezone : str
        The workspace's.
    found : Found
    """

    def __init__(self, table: model.Table, timezone: str, found: Found) -> None:
        self.table = table
        self.timezone = timezone
        self.found = found

    def column(
        self, spec: ColumnMap, cells: pa.Table, numbers: np.ndarray, shown: str = ""
    ) -> tuple[pa.Array, np.ndarray]:
        """One column in the model's type, and which rows have a fault in it.

        Parameters
        ----------
        spec : ColumnMap
        cells : pyarrow.Table
            The source's columns.
        numbers : array of int
            The rows' numbers in the file.
        shown : str
            Name that faults go by, if not the model's.
        """
        target = self.table.column(spec.name)
        target = replace(target, name=shown) if shown else target
        made = _Column(self, spec, target, numbers)
        if spec.value is not None:
            values = made.constant()
        elif spec.computed and spec.computed != "join":
            values = made.computed(cells)
        elif spec.computed == "join":
            values = made.converted(_joined(cells, spec.parts, spec.separator))
        else:
            values = made.converted(_flat(cells, spec.column))
        return values, made.bad


class _Column:
    """The conversion of one column of one chunk."""

    def __init__(
        self, converter: Converter, spec: ColumnMap, target: model.Column, numbers: np.ndarray
    ) -> None:
        import numpy as np

        self.found = converter.found
        self.timezone = converter.timezone
        self.spec = spec
        self.target = target
        self.numbers = numbers
        self.bad = np.zeros(len(numbers), dtype=bool)

    # --- what kinds of column there are

    def constant(self) -> pa.Array:
        import pyarrow as pa

        value = self.spec.value
        if not isinstance(value, str) and self.target.type in ("text", "code"):
            value = str(value)
        single = pa.array([value])
        return self.converted(pa.concat_arrays([single]).take(_zeros(len(self.numbers))))

    def computed(self, cells: pa.Table) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        steps = {"product": pc.multiply, "sum": pc.add, "difference": pc.subtract}
        parts = [self._number(self._prepared(_flat(cells, name))) for name in self.spec.parts]
        result = parts[0]
        for part in parts[1:]:
            result = steps[self.spec.computed](result, part)
        result = pc.round(result, DECIMALS)
        return self._integer(result) if self.target.type == "integer" else result.cast(pa.float64())

    def converted(self, values: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        values = self._prepared(values)
        kind = self.target.type
        if kind in ("text", "code"):
            return self._text(values)
        if kind == "number":
            number = self._number(values)
            return pc.round(number, DECIMALS) if self._scaled() else number
        if kind == "integer":
            return self._integer(self._number(values), values)
        if kind == "boolean":
            return self._boolean(values)
        return self._time(values)

    # --- steps that all kinds share

    def _prepared(self, values: pa.Array) -> pa.Array:
        """Spaces taken away, missing values made missing, affixes dropped, codes translated."""
        import pyarrow as pa
        import pyarrow.compute as pc

        textual = self.spec.codes or self.spec.drop_prefix or self.spec.drop_suffix
        values = _plain(values)
        if textual and not pa.types.is_string(values.type):
            values = as_text(values)
        if not pa.types.is_string(values.type):
            return self._finite(values)
        if self.spec.strip:
            values = self._stripped(values)
        values = self._without_missing(values)
        if self.spec.drop_prefix:
            pattern = f"^{re.escape(self.spec.drop_prefix)}"
            values = pc.replace_substring_regex(values, pattern, "")
        if self.spec.drop_suffix:
            pattern = f"{re.escape(self.spec.drop_suffix)}$"
            values = pc.replace_substring_regex(values, pattern, "")
        return self._translated(values) if self.spec.codes else values

    def _finite(self, values: pa.Array) -> pa.Array:
        """NaN, as pandas writes a missing number, is missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not pa.types.is_floating(values.type):
            return values
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)

    def _stripped(self, values: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        stripped = pc.utf8_trim_whitespace(values)
        self.found.note("stripped", self.target.name, _count(pc.not_equal(stripped, values)))
        return stripped

    def _without_missing(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        named = [text for text in self.spec.missing if text]
        if named:
            marked = pc.is_in(values, value_set=pa.array(named, pa.string()))
            self.found.note("missing", self.target.name, _count(marked))
        absent = pc.is_in(values, value_set=pa.array(list(self.spec.missing), pa.string()))
        return pc.if_else(absent, pa.scalar(None, pa.string()), values)

    def _translated(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        position = pc.index_in(values, value_set=pa.array(list(self.spec.codes), pa.string()))
        unknown = pc.and_(pc.is_null(position), pc.is_valid(values))
        self._fault("untranslated", unknown, values)
        texts = [_code_text(value) for value in self.spec.codes.values()]
        return pa.array(texts, pa.string()).take(position)

    def _fault(self, kind: str, mask: Any, values: pa.Array) -> None:
        where = _mask(mask).nonzero()[0]
        if not len(where):
            return
        self.bad[where] = True
        first = where[:3]
        shown = [values[int(position)].as_py() for position in first]
        rows = self.numbers[where]
        self.found.fault(self.target.name, kind, rows, shown + [""] * (len(rows) - len(shown)))

    # --- one step for each kind

    def _text(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = values if pa.types.is_string(values.type) else as_text(values)
        if not self.spec.strip:
            spaced = pc.not_equal(pc.utf8_trim_whitespace(values), values)
            self.found.note("spaces", self.target.name, _count(spaced))
        return values

    def _number(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_boolean(values.type) or pa.types.is_temporal(values.type):
            values = as_text(values)
        if not pa.types.is_string(values.type):
            return pc.multiply(values.cast(pa.float64()), self.spec.factor)
        texts, factors = self._without_units(values)
        texts = self._plain_number(texts)
        fits = pc.match_substring_regex(texts, _NUMBER)
        wrong = pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(fits, False)))
        self._fault("not_a_number", wrong, values)
        texts = pc.if_else(wrong, pa.scalar(None, pa.string()), texts)
        number = pc.multiply(texts.cast(pa.float64()), self.spec.factor)
        return number if factors is None else pc.multiply(number, factors)

    def _without_units(self, values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """The numbers without their unit, and what each unit multiplies by."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.spec.units:
            return values, None
        suffixes = sorted(self.spec.units, key=len, reverse=True)
        ends = [pc.fill_null(pc.ends_with(values, suffix), False) for suffix in suffixes]
        cut = [pc.utf8_slice_codeunits(values, 0, -len(s)) if s else values for s in suffixes]
        factors = [pa.scalar(self.spec.units[suffix], pa.float64()) for suffix in suffixes]
        names = [str(position) for position in range(len(suffixes))]
        which = pc.make_struct(*ends, field_names=names)
        nothing = pa.scalar(None, pa.string())
        texts = pc.case_when(which, *cut, nothing)
        scale = pc.case_when(which, *factors, pa.scalar(None, pa.float64()))
        return texts, scale

    def _plain_number(self, texts: pa.Array) -> pa.Array:
        """A number's text with the point as its only mark; what breaks the rules is missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for character in self.spec.remove:
            texts = pc.replace_substring(texts, character, "")
        if self.spec.thousands:
            mark, point = re.escape(self.spec.thousands), re.escape(self.spec.decimal)
            grouped = rf"^[+-]?([0-9]+|[0-9]{{1,3}}({mark}[0-9]{{3}})+)({point}[0-9]*)?$"
            fits = pc.match_substring_regex(texts, grouped)
            texts = pc.if_else(fits, texts, pa.scalar(None, pa.string()))
            texts = pc.replace_substring(texts, self.spec.thousands, "")
        if self.spec.decimal != ".":
            pointed = pc.match_substring(texts, ".")
            texts = pc.if_else(pointed, pa.scalar(None, pa.string()), texts)
            texts = pc.replace_substring(texts, self.spec.decimal, ".")
        return texts

    def _scaled(self) -> bool:
        return self.spec.factor != 1 or bool(self.spec.units)

    def _integer(self, number: pa.Array, values: pa.Array | None = None) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        broken = pc.fill_null(pc.not_equal(number, pc.floor(number)), False)
        self._fault("not_whole", broken, number if values is None else values)
        return pc.if_else(broken, pa.scalar(None, pa.float64()), number).cast(pa.int64())

    def _boolean(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_boolean(values.type):
            return values
        texts = values if pa.types.is_string(values.type) else as_text(values)
        position = pc.index_in(texts, value_set=pa.array(list(_TRUTH), pa.string()))
        wrong = pc.and_(pc.is_null(position), pc.is_valid(texts))
        self._fault("not_a_truth_value", wrong, texts)
        return pa.array(list(_TRUTH.values()), pa.bool_()).take(position)

    def _time(self, values: pa.Array) -> pa.Array:
        import pyarrow as pa

        numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        if pa.types.is_temporal(values.type) and not pa.types.is_time(values.type):
            times = self._native_times(values)
        elif self.spec.format in (("excel",), ("unix",)):
            times = self._counted_times(values)
        else:
            texts = as_text(values) if numeric or not pa.types.is_string(values.type) else values
            times = self._parsed_times(texts)
        times = self._day_end(times).astype("datetime64[us]")
        arrow = pa.Array.from_pandas(times, type=pa.timestamp("us"))
        return self._day(arrow) if self.target.type == "date" else arrow

    def _day(self, times: pa.Array) -> pa.Array:
        """The day of a time; a time of day in it is a fault."""
        import pyarrow as pa
        import pyarrow.compute as pc

        days = pc.floor_temporal(times, unit="day")
        self._fault("not_a_day", pc.fill_null(pc.not_equal(times, days), False), times)
        return days.cast(pa.date32())

    def _native_times(self, values: pa.Array) -> pd.Series:
        import pandas as pd
        import pyarrow as pa

        zone = values.type.tz if pa.types.is_timestamp(values.type) else None
        if zone is not None:
            times = values.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
            return _local(pd.Series(times.to_pandas()).dt.tz_localize("UTC"), self.timezone)
        times = values.cast(pa.timestamp("us"), safe=False)
        return self._in_zone(pd.Series(times.to_pandas()))

    def _counted_times(self, values: pa.Array) -> pd.Series:
        """Times counted in days from 1899-12-30 (Excel) or in seconds from 1970-01-01 (Unix)."""
        import pandas as pd

        number = pd.Series(self._number(values).to_pandas())
        if self.spec.format == ("unix",):
            times = pd.to_datetime((number * 1e6).round(), unit="us", utc=True)
            return _local(times, self.timezone)
        seconds = (number * 86_400).round()
        times = pd.to_datetime(seconds, unit="s", origin="1899-12-30")
        return self._in_zone(times)

    def _parsed_times(self, texts: pa.Array) -> pd.Series:
        """Times read from text; each different text is read once."""
        import pandas as pd
        import pyarrow.compute as pc

        encoded = texts.dictionary_encode()
        different = pd.Series(encoded.dictionary.to_pandas(), dtype="str")
        times, unclear = self._iso(different), pd.Series(False, index=different.index)
        if self.spec.format:
            times, unclear = self._formatted(different)
        places = pc.fill_null(encoded.indices, len(different)).to_numpy()
        times = pd.concat([times, pd.Series([pd.NaT])], ignore_index=True).iloc[places]
        unclear = pd.concat([unclear, pd.Series([False])], ignore_index=True).iloc[places]
        wrong = times.isna().to_numpy() & _mask(pc.is_valid(texts)) & ~unclear.to_numpy()
        self._fault("ambiguous_time", unclear.to_numpy(), texts)
        self._fault("not_a_time", wrong, texts)
        return times.reset_index(drop=True)

    def _iso(self, series: pd.Series) -> pd.Series:
        import pandas as pd

        fits = series.str.contains(_ISO, na=False)
        offset = fits & series.str.contains(_OFFSET, na=False)
        plain = pd.to_datetime(series.where(fits & ~offset), format="ISO8601", errors="coerce")
        times = self._in_zone(plain)
        if offset.any():
            zoned = pd.to_datetime(
                series.where(offset), format="ISO8601", errors="coerce", utc=True
            )
            times = times.fillna(_local(zoned, self.timezone))
        return times

    def _formatted(self, series: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Times in one of several forms, and which texts two forms read differently."""
        import pandas as pd

        result = pd.Series(pd.NaT, index=series.index, dtype="datetime64[us]")
        unclear = pd.Series(False, index=series.index)
        for form in self.spec.format:
            zoned = "%z" in form
            read = pd.to_datetime(series, format=form, errors="coerce", utc=zoned)
            read = _local(read, self.timezone) if zoned else read.astype("datetime64[us]")
            unclear |= result.notna() & read.notna() & (result != read)
            result = result.fillna(read)
        result = result.mask(unclear)
        if "%z" not in "".join(self.spec.format):
            result = self._in_zone(result)
        return result, unclear

    def _in_zone(self, times: pd.Series) -> pd.Series:
        """Times of another zone as local times of the workspace's."""
        zone = self.spec.timezone
        times = times.astype("datetime64[us]")
        if not zone or zone == self.timezone:
            return times
        zoned = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        return _local(zoned, self.timezone)

    def _day_end(self, times: pd.Series) -> pd.Series:
        import pandas as pd

        if not self.spec.day_end or self.target.type == "date":
            return times
        midnight = times.eq(times.dt.normalize())
        end = times + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
        return times.where(~midnight, end)


# --- helpers ------------------------------------------------------------------------------------


def as_text(values: pa.Array) -> pa.Array:
    """Values of any type as text: times in ISO 8601, truth values as ``true`` and ``false``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_text(pa.array([17850.0, None])).to_pylist()
    ['17850.0', None]
    """
    import pyarrow as pa

    values = _plain(values)
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_floating(values.type):
        encoded = values.dictionary_encode()
        texts = [None if v is None or v != v else repr(v) for v in encoded.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).take(encoded.indices)
    return values.cast(pa.string())


def _plain(values: pa.Array) -> pa.Array:
    """The values in one piece, dictionaries unpacked, text as plain strings."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if (
        pa.types.is_large_string(values.type)
        or pa.types.is_string_view(values.type)
        or pa.types.is_null(values.type)
    ):
        values = values.cast(pa.string())
    return values.cast(pa.float64()) if pa.types.is_decimal(values.type) else values


def _flat(cells: pa.Table, name: str) -> pa.Array:
    return _plain(cells.column(name))


def _joined(cells: pa.Table, parts: Sequence[str], separator: str) -> pa.Array:
    import pyarrow.compute as pc

    texts = [as_text(_flat(cells, name)) for name in parts]
    return pc.binary_join_element_wise(*texts, separator)


def joined(cells: pa.Table, parts: Sequence[str], separator: str = "-") -> pa.Array:
    """Columns of the source joined to a text; missing where one of them is.

    Examples
    --------
    >>> import pyarrow as pa
    >>> joined(pa.table({"no": ["A1", "A2"], "line": ["10", None]}), ["no", "line"]).to_pylist()
    ['A1-10', None]
    """
    return _joined(cells, parts, separator)


def _code_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value != "" else None


def _local(times: pd.Series, timezone: str) -> pd.Series:
    """Times with a zone as local times without one."""
    local: Any = times.dt.tz_convert(timezone).dt.tz_localize(None).astype("datetime64[us]")
    return local


def _zeros(count: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.zeros(count, dtype="int64"))


def _mask(mask: Any) -> np.ndarray:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(mask, pa.Array | pa.ChunkedArray):
        mask = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return np.asarray(mask, dtype=bool)


def _count(mask: Any) -> int:
    return int(_mask(mask).sum())


# --- what to say --------------------------------------------------------------------------------


def faults(found: Found, table: str, file: str) -> list[Fault]:
    """The faults found in a file, each with its message.

    Parameters
    ----------
    found : Found
    table, file : str
    """
    return [
        Fault(
            table,
            column,
            kind,
            count,
            tuple(examples),
            _message(table, column, kind, count, examples, file),
            file,
        )
        for (column, kind), (count, examples) in found.faults.items()
    ]


def _message(
    table: str, column: str, kind: str, count: int, examples: Sequence[tuple[int, str]], file: str
) -> str:
    row, value = examples[0]
    name = f"{table}.{column}" if column else table
    return " ".join(
        (
            _what(kind, count).format(name=name, count=count, row=row, value=value, file=file),
            remedy(kind, value),
        )
    )


def _what(kind: str, count: int) -> str:
    sentences = {
        "not_a_number": lambda: ngettext(
            "`{name}` has {count} value that is not a number (row {row}: '{value}').",
            "`{name}` has {count} values that are not numbers (row {row}: '{value}').",
            count,
        ),
        "not_whole": lambda: ngettext(
            "`{name}` has {count} value that is not a whole number (row {row}: '{value}').",
            "`{name}` has {count} values that are not whole numbers (row {row}: '{value}').",
            count,
        ),
        "not_a_truth_value": lambda: ngettext(
            "`{name}` has {count} value that is neither true nor false (row {row}: '{value}').",
            "`{name}` has {count} values that are neither true nor false (row {row}: '{value}').",
            count,
        ),
        "not_a_time": lambda: ngettext(
            "`{name}` has {count} value that is not a time (row {row}: '{value}').",
            "`{name}` has {count} values that are not times (row {row}: '{value}').",
            count,
        ),
        "not_a_day": lambda: ngettext(
            "`{name}` is a day, but {count} value has a time of day (row {row}: '{value}').",
            "`{name}` is a day, but {count} values have a time of day (row {row}: '{value}').",
            count,
        ),
        "ambiguous_time": lambda: ngettext(
            "`{name}` has {count} value that two of the formats read differently"
            " (row {row}: '{value}').",
            "`{name}` has {count} values that two of the formats read differently"
            " (row {row}: '{value}').",
            count,
        ),
        "untranslated": lambda: ngettext(
            "`{name}` has {count} value that codes does not translate (row {row}: '{value}').",
            "`{name}` has {count} values that codes does not translate (row {row}: '{value}').",
            count,
        ),
        "ragged_row": lambda: ngettext(
            "{file} (table {name}) has {count} row with too many or too few cells"
            " (row {row}: '{value}').",
            "{file} (table {name}) has {count} rows with too many or too few cells"
            " (row {row}: '{value}').",
            count,
        ),
    }
    return sentences[kind]()


def remedy(kind: str, value: str) -> str:
    """What to do about a fault, judged by an example of it.

    Examples
    --------
    >>> remedy("not_a_time", "2016/7/30")
    'Say `format = "%Y/%m/%d"` for this column in the mapping, or correct the file.'
    """
    if value != value.strip():
        return _(
            "There are spaces around it: say `strip = true` for this column in the mapping, or"
            " correct the file."
        )
    if kind in ("not_a_number", "not_whole"):
        return _number_remedy(value)
    if kind in ("not_a_time", "ambiguous_time"):
        return _time_remedy(kind, value)
    if kind == "not_a_day":
        return _("Map it to a column that holds times, or correct the file.")
    if kind in ("untranslated", "not_a_truth_value"):
        return _(
            "Translate it with `codes`, or name it under `missing`, for this column in the mapping."
        )
    return _("Quote cells that hold the delimiter, or say another `delimiter` in the mapping.")


def _number_remedy(value: str) -> str:
    if re.search(r"[万亿千百元%‰]$", value):
        return _(
            'Say `units = {"元" = 1, "万元" = 10000}` for this column in the mapping, with the'
            " units"
            " that occur, or correct the file."
        )
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", value):
        return _('Say `thousands = ","` for this column in the mapping, or correct the file.')
    if re.fullmatch(r"[+-]?[0-9.]+,[0-9]+", value):
        return _(
            'Say `decimal = ","` for this column in the mapping if the comma is the decimal mark,'
            ' `remove = ","` if it means nothing, or correct the file.'
        )
    return _(
        'Name it under `missing` for this column in the mapping if it means "not known", or correct'
        " the file."
    )


def _time_remedy(kind: str, value: str) -> str:
    fitting = fitting_formats(value)
    if kind == "ambiguous_time":
        return _("Say the one `format` that the file uses for this column in the mapping.")
    if len(fitting) == 1:
        return _(
            'Say `format = "{format}"` for this column in the mapping, or correct the file.'
        ).format(format=fitting[0])
    if fitting:
        return _(
            "It fits {formats}; say which as `format` for this column in the mapping, or correct"
            " the file."
        ).format(formats=", ".join(f'"{form}"' for form in fitting))
    return _(
        "Say its `format` for this column in the mapping, name it under `missing`, or correct the"
        " file."
    )


def fitting_formats(value: str) -> list[str]:
    """The common forms of a time that fit a text.

    Examples
    --------
    >>> fitting_formats("03/04/2024")
    ['%d/%m/%Y', '%m/%d/%Y']
    """
    from datetime import datetime

    fitting = []
    for form in _LIKELY_FORMATS:
        try:
            datetime.strptime(value, form)
        except ValueError:
            continue
        fitting.append(form)
    return fitting


def notes(found: Found) -> Mapping[tuple[str, str], int]:
    """The notes of a file, by kind and column."""
    return found.notes
