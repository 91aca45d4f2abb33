"""What customers get and how they get it: technical and functional quality (Grönroos 1984)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from crmlab.data.model import Settings
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.pairs import (
    NEEDS,
    by_dimension,
    declared,
    of_both,
    one_scale,
    overall_mean,
    pairs,
)
from crmlab.satisfaction.responses import Responses, excluded, questionnaires_left_out
from crmlab.satisfaction.servqual import chance, design_words, item_labels, scale_words, two
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted as survey
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

KINDS = ("technical", "functional")
COLOURS = {"technical": charts.BLUE, "functional": charts.ORANGE}
#: Of more items than this only the extreme ones of each kind are named in the picture.
NAMED = 6


@dataclass(frozen=True)
class Rated:
    """Perceptions of items, and what stands against them on the map.

    Attributes
    ----------
    frame : pandas.DataFrame
        weight and cluster of each questionnaire.
    perception, other : pandas.DataFrame
        A column per item; `other` is the gap or the importance.
    items : pandas.DataFrame
        item, dimension, quality, minimum, maximum.
    found : Responses
    """

    frame: pd.DataFrame
    perception: pd.DataFrame
    other: pd.DataFrame
    items: pd.DataFrame
    found: Responses


@dataclass(frozen=True, repr=False)
class QualityKinds(Result):
    """Result of `quality_kinds`.

    Attributes
    ----------
    items : pandas.DataFrame
        A row per item: item, dimension, quality, perception, and gap or importance.
    against : str
        ``"gap"`` or ``"importance"``.
    rated : Rated
    of_neither : int
        Items that are declared neither technical nor functional.
    settings : Settings
    confidence : float
    """

    measure = "satisfaction.quality_kinds"

    items: pd.DataFrame
    against: str
    rated: Rated
    of_neither: int
    settings: Settings
    confidence: float

    def formats(self) -> Mapping[str, str]:
        ends = {f"{self.against}_{end}": "number" for end in ("low", "high")}
        return {"low": "number", "high": "number", "importance": "number", **ends}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"quality": kind_names(), "item": item_labels(self)}

    def title(self) -> str:
        row = self._row("difference")
        if self.against == "gap":
            words = (
                _("Technical quality compares worse with expectations than functional, by {value}"),
                _("Functional quality compares worse with expectations than technical, by {value}"),
                _("Which kind of quality falls further short cannot be told"),
            )
            apart, value = row["gap_apart"], row["gap"]
        else:
            words = (
                _("Technical quality is rated lower than functional, by {value}"),
                _("Functional quality is rated lower than technical, by {value}"),
                _("Which kind of quality is rated higher cannot be told"),
            )
            apart, value = row["apart"], row["perception"]
        said = words[2] if not apart else words[0] if value < 0 else words[1]
        return said.format(value=two(abs(value)))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 4.6))
        for kind, colour in COLOURS.items():
            part = self.items[self.items["quality"] == kind]
            axes.scatter(part["perception"], part[self.against], color=colour, alpha=0.6, s=36)
            self._mark_mean(axes, kind)
        self._name_items(axes)
        axes.margins(x=0.22, y=0.16)
        axes.set_xlabel(
            _("Perception, {scale}; diamonds: means with {confidence} intervals").format(
                scale=scale_words(self.rated.items), confidence=percent(self.confidence, 0)
            )
        )
        axes.set_ylabel(
            _("Gap: perception less expectation")
            if self.against == "gap"
            else _("Importance stated")
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        items = _(
            "Items about what is delivered (technical): {technical}; about how it is delivered "
            "(functional): {functional}."
        ).format(
            technical=number(self._row("technical")["items"]),
            functional=number(self._row("functional")["items"]),
        )
        neither = ngettext(
            "{count} item is declared as neither and left out.",
            "{count} items are declared as neither and left out.",
            self.of_neither,
        ).format(count=number(self.of_neither))
        means = _("Perception: {perceived}. {other}: {against}. {brackets}").format(
            perceived=self._means("perception", ("low", "high")),
            other=_("Gap") if self.against == "gap" else _("Importance"),
            against=self._means(self.against, self._ends()),
            brackets=intervals_in_brackets(self.confidence),
        )
        first = [items, neither, means] if self.of_neither else [items, means]
        parts = [" ".join(first), self._differences(), self._left_out()]
        return "\n\n".join(parts)

    def alt(self) -> str:
        return _(
            "Map of the items, perception across, {other} upwards. Means of the kinds: perception "
            "{perceived}; {other} {against}."
        ).format(
            other=_("gap") if self.against == "gap" else _("importance"),
            perceived=self._means("perception", ("low", "high")),
            against=self._means(self.against, self._ends()),
        )

    def _row(self, kind: str) -> pd.Series:
        return self.table.set_index("quality").loc[kind]

    def _ends(self) -> tuple[str, str]:
        return f"{self.against}_low", f"{self.against}_high"

    def _means(self, column: str, ends: tuple[str, str]) -> str:
        return _("; ").join(
            _interval(kind_names()[kind], self._row(kind), column, ends) for kind in KINDS
        )

    def _differences(self) -> str:
        """What can be told apart, over all items and within dimensions."""
        said = [self._verdict("difference")]
        if "within" in set(self.table["quality"]):
            inside = _(
                "The kinds are not spread alike over the dimensions; this is the comparison within "
                "the dimensions that have both. {sentences}"
            )
            said.append(inside.format(sentences=self._verdict("within")))
        return " ".join(said)

    def _verdict(self, name: str) -> str:
        row = self._row(name)
        other = f"{self.against}_apart"
        perceived = _compared("perception", row, "apart", "perception", ("low", "high"))
        against = _compared(self.against, row, other, self.against, self._ends())
        return f"{perceived} {against}"

    def _left_out(self) -> str:
        frame = self.rated.frame
        who = _("These are {questionnaires} questionnaires of {customers} customers.").format(
            questionnaires=number(len(frame)), customers=number(frame["cluster"].nunique())
        )
        said = questionnaires_left_out(self._exclusions(), self.rated.found.part)
        return " ".join(part for part in (who, said) if part)

    def _exclusions(self) -> tuple[Exclusion, ...]:
        found = self.rated.found
        unasked = len(found.frame) - len(self.rated.frame)
        reason = _("answered, but none of these items")
        return (*found.exclusions(), *excluded({reason: unasked}))

    def _mark_mean(self, axes: Axes, kind: str) -> None:
        row, ends = self._row(kind), self._ends()
        across = [[row["perception"] - row["low"]], [row["high"] - row["perception"]]]
        upward = [[row[self.against] - row[ends[0]]], [row[ends[1]] - row[self.against]]]
        axes.errorbar(
            row["perception"], row[self.against], xerr=across, yerr=upward, fmt="D", markersize=9,
            color=COLOURS[kind], markeredgecolor=charts.INK, capsize=3, zorder=4,
        )  # fmt: skip
        right = row["perception"] >= self.table["perception"].iloc[:2].mean()
        axes.annotate(
            kind_names()[kind], (row["high"] if right else row["low"], row[self.against]),
            xytext=(8 if right else -8, 8), textcoords="offset points", color=COLOURS[kind],
            ha="left" if right else "right",
        )  # fmt: skip

    def _name_items(self, axes: Axes) -> None:
        """Names beside the items; of many only below the lowest and above the highest."""
        labels, order = item_labels(self), self.items.sort_values(self.against, kind="stable")
        few = len(order) <= NAMED
        named = order if few else order.iloc[[0, -1]]
        middle = (order["perception"].min() + order["perception"].max()) / 2
        for place, row in enumerate(named.to_dict("records")):
            left, above = row["perception"] <= middle, not few and place == 1
            across = 6 if left else -6
            axes.annotate(
                charts.wrapped(labels.get(row["item"], row["item"]), 24 if few else 60),
                (row["perception"], row[self.against]), fontsize=8.5, color=charts.MUTED,
                xytext=(across, 6 if above else -6), textcoords="offset points",
                va="bottom" if above else "top", ha="left" if left else "right",
            )  # fmt: skip

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Mean answer to the items of a kind, and its difference between the kinds"),
            denominator=_("Questionnaires in which items of both kinds were answered"),
            period=self.context.period(),
            method=_(
                "Technical: what the customer gets; functional: how (Grönroos 1984), as the "
                "workspace declares the items. A questionnaire's mean of a kind counts where at "
                "least half of its items were answered; the difference is taken within the "
                "questionnaire. {confidence} t intervals with design weights and with the "
                "questionnaires of a customer as a cluster; Holm's rule over the differences. "
                "{design}"
            ).format(confidence=percent(self.confidence, 0), design=design_words(self.rated.found)),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs=NEEDS)
def quality_kinds(
    crm: Workspace,
    *,
    against: Literal["gap", "importance"] | None = None,
    confidence: float = 0.95,
) -> QualityKinds:
    """Whether what is delivered or how it is delivered is seen as the better.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id; answers: response_id, item, aspect (perception; expectation or
        importance of the same items), value; items declared technical or functional.
    against : {"gap", "importance"}, optional
        What stands against perception on the map. By default the gap, where expectations were
        asked for, else the importance stated.
    confidence : float

    Returns
    -------
    QualityKinds
        `.table` has the rows technical, functional, difference (technical less functional) and,
        where several dimensions have items of both kinds, within (the difference within them):
        quality, items, questionnaires, perception, low, high, apart, and gap or importance with
        its own low, high and apart. `.items` is the map.

    Raises
    ------
    MissingColumns
        If a column is not there.
    CrmlabError
        If `against` is neither of the two, or the items have different scales.
    NotEnoughData
        If no item of either kind was answered so, or by fewer than ten customers.

    Notes
    -----
    The difference is the mean over questionnaires of the mean technical answer less the mean
    functional answer of the same questionnaire; what a customer rates high or low throughout
    cancels.

    References
    ----------
    Grönroos, C. (1984), European Journal of Marketing 18(4), 36-44.
    """
    if against not in (None, "gap", "importance"):
        raise CrmlabError(
            _("quality_kinds() sets perception against {names}, not against {against}.").format(
                names=_(", ").join(["gap", "importance"]), against=against
            )
        )
    rated, chosen = _rated(crm, against)
    of_neither = int((~rated.items["quality"].isin(KINDS)).sum())
    kept = rated.items[rated.items["quality"].isin(KINDS)]
    if kept["quality"].nunique() < 2:
        raise NotEnoughData(
            _(
                'Items of both kinds are needed. Declare quality = "technical" or "functional" '
                "for the items in the workspace."
            )
        )
    asked = rated.perception[kept["item"]].notna().any(axis=1)
    perceived, other = (table.loc[asked, kept["item"]] for table in (rated.perception, rated.other))
    rated = Rated(rated.frame[asked], perceived, other, kept, rated.found)
    return QualityKinds(
        _table(rated, chosen, confidence),
        Context.of(crm),
        _map(rated, chosen),
        chosen,
        rated,
        of_neither,
        crm.settings,
        confidence,
    )


def _rated(crm: Workspace, against: str | None) -> tuple[Rated, str]:
    """Perceptions and what stands against them, as asked for or as the data have it."""
    if against == "importance":
        return _with_importance(crm), "importance"
    try:
        both = pairs(crm)
    except NotEnoughData:
        if against == "gap":
            raise
        return _with_importance(crm), "importance"
    gap = both.perception - both.expectation
    return Rated(both.frame, both.perception, gap, both.items, both.found), "gap"


def _with_importance(crm: Workspace) -> Rated:
    few = _(
        "The map needs perception and importance of the same item from {fewest} customers "
        "at least; there are {customers}."
    )
    found, frame, perceived, important = of_both(crm, "perception", "importance", few)
    items = one_scale(declared(crm, list(perceived)))
    return Rated(frame, perceived, important, items, found)


def _map(rated: Rated, against: str) -> pd.DataFrame:
    """Mean perception and mean of what stands against it, by item."""
    rows = []
    for row in rated.items.itertuples():
        means = [
            survey.mean(values[row.item], weights=rated.frame["weight"]).value
            for values in (rated.perception, rated.other)
        ]
        named = {"item": row.item, "dimension": row.dimension, "quality": row.quality}
        rows.append({**named, "perception": means[0], against: means[1]})
    return pd.DataFrame(rows)


def _table(rated: Rated, against: str, confidence: float) -> pd.DataFrame:
    """The kinds and their differences; the differences are tested together."""
    parts = {
        "perception": _by_kind(rated.perception, rated.items),
        against: _by_kind(rated.other, rated.items),
    }
    names = list(parts["perception"])
    counts = rated.items["quality"].value_counts()
    table = pd.DataFrame({"quality": names, "items": [counts.get(name) for name in names]})
    table["items"] = table["items"].astype("Int64")
    table["questionnaires"] = [int(parts["perception"][name].notna().sum()) for name in names]
    chances = {}
    for column, values in parts.items():
        low, high = (
            ("low", "high") if column == "perception" else (f"{column}_low", f"{column}_high")
        )
        for place, name in enumerate(names):
            found = survey.mean(
                values[name], weights=rated.frame["weight"], clusters=rated.frame["cluster"],
                confidence=confidence,
            )  # fmt: skip
            table.loc[place, [column, low, high]] = [found.value, found.low, found.high]
            if name not in KINDS:
                freedom = rated.frame.loc[values[name].notna(), "cluster"].nunique() - 1
                chances[column, place] = chance(found, freedom, confidence)
    holds, _adjusted = holm(list(chances.values()), 1 - confidence)
    for column in parts:
        own = {
            place: bool(held)
            for (of, place), held in zip(chances, holds, strict=True)
            if of == column
        }
        name = "apart" if column == "perception" else f"{column}_apart"
        table[name] = pd.Series(own, table.index, dtype="boolean")
    return table


def _by_kind(values: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Each questionnaire's mean of either kind, their difference, and that within dimensions."""
    found = _means_of(values, items)
    found["difference"] = found["technical"] - found["functional"]
    mixed = [
        _means_of(values, part)
        for name, part in items.groupby("dimension")
        if name and part["quality"].nunique() == len(KINDS)
    ]
    if len(set(items["dimension"])) > 1 and mixed:
        apart = [part["technical"] - part["functional"] for part in mixed]
        found["within"] = overall_mean(pd.concat(apart, axis=1))
    return found


def _means_of(values: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    return by_dimension(values, items.assign(dimension=items["quality"]))[list(KINDS)]


def kind_names() -> Mapping[str, str]:
    """What the kinds of quality, and their differences, are called in the current language."""
    return {
        "technical": _("Technical quality"),
        "functional": _("Functional quality"),
        "difference": _("Technical less functional"),
        "within": _("The same within dimensions"),
    }


def _interval(name: str, row: Any, column: str, ends: tuple[str, str]) -> str:
    return _("{name} {value} ({low} to {high})").format(
        name=name,
        value=two(row[column]),
        low=two(row[ends[0]]),
        high=two(row[ends[1]]),
    )


def _compared(what: str, row: Any, apart: str, column: str, ends: tuple[str, str]) -> str:
    """Whether the kinds differ in one respect, in a sentence."""
    words = {
        "perception": (
            _("Technical quality is perceived lower: {value} ({low} to {high})."),
            _("Technical quality is perceived higher: {value} ({low} to {high})."),
            _("Which kind is perceived higher cannot be told: {value} ({low} to {high})."),
        ),
        "gap": (
            _("Against expectations technical quality does worse: {value} ({low} to {high})."),
            _("Against expectations technical quality does better: {value} ({low} to {high})."),
            _(
                "Which kind does better against expectations cannot be told: {value} ({low} to "
                "{high})."
            ),
        ),
        "importance": (
            _("Technical quality is said to matter less: {value} ({low} to {high})."),
            _("Technical quality is said to matter more: {value} ({low} to {high})."),
            _("Which kind matters more cannot be told: {value} ({low} to {high})."),
        ),
    }[what]
    said = words[2] if not row[apart] else words[0] if row[column] < 0 else words[1]
    return said.format(value=two(row[column]), low=two(row[ends[0]]), high=two(row[ends[1]]))
