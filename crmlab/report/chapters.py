"""Which chapters there are, and which one a user means by ``5``, ``05`` or ``tiering``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat

import crmlab
from crmlab.errors import SourceNotFound, UnknownName
from crmlab.language import _

_STEM = re.compile(r"(?P<number>\d\d)_(?P<name>[a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Chapter:
    """A chapter's notebook.

    Attributes
    ----------
    path : Path
        The notebook file, named like ``05_tiering.ipynb``.
    """

    path: Path

    @property
    def stem(self) -> str:
        """``05_tiering``."""
        return self.path.stem

    @property
    def number(self) -> int:
        """``5``."""
        return int(self.stem[:2])

    @property
    def name(self) -> str:
        """``tiering``."""
        return self.stem[3:]

    def read(self) -> nbformat.NotebookNode:
        """The notebook as it stands in the file."""
        return nbformat.read(self.path, as_version=4)


def folder() -> Path:
    """Where the notebooks are: inside the installed package, or beside it in a checkout."""
    package = Path(crmlab.__file__).parent
    installed = package / "_notebooks"
    return installed if installed.is_dir() else package.parent / "notebooks"


def all_chapters(where: Path | None = None) -> list[Chapter]:
    """Every chapter there is, in order.

    Parameters
    ----------
    where : Path, optional
        Folder of notebooks; crmlab's own by default.

    Raises
    ------
    SourceNotFound
        If the folder has none.
    """
    where = where or folder()
    found = [Chapter(path) for path in sorted(where.glob("*.ipynb")) if _STEM.fullmatch(path.stem)]
    if not found:
        raise SourceNotFound(
            _("There are no chapters in {folder}: no file named like 05_tiering.ipynb.").format(
                folder=where
            )
        )
    return found


def choose(names: Iterable[str], where: Path | None = None) -> list[Chapter]:
    """The chapters a user means, each once, in order of number; all of them if none is named.

    Parameters
    ----------
    names : iterable of str
        Each a number (``5``, ``05``), a name (``tiering``) or both (``05_tiering``).
    where : Path, optional
        Folder of notebooks; crmlab's own by default.

    Raises
    ------
    UnknownName
        If there is no such chapter; the message lists those there are.
    """
    chapters = all_chapters(where)
    wanted = [_find(name, chapters) for name in names]
    return [chapter for chapter in chapters if not wanted or chapter in wanted]


def _find(name: str, chapters: list[Chapter]) -> Chapter:
    asked = name.strip().lower().removesuffix(".ipynb")
    for chapter in chapters:
        if asked in (str(chapter.number), chapter.stem[:2], chapter.name, chapter.stem):
            return chapter
    stems = ", ".join(chapter.stem for chapter in chapters)
    known = [word for chapter in chapters for word in (chapter.name, chapter.stem)]
    close = difflib.get_close_matches(asked, known, n=1)
    if close:
        message = _("There is no chapter {name}. Did you mean {close}? The chapters are: {names}.")
        raise UnknownName(message.format(name=name, close=close[0], names=stems))
    message = _("There is no chapter {name}. The chapters are: {names}.")
    raise UnknownName(message.format(name=name, names=stems))
