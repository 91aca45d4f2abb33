"""Kano's model (卡诺模型): what must be there, what pleases the more the better, what delights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, current_language, ngettext, number, percent
from crmlab.satisfaction.pairs import FEWEST, NEEDS
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    excluded,
    questionnaires_left_out,
    responses,
    weighed,
    wide,
)
from crmlab.satisfaction.servqual import chance
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import kano as rules
from crmlab.stats import weighted as survey
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The classes by their letter, in the order in which ties are decided.
CODES = {
    "M": "must_be",
    "O": "one_dimensional",
    "A": "attractive",
    "I": "indifferent",
    "R": "reverse",
    "Q": "questionable",
}

_SHOWN = (
    "item", "class", "told", "treat_as", "questionnaires", "strength", "low", "high",
    "better", "worse", "reverse", "questionable",
)  # fmt: skip


def kind_names() -> dict[str, str]:
    """Names of the classes in the current language."""
    return {
        "must_be": _("must-be"),
        "one_dimensional": _("one-dimensional"),
        "attractive": _("attractive"),
        "indifferent": _("indifferent"),
        "reverse": _("reverse"),
        "questionable": _("questionable"),
    }


def answer_names() -> list[str]:
    """The five answers, 1 to 5, in the current language."""
    return [
        _("I like it"),
        _("I expect it"),
        _("I am neutral"),
        _("I can live with it"),
        _("I dislike it"),
    ]


def evaluation_table() -> pd.DataFrame:
    """Kano's table in the current language: class of each pair of answers.

    Returns
    -------
    pandas.DataFrame
        A row per answer if it is there, a column per answer if it is missing.

    Examples
    --------
    >>> evaluation_table().loc["I like it", "I dislike it"]
    'one-dimensional'
    """
    names = kind_names()
    words = [[names[CODES[str(letter)]] for letter in row] for row in rules.TABLE]
    there = pd.Index(answer_names(), name=_("If it is there"))
    missing = pd.Index(answer_names(), name=_("If it is missing"))
    return pd.DataFrame(words, there, missing)


# --- the pairs of answers


@dataclass(frozen=True)
class KanoPairs:
    """Pairs of answers, a row each.

    Attributes
    ----------
    frame : pandas.DataFrame
        item, functional, dysfunctional, kind, weight, cluster.
    found : Responses
    unasked : int
        Answered questionnaires without any pair.
    halves, others : int
        Pairs with one answer missing; with an answer that is none of the five.
    """

    frame: pd.DataFrame
    found: Responses
    unasked: int
    halves: int
    others: int

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        of_pairs = {
            _("one of the two answers is missing"): self.halves,
            _("an answer that is none of the five"): self.others,
        }
        return (
            *self.found.exclusions(),
            *excluded({_("answered, but no pair of questions"): self.unasked}),
            *(
                Exclusion(reason, count, ngettext("pair of answers", "pairs of answers", count))
                for reason, count in of_pairs.items()
                if count
            ),
        )


def pairs_of_answers(crm: Workspace) -> KanoPairs:
    """The pairs of answers of those who were asked about an attribute both ways.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.

    Raises
    ------
    NotEnoughData
        If there is no such pair.
    """
    found = weighed(responses(crm))
    there, missing = wide(crm, "functional"), wide(crm, "dysfunctional")
    items = [*there.columns, *(item for item in missing if item not in there)]
    ids = found.frame["response_id"]
    there = there.reindex(index=ids, columns=items)
    missing = missing.reindex(index=ids, columns=items)
    count = len(items)
    rows = pd.DataFrame(
        {
            "item": np.tile(np.array(items, object), len(ids)),
            "functional": there.to_numpy().ravel(),
            "dysfunctional": missing.to_numpy().ravel(),
            "weight": np.repeat(found.frame["weight"].to_numpy(float), count),
            "cluster": np.repeat(clusters(found.frame), count),
            "questionnaire": np.repeat(np.arange(len(ids)), count),
        }
    )
    given = rows[["functional", "dysfunctional"]].notna()
    both, one = given.all(axis=1), given.any(axis=1)
    kind = pd.Series(rules.evaluate(rows["functional"], rows["dysfunctional"]), rows.index)
    fits = kind != ""
    if not fits.any():
        raise NotEnoughData(
            _(
                "No attribute has answers 1 to 5 both for being there (functional) and for being "
                "missing (dysfunctional)."
            )
        )
    frame = rows[fits].assign(kind=kind[fits].map(CODES)).reset_index(drop=True)
    unasked = len(ids) - rows.loc[one, "questionnaire"].nunique()
    return KanoPairs(
        frame,
        found,
        int(unasked),
        int((one & ~both).sum()),
        int((both & ~fits).sum()),
    )


# --- the measure


@dataclass(frozen=True, repr=False)
class Kano(Result):
    """Result of `kano`.

    Attributes
    ----------
    names : dict of str to str
        Label of each item, English and Chinese.
    pairs : KanoPairs
    confidence : float
    """

    measure = "satisfaction.kano"

    names: Mapping[str, Mapping[str, str]]
    pairs: KanoPairs
    confidence: float

    def main_columns(self) -> Sequence[str]:
        return _SHOWN

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        kinds = kind_names()
        return {"item": self._labels(), "class": kinds, "next_class": kinds, "treat_as": kinds}

    def _labels(self) -> dict[str, str]:
        return dict(self.names.get(current_language(), {}))

    def _label(self, item: str) -> str:
        return self._labels().get(item, item)

    def _told(self, kind: str) -> pd.DataFrame:
        return self.table[self.table["told"] & (self.table["class"] == kind)]

    def title(self) -> str:
        return _(
            "Of {count} attributes, must-be: {must}, one-dimensional: {linear}, attractive: "
            "{attractive}"
        ).format(
            count=number(len(self.table)),
            must=number(len(self._told("must_be"))),
            linear=number(len(self._told("one_dimensional"))),
            attractive=number(len(self._told("attractive"))),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(7.2, 5.4))
        table = self.table[self.table["better"].notna()]
        axes.axhline(0.5, color=charts.GRID, linewidth=1, zorder=0)
        axes.axvline(0.5, color=charts.GRID, linewidth=1, zorder=0)
        _quadrants(axes)
        x, y = -table["worse"], table["better"]
        across = np.abs([x + table["worse_high"], -table["worse_low"] - x])
        along = np.abs([y - table["better_low"], table["better_high"] - y])
        axes.errorbar(
            x, y, xerr=across, yerr=along, fmt="none", ecolor=charts.GREY, elinewidth=1, zorder=2
        )
        told = table["told"].to_numpy()
        axes.scatter(x[told], y[told], color=charts.BLUE, s=36, zorder=3)
        axes.scatter(x[~told], y[~told], facecolor="white", edgecolor=charts.BLUE, s=36, zorder=3)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        _label_points(axes, x.to_numpy(), y.to_numpy(), [self._label(i) for i in table["item"]])
        axes.set_xlabel(_("Worse: share whom it would dissatisfy if missing"))
        axes.set_ylabel(_("Better: share whom it would satisfy if there"))
        charts.share_axis(axes.xaxis)
        charts.share_axis(axes.yaxis)
        charts.set_title(axes, self.title())
        return axes

    # --- in words

    def reading(self) -> str:
        parts = [self._classes(), self._undecided(), self._extremes(), self._odd(), self._who()]
        return "\n\n".join(part for part in parts if part)

    def _classes(self) -> str:
        words = {
            "must_be": _("Must-be, expected and missed if not there: {items}."),
            "one_dimensional": _("One-dimensional, the more the better: {items}."),
            "attractive": _("Attractive, a delight that is not missed: {items}."),
            "indifferent": _("Indifferent, it makes no difference: {items}."),
            "reverse": _("Reverse, not wanted: {items}."),
            "questionable": _("Questionable, answers that contradict themselves: {items}."),
        }
        said = []
        for kind, sentence in words.items():
            rows = self._told(kind)
            if len(rows):
                said.append(sentence.format(items=self._shares(rows)))
        if said:
            said.append(_("The percentages are shares of the answers that are of that class."))
        return " ".join(said)

    def _shares(self, rows: pd.DataFrame) -> str:
        parts = [
            _("{item} {share}").format(
                item=self._label(row["item"]), share=percent(row[row["class"]], 0)
            )
            for _place, row in rows.iterrows()
        ]
        return _(", ").join(parts)

    def _undecided(self) -> str:
        names = kind_names()
        said = [
            _("{item}: {first} or {second}, treat it as {chosen}").format(
                item=self._label(row["item"]),
                first=names[row["class"]],
                second=names[row["next_class"]],
                chosen=names[row["treat_as"]],
            )
            for _place, row in self.table[~self.table["told"]].iterrows()
        ]
        if not said:
            return ""
        return _(
            "Where it cannot be told which class is the more frequent, the rule must-be before "
            "one-dimensional before attractive before indifferent decides. {parts}."
        ).format(parts=_("; ").join(said))

    def _extremes(self) -> str:
        known = self.table.dropna(subset=["better_low", "worse_low"])
        if known.empty:
            return ""
        worst = known.loc[known["worse"].idxmin()]
        best = known.loc[known["better"].idxmax()]
        said = _(
            "The largest share seen to be dissatisfied without an attribute is {worse} "
            "({worse_low} to {worse_high}), for {worst}; to be satisfied with one {better} "
            "({better_low} to {better_high}), for {best}."
        ).format(
            worst=self._label(worst["item"]),
            worse=percent(-worst["worse"], 0),
            worse_low=percent(-worst["worse_high"], 0),
            worse_high=percent(-worst["worse_low"], 0),
            best=self._label(best["item"]),
            better=percent(best["better"], 0),
            better_low=percent(best["better_low"], 0),
            better_high=percent(best["better_high"], 0),
        )
        return f"{said} {intervals_in_brackets(self.confidence)}"

    def _odd(self) -> str:
        frame = self.pairs.frame
        reverse = int((frame["kind"] == "reverse").sum())
        odd = int((frame["kind"] == "questionable").sum())
        return _(
            "Of {pairs} pairs of answers, {reverse} say that the attribute is not wanted (reverse) "
            "and {odd} contradict themselves (questionable)."
        ).format(pairs=number(len(frame)), reverse=number(reverse), odd=number(odd))

    def _who(self) -> str:
        frame = self.pairs.frame
        few, many = self.table["questionnaires"].min(), self.table["questionnaires"].max()
        count = (
            number(many)
            if few == many
            else _("{few} to {many}").format(few=number(few), many=number(many))
        )
        said = _(
            "Each attribute was answered in {count} questionnaires; together they come from "
            "{customers} customers."
        ).format(count=count, customers=number(frame["cluster"].nunique()))
        missing = questionnaires_left_out(self.pairs.exclusions(), self.pairs.found.part)
        return " ".join(part for part in (said, missing) if part)

    def alt(self) -> str:
        names = kind_names()
        points = [
            _("{item} ({kind}): worse {worse}, better {better}").format(
                item=self._label(row["item"]),
                kind=names[row["class"]],
                worse=percent(-row["worse"], 0),
                better=percent(row["better"], 0),
            )
            for _place, row in self.table[self.table["better"].notna()].iterrows()
        ]
        return _(
            "Map of attributes by how many would be dissatisfied without them (across) and "
            "satisfied with them (up), with intervals. {points}. Hollow points: the class cannot "
            "be told."
        ).format(points=_("; ").join(points))

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Pairs of answers of a class by Kano's table; better: attractive or "
                "one-dimensional, worse: one-dimensional or must-be"
            ),
            denominator=_(
                "Pairs of answers to the attribute; for better and worse those that are "
                "attractive, one-dimensional, must-be or indifferent"
            ),
            period=self.context.period(),
            method=_(
                "Kano et al. (1984); better and worse by Timko and scores by DuMouchel in Berger "
                "et al. (1993). Strength (Lee and Newcomb 1997) is the share of the most frequent "
                "class less that of the next. A class can be told if, over customers, strength "
                "differs from zero after Holm's correction for {count} attributes, and {fewest} "
                "customers answered; otherwise the rule must-be, one-dimensional, attractive, "
                "indifferent decides between the two. {confidence} intervals allow for weights and "
                "for several answers of one customer."
            ).format(
                count=number(len(self.table)),
                fewest=number(FEWEST),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.pairs.exclusions(),
        )


@measure(needs=NEEDS)
def kano(crm: Workspace, *, confidence: float = 0.95) -> Kano:
    """What kind of attribute each is to customers: must-be, the more the better, or a delight.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value, where the aspects
        ``"functional"`` and ``"dysfunctional"`` are answered by 1 to 5. Weights and customers of
        the questionnaires are used where they are there.
    confidence : float

    Returns
    -------
    Kano
        `.table` has a row per attribute, the one most missed first: item; class (the most
        frequent), next_class (the next), told (whether the two can be told apart), treat_as (the
        class to work with); questionnaires; must_be, one_dimensional, attractive, indifferent,
        reverse, questionable (shares of answers); strength with low, high and design_effect;
        better, better_low, better_high (0 to 1); worse, worse_low, worse_high (−1 to 0);
        present_score and absent_score (DuMouchel, −2 to 4) with _low and _high.

    Raises
    ------
    NotEnoughData
        If no attribute has answers of both kinds.

    Notes
    -----
    Shares are weighted. Classes that are equally frequent are ordered M > O > A > I > R > Q.
    Strength is the mean of a variable that is 1 for the most frequent class, −1 for the next and 0
    otherwise, with a t interval over customers; Fong's (1996) test, which is often used instead,
    treats the two shares as if they came from two samples, and finds differences too easily.
    Questionable answers do not count in the scores. Better and worse have Wilson intervals on the
    effective number of answers.

    References
    ----------
    Kano, N., Seraku, N., Takahashi, F. and Tsuji, S. (1984), Journal of the Japanese Society for
    Quality Control 14(2), 39-48. Berger, C. et al. (1993), Center for Quality of Management Journal
    2(4), 3-36. Lee, M. C. and Newcomb, J. F. (1997), Quality Management Journal 4(3), 95-110. Holm,
    S. (1979), Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> ids = [str(row) for row in range(12)]
    >>> pair = {"functional": 3.0, "dysfunctional": 5.0}
    >>> answers = pd.concat(
    ...     pd.DataFrame({"response_id": ids, "item": "tracking", "aspect": aspect, "value": value})
    ...     for aspect, value in pair.items()
    ... )
    >>> found = kano(from_frames({"surveys": pd.DataFrame({"response_id": ids}),
    ...     "answers": answers}))
    >>> found.table[["class", "told", "better", "worse"]].values.tolist()
    [['must_be', True, 0.0, -1.0]]
    """
    found = pairs_of_answers(crm)
    rows = [
        _attribute(str(item), part, confidence)
        for item, part in found.frame.groupby("item", sort=False)
    ]
    table = pd.DataFrame(rows)
    chances = np.where(table["customers"] >= FEWEST, table["chance"], np.nan)
    told, _adjusted = holm(chances, 1 - confidence)
    table["told"] = told
    chosen = [_treated(*row) for row in table[["class", "next_class", "told"]].to_numpy()]
    table.insert(3, "treat_as", chosen)
    table = table.drop(columns=["customers", "chance"]).sort_values(
        ["worse", "item"], ignore_index=True
    )
    return Kano(table, Context.of(crm), _both_names(crm), found, confidence)


def _treated(first: str, second: str, told: bool) -> str:
    """The class to work with: by the rule where the two most frequent cannot be told apart."""
    return first if told else min(first, second, key=list(CODES.values()).index)


def _both_names(crm: Workspace) -> dict[str, dict[str, str]]:
    """Labels of the items in both languages: the reader may change it after the computation."""
    english = {one.item: one.label or one.item for one in crm.settings.items}
    chinese = {one.item: one.label_zh or one.label or one.item for one in crm.settings.items}
    return {"en": english, "zh_CN": chinese}


def _attribute(item: str, part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """The row of one attribute."""
    weight, cluster = part["weight"].to_numpy(), part["cluster"].to_numpy()
    total = weight.sum()
    shares = {code: float(weight[part["kind"] == code].sum() / total) for code in CODES.values()}
    first, second = (
        CODES[letter] for letter in rules.ranked({k: shares[v] for k, v in CODES.items()})
    )
    apart = (part["kind"] == first).to_numpy(float) - (part["kind"] == second).to_numpy(float)
    how: dict[str, Any] = {"weights": weight, "clusters": cluster, "confidence": confidence}
    strength = survey.mean(apart, **how)
    many = int(pd.Series(cluster).nunique())
    row = {
        "item": item,
        "class": first,
        "next_class": second,
        "told": False,
        "questionnaires": len(part),
        **shares,
        "strength": strength.value,
        "low": strength.low,
        "high": strength.high,
        "design_effect": strength.effect,
        "customers": many,
        "chance": chance(strength, many - 1, confidence),
    }
    return row | _coefficients(part, shares, confidence) | _scores(part, how)


def _coefficients(
    part: pd.DataFrame, shares: Mapping[str, float], confidence: float
) -> dict[str, float]:
    better_value, worse_value = rules.coefficients(*(shares[CODES[letter]] for letter in "AOMI"))
    part = part[~part["kind"].isin(["reverse", "questionable"])]
    how: dict[str, Any] = {
        "weights": part["weight"].to_numpy(),
        "clusters": part["cluster"].to_numpy(),
        "confidence": confidence,
    }
    better = survey.share(part["kind"].isin(["attractive", "one_dimensional"]), **how)
    worse = survey.share(part["kind"].isin(["one_dimensional", "must_be"]), **how)
    return {
        "better": better_value,
        "better_low": better.low,
        "better_high": better.high,
        "worse": worse_value,
        "worse_low": -worse.high,
        "worse_high": -worse.low,
    }


def _scores(part: pd.DataFrame, how: Mapping[str, Any]) -> dict[str, float]:
    scores = rules.scores(part["functional"], part["dysfunctional"])
    found = {}
    for name, values in zip(("present", "absent"), scores.T, strict=True):
        estimate = survey.mean(values, **how)
        found[f"{name}_score"] = estimate.value
        found[f"{name}_low"], found[f"{name}_high"] = estimate.low, estimate.high
    return found


# --- the map


def _quadrants(axes: Axes) -> None:
    names = kind_names()
    for x, y, kind in (
        (0.01, 0.99, "attractive"),
        (0.99, 0.99, "one_dimensional"),
        (0.01, 0.01, "indifferent"),
        (0.99, 0.01, "must_be"),
    ):
        axes.text(
            x, y, names[kind], color=charts.MUTED, style="italic",
            ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top",
        )  # fmt: skip


def _label_points(axes: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Write each name beside its point where it covers no other point or name."""
    taken = [(a - 0.012, b - 0.012, a + 0.012, b + 0.012) for a, b in zip(x, y, strict=True)]
    taken += [(0.8, 0, 1, 0.04), (0.8, 0.96, 1, 1), (0, 0, 0.2, 0.04), (0, 0.96, 0.2, 1)]
    for a, b, name in zip(x, y, names, strict=True):
        width = sum(0.0235 if ord(letter) > 0x2E80 else 0.0128 for letter in name)
        places = [
            (a + side * 0.02 - (width if side < 0 else 0), b + up)
            for up in (0.03, -0.03, 0.07, -0.07, 0.11, -0.11)
            for side in (1, -1)
        ]
        boxes = [(left, middle - 0.02, left + width, middle + 0.02) for left, middle in places]
        left, low, right, high = next((box for box in boxes if _free(box, taken)), boxes[0])
        taken.append((left, low, right, high))
        start = left >= a
        axes.text(
            left if start else right, (low + high) / 2, name,
            ha="left" if start else "right", va="center", fontsize=10,
        )  # fmt: skip


def _free(box: tuple[float, ...], taken: Sequence[tuple[float, ...]]) -> bool:
    left, low, right, high = box
    if left < 0 or right > 1 or low < 0 or high > 1:
        return False
    return all(right < a or left > c or high < b or low > d for a, b, c, d in taken)


# --- an explorer


def explore_kano() -> None:
    """Two answers to choose, and the cell of Kano's table in which they meet."""
    import ipywidgets
    from matplotlib.patches import Rectangle

    from crmlab.show.widgets import explorer

    options = [(name, place) for place, name in enumerate(answer_names())]
    look: dict[str, Any] = {
        "continuous_update": False,
        "style": {"description_width": "160px"},
        "layout": {"width": "520px"},
    }
    controls = {
        "there": ipywidgets.SelectionSlider(
            options=options, value=0, description=_("If it is there"), **look
        ),
        "missing": ipywidgets.SelectionSlider(
            options=options, value=2, description=_("If it is missing"), **look
        ),
    }
    table = evaluation_table()
    with charts.house_style():
        axes = charts.new_axes(size=(7.2, 3.4))
        _draw_table(axes, table)
        _keep_as_image(axes)
        frame = Rectangle((2, 0), 1, 1, fc=charts.ORANGE, ec=charts.ORANGE, alpha=0.25)
        axes.add_patch(frame)

    def move(there: int, missing: int) -> None:
        frame.set_xy((missing, there))

    def words(there: int, missing: int) -> str:
        return _("{there} if it is there, {missing} if it is missing: {kind}.").format(
            there=table.index[there],
            missing=table.columns[missing],
            kind=table.iloc[there, missing],
        )

    figure: Any = axes.figure
    explorer(figure, move, words, controls)


def _draw_table(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_xlim(0, 5)
    axes.set_ylim(5, 0)
    middle = np.arange(5) + 0.5
    axes.set_xticks(middle, [charts.wrapped(name, 12) for name in table.columns])
    axes.set_yticks(middle, list(table.index))
    axes.set_xlabel(str(table.columns.name))
    axes.set_ylabel(str(table.index.name))
    axes.tick_params(length=0)
    for row in range(5):
        for column in range(5):
            axes.text(
                column + 0.5, row + 0.5, table.iloc[row, column],
                ha="center", va="center", fontsize=9,
            )  # fmt: skip


def _keep_as_image(axes: Axes) -> None:
    """Draw all words once, as pixels above what comes later: a move need not set them again."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure: Any = axes.figure
    figure.set_dpi(charts.DPI)
    canvas = FigureCanvasAgg(figure)
    grounds = (figure.patch, axes.patch)
    for ground in grounds:
        ground.set_visible(False)
    canvas.draw()
    figure.set_layout_engine("none")
    for artist in axes.get_children():
        artist.set_visible(False)
    for ground in grounds:
        ground.set_visible(True)
    figure.figimage(np.array(canvas.buffer_rgba()), zorder=1)
