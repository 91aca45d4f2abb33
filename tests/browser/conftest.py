"""The browser these tests use, and what they look at pages with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# For loading a page or pressing a key, on a machine that has much else to do.
PATIENCE = 180_000
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Where Chromium is: $CHROMIUM, else the first of its usual names on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Patient:
    """A browser whose pages are given time."""

    def __init__(self, browser) -> None:
        self.browser = browser

    def new_context(self, **settings):
        context = self.browser.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        return context


@pytest.fixture(scope="module")
def browser() -> Iterator:
    found = chromium()
    if found is None:
        pytest.skip(f"there is no Chromium here: none of {', '.join(NAMES)} on the PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield Patient(opened)
        opened.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """A folder for screenshots: $CRMLAB_SCREENSHOTS, else a temporary one."""
    named = os.environ.get("CRMLAB_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def faults() -> Callable[..., list[str]]:
    """Ask axe-core, which comes with a package, what on a page is not accessible."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def ask(page, within: str | None = None, rules: list[str] | None = None) -> list[str]:
        options: dict[str, object] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": rules}
        found = axe.run(page, context=within, options=options).response["violations"]
        return [
            f"{fault['id']}: {node['html'][:200]} ({node['failureSummary']})"
            for fault in found
            for node in fault["nodes"]
        ]

    return ask
