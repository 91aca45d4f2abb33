"""The quick tests pass on every CPython from 3.11 on that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICK = "not notebooks and not slow and not browser and not pythons"
ASK = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.version_info[3])"

pytestmark = [pytest.mark.slow, pytest.mark.pythons]


def candidates() -> list[Path]:
    """List what may be a Python: those of pyenv and those on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(pyenv.glob("versions/*/bin/python"))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        named = sorted(Path(folder).glob("python3.*"))
        found += [path for path in named if re.fullmatch(r"python3\.\d+(\.exe)?", path.name)]
    return found


def minor_version(python: Path) -> tuple[int, int] | None:
    """Ask a Python for its version; None if it is no released CPython."""
    try:
        answer = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, *words = answer.stdout.split() or [""]
    if answer.returncode != 0 or name != "cpython" or words[2] != "final":
        return None
    return int(words[0]), int(words[1])


def other_pythons() -> dict[tuple[int, int], Path]:
    """Choose one Python for each version from 3.11 on, other than the one that runs the tests."""
    found: dict[tuple[int, int], Path] = {}
    for python in candidates():
        version = minor_version(python)
        if version and version >= (3, 11) and version != sys.version_info[:2]:
            found.setdefault(version, python)
    return dict(sorted(found.items()))


def pytest_generate_tests(metafunc):
    if "python" not in metafunc.fixturenames:
        return
    found = other_pythons()
    cases = [pytest.param(path, id=f"{major}.{minor}") for (major, minor), path in found.items()]
    reason = "this machine has no other CPython from 3.11 on"
    none = pytest.param(None, id="none", marks=pytest.mark.skip(reason=reason))
    metafunc.parametrize("python", cases or [none])


def test_quick_tests_pass(python, tmp_path):
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv/bin")
    if uv is None:
        pytest.skip("uv is neither on PATH nor in .uv/bin")
    hidden = {"VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    sync = [uv, "sync", "--no-config", "--locked", "--quiet", "--python", python]
    made = subprocess.run(sync, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr

    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    tests = [scripts / "python", "-m", "pytest", "-q", "-m", QUICK, "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*tests, f"--basetemp={tmp_path / 'tests'}"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
