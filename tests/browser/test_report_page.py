"""Reports opened in a browser with the network blocked: whole, readable, without an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from crmlab.language import languages, set_language
from crmlab.report import all_chapters
from crmlab.report.html import About, to_html
from crmlab.report.leave_out import LeftOut
from crmlab.report.translate import translate

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
CHAPTERS = all_chapters()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
]


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


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


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


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.stem)
def report(request, language) -> str:
    """Write the report of a committed notebook, with something left out and excluded."""
    notebook = translate(request.param.read(), request.param.stem, language)
    about = About(
        facts=(("Data", "/a/very/long/path/without/any/break/" * 3),),
        excluded=pd.DataFrame({"table": ["orders"], "remark": ["a long remark " * 9]}),
        left_out=(LeftOut("rfm", "RFM", "tiering.rfm", {"orders": ("customer_id", "amount")}),),
    )
    return to_html(notebook, about)


def test_a_report_asks_no_host_for_anything_and_has_no_error(opened, report):
    page = opened(report)
    assert page.asked == []
    assert page.troubles == []


def test_every_picture_is_drawn_and_described(opened, report):
    page = opened(report)
    pictures = page.value("[...document.images].map(i => [i.complete, i.naturalWidth, i.alt])")
    assert pictures
    assert all(complete and width > 100 and alt for complete, width, alt in pictures)


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
