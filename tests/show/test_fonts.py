"""The bundled Chinese font has the characters our charts need, and its licence with it."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager

import crmlab

FONTS = Path(crmlab.__file__).parent / "show/fonts"
FONT = FONTS / "NotoSansCJKsc-Regular-subset.otf"
SIGNS = "≤≥±×÷→↑↓−–—…‰·²³αβχλμσ√∑≈≠∞¥％，。：；？！“”‘’（）、《》"


def gb2312_characters(first_row: int, last_row: int) -> set[str]:
    rows = range(first_row, last_row + 1)
    pairs = [bytes([row + 0xA0, cell + 0xA0]) for row in rows for cell in range(1, 95)]
    return {character for pair in pairs for character in pair.decode("gb2312", "ignore")}


@pytest.fixture(scope="module")
def characters() -> set[str]:
    with TTFont(FONT) as font:
        return {chr(code) for code in font.getBestCmap()}


@pytest.mark.parametrize(
    ("first_row", "last_row", "count"),
    [pytest.param(16, 55, 3755, id="level 1"), pytest.param(56, 87, 3008, id="level 2")],
)
def test_every_gb2312_character_is_in_the_font(characters, first_row, last_row, count):
    wanted = gb2312_characters(first_row, last_row)
    assert len(wanted) == count
    assert not wanted - characters


def test_ascii_and_the_signs_of_our_charts_are_in_the_font(characters):
    ascii_characters = {chr(code) for code in range(0x20, 0x7F)}
    assert not (ascii_characters | set(SIGNS)) - characters


def test_font_is_small_and_its_licence_travels_with_it():
    assert FONT.stat().st_size < 1_700_000
    text = (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "Adobe" in text


def test_font_has_a_name_of_its_own_and_no_time_of_making():
    with TTFont(FONT) as font:
        assert font["name"].getDebugName(1) == "Noto Sans CJK SC Subset"
        assert font["head"].modified == font["head"].created


def test_chart_text_in_both_languages_has_every_glyph():
    font_manager.fontManager.addfont(FONT)
    family = font_manager.FontProperties(fname=FONT).get_name()
    with plt.rc_context({"font.family": ["DejaVu Sans", family]}), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plt.figure()
        figure.text(0.1, 0.5, "客户分级 RFM 80/15/5 ≤ −")
        figure.canvas.draw()
        plt.close(figure)
