"""Hours between two times of a complaint, where a time may be a mere day or cannot be right."""

from __future__ import annotations

import pandas as pd

DAY = pd.Timedelta(days=1)
HOUR = pd.Timedelta(hours=1)


def hours_between(start: pd.Series, end: pd.Series) -> pd.DataFrame:
    """How long it took, and how far the answer can be trusted.

    Parameters
    ----------
    start, end : pandas.Series of datetime64
        Missing where it has not happened or is not known.

    Returns
    -------
    pandas.DataFrame
        With the index of `start`: hours (NaN where a time is missing or the end lies before the
        start), whole_days (whether one of the two has no clock time, so that the hours are whole
        days) and impossible (whether the end lies before the start).

    Notes
    -----
    A time at midnight sharp is taken for a mere day, as exports write it; the two days are then
    compared, so that an end on the day of the start takes 0 hours and is not impossible.

    Examples
    --------
    >>> start = pd.Series(pd.to_datetime(["2025-03-01 09:00"] * 3))
    >>> end = pd.Series(pd.to_datetime(["2025-03-01 12:00", "2025-03-02 00:00",
    ...     "2025-02-28 09:00"]))
    >>> hours_between(start, end)
       hours  whole_days  impossible
    0    3.0       False       False
    1   24.0        True       False
    2    NaN       False        True
    """
    both = start.notna() & end.notna()
    whole = both & (is_day(start) | is_day(end))
    exact = (end - start) / HOUR
    by_day = (end.dt.normalize() - start.dt.normalize()) / HOUR
    hours = exact.where(~whole, by_day)
    impossible = both & (hours < 0)
    return pd.DataFrame(
        {"hours": hours.where(~impossible), "whole_days": whole, "impossible": impossible}
    )


def is_day(times: pd.Series) -> pd.Series:
    """Whether each time is a mere day: midnight sharp.

    Examples
    --------
    >>> times = pd.Series(pd.to_datetime(["2025-03-01 00:00", "2025-03-01 09:00", None]))
    >>> is_day(times).tolist()
    [True, False, False]
    """
    return times.notna() & times.eq(times.dt.normalize())
