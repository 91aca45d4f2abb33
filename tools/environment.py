"""Make .venv/ agree with uv.lock: the one place from which packages are installed.

    python3 tools/environment.py [--group NAME] [--this-python]

Where this machine is set up to use another package index than PyPI (PIP_INDEX_URL,
UV_DEFAULT_INDEX, the settings of pip or uv), the same files are asked of that index, each checked
against the SHA-256 in uv.lock; if it lacks one, they come from the addresses in uv.lock. No Python
is ever downloaded: the environment is made with the one that runs this script, unless there is an
environment already.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import get_uv

ROOT = get_uv.ROOT
VENV = ROOT / ".venv"
SETTINGS_OF_INDEXES = {
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_PYTHON",
    "VIRTUAL_ENV",
}


def python_in(venv: Path) -> str | None:
    """Return the version of Python in an environment; None if there is no environment."""
    try:
        settings = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return None
    version = re.search(r"^version(?:_info)? = (\S+)$", settings, flags=re.MULTILINE)
    return version[1] if version else ""


def uv_environment() -> dict[str, str]:
    """Return the environment uv runs in: ours, less what would make it disagree with uv.lock."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS_OF_INDEXES}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(VENV)}


def from_lock(uv: str, groups: list[str], python: str | None) -> list[list[str]]:
    """Return the command that installs from the addresses in uv.lock."""
    chosen = ["--no-default-groups", *(f"--group={group}" for group in groups)]
    with_python = [f"--python={python}"] if python else []
    return [[uv, "sync", "--no-config", "--locked", "--inexact", *chosen, *with_python]]


def from_index(uv: str, groups: list[str], python: str | None, index: str) -> list[list[str]]:
    """Return the commands that install the versions and files of uv.lock from another index."""
    listed = VENV / "requirements.txt"
    chosen = ["--no-default-groups", *(f"--group={group}" for group in groups)]
    export = [uv, "export", "--no-config", "--locked", "--no-emit-project", *chosen]
    install = [uv, "pip", "install", "--no-config", f"--python={VENV}", f"--default-index={index}"]
    commands = [
        [*export, "--quiet", f"--output-file={listed}"],
        [*install, "--require-hashes", f"--requirement={listed}"],
        [*install, "--no-deps", f"--editable={ROOT}"],
    ]
    if python:
        commands.insert(0, [uv, "venv", "--no-config", "--clear", f"--python={python}", str(VENV)])
    return commands


def is_up_to_date(uv: str, groups: list[str]) -> bool:
    """Whether nothing would have to be installed; asked without the network."""
    (command,) = from_lock(uv, groups, None)
    answer = subprocess.run(
        [*command, "--check", "--offline"], cwd=ROOT, env=uv_environment(), capture_output=True
    )
    return answer.returncode == 0


def succeeds(commands: list[list[str]]) -> bool:
    """Run the commands until one fails."""
    return all(
        subprocess.run(command, cwd=ROOT, env=uv_environment()).returncode == 0
        for command in commands
    )


def main() -> None:
    """Read the arguments and bring the environment up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--group", action="append", default=[], help="a dependency group")
    parser.add_argument("--this-python", action="store_true", help="also if .venv/ has another")
    arguments = parser.parse_args()

    here = python_in(VENV)
    anew = here is None or (arguments.this_python and here != platform.python_version())
    python = sys.executable if anew else None
    uv = str(get_uv.find_or_fetch())
    if not anew and is_up_to_date(uv, arguments.group):
        return
    index = get_uv.index_url(os.environ)
    if index != get_uv.DEFAULT_INDEX:
        if succeeds(from_index(uv, arguments.group, python, index)):
            return
        print(f"{index} lacks something: trying the addresses in uv.lock", file=sys.stderr)
    if not succeeds(from_lock(uv, arguments.group, python)):
        raise SystemExit("the environment could not be made; the lines above say why")


if __name__ == "__main__":
    main()
