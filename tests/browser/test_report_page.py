"""Reports opened in a browser with the network blocked: whole, readable, without an error."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from crmlab.language import languages, set_language
from crmlab.report import all_chapters
from crmlab.report.html import About, to_html
from crmlab.report.leave_out import LeftOut
from crmlab.report.translate import translate

CHAPTERS = all_chapters()
# A4 less a centimetre on each side, in CSS pixels.
PAPER = {"width": 717, "height": 1046}
SCHEMES = ["light", "dark"]

pytestmark = pytest.mark.browser


class Opened:
    """A page opened in the browser, and what happened while it opened."""

    def __init__(self, page, path: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self.troubles: list[str] = []
        page.context.route("**/*", self._only_files)
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.goto(path.as_uri(), wait_until="load")

    def _only_files(self, route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
            return
        self.asked.append(route.request.url)
        route.abort()

    def value(self, expression: str):
        return self.page.evaluate(expression)


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page of HTML; `settings` are those of a browser context."""
    contexts = []

    def open_page(html: str, **settings) -> Opened:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        settings.setdefault("viewport", {"width": 1100, "height": 800})
        contexts.append(browser.new_context(**settings))
        return Opened(contexts[-1].new_page(), path)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module", params=languages())
def language(request) -> Iterator[str]:
    set_language(request.param)
    yield request.param
    set_language("en")


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda chapter: chapter.stem)
def report(request, language) -> str:
    """Write the report of a committed notebook, with something left out and excluded."""
    notebook = translate(request.param.read(), request.param.stem, language)
    about = About(
        facts=(("Data", "/a/very/long/path/without/any/break/" * 3),),
        excluded=pd.DataFrame({"table": ["orders"], "remark": ["a long remark " * 9]}),
        left_out=(LeftOut("rfm", "RFM", "tiering.rfm", {"orders": ("customer_id", "amount")}),),
    )
    return to_html(notebook, about)


@pytest.fixture(scope="module")
def just_made(browser, tmp_path_factory, language) -> dict[str, str]:
    """Run every chapter from the command line; the page of each, by its file's name."""
    out = tmp_path_factory.mktemp("reports")
    command = [sys.executable, "-m", "crmlab", "run", "--language", language, "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=out)
    return {path.name: path.read_text(encoding="utf-8") for path in out.glob("*.html")}


def test_a_report_asks_no_host_for_anything_and_has_no_error(opened, report):
    page = opened(report)
    assert page.asked == []
    assert page.troubles == []


def test_every_picture_is_drawn_and_described(opened, report):
    page = opened(report)
    pictures = page.value("[...document.images].map(i => [i.complete, i.naturalWidth, i.alt])")
    assert pictures
    assert all(complete and width > 100 and alt for complete, width, alt in pictures)


def test_the_text_of_a_picture_says_what_it_shows(opened, report):
    texts = opened(report).value("[...document.images].map(i => i.alt)")
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert len(text) >= 15, text
        assert not re.search(r"\.(png|svg|jpe?g)$|^[\w-]+$|^image|^figure|^<", text, re.IGNORECASE)


def test_headings_begin_with_one_title_and_skip_no_level(opened, report):
    levels = opened(report).value(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => Number(h.tagName[1]))"
    )
    assert_no_level_is_skipped(levels)


def assert_no_level_is_skipped(levels: list[int]) -> None:
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_page_says_which_language_it_is_in(opened, report, language):
    said = opened(report).value("document.documentElement.lang")
    assert said == {"en": "en", "zh_CN": "zh-CN"}[language]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_report_is_accessible_in_contrast_names_and_landmarks(opened, faults, report, scheme):
    page = opened(report, color_scheme=scheme)
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert faults(page.page) == []


def test_every_table_has_a_name_and_headings_that_say_what_they_head(opened, report):
    tables = opened(report).value(
        "[...document.querySelectorAll('table')].map(t => [t.parentElement.ariaLabel,"
        "[...t.querySelectorAll('th')].map(h => h.scope)])"
    )
    assert tables
    for name, scopes in tables:
        assert name
        assert scopes
        assert set(scopes) <= {"col", "row", "colgroup", "rowgroup"}


def test_every_formula_is_drawn(opened, report):
    page = opened(report)
    widths = page.value(
        "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)"
    )
    assert widths
    assert all(width > 4 for width in widths)
    assert page.value("document.body.innerText.includes('$')") is False


@pytest.mark.parametrize("width", [360, 768, 1100])
def test_nothing_is_wider_than_the_screen(opened, report, width):
    page = opened(report, viewport={"width": width, "height": 740})
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.value("document.documentElement.scrollWidth") <= width


def test_text_on_a_phone_is_not_small_and_wide_tables_scroll_in_their_own_box(opened, report):
    page = opened(report, viewport={"width": 360, "height": 740})
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    small = page.value(
        "[...document.querySelectorAll('body *:not(math *)')].filter(e =>"
        "[...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())"
        "&& parseFloat(getComputedStyle(e).fontSize) < 14).map(e => e.outerHTML.slice(0, 120))"
    )
    assert small == []
    boxes = page.value(
        "[...document.querySelectorAll('.table')].map(b => [getComputedStyle(b).overflowX,"
        "b.tabIndex, b.getBoundingClientRect().right, b.scrollWidth > b.clientWidth])"
    )
    assert all(box[:2] == ["auto", 0] and box[2] <= 360 for box in boxes)
    assert any(wider for *_, wider in boxes)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_print_is_dark_on_white_whatever_the_screen(opened, faults, report, scheme):
    page = opened(report, color_scheme=scheme, viewport=PAPER)
    page.page.emulate_media(media="print", color_scheme=scheme)
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.value(background) == "rgb(255, 255, 255)"
    assert faults(page.page, rules=["color-contrast"]) == []


def test_nothing_of_a_print_is_cut_off_or_torn_apart(opened, report):
    page = opened(report, viewport=PAPER)
    page.page.emulate_media(media="print")
    cut_off = page.value(
        f"[...document.querySelectorAll('main *, header *')].filter(e => e.scrollWidth > 1"
        f"&& e.getBoundingClientRect().right > {PAPER['width'] + 1})"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert cut_off == []
    whole = ".picture, tr, blockquote, .cell:has(.explorer)"
    kept = page.value(
        f"[...document.querySelectorAll('{whole}')].map(e => getComputedStyle(e).breakInside)"
    )
    assert set(kept) == {"avoid"}
    pages = re.findall(rb"/Type\s*/Page\b", page.page.pdf(format="A4"))
    assert len(pages) > 2


def test_a_print_shows_what_is_folded_away_about_the_data(opened, report):
    page = opened(report, viewport=PAPER)
    page.page.emulate_media(media="print")
    assert page.page.locator(".about details table").is_visible()


def test_links_of_the_contents_lead_somewhere(opened, report):
    page = opened(report)
    assert page.value("document.querySelectorAll('nav a').length") > 5
    broken = page.value(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
        ".filter(h => !document.getElementById(decodeURIComponent(h.slice(1))))"
    )
    assert broken == []


def test_the_first_tab_reaches_the_link_to_the_content(opened, report):
    page = opened(report)
    page.page.keyboard.press("Tab")
    assert page.value("document.activeElement.className") == "skip"
    assert page.value("document.activeElement.getBoundingClientRect().left") >= 0


def test_a_dark_screen_gets_a_dark_page(opened, report):
    colour = "getComputedStyle(document.body).backgroundColor"
    light = opened(report).value(colour)
    dark = opened(report, color_scheme="dark").value(colour)
    assert light == "rgb(255, 255, 255)"
    assert dark != light


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_reports_just_made_are_whole_and_accessible(opened, faults, just_made, scheme):
    stems = {chapter.stem for chapter in CHAPTERS}
    assert {name.removesuffix(".html") for name in just_made} >= stems
    for html in just_made.values():
        page = opened(html, color_scheme=scheme)
        page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert (page.asked, page.troubles) == ([], [])
        assert page.value("[...document.images].every(i => i.naturalWidth > 100 && i.alt)")
        assert faults(page.page) == []


def test_a_page_that_is_not_accessible_is_noticed_by_these_tests(opened, faults):
    page = opened(
        '<!DOCTYPE html><title>T</title><h1>T</h1><h4>D</h4><img src="data:,"><table></table>'
        '<p style="color: #999; background: #fff">pale</p><a href="#"></a>'
    )
    found = " ".join(faults(page.page))
    for rule in ("color-contrast", "heading-order", "html-has-lang", "image-alt", "link-name"):
        assert rule in found
    with pytest.raises(AssertionError):
        assert_no_level_is_skipped([1, 2, 4])


def test_a_request_that_a_result_makes_is_noticed_by_these_tests(opened):
    page = opened('<!DOCTYPE html><img src="https://example.org/a.png">')
    assert page.asked == ["https://example.org/a.png"]
    assert page.troubles


def test_wide_tables_long_words_and_long_formulas_stay_on_a_phone(opened):
    wide = pd.DataFrame([range(40)] * 3).to_html()
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# T\n\n" + "w" * 300 + "\n\n`" + "c" * 300 + "`"),
            new_markdown_cell(
                "$$" + "+".join(["a_{bcd}"] * 40) + "$$\n\n```\n" + "x" * 300 + "\n```"
            ),
            new_markdown_cell("$" + "+".join(["a_{bcd}"] * 40) + "$"),
            new_markdown_cell("|" + "head|" * 30 + "\n|" + "-|" * 30 + "\n|" + "cell|" * 30),
            new_code_cell(
                "x = '" + "y" * 300 + "'",
                outputs=[
                    new_output("display_data", data={"text/html": wide}),
                    new_output("stream", text="z" * 300),
                ],
            ),
        ]
    )
    page = opened(to_html(notebook, About()), viewport={"width": 360, "height": 740})
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.value("document.documentElement.scrollWidth") <= 360
