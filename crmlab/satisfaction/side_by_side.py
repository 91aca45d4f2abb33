"""Mean satisfaction by several ways of using the same answers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.language import _, number, percent
from crmlab.satisfaction.asked import Asked
from crmlab.satisfaction.responses import clusters
from crmlab.show import charts
from crmlab.show.result import Definition, Result
from crmlab.stats import weighted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Ways(Result):
    """A result with a row for each way: way, satisfaction, low, high and what else it has.

    Attributes
    ----------
    asked : Asked
    confidence : float
    """

    asked: Asked
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"way": way_names()}

    def _draw(self, axes: Axes, orange: list[str]) -> None:
        """A point with its interval for each way, the first on top; some ways in orange."""
        table = self.table
        places = np.arange(len(table))[::-1]
        colours = [charts.ORANGE if way in orange else charts.BLUE for way in table["way"]]
        axes.hlines(places, table["low"], table["high"], colors=colours)
        axes.scatter(table["satisfaction"], places, color=colours, zorder=3)
        axes.set_yticks(places, [way_names()[way] for way in table["way"]])
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlabel(
            _("Mean satisfaction (1 to 5) with {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )

    def _in_words(self) -> str:
        """The estimates, for those who cannot see them."""
        return _("; ").join(
            _("{name} {size} ({low} to {high})").format(
                name=way_names()[row.way],
                size=number(row.satisfaction, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
            )
            for row in self.table.itertuples()
        )

    def _defined(self, method: str) -> Definition:
        return Definition(
            numerator=_("Overall satisfaction, 1 to 5, times the weight of the answer"),
            denominator=_("Weight of the answers"),
            period=self.context.period(),
            method=method.format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.asked.exclusions(),
        )


def row_of(
    way: str, frame: pd.DataFrame, weights: np.ndarray | None, confidence: float
) -> dict[str, Any]:
    """Mean satisfaction and the share of answers 4 or 5, with intervals, as a row."""
    weight = frame["weight"].to_numpy(float) if weights is None else weights
    overall, own = frame["overall"].astype(float), clusters(frame)
    mean = weighted.mean(overall, weights=weight, clusters=own, confidence=confidence)
    flags = (overall >= 4).astype(float).where(overall.notna())
    top = weighted.share(flags, weights=weight, clusters=own, confidence=confidence)
    return {
        "way": way,
        "answers": int(overall.notna().sum()),
        "satisfaction": mean.value,
        "low": mean.low,
        "high": mean.high,
        "satisfied_share": top.value,
        "satisfied_low": top.low,
        "satisfied_high": top.high,
        "design_effect": mean.effect,
    }


def way_names() -> dict[str, str]:
    """Name of each way to make an estimate of the answers, in the current language."""
    return {
        "first": _("Answered at once"),
        "raked": _("Answered at once, raked"),
        "silent": _("Reached when asked again"),
        "both": _("All, asked again counted in"),
        "plain": _("Answered at once, unweighted"),
        "post_stratified": _("Post-stratified by tier"),
    }
