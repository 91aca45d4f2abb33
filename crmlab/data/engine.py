"""The engine: runs a query file on tables of any size and hands back a small pandas frame.

DuckDB is embedded, reads Arrow and Parquet in place, spills to a temporary folder and never loads
an extension. A query file is plain SQL in ``crmlab/data/queries``; its first comment says what one
row of the result is, and a line ``-- Ordered by:`` names the columns the result is sorted by.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlab.data import model
from crmlab.errors import CrmlabError, UnknownName
from crmlab.language import _

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

QUERIES = Path(__file__).parent / "queries"

#: Decimals that sums are rounded to, so that what should net to zero does.
DECIMALS = 6

#: Hashes of rows that are compared at a time, so that their memory is bounded.
HASHES = 16_000_000

_SQL_TYPES = {
    "text": "VARCHAR",
    "code": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "date": "DATE",
}


def query_names() -> tuple[str, ...]:
    """Names of the queries there are.

    Examples
    --------
    >>> "customer_summary" in query_names()
    True
    """
    return tuple(sorted(path.stem for path in QUERIES.glob("*.sql")))


@cache
def query_text(name: str) -> str:
    """The SQL of a query file.

    Raises
    ------
    UnknownName
        If there is no query of that name.
    """
    if name not in query_names():
        raise UnknownName(
            _("There is no query {query}. The queries are: {names}.").format(
                query=name, names=", ".join(query_names())
            )
        )
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def parameters(sql: str) -> tuple[str, ...]:
    r"""Names of the values that a query binds, without its comments.

    Examples
    --------
    >>> parameters("-- $not_this\nSELECT $period_from, $period_to, $period_from")
    ('period_from', 'period_to')
    """
    found = re.findall(r"\$(\w+)", _without_comments(sql))
    return tuple(dict.fromkeys(found))


def quoted(name: str) -> str:
    """An identifier in double quotes, as every SQL engine reads it.

    Examples
    --------
    >>> print(quoted('a "b" c'))
    "a ""b"" c"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text as an SQL literal.

    Examples
    --------
    >>> literal("l'amour")
    "'l''amour'"
    """
    return "'" + value.replace("'", "''") + "'"


def sql_type(column: model.Column) -> str:
    """DuckDB's type for a column of the model.

    Examples
    --------
    >>> sql_type(model.table("orders").column("amount"))
    'DOUBLE'
    """
    return _SQL_TYPES[column.type]


def as_of_end(as_of: date) -> datetime:
    """The first moment that no longer counts: midnight after the day `as_of`.

    Examples
    --------
    >>> as_of_end(date(2025, 12, 31))
    datetime.datetime(2026, 1, 1, 0, 0)
    """
    return datetime(as_of.year, as_of.month, as_of.day) + timedelta(days=1)


def resolve(
    by: str | Sequence[str],
    present: Mapping[str, Iterable[str]],
    tables: Sequence[str] = ("orders", "customers"),
) -> list[tuple[str, str]]:
    """The columns to group by, each with its table.

    Parameters
    ----------
    by : str or sequence of str
        Columns of `tables`; ``"customers.region"`` where several have one.
    present : mapping of str to columns
        The columns that the workspace has, by table.
    tables : sequence of str
        Where columns are looked for, the first first.

    Returns
    -------
    list of (str, str)
        Table and column.

    Raises
    ------
    UnknownName
        If none of the tables has such a column; the message lists those there are.

    Examples
    --------
    >>> resolve(["region", "size"], {"orders": ["region"], "customers": ["region", "size"]})
    [('orders', 'region'), ('customers', 'size')]
    """
    names = [by] if isinstance(by, str) else list(by)
    return [_resolve_one(name, present, tables) for name in names if name]


def _resolve_one(
    name: str, present: Mapping[str, Iterable[str]], tables: Sequence[str]
) -> tuple[str, str]:
    wanted, _dot, column = name.rpartition(".")
    for table in tables:
        if wanted in ("", table) and column in set(present.get(table, ())):
            return table, column
    available: list[str] = []
    for table in tables:
        there = set(present.get(table, ()))
        available += [
            c if c not in available else f"{table}.{c}"
            for c in model.table(table).names
            if c in there
        ]
    from crmlab.data.mapping import closest

    near = closest(name.lower(), available)
    if near:
        raise UnknownName(
            _("There is no column {column} to group by. Did you mean {near}?").format(
                column=name, near=near
            )
        )
    raise UnknownName(
        _("There is no column {column} to group by. There are: {names}.").format(
            column=name, names=", ".join(available)
        )
    )


def tables_to_group_by(text: str) -> tuple[str, ...]:
    r"""The tables whose columns a query can group by, as its comment names them; orders, customers.

    Examples
    --------
    >>> tables_to_group_by("-- Grouped by columns of: complaints, orders\nSELECT {by}")
    ('complaints', 'orders')
    """
    found = re.search(r"^-- Grouped by columns of: (.+)$", text, flags=re.MULTILINE)
    if found is None:
        return ("orders", "customers")
    return tuple(name.strip() for name in found.group(1).split(","))


def render(sql: str, by: Sequence[tuple[str, str]] = ()) -> str:
    r"""A query with its identifiers filled in.

    ``{by}`` stands for the columns to group by, ``{by_names}`` for their names in the result and
    ``{join_customers}`` for the join that columns of customers need. A line that holds nothing
    else, or only ``GROUP BY`` with it, falls away where there is nothing to put in.

    Examples
    --------
    >>> render("SELECT\n  {by},\n  COUNT(*) AS n\nFROM orders\nGROUP BY {by_names}")
    'SELECT\n  COUNT(*) AS n\nFROM orders'
    """
    names = _result_names(by)
    columns = [
        f"{table}.{quoted(column)} AS {quoted(name)}"
        for (table, column), name in zip(by, names, strict=True)
    ]
    join = ""
    if any(table == "customers" for table, _column in by):
        join = "LEFT JOIN customers ON orders.customer_id = customers.customer_id"
    filled = {
        "{by}": ", ".join(columns),
        "{by_names}": ", ".join(quoted(name) for name in names),
        "{join_customers}": join,
    }
    lines = (_render_line(line, filled) for line in sql.splitlines())
    return "\n".join(line for line in lines if line is not None)


def _result_names(by: Sequence[tuple[str, str]]) -> list[str]:
    names: list[str] = []
    for table, column in by:
        names.append(column if column not in names else f"{table}_{column}")
    return names


def _render_line(line: str, filled: Mapping[str, str]) -> str | None:
    bare = line.strip().removeprefix("GROUP BY").strip().removesuffix(",")
    if bare in filled and not filled[bare]:
        return None
    for placeholder, text in filled.items():
        line = line.replace(placeholder, text)
    return line


def _without_comments(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


def without_absent(sql: str, absent: Iterable[str]) -> str:
    """A query on orders without what it would sum or count in columns that are missing as a whole.

    Such a sum is NULL, and so is no row's condition true that asks for such a column: the count is
    0. A query that reads other tables too is left as it is, for they may have columns so named.

    Examples
    --------
    >>> without_absent("SELECT SUM(amount), SUM(cost) FROM orders", ["cost"])
    'SELECT SUM(amount), CAST(NULL AS DOUBLE PRECISION) FROM orders'
    >>> counted = "SELECT COUNT(CASE WHEN amount > 0 AND NOT damaged THEN 1 END) FROM orders"
    >>> without_absent(counted, ["damaged"])
    'SELECT CAST(0 AS BIGINT) FROM orders'
    """
    read = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql))
    if read & set(model.TABLES) != {"orders"}:
        return sql
    gone = set(absent)
    nothing, none = "CAST(NULL AS DOUBLE PRECISION)", "CAST(0 AS BIGINT)"
    sql = re.sub(
        r"\bSUM\((\w+)\)", lambda sum_: nothing if sum_.group(1) in gone else sum_.group(), sql
    )
    return re.sub(
        r"\bCOUNT\((?:CASE WHEN ([^()]+) THEN )?(\w+)(?: END)?\)",
        lambda count: none if _needed(*count.groups("")) & gone else count.group(),
        sql,
    )


def _needed(condition: str, counted: str) -> set[str]:
    """The columns without which nothing is counted: those that stand alone between ANDs."""
    if "WHEN" in condition:
        return set()
    if re.search(r"\b(OR|BETWEEN)\b", condition):
        return {counted}
    return {counted} | {part.removeprefix("NOT ") for part in condition.split(" AND ")}


def _order(sql: str, by: Sequence[tuple[str, str]]) -> str:
    """The columns that the query's first comment says the result is ordered by."""
    found = re.search(r"^-- Ordered by: (.+)$", sql, flags=re.MULTILINE)
    if found is None:
        return ""
    names: list[str] = []
    for name in found.group(1).split(","):
        names += _result_names(by) if name.strip() == "{by}" else [name.strip()]
    return ", ".join(f"{quoted(name)} NULLS LAST" for name in names)


class Engine:
    """DuckDB in memory, closed to the network and to all files but those named.

    Parameters
    ----------
    files : iterable of Path
        Files that may be read in place.
    memory_limit : str
        Such as ``"4GB"``; empty: the environment variable CRMLAB_MEMORY, or half of the machine's.
    """

    def __init__(self, files: Iterable[Path] = (), *, memory_limit: str = "") -> None:
        import duckdb

        self.folder = Path(tempfile.mkdtemp(prefix="crmlab-"))
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(
            ":memory:",
            config={
                # Memory that a query no longer needs goes back to the machine at once.
                "allocator_background_threads": "true",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": str(self.folder / "spill"),
                "memory_limit": memory_limit or _memory(),
            },
        )
        self._forget = weakref.finalize(self, _discard, self.connection, self.folder)
        self._shut(files)

    def _shut(self, files: Iterable[Path]) -> None:
        paths = ", ".join(literal(str(path)) for path in files)
        run = self.connection.execute
        run(f"SET allowed_paths = [{paths}]")
        run(f"SET allowed_directories = [{literal(str(self.folder))}]")
        run("SET enable_progress_bar = false")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def add_arrow(self, name: str, table: pa.Table) -> None:
        """Register an Arrow table under a name, without copying it."""
        self.connection.register(name, table)

    def add_parquet(self, name: str, paths: Sequence[Path]) -> None:
        """Make Parquet files one table, read in place; `_file`, `_row`: where a row stands."""
        files = ", ".join(literal(str(path)) for path in paths)
        self.execute(
            f"CREATE OR REPLACE VIEW {quoted(name)} AS SELECT *, file_row_number + 1 AS _row,"
            f" {_file_number(paths)} AS _file"
            f" FROM read_parquet([{files}], file_row_number = true, filename = true,"
            " union_by_name = true)"
        )

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        self.connection.execute(sql, dict(values or {}))

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        return self.connection.execute(sql, dict(values or {})).fetchall()

    def all_differ(self, name: str, columns: Sequence[str]) -> bool:
        """Whether no two rows are the same in these columns, rows that lack one set aside.

        Hashes of 64 bits are sorted and compared, a part of them at a time. True is certain; False
        says there may be two, for different rows have the same hash once in a while: among 100
        million rows, in one table of some thousands.
        """
        there = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
        hashed = f"HASH({', '.join(quoted(column) for column in columns)})"
        rows = int(self.rows(f"SELECT COUNT(*) FROM {name}")[0][0])
        parts = rows // HASHES + 1
        for part in range(parts):
            chosen = f"{there} AND {hashed} % {parts} = {part}" if parts > 1 else there
            result = self.connection.execute(f"SELECT {hashed} AS h FROM {name} WHERE {chosen}")
            hashes = result.fetchnumpy()["h"]
            hashes.sort()
            if (hashes[1:] == hashes[:-1]).any():
                return False
        return True

    def arrow(self, sql: str, values: Mapping[str, Any] | None = None) -> pa.Table:
        """A result as an Arrow table."""
        import duckdb

        try:
            result = self.connection.sql(sql, params=dict(values or {}))
            return result.to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise CrmlabError(
                _(
                    "The query needs more memory than it may use. Set the environment variable"
                    " CRMLAB_MEMORY, for example to 8GB, or take a sample with crm.sample()."
                )
            ) from error

    def query(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        by: Sequence[tuple[str, str]] = (),
        absent: Iterable[str] = (),
    ) -> pd.DataFrame:
        """Run a query file and hand its result back as pandas, sums rounded to `DECIMALS`.

        Parameters
        ----------
        name : str
        values : mapping of str to object
            What it binds; what is not given is NULL.
        by : sequence of (str, str)
            Columns to group by, as from `resolve`.
        absent : iterable of str
            Columns of orders that the source does not have; their sums are not computed.
        """
        text = query_text(name)
        sql = without_absent(_without_comments(render(text, by)), absent)
        order = _order(text, by)
        if order:
            sql = f"SELECT * FROM (\n{sql}\n) AS result ORDER BY {order}"
        wanted = set(parameters(sql))
        bound = {key: value for key, value in values.items() if key in wanted}
        bound |= dict.fromkeys(wanted - bound.keys())
        return summary_frame(self.arrow(sql, bound))

    def close(self) -> None:
        """Give back memory and temporary files."""
        self._forget()


def _discard(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _file_number(paths: Sequence[Path]) -> str:
    if len(paths) == 1:
        return "0"
    files = ", ".join(literal(str(path)) for path in paths)
    return f"list_position([{files}], filename) - 1"


def _memory() -> str:
    given = os.environ.get("CRMLAB_MEMORY", "")
    if given:
        return given
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "4GB"
    return f"{max(whole // 2, 2**30) // 2**20}MiB"


def model_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table in the model's pandas types.

    Text is ``str``, whole numbers ``Int64``, numbers ``float64``, truth values ``boolean`` and
    times ``datetime64[us]``; missing is missing in all of them.
    """
    import pandas as pd
    import pyarrow as pa

    types: dict[Any, Any] = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return _dates_as_times(table).to_pandas(types_mapper=types.get)


def summary_frame(table: pa.Table) -> pd.DataFrame:
    """A query's result: counts ``int64``, sums ``float64`` rounded, days ``datetime64[us]``."""
    import pandas as pd
    import pyarrow as pa

    types: dict[Any, Any] = {pa.bool_(): pd.BooleanDtype()}
    frame = _dates_as_times(table).to_pandas(types_mapper=types.get)
    for name in frame.columns[frame.dtypes == "float64"]:
        if table[name].null_count < len(frame):
            frame[name] = frame[name].round(DECIMALS) + 0.0
    return frame


def _dates_as_times(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    for position, column in enumerate(table.schema):
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            values = table.column(position).cast(pa.timestamp("us"))
            table = table.set_column(position, column.name, values)
        if pa.types.is_null(column.type):
            values = table.column(position).cast(pa.string())
            table = table.set_column(position, column.name, values)
    return table
