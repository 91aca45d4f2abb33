import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames


@pytest.fixture
def orders():
    """Four customers, one of whom only cancelled and one whose refunds eat up the purchases."""
    rows = [
        ("O1", "A", "2025-01-10", 700.0, 500.0, True),
        ("O2", "A", "2025-03-31", 300.0, 100.0, True),
        ("O3", "B", "2025-02-01", 400.0, 450.0, False),
        ("O4", "B", "2025-02-02", -100.0, 0.0, None),
        ("O5", "C", "2025-01-05", 50.0, 10.0, True),
        ("O6", "C", "2025-01-06", -50.0, 0.0, None),
        ("O7", "D", "2025-01-07", -20.0, 0.0, None),
        ("O8", None, "2025-03-01", 90.0, 10.0, False),
    ]
    names = ["order_id", "customer_id", "ordered_at", "amount", "cost", "on_time"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def crm(orders):
    return from_frames({"orders": orders}, Settings(name="Four customers"), as_of="2025-03-31")
