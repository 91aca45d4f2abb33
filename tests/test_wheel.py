"""The wheel carries what a reader without the checkout needs, and no solutions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED_TO_BUILD = ["pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0"]
FOLDERS = ["crmlab", "notebooks", "datasets", "exercises"]

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
    plant(project / "crmlab/locale/zh_CN/planted.po")
    plant(project / "crmlab/data/queries/planted.sql")
    plant(project / "crmlab/show/templates/planted.html.j2")
    return project


@pytest.fixture(scope="module")
def carried(project) -> set[str]:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    command = [*build, "--directory", "made"]
    subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    (wheel,) = (project / "made").glob("*.whl")
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
    } <= carried


def test_wheel_has_no_solutions_tests_or_checkpoints(carried):
    unwanted = ("solution", "exercises/", "tests/", "checkpoint", "__pycache__")
    assert not [name for name in carried if any(word in name for word in unwanted)]
