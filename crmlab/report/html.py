"""An executed notebook as one HTML file that opens with the network blocked.

No script, no style sheet and no font is fetched; a content security policy in the file says so to
the browser. Formulas are MathML, pictures carry their alternative text, tables say which cells are
headers, explorers are shown as the figure they start from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from bs4 import BeautifulSoup, Tag
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbformat import NotebookNode

from crmlab.language import _, current_language
from crmlab.report.leave_out import LeftOut
from crmlab.report.mathml import markdown_to_html

_TEMPLATES = Path(__file__).parent
_TITLE = re.compile(r"\A\s*# +(.+?)\s*#*\s*(?:\n|\Z)")
# a number with its sign, currency, separators, unit of share; or nothing, or a dash for nothing
_NUMBER = re.compile(
    r"[-+−–]?\s*[A-Z$€£¥]{0,4}\s?[-+−]?[\d.,\s]*(e[-+]?\d+)?\s*%?|NaN|None|NaT|nan"
)
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_WIDGET = "application/vnd.jupyter.widget-view+json"
_SHOWN_FIRST = [
    _WIDGET,
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/html",
    "text/markdown",
    "text/latex",
    "text/plain",
]


@dataclass(frozen=True)
class About:
    """What a report says about itself.

    Attributes
    ----------
    facts : tuple of (str, str)
        Name and value, in order: source, as of, language, version, the user's parameters.
    excluded : DataFrame
        Rows read and excluded; empty if there is nothing to say.
    left_out : tuple of LeftOut
    version : str
        crmlab's.
    """

    facts: tuple[tuple[str, str], ...] = ()
    excluded: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: tuple[LeftOut, ...] = ()
    version: str = ""


def title(notebook: NotebookNode, fallback: str = "") -> str:
    """The notebook's title: its first heading, in plain text."""
    for cell in notebook.cells:
        found = _TITLE.match(cell.source) if cell.cell_type == "markdown" else None
        if found:
            return BeautifulSoup(markdown_to_html(found[1]), "html.parser").get_text().strip()
    return fallback


def to_html(notebook: NotebookNode, about: About, *, fallback_title: str = "") -> str:
    """The notebook as a self-contained page in the current language.

    Parameters
    ----------
    notebook : NotebookNode
        Executed.
    about : About
        Provenance and what was left out, shown on top.
    fallback_title : str
        Title of a notebook that has no heading.
    """
    shown = title(notebook, fallback_title)
    report = {
        "lang": current_language().replace("_", "-"),
        "title": shown,
        "version": about.version,
        "css": (_TEMPLATES / "template" / "style.css").read_text(encoding="utf-8"),
        "words": _words(),
        "facts": about.facts,
        "excluded": _as_table(about.excluded),
        "left_out": [(one.title, one.reason()) for one in about.left_out],
    }
    page, _resources = _Exporter().from_notebook_node(_without_title(notebook), {"report": report})
    soup = BeautifulSoup(page, "html.parser")
    _drop_what_loads(soup)
    _order_headings(soup)
    _list_contents(soup)
    _label_tables(soup)
    _let_code_scroll(soup)
    return str(soup)


def _as_table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return ""
    with pd.option_context("display.max_colwidth", None):
        return frame.to_html(index=False, na_rep="", float_format="{:g}".format)


class _Exporter(TemplateExporter):
    """nbconvert with our own template and filters."""

    file_extension = ".html"
    output_mimetype = "text/html"
    display_data_priority = _SHOWN_FIRST

    def __init__(self, **settings: object) -> None:
        super().__init__(
            template_name="template", extra_template_basedirs=[str(_TEMPLATES)], **settings
        )
        self.register_filter("markdown2html", markdown_to_html)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3"))
        self.register_filter("alt_text", _alt_text)
        self.register_filter("filter_data_type", _most_telling)


def _most_telling(data: NotebookNode) -> list[str]:
    """The one form of an output that is shown."""
    return next(([kind] for kind in _SHOWN_FIRST if kind in data), [])


def _alt_text(output: NotebookNode) -> str:
    for kind in ("image/png", "image/jpeg", "image/svg+xml"):
        alt = output.metadata.get(kind, {}).get("alt")
        if alt:
            return str(alt)
    plain = str(output.data.get("text/plain", ""))
    return "" if plain.startswith("<") else plain


def _words() -> dict[str, str]:
    return {
        "skip": _("Skip to the content"),
        "about": _("About this report"),
        "contents": _("Contents"),
        "code": _("Code"),
        "excluded": _("Rows read and excluded"),
        "left_out": _("Left out"),
        "colon": "：" if current_language().startswith("zh") else ": ",
        "explorer": _("Open this notebook in JupyterLab to move the sliders."),
    }


def _without_title(notebook: NotebookNode) -> NotebookNode:
    """The title stands in the page's header; it is not repeated."""
    shown = NotebookNode(notebook)
    shown.cells = [NotebookNode(cell) for cell in notebook.cells]
    for cell in shown.cells:
        if cell.cell_type == "markdown" and _TITLE.match(cell.source):
            cell.source = _TITLE.sub("", cell.source, count=1)
            break
    return shown


# ---- the page, put right


def _drop_what_loads(soup: BeautifulSoup) -> None:
    """Nothing that would run or be fetched stays in; links to follow by hand do."""
    for element in soup(["script", "link", "iframe", "object", "embed", "base"]):
        element.decompose()
    for element in soup("style"):
        if element.has_attr("scoped"):  # pandas' own, which only aligns
            element.decompose()
        elif element.find_parent("body"):
            element.string = re.sub(r"@import[^;]*;|url\([^)]*\)", "", element.get_text())
    for element in soup.find_all(src=True):
        if not str(element["src"]).startswith("data:"):
            element.replace_with(str(element.get("alt", "")))
    for element in soup.find_all("a", href=re.compile("^https?:")):
        element["rel"] = "noreferrer"


def _order_headings(soup: BeautifulSoup) -> None:
    """One first-level heading, no level skipped, and an address for each."""
    previous = 1
    used = {str(element["id"]) for element in soup.find_all(id=True)}
    main = soup.find("main")
    for heading in main(_HEADINGS) if isinstance(main, Tag) else []:
        level = min(max(int(heading.name[1]), 2), previous + 1)
        heading.name = f"h{level}"
        previous = level
        heading["id"] = _address(heading.get_text(), used)


def _address(text: str, used: set[str]) -> str:
    base = re.sub(r"[^\w]+", "-", text.strip().lower()).strip("-") or "section"
    address, number = base, 2
    while address in used:
        address, number = f"{base}-{number}", number + 1
    used.add(address)
    return address


def _list_contents(soup: BeautifulSoup) -> None:
    nav, main = soup.find("nav"), soup.find("main")
    if not isinstance(nav, Tag) or not isinstance(main, Tag):
        return
    headings = main(["h2", "h3"])
    if not headings:
        nav.decompose()
        return
    top = soup.new_tag("ul")
    nav.append(top)
    item: Tag | None = None
    for heading in headings:
        link = soup.new_tag("a", href=f"#{heading['id']}")
        link.string = heading.get_text()
        entry = soup.new_tag("li")
        entry.append(link)
        if heading.name == "h2" or item is None:
            top.append(entry)
            item = entry
        else:
            _sublist(soup, item).append(entry)


def _sublist(soup: BeautifulSoup, item: Tag) -> Tag:
    found = item.find("ul")
    if isinstance(found, Tag):
        return found
    made = soup.new_tag("ul")
    item.append(made)
    return made


def _label_tables(soup: BeautifulSoup) -> None:
    """Header cells say what they head, and a wide table scrolls by itself, also by keyboard."""
    for table in soup("table"):
        del table["border"]
        for element in [table, *table("tr"), *table(["th", "td"])]:
            del element["style"]
        _align_numbers(table)
        _scope(table("thead"), "col")
        _scope(table("tbody"), "row")
        frame = soup.new_tag("div", attrs={"class": "table", "role": "region", "tabindex": "0"})
        frame["aria-label"] = _table_name(table)
        table.wrap(frame)


def _let_code_scroll(soup: BeautifulSoup) -> None:
    """A line of code that is too long for the screen can be scrolled by keyboard."""
    for block in soup("pre"):
        block["tabindex"] = "0"


def _align_numbers(table: Tag) -> None:
    """Columns of numbers are set to the right, with their heading."""
    rows = [row(["th", "td"], recursive=False) for row in table("tr")]
    body = [row for row in rows if row and not row[0].find_parent("thead")]
    width = max((len(row) for row in body), default=0)
    # a table with joined cells is left as it is
    if any(len(row) != width for row in rows):
        return
    for column in range(width):
        if all(_NUMBER.fullmatch(row[column].get_text(strip=True)) for row in body):
            for row in rows:
                classes = [str(name) for name in row[column].get_attribute_list("class") if name]
                row[column]["class"] = " ".join([*classes, "number"])


def _scope(parts: Iterable[Tag], scope: str) -> None:
    for cell in [cell for part in parts for cell in part("th")]:
        if not cell.get_text(strip=True):
            cell.name = "td"
            continue
        wide = int(str(cell.get("colspan", "1"))) > 1
        tall = scope == "row" and int(str(cell.get("rowspan", "1"))) > 1
        cell["scope"] = f"{scope}group" if wide or tall else scope


def _table_name(table: Tag) -> str:
    caption = table.find("caption")
    if isinstance(caption, Tag):
        return caption.get_text(strip=True)
    summary = table.find_previous(["summary", *_HEADINGS])
    name = summary.get_text(strip=True) if isinstance(summary, Tag) else ""
    return _("Table: {name}").format(name=name)
