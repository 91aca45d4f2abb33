"""Every chapter, run from top to bottom in a real JupyterLab, and its explorers moved by keyboard.

The server is started on a free port with settings, configuration and data of its own. Cells are all
in the page at once: JupyterLab leaves out what is off the screen unless it is told not to.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from crmlab.language import languages
from crmlab.report import all_chapters
from crmlab.report.translate import translate

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHAPTERS = all_chapters()
SECONDS_TO_START = 120
SECONDS_TO_RUN = 600
SECONDS_TO_FOLLOW = 60
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
EXPLORER = ".jp-CodeCell:has(.jupyter-widgets)"
CONTROL = ".noUi-handle, .jupyter-widgets input, .jupyter-widgets select, .jupyter-widgets button"
NAMES = ["aria-input-field-name", "aria-valid-attr-value", "button-name", "label", "select-name"]
# By kind of control, the keys that move it there and back again, and how often to press them.
KEYS = {
    "slider": (["ArrowRight", "ArrowLeft"], 3),
    "select": (["ArrowDown", "ArrowUp"], 1),
    "other": (["Space", "Space"], 1),
}

IDLE = r"() => /\| Idle/.test(document.querySelector('#jp-main-statusbar')?.innerText)"
# Something has run and nothing is waiting to: all cells have, or one failed and the rest will not.
FINISHED = f"""() => {{
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
  const said = prompts.map(prompt => prompt.innerText.trim());
  return said.some(one => /\\d/.test(one)) && !said.includes('[*]:') && ({IDLE})();
}}"""
# JupyterLab shows an error like what is written to stderr.
WRONG = '[data-mime-type$="jupyter.stderr"], [data-mime-type$="jupyter.error"]'
# What a control's cell shows: the data of its picture, the picture's text and the sentence.
SHOWN = """cell => {
  const picture = cell.querySelector('.jp-RenderedImage img');
  const sentence = cell.querySelector('.jp-RenderedMarkdown');
  return [picture.src, picture.alt, sentence.innerText.trim()];
}"""
# What a control stands at, as it is shown.
VALUE = """control => {
  const shown = control.closest('.widget-slider')?.querySelector('.widget-readout');
  return shown ? shown.innerText : control.type === 'checkbox' ? control.checked : control.value;
}"""
LOOK = """element => {
  const style = getComputedStyle(element);
  return [style.backgroundColor, style.borderColor, style.outline, style.boxShadow].join();
}"""


@dataclass
class Server:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path


@dataclass
class Session:
    """A notebook opened and run in JupyterLab, and what the browser noticed meanwhile."""

    page: object
    name: str
    asked: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def other_hosts(self) -> list[str]:
        """Addresses outside this machine that were asked for anything."""
        inline = ("data", "blob", "about")
        asked = [address for address in self.asked if urlsplit(address).scheme not in inline]
        return [address for address in asked if urlsplit(address).hostname != "127.0.0.1"]

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()

    def wrong(self) -> list[str]:
        """Errors and warnings of cells, and cells that were not run."""
        missed = [prompt for prompt in self.texts(".jp-CodeCell .jp-InputPrompt") if " " in prompt]
        return self.texts(WRONG) + missed


# ---- a server, and notebooks run in it


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("jupyterlab")
    for plugin, values in SETTINGS.items():
        path = home / "settings/@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (home / "notebooks").mkdir()
    process = start(home)
    try:
        yield wait_for_server(process, home)
    finally:
        process.terminate()
        process.wait(timeout=60)


def start(home: Path) -> subprocess.Popen:
    places = {
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
    }
    places = {name: str(home / folder) for name, folder in places.items()}
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=a-token-of-the-tests"),
        f"--ServerApp.root_dir={home / 'notebooks'}",
    ]
    with (home / "log.txt").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            command, env=os.environ | places, stdout=log, stderr=subprocess.STDOUT
        )


def wait_for_server(process: subprocess.Popen, home: Path) -> Server:
    """Wait until the server has written down where it listens."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        for path in (home / "runtime").glob("jpserver-*.json"):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:  # not written to its end yet
                continue
            return Server(found["url"], found["token"], home / "notebooks")
        time.sleep(0.2)
    pytest.fail("JupyterLab did not start:\n" + (home / "log.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run_notebook(browser, server):
    """Open a notebook in JupyterLab, run all its cells and wait for the last one."""
    contexts = []

    def run(notebook: nbformat.NotebookNode, name: str) -> Session:
        nbformat.write(notebook, server.folder / f"{name}.ipynb")
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        session = watched(contexts[-1], name)
        address = f"{server.url}lab/tree/{name}.ipynb?reset&token={server.token}"
        session.page.goto(address, timeout=SECONDS_TO_START * 1000)
        session.page.wait_for_function(IDLE, timeout=SECONDS_TO_START * 1000)
        session.page.click(".lm-MenuBar-item:has-text('Run')")
        session.page.click("[data-command='runmenu:run-all']")
        session.page.wait_for_function(FINISHED, timeout=SECONDS_TO_RUN * 1000)
        return session

    yield run
    for context in contexts:
        context.close()


def watched(context, name: str) -> Session:
    """A new page whose requests and errors are written down."""
    session = Session(context.new_page(), name)
    context.on("request", lambda request: session.asked.append(request.url))
    session.page.on("websocket", lambda socket: session.asked.append(socket.url))
    session.page.on("pageerror", lambda error: session.troubles.append(str(error)))
    session.page.on(
        "console",
        lambda said: session.troubles.append(said.text) if said.type == "error" else None,
    )
    return session


def prepared(chapter, language: str) -> nbformat.NotebookNode:
    """The chapter as a reader gets it: in the language, without outputs."""
    notebook = translate(chapter.read(), chapter.stem, language)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(r'(?m)^language = ".*"$', f'language = "{language}"', cell.source)
            assert f'language = "{language}"' in cell.source
    return notebook


@pytest.fixture(
    scope="module",
    params=[(chapter, language) for chapter in CHAPTERS for language in languages()],
    ids=lambda param: f"{param[0].stem}-{param[1]}",
)
def chapter(request, run_notebook) -> Iterator[Session]:
    chapter, language = request.param
    session = run_notebook(prepared(chapter, language), f"{chapter.stem}-{language}")
    yield session
    session.page.context.close()  # an open notebook takes much of a processor, even when idle


# ---- the chapters


def test_a_chapter_runs_without_error_or_warning_and_asks_no_other_host(chapter):
    assert chapter.wrong() == []
    assert chapter.texts(".jp-Dialog") == []
    assert chapter.troubles == []
    assert any(address.startswith("ws:") for address in chapter.asked)
    assert chapter.other_hosts() == []


def test_every_control_of_an_explorer_has_a_name_and_every_picture_a_text(chapter, faults):
    explorers = chapter.page.locator(EXPLORER)
    explorers.locator(".jp-RenderedImage img[alt]:not([alt=''])").first.wait_for()
    assert explorers.count() == explorers.locator(".jp-RenderedImage img[alt]").count() > 0
    assert faults(chapter.page, f"{EXPLORER} .jupyter-widgets", NAMES) == []


def test_every_explorer_follows_the_keyboard(chapter, screenshots):
    explorers = chapter.page.locator(EXPLORER).all()
    assert explorers
    for number, explorer in enumerate(explorers, 1):
        controls = explorer.locator(CONTROL).all()
        assert controls
        for control in controls:
            tab_to(chapter.page, explorer, control)
            before = explorer.evaluate(SHOWN)
            back = move(chapter.page, control)
            picture, text, sentence = follow(chapter.page, explorer, control, before)
            assert picture != before[0], "the picture stays as it was"
            assert sentence != before[2], "the sentence stays as it was"
            assert text == sentence, "the picture's text is not its sentence"
            if said := control.get_attribute("aria-valuetext"):
                assert said == control.evaluate(VALUE), "another value is read out than is shown"
            press(chapter.page, *back)
            follow(chapter.page, explorer, control, [picture, text, sentence])
        explorer.evaluate("element => element.scrollIntoView()")
        chapter.page.screenshot(path=screenshots / f"{chapter.name}-explorer-{number}.png")
        leaves_the_controls(chapter.page)
    assert chapter.troubles == []
    assert chapter.wrong() == []


def tab_to(page, explorer, control) -> None:
    """Go to the cell with the arrow keys and to the control with Tab; focus must be seen."""
    unfocused = control.evaluate(LOOK)
    go_to_cell(page, explorer)
    for _ in range(20):
        page.keyboard.press("Tab")
        if control.evaluate("element => element === document.activeElement"):
            break
    assert control.evaluate("element => element === document.activeElement"), "Tab does not reach"
    assert control.evaluate("element => element.matches(':focus-visible')")
    assert control.evaluate(LOOK) != unfocused, "nobody sees that the control has the focus"


def go_to_cell(page, cell) -> None:
    """Go from the selected cell, wherever the focus was, up or down to another cell."""
    page.locator(".jp-Notebook .jp-Cell.jp-mod-active").focus()
    cells = page.locator(".jp-Notebook .jp-Cell")
    index = "(all, cell) => all.indexOf(cell)"
    wanted = cells.evaluate_all(index, cell.element_handle())
    for _ in range(2 * cells.count()):
        active = page.locator(".jp-Notebook .jp-Cell.jp-mod-active").element_handle()
        away = wanted - cells.evaluate_all(index, active)
        if away == 0:
            return
        page.keyboard.press("ArrowDown" if away > 0 else "ArrowUp")
    focus = page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    pytest.fail(f"the arrow keys do not lead to cell {wanted}, but {away} off; focus: {focus}")


def move(page, control) -> tuple[str, int]:
    """Press the keys of a control until its value changes; which to press to go back, how often."""
    kind = control.evaluate("e => e.getAttribute('role') ?? e.tagName.toLowerCase()")
    (there, back), times = KEYS.get(kind, KEYS["other"])
    before = control.evaluate(VALUE)
    for key, other in ((there, back), (back, there)):
        press(page, key, times)
        if control.evaluate(VALUE) != before:
            return other, times
    pytest.fail(f"the keys of a {kind} do not move it")


def press(page, key: str, times: int) -> None:
    for _ in range(times):
        page.keyboard.press(key)


def follow(page, explorer, control, before: list[str]) -> list[str]:
    """Wait until the picture is new and all that is said agrees with it; what they are now."""
    deadline = time.monotonic() + SECONDS_TO_FOLLOW
    while time.monotonic() < deadline:
        now = explorer.evaluate(SHOWN)
        said = control.get_attribute("aria-valuetext")
        agreed = now[1] == now[2] and said in (None, control.evaluate(VALUE))
        if now[0] != before[0] and agreed and page.evaluate(IDLE):
            break
        page.wait_for_timeout(100)
    return now


def leaves_the_controls(page) -> None:
    """The controls must not keep the focus among themselves."""
    stops = ".jupyter-widgets :is(input, select, button, [tabindex], [contenteditable])"
    for _ in range(page.locator(stops).count() + 1):
        page.keyboard.press("Tab")
        if not page.evaluate("document.activeElement.closest('.jupyter-widgets') !== null"):
            return
    pytest.fail("Tab does not lead out of the controls")


# ---- that these tests notice what they are there to notice


def of_cells(*cells) -> nbformat.NotebookNode:
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=list(cells), metadata={"kernelspec": kernel})


def test_a_request_to_another_host_is_noticed(run_notebook):
    picture = new_markdown_cell('<img src="https://example.org/a.png">')
    notebook = of_cells(picture, new_code_cell("1"))
    session = run_notebook(notebook, "asks")
    assert session.other_hosts() == ["https://example.org/a.png"]
    assert session.troubles


def test_a_cell_that_fails_and_a_warning_are_noticed(run_notebook):
    cells = ["import warnings; warnings.warn('careful')", "1 / 0", "print('not reached')"]
    session = run_notebook(of_cells(*map(new_code_cell, cells)), "fails")
    warned, raised, missed = session.wrong()
    assert "careful" in warned
    assert "ZeroDivisionError" in raised
    assert missed == "[ ]:"


def test_a_control_without_a_name_is_noticed(run_notebook, faults):
    notebook = of_cells(new_code_cell("import ipywidgets\nipywidgets.IntSlider()"))
    session = run_notebook(notebook, "nameless")
    session.page.locator(".noUi-handle").wait_for()
    assert faults(session.page, f"{EXPLORER} .jupyter-widgets", NAMES)
