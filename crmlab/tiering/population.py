"""Which customers and orders a measure of this chapter counts, and which it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from crmlab.language import _, ngettext, number
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmlab.data.sources import Workspace


@dataclass(frozen=True)
class Population:
    """The customers of a workspace with what they bought, and the orders that have no place in it.

    Attributes
    ----------
    summary : pandas.DataFrame
        A row per customer who has orders: the query ``customer_summary``.
    orders : mapping of str to int
        The one row of the query ``orders_accounting``.
    """

    summary: pd.DataFrame
    orders: Mapping[str, Any]

    def positive(self) -> pd.DataFrame:
        """Customers whose revenue, refunds subtracted, is above zero."""
        return self.summary[self.summary["amount"] > 0]

    def buyers(self) -> pd.DataFrame:
        """Customers with at least one purchase; the others only ever cancelled."""
        return self.summary[self.summary["orders"] > 0]

    def without_revenue(self) -> int:
        """Number of customers whose revenue nets to zero or less."""
        return int((self.summary["amount"] <= 0).sum())

    def only_cancelled(self) -> int:
        """Number of customers with cancellations and no purchase."""
        return int((self.summary["orders"] == 0).sum())

    def exclusions(
        self, *, without_revenue: bool = True, only_cancelled: bool = False
    ) -> tuple[Exclusion, ...]:
        """What was left out, each with its count; nothing that counts zero."""
        lines = number(self.orders["lines_without_customer"])
        found = [
            Exclusion(
                _("no customer given ({rows} rows of the source)").format(rows=lines),
                int(self.orders["orders_without_customer"]),
                _("orders"),
            ),
            Exclusion(_("no amount given"), int(self.orders["amount_missing"]), _("orders")),
        ]
        if without_revenue:
            reason = _("revenue nets to zero or less")
            found.append(Exclusion(reason, self.without_revenue(), _("customers")))
        if only_cancelled:
            reason = _("only ever cancelled")
            found.append(Exclusion(reason, self.only_cancelled(), _("customers")))
        return tuple(exclusion for exclusion in found if exclusion.count)

    def cancellation_rule(self) -> str:
        """How cancellations are treated, with their number."""
        count = int(self.orders["cancellations"])
        return ngettext(
            "{count} order of negative amount is a cancellation or refund: "
            "it is subtracted from revenue and is not a purchase.",
            "{count} orders of negative amount are cancellations or refunds: "
            "they are subtracted from revenue and are not purchases.",
            count,
        ).format(count=number(count))

    def sentence(self, *, without_revenue: bool = True, only_cancelled: bool = False) -> str:
        """The exclusions in one sentence."""
        found = self.exclusions(without_revenue=without_revenue, only_cancelled=only_cancelled)
        if not found:
            return _("No order and no customer of the period was left out.")
        parts = [
            _("{count} {unit}: {reason}").format(
                count=number(one.count), unit=one.unit, reason=one.reason
            )
            for one in found
        ]
        return _("Left out: {parts}.").format(parts=_("; ").join(parts))


def customers(crm: Workspace) -> Population:
    """Summarise the orders of a workspace by customer.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.

    Returns
    -------
    Population
    """
    accounting = crm.query("orders_accounting").iloc[0]
    return Population(crm.query("customer_summary"), dict(accounting))
