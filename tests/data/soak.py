"""How often the 95 % intervals of `recovery` cover the known effects, over hundreds of companies.

    python -m tests.data.soak [--seeds 300] [--customers 600] [--processes 2]

writes tests/data/coverage.csv: effect, seeds, coverage, bias (mean error in standard errors) and
spread (standard deviation of that error). test_recovery.py holds the committed table to .91–.98.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pandas as pd  # noqa: E402

from crmlab.data import simulate  # noqa: E402
from tests.data.recovery import recover  # noqa: E402

TABLE = Path(__file__).parent / "coverage.csv"
SEEDS, CUSTOMERS = 300, 600
FIRST_SEED = 1_000


def one(seed: int, customers: int = CUSTOMERS) -> pd.DataFrame:
    """Recover the effects of one small company."""
    found = recover(simulate.company(seed, customers=customers))
    covered = (found["low"] <= found["known"]) & (found["known"] <= found["high"])
    return pd.DataFrame({"covered": covered.astype(float), "z": found["z"]})


def coverage(results: list[pd.DataFrame]) -> pd.DataFrame:
    """Coverage, bias and spread by effect."""
    every = pd.concat(results).groupby(level="effect")
    made = pd.DataFrame(
        {
            "seeds": every.size(),
            "coverage": every["covered"].mean(),
            "bias": every["z"].mean(),
            "spread": every["z"].std(),
        }
    )
    return made.round({"coverage": 4, "bias": 3, "spread": 3})


def run(seeds: int, customers: int, processes: int) -> pd.DataFrame:
    """Recover the effects of that many companies, side by side."""
    with get_context("spawn").Pool(processes) as pool:
        tasks = pool.imap_unordered(
            partial(one, customers=customers), range(FIRST_SEED, FIRST_SEED + seeds)
        )
        return coverage(list(_counted(tasks, seeds)))


def _counted(results: Iterator[pd.DataFrame], seeds: int) -> Iterator[pd.DataFrame]:
    for number, result in enumerate(results, 1):
        if number % 20 == 0:
            print(f"{number} of {seeds} companies", flush=True)
        yield result


def main() -> None:
    """Run the soak and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.data.soak")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TABLE)
    given = parser.parse_args()
    made = run(given.seeds, given.customers, given.processes)
    made.to_csv(given.out, lineterminator="\n")
    outside = made[~made["coverage"].between(0.91, 0.98)]
    print(f"coverage {made['coverage'].min()}–{made['coverage'].max()}; outside: {len(outside)}")
    if len(outside):
        print(outside.to_string())


if __name__ == "__main__":
    main()
