"""The questionnaires that were answered, their items, and what is left out of the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.questionnaires import CONVENIENCE, part_of, with_all_columns
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, current_language
from crmlab.show.columns import shown
from crmlab.show.result import Exclusion, left_out_words

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace


@dataclass(frozen=True)
class Responses:
    """Questionnaires that were answered, with what was left out.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per answered questionnaire, with all columns of ``surveys``, those that the data do
        not have all missing; `weight` is 1 where the data have no weights at all.
    sent : int
        Questionnaires sent in the chosen modes, answered or not.
    left_out : dict of str to int
        Answered questionnaires of other modes, by mode.
    without_weight : int
        Answered questionnaires without a weight where others have one; they are left out.
    weighted : bool
        Whether the data give weights.
    modes : tuple of str
        The chosen modes; empty where the data name none.
    part : str
        What the questionnaires are a sample of, in words; empty if they are all.
    """

    frame: pd.DataFrame
    sent: int
    left_out: dict[str, int]
    without_weight: int
    weighted: bool
    modes: tuple[str, ...]
    part: str = ""

    @property
    def unanswered(self) -> int:
        """Questionnaires of the chosen modes that did not come back."""
        return self.sent - len(self.frame) - self.without_weight

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        found = {
            _("not answered"): self.unanswered,
            _("answered, but without a weight"): self.without_weight,
        }
        return excluded(found | of_other_modes(self.left_out))

    def sentence(self) -> str:
        """What is left out, in a sentence."""
        return questionnaires_left_out(self.exclusions(), self.part)


def excluded(counts: Mapping[str, int]) -> tuple[Exclusion, ...]:
    """Questionnaires left out for each reason; a reason without any is not named."""
    return tuple(
        Exclusion.of_questionnaires(reason, count) for reason, count in counts.items() if count
    )


def of_other_modes(counts: Mapping[str, int]) -> dict[str, int]:
    """Questionnaires of other modes, by the reason why they are left out."""
    return {
        _("asked in the mode {mode}").format(mode=shown("mode").written(mode, "")): count
        for mode, count in counts.items()
    }


def questionnaires_left_out(found: Sequence[Exclusion], part: str = "") -> str:
    """What was left out, in sentences, and what the questionnaires are a sample of."""
    return left_out_words(found, part, nothing=_("No questionnaire was left out."))


def responses(
    crm: Workspace, *, modes: Sequence[str] | None = None, weighted: bool = True
) -> Responses:
    """The answered questionnaires of a workspace.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id.
    modes : sequence of str, optional
        Modes that count. By default all in which the company chooses whom it asks: who calls the
        call centre has chosen itself.
    weighted : bool
        Whether a questionnaire without a weight is left out where others have one.

    Returns
    -------
    Responses

    Raises
    ------
    UnknownName
        If no questionnaire has one of the modes.
    NotEnoughData
        If no questionnaire of these modes was answered.

    Notes
    -----
    A questionnaire counts as answered when it has a time of answer; where the data have no such
    column, every one does. Those without a mode count in any case.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": ["1", "2", "3"], "overall": [4, 5, 2],
    ...     "mode": ["sample", "sample", "call_centre"]})
    >>> found = responses(from_frames({"surveys": surveys}))
    >>> found.frame["overall"].tolist(), found.left_out
    ([4, 5], {'call_centre': 1})
    """
    workspace, part = part_of(crm)
    surveys = with_all_columns(workspace.surveys)
    there = sorted(surveys["mode"].dropna().unique())
    unnamed = surveys["mode"].isna()
    chosen = _chosen(there, modes, bool(unnamed.any()))
    of_mode = unnamed | surveys["mode"].isin(chosen)
    answered = answered_in(crm, surveys)
    found = surveys[answered & of_mode]
    if found.empty:
        raise NotEnoughData(_("No questionnaire was answered, so nothing is known of anybody."))
    frame, has_weights = with_weights(found) if weighted else (found.assign(weight=1.0), False)
    return Responses(
        frame.reset_index(drop=True),
        int(of_mode.sum()),
        count_modes(surveys[answered & ~of_mode]),
        len(found) - len(frame),
        has_weights,
        tuple(chosen),
        part,
    )


def with_weights(frame: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The questionnaires that have a weight; all, with the weight 1, where none has one."""
    has = frame["weight"].notna()
    return (frame[has], True) if has.any() else (frame.assign(weight=1.0), False)


def count_modes(surveys: pd.DataFrame) -> dict[str, int]:
    """Questionnaires of each mode that is named."""
    counts = surveys["mode"].value_counts().sort_index()
    return {str(mode): int(count) for mode, count in counts.items()}


def weighed(found: Responses) -> Responses:
    """Only the questionnaires that count: a weight of 0 is as good as none.

    Parameters
    ----------
    found : Responses

    Returns
    -------
    Responses
        Those of weight 0 are counted in `without_weight`.

    Raises
    ------
    NotEnoughData
        If no weight is above 0.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": ["1", "2"], "weight": [2.0, 0.0]})
    >>> found = weighed(responses(from_frames({"surveys": surveys})))
    >>> len(found.frame), found.without_weight
    (1, 1)
    """
    counts = found.frame["weight"] > 0
    if not counts.any():
        raise NotEnoughData(_("All questionnaires have the weight 0, so none of them counts."))
    without = found.without_weight + int((~counts).sum())
    return replace(found, frame=found.frame[counts].reset_index(drop=True), without_weight=without)


def _chosen(there: Sequence[str], modes: Sequence[str] | None, unnamed: bool) -> list[str]:
    if modes is None:
        random = [mode for mode in there if mode not in CONVENIENCE]
        return random if random or unnamed else list(there)
    unknown = [mode for mode in modes if mode not in there]
    if unknown:
        raise UnknownName(
            _("No questionnaire has the mode {mode}; the modes are: {modes}.").format(
                mode=unknown[0], modes=_(", ").join(there) or _("none")
            )
        )
    return list(modes)


def answered_in(crm: Workspace, surveys: pd.DataFrame) -> pd.Series:
    """Which questionnaires were answered: those with a time of answer, or all if none has one."""
    if crm.has("surveys", "answered_at"):
        return surveys["answered_at"].notna()
    return pd.Series(True, surveys.index)


# --- what is known of a questionnaire besides its answers


def facts(crm: Workspace) -> pd.DataFrame:
    """What is known of the customer and the order of each questionnaire that was sent.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id.

    Returns
    -------
    pandas.DataFrame
        Index response_id; tier, customer_region, industry, size, scope, customer_type,
        account_manager of the customer; ordered_at, region, service_line, route, amount, damaged
        and on_time of the order. What is not known is missing.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": ["1", "2"], "customer_id": ["A", "B"]})
    >>> customers = pd.DataFrame({"customer_id": ["A"], "tier": ["key"]})
    >>> crm = from_frames({"surveys": surveys, "customers": customers})
    >>> facts(crm)["tier"].tolist()
    ['key', nan]
    """
    workspace, _said = part_of(crm)
    return workspace.query("questionnaires").set_index("response_id")


def grouped_by(crm: Workspace, frame: pd.DataFrame, by: str) -> pd.Series:
    """The group of each questionnaire: a column of the questionnaire, its customer or its order.

    Parameters
    ----------
    crm : Workspace
    frame : pandas.DataFrame
        Questionnaires, as in `Responses`: response_id, answered_at, sent_at.
    by : str
        A column of surveys (``"wave"``, ``"mode"``, ``"stratum"`` …), one of `facts` (``"tier"``,
        ``"region"``, ``"on_time"`` …) or ``"month"``: the first day of the month of the answer, or
        of the sending where no time of answer is given.

    Returns
    -------
    pandas.Series
        Named as `by`, with the index of `frame`; missing where it is not known.

    Raises
    ------
    UnknownName
        If there is no such column; the message lists those there are.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": ["1", "2"], "wave": ["2025-Q1", "2025-Q2"]})
    >>> crm = from_frames({"surveys": surveys})
    >>> grouped_by(crm, responses(crm).frame, "wave").tolist()
    ['2025-Q1', '2025-Q2']
    """
    if by == "month":
        return _month(frame)
    if by in frame.columns and crm.has("surveys", by):
        return frame[by].rename(by)
    known = facts(crm)
    there = [column for column in known if known[column].notna().any()]
    if by not in there:
        columns = [column for column in frame if crm.has("surveys", column)]
        raise UnknownName(
            _(
                "There is no column {column} to group the questionnaires by. There are: {names}."
            ).format(column=by, names=_(", ").join(["month", *columns, *there]))
        )
    return frame["response_id"].map(known[by]).rename(by)


def _month(frame: pd.DataFrame) -> pd.Series:
    moment = frame["answered_at"].fillna(frame["sent_at"])
    return moment.dt.to_period("M").dt.to_timestamp().rename("month")


# --- items


def items(crm: Workspace) -> pd.DataFrame:
    """The items of the questionnaire, as the workspace declares them.

    Parameters
    ----------
    crm : Workspace

    Returns
    -------
    pandas.DataFrame
        A row per item in the order of the questionnaire: item, dimension, label (in the current
        language; the item's code where none is given), minimum, maximum, quality (technical,
        functional or empty).
    """
    chinese = current_language() == "zh_CN"
    rows = [
        {
            "item": one.item,
            "dimension": one.dimension,
            "label": (one.label_zh if chinese else "") or one.label or one.item,
            "minimum": float(one.minimum),
            "maximum": float(one.maximum),
            "quality": one.quality,
        }
        for one in crm.settings.items
    ]
    names = ["item", "dimension", "label", "minimum", "maximum", "quality"]
    return pd.DataFrame(rows, columns=names)


def item_names(crm: Workspace) -> dict[str, str]:
    """Label of each item in the current language."""
    table = items(crm)
    return dict(zip(table["item"], table["label"], strict=True))


def dimension_names(crm: Workspace) -> dict[str, str]:
    """Label of each dimension in the current language; its code where crmlab has none.

    The five dimensions of SERVQUAL and the logistics service are named as the course does.
    """
    taught = {
        "tangibles": _("Tangibles"),
        "reliability": _("Reliability"),
        "responsiveness": _("Responsiveness"),
        "assurance": _("Assurance"),
        "empathy": _("Empathy"),
        "logistics_service": _("Logistics service"),
        "kano": _("Kano attributes"),
        "price": _("Price"),
    }
    found = dict.fromkeys(one.dimension for one in crm.settings.items if one.dimension)
    return {code: taught.get(code, code) for code in found}


def wide(
    crm: Workspace,
    aspect: str,
    *,
    dimensions: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The answers of one aspect, a row per questionnaire and a column per item.

    Parameters
    ----------
    crm : Workspace
        With answers: response_id, item, aspect, value.
    aspect : str
        Such as ``"perception"``, ``"expectation"`` or ``"importance"``.
    dimensions : sequence of str, optional
        Only the items of these dimensions.
    modes : sequence of str, optional
        As in `responses`.

    Returns
    -------
    pandas.DataFrame
        Index response_id; columns in the order of the questionnaire, items that are not declared
        last. An item that was not answered is NaN. Questionnaires without any are not there.

    Raises
    ------
    NotEnoughData
        If nobody answered such an item.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> answers = pd.DataFrame({"response_id": ["1", "1", "2"], "item": ["b", "a", "a"],
    ...     "aspect": "perception", "value": [2.0, 5.0, 4.0]})
    >>> wide(from_frames({"answers": answers}), "perception")
    item           a    b
    response_id
    1            5.0  2.0
    2            4.0  NaN
    """
    workspace, _said = part_of(crm) if crm.has("surveys") else (crm, "")
    answers = workspace.answers
    of = answers[(answers["aspect"] == aspect) & answers["value"].notna()]
    declared = [
        one
        for one in crm.settings.items
        if dimensions is None or one.dimension in tuple(dimensions)
    ]
    if dimensions is not None:
        of = of[of["item"].isin([one.item for one in declared])]
    if crm.has("surveys"):
        of = of[of["response_id"].isin(responses(crm, modes=modes).frame["response_id"])]
    if of.empty:
        raise NotEnoughData(
            _("No questionnaire has an answer to an item of the aspect {aspect}.").format(
                aspect=aspect
            )
        )
    table = of.pivot_table(index="response_id", columns="item", values="value")
    order = {one.item: place for place, one in enumerate(declared)}
    columns = sorted(table.columns, key=lambda item: (order.get(item, len(order)), item))
    return table[columns]


def clusters(frame: pd.DataFrame) -> np.ndarray:
    """Number of the customer of each questionnaire; who is not named stands alone.

    Parameters
    ----------
    frame : pandas.DataFrame
        With customer_id and response_id, as in `Responses`.
    """
    named = frame["customer_id"].where(
        frame["customer_id"].notna(), "response " + frame["response_id"].astype(str)
    )
    return np.asarray(pd.factorize(named)[0])
