"""The seven ways to raise satisfaction, each as something that the data can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, current_language, number, percent
from crmlab.satisfaction.over_time import Rated, rated
from crmlab.satisfaction.responses import clusters, facts
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Needs,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.multiplicity import holm
from crmlab.stats.regression import least_squares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

_COMPLAINTS = ["customer_id", "opened_at"]
#: What each way is seen in; one list of columns is enough.
NEEDS: Mapping[str, tuple[Needs, ...]] = {
    "senior_commitment": ({"contacts": ["customer_id", "contacted_at", "purpose"]},),
    "customer_feedback": ({"contacts": ["customer_id", "contacted_at", "direction", "purpose"]},),
    "employee_satisfaction": (
        {"customers": ["account_manager"], "staff": ["staff_id", "satisfaction"]},
    ),
    "loyalty_to_customers": ({"complaints": [*_COMPLAINTS, "due_at", "resolved_at"]},),
    "excellent_service": (
        {"surveys": ["order_id"], "orders": ["on_time"]},
        {"surveys": ["order_id"], "orders": ["promised_at", "delivered_at"]},
    ),
    "learning": ({"complaints": [*_COMPLAINTS, "cause"]},),
    "information_management": ({"customers": ["phone", "email", "industry", "size", "region"]},),
}
#: With fewer answers than this on either side a way is not compared.
FEWEST = 20
#: Fields that the query looks at, and days within which a dissatisfied customer is told.
FIELDS = 5
TOLD_WITHIN = 10
CONFIDENCE = 0.95


@cache
def _rules() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "seven_ways.csv", encoding="utf-8")


def ways() -> pd.DataFrame:
    """The seven ways with what each is seen in: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per way: way (code), label, label_zh, looks_at, looks_at_zh, at_least (the way is
        there for an answer whose value is this or more). Rows may be left out and `at_least`
        changed.

    Examples
    --------
    >>> ways()[["way", "at_least"]].head(2)
                     way  at_least
    0  senior_commitment       1.0
    1  customer_feedback       1.0
    """
    return _rules().copy()


@dataclass(frozen=True, repr=False)
class SevenWays(Result):
    """Result of `seven_ways`.

    Attributes
    ----------
    rules : pandas.DataFrame
    absent : tuple of str
        Ways whose columns the data do not have.
    tier_held : bool
        Whether the differences compare customers of the same tier.
    rated : Rated
    """

    measure = "satisfaction.seven_ways"

    rules: pd.DataFrame
    absent: tuple[str, ...]
    tier_held: bool
    rated: Rated

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["difference", "difference_low", "difference_high", "room"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"way": self._names()}

    def title(self) -> str:
        best = self.table[self._beyond() & (self.table["difference"] > 0)]
        if best.empty:
            return _("Seven ways: none goes with higher satisfaction by more than chance")
        largest = best.sort_values("room", ascending=False, kind="stable").iloc[0]
        return _("Most room beyond chance: “{way}”, there for {share} of answers").format(
            way=self._names()[largest["way"]], share=percent(largest["share"], 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        known = self.table.dropna(subset=["difference"]).sort_values("difference", kind="stable")
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.5 * len(known) + 1.4)))
        places = np.arange(len(known))
        beyond = self._beyond()[known.index]
        colours = [charts.BLUE if one else charts.GREY for one in beyond]
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.hlines(places, known["difference_low"], known["difference_high"], colors=colours)
        axes.scatter(known["difference"], places, color=colours, zorder=3)
        names = self._names()
        labels = [
            _("{way} ({room})").format(way=names[row["way"]], room=number(row["room"], 2))
            for _index, row in known.iterrows()
        ]
        axes.set_yticks(places, [charts.wrapped(label, 26) for label in labels])
        axes.set_ylim(-0.7, len(known) - 0.3)
        axes.set_xlabel(
            charts.wrapped(
                _("Satisfaction with it less without; grey: may be chance; in brackets: room"), 64
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._stands(), self._goes_with(), self._not_compared(), self._not_there()]
        return "\n\n".join(part for part in [*parts, self.rated.sentence()] if part)

    def alt(self) -> str:
        parts = [self._difference(row) for _index, row in self._known().iterrows()]
        return _(
            "Points with intervals of the difference in satisfaction with and without each way. "
            "{parts}."
        ).format(parts=_("; ").join(parts) or _("none"))

    # --- the words

    def _names(self) -> dict[str, str]:
        column = "label_zh" if current_language() == "zh_CN" else "label"
        return dict(zip(self.rules["way"], self.rules[column], strict=True))

    def _known(self) -> pd.DataFrame:
        return self.table.dropna(subset=["difference"])

    def _beyond(self) -> pd.Series:
        return self.table["beyond_chance"].fillna(False).astype(bool)

    def _difference(self, row: pd.Series) -> str:
        return _("{way} {value} ({low} to {high})").format(
            way=self._names()[row["way"]],
            value=number(row["difference"], 2),
            low=number(row["difference_low"], 2),
            high=number(row["difference_high"], 2),
        )

    def _stands(self) -> str:
        parts = [
            _("{way} {share} ({low} to {high})").format(
                way=self._names()[row["way"]],
                share=percent(row["share"]),
                low=percent(row["low"]),
                high=percent(row["high"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Where the ways stand, as shares of the answers: {parts}. {intervals}").format(
            parts=_("; ").join(parts), intervals=intervals_in_brackets(CONFIDENCE)
        )

    def _goes_with(self) -> str:
        known = self._known()
        if known.empty:
            return ""
        found = known[self._beyond()[known.index]]
        if found.empty:
            return _(
                "Among the {count} ways compared, none goes with a difference in satisfaction that "
                "chance would not bring about."
            ).format(count=number(len(known)))
        text = (
            _(
                "Points of satisfaction with it less without, between customers of the same tier, "
                "by more than chance would bring about among {count} ways: {parts}. That is what "
                "goes with a way; what raising it would bring takes a trial."
            )
            if self.tier_held
            else _(
                "Points of satisfaction with it less without, by more than chance would bring "
                "about among {count} ways: {parts}. That is what goes with a way; what raising it "
                "would bring takes a trial."
            )
        )
        return text.format(
            count=number(len(known)),
            parts=_("; ").join(self._difference(row) for _index, row in found.iterrows()),
        )

    def _not_compared(self) -> str:
        left = self.table[self.table["difference"].isna()]
        if left.empty:
            return ""
        return _(
            "Not compared, because nearly all answers are alike in it or too few are known: {ways}."
        ).format(ways=_(", ").join(self._names()[way] for way in left["way"]))

    def _not_there(self) -> str:
        if not self.absent:
            return ""
        return _("The data do not show: {ways}.").format(
            ways=_(", ").join(self._names()[way] for way in self.absent)
        )

    def _define(self) -> Definition:
        column = "looks_at_zh" if current_language() == "zh_CN" else "looks_at"
        seen = [
            _("{way}: {looks_at}; at least {at_least}").format(
                way=self._names()[row["way"]],
                looks_at=row[column],
                at_least=number(row["at_least"], 1),
            )
            for _index, row in self.rules.iterrows()
        ]
        held = _("tier held") if self.tier_held else _("tier not held")
        return Definition(
            numerator=_("; ").join(seen),
            denominator=_("Answers of which it is known, weighted"),
            period=self.context.period(),
            method=_(
                "Shares with 95% Wilson intervals; differences by a weighted straight line "
                "({held}) with 95% t intervals, both clustered by customer, or by account manager "
                "where the way is theirs, the differences by leaving out one after the other; "
                "beyond chance at 5% by Holm's method. Room: the difference times the share of "
                "answers without it. What is seen in the year before an answer is seen for less "
                "than a year at the beginning of the data."
            ).format(held=held),
            source=self.context.source,
            exclusions=self.rated.exclusions(),
        )


@measure(needs={"surveys": ["response_id", "customer_id", "overall", "answered_at"]})
def seven_ways(crm: Workspace, *, rules: pd.DataFrame | None = None) -> SevenWays:
    """Where the seven ways to raise satisfaction stand, and what goes with them.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, overall, answered_at; each way needs more, and is
        named where the data do not have it.
    rules : pandas.DataFrame, optional
        In place of `ways()`.

    Returns
    -------
    SevenWays
        `.table` has a row per way: way, answers (of which it is known), share (with it), low,
        high, difference (in overall satisfaction, with it less without), difference_low,
        difference_high, beyond_chance (by more than chance among all ways), room (the difference
        times the share without it).

    Raises
    ------
    UnknownName
        If the rules name a way that crmlab does not know.
    NotEnoughData
        If the data show none of the ways.

    Notes
    -----
    A way is compared where at least 20 answers have it and 20 do not. Customers who have it differ
    in more than that from those who do not, so the difference is no promise; `room` ranks where to
    look first, not what will come of it. Visits and complaints are looked for in the 365 days
    before an answer; of answers within a year of the beginning of the data some are not seen, which
    makes the share with visits too small and that with complaints not repeated too large.

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    chosen = ways() if rules is None else rules
    unknown = [way for way in chosen["way"] if way not in NEEDS]
    if unknown:
        raise UnknownName(
            _("There is no way {way}; the ways are: {names}.").format(
                way=unknown[0], names=", ".join(NEEDS)
            )
        )
    absent = tuple(way for way in chosen["way"] if all(crm.missing(each) for each in NEEDS[way]))
    found = rated(crm)
    frame = found.frame
    values = _values(crm, frame)
    tier = frame["response_id"].map(facts(crm)["tier"])
    held = bool(tier.notna().all() and len(tier.unique()) > 1)
    rows = [
        _row(
            _clustered(crm, frame, rule["way"]),
            rule["way"],
            _flag(values[rule["way"]], rule["at_least"]),
            tier if held else None,
        )
        for _index, rule in chosen.iterrows()
        if rule["way"] not in absent and values[rule["way"]].notna().any()
    ]
    if not rows:
        raise NotEnoughData(_("The data show none of the ways to raise satisfaction."))
    return SevenWays(_with_holm(rows), Context.of(crm), chosen, absent, held, found)


def _clustered(crm: Workspace, frame: pd.DataFrame, way: str) -> pd.DataFrame:
    """The answers with their cluster: the customer, or where the way is the manager's, the manager.

    A manager is satisfied or not for all customers at once, so it is the managers that count.
    """
    cluster = clusters(frame)
    if way == "employee_satisfaction":
        manager = frame["response_id"].map(facts(crm)["account_manager"])
        cluster = pd.factorize(manager.fillna("none"))[0]
    return frame.assign(_cluster=cluster)


def _flag(value: pd.Series, at_least: float) -> pd.Series:
    return (value >= at_least).astype(float).where(value.notna())


def _values(crm: Workspace, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """What each way is seen in, an entry per answer; missing where it is not known."""
    before = crm.query("seven_ways").set_index("response_id").reindex(frame["response_id"])
    # Of an answer without a customer nothing is known of the year before.
    before = before.reset_index(drop=True).astype(float).where(frame["customer_id"].notna())
    due = before["promises_kept"] + before["promises_broken"]
    known = facts(crm).reindex(frame["response_id"]).reset_index(drop=True)
    own = pd.Series(np.nan, frame.index)
    if crm.has("staff", "satisfaction"):
        own = known["account_manager"].map(crm.staff.set_index("staff_id")["satisfaction"])
    return {
        "senior_commitment": before["executive_visits"],
        "customer_feedback": _told_before(crm, frame),
        "employee_satisfaction": own.astype(float),
        "loyalty_to_customers": before["promises_kept"] / due.where(due > 0),
        "excellent_service": known["on_time"].astype("boolean").astype("Float64").astype(float),
        "learning": 1 - before["repeated"] / before["complaints"].where(before["complaints"] > 0),
        "information_management": FIELDS - before["record_gaps"],
    }


def _told_before(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    """Whether the customer's last dissatisfied answer before this one was followed up in time."""
    if any(crm.missing(each) for each in NEEDS["customer_feedback"]):
        return pd.Series(np.nan, frame.index)
    low = crm.query("dissatisfied_answers")
    days = (low["told_at"] - low["answered_at"]) / pd.Timedelta(days=1)
    low = low.assign(told=(days <= TOLD_WITHIN).astype(float))
    # An answer within the ten days themselves says nothing about them.
    low["answered_at"] += pd.Timedelta(days=TOLD_WITHIN)
    low = low.dropna(subset=["customer_id"]).sort_values("answered_at", kind="stable")
    now = frame.reset_index(names="row")[["row", "customer_id", "answered_at"]]
    now = now.dropna().sort_values("answered_at", kind="stable")
    joined = pd.merge_asof(
        now, low[["customer_id", "answered_at", "told"]], on="answered_at", by="customer_id",
        allow_exact_matches=False,
    )  # fmt: skip
    return joined.set_index("row")["told"].reindex(frame.index)


def _row(frame: pd.DataFrame, way: str, flag: pd.Series, tier: pd.Series | None) -> dict[str, Any]:
    share = weighted.share(flag, weights=frame["weight"], clusters=frame["_cluster"])
    known = flag.notna()
    row = {
        "way": way,
        "answers": int(known.sum()),
        "share": share.value,
        "low": share.low,
        "high": share.high,
    }
    if min((flag == 1).sum(), (flag == 0).sum()) < FEWEST:
        return row | dict.fromkeys(["difference", "difference_low", "difference_high", "p"], np.nan)
    return row | _compared(frame[known], flag[known], None if tier is None else tier[known])


def _compared(frame: pd.DataFrame, flag: pd.Series, tier: pd.Series | None) -> dict[str, float]:
    design = pd.DataFrame({"const": 1.0, "flag": flag})
    if tier is not None:
        design = pd.concat([design, pd.get_dummies(tier, dtype=float).iloc[:, 1:]], axis=1)
    names = ["difference", "difference_low", "difference_high", "p"]
    try:
        fitted = least_squares(
            design, frame["overall"], weights=frame["weight"], clusters=frame["_cluster"]
        )
    except NotEnoughData:  # only one customer, or manager, is unlike the others
        return dict.fromkeys(names, np.nan)
    value, low, high, _effect = fitted.estimate(1, confidence=CONFIDENCE)
    return dict(zip(names, [value, low, high, fitted.chance(1)], strict=True))


def _with_holm(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    known = table["p"].notna()
    table["beyond_chance"] = pd.Series(pd.NA, table.index, dtype="boolean")
    table.loc[known, "beyond_chance"] = holm(table.loc[known, "p"], 1 - CONFIDENCE)[0]
    table["room"] = table["difference"] * (1 - table["share"])
    return table.drop(columns="p")
