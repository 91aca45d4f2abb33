import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames

START, LENGTH = pd.Timestamp("2024-01-01"), 730


@pytest.fixture(scope="session")
def simulated():
    """A function that makes a workspace of customers who buy at random and leave at random.

    Rates of buying are gamma with shape 1.2 and mean 0.2 a week, rates of leaving gamma with shape
    `shape` and mean 0.01 a week; first purchases fall in the first year. Amounts are gamma with
    shape 5 about means that are inverse gamma with shape 4 and mean 100.
    """

    def made(customers=600, seed=0, shape=1.5):
        random = np.random.default_rng(seed)
        rows = []
        for customer in range(customers):
            first = int(random.integers(0, 365))
            rate = random.gamma(1.2, 0.2 / 1.2) / 7
            stay = random.exponential(1 / (random.gamma(shape, 0.01 / shape) / 7))
            until = min(LENGTH - first, stay)
            days = np.cumsum(random.exponential(1 / rate, int(3 * rate * LENGTH + 30)))
            days = [0, *days[days < until].astype(int)]
            rows += [(f"C{customer:05d}", START + pd.Timedelta(days=first + day)) for day in days]
        orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
        spend = 300 / random.gamma(4.0, 1.0, customers)
        place = orders["customer_id"].str[1:].astype(int)
        amount = (spend[place] * random.gamma(5.0, 0.2, len(orders))).round(2)
        orders = orders.assign(
            order_id=[str(number) for number in range(len(orders))], amount=amount
        )
        return from_frames({"orders": orders}, as_of="2025-12-30")

    return made
