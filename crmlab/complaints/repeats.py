"""The same cause again (预防): the customer had complained of it shortly before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.clusters import clusters
from crmlab.stats import clustered

Array = NDArray[np.float64]

#: A cause that fewer customers complain of is shown and not judged.
FEWEST = 5


class Repeats(NamedTuple):
    """Which complaints repeat a cause, and how many would by chance.

    Attributes
    ----------
    judged, again : numpy.ndarray of bool, shape (complaints,)
        Whether the days before were watched (and customer and cause are known), and whether the
        customer complained of the same cause in them.
    expected : numpy.ndarray, shape (complaints,)
        Chance of that if every earlier complaint had had a cause drawn from those of all.
    too_early, unnamed : int
        Complaints not judged: the days before lie before the first complaint of the data; customer
        or cause is not known.
    by_cause : pandas.DataFrame
        A row per cause: cause, complaints (judged), repeats, share, expected (repeats), ratio, low,
        high, stands_out (ratio above 1, corrected for the number of causes by Bonferroni; not of
        fewer than five customers); the largest ratio first.
    """

    judged: NDArray[np.bool_]
    again: NDArray[np.bool_]
    expected: Array
    too_early: int
    unnamed: int
    by_cause: pd.DataFrame


def repeats(frame: pd.DataFrame, days: int, confidence: float) -> Repeats:
    """Which complaints repeat a cause of the days before.

    Parameters
    ----------
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`: customer_id, cause, opened_at.
    days : int
    confidence : float

    Returns
    -------
    Repeats

    Notes
    -----
    A complaint of the same moment is not one before. With p the share of the cause in all
    complaints and n earlier complaints of the customer in these days whose cause is known, the
    chance that one of them has the same cause is 1 − (1 − p)ⁿ; the expected number is the sum of
    these. A customer may have one cause more often for other reasons than that it was not removed,
    such as a route or a season, so a ratio above 1 is a sign and no proof.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": ["A", "B", "A", "A"], "cause": ["x", "y", "x", "y"],
    ...     "opened_at": pd.to_datetime(["2025-01-01", "2025-03-01", "2025-03-02", "2025-03-20"])})
    >>> found = repeats(frame, 60, 0.95)
    >>> found.judged.tolist(), found.again.tolist(), found.expected.tolist()
    ([False, False, True, True], [False, False, True, False], [0.0, 0.0, 0.5, 0.5])
    """
    named = frame[["customer_id", "cause"]].notna().all(axis=1).to_numpy()
    first = frame["opened_at"].min() + pd.Timedelta(days=days)
    watched = (frame["opened_at"] >= first).to_numpy()
    judged = named & watched
    earlier, same = np.zeros(len(frame), int), np.zeros(len(frame), int)
    who = clusters(frame.loc[named, "customer_id"])
    earlier[named] = _earlier(frame.loc[named, "opened_at"], who, days)
    key = frame.loc[named, ["customer_id", "cause"]]
    pairs = key.groupby(["customer_id", "cause"], observed=True).ngroup().to_numpy()
    same[named] = _earlier(frame.loc[named, "opened_at"], pairs, days)
    again = judged & (same > 0)
    mix = frame["cause"].value_counts(normalize=True)
    chance = frame["cause"].map(mix).astype(float).fillna(0).to_numpy()
    expected = np.where(judged, 1 - (1 - chance) ** earlier, 0.0)
    by_cause = _by_cause(frame, judged, again, expected, confidence)
    early = int((named & ~watched).sum())
    return Repeats(judged, again, expected, early, int((~named).sum()), by_cause)


def _earlier(opened: pd.Series, group: NDArray[np.intp], days: int) -> NDArray[np.intp]:
    """How many complaints of the same group were opened in so many days before each."""
    if not len(opened):
        return np.zeros(0, np.intp)
    minutes = ((opened - opened.min()) // pd.Timedelta(minutes=1)).to_numpy(np.int64)
    span = np.int64(days * 1440)
    # Each group has its own stretch of the axis, so that one search serves them all.
    place = np.asarray(group, np.int64) * (minutes.max() + span + 1) + minutes
    order = np.sort(place, kind="stable")
    begin = np.searchsorted(order, place - np.minimum(span, minutes), side="left")
    return np.asarray(np.searchsorted(order, place, side="left") - begin, np.intp)


def _by_cause(
    frame: pd.DataFrame,
    judged: NDArray[np.bool_],
    again: NDArray[np.bool_],
    expected: Array,
    confidence: float,
) -> pd.DataFrame:
    used = pd.DataFrame(
        {
            "cause": frame["cause"],
            "cluster": clusters(frame["customer_id"]),
            "complaints": 1,
            "repeats": again.astype(int),
            "expected": expected,
        }
    )[judged]
    many = max(1, used["cause"].nunique())
    rows = []
    for cause, part in used.groupby("cause", observed=True):
        sums = part.groupby("cluster")[["repeats", "expected"]].sum()
        found, strict = (
            clustered.rate(sums["repeats"], sums["expected"], confidence=level)
            for level in (confidence, 1 - (1 - confidence) / many)
        )
        rows.append(
            {
                "cause": cause,
                "complaints": len(part),
                "repeats": int(part["repeats"].sum()),
                "share": part["repeats"].mean(),
                "expected": part["expected"].sum(),
                "ratio": found.value,
                "low": found.low,
                "high": found.high,
                "stands_out": bool(strict.low > 1 and len(sums) >= FEWEST),
            }
        )
    names = ["cause", "complaints", "repeats", "share", "expected", "ratio", "low", "high"]
    table = pd.DataFrame(rows, columns=[*names, "stands_out"])
    return table.sort_values("ratio", ascending=False, kind="stable", ignore_index=True)
