"""What holds for every committed notebook, read as it stands, and executed again."""

from __future__ import annotations

import ast
import base64
import builtins
import io
import re
from itertools import pairwise

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

import notebooks as tool
from crmlab.report import all_chapters
from crmlab.report.leave_out import find_measure, needs, section

CHAPTERS = all_chapters()
#: Two pictures agree if their sizes are equal, the mean difference of the colour values (0 to 255)
#: is at most this, and at most this share of the pixels differs by more than 32.
MEAN_DIFFERENCE = 1.0
CLEARLY_DIFFERENT = 0.01
LINES = 8
PARAMETERS = 'data = ""\nfiles = ""\nstudent = ""\nas_of = ""\nlanguage = "en"\nout = ""'
START = (
    "crmlab.start(language=language, out=out)\n"
    "crm = crmlab.load(data, files=files, student=student, as_of=as_of)"
)
#: Figures that prose may say: published facts, chosen thresholds and levels, not results.
PUBLISHED = {
    # the chance of a false finding, confidence; two chances and their odds
    "02_satisfaction": {"5 %", "95 %", "50 %", "75 %"},
    "04_complaints": {"80 %"},  # Pareto's custom
    "05_tiering": {
        *("5 %", "15 %", "20 %", "80 %", "95 %"),  # the course's table, ABC cuts, confidence
        *("10 %", "14 %", "50 %", "60 %", "90 %"),  # made up for a step or an exercise, and said so
    },
}

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)


def cells_of(chapter, kind: str):
    return [cell for cell in chapter.read().cells if cell.cell_type == kind]


def outputs_of(notebook):
    return [
        (cell.id, output)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


# ---- as it stands


@each_chapter
def test_a_notebook_is_committed_normalised(chapter):
    text = chapter.path.read_text(encoding="utf-8")
    assert text == tool.as_text(tool.normalised(chapter.read())), "tools/notebooks.py execute"
    assert b"\r" not in chapter.path.read_bytes()


@each_chapter
def test_the_first_code_cells_are_parameters_and_start(chapter):
    first, second, *_rest = cells_of(chapter, "code")
    assert first.metadata.get("tags") == ["parameters"]
    assert first.source == PARAMETERS
    assert second.source.endswith(START)
    assert "import crmlab" in second.source


@each_chapter
def test_ids_of_cells_are_readable_and_unique(chapter):
    ids = [cell.id for cell in chapter.read().cells]
    assert len(ids) == len(set(ids))
    assert not [one for one in ids if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", one)]
    # eight hexadecimal digits are what JupyterLab gives a cell
    assert not [one for one in ids if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f-]{36}", one)]


@each_chapter
def test_cells_are_short(chapter):
    code = cells_of(chapter, "code")
    long = {cell.id: n for cell in code if (n := len(cell.source.splitlines())) > LINES}
    assert not long


@each_chapter
def test_cells_have_run_in_order_without_errors_or_warnings(chapter):
    code = cells_of(chapter, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    noise = [
        (cell_id, output.get("ename") or output.get("text"))
        for cell_id, output in outputs_of(chapter.read())
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert not noise


@each_chapter
def test_every_picture_has_an_alternative_text(chapter):
    pictures = [
        (cell_id, output)
        for cell_id, output in outputs_of(chapter.read())
        if "image/png" in output.get("data", {})
    ]
    assert pictures
    for cell_id, output in pictures:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) > 20, cell_id
        assert alt == output.data["text/plain"], cell_id


@each_chapter
def test_headings_skip_no_level_and_the_title_is_the_only_first_one(chapter):
    prose = "\n".join(cell.source for cell in cells_of(chapter, "markdown"))
    prose = re.sub(r"```.*?```", "", prose, flags=re.DOTALL)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@each_chapter
def test_prose_says_no_results(chapter):
    allowed = PUBLISHED.get(chapter.stem, set())
    found = {
        cell.id: said
        for cell in cells_of(chapter, "markdown")
        if (said := set(re.findall(r"\d[\d.,]* ?%", cell.source)) - allowed)
    }
    assert not found


@each_chapter
def test_what_sections_need_exists(chapter):
    from crmlab.data import model

    for cell in chapter.read().cells:
        for name in needs(cell):
            assert section(cell), cell.id
            table, _dot, column = name.partition(".")
            # complaints are a table and a chapter
            if table in model.TABLES and column in model.table(table):
                continue
            assert find_measure(name).needs


@each_chapter
def test_a_section_uses_names_of_its_own_and_of_no_section_only(chapter):
    """So that a section that is left out, or ends early, takes no other with it."""
    foreign = []
    known = {"": {*dir(builtins), "display"}}
    for cell in cells_of(chapter, "code"):
        own = known.setdefault(section(cell), set())
        for statement in ast.parse(cell.source).body:
            read, bound, inner = names_of(statement)
            foreign += [(cell.id, name) for name in read - inner - own - known[""]]
            own |= bound
    assert not foreign


def names_of(statement: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """Names that a statement reads, that it binds for the cells below, and that it binds within."""
    nodes = list(ast.walk(statement))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    inner = {node.arg for node in nodes if isinstance(node, ast.arg)}
    if isinstance(statement, ast.FunctionDef | ast.For):
        inner |= bound
    for node in nodes:
        if isinstance(node, ast.comprehension):
            inner |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        if isinstance(node, ast.FunctionDef):
            bound.add(node.name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(one.asname or one.name).partition(".")[0] for one in node.names}
    return read, bound, inner


@each_chapter
def test_nothing_of_the_computer_it_ran_on_stands_in_a_notebook(chapter):
    text = chapter.path.read_text(encoding="utf-8")
    assert not re.findall(r"/(?:home|root|Users|tmp|work)/[\w./-]+", text)


def test_what_changes_from_run_to_run_is_not_kept():
    styler = '<table id="T_%s"><td id="T_%s_row0_col0">1</td></table><Styler at 0x%s>'
    runs = [
        notebook_of(styler % (one, one, one * 2), count)
        for one, count in [("ab12f", 7), ("0cd34", 9)]
    ]
    first, second = (tool.as_text(tool.normalised(run)) for run in runs)
    assert first == second
    assert "widget" not in first
    assert "2025-01-01" not in first
    assert "VBox()" in first
    again = tool.normalised(nbformat.reads(first, 4))
    assert tool.as_text(again) == first


def notebook_of(html: str, count: int):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": html}, "text/plain": "VBox()"}
    printed = [new_output("stream", text=text) for text in ("a\n", "b\n")][: 2 if count > 8 else 1]
    outputs = [
        *([new_output("stream", text="a\nb\n")] if len(printed) == 1 else printed),
        new_output("display_data", data=view),
        new_output("execute_result", data={"text/html": html}, execution_count=count),
    ]
    timing = {"execution": {"iopub.status.busy": "2025-01-01"}, "tags": ["parameters"]}
    cell = new_code_cell("x\n", id="a", outputs=outputs, execution_count=count, metadata=timing)
    return new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})


# ---- executed again


@pytest.fixture(scope="module")
def executed():
    """Execute each notebook once for all tests that ask."""
    done: dict[str, object] = {}

    def run(chapter):
        if chapter.stem not in done:
            done[chapter.stem] = tool.run_and_normalise(chapter)
        return done[chapter.stem]

    return run


@pytest.mark.notebooks
@each_chapter
def test_two_executions_are_the_same_byte_for_byte(chapter, executed):
    assert tool.as_text(executed(chapter)) == tool.as_text(tool.run_and_normalise(chapter))


@pytest.mark.notebooks
@each_chapter
def test_an_execution_gives_the_committed_text(chapter, executed):
    assert texts_of(executed(chapter)) == texts_of(chapter.read())


@pytest.mark.notebooks
@each_chapter
def test_an_execution_gives_the_committed_pictures(chapter, executed):
    now, committed = pictures_of(executed(chapter)), pictures_of(chapter.read())
    assert [cell for cell, _picture in now] == [cell for cell, _picture in committed]
    for (cell, new), (_cell, old) in zip(now, committed, strict=True):
        assert same_picture(new, old), cell


def texts_of(notebook) -> list[tuple[str, str, str]]:
    texts = [(cell.id, "source", cell.source) for cell in notebook.cells]
    for cell_id, output in outputs_of(notebook):
        texts.append((cell_id, "stream", output.get("text", "")))
        data = output.get("data", {})
        texts += [(cell_id, kind, data[kind]) for kind in sorted(data) if kind != "image/png"]
    return texts


def pictures_of(notebook) -> list[tuple[str, np.ndarray]]:
    return [
        (cell_id, decoded(output.data["image/png"]))
        for cell_id, output in outputs_of(notebook)
        if "image/png" in output.get("data", {})
    ]


def decoded(picture: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def same_picture(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    difference = np.abs(one - other)
    clearly = (difference.max(axis=2) > 32).mean()
    return bool(difference.mean() <= MEAN_DIFFERENCE and clearly <= CLEARLY_DIFFERENT)


def test_pictures_that_differ_visibly_are_told_apart():
    white = np.full((100, 100, 3), 255.0)
    line, speck = white.copy(), white.copy()
    line[50:52] = 0
    speck[50, 50:60] = 250
    assert same_picture(white, speck)
    assert not same_picture(white, line)
    assert not same_picture(white, white[:50])
