"""Customers under contract: who renews, and what becomes of a cohort of contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import chi2, norm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.histories import Array
from crmlab.loyalty.uncertainty import interval, neighbours, spread
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
from crmlab.stats.intervals import check_confidence, wilson
from crmlab.stats.lifetime import Renewal, sbg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Period = Literal["month", "quarter", "year"]

#: Months of a period.
PERIODS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12}
#: A period that fewer contracts have reached is not drawn.
FEWEST = 5
#: How far ahead of the observed periods is projected, in multiples of them.
AHEAD = 2
#: A chance below this speaks for retention that rises.
SIGNIFICANT = 0.05


@dataclass(frozen=True, repr=False)
class ContractRenewal(Result):
    """Result of `renewal`.

    Attributes
    ----------
    older : pandas.DataFrame
        Contracts begun before the data, which the model has not seen, by period of tenure that was
        observed in full: period, contracts, not_renewed, retention, low, high.
    fit : Renewal
    chance : float
        By chance alone, of a likelihood as much above that of one rate for all.
    begun : int
        Contracts begun within the data; the model is fitted to those with a full period.
    ended : int
        Of these, those that ended.
    fresh : int
        Contracts begun within the data of which no period is over.
    residual : pandas.Series
        Discounted periods to come of a contract just begun (``"new"``), and on average of those in
        force (``"in_force"``).
    in_force : int
    period : {"month", "quarter", "year"}
    discount : float
        A year.
    exclusions : tuple of Exclusion
    confidence : float
    """

    measure = "loyalty.renewal"

    older: pd.DataFrame
    fit: Renewal
    chance: float
    begun: int
    ended: int
    fresh: int
    residual: pd.Series
    in_force: int
    period: Period
    discount: float
    exclusions: tuple[Exclusion, ...]
    confidence: float

    def main_columns(self) -> Sequence[str]:
        return [
            "period", "contracts", "not_renewed", "retention", "low", "high", "expected_retention",
            "survival", "survival_low", "survival_high",
        ]  # fmt: skip

    def title(self) -> str:
        seen = int(self.table["contracts"].notna().sum())
        last = self.table.iloc[-1]
        return {
            "month": _(
                "Of 100 contracts {now} are left after {seen} months, {then} expected after {far}"
            ),
            "quarter": _(
                "Of 100 contracts {now} are left after {seen} quarters, {then} expected after {far}"
            ),
            "year": _(
                "Of 100 contracts {now} are left after {seen} years, {then} expected after {far}"
            ),
        }[self.period].format(
            now=number(100 * self.table["survival"].iloc[seen - 1]),
            seen=number(seen),
            then=number(100 * last["survival"]),
            far=number(last["period"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        table = self.table
        axes.fill_between(
            table["period"], table["expected_retention_low"], table["expected_retention_high"],
            color=charts.ORANGE,
            alpha=0.2, linewidth=0,
        )  # fmt: skip
        seen = table["contracts"].notna()
        last_seen = int(seen.sum()) - 1
        axes.plot(table["period"][seen], table["expected_retention"][seen], color=charts.ORANGE)
        axes.plot(
            table["period"].iloc[last_seen:], table["expected_retention"].iloc[last_seen:],
            color=charts.ORANGE, linestyle="--",
        )  # fmt: skip
        lowest = [float(table["expected_retention_low"].min())]
        far = int(table["period"].max())
        kinds = ((self.older, charts.GREY, 0.15), (table[seen], charts.BLUE, 0.0))
        for part, colour, aside in kinds:
            drawn = part[(part["contracts"] >= FEWEST) & (part["period"] <= far)]
            middle = drawn["retention"].to_numpy(float)
            reach = np.abs(drawn[["low", "high"]].to_numpy(float).T - middle)
            axes.errorbar(
                drawn["period"] + aside, middle, yerr=reach, fmt="o", color=colour,
                capsize=2, linewidth=1.2, markersize=5,
            )  # fmt: skip
            lowest.extend(drawn["low"].tolist())
        axes.set_ylim(max(min(lowest) - 0.03, 0.0), 1.005)
        axes.set_xlim(0.4, far + 0.6)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(
            {
                "month": _("Month of the contract (grey: older contracts)"),
                "quarter": _("Quarter of the contract (grey: older contracts)"),
                "year": _("Year of the contract (grey: older contracts)"),
            }[self.period]
        )
        axes.set_ylabel(_("Renewed, with interval; line: model"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._fitted(),
            self._rises(),
            self._projected(),
            self._older(),
            self._residual(),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        first, last = self.table.iloc[0], self.table.iloc[-1]
        return _(
            "Points of the share renewed by period of the contract, with the line of the model: "
            "{first} in the first period, {last} expected in period {far}."
        ).format(
            first=percent(first["expected_retention"]),
            last=percent(last["expected_retention"]),
            far=number(last["period"]),
        )

    # --- the words

    def _fitted(self) -> str:
        text = {
            "month": _(
                "sBG is fitted to {contracts} contracts begun since {since}, of which {ended} "
                "ended. In the first month {first} renew ({low} to {high}). {intervals}"
            ),
            "quarter": _(
                "sBG is fitted to {contracts} contracts begun since {since}, of which {ended} "
                "ended. In the first quarter {first} renew ({low} to {high}). {intervals}"
            ),
            "year": _(
                "sBG is fitted to {contracts} contracts begun since {since}, of which {ended} "
                "ended. In the first year {first} renew ({low} to {high}). {intervals}"
            ),
        }[self.period]
        row = self.table.iloc[0]
        return text.format(
            contracts=number(self.begun - self.fresh),
            since=day(self.context.first_day),
            ended=number(self.ended),
            first=percent(row["expected_retention"]),
            low=percent(row["expected_retention_low"]),
            high=percent(row["expected_retention_high"]),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _rises(self) -> str:
        if self.fit.weak or self.chance >= SIGNIFICANT:
            return _(
                "There is no sign that retention rises with tenure: one rate for all contracts "
                "fits as well (chance {chance}), and how customers differ cannot be told from "
                "these data."
            ).format(chance=shown("probability").written(self.chance, ""))
        last = self.table[self.table["contracts"].notna()].iloc[-1]
        return _(
            "Retention rises from {first} to {last} in period {far} (by chance alone {chance}). "
            "In the model nobody becomes more loyal: those likely to leave go first, and the mix "
            "of those who are left changes."
        ).format(
            first=percent(self.table["expected_retention"].iloc[0]),
            last=percent(last["expected_retention"]),
            far=number(last["period"]),
            chance=shown("probability").written(self.chance, ""),
        )

    def _projected(self) -> str:
        last = self.table.iloc[-1]
        return _(
            "Of all contracts {share} are expected to be in force after {periods} periods ({low} "
            "to {high})."
        ).format(
            share=percent(last["survival"]),
            periods=number(last["period"]),
            low=percent(last["survival_low"]),
            high=percent(last["survival_high"]),
        )

    def _older(self) -> str:
        there = self.older.merge(self.table[["period"]], on="period")
        contracts, lost = float(there["contracts"].sum()), float(there["not_renewed"].sum())
        if contracts < FEWEST:
            return ""

        def ending(fit: Renewal) -> Array:
            return there["contracts"].to_numpy() @ (1 - fit.retention(there["period"]))

        expected = float(ending(self.fit))
        unsure = float(spread([ending(one) for one in neighbours(self.fit)]))
        by_chance = lost * (1 - lost / contracts)
        reach = float(norm.ppf((1 + self.confidence) / 2)) * np.sqrt(by_chance + unsure**2)
        if abs(lost - expected) <= reach:
            said = _(
                "Contracts begun before {since} were not shown to the model. In the same periods "
                "of tenure it expects {expected} of them to end; {lost} did. That agrees: the "
                "difference is no larger than chance and the errors of the model allow ({reach})."
            )
        else:
            said = _(
                "Contracts begun before {since} were not shown to the model. In the same periods "
                "of tenure it expects {expected} of them to end; {lost} did. The difference is "
                "larger than chance and the errors of the model allow ({reach}): they are other "
                "customers, or times have changed."
            )
        return said.format(
            since=day(self.context.first_day),
            expected=number(expected),
            lost=number(lost),
            reach=number(reach),
        )

    def _residual(self) -> str:
        if not self.in_force:
            return _(
                "Discounted by {discount} a year, a contract just begun has {new} periods to come "
                "besides the one it is in. None is in force any more. Times the margin of a period "
                "that is what a contract is worth."
            ).format(discount=percent(self.discount), new=number(self.residual["new"], 1))
        return _(
            "Discounted by {discount} a year, a contract just begun has {new} periods to come "
            "besides the one it is in, and one of the {in_force} in force {kept} on average. Times "
            "the margin of a period that is what it is still worth."
        ).format(
            discount=percent(self.discount),
            new=number(self.residual["new"], 1),
            kept=number(self.residual["in_force"], 1),
            in_force=number(self.in_force),
        )

    def _left_out(self) -> str:
        fresh = self.fresh
        said = _(
            "A contract counts in the periods of its own tenure that were observed in full. What "
            "happened to older contracts before {since} is not known: only those that lasted are "
            "in the data, so the model leaves them out."
        ).format(since=day(self.context.first_day))
        if not fresh:
            return said
        recent = ngettext(
            "Of {count} contract no period is over yet.",
            "Of {count} contracts no period is over yet.",
            fresh,
        ).format(count=number(fresh))
        return f"{said} {recent}"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, contracts in force at the end of the period"),
            denominator=_("Contracts in force at the start of a period of their tenure"),
            period=self.context.period(),
            method=_(
                "Shifted beta-geometric model by maximum likelihood; {confidence} Wilson intervals "
                "of the shares, those of the model from the errors of its parameters. Whether "
                "retention rises: likelihood ratio to one rate for all, half a χ² of one degree of "
                "freedom. Fader and Hardie (2007, 2010)."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.exclusions,
        )


@measure(needs={"customers": ["customer_id", "contract_from", "contract_to"]})
def renewal(
    crm: Workspace,
    *,
    period: Period = "quarter",
    discount: float = 0.10,
    confidence: float = 0.95,
) -> ContractRenewal:
    """How many contracts are renewed, and what becomes of them in the periods to come.

    Parameters
    ----------
    crm : Workspace
        With customers: customer_id, contract_from, contract_to (both included; a contract without
        a last day is in force).
    period : {"month", "quarter", "year"}
        Of tenure, from the contract's own first day.
    discount : float
        A year; above 0.
    confidence : float

    Returns
    -------
    ContractRenewal
        `.table` has a row per period of tenure, projected periods too: period, contracts (in force
        at its start and observed to its end), not_renewed, retention, low, high (of those begun
        within the data; missing where projected), expected_retention (of the model),
        expected_retention_low, expected_retention_high, survival (share of all contracts in force
        after the period), survival_low, survival_high.

    Raises
    ------
    NotEnoughData
        If no contract begun within the data has been observed for two periods, or none or all of
        them ended.
    CrmlabError
        If an argument is not one of those allowed.

    Notes
    -----
    A contract that ended on or before the last day of period t is lost in it; one that ends exactly
    with the period was not renewed at its end. Periods that are not over on `as_of` are left out,
    those lost in them too: else the ended would count and those still in force not.

    Contracts begun before the data are left truncated: those that had ended by then are not in the
    data. They enter at the first period observed in full (delayed entry), where they are compared
    with the model; it is fitted to contracts seen from their beginning.

    The model: each customer ends a contract in any period with a chance of their own, Beta(α, β)
    among customers; retention in period t is (β + t − 1)/(α + β + t − 1). It rises although no
    customer changes.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2007), Journal of Interactive Marketing 21(1), 76-90. Fader,
    P. S. and Hardie, B. G. S. (2010), Marketing Science 29(1), 85-93.
    """
    _check(period, discount)
    check_confidence(confidence)
    terms = tenures(crm, period)
    new, older = terms[terms["begun"]], terms[~terms["begun"]]
    seen = new[new["last"] >= 1]
    counts = by_period(seen)
    if len(counts) < 2 or not 0 < counts["not_renewed"].sum() < counts["contracts"].sum():
        raise NotEnoughData(
            _(
                "Of {contracts} contracts begun since {since}, {seen} have been observed for a "
                "{period} or longer and {ended} of these ended. Two periods are needed, in which "
                "some ended and some did not; a shorter period may do."
            ).format(
                contracts=number(len(new)), since=day(crm.first_day), seen=number(len(seen)),
                period=_period_name(period), ended=number(int(seen["lost"].notna().sum())),
            )
        )  # fmt: skip
    fit = _fitted(seen, len(counts))
    running = terms[terms["in_force"]]
    a_period = (1 + discount) ** (PERIODS[period] / 12) - 1
    renewals = running["completed"].to_numpy()
    residual = pd.Series(
        {
            "new": float(fit.residual_lifetime(0, a_period)),
            "in_force": _mean_residual(fit, renewals, a_period),
        }
    )
    begin = crm.customers["contract_from"]
    left_out = {
        _("no contract"): int(begin.isna().sum()),
        _("contract begins after the data"): int((begin > pd.Timestamp(crm.as_of)).sum()),
        _("contracts begun before the data"): len(older),
        _("contracts of which no period is over"): len(new) - len(seen),
    }
    return ContractRenewal(
        _table(counts, fit, confidence),
        Context.of(crm),
        with_shares(by_period(older), confidence),
        fit,
        _constant(counts, fit),
        len(new),
        int(seen["lost"].notna().sum()),
        len(new) - len(seen),
        residual,
        len(running),
        period,
        discount,
        tuple(Exclusion.of_customers(why, count) for why, count in left_out.items() if count),
        confidence,
    )


def tenures(crm: Workspace, period: Period) -> pd.DataFrame:
    """Contracts by periods of their own tenure.

    Returns
    -------
    pandas.DataFrame
        A row per contract that had begun: customer_id, begun (within the data), first and last
        (period that was observed in full; none if last is smaller), lost (period in which it ended,
        missing if it did not within those), in_force (beyond the last day of the data), completed
        (periods over).
    """
    months = PERIODS[period]
    terms = crm.customers[["customer_id", "contract_from", "contract_to"]]
    begin, end = terms["contract_from"], terms["contract_to"]
    end_of_data = pd.Timestamp(crm.as_of)
    terms = terms[begin.notna() & (begin <= end_of_data)].reset_index(drop=True)
    begin, end = terms["contract_from"], terms["contract_to"]
    after, opening = end_of_data + pd.Timedelta(days=1), pd.Timestamp(crm.first_day)
    whole = whole_months(begin, pd.Series(after, terms.index)) // months
    ended = end.notna() & (end <= end_of_data)
    # A contract that ends with its period was not renewed at its end.
    in_period = whole_months(begin, end - pd.Timedelta(days=1)).clip(lower=0) // months + 1
    gone = in_period.where(ended)
    old = begin < opening
    before = whole_months(begin, pd.Series(opening, terms.index)).clip(lower=0)
    first = np.ceil(_month_parts(begin, opening, before) / months) + 1
    return pd.DataFrame(
        {
            "customer_id": terms["customer_id"],
            "begun": ~old,
            "first": first.where(old, 1).astype(int),
            "last": np.minimum(whole, gone.fillna(np.inf)).astype(int),
            "lost": gone.where(gone <= whole),
            "in_force": ~ended,
            "completed": whole.astype(int),
        }
    )


def whole_months(begin: pd.Series, until: pd.Series) -> pd.Series:
    """Calendar months that are over between two days; missing where one of them is.

    Examples
    --------
    >>> begin = pd.Series(pd.to_datetime(["2025-01-15", "2025-01-15", "2025-01-31"]))
    >>> until = pd.Series(pd.to_datetime(["2025-03-14", "2025-03-15", "2025-02-28"]))
    >>> whole_months(begin, until).astype(int).tolist()
    [1, 2, 1]
    """
    apart = 12 * (until.dt.year - begin.dt.year) + until.dt.month - begin.dt.month
    early = (until.dt.day < begin.dt.day) & ~until.dt.is_month_end
    return apart - early


def _month_parts(begin: pd.Series, opening: pd.Timestamp, whole: pd.Series) -> pd.Series:
    """Months from the first day of a contract to that of the data, a part of one as a half."""
    exact = (begin.dt.day == opening.day).astype(float)
    return whole + 0.5 * (1 - exact)


def by_period(terms: pd.DataFrame) -> pd.DataFrame:
    """Contracts in force at the start of each period and observed to its end, and those lost."""
    seen = terms[terms["last"] >= terms["first"]]
    longest = int(seen["last"].max()) if len(seen) else 0
    places = np.arange(1, longest + 1)
    first, last = seen["first"].to_numpy(), seen["last"].to_numpy()
    return pd.DataFrame(
        {
            "period": places,
            "contracts": [int(((first <= one) & (last >= one)).sum()) for one in places],
            "not_renewed": [int((seen["lost"] == one).sum()) for one in places],
        }
    )


def with_shares(counts: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The counts with the share renewed and its Wilson interval."""
    kept = (counts["contracts"] - counts["not_renewed"]).to_numpy(float)
    contracts = counts["contracts"].to_numpy(float)
    share = np.divide(kept, contracts, out=np.full(len(kept), np.nan), where=contracts > 0)
    low, high = np.full(len(kept), np.nan), np.full(len(kept), np.nan)
    some = contracts > 0
    if some.any():
        low[some], high[some] = wilson(kept[some], contracts[some], confidence=confidence)
    return counts.assign(retention=share, low=low, high=high)


def _fitted(seen: pd.DataFrame, periods: int) -> Renewal:
    """The model, of contracts seen from their beginning; those equally old are a cohort."""
    lost, active = [], []
    for many, cohort in seen.groupby("completed"):
        observed = min(int(str(many)), periods)
        row = np.full(periods, np.nan)
        gone = cohort["lost"].dropna().astype(int)
        row[:observed] = np.bincount(gone - 1, minlength=periods)[:observed]
        lost.append(row)
        active.append(len(cohort) - len(gone))
    return sbg(np.array(lost), np.array(active, dtype=float))


def _table(counts: pd.DataFrame, fit: Renewal, confidence: float) -> pd.DataFrame:
    ahead = np.arange(1, AHEAD * len(counts) + 1)
    table = with_shares(counts, confidence).set_index("period").reindex(ahead)
    around = neighbours(fit)
    for name, what in (("expected_retention", Renewal.retention), ("survival", Renewal.survival)):
        usual = what(fit, ahead)
        low, high = interval(
            usual, np.array([what(one, ahead) for one in around]), confidence, "logit"
        )
        table[name], table[f"{name}_low"], table[f"{name}_high"] = usual, low, high
    whole = {"contracts": "Int64", "not_renewed": "Int64"}
    return table.rename_axis("period").reset_index().astype(whole)


def _constant(counts: pd.DataFrame, fit: Renewal) -> float:
    """By chance, a likelihood as much above that of one rate for all contracts and periods."""
    lost, whole = float(counts["not_renewed"].sum()), float(counts["contracts"].sum())
    alone = float(xlogy(lost, lost / whole) + xlogy(whole - lost, 1 - lost / whole))
    above = 2 * (fit.log_likelihood - alone)
    # One rate for all is at the edge of the model.
    return 0.5 * float(chi2.sf(max(above, 0.0), 1)) if above > 0 else 1.0


def _mean_residual(fit: Renewal, renewals: Array, discount: float) -> float:
    if not len(renewals):
        return float("nan")
    times, many = np.unique(renewals, return_counts=True)
    return float(np.average(fit.residual_lifetime(times, discount), weights=many))


def _check(period: str, discount: float) -> None:
    if period not in PERIODS:
        raise CrmlabError(
            _("period is 'month', 'quarter' or 'year'; it is {period}.").format(period=repr(period))
        )
    if not 0 < discount < 1:
        raise CrmlabError(
            _("discount is a rate a year above 0 and below 1, such as 0.10; it is {value}.").format(
                value=discount
            )
        )


def _period_name(period: str) -> str:
    return {"month": _("month"), "quarter": _("quarter"), "year": _("year")}[period]
