"""Everyone who was asked, answered or not, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from crmlab.data.questionnaires import CONVENIENCE, part_of, with_all_columns
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, number
from crmlab.satisfaction.responses import (
    answered_in,
    count_modes,
    excluded,
    facts,
    of_other_modes,
    questionnaires_left_out,
    with_weights,
)
from crmlab.show.columns import shown
from crmlab.show.result import Exclusion
from crmlab.stats.weighting import Raked, rake

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Ways of asking again those who did not answer.
AGAIN = ("follow_up",)
#: Category of those of whom it is not known.
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class Asked:
    """Everyone who was asked in ways the company chose, answered or not.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per questionnaire of the first try, with all columns of ``surveys``; `weight` is 1
        where the data have no weights; `answered`.
    again : pandas.DataFrame
        The same of those who were asked again because they had not answered.
    weighted : bool
        Whether the data give weights.
    without_weight : int
        Questionnaires without a weight where others have one; they are left out.
    left_out : dict of str to int
        Questionnaires of other modes, by mode.
    part : str
        What the questionnaires are a sample of, in words; empty if they are all.
    workspace : Workspace
        The workspace that was asked about.
    """

    frame: pd.DataFrame
    again: pd.DataFrame
    weighted: bool
    without_weight: int
    left_out: dict[str, int]
    part: str
    workspace: Workspace

    @property
    def silent(self) -> int:
        """Questionnaires of the first try that did not come back."""
        return int((~self.frame["answered"]).sum())

    def answers(self) -> pd.DataFrame:
        """Those of the first try that came back."""
        return self.frame[self.frame["answered"]].reset_index(drop=True)

    def with_again(self) -> pd.DataFrame:
        """All that came back, at first or when asked again."""
        again = self.again[self.again["answered"]]
        return pd.concat([self.answers(), again], ignore_index=True)

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        found = {_("without a weight"): self.without_weight}
        return excluded(found | of_other_modes(self.left_out))

    def sentence(self) -> str:
        """What is left out, in a sentence."""
        return questionnaires_left_out(self.exclusions(), self.part)


def asked(crm: Workspace) -> Asked:
    """Everyone who was asked, answered or not.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id and answered_at.

    Returns
    -------
    Asked

    Raises
    ------
    NotEnoughData
        If nobody answered, or everybody did: then the data do not say who was asked in vain.
    """
    workspace, part = part_of(crm)
    surveys = with_all_columns(workspace.surveys)
    surveys = surveys.assign(answered=answered_in(crm, surveys))
    others = set(surveys["mode"].dropna()) - {*CONVENIENCE, *AGAIN}
    usual = surveys["mode"].isna() | surveys["mode"].isin(others)
    again = surveys["mode"].isin(AGAIN)
    if not usual.any():
        usual = ~again
    sent = usual | again
    kept, weighted = with_weights(surveys[sent])
    first = kept[usual[kept.index]].reset_index(drop=True)
    _check(first)
    return Asked(
        first,
        kept[again[kept.index]].reset_index(drop=True),
        weighted,
        int(sent.sum()) - len(kept),
        count_modes(surveys[~sent]),
        part,
        crm,
    )


def _check(first: pd.DataFrame) -> None:
    if not first["answered"].any():
        raise NotEnoughData(_("No questionnaire was answered, so nothing is known of anybody."))
    if first["answered"].all():
        raise NotEnoughData(
            _(
                "All {count} questionnaires of the data were answered, so the data do not say who "
                "was asked in vain. Keep the questionnaires that did not come back too."
            ).format(count=number(len(first)))
        )


# --- what is known of everyone


def known(about: pd.DataFrame, frame: pd.DataFrame, name: str) -> pd.Series:
    """What is known of the customer or the order of each questionnaire, as a category.

    Parameters
    ----------
    about : pandas.DataFrame
        As from `facts`.
    frame : pandas.DataFrame
        With response_id.
    name : str
        A column of `facts`; ``"region"`` is the customer's where it is known, else the order's.

    Returns
    -------
    pandas.Series
        Of text, with the index of `frame`; `NOT_GIVEN` where it is not known.

    Raises
    ------
    UnknownName
        If it is known of nobody.
    """
    own = name == "region" and about["customer_region"].notna().any()
    column = "customer_region" if own else name
    if column not in about or not about[column].notna().any():
        there = [one for one in about if about[one].notna().any()]
        raise UnknownName(
            _("Of those asked, {column} is not known. Known are: {names}.").format(
                column=name, names=_(", ").join(there) or _("none")
            )
        )
    values = frame["response_id"].map(about[column])
    return values.astype(object).where(values.notna(), NOT_GIVEN).astype(str).rename(name)


def labels_of(names: Sequence[str]) -> dict[str, str]:
    """Label of each characteristic in the current language."""
    own = {
        "late": _("Late order"),
        "large": _("Revenue above the median"),
        "complained": _("Has complained"),
        "on_time": _("Order on time"),
    }
    return {name: own.get(name) or shown(name).label for name in names}


def category_labels(names: Sequence[str]) -> dict[str, str]:
    """Label of each category of these characteristics in the current language."""
    found = {NOT_GIVEN: _("not given"), "True": _("yes"), "False": _("no")}
    for name in names:
        found |= shown(name).values
    return found


def category_name(row: Any) -> str:
    """Characteristic and category of a row of a table, in the current language."""
    label = labels_of([row.characteristic])[row.characteristic]
    if row.category == "":
        return label
    codes = category_labels([row.characteristic])
    return f"{label} · {codes.get(row.category, row.category)}"


def usable(found: Asked, margins: Sequence[str]) -> tuple[str, ...]:
    """Those of the characteristics that are known of anybody who was asked."""
    about = facts(found.workspace)
    return tuple(name for name in margins if _is_known(about, found.frame, name))


def _is_known(about: pd.DataFrame, frame: pd.DataFrame, name: str) -> bool:
    try:
        known(about, frame, name)
    except UnknownName:
        return False
    return True


def rake_to_asked(found: Asked, answers: pd.DataFrame, margins: Sequence[str]) -> Raked:
    """Answers raked to everyone who was asked, by the weights of the sample."""
    about = facts(found.workspace)
    totals = {name: totals_of_asked(found, about, name) for name in margins}
    of = pd.DataFrame({name: known(about, answers, name) for name in margins})
    return rake(of, totals, answers["weight"])


def totals_of_asked(found: Asked, about: pd.DataFrame, name: str) -> pd.Series:
    """Weight of everyone who was asked, by category of a characteristic."""
    return found.frame["weight"].groupby(known(about, found.frame, name)).sum()


# --- words and decisions


def points(size: float) -> str:
    """A difference with two decimals, and never a minus before nothing.

    Examples
    --------
    >>> points(-0.0013), points(-0.25)
    ('0.00', '-0.25')
    """
    return number(round(size, 2) + 0.0, 2)
