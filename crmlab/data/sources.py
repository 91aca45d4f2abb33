"""From a source (the bundled company, a folder, a mapping, frames) to a `Workspace`.

Loading reads every table, converts it, judges it against the model, applies `as_of`, and accounts
for every row: what was read, left out and why, combined, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlab.data import checks, files, mapping, model
from crmlab.data.bundled import datasets_folder
from crmlab.data.engine import (
    Engine,
    as_of_end,
    model_frame,
    parameters,
    query_text,
    tables_to_group_by,
)
from crmlab.data.engine import resolve as resolve_columns
from crmlab.data.staging import Account, Stager
from crmlab.errors import (
    CrmlabError,
    InvalidValues,
    MappingError,
    MissingColumns,
    SourceNotFound,
    TooLarge,
    UnknownName,
)
from crmlab.language import _, number

if TYPE_CHECKING:
    import pandas as pd

#: Rows above which a table is not handed out as a DataFrame.
LARGEST_FRAME = 2_000_000

#: Truth values that a query may ask for: whether the source has the column of an event. Where it
#: has, an event that is missing has not happened; where it has not, nothing is known of it.
_RECORDED = {
    "delivery_recorded": ("orders", "delivered_at"),
    "answers_recorded": ("contacts", "responded_at"),
    "first_answers_recorded": ("complaints", "first_response_at"),
    "resolution_recorded": ("complaints", "resolved_at"),
}
#: Values that the engine itself gives to a query.
#: An answer of so many rows at most is kept, so that it need not be computed again.
_KEPT_ROWS = 100_000
_ENGINE_VALUES = ("as_of_end", *_RECORDED)


def load(
    data: str | Path | Workspace = "",
    *,
    files: str | Path = "",
    student: str = "",
    as_of: date | str | None = None,
) -> Workspace:
    """Load the tables to work with.

    Parameters
    ----------
    data : str, Path or Workspace
        Empty for the bundled company; a folder of CSV, Parquet or Excel files that have the model's
        table and column names, with an optional ``workspace.toml``; or a mapping file (``.toml``).
        A workspace is handed back as it is.
    files : str or Path
        Folder that the file names in a mapping are relative to; the mapping's own if empty.
    student : str
        Number of a student, for that student's own variant of the bundled company.
    as_of : datetime.date or str
        Last day that counts, inclusive. Default: the workspace's setting, else the latest time of
        an order, contact, complaint or answer.

    Returns
    -------
    Workspace

    Raises
    ------
    SourceNotFound
        If a file or folder is not there or cannot be read.
    MappingError
        If the mapping says something crmlab does not know.
    InvalidValues
        If the data break the model; every fault found is in it.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmlab.data.sources import from_frames
    >>> crm = load(from_frames({"orders": pd.DataFrame({"order_id": ["1"], "amount": [9.5]})}))
    >>> crm.orders["amount"].sum()
    np.float64(9.5)
    """
    if isinstance(data, Workspace):
        return data
    day = _day(as_of)
    _refuse_other_engines(data)
    _refuse_files_alone(data, files)
    if student:
        return _student(student, data, day)
    if str(data) == "":
        return _folder(datasets_folder(), day, bundled=True)
    path = Path(data).expanduser()
    if path.suffix.lower() == ".toml":
        return _mapped(path, Path(files).expanduser() if files else path.parent, day)
    if path.is_dir():
        return _folder(path, day)
    raise SourceNotFound(_not_a_source(path))


def from_frames(
    tables: Mapping[str, pd.DataFrame],
    settings: model.Settings | None = None,
    *,
    as_of: date | str | None = None,
    source: str = "",
) -> Workspace:
    """A workspace of frames that have the model's column names.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    settings : Settings
    as_of : datetime.date or str
    source : str
        Short text that names the data.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "ordered_at": ["2025-01-02", "2025-03-04"]})
    >>> crm = from_frames({"orders": orders})
    >>> crm.as_of
    datetime.date(2025, 3, 4)
    """
    settings = settings or model.Settings()
    for table in tables:
        model.table(table)
    plan = _same_names(settings, dict.fromkeys(tables, ()))

    def name() -> str:
        return source or settings.shown() or _("tables in memory")

    return _Loader(plan, {}, name).load(_day(as_of), frames=tables)


def quality(data: str | Path, *, files: str | Path = "") -> pd.DataFrame:
    """The data quality of a source, without raising for its faults.

    Parameters
    ----------
    data : str or Path
        A folder or a mapping, as for `load`.
    files : str or Path

    Returns
    -------
    pandas.DataFrame
        As `crmlab.data.checks.quality` hands it back.
    """
    return _loader(data, files).inspect()[1]


def faults(data: str | Path, *, files: str | Path = "") -> list[Any]:
    """The faults of a source, without raising: notes such as orphans included.

    Parameters
    ----------
    data : str or Path
        A folder or a mapping, as for `load`.
    files : str or Path

    Returns
    -------
    list of Fault
    """
    return _loader(data, files).inspect()[0]


class Workspace:
    """The tables of one source, as of one day, and the queries on them.

    Made by `load` or `from_frames`.

    Attributes
    ----------
    settings : Settings
    as_of : datetime.date
        Last day that counts.
    first_day : datetime.date
        Day of the earliest order or other record.
    answered : dict
        What measures of these data have found so far (`crmlab.show.once`).
    simulated : str or None
        Student whose variant of the teaching company this is, empty for the bundled company; None
        where the data are not simulated.
    """

    def __init__(
        self,
        engine: Engine,
        columns: Mapping[str, frozenset[str]],
        settings: model.Settings,
        *,
        source: Callable[[], str],
        as_of: date,
        first_day: date,
        account: Account,
        simulated: str | None = None,
    ) -> None:
        self._engine = engine
        self._columns = dict(columns)
        self._account = account
        self._frames: dict[str, pd.DataFrame] = {}
        self._answers: dict[tuple[Any, ...], pd.DataFrame] = {}
        self.answered: dict[Hashable, Any] = {}
        self.settings = settings
        self._source = source
        self.as_of = as_of
        self.first_day = first_day
        self.simulated = simulated

    def __repr__(self) -> str:
        return f"<Workspace {self.source!r} as of {self.as_of}: {', '.join(self.tables)}>"

    # --- what is there

    @property
    def source(self) -> str:
        """Short text that names the data, for display, in the current language."""
        return self._source()

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables there are, in the model's order."""
        return tuple(name for name in model.TABLES if name in self._columns)

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table that the source has; empty where it has no such table."""
        model.table(table)
        return self._columns.get(table, frozenset())

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table is there, with all of these columns."""
        return table in self._columns and set(columns) <= self.columns(table)

    def missing(self, needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """What is lacking of the tables and columns that a measure needs.

        Parameters
        ----------
        needs : mapping of str to sequence of str

        Returns
        -------
        dict of str to tuple of str
            Only the tables that lack something; empty if nothing does.
        """
        lacking = {
            table: tuple(name for name in names if name not in self.columns(table))
            for table, names in needs.items()
        }
        return {
            table: names for table, names in lacking.items() if names or table not in self._columns
        }

    def rows(self, table: str) -> int:
        """Number of rows of a table, up to `as_of`."""
        self._require(table)
        return int(self._engine.rows(f"SELECT COUNT(*) FROM {table}")[0][0])

    # --- the tables

    @property
    def customers(self) -> pd.DataFrame:
        """The customers, one row each."""
        return self._frame("customers")

    @property
    def orders(self) -> pd.DataFrame:
        """The orders (or order lines, see ``settings.record``), one row each."""
        return self._frame("orders")

    @property
    def contacts(self) -> pd.DataFrame:
        """The contacts with customers, one row each."""
        return self._frame("contacts")

    @property
    def surveys(self) -> pd.DataFrame:
        """The questionnaires sent, one row each."""
        return self._frame("surveys")

    @property
    def answers(self) -> pd.DataFrame:
        """The answers to items, one row each."""
        return self._frame("answers")

    @property
    def complaints(self) -> pd.DataFrame:
        """The complaints, one row each."""
        return self._frame("complaints")

    @property
    def staff(self) -> pd.DataFrame:
        """The members of staff, one row each."""
        return self._frame("staff")

    @property
    def complaint_events(self) -> pd.DataFrame:
        """The steps in the handling of complaints, one row each."""
        return self._frame("complaint_events")

    @property
    def assignments(self) -> pd.DataFrame:
        """The customers' random assignments to campaigns, one row each."""
        return self._frame("assignments")

    def _frame(self, table: str) -> pd.DataFrame:
        if table not in self._frames:
            self._require(table)
            rows = self.rows(table)
            if rows > LARGEST_FRAME:
                raise TooLarge(_too_large(table, rows))
            names = [name for name in model.table(table).names if name in self._columns[table]]
            chosen = ", ".join(f'"{name}"' for name in names)
            self._frames[table] = model_frame(self._engine.arrow(f"SELECT {chosen} FROM {table}"))
        return self._frames[table].copy(deep=False)

    def _require(self, table: str) -> None:
        if table in self._columns:
            return
        model.table(table)
        raise MissingColumns(
            _(
                "The data have no table {table}; there are: {names}. Add its file to the folder or"
                " a section [{table}] to the mapping."
            ).format(table=table, names=", ".join(self.tables)),
            measure="",
            missing={table: ()},
        )

    # --- queries

    def query(self, name: str, *, by: str | Sequence[str] = (), **parameters: Any) -> pd.DataFrame:
        """Run one of the queries; it works at any size.

        Parameters
        ----------
        name : str
            Such as ``"customer_summary"``, ``"orders_accounting"`` or ``"on_time"``.
        by : str or sequence of str
            Columns to group by, of orders or of customers, for a query that takes them; of
            complaints and of staff too where the query is about complaints.
        **parameters
            Values that the query binds, such as ``period_from`` and ``period_to``.

        Returns
        -------
        pandas.DataFrame
            Counts are ``int64``, sums ``float64``, days ``datetime64[us]``, text ``str``.

        Raises
        ------
        UnknownName
            If there is no such query, parameter or column.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"order_id": ["1", "2"], "region": ["N", "S"], "damaged": [0, 1]})
        >>> crm = from_frames({"orders": orders.assign(on_time=[True, False])})
        >>> crm.query("on_time", by="region")[["region", "on_time", "late"]]
          region  on_time  late
        0      N        1     0
        1      S        0     1
        """
        self._check_parameters(name, by, parameters)
        recorded = {name: self.has(*column) for name, column in _RECORDED.items()}
        values = parameters | recorded | {"as_of_end": as_of_end(self.as_of)}
        tables = tables_to_group_by(query_text(name))
        columns = resolve_columns(by, self._columns, tables)
        asked = (name, tuple(columns), tuple(sorted(values.items())))
        if asked in self._answers:
            return self._answers[asked].copy(deep=False)
        absent = set(model.table("orders").names) - self.columns("orders")
        answer = self._engine.query(name, values, by=columns, absent=absent)
        if len(answer) <= _KEPT_ROWS:
            # A chapter asks the same of the same data again and again, and the data stand still.
            self._answers[asked] = answer
        return answer.copy(deep=False)

    def _check_parameters(
        self, name: str, by: str | Sequence[str], given: Mapping[str, Any]
    ) -> None:
        text = query_text(name)
        known = [key for key in parameters(text) if key not in _ENGINE_VALUES]
        if "{by}" in text:
            known.append("by")
        asked = [*given, *(["by"] if by else [])]
        for key in asked:
            if key not in known:
                raise UnknownName(
                    _("The query {query} has no parameter {name}. It has: {names}.").format(
                        query=name, name=key, names=", ".join(known) or "–"
                    )
                )

    # --- accounts

    @property
    def accounting(self) -> pd.DataFrame:
        """What became of every row of the source.

        Returns
        -------
        pandas.DataFrame
            ``table``, ``file``, ``step``, ``rows``, ``remark``. For each table, the rows ``read``
            are the sum of those ``kept`` and of the steps in `crmlab.data.staging.REMOVING`; the
            other steps are notes.
        """
        return self._account.frame()

    def check(self) -> None:
        """Judge every row by its table's rules, also those of large Parquet files read in place.

        Rows of the examples are counted in the table up to `as_of`.

        Raises
        ------
        InvalidValues
            If there are faults.
        """
        found = []
        for name in self.tables:
            rules = checks.rules(model.table(name), self._columns[name], {name: "judged"})
            view = f"SELECT *, ROW_NUMBER() OVER () AS _row, 0 AS _file FROM {name}"
            self._engine.execute(f"CREATE OR REPLACE TEMP VIEW judged AS {view}")
            engine = self._engine
            found += checks.judge(engine.rows, rules, "judged", [], engine.all_differ)
        if found:
            raise InvalidValues(found)

    def quality(self) -> pd.DataFrame:
        """The data quality of the tables, as `crmlab.data.checks.quality` hands it back."""
        staged = {name: f"judged_{name}" for name in self.tables}
        views = ", ".join(
            f"{staged[name]} AS (SELECT *, ROW_NUMBER() OVER () AS _row, 0 AS _file FROM {name})"
            for name in self.tables
        )
        return checks.quality(
            lambda sql: self._engine.rows(f"WITH {views} {sql}"), self._columns, staged
        )

    # --- samples

    def sample(self, customers: int = 2000, seed: int = 0) -> Workspace:
        """A workspace of some customers, each with all that belongs to them.

        Parameters
        ----------
        customers : int
            How many customers.
        seed : int
            The same seed draws the same customers.

        Returns
        -------
        Workspace
            Itself if it has no more customers than that.
        """
        from crmlab.data.staging import sampled

        ids = self._customer_ids()
        if len(ids) <= customers:
            return self
        engine, account = sampled(self._engine, self._columns, ids, customers, seed)

        def name() -> str:
            return _("{source}: {count} of {total} customers").format(
                source=self.source, count=number(customers), total=number(len(ids))
            )

        return Workspace(
            engine,
            self._columns,
            self.settings,
            source=name,
            as_of=self.as_of,
            first_day=self.first_day,
            account=account,
            simulated=self.simulated,
        )

    def _customer_ids(self) -> list[str]:
        holding = [name for name in self.tables if "customer_id" in self._columns[name]]
        if "customers" in holding:
            holding = ["customers"]
        if not holding:
            return []
        union = " UNION ".join(f"SELECT customer_id FROM {name}" for name in holding)
        sql = f"SELECT DISTINCT customer_id FROM ({union}) AS ids WHERE customer_id IS NOT NULL"
        sql += " ORDER BY 1"
        return [str(row[0]) for row in self._engine.rows(sql)]


def _too_large(table: str, rows: int) -> str:
    return _(
        "The table {table} has {rows} rows; a DataFrame is handed out up to {limit}. Use"
        ' crm.query("customer_summary") or another query, or crm.sample(customers=2000).{table}.'
    ).format(table=table, rows=number(rows), limit=number(LARGEST_FRAME))


# --- where the data are -------------------------------------------------------------------------


def _day(as_of: date | str | None) -> date | None:
    if as_of is None or as_of == "":
        return None
    if isinstance(as_of, date):
        return date(as_of.year, as_of.month, as_of.day)
    try:
        return date.fromisoformat(as_of)
    except (TypeError, ValueError) as error:
        raise UnknownName(
            _("as_of = {value} is not a date. Write it as 2025-12-31.").format(value=as_of)
        ) from error


def _not_a_source(path: Path) -> str:
    if path.is_file() and (path.name.split(".")[0] in model.TABLES and files.kind(path)):
        return _("{path} is one table. Name the folder it is in: {folder}.").format(
            path=path, folder=path.parent
        )
    if path.is_file() and files.kind(path):
        return _(
            "{path} is a single file. Write a mapping that says what its columns are, and name the"
            " mapping: a file that ends in .toml (see docs/mapping.md)."
        ).format(path=path)
    if path.is_file():
        return _(
            "{path} is neither a folder nor a mapping. Name a folder of CSV, Parquet or Excel"
            " files, or a mapping that ends in .toml."
        ).format(path=path)
    there = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = mapping.closest(path.name, there)
    if near:
        message = _("There is no folder or mapping file {path}. Did you mean {near}?")
        return message.format(path=path, near=path.parent / near)
    return _(
        "There is no folder or mapping file {path}. Name a folder of CSV, Parquet or Excel"
        " files, or a mapping that ends in .toml."
    ).format(path=path)


def _refuse_files_alone(data: object, folder: str | Path) -> None:
    """`files` without a mapping would be passed over, and another company's report be read."""
    if not str(folder) or Path(str(data)).suffix.lower() == ".toml":
        return
    raise UnknownName(
        _(
            "files = {folder} is the folder of the files that a mapping names, and there is no"
            " mapping. Name it in data, or name the folder itself in data if its files are called"
            " like the tables."
        ).format(folder=folder)
    )


def _refuse_other_engines(data: object) -> None:
    if isinstance(data, str | Path):
        if "://" not in str(data):
            return
        raise CrmlabError(
            _(
                "Databases are not read yet ({source}). Export the tables to CSV or Parquet files"
                " and load their folder, or write a mapping for them."
            ).format(source=str(data).split("://")[0] + "://…")
        )
    if type(data).__module__.startswith("pyspark"):
        raise CrmlabError(
            _(
                "Spark is not read yet. Write the tables as Parquet files and load their folder, or"
                " write a mapping for them."
            )
        )
    raise UnknownName(
        _(
            "load() takes a folder, a mapping file or nothing, not a {kind}. For frames, use"
            " crmlab.data.sources.from_frames."
        ).format(kind=type(data).__name__)
    )


def _student(student: str, data: str | Path, as_of: date | None) -> Workspace:
    if str(data):
        raise UnknownName(
            _("A student's variant is of the bundled company: leave data empty, or student.")
        )
    if not isinstance(student, str):
        # As a number it would lose the zeros it begins with.
        raise UnknownName(
            _('Write the student number in quotation marks: student = "{student}".').format(
                student=student
            )
        )
    from crmlab.data import simulate

    settings = _settings(datasets_folder())
    rise = simulate.effects_of(student)["tariff_change"]
    changes = tuple(replace(change, share=rise) for change in settings.tariff_changes)
    settings = replace(settings, tariff_changes=changes)
    tables = simulate.variant(student)
    plan = _same_names(settings, dict.fromkeys(tables, ()))

    def name() -> str:
        return _("{name}, variant of student {student}").format(
            name=settings.shown(), student=student
        )

    return _Loader(plan, {}, name, simulated=student).load(as_of, frames=tables)


def _folder(path: Path, as_of: date | None, *, bundled: bool = False) -> Workspace:
    return _folder_loader(path, bundled=bundled).load(as_of)


def _mapped(path: Path, folder: Path, as_of: date | None) -> Workspace:
    return _mapping_loader(path, folder).load(as_of)


def _loader(data: str | Path, folder: str | Path) -> _Loader:
    if str(data) == "":
        return _folder_loader(datasets_folder(), bundled=True)
    path = Path(data).expanduser()
    if path.suffix.lower() == ".toml":
        return _mapping_loader(path, Path(folder).expanduser() if folder else path.parent)
    return _folder_loader(path)


def _mapping_loader(path: Path, folder: Path) -> _Loader:
    plan = mapping.read(path)
    if not plan.tables:
        raise MappingError(
            _(
                "{where} names no table, so there is nothing to read. Begin a section such as"
                " [orders]; docs/mapping.md shows how."
            ).format(where=path)
        )
    found = {
        name: files.find(folder, table.files, f"{path.name} [{name}]")
        for name, table in plan.tables.items()
        if table.files
    }
    return _Loader(plan, found, lambda: plan.settings.shown() or path.stem)


def _folder_loader(path: Path, *, bundled: bool = False) -> _Loader:
    """A folder whose files are called like the tables: one file, or a folder of parts, for each."""
    found: dict[str, list[Path]] = {}
    for entry in sorted(path.iterdir()):
        name = entry.name.split(".")[0]
        parts = sorted(entry.iterdir()) if entry.is_dir() else [entry]
        parts = [part for part in parts if part.is_file() and files.kind(part)]
        if name in model.TABLES and parts:
            _once(name, found, parts)
            found[name] = parts
    if not found:
        raise SourceNotFound(
            _(
                "The folder {folder} holds no table. Files are called like the tables, for example"
                " orders.csv; for other names write a mapping. The tables are: {names}."
            ).format(folder=path, names=", ".join(model.TABLES))
        )
    settings = _settings(path)
    plan = _same_names(settings, {name: [p.name for p in paths] for name, paths in found.items()})
    simulated = "" if bundled else None
    return _Loader(
        plan, found, lambda: settings.shown() or path.resolve().name, simulated=simulated
    )


def _same_names(
    settings: model.Settings, tables: Mapping[str, Sequence[str]]
) -> mapping.MappingFile:
    """The plan for tables that have the model's own names, each with its files."""
    maps = {name: mapping.same_names(name, names) for name, names in tables.items()}
    return mapping.MappingFile(settings, maps)


def _once(name: str, found: Mapping[str, list[Path]], parts: list[Path]) -> None:
    if name in found:
        raise MappingError(
            _("The table {table} is there twice: {first} and {second}. Leave one.").format(
                table=name, first=found[name][0].name, second=parts[0].name
            )
        )


def _settings(folder: Path) -> model.Settings:
    path = folder / "workspace.toml"
    if not path.exists():
        return model.Settings()
    content = mapping.read_toml(path)
    unknown = [key for key in content if key not in ("workspace", "items")]
    if unknown:
        raise MappingError(
            _("{where}: there is no section {name}. There are: workspace, items.").format(
                where=path.name, name=unknown[0]
            )
        )
    return mapping.parse_settings(content, path.name)


# --- loading ------------------------------------------------------------------------------------


@dataclass
class _Loader:
    """Brings the tables of a plan into an engine, judges them and applies `as_of`."""

    plan: mapping.MappingFile
    paths: Mapping[str, Sequence[Path]]
    source: Callable[[], str]
    account: Account = field(default_factory=Account)
    simulated: str | None = None

    def load(
        self, as_of: date | None, frames: Mapping[str, pd.DataFrame] | None = None
    ) -> Workspace:
        """The workspace; all faults are raised at once."""
        stager = self._staged(frames or {})
        wanted = as_of or self.plan.settings.as_of
        if wanted is None:
            stager.find_stray_times()
        else:
            stager.refuse_day_before_all(wanted)
        day = wanted or stager.latest_day()
        stager.derive(day)
        if stager.faults:
            raise InvalidValues(stager.faults)
        stager.make_views(day)
        return Workspace(
            stager.engine,
            {name: staged.columns for name, staged in stager.staged.items()},
            replace(self.plan.settings, as_of=day),
            source=self.source,
            as_of=day,
            first_day=stager.first_day(day),
            account=self.account,
            simulated=self.simulated,
        )

    def inspect(self) -> tuple[list[Any], pd.DataFrame]:
        """The faults and the data quality, without raising or excluding."""
        tables = {
            name: replace(table, invalid="error", orphans="note")
            for name, table in self.plan.tables.items()
        }
        self.plan = replace(self.plan, tables=tables)
        stager = self._staged({})
        stager.find_stray_times()
        stager.derive(stager.latest_day())
        return stager.faults + stager.noted, stager.quality()

    def _staged(self, frames: Mapping[str, pd.DataFrame]) -> Stager:
        stager = Stager(self.plan, self.paths, self.account)
        for name, table in self.plan.tables.items():
            if not table.source:
                stager.stage(table, frames.get(name))
        stager.judge_all()
        return stager


__all__ = [
    "Workspace",
    "faults",
    "from_frames",
    "load",
    "quality",
]
