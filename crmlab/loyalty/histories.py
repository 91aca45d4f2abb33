"""Frequency, recency and age of every customer: what a model of repeat buying is fitted to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.purchases import Occasion, Purchases, acquired, purchases
from crmlab.show.once import once
from crmlab.show.result import Exclusion
from crmlab.stats.lifetime import RepeatBuying, bg_nbd, pareto_nbd

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = np.ndarray[Any, np.dtype[np.float64]]
Unit = Literal["day", "week", "month"]
Cohort = Literal["won", "all"]
Model = Literal["bg_nbd", "pareto_nbd"]

#: Days of each unit of time.
UNITS: Mapping[str, float] = {"day": 1.0, "week": 7.0, "month": 365.25 / 12}
MODELS = {"bg_nbd": bg_nbd, "pareto_nbd": pareto_nbd}
#: From this mean P(alive) on the data show next to nobody leaving.
ALL_STAY = 0.99
#: As the literature calls them, in every language.
MODEL_NAMES: Mapping[str, str] = {"bg_nbd": "BG/NBD", "pareto_nbd": "Pareto/NBD"}


@dataclass(frozen=True)
class Histories:
    """The customers who bought up to a day, as a model of repeat buying sees them.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per customer: customer_id, first_day, frequency (purchases after the first),
        recency_days (from the first to the last purchase), age_days (from the first purchase to
        `until`), fitted (whether the model is fitted to the customer), and the money columns of
        `purchases`.
    unit : {"day", "week", "month"}
    cohort : {"won", "all"}
    until : datetime.date
        Day on which the observation ends.
    since : datetime.date
        First day of the data.
    dated : bool
        Whether it is known when customers were acquired.
    survivors : int
        Customers acquired before the data begin.
    undated : int
        Customers of unknown acquisition, where that of others is known.
    bought : Purchases
    """

    frame: pd.DataFrame
    unit: Unit
    cohort: Cohort
    until: date
    since: date
    dated: bool
    survivors: int
    undated: int
    bought: Purchases

    @property
    def days(self) -> float:
        """Days of a unit of time."""
        return UNITS[self.unit]

    def groups(self, *, fitted: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
        """Customers who are alike together, and the group of each customer.

        Parameters
        ----------
        fitted : bool
            Only customers to whom the model is fitted.

        Returns
        -------
        tuple of pandas.DataFrame and numpy.ndarray
            A row per group: frequency, recency and age (in units of time), customers.
        """
        frame = self.frame[self.frame["fitted"]] if fitted else self.frame
        by = frame.groupby(["frequency", "recency_days", "age_days"], sort=True)
        found = by.size().rename("customers").reset_index()
        found["recency"] = found["recency_days"] / self.days
        found["age"] = found["age_days"] / self.days
        return found, by.ngroup().to_numpy()

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Orders and customers that the model is not fitted to."""
        counts = {
            _("acquired before the data begin"): self.survivors,
            _("not known when acquired"): self.undated,
        }
        return self.bought.exclusions + tuple(
            Exclusion.of_customers(reason, count)
            for reason, count in counts.items()
            if count and self.cohort == "won"
        )

    def words(self) -> str:
        """Whom the model is fitted to, and what is wrong with that, in a sentence or two."""
        if not self.dated:
            return _(
                "When customers were acquired is not in the data, so the first purchase seen "
                "counts as the first of all. For customers who are older than the data that is "
                "wrong: they have proved already that they stay."
            )
        if not self.survivors:
            return _(
                "No customer is said to have been acquired before the data begin. If the day of "
                "acquisition was taken from the orders, customers who are older than the data "
                "cannot be told from new ones."
            )
        if self.cohort == "all":
            return ngettext(
                "{count} customer acquired before {since} is among them as if the first purchase "
                "seen had been the first of all. That is wrong: those who are left from earlier "
                "years have proved already that they stay.",
                "{count} customers acquired before {since} are among them as if the first purchase "
                "seen had been the first of all. That is wrong: those who are left from earlier "
                "years have proved already that they stay.",
                self.survivors,
            ).format(count=number(self.survivors), since=day(self.since))
        return ngettext(
            "Not fitted to {count} customer acquired before {since}: the first purchases of those "
            "who are left from earlier years are not seen, nor those who left.",
            "Not fitted to {count} customers acquired before {since}: the first purchases of those "
            "who are left from earlier years are not seen, nor those who left.",
            self.survivors,
        ).format(count=number(self.survivors), since=day(self.since))


@dataclass(frozen=True)
class Fits:
    """The histories, and the models that could be fitted to them.

    Attributes
    ----------
    histories : Histories
    model : {"bg_nbd", "pareto_nbd"}
        The one asked for.
    models : dict of str to RepeatBuying
        The one asked for, and the other where it can be fitted.
    """

    histories: Histories
    model: Model
    models: dict[str, RepeatBuying]

    @property
    def fit(self) -> RepeatBuying:
        """The model asked for."""
        return self.models[self.model]

    @cached_property
    def staying(self) -> float:
        """Mean P(alive) of all customers on the last day."""
        groups, _group = self.histories.groups()
        return float(np.average(self.fit.alive(*seen(groups)), weights=groups["customers"]))

    def caution(self) -> str:
        """Where next to nobody is thought to have left, what that means; else nothing."""
        if self.staying < ALL_STAY:
            return ""
        return _(
            "The model finds next to no sign that customers leave (mean P(alive) {mean}). That may "
            "be so; it is also what data look like that are too short to tell customers who left "
            "from those who buy rarely. Then what is expected of them is too much, by far in later "
            "years, and the intervals do not hold that."
        ).format(mean=percent(self.staying))


def seen(groups: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Frequency, recency and age of each row, as a model takes them."""
    return (
        groups["frequency"].to_numpy(float),
        groups["recency"].to_numpy(float),
        groups["age"].to_numpy(float),
    )


def unit_name(unit: str) -> str:
    """The unit of time in the current language."""
    return {"day": _("a day"), "week": _("a week"), "month": _("a month")}[unit]


@once
def histories(
    crm: Workspace,
    *,
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    until: date | None = None,
) -> Histories:
    """Frequency, recency and age of each customer, up to `as_of` or an earlier day.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers.acquired_on to know who is new.
    cohort : {"won", "all"}
        Whether a model is fitted to the customers acquired within the data, or to all.
    unit : {"day", "week", "month"}
        Of time; a month is a twelfth of 365.25 days.
    occasion : {"day", "order"}
        As in `purchases`.
    until : datetime.date, optional
        Last day of the observation; default `as_of`.

    Returns
    -------
    Histories

    Raises
    ------
    CrmlabError
        If an argument is not one of those allowed.
    NotEnoughData
        If there is no purchase, or nobody was acquired within the data.

    Notes
    -----
    The observation of a customer runs from the first purchase to `until`, whether or not there was
    a purchase on that day. A customer acquired before the data begin is seen from some later
    purchase on, and only if still there (left truncation): such survivors buy longer than new
    customers will.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"],
    ...     "ordered_at": ["2025-01-01", "2025-01-15", "2025-01-29"]})
    >>> found = histories(from_frames({"orders": orders}))
    >>> found.frame[["customer_id", "frequency", "recency_days", "age_days"]]
      customer_id  frequency  recency_days  age_days
    0           A          1            14        28
    1           B          0             0         0
    """
    _check(unit, cohort)
    last = last_day(crm, until)
    bought = purchases(crm, occasion=occasion, period_to=last)
    frame = bought.frame.assign(
        frequency=bought.frame["purchases"] - 1,
        recency_days=(bought.frame["last_day"] - bought.frame["first_day"]).dt.days,
        age_days=(pd.Timestamp(last) - bought.frame["first_day"]).dt.days,
    )
    since = acquired(crm, frame["customer_id"])
    known = since.notna()
    won = known & (since >= pd.Timestamp(crm.first_day)) if known.any() else ~known
    frame["fitted"] = won if cohort == "won" else True
    if not frame["fitted"].any():
        raise NotEnoughData(
            _(
                "None of {customers} customers was acquired within the data, from {since} to "
                "{until}. With cohort='all' the first purchase seen counts as the first, which is "
                "wrong for customers who are older."
            ).format(customers=number(len(frame)), since=day(crm.first_day), until=day(last))
        )
    return Histories(
        frame,
        unit,
        cohort,
        last,
        crm.first_day,
        bool(known.any()),
        int((known & ~won).sum()),
        int((~known).sum()) if known.any() else 0,
        bought,
    )


@once
def fits(
    crm: Workspace,
    model: Model = "bg_nbd",
    *,
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    until: date | None = None,
) -> Fits:
    """The model asked for, and the other to compare, fitted to the histories."""
    if model not in MODELS:
        raise CrmlabError(
            _("model is 'bg_nbd' or 'pareto_nbd'; it is {model}.").format(model=repr(model))
        )
    found = histories(crm, cohort=cohort, unit=unit, occasion=occasion, until=until)
    models: dict[str, RepeatBuying] = {model: fitted(found, model)}
    other: Model = "pareto_nbd" if model == "bg_nbd" else "bg_nbd"
    # What is asked for stands without it; the reading says that there is nothing to compare.
    with contextlib.suppress(CrmlabError):
        models[other] = fitted(found, other)
    return Fits(found, model, models)


def fitted(found: Histories, model: Model) -> RepeatBuying:
    """A model fitted to the customers it is to be fitted to."""
    groups, _group = found.groups(fitted=True)
    return MODELS[model](*seen(groups), customers=groups["customers"].to_numpy(float))


def last_day(crm: Workspace, until: date | None) -> date:
    """The day on which the observation ends."""
    if until is None:
        return crm.as_of
    asked = pd.Timestamp(until).date()
    if not crm.first_day <= asked <= crm.as_of:
        raise CrmlabError(
            _("The data run from {first} to {last}; {asked} lies outside.").format(
                first=day(crm.first_day), last=day(crm.as_of), asked=day(asked)
            )
        )
    return asked


def _check(unit: str, cohort: str) -> None:
    if unit not in UNITS:
        raise CrmlabError(
            _("unit is 'day', 'week' or 'month'; it is {unit}.").format(unit=repr(unit))
        )
    if cohort not in ("won", "all"):
        raise CrmlabError(
            _("cohort is 'won' or 'all'; it is {cohort}.").format(cohort=repr(cohort))
        )
