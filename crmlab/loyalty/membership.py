"""Membership (会员制): who joins, what comes with joining, and what it must bring to pay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.drawn import some_customers
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, number, signed, with_interval
from crmlab.loyalty.purchases import customer_months
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.break_even import break_even
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.counts import poisson
from crmlab.stats.intervals import check_confidence
from crmlab.stats.joining import Joining, joining

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

COMPARISONS = ("members", "busier", "joining", "break_even")
_DAYS_PER_YEAR = 365.25
#: Fewer joiners than these are not judged.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class Membership(Result):
    """Result of `membership`.

    Attributes
    ----------
    periods : pandas.DataFrame
        A row per month since joining: period, change, low, high.
    before_chance : float
        Probability that joiners move as far apart from the others before joining by chance.
    before, after : int
    joiners, others : int
        Customers in the comparison before and after joining.
    yearly_cost : float
        Cost of a member in a year, points and fixed costs; NaN where nothing is known of it.
    points_free : bool
        Whether members earn points of which no cost is stated.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    exclusions : tuple of Exclusion
    confidence : float
    """

    measure = "loyalty.membership"

    periods: pd.DataFrame
    before_chance: float
    before: int
    after: int
    joiners: int
    others: int
    yearly_cost: float
    points_free: bool
    part: str
    exclusions: tuple[Exclusion, ...]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"change": "percent"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"comparison": comparison_names()}

    def title(self) -> str:
        change, needed = self._row("joining"), self._row("break_even")
        if not np.isfinite(change["low"]):
            return self._naive_title()
        told = change["low"] > 0 or change["high"] < 0
        texts = {
            (True, True): _("With joining came {change} orders; membership pays from {needed}"),
            (True, False): _("With joining came {change} orders"),
            (False, True): _(
                "What joining brings is open ({low} to {high}); it pays from {needed}"
            ),
            (False, False): _("What joining brings is open ({low} to {high})"),
        }
        return texts[(told, bool(np.isfinite(needed["change"])))].format(
            change=signed(change["change"]),
            low=signed(change["low"]),
            high=signed(change["high"]),
            needed=signed(needed["change"], 1),
        )

    def _naive_title(self) -> str:
        naive = self._row("members")
        if not np.isfinite(naive["change"]):
            return _("Members cannot be compared with others")
        return _("Members order {change} compared with others, which does not say why").format(
            change=signed(naive["change"])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        if len(self.periods):
            self._draw_periods(axes)
        else:
            self._draw_rows(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_periods(self, axes: Axes) -> None:
        rows = self.periods
        colours = [charts.ORANGE if period > 0 else charts.BLUE for period in rows["period"]]
        axes.vlines(rows["period"], rows["low"], rows["high"], colors=colours)
        axes.scatter(rows["period"], rows["change"], color=colours, zorder=3)
        needed = self._row("break_even")["change"]
        if np.isfinite(needed):
            axes.hlines(
                needed, 0.5, self.after + 0.5, color=charts.MUTED, linestyles=":",
                label=_("pays from here"),
            )  # fmt: skip
            axes.legend(loc="upper left")
        axes.axhline(0, color=charts.MUTED, linewidth=1, zorder=0)
        axes.axvline(0, color=charts.GRID, linewidth=8, zorder=0)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Months since joining (0: the month of joining)"))
        axes.set_ylabel(_("Orders against expected"))

    def _draw_rows(self, axes: Axes) -> None:
        rows = self.table.dropna(subset=["change"])
        places = -np.arange(len(rows))
        axes.hlines(places, rows["low"], rows["high"], color=charts.BLUE)
        axes.scatter(rows["change"], places, color=charts.BLUE, zorder=3)
        names = comparison_names()
        labels = [charts.wrapped(names[code], 30) for code in rows["comparison"]]
        axes.set_yticks(places, labels)
        axes.axvline(0, color=charts.MUTED, linewidth=1, zorder=0)
        charts.share_axis(axes.xaxis)

    def reading(self) -> str:
        parts = [
            self._naive(),
            self._joined(),
            self._before(),
            self._cost(),
            intervals_in_brackets(self.confidence) if self.table["low"].notna().any() else "",
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if not len(self.periods):
            known = np.isfinite(self._row("members")["change"])
            text = _("Point with interval: {value}.")
            return text.format(value=self._change("members")) if known else self.title()
        parts = [
            _("month {period}: {value}").format(
                period=number(row["period"]), value=_written(row)
            )
            for _index, row in self.periods.iterrows()
        ]  # fmt: skip
        return _(
            "Points with intervals of joiners' orders against expected, by months since joining. "
            "{parts}."
        ).format(parts=_("; ").join(parts))

    # --- the words

    def _row(self, code: str) -> pd.Series:
        return self.table.set_index("comparison").loc[code]

    def _change(self, code: str) -> str:
        return _written(self._row(code))

    def _naive(self) -> str:
        row = self._row("members")
        if not np.isfinite(row["change"]):
            return _("Members cannot be compared with others: one side has no orders.")
        return _(
            "Members' orders in a month are {change} compared with those of customers who never "
            "joined. That says who joins as much as what membership does."
        ).format(change=self._change("members"))

    def _joined(self) -> str:
        if not np.isfinite(self._row("joining")["change"]):
            return _(
                "Too few customers joined within the data to compare them before and after: it "
                "takes {fewest} who were customers in the {before} months before and are seen for "
                "{after} after, and others who had not joined."
            ).format(
                fewest=number(FEWEST), before=number(self.before), after=number(self.after)
            )  # fmt: skip
        said = _(
            "{joiners} customers joined who had been customers for {before} months; they are set "
            "against {others} others who also had and had not joined {after} months later."
        ).format(
            joiners=number(self.joiners),
            others=number(self.others),
            before=number(self.before),
            after=number(self.after),
        )
        busier = _("Before joining they ordered {busier} compared with these.").format(
            busier=self._change("busier")
        )
        row = self._row("joining")
        if row["low"] > 0 or row["high"] < 0:
            text = _(
                "In the {after} months after, their orders changed by {change} compared with "
                "moving like the others. They chose to join: what else moved them then is in that "
                "figure."
            )
        else:
            text = _(
                "That their orders changed in the {after} months after, compared with moving like "
                "the others, cannot be told: {change}."
            )
        change = text.format(after=number(self.after), change=self._change("joining"))
        return f"{said} {busier} {change}"

    def _before(self) -> str:
        if not np.isfinite(self.before_chance):
            return ""
        text = (
            _(
                "Before joining they already moved apart from the others (probability by chance "
                "{chance}): they join when something changes, and the comparison is not fair."
            )
            if self.before_chance < 1 - self.confidence
            else _(
                "Before joining they moved no further apart from the others than by chance "
                "(probability {chance}); that is no proof that they would have gone on so."
            )
        )
        return text.format(chance=number(self.before_chance, 2))

    def _cost(self) -> str:
        if not np.isfinite(self.yearly_cost):
            return _(
                "What membership costs is not known: it takes points and a cost of a point in the "
                "settings (points.point), or member_cost=, and the direct costs of orders."
            )
        said = _("A member costs {cost} a year.").format(
            cost=money(self.yearly_cost, self.context.currency, 2)
        )
        if self.points_free:
            said += " " + _(
                "No cost of a point is stated (points.point in the settings), so points count as "
                "free."
            )
        needed = self._row("break_even")
        if not np.isfinite(needed["change"]):
            return said + " " + _("The margin of members' orders does not cover that.")
        said += " " + _("To pay, membership must raise their orders by {needed}.").format(
            needed=self._change("break_even")
        )
        change = self._row("joining")
        if not (np.isfinite(change["low"]) and np.isfinite(needed["high"])):
            return said
        if change["low"] > needed["high"]:
            return said + " " + _("What came with joining lies above that.")
        if change["high"] < needed["low"]:
            return said + " " + _("What came with joining lies below that.")
        return said + " " + _("Whether what came with joining is more or less cannot be told.")

    def _left_out(self) -> str:
        parts = [self.part]
        if self.exclusions:
            parts.append(
                _("Left out of the comparison before and after are {left}.").format(
                    left=_("; ").join(one.words() for one in self.exclusions)
                )
            )
        return " ".join(part for part in parts if part)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders of joiners in the months after joining"),
            denominator=_("What they would be, had they moved like those who had not joined"),
            period=self.context.period(),
            method=_(
                "Joiners of each month are compared with customers who had not joined by the end "
                "of the months after; both known in the {before} months before, whether or not "
                "they bought in them. Their orders before are carried forward by the others' "
                "change, a factor (Callaway and Sant'Anna 2021; for factors Wooldridge 2023). The "
                "month of joining belongs to neither side. "
                "Errors linearised over customers. Members against others: Poisson rates. "
                "Break-even: cost over margin less cost, jackknife over members."
            ).format(before=number(self.before)),
            source=self.context.source,
            exclusions=self.exclusions,
        )


def _written(row: pd.Series) -> str:
    return with_interval(row["change"], row["low"], row["high"], lambda share: signed(share, 1))


def comparison_names() -> dict[str, str]:
    """What the comparisons are called."""
    return {
        "members": _("Members against customers who never joined"),
        "busier": _("Joiners against others, before joining"),
        "joining": _("After joining, against expected"),
        "break_even": _("Needed to pay"),
    }


@measure(
    needs={
        "customers": ["customer_id", "member_since"],
        "orders": ["customer_id", "ordered_at"],
    }
)
def membership(
    crm: Workspace,
    *,
    before: int = 3,
    after: int = 6,
    member_cost: float = 0.0,
    confidence: float = 0.95,
) -> Membership:
    """Whether customers order more once they are members, and how much more it takes to pay.

    Parameters
    ----------
    crm : Workspace
        With customers: customer_id, member_since, and acquired_on where known; orders: customer_id,
        ordered_at; for costs amount, cost, points_earned and ``settings.activity_costs``
        (``"points.point"``).
    before, after : int
        Whole months before and after the month of joining.
    member_cost : float
        What a member costs in a year beside points.
    confidence : float

    Returns
    -------
    Membership
        `.table` has a row per comparison: comparison (``"members"``: orders a month of members
        against those who never joined; ``"busier"``: of joiners against others before joining;
        ``"joining"``: after it against expected; ``"break_even"``: needed to pay), customers,
        change, low, high (shares of orders).

    Raises
    ------
    CrmlabError
        If `before` or `after` is less than 1, or `member_cost` below 0.
    NotEnoughData
        If nobody is a member, or everybody, or there is no whole month.

    Notes
    -----
    See `crmlab.stats.joining.joining`. Membership is chosen, not drawn: nothing here is an effect
    beyond doubt; and joiners are still there when they join, which of the others is not known. With
    a rate of leaving of 2 % a month that raises the change by about 4 points. Members of the time
    before the data are in the first comparison and in the costs.
    The break-even is p/(m − p), p the cost and m the margin of the orders that earn points.

    References
    ----------
    Callaway, B. and Sant'Anna, P. H. C. (2021), Journal of Econometrics 225, 200-230. Wooldridge,
    J. M. (2023), Econometrics Journal 26, C31-C66.
    Leenheer, J. et al. (2007), International Journal of Research in Marketing 24, 31-47, on who
    joins loyalty programmes.
    """
    check_confidence(confidence)
    if before < 1 or after < 1 or member_cost < 0:
        raise CrmlabError(_("before and after are at least 1, and member_cost is not below 0."))
    workspace, part = some_customers(crm)
    people = _people(workspace)
    months = customer_months(workspace)
    naive, sizes = _members(people, months, confidence)
    found, left = _joining(people, months, before, after)
    point = float(crm.settings.activity_costs.get("points.point", math.nan))
    earning = _earning(workspace, people)
    cost, needed = _costs(workspace, earning, point, member_cost, confidence)
    figures = {
        "members": (sizes, naive),
        "busier": (found.joiners if found else 0, _of(found, -1, confidence)),
        "joining": (found.joiners if found else 0, _of(found, -2, confidence)),
        "break_even": (len(earning) if np.isfinite(cost) else 0, needed),
    }
    rows = [
        (code, size, one.value, one.low, one.high) for code, (size, one) in figures.items()
    ]  # fmt: skip
    return Membership(
        pd.DataFrame(rows, columns=["comparison", "customers", "change", "low", "high"]),
        Context.of(crm),
        _periods(found, before, confidence),
        found.chance_before(before) if found else np.nan,
        before,
        after,
        found.joiners if found else 0,
        found.others if found else 0,
        cost,
        bool(np.isnan(point) and len(earning) and earning["earned"].any()),
        part,
        left,
        confidence,
    )


def _people(crm: Workspace) -> pd.DataFrame:
    """The customers with the day of joining, if any."""
    people = crm.query("members").set_index("customer_id")
    many = int(people["member_since"].notna().sum())
    if not many or many == len(people):
        raise NotEnoughData(
            _("Of {all} customers {members} are members, so there is nothing to compare.").format(
                all=number(len(people)), members=number(many)
            )
        )
    return people


def _members(people: pd.DataFrame, months: pd.DataFrame, confidence: float) -> tuple[Estimate, int]:
    """Orders a month of members against customers who never joined, as a share more."""
    joined = months["customer_id"].map(people["member_since"])
    month = months["month"]
    known = month >= months["since"]
    member = joined < month
    rows = months[known & (member | joined.isna())].assign(member=member)
    sums = rows.groupby("customer_id").agg(
        orders=("orders", "sum"), months=("month", "size"), member=("member", "max")
    )
    silent = people.index.difference(months["customer_id"])
    own = people.loc[silent]
    length = _months_known(own, month)
    more = pd.DataFrame(
        {"orders": 0, "months": length, "member": own["member_since"].notna()}, index=silent
    )
    every = pd.concat([sums, more[more["months"] > 0]])
    flags = every["member"].to_numpy(float)
    design = np.column_stack([np.ones(len(every)), flags])
    try:
        fit = poisson(
            every["orders"], design, exposure=every["months"], clusters=np.arange(len(every))
        )
    except NotEnoughData:
        return NOTHING, int(flags.sum())
    return _as_change(fit.estimate(1, confidence=confidence)), int(flags.sum())


def _months_known(people: pd.DataFrame, month: pd.Series) -> pd.Series:
    """Whole months of the data for which customers without any order were such; members, joined."""
    every = np.sort(month.unique())
    start = people["member_since"].fillna(people["acquired_on"]).fillna(pd.Timestamp(every[0]))
    return pd.Series(
        len(every) - np.searchsorted(every, start.to_numpy(every.dtype)), index=people.index
    )


def _joining(
    people: pd.DataFrame, months: pd.DataFrame, before: int, after: int
) -> tuple[Joining | None, tuple[Exclusion, ...]]:
    """The comparison before and after joining, and who is not in it."""
    every = np.sort(months["month"].unique())
    customers = months["customer_id"].unique()
    counts = months["orders"].to_numpy(float).reshape(len(customers), len(every))
    since = months.groupby("customer_id", sort=False)["since"].first()
    first = np.searchsorted(every, since.to_numpy(every.dtype))
    day = people["member_since"].reindex(customers)
    place = np.searchsorted(every, day.fillna(every[0]).to_numpy(every.dtype), side="right") - 1.0
    place[day.isna().to_numpy()] = np.nan
    inside = ~(place < 0)
    left = {_("members before the data begin"): int((place < 0).sum())}
    try:
        found = joining(counts[inside], place[inside], first[inside], before=before, after=after)
    except NotEnoughData:
        return None, _excluded(left | {_late(): int((place >= 0).sum())})
    left[_late()] = int((place >= 0).sum()) - found.joiners
    return (found if min(found.joiners, found.others) >= FEWEST else None), _excluded(left)


def _late() -> str:
    return _("joined without the months before or after in the data")


def _excluded(counts: Mapping[str, int]) -> tuple[Exclusion, ...]:
    return tuple(Exclusion.of_customers(reason, count) for reason, count in counts.items() if count)


def _earning(crm: Workspace, people: pd.DataFrame) -> pd.DataFrame:
    """The members whose orders say what points they earn: earned, margin, since (day, joined)."""
    if not crm.has("orders", "points_earned", "amount", "cost"):
        return pd.DataFrame()
    frame = crm.query("points_by_customer").set_index("customer_id")
    since = people["member_since"].reindex(frame.index)
    return frame[["earned", "margin"]].assign(since=since)[(frame["orders"] > 0) & since.notna()]


def _costs(
    crm: Workspace, earning: pd.DataFrame, point: float, member_cost: float, confidence: float
) -> tuple[float, Estimate]:
    """Cost of a member in a year, and the lift that would pay for it."""
    if not len(earning) or not (np.isfinite(point) or member_cost):
        return math.nan, NOTHING
    last = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    start = earning["since"].clip(lower=pd.Timestamp(crm.first_day))
    years = (last - start).dt.days / _DAYS_PER_YEAR
    if not years.sum() > 0:
        return math.nan, NOTHING
    spent = np.nan_to_num(point) * earning["earned"] + member_cost * years
    needed = break_even(spent, earning["margin"], confidence=confidence)
    return float(spent.sum() / years.sum()), needed


def _of(found: Joining | None, place: int, confidence: float) -> Estimate:
    if found is None:
        return NOTHING
    return _as_change(found.estimate(place, confidence=confidence))


def _as_change(one: Estimate) -> Estimate:
    """A log ratio as a share more or less."""
    value, low, high = (float(np.expm1(part)) for part in one[:3])
    return Estimate(value, low, high, np.nan)


def _periods(found: Joining | None, before: int, confidence: float) -> pd.DataFrame:
    names = ["period", "change", "low", "high"]
    if found is None:
        return pd.DataFrame(columns=names)
    rows: list[tuple[int, float, float, float]] = []
    for place in range(len(found.values)):
        value, low, high, _effect = _of(found, place, confidence)
        rows.append((place - before, value, low, high))
    return pd.DataFrame(rows, columns=names).dropna(subset=["change"])
