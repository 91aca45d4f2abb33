"""Rows that are alike stay in their order, on every machine.

numpy sorts with what the processor offers, and its quicksort leaves rows that are alike in an order
that differs from one processor to another; so a sort by one column says that it is to be stable.
"""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


def unstable(code: str) -> list[str]:
    """List the sorts of rows by one column that leave rows that are alike in any order."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if sorts(call) and not is_stable(call)]


def sorts(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return name == "argsort" or (name == "sort_values" and by_one(call))


def is_stable(call: ast.Call) -> bool:
    kind = said(call, "kind")
    return isinstance(kind, ast.Constant) and kind.value == "stable"


def by_one(call: ast.Call) -> bool:
    """Whether rows are sorted by one column: by several pandas sorts stably."""
    by = call.args[0] if call.args else said(call, "by")
    if isinstance(by, ast.List):
        return len(by.elts) == 1
    return by is not None and not isinstance(by, ast.Name)  # a name is that of a list


def said(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("table.sort_values('share')", 1),
        ("table.sort_values(by=['share'])", 1),
        ("table.sort_values(self.against)", 1),
        ("np.argsort(values)", 1),
        ("table.sort_values('share', kind='quicksort')", 1),
        ("table.sort_values('share', kind='stable')", 0),
        ("np.argsort(values, kind='stable')", 0),
        ("table.sort_values(['share', 'customer_id'])", 0),
        ("table.sort_values(by=['share', 'customer_id'])", 0),
        ("series.sort_values()", 0),
        ("sorted(names)", 0),
    ],
)
def test_what_leaves_the_order_open_is_seen(code, count):
    assert len(unstable(code)) == count


def test_no_sort_of_the_package_leaves_the_order_open():
    files = sorted((ROOT / "crmlab").rglob("*.py"))
    assert files
    found = {path.relative_to(ROOT): unstable(path.read_text(encoding="utf-8")) for path in files}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_sort_of_a_chapter_leaves_the_order_open(path):
    cells = nbformat.read(path, 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert [call for source in code for call in unstable(source)] == []
