"""Run chapters and write their reports: notebook, page, workbook and tables."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat import NotebookNode

import crmlab
from crmlab.errors import CrmlabError, SourceNotFound
from crmlab.language import _, day, speaking
from crmlab.report import chapters as chapters_module
from crmlab.report import execute
from crmlab.report.chapters import Chapter
from crmlab.report.excel import write_workbook
from crmlab.report.execute import CELL_TIMEOUT, Failure, NotebookFailed
from crmlab.report.html import About, title, to_html
from crmlab.report.leave_out import LeftOut, cut_short, leave_out, section
from crmlab.report.translate import translate
from crmlab.show.accounting import for_reader

#: Chapters that run side by side.
SIDE_BY_SIDE = 2

#: Each language's name in itself.
LANGUAGE_NAMES = {"en": "English", "zh_CN": "中文"}

#: Called with the chapter's stem, the number of cells begun and the number there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ChapterReport:
    """What became of one chapter.

    Attributes
    ----------
    chapter : str
        Such as ``"05_tiering"``.
    title : str
        The notebook's title in the report's language.
    files : tuple of Path
        What was written, the page first; empty if the chapter failed.
    left_out : tuple of LeftOut
        Sections the data did not suffice for.
    excluded : DataFrame
        Rows read and excluded, step by step, with labels in the report's language.
    failure : Failure or None
        Why it failed, if it did.
    unfinished : Path or None
        The notebook as far as it got, if it failed.
    """

    chapter: str
    title: str
    files: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    excluded: pd.DataFrame = field(default_factory=pd.DataFrame)
    failure: Failure | None = None
    unfinished: Path | None = None


@dataclass(frozen=True)
class _Order:
    """What was asked for, in the user's own words."""

    data: str
    files: str
    student: str
    as_of: str
    language: str
    out: Path
    crm: Any
    cell_timeout: int


def run(
    chapters: Sequence[str] = (),
    *,
    data: str = "",
    files: str = "",
    student: str = "",
    as_of: str = "",
    language: str = "en",
    out: str | Path = "reports",
    progress: Progress | None = None,
    folder: Path | None = None,
    cell_timeout: int = CELL_TIMEOUT,
    side_by_side: int = SIDE_BY_SIDE,
) -> list[ChapterReport]:
    """Run chapters on data and write a report of each into `out`.

    Relative paths mean what they mean in the current folder, here and in the notebooks. The data
    are opened once before anything runs, so that what is wrong with them is said at once, and once.

    Parameters
    ----------
    chapters : sequence of str
        Numbers or names; all chapters if empty.
    data, files, student, as_of : str
        As in `crmlab.load`; empty is the bundled company.
    language : str
        ``"en"`` or ``"zh_CN"``.
    out : str or Path
        Folder for the reports; made if it is not there.
    progress : callable, optional
        Called with the chapter, the number of cells begun and the number of all.
    folder : Path, optional
        Folder of notebooks; crmlab's own by default.
    cell_timeout : int
        Seconds one cell may take.
    side_by_side : int
        Number of chapters that run at the same time.

    Returns
    -------
    list of ChapterReport
        In the order of the chapters. A chapter that fails does not stop the others, and what an
        earlier run wrote for it stays.

    Raises
    ------
    CrmlabError
        If a chapter, the language or the data are not to be had.
    """
    with speaking(language):
        chosen = chapters_module.choose(chapters, folder)
        crm = open_workspace(data, files, student, as_of)
        order = _Order(data, files, student, as_of, language, _made(Path(out)), crm, cell_timeout)
        pool = ThreadPoolExecutor(max_workers=max(1, side_by_side))
        try:
            futures = [pool.submit(_report, chapter, order, progress) for chapter in chosen]
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            execute.stop_kernels()
            raise
        finally:
            pool.shutdown(wait=True)


def open_workspace(data: str, files: str, student: str, as_of: str) -> Any:
    """The data as a workspace, opened once to see what is wrong and what is missing."""
    from crmlab.data import sources

    return sources.load(data, files=files, student=student, as_of=as_of)


def _made(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        message = _("The folder {folder} cannot be written to: {reason}. Name another with --out.")
        raise SourceNotFound(message.format(folder=out, reason=error.strerror)) from error
    return out


def _report(chapter: Chapter, order: _Order, progress: Progress | None) -> ChapterReport:
    begun = ChapterReport(chapter.stem, chapter.name)
    workshop = Path(tempfile.mkdtemp(prefix=f".{chapter.stem}-", dir=order.out))
    try:
        notebook = translate(chapter.read(), chapter.stem, order.language)
        notebook, gone = leave_out(notebook, order.crm)
        begun = replace(
            begun,
            title=title(notebook, chapter.name),
            left_out=tuple(gone),
            excluded=_accounting(order.crm),
        )
        done, short = cut_short(_execute(chapter, notebook, order, workshop, progress))
        begun = replace(begun, left_out=_in_order([*gone, *short], done))
        _write(chapter, done, order, begun, workshop)
        return replace(begun, files=_deliver(chapter, order.out, workshop))
    except NotebookFailed as failed:
        unfinished = _keep_unfinished(chapter, failed.notebook, order, workshop)
        return replace(begun, failure=failed.failure, unfinished=unfinished)
    except CrmlabError as error:
        return replace(begun, failure=Failure("", "", str(error)))
    except Exception as error:  # one chapter's trouble must not lose the others
        return replace(begun, failure=Failure("", "", f"{type(error).__name__}: {error}"))
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _execute(
    chapter: Chapter,
    notebook: NotebookNode,
    order: _Order,
    workshop: Path,
    progress: Progress | None,
) -> NotebookNode:
    tables = workshop / "tables"
    tables.mkdir()
    parameters = _parameters(order, str(tables.resolve()))

    def tell(begun: int, total: int) -> None:
        if progress:
            progress(chapter.stem, begun, total)

    done = execute.execute(
        notebook,
        parameters,
        cell_timeout=order.cell_timeout,
        progress=tell,
        sections_may_end=True,
    )
    tell(len(done.cells), len(done.cells))
    return _in_users_words(done, chapter, order, tables)


def _in_order(left: list[LeftOut], notebook: NotebookNode) -> tuple[LeftOut, ...]:
    """Sections left out before and during the run, in the order of the notebook."""
    places = list(dict.fromkeys(section(cell) for cell in notebook.cells))
    return tuple(sorted(left, key=lambda one: places.index(one.section)))


def _parameters(order: _Order, out: str) -> dict[str, str]:
    return {
        "data": order.data,
        "files": order.files,
        "student": order.student,
        "as_of": order.as_of,
        "language": order.language,
        "out": out,
    }


def _in_users_words(
    notebook: NotebookNode, chapter: Chapter, order: _Order, tables: Path
) -> NotebookNode:
    """The notebook with the folder the user named, not the one the tables were made in."""
    named = (order.out / chapter.stem).as_posix()
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            given = _parameters(order, named)
            cell.source = "\n".join(
                f"{name} = {json.dumps(value)}" for name, value in given.items()
            )
        for output in cell.get("outputs", ()):
            for part in [output, output.get("data", {})]:
                for kind, text in part.items():
                    if isinstance(text, str):
                        part[kind] = text.replace(str(tables.resolve()), named)
    return notebook


def _write(
    chapter: Chapter,
    notebook: NotebookNode,
    order: _Order,
    begun: ChapterReport,
    workshop: Path,
) -> None:
    about = _about(chapter, order, begun)
    page = to_html(notebook, about, fallback_title=chapter.name)
    (workshop / f"{chapter.stem}.html").write_text(page, encoding="utf-8", newline="\n")
    write_notebook(notebook, workshop / f"{chapter.stem}.ipynb")
    write_workbook(
        workshop / "tables",
        workshop / f"{chapter.stem}.xlsx",
        facts=about.facts,
        excluded=begun.excluded,
        left_out=begun.left_out,
    )


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, with the same line ends on every system."""
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def _deliver(chapter: Chapter, out: Path, workshop: Path) -> tuple[Path, ...]:
    """Put the finished files in the place of those of an earlier run, each in one step."""
    delivered = []
    for ending in ("html", "xlsx", "ipynb"):
        name = f"{chapter.stem}.{ending}"
        os.replace(workshop / name, out / name)
        delivered.append(out / name)
    tables = out / chapter.stem
    if tables.exists():
        os.replace(tables, workshop / "before")
    if any((workshop / "tables").iterdir()):
        os.replace(workshop / "tables", tables)
        delivered.append(tables)
    _unfinished(chapter, out).unlink(missing_ok=True)
    return tuple(delivered)


def _unfinished(chapter: Chapter, out: Path) -> Path:
    return out / f"{chapter.stem}.failed.ipynb"


def _keep_unfinished(
    chapter: Chapter, notebook: NotebookNode | None, order: _Order, workshop: Path
) -> Path | None:
    if notebook is None:
        return None
    place = _unfinished(chapter, order.out)
    told = _in_users_words(notebook, chapter, order, workshop / "tables")
    write_notebook(told, workshop / place.name)
    os.replace(workshop / place.name, place)
    return place


# ---- what the report says about itself


def _about(chapter: Chapter, order: _Order, begun: ChapterReport) -> About:
    return About(_facts(chapter, order), begun.excluded, begun.left_out, crmlab.__version__)


def _facts(chapter: Chapter, order: _Order) -> tuple[tuple[str, str], ...]:
    facts = [
        (_("Chapter"), chapter.stem),
        (_("Data"), str(getattr(order.crm, "source", "") or order.data)),
        (_("Files"), order.files),
        (_("Student"), order.student),
        (_("As of"), _day(getattr(order.crm, "as_of", order.as_of))),
        (_("Language"), LANGUAGE_NAMES.get(order.language, order.language)),
        (_("Made with"), f"crmlab {crmlab.__version__}"),
    ]
    return tuple((name, value) for name, value in facts if value)


def _day(value: object) -> str:
    return day(value) if isinstance(value, date) else str(value or "")


def _accounting(crm: object) -> pd.DataFrame:
    found = getattr(crm, "accounting", None)
    return for_reader(found) if isinstance(found, pd.DataFrame) else pd.DataFrame()
