"""What a group is called where its column is yes or no, and what a row of the orders is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crmlab.language import _
from crmlab.show import groups
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
    >>> group_name("tier", "key"), group_name("on_time", True)
    ('Key', 'On time: yes')
    """
    if pd.api.types.is_bool(value):
        column = shown(by, format="boolean")
        return _("{column}: {value}").format(column=column.label, value=column.written(value, ""))
    return groups.group_name(by, value)


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
