"""Key accounts (大客户): whom to give priority when there is room for only so many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.result import Definition, Result, intervals_in_brackets, measure
from crmlab.tiering import population
from crmlab.tiering.rfm import CLASSES, NEEDS, rfm, segment_names, treatments
from crmlab.tiering.shares import top_shares_with_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Segments of the bundled rules whose customers bring much and bought less recently than most.
QUIET = ("retaining", "winning_back")


@dataclass(frozen=True, repr=False)
class KeyAccounts(Result):
    """Result of `key_accounts`.

    Attributes
    ----------
    rules : pandas.DataFrame
    total : float
        Revenue of all customers.
    customers : int
        Number of all customers.
    places : int
    covered : pandas.Series
        Share of all revenue that the chosen customers bring: share, low, high.
    confidence : float
    set_aside : population.Population
    """

    measure = "tiering.key_accounts"

    rules: pd.DataFrame
    total: float
    customers: int
    places: int
    covered: pd.Series
    confidence: float
    set_aside: population.Population

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"segment": segment_names(self.rules), "treatment": treatments(self.rules)}

    def title(self) -> str:
        return _("{places} key accounts cover {share} of revenue").format(
            places=number(len(self.table)), share=percent(self.covered["share"], 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        names = segment_names(self.rules)
        reached = self.table["revenue"].cumsum() / self.total
        axes.plot(self.table["rank"], reached, color=charts.BLUE)
        quiet = self.table[self.table["segment"].isin(QUIET)]
        axes.scatter(
            quiet["rank"], reached[quiet.index], color=charts.ORANGE, s=22, zorder=3,
            label=_(", ").join(names[code] for code in QUIET if (quiet["segment"] == code).any()),
        )  # fmt: skip
        charts.share_axis(axes.yaxis)
        axes.set_ylim(0, None)
        axes.set_xlim(0, None)
        axes.set_xlabel(_("Rank of the key account"))
        axes.set_ylabel(_("Share of revenue covered"))
        if len(quiet):
            axes.legend(loc="lower right")
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        chosen = _(
            "With {places} places for key accounts, {chosen} customers are chosen, {share} of all "
            "{customers}. They brought {covered} ({low} to {high}) of revenue. They are: {parts}."
        ).format(
            places=number(self.places),
            chosen=number(len(self.table)),
            share=percent(len(self.table) / self.customers),
            customers=number(self.customers),
            covered=percent(self.covered["share"]),
            low=percent(self.covered["low"]),
            high=percent(self.covered["high"]),
            parts=self._by_segment(),
        )
        parts = [f"{chosen} {intervals_in_brackets(self.confidence)}"]
        if len(self.table) < self.places:
            parts.append(
                _("Only {chosen} customers have an M score in the top two classes.").format(
                    chosen=number(len(self.table))
                )
            )
        return "\n\n".join(parts)

    def _by_segment(self) -> str:
        names = segment_names(self.rules)
        counts = self.table["segment"].value_counts()
        parts = [
            _("{segment} {count}").format(count=number(count), segment=names[segment])
            for segment, count in counts.items()
        ]
        return _("; ").join(parts)

    def alt(self) -> str:
        return _(
            "Curve of the share of revenue covered by the first, second, … key account; it "
            "reaches {share} at {places}. Marked: key accounts that bought less recently than most."
        ).format(share=percent(self.covered["share"]), places=number(len(self.table)))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Net revenue of the customers chosen"),
            denominator=_("Net revenue of all customers with at least one purchase"),
            period=self.context.period(),
            method=_(
                "Customers with an M score in the top two classes, by net revenue, as many as "
                "there are places; the treatment is the segment's. {confidence} studentised "
                "bootstrap interval over customers of the share of as many at the top."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.set_aside.exclusions("purchases"),
        )


@measure(needs=NEEDS)
def key_accounts(
    crm: Workspace,
    *,
    places: int | None = None,
    rules: pd.DataFrame | None = None,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> KeyAccounts:
    """Whom to treat as key accounts when there is room for so many, and how.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount.
    places : int, optional
        Number of key accounts that can be looked after; default 5 % of the customers.
    rules : pandas.DataFrame, optional
        As in `rfm`.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    KeyAccounts
        `.table` has a row per key account, largest first: rank, customer_id, revenue (money),
        recency (days), frequency (purchases), segment, treatment (the segment's code; the rules
        hold the words).

    Raises
    ------
    CrmlabError
        If `places` is not a whole number of at least 1.

    Notes
    -----
    The share of revenue says what these customers brought, not what would be lost without an
    account manager.
    """
    _check_places(places)
    scored = rfm(crm, rules=rules)
    room = max(1, round(0.05 * len(scored.table))) if places is None else places
    large = scored.table[scored.table["m"] >= CLASSES - 1]
    chosen = large.sort_values(["monetary", "customer_id"], ascending=[False, True]).head(room)
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(chosen) + 1),
            "customer_id": chosen["customer_id"].to_numpy(),
            "revenue": chosen["monetary"].to_numpy(),
            "recency": chosen["recency"].to_numpy(),
            "frequency": chosen["frequency"].to_numpy(),
            "segment": chosen["segment"].to_numpy(),
            "treatment": chosen["segment"].to_numpy(),
        }
    )
    revenue = scored.table["monetary"]
    covered = top_shares_with_intervals(
        revenue, [len(table) / len(revenue)], confidence=confidence, resamples=resamples, seed=seed
    ).iloc[0]
    return KeyAccounts(
        table,
        scored.context,
        scored.rules,
        float(revenue.sum()),
        len(revenue),
        room,
        covered[["share", "low", "high"]],
        confidence,
        scored.set_aside,
    )


def _check_places(places: object) -> None:
    if places is None or (isinstance(places, int | np.integer) and places >= 1):
        return
    raise CrmlabError(
        _("places is a whole number of at least 1, such as 10; it is {places}.").format(
            places=repr(places)
        )
    )
