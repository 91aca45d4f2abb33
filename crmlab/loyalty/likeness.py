"""How alike the two sides of a matched comparison are, before matching and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.language import _, number
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Definition, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A standardised difference below this is called balanced.
BALANCED = 0.1
#: What is looked at, although orders are not matched on it.
NOT_MATCHED = "incidents_before"


@dataclass(frozen=True, repr=False)
class Likeness(Result):
    """Result of `Incidents.likeness`.

    `.table` has a row per characteristic: characteristic, unlike_before, unlike_after, the
    standardised difference of the orders that went wrong from the others; of a category the largest
    of any value. It is missing where one side is alike in all and the other is not.

    Attributes
    ----------
    define : Definition
        Of the comparison.
    """

    measure = "loyalty.incidents"

    define: Definition

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(("unlike_before", "unlike_after"), "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"characteristic": {code: trait(code) for code in self.table["characteristic"]}}

    def title(self) -> str:
        return _("Largest difference before matching {before}, after {after}").format(
            before=number(self._largest("unlike_before"), 2),
            after=number(self._largest("unlike_after"), 2),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.table))[::-1]
        axes.axvspan(0, BALANCED, color="#eceff3", zorder=0)
        for name, colour, label in (
            ("unlike_before", charts.GREY, _("before matching")),
            ("unlike_after", charts.ORANGE, _("after")),
        ):
            values = self.table[name].abs()
            axes.scatter(values, places, color=colour, s=60, label=label, zorder=3, clip_on=False)
        axes.set_yticks(places, [trait(code) for code in self.table["characteristic"]])
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(_("Standardised difference; shaded: balanced (below {limit})").format(
            limit=number(BALANCED, 1)
        ))  # fmt: skip
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        return "\n\n".join(
            part for part in (self.summary(), self._which(), self._earlier()) if part
        )

    def alt(self) -> str:
        parts = [
            _("{characteristic}: {before}, after {after}").format(
                characteristic=trait(row["characteristic"]),
                before=number(abs(row["unlike_before"]), 2),
                after=number(abs(row["unlike_after"]), 2),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Points: standardised differences before matching and after it. {parts}.").format(
            parts=_("; ").join(parts)
        )

    def summary(self) -> str:
        """Whether matching made the two sides alike, in a sentence."""
        before, after = self._largest("unlike_before"), self._largest("unlike_after")
        if after < BALANCED:
            return _(
                "Matching takes the largest standardised difference from {before} to {after}."
            ).format(before=number(before, 2), after=number(after, 2))
        return _(
            "Even matched, the two sides differ by up to {after} standard deviations (before: "
            "{before})."
        ).format(before=number(before, 2), after=number(after, 2))

    # --- the words

    def _matched(self) -> pd.DataFrame:
        return self.table[self.table["characteristic"] != NOT_MATCHED]

    def _largest(self, column: str) -> float:
        return float(self._matched()[column].abs().max())

    def _which(self) -> str:
        own = self._matched()
        apart = own.loc[own["unlike_after"].abs() >= BALANCED, "characteristic"]
        if apart.empty:
            return ""
        return _("Not balanced (below {limit}) are: {names}.").format(
            limit=number(BALANCED, 1), names=_(", ").join(trait(code) for code in apart)
        )

    def _earlier(self) -> str:
        row = self.table.set_index("characteristic").loc[NOT_MATCHED]
        if np.isnan(row["unlike_after"]):
            return ""
        return _(
            "Orders are not matched on earlier incidents of their customers; in these the two "
            "sides differ by {after} standard deviations (before: {before})."
        ).format(
            after=number(abs(row["unlike_after"]), 2), before=number(abs(row["unlike_before"]), 2)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Mean of the orders that went wrong less that of the others"),
            denominator=_("Standard deviation before matching, of the mean variance of both sides"),
            period=self.define.period,
            method=_(
                "{method} Standardised differences as in Austin (2009), Statistics in Medicine 28, "
                "3083-3107; of a category the largest of any value."
            ).format(method=self.define.method),
            source=self.define.source,
            exclusions=self.define.exclusions,
        )


def trait(code: str) -> str:
    """What a characteristic of an order is called."""
    names = {
        "orders_before": _("Orders in the days before"),
        "days_since": _("Days since the last order"),
        NOT_MATCHED: _("Earlier incidents"),
    }
    return names.get(code) or shown(code).label
