"""The command ``crmlab``.

Exit codes: 0 all went well; 1 a chapter failed, or the doctor found a fault; 2 the command or the
data are wrong; 130 stopped.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import crmlab
from crmlab.errors import CrmlabError
from crmlab.language import _, ngettext, number

if TYPE_CHECKING:
    from crmlab.course.lab import Lab
    from crmlab.report import ChapterReport
    from crmlab.report.runner import Progress

#: Exit codes.
CHAPTER_FAILED, FAULT_FOUND, WRONG, STOPPED = 1, 1, 2, 130

_WIDE = 10_000

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command; what a user can put right is said in its own words, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # a console that has no Chinese shows a mark in its place, rather than failing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except CrmlabError as error:
        print(str(error), file=sys.stderr)
        raise SystemExit(WRONG) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"crmlab {crmlab.__version__}")
        raise typer.Exit


@app.callback()
def _crmlab(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Teach, learn and analyse customer relationship management in logistics."""


# The options that several commands have, each said once.
_Data = Annotated[
    str, typer.Option(help="A folder, a mapping.toml or a database; the bundled company if none.")
]
_Files = Annotated[str, typer.Option(help="Folder of the files that the mapping names.")]
_Student = Annotated[str, typer.Option(help="Student number, for a company of the student's own.")]
_AsOf = Annotated[str, typer.Option("--as-of", help="Last day that counts, such as 2025-12-31.")]
_Language = Annotated[str, typer.Option(help="en or zh_CN.")]


@app.command()
def run(
    chapter: Annotated[
        list[str] | None,
        typer.Argument(help="Chapters by number or name, such as 5 or tiering; all if none."),
    ] = None,
    data: _Data = "",
    files: _Files = "",
    student: _Student = "",
    as_of: _AsOf = "",
    language: _Language = "en",
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("reports"),
) -> None:
    """Run chapters on data and write a report of each: HTML, Excel, notebook."""
    # Imported here: the help should not wait for pandas and Jupyter.
    from crmlab import report

    try:
        with _progress() as progress:
            reports = report.run(
                chapter or [],
                data=data,
                files=files,
                student=student,
                as_of=as_of,
                language=language,
                out=out,
                progress=progress,
            )
    except KeyboardInterrupt:
        print(_("Stopped."), file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    crmlab.set_language(language)
    _tell(reports)
    if any(one.failure for one in reports):
        raise typer.Exit(CHAPTER_FAILED)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; not there yet, or empty.")],
    data: _Data = "",
    files: _Files = "",
    student: _Student = "",
    as_of: _AsOf = "",
    language: _Language = "en",
) -> None:
    """Make a folder with notebooks to work in, the bundled data and a README."""
    crmlab.set_language(language)
    from crmlab.course import folder as course_folder
    from crmlab.course.copies import Options

    made = course_folder.new(folder, Options(data, files, student, as_of, language))
    print(
        ngettext(
            "{folder} is made, with {count} chapter.",
            "{folder} is made, with {count} chapters.",
            len(made.notebooks),
        ).format(folder=made.path, count=number(len(made.notebooks)))
    )
    print(_('To open it: go there with "cd {folder}" and give "crmlab lab".').format(folder=folder))


@app.command()
def lab(
    chapter: Annotated[
        list[str] | None,
        typer.Argument(help="Chapters by number or name; all if none. After --: for jupyter lab."),
    ] = None,
    data: _Data = "",
    files: _Files = "",
    student: _Student = "",
    as_of: _AsOf = "",
    language: _Language = "en",
    folder: Annotated[
        str,
        typer.Option(
            help="Folder of the copies; the current one if it has some, else crmlab-notebooks."
        ),
    ] = "",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address instead of opening it.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of JupyterLab; a free one from 8888 on.")] = 0,
) -> None:
    """Open JupyterLab on copies of the notebooks; what you change in them is kept."""
    crmlab.set_language(language)
    from crmlab.course import lab as course_lab
    from crmlab.course.copies import Options

    chapters, passed_on = _before_and_after_dashes(chapter or [])
    options = Options(data, files, student, as_of, language)
    prepared = course_lab.prepare(chapters, options, folder=folder)
    _tell_copies(prepared)
    passed_on += ["--no-browser"] if no_browser else []
    passed_on += [f"--port={port}"] if port else []
    raise typer.Exit(course_lab.start(prepared, passed_on))


def _before_and_after_dashes(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Chapters, and the options of JupyterLab: those can only stand after ``--``."""
    first = next((i for i, word in enumerate(given) if word.startswith("-")), len(given))
    return list(given[:first]), list(given[first:])


def _tell_copies(lab: Lab) -> None:
    print(_("Your notebooks are in {folder}.").format(folder=lab.folder.resolve()))
    for path in lab.made:
        print(_("- {name}: made now").format(name=path.name))
    for path in lab.kept:
        said = _("- {name}: as you left it")
        if path in lab.older:
            said = _(
                "- {name}: as you left it; crmlab has another edition of this chapter now. To get"
                " it, rename yours."
            )
        print(said.format(name=path.name))
    sys.stdout.flush()


@app.command()
def doctor(language: _Language = "en") -> None:
    """Check whether this computer has what crmlab needs, and say what to do if not."""
    crmlab.set_language(language)
    from crmlab import doctor as checks

    words = {checks.OK: _("OK"), checks.NOTE: _("note"), checks.FAULT: _("FAULT")}
    found = []
    for finding in checks.examine():
        found.append(finding.state)
        print(f"{words[finding.state]}  {finding.about}: {finding.said}", flush=True)
    if checks.FAULT in found:
        raise typer.Exit(FAULT_FOUND)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar for each chapter; nothing where nobody is looking."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True) as bars:
        tasks = {}

        def show(chapter: str, begun: int, total: int) -> None:
            if chapter not in tasks:
                tasks[chapter] = bars.add_task(escape(chapter), total=total)
            bars.update(tasks[chapter], completed=begun, total=total)

        yield show


def _tell(reports: Sequence[ChapterReport]) -> None:
    """What was written, what was left out and why, what was excluded, what failed."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # In a file or a pipe a path stays on one line.
        console = Console(highlight=False, width=_WIDE)
    written = [(one.chapter, str(path)) for one in reports for path in one.files]
    _print_table(console, _("Written"), (_("Chapter"), _("File")), written)
    left_out = [
        (one.chapter, left.title, left.reason()) for one in reports for left in one.left_out
    ]
    _print_table(console, _("Left out"), (_("Chapter"), _("Section"), _("Reason")), left_out)
    excluded = next((one.excluded for one in reports if not one.excluded.empty), None)
    if excluded is not None:
        rows = [[_as_text(value) for value in row] for row in excluded.itertuples(index=False)]
        names = [str(name) for name in excluded.columns]
        _print_table(console, _("Rows read and excluded"), names, rows)
    for one in reports:
        if one.failure:
            print(_failed(one), file=sys.stderr)


def _as_text(value: object) -> str:
    return number(value) if isinstance(value, int) else str(value)


def _print_table(
    console: Console, title: str, names: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    if not rows:
        return
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    console.print(table)
    console.print()


def _failed(report: ChapterReport) -> str:
    failure = report.failure
    assert failure is not None
    if not failure.cell:
        message = _("{chapter} failed: {message}")
        return message.format(chapter=report.chapter, message=failure.message)
    lines = [
        _("{chapter} failed in cell {cell} ({first_line}): {message}").format(
            chapter=report.chapter,
            cell=failure.cell,
            first_line=failure.first_line,
            message=failure.message,
        )
    ]
    if report.unfinished:
        message = _("The notebook as far as it got: {path}")
        lines.append(message.format(path=report.unfinished))
    return "\n".join(lines)
