"""The mapping file: from the columns of a user's files to the model's, said in TOML.

A mapping has a section ``[workspace]`` and one section for each table. It is read into the frozen
classes below; anything it says that crmlab does not know is a `MappingError` that names the nearest
word it does know. ``docs/mapping.md`` is the reference.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from crmlab.data import model
from crmlab.errors import MappingError, SourceNotFound
from crmlab.language import _

#: Units a column may name with ``unit = "…"``, and what they multiply by.
UNITS: dict[str, float] = {
    "元": 1,
    "角": 0.1,
    "分": 0.01,
    "百元": 100,
    "千元": 1_000,
    "万元": 10_000,
    "百万元": 1_000_000,
    "千万元": 10_000_000,
    "亿元": 100_000_000,
    "%": 0.01,
    "‰": 0.001,
}

_COMPUTED = ("product", "sum", "difference", "join")
_COMPARISONS = (
    "equals",
    "not",
    "in",
    "not_in",
    "starts_with",
    "not_starts_with",
    "at_least",
    "at_most",
)
_COMBINES = ("same", "sum", "min", "max", "any", "all", "first")


@dataclass(frozen=True)
class ColumnMap:
    """Where one column of the model comes from and how its values are read.

    Attributes
    ----------
    name : str
        Column of the model.
    column : str
        Column of the source.
    value : object
        A constant instead of a column.
    computed : str
        ``"product"``, ``"sum"``, ``"difference"`` or ``"join"`` of the columns in `parts`.
    parts : tuple of str
        Columns of the source it is computed from.
    separator : str
        What stands between joined columns.
    strip : bool
        Take away spaces around the value.
    missing : tuple of str
        Values that mean that there is none.
    drop_prefix, drop_suffix : str
        Text taken away where the value begins or ends with it.
    remove : tuple of str
        Characters taken out wherever they stand in a number.
    decimal, thousands : str
        Marks of numbers.
    factor : float
        What a number is multiplied by.
    units : mapping of str to float
        Suffixes a number may carry, and what each multiplies by.
    codes : mapping of str to object
        Translation of values; one that is not in it is a fault.
    format : tuple of str
        Forms of a time, as in ``strptime``; also ``"excel"`` and ``"unix"``. Empty: ISO 8601.
    timezone : str
        Time zone the source's times are in, if not the workspace's.
    day_end : bool
        A time without an hour means the end of that day.
    combine : str
        How lines of one record make one value, if not as the model says.
    """

    name: str
    column: str = ""
    value: object = None
    computed: str = ""
    parts: tuple[str, ...] = ()
    separator: str = " "
    strip: bool = False
    missing: tuple[str, ...] = ("",)
    drop_prefix: str = ""
    drop_suffix: str = ""
    remove: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    factor: float = 1
    units: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, object] = field(default_factory=dict)
    format: tuple[str, ...] = ()
    timezone: str = ""
    day_end: bool = False
    combine: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the source it reads."""
        return self.parts or ((self.column,) if self.column else ())


@dataclass(frozen=True)
class Filter:
    """A rule that rows must meet to be kept.

    Attributes
    ----------
    kind : {"complete", "drop_duplicates", "source", "column"}
        All of `columns` have a value; no earlier row has the same `columns`; a comparison of a
        column of the source; a comparison of a column of the model.
    columns : tuple of str
        Columns it looks at; empty: all columns of the source.
    comparison : str
        Such as ``"equals"`` or ``"not_in"``.
    values : tuple
        What is compared with.
    remark : str
        Why, in the words of the mapping.
    """

    kind: Literal["complete", "drop_duplicates", "source", "column"]
    columns: tuple[str, ...] = ()
    comparison: str = ""
    values: tuple[Any, ...] = ()
    remark: str = ""

    def described(self) -> str:
        """The rule in a few words, for the accounting."""
        if self.remark:
            return self.remark
        if self.kind in ("complete", "drop_duplicates"):
            return f"{self.kind} = {list(self.columns) if self.columns else 'true'}"
        values = ", ".join(repr(value) for value in self.values)
        return f"{self.columns[0]} {self.comparison} {values}"


@dataclass(frozen=True)
class Question:
    """A column of a wide questionnaire: what it asks, and the scale of its answers.

    Attributes
    ----------
    column : str
        Column of the source.
    item, aspect : str
    minimum, maximum : float
    """

    column: str
    item: str
    aspect: str
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Wide:
    """How a file with a row per questionnaire and a column per question is read.

    Attributes
    ----------
    reading : ColumnMap
        How the answers are read, whichever column they stand in.
    pattern : str
        Name of the columns, such as ``"{item}_{aspect}"``; empty where `questions` are said.
    questions : tuple of Question
    aspects : mapping of str to str
        The aspects the pattern may name, as they are written in the file.
    scales : mapping of str to (float, float)
        Scale of an aspect, in place of its items' own.
    """

    reading: ColumnMap
    pattern: str = ""
    questions: tuple[Question, ...] = ()
    aspects: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class TableMap:
    """Where one table of the model comes from.

    Attributes
    ----------
    table : str
        Table of the model.
    files : tuple of str
        Names or patterns of files, relative to the mapping's folder or the one given as ``files``.
    source : str
        Another table of the mapping that this one is derived from, instead of files.
    encoding, delimiter, sheet : str
        How a file is read; ``delimiter = "whitespace"`` is any run of spaces.
    header : bool
        Whether the first row names the columns; else `names` does.
    names : tuple of str
    skip_rows : int
        Rows above the header that are not part of the table.
    same : bool
        The source has the model's own column names; all of them are read.
    columns : mapping of str to ColumnMap
    key : tuple of str
        Columns of the source joined to make the key; ``("row_number",)`` numbers the rows.
    record : {"order", "line"}
        What one row is, in the source.
    combine : bool
        Lines with the same key are combined into one row.
    invalid : {"error", "exclude"}
        Whether rows with faults stop the loading or are excluded and counted.
    orphans : {"note", "error", "exclude"}
        The same for rows that point to a record that is not there.
    filters : tuple of Filter
    strip, missing
        As for a column; they hold for all columns of the source.
    wide : Wide or None
        For answers: a row of the source is a questionnaire, with a column for each question.
    """

    table: str
    files: tuple[str, ...] = ()
    source: str = ""
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str = ""
    header: bool = True
    names: tuple[str, ...] = ()
    skip_rows: int = 0
    same: bool = False
    columns: Mapping[str, ColumnMap] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    record: Literal["order", "line"] = "order"
    combine: bool = False
    invalid: Literal["error", "exclude"] = "error"
    orphans: Literal["note", "error", "exclude"] = "note"
    filters: tuple[Filter, ...] = ()
    strip: bool = False
    missing: tuple[str, ...] = ("",)
    wide: Wide | None = None

    @property
    def generated_key(self) -> bool:
        """Whether the key is made by the mapping."""
        return bool(self.key)

    def needed(self) -> tuple[str, ...]:
        """The columns of the source that are used; empty where all are."""
        if self.same or any(f.kind != "source" and not f.columns for f in self.filters):
            return ()
        names = [name for column in self.columns.values() for name in column.sources]
        names += [name for name in self.key if name != "row_number"]
        names += [question.column for question in self.wide.questions] if self.wide else []
        for rule in self.filters:
            names += rule.columns if rule.kind != "column" else ()
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class MappingFile:
    """A whole mapping: the settings of the workspace and its tables."""

    settings: model.Settings
    tables: Mapping[str, TableMap]


def read(path: Path) -> MappingFile:
    """Read a mapping file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    MappingFile

    Raises
    ------
    SourceNotFound
        If there is no such file.
    MappingError
        If it is not TOML, or says something crmlab does not know.
    """
    return parse(read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    MappingError
        If it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceNotFound(_no_mapping(path)) from error
    except UnicodeDecodeError as error:
        raise MappingError(
            _("{file} is not UTF-8 text. Save the mapping as UTF-8.").format(file=path)
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise MappingError(
            _("{file} is not valid TOML: {problem}.").format(file=path, problem=error)
        ) from error


def _no_mapping(path: Path) -> str:
    folder = path.parent
    there = [other.stem for other in folder.glob("*.toml")] if folder.is_dir() else []
    near = closest(path.stem, there)
    if near:
        message = _("There is no file {file}. Did you mean {near}?")
        return message.format(file=path, near=folder / f"{near}.toml")
    message = _("There is no file {file}. Write its path as seen from the folder {folder}.")
    return message.format(file=path, folder=Path.cwd())


def parse(content: Mapping[str, Any], where: str = "mapping") -> MappingFile:
    """Make a mapping of the content of a TOML file.

    Parameters
    ----------
    content : mapping
    where : str
        Name of the file, for messages.

    Examples
    --------
    >>> made = parse({"orders": {"files": "a.csv", "columns": {"order_id": "No"}}})
    >>> made.tables["orders"].columns["order_id"].column
    'No'
    """
    _known(content, ("workspace", "items", *model.TABLES), where, _("table"))
    settings = parse_settings(content, where)
    tables = {
        name: _parse_table(name, section, where, settings.items)
        for name, section in content.items()
        if name not in ("workspace", "items")
    }
    for table in tables.values():
        if table.source and table.source not in tables:
            raise MappingError(
                _("{where}: {table} is derived from {source}, which is not in the mapping.").format(
                    where=where, table=table.table, source=table.source
                )
            )
    if "orders" in tables and tables["orders"].record == "line":
        record: Literal["order", "line"] = "order" if tables["orders"].combine else "line"
        settings = replace(settings, record=record)
    return MappingFile(settings, tables)


def same_names(table: str, files: Iterable[str], **more: Any) -> TableMap:
    """The mapping of files that have the model's own column names.

    Examples
    --------
    >>> same_names("orders", ["orders.csv"]).same
    True
    """
    return TableMap(table, tuple(files), same=True, **more)


# --- settings -----------------------------------------------------------------------------------


def parse_settings(content: Mapping[str, Any], where: str) -> model.Settings:
    """The settings of a ``workspace.toml`` or of a mapping's ``[workspace]`` and ``[[items]]``.

    Examples
    --------
    >>> parse_settings({"workspace": {"name": "Demo", "currency": "EUR"}}, "w.toml").currency
    'EUR'
    """
    section = dict(content.get("workspace", {}))
    names = [f.name for f in fields(model.Settings) if f.name != "items"]
    _known(section, names, f"{where} [workspace]", _("setting"))
    for name in ("sla_hours", "activity_costs"):
        if name in section:
            section[name] = _flat(section[name], f"{where} [workspace] {name}")
    if "workdays" in section:
        section["workdays"] = {
            _day(key, where): bool(value) for key, value in section["workdays"].items()
        }
    changes = section.get("service_changes", [])
    _typed(changes, (list,), f"{where} [workspace]", "service_changes")
    section["service_changes"] = tuple(_service_change(one, where) for one in changes)
    tariffs = section.get("tariff_changes", [])
    _typed(tariffs, (list,), f"{where} [workspace]", "tariff_changes")
    section["tariff_changes"] = tuple(
        tariff_change(one, f"{where} [[workspace.tariff_changes]]") for one in tariffs
    )
    if section.get("as_of"):
        section["as_of"] = _day(section["as_of"], where)
    else:
        section.pop("as_of", None)
    _one_of(section, "record", ("order", "line"), f"{where} [workspace]")
    check_timezone(section.get("timezone", "UTC"), where)
    items = tuple(_item(item, where) for item in content.get("items", ()))
    return model.Settings(**section, items=items)


def _service_change(entry: Any, where: str) -> model.ServiceChange:
    where = f"{where} [[workspace.service_changes]]"
    _typed(entry, (dict,), where, "service_changes")
    _known(entry, [one.name for one in fields(model.ServiceChange)], where, _("setting"))
    for name in ("region", "since"):
        if name not in entry:
            raise MappingError(
                _("{where}: {name} is missing. A change has a region and its first day.").format(
                    where=where, name=name
                )
            )
    return model.ServiceChange(**{**entry, "since": _day(entry["since"], where)})


def tariff_change(entry: Any, where: str) -> model.TariffChange:
    """A change of the tariff as it stands in a mapping.

    Parameters
    ----------
    entry : mapping
        regions, since, and if known share, label, label_zh.
    where : str
        Where it stands, for messages.

    Raises
    ------
    MappingError
        If something is missing or cannot be read.

    Examples
    --------
    >>> tariff_change({"regions": ["South"], "since": "2025-04-01"}, "change").since
    datetime.date(2025, 4, 1)
    """
    _typed(entry, (dict,), where, "tariff_changes")
    _known(entry, [one.name for one in fields(model.TariffChange)], where, _("setting"))
    for name in ("regions", "since"):
        if name not in entry:
            raise MappingError(
                _(
                    "{where}: {name} is missing. A change of the tariff has the regions of the "
                    "customers who pay it and its first day."
                ).format(where=where, name=name)
            )
    regions = entry["regions"]
    _typed(regions, (list, tuple), where, "regions")
    if not regions or not all(isinstance(one, str) and one for one in regions):
        raise MappingError(
            _(
                '{where}: regions = {value!r} should name regions of customers: ["South", "North"].'
            ).format(where=where, value=regions)
        )
    given = {**entry, "regions": tuple(regions), "since": _day(entry["since"], where)}
    if "share" in entry:
        _typed(entry["share"], (int, float), where, "share")
        if not -1 < entry["share"] <= 5 or entry["share"] == 0:
            raise MappingError(
                _(
                    "{where}: share = {value} is no rise of prices. Write 0.25 for a quarter more, "
                    "-0.1 for a tenth less."
                ).format(where=where, value=entry["share"])
            )
    return model.TariffChange(**given)


def check_timezone(name: str, where: str) -> None:
    """Raise a `MappingError` if there is no such time zone.

    Examples
    --------
    >>> check_timezone("Asia/Shanghai", "mapping.toml")
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(
            _(
                "{where}: there is no time zone {name}. Use a name such as Asia/Shanghai or UTC."
            ).format(where=where, name=name)
        ) from error


def _flat(section: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, where, f"{prefix}{key}.")
        else:
            _typed(value, (int, float), where, key)
            flat[f"{prefix}{key}"] = float(value)
    return flat


def _day(value: object, where: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise MappingError(
            _("{where}: {value} is not a date. Write it as 2025-12-31.").format(
                where=where, value=value
            )
        ) from error


def _item(section: Mapping[str, Any], where: str) -> model.Item:
    names = [f.name for f in fields(model.Item)]
    _known(section, names, f"{where} [[items]]", _("setting"))
    if "item" not in section:
        raise MappingError(_("{where}: an entry of [[items]] has no item.").format(where=where))
    return model.Item(**({"dimension": ""} | dict(section)))


# --- tables -------------------------------------------------------------------------------------

_TABLE_SETTINGS: dict[str, tuple[type, ...]] = {
    "files": (str, list),
    "from": (str,),
    "encoding": (str,),
    "delimiter": (str,),
    "sheet": (str, int),
    "header": (bool,),
    "names": (list,),
    "skip_rows": (int,),
    "columns": (dict, str),
    "key": (str, list),
    "one_row_is": (str,),
    "combine": (bool, str),
    "invalid": (str,),
    "orphans": (str,),
    "filter": (list,),
    "wide": (bool,),
    "items": (str, dict),
    "aspect": (str,),
    "aspects": (dict,),
    "scales": (dict,),
}

#: Settings of a table that is read wide.
_WIDE_SETTINGS = ("items", "aspect", "aspects", "scales")

#: Settings of a column that a table may set for all its columns.
_SHARED_SETTINGS: dict[str, tuple[type, ...]] = {
    "strip": (bool,),
    "missing": (str, list),
    "remove": (str, list),
    "decimal": (str,),
    "thousands": (str,),
    "format": (str, list),
    "timezone": (str,),
}

_COLUMN_SETTINGS: dict[str, tuple[type, ...]] = _SHARED_SETTINGS | {
    "column": (str,),
    "value": (str, int, float, bool, date, datetime),
    "product": (list,),
    "sum": (list,),
    "difference": (list,),
    "join": (list,),
    "separator": (str,),
    "drop_prefix": (str,),
    "drop_suffix": (str,),
    "unit": (str,),
    "factor": (int, float),
    "units": (dict,),
    "codes": (dict,),
    "day_end": (bool,),
    "combine": (str,),
}


def _parse_table(
    name: str, section: Any, where: str, items: tuple[model.Item, ...] = ()
) -> TableMap:
    where = f"{where} [{name}]"
    _typed(section, (dict,), where, name)
    allowed = _TABLE_SETTINGS | _SHARED_SETTINGS
    _known(section, allowed, where, _("setting"))
    for key, value in section.items():
        _typed(value, allowed[key], where, key)
    if ("files" in section) == ("from" in section):
        raise MappingError(
            _("{where}: say either files or from, so that it is clear where the rows are.").format(
                where=where
            )
        )
    table = model.table(name)
    if "from" in section:
        _known(section, ("from", "columns", "invalid", "orphans"), where, _("setting"))
    _one_of(section, "one_row_is", ("order", "line", table.name), where)
    _one_of(section, "invalid", ("error", "exclude"), where)
    _one_of(section, "orphans", ("note", "error", "exclude"), where)
    wide, section = _parse_wide(table, section, where, items)
    same, columns = _parse_columns(table, section, where)
    made = TableMap(
        table=name,
        files=_tuple(section.get("files", ())),
        source=section.get("from", ""),
        encoding=section.get("encoding", "utf-8"),
        delimiter=section.get("delimiter", ","),
        sheet=str(section.get("sheet", "")),
        header=section.get("header", True),
        names=_tuple(section.get("names", ())),
        skip_rows=section.get("skip_rows", 0),
        same=same,
        columns=columns,
        key=_parse_key(table, section, where),
        record="line" if section.get("one_row_is") == "line" else "order",
        combine=_parse_combine(table, section, where),
        invalid=section.get("invalid", "error"),
        orphans=section.get("orphans", "note"),
        filters=tuple(_parse_filter(table, rule, where) for rule in section.get("filter", ())),
        strip=section.get("strip", False),
        missing=_missing(section),
        wide=wide,
    )
    _check_table(table, made, where)
    return made


def _parse_columns(
    table: model.Table, section: Mapping[str, Any], where: str
) -> tuple[bool, dict[str, ColumnMap]]:
    given = section.get("columns", {})
    if isinstance(given, str):
        if given != "same":
            raise MappingError(
                _(
                    '{where}: columns is either a section of its own or "same", which reads the'
                    " columns that have the model's names."
                ).format(where=where)
            )
        return True, {}
    shared = {key: section[key] for key in _SHARED_SETTINGS if key in section}
    _known(given, table.names, f"{where} columns", _("column"))
    return False, {
        name: _parse_column(name, entry, shared, f"{where} columns.{name}")
        for name, entry in given.items()
    }


def _parse_column(name: str, entry: Any, shared: Mapping[str, Any], where: str) -> ColumnMap:
    if isinstance(entry, str):
        entry = {"column": entry}
    _typed(entry, (dict,), where, name)
    _known(entry, _COLUMN_SETTINGS, where, _("setting"))
    for key, value in entry.items():
        _typed(value, _COLUMN_SETTINGS[key], where, key)
    kinds = [key for key in ("column", "value", *_COMPUTED) if key in entry]
    if len(kinds) != 1:
        raise MappingError(
            _("{where}: say exactly one of {names}.").format(
                where=where, names=", ".join(("column", "value", *_COMPUTED))
            )
        )
    _one_of(entry, "combine", _COMBINES, where)
    merged = dict(shared) | dict(entry)
    computed = kinds[0] if kinds[0] in _COMPUTED else ""
    return ColumnMap(
        name=name,
        column=merged.get("column", ""),
        value=merged.get("value"),
        computed=computed,
        parts=_tuple(merged.get(computed, ())) if computed else (),
        separator=merged.get("separator", " "),
        strip=merged.get("strip", False),
        missing=_missing(merged),
        drop_prefix=merged.get("drop_prefix", ""),
        drop_suffix=merged.get("drop_suffix", ""),
        remove=_tuple(merged.get("remove", ())),
        decimal=merged.get("decimal", "."),
        thousands=merged.get("thousands", ""),
        factor=_factor(merged, where),
        units=_units(merged, where),
        codes=dict(merged.get("codes", {})),
        format=_tuple(merged.get("format", ())),
        timezone=_zone(merged, where),
        day_end=merged.get("day_end", False),
        combine=merged.get("combine", ""),
    )


def _zone(entry: Mapping[str, Any], where: str) -> str:
    zone = str(entry.get("timezone", ""))
    if zone:
        check_timezone(zone, where)
    return zone


def _factor(entry: Mapping[str, Any], where: str) -> float:
    factor = float(entry.get("factor", 1))
    unit = entry.get("unit", "")
    if not unit:
        return factor
    _known({unit: 1}, UNITS, where, _("unit"))
    return factor * UNITS[unit]


def _units(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    units = dict(entry.get("units", {}))
    for suffix, factor in units.items():
        _typed(factor, (int, float), where, f"units.{suffix}")
    return {suffix: float(factor) for suffix, factor in units.items()}


def _missing(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("", *_tuple(entry.get("missing", ())))))


def _parse_key(table: model.Table, section: Mapping[str, Any], where: str) -> tuple[str, ...]:
    key = _tuple(section.get("key", ()))
    if key and len(table.key) > 1 and not section.get("wide"):
        raise MappingError(
            _("{where}: the key of {table} is {key}; map these columns instead.").format(
                where=where, table=table.name, key=", ".join(table.key)
            )
        )
    if key == table.key:
        return ()
    if key and table.key[0] in section.get("columns", {}):
        raise MappingError(
            _("{where}: {column} is mapped and made by key as well. Leave one out.").format(
                where=where, column=table.key[0]
            )
        )
    return key


def _parse_combine(table: model.Table, section: Mapping[str, Any], where: str) -> bool:
    combine = section.get("combine", False)
    if isinstance(combine, str) and (combine,) != table.key:
        raise MappingError(
            _("{where}: lines are combined by the key, {key}; say combine = true.").format(
                where=where, key=", ".join(table.key)
            )
        )
    if combine and section.get("one_row_is") != "line":
        raise MappingError(
            _('{where}: combine is for lines; say one_row_is = "line" as well.').format(where=where)
        )
    return bool(combine)


def _parse_filter(table: model.Table, rule: Any, where: str) -> Filter:
    where = f"{where} [[filter]]"
    _typed(rule, (dict,), where, "filter")
    subjects = ("complete", "drop_duplicates", "source", "column")
    _known(rule, (*subjects, *_COMPARISONS, "remark"), where, _("setting"))
    kinds = [kind for kind in subjects if kind in rule]
    comparisons = [key for key in _COMPARISONS if key in rule]
    compared = bool(kinds) and kinds[0] in ("source", "column")
    if len(kinds) != 1 or len(comparisons) != int(compared):
        raise MappingError(
            _(
                "{where}: a filter says either complete, drop_duplicates, or one source or column"
                " with exactly one of {names}."
            ).format(where=where, names=", ".join(_COMPARISONS))
        )
    kind = kinds[0]
    if kind == "column":
        _known({rule[kind]: 1}, table.names, where, _("column"))
    values = rule[comparisons[0]] if comparisons else ()
    return Filter(
        kind,  # type: ignore[arg-type]
        columns=() if rule[kind] is True else _tuple(rule[kind]),
        comparison=comparisons[0] if comparisons else "",
        values=tuple(values) if isinstance(values, list | tuple) else (values,),
        remark=rule.get("remark", ""),
    )


def _check_table(table: model.Table, made: TableMap, where: str) -> None:
    kinds = [rule.kind == "column" for rule in made.filters]
    if kinds != sorted(kinds):
        raise MappingError(
            _(
                "{where}: filters of source columns come before filters of the model's columns."
            ).format(where=where)
        )
    if not made.header and not made.names:
        raise MappingError(
            _("{where}: with header = false, say the names of the columns.").format(where=where)
        )
    if made.combine and made.key == ("row_number",):
        raise MappingError(
            _("{where}: lines cannot be combined by a row number.").format(where=where)
        )
    if made.same or made.generated_key:
        return
    made_by_items = table.key[1:] if made.wide else ()
    lacking = [name for name in table.key if name not in (*made.columns, *made_by_items)]
    if lacking:
        raise MappingError(
            _('{where}: the key {names} is not mapped. Map it, or say key = "row_number".').format(
                where=where, names=", ".join(lacking)
            )
        )


# --- wide questionnaires ------------------------------------------------------------------------


def _parse_wide(
    table: model.Table, section: Mapping[str, Any], where: str, items: tuple[model.Item, ...]
) -> tuple[Wide | None, Mapping[str, Any]]:
    """How a wide questionnaire is read, and the section without what concerns its answers."""
    if not section.get("wide"):
        given = [name for name in _WIDE_SETTINGS if name in section]
        if given:
            raise MappingError(
                _("{where}: {name} is for a wide questionnaire; say wide = true as well.").format(
                    where=where, name=given[0]
                )
            )
        return None, section
    _check_wide(table, section, where, items)
    columns = dict(section.get("columns", {}))
    answers = columns.pop("value", {})
    _typed(answers, (dict,), f"{where} columns", "value")
    shared = {key: section[key] for key in _SHARED_SETTINGS if key in section}
    named = {"column": "value"} | dict(answers)
    reading = _parse_column("value", named, shared, f"{where} columns.value")
    scales = _scales(section, where)
    wide = Wide(reading, aspects=_aspects(section, where), scales=scales)
    rest = dict(section) | {"columns": columns}
    _known(columns, ("response_id",), f"{where} columns", _("column"))
    if isinstance(section["items"], str):
        return replace(wide, pattern=_pattern(section, where)), rest
    questions = _questions(section, where, items, scales)
    return replace(wide, questions=questions), rest


def _check_wide(
    table: model.Table, section: Mapping[str, Any], where: str, items: tuple[model.Item, ...]
) -> None:
    refused = [name for name in ("from", "one_row_is", "combine") if name in section]
    if table.name != "answers" or refused:
        raise MappingError(
            _("{where}: wide = true is for the table answers, read from files.").format(where=where)
        )
    if not section.get("items"):
        raise MappingError(
            _(
                '{where}: say which column is which question: items = "{{item}}" where the columns'
                " are called like the items, or a section [answers.items]."
            ).format(where=where)
        )
    if not items:
        raise MappingError(
            _(
                "{where}: the questions have no scales yet. Declare each with a section [[items]]:"
                " item, dimension, minimum, maximum."
            ).format(where=where)
        )
    if isinstance(section.get("columns"), str):
        raise MappingError(
            _("{where}: a wide questionnaire says its columns one by one, under items.").format(
                where=where
            )
        )


def _aspects(section: Mapping[str, Any], where: str) -> dict[str, str]:
    """The aspects that columns may name, as the file writes them; without a pattern the one."""
    known = model.table("answers").column("aspect").codes
    spellings = section.get("aspects", {})
    single = section.get("aspect", "perception")
    for name in (single, *spellings.values(), *section.get("scales", {})):
        _known({str(name): 1}, known, where, _("aspect"))
    pattern = section["items"] if isinstance(section["items"], str) else ""
    if "{aspect}" not in pattern:
        return {"": single}
    return {str(written): str(name) for written, name in spellings.items()} or {
        name: name for name in known
    }


def _scales(section: Mapping[str, Any], where: str) -> dict[str, tuple[float, float]]:
    scales: dict[str, tuple[float, float]] = {}
    for aspect, ends in section.get("scales", {}).items():
        _typed(ends, (list,), f"{where} scales", aspect)
        numbers = all(isinstance(end, int | float) for end in ends)
        if len(ends) != 2 or not numbers or not ends[0] < ends[1]:
            raise MappingError(
                _("{where}: the scale of {name} is written [lowest, highest].").format(
                    where=where, name=aspect
                )
            )
        scales[aspect] = (float(ends[0]), float(ends[1]))
    return scales


def _pattern(section: Mapping[str, Any], where: str) -> str:
    pattern = str(section["items"])
    rest = pattern.replace("{item}", "", 1).replace("{aspect}", "", 1)
    if "{item}" not in pattern or "{" in rest or "}" in rest:
        raise MappingError(
            _(
                "{where}: items = {pattern!r} should hold {{item}}, and may hold {{aspect}}, as in"
                ' "{{item}}_{{aspect}}".'
            ).format(where=where, pattern=pattern)
        )
    return pattern


def _questions(
    section: Mapping[str, Any],
    where: str,
    items: tuple[model.Item, ...],
    scales: Mapping[str, tuple[float, float]],
) -> tuple[Question, ...]:
    """The questions that a section ``[answers.items]`` names one by one."""
    known = model.table("answers").column("aspect").codes
    declared = {item.item: item for item in items}
    single = section.get("aspect", "perception")
    found = []
    for name, entry in section["items"].items():
        _known({name: 1}, declared, f"{where} items", _("item declared in [[items]]"))
        columns = {single: entry} if isinstance(entry, str) else entry
        _typed(columns, (dict,), f"{where} items", name)
        _known(columns, known, f"{where} items.{name}", _("aspect"))
        for aspect, column in columns.items():
            _typed(column, (str,), f"{where} items.{name}", aspect)
            found.append(_question(column, declared[name], aspect, scales))
    return tuple(found)


def _question(
    column: str, item: model.Item, aspect: str, scales: Mapping[str, tuple[float, float]]
) -> Question:
    low, high = scales.get(aspect, (item.minimum, item.maximum))
    return Question(column, item.item, aspect, float(low), float(high))


def asked(
    wide: Wide, there: Iterable[str], items: Iterable[model.Item], file: str
) -> tuple[Question, ...]:
    """The questions of a wide questionnaire whose columns a file has.

    Parameters
    ----------
    wide : Wide
    there : iterable of str
        Columns of the file.
    items : iterable of model.Item
    file : str
        Name of the file, for messages.

    Raises
    ------
    MappingError
        If no column fits the pattern.

    Examples
    --------
    >>> item = model.Item("rel1", "reliability", maximum=7)
    >>> wide = Wide(ColumnMap("value"), "{item}_{aspect}", aspects={"e": "expectation"})
    >>> asked(wide, ["no", "rel1_e", "rel1_p"], [item], "a.csv")[0].column
    'rel1_e'
    """
    if wide.questions:
        return wide.questions
    there = list(there)
    found = []
    expected = ""
    for item in items:
        for written, aspect in wide.aspects.items():
            column = wide.pattern.replace("{item}", item.item).replace("{aspect}", written)
            expected = expected or column
            if column in there:
                found.append(_question(column, item, aspect, wide.scales))
    if not found:
        raise MappingError(
            _(
                "{file} has no column that fits items = {pattern!r}, such as {expected}. It has:"
                " {names}."
            ).format(file=file, pattern=wide.pattern, expected=expected, names=", ".join(there))
        )
    return tuple(found)


# --- small checks -------------------------------------------------------------------------------


def closest(name: str, names: Iterable[str]) -> str:
    """The name most like another, or an empty text.

    Examples
    --------
    >>> closest("custmer_id", ["order_id", "customer_id"])
    'customer_id'
    """
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else ""


def _known(given: Mapping[str, Any], names: Iterable[str], where: str, what: str) -> None:
    names = list(names)
    for name in given:
        if name in names:
            continue
        near = closest(name, names)
        if near:
            message = _("{where}: there is no {what} {name}. Did you mean {near}?")
        else:
            message = _("{where}: there is no {what} {name}. There are: {names}.")
        raise MappingError(
            message.format(where=where, what=what, name=name, near=near, names=", ".join(names))
        )


def _typed(value: object, types: tuple[type, ...], where: str, key: str) -> None:
    if (isinstance(value, bool) and bool not in types) or not isinstance(value, types):
        raise MappingError(
            _("{where}: {key} = {value!r} should be of the kind {kinds}.").format(
                where=where,
                key=key,
                value=value,
                kinds=" / ".join(kind.__name__ for kind in types),
            )
        )


def _one_of(section: Mapping[str, Any], key: str, names: Iterable[str], where: str) -> None:
    if key in section and section[key] not in names:
        raise MappingError(
            _("{where}: {key} is {value}; it can be {names}.").format(
                where=where, key=key, value=section[key], names=", ".join(names)
            )
        )


def _tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
