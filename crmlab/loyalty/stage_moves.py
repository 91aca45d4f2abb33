"""Moves between the stages of the life cycle: who went where within so many months."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.lifecycle import in_order, names_of, rules_in_words
from crmlab.loyalty.purchases import NEEDS, Occasion, Purchases, purchases
from crmlab.loyalty.stages import lifecycle_rules, stages
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure
from crmlab.stats import clustered
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The origin of those who had not bought by the first day.
NEW = "new"


@dataclass(frozen=True, repr=False)
class StageMoves(Result):
    """Result of `stage_moves`.

    Attributes
    ----------
    moves : pandas.DataFrame
        A row per customer and pair of days: customer_id, from_day, to_day, origin, destination.
    days : tuple of datetime.date
        The days on which stages were taken, the first one first.
    order : list of str
        The stages, in the order of a life.
    rules : pandas.DataFrame
    months : int
    seen : float
        Share of the 12 months before the first day that the data hold.
    found : Purchases
    confidence : float
    """

    measure = "loyalty.stage_moves"

    moves: pd.DataFrame
    days: tuple[date, ...]
    order: list[str]
    rules: pd.DataFrame
    months: int
    seen: float
    found: Purchases
    confidence: float

    def matrix(self) -> pd.DataFrame:
        """Number of moves by stage before (rows) and after (columns)."""
        counts = pd.crosstab(self.moves["origin"], self.moves["destination"])
        return counts.reindex(index=[*self.order, NEW], columns=self.order, fill_value=0)

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = self._names()
        return {"origin": names, "destination": names}

    def title(self) -> str:
        kept = self._share("stable", "stable")
        if np.isnan(kept):
            known = self.moves[self.moves["origin"] != NEW]
            share = (known["origin"] == known["destination"]).mean()
            return _("{share} are in the same stage {months} months later").format(
                share=percent(share, 0), months=number(self.months)
            )
        down = self._share("stable", "decline") + self._share("stable", "lost")
        if np.isnan(down):
            return _("After {months} months {kept} of the stable are stable").format(
                kept=percent(kept, 0), months=number(self.months)
            )
        return _(
            "After {months} months {kept} of the stable are stable, {down} in decline or lost"
        ).format(kept=percent(kept, 0), months=number(self.months), down=percent(down, 0))

    def _share(self, origin: str, destination: str) -> float:
        cell = (self.table["origin"] == origin) & (self.table["destination"] == destination)
        return float(self.table.loc[cell, "share"].iloc[0]) if cell.any() else np.nan

    def plot(self, ax: Axes | None = None) -> Axes:
        counts = self.matrix()
        counts = counts[counts.sum(axis=1) > 0]
        shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(3.0, 0.66 * len(counts) + 1.5)))
        axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0, vmax=1)
        for row, column in np.ndindex(*shares.shape):
            self._write(
                axes, row, column, float(shares[row, column]), int(counts.iloc[row, column])
            )
        self._outline(axes, counts)
        names = self._names()
        labels = [f"{names[code]}\n{number(total)}" for code, total in counts.sum(axis=1).items()]
        axes.set_yticks(range(len(counts)), labels)
        axes.set_xticks(range(len(counts.columns)), [names[code] for code in counts.columns])
        axes.set_xlabel(
            _("To, {months} months later: share of the row, and customers").format(
                months=number(self.months)
            )
        )
        axes.set_ylabel(_("Stage before"))
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        charts.set_title(axes, self.title())
        return axes

    @staticmethod
    def _write(axes: Axes, row: int, column: int, share: float, customers: int) -> None:
        colour = "white" if share > 0.65 else charts.INK
        if customers:
            axes.text(
                column, row, f"{percent(share, 0)}\n{number(customers)}", ha="center",
                va="center", color=colour, fontsize=9.5,
            )  # fmt: skip
        else:
            axes.text(column, row, "·", ha="center", va="center", color=charts.MUTED)

    @staticmethod
    def _outline(axes: Axes, counts: pd.DataFrame) -> None:
        """A frame around those who stayed in their stage."""
        from matplotlib.patches import Rectangle

        for row, name in enumerate(counts.index):
            if name in counts.columns:
                place = (counts.columns.get_loc(name) - 0.5, row - 0.5)
                axes.add_patch(
                    Rectangle(place, 1, 1, fill=False, edgecolor=charts.INK, linewidth=1.2)
                )

    def reading(self) -> str:
        parts = [
            self._between(),
            self._rows(),
            self._came_back(),
            self._newly(),
            self._short(),
            _(
                "The rules look back 12 months, so the stages of two days closer than that share "
                "purchases: customers seem to move less than they do."
            )
            if self.months < 12
            else "",
            _(
                "A season moves many at once: compare days a year apart, or take several pairs of "
                "days (origins=2), before a move is called a change."
            )
            if len(self.days) == 2 and self.months % 12
            else "",
            self.found.rule(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Heat map of moves, a row per stage before. {rows}").format(rows=self._rows())

    # --- the words

    def _names(self) -> dict[str, str]:
        return names_of([*self.order]) | {NEW: _("New")}

    def _between(self) -> str:
        pairs = len(self.days) - 1
        said = ngettext(
            "The stage of {customers} customers on {first} and {months} months later, on {last}.",
            "The stages of {customers} customers on {count} days from {first} to {last}, each day "
            "{months} months after the one before.",
            pairs,
        )
        known = self.moves[self.moves["origin"] != NEW]
        return said.format(
            customers=number(known["customer_id"].nunique()),
            count=number(len(self.days)),
            months=number(self.months),
            first=day(self.days[0]),
            last=day(self.days[-1]),
        )

    def _rows(self) -> str:
        names, parts = self._names(), []
        for origin, rows in self.table.groupby("origin", sort=False):
            if origin == NEW:
                continue
            most = rows[rows["customers"] > 0].sort_values("share", ascending=False, kind="stable")
            most = most.iloc[:2]
            parts.append(
                _("from {origin} {moves}").format(
                    origin=names[str(origin)],
                    moves=_(", ").join(
                        _("{share} ({low} to {high}) to {destination}").format(
                            share=percent(row["share"]),
                            low=percent(row["low"]),
                            high=percent(row["high"]),
                            destination=names[row["destination"]],
                        )
                        for _index, row in most.iterrows()
                    ),
                )
            )
        return _(
            "The two most common moves of each row: {parts}. In brackets: intervals that hold for "
            "a row together with {confidence} confidence."
        ).format(parts=_("; ").join(parts), confidence=percent(self.confidence, 0))

    def _came_back(self) -> str:
        rows = self.table[(self.table["origin"] == "lost") & (self.table["destination"] != "lost")]
        total = self.moves[self.moves["origin"] == "lost"]
        if rows.empty or total.empty:
            return ""
        return _(
            "Of those called lost, {share} were not lost any more: silence is not proof of leaving."
        ).format(share=percent(rows["customers"].sum() / len(total)))

    def _short(self) -> str:
        if self.seen >= 1:
            return ""
        return _(
            "Before {first} the data hold only {share} of 12 months: on that day no trend is "
            "known, and decline is seen by silence alone."
        ).format(first=day(self.days[0]), share=percent(self.seen, 0))

    def _newly(self) -> str:
        new = self.moves[self.moves["origin"] == NEW]
        if new.empty:
            return _("Nobody bought for the first time in between.")
        return ngettext(
            "{count} customer bought for the first time in between.",
            "{count} customers bought for the first time in between.",
            len(new),
        ).format(count=number(len(new)))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, customers in the other stage {months} months later").format(
                months=number(self.months)
            ),
            denominator=_("Customers in the stage on the first day of a pair"),
            period=_("{first} to {last}").format(first=day(self.days[0]), last=day(self.days[-1])),
            method=_(
                "Stages by rule, each day from what was known then: {rules} {rule} Wilson "
                "intervals, those of a row together (Bonferroni); with several pairs of days the "
                "moves of one customer are a cluster."
            ).format(rules=rules_in_words(self.rules), rule=self.found.rule()),
            source=self.context.source,
            exclusions=self.found.exclusions,
        )


@measure(needs=NEEDS)
def stage_moves(
    crm: Workspace,
    *,
    months: int = 6,
    origins: int = 1,
    at: date | str | None = None,
    rules: pd.DataFrame | None = None,
    occasion: Occasion = "day",
    confidence: float = 0.95,
) -> StageMoves:
    """How customers move between the stages of the life cycle.

    Parameters
    ----------
    crm : Workspace
        As in `lifecycle`.
    months : int
        From the first day of a pair to the second.
    origins : int
        How many pairs of days, one after the other, are taken together.
    at : datetime.date or str, optional
        The last day; that of the data by default.
    rules, occasion
        As in `lifecycle`.
    confidence : float
        Of the shares of a row together.

    Returns
    -------
    StageMoves
        `.table` has a row per stage before and after: origin (a stage, or new: had not bought by
        then), destination, customers (with several pairs of days, moves), share (of the origin),
        low, high. Stages nobody was in have no rows. `.matrix()` is its wide form, `.moves` a row
        per customer.

    Raises
    ------
    CrmlabError
        If `months` or `origins` is less than 1, and as `lifecycle`.
    NotEnoughData
        If the data reach back less than 90 days before the first day.

    Notes
    -----
    Each day's stages use what was known on that day, its rules and its typical gap alike. With one
    pair a share is binomial; with more, a customer can be in a row more than once, and the Wilson
    interval is taken on the effective number of moves (`crmlab.stats.clustered.share`). The shares
    of a row are one multinomial; intervals at 1 − (1 − confidence)/k for its k stages hold
    together (Bonferroni).

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212. Rao, J. N. K.
    and Scott, A. J. (1992), Biometrics 48, 577-585.
    """
    check_confidence(confidence)
    for name, value in (("months", months), ("origins", origins)):
        if value < 1:
            raise CrmlabError(
                _("{name} is a whole number, 1 or more; it is {value}.").format(
                    name=name, value=value
                )
            )
    chosen = lifecycle_rules() if rules is None else rules
    last = stages(crm, at=at, rules=chosen, occasion=occasion)
    days = [_earlier(last.at, months * back) for back in range(origins, 0, -1)]
    earlier = [stages(crm, at=when, rules=chosen, occasion=occasion) for when in days]
    known = [one.frame for one in earlier]
    days.append(last.at)
    known.append(last.frame)
    moves = pd.concat(
        [_moves(*known[place : place + 2], *days[place : place + 2]) for place in range(origins)],
        ignore_index=True,
    )
    order = in_order(chosen)
    return StageMoves(
        _table(moves, order, confidence),
        Context.of(crm),
        moves,
        tuple(days),
        order,
        chosen,
        months,
        earlier[0].seen,
        purchases(crm, occasion=occasion),
        confidence,
    )


def _earlier(when: date, months: int) -> date:
    """The day so many months before; the end of a month stays the end of a month.

    Examples
    --------
    >>> _earlier(date(2025, 8, 31), 6), _earlier(date(2025, 6, 30), 6)
    (datetime.date(2025, 2, 28), datetime.date(2024, 12, 31))
    """
    following = pd.Timestamp(when + timedelta(days=1))
    return (following - pd.DateOffset(months=months) - pd.Timedelta(days=1)).date()


def _moves(before: pd.DataFrame, after: pd.DataFrame, from_day: date, to_day: date) -> pd.DataFrame:
    """Every customer known on the second day; whoever has bought once is known ever after."""
    origin = after["customer_id"].map(before.set_index("customer_id")["stage"])
    return pd.DataFrame(
        {
            "customer_id": after["customer_id"],
            "from_day": pd.Timestamp(from_day),
            "to_day": pd.Timestamp(to_day),
            "origin": origin.fillna(NEW).astype(str),
            "destination": after["stage"].astype(str),
        }
    )


def _table(moves: pd.DataFrame, order: list[str], confidence: float) -> pd.DataFrame:
    together = 1 - (1 - confidence) / len(order)
    rows = []
    for origin in [*order, NEW]:
        part = moves[moves["origin"] == origin]
        if part.empty:
            continue
        owner = part["customer_id"].factorize()[0]
        trials = np.bincount(owner)
        for destination in order:
            there = (part["destination"] == destination).to_numpy()
            if (trials == 1).all():
                found = _binomial(int(there.sum()), len(part), together)
            else:
                found = clustered.share(np.bincount(owner, there), trials, confidence=together)
            rows.append((origin, destination, int(there.sum()), found.value, found.low, found.high))
    names = ["origin", "destination", "customers", "share", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _binomial(successes: int, trials: int, confidence: float) -> clustered.Estimate:
    low, high = wilson(successes, trials, confidence=confidence)
    return clustered.Estimate(successes / trials, float(low), float(high), 1.0)


__all__ = ["StageMoves", "stage_moves"]
