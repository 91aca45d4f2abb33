"""Leave out of a notebook, by name and with the reason, what the given tables cannot answer.

A section that lacks columns is left out before anything runs. Whether there are enough rows is
known only when a cell counts them: such a section ends there, and what came before it stays.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from crmlab.data import model
from crmlab.errors import UnknownName
from crmlab.language import _, ngettext

_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*#*$", re.MULTILINE)

_TOO_FEW = "too_few"

#: Marks the heading of a section; further ones stand below it.
_SECTION = "##"

#: More other ways than so many to compute a measure are not listed.
FEW_WAYS = 2

#: Table to the columns it lacks.
Missing = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class LeftOut:
    """A section of a notebook that was left out.

    Attributes
    ----------
    section : str
        The section's name in the cells' metadata.
    title : str
        Its heading.
    measure : str
        The measure that cannot be computed, such as ``"tiering.rfm"``; empty where the section
        itself asks for a column.
    missing : mapping of str to tuple of str
        Table to the columns it lacks.
    instead : tuple of such mappings
        What the measure lacks in the other ways there are to compute it.
    too_few : str
        Where no column is missing: the sentence that says of what there is not enough.
    """

    section: str
    title: str
    measure: str
    missing: Missing
    instead: tuple[Missing, ...] = ()
    too_few: str = ""

    def columns(self) -> str:
        """What is missing, as ``table.column``, one after the other."""
        return _(", ").join(f"{table}.{column}" for table, column in _each(self.missing))

    def reason(self) -> str:
        """The reason as a sentence."""
        if self.too_few:
            return self.too_few
        return self._sentence(self.measure, self.columns())

    def reason_in_markdown(self) -> str:
        """The reason with the label of each column beside its name."""
        columns = _(", ").join(
            f"{_label(table, column)} (`{table}.{column}`)" for table, column in _each(self.missing)
        )
        return self._sentence(f"`{self.measure}`", columns)

    def _sentence(self, measure: str, columns: str) -> str:
        said = self._needs(measure, columns)
        if len(self.instead) > FEW_WAYS:
            return said + " " + _("It can be computed from other columns too: help() lists them.")
        for way in self.instead:
            others = _(", ").join(f"{table}.{column}" for table, column in _each(way))
            said += " " + _("With {columns} it could be computed too.").format(columns=others)
        return said

    def _needs(self, measure: str, columns: str) -> str:
        count = len(_each(self.missing))
        if not self.measure:
            return ngettext(
                "It needs a column that these data do not have: {columns}.",
                "It needs columns that these data do not have: {columns}.",
                count,
            ).format(columns=columns)
        return ngettext(
            "{measure} needs a column that these data do not have: {columns}.",
            "{measure} needs columns that these data do not have: {columns}.",
            count,
        ).format(measure=measure, columns=columns)


def needs(cell: NotebookNode) -> tuple[str, ...]:
    """What a cell depends on: measures (``tiering.rfm``) and columns (``orders.region``)."""
    return tuple(cell.metadata.get("crmlab", {}).get("needs", ()))


def section(cell: NotebookNode) -> str:
    """The section a cell belongs to; empty if none is said."""
    return str(cell.metadata.get("crmlab", {}).get("section", ""))


def find_measure(name: str) -> Callable[..., Any]:
    """The function behind a measure's name.

    Raises
    ------
    UnknownName
        If crmlab has no such measure.
    """
    module, _dot, function = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"crmlab.{module}"), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownName(_("There is no measure {name}.").format(name=name)) from error


def leave_out(notebook: NotebookNode, crm: Any) -> tuple[NotebookNode, list[LeftOut]]:
    """The notebook without the sections whose measures cannot be computed, and what those were.

    Each such section is replaced by its heading and a note that names the measure and what is
    missing. Cells without a heading of their own belong to the one above, and go without a note
    where one has named their measure already. Sections whose needs are met stay as they are.

    Parameters
    ----------
    notebook : NotebookNode
        With ``crmlab: {"section": …, "needs": […]}`` in the metadata of the cells concerned.
    crm : Workspace
        The tables there are.
    """
    lacking = {name: _missing(name, crm) for cell in notebook.cells for name in needs(cell)}
    lacking = {name: ways for name, ways in lacking.items() if ways}
    kept: list[NotebookNode] = []
    gone: list[LeftOut] = []
    for cells, title in _titled(notebook.cells):
        reasons = [name for name in _all_needs(cells) if name in lacking]
        if not reasons:
            kept.extend(cells)
        elif _heading(cells) or not _said(reasons, gone):
            left = _reasons(cells, title, {name: lacking[name] for name in reasons})
            kept.append(_note(cells, reasons, left))
            gone.extend(left)
    shortened = deepcopy(notebook)
    shortened.cells = deepcopy(kept)
    return shortened, gone


def end_section(cell: NotebookNode, reason: str) -> None:
    """Note in a cell that its section ends there because the data do not suffice."""
    cell.metadata["crmlab"][_TOO_FEW] = " ".join(reason.split())
    cell.outputs = []


def cut_short(notebook: NotebookNode) -> tuple[NotebookNode, list[LeftOut]]:
    """The executed notebook without what follows where a section ended, and those sections.

    From the cell that found too few rows to the end of its section the cells are replaced by a
    note with the reason, once for each heading. What the section showed before stays.

    Parameters
    ----------
    notebook : NotebookNode
        As `crmlab.report.execute.execute` gives it back, `end_section` noted in its cells.
    """
    kept: list[NotebookNode] = []
    gone: list[LeftOut] = []
    for cells, title in _titled(notebook.cells):
        place = next((n for n, cell in enumerate(cells) if _too_few(cell)), len(cells))
        kept.extend(cells[:place])
        if place < len(cells):
            reason = _too_few(cells[place])
            left = LeftOut(section(cells[0]), title, "", {}, too_few=reason)
            if (left.title, reason) not in [(one.title, one.too_few) for one in gone]:
                gone.append(left)
                kept.append(_end_note(cells[place], reason))
    shortened = deepcopy(notebook)
    shortened.cells = deepcopy(kept)
    return shortened, gone


def _too_few(cell: NotebookNode) -> str:
    return str(cell.metadata.get("crmlab", {}).get(_TOO_FEW, ""))


def _end_note(cell: NotebookNode, reason: str) -> NotebookNode:
    said = _("**Left out from here on.** The rest of this section cannot be computed.")
    return new_markdown_cell(
        f"> {said}\n>\n> {reason}",
        id=cell.id,
        metadata={"crmlab": {"section": section(cell), "left_out": list(needs(cell))}},
    )


@cache
def _measure(name: str) -> str:
    """The name if a measure has it. Complaints are a table too, whose columns are no measures."""
    if name.partition(".")[0] not in model.TABLES:
        return name
    try:
        return name if hasattr(find_measure(name), "needs") else ""
    except UnknownName:
        return ""


def _said(reasons: list[str], gone: list[LeftOut]) -> bool:
    """Whether a section left out before was left out for want of one of the measures."""
    return bool({name for name in reasons if _measure(name)} & {one.measure for one in gone})


def _reasons(
    cells: list[NotebookNode], title: str, lacking: Mapping[str, list[Missing]]
) -> list[LeftOut]:
    """Why a section is left out: each measure, then the columns it asks for besides, together."""
    place = section(cells[0]), title
    left = [
        LeftOut(*place, name, first, tuple(others))
        for name, (first, *others) in lacking.items()
        if _measure(name)
    ]
    said = {column for one in left for column in _each(one.missing)}
    besides: dict[str, tuple[str, ...]] = {}
    for name, (first, *_others) in lacking.items():
        for table, column in _each(first):
            if not _measure(name) and (table, column) not in said:
                besides[table] = (*besides.get(table, ()), column)
    return [*left, LeftOut(*place, "", besides)] if besides else left


def _each(missing: Missing) -> list[tuple[str, str]]:
    return [(table, column) for table, names in missing.items() for column in names]


def _missing(name: str, crm: Any) -> list[Missing]:
    """What is lacking, by each way to compute it; empty if there is a way."""
    if _measure(name):
        function: Any = find_measure(name)
        ways = [crm.missing(way) for way in function.needs] if function.missing(crm) else []
    else:
        table, _dot, column = name.partition(".")
        model.table(table).column(column)
        ways = [crm.missing({table: (column,)})]
    return [way for way in ways if way]


def _runs(cells: list[NotebookNode]) -> list[list[NotebookNode]]:
    """Cells that follow each other and name the same section, together; the others one by one."""
    runs: list[list[NotebookNode]] = []
    for cell in cells:
        if runs and section(cell) and section(runs[-1][-1]) == section(cell):
            runs[-1].append(cell)
        else:
            runs.append([cell])
    return runs


def _all_needs(cells: list[NotebookNode]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in needs(cell)))


def _headings(cells: list[NotebookNode]) -> list[tuple[str, str]]:
    markdown = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [(found[1], found[2]) for source in markdown for found in _HEADING.finditer(source)]


def _heading(cells: list[NotebookNode]) -> tuple[str, str] | None:
    return next(iter(_headings(cells)), None)


def _titled(cells: list[NotebookNode]) -> Iterator[tuple[list[NotebookNode], str]]:
    """The runs of `_runs`, each with its own heading, or the one it stands under.

    A lesser heading, such as "By hand", is many sections' own: the section's is put before it.
    """
    part = above = ""
    for run in _runs(cells):
        titles = []
        for level, title in _headings(run):
            lesser = len(level) > len(_SECTION)
            if not lesser:
                part = title if level == _SECTION else ""
            titles.append(_within(part, title) if lesser and part else title)
        yield run, next(iter(titles), above or section(run[0]))
        above = titles[-1] if titles else above


def _within(part: str, title: str) -> str:
    return _("{section} – {part}").format(section=part, part=title)


def _note(cells: list[NotebookNode], reasons: list[str], left: list[LeftOut]) -> NotebookNode:
    heading = _heading(cells)
    lines = [f"{heading[0]} {heading[1]}", ""] if heading else []
    lines.append("> " + _("**Left out.** This section cannot be computed from these data."))
    for one in left:
        lines += [">", "> " + one.reason_in_markdown()]
    return new_markdown_cell(
        "\n".join(lines),
        id=cells[0].id,
        metadata={"crmlab": {"section": section(cells[0]), "left_out": reasons}},
    )


def _label(table: str, column: str) -> str:
    try:
        return model.table(table).column(column).shown()
    except UnknownName:
        return column
