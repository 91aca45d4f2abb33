"""What a student meets after a slip, on the command line or in a cell: one line with the remedy.

Every case is what somebody would really type. The line names what was typed and says what to
do; there is no traceback.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from crmlab import cli
from crmlab.report.execute import NotebookFailed, execute

ORDERS = "No,Client,Date,Amount\n1,a,2025-01-02,10\n2,b,2025-02-03,30\n"
MAPPING = """\
[orders]
files = "own.csv"
[orders.columns]
order_id = "No"
customer_id = "{column}"
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a student's files, good and bad, as the current one."""
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text(ORDERS, encoding="utf-8")
    Path("mapping.toml").write_text(MAPPING.format(column="Client"), encoding="utf-8")
    Path("misspelt.toml").write_text(MAPPING.format(column="Cleint"), encoding="utf-8")
    Path("unknown.toml").write_text('[orders]\nfiles = "own.csv"\nkye = "No"\n', encoding="utf-8")
    Path("nofile.toml").write_text(
        MAPPING.format(column="Client").replace("own", "onw"), encoding="utf-8"
    )
    Path("settings.toml").write_text('[workspace]\nname = "x"\n', encoding="utf-8")
    Path("broken.toml").write_text("[orders\n", encoding="utf-8")
    Path("orders.csv").write_text(ORDERS, encoding="utf-8")
    Path("05_tiering.ipynb").write_text("{}", encoding="utf-8")
    Path("notes").mkdir()
    Path("notes/readme.txt").write_text("hello", encoding="utf-8")
    Path("empty").mkdir()
    for name, content in {
        "excel/orders.xlsx": b"no workbook",
        "parquet/orders.parquet": b"no parquet, only some text",
        "binary/orders.csv": bytes(range(128, 256)) * 8,
        "gbk/orders.csv": "order_id,region\n1,华东\n".encode("gbk"),
        "none/orders.csv": b"",
    }.items():
        Path(name).parent.mkdir()
        Path(name).write_bytes(content)
    return tmp_path


def refused(monkeypatch, capfd, *arguments: str) -> str:
    """The one line that a wrong command is answered with."""
    monkeypatch.setattr(sys, "argv", ["crmlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capfd.readouterr()
    assert ended.value.code == cli.WRONG
    assert said.out == ""
    assert "Traceback" not in said.err
    (line,) = said.err.splitlines()
    return line


COMMANDS = {
    # a misspelt column
    "column of the file": (
        "run --data misspelt.toml",
        "own.csv has no column Cleint",
        "Did you mean Client?",
    ),
    "setting of the mapping": ("run --data unknown.toml", "no setting kye", "Did you mean key?"),
    # a wrong chapter
    "chapter": ("run tierring", "no chapter tierring", "Did you mean tiering?"),
    "chapter to open": ("lab tierring", "no chapter tierring", "Did you mean tiering?"),
    "chapter by number": ("run 99", "no chapter 99", "The chapters are: "),
    # a wrong file
    "no such folder": ("run --data nosuch", "no folder or mapping file nosuch", "Name a folder of"),
    "a folder misspelt": (
        "run --data nots",
        "no folder or mapping file nots",
        "Did you mean notes?",
    ),
    "no such mapping": ("run --data x/y.toml", "no file x/y.toml", "Write its path as seen from"),
    "a mapping misspelt": (
        "run --data maping.toml",
        "no file maping.toml",
        "Did you mean mapping.toml?",
    ),
    "no such file in a mapping": ("run --data nofile.toml", "no file onw.csv", "Did you mean own."),
    "no such folder of files": (
        "run --data mapping.toml --files nosuch",
        "there is no folder nosuch",
        "mapping.toml [orders]",
    ),
    "files without a mapping": ("run --files notes", "files = notes", "Name it in data"),
    "a folder without tables": ("run --data notes", "notes holds no table", "write a mapping"),
    "an empty folder": ("run --data empty", "empty holds no table", "for example orders.csv"),
    "one table": ("run --data orders.csv", "orders.csv is one table", "Name the folder it is in"),
    "a file of unknown columns": (
        "run --data own.csv",
        "own.csv is a single file",
        "Write a mapping",
    ),
    "a notebook for data": (
        "run --data 05_tiering.ipynb",
        "05_tiering.ipynb is neither a folder nor a mapping",
        "Name a folder",
    ),
    "a workbook that is none": (
        "run --data excel/orders.xlsx",
        "excel/orders.xlsx is one table",
        "Name the folder it is in: excel",
    ),
    "no Excel workbook": (
        "run --data excel",
        "excel/orders.xlsx cannot be read as an Excel file",
        "Open it in Excel and save it",
    ),
    "no Parquet": ("run --data parquet", "cannot be read as a Parquet file", "Write it again."),
    "no text": ("run --data binary", "binary/orders.csv is not text", "export it again as CSV"),
    "another encoding": ("run --data gbk", "is not utf-8 text", 'Say encoding = "…"'),
    "nothing in the file": ("run --data none", "Empty CSV file", "Export it again."),
    "a mapping without tables": (
        "run --data settings.toml",
        "names no table",
        "Begin a section such as [orders]",
    ),
    "a mapping that is no TOML": ("run --data broken.toml", "broken.toml is not valid", "line 1"),
    "a database": ("run --data postgresql://u:p@h/d", "(postgresql://…)", "Export the tables"),
    # a wrong date
    "no such month": ("run --as-of 2025-13-01", "2025-13-01 is not a date", "as 2025-12-31"),
    "another order of the date": ("run --as-of 31.12.2025", "is not a date", "Write it as"),
    "before the first order": (
        "run --as-of 2020-01-01",
        "2020-01-01 is before the first order",
        "Choose a day from 2024-01-01 to 2025-12-31",
    ),
    "before the first order, for a folder": (
        "new course --as-of 2020-01-01",
        "2020-01-01 is before the first order",
        "Choose a day from 2024-01-01",
    ),
    # a wrong place
    "reports into a file": ("run --out own.csv", "own.csv cannot be written to", "with --out"),
    "a folder that is not empty": ("new notes", "notes is not empty: 1 entry", "Name a folder"),
    "a file for a new folder": ("new own.csv", "own.csv is a file", "Name a folder"),
    "copies into a file": ("lab --folder own.csv", "cannot be written to", "with --folder"),
    # a wrong language
    "language": ("run --language cn", "no language cn", "Choose one of: en, zh_CN"),
    "language of the doctor": ("doctor --language cn", "no language cn", "Choose one of: en"),
}


@pytest.mark.parametrize(("command", "wrong", "remedy"), COMMANDS.values(), ids=COMMANDS)
def test_the_command_line_answers_a_slip_with_one_line(
    here, monkeypatch, capfd, command, wrong, remedy
):
    line = refused(monkeypatch, capfd, *command.split())
    assert wrong in line
    assert remedy in line


def test_a_slip_is_answered_the_same_by_the_program_itself(here):
    answer = subprocess.run(
        [sys.executable, "-m", "crmlab", "run", "--data", "misspelt.toml"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert (answer.returncode, answer.stdout) == (cli.WRONG, "")
    assert answer.stderr == ("own.csv has no column Cleint (table orders). Did you mean Client?\n")


@pytest.mark.parametrize(
    ("command", "near"),
    [("run --langauge en", "--language"), ("rnu", "run"), ("lab --no-brwser", "--no-browser")],
)
def test_a_misspelt_option_or_command_is_answered_with_the_nearest(
    monkeypatch, capfd, command, near
):
    monkeypatch.setattr(sys, "argv", ["crmlab", *command.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.WRONG
    assert near in capfd.readouterr().err.splitlines()[-1]


CELLS = {
    # a misspelt column, query or choice
    'tiering.on_time(company, by="regoin")': "There is no column regoin to group by. Did you mean"
    " region?",
    'company.query("on_time", by="regoin")': "Did you mean region?",
    'crm.query("on_tme")': "UnknownName: There is no query on_tme. The queries are: ",
    'tiering.lorenz(crm, value="revenu")': "knows the values revenue, orders, not revenu",
    # a wrong file
    'crmlab.load("nosuch")': "SourceNotFound: There is no folder or mapping file nosuch.",
    'crmlab.load("misspelt.toml")': "MappingError: own.csv has no column Cleint",
    # a wrong date
    'crmlab.load("mapping.toml", as_of="2025-13-01")': "is not a date. Write it as 2025-12-31.",
    'crmlab.load("mapping.toml", as_of=2025)': "as_of = 2025 is not a date. Write it as",
    'crmlab.load(as_of="2020-01-01")': "NotEnoughData: as_of = 2020-01-01 is before the first",
    # a missing table or column
    "crm.complaints": "MissingColumns: The data have no table complaints; there are: orders. Add"
    " its file to the folder or a section [complaints] to the mapping.",
    "tiering.on_time(crm)": "tiering.on_time needs orders.on_time",
    "tiering.layers(crm)": "tiering.layers needs orders.cost, which mapping does not have. Name the"
    " columns in the mapping, or leave this measure out.",
    "tiering.priority(crm)": "complaints",
    # a wrong word elsewhere
    'crmlab.set_language("cn")': "UnknownName: There is no language cn. Choose one of: en, zh_CN.",
    "crmlab.load(student=2026)": "Write the student number in quotation marks: student =",
    "crmlab.show(5)": "show() takes what a measure returns, not int.",
}

FIRST = """\
import crmlab
from crmlab import tiering
company = crmlab.load()
crm = crmlab.load("mapping.toml")
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each cell is answered with in a notebook, all run in one kernel."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "own.csv").write_text(ORDERS, encoding="utf-8")
    (folder / "mapping.toml").write_text(
        MAPPING.format(column="Client") + 'ordered_at = "Date"\namount = "Amount"\n',
        encoding="utf-8",
    )
    (folder / "misspelt.toml").write_text(MAPPING.format(column="Cleint"), encoding="utf-8")
    goes_on = {"tags": ["raises-exception"]}
    cells = [new_code_cell(source, metadata=goes_on) for source in CELLS]
    notebook = new_notebook(cells=[new_code_cell(FIRST), *cells])
    with pytest.raises(NotebookFailed) as failed:
        execute(notebook, {}, cwd=folder)
    return {cell.source: cell.outputs for cell in failed.value.notebook.cells}


@pytest.mark.notebooks
@pytest.mark.parametrize("source", CELLS)
def test_a_notebook_cell_answers_a_slip_with_one_line_and_no_traceback(answers, source):
    (output,) = answers[source]
    assert output.output_type == "error"
    (shown,) = output.traceback
    assert "\n" not in shown
    assert CELLS[source] in shown
