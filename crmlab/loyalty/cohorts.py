"""Retention by cohort (同期群留存): of customers won together, how many buy later on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.newcomers import newcomers, orders_begin
from crmlab.loyalty.purchases import NEEDS
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
    require,
)
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What a period is called, and its months.
UNITS = {"month": 1, "quarter": 3, "year": 12}
Unit = Literal["month", "quarter", "year"]
Start = Literal["purchase", "acquired"]

#: With more columns than these the cells carry no numbers.
WRITTEN = 26
#: The word "not over yet" takes this share of the picture's width.
ROOM = 0.18
#: Cohorts are compared where each expects so many buyers and as many others.
EXPECTED = 5


@dataclass(frozen=True, repr=False)
class Retention(Result):
    """Result of `retention`.

    Attributes
    ----------
    curve : pandas.DataFrame
        All cohorts together, a row per age: age, cohorts (seen at that age), customers (of them),
        buyers, share, low, high.
    unit : {"month", "quarter", "year"}
    start : {"purchase", "acquired"}
    older, early, undated : int
        Customers of no cohort: won before the data begin; first seen at their start; on a day that
        is not given.
    caution : str
        Warning that many first purchases may not be the first; empty where there is no sign of it.
    chance : float
        Probability of such different cohorts at age 1 if they were alike; NaN where it cannot be
        told.
    exclusions : tuple of Exclusion
        Orders left out.
    confidence : float
    """

    measure = "loyalty.retention"

    curve: pd.DataFrame
    unit: Unit
    start: Start
    older: int
    early: int
    undated: int
    caution: str
    chance: float
    exclusions: tuple[Exclusion, ...]
    confidence: float

    def triangle(self, column: str = "share") -> pd.DataFrame:
        """A column of the table with a row per cohort and a column per age."""
        return self.table.set_index(["cohort", "age"])[column].unstack("age")  # noqa: PD010

    def formats(self) -> Mapping[str, str]:
        return {"buyers": "integer"}

    def title(self) -> str:
        later = self._later()
        if later is None:
            return _("No cohort has been seen for a whole period after it was won")
        share, age = percent(later["share"], 0), int(later["age"])
        return {
            "month": ngettext(
                "{share} of the customers won buy in the month after",
                "{share} of the customers won buy {age} months later",
                age,
            ),
            "quarter": ngettext(
                "{share} of the customers won buy in the quarter after",
                "{share} of the customers won buy {age} quarters later",
                age,
            ),
            "year": ngettext(
                "{share} of the customers won buy in the year after",
                "{share} of the customers won buy {age} years later",
                age,
            ),
        }[self.unit].format(share=share, age=number(age))

    def _later(self) -> pd.Series | None:
        """The age spoken of: a year, or the last before that half of the cohorts have reached."""
        seen = self.curve[(self.curve["age"] >= 1) & self.curve["share"].notna()]
        year = seen[seen["age"] <= 12 / UNITS[self.unit]]
        year = year[year["cohorts"] >= self._size()[1] / 2]
        return None if seen.empty else (year if len(year) else seen.iloc[:1]).iloc[-1]

    def plot(self, ax: Axes | None = None) -> Axes:
        shares = self.triangle()
        rows, columns = shares.shape
        height = max(2.6, 1.9 + (0.36 if rows <= 12 else 0.24) * (rows + 1))
        axes = charts.new_axes(ax, size=(charts.SIZE[0], min(height, 9.0)))
        pooled = self.curve.set_index("age")["share"].reindex(shares.columns)
        values = np.vstack([shares.to_numpy(dtype=float), pooled.to_numpy(dtype=float)])
        axes.set_facecolor("white")
        axes.imshow(values, cmap="Blues", aspect="auto", vmin=0, vmax=1)
        axes.set_xlabel(self._axis())
        self._hatch(axes, values)
        self._write(axes, values)
        axes.axhline(rows - 0.5, color="white", linewidth=4)
        sizes = self.table.drop_duplicates("cohort").set_index("cohort")["customers"]
        labels = [f"{cohort}  ({number(sizes[cohort])})" for cohort in shares.index]
        every = 1 + rows // 40
        places = [*range(0, rows, every), rows]
        size = 9 if rows <= 12 else 7.5
        axes.set_yticks(places, [*labels[::every], _("together")], fontsize=size)
        step = 1 if columns <= 13 else 2 if columns <= 26 else 6
        axes.set_xticks(range(0, columns, step), [number(age) for age in shares.columns[::step]])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        charts.set_title(axes, self.title())
        return axes

    def _axis(self) -> str:
        return {
            "month": _("Months after; share that bought, in percent"),
            "quarter": _("Quarters after; share that bought, in percent"),
            "year": _("Years after; share that bought, in percent"),
        }[self.unit]

    def _hatch(self, axes: Axes, values: np.ndarray) -> None:
        from matplotlib.patches import Rectangle

        unknown = np.argwhere(np.isnan(values))
        for row, column in unknown:
            axes.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5),
                    1,
                    1,
                    facecolor="white",
                    edgecolor=charts.GRID,
                    hatch="////",
                    linewidth=0,
                )
            )
        if not len(unknown):
            return
        # The word stands in the row of cohorts that has most room, at its right end.
        counts, width = np.isnan(values[:-1]).sum(axis=1), values.shape[1]
        row = int(np.argmax(counts))
        if counts[row] < ROOM * width:
            axes.set_xlabel(_("{axis}; hatched: not over yet").format(axis=self._axis()))
            return
        axes.text(
            width - 0.5 - counts[row] / 2, row, _("not over yet"), ha="center", va="center",
            fontsize=9, color=charts.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )  # fmt: skip

    def _write(self, axes: Axes, values: np.ndarray) -> None:
        if values.shape[1] > WRITTEN:
            return
        size = 9.5 if values.shape[1] <= 13 else 6.5
        for row, column in np.ndindex(*values.shape):
            share = values[row, column]
            if not np.isnan(share):
                colour = "white" if share > 0.65 else charts.INK
                axes.text(
                    column, row, number(100 * float(share)), ha="center", va="center", color=colour,
                    fontsize=size,
                )  # fmt: skip

    def reading(self) -> str:
        parts = [
            self._pooled(),
            self._cohorts(),
            self._unknown(),
            _(
                "Who does not buy in a period has not left for that: they may buy in the next, so "
                "the share can rise again."
            ),
            self._nobodys(),
            self.caution,
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("age {age}: {share}").format(age=number(row["age"]), share=percent(row["share"], 0))
            for _index, row in self.curve.dropna(subset=["share"]).iterrows()
        ]
        return _(
            "Triangle of shares, a row per cohort and a column per age. All cohorts together: "
            "{said}."
        ).format(said=_("; ").join(said) or _("none"))

    # --- the words

    def _pooled(self) -> str:
        later = self._later()
        customers, cohorts = self._size()
        if later is None:
            return _(
                "{customers} customers are in {cohorts} cohorts, none of which has been seen for "
                "a whole period after the one it was won in."
            ).format(customers=number(customers), cohorts=number(cohorts))
        first = self.curve[self.curve["age"] == 1].iloc[0]
        said = {
            "month": ngettext(
                "{customers} customers were won, all in {cohorts} month. In the next month "
                "{first} bought",
                "{customers} customers were won, in {cohorts} months. In the next month "
                "{first} bought",
                cohorts,
            ),
            "quarter": ngettext(
                "{customers} customers were won, all in {cohorts} quarter. In the next quarter "
                "{first} bought",
                "{customers} customers were won, in {cohorts} quarters. In the next quarter "
                "{first} bought",
                cohorts,
            ),
            "year": ngettext(
                "{customers} customers were won, all in {cohorts} year. In the next year "
                "{first} bought",
                "{customers} customers were won, in {cohorts} years. In the next year {first} "
                "bought",
                cohorts,
            ),
        }[self.unit].format(
            customers=number(customers), cohorts=number(cohorts), first=_with_interval(first)
        )
        if int(later["age"]) == 1:
            return _("{said}. {intervals}").format(
                said=said, intervals=intervals_in_brackets(self.confidence)
            )
        after = {
            "month": _("{age} months after they were won {later}"),
            "quarter": _("{age} quarters after they were won {later}"),
            "year": _("{age} years after they were won {later}"),
        }[self.unit].format(age=number(later["age"]), later=_with_interval(later))
        return _(
            "{said}; {after}, of the {seen} customers whose time has come. {intervals}"
        ).format(
            said=said,
            after=after,
            seen=number(later["customers"]),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _size(self) -> tuple[int, int]:
        sizes = self.table.drop_duplicates("cohort")["customers"]
        return int(sizes.sum()), len(sizes)

    def _cohorts(self) -> str:
        first = self.table[(self.table["age"] == 1) & self.table["share"].notna()]
        if len(first) < 2:
            return ""
        low, high = first.loc[first["share"].idxmin()], first.loc[first["share"].idxmax()]
        if low["share"] == high["share"]:
            return _("In the first period after, the share is {share} in each cohort.").format(
                share=percent(low["share"])
            )
        said = _(
            "In the first period after, the cohorts go from {low} ({one}) to {high} ({other})."
        )
        said = said.format(
            low=percent(low["share"]),
            one=low["cohort"],
            high=percent(high["share"]),
            other=high["cohort"],
        )
        if np.isnan(self.chance):
            return said
        verdict = (
            _("That is more than chance would bring about: they differ, in season or in kind.")
            if self.chance < 1 - self.confidence
            else _("As much may come about by chance: that they differ cannot be told.")
        )
        return f"{said} {verdict}"

    def _unknown(self) -> str:
        seen = self.curve[self.curve["share"].notna()]
        if seen.empty or self.table["over"].all():
            return ""
        last = seen.iloc[-1]
        said = _(
            "Cells whose period is not over on {last} are not known, and are left empty; a zero "
            "there would be wrong."
        ).format(last=day(self.context.last_day))
        if last["age"] == 0 or int(last["cohorts"]) == self._size()[1]:
            return said
        return ngettext(
            "{said} The last age seen, {age}, is known of {count} cohort only: along the row of "
            "all together the cohorts change as well as the age.",
            "{said} The last age seen, {age}, is known of {count} cohorts only: along the row of "
            "all together the cohorts change as well as the age.",
            int(last["cohorts"]),
        ).format(said=said, age=number(last["age"]), count=number(last["cohorts"]))

    def _nobodys(self) -> str:
        found = self._left_out()
        if not found:
            return ""
        return _("In no cohort: {parts}.").format(parts=_("; ").join(one.words() for one in found))

    def _left_out(self) -> list[Exclusion]:
        counts = {
            _("won before the first order of the data"): self.older,
            _("first seen at the start of the data"): self.early,
            _("day of acquisition not given, or after the last day"): self.undated,
        }
        return [Exclusion.of_customers(why, count) for why, count in counts.items() if count]

    def _define(self) -> Definition:
        cohort = {
            "purchase": _("Customers by the calendar period of their first purchase"),
            "acquired": _(
                "Customers by the calendar period in which they were won (acquired_on, or the "
                "first purchase if it is earlier), with those who never bought"
            ),
        }[self.start]
        return Definition(
            numerator=_("Of these, customers with a purchase in the period so many periods later"),
            denominator=cohort,
            period=self.context.period(),
            method=_(
                "Calendar periods; a cell counts when its period is over. {confidence} Wilson "
                "intervals, each by itself; all cohorts together: those whose period of that age "
                "is over. Cohorts compared at age 1 by a chi-square test."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=(*self._left_out(), *self.exclusions),
        )


def _with_interval(row: pd.Series) -> str:
    return _("{share} ({low} to {high})").format(
        share=percent(row["share"]), low=percent(row["low"]), high=percent(row["high"])
    )


@measure(needs=NEEDS)
def retention(
    crm: Workspace,
    *,
    unit: Unit = "quarter",
    start: Start = "purchase",
    lead: int = 0,
    confidence: float = 0.95,
) -> Retention:
    """Of the customers won in a period, what share buys in each period after.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; amount tells refunds from purchases, and
        customers.acquired_on who was won before the data begin.
    unit : {"month", "quarter", "year"}
        Calendar periods, of cohorts and of ages.
    start : {"purchase", "acquired"}
        What makes the cohort: the first purchase; or the day a customer was won, which needs
        customers.acquired_on and counts those who never bought as well.
    lead : int
        Leave out customers first seen within so many days of the first order, as in
        `repeat_purchase`.
    confidence : float

    Returns
    -------
    Retention
        `.table` has a row per cohort (that has anybody) and age: cohort (such as 2025-Q1 or
        2025-01), age (periods since then), customers (of the cohort), buyers (of them, who bought
        in the period), share, low, high, over (whether the period was over on the last day; if
        not, buyers, share, low and high are missing). `.triangle()` is its wide form, `.curve` all
        cohorts together.

    Raises
    ------
    MissingColumns
        If cohorts by acquisition are asked for and acquired_on is not there.
    CrmlabError
        If `unit`, `start` or `lead` is none of those allowed.
    NotEnoughData
        If nobody is in a cohort.

    Notes
    -----
    A period that is over was seen whole, so its share needs no censoring; one that is not is left
    out, also of the row of all cohorts together, which at every age is Σ buyers / Σ customers over
    the cohorts whose period of that age is over. Its later ages come from the older cohorts alone.
    With calendar periods a customer won on the last day of a quarter is of age 1 the day after: the
    period of age 0 is cut short for all, by half on average.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2007), Journal of Interactive Marketing 21(1), 76-90, on
    retention by cohort. Wilson, E. B. (1927), Journal of the American Statistical Association 22,
    209-212.
    """
    check_confidence(confidence)
    _check(unit, start)
    if start == "acquired":
        needed = {"customers": ["customer_id", "acquired_on"]}
        require(crm, "loyalty.retention", crm.missing(needed))
    found = newcomers(crm, lead=lead)
    opening = orders_begin(crm)
    counts = crm.query(
        "cohort_purchases",
        months=UNITS[unit],
        by_acquired=start == "acquired",
        opening=opening,
        lead_until=opening + timedelta(days=lead),
    )
    sizes = counts[counts["age"] == -1]
    known = (counts["known"] == 0) & (counts["cohort"] >= 0)
    known &= counts["cohort"] <= _month(crm.as_of)
    if not (known & (counts["age"] == -1)).any():
        raise NotEnoughData(_("No customer was won while the data run, so there is no cohort."))
    table = _table(counts[known], unit, crm.as_of, confidence)
    of_no_cohort = sizes[(sizes["known"] == 0) & ~known.loc[sizes.index]]
    return Retention(
        table,
        Context.of(crm),
        _curve(table, confidence),
        unit,
        start,
        int(sizes.loc[sizes["known"] == 1, "customers"].sum()),
        int(sizes.loc[sizes["known"] == 2, "customers"].sum()),
        int(of_no_cohort["customers"].sum()),
        found.caution() if start == "purchase" else "",
        _chance(table),
        found.purchases.exclusions,
        confidence,
    )


def _check(unit: str, start: str) -> None:
    if unit not in UNITS:
        raise CrmlabError(
            _("unit is one of {names}; it is {unit}.").format(
                names=", ".join(UNITS), unit=repr(unit)
            )
        )
    if start not in ("purchase", "acquired"):
        raise CrmlabError(
            _("start is 'purchase' or 'acquired'; it is {start}.").format(start=repr(start))
        )


def _month(when: date) -> int:
    """Months since the year 0, as in the query."""
    return when.year * 12 + when.month - 1


def _table(counts: pd.DataFrame, unit: Unit, as_of: date, confidence: float) -> pd.DataFrame:
    """Every cohort at every age, missing where the period is not over."""
    months = UNITS[unit]
    size = counts[counts["age"] == -1].set_index("cohort")["customers"]
    bought = counts[counts["age"] >= 0].set_index(["cohort", "age"])["customers"]
    last = _month(as_of) - _month(as_of) % months
    cohorts = np.sort(size.index.to_numpy())
    ages = np.arange(0, last - cohorts[0] + 1, months)
    grid = pd.MultiIndex.from_product([cohorts, ages], names=["cohort", "age"])
    table = grid.to_frame(index=False)
    customers = table["cohort"].map(size).astype("int64")
    # A period is over when the next begins on the day after the last, or before.
    begun_after = _month(as_of + timedelta(days=1))
    over = table["cohort"] + table["age"] + months <= begun_after
    buyers = bought.reindex(grid).fillna(0).astype("int64").reset_index(drop=True)
    told = over.to_numpy()
    low, high = wilson(buyers, customers, confidence=confidence)
    share = buyers / customers
    return pd.DataFrame(
        {
            "cohort": [_name(int(cohort), unit) for cohort in table["cohort"]],
            "age": (table["age"] // months).astype("int64"),
            "customers": customers,
            "buyers": buyers.astype("Int64").where(over),
            "share": share.where(told),
            "low": np.where(told, low, np.nan),
            "high": np.where(told, high, np.nan),
            "over": over,
        }
    )


def _name(month: int, unit: Unit) -> str:
    """A cohort by its first month.

    Examples
    --------
    >>> _name(2025 * 12 + 3, "quarter"), _name(2025 * 12 + 3, "month")
    ('2025-Q2', '2025-04')
    """
    year, rest = divmod(month, 12)
    if unit == "year":
        return str(year)
    return f"{year}-Q{rest // 3 + 1}" if unit == "quarter" else f"{year}-{rest + 1:02d}"


def _curve(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    seen = table[table["share"].notna()]
    found = seen.groupby("age").agg(
        cohorts=("cohort", "size"), customers=("customers", "sum"), buyers=("buyers", "sum")
    )
    found = found.reindex(sorted(table["age"].unique()), fill_value=0).astype("int64")
    low, high = wilson(found["buyers"], found["customers"], confidence=confidence)
    share = found["buyers"] / found["customers"].where(found["customers"] > 0)
    return found.assign(share=share, low=low, high=high).reset_index()


def _chance(table: pd.DataFrame) -> float:
    """Probability of such different cohorts at age 1 by chance; NaN where numbers are too small."""
    from scipy.stats import chi2_contingency

    first = table[(table["age"] == 1) & table["share"].notna()]
    bought = first["buyers"].to_numpy(dtype=float)
    others = first["customers"].to_numpy(dtype=float) - bought
    if len(first) < 2 or min(bought.sum(), others.sum()) == 0:
        return np.nan
    _statistic, chance, _freedom, expected = chi2_contingency(np.column_stack([bought, others]))
    return float(chance) if expected.min() >= EXPECTED else np.nan


__all__ = ["Retention", "retention"]
