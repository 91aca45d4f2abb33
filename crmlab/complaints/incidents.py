"""Orders that went wrong, and which of them were complained of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.data.drawn import some_customers
from crmlab.data.order_faults import KINDS, SHOWN_BY, complained, faults
from crmlab.errors import UnknownName
from crmlab.language import _, ngettext, number
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Enough to see which orders went wrong and which of them were complained of.
NEEDS = tuple(
    {"orders": ("order_id", *columns), "complaints": ("order_id",)}
    for ways in SHOWN_BY.values()
    for columns in ways
)

#: What shows when an order went wrong; the first that is known.
SEEN = ("delivered_at", "promised_at", "ordered_at")


@dataclass(frozen=True)
class Placed:
    """The orders of a workspace, refunds aside, with what went wrong.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per order: order_id, customer_id, customer (who stands for the order in an interval:
        the customer, or the order itself where that is not given), ordered_at, seen_at (when it
        showed: delivered_at, else promised_at, else ordered_at), a boolean column for each of
        `kinds`, wrong (any of them), complained, and the further columns asked for.
    kinds : tuple of str
        The faults that the data can show.
    record : str
        What a row of the orders is.
    refunds : int
        Orders of a negative amount, which do not count.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    workspace : Workspace
        The workspace the orders come from: the one given, or a sample of its customers.
    """

    frame: pd.DataFrame
    kinds: tuple[str, ...]
    record: str
    refunds: int
    part: str
    workspace: Workspace

    def knows(self, names: pd.Series) -> pd.Series:
        """Whether each order that is named, as by a complaint, is one of these."""
        # Plain texts, because pandas compares its own far more slowly with so many.
        known = set(self.frame["order_id"].to_numpy(object))
        return pd.Series([name in known for name in names.to_numpy(object)], names.index, bool)

    def exclusions(self, counts: dict[str, int]) -> tuple[Exclusion, ...]:
        """What was left out: refunds and what `counts` adds, without those that none was."""
        every = {_("refunds, which are no purchases"): self.refunds} | counts
        return tuple(
            Exclusion.of_orders(why, count, self.record) for why, count in every.items() if count
        )


def placed(crm: Workspace, columns: Sequence[str] = ()) -> Placed:
    """The orders of a workspace with what went wrong and whether it was complained of.

    Parameters
    ----------
    crm : Workspace
        With orders and complaints as in `NEEDS`. Of very many customers some are drawn.
    columns : sequence of str
        Further columns: of orders, else of their customers.

    Returns
    -------
    Placed

    Raises
    ------
    UnknownName
        If neither orders nor customers have such a column.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": ["2025-01-02"] * 2, "damaged": [True, False]})
    >>> crm = from_frames({"orders": orders,
    ...     "complaints": pd.DataFrame({"complaint_id": ["a"], "order_id": ["1"]})})
    >>> placed(crm).frame[["order_id", "wrong", "complained"]]
      order_id  wrong  complained
    0        1   True        True
    1        2  False       False
    """
    known = crm.has("orders", "customer_id")
    workspace, part = some_customers(crm) if known else (crm, "")
    every = workspace.orders
    refund = every["amount"].lt(0) if "amount" in every else pd.Series(False, every.index)
    orders = every[~refund.fillna(False).astype(bool)].reset_index(drop=True)
    wrong = faults(workspace, orders)
    frame = pd.DataFrame({"order_id": orders["order_id"], "customer_id": _column(orders)})
    frame["customer"] = frame["customer_id"].fillna("\t" + frame["order_id"].astype("str"))
    frame["ordered_at"] = orders.get("ordered_at", pd.NaT)
    frame["seen_at"] = _seen_at(orders)
    told = complained(workspace, orders)
    frame = frame.join(wrong).assign(wrong=wrong.any(axis=1), complained=told)
    for name in columns:
        frame[name] = _further(workspace, orders, name)
    kinds = tuple(kind for kind in KINDS if kind in wrong)
    return Placed(frame, kinds, crm.settings.record, len(every) - len(orders), part, workspace)


def fault_names() -> dict[str, str]:
    """What went wrong, in the current language."""
    return {
        "late": _("Came late"),
        "damaged": _("Came damaged"),
        "documents": _("Documents wrong"),
        "short": _("Came short"),
    }


def count_of(count: int, record: str) -> str:
    """So many orders, or order lines where that is what a row is.

    Examples
    --------
    >>> count_of(1200, "order")
    '1,200 orders'
    """
    if record == "line":
        said = ngettext("{count} order line", "{count} order lines", count)
    else:
        said = ngettext("{count} order", "{count} orders", count)
    return said.format(count=number(count))


def _column(orders: pd.DataFrame) -> pd.Series:
    if "customer_id" in orders:
        return orders["customer_id"]
    return pd.Series(None, orders.index, dtype="str")


def _seen_at(orders: pd.DataFrame) -> pd.Series:
    found = pd.Series(pd.NaT, orders.index, dtype="datetime64[us]")
    for name in SEEN:
        if name in orders:
            found = found.fillna(orders[name])
    return found


def _further(crm: Workspace, orders: pd.DataFrame, name: str) -> pd.Series:
    if name in orders:
        return orders[name]
    if "customer_id" in orders and crm.has("customers", "customer_id", name):
        known = crm.customers.drop_duplicates("customer_id").set_index("customer_id")[name]
        return orders["customer_id"].map(known)
    raise UnknownName(
        _("Orders cannot be grouped by {column}: neither orders nor customers have it.").format(
            column=name
        )
    )
