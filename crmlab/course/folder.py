"""``crmlab new``: a folder with everything a student or an analyst needs to begin."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import crmlab
from crmlab.course import copies
from crmlab.course.copies import Options
from crmlab.data.simulate.effects import datasets_folder
from crmlab.errors import SourceNotFound
from crmlab.language import _, ngettext, number, speaking
from crmlab.report.chapters import all_chapters

#: Files of the bundled company that say what a student is to find out.
ANSWERS = ("effects.toml", "faults.csv", "SHA256SUMS")
#: What a reader looks up in the documentation. The wheel carries the same (tools/hatch_build.py).
DOCS = ("mapping.md", "data_dictionary*.md", "mappings/*.toml")
_LEFT_BEHIND = (".ipynb_checkpoints", ".gitattributes")


@dataclass(frozen=True)
class NewFolder:
    """What was made.

    Attributes
    ----------
    path : Path
    notebooks : tuple of Path
        The chapters' notebooks.
    exercises : tuple of Path
        The exercises, where this crmlab carries them.
    """

    path: Path
    notebooks: tuple[Path, ...]
    exercises: tuple[Path, ...]


def new(folder: str | Path, options: Options) -> NewFolder:
    """Make a folder with notebooks, exercises, the bundled data and a README.

    The data a user names are opened first: what is wrong with them is said before anything is
    written, and what they do not suffice for is left out of the notebooks by name.

    Parameters
    ----------
    folder : str or Path
        A folder that is not there yet, or is empty.
    options : Options

    Raises
    ------
    SourceNotFound
        If there is something in the folder already, or it cannot be written.
    CrmlabError
        If the data are not to be had.
    """
    with speaking(options.language):
        return _new(Path(folder).expanduser(), options)


def _new(folder: Path, options: Options) -> NewFolder:
    _refuse_what_is_there(folder)
    chapters = all_chapters()
    crm = options.workspace()
    notebooks = {
        folder / chapter.path.name: copies.copy_of(chapter, options, folder, crm)
        for chapter in chapters
    }
    was_there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, notebook in notebooks.items():
            copies.write(notebook, path)
        _copy_data(folder / "datasets", options.student)
        _copy_matching(_carried("docs"), folder / "docs", DOCS)
        exercises = _copy_matching(_carried("exercises"), folder / "exercises", ["*"])
        (folder / "README.md").write_text(
            readme(options, bool(exercises)), encoding="utf-8", newline="\n"
        )
    except BaseException as error:
        _undo(folder, was_there)
        if isinstance(error, OSError):
            raise _not_writable(folder, error) from error
        raise
    return NewFolder(folder, tuple(notebooks), exercises)


def _refuse_what_is_there(folder: Path) -> None:
    if folder.is_file():
        message = _("{folder} is a file. Name a folder that is not there yet.")
        raise SourceNotFound(message.format(folder=folder))
    try:
        there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise _not_writable(folder, error) from error
    if there:
        raise SourceNotFound(
            ngettext(
                "The folder {folder} is not empty: {count} entry, {example}. Name a folder that is"
                " not there yet; nothing was changed.",
                "The folder {folder} is not empty: {count} entries, such as {example}. Name a"
                " folder that is not there yet; nothing was changed.",
                len(there),
            ).format(folder=folder, count=number(len(there)), example=there[0])
        )


def _not_writable(folder: Path, error: OSError) -> SourceNotFound:
    message = _("The folder {folder} cannot be made: {reason}. Name another place.")
    return SourceNotFound(message.format(folder=folder, reason=error.strerror or error))


def _undo(folder: Path, was_there: bool) -> None:
    """Leave things as they were: the folder was empty or absent."""
    if not was_there:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _carried(name: str) -> Path | None:
    """What the installed package carries, or a checkout has beside it; None if neither has it.

    Exercises beside a checkout are the instructor's, with solutions: those are never handed out.
    """
    package = Path(crmlab.__file__).parent
    installed, beside = package / f"_{name}", package.parent / name
    if installed.is_dir():
        return installed
    in_checkout = (package.parent / "pyproject.toml").exists() and name != "exercises"
    return beside if in_checkout and beside.is_dir() else None


def _copy_matching(source: Path | None, target: Path, patterns: Iterable[str]) -> tuple[Path, ...]:
    """Copy the files that a pattern fits; the copies."""
    if source is None:
        return ()
    made = []
    for pattern in patterns:
        for path in sorted(path for path in source.glob(pattern) if path.is_file()):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            made.append(copy)
    return tuple(made)


def _copy_data(target: Path, student: str) -> None:
    """The bundled company's files, or those of the student's variant, without the answers."""
    source = datasets_folder()
    if not student:
        ignored = shutil.ignore_patterns(*ANSWERS, *_LEFT_BEHIND)
        shutil.copytree(source, target, ignore=ignored)
        return
    from crmlab.data import simulate
    from crmlab.data.simulate.files import write_tables

    write_tables(simulate.variant(student), target)
    for name in ("workspace.toml", "datapackage.json"):
        shutil.copy(source / name, target)


def readme(options: Options, exercises: bool = False) -> str:
    """The README of a new folder."""
    parts = [_("- `05_tiering.ipynb` and its like: the chapters, a notebook each.")]
    if exercises:
        parts.append(_("- `exercises/`: the exercises, a notebook for each chapter."))
    parts.append(_about_datasets(options.student))
    parts.append(
        _("- `docs/`: the data dictionary, and how a mapping describes files of your own.")
    )
    paragraphs = [
        _("# Customer relationship management in logistics: your folder"),
        _(
            "To begin, give the command `crmlab lab` in this folder and open the first notebook."
            " Everything here is yours to change; crmlab does not overwrite it."
        ),
        "\n".join(parts),
        _(
            "The command `crmlab run` runs the chapters without JupyterLab and writes their reports"
            " into `reports/`. If something does not work, `crmlab doctor` says what to do."
        ),
        _("Made with crmlab {version}.").format(version=crmlab.__version__),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _about_datasets(student: str) -> str:
    if student:
        message = _(
            "- `datasets/`: the tables of the company of student {student} as CSV files. The"
            " notebooks work on the same company."
        )
        return message.format(student=student)
    return _(
        "- `datasets/`: the tables of the bundled company as CSV files. The notebooks read the same"
        ' tables from crmlab itself; to work on these files instead, write `data = "datasets"`'
        " into the first code cell."
    )
