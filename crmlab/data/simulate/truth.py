"""What every customer would have answered, which only a simulation knows.

The bundled surveys ask a part of the customers; the simulation decides for everyone how satisfied
they were, asked or not. A chapter can so draw samples from a population that it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Protocol

import numpy as np
import pandas as pd

from crmlab.data.simulate import SEED, calendar, names
from crmlab.data.simulate import effects as _effects
from crmlab.data.simulate.calendar import DAY, MONTH_START, MONTHS, ORIGIN
from crmlab.data.simulate.customers import Customers, make_customers, make_staff
from crmlab.data.simulate.demand import Presence, Questions, make_offers, make_questions
from crmlab.data.simulate.effects import effects_of, seed_of
from crmlab.data.simulate.orders import Orders, make_orders
from crmlab.data.simulate.satisfaction import Experience, categories
from crmlab.data.simulate.surveys import eligible
from crmlab.errors import NotEnoughData
from crmlab.language import _, day


class Known(Protocol):
    """What is asked of a workspace (`crmlab.data.sources.Workspace`)."""

    simulated: str | None
    as_of: date

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table is there, with all of these columns."""

    @property
    def customers(self) -> pd.DataFrame:
        """The customers, one row each."""


def known_truth(crm: Known) -> pd.DataFrame:
    """What the customers of a simulated workspace would have answered, asked or not.

    Parameters
    ----------
    crm : Workspace

    Returns
    -------
    pandas.DataFrame
        As from `answers_of_all`: its customers, and the months that are over by `as_of`.

    Raises
    ------
    NotEnoughData
        If the data are not simulated, or no month of theirs is over.
    """
    if crm.simulated is None:
        raise NotEnoughData(
            _(
                "These are real data: nobody knows what those would have said who were not asked."
                " Only of the teaching company is that known, since it is simulated."
            )
        )
    truth = answers_of_all(crm.simulated)
    over = truth["month"] + pd.offsets.MonthBegin() <= pd.Timestamp(crm.as_of) + pd.Timedelta("1D")
    if crm.has("customers", "customer_id"):
        over &= truth["customer_id"].isin(crm.customers["customer_id"])
    if not over.any():
        raise NotEnoughData(
            _("No month is over by {day}, so no answers are known.").format(day=day(crm.as_of))
        )
    return truth[over].reset_index(drop=True)


def answers_of_all(student: str = "") -> pd.DataFrame:
    """What every customer would have answered about the first order of each month.

    Parameters
    ----------
    student : str
        Number of a student, for that student's variant; the bundled company if empty.

    Returns
    -------
    pandas.DataFrame
        A row per customer and month with an order, by month, then customer: customer_id, month
        (its first day), order_id, tier, region (of the customer), called (whether the customer
        called the company that month), eligible (whether a questionnaire could have been sent: an
        external customer whose order had arrived by the 18th), answer (1 to 5) and
        answer_called (what the same customer would have said when asked on calling).

    Notes
    -----
    The answers are those that the bundled surveys have wherever somebody was asked. Who is asked
    on calling the call centre answers lower, by call_centre_satisfaction on the latent scale.

    Examples
    --------
    >>> truth = answers_of_all()
    >>> truth["answer"].between(1, 5).all()
    np.True_
    """
    return _answers(student).copy(deep=False)


@lru_cache(maxsize=2)
def _answers(student: str) -> pd.DataFrame:
    seed = seed_of(student) if student else SEED
    e = _effects.values(effects_of(student) if student else None)
    who, questions, orders, felt = _lived(seed, e)
    customer, month = np.nonzero(felt.order.T >= 0)[::-1]
    called, eligible = _called(felt, questions), _reachable(orders, felt, who)
    latent = felt.predictor[customer, month] + felt.noise[customer, month]
    first_day = ORIGIN.astype("M8[D]") + MONTH_START[month].astype("m8[D]")
    return pd.DataFrame(
        {
            "customer_id": pd.Series(who.ids[customer], dtype="str"),
            "month": first_day.astype("M8[us]"),
            "order_id": pd.Series(orders.ids[felt.order[customer, month]], dtype="str"),
            "tier": pd.Series(np.array(names.TIERS, object)[who.tier[customer]], dtype="str"),
            "region": pd.Series(np.array(names.REGIONS, object)[who.region[customer]], dtype="str"),
            "called": called[customer, month],
            "eligible": eligible[customer, month],
            "answer": felt.answer[customer, month],
            "answer_called": categories(latent + e["call_centre_satisfaction"]),
        }
    )


def _lived(seed: int, e: Mapping[str, float]) -> tuple[Customers, Questions, Orders, Experience]:
    """The part of the simulation that decides how satisfied everyone is, as `company` runs it."""
    staff = make_staff(seed, e)
    who = make_customers(seed, 2000, e)
    presence = Presence(who)
    offers = make_offers(seed, who, presence)
    questions = make_questions(seed, who, presence, staff, e)
    orders, felt = make_orders(seed, who, staff, presence, offers, questions, e)
    return who, questions, orders, felt


def _called(felt: Experience, questions: Questions) -> np.ndarray:
    """Customers × months: who called the company in that month."""
    called = np.zeros(felt.order.shape, bool)
    called[questions.customer, calendar.month_of(questions.at // DAY)] = True
    return called


def _reachable(orders: Orders, felt: Experience, who: Customers) -> np.ndarray:
    """Customers × months: to whom the survey could have been sent."""
    months = [
        eligible(int(MONTH_START[month]) * DAY, orders, felt.order[:, month], who)
        for month in range(MONTHS)
    ]
    return np.column_stack(months)
