"""What those say who answer only when asked again, and what it does to the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.asked import Asked, asked, labels_of, points, rake_to_asked, usable
from crmlab.satisfaction.responses import clusters
from crmlab.satisfaction.side_by_side import Ways, row_of
from crmlab.show import charts
from crmlab.show.result import Context, Definition, intervals_in_brackets, measure
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.ordered import ordered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class FollowUp(Ways):
    """Result of `follow_up`.

    Attributes
    ----------
    apart : crmlab.stats.clustered.Estimate
        Mean satisfaction of those who answered at once less that of those reached later.
    odds : crmlab.stats.clustered.Estimate
        By how much each point of satisfaction multiplies the odds of answering at once; NaN where
        satisfaction tells the two apart without fail.
    margins : tuple of str
        What the first answers were raked to; empty where they could not be.
    not_raked : str
        Why they could not be raked; empty where they could.
    asked : Asked
    confidence : float
    """

    measure = "satisfaction.follow_up"

    apart: Estimate
    odds: Estimate
    margins: tuple[str, ...]
    not_raked: str
    asked: Asked
    confidence: float

    def title(self) -> str:
        if not _beyond(self.apart):
            return _("Whether those who answer late are less satisfied cannot be told")
        size = number(abs(self.apart.value), 2)
        if self.apart.value > 0:
            return _("Who answers only when asked again is {size} points less satisfied").format(
                size=size
            )
        return _("Who answers only when asked again is {size} points more satisfied").format(
            size=size
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.5 * len(self.table) + 1.5))
        self._draw(axes, ["silent"])
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        rows = self.table.set_index("way")
        both, first = rows.loc["both"], rows.loc["first"]
        parts = [
            _(
                "Those who answered at once give {first} on average ({first_low} to {first_high}); "
                "with those reached when asked again, who stand for all who had not answered, it "
                "is {both} ({both_low} to {both_high}). {intervals}"
            ).format(
                first=number(first["satisfaction"], 2),
                first_low=number(first["low"], 2),
                first_high=number(first["high"], 2),
                both=number(both["satisfaction"], 2),
                both_low=number(both["low"], 2),
                both_high=number(both["high"], 2),
                intervals=intervals_in_brackets(self.confidence),
            ),
            _(
                "The share of answers 4 or 5 is {first} of those who answered at once, and {both} "
                "with those reached later."
            ).format(
                first=percent(first["satisfied_share"]), both=percent(both["satisfied_share"])
            ),
            self._difference(),
        ]
        if np.isfinite(self.odds.low):
            parts.append(self._odds())
        parts.append(self._raking(rows) if self.margins else self.not_raked)
        return "\n\n".join([*parts, self._reached(), self.asked.sentence()])

    def alt(self) -> str:
        return _("Points with intervals of mean satisfaction. {parts}.").format(
            parts=self._in_words()
        )

    def _difference(self) -> str:
        bounds = {
            "low": number(min(abs(self.apart.low), abs(self.apart.high)), 2),
            "high": number(max(abs(self.apart.low), abs(self.apart.high)), 2),
            "size": number(abs(self.apart.value), 2),
        }
        if not _beyond(self.apart):
            return _(
                "Between those who answered at once and those reached later no difference can be "
                "told: {size} points ({low} to {high})."
            ).format(
                size=number(self.apart.value, 2),
                low=number(self.apart.low, 2),
                high=number(self.apart.high, 2),
            )
        if self.apart.value > 0:
            return _(
                "Those who answered at once are {size} points more satisfied ({low} to {high}) "
                "than those reached later: the first answers alone flatter the company."
            ).format(**bounds)
        return _(
            "Those who answered at once are {size} points less satisfied ({low} to {high}) than "
            "those reached later: the first answers alone make the company look worse."
        ).format(**bounds)

    def _odds(self) -> str:
        figures = {
            "odds": number(self.odds.value, 2),
            "low": number(self.odds.low, 2),
            "high": number(self.odds.high, 2),
        }
        if self.odds.low <= 1 <= self.odds.high:
            return _(
                "Each point of satisfaction multiplies the odds of answering at once by {odds} "
                "({low} to {high}); 1 would mean that satisfaction does not matter, and that is "
                "not ruled out."
            ).format(**figures)
        return _(
            "Each point of satisfaction multiplies the odds of answering at once by {odds} ({low} "
            "to {high}); 1 would mean that satisfaction does not matter."
        ).format(**figures)

    def _raking(self, rows: pd.DataFrame) -> str:
        first, raked, both = (rows.loc[way, "satisfaction"] for way in ("first", "raked", "both"))
        return _(
            "Raking the first answers ({margins}) moves the mean by {raked} points; asking again "
            "moves it by {again}."
        ).format(
            margins=_(", ").join(labels_of(self.margins).values()),
            raked=points(raked - first),
            again=points(both - first),
        )

    def _reached(self) -> str:
        sent = len(self.asked.again)
        reached = int(self.asked.again["answered"].sum())
        if reached == sent:
            return ngettext(
                "The {sent} questionnaire sent again was answered.",
                "All {sent} questionnaires sent again were answered.",
                sent,
            ).format(sent=number(sent))
        return ngettext(
            "Of {sent} questionnaires sent again {reached} was answered: of the others nothing is "
            "known, and the figure holds only as far as they are like those reached.",
            "Of {sent} questionnaires sent again {reached} were answered: of the others nothing is "
            "known, and the figure holds only as far as they are like those reached.",
            reached,
        ).format(sent=number(sent), reached=number(reached))

    def _define(self) -> Definition:
        return self._defined(
            _(
                "Double sampling: who is asked again stands for so many who had not answered as "
                "the weight says. {confidence} intervals, linearised, customers as clusters; "
                "weights count as known."
            )
        )


@measure(needs={"surveys": ["response_id", "answered_at", "mode", "weight", "overall"]})
def follow_up(
    crm: Workspace, *, margins: Sequence[str] = ("tier", "region"), confidence: float = 0.95
) -> FollowUp:
    """What those say who answer only when asked again, and what it does to the result.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, answered_at, overall, mode (follow_up: asked again) and weight
        (that of the first try times the number of silent ones each stands for).
    margins : sequence of str
        What the first answers are raked to, as in `crmlab.satisfaction.weighting`; what is not
        known is left out.
    confidence : float

    Returns
    -------
    FollowUp
        `.table` has the rows first (answered at once), raked (the same, raked to everyone asked),
        silent (reached when asked again) and both: way, answers, satisfaction (mean), low, high,
        satisfied_share (answers 4 or 5), satisfied_low, satisfied_high, design_effect.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If nobody was asked again, too few answered, or no questionnaire has a weight.

    Notes
    -----
    With n₁ of n answering and m of the n₂ others reached, (n₁ȳ₁ + n₂ȳ_m)/n is unbiased whatever
    makes people answer, provided that the m are drawn at random and all reached. In weights: a
    first answer counts w, one reached later w·n₂/m. Its variance is about S²/n + (n₂/m − 1)
    W₂ S₂²/n, which the linearised variance with these weights gives too. The odds are those of a
    logistic regression of answering at once on satisfaction, with weights and clusters.

    References
    ----------
    Hansen, M. H. and Hurwitz, W. N. (1946), Journal of the American Statistical Association 41,
    517-529. Cochran, W. G. (1977), Sampling Techniques, 3rd ed., section 13.6.

    Examples
    --------
    Of 100, 60 answer at once; 10 of the other 40 are asked again, each standing for 4.

    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": [str(i) for i in range(110)]})
    >>> surveys["mode"] = ["sample"] * 100 + ["follow_up"] * 10
    >>> surveys["weight"] = [1.0] * 100 + [4.0] * 10
    >>> surveys["overall"] = [4, 5] * 30 + [np.nan] * 40 + [2, 3] * 5
    >>> surveys["answered_at"] = pd.Timestamp("2025-03-02")
    >>> surveys["answered_at"] = surveys["answered_at"].where(surveys["overall"].notna())
    >>> found = follow_up(from_frames({"surveys": surveys}))
    >>> found.table[["way", "answers", "satisfaction"]]
          way  answers  satisfaction
    0   first       60           4.5
    1  silent       10           2.5
    2    both       70           3.7
    """
    found = asked(crm)
    first, both = found.answers(), found.with_again()
    silent = both[len(first) :]
    if silent["overall"].notna().sum() < 2 or first["overall"].notna().sum() < 2:
        raise NotEnoughData(
            _(
                "Too few of those who had not answered at first answered when asked again "
                "({count}), so nothing is known of the silent ones."
            ).format(count=number(int(silent["overall"].notna().sum())))
        )
    if not found.weighted:
        raise NotEnoughData(
            _(
                "No questionnaire has a weight, so it is not known for how many of the silent ones "
                "each of those asked again stands."
            )
        )
    weights, raked_to, why = _raked(found, first, margins)
    rows = [row_of("first", first, None, confidence)]
    rows += [] if weights is None else [row_of("raked", first, weights, confidence)]
    rows += [row_of("silent", silent, None, confidence), row_of("both", both, None, confidence)]
    at_once = np.arange(len(both)) < len(first)
    apart = weighted.difference(
        both["overall"].astype(float), at_once, ~at_once, weights=both["weight"],
        clusters=clusters(both), confidence=confidence,
    )  # fmt: skip
    odds = _odds(both, at_once, confidence)
    return FollowUp(
        pd.DataFrame(rows), Context.of(crm), apart, odds, raked_to, why, found, confidence
    )


def _odds(both: pd.DataFrame, at_once: np.ndarray, confidence: float) -> Estimate:
    """By how much a point of satisfaction multiplies the odds of answering at once."""
    said = both["overall"].notna().to_numpy()
    answers = both.loc[said, ["overall"]].astype(float).reset_index(drop=True)
    try:
        found = ordered(
            answers,
            at_once[said],
            weights=both.loc[said, "weight"],
            clusters=clusters(both)[said],
            confidence=confidence,
        )
    except NotEnoughData:
        return NOTHING
    value, low, high = np.exp(found.table[["coefficient", "low", "high"]].to_numpy()[0])
    return Estimate(float(value), float(low), float(high), np.nan)


def _raked(
    found: Asked, first: pd.DataFrame, margins: Sequence[str]
) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    """Weights, what they are raked to, and why not where that cannot be."""
    names = usable(found, margins)
    if not names:
        return None, (), _("Nothing is known of everyone that the answers could be raked to.")
    try:
        return rake_to_asked(found, first, names).weights, names, ""
    except NotEnoughData as error:
        return None, (), str(error)


def _beyond(found: Estimate) -> bool:
    """Whether the interval leaves out zero."""
    return bool(found.low > 0 or found.high < 0)
