"""What `compensation` says and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import of_complaints
from crmlab.complaints.handled import CONFIDENCE, Handled, handling_name
from crmlab.complaints.pairs_picture import draw_pairs
from crmlab.language import _, money, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import group_name
from crmlab.show.result import Definition, Exclusion, Result, intervals_in_brackets
from crmlab.stats.clustered import Estimate
from crmlab.stats.confounding import e_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More strata than this are not drawn.
DRAWN = 8
#: A standardised difference below this is called balanced.
BALANCED = 0.1


@dataclass(frozen=True, repr=False)
class Compensation(Result):
    """Result of `compensation`.

    Attributes
    ----------
    by : str
        The column within whose values the two sides are compared; empty if it is not known.
    without_pair : int
        Answers in a stratum where all were compensated, or none: they have nothing to compare.
    ratio : Estimate
        Of the standardised shares, compensated to not.
    yardstick : pandas.Series
        How strong the known confounder is: stratum, among_compensated and among_others (its share
        of either side), satisfied_there and satisfied_elsewhere (without compensation); empty if
        there is none.
    odds : Estimate
        The odds ratio of a better answer, all that is known being equal.
    adjusted_for : str
        What that takes into account besides the handling, in words.
    matched_on : tuple of str
        Columns in which the matched agree.
    unmatched : int
        Compensated complaints without a match.
    unlike : pandas.Series
        What is not matched on: the standardised differences that are left after matching.
    paid : float
        Money paid for a compensated complaint on average, among the matched; NaN if not known.
    price : Estimate
        Money per customer more who is satisfied, by Fieller.
    kept : Handled
        The complaints looked at.
    """

    measure = "complaints.compensation"

    by: str
    without_pair: int
    ratio: Estimate
    yardstick: pd.Series
    odds: Estimate
    adjusted_for: str
    matched_on: tuple[str, ...]
    unmatched: int
    unlike: pd.Series
    paid: float
    price: Estimate
    kept: Handled

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(("difference", "difference_low", "difference_high"), "percent")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        column = shown(self.by).label if self.by else ""
        return {
            "comparison": {
                "naive": _("All as they stand"),
                "within": _("Within: {column}").format(column=column),
                "standardised": _("Standardised"),
                "matched": _("Matched"),
            }
        }

    def main_columns(self) -> Sequence[str]:
        return [
            "comparison", *([self.by] if self.by else []), "answers", "satisfied_share",
            "others_answers", "others_satisfied", "difference", "difference_low",
            "difference_high",
        ]  # fmt: skip

    def title(self) -> str:
        fair, naive = self._fair(), self._row("naive")
        if fair is None:
            return _("Compensated {share} satisfied, not compensated {others}").format(
                share=percent(naive["satisfied_share"], 0),
                others=percent(naive["others_satisfied"], 0),
            )
        if np.isnan(fair["difference_low"]):
            return _("Whether compensation satisfies cannot be told from these answers")
        if self._sign(fair) == 0:
            said = _("{column} being equal, compensation shows no difference beyond chance")
        elif self._sign(fair) < 0:
            said = _("{column} being equal, compensated customers are less satisfied")
        elif naive["difference_low"] <= 0:
            said = _("Compensation looks useless, until {column} is taken into account")
        else:
            said = _("{column} being equal, compensated customers are more satisfied")
        return said.format(column=self._taken_in(fair))

    def _taken_in(self, row: pd.Series) -> str:
        """What the comparison of like with like takes into account."""
        if row.name == "standardised":
            return shown(self.by).label
        return _(", ").join(self._trait(name) for name in self.matched_on)

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self._drawn()
        height = max(charts.SIZE[1], 0.46 * len(table) + 1.4)
        axes = charts.new_axes(ax, size=(charts.SIZE[0], height))
        draw_pairs(
            axes,
            table,
            [self._name(row) for _index, row in table.iterrows()],
            labels=(_("compensated"), _("not compensated")),
            beside=[self._points(row) for _index, row in table.iterrows()],
            heading=_("Difference\nin points"),
            strong=[self._sign(row) != 0 for _index, row in table.iterrows()],
        )
        axes.set_xlabel(_("Satisfied afterwards (4 or 5), with 95% interval"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._naive(), self._confounded(), self._standard(), self._reversed(), self._model(),
            self._match(), self._worth(), self._unseen(), self._caution(),
        ]  # fmt: skip
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{name}: {share}, without it {others}").format(
                name=self._name(row),
                share=_share(row["satisfied_share"]),
                others=_share(row["others_satisfied"]),
            )
            for _index, row in self._drawn().iterrows()
        ]
        return _(
            "Points with intervals of the share satisfied afterwards, with compensation and "
            "without. {said}."
        ).format(said=_("; ").join(said))

    # --- the rows

    def _row(self, code: str) -> pd.Series:
        return self.table.set_index("comparison").loc[code]

    def _fair(self) -> pd.Series | None:
        """The comparison of like with like: the standardised one, else the matched."""
        for code in ("standardised", "matched"):
            if code in set(self.table["comparison"]):
                return self._row(code)
        return None

    def _strata(self) -> pd.DataFrame:
        return self.table[self.table["comparison"] == "within"]

    def _drawn(self) -> pd.DataFrame:
        strata = self._strata()
        if len(strata) <= DRAWN:
            return self.table
        few = strata[["answers", "others_answers"]].sum(axis=1).nlargest(DRAWN).index
        return self.table[(self.table["comparison"] != "within") | self.table.index.isin(few)]

    @staticmethod
    def _sign(row: pd.Series | None) -> int:
        if row is None or np.isnan(row["difference_low"]):
            return 0
        return int(row["difference_low"] > 0) - int(row["difference_high"] < 0)

    def _name(self, row: pd.Series) -> str:
        if row["comparison"] == "within":
            return _("{column}: {value}").format(
                column=shown(self.by).label, value=group_name(self.by, row[self.by])
            )
        return self.value_labels()["comparison"][row["comparison"]]

    @staticmethod
    def _points(row: pd.Series) -> str:
        names = ("difference", "difference_low", "difference_high")
        if np.isnan(row["difference"]):
            return ""
        value, low, high = (100 * row[name] for name in names)
        # Less than nothing by rounding alone is nothing.
        return with_interval(value, low, high, lambda one: number(round(one, 1) + 0.0, 1))

    # --- the words

    def _naive(self) -> str:
        row = self._row("naive")
        said = _(
            "As they stand, {share} of {answers} complaints that were compensated ended with a "
            "satisfied customer, and {others} of {rest} others: {points} percentage points."
        )
        if np.isfinite(row["difference_low"]):
            said = f"{said} {intervals_in_brackets(CONFIDENCE)}"
        return said.format(
            share=percent(row["satisfied_share"]),
            answers=number(row["answers"]),
            others=percent(row["others_satisfied"]),
            rest=number(row["others_answers"]),
            points=self._points(row),
        )

    def _confounded(self) -> str:
        strata = self._drawn()
        strata = strata[strata["comparison"] == "within"]
        if strata.empty:
            return _(
                "What sets the compensated apart is not known, so like cannot be compared with "
                "like: the figure mixes what compensation does with what it was paid for."
            )
        said = [
            _("{group}: {paid} compensated, without it {others} satisfied").format(
                group=group_name(self.by, row[self.by]),
                paid=percent(row["answers"] / (row["answers"] + row["others_answers"]), 0),
                others=_share(row["others_satisfied"]),
            )
            for _index, row in strata.iterrows()
        ]
        whole = _("Who is compensated, and how such complaints end without it: {said}.").format(
            said=_("; ").join(said)
        )
        every = len(self._strata())
        if every == len(strata):
            return whole
        few = _("Named and drawn are the {count} groups with the most answers, of {all}.").format(
            count=number(len(strata)), all=number(every)
        )
        return f"{whole} {few}"

    def _standard(self) -> str:
        if "standardised" not in set(self.table["comparison"]):
            return ""
        row = self._row("standardised")
        if np.isnan(row["difference_low"]):
            said = _(
                "Standardised by {column} to all complaints, {share} are satisfied with "
                "compensation and {others} without: {points} points. An interval cannot be given: "
                "too few customers, or none that differs."
            )
        else:
            said = {
                1: _(
                    "Standardised by {column} to all complaints, {share} are satisfied with "
                    "compensation and {others} without: {points} points, beyond chance."
                ),
                0: _(
                    "Standardised by {column} to all complaints, {share} are satisfied with "
                    "compensation and {others} without: {points} points, which may be chance."
                ),
                -1: _(
                    "Standardised by {column} to all complaints, {share} are satisfied with "
                    "compensation and {others} without: {points} points, fewer by more than chance."
                ),
            }[self._sign(row)]
        said = said.format(
            column=shown(self.by).label,
            share=percent(row["satisfied_share"]),
            others=percent(row["others_satisfied"]),
            points=self._points(row),
        )
        if not self.without_pair:
            return said
        rest = ngettext(
            "{count} answer counts for nothing there: where all were compensated, or none, there "
            "is nothing to compare.",
            "{count} answers count for nothing there: where all were compensated, or none, there "
            "is nothing to compare.",
            self.without_pair,
        ).format(count=number(self.without_pair))
        return f"{said} {rest}"

    def _reversed(self) -> str:
        """Simpson's reversal, where it is there."""
        naive = self._row("naive")["difference"]
        judged = self._strata().dropna(subset=["difference_low"])["difference"]
        if len(judged) < 2 or not naive or not (np.sign(judged) == -np.sign(naive)).all():
            return ""
        if naive < 0:
            said = _(
                "Within each of {count} groups the compensated are ahead, and all together they "
                "are behind: Simpson's paradox."
            )
        else:
            said = _(
                "Within each of {count} groups the compensated are behind, and all together they "
                "are ahead: Simpson's paradox."
            )
        said = said.format(count=number(len(judged)))
        if not self._sign(self._row("naive")):
            said += " " + _("How far they differ all together, though, may be chance.")
        if not self._sign(self._fair()):
            said += " " + _("How far they differ within the groups, though, may be chance.")
        return said

    def _model(self) -> str:
        value, low, high, _effect = self.odds
        if np.isnan(value):
            return ""
        return _(
            "By the ordered logit, with the other ways of handling and {names} being equal, the "
            "odds of a better answer are multiplied by {value} ({low} to {high})."
        ).format(
            names=self.adjusted_for or _("nothing more"),
            value=number(value, 2),
            low=number(low, 2),
            high=number(high, 2),
        )

    def _match(self) -> str:
        if "matched" not in set(self.table["comparison"]):
            return _("No compensated complaint has a match among the others.")
        row = self._row("matched")
        said = ngettext(
            "{count} compensated complaint has a match that agrees in {names}: {points} points; "
            "{without} have none.",
            "{count} compensated complaints have a match that agrees in {names}: {points} points; "
            "{without} have none.",
            int(row["answers"]),
        ).format(
            count=number(row["answers"]),
            names=_(", ").join(self._trait(name) for name in self.matched_on),
            points=self._points(row),
            without=number(self.unmatched),
        )
        return f"{said} {self._balance()}".strip()

    def _balance(self) -> str:
        apart = self.unlike[self.unlike.abs() >= BALANCED]
        if self.unlike.empty:
            return ""
        if apart.empty:
            return _(
                "In the rest of the handling the two sides differ by less than {limit} standard "
                "deviations."
            ).format(limit=number(BALANCED, 1))
        return _("Not alike are they in: {names} (standard deviations).").format(
            names=_("; ").join(
                _("{name} {value}").format(name=self._trait(name), value=number(value, 2))
                for name, value in apart.items()
            )
        )

    def _trait(self, name: str) -> str:
        if name in ("quick", "told", "first_contact", "kept", "reassigned"):
            return handling_name(name, self.kept.hours)
        return shown(name).label

    def _worth(self) -> str:
        if np.isnan(self.paid):
            return ""
        paid = money(self.paid, self.context.currency)
        if np.isnan(self.price.low):
            why = (
                _("since the gain may be none")
                if np.isfinite(self._row("matched")["difference_low"])
                else _("from so few")
            )
            return _(
                "A compensated complaint was paid {paid} on average; what a customer more who is "
                "satisfied costs cannot be told, {why}."
            ).format(paid=paid, why=why)
        if self.price.value <= 0:
            return _(
                "A compensated complaint was paid {paid} on average, with fewer satisfied: that "
                "bought no satisfaction that these answers show."
            ).format(paid=paid)
        return _(
            "A compensated complaint was paid {paid} on average. Divided by the gain among the "
            "matched, that is {price} ({low} to {high}) per customer more who is satisfied."
        ).format(
            paid=paid,
            **{
                name: money(one, self.context.currency)
                for name, one in zip(("price", "low", "high"), self.price[:3], strict=True)
            },
        )

    def _unseen(self) -> str:
        value, low, high, _effect = self.ratio
        if np.isnan(low):
            return ""
        nearest = 1.0 if low <= 1 <= high else low if low > 1 else high
        if nearest == 1:
            return _(
                "The ratio of the two standardised shares is {ratio} ({low} to {high}): an "
                "interval that covers 1 needs nothing unseen to explain it."
            ).format(ratio=number(value, 2), low=number(low, 2), high=number(high, 2))
        said = _(
            "To explain the ratio of the two standardised shares, {ratio} ({low} to {high}), by "
            "something not recorded, that would have to go with compensation and with satisfaction "
            "by a risk ratio of {strong} each (E-value); to make the interval touch 1, {weak}."
        ).format(
            ratio=number(value, 2),
            low=number(low, 2),
            high=number(high, 2),
            strong=number(e_value(value), 2),
            weak=number(e_value(nearest), 2),
        )
        return f"{said} {self._compared()}".strip()

    def _compared(self) -> str:
        if self.yardstick.empty:
            return ""
        one = self.yardstick
        return _(
            "For comparison, {column} itself: {group} make up {paid} of the compensated and {rest} "
            "of the others, and without compensation {there} of them are satisfied, {elsewhere} "
            "elsewhere."
        ).format(
            column=shown(self.by).label,
            group=group_name(self.by, one["stratum"] or None),
            paid=percent(one["among_compensated"]),
            rest=percent(one["among_others"]),
            there=percent(one["satisfied_there"]),
            elsewhere=percent(one["satisfied_elsewhere"]),
        )

    @staticmethod
    def _caution() -> str:
        return _(
            "All this remains an association: complaints alike in what was recorded may differ in "
            "what decided whether to pay."
        )

    def _define(self) -> Definition:
        unknown = int(self.kept.answers["compensated"].isna().sum())
        more = [of_complaints(_("not known whether compensated"), unknown)]
        left: tuple[Exclusion, ...] = tuple(one for one in more if one.count)
        return Definition(
            numerator=_("Of these, answers of 4 or 5 points"),
            denominator=_(
                "Complaints whose customer said afterwards how satisfied they are, compensated and "
                "not"
            ),
            period=self.context.period(),
            method=_(
                "Direct standardisation to all complaints; exact matching on {names} (Iacus, King "
                "and Porro 2012, Political Analysis 20, 1-24); 95% t intervals of differences and "
                "Wilson intervals of shares, customers as clusters; Fieller's interval of money "
                "per customer; E-value of VanderWeele and Ding (2017), Annals of Internal Medicine "
                "167, 268-274."
            ).format(
                names=_(", ").join(self._trait(name) for name in self.matched_on)
                or _("nothing more")
            ),
            source=self.context.source,
            exclusions=(*self.kept.exclusions(), *left),
        )


def _share(value: float) -> str:
    return _("not known") if np.isnan(value) else percent(value)
