"""What is measured, each in a process of its own: ``python benchmarks/jobs.py JOB ARGUMENT …``.

The last line printed is JSON with what the job took.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import summary


def megabytes() -> float:
    """The most memory that this process held."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def make(folder: str, orders: str) -> dict[str, Any]:
    """Write a file of orders."""
    summary.make_orders(Path(folder), int(orders))
    return {"bytes": summary.file_of(Path(folder)).stat().st_size}


def summarise(name: str, folder: str) -> dict[str, Any]:
    """One contestant: its imports, then its way from the file to the frame."""
    contestant = summary.CONTESTANTS[name]
    began = time.perf_counter()
    for module in contestant.imports:
        importlib.import_module(module)
    imported, spent = time.perf_counter(), time.process_time()
    frame = contestant.run(Path(folder))
    took = {
        "imports": imported - began,
        "seconds": time.perf_counter() - imported,
        "processor": time.process_time() - spent,
        "megabytes": megabytes(),
    }
    return took | {"totals": summary.totals(frame)}


def check(folder: str) -> dict[str, Any]:
    """Judge every row, the keys too, of a file that is too large to be judged when it is loaded."""
    import crmlab

    crm = crmlab.load(Path(folder))
    began, spent = time.perf_counter(), time.process_time()
    crm.check()
    return {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - spent,
        "megabytes": megabytes(),
    }


def load(student: str) -> dict[str, Any]:
    """The bundled company, or a student's own, with the imports it takes."""
    began = time.perf_counter()
    import crmlab

    crmlab.load(student=student)
    return {"seconds": time.perf_counter() - began}


def notebook(chapter: str) -> dict[str, Any]:
    """A chapter's notebook in a kernel of its own, from start to end."""
    from crmlab.report.chapters import choose
    from crmlab.report.execute import execute

    (chosen,) = choose([chapter])
    began = time.perf_counter()
    execute(chosen.read(), {})
    return {"seconds": time.perf_counter() - began}


def fit(contestant: str) -> dict[str, Any]:
    """BG/NBD on CDNOW's sample."""
    import repeat_buying

    return repeat_buying.fit(contestant) | {"megabytes": megabytes()}


def grown(model: str, customers: str) -> dict[str, Any]:
    """A model of repeat buying on so many customers."""
    import repeat_buying

    return repeat_buying.grown(model, customers) | {"megabytes": megabytes()}


def explorers() -> dict[str, Any]:
    """Every move of every explorer."""
    from explorers import moves

    return moves()


JOBS = {
    "make": make,
    "summarise": summarise,
    "check": check,
    "load": load,
    "notebook": notebook,
    "fit": fit,
    "grown": grown,
    "explorers": explorers,
}

if __name__ == "__main__":
    job, *arguments = sys.argv[1:]
    with redirect_stdout(sys.stderr):
        answer = JOBS[job](*arguments)
    print(json.dumps(answer))
