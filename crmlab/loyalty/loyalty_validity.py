"""Does the loyalty index go with what customers do afterwards: an association, measured forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number
from crmlab.loyalty.loyalty_index import LEAST, indices, known_weights
from crmlab.loyalty.loyalty_layers import layer_scores
from crmlab.loyalty.nine_answers import customers_counted
from crmlab.loyalty.nine_measures import Weights, layer_names, measure_names, weights_of
from crmlab.loyalty.nine_values import Measured, Own, measured
from crmlab.loyalty.scorecard import CONFIDENCE
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.multiplicity import holding
from crmlab.stats.rank_correlation import spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: From fewer customers no association is judged.
FEWEST = 20


@dataclass(frozen=True, repr=False)
class LoyaltyValidity(Result):
    """Result of `loyalty_validity`.

    Attributes
    ----------
    until : datetime.date
        Last day that the index is made from.
    ahead : int
        Months after it in which purchases are counted.
    silent : int
        Customers with an index who bought nothing in these months.
    measured : Measured
        As known on that day.
    too_few : int
        Customers without an index.
    """

    measure = "loyalty.loyalty_validity"

    until: date
    ahead: int
    silent: int
    measured: Measured
    too_few: int

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        kinds = {"index": _("Index"), "layer": _("Layer"), "measure": _("Measure")}
        return {"predictor": self._names(), "kind": kinds}

    def main_columns(self) -> Sequence[str]:
        return ["predictor", "customers", "correlation", "low", "high", "beyond_chance"]

    def title(self) -> str:
        row = self._index()
        if np.isnan(row["low"]):
            return _("Whether the index goes with later purchases cannot be told")
        return ngettext(
            "Index and purchases of the next month: correlation {value} ({low} to {high})",
            "Index and purchases of the next {months} months: correlation {value} ({low} to "
            "{high})",
            self.ahead,
        ).format(months=number(self.ahead), **self._written(row))

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self.table.dropna(subset=["correlation"])
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.34 * len(drawn) + 1.8))
        places = np.arange(len(drawn))[::-1]
        colours = {"index": charts.ORANGE, "layer": charts.BLUE, "measure": charts.GREY}
        each = [colours[kind] for kind in drawn["kind"]]
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.hlines(places, drawn["low"], drawn["high"], color=each, linewidth=2)
        axes.scatter(drawn["correlation"], places, color=each, zorder=3)
        names = self._names()
        axes.set_yticks(places, [charts.wrapped(names[code], 28) for code in drawn["predictor"]])
        axes.set_xlabel(_("Rank correlation with later purchases, with 95% interval"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._found(), self._parts(), self._caution(), self._who()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{name} {value}").format(
                name=self._names()[row["predictor"]], value=number(row["correlation"], 2)
            )
            for _index, row in self.table.dropna(subset=["correlation"]).iterrows()
        ]
        if not parts:
            return self.title()
        return _("Points with intervals: rank correlation with later purchases. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _names(self) -> dict[str, str]:
        layers = {
            f"layer {layer}": _("Layer: {layer}").format(layer=layer_names().get(layer, layer))
            for layer in self.measured.measures["layer"]
        }
        return {"index": _("Loyalty index")} | layers | measure_names(self.measured.measures)

    def _index(self) -> pd.Series:
        return self.table.set_index("predictor").loc["index"]

    @staticmethod
    def _written(row: pd.Series) -> dict[str, str]:
        return {
            "value": number(row["correlation"], 2),
            "low": number(row["low"], 2),
            "high": number(row["high"], 2),
        }

    def _found(self) -> str:
        row = self._index()
        if np.isnan(row["low"]):
            return _(
                "Of {customers} with an index on {day} nothing can be said about what was done "
                "afterwards: too few, or all alike."
            ).format(customers=customers_counted(int(row["customers"])), day=day(self.until))
        return ngettext(
            "Among {customers} customers, the rank correlation of the index as it could be known "
            "on {day} with the days of purchase in the month after is {value} ({low} to {high}); "
            "{silent} of them bought nothing then. {intervals}",
            "Among {customers} customers, the rank correlation of the index as it could be known "
            "on {day} with the days of purchase in the {months} months after is {value} ({low} to "
            "{high}); {silent} of them bought nothing then. {intervals}",
            self.ahead,
        ).format(
            customers=number(row["customers"]),
            day=day(self.until),
            months=number(self.ahead),
            silent=number(self.silent),
            intervals=intervals_in_brackets(CONFIDENCE),
            **self._written(row),
        )

    def _parts(self) -> str:
        measures = self.table[self.table["kind"] == "measure"]
        if measures["beyond_chance"].isna().all():
            return ""
        judged = self.table[self.table["beyond_chance"].fillna(False)]
        names = self._names()
        single = judged[judged["kind"] == "measure"]
        said = (
            _("No measure by itself goes with later purchases beyond chance.")
            if single.empty
            else _("Of the single measures these do beyond chance: {parts}.").format(
                parts=_("; ").join(
                    _("{name} {value}").format(
                        name=names[row["predictor"]], value=number(row["correlation"], 2)
                    )
                    for _index, row in single.iterrows()
                )
            )
        )
        wrong = single[single["correlation"] < 0]
        if len(wrong):
            against = _("Against the direction in which it is scored goes: {names}.").format(
                names=_(", ").join(names[code] for code in wrong["predictor"])
            )
            said = f"{said} {against}"
        layers = self.table[self.table["kind"] == "layer"].dropna(subset=["low"])
        if layers.empty:
            return said
        listed = _("By layer: {parts}.").format(
            parts=_("; ").join(
                _("{name} {value} ({low} to {high})").format(
                    name=layer_names().get(code, code), **self._written(row)
                )
                for code, (_index, row) in zip(
                    layers["predictor"].str.removeprefix("layer "), layers.iterrows(), strict=True
                )
            )
        )
        return f"{listed} {said}"

    def _caution(self) -> str:
        return _(
            "This is an association: who bought much may buy much again whatever they feel, and "
            "what made customers answer kindly may also make them buy. It does not show that "
            "raising the index would raise purchases."
        )

    def _who(self) -> str:
        said = "" if self.measured.said is None else self.measured.said.sentence()
        few = (
            _("Customers of whom too little was known on that day: {count}.").format(
                count=number(self.too_few)
            )
            if self.too_few
            else ""
        )
        return " ".join(part for part in (said, few, self.measured.left_out()) if part)

    def _define(self) -> Definition:
        few = Exclusion.of_customers(_("too little known"), self.too_few)
        return Definition(
            numerator=_(
                "Rank correlation of a customer's index with the days of purchase after it"
            ),
            denominator=_("Customers with an index on {day}").format(day=day(self.until)),
            period=ngettext(
                "{before}; purchases in the month after",
                "{before}; purchases in the {months} months after",
                self.ahead,
            ).format(before=self.measured.period(), months=number(self.ahead)),
            method=_(
                "Nothing that happened after that day is in the index. Spearman's correlation "
                "without weights, intervals of Bonett and Wright (2000); beyond chance corrected "
                "for the number of correlations (Holm)."
            ),
            source=self.context.source,
            exclusions=self.measured.exclusions + ((few,) if self.too_few else ()),
        )


@measure(needs={"orders": ["customer_id", "ordered_at"]})
def loyalty_validity(
    crm: Workspace,
    *,
    ahead: int = 6,
    weights: Weights | None = None,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    months: int = 12,
    least: float = LEAST,
) -> LoyaltyValidity:
    """Whether the loyalty index of a day goes with the purchases of the months after it.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; otherwise as for `scorecard`.
    ahead : int
        Months at the end of the data in which purchases are counted; the index is made from what
        was known before them.
    weights, measures, own, months, least
        As for `loyalty_index`. Values handed in as `own` have to be as they were known then.

    Returns
    -------
    LoyaltyValidity
        `.table` has a row for the index, for each layer and for each measure that is known:
        predictor, kind (index, layer, measure), customers, correlation (Spearman's, of the score
        with the days of purchase), low, high, beyond_chance.

    Raises
    ------
    CrmlabError
        As for `loyalty_index`; also if `ahead` is not a whole number from 1 on.
    NotEnoughData
        If the data are not longer than `ahead`, or nothing was known before.

    Notes
    -----
    All scores are turned so that more is more loyal: a measure that does what its direction says
    has a positive correlation. Customers first seen in the months ahead are not among them; those
    who had left by then are, with no purchase.
    """
    if isinstance(ahead, bool) or ahead != int(ahead) or ahead < 1:
        raise CrmlabError(
            _("ahead is a whole number of months from 1 on, not {ahead}.").format(ahead=ahead)
        )
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    until = (end - pd.DateOffset(months=int(ahead)) - pd.Timedelta(days=1)).date()
    if until <= crm.first_day:
        raise NotEnoughData(
            _(
                "The data reach from {first} to {last}: there is nothing before the last {months} "
                "months."
            ).format(first=day(crm.first_day), last=day(crm.as_of), months=number(ahead))
        )
    found = measured(crm, measures=measures, own=own, last=until, months=months)
    shares = known_weights(weights_of(weights, found.measures), found)
    index = pd.Series(
        indices(found.scores[shares.index].to_numpy(float), shares.to_numpy(float), least),
        found.scores.index,
    )
    later = _later(crm, until, found.scores.index)
    layers = layer_scores(found).add_prefix("layer ")
    kinds = {"index": ("index", index)}
    kinds |= {name: ("layer", layers[name]) for name in layers}
    kinds |= {code: ("measure", found.scores[code]) for code in found.known}
    has = index.notna()
    rows = [_row(name, kind, values[has], later[has]) for name, (kind, values) in kinds.items()]
    table = pd.DataFrame(rows)
    beyond = holding(table["chance"], 1 - CONFIDENCE)
    return LoyaltyValidity(
        table.drop(columns="chance").assign(beyond_chance=beyond),
        Context.of(crm),
        until,
        int(ahead),
        int((later[has] == 0).sum()),
        found,
        int((~has).sum()),
    )


def _later(crm: Workspace, until: date, customers: pd.Index) -> pd.Series:
    """Days with a purchase after a day, of each customer; none where there is none."""
    first = (pd.Timestamp(until) + pd.Timedelta(days=1)).date()
    history = crm.query("purchase_history", period_from=first, period_to=crm.as_of)
    return history.set_index("customer_id")["days"].reindex(customers).fillna(0.0).astype(float)


def _row(name: str, kind: str, values: pd.Series, later: pd.Series) -> dict[str, Any]:
    pair = spearman(values, later, confidence=CONFIDENCE)
    judged = pair.n >= FEWEST
    return {
        "predictor": name,
        "kind": kind,
        "customers": pair.n,
        "correlation": pair.value,
        "low": pair.low if judged else np.nan,
        "high": pair.high if judged else np.nan,
        "chance": pair.chance if judged else np.nan,
    }
