"""How often a control chart gives a signal although nothing has changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.stats.control_charts import Limits, broken_rules

Array = NDArray[np.float64]


def false_alarms(
    chart: pd.DataFrame,
    limits: Limits,
    *,
    rules: Sequence[str],
    draws: int = 300,
    seed: int = 0,
) -> pd.DataFrame:
    """Signals by chance alone, of charts with the same limits, sizes and rules.

    Parameters
    ----------
    chart : pandas.DataFrame
        As in `Chart.frame`: n and phase are used.
    limits : Limits
    rules : sequence of str
    draws : int
        Charts that are drawn.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row per rule and one for all of them together (rule ``"any"``): rule, points (mean number
        of points of a chart that break it), charts (share of charts with one or more).

    Notes
    -----
    Points are drawn around the centre by the Poisson law (u and c charts), the binomial law (p),
    or the normal law (the others, and counts with limits widened by Laney's σz). Where phase I is
    on the chart, its centre is found anew in each draw; a centre that is off brings more signals.

    References
    ----------
    Champ, C. W. and Woodall, W. H. (1987), Technometrics 29, 393-399: 91.75 points between two
    false signals with the rules of Western Electric, 370.4 with the limits alone. Jensen, W. A. et
    al. (2006), Journal of Quality Technology 38, 349-364, on limits that are estimates.

    Examples
    --------
    >>> chart = pd.DataFrame({"n": [100.0] * 50, "phase": [1] * 50})
    >>> found = false_alarms(chart, Limits("u", 0.3, 1.0, 50), rules=["western_1"])
    >>> bool(found.loc[0, "points"] < 0.5)
    True
    """
    rng = np.random.default_rng(seed)
    size = chart["n"].to_numpy(float)
    inside = chart["phase"].to_numpy() == 1
    standard, value = _drawn(rng, size, inside, limits, draws)
    flags = np.zeros((draws, len(size), len(rules)), bool)
    for draw in range(draws):
        for point, names in enumerate(broken_rules(standard[draw], value[draw], rules=rules)):
            if names:
                flags[draw, point] = [rule in names for rule in rules]
    both = np.concatenate([flags, flags.any(axis=2, keepdims=True)], axis=2)
    return pd.DataFrame(
        {
            "rule": [*rules, "any"],
            "points": both.sum(axis=1).mean(axis=0),
            "charts": both.any(axis=1).mean(axis=0),
        }
    )


def _drawn(
    rng: np.random.Generator, size: Array, inside: NDArray[np.bool_], limits: Limits, draws: int
) -> tuple[Array, Array]:
    """Points of charts on which nothing changes: standard errors from the centre, and values."""
    shape = (draws, len(size))
    centre, by_law = limits.centre, limits.sigma == 1
    if limits.kind in ("u", "c") and by_law:
        value = rng.poisson(centre * size, shape) / size
    elif limits.kind == "p" and by_law:
        value = rng.binomial(np.round(size).astype(int), centre, shape) / size
    else:
        value = centre + rng.normal(size=shape) * _error(limits, centre, size)
    middle = np.full((draws, 1), centre)
    if inside.any():
        weight = size * inside
        middle = (value @ weight / weight.sum())[:, None]
    if limits.kind == "ewma":
        return _averaged(value, middle, size, limits)
    error = _error(limits, middle, size)
    return (value - middle) / np.maximum(error, 1e-300), value


def _error(limits: Limits, centre: Array | float, size: Array) -> Array:
    """Standard error of a point."""
    if limits.kind == "p":
        level = np.clip(centre, 1e-9, 1 - 1e-9)
        return np.asarray(limits.sigma * np.sqrt(level * (1 - level) / size))
    if limits.kind in ("u", "c"):
        return np.asarray(limits.sigma * np.sqrt(np.maximum(centre, 1e-9) / size))
    return np.asarray(limits.sigma / np.sqrt(size) + 0 * np.asarray(centre))


def _averaged(value: Array, middle: Array, size: Array, limits: Limits) -> tuple[Array, Array]:
    part = limits.smoothing
    level, variance = middle[:, 0].copy(), 0.0
    standard, averages = np.empty(value.shape), np.empty(value.shape)
    for point in range(value.shape[1]):
        level = part * value[:, point] + (1 - part) * level
        variance = part**2 * limits.sigma**2 / size[point] + (1 - part) ** 2 * variance
        averages[:, point] = level
        # Beyond the limits is beyond the width of the chart, whatever that is.
        standard[:, point] = (level - middle[:, 0]) / np.sqrt(variance) * 3 / limits.width
    return standard, averages
