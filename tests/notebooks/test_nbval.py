"""Each notebook gives the text that stands in it, cell by cell, as nbval sees it (strict)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crmlab.report import all_chapters

HERE = Path(__file__).parent

pytestmark = pytest.mark.notebooks


@pytest.mark.parametrize("chapter", all_chapters(), ids=lambda chapter: chapter.stem)
def test_nbval_finds_the_committed_text(chapter):
    answer = nbval(chapter.path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_nbval_notices_a_text_that_differs(tmp_path):
    notebook = '{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    cell = (
        '{"cell_type": "code", "id": "a", "metadata": {}, "source": "print(1)",'
        ' "execution_count": 1, "outputs":'
        ' [{"output_type": "stream", "name": "stdout", "text": "2\\n"}]}'
    )
    (tmp_path / "a.ipynb").write_text(notebook % cell, encoding="utf-8")
    answer = nbval(tmp_path / "a.ipynb")
    assert answer.returncode == 1
    assert "Cell outputs differ" in answer.stdout


def nbval(path: Path) -> subprocess.CompletedProcess:
    """Run nbval over one notebook, in the environment of the tests."""
    options = [
        "-c",
        "nbval.ini",
        "--rootdir",
        str(path.parent),
        "-p",
        "encrypted",
        "-p",
        "output_widgets",
    ]
    options += ["-p", "no:cacheprovider", "-q"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(path)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
