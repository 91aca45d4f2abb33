"""What went wrong with an order: late, damaged, wrong documents, short; and who complained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: What can go wrong, in the order in which it is shown.
KINDS = ("late", "damaged", "documents", "short")
#: Columns of orders that show each fault; any of these sets is enough.
SHOWN_BY = {
    "late": (("on_time",), ("promised_at", "delivered_at")),
    "damaged": (("damaged",),),
    "documents": (("documents_ok",),),
    "short": (("quantity_ordered", "quantity_delivered"),),
}


def faults(crm: Workspace, orders: pd.DataFrame) -> pd.DataFrame:
    """Which faults each order had, as far as the data can tell.

    Parameters
    ----------
    crm : Workspace
    orders : pandas.DataFrame
        As `Workspace.orders`, or some of its rows.

    Returns
    -------
    pandas.DataFrame
        With the index of `orders` and a boolean column for each fault that the data can show: late
        (`on_time`, else `delivered_at` after `promised_at`; if deliveries are recorded at all, also
        what is undelivered past its promise), damaged, documents, short (quantity delivered below
        that ordered). Where it is not known for an order, it counts as none.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "damaged": [True, False],
    ...     "promised_at": ["2025-01-02"] * 2, "delivered_at": ["2025-01-01", "2025-01-03"],
    ...     "ordered_at": ["2025-01-01"] * 2})
    >>> crm = from_frames({"orders": orders}, as_of="2025-01-31")
    >>> faults(crm, crm.orders)
        late  damaged
    0  False     True
    1   True    False
    """
    found: dict[str, pd.Series] = {}
    late = _late(crm, orders)
    if late is not None:
        found["late"] = late
    if "damaged" in orders:
        found["damaged"] = _yes(orders["damaged"])
    if "documents_ok" in orders:
        found["documents"] = _yes(~orders["documents_ok"].astype("boolean"))
    if "quantity_ordered" in orders and "quantity_delivered" in orders:
        found["short"] = _yes(orders["quantity_delivered"] < orders["quantity_ordered"])
    return pd.DataFrame(found, index=orders.index)


def _late(crm: Workspace, orders: pd.DataFrame) -> pd.Series | None:
    dated = "promised_at" in orders and "delivered_at" in orders
    if "on_time" not in orders and not dated:
        return None
    late = pd.Series(pd.NA, orders.index, dtype="boolean")
    if "on_time" in orders:
        late = ~orders["on_time"].astype("boolean")
    if dated:
        end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
        due = orders["promised_at"] < end
        arrived = orders["delivered_at"].notna()
        by_days = (orders["delivered_at"] > orders["promised_at"]) | ~arrived
        known = due & (arrived | bool(arrived.any()))
        late = late.fillna(by_days.astype("boolean").where(known))
    return _yes(late)


def _yes(flags: pd.Series) -> pd.Series:
    return flags.astype("boolean").fillna(False).astype(bool)


def complained(crm: Workspace, orders: pd.DataFrame) -> pd.Series | None:
    """Which orders were complained of, or None if the data do not say.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> crm = from_frames({"orders": pd.DataFrame({"order_id": ["1", "2"]}),
    ...     "complaints": pd.DataFrame({"complaint_id": ["a"], "order_id": ["2"]})})
    >>> complained(crm, crm.orders).tolist()
    [False, True]
    """
    if not crm.has("complaints", "order_id") or "order_id" not in orders:
        return None
    complaints = without_suggestions(crm.complaints)
    return orders["order_id"].isin(complaints["order_id"].dropna())


def without_suggestions(complaints: pd.DataFrame) -> pd.DataFrame:
    """The complaints without suggestions, which are welcome and no failure.

    A suggestion is a complaint of that kind; where the kind is not given, of that cause.

    Examples
    --------
    >>> made = {"kind": ["service", None, "suggestion"], "cause": ["damage", "suggestion", None]}
    >>> without_suggestions(pd.DataFrame(made)).index.tolist()
    [0]
    """
    named = pd.Series(None, complaints.index, dtype="object")
    for column in ("kind", "cause"):
        if column in complaints:
            named = named.where(named.notna(), complaints[column].astype("object"))
    return complaints[~named.eq("suggestion").fillna(False).astype(bool)]
