"""Speed and memory against named peers and against the limits we set ourselves: ``make bench``.

Every job runs in a process of its own, contestants several times in turn on the same file. The
tables give medians of times, which the limits are about, beside them the fastest run, because
whatever else a machine does only adds to the time, and the largest of memories. They are written to
``benchmarks/table.md``. A limit that is not met is said there and on the screen; the command ends
well all the same, for a busy machine is no fault of the code.

    python benchmarks/run.py [--large] [--orders N …] [--repeats N] [--only PART …]

``--large`` adds 100 million orders, which takes some 30 GB of free disk and a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import repeat_buying
import summary

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent / "notebooks"

SIZES = (1_000_000, 10_000_000)
LARGE = 100_000_000
#: Orders from which a contest is run three times at most.
LONG = 10_000_000
#: DuckDB's memory where the growth is measured.
MEMORY = "4GB"

#: The limits.
TO_BARE = 1.15
FASTER_THAN_LIFETIMES = 3.0
OF_LIFETIMES_MEMORY = 0.5
TO_PANDAS_IMPORT = 1.3
FIT_FASTER_THAN_LIFETIMES = 10.0
MILLION_FITTED_SECONDS = 20.0
MOVE_SECONDS = 0.2
NOTEBOOK_SECONDS = 30.0

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


@dataclass
class Page:
    """The tables as Markdown, and what became of each limit."""

    lines: list[str] = field(default_factory=list)
    limits: list[tuple[str, str, str, str]] = field(default_factory=list)

    def limit(self, what: str, measured: str, limit: str, met: bool) -> None:
        """Enter a measurement that has a limit."""
        self.limits.append((what, measured, limit, "yes" if met else "**no**"))

    def not_run(self, what: str, limit: str) -> None:
        """Enter a limit that this run does not look at."""
        self.limits.append((what, "–", limit, "not run"))

    def table(self, title: str, about: str, names: Sequence[str], rows: Iterable[Any]) -> None:
        """Enter a table; the first column is text, the others are numbers."""
        self.lines += ["", f"## {title}", "", about, "", *_table(names, rows)]

    def text(self, about: str) -> str:
        """The whole page, the limits first."""
        head = ["# Benchmarks", "", about, "", "## Limits", ""]
        head += _table(("what", "measured", "limit", "met"), self.limits)
        return "\n".join([*head, *self.lines]) + "\n"

    def missed(self) -> list[str]:
        """What is not within its limit, a line each."""
        return [
            f"not met: {what}: {measured}, the limit is {limit}"
            for what, measured, limit, met in self.limits
            if met == "**no**"
        ]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


# --- running ------------------------------------------------------------------------------------


def job(name: str, *arguments: object, memory: str = "") -> dict[str, Any]:
    """Do a job of `jobs.py` in a process of its own; what it prints last is its answer."""
    command = [sys.executable, str(HERE / "jobs.py"), name, *map(str, arguments)]
    return dict(json.loads(_output(command, memory=memory).splitlines()[-1]))


def _output(command: Sequence[str], *, memory: str = "") -> str:
    # Python keeps what it compiled, as it does for a user: imports are not compiled anew each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"CRMLAB_MEMORY": memory} if memory else {}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def say(text: str) -> None:
    """Say on the screen what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def orders_file(orders: int) -> Iterator[Path]:
    """A folder with a file of so many orders, while it is needed."""
    with tempfile.TemporaryDirectory(prefix="crmlab-bench-") as temporary:
        need = orders * (summary.BYTES_PER_ORDER + summary.SPILLED_PER_ORDER)
        free = shutil.disk_usage(temporary).free
        if free < 1.2 * need:
            raise SystemExit(
                f"{orders:,} orders need {1.2 * need / 1e9:.0f} GB of free disk in {temporary}; "
                f"{free / 1e9:.0f} GB are free. Set TMPDIR to another folder, or ask for fewer."
            )
        folder = Path(temporary) / "company"
        say(f"{orders:,} orders: writing them")
        job("make", folder, orders)
        yield folder


# --- the customer summary -----------------------------------------------------------------------


@dataclass(frozen=True)
class Took:
    """What one contestant took over its runs."""

    seconds: float
    fastest: float
    processor: float
    imports: float
    megabytes: float

    @classmethod
    def of(cls, runs: Sequence[Mapping[str, float]]) -> Took:
        """The median of the times and the shortest, the largest of the memories."""
        seconds, processor, imports = (
            statistics.median(run[name] for run in runs)
            for name in ("seconds", "processor", "imports")
        )
        fastest = min(run["seconds"] for run in runs)
        return cls(seconds, fastest, processor, imports, max(run["megabytes"] for run in runs))


def contest(folder: Path, repeats: int) -> dict[str, Took]:
    """All contestants in turn, several times; what they found must agree."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in summary.CONTESTANTS}
    for _repeat in range(repeats):
        for name, done in runs.items():
            say(name)
            done.append(job("summarise", name, folder))
    _agree({name: done[0]["totals"] for name, done in runs.items()})
    return {name: Took.of(done) for name, done in runs.items()}


def _agree(totals: Mapping[str, Mapping[str, float]]) -> None:
    wanted = totals[summary.CRMLAB]
    for name, found in totals.items():
        for column in found.keys() & wanted.keys():
            if not math.isclose(found[column], wanted[column], rel_tol=1e-9, abs_tol=1e-4):
                raise SystemExit(
                    f"{name} finds {found[column]} for {column}, crmlab {wanted[column]}"
                )
    lacking = wanted.keys() - totals[summary.BARE].keys()
    if lacking:
        raise SystemExit(f"the SQL by hand lacks {', '.join(sorted(lacking))}")


def summaries(page: Page, sizes: Sequence[int], repeats: int) -> None:
    """The contest at every size."""
    rows = []
    for orders in sizes:
        with orders_file(orders) as folder:
            took = contest(folder, min(repeats, 3) if orders >= LONG else repeats)
        rows += _summary_rows(orders, took)
        _summary_limits(page, orders, took)
    page.table(
        "Customer summary: from a Parquet file to a frame with a row for each customer",
        "Seconds are those from the file to the frame; imports stand apart, and the last column "
        "has both. crmlab validates the file as it loads it; above 2 million rows it judges the "
        "schema alone. The SQL by hand gives the same columns, pandas those the file has "
        "something for, lifetimes four. Ratios are to crmlab.",
        ("orders", "contestant", "seconds", "× crmlab", "fastest", "× crmlab",
         "processor seconds", "MB at most", "× crmlab", "imports", "with imports"),
        rows,
    )  # fmt: skip


def _summary_rows(orders: int, took: Mapping[str, Took]) -> list[tuple[str, ...]]:
    own = took[summary.CRMLAB]
    return [
        (
            f"{orders:,}",
            name,
            f"{one.seconds:.2f}",
            f"{one.seconds / own.seconds:.2f}",
            f"{one.fastest:.2f}",
            f"{one.fastest / own.fastest:.2f}",
            f"{one.processor:.2f}",
            f"{one.megabytes:,.0f}",
            f"{one.megabytes / own.megabytes:.2f}",
            f"{one.imports:.2f}",
            f"{one.imports + one.seconds:.2f}",
        )
        for name, one in took.items()
    ]


def _summary_limits(page: Page, orders: int, took: Mapping[str, Took]) -> None:
    own, bare, lifetimes = (
        took[name] for name in (summary.CRMLAB, summary.BARE, summary.LIFETIMES)
    )
    ratio = own.seconds / bare.seconds
    what = f"{orders:,} orders: seconds, to those of the same SQL by hand"
    page.limit(what, f"{ratio:.2f} ×", f"≤ {TO_BARE} ×", ratio <= TO_BARE)
    if orders < LONG:
        return
    ratio = lifetimes.seconds / own.seconds
    what = f"{orders:,} orders: faster than lifetimes"
    page.limit(
        what, f"{ratio:.1f} ×", f"≥ {FASTER_THAN_LIFETIMES:g} ×", ratio >= FASTER_THAN_LIFETIMES
    )
    ratio = own.megabytes / lifetimes.megabytes
    what = f"{orders:,} orders: peak memory, to that of lifetimes"
    page.limit(what, f"{ratio:.2f} ×", f"≤ {OF_LIFETIMES_MEMORY} ×", ratio <= OF_LIFETIMES_MEMORY)


def growth(page: Page, sizes: Sequence[int], _repeats: int) -> None:
    """How time grows with the rows while DuckDB has little memory."""
    took = {}
    for orders in sizes:
        with orders_file(orders) as folder:
            say(f"summary within {MEMORY}")
            run = job("summarise", summary.CRMLAB, folder, memory=MEMORY)
            say(f"every row judged within {MEMORY}")
            took[orders] = run, job("check", folder, memory=MEMORY)
    exponents = [
        slope({orders: pair[which][time_] for orders, pair in took.items()})
        for which in (0, 1)
        for time_ in ("seconds", "processor")
    ]
    rows = [
        (
            f"{orders:,}",
            f"{run['seconds']:.1f}",
            f"{run['processor']:.1f}",
            f"{run['megabytes']:,.0f}",
            f"{judged['seconds']:.1f}",
            f"{judged['processor']:.1f}",
            f"{judged['megabytes']:,.0f}",
        )
        for orders, (run, judged) in took.items()
    ]
    page.table(
        f"Growth: crmlab with {MEMORY} for DuckDB",
        f"One run of each. Memory is that of the whole process: DuckDB's {MEMORY} and the frame, "
        "which has a row for each of a tenth as many customers. check() judges every row, the "
        "keys too, as loading does up to 2 million rows. Seconds grow with the orders to the power "
        "of {:.2f} for the summary (processor seconds {:.2f}) and {:.2f} for check() "
        "({:.2f}).".format(*exponents),
        ("orders", "summary: seconds", "processor seconds", "MB at most",
         "check(): seconds", "processor seconds", "MB at most"),
        rows,
    )  # fmt: skip
    largest = max(sizes)
    what = f"{LARGE:,} orders with {MEMORY} for DuckDB"
    if largest < LARGE:
        page.not_run(what, "done; --large")
        return
    run, _judged = took[largest]
    page.limit(what, f"{run['seconds']:.0f} s, {run['megabytes']:,.0f} MB in all", "done", True)


def slope(seconds: Mapping[int, float]) -> float:
    """The exponent of growth: the slope of log seconds over log orders, by least squares.

    Examples
    --------
    >>> round(slope({10: 2.0, 100: 40.0, 1000: 800.0}), 2)
    1.3
    """
    if len(seconds) < 2:
        return math.nan
    return statistics.linear_regression(
        [math.log(orders) for orders in seconds], [math.log(took) for took in seconds.values()]
    ).slope


# --- imports, loading, explorers, notebooks -----------------------------------------------------


def imports(page: Page, _sizes: Sequence[int], repeats: int) -> None:
    """What it costs to import crmlab, to ask for help, and to load the teaching company."""
    ways = {
        "import pandas": lambda: _import_seconds("pandas"),
        "import crmlab": lambda: _import_seconds("crmlab"),
        "crmlab --help, the whole process": _help_seconds,
        "load() of the bundled company, with imports": lambda: job("load", "")["seconds"],
        "load(student=…), with imports": lambda: job("load", "20261234")["seconds"],
    }
    say("imports and loading")
    took: dict[str, list[float]] = {what: [] for what in ways}
    for _repeat in range(repeats + 1):
        for what, measure in ways.items():
            took[what].append(measure())
    # The first time Python compiles what it imports.
    medians = {what: statistics.median(times[1:]) for what, times in took.items()}
    pandas = medians["import pandas"]
    rows = [(what, f"{s:.3f}", f"{s / pandas:.2f}") for what, s in medians.items()]
    about = "Medians of fresh processes in turn."
    page.table("Imports and loading", about, ("what", "seconds", "× import pandas"), rows)
    ratio = medians["import crmlab"] / pandas
    what = "import crmlab, to import pandas"
    page.limit(what, f"{ratio:.2f} ×", f"≤ {TO_PANDAS_IMPORT} ×", ratio <= TO_PANDAS_IMPORT)


def _import_seconds(module: str) -> float:
    return float(_output([sys.executable, "-c", IMPORT.format(module)]))


def _help_seconds() -> float:
    began = time.perf_counter()
    _output([sys.executable, "-m", "crmlab", "--help"])
    return time.perf_counter() - began


def explorers(page: Page, _sizes: Sequence[int], _repeats: int) -> None:
    """How long a move of each explorer takes in the kernel."""
    say("explorers")
    rows = []
    for name, times in sorted(job("explorers").items()):
        what = f"{name}: median of a move"
        limit = f"≤ {1000 * MOVE_SECONDS:.0f} ms"
        if not times:
            page.limit(what, "there is no such explorer", limit, False)
            continue
        median, worst = statistics.median(times), max(times)
        rows.append((name, str(len(times)), f"{1000 * median:.0f}", f"{1000 * worst:.0f}"))
        page.limit(what, f"{1000 * median:.0f} ms", limit, median <= MOVE_SECONDS)
    page.table(
        "Explorers: a move in the kernel",
        "From a control's new value to the new picture and sentence, PNG included, over each "
        "control's range.",
        ("explorer", "moves", "median, ms", "worst, ms"),
        rows,
    )


def notebooks(page: Page, _sizes: Sequence[int], _repeats: int) -> None:
    """How long each chapter's notebook takes, and the command that makes its report."""
    rows = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        say(path.stem)
        # The first time Python compiles what it imports.
        runs = [job("notebook", path.stem) for _repeat in range(4)][1:]
        times = [run["seconds"] for run in runs]
        notebook = statistics.median(times)
        report, spent = _run_chapter(path.stem)
        seconds = (notebook, min(times), report, spent)
        rows.append((path.stem, *(f"{one:.1f}" for one in seconds)))
        what = f"chapter {path.stem}: its notebook"
        limit = f"≤ {NOTEBOOK_SECONDS:.0f} s"
        page.limit(what, f"{notebook:.1f} s", limit, notebook <= NOTEBOOK_SECONDS)
    page.table(
        "Chapters",
        "On the bundled company. The notebook: executed by papermill, the kernel's start and end "
        "included; median of three runs and the fastest. The report: `crmlab run`, which checks "
        "the data, executes the notebook and writes page, workbook and tables.",
        ("chapter", "notebook, s", "fastest, s", "report, s", "processor seconds of the report"),
        rows,
    )


def _run_chapter(chapter: str) -> tuple[float, float]:
    """Seconds, and processor seconds with those of the kernel."""
    with tempfile.TemporaryDirectory(prefix="crmlab-bench-") as out:
        began, before = time.perf_counter(), _processor_seconds()
        _output([sys.executable, "-m", "crmlab", "run", chapter, "--out", out])
        return time.perf_counter() - began, _processor_seconds() - before


def _processor_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


# --- models of repeat buying --------------------------------------------------------------------

#: Customers that a model is fitted to, to see how time and memory grow.
CUSTOMERS = (10_000, 100_000, 1_000_000)
#: Log-likelihoods closer than this are the same.
SAME = 0.01


def models(page: Page, _sizes: Sequence[int], repeats: int) -> None:
    """Fits of BG/NBD against lifetimes on CDNOW's sample, and how fits grow with the customers."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in repeat_buying.IMPORTS}
    say("BG/NBD on CDNOW's sample")
    for _repeat in range(repeats):
        for name, done in runs.items():
            done.append(job("fit", name))
    _same_fit({name: done[0]["log_likelihood"] for name, done in runs.items()})
    medians = {
        name: [
            statistics.median(run[what] for run in done) for what in ("seconds", "first", "imports")
        ]
        for name, done in runs.items()
    }
    own = medians[repeat_buying.CRMLAB][0]
    page.table(
        "BG/NBD on CDNOW's sample: 2,357 customers",
        "From arrays to parameters, with errors in crmlab: the median of "
        f"{repeat_buying.FITS} fits in a process after the first, which stands apart. Both find "
        "the same log-likelihood, computed for both by one formula.",
        ("contestant", "seconds", "× crmlab", "first fit", "imports", "log-likelihood"),
        [
            (name, f"{seconds:.4f}", f"{seconds / own:.1f}", f"{first:.3f}", f"{imported:.2f}",
             f"{runs[name][0]['log_likelihood']:.3f}")
            for name, (seconds, first, imported) in medians.items()
        ],
    )  # fmt: skip
    ratio = medians[repeat_buying.LIFETIMES][0] / own
    page.limit(
        "BG/NBD on CDNOW's sample: faster than lifetimes",
        f"{ratio:.1f} ×",
        f"≥ {FIT_FASTER_THAN_LIFETIMES:g} ×",
        ratio >= FIT_FASTER_THAN_LIFETIMES,
    )
    _grown_models(page)


def _same_fit(found: Mapping[str, float]) -> None:
    wanted = found[repeat_buying.CRMLAB]
    for name, value in found.items():
        if not abs(value - wanted) < SAME:
            raise SystemExit(f"{name} finds a log-likelihood of {value:.3f}, crmlab {wanted:.3f}")


def _grown_models(page: Page) -> None:
    took = {}
    for customers in CUSTOMERS:
        for model in ("bg_nbd", "pareto_nbd"):
            say(f"{model} of {customers:,} customers")
            took[customers, model] = job("grown", model, customers)
    page.table(
        "Models of repeat buying: growth",
        "One fit of each, with errors. Customers are simulated in days and parts of them, so that "
        "hardly any two histories of repeat buyers are equal. Memory is that of the whole process.",
        ("customers", "model", "seconds", "processor seconds", "MB at most"),
        [
            (f"{customers:,}", model, f"{run['seconds']:.2f}", f"{run['processor']:.2f}",
             f"{run['megabytes']:,.0f}")
            for (customers, model), run in took.items()
        ],
    )  # fmt: skip
    seconds = took[max(CUSTOMERS), "bg_nbd"]["seconds"]
    page.limit(
        f"BG/NBD: a fit of {max(CUSTOMERS):,} customers",
        f"{seconds:.1f} s",
        f"≤ {MILLION_FITTED_SECONDS:.0f} s",
        seconds <= MILLION_FITTED_SECONDS,
    )


#: The short ones first: what fails should fail soon.
PARTS = {
    "explorers": explorers,
    "notebooks": notebooks,
    "imports": imports,
    "models": models,
    "summary": summaries,
    "growth": growth,
}


def about_run(asked: Sequence[str], repeats: int) -> str:
    """On what the tables were measured, and how."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "pandas", "numpy", "pyarrow", "lifetimes")
    )
    command = f'make bench ARGS="{" ".join(asked)}"' if asked else "make bench"
    return (
        f"One run of `{command}`. Medians of {repeats} fresh processes in turn, 3 from "
        f"{LONG:,} orders on, and the most memory of any. CPython "
        f"{platform.python_version()}, {platform.system()}, {os.cpu_count()} processors; "
        f"{packages}."
    )


def main() -> None:
    """Measure, write the page, and say what is not within its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--orders", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", choices=PARTS, nargs="+", help="shown, not written")
    asked = parser.parse_args()
    page = Page()
    for name in asked.only or PARTS:
        sizes = [*asked.orders, LARGE] if asked.large and name == "growth" else asked.orders
        PARTS[name](page, sizes, asked.repeats)
    text = page.text(about_run(sys.argv[1:], asked.repeats))
    if not asked.only:
        (HERE / "table.md").write_text(text, encoding="utf-8")
    print(text)
    print("\n".join(page.missed() or ["every limit is met"]), file=sys.stderr)


if __name__ == "__main__":
    main()
