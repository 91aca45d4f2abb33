"""Weights that make those who answered look like everyone: post-stratification and raking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent

Array = NDArray[np.float64]
Totals = Mapping[Any, float]

#: Margins whose totals differ by more than this part of the total contradict each other.
APART = 1e-6


@dataclass(frozen=True)
class Raked:
    """Weights that `rake` has found, and how well they fit.

    Attributes
    ----------
    weights : numpy.ndarray, shape (answers,)
    converged : bool
        Whether every margin is met within the tolerance.
    iterations : int
        Rounds over all the margins.
    largest_gap : float
        Largest difference between the share of a category by the weights and its share of the
        total.
    trimmed : int
        Weights that were held at the limit.
    """

    weights: Array
    converged: bool
    iterations: int
    largest_gap: float
    trimmed: int

    def sentence(self) -> str:
        """Whether the margins are met, and if not, why, in a sentence."""
        if self.converged:
            return _("Raking met every total after {rounds} rounds.").format(
                rounds=number(self.iterations)
            )
        missed = _(
            "Raking did not meet every total within {rounds} rounds: a category is off by up to "
            "{gap} of the whole."
        ).format(rounds=number(self.iterations), gap=percent(self.largest_gap, 2))
        if self.trimmed:
            why = _("The limit on the largest weight is too tight for these totals.")
        else:
            why = _(
                "Some combinations of categories have nobody who answered, and without them the "
                "totals contradict each other: merge rare categories or leave a margin out."
            )
        return f"{missed} {why}"


def post_stratify(
    frame: pd.DataFrame, margin: str, totals: Totals, base: ArrayLike | None = None
) -> Array:
    """Weights by which each category of one column counts as much as it should.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per answer, with the column `margin`.
    margin : str
    totals : mapping of category to float
        How many there are of each category in the population.
    base : array_like of float, shape (answers,), optional
        Weights to begin with, such as design weights; all alike where none are given.

    Returns
    -------
    numpy.ndarray, shape (answers,)
        They add up to the total of each category.

    Raises
    ------
    NotEnoughData
        If a category has a total but no answer.
    CrmlabError
        If an answer has no category, or one without a total.

    Notes
    -----
    In category h the weight is base · N_h / Σ base over the answers of h.

    References
    ----------
    Holt, D. and Smith, T. M. F. (1979), Journal of the Royal Statistical Society A 142, 33-46.

    Examples
    --------
    >>> frame = pd.DataFrame({"tier": ["key", "key", "general"]})
    >>> post_stratify(frame, "tier", {"key": 10, "general": 90}).tolist()
    [5.0, 5.0, 90.0]
    """
    weights = _base(base, len(frame))
    place, wanted = _categories(frame, margin, totals, weights)
    return _scaled(weights, place, wanted)


def rake(
    frame: pd.DataFrame,
    margins: Mapping[str, Totals],
    base: ArrayLike | None = None,
    *,
    tolerance: float = 1e-6,
    iterations: int = 200,
    trim: float | None = None,
) -> Raked:
    """Weights by which several columns at a time have the totals of the population.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per answer, with the columns of `margins`.
    margins : mapping of column to totals
        For each column, how many there are of each category in the population. A category whose
        total is missing does not count.
    base : array_like of float, shape (answers,), optional
        Weights to begin with, such as design weights; all alike where none are given.
    tolerance : float
        Largest difference from the share of a category that counts as met.
    iterations : int
        Most rounds over all the margins.
    trim : float, optional
        No weight is larger than so many times their mean; what lies above is given to the others
        in proportion to their weights.

    Returns
    -------
    Raked
        Weights that add up to the total of the population.

    Raises
    ------
    NotEnoughData
        If a category has a total but no answer.
    CrmlabError
        If an answer has no category or one without a total, if the margins add up to different
        totals, or if `trim` is not above 1.

    Notes
    -----
    Iterative proportional fitting: each margin in turn is post-stratified, which disturbs the
    others less and less, until all are met. The weights are base · a_i · b_j …, a factor for each
    category, so that how the columns go together among those who answered is kept. It converges
    where any weights can meet all the margins and are zero only where the base is.

    References
    ----------
    Deming, W. E. and Stephan, F. F. (1940), Annals of Mathematical Statistics 11, 427-444. Kalton,
    G. and Flores-Cervantes, I. (2003), Journal of Official Statistics 19, 81-97. Izrael, D.,
    Battaglia, M. P. and Frankel, M. R. (2009), SAS Global Forum, paper 247, on trimming.

    Examples
    --------
    >>> frame = pd.DataFrame({"tier": list("aabb"), "region": list("NSNS")})
    >>> raked = rake(frame, {"tier": {"a": 60, "b": 40}, "region": {"N": 50, "S": 50}})
    >>> raked.weights.tolist(), raked.converged
    ([30.0, 30.0, 20.0, 20.0], True)
    """
    if trim is not None and not trim > 1:
        raise CrmlabError(
            _("trim is above 1, such as 3: so many times the mean weight; it is {trim}.").format(
                trim=trim
            )
        )
    weights = _base(base, len(frame))
    places = [_categories(frame, name, totals, weights) for name, totals in margins.items()]
    _check_totals(places)
    gap, rounds, held = np.inf, 0, np.zeros(len(weights), bool)
    while gap > tolerance and rounds < iterations:
        for place, wanted in places:
            weights = _scaled(weights, place, wanted)
        if trim is not None:
            weights, held = _trimmed(weights, trim)
        gap = max((_gap(weights, place, wanted) for place, wanted in places), default=0.0)
        rounds += 1
    return Raked(weights, bool(gap <= tolerance), rounds, float(gap), int(held.sum()))


def design_effect(weights: ArrayLike) -> float:
    """By how much unequal weights raise the variance of a mean.

    Parameters
    ----------
    weights : array_like of float, shape (answers,)
        An answer of weight 0 does not count.

    Returns
    -------
    float
        At least 1; NaN without any answer.

    Notes
    -----
    n Σw² / (Σw)², which is 1 + the squared coefficient of variation of the weights. It holds where
    the weights have nothing to do with what is asked; it does not count clusters.

    References
    ----------
    Kish, L. (1965), Survey Sampling, section 11.7; Kish, L. (1992), Journal of Official Statistics
    8, 183-200.

    Examples
    --------
    >>> round(design_effect([1, 1, 1, 3]), 3)
    1.333
    """
    weight = np.asarray(weights, float)
    answers = int(np.sum(weight > 0))
    return answers / effective_size(weight) if answers else np.nan


def effective_size(weights: ArrayLike) -> float:
    """How many answers of equal weight tell as much as these.

    Parameters
    ----------
    weights : array_like of float, shape (answers,)

    Returns
    -------
    float
        (Σw)² / Σw², the number of answers over their `design_effect`; 0 without any answer.

    Examples
    --------
    >>> effective_size([1, 1, 1, 3])
    3.0
    """
    weight = np.asarray(weights, float)
    squares = np.sum(weight**2)
    return float(np.sum(weight) ** 2 / squares) if squares > 0 else 0.0


def _base(base: ArrayLike | None, size: int) -> Array:
    weights = np.ones(size) if base is None else np.array(base, dtype=float)
    if not np.all(weights >= 0) or not np.all(np.isfinite(weights)):
        bad = int(np.sum(~(weights >= 0) | ~np.isfinite(weights)))
        raise CrmlabError(
            _(
                "Weights to begin with are numbers from 0 on; {count} of {all} are not. Leave "
                "these answers out."
            ).format(count=number(bad), all=number(size))
        )
    return weights


def _categories(
    frame: pd.DataFrame, margin: str, totals: Totals, weights: Array
) -> tuple[NDArray[np.intp], Array]:
    """Number of each answer's category, and the total that each category should have."""
    known = pd.Series(dict(totals), dtype=float).dropna()
    known = known[known > 0]
    values = frame[margin]
    place = pd.Index(known.index).get_indexer(pd.Index(values))
    if (place < 0).any():
        _refuse_category(values[place < 0], margin)
    empty = np.bincount(place, weights, minlength=len(known)) == 0
    if empty.any():
        names = _(", ").join(str(name) for name in known.index[empty])
        raise NotEnoughData(
            _(
                "Nobody of {column} {names} answered, so no weight can stand for them. Merge the "
                "category with another, or leave {column} out of the margins."
            ).format(column=margin, names=names)
        )
    return place, known.to_numpy()


def _refuse_category(values: pd.Series, margin: str) -> None:
    names = sorted({str(value) for value in values if not pd.isna(value)})
    if names:
        raise CrmlabError(
            ngettext(
                "{count} answer is of {column} {names}, of which the population has nobody. "
                "Correct the totals or leave this answer out.",
                "{count} answers are of {column} {names}, of which the population has nobody. "
                "Correct the totals or leave these answers out.",
                len(values),
            ).format(count=number(len(values)), column=margin, names=_(", ").join(names[:5]))
        )
    raise CrmlabError(
        ngettext(
            "{count} answer has no {column}. Make it a category of its own, with a total, or leave "
            "it out.",
            "{count} answers have no {column}. Make a category of them, with a total of its own, "
            "or leave them out.",
            len(values),
        ).format(count=number(len(values)), column=margin)
    )


def _check_totals(places: list[tuple[NDArray[np.intp], Array]]) -> None:
    sums = [float(wanted.sum()) for _place, wanted in places]
    if sums and max(sums) - min(sums) > APART * max(sums):
        raise CrmlabError(
            _(
                "The margins add up to different totals, from {low} to {high}. Everyone counts in "
                "each margin; give those whose category is not known one of their own."
            ).format(low=number(min(sums), 1), high=number(max(sums), 1))
        )


def _scaled(weights: Array, place: NDArray[np.intp], wanted: Array) -> Array:
    there = np.bincount(place, weights, minlength=len(wanted))
    return np.asarray(weights * (wanted / there)[place])


def _gap(weights: Array, place: NDArray[np.intp], wanted: Array) -> float:
    there = np.bincount(place, weights, minlength=len(wanted))
    return float(np.max(np.abs(there / there.sum() - wanted / wanted.sum())))


def _trimmed(weights: Array, trim: float) -> tuple[Array, NDArray[np.bool_]]:
    """No weight above `trim` times their mean; the excess goes to the others in proportion."""
    total, most = weights.sum(), trim * weights.mean()
    held = np.zeros(len(weights), bool)
    while (weights > most * (1 + 1e-9)).any():
        held |= weights >= most
        rest = weights[~held].sum()
        if not rest > 0:
            break
        weights = np.where(held, most, weights * (total - most * held.sum()) / rest)
    return weights, held
