"""Groups in words: what each is called, and which of them differ from the others."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crmlab.language import _, number, percent
from crmlab.show.columns import shown


def group_name(by: str, value: Any) -> str:
    """A group in the current language.

    Parameters
    ----------
    by : str
        The column that makes the groups.
    value : object
        Its value; missing for those of whom it is not given.

    Examples
    --------
    >>> group_name("tier", "key"), group_name("tier", None)
    ('Key', 'not given')
    """
    return _("not given") if pd.isna(value) else shown(by).written(value, "")


def those_apart(table: pd.DataFrame, by: str, compared: int) -> str:
    """Which groups differ from the others together, in a sentence.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per group: the column of `by`, share, stands_out (missing where it is not judged).
    by : str
    compared : int
        Groups for whose number chance was corrected.

    Examples
    --------
    >>> table = pd.DataFrame({"tier": ["key", "general"], "share": [0.5, 0.25]})
    >>> table["stands_out"] = pd.array([True, None], dtype="boolean")
    >>> those_apart(table, "tier", 2).split(": ")[1]
    'Key 50.0%.'
    """
    apart = table[table["stands_out"].fillna(False).astype(bool)]
    if apart.empty:
        return _(
            "No group differs from the others together by more than chance would bring about "
            "among {groups} groups."
        ).format(groups=number(compared))
    return _(
        "Different from the others together by more than chance would bring about among "
        "{groups} groups: {names}."
    ).format(
        groups=number(compared),
        names=_("; ").join(
            _("{group} {share}").format(group=group_name(by, row[by]), share=percent(row["share"]))
            for _index, row in apart.iterrows()
        ),
    )
