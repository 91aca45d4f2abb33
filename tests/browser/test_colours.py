"""The colours of pictures against the white they are drawn on (WCAG 2.2, contrast)."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_rgb

from crmlab.show import charts


def luminance(colour: str) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
             for part in to_rgb(colour)]  # fmt: skip
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def on_white(colour: str) -> float:
    return 1.05 / (luminance(colour) + 0.05)


def test_the_ratio_agrees_with_the_one_published_for_a_known_grey():
    assert on_white("#000000") == pytest.approx(21)
    assert on_white("#767676") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("name", ["INK", "MUTED", "BLUE"])
def test_words_in_pictures_can_be_read(name):
    assert on_white(getattr(charts, name)) >= 4.5


@pytest.mark.parametrize("name", ["BLUE", "ORANGE"])
def test_marks_that_carry_the_message_stand_out(name):
    assert on_white(getattr(charts, name)) >= 3


def test_the_style_writes_in_colours_that_can_be_read():
    style = charts.style()
    written = [value for name, value in style.items() if name in (
        "axes.labelcolor", "text.color", "xtick.color", "ytick.color")]  # fmt: skip
    assert len(written) == 4
    assert min(on_white(colour) for colour in written) >= 4.5
