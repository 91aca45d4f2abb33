"""Before and after joining, against those who had not joined by then."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.clustered import NOTHING, Estimate, wald_chance
from crmlab.stats.weighted import t_interval

Array = NDArray[np.float64]


class Joining(NamedTuple):
    """Log ratios of what joiners count to what they would have counted moving like the others.

    Attributes
    ----------
    values : numpy.ndarray, shape (periods,)
        For each period about the joining; NaN where nothing was counted.
    after : float
        For all periods after the joining one together.
    level : float
        Of joiners to the others in the periods before.
    moved : numpy.ndarray, shape (units, periods + 2)
        How far each unit moves each of these; the last two columns those of `after` and `level`.
    joiners, others : int
        Units that count on either side.
    """

    values: Array
    after: float
    level: float
    moved: Array
    joiners: int
    others: int

    def estimate(self, place: int, *, confidence: float = 0.95) -> Estimate:
        """A value with its t interval: of a period by its place, −2 after, −1 the level."""
        value = [*self.values, self.after, self.level][place]
        few = min(self.joiners, self.others)
        if not np.isfinite(value) or few < 2:
            return NOTHING
        error = float(np.sqrt(np.sum(self.moved[:, place] ** 2) * few / (few - 1)))
        return t_interval(float(value), error, few - 1, confidence=confidence)

    def chance_before(self, before: int) -> float:
        """Probability, by an F test, that joiners move as far apart from the others before."""
        places = list(range(1, before))  # their mean is zero, so one says nothing of its own
        values = self.values[places]
        few = min(self.joiners, self.others)
        if few < 2 or not np.isfinite(values).all():
            return np.nan
        moved = self.moved[:, places]
        return wald_chance(values, moved.T @ moved * few / (few - 1), few - 1)


def joining(
    counts: ArrayLike, joined: ArrayLike, first: ArrayLike, *, before: int, after: int
) -> Joining:
    """What came with joining: counts of joiners against those of units that had not joined.

    Parameters
    ----------
    counts : array_like of float, shape (units, months)
    joined : array_like of float, shape (units,)
        Place of the month of joining; NaN for never. Those who joined before the first month must
        be left out.
    first : array_like of int, shape (units,)
        Place of the first month in which the unit could count.
    before, after : int
        Periods before and after the month of joining.

    Returns
    -------
    Joining

    Raises
    ------
    NotEnoughData
        If no joiner with counts before can be compared with others.

    Notes
    -----
    For each month c of joining the others are those who have not joined by c + after. Both sides
    must be there for all periods, whether or not they counted anything before: those who are chosen
    because they did count less afterwards for that reason alone, rare ones the more, so that
    joiners who are busier would seem to rise. With T and C the counts of joiners and others, the
    log ratio in period k is
    log Σ_c T_ck − log Σ_c T_c,before · C_ck / C_c,before: what joiners counted over what they
    would have, had they moved like the others from their own level before. So later joiners, never
    earlier ones, are what joiners are compared with. The variance is that of the linearised
    statistic, summed over units.

    Who joins is still there at the time, while of the others some have left since the periods
    before. If a share q leaves in a period, that alone makes the log ratio larger by about
    q (before + 1)/2, as in simulations of units that leave and on which joining has no effect.

    References
    ----------
    Callaway, B. and Sant'Anna, P. H. C. (2021), Journal of Econometrics 225, 200-230, on those not
    yet treated as the comparison of each month's joiners. Wooldridge, J. M. (2023), Econometrics
    Journal 26, C31-C66, on means that would have moved by the same factor.
    Goodman-Bacon, A. (2021), Journal of Econometrics 225, 254-277, on why not the earlier ones.

    Examples
    --------
    >>> found = joining([[2, 2, 6], [4, 4, 4], [1, 1, 3]], [1, np.nan, np.nan], [0, 0, 0],
    ...     before=1, after=1)
    >>> round(float(np.exp(found.after)), 3)
    2.143
    """
    count, month = np.asarray(counts, float), np.asarray(joined, float)
    since = np.asarray(first)
    units, months = count.shape
    periods = before + 1 + after
    sums = _Sums(periods, units)
    for start in range(before, months - after):
        span = count[:, start - before : start + after + 1]
        there = since <= start - before
        own, other = there & (month == start), there & ~(month <= start + after)
        if own.any() and span[other, :before].any():
            sums.add(span, own, other, before)
    if not sums.level[0] > 0:
        raise NotEnoughData(
            _(
                "Nobody joined in the data who had bought in the {before} months before, with "
                "{after} months to follow, beside others who had not joined."
            ).format(before=before, after=after)
        )
    return sums.found(before)


class _Sums:
    """Counts of joiners and what they would have been, and how each unit moves them."""

    def __init__(self, periods: int, units: int) -> None:
        self.seen, self.expected = np.zeros(periods), np.zeros(periods)
        self.by_seen, self.by_expected = np.zeros((units, periods)), np.zeros((units, periods))
        self.level = np.zeros(2)
        self.by_level = np.zeros((units, 2))
        self.joiners, self.others = np.zeros(units, bool), np.zeros(units, bool)

    def add(
        self, span: Array, own: NDArray[np.bool_], other: NDArray[np.bool_], before: int
    ) -> None:
        """Add the joiners of one month and those they are compared with."""
        ours, theirs = span * own[:, None], span * other[:, None]
        early = [part[:, :before].sum(axis=1) for part in (ours, theirs)]
        total, base = theirs.sum(axis=0), early[1].sum()
        path, held = total / base, early[0].sum()
        self.seen += ours.sum(axis=0)
        self.by_seen += ours
        self.expected += held * path
        self.by_expected += np.outer(early[0], path)
        self.by_expected += held / base * (theirs - np.outer(early[1], path))
        # Level: what joiners count before over what as many others do.
        usual = base / other.sum()
        self.level += [held, own.sum() * usual]
        self.by_level[:, 0] += early[0]
        self.by_level[:, 1] += own * usual + own.sum() / other.sum() * (early[1] - other * usual)
        self.joiners |= own
        self.others |= other

    def found(self, before: int) -> Joining:
        """The log ratios and what moves them."""
        after = slice(before + 1, None)
        seen = np.append(self.seen, [self.seen[after].sum(), self.level[0]])
        expected = np.append(self.expected, [self.expected[after].sum(), self.level[1]])
        parts = [
            np.column_stack([by, by[:, after].sum(axis=1), self.by_level[:, side]])
            for side, by in enumerate((self.by_seen, self.by_expected))
        ]
        known = (seen > 0) & (expected > 0)
        values = np.full(len(seen), np.nan)
        values[known] = np.log(seen[known] / expected[known])
        moved = np.zeros(parts[0].shape)
        moved[:, known] = parts[0][:, known] / seen[known] - parts[1][:, known] / expected[known]
        return Joining(
            values[:-2],
            float(values[-2]),
            float(values[-1]),
            moved,
            int(self.joiners.sum()),
            int(self.others.sum()),
        )
