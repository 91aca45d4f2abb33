"""Answered questionnaires, and the days of purchases around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.data.drawn import some_customers
from crmlab.data.questionnaires import CONVENIENCE, part_of, with_all_columns
from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Who gives us this share of the needs or more is taken to be tied to us.
TIED_FROM = 0.9
#: Further than any two days of the data are apart.
SPAN = 1_000_000


@dataclass(frozen=True)
class Answers:
    """Questionnaires with overall satisfaction of customers who are named.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per answered questionnaire with all columns of ``surveys``, those that the data do not
        have all missing; `weight` is 1 where the data have none at all.
    exclusions : tuple of Exclusion
        Answered questionnaires that do not count.
    weighted : bool
        Whether the data give weights.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    frame: pd.DataFrame
    exclusions: tuple[Exclusion, ...]
    weighted: bool
    part: str


def answers_of(crm: Workspace) -> tuple[Answers, Workspace]:
    """The answers, and the workspace they come from: the one given, or a sample of its customers.

    Parameters
    ----------
    crm : Workspace
        With surveys: customer_id, overall.

    Raises
    ------
    NotEnoughData
        If nobody who is named said how satisfied they are.

    Notes
    -----
    Who was asked when calling the call centre has chosen itself, and is left out; so is an answer
    without a weight where others have one. A questionnaire counts as answered if it has a time of
    answer; where the data have no such column, every one does.
    """
    workspace, part = some_customers(crm) if crm.has("orders", "customer_id") else part_of(crm)
    surveys = workspace.surveys
    if crm.has("surveys", "answered_at"):
        surveys = surveys[surveys["answered_at"].notna()]
    found = with_all_columns(surveys)
    has_weights = bool(found["weight"].notna().any())
    if not has_weights:
        found["weight"] = 1.0
    counts: dict[str, int] = {}
    for reason, wrong in (
        (_("asked when they called the call centre"), found["mode"].isin(CONVENIENCE)),
        (_("customer not given"), found["customer_id"].isna()),
        (_("overall satisfaction not given"), found["overall"].isna()),
        (_("answered, but without a weight"), ~(found["weight"] > 0)),
    ):
        out = wrong.reindex(found.index).to_numpy(bool)
        counts[reason] = int(out.sum())
        found = found[~out]
    if found.empty:
        raise NotEnoughData(
            _(
                "No questionnaire of a customer who is named and was chosen by us says how "
                "satisfied the customer is."
            )
        )
    found = found.reset_index(drop=True)
    found["overall"] = found["overall"].astype("int64")
    return Answers(found, left_out(counts), has_weights, part), workspace


def of_customers(crm: Workspace, customers: pd.Series, column: str) -> pd.Series | None:
    """What ``customers`` says of each customer in a list, or None if it says nothing.

    Parameters
    ----------
    crm : Workspace
    customers : pandas.Series of customer_id
    column : str
    """
    if not crm.has("customers", "customer_id", column):
        return None
    known = crm.customers.drop_duplicates("customer_id").set_index("customer_id")[column]
    found = customers.map(known)
    return found if found.notna().any() else None


class Diary:
    """The days on which each customer bought, to count purchases around any day.

    Parameters
    ----------
    orders : pandas.DataFrame
        customer_id, ordered_at and, if known, amount; an order of negative amount is a refund and
        no purchase, one without customer or day nobody's.

    Examples
    --------
    >>> orders = pd.DataFrame({"customer_id": ["A", "A", "B"],
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-31", "2025-01-02"])})
    >>> diary = Diary(orders)
    >>> diary.count(["A", "B", "C"], pd.to_datetime(["2025-01-01"] * 3), 1, 30).tolist()
    [1, 1, 0]
    >>> diary.days_since(["A", "B"], pd.to_datetime(["2025-01-31"] * 2)).tolist()
    [30.0, 29.0]
    """

    def __init__(self, orders: pd.DataFrame) -> None:
        bought = purchases_in(orders)
        self._customers = pd.Index(bought["customer_id"].unique())
        codes = self._customers.get_indexer(bought["customer_id"])
        self._keys = np.sort(codes * SPAN + day_number(bought["ordered_at"]))

    def count(
        self, customers: ArrayLike, days: ArrayLike, first: int, last: int
    ) -> NDArray[np.int64]:
        """Purchases of each customer from `first` to `last` days after a day, both included.

        Negative numbers are days before it. Who never bought has none.
        """
        day = day_number(days)
        return self.between(customers, day + first, day + last)

    def between(
        self, customers: ArrayLike, first: NDArray[np.int64], last: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Purchases of each customer from a day to another, as `day_number` counts, inclusive."""
        codes = self._customers.get_indexer(pd.Index(customers))
        found = np.searchsorted(self._keys, codes * SPAN + last, side="right") - np.searchsorted(
            self._keys, codes * SPAN + first, side="left"
        )
        return np.where(codes < 0, 0, found).astype("int64")

    def days_since(self, customers: ArrayLike, days: ArrayLike) -> NDArray[np.float64]:
        """Days since the customer's last purchase before that day; infinite where there is none."""
        codes, day = self._customers.get_indexer(pd.Index(customers)), day_number(days)
        before = np.searchsorted(self._keys, codes * SPAN + day, side="left") - 1
        last = self._keys[np.maximum(before, 0)] if len(self._keys) else np.full(len(day), -1)
        own = (before >= 0) & (codes >= 0) & (last // SPAN == codes)
        return np.where(own, day - last % SPAN, np.inf)


def purchases_in(orders: pd.DataFrame) -> pd.DataFrame:
    """The orders that are somebody's purchase on a known day."""
    counts = orders["customer_id"].notna() & orders["ordered_at"].notna()
    if "amount" in orders:
        counts &= ~(orders["amount"] < 0)
    return orders[counts]


def day_number(moments: ArrayLike) -> NDArray[np.int64]:
    """Days since 1 January 1970.

    Examples
    --------
    >>> day_number(pd.to_datetime(["1970-01-03 15:00"])).tolist()
    [2]
    """
    return np.asarray(moments, "datetime64[D]").astype("int64")


def day_of(day: date) -> int:
    """One day, counted as `day_number` does.

    Examples
    --------
    >>> day_of(date(1970, 1, 3))
    2
    """
    return int(np.datetime64(day, "D").astype("int64"))


def left_out(counts: Mapping[str, int]) -> tuple[Exclusion, ...]:
    """The reasons for which questionnaires do not count, without those that none was left out for.

    Examples
    --------
    >>> [one.words() for one in left_out({"no answer": 2, "no customer": 0})]
    ['2 questionnaires (no answer)']
    """
    return tuple(Exclusion.of_questionnaires(why, count) for why, count in counts.items() if count)
