"""Some of the customers, drawn at random, where all of them are too many to be held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmlab.language import _, number

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: With more customers than these a table of customers and months is made of a sample.
LARGEST = 20_000


def some_customers(crm: Workspace, largest: int = LARGEST) -> tuple[Workspace, str]:
    """The workspace, or so many of its customers that their months can be held, and what is said.

    Returns
    -------
    tuple of Workspace and str
        The sentence is empty where all customers are used.
    """
    customers = int(crm.query("orders_accounting")["customers"].iloc[0])
    if customers <= largest:
        return crm, ""
    return crm.sample(customers=largest), of_a_sample(customers, largest)


def of_a_sample(customers: int, some: int) -> str:
    """The sentence that says that some of the customers are used."""
    return _("Of {customers} customers, {some} drawn at random are used here.").format(
        customers=number(customers), some=number(some)
    )
