"""What can go wrong for a user, said so that they know what to do next.

Every error that a reader of the workbook can cause is a `CrmlabError`: its message says what is
wrong, where, how many, an example, and the remedy. In a notebook it shows as its message alone,
without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class CrmlabError(Exception):
    """Base of all errors crmlab raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this hook; a student needs the message, not our stack.
        return [f"{type(self).__name__}: {self}"]


class SourceNotFound(CrmlabError):
    """A file, folder or table that was named does not exist or cannot be opened."""


class UnknownName(CrmlabError):
    """A name (chapter, query, column, language, option) that crmlab does not know."""


class MappingError(CrmlabError):
    """The mapping file itself is wrong: an unknown table, column or setting."""


class TooLarge(CrmlabError):
    """A table is too large to be handed out as a DataFrame."""


class NotEnoughData(CrmlabError):
    """The tables are there, but hold too little for what was asked."""


class TooManyGroups(CrmlabError):
    """A column has more values than can be compared, ranked or drawn."""


class NotConverged(CrmlabError):
    """A model was fitted, and the search for its most likely parameters found no end."""


class MissingColumns(CrmlabError):
    """A measure needs tables or columns that the workspace does not have.

    Attributes
    ----------
    measure : str
        The measure that was asked for.
    missing : dict of str to tuple of str
        Table name to the columns it lacks; all that were needed if the table itself is missing.
    """

    def __init__(self, message: str, *, measure: str, missing: dict[str, tuple[str, ...]]) -> None:
        super().__init__(message)
        self.measure = measure
        self.missing = missing


@dataclass(frozen=True)
class Fault:
    """One kind of fault found in one column of one table.

    Attributes
    ----------
    table, column : str
        Where, in the model's names; `column` is empty when the fault is of whole rows.
    kind : str
        Short stable code such as ``"not_a_number"``, ``"not_allowed"``, ``"duplicate_key"``.
    count : int
        Number of rows affected.
    examples : tuple of (int, str)
        Up to three (row in the file, counted from 1 after the header; value as it stands there).
    message : str
        What is wrong and what to do, one line.
    file : str
        The file it stands in, as the user named it; empty for tables made in memory.
    """

    table: str
    column: str
    kind: str
    count: int
    examples: tuple[tuple[int, str], ...]
    message: str
    file: str = ""


class InvalidValues(CrmlabError):
    """The data break the model; every fault found is in `faults` and is a line of the message.

    Attributes
    ----------
    faults : tuple of Fault
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(_with_file(fault) for fault in self.faults))


def _with_file(fault: Fault) -> str:
    return f"{fault.file}: {fault.message}" if fault.file else fault.message
