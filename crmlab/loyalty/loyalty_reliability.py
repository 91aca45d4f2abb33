"""Whether the ratings of loyalty measure one thing (Cronbach's α), and why nine need not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.answers import left_out
from crmlab.loyalty.nine_measures import measure_names, scored
from crmlab.loyalty.nine_values import Measured, measured
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
from crmlab.stats.reliability import (
    Coefficient,
    alpha_if_deleted,
    corrected_item_total,
    cronbach_alpha,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What Nunnally asks of a scale in the early stages of research.
ENOUGH = 0.7


@dataclass(frozen=True, repr=False)
class LoyaltyReliability(Result):
    """Result of `loyalty_reliability`.

    Attributes
    ----------
    alpha : Coefficient
        Of the ratings.
    pairs : pandas.DataFrame
        A row per pair of measures that are known: measure, other, customers, correlation
        (Spearman's, of the scores), low, high, beyond_chance (corrected for the number of pairs;
        missing where there is no telling).
    incomplete : int
        Questionnaires that leave one of the ratings out, and do not count in α.
    measured : Measured
    """

    measure = "loyalty.loyalty_reliability"

    alpha: Coefficient
    pairs: pd.DataFrame
    incomplete: int
    measured: Measured

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"measure": self._names(), "other": self._names()}

    def main_columns(self) -> Sequence[str]:
        return ["measure", "item_total", "total_low", "total_high", "alpha_if_deleted"]

    def title(self) -> str:
        if np.isnan(self.alpha.low):
            return _("α of the {items} ratings of loyalty is {alpha}").format(
                items=number(self.alpha.items), alpha=number(self.alpha.value, 2)
            )
        return _("α of the {items} ratings of loyalty is {alpha} ({low} to {high})").format(
            **self._written()
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.patches import Rectangle

        codes = self._ordered()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.45 * len(codes) + 2.2))
        grid = self._matrix(codes)
        axes.imshow(grid, vmin=-1, vmax=1, cmap="RdBu", aspect="auto", alpha=0.85)
        for row, column in np.argwhere(np.isfinite(grid)):
            value = grid[row, column]
            axes.text(
                column, row, number(round(value, 2) + 0.0, 2), ha="center", va="center", fontsize=9,
                color="white" if abs(value) > 0.65 else charts.INK,
            )  # fmt: skip
        names = [self._names()[code] for code in codes]
        axes.set_yticks(range(1, len(codes)), names[1:])
        axes.set_xticks(
            range(len(codes) - 1), names[:-1], rotation=40, ha="right", rotation_mode="anchor"
        )
        axes.set_ylim(len(codes) - 0.5, 0.5)
        axes.set_xlim(-0.5, len(codes) - 1.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        ratings = len(self.table)
        axes.add_patch(
            Rectangle(
                (-0.5, 0.5), ratings - 1, ratings - 1, fill=False, edgecolor=charts.ORANGE,
                linewidth=2, clip_on=False,
            )
        )  # fmt: skip
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._of_ratings(), self._items(), self._formative(), self._together()]
        if self.measured.said is not None:
            parts.append(self.measured.said.sentence())
        parts.append(self.measured.left_out(self._incomplete()))
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = _(
            "Table of rank correlations of the measures, the ratings first and framed. {together}"
        ).format(together=self._together())
        return said.rstrip()

    # --- the words

    def _names(self) -> dict[str, str]:
        return measure_names(self.measured.measures)

    def _ordered(self) -> list[str]:
        """The ratings first, then the other measures that are known."""
        ratings = list(self.table["measure"])
        return ratings + [code for code in self.measured.known if code not in ratings]

    def _matrix(self, codes: Sequence[str]) -> np.ndarray:
        """Correlations below the diagonal."""
        grid = np.full((len(codes), len(codes)), np.nan)
        place = {code: number for number, code in enumerate(codes)}
        for pair in self.pairs.itertuples():
            one, other = sorted((place[str(pair.measure)], place[str(pair.other)]))
            grid[other, one] = pair.correlation
        return grid

    def _written(self) -> dict[str, str]:
        return {
            "items": number(self.alpha.items),
            "alpha": number(self.alpha.value, 2),
            "low": number(self.alpha.low, 2),
            "high": number(self.alpha.high, 2),
        }

    def _of_ratings(self) -> str:
        said = _(
            "Cronbach's α of the {items} ratings, those against us turned round, is {alpha}, from "
            "{answers} questionnaires."
        ).format(answers=number(self.alpha.n), **self._written())
        if np.isnan(self.alpha.low):
            return said
        if self.alpha.low >= ENOUGH:
            verdict = _("As a scale of one attitude they would do: {enough} is asked of a new one.")
        elif self.alpha.high < ENOUGH:
            verdict = _(
                "As a scale of one attitude that is too little: {enough} is asked of a new one."
            )
        else:
            verdict = _(
                "Whether it reaches the {enough} that is asked of a new scale cannot be told."
            )
        interval = _("It lies between {low} and {high} with {confidence} confidence.").format(
            confidence=percent(CONFIDENCE, 0), **self._written()
        )
        return f"{said} {interval} {verdict.format(enough=number(ENOUGH, 1))}"

    def _items(self) -> str:
        against = self.table[self.table["total_high"] < 0]
        if against.empty:
            return ""
        return _("Running against the other ratings: {names}.").format(
            names=_(", ").join(self._names()[code] for code in against["measure"])
        )

    def _formative(self) -> str:
        return _(
            "Over all {measures} measures α would be no test. They are formative: they make "
            "loyalty up, as income and education make up a standing, and need not go together. A "
            "customer who buys much for want of another supplier is loyal in one and not in the "
            "other, and that is a finding, no fault of the questionnaire."
        ).format(measures=number(len(self.measured.measures)))

    def _together(self) -> str:
        ratings = set(self.table["measure"])
        inside = self.pairs["measure"].isin(ratings) & self.pairs["other"].isin(ratings)
        within = self.pairs[inside]
        across = self.pairs[self.pairs["measure"].isin(ratings) ^ self.pairs["other"].isin(ratings)]
        others = self.pairs[
            ~self.pairs["measure"].isin(ratings) & ~self.pairs["other"].isin(ratings)
        ]
        if within["correlation"].isna().all():
            return ""
        said = _("The median rank correlation of two ratings is {within}").format(
            within=number(within["correlation"].median(), 2)
        )
        if across["correlation"].notna().any():
            said = _("{said}, that of a rating with another measure {across}").format(
                said=said, across=number(across["correlation"].median(), 2)
            )
        known = others.dropna(subset=["low"])
        if known.empty:
            return _("{said}.").format(said=said)
        most = known.loc[known["correlation"].abs().idxmax()]
        return _(
            "{said}. Of the others, {one} and {other} are associated most: {correlation} ({low} to "
            "{high}). {intervals}"
        ).format(
            said=said,
            one=self._names()[most["measure"]],
            other=self._names()[most["other"]],
            correlation=number(most["correlation"], 2),
            low=number(most["low"], 2),
            high=number(most["high"], 2),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _incomplete(self) -> tuple[Exclusion, ...]:
        return left_out({_("not all items answered"): self.incomplete})

    def _define(self) -> Definition:
        return Definition(
            numerator=_("k/(k − 1) times 1 less the sum of the variances of the k ratings"),
            denominator=_("over the variance of their sum; questionnaires with all ratings"),
            period=self.measured.period(),
            method=_(
                "Ratings scored from 0 to 100 as in the scorecard; α weighted, its interval by "
                "linearisation over customers. Rank correlations of the customers' scores without "
                "weights, intervals of Bonett and Wright (2000), corrected for the number of pairs "
                "(Holm)."
            ),
            source=self.context.source,
            exclusions=self.measured.exclusions + self._incomplete(),
        )


@measure(needs={"surveys": ["customer_id"]})
def loyalty_reliability(
    crm: Workspace, *, measures: pd.DataFrame | None = None, months: int = 12
) -> LoyaltyReliability:
    """Cronbach's α of the ratings of loyalty, and how all the measures go together.

    Parameters
    ----------
    crm : Workspace
        With surveys: customer_id and at least two ratings of loyalty.
    measures : pandas.DataFrame, optional
        In the shape of `loyalty_measures`; those with `item` are the ratings.
    months : int
        How many months back from the last day count.

    Returns
    -------
    LoyaltyReliability
        `.table` has a row per rating: measure, item_total (correlation with the sum of the others),
        total_low, total_high, alpha_if_deleted. `.alpha` has α, `.pairs` the rank correlations of
        all measures that are known.

    Raises
    ------
    NotEnoughData
        If fewer than two ratings are answered, or answered together, or all are answered alike.

    Notes
    -----
    α asks whether items measure one thing again and again, so that each could stand for the others.
    That can be asked of ratings of an attitude. The nine measures together make loyalty up; whether
    they correlate says nothing about whether the index is right.

    References
    ----------
    Cronbach, L. J. (1951), Psychometrika 16, 297-334. Diamantopoulos, A. and Winklhofer, H. M.
    (2001), Journal of Marketing Research 38, 269-277. Nunnally, J. C. (1978), Psychometric Theory,
    2nd ed.
    """
    found = measured(crm, measures=measures, months=months)
    items = found.measures[found.measures["item"].astype(bool)]
    items = items[items["measure"].isin(found.known) & items["source"].str.startswith("surveys.")]
    if len(items) < 2 or found.said is None:
        raise NotEnoughData(
            _(
                "α needs at least 2 ratings of loyalty that were answered; there are {count}. "
                "Which measures are ratings is said in the column item of the table of measures."
            ).format(count=number(len(items)))
        )
    answers = found.said.answers
    scores = pd.DataFrame(
        {
            row["measure"]: scored(
                answers[row["source"].removeprefix("surveys.")],
                row["scale"],
                row["at_0"],
                row["at_100"],
            )
            for _index, row in items.iterrows()
        }
    )
    design = {
        "weights": answers["weight"].to_numpy(float),
        "clusters": pd.factorize(answers["customer_id"])[0],
    }
    table = pd.concat(
        [
            items[["measure"]].reset_index(drop=True),
            corrected_item_total(scores, **design),
            alpha_if_deleted(scores, **design)[["alpha_if_deleted"]],
        ],
        axis=1,
    )
    return LoyaltyReliability(
        table,
        Context.of(crm),
        cronbach_alpha(scores, **design),
        _pairs(found),
        int(scores.isna().any(axis=1).sum()),
        found,
    )


def _pairs(found: Measured) -> pd.DataFrame:
    """Rank correlations of the scores of all measures that are known, pair by pair."""
    rows = []
    for one, other in combinations(found.known, 2):
        pair = spearman(found.scores[one], found.scores[other], confidence=CONFIDENCE)
        rows.append(
            {
                "measure": one,
                "other": other,
                "customers": pair.n,
                "correlation": pair.value,
                "low": pair.low,
                "high": pair.high,
                "chance": pair.chance,
            }
        )
    table = pd.DataFrame(rows)
    beyond = holding(table["chance"], 1 - CONFIDENCE)
    return table.drop(columns="chance").assign(beyond_chance=beyond)
