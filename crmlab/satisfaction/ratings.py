"""Ratings of items and an outcome: what the regressions of the chapter start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    item_names,
    items,
    responses,
    weighed,
    wide,
)
from crmlab.show.columns import shown
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

NEEDS = {
    "surveys": ["response_id", "overall"],
    "answers": ["response_id", "item", "aspect", "value"],
}
#: What is needed where the outcome is itself an item or a dimension of the questionnaire.
ANSWERS = {
    "surveys": ["response_id"],
    "answers": ["response_id", "item", "aspect", "value"],
}
#: The dimension that is the outcome where overall satisfaction was not asked.
SATISFACTION = "satisfaction"
#: The items that are rated by everyone in the book's questionnaire.
USUAL = "logistics_service"
#: Fewer questionnaires per item than this are not enough for a regression.
PER_ITEM = 10
#: An ordered logit takes its time; of more questionnaires than this a part is used.
LARGEST = 20_000


@dataclass(frozen=True)
class Rated:
    """The questionnaires that rated every item and gave the outcome.

    Attributes
    ----------
    x : pandas.DataFrame
        Ratings, a row per questionnaire (index response_id), a column per item.
    y : pandas.Series
        The outcome.
    weights : numpy.ndarray
    clusters : numpy.ndarray
        Number of the customer.
    answered : Responses
    incomplete : int
        Answered questionnaires without the outcome or without a rating.
    alike : tuple of str
        Items that all rated alike; they explain nothing and are left out.
    scale : pandas.DataFrame
        Of each item: minimum and maximum, as declared or else as observed.
    of_all : int
        Questionnaires from which these were drawn, if they are too many to use all; else 0.
    """

    x: pd.DataFrame
    y: pd.Series
    weights: Array
    clusters: Array
    answered: Responses
    incomplete: int
    alike: tuple[str, ...]
    scale: pd.DataFrame
    of_all: int = 0

    @property
    def customers(self) -> int:
        """Customers who gave these answers."""
        return len(np.unique(self.clusters))

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, counted."""
        more = (
            Exclusion.of_questionnaires(_("an item or the outcome not answered"), self.incomplete),
        )
        return (*self.answered.exclusions(), *(more if self.incomplete else ()))

    def sentence(self, names: Mapping[str, str]) -> str:
        """What is left out, in words."""
        found = [self.answered.sentence()]
        if self.incomplete:
            found.append(
                ngettext(
                    "So is {count} questionnaire in which an item or the outcome is not answered.",
                    "So are {count} questionnaires in which an item or the outcome is not "
                    "answered.",
                    self.incomplete,
                ).format(count=number(self.incomplete))
            )
        if self.alike:
            found.append(
                _("Everyone rated these alike, so nothing can be said of them: {items}.").format(
                    items=listed(self.alike, names)
                )
            )
        if self.of_all:
            found.append(
                _("Of {all} questionnaires those of customers drawn at random are used: {some}.")
                .format(all=number(self.of_all), some=number(len(self.x)))
            )  # fmt: skip
        if not self.answered.weighted:
            found.append(_("No weights are given, so every questionnaire counts alike."))
        return " ".join(found)


def usual_outcome(crm: Workspace) -> str:
    """Overall satisfaction; where it was not asked, the dimension that is called satisfaction.

    Raises
    ------
    NotEnoughData
        If there is neither.
    """
    if crm.has("surveys", "overall"):
        return "overall"
    if SATISFACTION in set(items(crm)["dimension"]):
        return SATISFACTION
    raise NotEnoughData(
        _(
            "Drivers need an outcome: the column surveys.overall, or items of a dimension called "
            "satisfaction. Name another one with of=."
        )
    )


def rated(
    crm: Workspace,
    of: str = "overall",
    chosen: str | Sequence[str] | None = None,
    *,
    most: int | None = None,
) -> Rated:
    """Ratings of items and an outcome, from the questionnaires that have them all.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id and the outcome; answers: response_id, item, aspect, value.
    of : str
        A column of surveys that holds numbers; an item that was rated; or a dimension, which
        stands for the mean of its items. What is the outcome is not among the ratings.
    chosen : str or sequence of str, optional
        A dimension of the questionnaire, or items; by default the items of logistics service, and
        where the questionnaire has none, all that are rated.
    most : int, optional
        Of more questionnaires than this those of customers drawn at random are used, about as many.

    Returns
    -------
    Rated

    Raises
    ------
    UnknownName
        If there is no such dimension or item, or the outcome is no number.
    NotEnoughData
        If fewer than two items differ, there are fewer than ten questionnaires per item, or fewer
        customers than a regression over customers needs: two more than items.
    """
    answered = weighed(responses(crm))
    frame = answered.frame.set_index("response_id")
    outcome, own = _outcome(crm, frame, of)
    ratings = _ratings(crm, chosen)
    ratings = ratings[ratings.index.isin(frame.index)]
    ratings = ratings.drop(columns=[item for item in own if item in ratings])
    outcome = outcome.reindex(ratings.index)
    complete = ratings.notna().all(axis=1) & outcome.notna()
    x, y = ratings[complete], outcome[complete]
    differ = x.max() > x.min()
    alike = tuple(x.columns[~differ]) if len(x) else ()
    x = x.loc[:, differ] if len(x) else x
    rows = frame.loc[x.index]
    _check_enough(x, y, len(np.unique(clusters(rows.reset_index()))))
    found = Rated(
        x,
        y,
        rows["weight"].to_numpy(float),
        clusters(rows.reset_index()),
        answered,
        len(frame) - len(x),
        alike,
        _scale(crm, x),
    )
    return found if most is None or len(x) <= most else _drawn(found, most)


def _drawn(ratings: Rated, most: int) -> Rated:
    """About so many of the questionnaires, all of a customer or none."""
    customers = np.unique(ratings.clusters, return_inverse=True)[1]
    lot = np.random.default_rng(0).random(customers.max() + 1)[customers]
    used = lot <= np.sort(lot)[most - 1]
    return replace(
        ratings,
        x=ratings.x[used],
        y=ratings.y[used],
        weights=ratings.weights[used],
        clusters=ratings.clusters[used],
        of_all=len(ratings.x),
    )


def _outcome(crm: Workspace, frame: pd.DataFrame, of: str) -> tuple[pd.Series, list[str]]:
    """The outcome of each questionnaire, and the items that it is made of."""
    if of in frame and pd.api.types.is_numeric_dtype(frame[of]):
        return frame[of].astype(float), []
    declared = items(crm)
    if of in set(declared["dimension"]):
        answers = wide(crm, "perception", dimensions=[of])
        return answers.mean(axis=1, skipna=False), list(answers)
    if of in set(declared["item"]):
        return wide(crm, "perception")[of], [of]
    raise UnknownName(
        _(
            "The outcome is a column of surveys that holds numbers, such as overall, or an item or "
            "a dimension of the questionnaire; not {of}."
        ).format(of=of)
    )


def _ratings(crm: Workspace, chosen: str | Sequence[str] | None) -> pd.DataFrame:
    declared = items(crm)
    dimensions = declared["dimension"].unique()
    if chosen is None and USUAL in dimensions:
        chosen = USUAL
    if chosen is None:
        return wide(crm, "perception")
    if isinstance(chosen, str):
        if chosen not in dimensions:
            raise UnknownName(
                _("The questionnaire has no dimension {name}; it has: {names}.").format(
                    name=chosen, names=_(", ").join(dimensions) or _("none")
                )
            )
        return wide(crm, "perception", dimensions=[chosen])
    ratings = wide(crm, "perception")
    unknown = [item for item in chosen if item not in ratings]
    if unknown:
        raise UnknownName(
            _("Nobody rated the item {name}; rated were: {names}.").format(
                name=unknown[0], names=_(", ").join(ratings.columns)
            )
        )
    return ratings[list(chosen)]


def _check_enough(x: pd.DataFrame, y: pd.Series, customers: int) -> None:
    if len(x) < PER_ITEM * x.shape[1] or x.shape[1] < 2:
        raise NotEnoughData(
            _(
                "Drivers need at least 2 items that are not rated alike by everyone, and {least} "
                "questionnaires per item that have them all; there are {items} items and {count} "
                "questionnaires. Name fewer items."
            ).format(least=PER_ITEM, items=x.shape[1], count=number(len(x)))
        )
    if customers < x.shape[1] + 2:
        raise NotEnoughData(
            _(
                "Drivers need the answers of {least} customers at least, 2 more than items, as the "
                "answers of one customer are alike; there are {customers}. Name fewer items."
            ).format(least=x.shape[1] + 2, customers=customers)
        )
    if not y.max() > y.min():
        raise NotEnoughData(
            _("All {count} questionnaires give the same outcome, so nothing drives it.").format(
                count=number(len(y))
            )
        )


def _scale(crm: Workspace, x: pd.DataFrame) -> pd.DataFrame:
    declared = items(crm).set_index("item")[["minimum", "maximum"]]
    declared = declared.reindex(x.columns).astype(float)
    return pd.DataFrame(
        {
            "minimum": declared["minimum"].fillna(x.min()),
            "maximum": declared["maximum"].fillna(x.max()),
        }
    )


# --- words


def quoted(item: str, names: Mapping[str, str]) -> str:
    """The item's label in quotation marks, as its wording is a sentence of its own."""
    return _("“{item}”").format(item=names.get(item, item))


def listed(chosen: Sequence[str], names: Mapping[str, str]) -> str:
    """The labels of several items."""
    return _(", ").join(quoted(item, names) for item in chosen)


def outcome_name(of: str) -> str:
    """Name of the outcome as it stands inside a sentence."""
    known = {
        "overall": _("overall satisfaction"),
        "recommend": _("the will to recommend"),
        SATISFACTION: _("satisfaction"),
    }
    return known.get(of) or shown(of).label


def names_of(crm: Workspace, ratings: Rated) -> dict[str, str]:
    """The label of each item rated; its code where none is declared."""
    known = item_names(crm)
    return {item: known.get(item, item) for item in ratings.x}


# --- small figures


def inflation(x: pd.DataFrame, weights: Array) -> Array:
    """Variance inflation factors; infinite where others determine a rating.

    Examples
    --------
    >>> x = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 4, 6, 8], "c": [1, -1, -1, 1]})
    >>> inflation(x, np.ones(4)).round(3).tolist()
    [inf, inf, 1.0]
    """
    from statsmodels.stats.weightstats import DescrStatsW

    together = DescrStatsW(x, weights=weights).corrcoef
    inverse = np.linalg.pinv(together, rcond=1e-10, hermitian=True)
    determined = np.abs(together @ inverse - np.eye(len(together))).max(axis=1) > 1e-6
    return np.where(determined, np.inf, np.diagonal(inverse))


def check_apart(ratings: Rated) -> None:
    """Stop where some ratings determine others, so that no coefficient is their own.

    Raises
    ------
    NotEnoughData
    """
    determined = np.isinf(inflation(ratings.x, ratings.weights))
    if determined.any():
        raise NotEnoughData(
            _(
                "Each of these ratings follows from the others, so their effects cannot be told "
                "apart: {items}. Name fewer items."
            ).format(items=_(", ").join(ratings.x.columns[determined]))
        )


def deviation(values: Any, weights: Array) -> Any:
    """Weighted standard deviation."""
    from statsmodels.stats.weightstats import DescrStatsW

    return DescrStatsW(values, weights=weights).std


def standardised(values: Any, weights: Array) -> Any:
    """Less the weighted mean, in weighted standard deviations."""
    return (values - np.average(values, axis=0, weights=weights)) / deviation(values, weights)


def ends(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Percentile interval of each column over the draws that are known; NaN where none is."""
    known = np.isfinite(draws) if draws.ndim == 1 else np.isfinite(draws).all(axis=1)
    if not known.any():
        nothing = np.full(draws.shape[1:], np.nan)
        return nothing, nothing
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws[known], [tail, 1 - tail], axis=0)
    return low, high
