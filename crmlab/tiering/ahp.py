"""Weights of criteria from judgements of each against each: the analytic hierarchy process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError
from crmlab.language import _, number

Array = NDArray[np.float64]

#: Mean consistency index of random comparisons of n criteria (Saaty 1980).
RANDOM_INDEX = {
    1: 0.0, 2: 0.0, 3: 0.58, 4: 0.90, 5: 1.12, 6: 1.24, 7: 1.32, 8: 1.41, 9: 1.45, 10: 1.49,
}  # fmt: skip
#: Judgements with a larger ratio contradict each other too much to be used as they are.
CONSISTENT = 0.10
#: The scale of judgements goes from 1 (equal) to 9 (overwhelmingly more important).
STRONGEST = 9


@cache
def _comparisons() -> pd.DataFrame:
    table = pd.read_csv(Path(__file__).parent / "comparisons.csv", encoding="utf-8")
    # A reader may write 1/5 into it.
    return table.astype({"times": "float64"})


def default_comparisons() -> pd.DataFrame:
    """The judgements that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per pair of criteria: criterion, other, times (how many times as important as `other`
        `criterion` is: 1 equal, 3 somewhat, 5 clearly, 7 much, 9 overwhelmingly more important; a
        fraction such as 1/3 turns the judgement round).

    Examples
    --------
    >>> default_comparisons().head(2)
      criterion      other  times
    0  monetary  frequency    2.0
    1  monetary    recency    3.0
    """
    return _comparisons().copy()


@dataclass(frozen=True)
class AHP:
    """Result of `ahp`: weights of criteria, and how well the judgements agree with each other.

    Attributes
    ----------
    weights : pandas.Series
        Weight of each criterion; they sum to 1.
    lambda_max : float
        Principal eigenvalue; equal to the number of criteria if no judgement contradicts another.
    consistency_index : float
        (lambda_max - n) / (n - 1).
    consistency_ratio : float
        The index over that of random judgements; 0 for one or two criteria.
    comparisons : pandas.DataFrame
        The judgements as a square table.
    """

    weights: pd.Series
    lambda_max: float
    consistency_index: float
    consistency_ratio: float
    comparisons: pd.DataFrame

    @property
    def consistent(self) -> bool:
        """Whether the ratio is at most 0.10, as Saaty asks."""
        return self.consistency_ratio <= CONSISTENT

    def worst(self) -> tuple[str, str, str] | None:
        """The three criteria whose judgements contradict each other most; None below three.

        They come in an order in which the first is judged more important than the second, and the
        second than the third, where there is such an order.
        """
        names = list(self.comparisons.index)
        if len(names) < 3:
            return None
        three = max(combinations(names, 3), key=lambda each: round(self._contradiction(each), 9))
        # The product of a criterion's judgements against the other two says how high it stands.
        height = self.comparisons.loc[list(three), list(three)].prod(axis="columns")
        first, second, third = sorted(three, key=lambda name: (-round(height[name], 9), name))
        return first, second, third

    def _contradiction(self, three: Sequence[str]) -> float:
        first, second, third = three
        through = self.comparisons.loc[first, second] * self.comparisons.loc[second, third]
        return float(abs(np.log(through / self.comparisons.loc[first, third])))

    def reading(self, names: Mapping[str, str] | None = None) -> str:
        """Whether the judgements agree, in sentences; `names` are labels of the criteria."""
        ratio = number(self.consistency_ratio, 3)
        three = self.worst()
        if self.consistent or three is None:
            return _(
                "The judgements agree with each other well enough: the consistency ratio is "
                "{ratio}, and up to {limit} is accepted."
            ).format(ratio=ratio, limit=number(CONSISTENT, 2))
        first, second, third = three
        label = dict(zip(three, three, strict=True)) | dict(names or {})
        judged = self.comparisons
        return _(
            "The judgements contradict each other: the consistency ratio is {ratio}, and only up "
            "to {limit} is accepted. The worst three: {first} to {second} is judged {one} and "
            "{second} to {third} {two}, so {first} to {third} would be {implied}; it is judged "
            "{three}. Think these three over again."
        ).format(
            ratio=ratio,
            limit=number(CONSISTENT, 2),
            first=label[first],
            second=label[second],
            third=label[third],
            one=times_words(judged.loc[first, second]),
            two=times_words(judged.loc[second, third]),
            implied=times_words(judged.loc[first, second] * judged.loc[second, third]),
            three=times_words(judged.loc[first, third]),
        )


def ahp(comparisons: pd.DataFrame | ArrayLike) -> AHP:
    """Weights of criteria from judgements of each against each (analytic hierarchy process).

    Parameters
    ----------
    comparisons : pandas.DataFrame or array_like, shape (n, n)
        In row i and column j, how many times as important as j criterion i is. Positive, with 1 on
        the diagonal and the reciprocal on the other side of it. Or a table of judgements in the
        shape of `default_comparisons`, a row per pair.

    Returns
    -------
    AHP

    Raises
    ------
    CrmlabError
        If the table is not square, has more than ten criteria, a judgement is missing or not
        positive, or a judgement and its opposite are not reciprocal.

    Notes
    -----
    The weights are the principal eigenvector A w = λ w, divided by its sum. The consistency index
    is (λ − n)/(n − 1); the ratio divides it by the mean index of random judgements.

    References
    ----------
    Saaty, T. L. (1980), The Analytic Hierarchy Process, McGraw-Hill.

    Examples
    --------
    >>> result = ahp([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]])
    >>> result.weights.round(3).tolist(), round(result.consistency_ratio, 3)
    ([0.637, 0.258, 0.105], 0.033)
    """
    square = comparison_matrix(comparisons)
    weights, largest = principal(square.to_numpy())
    n = len(square)
    index = (largest - n) / (n - 1) if n > 1 else 0.0
    ratio = index / RANDOM_INDEX[n] if n > 2 else 0.0
    return AHP(pd.Series(weights, square.index, name="weight"), largest, index, ratio, square)


def consistency_ratio(comparisons: pd.DataFrame | ArrayLike) -> float:
    """The consistency ratio alone, to try judgements out while writing them down.

    Parameters
    ----------
    comparisons : pandas.DataFrame or array_like
        As for `ahp`.

    Examples
    --------
    >>> consistency_ratio([[1, 2, 4], [0.5, 1, 2], [0.25, 0.5, 1]])
    0.0
    """
    return round(ahp(comparisons).consistency_ratio, 12) + 0.0


def comparison_matrix(comparisons: pd.DataFrame | ArrayLike) -> pd.DataFrame:
    """The judgements as a square table, checked.

    Parameters
    ----------
    comparisons : pandas.DataFrame or array_like
        As for `ahp`.

    Returns
    -------
    pandas.DataFrame
        With the criteria as index and columns.

    Raises
    ------
    CrmlabError
        As in `ahp`.

    Examples
    --------
    >>> judged = pd.DataFrame({"criterion": ["price"], "other": ["speed"], "times": [4]})
    >>> comparison_matrix(judged)
           price  speed
    price   1.00    4.0
    speed   0.25    1.0
    """
    if isinstance(comparisons, pd.DataFrame) and "times" in comparisons:
        comparisons = _from_pairs(comparisons)
    square = _square(comparisons)
    _check_positive(square)
    _check_reciprocal(square)
    return square


def _from_pairs(judged: pd.DataFrame) -> pd.DataFrame:
    lacking = [name for name in ("criterion", "other", "times") if name not in judged]
    if lacking:
        raise CrmlabError(
            _(
                "The judgements are a table in the shape of default_comparisons(); it lacks: "
                "{columns}."
            ).format(columns=", ".join(lacking))
        )
    names = list(dict.fromkeys([*judged["criterion"], *judged["other"]]))
    square = pd.DataFrame(np.nan, index=names, columns=names)
    for name in names:
        square.loc[name, name] = 1.0
    for row in judged.itertuples():
        times = float(row.times)
        square.loc[row.criterion, row.other] = times
        square.loc[row.other, row.criterion] = 1 / times if times else np.nan
    return square


def _square(comparisons: Any) -> pd.DataFrame:
    table = pd.DataFrame(comparisons)
    rows, columns = table.shape
    if rows != columns or not rows or rows > max(RANDOM_INDEX):
        raise CrmlabError(
            _(
                "Comparisons are a square table of 1 to {most} criteria, a row and a column each; "
                "this one has {rows} rows and {columns} columns."
            ).format(most=max(RANDOM_INDEX), rows=rows, columns=columns)
        )
    if not isinstance(comparisons, pd.DataFrame):
        table.index = table.columns = pd.Index([str(i + 1) for i in range(rows)])
    elif set(table.index) != set(table.columns):
        # A table typed in with the names only on top, in the order of the rows.
        table = table.set_axis(table.columns, axis="index")
    return table.loc[:, list(table.index)].astype(float)


def _check_positive(square: pd.DataFrame) -> None:
    bad = ~(square > 0) | ~np.isfinite(square)
    if not bad.to_numpy().any():
        return
    row, column = np.argwhere(bad.to_numpy())[0]
    raise CrmlabError(
        _(
            "{found} judgements are missing or not above zero, such as that of {first} against "
            "{second}. Write how many times as important {first} is: from 1/9 to 9, where 1 means "
            "equal."
        ).format(
            found=int(bad.to_numpy().sum()),
            first=square.index[row],
            second=square.columns[column],
        )
    )


def _check_reciprocal(square: pd.DataFrame) -> None:
    values = square.to_numpy()
    # Typed fractions are rounded: 0.33 for a third, 0.143 for a seventh.
    bad = np.triu(np.abs(values * values.T - 1) > 0.02)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    raise CrmlabError(
        _(
            "The judgement of {first} against {second} is {one}, so that of {second} against "
            "{first} must be {must}; it is {other}."
        ).format(
            first=square.index[row],
            second=square.columns[column],
            one=times_words(values[row, column]),
            must=times_words(1 / values[row, column]),
            other=times_words(values[column, row]),
        )
    )


def principal(square: Array) -> tuple[Array, float]:
    """Weights and principal eigenvalue of a positive matrix."""
    values, vectors = np.linalg.eig(square)
    largest = int(np.argmax(values.real))
    weights = np.abs(vectors[:, largest].real)
    return weights / weights.sum(), float(values[largest].real)


def stepped(judged: Array, pairs: Sequence[tuple[int, int]], steps: Array) -> Array:
    """The judgements, each moved by so many steps of the scale 1/9 … 1/2, 1, 2 … 9.

    Parameters
    ----------
    judged : ndarray, shape (n, n)
    pairs : sequence of (int, int)
        Row and column of the judgements to move.
    steps : ndarray of int
        Of each pair.

    Examples
    --------
    >>> stepped(np.array([[1, 1], [1, 1.0]]), [(0, 1)], np.array([-1])).tolist()
    [[1.0, 0.5], [2.0, 1.0]]
    """
    moved = judged.copy()
    for (row, column), step in zip(pairs, steps, strict=True):
        if not step:
            continue
        value = judged[row, column]
        place = (value - 1 if value >= 1 else 1 - 1 / value) + step
        place = float(np.clip(place, 1 - STRONGEST, STRONGEST - 1))
        moved[row, column] = place + 1 if place >= 0 else 1 / (1 - place)
        moved[column, row] = 1 / moved[row, column]
    return moved


def times_words(value: float) -> str:
    """A judgement as it is spoken: a whole number, or one over it.

    Examples
    --------
    >>> times_words(1 / 3), times_words(5.0), times_words(0.4)
    ('1/3', '5', '0.40')
    """
    if value < 1 and np.isclose(1 / value, round(1 / value), rtol=0.02):
        return f"1/{round(1 / value)}"
    return number(value, 0 if np.isclose(value, round(value)) else 2)
