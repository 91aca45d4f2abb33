"""Who is still there, and what is expected of them: P(alive) and purchases to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.histories import MODEL_NAMES, Array, Cohort, Fits, Model, Unit, fits, seen
from crmlab.loyalty.purchases import NEEDS, Occasion
from crmlab.loyalty.uncertainty import Scale, evaluated, interval
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence
from crmlab.stats.tiers import Tiers, known_tiers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Scale on which the interval of a prediction is symmetric.
SCALES: Mapping[str, Scale] = {"alive": "logit", "expected": "log"}
#: Steps of the map: purchases, and parts of the time observed.
MAP_PURCHASES, MAP_STEPS = 15, 40


@dataclass(frozen=True, repr=False)
class Alive(Result):
    """Result of `alive`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer: customer_id, tier (where known), won (acquired within the data, so that
        the model was fitted to them), frequency, recency_days, age_days, alive, alive_low,
        alive_high, expected, expected_low, expected_high (purchases in the weeks to come).
    never : pandas.Series
        Of customers who never bought again: customers, and the mean P(alive) that each model
        gives them.
    weeks : float
        That the expected purchases are for.
    tiers : Tiers or None
    fits : Fits
    confidence : float
    """

    measure = "loyalty.alive"

    customers: pd.DataFrame
    never: pd.Series
    weeks: float
    tiers: Tiers | None
    fits: Fits
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["expected", "expected_low", "expected_high"], "number1")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = self.tiers.names() if self.tiers is not None else {}
        return {"tier": names | {"all": _("all")}}

    def title(self) -> str:
        gone = float((self.customers["alive"] < 0.5).mean())
        return _("{share} of {customers} customers have more likely left than not").format(
            share=percent(gone, 0), customers=number(len(self.customers))
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        chances, silent, age = self._map()
        mesh = axes.pcolormesh(
            silent,
            np.arange(len(chances)),
            chances,
            cmap="Blues",
            vmin=0,
            vmax=1,
            shading="nearest",
        )
        lines = axes.contour(
            silent, np.arange(len(chances)), chances, levels=[0.5], colors=charts.ORANGE
        ) if chances.min() < 0.5 < chances.max() else None  # fmt: skip
        figure: Any = axes.figure
        bar = figure.colorbar(mesh, ax=axes)
        bar.set_label(_("P(alive); line at one half") if lines else _("P(alive)"))
        axes.set_xlabel(
            _("Days since the last purchase, {age} days after the first").format(age=number(age))
        )
        axes.set_ylabel(_("Purchases after the first"))
        axes.set_title(charts.wrapped(self.title(), 62))
        return axes

    def _map(self) -> tuple[Array, Array, int]:
        """P(alive) by purchases and days of silence, at the usual time of observation."""
        age = max(int(self.customers["age_days"].median()), 1)
        silent = np.linspace(0, age, MAP_STEPS)
        days = self.fits.histories.days
        recency = (age - silent) / days
        rows = [
            self.fits.fit.alive(
                np.full(MAP_STEPS, float(many)), recency, np.full(MAP_STEPS, age / days)
            )
            for many in range(1, MAP_PURCHASES + 1)
        ]
        never = self.fits.fit.alive(np.array([0.0]), np.array([0.0]), np.array([age / days]))
        return np.vstack([np.full(MAP_STEPS, float(never[0])), *rows]), silent, age

    def reading(self) -> str:
        parts = [
            self._in_all(),
            self.fits.caution(),
            self._tiers(),
            self._never(),
            self._older(),
            _(
                "These are intervals of the parameters alone. What a single customer will buy is "
                "far less certain than what is expected of them."
            ),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        chances, _silent, age = self._map()
        return _(
            "Map of P(alive) {age} days after the first purchase: darker the more likely. With one "
            "purchase after the first it is {recent} right after it and {silent} at the longest "
            "silence; with {many} purchases {recent_many} and {silent_many}."
        ).format(
            age=number(age),
            many=number(MAP_PURCHASES),
            recent=number(chances[1, 0], 2),
            silent=number(chances[1, -1], 2),
            recent_many=number(chances[-1, 0], 2),
            silent_many=number(chances[-1, -1], 2),
        )

    # --- the words

    def _in_all(self) -> str:
        table = self.table
        row = table.iloc[-1]
        return _(
            "By {model}, {alive} of {customers} customers are expected to be still there on "
            "{until} ({low} to {high}), and to buy {purchases} times in the next {weeks} weeks "
            "({purchases_low} to {purchases_high}). {intervals}"
        ).format(
            model=MODEL_NAMES[self.fits.model],
            alive=number(row["alive"] * row["customers"]),
            customers=number(row["customers"]),
            until=day(self.fits.histories.until),
            low=number(row["alive_low"] * row["customers"]),
            high=number(row["alive_high"] * row["customers"]),
            purchases=number(row["expected"]),
            weeks=number(self.weeks, 0 if float(self.weeks).is_integer() else 1),
            purchases_low=number(row["expected_low"]),
            purchases_high=number(row["expected_high"]),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _tiers(self) -> str:
        if self.tiers is None:
            return ""
        names = self.tiers.names()
        parts = [
            _("{tier} {alive} ({low} to {high})").format(
                tier=names[row.tier],
                alive=percent(row.alive),
                low=percent(row.alive_low),
                high=percent(row.alive_high),
            )
            for row in self.table.iloc[:-1].itertuples()
        ]
        return _("Mean P(alive) by tier: {parts}. The model does not know the tiers.").format(
            parts=_("; ").join(parts)
        )

    def _never(self) -> str:
        many = int(self.never["customers"])
        if not many:
            return _("Every customer bought at least twice.")
        said = ngettext(
            "{count} customer never bought again. BG/NBD lets customers leave only after a "
            "purchase that follows the first, so it gives each of them P(alive) = 1, however long "
            "they are silent.",
            "{count} customers never bought again. BG/NBD lets customers leave only after a "
            "purchase that follows the first, so it gives each of them P(alive) = 1, however long "
            "they are silent.",
            many,
        ).format(count=number(many))
        if "pareto_nbd" not in self.fits.models:
            return said
        return said + " " + _("Pareto/NBD gives them {mean} on average.").format(
            mean=number(self.never["pareto_nbd"], 2)
        )  # fmt: skip

    def _older(self) -> str:
        older = int((~self.customers["won"]).sum())
        if not older:
            return self.fits.histories.words()
        return ngettext(
            "{count} customer was acquired before the data begin or at an unknown time. The model "
            "of those won since is used for that customer from the first purchase seen. Who has "
            "stayed so long may well be more faithful than new customers, so that P(alive) is "
            "rather too low.",
            "{count} customers were acquired before the data begin or at an unknown time. The "
            "model of those won since is used for them from the first purchase seen. Who has "
            "stayed so long may well be more faithful than new customers, so that P(alive) is "
            "rather too low.",
            older,
        ).format(count=number(older))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Chance that a customer is still there, and purchases expected"),
            denominator=_("Customers with at least one purchase"),
            period=self.context.period(),
            method=_(
                "{model} given the number of purchases, the time of the last and the time since "
                "the first; {confidence} intervals from the errors of the parameters. Fader, "
                "Hardie and Lee (2005); Schmittlein, Morrison and Colombo (1987)."
            ).format(
                model=MODEL_NAMES[self.fits.model],
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.fits.histories.exclusions(),
        )


@measure(needs=NEEDS)
def alive(
    crm: Workspace,
    *,
    model: Model = "bg_nbd",
    weeks: float = 13,
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    until: date | None = None,
    confidence: float = 0.95,
) -> Alive:
    """Who is still there, and how many purchases to expect of each customer.

    Parameters
    ----------
    crm : Workspace
        As for `repeat_buying`; tiers also need orders.amount.
    model : {"bg_nbd", "pareto_nbd"}
    weeks : float
        To look ahead.
    cohort, unit, occasion, until
        As in `repeat_buying`.
    confidence : float

    Returns
    -------
    Alive
        `.table` has a row per tier, best first, and one for all (``"all"``): tier, customers, alive
        (mean P(alive)), alive_low, alive_high, expected (purchases of all of them in the weeks to
        come), expected_low, expected_high. Without amounts there is the row for all alone.
        `.customers` has a row per customer.

    Raises
    ------
    NotEnoughData, CrmlabError
        As `repeat_buying`; CrmlabError also if `weeks` is not above 0.

    Notes
    -----
    An interval is ± z standard deviations of the logarithm (of P(alive) the logit) of what is
    predicted, by the covariance of the log parameters (`neighbours`). It holds the uncertainty of
    the model's parameters, neither that of the model itself nor what chance does to a customer.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), Marketing Science 24(2), 275-284,
    equation 10. Fader, P. S. and Hardie, B. G. S. (2008), Computing P(alive) Using the BG/NBD
    Model. Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), Management Science 33(1),
    1-24.
    """
    check_confidence(confidence)
    if not 0 < weeks < np.inf:
        raise CrmlabError(
            _("weeks is a number above 0, such as 13; it is {weeks}.").format(weeks=repr(weeks))
        )
    found = fits(crm, model, cohort=cohort, unit=unit, occasion=occasion, until=until)
    tiers = known_tiers(crm)
    customers = found.histories.frame[
        ["customer_id", "fitted", "frequency", "recency_days", "age_days"]
    ].rename(columns={"fitted": "won"})
    groups, group = found.histories.groups()
    ahead = weeks * 7 / found.histories.days
    views = {
        "alive": evaluated(found.fit, groups, lambda one, *history: one.alive(*history)),
        "expected": evaluated(
            found.fit, groups, lambda one, *history: one.expected(ahead, *history)
        ),
    }
    for name, (usual, around) in views.items():
        low, high = interval(usual, around, confidence, SCALES[name])
        customers[name] = usual[group]
        customers[f"{name}_low"], customers[f"{name}_high"] = low[group], high[group]
    if tiers is not None:
        named = tiers.table.set_index("customer_id")["tier"]
        customers.insert(1, "tier", customers["customer_id"].map(named))
    return Alive(
        _table(customers, group, views, tiers, confidence),
        Context.of(crm),
        customers.reset_index(drop=True),
        _never_again(found),
        weeks,
        tiers,
        found,
        confidence,
    )


def _table(
    customers: pd.DataFrame,
    group: Array,
    views: Mapping[str, tuple[Array, Array]],
    tiers: Tiers | None,
    confidence: float,
) -> pd.DataFrame:
    rows = []
    everyone = np.ones(len(customers), dtype=bool)
    parts: list[tuple[str, Array]] = []
    if tiers is not None:
        present = [tier for tier in tiers.order if (customers["tier"] == tier).any()]
        parts = [(tier, (customers["tier"] == tier).to_numpy()) for tier in present]
    for tier, inside in [*parts, ("all", everyone)]:
        members = np.bincount(group[inside], minlength=len(views["alive"][0])).astype(float)
        many = members.sum()
        row: dict[str, Any] = {"tier": tier, "customers": int(many)}
        for name, scale in (("alive", 1 / many), ("expected", 1.0)):
            usual, around = views[name]
            mean = float(usual @ members * scale)
            low, high = interval(mean, around @ members * scale, confidence, SCALES[name])
            row |= {
                name: mean,
                f"{name}_low": float(low),
                f"{name}_high": float(high),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _never_again(found: Fits) -> pd.Series:
    """Customers who never bought again, and what the models give them."""
    groups, _group = found.histories.groups()
    never = groups[groups["frequency"] == 0]
    counts = never["customers"].to_numpy(float)
    said: dict[str, float] = {"customers": float(counts.sum())}
    for name, model in found.models.items():
        chance = model.alive(*seen(never))
        said[name] = float(np.average(chance, weights=counts)) if len(never) else np.nan
    return pd.Series(said)
