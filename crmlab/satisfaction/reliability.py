"""How far the answers to the items of a dimension measure one thing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.data.model import Settings
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    dimension_names,
    item_names,
    questionnaires_left_out,
    responses,
    weighed,
    wide,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.reliability import (
    Coefficient,
    alpha_if_deleted,
    alpha_influence,
    alpha_of,
    corrected_item_total,
    cronbach_alpha,
    mcdonald_omega,
)
from crmlab.stats.weighted import from_influence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Columns that measures of the questionnaire's items need.
NEEDS = {"surveys": ["response_id"], "answers": ["response_id", "item", "aspect", "value"]}
#: With complete answers of fewer customers than this a dimension is not judged.
FEWEST = 10
#: From here on items may ask the same thing twice (Streiner 2003).
REPEATING = 0.95
COLOURS = {"enough": charts.BLUE, "unclear": charts.MUTED, "low": charts.ORANGE}
NO_COEFFICIENT = Coefficient(np.nan, np.nan, np.nan, 0, 0)


# --- the items of one dimension, with who answered them


@dataclass(frozen=True)
class Block:
    """The complete answers to the items of one dimension.

    Attributes
    ----------
    dimension : str
        Its code; empty where the workspace declares no items at all.
    answers : pandas.DataFrame
        Index response_id, a column per item that varies; complete rows only.
    weights, clusters : numpy.ndarray
        Weight and number of the customer of each row.
    asked : pandas.DataFrame
        The answers of everybody who answered one of the items or more.
    constant : tuple of str
        Items left out because everybody answered the same.
    """

    dimension: str
    answers: pd.DataFrame
    weights: np.ndarray
    clusters: np.ndarray
    asked: pd.DataFrame
    constant: tuple[str, ...]

    @property
    def customers(self) -> int:
        """Customers with complete answers."""
        return len(np.unique(self.clusters))

    @property
    def incomplete(self) -> int:
        """Questionnaires with some of the items, not all."""
        return len(self.asked) - len(self.answers)


def blocks(
    crm: Workspace, aspect: str, dimensions: Sequence[str] | None = None
) -> tuple[list[Block], Responses]:
    """The answers of one aspect, by dimension, and the questionnaires they come from.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.
    aspect : str
    dimensions : sequence of str, optional

    Returns
    -------
    list of Block, Responses
        Items that belong to no dimension stand in a block of their own only where no item belongs
        to any.
    """
    found = weighed(responses(crm))
    table = wide(crm, aspect, dimensions=dimensions)
    table = table[table.index.isin(found.frame["response_id"])]
    declared = {one.item: one.dimension for one in crm.settings.items}
    by_item = [declared.get(item, "") for item in table.columns]
    names = [name for name in dict.fromkeys(by_item) if name] or [""]
    frame = found.frame.set_index("response_id").loc[table.index]
    weights = frame["weight"].to_numpy(float)
    cluster = clusters(frame.reset_index())
    parts = [
        _block(name, table.loc[:, [one == name for one in by_item]], weights, cluster)
        for name in names
    ]
    return parts, found


def _block(name: str, table: pd.DataFrame, weights: np.ndarray, cluster: np.ndarray) -> Block:
    some = table.notna().any(axis=1).to_numpy()
    varies = table.max() > table.min()
    asked = table.loc[some, varies]
    complete = asked.notna().all(axis=1).to_numpy()
    constant = tuple(str(item) for item in table.columns[~varies])
    return Block(
        name, asked[complete], weights[some][complete], cluster[some][complete], asked, constant
    )


# --- the measure


@dataclass(frozen=True, repr=False)
class Reliability(Result):
    """Result of `reliability`.

    Attributes
    ----------
    items : pandas.DataFrame
        A row per item: dimension, item, answers, missing, mean, sd, item_total (its correlation
        with the sum of the others) with total_low and total_high, alpha_if_deleted, gain (that
        less α of all) with gain_low and gain_high; the intervals of a dimension's items hold
        together (Bonferroni).
    aspect : str
    enough : float
        What α has to reach.
    found : Responses
    questionnaires, customers : int
        With complete answers to a dimension or more.
    incomplete : int
        Questionnaires with some items of a dimension unanswered.
    constant : tuple of str
        Items left out because everybody answered the same.
    settings : Settings
    confidence : float
    """

    measure = "satisfaction.reliability"

    items: pd.DataFrame
    aspect: str
    enough: float
    found: Responses
    questionnaires: int
    customers: int
    incomplete: int
    constant: tuple[str, ...]
    settings: Settings
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(
            ["low", "high", "alpha", "alpha_standardised", "omega", "omega_low", "omega_high"],
            "number",
        )

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "dimension": dimension_labels(self),
            "item": item_names(as_settings(self)),
            "reliable": {
                "enough": _("reliable"),
                "unclear": _("cannot be told"),
                "low": _("not reliable"),
                "one item": _("a single item"),
                "few": _("too few answers"),
            },
        }

    def main_columns(self) -> Sequence[str]:
        hidden = ("customers", "omega_low", "omega_high", "design_effect", "incomplete")
        return [name for name in self.table if name not in hidden]

    def title(self) -> str:
        judged = self._judged()
        enough = int((judged["reliable"] == "enough").sum())
        return ngettext(
            "α with its whole interval at {threshold} or above: {enough} of {judged} dimension",
            "α with its whole interval at {threshold} or above: {enough} of {judged} dimensions",
            len(judged),
        ).format(
            enough=number(enough), judged=number(len(judged)), threshold=number(self.enough, 2)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = self._judged()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.5 * len(rows) + 1.6)))
        places = np.arange(len(rows))[::-1]
        colours = rows["reliable"].map(COLOURS)
        axes.axvline(self.enough, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, rows["low"], rows["high"], colors=colours)
        axes.scatter(rows["alpha"], places, color=colours, zorder=3)
        axes.scatter(
            rows["omega"], places - 0.22, marker="D", s=24, facecolors="none",
            edgecolors=charts.INK, linewidths=1, label=_("McDonald's ω"),
        )  # fmt: skip
        axes.set_yticks(places, [self._name(one) for one in rows["dimension"]])
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_xlim(min(0.5, float(rows[["low", "omega"]].min().min()) - 0.02), 1)
        axes.set_xlabel(
            _("Cronbach's α with {confidence} interval; dashed: {threshold}").format(
                confidence=percent(self.confidence, 0), threshold=number(self.enough, 2)
            )
        )
        if rows["omega"].notna().any():
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), borderpad=0)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._verdicts(), self._omegas(), self._about_items(), self._who()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = _("; ").join(self._with_alpha(row) for row in self._judged().itertuples())
        return _("Points with intervals of Cronbach's α by dimension. {rows}.").format(rows=rows)

    def _judged(self) -> pd.DataFrame:
        """The dimensions that have an α."""
        return self.table.dropna(subset=["alpha"])

    def _name(self, dimension: str) -> str:
        return dimension_labels(self).get(dimension, dimension)

    def _item(self, item: str) -> str:
        return item_names(as_settings(self)).get(item, item)

    def _with_alpha(self, row: Any) -> str:
        return _("{name} {alpha} ({low} to {high})").format(
            name=self._name(row.dimension),
            alpha=number(row.alpha, 2),
            low=number(row.low, 2),
            high=number(row.high, 2),
        )

    def _verdicts(self) -> str:
        sentences = {
            "enough": _(
                "Reliable, the whole interval of α lying at {threshold} or above: {names}."
            ),
            "unclear": _("Whether α reaches {threshold} cannot be told: {names}."),
            "low": _(
                "Not reliable, the whole interval of α lying below {threshold}: {names}. Either "
                "the items do not ask for the same thing clearly enough, or they are attributes "
                "that need not go together; then they are no scale and are read one by one."
            ),
        }
        parts = []
        for verdict, sentence in sentences.items():
            rows = self.table[self.table["reliable"] == verdict]
            if len(rows):
                names = _("; ").join(self._with_alpha(row) for row in rows.itertuples())
                parts.append(sentence.format(threshold=number(self.enough, 2), names=names))
        for verdict, sentence in {
            "one item": _("A single item has no α: {names}."),
            "few": _("Answered completely by too few customers to be judged: {names}."),
        }.items():
            rows = self.table[self.table["reliable"] == verdict]
            if len(rows):
                names = _(", ").join(self._name(one) for one in rows["dimension"])
                parts.append(sentence.format(names=names))
        parts.append(intervals_in_brackets(self.confidence))
        return " ".join(parts)

    def _omegas(self) -> str:
        parts = []
        rows = self._judged().query("low > 0 and omega == omega")
        if len(rows):
            apart = (rows["omega"] - rows["alpha"]).abs()
            furthest = rows.loc[apart.idxmax()]
            sentence = (
                _(
                    "McDonald's ω, which lets items weigh differently, is within 0.01 of α in "
                    "every dimension whose items go together."
                )
                if apart.max() < 0.01
                else _(
                    "McDonald's ω, which lets items weigh differently, is furthest from α in "
                    "{name}: {omega} ({low} to {high}) against {alpha}."
                )
            )
            parts.append(
                sentence.format(
                    name=self._name(furthest["dimension"]),
                    omega=number(furthest["omega"], 2),
                    low=number(furthest["omega_low"], 2),
                    high=number(furthest["omega_high"], 2),
                    alpha=number(furthest["alpha"], 2),
                )
            )
        fitted = self.table["reliable"].isin(["enough", "unclear", "low"])
        without = self.table[fitted & (self.table["items"] > 2) & self.table["omega"].isna()]
        if len(without):
            parts.append(
                _(
                    "No factor can be fitted for McDonald's ω, as where an item follows from the "
                    "others: {names}."
                ).format(names=_(", ").join(self._name(one) for one in without["dimension"]))
            )
        # Items that are copies of each other have an α of 1 and no interval.
        repeating = self.table[self.table["low"].fillna(self.table["alpha"]) > REPEATING]
        if len(repeating):
            parts.append(
                _("So high that items may ask the same thing twice: {names}.").format(
                    names=_(", ").join(self._name(one) for one in repeating["dimension"])
                )
            )
        return " ".join(parts)

    def _about_items(self) -> str:
        parts = []
        against = self.items[self.items["total_high"] < 0]
        if len(against):
            parts.append(
                _(
                    "Running against the others of their dimension, as items worded the other way "
                    "round do: {items}."
                ).format(items=_(", ").join(self._item(one) for one in against["item"]))
            )
        raising = self.items[self.items["gain_low"] > 0]
        for row in raising.itertuples():
            parts.append(
                _(
                    "Without the item “{item}”, α of {name} would be {alpha}, more by {gain}."
                ).format(
                    item=self._item(str(row.item)),
                    name=self._name(str(row.dimension)),
                    alpha=number(row.alpha_if_deleted, 2),
                    gain=number(row.gain, 2),
                )
            )
        if not len(raising) and self.items["gain_low"].notna().any():
            parts.append(
                _("No item would raise the α of its dimension by more than chance if left out.")
            )
        known = self.items.dropna(subset=["item_total"])
        if len(known):
            weakest = known.loc[known["item_total"].idxmin()]
            parts.append(
                _(
                    "The item that goes least with the others of its dimension is “{item}”: its "
                    "correlation with their sum is {correlation} ({low} to {high})."
                ).format(
                    item=self._item(weakest["item"]),
                    correlation=number(weakest["item_total"], 2),
                    low=number(weakest["total_low"], 2),
                    high=number(weakest["total_high"], 2),
                )
            )
        return " ".join(parts)

    def _who(self) -> str:
        who = ngettext(
            "{questionnaires} questionnaire of {customers} customers answers a dimension "
            "completely, {period}.",
            "{questionnaires} questionnaires of {customers} customers answer a dimension "
            "completely, {period}.",
            self.questionnaires,
        ).format(
            questionnaires=number(self.questionnaires),
            customers=number(self.customers),
            period=self.context.period(),
        )
        effects = self.table["design_effect"].dropna()
        if len(effects) and effects.max() > 1.005:
            who += " " + _(
                "Weights and customers who answered more than once make the variance of α up to "
                "{effect} times that of as many independent answers (design effect)."
            ).format(effect=number(effects.max(), 2))
        if self.constant:
            who += " " + _("Left out because everybody answered the same: {items}.").format(
                items=_(", ").join(self._item(one) for one in self.constant)
            )
        return f"{who} {questionnaires_left_out(self._exclusions(), self.found.part)}"

    def _exclusions(self) -> tuple[Exclusion, ...]:
        without = len(self.found.frame) - self.questionnaires - self.incomplete
        more = {
            _("answered, but not these items"): without,
            _("no dimension answered completely"): self.incomplete,
        }
        own = tuple(
            Exclusion.of_questionnaires(reason, count) for reason, count in more.items() if count
        )
        return (*self.found.exclusions(), *own)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Covariances between the items of a dimension"),
            denominator=_("Variance of the sum of the items, among complete answers"),
            period=self.context.period(),
            method=_(
                "Aspect {aspect}. α = k/(k − 1) · (1 − Σ variances / variance of the sum) of k "
                "items, with the weights of the questionnaires; ω of one factor by maximum "
                "likelihood. {confidence} t intervals of log(1 − α) and log(1 − ω) by "
                "linearisation, answers of one customer together. Reliable from {threshold} on "
                "(Nunnally 1978, p. 245, for research at an early stage; .90 for decisions about "
                "single persons). The intervals of what is said of items hold together for all "
                "items of a dimension (Bonferroni)."
            ).format(
                aspect=aspect_name(self.aspect),
                confidence=percent(self.confidence, 0),
                threshold=number(self.enough, 2),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )


@measure(needs=NEEDS)
def reliability(
    crm: Workspace,
    *,
    aspect: str = "perception",
    dimensions: Sequence[str] | None = None,
    enough: float = 0.70,
    confidence: float = 0.95,
) -> Reliability:
    """How reliably the items of each dimension measure it: Cronbach's α and McDonald's ω.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value. The dimension of
        each item is declared in the workspace; where no item has one, all are taken as one.
    aspect : str
        Such as ``"perception"`` or ``"expectation"``.
    dimensions : sequence of str, optional
        Only these.
    enough : float
        What α has to reach.
    confidence : float

    Returns
    -------
    Reliability
        `.table` has a row per dimension, the highest α first: dimension, items, questionnaires,
        customers, incomplete, alpha, low, high, alpha_standardised, omega, omega_low, omega_high,
        design_effect (of the variance of log(1 − α)), reliable (``"enough"`` where the whole
        interval is at least `enough`, ``"low"`` where it is below, else ``"unclear"``). `.items`
        has a row per item.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If no dimension has two items that ten customers answered.

    Notes
    -----
    Only complete answers count, dimension by dimension, with the weights of the questionnaires.
    Answers of one customer are a cluster. α is a lower bound of reliability where the errors of
    the items do not go together, and equals it where all items measure equally well; ω does not
    need the second. With few or strongly skewed answers the intervals are somewhat too short: in
    simulations with two answers a customer a 95% interval held α in 92% of samples of 60 normal
    answers, 94% of 200, and 84% of 200 strongly skewed ones (Feldt's in 55%).

    References
    ----------
    Cronbach, L. J. (1951), Psychometrika 16, 297-334. McDonald, R. P. (1999), Test Theory.
    Nunnally, J. C. (1978), Psychometric Theory, 2nd ed., p. 245. Streiner, D. L. (2003), Journal of
    Personality Assessment 80, 99-103.
    """
    parts, found = blocks(crm, aspect, dimensions)
    rows = [_row(part, enough, confidence) for part in parts]
    table = pd.DataFrame(rows).sort_values("alpha", ascending=False, kind="stable")
    judged = [part for part in parts if _can_be_judged(part)]
    if not judged:
        raise NotEnoughData(
            _(
                "No dimension of the aspect {aspect} has two items or more that at least {fewest} "
                "customers answered completely, so reliability cannot be judged."
            ).format(aspect=aspect, fewest=FEWEST)
        )
    complete = pd.concat([pd.Series(part.clusters, part.answers.index) for part in judged])
    some = pd.Index(np.unique(np.concatenate([part.asked.index for part in parts])))
    return Reliability(
        table.reset_index(drop=True),
        Context.of(crm),
        pd.concat([_items(part, confidence) for part in judged], ignore_index=True),
        aspect,
        enough,
        found,
        complete.index.nunique(),
        complete.nunique(),
        len(some.difference(complete.index)),
        tuple(item for part in parts for item in part.constant),
        crm.settings,
        confidence,
    )


def _can_be_judged(part: Block) -> bool:
    return part.answers.shape[1] > 1 and part.customers >= FEWEST


def _row(part: Block, enough: float, confidence: float) -> dict[str, Any]:
    alpha = omega = standardised = NO_COEFFICIENT
    effect = np.nan
    verdict = "few" if part.answers.shape[1] > 1 else "one item"
    if _can_be_judged(part):
        design: dict[str, Any] = {
            "weights": part.weights, "clusters": part.clusters, "confidence": confidence,
        }  # fmt: skip
        alpha = cronbach_alpha(part.answers, **design)
        standardised = cronbach_alpha(part.answers, standardised=True, **design)
        # Where there is none, the reading says so.
        with contextlib.suppress(NotEnoughData):
            omega = mcdonald_omega(part.answers, **design)
        effect = _design_effect(part)
        verdict = "enough" if alpha.low >= enough else "low" if alpha.high < enough else "unclear"
    return {
        "dimension": part.dimension,
        "items": part.answers.shape[1],
        "questionnaires": len(part.answers),
        "customers": part.customers,
        "incomplete": part.incomplete,
        "alpha": alpha.value,
        "low": alpha.low,
        "high": alpha.high,
        "alpha_standardised": standardised.value,
        "omega": omega.value,
        "omega_low": omega.low,
        "omega_high": omega.high,
        "design_effect": effect,
        "reliable": verdict,
    }


def _design_effect(part: Block) -> float:
    """Variance of log(1 − α) over that of as many answers, independent and without weights."""
    plain = np.ones(len(part.answers))
    widths = []
    for weights, cluster in ((part.weights, part.clusters), (plain, np.arange(len(plain)))):
        value = alpha_of(np.cov(part.answers.T, aweights=weights))
        if not value < 1 - 1e-12:
            return np.nan
        moved = alpha_influence(part.answers, weights) / (1 - value)
        found = from_influence(0.0, moved, cluster)
        widths.append(found.high - found.low)
    return float((widths[0] / widths[1]) ** 2)


def _items(part: Block, confidence: float) -> pd.DataFrame:
    """What can be said of each item of a dimension."""
    design: dict[str, Any] = {
        "weights": part.weights,
        "clusters": part.clusters,
        "confidence": 1 - (1 - confidence) / part.answers.shape[1],
    }
    without = alpha_if_deleted(part.answers, **design)
    total = corrected_item_total(part.answers, **design)
    mean = np.average(part.answers, axis=0, weights=part.weights)
    variance = np.average((part.answers - mean) ** 2, axis=0, weights=part.weights)
    return pd.DataFrame(
        {
            "dimension": part.dimension,
            "item": part.answers.columns.astype(str),
            "answers": part.asked.notna().sum().to_numpy(),
            "missing": part.asked.isna().sum().to_numpy(),
            "mean": mean,
            "sd": np.sqrt(variance),
            **{name: total[name].to_numpy() for name in total},
            **{name: without[name].to_numpy() for name in without},
        }
    )


# --- words


def as_settings(result: Any) -> Any:
    """`result` itself, which like a workspace has the settings that name items and dimensions."""
    return result


def dimension_labels(result: Any) -> dict[str, str]:
    """Label of each dimension in the current language; `result` has the settings."""
    return {"": _("All items"), **dimension_names(result)}


def aspect_name(aspect: str) -> str:
    """Label of an aspect in the current language; the aspect itself where it has none.

    Examples
    --------
    >>> aspect_name("perception"), aspect_name("own")
    ('Perception', 'own')
    """
    return shown("aspect").values.get(aspect, aspect)
