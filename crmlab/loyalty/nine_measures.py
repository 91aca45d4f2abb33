"""The course's nine measures of loyalty as a table: where each comes from and how it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.data import model
from crmlab.errors import CrmlabError, UnknownName
from crmlab.language import _, current_language, number

Array = NDArray[np.float64]
Weights: TypeAlias = Mapping[str, float] | pd.DataFrame

COLUMNS = ("measure", "layer", "source", "scale", "at_0", "at_100", "item")
#: Kinds of columns that can be averaged.
NUMBERS = ("integer", "number")
SCALES = ("linear", "log", "rank", "rank_reversed")
#: Columns of orders that a measure can be made of.
ORDERS = ("ordered_at", "amount", "list_price", "promotion")


@cache
def _measures() -> pd.DataFrame:
    path = Path(__file__).parent / "nine_measures.csv"
    table = pd.read_csv(path, encoding="utf-8")
    return table.assign(item=table["item"] == "yes")


def loyalty_measures() -> pd.DataFrame:
    """The nine measures of loyalty: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per measure: measure (code), label, label_zh, layer (cognitive, affective,
        behavioural), source (table.column), scale (linear, log, rank, rank_reversed), at_0 and
        at_100 (the values that score 0 and 100; blank for ranks), item (whether it is a rating of
        the questionnaire, on which α can be computed).

    Notes
    -----
    A source is a number that ``surveys`` holds, or one of these: ``orders.ordered_at``, the share
    of months with a purchase; ``orders.amount``, the money of the period; ``orders.list_price``,
    the share of the list price given away; ``orders.promotion``, the share of purchases that name a
    promotion. Lines can be taken out, and others added that come from ``surveys``.

    The layers follow Oliver: cognitive loyalty weighs information, alternatives and prices,
    affective loyalty is liking, behavioural loyalty is what is done. That price sensitivity is
    cognitive and tolerance of incidents affective is a choice; change the column to make another.

    Price sensitivity stands on the share of purchases that name a promotion until better is handed
    in. The share of the list price given away is no better where large customers have discounts in
    their contracts.

    References
    ----------
    Oliver, R. L. (1999), Journal of Marketing 63 (special issue), 33-44.

    Examples
    --------
    >>> loyalty_measures()[["measure", "layer"]].head(2)
               measure        layer
    0  repeat_purchase  behavioural
    1   share_of_needs  behavioural
    """
    return _measures().copy()


def index_weights(measures: pd.DataFrame | None = None) -> pd.DataFrame:
    """The weights of the loyalty index: a table to copy and edit.

    Every layer weighs the same, and so do the measures of a layer. With all nine alike the layer
    that happens to have most measures would count most.

    Parameters
    ----------
    measures : pandas.DataFrame, optional
        In the shape of `loyalty_measures`, which are the default.

    Returns
    -------
    pandas.DataFrame
        measure, layer, weight; the weights sum to 1.

    Examples
    --------
    >>> index_weights().set_index("measure")["weight"].round(3)[["identification", "spend"]]
    measure
    identification    0.167
    spend             0.111
    Name: weight, dtype: float64
    """
    table = checked_measures(measures)[["measure", "layer"]]
    sizes = table["layer"].map(table["layer"].value_counts())
    return table.assign(weight=1 / (sizes * table["layer"].nunique()))


def measure_names(measures: pd.DataFrame | None = None) -> dict[str, str]:
    """Label of each measure in the current language; the code of one that has none.

    Examples
    --------
    >>> measure_names()["spend"]
    'Spend'
    """
    table = _measures() if measures is None else measures
    column = "label_zh" if current_language() == "zh_CN" else "label"
    labels = table.get(column, table["measure"])
    return dict(zip(table["measure"], labels.fillna(table["measure"]), strict=True))


def layer_names() -> dict[str, str]:
    """Label of each of the three layers in the current language."""
    return {
        "cognitive": _("Cognitive"),
        "affective": _("Affective"),
        "behavioural": _("Behavioural"),
    }


def checked_measures(measures: pd.DataFrame | None = None) -> pd.DataFrame:
    """The table of measures, if it can be used.

    Raises
    ------
    CrmlabError
        If a column is missing, or for the first line that cannot be used, with what is wrong.
    """
    table = _measures() if measures is None else measures
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise CrmlabError(
            _("The table of loyalty measures lacks the columns: {names}.").format(
                names=_(", ").join(missing)
            )
        )
    if table.empty or table["measure"].isna().any() or table["measure"].duplicated().any():
        raise CrmlabError(
            _("The table of loyalty measures needs a line per measure, each code once.")
        )
    for _index, row in table.iterrows():
        _check(row)
    return table.reset_index(drop=True)


def _check(row: pd.Series) -> None:
    table, _dot, column = str(row["source"]).partition(".")
    of_surveys = [one.name for one in model.table("surveys").columns if one.type in NUMBERS]
    if column not in {"orders": ORDERS, "surveys": of_surveys}.get(table, ()):
        raise CrmlabError(
            _("{measure}: there is no source {source}; the sources are: {names}.").format(
                measure=row["measure"],
                source=row["source"],
                names=_(", ").join(
                    [f"orders.{name}" for name in ORDERS]
                    + [f"surveys.{name}" for name in of_surveys if name != "weight"]
                ),
            )
        )
    if row["scale"] not in SCALES:
        raise CrmlabError(
            _("{measure}: the scale is one of {names}, not {scale}.").format(
                measure=row["measure"], names=_(", ").join(SCALES), scale=row["scale"]
            )
        )
    ends = np.array([row["at_0"], row["at_100"]], float)
    if row["scale"] in ("linear", "log") and not (
        np.isfinite(ends).all() and ends[0] != ends[1] and (row["scale"] == "linear" or ends[0] > 0)
    ):
        raise CrmlabError(
            _(
                "{measure}: at_0 and at_100 are two different numbers, above 0 on the scale log."
            ).format(measure=row["measure"])
        )
    if pd.isna(row["layer"]):
        raise CrmlabError(_("{measure} has no layer.").format(measure=row["measure"]))


def higher_is_loyal(row: pd.Series) -> bool:
    """Whether more of a measure means more loyal."""
    if row["scale"] in ("rank", "rank_reversed"):
        return bool(row["scale"] == "rank")
    return bool(row["at_100"] > row["at_0"])


def scored(values: ArrayLike, scale: str, at_0: float = np.nan, at_100: float = np.nan) -> Array:
    """Values of a measure as scores from 0 to 100.

    Parameters
    ----------
    values : array_like of float, shape (customers,)
        Missing values stay missing.
    scale : {"linear", "log", "rank", "rank_reversed"}
    at_0, at_100 : float
        The values that score 0 and 100; beyond them it is 0 and 100 too. A value falls on the scale
        log as its logarithm does. Not used for ranks.

    Returns
    -------
    numpy.ndarray

    Notes
    -----
    A rank is the share of the customers who have less, and half of those who have the same; the
    mean of ranks is 50 whatever the customers do.

    Examples
    --------
    >>> scored([1, 4, 5], "linear", 1, 5).tolist()
    [0.0, 75.0, 100.0]
    >>> scored([1, 4, 5], "linear", 5, 1).tolist()
    [100.0, 25.0, 0.0]
    >>> scored([0, 10, 100], "log", 100, 1).tolist()
    [100.0, 50.0, 0.0]
    >>> scored([5, 7, 7, np.nan, 9], "rank").tolist()
    [12.5, 50.0, 50.0, nan, 87.5]
    """
    known = pd.Series(np.asarray(values, float))
    if scale in ("rank", "rank_reversed"):
        ranks = 100 * (known.rank() - 0.5) / known.notna().sum()
        return np.asarray(ranks if scale == "rank" else 100 - ranks, float)
    ends = np.array([at_0, at_100], float)
    if scale == "log":
        with np.errstate(divide="ignore"):
            known, ends = np.log(known.clip(lower=0)), np.log(ends)
    share = (known - ends[0]) / (ends[1] - ends[0])
    return np.asarray(100 * share.clip(0, 1) + 0.0, float)  # no minus before a zero


def rule_words(row: pd.Series) -> str:
    """How a measure is scored, in words."""
    if row["scale"] == "rank":
        return _("0 to 100 by rank among the customers, the highest best")
    if row["scale"] == "rank_reversed":
        return _("0 to 100 by rank among the customers, the lowest best")
    said = (
        _("0 at {low}, 100 at {high}, by the logarithm between")
        if row["scale"] == "log"
        else _("0 at {low}, 100 at {high}, straight between")
    )
    return said.format(low=plain(row["at_0"]), high=plain(row["at_100"]))


def plain(value: float) -> str:
    """A number with decimals only if it has some.

    Examples
    --------
    >>> plain(50.0), plain(2.5)
    ('50', '2.50')
    """
    return number(value, 0 if float(value).is_integer() else 2)


def source_words(source: str) -> str:
    """What a measure is made of, in words."""
    table, _dot, column = source.partition(".")
    made = {
        "ordered_at": _("share of the months since the first purchase with another"),
        "amount": _("money paid in the period, refunds subtracted"),
        "list_price": _("share of the list price given away in the period"),
        "promotion": _("share of the purchases of the period that name a promotion"),
    }
    if table == "orders":
        return made[column]
    return _("answers to “{question}” in the period, their mean").format(
        question=model.table("surveys").column(column).shown()
    )


def weights_of(weights: Weights | None, measures: pd.DataFrame) -> pd.Series:
    """The weight of each measure, by code, divided by their sum.

    Parameters
    ----------
    weights : mapping of str to float or pandas.DataFrame, optional
        A measure that is not named has none. A frame has the columns measure and weight. By default
        those of `index_weights`.
    measures : pandas.DataFrame

    Raises
    ------
    UnknownName
        If a weight is given to something that is no measure.
    CrmlabError
        If a weight is negative or no number, or all are 0.
    """
    if weights is None:
        weights = index_weights(measures)
    if isinstance(weights, pd.DataFrame):
        missing = [name for name in ("measure", "weight") if name not in weights]
        if missing:
            raise CrmlabError(
                _("The table of weights lacks the columns: {names}.").format(
                    names=_(", ").join(missing)
                )
            )
        weights = dict(zip(weights["measure"], weights["weight"], strict=True))
    codes = list(measures["measure"])
    unknown = [name for name in weights if name not in codes]
    if unknown:
        raise UnknownName(
            _("There is no measure {measure} to weigh; the measures are: {names}.").format(
                measure=unknown[0], names=_(", ").join(codes)
            )
        )
    found = pd.Series([float(weights.get(code, 0.0)) for code in codes], codes)
    if not (np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0):
        raise CrmlabError(
            _("Weights are numbers, not negative and not all 0; they are {weights}.").format(
                weights=_(", ").join(f"{code} {found[code]:g}" for code in codes)
            )
        )
    return found / found.sum()
