"""The complaints as the chapter looks at them: one row each, with what is known of the handling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: The kind that is welcome and no failure.
SUGGESTION = "suggestion"


@dataclass(frozen=True)
class Cases:
    """The complaints of a workspace whose day of opening is known.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per complaint, by the time it was opened: the columns of the query
        ``complaint_cases``, and suggestion (whether it is one), due_by_rule (whether due_at was
        not given and comes from the workspace's hours by tier and severity), cost (money: of
        handling and compensation; NaN where neither is known) and cost_by_rule (whether the cost
        of handling comes from the minutes and the workspace's cost of a minute).
    undated : int
        Complaints left out because their day of opening is not known.
    suggestions : int
        Suggestions left out, if they were to be.
    """

    frame: pd.DataFrame
    undated: int
    suggestions: int

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What was left out, counted."""
        found = (
            of_complaints(_("day of opening not known"), self.undated),
            of_complaints(_("suggestion, which is welcome and no failure"), self.suggestions),
        )
        return tuple(one for one in found if one.count)


def of_complaints(reason: str, count: int) -> Exclusion:
    """So many complaints left out."""
    return Exclusion(reason, count, ngettext("complaint", "complaints", count))


@once
def cases(
    crm: Workspace, *, suggestions: bool = True, by: str | Sequence[str] | None = None
) -> Cases:
    """The complaints of a workspace, one row each.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at.
    suggestions : bool
        Whether suggestions are among them.
    by : str or sequence of str, optional
        Further columns: of complaints, of their orders, customers or owners (staff).

    Returns
    -------
    Cases

    Raises
    ------
    NotEnoughData
        If there is no complaint.
    UnknownName
        If `by` names no such column.

    Notes
    -----
    A suggestion is a complaint of that kind; where the kind is not given, of that cause.

    Without due_at a complaint is due the workspace's hours (``[workspace.sla_hours]``) for the
    tier of its customer and its severity after it was opened. Without handling_cost the cost is
    handling_minutes times the workspace's cost of ``complaint.minute``.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"], "kind": ["service", "suggestion"],
    ...     "opened_at": ["2025-03-01 09:00", "2025-03-02 09:00"], "handling_cost": [30.0, 20.0]})
    >>> crm = from_frames({"complaints": complaints})
    >>> cases(crm, suggestions=False).frame[["complaint_id", "cost"]]
      complaint_id  cost
    0            1  30.0
    """
    frame = crm.query("complaint_cases", by=_further(by))
    undated = int(frame["opened_at"].isna().sum())
    frame = frame[frame["opened_at"].notna()].reset_index(drop=True)
    frame["suggestion"] = frame["kind"].fillna(frame["cause"]).eq(SUGGESTION)
    left_out = 0 if suggestions else int(frame["suggestion"].sum())
    if not suggestions:
        frame = frame[~frame["suggestion"]].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughData(
            _("All complaints whose day of opening is known are suggestions.")
            if left_out
            else _("There is no complaint whose day of opening is known.")
        )
    return Cases(_with_costs(crm, _with_promises(crm, frame)), undated, left_out)


#: Columns that every row has without being asked for.
_USUAL = ("kind", "cause", "severity", "channel", "owner", "remedy", "tier", "customer_id")


def _further(by: str | Sequence[str] | None) -> list[str]:
    names = [by] if isinstance(by, str) else list(by or [])
    return [name for name in names if name not in _USUAL]


def _with_promises(crm: Workspace, frame: pd.DataFrame) -> pd.DataFrame:
    rule = dict(crm.settings.sla_hours)
    named = frame["tier"].astype("str") + "." + frame["severity"].astype("str")
    hours = pd.to_timedelta(named.map(rule).astype(float), unit="h")
    by_rule = frame["due_at"].isna() & hours.notna()
    due = frame["due_at"].where(~by_rule, (frame["opened_at"] + hours).astype("datetime64[us]"))
    return frame.assign(due_at=due, due_by_rule=by_rule)


def _with_costs(crm: Workspace, frame: pd.DataFrame) -> pd.DataFrame:
    rate = crm.settings.activity_costs.get("complaint.minute", np.nan)
    by_rule = frame["handling_cost"].isna() & frame["handling_minutes"].notna() & np.isfinite(rate)
    handling = frame["handling_cost"].where(~by_rule, frame["handling_minutes"] * rate)
    cost = handling.fillna(0) + frame["compensation"].fillna(0)
    known = handling.notna() | frame["compensation"].notna()
    return frame.assign(cost=cost.where(known), cost_by_rule=by_rule)
