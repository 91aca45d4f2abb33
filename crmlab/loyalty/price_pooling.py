"""Price sensitivity customer by customer, by partial pooling (部分汇集) with others of the type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, with_interval
from crmlab.loyalty.price import CONFIDENCE, price_response
from crmlab.loyalty.tariff import NEEDS, Change, Tariff
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.counts import CountRegression
from crmlab.stats.pooling import Pooled, pooled_changes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Colour-blind safe (Okabe and Ito 2008), for the groups one after the other.
COLOURS = (charts.ORANGE, charts.BLUE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Raw figures beyond these quantiles are not drawn.
DRAWN = (0.02, 0.98)


@dataclass(frozen=True, repr=False)
class PriceByCustomer(Result):
    """Result of `price_by_customer`.

    Attributes
    ----------
    customers : pandas.DataFrame
        As `.table`, of all customers of the groups that are judged, also of those whose price did
        not change: they have the elasticity of their group, and no raw one.
    groups : pandas.Series
        Elasticity of each group.
    pooled : Pooled
        Spreads of log ratios.
    tariff : Tariff
    not_judged : int
        Customers of groups with too few customers or orders.
    """

    measure = "loyalty.price_by_customer"

    customers: pd.DataFrame
    groups: pd.Series
    pooled: Pooled
    tariff: Tariff
    not_judged: int

    def main_columns(self) -> Sequence[str]:
        grouped = [self.tariff.by] if self.tariff.by else []
        return [
            "customer_id", *grouped, "orders_before", "orders_after", "raw", "elasticity", "low",
            "high",
        ]  # fmt: skip

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["raw", "elasticity", "low", "high"], "sized")

    @property
    def _scale(self) -> float:
        return abs(self.tariff.log_rise)

    def _range(self, column: str) -> tuple[float, float]:
        low, high = self.table[column].quantile([0.05, 0.95])
        return float(low), float(high)

    def title(self) -> str:
        raw, pooled = self._range("raw"), self._range("elasticity")
        return _(
            "Elasticity of nine in ten: alone {low} to {high}, pooled {pooled_low} to {pooled_high}"
        ).format(
            low=number(raw[0], 0), high=number(raw[1], 0), pooled_low=number(pooled[0], 1),
            pooled_high=number(pooled[1], 1),
        )  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        table = self.table
        orders = table["orders_before"] + table["orders_after"]
        low, high = table["raw"].quantile(list(DRAWN))
        drawn = table["raw"].between(low, high)
        axes.scatter(orders[drawn], table["raw"][drawn], s=9, color=charts.GREY, alpha=0.5)
        far = float(orders.max())
        places = self._places(float(high - low) / 16)
        for place, (name, value) in enumerate(self.groups.items()):
            rows = self._of(name)
            colour = COLOURS[place % len(COLOURS)]
            axes.scatter(orders[rows], table["elasticity"][rows], s=12, color=colour, zorder=3)
            axes.annotate(
                _("{group} {value}").format(
                    group=self.tariff.group_name(name), value=number(value, 1)
                ),
                (far * 1.12, places[place]), color=colour, fontsize=10, va="center",
                annotation_clip=False,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(0.8 * float(orders.min()), far * 1.08)
        axes.axhline(0, color=charts.GRID, linewidth=1, zorder=0)
        axes.set_xlabel(_("Orders of the customer, before and after (grey: each by itself)"))
        axes.set_ylabel(_("Elasticity"))
        axes.xaxis.set_major_formatter("{x:g}")
        charts.set_title(axes, self.title())
        return axes

    def _of(self, name: object) -> pd.Series:
        if not self.tariff.by:
            return pd.Series(True, self.table.index)
        return self.table[self.tariff.by] == name

    def _places(self, apart: float) -> list[float]:
        """Heights of the labels: at the group's elasticity, or as far apart as is readable."""
        order = np.argsort(self.groups.to_numpy(), kind="stable")
        places = self.groups.to_numpy(float)[order]
        for place in range(1, len(places)):
            places[place] = max(places[place], places[place - 1] + apart)
        found = np.empty(len(places))
        found[order] = places
        return [float(each) for each in found]

    # --- the words

    def reading(self) -> str:
        parts = [
            self.tariff.sentence(), self._raw(), self._spread(), self._pooled_words(), self._who(),
        ]  # fmt: skip
        return "\n\n".join(part for part in parts if part)

    def _raw(self) -> str:
        low, high = self._range("raw")
        return _(
            "By their own orders before and after, against what length of time and season would "
            "give, nine in ten customers have an elasticity from {low} to {high}: half of them "
            "have no more than {median} orders, and orders come and go for other reasons too. In "
            "the regions where the price did not change the ratio of orders after to before varies "
            "between customers with a standard deviation of {noise} (in logs), beyond the chance "
            "of small counts."
        ).format(
            low=number(low, 1),
            high=number(high, 1),
            median=number((self.table["orders_before"] + self.table["orders_after"]).median()),
            noise=number(self.pooled.noise, 2),
        )

    def _spread(self) -> str:
        low, high = self.pooled.low / self._scale, self.pooled.high / self._scale
        spread = self.pooled.spread / self._scale
        known = with_interval(spread, low, high, lambda value: number(value, 2))
        text = (
            _(
                "Where it did change it varies more: between customers of a group the elasticity "
                "has a standard deviation of {known}."
            )
            if low > 0
            else _(
                "Where it did change it does not vary more than chance would bring about: the "
                "standard deviation of the elasticity between customers of a group is {known}. So "
                "these data do not show that customers of a group differ in it, nor that they are "
                "alike."
            )
        )
        return text.format(known=known) + " " + intervals_in_brackets(CONFIDENCE)

    def _pooled_words(self) -> str:
        low, high = self._range("elasticity")
        return _(
            "Pooled, each customer has the elasticity of its group and as much of its own as the "
            "data bear out: nine in ten from {low} to {high}. For a decision about one customer "
            "take the pooled figure with its interval. A list of the most sensitive customers by "
            "their raw figures would be one of those with few orders."
        ).format(low=number(low, 2), high=number(high, 2))

    def _who(self) -> str:
        said = _(
            "{customers} customers who pay the new tariff have orders and whole months on both "
            "sides of it; {others} others serve to see how orders move without it."
        ).format(
            customers=number(len(self.table)), others=number(len(self.customers) - len(self.table))
        )
        return f"{said} {left_out_words(self._exclusions(), self.tariff.part)}"

    def _exclusions(self) -> tuple[Exclusion, ...]:
        if not self.not_judged:
            return self.tariff.exclusions
        reason = _("no order, or no whole month on one side, or group not judged")
        return (*self.tariff.exclusions, Exclusion.of_customers(reason, self.not_judged))

    def alt(self) -> str:
        raw, pooled = self._range("raw"), self._range("elasticity")
        return _(
            "Points of customers by their number of orders: each by itself widely scattered, nine "
            "in ten from {low} to {high}, the more so the fewer orders; pooled close to the mean "
            "of their group, from {pooled_low} to {pooled_high}."
        ).format(
            low=number(raw[0], 1),
            high=number(raw[1], 1),
            pooled_low=number(pooled[0], 1),
            pooled_high=number(pooled[1], 1),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Log of the customer's ratio of orders after to before, less what length of time "
                "and season give, and less that of customers whose price did not change"
            ),
            denominator=_("Log of the new price over the old"),
            period=self.context.period(),
            method=_(
                "Empirical Bayes: orders after, given all orders of the customer, are binomial "
                "with a normal log ratio; its variance is that of customers elsewhere and, for "
                "those who pay the new tariff, that of their response besides. The elasticity is "
                "that of the group by difference in differences and the customer's own deviation, "
                "as far as the two variances make it likely, averaged over what the second may be "
                "(Efron and Morris 1975; Gelman 2006). 95% intervals hold the uncertainty of both. "
                "Raw: with half an order added on either side."
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs=NEEDS)
def price_by_customer(
    crm: Workspace, *, by: str | None = "customer_type", change: Change = None
) -> PriceByCustomer:
    """How sensitive to the price each customer is, as far as the customer's orders can tell.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers: customer_id, region, and `by`.
    by, change
        As in `price_response`.

    Returns
    -------
    PriceByCustomer
        `.table` has a row per customer who pays the new tariff and has an order, and whole months
        on both sides of it, the most sensitive first: customer_id, the column of `by`,
        orders_before, orders_after, raw (elasticity by the customer's own orders), elasticity
        (pooled), low, high.

    Raises
    ------
    CrmlabError, NotEnoughData
        As in `price_response`; also if no group can be judged.

    Notes
    -----
    The model is that of `crmlab.stats.pooling.pooled_changes`. What length of time and season would
    give is the ratio of the months' effects in the fit of `price_response`, summed over the
    customer's own months. The variance of an elasticity is that of the group's mean and that of the
    customer's deviation together; the small dependence of the two is neglected.

    References
    ----------
    Efron, B. and Morris, C. (1975), Journal of the American Statistical Association 70, 311-319.
    Gelman, A. (2006), Bayesian Analysis 1, 515-534.
    """
    found = price_response(crm, by=by, change=change)
    panel = found.tariff
    means = _group_means(found.table, panel)
    if means.empty:
        raise NotEnoughData(
            _("In no group are there enough customers and orders to say how they answered.")
        )
    frame = panel.frame
    counted = pd.concat(
        [_counts(frame[frame["group"] == name], found.fits[name]) for name in means.index]
    )
    counted = counted.reset_index(drop=True)
    pooled = pooled_changes(
        counted["orders_before"], counted["orders_after"], counted["expected"],
        counted["changed"], counted["group"],
    )  # fmt: skip
    customers = _with_elasticities(counted, pooled, means, panel)
    names = {"group": by} if by else {}
    customers = customers.rename(columns=names).drop(columns=[] if by else "group")
    table = customers[customers["changed"]].drop(columns="changed")
    table = table.sort_values(["elasticity", "customer_id"], ignore_index=True)
    left = int(frame["customer_id"].nunique()) - len(customers)
    return PriceByCustomer(
        table, Context.of(crm), customers, means["elasticity"], pooled, panel, left
    )


def customer_elasticities(crm: Workspace) -> pd.DataFrame:
    """Elasticity of each customer's orders to the price, for other measures to use.

    Parameters
    ----------
    crm : Workspace
        As for `price_by_customer`.

    Returns
    -------
    pandas.DataFrame
        customer_id, elasticity, low, high: pooled where the customer pays the new tariff, that of
        the customer's type elsewhere. Customers of types that are not judged are not in it.

    Raises
    ------
    CrmlabError
        As `price_by_customer`.
    """
    return price_by_customer(crm).customers[["customer_id", "elasticity", "low", "high"]].copy()


def _group_means(table: pd.DataFrame, panel: Tariff) -> pd.DataFrame:
    """Elasticity of each group that is judged, and half the length of its interval."""
    named = table.set_index(panel.by) if panel.by else table.set_index(pd.Index(["all"]))
    named = named.dropna(subset=["elasticity", "low"])
    reach = (named["high"] - named["low"]) / 2
    return named[["elasticity"]].assign(reach=reach)


def _counts(part: pd.DataFrame, fit: CountRegression) -> pd.DataFrame:
    """Orders of each customer of a group before and after, and what the months would give."""
    months = np.sort(part["month"].unique())
    levels = np.exp(np.concatenate([[0.0], fit.coefficients[:-1]]))
    weight = levels[np.searchsorted(months, part["month"].to_numpy())]
    sums = (
        part.assign(weight=weight)
        .groupby(["customer_id", "after"])[["orders", "weight"]]
        .sum()
        .reset_index()
        .pivot_table(index="customer_id", columns="after", values=["orders", "weight"])
        .dropna()
    )
    about = part.drop_duplicates("customer_id").set_index("customer_id")[["changed", "group"]]
    made = pd.DataFrame(
        {
            "orders_before": sums["orders", False].astype("int64"),
            "orders_after": sums["orders", True].astype("int64"),
            "expected": np.log(sums["weight", True] / sums["weight", False]),
        }
    )
    made = made[made["orders_before"] + made["orders_after"] > 0]
    return made.join(about).reset_index()


def _with_elasticities(
    counted: pd.DataFrame, pooled: Pooled, means: pd.DataFrame, panel: Tariff
) -> pd.DataFrame:
    from scipy.stats import norm

    scale = panel.log_rise
    own = np.log((counted["orders_after"] + 0.5) / (counted["orders_before"] + 0.5))
    value = counted["group"].map(means["elasticity"]) + pooled.deviation / scale
    # Both parts of the variance, as half lengths of intervals.
    deviation = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(pooled.variance) / abs(scale)
    reach = np.hypot(counted["group"].map(means["reach"]), deviation)
    made = counted.assign(
        raw=((own - counted["expected"]) / scale).where(counted["changed"]),
        elasticity=value,
        low=value - reach,
        high=value + reach,
    )
    columns = ["customer_id", "group", "changed", "orders_before", "orders_after", "raw"]
    return made[[*columns, "elasticity", "low", "high"]]
