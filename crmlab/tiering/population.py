"""Which customers and orders a measure of this chapter counts, and which it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from crmlab.language import _, ngettext, number, percent
from crmlab.show.result import Exclusion, left_out_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmlab.data.sources import Workspace

#: What a measure adds up, which decides what it has to leave out.
Use = Literal["revenue", "profit", "purchases", "everybody"]


@dataclass(frozen=True)
class Population:
    """The customers of a workspace with what they bought, and the orders that have no place in it.

    Attributes
    ----------
    summary : pandas.DataFrame
        A row per customer who has orders: the query ``customer_summary``.
    orders : mapping of str to int
        The one row of the query ``orders_accounting``.
    without_orders : int
        Customers of the customers table who have no order in the period.
    """

    summary: pd.DataFrame
    orders: Mapping[str, Any]
    without_orders: int

    def with_revenue(self) -> pd.DataFrame:
        """Customers whose revenue, refunds subtracted, is above zero."""
        return self.summary[self.summary["amount"] > 0]

    def with_profit(self) -> pd.DataFrame:
        """Customers of whom the profit of at least one order is known."""
        return self.summary[self.summary["margin"].notna()]

    def buyers(self) -> pd.DataFrame:
        """Customers with a dated purchase and money that is known."""
        bought = self.summary["last_day"].notna() & self.summary["amount"].notna()
        return self.summary[bought]

    def exclusions(self, use: Use) -> tuple[Exclusion, ...]:
        """What was left out, each with its count; nothing that counts zero.

        Parameters
        ----------
        use : {"revenue", "profit", "purchases", "everybody"}
            With everybody, customers without orders or without revenue are counted in.
        """
        ways = {
            "revenue": self._for_revenue,
            "profit": self._for_profit,
            "purchases": self._for_purchases,
            "everybody": self._for_everybody,
        }
        found = [self._without_customer(), *ways[use]()]
        if use != "everybody":
            found.append(Exclusion.of_customers(_("no order in the period"), self.without_orders))
        return tuple(one for one in found if one.count)

    def cancellation_rule(self) -> str:
        """How cancellations are treated, with their number."""
        count = int(self.orders["cancellations"] - self.orders["cancellations_without_customer"])
        return ngettext(
            "{count} order of negative amount is a cancellation or refund: it is subtracted from "
            "revenue and is not a purchase.",
            "{count} orders of negative amount are cancellations or refunds: they are subtracted "
            "from revenue and are not purchases.",
            count,
        ).format(count=number(count))

    def sentence(self, use: Use) -> str:
        """The exclusions, and how cancellations were treated, in sentences.

        Parameters
        ----------
        use : {"revenue", "profit", "purchases", "everybody"}
        """
        found = self.exclusions(use)
        left = left_out_words(
            found, nothing=_("No order and no customer of the period was left out.")
        )
        return f"{left}\n\n{self.cancellation_rule()}" if self.orders["cancellations"] else left

    def _without_customer(self) -> Exclusion:
        lines, total = number(self.orders["lines_without_customer"]), self.orders["amount"]
        reason = _("no customer given: {rows} rows of the source").format(rows=lines)
        if self.orders["orders_without_customer"] and total > 0:
            share = percent(self.orders["amount_without_customer"] / total)
            reason = _("no customer given: {rows} rows, {share} of net revenue").format(
                rows=lines, share=share
            )
        return Exclusion.of_orders(reason, int(self.orders["orders_without_customer"]))

    def _for_revenue(self) -> list[Exclusion]:
        amount = self.summary["amount"]
        return [
            Exclusion.of_orders(_("no amount given"), self._missing("amount")),
            Exclusion.of_customers(_("no amount known"), int(amount.isna().sum())),
            Exclusion.of_customers(_("revenue nets to zero or less"), int((amount <= 0).sum())),
        ]

    def _for_profit(self) -> list[Exclusion]:
        unknown = int(self.summary["margin"].isna().sum())
        return [
            Exclusion.of_orders(_("no cost given"), self._missing("cost")),
            Exclusion.of_orders(_("no amount given"), self._missing("amount")),
            Exclusion.of_customers(_("no profit known"), unknown),
        ]

    def _for_purchases(self) -> list[Exclusion]:
        only_cancelled = self.summary["orders"] == 0
        undated = self.summary["last_day"].isna() & ~only_cancelled
        penniless = self.summary["amount"].isna() & ~only_cancelled & ~undated
        left_in = _("no amount given; counted as purchases, their money left out")
        return [
            Exclusion.of_customers(_("only ever cancelled"), int(only_cancelled.sum())),
            Exclusion.of_customers(_("no dated purchase"), int(undated.sum())),
            Exclusion.of_customers(_("no amount known"), int(penniless.sum())),
            Exclusion.of_orders(left_in, self._missing("amount")),
        ]

    def _for_everybody(self) -> list[Exclusion]:
        return [Exclusion.of_orders(_("no amount given"), self._missing("amount"))]

    def _missing(self, column: str) -> int:
        return int(self.summary[f"{column}_missing"].sum())


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
    summary = crm.query("customer_summary")
    listed = crm.rows("customers") if crm.has("customers") else len(summary)
    return Population(summary, dict(accounting), max(0, listed - len(summary)))
