"""How each complaint was handled, and what the odds of a better answer afterwards go with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import cases, of_complaints
from crmlab.complaints.clusters import clusters
from crmlab.complaints.durations import HOUR, is_day
from crmlab.complaints.promises import kept
from crmlab.complaints.times import later_known
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number
from crmlab.show.columns import shown
from crmlab.show.once import once
from crmlab.show.result import Exclusion
from crmlab.stats.ordered import ordered

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: What may have been done about a complaint, in the order in which it is shown.
HANDLING = ("quick", "compensated", "told", "first_contact", "kept", "reassigned")
#: Steps of severity, from the least to the gravest.
SEVERITIES = ("low", "medium", "high")
#: An answer of so many points or more is satisfied.
SATISFIED = 4
#: With fewer customers than this a group is shown and not judged.
FEWEST = 5
#: What is known of less than this share of the answers is not in the regression.
KNOWN = 0.5
#: Codes that fewer answers have than this are taken together in the regression.
RARE = 10
#: Up to this share of times at midnight sharp are taken for the minute, more for mere days.
COINCIDENCE = 0.01
#: Of more answers than this a random part is taken for the regression.
LARGEST = 10_000
CONFIDENCE = 0.95
#: Columns of the table of `Adjusted`.
TERMS = ["term", "coefficient", "low", "high", "chance"]


@dataclass(frozen=True)
class Handled:
    """The complaints with what was done about them.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per complaint that is no suggestion: the columns of `cases`, and quick, compensated,
        told, first_contact, kept, reassigned (missing where it is not known), satisfied (1.0, 0.0,
        or NaN where the customer did not say) and cluster (number of the customer; who is not named
        stands alone).
    undated, suggestions : int
        Complaints left out, as in `Cases`.
    hours : float
        Within so many hours a first answer is quick.
    """

    frame: pd.DataFrame
    undated: int
    suggestions: int
    hours: float

    @property
    def answers(self) -> pd.DataFrame:
        """The complaints whose customer said afterwards how satisfied they are."""
        return self.frame[self.frame["satisfaction_after"].notna()].reset_index(drop=True)

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What was left out, counted; complaints without an answer among them."""
        silent = int(self.frame["satisfaction_after"].isna().sum())
        found = (
            of_complaints(_("day of opening not known"), self.undated),
            of_complaints(_("suggestion, which is welcome and no failure"), self.suggestions),
            of_complaints(_("satisfaction afterwards not known"), silent),
        )
        return tuple(one for one in found if one.count)


def check_hours(hours: float) -> None:
    """Refuse hours that are none."""
    if not 0 < hours <= 720:
        raise CrmlabError(
            _("hours = {value} is not above 0 and up to 720, a month.").format(value=hours)
        )


@once
def handled(crm: Workspace, *, hours: float = 4.0) -> Handled:
    """What was done about each complaint.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at.
    hours : float
        Within so many hours a first answer is quick.

    Returns
    -------
    Handled

    Raises
    ------
    NotEnoughData
        If there is no complaint that is not a suggestion.

    Notes
    -----
    A complaint that is still unanswered when the hours are over was not answered quickly; before
    that it is not known.
    Where a time is a mere day, an answer counts as quick, or not, only where no time of the day
    could change that. Compensated is one with money above 0, else one whose remedy is
    compensation; where no complaint has the money 0, none given means none paid, unless the case is
    still running. Whether a promise was kept is that of `crmlab.complaints.promises.kept`.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"], "opened_at": "2025-03-01 09:00",
    ...     "first_response_at": ["2025-03-01 11:00", "2025-03-02 09:00"]})
    >>> handled(from_frames({"complaints": complaints})).frame["quick"].tolist()
    [True, False]
    """
    check_hours(hours)
    found = cases(crm, suggestions=False)
    frame = found.frame
    end = pd.Timestamp(crm.as_of) + pd.Timedelta(days=1)
    said = frame["satisfaction_after"]
    frame = frame.assign(
        quick=_quick(crm, frame, hours, end),
        compensated=_compensated(crm, frame),
        told=frame["told_of_improvement"].astype("boolean"),
        first_contact=frame["first_contact_resolution"].astype("boolean"),
        kept=kept(crm, frame),
        reassigned=_reassigned(crm, frame),
        satisfied=(said >= SATISFIED).astype(float).where(said.notna()),
        cluster=clusters(frame["customer_id"]),
    )
    return Handled(frame, found.undated, found.suggestions, hours)


def _quick(crm: Workspace, frame: pd.DataFrame, hours: float, end: pd.Timestamp) -> pd.Series:
    quick = pd.Series(pd.NA, frame.index, dtype="boolean")
    if not crm.has("complaints", "first_response_at"):
        return quick
    opened, answered = frame["opened_at"], frame["first_response_at"]
    by_day = _mere_days(opened) | _mere_days(answered)
    days = (answered.dt.normalize() - opened.dt.normalize()) / HOUR
    wait = ((answered - opened) / HOUR).where(~by_day, days)
    # Between two mere days there may lie up to a day less or more than their difference.
    slack = np.where(by_day, 24.0, 0.0)
    quick[(wait >= 0) & (wait + slack <= hours)] = True
    quick[(wait >= 0) & (wait - slack > hours)] = False
    # What was resolved had an answer, whether it was written down or not.
    waiting = frame["first_response_at"].isna() & frame["resolved_at"].isna()
    quick[waiting & ((end - frame["opened_at"]) / HOUR > hours)] = False
    return quick


def _mere_days(times: pd.Series) -> pd.Series:
    """Which times are mere days: those at midnight, where that is more than a coincidence."""
    flags = is_day(times)
    return flags & bool(flags.sum() > COINCIDENCE * times.notna().sum())


def _compensated(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    money = frame["compensation"]
    paid = (money > 0).astype("boolean").where(money.notna())
    by_remedy = frame["remedy"].eq("compensation").astype("boolean")
    paid = paid.fillna(by_remedy.where(frame["remedy"].notna()))
    if money.notna().any() and not money.eq(0).any():
        answered = frame["satisfaction_after"].notna() | later_known(frame, "resolved")
        running = crm.has("complaints", "resolved_at") & frame["resolved_at"].isna() & ~answered
        paid = paid.where(paid.notna() | running, False)
    return paid


def _reassigned(crm: Workspace, frame: pd.DataFrame) -> pd.Series:
    if not crm.has("complaints", "reassignments"):
        return pd.Series(pd.NA, frame.index, dtype="boolean")
    many = frame["reassignments"].astype("Float64")
    return (many > 0).astype("boolean")


def handling_name(code: str, hours: float) -> str:
    """What a way of handling is called."""
    names = {
        "quick": _("First answer within {hours} hours").format(
            hours=number(hours, 0 if float(hours).is_integer() else 1)
        ),
        "compensated": _("Compensated"),
        "told": _("Told of the improvement"),
        "first_contact": _("Resolved at first contact"),
        "kept": _("Resolved within the promise"),
        "reassigned": _("Handed on to another owner"),
    }
    return names[code]


# --- the regression


@dataclass(frozen=True)
class Adjusted:
    """An ordered logit of the answer on all that is known of the handling.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per way of handling, and one for severity where its steps are known: term,
        coefficient, low, high (of the log-odds of a better answer), chance; empty where nothing
        could be fitted.
    controls : tuple of str
        Columns that it takes into account besides: severity, cause or kind, tier.
    answers : int
        Answers it was fitted to.
    incomplete : int
        Answers left out because something about them is not known.
    drawn_from : int
        Answers of which those were drawn at random; 0 where all were taken.
    """

    table: pd.DataFrame
    controls: tuple[str, ...]
    answers: int
    incomplete: int
    drawn_from: int

    def named(self) -> str:
        """What is taken into account besides the handling, in words; empty if nothing is."""
        return _(", ").join(shown(name).label for name in self.controls)


@once
def adjusted(crm: Workspace, *, hours: float = 4.0) -> Adjusted:
    """What the odds of a better answer go with, all else that is known being equal.

    Parameters
    ----------
    crm : Workspace
    hours : float
        As in `handled`.

    Returns
    -------
    Adjusted

    Notes
    -----
    The ways of handling that are known of half of the answers or more, severity, cause (else kind)
    and tier are put into one ordered logit of the answers of which all of them are known, with
    customers as clusters. Severity enters as steps where it is low, medium or high, else as
    categories. Where that finds no end, cause and tier are left out, then severity.
    """
    answers = handled(crm, hours=hours).answers
    flags = [name for name in HANDLING if _usable(answers, answers[name])]
    steps = answers["severity"].map({code: step for step, code in enumerate(SEVERITIES)})
    stepped = _usable(answers, steps) and bool(answers["severity"].dropna().isin(SEVERITIES).all())
    complete = answers[flags].notna().all(axis=1) & (steps.notna() | (not stepped))
    drawn = answers[complete]
    drawn_from = len(drawn) if len(drawn) > LARGEST else 0
    if drawn_from:
        drawn = drawn.sample(LARGEST, random_state=0)
    severity = pd.DataFrame({"severity": steps[drawn.index]}) if stepped else None
    named = ["cause" if _usable(drawn, drawn["cause"]) else "kind", "tier"]
    for names in (["severity", *named], ["severity"], []):
        x, used = _columns(drawn, flags, severity, names)
        table = _fitted(x, drawn, [*flags, *(["severity"] if "severity" in x else [])])
        if len(table):
            return Adjusted(table, used, len(drawn), int((~complete).sum()), drawn_from)
    return Adjusted(pd.DataFrame(columns=TERMS), (), 0, 0, 0)


def _usable(answers: pd.DataFrame, values: pd.Series) -> bool:
    """Whether enough is known, and enough customers have each of two values."""
    if not len(values) or values.notna().mean() < KNOWN:
        return False
    customers = answers.groupby(values.astype("object"))["cluster"].nunique()
    return int((customers >= FEWEST).sum()) > 1


def _columns(
    drawn: pd.DataFrame,
    flags: Sequence[str],
    severity: pd.DataFrame | None,
    names: Sequence[str],
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    parts, used = [drawn[list(flags)].astype(float)], []
    for name in names:
        if name == "severity" and severity is not None:
            codes = severity
        else:
            codes = _categories(drawn[name], name)
        if codes.shape[1]:
            parts.append(codes)
            used.append(name)
    return pd.concat(parts, axis=1), tuple(used)


def _categories(values: pd.Series, name: str) -> pd.DataFrame:
    """A column of 0 and 1 for each code but the commonest; rare codes are taken together."""
    text = values.astype("object").where(values.notna(), "")
    counts = text.map(text.value_counts())
    text = text.where(counts >= RARE, "\N{HORIZONTAL ELLIPSIS}")
    codes = text.value_counts()
    order = sorted(codes.index, key=lambda code: (-codes[code], str(code)))[1:]
    return pd.DataFrame(
        {f"{name} {code}": (text == code).astype(float) for code in order}, index=values.index
    )


def _fitted(x: pd.DataFrame, drawn: pd.DataFrame, terms: Sequence[str]) -> pd.DataFrame:
    if not terms:
        return pd.DataFrame(columns=TERMS)
    try:
        found = ordered(
            x, drawn["satisfaction_after"], clusters=drawn["cluster"], confidence=CONFIDENCE
        )
    except NotEnoughData:
        return pd.DataFrame(columns=TERMS)
    return found.table.loc[list(terms)].rename_axis("term").reset_index()
