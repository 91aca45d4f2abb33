"""The nine measures of each customer: values, scores, and for whom they can speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.model import NO_TIME
from crmlab.data.questionnaires import part_of
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, day, ngettext, number
from crmlab.loyalty.nine_answers import Said, said_by_customers
from crmlab.loyalty.nine_measures import checked_measures, scored
from crmlab.show.once import once
from crmlab.show.result import Exclusion, left_out_words

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Own = Mapping[str, pd.Series]


@dataclass(frozen=True)
class Measured:
    """The measures of loyalty of every customer, as of a day.

    Attributes
    ----------
    measures : pandas.DataFrame
        In the shape of `loyalty_measures`.
    values, scores : pandas.DataFrame
        A row per customer (index customer_id), a column per measure: as measured, and from 0 to
        100. What is not known is NaN.
    weight : pandas.Series
        For how many customers each stands in a mean of the company, by customer_id: NaN for those
        without an answer where there are answers; 1 for all where there are none.
    why : dict of str to str
        For a measure that is not known of anybody, ``"no column"`` or ``"no value"``; ``"own"`` for
        one whose values were handed in; else empty.
    said : Said or None
    shared : bool
        Whether the weights are divided by the months with a purchase.
    last : datetime.date
        Nothing later is used.
    months : int
        Length of the period that ends on that day.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    measures: pd.DataFrame
    values: pd.DataFrame
    scores: pd.DataFrame
    weight: pd.Series
    why: dict[str, str]
    said: Said | None
    shared: bool
    last: date
    months: int
    exclusions: tuple[Exclusion, ...]
    part: str

    @property
    def known(self) -> list[str]:
        """The measures that are known of somebody, in the order of the table."""
        return [code for code in self.scores if self.scores[code].notna().any()]

    def from_surveys(self, code: str) -> bool:
        """Whether a measure comes from what customers say."""
        if self.why[code] == "own":
            return False
        source = self.measures.set_index("measure").loc[code, "source"]
        return str(source).startswith("surveys.")

    def period(self) -> str:
        """The period in words."""
        if self.last == NO_TIME:
            return _("no dates given")
        return ngettext(
            "{months} month up to {last}", "{months} months up to {last}", self.months
        ).format(months=number(self.months), last=day(self.last))

    def weighting(self) -> str:
        """For whom the answers speak, in a sentence."""
        if self.said is None:
            return ""
        if not self.said.weighted:
            return _("The data have no weights: every customer who answered counts the same.")
        if not self.shared:
            return _("Customers count with the sum of the design weights of their questionnaires.")
        return _(
            "Customers count with the sum of the design weights of their questionnaires, divided "
            "by the months in which they bought: who buys in more months can be asked more often. "
            "So the means stand for the customers who bought in the period."
        )

    def left_out(self, more: tuple[Exclusion, ...] = ()) -> str:
        """What was left out, here and besides, in sentences."""
        return left_out_words(self.exclusions + more, self.part)


@once
def measured(
    crm: Workspace,
    *,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    last: date | None = None,
    months: int = 12,
) -> Measured:
    """The measures of loyalty of every customer, from what is known on a day.

    Parameters
    ----------
    crm : Workspace
    measures : pandas.DataFrame, optional
        In the shape of `loyalty_measures`, which are the default.
    own : mapping of str to pandas.Series, optional
        Values of a measure by customer_id that take the place of those of its source.
    last : datetime.date, optional
        Nothing later is used; by default the last day of the data.
    months : int

    Raises
    ------
    CrmlabError
        If the table of measures cannot be used, or `months` is not a whole number from 1 on.
    UnknownName
        If `own` names something that is no measure.
    NotEnoughData
        If none of the measures is known of anybody.
    """
    table = checked_measures(measures)
    if isinstance(months, bool) or months != int(months) or months < 1:
        raise CrmlabError(
            _("months is a whole number from 1 on, not {months}.").format(months=months)
        )
    until = min(last, crm.as_of) if last else crm.as_of
    workspace, part = part_of(crm) if crm.has("surveys", "customer_id") else (crm, "")
    behaviour = _behaviour(workspace, until, int(months))
    asked = _asked(workspace, table, until, int(months))
    said = asked if asked is not None and len(asked.answers) else None
    given = {} if own is None else {code: _own(table, code, own[code]) for code in own}
    found = {
        row.measure: given[row.measure]
        if row.measure in given
        else _values(workspace, str(row.source), behaviour, said, int(months))
        for row in table.itertuples()
    }
    values = _together(found, behaviour)
    rules = table.set_index("measure")
    scores = pd.DataFrame(
        {
            code: scored(
                values[code], *rules.loc[code, ["scale", "at_0", "at_100"]].to_numpy().tolist()
            )
            for code in values
        },
        index=values.index,
    )
    if not scores.notna().any(axis=None):
        raise NotEnoughData(
            _(
                "None of the measures of loyalty is known of anybody in the {months} months up to "
                "{last}. They need orders with a customer and a day, or questionnaires with the "
                "questions on loyalty."
            ).format(months=number(months), last=day(until))
        )
    weight, shared = _weights(said, behaviour, values.index)
    why = {code: "own" if code in given else _why(found[code], scores[code]) for code in values}
    exclusions = _exclusions(workspace, values, asked, until)
    return Measured(
        table, values, scores, weight, why, said, shared, until, int(months), exclusions, part
    )


def _behaviour(crm: Workspace, until: date, months: int) -> pd.DataFrame | None:
    if not crm.has("orders", "customer_id", "ordered_at"):
        return None
    found = crm.query("loyalty_behaviour", period_to=until, months=months)
    return found.set_index("customer_id")


def _asked(crm: Workspace, table: pd.DataFrame, until: date, months: int) -> Said | None:
    """What was answered to the questions, though it be nothing; None if there are no questions."""
    sources = [str(source).partition(".") for source in table["source"]]
    questions = [name for where, _dot, name in sources if where == "surveys"]
    there = [name for name in dict.fromkeys(questions) if crm.has("surveys", "customer_id", name)]
    return said_by_customers(crm, there, until, months) if there else None


def _own(table: pd.DataFrame, code: str, values: pd.Series) -> pd.Series:
    if code not in set(table["measure"]):
        raise UnknownName(
            _(
                "There is no measure {measure} to give values for; the measures are: {names}."
            ).format(measure=code, names=_(", ").join(table["measure"]))
        )
    if not isinstance(values, pd.Series) or values.index.has_duplicates:
        raise CrmlabError(
            _("Values for {measure} are a Series with a number per customer_id, each once.").format(
                measure=code
            )
        )
    return values.astype(float).replace([np.inf, -np.inf], np.nan)


def _values(
    crm: Workspace, source: str, behaviour: pd.DataFrame | None, said: Said | None, months: int
) -> pd.Series | None:
    """A measure by customer_id; None where the data lack its column."""
    table, _dot, column = source.partition(".")
    if not crm.has(table, "customer_id", column):
        return None
    if table == "surveys":
        return None if said is None else said.customers[column]
    if behaviour is None:
        return None
    if column == "ordered_at":
        return months_with_another(behaviour, months)
    bought = behaviour["purchases"] > 0
    if column == "promotion":
        return (behaviour["promoted"] / behaviour["purchases"]).where(bought)
    if column == "list_price":
        some = behaviour["list_price"] > 0
        return (1 - behaviour["listed_amount"] / behaviour["list_price"]).where(some)
    # Who bought nothing paid nothing; who bought for unknown money paid something.
    paid = behaviour["amount"].where(behaviour["priced"] > 0).mask(~bought, 0.0)
    return (paid - behaviour["refunded"]).clip(lower=0)


def months_with_another(behaviour: pd.DataFrame, months: int) -> pd.Series:
    """Share of the months since the first purchase in which the customer bought again.

    Parameters
    ----------
    behaviour : pandas.DataFrame
        first_month (months back from the last day) and months_bought.
    months : int
        No more than the last ones count.

    Returns
    -------
    pandas.Series
        NaN where the first purchase is less than a month old.

    Examples
    --------
    >>> found = pd.DataFrame({"first_month": [20, 5, 5, 0], "months_bought": [3, 1, 6, 1]})
    >>> months_with_another(found, 12).tolist()
    [0.25, 0.0, 1.0, nan]
    """
    new = behaviour["first_month"] < months
    could = behaviour["first_month"].clip(upper=months)
    again = behaviour["months_bought"] - new.astype("int64")
    return (again / could.where(could > 0)).astype(float)


def _together(
    found: Mapping[str, pd.Series | None], behaviour: pd.DataFrame | None
) -> pd.DataFrame:
    """All customers who bought or answered, with all measures."""
    everybody = pd.Index([] if behaviour is None else behaviour.index, dtype="str")
    for values in found.values():
        if values is not None:
            everybody = everybody.union(values.dropna().index.astype("str"))
    columns = {
        code: np.nan if values is None else values.reindex(everybody)
        for code, values in found.items()
    }
    return pd.DataFrame(columns, index=everybody, dtype=float).rename_axis("customer_id")


def _weights(
    said: Said | None, behaviour: pd.DataFrame | None, customers: pd.Index
) -> tuple[pd.Series, bool]:
    """Weight of each customer in a mean, and whether it was divided by the months bought in."""
    if said is None:
        return pd.Series(1.0, customers), False
    sums = said.customers["weight"]
    if not said.weighted:
        return (sums * 0 + 1).reindex(customers), False
    if behaviour is None or not said.about_orders:
        return sums.reindex(customers), False
    # A questionnaire whose order is not in the data was sent about one month at least.
    chances = behaviour["months_bought"].reindex(sums.index).fillna(1).clip(lower=1)
    return (sums / chances).reindex(customers), True


def _why(values: pd.Series | None, scores: pd.Series) -> str:
    if values is None:
        return "no column"
    return "" if scores.notna().any() else "no value"


def _exclusions(
    crm: Workspace, values: pd.DataFrame, asked: Said | None, until: date
) -> tuple[Exclusion, ...]:
    found: list[Exclusion] = []
    if crm.has("orders"):
        accounts = crm.query("orders_accounting").iloc[0]
        for reason, name in (
            (_("no customer given"), "orders_without_customer"),
            (_("no date given"), "ordered_at_missing"),
        ):
            found.append(Exclusion.of_orders(reason, int(accounts[name]), crm.settings.record))
    if crm.has("customers", "customer_id"):
        everybody = crm.query("customers_acquired")["customer_id"]
        silent = int((~everybody.isin(values.index)).sum())
        reason = _("on the list, with no purchase by {day} and no answer").format(day=day(until))
        found.append(Exclusion.of_customers(reason, silent))
    found += asked.exclusions if asked is not None else ()
    return tuple(one for one in found if one.count)
