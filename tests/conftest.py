import pytest

import crmlab
from crmlab.language import current_language, set_language

#: Marks of tests that take long, the longest first.
LONG = ("pythons", "notebooks", "browser", "slow")


@pytest.fixture(scope="session")
def company():
    """The bundled company."""
    return crmlab.load()


@pytest.fixture(autouse=True)
def _language_restored():
    """A test may change the language; the next one starts in English again."""
    before = current_language()
    yield
    set_language(before)


def pytest_collection_modifyitems(items):
    """Files with the longest tests come first, so that no process is still at one at the end."""
    rank = {}
    for item in items:
        marks = [place for place, mark in enumerate(LONG) if item.get_closest_marker(mark)]
        rank[item.path] = min([rank.get(item.path, len(LONG)), *marks])
    items.sort(key=lambda item: rank[item.path])
