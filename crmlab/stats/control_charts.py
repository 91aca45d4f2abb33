"""Control charts (控制图): what varies as it always does, and what does not.

The limits come from stated points (phase I) and are then held. Constants, those of n computed:

========  =====  ==============================================================
constant  value  what it is
========  =====  ==============================================================
d2        1.128  mean range of two normal values, in standard deviations
d2(n)     …      the same of n values: 1.128, 1.693, 2.059, 2.326, 2.534, …
d3(n)     …      standard deviation of that range: .853, .888, .880, .864, …
c4(n)     …      mean standard deviation of n normal values, in true ones
A2(n)     …      3/(d2(n) √n), as tables give it: mean ± A2 times the mean range
========  =====  ==============================================================

Run rules, by name. Those of Western Electric (1956): `western_1` a point beyond 3 standard errors;
`western_2` two of three beyond 2 on one side; `western_3` four of five beyond 1 on one side;
`western_4` eight in a row on one side. Those of Nelson (1984): `nelson_1` a point beyond 3;
`nelson_2` nine in a row on one side; `nelson_3` six in a row rising or falling; `nelson_4` fourteen
in a row going up and down by turns; `nelson_5` two of three beyond 2 on one side; `nelson_6` four
of five beyond 1 on one side; `nelson_7` fifteen in a row within 1; `nelson_8` eight in a row beyond
1, on whichever side. A rule is broken at the point that completes the pattern and is part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Phase = int | Sequence[bool] | NDArray[np.bool_] | None

D2 = 1.128
WESTERN_ELECTRIC = ("western_1", "western_2", "western_3", "western_4")
NELSON = tuple(f"nelson_{number}" for number in range(1, 9))
KINDS = ("individuals", "xbar", "s", "r", "p", "u", "c", "ewma")


@dataclass(frozen=True)
class Limits:
    """What the limits of a chart are made of: found in phase I, then held.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    centre : float
    sigma : float
        Standard deviation of one observation. For p, u and c charts by how much the points vary
        more than the binomial or Poisson law says: 1, or Laney's sigma of z.
    points : int
        Number of points of phase I.
    smoothing, width : float
        Of an EWMA: λ and L. The other charts have a width of 3.
    """

    kind: str
    centre: float
    sigma: float
    points: int
    smoothing: float = 1.0
    width: float = 3.0

    def save(self, path: str | Path) -> None:
        """Write the limits to a small JSON file."""
        text = json.dumps(asdict(self), indent=2)
        Path(path).write_text(text + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: str | Path) -> Limits:
        """The limits of a file that `save` wrote.

        Raises
        ------
        CrmlabError
            If the file is not of that kind.
        """
        try:
            found = cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CrmlabError(
                _("{path} holds no limits of a control chart; write them with limits.save().")
                .format(path=path)
            ) from error  # fmt: skip
        _check_kind(found, *KINDS)
        return found


class Chart(NamedTuple):
    """A control chart.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per point: point, n, value, centre, lower, upper, z (standard errors from the
        centre), phase (1 where the limits come from, else 2), rules (names of the rules that the
        point breaks, a tuple).
    limits : Limits
    """

    frame: pd.DataFrame
    limits: Limits

    @property
    def signals(self) -> pd.DataFrame:
        """The points that break a rule."""
        return self.frame[self.frame["rules"].map(len) > 0]


# --- charts of measured values


def individuals(
    values: ArrayLike,
    *,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: Limits | None = None,
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> Chart:
    """Chart of single values, with limits from the mean moving range of two.

    Parameters
    ----------
    values : array_like of float, shape (points,)
    points : sequence, optional
        Names of the points, such as months; by default 1, 2, …
    phase : int or sequence of bool, optional
        The points that the limits come from: so many at the beginning, or those marked. By
        default all.
    limits : Limits, optional
        Held limits, instead of a phase I.
    rules : sequence of str
        Run rules to judge by (see the top of the module).

    Returns
    -------
    Chart

    Raises
    ------
    NotEnoughData
        If phase I has fewer than two points.

    Notes
    -----
    Centre ± 3 · mean moving range/1.128, the range between neighbours that are both in phase I.

    References
    ----------
    Montgomery, D. C. (2013), Introduction to Statistical Quality Control, 7th ed., section 6.4.

    Examples
    --------
    >>> chart = individuals([49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1])
    >>> chart.frame.loc[0, ["lower", "centre", "upper"]].astype(float).round(2).tolist()
    [45.82, 50.81, 55.8]
    """
    value = _array(values)
    inside = _phase(phase, len(value))
    held = limits or Limits(
        "individuals", float(value[inside].mean()), moving_range_sigma(value, inside),
        int(inside.sum()),
    )  # fmt: skip
    _check_kind(held, "individuals")
    error = np.full(len(value), held.sigma)
    return _chart(value, np.ones(len(value)), error, held, points, inside, limits, rules)


def xbar_s(
    means: ArrayLike,
    deviations: ArrayLike,
    sizes: ArrayLike,
    *,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: tuple[Limits, Limits] | None = None,
    spread: str = "pooled",
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> tuple[Chart, Chart]:
    """Charts of the means and of the standard deviations of batches that may differ in size.

    Parameters
    ----------
    means, deviations, sizes : array_like of float, shape (points,)
        Of each batch. A size may be an effective one; a batch of one has no deviation (NaN).
    points, phase, rules
        As in `individuals`.
    limits : tuple of Limits, optional
        Held limits of both charts.
    spread : {"pooled", "mean"}
        σ from the pooled standard deviation, √(Σ(n − 1)s²/Σ(n − 1)) over c4 of its degrees of
        freedom plus one; or, as in the textbook's charts of equal batches, the mean of s/c4(n).

    Returns
    -------
    tuple of Chart
        Of the means: centre (the mean of all observations) ± 3σ/√n. Of the deviations: c4(n)σ
        ± 3σ√(1 − c4(n)²), not below 0; judged only by points beyond the limits.

    References
    ----------
    Montgomery (2013), section 6.3. Burr, I. W. (1969), Journal of Quality Technology 1, 163-167.

    Examples
    --------
    >>> means, deviations = xbar_s([10, 11, 9, 14], [2, 2, 2, 2], [4, 4, 4, 4], phase=3)
    >>> means.frame["rules"].tolist()[-1]
    ('western_1',)
    """
    value, deviation, size = _array(means), np.asarray(deviations, float), _sizes(sizes)
    inside = _phase(phase, len(value))
    if limits is None:
        sigma = _sigma(deviation[inside], size[inside], spread)
        centre = float(np.average(value[inside], weights=size[inside]))
        count = int(inside.sum())
        held = Limits("xbar", centre, sigma, count), Limits("s", sigma, sigma, count)
    else:
        held = limits
    _check_kind(held[0], "xbar")
    _check_kind(held[1], "s")
    error = held[0].sigma / np.sqrt(size)
    first = limits[0] if limits else None
    means_chart = _chart(value, size, error, held[0], points, inside, first, rules)
    return means_chart, _deviations(deviation, size, held[1], points, inside, first)


def _deviations(
    deviation: Array,
    size: Array,
    held: Limits,
    points: Sequence[object] | None,
    inside: Flags,
    given: Limits | None,
) -> Chart:
    factor = c4(np.maximum(size, 1 + 1e-9))
    centre, reach = factor * held.sigma, 3 * held.sigma * np.sqrt(1 - factor**2)
    lower, upper = np.maximum(0, centre - reach), centre + reach
    rules = [("western_1",) if one else () for one in (deviation > upper) | (deviation < lower)]
    frame = _frame(points, size, deviation, centre, lower, upper, np.nan, rules, inside, given)
    return Chart(frame, held)


def xbar_r(
    means: ArrayLike,
    ranges: ArrayLike,
    sizes: ArrayLike,
    *,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: tuple[Limits, Limits] | None = None,
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> tuple[Chart, Chart]:
    """Charts of the means and of the ranges of batches of a few values each.

    Parameters
    ----------
    means, ranges, sizes : array_like of float, shape (points,)
        Of each batch; a range is the largest value less the smallest, and a batch has from 2 to
        25 values.
    points, phase, rules
        As in `individuals`.
    limits : tuple of Limits, optional
        Held limits of both charts.

    Returns
    -------
    tuple of Chart
        Of the means: centre (the mean of all observations) ± 3σ/√n with σ the mean of R/d2(n),
        which for equal batches is A2 times the mean range. Of the ranges: d2(n)σ ± 3 d3(n)σ, not
        below 0; judged only by points beyond the limits.

    Raises
    ------
    CrmlabError
        If a size is not a whole number from 2 to 25.

    Notes
    -----
    A range uses the two extreme values alone. Up to ten values it tells nearly as much as the
    standard deviation and can be worked out at the machine; beyond that use `xbar_s`.

    References
    ----------
    Montgomery (2013), section 6.2 and appendix VI. Tippett, L. H. C. (1925), Biometrika 17,
    364-387, on the range of normal values.

    Examples
    --------
    >>> means, ranges = xbar_r([10, 11, 9, 14], [4, 4, 4, 4], [4, 4, 4, 4], phase=3)
    >>> means.frame["rules"].tolist()[-1]
    ('western_1',)
    """
    value, spread, size = _array(means), _array(ranges), _sizes(sizes)
    inside = _phase(phase, len(value))
    mean_range, range_deviation = range_constants(size)
    if limits is None:
        sigma = float(np.mean(spread[inside] / mean_range[inside]))
        centre = float(np.average(value[inside], weights=size[inside]))
        count = int(inside.sum())
        held = Limits("xbar", centre, sigma, count), Limits("r", sigma, sigma, count)
    else:
        held = limits
    _check_kind(held[0], "xbar")
    _check_kind(held[1], "r")
    first = limits[0] if limits else None
    error = held[0].sigma / np.sqrt(size)
    means_chart = _chart(value, size, error, held[0], points, inside, first, rules)
    middle, reach = mean_range * held[1].sigma, 3 * range_deviation * held[1].sigma
    lower, upper = np.maximum(0, middle - reach), middle + reach
    broken = [("western_1",) if one else () for one in (spread > upper) | (spread < lower)]
    frame = _frame(points, size, spread, middle, lower, upper, np.nan, broken, inside, first)
    return means_chart, Chart(frame, held[1])


def ewma(
    values: ArrayLike,
    sizes: ArrayLike | None = None,
    *,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: Limits | None = None,
    centre: float | None = None,
    sigma: float | None = None,
    smoothing: float = 0.2,
    width: float = 3.0,
) -> Chart:
    """Chart of the exponentially weighted moving average, which sees small lasting changes.

    Parameters
    ----------
    values : array_like of float, shape (points,)
        Single values or means of batches.
    sizes : array_like of float, shape (points,), optional
        Size of each batch; 1 by default.
    points, phase, limits
        As in `individuals`.
    centre, sigma : float, optional
        Where they are known; `sigma` of one observation. By default the mean of phase I weighted
        by size, and the moving range, which needs batches of one size.
    smoothing : float
        λ, from above 0 to 1: the weight of the newest value.
    width : float
        L, in standard errors.

    Returns
    -------
    Chart
        `value` is the average E, which starts at the centre. The only rule is a point beyond the
        limits: neighbouring averages are alike by construction.

    Notes
    -----
    E = λx + (1 − λ)E of the point before, with variance λ²σ²/n + (1 − λ)² of the variance before.
    For batches of one size that is the textbook's σ²/n · λ/(2 − λ) · (1 − (1 − λ)^2t).

    References
    ----------
    Roberts, S. W. (1959), Technometrics 1, 239-250. Montgomery (2013), section 9.2.

    Examples
    --------
    >>> chart = ewma([10, 12, 12, 12], centre=10, sigma=1, smoothing=0.5)
    >>> chart.frame["value"].tolist()
    [10.0, 11.0, 11.5, 11.75]
    """
    value = _array(values)
    size = np.ones(len(value)) if sizes is None else _sizes(sizes)
    inside = _phase(phase, len(value))
    held = limits or _ewma_limits(value, size, inside, centre, sigma, smoothing, width)
    _check_kind(held, "ewma")
    average, variance = np.empty(len(value)), np.empty(len(value))
    level, spread = held.centre, 0.0
    for place, now in enumerate(value):
        level = held.smoothing * now + (1 - held.smoothing) * level
        spread = (
            held.smoothing**2 * held.sigma**2 / size[place] + (1 - held.smoothing) ** 2 * spread
        )
        average[place], variance[place] = level, spread
    return _chart(average, size, np.sqrt(variance), held, points, inside, limits, ["western_1"])


def _ewma_limits(
    value: Array,
    size: Array,
    inside: Flags,
    centre: float | None,
    sigma: float | None,
    smoothing: float,
    width: float,
) -> Limits:
    if not 0 < smoothing <= 1:
        raise CrmlabError(
            _("smoothing = {value} is not above 0 and at most 1.").format(value=smoothing)
        )
    middle = float(np.average(value[inside], weights=size[inside])) if centre is None else centre
    if sigma is None:
        if len(np.unique(size)) > 1:
            raise CrmlabError(
                _("Batches of different sizes need the standard deviation of one value: sigma = …")
            )
        sigma = moving_range_sigma(value, inside) * float(np.sqrt(size[0]))
    return Limits("ewma", middle, sigma, int(inside.sum()), smoothing, width)


# --- charts of counts


def p_chart(
    counts: ArrayLike,
    sizes: ArrayLike,
    *,
    laney: bool = False,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: Limits | None = None,
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> Chart:
    """Chart of a share of so many.

    Parameters
    ----------
    counts, sizes : array_like of float, shape (points,)
        How many had it, of how many.
    laney : bool
        Laney's p′ chart: limits widened by how much the points of phase I vary beyond the binomial
        law. With sizes in the thousands the binomial limits are too narrow for anything real.
    points, phase, limits, rules
        As in `individuals`.

    Returns
    -------
    Chart
        Centre ± 3 σz √(p(1 − p)/n), between 0 and 1; σz is 1, or with `laney` the mean moving
        range of the z of phase I over 1.128.

    References
    ----------
    Montgomery (2013), section 7.2. Laney, D. B. (2002), Quality Engineering 14, 531-537.

    Examples
    --------
    >>> chart = p_chart([12, 15, 8, 10], [50, 50, 50, 50])
    >>> float(chart.frame.loc[0, "upper"].round(4))
    0.4022
    """
    return _of_counts("p", counts, sizes, laney, points, phase, limits, rules)


def u_chart(
    counts: ArrayLike,
    exposure: ArrayLike,
    *,
    laney: bool = False,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: Limits | None = None,
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> Chart:
    """Chart of a rate: events for each unit of exposure, such as complaints per order.

    Parameters
    ----------
    counts, exposure : array_like of float, shape (points,)
    laney : bool
        Laney's u′ chart, as in `p_chart`.
    points, phase, limits, rules
        As in `individuals`.

    Returns
    -------
    Chart
        Centre ± 3 σz √(u/n), not below 0.

    References
    ----------
    Montgomery (2013), section 7.3. Laney (2002).

    Examples
    --------
    >>> chart = u_chart([4, 6, 2], [1, 1, 1])
    >>> float(chart.frame.loc[0, "upper"])
    10.0
    """
    return _of_counts("u", counts, exposure, laney, points, phase, limits, rules)


def c_chart(
    counts: ArrayLike,
    *,
    points: Sequence[object] | None = None,
    phase: Phase = None,
    limits: Limits | None = None,
    rules: Sequence[str] = WESTERN_ELECTRIC,
) -> Chart:
    """Chart of events over equal stretches: centre c ± 3√c, not below 0.

    Parameters
    ----------
    counts : array_like of float, shape (points,)
    points, phase, limits, rules
        As in `individuals`.

    Returns
    -------
    Chart

    References
    ----------
    Montgomery (2013), section 7.3.
    """
    ones = np.ones(len(np.asarray(counts)))
    return _of_counts("c", counts, ones, False, points, phase, limits, rules)


def _of_counts(
    kind: str,
    counts: ArrayLike,
    sizes: ArrayLike,
    laney: bool,
    points: Sequence[object] | None,
    phase: Phase,
    limits: Limits | None,
    rules: Sequence[str],
) -> Chart:
    count, size = _array(counts), _sizes(sizes)
    inside = _phase(phase, len(count))
    value = count / size
    if limits is None:
        centre = float(count[inside].sum() / size[inside].sum())
        standard = (value - centre) / _law_error(kind, centre, size)
        sigma = moving_range_sigma(standard, inside) if laney else 1.0
        held = Limits(kind, centre, sigma, int(inside.sum()))
    else:
        held = limits
    _check_kind(held, kind)
    error = held.sigma * _law_error(kind, held.centre, size)
    return _chart(value, size, error, held, points, inside, limits, rules)


def _law_error(kind: str, centre: float, size: Array) -> Array:
    """Standard error of a point by the binomial or the Poisson law."""
    variance = centre * (1 - centre) if kind == "p" else centre
    if not variance > 0:
        raise NotEnoughData(_("Phase I has no event, or nothing else: such a chart has no limits."))
    return np.asarray(np.sqrt(variance / size))


# --- constants and standard deviations


def c4(size: ArrayLike) -> Array:
    """Mean standard deviation of n normal values, in true ones.

    Parameters
    ----------
    size : array_like of float
        Above 1; need not be whole.

    Notes
    -----
    √(2/(n − 1)) Γ(n/2)/Γ((n − 1)/2).

    Examples
    --------
    >>> c4([2, 5, 10]).round(4).tolist()
    [0.7979, 0.94, 0.9727]
    """
    from scipy.special import gammaln

    n = np.asarray(size, float)
    return np.asarray(np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2)))


def range_constants(size: ArrayLike) -> tuple[Array, Array]:
    """Mean (d2) and standard deviation (d3) of the range of n normal values of deviation 1.

    Parameters
    ----------
    size : array_like of float
        Whole numbers from 2 to 25.

    Returns
    -------
    tuple of numpy.ndarray

    Raises
    ------
    CrmlabError
        If a size is none of those.

    Notes
    -----
    P(R > r) = 1 − n∫φ(x)(Φ(x + r) − Φ(x))ⁿ⁻¹dx; the mean range is ∫P(R > r)dr, its mean square
    2∫rP(R > r)dr. By the trapezoidal rule, to eight decimals.

    Examples
    --------
    >>> d2, d3 = range_constants([2, 5, 10])
    >>> d2.round(3).tolist(), d3.round(3).tolist()
    ([1.128, 2.326, 3.078], [0.853, 0.864, 0.797])
    """
    n = np.asarray(size, float)
    wrong = (n != np.round(n)) | (n < 2) | (n > 25)
    if wrong.any():
        raise CrmlabError(
            _(
                "The range of a batch needs a whole number of values from 2 to 25, not {value}; "
                "for others use the standard deviation."
            ).format(value=n[wrong].flat[0])
        )
    each, place = np.unique(n, return_inverse=True)
    found = np.array([_range_moments(int(one)) for one in each])
    return found[place, 0], found[place, 1]


@cache
def _range_moments(count: int) -> tuple[float, float]:
    from scipy.special import ndtr

    step = 0.05
    x, r = np.arange(-9, 9 + step, step), np.arange(0, 14 + step, step)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    between = (ndtr(x + r[:, None]) - ndtr(x)) ** (count - 1)
    beyond = 1 - count * step * (between @ density)
    # The first value of r counts half; Euler and Maclaurin's term for the slope at 0 completes it.
    slope = -count * step * float(density @ density) if count == 2 else 0.0
    mean = step * float(beyond.sum() - beyond[0] / 2) + step**2 / 12 * slope
    square = 2 * (step * float((r * beyond).sum()) + step**2 / 12)
    return mean, float(np.sqrt(square - mean**2))


def moving_range_sigma(values: ArrayLike, phase: Phase = None) -> float:
    """Standard deviation of single values from the mean range of two neighbours, over 1.128.

    Parameters
    ----------
    values : array_like of float, shape (points,)
    phase : int or sequence of bool, optional
        As in `individuals`; a range counts if both of its points do.

    Examples
    --------
    >>> round(moving_range_sigma([1, 2, 4]), 4)
    1.3298
    """
    value = _array(values)
    inside = _phase(phase, len(value))
    ranges = np.abs(np.diff(value))[inside[1:] & inside[:-1]]
    if not len(ranges):
        raise NotEnoughData(_("The points of phase I have no two neighbours, so no moving range."))
    return float(ranges.mean() / D2)


def _sigma(deviation: Array, size: Array, spread: str) -> float:
    known = np.isfinite(deviation) & (size > 1)
    if not known.any():
        raise NotEnoughData(_("No batch of phase I has two values, so nothing says how they vary."))
    s, freedom = deviation[known], size[known] - 1
    if spread == "mean":
        return float(np.mean(s / c4(size[known])))
    if spread != "pooled":
        raise UnknownName(
            _("spread is {names}, not {value}.").format(names="pooled, mean", value=spread)
        )
    pooled = np.sqrt(np.sum(freedom * s**2) / freedom.sum())
    return float(pooled / c4(freedom.sum() + 1))


# --- run rules


def broken_rules(
    z: ArrayLike, values: ArrayLike | None = None, *, rules: Sequence[str] = WESTERN_ELECTRIC
) -> list[tuple[str, ...]]:
    """The run rules that each point breaks.

    Parameters
    ----------
    z : array_like of float, shape (points,)
        Standard errors from the centre.
    values : array_like of float, shape (points,), optional
        The values themselves, for rising, falling and alternating; by default `z`.
    rules : sequence of str
        Of those at the top of the module.

    Returns
    -------
    list of tuple of str

    Raises
    ------
    UnknownName
        If there is no such rule.

    References
    ----------
    Western Electric Company (1956), Statistical Quality Control Handbook. Nelson, L. S. (1984),
    Journal of Quality Technology 16, 237-239.

    Examples
    --------
    >>> broken_rules([0, 2.5, 0.1, 2.2, -3.4])
    [(), (), (), ('western_2',), ('western_1',)]
    """
    standard = _array(z)
    value = standard if values is None else _array(values)
    unknown = [rule for rule in rules if rule not in _RULES]
    if unknown:
        raise UnknownName(
            _("There is no run rule {rule}; there are: {names}.").format(
                rule=unknown[0], names=", ".join(_RULES)
            )
        )
    flags = {rule: _RULES[rule](standard, value) for rule in rules}
    return [tuple(rule for rule in rules if flags[rule][place]) for place in range(len(standard))]


def _window(flags: Flags, of: int, needed: int) -> Flags:
    """Whether of the last so many points enough are flagged, this one among them."""
    so_far = np.concatenate([[0], np.cumsum(flags)])
    start = np.maximum(np.arange(1, len(flags) + 1) - of, 0)
    return np.asarray(flags & (so_far[1:] - so_far[start] >= needed))


def _either(z: Array, beyond: float, of: int, needed: int) -> Flags:
    """So many of so many beyond a distance, all on one side."""
    return np.asarray(_window(z > beyond, of, needed) | _window(z < -beyond, of, needed))


def _trend(z: Array, values: Array) -> Flags:
    steps = np.diff(values, prepend=values[:1])
    return np.asarray(_window(steps > 0, 5, 5) | _window(steps < 0, 5, 5))


def _alternating(z: Array, values: Array) -> Flags:
    steps = np.sign(np.diff(values, prepend=values[:1]))
    turned = np.concatenate([[False], steps[1:] * steps[:-1] < 0])
    return _window(turned, 12, 12)


_RULES: dict[str, Callable[[Array, Array], Flags]] = {
    "western_1": lambda z, values: _either(z, 3, 1, 1),
    "western_2": lambda z, values: _either(z, 2, 3, 2),
    "western_3": lambda z, values: _either(z, 1, 5, 4),
    "western_4": lambda z, values: _either(z, 0, 8, 8),
    "nelson_1": lambda z, values: _either(z, 3, 1, 1),
    "nelson_2": lambda z, values: _either(z, 0, 9, 9),
    "nelson_3": _trend,
    "nelson_4": _alternating,
    "nelson_5": lambda z, values: _either(z, 2, 3, 2),
    "nelson_6": lambda z, values: _either(z, 1, 5, 4),
    "nelson_7": lambda z, values: _window(np.abs(z) < 1, 15, 15),
    "nelson_8": lambda z, values: _window(np.abs(z) > 1, 8, 8),
}


# --- putting a chart together


def _chart(
    value: Array,
    size: Array,
    error: Array,
    held: Limits,
    points: Sequence[object] | None,
    inside: Flags,
    given: Limits | None,
    rules: Sequence[str],
) -> Chart:
    lower, upper = held.centre - held.width * error, held.centre + held.width * error
    if held.kind in ("p", "u", "c"):
        lower = np.maximum(lower, 0)
    if held.kind == "p":
        upper = np.minimum(upper, 1)
    # Where nothing varies, a point is on the centre, but for rounding, or beyond every limit.
    value = np.where(np.isclose(value, held.centre, rtol=1e-12, atol=0), held.centre, value)
    z = (value - held.centre) / np.maximum(error, 1e-300)
    # Beyond the limits is beyond the width of the chart, whatever that is.
    broken = broken_rules(z * 3 / held.width, value, rules=rules)
    frame = _frame(points, size, value, held.centre, lower, upper, z, broken, inside, given)
    return Chart(frame, held)


def _frame(
    points: Sequence[object] | None,
    size: Array,
    value: Array,
    centre: ArrayLike,
    lower: Array,
    upper: Array,
    z: ArrayLike,
    rules: Sequence[tuple[str, ...]],
    inside: Flags,
    given: Limits | None,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "point": _names(points, len(value)),
            "n": size,
            "value": value,
            "centre": centre,
            "lower": lower,
            "upper": upper,
            "z": z,
            "phase": 2 if given else np.where(inside, 1, 2),
            "rules": rules,
        }
    )


def _names(points: Sequence[object] | None, count: int) -> list[object]:
    if points is None:
        return list(range(1, count + 1))
    if len(points) != count:
        raise CrmlabError(
            _("There are {values} values and {names} names of points.").format(
                values=count, names=len(points)
            )
        )
    return list(points)


def _array(values: ArrayLike) -> Array:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise CrmlabError(
            _("A control chart needs a number for every point; leave out the points without one.")
        )
    return found


def _sizes(sizes: ArrayLike) -> Array:
    size = _array(sizes)
    if not (size > 0).all():
        raise CrmlabError(
            _("The size of a point must be above 0; {count} are not.").format(
                count=int((size <= 0).sum())
            )
        )
    return size


def _phase(phase: Phase, count: int) -> Flags:
    """Which points are in phase I."""
    if phase is None:
        return np.ones(count, bool)
    if isinstance(phase, int | np.integer):
        inside = np.arange(count) < int(phase)
    else:
        inside = np.asarray(phase, bool)
    if len(inside) != count:
        raise CrmlabError(
            _("There are {values} values and {marks} marks of phase I.").format(
                values=count, marks=len(inside)
            )
        )
    if inside.sum() < 2:
        raise NotEnoughData(
            _("Limits need at least 2 points in phase I; there are {count}.").format(
                count=int(inside.sum())
            )
        )
    return inside


def _check_kind(limits: Limits, *kinds: str) -> None:
    if limits.kind not in kinds:
        raise CrmlabError(
            _("These are limits of a chart of the kind {kind}, not {kinds}.").format(
                kind=limits.kind, kinds=", ".join(kinds)
            )
        )
