"""The language of what the reader sees: messages through gettext, numbers and dates through Babel.

English is the base. A catalogue is read from its ``.po`` file when its language is first used, so
there is no compiled copy that could go stale.
"""

from __future__ import annotations

import gettext as _gettext
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path

from crmlab.errors import UnknownName

LOCALE = Path(__file__).parent / "locale"
BASE = "en"

_SPACED = re.compile(r"(?<=[。！？；：，、]) +")

_current = BASE


def languages() -> tuple[str, ...]:
    """Codes of the languages there are, the base first.

    Examples
    --------
    >>> languages()
    ('en', 'zh_CN')
    """
    return (BASE, *sorted(path.parent.name for path in LOCALE.glob("*/crmlab.po")))


def set_language(code: str) -> None:
    """Choose the language of readings, labels, messages and pictures.

    Parameters
    ----------
    code : str
        ``"en"`` or ``"zh_CN"``.

    Raises
    ------
    UnknownName
        If there is no catalogue for it.
    """
    global _current
    if code not in languages():
        raise UnknownName(
            _("There is no language {code}. Choose one of: {names}.").format(
                code=code, names=", ".join(languages())
            )
        )
    _current = code


def current_language() -> str:
    """Code of the language in use."""
    return _current


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Another language inside a ``with`` block.

    Examples
    --------
    >>> with speaking("zh_CN"):
    ...     number(1234.5, 1), current_language()
    ('1,234.5', 'zh_CN')
    >>> current_language()
    'en'
    """
    before = current_language()
    set_language(code)
    try:
        yield
    finally:
        set_language(before)


@cache
def catalogue(code: str, domain: str = "crmlab") -> _gettext.NullTranslations:
    """The messages of a language: domain ``crmlab`` for the package, ``notebooks`` for the prose.

    Fuzzy messages are left out: an unreviewed translation is not shown.
    """
    path = LOCALE / code / f"{domain}.po"
    if code == BASE or not path.exists():
        return _gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with path.open("rb") as source:
        messages = read_po(source, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)


def _(message: str) -> str:
    """The message in the current language."""
    return catalogue(_current).gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """The message in the current language, in the form that fits `n`."""
    # A count of numpy's is no int to gettext.
    return catalogue(_current).ngettext(singular, plural, int(n))


def number(value: float, decimals: int = 0) -> str:
    """A number with the language's separators; a dash for one that is missing.

    Examples
    --------
    >>> number(1234.5678, 1), number(float("nan"))
    ('1,234.6', '–')
    """
    from babel.numbers import format_decimal

    if value != value:
        return "–"
    return format_decimal(value, format=_pattern("#,##0", decimals), locale=_current)


def percent(share: float, decimals: int = 1) -> str:
    """A share as a percentage; a dash for one that is missing.

    Examples
    --------
    >>> percent(0.1234)
    '12.3%'
    """
    from babel.numbers import format_percent

    if share != share:
        return "–"
    return format_percent(share, format=_pattern("#,##0", decimals) + "%", locale=_current)


def signed(share: float, decimals: int = 0) -> str:
    """A change as a percentage that always bears its sign.

    Examples
    --------
    >>> signed(0.12), signed(-0.05)
    ('+12%', '-5%')
    """
    return ("+" if share > 0 else "") + percent(share, decimals)


def with_interval(
    value: float, low: float, high: float, written: Callable[[float], str] = number
) -> str:
    """A figure with its interval in brackets; the figure alone where there is none.

    Parameters
    ----------
    value, low, high : float
    written : callable
        How a figure is written.

    Examples
    --------
    >>> with_interval(0.12, 0.05, 0.19, signed), with_interval(7, float("nan"), float("nan"))
    ('+12% (+5% to +19%)', '7')
    """
    if low != low or high != high:
        return written(value)
    return _("{value} ({low} to {high})").format(
        value=written(value), low=written(low), high=written(high)
    )


def money(value: float, currency: str, decimals: int = 0) -> str:
    """An amount with its currency.

    Examples
    --------
    >>> money(1234.5, "CNY")
    'CN¥1,234'
    """
    from babel.numbers import format_currency

    pattern = "¤" + _pattern("#,##0", decimals)
    return format_currency(value, currency, format=pattern, locale=_current, currency_digits=False)


def day(value: date) -> str:
    """A date in the language's medium form.

    Examples
    --------
    >>> day(date(2025, 12, 31))
    'Dec 31, 2025'
    """
    from babel.dates import format_date

    return format_date(value, format="medium", locale=_current)


def currency_name(currency: str) -> str:
    """A currency as it stands on an axis: its code in English, its name in other languages.

    Examples
    --------
    >>> currency_name("CNY")
    'CNY'
    """
    from babel.numbers import get_currency_name

    return currency if _current == BASE else get_currency_name(currency, locale=_current)


def set_close(text: str) -> str:
    """Sentences as the language sets them: in Chinese no space follows full-width punctuation.

    Readings join whole sentences by a space, which is right in English alone.

    Examples
    --------
    >>> set_close("One. Two.")
    'One. Two.'
    """
    return text if _current == BASE else _SPACED.sub("", text)


def _pattern(integer: str, decimals: int) -> str:
    return integer + ("." + "0" * decimals if decimals else "")
