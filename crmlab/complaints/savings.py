"""What each cause of complaints costs in a year, drawn again and again over the customers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.aftermath import SILENT, WELL
from crmlab.complaints.cases import cases, of_complaints
from crmlab.complaints.incidents import placed
from crmlab.complaints.repurchase import CONFIDENCE, AfterIncidents, after_incidents
from crmlab.data.drawn import some_customers
from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.show.once import once
from crmlab.show.result import Exclusion
from crmlab.stats.clustered import rate
from crmlab.stats.intervals import CELLS, times_drawn

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: What a cause costs, in the order in which it is shown; the last is an estimate.
PARTS = ("handling", "compensation", "margin")
#: The fault of an order that shows a cause, in the codes of the data model.
FAULT_OF = {
    "damage": "damaged",
    "documents": "documents",
    "late_delivery": "late",
    "short_delivery": "short",
}
YEAR = 365

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Causes:
    """The complaints by customer and cause, and what the customers ordered.

    Attributes
    ----------
    names : list of str
        The causes, sorted.
    counts : numpy.ndarray, shape (customers, causes)
        Complaints.
    customers : numpy.ndarray, shape (causes,)
        Customers who complained of each.
    sums, known : dict of str to numpy.ndarray, shape (customers, causes)
        For ``"handling"`` and ``"compensation"`` the money, and the complaints of which it is
        known. Without the parts that are not known at all.
    exposure : numpy.ndarray, shape (customers,)
        Orders, or days where there are no orders with a day.
    year : float
        Orders of a year, or days.
    by_orders : bool
        Whether the exposure is orders.
    lost : dict of str to numpy.ndarray, shape (customers, causes)
        By what happened: margin of the orders that came after it. Empty where not known.
    followed : numpy.ndarray, shape (customers,)
        Orders of the months that are followed.
    ratios : dict of str to tuple of float
        By what happened: log ratio of the orders after it, and its standard error.
    """

    names: list[str]
    counts: Array
    customers: NDArray[np.int64]
    sums: dict[str, Array]
    known: dict[str, Array]
    exposure: Array
    year: float
    by_orders: bool
    lost: dict[str, Array]
    followed: Array
    ratios: dict[str, tuple[float, float]]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the cost that are known."""
        own = [part for part in PARTS[:2] if part in self.sums]
        return (*own, *(["margin"] if self.lost else []))

    def expected(self) -> pd.DataFrame:
        """Complaints of a year by cause: expected, low, high."""
        rows = []
        for place in range(len(self.names)):
            found = rate(self.counts[:, place], self.exposure, confidence=CONFIDENCE)
            rows.append([self.year * value for value in found[:3]])
        return pd.DataFrame(rows, columns=["value", "low", "high"])

    def money(self, weights: Array, logs: Mapping[str, Array]) -> Array:
        """Money of a year, shape (draws, causes, parts), for times that customers were drawn.

        Parameters
        ----------
        weights : numpy.ndarray, shape (draws, customers)
        logs : mapping of str to numpy.ndarray, shape (draws,)
            Log ratio of the orders after each thing that can have happened.
        """
        complaints = weights @ self.counts / (weights @ self.exposure)[:, None] * self.year
        found = []
        for part in self.parts:
            if part == "margin":
                found.append(self._margin(weights, logs))
                continue
            known = weights @ self.known[part]
            mean = (weights @ self.sums[part]) / np.maximum(known, 1e-9)
            found.append(complaints * mean)
        return np.stack(found, axis=2)

    def _margin(self, weights: Array, logs: Mapping[str, Array]) -> Array:
        """What was not ordered: had it gone well, orders would have been more by 1/ratio."""
        share = self.year / np.maximum(weights @ self.followed, 1e-9)
        total = np.zeros((len(weights), len(self.names)))
        for state, after in self.lost.items():
            total += (np.exp(-logs[state]) - 1)[:, None] * (weights @ after)
        return total * share[:, None]


@dataclass(frozen=True)
class Found:
    """The causes, and what stands aside.

    Attributes
    ----------
    causes : Causes
    frame : pandas.DataFrame
        The complaints with a cause, as of `cases`.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    causes: Causes
    frame: pd.DataFrame
    exclusions: tuple[Exclusion, ...]
    part: str


@once
def causes_of(crm: Workspace, faults: Mapping[str, str]) -> Found:
    """The causes with all that is known of their cost.

    Parameters
    ----------
    crm : Workspace
    faults : mapping of str to str
        Cause to the fault of orders that shows it.

    Returns
    -------
    Found

    Raises
    ------
    NotEnoughData
        If no complaint has a cause.
    """
    # Orders without a day say nothing of how many there are in a year.
    by_orders = crm.has("orders", "customer_id", "ordered_at")
    workspace, part = some_customers(crm) if by_orders else (crm, "")
    found = cases(workspace, suggestions=False)
    frame = found.frame[found.frame["cause"].notna()].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(_("No complaint has a cause."))
    who = frame["customer_id"].fillna("\t" + frame["complaint_id"].astype("str"))
    orders = _orders_by_customer(workspace) if by_orders else pd.Series(dtype=float)
    everyone = pd.Index(np.union1d(orders.index.astype(str), who.unique().astype(str)))
    place, (cause, names) = everyone.get_indexer(who), pd.factorize(frame["cause"], sort=True)
    shape = (len(everyone), len(names))
    cell = place * len(names) + cause

    def spread(values: pd.Series) -> Array:
        return np.bincount(cell, values, minlength=shape[0] * shape[1]).astype(float).reshape(shape)

    sums, known = _costs(frame, spread)
    exposure = orders.reindex(everyone).fillna(0).to_numpy(float, copy=True)
    if by_orders and exposure.sum() > 0:
        # Orders of nobody who is named count too: complaints of nobody who is named do.
        exposure *= float(workspace.query("order_counts")["orders"].iloc[0]) / exposure.sum()
    # Who complained and has no order in the data counts among the complaints all the same.
    exposure = np.maximum(exposure, 1e-9) if by_orders else np.full(shape[0], _days(crm) / shape[0])
    lost, followed, ratios, unknown = _lost(crm, workspace, frame, everyone, list(names), faults)
    counts = spread(pd.Series(1.0, frame.index))
    causes = Causes(
        [str(name) for name in names],
        counts,
        (counts > 0).sum(axis=0),
        sums,
        known,
        exposure,
        _year(crm) if by_orders else float(YEAR),
        by_orders,
        lost,
        followed,
        ratios,
    )
    without = len(found.frame) - len(frame)
    exclusions = found.exclusions()
    if without:
        exclusions = (*exclusions, of_complaints(_("cause not given"), without))
    if unknown:
        why = _("margin of their orders not known, from the margin lost later")
        exclusions = (*exclusions, Exclusion.of_customers(why, unknown))
    return Found(causes, frame, exclusions, part)


@dataclass(frozen=True)
class Drawn:
    """Money of a year, as it is and for customers drawn again.

    Attributes
    ----------
    estimate : numpy.ndarray, shape (causes, parts)
    drawn : numpy.ndarray, shape (resamples, causes, parts)
    """

    estimate: Array
    drawn: Array


@once
def draws(crm: Workspace, faults: Mapping[str, str], resamples: int, seed: int) -> Drawn:
    """Money of a year by cause and part, whatever share of it and at whatever cost is removed."""
    causes = causes_of(crm, faults).causes
    random = np.random.default_rng(seed)
    size = len(causes.exposure)
    plain = {state: np.array([value]) for state, (value, _error) in causes.ratios.items()}
    estimate = causes.money(np.ones((1, size)), plain)[0]
    chunks = max(1, math.ceil(resamples * size / CELLS))
    parts = []
    for some in np.array_split(np.arange(resamples), chunks):
        logs = {
            state: random.normal(value, error, len(some))
            for state, (value, error) in causes.ratios.items()
        }
        parts.append(causes.money(times_drawn(len(some), size, random), logs))
    return Drawn(estimate, np.concatenate(parts))


def _orders_by_customer(crm: Workspace) -> pd.Series:
    counted = crm.query("order_counts", by="customer_id").dropna(subset=["customer_id"])
    return counted.set_index("customer_id")["orders"].astype(float)


def _days(crm: Workspace) -> int:
    return (crm.as_of - crm.first_day).days + 1


def _year(crm: Workspace) -> float:
    """Orders of a year: those of the last 365 days, or of fewer if there are no more."""
    days = min(YEAR, _days(crm))
    first = crm.as_of - pd.Timedelta(days=days - 1).to_pytimedelta()
    orders = crm.query("order_counts", period_from=first, period_to=crm.as_of)["orders"]
    return float(orders.sum()) * YEAR / days


def _costs(
    frame: pd.DataFrame, spread: Callable[[pd.Series], Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums by customer and cause, and the complaints of which they are known."""
    compensation = frame["compensation"]
    handling = frame["handling_cost"].where(
        ~frame["cost_by_rule"], frame["cost"] - compensation.fillna(0)
    )
    # Of a complaint still open nobody knows what it will be compensated with; and where some have
    # the money 0, nothing given is not known rather than nothing paid.
    closed = frame["resolved_at"].notna() if frame["resolved_at"].notna().any() else True
    closed = closed & (not compensation.eq(0).any())
    money = {"handling": handling, "compensation": compensation}
    known = {"handling": handling.notna(), "compensation": compensation.notna() | closed}
    there = [name for name in money if money[name].notna().any()]
    return (
        {name: spread(money[name].fillna(0)) for name in there},
        {name: spread(known[name].astype(float)) for name in there},
    )


def _lost(
    crm: Workspace,
    workspace: Workspace,
    frame: pd.DataFrame,
    everyone: pd.Index,
    names: list[str],
    faults: Mapping[str, str],
) -> tuple[dict[str, Array], Array, dict[str, tuple[float, float]], int]:
    """Margin of what was ordered after each cause, where orders tell it.

    Customers of whose orders no margin is known are left out of it, and counted.
    """
    nothing: tuple[dict[str, Array], Array, dict[str, tuple[float, float]], int]
    nothing = ({}, np.zeros(0), {}, 0)
    if after_incidents.missing(crm) or not crm.has("orders", "amount", "cost"):  # type: ignore[attr-defined]
        return nothing
    try:
        after = after_incidents(crm)
    except NotEnoughData:
        return nothing
    ratios = _ratios(after)
    happened = set(after.months["happened"]) - {WELL}
    if happened - set(ratios):
        return nothing
    margin = after.months["customer_id"].map(_margins(workspace))
    unknown = int(after.months.loc[margin.isna(), "customer_id"].nunique())
    months = after.months[margin.notna()].reset_index(drop=True)
    if months.empty:
        return nothing
    place = everyone.get_indexer(months["customer_id"])
    worth = months["after"] * margin.dropna().to_numpy()
    followed = np.bincount(place, months["orders"], minlength=len(everyone)).astype(float)
    shares = _shares(crm, frame, months, names, faults)
    lost = {}
    for state in sorted(happened):
        own = months["happened"].eq(state).to_numpy()
        made = np.zeros((len(everyone), len(names)))
        np.add.at(made, place[own], shares[own] * worth.to_numpy()[own, None])
        lost[state] = made
    return lost, followed, ratios, unknown


def _ratios(after: AfterIncidents) -> dict[str, tuple[float, float]]:
    """Log ratios with their standard errors, which are those of the intervals."""
    from scipy.stats import norm

    rows = after.table.dropna(subset=["ratio"])
    width = np.log(rows["ratio_high"] / rows["ratio_low"]) / 2 / norm.ppf((1 + CONFIDENCE) / 2)
    values = zip(np.log(rows["ratio"]), width, strict=True)
    return dict(zip(rows["happened"], ((float(v), float(w)) for v, w in values), strict=True))


def _margins(crm: Workspace) -> pd.Series:
    """Mean margin of an order, by customer."""
    orders = crm.orders
    margin = (orders["amount"] - orders["cost"]).where(~(orders["amount"] < 0))
    return margin.groupby(orders["customer_id"]).mean()


def _shares(
    crm: Workspace,
    frame: pd.DataFrame,
    months: pd.DataFrame,
    names: list[str],
    faults: Mapping[str, str],
) -> Array:
    """Which cause each customer-month is laid to: that of its first complaint, or its faults."""
    first = frame.dropna(subset=["order_id"]).drop_duplicates("order_id").set_index("order_id")
    cause = months["about"].map(first["cause"])
    made = np.zeros((len(months), len(names)))
    found = placed(crm)
    silent = found.frame[found.frame["wrong"] & ~found.frame["complained"].astype(bool)]
    kinds = list(found.kinds)
    weight = silent[kinds].astype(float).div(silent[kinds].sum(axis=1), axis=0)
    month = silent["ordered_at"].dt.to_period("M").dt.to_timestamp()
    by_month = weight.groupby([silent["customer_id"], month]).mean()
    keys = pd.MultiIndex.from_arrays([months["customer_id"], months["month"]])
    own = by_month.reindex(keys).fillna(0).to_numpy(copy=True)
    own[months["happened"].ne(SILENT).to_numpy()] = 0
    for place, name in enumerate(names):
        made[:, place] = cause.eq(name).fillna(False)
        if faults.get(name) in kinds:
            made[:, place] += own[:, kinds.index(faults[name])]
    return made
