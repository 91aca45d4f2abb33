"""What each complaint says of the five principles (五项原则): kept, broken, or not judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.promises import (
    KEPT,
    MISSED,
    NO_PROMISE,
    NOT_DUE,
    NOT_KNOWN,
    promises,
)
from crmlab.complaints.record import Record, record
from crmlab.complaints.repeats import Repeats, repeats
from crmlab.complaints.times import later_known
from crmlab.errors import NotEnoughData, TooLarge
from crmlab.stats import weighted
from crmlab.stats.clustered import Estimate
from crmlab.stats.ordered import ordered

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

PRINCIPLES = ("prevention", "recording", "responsibility", "front_line", "timeliness")
#: Columns of complaints without which nothing is known of a principle.
NEEDED = {
    "prevention": ("customer_id", "cause"),
    "recording": (),
    "responsibility": ("reassignments",),
    "front_line": ("first_contact_resolution",),
    "timeliness": ("resolved_at",),
}


class Values(NamedTuple):
    """What the complaints say of one principle.

    Attributes
    ----------
    hits, trials : numpy.ndarray, shape (complaints,)
        Cases in which it was kept, and all cases; no cases for a complaint that is not judged.
    left_out : dict of str to int
        Why complaints are not judged (a code), and how many.
    lacking : str
        Columns without which nothing is known; empty if it is.
    """

    hits: Array
    trials: Array
    left_out: dict[str, int]
    lacking: str


class Training(NamedTuple):
    """Resolution at first contact by owners trained before, and by the others.

    Attributes
    ----------
    trained, untrained : Estimate
    difference : Estimate
        Owners as clusters.
    odds_ratio : Estimate
        At equal severity, where it is known; NaN where it cannot be told.
    at_equal_severity : bool
        Whether the severity of any complaint is known.
    """

    trained: Estimate
    untrained: Estimate
    difference: Estimate
    odds_ratio: Estimate
    at_equal_severity: bool


class Judged(NamedTuple):
    """What all principles have in common.

    Attributes
    ----------
    values : dict of str to Values
    repeats : Repeats
    record : Record
    promises : pandas.Series
        As from `crmlab.complaints.promises.promises`.
    owners_agree : float
        Share of complaints of which reassignments and events say the same of one owner; NaN where
        one of the two is not there.
    from_events : bool
        Whether the number of owners is taken from the events, as reassignments are not given.
    """

    values: dict[str, Values]
    repeats: Repeats
    record: Record
    promises: pd.Series
    owners_agree: float
    from_events: bool


def judged(
    crm: Workspace, frame: pd.DataFrame, days: int, fields: pd.DataFrame, confidence: float
) -> Judged:
    """What the complaints say of each principle.

    Parameters
    ----------
    crm : Workspace
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`.
    days : int
        Days before a complaint in which the same cause counts as come back.
    fields : pandas.DataFrame
        As from `crmlab.complaints.record.record_fields`.
    confidence : float

    Returns
    -------
    Judged
    """
    again = repeats(frame, days, confidence)
    kept = record(crm, frame, fields)
    verdicts = promises(crm, frame)
    one_owner = _one_owner(frame)
    events = _owners_in_events(crm, frame)
    both = one_owner.notna() & events.notna()
    agree = float((one_owner[both] == events[both]).mean()) if both.any() else np.nan
    from_events = not crm.has("complaints", "reassignments") and bool(events.notna().any())
    values = {
        "prevention": Values(
            (again.judged & ~again.again).astype(float),
            again.judged.astype(float),
            {
                "too_early": again.too_early,
                "unnamed": again.unnamed,
            },
            "",
        ),
        "recording": Values(kept.filled, kept.required, {}, ""),
        "responsibility": _responsibility(crm, frame, events if from_events else one_owner),
        "front_line": _flags(frame["first_contact_resolution"], "contact_not_known"),
        "timeliness": _timeliness(verdicts),
    }
    values = {name: _with_lacking(crm, name, each, from_events) for name, each in values.items()}
    return Judged(values, again, kept, verdicts, agree, from_events)


def _with_lacking(crm: Workspace, name: str, values: Values, from_events: bool) -> Values:
    columns = [] if name == "responsibility" and from_events else list(NEEDED[name])
    absent = [column for column in columns if not crm.has("complaints", column)]
    if not absent:
        return values
    nothing = np.zeros(len(values.trials))
    named = ", ".join(f"complaints.{column}" for column in absent)
    return Values(nothing, nothing, {}, named)


def _flags(flags: pd.Series, reason: str) -> Values:
    known = flags.notna()
    hits = flags.fillna(False).astype(bool) & known
    return Values(hits.to_numpy(float), known.to_numpy(float), {reason: int((~known).sum())}, "")


def _responsibility(crm: Workspace, frame: pd.DataFrame, one_owner: pd.Series) -> Values:
    """Judged once it is resolved: an open complaint may still be handed on.

    Where no resolution is recorded at all, every complaint is judged.
    """
    done = frame["resolved_at"].notna() | later_known(frame, "resolved")
    if not done.any() and not crm.has("complaints", "resolved_at"):
        done = ~done
    found = _flags(one_owner.where(done), "owners_not_known")
    unknown = int((done & one_owner.isna()).sum())
    reasons = {
        "not_resolved": int((~done).sum()),
        "owners_not_known": unknown,
    }
    return found._replace(left_out=reasons)


def _timeliness(verdicts: pd.Series) -> Values:
    reasons = {
        "not_due": int((verdicts == NOT_DUE).sum()),
        "no_promise": int((verdicts == NO_PROMISE).sum()),
        "resolution_not_known": int((verdicts == NOT_KNOWN).sum()),
    }
    kept = (verdicts == KEPT).to_numpy(float)
    return Values(kept, kept + (verdicts == MISSED).to_numpy(float), reasons, "")


def _one_owner(frame: pd.DataFrame) -> pd.Series:
    times = frame["reassignments"]
    return times.eq(0).astype("boolean").where(times.notna())


def _owners_in_events(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    """Whether the events name one owner; missing where they name none or are not there."""
    nothing = pd.Series(pd.NA, frame.index, dtype="boolean")
    if not crm.has("complaint_events", "complaint_id", "owner"):
        return nothing
    try:
        events = crm.complaint_events
    except TooLarge:
        return nothing
    owners = events.dropna(subset=["owner"]).groupby("complaint_id")["owner"].nunique()
    found = frame["complaint_id"].map(owners)
    return found.eq(1).astype("boolean").where(found.notna())


def training(frame: pd.DataFrame, confidence: float) -> Training | None:
    """Resolution at first contact by owners trained before the complaint, and by the others.

    Parameters
    ----------
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`, with trained_on (of staff).
    confidence : float

    Returns
    -------
    Training or None
        None where nobody or everybody was trained, or fewer than two owners are known.

    Notes
    -----
    An owner of whom no training is known counts as not trained. Owners are the clusters: what one
    owner can do is seen in all of their complaints. The odds ratio is that of a logistic regression
    with a step for each severity, and one for where it is not known. Who is sent to training is no
    matter of chance, so it is an association.
    """
    known = frame["first_contact_resolution"].notna() & frame["owner"].notna()
    used = frame[known]
    trained = (pd.to_datetime(used["trained_on"]) < used["opened_at"]).to_numpy(bool)
    flags = used["first_contact_resolution"].astype(float).to_numpy()
    owners = used["owner"].to_numpy()
    if not trained.any() or trained.all() or len(np.unique(owners)) < 2:
        return None
    return Training(
        weighted.share(flags[trained], clusters=owners[trained], confidence=confidence),
        weighted.share(flags[~trained], clusters=owners[~trained], confidence=confidence),
        weighted.difference(flags, trained, ~trained, clusters=owners, confidence=confidence),
        _odds_ratio(used, trained, flags, owners, confidence),
        bool(used["severity"].notna().any()),
    )


def _odds_ratio(
    used: pd.DataFrame, trained: NDArray[np.bool_], flags: Array, owners: Array, confidence: float
) -> Estimate:
    # Missing is a step of its own: else it would count as the severity whose step is left out.
    steps = pd.get_dummies(used["severity"], dummy_na=True, dtype=float)
    steps = steps.loc[:, steps.any()].iloc[:, 1:]
    design = pd.DataFrame({"trained": trained.astype(float)}, index=used.index).join(steps)
    try:
        fit = ordered(design, flags, clusters=pd.factorize(owners)[0], confidence=confidence)
    except NotEnoughData:
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    found = np.exp(fit.table.loc["trained", ["coefficient", "low", "high"]].to_numpy(float))
    return Estimate(float(found[0]), float(found[1]), float(found[2]), np.nan)
