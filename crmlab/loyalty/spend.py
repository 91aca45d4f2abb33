"""What customers spend a purchase, and what to expect of those of whom little is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betainc, gammaln

from crmlab.errors import NotEnoughData
from crmlab.language import _, currency_name, money, ngettext, number, percent
from crmlab.loyalty.histories import Array, Histories, histories
from crmlab.loyalty.purchases import Occasion
from crmlab.loyalty.uncertainty import interval, neighbours, parameter_rows
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence
from crmlab.stats.lifetime import Spend, gamma_gamma
from crmlab.stats.rank_correlation import RankCorrelation, spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

NEEDS = {"orders": ["customer_id", "ordered_at", "amount"]}
#: What is left of a sum after a subtraction, in parts of it, when nothing is left.
ROUNDING = 1e-9
#: A weaker correlation than this does no harm to speak of.
HARMLESS = 0.1
BARS = 30


@dataclass(frozen=True, repr=False)
class SpendPerPurchase(Result):
    """Result of `spend`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer of the fit: customer_id, frequency (repeat purchases), spend (their mean,
        money), expected (of a purchase to come).
    fit : Spend
    correlation : RankCorrelation
        Between the number of repeat purchases and their mean.
    tails : tuple of float
        Share of customers in the lowest and in the highest tenth of what the model expects.
    refunded : float
        Money taken back, as a share of what purchases brought.
    histories : Histories
    left_out : dict of str to int
        Customers without repeat purchase (``"once"``), with an amount that is not known
        (``"unknown"``), whose repeat purchases brought nothing (``"nothing"``).
    confidence : float
    """

    measure = "loyalty.spend"

    customers: pd.DataFrame
    fit: Spend
    correlation: RankCorrelation
    tails: tuple[float, float]
    refunded: float
    histories: Histories
    left_out: dict[str, int]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["estimate", "standard_error", "low", "high"], "sized")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "parameter": {
                "p": _("p (how alike the purchases of a customer are)"),
                "q": _("q (how alike customers are, shape)"),
                "v": _("v (how alike customers are, scale)"),
                "mean": _("pv/(q−1) (mean spend a purchase)"),
            }
        }

    def title(self) -> str:
        low, high = self.customers["spend"].quantile([0.25, 0.75])
        return _("Half of the customers spend {low} to {high} a purchase").format(
            low=self._money(low), high=self._money(high)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        spent = self.customers["spend"].to_numpy()
        edges = np.geomspace(spent.min() * 0.999, spent.max() * 1.001, BARS + 1)
        width = float(np.log(edges[1] / edges[0]))
        axes.hist(
            spent, bins=list(edges), weights=np.full(len(spent), 1 / len(spent) / width),
            color=charts.GREY,
        )  # fmt: skip
        grid = np.geomspace(edges[0], edges[-1], 200)
        axes.plot(grid, self._density(grid), color=charts.ORANGE)
        ratio_axis(axes, "x")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(
            _("Mean spend a purchase ({currency}, ratio scale)").format(
                currency=currency_name(self.context.currency)
            )
        )
        axes.set_ylabel(_("Customers: bars seen, line expected"))
        charts.set_title(axes, self.title())
        return axes

    def _density(self, grid: Array) -> Array:
        """Of the logarithm of the mean spend, over the numbers of purchases that there are."""
        p, q, v = self.fit.parameters
        many = self.customers["frequency"].value_counts(normalize=True)
        x = many.index.to_numpy(float)[:, None]
        log = (
            gammaln(p * x + q)
            - gammaln(p * x)
            - gammaln(q)
            - p * x * np.log1p(v / (x * grid))
            - q * np.log1p(x * grid / v)
        )
        return np.asarray(many.to_numpy() @ np.exp(log))

    def reading(self) -> str:
        parts = [
            self._fitted(),
            self._differ(),
            self._fits(),
            self._assumption(),
            self._money_back(),
        ]
        return "\n\n".join(part for part in [*parts, self._left_out()] if part)

    def alt(self) -> str:
        low, middle, high = self.customers["spend"].quantile([0.25, 0.5, 0.75])
        return _(
            "Bars of customers by mean spend a purchase on a ratio scale, with the line of the "
            "model. Half of them lie between {low} and {high}, the middle one at {middle}."
        ).format(low=self._money(low), middle=self._money(middle), high=self._money(high))

    # --- the words

    def _money(self, value: float) -> str:
        return money(value, self.context.currency, 0 if value >= 100 else 2)

    def _fitted(self) -> str:
        row = self.table.set_index("parameter").loc["mean"]
        if np.isnan(row["estimate"]):
            return _(
                "Gamma-Gamma is fitted to {customers} customers who bought again. Its mean has no "
                "end (q ≤ 1): a few customers spend so much more than the others that no mean can "
                "be told."
            ).format(customers=number(len(self.customers)))
        said = _(
            "Gamma-Gamma is fitted to {customers} customers who bought again. A customer of whom "
            "nothing is known is expected to spend {mean} a purchase ({low} to {high}). {intervals}"
        )
        if np.isnan(row["low"]):
            said = _(
                "Gamma-Gamma is fitted to {customers} customers who bought again. A customer of "
                "whom nothing is known is expected to spend {mean} a purchase; q is so near to 1 "
                "that there is no interval."
            )
        return said.format(
            customers=number(len(self.customers)),
            mean=self._money(row["estimate"]),
            low=self._money(row["low"]),
            high=self._money(row["high"]),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _differ(self) -> str:
        p, q, _v = self.fit.parameters
        if "p" in self.fit.weak:
            within = _("The purchases of one customer hardly differ from their mean.")
        else:
            within = _(
                "Purchases of one customer vary about their mean by {within} of it (1/√p)."
            ).format(within=percent(1 / np.sqrt(p), 0))
        if "q" in self.fit.weak and q > 2:
            between = _(
                "Whether customers differ cannot be told from these data: their means vary no more "
                "than such purchases make them vary by chance."
            )
        elif q <= 2:
            between = _(
                "Customers differ so much that their means have no standard deviation (q ≤ 2): a "
                "few large ones decide."
            )
        else:
            between = _("The means of customers vary by {between} of theirs (1/√(q−2)).").format(
                between=percent(1 / np.sqrt(q - 2), 0)
            )
        return f"{within} {between}"

    def _fits(self) -> str:
        return _(
            "Where the model puts the lowest tenth of the customers' means lie {low} of them; "
            "where it puts the highest tenth, {high}."
        ).format(low=percent(self.tails[0]), high=percent(self.tails[1]))

    def _assumption(self) -> str:
        value, low, high = self.correlation[:3]
        if np.isnan(value):
            return _(
                "Whether spend goes with the number of purchases cannot be told: all bought "
                "equally often."
            )
        if low <= HARMLESS and high >= -HARMLESS:
            said = _(
                "The model takes it that what is spent does not go with how often; the rank "
                "correlation is {value} ({low} to {high}), which does not speak against it much."
            )
        elif value > 0:
            said = _(
                "The model takes it that what is spent does not go with how often. That is not so "
                "here: the rank correlation is {value} ({low} to {high}), those who buy often also "
                "spend more a purchase. Expect too little of frequent buyers and too much of rare "
                "ones; it matters least where a customer's own mean rests on many purchases."
            )
        else:
            said = _(
                "The model takes it that what is spent does not go with how often. That is not so "
                "here: the rank correlation is {value} ({low} to {high}), those who buy often "
                "spend less a purchase. Expect too much of frequent buyers and too little of rare "
                "ones; it matters least where a customer's own mean rests on many purchases."
            )
        return said.format(value=number(value, 2), low=number(low, 2), high=number(high, 2))

    def _money_back(self) -> str:
        return _("Refunds are not subtracted; they are {share} of what purchases brought.").format(
            share=percent(self.refunded)
        )

    def _left_out(self) -> str:
        once = self.left_out["once"]
        said = [
            ngettext(
                "Left out is {count} customer without a purchase after the first.",
                "Left out are {count} customers without a purchase after the first.",
                once,
            ).format(count=number(once))
            if once
            else ""
        ]
        nothing = self.left_out["nothing"]
        if nothing:
            said.append(
                ngettext(
                    "Of {count} customer all repeat purchases brought nothing; the model is of "
                    "money above 0, so it is left out too.",
                    "Of {count} customers all repeat purchases brought nothing; the model is of "
                    "money above 0, so they are left out too.",
                    nothing,
                ).format(count=number(nothing))
            )
        unknown = self.left_out["unknown"]
        if unknown:
            said.append(
                ngettext(
                    "{count} customer has an order of unknown amount and is left out.",
                    "{count} customers have an order of unknown amount and are left out.",
                    unknown,
                ).format(count=number(unknown))
            )
        return " ".join(part for part in said if part)

    def _define(self) -> Definition:
        reasons = {
            _("no repeat purchase"): self.left_out["once"],
            _("an amount not known"): self.left_out["unknown"],
            _("repeat purchases of amount zero"): self.left_out["nothing"],
        }
        return Definition(
            numerator=_("Money of the purchases after the first, refunds not subtracted"),
            denominator=_("Purchases after the first; orders of amount zero are among them"),
            period=self.context.period(),
            method=_(
                "Gamma-Gamma by maximum likelihood: a purchase is gamma about the customer's mean, "
                "and the means of customers are inverse gamma. Customers of all years are used, "
                "for what is spent a purchase does not hang on when a customer was won. Fader, "
                "Hardie and Lee (2005), Journal of Marketing Research 42. Correlation by ranks, "
                "interval by Bonett and Wright (2000)."
            ),
            source=self.context.source,
            exclusions=self.histories.bought.exclusions
            + tuple(
                Exclusion.of_customers(reason, count) for reason, count in reasons.items() if count
            ),
        )


@measure(needs=NEEDS)
def spend(
    crm: Workspace, *, occasion: Occasion = "day", confidence: float = 0.95
) -> SpendPerPurchase:
    """What do customers spend a purchase, and what is to be expected of each.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    occasion : {"day", "order"}
        Whether all orders of a day are one purchase, or each is one.
    confidence : float

    Returns
    -------
    SpendPerPurchase
        `.table` has a row per parameter: parameter (p, q, v, and the mean spend a purchase),
        estimate, standard_error, low, high (v and the mean in money; missing where the data
        cannot tell).
        `.customers` has what is expected of each customer's purchases.

    Raises
    ------
    NotEnoughData
        If fewer than 10 customers have repeat purchases of known amount, or all spend the same.

    Notes
    -----
    The first purchase is left out, as in the models of repeat buying; so are customers without a
    repeat purchase, those with an order whose amount is not known, and those whose repeat purchases
    brought nothing. A customer with x repeat purchases of mean z is expected to spend
    p(v + xz)/(px + q − 1): between their own mean and that of all, the nearer to their own the more
    purchases it rests on. The interval of the mean pv/(q − 1) is that of its logarithm by the
    covariance of the log parameters.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), Journal of Marketing Research 42(4),
    415-430. Bonett, D. G. and Wright, T. A. (2000), Psychometrika 65(1), 23-28.
    """
    check_confidence(confidence)
    found = histories(crm, cohort="all", occasion=occasion)
    repeat, left_out = repeat_spend(found)
    if repeat.empty:
        raise NotEnoughData(
            _(
                "None of {customers} customers has purchases after the first of which the money "
                "is known."
            ).format(customers=number(len(found.frame)))
        )
    x, z = repeat["frequency"].to_numpy(float), repeat["spend"].to_numpy(float)
    fit = gamma_gamma(x, z)
    p, q, v = fit.parameters
    place = betainc(p * x, q, x * z / (v + x * z))
    return SpendPerPurchase(
        _parameters(fit, confidence),
        Context.of(crm),
        repeat.assign(expected=fit.expected(x, z)),
        fit,
        spearman(x, z, confidence=confidence),
        (float((place < 0.1).mean()), float((place > 0.9).mean())),
        refunded_share(found.frame),
        found,
        left_out,
        confidence,
    )


def ratio_axis(axes: Axes, direction: str) -> None:
    """Make ``"x"`` or ``"y"`` an axis of ratios, with plain numbers at its ticks."""
    from matplotlib.ticker import FuncFormatter

    change, axis = (
        (axes.set_xscale, axes.xaxis) if direction == "x" else (axes.set_yscale, axes.yaxis)
    )
    change("log")
    axis.set_major_formatter(FuncFormatter(lambda at, _place: number(at, 0 if at >= 1 else 2)))


def repeat_spend(found: Histories) -> tuple[pd.DataFrame, dict[str, int]]:
    """Mean of the purchases after the first, of customers of whom it is known; and the others."""
    frame = found.frame
    again = frame["frequency"] > 0
    unknown = again & (frame["amount_missing"] > 0)
    brought = frame["repeat_amount"] > ROUNDING * frame["amount"].abs()
    used = frame[again & ~unknown & brought]
    left_out = {
        "once": int((~again).sum()),
        "unknown": int(unknown.sum()),
        "nothing": int((again & ~unknown & ~brought).sum()),
    }
    repeat = used[["customer_id", "frequency"]].assign(
        spend=used["repeat_amount"] / used["frequency"]
    )
    return repeat.reset_index(drop=True), left_out


def refunded_share(frame: pd.DataFrame) -> float:
    """Money taken back, as a share of what purchases brought; 0 where these brought nothing."""
    brought = float(frame["amount"].sum())
    return float(frame["refunded"].sum()) / brought if brought > 0 else 0.0


def _parameters(fit: Spend, confidence: float) -> pd.DataFrame:
    rows = parameter_rows(fit, confidence)
    around = np.array([one.mean for one in neighbours(fit)])
    mean = fit.mean if np.isfinite(fit.mean) else np.nan
    low = high = np.nan
    if np.isfinite(around).all() and np.isfinite(mean):
        low, high = map(float, interval(mean, around, confidence))
    rows.append(
        {"parameter": "mean", "estimate": mean, "standard_error": np.nan, "low": low, "high": high}
    )
    return pd.DataFrame(rows)
