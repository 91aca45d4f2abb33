"""Whether the tables keep the model's rules: validation, and the report on data quality.

Every rule is a condition in SQL that is true for a row that breaks it, so tables of any size are
judged by the engine in place. All faults of all tables are collected before anything is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmlab.data import model
from crmlab.errors import Fault
from crmlab.language import _, ngettext

if TYPE_CHECKING:
    import pandas as pd

Rows = Callable[[str], list[tuple[Any, ...]]]
Differ = Callable[[str, Sequence[str]], bool]

#: Times of a record that cannot come in another order: the first is not later than the second.
TIME_ORDER: dict[str, tuple[tuple[str, str], ...]] = {
    "customers": (("contract_from", "contract_to"),),
    "orders": (
        ("ordered_at", "promised_at"),
        ("ordered_at", "shipped_at"),
        ("ordered_at", "delivered_at"),
        ("shipped_at", "delivered_at"),
        ("invoiced_at", "due_at"),
    ),
    "contacts": (("contacted_at", "responded_at"),),
    "surveys": (("sent_at", "answered_at"),),
    "complaints": (
        ("opened_at", "due_at"),
        ("opened_at", "first_response_at"),
        ("opened_at", "accepted_at"),
        ("accepted_at", "investigated_at"),
        ("investigated_at", "negotiated_at"),
        ("opened_at", "resolved_at"),
        ("resolved_at", "followed_up_at"),
        ("resolved_at", "reopened_at"),
    ),
}


@dataclass(frozen=True)
class Rule:
    """A rule of the model for one table.

    Attributes
    ----------
    table, column : str
    kind : str
        ``"missing_key"``, ``"duplicate_key"``, ``"not_allowed"``, ``"out_of_bounds"``,
        ``"impossible_order"`` or ``"orphan"``.
    condition : str
        SQL that is true for a row that breaks it.
    shown : str
        SQL for the value to show as an example.
    detail : str
        What the message adds: the allowed values, the bounds, the other column.
    """

    table: str
    column: str
    kind: str
    condition: str
    shown: str
    detail: str = ""


def rules(table: model.Table, present: Iterable[str], staged: Mapping[str, str]) -> list[Rule]:
    """The rules that can be judged with the columns there are.

    Parameters
    ----------
    table : model.Table
    present : iterable of str
        Columns of the table that the source has.
    staged : mapping of str to str
        Under what name the engine holds each table; references to others are not judged.

    Examples
    --------
    >>> found = rules(model.table("staff"), ["staff_id", "satisfaction"], {"staff": "staff"})
    >>> [rule.kind for rule in found]
    ['missing_key', 'duplicate_key', 'out_of_bounds']
    """
    columns = set(present)
    found = _key_rules(table, columns, staged[table.name])
    for column in table.columns:
        if column.name in columns:
            found += _value_rules(table, column)
    for earlier, later in TIME_ORDER.get(table.name, ()):
        if {earlier, later} <= columns:
            found.append(_order_rule(table, earlier, later))
    for column in table.columns:
        if column.name in columns and column.references:
            found += _reference_rules(table, column, staged)
    return found


def _key_rules(table: model.Table, columns: set[str], staged: str) -> list[Rule]:
    if not set(table.key) <= columns:
        return []
    key = ", ".join(f'"{name}"' for name in table.key)
    shown = " || ' / ' || ".join(f"COALESCE(CAST(\"{name}\" AS VARCHAR), '')" for name in table.key)
    repeated = (
        "(_file, _row) IN (SELECT (_file, _row) FROM (SELECT _file, _row, ROW_NUMBER() OVER"
        f" (PARTITION BY {key} ORDER BY _file, _row) AS turn FROM {staged}"
        f" WHERE ({key}) IN (SELECT ({key}) FROM {staged} GROUP BY {key} HAVING COUNT(*) > 1))"
        " AS numbered WHERE turn > 1)"
    )
    if len(table.key) == 1:
        repeated = repeated.replace(f"({key}) IN (SELECT ({key})", f"{key} IN (SELECT {key}")
    names = ", ".join(table.key)
    missing = " OR ".join(f'"{name}" IS NULL' for name in table.key)
    return [
        Rule(table.name, names, "missing_key", missing, shown),
        Rule(table.name, names, "duplicate_key", f"NOT ({missing}) AND {repeated}", shown),
    ]


def _value_rules(table: model.Table, column: model.Column) -> list[Rule]:
    name = f'"{column.name}"'
    shown = f"CAST({name} AS VARCHAR)"
    found = []
    if column.codes and not column.open_codes:
        allowed = ", ".join(f"'{code}'" for code in column.codes)
        condition = f"{name} NOT IN ({allowed})"
        detail = ", ".join(column.codes)
        found.append(Rule(table.name, column.name, "not_allowed", condition, shown, detail))
    bounds = _bounds(column)
    if bounds:
        condition = " OR ".join(f"{name} {sign} {bound}" for sign, bound in bounds)
        detail = _bounds_text(column)
        found.append(Rule(table.name, column.name, "out_of_bounds", condition, shown, detail))
    return found


def _bounds(column: model.Column) -> list[tuple[str, float]]:
    bounds = []
    if column.minimum is not None:
        bounds.append(("<", column.minimum))
    if column.maximum is not None:
        bounds.append((">", column.maximum))
    return bounds


def _bounds_text(column: model.Column) -> str:
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    if low and high:
        return f"{low} – {high}"
    return f"≥ {low}" if low else f"≤ {high}"


def _order_rule(table: model.Table, earlier: str, later: str) -> Rule:
    """Earlier before later; a time at midnight may be a mere day, and days are compared then."""
    first, second = f'CAST("{earlier}" AS TIMESTAMP)', f'CAST("{later}" AS TIMESTAMP)'
    day = f"CAST({second} AS DATE)"
    condition = (
        f"{second} < {first} AND ({second} <> CAST({day} AS TIMESTAMP)"
        f" OR {day} < CAST({first} AS DATE))"
    )
    shown = f'CAST("{later}" AS VARCHAR) || \' < \' || CAST("{earlier}" AS VARCHAR)'
    return Rule(table.name, later, "impossible_order", condition, shown, earlier)


def _reference_rules(
    table: model.Table, column: model.Column, staged: Mapping[str, str]
) -> list[Rule]:
    other, _dot, key = column.references.partition(".")
    if other not in staged:
        return []
    name = f'"{column.name}"'
    condition = (
        f'{name} IS NOT NULL AND {name} NOT IN (SELECT "{key}" FROM {staged[other]}'
        f' WHERE "{key}" IS NOT NULL)'
    )
    return [Rule(table.name, column.name, "orphan", condition, name, column.references)]


def judge(
    rows: Rows,
    found: Sequence[Rule],
    staged: str,
    files: Sequence[str],
    all_differ: Differ | None = None,
) -> list[Fault]:
    """The faults among the rows of one table.

    Parameters
    ----------
    rows : callable
        Runs SQL and returns its rows.
    found : sequence of Rule
    staged : str
        Name under which the engine holds the table, with the columns `_row` and `_file`.
    files : sequence of str
        Names of the files that `_file` numbers.
    all_differ : callable, optional
        Says for sure, and faster than the rule, that no key is repeated: `Engine.all_differ`.
    """
    return [fault for _rule, fault in judged(rows, found, staged, files, all_differ)]


def judged(
    rows: Rows,
    found: Sequence[Rule],
    staged: str,
    files: Sequence[str],
    all_differ: Differ | None = None,
) -> list[tuple[Rule, Fault]]:
    """The faults among the rows of one table, each with the rule it breaks; as `judge`."""
    found = [rule for rule in found if not _kept_for_sure(rule, staged, all_differ)]
    broken = " OR ".join(f"({rule.condition})" for rule in found)
    if not found or not rows(f"SELECT 1 FROM {staged} WHERE {broken} LIMIT 1"):
        return []
    counts = ", ".join(
        f"COALESCE(SUM(CASE WHEN {rule.condition} THEN 1 ELSE 0 END), 0)" for rule in found
    )
    totals = rows(f"SELECT {counts} FROM {staged}")[0]
    return [
        (rule, _fault(rows, rule, int(count), staged, files))
        for rule, count in zip(found, totals, strict=True)
        if count
    ]


def _kept_for_sure(rule: Rule, staged: str, all_differ: Differ | None) -> bool:
    if all_differ is None or rule.kind != "duplicate_key":
        return False
    return all_differ(staged, model.table(rule.table).key)


def _fault(rows: Rows, rule: Rule, count: int, staged: str, files: Sequence[str]) -> Fault:
    examples = rows(
        f"SELECT _file, _row, {rule.shown} FROM {staged} WHERE {rule.condition}"
        " ORDER BY _file, _row LIMIT 3"
    )
    shown = tuple((int(row), "" if value is None else str(value)) for _f, row, value in examples)
    file = files[examples[0][0]] if files and examples[0][0] is not None else ""
    return Fault(
        rule.table, rule.column, rule.kind, count, shown, message(rule, count, shown), file
    )


def message(rule: Rule, count: int, examples: Sequence[tuple[int, str]]) -> str:
    """What a broken rule says to the user: what, where, how many, an example, what to do."""
    row, value = examples[0]
    return _sentence(rule.kind, count).format(
        name=f"{rule.table}.{rule.column}",
        table=rule.table,
        column=rule.column,
        count=count,
        row=row,
        value=value,
        detail=rule.detail,
    )


def _sentence(kind: str, count: int) -> str:
    sentences = {
        "missing_key": lambda: ngettext(
            "`{name}` has {count} row without a value (row {row}), though it is the key. Leave such"
            ' rows out with a filter (complete), make a key with `key = "row_number"`, or correct'
            " the file.",
            "`{name}` has {count} rows without a value (row {row}), though it is the key. Leave"
            " such"
            ' rows out with a filter (complete), make a key with `key = "row_number"`, or correct'
            " the file.",
            count,
        ),
        "duplicate_key": lambda: ngettext(
            "`{name}` has {count} row that repeats an earlier key (row {row}: '{value}'). If rows"
            ' are lines, say `one_row_is = "line"`; else use a filter (drop_duplicates) in the'
            " mapping, or correct the file.",
            "`{name}` has {count} rows that repeat an earlier key (row {row}: '{value}'). If rows"
            ' are lines, say `one_row_is = "line"`; else use a filter (drop_duplicates) in the'
            " mapping, or correct the file.",
            count,
        ),
        "not_allowed": lambda: ngettext(
            "`{name}` has {count} value that is not allowed (row {row}: '{value}'). Allowed are:"
            " {detail}. Translate it with `codes` in the mapping, or correct the file.",
            "`{name}` has {count} values that are not allowed (row {row}: '{value}'). Allowed are:"
            " {detail}. Translate them with `codes` in the mapping, or correct the file.",
            count,
        ),
        "out_of_bounds": lambda: ngettext(
            "`{name}` has {count} value out of bounds (row {row}: '{value}'). It should be"
            " {detail}."
            " Name it under `missing`, or say the `unit` or `factor`, in the mapping, or correct"
            " the file.",
            "`{name}` has {count} values out of bounds (row {row}: '{value}'). They should be"
            " {detail}. Name them under `missing`, or say the `unit` or `factor`, in the mapping,"
            " or correct the file.",
            count,
        ),
        "impossible_order": lambda: ngettext(
            "`{name}` has {count} time that is earlier than {detail} (row {row}: {value}). Check"
            " the `format` in the mapping, say `day_end = true` if only days are given, `invalid ="
            ' "exclude"` to leave such rows out, or correct the file.',
            "`{name}` has {count} times that are earlier than {detail} (row {row}: {value}). Check"
            " the `format` in the mapping, say `day_end = true` if only days are given, `invalid ="
            ' "exclude"` to leave such rows out, or correct the file.',
            count,
        ),
        "orphan": lambda: ngettext(
            "`{name}` has {count} value that is not in {detail} (row {row}: '{value}'). Say"
            ' `orphans = "exclude"` in the mapping to leave such rows out, or add what is missing.',
            "`{name}` has {count} values that are not in {detail} (row {row}: '{value}'). Say"
            ' `orphans = "exclude"` in the mapping to leave such rows out, or add what is missing.',
            count,
        ),
        "disagreeing": lambda: ngettext(
            "`{name}` differs within {count} record that is combined from several rows (row {row}:"
            ' {value}). Say `combine = "first"` (or "min", "max") for this column in the mapping.',
            "`{name}` differs within {count} records that are combined from several rows (row"
            " {row}:"
            ' {value}). Say `combine = "first"` (or "min", "max") for this column in the mapping.',
            count,
        ),
    }
    return sentences[kind]()


# --- the report on data quality -----------------------------------------------------------------

_DIMENSIONS = {
    "missing_key": "completeness",
    "duplicate_key": "uniqueness",
    "not_allowed": "validity",
    "out_of_bounds": "validity",
    "impossible_order": "consistency",
    "orphan": "consistency",
    "disagreeing": "consistency",
}


def quality(
    rows: Rows,
    tables: Mapping[str, Iterable[str]],
    staged: Mapping[str, str],
    faults: Iterable[Fault] = (),
) -> pd.DataFrame:
    """How good the data are: one row per table, column and dimension of quality.

    Nothing is raised, so that raw data can be judged.

    Parameters
    ----------
    rows : callable
        Runs SQL and returns its rows.
    tables : mapping of str to iterable of str
        The columns there are, by table.
    staged : mapping of str to str
        Under what name the engine holds each table.
    faults : iterable of Fault
        What was found already while the files were converted; it counts as validity.

    Returns
    -------
    pandas.DataFrame
        ``table``, ``column``, ``dimension`` (completeness, validity, uniqueness, consistency,
        timeliness), ``checked`` rows, ``faulty`` rows, ``share`` of the checked that are sound,
        and ``remark``: the kind of fault, or for timeliness the latest time.
    """
    import pandas as pd

    lines: list[tuple[Any, ...]] = []
    for name, present in tables.items():
        lines += _quality_of_table(rows, model.table(name), set(present), staged)
    for fault in faults:
        total = _scalar(rows, f"SELECT COUNT(*) FROM {staged[fault.table]}")
        lines.append((fault.table, fault.column, "validity", total, fault.count, fault.kind))
    names = ["table", "column", "dimension", "checked", "faulty", "remark"]
    frame = pd.DataFrame(lines, columns=names).astype({"checked": "int64", "faulty": "int64"})
    share = 1 - frame["faulty"] / frame["checked"].where(frame["checked"] > 0)
    frame.insert(5, "share", share.astype("float64"))
    return frame


def _quality_of_table(
    rows: Rows, table: model.Table, present: set[str], staged: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    source = staged[table.name]
    total = _scalar(rows, f"SELECT COUNT(*) FROM {source}")
    lines: list[tuple[Any, ...]] = []
    for column in table.columns:
        if column.name in present:
            filled = _scalar(rows, f'SELECT COUNT("{column.name}") FROM {source}')
            lines.append((table.name, column.name, "completeness", total, total - filled, ""))
    for rule in rules(table, present, staged):
        if rule.kind == "missing_key":
            continue
        faulty = _scalar(rows, f"SELECT COUNT(*) FROM {source} WHERE {rule.condition}")
        dimension = _DIMENSIONS[rule.kind]
        lines.append((table.name, rule.column, dimension, total, faulty, rule.kind))
    if table.starts in present:
        lines.append(_timeliness(rows, table, source))
    return lines


def _timeliness(rows: Rows, table: model.Table, source: str) -> tuple[Any, ...]:
    """How many of a table's months, first to last, have a record; and the latest time."""
    months = f'EXTRACT(YEAR FROM "{table.starts}") * 12 + EXTRACT(MONTH FROM "{table.starts}")'
    sql = (
        f"SELECT COUNT(DISTINCT {months}), MAX({months}) - MIN({months}) + 1,"
        f' CAST(MAX("{table.starts}") AS VARCHAR) FROM {source}'
    )
    seen, span, latest = rows(sql)[0]
    remark = _("months with records; the latest is of {time}").format(time=latest or "–")
    return table.name, table.starts, "timeliness", int(span or 0), int(span or 0) - seen, remark


def _scalar(rows: Rows, sql: str) -> int:
    return int(rows(sql)[0][0])
