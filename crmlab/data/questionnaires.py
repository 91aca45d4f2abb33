"""Questionnaires as every chapter takes them: with all columns, and no more than can be held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data import model
from crmlab.language import _, number

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Of more questionnaires than this a random sample of customers is taken.
LARGEST = 200_000
#: Ways of asking in which the company does not choose whom it asks.
CONVENIENCE = ("call_centre",)


def with_all_columns(surveys: pd.DataFrame) -> pd.DataFrame:
    """With every column of the model, so that no measure asks for one that is not there."""
    absent = {
        column.name: pd.Series(
            pd.NaT if column.type in ("datetime", "date") else np.nan, surveys.index
        )
        for column in model.table("surveys").columns
        if column.name not in surveys
    }
    return surveys.assign(**absent)


def part_of(crm: Workspace) -> tuple[Workspace, str]:
    """The workspace, or so many of its customers that their questionnaires can be held.

    Where no questionnaire names its customer there is nobody to draw, and all are used.
    """
    rows = crm.rows("surveys")
    if rows <= LARGEST:
        return crm, ""
    customers = int(crm.query("satisfaction_summary")["customer_id"].nunique())
    if not customers:
        return crm, ""
    some = max(1, int(customers * LARGEST / rows))
    said = _("Of {rows} questionnaires those of {some} customers drawn at random are used.")
    return crm.sample(customers=some), said.format(rows=number(rows), some=number(some))
