"""The complaints that have a text, with a label from the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.complaints.cases import cases, of_complaints
from crmlab.complaints.clusters import clusters
from crmlab.complaints.words import normalised
from crmlab.errors import CrmlabError
from crmlab.language import _
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace


@dataclass(frozen=True)
class Texts:
    """The complaints of a workspace that have a text.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per complaint: complaint_id, customer (a number; one of its own where the customer is
        not known), plain (the text in half-width and small letters) and recorded (the label in the
        record; missing where there is none).
    labelled : bool
        Whether complaints have the column of the label.
    left_out : tuple of Exclusion
    """

    frame: pd.DataFrame
    labelled: bool
    left_out: tuple[Exclusion, ...]


@once
def texts_of(crm: Workspace, label: str) -> Texts:
    """The complaints that have a text, with a label from the record.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text.
    label : str
        A column of complaints; where there is no such column all are without a label.

    Returns
    -------
    Texts

    Raises
    ------
    CrmlabError
        If the column of the label holds numbers, times, or yes and no.
    """
    labelled = crm.has("complaints", label)
    found = cases(crm, by=["text", label] if labelled else "text")
    frame = found.frame
    if labelled and not pd.api.types.is_string_dtype(frame[label]):
        raise CrmlabError(
            _(
                "complaints.{label} holds no words; a label is a column such as kind or cause."
            ).format(label=label)
        )
    plain = frame["text"].map(normalised, na_action=None)
    frame = pd.DataFrame(
        {
            "complaint_id": frame["complaint_id"],
            "customer": clusters(frame["customer_id"]),
            "plain": plain,
            "recorded": frame[label].astype("object") if labelled else None,
        }
    )
    empty = of_complaints(_("no text"), int((plain == "").sum()))
    left_out = [*found.exclusions(), *([empty] if empty.count else [])]
    kept = frame[plain != ""].reset_index(drop=True)
    kept["recorded"] = kept["recorded"].astype("object").where(kept["recorded"].notna(), None)
    return Texts(kept, labelled and bool(kept["recorded"].notna().any()), tuple(left_out))
