"""uv is found, or fetched in the first way that works, and never unchecked."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import get_uv
import pytest
from get_uv import Machine, NoUv, Wheel

BOUND = ">=0.9,<2"
DEBIAN = Machine("linux", "x86_64", "glibc", (2, 36))
ALPINE = Machine("linux", "aarch64", "musl", (1, 2))
MAC = Machine("darwin", "aarch64", release=(14, 5))
WINDOWS = Machine("win32", "x86_64")

NAMES = [
    "uv-0.9.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "uv-0.10.1-py3-none-macosx_11_0_arm64.whl",
    "uv-0.10.1-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
    "uv-0.10.1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "uv-0.10.1-py3-none-musllinux_1_1_x86_64.whl",
    "uv-0.10.1-py3-none-win_amd64.whl",
    "uv-0.11.0rc1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "uv-2.0.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
]
WHEELS = [Wheel(name, f"https://index.example/{name}", "0" * 64) for name in NAMES]


def test_the_bound_in_the_project_file_can_be_read():
    assert get_uv.allowed((0, 9, 12), get_uv.required_version())


@pytest.mark.parametrize(
    ("version", "expected"),
    [((0, 8, 22), False), ((0, 9), True), ((0, 9, 0), True), ((1, 4, 2), True), ((2, 0, 0), False)],
)
def test_versions_within_the_bound_are_allowed(version, expected):
    assert get_uv.allowed(version, BOUND) is expected


def test_a_bound_that_cannot_be_read_is_refused():
    with pytest.raises(SystemExit, match=r"~=1\.0"):
        get_uv.allowed((1, 0), "~=1.0")


@pytest.mark.parametrize("text", ["0.11.0rc1", "0.11.0.dev3", ""])
def test_a_pre_release_is_no_version(text):
    assert get_uv.parse_version(text) is None


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        pytest.param(DEBIAN, NAMES[3], id="debian"),
        pytest.param(ALPINE, NAMES[2], id="alpine"),
        pytest.param(MAC, NAMES[1], id="mac"),
        pytest.param(WINDOWS, NAMES[5], id="windows"),
    ],
)
def test_the_newest_final_wheel_for_the_machine_is_chosen(machine, name):
    assert get_uv.choose(WHEELS, machine, BOUND).name == name


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(Machine("linux", "x86_64", "glibc", (2, 12)), id="glibc too old"),
        pytest.param(Machine("linux", "sparc64", "glibc", (2, 36)), id="other processor"),
        pytest.param(Machine("darwin", "x86_64", release=(14, 5)), id="no wheel for it"),
        pytest.param(Machine("win32", "aarch64"), id="other windows"),
    ],
)
def test_a_machine_without_a_wheel_is_said_so(machine):
    with pytest.raises(NoUv, match="no uv"):
        get_uv.choose(WHEELS, machine, BOUND)


def test_this_machine_has_words_of_wheel_tags():
    machine = get_uv.this_machine()
    assert machine.system in {"linux", "darwin", "win32"}
    assert machine.arch not in {"amd64", "arm64", "i386"}


def test_the_index_page_gives_wheels_with_checksums_only():
    checksum = "ab" * 32
    page = f"""
        <a href="../../files/uv-0.10.1-py3-none-win32.whl#sha256={checksum}">good</a>
        <a href="../../files/uv-0.10.1-py3-none-win_amd64.whl">no checksum</a>
        <a href="uv-0.10.2-py3-none-win32.whl#sha256={checksum}" data-yanked="bad">yanked</a>
        <a href="uv-0.10.1.tar.gz#sha256={checksum}">not a wheel</a>
    """
    (wheel,) = get_uv.wheels_on(page, "https://index.example/simple/uv/")
    assert wheel.url == "https://index.example/files/uv-0.10.1-py3-none-win32.whl"
    assert wheel.sha256 == checksum


@pytest.mark.parametrize(
    ("environment", "settings", "expected"),
    [
        ({}, "", "https://pypi.org/simple"),
        (
            {},
            "[global]\nindex-url = https://mirror.example/simple/\n",
            "https://mirror.example/simple",
        ),
        ({}, "no settings at all", "https://pypi.org/simple"),
        ({"PIP_INDEX_URL": "https://pip.example/simple"}, "", "https://pip.example/simple"),
        (
            {
                "PIP_INDEX_URL": "https://pip.example",
                "UV_DEFAULT_INDEX": "mine=https://uv.example/",
            },
            "",
            "https://uv.example",
        ),
    ],
)
def test_the_index_of_this_machine_is_used(tmp_path, environment, settings, expected):
    file = tmp_path / "pip.conf"
    file.write_text(settings, encoding="utf-8")
    assert get_uv.index_url(environment, [tmp_path / "absent.conf", file]) == expected


@pytest.mark.parametrize(
    "settings",
    [
        'index-url = "https://mirror.example/simple"',
        '[[index]]\nurl = "https://other.example"\n[[index]]\nurl = "https://mirror.example/simple"\n'
        "default = true",
    ],
)
def test_the_default_index_in_the_settings_of_uv_is_used(tmp_path, settings):
    file = tmp_path / "uv.toml"
    file.write_text(settings, encoding="utf-8")
    assert get_uv.index_url({}, [file]) == "https://mirror.example/simple"


def wheel_file(member: str) -> tuple[Wheel, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, b"#!/bin/sh\necho uv 0.10.1\n")
    content = buffer.getvalue()
    return Wheel(NAMES[3], "https://index.example", hashlib.sha256(content).hexdigest()), content


def test_a_wheel_with_the_right_checksum_is_unpacked(tmp_path):
    wheel, content = wheel_file(f"uv-0.10.1.data/scripts/{get_uv.EXECUTABLE}")
    program = get_uv.unpack(wheel, content, tmp_path)
    assert program == tmp_path / "bin" / get_uv.EXECUTABLE
    assert os.access(program, os.X_OK)


def test_a_wheel_with_a_wrong_checksum_is_refused(tmp_path):
    wheel, content = wheel_file(f"uv-0.10.1.data/scripts/{get_uv.EXECUTABLE}")
    with pytest.raises(NoUv, match="SHA-256"):
        get_uv.unpack(wheel, content + b"more", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wheel_without_the_program_is_refused(tmp_path):
    wheel, content = wheel_file("uv/__init__.py")
    with pytest.raises(NoUv, match="holds no program"):
        get_uv.unpack(wheel, content, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a shell script")
class TestFetching:
    def stand_in(self, folder: Path, version: str) -> Path:
        program = folder / "bin" / "uv"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho uv {version}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    def test_the_next_way_is_tried_when_one_fails(self, tmp_path):
        def broken(home: Path, bound: str) -> Path:
            (home / "half-made").mkdir(parents=True)
            raise NoUv("No module named pip")

        ways = {"pip": broken, "wheel": lambda home, bound: self.stand_in(home, "0.10.1")}
        home = tmp_path / ".uv"
        assert get_uv.fetch(home, BOUND, ways) == home / "bin/uv"
        assert not (home / "half-made").exists()

    def test_a_uv_that_is_too_old_is_not_taken(self, tmp_path):
        ways = {"pip": lambda home, bound: self.stand_in(home, "0.4.0")}
        with pytest.raises(SystemExit, match=r"(?s)by pip: .* does not run here.*PIP_INDEX_URL"):
            get_uv.fetch(tmp_path / ".uv", BOUND, ways)
        assert not (tmp_path / ".uv").exists()

    def test_uv_on_the_path_comes_before_the_fetched_one(self, tmp_path, monkeypatch):
        fetched = self.stand_in(tmp_path / ".uv", "0.10.1")
        on_path = self.stand_in(tmp_path / "system", "0.9.5")
        monkeypatch.setenv("PATH", str(on_path.parent))
        assert get_uv.find(tmp_path / ".uv", BOUND) == on_path
        monkeypatch.setenv("PATH", str(tmp_path))
        assert get_uv.find(tmp_path / ".uv", BOUND) == fetched

    def test_an_unusable_uv_on_the_path_is_passed_over(self, tmp_path, monkeypatch):
        old = self.stand_in(tmp_path / "system", "0.4.0")
        monkeypatch.setenv("PATH", str(old.parent))
        assert get_uv.find(tmp_path / ".uv", BOUND) is None
