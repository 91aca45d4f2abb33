"""Key drivers of satisfaction (满意度驱动因素): which attributes satisfaction goes with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.data import model as data_model
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.satisfaction.ratings import (
    ANSWERS,
    LARGEST,
    Rated,
    check_apart,
    deviation,
    ends,
    inflation,
    listed,
    names_of,
    outcome_name,
    quoted,
    rated,
    standardised,
    usual_outcome,
)
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    measure,
    require,
)
from crmlab.stats.multiplicity import holm
from crmlab.stats.ordered import ordered
from crmlab.stats.relative_importance import (
    BOOTSTRAPPED,
    Array,
    correlations,
    lmg,
    resampled,
    shares_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The two first are said to be hardly others from this share of resamples on.
CERTAIN = 0.95
#: Of more items than this only those that are associated are named in a sentence.
NAMED = 8
#: Variance inflation from which on items overlap somewhat, and strongly.
SOME, MUCH = 1.5, 5.0
#: An outcome of more different values than this has no steps that an ordered logit could count.
STEPS = 21


# --- the measure


@dataclass(frozen=True, repr=False)
class RatedDrivers(Result):
    """Result of `drivers`, by whichever model.

    Attributes
    ----------
    of : str
        The outcome: a column of surveys, an item or a dimension.
    names : dict of str to str
        Label of each item.
    rated : Rated
    confidence : float
    """

    measure = "satisfaction.drivers"

    of: str
    names: dict[str, str]
    rated: Rated
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"item": self.names}

    def _labels(self) -> list[str]:
        return [charts.wrapped(self.names.get(item, item), 24) for item in self.table["item"]]

    def _with_intervals(self, rows: pd.DataFrame, column: str) -> str:
        """The items of some rows, each with a figure and its interval."""
        return _("; ").join(
            _("{item} {value} ({low} to {high})").format(
                item=quoted(item, self.names),
                value=number(value, 2),
                low=number(low, 2),
                high=number(high, 2),
            )
            for item, value, low, high in rows[["item", column, "low", "high"]].to_numpy()
        )


@dataclass(frozen=True, repr=False)
class Drivers(RatedDrivers):
    """Result of `drivers` by ordinary regression.

    Attributes
    ----------
    r_squared : pandas.Series
        Of the regression: estimate, low, high (both NaN without resamples).
    draws : pandas.DataFrame
        What each item brings to R² in each resample; empty with more than 12 items.
    drawing : float
        Largest standard error of a part of R² that comes from drawing the orders of the items; 0
        where all orders count, as with 20 items or fewer.
    """

    r_squared: pd.Series
    draws: pd.DataFrame
    drawing: float

    @property
    def first(self) -> list[str]:
        """The two items that bring most to R²."""
        return list(self.table["item"].head(2))

    @property
    def agreement(self) -> float:
        """Share of resamples in which the same two items bring most; NaN without resamples."""
        if self.draws.empty:
            return np.nan
        order = np.argsort(-self.draws.to_numpy(), axis=1, kind="stable")[:, :2]
        own = [self.draws.columns.get_loc(item) for item in self.first]
        return float((np.sort(order, axis=1) == np.sort(own)).all(axis=1).mean())

    def main_columns(self) -> Sequence[str]:
        return [name for name in self.table if name not in ("slope", "rating")]

    def title(self) -> str:
        one, other = (quoted(item, self.names) for item in self.first)
        if self.agreement >= CERTAIN:
            words = _("{one} and {other} go furthest with {outcome}")
        else:
            words = _("Which two attributes come first is not certain; here {one} and {other} do")
        return words.format(one=one, other=other, outcome=outcome_name(self.of))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.5 * len(self.table) + 1.5)))
        places = np.arange(len(self.table))[::-1]
        first = self.table["item"].isin(self.first)
        colours = np.where(first & (self.agreement >= CERTAIN), charts.ORANGE, charts.BLUE)
        axes.barh(places, self.table["part"], color=colours, height=0.6)
        axes.hlines(
            places, self.table["part_low"], self.table["part_high"], color=charts.INK,
            linewidth=1.5,
        )  # fmt: skip
        axes.set_yticks(places, self._labels())
        axes.set_xlim(0, None)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            charts.wrapped(
                _("Part of the differences in {outcome} (R²), with {confidence} interval").format(
                    outcome=outcome_name(self.of), confidence=percent(self.confidence, 0)
                ),
                62,
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._whole(), self._two(), self._each(), self._overlap()]
        cause = _(
            "This is association, not cause: a customer who is content for another reason may "
            "rate everything higher."
        )
        said = [*parts, cause, self.rated.sentence(self.names)]
        return "\n\n".join(part for part in said if part)

    def _whole(self) -> str:
        words = (
            _(
                "In {count} questionnaires of {customers} customers the ratings of {items} "
                "attributes together account for {whole} of the differences in {outcome} ({low} "
                "to {high})."
            )
            if np.isfinite(self.r_squared["low"])
            else _(
                "In {count} questionnaires of {customers} customers the ratings of {items} "
                "attributes together account for {whole} of the differences in {outcome}; with so "
                "many attributes there are no intervals of the parts."
            )
        )
        return words.format(
            count=number(len(self.rated.x)),
            customers=number(self.rated.customers),
            items=number(len(self.table)),
            whole=percent(self.r_squared["estimate"]),
            outcome=outcome_name(self.of),
            low=percent(self.r_squared["low"]) if np.isfinite(self.r_squared["low"]) else "",
            high=percent(self.r_squared["high"]) if np.isfinite(self.r_squared["high"]) else "",
        )

    def _two(self) -> str:
        one, other = self.table.iloc[0], self.table.iloc[1]
        words = _("The largest parts go with {one}, {first}, and with {other}, {second}.")
        said = words.format(
            one=quoted(one["item"], self.names),
            other=quoted(other["item"], self.names),
            first=_bracketed(one["part"], one["part_low"], one["part_high"]),
            second=_bracketed(other["part"], other["part_low"], other["part_high"]),
        )
        if self.drawing:
            orders = _(
                "With so many attributes the parts come from orders drawn at random; the drawing "
                "alone leaves each of them uncertain by a standard error of {error} at most."
            ).format(error=percent(self.drawing, 2))
            said = f"{said} {orders}"
        if not np.isfinite(self.agreement):
            return said
        certain = (
            _(
                "These two come first in {share} of resamples, so with other customers asked it "
                "would hardly be others."
            )
            if self.agreement >= CERTAIN
            else _(
                "These two come first in only {share} of resamples, so with other customers "
                "asked it might be others."
            )
        )
        return " ".join([said, certain.format(share=percent(self.agreement, 0))])

    def _each(self) -> str:
        known = self.table.dropna(subset=["beta"])
        if known.empty:
            return ""
        said = _(
            "The other ratings equal, a rating one standard deviation higher goes with {outcome} "
            "that is higher by so many standard deviations: {parts}. {intervals}"
        ).format(
            outcome=outcome_name(self.of),
            parts=self._with_intervals(told(known), "beta"),
            intervals=intervals_in_brackets(self.confidence),
        )
        return " ".join([said, untold(known, self.names)])

    def _overlap(self) -> str:
        determined = self.table.loc[np.isinf(self.table["vif"]), "item"].tolist()
        if determined:
            return _(
                "Each of these ratings follows from the others, so it has no coefficient of its "
                "own: {items}. The parts of R² share out what they have in common."
            ).format(items=listed(determined, self.names))
        worst = self.table.loc[self.table["vif"].idxmax()]
        inflation = float(worst["vif"])
        if inflation < SOME:
            words = _(
                "The ratings hardly go with each other (the largest variance inflation factor is "
                "{vif}), so any way of sharing out R² gives nearly the same."
            )
        elif inflation < MUCH:
            words = _(
                "The ratings go with each other: the variance inflation factor of {item} is {vif}, "
                "so its coefficient is {times} times as uncertain as it would be alone."
            )
        else:
            words = _(
                "The ratings go strongly with each other: the variance inflation factor of {item} "
                "is {vif}. Their coefficients cannot be kept apart; the parts of R² share out what "
                "they have in common."
            )
        return words.format(
            item=quoted(worst["item"], self.names),
            vif=number(inflation, 1),
            times=number(np.sqrt(inflation), 1),
        )

    def alt(self) -> str:
        parts = [
            _("{item} {share}").format(item=quoted(row.item, self.names), share=percent(row.part))
            for row in self.table.itertuples()
        ]
        return _("Bars of the part of R² of {outcome} that each attribute brings: {parts}.").format(
            outcome=outcome_name(self.of), parts=_("; ").join(parts)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Mean over all orders of the attributes of what each adds to R² (LMG)"),
            denominator=_("All differences in {outcome} between the questionnaires").format(
                outcome=outcome_name(self.of)
            ),
            period=self.context.period(),
            method=_method(self.rated).format(
                confidence=percent(self.confidence, 0), resamples=number(len(self.draws))
            ),
            source=self.context.source,
            exclusions=self.rated.exclusions(),
        )


@dataclass(frozen=True, repr=False)
class OrderedDrivers(RatedDrivers):
    """Result of `drivers` by ordered logit: odds ratios in place of parts of R².

    Attributes
    ----------
    pseudo_r_squared : float
        McFadden's.
    ranks_agree : float
        Rank correlation of the coefficients with those of ordinary regression.
    """

    pseudo_r_squared: float
    ranks_agree: float

    def title(self) -> str:
        row = self.table.iloc[0]
        words = _("{item}: a standard deviation more, {times} times the odds of a higher answer")
        return words.format(
            item=quoted(row["item"], self.names), times=number(row["odds_ratio"], 1)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.45 * len(self.table) + 1.5)))
        places = np.arange(len(self.table))[::-1]
        axes.axvline(1, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, self.table["low"], self.table["high"], color=charts.BLUE)
        axes.scatter(self.table["odds_ratio"], places, color=charts.BLUE, zorder=3)
        axes.set_yticks(places, self._labels())
        axes.set_ylim(-0.7, len(self.table) - 0.3)
        axes.set_xlabel(
            charts.wrapped(
                _(
                    "Odds ratio of a higher answer per standard deviation, with {confidence} "
                    "interval; dashed: no difference"
                ).format(confidence=percent(self.confidence, 0)),
                62,
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        said = _(
            "The other ratings equal, a rating one standard deviation higher multiplies the odds "
            "of a higher answer to {outcome} by: {parts}. {intervals}"
        ).format(
            outcome=outcome_name(self.of),
            parts=self._with_intervals(told(self.table), "odds_ratio"),
            intervals=intervals_in_brackets(self.confidence),
        )
        not_told = untold(self.table, self.names)
        return "\n\n".join(
            [f"{said} {not_told}", self._compared(), self.rated.sentence(self.names)]
        )

    def _compared(self) -> str:
        if self.ranks_agree > 1 - 1e-9:
            return _(
                "The ordinary regression, which takes the answers for equal steps, puts the "
                "attributes in the same order."
            )
        return _(
            "The ordinary regression, which takes the answers for equal steps, puts the "
            "attributes in another order; the rank correlation of the two is {correlation}."
        ).format(correlation=number(self.ranks_agree, 2))

    def alt(self) -> str:
        return _("Points with intervals, the odds ratio of each attribute: {parts}.").format(
            parts=self._with_intervals(self.table, "odds_ratio")
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Odds of an answer above any step, the rating one standard deviation more"),
            denominator=_("The same odds at the rating itself, the other ratings equal"),
            period=self.context.period(),
            method=_(
                "Ordered logit of {outcome} on the standardised ratings, with design weights; "
                "{confidence} intervals from errors that allow for customers who answered more "
                "than once; differences judged after Holm's correction. McFadden's R² is {fit}."
            ).format(
                outcome=outcome_name(self.of),
                confidence=percent(self.confidence, 0),
                fit=number(self.pseudo_r_squared, 3),
            ),
            source=self.context.source,
            exclusions=self.rated.exclusions(),
        )


@measure(needs=ANSWERS)
def drivers(
    crm: Workspace,
    *,
    of: str | None = None,
    items: str | Sequence[str] | None = None,
    model: Literal["ols", "logit"] = "ols",
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Drivers | OrderedDrivers:
    """Which attributes satisfaction goes with, and how far.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id and the outcome; answers: response_id, item, aspect, value.
        Weights, customers and the declared items are used where there are any.
    of : str, optional
        The outcome: a column of surveys that holds numbers, such as ``"recommend"``; an item that
        was rated; or a dimension, which stands for the mean of its items. By default overall
        satisfaction, and where that was not asked the dimension ``"satisfaction"``.
    items : str or sequence of str, optional
        A dimension of the questionnaire or items; by default the items of logistics service, and
        where there are none, all that were rated.
    model : {"ols", "logit"}
        Ordinary regression with parts of R², or ordered logit, which takes only the order of the
        answers.
    confidence : float
    resamples, seed : int
        Of the bootstrap over customers.

    Returns
    -------
    Drivers or OrderedDrivers
        `.table` has a row per item, the most important first. Of ``"ols"``: item, rating (weighted
        mean), slope (change of the outcome per unit of the rating), beta (the same in
        standard deviations), low, high, associated (whether it differs from 0 after Holm's
        correction), part (of R²), part_low, part_high, vif. Of ``"logit"``:
        item, odds_ratio per standard deviation, low, high, associated.

    Raises
    ------
    MissingColumns
        If a column is not there.
    UnknownName
        If there is no such outcome, dimension or item.
    CrmlabError
        If `model` is neither of the two.
    NotEnoughData
        If fewer than two items were rated differently, or there are fewer than ten questionnaires
        per item, or fewer customers than two more than items; of ``"logit"`` also if some ratings
        determine others.

    Notes
    -----
    Weighted least squares of the standardised outcome on the standardised ratings; their standard
    deviations count as known. The errors allow for clusters of answers of one customer; t intervals
    with the customers less one degrees of freedom. The parts of R² are those of Lindeman, Merenda
    and Gold (`crmlab.stats.relative_importance.lmg`), with percentile intervals of a bootstrap that
    draws customers, up to 12 items. A part of R² is never negative: that its interval stays above 0
    says nothing; whether an attribute counts at all, the coefficient's interval says. R² itself is
    too large with few questionnaires; its interval is moved down by twice the bias that the draws
    show.

    The ordered logit uses about 20,000 questionnaires at most, of customers drawn at random.

    The variance inflation factor of an item is 1/(1 − R²) of the regression of its rating on the
    others. Where it is infinite, others determine the rating, and it has no coefficient. With more
    than 20 items the parts come from orders drawn at random (`drawing` is their standard error).

    References
    ----------
    Grömping, U. (2006), Journal of Statistical Software 17(1). Kruskal, W. (1987), American
    Statistician 41, 6-10. Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    if model not in ("ols", "logit"):
        raise CrmlabError(_('model is "ols" or "logit"; it is {model}.').format(model=repr(model)))
    of = usual_outcome(crm) if of is None else of
    if of in data_model.table("surveys").names:
        require(crm, "satisfaction.drivers", crm.missing({"surveys": (of,)}))
    ratings = rated(crm, of, items, most=LARGEST if model == "logit" else None)
    regression = _regression(ratings, confidence)
    shared = (Context.of(crm), of, names_of(crm, ratings), ratings, confidence)
    if model == "logit":
        check_apart(ratings)
        table, fit, agree = _by_logit(ratings, regression, confidence)
        return OrderedDrivers(table, *shared, fit, agree)
    table, draws, error = _with_parts(ratings, regression, confidence, resamples, seed)
    explained = _explained(float(table["part"].sum()), draws.sum(axis=1).to_numpy(), confidence)
    return Drivers(table, *shared, explained, draws, error)


def _regression(ratings: Rated, confidence: float) -> pd.DataFrame:
    """Coefficients of ratings and outcome in standard deviations, and what goes with them."""
    import statsmodels.api as sm

    vif = inflation(ratings.x, ratings.weights)
    own = np.isfinite(vif)
    with warnings.catch_warnings():
        # That ratings determine each other is seen in their inflation.
        warnings.simplefilter("ignore")
        fit = sm.WLS(
            standardised(ratings.y, ratings.weights),
            sm.add_constant(standardised(ratings.x, ratings.weights)),
            weights=ratings.weights,
        ).fit(cov_type="cluster", cov_kwds={"groups": ratings.clusters}, use_t=True)
    chances = fit.pvalues.drop("const").to_numpy()
    associated = np.zeros(len(own), bool)
    if own.any():
        associated[own] = holm(chances[own], 1 - confidence)[0]
    limits = fit.conf_int(1 - confidence).drop("const")
    value = fit.params.drop("const")
    scale = deviation(ratings.y, ratings.weights) / deviation(ratings.x, ratings.weights)
    found = pd.DataFrame(
        {
            "item": value.index,
            "rating": np.average(ratings.x, axis=0, weights=ratings.weights),
            "slope": (value * scale).to_numpy(),
            "beta": value.to_numpy(),
            "low": limits[0].to_numpy(),
            "high": limits[1].to_numpy(),
            "associated": associated,
            "vif": vif,
        }
    )
    # Of ratings that determine each other no coefficient is known, only a sum of them.
    found.loc[~own, ["slope", "beta", "low", "high"]] = np.nan
    return found


def _with_parts(
    ratings: Rated, regression: pd.DataFrame, confidence: float, resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """The table with the parts of R², largest first; the parts in each resample; their error."""
    parts = lmg(ratings.x, ratings.y, ratings.weights, seed=seed).table
    draws = _draws(ratings, resamples, seed)
    low, high = ends(draws.to_numpy(), confidence)
    table = regression.assign(part=parts["lmg"].to_numpy(), part_low=low, part_high=high)
    ranked = table.sort_values("part", ascending=False, kind="stable", ignore_index=True)
    return ranked, draws, float(parts["error"].max())


def _explained(estimate: float, draws: Array, confidence: float) -> pd.Series:
    """R² with its interval; R² is too large by about as much as the draws are larger still."""
    too_large = draws.mean() - estimate if len(draws) else 0.0
    low, high = ends(np.clip(draws - 2 * too_large, 0.0, 1.0), confidence)
    return pd.Series({"estimate": estimate, "low": float(low), "high": float(high)})


def _draws(ratings: Rated, resamples: int, seed: int) -> pd.DataFrame:
    names = list(ratings.x.columns)
    if len(names) > BOOTSTRAPPED:
        return pd.DataFrame(columns=names, dtype=float)
    columns = np.column_stack([ratings.x.to_numpy(), ratings.y.to_numpy()])
    totals = resampled(columns, ratings.weights, ratings.clusters, resamples=resamples, seed=seed)
    # With few customers a draw may hold answers that do not differ at all.
    parts = shares_of(correlations(totals))
    return pd.DataFrame(parts[np.isfinite(parts).all(axis=1)], columns=names)


def _by_logit(
    ratings: Rated, regression: pd.DataFrame, confidence: float
) -> tuple[pd.DataFrame, float, float]:
    """Odds ratios, largest first; McFadden's R²; how far their ranks agree with the regression."""
    from scipy.stats import spearmanr

    steps = ratings.y.nunique()
    if steps > STEPS:
        raise NotEnoughData(
            _(
                "An ordered logit needs an outcome of few steps; this one takes {count} values. "
                "Name a single item with of=."
            ).format(count=number(steps))
        )
    fit = ordered(
        standardised(ratings.x, ratings.weights),
        ratings.y,
        weights=ratings.weights,
        clusters=ratings.clusters,
        confidence=confidence,
    )
    table = pd.DataFrame(
        {
            "item": fit.table.index,
            "odds_ratio": np.exp(fit.table["coefficient"].to_numpy()),
            "low": np.exp(fit.table["low"].to_numpy()),
            "high": np.exp(fit.table["high"].to_numpy()),
            "associated": holm(fit.table["chance"].to_numpy(), 1 - confidence)[0],
        }
    )
    agree = spearmanr(table["odds_ratio"], regression["beta"]).statistic
    ranked = table.sort_values("odds_ratio", ascending=False, kind="stable", ignore_index=True)
    return ranked, fit.pseudo_r_squared, float(agree)


# --- words and small figures


def told(table: pd.DataFrame) -> pd.DataFrame:
    """The items that a sentence names: all, or of many those that count, at least the first two."""
    if len(table) <= NAMED:
        return table
    first = np.arange(len(table)) < 2
    return table[table["associated"] | first].head(NAMED)


def untold(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Which items cannot be told from those that do not count."""
    lost = table.loc[~table["associated"], "item"].tolist()
    if not lost:
        return _("All of them differ from no association by more than chance.")
    if len(lost) > NAMED:
        return _("Not told from no association (Holm's correction): {count} of {items}.").format(
            count=number(len(lost)), items=number(len(table))
        )
    return _("Not told from no association (Holm's correction): {items}.").format(
        items=listed(lost, names)
    )


def _bracketed(share: float, low: float, high: float) -> str:
    if not np.isfinite(low):
        return percent(share)
    return _("{share} ({low} to {high})").format(
        share=percent(share), low=percent(low), high=percent(high)
    )


def _method(ratings: Rated) -> str:
    if ratings.x.shape[1] > BOOTSTRAPPED:
        return _(
            "Weighted least squares on the standardised ratings; R² shared out by Lindeman, "
            "Merenda and Gold. {confidence} intervals of the coefficients from errors that allow "
            "for customers who answered more than once; differences judged after Holm's correction."
        )
    return _(
        "Weighted least squares on the standardised ratings; R² shared out by Lindeman, Merenda "
        "and Gold. {confidence} intervals of the coefficients from errors that allow for customers "
        "who answered more than once, of the parts of R² percentiles of {resamples} resamples of "
        "customers; differences judged after Holm's correction."
    )
