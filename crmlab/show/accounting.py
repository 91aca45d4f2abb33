"""The account of every row, as a reader sees it: labels in their language for names and steps."""

from __future__ import annotations

import pandas as pd

from crmlab.data import model
from crmlab.errors import UnknownName
from crmlab.language import _
from crmlab.show.columns import shown


def for_reader(accounting: pd.DataFrame) -> pd.DataFrame:
    """The account of the rows with labels for its columns, tables and steps.

    Parameters
    ----------
    accounting : DataFrame
        As a workspace hands it back: ``table``, ``file``, ``step``, ``rows``, ``remark``. Other
        columns, and steps not known here, keep their names.

    Returns
    -------
    DataFrame
        A copy, in the current language.
    """
    labelled = accounting.copy()
    if "table" in labelled:
        labelled["table"] = [_table(str(name)) for name in labelled["table"]]
    if "step" in labelled:
        words = _steps()
        labelled["step"] = [words.get(str(step), str(step)) for step in labelled["step"]]
    return labelled.rename(columns={name: shown(name).label for name in labelled.columns})


def _table(name: str) -> str:
    try:
        return model.table(name).shown()
    except UnknownName:
        return name


def _steps() -> dict[str, str]:
    return {
        "read": _("read"),
        "not_checked": _("not checked one by one"),
        "unread_columns": _("columns not read"),
        "filtered": _("left out by a filter"),
        "generated_key": _("given a key"),
        "stripped": _("spaces taken away"),
        "spaces": _("spaces kept"),
        "missing": _("taken as missing"),
        "without_customer": _("without a customer"),
        "questionnaires": _("questionnaires"),
        "unanswered": _("not answered"),
        "invalid": _("not valid"),
        "orphan": _("pointing to nothing"),
        "orphan_excluded": _("left out: pointing to nothing"),
        "combined": _("joined with others into one record"),
        "after_as_of": _("left out: later than the last day"),
        "masked": _("not yet known on the last day"),
        "not_sampled": _("not in the sample"),
        "kept": _("kept"),
        "kept_without_customer": _("kept, without a customer"),
    }
