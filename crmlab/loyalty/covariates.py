"""What customers are compared by in a model: covariates, their levels, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.loyalty.stays import COVARIATES, Groups, Stays, grouped, known
from crmlab.show.columns import shown

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Whether another customer has recommended us; made of customers.referred_by.
REFERRED = "referred"
#: Levels with fewer events are put together.
FEWEST = 5
#: Codes of levels that are none of the data's.
NOT_GIVEN, OTHERS, YES, NO = "(not given)", "(others)", "(yes)", "(no)"
USUAL = ("tier", REFERRED, "acquisition_channel", "customer_type", "region", "size")


def covariate_name(code: str) -> str:
    """A covariate in the current language."""
    return _("Referred by a customer") if code == REFERRED else shown(code).label


def level_names(covariates: Sequence[str]) -> dict[str, str]:
    """The levels of these covariates in the current language, by code."""
    levels: dict[str, str] = {}
    for name in covariates:
        levels |= shown(name).values
    own = {
        NOT_GIVEN: _("not given"),
        OTHERS: _("others together"),
        YES: _("yes"),
        NO: _("no"),
    }
    return levels | own


def level_name(covariate: str, code: str) -> str:
    """A level of a covariate in the current language."""
    return level_names([covariate]).get(code, code)


def compared(covariate: str, level: str, reference: str) -> str:
    """A level against the reference, as it stands beside its ratio."""
    return _("{covariate}: {level} / {reference}").format(
        covariate=covariate_name(covariate),
        level=level_name(covariate, level),
        reference=level_name(covariate, reference),
    )


def covariates_of(crm: Workspace, covariates: Sequence[str] | None) -> list[str]:
    """The covariates that are known."""
    possible = [*COVARIATES, REFERRED]
    there = [name for name in possible if _is_known(crm, name)]
    if covariates is None:
        names = [name for name in USUAL if name in there]
    else:
        names = [covariates] if isinstance(covariates, str) else list(dict.fromkeys(covariates))
        wrong = [name for name in names if name not in there]
        if wrong:
            raise CrmlabError(
                _("Nothing is known of {wrong}; covariates can be: {names}.").format(
                    wrong=_(", ").join(wrong), names=_(", ").join(there) or _("none")
                )
            )
    if not names:
        raise NotEnoughData(_("Nothing is known of customers by which they could be compared."))
    return names


def _is_known(crm: Workspace, name: str) -> bool:
    if name == "tier" and crm.has("orders", "customer_id", "ordered_at", "amount"):
        return True
    return known(crm, "referred_by" if name == REFERRED else name)


def with_levels(crm: Workspace, found: Stays, names: Sequence[str]) -> tuple[pd.DataFrame, Groups]:
    """The customers who were watched, with the level of each covariate as text."""
    groups = Groups(found.frame, "tier" if "tier" in names else "", [], False, ())
    if "tier" in names and not known(crm, "tier"):
        groups = grouped(crm, found, "tier")
    frame = groups.frame.copy()
    listed = crm.has("customers", "customer_id")
    customers = crm.customers.dropna(subset=["customer_id"]) if listed else pd.DataFrame()
    for name in names:
        if name == "tier" and groups.landmark:
            continue
        column = customers.set_index("customer_id")["referred_by" if name == REFERRED else name]
        value = frame["customer_id"].map(column)
        if name == REFERRED:
            frame[name] = np.where(value.notna(), YES, NO)
        else:
            frame[name] = value.astype("str").where(value.notna(), NOT_GIVEN)
    return frame, groups


def combined(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Levels of few events put together, and how many customers that concerns."""
    frame, touched = frame.copy(), pd.Series(False, frame.index)
    for name in names:
        events = frame.groupby(name)["event"].sum()
        few = events.index[events < FEWEST]
        if len(few) > 1:
            rows = frame[name].isin(few)
            frame.loc[rows, name] = OTHERS
            touched |= rows
    return frame, int(touched.sum())


def estimable(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Rows in no level without an event."""
    kept = pd.Series(True, frame.index)
    for name in names:
        kept &= frame.groupby(name)["event"].transform("any").astype(bool)
    return kept


class Design(NamedTuple):
    """What a model compares customers by.

    Attributes
    ----------
    columns : pandas.DataFrame
        A column per level but the reference, named ``covariate=level``: 1 for its customers, else
        0.
    references : dict of str to str
        By covariate the level that the others are compared with.
    alike : tuple of str
        Covariates left out, as all customers are alike in them.
    redundant : tuple of str
        Covariates left out, as they follow from those before.
    """

    columns: pd.DataFrame
    references: dict[str, str]
    alike: tuple[str, ...]
    redundant: tuple[str, ...]


def design_of(frame: pd.DataFrame, names: Sequence[str]) -> Design:
    """The columns of a model of customers who are all in levels that some have left."""
    references: dict[str, str] = {}
    alike, redundant = [], []
    columns = pd.DataFrame(index=frame.index)
    for name in names:
        events = frame.groupby(name)["event"].sum().sort_values(ascending=False, kind="stable")
        levels = [str(level) for level in events.index]
        if len(levels) < 2:
            alike.append(name)
            continue
        reference = NO if name == REFERRED else levels[0]
        own = {
            f"{name}={level}": (frame[name] == level).astype(float)
            for level in levels
            if level != reference
        }
        joined = pd.concat([columns, pd.DataFrame(own)], axis=1)
        if np.linalg.matrix_rank(joined.corr(), tol=1e-9) < joined.shape[1]:
            redundant.append(name)
            continue
        columns, references[name] = joined, reference
    if columns.empty:
        raise NotEnoughData(
            _("In what is known of customers all who were watched are alike, or none has left.")
        )
    return Design(columns, references, tuple(alike), tuple(redundant))
