"""What customers order after a month in which something went wrong, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.handled import handled
from crmlab.complaints.incidents import Placed
from crmlab.data.order_faults import without_suggestions
from crmlab.stats.counts import CountRegression, poisson
from crmlab.stats.threads import on_one_processor

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: What happened to the orders of a month; the first is what the others are compared with.
WELL, SILENT, SLOW, QUICK, ANSWERED = "well", "silent", "slow", "quick", "complained"
#: Months before in which recent orders are counted.
RECENT = 3
#: Classes of months since the first order: each begins at its number.
KNOWN_FROM = (2, 3, 4, 7, 13)
#: A level of so few customers is no level of its own.
FEWEST = 5

Array = NDArray[np.float64]


class Months(NamedTuple):
    """Customer-months with an order, and those that cannot be followed.

    Attributes
    ----------
    frame : pandas.DataFrame
        customer_id, month (its first day), happened (well, silent, slow,
        quick or complained), orders (of the month), after
        (orders in the months that follow), again (whether there was one), and what is held equal:
        so_far (mean orders a month until now), recent (orders of the three months before), known
        (months since the first order), tier where known; and about (order_id of the order whose
        complaint came first).
    open : int
        Orders of months that are not followed by whole months enough.
    unknown : int
        Orders of months whose complaint may or may not have been answered in time.
    """

    frame: pd.DataFrame
    open: int
    unknown: int


def answers(crm: Workspace, hours: float) -> pd.Series:
    """How the first complaint of each order was answered.

    Parameters
    ----------
    crm : Workspace
        With complaints: order_id.
    hours : float
        A first response within so many hours is quick.

    Returns
    -------
    pandas.Series
        By order_id, the order complained of first at the top: quick, slow (later, or not yet when
        the hours were over), or nothing (an empty text) where that cannot be told, all as in
        `crmlab.complaints.handled.handled`; complained for all where the data do not say when
        anything was answered.
    """
    complained = without_suggestions(crm.complaints)["order_id"].dropna().drop_duplicates()
    if not crm.has("complaints", "opened_at", "first_response_at"):
        return pd.Series(ANSWERED, complained, dtype="object")
    found = pd.Series(dtype="object")
    if crm.complaints["opened_at"].notna().any():
        cases = handled(crm, hours=hours).frame.dropna(subset=["order_id"])
        cases = cases.sort_values("opened_at", kind="stable").drop_duplicates("order_id")
        found = cases.set_index("order_id")["quick"].map({True: QUICK, False: SLOW})
    undated = complained[~complained.isin(found.index)]
    return found.reindex([*found.index, *undated]).astype("object").fillna("")


def customer_months(crm: Workspace, found: Placed, *, months: int, hours: float) -> Months:
    """Every month in which a customer ordered, what went wrong in it, and the orders after it.

    Parameters
    ----------
    crm : Workspace
    found : Placed
    months : int
        Whole calendar months that follow.
    hours : float
        As in `answers`.

    Returns
    -------
    Months
    """
    orders = found.frame[found.frame["customer_id"].notna() & found.frame["ordered_at"].notna()]
    orders = orders.sort_values("ordered_at", kind="stable")
    who, customers = pd.factorize(orders["customer_id"])
    number = (orders["ordered_at"].dt.year * 12 + orders["ordered_at"].dt.month - 1).to_numpy(int)
    start = int(number.min()) if len(number) else 0
    last = _months_over(crm) - start
    place = number - start
    size = max(last, int(place.max()) + 1 if len(place) else 0, 1)
    made = np.bincount(who * size + place, minlength=len(customers) * size).astype(float)
    made = made.reshape(len(customers), size)
    cell = who * size + place
    state, about = _states(orders, answers(found.workspace, hours), cell, made.size)
    row, at = np.nonzero(made)
    open_ = at + months >= last
    orders_in = made[row, at]
    code = state.reshape(made.shape)[row, at]
    unknown = (code == "") & ~open_
    kept = ~open_ & ~unknown
    frame = _described(made, row[kept], at[kept], months)
    frame.insert(0, "customer_id", customers[row[kept]])
    frame.insert(1, "month", _first_days(at[kept] + start))
    frame.insert(2, "happened", code[kept])
    frame["about"] = about.reshape(made.shape)[row[kept], at[kept]]
    if "tier" in orders:
        tier = orders.drop_duplicates("customer_id").set_index("customer_id")["tier"]
        frame["tier"] = frame["customer_id"].map(tier)
    return Months(frame, int(orders_in[open_].sum()), int(orders_in[unknown].sum()))


def _months_over(crm: Workspace) -> int:
    """The number of the first month that is not over."""
    after = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    return after.year * 12 + after.month - 1


def _first_days(numbers: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((numbers - 1970 * 12).astype("datetime64[M]").astype("datetime64[us]"))


def _states(
    orders: pd.DataFrame, told: pd.Series, cell: NDArray[np.int64], cells: int
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """What happened in each customer-month: the first complaint, else silence, else all well.

    And the order that the first complaint was about.
    """
    state, about = np.full(cells, WELL, object), np.full(cells, None, object)
    silent = (orders["wrong"] & ~orders["complained"].astype(bool)).to_numpy()
    state[cell[silent]] = SILENT
    rank = told.index.get_indexer(orders["order_id"])
    complained = np.flatnonzero(rank >= 0)
    complained = complained[np.argsort(rank[complained], kind="stable")]
    cells_of, first = np.unique(cell[complained], return_index=True)
    state[cells_of] = told.to_numpy(object)[rank[complained[first]]]
    about[cells_of] = orders["order_id"].to_numpy(object)[complained[first]]
    return state, about


def _described(
    made: Array, row: NDArray[np.int64], at: NDArray[np.int64], months: int
) -> pd.DataFrame:
    """What came after each customer-month, and what is known of the customer by then."""
    total = np.concatenate([np.zeros((len(made), 1)), made.cumsum(axis=1)], axis=1)
    known = at - (made > 0).argmax(axis=1)[row] + 1
    after = total[row, np.minimum(at + 1 + months, made.shape[1])] - total[row, at + 1]
    return pd.DataFrame(
        {
            "orders": made[row, at].astype("int64"),
            "after": after.astype("int64"),
            "again": after > 0,
            "so_far": total[row, at + 1] / known,
            "recent": total[row, at] - total[row, np.maximum(at - RECENT, 0)],
            "known": known,
        }
    )


@on_one_processor
def fitted(frame: pd.DataFrame, states: Sequence[str]) -> CountRegression:
    """Poisson regression of the orders after on what happened, customers as clusters.

    Parameters
    ----------
    frame : pandas.DataFrame
        As in `Months`, of the months that are well or in one of `states`.
    states : sequence of str
        They come first among the columns, under their names.

    Returns
    -------
    CountRegression

    Raises
    ------
    NotEnoughData
        As `crmlab.stats.counts.poisson`.
    """
    columns = {name: frame["happened"].eq(name).to_numpy(float) for name in states}
    columns["constant"] = np.ones(len(frame))
    columns["orders"] = np.log(frame["orders"].to_numpy(float))
    columns["so_far"] = np.log(frame["so_far"].to_numpy(float))
    columns["recent"] = np.log1p(frame["recent"].to_numpy(float))
    # An order or two in a month say less of a customer than the logarithm would have it.
    columns["one"] = frame["orders"].eq(1).to_numpy(float)
    columns["two"] = frame["orders"].eq(2).to_numpy(float)
    known = pd.Series(np.digitize(frame["known"], KNOWN_FROM), frame.index)
    held = {"known": known, "month": frame["month"]}
    if "tier" in frame:
        held["tier"] = frame["tier"].astype("str").fillna("")
    for name, values in held.items():
        columns |= _levels(name, values, frame["customer_id"])
    names = _independent(columns)
    design = np.column_stack([columns[name] for name in names])
    return poisson(frame["after"], design, clusters=frame["customer_id"], names=names)


def _levels(name: str, values: pd.Series, who: pd.Series) -> dict[str, Array]:
    """A column for each level but the first; levels of few customers join the first."""
    many = who.groupby(values).nunique()
    levels = [level for level in many.index[1:] if many[level] >= FEWEST]
    return {f"{name} {level}": values.eq(level).to_numpy(float) for level in levels}


def _independent(columns: dict[str, Array]) -> list[str]:
    """The columns that those before them do not make up."""
    design = np.column_stack(list(columns.values()))
    size = np.sqrt((design**2).sum(axis=0))
    some = size > 0
    corner = np.abs(np.diag(np.linalg.qr(design[:, some] / size[some], mode="r")))
    names = [name for name, used in zip(columns, some, strict=True) if used]
    return [name for name, own in zip(names, corner, strict=True) if own > 1e-7]
