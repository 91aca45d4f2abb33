"""Service promises (服务承诺) by tier: what each costs, and what is provided today."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError
from crmlab.language import _, currency_name, money, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats.queueing import servers_needed
from crmlab.stats.tiers import Tiers, customer_tiers, per_year
from crmlab.tiering.desk import UNNAMED, Desk, desk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

BLOCKS = ("visits_cost", "calls_cost", "managers_cost", "desk_cost")
# None of the colours of the tiers.
_COLOURS = ("#009e73", "#56b4e9", "#e69f00", "#cc79a7")
#: A year of an account manager and of a person at the desk where nobody says, in yuan: assumptions.
SALARIES = {"CNY": (150_000.0, 90_000.0)}
#: The activity that stands behind a promised contact.
ACTIVITIES = {"visits": "contact.visit", "calls": "contact.phone"}
_PROMISED = [
    "answer_within_hours",
    "answered_share",
    "visits_per_year",
    "calls_per_year",
    "customers_per_manager",
]


@cache
def _promises() -> pd.DataFrame:
    table = pd.read_csv(Path(__file__).parent / "service_promises.csv", encoding="utf-8")
    # A reader may promise half a visit a year.
    return table.astype(dict.fromkeys(_PROMISED, "float64"))


def service_promises() -> pd.DataFrame:
    """The service promises that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per tier: tier (code), answer_within_hours (working hours until somebody begins to
        work on a complaint) and answered_share (of the complaints, so many in time),
        visits_per_year and calls_per_year (for each customer), customers_per_manager (blank: no
        account manager of their own). A blank promises nothing.

    Examples
    --------
    >>> service_promises()[["tier", "answer_within_hours", "visits_per_year"]].head(1)
      tier  answer_within_hours  visits_per_year
    0  key                  2.0              4.0
    """
    return _promises().copy()


@dataclass(frozen=True, repr=False)
class PromiseCost(Result):
    """Result of `promise_cost`.

    Attributes
    ----------
    promises : pandas.DataFrame
        As they were given.
    tiers : Tiers
    desk : Desk or None
        The complaints, where the data have them with their handling times.
    servers, servers_fifo : int or None
        People who keep every tier's promise on complaints: with priority for the better tier, and
        first come first served.
    uncosted : tuple of str
        Activities without a stated cost, which are left out of the sums.
    manager_salary, staff_salary : float or None
        None where nobody has stated it.
    costed : bool
        Whether the data have the cost of orders, so that the margin is known.
    """

    measure = "tiering.promise_cost"

    promises: pd.DataFrame
    tiers: Tiers
    desk: Desk | None
    servers: int | None
    servers_fifo: int | None
    uncosted: tuple[str, ...]
    manager_salary: float | None
    staff_salary: float | None
    costed: bool

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"tier": self.tiers.names()}

    def title(self) -> str:
        if self.table["promise_cost"].isna().all():
            return _("No cost is stated, so what the promises cost is not known")
        total = money(self.table["promise_cost"].sum(), self.context.currency)
        if self.costed and self.table["cost_share"].notna().any():
            most = self.table.loc[self.table["cost_share"].idxmax()]
            return _("Promises cost {total} a year; most of its margin in {tier}: {share}").format(
                total=total, tier=self._name(most), share=percent(most["cost_share"], 0)
            )
        return _("Promises cost {total} a year").format(total=total)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.62 * len(self.table) + 2.4))
        places = np.arange(len(self.table))[::-1]
        left = np.zeros(len(self.table))
        for block, colour in zip(BLOCKS, _COLOURS, strict=True):
            widths = self.table[block].fillna(0.0).to_numpy()
            if widths.any():
                label = self._blocks()[block]
                axes.barh(places, widths, left=left, color=colour, height=0.55, label=label)
            left = left + widths
        costed = self.table["promise_cost"].notna()
        for place, (_index, row) in zip(places[costed], self.table[costed].iterrows(), strict=True):
            axes.annotate(
                self._label(row), (row["promise_cost"], place), xytext=(5, 0),
                textcoords="offset points", va="center",
            )  # fmt: skip
        axes.set_yticks(places, [self._name(row) for _index, row in self.table.iterrows()])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, max(float(left.max()), 1.0) * 1.75)
        axes.set_xlabel(
            _("Cost of the promise a year ({currency})").format(
                currency=currency_name(self.context.currency)
            )
        )
        axes.xaxis.set_major_formatter(lambda value, _place: number(value))
        axes.locator_params(axis="x", nbins=5)
        if left.any():
            figure: Any = axes.figure
            figure.legend(loc="outside lower center", ncols=4, fontsize=9)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._cost_words(), self._today_words(), self.desk_words(), self._stated_words()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{tier} {cost}").format(tier=self._name(row), cost=self._money(row["promise_cost"]))
            for _index, row in self.table.iterrows()
        ]
        return _("Bars of what each tier's promise costs a year. {tiers}.").format(
            tiers=_("; ").join(parts)
        )

    def incomplete(self) -> pd.Series:
        """Whether something that is promised to the tier has no known cost, row by row."""
        own = self.table[["tier"]].merge(self.promises, on="tier", how="left")
        promised = {
            "visits_cost": own["visits_per_year"] > 0,
            "calls_cost": own["calls_per_year"] > 0,
            "managers_cost": self.table["managers"] > 0,
            "desk_cost": (own["answered_share"] > 0) & own["answer_within_hours"].notna(),
        }
        lacking = [wanted & self.table[block].isna() for block, wanted in promised.items()]
        return pd.concat(lacking, axis=1).any(axis=1)

    def _name(self, row: pd.Series) -> str:
        return self.tiers.names()[row["tier"]]

    def _money(self, amount: float | None) -> str:
        if amount is None or pd.isna(amount):
            return _("not stated")
        return money(amount, self.context.currency)

    def _label(self, row: pd.Series) -> str:
        each = _("{cost} a customer").format(
            cost=money(row["cost_per_customer"], self.context.currency)
        )
        if row["cost_share"] != row["cost_share"]:
            return each
        return _("{cost}, {share} of margin").format(cost=each, share=percent(row["cost_share"], 0))

    @staticmethod
    def _blocks() -> dict[str, str]:
        names = (_("Visits"), _("Calls"), _("Account managers"), _("Complaint desk"))
        return dict(zip(BLOCKS, names, strict=True))

    def _cost_words(self) -> str:
        known = self.table[self.table["promise_cost"].notna()]
        if known.empty:
            return _("Nothing that the promises consist of has a stated cost.")
        parts = [
            _("{tier} {cost} ({each} for each of {customers} customers)").format(
                tier=self._name(row),
                cost=money(row["promise_cost"], self.context.currency),
                each=money(row["cost_per_customer"], self.context.currency),
                customers=number(row["customers"]),
            )
            for _index, row in known.iterrows()
        ]
        cost = _("What the promises cost a year: {tiers}.").format(tiers=_("; ").join(parts))
        if not self.costed:
            lacking = _(
                "The data have no cost of orders, so the margin to set against it is not known."
            )
            return f"{cost} {lacking}"
        more = self.table[self.table["promise_cost"] > self.table["margin"]]
        if more.empty:
            return f"{cost} " + _("In no tier is that more than the margin its customers bring.")
        return f"{cost} " + _(
            "More than the margin that its customers bring: {tiers}. Such a promise must keep or "
            "win business to be worth it."
        ).format(tiers=_(", ").join(self._name(row) for _index, row in more.iterrows()))

    def _today_words(self) -> str:
        if "visits_today" not in self.table:
            return _("The data have no contacts, so what is provided today is not known.")
        given = self.table.merge(self.promises, on="tier", how="left")
        parts = [
            _("{tier} {visits} visits (promised {visits_promised}) and {calls} calls "
              "(promised {calls_promised})").format(
                tier=self._name(row),
                visits=number(row["visits_today"], 1),
                visits_promised=_given(_zero(row["visits_per_year"])),
                calls=number(row["calls_today"], 1),
                calls_promised=_given(_zero(row["calls_per_year"])),
            )
            for _index, row in given.iterrows()
        ]  # fmt: skip
        return _("Today, for each customer a year: {tiers}.").format(tiers=_("; ").join(parts))

    def desk_words(self) -> str:
        """How many people the complaint desk needs, in sentences."""
        if self.servers is None or self.servers_fifo is None:
            return _(
                "Left out: the complaint desk, as the data do not have complaints with the day "
                "they were opened and their handling times."
            )
        kept = ngettext(
            "With priority for the better tier, {servers} person keeps every tier's promise on "
            "complaints.",
            "With priority for the better tier, {servers} people keep every tier's promise on "
            "complaints.",
            self.servers,
        ).format(servers=number(self.servers))
        same = _("First come first served, as many would do.")
        fifo = (
            same
            if self.servers_fifo == self.servers
            else ngettext(
                "First come first served, it would take {servers} person.",
                "First come first served, it would take {servers} people.",
                self.servers_fifo,
            ).format(servers=number(self.servers_fifo))
        )
        ordinary = _(
            "That is for cases that come at an even rate; the pile after weekends and holidays is "
            "not counted."
        )
        return f"{kept} {fifo} {ordinary}"

    def _stated_words(self) -> str:
        stated = _(
            "Stated, not observed: the promises; a year of an account manager: {manager}; a "
            "year of a person at the desk: {staff}."
        ).format(manager=self._money(self.manager_salary), staff=self._money(self.staff_salary))
        return " ".join(part for part in (stated, self.left_out()) if part)

    def left_out(self) -> str:
        """What has no stated cost, and to whom nothing is promised, in sentences."""
        parts = []
        if self.manager_salary is None or self.staff_salary is None:
            parts.append(
                _(
                    "What is not stated is left out of the sums: say manager_salary and "
                    "staff_salary, in {currency}."
                ).format(currency=self.context.currency)
            )
        if self.uncosted:
            parts.append(
                _(
                    "Without a stated cost, and left out of the sums: {activities}. State it in "
                    'the section [workspace.activity_costs], for example "{example}" = 100.'
                ).format(activities=_(", ").join(self.uncosted), example=self.uncosted[0])
            )
        known = set(self.promises["tier"])
        unpromised = [tier for tier in self.table["tier"] if tier not in known]
        if unpromised:
            parts.append(
                _("Nothing is promised to: {tiers}; they have no row in the promises.").format(
                    tiers=_(", ").join(self.tiers.names()[tier] for tier in unpromised)
                )
            )
        return " ".join(parts)

    def _define(self) -> Definition:
        costs = _("; ").join(
            _("{tier}: answered within {hours} working hours {share}, visits {visits}, calls "
              "{calls}, customers per manager {managed}").format(
                tier=self.tiers.names().get(row["tier"], row["tier"]),
                hours=_given(row["answer_within_hours"]),
                share=percent(_zero(row["answered_share"]), 0),
                visits=_given(row["visits_per_year"]),
                calls=_given(row["calls_per_year"]),
                managed=_given(row["customers_per_manager"]),
            )
            for _index, row in self.promises.iterrows()
        )  # fmt: skip
        return Definition(
            numerator=_("Cost of keeping the promise for a year"),
            denominator=_("All customers of the tier; margin: amount less direct cost, a year"),
            period=self.context.period(),
            method=_(
                "Promised contacts times their activity cost; account managers, whole persons per "
                "tier, at {manager}; people at the complaint desk (M/M/c, the better tier first, "
                "8 hours a working day) at {staff}, shared out by the tiers' minutes of work. "
                "{rule} Promises: {promises}."
            ).format(
                manager=self._money(self.manager_salary),
                staff=self._money(self.staff_salary),
                rule=self.tiers.words(),
                promises=costs,
            ),
            source=self.context.source,
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def promise_cost(
    crm: Workspace,
    *,
    promises: pd.DataFrame | None = None,
    rules: pd.DataFrame | None = None,
    given: bool = True,
    manager_salary: float | None = None,
    staff_salary: float | None = None,
) -> PromiseCost:
    """What each tier's service promise costs a year, and what share of its margin.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for the margin cost; for what is provided
        today contacts: customer_id, contacted_at, channel, direction; for the complaint desk
        complaints: customer_id, opened_at, handling_minutes; the costs of a visit and a call in the
        settings.
    promises : pandas.DataFrame, optional
        In the shape of `service_promises`, which are the default.
    rules : pandas.DataFrame, optional
        Tier rules in the shape of `crmlab.stats.tiers.tier_rules`.
    given : bool
        Whether a tier that the company has given wins over the rules.
    manager_salary, staff_salary : float, optional
        A year of an account manager and of a person at the complaint desk. Default: 150,000 and
        90,000 where the data are in yuan, which are assumptions; in another currency there is no
        default, and what is not stated is left out.

    Returns
    -------
    PromiseCost
        `.table` has a row per tier: tier, customers, visits_cost, calls_cost, managers (whole
        persons), managers_cost, desk_cost, promise_cost (their sum, over what is known),
        cost_per_customer, margin (a year), cost_share (of the margin, where that is above zero)
        and, where there are contacts, visits_today and calls_today (outbound, for each customer a
        year).

    Raises
    ------
    MissingColumns
        If a column is not there.
    CrmlabError
        If the promises lack a column or promise a share of 1 or more.

    Notes
    -----
    The desk has the fewest people with which every tier's promised share of complaints is begun
    within the promised time (`crmlab.stats.queueing.servers_needed`), and at least enough for the
    line not to grow without end. Their cost is shared out by the tiers' minutes of work.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": ["2025-01-01", "2025-12-31"], "amount": [900.0, 10.0]})
    >>> promise_cost(from_frames({"orders": orders})).table["managers_cost"].tolist()
    [150000.0, 0.0]
    """
    usual = SALARIES.get(crm.settings.currency, (None, None))
    manager_salary = usual[0] if manager_salary is None else manager_salary
    staff_salary = usual[1] if staff_salary is None else staff_salary
    wanted = _checked(_promises() if promises is None else promises)
    tiers = customer_tiers(crm, rules=rules, given=given)
    table = tiers.table.groupby("tier").size().reindex(tiers.order)
    table = table.rename("customers").rename_axis("tier").reset_index()
    own = table.merge(wanted, on="tier", how="left")
    uncosted = []
    for kind, activity in ACTIVITIES.items():
        cost = crm.settings.activity_costs.get(activity)
        units = table["customers"] * own[f"{kind}_per_year"].fillna(0.0)
        table[f"{kind}_cost"] = units * (np.nan if cost is None else cost)
        if cost is None:
            uncosted.append(activity)
    whole = np.ceil(table["customers"] / own["customers_per_manager"]).fillna(0.0)
    table["managers"] = whole.astype("int64")
    table["managers_cost"] = whole * (np.nan if manager_salary is None else manager_salary)
    complaints = _desk(crm, rules, given)
    people = _people(complaints, wanted) if complaints else (None, None)
    table["desk_cost"] = _desk_cost(complaints, people[0], staff_salary, table["tier"])
    table["promise_cost"] = table[list(BLOCKS)].sum(axis=1, min_count=1)
    table["cost_per_customer"] = table["promise_cost"] / table["customers"]
    costed = _add_margin(crm, table, tiers)
    _add_today(crm, table, tiers)
    return PromiseCost(
        table, Context.of(crm), wanted, tiers, complaints, people[0], people[1], tuple(uncosted),
        manager_salary, staff_salary, costed,
    )  # fmt: skip


def _checked(promises: pd.DataFrame) -> pd.DataFrame:
    lacking = [name for name in ("tier", *_PROMISED) if name not in promises]
    if lacking:
        raise CrmlabError(
            _("The promises are a table in the shape of service_promises(); they lack: {columns}.")
            .format(columns=", ".join(lacking))
        )  # fmt: skip
    table = promises.reset_index(drop=True)
    if table["tier"].duplicated().any() or (table[_PROMISED] < 0).any(axis=None):
        raise CrmlabError(
            _("The promises have one row per tier, and no number in them is below zero.")
        )
    table["customers_per_manager"] = table["customers_per_manager"].replace(0, np.nan)
    return table


def _desk(crm: Workspace, rules: pd.DataFrame | None, given: bool) -> Desk | None:
    """The complaints by tier; None where the data do not have them."""
    if crm.missing({"complaints": ["customer_id", "opened_at", "handling_minutes"]}):
        return None
    known = crm.query("handling_times")
    if not known["handling_minutes"].gt(0).any():
        return None
    return desk(crm, "complaints", rules=rules, given=given, measure="tiering.promise_cost")[0]


def _people(complaints: Desk, promises: pd.DataFrame) -> tuple[int, int]:
    """People who keep all promises, with priority and first come first served."""
    own = complaints.classes[["tier"]].merge(promises, on="tier", how="left")
    hours = own["answer_within_hours"].fillna(0.0).to_numpy()
    promised = own["answered_share"].where(own["answer_within_hours"].notna()).fillna(0.0)
    come, served = complaints.classes["per_hour"].to_numpy(), 60 / complaints.minutes
    least = int(np.floor(complaints.load)) + 1
    first = servers_needed(come, served, target=hours, share=promised)
    fifo = [
        servers_needed(come.sum(), served, target=within, share=share)
        for within, share in zip(hours, promised, strict=True)
    ]
    return max(first, least), max(*fifo, least)


def _desk_cost(
    complaints: Desk | None, people: int | None, salary: float | None, tiers: pd.Series
) -> pd.Series:
    if complaints is None or people is None or salary is None:
        return pd.Series(np.nan, tiers.index)
    classes = complaints.classes[complaints.classes["tier"] != UNNAMED]
    work = (classes["cases"] * classes["minutes"]).set_axis(classes["tier"])
    return tiers.map(work / work.sum() * people * salary)


def _add_margin(crm: Workspace, table: pd.DataFrame, tiers: Tiers) -> bool:
    costed = crm.has("orders", "cost")
    table["margin"] = np.nan
    if costed:
        summary = crm.query("customer_summary").set_index("customer_id")["margin"]
        tier_of = tiers.table.set_index("customer_id")["tier"]
        yearly = summary.groupby(tier_of.reindex(summary.index)).sum() * per_year(crm)
        table["margin"] = table["tier"].map(yearly).fillna(0.0)
    table["cost_share"] = (table["promise_cost"] / table["margin"]).where(table["margin"] > 0)
    return costed


def _add_today(crm: Workspace, table: pd.DataFrame, tiers: Tiers) -> None:
    if not crm.has("contacts", "customer_id", "contacted_at", "channel", "direction"):
        return
    made = crm.query("contacts_summary", period_from=crm.first_day, period_to=crm.as_of)
    made = made[made["direction"] == "outbound"]
    tier = made["customer_id"].map(tiers.table.set_index("customer_id")["tier"])
    for name, channel in (("visits_today", "visit"), ("calls_today", "phone")):
        counts = made["contacts"].where(made["channel"] == channel, 0).groupby(tier).sum()
        table[name] = table["tier"].map(counts).fillna(0.0) * per_year(crm) / table["customers"]


def _zero(value: float) -> float:
    return 0.0 if pd.isna(value) else float(value)


def _given(value: float) -> str:
    if pd.isna(value):
        return "–"
    return number(value, 0 if float(value).is_integer() else 1)
