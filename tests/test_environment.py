"""What is installed is said the same everywhere; nothing of one machine is in the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"duckdb": "python-duckdb"}
# What conda takes from PyPI, in its section for pip.
FROM_PYPI = {"ciw", "rjieba"}
PUBLIC_HOSTS = {"https://pypi.org", "https://files.pythonhosted.org"}
# A path on somebody's machine, in any file. The pattern does not match itself.
MACHINE_PATH = re.compile(
    rb"(?<![\w.~$})-])/(?:work|root|home|Users|opt|mnt|tmp)/[\w.-]+|[A-Z]:\\+Users\\+\w"
)


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def bounds(requirements: list[str]) -> dict[str, str]:
    parsed = [Requirement(line) for line in requirements]
    return {requirement.name: str(requirement.specifier) for requirement in parsed}


def test_conda_has_the_packages_and_bounds_of_the_project(project):
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *packages, from_pip = conda["dependencies"]
    *pure, project_itself = from_pip["pip"]
    assert set(bounds(pure)) == FROM_PYPI
    found = bounds([*(line for line in packages if line != "pip"), *pure])
    wanted = bounds(project["dependencies"])
    wanted = {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}
    assert found == {"python": project["requires-python"], **wanted}
    assert project_itself == "-e ."
    assert conda["channels"] == ["conda-forge", "nodefaults"]


def test_every_dependency_has_a_lower_and_no_upper_bound(project):
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    for name, bound in bounds(project["dependencies"] + optional).items():
        assert re.fullmatch(r">=[\d.]+", bound), f"{name}{bound}"
    assert project["requires-python"] == ">=3.11"


def test_lock_is_fresh():
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv/bin")
    if uv is None:
        pytest.skip("uv is neither on PATH nor in .uv/bin")
    command = [uv, "lock", "--check", "--offline", "--no-config"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_lock_names_only_the_public_hosts():
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    addresses = [urlsplit(address) for address in re.findall(r'"(\w+://[^"]*)"', text)]
    assert {f"{address.scheme}://{address.netloc}" for address in addresses} == PUBLIC_HOSTS
    assert not re.search(r"(path|find-links|directory) = ", text)


def test_no_tracked_file_names_a_path_of_a_machine(tracked_files):
    found = []
    for path in tracked_files:
        content = path.read_bytes()
        if b"\0" not in content and (match := MACHINE_PATH.search(content)):
            found.append(f"{path.relative_to(ROOT)}: {match[0].decode()}")
    assert not found


@pytest.mark.parametrize("path", ["work/main/x", "root/.cache", "home/someone/data"])
def test_a_path_of_a_machine_would_be_noticed(path):
    assert MACHINE_PATH.search(f'"/{path}"'.encode())
    assert not MACHINE_PATH.search(f"https://example.org/{path}".encode())


def test_no_tracked_file_is_larger_than_8_mb(tracked_files):
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in tracked_files}
    assert not {name: size for name, size in sizes.items() if size > 8_000_000}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_the_script_of_ci_can_be_executed():
    assert os.access(ROOT / ".ci/run", os.X_OK)
