"""What changed, when, and where: the scan statistic (扫描统计量) on complaints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.changes_words import FEWEST, Changes
from crmlab.complaints.series import OF, Choice, Gathered, check_one, gather
from crmlab.errors import CrmlabError, NotEnoughData, TooManyGroups, UnknownName
from crmlab.language import _, number
from crmlab.show.result import Context, measure
from crmlab.stats.clustered import poisson
from crmlab.stats.scan import (
    Stretches,
    expected_events,
    largest_by_chance,
    nearly_as_likely,
    scan,
)

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

#: A sort with fewer complaints is not looked at, and more places than this are too many.
SMALLEST = 5
PLACES = 200
#: Shortest series that has stretches to compare.
WEEKS = 8


@dataclass(frozen=True)
class _Grid:
    """Complaints and orders by place and week."""

    gathered: Gathered
    by: str
    per: str
    names: list[str]
    sorts: list[str]
    place: NDArray[np.int64]
    exposure: Array

    def counts(self, sort: str) -> Array:
        frame = self.gathered.complaints
        inside = np.ones(len(frame), bool) if not self.per else (frame[self.per] == sort).to_numpy()
        weeks = self.exposure.shape[1]
        flat = self.place[inside] * weeks + frame["place"].to_numpy()[inside]
        found = np.bincount(flat, minlength=self.exposure.size)
        return found.reshape(self.exposure.shape).astype(float)


@measure(needs={"complaints": ["opened_at"], "orders": ["ordered_at"]})
def changes(
    crm: Workspace,
    *,
    by: str | None = "route",
    per: str | None = "cause",
    of: Choice = None,
    where: Choice = None,
    direction: Literal["more", "fewer"] = "more",
    dated: Literal["opened", "ordered"] | None = None,
    draws: int = 999,
    level: float = 0.05,
    seed: int = 0,
) -> Changes:
    """At which place, and in which weeks, complaints are out of proportion.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; orders: ordered_at and the column of `by`.
    by : str, optional
        What a place is: a column of orders or customers. None looks at all places together, so
        that a season is a finding.
    per : str, optional
        What sorts complaints: a column such as ``"cause"`` or ``"kind"``; None for all together.
    of, where : mapping, optional
        Which complaints, and at which places, as in `control`.
    direction : {"more", "fewer"}
    dated : {"opened", "ordered"}, optional
        Whether a complaint counts when it was opened or when its order was placed; by default the
        latter if complaints name their orders.
    draws : int
    level : float
        A probability up to this is beyond chance.
    seed : int

    Returns
    -------
    Changes
        `.table` has a row per place and sort, with its most unlikely stretch, the most unlikely
        first: the columns of `by` and `per`, begins_on, ends_on, complaints, customers,
        expected_count, ratio, ratio_low, ratio_high, per_1000 (complaints on 1,000 orders in the
        stretch), other_per_1000 (at other times there), likelihood (log likelihood ratio),
        probability, beyond_chance (missing where more complaints are those of fewer than five
        customers).

    Raises
    ------
    CrmlabError
        If `draws` or `level` cannot be.
    TooManyGroups
        If there are too many places.
    UnknownName
        If an option names what there is not.
    NotEnoughData
        If there are too few complaints or weeks.

    Notes
    -----
    Expected are exposure × level of the place × level of the month among all places; levels are
    pulled towards 1 as far as chance explains them (`crmlab.stats.scan`). The largest likelihood
    ratio of all places, sorts and stretches of at most half of the weeks is compared with that of
    draws in which complaints fall as expected, so that the searching is paid for. Complaints dated
    by the day they were opened are set against the mean of the orders of the week and of the one
    before. Complaints of one customer that come together would make chance look smaller than it is:
    those of one sort, place and week count once. One who complains week after week still does; a
    stretch of more complaints from fewer than five customers is not judged.

    References
    ----------
    Kulldorff, M. (2001), Journal of the Royal Statistical Society A 164, 61-72.
    """
    _check(crm, per, direction, draws, level)
    chosen = dated or ("ordered" if crm.has("complaints", "order_id") else "opened")
    gathered = gather(crm, of=of, where=where, by=by, dated=chosen)
    grid = _grid(gathered, by or "", per or "")
    fewer = direction == "fewer"
    rng = np.random.default_rng(seed)
    largest = np.zeros(draws)
    tables, bounds = [], []
    for sort in grid.sorts:
        counts = grid.counts(sort)
        months = _months(gathered.starts) if by else None
        expected = expected_events(counts, grid.exposure, months)
        stretches = scan(counts, expected, fewer=fewer)
        total = int(counts.sum())
        drawn = largest_by_chance(expected, total, rng, draws=draws, fewer=fewer)
        largest = np.maximum(largest, drawn)
        tables.append(_rows(grid, sort, counts, stretches))
        bounds.append(_bounds(gathered, counts, expected, stretches, fewer))
    table, limits = _judged(tables, bounds, largest, level, fewer)
    return Changes(
        table, Context.of(crm), grid.by, grid.per, of, where, fewer, grid.gathered,
        len(grid.names), len(grid.sorts), draws, level, limits,
    )  # fmt: skip


def _check(crm: Workspace, per: str | None, direction: str, draws: int, level: float) -> None:
    known = [name for name in OF if crm.has("complaints", name)]
    if per is not None and not known:
        raise UnknownName(
            _(
                "per = {value}: complaints have neither a cause nor anything else that sorts them. "
                "Say per = None."
            ).format(value=repr(per))
        )
    if per is not None:
        check_one("per", per, known)
    check_one("direction", direction, ("more", "fewer"))
    if not 99 <= draws <= 9999:
        raise CrmlabError(_("draws = {value} is not from 99 to 9,999.").format(value=draws))
    if not 0 < level < 1:
        raise CrmlabError(_("level = {value} is not between 0 and 1.").format(value=level))


def _grid(gathered: Gathered, by: str, per: str) -> _Grid:
    frame, orders = gathered.complaints, gathered.orders
    weeks = len(gathered.starts)
    if orders is None or frame.empty or weeks < WEEKS:
        raise NotEnoughData(
            _("A scan needs complaints in at least {weeks} whole weeks; there are {count}.").format(
                weeks=number(WEEKS), count=number(weeks if len(frame) else 0)
            )
        )
    short = by.rpartition(".")[2]
    orders = orders[orders["place"] >= 0]
    names: list[str] = [""]
    group = pd.Series("", frame.index)
    if by:
        orders = orders[orders[short].notna()]
        names = sorted(str(one) for one in orders[short].unique())
        group = frame[short].astype(str)
    if len(names) > PLACES:
        raise TooManyGroups(
            _("{column} has {count} values; a scan looks at {most} places at most.").format(
                column=short, count=number(len(names)), most=number(PLACES)
            )
        )
    number_of = {name: place for place, name in enumerate(names)}
    of_orders = orders[short].astype(str).map(number_of) if by else 0
    flat = of_orders * weeks + orders["place"]
    exposure = np.bincount(flat, orders["orders"], minlength=len(names) * weeks).astype(float)
    exposure = exposure.reshape(len(names), weeks)
    if gathered.dated == "opened":
        exposure = (exposure + np.concatenate([exposure[:, :1], exposure[:, :-1]], axis=1)) / 2
    place = group.map(number_of).fillna(-1).to_numpy(int)
    there = (place >= 0) & (exposure[place, frame["place"]] > 0)
    frame, place = frame[there].reset_index(drop=True), place[there]
    again = _again(frame, place, per)
    frame, place = frame[~again].reset_index(drop=True), place[~again]
    sizes = frame[per].value_counts() if per else pd.Series({"": len(frame)})
    large = sorted(str(name) for name in sizes[sizes >= SMALLEST].index)
    if not large:
        raise NotEnoughData(
            _("No sort of complaint has {count} complaints.").format(count=number(SMALLEST))
        )
    rare = int(len(frame) - sizes[large].sum())
    left_out = {
        **gathered.left_out,
        "no_order": int((~there).sum()),
        "same_week": int(again.sum()),
        "rare": rare,
    }
    kept = replace(gathered, complaints=frame, orders=orders, left_out=left_out)
    return _Grid(kept, short, per, names, large, place, exposure)


def _again(frame: pd.DataFrame, place: Whole, per: str) -> NDArray[np.bool_]:
    """Whether the customer has complained of the sort at the place in that week already."""
    keys = ["customer_id", "_place", "place", *([per] if per else [])]
    again = frame.assign(_place=place).duplicated(keys) & frame["customer_id"].notna()
    return np.asarray(again, bool)


def _months(starts: pd.DatetimeIndex) -> NDArray[np.int64]:
    """The month in which the middle of each week lies, from 0."""
    middle = starts + pd.Timedelta(days=3)
    month = np.asarray(middle.year * 12 + middle.month)
    return np.asarray(np.unique(month, return_inverse=True)[1])


def _rows(grid: _Grid, sort: str, counts: Array, stretches: Stretches) -> pd.DataFrame:
    """A row per place that has a stretch."""
    gathered = grid.gathered
    places = np.flatnonzero(stretches.first >= 0)
    first, last = stretches.first[places], stretches.last[places]
    events, expected = stretches.events[places], stretches.expected[places]
    customers, effect = _customers(grid, sort, places, first, last)
    low, high = poisson(events / effect, expected / effect)
    side = np.pad(grid.exposure.cumsum(axis=1), ((0, 0), (1, 0)))
    within = side[places, last + 1] - side[places, first]
    outside = side[places, -1] - within
    others = counts[places].sum(axis=1) - events
    return pd.DataFrame(
        {
            grid.by or "_by": np.array(grid.names, object)[places],
            grid.per or "_per": sort,
            "begins_on": gathered.starts[first],
            "ends_on": gathered.last_days()[last],
            "complaints": events.astype("int64"),
            "customers": customers,
            "expected_count": expected,
            "ratio": events / expected,
            "ratio_low": low,
            "ratio_high": high,
            "per_1000": 1000 * events / within,
            "other_per_1000": 1000 * others / np.where(outside > 0, outside, np.nan),
            "likelihood": np.round(stretches.likelihood[places], 9),
        }
    )


def _customers(
    grid: _Grid, sort: str, places: Whole, first: Whole, last: Whole
) -> tuple[pd.arrays.IntegerArray, Array]:
    """Customers of each stretch, missing where not known, and complaints of one as a cluster."""
    frame = grid.gathered.complaints
    code = pd.factorize(frame["customer_id"])[0]
    week = frame["place"].to_numpy()
    of_sort = (frame[grid.per] == sort).to_numpy() if grid.per else np.ones(len(frame), bool)
    numbers = pd.array([pd.NA] * len(places), dtype="Int64")
    effect = np.ones(len(places))
    for row, place in enumerate(places):
        inside = of_sort & (grid.place == place) & (week >= first[row]) & (week <= last[row])
        own = code[inside]
        if (own < 0).any():
            continue
        each = np.unique(own, return_counts=True)[1]
        numbers[row] = len(each)
        effect[row] = np.sum(each**2) / np.sum(each) if len(each) else 1.0
    return numbers, effect


def _bounds(
    gathered: Gathered, counts: Array, expected: Array, stretches: Stretches, fewer: bool
) -> pd.DataFrame:
    """Of each place that has a stretch: the days of those nearly as likely."""
    starts, ends = gathered.starts, gathered.last_days()
    rows = []
    for place in np.flatnonzero(stretches.first >= 0):
        first, last = nearly_as_likely(counts[place], expected[place], counts.sum(), fewer=fewer)
        rows.append(
            {
                "begins_from": starts[first[0]],
                "begins_to": starts[first[1]],
                "ends_from": ends[last[0]],
                "ends_to": ends[last[1]],
            }
        )
    return pd.DataFrame(rows)


def _judged(
    tables: list[pd.DataFrame],
    bounds: list[pd.DataFrame],
    largest: Array,
    level: float,
    fewer: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    filled = [place for place, one in enumerate(tables) if len(one)]
    if not filled:
        empty = tables[0].assign(probability=[], beyond_chance=pd.array([], dtype="boolean"))
        return empty.drop(columns=["_by", "_per"], errors="ignore"), pd.DataFrame()
    table = pd.concat([tables[place] for place in filled], ignore_index=True)
    limits = pd.concat([bounds[place] for place in filled], ignore_index=True)
    order = np.argsort(-table["likelihood"].to_numpy(float), kind="stable")
    table, limits = (one.iloc[order].reset_index(drop=True) for one in (table, limits))
    above = np.sort(largest, kind="stable")
    likelihood = table["likelihood"].to_numpy(float)
    more = len(above) - np.searchsorted(above, likelihood, side="left")
    probability = (1 + more) / (1 + len(above))
    beyond = pd.array(probability <= level, dtype="boolean")
    if not fewer:  # few complaints come of few customers
        few = (table["customers"] < FEWEST).fillna(False).to_numpy(bool)
        beyond[few & (probability <= level)] = pd.NA
    table = table.assign(probability=probability, beyond_chance=beyond)
    return table.drop(columns=["_by", "_per"], errors="ignore"), limits
