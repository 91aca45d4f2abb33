"""Two aspects of the same items, such as expectation and perception, in the same questionnaire."""

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
    excluded,
    items,
    questionnaires_left_out,
    responses,
    weighed,
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
        All answered questionnaires that count.
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

    def exclusions(self, *besides: Exclusion) -> tuple[Exclusion, ...]:
        """What is left out, each with its count; `besides` is left out of the pairs."""
        unasked = len(self.found.frame) - len(self.frame)
        reason = _("answered, but no item with both expectation and perception")
        return (*self.found.exclusions(), *excluded({reason: unasked}), *besides)

    def sentence(self, *besides: Exclusion) -> str:
        """Who answered, and what is left out."""
        who = ngettext(
            "{questionnaires} questionnaire of {customers} customers has the expectation and the "
            "perception of the same item.",
            "{questionnaires} questionnaires of {customers} customers have the expectation and "
            "the perception of the same item.",
            len(self.frame),
        ).format(questionnaires=number(len(self.frame)), customers=number(self.customers))
        more = _("; ").join(one.words() for one in besides)
        parts = [who, questionnaires_left_out(self.exclusions(), self.found.part)]
        if more:
            parts.append(_("Left out besides: {parts}.").format(parts=more))
        return " ".join(part for part in parts if part)


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
    few = _(
        "Gaps need the expectation and the perception of the same item from {fewest} "
        "customers at least; there are {customers}."
    )
    found, frame, expected, perceived = of_both(crm, "expectation", "perception", few)
    return Pairs(frame, expected, perceived, one_scale(declared(crm, list(expected))), found)


def of_both(
    crm: Workspace, first: str, second: str, few: str
) -> tuple[Responses, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The answers to two aspects of the same items, where both were answered.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.
    first, second : str
        The aspects.
    few : str
        What is said if they come from fewer than ten customers.

    Returns
    -------
    tuple
        All answered questionnaires that count; those with both aspects of an item, with `cluster`;
        and their answers to either aspect, a column per item, NaN where the other is missing.
    """
    found = weighed(responses(crm))
    answers = [wide(crm, aspect) for aspect in (first, second)]
    items = [item for item in answers[0] if item in answers[1]]
    one, other = (table[items].reindex(found.frame["response_id"]) for table in answers)
    complete = one.notna() & other.notna()
    some = complete.any(axis=1).to_numpy()
    frame = found.frame[some].reset_index(drop=True)
    frame = frame.assign(cluster=clusters(frame))
    customers = frame["cluster"].nunique()
    if customers < FEWEST:
        raise NotEnoughData(few.format(fewest=FEWEST, customers=customers))
    one, other = (
        table.where(complete)[some].reset_index(drop=True).rename_axis(columns=None)
        for table in (one, other)
    )
    return found, frame, one, other


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
