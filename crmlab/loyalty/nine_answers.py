"""What customers say of their loyalty: one line a customer, with the weight it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.data.questionnaires import CONVENIENCE, with_all_columns
from crmlab.language import _, ngettext, number, percent
from crmlab.loyalty.answers import left_out
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace


@dataclass(frozen=True)
class Said:
    """The answers to some questions, of the customers who are named.

    Attributes
    ----------
    answers : pandas.DataFrame
        A row per answered questionnaire of the period that counts: customer_id, weight, and the
        questions.
    sent : int
        Questionnaires sent in the period, answered or not, of the modes that count.
    returned : int
        Those of them that were answered, whether or not the answers count.
    weighted : bool
        Whether the data give weights.
    about_orders : bool
        Whether the questionnaires name an order, so that only buyers were asked.
    exclusions : tuple of Exclusion
        Answered questionnaires that do not count.
    """

    answers: pd.DataFrame
    sent: int
    returned: int
    weighted: bool
    about_orders: bool
    exclusions: tuple[Exclusion, ...]

    @cached_property
    def customers(self) -> pd.DataFrame:
        """A row per customer: weight (sum over the questionnaires), and the weighted means.

        A customer who left a question out has the mean of the other answers to it.
        """
        questions = [name for name in self.answers if name not in ("customer_id", "weight")]
        weights = self.answers["weight"]
        values = self.answers[questions]
        sums = values.mul(weights, axis=0).groupby(self.answers["customer_id"]).sum(min_count=1)
        known = values.notna().mul(weights, axis=0).groupby(self.answers["customer_id"]).sum()
        means = (sums / known.where(known > 0)).astype(float)
        means.insert(0, "weight", weights.groupby(self.answers["customer_id"]).sum())
        return means

    def sentence(self) -> str:
        """Who was asked and who answered, in a sentence or two."""
        said = ngettext(
            "The answers are those of {count} questionnaire of {customers}",
            "The answers are those of {count} questionnaires of {customers}",
            len(self.answers),
        ).format(
            count=number(len(self.answers)),
            customers=customers_counted(self.answers["customer_id"].nunique()),
        )
        if self.sent <= self.returned:
            return _("{said}. Whether others were asked and kept silent is not known.").format(
                said=said
            )
        return _(
            "{said}; {sent} were sent, so {share} came back. Who did not answer may be another "
            "kind of customer: weights make up for whom we asked, and for silence only as far as "
            "the silent were asked again."
        ).format(said=said, sent=number(self.sent), share=percent(self.returned / self.sent, 0))


def customers_counted(count: int) -> str:
    """So many customers, in words.

    Examples
    --------
    >>> customers_counted(1), customers_counted(1200)
    ('1 customer', '1,200 customers')
    """
    return ngettext("{count} customer", "{count} customers", count).format(count=number(count))


def said_by_customers(crm: Workspace, questions: Sequence[str], last: date, months: int) -> Said:
    """The answers to some questions in the months up to a day.

    Parameters
    ----------
    crm : Workspace
        With surveys: customer_id and the questions.
    questions : sequence of str
        Columns of surveys.
    last : datetime.date
        Only what was answered by then counts.
    months : int

    Returns
    -------
    Said

    Notes
    -----
    A questionnaire counts as answered when it has a time of answer and an answer to one of the
    questions; in data without times of answer the day of sending stands for it. Who is asked when
    calling the call centre has chosen itself, and is left out; so is an answer without a weight, or
    of weight 0, where others have one.
    """
    surveys = with_all_columns(crm.surveys.reset_index(drop=True))
    time = _times(crm, surveys)
    end = pd.Timestamp(last) + pd.Timedelta(days=1)
    begin = end - pd.Timedelta(days=365 * months / 12)
    sent = surveys["sent_at"] if crm.has("surveys", "sent_at") else time
    chosen = ~surveys["mode"].isin(CONVENIENCE)
    answered = surveys[list(questions)].notna().any(axis=1) & _known(crm, time)
    inside = answered & (time.isna() | ((time >= begin) & (time < end)))
    kept, exclusions = _counted(surveys, inside, chosen)
    weight = surveys["weight"]
    has_weights = bool(weight[kept].notna().any())
    if has_weights:
        without = kept & ~(weight > 0)
        exclusions += left_out({_("answered, but without a weight"): int(without.sum())})
        kept &= ~without
    answers = surveys.loc[kept, ["customer_id", *questions]].astype(dict.fromkeys(questions, float))
    answers.insert(1, "weight", weight[kept].astype(float) if has_weights else 1.0)
    asked = chosen & (sent.isna() | ((sent >= begin) & (sent < end)))
    returned = int((asked & answered & ~(time >= end)).sum())
    return Said(
        answers.reset_index(drop=True),
        int(asked.sum()) if crm.has("surveys", "answered_at") else returned,
        returned,
        has_weights,
        bool(surveys.loc[kept, "order_id"].notna().any()),
        exclusions,
    )


def _times(crm: Workspace, surveys: pd.DataFrame) -> pd.Series:
    for name in ("answered_at", "sent_at"):
        if crm.has("surveys", name):
            return surveys[name]
    return pd.Series(pd.NaT, surveys.index)


def _known(crm: Workspace, time: pd.Series) -> pd.Series:
    return time.notna() if crm.has("surveys", "answered_at") else pd.Series(True, time.index)


def _counted(
    surveys: pd.DataFrame, inside: pd.Series, chosen: pd.Series
) -> tuple[pd.Series, tuple[Exclusion, ...]]:
    """Which questionnaires count, and how many answered ones do not, for each reason."""
    nobody = surveys["customer_id"].isna()
    counts = {
        _("asked when they called the call centre"): int((inside & ~chosen).sum()),
        _("customer not given"): int((inside & chosen & nobody).sum()),
    }
    return inside & chosen & ~nobody, left_out(counts)
