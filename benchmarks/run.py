"""Speed and memory against named peers, as ratios of one run: ``make bench``.

Every contestant runs in a process of its own, several times in turn, on the same file; the table
gives the median of its time, its largest memory, and both as a ratio to crmlab. The table is
written to ``benchmarks/table.md``.

    python benchmarks/run.py [--orders N …] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ORDERS_PER_CUSTOMER = 10
HERE = Path(__file__).parent


def make_orders(path: Path, orders: int) -> None:
    """Write a folder in the model's shape; DuckDB generates it without filling the memory."""
    import duckdb

    path.mkdir(parents=True)
    duckdb.sql(
        f"""
        COPY (
          SELECT
            'O' || i AS order_id,
            'C' || CAST(FLOOR(POW(RANDOM(), 2) * {orders // ORDERS_PER_CUSTOMER}) AS BIGINT)
              AS customer_id,
            TIMESTAMP '2024-01-01' + INTERVAL (CAST(RANDOM() * 1051200 AS BIGINT)) MINUTE
              AS ordered_at,
            ROUND(EXP(RANDOM() * 6) - 5, 2) AS amount,
            ROUND(EXP(RANDOM() * 5), 2) AS cost
          FROM RANGE({orders}) AS t(i)
        ) TO '{path / "orders.parquet"}' (FORMAT parquet)
        """
    )


def with_crmlab(folder: Path) -> int:
    """Load the folder, with validation, and query customer_summary."""
    import crmlab

    return len(crmlab.load(folder).query("customer_summary"))


def with_duckdb(folder: Path) -> int:
    """The main columns of customer_summary in DuckDB SQL written by hand."""
    import duckdb

    return len(
        duckdb.sql(
            f"""
            SELECT
              customer_id,
              MIN(CASE WHEN amount >= 0 THEN CAST(ordered_at AS DATE) END) AS first_day,
              MAX(CASE WHEN amount >= 0 THEN CAST(ordered_at AS DATE) END) AS last_day,
              COUNT(CASE WHEN amount >= 0 THEN 1 END) AS orders,
              COUNT(DISTINCT CASE WHEN amount >= 0 THEN CAST(ordered_at AS DATE) END) AS
              active_days, SUM(amount) AS amount, COUNT(CASE WHEN amount < 0 THEN 1 END) AS
              cancellations, SUM(cost) AS cost
            FROM '{folder / "orders.parquet"}'
            GROUP BY customer_id
            ORDER BY customer_id
            """
        ).df()
    )


def with_pandas(folder: Path) -> int:
    """The same by pandas groupby."""
    import pandas as pd

    orders = pd.read_parquet(folder / "orders.parquet")
    orders["day"] = orders["ordered_at"].dt.normalize()
    money = orders.groupby("customer_id").agg(
        amount=("amount", "sum"),
        cost=("cost", "sum"),
        cancellations=("amount", lambda amount: int((amount < 0).sum())),
    )
    purchases = orders[orders["amount"] >= 0].groupby("customer_id")
    days = purchases["day"].agg(["min", "max", "nunique"])
    return len(money.join(days).join(purchases.size().rename("orders")))


def with_lifetimes(folder: Path) -> int:
    """Recency, frequency, age and mean value by lifetimes: fewer columns than the others."""
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    orders = pd.read_parquet(folder / "orders.parquet")
    return len(summary_data_from_transaction_data(orders, "customer_id", "ordered_at", "amount"))


def with_student(_folder: Path) -> int:
    """A student's own company, simulated and checked."""
    import crmlab

    return crmlab.load(student="20261234").rows("customers")


def with_bundled(_folder: Path) -> int:
    """The bundled company, read from its CSV files and checked."""
    import crmlab

    return crmlab.load().rows("customers")


LOADING = {"load() of the bundled company": with_bundled, "load(student=…)": with_student}
SUMMARY: dict[str, Callable[[Path], int]] = {
    "crmlab": with_crmlab,
    "DuckDB SQL by hand": with_duckdb,
    "pandas groupby": with_pandas,
    "lifetimes": with_lifetimes,
}
CONTESTANTS = SUMMARY | LOADING


def measure(name: str, folder: Path) -> dict[str, float]:
    """Time and memory of one contestant in a process of its own, imports included."""
    command = [sys.executable, __file__, "--contestant", name, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compete(name: str, folder: Path) -> None:
    """Run one contestant here and print what it took."""
    import resource

    began = time.perf_counter()
    customers = CONTESTANTS[name](folder)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak, "customers": customers}))


def contest(names: Iterable[str], folder: Path, repeats: int) -> dict[str, list[dict[str, float]]]:
    """All runs of the contestants, in turn; they must find the same number of customers."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _repeat in range(repeats):
        for name, done in runs.items():
            done.append(measure(name, folder))
    customers = {run["customers"] for done in runs.values() for run in done}
    assert len(customers) == 1, f"the contestants disagree on the customers: {customers}"
    return runs


def loading(repeats: int) -> list[str]:
    """The lines of the table of loading times."""
    runs = contest(LOADING, HERE, repeats)
    took = {name: statistics.median(run["seconds"] for run in done) for name, done in runs.items()}
    first = next(iter(took.values()))
    return [f"| {name} | {seconds:.2f} | {seconds / first:.2f} |" for name, seconds in took.items()]


def rows(orders: int, repeats: int) -> list[str]:
    """The lines of the table for one size."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "company"
        make_orders(folder, orders)
        runs = contest(SUMMARY, folder, repeats)
    took = {
        name: (
            statistics.median(run["seconds"] for run in done),
            max(run["megabytes"] for run in done),
        )
        for name, done in runs.items()
    }
    seconds, megabytes = took["crmlab"]
    return [
        f"| {orders:,} | {name} | {s:.2f} | {s / seconds:.2f} | {m:,.0f} | {m / megabytes:.2f} |"
        for name, (s, m) in took.items()
    ]


def main() -> None:
    """Run the contest, or one contestant of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contestant", choices=CONTESTANTS)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.contestant:
        compete(asked.contestant, asked.folder)
        return
    lines = [
        "# Customer summary: from a Parquet file to a frame with a row per customer",
        "",
        f"Median of {asked.repeats} runs in turn, each a fresh process with its imports; CPython "
        f"{platform.python_version()}, {platform.system()}. crmlab validates the file and "
        f"fills every "
        "column of `customer_summary`; the SQL by hand and pandas compute nine of them, "
        "lifetimes four.",
        "",
        "| orders | contestant | seconds | × crmlab | MB at most | × crmlab |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for orders in asked.orders:
        lines += rows(orders, asked.repeats)
    lines += [
        "",
        "# Loading the teaching company, imports included",
        "",
        "| what | seconds | × the first |",
        "|---|---:|---:|",
        *loading(asked.repeats),
    ]
    text = "\n".join(lines) + "\n"
    (HERE / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
