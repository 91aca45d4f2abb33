"""The work that comes to a desk, by tier: how much of it there is and how long a case takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.show.result import require
from crmlab.stats.queueing import priority_wait, replayed_waits
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.stats.working_days import on_working_days, working_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

Work = Literal["complaints", "orders"]

#: Minutes of work on an order where nobody says how many; no data have them.
ORDER_MINUTES = 15.0
#: A desk that is busier than this has long lines; the default number of servers stays below.
BUSIEST = 0.85
#: Code of the cases that name no customer of a known tier. They are served last.
UNNAMED = "unnamed"
#: Observed handling times beyond so many are represented by so many of their quantiles.
MOST_TIMES = 2000
#: So many cases at most are replayed, so many times.
MOST_REPLAYED, REPLAYS = 20_000, 20


@dataclass(frozen=True)
class Desk:
    """Cases that come to a desk in its working hours, the best tier first.

    Attributes
    ----------
    work : {"complaints", "orders"}
    classes : pandas.DataFrame
        A row per tier: tier, customers (who had a case), cases, per_hour (cases per working hour),
        minutes (mean work on a case), variability (squared coefficient of variation of the
        minutes), value (margin of the tier's customers in the period, or their revenue).
    times : tuple of array or None
        Observed minutes of work, per tier; None where the minutes are stated, not observed.
    hours : float
        Working hours from the first case to the last day.
    days : int
        Working days in it.
    daily : numpy.ndarray
        Cases per working day; what comes on a day off is counted to the next working day.
    valued_by : {"margin", "revenue"}
    unnamed, undated, untimed : int
        Cases without a customer of a known tier (the last row of `classes`), without a day (left
        out), and without handling time (taken to be like the others).
    first : datetime.date
        Day of the first case.
    hours_per_day : float
    record : {"order", "line"}
    """

    work: Work
    classes: pd.DataFrame
    times: tuple[NDArray[np.float64], ...] | None
    hours: float
    days: int
    daily: NDArray[np.float64]
    valued_by: Literal["margin", "revenue"]
    unnamed: int
    undated: int
    untimed: int
    first: date
    hours_per_day: float
    record: str

    @property
    def cases(self) -> int:
        """All cases that count."""
        return int(self.classes["cases"].sum())

    @property
    def minutes(self) -> float:
        """Mean minutes of work on a case, over all tiers."""
        return float(np.average(self.classes["minutes"], weights=self.classes["cases"]))

    @property
    def load(self) -> float:
        """How many people the work keeps busy."""
        return float((self.classes["per_hour"] * self.classes["minutes"]).sum() / 60)

    @property
    def variability(self) -> float:
        """Squared coefficient of variation of the minutes, over all cases."""
        square = self.classes["minutes"] ** 2 * (1 + self.classes["variability"])
        mean_square = float(np.average(square, weights=self.classes["cases"]))
        return mean_square / self.minutes**2 - 1

    @property
    def dispersion(self) -> float:
        """Variance over mean of the cases per working day.

        It is about 1 if they come independently of each other at an even rate.
        """
        return float(self.daily.var(ddof=1) / self.daily.mean()) if self.days > 1 else np.nan

    def enough(self) -> int:
        """The fewest servers who are busy at most `BUSIEST` of the time."""
        return max(1, int(np.ceil(self.load / BUSIEST)))

    def waits(self, servers: int, *, longer: float = 1.0) -> pd.DataFrame:
        """Closed form of the waits in minutes: tier, utilisation, wait_fifo, wait_priority.

        Parameters
        ----------
        servers : int
        longer : float
            Every case takes so many times as long.

        Notes
        -----
        With one server each tier has its own durations; with several, all have the mean over tiers
        and are exponential, as there is no closed form for anything else.
        """
        come, minutes = self.classes["per_hour"], self.classes["minutes"] * longer
        if servers == 1:
            spread = self.classes["variability"]
            found = priority_wait(come, 60 / minutes, 1, variability=spread)
        else:
            found = priority_wait(come, 60 / (self.minutes * longer), servers)
        return pd.DataFrame(
            {
                "tier": self.classes["tier"],
                "utilisation": found["utilisation"],
                "wait_fifo": found["wait_fifo"] * 60,
                "wait_priority": found["wait"] * 60,
            }
        )

    def replayed(self, servers: int, *, seed: int = 0) -> float:
        """Mean wait in minutes, first come first served, with the days as they really were.

        The cases of each working day come at random times of that day; of very many days, the last
        ones count. Durations are drawn at random. The mean of `REPLAYS` such histories.
        """
        random = np.random.default_rng(seed)
        recent = np.cumsum(self.daily[::-1])[::-1] <= MOST_REPLAYED
        day = np.repeat(np.flatnonzero(recent), self.daily[recent].astype(int))
        if not len(day):
            return np.nan
        runs = [self._replay(day, servers, random) for _run in range(REPLAYS)]
        return float(np.mean(runs))

    def _replay(self, day: NDArray[np.int64], servers: int, random: np.random.Generator) -> float:
        come = np.sort(day + random.random(len(day))) * self.hours_per_day * 60
        shares = self.classes["cases"] / self.cases
        tier = random.choice(len(shares), len(come), p=shares)
        durations = random.exponential(self.classes["minutes"].to_numpy()[tier])
        for place, observed in enumerate(self.times or ()):
            own = tier == place
            durations[own] = random.choice(observed, int(own.sum()))
        return float(replayed_waits(come, durations, servers).mean())

    def service(self) -> list[Any]:
        """Durations in hours for a simulation: observed ones, or the rate of exponential ones."""
        if self.times is None:
            return (60 / self.classes["minutes"]).tolist()
        return [minutes / 60 for minutes in self.times]


def desk(
    crm: Workspace,
    work: Work,
    *,
    minutes: float | None = None,
    rules: pd.DataFrame | None = None,
    given: bool = True,
    hours_per_day: float = 8.0,
    measure: str = "tiering.priority",
) -> tuple[Desk, Tiers]:
    """The work that comes to a desk, by tier.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for complaints also complaints: customer_id,
        opened_at, and handling_minutes unless `minutes` is given.
    work : {"complaints", "orders"}
    minutes : float, optional
        Mean minutes of work on a case. Default: those observed of complaints; `ORDER_MINUTES`.
    rules : pandas.DataFrame, optional
        Tier rules in the shape of `crmlab.stats.tiers.tier_rules`.
    given : bool
        Whether a tier that the company has given wins over the rules.
    hours_per_day : float
        Working hours of a working day.
    measure : str
        Named in an error.

    Returns
    -------
    Desk, Tiers

    Raises
    ------
    MissingColumns, NotEnoughData, CrmlabError
    """
    _check(work, minutes, hours_per_day)
    cases, by_day = (_complaints if work == "complaints" else _orders)(crm, minutes, measure)
    dated = by_day.dropna(subset=["day"])
    if dated.empty:
        raise NotEnoughData(_("There is no case with a day, so nobody waits."))
    first = dated["day"].min().date()
    days = working_days(first, crm.as_of, crm.settings.workdays)
    if not len(days):
        raise NotEnoughData(_("There is no working day between the first case and the last day."))
    tiers = customer_tiers(crm, rules=rules, given=given)
    tier_of = tiers.table.set_index("customer_id")["tier"]
    cases["tier"] = cases["customer_id"].map(tier_of).fillna(UNNAMED).astype(str)
    order = [*tiers.order, *([UNNAMED] if (cases["tier"] == UNNAMED).any() else [])]
    value, valued_by = _values(crm, tier_of)
    classes, times = _classes(cases, order, minutes if work == "complaints" else _stated(minutes))
    hours = len(days) * hours_per_day
    classes.insert(3, "per_hour", classes["cases"] / hours)
    classes["value"] = classes["tier"].map(value).fillna(0.0)
    untimed = int(cases.loc[cases["minutes"].isna(), "cases"].sum()) if times else 0
    found = Desk(
        work, classes, times, hours, len(days), on_working_days(dated, days), valued_by,
        int(cases.loc[cases["tier"] == UNNAMED, "cases"].sum()),
        int(by_day.loc[by_day["day"].isna(), "cases"].sum()), untimed, first, hours_per_day,
        crm.settings.record if work == "orders" else "order",
    )  # fmt: skip
    return found, tiers


def _check(work: str, minutes: float | None, hours_per_day: float) -> None:
    if work not in ("complaints", "orders"):
        raise CrmlabError(
            _('work is "complaints" or "orders"; it is {work}.').format(work=repr(work))
        )
    if (minutes is not None and minutes <= 0) or not 0 < hours_per_day <= 24:
        raise CrmlabError(
            _("The minutes of a case are above 0, and the working hours of a day above 0 to 24.")
        )


def _complaints(
    crm: Workspace, minutes: float | None, measure: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    needed = ["customer_id", "opened_at"] + (["handling_minutes"] if minutes is None else [])
    require(crm, measure, crm.missing({"complaints": needed}))
    names = {"complaints": "cases", "handling_minutes": "minutes"}
    cases = crm.query("handling_times").rename(columns=names)
    if minutes is not None:
        cases["minutes"] = np.nan
    elif not cases["minutes"].gt(0).any():
        raise NotEnoughData(
            _("No complaint has a handling time above 0; say minutes=30, for example.")
        )
    return cases, crm.query("daily_complaints").rename(columns=names)


def _orders(
    crm: Workspace, minutes: float | None, measure: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    by_day = crm.query("daily_orders").rename(columns={"orders": "cases"})
    named = crm.query("customer_summary", period_from=crm.first_day, period_to=crm.as_of)
    cases = named[["customer_id", "orders"]].rename(columns={"orders": "cases"})
    unnamed = int(by_day.loc[by_day["day"].notna(), "unnamed"].sum())
    if unnamed:
        cases = pd.concat([cases, pd.DataFrame({"customer_id": [None], "cases": [unnamed]})])
    return cases.assign(minutes=np.nan).reset_index(drop=True), by_day


def _stated(minutes: float | None) -> float:
    return ORDER_MINUTES if minutes is None else minutes


def _classes(
    cases: pd.DataFrame, order: list[str], stated: float | None
) -> tuple[pd.DataFrame, tuple[NDArray[np.float64], ...] | None]:
    parts = {tier: cases[cases["tier"] == tier] for tier in order}
    table = pd.DataFrame(
        {
            "tier": order,
            "customers": [
                part.loc[part["cases"] > 0, "customer_id"].nunique() for part in parts.values()
            ],
            "cases": [int(part["cases"].sum()) for part in parts.values()],
        }
    )
    if stated is not None:
        return table.assign(minutes=float(stated), variability=1.0), None
    # A tier of whose cases no handling time is known is taken to be like the others.
    times = [_times(part if part["minutes"].notna().any() else cases) for part in parts.values()]
    times = [one if one.mean() > 0 else _times(cases) for one in times]
    minutes = [float(one.mean()) for one in times]
    spread = [float(one.var() / one.mean() ** 2) for one in times]
    return table.assign(minutes=minutes, variability=spread), tuple(times)


def _times(cases: pd.DataFrame) -> NDArray[np.float64]:
    """The handling times one by one; of very many, evenly spaced quantiles with the same mean."""
    known = cases[cases["minutes"].notna()].sort_values("minutes", kind="stable")
    minutes, counts = known["minutes"].to_numpy(float), known["cases"].to_numpy()
    if counts.sum() <= MOST_TIMES:
        return np.repeat(minutes, counts)
    reached = (np.arange(MOST_TIMES) + 0.5) / MOST_TIMES * counts.sum()
    chosen = minutes[np.searchsorted(np.cumsum(counts), reached)]
    return chosen * (np.average(minutes, weights=counts) / chosen.mean())


def _values(crm: Workspace, tier_of: pd.Series) -> tuple[pd.Series, Literal["margin", "revenue"]]:
    summary = crm.query("customer_summary").set_index("customer_id")
    known = crm.has("orders", "cost") and bool(summary["margin"].notna().any())
    money = summary["margin" if known else "amount"].fillna(0.0)
    # A tier that loses money cannot be given a negative weight.
    total = money.groupby(tier_of.reindex(money.index)).sum().clip(lower=0)
    return total, "margin" if known else "revenue"
