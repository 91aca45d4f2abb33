"""make installs what uv.lock says, with the Python that is here, from the index that is set up."""

from __future__ import annotations

import environment
import pytest


@pytest.mark.parametrize("groups", [[], ["dev"], ["dev", "bench"]])
def test_only_the_groups_asked_for_are_installed(groups):
    (from_lock,) = environment.from_lock("uv", groups, None)
    export = environment.from_index("uv", groups, None, "https://mirror.example/simple")[0]
    for command in (from_lock, export):
        assert "--no-default-groups" in command
        assert [word for word in command if word.startswith("--group")] == [
            f"--group={group}" for group in groups
        ]


def test_another_index_gives_files_only_with_the_checksums_of_the_lock():
    commands = environment.from_index("uv", [], "python3", "https://mirror.example/simple")
    make, export, install, _ours = commands
    assert make[:2] == ["uv", "venv"]
    assert "--locked" in export
    assert "--require-hashes" in install
    assert "--default-index=https://mirror.example/simple" in install


def test_settings_that_would_disagree_with_the_lock_do_not_reach_uv(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/simple")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "automatic")
    variables = environment.uv_environment()
    assert "UV_DEFAULT_INDEX" not in variables
    assert variables["UV_PYTHON_DOWNLOADS"] == "never"


@pytest.mark.parametrize("line", ["version_info = 3.12.1", "version = 3.12.1"])
def test_the_python_of_an_environment_is_read(tmp_path, line):
    (tmp_path / "pyvenv.cfg").write_text(f"home = bin\n{line}\n", encoding="utf-8")
    assert environment.python_in(tmp_path) == "3.12.1"


def test_no_environment_has_no_python(tmp_path):
    assert environment.python_in(tmp_path) is None
