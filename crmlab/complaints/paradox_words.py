"""What `paradox` says and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.handled import CONFIDENCE, handling_name
from crmlab.complaints.incident_answers import HISTORY, IncidentAnswers
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Definition, Exclusion, Result, intervals_in_brackets, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A standardised difference below this is called balanced.
BALANCED = 0.1
LEVEL = ("difference", "difference_low", "difference_high")
CHANGE = ("change", "change_low", "change_high")


@dataclass(frozen=True, repr=False)
class Paradox(Result):
    """Result of `paradox`.

    Attributes
    ----------
    well : tuple of str
        What makes a complaint well recovered, all of it, as in `handled`.
    hours : float
    days : int
    match : tuple of str
        Columns in which matched customers agree, besides orders before and half-year.
    earlier : int
        Answers of the well recovered with an earlier one of the same customer, before the incident.
    balance : pandas.DataFrame
        characteristic, before, after: the standardised difference of the well recovered from those
        without an incident; of a category the largest of any value.
    units : pandas.DataFrame
        The answers of the well recovered and of those without an incident: group, overall, weight
        (of the survey), and what they are matched on: the columns of `match`, half_year,
        orders_class.
    answers : IncidentAnswers
        The questionnaires.
    """

    measure = "complaints.paradox"

    well: tuple[str, ...]
    hours: float
    days: int
    match: tuple[str, ...]
    earlier: int
    balance: pd.DataFrame
    units: pd.DataFrame
    answers: IncidentAnswers

    def formats(self) -> Mapping[str, str]:
        return {"matched": "integer", "pairs": "integer"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "group": {
                "well": _("Well recovered"),
                "poor": _("Poorly recovered"),
                "silent": _("Did not complain"),
            }
        }

    def main_columns(self) -> Sequence[str]:
        return [
            "group", "matched", "mean", "others_mean", *LEVEL, "detectable", "pairs",
            *CHANGE,
        ]  # fmt: skip

    def title(self) -> str:
        verdict = self._verdict()
        if verdict > 0:
            return _("A paradox: the well recovered are more satisfied than those without trouble")
        if verdict < 0:
            return _("No paradox: even well recovered customers end less satisfied")
        return _("Whether there is a recovery paradox cannot be told from these answers")

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        places = np.arange(len(self.table))[::-1].astype(float)
        colours = [charts.ORANGE if name == "well" else charts.BLUE for name in self.table["group"]]
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        for shift, names, face, label in (
            (0.15, LEVEL, None, _("Against matched customers without an incident")),
            (-0.15, CHANGE, "white", _("Change since before, against that of others")),
        ):
            middle = self.table[names[0]]
            low, high = (self.table[name].fillna(middle) for name in names[1:])
            axes.hlines(places + shift, low, high, color=colours, linewidth=3)
            axes.scatter(
                middle, places + shift, s=60, zorder=3, linewidth=2,
                color=face or colours, edgecolor=colours,
            )  # fmt: skip
            axes.scatter(
                [], [], s=60, linewidth=2, label=label,
                color=face or charts.INK, edgecolor=charts.INK,
            )  # fmt: skip
        labels = [
            _("{name} ({count})").format(
                name=charts.wrapped(self._name(row["group"]), 18), count=number(row["matched"])
            )
            for _index, row in self.table.iterrows()
        ]
        axes.set_yticks(places, labels)
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlabel(_("Difference in overall satisfaction (points of 1 to 5), 95% interval"))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._what(), self._level(), self._verdict_words(), self._others(), self._change(),
            self._balance_words(), self._caution(), self._left_out(),
        ]  # fmt: skip
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{name} {level}, change {change}").format(
                name=self._name(row["group"]),
                level=_written(row, LEVEL),
                change=_written(row, CHANGE),
            )
            for _index, row in self.table.iterrows()
        ]
        return _(
            "Points with intervals: how far each group lies from matched customers without an "
            "incident, and how far it moved against them. {said}."
        ).format(said=_("; ").join(said))

    # --- the words

    def _name(self, code: str) -> str:
        return self.value_labels()["group"][code]

    def _row(self, code: str) -> pd.Series | None:
        rows = self.table[self.table["group"] == code]
        return None if rows.empty else rows.iloc[0]

    def _verdict(self) -> int:
        row = self._row("well")
        if row is None or np.isnan(row["difference_low"]):
            return 0
        return int(row["difference_low"] > 0) - int(row["difference_high"] < 0)

    def _what(self) -> str:
        names = _("; ").join(handling_name(code, self.hours) for code in self.well)
        said = _(
            "Well recovered is defined by the handling, not by the answer: {names}. Every other "
            "complaint is poorly recovered."
        ).format(names=names)
        if self.answers.about == "order":
            about = _(
                "The questionnaire is about the very order that went wrong and was answered after "
                "the complaint was."
            )
        else:
            about = _(
                "The questionnaire is any that the customer answered within {days} days after the "
                "incident."
            ).format(days=number(self.days))
        if self.answers.faults:
            return f"{said} {about}"
        silent = _("Orders do not show what went wrong, so nothing is known of who kept silent.")
        return f"{said} {about} {silent}"

    def _level(self) -> str:
        row = self._row("well")
        if row is None or np.isnan(row["difference"]):
            return _("None of the well recovered has a match among customers without an incident.")
        return ngettext(
            "{matched} answer of a well recovered customer, on average {mean} points, stands "
            "against {others} of matched customers without an incident, {others_mean}: "
            "{apart} points. {intervals}",
            "{matched} answers of well recovered customers, on average {mean} points, stand "
            "against {others} of matched customers without an incident, {others_mean}: "
            "{apart} points. {intervals}",
            int(row["matched"]),
        ).format(
            matched=number(row["matched"]),
            mean=number(row["mean"], 2),
            others=number(row["others_answers"]),
            others_mean=number(row["others_mean"], 2),
            apart=_written(row, LEVEL),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _verdict_words(self) -> str:
        row = self._row("well")
        if row is None or np.isnan(row["difference_low"]):
            return _(
                "An interval cannot be given: too few customers, or answers that do not vary. So "
                "nothing is decided."
            )
        said = {
            1: _(
                "That is the service-recovery paradox: recovered customers are more satisfied than "
                "those for whom nothing went wrong, by more than chance."
            ),
            -1: _(
                "There is no service-recovery paradox: also after a good recovery satisfaction is "
                "below that of customers for whom nothing went wrong, by more than chance."
            ),
            0: _(
                "A paradox is neither found nor ruled out: the interval leaves room for the "
                "recovered to be above and below."
            ),
        }[self._verdict()]
        power = _(
            "With so many answers a true difference of {points} points or more would have been "
            "found four times in five."
        ).format(points=number(row["detectable"], 2))
        return f"{said} {power}"

    def _others(self) -> str:
        rows = self.table[(self.table["group"] != "well") & self.table["difference"].notna()]
        if rows.empty:
            return ""
        said = [
            _("{name} {value}").format(name=self._name(row["group"]), value=_written(row, LEVEL))
            for _index, row in rows.iterrows()
        ]
        return _("Against matched customers without an incident: {said} points.").format(
            said=_("; ").join(said)
        )

    def _change(self) -> str:
        row = self._row("well")
        if self.earlier and (row is None or not row["pairs"]):
            return ngettext(
                "{count} of the well recovered had also answered before the incident, but nobody "
                "like them for whom nothing went wrong had, so nothing can be said of a change "
                "within persons.",
                "{count} of the well recovered had also answered before the incident, but nobody "
                "like them for whom nothing went wrong had, so nothing can be said of a change "
                "within persons.",
                self.earlier,
            ).format(count=number(self.earlier))
        if row is None or not row["pairs"]:
            return _(
                "None of the well recovered had answered before the incident as well, so nothing "
                "can be said of a change within persons."
            )
        said = ngettext(
            "{pairs} of the well recovered had also answered before the incident; since then their "
            "satisfaction moved by {change} points against that of others in the same time.",
            "{pairs} of the well recovered had also answered before the incident; since then their "
            "satisfaction moved by {change} points against that of others in the same time.",
            int(row["pairs"]),
        ).format(pairs=number(row["pairs"]), change=_written(row, CHANGE))
        alone = self.earlier - int(row["pairs"])
        if alone:
            more = ngettext(
                "{count} more had, but nobody like them for whom nothing went wrong.",
                "{count} more had, but nobody like them for whom nothing went wrong.",
                alone,
            ).format(count=number(alone))
            said = f"{said} {more}"
        if np.isnan(row["change_low"]):
            return said + " " + _("They are too few for an interval.")
        if row["change_low"] > 0 or row["change_high"] < 0:
            return said + " " + _("That is more than chance.")
        return said + " " + _("That may be chance.")

    def _balance_words(self) -> str:
        if self.balance.empty or self.balance["after"].isna().all():
            return ""
        before, after = (float(self.balance[name].max()) for name in ("before", "after"))
        if after < BALANCED:
            return _(
                "Matching takes the largest standardised difference from {before} to {after}."
            ).format(before=number(before, 2), after=number(after, 2))
        return _(
            "Even matched, the two sides differ by up to {after} standard deviations (before: "
            "{before})."
        ).format(before=number(before, 2), after=number(after, 2))

    @staticmethod
    def _caution() -> str:
        return _(
            "Whose complaint is answered well is no lottery, and who complains has chosen to: what "
            "was not matched may lie behind any difference."
        )

    def _left_out(self) -> str:
        return left_out_words(
            self._excluded(), self.answers.part, nothing=_("No questionnaire was left out.")
        )

    def _excluded(self) -> tuple[Exclusion, ...]:
        unmatched = int((self.table["answers"] - self.table["matched"]).sum())
        more = Exclusion.of_questionnaires(_("after an incident, without a match"), unmatched)
        return (*self.answers.exclusions(), *([more] if unmatched else []))

    def _define(self) -> Definition:
        names = [shown(name).label for name in self.match]
        return Definition(
            numerator=_("Mean overall satisfaction after an incident, by how it was recovered"),
            denominator=_(
                "Mean of matched customers for whom nothing went wrong in the {days} days before "
                "they answered"
            ).format(days=number(self.days)),
            period=self.context.period(),
            method=_(
                "Coarsened exact matching (Iacus, King and Porro 2012, Political Analysis 20, "
                "1-24) on half-year, orders in the {history} days before, and {names}. {weights} "
                "Change: difference in differences of answers of the same "
                "customer, by tier and half-year. {confidence} t intervals with customers as "
                "clusters."
            ).format(
                history=number(HISTORY),
                names=_(", ").join(names) or _("nothing more"),
                weights=_("Survey weights count.")
                if self.answers.weighted
                else _("There are no survey weights."),
                confidence=percent(CONFIDENCE, 0),
            ),
            source=self.context.source,
            exclusions=self._excluded(),
        )


def _written(row: pd.Series, names: Sequence[str]) -> str:
    if np.isnan(row[names[0]]):
        return _("not known")
    value, low, high = (float(row[name]) for name in names)
    return with_interval(value, low, high, lambda one: number(one, 2))
