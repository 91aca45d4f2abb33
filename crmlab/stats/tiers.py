"""Tier rules as a table: which tier (客户级别) a customer is in, the same for every chapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, current_language, money, number, percent

#: What the thresholds of the rules are about.
Value = Literal["revenue", "profit"]

_SUMMARY_COLUMNS = {"revenue": "amount", "profit": "margin"}
_DAYS_PER_YEAR = 365.25


class Tables(Protocol):
    """The part of a workspace that tiers are made from."""

    @property
    def first_day(self) -> date:
        """First day of the data."""
        ...

    @property
    def as_of(self) -> date:
        """Last day that counts."""
        ...

    @property
    def customers(self) -> pd.DataFrame:
        """The customers table."""
        ...

    @property
    def query(self) -> Callable[..., pd.DataFrame]:
        """Run a query by name."""
        ...

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table and its columns are there."""
        ...


@cache
def _rules() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "tier_rules.csv", encoding="utf-8")


def tier_rules() -> pd.DataFrame:
    """The tier rules that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per tier, best first: tier (code), label, label_zh, aim, aim_zh, customers_share
        (share of the customers, for a tier cut by rank), at_least (money per 12 months, for a tier
        cut by an absolute threshold; blank in the book's rules). `at_least` wins where both stand.
        The last tier takes everybody else and has neither.

    Examples
    --------
    >>> tier_rules()[["tier", "customers_share"]].head(2)
            tier  customers_share
    0        key             0.05
    1  potential             0.15
    """
    return _rules().copy()


def tier_names(rules: pd.DataFrame | None = None) -> dict[str, str]:
    """Label of each tier in the current language.

    Examples
    --------
    >>> tier_names()["key"]
    'Key'
    """
    table = _rules() if rules is None else rules
    column = "label_zh" if current_language() == "zh_CN" else "label"
    return dict(zip(table["tier"], table[column], strict=True))


def with_thresholds(
    values: pd.Series | np.ndarray, rules: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The rules with every threshold an amount of money.

    Parameters
    ----------
    values : array_like of float
        What each customer brings in 12 months.
    rules : pandas.DataFrame, optional
        In the shape of `tier_rules`, which are the default.

    Returns
    -------
    pandas.DataFrame
        `rules` with `at_least` filled in where it was blank; minus infinity for the last tier.

    Raises
    ------
    NotEnoughData
        If no value is above zero, so that there is nobody to rank.
    CrmlabError
        If the rules lack a column, name a tier twice, or their thresholds do not fall from tier to
        tier.

    Notes
    -----
    A blank threshold is the value of the customer at rank ⌈s·n⌉, where s is the share of customers
    in this tier and those above it and n the number of customers whose value is above zero.
    Customers who bring exactly the threshold are in the tier, so equal customers are never parted,
    and a tier can hold a few more customers than its share.

    Examples
    --------
    >>> with_thresholds(range(1, 101))["at_least"].tolist()
    [96.0, 81.0, -inf]
    """
    table = _checked(_rules() if rules is None else rules)
    falling = np.sort(np.asarray(values, dtype=float))[::-1]
    falling = falling[falling > 0]
    blank = table["at_least"].isna().to_numpy(copy=True)
    blank[-1] = False
    if blank.any() and not len(falling):
        raise NotEnoughData(
            _("Tiers by rank need customers who brought more than nothing; there are none.")
        )
    cumulative = table["customers_share"].cumsum().to_numpy()
    limits = table["at_least"].to_numpy(dtype=float, copy=True)
    # Rounded first: 0.15 + 0.05 is not exactly a fifth in binary.
    ranks = np.ceil(np.round(cumulative[blank] * len(falling), 9)).astype(int)
    limits[blank] = falling[np.maximum(ranks, 1) - 1]
    limits[-1] = -np.inf
    _check_falling(table, limits)
    return table.assign(at_least=limits)


def assign(values: pd.Series | np.ndarray, rules: pd.DataFrame) -> pd.Series:
    """The tier of each value by absolute thresholds.

    Parameters
    ----------
    values : pandas.Series or array of float
        Money per 12 months; a missing value, of a customer of whom nothing is known, gives the last
        tier.
    rules : pandas.DataFrame
        As `with_thresholds` returns them.

    Returns
    -------
    pandas.Series of str
        Named tier, with the index of `values`.

    Examples
    --------
    >>> assign(pd.Series([5.0, 99.0, 90.0]), with_thresholds(range(1, 101))).tolist()
    ['general', 'key', 'potential']
    """
    series = pd.Series(values, dtype=float)
    reached = [series >= limit for limit in rules["at_least"].to_numpy()[:-1]]
    tiers = list(rules["tier"])
    return pd.Series(np.select(reached, tiers[:-1], tiers[-1]), series.index, name="tier")


@dataclass(frozen=True)
class Tiers:
    """The tier of every customer, and where it comes from.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per customer: customer_id, tier, given (whether the company has given it), value
        (money per 12 months; 0 without orders).
    rules : pandas.DataFrame
        With every threshold an amount of money, as `with_thresholds` returns them.
    value : {"revenue", "profit"}
    currency : str
    """

    table: pd.DataFrame
    rules: pd.DataFrame
    value: Value
    currency: str

    @cached_property
    def order(self) -> list[str]:
        """The tiers that have customers, best first.

        Those of the rules are in the order of the rules. A tier that only the company knows comes
        before the first of them whose customers bring less on average.
        """
        means = self.table.groupby("tier")["value"].mean()
        return in_order(means, self.rules)

    def names(self) -> dict[str, str]:
        """Label of each tier in the current language; a tier without one is called by its code."""
        return {tier: tier for tier in self.order} | tier_names(self.rules)

    def words(self) -> str:
        """Where the tiers come from, in a sentence or two."""
        given = int(self.table["given"].sum())
        if given == len(self.table):
            return _("Tiers as the company has given them.")
        if not given:
            return self._thresholds()
        return _(
            "{given} of {customers} customers have the tier that the company has given them, the "
            "others one by rule. {thresholds}"
        ).format(
            given=number(given),
            customers=number(len(self.table)),
            thresholds=self._thresholds(),
        )

    def _thresholds(self) -> str:
        names = tier_names(self.rules)
        parts = [
            _("{tier} from {limit}").format(
                tier=names[row.tier], limit=money(row.at_least, self.currency)
            )
            for row in self.rules.iloc[:-1].itertuples()
        ]
        said = (
            _("Tiers by revenue in 12 months: {parts}; the rest {last}.")
            if self.value == "revenue"
            else _("Tiers by profit in 12 months: {parts}; the rest {last}.")
        )
        return said.format(parts=_("; ").join(parts), last=names[self.rules["tier"].iloc[-1]])


def in_order(means: pd.Series, rules: pd.DataFrame) -> list[str]:
    """Tiers from the best to the last, those too that the rules do not know.

    Parameters
    ----------
    means : pandas.Series of float
        What a customer brings on average, by tier.
    rules : pandas.DataFrame
        In the shape of `tier_rules`: its tiers keep their order.

    Examples
    --------
    >>> in_order(pd.Series({"general": 5.0, "key": 90.0, "VIP": 300.0, "new": 1.0}), tier_rules())
    ['VIP', 'key', 'general', 'new']
    """
    order = [tier for tier in rules["tier"] if tier in means.index]
    others = means[~means.index.isin(order)].sort_values(ascending=False, kind="stable")
    # From the best on: of two others before the same tier, the better comes first.
    for tier, mean in others.items():
        less = [place for place, known in enumerate(order) if means[known] < mean]
        order.insert(less[0] if less else len(order), str(tier))
    return order


def customer_tiers(
    crm: Any, *, rules: pd.DataFrame | None = None, value: Value = "revenue", given: bool = True
) -> Tiers:
    """The tier of every customer of a workspace.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; cost too where `value` is profit.
    rules : pandas.DataFrame, optional
        In the shape of `tier_rules`, which are the default.
    value : {"revenue", "profit"}
        What the thresholds are about.
    given : bool
        Whether a tier that the company has given wins over a computed one.

    Returns
    -------
    Tiers

    Raises
    ------
    NotEnoughData, CrmlabError
        As in `with_thresholds`; CrmlabError also if `value` is something else.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": ["2025-01-01", "2025-12-31"], "amount": [900.0, 10.0]})
    >>> customer_tiers(from_frames({"orders": orders})).table[["customer_id", "tier"]]
      customer_id     tier
    0           A      key
    1           B  general
    """
    if value not in _SUMMARY_COLUMNS:
        raise CrmlabError(
            _("Tiers go by revenue or by profit; value is {value}.").format(value=repr(value))
        )
    table = _values(crm, value)
    filled = with_thresholds(table["value"], rules)
    table["tier"] = assign(table["value"], filled)
    table["given"] = False
    if given and crm.has("customers", "customer_id", "tier"):
        named = crm.customers.set_index("customer_id")["tier"].dropna().astype(str)
        own = table["customer_id"].map(named)
        table["given"] = own.notna()
        table["tier"] = own.where(table["given"], table["tier"]).astype(str)
    columns = ["customer_id", "tier", "given", "value"]
    return Tiers(table[columns], filled, value, crm.settings.currency)


def known_tiers(crm: Any) -> Tiers | None:
    """The tiers of a workspace; none where there is no money to make them from.

    Parameters
    ----------
    crm : Workspace

    Returns
    -------
    Tiers or None
        None without orders of customers with day and amount, and where nobody brought more than
        nothing.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> known_tiers(from_frames({"orders": pd.DataFrame({"order_id": ["1"]})})) is None
    True
    """
    if not crm.has("orders", "customer_id", "ordered_at", "amount"):
        return None
    try:
        return customer_tiers(crm)
    except NotEnoughData:
        return None


def per_year(crm: Tables) -> float:
    """The factor that turns a sum over the period of the data into one over 12 months."""
    return _DAYS_PER_YEAR / ((crm.as_of - crm.first_day).days + 1)


def _values(crm: Any, value: Value) -> pd.DataFrame:
    """What every customer brings in 12 months; those without orders bring 0."""
    summary = crm.query("customer_summary").set_index("customer_id")[_SUMMARY_COLUMNS[value]]
    yearly = summary.fillna(0.0).astype(float) * per_year(crm)
    if crm.has("customers", "customer_id"):
        yearly = yearly.reindex(yearly.index.union(crm.customers["customer_id"]), fill_value=0.0)
    return yearly.rename("value").rename_axis("customer_id").sort_index().reset_index()


def _checked(rules: pd.DataFrame) -> pd.DataFrame:
    columns = list(rules.columns) if isinstance(rules, pd.DataFrame) else []
    lacking = [name for name in _rules().columns if name not in columns]
    if lacking or rules.empty:
        raise CrmlabError(
            _(
                "The tier rules are a table in the shape of tier_rules(), with at least one row; "
                "they lack: {columns}."
            ).format(columns=_(", ").join(lacking) or _("rows"))
        )
    twice = rules.loc[rules["tier"].duplicated(), "tier"]
    if len(twice):
        raise CrmlabError(
            _("The tier rules name the tier {tier} twice; each has one row.").format(
                tier=twice.iloc[0]
            )
        )
    neither = rules.iloc[:-1][["customers_share", "at_least"]].isna().all(axis=1)
    if neither.any():
        raise CrmlabError(
            _(
                "The tier {tier} has neither a share of customers nor a threshold; write one of "
                "the two. Only the last tier takes everybody else."
            ).format(tier=rules.loc[neither.idxmax(), "tier"])
        )
    total = float(rules["customers_share"].iloc[:-1].sum())
    if total > 1 or (rules["customers_share"] <= 0).any():
        raise CrmlabError(
            _(
                "The shares of customers in the tier rules are above 0 and add up to 100% at most; "
                "they add up to {total}."
            ).format(total=percent(total))
        )
    return rules.reset_index(drop=True)


def _check_falling(rules: pd.DataFrame, limits: np.ndarray) -> None:
    risen = np.flatnonzero(np.diff(limits) > 0)
    if len(risen):
        below = int(risen[0]) + 1
        raise CrmlabError(
            _(
                "The tier {tier} asks for {limit} or more, but the better tier {better} for less "
                "({lower}). Write the best tier first and let the thresholds fall."
            ).format(
                tier=rules["tier"].iloc[below],
                limit=number(limits[below], 2),
                better=rules["tier"].iloc[below - 1],
                lower=number(limits[below - 1], 2),
            )
        )
