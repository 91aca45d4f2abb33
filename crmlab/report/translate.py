"""The prose of a notebook in another language: every Markdown cell is one gettext message."""

from __future__ import annotations

from copy import deepcopy

from nbformat import NotebookNode

from crmlab.language import catalogue

DOMAIN = "notebooks"


def context(stem: str, cell_id: str) -> str:
    """The gettext context of a Markdown cell.

    Examples
    --------
    >>> context("05_tiering", "objectives")
    '05_tiering:objectives'
    """
    return f"{stem}:{cell_id}"


def translate(notebook: NotebookNode, stem: str, language: str) -> NotebookNode:
    """A copy of the notebook with its Markdown cells in that language.

    A cell without a reviewed translation stays in English.

    Parameters
    ----------
    notebook : NotebookNode
        In English.
    stem : str
        Name of the notebook's file without its ending.
    language : str
        Code of the language, such as ``"zh_CN"``.
    """
    translated = deepcopy(notebook)
    messages = catalogue(language, DOMAIN)
    for cell in translated.cells:
        if cell.cell_type == "markdown" and cell.source:
            cell.source = messages.pgettext(context(stem, cell.id), cell.source)
    return translated
