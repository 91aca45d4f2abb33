"""Customer lifetime value (客户终身价值) from what customers bring in a year and how many stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, currency_name, day, money, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.intervals import bootstrap_t, check_confidence, wilson
from crmlab.stats.tiers import assign, in_order, tier_names, with_thresholds
from crmlab.tiering.service_costs import NEEDS, Books, books, ratio_and_error
from crmlab.tiering.shares import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

_DAYS_PER_YEAR = 365.25
#: Halves shorter than this cannot say who stays for a year.
LEAST_DAYS = 90
#: A tier with fewer customers in the first period, or with fewer who stayed, has no interval.
FEWEST = 5


@dataclass(frozen=True)
class Periods:
    """The two periods of equal length that retention is observed over.

    Attributes
    ----------
    first_day, first_last : datetime.date
        Of the first period, the origin.
    second_day, last_day : datetime.date
        Of the second.
    """

    first_day: date
    first_last: date
    second_day: date
    last_day: date

    @property
    def years(self) -> float:
        """Length of one period in years; 1 for 12 months, leap year or not."""
        days = (self.last_day - self.second_day).days + 1
        return 1.0 if days >= 365 else days / _DAYS_PER_YEAR

    def first(self) -> str:
        """The first period in words."""
        return _("{first} to {last}").format(first=day(self.first_day), last=day(self.first_last))

    def second(self) -> str:
        """The second period in words."""
        return _("{first} to {last}").format(first=day(self.second_day), last=day(self.last_day))


@dataclass(frozen=True, repr=False)
class LifetimeValue(Result):
    """Result of `clv`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer of the first period: customer_id, tier (then), retained (whether they
        bought in the second), profit_after_service (money, in the second).
    kept : pandas.DataFrame
        A row per tier: tier, kept, kept_low, kept_high: what a customer is worth who is known to
        stay for the coming year, which is clv / retention.
    periods : Periods
    discount : float
        A year.
    years : int or None
        Horizon; None for no end.
    rules : pandas.DataFrame
        The tier rules with thresholds from the first period.
    given : bool
        Whether any tier is one that the company has given.
    books : Books
        Of the second period.
    confidence : float
    resamples : int
    """

    measure = "tiering.clv"

    customers: pd.DataFrame
    kept: pd.DataFrame
    periods: Periods
    discount: float
    years: int | None
    rules: pd.DataFrame
    given: bool
    books: Books
    confidence: float
    resamples: int

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self._names()}

    def title(self) -> str:
        known = self.table.dropna(subset=["clv"])
        if known.empty:
            return _("No tier has enough customers for a lifetime value")
        names, best, last = self._names(), known.iloc[0], known.iloc[-1]
        if len(known) == 1:
            return _("A customer is worth {value}").format(value=self._money(best["clv"]))
        return _("A customer is worth {best} in tier {tier}, {last} in {other}").format(
            best=self._money(best["clv"]),
            tier=names[best["tier"]],
            last=self._money(last["clv"]),
            other=names[last["tier"]],
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self.table.dropna(subset=["clv"])
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 1.9 + 0.55 * max(len(known), 1)))
        names, places = self._names(), np.arange(len(known))[::-1]
        colours = [charts.LAYER_COLOURS.get(tier, charts.BLUE) for tier in known["tier"]]
        axes.barh(places, known["clv"], height=0.5, color=colours)
        axes.hlines(places, known["clv_low"], known["clv_high"], color=charts.INK, linewidth=1.5)
        for place, (_index, row) in zip(places, known.iterrows(), strict=True):
            end = np.nanmax([row["clv"], row["clv_high"], 0])
            axes.annotate(
                self._money(row["clv"]), (end, place), xytext=(6, 0), textcoords="offset points",
                va="center",
            )  # fmt: skip
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        ends = known[["clv", "clv_low", "clv_high"]].assign(zero=0.0).to_numpy(dtype=float)
        if len(known):
            # Room for the amounts written behind the bars.
            low, high = np.nanmin(ends), np.nanmax(ends)
            axes.set_xlim(low - 0.05 * (high - low) * (low < 0), high + 0.25 * (high - low))
        axes.set_yticks(places, [names[tier] for tier in known["tier"]])
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _place: number(value))
        axes.set_xlabel(
            _("Lifetime value of a customer with interval, {currency}").format(
                currency=currency_name(self.context.currency)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._by_tier(),
            self._negative(),
            self._formula(),
            self._total(),
            self._short(),
            self.books.priced(),
            self._silence(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Bars with intervals, one per tier. {tiers}").format(tiers=self._by_tier())

    def _names(self) -> dict[str, str]:
        return {tier: tier for tier in self.table["tier"]} | tier_names(self.rules)

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _by_tier(self) -> str:
        names = self._names()
        parts = [self._of_tier(names[row["tier"]], row) for _index, row in self.table.iterrows()]
        return _("Lifetime value of a customer by tier. {parts}. {intervals}").format(
            parts=_("; ").join(parts), intervals=intervals_in_brackets(self.confidence)
        )

    def _of_tier(self, name: str, row: pd.Series) -> str:
        if pd.isna(row["clv"]):
            return _("{tier}: not computed, too few customers ({customers})").format(
                tier=name, customers=number(row["customers"])
            )
        said = (
            _(
                "{tier}: {clv}, from {profit} a year and a retention of {retention} "
                "(too few for intervals)"
            )
            if pd.isna(row["clv_low"])
            else _(
                "{tier}: {clv} ({clv_low} to {clv_high}), from {profit} a year ({profit_low} to "
                "{profit_high}) and a retention of {retention} ({low} to {high})"
            )
        )
        return said.format(
            tier=name,
            clv=self._money(row["clv"]),
            clv_low=self._money(row["clv_low"]),
            clv_high=self._money(row["clv_high"]),
            profit=self._money(row["yearly_profit"]),
            profit_low=self._money(row["yearly_profit_low"]),
            profit_high=self._money(row["yearly_profit_high"]),
            retention=percent(row["retention"]),
            low=percent(row["retention_low"]),
            high=percent(row["retention_high"]),
        )

    def _negative(self) -> str:
        names = self._names()
        open_sign = (self.table["clv_low"] < 0) & (self.table["clv_high"] >= 0)
        below = self.table[(self.table["clv"] < 0) & ~open_sign]
        unclear = self.table[open_sign]
        parts = []
        if len(below):
            parts.append(
                _(
                    "Negative, because these customers cost more than they bring: {tiers}. There a "
                    "higher retention makes the value worse."
                ).format(tiers=self._listed(below, names))
            )
        if len(unclear):
            parts.append(
                _("Whether the value is above or below zero cannot be told: {tiers}.").format(
                    tiers=self._listed(unclear, names)
                )
            )
        return " ".join(parts)

    @staticmethod
    def _listed(rows: pd.DataFrame, names: Mapping[str, str]) -> str:
        return _(", ").join(names[tier] for tier in rows["tier"])

    def _formula(self) -> str:
        horizon = (
            _("without an end")
            if self.years is None
            else ngettext("over {years} year", "over {years} years", self.years).format(
                years=self.years
            )
        )
        return _(
            "The first profit counts at the end of the coming year, if the customer is still "
            "there; {horizon}, at a discount of {discount} a year. Counting a profit at once as "
            "well would multiply the value by (1 + discount) / retention where there is no end."
        ).format(horizon=horizon, discount=percent(self.discount))

    def _total(self) -> str:
        known = self.table.dropna(subset=["total"])
        if known.empty:
            return ""
        return _(
            "The {customers} customers who bought in the second period are together worth {total}, "
            "if those of a tier are like the ones it was measured on."
        ).format(customers=number(known["active"].sum()), total=self._money(known["total"].sum()))

    def _short(self) -> str:
        if self.periods.years == 1.0:
            return ""
        return _(
            "The data do not hold two years, so retention is that of {days} days raised to a year, "
            "and a season that falls into one half only distorts it."
        ).format(days=number((self.periods.last_day - self.periods.second_day).days + 1))

    def _silence(self) -> str:
        lost = self.customers[~self.customers["retained"]]
        return _(
            "Of {customers} customers who bought from {first}, {silent} bought nothing from "
            "{second}. A silent customer is not always a lost one: some will come back, so "
            "retention is too low for them, and nobody knows which."
        ).format(
            customers=number(len(self.customers)),
            first=self.periods.first(),
            silent=number(len(lost)),
            second=self.periods.second(),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "m: profit after service in the second period of the customers of the first, over "
                "those of them who bought again, as a sum a year"
            ),
            denominator=_(
                "r: share of the customers who bought in the first period who bought in the "
                "second; lifetime value = m × Σ rᵗ / (1 + d)ᵗ, t = 1, 2, …; without an end "
                "m r / (1 + d − r)"
            ),
            period=_("{first}, then {second}").format(
                first=self.periods.first(), second=self.periods.second()
            ),
            method=_(
                "{tiers} Discount {discount} a year. {confidence} intervals: Wilson for retention, "
                "studentised bootstrap over customers for profit and value, {resamples} resamples. "
                "{priced}"
            )
            .format(
                tiers=self._where_from(),
                discount=percent(self.discount),
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                priced=self.books.priced(),
            )
            .strip(),
            source=self.context.source,
            exclusions=self.books.exclusions(),
        )

    def _where_from(self) -> str:
        if self.given:
            return _(
                "Tiers as the company has given them, which may have been changed since; for "
                "customers without one, by revenue in the first period."
            )
        return _("Tiers by revenue in the first period, frozen there.")


@measure(needs=NEEDS)
def clv(
    crm: Workspace,
    *,
    discount: float = 0.10,
    years: int | None = None,
    rules: pd.DataFrame | None = None,
    given: bool = True,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> LifetimeValue:
    """What a customer of each tier is worth: yearly profit after service, times how long they stay.

    Parameters
    ----------
    crm : Workspace
        As in `cost_to_serve`.
    discount : float
        Discount rate a year, above 0; 0 only with `years`.
    years : int, optional
        Horizon in whole years; default no end.
    rules : pandas.DataFrame, optional
        Tier rules, as in `cost_to_serve`.
    given : bool
        Whether a tier that the company has given wins over the rules.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    LifetimeValue
        `.table` has a row per tier, best first: tier, customers (who bought in the first period),
        retained (of them, who bought in the second), yearly_profit (money a year per retained
        customer), yearly_profit_low, yearly_profit_high, retention (a year), retention_low,
        retention_high, clv (money per customer), clv_low, clv_high, active (customers who bought in
        the second period, by their tier then), total (clv × active).

    Raises
    ------
    MissingColumns
        If a column of orders is not there.
    NotEnoughData
        If the data hold less than 180 days, or nobody of known profit bought in the first period.
    CrmlabError
        If `discount`, `years` or `confidence` is not one of those allowed.

    Notes
    -----
    With m the yearly profit after service of a customer who is there, r the yearly retention and d
    the discount rate, CLV = m Σ (r / (1 + d))ᵗ over t = 1, 2, …, which is m r / (1 + d − r): the
    first profit comes at the end of the coming year, from those who are still there. Other
    conventions differ by a factor: with a profit at once as well (t = 0, 1, …), (1 + d) / r;
    with the profit in the middle of the year, √(1 + d). Acquisition cost is not subtracted. A
    customer who is known to stay for the coming year is worth m / (1 + d − r), which is CLV / r.

    Both figures are observed on the same customers, those who bought in the first period: the last
    24 months are cut into two years, or shorter data into halves (then m is scaled and r raised to
    a year; an odd day at the start belongs to neither). r is the share who bought again; m is all
    they brought in the second period, the cost of serving the silent ones included, over those who
    bought again. So m r is what a customer of the first period brought in the second. A computed
    tier goes by the first period alone: by both, customers would be in a high tier because they
    stayed.

    A customer who bought nothing in the second period counts as lost, although some return, which
    makes r too low; and r is held constant, although those who have stayed long stay more surely,
    which makes the value of later years too low (Fader and Hardie 2010). m stays constant too. The
    lifetime models of chapter 3 estimate for each customer how likely they are still there.

    The value is m̄ / (1 + d − r̄) of two means, a smooth function of the customers drawn; its
    standard error is by the delta method. Drawn again and again from the tiers of the bundled
    company (83 to 1,223 customers), 95 % intervals held the true value 93 to 96 times in 100.
    Customers of one tier are taken as a random draw, and the cost of an activity and the discount
    as certain.

    References
    ----------
    Gupta, S. and Lehmann, D. R. (2003), Journal of Interactive Marketing 17(1), 9-24. Fader, P. S.
    and Hardie, B. G. S. (2010), Marketing Science 29(1), 85-93. Dwyer, F. R. (1997), Journal of
    Direct Marketing 11(4), 6-13.
    """
    _check(discount, years)
    check_confidence(confidence)
    periods = _periods(crm)
    first = books(crm, period_from=periods.first_day, period_to=periods.first_last)
    second = books(crm, period_from=periods.second_day, period_to=periods.last_day)
    named = _given(crm) if given else pd.Series(dtype=object)
    origin, filled = _tiers(first, periods.years, named, rules)
    customers = _cohort(origin, second)
    now = _tiers(second, periods.years, named, filled)[0]
    drawing = {"confidence": confidence, "resamples": resamples, "seed": seed}
    value = _value(discount, years, periods.years)
    rows = [
        {"tier": tier}
        | _of_tier(
            customers[customers["tier"] == tier],
            int((now == tier).sum()),
            periods.years,
            value,
            drawing,
        )
        for tier in _order(customers, filled)
    ]
    table, kept = pd.DataFrame(rows), ["kept", "kept_low", "kept_high"]
    return LifetimeValue(
        table.drop(columns=kept),
        Context.of(crm),
        customers.reset_index(),
        table[["tier", *kept]],
        periods,
        discount,
        years,
        filled,
        bool(named.notna().any()),
        second,
        confidence,
        resamples,
    )


def margin_multiple(retention: float, discount: float, years: int | None = None) -> float:
    """How many yearly profits a customer is worth.

    Parameters
    ----------
    retention : float
        Share of customers who stay for another year.
    discount : float
        Discount rate a year.
    years : int, optional
        Horizon; default no end.

    Returns
    -------
    float
        Σ (r / (1 + d))ᵗ over t = 1, …, years; without an end r / (1 + d − r).

    Raises
    ------
    CrmlabError
        If `retention`, `discount` or `years` is not one of those allowed.

    References
    ----------
    Gupta, S. and Lehmann, D. R. (2003), Journal of Interactive Marketing 17(1), 9-24.

    Examples
    --------
    >>> round(margin_multiple(0.9, 0.10), 2)
    4.5
    >>> round(margin_multiple(0.9, 0.10, years=5), 2)
    2.85
    """
    _check(discount, years)
    if not 0 <= retention <= 1:
        raise CrmlabError(
            _("retention lies between 0 and 1, such as 0.8; it is {retention}.").format(
                retention=retention
            )
        )
    factor, _slope = _annuity(np.array(retention), discount, years)
    return float(retention * factor)


def _check(discount: float, years: int | None) -> None:
    if years is not None and (not isinstance(years, int | np.integer) or years < 1):
        raise CrmlabError(
            _("years is a whole number of at least 1, or None for no end; it is {years}.").format(
                years=repr(years)
            )
        )
    if not 0 <= discount < 1 or (years is None and discount == 0):
        raise CrmlabError(
            _(
                "discount is a rate a year such as 0.10, below 1 and above 0 (0 only with years); "
                "it is {discount}."
            ).format(discount=discount)
        )


def _annuity(retention: Array, discount: float, years: int | None) -> tuple[Array, Array]:
    """Σ rᵗ⁻¹ / (1 + d)ᵗ over the years, and its derivative by r."""
    if years is None:
        factor = 1 / (1 + discount - retention)
        return factor, factor**2
    factor, slope = np.zeros_like(retention), np.zeros_like(retention)
    for year in range(1, years + 1):
        present = (1 + discount) ** -float(year)
        factor = factor + retention ** (year - 1) * present
        if year > 1:
            slope = slope + (year - 1) * retention ** (year - 2) * present
    return factor, slope


def _value(
    discount: float, years: int | None, length: float
) -> Callable[[Array, Array], tuple[Array, Array, Array]]:
    """The lifetime value from mean profit p and share retained a of a period, and its slopes.

    With m = p/(a s) a year and r = a^(1/s), s the length of a period in years, the value is
    m r h(r), h the annuity; so p a^(1/s − 1) h(a^(1/s)) / s.
    """
    power = 1 / length

    def value(profit: Array, retained: Array) -> tuple[Array, Array, Array]:
        yearly = retained**power
        factor, slope = _annuity(yearly, discount, years)
        scale = power * retained ** (power - 1)
        by_retained = (power - 1) / retained * factor + slope * power * yearly / retained
        return profit * scale * factor, scale * factor, profit * scale * by_retained

    return value


def _periods(crm: Workspace) -> Periods:
    """The last two years, or two halves of shorter data."""
    last = crm.as_of
    second = _year_before(last)
    first = _year_before(second - timedelta(days=1))
    if first >= crm.first_day:
        return Periods(first, second - timedelta(days=1), second, last)
    half = ((last - crm.first_day).days + 1) // 2
    if half < LEAST_DAYS:
        raise NotEnoughData(
            _(
                "A lifetime value needs at least {least} days, half of them to see who comes back; "
                "the data hold {days}."
            ).format(least=2 * LEAST_DAYS, days=(last - crm.first_day).days + 1)
        )
    second = last - timedelta(days=half - 1)
    return Periods(second - timedelta(days=half), second - timedelta(days=1), second, last)


def _year_before(last: date) -> date:
    """First day of the 12 months that end on a day."""
    after = last + timedelta(days=1)
    if (after.month, after.day) == (2, 29):
        return date(after.year - 1, 3, 1)
    return after.replace(year=after.year - 1)


def _given(crm: Workspace) -> pd.Series:
    """The tiers that the company has given, by customer; empty if it has given none."""
    if not crm.has("customers", "customer_id", "tier"):
        return pd.Series(dtype=object)
    return crm.customers.set_index("customer_id")["tier"].dropna().astype(str)


def _tiers(
    kept: Books, length: float, given: pd.Series, rules: pd.DataFrame | None
) -> tuple[pd.Series, pd.DataFrame]:
    """Tier of each customer who bought in a period, by that period alone; and the rules."""
    bought = kept.set_aside.with_profit()
    bought = bought[bought["orders"] > 0].set_index("customer_id")
    if bought.empty:
        raise NotEnoughData(
            _("Nobody whose profit is known bought in the first of the two periods.")
        )
    yearly = bought["amount"].fillna(0.0).astype(float) / length
    filled = with_thresholds(yearly, rules)
    computed = assign(yearly, filled)
    own = pd.Series(bought.index.map(given), bought.index) if len(given) else None
    return (computed if own is None else own.fillna(computed).astype(str)), filled


def _cohort(origin: pd.Series, second: Books) -> pd.DataFrame:
    """Customers of the first period, with what became of them in the second.

    Those who bought in the second and whose profit is not known there are left out.
    """
    summary = second.set_aside.summary
    again = set(summary.loc[summary["orders"] > 0, "customer_id"])
    unknown = set(summary["customer_id"]) - set(second.set_aside.with_profit()["customer_id"])
    origin = origin[~origin.index.isin(unknown)]
    profit = second.customers["profit_after_service"].reindex(origin.index).fillna(0.0)
    return pd.DataFrame(
        {"tier": origin, "retained": origin.index.isin(again), "profit_after_service": profit}
    )


def _order(customers: pd.DataFrame, rules: pd.DataFrame) -> list[str]:
    return in_order(customers.groupby("tier")["profit_after_service"].mean(), rules)


def _of_tier(
    group: pd.DataFrame,
    active: int,
    length: float,
    value: Callable[[Array, Array], tuple[Array, Array, Array]],
    drawing: Mapping[str, Any],
) -> dict[str, Any]:
    """One row of the table, from the customers of a tier."""
    profit = group["profit_after_service"].to_numpy(dtype=float)
    stayed = group["retained"].to_numpy(dtype=float)
    retained, size = int(stayed.sum()), len(group)

    def statistic(weights: Array) -> tuple[Array, Array]:
        return _yearly_and_value(profit, stayed, weights, length, value)

    (yearly, worth, staying), _errors = statistic(np.ones(size))
    low = high = np.full(3, np.nan)
    if retained >= FEWEST:
        low, high = bootstrap_t(statistic, size, **drawing)
    kept = wilson(retained, size, confidence=drawing["confidence"])
    return {
        "customers": size,
        "retained": retained,
        "yearly_profit": yearly,
        "yearly_profit_low": low[0],
        "yearly_profit_high": high[0],
        "retention": (retained / size) ** (1 / length),
        "retention_low": float(kept.low) ** (1 / length),
        "retention_high": float(kept.high) ** (1 / length),
        "clv": worth,
        "clv_low": low[1],
        "clv_high": high[1],
        "active": active,
        "total": worth * active,
        "kept": staying,
        "kept_low": low[2],
        "kept_high": high[2],
    }


def _yearly_and_value(
    profit: Array,
    stayed: Array,
    weights: Array,
    length: float,
    value: Callable[[Array, Array], tuple[Array, Array, Array]],
) -> tuple[Array, Array]:
    """Yearly profit of a retained customer, lifetime value, and that of one who is known to stay.

    With their standard errors. The last is the lifetime value over the yearly retention, which is
    the share retained to the power of 1 / length.
    """
    size = weights.sum(axis=-1, keepdims=True)
    columns = np.column_stack([profit, stayed, profit**2, profit * stayed])
    mean, share, square, product = np.split(weights @ columns / size, 4, axis=-1)
    share = np.where(share > 0, share, np.nan)
    yearly, error = ratio_and_error(profit, stayed, weights)
    worth, by_mean, by_share = value(mean, share)
    retention = share ** (1 / length)
    by_both = [
        (by_mean, by_share),
        (by_mean / retention, (by_share - worth / (share * length)) / retention),
    ]
    # Who stayed is 0 or 1, and its own square.
    variance, covariance, binomial = (
        square - mean**2,
        product - mean * share,
        share * (1 - share),
    )
    errors = [
        np.sqrt((a**2 * variance + 2 * a * b * covariance + b**2 * binomial).clip(min=0) / size)
        for a, b in by_both
    ]
    return (
        np.concatenate([yearly / length, worth, worth / retention], axis=-1),
        np.concatenate([error / length, *errors], axis=-1),
    )
