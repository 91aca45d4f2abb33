"""What a measure gives back, and how a measure says what it needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol, TypeVar

from crmlab.data.model import NO_TIME
from crmlab.errors import CrmlabError, MissingColumns
from crmlab.language import _, day, ngettext, number, percent
from crmlab.show.once import once

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Needs = Mapping[str, Sequence[str]]


class Tables(Protocol):
    """The part of a workspace that a `Context` and a measure's check look at."""

    @property
    def source(self) -> str:
        """Name of the data."""
        ...

    @property
    def first_day(self) -> date:
        """First day of the data."""
        ...

    @property
    def as_of(self) -> date:
        """Last day that counts."""
        ...

    @property
    def settings(self) -> Any:
        """Settings of the workspace."""
        ...

    @property
    def accounting(self) -> pd.DataFrame:
        """Every row read, and every row set aside, by table."""
        ...

    def missing(self, needs: Needs) -> dict[str, tuple[str, ...]]:
        """The columns of `needs` that are not there, by table."""
        ...


@dataclass(frozen=True)
class Context:
    """Where a result comes from.

    Attributes
    ----------
    source : str
        Name of the data.
    currency : str
        ISO 4217 code.
    first_day, last_day : datetime.date
        The period, both days included.
    """

    source: str
    currency: str
    first_day: date
    last_day: date

    @classmethod
    def of(cls, crm: Tables) -> Context:
        """The context of a workspace."""
        return cls(crm.source, crm.settings.currency, crm.first_day, crm.as_of)

    def period(self) -> str:
        """The period in words.

        Examples
        --------
        >>> Context("demo", "CNY", date(2024, 1, 1), date(2025, 12, 31)).period()
        'Jan 1, 2024 to Dec 31, 2025'
        >>> Context("demo", "CNY", NO_TIME, NO_TIME).period()
        'no dates given'
        """
        if self.last_day == NO_TIME:
            return _("no dates given")
        return _("{first} to {last}").format(first=day(self.first_day), last=day(self.last_day))


@dataclass(frozen=True)
class Exclusion:
    """Something left out of a measure, counted.

    Attributes
    ----------
    reason : str
    count : int
    unit : str
        What is counted: orders, customers, rows.
    """

    reason: str
    count: int
    unit: str

    @classmethod
    def of_customers(cls, reason: str, count: int) -> Exclusion:
        """So many customers left out."""
        return cls(reason, count, ngettext("customer", "customers", count))

    @classmethod
    def of_orders(cls, reason: str, count: int, record: str = "order") -> Exclusion:
        """So many orders left out; order lines where `record` is ``"line"``."""
        if record == "line":
            return cls(reason, count, ngettext("order line", "order lines", count))
        return cls(reason, count, ngettext("order", "orders", count))

    @classmethod
    def of_questionnaires(cls, reason: str, count: int) -> Exclusion:
        """So many questionnaires left out."""
        return cls(reason, count, ngettext("questionnaire", "questionnaires", count))

    def words(self) -> str:
        """The exclusion as it stands in a list.

        Examples
        --------
        >>> Exclusion("no amount given", 1200, "orders").words()
        '1,200 orders (no amount given)'
        """
        return _("{count} {unit} ({reason})").format(
            count=number(self.count), unit=self.unit, reason=self.reason
        )


def left_out_words(
    exclusions: Collection[Exclusion], part: str = "", *, nothing: str | None = None
) -> str:
    """What was left out, in sentences.

    Parameters
    ----------
    exclusions : collection of Exclusion
    part : str
        What is said after it: what those who are left are a sample of.
    nothing : str, optional
        What is said where nothing was left out, if not just that; may be empty.

    Examples
    --------
    >>> left_out_words([Exclusion("no amount given", 1200, "orders")])
    'Left out: 1,200 orders (no amount given).'
    >>> left_out_words([]), left_out_words([], nothing="No order was left out.")
    ('Nothing was left out.', 'No order was left out.')
    """
    said = _("Nothing was left out.") if nothing is None else nothing
    if exclusions:
        parts = _("; ").join(one.words() for one in exclusions)
        said = _("Left out: {parts}.").format(parts=parts)
    return " ".join(each for each in (said, part) if each)


@dataclass(frozen=True)
class Definition:
    """What exactly was computed, for the reader who must repeat it.

    Attributes
    ----------
    numerator, denominator, period, method, source : str
        `source` names the data; the literature is named in `method`.
    exclusions : tuple of Exclusion
    """

    numerator: str
    denominator: str
    period: str
    method: str
    source: str
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, repr=False)
class Result:
    """A computed measure: a table, its definition, a picture and what it says in words.

    A measure subclasses it and fills in the five methods; all words are made when they are asked
    for, in the language then current.

    Attributes
    ----------
    table : pandas.DataFrame
        Tidy; estimates carry the columns `low` and `high`.
    context : Context
    """

    measure: ClassVar[str]

    table: pd.DataFrame
    context: Context

    @property
    def definition(self) -> Definition:
        """Numerator, denominator, period, method, source and what was left out."""
        return self._define()

    def formats(self) -> Mapping[str, str]:
        """Formats of columns that differ from the book's usual one (`crmlab.show.columns`)."""
        return {}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        """For columns of codes, the label of each code in the current language."""
        return {}

    def main_columns(self) -> Sequence[str]:
        """The columns that `show` displays; the others are in `.table` and in the workbook."""
        return list(self.table.columns)

    def title(self) -> str:
        """What the picture says, in one line, computed."""
        raise NotImplementedError

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the picture on `ax`, on new axes if there are none, and return them."""
        raise NotImplementedError

    def reading(self) -> str:
        """What the numbers say, in sentences computed from them."""
        raise NotImplementedError

    def alt(self) -> str:
        """The picture in words, for those who cannot see it."""
        raise NotImplementedError

    def _define(self) -> Definition:
        raise NotImplementedError

    def __repr__(self) -> str:
        rows, columns = self.table.shape
        return f"<{self.measure}: {rows} rows, {columns} columns; crmlab.show(…) shows it>"


P = ParamSpec("P")
R = TypeVar("R", bound=Result)


def measure(needs: Needs | Sequence[Needs]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare what a measure needs; calling it without them raises `MissingColumns`.

    The same measure of the same workspace is computed `once`.

    Parameters
    ----------
    needs : mapping of str to sequence of str, or a sequence of such
        Table name to columns. Of several alternatives one is enough.

    Returns
    -------
    callable
        A decorator. The decorated function has `.needs` (a tuple of alternatives), `.name`
        (``"chapter.function"``) and `.missing(crm)`, a mapping that is empty when the measure can
        be computed.

    Examples
    --------
    >>> @measure(needs={"orders": ["customer_id", "amount"]})
    ... def revenue(crm): ...
    >>> revenue.needs
    ({'orders': ('customer_id', 'amount')},)
    """
    alternatives: tuple[Needs, ...] = (needs,) if isinstance(needs, Mapping) else tuple(needs)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = ".".join([function.__module__.split(".")[1], function.__name__])

        kept = once(function)

        def missing(crm: Tables) -> dict[str, tuple[str, ...]]:
            gaps = [crm.missing(alternative) for alternative in alternatives]
            return {} if not all(gaps) else gaps[0]

        @functools.wraps(function)
        def checked(*args: P.args, **options: P.kwargs) -> R:
            if not args or not hasattr(args[0], "missing"):
                raise CrmlabError(
                    _(
                        "The first argument of {function}() is the workspace, as load() returns "
                        "it: {function}(crm)."
                    ).format(function=function.__name__)
                )
            require(args[0], name, missing(args[0]))  # type: ignore[arg-type]
            return kept(*args, **options)

        checked.needs = tuple(  # type: ignore[attr-defined]
            {table: tuple(columns) for table, columns in each.items()} for each in alternatives
        )
        checked.name = name  # type: ignore[attr-defined]
        checked.missing = missing  # type: ignore[attr-defined]
        return checked

    return decorate


def require(crm: Tables, name: str, missing: Mapping[str, Sequence[str]]) -> None:
    """Raise `MissingColumns` if `missing` names anything.

    Parameters
    ----------
    crm : Workspace
    name : str
        The measure, as in ``"tiering.rfm"``.
    missing : mapping of str to sequence of str
        Table name to the columns that are not there.
    """
    if not missing:
        return
    columns = ", ".join(f"{table}.{column}" for table in missing for column in missing[table])
    raise MissingColumns(
        _(
            "{measure} needs {columns}, which {source} does not have. "
            "Name the columns in the mapping, or leave this measure out."
        ).format(measure=name, columns=columns, source=crm.source),
        measure=name,
        missing={table: tuple(names) for table, names in missing.items()},
    )


def intervals_in_brackets(confidence: float) -> str:
    """The sentence that says what the brackets of a reading hold.

    Examples
    --------
    >>> intervals_in_brackets(0.95)
    'In brackets: 95% confidence intervals.'
    """
    return _("In brackets: {confidence} confidence intervals.").format(
        confidence=percent(confidence, 0)
    )


def needs_a_result(value: object) -> Result:
    """`value` if it is a `Result`; an error that says what to pass if it is not."""
    if isinstance(value, Result):
        return value
    raise CrmlabError(
        _(
            "show() takes what a measure returns, not {kind}. To look at a table, name it "
            "last in a cell."
        ).format(kind=type(value).__name__)
    )
