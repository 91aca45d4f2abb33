"""Offers as they were assigned: who got which arm, and what they ordered about that time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.data.drawn import of_a_sample
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, signed, with_interval
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

NEEDS = {
    "assignments": ["customer_id", "campaign", "arm", "assigned_at"],
    "orders": ["customer_id", "ordered_at"],
}
#: Days of a period where the customers were not assigned on the first day of a month.
DAYS = 30
#: With more assignments than these a sample of the customers is used.
LARGEST = 100_000
#: An arm with fewer customers than this, or a holdout, is not judged.
FEWEST = 5


@dataclass(frozen=True)
class Offered:
    """The customers of the campaigns that can be judged, a row for each in each campaign.

    The arrays have a row for each row of `frame` and a column for each period from −before to
    after; a customer without orders has zeros.

    Attributes
    ----------
    frame : pandas.DataFrame
        customer_id, campaign, arm, assigned_day, joined, tier, region, calendar (whether the
        periods are calendar months).
    orders, promoted, amount, margin, listed, points : numpy.ndarray, shape (rows, periods)
        Purchases; those that name the campaign; money brought, refunds subtracted; the same less
        direct costs; the same at list price, where one is given; points earned.
    known : numpy.ndarray of bool, shape (rows, periods)
        Whether the period lies within the data.
    earlier : numpy.ndarray, shape (rows,)
        Purchases before these periods.
    before, after : int
    holdout : str
        The arm without an offer.
    arms : tuple of str
        The others.
    cost_missing : int
        Orders of which the cost is not known, in the periods from the offer on.
    overlapping : int
        Rows whose customer had been drawn for another campaign so shortly before that its periods
        were not over.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    sampled : float
        Share of the customers drawn for a campaign that are in the sample; 1 if they are all.
    """

    frame: pd.DataFrame
    orders: Array
    promoted: Array
    amount: Array
    margin: Array
    listed: Array
    points: Array
    known: NDArray[np.bool_]
    earlier: Array
    before: int
    after: int
    holdout: str
    arms: tuple[str, ...]
    cost_missing: int
    overlapping: int
    exclusions: tuple[Exclusion, ...]
    part: str
    sampled: float

    @property
    def campaigns(self) -> list[str]:
        """Names of the campaigns, in order of time."""
        first = self.frame.groupby("campaign")["assigned_day"].min()
        return [str(name) for name in first.sort_values(kind="stable").index]

    @property
    def customers(self) -> int:
        """How many customers there are, each counted once."""
        return int(self.frame["customer_id"].nunique())

    def of_period(self, values: Array, first: int, last: int | None = None) -> Array:
        """Sum of an array's columns from period `first` to `last`, both included."""
        end = first if last is None else last
        return np.asarray(values[:, first + self.before : end + self.before + 1].sum(axis=1))

    def only(self, rows: NDArray[np.bool_]) -> Offered:
        """The same, of some of the rows."""
        arrays = ("orders", "promoted", "amount", "margin", "listed", "points", "known", "earlier")
        frame = self.frame[rows].reset_index(drop=True)
        present = set(frame["arm"])
        chosen = {name: getattr(self, name)[rows] for name in arrays}
        arms = tuple(arm for arm in self.arms if arm in present)
        return replace(self, frame=frame, arms=arms, **chosen)

    def rule(self) -> str:
        """What a period is, in a sentence."""
        months = self.frame["calendar"].to_numpy(bool)
        if months.all():
            return _("A period is a calendar month, as every offer began on the first of a month.")
        if not months.any():
            return _("A period is {days} days, counted from the day of the assignment.").format(
                days=number(DAYS)
            )
        return _(
            "A period is a calendar month in campaigns that began on the first of one, else {days} "
            "days from the day of the assignment."
        ).format(days=number(DAYS))

    def left_out(self, more: Sequence[Exclusion] = ()) -> str:
        """What was left out, here and besides, in sentences; empty if nothing was."""
        found = _("; ").join(one.words() for one in (*self.exclusions, *more))
        said = _("Left out are {left}.").format(left=found) if found else ""
        return f"{self.part} {said}".strip()


@once
def offered(
    crm: Workspace, *, holdout: str = "holdout", before: int = 3, after: int = 1
) -> Offered:
    """The assignments that can be judged, and the orders about their time.

    Parameters
    ----------
    crm : Workspace
        With assignments: customer_id, campaign, arm, assigned_at; orders: customer_id, ordered_at.
    holdout : str
        The arm that got no offer.
    before, after : int
        Periods before the one that the offer begins, and after it.

    Returns
    -------
    Offered

    Raises
    ------
    CrmlabError
        If `before` is less than 1 or `after` less than 0.
    NotEnoughData
        If no campaign has a holdout and another arm whose periods were over by the last day.

    Notes
    -----
    Everyone assigned counts, with orders or without. Left out, and counted, are assignments without
    a customer, arm or day; of customers who came only after that day; whose periods are not over;
    and campaigns that have no holdout, or nothing else.
    """
    if before < 1 or after < 0:
        raise CrmlabError(
            _("before is at least 1 and after at least 0; they are {before} and {after}.").format(
                before=before, after=after
            )
        )
    workspace, part, sampled = _some(crm)
    frame = workspace.query("offer_assignments")
    frame, exclusions = _judged(frame, holdout, after, pd.Timestamp(crm.as_of))
    found = workspace.query("offer_orders", before=before, after=after)
    sums, missing = _spread(frame, found, before, after)
    edges = _starts(frame, range(-before, after + 1))
    arms = tuple(sorted(set(frame["arm"]) - {holdout}))
    return Offered(
        frame,
        **{name: values[:, 1:] for name, values in sums.items()},
        known=edges >= np.datetime64(crm.first_day),
        earlier=sums["orders"][:, 0],
        before=before,
        after=after,
        holdout=holdout,
        arms=arms,
        cost_missing=missing,
        overlapping=_overlapping(frame, after),
        exclusions=exclusions,
        part=part,
        sampled=sampled,
    )


def arm_names(arms: Sequence[str]) -> dict[str, str]:
    """What arms are called; one that is not among the usual keeps its name."""
    usual = {"coupon": _("Coupon"), "points": _("Double points"), "holdout": _("Holdout")}
    return {arm: usual.get(arm, arm) for arm in arms}


def changed(row: pd.Series) -> str:
    """The change that a row's log ratio and its interval amount to."""
    value, low, high = np.expm1([row["log_ratio"], row["low"], row["high"]])
    return with_interval(value, low, high, signed)


def of_assignments(reason: str, count: int) -> Exclusion:
    """So many assignments left out."""
    return Exclusion(reason, count, ngettext("assignment", "assignments", count))


# --- the frame


def _some(crm: Workspace) -> tuple[Workspace, str, float]:
    """The workspace or a sample of it, what is said of that, and the share of those drawn in it."""
    rows = crm.rows("assignments")
    if rows <= LARGEST:
        return crm, "", 1.0
    everyone = crm.query("offer_assignments")["customer_id"].nunique()
    sample = crm.sample(customers=int(everyone * LARGEST / rows))
    some = sample.query("offer_assignments")["customer_id"].nunique()
    return sample, of_a_sample(everyone, some), some / everyone


def _judged(
    frame: pd.DataFrame, holdout: str, after: int, last: pd.Timestamp
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """The assignments that can be judged, and how many are left out for each reason."""
    if frame.empty:
        raise NotEnoughData(_("No customer is assigned to a campaign."))
    frame["calendar"] = frame["on_first"] == 1
    named = frame[["customer_id", "campaign", "arm", "assigned_day"]].notna().all(axis=1)
    counts = {_("customer, campaign, arm or day not given"): int((~named).sum())}
    frame = frame[named]
    late = frame["joined"] > frame["assigned_day"]
    counts[_("customer only since after the assignment")] = int(late.sum())
    frame = frame[~late].reset_index(drop=True)
    over = _starts(frame, [after + 1])[:, 0] <= np.datetime64(last + pd.Timedelta(days=1))
    counts[_("periods not over by the last day")] = int((~over).sum())
    frame = frame[over]
    kept = _with_holdout(frame, holdout)
    counts[_("campaign without a holdout or without another arm")] = int((~kept).sum())
    _check_arms(frame, kept, holdout, counts)
    left = tuple(of_assignments(reason, count) for reason, count in counts.items() if count)
    return frame[kept].reset_index(drop=True), left


def _with_holdout(frame: pd.DataFrame, holdout: str) -> pd.Series:
    without = (frame["arm"] == holdout).groupby(frame["campaign"])
    return without.transform("any") & ~without.transform("all")


def _check_arms(
    frame: pd.DataFrame, kept: pd.Series, holdout: str, counts: Mapping[str, int]
) -> None:
    if kept.any():
        return
    left = _("; ").join(
        of_assignments(reason, count).words() for reason, count in counts.items() if count
    )
    if frame.empty:
        raise NotEnoughData(
            _("No assignment can be judged. Left out are: {left}.").format(left=left)
        )
    arms = _(", ").join(sorted(set(frame["arm"])))
    raise NotEnoughData(
        _(
            "No campaign has an arm '{holdout}' beside another, so there is nothing to compare an "
            "offer with. The arms are: {arms}. Name the one without an offer as holdout='…'."
        ).format(holdout=holdout, arms=arms)
    )


def _starts(frame: pd.DataFrame, periods: Sequence[int]) -> NDArray[np.datetime64]:
    """First day of each period, a column for each."""
    day = frame["assigned_day"].to_numpy("datetime64[D]")
    month = day.astype("datetime64[M]")
    calendar = frame["calendar"].to_numpy(bool)
    columns = [
        np.where(
            calendar,
            (month + np.timedelta64(period, "M")).astype("datetime64[D]"),
            day + np.timedelta64(DAYS * period, "D"),
        )
        for period in periods
    ]
    return np.column_stack(columns)


def _spread(
    frame: pd.DataFrame, found: pd.DataFrame, before: int, after: int
) -> tuple[dict[str, Array], int]:
    """Sums of each row (of `frame`) and period; the first column is all that came earlier."""
    keys = pd.MultiIndex.from_frame(frame[["customer_id", "campaign"]])
    own = keys.get_indexer(pd.MultiIndex.from_frame(found[["customer_id", "campaign"]]))
    found, rows = found[own >= 0], own[own >= 0]
    places = found["period"].to_numpy() + before + 1
    sums = {}
    for name in ("orders", "promoted", "amount", "margin", "listed", "points"):
        sums[name] = np.zeros((len(frame), before + after + 2))
        sums[name][rows, places] = found[name].to_numpy(float)
    missing = found.loc[found["period"] >= 0, "cost_missing"].sum()
    return sums, int(missing)


def _overlapping(frame: pd.DataFrame, after: int) -> int:
    """Rows that begin before the periods of the customer's offer before are over."""
    ordered = frame.assign(end=_starts(frame, [after + 1])[:, 0])
    ordered = ordered.sort_values("assigned_day", kind="stable")
    last = ordered.groupby("customer_id")["end"].shift()
    return int((last > ordered["assigned_day"]).sum())
