"""The customer summary, from a Parquet file to a frame: crmlab and its peers.

Every contestant is a function that takes the folder of the file and hands back a frame with a row
for each customer. What they have in common must agree; `run.py` checks it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ORDERS_PER_CUSTOMER = 10
#: Of two years, over which the orders come one after the other.
MINUTES = 2 * 365 * 24 * 60

#: Bytes on the disk that an order takes in the file, and in what spills while it is summed.
BYTES_PER_ORDER = 40
SPILLED_PER_ORDER = 150

# What a user would write who knows the file: no validation, no columns that it does not have.
BY_HAND = """
WITH up_to AS (
  SELECT CAST(MAX(ordered_at) AS DATE) + 1 AS midnight FROM '{file}'
),
judged AS (
  SELECT
    customer_id,
    amount,
    cost,
    CASE WHEN amount >= 0 THEN CAST(ordered_at AS DATE) END AS day,
    CASE WHEN amount >= 0 AND promised_at < midnight
      THEN delivered_at <= promised_at AND delivered_at < midnight END AS kept
  FROM '{file}', up_to
)
SELECT
  customer_id,
  MIN(day) AS first_day,
  MAX(day) AS last_day,
  COUNT(CASE WHEN amount >= 0 THEN 1 END) AS orders,
  COUNT(DISTINCT day) AS active_days,
  COUNT(*) AS lines,
  SUM(amount) AS amount,
  SUM(CASE WHEN amount >= 0 THEN amount ELSE 0 END) AS purchases_amount,
  COUNT(CASE WHEN amount < 0 THEN 1 END) AS cancellations,
  SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS cancelled_amount,
  CAST(NULL AS DOUBLE) AS list_price,
  CAST(NULL AS DOUBLE) AS discount,
  SUM(cost) AS cost,
  SUM(amount - cost) AS margin,
  COUNT(CASE WHEN amount IS NULL THEN 1 END) AS amount_missing,
  COUNT(CASE WHEN cost IS NULL THEN 1 END) AS cost_missing,
  COUNT(CASE WHEN kept THEN 1 END) AS on_time,
  COUNT(CASE WHEN NOT kept THEN 1 END) AS late,
  COUNT(kept) AS on_time_known,
  0 AS damaged,
  0 AS damaged_known,
  0 AS documents_wrong,
  0 AS promotions,
  CAST(NULL AS DOUBLE) AS quantity_ordered,
  CAST(NULL AS DOUBLE) AS quantity_delivered,
  CAST(NULL AS DOUBLE) AS points_earned,
  CAST(NULL AS DOUBLE) AS points_redeemed
FROM judged
GROUP BY customer_id
ORDER BY customer_id
"""


def make_orders(folder: Path, orders: int) -> None:
    """Write orders in the model's shape; DuckDB generates them without filling the memory."""
    import duckdb

    folder.mkdir(parents=True)
    customers = orders // ORDERS_PER_CUSTOMER
    duckdb.sql("SET memory_limit = '4GB'")
    duckdb.sql("SET enable_progress_bar = false")
    duckdb.sql(
        f"""
        COPY (
          SELECT
            *,
            ordered_at + INTERVAL 3 DAY AS promised_at,
            ordered_at + INTERVAL (CAST(RANDOM() * 5760 AS BIGINT)) MINUTE AS delivered_at
          FROM (
            SELECT
              'O' || i AS order_id,
              'C' || CAST(FLOOR(POW(RANDOM(), 2) * {customers}) AS BIGINT) AS customer_id,
              TIMESTAMP '2024-01-01' + INTERVAL (i * {MINUTES} // {orders}) MINUTE AS ordered_at,
              ROUND(EXP(RANDOM() * 6) - 5, 2) AS amount,
              ROUND(EXP(RANDOM() * 5), 2) AS cost
            FROM RANGE({orders}) AS t(i)
          )
        ) TO '{file_of(folder)}' (FORMAT parquet)
        """
    )


def file_of(folder: Path) -> Path:
    """The file of the orders."""
    return folder / "orders.parquet"


def with_crmlab(folder: Path) -> pd.DataFrame:
    """Load the folder, with validation, and query customer_summary."""
    import crmlab

    return crmlab.load(folder).query("customer_summary")


def with_duckdb(folder: Path) -> pd.DataFrame:
    """The same columns in DuckDB SQL written by hand."""
    import duckdb

    return duckdb.sql(BY_HAND.format(file=file_of(folder))).df()


def with_pandas(folder: Path) -> pd.DataFrame:
    """The columns that the file has something for, by pandas groupby."""
    import pandas as pd

    orders = pd.read_parquet(file_of(folder))
    bought = orders["amount"] >= 0
    midnight = orders["ordered_at"].max().normalize() + pd.Timedelta(days=1)
    known = bought & (orders["promised_at"] < midnight)
    kept = orders["delivered_at"] <= orders["promised_at"]
    orders["day"] = orders["ordered_at"].dt.normalize().where(bought)
    orders["purchases_amount"] = orders["amount"].where(bought, 0)
    orders["bought"] = bought
    orders["cancelled"] = orders["amount"] < 0
    orders["on_time"] = known & kept & (orders["delivered_at"] < midnight)
    orders["on_time_known"] = known
    orders["margin"] = orders["amount"] - orders["cost"]
    found = orders.groupby("customer_id").agg(
        first_day=("day", "min"),
        last_day=("day", "max"),
        orders=("bought", "sum"),
        active_days=("day", "nunique"),
        lines=("order_id", "size"),
        amount=("amount", "sum"),
        purchases_amount=("purchases_amount", "sum"),
        cancellations=("cancelled", "sum"),
        cost=("cost", "sum"),
        margin=("margin", "sum"),
        on_time=("on_time", "sum"),
        on_time_known=("on_time_known", "sum"),
    )
    found["cancelled_amount"] = found["purchases_amount"] - found["amount"]
    found["late"] = found["on_time_known"] - found["on_time"]
    return found.reset_index()


def with_lifetimes(folder: Path) -> pd.DataFrame:
    """Frequency, recency, age and mean value by lifetimes, which reads three columns only."""
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    wanted = ["customer_id", "ordered_at", "amount"]
    orders = pd.read_parquet(file_of(folder), columns=wanted)
    return summary_data_from_transaction_data(orders, *wanted).reset_index()


@dataclass(frozen=True)
class Contestant:
    """One way to the summary, with what it imports, so that imports can be timed apart."""

    run: Callable[[Path], pd.DataFrame]
    imports: tuple[str, ...]


CRMLAB, BARE, PANDAS, LIFETIMES = "crmlab", "DuckDB SQL by hand", "pandas groupby", "lifetimes"

_ARROW = ("pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet")
CONTESTANTS = {
    CRMLAB: Contestant(with_crmlab, ("crmlab.data.sources", "duckdb", *_ARROW)),
    BARE: Contestant(with_duckdb, ("duckdb", "pandas")),
    PANDAS: Contestant(with_pandas, _ARROW),
    LIFETIMES: Contestant(with_lifetimes, (*_ARROW, "lifetimes.utils")),
}


def totals(frame: pd.DataFrame) -> dict[str, float]:
    """The sum of every column of numbers and the range of every day, to compare the contestants."""
    found = {"customers": float(len(frame))}
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "iufb":
            found[name] = float(column.sum())
        elif column.dtype.kind == "M":
            found[f"{name} from"] = float(column.min().toordinal())
            found[f"{name} to"] = float(column.max().toordinal())
    return found
