"""Who buys again, and how often: models of customers who leave without saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from crmlab.language import _, day, number, percent
from crmlab.loyalty.histories import (
    MODEL_NAMES,
    Cohort,
    Fits,
    Histories,
    Model,
    Unit,
    fits,
    unit_name,
)
from crmlab.loyalty.purchases import NEEDS, Occasion
from crmlab.loyalty.uncertainty import FARTHEST, parameter_rows
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence
from crmlab.stats.lifetime import RepeatBuying

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: From so many purchases on customers are counted together.
MOST = 7
#: A smaller difference of log-likelihoods does not speak for either model.
NO_DIFFERENCE = 2.0
#: A mean rate of leaving below this is none.
NO_LEAVING = 1e-8


@dataclass(frozen=True, repr=False)
class RepeatPurchases(Result):
    """Result of `repeat_buying`.

    Attributes
    ----------
    counts : pandas.DataFrame
        A row per number of repeat purchases, the last one for seven or more: purchases, actual,
        expected (customers), low, high (what chance allows), beyond (outside of it).
    comparison : pandas.DataFrame
        A row per model that could be fitted: model, log_likelihood.
    fits : Fits
    confidence : float
    """

    measure = "loyalty.repeat_buying"

    counts: pd.DataFrame
    comparison: pd.DataFrame
    fits: Fits
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["estimate", "standard_error", "low", "high"], "sized")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"parameter": parameter_labels(self.fits.model)}

    def title(self) -> str:
        return _("{actual} of customers never bought again; {model} expects {expected}").format(
            actual=percent(self._never("actual"), 0),
            model=MODEL_NAMES[self.fits.model],
            expected=percent(self._never("expected"), 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.counts))
        axes.bar(places, self.counts["actual"], color=charts.GREY, width=0.7)
        expected = self.counts["expected"].to_numpy()
        reach = self.counts[["low", "high"]].to_numpy().T
        axes.errorbar(
            places, expected, yerr=np.abs(reach - expected), fmt="o", color=charts.ORANGE,
            capsize=3, linewidth=1.5, markersize=5,
        )  # fmt: skip
        axes.set_xticks(places, counted(self.counts["purchases"]))
        axes.set_ylim(0, None)
        axes.set_xlabel(_("Purchases after the first"))
        axes.set_ylabel(_("Customers: bars seen, dots expected"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._fitted(),
            self._rates(),
            self._leaving(),
            self.fits.caution(),
            self._frequencies(),
            self._compared(),
            self.fits.histories.words(),
            self.fits.histories.bought.rule(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{purchases}: {actual}, expected {expected}").format(
                purchases=label, actual=number(row.actual), expected=number(row.expected)
            )
            for label, row in zip(
                counted(self.counts["purchases"]), self.counts.itertuples(), strict=True
            )
        ]
        return _(
            "Bars of customers by their purchases after the first, with what {model} expects. "
            "{parts}."
        ).format(model=MODEL_NAMES[self.fits.model], parts=_("; ").join(parts))

    # --- the words

    def _never(self, column: str) -> float:
        return float(self.counts[column].iloc[0] / self.counts["actual"].sum())

    def _fitted(self) -> str:
        fit = self.fits.fit
        return _(
            "{model} is fitted by maximum likelihood to {customers} customers, of whom {repeat} "
            "bought again up to {until}; its log-likelihood is {likelihood}."
        ).format(
            model=MODEL_NAMES[self.fits.model],
            customers=number(fit.customers),
            repeat=number(fit.repeat_buyers),
            until=day(self.fits.histories.until),
            likelihood=number(fit.log_likelihood, 1),
        )

    def _rates(self) -> str:
        fit = self.fits.fit
        shape, scale = fit.names[:2]
        rate, low, high = ratio(fit, shape, scale, self.confidence)
        said = _(
            "A customer who is still there buys again {rate} times {unit} on average ({low} to "
            "{high})."
        ).format(
            rate=number(rate, 3),
            low=number(low, 3),
            high=number(high, 3),
            unit=unit_name(self.fits.histories.unit),
        )
        if shape in fit.weak or scale in fit.weak:
            differ = _("How much customers differ in that cannot be told from these data.")
        else:
            differ = _(
                "They differ: the standard deviation of the rates is {times} times their mean "
                "(1/√r)."
            ).format(times=number(1 / np.sqrt(value(fit, shape)), 2))
        return f"{said} {intervals_in_brackets(self.confidence)} {differ}"

    def _leaving(self) -> str:
        fit, unit = self.fits.fit, unit_name(self.fits.histories.unit)
        rate, low, high = leaving(fit, self.confidence)
        if self.fits.model == "bg_nbd":
            said = _(
                "After a repeat purchase {share} of customers leave for good, on average ({low} to "
                "{high})."
            ).format(share=percent(rate), low=percent(low), high=percent(high))
        elif np.isnan(rate):
            said = _("They do not seem to leave: the rate of leaving is next to none.")
        else:
            said = _(
                "They leave for good at a rate of {rate} {unit} on average ({low} to {high})."
            ).format(rate=number(rate, 4), low=number(low, 4), high=number(high, 4), unit=unit)
        one, other = fit.names[2:]
        if one not in fit.weak and other not in fit.weak:
            return said
        # The parameters run away together; only their ratio is told by the data.
        differ = _(
            "How much customers differ in leaving cannot be told from these data: one rate for all "
            "fits as well, and the parameters {one} and {other} have no values of their own."
        ).format(one=_symbol(one), other=_symbol(other))
        return f"{said} {differ}"

    def _frequencies(self) -> str:
        beyond = self.counts[self.counts["beyond"]]
        if beyond.empty:
            return _(
                "All numbers of purchases occur as often as the model expects, within what chance "
                "allows ({confidence} each)."
            ).format(confidence=percent(self.confidence, 0))
        parts = [
            _("{purchases}: {actual} rather than {expected}").format(
                purchases=label, actual=number(row.actual), expected=number(row.expected)
            )
            for label, row in zip(counted(beyond["purchases"]), beyond.itertuples(), strict=True)
        ]
        return _(
            "Numbers of purchases that occur more or less often than the model expects, beyond "
            "chance: {parts}."
        ).format(parts=_("; ").join(parts))

    def _compared(self) -> str:
        if len(self.comparison) < 2:
            return _("The other model could not be fitted to these customers.")
        known = self.comparison.set_index("model")["log_likelihood"]
        best = str(known.idxmax())
        difference = float(known.max() - known.min())
        said = _(
            "On the same customers the log-likelihood of {better} is higher by {difference}. Both "
            "models have four parameters, so it is the one that describes them better."
        )
        if difference < NO_DIFFERENCE:
            said = _(
                "On the same customers the log-likelihood of {better} is higher by {difference}. "
                "That is too little to prefer one of the models, which both have four parameters."
            )
        return said.format(better=MODEL_NAMES[best], difference=number(difference, 1))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Purchases after the first, and the time of the last of them"),
            denominator=_("Customers, each observed from the first purchase to the last day"),
            period=self.context.period(),
            method=_(
                "Purchases of a customer who is there are Poisson, their rates gamma distributed. "
                "BG/NBD: a customer leaves after a purchase with a chance that is beta "
                "distributed. Pareto/NBD: leaves at any time, at a rate that is gamma distributed. "
                "Maximum likelihood; {confidence} Wald intervals of the logarithms. Fader, Hardie "
                "and Lee (2005); Schmittlein, Morrison and Colombo (1987)."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.fits.histories.exclusions(),
        )


@measure(needs=NEEDS)
def repeat_buying(
    crm: Workspace,
    *,
    model: Model = "bg_nbd",
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    until: date | None = None,
    confidence: float = 0.95,
) -> RepeatPurchases:
    """How often customers buy again, and how they leave without saying so.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers.acquired_on to know who is new; amount to
        tell refunds.
    model : {"bg_nbd", "pareto_nbd"}
    cohort : {"won", "all"}
        ``"won"`` fits the model to customers acquired within the data only. ``"all"`` takes the
        first purchase seen as the first of all, which is wrong for customers who are older.
    unit : {"day", "week", "month"}
        Unit of time that the parameters are in.
    occasion : {"day", "order"}
        Whether all orders of a day are one purchase, or each is one.
    until : datetime.date, optional
        Last day of the observation; default `as_of`.
    confidence : float

    Returns
    -------
    RepeatPurchases
        `.table` has a row per parameter: parameter, estimate, standard_error, low, high
        (missing where the data cannot tell it); and one each for the mean rate of buying
        (``"rate"``, per unit of time) and the mean chance or rate of leaving (``"leaving"``),
        without an error. `.counts` compares how many customers bought how often.

    Raises
    ------
    NotEnoughData
        If too few customers bought again, or nobody was acquired within the data.
    CrmlabError
        If an argument is not one of those allowed.

    Notes
    -----
    The parameters r and α are those of the gamma distribution of the rates of buying: mean r/α,
    coefficient of variation 1/√r. BG/NBD: a customer leaves after a purchase with chance p, which
    is Beta(a, b). Pareto/NBD: a customer leaves at the rate μ, which is Gamma(s, β). The interval
    of a parameter is exp(log estimate ± z × standard error of the log), that of r/α likewise. The
    band of a number of customers is expected ± z √Σ pᵢ(1 − pᵢ), pᵢ the chance of that many
    purchases in the time that customer i was observed; the parameters count as known there.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), Marketing Science 24(2), 275-284.
    Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), Management Science 33(1), 1-24.
    """
    check_confidence(confidence)
    found = fits(crm, model, cohort=cohort, unit=unit, occasion=occasion, until=until)
    fit = found.fit
    z = float(norm.ppf((1 + confidence) / 2))
    comparison = pd.DataFrame(
        [
            {"model": name, "log_likelihood": one.log_likelihood}
            for name, one in found.models.items()
        ]
    )
    return RepeatPurchases(
        _parameters(fit, confidence),
        Context.of(crm),
        _counts(found.histories, fit, z),
        comparison,
        found,
        confidence,
    )


def _parameters(fit: RepeatBuying, confidence: float) -> pd.DataFrame:
    rows = parameter_rows(fit, confidence)
    means = {
        "rate": ratio(fit, fit.names[0], fit.names[1], confidence),
        "leaving": leaving(fit, confidence),
    }
    for name, (estimate, low, high) in means.items():
        rows.append(
            {
                "parameter": name,
                "estimate": estimate,
                "standard_error": np.nan,
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)


def _counts(found: Histories, fit: RepeatBuying, z: float) -> pd.DataFrame:
    """How many customers bought how often, and how many the model expects."""
    frame = found.frame[found.frame["fitted"]]
    ages = frame["age_days"].value_counts()
    times, customers = ages.index.to_numpy() / found.days, ages.to_numpy(float)
    chances = [np.asarray(fit.probability(many, times)) for many in range(MOST)]
    chances.append(np.clip(1 - np.sum(chances, axis=0), 0, 1))
    frequency = frame["frequency"].to_numpy()
    rows: list[dict[str, Any]] = []
    for many, chance in enumerate(chances):
        actual = (frequency >= MOST).sum() if many == MOST else (frequency == many).sum()
        expected = float(customers @ chance)
        reach = z * float(np.sqrt(customers @ (chance * (1 - chance))))
        low, high = max(expected - reach, 0.0), expected + reach
        rows.append(
            {
                "purchases": many,
                "actual": int(actual),
                "expected": expected,
                "low": low,
                "high": high,
                "beyond": bool(actual < low or actual > high),
            }
        )
    return pd.DataFrame(rows)


def counted(purchases: pd.Series) -> Sequence[str]:
    """Numbers of purchases as written on an axis, the last of them for that many or more."""
    return [_("{many}+").format(many=one) if one == MOST else number(one) for one in purchases]


def value(fit: RepeatBuying, name: str) -> float:
    """A parameter by its name."""
    return float(fit.parameters[list(fit.names).index(name)])


def ratio(
    fit: RepeatBuying, above: str, below: str, confidence: float
) -> tuple[float, float, float]:
    """A ratio of two parameters with its interval, by the delta method on the logarithm."""
    one, other = (list(fit.names).index(name) for name in (above, below))
    estimate = float(fit.parameters[one] / fit.parameters[other])
    spread = fit.covariance
    variance = spread[one, one] + spread[other, other] - 2 * spread[one, other]
    reach = float(norm.ppf((1 + confidence) / 2) * np.sqrt(max(float(variance), 0.0)))
    reach = min(reach, FARTHEST)
    return estimate, estimate * float(np.exp(-reach)), estimate * float(np.exp(reach))


def leaving(fit: RepeatBuying, confidence: float) -> tuple[float, float, float]:
    """Mean chance of leaving after a purchase, or mean rate of leaving, with its interval."""
    one, low, high = ratio(fit, fit.names[2], fit.names[3], confidence)
    if fit.model == "pareto_nbd":
        # So small a rate is where the search ended, and no estimate with an error.
        return (one, low, high) if one > NO_LEAVING else (np.nan, np.nan, np.nan)
    # a / (a + b), of the ratio a / b
    return one / (1 + one), low / (1 + low), high / (1 + high)


def parameter_labels(model: str) -> dict[str, str]:
    """What each row of the parameters of a model is, in the current language."""
    rates = {
        "r": _("r (rates of buying, shape)"),
        "alpha": _("α (rates of buying, scale)"),
        "rate": _("r/α (mean rate of buying)"),
    }
    if model == "bg_nbd":
        return rates | {
            "a": _("a (chances of leaving)"),
            "b": _("b (chances of leaving)"),
            "leaving": _("a/(a+b) (mean chance of leaving)"),
        }
    return rates | {
        "s": _("s (rates of leaving, shape)"),
        "beta": _("β (rates of leaving, scale)"),
        "leaving": _("s/β (mean rate of leaving)"),
    }


def _symbol(name: str) -> str:
    return {"alpha": "α", "beta": "β"}.get(name, name)
