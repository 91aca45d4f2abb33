"""Importance and performance of attributes (重要性—表现分析, IPA): where to invest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data import model
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.pairs import declared, one_scale
from crmlab.satisfaction.ratings import (
    ANSWERS,
    Rated,
    ends,
    listed,
    names_of,
    outcome_name,
    quoted,
    rated,
    usual_outcome,
)
from crmlab.satisfaction.responses import wide
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
    require,
)
from crmlab.stats import weighted
from crmlab.stats.relative_importance import (
    BOOTSTRAPPED,
    Array,
    correlations,
    covariances,
    drawn_sums,
    lmg,
    resampled,
    shares_of,
    sums,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The four fields of the map, by high importance and high performance.
FIELDS = {
    (True, False): "concentrate",
    (True, True): "keep_up",
    (False, False): "low_priority",
    (False, True): "possible_overkill",
}
#: What is compared is this part of the way from the present rating to the top of its scale.
STEP = 0.1
#: The two to invest in are said to be hardly others from this share of resamples on.
CERTAIN = 0.95
#: Where a dot's name may stand: so many lines above it, to the right (1) or to the left (-1).
PLACES = [(0, 1), (0, -1), *((up, side) for up in (1, 2, 3, -1, -2, 4, 5, 6) for side in (1, -1))]
#: A rank correlation surely nearer to 0 than this is called little.
LITTLE = 0.5


@dataclass(frozen=True, repr=False)
class ImportancePerformance(Result):
    """Result of `importance_performance`.

    Attributes
    ----------
    of : str
        The outcome from which importance is derived.
    ranks : pandas.Series
        Rank correlation of stated with derived importance: estimate, low, high; NaN where nobody
        stated importance, or there are fewer than three attributes.
    both : float
        Share of resamples in which the same two attributes gain most.
    names : dict of str to str
        Label of each item.
    rated : Rated
    confidence : float
    resamples : int
    """

    measure = "satisfaction.importance_performance"

    of: str
    ranks: pd.Series
    both: float
    names: dict[str, str]
    rated: Rated
    confidence: float
    resamples: int

    @property
    def stated(self) -> bool:
        """Whether customers were asked what is important to them."""
        return bool(self.table["stated"].notna().all())

    @property
    def moved(self) -> pd.DataFrame:
        """The attributes that are in another field when importance is derived."""
        if not self.stated:
            return self.table.head(0)
        return self.table[self.table["field_stated"] != self.table["field"]]

    def formats(self) -> Mapping[str, str]:
        numbers = ["rating_low", "rating_high", "stated", "stated_low", "stated_high"]
        return dict.fromkeys(numbers, "number1") | dict.fromkeys(
            ["gain", "gain_low", "gain_high"], "number"
        )

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        fields = field_names()
        return {"item": self.names, "field": fields, "field_stated": fields}

    def main_columns(self) -> Sequence[str]:
        shown = ["item", "rating", "stated", "derived", "field_stated", "field", "steady"]
        if not self.stated:
            shown = [name for name in shown if "stated" not in name]
        return [*shown, "gain", "gain_low", "gain_high", "among_two"]

    def title(self) -> str:
        here = self.table.loc[self.table["field"] == "concentrate", "item"].tolist()
        if not here:
            return _("No attribute is both important and rated below the average")
        return _("Important and rated below the average: {items}").format(
            items=listed(here, self.names)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 5.0))
        x, derived = self.table["rating"], self.table["derived"]
        level = 1 / len(self.table)
        axes.axvline(x.mean(), color=charts.MUTED, linestyle="--", linewidth=1)
        axes.axhline(level, color=charts.MUTED, linestyle="--", linewidth=1)
        moved = self.table["item"].isin(self.moved["item"])
        colours = np.where(moved, charts.ORANGE, charts.BLUE)
        axes.vlines(
            x, self.table["derived_low"], self.table["derived_high"], color=charts.GREY, linewidth=1
        )
        axes.hlines(
            derived, self.table["rating_low"], self.table["rating_high"], color=charts.GREY,
            linewidth=1,
        )  # fmt: skip
        axes.scatter(x, derived, color=colours, zorder=4)
        if self.stated:
            self._arrows(axes, colours)
        self._frame(axes)
        self._labels(axes)
        charts.set_title(axes, self.title())
        return axes

    def _arrows(self, axes: Axes, colours: Any) -> None:
        """From stated importance, a ring, to derived importance, a dot."""
        stated = self.table["stated"] / self.table["stated"].sum()
        axes.scatter(self.table["rating"], stated, facecolors="white", edgecolors=colours, zorder=3)
        for row, start, colour in zip(self.table.itertuples(), stated, colours, strict=True):
            axes.annotate(
                "", xy=(row.rating, row.derived), xytext=(row.rating, start),
                arrowprops={"arrowstyle": "->", "color": colour, "shrinkA": 5, "shrinkB": 5},
            )  # fmt: skip

    def _frame(self, axes: Axes) -> None:
        low, high = self.table["rating_low"].min(), self.table["rating_high"].max()
        room = 0.12 * (high - low)
        axes.set_xlim(low - 1.5 * room, high + 2.5 * room)
        top = 1.15 * self.table[["derived", "derived_high"]].max().max()
        if self.stated:
            top = max(top, 1.15 * (self.table["stated"] / self.table["stated"].sum()).max())
        # Below 0 there is room for the names of the lower fields.
        axes.set_ylim(-0.1 * top, top)
        charts.share_axis(axes.yaxis)
        axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
        axes.set_xlabel(_("Performance: mean rating; dashed: averages of the attributes"))
        label = (
            _("Share of importance: ring stated, dot derived")
            if self.stated
            else _("Share of importance, derived")
        )
        axes.set_ylabel(label)
        fields = field_names()
        corners = {
            "concentrate": (0.01, 0.99, "left", "top"),
            "keep_up": (0.99, 0.99, "right", "top"),
            "low_priority": (0.01, 0.01, "left", "bottom"),
            "possible_overkill": (0.99, 0.01, "right", "bottom"),
        }
        for field, (x, y, side, edge) in corners.items():
            axes.text(
                x, y, fields[field], transform=axes.transAxes, ha=side, va=edge,
                color=charts.MUTED, fontsize=10,
            )  # fmt: skip

    def _labels(self, axes: Axes) -> None:
        """Each name beside its dot, where neither a mark nor another name is in its way."""
        from rich.cells import cell_len

        bottom, top = axes.get_ylim()
        left, right = axes.get_xlim()
        line, letter = (top - bottom) / 26, (right - left) / 90
        marks = [*zip(self.table["rating"], self.table["derived"], strict=True)]
        if self.stated:
            stated = self.table["stated"] / self.table["stated"].sum()
            marks += [*zip(self.table["rating"], stated, strict=True)]
        taken: list[tuple[float, float, float, float]] = [(x, x, y, y) for x, y in marks]
        for row in self.table.sort_values("derived", kind="stable").itertuples():
            text = charts.wrapped(self.names.get(row.item, row.item), 18)
            half = line * (text.count("\n") + 1) / 2
            width = letter * max(cell_len(part) for part in text.split("\n"))
            for lines, side in PLACES:
                start = row.rating + side * 2 * letter
                ends_ = sorted([start, start + side * width])
                y = row.derived + lines * line
                box = (ends_[0], ends_[1], y - half, y + half)
                if not any(_overlap(box, other) for other in taken):
                    break
            taken.append(box)
            axes.annotate(
                text, xy=(row.rating, y), xytext=(8 * side, 0), fontsize=9, va="center",
                textcoords="offset points", ha="left" if side > 0 else "right", zorder=2.5,
                color=charts.INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip

    def reading(self) -> str:
        parts = [self._fields(), self._stated() if self.stated else self._unstated()]
        cause = _(
            "The gains follow the straight line of association; whether satisfaction would rise "
            "if the attribute were improved, only a trial can show."
        )
        return "\n\n".join([*parts, self._two(), cause, self.rated.sentence(self.names)])

    def _fields(self) -> str:
        fields = field_names()
        parts = []
        for code in FIELDS.values():
            inside = self.table.loc[self.table["field"] == code, "item"].tolist()
            if inside:
                parts.append(
                    _("{field}: {items}").format(
                        field=fields[code], items=listed(inside, self.names)
                    )
                )
        said = _(
            "By derived importance, what {outcome} goes with, the attributes are in these fields. "
            "{parts}."
        ).format(outcome=outcome_name(self.of), parts=_("; ").join(parts))
        shaky = self.table[self.table["steady"] < CERTAIN]
        if shaky.empty:
            return said
        unsure = _("Not certain of their field, being near a dashed line: {parts}.").format(
            parts=_("; ").join(
                _("{item} (there in {share} of resamples)").format(
                    item=quoted(row.item, self.names), share=percent(row.steady, 0)
                )
                for row in shaky.itertuples()
            )
        )
        if self.table["derived_low"].isna().all():
            unsure += " " + _(
                "With so many attributes only the ratings are drawn again, not the importance, so "
                "the fields are less certain than that."
            )
        return f"{said} {unsure}"

    def _stated(self) -> str:
        fields = field_names()
        moved = [
            _("{item} from “{first}” to “{second}”").format(
                item=quoted(row.item, self.names),
                first=fields[row.field_stated],
                second=fields[row.field],
            )
            for row in self.moved.itertuples()
        ]
        if moved:
            said = ngettext(
                "From what customers say is important to what satisfaction goes with, {count} "
                "attribute moves to another field: {parts}.",
                "From what customers say is important to what satisfaction goes with, {count} "
                "attributes move to another field: {parts}.",
                len(moved),
            ).format(count=number(len(moved)), parts=_("; ").join(moved))
        else:
            said = _(
                "What customers say is important puts every attribute into the same field as what "
                "satisfaction goes with."
            )
        return f"{said} {self._ranks()}".rstrip()

    def _unstated(self) -> str:
        asked = int(self.table["stated"].notna().sum())
        if not asked:
            return _(
                "Nobody was asked what is important to them, so there is derived importance alone."
            )
        return _(
            "Customers said of only {asked} of {all} attributes how important they are, so derived "
            "importance stands alone."
        ).format(asked=number(asked), all=number(len(self.table)))

    def _ranks(self) -> str:
        if not np.isfinite(self.ranks["estimate"]):
            return ""
        if self.ranks["low"] > 0:
            words = _(
                "The two rank the attributes alike: rank correlation {value} ({low} to {high})."
            )
        elif self.ranks["high"] < 0:
            words = _(
                "The two rank the attributes in opposite ways: rank correlation {value} ({low} to "
                "{high})."
            )
        elif max(-self.ranks["low"], self.ranks["high"]) < LITTLE:
            words = _(
                "The two rankings have little to do with each other: rank correlation {value} "
                "({low} to {high})."
            )
        else:
            words = _(
                "Whether the two rank the attributes alike cannot be told: rank correlation "
                "{value} ({low} to {high})."
            )
        return words.format(
            value=number(self.ranks["estimate"], 2),
            low=number(self.ranks["low"], 2),
            high=number(self.ranks["high"], 2),
        )

    def _two(self) -> str:
        best = self.table.sort_values("gain", ascending=False, kind="stable").head(2)
        parts = [
            _("{item} {gain} ({low} to {high}), among the best two in {share} of resamples").format(
                item=quoted(row.item, self.names),
                gain=number(row.gain, 2),
                low=number(row.gain_low, 2),
                high=number(row.gain_high, 2),
                share=percent(row.among_two, 0),
            )
            for row in best.itertuples()
        ]
        said = _(
            "A rating {step} of the way up to the top of its scale goes with the largest gain in "
            "{outcome}, in its points, for: {parts}. {intervals}"
        ).format(
            step=percent(STEP, 0),
            outcome=outcome_name(self.of),
            parts=_("; ").join(parts),
            intervals=intervals_in_brackets(self.confidence),
        )
        verdict = (
            _(
                "With other customers asked it would hardly be others that gain most; what raising "
                "them costs is another question."
            )
            if self.both >= CERTAIN
            else _(
                "Both together are the best two in only {share} of resamples: the choice is not "
                "certain, and cost may decide it."
            )
        )
        return f"{said} {verdict.format(share=percent(self.both, 0))}"

    def alt(self) -> str:
        fields = field_names()
        parts = [
            _("{item}: rating {rating}, {share} of importance, {field}").format(
                item=quoted(row.item, self.names),
                rating=number(row.rating, 1),
                share=percent(row.derived, 0),
                field=fields[row.field],
            )
            for row in self.table.itertuples()
        ]
        return _(
            "Map of the attributes, performance to the right, importance upwards, in four fields: "
            "{parts}."
        ).format(parts=_("; ").join(parts))

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Performance: mean rating. Stated importance: mean of what customers said. Derived "
                "importance: the attribute's part of R² of {outcome} (LMG)"
            ).format(outcome=outcome_name(self.of)),
            denominator=_(
                "Questionnaires that rated every attribute; importance as a share of that of all "
                "attributes"
            ),
            period=self.context.period(),
            method=_(
                "Fields cut at the averages over the attributes (Martilla and James 1977). Gain: "
                "slope of the weighted regression times {step} of the way from the mean rating to "
                "the top of the scale. {confidence} intervals of the means allow for customers who "
                "answered more than once; the others are percentiles of {resamples} resamples of "
                "customers."
            ).format(
                step=percent(STEP, 0),
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
            ),
            source=self.context.source,
            exclusions=self.rated.exclusions(),
        )


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    """Whether two boxes (left, right, bottom, top) have a point in common."""
    return one[0] <= other[1] and other[0] <= one[1] and one[2] <= other[3] and other[2] <= one[3]


@measure(needs=ANSWERS)
def importance_performance(
    crm: Workspace,
    *,
    of: str | None = None,
    items: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> ImportancePerformance:
    """Which attributes are important and how well they are rated, and in which two to invest.

    Parameters
    ----------
    crm : Workspace
        As for `drivers`; stated importance, where customers were asked, is in answers with the
        aspect ``"importance"``.
    of : str, optional
        The outcome from which importance is derived, as in `drivers`.
    items : str or sequence of str, optional
        As in `drivers`.
    confidence : float
    resamples, seed : int
        Of the bootstrap over customers.

    Returns
    -------
    ImportancePerformance
        `.table` has a row per item, the largest gain first: item, rating (weighted mean),
        rating_low, rating_high, stated (weighted mean of stated importance, missing where not
        asked), stated_low, stated_high, derived (share of the importance of all items, from parts
        of R²), derived_low, derived_high, field_stated (missing unless all attributes were
        asked about) and field (``"concentrate"``, ``"keep_up"``, ``"low_priority"`` or
        ``"possible_overkill"``), steady (share of resamples
        in which it is in its field), gain (in points of the outcome, for a tenth of the way to
        the top of the scale), gain_low, gain_high, among_two (share of resamples in which its gain
        is among the two largest).

    Raises
    ------
    MissingColumns, UnknownName, NotEnoughData
        As `drivers`.
    CrmlabError
        If the items have different scales: their mean ratings could not be put on one map.

    Notes
    -----
    The dashed lines are the averages over the attributes, so some attribute is always below them:
    the map ranks, it does not judge. Derived importance is that of Lindeman, Merenda and Gold; it
    is high where ratings differ between customers and satisfaction with them. An attribute that
    everyone rates alike can be vital and have none.

    With more than 12 items derived importance has no interval, and the field is judged by the
    performance alone in the resamples.

    References
    ----------
    Martilla, J. A. and James, J. C. (1977), Journal of Marketing 41, 77-79. Matzler, K., Sauerwein,
    E. and Heischmidt, K. (2003), Service Industries Journal 23, 112-129, on derived importance.
    """
    of = usual_outcome(crm) if of is None else of
    if of in model.table("surveys").names:
        require(crm, "satisfaction.importance_performance", crm.missing({"surveys": (of,)}))
    ratings = rated(crm, of, items)
    one_scale(declared(crm, list(ratings.x)))
    stated = _stated(crm, ratings)
    table = pd.DataFrame({"item": ratings.x.columns})
    table[["rating", "rating_low", "rating_high"]] = _means(ratings.x, ratings, confidence)
    table[["stated", "stated_low", "stated_high"]] = _means(stated, ratings, confidence)
    columns = np.column_stack([ratings.x.to_numpy(), ratings.y.to_numpy()])
    own = _figures(sums(columns, ratings.weights), ratings)
    derived = lmg(ratings.x, ratings.y, ratings.weights, seed=seed)
    own["derived"] = (derived.table["lmg"] / derived.r_squared).to_numpy()[None]
    drawing: dict[str, Any] = {"resamples": resamples, "seed": seed}
    drawn = _figures(resampled(columns, ratings.weights, ratings.clusters, **drawing), ratings)
    table = _with_draws(table, own, drawn, confidence)
    table["field_stated"] = None
    if table["stated"].notna().all():
        table["field_stated"] = _fields(
            table["stated"].to_numpy()[None], table["rating"].to_numpy()[None]
        )[0]
    ranks = _ranks(stated, ratings, own["derived"], drawn["derived"], drawing, confidence)
    best, draws = (np.sort(_first_two(figures["gain"]), axis=1) for figures in (own, drawn))
    both = float((draws == best).all(axis=1).mean())
    return ImportancePerformance(
        _arranged(table),
        Context.of(crm),
        of,
        ranks,
        both,
        names_of(crm, ratings),
        ratings,
        confidence,
        resamples,
    )


def field_names() -> dict[str, str]:
    """Names of the four fields of the map."""
    return {
        "concentrate": _("Concentrate here"),
        "keep_up": _("Keep it up"),
        "low_priority": _("Low priority"),
        "possible_overkill": _("Possibly too much"),
    }


def _stated(crm: Workspace, ratings: Rated) -> pd.DataFrame:
    """Stated importance of the same items by the same customers; missing where not asked."""
    try:
        said = wide(crm, "importance")
    except NotEnoughData:
        said = pd.DataFrame(index=ratings.x.index)
    return said.reindex(index=ratings.x.index, columns=ratings.x.columns).astype(float)


def _means(answers: pd.DataFrame, ratings: Rated, confidence: float) -> Array:
    found = [
        weighted.mean(
            answers[item],
            weights=ratings.weights,
            clusters=ratings.clusters,
            confidence=confidence,
        )[:3]
        for item in answers
    ]
    return np.array(found)


def _figures(totals: Array, ratings: Rated) -> dict[str, Array]:
    """Mean ratings, share of importance and gain of each item, a row per draw."""
    spread = covariances(totals)
    means = totals[:, 0, 1:-1] / totals[:, :1, 0]
    # The pseudo-inverse, as few customers or ratings that go together may leave no other.
    slopes = np.linalg.pinv(spread[:, :-1, :-1], rcond=1e-10, hermitian=True) @ spread[:, :-1, -1:]
    room = ratings.scale["maximum"].to_numpy() - means
    found = {"rating": means, "gain": slopes[..., 0] * STEP * room}
    if means.shape[1] <= BOOTSTRAPPED:
        parts = shares_of(correlations(totals))
        found["derived"] = parts / parts.sum(axis=1, keepdims=True)
    else:
        found["derived"] = np.full(means.shape, np.nan)
    return found


def _with_draws(
    table: pd.DataFrame, own: Mapping[str, Array], drawn: Mapping[str, Array], confidence: float
) -> pd.DataFrame:
    made = table.copy()
    for name in ("derived", "gain"):
        made[name] = own[name][0]
        made[f"{name}_low"], made[f"{name}_high"] = ends(drawn[name], confidence)
    made["among_two"] = [
        float((_first_two(drawn["gain"]) == place).any(axis=1).mean()) for place in range(len(made))
    ]
    fields = _fields(own["derived"], own["rating"])[0]
    known = np.asarray(np.isfinite(drawn["derived"]).all(axis=1))
    derived = np.where(known[:, None], drawn["derived"], own["derived"])
    made["field"] = fields
    made["steady"] = np.asarray(_fields(derived, drawn["rating"]) == fields, float).mean(axis=0)
    return made


def _fields(importance: Array, performance: Array) -> Any:
    """Field of each item, a row per draw."""
    important = np.asarray(importance >= importance.mean(axis=1, keepdims=True))
    good = np.asarray(performance >= performance.mean(axis=1, keepdims=True))
    found = np.empty(importance.shape, object)
    for (high, well), code in FIELDS.items():
        found[(important == high) & (good == well)] = code
    return found


def _first_two(gains: Array) -> Any:
    """Places of the two largest in each row."""
    return np.argsort(-gains, axis=1, kind="stable")[:, :2]


def _ranks(
    stated: pd.DataFrame,
    ratings: Rated,
    derived: Array,
    drawn: Array,
    drawing: Mapping[str, Any],
    confidence: float,
) -> pd.Series:
    """Rank correlation of stated with derived importance; both from the same draws."""
    nothing = pd.Series({"estimate": np.nan, "low": np.nan, "high": np.nan})
    if stated.isna().all().any() or stated.shape[1] < 3:
        return nothing
    there = stated.notna().to_numpy()
    weight = there * ratings.weights[:, None]
    columns = np.hstack([np.where(there, stated.to_numpy(), 0.0) * weight, weight])
    own = columns.sum(axis=0)[None]
    totals = drawn_sums(columns, ratings.clusters, **drawing)
    half = stated.shape[1]
    found = _correlated(own[:, :half] / own[:, half:], derived)
    with np.errstate(invalid="ignore"):
        draws = _correlated(totals[:, :half] / totals[:, half:], drawn)
    known = draws[np.isfinite(draws)]
    if not len(known):
        return nothing | {"estimate": float(found[0])}
    low, high = ends(known, confidence)
    return pd.Series({"estimate": float(found[0]), "low": float(low), "high": float(high)})


def _correlated(one: Array, other: Array) -> Array:
    """Spearman's correlation, row by row."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=1) for values in (one, other)]
    first, second = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    missing = ~(np.isfinite(one) & np.isfinite(other)).all(axis=1)
    known = (scale > 0) & ~missing
    return np.divide(
        (first * second).sum(axis=1), scale, where=known, out=np.full(len(scale), np.nan)
    )


def _arranged(table: pd.DataFrame) -> pd.DataFrame:
    names = [
        "item", "rating", "rating_low", "rating_high", "stated", "stated_low", "stated_high",
        "derived", "derived_low", "derived_high", "field_stated", "field", "steady", "gain",
        "gain_low", "gain_high", "among_two",
    ]  # fmt: skip
    return table.sort_values("gain", ascending=False, kind="stable", ignore_index=True)[names]
