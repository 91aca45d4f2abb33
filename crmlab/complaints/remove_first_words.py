"""What the decision which cause to remove first says in words, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.language import _, currency_name, money, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import Definition, Exclusion, Result, intervals_in_brackets, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Of more causes only so many are drawn.
DRAWN = 10
#: First in so many of the draws is settled.
SETTLED = 0.9
CONFIDENCE = 0.95
COLOURS = {"handling": charts.GREY, "compensation": charts.BLUE, "margin": charts.ORANGE}


@dataclass(frozen=True, repr=False)
class RemoveFirst(Result):
    """Result of `remove_first`.

    Attributes
    ----------
    parts : tuple of str
        Of handling, compensation and margin those that are known.
    removable : float
    resamples : int
    by_orders : bool
        Whether the year is told by orders, else by days.
    unseen : tuple of str
        Causes that no fault of orders shows.
    priced : bool
        Whether costs of remedies were given.
    repeat_days : int
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    measure = "complaints.remove_first"

    parts: tuple[str, ...]
    removable: float
    resamples: int
    by_orders: bool
    unseen: tuple[str, ...]
    priced: bool
    repeat_days: int
    exclusions: tuple[Exclusion, ...]
    part: str

    def main_columns(self) -> Sequence[str]:
        of_net = ["remedy_cost", "net", "net_low", "net_high"] if self.priced else []
        ends = [] if self.priced else ["saved_low", "saved_high"]
        return [
            "cause", "yearly", *(f"{part}_saved" for part in self.parts), "saved", *ends, *of_net,
            "first_share",
        ]  # fmt: skip

    def title(self) -> str:
        first = self.table.iloc[0]
        if self._best()[0] <= 0:
            return _("No cause pays to be removed")
        if first["first_share"] < SETTLED:
            return _("Not settled: {cause} comes first in {share} of the draws").format(
                cause=self._name(first), share=percent(first["first_share"], 0)
            )
        return _("Remove first: {cause}, worth {money} a year").format(
            cause=self._name(first), money=self._money(self._best()[0])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        rows = self.table.head(DRAWN)
        places = np.arange(len(rows))[::-1]
        left = np.zeros(len(rows))
        for part in self.parts:
            # A part that is a gain would be drawn over the others; it is in the table.
            width = rows[f"{part}_saved"].clip(lower=0).to_numpy()
            axes.barh(
                places, width, left=left, height=0.62, color=COLOURS[part], label=self._part(part)
            )
            left += width
        self._draw_worth(axes, rows, places, left)
        axes.set_yticks(
            places, [charts.wrapped(self._name(row), 26) for _i, row in rows.iterrows()]
        )
        self._scale(axes)
        # Above the axes: with a remedy's cost, the longest bar may stand anywhere.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=10)
        charts.set_title(axes, self.title())
        return axes

    def _draw_worth(
        self, axes: Axes, rows: pd.DataFrame, places: np.ndarray, bars: np.ndarray
    ) -> None:
        """What the ranking goes by, with its interval, and the scale that shows it all."""
        name = self._best()[1]
        low, high = rows[f"{name}_low"].to_numpy(), rows[f"{name}_high"].to_numpy()
        axes.hlines(places, low, high, color=charts.INK, linewidth=1.5)
        if self.priced:
            axes.plot(
                rows["net"], places, "D", color=charts.INK, markersize=6,
                label=_("Less the remedy"),
            )  # fmt: skip
        ends = np.fmax(bars, np.nan_to_num(high))
        for place, end, value in zip(places, ends, rows[name], strict=True):
            axes.annotate(
                self._money(value), (float(end), float(place)), (5, 0), va="center",
                textcoords="offset points", fontsize=10,
            )  # fmt: skip
        lowest = float(np.nanmin([0.0, *rows[name], *low]))
        axes.set_xlim(1.05 * lowest, 1.3 * max(float(ends.max()), 1.0))
        axes.axvline(0, color=charts.MUTED, linewidth=1)

    def _scale(self, axes: Axes) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value)))
        label = _("Saved in a year ({currency}), with 95% interval")
        if len(self.table) > DRAWN:
            label = _("Saved in a year ({currency}), with 95% interval; the first {drawn} causes")
        axes.set_xlabel(
            label.format(currency=currency_name(self.context.currency), drawn=number(DRAWN))
        )

    def reading(self) -> str:
        parts = [
            self._decision(),
            self._made_of(),
            self._directly(),
            self._a_year(),
            self._missing(),
            self._repeats(),
            left_out_words(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{name} {money}").format(name=self._name(row), money=self._interval(row, "saved"))
            for _i, row in self.table.head(DRAWN).iterrows()
        ]
        return _("Stacked bars of the money saved in a year by cause. {said}.").format(
            said=_("; ").join(said)
        )

    # --- the words

    def _name(self, row: pd.Series) -> str:
        return group_name("cause", row["cause"])

    def _money(self, value: float) -> str:
        return money(value, self.context.currency)

    def _interval(self, row: pd.Series, name: str) -> str:
        return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], self._money)

    def _best(self) -> tuple[float, str]:
        """What the first cause is worth, and the column that says it."""
        name = "net" if self.priced else "saved"
        return float(self.table[name].iloc[0]), name

    def _part(self, part: str) -> str:
        return {
            "handling": _("Handling"),
            "compensation": _("Compensation"),
            "margin": _("Margin lost later (estimate)"),
        }[part]

    def _decision(self) -> str:
        first = self.table.iloc[0]
        value, name = self._best()
        if len(self.table) == 1:
            said = _(
                "There is but one cause, {cause}: to remove {removable} of it is worth {money} a "
                "year."
            )
        elif value <= 0:
            said = _("No cause pays to be removed: the best, {cause}, would bring {money} a year.")
        elif first["first_share"] < SETTLED:
            said = _(
                "{cause} is ahead, but not for sure: removing {removable} of it is worth {money} a "
                "year, and in {share} of {resamples} draws of customers it is worth more than any "
                "other cause."
            )
        else:
            said = _(
                "To remove first: {cause}. Removing {removable} of it is worth {money} a year; in "
                "{share} of {resamples} draws of customers it is worth more than any other cause."
            )
        words = said.format(
            cause=self._name(first),
            removable=percent(self.removable, 0),
            money=self._interval(first, name),
            share=percent(first["first_share"], 0),
            resamples=number(self.resamples),
        )
        words = f"{words} {intervals_in_brackets(CONFIDENCE)}"
        if len(self.table) > 1 and value > 0:
            words = f"{words} {self._next(name)}"
        return words

    def _next(self, name: str) -> str:
        first, second = self.table.iloc[0], self.table.iloc[1]
        said = (
            _("Next is {cause} with {money}; the order of the two is settled.")
            if first["first_share"] >= SETTLED
            else _("Next is {cause} with {money}; these data do not settle which of them is first.")
        )
        return said.format(cause=self._name(second), money=self._interval(second, name))

    def _made_of(self) -> str:
        first = self.table.iloc[0]
        said = [
            _("{name} {money}").format(
                name=self._part(part), money=self._money(first[f"{part}_saved"])
            )
            for part in self.parts
        ]
        words = _("Of {cause} the money is made of: {parts}.").format(
            cause=self._name(first), parts=_("; ").join(said)
        )
        if self.priced and np.isfinite(first["remedy_cost"]):
            words += " " + _("The remedy costs {cost} a year, which is taken off.").format(
                cost=self._money(first["remedy_cost"])
            )
        if self.priced:
            free = self.table.loc[self.table["remedy_cost"].isna(), "cause"]
            if len(free):
                words += " " + _(
                    "No cost is given for {causes}; nothing is taken off there."
                ).format(causes=_(", ").join(group_name("cause", name) for name in free))
        if "margin" not in self.parts:
            return words
        return f"{words} " + _(
            "The margin is an estimate under assumptions: customers would have ordered as after "
            "months that went well, what they ordered less is lost and not ordered later, and "
            "nothing is lost after the months looked at."
        )

    def _directly(self) -> str:
        if "direct_first" not in self.table:
            return ""
        best = self.table.loc[self.table["direct_first"].idxmax()]
        return _(
            "By handling and compensation alone {cause} is first in {share} of the draws."
        ).format(cause=self._name(best), share=percent(best["direct_first"], 0))

    def _a_year(self) -> str:
        first = self.table.iloc[0]
        said = _("If nothing changes, {cause} brings {count} complaints in a year.")
        if self.by_orders:
            said = _(
                "If nothing changes, {cause} brings {count} complaints in a year with as many "
                "orders as the last one."
            )
        return said.format(
            cause=self._name(first),
            count=with_interval(first["yearly"], first["yearly_low"], first["yearly_high"]),
        )

    def _missing(self) -> str:
        without = {
            "handling": _("what handling costs"),
            "compensation": _("compensation"),
            "margin": _("the margin lost later"),
        }
        names = [said for part, said in without.items() if part not in self.parts]
        words = []
        if names:
            words.append(
                _("Not known and left out: {parts}. What is saved is more by that.").format(
                    parts=_("; ").join(names)
                )
            )
        if "margin" in self.parts and self.unseen:
            words.append(
                _(
                    "No fault of orders shows {causes}; of those who say nothing about them "
                    "nothing is known, so their margin is that of complaints alone."
                ).format(causes=_(", ").join(group_name("cause", name) for name in self.unseen))
            )
        return " ".join(words)

    def _repeats(self) -> str:
        often = self.table[self.table["repeats_often"].fillna(False).astype(bool)]
        if often.empty:
            return ""
        said = [
            _("{name} {count}").format(name=self._name(row), count=number(row["repeats"]))
            for _i, row in often.iterrows()
        ]
        return _(
            "Complained of again by the same customer within {days} days more often than the mix "
            "of causes would bring about: {names}. There the cause is likely to be still at work."
        ).format(days=number(self.repeat_days), names=_("; ").join(said))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Money of the complaints of a year by cause, times the share removed"),
            denominator=_("Complaints with a cause, suggestions aside"),
            period=self.context.period(),
            method=_(
                "Complaints per order times the orders of the last 365 days (complaints per day "
                "where there are no orders), times the mean cost of those of which it is known. "
                "Complaints of a year: exact Poisson interval on the effective number, customers "
                "as clusters. Margin: orders after the months concerned, times one over their "
                "ratio to months that went well less one, times the customer's mean margin of an "
                "order. Money: 95% percentile intervals from {resamples} draws of customers and of "
                "the ratios."
            ).format(resamples=number(self.resamples)),
            source=self.context.source,
            exclusions=self.exclusions,
        )
