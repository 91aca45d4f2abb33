"""The command ``crmlab``, run as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from datetime import date
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import crmlab
from crmlab import cli, language, report
from crmlab.errors import InvalidValues, UnknownName
from crmlab.report import ChapterReport, Failure, LeftOut, runner


def command(*arguments: str, **settings) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "crmlab", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=120,
        **settings,
    )


@pytest.fixture(autouse=True)
def _english():
    yield
    language.set_language("en")


def run_main(monkeypatch, *arguments: str) -> int:
    """Run the command in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["crmlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def answer_with(monkeypatch, *reports: ChapterReport) -> dict:
    """Let a run answer with these reports; what it was asked for is in the dictionary."""
    asked = {}

    def fake(chapters, **options):
        asked.update(options, chapters=chapters)
        return list(reports)

    monkeypatch.setattr(report, "run", fake)
    return asked


WRITTEN = ChapterReport(
    "05_tiering",
    "Tiering",
    files=(Path("reports/05_tiering.html"), Path("reports/05_tiering.xlsx")),
    left_out=(LeftOut("rfm", "RFM [1]", "tiering.rfm", {"orders": ("amount",)}),),
    excluded=pd.DataFrame({"table": ["orders"], "excluded": [135080]}),
)
FAILED = ChapterReport("04_complaints", "Complaints", failure=Failure("a", "x = 1", "No: no"))


def test_the_version_is_printed():
    answer = command("--version")
    assert answer.returncode == 0
    assert answer.stdout.strip() == f"crmlab {crmlab.__version__}"


def test_the_help_lists_the_options():
    answer = command("run", "--help")
    assert answer.returncode == 0
    for option in ("--data", "--files", "--student", "--as-of", "--language", "--out"):
        assert option in answer.stdout


def test_the_help_lists_the_commands():
    answer = command("--help")
    assert answer.returncode == 0
    for name in ("run", "new", "lab", "doctor"):
        assert re.search(rf"^ +{name} ", answer.stdout, re.MULTILINE)


def test_the_help_does_not_wait_for_pandas():
    loads = "import sys, crmlab.cli; print('pandas' in sys.modules, 'papermill' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True)
    assert answer.stdout.split() == ["False", "False"]


def test_an_unknown_chapter_is_wrong_usage_said_in_one_line():
    answer = command("run", "teiring")
    assert answer.returncode == cli.WRONG
    assert answer.stdout == ""
    assert answer.stderr.startswith("There is no chapter teiring.")
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_console_without_chinese_still_gets_the_message():
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    answer = subprocess.run(
        [sys.executable, "-m", "crmlab", "run", "分级"],
        capture_output=True,
        env={**os.environ, **ascii_only},
    )
    assert answer.returncode == cli.WRONG
    assert answer.stderr.startswith(b"There is no chapter ??.")


def test_an_unknown_option_is_wrong_usage(monkeypatch):
    assert run_main(monkeypatch, "run", "--dat", "x") == cli.WRONG


def test_an_unknown_language_is_wrong_usage(monkeypatch, capsys, tmp_path):
    out = str(tmp_path / "reports")
    assert run_main(monkeypatch, "run", "--language", "fr", "--out", out) == cli.WRONG
    assert "fr" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_the_options_reach_the_run(monkeypatch):
    asked = answer_with(monkeypatch, WRITTEN)
    options = ["--data", "d", "--files", "f", "--student", "7", "--as-of", "2025-12-31"]
    run_main(monkeypatch, "run", "5", "tiering", *options, "--language", "en", "--out", "o")
    assert asked.pop("progress") is None, "quiet where nobody is looking"
    assert asked == {
        "chapters": ["5", "tiering"],
        "data": "d",
        "files": "f",
        "student": "7",
        "as_of": "2025-12-31",
        "language": "en",
        "out": Path("o"),
    }


def test_a_bare_run_is_every_chapter_on_the_bundled_company_into_reports(monkeypatch):
    asked = answer_with(monkeypatch, WRITTEN)
    run_main(monkeypatch, "run")
    assert (asked["chapters"], asked["data"], asked["out"]) == ([], "", Path("reports"))


def test_the_closing_table_says_what_was_written_left_out_and_excluded(monkeypatch, capsys):
    answer_with(monkeypatch, WRITTEN)
    assert run_main(monkeypatch, "run") == 0
    said = capsys.readouterr().out
    assert re.search(r"05_tiering +reports/05_tiering\.html", said)
    assert re.search(r"RFM \[1\] +tiering\.rfm needs a column .*: orders\.amount\.", said)
    assert re.search(r"orders +135,080", said)


def test_a_failed_chapter_is_named_with_its_cell_and_the_exit_code_says_so(monkeypatch, capsys):
    answer_with(monkeypatch, FAILED, WRITTEN)
    assert run_main(monkeypatch, "run") == cli.CHAPTER_FAILED
    said = capsys.readouterr()
    assert said.err == "04_complaints failed in cell a (x = 1): No: no\n"
    assert "05_tiering.html" in said.out


@pytest.mark.parametrize("error", [UnknownName("No."), InvalidValues([])])
def test_what_a_user_can_put_right_is_said_without_a_traceback(monkeypatch, capsys, error):
    def refuse(chapters, **options):
        raise error

    monkeypatch.setattr(report, "run", refuse)
    assert run_main(monkeypatch, "run") == cli.WRONG
    assert capsys.readouterr().err == f"{error}\n"


def test_stopping_is_said_and_has_an_exit_code_of_its_own(monkeypatch, capsys):
    def stop(chapters, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "run", stop)
    assert run_main(monkeypatch, "run") == cli.STOPPED
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.notebooks
def test_relative_paths_mean_what_they_mean_where_the_command_was_given(tmp_path, monkeypatch):
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    reads = new_code_cell("print(open(data).read())", id="read")
    cells = [
        new_markdown_cell("# T", id="title"),
        new_code_cell('data = out = ""', id="parameters", metadata={"tags": ["parameters"]}),
        reads,
    ]
    nbformat.write(new_notebook(cells=cells), chapters / "05_tiering.ipynb")
    here = tmp_path / "here"
    here.mkdir()
    (here / "mapping.toml").write_text("found")
    monkeypatch.chdir(here)
    crm = types.SimpleNamespace(source="x", as_of=date(2025, 1, 1))
    monkeypatch.setattr(runner, "open_workspace", lambda *given: crm)
    monkeypatch.setattr(report.chapters, "folder", lambda: chapters)
    assert run_main(monkeypatch, "run", "tiering", "--data", "mapping.toml") == 0
    done = nbformat.read(here / "reports" / "05_tiering.ipynb", 4)
    assert done.cells[-1].outputs[0].text == "found\n"
    assert 'data = "mapping.toml"' in done.cells[2].source
