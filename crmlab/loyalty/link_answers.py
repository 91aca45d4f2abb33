"""Answers with what their customers ordered in the months after, and what came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.order_faults import complained, faults
from crmlab.errors import NotEnoughData
from crmlab.language import _, number
from crmlab.loyalty.answers import Diary, day_number, day_of, left_out, of_customers
from crmlab.loyalty.purchases import known_since
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

DAYS_A_MONTH = 365.25 / 12


def later_orders(
    crm: Workspace, answers: pd.DataFrame, months: int
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """Answers with the orders of the months after, and what came before; one a month.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at.
    answers : pandas.DataFrame
        As in `crmlab.loyalty.answers.Answers`.
    months : int

    Returns
    -------
    tuple of pandas.DataFrame and tuple of Exclusion
        The answers with month, later, the logs orders_now, orders_before and months_before, tier
        and region where known, and what went wrong with the order (0 or 1); and what is left out.

    Raises
    ------
    NotEnoughData
        If after no answer the months are over.
    """
    orders = crm.orders
    frame = answers.assign(at=_asked_about(orders, answers))
    counts = {_("day of the order not known"): int(frame["at"].isna().sum())}
    frame = frame[frame["at"].notna()].copy()
    frame["month"] = frame["at"].dt.to_period("M").dt.to_timestamp()
    again = frame.sort_values("at", kind="stable").duplicated(["customer_id", "month"])
    counts[_("a second answer of the month")] = int(again.sum())
    frame = frame[~again.reindex(frame.index)]
    after = frame["month"] + pd.DateOffset(months=1)
    end = day_number(frame["month"] + pd.DateOffset(months=months + 1)) - 1
    whole = end <= day_of(crm.as_of)
    counts[_("the months after are not over")] = int((~whole).sum())
    frame, after, end = frame[whole].reset_index(drop=True), after[whole], end[whole]
    if frame.empty:
        raise NotEnoughData(
            _("No answer is about an order after which {months} whole months are known.").format(
                months=number(months)
            )
        )
    start, following = day_number(frame["month"]), day_number(after)
    diary, who = Diary(orders), frame["customer_id"]
    frame["later"] = diary.between(who, following, end).astype(float)
    known = _known_from(crm, who)
    before = np.maximum(start - known, 0) / DAYS_A_MONTH
    placed = diary.between(who, np.zeros(len(frame), "int64"), start - 1)
    frame["orders_now"] = np.log1p(diary.between(who, start, following - 1))
    frame["orders_before"] = np.log((placed + 0.5) / (before + 0.5))
    frame["months_before"] = np.log1p(before)
    return _with_faults(crm, _with_groups(crm, frame), orders), left_out(counts)


def _asked_about(orders: pd.DataFrame, answers: pd.DataFrame) -> pd.Series:
    """Day of the order asked about; of the answer where no orders are named at all."""
    if "order_id" not in orders or not answers["order_id"].notna().any():
        return answers["answered_at"]
    days = orders.drop_duplicates("order_id").set_index("order_id")["ordered_at"]
    return answers["order_id"].map(days)


def _known_from(crm: Workspace, customers: pd.Series) -> np.ndarray:
    """Day from which each customer is seen: known and in the data."""
    first = day_of(crm.first_day)
    since = customers.map(known_since(crm, crm.query("purchase_history")))
    days = np.where(since.isna(), first, day_number(since.fillna(pd.Timestamp(crm.first_day))))
    return np.maximum(days, first)


def _with_groups(crm: Workspace, frame: pd.DataFrame) -> pd.DataFrame:
    for column in ("tier", "region"):
        known = of_customers(crm, frame["customer_id"], column)
        if known is not None:
            frame[column] = known
    return frame


def _with_faults(crm: Workspace, frame: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """With what went wrong with the order asked about, 0 where that is not known."""
    if "order_id" not in orders or not frame["order_id"].notna().any():
        return frame
    asked = orders[orders["order_id"].isin(frame["order_id"])].drop_duplicates("order_id")
    wrong = faults(crm, asked)
    told = complained(crm, asked)
    if told is not None:
        wrong["complained"] = told
    wrong.index = pd.Index(asked["order_id"])
    return frame.join(
        wrong.astype(float).reindex(frame["order_id"]).fillna(0.0).set_axis(frame.index)
    )


def intended(crm: Workspace, answers: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """Answers with the intention to buy again, in `later`, and tier and region where known.

    Raises
    ------
    NotEnoughData
        If nobody gave one.
    """
    known = answers["repurchase_intention"].notna()
    frame = answers[known].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(_("Nobody said whether they intend to buy again."))
    frame["later"] = frame["repurchase_intention"].astype(float)
    counts = {_("intention to buy again not given"): int((~known).sum())}
    return _with_groups(crm, frame), left_out(counts)
