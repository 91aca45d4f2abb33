"""Which cause of complaints to remove first: what each costs in a year, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.pareto import times_first
from crmlab.complaints.remove_first_words import RemoveFirst
from crmlab.complaints.repeats import repeats
from crmlab.complaints.savings import FAULT_OF, PARTS, Found, causes_of, draws
from crmlab.data.order_faults import KINDS
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number
from crmlab.show.result import Context, measure

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Days before a complaint in which another of the same customer and cause makes it a repeat.
REPEAT_DAYS = 60
CONFIDENCE = 0.95
#: A cause of fewer customers is shown and not judged.
FEWEST = 5

Array = NDArray[np.float64]


@measure(needs={"complaints": ["opened_at", "cause"]})
def remove_first(
    crm: Workspace,
    *,
    removable: float = 1.0,
    costs: Mapping[str, float] | None = None,
    faults: Mapping[str, str] | None = None,
    resamples: int = 999,
    seed: int = 0,
) -> RemoveFirst:
    """Which cause of complaints to remove first, by the money that would save in a year.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, cause. handling_cost (or handling_minutes and the workspace's
        cost of ``complaint.minute``) and compensation give what complaints cost; orders say how
        many there are in a year, and with amount, cost and what `after_incidents` needs, which
        margin is lost later.
    removable : float
        Above 0 and up to 1: the share of a cause that a remedy would remove.
    costs : mapping of str to float, optional
        What the remedy of a cause costs in a year, by cause; of the others it is not known.
    faults : mapping of str to str, optional
        Cause to the fault of orders that shows it (late, damaged, documents, short), to count those
        who said nothing; by default as the codes of the data model have it.
    resamples : int
        99 to 9,999 draws of customers.
    seed : int

    Returns
    -------
    RemoveFirst
        `.table` has a row per cause, the largest saving first: cause, customers, complaints,
        yearly, yearly_low, yearly_high (complaints of a coming year if nothing changes),
        handling_saved, compensation_saved, margin_saved (those known), saved, saved_low,
        saved_high, first_share (share of draws in which it is first; a tie is divided),
        direct_first (the same by handling and compensation alone), repeats, repeats_often; with
        `costs` also remedy_cost, net, net_low, net_high, and then the largest net is first. A cause
        of fewer than five customers has no interval.

    Raises
    ------
    CrmlabError
        If an option is out of its bounds.
    UnknownName
        If `costs` or `faults` name a cause or fault that there is not.
    NotEnoughData
        If no complaint has a cause, or nothing is known of what complaints cost.

    Notes
    -----
    Complaints of a year are complaints per order of the whole data times the orders of the last 365
    days; without orders that have a day, complaints per day times 365. Their interval is exact
    Poisson on the effective number, customers being unlike (`crmlab.stats.clustered.rate`). Money
    is that number times the mean cost of a complaint of which it is known. The margin lost is an
    estimate under assumptions: the orders that came after a month with an incident of this cause,
    complained of or not, would have been 1/ratio times as many, the ratio being that of
    `after_incidents`, each worth the customer's mean margin; later months are not counted.
    Customers are drawn with replacement, and with each draw the ratios from their normal
    approximation; intervals are percentiles.

    References
    ----------
    Goodman, J. (2009), Strategic Customer Service, on what a problem costs. Efron, B.
    and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": list("123"), "customer_id": list("ABC"),
    ...     "opened_at": ["2025-01-01", "2025-06-01", "2025-12-31"],
    ...     "cause": ["damage", "damage", "documents"], "handling_cost": [30.0, 50.0, 60.0]})
    >>> crm = from_frames({"complaints": complaints}, as_of="2025-12-31")
    >>> remove_first(crm).table[["cause", "yearly", "saved"]]
           cause  yearly  saved
    0     damage     2.0   80.0
    1  documents     1.0   60.0
    """
    _check(removable, resamples)
    known = {**FAULT_OF, **(faults or {})}
    found = causes_of(crm, known)
    _check_names(found.causes.names, costs or {}, faults or {})
    if not found.causes.parts:
        raise NotEnoughData(
            _(
                "Neither what handling costs nor what was compensated is known, nor which margin "
                "is lost, so causes cannot be ranked by money."
            )
        )
    made = draws(crm, known, resamples, seed)
    table = _table(found, made.estimate, made.drawn, removable, dict(costs or {}))
    shown_by = [cause for cause in found.causes.names if known.get(cause) in KINDS]
    return RemoveFirst(
        table,
        Context.of(crm),
        found.causes.parts,
        removable,
        resamples,
        found.causes.by_orders,
        tuple(cause for cause in found.causes.names if cause not in shown_by),
        bool(costs),
        REPEAT_DAYS,
        found.exclusions,
        found.part,
    )


def _check(removable: float, resamples: int) -> None:
    if not 0 < removable <= 1:
        raise CrmlabError(
            _("removable = {value} is not above 0 and at most 1.").format(value=removable)
        )
    if not 99 <= resamples <= 9999:
        raise CrmlabError(
            _("resamples = {value} is not from 99 to {most}.").format(
                value=resamples, most=number(9999)
            )
        )


def _check_names(causes: list[str], costs: Mapping[str, float], faults: Mapping[str, str]) -> None:
    for name in [*costs, *faults]:
        if name not in causes:
            raise UnknownName(
                _("There is no cause {name}; the causes are: {names}.").format(
                    name=repr(name), names=_(", ").join(causes)
                )
            )
    for cause, fault in faults.items():
        if fault not in KINDS:
            raise UnknownName(
                _("{fault} for {cause} is no fault of orders; these are: {names}.").format(
                    fault=repr(fault), cause=repr(cause), names=_(", ").join(KINDS)
                )
            )
    for cause, cost in costs.items():
        if not (np.isfinite(cost) and cost >= 0):
            raise CrmlabError(
                _("The cost of the remedy of {cause} is {value}; it must be 0 or more.").format(
                    cause=repr(cause), value=cost
                )
            )


def _table(
    found: Found, estimate: Array, drawn: Array, removable: float, costs: dict[str, float]
) -> pd.DataFrame:
    causes = found.causes
    expected = causes.expected()
    judged = causes.customers >= FEWEST
    table = pd.DataFrame(
        {
            "cause": causes.names,
            "customers": causes.customers,
            "complaints": causes.counts.sum(axis=0).astype("int64"),
            "yearly": expected["value"],
            "yearly_low": expected["low"].where(judged),
            "yearly_high": expected["high"].where(judged),
        }
    )
    for place, part in enumerate(causes.parts):
        table[f"{part}_saved"] = removable * estimate[:, place]
    saved, draws_of = removable * estimate.sum(axis=1), removable * drawn.sum(axis=2)
    table = _with_interval(table, "saved", saved, draws_of, judged)
    rank_by, charged = "saved", np.zeros(len(table))
    if costs:
        cost = table["cause"].map(costs).astype(float)
        table["remedy_cost"] = cost
        charged = cost.fillna(0).to_numpy()
        saved, draws_of, rank_by = saved - charged, draws_of - charged, "net"
        table = _with_interval(table, "net", saved, draws_of, judged)
    table["first_share"] = _first(draws_of)
    direct = [place for place, part in enumerate(causes.parts) if part in PARTS[:2]]
    if direct and len(direct) < len(causes.parts):
        table["direct_first"] = _first(removable * drawn[:, :, direct].sum(axis=2) - charged)
    return _with_repeats(table, found.frame).sort_values(
        rank_by, ascending=False, kind="stable", ignore_index=True
    )


def _with_repeats(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    again = repeats(frame, REPEAT_DAYS, CONFIDENCE).by_cause
    if again.empty:
        return table.assign(repeats=0, repeats_often=pd.array([None] * len(table), "boolean"))
    again = again.set_index("cause")
    return table.assign(
        repeats=table["cause"].map(again["repeats"]).fillna(0).astype("int64"),
        repeats_often=table["cause"].map(again["stands_out"]).astype("boolean"),
    )


def _with_interval(
    table: pd.DataFrame, name: str, value: Array, drawn: Array, judged: NDArray[np.bool_]
) -> pd.DataFrame:
    tail = (1 - CONFIDENCE) / 2
    # Rounded, so that the last bits of a sum do not differ from one processor to another.
    low, high = np.quantile(drawn.round(6), [tail, 1 - tail], axis=0)
    ends = {f"{name}_low": np.where(judged, low, np.nan)}
    ends[f"{name}_high"] = np.where(judged, high, np.nan)
    return table.assign(**{name: value}, **ends)


def _first(drawn: Array) -> Array:
    """In which share of the draws each cause is first; ties are divided."""
    return times_first(drawn) / len(drawn)
