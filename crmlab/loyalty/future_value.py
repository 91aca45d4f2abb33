"""What customers are still worth: expected purchases, times spend and margin, discounted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.interpolate import BarycentricInterpolator
from scipy.stats import norm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, currency_name, day, money, ngettext, number, percent
from crmlab.loyalty.histories import MODEL_NAMES, UNITS, Array, Cohort, Fits, Model, fits, seen
from crmlab.loyalty.purchases import Occasion
from crmlab.loyalty.spend import NEEDS, ratio_axis, refunded_share, repeat_spend
from crmlab.loyalty.uncertainty import evaluated, neighbours, spread
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence
from crmlab.stats.lifetime import Spend, gamma_gamma
from crmlab.stats.rank_correlation import spearman
from crmlab.stats.tiers import Tiers, customer_tiers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Nodes at which expected purchases are computed; between them they are interpolated.
NODES = 10
#: A tier of fewer customers of known cost takes the margin of the company.
FEWEST = 10
#: The best part of the customers, whose share of the value is told.
BEST = 0.2
#: More points than these say no more in the picture; values below this part of the largest neither.
POINTS, FLOOR = 2000, 1e-5
LONGEST = 600


@dataclass(frozen=True, repr=False)
class FutureValue(Result):
    """Result of `future_value`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer: customer_id, tier, won, frequency, alive, purchases (expected within the
        months), spend (expected of a purchase), margin_rate, future (discounted margin to come,
        money), so_far (money of past purchases, refunds subtracted).
    months : int
    discount : float
        A year.
    refunded : float
        Money taken back, as a share of what purchases brought.
    given_margin : float or None
        The margin that was given; None if it is from the costs.
    yearly_margin : float
        Margin that a customer who is there brings in the coming year.
    retention : float
        Purchases expected in the year after next, as a share of those in the coming year.
    tiers : Tiers
    fits : Fits
    spend : Spend
    confidence : float
    """

    measure = "loyalty.future_value"

    customers: pd.DataFrame
    months: int
    discount: float
    refunded: float
    given_margin: float | None
    yearly_margin: float
    retention: float
    tiers: Tiers
    fits: Fits
    spend: Spend
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self.tiers.names() | {"all": _("all")}}

    @property
    def best_share(self) -> float:
        """Share of the value that the best fifth of the customers hold."""
        values = np.sort(self.customers["future"].to_numpy())[::-1]
        total = values.sum()
        return float(values[: self._best()].sum() / total) if total > 0 else float("nan")

    @property
    def same_best(self) -> float:
        """Share of the best fifth by money so far who are in the best fifth by value to come."""
        best = [set(self._first(name)) for name in ("future", "so_far")]
        return len(best[0] & best[1]) / self._best()

    def _best(self) -> int:
        return max(round(BEST * len(self.customers)), 1)

    def _first(self, name: str) -> Sequence[str]:
        ordered = self.customers.sort_values([name, "customer_id"], ascending=[False, True])
        return list(ordered["customer_id"].iloc[: self._best()])

    def title(self) -> str:
        if np.isnan(self.best_share):
            return _(
                "Customers are expected to bring no more than they cost in {months} months"
            ).format(months=number(self.months))
        return _("The best {best} of customers hold {share} of the value to come").format(
            best=percent(BEST, 0), share=percent(self.best_share, 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        shown = self._drawn()
        floor = max(float(shown["future"].max()) * FLOOR, 1e-9) if len(shown) else 1.0
        names = self.tiers.names()
        for tier in reversed(self.tiers.order):
            part = shown[shown["tier"] == tier]
            axes.scatter(
                part["so_far"], part["future"].clip(lower=floor), s=10, alpha=0.6, linewidths=0,
                color=charts.LAYER_COLOURS.get(tier, charts.BLUE), label=names[tier],
            )  # fmt: skip
        ratio_axis(axes, "x")
        ratio_axis(axes, "y")
        unit = currency_name(self.context.currency)
        axes.set_xlabel(_("Spent so far ({currency}, ratio scale)").format(currency=unit))
        axes.set_ylabel(
            _("Value of {months} months to come ({currency})").format(
                months=number(self.months), currency=unit
            )
        )
        axes.legend(loc="lower right", fontsize=9, markerscale=2, reverse=True)
        charts.set_title(axes, self.title())
        return axes

    def _drawn(self) -> pd.DataFrame:
        """The customers in the picture: a ratio scale has no zero."""
        some = self.customers[self.customers["so_far"] > 0]
        return some if len(some) <= POINTS else some.sample(POINTS, random_state=0)

    def reading(self) -> str:
        parts = [
            self._total(),
            self.fits.caution(),
            self._tiers(),
            self._concentration(),
            self._not_drawn(),
            self._margin(),
            self._other(),
            self.fits.histories.words(),
            _(
                "All this holds if customers go on as they did: no season, price, offer or "
                "competitor is in the model, and what single customers will do is far less sure "
                "than their sum."
            ),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _(
            "A point per customer, coloured by tier: money spent so far to the right, value to "
            "come upwards, both on ratio scales. The rank correlation is {correlation}; points at "
            "the bottom are customers who have most likely left."
        ).format(correlation=self._correlation())

    # --- the words

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _not_drawn(self) -> str:
        nothing = int((self.customers["so_far"] <= 0).sum())
        drawn = len(self._drawn())
        parts = []
        if nothing:
            parts.append(
                ngettext(
                    "{count} customer from whom no money is left so far, refunds subtracted, is "
                    "not in the picture: a ratio scale has no zero.",
                    "{count} customers from whom no money is left so far, refunds subtracted, are "
                    "not in the picture: a ratio scale has no zero.",
                    nothing,
                ).format(count=number(nothing))
            )
        if drawn < len(self.customers) - nothing:
            parts.append(
                _("The picture shows {shown} customers, drawn at random.").format(
                    shown=number(drawn)
                )
            )
        return " ".join(parts)

    def _correlation(self) -> str:
        value = spearman(self.customers["future"], self.customers["so_far"]).value
        return _("not known") if np.isnan(value) else number(value, 2)

    def _total(self) -> str:
        row = self.table.iloc[-1]
        return _(
            "By {model} and Gamma-Gamma, the {customers} customers bring a margin worth {total} in "
            "the {months} months after {until} ({low} to {high}), discounted by {discount} a year: "
            "{mean} a customer. {intervals} {hold}"
        ).format(
            model=MODEL_NAMES[self.fits.model],
            customers=number(row["customers"]),
            total=self._money(row["future_total"]),
            low=self._money(row["future_total_low"]),
            high=self._money(row["future_total_high"]),
            months=number(self.months),
            until=day(self.fits.histories.until),
            discount=percent(self.discount),
            mean=self._money(row["future"]),
            intervals=intervals_in_brackets(self.confidence),
            hold=_("They hold the uncertainty of the parameters of both models.")
            if self.given_margin is not None
            else _("They hold the uncertainty of the parameters of both models and of the margin."),
        )

    def _tiers(self) -> str:
        names = self.tiers.names()
        parts = [
            (
                _("{tier} {mean} (one customer)")
                if row.customers == 1
                else _("{tier} {mean} ({low} to {high})")
            ).format(
                tier=names[row.tier],
                mean=self._money(row.future),
                low=self._money(row.future_low),
                high=self._money(row.future_high),
            )
            for row in self.table.iloc[:-1].itertuples()
        ]
        return _(
            "Value to come of a customer on average: {parts}. These intervals also allow for the "
            "customers being a sample of such customers."
        ).format(parts=_("; ").join(parts))

    def _concentration(self) -> str:
        if np.ptp(self.customers["future"]) == 0:
            return ""
        said = _(
            "Of the best {best} by money spent so far, {share} are among the best {best} by value "
            "to come; the rank correlation of the two is {correlation}."
        ).format(
            best=percent(BEST, 0), share=percent(self.same_best, 0), correlation=self._correlation()
        )
        others = set(self._first("so_far")) - set(self._first("future"))
        chance = self.customers.loc[self.customers["customer_id"].isin(others), "alive"].mean()
        if np.isnan(chance):
            return said
        return _("{said} The others are still there with a chance of {alive} on average.").format(
            said=said, alive=percent(chance, 0)
        )

    def _margin(self) -> str:
        back = percent(self.refunded)
        if self.given_margin is not None:
            return _(
                "The margin of {margin} is as given. Of what purchases bring, {refunded} is taken "
                "off for refunds."
            ).format(margin=percent(self.given_margin), refunded=back)
        return _(
            "The margin is what was left after cost in the past, of each tier its own, "
            "{margin} in all. Of what purchases bring, {refunded} is taken off for refunds."
        ).format(margin=percent(self.table["margin_rate"].iloc[-1]), refunded=back)

    def _other(self) -> str:
        return _(
            "The lifetime value of chapter 5 is another figure: it counts for each tier who came "
            "back from one year to the next, takes off the cost of service and has no end. This "
            "one asks of each customer whether they are still there, and ends after {months} "
            "months."
        ).format(months=number(self.months))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Margin of the purchases expected in the months to come, discounted"),
            denominator=_("Customers with at least one purchase"),
            period=self.context.period(),
            method=_(
                "Sum over months of expected purchases ({model}) × expected spend (Gamma-Gamma) × "
                "(1 − refunds) × margin, discounted from the middle of each month at {discount} a "
                "year. {confidence} intervals from the errors of the parameters. Fader, Hardie and "
                "Lee (2005), Journal of Marketing Research 42."
            ).format(
                model=MODEL_NAMES[self.fits.model],
                discount=percent(self.discount),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.fits.histories.exclusions(),
        )


@measure(needs=NEEDS)
def future_value(
    crm: Workspace,
    *,
    discount: float = 0.10,
    months: int = 36,
    margin: float | None = None,
    model: Model = "pareto_nbd",
    cohort: Cohort = "won",
    occasion: Occasion = "day",
    confidence: float = 0.95,
) -> FutureValue:
    """What each customer is still worth: the margin of the purchases to come, discounted.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; cost to know the margin.
    discount : float
        A year; from 0 to below 1.
    months : int
        To look ahead, 1 to 600.
    margin : float, optional
        Part of the revenue that is left after cost, such as .12. Default: from the costs.
    model : {"bg_nbd", "pareto_nbd"}
        BG/NBD takes customers who never bought again for certainly there, which overstates them.
    cohort, occasion
        As in `repeat_buying`.
    confidence : float

    Returns
    -------
    FutureValue
        `.table` has a row per tier, best first, and one for all (``"all"``): tier, customers,
        margin_rate, future (money per customer), future_low, future_high (missing for a tier of one
        customer), future_total (of all of them), future_total_low, future_total_high, future_share
        (of the company's total).
        `.customers` has a row per customer.

    Raises
    ------
    CrmlabError
        If an argument is not one of those allowed, or neither costs nor `margin` are known.
    NotEnoughData
        If one of the models cannot be fitted, or the mean spend has no end (q ≤ 1).

    Notes
    -----
    With E(t) the purchases expected up to t months ahead given the customer's history, the value is
    Σ (E(m) − E(m − 1)) (1 + d)^(−(m − ½)/12) over m = 1, …, months, times the expected spend of a
    purchase, times 1 − refunds, times the margin. E is computed at ten Chebyshev points and
    interpolated between them, which makes no difference in money. Amounts are of purchases,
    refunds and margin of all orders, so that spend × (1 − refunds) × margin is the margin after
    refunds. The margin is that of the tier (of the company for a tier of fewer than ten customers
    of known cost): one margin for all would make those who pay list price too cheap and those with
    a discount too dear.

    The variance of a total is the sum of three: of the parameters of repeat buying, of those of
    spend (both over `neighbours`), and of the margin (a ratio over customers, linearised). That of
    a mean also has the variance between customers.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), RFM and CLV: Using Iso-Value Curves for
    Customer Base Analysis, Journal of Marketing Research 42(4), 415-430.
    """
    _check(discount, months, margin)
    check_confidence(confidence)
    if margin is None and not crm.has("orders", "cost"):
        raise CrmlabError(
            _(
                "What is left of the revenue is not known: {source} has no orders.cost. Name the "
                "column in the mapping, or give margin=0.12 for 12%."
            ).format(source=crm.source)
        )
    found = fits(crm, model, cohort=cohort, unit="week", occasion=occasion)
    spent, fit = _spend(found)
    frame = found.histories.frame
    tiers = customer_tiers(crm)
    tier = frame["customer_id"].map(tiers.table.set_index("customer_id")["tier"])
    refunded = min(refunded_share(frame), 1.0)
    weights, times = discounted(months, discount)
    ahead = times * UNITS["month"] / found.histories.days
    groups, group = found.histories.groups()
    worth, around = evaluated(
        found.fit, groups, lambda one, *history: weights @ one.expected(ahead[:, None], *history)
    )
    purchases = found.fit.expected(ahead[-1], *seen(groups))
    margins = _margins(crm, tiers, margin)
    rate = tier.map(margins["rate"]).to_numpy(float)
    expected = fit.expected(*spent)
    usual = expected * (1 - refunded)
    customers = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            "tier": tier,
            "won": frame["fitted"],
            "frequency": frame["frequency"],
            "alive": found.fit.alive(*seen(groups))[group],
            "purchases": purchases[group],
            "spend": expected,
            "margin_rate": rate,
            "future": worth[group] * usual * rate,
            "so_far": frame["amount"].fillna(0.0) - frame["refunded"],
        }
    ).reset_index(drop=True)
    other = [one.expected(*spent) * (1 - refunded) for one in neighbours(fit)]
    table = _table(
        customers,
        np.vstack([one[group] * usual for one in around]),
        np.vstack([worth[group] * one for one in other]),
        worth[group] * usual,
        margins,
        tiers,
        confidence,
    )
    yearly, retention = _a_year(found, groups, group, usual * rate)
    return FutureValue(
        table,
        Context.of(crm),
        customers,
        months,
        discount,
        refunded,
        margin,
        yearly,
        retention,
        tiers,
        found,
        fit,
        confidence,
    )


def discounted(months: int, discount: float) -> tuple[Array, Array]:
    """Weights and times (in months) that turn expected purchases into discounted ones.

    Σ over the times of weight × E(time) is Σ (E(m) − E(m − 1)) (1 + d)^(−(m − ½)/12), with E
    interpolated between the times.

    Examples
    --------
    >>> weights, times = discounted(24, 0.10)
    >>> direct = sum(1.1 ** (-(month - 0.5) / 12) for month in range(1, 25))
    >>> bool(abs(weights @ times - direct) < 1e-9)
    True
    """
    nodes = months / 2 * (1 - np.cos(np.pi * np.arange(NODES) / (NODES - 1)))
    ends = np.arange(months + 1.0)
    values = BarycentricInterpolator(nodes, np.eye(NODES))(ends)
    factors = (1 + discount) ** (-(ends[1:] - 0.5) / 12)
    weights = factors @ np.diff(values, axis=0)
    # Nothing is bought in no time.
    return np.asarray(weights[1:]), nodes[1:]


def _check(discount: float, months: int, margin: float | None) -> None:
    if not 0 <= discount < 1:
        raise CrmlabError(
            _(
                "discount is a rate a year from 0 to below 1, such as 0.10; it is {discount}."
            ).format(discount=discount)
        )
    if not isinstance(months, int | np.integer) or not 1 <= months <= LONGEST:
        raise CrmlabError(
            _("months is a whole number from 1 to {longest}; it is {months}.").format(
                longest=LONGEST, months=repr(months)
            )
        )
    if margin is not None and not -1 <= margin <= 1:
        raise CrmlabError(
            _("margin is a part of the revenue, such as 0.12; it is {margin}.").format(
                margin=margin
            )
        )


def _spend(found: Fits) -> tuple[tuple[Array, Array], Spend]:
    """Repeat purchases and their mean for every customer, 0 where unknown; and the model."""
    repeat, _left_out = repeat_spend(found.histories)
    if repeat.empty:
        raise NotEnoughData(_("Nobody has purchases after the first of which the money is known."))
    fit = gamma_gamma(repeat["frequency"].to_numpy(float), repeat["spend"].to_numpy(float))
    if not np.isfinite(fit.mean):
        raise NotEnoughData(
            _(
                "The mean spend a purchase has no end (q = {q} of Gamma-Gamma is not above 1): a "
                "few customers spend so much more than the others that no mean can be told."
            ).format(q=number(float(fit.parameters[1]), 2))
        )
    known = repeat.set_index("customer_id").reindex(found.histories.frame["customer_id"])
    return (known["frequency"].fillna(0).to_numpy(float), known["spend"].to_numpy(float)), fit


def _margins(crm: Workspace, tiers: Tiers, given: float | None) -> pd.DataFrame:
    """Margin of each tier with its standard error; that of all is the row ``"all"``."""
    names = [*tiers.order, "all"]
    if given is not None:
        return pd.DataFrame({"rate": given, "error": 0.0}, index=names)
    summary = crm.query("customer_summary")
    known = summary[(summary["cost_missing"] == 0) & (summary["amount_missing"] == 0)]
    company = _ratio(known)
    if not np.isfinite(company[0]):
        raise NotEnoughData(
            _(
                "No customer has orders of which all amounts and costs are known, so there is no "
                "margin. Give margin=0.12 for 12%."
            )
        )
    tier = known["customer_id"].map(tiers.table.set_index("customer_id")["tier"])
    rows = {name: _ratio(known[tier == name]) for name in tiers.order}
    rows = {name: one if np.isfinite(one[0]) else company for name, one in rows.items()}
    return pd.DataFrame(rows | {"all": company}, index=["rate", "error"]).T


def _ratio(known: pd.DataFrame) -> tuple[float, float]:
    """Margin over revenue, with its standard error over customers; none for too few."""
    amount, margin = known["amount"].to_numpy(float), known["margin"].to_numpy(float)
    if len(known) < FEWEST or not amount.sum() > 0:
        return np.nan, np.nan
    rate = margin.sum() / amount.sum()
    squares = float(((margin - rate * amount) ** 2).sum()) * len(known) / (len(known) - 1)
    return float(rate), float(np.sqrt(squares) / amount.sum())


def _table(
    customers: pd.DataFrame,
    buying: Array,
    spending: Array,
    gross: Array,
    margins: pd.DataFrame,
    tiers: Tiers,
    confidence: float,
) -> pd.DataFrame:
    """Mean and total of each tier, of the revenue to come as neighbours of both models see it."""
    z = float(norm.ppf((1 + confidence) / 2))
    rate = customers["margin_rate"].to_numpy()
    future = customers["future"].to_numpy()
    whole = float(future.sum())
    rows: list[dict[str, Any]] = []
    variance_of_margins = 0.0
    present = [tier for tier in tiers.order if (customers["tier"] == tier).any()]
    for tier in [*present, "all"]:
        inside = (customers["tier"] == tier).to_numpy() | (tier == "all")
        many, total = int(inside.sum()), float(future[inside].sum())
        by_margin = float(margins.loc[tier, "error"] * gross[inside].sum()) ** 2
        variance_of_margins += by_margin if tier != "all" else 0.0
        variance = by_margin if tier != "all" else variance_of_margins
        for around in (buying, spending):
            variance += float(spread((around * rate)[:, inside].sum(axis=1))) ** 2
        between = float(np.var(future[inside], ddof=1)) / many if many > 1 else np.nan
        reach = z * float(np.sqrt(variance))
        of_mean = z * float(np.sqrt(variance / many**2 + between))
        rows.append(
            {
                "tier": tier,
                "customers": many,
                "margin_rate": float(np.average(rate[inside], weights=gross[inside]))
                if gross[inside].sum() > 0
                else float(margins.loc[tier, "rate"]),
                "future": total / many,
                "future_low": total / many - of_mean,
                "future_high": total / many + of_mean,
                "future_total": total,
                "future_total_low": total - reach,
                "future_total_high": total + reach,
                "future_share": total / whole if whole > 0 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _a_year(
    found: Fits, groups: pd.DataFrame, group: Array, money_each: Array
) -> tuple[float, float]:
    """Margin of a customer who is there in the coming year, and what is left in the year after."""
    year = 12 * UNITS["month"] / found.histories.days
    first, second = (found.fit.expected(ahead, *seen(groups))[group] for ahead in (year, 2 * year))
    there = float(found.fit.alive(*seen(groups))[group].sum())
    bought = float(first.sum())
    retention = float((second - first).sum()) / bought if bought > 0 else 0.0
    return float(first @ money_each) / max(there, 1e-9), float(np.clip(retention, 0.0, 1.0))
