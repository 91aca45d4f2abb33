"""Kano's evaluation of a pair of answers, and the coefficients of its classes.

An attribute of a service is asked about twice: how one feels if it is there (functional) and if it
is missing (dysfunctional). Both are answered by 1 I like it, 2 I expect it, 3 I am neutral, 4 I can
live with it, 5 I dislike it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: The classes, in the order in which ties are decided: the rule M > O > A > I.
CLASSES = ("M", "O", "A", "I", "R", "Q")

#: Class of each pair of answers: functional by row, dysfunctional by column.
TABLE = np.array(
    [
        ["Q", "A", "A", "A", "O"],
        ["R", "I", "I", "I", "M"],
        ["R", "I", "I", "I", "M"],
        ["R", "I", "I", "I", "M"],
        ["R", "R", "R", "R", "Q"],
    ]
)

#: DuMouchel's scores of the five answers: what counts is to like it, or to dislike missing it.
FUNCTIONAL_SCORES = np.array([4.0, 2.0, 0.0, -1.0, -2.0])
DYSFUNCTIONAL_SCORES = np.array([-2.0, -1.0, 0.0, 2.0, 4.0])


def evaluate(functional: ArrayLike, dysfunctional: ArrayLike) -> NDArray[np.str_]:
    """Class of each pair of answers.

    Parameters
    ----------
    functional, dysfunctional : array_like of float
        Answers 1 to 5.

    Returns
    -------
    numpy.ndarray of str
        ``"A"`` attractive, ``"O"`` one-dimensional, ``"M"`` must-be, ``"I"`` indifferent, ``"R"``
        reverse, ``"Q"`` questionable; empty where an answer is missing or none of the five.

    References
    ----------
    Kano, N., Seraku, N., Takahashi, F. and Tsuji, S. (1984), Journal of the Japanese Society for
    Quality Control 14(2), 39-48. Berger, C. et al. (1993), Center for Quality of Management Journal
    2(4), 3-36.

    Examples
    --------
    >>> evaluate([1, 1, 3, 3, 5, 1], [3, 5, 5, 2, 1, 1]).tolist()
    ['A', 'O', 'M', 'I', 'R', 'Q']
    >>> evaluate([1, 6], [np.nan, 2]).tolist()
    ['', '']
    """
    there, missing = np.asarray(functional, float), np.asarray(dysfunctional, float)
    found = np.full(there.shape, "", dtype="<U1")
    fits = np.isin(there, (1, 2, 3, 4, 5)) & np.isin(missing, (1, 2, 3, 4, 5))
    found[fits] = TABLE[there[fits].astype(int) - 1, missing[fits].astype(int) - 1]
    return found


def ranked(amounts: Mapping[str, float]) -> tuple[str, str]:
    """The most frequent class and the next; of equal ones the first by M > O > A > I > R > Q.

    Parameters
    ----------
    amounts : mapping of str to float
        Number or share of answers of each class.

    Examples
    --------
    >>> ranked({"A": 30, "O": 40, "M": 40, "I": 10})
    ('M', 'O')
    """
    order = sorted(CLASSES, key=lambda name: (-amounts.get(name, 0), CLASSES.index(name)))
    return order[0], order[1]


def coefficients(
    attractive: float, one_dimensional: float, must_be: float, indifferent: float
) -> tuple[float, float]:
    """Better and worse: how far an attribute satisfies if it is there, or not if it is missing.

    Parameters
    ----------
    attractive, one_dimensional, must_be, indifferent : float
        Number of answers of each class; the other two classes do not count.

    Returns
    -------
    tuple of float
        (A + O)/(A + O + M + I) and −(O + M)/(A + O + M + I); NaN where nobody is of these classes.

    References
    ----------
    Timko, M., in Berger, C. et al. (1993), Center for Quality of Management Journal 2(4), 17-20.

    Examples
    --------
    >>> coefficients(30, 20, 40, 10)
    (0.5, -0.6)
    """
    total = attractive + one_dimensional + must_be + indifferent
    if not total:
        return np.nan, np.nan
    return (attractive + one_dimensional) / total, -(one_dimensional + must_be) / total


def fong(first: float, second: float, answers: float) -> float:
    """By how many answers two classes must differ for Fong's test to tell them apart.

    Parameters
    ----------
    first, second : float
        Numbers of answers of the two most frequent classes.
    answers : float
        Number of all answers.

    Notes
    -----
    1.65 √((a + b)(2n − a − b)/(2n)). It treats the two numbers as of two samples. They are of one,
    and cannot both be large: their difference varies more, by √(a + b) where they are equal.
    `crmlab.satisfaction.kano` uses an interval that allows for this.

    References
    ----------
    Fong, D. (1996), Center for Quality of Management Journal 5(3), 21-24.

    Examples
    --------
    >>> round(fong(123, 95, 296), 1)
    19.4
    """
    both = first + second
    return float(1.65 * np.sqrt(both * (2 * answers - both) / (2 * answers)))


def scores(functional: ArrayLike, dysfunctional: ArrayLike) -> NDArray[np.float64]:
    """DuMouchel's scores of pairs of answers.

    Parameters
    ----------
    functional, dysfunctional : array_like of float, shape (answers,)

    Returns
    -------
    numpy.ndarray, shape (answers, 2)
        Satisfaction if it is there and dissatisfaction if it is missing, each from −2 to 4; NaN for
        a pair that has no class or is questionable.

    References
    ----------
    DuMouchel, W., in Berger, C. et al. (1993), Center for Quality of Management Journal 2(4),
    20-23.

    Examples
    --------
    >>> scores([1, 3, 1], [5, 4, 1]).tolist()
    [[4.0, 4.0], [0.0, 2.0], [nan, nan]]
    """
    there, missing = np.asarray(functional, float), np.asarray(dysfunctional, float)
    found = np.full((len(there), 2), np.nan)
    fits = ~np.isin(evaluate(there, missing), ("", "Q"))
    found[fits, 0] = FUNCTIONAL_SCORES[there[fits].astype(int) - 1]
    found[fits, 1] = DYSFUNCTIONAL_SCORES[missing[fits].astype(int) - 1]
    return found
