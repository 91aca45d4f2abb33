"""Groups in words: what each and a row of the orders is called, and which groups differ."""

from __future__ import annotations

from collections.abc import Mapping
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
    >>> group_name("tier", "key"), group_name("on_time", True), group_name("tier", None)
    ('Key', 'On time: yes', 'not given')
    """
    if pd.isna(value):
        return _("not given")
    if pd.api.types.is_bool(value):
        column = shown(by, format="boolean")
        return _("{column}: {value}").format(column=column.label, value=column.written(value, ""))
    return shown(by).written(value, "")


def record_names(record: str) -> str:
    """Rows of the orders, in the plural: orders, or order lines where that is what they are.

    Parameters
    ----------
    record : str
        As of the workspace's settings.

    Examples
    --------
    >>> record_names("order"), record_names("line")
    ('orders', 'order lines')
    """
    return _("order lines") if record == "line" else _("orders")


def formats_of(table: pd.DataFrame, *columns: str) -> Mapping[str, str]:
    """The format of the columns that are yes or no; a measure may use their names for counts.

    Examples
    --------
    >>> formats_of(pd.DataFrame({"on_time": [True], "tier": ["key"]}), "on_time", "tier")
    {'on_time': 'boolean'}
    """
    values = {name: table[name].dropna() for name in columns if name in table}
    return {
        name: "boolean"
        for name, own in values.items()
        if len(own) and own.map(pd.api.types.is_bool).all()
    }


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
