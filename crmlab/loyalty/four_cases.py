"""Satisfaction and loyalty are not the same: the four cases, and who is captive (被锁定)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.loyalty.answers import (
    TIED_FROM,
    Diary,
    answers_of,
    day_number,
    day_of,
    left_out,
    of_customers,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

    from crmlab.data.sources import Workspace

Loyal = Literal["bought", "intention"]

#: What each rule of loyalty needs.
NEEDED: dict[str, dict[str, list[str]]] = {
    "bought": {"surveys": ["answered_at"], "orders": ["customer_id", "ordered_at"]},
    "intention": {"surveys": ["repurchase_intention"]},
}
#: The cases, from the best; the last two are the dissatisfied.
CASES = ("satisfied_loyal", "satisfied_not_loyal", "dissatisfied_loyal", "dissatisfied_not_loyal")
CAPTIVE = "dissatisfied_loyal"
NOT_LOYAL = ("satisfied_not_loyal", "dissatisfied_not_loyal")
#: Who intends to buy again with this or more on the scale of 1 to 5 is loyal in attitude.
INTENDS_FROM = 4
#: Days before the answer over which a customer's usual buying is looked at.
BEFORE = 180
#: Groups of fewer customers than this are not compared.
FEWEST = 10
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class FourCases(Result):
    """Result of `four_cases`.

    Attributes
    ----------
    loyal : {"bought", "intention"}
        The rule of loyalty.
    days : int
        Days after the answer within which a purchase counts.
    satisfied_from : int
    wave : str
        The wave that was asked for; empty for all.
    moved : pandas.DataFrame
        Customers of two successive waves: case_before, case, customers, share (of those who were
        in that case before), low, high. Empty where no customer was asked in two.
    stayed : crmlab.stats.clustered.Estimate
        Share of these customers who are in the same case again.
    stayed_by_chance : float
        That share if the later case had nothing to do with the earlier.
    profile : pandas.DataFrame
        Dissatisfied yet loyal against the other dissatisfied: characteristic, category, captive
        (share of the captive that have it), others, difference, low, high. The intervals of the
        differences are corrected for their number.
    tied : crmlab.stats.clustered.Estimate
        Share in which 90 % or more of the needs are given to us, of the answers that say so or not.
    usual : pandas.DataFrame
        How often customers bought before the answer: group (``"more"`` than the median over the
        answers, ``"fewer"``), answers, loyal (share), low, high. Empty unless loyalty is buying.
    median_before : float
        That median.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    measure = "loyalty.four_cases"

    loyal: Loyal
    days: int
    satisfied_from: int
    wave: str
    moved: pd.DataFrame
    stayed: Estimate
    stayed_by_chance: float
    profile: pd.DataFrame
    tied: Estimate
    usual: pd.DataFrame
    median_before: float
    exclusions: tuple[Exclusion, ...]
    part: str

    def title(self) -> str:
        return _("{captive} are dissatisfied yet loyal, {leaving} satisfied yet not loyal").format(
            captive=percent(self._row(CAPTIVE)["share"], 0),
            leaving=percent(self._row("satisfied_not_loyal")["share"], 0),
        )

    def value_labels(self) -> dict[str, dict[str, str]]:
        names = {
            "satisfied_loyal": _("Satisfied and loyal"),
            "satisfied_not_loyal": _("Satisfied yet not loyal"),
            "dissatisfied_loyal": _("Dissatisfied yet loyal"),
            "dissatisfied_not_loyal": _("Dissatisfied and not loyal"),
        }
        return {"case": names, "case_before": names}

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        colours = dict(zip(CASES, ("#cfe3f1", "#eceff3", "#f7d9c4", "#eceff3"), strict=True))
        places = {case: (1 - rank // 2, 1 - rank % 2) for rank, case in enumerate(CASES)}
        for case, (x, y) in places.items():
            axes.add_patch(_tile(x, y, colours[case]))
            row = self._row(case)
            written = _written(row)
            axes.text(x + 0.5, y + 0.82, self._name(case), ha="center", va="center", fontsize=11)
            axes.text(x + 0.5, y + 0.54, written["share"], ha="center", va="center", fontsize=22)
            axes.text(
                x + 0.5, y + 0.22,
                ngettext(
                    "{low} to {high}\n{answers} answer",
                    "{low} to {high}\n{answers} answers",
                    int(row["answers"]),
                ).format(low=written["low"], high=written["high"], answers=number(row["answers"])),
                ha="center", va="center", fontsize=9.5, color=charts.MUTED,
            )  # fmt: skip
        axes.set_xlim(0, 2)
        axes.set_ylim(0, 2)
        axes.set_xticks([0.5, 1.5], [self._dissatisfied(), self._satisfied()])
        axes.set_yticks([0.5, 1.5], [self._not_loyal(), self._loyal()])
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        charts.set_title(axes, self.title())
        return axes

    def _satisfied(self) -> str:
        return _("Satisfied ({points} or more)").format(points=number(self.satisfied_from))

    def _dissatisfied(self) -> str:
        return _("Dissatisfied (below {points})").format(points=number(self.satisfied_from))

    def _loyal(self) -> str:
        return _("Bought\nagain") if self.loyal == "bought" else _("Intends\nto")

    def _not_loyal(self) -> str:
        return _("Did not") if self.loyal == "bought" else _("Does not")

    def reading(self) -> str:
        parts = [
            self._cases(),
            self._usual(),
            self._movement(),
            self._who(),
            self._tied(),
            left_out_words(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Four fields of satisfaction and loyalty. {cells}.").format(cells=self._shares())

    # --- the words

    def _row(self, case: str) -> pd.Series:
        return self.table.set_index("case").loc[case]

    def _name(self, case: str) -> str:
        return self.value_labels()["case"][case]

    def _shares(self) -> str:
        return _("; ").join(
            _("{case} {share} ({low} to {high})").format(
                case=self._name(case), **_written(self._row(case))
            )
            for case in CASES
        )

    def _rule(self) -> str:
        if self.loyal == "bought":
            return _("bought again within {days} days after the answer").format(
                days=number(self.days)
            )
        return _("said that they intend to buy again ({points} or 5 of 5)").format(
            points=number(INTENDS_FROM)
        )

    def _cases(self) -> str:
        count = int(self.table["answers"].sum())
        return ngettext(
            "Satisfied are those who gave {points} points or more, dissatisfied those who gave "
            "fewer; loyal is whoever {rule}. Of {answers} answer: {cases}. {intervals}",
            "Satisfied are those who gave {points} points or more, dissatisfied those who gave "
            "fewer; loyal is whoever {rule}. Of {answers} answers: {cases}. {intervals}",
            count,
        ).format(
            points=number(self.satisfied_from),
            rule=self._rule(),
            answers=number(count),
            cases=self._shares(),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _usual(self) -> str:
        if len(self.usual) < 2:
            return ""
        more, fewer = (self.usual.set_index("group").loc[name] for name in ("more", "fewer"))
        least = int(self.median_before) + 1  # the first number above the median
        said = ngettext(
            "Where a customer had bought at least once in the {before} days before the answer, "
            "{more} bought again, else {fewer}, satisfied or not.",
            "Where a customer had bought at least {least} times in the {before} days before the "
            "answer, {more} bought again, else {fewer}, satisfied or not.",
            least,
        ).format(
            least=number(least),
            before=number(BEFORE),
            more=_again(more),
            fewer=_again(fewer),
        )
        if more["low"] <= fewer["high"]:
            return said
        alike = _(
            "Buying again is not all loyalty: who buys often buys again soon, whatever they feel."
        )
        return f"{alike} {said}"

    def _movement(self) -> str:
        if self.moved.empty:
            return _("Nobody was asked in two successive waves, so what moved cannot be seen.")
        customers = int(self.moved["customers"].sum())
        said = ngettext(
            "Once a customer was asked in two successive waves and could be judged in both: "
            "{share} were in the same case again; {chance} would be if the second "
            "answer had nothing to do with the first.",
            "In {count} cases a customer was asked in two successive waves and could be judged in "
            "both: {share} ({low} to {high}) were in the same case again; {chance} would be if the "
            "second answer had nothing to do with the first.",
            customers,
        ).format(
            count=number(customers),
            share=percent(self.stayed.value, 0),
            low=percent(self.stayed.low, 0),
            high=percent(self.stayed.high, 0),
            chance=percent(self.stayed_by_chance, 0),
        )
        return f"{said} {self._out_of_captivity()}".rstrip()

    def _out_of_captivity(self) -> str:
        before = self.moved[self.moved["case_before"] == CAPTIVE]
        count = int(before["customers"].sum())
        if not count:
            return ""
        again = int(before.loc[before["case"] == CAPTIVE, "customers"].sum())
        left = int(before.loc[before["case"].isin(NOT_LOYAL), "customers"].sum())
        return _(
            "Of {count} who were dissatisfied yet loyal, {again} were so again and {left} had "
            "stopped being loyal{caution}."
        ).format(
            count=number(count),
            again=number(again),
            left=number(left),
            caution="" if count >= 3 * FEWEST else _(", which are few to build on"),
        )

    def _who(self) -> str:
        judged = self.profile.dropna(subset=["low"])
        if judged.empty:
            return ""
        apart = judged[(judged["low"] > 0) | (judged["high"] < 0)]
        if apart.empty:
            return _(
                "The dissatisfied who are loyal differ from those who are not in nothing that was "
                "looked at ({names}) by more than chance would bring about."
            ).format(names=_("; ").join(self._trait(row) for _i, row in judged.iterrows()))
        said = [
            _("{trait}: {captive} against {others} (difference {low} to {high})").format(
                trait=self._trait(row),
                **{name: percent(row[name], 0) for name in ("captive", "others", "low", "high")},
            )
            for _i, row in apart.iterrows()
        ]
        return _(
            "The dissatisfied who are loyal differ from those who are not by more than chance "
            "would bring about among {count} comparisons: {said}."
        ).format(count=number(len(self.profile)), said=_("; ").join(said))

    @staticmethod
    def _trait(row: pd.Series) -> str:
        if row["characteristic"] == "share_of_needs":
            return _("give us {share} of their needs or more").format(share=percent(TIED_FROM, 0))
        return _("{column} {value}").format(
            column=shown(row["characteristic"]).label,
            value=shown(row["characteristic"]).written(row["category"], ""),
        )

    def _tied(self) -> str:
        if np.isnan(self.tied.value):
            return ""
        value, low, high = (percent(part) for part in self.tied[:3])
        return _(
            "Of the answers that say how much of their needs customers give us, {value} ({low} to "
            "{high}) are of those who give us {share} or more: they may stay whatever we do. What "
            "they would do if they could choose no survey shows."
        ).format(value=value, low=low, high=high, share=percent(TIED_FROM, 0))

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Answers in each case: satisfied is overall satisfaction of {points} or more, "
                "loyal who {rule}"
            ).format(points=number(self.satisfied_from), rule=self._rule()),
            denominator=_("Answers of named customers that can be judged, by their weight")
            if not self.wave
            else _(
                "Answers of the wave {wave} of named customers that can be judged, by their weight"
            ).format(wave=self.wave),
            period=self.context.period(),
            method=_(
                "A customer asked several times counts each time. Shares with 95% Wilson intervals "
                "on the effective number of answers, those of a customer as a cluster. Between "
                "waves the last answer of each counts, without weights. Comparisons of the captive "
                "with the other dissatisfied by weights, their intervals corrected for their "
                "number (Bonferroni). The four cases as in Jones and Sasser (1995), Harvard "
                "Business Review 73(6), 88-99."
            ),
            source=self.context.source,
            exclusions=self.exclusions,
        )


@measure(
    needs=[
        {
            "surveys": ["customer_id", "overall", "answered_at"],
            "orders": ["customer_id", "ordered_at"],
        },
        {"surveys": ["customer_id", "overall", "repurchase_intention"]},
    ]
)
def four_cases(
    crm: Workspace,
    *,
    satisfied_from: int = 4,
    loyal: Loyal | None = None,
    days: int = 60,
    wave: str | None = None,
) -> FourCases:
    """How many customers are satisfied and loyal, one without the other, or neither.

    Parameters
    ----------
    crm : Workspace
        With surveys: customer_id, overall. For ``loyal="bought"`` also surveys.answered_at, orders:
        customer_id, ordered_at; for ``"intention"`` surveys.repurchase_intention.
    satisfied_from : int
        Points of overall satisfaction, 2 to 5, from which a customer is satisfied.
    loyal : {"bought", "intention"}, optional
        Loyal in behaviour: bought again within `days` after the day of the answer. Or in attitude:
        4 or 5 points of intention to buy again. By default the first, where the data show it.
    days : int
        1 to 365.
    wave : str, optional
        Only this wave; what moved between waves is shown of all.

    Returns
    -------
    FourCases
        `.table` has a row per case: case, answers, customers, share (weighted), low, high.

    Raises
    ------
    CrmlabError
        If an option is not one of these.
    MissingColumns
        If what the rule of loyalty needs is not there.
    UnknownName
        If there is no such wave.
    NotEnoughData
        If no answer can be judged.

    Notes
    -----
    An answer whose days are not over at the end of the data is left out, whether the customer has
    bought again or not. With behaviour as the rule, a customer who buys often is loyal anyway, and
    one who buys once a year is not, whatever they feel; ``.usual`` shows how far that goes.

    References
    ----------
    Jones, T. O. and Sasser, W. E. (1995), "Why satisfied customers defect", Harvard Business Review
    73(6), 88-99. Dick, A. S. and Basu, K. (1994), Journal of the Academy of Marketing Science
    22(2), 99-113, on attitude and behaviour.
    """
    _check(crm, satisfied_from, loyal, days)
    rule: Loyal = loyal or ("intention" if crm.missing(NEEDED["bought"]) else "bought")
    found, workspace = answers_of(crm)
    judged, unused = _judged(workspace, found.frame, rule, days)
    satisfied = judged["overall"] >= satisfied_from
    place = np.where(satisfied, 0, 2) + np.where(judged["loyal"], 0, 1)
    judged["case"] = np.asarray(CASES, dtype=object)[place]
    chosen, usual = _of_wave(judged, wave), rule == "bought"
    moved, stayed, by_chance = _movement(judged)
    share = chosen["share_of_needs"].astype(float)
    tied = (share >= TIED_FROM).astype(float).where(share.notna())
    return FourCases(
        _table(chosen),
        Context.of(crm),
        rule,
        days,
        satisfied_from,
        wave or "",
        moved,
        stayed,
        by_chance,
        _profile(workspace, chosen, tied),
        _share(tied, chosen),
        _by_usual(chosen) if usual else pd.DataFrame(columns=["group"]),
        float(chosen["before"].median()) if usual else np.nan,
        (*found.exclusions, *unused),
        found.part,
    )


def _check(crm: Workspace, satisfied_from: int, loyal: str | None, days: int) -> None:
    if satisfied_from not in range(2, 6):
        raise CrmlabError(
            _("satisfied_from = {value} is not from 2 to 5 points.").format(value=satisfied_from)
        )
    if loyal not in (None, *NEEDED):
        raise CrmlabError(
            _("loyal is 'bought' or 'intention'; it is {loyal}.").format(loyal=repr(loyal))
        )
    if not 1 <= days <= 365:
        raise CrmlabError(_("days = {value} is not from 1 to 365.").format(value=days))
    missing = crm.missing(NEEDED[loyal]) if loyal else {}
    if missing:
        columns = ", ".join(f"{table}.{name}" for table in missing for name in missing[table])
        raise MissingColumns(
            _(
                "With loyal={loyal}, four_cases() needs {columns}, which {source} does not have."
            ).format(loyal=repr(loyal), columns=columns, source=crm.source),
            measure="loyalty.four_cases",
            missing=missing,
        )


def _judged(
    crm: Workspace, frame: pd.DataFrame, loyal: Loyal, days: int
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """The answers that can be judged, with `loyal` and, if buying is the rule, `before`."""
    if loyal == "intention":
        known = frame["repurchase_intention"].notna()
        judged = frame[known].reset_index(drop=True)
        judged["loyal"] = judged["repurchase_intention"] >= INTENDS_FROM
        reason = _("intention to buy again not given")
    else:
        last = day_of(crm.as_of)
        known = pd.Series(day_number(frame["answered_at"]) + days <= last, frame.index)
        judged = frame[known].reset_index(drop=True)
        diary = Diary(crm.orders)
        who, when = judged["customer_id"], judged["answered_at"]
        judged["loyal"] = diary.count(who, when, 1, days) > 0
        judged["before"] = diary.count(who, when, -BEFORE, -1)
        reason = _("fewer than {days} days before the end of the data").format(days=number(days))
    if judged.empty:
        raise NotEnoughData(
            _("None of {count} answers can be judged: {reason}.").format(
                count=number(len(frame)), reason=reason
            )
        )
    return judged, left_out({reason: int((~known).sum())})


def _of_wave(judged: pd.DataFrame, wave: str | None) -> pd.DataFrame:
    if wave is None:
        return judged
    found = judged[judged["wave"] == wave].reset_index(drop=True)
    if found.empty:
        names = sorted(judged["wave"].dropna().unique())
        raise UnknownName(
            _("No answer that can be judged is of the wave {wave}; there are: {names}.").format(
                wave=wave, names=_(", ").join(names) or _("none")
            )
        )
    return found


def _share(flags: pd.Series | np.ndarray, frame: pd.DataFrame) -> Estimate:
    return weighted.share(
        np.asarray(flags, float),
        weights=frame["weight"],
        clusters=frame["customer_id"],
        confidence=CONFIDENCE,
    )


def _table(judged: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for case in CASES:
        of_case = judged["case"] == case
        share = _share(of_case, judged)
        rows.append(
            {
                "case": case,
                "answers": int(of_case.sum()),
                "customers": judged.loc[of_case, "customer_id"].nunique(),
                "share": share.value,
                "low": share.low,
                "high": share.high,
            }
        )
    return pd.DataFrame(rows)


def _by_usual(judged: pd.DataFrame) -> pd.DataFrame:
    """Share that bought again, where a customer bought more or fewer times than the median."""
    more = judged["before"] > judged["before"].median()
    rows = []
    for name, own in (("more", more), ("fewer", ~more)):
        part = judged[own]
        if len(part):
            found = _share(part["loyal"], part)
            rows.append(
                {
                    "group": name,
                    "answers": len(part),
                    "loyal": found.value,
                    "low": found.low,
                    "high": found.high,
                }
            )
    return pd.DataFrame(rows)


def _movement(judged: pd.DataFrame) -> tuple[pd.DataFrame, Estimate, float]:
    """From the case in one wave to the case in the next, of customers judged in both."""
    columns = ["case_before", "case", "customers", "share", "low", "high"]
    pairs = _pairs(judged)
    if pairs.empty:
        return pd.DataFrame(columns=columns), NOTHING, np.nan
    rows = []
    for before, part in pairs.groupby("case_before"):
        for case in CASES:
            here = part["case"] == case
            found = weighted.share(here, clusters=part["customer_id"], confidence=CONFIDENCE)
            rows.append((before, case, int(here.sum()), found.value, found.low, found.high))
    moved = pd.DataFrame(rows, columns=columns)
    order = [CASES.index(code) for code in moved["case_before"]]
    moved = moved.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
    same = weighted.share(
        pairs["case_before"] == pairs["case"], clusters=pairs["customer_id"], confidence=CONFIDENCE
    )
    earlier = pairs["case_before"].value_counts(normalize=True)
    later = pairs["case"].value_counts(normalize=True)
    return moved, same, float((earlier * later).sum())


def _pairs(judged: pd.DataFrame) -> pd.DataFrame:
    """Customers of a wave and the next: customer_id, case_before, case (of their last answer)."""
    named = judged[judged["wave"].notna()]
    moment = named["answered_at"].fillna(named["sent_at"])
    starts = moment.groupby(named["wave"]).min()
    # Without any time, waves are taken in the order of their names.
    names = (
        sorted(starts.index)
        if starts.isna().any()
        else list(starts.sort_values(kind="stable").index)
    )
    place = {wave: rank for rank, wave in enumerate(names)}
    last = (
        named.assign(moment=moment, place=named["wave"].map(place))
        .sort_values(["moment", "response_id"])
        .drop_duplicates(["customer_id", "place"], keep="last")
    )[["customer_id", "place", "case"]]
    earlier = last.assign(place=last["place"] + 1).rename(columns={"case": "case_before"})
    return earlier.merge(last, on=["customer_id", "place"])


def _profile(crm: Workspace, judged: pd.DataFrame, tied: pd.Series) -> pd.DataFrame:
    """What the dissatisfied who are loyal have more or less often than those who are not."""
    captive, others = judged["case"] == CAPTIVE, judged["case"] == "dissatisfied_not_loyal"
    traits: list[tuple[str, str, pd.Series]] = []
    if tied.notna().any():
        traits.append(("share_of_needs", "tied", tied))
    tier = of_customers(crm, judged["customer_id"], "tier")
    if tier is not None:
        for name in sorted(tier.dropna().unique()):
            traits.append(("tier", str(name), (tier == name).astype(float).where(tier.notna())))
    level = 1 - (1 - CONFIDENCE) / max(len(traits), 1)
    rows = []
    for characteristic, category, has in traits:
        apart = _difference(has, captive, others, judged, level)
        rows.append(
            {
                "characteristic": characteristic,
                "category": category,
                "captive": _share(has[captive], judged[captive]).value,
                "others": _share(has[others], judged[others]).value,
                "difference": apart.value,
                "low": apart.low,
                "high": apart.high,
            }
        )
    names = ["characteristic", "category", "captive", "others", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _difference(
    has: pd.Series, captive: pd.Series, others: pd.Series, judged: pd.DataFrame, level: float
) -> Estimate:
    """With an interval only where either group has enough customers to judge by."""
    known = has.notna()
    apart = weighted.difference(
        has, captive, others,
        weights=judged["weight"], clusters=judged["customer_id"], confidence=level,
    )  # fmt: skip
    groups = [judged.loc[known & own, "customer_id"].nunique() for own in (captive, others)]
    return apart if min(groups) >= FEWEST else apart._replace(low=np.nan, high=np.nan)


def _written(row: pd.Series) -> dict[str, str]:
    return {name: percent(row[name], 0) for name in ("share", "low", "high")}


def _again(row: pd.Series) -> str:
    return with_interval(row["loyal"], row["low"], row["high"], lambda share: percent(share, 0))


def _tile(x: float, y: float, colour: str) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle((x + 0.01, y + 0.01), 0.98, 0.98, facecolor=colour, edgecolor="none")
