"""The five principles of handling complaints (五项原则) as five indicators on one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.cases import cases
from crmlab.complaints.principle_figures import Figures
from crmlab.complaints.principle_values import PRINCIPLES, judged, training
from crmlab.complaints.principles_page import CONFIDENCE, FEWEST, Principles
from crmlab.complaints.record import record_fields
from crmlab.complaints.waits import waits
from crmlab.data import model
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.show.columns import model_column
from crmlab.show.result import Context, measure
from crmlab.stats.multiplicity import holding

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Shares to be reached where nothing else is said: a place to begin, for each company to replace.
TARGETS = {
    "prevention": 0.95,
    "recording": 0.98,
    "responsibility": 0.9,
    "front_line": 0.6,
    "timeliness": 0.9,
}


@measure(needs={"complaints": ["opened_at"]})
def principles(
    crm: Workspace,
    *,
    by: str | None = None,
    days: int = 60,
    targets: Mapping[str, float] | None = None,
    fields: pd.DataFrame | None = None,
) -> Principles:
    """How well complaints are handled by each of the five principles, on one page.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; and what each principle needs: prevention customer_id and
        cause; recording any columns; responsibility reassignments, or complaint_events with owner;
        front line first_contact_resolution; timeliness resolved_at, and due_at or the workspace's
        hours. One without its columns is left out by name.
    by : str, optional
        A column of complaints, their orders, customers or owners (staff), such as ``"team"``,
        ``"level"`` or ``"tier"``.
    days : int
        The same cause within so many days has come back.
    targets : mapping of str to float, optional
        The share to be reached by principle (prevention, recording, responsibility, front_line,
        timeliness); those not named keep `TARGETS`.
    fields : pandas.DataFrame, optional
        Which fields should be filled by when, as from `record_fields`.

    Returns
    -------
    Principles
        `.table` has a row per principle, with `by` per group and principle: the column of `by`,
        principle, complaints (judged), share (in which it was kept), low, high, target, left_out
        (not judged); with `by` also stands_out (from the others together; missing under five
        customers). `.overall` has the rows of all complaints together, `.beside` what goes with
        them by group, `.repeats` and `.record` the causes and the fields.

    Raises
    ------
    CrmlabError
        If `days` is below 1, or `targets` or `fields` name what is not there.
    UnknownName
        If `by` names no such column.
    NotEnoughData
        If no complaint is judged by any principle.

    Notes
    -----
    Prevention: complaints without one of the same cause by the same customer in the days before;
    only those of which these days lie within the data. Recording: fields that are filled, of those
    that could be by now. Responsibility: resolved complaints that stayed with one owner. Front
    line: resolved at first contact. Timeliness: resolved by the time due, of those due by the last
    day; open past it counts against us, due later is not judged even if resolved (of those only
    the quick ones can be seen), and it is the first resolution that counts.

    Shares have Wilson intervals with the complaints of a customer as a cluster. Groups are compared
    with all others by t tests over customers, corrected by Holm for all groups and principles.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585. Holm, S. (1979), Scandinavian
    Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": list("123"), "customer_id": list("ABC"),
    ...     "opened_at": ["2025-03-01 09:00"] * 3, "due_at": ["2025-03-03 09:00"] * 3,
    ...     "resolved_at": ["2025-03-02 09:00", "2025-03-04 09:00", None]})
    >>> found = principles(from_frames({"complaints": complaints}, as_of="2025-03-31"))
    >>> row = found.table.set_index("principle").loc["timeliness"]
    >>> int(row["complaints"]), round(float(row["share"]), 3)
    (3, 0.333)
    """
    if days < 1:
        raise CrmlabError(_("days = {value} is below 1.").format(value=days))
    aims = _aims(targets)
    names = [by] if by else []
    trained = crm.has("staff", "trained_on") and crm.has("complaints", "owner")
    asked = by in ("trained_on", "staff.trained_on")
    more = [*names, *(["trained_on"] if trained and not asked else [])]
    found = cases(crm, suggestions=False, by=more)
    by = by.rpartition(".")[2] if by else None
    frame = found.frame
    known = judged(crm, frame, days, record_fields() if fields is None else fields, CONFIDENCE)
    if not any(each.trials.any() for each in known.values.values()):
        raise NotEnoughData(_("No complaint can be judged by any of the five principles."))
    figures = Figures(frame, known, _waiting(crm), FEWEST, CONFIDENCE)
    everybody = np.ones(len(frame), bool)
    overall = _table(figures.shares(everybody), aims)
    beside, table = [figures.beside(everybody)], overall
    if by:
        groups, codes = _in_order(frame[by], by)
        table = _table(_by_group(figures, groups, codes, by), aims)
        beside += [{by: name} | figures.beside(codes == place) for place, name in enumerate(groups)]
    return Principles(
        table,
        Context.of(crm),
        overall.set_index("principle"),
        pd.DataFrame(beside),
        known,
        training(frame, CONFIDENCE) if trained else None,
        by or "",
        days,
        replace(found, frame=frame.head(0)),
    )


def _aims(targets: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(targets or {})
    wrong = sorted(set(given) - set(PRINCIPLES))
    if wrong:
        raise CrmlabError(
            _("targets names {names}, which is none of the principles: {principles}.").format(
                names=", ".join(map(str, wrong)), principles=", ".join(PRINCIPLES)
            )
        )
    for name, value in given.items():
        if not 0 <= value <= 1:
            raise CrmlabError(
                _("targets[{name}] = {value} is no share from 0 to 1.").format(
                    name=repr(name), value=value
                )
            )
    return TARGETS | given


def _table(rows: list[dict[str, Any]], aims: Mapping[str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    place = list(table.columns).index("high") + 1
    table.insert(place, "target", table["principle"].map(aims))
    return table.astype({"stands_out": "boolean"}) if "stands_out" in table else table


def _by_group(figures: Figures, groups: list[Any], codes: Any, by: str) -> list[dict[str, Any]]:
    """A row per group and principle, with whether the group differs from all others."""
    rows, chances = [], []
    for place, name in enumerate(groups):
        member = codes == place
        rows += [{by: name} | row for row in figures.shares(member)]
        chances += [figures.chance(each, member) for each in PRINCIPLES]
    apart = holding(chances, 1 - CONFIDENCE)
    return [row | {"stands_out": found} for row, found in zip(rows, apart, strict=True)]


def _in_order(values: pd.Series, by: str) -> tuple[list[Any], Any]:
    """The groups, and the number of the group of each complaint.

    Groups with codes come in the order of the model, others sorted, those not given last.
    """
    column = model_column(by) or model.Column(by, "text", by, by, "")
    known = sorted(values.dropna().unique())
    codes = list(column.codes)
    known.sort(key=lambda value: codes.index(value) if value in codes else len(codes))
    places = pd.Categorical(values, categories=known).codes.astype(int)
    missing = values.isna().to_numpy()
    places[missing] = len(known)
    return [*known, *([None] if missing.any() else [])], places


def _waiting(crm: Workspace) -> pd.DataFrame | None:
    if not crm.has("complaints", "first_response_at"):
        return None
    try:
        return waits(crm, "first_response").frame
    except NotEnoughData:
        return None
