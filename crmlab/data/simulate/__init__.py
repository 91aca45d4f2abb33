"""The teaching company, Egret Bridge Logistics (鹭桥联运物流): invented, with known effects.

``company()`` gives every table of the data model for 24 months of a fictional logistics company in
which each effect that the chapters measure is known (``datasets/effects.toml``),
``variant(student)`` the same for one student, with other customers and other effects. ``python -m
crmlab.data.simulate datasets/`` writes the bundled files anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from crmlab.data.simulate import effects as _effects
from crmlab.data.simulate import files, raw
from crmlab.data.simulate.complaints import complaints_table, events_table, make_complaints
from crmlab.data.simulate.contacts import contacts_table
from crmlab.data.simulate.customers import (
    customers_table,
    make_customers,
    make_staff,
    staff_table,
)
from crmlab.data.simulate.demand import Presence, assignments_table, make_offers, make_questions
from crmlab.data.simulate.effects import datasets_folder, declared, effects_of, seed_of
from crmlab.data.simulate.orders import make_orders, orders_table
from crmlab.data.simulate.surveys import make_surveys

__all__ = ["SEED", "company", "datasets_folder", "declared", "effects_of", "variant", "write"]

#: Seed of the bundled company.
SEED = 2045


def company(
    seed: int = SEED, *, customers: int = 2000, effects: Mapping[str, float] | None = None
) -> dict[str, pd.DataFrame]:
    """Simulate a company: all tables of the data model, consistent with each other.

    Parameters
    ----------
    seed : int
        Same seed, same company.
    customers : int
        Number of customers; orders, contacts, surveys and complaints grow with it.
    effects : mapping of str to float, optional
        Effects that shall have another value than declared in ``datasets/effects.toml``.

    Returns
    -------
    dict of str to pandas.DataFrame
        By table, columns in the model's order and types, times local to the company.

    Raises
    ------
    UnknownName
        If an effect is not declared.

    Examples
    --------
    >>> tables = company(seed=1, customers=100)
    >>> tables["customers"]["tier"].value_counts().to_dict()
    {'general': 80, 'potential': 15, 'key': 5}
    """
    e = _effects.values(effects)
    staff = make_staff(seed, e)
    who = make_customers(seed, customers, e)
    presence = Presence(who)
    offers = make_offers(seed, who, presence)
    questions = make_questions(seed, who, presence, staff, e)
    placed, felt = make_orders(seed, who, staff, presence, offers, questions, e)
    handled = make_complaints(seed, placed, who, staff, e)
    orders, by_row = orders_table(seed, placed, who, e)
    surveys, answers = make_surveys(seed, who, placed, felt, questions, e)
    contacts = contacts_table(
        seed, who, staff, placed, questions, offers, handled, surveys, by_row, e
    )
    of_order = by_row.iloc[handled.order].reset_index(drop=True)
    return {
        "customers": customers_table(seed, who, staff),
        "orders": orders,
        "contacts": contacts,
        "surveys": surveys,
        "answers": answers,
        "complaints": complaints_table(seed, handled, of_order, who, staff, e),
        "staff": staff_table(staff),
        "complaint_events": events_table(seed, handled, staff),
        "assignments": assignments_table(who, offers),
    }


def variant(student: str) -> dict[str, pd.DataFrame]:
    """A student's own company: other customers, other effects (`effects_of`), the same questions.

    Parameters
    ----------
    student : str
        Student number; width, case and spaces do not matter.

    Returns
    -------
    dict of str to pandas.DataFrame
        As from `company`.
    """
    return company(seed_of(student), effects=effects_of(student))


def write(folder: str | Path) -> None:
    """Write the bundled company's CSV files, the raw exports and the checksums.

    Parameters
    ----------
    folder : str or pathlib.Path
        The ``datasets`` folder; ``effects.toml`` and ``workspace.toml`` are there already.
    """
    folder = Path(folder)
    tables = company()
    files.write_tables(tables, folder)
    raw.write_raw(SEED, tables, folder / "raw")
    files.write_sums(folder)
