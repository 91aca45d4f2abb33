"""Complaints and the orders they come from, by group and customer: what a rate is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from crmlab.complaints.cases import cases, of_complaints
from crmlab.data.model import TABLES
from crmlab.errors import NotEnoughData, TooManyGroups
from crmlab.language import _
from crmlab.show.columns import shown
from crmlab.show.once import once
from crmlab.show.result import Exclusion
from crmlab.stats import clustered
from crmlab.stats.clustered import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: More groups than this cannot be compared.
GROUPS = 200


@dataclass(frozen=True)
class Exposed:
    """Complaints and orders by group and customer.

    Attributes
    ----------
    frame : pandas.DataFrame
        The column of the groups (if any), customer_id (missing where not known), orders,
        complaints (without suggestions), suggestions, cluster (number of the customer, -1 where not
        known).
    by : str
        Column of the groups; empty for none.
    own_orders : bool
        Whether a group has orders of its own; otherwise its complaints are held against all.
    clustered : bool
        Whether customers are known.
    left_out : tuple of Exclusion
    """

    frame: pd.DataFrame
    by: str
    own_orders: bool
    clustered: bool
    left_out: tuple[Exclusion, ...]


class Rate(NamedTuple):
    """A rate per order with its intervals.

    Attributes
    ----------
    events, orders : float
    estimate : crmlab.stats.clustered.Estimate
        Events and orders divided by the overdispersion of customers.
    plain : crmlab.stats.clustered.Estimate
        As if all complaints were independent.
    """

    events: float
    orders: float
    estimate: Estimate
    plain: Estimate


def has_own_orders(by: str) -> bool:
    """Whether a column belongs to orders or customers, so that each group has its own orders.

    Examples
    --------
    >>> [has_own_orders(name) for name in ("route", "customers.region", "cause", "staff.team")]
    [True, True, False, False]
    """
    table, _dot, name = by.rpartition(".")
    if table or name == "customer_id":
        return table not in ("complaints", "staff")
    return by not in TABLES["complaints"] and (by in TABLES["orders"] or by in TABLES["customers"])


@once
def exposed(crm: Workspace, *, by: str | None = None) -> Exposed:
    """Complaints and orders by group and customer.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; orders.
    by : str, optional
        A column of complaints, orders, customers or staff.

    Returns
    -------
    Exposed

    Raises
    ------
    NotEnoughData
        If there is no complaint, no order, or none whose group is known.
    CrmlabError
        If there are more than 200 groups.
    UnknownName
        If `by` names no such column.
    """
    found = cases(crm, by=by)
    known = crm.has("orders", "customer_id")
    who = ["customer_id"] if known and by != "customer_id" else []
    own = by is None or has_own_orders(by)
    placed = _placed(crm, [*([by] if by and own else []), *who])
    by = by.rpartition(".")[2] if by else None
    names = [*([by] if by else []), *who]
    complaints = _complaints(found.frame, names)
    left_out = list(found.exclusions())
    if by:
        placed, complaints = _of_known_groups(placed, complaints, by, own, left_out, crm)
    if own:
        frame = placed.merge(complaints, how="outer", on=names) if names else _joined(
            placed, complaints
        )  # fmt: skip
    else:
        frame = _against_all(placed, complaints, str(by), names)
    counts = ["orders", "complaints", "suggestions"]
    frame[counts] = frame[counts].fillna(0).astype("int64")
    if not known and "customer_id" not in frame:
        frame["customer_id"] = pd.Series(pd.NA, index=frame.index, dtype="str")
    frame["cluster"] = pd.factorize(frame["customer_id"])[0]
    return Exposed(frame, by or "", own, known, tuple(left_out))


def _placed(crm: Workspace, names: list[str]) -> pd.DataFrame:
    orders = crm.query("order_counts", by=names) if names else crm.query("order_counts")
    if not orders["orders"].sum() > 0:
        raise NotEnoughData(_("There is no order, so there is nothing to hold complaints against."))
    return orders


def _complaints(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    counted = frame.assign(complaints=~frame["suggestion"], suggestions=frame["suggestion"])
    both = ["complaints", "suggestions"]
    if not names:
        return pd.DataFrame([counted[both].sum()])
    return counted.groupby(names, dropna=False, as_index=False)[both].sum()


def _joined(placed: pd.DataFrame, complaints: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([placed.reset_index(drop=True), complaints.reset_index(drop=True)], axis=1)


def _of_known_groups(
    placed: pd.DataFrame, complaints: pd.DataFrame, by: str, own: bool,
    left_out: list[Exclusion], crm: Workspace,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Those whose group is known; the others are counted as left out."""
    reason = _("{column} not given").format(column=shown(by).label)
    nameless = complaints[complaints[by].isna()]
    lost = int(nameless[["complaints", "suggestions"]].to_numpy().sum())
    if lost:
        left_out.append(of_complaints(reason, lost))
    if own and placed[by].isna().any():
        orders = int(placed.loc[placed[by].isna(), "orders"].sum())
        left_out.append(Exclusion.of_orders(reason, orders, crm.settings.record))
    complaints = complaints[complaints[by].notna()]
    placed = placed[placed[by].notna()] if own else placed
    groups = pd.concat([placed[by] if own else complaints[by], complaints[by]]).nunique()
    if not groups:
        raise NotEnoughData(
            _("Nothing is known of {column}, so there are no groups.").format(column=by)
        )
    if groups > GROUPS:
        raise TooManyGroups(
            _(
                "by = {column} makes {groups} groups; more than {most} cannot be compared. Choose "
                "a column with fewer values."
            ).format(column=repr(by), groups=groups, most=GROUPS)
        )
    return placed.reset_index(drop=True), complaints.reset_index(drop=True)


def _against_all(
    placed: pd.DataFrame, complaints: pd.DataFrame, by: str, names: list[str]
) -> pd.DataFrame:
    """Every group against the orders of all: those of each customer stand in every group."""
    groups = pd.DataFrame({by: sorted(complaints[by].unique())}).astype(
        {by: complaints[by].dtype}
    )  # fmt: skip
    every = groups.merge(placed, how="cross")
    return every.merge(complaints, how="outer", on=names)


def rate_of(cells: pd.DataFrame, column: str, overdispersion: float, confidence: float) -> Rate:
    """The rate of a group's complaints per order.

    Parameters
    ----------
    cells : pandas.DataFrame
        As in `Exposed.frame`, of the group.
    column : str
        The events.
    overdispersion : float
        How unlike customers are in all groups, as from `crmlab.stats.clustered.overdispersion`.
    confidence : float

    Returns
    -------
    Rate

    Notes
    -----
    The design effect is that of the customers who are known and have orders; it is applied to all.
    The interval is that of `crmlab.stats.clustered.rate`.
    """
    events, orders = float(cells[column].sum()), float(cells["orders"].sum())
    if not orders > 0:
        return Rate(events, orders, clustered.NOTHING, clustered.NOTHING)
    effect, wide = clustered.rate_effects(
        *_by_customer(cells, column), overdispersion=overdispersion, confidence=confidence
    )
    allowed, plain = (
        Estimate(events / orders, float(ends.low), float(ends.high), of)
        for ends, of in (
            (clustered.poisson(events / wide, orders / wide, confidence=confidence), effect),
            (clustered.poisson(events, orders, confidence=confidence), 1.0),
        )
    )
    return Rate(events, orders, allowed, plain)


def effective(
    cells: pd.DataFrame, column: str, overdispersion: float
) -> tuple[float, float, float]:
    """Events, orders, and the design effect by which both are divided; as in `rate_of`."""
    events, orders = float(cells[column].sum()), float(cells["orders"].sum())
    effect, _wide = clustered.rate_effects(
        *_by_customer(cells, column), overdispersion=overdispersion
    )
    return events, orders, effect


def _by_customer(cells: pd.DataFrame, column: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Events and orders of each customer who is known."""
    named = (cells["cluster"] >= 0).to_numpy()
    who = cells["cluster"].to_numpy()[named]
    counts, sizes = (
        np.bincount(who, cells[name].to_numpy(float)[named]) for name in (column, "orders")
    )
    return counts, sizes


def unlike(cells: pd.DataFrame, column: str, by: str) -> float:
    """How unlike the customers of a group are in their rates, beyond chance, over all groups."""
    named = cells[cells["customer_id"].notna() & (cells["orders"] > 0)]
    if named.empty:
        return 0.0
    groups = named[by] if by else np.zeros(len(named))
    return clustered.overdispersion(named[column], named["orders"], groups)


def freedom(sides: tuple[pd.DataFrame, pd.DataFrame], effects: tuple[float, float]) -> float:
    """Degrees of freedom of the comparison of two rates, each divided by its design effect.

    Parameters
    ----------
    sides : tuple of pandas.DataFrame
        Cells as in `Exposed.frame`, with orders.
    effects : tuple of float

    Returns
    -------
    float
        Infinite where customers are not known; NaN where all orders of a side are of one customer.

    Notes
    -----
    Satterthwaite's (V₁ + V₂)²/(V₁²/f₁ + V₂²/f₂), V the effect over the orders, as if the rates were
    equal, and f the effective number of customers (Σe)²/Σe², e the orders of one, less one.

    References
    ----------
    Kish, L. (1965), Survey Sampling, section 11.7. Satterthwaite, F. E. (1946), Biometrics Bulletin
    2, 110-114.
    """
    if not any((cells["cluster"] >= 0).any() for cells in sides):
        return np.inf
    orders = np.array([cells["orders"].sum() for cells in sides], float)
    spreads = np.array(effects) / orders
    free = np.array([clustered.freedom(_by_customer(cells, "orders")[1]) for cells in sides])
    return float(spreads.sum() ** 2 / np.sum(spreads**2 / free))
