"""What customers order after something went wrong: complained of or not, answered soon or late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.aftermath import (
    ANSWERED,
    FEWEST,
    QUICK,
    SILENT,
    SLOW,
    WELL,
    customer_months,
    fitted,
)
from crmlab.complaints.incidents import NEEDS, Placed, placed
from crmlab.data.order_faults import without_suggestions
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.multiplicity import holding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace
    from crmlab.stats.counts import CountRegression

#: What can have happened, in the order in which it is shown, the usual first.
STATES = (WELL, SILENT, SLOW, QUICK, ANSWERED)
#: Which are held against each other, the first over the second.
CONTRASTS = ((QUICK, SLOW), (SLOW, SILENT), (QUICK, SILENT), (ANSWERED, SILENT))
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class AfterIncidents(Result):
    """Result of `after_incidents`.

    Attributes
    ----------
    contrasts : pandas.DataFrame
        first, second (what happened), ratio, ratio_low, ratio_high (of the orders after the one
        over those after the other, held equal), beyond_chance (among all comparisons).
    months : pandas.DataFrame
        The customer-months: customer_id, month, happened, orders, after, again, and what is held
        equal.
    following : int
        Months that are followed.
    hours : float
        Within which a first response is quick.
    held : tuple of str
        Further columns held equal.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    measure = "complaints.after_incidents"

    contrasts: pd.DataFrame
    months: pd.DataFrame
    following: int
    hours: float
    held: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    part: str

    def formats(self) -> dict[str, str]:
        return dict.fromkeys(["orders_after", "ratio", "ratio_low", "ratio_high"], "number")

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"happened": self.names()}

    def names(self) -> dict[str, str]:
        """What happened, in the current language."""
        hours = number(self.hours, 0 if float(self.hours).is_integer() else 1)
        return {
            WELL: _("All went well"),
            SILENT: _("Went wrong, not complained of"),
            SLOW: _("Complained of, answered later"),
            QUICK: _("Complained of, answered within {hours} h").format(hours=hours),
            ANSWERED: _("Complained of"),
        }

    def title(self) -> str:
        row = self._rows()
        if (
            QUICK in row.index
            and SLOW in row.index
            and row.loc[[QUICK, SLOW], "ratio"].notna().all()
        ):
            return _("Orders after a complaint: {quick} if answered soon, {slow} if late").format(
                quick=percent(row.loc[QUICK, "ratio"], 0), slow=percent(row.loc[SLOW, "ratio"], 0)
            )
        if SILENT in row.index and np.isfinite(row.loc[SILENT, "ratio"]):
            return _("After what went wrong unsaid: {silent} of the usual orders").format(
                silent=percent(row.loc[SILENT, "ratio"], 0)
            )
        return _("What customers order after something went wrong")

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        rows = self.table[self.table["happened"] != WELL]
        places = np.arange(len(rows))[::-1]
        middle = rows["ratio"].to_numpy()
        colours = [charts.ORANGE if name == SILENT else charts.BLUE for name in rows["happened"]]
        axes.axvline(1, color=charts.MUTED, linewidth=1)
        axes.hlines(places, rows["ratio_low"], rows["ratio_high"], color=colours, linewidth=3)
        axes.scatter(middle, places, color=colours, s=60, zorder=3)
        axes.scatter(
            rows["naive_ratio"], places, facecolors="white", edgecolors=charts.MUTED, s=50,
            zorder=2, label=_("not held equal"),
        )  # fmt: skip
        for place, value in zip(places, middle, strict=True):
            if np.isfinite(value):
                axes.annotate(
                    percent(value, 0), (value, float(place)), (0, 9), ha="center",
                    textcoords="offset points",
                )  # fmt: skip
        names = self.names()
        labels = [charts.wrapped(names[name], 24) for name in rows["happened"]]
        axes.set_yticks(places, labels)
        axes.plot([], [], "o", color=charts.INK, label=_("held equal"))
        axes.set_ylim(-0.9, len(rows) - 0.4)
        axes.set_xlim(left=0)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            charts.wrapped(
                _("Orders in the {months} months after, months that went well being 100%").format(
                    months=number(self.following)
                ),
                52,
            )
        )
        axes.legend(loc="lower right", ncols=2)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._adjusted(),
            self._against_each_other(),
            self._plain(),
            self._again(),
            _(
                "This is association: who complains has chosen to, and what is held equal is only "
                "what the data show."
            ),
            left_out_words(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = self.names()
        said = [
            _("{name} {ratio}, not held equal {plain}").format(
                name=names[row["happened"]], ratio=_ratio(row), plain=percent(row["naive_ratio"], 0)
            )
            for _index, row in self.table.iterrows()
            if row["happened"] != WELL
        ]
        return _(
            "Points with intervals: orders afterwards, months that went well being 100%. {said}."
        ).format(said=_("; ").join(said))

    # --- the words

    def _rows(self) -> pd.DataFrame:
        return self.table.set_index("happened")

    def _adjusted(self) -> str:
        names = self.names()
        rows = self.table[self.table["happened"] != WELL].dropna(subset=["ratio"])
        if rows.empty:
            return _(
                "Nothing can be held equal here: there are too few customers or orders. The plain "
                "figures say who has incidents as much as what they do."
            )
        said = [
            _("{name}: {ratio}").format(name=names[row["happened"]], ratio=_ratio(row))
            for _index, row in rows.iterrows()
        ]
        return _(
            "Orders in the {months} calendar months that follow, as a share of those after months "
            "that went well, customers being alike in how much they order: {said}. {intervals}"
        ).format(
            months=number(self.following),
            said=_("; ").join(said),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _against_each_other(self) -> str:
        names = self.names()
        said = []
        for _index, row in self.contrasts.iterrows():
            pattern = (
                _("“{first}” goes with {ratio} of the orders after “{second}”: beyond chance")
                if row["beyond_chance"]
                else _("“{first}” goes with {ratio} of the orders after “{second}”: may be chance")
            )
            said.append(
                pattern.format(
                    first=names[row["first"]], second=names[row["second"]], ratio=_ratio(row)
                )
            )
        if not said:
            return ""
        if len(said) == 1:
            return _("Held against each other: {said}.").format(said=said[0])
        return _("Held against each other, allowing for {count} comparisons: {said}.").format(
            count=number(len(said)), said=_("; ").join(said)
        )

    def _plain(self) -> str:
        rows = self.table[self.table["happened"] != WELL].dropna(subset=["naive_ratio"])
        if rows.empty:
            return ""
        names = self.names()
        said = [
            _("{name}: {ratio}").format(
                name=names[row["happened"]], ratio=percent(row["naive_ratio"], 0)
            )
            for _index, row in rows.iterrows()
        ]
        return _(
            "With nothing held equal it would be: {said}. Who orders much has more orders that can "
            "go wrong; such figures mix who it was with what happened."
        ).format(said=_("; ").join(said))

    def _again(self) -> str:
        names = self.names()
        said = [
            _("{name}: {ratio}").format(
                name=names[row["happened"]], ratio=percent(row["bought_again"])
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Bought again in these months at all: {said}.").format(said=_("; ").join(said))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Orders of the customer in the {months} calendar months after").format(
                months=number(self.following)
            ),
            denominator=_("Calendar months in which a customer ordered, by what happened in them"),
            period=self.context.period(),
            method=_(
                "A month counts by the first complaint of one of its orders, suggestions aside; "
                "without one as silent if an order went wrong, else as well. Poisson regression of "
                "the orders after; held equal are orders of the month, mean orders a month until "
                "then, orders of the three months before, months since the first order, the "
                "calendar month and {further}. 95% t intervals by the jackknife over customers; "
                "chances corrected for all comparisons (Holm)."
            ).format(further=self._further()),
            source=self.context.source,
            exclusions=self.exclusions,
        )

    def _further(self) -> str:
        return _("the tier") if "tier" in self.held else _("nothing more")


@measure(
    needs=[{**each, "orders": (*each["orders"], "customer_id", "ordered_at")} for each in NEEDS]
)
def after_incidents(crm: Workspace, *, months: int = 2, hours: float = 4) -> AfterIncidents:
    """What customers order after something went wrong: said or unsaid, answered soon or late.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at and what shows a fault, as in `iceberg`; complaints:
        order_id. With opened_at and first_response_at complaints are told apart by the answer;
        customers.tier is held equal where known.
    months : int
        1 to 12 calendar months that follow.
    hours : float
        Within which a first response is quick; above 0.

    Returns
    -------
    AfterIncidents
        `.table` has a row for what happened in a month of a customer: happened (``"well"``,
        ``"silent"``, ``"slow"``, ``"quick"``, or ``"complained"`` where answers are not dated),
        customers, months, bought_again (share that ordered in the months after), orders_after
        (mean), naive_ratio (of it to that after months that went well), ratio, ratio_low,
        ratio_high (the same, held equal), beyond_chance. `.contrasts` holds them against each
        other.

    Raises
    ------
    CrmlabError
        If an option is out of its bounds.
    NotEnoughData
        If no month can be followed, or none in which something went wrong.

    Notes
    -----
    The unit is a customer and a calendar month with an order, because a customer with several
    orders remembers the month and not one order of it. The figures of states with fewer than five
    customers are shown and not held equal. Where the regression has no answer, as with very few
    orders, the ratios are missing and the plain figures stay.

    References
    ----------
    Hirschman, A. O. (1970), Exit, Voice, and Loyalty. Smith, A. K. and Bolton, R. N. (1998),
    Journal of Service Research 1, 65-81, on recovery and what follows.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": list("123"), "customer_id": ["A", "A", "B"],
    ...     "ordered_at": ["2025-01-10", "2025-02-10", "2025-01-20"],
    ...     "damaged": [False, False, True]})
    >>> complaints = pd.DataFrame({"complaint_id": ["a"], "order_id": ["9"]})
    >>> crm = from_frames({"orders": orders, "complaints": complaints}, as_of="2025-03-31")
    >>> after_incidents(crm).table[["happened", "months", "orders_after"]]
      happened  months  orders_after
    0     well       1           1.0
    1   silent       1           0.0
    """
    if not 1 <= months <= 12:
        raise CrmlabError(_("months = {value} is not from 1 to 12.").format(value=months))
    if not hours > 0:
        raise CrmlabError(_("hours = {value} is not above 0.").format(value=hours))
    held = ("tier",) if crm.has("customers", "customer_id", "tier") else ()
    found = placed(crm, held)
    made = customer_months(crm, found, months=months, hours=hours)
    frame = made.frame
    if frame.empty or frame["happened"].eq(WELL).all():
        raise NotEnoughData(
            _(
                "No month in which something went wrong is followed by {months} whole months."
            ).format(months=number(months))
        )
    table, contrasts = _compared(frame)
    nobody = int((found.frame["customer_id"].isna() | found.frame["ordered_at"].isna()).sum())
    counts = {
        _("without customer or day"): nobody,
        _("of months not followed by whole months enough"): made.open,
        _("of months with a complaint whose answer cannot be dated"): made.unknown,
    }
    return AfterIncidents(
        table,
        Context.of(crm),
        contrasts,
        frame,
        months,
        hours,
        held,
        (*found.exclusions(counts), *_nameless(found)),
        found.part,
    )


def _nameless(found: Placed) -> tuple[Exclusion, ...]:
    complaints = without_suggestions(found.workspace.complaints)
    count = int((~found.knows(complaints["order_id"])).sum())
    if not count:
        return ()
    unit = ngettext("complaint", "complaints", count)
    return (Exclusion(_("names no order that is known"), count, unit),)


def _compared(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each state, and the states held against each other."""
    by = frame.groupby("happened")
    plain = pd.DataFrame(
        {
            "customers": by["customer_id"].nunique(),
            "months": by.size(),
            "bought_again": by["again"].mean(),
            "orders_after": by["after"].mean(),
        }
    )
    states = [name for name in STATES if name in plain.index]
    plain = plain.loc[states].rename_axis("happened").reset_index()
    usual = plain.loc[plain["happened"] == WELL, "orders_after"]
    level = float(usual.iloc[0]) if len(usual) and usual.iloc[0] > 0 else np.nan
    plain["naive_ratio"] = (plain["orders_after"] / level).where(plain["happened"] != WELL)
    enough = plain.loc[plain["customers"] >= FEWEST, "happened"].tolist()
    judged = [name for name in enough if name != WELL]
    model = _model(frame, judged) if WELL in enough else None
    rows = [_estimated(model, judged, name, WELL) for name in plain["happened"]]
    pairs = [pair for pair in CONTRASTS if set(pair) <= set(judged)]
    others = [_estimated(model, judged, *pair) for pair in pairs] if model else []
    everything = holding([row.pop("chance") for row in [*rows, *others]], 1 - CONFIDENCE)
    table = plain.join(pd.DataFrame(rows)).assign(beyond_chance=everything[: len(rows)])
    columns = ["first", "second", "ratio", "ratio_low", "ratio_high"]
    contrasts = pd.DataFrame(
        [
            {"first": one, "second": two} | row
            for (one, two), row in zip(pairs, others, strict=False)
        ],
        columns=columns,
    )
    return table, contrasts.assign(beyond_chance=everything[len(rows) :][: len(contrasts)])


def _model(frame: pd.DataFrame, judged: Sequence[str]) -> CountRegression | None:
    if not judged:
        return None
    part = frame[frame["happened"].isin([WELL, *judged])].reset_index(drop=True)
    try:
        found = fitted(part, judged)
    except NotEnoughData:
        return None
    return found if set(judged) <= set(found.names) else None


def _estimated(
    model: CountRegression | None, judged: Sequence[str], first: str, second: str
) -> dict[str, Any]:
    """Ratio of the orders after one state to those after another."""
    nothing = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "chance"), np.nan)
    if model is None or first not in judged:
        return nothing
    vector = np.zeros(len(model.names))
    vector[model.names.index(first)] = 1
    if second != WELL:
        vector[model.names.index(second)] = -1
    found = model.contrast(vector, confidence=CONFIDENCE)
    ends = np.exp([found.value, found.low, found.high])
    return {
        "ratio": float(ends[0]),
        "ratio_low": float(ends[1]),
        "ratio_high": float(ends[2]),
        "chance": model.chance(vector),
    }


def _ratio(row: pd.Series) -> str:
    """A ratio as a percentage, with its interval."""
    return with_interval(
        row["ratio"], row["ratio_low"], row["ratio_high"], lambda value: percent(value, 0)
    )
