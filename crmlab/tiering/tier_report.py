"""The report by tier (客户级别): what each tier brings, and the service it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Exclusion, Result, left_out_words, measure
from crmlab.stats import clustered
from crmlab.stats.clustered import Estimate
from crmlab.stats.intervals import intraclass_correlation
from crmlab.stats.tiers import Tiers, customer_tiers
from crmlab.tiering import population

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Kind = Literal["share", "weighted_share", "mean", "rate"]

#: What is compared between tiers, with the columns of which one list is needed.
SERVICE: Mapping[str, tuple[Mapping[str, tuple[str, ...]], ...]] = {
    "on_time_share": (
        {"orders": ("on_time",)},
        {"orders": ("promised_at", "delivered_at")},
    ),
    "quick_share": ({"complaints": ("customer_id", "opened_at", "first_response_at")},),
    "contact_rate": ({"contacts": ("customer_id", "contacted_at")},),
    "complaint_rate": ({"complaints": ("customer_id", "opened_at")},),
    "satisfaction": ({"surveys": ("customer_id", "overall")},),
    "satisfied_share": ({"surveys": ("customer_id", "overall")},),
}
#: Where a smaller figure is the better one.
LOWER_IS_BETTER = ("complaint_rate",)
#: The mean says what the share of 4 and 5 says; one of the two is drawn.
NOT_DRAWN = ("satisfied_share",)

_COMPLAINTS_PER = 1000
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Counts:
    """What a figure is made of, customer by customer.

    Attributes
    ----------
    kind : {"share", "weighted_share", "mean", "rate"}
    table : pandas.DataFrame
        customer_id, total, size (the figure is the sum of total over the sum of size), n (what is
        counted: orders, complaints, answers).
    """

    kind: Kind
    table: pd.DataFrame


@dataclass(frozen=True, repr=False)
class TierReport(Result):
    """Result of `tier_report`.

    Attributes
    ----------
    tiers : crmlab.stats.tiers.Tiers
    estimates : pandas.DataFrame
        A row per figure of service and tier: figure, tier, value, low, high, customers, n (orders,
        complaints, answers or customer-years that it rests on), design_effect.
    differences : pandas.DataFrame
        A row per figure of service: figure, difference (best tier less last tier), low, high (which
        hold together), verdict: better, worse or unknown.
    absent : tuple of str
        Figures of service for which the columns are not there.
    survey : mapping of str to int
        Questionnaires sent, answered, and answered without a weight where others have one.
    set_aside : tuple of Exclusion
    confidence : float
    """

    measure = "tiering.tier_report"

    tiers: Tiers
    estimates: pd.DataFrame
    differences: pd.DataFrame
    absent: tuple[str, ...]
    survey: Mapping[str, int]
    set_aside: tuple[Exclusion, ...]
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"tier": self.tiers.names()}

    @property
    def best(self) -> str:
        """Label of the best tier."""
        return self._tier(self.table["tier"].iloc[0])

    @property
    def last(self) -> str:
        """Label of the last tier."""
        return self._tier(self.table["tier"].iloc[-1])

    def main_columns(self) -> Sequence[str]:
        main = [
            "tier", "customers", "orders", "revenue_share", "margin_share", "on_time_share",
            "quick_share", "contact_rate", "complaint_rate", "satisfaction",
        ]  # fmt: skip
        return [name for name in main if name in self.table]

    def title(self) -> str:
        better, worse = (self._figures(verdict) for verdict in ("better", "worse"))
        if better and worse:
            return _("{best} against {last}: better {better}; worse {worse}").format(
                best=self.best, last=self.last, better=better, worse=worse
            )
        if better:
            return _("{best} customers fare better than {last}: {better}").format(
                best=self.best, last=self.last, better=better
            )
        if worse:
            return _("{best} customers fare worse than {last}: {worse}").format(
                best=self.best, last=self.last, worse=worse
            )
        if len(self.differences):
            return _("No figure of service tells {best} from {last} customers").format(
                best=self.best, last=self.last
            )
        first = self.table.iloc[0]
        if pd.isna(first["revenue_share"]):
            return _("{best} customers: {customers} of customers").format(
                best=self.best, customers=percent(first["customers_share"])
            )
        return _("{best} customers: {customers} of customers, {revenue} of revenue").format(
            best=self.best,
            customers=percent(first["customers_share"]),
            revenue=percent(first["revenue_share"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = [name for name in self._known() if name not in NOT_DRAWN]
        shares = ["customers_share", "revenue_share", "margin_share"]
        figures = drawn or [name for name in shares if name in self.table]
        rows = -(-len(figures) // 2)
        height = 0.9 + rows * (0.9 + 0.26 * len(self.table))
        host = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, height)))
        host.set_axis_off()
        for place, figure in enumerate(figures):
            self._panel(_place(host, place, rows), figure, labels=place % 2 == 0)
        charts.set_title(host, self.title())
        return host

    def reading(self) -> str:
        parts = [self._brought(), self._compared(), self._managers(), self._answered()]
        parts += [self._not_there(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{figure}: {tiers}").format(
                figure=figure_names()[figure], tiers=self._by_tier(figure)
            )
            for figure in self._known()
        ]
        if not parts:
            return _("Bars of the shares of the tiers. {tiers}").format(tiers=self._brought())
        return _("Points with intervals for each tier, a panel per figure. {figures}.").format(
            figures=_("; ").join(parts)
        )

    # --- the picture

    def _panel(self, axes: Axes, figure: str, *, labels: bool) -> None:
        places = np.arange(len(self.table))[::-1]
        rows = self._of(figure).set_index("tier").reindex(self.table["tier"])
        colours = [charts.LAYER_COLOURS.get(tier, charts.INK) for tier in rows.index]
        if figure in SERVICE:
            axes.hlines(places, rows["low"], rows["high"], colors=colours, linewidth=2.5)
            axes.scatter(rows["value"], places, color=colours, s=30, zorder=3)
        else:
            axes.barh(places, rows["value"], color=colours, height=0.6)
        names = [charts.wrapped(self._tier(tier), 12) for tier in rows.index]
        axes.set_yticks(places, names if labels else [""] * len(names))
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.margins(x=0.08)
        _few_ticks(axes, figure)
        for place, value in zip(places, rows["value"], strict=True):
            axes.annotate(
                _written(figure, value), (1.02, place), xycoords=("axes fraction", "data"),
                va="center", fontsize=10,
            )  # fmt: skip
        axes.set_title(figure_names()[figure], fontsize=10.5, pad=4)

    def _of(self, figure: str) -> pd.DataFrame:
        if figure in SERVICE:
            return self.estimates[self.estimates["figure"] == figure]
        return self.table[["tier", figure]].rename(columns={figure: "value"})

    def _known(self) -> list[str]:
        found = set(self.estimates["figure"])
        return [name for name in SERVICE if name in found]

    # --- the words

    def _tier(self, tier: str) -> str:
        return self.tiers.names()[tier]

    def _figures(self, verdict: str) -> str:
        chosen = self.differences.loc[self.differences["verdict"] == verdict, "figure"]
        names = figure_names()
        return _(", ").join(names[figure] for figure in chosen if figure not in NOT_DRAWN)

    def _brought(self) -> str:
        parts = [self._one_brought(row) for _index, row in self.table.iterrows()]
        return _("{tiers}. {rules}").format(tiers=_("; ").join(parts), rules=self.tiers.words())

    def _one_brought(self, row: pd.Series) -> str:
        known = {
            "tier": self._tier(row["tier"]),
            "customers": number(row["customers"]),
            "share": percent(row["customers_share"]),
        }
        if pd.isna(row["revenue_share"]):
            return _("{tier}: {customers} customers ({share}), no revenue to share").format(**known)
        known["revenue"] = percent(row["revenue_share"])
        if pd.isna(row.get("margin_share", np.nan)):
            return _("{tier}: {customers} customers ({share}), {revenue} of revenue").format(
                **known
            )
        return _(
            "{tier}: {customers} customers ({share}), {revenue} of revenue, {margin} of margin"
        ).format(margin=percent(row["margin_share"]), **known)

    def _compared(self) -> str:
        if len(self.table) < 2:
            return _("There is only one tier, so there is nothing to compare.")
        if not len(self.differences):
            return ""
        says = {
            "better": _("{best} customers fare better than {last} ones: {parts}."),
            "worse": _("{best} customers fare worse than {last} ones: {parts}."),
            "unknown": _(
                "Whether {best} customers differ from {last} ones cannot be told: {parts}."
            ),
        }
        found = [
            says[verdict].format(best=self.best, last=self.last, parts=_("; ").join(parts))
            for verdict in says
            if (parts := self._against(verdict))
        ]
        closing = _(
            "In brackets: {confidence} confidence intervals. The comparisons hold together with "
            "that confidence, and say where the tiers differ, not why."
        ).format(confidence=percent(self.confidence, 0))
        return "\n\n".join([*found, closing])

    def _against(self, verdict: str) -> list[str]:
        chosen = self.differences.loc[self.differences["verdict"] == verdict, "figure"]
        names = figure_names()
        tiers = self.table["tier"].iloc[[0, -1]]
        found = []
        for figure in chosen:
            rows = self._of(figure).set_index("tier").loc[tiers]
            one, other = (_with_interval(figure, row) for _tier, row in rows.iterrows())
            found.append(
                _("{figure} {one} against {other}").format(
                    figure=names[figure], one=one, other=other
                )
            )
        return found

    def _by_tier(self, figure: str) -> str:
        parts = [
            _("{tier} {figure}").format(
                tier=self._tier(row["tier"]), figure=_with_interval(figure, row)
            )
            for _index, row in self._of(figure).iterrows()
        ]
        return _(", ").join(parts)

    def _managers(self) -> str:
        if "managed_share" not in self.table:
            return ""
        parts = [self._one_managed(row) for _index, row in self.table.iterrows()]
        return _(
            "Account managers. {tiers}. The fewer customers a manager looks after, the more there "
            "is for each of them."
        ).format(tiers=_("; ").join(parts))

    def _one_managed(self, row: pd.Series) -> str:
        if not row["managed_share"] > 0:
            return _("{tier}: nobody has one").format(tier=self._tier(row["tier"]))
        return _(
            "{tier}: {share} have one, who looks after {customers} customers on average"
        ).format(
            tier=self._tier(row["tier"]),
            share=percent(row["managed_share"]),
            customers=number(row["customers_per_manager"], 1),
        )

    def _answered(self) -> str:
        if not self.survey:
            return ""
        said = _(
            "Satisfaction is of those who answered: {answered} of {sent} questionnaires. What the "
            "others would have said is not corrected for here."
        ).format(answered=number(self.survey["answered"]), sent=number(self.survey["sent"]))
        if not self.survey["sampled"]:
            return " ".join([said, _("How they came to be asked is not known.")])
        return said

    def _not_there(self) -> str:
        names = figure_names()
        gone = [names[figure] for figure in self.absent if figure not in NOT_DRAWN]
        gone += [] if "margin_share" in self.table else [names["margin_share"]]
        gone += [] if "managed_share" in self.table else [_("account managers")]
        if not gone:
            return ""
        return _("Not in these data: {figures}.").format(figures=_(", ").join(gone))

    def _left_out(self) -> str:
        return left_out_words(self.set_aside, nothing="")

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "By tier: net revenue, margin (amount less direct cost), orders on time, "
                "complaints, complaints first answered within 4 hours, contacts, satisfaction"
            ),
            denominator=_(
                "By tier: the same of all tiers; orders whose outcome is known; orders, for "
                "complaints; complaints whose 4 hours are over; years that customers have been "
                "customers in the period, for contacts; questionnaires answered"
            ),
            period=self.context.period(),
            method=_(
                "{tiers} Suggestions are not complaints. {confidence} intervals by customers: "
                "Wilson on effective trials for shares, exact Poisson on effective counts for "
                "rates, t with survey weights for the mean. Best tier less last tier by "
                "Newcombe's hybrid interval, with Bonferroni's correction for the number of "
                "figures."
            ).format(tiers=self.tiers.words(), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.set_aside,
        )


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def tier_report(
    crm: Workspace, *, rules: pd.DataFrame | None = None, confidence: float = 0.95
) -> TierReport:
    """What each tier brings, and whether the better tiers get the better service.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount. Further blocks come with orders: cost, on_time
        (or promised_at and delivered_at); complaints: opened_at, first_response_at; contacts:
        contacted_at; surveys: overall; customers: account_manager.
    rules : pandas.DataFrame, optional
        In the shape of `crmlab.stats.tiers.tier_rules`; a tier given in customers.tier wins.
    confidence : float

    Returns
    -------
    TierReport
        `.table` has a row per tier, best first: tier, customers, customers_share, orders
        (purchases), revenue (money, refunds subtracted), revenue_share; where the columns are there
        margin, margin_share, managed_share (customers with an account manager),
        customers_per_manager (whom that manager looks after, mean over these customers), and the
        figures of service: on_time_share, quick_share (complaints first answered within 4 hours),
        contact_rate (contacts by us per customer and year), complaint_rate (per 1,000 orders),
        satisfaction (mean, 1 to 5), satisfied_share (answers of 4 or 5). `.estimates` has their
        intervals, `.differences` compares the best tier with the last.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData, CrmlabError
        As in `crmlab.stats.tiers.with_thresholds`.

    Notes
    -----
    Every interval treats customers as the units that were drawn: a customer with a hundred orders
    tells less than a hundred customers with one. Complaints per order are more unlike between
    customers than Poisson's law has it; the exact Poisson interval is therefore taken on counts
    divided by their overdispersion (`crmlab.stats.clustered.rate`). Suggestions are no complaints.
    Simulated with rates that vary between customers by a gamma law, 95 % intervals held the true
    rate in 93 to 94 of 100 with 100 to 300 customers, in 90 with 30; those of shares in 94 to 95.
    Customers are exposed to contacts from the day they were acquired, where that is given.

    Satisfaction uses answered questionnaires of mode ``sample`` and their weights, where the survey
    has them. Weights undo how customers were drawn, not who answered.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585. Garwood, F. (1936), Biometrika
    28, 437-442. Newcombe, R. G. (1998), Statistics in Medicine 17, 873-890.
    """
    people = population.customers(crm)
    tiers = customer_tiers(crm, rules=rules)
    counts, survey = _all_counts(crm, tiers, people.summary)
    estimates = _estimates(counts, tiers, confidence)
    return TierReport(
        _table(crm, tiers, people.summary, estimates),
        Context.of(crm),
        tiers,
        estimates,
        _differences(counts, tiers, confidence),
        tuple(name for name in SERVICE if name not in counts),
        survey,
        _set_aside(crm, tiers, people, survey),
        confidence,
    )


# --- what each tier brings


def _table(
    crm: Workspace, tiers: Tiers, summary: pd.DataFrame, estimates: pd.DataFrame
) -> pd.DataFrame:
    bought = summary[["customer_id", "orders", "amount", "margin"]]
    people = tiers.table.merge(bought, on="customer_id", how="left")
    by_tier = people.groupby("tier")
    table = pd.DataFrame({"customers": by_tier.size()})
    table["customers_share"] = table["customers"] / len(people)
    table["orders"] = by_tier["orders"].sum().astype("int64")
    table["revenue"] = by_tier["amount"].sum()
    table["revenue_share"] = _part(table["revenue"])
    if crm.has("orders", "cost"):
        table["margin"] = by_tier["margin"].sum()
        table["margin_share"] = _part(table["margin"])
    if crm.has("customers", "customer_id", "account_manager"):
        table = table.join(_managed(crm, tiers))
    for figure in dict.fromkeys(estimates["figure"]):
        rows = estimates[estimates["figure"] == figure].set_index("tier")
        table[figure] = rows["value"]
    return table.loc[tiers.order].rename_axis("tier").reset_index()


def _part(money: pd.Series) -> pd.Series:
    """Share of the total; none where there is no total to share."""
    total = money.sum()
    return money / total if total > 0 else money * np.nan


def _managed(crm: Workspace, tiers: Tiers) -> pd.DataFrame:
    manager = crm.customers.set_index("customer_id")["account_manager"]
    people = tiers.table.assign(manager=tiers.table["customer_id"].map(manager))
    people["load"] = people["manager"].map(people["manager"].value_counts())
    by_tier = people.groupby("tier")
    return pd.DataFrame(
        {
            "managed_share": by_tier["manager"].apply(lambda given: given.notna().mean()),
            "customers_per_manager": by_tier["load"].mean(),
        }
    )


# --- the service it gets


def _all_counts(
    crm: Workspace, tiers: Tiers, summary: pd.DataFrame
) -> tuple[dict[str, Counts], dict[str, int]]:
    """The counts of every figure whose columns are there, and how the survey was answered."""
    there = [name for name, ways in SERVICE.items() if any(not crm.missing(way) for way in ways)]
    found: dict[str, Counts] = {}
    if "on_time_share" in there:
        found["on_time_share"] = Counts(
            "share", _columns(summary, "on_time", "on_time_known", "on_time_known")
        )
    if "complaint_rate" in there:
        found |= _complaint_counts(crm, summary, "quick_share" in there)
    if "contact_rate" in there:
        found["contact_rate"] = _contact_counts(crm, tiers)
    survey: dict[str, int] = {}
    if "satisfaction" in there:
        satisfaction, survey = _satisfaction_counts(crm)
        found |= satisfaction
    found = {name: counts for name, counts in found.items() if counts.table["size"].sum() > 0}
    return {name: found[name] for name in SERVICE if name in found}, survey


def _columns(table: pd.DataFrame, total: str, size: str, n: str) -> pd.DataFrame:
    parts = {"customer_id": table["customer_id"], "total": table[total], "size": table[size]}
    return pd.DataFrame(parts | {"n": table[n]}).astype({"total": float, "size": float, "n": float})


def _complaint_counts(crm: Workspace, summary: pd.DataFrame, timed: bool) -> dict[str, Counts]:
    rows = crm.query("complaints_summary")
    rows = rows[rows["kind"].fillna("") != "suggestion"]
    counted = ["complaints", "answered_within_4h", "answered_known"]
    by_customer = rows.groupby("customer_id")[counted].sum()
    rates = summary[["customer_id", "orders"]].copy()
    rates["complaints"] = rates["customer_id"].map(by_customer["complaints"]).fillna(0)
    rates["orders_per"] = rates["orders"] / _COMPLAINTS_PER
    found = {
        "complaint_rate": Counts("rate", _columns(rates, "complaints", "orders_per", "orders"))
    }
    if timed:
        quick = _columns(
            by_customer.reset_index(), "answered_within_4h", "answered_known", "answered_known"
        )
        found["quick_share"] = Counts("share", quick)
    return found


def _contact_counts(crm: Workspace, tiers: Tiers) -> Counts:
    rows = crm.query("contacts_summary")
    if crm.has("contacts", "direction"):
        rows = rows[rows["direction"] == "outbound"]
    by_customer = rows.groupby("customer_id")["contacts"].sum()
    people = tiers.table[["customer_id"]].copy()
    people["contacts"] = people["customer_id"].map(by_customer).fillna(0)
    people["years"] = _years(crm, people["customer_id"])
    return Counts("rate", _columns(people, "contacts", "years", "years"))


def _years(crm: Workspace, customers: pd.Series) -> pd.Series:
    """Years that each customer was one, within the period of the data."""
    first, end = pd.Timestamp(crm.first_day), pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    begun = pd.Series(first, customers.index)
    if crm.has("customers", "customer_id", "acquired_on"):
        acquired = crm.customers.set_index("customer_id")["acquired_on"]
        begun = customers.map(acquired).fillna(first).clip(lower=first)
    return (end - begun).dt.days / _DAYS_PER_YEAR


def _satisfaction_counts(crm: Workspace) -> tuple[dict[str, Counts], dict[str, int]]:
    rows = crm.query("satisfaction_summary")
    drawn = rows[rows["mode"] == "sample"]
    rows = drawn if len(drawn) else rows
    sums = rows.drop(columns="mode").groupby("customer_id", as_index=False).sum()
    weighted = crm.has("surveys", "weight") and sums["weight"].sum() > 0
    used = "weighted" if weighted else "answered"
    survey = {
        "sent": int(sums["sent"].sum()),
        "answered": int(sums[used].sum()),
        "unweighted": int((sums["answered"] - sums[used]).sum()),
        "sampled": int(len(drawn) > 0),
    }
    sums = sums[sums[used] > 0]
    size, total, satisfied = (
        ("weight", "weight_overall", "weight_satisfied")
        if weighted
        else ("answered", "overall", "satisfied")
    )
    return {
        "satisfaction": Counts("mean", _columns(sums, total, size, used)),
        "satisfied_share": Counts("weighted_share", _columns(sums, satisfied, size, used)),
    }, survey


def _estimates(counts: Mapping[str, Counts], tiers: Tiers, confidence: float) -> pd.DataFrame:
    """A row per figure and tier."""
    columns = ["figure", "tier", "value", "low", "high", "customers", "n", "design_effect"]
    rows = [row for name in counts for row in _figure(name, counts[name], tiers, confidence)]
    return pd.DataFrame(rows, columns=columns).astype({"customers": "int64"})


def _figure(name: str, counts: Counts, tiers: Tiers, confidence: float) -> list[tuple[object, ...]]:
    people = counts.table.merge(tiers.table[["customer_id", "tier"]], on="customer_id")
    known = _known_of_all(counts.kind, people)
    rows: list[tuple[object, ...]] = []
    for tier in tiers.order:
        part = people[people["tier"] == tier]
        found = _estimate(counts.kind, part, known, confidence)
        customers = int((part["size"] > 0).sum())
        rows.append((name, tier, *found[:3], customers, part["n"].sum(), found.effect))
    return rows


def _known_of_all(kind: Kind, people: pd.DataFrame) -> float:
    """How alike, or unlike, customers of one tier are, seen in all tiers together."""
    if kind == "share":
        return intraclass_correlation(people["total"], people["size"], people["tier"])
    if kind == "rate":
        return clustered.overdispersion(people["total"], people["size"], people["tier"])
    return 0.0


def _estimate(kind: Kind, part: pd.DataFrame, known: float, confidence: float) -> Estimate:
    total, size = part["total"].to_numpy(), part["size"].to_numpy()
    if kind == "share":
        return clustered.share(total, size, correlation=known, confidence=confidence)
    if kind == "rate":
        return clustered.rate(total, size, overdispersion=known, confidence=confidence)
    if kind == "mean":
        return clustered.mean(total, size, confidence=confidence)
    return clustered.weighted_share(total, size, part["n"].to_numpy(), confidence=confidence)


def _differences(counts: Mapping[str, Counts], tiers: Tiers, confidence: float) -> pd.DataFrame:
    """Best tier less last tier, figure by figure, at a confidence that holds for all together."""
    columns = ["figure", "difference", "low", "high", "verdict"]
    if len(tiers.order) < 2 or not counts:
        return pd.DataFrame(columns=columns)
    each = 1 - (1 - confidence) / len(counts)
    ends = _estimates(counts, tiers, each).set_index(["figure", "tier"])
    rows = []
    for figure in counts:
        one, other = (_as_estimate(ends.loc[(figure, tiers.order[at])]) for at in (0, -1))
        if np.isnan(one.value) or np.isnan(other.value):
            continue
        found = clustered.difference(one, other)
        rows.append((figure, *found[:3], _verdict(figure, found)))
    return pd.DataFrame(rows, columns=columns)


def _as_estimate(row: pd.Series) -> Estimate:
    return Estimate(row["value"], row["low"], row["high"], row["design_effect"])


def _verdict(figure: str, found: Estimate) -> str:
    more, less = found.low > 0, found.high < 0
    if figure in LOWER_IS_BETTER:
        more, less = less, more
    return "better" if more else "worse" if less else "unknown"


# --- what is left out


def _set_aside(
    crm: Workspace,
    tiers: Tiers,
    people: population.Population,
    survey: Mapping[str, int],
) -> tuple[Exclusion, ...]:
    found = list(people.exclusions("everybody"))
    listed = set(tiers.table["customer_id"])
    for table, query, counted in (
        ("complaints", "complaints_summary", "complaints"),
        ("contacts", "contacts_summary", "contacts"),
        ("surveys", "satisfaction_summary", "sent"),
    ):
        if crm.has(table):
            rows = crm.query(query)
            lost = int(rows.loc[~rows["customer_id"].isin(listed), counted].sum())
            found.append(Exclusion(_("of no customer who is known"), lost, _unit(table, lost)))
    unweighted = survey.get("unweighted", 0)
    found.append(
        Exclusion(_("answered, but without a weight"), unweighted, _unit("surveys", unweighted))
    )
    return tuple(one for one in found if one.count)


def _unit(table: str, count: int) -> str:
    if table == "complaints":
        return ngettext("complaint", "complaints", count)
    if table == "contacts":
        return ngettext("contact", "contacts", count)
    return ngettext("questionnaire", "questionnaires", count)


# --- how figures are written


def figure_names() -> dict[str, str]:
    """Names of the report's figures in the current language.

    Examples
    --------
    >>> figure_names()["on_time_share"]
    'orders on time'
    """
    return {
        "customers_share": _("share of customers"),
        "revenue_share": _("share of revenue"),
        "margin_share": _("share of margin"),
        "on_time_share": _("orders on time"),
        "quick_share": _("complaints answered within 4 hours"),
        "contact_rate": _("our contacts per customer and year"),
        "complaint_rate": _("complaints per 1,000 orders"),
        "satisfaction": _("mean satisfaction (1 to 5)"),
        "satisfied_share": _("answers of 4 or 5"),
    }


def _written(figure: str, value: float) -> str:
    if pd.isna(value):
        return "–"
    if figure.endswith("_share"):
        return percent(value)
    return number(value, 2 if figure == "satisfaction" else 1)


def _with_interval(figure: str, row: pd.Series) -> str:
    return with_interval(
        row["value"], row["low"], row["high"], lambda value: _written(figure, value)
    )


def _place(host: Axes, place: int, rows: int) -> Axes:
    """The axes of one of the small pictures, two a row, from the top left."""
    row, column = divmod(place, 2)
    height = 1 / rows
    return host.inset_axes(
        (0.11 + column * 0.49, 1 - (row + 1) * height + 0.16 * height, 0.3, height * 0.62)
    )


def _few_ticks(axes: Axes, figure: str) -> None:
    """Three or four ticks at the bottom of a small picture, written as the figure is."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = axes.get_xlim()
    close = high - low < (0.06 if figure.endswith("_share") else 2)
    decimals = 1 if close else 0
    write = percent if figure.endswith("_share") else number
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: write(value, decimals)))
    axes.tick_params(axis="x", labelsize=9)
