"""Workspaces of a few purchases, written out."""

import pandas as pd

from crmlab.data.sources import from_frames


def workspace(bought, *, as_of, customers=None, settings=None):
    """Orders as (customer, day) or (customer, day, amount); an amount is 10 unless it is given."""
    rows = [(who, when, *(rest or [10.0])) for who, when, *rest in bought]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders.insert(0, "order_id", [str(number) for number in range(len(orders))])
    tables = {"orders": orders}
    if customers is not None:
        tables["customers"] = pd.DataFrame(customers)
    return from_frames(tables, settings, as_of=as_of)
