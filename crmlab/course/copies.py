"""A reader's own copies of the notebooks: in their language, with their data named, to be changed.

A copy has no results yet: the reader runs it, and what is asked "before you look" is not answered
beforehand. It notes in its metadata which chapter it is of and with which parameters it was made,
so that it is found again and never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from crmlab.report.chapters import Chapter
from crmlab.report.leave_out import leave_out
from crmlab.report.runner import open_workspace, write_notebook
from crmlab.report.translate import translate

_ASSIGNMENT = re.compile(r"^(?P<name>[a-z_]+)\s*=")
_NOT_IN_A_NAME = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class Options:
    """What a copy is made for, in the user's own words.

    Attributes
    ----------
    data, files, student, as_of : str
        As in `crmlab.load`; empty is the bundled company.
    language : str
        Code of the language.
    """

    data: str = ""
    files: str = ""
    student: str = ""
    as_of: str = ""
    language: str = "en"

    def parameters(self, folder: Path) -> dict[str, str]:
        """The notebook's parameters, with paths that are right for a notebook in `folder`."""
        return {
            "data": _seen_from(folder, self.data),
            "files": _seen_from(folder, self.files),
            "student": self.student,
            "as_of": self.as_of,
            "language": self.language,
            "out": "",
        }

    def workspace(self) -> Any:
        """The user's data, opened to see what is wrong with them; None for the bundled company."""
        if not (self.data or self.files or self.as_of):
            return None
        return open_workspace(self.data, self.files, self.student, self.as_of)


def _seen_from(folder: Path, given: str) -> str:
    """A path as it is written in a notebook of that folder: relative inside it, else absolute."""
    if not given or "://" in given:
        return given
    path = Path(os.path.abspath(Path(given).expanduser()))
    home = Path(os.path.abspath(folder))
    return (path.relative_to(home) if path.is_relative_to(home) else path).as_posix()


def copy_of(chapter: Chapter, options: Options, folder: Path, crm: Any = None) -> NotebookNode:
    """A copy of a chapter's notebook for a folder; nothing is written.

    Parameters
    ----------
    chapter : Chapter
    options : Options
    folder : Path
        Where the copy will be.
    crm : Workspace, optional
        The user's data: sections that they do not suffice for are left out.
    """
    original = chapter.read()
    notebook = translate(original, chapter.stem, options.language)
    if crm is not None:
        notebook, _gone = leave_out(notebook, crm)
    parameters = options.parameters(folder)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = _filled(cell.source, parameters)
    notebook.metadata["crmlab"] = {
        "chapter": chapter.stem,
        "edition": edition(original),
        "parameters": parameters,
    }
    return notebook


def _filled(source: str, parameters: dict[str, str]) -> str:
    """The lines of a parameters cell with these values; lines that set anything else stay."""
    lines = [line for line in source.splitlines() if _name_set(line) not in parameters]
    given = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items()
    ]
    return "\n".join(lines + given)


def _name_set(line: str) -> str:
    found = _ASSIGNMENT.match(line)
    return found["name"] if found else ""


def edition(notebook: NotebookNode) -> str:
    """Short mark of what a chapter says; another one where its text or code has changed."""
    text = "\n".join(f"{cell.cell_type}:{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def about(path: Path) -> dict[str, Any]:
    """What a copy notes of itself; empty for any other file."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return {}  # not a notebook, or not any more: it is not ours to judge
    return dict(deepcopy(notebook.metadata.get("crmlab", {})))


def find(folder: Path, chapter: Chapter) -> dict[Path, dict[str, Any]]:
    """The copies of a chapter in a folder, each with what it notes of itself."""
    noted = {path: about(path) for path in sorted(folder.glob(f"{chapter.stem}*.ipynb"))}
    return {path: note for path, note in noted.items() if note.get("chapter") == chapter.stem}


def name_for(chapter: Chapter, options: Options, folder: Path) -> Path:
    """A file that is not there yet, named after the chapter and what is special about the copy."""
    special = [
        options.language if options.language != "en" else "",
        options.student,
        Path(options.data).stem,
        options.as_of,
    ]
    words = [_NOT_IN_A_NAME.sub("-", word) for word in special if word]
    base = "_".join([chapter.stem, *words])
    path, number = folder / f"{base}.ipynb", 1
    while path.exists():
        number += 1
        path = folder / f"{base}_{number}.ipynb"
    return path


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a copy where no file is yet.

    Raises
    ------
    FileExistsError
        If there is a file: a reader's work is never overwritten.
    """
    path.open("x").close()
    write_notebook(notebook, path)
