"""Immortal time (永生时间偏差): groups made of what came later have customers stay too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.stays import LANDMARK, MONTH, SILENCE, Setting, Stays, grouped, left_out, stays
from crmlab.loyalty.survival import curve_of, draw_curve, leaving, month_axis, staying
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import survival as curves
from crmlab.stats.intervals import check_confidence
from crmlab.stats.tiers import assign, tier_rules, with_thresholds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Months at which the curves are compared: the first that both have reached.
AFTER = (12, 6, 3)
WAYS = ("hindsight", "beginning")


@dataclass(frozen=True, repr=False)
class ImmortalTime(Result):
    """Result of `immortal_time`.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per customer: customer_id, origin, entry, time (days), event, and the tier in
        hindsight and by the beginning.
    curves : dict of (str, str) to pandas.DataFrame
        By way and tier, as from `crmlab.stats.survival.kaplan_meier`.
    months : int
        At which they are compared.
    moved : int
        Customers whose tier in hindsight is another than that of the beginning.
    found : Stays
    exclusions : tuple of Exclusion
    confidence : float
    """

    measure = "loyalty.immortal_time"

    frame: pd.DataFrame
    curves: dict[tuple[str, str], pd.DataFrame]
    months: int
    moved: int
    found: Stays
    exclusions: tuple[Exclusion, ...]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        percentages = dict.fromkeys(["difference", "difference_low", "difference_high"], "percent")
        return percentages | dict.fromkeys(["ratio", "ratio_low", "ratio_high"], "number")

    def main_columns(self) -> Sequence[str]:
        return [
            "way", "tier", "customers", "events", "person_months", "leaving", "ratio", "ratio_low",
            "ratio_high", "stay", "difference",
        ]  # fmt: skip

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "way": {
                "hindsight": _("By all revenue, in hindsight"),
                "beginning": _("By the revenue of the first {days} days").format(
                    days=number(LANDMARK)
                ),
            }
        }

    def title(self) -> str:
        best = self._hindsight().iloc[0]
        if best["ratio_high"] < 1:
            text = _("In hindsight {tier} customers seem to leave {share} less often")
        elif best["ratio_low"] > 1:
            text = _("In hindsight {tier} customers seem to leave {share} more often")
        else:
            text = _("Hindsight makes no difference to {tier} customers that can be told")
        return text.format(share=percent(abs(best["ratio"] - 1), 0), tier=self._tier(best).lower())

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(7.2, 4.8))
        for (way, tier), curve in self.curves.items():
            early = way == "beginning"
            draw_curve(
                axes, curve, charts.LAYER_COLOURS.get(tier, charts.INK),
                shown("tier").written(tier, "") if early else "",
                line="-" if early else "--", band=early,
            )  # fmt: skip
        for line, label in (("-", _("tier of the beginning")), ("--", _("tier in hindsight"))):
            axes.plot([], [], color=charts.INK, linestyle=line, label=label)
        axes.set_ylim(0, 1.02)
        month_axis(axes)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Months since the beginning; bands: intervals"))
        axes.set_ylabel(_("Still there"))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=10)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._idea(),
            self._stay(),
            self._bias(),
            self._rates(),
            self.found.rule(),
            left_out(*self.found.exclusions, *self.exclusions),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _(
            "Falling curves of the share of customers who stay, dashed with the tier of hindsight, "
            "solid with that of the beginning. After {months} months: {parts}."
        ).format(months=number(self.months), parts=self._both())

    # --- the words

    def _tier(self, row: pd.Series) -> str:
        return shown("tier").written(row["tier"], "")

    def _hindsight(self) -> pd.DataFrame:
        return self.table[self.table["way"] == "hindsight"].dropna(subset=["difference"])

    def _both(self) -> str:
        table = self.table.set_index(["way", "tier"])
        parts = []
        for row in self._hindsight()["tier"]:
            late, early = table.loc[("hindsight", row)], table.loc[("beginning", row)]
            parts.append(
                _("{tier} {late} in hindsight, {early} by the beginning").format(
                    tier=shown("tier").written(row, ""),
                    late=percent(late["stay"]),
                    early=percent(early["stay"]),
                )
            )
        return _("; ").join(parts)

    def _idea(self) -> str:
        return _(
            "To be a key customer by all that was bought until the end of the data, one must have "
            "stayed long enough to buy it: who left early could not get there. Made so, the tier "
            "contains the answer. Made of the first {days} days alone it does not, if customers "
            "count only after them. Both are here for the same customers, watched for the same "
            "time, tiers by the same shares; {moved} of {customers} change their tier."
        ).format(
            days=number(LANDMARK),
            moved=number(self.moved),
            customers=number(self.table.groupby("way")["customers"].sum().iloc[0]),
        )

    def _stay(self) -> str:
        return _("Still there after {months} months: {parts}.").format(
            months=number(self.months), parts=self._both()
        )

    def _bias(self) -> str:
        parts = []
        for _index, row in self._hindsight().iterrows():
            told = pd.notna(row["difference_low"])
            text = _("{tier} {points} ({low} to {high})") if told else _("{tier} {points}")
            parts.append(
                text.format(
                    tier=self._tier(row),
                    points=number(row["difference"] * 100, 1),
                    low=number(row["difference_low"] * 100, 1),
                    high=number(row["difference_high"] * 100, 1),
                )
            )
        said = _("What hindsight adds, in percentage points: {parts}.").format(
            parts=_("; ").join(parts)
        )
        if self._hindsight()["difference_low"].isna().all():
            return said
        return _(
            "{said} {intervals} It is no property of the customers, only of the order in which "
            "they were looked at."
        ).format(said=said, intervals=intervals_in_brackets(self.confidence))

    def _rates(self) -> str:
        table = self.table.set_index(["way", "tier"])["leaving"]
        parts = []
        for _index, row in self._hindsight().iterrows():
            text = (
                _("{tier} {late} and {early}, {ratio} times ({low} to {high})")
                if pd.notna(row["ratio"])
                else _("{tier} {late} and {early}")
            )
            parts.append(
                text.format(
                    tier=self._tier(row),
                    late=percent(table["hindsight", row["tier"]]),
                    early=percent(table["beginning", row["tier"]]),
                    ratio=number(row["ratio"], 2),
                    low=number(row["ratio_low"], 2),
                    high=number(row["ratio_high"], 2),
                )
            )
        return _(
            "Leaving in a month, of those still there, in hindsight and by the beginning: {parts}. "
            "Hindsight counts the months before a customer rose for the tier the customer rose to."
        ).format(parts=_("; ").join(parts))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers to whom the end has not come by a time since the beginning"),
            denominator=_("Customers watched at that time, from {days} days on").format(
                days=number(LANDMARK)
            ),
            period=self.context.period(),
            method=_(
                "{rule} The tier by revenue in all of the data against that of a landmark "
                "(Anderson, Cain and Gelber 1983); Kaplan-Meier curves with delayed entry, their "
                "difference with an interval from the influence of each customer on both (Reid "
                "1981). The time that makes the bias is called immortal (Suissa 2008)."
            ).format(rule=self.found.rule()),
            source=self.context.source,
            exclusions=(*self.found.exclusions, *self.exclusions),
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def immortal_time(
    crm: Workspace,
    *,
    setting: Setting | None = None,
    silence: int = SILENCE,
    confidence: float = 0.95,
) -> ImmortalTime:
    """How much longer customers seem to stay in the tier that they had reached in the end.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for contracts also customers: customer_id,
        contract_from, contract_to.
    setting : {"contract", "silence"}, optional
        As in `crmlab.loyalty.survival.survival`.
    silence : int
        Days without a purchase that count as having left.
    confidence : float

    Returns
    -------
    ImmortalTime
        `.table` has a row per way and tier: way (``"hindsight"``: by the revenue of all the data;
        ``"beginning"``: by that of the first 90 days from the first purchase), tier, customers,
        events, person_months, leaving (rate a month), low, high, stay (share who stay 12 months,
        or 6 or 3 where nobody was watched so long), stay_low, stay_high, and for hindsight the
        difference from the beginning, difference_low, difference_high, and the ratio of the
        rates of leaving, ratio_low, ratio_high.

    Raises
    ------
    NotEnoughData
        If the data do not say who left, nobody was watched beyond the first days, or no tier can
        be followed for three months.

    Notes
    -----
    Both ways take the same customers from the landmark on, so that nothing but the tier differs.
    A tier that the company gave is not used: it may have been given at either time. The variance of
    the difference is Σ(aᵢ − bᵢ)², aᵢ and bᵢ the influence of customer i on both; so is that of the
    logarithm of the ratio, where a customer with dᵢ events in mᵢ months adds (dᵢ − r mᵢ)/d.

    References
    ----------
    Suissa, S. (2008), American Journal of Epidemiology 167, 492-499. Anderson, J. R., Cain, K. C.
    and Gelber, R. D. (1983), Journal of Clinical Oncology 1, 710-719.
    """
    check_confidence(confidence)
    found = stays(crm, setting=setting, silence=silence)
    groups = grouped(crm, found, "tier", given=False)
    frame = groups.frame.rename(columns={"tier": "beginning"})
    frame["hindsight"] = frame["customer_id"].map(_in_the_end(crm)).astype("str")
    parts = {
        (way, tier): frame[way] == tier
        for way in WAYS
        for tier in tier_rules()["tier"]
        if (frame[way] == tier).any()
    }
    drawn = {key: curve_of(frame[rows], confidence) for key, rows in parts.items()}
    months = _reached(drawn)
    rows = [
        {"way": way, "tier": tier}
        | leaving(frame[parts[way, tier]], confidence)
        | staying(drawn[way, tier], months, "stay")
        | _difference(frame, way, tier, months, confidence)
        | _ratio(frame, way, tier, confidence)
        for way, tier in parts
    ]
    return ImmortalTime(
        pd.DataFrame(rows),
        Context.of(crm),
        frame,
        drawn,
        months,
        int((frame["beginning"] != frame["hindsight"]).sum()),
        found,
        groups.exclusions,
        confidence,
    )


def _in_the_end(crm: Workspace) -> pd.Series:
    """The tier by the revenue of all the data, by customer_id."""
    summary = crm.query("customer_summary").set_index("customer_id")
    value = summary["amount"].fillna(0.0).astype(float)
    return assign(value, with_thresholds(value, tier_rules()))


def _reached(drawn: Mapping[tuple[str, str], pd.DataFrame]) -> int:
    """The months at which the best tier that stands in both ways can be compared."""
    both = [tier for way, tier in drawn if way == "beginning" and ("hindsight", tier) in drawn]
    best = [drawn[way, tier] for tier in both[:1] for way in WAYS]
    for months in AFTER if best else ():
        if np.isfinite([staying(curve, months, "stay")["stay"] for curve in best]).all():
            return months
    raise NotEnoughData(
        _("No tier was watched for {months} months, so nothing can be compared.").format(
            months=number(AFTER[-1])
        )
    )


def _difference(
    frame: pd.DataFrame, way: str, tier: str, months: int, confidence: float
) -> dict[str, float]:
    """Hindsight less beginning, with an interval for the same customers in both."""
    from scipy.stats import norm

    names = ("difference", "difference_low", "difference_high")
    nothing = dict.fromkeys(names, np.nan)
    if way != "hindsight" or not (frame["beginning"] == tier).any():
        return nothing
    after = months * MONTH
    share, added = [], []
    for which in WAYS:
        rows = (frame[which] == tier).to_numpy()
        part = frame[rows]
        curve = curve_of(part, confidence)
        share.append(curves.survival_at(curve, after)["survival"].iloc[0])
        own = np.zeros(len(frame))
        own[rows] = curves.influence(part["time"], part["event"], after, entry=part["entry"])
        added.append(own)
    value = float(share[0] - share[1])
    half = float(norm.ppf((1 + confidence) / 2) * np.sqrt(np.sum((added[0] - added[1]) ** 2)))
    if not half > 0:  # nobody left in either, or the same customers are in both
        return nothing | {"difference": value}
    return dict(zip(names, (value, value - half, value + half), strict=True))


def _ratio(frame: pd.DataFrame, way: str, tier: str, confidence: float) -> dict[str, float]:
    """Rate of leaving in hindsight over that by the beginning, for the same customers in both."""
    from scipy.stats import norm

    names = ("ratio", "ratio_low", "ratio_high")
    inside = [(frame[which] == tier).to_numpy() for which in WAYS]
    months = (frame["time"] - frame["entry"]).to_numpy()
    event = frame["event"].to_numpy(dtype=float)
    events = [float(event[rows].sum()) for rows in inside]
    if way != "hindsight" or not all(events):
        return dict.fromkeys(names, np.nan)
    rates = [count / months[rows].sum() for count, rows in zip(events, inside, strict=True)]
    added = [
        rows * (event - rate * months) / count
        for rows, rate, count in zip(inside, rates, events, strict=True)
    ]
    half = float(norm.ppf((1 + confidence) / 2) * np.sqrt(np.sum((added[0] - added[1]) ** 2)))
    value = float(rates[0] / rates[1])
    return dict(zip(names, (value, value * np.exp(-half), value * np.exp(half)), strict=True))
