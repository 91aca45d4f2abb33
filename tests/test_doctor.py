"""``crmlab doctor`` says OK where all is well, and what to do where each thing is broken."""

from __future__ import annotations

import platform
import sys
import tempfile
import webbrowser
from importlib import metadata
from pathlib import Path

import pytest

import crmlab
from crmlab import cli, doctor, language
from crmlab.data.simulate import effects, files
from crmlab.report import chapters, execute
from crmlab.report.execute import Failure, NotebookFailed
from crmlab.show import charts


def run_main(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["crmlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def installed(monkeypatch, tmp_path) -> Path:
    """As if crmlab were installed from a wheel, with no checkout around it."""
    package = tmp_path / "site-packages/crmlab"
    package.mkdir(parents=True)
    monkeypatch.setattr(crmlab, "__file__", str(package / "__init__.py"))
    return package


def is_one_line_with_a_remedy(said: str, remedy: str) -> bool:
    return "\n" not in said and remedy in said


# ---- all together


@pytest.mark.notebooks
def test_here_nothing_is_at_fault(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, "doctor") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1].split(":")[0] for line in said] == [
        "Python",
        "Packages",
        "Kernel",
        "Chinese font",
        "Browser",
        "Bundled data",
        "Folders",
        "Languages",
    ]
    assert not [line for line in said if not line.startswith(("OK  ", "note  "))]


def test_one_fault_makes_the_exit_code_1_and_the_other_checks_go_on(monkeypatch, capsys):
    def broken():
        raise ImportError("no module\n  named x.")

    well = ("Well", lambda: (doctor.OK, "fine"))
    monkeypatch.setattr(doctor, "_checks", lambda: [("Broken", broken), well])
    assert run_main(monkeypatch, "doctor") == cli.FAULT_FOUND
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("FAULT  Broken: ImportError: no module named x. Install crmlab")
    assert second == "OK  Well: fine"


def test_a_note_is_no_fault(monkeypatch):
    monkeypatch.setattr(doctor, "_checks", lambda: [("A", lambda: (doctor.NOTE, "so"))])
    assert run_main(monkeypatch, "doctor") == 0


def test_the_remedy_is_the_one_of_a_checkout_or_of_an_installation(installed, monkeypatch):
    assert "pip install" in doctor._reinstall()
    (installed.parent / "uv.lock").touch()
    (installed.parent / "pyproject.toml").touch()
    assert "uv sync" in doctor._reinstall()


# ---- each check


def test_an_old_python_is_named_with_the_one_needed(monkeypatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.10.2")
    state, said = doctor.python()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "install a newer Python")
    assert "3.10.2" in said
    assert ">=3.11" in said


@pytest.mark.parametrize(
    ("version", "words"), [(None, "pandas is missing"), ("2.2", "pandas is 2.2, needed is >=3.0")]
)
def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch, version, words):
    real = metadata.version

    def fake(name):
        if name != "pandas":
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", fake)
    state, said = doctor.packages()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "Install crmlab and its packages again")
    assert words in said


def test_packages_of_extras_are_not_asked_for():
    names = {requirement.name for requirement in doctor._needed()}
    assert "pandas" in names
    assert not names & {"pyspark", "nbgrader", "psycopg"}


@pytest.mark.parametrize(("ours", "state"), [(True, doctor.FAULT), (False, doctor.OK)])
def test_another_version_than_locked_is_a_fault_only_where_the_lock_made_it(
    installed, monkeypatch, ours, state
):
    (installed.parent / "pyproject.toml").touch()
    lock = '[[package]]\nname = "pandas"\nversion = "3.0.99"\n'
    (installed.parent / "uv.lock").write_text(lock, encoding="utf-8")
    prefix = installed.parent / ".venv" if ours else installed.parent / "conda"
    monkeypatch.setattr(sys, "prefix", str(prefix))
    found, said = doctor.packages()
    assert found == state
    assert f"differs from uv.lock: pandas {metadata.version('pandas')}" in said
    assert ("uv sync" in said) == ours


def test_an_installed_crmlab_has_no_lock_to_agree_with(installed):
    assert doctor.packages()[0] == doctor.OK


def test_a_kernel_of_another_python_is_noticed(monkeypatch, tmp_path):
    kernel = tmp_path / "kernels/python3"
    kernel.mkdir(parents=True)
    command = '{"argv": ["/elsewhere/bin/python", "-m", "x"], "display_name": "x", "language": "x"}'
    (kernel / "kernel.json").write_text(command, encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    state, said = doctor.kernel()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "jupyter kernelspec remove python3")
    assert "/elsewhere/bin/python" in said


def test_a_kernel_that_does_not_start_is_said(monkeypatch):
    def fail(*_given, **_settings):
        raise NotebookFailed(Failure("", "", "The kernel did not start:\nno memory."), None)

    monkeypatch.setattr(execute, "execute", fail)
    state, said = doctor.kernel()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "Install crmlab")
    assert "The kernel did not start: no memory." in said


def test_a_font_without_the_characters_is_noticed(monkeypatch):
    monkeypatch.setattr(charts, "chinese_font", lambda: "DejaVu Sans")
    state, said = doctor.font()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "Install crmlab")
    assert "missing from" in said


def test_a_missing_font_file_is_noticed(monkeypatch, tmp_path):
    charts.chinese_font.cache_clear()
    monkeypatch.setattr(charts, "FONT_FILE", tmp_path / "none.otf")
    monkeypatch.setattr(doctor, "_checks", lambda: [("Font", doctor.font)])
    (finding,) = doctor.examine()
    charts.chinese_font.cache_clear()
    assert finding.state == doctor.FAULT
    assert is_one_line_with_a_remedy(finding.said, "Install crmlab")


def test_without_a_browser_the_address_is_to_be_opened_by_hand(monkeypatch):
    def none(using=None):
        raise webbrowser.Error("none")

    monkeypatch.setattr(webbrowser, "get", none)
    state, said = doctor.browser()
    assert state == doctor.NOTE
    assert is_one_line_with_a_remedy(said, "crmlab lab --no-browser")
    monkeypatch.setattr(webbrowser, "get", lambda using=None: object())
    assert doctor.browser()[0] == doctor.OK


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_file_of_the_company_that_changed_or_is_missing_is_named(monkeypatch, tmp_path, damage):
    (tmp_path / "orders.csv").write_text("order_id\n1\n", encoding="utf-8")
    (tmp_path / "staff.csv").write_text("staff_id\n1\n", encoding="utf-8")
    (tmp_path / "effects.toml").touch()
    (tmp_path / "workspace.toml").touch()
    files.write_sums(tmp_path)
    monkeypatch.setattr(effects, "datasets_folder", lambda: tmp_path)
    assert doctor.data()[0] == doctor.OK
    if damage == "changed":
        (tmp_path / "orders.csv").write_text("order_id\n2\n", encoding="utf-8")
    else:
        (tmp_path / "orders.csv").unlink()
    state, said = doctor.data()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "git checkout")
    assert "1 file is missing or has changed: orders.csv." in said


@pytest.mark.parametrize(
    ("which", "remedy"), [("here", "Go to a folder of your own"), ("temporary", "Set TMPDIR")]
)
def test_a_folder_that_cannot_be_written_to_is_named(monkeypatch, tmp_path, which, remedy):
    monkeypatch.chdir(tmp_path)
    refused = tmp_path if which == "here" else Path(tempfile.gettempdir())
    real = tempfile.TemporaryFile

    def fake(dir):
        if Path(dir) == refused:
            raise PermissionError(13, "Permission denied")
        return real(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", fake)
    state, said = doctor.folders()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, remedy)
    assert f"{refused} cannot be written to: Permission denied" in said


def test_the_folder_of_reports_is_looked_at_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "reports" not in doctor.folders()[1].split(",")[-1]
    (tmp_path / "reports").write_text("a file in its place", encoding="utf-8")
    assert doctor.folders()[0] == doctor.FAULT


def test_a_language_without_texts_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "zh_CN").mkdir()
    monkeypatch.setattr(doctor, "LOCALE", tmp_path)
    monkeypatch.setattr(language, "LOCALE", tmp_path)
    language.catalogue.cache_clear()
    state, said = doctor.languages()
    language.catalogue.cache_clear()
    assert state == doctor.FAULT
    assert is_one_line_with_a_remedy(said, "Install crmlab")
    assert said.startswith("zh_CN has no texts.")


def test_missing_notebooks_are_a_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(chapters, "folder", lambda: tmp_path)
    monkeypatch.setattr(doctor, "_checks", lambda: [("Languages", doctor.languages)])
    (finding,) = doctor.examine()
    assert finding.state == doctor.FAULT
    assert "no chapters" in finding.said
