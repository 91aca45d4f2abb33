"""Models of repeat buying: crmlab and lifetimes on the same customers.

Both get plain arrays; what they find is judged by one log-likelihood, written out here.
"""

from __future__ import annotations

import importlib
import statistics
import time
from pathlib import Path
from typing import Any

#: CDNOW's sample, as the tests have it.
SAMPLE = Path(__file__).parents[1] / "tests" / "stats" / "cdnow_sample.csv"

CRMLAB = "crmlab"
LIFETIMES = "lifetimes"
#: What each needs, scipy's parts too, which crmlab imports when it first fits.
IMPORTS = {
    CRMLAB: ("pandas", "crmlab.stats.lifetime", "scipy.special"),
    LIFETIMES: ("pandas", "lifetimes"),
}
#: Fits in one process, after one that is not counted.
FITS = 5

#: r and alpha (days), a and b, from which customers are made.
TRUE = (0.5, 30.0, 0.8, 2.4)


def fit(contestant: str) -> dict[str, Any]:
    """BG/NBD on CDNOW's sample: the median of several fits in this process."""
    began = time.perf_counter()
    for module in IMPORTS[contestant]:
        importlib.import_module(module)
    imported = time.perf_counter() - began
    history = cdnow()
    began = time.perf_counter()
    parameters = _parameters(contestant, history)
    first, took = time.perf_counter() - began, []
    for _fit in range(FITS):
        began = time.perf_counter()
        parameters = _parameters(contestant, history)
        took.append(time.perf_counter() - began)
    return {
        "imports": imported,
        "first": first,
        "seconds": statistics.median(took),
        "log_likelihood": log_likelihood(parameters, *history),
    }


def cdnow() -> tuple[Any, Any, Any]:
    """Repeat purchases, weeks to the last and weeks observed, a row for each customer."""
    import pandas as pd

    frame = pd.read_csv(SAMPLE)
    each = frame.loc[frame.index.repeat(frame["customers"])]
    frequency, recency, age = each[["frequency", "recency", "age"]].to_numpy(float).T.copy()
    return frequency, recency, age


def _parameters(contestant: str, history: tuple[Any, Any, Any]) -> list[float]:
    if contestant == CRMLAB:
        from crmlab.stats.lifetime import bg_nbd

        return list(map(float, bg_nbd(*history).parameters))
    from lifetimes import BetaGeoFitter

    found = BetaGeoFitter().fit(*history).params_
    return [float(found[name]) for name in ("r", "alpha", "a", "b")]


def log_likelihood(parameters: list[float], x: Any, recency: Any, age: Any) -> float:
    """Equation 6 of Fader, Hardie and Lee (2005), as it stands there, customer by customer."""
    import numpy as np
    from scipy.special import betaln, gammaln

    r, alpha, a, b = parameters
    stayed = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + age)
    again = x > 0
    left = betaln(a + 1, b + x[again] - 1) - betaln(a, b)
    stayed[again] = np.logaddexp(
        stayed[again], left - (r + x[again]) * np.log(alpha + recency[again])
    )
    return float(np.sum(gammaln(r + x) - gammaln(r) + r * np.log(alpha) + stayed))


def grown(model: str, customers: str) -> dict[str, Any]:
    """A fit of so many simulated customers, no two of whom bought again at the same times."""
    from crmlab.stats import lifetime

    history = simulated(int(customers))
    began, spent = time.perf_counter(), time.process_time()
    found = getattr(lifetime, model)(*history)
    return {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - spent,
        "log_likelihood": found.log_likelihood,
    }


def simulated(customers: int) -> tuple[Any, Any, Any]:
    """BG/NBD, purchase by purchase: ages of two months to two years, in days and parts of them."""
    import numpy as np

    random = np.random.default_rng(1)
    r, alpha, a, b = TRUE
    age = random.uniform(60, 730, customers)
    rate = random.gamma(r, 1 / alpha, customers)
    leaves = random.beta(a, b, customers)
    now, frequency, recency = np.zeros((3, customers))
    going = np.arange(customers)
    while len(going):
        now[going] += random.exponential(1 / np.maximum(rate[going], 1e-200))
        going = going[now[going] < age[going]]
        frequency[going] += 1
        recency[going] = now[going]
        going = going[random.random(len(going)) >= leaves[going]]
    return frequency, recency, age
