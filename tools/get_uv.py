"""Print the path of a usable uv; where there is none, fetch one into this project's folder .uv/.

    python3 tools/get_uv.py

Which uv is usable is said in pyproject.toml, ``[tool.uv] required-version``. This script needs only
the standard library of Python 3.11 or newer. A uv on PATH is used as it is; otherwise the ways to
get one are tried in turn: pip, a virtual environment with pip, and, for a Python that has neither,
the wheel itself from the package index, its SHA-256 checked. Nothing outside .uv/ is changed.
"""

from __future__ import annotations

import configparser
import hashlib
import html.parser
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".uv"
DEFAULT_INDEX = "https://pypi.org/simple"
EXECUTABLE = "uv.exe" if os.name == "nt" else "uv"
TIMEOUT = 60

Version = tuple[int, ...]


class NoUv(Exception):
    """One way to get uv did not work; the message says why."""


# ---- which version


def required_version(pyproject: Path = ROOT / "pyproject.toml") -> str:
    """Read the bound, such as ``>=0.9,<2``, from the project file."""
    with pyproject.open("rb") as file:
        return str(tomllib.load(file)["tool"]["uv"]["required-version"])


def parse_version(text: str) -> Version | None:
    """Read a final release such as ``0.9.12``; anything else, a pre-release too, is None."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+(\.\d+)*", text) else None


def allowed(version: Version, bound: str) -> bool:
    """Whether a version lies within a bound made of ``>=`` and ``<`` clauses."""
    for clause in bound.split(","):
        parts = re.fullmatch(r"\s*(>=|<)\s*([\d.]+)\s*", clause)
        limit = parse_version(parts[2]) if parts else None
        if parts is None or limit is None:
            raise SystemExit(f"pyproject.toml: required-version {bound!r} is not made of >= and <")
        if (version >= limit) != (parts[1] == ">="):
            return False
    return True


def version_of(uv: str | Path) -> Version | None:
    """Ask a uv for its version; None if it does not run."""
    try:
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()
    return parse_version(words[1]) if answer.returncode == 0 and len(words) > 1 else None


def usable(uv: str | Path | None, bound: str) -> bool:
    """Whether this uv runs and its version is one we can work with."""
    version = version_of(uv) if uv else None
    return version is not None and allowed(version, bound)


# ---- which wheel


@dataclass(frozen=True)
class Machine:
    """What decides which wheel runs here.

    `system` is linux, darwin or win32; `arch` is in the words of wheel tags; `libc` is glibc or
    musl (Linux only); `release` is the version of the libc or of macOS.
    """

    system: str
    arch: str
    libc: str = ""
    release: Version = (0, 0)


def this_machine() -> Machine:
    """Describe the machine this script runs on."""
    arch = platform.machine().lower()
    arch = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "x86": "i686"}.get(arch, arch)
    if sys.maxsize < 2**32:  # a 32-bit Python on a 64-bit kernel
        arch = {"x86_64": "i686", "aarch64": "armv7l"}.get(arch, arch)
    if sys.platform == "darwin":
        return Machine("darwin", arch, release=_leading(platform.mac_ver()[0]))
    if sys.platform == "win32":
        return Machine("win32", arch)
    name, release = platform.libc_ver()
    if name == "glibc":
        return Machine("linux", arch, "glibc", _leading(release))
    return Machine("linux", arch, "musl", (1, 2))


def _leading(text: str) -> Version:
    numbers = [int(number) for number in re.findall(r"\d+", text)][:2]
    return tuple(numbers) or (0, 0)


def fits(tag: str, machine: Machine) -> bool:
    """Whether a wheel's platform tag, such as ``manylinux_2_17_x86_64``, runs on the machine."""
    if machine.system == "win32":
        names = {"x86_64": "win_amd64", "i686": "win32", "aarch64": "win_arm64"}
        return tag == names.get(machine.arch)
    tag = re.sub(r"^manylinux2014_", "manylinux_2_17_", tag)
    parts = re.fullmatch(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)", tag)
    if parts is None:
        return False
    family, arch = parts[1], parts[4]
    wanted = {"glibc": "manylinux", "musl": "musllinux"}.get(machine.libc, "macosx")
    arch = "aarch64" if family == "macosx" and arch == "arm64" else arch
    needed = (int(parts[2]), int(parts[3]))
    return family == wanted and arch == machine.arch and needed <= machine.release


@dataclass(frozen=True)
class Wheel:
    """A file on the package index, with the SHA-256 the index gives for it."""

    name: str
    url: str
    sha256: str

    @property
    def version(self) -> Version | None:
        """The version in the file's name; None for a pre-release."""
        return parse_version(self.name.split("-")[1])

    @property
    def tags(self) -> list[str]:
        """The platforms in the file's name."""
        return self.name.removesuffix(".whl").split("-")[-1].split(".")


class _Links(html.parser.HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.wheels: list[Wheel] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        link = dict(attributes)
        if tag != "a" or "data-yanked" in link:
            return
        url, _, fragment = urllib.parse.urljoin(self.base, link.get("href") or "").partition("#")
        name = urllib.parse.unquote(url.rpartition("/")[2])
        checksum = re.fullmatch(r"sha256=([0-9a-f]{64})", fragment)
        if name.endswith(".whl") and checksum:
            self.wheels.append(Wheel(name, url, checksum[1]))


def wheels_on(page: str, base: str) -> list[Wheel]:
    """List the wheels on a page of a package index that come with a SHA-256 and are not yanked."""
    links = _Links(base)
    links.feed(page)
    return links.wheels


def choose(wheels: list[Wheel], machine: Machine, bound: str) -> Wheel:
    """Choose the newest allowed wheel that runs on the machine."""
    fitting = [
        (wheel.version, wheel)
        for wheel in wheels
        if wheel.version
        and allowed(wheel.version, bound)
        and any(fits(tag, machine) for tag in wheel.tags)
    ]
    if not fitting:
        raise NoUv(f"the package index has no uv {bound} for {machine}")
    return max(fitting, key=lambda pair: pair[0])[1]


# ---- from where


def pip_settings(environment: Mapping[str, str]) -> list[Path]:
    """List the files in which pip's own index may be configured, the strongest first."""
    named = environment.get("PIP_CONFIG_FILE")
    home = Path.home()
    files = [
        Path(sys.prefix, "pip.conf"),
        home / ".config/pip/pip.conf",
        home / ".pip/pip.conf",
        Path("/etc/pip.conf"),
    ]
    if environment.get("APPDATA"):
        files.insert(1, Path(environment["APPDATA"], "pip/pip.ini"))
    return [Path(named), *files] if named else files


def uv_settings(environment: Mapping[str, str]) -> list[Path]:
    """List the files in which uv's own index may be configured."""
    homes = [environment.get("XDG_CONFIG_HOME") or Path.home() / ".config", "/etc"]
    homes.insert(0, environment.get("APPDATA") or homes[0])
    return [Path(home, "uv/uv.toml") for home in homes]


def index_in_uv_settings(path: Path) -> str:
    """Read the default index from a uv.toml; empty if it names none."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    named = [index["url"] for index in settings.get("index", []) if index.get("default")]
    return str(named[0] if named else settings.get("index-url", ""))


def index_in_pip_settings(path: Path) -> str:
    """Read the index from one of pip's settings files; empty if it names none."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""
    return parser.get("global", "index-url", fallback="")


def index_url(environment: Mapping[str, str], settings: list[Path] | None = None) -> str:
    """Find the package index this machine uses: environment, settings of uv and pip, or PyPI."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if environment.get(variable):
            url = environment[variable]
            return re.sub(r"^[\w-]+=", "", url).rstrip("/")  # uv allows name=url
    if settings is None:
        settings = [*uv_settings(environment), *pip_settings(environment)]
    for path in settings:
        read = index_in_uv_settings if path.suffix == ".toml" else index_in_pip_settings
        if url := read(path):
            return url.rstrip("/")
    return DEFAULT_INDEX


def download(url: str) -> bytes:
    """Fetch a page or a file."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return bytes(answer.read())
    except (OSError, ValueError) as error:
        raise NoUv(f"{url}: {error}") from error


# ---- the ways to get it


def _run(command: list[str | Path]) -> None:
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if answer.returncode != 0:
        lines = (answer.stderr or answer.stdout).strip().splitlines()
        raise NoUv(lines[-1] if lines else f"exit code {answer.returncode}")


def by_pip(home: Path, bound: str) -> Path:
    """Let this Python's pip put uv into the folder."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    _run([*pip, "--upgrade", "--target", home, f"uv{bound}"])
    return home / "bin" / EXECUTABLE


def by_venv(home: Path, bound: str) -> Path:
    """Make a small virtual environment in the folder and let its pip install uv."""
    scripts = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    _run([sys.executable, "-m", "venv", "--clear", home / "venv"])
    pip: list[str | Path] = [scripts / "python", "-m", "pip", "install", "--quiet"]
    _run([*pip, "--only-binary", ":all:", f"uv{bound}"])
    return scripts / EXECUTABLE


def by_wheel(home: Path, bound: str) -> Path:
    """Download uv's wheel from the package index, check it and take the program out of it."""
    page_url = index_url(os.environ) + "/uv/"
    page = download(page_url).decode("utf-8", errors="replace")
    wheel = choose(wheels_on(page, page_url), this_machine(), bound)
    return unpack(wheel, download(wheel.url), home)


def unpack(wheel: Wheel, content: bytes, home: Path) -> Path:
    """Write the uv program of a downloaded wheel into the folder, if its SHA-256 is right."""
    found = hashlib.sha256(content).hexdigest()
    if found != wheel.sha256:
        raise NoUv(f"{wheel.name}: SHA-256 is {found}, the index says {wheel.sha256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        programs = [n for n in archive.namelist() if n.endswith(f".data/scripts/{EXECUTABLE}")]
        if not programs:
            raise NoUv(f"{wheel.name}: holds no program {EXECUTABLE}")
        program = home / "bin" / EXECUTABLE
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(archive.read(programs[0]))
    program.chmod(0o755)
    return program


WAYS: dict[str, Callable[[Path, str], Path]] = {
    "pip": by_pip,
    "a virtual environment": by_venv,
    "the package index": by_wheel,
}


def fetch(home: Path, bound: str, ways: Mapping[str, Callable[[Path, str], Path]] = WAYS) -> Path:
    """Try the ways in turn; return the first uv that runs."""
    reasons = []
    for name, way in ways.items():
        shutil.rmtree(home, ignore_errors=True)
        print(f"uv is not here yet: getting it by {name} into {home.name}/ ...", file=sys.stderr)
        try:
            uv = way(home, bound)
            if usable(uv, bound):
                return uv
            raise NoUv(f"{uv} does not run here")
        except (NoUv, OSError, zipfile.BadZipFile) as error:
            reasons.append(f"  by {name}: {error}")
    shutil.rmtree(home, ignore_errors=True)
    raise SystemExit(
        "uv could not be fetched:\n"
        + "\n".join(reasons)
        + "\nInstall uv yourself (https://docs.astral.sh/uv/), or name the package index this"
        " machine reaches: PIP_INDEX_URL=https://.../simple make run"
    )


def find(home: Path, bound: str) -> Path | None:
    """Look for a usable uv on PATH, then among those fetched before."""
    scripts = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    for candidate in (shutil.which("uv"), home / "bin" / EXECUTABLE, scripts / EXECUTABLE):
        if usable(candidate, bound):
            return Path(str(candidate))
    return None


def find_or_fetch() -> Path:
    """Return the path of a usable uv, fetching one first where there is none."""
    bound = required_version()
    return find(HOME, bound) or fetch(HOME, bound)


def main() -> None:
    """Print the path of uv and nothing else to standard output."""
    print(find_or_fetch())


if __name__ == "__main__":
    main()
