"""Gaps, perceptions alone, or logistics service: which goes with overall satisfaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.data.model import Settings
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.pairs import NEEDS, Pairs, by_dimension, pairs
from crmlab.satisfaction.responses import excluded, wide
from crmlab.satisfaction.servqual import design_words, dimension_labels, two
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.multiplicity import holm
from crmlab.stats.relative_importance import Array, covariances, resampled, sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The dimension whose items are logistics service quality.
LOGISTICS = "logistics_service"
#: Fewer customers than this are too few for a regression with an interval.
LEAST = 30
#: More customers than this are put together at random into so many blocks, which are resampled.
BLOCKS = 2000
COLOURS = {"perception": charts.BLUE, "gap": charts.ORANGE, "logistics": charts.GREY}


@dataclass(frozen=True, repr=False)
class Servperf(Result):
    """Result of `servperf`.

    Attributes
    ----------
    differences : pandas.DataFrame
        Each pair of ways, the better one first: first, second, difference, low, high, probability
        (after Holm's correction), apart.
    reliability : pandas.DataFrame
        A row per dimension of two items or more: dimension, questionnaires, expectation and
        perception (Cronbach's alpha), correlation of the two, gap (reliability of the difference),
        low, high, change (gap less perception), change_low, change_high, less: whether the gap is
        the less reliable beyond chance.
    pairs : Pairs
    customers : int
        Customers whose questionnaires have everything.
    why_not_logistics : str
        Why logistics service is not compared; empty if it is.
    settings : Settings
    confidence : float
    resamples : int
    """

    measure = "satisfaction.servperf"

    differences: pd.DataFrame
    reliability: pd.DataFrame
    pairs: Pairs
    customers: int
    why_not_logistics: str
    settings: Settings
    confidence: float
    resamples: int

    def formats(self) -> Mapping[str, str]:
        return {"change_low": "number", "change_high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"way": way_names()}

    def title(self) -> str:
        shares = self.table.set_index("way")["adjusted"]
        words = {way: percent(share, 0) for way, share in shares.items()}
        pair = self.differences.set_index(["first", "second"])["apart"]
        if not pair.get(("perception", "gap"), False) and not pair.get(
            ("gap", "perception"), False
        ):
            return _(
                "Whether perceptions or gaps go better with satisfaction cannot be told: "
                "{perception} and {gap}"
            ).format(**words)
        if shares["perception"] > shares["gap"]:
            return _(
                "Perceptions alone account for more of satisfaction than gaps: {perception} "
                "against {gap}"
            ).format(**words)
        return _(
            "Gaps account for more of satisfaction than perceptions alone: {gap} against "
            "{perception}"
        ).format(**words)

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.75 * len(table) + 1.3))
        places = np.arange(len(table))[::-1]
        reach = np.abs(table[["low", "high"]].to_numpy().T - table["adjusted"].to_numpy())
        axes.barh(
            places, table["adjusted"], height=0.55, color=[COLOURS[way] for way in table["way"]],
            xerr=reach, ecolor=charts.INK, capsize=3,
        )  # fmt: skip
        axes.set_yticks(places, [way_names()[way] for way in table["way"]])
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.set_xlim(right=min(1.0, table["high"].max() * 1.15))
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the variance of overall satisfaction (adjusted R²)"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        shares = " ".join([self._shares(), *self._apart(), self.why_not_logistics]).strip()
        return "\n\n".join([shares, self._reliability(), self._who()])

    def alt(self) -> str:
        return _(
            "Bars of the share of the variance of overall satisfaction that each way to measure "
            "quality accounts for. {parts}."
        ).format(parts=self._parts())

    def _parts(self) -> str:
        return _("; ").join(
            _("{name} {value} ({low} to {high})").format(
                name=way_names()[row.way],
                value=percent(row.adjusted, 0),
                low=percent(row.low, 0),
                high=percent(row.high, 0),
            )
            for row in self.table.itertuples()
        )

    def _shares(self) -> str:
        return _(
            "Of the variance of overall satisfaction, so much goes with each way to measure "
            "quality: {parts}. {brackets} That is association: one questionnaire asked for both."
        ).format(parts=self._parts(), brackets=intervals_in_brackets(self.confidence))

    def _apart(self) -> list[str]:
        said = []
        for row in self.differences.itertuples():
            words = (
                _(
                    "More of it goes with {first} than with {second}, by {value} percentage points "
                    "({low} to {high})."
                )
                if row.apart
                else _(
                    "Whether more of it goes with {first} or with {second} cannot be told: {value} "
                    "percentage points ({low} to {high})."
                )
            )
            said.append(
                words.format(
                    first=way_names()[str(row.first)],
                    second=way_names()[str(row.second)],
                    value=number(100 * float(row.difference), 1),
                    low=number(100 * float(row.low), 1),
                    high=number(100 * float(row.high), 1),
                )
            )
        return said

    def _reliability(self) -> str:
        names = dimension_labels(self)
        if self.reliability.empty:
            return _(
                "How reliable the gaps are cannot be told: no dimension has two items or more that "
                "{least} customers answered, and not all alike."
            ).format(least=LEAST)
        parts = [
            _("{name} {value} ({low} to {high}), perception alone {alone}").format(
                name=names.get(row.dimension, row.dimension),
                value=two(row.gap),
                low=two(row.low),
                high=two(row.high),
                alone=two(row.perception),
            )
            for row in self.reliability.itertuples()
        ]
        each = _("Reliability of the gap by dimension: {parts}.").format(parts=_("; ").join(parts))
        less = int(self.reliability["less"].sum())
        count = ngettext(
            "In {less} of {all} dimension the gap is less reliable than perception alone, beyond "
            "chance.",
            "In {less} of {all} dimensions the gap is less reliable than perception alone, beyond "
            "chance.",
            len(self.reliability),
        ).format(less=number(less), all=number(len(self.reliability)))
        told = set(self.reliability["dimension"])
        rest = [one for one in self.pairs.items["dimension"].unique() if one and one not in told]
        if not rest:
            return f"{each} {count}"
        untold = _(
            "Without two items that {least} customers answered, and not all alike: {names}."
        ).format(least=LEAST, names=_(", ").join(names.get(one, one) for one in rest))
        return f"{each} {count} {untold}"

    def _who(self) -> str:
        used = _(
            "The ways are compared on the same {questionnaires} questionnaires of {customers} "
            "customers: those that answer the items of all of them."
        ).format(
            questionnaires=number(self.table["questionnaires"].iloc[0]),
            customers=number(self.customers),
        )
        return f"{used} {self.pairs.sentence(*self._incomplete())}"

    def _incomplete(self) -> tuple[Exclusion, ...]:
        reason = _("overall satisfaction or an item of one of the ways not answered")
        used = int(self.table["questionnaires"].iloc[0])
        return excluded({reason: len(self.pairs.frame) - used})

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Variance of overall satisfaction that the regression accounts for"),
            denominator=_("Variance of overall satisfaction"),
            period=self.context.period(),
            method=_(
                "R² of weighted linear regressions of overall satisfaction on the gaps by "
                "dimension (SERVQUAL), on the perceptions by dimension (SERVPERF, Cronin and "
                "Taylor 1992), and on the items of logistics service (Mentzer, Flint and Hult "
                "2001), adjusted for the number of predictors with Kish's effective number of "
                "questionnaires. {confidence} bootstrap intervals over customers, {resamples} "
                "resamples; Holm's rule over the pairs and over the dimensions. Reliability of a "
                "difference from Cronbach's alpha of both parts and their correlation (Peter, "
                "Churchill and Brown 1993). {design}"
            ).format(
                confidence=percent(self.confidence, 0),
                resamples=number(self.resamples),
                design=design_words(self.pairs.found),
            ),
            source=self.context.source,
            exclusions=self.pairs.exclusions(*self._incomplete()),
        )


@measure(needs={**NEEDS, "surveys": ["response_id", "overall"]})
def servperf(
    crm: Workspace, *, confidence: float = 0.95, resamples: int = 999, seed: int = 0
) -> Servperf:
    """Which way to measure quality goes best with overall satisfaction.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, overall; answers: response_id, item, aspect (expectation,
        perception), value; where given, perceptions of items of the dimension logistics_service.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Servperf
        `.table` has a row per way (gap, perception, logistics), best first: way, predictors,
        questionnaires, r_squared, adjusted, low, high. `.differences` compares the ways on the
        same questionnaires, `.reliability` says how reliable the gaps are.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If fewer than thirty customers answered all of it, their weights leave too few for so many
        predictors, or overall satisfaction does not vary.

    Notes
    -----
    R² is adjusted as 1 − (1 − R²)(n − 1)/(n − k − 1) with n = (Σw)²/Σw². The bootstrap draws
    customers; its interval is the adjusted R² less the quantiles of (adjusted R²* − R²), because
    what a resample estimates is the R² of the sample. The reliability of a difference x − y is
    (sₓ²rₓ + s_y²r_y − 2rsₓs_y)/(sₓ² + s_y² − 2rsₓs_y), with rₓ and r_y Cronbach's alphas: where the
    two parts go together, the difference loses what they share and keeps both errors.

    References
    ----------
    Cronin, J. J. and Taylor, S. A. (1992), Journal of Marketing 56(3), 55-68. Mentzer, J. T.,
    Flint, D. J. and Hult, G. T. M. (2001), Journal of Marketing 65(4), 82-104. Peter, J. P.,
    Churchill, G. A. and Brown, T. J. (1993), Journal of Consumer Research 19, 655-662.
    """
    both = pairs(crm)
    blocks, why = _ways(crm, both)
    frame = both.frame.assign(overall=both.frame["overall"].astype(float))
    used = frame["overall"].notna()
    for block in blocks.values():
        used &= block.notna().all(axis=1)
    _enough(frame[used], max(block.shape[1] for block in blocks.values()))
    table, differences = _compared(
        {way: block[used] for way, block in blocks.items()},
        frame[used],
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    return Servperf(
        table,
        Context.of(crm),
        differences,
        _reliabilities(both, confidence=confidence, resamples=resamples, seed=seed),
        both,
        int(frame.loc[used, "cluster"].nunique()),
        why,
        crm.settings,
        confidence,
        resamples,
    )


def _ways(crm: Workspace, both: Pairs) -> tuple[dict[str, pd.DataFrame], str]:
    """Predictors of each way, a row per questionnaire; and why logistics service is not there."""
    expected = by_dimension(both.expectation, both.items)
    perceived = by_dimension(both.perception, both.items)
    blocks = {"gap": perceived - expected, "perception": perceived}
    try:
        logistics = wide(crm, "perception", dimensions=[LOGISTICS])
    except NotEnoughData:
        return blocks, _("Logistics service was not asked for, so it is not compared.")
    logistics = logistics.reindex(both.frame["response_id"]).reset_index(drop=True)
    complete = logistics.notna().all(axis=1)
    if both.frame.loc[complete, "cluster"].nunique() < LEAST:
        return blocks, _(
            "Logistics service was answered by other customers than the gaps, so it is not "
            "compared."
        )
    return {**blocks, "logistics": logistics.rename_axis(columns=None)}, ""


def _enough(frame: pd.DataFrame, predictors: int) -> None:
    customers = frame["cluster"].nunique()
    if customers < LEAST:
        raise NotEnoughData(
            _(
                "To compare ways to measure quality, {least} customers at least must have "
                "answered all of it and overall satisfaction; there are {customers}."
            ).format(least=LEAST, customers=customers)
        )
    effective = _effective(frame["weight"].to_numpy(float))
    if effective <= predictors + 1:
        raise NotEnoughData(
            _(
                "The weights are so unequal that the questionnaires count for {effective} of equal "
                "weight; with {predictors} predictors more than {least} are needed."
            ).format(
                effective=number(effective, 1), predictors=predictors, least=number(predictors + 1)
            )
        )
    if frame["overall"].nunique() < 2:
        raise NotEnoughData(
            _("All customers gave the same overall satisfaction, so nothing can go with it.")
        )


# --- shares of the variance


def explained(
    predictors: pd.DataFrame, outcome: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """R² of a linear regression, and adjusted for the number of predictors.

    Parameters
    ----------
    predictors : pandas.DataFrame
    outcome : array_like of float
    weights : array_like of float, optional

    Returns
    -------
    tuple of float
        R² and adjusted R², NaN with no more answers (of equal weight) than predictors and one.

    Examples
    --------
    >>> both = explained(pd.DataFrame({"x": [1, 2, 3, 4]}), [1, 3, 2, 4])
    >>> [round(value, 3) for value in both]
    [0.64, 0.46]
    """
    weight = np.ones(len(predictors)) if weights is None else np.asarray(weights, float)
    values = np.column_stack([predictors.to_numpy(float), np.asarray(outcome, float)])
    whole = covariances(sums(values - values.mean(axis=0), weight))
    share = _r_squared(whole, list(range(values.shape[1] - 1)))[0]
    return float(share), float(_adjusted(share, values.shape[1] - 1, _effective(weight)))


def _compared(
    blocks: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """R² of each way with its interval, and the differences, from the same resamples."""
    weights = frame["weight"].to_numpy(float)
    values = np.column_stack([*blocks.values(), frame["overall"]]).astype(float)
    whole, drawn = _drawn(values, weights, frame["cluster"].to_numpy(), resamples, seed)
    effective, start, rows = _effective(weights), 0, []
    estimates, pivots = {}, {}
    for way, block in blocks.items():
        places, count = list(range(start, start + block.shape[1])), block.shape[1]
        start += count
        share = _r_squared(whole, places)[0]
        adjusted = float(_adjusted(share, count, effective))
        estimates[way] = adjusted
        pivots[way] = _adjusted(_r_squared(drawn, places), count, effective) - share
        low, high = np.clip(_basic(adjusted, pivots[way], confidence), 0.0, 1.0)
        ends = {"adjusted": adjusted, "low": low, "high": high}
        named = {"way": way, "predictors": count, "questionnaires": len(frame)}
        rows.append({**named, "r_squared": float(share), **ends})
    table = pd.DataFrame(rows).sort_values(
        "adjusted", ascending=False, kind="stable", ignore_index=True
    )
    return table, _pairwise(table["way"].tolist(), estimates, pivots, confidence)


def _pairwise(
    ways: Sequence[str],
    estimates: Mapping[str, float],
    pivots: Mapping[str, Array],
    confidence: float,
) -> pd.DataFrame:
    rows, chances = [], []
    for first, second in combinations(ways, 2):
        apart, pivot = estimates[first] - estimates[second], pivots[first] - pivots[second]
        low, high = _basic(apart, pivot, confidence)
        rows.append(
            {"first": first, "second": second, "difference": apart, "low": low, "high": high}
        )
        chances.append(_bootstrap_chance(apart, pivot))
    holds, adjusted = holm(chances, 1 - confidence)
    return pd.DataFrame(rows).assign(probability=adjusted, apart=holds)


def _basic(estimate: float, pivots: Array, confidence: float) -> tuple[float, float]:
    """The estimate less the quantiles of how far resamples lie from it."""
    tail = (1 - confidence) / 2
    upper, lower = np.nanquantile(pivots, [1 - tail, tail])
    return float(estimate - upper), float(estimate - lower)


def _bootstrap_chance(estimate: float, pivots: Array) -> float:
    """How often resamples lie as far from their centre as the estimate from zero."""
    known = pivots[np.isfinite(pivots)]
    above, below = np.sum(known >= estimate), np.sum(known <= estimate)
    return float(min(1.0, 2 * (1 + min(above, below)) / (1 + len(known))))


def _r_squared(covariances: Array, places: Sequence[int]) -> Array:
    """R² of the last variable by those at some places, for each table of covariances."""
    among = covariances[:, places][:, :, places]
    withal = covariances[:, places, -1]
    fit = np.einsum(
        "ri,rij,rj->r", withal, np.linalg.pinv(among, rcond=1e-10, hermitian=True), withal
    )
    spread = covariances[:, -1, -1]
    found = np.full(len(spread), np.nan)
    np.divide(fit, spread, out=found, where=spread > 0)
    return found


def _adjusted(share: ArrayLike, predictors: int, size: float) -> Array:
    freedom = size - predictors - 1
    return np.asarray(
        1 - (1 - np.asarray(share)) * (size - 1) / (freedom if freedom > 0 else np.nan)
    )


def _effective(weights: Array) -> float:
    """Kish's number of questionnaires of equal weight."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


# --- how reliable a difference is


def difference_reliability(
    first: float,
    second: float,
    correlation: float,
    *,
    first_spread: float = 1.0,
    second_spread: float = 1.0,
) -> float:
    """Reliability of the difference of two scores.

    Parameters
    ----------
    first, second : float
        Reliabilities of the two scores, such as Cronbach's alpha.
    correlation : float
        Of the two scores.
    first_spread, second_spread : float
        Their standard deviations.

    Returns
    -------
    float
        NaN where the difference does not vary.

    References
    ----------
    Peter, J. P., Churchill, G. A. and Brown, T. J. (1993), Journal of Consumer Research 19,
    655-662.

    Examples
    --------
    Two scores of reliability 0.7 that correlate 0.4 have a difference of reliability 0.5:

    >>> round(difference_reliability(0.7, 0.7, 0.4), 2)
    0.5
    """
    return float(_of_difference(first, second, correlation, first_spread, second_spread))


def _of_difference(first: Any, second: Any, correlation: Any, spread: Any, other: Any) -> Any:
    shared = 2 * correlation * spread * other
    variance = np.asarray(spread**2 + other**2 - shared)
    return (spread**2 * first + other**2 * second - shared) / np.where(
        variance > 1e-9, variance, np.nan
    )


def _reliabilities(both: Pairs, *, confidence: float, resamples: int, seed: int) -> pd.DataFrame:
    rows, chances = [], []
    for dimension, part in both.items.groupby("dimension", sort=False):
        names = part["item"].tolist()
        expected, perceived = both.expectation[names], both.perception[names]
        complete = (expected.notna() & perceived.notna()).all(axis=1)
        customers = both.frame.loc[complete, "cluster"].nunique()
        if dimension == "" or len(names) < 2 or customers < LEAST:
            continue
        frame = both.frame[complete]
        whole, drawn = _drawn(
            np.column_stack([expected[complete], perceived[complete]]).astype(float),
            frame["weight"].to_numpy(float), frame["cluster"].to_numpy(), resamples, seed,
        )  # fmt: skip
        found, draws = (_difference_parts(table, len(names)) for table in (whole, drawn))
        row = {name: float(values[0]) for name, values in found.items()}
        if not np.isfinite(list(row.values())).all():  # all answers alike
            continue
        row["low"], row["high"] = _basic(row["gap"], draws["gap"] - row["gap"], confidence)
        pivot = draws["gap"] - draws["perception"] - row["gap"] + row["perception"]
        row["change"] = row["gap"] - row["perception"]
        row["change_low"], row["change_high"] = _basic(row["change"], pivot, confidence)
        chances.append(_bootstrap_chance(row["change"], pivot))
        rows.append({"dimension": dimension, "questionnaires": len(frame), **row})
    holds, _adjusted_chances = holm(chances, 1 - confidence)
    table = pd.DataFrame(rows)
    return table if table.empty else table.assign(less=holds & (table["change"] < 0))


def _difference_parts(covariances: Array, items: int) -> dict[str, Array]:
    """Alphas of expectation and perception, their correlation, reliability of the gap."""
    expected, perceived = covariances[:, :items, :items], covariances[:, items:, items:]
    across = covariances[:, :items, items:].sum(axis=(1, 2))
    spread = [np.sqrt(_of_total(block)) for block in (expected, perceived)]
    first, second = _alpha(expected), _alpha(perceived)
    correlation = across / (spread[0] * spread[1])
    gap = _of_difference(first, second, correlation, *spread)
    found = {"expectation": first, "perception": second, "correlation": correlation, "gap": gap}
    return {name: np.asarray(value) for name, value in found.items()}


def _alpha(covariances: Array) -> Array:
    """Cronbach's alpha from each table of covariances."""
    items = covariances.shape[1]
    own = np.trace(covariances, axis1=1, axis2=2) / _of_total(covariances)
    return np.asarray(items / (items - 1) * (1 - own))


def _of_total(covariances: Array) -> Array:
    """Variance of the sum of the items; NaN where all answers are alike."""
    total = covariances.sum(axis=(1, 2))
    return np.where(total > 1e-9, total, np.nan)


# --- resampling customers by sums


def _drawn(
    values: Array, weights: Array, clusters: NDArray[np.intp], resamples: int, seed: int
) -> tuple[Array, Array]:
    """Covariances of the columns: of all rows, and of each resample of the customers."""
    centred = values - values.mean(axis=0)
    customer = np.unique(clusters, return_inverse=True)[1]
    random: Any = np.random.default_rng(seed)
    block = (random.permutation(customer.max() + 1) % BLOCKS)[customer]
    drawn = resampled(centred, weights, block, resamples=resamples, seed=random)
    return covariances(sums(centred, weights)), covariances(drawn)


def way_names() -> Mapping[str, str]:
    """What the ways to measure quality are called in the current language."""
    return {
        "gap": _("Gaps (SERVQUAL)"),
        "perception": _("Perceptions (SERVPERF)"),
        "logistics": _("Logistics service"),
    }
