"""Customers in two periods: which periods, in which state, and what would move by chance alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day
from crmlab.stats.tiers import Value, assign, with_thresholds

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

INACTIVE, NEW = "inactive", "new"
#: Columns of the query customer_summary that hold what the thresholds are about.
COLUMNS = {"revenue": "amount", "profit": "margin"}
#: So many days may be lacking at the start of two full years.
TOLERANCE = 2
#: Periods may differ in length by this share, so that February may follow January.
UNEQUAL = 0.11
#: The check of chance takes customers with about so many orders; more would not change it.
ORDERS_CHECKED = 100_000
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Periods:
    """Two consecutive periods of the same length.

    Attributes
    ----------
    first, second : (datetime.date, datetime.date)
        First and last day, both included.
    kind : {"years", "halves", "given"}
        The last two times 12 months, the halves of the data, or as asked for.
    """

    first: tuple[date, date]
    second: tuple[date, date]
    kind: str

    def names(self) -> tuple[str, str]:
        """Both periods in words."""
        first, second = (
            _("{first} to {last}").format(first=day(start), last=day(end))
            for start, end in (self.first, self.second)
        )
        return first, second

    def per_year(self) -> tuple[float, float]:
        """The factors that turn sums over each period into sums over 12 months."""
        return _DAYS_PER_YEAR / _days(self.first), _DAYS_PER_YEAR / _days(self.second)

    def months(self) -> float:
        """Length of the second period in months.

        Examples
        --------
        >>> year = (date(2024, 1, 1), date(2024, 12, 31)), (date(2025, 1, 1), date(2025, 12, 31))
        >>> round(Periods(*year, "given").months(), 1)
        12.0
        """
        return 12 / self.per_year()[1]


def choose_periods(crm: Workspace, given: Sequence[Sequence[Any]] | None = None) -> Periods:
    """The periods asked for; else the last two times 12 months, or the halves of the data.

    Parameters
    ----------
    crm : Workspace
    given : two pairs of dates, optional
        Each the first and the last day of a period.

    Returns
    -------
    Periods

    Raises
    ------
    CrmlabError
        If the periods given are not two, do not follow each other, or differ in length by more
        than a tenth.
    NotEnoughData
        If the data span less than two days, or end before the second period does.
    """
    if given is not None:
        return _given(crm, given)
    first = pd.Timestamp(crm.query("orders_accounting")["first_day"].iloc[0])
    if pd.isna(first) or (crm.as_of - first.date()).days < 1:
        raise NotEnoughData(
            _("Two periods need orders on more than one day; there are none to compare.")
        )
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    middle, start = end - pd.DateOffset(months=12), end - pd.DateOffset(months=24)
    kind = "years"
    if first > start + pd.Timedelta(days=TOLERANCE):
        kind, start = "halves", first
        middle = end - pd.Timedelta(days=(end - first).days // 2)
    before = middle - pd.Timedelta(days=1)
    return Periods((start.date(), before.date()), (middle.date(), crm.as_of), kind)


def _given(crm: Workspace, given: Sequence[Sequence[Any]]) -> Periods:
    example = '(("2024-01-01", "2024-12-31"), ("2025-01-01", "2025-12-31"))'
    try:
        first, second = (tuple(pd.Timestamp(day).date() for day in one) for one in given)
        (start, before), (middle, end) = first, second
    except (TypeError, ValueError) as error:
        raise CrmlabError(
            _("periods are two pairs of days, such as {example}; not {given}.").format(
                example=example, given=given
            )
        ) from error
    follows = start <= before and middle == before + timedelta(days=1) and middle <= end
    lengths = _days((start, before)), _days((middle, end))
    if not follows or abs(lengths[0] - lengths[1]) > UNEQUAL * max(lengths):
        raise CrmlabError(
            _(
                "The second period begins on the day after the first ends and is about as long, "
                "such as {example}."
            ).format(example=example)
        )
    if end > crm.as_of:
        raise NotEnoughData(
            _("The second period ends on {end}, the data on {last}.").format(
                end=day(end), last=day(crm.as_of)
            )
        )
    return Periods((start, before), (middle, end), "given")


def _days(period: tuple[date, date]) -> int:
    return (period[1] - period[0]).days + 1


@dataclass(frozen=True)
class States:
    """The state of every customer in both periods.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per customer: customer_id, origin, destination.
    rules : pandas.DataFrame
        The tier rules, every threshold an amount of money.
    unknown_money : int
        Customers left out because all they bought in a period has no value.
    unknown_start : int
        Customers left out because nothing says that they were customers by the end.
    """

    table: pd.DataFrame
    rules: pd.DataFrame
    unknown_money: int
    unknown_start: int

    @property
    def tiers(self) -> list[str]:
        """The tiers, best first."""
        return list(self.rules["tier"])


def customer_states(
    crm: Workspace, periods: Periods, rules: pd.DataFrame | None, value: Value
) -> States:
    """The state of every customer in both periods, by the thresholds of the first.

    Parameters
    ----------
    crm : Workspace
    periods : Periods
    rules : pandas.DataFrame, optional
        In the shape of `crmlab.stats.tiers.tier_rules`.
    value : {"revenue", "profit"}

    Raises
    ------
    NotEnoughData
        If nobody bought anything in the first period.
    """
    frame = _history(crm, periods, value)
    unknown = frame[["bought_1", "bought_2"]].to_numpy() & frame[["value_1", "value_2"]].isna()
    known = frame[~unknown.any(axis=1)]
    if not known["bought_1"].any():
        raise NotEnoughData(
            _("Nobody bought anything from {first} to {last}; there is nobody to follow.").format(
                first=day(periods.first[0]), last=day(periods.first[1])
            )
        )
    filled = with_thresholds(known.loc[known["bought_1"], "value_1"], rules)
    _check_codes(filled)
    origin = _state(known["value_1"], known["bought_1"], filled)
    destination = _state(known["value_2"], known["bought_2"], filled)
    won = known["acquired_on"].between(*(pd.Timestamp(end) for end in periods.second))
    starts = ~known["known_before"] & (known["bought_2"] | won)
    origin = origin.mask(starts, NEW)
    counted = known["known_before"] | starts
    table = pd.DataFrame({"origin": origin, "destination": destination})[counted]
    return States(
        table.reset_index(),
        filled,
        int(unknown.any(axis=1).sum()),
        int((~counted).sum()),
    )


def _history(crm: Workspace, periods: Periods, value: Value) -> pd.DataFrame:
    """What is known of every customer: bought and value by period, whether known before."""
    (start, before), (middle, end) = periods.first, periods.second
    earlier = crm.query("customer_summary", period_to=start - timedelta(days=1))
    first = crm.query("customer_summary", period_from=start, period_to=before)
    second = crm.query("customer_summary", period_from=middle, period_to=end)
    first, second = first.set_index("customer_id"), second.set_index("customer_id")
    acquired = pd.Series(dtype="datetime64[us]")
    if crm.has("customers", "customer_id"):
        acquired = crm.query("customers_acquired").set_index("customer_id")["acquired_on"]
    ids = pd.Index(earlier["customer_id"]).union(first.index)
    everybody = ids.union(second.index).union(acquired.index).rename("customer_id")
    frame = pd.DataFrame(index=everybody)
    for number, (summary, factor) in enumerate(
        zip((first, second), periods.per_year(), strict=True), start=1
    ):
        frame[f"bought_{number}"] = summary["orders"].reindex(everybody, fill_value=0) > 0
        frame[f"value_{number}"] = summary[COLUMNS[value]].reindex(everybody) * factor
    frame["acquired_on"] = acquired.reindex(everybody)
    frame["known_before"] = everybody.isin(ids) | (frame["acquired_on"] <= pd.Timestamp(before))
    return frame


def _state(values: pd.Series, bought: pd.Series, rules: pd.DataFrame) -> pd.Series:
    return assign(values, rules).where(bought, INACTIVE)


def _check_codes(rules: pd.DataFrame) -> None:
    taken = [code for code in (INACTIVE, NEW) if code in set(rules["tier"])]
    if taken:
        raise CrmlabError(
            _("A tier cannot be called {code}: that is the state of customers in no tier.").format(
                code=taken[0]
            )
        )


# --- what would move by chance ------------------------------------------------------------------


def moves_without_change(
    crm: Workspace,
    periods: Periods,
    rules: pd.DataFrame,
    value: Value,
    *,
    shuffles: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How many would change tier if nobody had changed how often and how much they buy.

    Parameters
    ----------
    crm : Workspace
    periods : Periods
    rules : pandas.DataFrame
        With every threshold an amount of money.
    value : {"revenue", "profit"}
    shuffles : int
        How often the purchases are dealt out.
    confidence : float
        Of the range of the shares dealt out.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row each for up and down: movement, customers (who moved), of (customers who bought in
        both periods), share, expected (share without change), low, high (range of the shares
        dealt out). No rows where nobody bought in both periods.

    Notes
    -----
    A customer near a threshold crosses it by chance. If somebody's purchases come at a constant
    rate, one independent of the other (a Poisson process), and are of the same kind throughout,
    then, given the first and the last, those between are spread evenly over the time between, and
    which purchase is how large is a matter of the cards. So the days between are drawn again and
    the amounts dealt out anew, again and again; thresholds stay. This counts as no change too that
    a customer was won in the course of the first period or left in the course of the second. Those
    who buy more regularly than at random would move less, those who buy in bursts more.

    A refund goes with the customer's purchase before it, and is left out where there is none in
    the two periods. With more than about 100,000 orders a random part of the customers is taken.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "A"],
    ...     "ordered_at": ["2025-01-01", "2025-01-20"], "amount": [9.0, 9.0]})
    >>> crm = from_frames({"orders": orders})
    >>> periods = choose_periods(crm)
    >>> rules = customer_states(crm, periods, None, "revenue").rules
    >>> moves_without_change(crm, periods, rules, "revenue")[["movement", "share", "expected"]]
      movement  share  expected
    0       up    0.0       0.0
    1     down    0.0       0.0
    """
    purchases = _purchases(_part(crm, seed), periods, value)
    split = pd.Timestamp(periods.second[0])
    purchases["first"] = purchases["time"] < split
    both = purchases.groupby("customer")["first"].transform("nunique") == 2
    purchases = purchases[both]
    if purchases.empty:
        columns = ["movement", "customers", "of", "share", "expected", "low", "high"]
        return pd.DataFrame(columns=columns)
    customer = pd.factorize(purchases["customer"])[0]
    amounts = purchases["money"].to_numpy(dtype=float)
    limits = rules["at_least"].to_numpy()[:-1]
    count = int(customer.max()) + 1

    def moved(first: NDArray[np.bool_]) -> Array:
        factors = periods.per_year()
        sums = [
            np.bincount(customer[chosen], amounts[chosen], minlength=count) * factor
            for chosen, factor in zip((first, ~first), factors, strict=True)
        ]
        reached = [(one[:, None] >= limits).sum(axis=1) for one in sums]
        return np.array([(reached[1] > reached[0]).mean(), (reached[1] < reached[0]).mean()])

    deal = _dealer(customer, purchases["time"], split, np.random.default_rng(seed))
    dealt = np.array([moved(deal()) for _shuffle in range(shuffles)])
    seen = moved(purchases["first"].to_numpy())
    tail = (1 - confidence) / 2
    return pd.DataFrame(
        {
            "movement": ["up", "down"],
            "customers": np.round(seen * count).astype("int64"),
            "of": count,
            "share": seen,
            "expected": dealt.mean(axis=0),
            "low": np.quantile(dealt, tail, axis=0),
            "high": np.quantile(dealt, 1 - tail, axis=0),
        }
    )


def _dealer(
    customer: NDArray[np.int64], times: pd.Series, split: pd.Timestamp, random: np.random.Generator
) -> Any:
    """A function that deals every customer's purchases to the two periods, again at each call.

    `customer` is sorted, and the times within each customer are; everybody has both periods.
    """
    size = np.bincount(customer)
    starts = np.cumsum(size) - size
    # Whole days, as many sources have no times: those up to the split, of all from first to last.
    days = times.to_numpy(dtype="datetime64[D]").astype("int64")
    first, last = days[starts], days[starts + size - 1]
    chance = (np.datetime64(split, "D").astype("int64") - first) / (last - first + 1)
    place = np.arange(len(customer)) - starts[customer]

    def deal() -> NDArray[np.bool_]:
        early = 1 + random.binomial(size - 2, chance)
        # Sorted by customer, then by lot: who comes among the first falls into the first period.
        shuffled = np.argsort(customer + random.random(len(customer)), kind="stable")
        chosen = np.empty(len(customer), dtype=bool)
        chosen[shuffled] = place < early[customer]
        return chosen

    return deal


def _part(crm: Workspace, seed: int) -> Workspace:
    """A workspace of so many customers that their orders can be held in memory."""
    found = crm.query("orders_accounting").iloc[0]
    each = found["orders"] / max(1, found["customers"])
    return crm.sample(customers=max(1, int(ORDERS_CHECKED / max(each, 1))), seed=seed)


def _purchases(crm: Workspace, periods: Periods, value: Value) -> pd.DataFrame:
    """Purchases of both periods by customer and time: customer, time, money, refunds taken off."""
    orders = crm.orders.dropna(subset=["customer_id", "ordered_at"])
    end = pd.Timestamp(periods.second[1]) + pd.Timedelta(days=1)
    inside = (orders["ordered_at"] >= pd.Timestamp(periods.first[0])) & (orders["ordered_at"] < end)
    # At one time a purchase comes before its refund.
    keys = ["customer_id", "ordered_at", "amount"]
    orders = orders[inside].sort_values(keys, ascending=[True, True, False], kind="stable")
    money = orders["amount"] - orders["cost"] if value == "profit" else orders["amount"]
    bought = ~(orders["amount"] < 0).fillna(False).to_numpy(dtype=bool)
    if crm.settings.record == "line":
        # Lines of one order stand at one time; only the first of them begins a purchase.
        again = orders.duplicated(["customer_id", "ordered_at"]).to_numpy()
        bought &= ~again
    frame = pd.DataFrame(
        {
            "customer": orders["customer_id"].to_numpy(),
            "time": orders["ordered_at"].to_numpy(),
            "money": money.fillna(0.0).to_numpy(dtype=float),
            "purchase": np.cumsum(bought),
        }
    )
    begun = frame.assign(bought=bought).groupby("customer")["bought"].cumsum() > 0
    grouped = frame[begun.to_numpy()].groupby("purchase", sort=True)
    return grouped.agg(
        customer=("customer", "first"), time=("time", "first"), money=("money", "sum")
    )
