import pytest

import crmlab
from crmlab.language import current_language, set_language


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
