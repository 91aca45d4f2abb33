"""The complaint desk: how many cases come in working time, and how long each takes somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases
from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.queueing import FifoWait, fifo_wait
from crmlab.stats.replay import Runs, runs_of
from crmlab.stats.working_days import on_working_days, working_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: Of very many cases only the last so many are replayed.
MOST_REPLAYED = 5000
DAYS_PER_YEAR = 365.25
WEEK = 5


@dataclass(frozen=True)
class Desk:
    """Work that comes to the desk.

    Attributes
    ----------
    daily : numpy.ndarray
        Cases per working day; what comes on a day off is counted to the next.
    minutes : numpy.ndarray
        Observed minutes of work, one for each case where they are known.
    hours_per_day : float
    hours_per_year : float
        Working hours of one person in a year of the data.
    rate : float
        Cost of a minute; NaN where the workspace does not say.
    untimed, late : int
        Cases without minutes, which are taken to be like the others, and cases that came after
        the last working day, which are left out.
    """

    daily: NDArray[np.float64]
    minutes: NDArray[np.float64]
    hours_per_day: float
    hours_per_year: float
    rate: float
    untimed: int
    late: int

    @property
    def cases(self) -> int:
        """Cases that count."""
        return int(self.daily.sum())

    @property
    def per_hour(self) -> float:
        """Cases that come in a working hour."""
        return float(self.daily.mean() / self.hours_per_day)

    @property
    def mean(self) -> float:
        """Mean hours of work on a case."""
        return float(self.minutes.mean() / 60)

    @property
    def load(self) -> float:
        """How many people the work keeps busy."""
        return self.per_hour * self.mean

    @property
    def dispersion(self) -> float:
        """Variance over mean of the cases per working day; about 1 if they come independently."""
        if len(self.daily) < 2:
            return float("nan")
        return float(self.daily.var(ddof=1) / self.daily.mean())

    def cost(self, staff: int) -> float:
        """What so many people cost in a year; NaN where the cost of a minute is not known."""
        return staff * self.hours_per_year * 60 * self.rate

    def formula(self, staff: int) -> FifoWait:
        """The wait in hours by Erlang's formula."""
        return fifo_wait(self.per_hour, 1 / self.mean, staff)

    def histories(self, actual: int, drawn: int, seed: int) -> Runs:
        """The last days as they were, several times, and weeks of them drawn anew.

        The actual ones differ in the times of day and in the durations, which are drawn.
        """
        random = np.random.default_rng(seed)
        recent = self.daily[np.cumsum(self.daily[::-1])[::-1] <= MOST_REPLAYED]
        # The last day on which cases came is always replayed, however many they were.
        recent = recent if recent.any() else self.daily[np.flatnonzero(self.daily)[-1] :]
        weeks = -(-len(recent) // WEEK)
        first = random.integers(0, max(1, len(recent) - WEEK + 1), (drawn, weeks))
        places = (first[:, :, None] + np.arange(WEEK)).reshape(drawn, weeks * WEEK)[
            :, : len(recent)
        ]
        again = recent[np.minimum(places, len(recent) - 1)]
        daily = np.concatenate([np.tile(recent, (actual, 1)), again])
        return runs_of(daily, self.hours_per_day, self.minutes / 60, random)


def desk_of(crm: Workspace, known: Cases, hours_per_day: float) -> Desk:
    """The work of the complaint desk.

    Parameters
    ----------
    crm : Workspace
    known : Cases
    hours_per_day : float

    Raises
    ------
    NotEnoughData
        If there is no working day, nothing comes on one, or no case has minutes above 0.
    """
    frame = known.frame
    minutes = frame["handling_minutes"].dropna().to_numpy(float)
    if not (minutes > 0).any():
        raise NotEnoughData(_("No complaint has a handling time above 0, so nobody is busy."))
    first = frame["opened_at"].min().date()
    days = working_days(first, crm.as_of, crm.settings.workdays)
    by_day = frame["opened_at"].dt.normalize().value_counts(sort=False)
    table = pd.DataFrame({"day": by_day.index, "cases": by_day.to_numpy()})
    daily = on_working_days(table, days) if len(days) else np.zeros(0)
    if not daily.sum():
        raise NotEnoughData(_("There is no working day between the first case and the last day."))
    years = ((crm.as_of - first).days + 1) / DAYS_PER_YEAR
    return Desk(
        daily,
        minutes,
        hours_per_day,
        len(days) * hours_per_day / years,
        float(crm.settings.activity_costs.get("complaint.minute", np.nan)),
        int(frame["handling_minutes"].isna().sum()),
        int(len(frame) - daily.sum()),
    )
