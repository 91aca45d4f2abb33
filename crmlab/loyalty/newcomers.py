"""Customers won while the data run, whose first purchase is known, and the groups they form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number
from crmlab.loyalty.purchases import Occasion, Purchases, acquired, purchases
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Columns of customers that can make groups: known when the relationship begins, or nearly so.
GROUPS = (
    "tier",
    "region",
    "industry",
    "size",
    "scope",
    "customer_type",
    "acquisition_channel",
    "account_manager",
)
#: More first purchases a day at the start of the data than later, by this factor, are suspicious.
SUSPICIOUS = 2.0
#: A picture has room for so many groups.
MOST_DRAWN = 12


@dataclass(frozen=True)
class Newcomers:
    """Customers whose first purchase is in the data.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per such customer, as in `Purchases.frame`.
    purchases : Purchases
        Of all customers.
    opening : datetime.date
        First day with an order.
    lead : int
        Days at the start of the data; who first bought in them may have bought before.
    older : int
        Customers won before the first order of the data: their first purchase is not in it.
    early : int
        Other customers whose first purchase in the data falls within `lead` days of the start.
    undated : int
        Customers of `frame` of whom nothing says when they were won; their first purchase in the
        data is taken as their first.
    """

    frame: pd.DataFrame
    purchases: Purchases
    opening: date
    lead: int
    older: int
    early: int
    undated: int

    def exclusions(self) -> list[Exclusion]:
        """Customers whose first purchase is not known, each reason with its count."""
        found = [
            Exclusion.of_customers(_("won before the first order of the data"), self.older),
            Exclusion.of_customers(
                _("first seen in the first {days} days of the data").format(days=number(self.lead)),
                self.early,
            ),
        ]
        return [*(one for one in found if one.count), *self.purchases.exclusions]

    def caution(self) -> str:
        """A warning where many may have bought before the data begin; empty where not."""
        if not self.undated and not self._crowded():
            return ""
        said = []
        if self.undated:
            said.append(
                ngettext(
                    "Of {count} customer the data do not say when they were won, so the first "
                    "purchase seen is taken as the first.",
                    "Of {count} customers the data do not say when they were won, so the first "
                    "purchase seen is taken as the first.",
                    self.undated,
                ).format(count=number(self.undated))
            )
        if self._crowded():
            said.append(
                _(
                    "In the first 30 days counted, {times} times as many customers bought for the "
                    "first time as in 30 days later on: many of them may have bought before the "
                    "data begin. lead=90 leaves out those first seen in the first 90 days."
                ).format(times=number(self._crowding(), 1))
            )
        return " ".join(said)

    def _crowded(self) -> bool:
        return self._crowding() >= SUSPICIOUS

    def _crowding(self) -> float:
        """First purchases in the first 30 days counted over those in 30 days after; 0 if none."""
        begin = pd.Timestamp(self.opening) + pd.Timedelta(days=self.lead)
        days = (self.frame["first_day"] - begin).dt.days
        later, length = int((days >= 30).sum()), days.max() + 1 - 30
        if len(days) < 100 or length < 30 or not later:
            return 0.0
        return float((days < 30).sum() / (later * 30 / length))


def newcomers(crm: Workspace, *, occasion: Occasion = "day", lead: int = 0) -> Newcomers:
    """The customers whose first purchase is in the data.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers.acquired_on tells who was won before.
    occasion : {"day", "order"}
    lead : int
        Customers first seen within so many days of the first order are left out.

    Returns
    -------
    Newcomers

    Raises
    ------
    CrmlabError
        If `lead` is negative.
    NotEnoughData
        If nobody's first purchase is known.

    Notes
    -----
    Whoever was won (acquired_on) before the first day with an order bought for the first time on a
    day nobody knows. An acquisition after the first purchase seen does not count: whoever buys has
    been won.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": ["2025-01-02", "2025-01-05"]})
    >>> customers = pd.DataFrame({"customer_id": ["A", "B"],
    ...     "acquired_on": ["2019-05-01", "2025-01-05"]})
    >>> found = newcomers(from_frames({"orders": orders, "customers": customers}))
    >>> found.frame["customer_id"].tolist(), found.older
    (['B'], 1)
    """
    if lead < 0:
        raise CrmlabError(_("lead is a number of days, 0 or more; it is {lead}.").format(lead=lead))
    found = purchases(crm, occasion=occasion)
    frame = found.frame
    opening = orders_begin(crm)
    won = acquired(crm, frame["customer_id"])
    older = won < pd.Timestamp(opening)
    early = ~older & (frame["first_day"] < pd.Timestamp(opening + timedelta(days=lead)))
    kept = frame[~older & ~early].reset_index(drop=True)
    if kept.empty:
        raise NotEnoughData(
            _(
                "Of none of {customers} customers the first purchase is known: {older} were won "
                "before the data begin, {early} were first seen in their first {lead} days."
            ).format(
                customers=number(len(frame)),
                older=number(older.sum()),
                early=number(early.sum()),
                lead=number(lead),
            )
        )
    undated = int((won.isna() & ~early).sum())
    return Newcomers(kept, found, opening, lead, int(older.sum()), int(early.sum()), undated)


def orders_begin(crm: Workspace) -> date:
    """First day with an order; the first day of the data where no order has one."""
    first = crm.query("orders_accounting")["first_day"].iloc[0]
    return crm.first_day if pd.isna(first) else pd.Timestamp(first).date()


def groups(crm: Workspace) -> list[str]:
    """The columns of customers that the data have and that can make groups."""
    return [name for name in GROUPS if crm.has("customers", "customer_id", name)]


def group_of(crm: Workspace, by: str) -> pd.Series:
    """The group of each customer who has orders.

    Parameters
    ----------
    crm : Workspace
    by : str
        One of `GROUPS`.

    Returns
    -------
    pandas.Series
        Index customer_id; missing where it is not given.

    Raises
    ------
    NotEnoughData
        If the data do not have the column; the message lists those there are.

    Notes
    -----
    A tier must be one that the company has given: one computed from the same purchases says only
    that those who buy more buy more.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": "2025-01-01"})
    >>> customers = pd.DataFrame({"customer_id": ["A", "B"], "size": ["small", "large"]})
    >>> group_of(from_frames({"orders": orders, "customers": customers}), "size").to_dict()
    {'A': 'small', 'B': 'large'}
    """
    check_group(crm, by)
    found = crm.query("purchases", by=["orders.customer_id", f"customers.{by}"])
    return found.set_index("customer_id")[by]


def check_group(crm: Workspace, by: str) -> None:
    """Refuse a column that cannot make groups."""
    if by not in groups(crm):
        raise NotEnoughData(
            _(
                "Customers cannot be grouped by {column}; they can by: {names}. A tier must be "
                "one that the company gives (customers.tier)."
            ).format(column=by, names=_(", ").join(groups(crm)) or _("none"))
        )


def drawn(table: pd.DataFrame, by: str, judged: pd.Series) -> pd.DataFrame:
    """The groups that a picture has room for: where there are many, the largest of those judged.

    Parameters
    ----------
    table : pandas.DataFrame
        With customers, in the order in which they are drawn.
    by : str
        The column of groups; empty where all are together.
    judged : pandas.Series of bool
        Groups large enough for something to be said of them.

    Examples
    --------
    >>> table = pd.DataFrame({"size": list("abc"), "customers": [9, 8, 7]})
    >>> len(drawn(table, "size", table["customers"] > 8))
    3
    """
    if not by or len(table) <= MOST_DRAWN:
        return table
    chosen = table[judged.to_numpy()] if judged.any() else table
    return table.loc[sorted(chosen["customers"].nlargest(MOST_DRAWN).index)]


def largest_only(shown_groups: int, groups: int) -> str:
    """The sentence that says how many groups are drawn; empty where all are."""
    if shown_groups == groups:
        return ""
    return _("The {some} largest of {all} groups are drawn; the table has all.").format(
        some=number(shown_groups), all=number(groups)
    )
