"""The company's clock: minutes since the start of 2024, months, seasons, public holidays.

Inside the simulation a time is a whole number of minutes since 2024-01-01 00:00 and a day a whole
number of days since then; `EMPTY` says that there is none.
"""

from __future__ import annotations

from datetime import date

import numpy as np

FIRST = date(2024, 1, 1)
AS_OF = date(2025, 12, 31)
ORIGIN = np.datetime64("2024-01-01", "us")
DAYS = 731
MONTHS = 24
DAY = 1440
END = DAYS * DAY
EMPTY = np.iinfo(np.int64).min

_STARTS = np.array([f"{2024 + m // 12}-{m % 12 + 1:02d}-01" for m in range(MONTHS + 1)], "M8[D]")
#: First day of each month, and of the month after the last.
MONTH_START = (_STARTS - ORIGIN.astype("M8[D]")).astype(np.int64)
#: Month of each day.
MONTH_OF_DAY = np.repeat(np.arange(MONTHS), np.diff(MONTH_START))

_SEASON = [0.95, 0.62, 1.0, 1.0, 1.0, 1.08, 0.95, 0.97, 1.05, 1.0, 1.35, 1.12]
#: Order rate of each month relative to the average month.
SEASON = np.array(_SEASON * 2) / np.mean(_SEASON)

#: Public holidays that fall on Monday to Friday, as (first, last) day.
_HOLIDAYS = [
    ("2024-01-01", "2024-01-01"),
    ("2024-02-10", "2024-02-17"),
    ("2024-04-04", "2024-04-06"),
    ("2024-05-01", "2024-05-05"),
    ("2024-06-08", "2024-06-10"),
    ("2024-09-15", "2024-09-17"),
    ("2024-10-01", "2024-10-07"),
    ("2025-01-01", "2025-01-01"),
    ("2025-01-28", "2025-02-04"),
    ("2025-04-04", "2025-04-06"),
    ("2025-05-01", "2025-05-05"),
    ("2025-05-31", "2025-06-02"),
    ("2025-10-01", "2025-10-08"),
    ("2026-01-01", "2026-01-03"),
]
_MAKE_UP = [
    "2024-02-04",
    "2024-02-18",
    "2024-04-07",
    "2024-04-28",
    "2024-05-11",
    "2024-09-14",
    "2024-09-29",
    "2024-10-12",
    "2025-01-26",
    "2025-02-08",
    "2025-04-27",
    "2025-09-28",
    "2025-10-11",
    "2026-01-04",
]


def day_of(text: str) -> int:
    """Number of the day since the start.

    Examples
    --------
    >>> day_of("2024-02-01")
    31
    """
    return int((np.datetime64(text, "D") - ORIGIN.astype("M8[D]")).astype(int))


def weekday(days: np.ndarray) -> np.ndarray:
    """Day of the week, Monday 0; 2024-01-01 was a Monday.

    Examples
    --------
    >>> weekday(np.array([0, 5, 6, 7])).tolist()
    [0, 5, 6, 0]
    """
    return days % 7


def workdays() -> dict[date, bool]:
    """Days that depart from Monday to Friday: public holidays False, make-up days 调休 True.

    Examples
    --------
    >>> workdays()[date(2024, 2, 4)], workdays()[date(2024, 10, 1)]
    (True, False)
    """
    departing: dict[date, bool] = {}
    for first, last in _HOLIDAYS:
        for day in np.arange(np.datetime64(first), np.datetime64(last) + np.timedelta64(1, "D")):
            if day.astype(date).weekday() < 5:
                departing[day.astype(date)] = False
    for text in _MAKE_UP:
        departing[date.fromisoformat(text)] = True
    return dict(sorted(departing.items()))


def day_weights() -> np.ndarray:
    """How much is ordered on each day relative to an ordinary weekday.

    Less on Saturdays, Sundays and holidays, more around Double 11 (双十一) and 18 June (618).
    """
    days = np.arange(DAYS)
    weights = np.choose(weekday(days), [1.0, 1.0, 1.0, 1.0, 1.0, 0.55, 0.35])
    for day, works in workdays().items():
        if day <= AS_OF:
            weights[(day - FIRST).days] = 1.0 if works else 0.2
    for year in ("2024", "2025"):
        peak = day_of(f"{year}-11-01")
        weights[peak : peak + 12] *= 1.5
        weights[peak + 10] *= 1.6
        weights[day_of(f"{year}-06-16") : day_of(f"{year}-06-19")] *= 1.4
    return weights


def month_of(days: np.ndarray) -> np.ndarray:
    """Month of each day, 0 to 23; days outside are put into the first or last."""
    return MONTH_OF_DAY[np.clip(days, 0, DAYS - 1)]


def office_hours(rng: np.random.Generator, days: np.ndarray) -> np.ndarray:
    """A time between 8:00 and 20:00 on each of the days, most around late morning."""
    return days * DAY + 480 + (rng.beta(2.0, 2.6, len(days)) * 720).astype(np.int64)


def next_workday(days: np.ndarray) -> np.ndarray:
    """Each day moved on to Monday where it falls on a weekend."""
    return days + np.choose(weekday(days), [0, 0, 0, 0, 0, 2, 1])


def happened(times: np.ndarray) -> np.ndarray:
    """Times with what lies after the last day made empty."""
    return np.where(times < END, times, EMPTY)
