"""The way from files to the engine's views: convert, combine, judge, apply `as_of`, account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlab.data import checks, files, filters, model, values
from crmlab.data.engine import Engine, as_of_end, sql_type
from crmlab.data.mapping import ColumnMap, Filter, MappingFile, TableMap, closest
from crmlab.errors import Fault, MappingError, NotEnoughData
from crmlab.language import _, ngettext, number

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Steps of the accounting that take rows away; with ``kept`` they add up to ``read``.
REMOVING = (
    "filtered",
    "unanswered",
    "invalid",
    "orphan_excluded",
    "combined",
    "after_as_of",
    "not_sampled",
)

#: Converted rows held in memory; more are written to a temporary Parquet file.
SPILL_ROWS = 2_000_000

#: Rows above which Parquet read in place is judged by its schema alone.
CHECKED_ROWS = 2_000_000

#: Fewer times than this say nothing about a stray one.
_STRAY_ROWS = 20

_HIDDEN = ("_row", "_file")


class Account:
    """What became of the rows, step by step."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, int, str]] = []

    def add(self, table: str, file: str, step: str, rows: int, remark: str = "") -> None:
        """Note a step; `file` is empty where it concerns the whole table."""
        self.entries.append((table, file, step, int(rows), remark))

    def frame(self) -> pd.DataFrame:
        """The account as a frame: ``table``, ``file``, ``step``, ``rows``, ``remark``."""
        import pandas as pd

        names = ["table", "file", "step", "rows", "remark"]
        order = {name: position for position, name in enumerate(model.TABLES)}
        entries = sorted(self.entries, key=lambda entry: order[entry[0]])
        frame = pd.DataFrame(entries, columns=names)
        text = {name: "str" for name in names if name != "rows"}
        return frame.astype(text | {"rows": "int64"})


@dataclass
class Staged:
    """A table in the engine, before `as_of`.

    Attributes
    ----------
    map : TableMap
    relation : str
        Its name in the engine.
    columns : frozenset of str
        Columns of the model it has.
    files : list of str
        Names of its files, as numbered by `_file`.
    judged : bool
        Whether its rows are judged one by one.
    found : list of Fault
        Faults seen while it was converted.
    filters : SourceFilters or None
        The filters of its source, which remember the rows of all its files.
    questionnaires : int
        Rows of its files read so far, where each is a questionnaire with many answers.
    """

    map: TableMap
    relation: str
    columns: frozenset[str]
    files: list[str] = field(default_factory=list)
    judged: bool = True
    found: list[Fault] = field(default_factory=list)
    filters: filters.SourceFilters | None = None
    questionnaires: int = 0

    @property
    def file(self) -> str:
        """The name of its file, if it has one only."""
        return self.files[0] if len(self.files) == 1 else ""


class Stager:
    """Brings tables into an engine.

    Parameters
    ----------
    plan : MappingFile
    paths : mapping of str to sequence of Path
        The files of each table.
    account : Account
    """

    def __init__(
        self, plan: MappingFile, paths: Mapping[str, Sequence[Path]], account: Account
    ) -> None:
        self.plan = plan
        self.paths = paths
        self.account = account
        self.staged: dict[str, Staged] = {}
        self.faults: list[Fault] = []
        self.noted: list[Fault] = []
        self._counted: dict[str, int] = {}
        self._in_place = [
            name for name, table in plan.tables.items() if _fits(table, paths.get(name, ()))
        ]
        allowed = [path.resolve() for name in self._in_place for path in paths[name]]
        self.engine = Engine(allowed)

    # --- one table

    def stage(self, table: TableMap, frame: pd.DataFrame | None = None) -> None:
        """Read a table and make it known to the engine."""
        paths = self.paths.get(table.table, ())
        if table.table in self._in_place:
            self._stage_in_place(table, paths)
            return
        sink = _Sink(self.engine, f"read_{table.table}", table.table)
        staged = Staged(table, sink.name, frozenset(), [path.name for path in paths])
        if frame is not None:
            self._convert_frame(staged, frame, sink)
        for position, path in enumerate(paths):
            self._convert_file(staged, position, path, sink)
        sink.finish(staged.columns)
        self.staged[table.table] = staged
        if table.combine:
            self._combine(staged)

    def _stage_in_place(self, table: TableMap, paths: Sequence[Path]) -> None:
        import pyarrow.parquet

        resolved = [path.resolve() for path in paths]
        relation = f"read_{table.table}"
        self.engine.add_parquet(relation, resolved)
        present: set[str] = set()
        total = 0
        for path in paths:
            metadata = pyarrow.parquet.read_metadata(path)
            names = list(pyarrow.parquet.read_schema(path).names)
            self._note_unread(table.table, path.name, names, metadata.num_rows)
            self.account.add(table.table, path.name, "read", metadata.num_rows)
            present |= set(names) & set(model.table(table.table).names)
            total += metadata.num_rows
        names = [path.name for path in paths]
        judged = total <= CHECKED_ROWS
        if not judged:
            remark = _("read in place; crm.check() judges every row")
            self.account.add(table.table, "", "not_checked", total, remark)
        self.staged[table.table] = Staged(table, relation, frozenset(present), names, judged)

    def _convert_file(self, staged: Staged, position: int, path: Path, sink: _Sink) -> None:
        reading = files.Reading()
        there = files.columns(path, staged.map)
        conversion = self._conversion(staged, path.name, there)
        for chunk in files.chunks(path, conversion.map, reading):
            sink.add(conversion.convert(chunk, position))
        conversion.finish(reading)

    def _conversion(self, staged: Staged, file: str, there: Sequence[str]) -> Conversion:
        if staged.map.wide is None:
            return Conversion(self, staged, file, there)
        from crmlab.data.wide import WideConversion

        return WideConversion(self, staged, file, there)

    def _convert_frame(self, staged: Staged, frame: pd.DataFrame, sink: _Sink) -> None:
        import numpy as np
        import pyarrow as pa

        names = [name for name in model.table(staged.map.table).names if name in frame.columns]
        try:
            cells = pa.Table.from_pandas(frame[names], preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise MappingError(
                _(
                    "The table {table} has a column with values of different kinds: {problem}."
                ).format(table=staged.map.table, problem=error)
            ) from error
        conversion = Conversion(self, staged, "", [str(name) for name in frame.columns])
        numbers = np.arange(1, len(frame) + 1)
        sink.add(conversion.convert(files.Chunk(numbers, cells), 0))
        conversion.finish(files.Reading(rows=len(frame)))

    def _note_unread(self, table: str, file: str, names: Sequence[str], rows: int) -> None:
        unknown = [name for name in names if name not in model.table(table)]
        if not unknown:
            return
        near = [closest(name, model.table(table).names) for name in unknown]
        shown = ", ".join(
            f"{name} ({near_name}?)" if near_name else name
            for name, near_name in zip(unknown, near, strict=True)
        )
        remark = _("columns that the model does not have: {names}").format(names=shown)
        self.account.add(table, file, "unread_columns", rows, remark)

    # --- lines to records

    def _combine(self, staged: Staged) -> None:
        """Make one row of the lines that share a key."""
        table = model.table(staged.map.table)
        key = table.key[0]
        self._judge_agreement(staged, key)
        chosen = [f'"{key}"']
        for column in table.columns:
            if column.name in staged.columns and column.name != key:
                how = _how(staged.map, column)
                chosen.append(f'{_combined(column, how)} AS "{column.name}"')
        if "lines" in table and "lines" not in staged.columns:
            chosen.append("COUNT(*) AS lines")
            staged.columns |= {"lines"}
        chosen += ["MIN(_file) AS _file", "ARG_MIN(_row, (_file, _row)) AS _row"]
        before = self._count(staged.relation)
        target = f"combined_{table.name}"
        self.engine.execute(
            f"CREATE TABLE {target} AS SELECT * FROM (SELECT {', '.join(chosen)}"
            f' FROM {staged.relation} GROUP BY "{key}") AS records ORDER BY _file, _row'
        )
        staged.relation = target
        after = self._count(target)
        remark = _("{lines} lines make {records} records, one for each {key}").format(
            lines=number(before), records=number(after), key=key
        )
        self.account.add(table.name, "", "combined", before - after, remark)

    def _judge_agreement(self, staged: Staged, key: str) -> None:
        table = model.table(staged.map.table)
        for column in table.columns:
            wanted = column.name in staged.columns and column.name != key
            if wanted and _how(staged.map, column) == "same":
                self._judge_same(staged, key, column.name)

    def _judge_same(self, staged: Staged, key: str, name: str) -> None:
        groups = (
            f'SELECT MIN(_file) AS _file, ARG_MIN(_row, (_file, _row)) AS _row, "{key}" AS record,'
            f' CAST(MIN("{name}") AS VARCHAR) AS low, CAST(MAX("{name}") AS VARCHAR) AS high'
            f' FROM {staged.relation} GROUP BY "{key}" HAVING MIN("{name}") <> MAX("{name}")'
        )
        found = self.engine.rows(
            f"SELECT COUNT(*) OVER (), _file, _row, record, low, high FROM ({groups})"
            " ORDER BY _file, _row LIMIT 3"
        )
        if not found:
            return
        shown = tuple((int(row[2]), f"{row[3]}: '{row[4]}', '{row[5]}'") for row in found)
        rule = checks.Rule(staged.map.table, name, "disagreeing", "", "")
        count = int(found[0][0])
        file = staged.files[found[0][1]] if staged.files else ""
        text = checks.message(rule, count, shown)
        self.faults.append(Fault(staged.map.table, name, rule.kind, count, shown, text, file))

    def derive(self, day: date) -> None:
        """Make the tables that the plan derives from others, as of a day."""
        for name, table in self.plan.tables.items():
            if table.source:
                self._derive(name, table, day)

    def _derive(self, name: str, table: TableMap, day: date) -> None:
        source = self.staged[table.source]
        known = model.table(table.source)
        for column in table.columns.values():
            for part in column.sources:
                if part not in source.columns:
                    raise MappingError(
                        _(
                            "[{table}]: {source} has no column {column} to derive {name} from. It"
                            " has: {names}."
                        ).format(
                            table=name,
                            source=table.source,
                            column=part,
                            name=column.name,
                            names=", ".join(n for n in known.names if n in source.columns),
                        )
                    )
        relation = f"lines_{name}"
        chosen = [_derived(column, model.table(name)) for column in table.columns.values()]
        key = model.table(name).key[0]
        rows = self._select(source, day, hidden=True)
        self.engine.execute(
            f"CREATE TABLE {relation} AS SELECT {', '.join(chosen)}, _row, _file FROM ({rows}) AS s"
        )
        total = self._count(relation)
        self.account.add(name, "", "read", total, _("rows of {table}").format(table=table.source))
        self.engine.execute(f'DELETE FROM {relation} WHERE "{key}" IS NULL')
        without = total - self._count(relation)
        if without:
            remark = _("rows without {key}").format(key=key)
            self.account.add(name, "", "filtered", without, remark)
        staged = Staged(table, relation, frozenset(table.columns), source.files)
        self.staged[name] = staged
        self._combine(staged)
        self._judge(staged)

    # --- judging

    def judge_all(self) -> None:
        """Judge all tables; rows are taken out where the mapping says so."""
        for staged in list(self.staged.values()):
            self.faults += staged.found
        for name in model.TABLES:
            if name in self.staged and self.staged[name].judged:
                self._judge(self.staged[name])

    def _judge(self, staged: Staged) -> None:
        names = {name: other.relation for name, other in self.staged.items() if other.judged}
        table = model.table(staged.map.table)
        rules = checks.rules(table, staged.columns, names)
        engine = self.engine
        found = checks.judged(engine.rows, rules, staged.relation, staged.files, engine.all_differ)
        for rule, fault in found:
            handling = staged.map.orphans if rule.kind == "orphan" else staged.map.invalid
            if handling == "exclude":
                self._exclude(staged, rule, fault)
            elif handling == "note":
                self.noted.append(fault)
                self.account.add(table.name, fault.file, "orphan", fault.count, fault.message)
            else:
                self.faults.append(fault)

    def _exclude(self, staged: Staged, rule: checks.Rule, fault: Fault) -> None:
        before = self._count(staged.relation)
        target = f"{staged.relation}_x"
        condition = rule.condition
        self.engine.execute(
            f"CREATE TABLE {target} AS SELECT * FROM {staged.relation}"
            f" WHERE NOT COALESCE({condition}, FALSE)"
        )
        staged.relation = target
        removed = before - self._count(target)
        step = "orphan_excluded" if rule.kind == "orphan" else "invalid"
        if removed:
            self.account.add(staged.map.table, fault.file, step, removed, fault.message)

    def quality(self) -> pd.DataFrame:
        """The data-quality table of what has been staged."""
        columns = {name: staged.columns for name, staged in self.staged.items()}
        relations = {name: staged.relation for name, staged in self.staged.items()}
        found = [fault for staged in self.staged.values() for fault in staged.found]
        return checks.quality(self.engine.rows, columns, relations, found)

    # --- as_of

    def _times(self) -> Iterator[tuple[Staged, str]]:
        for table, column in model.AS_OF_COLUMNS:
            if table in self.staged and column in self.staged[table].columns:
                yield self.staged[table], column

    def latest_day(self) -> date:
        """The latest day on which something began."""
        times = list(self._times()) or self._other_times()
        latest = [
            self.engine.rows(f'SELECT MAX("{column}") FROM {staged.relation}')[0][0]
            for staged, column in times
        ]
        days = [_as_day(time) for time in latest if time is not None]
        return max(days, default=model.NO_TIME)

    def refuse_day_before_all(self, day: date) -> None:
        """A last day before the first order, or the first record if there are none, is an error."""
        times = list(self._times())
        of_orders = [one for one in times if one[0].map.table == "orders"]
        spans = [
            self.engine.rows(f'SELECT MIN("{column}"), MAX("{column}") FROM {staged.relation}')[0]
            for staged, column in of_orders or times
        ]
        known = [(_as_day(first), _as_day(last)) for first, last in spans if first is not None]
        if not known or min(known)[0] <= day:
            return
        message = _(
            "as_of = {day} is before the first record. Choose a day from {first} to {last}."
        )
        if of_orders:
            message = _(
                "as_of = {day} is before the first order. Choose a day from {first} to {last}."
            )
        last = max(day for _first, day in known)
        raise NotEnoughData(message.format(day=day, first=min(known)[0], last=last))

    def _other_times(self) -> list[tuple[Staged, str]]:
        return [
            (staged, model.table(name).starts)
            for name, staged in self.staged.items()
            if model.table(name).starts in staged.columns
        ]

    def find_stray_times(self) -> None:
        """A time over a year after the 99.9th percentile is a fault: it would decide `as_of`."""
        for staged, column in self._times():
            relation, name = staged.relation, f'"{column}"'
            count, latest = self.engine.rows(f"SELECT COUNT({name}), MAX({name}) FROM {relation}")[
                0
            ]
            if count < _STRAY_ROWS:
                continue
            beyond = count - 1 - int(0.999 * (count - 1))
            year = _as_time(latest) - timedelta(days=365)
            # Not a count: the search ends with the first row that is one too many.
            sql = f"SELECT 1 FROM {relation} WHERE {name} > $year LIMIT 1 OFFSET {max(beyond, 1)}"
            if not self.engine.rows(sql, {"year": year}):
                self.faults.append(self._stray(staged, column, beyond))

    def _stray(self, staged: Staged, column: str, beyond: int) -> Fault:
        relation, name = staged.relation, f'"{column}"'
        usual = self.engine.rows(
            f"SELECT {name} FROM {relation} WHERE {name} IS NOT NULL"
            f" ORDER BY {name} DESC LIMIT 1 OFFSET {max(beyond, 1)}"
        )[0][0]
        bound = _as_time(usual) + timedelta(days=365)
        found = self.engine.rows(
            f"SELECT COUNT(*) OVER (), _file, _row, CAST({name} AS VARCHAR) FROM {relation}"
            f" WHERE {name} > $bound ORDER BY _file, _row LIMIT 3",
            {"bound": bound},
        )
        count = int(found[0][0])
        shown = tuple((int(row[2]), str(row[3])) for row in found)
        text = ngettext(
            "`{name}` has {count} time more than a year later than the others, which end at {usual}"
            " (row {row}: '{value}'). Correct the file, or say as_of: later records are left out"
            " then.",
            "`{name}` has {count} times more than a year later than the others, which end at"
            " {usual}"
            " (row {row}: '{value}'). Correct the file, or say as_of: later records are left out"
            " then.",
            count,
        ).format(
            name=f"{staged.map.table}.{column}",
            count=count,
            usual=usual,
            row=shown[0][0],
            value=shown[0][1],
        )
        file = staged.files[found[0][1]] if staged.files else ""
        return Fault(staged.map.table, column, "stray_time", count, shown, text, file)

    def make_views(self, day: date) -> None:
        """Make the views that queries run on: all columns of the model, as of a day."""
        for name in model.TABLES:
            if name in self.staged:
                staged = self.staged[name]
                self._account_as_of(staged, day)
                self.engine.execute(f"CREATE VIEW {name} AS {self._select(staged, day)}")
                self._account_kept(name, staged)
            else:
                nothing = ", ".join(
                    f'CAST(NULL AS {sql_type(column)}) AS "{column.name}"'
                    for column in model.table(name).columns
                )
                self.engine.execute(f"CREATE VIEW {name} AS SELECT {nothing} WHERE FALSE")

    def _account_as_of(self, staged: Staged, day: date) -> None:
        later = self._later(staged, day)
        if later:
            remark = _("begin after {day}").format(day=day.isoformat())
            self.account.add(staged.map.table, staged.file, "after_as_of", later, remark)
        for event, count in self._masked(staged, day).items():
            remark = _("{column} is after {day}: not yet known").format(
                column=event, day=day.isoformat()
            )
            self.account.add(staged.map.table, staged.file, "masked", count, remark)

    def _account_kept(self, name: str, staged: Staged) -> None:
        self.account.add(name, "", "kept", self._count(name))
        if "customer_id" in staged.columns and name != "customers":
            missing = self._count(f"{name} WHERE customer_id IS NULL")
            if missing:
                remark = _("rows of {table} as kept").format(table=name)
                self.account.add(name, "", "kept_without_customer", missing, remark)

    def _select(self, staged: Staged, day: date, *, hidden: bool = False) -> str:
        """SQL for a table as of a day, with all columns of the model."""
        table = model.table(staged.map.table)
        masked = self._masked(staged, day)
        end = f"TIMESTAMP '{as_of_end(day)}'"
        chosen = [_seen(column, staged.columns, masked, end) for column in table.columns]
        chosen += list(_HIDDEN) if hidden else []
        sql = f"SELECT {', '.join(chosen)} FROM {staged.relation}"
        if self._later(staged, day):
            sql += f" WHERE NOT COALESCE({self._later_condition(staged, end)}, FALSE)"
        return sql

    def _later_condition(self, staged: Staged, end: str) -> str:
        table = model.table(staged.map.table)
        if table.starts in staged.columns:
            return f'"{table.starts}" >= {end}'
        other, _dot, time = table.follows.partition(".")
        if other not in self.staged or time not in self.staged[other].columns:
            return ""
        target = model.table(other)
        times = [n for n in (time, target.starts) if n in self.staged[other].columns]
        after = " OR ".join(f'"{n}" >= {end}' for n in times)
        key = target.key[0]
        return f'"{key}" IN (SELECT "{key}" FROM {self.staged[other].relation} WHERE {after})'

    def _later(self, staged: Staged, day: date) -> int:
        condition = self._later_condition(staged, f"TIMESTAMP '{as_of_end(day)}'")
        if not condition:
            return 0
        return self._counted_once(f"SELECT COUNT(*) FROM {staged.relation} WHERE {condition}")

    def _masked(self, staged: Staged, day: date) -> dict[str, int]:
        """The events that come after a day, with how many records of that day they belong to."""
        table = model.table(staged.map.table)
        events = {column.known_at for column in table.columns if column.name in staged.columns}
        names = sorted(name for name in events if name in staged.columns)
        if not names:
            return {}
        end = f"TIMESTAMP '{as_of_end(day)}'"
        later = self._later_condition(staged, end)
        kept = f" AND NOT COALESCE({later}, FALSE)" if later else ""
        # One at a time: Parquet that is in order of time is then read where it ends only.
        asked = f"SELECT COUNT(*) FROM {staged.relation} WHERE"
        found = {name: self._counted_once(f'{asked} "{name}" >= {end}{kept}') for name in names}
        return {name: count for name, count in found.items() if count}

    def _counted_once(self, sql: str) -> int:
        """A count in a table that no longer changes: its view and its account ask for the same."""
        if sql not in self._counted:
            self._counted[sql] = int(self.engine.rows(sql)[0][0])
        return self._counted[sql]

    def first_day(self, day: date) -> date:
        """The day of the earliest order or other record, customers' own dates apart."""
        days = []
        for name, staged in self.staged.items():
            starts = model.table(name).starts
            if name != "customers" and starts in staged.columns:
                first = self.engine.rows(f'SELECT MIN("{starts}") FROM {name}')[0][0]
                days += [] if first is None else [_as_day(first)]
        return min(days, default=day)

    def _count(self, relation: str) -> int:
        return int(self.engine.rows(f"SELECT COUNT(*) FROM {relation}")[0][0])


# --- one file's conversion ----------------------------------------------------------------------


class Conversion:
    """The conversion of one file, chunk by chunk."""

    def __init__(self, stager: Stager, staged: Staged, file: str, there: Sequence[str]) -> None:
        self.stager = stager
        self.staged = staged
        self.file = file
        self.there = there
        self.table = model.table(staged.map.table)
        self.map = self._with_columns(staged.map)
        self.found = values.Found()
        timezone = stager.plan.settings.timezone
        self.converter = values.Converter(self.table, timezone, self.found)
        self.removed: dict[int, int] = {}
        self.invalid = 0
        self.before = self._rows_before()
        staged.columns |= self._columns()
        if staged.filters is None:
            staged.filters = filters.SourceFilters(self.map.filters, self.map.missing)
        self.filters = staged.filters

    def _with_columns(self, table: TableMap) -> TableMap:
        """The map with the columns of a file that has the model's own names."""
        from dataclasses import replace

        if not table.same:
            return table
        lacking = [
            name for name in self.table.key if name not in self.there and not table.generated_key
        ]
        if lacking:
            raise MappingError(_no_key(self.file or table.table, table.table, lacking, self.there))
        named = [name for name in self.table.names if name in self.there]
        maps = {name: ColumnMap(name, column=name, missing=table.missing) for name in named}
        needs_all = any(not rule.columns and rule.kind != "source" for rule in table.filters)
        return replace(table, columns=maps, same=needs_all)

    def _columns(self) -> frozenset[str]:
        names = set(self.map.columns)
        if self.map.generated_key:
            names.add(self.table.key[0])
        return frozenset(names)

    def _rows_before(self) -> int:
        account = self.stager.account.entries
        return sum(e[3] for e in account if e[0] == self.table.name and e[2] == "read")

    def convert(self, chunk: files.Chunk, position: int) -> pa.Table:
        """The chunk in the model's columns and types."""
        import numpy as np
        import pyarrow as pa

        numbers, cells = self._filtered(np.asarray(chunk.numbers), chunk.cells)
        made: dict[str, pa.Array] = {}
        bad = np.zeros(len(numbers), dtype=bool)
        for name, spec in self.map.columns.items():
            made[name], wrong = self.converter.column(spec, cells, numbers)
            bad |= wrong
        if self.map.generated_key:
            made[self.table.key[0]] = self._key(cells, numbers)
        made["_row"] = pa.array(numbers, pa.int64())
        made["_file"] = pa.array(np.full(len(numbers), position, dtype="int32"))
        result = pa.table(made)
        if self.map.invalid == "exclude":
            self.invalid += int(bad.sum())
            result = result.filter(pa.array(~bad))
        result = self._column_filtered(result)
        if "customer_id" in result.column_names and "customer_id" not in self.table.key:
            missing = result.column("customer_id").null_count
            self.found.note("without_customer", "customer_id", missing)
        return result

    def _filtered(self, numbers: np.ndarray, cells: pa.Table) -> tuple[np.ndarray, pa.Table]:
        import pyarrow as pa

        if self.map.strip:
            cells = _stripped(cells)
        for position, _rule in enumerate(self.filters.filters):
            keep = self.filters.keep(position, cells)
            self._count_removed(_rule, keep)
            numbers, cells = numbers[keep], cells.filter(pa.array(keep))
        return numbers, cells

    def _column_filtered(self, result: pa.Table) -> pa.Table:
        import pyarrow as pa

        for rule in self.map.filters:
            if rule.kind == "column":
                if rule.columns[0] not in result.column_names:
                    raise MappingError(
                        _("[{table}] [[filter]]: the column {column} is not mapped.").format(
                            table=self.table.name, column=rule.columns[0]
                        )
                    )
                column = result.column(rule.columns[0]).combine_chunks()
                keep = filters.keep_values(rule, column)
                self._count_removed(rule, keep)
                result = result.filter(pa.array(keep))
        return result

    def _count_removed(self, rule: Filter, keep: np.ndarray) -> None:
        position = self.map.filters.index(rule)
        self.removed[position] = self.removed.get(position, 0) + int((~keep).sum())

    def _key(self, cells: pa.Table, numbers: np.ndarray) -> pa.Array:
        import pyarrow as pa

        if self.map.key == ("row_number",):
            return pa.array(numbers + self.before, pa.int64()).cast(pa.string())
        return values.joined(cells, self.map.key)

    def finish(self, reading: files.Reading) -> None:
        """Enter what was seen into the account, and the faults into the table's."""
        for row, text in reading.ragged:
            self.found.fault("", "ragged_row", [row], [text])
        account, table, file = self.stager.account, self.table.name, self.file
        account.add(table, file, "read", reading.rows)
        if self.map.same or self.staged.map.same:
            self.stager._note_unread(table, file, self.there, reading.rows)
        self._account_faults(reading)
        for position, count in sorted(self.removed.items()):
            rule = self.map.filters[position]
            account.add(table, file, "filtered", count, rule.described())
        if self.map.generated_key:
            remark = _("{key} made from {names}").format(
                key=self.table.key[0], names=", ".join(self.map.key)
            )
            account.add(table, file, "generated_key", reading.rows, remark)
        for (kind, column), count in self.found.notes.items():
            account.add(table, file, kind, count, _note(kind).format(column=column))

    def _account_faults(self, reading: files.Reading) -> None:
        found = values.faults(self.found, self.table.name, self.file)
        if self.map.invalid != "exclude":
            self.staged.found += found
            return
        count = self.invalid + len(reading.ragged)
        if count:
            remark = " ".join(fault.message for fault in found)
            self.stager.account.add(self.table.name, self.file, "invalid", count, remark)


class _Sink:
    """Where converted chunks go: memory, or a temporary Parquet file when there are many."""

    def __init__(self, engine: Engine, name: str, table: str) -> None:
        self.engine = engine
        self.name = name
        self.table = model.table(table)
        self.chunks: list[pa.Table] = []
        self.rows = 0
        self.writer: Any = None
        self.path = engine.folder / f"{name}.parquet"

    def add(self, chunk: pa.Table) -> None:
        self.chunks.append(chunk)
        self.rows += chunk.num_rows
        if self.rows > SPILL_ROWS:
            self._spill()

    def _spill(self) -> None:
        import pyarrow.parquet

        for chunk in self._even():
            if self.writer is None:
                self.writer = pyarrow.parquet.ParquetWriter(self.path, chunk.schema)
            self.writer.write_table(chunk)
        self.chunks = []

    def _even(self) -> list[pa.Table]:
        """The chunks with the same columns in the same order; one that a file lacks is missing."""
        import pyarrow as pa

        there = {name for chunk in self.chunks for name in chunk.column_names}
        if self.writer is not None:
            there = set(self.writer.schema.names)
        kinds = _arrow_types(self.table)
        schema = pa.schema([(n, kinds[n]) for n in (*self.table.names, *_HIDDEN) if n in there])
        return [_fitted(chunk, schema) for chunk in self.chunks]

    def finish(self, columns: frozenset[str]) -> None:
        """Make the rows known to the engine; without any, a table with these columns."""
        import pyarrow as pa

        if self.writer is None:
            there = {*columns, *_HIDDEN}
            kinds = {n: kind for n, kind in _arrow_types(self.table).items() if n in there}
            empty = pa.schema(list(kinds.items())).empty_table()
            self.engine.add_arrow(self.name, pa.concat_tables(self._even() or [empty]))
            return
        self._spill()
        self.writer.close()
        path = str(self.path).replace("'", "''")
        self.engine.execute(f"CREATE VIEW {self.name} AS SELECT * FROM read_parquet('{path}')")


# --- samples ------------------------------------------------------------------------------------


def sampled(
    engine: Engine,
    columns: Mapping[str, frozenset[str]],
    ids: Sequence[str],
    count: int,
    seed: int,
) -> tuple[Engine, Account]:
    """An engine that holds some customers with all that belongs to them, and its account."""
    import numpy as np
    import pyarrow as pa

    chosen = np.random.default_rng(seed).choice(len(ids), size=count, replace=False)
    engine.add_arrow("sampled_ids", pa.table({"id": [ids[i] for i in sorted(chosen)]}))
    account = Account()
    made = Engine()
    for name in model.TABLES:
        condition = _belongs(name, columns)
        rows = engine.arrow(f"SELECT * FROM {name} WHERE {condition}")
        made.add_arrow(f"sampled_{name}", rows)
        made.execute(f"CREATE VIEW {name} AS SELECT * FROM sampled_{name}")
        if name in columns:
            total = int(engine.rows(f"SELECT COUNT(*) FROM {name}")[0][0])
            account.add(name, "", "read", total)
            account.add(name, "", "not_sampled", total - rows.num_rows)
            account.add(name, "", "kept", rows.num_rows)
    return made, account


def _belongs(name: str, columns: Mapping[str, frozenset[str]]) -> str:
    """SQL for the rows that belong to the customers sampled."""
    there = columns.get(name, frozenset())
    if "customer_id" in there:
        return "customer_id IN (SELECT id FROM sampled_ids)"
    for key, other in (("response_id", "surveys"), ("complaint_id", "complaints")):
        if key in there and "customer_id" in columns.get(other, ()):
            return (
                f"{key} IN (SELECT {key} FROM {other}"
                " WHERE customer_id IN (SELECT id FROM sampled_ids))"
            )
    return "TRUE"


# --- helpers ------------------------------------------------------------------------------------


def _fits(table: TableMap, paths: Sequence[Path]) -> bool:
    """Whether files can be queried in place: Parquet that has the model's names and types."""
    if not paths or not table.same or table.filters or table.combine or table.key or table.strip:
        return False
    if any(files.kind(path) != "parquet" for path in paths):
        return False
    import pyarrow.parquet

    known = model.table(table.table)
    for path in paths:
        try:
            schema = pyarrow.parquet.read_schema(path)
        except (OSError, ValueError):
            return False
        if not set(known.key) <= set(schema.names):
            return False
        for column in known.columns:
            if column.name in schema.names and not _same_type(
                column, schema.field(column.name).type
            ):
                return False
    return True


def _same_type(column: model.Column, kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if column.type in ("text", "code"):
        return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if column.type == "integer":
        return types.is_integer(kind)
    if column.type == "number":
        return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if column.type == "boolean":
        return types.is_boolean(kind)
    if column.type == "date":
        return types.is_date32(kind)
    return types.is_date32(kind) or (types.is_timestamp(kind) and kind.tz is None)


def _arrow_types(table: model.Table) -> dict[str, pa.DataType]:
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "code": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us"),
        "date": pa.date32(),
    }
    types = {column.name: kinds[column.type] for column in table.columns}
    return types | {"_row": pa.int64(), "_file": pa.int32()}


def _fitted(chunk: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = [
        chunk.column(entry.name).cast(entry.type)
        if entry.name in chunk.column_names
        else pa.nulls(chunk.num_rows, entry.type)
        for entry in schema
    ]
    return pa.table(arrays, schema=schema)


def _stripped(cells: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for position, name in enumerate(cells.column_names):
        if pa.types.is_string(cells.column(position).type):
            cells = cells.set_column(
                position, name, pc.utf8_trim_whitespace(cells.column(position))
            )
    return cells


def _how(table: TableMap, column: model.Column) -> str:
    """How a column's lines make one value: as the mapping says, else as the model does."""
    entry = table.columns.get(column.name)
    return entry.combine if entry is not None and entry.combine else column.combine


def _combined(column: model.Column, how: str) -> str:
    name = f'"{column.name}"'
    functions = {
        "same": f"MIN({name})",
        "min": f"MIN({name})",
        "max": f"MAX({name})",
        "any": f"BOOL_OR({name})",
        "all": f"BOOL_AND({name})",
        "first": f"ARG_MIN({name}, (_file, _row))",
        "sum": f"SUM({name})",
    }
    if how == "sum" and column.type == "number":
        return f"ROUND(SUM({name}), {values.DECIMALS})"
    return f"CAST({functions[how]} AS {sql_type(column)})"


def _derived(column: ColumnMap, table: model.Table) -> str:
    """SQL for a column of a derived table."""
    kind = sql_type(table.column(column.name))
    if column.value is not None:
        text = str(column.value).replace("'", "''")
        return f"CAST('{text}' AS {kind}) AS \"{column.name}\""
    if column.computed == "join":
        separator = column.separator.replace("'", "''")
        joined = f" || '{separator}' || ".join(
            f'CAST("{part}" AS VARCHAR)' for part in column.parts
        )
        return f'{joined} AS "{column.name}"'
    signs = {"product": " * ", "sum": " + ", "difference": " - ", "": ""}
    parts = signs[column.computed].join(f'"{part}"' for part in column.sources)
    return f'CAST({parts} AS {kind}) AS "{column.name}"'


def _seen(
    column: model.Column, present: frozenset[str], masked: Mapping[str, int], end: str
) -> str:
    """SQL for a column of a view: missing and NaN are NULL, later events have not happened yet."""
    kind = sql_type(column)
    if column.name not in present:
        return f'CAST(NULL AS {kind}) AS "{column.name}"'
    value = f'CAST("{column.name}" AS {kind})'
    if column.type == "number":
        # Not NULLIF: Parquet's statistics leave NaN out, and a comparison is folded by them.
        value = f"CASE WHEN ISNAN({value}) THEN NULL ELSE {value} END"
    if column.known_at in masked:
        value = f'CASE WHEN "{column.known_at}" >= {end} THEN NULL ELSE {value} END'
    return f'{value} AS "{column.name}"'


def _as_day(time: Any) -> date:
    return time.date() if isinstance(time, datetime) else time


def _as_time(time: Any) -> datetime:
    return time if isinstance(time, datetime) else datetime(time.year, time.month, time.day)


def _note(kind: str) -> str:
    return {
        "stripped": _("{column}: spaces taken away, as the mapping says"),
        "spaces": _("{column}: spaces around the value are kept; strip = true takes them away"),
        "missing": _("{column}: values that the mapping names as missing"),
        "without_customer": _("rows without {column}"),
    }[kind]


def _no_key(file: str, table: str, lacking: Sequence[str], there: Sequence[str]) -> str:
    near = closest(lacking[0], there)
    text = _(
        "{file} has no column {column}, the key of {table}. It has: {names}. Rename it, or write a"
        ' mapping; there, key = "row_number" numbers the rows.'
    )
    if near:
        text = _(
            "{file} has no column {column}, the key of {table}. Did you mean {near}? Rename it, or"
            ' write a mapping; there, key = "row_number" numbers the rows.'
        )
    return text.format(file=file, column=lacking[0], table=table, names=", ".join(there), near=near)
