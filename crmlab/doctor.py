"""``crmlab doctor``: whether this computer has what crmlab needs, and what to do if not.

Each check looks at the thing itself: a kernel is started, a Chinese title is drawn, the bundled
files are compared with their checksums. A check that cannot be carried out counts as a fault.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import tomllib
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import crmlab
from crmlab.language import BASE, LOCALE, _, catalogue, ngettext, number

#: The states of a finding: as it should be; good to know; to be put right.
OK, NOTE, FAULT = "ok", "note", "fault"

#: Drawn by the check of the font.
CHINESE = "客户分级"

KERNEL_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    about : str
        What was looked at, such as ``"Python"``.
    state : str
        `OK`, `NOTE` or `FAULT`.
    said : str
        What was found and, unless it is as it should be, what to do. One line.
    """

    about: str
    state: str
    said: str


def examine() -> Iterator[Finding]:
    """The findings, one after the other, in the current language."""
    for about, check in _checks():
        try:
            state, said = check()
        except Exception as error:  # a broken computer must not break the check of it
            reason = f"{type(error).__name__}: {error}"
            state, said = FAULT, f"{_one_line(reason)}. {_reinstall()}"
        yield Finding(about, state, said)


def _checks() -> list[tuple[str, Callable[[], tuple[str, str]]]]:
    return [
        (_("Python"), python),
        (_("Packages"), packages),
        (_("Kernel"), kernel),
        (_("Chinese font"), font),
        (_("Browser"), browser),
        (_("Bundled data"), data),
        (_("Folders"), folders),
        (_("Languages"), languages),
    ]


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _reinstall() -> str:
    """How crmlab is installed again, here."""
    checkout = _checkout()
    if checkout is None:
        command = f'"{sys.executable}" -m pip install --force-reinstall crmlab'
    else:
        command = "uv sync --reinstall"
    return _("Install crmlab and its packages again: {command}").format(command=command)


def _checkout() -> Path | None:
    """The folder of the project where crmlab is not installed from a wheel."""
    root = Path(crmlab.__file__).parents[1]
    return root if (root / "uv.lock").exists() and (root / "pyproject.toml").exists() else None


# ---- the checks


def python() -> tuple[str, str]:
    """The version of Python is one that crmlab runs on."""
    wanted = metadata.metadata("crmlab")["Requires-Python"]
    here = platform.python_version()
    if SpecifierSet(wanted).contains(here, prereleases=True):
        return OK, f"{here} ({sys.executable})"
    message = _("{version} is too old. crmlab needs {wanted}: install a newer Python, then crmlab.")
    return FAULT, message.format(version=here, wanted=wanted)


def packages() -> tuple[str, str]:
    """Every package that crmlab needs is there in a version it works with."""
    needed = _needed()
    wrong = [said for requirement in needed if (said := _wrong_with(requirement))]
    if wrong:
        what = ngettext(
            "{count} package is not as needed: {names}.",
            "{count} packages are not as needed: {names}.",
            len(wrong),
        ).format(count=number(len(wrong)), names=_(", ").join(wrong))
        return FAULT, f"{what} {_reinstall()}"
    there = _("{count} packages, as needed").format(count=number(len(needed)))
    other = _other_than_locked()
    if not other:
        return OK, there
    differ = ngettext(
        "{count} differs from uv.lock: {names}",
        "{count} differ from uv.lock, such as {names}",
        len(other),
    ).format(count=number(len(other)), names=other[0])
    if _is_locked_environment():
        command = _("To get the tested versions: {command}").format(command="uv sync")
        return FAULT, f"{differ}. {command}"
    return OK, f"{there}; {differ}"


def _needed() -> list[Requirement]:
    """What crmlab says it needs, without the extras that not everybody has."""
    said = [Requirement(line) for line in metadata.requires("crmlab") or []]
    return [one for one in said if one.marker is None or one.marker.evaluate({"extra": ""})]


def _wrong_with(requirement: Requirement) -> str:
    try:
        here = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return _("{name} is missing").format(name=requirement.name)
    if requirement.specifier.contains(here, prereleases=True):
        return ""
    message = _("{name} is {version}, needed is {wanted}")
    return message.format(name=requirement.name, version=here, wanted=requirement.specifier)


def _other_than_locked() -> list[str]:
    """The packages needed whose version is not the one in uv.lock, where there is a uv.lock."""
    checkout = _checkout()
    if checkout is None:
        return []
    locked: dict[str, set[str]] = {}
    for package in tomllib.loads((checkout / "uv.lock").read_text(encoding="utf-8"))["package"]:
        locked.setdefault(package["name"], set()).add(package.get("version", ""))
    here = {one.name: metadata.version(one.name) for one in _needed()}
    return [
        f"{name} {version}"
        for name, version in here.items()
        if version not in locked.get(canonicalize_name(name), {version})
    ]


def _is_locked_environment() -> bool:
    """Whether this is the environment that make and uv make from uv.lock."""
    checkout = _checkout()
    return checkout is not None and Path(sys.prefix) == checkout / ".venv"


def kernel() -> tuple[str, str]:
    """Notebooks get a kernel of this very Python, and it runs crmlab."""
    other = _other_kernel()
    if other:
        message = _(
            "The kernel python3 is of another Python, {path}. Remove it with"
            ' "jupyter kernelspec remove python3", or open the notebooks with crmlab lab.'
        )
        return FAULT, message.format(path=other)
    from nbformat.v4 import new_code_cell, new_notebook

    from crmlab.report.execute import NotebookFailed, execute

    asks = new_code_cell("import sys, crmlab.tiering; print(sys.executable)")
    try:
        done = execute(
            new_notebook(cells=[asks]),
            {},
            cell_timeout=KERNEL_SECONDS,
            start_timeout=KERNEL_SECONDS,
        )
    except NotebookFailed as failed:
        return FAULT, f"{_one_line(failed.failure.message)}. {_reinstall()}"
    started = "".join(output.get("text", "") for output in done.cells[0].outputs).strip()
    return OK, _("it starts and runs crmlab ({path})").format(path=started)


def _other_kernel() -> str:
    """The Python of the kernel that JupyterLab would start, if it is not this one."""
    from jupyter_client.kernelspec import KernelSpecManager

    command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    # the name alone means the Python that runs JupyterLab
    if not os.path.isabs(command) or _same_python(command):
        return ""
    return command


def _same_python(path: str) -> bool:
    """Whether a Python lies in this environment; several names for it may lie side by side."""
    return os.path.normcase(os.path.dirname(os.path.abspath(path))) == os.path.normcase(
        os.path.dirname(os.path.abspath(sys.executable))
    )


def font() -> tuple[str, str]:
    """The bundled font draws Chinese, every character of it."""
    from crmlab.show import charts

    with warnings.catch_warnings(record=True) as said, charts.house_style():
        warnings.simplefilter("always")
        axes = charts.new_axes()
        axes.set_title(CHINESE)
        charts.png(axes.get_figure())  # type: ignore[arg-type]
    missing = [str(one.message) for one in said if "missing from" in str(one.message)]
    if missing:
        return FAULT, f"{_one_line(missing[0])}. {_reinstall()}"
    return OK, _("draws {text}").format(text=CHINESE)


def browser() -> tuple[str, str]:
    """JupyterLab can open itself; where it cannot, its address can be opened by hand."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return NOTE, _(
            "none found to open by itself. crmlab lab --no-browser prints an address: open that in"
            " a browser."
        )
    return OK, _("found")


def data() -> tuple[str, str]:
    """The bundled company is there, byte for byte."""
    from crmlab.data.simulate.effects import datasets_folder
    from crmlab.data.simulate.files import checksum, read_sums

    folder = datasets_folder()
    sums = read_sums(folder)
    changed = [
        name
        for name, wanted in sums.items()
        if not (folder / name).is_file() or checksum(folder / name) != wanted
    ]
    if changed:
        what = ngettext(
            "{count} file is missing or has changed: {names}.",
            "{count} files are missing or have changed: {names}.",
            len(changed),
        ).format(count=number(len(changed)), names=_(", ").join(changed))
        restore = _(
            'In a checkout, get them back with "git checkout -- datasets"; elsewhere install'
            " crmlab again."
        )
        return FAULT, f"{what} {restore}"
    message = _("{count} files, all with the right checksum ({folder})")
    return OK, message.format(count=number(len(sums)), folder=folder)


def folders() -> tuple[str, str]:
    """What crmlab writes can be written: in this folder, for reports, and for the time being."""
    reports = Path("reports")
    wanted = [Path.cwd(), Path(tempfile.gettempdir()), *([reports] if reports.exists() else [])]
    refused = [(folder, reason) for folder in wanted if (reason := _refusal(folder))]
    if not refused:
        named = _(", ").join(str(folder) for folder in wanted)
        return OK, _("can be written to: {names}").format(names=named)
    folder, reason = refused[0]
    message = _(
        "{folder} cannot be written to: {reason}. Go to a folder of your own, such as {home}."
    )
    if folder == Path(tempfile.gettempdir()):
        message = _(
            "{folder} cannot be written to: {reason}. Set TMPDIR to a folder of your own, such as"
            " {home}."
        )
    return FAULT, message.format(folder=folder, reason=reason, home=Path.home())


def _refusal(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def languages() -> tuple[str, str]:
    """Each language has its messages, and the chapters' texts."""
    there = [BASE]
    for folder in sorted(path for path in LOCALE.iterdir() if path.is_dir()):
        code = folder.name
        if not _has_texts(code) or catalogue(code).gettext("Chapter") == "Chapter":
            message = _("{code} has no texts. {remedy}")
            return FAULT, message.format(code=code, remedy=_reinstall())
        there.append(code)
    return OK, _(", ").join(there)


def _has_texts(code: str) -> bool:
    """Whether any text of a chapter reads differently in that language."""
    from crmlab.report.chapters import all_chapters
    from crmlab.report.translate import translate

    for chapter in all_chapters():
        original = chapter.read()
        translated = translate(original, chapter.stem, code)
        cells = zip(original.cells, translated.cells, strict=True)
        if any(one.source != other.source for one, other in cells):
            return True
    return False
