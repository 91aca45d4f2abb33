"""P(alive) held against what is known: whose contract ended, and whose is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, day, number, percent
from crmlab.loyalty.histories import MODEL_NAMES, Cohort, Fits, Model, Unit, fits, seen
from crmlab.loyalty.purchases import Occasion
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: P(alive) is judged in so many bins of equal width.
BINS = 5
#: With fewer customers on either side nothing can be said.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class AliveCheck(Result):
    """Result of `alive_check`.

    Attributes
    ----------
    scores : pandas.DataFrame
        A row per model: model, alive (mean P(alive)), brier (mean squared distance of P(alive)
        from what is known), ordered (chance that of a customer in force and one who left, the
        former has the higher P(alive)).
    in_force : float
        Share of these customers whose contract is in force.
    customers : pandas.DataFrame
        A row per customer of known contract: customer_id, alive, in_force.
    without : int
        Customers with purchases and without a contract that had begun by the last day.
    silent : int
        Customers with such a contract and without purchases, of whom the models know nothing.
    fits : Fits
    confidence : float
    """

    measure = "loyalty.alive_check"

    scores: pd.DataFrame
    in_force: float
    customers: pd.DataFrame
    without: int
    silent: int
    fits: Fits
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"band": _band_names()}

    def title(self) -> str:
        return _("{model} says {alive} of contract customers are there; {share} are").format(
            model=MODEL_NAMES[self.fits.model],
            alive=percent(self.customers["alive"].mean(), 0),
            share=percent(self.in_force, 0),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(5.6, 4.6))
        axes.plot([0, 1], [0, 1], color=charts.GREY, linestyle="--", linewidth=1.2)
        known = self.table[self.table["customers"] > 0]
        share = known["share"].to_numpy()
        reach = np.abs(known[["low", "high"]].to_numpy().T - share)
        axes.errorbar(
            known["alive"], share, yerr=reach, fmt="o-", color=charts.BLUE, capsize=3,
            linewidth=1.5, markersize=6,
        )  # fmt: skip
        for row in known.itertuples():
            axes.annotate(
                number(row.customers), (row.alive, row.high), xytext=(0, 5), ha="center",
                textcoords="offset points", color=charts.MUTED, fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        axes.set_xlim(-0.02, 1.04)
        axes.set_ylim(-0.02, 1.08)
        charts.share_axis(axes.xaxis)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Mean P(alive); on the line it would be right"))
        axes.set_ylabel(
            _("Contracts in force\n({confidence} interval; customers above)").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._whom(),
            self._bands(),
            self._models(),
            _(
                "P(alive) was computed from the orders alone; that a contract ended was not shown "
                "to the model. Customers with a contract are not all customers, and who lets a "
                "contract end may still buy, or not buy although it runs."
            ),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("P(alive) {alive}: {share} of {customers} in force").format(
                alive=percent(row.alive, 0),
                share=percent(row.share, 0),
                customers=number(row.customers),
            )
            for row in self.table[self.table["customers"] > 0].itertuples()
        ]
        return _(
            "Points of the share of contracts in force by mean P(alive), about a dashed diagonal. "
            "{parts}."
        ).format(parts=_("; ").join(parts))

    # --- the words

    def _whom(self) -> str:
        return _(
            "Of {customers} customers with purchases who have had a contract, {share} have one in "
            "force on {until}; mean P(alive) by {model} is {alive}."
        ).format(
            customers=number(len(self.customers)),
            share=percent(self.in_force),
            until=day(self.fits.histories.until),
            model=MODEL_NAMES[self.fits.model],
            alive=percent(self.customers["alive"].mean()),
        )

    def _bands(self) -> str:
        names = _band_names()
        off = self.table[self.table["held"].eq(False).fillna(False)]
        if off.empty:
            return _(
                "In every band of P(alive) with {fewest} customers or more the share in force "
                "agrees with it, within the interval. {intervals}"
            ).format(fewest=number(FEWEST), intervals=intervals_in_brackets(self.confidence))
        parts = [
            _("{band}: {alive} said, {share} in force ({low} to {high})").format(
                band=names[row.band],
                alive=percent(row.alive),
                share=percent(row.share),
                low=percent(row.low),
                high=percent(row.high),
            )
            for row in off.itertuples()
        ]
        return _("Bands of P(alive) in which it is off: {parts}. {intervals}").format(
            parts=_("; ").join(parts), intervals=intervals_in_brackets(self.confidence)
        )

    def _models(self) -> str:
        blind = self.in_force * (1 - self.in_force)
        parts = [
            _("{model} {brier}, and right in {ordered} of the pairs").format(
                model=MODEL_NAMES[row.model],
                brier=number(row.brier, 3),
                ordered=percent(row.ordered, 0),
            )
            for row in self.scores.itertuples()
        ]
        return _(
            "Mean squared distance from the truth (Brier score, smaller is better): {parts}. To "
            "say {share} of everybody would score {blind}. A pair is a customer with a contract in "
            "force and one without; right is the higher P(alive) for the first."
        ).format(parts=_("; ").join(parts), share=percent(self.in_force), blind=number(blind, 3))

    def _define(self) -> Definition:
        left_out = {
            _("no contract that had begun by the last day"): self.without,
            _("a contract and no purchase"): self.silent,
        }
        return Definition(
            numerator=_("Of these, customers whose contract is in force"),
            denominator=_("Customers with a purchase and a contract, by P(alive)"),
            period=self.context.period(),
            method=_(
                "A contract is in force if its last day has not passed. P(alive) in {bins} bands "
                "of equal width; {confidence} Wilson intervals. Brier (1950), Monthly Weather "
                "Review 78."
            ).format(bins=number(BINS), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.fits.histories.bought.exclusions
            + tuple(
                Exclusion.of_customers(reason, count) for reason, count in left_out.items() if count
            ),
        )


@measure(
    needs={
        "orders": ["customer_id", "ordered_at"],
        "customers": ["customer_id", "contract_from", "contract_to"],
    }
)
def alive_check(
    crm: Workspace,
    *,
    model: Model = "bg_nbd",
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    until: date | None = None,
    confidence: float = 0.95,
) -> AliveCheck:
    """Is P(alive) right: held against the contracts that ended and those in force.

    Parameters
    ----------
    crm : Workspace
        As for `repeat_buying`; with customers.contract_from and contract_to.
    model, cohort, unit, occasion, until
        As in `alive`.
    confidence : float

    Returns
    -------
    AliveCheck
        `.table` has a row per band of P(alive): band, customers, alive (mean P(alive)), share (of
        contracts in force), low, high, held (whether P(alive) lies in the interval; missing for
        fewer than five customers).

    Raises
    ------
    NotEnoughData
        If fewer than five of the contracts ended, or fewer than five are in force; and as
        `repeat_buying`.

    Notes
    -----
    This is a check of calibration: of customers with P(alive) near .7, seven in ten should be
    there. The Brier score also falls when customers are told apart better. A contract without a
    last day is in force.

    References
    ----------
    Brier, G. W. (1950), Monthly Weather Review 78(1), 1-3.
    """
    check_confidence(confidence)
    found = fits(crm, model, cohort=cohort, unit=unit, occasion=occasion, until=until)
    frame = found.histories.frame
    last = pd.Timestamp(found.histories.until)
    contracts = crm.customers.set_index("customer_id")[["contract_from", "contract_to"]]
    terms = contracts.reindex(frame["customer_id"]).reset_index(drop=True)
    under = (terms["contract_from"] <= last).to_numpy()
    in_force = (terms["contract_to"].isna() | (terms["contract_to"] >= last)).to_numpy()[under]
    if min(in_force.sum(), (~in_force).sum()) < FEWEST:
        raise NotEnoughData(
            _(
                "To check P(alive), {fewest} contracts that ended and as many in force are needed; "
                "there are {ended} and {running}."
            ).format(
                fewest=FEWEST, ended=number(int((~in_force).sum())),
                running=number(int(in_force.sum())),
            )
        )  # fmt: skip
    groups, group = found.histories.groups()
    said = {name: one.alive(*seen(groups))[group][under] for name, one in found.models.items()}
    customers = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy()[under],
            "alive": said[model],
            "in_force": in_force,
        }
    )
    return AliveCheck(
        _bands(customers, confidence),
        Context.of(crm),
        pd.DataFrame([_score(name, one, in_force) for name, one in said.items()]),
        float(in_force.mean()),
        customers,
        int((~under).sum()),
        int((contracts["contract_from"] <= last).sum() - under.sum()),
        found,
        confidence,
    )


def _bands(customers: pd.DataFrame, confidence: float) -> pd.DataFrame:
    place = np.minimum((customers["alive"] * BINS).astype(int), BINS - 1)
    rows = []
    for band in range(BINS):
        part = customers[place == band]
        many, running = len(part), int(part["in_force"].sum())
        mean = float(part["alive"].mean()) if many else np.nan
        low = high = np.nan
        if many:
            low, high = map(float, wilson(running, many, confidence=confidence))
        rows.append(
            {
                "band": str(band),
                "customers": many,
                "alive": mean,
                "share": running / many if many else np.nan,
                "low": low,
                "high": high,
                "held": bool(low <= mean <= high) if many >= FEWEST else None,
            }
        )
    return pd.DataFrame(rows).astype({"held": "boolean"})


def _score(model: str, alive: Any, in_force: Any) -> dict[str, Any]:
    from scipy.stats import mannwhitneyu

    above = mannwhitneyu(alive[in_force], alive[~in_force]).statistic
    return {
        "model": model,
        "alive": float(alive.mean()),
        "brier": float(np.mean((alive - in_force) ** 2)),
        "ordered": float(above / in_force.sum() / (~in_force).sum()),
    }


def _band_names() -> dict[str, str]:
    return {
        str(band): _("{low} to {high}").format(
            low=percent(band / BINS, 0), high=percent((band + 1) / BINS, 0)
        )
        for band in range(BINS)
    }
