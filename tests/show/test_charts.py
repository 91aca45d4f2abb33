"""Every picture in every language: no glyph missing, nothing cut off, a text that describes it."""

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from crmlab import tiering
from crmlab.language import languages, set_language
from crmlab.show.charts import (
    chinese_font,
    house_style,
    new_axes,
    png,
    set_title,
    style,
    wrapped,
)
from crmlab.show.display import picture_of

RESULTS = {
    "lorenz": tiering.lorenz,
    "layers": tiering.layers,
    "layers by tier": lambda crm: tiering.layers(crm, by="tier"),
    "rfm": tiering.rfm,
    "rfm_segments": tiering.rfm_segments,
    "key_accounts": tiering.key_accounts,
    "on_time": tiering.on_time,
    "on_time by region": lambda crm: tiering.on_time(crm, by="region"),
    "on_time by service line": lambda crm: tiering.on_time(crm, by="service_line"),
    "on_time by region and size": lambda crm: tiering.on_time(crm, by=["region", "size"]),
}


@pytest.fixture(scope="module", params=RESULTS)
def result(request, company):
    return RESULTS[request.param](company)


@pytest.mark.parametrize("language", languages())
def test_picture_has_every_glyph_and_nothing_is_cut_off(result, language):
    set_language(language)
    with warnings.catch_warnings(), house_style():
        warnings.simplefilter("error")
        axes = result.plot()
        figure = axes.get_figure()
        assert png(figure).startswith(b"\x89PNG")
    inside = figure.bbox.padded(1)
    for text in figure.findobj(mpl.text.Text):
        box = text.get_window_extent()
        if text.get_text() and text.get_visible() and box.width and _within_view(text, axes):
            corners = (box.x0, box.y0), (box.x1, box.y1)
            assert all(inside.contains(*corner) for corner in corners), text.get_text()


def _within_view(text, axes):
    # Matplotlib keeps labels of ticks outside the limits, which are never drawn.
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    if text not in ticks:
        return True
    x, y = text.get_position()
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    if text in axes.get_xticklabels():
        return left <= x <= right
    return bottom <= y <= top


@pytest.mark.parametrize("language", languages())
def test_result_speaks_the_language(result, language):
    set_language(language)
    said = [result.title(), result.alt(), *result.reading().split("\n\n")]
    said += [result.definition.numerator, result.definition.denominator, result.definition.method]
    for sentence in said:
        assert sentence.strip()
        assert "{" not in sentence
        chinese = any("\u4e00" <= character <= "\u9fff" for character in sentence)
        assert chinese == (language == "zh_CN"), sentence


def test_a_missing_glyph_is_noticed():
    with warnings.catch_warnings(), house_style():
        warnings.simplefilter("error")
        axes = new_axes()
        axes.set_title("\U00020000")  # a rare character that neither font has
        with pytest.raises(UserWarning, match="missing from font"):
            png(axes.get_figure())


def test_the_same_result_gives_the_same_bytes(company):
    first, second = (picture_of(tiering.rfm(company)) for _time in range(2))
    assert first == second


def test_plot_draws_on_the_axes_given_and_returns_them(result):
    figure, (left, right) = plt.subplots(1, 2)
    assert result.plot(ax=right) is right
    assert right.get_title() == result.title()
    assert not left.has_data()
    plt.close(figure)


def test_nothing_global_changes_by_drawing(company):
    before, open_figures = dict(mpl.rcParams), plt.get_fignums()
    picture_of(tiering.rfm(company))
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_figures


def test_latin_font_comes_before_the_chinese_one():
    assert style()["font.family"] == ["DejaVu Sans", chinese_font()]


def test_chinese_counts_two_columns_when_a_title_is_wrapped():
    assert wrapped("客户分级很重要", 8) == "客户分级\n很重要"
    assert max(len(line) for line in wrapped("a word " * 20, 30).split("\n")) <= 30


def test_pictures_are_in_colour_on_white(company):
    image = plt.imread(_file(picture_of(tiering.layers(company))))
    assert np.allclose(image[0, 0, :3], 1)


def _file(data):
    import io

    return io.BytesIO(data)


def test_two_sums_in_dollars_in_a_title_are_no_formula():
    axes = new_axes()
    set_title(axes, "Half spend $17.36 to $43.21")
    assert not axes.figure._suptitle.get_parse_math()
