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


def test_chinese_sentences_stand_close_together_and_latin_words_keep_their_spaces():
    language.set_language("zh_CN")
    assert language.set_close("共 3 位。 其中 A， B") == "共 3 位。其中 A，B"
    language.set_language("en")
    assert language.set_close("One. Two") == "One. Two"


def test_a_currency_on_an_axis_is_named_in_chinese_and_coded_in_english():
    assert language.currency_name("CNY") == "CNY"
    language.set_language("zh_CN")
    assert language.currency_name("CNY") == "人民币"
