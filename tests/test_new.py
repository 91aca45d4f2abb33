"""``crmlab new`` and ``crmlab lab``: copies to work in, and nobody's work overwritten."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import crmlab
from crmlab import cli
from crmlab.course import copies, lab
from crmlab.course import folder as course_folder
from crmlab.course.copies import Options
from crmlab.errors import CrmlabError, SourceNotFound, UnknownName
from crmlab.report import all_chapters
from crmlab.report.chapters import choose
from crmlab.report.execute import execute

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-02,10\n2,b,2025-02-03,30\n"
MAPPING = '[orders]\nfiles = "own.csv"\n[orders.columns]\norder_id = "order_id"\n'
NAMES = [chapter.path.name for chapter in all_chapters()]
TIERING = "05_tiering.ipynb"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_data_copied(monkeypatch):
    """The bundled files are large; most tests are not about them."""
    monkeypatch.setattr(course_folder, "_copy_data", lambda target, student: target.mkdir())


@pytest.fixture
def jupyter(monkeypatch) -> list[list[str]]:
    """Do not start JupyterLab; the commands that would have."""
    started = []

    class Ended:
        def __init__(self, command, env):
            started.append(command)

        def wait(self):
            return 0

    monkeypatch.setattr(subprocess, "Popen", Ended)
    return started


def run_main(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["crmlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def parameters(path: Path) -> dict[str, str]:
    notebook = nbformat.read(path, 4)
    (cell,) = [one for one in notebook.cells if "parameters" in one.metadata.get("tags", ())]
    values: dict[str, str] = {}
    exec(cell.source, {}, values)
    return values


def write_own_data(folder: Path) -> None:
    (folder / "own.csv").write_text(ORDERS, encoding="utf-8")
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")


# ---- crmlab new


def test_a_new_folder_has_notebooks_data_documentation_and_a_readme(here):
    made = course_folder.new("course", Options())
    assert [path.name for path in made.notebooks] == NAMES
    assert made.exercises == ()
    assert {path.name for path in (here / "course").iterdir()} == {
        *NAMES,
        "README.md",
        "datasets",
        "docs",
    }
    assert (here / "course/datasets/orders.csv").exists()
    assert (here / "course/docs/mappings/raw.toml").exists()
    assert "`crmlab lab`" in (here / "course/README.md").read_text(encoding="utf-8")


def test_the_answers_are_not_handed_out(here):
    course_folder.new("course", Options())
    names = {path.name for path in (here / "course").rglob("*")}
    assert not names & {"effects.toml", "faults.csv"}
    assert crmlab.load(here / "course/datasets").rows("orders") == crmlab.load().rows("orders")


def test_a_student_gets_the_tables_of_the_company_in_the_notebooks(here):
    course_folder.new("course", Options(student="20261234"))
    theirs = crmlab.load(student="20261234")
    files = crmlab.load(here / "course/datasets")
    assert files.rows("orders") == theirs.rows("orders") != crmlab.load().rows("orders")
    assert parameters(here / "course" / TIERING)["student"] == "20261234"
    assert "20261234" in (here / "course/README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_data_copied")
def test_a_new_notebook_has_no_results_yet_and_the_original_is_as_it_was(here):
    chapter = choose(["tiering"])[0]
    english = {cell.id: cell.source for cell in chapter.read().cells}
    before = chapter.path.read_bytes()
    course_folder.new("course", Options(language="zh_CN"))
    copy = nbformat.read(here / "course" / TIERING, 4)
    assert not any(cell.get("outputs") for cell in copy.cells)
    assert [cell.id for cell in copy.cells] == list(english)
    assert [
        cell for cell in copy.cells if "客户" in cell.source and cell.source != english[cell.id]
    ]
    assert parameters(here / "course" / TIERING)["language"] == "zh_CN"
    assert chapter.path.read_bytes() == before


@pytest.mark.usefixtures("no_data_copied")
def test_what_a_users_data_cannot_answer_is_left_out_by_name(here):
    write_own_data(here)
    course_folder.new("course", Options(data="mapping.toml"))
    text = (here / "course" / TIERING).read_text(encoding="utf-8")
    assert "orders.cost" in text
    assert "**Left out.**" in text


@pytest.mark.notebooks
@pytest.mark.usefixtures("no_data_copied")
def test_a_relative_path_still_works_from_inside_the_folder(here):
    write_own_data(here)
    course_folder.new("course", Options(data="mapping.toml", files="."))
    path = here / "course" / TIERING
    notebook = nbformat.read(path, 4)
    first = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
    notebook.cells = [*first, nbformat.v4.new_code_cell("print(crm.rows('orders'))")]
    done = execute(notebook, {}, cwd=path.parent)
    assert done.cells[-1].outputs[0].text == "2\n"


def test_a_path_inside_the_folder_is_written_relative_and_an_address_as_it_is(here):
    inside = Options(data="course/mapping.toml", files="data").parameters(here / "course")
    assert inside["data"] == "mapping.toml"
    assert inside["files"] == (here / "data").as_posix()
    assert Options(data="postgresql://h/x").parameters(here)["data"] == "postgresql://h/x"


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_folder_with_anything_in_it_is_refused_and_stays_as_it_is(here, name):
    (here / "course").mkdir()
    (here / "course" / name).write_text("mine", encoding="utf-8")
    with pytest.raises(SourceNotFound, match=f"not empty: 1 entry, {re.escape(name)}"):
        course_folder.new("course", Options())
    assert [path.name for path in (here / "course").iterdir()] == [name]


@pytest.mark.usefixtures("no_data_copied")
def test_an_empty_folder_is_taken_the_current_one_too(here, monkeypatch, capsys):
    assert run_main(monkeypatch, "new", ".") == 0
    assert (here / TIERING).exists()
    assert "crmlab lab" in capsys.readouterr().out


def test_a_file_is_no_folder(here):
    (here / "course").write_text("mine", encoding="utf-8")
    with pytest.raises(SourceNotFound, match="is a file"):
        course_folder.new("course", Options())


@pytest.mark.parametrize("was_there", [True, False])
def test_a_folder_that_cannot_be_finished_is_not_left_half_done(here, monkeypatch, was_there):
    def full(target, student):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(course_folder, "_copy_data", full)
    if was_there:
        (here / "course").mkdir()
    with pytest.raises(SourceNotFound, match="No space left on device"):
        course_folder.new("course", Options())
    assert (here / "course").exists() == was_there
    assert not list(here.rglob("*.ipynb"))


def test_wrong_data_are_said_before_anything_is_written(here):
    with pytest.raises(CrmlabError):
        course_folder.new("course", Options(data="nosuch.toml"))
    with pytest.raises(UnknownName):
        course_folder.new("course", Options(language="fr"))
    assert not (here / "course").exists()


def test_exercises_come_from_the_package_and_never_from_beside_a_checkout(
    here, monkeypatch, no_data_copied
):
    package = here / "project/crmlab"
    (package / "_exercises").mkdir(parents=True)
    (package / "_exercises/05_tiering.ipynb").write_text("for students", encoding="utf-8")
    (here / "project/exercises").mkdir()
    (here / "project/exercises/solutions.ipynb").write_text("secret", encoding="utf-8")
    (here / "project/pyproject.toml").touch()
    chapters = all_chapters()
    monkeypatch.setattr(course_folder, "all_chapters", lambda: chapters)
    monkeypatch.setattr(crmlab, "__file__", str(package / "__init__.py"))
    made = course_folder.new("with", Options())
    assert [path.name for path in made.exercises] == ["05_tiering.ipynb"]
    assert "exercises/" in (here / "with/README.md").read_text(encoding="utf-8")
    (package / "_exercises/05_tiering.ipynb").unlink()
    (package / "_exercises").rmdir()
    assert course_folder.new("without", Options()).exercises == ()


# ---- crmlab lab


def test_lab_makes_copies_of_all_chapters_in_a_folder_of_its_own(here):
    prepared = lab.prepare()
    assert prepared.folder == Path("crmlab-notebooks")
    assert [path.name for path in prepared.made] == NAMES
    assert (prepared.kept, prepared.opened) == ((), None)


def test_a_second_lab_opens_what_the_reader_left_and_overwrites_nothing(here):
    (copy,) = lab.prepare(["tiering"]).made
    copy.write_text(copy.read_text(encoding="utf-8").replace("# 5 ", "# Mine "), encoding="utf-8")
    before = copy.read_bytes()
    again = lab.prepare(["5"])
    assert (again.made, again.kept, again.opened) == ((), (copy,), copy)
    assert copy.read_bytes() == before


def test_other_options_make_another_copy_that_is_found_again(here):
    plain = lab.prepare(["tiering"]).opened
    chinese = lab.prepare(["tiering"], Options(language="zh_CN")).opened
    student = lab.prepare(["tiering"], Options(student="20261234")).opened
    assert [path.name for path in (plain, chinese, student)] == [
        "05_tiering.ipynb",
        "05_tiering_zh_CN.ipynb",
        "05_tiering_20261234.ipynb",
    ]
    assert lab.prepare(["tiering"], Options(student="20261234")).kept == (student,)
    assert lab.prepare(["tiering"]).kept == (plain,)


def test_a_name_that_is_taken_by_something_else_gets_a_number(here):
    folder = here / "crmlab-notebooks"
    folder.mkdir()
    (folder / "05_tiering_zh_CN.ipynb").write_text("not a notebook", encoding="utf-8")
    made = lab.prepare(["tiering"], Options(language="zh_CN")).opened
    assert made.name == "05_tiering_zh_CN_2.ipynb"
    assert (folder / "05_tiering_zh_CN.ipynb").read_text(encoding="utf-8") == "not a notebook"


@pytest.mark.usefixtures("no_data_copied")
def test_in_a_folder_made_by_new_lab_opens_its_notebooks(here, monkeypatch):
    course_folder.new("course", Options(language="zh_CN"))
    monkeypatch.chdir(here / "course")
    plain, chinese = lab.prepare(), lab.prepare(options=Options(language="zh_CN"))
    assert plain.made == chinese.made == ()
    assert [path.name for path in plain.kept] == NAMES
    assert not Path("crmlab-notebooks").exists()


def test_in_the_folder_of_originals_lab_still_makes_copies(here):
    original = choose(["tiering"])[0].path
    (here / TIERING).write_bytes(original.read_bytes())
    assert lab.prepare(["tiering"]).folder == Path("crmlab-notebooks")


def test_a_copy_of_another_edition_is_said_and_kept(here, monkeypatch):
    (copy,) = lab.prepare(["tiering"]).made
    monkeypatch.setattr(copies, "edition", lambda notebook: "another")
    again = lab.prepare(["tiering"])
    assert again.older == again.kept == (copy,)


def test_jupyterlab_works_in_the_folder_and_asks_no_other_host(here, monkeypatch, jupyter, capsys):
    options = ["--no-browser", "--port", "9999"]
    assert run_main(monkeypatch, "lab", "tiering", *options, "--", "--allow-root") == 0
    (command,) = jupyter
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={here / 'crmlab-notebooks'}" in command
    assert "--LabApp.default_url=/lab/tree/05_tiering.ipynb" in command
    assert command[-3:] == ["--allow-root", "--no-browser", "--port=9999"]
    assert "--LabApp.news_url=None" in command
    said = capsys.readouterr().out
    assert "05_tiering.ipynb: made now" in said
    run_main(monkeypatch, "lab", "--", "--allow-root")
    assert "05_tiering.ipynb: as you left it" in capsys.readouterr().out
    assert jupyter[1][-1] == "--allow-root"


def test_the_question_about_news_is_turned_off_for_jupyterlab(monkeypatch):
    from jupyterlab_server.config import get_page_config

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.environment({})["JUPYTER_CONFIG_PATH"])
    disabled = get_page_config([])["disabledExtensions"]
    assert "@jupyterlab/apputils-extension:announcements" in disabled


def test_the_readers_own_jupyter_settings_stay():
    given = {"JUPYTER_CONFIG_PATH": "theirs", "JUPYTER_PREFER_ENV_PATH": "0", "HOME": "h"}
    made = lab.environment(given)
    assert made["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0] == "theirs"
    assert (made["JUPYTER_PREFER_ENV_PATH"], made["HOME"]) == ("0", "h")
    assert lab.environment({})["JUPYTER_PREFER_ENV_PATH"] == "1"


def test_stopping_jupyterlab_is_left_to_jupyterlab(here, monkeypatch):
    class Asked:
        waits = 0

        def __init__(self, command, env):
            pass

        def wait(self):
            Asked.waits += 1
            if Asked.waits == 1:
                raise KeyboardInterrupt
            return 3

    monkeypatch.setattr(subprocess, "Popen", Asked)
    assert lab.start(lab.prepare(["tiering"])) == 3
    assert Asked.waits == 2
