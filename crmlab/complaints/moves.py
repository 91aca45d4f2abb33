"""The moves of cases between stages, from the table of complaint events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crmlab.complaints.cases import Cases
from crmlab.stats import clustered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: The order of the process; a move to a stage before goes back.
ORDER = ("accept", "investigate", "negotiate", "resolve", "follow_up")
REOPEN = "reopen"
#: The loop that is looked at where nothing ever goes back.
USUAL_LOOP = ("negotiate", "investigate")


class Moves(NamedTuple):
    """Moves between stages.

    Attributes
    ----------
    rows : pandas.DataFrame
        A row per move: case (row of the cases), origin, destination, back (to an earlier stage,
        and not after a reopening), owner_changed.
    last : pandas.Series
        The stage of the last event, by case.
    owned : pandas.Index
        The cases with an event whose owner is known.
    unknown, incomplete : int
        Events of no known complaint, and events without a time or a stage; they are left out.
    """

    rows: pd.DataFrame
    last: pd.Series
    owned: pd.Index
    unknown: int
    incomplete: int


def moves_of(crm: Workspace, known: Cases) -> Moves:
    """The moves of the cases between stages.

    Parameters
    ----------
    crm : Workspace
        With complaint_events: complaint_id, at, stage.
    known : Cases
    """
    events = crm.complaint_events
    place = pd.Series(known.frame.index, known.frame["complaint_id"])
    row = events["complaint_id"].map(place[~place.index.duplicated()])
    complete = events["at"].notna() & events["stage"].notna()
    used = complete & row.notna()
    events = events[used].assign(case=row[used].astype("int64"))
    stage = events["stage"].astype(str).to_numpy()
    rank = {name: number for number, name in enumerate((*ORDER, REOPEN))}
    step = np.array([rank[name] for name in stage], dtype=int)
    order = np.lexsort((events["at"].to_numpy(), events["case"].to_numpy()))
    case, stage, step = events["case"].to_numpy()[order], stage[order], step[order]
    # An owner who is not known is no other owner.
    owner = np.full(len(order), -1)
    if "owner" in events:
        owner = pd.factorize(events["owner"])[0][order]
    follows = np.flatnonzero(case[1:] == case[:-1])
    reopened = _seen_before(case, stage == REOPEN)
    orderly = (step[follows + 1] < len(ORDER)) & (step[follows] < len(ORDER))
    rows = pd.DataFrame(
        {
            "case": case[follows],
            "origin": stage[follows],
            "destination": stage[follows + 1],
            "back": orderly & (step[follows + 1] < step[follows]) & ~reopened[follows],
            "owner_changed": (owner[follows] != owner[follows + 1])
            & (np.minimum(owner[follows], owner[follows + 1]) >= 0),
        }
    )
    last = pd.Series(stage, case)
    return Moves(
        rows,
        last[~last.index.duplicated(keep="last")],
        pd.Index(np.unique(case[owner >= 0])),
        int((complete & row.isna()).sum()),
        int((~complete).sum()),
    )


def _seen_before(case: NDArray[np.int64], flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the flag was up at this row or at an earlier one of the same case."""
    total = np.cumsum(flag)
    first = np.flatnonzero(np.r_[True, case[1:] != case[:-1]]) if len(case) else np.array([], int)
    sizes = np.diff(np.r_[first, len(case)])
    before: NDArray[np.int64] = np.repeat((total - flag)[first], sizes)
    return np.asarray(total > before)


def move_table(rows: pd.DataFrame, customers: NDArray[np.int64]) -> pd.DataFrame:
    """A row per kind of move: how often, and its share of the moves out of its stage."""
    if rows.empty:
        names = ["origin", "destination", "moves", "share", "low", "high", "back"]
        return pd.DataFrame(columns=names).astype({"moves": "int64", "back": "bool"})
    found = []
    own = customers[rows["case"]]
    origin, destination = rows["origin"].to_numpy(), rows["destination"].to_numpy()
    for start in _in_order(origin):
        out = origin == start
        place = np.unique(own[out], return_inverse=True)[1]
        trials = np.bincount(place)
        for end in _in_order(destination[out]):
            there = destination[out] == end
            share = clustered.share(np.bincount(place, there, len(trials)), trials)
            found.append(
                {
                    "origin": start,
                    "destination": end,
                    "moves": int(there.sum()),
                    "share": share.value,
                    "low": share.low,
                    "high": share.high,
                    "back": bool(rows["back"].to_numpy()[out][there].any()),
                }
            )
    return pd.DataFrame(found)


def _in_order(stages: NDArray[np.object_]) -> list[str]:
    """Each stage once, in the order of the process."""
    return sorted(set(stages), key=(*ORDER, REOPEN).index)


def main_loop(table: pd.DataFrame) -> tuple[str, str]:
    """The move back that is made most often."""
    back = table[table["back"]]
    if back.empty:
        return USUAL_LOOP
    most = back.loc[back["moves"].idxmax()]
    return str(most["origin"]), str(most["destination"])


def first_exits(rows: pd.DataFrame, loop: tuple[str, str]) -> pd.Series:
    """Of each case that has left the stage, whether it first left it backwards.

    Returns
    -------
    pandas.Series of bool, by case
        A case that is in the stage for the first time still has not left it and is not there.
    """
    out = rows[rows["origin"] == loop[0]].drop_duplicates("case")
    return out.set_index("case")["destination"].eq(loop[1])


def not_yet_past(last: pd.Series, resolved: pd.Series, stage: str) -> pd.Series:
    """Of each case that has not left a stage, whether it is in it or may still come to it.

    Parameters
    ----------
    last : pandas.Series of str
        The stage each case is in; missing where nothing is known of its steps.
    resolved : pandas.Series of bool
        Whether it is over; one opened again is not.
    stage : str

    Examples
    --------
    >>> last = pd.Series(["accept", "negotiate", "resolve", None, "accept"])
    >>> over = pd.Series([False, False, True, False, True])
    >>> not_yet_past(last, over, "negotiate").tolist()
    [True, True, False, True, False]
    """
    order = (*ORDER, REOPEN)
    place = order.index(stage)
    beyond = last.isin(order[place + 1 :])
    return ~(beyond | (resolved & (place < order.index("resolve"))))
