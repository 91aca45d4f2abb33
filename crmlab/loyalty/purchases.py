"""Purchase occasions: what the orders say of each customer, for every measure of this chapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, number
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: What counts as one purchase: all orders of a day together, or each order by itself.
Occasion = Literal["day", "order"]

NEEDS = {"orders": ["customer_id", "ordered_at"]}


@dataclass(frozen=True)
class Purchases:
    """The customers who bought, each with the purchases that count.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per customer with a dated purchase: customer_id, first_day, second_day (of the second
        purchase; missing where there is none), last_day (midnight of that day), purchases
        (occasions), amount (money, refunds not subtracted; missing where no amount is known),
        repeat_amount (of it, after the first occasion), refunded (money taken back),
        amount_missing (orders whose money is not known).
    occasion : {"day", "order"}
    same_day : int
        Orders that fall on a day on which the customer had ordered already.
    exclusions : tuple of Exclusion
        Orders that count as nobody's purchase.
    """

    frame: pd.DataFrame
    occasion: Occasion
    same_day: int
    exclusions: tuple[Exclusion, ...]

    def rule(self) -> str:
        """What counts as one purchase, with how many orders that concerns, in a sentence."""
        if self.occasion == "day":
            return _(
                "All orders of a customer on one day count as one purchase ({count} orders more "
                "on the same day). With occasion='order' each counts by itself."
            ).format(count=number(self.same_day))
        return _(
            "Each order counts by itself, also the {count} on a day on which the customer had "
            "ordered already. With occasion='day' those of one day count as one purchase."
        ).format(count=number(self.same_day))


def purchases(
    crm: Workspace,
    *,
    occasion: Occasion = "day",
    period_from: date | None = None,
    period_to: date | None = None,
) -> Purchases:
    """The purchases of each customer, up to `as_of` or within a period.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; amount to tell refunds from purchases.
    occasion : {"day", "order"}
        Whether the orders of one day are one purchase, or each is one.
    period_from, period_to : datetime.date, optional
        First and last day that count, both included.

    Returns
    -------
    Purchases

    Raises
    ------
    CrmlabError
        If `occasion` is something else.
    NotEnoughData
        If there is no purchase of a known customer on a known day.

    Notes
    -----
    An order of negative amount is a refund: no purchase. One of amount zero or of unknown amount is
    a purchase. Days are those of the workspace's time zone. With ``occasion="order"`` the first
    purchase is one of the orders of the first day, and its amount their mean.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["A", "A", "A"],
    ...     "ordered_at": ["2025-01-02 09:00", "2025-01-02 17:00", "2025-03-04 10:00"]})
    >>> crm = from_frames({"orders": orders})
    >>> purchases(crm).frame["purchases"].tolist()
    [2]
    >>> purchases(crm, occasion="order").frame["purchases"].tolist()
    [3]
    """
    found = crm.query("purchase_history", period_from=period_from, period_to=period_to)
    counted = occasions(found, occasion)
    if found.empty:
        raise NotEnoughData(_("There is no purchase of a known customer on a known day."))
    first = found["first_day_amount"]
    if occasion == "order":
        first = first / found["first_day_orders"]
    second = found["second_day"]
    if occasion == "order":
        second = second.where(found["first_day_orders"] < 2, found["first_day"])
    frame = found.assign(
        second_day=second,
        purchases=counted,
        repeat_amount=found["amount"] - first,
    )
    days = ["first_day", "second_day", "last_day"]
    columns = ["customer_id", *days, "purchases", "amount", "repeat_amount"]
    frame = frame[[*columns, "refunded", "amount_missing"]]
    accounts = crm.query("orders_accounting").iloc[0]
    return Purchases(
        frame,
        occasion,
        int((found["orders"] - found["days"]).sum()),
        _exclusions(accounts, crm.settings.record),
    )


def occasions(history: pd.DataFrame, occasion: Occasion) -> pd.Series:
    """The purchases of each row of the query purchase_history."""
    if occasion not in ("day", "order"):
        raise CrmlabError(
            _("occasion is 'day' or 'order'; it is {occasion}.").format(occasion=repr(occasion))
        )
    return history["days" if occasion == "day" else "orders"]


def _exclusions(accounts: Mapping[Any, Any], record: str) -> tuple[Exclusion, ...]:
    counts = {
        _("no customer given"): accounts["orders_without_customer"],
        _("no date given"): accounts["ordered_at_missing"],
        _("refunds, which are no purchases"): accounts["cancellations"]
        - accounts["cancellations_without_customer"],
    }
    return tuple(
        Exclusion.of_orders(reason, int(count), record) for reason, count in counts.items() if count
    )


def customer_months(crm: Workspace) -> pd.DataFrame:
    """Every customer in every whole month of the data, months without a purchase too.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at. Above some ten thousand customers pass it through
        `some_customers` first.

    Returns
    -------
    pandas.DataFrame
        A row per customer who has a purchase and whole calendar month, by customer and month:
        customer_id, month (its first day), orders, promoted (orders that name a promotion), amount,
        refunded (money; 0 where nothing is known), since (day from which the customer is known:
        acquired_on, else the first purchase). Months before `since` are among them: leave them out
        where a customer could not have bought yet.

    Raises
    ------
    NotEnoughData
        If the data hold no whole month with a purchase.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"],
    ...     "ordered_at": ["2025-01-01", "2025-03-31", "2025-02-10"]})
    >>> customer_months(from_frames({"orders": orders}))[["customer_id", "month", "orders"]]
      customer_id      month  orders
    0           A 2025-01-01       1
    1           A 2025-02-01       0
    2           A 2025-03-01       1
    3           B 2025-01-01       0
    4           B 2025-02-01       1
    5           B 2025-03-01       0
    """
    first = pd.Timestamp(crm.first_day)
    opening = first if first.day == 1 else first + pd.offsets.MonthBegin()
    closing = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    months = pd.date_range(opening, closing, freq="MS", inclusive="left")
    months = months[months + pd.offsets.MonthBegin() <= closing]
    history = crm.query("purchase_history")
    if not len(months) or history.empty:
        raise NotEnoughData(
            _("There is no whole month with purchases from {first} to {last}.").format(
                first=day(crm.first_day), last=day(crm.as_of)
            )
        )
    found = crm.query("customer_months")
    found["month"] = pd.to_datetime(found[["year", "month"]].assign(day=1)).astype(months.dtype)
    grid = pd.MultiIndex.from_product(
        [history["customer_id"], months], names=["customer_id", "month"]
    )
    filled = found.drop(columns="year").set_index(["customer_id", "month"]).reindex(grid)
    counts = ["orders", "promoted"]
    filled = filled.fillna(0).astype(dict.fromkeys(counts, "int64")).reset_index()
    return filled.assign(since=filled["customer_id"].map(known_since(crm, history)))


def known_since(crm: Workspace, history: pd.DataFrame) -> pd.Series:
    """Day from which each customer is known: acquired_on, else the first purchase.

    Parameters
    ----------
    crm : Workspace
    history : pandas.DataFrame
        With the columns customer_id and first_day, as the query ``purchase_history`` gives them.

    Returns
    -------
    pandas.Series
        The day, by customer_id. An acquisition that is said to come after the first purchase gives
        way to it.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = {"order_id": ["1"], "customer_id": ["A"], "ordered_at": ["2025-03-01"]}
    >>> customers = {"customer_id": ["A"], "acquired_on": ["2024-07-01"]}
    >>> crm = from_frames(
    ...     {"orders": pd.DataFrame(orders), "customers": pd.DataFrame(customers)}
    ... )
    >>> known_since(crm, crm.query("purchase_history")).dt.date.to_dict()
    {'A': datetime.date(2024, 7, 1)}
    """
    first = history.set_index("customer_id")["first_day"]
    own = acquired(crm, history["customer_id"]).set_axis(first.index)
    return own.where(own <= first, first)


def acquired(crm: Workspace, customers: pd.Series) -> pd.Series:
    """Day on which the company says it won each of these customers; missing where it does not."""
    if not crm.has("customers", "customer_id", "acquired_on"):
        return pd.Series(pd.NaT, customers.index, dtype="datetime64[us]")
    known = crm.query("customers_acquired").set_index("customer_id")["acquired_on"]
    return customers.map(known).astype("datetime64[us]")
