"""How long customers stay (生存分析), by group frozen at the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.loyalty.stays import (
    MONTH,
    NEEDS,
    SILENCE,
    Groups,
    Setting,
    Stays,
    grouped,
    has_contracts,
    has_purchases,
    known,
    left_out,
    stays,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import survival as curves
from crmlab.stats.clustered import poisson
from crmlab.stats.intervals import check_confidence, wilson
from crmlab.stats.multiplicity import holm
from crmlab.stats.survival import LogRank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: A picture shows so many groups; the table has all.
SHOWN = 6
#: With more groups than these, bands would hide each other.
BANDS = 3
#: Where fewer are at risk a curve is not drawn on.
FEWEST = 10
#: Colours of groups that are no tiers.
COLOURS = (charts.BLUE, charts.ORANGE, "#009e73", "#cc79a7", charts.INK, "#e69f00")


class RuleCheck(NamedTuple):
    """What the rule of silence says of customers whose contract tells the truth.

    Attributes
    ----------
    running, called_lost : int
        Customers with purchases whose contract runs on, and those of them who were silent for too
        long at some time.
    ended, unnoticed : int
        Customers with purchases whose contract ended so many days before the end of the data as the
        rule needs, and those of them whom it has never called lost.
    """

    running: int
    called_lost: int
    ended: int
    unnoticed: int


@dataclass(frozen=True, repr=False)
class Survival(Result):
    """Result of `survival`.

    Attributes
    ----------
    curves : dict of str to pandas.DataFrame
        By group, as from `crmlab.stats.survival.kaplan_meier`, times in days from the origin.
    test : LogRank or None
        Of all groups together; None where they cannot be compared.
    pairs : pandas.DataFrame
        Where asked for, the log-rank test of each pair: group, compared_with, probability,
        corrected (Holm), differs.
    found : Stays
    groups : Groups
    check : RuleCheck or None
        Where contracts and purchases are both known.
    confidence : float
    """

    measure = "loyalty.survival"

    curves: dict[str, pd.DataFrame]
    test: LogRank | None
    pairs: pd.DataFrame
    found: Stays
    groups: Groups
    check: RuleCheck | None
    confidence: float

    def main_columns(self) -> Sequence[str]:
        return [name for name in self.table.columns if name not in ("stay_24_low", "stay_24_high")]

    def title(self) -> str:
        known = self.table.dropna(subset=["stay_12"])
        if known.empty:
            return _("{events} of {customers} customers have left so far").format(
                events=number(self.table["events"].sum()),
                customers=number(self.table["customers"].sum()),
            )
        if len(self.table) == 1:
            return _("After 12 months {share} of the customers have stayed").format(
                share=percent(known["stay_12"].iloc[0], 0)
            )
        if len(known) == 1:
            return _("Stay 12 months: {group} {one}").format(
                group=self._name(known.iloc[0]), one=percent(known["stay_12"].iloc[0], 0)
            )
        one, other = self._extremes(known)
        names = [self._name(one), self._name(other)]
        if self.groups.by == "tier":
            text = _("After 12 months {one} of {group} and {two} of {other} customers stay")
            names = [name.lower() for name in names]
        else:
            text = _("Stay 12 months: {group} {one}, {other} {two}")
        return text.format(
            one=percent(one["stay_12"], 0),
            group=names[0],
            two=percent(other["stay_12"], 0),
            other=names[1],
        )

    def _extremes(self, known: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
        """Tiers: the best and the last; other groups: who stays most and least, if any differ."""
        if self.groups.by == "tier" or known["stay_12"].min() == known["stay_12"].max():
            return known.iloc[0], known.iloc[-1]
        return known.loc[known["stay_12"].idxmax()], known.loc[known["stay_12"].idxmin()]

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(7.2, 5.0))
        names = list(self.curves)[:SHOWN]
        for place, name in enumerate(names):
            colour = charts.LAYER_COLOURS.get(name, COLOURS[place % len(COLOURS)])
            label = self._group(name)
            draw_curve(axes, self.curves[name], colour, label, band=len(names) <= BANDS)
            if len(names) > BANDS:
                self._draw_interval(axes, place, name, colour)
        axes.set_ylim(0, 1.02)
        month_axis(axes)
        charts.share_axis(axes.yaxis)
        axes.set_ylabel(_("Still there"))
        label = (
            _("Months since the beginning; below: customers at risk")
            if len(names) <= BANDS
            else _("Months since the beginning (bars: intervals at 12); below: customers at risk")
        )
        axes.set_xlabel(label)
        if len(names) > 1:
            axes.legend(loc="lower left", ncols=2 if len(names) > 3 else 1)
        self._draw_at_risk(axes, names)
        charts.set_title(axes, self.title())
        return axes

    def _draw_interval(self, axes: Axes, place: int, name: str, colour: str) -> None:
        """In place of a band the interval after 12 months, beside those of the others."""
        row = self.table[self.table[self.groups.by] == name].iloc[0]
        axes.vlines(
            12 + 0.5 * (place - SHOWN / 2), row["stay_12_low"], row["stay_12_high"], colors=colour,
            linewidth=2, alpha=0.6,
        )  # fmt: skip

    def _draw_at_risk(self, axes: Axes, names: Sequence[str]) -> None:
        """Counts below the axis, in the colour of the curve."""
        left, right = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if left <= tick <= right]
        frame = self.groups.frame
        for line, name in enumerate(names):
            part = frame[frame[self.groups.by] == name] if self.groups.by else frame
            counts = curves.at_risk_table(
                np.array(ticks) * MONTH, part["time"], entry=part["entry"]
            )["at_risk"]
            colour = charts.LAYER_COLOURS.get(name, COLOURS[line % len(COLOURS)])
            for tick, count in zip(ticks, counts, strict=True):
                axes.annotate(
                    number(count), (tick, 0), xycoords=("data", "axes fraction"),
                    xytext=(0, -46 - 14 * line), textcoords="offset points", ha="center",
                    fontsize=9, color=charts.INK if colour == charts.GREY else colour,
                )  # fmt: skip

    def reading(self) -> str:
        parts = [
            self.found.rule(),
            self._stay(),
            self._rates(),
            self._test(),
            self._words(),
            self._late(),
            self._small(),
            self._returned(),
            self._check(),
            left_out(*self.found.exclusions, *self.groups.exclusions),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Falling step curves of the share of customers who stay. {said}").format(
            said=self._still_there()
        )

    # --- the words

    def _group(self, name: str) -> str:
        by = self.groups.by
        return shown(by).written(name, "") if by else _("all customers")

    def _name(self, row: pd.Series) -> str:
        return self._group(str(row[self.groups.by]) if self.groups.by else "")

    def _stay(self) -> str:
        said = [self._still_there()]
        if self.table["stay_12_low"].notna().any():
            said.append(intervals_in_brackets(self.confidence))
        return " ".join([*said, self._medians()])

    def _still_there(self) -> str:
        known = self.table["stay_12"].notna()
        if not known.any():
            return _("How many are still there after 12 months is not known of any group.")
        said = _("Still there after {months} months: {parts}.").format(
            months=number(12),
            parts=_("; ").join(self._stayed(row) for _index, row in self.table[known].iterrows()),
        )
        if known.all():
            return said
        return _("{said} It is not known of: {names}.").format(
            said=said,
            names=_(", ").join(self._name(row) for _index, row in self.table[~known].iterrows()),
        )

    def _stayed(self, row: pd.Series) -> str:
        text = (
            _("{group} {stay} (nobody's time had ended by then, so there is no interval)")
            if np.isnan(row["stay_12_low"])
            else _("{group} {stay} ({low} to {high})")
        )
        return text.format(
            group=self._name(row),
            stay=percent(row["stay_12"]),
            low=percent(row["stay_12_low"]),
            high=percent(row["stay_12_high"]),
        )

    def _medians(self) -> str:
        reached = self.table.dropna(subset=["median_months"])
        if reached.empty:
            return _("In no group have half of the customers left; the median is not reached.")
        said = _("Half have left after: {parts}.").format(
            parts=_("; ").join(
                _("{group} {months} months").format(
                    group=self._name(row), months=number(row["median_months"], 1)
                )
                for _index, row in reached.iterrows()
            )
        )
        others = len(self.table) - len(reached)
        if not others:
            return said
        more = ngettext(
            "In {count} other group the median is not reached.",
            "In {count} other groups the median is not reached.",
            others,
        ).format(count=number(others))
        return f"{said} {more}"

    def _rates(self) -> str:
        parts = [
            _("{group} {rate} ({low} to {high}; {events} in {months} months)").format(
                group=self._name(row),
                rate=percent(row["leaving"]),
                low=percent(row["low"]),
                # of the rate; no more than all can leave
                high=percent(min(row["high"], 1.0)),
                events=number(row["events"]),
                months=number(row["person_months"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Leaving in a month, of those still there: {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _test(self) -> str:
        if not self.groups.by:
            return ""
        if len(self.groups.order) < 2:
            return _("There is but one group, so none is compared.")
        if self.test is None:
            said = _("The groups cannot be compared: too few were at risk at the same time.")
            return f"{said} {self._pairs()}".strip()
        text = (
            _(
                "The groups differ in how soon they leave by more than chance would bring about "
                "(log-rank test, {statistic} with {freedom} degrees of freedom, probability "
                "{chance}). They differ in other things too, so this is an association."
            )
            if self._apart()
            else _(
                "The groups differ no more than chance may bring about (log-rank test, {statistic} "
                "with {freedom} degrees of freedom, probability {chance})."
            )
        )
        said = text.format(
            statistic=number(self.test.statistic, 2),
            freedom=number(self.test.freedom),
            chance=shown("probability").written(self.test.chance, ""),
        )
        return f"{said} {self._pairs()}".strip()

    def _apart(self) -> bool:
        return self.test is not None and self.test.chance < 1 - self.confidence

    def _pairs(self) -> str:
        if len(self.groups.order) < 3:
            return ""
        if self.pairs.empty:
            alike = self.test is not None and not self._apart()
            return "" if alike else _("survival(pairs=True) compares each two of them.")
        count = int(self.pairs["probability"].notna().sum())
        if not count:
            return _("No two of them can be compared by themselves.")
        apart = self.pairs[self.pairs["differs"]]
        if apart.empty:
            return ngettext(
                "No two of them differ, by {count} comparison.",
                "No two of them differ, corrected for {count} comparisons (Holm).",
                count,
            ).format(count=number(count))
        return ngettext(
            "By {count} comparison, these differ: {parts}.",
            "Corrected for {count} comparisons (Holm), these differ: {parts}.",
            count,
        ).format(
            count=number(count),
            parts=_("; ").join(
                _("{one} and {other}").format(
                    one=self._group(row.group), other=self._group(row.compared_with)
                )
                for row in apart.itertuples()
            ),
        )

    def _words(self) -> str:
        return " ".join(part for part in (self.groups.words(), self.found.watched_late()) if part)

    def _late(self) -> str:
        """Groups of which the beginning was not seen, so that the curve is not of all of them."""
        if self.groups.landmark:
            return ""
        frame = self.groups.frame
        first = frame.groupby(self.groups.by)["entry"].min() if self.groups.by else None
        parts = [
            _("{group} {months} months").format(
                group=self._group(name), months=number(entry / MONTH, 1)
            )
            for name in self.curves
            if (entry := float(frame["entry"].min() if first is None else first[name])) >= MONTH
        ]
        if not parts:
            return ""
        return _(
            "Of these groups nobody was watched from the beginning, but only after: {parts}. Their "
            "shares are of those who were still there by then."
        ).format(parts=_("; ").join(parts))

    def _small(self) -> str:
        """Whether late entry leaves so few at risk at first that they decide the curve."""
        thin = []
        for name, curve in self.curves.items():
            first = curve[curve["events"] > 0].head(1)
            if len(first) and float(first["at_risk"].iloc[0]) < FEWEST:
                thin.append(self._group(name))
        if not thin:
            return ""
        return _(
            "At the first customer to leave fewer than {fewest} were at risk in: {names}. There "
            "the curve hangs on single customers; the rates per month do not."
        ).format(fewest=number(FEWEST), names=_(", ").join(thin))

    def _returned(self) -> str:
        if self.found.setting != "silence":
            return ""
        events = int(self.found.frame["event"].sum())
        if not events:
            return ""
        return _(
            "Of {events} customers counted as having left, {back} ({share}) bought again later: "
            "silence is a sign, not the end. The curve is of the first such silence."
        ).format(
            events=number(events),
            back=number(self.found.returned),
            share=percent(self.found.returned / events),
        )

    def _check(self) -> str:
        if self.check is None or self.found.setting != "silence":
            return ""
        parts = []
        if self.check.running:
            parts.append(
                _(
                    "Of {running} customers whose contract runs on, {lost} were once silent for "
                    "{days} days and would have been called lost: {share} ({low} to {high})."
                ).format(
                    running=number(self.check.running),
                    lost=number(self.check.called_lost),
                    days=number(self.found.silence),
                    **self._share(self.check.called_lost, self.check.running),
                )
            )
        if self.check.ended:
            parts.append(
                _(
                    "Of {ended} whose contract ended at least {days} days before the end of the "
                    "data, silence has not noticed {unnoticed}: {share} ({low} to {high})."
                ).format(
                    ended=number(self.check.ended),
                    unnoticed=number(self.check.unnoticed),
                    days=number(self.found.silence),
                    **self._share(self.check.unnoticed, self.check.ended),
                )
            )
        if not parts:
            return ""
        return " ".join([_("Contracts put the rule of silence to the test."), *parts])

    def _share(self, count: int, total: int) -> dict[str, str]:
        low, high = wilson(count, total, confidence=self.confidence)
        return {
            "share": percent(count / total),
            "low": percent(float(low)),
            "high": percent(float(high)),
        }

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers to whom the end has not come by a time since the beginning"),
            denominator=_("Customers watched at that time, those watched late from then on only"),
            period=self.context.period(),
            method=_(
                "{rule} Kaplan-Meier curves with intervals on the log(-log) scale, delayed entry "
                "and the log-rank test (Kalbfleisch and Prentice 2002); leaving in a month is "
                "events over months watched, with an exact Poisson interval (Garwood 1936)."
            ).format(rule=self.found.rule()),
            source=self.context.source,
            exclusions=(*self.found.exclusions, *self.groups.exclusions),
        )


def draw_curve(
    axes: Axes, curve: pd.DataFrame, colour: str, label: str, *, line: str = "-", band: bool = True
) -> None:
    """A step curve in months with its band, as far as enough customers are at risk.

    Where there are never enough, all of it.
    """
    enough = np.flatnonzero(curve["at_risk"].to_numpy() >= FEWEST)
    part = curve.iloc[: int(enough[-1]) + 1] if enough.size else curve
    months = np.concatenate([[0.0], part["time"] / MONTH])
    share = np.concatenate([[1.0], part["survival"]])
    axes.step(months, share, where="post", color=colour, label=label, linestyle=line)
    if band:
        axes.fill_between(
            months[1:], part["low"], part["high"], step="post", color=colour, alpha=0.15,
            linewidth=0,
        )  # fmt: skip


def month_axis(axes: Axes) -> None:
    """An axis of months from 0 on, with ticks that make up years."""
    from matplotlib.ticker import MultipleLocator

    axes.set_xlim(left=0)
    longest = axes.get_xlim()[1]
    step = next((step for step in (1, 2, 3, 6, 12, 24) if longest / step <= 8), 60)
    axes.xaxis.set_major_locator(MultipleLocator(step))


@measure(needs=NEEDS)
def survival(
    crm: Workspace,
    *,
    setting: Setting | None = None,
    by: str | None = "tier",
    silence: int = SILENCE,
    confidence: float = 0.95,
    pairs: bool = False,
) -> Survival:
    """How long customers stay.

    Parameters
    ----------
    crm : Workspace
        With customers: customer_id, contract_from, contract_to; or orders: customer_id,
        ordered_at. For tiers also customers.tier or orders.amount.
    setting : {"contract", "silence"}, optional
        What says that a customer has left: the end of the contract, or so many days without a
        purchase. By default contract, where any is known.
    by : str or None
        Column of customers that makes the groups; None for all together. Where the data give no
        ``"tier"``, it is made of the purchases of the first 90 days, and the time before counts
        for nobody; where none can be made, all are looked at together.
    silence : int
        Days without a purchase that count as having left.
    confidence : float
    pairs : bool
        Whether to compare each two of several groups: the reading names those that differ, and
        `.pairs` has all.

    Returns
    -------
    Survival
        `.table` has a row per group, tiers the best first: the column of `by`, customers, events
        (who left), person_months (watched), leaving (rate a month), low, high (its exact Poisson
        interval), median_months (missing where not reached), stay_12 and stay_24 (shares who stay
        so many months; missing where nobody was watched so long), each with low and high.

    Raises
    ------
    CrmlabError
        If an option is not as described.
    NotEnoughData
        If the data do not say who left, nobody was watched, or nothing is known of the groups.

    Notes
    -----
    What is an event, when each customer is watched and who is left out is in
    `crmlab.loyalty.stays.stays`; the estimators are in `crmlab.stats.survival`. A month has
    365.25/12 days. The group is that of the beginning: a group made of what came later would have
    its members immortal until then (`immortal_time`).

    References
    ----------
    Kalbfleisch, J. D. and Prentice, R. L. (2002), The Statistical Analysis of Failure Time Data.
    Anderson, J. R., Cain, K. C. and Gelber, R. D. (1983), Journal of Clinical Oncology 1, 710-719,
    for the landmark.
    """
    check_confidence(confidence)
    found = stays(crm, setting=setting, silence=silence)
    groups = grouped(crm, found, _groupable(crm, by))
    frame = groups.frame
    parts = {name: frame[frame[groups.by] == name] for name in groups.order} or {"": frame}
    drawn = {name: curve_of(part, confidence) for name, part in parts.items()}
    rows = [
        ({groups.by: name} if groups.by else {})
        | _row(parts[name], drawn[name], confidence, landmark=groups.landmark)
        for name in parts
    ]
    return Survival(
        pd.DataFrame(rows),
        Context.of(crm),
        drawn,
        _tested(frame, groups.by),
        _compared(frame, groups, 1 - confidence) if pairs else pd.DataFrame(),
        found,
        groups,
        _rule_check(crm, found.silence),
        confidence,
    )


def _groupable(crm: Workspace, by: str | None) -> str | None:
    """`by`, or None where tiers are asked for and neither given nor to be made."""
    if by != "tier" or crm.has("orders", "customer_id", "ordered_at", "amount"):
        return by
    return by if known(crm, "tier") else None


def curve_of(part: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Kaplan and Meier's curve of these customers, times in days from the origin."""
    return curves.kaplan_meier(
        part["time"], part["event"], entry=part["entry"], confidence=confidence
    )


def leaving(part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """Customers, events, months watched, and the rate of leaving a month with its interval."""
    months = float((part["time"] - part["entry"]).sum()) / MONTH
    events = int(part["event"].sum())
    low, high = poisson(events, months, confidence=confidence)
    return {
        "customers": len(part),
        "events": events,
        "person_months": months,
        "leaving": events / months,
        "low": float(low),
        "high": float(high),
    }


def staying(curve: pd.DataFrame, months: int, name: str) -> dict[str, float]:
    """Share who stay so many months with its interval, as columns of that name."""
    at = curves.survival_at(curve, months * MONTH).iloc[0]
    return {name: at["survival"], f"{name}_low": at["low"], f"{name}_high": at["high"]}


def _row(
    part: pd.DataFrame, curve: pd.DataFrame, confidence: float, *, landmark: bool
) -> dict[str, Any]:
    row = leaving(part, confidence)
    row["median_months"] = curves.quantile(curve).value / MONTH
    for after in (12, 24):
        found = staying(curve, after, f"stay_{after}")
        # Of customers who are all watched late nothing is known before the first of them ends.
        begun = landmark or part["entry"].min() < MONTH or curve["time"].iloc[0] <= after * MONTH
        row |= found if begun else dict.fromkeys(found, np.nan)
    return row


def _tested(frame: pd.DataFrame, by: str) -> LogRank | None:
    if not by:
        return None
    try:
        return curves.log_rank(frame["time"], frame["event"], frame[by], entry=frame["entry"])
    except NotEnoughData:
        return None


def _compared(frame: pd.DataFrame, groups: Groups, level: float) -> pd.DataFrame:
    rows = []
    for one, other in combinations(groups.order, 2):
        test = _tested(frame[frame[groups.by].isin([one, other])], groups.by)
        rows.append((one, other, test.chance if test else np.nan))
    table = pd.DataFrame(rows, columns=["group", "compared_with", "probability"])
    holds, adjusted = holm(table["probability"], level)
    return table.assign(corrected=adjusted, differs=holds)


def _rule_check(crm: Workspace, silence: int) -> RuleCheck | None:
    """The rule of silence against the contracts, where both are known."""
    if not (has_contracts(crm) and has_purchases(crm)):
        return None
    lapses = crm.query("first_lapses", silence=silence).set_index("customer_id")["quiet_since"]
    customers = crm.customers.dropna(subset=["contract_from"])
    customers = customers[customers["customer_id"].isin(lapses.index)]
    lost = customers["customer_id"].map(lapses).notna()
    last = pd.Timestamp(crm.as_of)
    begun = customers["contract_from"] <= last
    runs = begun & ~(customers["contract_to"] <= last)
    ended = begun & (customers["contract_to"] <= last - pd.Timedelta(days=silence))
    return RuleCheck(
        int(runs.sum()), int((runs & lost).sum()), int(ended.sum()), int((ended & ~lost).sum())
    )
