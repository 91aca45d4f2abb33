"""Working days, and what comes on each of them, for any chapter that has a desk to staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def working_days(first: date, last: date, workdays: Mapping[date, bool]) -> pd.DatetimeIndex:
    """The working days from `first` to `last`, both included.

    Parameters
    ----------
    first, last : datetime.date
    workdays : mapping of date to bool
        Days that depart from Monday to Friday: False for a holiday, True for a make-up day.

    Examples
    --------
    >>> week = working_days(date(2025, 1, 25), date(2025, 1, 29), {date(2025, 1, 26): True})
    >>> [day.day for day in week]
    [26, 27, 28, 29]
    """
    days = pd.date_range(first, last)
    works = [workdays.get(day.date(), day.weekday() < 5) for day in days]
    return days[np.asarray(works, dtype=bool)]


def on_working_days(by_day: pd.DataFrame, days: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Cases per working day; what comes on a day off is seen on the next working day.

    Parameters
    ----------
    by_day : pandas.DataFrame
        day and cases.
    days : pandas.DatetimeIndex
        The working days, in order. What comes after the last of them is not counted.

    Examples
    --------
    >>> came = pd.to_datetime(["2025-01-24", "2025-01-25"])
    >>> days = pd.DatetimeIndex(["2025-01-24", "2025-01-27"])
    >>> on_working_days(pd.DataFrame({"day": came, "cases": [1, 2]}), days).tolist()
    [1.0, 2.0]
    """
    place = days.searchsorted(pd.DatetimeIndex(by_day["day"]))
    counts = np.bincount(place, weights=by_day["cases"], minlength=len(days))
    return counts[: len(days)].astype(float)
