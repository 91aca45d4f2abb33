"""Service recovery (服务补救): satisfaction after a complaint, by how it was handled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.handled import (
    CONFIDENCE,
    FEWEST,
    HANDLING,
    Adjusted,
    Handled,
    adjusted,
    handled,
    handling_name,
)
from crmlab.complaints.pairs_picture import draw_pairs
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import multiplicity, weighted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class Recovery(Result):
    """Result of `recovery`.

    Attributes
    ----------
    overall : pandas.Series
        complaints, answers, customers, share (satisfied), low, high, mean.
    asked : pandas.DataFrame
        Who is missing, a row per way of handling: handling, complaints, others_complaints,
        asked_share, others_asked_share (with a known answer), difference, low, high, differs.
    odds : Adjusted
        The ordered logit.
    kept : Handled
        The complaints looked at.
    """

    measure = "complaints.recovery"

    overall: pd.Series
    asked: pd.DataFrame
    odds: Adjusted
    kept: Handled

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(("difference", "difference_low", "difference_high"), "percent")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"handling": {code: self._name(code) for code in HANDLING}}

    def main_columns(self) -> Sequence[str]:
        return [
            "handling", "answers", "satisfied_share", "others_satisfied", "difference",
            "difference_low", "difference_high", "odds_ratio", "ratio_low", "ratio_high",
            "associated",
        ]  # fmt: skip

    def title(self) -> str:
        best = self.table[self.table["associated"].fillna(False).astype(bool)]
        if self.table["associated"].isna().all():
            return _("What goes with a better answer cannot be told from these complaints")
        if best.empty:
            return _("No way of handling goes with a better answer beyond chance")
        row = best.loc[np.log(best["odds_ratio"]).abs().idxmax()]
        return _("{name}: {times} times the odds of a better answer").format(
            name=self._name(row["handling"]), times=number(row["odds_ratio"], 2)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        fitted = self.table["odds_ratio"].notna()
        draw_pairs(
            axes,
            self.table,
            [self._name(code) for code in self.table["handling"]],
            labels=(_("yes"), _("no")),
            beside=[
                self._times(row) if known else ""
                for known, (_index, row) in zip(fitted, self.table.iterrows(), strict=True)
            ],
            heading=_("Odds ratio,\nadjusted") if fitted.any() else "",
            strong=self.table["associated"].fillna(False).astype(bool).tolist(),
        )
        axes.set_xlabel(_("Satisfied afterwards (4 or 5), with 95% interval"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._asked(), self._plain(), self._adjusted(), self._gone(), self._caution()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("{name}: {share}, without it {others}").format(
                name=self._name(row["handling"]),
                share=_share(row["satisfied_share"]),
                others=_share(row["others_satisfied"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _(
            "Points with intervals of the share satisfied afterwards, with and without each way of "
            "handling. {said}."
        ).format(said=_("; ").join(said))

    # --- the words

    def _name(self, code: str) -> str:
        return handling_name(code, self.kept.hours)

    @staticmethod
    def _times(row: pd.Series) -> str:
        return _("{value} ({low} to {high})").format(
            value=number(row["odds_ratio"], 2),
            low=number(row["ratio_low"], 2),
            high=number(row["ratio_high"], 2),
        )

    def _asked(self) -> str:
        if self.overall["complaints"] == 1:
            return _("The only complaint is known to have ended with a rating by the customer.")
        said = ngettext(
            "Of {complaints} complaints, {answers} ({share}) is known to have ended with a rating "
            "by the customer; what the others would say nobody knows.",
            "Of {complaints} complaints, {answers} ({share}) are known to have ended with a rating "
            "by the customer; what the others would say nobody knows.",
            int(self.overall["answers"]),
        ).format(
            complaints=number(self.overall["complaints"]),
            answers=number(self.overall["answers"]),
            share=percent(self.overall["answers"] / self.overall["complaints"]),
        )
        return f"{said} {self._who_is_missing()}".strip()

    def _who_is_missing(self) -> str:
        judged = self.asked[self.asked["differs"].notna()]
        if judged.empty:
            return ""
        apart = judged[judged["differs"].astype(bool)]
        if apart.empty:
            return _(
                "How often the rating is missing does not differ beyond chance by: {names}."
            ).format(names=self._names(judged))
        said = [
            _("{name}: known of {share}, of the others {others}").format(
                name=self._name(row["handling"]),
                share=percent(row["asked_share"]),
                others=percent(row["others_asked_share"]),
            )
            for _index, row in apart.iterrows()
        ]
        return _(
            "They are not missing equally often: {said}. Those who are missing may be of another "
            "mind, so read these groups with care."
        ).format(said=_("; ").join(said))

    def _plain(self) -> str:
        overall = _("Satisfied, with 4 or 5 points, were {share} ({low} to {high}).").format(
            **{name: percent(self.overall[name]) for name in ("share", "low", "high")}
        )
        rows = self.table.dropna(subset=["satisfied_share", "others_satisfied"])
        if rows.empty:
            return _(
                "{overall} How complaints were handled is not known, or all were handled alike: "
                "there is nothing to compare."
            ).format(overall=overall)
        return overall

    def _adjusted(self) -> str:
        if not self.odds.answers:
            return _(
                "An ordered logit, which would take severity and cause into account, cannot be "
                "fitted to these answers."
            )
        rows = self.table.dropna(subset=["odds_ratio"])
        sure = rows[rows["associated"].astype(bool)]
        if sure.empty:
            said = _(
                "In one ordered logit of all ways of handling (besides them: {names}), none goes "
                "with a better or worse answer by more than chance would bring about."
            ).format(names=self._besides())
        else:
            said = _(
                "In one ordered logit of all ways of handling (besides them: {names}), the odds of "
                "a better answer are multiplied by: {parts}. {intervals}"
            ).format(
                names=self._besides(),
                parts=_("; ").join(
                    _("{name} {times}").format(
                        name=self._name(row["handling"]), times=self._times(row)
                    )
                    for _index, row in sure.iterrows()
                ),
                intervals=intervals_in_brackets(CONFIDENCE),
            )
        return " ".join(part for part in (said, self._severity(), self._drawn()) if part)

    def _besides(self) -> str:
        return self.odds.named() or _("nothing more")

    def _severity(self) -> str:
        row = self.odds.table[self.odds.table["term"] == "severity"]
        if row.empty:
            return ""
        value, low, high = np.exp(row[["coefficient", "low", "high"]].to_numpy(float)[0])
        return _("A step of severity more multiplies them by {value} ({low} to {high}).").format(
            value=number(value, 2), low=number(low, 2), high=number(high, 2)
        )

    def _drawn(self) -> str:
        if not self.odds.drawn_from:
            return ""
        return _("It is fitted to {answers} of {all} answers, drawn at random.").format(
            answers=number(self.odds.answers), all=number(self.odds.drawn_from)
        )

    def _gone(self) -> str:
        """What is beyond chance as it stands, and not with the rest equal; and the reverse."""
        if not self.odds.answers:
            return ""
        sure = self.table["difference_low"].gt(0) | self.table["difference_high"].lt(0)
        judged = self.table["associated"].notna()
        gone = self.table[sure & judged & ~self.table["associated"].fillna(False).astype(bool)]
        hidden = self.table[~sure & self.table["associated"].fillna(False).astype(bool)]
        said = []
        if len(gone):
            said.append(
                _(
                    "As it stands this differs too, but with the rest equal it no longer goes "
                    "beyond chance: {names}. What goes with it may explain the difference."
                ).format(names=self._names(gone))
            )
        if len(hidden):
            said.append(
                _(
                    "This goes beyond chance only once the rest is equal: {names}. What else "
                    "differs between these complaints may have hidden it."
                ).format(names=self._names(hidden))
            )
        return " ".join(said)

    def _names(self, rows: pd.DataFrame) -> str:
        return _(", ").join(self._name(code) for code in rows["handling"])

    @staticmethod
    def _caution() -> str:
        return _(
            "These are associations: nobody drew by lot how a complaint is handled. What staff saw "
            "in a complaint and did not write down may decide both the handling and the answer."
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, answers of 4 or 5 points"),
            denominator=_("Complaints whose customer said afterwards how satisfied they are"),
            period=self.context.period(),
            method=_(
                "95% Wilson intervals of shares, t intervals of differences, customers as "
                "clusters. Odds ratios: an ordered logit (McCullagh 1980, Journal of the Royal "
                "Statistical Society B 42, 109-142) of {answers} answers on all ways of handling "
                "together, with {names}; {incomplete} answers are left out of it because something "
                "about them is not known. Holm's correction for the number of ways."
            ).format(
                answers=number(self.odds.answers),
                names=self._besides(),
                incomplete=number(self.odds.incomplete),
            ),
            source=self.context.source,
            exclusions=self.kept.exclusions(),
        )


def _share(value: float) -> str:
    return _("not known") if np.isnan(value) else percent(value)


@measure(needs={"complaints": ["opened_at", "satisfaction_after"]})
def recovery(crm: Workspace, *, hours: float = 4.0) -> Recovery:
    """How satisfied customers are after their complaint, by how it was handled.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, satisfaction_after; as far as they are there also
        first_response_at, compensation or remedy, told_of_improvement, first_contact_resolution,
        resolved_at with due_at (or the workspace's hours), reassignments, and what is taken into
        account: severity, cause or kind, and the customer's tier.
    hours : float
        Within so many hours a first answer is quick.

    Returns
    -------
    Recovery
        `.table` has a row per way of handling of which something is known: handling, answers,
        satisfied_share, satisfied_low, satisfied_high, mean (1 to 5) where it was done so;
        others_answers, others_satisfied, others_low, others_high, others_mean where it was not;
        difference (of the shares), difference_low, difference_high; odds_ratio (of a better answer,
        all else equal), ratio_low, ratio_high, probability, associated (Holm). A difference or
        ratio is missing where either side has fewer than five customers.

    Raises
    ------
    CrmlabError
        If `hours` is not above 0 and up to 720.
    NotEnoughData
        If no customer said how satisfied they are after a complaint.

    Notes
    -----
    Suggestions are left out. The shares are compared as they stand; the odds ratios come from one
    regression with everything in it (`adjusted`), because ways of handling go together, and with
    severity. Being told of the improvement is known only of customers who were asked again, so
    nothing can be said of whose answer is missing in that respect.

    References
    ----------
    Tax, S. S., Brown, S. W. and Chandrashekaran, M. (1998), Journal of Marketing 62(2), 60-76.
    McCullagh, P. (1980), Journal of the Royal Statistical Society B 42, 109-142.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2", "3"], "satisfaction_after": [5, 2, 4],
    ...     "opened_at": "2025-03-01 09:00", "told_of_improvement": [True, False, True]})
    >>> found = recovery(from_frames({"complaints": complaints}))
    >>> found.table[["handling", "answers", "satisfied_share", "others_satisfied"]]
      handling  answers  satisfied_share  others_satisfied
    0     told        2              1.0               0.0
    """
    found = handled(crm, hours=hours)
    answers = found.answers
    if answers.empty:
        raise NotEnoughData(
            _("After no complaint is it known how satisfied the customer was, so nothing is told.")
        )
    known = [name for name in HANDLING if answers[name].notna().any()]
    odds = adjusted(crm, hours=hours)
    table = pd.DataFrame([_row(answers, name) for name in known], columns=COLUMNS)
    return Recovery(
        _with_odds(table, odds.table),
        Context.of(crm),
        _overall(found.frame, answers),
        _who_answered(found.frame, known),
        odds,
        found,
    )


COLUMNS = [
    "handling", "answers", "satisfied_share", "satisfied_low", "satisfied_high", "mean",
    "others_answers", "others_satisfied", "others_low", "others_high", "others_mean",
    "difference", "difference_low", "difference_high",
]  # fmt: skip


def _overall(frame: pd.DataFrame, answers: pd.DataFrame) -> pd.Series:
    share = weighted.share(answers["satisfied"], clusters=answers["cluster"])
    return pd.Series(
        {
            "complaints": len(frame),
            "answers": len(answers),
            "customers": answers["cluster"].nunique(),
            "share": share.value,
            "low": share.low,
            "high": share.high,
            "mean": float(answers["satisfaction_after"].mean()),
        }
    )


def _row(answers: pd.DataFrame, name: str) -> dict[str, Any]:
    done = answers[name].eq(True).fillna(False).to_numpy(bool)
    not_done = answers[name].eq(False).fillna(False).to_numpy(bool)
    row: dict[str, Any] = {"handling": name}
    for side, names in ((done, COLUMNS[1:6]), (not_done, COLUMNS[6:11])):
        part = answers[side]
        share = weighted.share(part["satisfied"], clusters=part["cluster"], confidence=CONFIDENCE)
        row |= dict(
            zip(names, (len(part), *share[:3], part["satisfaction_after"].mean()), strict=True)
        )
    apart = _difference(answers["satisfied"], done, not_done, answers["cluster"])
    return row | dict(zip(COLUMNS[11:], apart[:3], strict=True))


def _difference(values: Any, first: Any, second: Any, cluster: pd.Series) -> Sequence[float]:
    """A difference of shares with its interval and chance; none where a side is too small."""
    found = weighted.contrast(values, first, second, clusters=cluster)
    if min(cluster[first].nunique(), cluster[second].nunique()) < FEWEST:
        return found.value, np.nan, np.nan, np.nan
    value, low, high, _effect = found.estimate(CONFIDENCE)
    return value, low, high, found.chance


def _with_odds(table: pd.DataFrame, odds: pd.DataFrame) -> pd.DataFrame:
    own = odds.set_index("term").reindex(table["handling"])
    for name, column in (
        ("odds_ratio", "coefficient"),
        ("ratio_low", "low"),
        ("ratio_high", "high"),
    ):
        table[name] = np.exp(own[column].to_numpy(float))
    table["probability"] = own["chance"].to_numpy(float)
    return table.assign(associated=multiplicity.holding(table["probability"], 1 - CONFIDENCE))


def _who_answered(frame: pd.DataFrame, known: Sequence[str]) -> pd.DataFrame:
    """How often the answer is known, by handling; told is known only of those who were asked."""
    answered = frame["satisfied"].notna().astype(float)
    rows = []
    for name in known:
        done = frame[name].eq(True).fillna(False).to_numpy(bool)
        others = frame[name].eq(False).fillna(False).to_numpy(bool)
        value, low, high, chance = (
            _difference(answered, done, others, frame["cluster"])
            if name != "told"
            else (np.nan, np.nan, np.nan, np.nan)
        )
        shares = [float(answered[side].mean()) if side.any() else np.nan for side in (done, others)]
        rows.append((name, done.sum(), others.sum(), *shares, value, low, high, chance))
    names = [
        "handling", "complaints", "others_complaints", "asked_share", "others_asked_share",
        "difference", "low", "high", "chance",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=names)
    return table.assign(differs=multiplicity.holding(table["chance"], 1 - CONFIDENCE))
