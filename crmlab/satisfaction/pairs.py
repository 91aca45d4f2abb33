"""Expectations and perceptions of the same items, answered in the same questionnaire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    items,
    of_questionnaires,
    responses,
    wide,
)
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Columns that questionnaires with answers to single items need.
NEEDS = {"surveys": ["response_id"], "answers": ["response_id", "item", "aspect", "value"]}
#: With answers of fewer customers than this no gap is judged.
FEWEST = 10


@dataclass(frozen=True)
class Pairs:
    """Expectations and perceptions of the same items, answered in the same questionnaire.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per questionnaire, as in `Responses`, with `cluster`, the number of the customer.
    expectation, perception : pandas.DataFrame
        With the index of `frame` and a column per item; NaN where either answer is missing.
    items : pandas.DataFrame
        The items in the order of the questionnaire: item, dimension, minimum, maximum, quality.
    found : Responses
        All answered questionnaires.
    """

    frame: pd.DataFrame
    expectation: pd.DataFrame
    perception: pd.DataFrame
    items: pd.DataFrame
    found: Responses

    @property
    def customers(self) -> int:
        """Customers who answered."""
        return int(self.frame["cluster"].nunique())

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        unasked = len(self.found.frame) - len(self.frame)
        return (*self.found.exclusions(), *_left_out(_no_pair(), unasked))

    def sentence(self) -> str:
        """Who answered, and what is left out."""
        who = ngettext(
            "{questionnaires} questionnaire of {customers} customers has the expectation and the "
            "perception of the same item.",
            "{questionnaires} questionnaires of {customers} customers have the expectation and "
            "the perception of the same item.",
            len(self.frame),
        ).format(questionnaires=number(len(self.frame)), customers=number(self.customers))
        return " ".join(part for part in (who, self.left_out()) if part)

    def left_out(self) -> str:
        """What is left out, in a sentence."""
        parts = [one.words() for one in self.exclusions()]
        said = _("Left out: {parts}.").format(parts=_("; ").join(parts)) if parts else ""
        return " ".join(part for part in (said, self.found.part) if part)


def _no_pair() -> str:
    return _("answered, but no item with both expectation and perception")


def _left_out(reason: str, count: int) -> list[Exclusion]:
    return [of_questionnaires(reason, count)] if count else []


@once
def pairs(crm: Workspace) -> Pairs:
    """The questionnaires with both the expectation and the perception of an item.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.

    Returns
    -------
    Pairs

    Raises
    ------
    NotEnoughData
        If no questionnaire has both, or these come from fewer than ten customers.
    CrmlabError
        If the items are declared with different scales: their gaps could not be averaged.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": [str(row) for row in range(12)]})
    >>> answers = pd.concat(
    ...     surveys.assign(item="tan1", aspect=aspect, value=value)
    ...     for aspect, value in {"expectation": 6.0, "perception": 5.0}.items()
    ... )
    >>> found = pairs(from_frames({"surveys": surveys, "answers": answers}))
    >>> found.customers, float((found.perception - found.expectation)["tan1"].mean())
    (12, -1.0)
    """
    found = responses(crm)
    expected, perceived = wide(crm, "expectation"), wide(crm, "perception")
    both = [item for item in expected if item in perceived]
    ids = found.frame["response_id"]
    expected, perceived = (table[both].reindex(ids) for table in (expected, perceived))
    complete = expected.notna() & perceived.notna()
    some = complete.any(axis=1).to_numpy()
    frame = found.frame[some].reset_index(drop=True)
    frame = frame.assign(cluster=clusters(frame))
    if frame["cluster"].nunique() < FEWEST:
        raise NotEnoughData(
            _(
                "Gaps need the expectation and the perception of the same item from {fewest} "
                "customers at least; there are {customers}."
            ).format(fewest=FEWEST, customers=frame["cluster"].nunique())
        )
    expected, perceived = (
        table.where(complete)[some].reset_index(drop=True).rename_axis(columns=None)
        for table in (expected, perceived)
    )
    return Pairs(frame, expected, perceived, one_scale(declared(crm, both)), found)


def declared(crm: Workspace, codes: Sequence[str]) -> pd.DataFrame:
    """What the workspace declares of some items; dimension is empty where it declares nothing."""
    table = items(crm).set_index("item").drop(columns="label").reindex(codes)
    names = ["dimension", "quality"]
    return table.assign(**table[names].fillna("")).rename_axis("item").reset_index()


def one_scale(items: pd.DataFrame) -> pd.DataFrame:
    """The items, if all that are declared have one scale.

    Raises
    ------
    CrmlabError
        If there are two; the message names an item of each.
    """
    known = items.dropna(subset=["minimum", "maximum"])
    scales = known.drop_duplicates(["minimum", "maximum"])
    if len(scales) < 2:
        return items
    parts = [
        _("{item} ({low} to {high})").format(
            item=row.item, low=number(row.minimum), high=number(row.maximum)
        )
        for row in scales.head(2).itertuples()
    ]
    raise CrmlabError(
        _(
            "Items with different scales cannot be averaged: {items}. Leave the answers of one "
            "scale out, or bring them to the other and declare it in the workspace."
        ).format(items=_("; ").join(parts))
    )


def by_dimension(values: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Mean answer of each questionnaire by dimension.

    Parameters
    ----------
    values : pandas.DataFrame
        A column per item.
    items : pandas.DataFrame
        item, dimension; items without a dimension do not count.

    Returns
    -------
    pandas.DataFrame
        A column per dimension; NaN where fewer than half of its items were answered.

    Raises
    ------
    NotEnoughData
        If no item has a dimension.

    Examples
    --------
    >>> values = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, None], "c": [None, None]})
    >>> items = pd.DataFrame({"item": ["a", "b", "c"], "dimension": ["one", "one", "one"]})
    >>> by_dimension(values, items)["one"].tolist()
    [2.0, nan]
    """
    found = {}
    for dimension, part in items[items["dimension"] != ""].groupby("dimension", sort=False):
        cells = values[part["item"].tolist()]
        enough = 2 * cells.notna().sum(axis=1) >= len(part)
        found[str(dimension)] = cells.mean(axis=1).where(enough)
    if not found:
        raise NotEnoughData(
            _(
                "No item with expectations and perceptions has a dimension. Declare the items and "
                "their dimensions in the workspace."
            )
        )
    return pd.DataFrame(found)


def overall_mean(dimensions: pd.DataFrame) -> pd.Series:
    """Mean over the dimensions, all alike; NaN where one is missing."""
    return dimensions.mean(axis=1).where(dimensions.notna().all(axis=1))
