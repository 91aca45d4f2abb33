"""Answered questionnaires by what had happened: recovered well, poorly, kept silent, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.complaints.handled import handled
from crmlab.complaints.incidents import placed
from crmlab.data.questionnaires import CONVENIENCE, part_of, with_all_columns
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

About = Literal["order", "customer"]

#: What had happened to the customers who went through an incident.
GROUPS = ("well", "poor", "silent")
NONE = "none"
#: What matched customers agree in, where it is known.
USUAL = ("tier", "region", "customer_type")
#: Days before the incident in which orders are counted.
HISTORY = 90


@dataclass(frozen=True)
class IncidentAnswers:
    """The questionnaires that can be judged.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per questionnaire: response_id, customer_id, answered_at, overall, weight, group (of
        `GROUPS`, or none), anchor (the time before which nothing had happened yet), orders_before
        (in the 90 days before that; NaN where orders are not known), and the columns of `match`.
    match : tuple of str
        Columns of the customers in which matched customers agree, as far as they are known.
    about : {"order", "customer"}
        Whether a questionnaire is about the very order that went wrong, or may be about any.
    faults : bool
        Whether orders show what went wrong; if not, only complaints do.
    counts : dict of str to int
        Questionnaires left out, by the code of the reason.
    weighted : bool
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    frame: pd.DataFrame
    match: tuple[str, ...]
    about: About
    faults: bool
    counts: dict[str, int]
    weighted: bool
    part: str

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What was left out, counted."""
        names = {
            "called": _("asked when they called the call centre"),
            "nobody": _("customer, answer or weight not given"),
            "no_order": _("order not in the data"),
            "early": _("asked before the complaint was answered"),
            "other": _("complaint of what the orders do not show"),
            "unclear": _("how the complaint was handled is not known"),
            "shadow": _("something else had gone wrong shortly before"),
        }
        return tuple(
            Exclusion.of_questionnaires(names[code], count)
            for code, count in self.counts.items()
            if count
        )


@once
def incident_answers(
    crm: Workspace,
    *,
    well: Sequence[str] = ("quick",),
    hours: float = 4.0,
    days: int = 30,
    about: About | None = None,
    match: Sequence[str] | None = None,
) -> IncidentAnswers:
    """Answered questionnaires by what had happened before them.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, answered_at, overall; complaints: opened_at.
    well, hours, days, about, match
        As in `paradox`.

    Returns
    -------
    IncidentAnswers

    Raises
    ------
    CrmlabError
        If `about` is ``"order"`` and the data do not name the orders.
    NotEnoughData
        If nobody who is named answered.
    UnknownName
        If customers have no column that `match` names.
    """
    known = crm.has("orders", "order_id", "customer_id", "ordered_at")
    if known:
        found = placed(crm)
        workspace, part, orders = found.workspace, found.part, found.frame
        faults = bool(found.kinds)
    else:
        workspace, part = part_of(crm)
        orders = pd.DataFrame(columns=["order_id", "customer_id", "ordered_at", "seen_at", "wrong"])
        faults = False
    answers, counts, weighted = _answers(workspace)
    by_order = known and crm.has("surveys", "order_id") and crm.has("complaints", "order_id")
    if about == "order" and not by_order:
        raise CrmlabError(
            _(
                "about = 'order' needs the orders, and order_id in surveys and in complaints. "
                "Say about = 'customer', which takes any answer soon after the incident."
            )
        )
    chosen: About = about or ("order" if by_order else "customer")
    complaints = _complaints(workspace, orders, well, hours, faults)
    if chosen == "order":
        code, anchor = _of_the_order(answers, orders, complaints, faults)
    else:
        code, anchor = _of_the_customer(answers, orders, complaints, days)
    shadow = (code == NONE) & _shadowed(answers, orders, complaints, days)
    code = code.mask(shadow, "shadow")
    kept = code.isin([*GROUPS, NONE])
    counts |= {name: int((code == name).sum()) for name in sorted(set(code[~kept]))}
    frame = answers.assign(group=code, anchor=anchor)[kept].reset_index(drop=True)
    frame["orders_before"] = _orders_before(frame, orders) if known else np.nan
    columns = _put_in(workspace, frame, match)
    return IncidentAnswers(frame, columns, chosen, faults, counts, weighted, part)


def _put_in(crm: Workspace, frame: pd.DataFrame, match: Sequence[str] | None) -> tuple[str, ...]:
    """Put columns of the customers into `frame`; those of which something is known."""
    found = []
    for name in USUAL if match is None else match:
        if crm.has("customers", "customer_id", name):
            known = crm.customers.drop_duplicates("customer_id").set_index("customer_id")[name]
            frame[name] = frame["customer_id"].map(known)
            if frame[name].notna().any():
                found.append(name)
        elif match is not None:
            raise UnknownName(
                _("Customers cannot be matched on {column}: they have no such column.").format(
                    column=name
                )
            )
    return tuple(found)


def _answers(crm: Workspace) -> tuple[pd.DataFrame, dict[str, int], bool]:
    surveys = with_all_columns(crm.surveys)
    surveys = surveys[surveys["answered_at"].notna()]
    called = surveys["mode"].isin(CONVENIENCE).to_numpy(bool)
    weighted = bool(surveys.loc[~called, "weight"].notna().any())
    weight = surveys["weight"].astype(float) if weighted else pd.Series(1.0, surveys.index)
    usable = surveys["customer_id"].notna() & surveys["overall"].notna() & (weight > 0)
    kept = (usable & ~called).to_numpy(bool)
    counts = {"called": int(called.sum()), "nobody": int((~kept & ~called).sum())}
    names = ["response_id", "customer_id", "order_id", "answered_at", "overall"]
    frame = surveys.loc[kept, names].assign(weight=weight[kept])
    if frame.empty:
        raise NotEnoughData(
            _("No questionnaire of a named customer was answered, so nothing can be compared.")
        )
    frame["overall"] = frame["overall"].astype(float)
    return frame.reset_index(drop=True), counts, weighted


def _complaints(
    crm: Workspace, orders: pd.DataFrame, well: Sequence[str], hours: float, faults: bool
) -> pd.DataFrame:
    """The complaints by time: their group, and whether the orders show what they are about."""
    frame = handled(crm, hours=hours).frame
    done = frame[list(well)].all(axis=1, skipna=False)
    missed = frame[list(well)].eq(False).any(axis=1)
    group = np.select([done.fillna(False).to_numpy(bool), missed], ["well", "poor"], "unclear")
    wrong = set(orders.loc[orders["wrong"].astype(bool), "order_id"])
    group = np.where(frame["order_id"].isin(wrong) | (not faults), group, "other")
    names = ["customer_id", "order_id", "opened_at", "first_response_at"]
    return frame[names].assign(group=group).sort_values("opened_at", kind="stable")


def _of_the_order(
    answers: pd.DataFrame, orders: pd.DataFrame, complaints: pd.DataFrame, faults: bool
) -> tuple[pd.Series, pd.Series]:
    """What had happened to the very order that a questionnaire is about."""
    order = orders.set_index("order_id")
    last = complaints.dropna(subset=["order_id"]).drop_duplicates("order_id", keep="last")
    last = last.set_index("order_id").reindex(answers["order_id"])
    opened = last["opened_at"].to_numpy()
    moment = answers["answered_at"].to_numpy()
    told = ~np.isnat(opened)
    first = last["first_response_at"].to_numpy()
    early = told & ((opened > moment) | (~np.isnat(first) & (first > moment)))
    # The index, not isin: that compares with so many orders far more slowly.
    there = order.index.get_indexer(answers["order_id"]) >= 0
    own = order[["wrong", "ordered_at"]].reindex(answers["order_id"]).set_axis(answers.index)
    wrong = own["wrong"].eq(True).to_numpy(bool)
    group = np.select(
        [~there, early, told, wrong & faults],
        ["no_order", "early", last["group"].fillna("").to_numpy(object), "silent"],
        NONE,
    )
    anchor = own["ordered_at"].fillna(answers["answered_at"])
    return pd.Series(group, answers.index), anchor


def _of_the_customer(
    answers: pd.DataFrame, orders: pd.DataFrame, complaints: pd.DataFrame, days: int
) -> tuple[pd.Series, pd.Series]:
    """What had last happened to the customer in the days before the answer; complaints first."""
    span = pd.Timedelta(days=days)
    told = _last(answers, complaints, "opened_at", ["group", "first_response_at"], span)
    wrong = orders[orders["wrong"].astype(bool)]
    silent = _last(answers, wrong, "seen_at", [], span)["at"].notna()
    early = told["first_response_at"] > answers["answered_at"]
    group = np.select(
        [early, told["at"].notna(), silent], ["early", told["group"].fillna(""), "silent"], NONE
    )
    return pd.Series(group, answers.index), answers["answered_at"] - span


def _last(
    answers: pd.DataFrame, events: pd.DataFrame, at: str, columns: Sequence[str], span: pd.Timedelta
) -> pd.DataFrame:
    """The last event of the customer in the time before each answer: at, and its columns."""
    known = events[events["customer_id"].notna() & events[at].notna()]
    right = known[["customer_id", at, *columns]].rename(columns={at: "at"})
    right = right.assign(
        at=right["at"].astype("datetime64[us]"), customer_id=right["customer_id"].astype("str")
    ).sort_values("at", kind="stable")
    left = answers[["customer_id", "answered_at"]].assign(place=np.arange(len(answers)))
    left = left.sort_values("answered_at", kind="stable")
    found = pd.merge_asof(
        left, right.assign(moment=right["at"]), left_on="answered_at", right_on="moment",
        by="customer_id", tolerance=span, allow_exact_matches=False,
    )  # fmt: skip
    found = found.sort_values("place", kind="stable")[["at", *columns]]
    return found.set_index(answers.index)


def _shadowed(
    answers: pd.DataFrame, orders: pd.DataFrame, complaints: pd.DataFrame, days: int
) -> pd.Series:
    """Whether anything had gone wrong for the customer in the days before the answer."""
    span = pd.Timedelta(days=days)
    wrong = orders[orders["wrong"].astype(bool)]
    told = _last(answers, complaints, "opened_at", [], span)["at"].notna()
    return told | _last(answers, wrong, "seen_at", [], span)["at"].notna()


def _orders_before(frame: pd.DataFrame, orders: pd.DataFrame) -> pd.Series:
    """Orders of the customer in the 90 days before the anchor."""
    known = orders[orders["customer_id"].notna() & orders["ordered_at"].notna()]
    known = known.sort_values(["customer_id", "ordered_at"], kind="stable")
    who, codes = pd.factorize(known["customer_id"])
    own = codes.get_indexer(frame["customer_id"].astype("str"))
    # Customers one after the other on one line, each further away than any time is long.
    far = 4_000_000_000
    line = who * far + known["ordered_at"].to_numpy().astype("datetime64[s]").astype("int64")
    end = own * far + frame["anchor"].to_numpy().astype("datetime64[s]").astype("int64")
    begin = end - HISTORY * 86_400
    count = np.searchsorted(line, end, "left") - np.searchsorted(line, begin, "left")
    return pd.Series(np.where(own >= 0, count, 0), frame.index)
