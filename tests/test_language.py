from datetime import date

import pytest

import crmlab
from crmlab import language
from crmlab.errors import UnknownName


def test_unknown_language_names_those_there_are():
    with pytest.raises(UnknownName, match=r"There is no language fr\. Choose one of: en, zh_CN"):
        crmlab.set_language("fr")


def test_messages_numbers_and_dates_follow_the_language():
    assert language._("Customers") == "Customers"
    crmlab.set_language("zh_CN")
    assert language._("Customers") == "客户数"
    assert language.day(date(2025, 12, 31)) == "2025年12月31日"
    assert language.money(-1234.5, "CNY") == "-¥1,234"
    assert language.percent(0.1234) == "12.3%"


def test_a_message_without_translation_stays_english():
    crmlab.set_language("zh_CN")
    assert language._("no such message") == "no such message"


def test_fuzzy_messages_are_not_shown(tmp_path, monkeypatch):
    folder = tmp_path / "zh_CN"
    folder.mkdir()
    text = '#, fuzzy\nmsgid "Yes"\nmsgstr "否"\n\nmsgid "No"\nmsgstr "不"\n'
    (folder / "crmlab.po").write_text(text, encoding="utf-8")
    monkeypatch.setattr(language, "LOCALE", tmp_path)
    language.catalogue.cache_clear()
    crmlab.set_language("zh_CN")
    shown = language._("Yes"), language._("No")
    language.catalogue.cache_clear()
    assert shown == ("Yes", "不")
