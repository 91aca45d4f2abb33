"""The record of a complaint (记录): which fields are filled of those that could be by now."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crmlab.complaints.times import STEPS, later_known
from crmlab.data import model
from crmlab.errors import CrmlabError
from crmlab.language import _

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

COLUMNS = ("field", "known_by")


class Record(NamedTuple):
    """How complete the record is.

    Attributes
    ----------
    required, filled : numpy.ndarray, shape (complaints,)
        Fields of each complaint that could be known by now, and those of them that are filled.
    by_field : pandas.DataFrame
        A row per field: field, complaints (that should have it), filled, share; the least complete
        first.
    not_kept : tuple of str
        Fields that the data do not have at all.
    """

    required: np.ndarray
    filled: np.ndarray
    by_field: pd.DataFrame
    not_kept: tuple[str, ...]


@cache
def _fields() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "record_fields.csv", encoding="utf-8")


def record_fields() -> pd.DataFrame:
    """Which fields of a complaint should be filled by when: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per field: field (a column of complaints) and known_by (the step after which it should
        be filled: opened, first_response, accepted, investigated, negotiated, resolved,
        followed_up).

    Examples
    --------
    >>> record_fields().head(2)
             field known_by
    0  customer_id   opened
    1         kind   opened
    """
    return _fields().copy()


def record(crm: Workspace, frame: pd.DataFrame, fields: pd.DataFrame) -> Record:
    """How complete the record of each complaint is.

    Parameters
    ----------
    crm : Workspace
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`.
    fields : pandas.DataFrame
        As from `record_fields`.

    Returns
    -------
    Record

    Raises
    ------
    CrmlabError
        If a column lacks, or a field or a step is none.

    Notes
    -----
    A field that the data do not have at all may be kept elsewhere; it is named and not counted. A
    promise that only the workspace's rules make is not recorded.
    """
    _check(frame, fields)
    kept = [field for field in fields["field"] if crm.has("complaints", field)]
    required, filled = np.zeros(len(frame)), np.zeros(len(frame))
    rows = []
    for field, step in fields[["field", "known_by"]].itertuples(index=False):
        if field not in kept:
            continue
        must = _over(frame, step)
        has = frame[field].notna().to_numpy() & must
        if field == "due_at":
            has &= ~frame["due_by_rule"].to_numpy()
        required += must
        filled += has
        rows.append({"field": field, "complaints": int(must.sum()), "filled": int(has.sum())})
    table = pd.DataFrame(rows, columns=["field", "complaints", "filled"])
    table = table[table["complaints"] > 0]
    table = table.assign(share=table["filled"] / table["complaints"])
    table = table.sort_values("share", kind="stable", ignore_index=True)
    absent = tuple(field for field in fields["field"] if field not in kept)
    return Record(required, filled, table, absent)


def _over(frame: pd.DataFrame, step: str) -> np.ndarray:
    """Whether the step is over: its time is known, or that of a later one."""
    done = frame[f"{step}_at"].notna() | later_known(frame, step)
    return np.asarray(done, bool)


def _check(frame: pd.DataFrame, fields: pd.DataFrame) -> None:
    lacking = [name for name in COLUMNS if name not in fields]
    if lacking:
        raise CrmlabError(
            _("The table of fields lacks: {names}. record_fields() has them.").format(
                names=", ".join(lacking)
            )
        )
    steps = [step for step in STEPS if step not in ("due", "reopened")]
    wrong = sorted(set(fields["known_by"]) - set(steps), key=str)
    if wrong:
        raise CrmlabError(
            _("known_by = {values} is none of the steps: {names}.").format(
                values=", ".join(map(str, wrong)), names=", ".join(steps)
            )
        )
    allowed = [name for name in model.table("complaints").names if name in frame]
    wrong = sorted(set(fields["field"]) - set(allowed), key=str)
    if wrong:
        raise CrmlabError(
            _("field = {values} is none of: {names}.").format(
                values=", ".join(map(str, wrong)), names=", ".join(allowed)
            )
        )
