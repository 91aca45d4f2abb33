"""Every message has a translation that somebody has looked at, and no translation is left over."""

from __future__ import annotations

import pytest
from babel.messages.catalog import Catalog

import notebooks as tool
from crmlab.language import LOCALE
from crmlab.report import all_chapters

TEMPLATES = {"notebooks": lambda: tool.prose(all_chapters()), "crmlab": tool.package_messages}


@pytest.mark.parametrize("language", tool.LANGUAGES)
@pytest.mark.parametrize("domain", TEMPLATES)
def test_the_catalogue_is_complete_and_has_nothing_left_over(domain, language):
    known = tool.load_catalogue(LOCALE / language / f"{domain}.po", language)
    found = tool.faults(known, TEMPLATES[domain]())
    assert not found, "\n".join(found)


def test_a_changed_cell_keeps_its_translation_marked_fuzzy():
    known = Catalog(locale="zh_CN")
    known.add("Old text", "旧文", context="05_tiering:a")
    known.add("Same", "同", context="05_tiering:b")
    known.add("Gone", "没了", context="05_tiering:c")
    template = Catalog()
    template.add("New text", context="05_tiering:a")
    template.add("Same", context="05_tiering:b")
    template.add("Added", context="05_tiering:d")
    updated = tool.updated_prose(known, template)
    assert updated.get("New text", "05_tiering:a").fuzzy
    assert updated.get("New text", "05_tiering:a").string == "旧文"
    assert not updated.get("Same", "05_tiering:b").fuzzy
    assert updated.get("Gone", "05_tiering:c") is None
    assert tool.faults(updated, template) == [
        "fuzzy: 05_tiering:a: New text",
        "not translated: 05_tiering:d: Added",
    ]


def test_faults_name_what_is_missing_stale_and_has_other_fields():
    known = Catalog(locale="zh_CN")
    known.add("{count} rows", "{n} 行")
    known.add("No longer used", "不用了")
    template = Catalog()
    template.add("{count} rows")
    template.add("New")
    assert tool.faults(known, template) == [
        "missing: New",
        "other fields: {count} rows",
        "stale: No longer used",
    ]


def test_a_catalogue_is_written_the_same_twice_and_read_back(tmp_path):
    template = Catalog()
    template.add("One {x}", locations=[("crmlab/a.py", 0)])
    template.add(("{n} row", "{n} rows"), locations=[("crmlab/a.py", 0)])
    path = tmp_path / "zh_CN" / "crmlab.po"
    updated = tool.updated_messages(tool.load_catalogue(path, "zh_CN"), template)
    updated.get("One {x}").string = "一 {x}"
    tool.write_catalogue(updated, path, "zh_CN")
    first = path.read_bytes()
    again = tool.updated_messages(tool.load_catalogue(path, "zh_CN"), template)
    tool.write_catalogue(again, path, "zh_CN")
    assert path.read_bytes() == first
    assert b"Date" not in first
    assert tool.load_catalogue(path, "zh_CN").get("One {x}").string == "一 {x}"
