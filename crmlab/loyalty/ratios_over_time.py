"""Whether a ratio of Cox's model stays the same: its value in each of several periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.covariates import FEWEST, compared, covariate_name
from crmlab.loyalty.stays import MONTH
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Definition, Result, intervals_in_brackets
from crmlab.stats.cox import Cox

if TYPE_CHECKING:
    from typing import Literal

    from matplotlib.axes import Axes

#: The time is cut into so many periods at most, of about as many who left in each.
PERIODS = 4
#: How many times as large as its left end the right end of an axis is that takes fewer ticks.
WIDE = 50


@dataclass(frozen=True, repr=False)
class RatiosOverTime(Result):
    """Result of `Hazards.over_time`.

    `.table` has a row per period: begins, ends (months since the beginning), events (who left in
    it), hazard_ratio, low, high.

    Attributes
    ----------
    covariate, level, reference : str
        What is compared: the level with the reference.
    model : Cox
    proportional : pandas.DataFrame
        As in `Hazards`.
    chosen_from : int
        Ratios of which this is the one whose change is the least likely by chance.
    define : Definition
        Of the model.
    confidence : float
    """

    measure = "loyalty.hazards"

    covariate: str
    level: str
    reference: str
    model: Cox
    proportional: pd.DataFrame
    chosen_from: int
    define: Definition
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number")

    def title(self) -> str:
        if not self.proportional.loc[self.covariate, "changes"]:
            text = _("{ratio}: no change over time beyond chance")
        elif self.table["hazard_ratio"].iloc[-1] > self.table["hazard_ratio"].iloc[0]:
            text = _("{ratio}: the hazard ratio rises over time")
        else:
            text = _("{ratio}: the hazard ratio falls over time")
        return text.format(ratio=self._compared())

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        for _index, row in self.table.iterrows():
            span = [row["begins"], row["ends"]]
            axes.fill_between(
                span, row["low"], row["high"], color=charts.BLUE, alpha=0.2, linewidth=0
            )
            axes.hlines(row["hazard_ratio"], *span, color=charts.BLUE, linewidth=2.5)
        axes.axhline(self._whole()["hazard_ratio"], color=charts.ORANGE, linestyle="--")
        axes.axhline(1, color=charts.MUTED, linestyle=":", linewidth=1)
        axes.set_xlim(0, self.table["ends"].iloc[-1])
        ratio_axis(axes, "y", self.table["low"].min(), self.table["high"].max())
        axes.set_xlabel(
            _(
                "Months since the beginning; bands: {share} interval of each period;\n"
                "dashed: the ratio of the whole time"
            ).format(share=percent(self.confidence, 0))
        )
        axes.set_ylabel(_("Hazard ratio"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        return "\n\n".join([self._in_periods(), self._mean(), self._tests()])

    def alt(self) -> str:
        return _(
            "Steps of the hazard ratio of each period with bands, on a logarithmic axis; dashed "
            "line at {whole}. {periods}."
        ).format(whole=number(self._whole()["hazard_ratio"], 2), periods=self._periods())

    # --- the words

    def _compared(self) -> str:
        return compared(self.covariate, self.level, self.reference)

    def _in_periods(self) -> str:
        said = _(
            "The hazard ratio of {ratio} in periods in which about as many customers left each: "
            "{periods}. {intervals} They are of each period by itself."
        ).format(
            ratio=self._compared(),
            periods=self._periods(),
            intervals=intervals_in_brackets(self.confidence),
        )
        if self.chosen_from < 2:
            return said
        return _(
            "{said} Of {count} ratios it is the one whose change is the least likely by chance."
        ).format(said=said, count=number(self.chosen_from))

    def _whole(self) -> pd.Series:
        return self.model.table.loc[f"{self.covariate}={self.level}"]

    def _periods(self) -> str:
        return _("; ").join(
            _("{ratio} ({low} to {high}) in months {begins} to {ends}").format(
                begins=number(row["begins"], 1),
                ends=number(row["ends"], 1),
                ratio=number(row["hazard_ratio"], 2),
                low=number(row["low"], 2),
                high=number(row["high"], 2),
            )
            for _index, row in self.table.iterrows()
        )

    def _mean(self) -> str:
        row = self._whole()
        written = {name: number(row[name], 2) for name in ("hazard_ratio", "low", "high")}
        if self.proportional.loc[self.covariate, "changes"]:
            text = _("The model's {hazard_ratio} ({low} to {high}) is but a mean of these.")
        else:
            text = _(
                "The model takes it to be {hazard_ratio} ({low} to {high}) at all times; that the "
                "periods differ may be chance."
            )
        return text.format(**written)

    def _tests(self) -> str:
        parts = [
            _("{covariate} {chance}").format(
                covariate=covariate_name(str(code)),
                chance=shown("probability").written(chance, ""),
            )
            for code, chance in self.proportional["chance"].iloc[:-1].items()
        ]
        return _(
            "Probability of so large a change by chance, for each covariate (Grambsch and "
            "Therneau's test): {parts}; for all together {chance}."
        ).format(
            parts=_("; ").join(parts),
            chance=shown("probability").written(self.proportional["chance"].iloc[-1], ""),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=self.define.numerator,
            denominator=self.define.denominator,
            period=self.define.period,
            method=_(
                "{method} The logarithm of the ratio of a period is the mean of the scaled "
                "Schoenfeld residuals of those who left in it; its variance is that of the "
                "coefficient, times all who left, over those who left in the period."
            ).format(method=self.define.method),
            source=self.define.source,
            exclusions=self.define.exclusions,
        )


def by_period(model: Cox, column: str, confidence: float) -> pd.DataFrame:
    """The ratio of a column of a model in periods of about as many events.

    Raises
    ------
    NotEnoughData
        If the events do not make two periods.
    """
    from scipy.stats import norm

    days, residual = model.residuals["time"], model.residuals[column]
    periods = min(PERIODS, model.events // FEWEST)
    shares = np.arange(1, periods + 1) / max(periods, 1)
    borders = np.unique(np.quantile(days, shares, method="inverted_cdf"))
    if len(borders) < 2:
        raise NotEnoughData(
            _("{events} customers left, too few or all at once to look at periods.").format(
                events=number(model.events)
            )
        )
    groups = residual.groupby(np.searchsorted(borders, days))
    events, middle = groups.size(), groups.mean()
    spread = model.table.loc[column, "error"] * np.sqrt(model.events / events)
    reach = norm.ppf((1 + confidence) / 2) * spread
    return pd.DataFrame(
        {
            "begins": np.concatenate([[0.0], borders[:-1]]) / MONTH,
            "ends": borders / MONTH,
            "events": events.to_numpy(),
            "hazard_ratio": np.exp(middle).to_numpy(),
            "low": np.exp(middle - reach).to_numpy(),
            "high": np.exp(middle + reach).to_numpy(),
        }
    )


def ratio_axis(axes: Axes, which: Literal["x", "y"], lowest: float, highest: float) -> None:
    """A logarithmic axis of ratios, with 1 on it and as many ticks as keep apart."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    left = min(max(lowest, 0.02) / 1.1, 0.8)
    right = max(min(highest, 50.0) * 1.1, 1.25)
    axes.set(**{f"{which}scale": "log", f"{which}lim": (left, right)})
    close = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20]
    ticks = close if right < WIDE * left else [0.03, 0.1, 0.3, 1, 3, 10, 30]
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([tick for tick in ticks if left <= tick <= right]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
