"""Workspaces of a few purchases, written out."""

import pandas as pd

from crmlab.data.sources import from_frames


def every(who, days, first="2023-01-01", last="2024-12-31"):
    """Purchases of a customer, so many days apart."""
    return [(who, f"{day:%Y-%m-%d}") for day in pd.date_range(first, last, freq=f"{days}D")]


def workspace(bought, *, as_of, customers=None, settings=None):
    """Orders as (customer, day) or (customer, day, amount); an amount is 10 unless it is given."""
    rows = [(who, when, *(rest or [10.0])) for who, when, *rest in bought]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders.insert(0, "order_id", [str(number) for number in range(len(orders))])
    tables = {"orders": orders}
    if customers is not None:
        tables["customers"] = pd.DataFrame(customers)
    return from_frames(tables, settings, as_of=as_of)
