"""Running chapters and writing their reports, on notebooks that the tests write themselves."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
import types
from datetime import date
from pathlib import Path
from queue import Empty

import nbformat
import openpyxl
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from jupyter_client.channels import AsyncZMQSocketChannel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from crmlab import language
from crmlab.data import model
from crmlab.errors import CrmlabError, SourceNotFound, UnknownName
from crmlab.report import chapters, html, leave_out, run, runner, translate
from crmlab.report import execute as execute_module
from crmlab.report.excel import write_workbook
from crmlab.report.execute import NotebookFailed, execute
from crmlab.report.html import About, to_html
from crmlab.report.leave_out import LeftOut
from crmlab.report.mathml import markdown_to_html
from crmlab.show import result
from crmlab.show.accounting import for_reader

ROOT = Path(__file__).parents[1]
# the smallest PNG: one transparent pixel
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5"
    "ErkJggg=="
)
PARAMETERS = 'data = files = student = as_of = out = ""\nlanguage = "en"'
WRITES_A_TABLE = """\
import json
from pathlib import Path
from queue import Empty
import pandas as pd

def show(number, measure, table, columns):
    place = Path(out) / f"{number:02d}_{measure}"
    table.to_parquet(f"{place}.parquet")
    said = dict(number=number, measure=measure, title="A title", reading="One.\\nTwo.", alt="Alt",
                language=language, currency="CNY", columns=columns,
                definition=dict(numerator="orders", denominator="all", period="2025", method="=sum",
                                source="test",
                                exclusions=[dict(reason="no customer", count=3, unit="orders")]))
    Path(f"{place}.json").write_text(json.dumps(said))

show(1, "tiering.lorenz", pd.DataFrame({"name": ["=1+1", "b"], "share": [0.5, None]}),
     [dict(name="name", label="Name", format="text"),
      dict(name="share", label="Share", format="percent")])
"""


def markdown(cell_id: str, source: str, **about):
    return new_markdown_cell(source, id=cell_id, metadata={"crmlab": about} if about else {})


def code(cell_id: str, source: str, **about):
    return new_code_cell(source, id=cell_id, metadata={"crmlab": about} if about else {})


def parameters_cell():
    return new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters"]})


def chapter_notebook(*cells):
    return new_notebook(cells=[markdown("title", "# A chapter"), parameters_cell(), *cells])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write two chapters: one that shows a table, one that fails."""
    place = tmp_path / "chapters"
    place.mkdir()
    good = chapter_notebook(code("show-it", WRITES_A_TABLE), code("say", "print(data, out)"))
    bad = chapter_notebook(code("divide", "# a comment first\nnothing = 1 / 0"))
    nbformat.write(good, place / "05_tiering.ipynb")
    nbformat.write(bad, place / "04_complaints.ipynb")
    return place


@pytest.fixture
def crm(monkeypatch):
    """Put a workspace without any table in the place of the data."""
    workspace = types.SimpleNamespace(
        source="a small company",
        as_of=date(2025, 12, 31),
        accounting=pd.DataFrame({"table": ["orders"], "read": [1000], "excluded": [20]}),
    )
    monkeypatch.setattr(runner, "open_workspace", lambda *given: workspace)
    return workspace


@pytest.fixture
def measure(monkeypatch):
    """Add a measure to crmlab that needs two columns."""

    def rfm(crm): ...

    rfm.__module__ = "crmlab.fake"
    fake = types.ModuleType("crmlab.fake")
    fake.rfm = result.measure(needs={"orders": ["customer_id", "amount"]})(rfm)
    monkeypatch.setitem(sys.modules, "crmlab.fake", fake)
    return "fake.rfm"


@pytest.fixture(autouse=True)
def _english():
    language.set_language("en")
    yield
    language.set_language("en")


# ---- which chapters


@pytest.mark.parametrize(
    "name", ["5", "05", "tiering", "05_tiering", "Tiering", "05_tiering.ipynb"]
)
def test_a_chapter_goes_by_number_or_by_name(folder, name):
    assert [one.stem for one in chapters.choose([name], folder)] == ["05_tiering"]


def test_no_name_means_every_chapter_in_order(folder):
    stems = [one.stem for one in chapters.choose([], folder)]
    assert stems == ["04_complaints", "05_tiering"]


def test_an_unknown_chapter_is_refused_with_those_there_are_and_the_closest(folder):
    with pytest.raises(UnknownName) as refused:
        chapters.choose(["teiring"], folder)
    assert "Did you mean tiering?" in str(refused.value)
    assert "04_complaints, 05_tiering" in str(refused.value)


def test_a_folder_without_chapters_is_named(tmp_path):
    with pytest.raises(SourceNotFound, match=re.escape(str(tmp_path))):
        chapters.all_chapters(tmp_path)


# ---- formulas


def test_a_formula_becomes_mathml_with_its_source_as_text():
    page = markdown_to_html(r"The index is $G = \frac{a}{b}$ here.")
    formula = BeautifulSoup(page, "html.parser").find("math")
    assert formula.find("mfrac") is not None
    assert formula["alttext"] == r"G = \frac{a}{b}"


def test_a_formula_on_lines_of_its_own_is_a_block():
    page = markdown_to_html("$$\n\\sum_i x_i\n$$")
    assert BeautifulSoup(page, "html.parser").find("math")["display"] == "block"


@pytest.mark.parametrize(
    "source",
    [
        "`$x$` stays",
        "```\n$x$ and $y$\n```",
        r"\$5 and \$6",
        "It costs $5 and then $7.",
        "From $5 to `$x`.",
    ],
)
def test_code_and_amounts_of_money_are_not_formulas(source):
    assert "<math" not in markdown_to_html(source)


@pytest.mark.parametrize("tex", [r"\notacommand{x}", r"\frac", r"a_{b", r"\left( x"])
def test_a_formula_that_cannot_be_converted_is_shown_as_its_source(tex):
    page = BeautifulSoup(markdown_to_html(f"${tex}$"), "html.parser")
    shown = page.find("math") or page.find("code")
    assert tex in (shown.get("alttext") or shown.get_text())


# ---- the page


def page_of(*cells, about: About | None = None) -> BeautifulSoup:
    return BeautifulSoup(to_html(new_notebook(cells=list(cells)), about or About()), "html.parser")


def with_output(cell_id: str, data: dict, metadata: dict | None = None):
    output = new_output("display_data", data=data, metadata=metadata or {})
    return new_code_cell("show()", id=cell_id, outputs=[output], execution_count=1)


def test_the_page_names_its_language_title_and_contents():
    page = page_of(markdown("t", "# Tiers of *customers*"), markdown("a", "## One\n\n### Two"))
    assert page.html["lang"] == "en"
    assert page.title.string == page.h1.string == "Tiers of customers"
    links = [link["href"] for link in page.find("nav")("a")]
    assert links == ["#one", "#two"]
    assert all(page.find(id=link[1:]) for link in links)


def test_a_chinese_page_says_so():
    if "zh_CN" not in language.languages():
        pytest.skip("there is no Chinese catalogue yet")
    language.set_language("zh_CN")
    assert page_of(markdown("t", "# 客户分级")).html["lang"] == "zh-CN"


def test_there_is_one_first_heading_and_no_level_is_skipped():
    page = page_of(
        markdown("t", "# Title"), markdown("a", "#### Deep\n\n# Again\n\n##### Deeper still")
    )
    levels = [int(heading.name[1]) for heading in page.find_all(re.compile(r"^h[1-6]$"))]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_two_headings_of_the_same_name_have_addresses_of_their_own():
    page = page_of(markdown("t", "# T"), markdown("a", "## Same\n\n## Same"))
    ids = [element["id"] for element in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_a_picture_carries_the_alternative_text_of_its_metadata():
    data = {"image/png": PIXEL, "text/plain": "short"}
    page = page_of(with_output("a", data, {"image/png": {"alt": 'A "curve" & more'}}))
    assert page.img["alt"] == 'A "curve" & more'
    assert page.img["src"].startswith("data:image/png;base64,")


def test_a_picture_without_metadata_takes_its_plain_text():
    page = page_of(with_output("a", {"image/png": PIXEL, "text/plain": "In words"}))
    assert page.img["alt"] == "In words"


def test_an_explorer_becomes_a_note_and_its_figure_stays():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "VBox()"}
    page = page_of(
        with_output("a", {"image/png": PIXEL, "text/plain": "Figure"}), with_output("b", view)
    )
    assert page.img is not None
    assert "JupyterLab" in page.find(class_="explorer").get_text()
    assert "VBox" not in page.get_text()


def test_code_is_folded_and_shown_on_demand():
    page = page_of(new_code_cell("total = 1  # <b>", id="a", execution_count=3))
    details = page.find("details", class_="code")
    assert not details.has_attr("open")
    assert details.summary.get_text(strip=True) == "Code 3"
    assert "total = 1  # <b>" in details.get_text()


def test_header_cells_of_a_table_say_what_they_head_and_numbers_are_set_right():
    frame = pd.DataFrame({"tier": ["key", "general"], "share": ["80.0%", "5.0%"]}, index=["a", "b"])
    table = page_of(with_output("a", {"text/html": frame.to_html()})).find("table")
    assert [cell.get("scope") for cell in table.thead("th")] == ["col", "col"]
    assert [cell.get("scope") for cell in table.tbody("th")] == ["row", "row"]
    assert [cell.get_text() for cell in table(class_="number")] == ["share", "80.0%", "5.0%"]
    assert table.parent["role"] == "region"
    assert table.parent["tabindex"] == "0"


def test_nothing_that_runs_or_is_fetched_stays_in_the_page():
    harmful = (
        '<script src="https://example.org/x.js"></script>'
        '<img src="https://example.org/a.png" alt="a">'
        '<link rel="stylesheet" href="https://example.org/a.css">'
        '<iframe src="https://example.org"></iframe>'
        "<style>@import 'https://example.org/b.css';"
        "p {background: url(https://example.org/c.png)}</style>"
    )
    page = page_of(
        with_output("a", {"text/html": harmful}), markdown("b", "![b](https://example.org/b.png)")
    )
    assert not page(["script", "link", "iframe"])
    assert "example.org" not in str(page)
    assert "default-src 'none'" in page.find("meta", {"http-equiv": True})["content"]


def test_the_page_says_where_its_numbers_come_from():
    about = About(
        facts=(("Data", "a <b> company"),),
        excluded=pd.DataFrame({"table": ["orders"], "excluded": [20]}),
        left_out=(LeftOut("rfm", "RFM", "tiering.rfm", {"orders": ("amount",)}),),
    )
    text = page_of(markdown("t", "# T"), about=about).find(class_="about").get_text(" ")
    for part in ("a <b> company", "20", "tiering.rfm needs a column", "orders.amount"):
        assert part in text


def test_the_colours_of_the_page_have_enough_contrast():
    css = (Path(html.__file__).parent / "template" / "style.css").read_text(encoding="utf-8")
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in css.split("@media")[:2]]
    inks = ("ink", "quiet", "accent", "keyword", "string", "number", "comment", "name")
    for colours in schemes:
        for ground in ("paper", "panel"):
            for ink in inks:
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["warn-ink"], colours["warn-paper"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ---- leaving out, translating

NOTHING = types.SimpleNamespace(missing=lambda needs: needs)


def test_a_section_that_cannot_be_computed_is_replaced_by_a_note_with_the_reason(measure):
    about = {"section": "rfm", "needs": [measure]}
    notebook = new_notebook(
        cells=[
            markdown("before", "## Before"),
            markdown("rfm-why", "## Recency\n\nWhy it matters.", **about),
            code("rfm-code", "1 / 0", **about),
            markdown("after", "## After"),
        ]
    )
    shortened, gone = leave_out.leave_out(notebook, NOTHING)
    assert [cell.id for cell in shortened.cells] == ["before", "rfm-why", "after"]
    note = shortened.cells[1].source
    assert note.startswith("## Recency\n")
    assert "`fake.rfm` needs columns" in note
    assert "Customer (`orders.customer_id`), Amount (`orders.amount`)" in note
    assert [(one.title, one.measure) for one in gone] == [("Recency", "fake.rfm")]
    assert len(notebook.cells) == 4, "the notebook given is left as it is"


def test_a_section_that_can_be_computed_stays(measure):
    everything = types.SimpleNamespace(missing=lambda needs: {})
    notebook = new_notebook(cells=[code("a", "1", section="rfm", needs=[measure])])
    shortened, gone = leave_out.leave_out(notebook, everything)
    assert shortened == notebook
    assert gone == []


def test_cells_without_a_heading_are_left_out_under_the_heading_above(measure):
    notebook = new_notebook(
        cells=[
            markdown("before", "## Orders\n\n### By month"),
            code("a", "1", section="a", needs=[measure]),
            markdown("after", "## After"),
        ]
    )
    shortened, (left,) = leave_out.leave_out(notebook, NOTHING)
    assert (left.section, left.title) == ("a", "Orders – By month")
    assert [cell.id for cell in shortened.cells] == ["before", "a", "after"]
    assert shortened.cells[1].source.startswith("> ")


def test_a_heading_that_many_sections_have_is_named_with_its_section(measure):
    cells = [
        markdown("why", "## Recency"),
        markdown("hand", "### By hand", section="hand", needs=[measure]),
        markdown("next", "## Frequency"),
        markdown("again", "### By hand", section="again", needs=[measure]),
        markdown("count", "## Counted", section="count", needs=[measure]),
    ]
    _shortened, gone = leave_out.leave_out(new_notebook(cells=cells), NOTHING)
    assert [one.title for one in gone] == [
        "Recency – By hand",
        "Frequency – By hand",
        "Counted",
    ]


def test_cells_whose_measure_was_named_as_lacking_go_without_a_second_note(measure):
    notebook = new_notebook(
        cells=[
            markdown("why", "## Recency", section="rfm", needs=[measure]),
            code("hand", "1", section="hand", needs=[measure, "orders.region"]),
            markdown("limits", "What it cannot tell.", section="rfm", needs=[measure]),
            markdown("more", "## More of it", section="more", needs=[measure]),
        ]
    )
    shortened, gone = leave_out.leave_out(notebook, NOTHING)
    assert [cell.id for cell in shortened.cells] == ["why", "more"]
    assert [one.title for one in gone] == ["Recency", "More of it"]


def test_cells_that_lack_another_column_than_the_section_around_them_say_so(measure):
    notebook = new_notebook(
        cells=[
            markdown("why", "## Recency", section="rfm", needs=[measure]),
            code("hand", "1", section="hand", needs=[measure, "orders.region"]),
            code("show", "2", section="rfm", needs=[measure]),
        ]
    )
    lacking = {"orders": ("region",)}
    crm = types.SimpleNamespace(missing=lambda needs: {} if needs != lacking else lacking)
    shortened, (left,) = leave_out.leave_out(notebook, crm)
    assert [cell.id for cell in shortened.cells] == ["why", "hand", "show"]
    assert (left.title, left.columns()) == ("Recency", "orders.region")


def test_the_same_reason_to_end_is_said_once_for_a_heading():
    cells = [
        markdown("why", "## Groups", section="groups"),
        code("hand", "1", section="hand"),
        code("show", "2", section="groups"),
        markdown("more", "## More", section="more"),
        code("again", "3", section="more"),
    ]
    for place in (1, 2, 4):
        leave_out.end_section(cells[place], "Too few.")
    shortened, gone = leave_out.cut_short(new_notebook(cells=cells))
    assert [(one.title, one.reason()) for one in gone] == [
        ("Groups", "Too few."),
        ("More", "Too few."),
    ]
    assert [cell.id for cell in shortened.cells] == ["why", "hand", "more", "again"]


def test_a_section_may_ask_for_a_column_itself():
    notebook = new_notebook(
        cells=[markdown("a", "## By region", section="x", needs=["orders.region"])]
    )
    shortened, (left,) = leave_out.leave_out(notebook, NOTHING)
    assert left.reason() == "It needs a column that these data do not have: orders.region."
    assert "Region (`orders.region`)" in shortened.cells[0].source


def test_columns_that_a_section_asks_for_are_named_together():
    wanted = ["orders.region", "contacts.channel", "orders.amount"]
    notebook = new_notebook(cells=[markdown("a", "## By region", section="x", needs=wanted)])
    _shortened, (left,) = leave_out.leave_out(notebook, NOTHING)
    assert left.missing == {"orders": ("region", "amount"), "contacts": ("channel",)}
    assert left.reason() == (
        "It needs columns that these data do not have: "
        "orders.region, orders.amount, contacts.channel."
    )


def test_a_measure_that_does_not_exist_is_named(measure):
    notebook = new_notebook(cells=[code("a", "1", section="x", needs=["fake.nothing"])])
    with pytest.raises(UnknownName, match=r"fake\.nothing"):
        leave_out.leave_out(notebook, NOTHING)


def test_another_way_to_compute_a_measure_is_named():
    notebook = new_notebook(
        cells=[markdown("a", "## On time", section="x", needs=["tiering.on_time"])]
    )
    _shortened, (left,) = leave_out.leave_out(notebook, NOTHING)
    assert (
        "columns that these data do not have: orders.ordered_at, orders.on_time." in left.reason()
    )
    assert left.reason().endswith(
        "With orders.ordered_at, orders.promised_at, orders.delivered_at it could be computed too."
    )


def test_many_other_ways_to_compute_a_measure_are_not_listed():
    ways = ({"orders": ("region",)},) * 3
    left = leave_out.LeftOut("x", "X", "fake.x", {"orders": ("amount",)}, ways)
    assert left.reason().endswith("It can be computed from other columns too: help() lists them.")


def test_a_column_that_a_measure_of_the_section_lacks_too_is_said_once(measure):
    wanted = [measure, "orders.amount", "orders.region"]
    notebook = new_notebook(cells=[markdown("a", "## R", section="x", needs=wanted)])
    _shortened, left = leave_out.leave_out(notebook, NOTHING)
    assert [one.missing for one in left][1:] == [{"orders": ("region",)}]
    assert left[0].measure == measure


def test_prose_is_translated_by_notebook_and_cell(monkeypatch):
    class Messages:
        def pgettext(self, context, message):
            return {("05_tiering:a", "## One"): "## 一"}.get((context, message), message)

    monkeypatch.setattr(translate, "catalogue", lambda code, domain: Messages())
    notebook = new_notebook(
        cells=[markdown("a", "## One"), markdown("b", "## One"), code("c", "1")]
    )
    translated = translate.translate(notebook, "05_tiering", "zh_CN")
    assert [cell.source for cell in translated.cells] == ["## 一", "## One", "1"]
    assert notebook.cells[0].source == "## One"


# ---- the account of the rows


def test_the_account_is_given_labels_and_what_is_not_known_keeps_its_name():
    accounting = pd.DataFrame(
        {"table": ["orders", "other"], "step": ["kept", "new_step"], "rows": [3, 4]}
    )
    shown = for_reader(accounting)
    assert shown.columns.tolist() == ["Table", "Step", "Rows"]
    assert shown["Table"].tolist() == ["Orders", "other"]
    assert shown["Step"].tolist() == ["kept", "new_step"]


def test_every_step_that_loading_notes_has_a_label(tmp_path):
    code = "".join(path.read_text("utf-8") for path in Path(model.__file__).parent.glob("*.py"))
    steps = set(re.findall(r'account\.add\([^)]*?"([a-z_]+)", [^)]', code))
    assert "kept" in steps
    labelled = for_reader(pd.DataFrame({"step": sorted(steps)}))["Step"]
    unlabelled = set(labelled) & {step for step in steps if "_" in step}
    assert not unlabelled


# ---- execution


@pytest.mark.notebooks
def test_a_notebook_runs_in_this_python_without_the_users_profile(tmp_path):
    says = "import os, sys\nprint(sys.executable)\nprint(os.environ['IPYTHONDIR'])"
    done = execute(chapter_notebook(code("say", says)), {"data": "given"}, cwd=tmp_path)
    executable, profile = done.cells[-1].outputs[0].text.split()
    assert executable == sys.executable
    assert not Path(profile).exists(), "the kernel's folder is removed"
    assert done.cells[2].id == "parameters-given"
    assert "papermill" not in json.dumps(done)


@pytest.mark.notebooks
def test_a_cell_that_takes_too_long_is_tried_twice_then_named(tmp_path):
    count = f"open({str(tmp_path / 'tries')!r}, 'a').write('x')\nimport time; time.sleep(60)"
    begun = time.monotonic()
    with pytest.raises(NotebookFailed) as failed:
        execute(chapter_notebook(code("sleep", count)), {}, cell_timeout=2)
    assert failed.value.failure.cell == "sleep"
    assert "2 seconds" in failed.value.failure.message
    assert (tmp_path / "tries").read_text() == "xx"
    assert time.monotonic() - begun < 40


@pytest.mark.notebooks
def test_a_kernel_that_dies_is_a_failure_that_names_the_cell():
    with pytest.raises(NotebookFailed) as failed:
        execute(chapter_notebook(code("die", "import os; os._exit(1)")), {}, cell_timeout=20)
    assert failed.value.failure.cell == "die"


class Unnoticed:
    """A channel whose message has arrived, but is noticed only at the third look."""

    def __init__(self) -> None:
        self.looks: list[float] = []

    async def get_msg(self, timeout=None):
        self.looks.append(timeout)
        if len(self.looks) < 3:
            raise Empty
        return {"msg_type": "execute_reply"}


class Patient(execute_module._PatientChannel, Unnoticed):
    def __init__(self) -> None:
        Unnoticed.__init__(self)


def test_a_message_that_was_not_announced_is_found_within_seconds(monkeypatch):
    monkeypatch.setattr(AsyncZMQSocketChannel, "get_msg", Unnoticed.get_msg)
    channel = Patient()
    assert asyncio.run(channel.get_msg(timeout=None))["msg_type"] == "execute_reply"
    assert channel.looks == [0.5, 0.5, 0.5]


def test_a_channel_with_a_time_limit_keeps_to_it(monkeypatch):
    async def nothing(self, timeout=None):
        await asyncio.sleep(timeout)
        raise Empty

    monkeypatch.setattr(AsyncZMQSocketChannel, "get_msg", nothing)
    begun = time.monotonic()
    with pytest.raises(Empty):
        asyncio.run(Patient().get_msg(timeout=0.7))
    assert 0.6 < time.monotonic() - begun < 2


# ---- the run


@pytest.mark.notebooks
def test_a_failed_chapter_names_its_cell_and_does_not_stop_the_others(folder, crm, tmp_path):
    out = tmp_path / "a {folder} of ours"
    bad, good = run(out=out, folder=folder)
    assert (bad.chapter, good.chapter) == ("04_complaints", "05_tiering")
    assert bad.failure.cell == "divide"
    assert bad.failure.first_line == "# a comment first"
    assert bad.failure.message == "ZeroDivisionError: division by zero"
    assert bad.files == ()
    assert nbformat.read(bad.unfinished, 4).cells[-1].outputs[0].ename == "ZeroDivisionError"
    assert good.failure is None
    names = ["05_tiering.html", "05_tiering.xlsx", "05_tiering.ipynb", "05_tiering"]
    assert [path.name for path in good.files] == names
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*names, "04_complaints.failed.ipynb"]
    )


FEW = """\
from crmlab.errors import NotEnoughData

raise NotEnoughData("Groups need at least 30 customers;\\nthere are 10.")
"""
MANY = """\
from crmlab.errors import TooManyGroups

raise TooManyGroups("Route makes 700 groups.")
"""


def ends_early(*cells):
    return chapter_notebook(
        markdown("groups-why", "## Groups", section="groups"),
        code("groups-count", "print('counted')", section="groups"),
        *cells,
        code("groups-show", "groups", section="groups"),
        markdown("after", "## After", section="after"),
        code("after-say", "print('said')", section="after"),
    )


@pytest.mark.notebooks
def test_a_section_with_too_many_groups_ends_there_and_the_next_begins(crm, tmp_path):
    place = tmp_path / "chapters"
    place.mkdir()
    nbformat.write(ends_early(code("many", MANY, section="groups")), place / "05_tiering.ipynb")
    (report,) = run(out=tmp_path / "out", folder=place)
    assert report.failure is None
    assert [(one.title, one.reason()) for one in report.left_out] == [
        ("Groups", "Route makes 700 groups.")
    ]
    ids = [cell.id for cell in nbformat.read(report.files[2], 4).cells]
    assert "groups-show" not in ids
    assert "after-say" in ids


@pytest.mark.notebooks
def test_a_section_without_enough_data_ends_there_and_the_next_begins(crm, tmp_path):
    place = tmp_path / "chapters"
    place.mkdir()
    nbformat.write(ends_early(code("few", FEW, section="groups")), place / "05_tiering.ipynb")
    (report,) = run(out=tmp_path / "out", folder=place)
    assert report.failure is None
    reason = "Groups need at least 30 customers; there are 10."
    assert [(one.title, one.reason()) for one in report.left_out] == [("Groups", reason)]
    page, book, notebook = report.files
    cells = {cell.id: cell for cell in nbformat.read(notebook, 4).cells}
    assert "groups-show" not in cells
    assert cells["groups-count"].outputs[0].text == "counted\n"
    assert cells["few"].cell_type == "markdown"
    assert cells["few"].source.endswith(reason)
    assert cells["after-say"].outputs[0].text == "said\n"
    assert reason in page.read_text(encoding="utf-8")
    sheet = openpyxl.load_workbook(book)["Left out"]
    assert [cell.value for cell in sheet[2]] == ["Groups", None, None, reason]


@pytest.mark.notebooks
@pytest.mark.parametrize(
    "cell", [code("few", FEW), code("few", "1 / 0", section="groups")], ids=["outside", "defect"]
)
def test_too_few_outside_a_section_and_other_errors_stop_the_run(cell, tmp_path):
    with pytest.raises(NotebookFailed) as failed:
        execute(ends_early(cell), {}, cwd=tmp_path, sections_may_end=True)
    assert failed.value.failure.cell == "few"


@pytest.mark.notebooks
def test_unless_asked_for_no_section_ends_early(tmp_path):
    with pytest.raises(NotebookFailed, match="NotEnoughData: Groups need at least 30"):
        execute(ends_early(code("few", FEW, section="groups")), {}, cwd=tmp_path)


@pytest.mark.notebooks
def test_what_is_written_shows_the_users_own_words(folder, crm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (report,) = run(["5"], data="my data", out="reports", folder=folder)
    assert report.failure is None
    notebook = Path("reports/05_tiering.ipynb").read_text(encoding="utf-8")
    cells = nbformat.reads(notebook, 4).cells
    assert 'data = "my data"' in cells[2].source
    assert 'out = "reports/05_tiering"' in cells[2].source
    assert cells[-1].outputs[0].text == "my data reports/05_tiering\n"
    assert str(tmp_path) not in notebook
    assert str(tmp_path) not in Path("reports/05_tiering.html").read_text(encoding="utf-8")
    table = pd.read_parquet("reports/05_tiering/01_tiering.lorenz.parquet")
    assert table["name"].tolist() == ["=1+1", "b"]


@pytest.mark.notebooks
def test_an_older_report_stays_when_the_new_one_fails(folder, crm, tmp_path):
    out = tmp_path / "reports"
    run(["tiering"], out=out, folder=folder)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    nbformat.write(chapter_notebook(code("broken", "1 / 0")), folder / "05_tiering.ipynb")
    (report,) = run(["tiering"], out=out, folder=folder)
    assert report.failure is not None
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert after.pop("05_tiering.failed.ipynb")
    assert after == before
    assert (out / "05_tiering" / "01_tiering.lorenz.parquet").exists()


@pytest.mark.notebooks
def test_a_report_replaces_the_older_one_and_what_a_failure_left(folder, crm, tmp_path):
    out = tmp_path / "reports"
    (out / "05_tiering").mkdir(parents=True)
    (out / "05_tiering" / "99_old.parquet").write_bytes(b"")
    (out / "05_tiering.failed.ipynb").write_text("{}")
    (out / "05_tiering.html").write_text("old")
    run(["tiering"], out=out, folder=folder)
    assert not (out / "05_tiering" / "99_old.parquet").exists()
    assert not (out / "05_tiering.failed.ipynb").exists()
    assert "<!DOCTYPE html>" in (out / "05_tiering.html").read_text(encoding="utf-8")


def test_what_is_wrong_with_the_data_is_said_before_anything_runs(folder, tmp_path, monkeypatch):
    def refuse(*given):
        raise SourceNotFound("There is no folder x.")

    monkeypatch.setattr(runner, "open_workspace", refuse)
    with pytest.raises(SourceNotFound, match=r"There is no folder x\."):
        run(data="x", out=tmp_path / "reports", folder=folder)
    assert not (tmp_path / "reports").exists()


def test_a_folder_that_cannot_be_written_to_is_named(folder, crm, tmp_path):
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(CrmlabError, match="reports"):
        run(out=tmp_path / "reports", folder=folder)


@pytest.fixture
def _interruptible():
    # A job in the background inherits that Ctrl-C is ignored; the test sends one to itself.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.notebooks
@pytest.mark.usefixtures("_interruptible")
def test_stopping_a_run_ends_its_kernels_and_leaves_nothing(folder, crm, tmp_path):
    waits = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n"
    waits += "import time; time.sleep(300)"
    nbformat.write(chapter_notebook(code("wait", waits)), folder / "05_tiering.ipynb")

    def interrupt(chapter, begun, total):
        if begun == total - 1:
            threading.Thread(target=interrupt_when_running).start()

    def interrupt_when_running():
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.1)
        os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        run(["tiering"], out=tmp_path / "reports", folder=folder, progress=interrupt)
    assert list((tmp_path / "reports").glob("05_tiering.*")) == []
    assert [path.name for path in (tmp_path / "reports").iterdir()] == []
    assert not alive(int((tmp_path / "pid").read_text()))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- the workbook


@pytest.fixture
def tables(tmp_path) -> Path:
    """Write two results as `crmlab.show` does."""
    place = tmp_path / "tables"
    place.mkdir()
    table = pd.DataFrame(
        {
            "tier": ["key", "general", "key"],
            "note": ["=HYPERLINK(1)", "-1+2", "@x"],
            "orders": [1200, 3, 4],
            "share": [0.805, float("nan"), float("inf")],
            "revenue": [1234.5, 2.0, 3.0],
            "on": pd.to_datetime(["2025-01-31", None, "2025-02-28"]),
            "p": [0.0001, 0.04, 1.0],
        }
    )
    formats = ["text", "text", "integer", "percent", "money", "date", "chance"]
    columns = [
        {"name": name, "label": f"The {name}", "format": kind, "values": {}}
        for name, kind in zip(table.columns, formats, strict=True)
    ]
    columns[0]["values"] = {"key": "Key customers"}
    exclusions = [{"reason": "no customer", "count": 3, "unit": "orders"}]
    for number in (1, 2):
        said = {
            "number": number,
            "measure": "tiering.lorenz",
            "title": "=A title",
            "reading": "One.\nTwo.",
            "alt": "",
            "language": "en",
            "currency": "CNY",
            "columns": columns,
            "definition": {"numerator": "orders", "method": "+sum", "exclusions": exclusions},
        }
        table.to_parquet(place / f"{number:02d}_tiering.lorenz.parquet")
        (place / f"{number:02d}_tiering.lorenz.json").write_text(json.dumps(said))
    return place


@pytest.fixture
def book(tables, tmp_path):
    left = [LeftOut("rfm", "RFM", "tiering.rfm", {"orders": ("amount",)})]
    accounting = pd.DataFrame({"table": ["orders"], "read": [10], "excluded": [1]})
    path = tmp_path / "book.xlsx"
    facts = (("Data", "=a company"),)
    write_workbook(tables, path, facts=facts, excluded=accounting, left_out=left)
    return openpyxl.load_workbook(path)


def test_the_workbook_has_a_sheet_for_each_result_and_for_what_is_not_there(book):
    names = ["Definitions", "01 lorenz", "02 lorenz", "Rows read", "Left out"]
    assert book.sheetnames == names


def test_a_result_sheet_has_title_labels_formats_and_the_reading_below(book):
    sheet = book["01 lorenz"]
    assert sheet["A1"].value == "=A title"
    assert [cell.value for cell in sheet[3]][:3] == ["The tier", "The note", "The orders"]
    assert sheet.freeze_panes == "A4"
    assert [cell.number_format for cell in sheet[4]] == [
        "@", "@", "#,##0", "0.0%", "[$CNY] #,##0.00", "yyyy-mm-dd", '[<0.001]"< 0.001";0.000',
    ]  # fmt: skip
    assert [sheet.cell(row, 1).value for row in (8, 9)] == ["One.", "Two."]
    assert sheet.column_dimensions["B"].width > 13


def test_numbers_are_numbers_dates_are_dates_codes_are_labels_and_nothing_is_empty(book):
    sheet = book["01 lorenz"]
    assert sheet["A4"].value == "Key customers"
    assert sheet["A5"].value == "general"
    assert sheet["C4"].value == 1200
    assert sheet["D4"].value == 0.805
    assert sheet["D5"].value is None
    assert sheet["D6"].value == "inf"
    assert sheet["F4"].value.date() == date(2025, 1, 31)
    assert sheet["F5"].value is None


def test_no_text_becomes_a_formula(book):
    texts = [cell for sheet in book for row in sheet for cell in row if isinstance(cell.value, str)]
    risky = [cell for cell in texts if cell.value[0] in "=+-@"]
    assert {cell.value for cell in risky} >= {"=HYPERLINK(1)", "-1+2", "@x", "+sum", "=a company"}
    assert all(cell.data_type == "s" for cell in texts)


def test_the_definitions_say_what_was_computed_and_excluded(book):
    rows = [[cell.value for cell in row] for row in book["Definitions"]]
    assert rows[0][:2] == ["Data", "=a company"]
    assert rows[2][:4] == ["Sheet", "Measure", "Title", "Numerator"]
    assert rows[3][0:2] == ["01 lorenz", "tiering.lorenz"]
    assert rows[3][-1] == "3 orders: no customer"
    assert [cell.value for cell in book["Left out"][2]][:3] == [
        "RFM",
        "tiering.rfm",
        "orders.amount",
    ]


def test_a_run_without_results_still_gives_a_workbook(tmp_path):
    (tmp_path / "none").mkdir()
    write_workbook(tmp_path / "none", tmp_path / "book.xlsx")
    assert openpyxl.load_workbook(tmp_path / "book.xlsx").sheetnames == ["Definitions"]


def test_the_pixel_is_a_picture():
    assert base64.b64decode(PIXEL).startswith(b"\x89PNG")
