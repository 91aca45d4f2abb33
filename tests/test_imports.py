"""The walls between the parts of crmlab stand, and a breach is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def check_walls(folder: Path) -> subprocess.CompletedProcess:
    """Run import-linter on the package and the settings in a folder."""
    return subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture
def small_package(tmp_path) -> Path:
    """Write a package of the same layout with nothing in it, under the walls of the project."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    modules = ["__init__", "errors", "language", "report", "cli", "show/__init__"]
    modules += ["tiering/__init__", "loyalty/__init__"]
    modules += ["data/__init__", "data/model", "data/mapping", "data/sources"]
    for module in modules:
        path = tmp_path / f"crmlab/{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    return tmp_path


def test_the_walls_stand():
    answer = check_walls(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_an_allowed_import_passes(small_package):
    (small_package / "crmlab/cli.py").write_text("import crmlab.tiering\n", encoding="utf-8")
    (small_package / "crmlab/tiering/__init__.py").write_text(
        "from crmlab import errors\nfrom crmlab.data import sources\n", encoding="utf-8"
    )
    answer = check_walls(small_package)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("tiering/__init__", "import crmlab.loyalty", id="chapter to chapter"),
        pytest.param("show/__init__", "import crmlab.tiering", id="show to chapter"),
        pytest.param("data/model", "from crmlab.data import mapping", id="model to mapping"),
        pytest.param("data/mapping", "from crmlab.data import sources", id="mapping to sources"),
        pytest.param("errors", "from crmlab import language", id="errors to language"),
        pytest.param("report", "from crmlab import cli", id="report to cli"),
        pytest.param("data/sources", "import requests", id="a connection"),
        pytest.param("helpers", "", id="a part outside the layers"),
    ],
)
def test_a_breach_is_noticed(small_package, module, line):
    (small_package / f"crmlab/{module}.py").write_text(f"{line}\n", encoding="utf-8")
    answer = check_walls(small_package)
    assert answer.returncode == 1
    assert "BROKEN" in answer.stdout


# --- what an import brings with it

#: Packages that take long to import: each is imported by what uses it, when it is used.
HEAVY = [
    "IPython",
    "ciw",
    "duckdb",
    "ipywidgets",
    "matplotlib",
    "scipy",
    "seaborn",
    "sklearn",
    "statsmodels",
]


def imported_by(code: str, names: list[str]) -> list[str]:
    """Those of the packages that a fresh Python has imported once it has run some code."""
    asked = f"\nimport sys; print('imported', *[n for n in {names!r} if n in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code + asked],
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return answer.stdout.splitlines()[-1].split()[1:]


def test_what_was_imported_is_seen():
    assert imported_by("import json, xml.dom", ["json", "xml", "ciw"]) == ["json", "xml"]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import crmlab", id="import crmlab"),
        pytest.param(
            "import sys; sys.argv = ['crmlab', '--help']\n"
            "from crmlab.cli import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass",
            id="crmlab --help",
        ),
    ],
)
def test_crmlab_and_its_help_import_nothing_heavy_not_even_pandas(code):
    assert imported_by(code, [*HEAVY, "numpy", "pandas", "pyarrow"]) == []


@pytest.mark.parametrize("module", ["crmlab.tiering", "crmlab.show.display", "crmlab.data.sources"])
def test_a_part_of_crmlab_imports_what_it_uses_when_it_uses_it(module):
    assert imported_by(f"import {module}", HEAVY) == []


def test_loading_the_bundled_company_does_not_import_what_simulates_it():
    assert imported_by("import crmlab; crmlab.load()", HEAVY) == ["duckdb"]
