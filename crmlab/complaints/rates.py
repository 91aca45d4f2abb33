"""Complaints per 1,000 orders, in all and by any column, with exact intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.exposure import Rate, effective, exposed, freedom, rate_of, unlike
from crmlab.complaints.rate_ratio import score_chance
from crmlab.complaints.rates_words import ComplaintRates
from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.show.result import Context, measure
from crmlab.stats.intervals import check_confidence
from crmlab.stats.multiplicity import holding, holm

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: A group with fewer customers, or with fewer events to be expected, is shown and not judged.
FEWEST = 5
PER = 1000


@measure(needs={"complaints": ["opened_at"], "orders": ["ordered_at"]})
def complaint_rates(
    crm: Workspace, *, by: str | None = None, suggestions: bool = False, confidence: float = 0.95
) -> ComplaintRates:
    """How many complaints come on 1,000 orders, in all and by group.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; orders: ordered_at.
    by : str, optional
        A column of orders or customers: the complaints of a group on its own orders. Or a column
        of complaints, such as ``"kind"`` or ``"cause"``: its complaints on all orders.
    suggestions : bool
        Whether suggestions count among the complaints.
    confidence : float

    Returns
    -------
    ComplaintRates
        `.table` has a row per group (or one in all), the highest rate first: the column of `by`,
        customers (with orders), orders, complaints, per_1000 (orders), low, high (events divided by
        the overdispersion of customers), plain_low, plain_high (as if complaints were independent),
        design_effect, with_suggestions (the rate if suggestions counted; without_suggestions if
        they do), few (whether too little is known to judge or to rank it), and where groups have
        orders of their own corrected (probability that it is like the others together, after Holm's
        correction; missing for `few`) and stands_out.

    Raises
    ------
    TooManyGroups
        If `by` makes more than 200 groups.
    NotEnoughData
        If there is no complaint or no order, or none whose group is known.
    UnknownName
        If `by` names no such column.

    Notes
    -----
    The rate is events over orders, those of negative amount (refunds) left out. Plain intervals are
    Garwood's exact ones; 0 events have an interval from 0. Some customers complain more than
    others, so the events vary more than Poisson's: events and orders are divided by the design
    effect before the exact interval is taken (see `crmlab.stats.clustered.rate`).

    A group is compared with all others together by the score test of two Poisson rates, both
    divided by their effects. As the effects are known no better than customers are many, its z is
    held against t with Satterthwaite's degrees of freedom, of the effective number of customers of
    each side, (Σe)²/Σe² with e the orders of one (Kish), less one. Holm's correction is for the
    number of groups judged. A customer who is in both makes it conservative. A group is too small
    to judge with fewer than five customers, or where fewer than five events are to be expected at
    the common rate: there 0 or twice as many come about by chance, and such groups fill both ends
    of any ranking.

    Poisson's law is that of rare events. Where an order is complained of at most once and many are,
    the rate is a share that varies less, and the intervals are too long; the reading says so from
    200 on 1,000.

    Orders and complaints of the same period are taken: complaints about earlier orders are in, and
    those that the last orders will bring are not.

    References
    ----------
    Garwood, F. (1936), Biometrika 28, 437-442. Kish, L. (1965), Survey Sampling, section 11.7.
    Satterthwaite, F. E. (1946), Biometrics Bulletin 2, 110-114. Wainer, H. (2007), The most
    dangerous equation, American Scientist 95, 249-256, on ranking small groups.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": [str(n) for n in range(200)],
    ...     "ordered_at": ["2025-03-01"] * 200, "region": ["North"] * 100 + ["South"] * 100})
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"], "order_id": ["3", "7"],
    ...     "opened_at": ["2025-03-02"] * 2})
    >>> crm = from_frames({"orders": orders, "complaints": complaints})
    >>> table = complaint_rates(crm, by="region").table
    >>> table[["region", "orders", "complaints", "per_1000", "low", "high"]].round(1)
      region  orders  complaints  per_1000  low  high
    0  North     100           2      20.0  2.4  72.2
    1  South     100           0       0.0  0.0  36.9
    """
    check_confidence(confidence)
    found = exposed(crm, by=by)
    frame = found.frame.assign(both=found.frame["complaints"] + found.frame["suggestions"])
    main, other = ("both", "complaints") if suggestions else ("complaints", "both")
    rates = {
        name: rate_of(_all(frame, own=found.own_orders), name, 0.0, confidence)
        for name in (main, other)
    }
    if found.by:
        table = _by_group(frame, found.by, main, other, confidence, found.own_orders)
    else:
        table = pd.DataFrame([_row(frame, rates[main], other)])
    second = "without_suggestions" if suggestions else "with_suggestions"
    table = table.rename(columns={"other_rate": second})
    if not found.clustered:
        table = table.drop(columns="customers")
    return ComplaintRates(
        table,
        Context.of(crm),
        found.by,
        suggestions,
        rates[main],
        rates[other],
        found.own_orders,
        found.clustered,
        int(frame.loc[frame["orders"] > 0, "customer_id"].nunique()),
        crm.settings.record,
        confidence,
        found.left_out,
    )


def _all(frame: pd.DataFrame, *, own: bool) -> pd.DataFrame:
    """The cells of all groups together; orders that stand in every group count once."""
    if own:
        return frame
    sums = frame.groupby("cluster")
    counts = sums[["complaints", "suggestions", "both"]].sum()
    return counts.assign(orders=sums["orders"].max()).reset_index()


def _by_group(
    frame: pd.DataFrame, by: str, main: str, other: str, confidence: float, own: bool
) -> pd.DataFrame:
    alike = unlike(frame, main, by)
    parts = [(name, part) for name, part in frame.groupby(by) if own or part[main].sum() > 0]
    if not parts:
        raise NotEnoughData(
            _("There are only suggestions, so there is no rate of complaints by {column}.").format(
                column=by
            )
        )
    rates = [rate_of(part, main, alike, confidence) for _name, part in parts]
    rows = [
        {by: name} | _row(part, rate, other)
        for (name, part), rate in zip(parts, rates, strict=True)
    ]
    table = pd.DataFrame(rows)
    if not own:
        table["few"] = table["complaints"] < FEWEST
    if own:
        common = frame[main].sum() / frame["orders"].sum()
        known = frame["customer_id"].notna().any()
        table["few"] = table["orders"] * common < FEWEST
        if known:
            table["few"] |= table["customers"] < FEWEST
        chances = [
            _chance(part, frame[~frame.index.isin(part.index)], rate, main, alike)
            for (_name, part), rate in zip(parts, rates, strict=True)
        ]
        judged = np.where(table["few"], np.nan, chances)
        table["corrected"] = holm(judged, 1 - confidence)[1]
        table["stands_out"] = holding(judged, 1 - confidence)
    order = table.sort_values("per_1000", ascending=False, kind="stable", na_position="last")
    return order.reset_index(drop=True)


def _row(part: pd.DataFrame, rate: Rate, other: str) -> dict[str, Any]:
    placed = part["cluster"].to_numpy()[((part["cluster"] >= 0) & (part["orders"] > 0)).to_numpy()]
    return {
        "customers": len(np.unique(placed)),
        "orders": int(rate.orders),
        "complaints": int(rate.events),
        "per_1000": rate.estimate.value * PER,
        "low": rate.estimate.low * PER,
        "high": rate.estimate.high * PER,
        "plain_low": rate.plain.low * PER,
        "plain_high": rate.plain.high * PER,
        "design_effect": rate.estimate.effect,
        "other_rate": part[other].sum() / rate.orders * PER if rate.orders else np.nan,
    }


def _chance(
    part: pd.DataFrame, others: pd.DataFrame, rate: Rate, column: str, alike: float
) -> float:
    """Probability by chance of a rate so unlike that of all other groups together."""
    from scipy.stats import norm, t

    events, orders, effect = effective(others, column, alike)
    if not rate.orders or not orders:
        return np.nan
    if not rate.events + events:
        return 1.0
    own = rate.estimate.effect
    chance = score_chance(
        (rate.events / own, rate.orders / own), (events / effect, orders / effect)
    )
    free = freedom((part, others), (own, effect))
    return float(2 * t.sf(norm.isf(chance / 2), free))
