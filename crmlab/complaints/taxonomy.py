"""What customers complain about: the course's four kinds, and the causes below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import SUGGESTION, cases
from crmlab.complaints.clusters import clusters
from crmlab.language import _, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats import clustered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The course's six common after-sale problems, as codes of cause.
PROBLEMS = (
    "price_change",
    "late_delivery",
    "installation",
    "promotion_information",
    "payment_credit",
    "training",
)
#: The cause of a row that stands for a kind with all its causes.
ALL = "(all)"
#: More causes than this are drawn as the most frequent ones.
DRAWN = 20


@dataclass(frozen=True, repr=False)
class Taxonomy(Result):
    """Result of `taxonomy`.

    Attributes
    ----------
    complaints : int
        All complaints and suggestions.
    problems : crmlab.stats.clustered.Estimate
        Share of the six after-sale problems in all complaints and suggestions.
    several : mapping of str to sequence of str
        Causes recorded under several kinds, and these kinds.
    anonymous : int
        Complaints without a customer.
    confidence : float
    left_out : tuple of Exclusion
    """

    measure = "complaints.taxonomy"

    complaints: int
    problems: clustered.Estimate
    several: Mapping[str, Sequence[str]]
    anonymous: int
    confidence: float
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        rows = self._kinds().dropna(subset=["kind"])
        if rows.empty:
            rows = self.table[self.table["cause"].notna() & ~self.table["cause"].eq(ALL)]
            rows = rows.sort_values("complaints", ascending=False, kind="stable")
        if rows.empty:
            return _("Of no complaint is the kind or the cause given")
        name = self._name(rows.iloc[0])
        return _("{group}: {share} of all complaints and suggestions").format(
            group=name, share=percent(rows["share"].iloc[0])
        )

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        codes = self.table["cause"].dropna().unique()
        return {
            "cause": {code: group_name("cause", code) for code in codes} | {ALL: _("all causes")}
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.34 * len(rows) + 1.4)))
        places = np.arange(len(rows))[::-1]
        whiskers = np.abs(rows[["low", "high"]].to_numpy().T - rows["share"].to_numpy())
        axes.barh(
            places, rows["share"], color=self._colours(rows), height=0.66, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 2, "linewidth": 1.2},
        )  # fmt: skip
        axes.set_yticks(places, [self._name(row) for _index, row in rows.iterrows()])
        axes.set_xlim(0, None)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of complaints and suggestions, with interval"))
        self._legend(axes, rows)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._how_many(),
            self._suggestions(),
            self._six(),
            self._under_several(),
            self._not_given(),
            self._independent(),
            left_out_words(self.left_out, nothing=""),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        parts = [
            _("{group} {share}").format(group=self._name(row), share=_written(row))
            for _index, row in self._drawn().iterrows()
        ]
        return _("Bars of the share of each kind, and of the causes below it. {groups}.").format(
            groups=_("; ").join(parts)
        )

    # --- the picture

    def _kinds(self) -> pd.DataFrame:
        rows = self.table[self.table["cause"].eq(ALL).fillna(False)]
        return rows.sort_values("complaints", ascending=False, kind="stable")

    def _drawn(self) -> pd.DataFrame:
        whole = self.table["cause"].eq(ALL).fillna(False).astype(bool)
        # A kind without further causes would be drawn twice, and so one that has only one.
        rows = self.table.groupby("kind", dropna=False)["share"].transform("size")
        below = self.table[~whole & (rows > 2)]
        largest = below.sort_values("complaints", ascending=False, kind="stable").index[:DRAWN]
        return self.table[whole | self.table.index.isin(largest)]

    def _colours(self, rows: pd.DataFrame) -> list[str]:
        whole = rows["cause"].eq(ALL).fillna(False)
        own = np.where(rows["after_sale"], charts.ORANGE, charts.GREY)
        return list(np.where(whole, charts.BLUE, own))

    def _legend(self, axes: Axes, rows: pd.DataFrame) -> None:
        from matplotlib.patches import Patch

        colours = self._colours(rows)
        names = {
            charts.BLUE: _("Kind"),
            charts.ORANGE: _("Cause: one of the six after-sale problems"),
            charts.GREY: _("Cause: another"),
        }
        handles = [Patch(color=one, label=name) for one, name in names.items() if one in colours]
        axes.legend(handles=handles, loc="lower right", fontsize=10)

    @staticmethod
    def _name(row: pd.Series) -> str:
        if row["cause"] == ALL:
            return _("kind not given") if pd.isna(row["kind"]) else group_name("kind", row["kind"])
        return _("cause not given") if pd.isna(row["cause"]) else group_name("cause", row["cause"])

    # --- the words

    def _how_many(self) -> str:
        kinds = self._kinds()
        known = kinds.dropna(subset=["kind"])
        if known.empty:
            return ngettext(
                "{count} complaint or suggestion, {period}; no kind is given.",
                "{count} complaints and suggestions, {period}; no kind is given.",
                self.complaints,
            ).format(count=number(self.complaints), period=self.context.period())
        named = [
            _("{group} {share}").format(group=self._name(row), share=_written(row))
            for _index, row in known.iterrows()
        ]
        return ngettext(
            "{count} complaint or suggestion, {period}. By kind: {groups}. {intervals}",
            "{count} complaints and suggestions, {period}. By kind: {groups}. {intervals}",
            self.complaints,
        ).format(
            count=number(self.complaints),
            period=self.context.period(),
            groups=_("; ").join(named),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _suggestions(self) -> str:
        own = self.table
        # As in `cases`: where the kind is not given the cause tells.
        told = own["kind"].where(own["cause"].eq(ALL).fillna(False))
        told = told.fillna(own["cause"].where(own["kind"].isna()))
        count = int(own.loc[told.eq(SUGGESTION).fillna(False), "complaints"].sum())
        if not count:
            return ""
        return ngettext(
            "{count} of them is a suggestion: it is welcome, and no failure.",
            "{count} of them are suggestions: these are welcome, and no failures.",
            count,
        ).format(count=number(count))

    def _six(self) -> str:
        causes = self.table["cause"].dropna()
        if causes[~causes.eq(ALL)].empty:
            return ""
        found = [name for name in PROBLEMS if (causes == name).any()]
        if not found:
            return _(
                "None of the course's six after-sale problems is among the causes, at least not "
                "under the model's codes."
            )
        share = self.problems
        said = _(
            "The causes hold {found} of the course's six after-sale problems, together {share} "
            "of all complaints and suggestions."
        ).format(
            found=number(len(found)),
            share=with_interval(share.value, share.low, share.high, percent),
        )
        absent = [group_name("cause", name) for name in PROBLEMS if name not in found]
        if not absent:
            return said
        return f"{said} " + _("Not recorded: {names}.").format(names=_(", ").join(absent))

    def _under_several(self) -> str:
        if not self.several:
            return ""
        named = [
            _("{cause} ({kinds})").format(
                cause=group_name("cause", cause),
                kinds=_(", ").join(group_name("kind", kind) for kind in kinds),
            )
            for cause, kinds in self.several.items()
        ]
        return _(
            "Recorded under several kinds, so that its complaints stand in several places: {names}."
        ).format(names=_("; ").join(named))

    def _not_given(self) -> str:
        kinds, causes = (self._unknown(name) for name in ("kind", "cause"))
        if not kinds and not causes:
            return ""
        return _(
            "Without a kind: {kinds}; without a cause: {causes}. They stand in rows of their own "
            "and count among all."
        ).format(kinds=number(kinds), causes=number(causes))

    def _unknown(self, name: str) -> int:
        whole = self.table["cause"].eq(ALL).fillna(False).astype(bool)
        rows = self.table[whole] if name == "kind" else self.table[~whole]
        return int(rows.loc[rows[name].isna(), "complaints"].sum())

    def _independent(self) -> str:
        if not self.anonymous:
            return ""
        return ngettext(
            "{count} has no customer and counts as independent of all others.",
            "{count} have no customer and count as independent of all others.",
            self.anonymous,
        ).format(count=number(self.anonymous))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Complaints and suggestions of the kind, or of the kind and cause"),
            denominator=_("All complaints and suggestions opened in the period"),
            period=self.context.period(),
            method=_(
                "{confidence} Wilson intervals, complaints divided by the design effect of "
                "customers. Kinds and causes as recorded; the six after-sale problems are price "
                "changes, late delivery, installation, promotion information, payment and credit, "
                "and training."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(
    needs=[{"complaints": ["opened_at", "kind"]}, {"complaints": ["opened_at", "cause"]}]
)  # fmt: skip
def taxonomy(crm: Workspace, *, confidence: float = 0.95) -> Taxonomy:
    """What do customers complain about: how many complaints of each kind, and of each cause.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, and kind or cause; any codes.
    confidence : float

    Returns
    -------
    Taxonomy
        `.table` has a row per kind, the most frequent first, whose cause is ``"(all)"``, and below
        it a row per cause of the kind: kind, cause (missing where not given), complaints,
        customers, share (of all complaints and suggestions), low, high, after_sale (whether the
        cause is one of the course's six after-sale problems).

    Raises
    ------
    NotEnoughData
        If there is no complaint.

    Notes
    -----
    All rows share one denominator, so the shares of the causes add up to that of their kind. A
    customer who complains often does so about like things: the complaints are divided by the design
    effect of customers before Wilson's interval is taken. A complaint without a customer is a
    customer of its own.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1992), Biometrics 48, 577-585. ISO 10002:2018, Quality
    management - Customer satisfaction - Guidelines for complaints handling in organizations, which
    asks for complaints to be classified.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> complaints = pd.DataFrame({"complaint_id": ["1", "2"], "kind": ["transport", "transport"],
    ...     "opened_at": ["2025-03-01", "2025-03-02"], "cause": ["damage", "late_delivery"]})
    >>> crm = from_frames({"complaints": complaints})
    >>> taxonomy(crm).table[["kind", "cause", "complaints", "after_sale"]]
            kind          cause  complaints  after_sale
    0  transport          (all)           2       False
    1  transport         damage           1       False
    2  transport  late_delivery           1        True
    """
    found = cases(crm)
    frame = found.frame.assign(cluster=clusters(found.frame["customer_id"]))
    frame = frame[["kind", "cause", "customer_id", "cluster"]]
    sizes = np.bincount(frame["cluster"])
    table = _table(frame, sizes, confidence)
    problems = np.bincount(frame["cluster"], frame["cause"].isin(PROBLEMS))
    return Taxonomy(
        table,
        Context.of(crm),
        len(frame),
        _share(problems, sizes, confidence),
        _several(frame),
        int(frame["customer_id"].isna().sum()),
        confidence,
        found.exclusions(),
    )


def _table(frame: pd.DataFrame, sizes: np.ndarray, confidence: float) -> pd.DataFrame:
    parts = [(kind, part) for kind, part in frame.groupby("kind", dropna=False)]
    parts.sort(key=_order)
    rows = []
    for kind, part in parts:
        rows.append({"kind": kind, "cause": ALL} | _row(part, sizes, confidence))
        below = list(part.groupby("cause", dropna=False))
        below.sort(key=_order)
        rows += [
            {"kind": kind, "cause": cause} | _row(own, sizes, confidence) for cause, own in below
        ]
    table = pd.DataFrame(rows).astype({"kind": "str", "cause": "str"})
    return table.assign(after_sale=table["cause"].isin(PROBLEMS))


def _order(part: tuple[object, pd.DataFrame]) -> tuple[bool, int, str]:
    """The most frequent first, what is not given last."""
    return bool(pd.isna(part[0])), -len(part[1]), str(part[0])


def _row(part: pd.DataFrame, sizes: np.ndarray, confidence: float) -> dict[str, float]:
    own = np.bincount(part["cluster"], minlength=len(sizes))
    share = _share(own, sizes, confidence)
    return {
        "complaints": len(part),
        "customers": int(part["customer_id"].nunique()),
        "share": share.value,
        "low": share.low,
        "high": share.high,
    }


def _share(hits: np.ndarray, sizes: np.ndarray, confidence: float) -> clustered.Estimate:
    """A share over customers; one customer alone has no interval."""
    found = clustered.share(hits, sizes, confidence=confidence)
    return found if len(sizes) > 1 else found._replace(low=np.nan, high=np.nan)


def _several(frame: pd.DataFrame) -> dict[str, list[str]]:
    pairs = frame[["cause", "kind"]].dropna().drop_duplicates()
    kinds = pairs.sort_values(["cause", "kind"]).groupby("cause")["kind"].agg(list)
    return {str(cause): own for cause, own in kinds.items() if len(own) > 1}


def _written(row: pd.Series) -> str:
    return with_interval(row["share"], row["low"], row["high"], percent)
