"""Coefficients of regressions of orders and of answers, with what is asked of either."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.clustered import Estimate, wald_chance
from crmlab.stats.counts import poisson
from crmlab.stats.ordered import ordered
from crmlab.stats.weighted import t_interval

Array = NDArray[np.float64]


class Coefficients(NamedTuple):
    """Logs of ratios, with their covariance over customers.

    Attributes
    ----------
    names : tuple of str
    values : numpy.ndarray, shape (names,)
    covariance : numpy.ndarray, shape (names, names)
    freedom : int
        Customers less one.
    """

    names: tuple[str, ...]
    values: Array
    covariance: Array
    freedom: int

    def only(self, name: str) -> Array:
        """The vector that picks one coefficient."""
        return np.array([1.0 if each == name else 0.0 for each in self.names])

    def ratio(self, vector: ArrayLike, *, confidence: float) -> Estimate:
        """A weighted sum of coefficients as a ratio, with its t interval and without an effect."""
        weights = np.asarray(vector, float)
        error = float(np.sqrt(weights @ self.covariance @ weights))
        found = t_interval(float(weights @ self.values), error, self.freedom, confidence=confidence)
        value, low, high = np.exp(found[:3])
        return Estimate(float(value), float(low), float(high), np.nan)

    def chance_of(self, rows: ArrayLike) -> float:
        """Probability, by a Wald test as F, that all these sums are 0 but for chance.

        Parameters
        ----------
        rows : array_like of float, shape (sums, names)
        """
        matrix = np.asarray(rows, float)
        covariance = matrix @ self.covariance @ matrix.T
        return wald_chance(matrix @ self.values, covariance, self.freedom)


def of_counts(
    counts: pd.Series, design: pd.DataFrame, customers: pd.Series, *, within: bool = False
) -> Coefficients:
    """Poisson regression of counts with errors over customers.

    Parameters
    ----------
    counts : pandas.Series
    design : pandas.DataFrame
        Without a constant.
    customers : pandas.Series
    within : bool
        Whether each customer has a level of its own.

    Raises
    ------
    NotEnoughData
        As `crmlab.stats.counts.poisson`.
    """
    if not counts.sum() > 0:
        raise NotEnoughData(_("No customer who answered ordered anything afterwards."))
    columns = design if within else design.assign(constant=1.0)
    found = poisson(
        counts,
        columns,
        groups=customers if within else None,
        clusters=customers,
        names=list(columns.columns),
    )
    many = design.shape[1]
    return Coefficients(
        found.names[:many],
        found.coefficients[:many],
        found.covariance[:many, :many],
        found.freedom,
    )


def of_answers(
    answers: pd.Series, design: pd.DataFrame, customers: pd.Series, weights: pd.Series
) -> Coefficients:
    """Ordered logit of answers with errors over customers.

    Raises
    ------
    NotEnoughData
        As `crmlab.stats.ordered.ordered`.
    """
    found = ordered(design, answers, weights=weights, clusters=customers)
    many = design.shape[1]
    number = pd.factorize(customers)[0]
    sums = np.zeros((number.max() + 1, many))
    np.add.at(sums, number, found.influence[:, :many])
    count = len(sums)
    return Coefficients(
        tuple(str(name) for name in design.columns),
        found.table["coefficient"].to_numpy(float),
        count / (count - 1) * sums.T @ sums,
        count - 1,
    )
