"""The wheel carries what a reader without the checkout needs, works there, and has no solutions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import get_uv
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NEEDED_TO_BUILD = ["pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0"]
FOLDERS = ["crmlab", "notebooks", "datasets", "docs", "exercises"]
# How nbgrader marks what students must not see. Code may name the marks, not begin a line with one.
SOLUTION = re.compile(rb"### ?BEGIN (SOLUTION|HIDDEN TESTS)|### ?END (SOLUTION|HIDDEN TESTS)")
SOLUTION_LINE = re.compile(rb"^\s*(" + SOLUTION.pattern + rb")", re.MULTILINE)

pytestmark = pytest.mark.slow


def plant(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("planted", encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Copy the project and plant files, so that every rule has something to hold or to let go."""
    project = tmp_path_factory.mktemp("project")
    for name in NEEDED_TO_BUILD:
        shutil.copy(ROOT / name, project)
    (project / "tools").mkdir()
    shutil.copy(ROOT / "tools/hatch_build.py", project / "tools")
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for folder in [name for name in FOLDERS if (ROOT / name).is_dir()]:
        shutil.copytree(ROOT / folder, project / folder, ignore=ignored, dirs_exist_ok=True)
    plant(project / "notebooks/planted.ipynb")
    plant(project / "notebooks/.ipynb_checkpoints/planted-checkpoint.ipynb")
    plant(project / "datasets/raw/planted.csv")
    plant(project / "exercises/planted_solution.ipynb")
    planted = project / "exercises/planted.ipynb"
    planted.write_text('"### BEGIN SOLUTION\\n"', encoding="utf-8")
    plant(project / "docs/mappings/planted.toml")
    plant(project / "docs/for_instructors.md")
    plant(project / "crmlab/locale/zh_CN/planted.po")
    plant(project / "crmlab/data/queries/planted.sql")
    plant(project / "crmlab/show/templates/planted.html.j2")
    return project


@pytest.fixture(scope="module")
def wheel(project) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    command = [*build, "--directory", "made"]
    subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    (made,) = (project / "made").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def carried(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("folder", ["notebooks", "datasets"])
def test_wheel_carries_every_file_of(project, carried, folder):
    source = project / folder
    files = [path for path in source.rglob("*") if path.is_file()]
    inside = [path.relative_to(source).as_posix() for path in files]
    wanted = {f"crmlab/_{folder}/{name}" for name in inside if "checkpoint" not in name}
    assert wanted
    assert wanted <= carried


def test_wheel_carries_translations_queries_templates_and_the_font(carried):
    assert {
        "crmlab/locale/zh_CN/planted.po",
        "crmlab/data/queries/planted.sql",
        "crmlab/show/templates/planted.html.j2",
        "crmlab/show/fonts/NotoSansCJKsc-Regular-subset.otf",
        "crmlab/show/fonts/OFL.txt",
        "crmlab/course/jupyter/labconfig/page_config.json",
    } <= carried


def test_wheel_carries_the_documentation_for_users_alone(carried):
    assert {
        "crmlab/_docs/mapping.md",
        "crmlab/_docs/data_dictionary_zh.md",
        "crmlab/_docs/mappings/raw.toml",
        "crmlab/_docs/mappings/planted.toml",
    } <= carried
    assert "crmlab/_docs/for_instructors.md" not in carried


def test_wheel_has_no_solutions_tests_or_checkpoints(carried):
    unwanted = ("solution", "exercises/", "tests/", "checkpoint", "__pycache__")
    assert not [name for name in carried if any(word in name for word in unwanted)]


def solutions_in(name: str, content: bytes) -> bool:
    return bool((SOLUTION_LINE if name.endswith(".py") else SOLUTION).search(content))


def test_no_file_of_the_wheel_has_a_solution_or_a_hidden_test_in_it(project, wheel):
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if solutions_in(name, archive.read(name))]
    assert not found
    planted = project / "exercises/planted.ipynb"
    assert solutions_in(planted.name, planted.read_bytes()), "the search finds what is there"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.py", b"    ### BEGIN SOLUTION\n", True),
        ("a.py", b'BEGIN = "### BEGIN SOLUTION"\n', False),
        ("a.ipynb", b'"    ### BEGIN HIDDEN TESTS\\n",', True),
        ("a.ipynb", b'"# your answer\\n",', False),
    ],
)
def test_a_solution_is_found_in_a_notebook_and_at_the_beginning_of_a_line_of_code(
    name, content, found
):
    assert solutions_in(name, content) == found


# ---- installed into an empty environment, outside the project


def uv(*arguments: str | Path, cwd: Path) -> None:
    """Run uv, with the package index this machine is set up for."""
    index = f"--default-index={get_uv.index_url(os.environ)}"
    settings = [] if arguments[0] == "venv" else [index]
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    answer = subprocess.run(
        [get_uv.find_or_fetch(), *arguments, "--no-config", *settings],
        cwd=cwd,
        env=kept | {"UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        skip_without_an_index(answer.stderr)
    assert answer.returncode == 0, answer.stderr


def skip_without_an_index(said: str) -> None:
    """Skip where no package index can be reached, except in continuous integration."""
    if os.environ.get("CI"):
        return
    try:
        urllib.request.urlopen(get_uv.index_url(os.environ), timeout=20).close()
    except urllib.error.HTTPError:
        return  # it answers
    except OSError as error:
        pytest.skip(f"no package index can be reached ({error}); uv says: {said.strip()[-300:]}")


@pytest.fixture(scope="module")
def venv(wheel, tmp_path_factory) -> Iterator[Path]:
    """An environment with nothing but the wheel and what it asks for, in the locked versions."""
    folder = tmp_path_factory.mktemp("installed")
    locked = folder / "locked.txt"
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--quiet"]
    uv(*export, f"--output-file={locked}", cwd=ROOT)
    made = folder / "venv"
    uv("venv", f"--python={sys.executable}", made, cwd=folder)
    uv("pip", "install", f"--python={made}", wheel, f"--constraint={locked}", cwd=folder)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """A folder outside the project, with a name that is not plain ASCII."""
    folder = tmp_path / "作业 1"
    folder.mkdir()
    return folder


def installed(venv: Path, program: str, *arguments: str | Path, cwd: Path) -> str:
    """What a program of the environment prints, where nothing is known of the project."""
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    environment = {"PATH": f"{scripts}{os.pathsep}{os.defpath}", "HOME": str(cwd.parent)}
    environment |= {"LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    if os.name == "nt":
        environment |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "USERPROFILE")}
    answer = subprocess.run(
        [scripts / program, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert str(ROOT) not in answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.notebooks
def test_the_doctor_finds_an_installed_crmlab_whole_with_the_files_of_the_wheel(venv, elsewhere):
    said = installed(venv, "crmlab", "doctor", cwd=elsewhere)
    assert "FAULT" not in said
    assert os.fspath(Path("crmlab", "_datasets")) in said
    assert str(venv) in next(line for line in said.splitlines() if "Kernel" in line)


@pytest.mark.notebooks
def test_a_new_folder_of_an_installed_crmlab_has_notebooks_that_run_there(venv, elsewhere):
    installed(venv, "crmlab", "new", "course", "--language", "zh_CN", cwd=elsewhere)
    course = elsewhere / "course"
    assert (course / "docs/mapping.md").exists()
    assert (course / "datasets/orders.csv").exists()
    notebook = nbformat.read(course / "05_tiering.ipynb", 4)
    asks = "import os, pathlib\npathlib.Path('here.txt').write_text(crmlab.__file__)"
    notebook.cells.append(nbformat.v4.new_code_cell(asks))
    nbformat.write(notebook, course / "05_tiering.ipynb")
    execute = ["nbconvert", "--to", "notebook", "--execute", "--inplace", "05_tiering.ipynb"]
    installed(venv, "jupyter", *execute, cwd=course)
    assert (course / "here.txt").read_text(encoding="utf-8").startswith(str(venv))
    done = nbformat.read(course / "05_tiering.ipynb", 4)
    assert not [
        output
        for cell in done.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]


@pytest.mark.notebooks
def test_an_installed_crmlab_runs_a_chapter(venv, elsewhere):
    installed(venv, "crmlab", "run", "tiering", cwd=elsewhere)
    made = {path.name for path in (elsewhere / "reports").iterdir()}
    assert {"05_tiering.html", "05_tiering.xlsx", "05_tiering.ipynb"} <= made
