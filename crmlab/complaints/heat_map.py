"""Where complaints gather: two columns crossed, and the cells that hold more than they would."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crmlab.complaints.cases import cases, of_complaints
from crmlab.complaints.clusters import Array, Places, clusters
from crmlab.complaints.heat_map_words import FEWEST, HeatMap
from crmlab.errors import CrmlabError, NotEnoughData, TooManyGroups
from crmlab.language import _
from crmlab.show.columns import shown
from crmlab.show.result import Context, measure
from crmlab.stats.intervals import check_confidence
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: More values than this of either column make no picture that can be read.
MOST = 60
#: With fewer customers nothing is judged.
CUSTOMERS = 5


class Crossed(NamedTuple):
    """Two columns crossed, with what clusters do to it.

    Attributes
    ----------
    observed, expected, residuals, effects : numpy.ndarray, shape (rows, columns)
        Residuals are adjusted standardised ones, as if complaints were independent; effects say
        by how much clusters raise their variance, at least 1.
    chi_square : float
        Pearson's, as if complaints were independent.
    freedom : int
    effect : float
        By how much clusters raise it on average, at least 1.
    """

    observed: Array
    expected: Array
    residuals: Array
    effects: Array
    chi_square: float
    freedom: int
    effect: float

    @property
    def chance(self) -> float:
        """Probability of the chi-square, divided by its effect, by chance; NaN for one row."""
        from scipy.stats import chi2

        if self.freedom < 1:
            return np.nan
        return float(chi2.sf(self.chi_square / self.effect, self.freedom))


@measure(needs={"complaints": ["opened_at"]})
def heat_map(
    crm: Workspace,
    *,
    rows: str = "kind",
    columns: str = "service_line",
    suggestions: bool = False,
    confidence: float = 0.95,
) -> HeatMap:
    """Where do complaints gather: which cells of two columns crossed hold too many, or too few.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at and the two columns.
    rows, columns : str
        Columns of complaints, or of their orders, customers or owners.
    suggestions : bool
        Whether suggestions count too.
    confidence : float

    Returns
    -------
    HeatMap
        `.table` has a row per cell, the largest residual of either sign first: the two columns,
        complaints, expected_count (were the two columns unrelated), residual (adjusted
        standardised), design_effect (of customers), residual_effective (the residual divided by the
        effect's root), corrected (probability by chance, after Holm's correction; missing where
        the cell is not judged) and stands_out.

    Raises
    ------
    CrmlabError
        If the two columns are the same.
    TooManyGroups
        If one has more than 60 values.
    NotEnoughData
        If no complaint has a value of both columns.

    Notes
    -----
    With n complaints, row share p and column share q, n·p·q are expected in a cell; the adjusted
    standardised residual is (observed − expected) / √(n p (1 − p) q (1 − q)), about normal where
    the columns are unrelated. A cell with less than 5 expected is shown and not judged.

    That takes complaints as independent. The complaints of one customer are alike, so their sums
    vary more. Summed over a customer's complaints, (in the row − p)(in the column − q) is what the
    customer adds to observed − expected; the sum of its squares over customers, divided by that
    over single complaints, is the design effect of the cell, at least 1. The overall chi-square is
    divided by the mean effect, in the manner of Rao and Scott.

    This says where complaints gather among complaints. Whether a route has many for its orders is
    a question for `complaint_rates`.

    References
    ----------
    Haberman, S. J. (1973), Biometrics 29, 205-220, on adjusted residuals. Rao, J. N. K. and Scott,
    A. J. (1984), Annals of Statistics 12, 46-60. Cochran, W. G. (1954), Biometrics 10, 417-451, on
    small expected counts.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": [str(n) for n in range(40)],
    ...     "opened_at": ["2025-03-01"] * 40, "channel": ["phone", "email"] * 20,
    ...     "cause": ["damage"] * 20 + ["training"] * 20})
    >>> crm = from_frames({"complaints": complaints})
    >>> found = heat_map(crm, rows="cause", columns="channel")
    >>> found.table[["cause", "channel", "complaints", "expected_count"]].head(2)
        cause channel  complaints  expected_count
    0  damage   email          10            10.0
    1  damage   phone          10            10.0
    """
    check_confidence(confidence)
    asked = [rows, columns]
    rows, columns = (name.rpartition(".")[2] for name in asked)
    if rows == columns:
        raise CrmlabError(
            _("rows and columns are two different columns; both are {column}.").format(
                column=repr(rows)
            )
        )
    found = cases(crm, suggestions=suggestions, by=asked)
    known = found.frame[[rows, columns]].notna()
    frame = found.frame[known.all(axis=1)].reset_index(drop=True)
    labels = {name: sorted(frame[name].unique()) for name in (rows, columns)}
    _check(labels)
    who = clusters(frame["customer_id"])
    places = [
        pd.Categorical(frame[name], categories=labels[name]).codes.astype(np.intp)
        for name in (rows, columns)
    ]
    crossing = crossed(places[0], places[1], who)
    left_out = [
        *found.exclusions(),
        of_complaints(
            _("{column} not given").format(column=shown(rows).label), int((~known[rows]).sum())
        ),
        of_complaints(
            _("{column} not given").format(column=shown(columns).label),
            int((known[rows] & ~known[columns]).sum()),
        ),
    ]
    named = bool(frame["customer_id"].notna().any())
    enough = not named or len(np.unique(who)) >= CUSTOMERS
    return HeatMap(
        _table(crossing, rows, columns, labels, 1 - confidence if enough else np.nan),
        Context.of(crm),
        rows,
        columns,
        crossing.chi_square,
        crossing.freedom,
        crossing.effect,
        crossing.chance,
        named,
        enough,
        confidence,
        tuple(one for one in left_out if one.count),
    )


def crossed(row: Places, column: Places, cluster: Places) -> Crossed:
    """Cross two columns of numbers from 0, each complaint of a cluster.

    Parameters
    ----------
    row, column, cluster : array_like of int, shape (complaints,)

    Returns
    -------
    Crossed

    Examples
    --------
    >>> found = crossed([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 2, 3])
    >>> found.expected.tolist(), found.chi_square
    ([[1.0, 1.0], [1.0, 1.0]], 4.0)
    """
    down, across, who = (np.asarray(one, np.intp) for one in (row, column, cluster))
    height, width, total = int(down.max()) + 1, int(across.max()) + 1, len(down)
    observed = np.bincount(down * width + across, minlength=height * width).astype(float)
    observed = observed.reshape(height, width)
    p, q = observed.sum(axis=1) / total, observed.sum(axis=0) / total
    expected = total * np.outer(p, q)
    variance = total * np.outer(p * (1 - p), q * (1 - q))
    apart = observed - expected
    some = variance > 1e-12
    residuals = np.divide(apart, np.sqrt(variance), out=np.zeros_like(apart), where=some)
    spread, alone = _spread(down, across, who, p, q), _spread_alone(observed, p, q)
    effects = np.maximum(np.divide(spread, alone, out=np.ones_like(spread), where=some), 1)
    freedom = (height - 1) * (width - 1)
    mean = float((spread / expected).sum() / (alone / expected).sum()) if freedom else 1.0
    chi_square = float((apart**2 / expected).sum())
    return Crossed(observed, expected, residuals, effects, chi_square, freedom, max(1.0, mean))


def _spread(down: Places, across: Places, who: Places, p: Array, q: Array) -> Array:
    """Variance of observed − expected over clusters."""
    _each, number = np.unique(who, return_inverse=True)
    many = int(number.max()) + 1
    in_row, in_column = (
        np.zeros((many, len(shares))) for shares in (p, q)
    )  # fmt: skip
    np.add.at(in_row, (number, down), 1.0)
    np.add.at(in_column, (number, across), 1.0)
    size = np.bincount(number).astype(float)
    spread = np.empty((len(p), len(q)))
    for place in range(len(p)):
        own = down == place
        both = np.zeros_like(in_column)
        np.add.at(both, (number[own], across[own]), 1.0)
        moved = both - p[place] * in_column - np.outer(in_row[:, place] - p[place] * size, q)
        spread[place] = (moved**2).sum(axis=0)
    return spread * many / max(1, many - 1)


def _spread_alone(observed: Array, p: Array, q: Array) -> Array:
    """The same as if every complaint were a cluster of its own."""
    in_row, in_column = ((np.eye(len(shares)) - shares[:, None]) ** 2 for shares in (p, q))
    total = observed.sum()
    return np.asarray(in_row @ observed @ in_column.T * total / max(1, total - 1))


def _table(
    found: Crossed, rows: str, columns: str, labels: dict[str, list[object]], level: float
) -> pd.DataFrame:
    from scipy.stats import norm

    height, width = found.observed.shape
    effective = found.residuals / np.sqrt(found.effects)
    judged = (found.expected >= FEWEST) & np.isfinite(level) & (min(height, width) > 1)
    chance = np.where(judged, 2 * norm.sf(np.abs(effective)), np.nan).ravel()
    holds, corrected = holm(chance, level)
    table = pd.DataFrame(
        {
            rows: np.repeat(np.array(labels[rows], object), width),
            columns: np.tile(np.array(labels[columns], object), height),
            "complaints": found.observed.ravel().astype("int64"),
            "expected_count": found.expected.ravel(),
            "residual": found.residuals.ravel(),
            "design_effect": found.effects.ravel(),
            "residual_effective": effective.ravel(),
            "corrected": corrected,
            "stands_out": pd.arrays.BooleanArray(holds, np.isnan(corrected)),
        }
    )
    far = -table["residual_effective"].abs().round(9)
    return table.iloc[np.argsort(far.to_numpy(), kind="stable")].reset_index(drop=True)


def _check(labels: dict[str, list[object]]) -> None:
    for name, values in labels.items():
        if not values:
            raise NotEnoughData(
                _(
                    "No complaint has a value of both {columns}, so there is nothing to cross."
                ).format(columns=_(", ").join(labels))
            )
        if len(values) > MOST:
            raise TooManyGroups(
                _(
                    "{column} has {count} values among these complaints; a heat map of more than "
                    "{most} cannot be read. Choose a column with fewer."
                ).format(column=name, count=len(values), most=MOST)
            )
