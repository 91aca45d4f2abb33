"""The scan statistic: the place and the stretch of time in which events are out of proportion.

Every place and every stretch is tried, and the most unlikely is kept. What chance alone would bring
about among so many tries is found by drawing the events anew, so that the searching is paid for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Draws that are worked on at a time, so that they stay in the processor's memory.
CHUNK = 32
DENSE_CHUNK = 256
#: Periods are looked at, not single events, where that is less work; a period takes so many times
#: the work of an event.
DENSE = 30
#: Rounds in which usual levels of places and of times are fitted one after the other.
ROUNDS = 3


class Stretches(NamedTuple):
    """The most unlikely stretch of each place.

    Attributes
    ----------
    first, last : numpy.ndarray of int, shape (places,)
        First and last period, from 0, both included; -1 where no stretch has more (or fewer)
        events than expected.
    events, expected : numpy.ndarray of float, shape (places,)
        In the stretch.
    likelihood : numpy.ndarray of float, shape (places,)
        Log likelihood ratio; 0 where there is no such stretch.
    """

    first: Whole
    last: Whole
    events: Array
    expected: Array
    likelihood: Array


def expected_events(
    events: ArrayLike, exposure: ArrayLike, times: ArrayLike | None = None
) -> Array:
    """Events that exposure, the usual level of each place and that of each time lead one to expect.

    Parameters
    ----------
    events, exposure : array_like of float, shape (places, periods)
    times : array_like of int, shape (periods,), optional
        The time that a period belongs to, from 0, such as its month; places share its level. By
        default, and if there is a single place, all times have one level.

    Returns
    -------
    numpy.ndarray, shape (places, periods)
        With the same total as the events.

    Raises
    ------
    NotEnoughData
        If there is no event, or no exposure.

    Notes
    -----
    exposure × place × time × constant. Levels are events over expected ones, pulled towards 1 as
    far as chance explains how they differ: (x + a)/(e + a), 1/a the variance of the true levels by
    moments. Places and times are fitted by turns. What happens at one of few places raises the
    level of its time and so is in part expected; levels of the other places alone would be so
    uncertain that chance is taken for a change.

    References
    ----------
    Marshall, R. J. (1991), Applied Statistics 40, 283-294, on levels pulled together.

    Examples
    --------
    >>> expected_events([[1, 3], [3, 1]], [[1, 1], [1, 1]]).tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    """
    counts, sizes = np.asarray(events, float), np.asarray(exposure, float)
    total = counts.sum()
    if not (total > 0 and sizes.sum() > 0):
        raise NotEnoughData(_("There is no event, or nothing that it could have come from."))
    code = np.zeros(counts.shape[1], int) if times is None else np.asarray(times, int)
    place, time = np.ones(len(counts)), np.ones(code.max() + 1)
    for _round in range(ROUNDS if len(counts) > 1 else 0):
        base = _scaled(sizes * time[code], total)
        place = _pulled(counts.sum(axis=1), base.sum(axis=1))
        base = _scaled(sizes * place[:, None], total)
        seen, due = (
            np.bincount(code, part.sum(axis=0), len(time)).astype(float) for part in (counts, base)
        )
        time = _pulled(seen, due)
    return _scaled(sizes * place[:, None] * time[code], total)


def _scaled(values: Array, total: float) -> Array:
    return np.asarray(values * (total / values.sum()))


def _pulled(events: Array, expected: Array) -> Array:
    """Levels, pulled towards 1 as far as chance explains how they differ."""
    some = expected > 1e-9
    level = np.ones(len(events))
    if not events[some].sum() > 0:
        return level
    x = events[some]
    e = _scaled(expected[some], x.sum())
    room = e.sum() - np.sum(e**2) / e.sum()
    if some.sum() < 2 or not room > 0:
        return level
    variance = (np.sum((x - e) ** 2 / e) - (some.sum() - 1)) / room
    if variance > 0:
        level[some] = (x + 1 / variance) / (e + 1 / variance)
    return level


def scan(
    events: ArrayLike, expected: ArrayLike, *, fewer: bool = False, longest: int | None = None
) -> Stretches:
    """The stretch of time in which each place has the most unlikely many (or few) events.

    Parameters
    ----------
    events, expected : array_like of float, shape (places, periods)
        With the same total, and no event where none is expected.
    fewer : bool
        Look for fewer events than expected, not for more.
    longest : int, optional
        Periods of the longest stretch that is tried; by default half of all, as what is longer is
        the usual and the rest stands out.

    Returns
    -------
    Stretches

    Notes
    -----
    Of c events of C in all, where μ are expected, the log likelihood ratio of Poisson counts whose
    level inside differs from that outside is c log(c/μ) + (C − c) log((C − c)/(C − μ)). Of equal
    ones the shortest stretch is kept, of those the earliest.

    References
    ----------
    Kulldorff, M. (2001), Journal of the Royal Statistical Society A 164, 61-72, section 2.

    Examples
    --------
    >>> found = scan([[0, 1, 5, 4, 0, 2]], [[2.0] * 6])
    >>> found.first[0], found.last[0], found.events[0], found.likelihood[0].round(3)
    (np.int64(2), np.int64(3), np.float64(9.0), np.float64(4.356))
    """
    counts, means = _checked(events, expected)
    sides = [np.pad(part.cumsum(axis=1), ((0, 0), (1, 0))) for part in (counts, means)]
    places, total = len(counts), counts.sum()
    best = np.zeros(places)
    first = np.full(places, -1)
    last = np.full(places, -1)
    rows = np.arange(places)
    for length in range(1, _longest(longest, counts.shape[1]) + 1):
        inside, mean = (side[:, length:] - side[:, :-length] for side in sides)
        ratio = log_ratio(inside, mean, total, fewer=fewer)
        start = ratio.argmax(axis=1)
        # A longer stretch that is not less likely but for rounding does not replace a shorter one.
        better = ratio[rows, start] > best + 1e-9
        best = np.where(better, ratio[rows, start], best)
        first = np.where(better, start, first)
        last = np.where(better, start + length - 1, last)
    found = first >= 0
    held = [np.where(found, side[rows, last + 1] - side[rows, first], np.nan) for side in sides]
    return Stretches(first, last, held[0], held[1], best)


def log_ratio(
    events: ArrayLike, expected: ArrayLike, total: float, *, fewer: bool = False
) -> Array:
    """Log likelihood ratio of a stretch against no difference; 0 on the side not looked for.

    Parameters
    ----------
    events, expected : array_like of float
    total : float
        All events.
    fewer : bool

    Examples
    --------
    >>> log_ratio([9, 2], [4, 4], 12).round(3).tolist()
    [4.356, 0.0]
    """
    from scipy.special import xlogy

    inside, mean = np.asarray(events, float), np.asarray(expected, float)
    outside, other = total - inside, np.maximum(total - mean, 1e-12)
    safe = np.maximum(mean, 1e-12)
    ratio = xlogy(inside, inside / safe) + xlogy(outside, outside / other)
    sided = inside < mean if fewer else inside > mean
    return np.where(sided, np.maximum(ratio, 0), 0.0)


def nearly_as_likely(
    events: ArrayLike,
    expected: ArrayLike,
    total: float,
    *,
    fewer: bool = False,
    longest: int | None = None,
    within: float = 2.0,
) -> tuple[Whole, Whole]:
    """First and last periods of the stretches nearly as likely as a place's best one.

    Parameters
    ----------
    events, expected : array_like of float, shape (periods,)
        Of one place.
    total : float
        All events, of all places.
    fewer, longest
        As in `scan`.
    within : float
        Difference of the log likelihood ratio that is put up with; 1.92 is what an interval of a
        single number at 95 % would take.

    Returns
    -------
    tuple of numpy.ndarray
        Earliest and latest first period, and earliest and latest last period; -1 if there is none.

    Examples
    --------
    >>> first, last = nearly_as_likely([0, 1, 5, 4, 0, 2], [2.0] * 6, 12)
    >>> first.tolist(), last.tolist()
    ([1, 2], [3, 3])
    """
    counts, means = (
        np.concatenate([[0.0], np.cumsum(np.asarray(part, float))]) for part in (events, expected)
    )
    inside, mean = counts[None, :] - counts[:, None], means[None, :] - means[:, None]
    ratio = np.triu(log_ratio(inside, mean, total, fewer=fewer), 1)
    ratio = np.tril(ratio, _longest(longest, len(counts) - 1))
    if not ratio.max() > 1e-9:
        return np.array([-1, -1]), np.array([-1, -1])
    start, end = np.nonzero(ratio >= max(ratio.max() - within, 1e-9))
    return np.array([start.min(), start.max()]), np.array([end.min(), end.max()]) - 1


def _longest(longest: int | None, periods: int) -> int:
    return max(1, periods // 2) if longest is None else min(longest, periods)


def largest_by_chance(
    expected: ArrayLike, total: int, rng: np.random.Generator, *, draws: int, fewer: bool = False
) -> Array:
    """Largest log likelihood ratio of all places and stretches, with events drawn by chance.

    Parameters
    ----------
    expected : array_like of float, shape (places, periods)
    total : int
        Events of a draw, each thrown into a place and period with the chance of its expectation.
    rng : numpy.random.Generator
    draws : int
    fewer : bool
        As in `scan`.

    Returns
    -------
    numpy.ndarray, shape (draws,)

    Notes
    -----
    The most unlikely stretch of more events begins and ends with one, and of two with as many the
    one with fewer expected is more unlikely. So it is enough to find, for each number of events,
    the fewest expected between an event and the one so many later. A stretch of fewer events lies
    between two events, or an end. Stretches of any length count, which makes the largest ratio of
    a draw no smaller than that of stretches up to half of the time; with many events in each
    period, where all stretches are gone through, those up to half of the time.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> largest_by_chance([[2.0] * 6], 12, rng, draws=3).round(6).tolist()
    [0.706698, 0.268151, 0.845141]
    """
    means = _scaled(np.asarray(expected, float), total)
    places, periods = means.shape
    flat = means.ravel()
    most = _most(means)
    dense = total * min(most, total) > DENSE * means.size * _longest(None, periods)
    side = np.concatenate([[0.0], np.cumsum(flat)])
    # Between places lies a gap that no stretch can bridge.
    gap = np.repeat(np.arange(places), periods) * (10.0 * total) * (-1 if fewer else 1)
    before, after = side[:-1] + gap, side[1:] + gap
    ends = _ends(side, places, periods, 10.0 * total) if fewer else None
    best = np.zeros(draws)
    chunk = DENSE_CHUNK if dense else CHUNK
    for start in range(0, draws, chunk):
        part = slice(start, min(start + chunk, draws))
        rows = part.stop - part.start
        if dense:
            counts = rng.multinomial(total, flat / flat.sum(), size=rows)
            best[part] = _dense(counts.reshape(rows, places, periods), means, fewer=fewer)
            continue
        thrown = rng.random((rows, total))
        thrown.sort(axis=1)
        drawn = np.searchsorted(side[1:-1], thrown * side[-1], side="right")
        if ends is None:
            best[part] = _crowded(before[drawn], after[drawn], most)
        else:
            best[part] = _empty(drawn, before, after, ends, total)
    return np.round(best, 9)


def _most(means: Array) -> int:
    """More events than this no stretch of half the time will have in a draw."""
    half = float(means.sum(axis=1).max()) / 2
    return int(half + 7 * np.sqrt(half) + 15)


def _crowded(before: Array, after: Array, most: int) -> Array:
    """Of draws with sorted events: the largest ratio of more events than expected."""
    rows, total = before.shape
    counts = np.arange(1, min(most, total) + 1)
    mean = np.empty((rows, len(counts)))
    space = np.empty(before.shape)
    for further in range(len(counts)):
        part = space[:, : total - further]
        np.subtract(after[:, further:], before[:, : total - further], out=part)
        part.min(axis=1, out=mean[:, further])
    return log_ratio(counts, mean, total).max(axis=1)


def _dense(counts: Whole, means: Array, *, fewer: bool) -> Array:
    """The same of draws with many events in each period: stretches up to half of the time."""
    rows, (_places, periods) = len(counts), means.shape
    total = int(counts[0].sum())
    events = np.pad(counts.cumsum(axis=2), ((0, 0), (0, 0), (1, 0)))
    side = np.pad(means.cumsum(axis=1), ((0, 0), (1, 0)))
    best = np.zeros(rows)
    for length in range(1, _longest(None, periods) + 1):
        inside = events[:, :, length:] - events[:, :, :-length]
        mean = side[:, length:] - side[:, :-length]
        ratio = log_ratio(inside, mean, total, fewer=fewer)
        np.maximum(best, ratio.max(axis=(1, 2)), out=best)
    return best


class _Ends(NamedTuple):
    """Ends of the places, which stand beside the events when a gap between two is looked for."""

    key: Array
    value: Array


def _ends(side: Array, places: int, periods: int, gap: float) -> _Ends:
    number = np.arange(places)
    start, end = side[number * periods], side[(number + 1) * periods]
    key = np.concatenate([number * periods - 0.5, (number + 1) * periods - 0.75])
    value = np.concatenate([start, end]) - np.tile(number, 2) * gap
    return _Ends(key, value)


def _empty(drawn: Whole, before: Array, after: Array, ends: _Ends, total: int) -> Array:
    """Of draws with sorted events: the largest ratio of fewer events than expected."""
    rows = len(drawn)
    keys = np.concatenate([drawn, np.tile(ends.key, (rows, 1))], axis=1)
    order = np.argsort(keys, axis=1, kind="stable")
    pair = []
    for inner in (before, after):
        values = np.concatenate([inner[drawn], np.tile(ends.value, (rows, 1))], axis=1)
        pair.append(np.take_along_axis(values, order, axis=1))
    left, right = pair
    means = []
    for inside in range(total):
        means.append((left[:, inside + 1 :] - right[:, : -inside - 1]).max(axis=1))
        if not (means[-1] > inside).any():
            break
    mean = np.stack(means, axis=1)
    return log_ratio(np.arange(len(means)), mean, total, fewer=True).max(axis=1)


def _checked(events: ArrayLike, expected: ArrayLike) -> tuple[Array, Array]:
    counts, means = np.asarray(events, float), np.asarray(expected, float)
    stray = int(((counts > 0) & (means <= 0)).sum())
    if counts.shape != means.shape or stray or not np.isclose(counts.sum(), means.sum()):
        raise CrmlabError(
            _(
                "Events and expected events must be of the same places and periods, with the same "
                "total and no event where none is expected; {count} are."
            ).format(count=stray)
        )
    return counts, means
