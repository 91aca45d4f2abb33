"""The command ``crmlab``.

Exit codes: 0 all went well; 1 a chapter failed; 2 the command or the data are wrong; 130 stopped.
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
from crmlab.language import _, number

if TYPE_CHECKING:
    from crmlab.report import ChapterReport
    from crmlab.report.runner import Progress

#: Exit codes.
CHAPTER_FAILED, WRONG, STOPPED = 1, 2, 130

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


@app.command()
def run(
    chapter: Annotated[
        list[str] | None,
        typer.Argument(help="Chapters by number or name, such as 5 or tiering; all if none."),
    ] = None,
    data: Annotated[
        str,
        typer.Option(help="A folder, a mapping.toml or a database; the bundled company if none."),
    ] = "",
    files: Annotated[str, typer.Option(help="Folder of the files that the mapping names.")] = "",
    student: Annotated[
        str, typer.Option(help="Student number, for a company of the student's own.")
    ] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="Last day that counts, such as 2025-12-31.")
    ] = "",
    language: Annotated[str, typer.Option(help="en or zh_CN.")] = "en",
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
