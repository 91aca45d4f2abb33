"""Promises kept (及时): resolved by the time it was due, each complaint judged only once it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.durations import hours_between
from crmlab.complaints.times import later_known

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

KEPT, MISSED, NOT_DUE, NO_PROMISE, NOT_KNOWN = (
    "kept",
    "missed",
    "not_due",
    "no_promise",
    "not_known",
)


def kept(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    """Whether the promise of each complaint was kept; missing where that is not judged.

    Parameters
    ----------
    crm, frame
        As in `promises`.
    """
    found = promises(crm, frame)
    return found.eq(KEPT).astype("boolean").where(found.isin([KEPT, MISSED]))


def promises(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    """What became of the promise of each complaint.

    Parameters
    ----------
    crm : Workspace
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`.

    Returns
    -------
    pandas.Series of str
        kept (resolved by due_at), missed (resolved later, or still open past due_at), not_due (due
        after the last day), no_promise (no due_at and no rule), not_known (when it was resolved is
        not known though a later step is, or the data have no resolutions).

    Notes
    -----
    A complaint that is due after the last day is not judged, even if it is resolved already: of
    those, only the quick ones can be seen to keep their promise, none to miss it. It counts for the
    first resolution. Where due_at or resolved_at is a mere day, the two days are compared; a
    complaint due on the last day is then judged as one due at its end.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> from crmlab.complaints.cases import cases
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2", "3"],
    ...     "opened_at": ["2025-03-01 09:00", "2025-03-01 09:00", "2025-03-30 09:00"],
    ...     "due_at": ["2025-03-05 09:00", "2025-03-05 09:00", "2025-04-02 09:00"],
    ...     "resolved_at": ["2025-03-02 09:00", None, "2025-03-31 09:00"]})
    >>> crm = from_frames({"complaints": complaints}, as_of="2025-03-31")
    >>> promises(crm, cases(crm).frame).tolist()
    ['kept', 'missed', 'not_due']
    """
    due, resolved = frame["due_at"], frame["resolved_at"]
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    late = hours_between(resolved, due)["impossible"]
    unclear = (resolved.isna() & later_known(frame, "resolved")) | hours_between(
        frame["opened_at"], resolved
    )["impossible"]
    if not crm.has("complaints", "resolved_at"):
        unclear |= True
    found = np.select(
        [due.isna(), due >= end, unclear, resolved.isna() | late],
        [NO_PROMISE, NOT_DUE, NOT_KNOWN, MISSED],
        KEPT,
    )
    return pd.Series(found, frame.index)
