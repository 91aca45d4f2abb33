"""The iceberg (冰山): how much of what goes wrong is complained of, and how much passes unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.incidents import (
    NEEDS,
    SEEN,
    Placed,
    count_of,
    fault_names,
    placed,
)
from crmlab.data.order_faults import without_suggestions
from crmlab.errors import CrmlabError, NotEnoughData, TooManyGroups
from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.groups import group_name, those_apart
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.multiplicity import holding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Groups by what went wrong; an order may be in several.
FAULT = "fault"
#: Of more groups only the largest are drawn; many more are refused.
DRAWN = 8
MOST = 60
#: A group of fewer customers is shown and not judged.
FEWEST = 5
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class Iceberg(Result):
    """Result of `iceberg`.

    Attributes
    ----------
    overall : pandas.Series
        As a row of `.table`, of all orders that went wrong.
    by : str
        What makes the groups.
    days : int
        Days after which an order is judged.
    delays : pandas.Series
        Days from when it showed that the order went wrong to the first complaint, by order; below
        0 where the complaint came earlier.
    since : str
        From which column of the orders, as a rule; empty if none is known.
    more : int
        Further complaints of orders already complained of.
    well : int
        Orders complained of for which the data show nothing wrong.
    unnamed : int
        Complaints that name no order, or none that is known.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    record : str
        What a row of the orders is.
    """

    measure = "complaints.iceberg"

    overall: pd.Series
    by: str
    days: int
    delays: pd.Series
    since: str
    more: int
    well: int
    unnamed: int
    exclusions: tuple[Exclusion, ...]
    part: str
    record: str

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {FAULT: fault_names()} if self.by == FAULT else {}

    def main_columns(self) -> list[str]:
        hidden = ("per_complaint_low", "per_complaint_high")
        return [name for name in self.table.columns if name not in hidden]

    def title(self) -> str:
        row = self.overall
        if not row["complained"]:
            return _("Of {orders} that went wrong none was complained of").format(
                orders=count_of(int(row["incidents"]), self.record)
            )
        said = (
            _("For each complaint {many} order lines went wrong: {share} were complained of")
            if self.record == "line"
            else _("For each complaint {many} orders went wrong: {share} were complained of")
        )
        return said.format(share=percent(row["share"], 0), many=number(row["per_complaint"], 1))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        groups = self._drawn()
        places = np.arange(len(groups))
        above = groups["complained"].to_numpy(float)
        below = groups["incidents"].to_numpy(float) - above
        many = groups["incidents"].to_numpy(float)
        axes.bar(places, above, width=0.66, color=charts.ORANGE, label=_("Complained of"))
        axes.bar(places, -below, width=0.66, color=charts.BLUE, label=_("Not complained of"))
        low, high = groups["low"].to_numpy() * many, groups["high"].to_numpy() * many
        axes.vlines(places, low, high, color=charts.INK, linewidth=2)
        axes.axhline(0, color=charts.INK, linewidth=1)
        top, bottom = float(np.nanmax([*above, *high])), float(below.max())
        for place, share, end in zip(places, groups["share"], np.fmax(above, high), strict=True):
            axes.text(
                float(place),
                end + 0.02 * (top + bottom),
                percent(share, 0),
                ha="center",
                va="bottom",
            )
        width = int(58 / max(len(groups), 3))
        names = [charts.wrapped(self.name_of(value), width) for value in groups[self.by]]
        axes.set_xticks(places, names)
        # Room for the shares above, and for the legend below.
        axes.set_ylim(-bottom - 0.17 * (top + bottom), top + 0.14 * (top + bottom))
        self._scale(axes)
        axes.legend(loc="lower right", ncols=2)
        charts.set_title(axes, self.title())
        return axes

    def _drawn(self) -> pd.DataFrame:
        return self.table.head(DRAWN)

    def _scale(self, axes: Axes) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(abs(value))))
        lines = self.record == "line"
        axes.set_ylabel(_("Order lines that went wrong") if lines else _("Orders that went wrong"))
        if len(self.table) > DRAWN:
            axes.set_xlabel(
                _("The {drawn} largest of {groups} groups").format(
                    drawn=number(DRAWN), groups=number(len(self.table))
                )
            )

    def reading(self) -> str:
        parts = [
            self._share(),
            self._groups(),
            self._how_soon(),
            self._other_complaints(),
            left_out_words(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        groups = [
            _("{group} {share} ({low} to {high}) of {count}").format(
                group=self.name_of(row[self.by]),
                count=number(row["incidents"]),
                **_written(row),
            )
            for _index, row in self._drawn().iterrows()
        ]
        return _(
            "Bars of the orders that went wrong, those complained of above a water line and the "
            "others below it. Complained of: {groups}."
        ).format(groups=_("; ").join(groups))

    # --- the words

    def name_of(self, value: Any) -> str:
        """A group in the current language."""
        return fault_names()[value] if self.by == FAULT else group_name(self.by, value)

    def _share(self) -> str:
        row = self.overall
        said = _(
            "Of {orders} that went wrong, {complained} were complained of: {share} ({low} to "
            "{high}). {intervals}"
        ).format(
            orders=count_of(int(row["incidents"]), self.record),
            complained=number(row["complained"]),
            intervals=intervals_in_brackets(CONFIDENCE),
            **_written(row),
        )
        if not row["complained"]:
            return said
        return f"{said} " + _(
            "For each one complained of, {many} went wrong ({low} to {high}); {silent} passed "
            "without a word."
        ).format(
            many=number(row["per_complaint"], 1),
            low=number(row["per_complaint_low"], 1),
            high=number(row["per_complaint_high"], 1),
            silent=number(row["silent"]),
        )

    def _groups(self) -> str:
        judged = int(self.table["stands_out"].notna().sum())
        if not judged:
            return _(
                "Whether groups differ cannot be told: there is but one, or none has orders of "
                "{fewest} customers and others to compare them with."
            ).format(fewest=number(FEWEST))
        table = self.table
        if self.by == FAULT:
            table = table.assign(**{FAULT: table[FAULT].map(self.name_of)})
        return those_apart(table, self.by, judged)

    def _how_soon(self) -> str:
        if self.delays.empty:
            return ""
        half, late = (float(self.delays.quantile(part)) for part in (0.5, 0.9))
        texts = {
            (True, True): _("Nine in ten of those complained of were so before {since}."),
            (True, False): _(
                "Half of those complained of were so before {since}, nine in ten within {late} "
                "days of it."
            ),
            (False, False): _(
                "Half of those complained of were so within {median} days of {since}, nine in ten "
                "within {late}."
            ),
        }
        said = texts[half <= 0, late <= 0].format(
            median=number(half, 1), late=number(late, 1), since=self._since()
        )
        if self.delays.quantile(0.9) <= self.days:
            return said
        return f"{said} " + _(
            "That is longer than the {days} days after which an order is judged here: the share is "
            "somewhat too low. Say more days."
        ).format(days=number(self.days))

    def _since(self) -> str:
        names = {
            "delivered_at": _("delivery"),
            "promised_at": _("the promised day"),
            "ordered_at": _("the order"),
        }
        return names[self.since]

    def _other_complaints(self) -> str:
        parts = []
        if self.more:
            parts.append(
                ngettext(
                    "{count} complaint more was of an order already complained of",
                    "{count} complaints more were of orders already complained of",
                    self.more,
                ).format(count=number(self.more))
            )
        if self.well:
            parts.append(
                _("{orders} complained of had nothing wrong as far as the data show").format(
                    orders=count_of(self.well, self.record)
                )
            )
        if self.unnamed:
            parts.append(
                ngettext(
                    "{count} complaint names no order that is known and may be about any of them",
                    "{count} complaints name no order that is known and may be about any of them",
                    self.unnamed,
                ).format(count=number(self.unnamed))
            )
        if not parts:
            return ""
        return _("Not in the share: {parts}.").format(parts=_("; ").join(parts))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, orders that a complaint names, suggestions aside, each once"),
            denominator=_(
                "Orders that came late, damaged, short or with wrong documents, as far as the data "
                "show it, at least {days} days before the last day"
            ).format(days=number(self.days)),
            period=self.context.period(),
            method=_(
                "Share with a 95% Wilson interval on the effective number of orders, customers as "
                "clusters. Each group is compared with all other orders that went wrong, by t, "
                "chances corrected for the number of groups (Holm). An order with several faults "
                "counts under each of them. A complaint counts for the order it names, whatever it "
                "is about."
            ),
            source=self.context.source,
            exclusions=self.exclusions,
        )


@measure(needs=NEEDS)
def iceberg(crm: Workspace, *, by: str = FAULT, days: int = 7) -> Iceberg:
    """Of the orders that went wrong, how many were complained of.

    Parameters
    ----------
    crm : Workspace
        With complaints.order_id, and orders with what shows a fault: on_time, or promised_at and
        delivered_at (late); damaged; documents_ok; quantity_ordered and quantity_delivered (short).
    by : str
        What makes the groups: ``"fault"``, or a column of orders or customers such as
        ``"customer_type"`` or ``"tier"``.
    days : int
        0 to 90 days that must have passed since delivery (else since the promise or the order):
        what went wrong yesterday may still be complained of.

    Returns
    -------
    Iceberg
        `.table` has a row per group, the largest first: the column of `by`, incidents (orders that
        went wrong), complained, silent (not complained of), share, low, high, per_complaint,
        per_complaint_low, per_complaint_high (orders gone wrong for each complained of; missing
        where none was), stands_out (from all other orders that went wrong; missing for a group of
        fewer than five customers).

    Raises
    ------
    CrmlabError
        If `days` is not from 0 to 90.
    TooManyGroups
        If `by` makes more than 60 groups.
    UnknownName
        If neither orders nor customers have the column.
    NotEnoughData
        If no order that went wrong is old enough.

    Notes
    -----
    The share is that of orders, not of customers, and a complaint that came after more than `days`
    days counts too. Where the customer is not given each order stands for itself.

    References
    ----------
    Goodman, J. (2009), Strategic Customer Service, on the multiplier. Hirschman, A. O.
    (1970), Exit, Voice, and Loyalty.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": list("1234"), "customer_id": list("ABCD"),
    ...     "ordered_at": ["2025-01-02"] * 4, "damaged": [True, True, True, False]})
    >>> complaints = pd.DataFrame({"complaint_id": ["a"], "order_id": ["1"]})
    >>> crm = from_frames({"orders": orders, "complaints": complaints}, as_of="2025-01-31")
    >>> iceberg(crm).table[["fault", "incidents", "complained", "silent"]]
         fault  incidents  complained  silent
    0  damaged          3           1       2
    """
    if not 0 <= days <= 90:
        raise CrmlabError(_("days = {value} is not from 0 to 90.").format(value=days))
    found = placed(crm, () if by == FAULT else (by,))
    wrong, counts = _judged(crm, found, days)
    if wrong.empty:
        raise NotEnoughData(
            _("All orders that went wrong are more recent than {days} days.").format(
                days=number(days)
            )
            if found.frame["wrong"].any()
            else _("No order is known to have gone wrong.")
        )
    delays, more, well, unnamed = _complaints(found, wrong)
    return Iceberg(
        _table(wrong, by, found.kinds),
        Context.of(crm),
        pd.Series(_row(wrong)),
        by,
        days,
        delays,
        next((name for name in SEEN if crm.has("orders", name)), ""),
        more,
        well,
        unnamed,
        found.exclusions(counts),
        found.part,
        found.record,
    )


def _judged(crm: Workspace, found: Placed, days: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """The orders that went wrong long enough ago, and how many others did."""
    wrong = found.frame[found.frame["wrong"]]
    # Without any day an order cannot be said to be recent.
    since = (pd.Timestamp(crm.as_of) - wrong["seen_at"].dt.normalize()).dt.days
    recent = since < days
    reason = _("went wrong less than {days} days before the last day").format(days=number(days))
    return wrong[~recent].reset_index(drop=True), {reason: int(recent.sum())}


def _row(part: pd.DataFrame) -> dict[str, Any]:
    found = weighted.share(part["complained"], clusters=part["customer"], confidence=CONFIDENCE)
    turned = [1 / end if end > 0 else np.nan for end in (found.value, found.high, found.low)]
    complained = int(part["complained"].sum())
    return {
        "incidents": len(part),
        "complained": complained,
        "silent": len(part) - complained,
        "share": found.value,
        "low": found.low,
        "high": found.high,
        "per_complaint": turned[0],
        "per_complaint_low": turned[1],
        "per_complaint_high": turned[2],
    }


def _table(wrong: pd.DataFrame, by: str, kinds: Sequence[str]) -> pd.DataFrame:
    if by == FAULT:
        groups = [(kind, wrong[kind].to_numpy()) for kind in kinds if wrong[kind].any()]
    else:
        codes, values = pd.factorize(wrong[by], use_na_sentinel=False)
        _few_enough(by, len(values))
        groups = [(value, codes == place) for place, value in enumerate(values)]
    rows = [{by: name} | _row(wrong[inside]) for name, inside in groups]
    chances = [_chance(wrong, inside) for _name, inside in groups]
    table = pd.DataFrame(rows).assign(stands_out=holding(chances, 1 - CONFIDENCE))
    # Equal groups stand by name: where they came first in the orders is no order for a reader.
    ranked = table.assign(_name=table[by].astype("str"), _size=-table["incidents"])
    return ranked.sort_values(["_size", "_name"], ignore_index=True)[list(table.columns)]


def _few_enough(by: str, groups: int) -> None:
    if groups > MOST:
        raise TooManyGroups(
            _(
                "by = {column} makes {groups} groups; at most {most} can be told apart. Choose a "
                "column with fewer values."
            ).format(column=repr(by), groups=number(groups), most=number(MOST))
        )


def _chance(wrong: pd.DataFrame, inside: np.ndarray) -> float:
    """Probability by chance of the group's share being so far from that of the others."""
    who = wrong["customer"]
    if min(who[inside].nunique(), who[~inside].nunique()) < FEWEST:
        return np.nan
    return weighted.contrast(
        wrong["complained"].to_numpy(float), inside, ~inside, clusters=who
    ).chance


def _complaints(found: Placed, wrong: pd.DataFrame) -> tuple[pd.Series, int, int, int]:
    """Days to the first complaint of each order; and the complaints that are not in the share."""
    complaints = without_suggestions(found.workspace.complaints)
    names = complaints["order_id"]
    known = found.knows(names)
    more = int(names[known].duplicated().sum())
    well = int((found.frame["complained"] & ~found.frame["wrong"]).sum())
    delays = pd.Series(dtype=float)
    if "opened_at" in complaints and wrong["seen_at"].notna().any():
        first = complaints[known].groupby("order_id")["opened_at"].min()
        seen = wrong[wrong["complained"]].set_index("order_id")["seen_at"]
        delays = ((first.reindex(seen.index) - seen) / pd.Timedelta(days=1)).dropna()
    return delays, more, well, int((~known).sum())


def _written(row: pd.Series) -> dict[str, str]:
    return {name: percent(row[name]) for name in ("share", "low", "high")}
