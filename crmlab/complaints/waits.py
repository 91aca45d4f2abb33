"""How long each complaint waited for a step, or has waited so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases, cases, of_complaints
from crmlab.complaints.clusters import clusters
from crmlab.complaints.durations import HOUR, hours_between
from crmlab.complaints.steps import end_of
from crmlab.complaints.times import later_known
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.show.result import Exclusion, require
from crmlab.stats.recurrent import gap_curve
from crmlab.stats.survival import quantile, survival_at

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace
    from crmlab.stats.clustered import Estimate

To = Literal["first_response", "resolution", "closing"]

#: The column that ends each wait.
ENDS = {"first_response": "first_response_at", "resolution": "resolved_at", "closing": "closed_at"}
#: Columns without which it cannot be known.
NEEDED = {"first_response": "first_response_at", "resolution": "resolved_at"}
CONFIDENCE = 0.95
#: Of fewer customers nothing is judged.
FEWEST = 5


@dataclass(frozen=True)
class Waits:
    """The waits of the complaints.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per complaint whose wait is known, or known so far: complaint_id, opened_at, hours,
        ended (False: still open at the end of the last day), cluster, whole_days, and the column
        of the groups.
    unknown : int
        Complaints left out because the step was taken, at a time that is not known.
    impossible : int
        Complaints left out because the step stands before the opening.
    aside : Cases
        What was left out of all, without rows.
    """

    frame: pd.DataFrame
    unknown: int
    impossible: int
    aside: Cases

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Everything left out, counted."""
        found = (
            of_complaints(_("step taken at a time that is not known"), self.unknown),
            of_complaints(_("step before the complaint was opened"), self.impossible),
        )
        return (*self.aside.exclusions(), *(one for one in found if one.count))


def waits(crm: Workspace, to: To, by: str | None = None) -> Waits:
    """How long each complaint waited for its first answer, its resolution, or its final closing.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at and the column of the step.
    to : {"first_response", "resolution", "closing"}
    by : str, optional
        A column to be had as well, under its name without its table.

    Returns
    -------
    Waits

    Raises
    ------
    CrmlabError
        If `to` is none of these.
    MissingColumns
        If the data have no such step.
    NotEnoughData
        If of no complaint anything is known.

    Notes
    -----
    A complaint whose step is missing while a later one is known is not open: to count it as still
    waiting would make it the longest wait of all. When it ended is not known, so it is left out and
    counted. So is a complaint opened again where no events tell when it was closed.
    """
    if to not in get_args(To):
        raise CrmlabError(
            _("to = {value} is none of {names}.").format(
                value=repr(to), names=", ".join(map(repr, get_args(To)))
            )
        )
    column = NEEDED.get(to, "resolved_at")
    lacking = crm.missing({"complaints": ["opened_at", column]})
    require(crm, "complaints.response_times", lacking)
    found = cases(crm, suggestions=False, by=by)
    frame, name = found.frame, by.rpartition(".")[2] if by else ""
    took = hours_between(frame["opened_at"], frame[ENDS[to]])
    ended = frame[ENDS[to]].notna()
    unknown = ~ended & _taken(crm, frame, to)
    so_far = (end_of(crm) - frame["opened_at"]) / HOUR
    hours = took["hours"].where(ended, so_far.clip(lower=0))
    used = pd.DataFrame(
        {
            "complaint_id": frame["complaint_id"],
            "opened_at": frame["opened_at"],
            "hours": hours,
            "ended": ended,
            "cluster": clusters(frame["customer_id"]),
            "whole_days": took["whole_days"],
        }
        | ({name: frame[name]} if name else {})
    )
    known = ~unknown & ~took["impossible"]
    if not known.any():
        raise NotEnoughData(_("Of no complaint is it known how long it waited."))
    return Waits(
        used[known].reset_index(drop=True),
        int(unknown.sum()),
        int(took["impossible"].sum()),
        replace(found, frame=frame.head(0)),
    )


def _taken(crm: Workspace, frame: pd.DataFrame, to: To) -> pd.Series:
    """Whether the step was taken for certain, whatever is known of its time."""
    if to == "first_response":
        return later_known(frame, "first_response")
    taken = frame["resolved_at"].isna() & later_known(frame, "resolved")
    if to == "closing" and not crm.has("complaint_events", "stage"):
        taken |= frame["reopened_at"].notna()
    return taken


def summary(frame: pd.DataFrame, target: float, confidence: float) -> dict[str, float]:
    """Half, nine in ten and the share within the target, from the curve; and without the open ones.

    Parameters
    ----------
    frame : pandas.DataFrame
        As of `Waits`.
    target : float
        Hours.
    confidence : float

    Returns
    -------
    dict of str to float
        complaints, open, median_hours, late_hours, share, each of the three with its interval;
        closed_median, closed_late: of those that have ended alone.

    Examples
    --------
    >>> frame = pd.DataFrame({"hours": [1.0, 2.0, 3.0, 4.0], "ended": [True, True, True, False],
    ...     "cluster": [0, 1, 2, 3]})
    >>> found = summary(frame, 2, 0.95)
    >>> found["median_hours"], float(found["share"]), found["closed_late"]
    (2.0, 0.5, 3.0)
    """
    curve = curve_of(frame, confidence)
    half, late = quantile(curve), quantile(curve, 0.9)
    within = survival_at(curve, target).iloc[0]
    closed = frame.loc[frame["ended"], "hours"]
    return {
        "complaints": len(frame),
        "open": int((~frame["ended"]).sum()),
        **_named("median_hours", half),
        **_named("late_hours", late),
        "share": 1 - within["survival"],
        "low": 1 - within["high"],
        "high": 1 - within["low"],
        "closed_median": _reached(closed, 0.5),
        "closed_late": _reached(closed, 0.9),
    }


def curve_of(frame: pd.DataFrame, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Kaplan and Meier's curve of the share still waiting, customers as clusters.

    Without an interval where the customers are fewer than five: how far they differ is not known.
    """
    curve = gap_curve(
        np.round(frame["hours"], 6), frame["ended"], frame["cluster"], confidence=confidence
    )
    if frame["cluster"].nunique() < FEWEST:
        curve[["low", "high"]] = np.nan
    return curve


def _reached(hours: pd.Series, share: float) -> float:
    """The least time within which so large a share has ended, as a curve is read."""
    return float(np.quantile(hours, share, method="inverted_cdf")) if len(hours) else float("nan")


def _named(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
