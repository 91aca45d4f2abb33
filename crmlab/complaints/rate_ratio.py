"""Two groups' complaints per order compared: the ratio of their rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crmlab.complaints.exposure import (
    Exposed,
    Rate,
    exposed,
    freedom,
    has_own_orders,
    rate_of,
    unlike,
)
from crmlab.data.model import TABLES
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import formats_of, group_name, record_names
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

PER = 1000
#: A group with fewer customers is shown and not judged.
FEWEST = 5


class Ratio(NamedTuple):
    """The ratio of two rates, its interval and the probability of one so unlike 1 by chance."""

    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, repr=False)
class RateRatio(Result):
    """Result of `compare_rates`.

    Attributes
    ----------
    by : str
    first, second : str
        The groups, as asked for.
    ratio, plain : Ratio
        With customers' overdispersion allowed for, and as if all complaints were independent.
    effects : tuple of float
        The design effects of both groups.
    few : bool
        Whether a group has too few customers to be judged.
    clustered : bool
        Whether customers are known.
    shared : int
        Customers who have orders in both groups.
    suggestions : bool
    record : str
        What one row of the orders is: ``"order"`` or ``"line"``.
    confidence : float
    left_out : tuple of Exclusion
    """

    measure = "complaints.compare_rates"

    by: str
    first: str
    second: str
    ratio: Ratio
    plain: Ratio
    effects: tuple[float, float]
    few: bool
    clustered: bool
    shared: int
    suggestions: bool
    record: str
    confidence: float
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        names = {"first": self._name(0), "second": self._name(1)}
        if np.isnan(self.ratio.value):
            return _("{first} and {second}: no complaint in either").format(**names)
        if np.isinf(self.ratio.value):
            return _("{first} has complaints, {second} has none").format(**names)
        return _("{first}: {ratio} times the complaints per order of {second}").format(
            ratio=number(self.ratio.value, 2), **names
        )

    def formats(self) -> dict[str, str]:
        return {"low": "number1", "high": "number1"} | dict(formats_of(self.table, self.by))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 2.6))
        colours = [charts.ORANGE if self._apart() else charts.BLUE, charts.BLUE]
        for place, (_index, row) in zip((1, 0), self.table.iterrows(), strict=True):
            axes.hlines(place, row["low"], row["high"], colors=colours[1 - place])
            axes.plot([row["per_1000"]], [place], "o", color=colours[1 - place])
            axes.annotate(
                number(row["per_1000"], 1), (row["per_1000"], place), (0, 8),
                textcoords="offset points", ha="center",
            )  # fmt: skip
        axes.set_yticks([1, 0], [self._name(0), self._name(1)])
        axes.set_ylim(-0.6, 1.6)
        axes.set_xlim(0, None)
        axes.set_xlabel(
            _("Complaints on 1,000 {records}, with interval").format(
                records=record_names(self.record)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._rates(), self._verdict(), self._effect(), self._caution(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{group} {rate} ({low} to {high})").format(group=self._name(place), **_written(row))
            for place, (_index, row) in enumerate(self.table.iterrows())
        ]
        return _("Points with intervals of the complaints on 1,000 {records}. {groups}.").format(
            records=record_names(self.record), groups=_("; ").join(parts)
        )

    # --- the words

    def _name(self, place: int) -> str:
        return group_name(self.by, self.table[self.by].iloc[place])

    def _apart(self) -> bool:
        return not self.few and bool(self.ratio.chance < 1 - self.confidence)

    def _rates(self) -> str:
        parts = [
            _(
                "{group} {complaints} on {orders} {records}, {rate} on 1,000 ({low} to {high})"
            ).format(
                records=record_names(self.record),
                group=self._name(place),
                complaints=number(row["complaints"]),
                orders=number(row["orders"]),
                **_written(row),
            )
            for place, (_index, row) in enumerate(self.table.iterrows())
        ]
        return _("Complaints, {period}: {groups}. {intervals}").format(
            period=self.context.period(),
            groups=_("; ").join(parts),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _verdict(self) -> str:
        names = {"first": self._name(0), "second": self._name(1)}
        if np.isnan(self.ratio.value):
            return _("Neither group has a complaint, so there is no ratio.")
        if self.few:
            return _("One of them has fewer than five customers, so they are not compared.")
        written = {"ratio": _times(self.ratio.value), "low": _times(self.ratio.low),
                   "high": _times(self.ratio.high),
                   "chance": shown("probability").written(self.ratio.chance, "")}  # fmt: skip
        if not self._apart():
            return _(
                "The rate of {first} is {ratio} times that of {second} ({low} to {high}; "
                "probability by chance {chance}): that they differ is not shown."
            ).format(**names, **written)
        if self.ratio.value > 1:
            return _(
                "The rate of {first} is {ratio} times that of {second} ({low} to {high}; "
                "probability by chance {chance}): it is higher by more than chance would bring "
                "about. Why, this does not say."
            ).format(**names, **written)
        return _(
            "The rate of {first} is {ratio} times that of {second} ({low} to {high}; probability "
            "by chance {chance}): it is lower by more than chance would bring about. Why, this "
            "does not say."
        ).format(**names, **written)

    def _effect(self) -> str:
        if np.isnan(self.ratio.value) or self.few:
            return ""
        if not self.clustered:
            return _(
                "No customer is given, so every complaint counts as independent; where some "
                "customers complain often the interval is too short."
            )
        if max(self.effects) < 1.005:
            return _(
                "Customers do not differ in their rates by more than chance would bring about."
            )
        return _(
            "Some customers complain more often than others (design effects {one} and {other}). As "
            "if complaints were independent, the interval would be {low} to {high}."
        ).format(
            one=number(self.effects[0], 2),
            other=number(self.effects[1], 2),
            low=_times(self.plain.low),
            high=_times(self.plain.high),
        )

    def _caution(self) -> str:
        beforehand = _(
            "This holds for two groups named beforehand. Whoever picks the highest and the lowest "
            "of many finds a difference even where there is none; complaint_rates() allows for "
            "that."
        )
        if not self.shared:
            return beforehand
        both = ngettext(
            "{count} customer has orders in both groups, which are taken as independent.",
            "{count} customers have orders in both groups, which are taken as independent.",
            self.shared,
        ).format(count=number(self.shared))
        return f"{beforehand} {both}"

    def _left_out(self) -> str:
        return left_out_words(self.left_out, nothing="")

    def _define(self) -> Definition:
        numerators = {
            False: _("Complaints opened in the period, suggestions aside"),
            True: _("Complaints and suggestions opened in the period"),
        }
        return Definition(
            numerator=numerators[self.suggestions],
            denominator=_("Orders placed in the period, of the group; refunds aside"),
            period=self.context.period(),
            method=_(
                "Ratio of two Poisson rates by {column}, {confidence} score interval and score "
                "test; events and orders of each group divided by the overdispersion of customers, "
                "t with the degrees of freedom of the customers in place of the normal law."
            ).format(column=shown(self.by).label, confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at"], "orders": ["ordered_at"]})
def compare_rates(
    crm: Workspace,
    *,
    by: str,
    first: object = None,
    second: object = None,
    suggestions: bool = False,
    confidence: float = 0.95,
) -> RateRatio:
    """How many times as many complaints per order one group has as another, and whether by chance.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; orders: ordered_at.
    by : str
        A column of orders or customers.
    first, second : object, optional
        Two of its values; the ratio is that of the first to the second. One that is not given is
        the group with the most customers (with the most orders, where customers are not known) of
        those not named.
    suggestions : bool
        Whether suggestions count among the complaints.
    confidence : float

    Returns
    -------
    RateRatio
        `.table` has a row for each of the two: the column of `by`, customers, orders, complaints,
        per_1000 (orders), low, high, design_effect; `.ratio` the ratio with its interval and
        probability.

    Raises
    ------
    CrmlabError
        If `by` is no column of orders or customers, or both groups are the same.
    UnknownName
        If `by` names no column, or a group is not among its values.
    NotEnoughData
        If there is no complaint or no order, a group has no order, or there is but one.

    Notes
    -----
    Events and orders of each group are divided by the group's design effect, as in
    `complaint_rates`, and the two rates compared by `rate_ratio`, with t in place of the normal law
    (degrees of freedom: `crmlab.complaints.exposure.freedom`). Decide on the two groups before
    you look at the rates.

    References
    ----------
    Gu, K., Ng, H. K. T., Tang, M. L. and Schucany, W. R. (2008), Biometrical Journal 50, 283-298.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": [str(n) for n in range(200)],
    ...     "ordered_at": ["2025-03-01"] * 200, "region": ["North"] * 100 + ["South"] * 100})
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2", "3"], "order_id": ["3", "7", "101"],
    ...     "opened_at": ["2025-03-02"] * 3})
    >>> crm = from_frames({"orders": orders, "complaints": complaints})
    >>> compare_rates(crm, by="region", first="North", second="South").ratio.value
    2.0
    """
    check_confidence(confidence)
    if _shares_orders(by):
        raise CrmlabError(
            _(
                "{column} is a column of complaints, whose groups share their orders; two rates "
                "are compared by a column of orders or customers, such as region or tier."
            ).format(column=by)
        )
    found = exposed(crm, by=by)
    by = found.by
    asked = (("first", first), ("second", second))
    named = {option: _group(found, by, one, option) for option, one in asked if one is not None}
    others = iter([one for one in _largest_first(found, by) if one not in named.values()])
    names = [named[option] if option in named else _next(others, by) for option, _one in asked]
    if names[0] == names[1]:
        raise CrmlabError(
            _("first and second are two different groups; both are {group}.").format(
                group=repr(first)
            )
        )
    frame = found.frame.assign(both=found.frame["complaints"] + found.frame["suggestions"])
    column = "both" if suggestions else "complaints"
    alike = unlike(frame, column, by)
    parts = [frame[frame[by] == name] for name in names]
    rates = [rate_of(part, column, alike, confidence) for part in parts]
    people = [set(part.loc[part["orders"] > 0, "customer_id"].dropna()) for part in parts]
    table = pd.DataFrame(
        [
            {by: name, "customers": len(own)} | _row(rate)
            for name, own, rate in zip(names, people, rates, strict=True)
        ]
    )
    few = found.clustered and min(len(own) for own in people) < FEWEST
    effects = (rates[0].estimate.effect, rates[1].estimate.effect)
    return RateRatio(
        table if found.clustered else table.drop(columns="customers"),
        Context.of(crm),
        by,
        str(names[0]),
        str(names[1]),
        _ratio(rates, effects, confidence, freedom((parts[0], parts[1]), effects)),
        _ratio(rates, (1.0, 1.0), confidence, np.inf),
        effects,
        few,
        found.clustered,
        len(people[0] & people[1]),
        suggestions,
        crm.settings.record,
        confidence,
        found.left_out,
    )


def rate_ratio(
    events: float,
    exposure: float,
    other_events: float,
    other_exposure: float,
    *,
    confidence: float = 0.95,
) -> Ratio:
    """Ratio of two Poisson rates, with the score interval and the score test.

    Parameters
    ----------
    events, exposure : float
        Of the first group; counts, or effective counts.
    other_events, other_exposure : float
        Of the second.
    confidence : float

    Returns
    -------
    Ratio
        NaN without any event; infinite where only the second has none.

    Notes
    -----
    Given the sum of the events, those of the first are binomial with odds ratio·e₁/e₂. Wilson's
    interval of that share, turned into the ratio, holds exactly the ratios that the score test does
    not reject; unlike a search for its ends it also copes with no event in one group.

    References
    ----------
    Gu, K., Ng, H. K. T., Tang, M. L. and Schucany, W. R. (2008), Biometrical Journal 50, 283-298.

    Examples
    --------
    Coronary heart disease without and with hormones, the example of Gu and others:

    >>> [round(part, 4) for part in rate_ratio(60, 51477.5, 30, 54308.7)]
    [2.11, 1.366, 3.2593, 0.0006]
    """
    total = events + other_events
    if not total > 0:
        return Ratio(np.nan, np.nan, np.nan, np.nan)
    ends = wilson(events, total, confidence=confidence)
    scale = other_exposure / exposure
    shares = np.clip(np.array([float(ends.low), float(ends.high)]).round(15), 0, 1)
    with np.errstate(divide="ignore"):
        low, high = scale * shares / (1 - shares)
        value = np.float64(events * scale) / np.float64(other_events)
    chance = score_chance((events, exposure), (other_events, other_exposure))
    return Ratio(float(value), float(low), float(high), chance)


def score_chance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Probability by chance of two rates so unlike, by the score test.

    Parameters
    ----------
    one, other : tuple of float
        Events and exposure of each; not both without events.

    Examples
    --------
    >>> round(score_chance((60, 51477.5), (30, 54308.7)), 6)
    0.000632
    """
    from statsmodels.stats.rates import test_poisson_2indep

    # The test is the same either way round, and statsmodels divides by the second rate.
    second, first = sorted([one, other], reverse=True)
    return float(test_poisson_2indep(*first, *second, method="score").pvalue)


def _shares_orders(by: str) -> bool:
    """Whether a column of the model makes groups without orders of their own."""
    name = by.rpartition(".")[2]
    return any(name in table for table in TABLES.values()) and not has_own_orders(by)


def _group(found: Exposed, by: str, wanted: object, option: str) -> object:
    """The group asked for, by its value or its text."""
    orders = found.frame.groupby(by)["orders"].sum()
    for value in orders.index:
        if value == wanted or str(value) == str(wanted):
            if not orders[value]:
                raise NotEnoughData(_("{group} has no order.").format(group=repr(wanted)))
            return value
    raise UnknownName(
        _("{option} = {group} is not among the values of {column}: {names}.").format(
            option=option,
            group=repr(wanted),
            column=by,
            names=_(", ").join(str(value) for value in orders.index[:20]),
        )
    )


def _largest_first(found: Exposed, by: str) -> list[object]:
    """The groups that have orders, those of the most customers first, then of the most orders."""
    rows = found.frame[found.frame["orders"] > 0].groupby(by)
    sizes = pd.DataFrame(
        {"customers": rows["customer_id"].nunique(), "orders": rows["orders"].sum()}
    )
    return list(sizes.sort_values(["customers", "orders"], ascending=False).index)


def _next(others: Iterator[object], by: str) -> object:
    try:
        return next(others)
    except StopIteration:
        raise NotEnoughData(
            _("All orders are of one group of {column}, so there is nothing to compare.").format(
                column=shown(by).label
            )
        ) from None


def _row(rate: Rate) -> dict[str, float]:
    return {
        "orders": int(rate.orders),
        "complaints": int(rate.events),
        "per_1000": rate.estimate.value * PER,
        "low": rate.estimate.low * PER,
        "high": rate.estimate.high * PER,
        "design_effect": rate.estimate.effect,
    }


def _ratio(
    rates: list[Rate], effects: tuple[float, float], confidence: float, free: float
) -> Ratio:
    """The ratio, with the normal law's reach and probability turned into those of t."""
    from scipy.stats import norm, t

    (events, orders), (others, other_orders) = (
        (rate.events / effect, rate.orders / effect)
        for rate, effect in zip(rates, effects, strict=True)
    )
    if not free > 0 or not free < np.inf:  # not to be judged, or customers not known
        return rate_ratio(events, orders, others, other_orders, confidence=confidence)
    reach = float(t.ppf((1 + confidence) / 2, free))
    # Few degrees of freedom reach farther than any confidence below 1 can say.
    wider = min(float(2 * norm.cdf(reach) - 1), 1 - 1e-12)
    found = rate_ratio(events, orders, others, other_orders, confidence=wider)
    return found._replace(chance=float(2 * t.sf(norm.isf(found.chance / 2), free)))


def _written(row: pd.Series) -> dict[str, str]:
    names = {"rate": "per_1000", "low": "low", "high": "high"}
    return {name: number(row[column], 1) for name, column in names.items()}


def _times(value: float) -> str:
    return "∞" if np.isinf(value) else number(value, 2)
