"""Which items of a questionnaire belong together: how many factors they share, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.model import Settings
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.reliability import NEEDS, as_settings, aspect_name, dimension_labels
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    item_names,
    questionnaires_left_out,
    responses,
    weighed,
    wide,
)
from crmlab.show import charts
from crmlab.show.once import once
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.factors import (
    GROUPS,
    Adequacy,
    Loadings,
    Parallel,
    Sphericity,
    bartlett_sphericity,
    correlations,
    effective_size,
    factor_loadings,
    kmo,
    loading_errors,
    parallel_analysis,
    sequential_parallel_analysis,
)
from crmlab.stats.weighted import from_influence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Fewer customers than this for each item are too few (Gorsuch 1983 asks for five).
FEWEST_PER_ITEM = 3
#: A loading below this is weak; from the second on an item belongs to two factors.
WEAK, SECOND = 0.40, 0.30
#: With larger errors of loadings than this the factors are not the same from sample to sample.
UNSTABLE = 0.15


# --- the items that are analysed together


@dataclass(frozen=True)
class Answers:
    """Complete answers to the items that are analysed together.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index response_id, a column per item; complete rows only.
    weights, clusters : numpy.ndarray
    correlations : numpy.ndarray
    effective : float
        Independent answers whose correlations would be as sure.
    incomplete : int
        Questionnaires with some of the items.
    other_scale, constant : tuple of str
        Items left out: on another scale than most; or with the same answer from everybody.
    found : Responses
    settings : Settings
    """

    frame: pd.DataFrame
    weights: np.ndarray
    clusters: np.ndarray
    correlations: np.ndarray
    effective: float
    incomplete: int
    other_scale: tuple[str, ...]
    constant: tuple[str, ...]
    found: Responses
    settings: Settings

    @property
    def customers(self) -> int:
        """Customers with complete answers."""
        return len(np.unique(self.clusters))

    @property
    def dimensions(self) -> list[str]:
        """Dimension of each item; empty where none is declared."""
        declared = {one.item: one.dimension for one in self.settings.items}
        return [declared.get(item, "") for item in self.frame.columns]

    def who(self, period: str) -> str:
        """Whose answers these are, and what is left out, in sentences."""
        said = ngettext(
            "{questionnaires} questionnaire of {customers} customers answers all {items} items, "
            "{period}.",
            "{questionnaires} questionnaires of {customers} customers answer all {items} items, "
            "{period}.",
            len(self.frame),
        ).format(
            questionnaires=number(len(self.frame)),
            customers=number(self.customers),
            items=number(self.frame.shape[1]),
            period=period,
        )
        if self.effective < len(self.frame) - 0.5:
            said += " " + _(
                "Weights, customers who answered more than once and answers that are not normally "
                "distributed make their correlations as sure as those of {effective} independent "
                "normal answers."
            ).format(effective=number(self.effective))
        names = item_names(as_settings(self))
        for left, sentence in (
            (self.other_scale, _("Left out because their scale is another one: {items}.")),
            (self.constant, _("Left out because everybody answered the same: {items}.")),
        ):
            if left:
                words = _(", ").join(names.get(item, item) for item in left)
                said += " " + sentence.format(items=words)
        return f"{said} {questionnaires_left_out(self.exclusions(), self.found.part)}"

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        without = len(self.found.frame) - len(self.frame) - self.incomplete
        more = {
            _("answered, but not these items"): without,
            _("not all items answered"): self.incomplete,
        }
        own = tuple(
            Exclusion.of_questionnaires(reason, count) for reason, count in more.items() if count
        )
        return (*self.found.exclusions(), *own)


@once
def answers(crm: Workspace, aspect: str, dimensions: tuple[str, ...] | None) -> Answers:
    """The complete answers to the items of one aspect that are analysed together.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.
    aspect : str
    dimensions : tuple of str, optional
        By default all items whose scale is the one that most items have: answers on different
        scales go together for that reason alone.

    Returns
    -------
    Answers

    Raises
    ------
    NotEnoughData
        If there are fewer than three items, or fewer than three customers for each.
    """
    found = weighed(responses(crm))
    table = wide(crm, aspect, dimensions=dimensions)
    table = table[table.index.isin(found.frame["response_id"])]
    other = _other_scale(crm.settings, list(table.columns)) if dimensions is None else ()
    table = table.drop(columns=list(other))
    constant = tuple(str(item) for item in table.columns[~(table.max() > table.min())])
    table = table.drop(columns=list(constant)).dropna(how="all")
    complete = table.dropna()
    frame = found.frame.set_index("response_id").loc[complete.index]
    cluster = clusters(frame.reset_index())
    items, customers = complete.shape[1], len(np.unique(cluster))
    if items < 3 or customers < FEWEST_PER_ITEM * items:
        raise NotEnoughData(
            _(
                "A factor analysis needs at least 3 items, and {fewest} customers for each who "
                "answered all of them. The aspect {aspect} has {items} items, and {customers} "
                "customers answered all. Name fewer dimensions."
            ).format(fewest=FEWEST_PER_ITEM, aspect=aspect, items=items, customers=customers)
        )
    weights = frame["weight"].to_numpy(float)
    return Answers(
        complete,
        weights,
        cluster,
        correlations(complete, weights),
        effective_size(complete, weights=weights, clusters=cluster),
        len(table) - len(complete),
        other,
        constant,
        found,
        crm.settings,
    )


def _other_scale(settings: Settings, items: list[str]) -> tuple[str, ...]:
    """Items on another scale than the one that most of them have."""
    scales = {one.item: (one.minimum, one.maximum) for one in settings.items}
    known = [scales[item] for item in items if item in scales]
    if not known:
        return ()
    commonest = Counter(known).most_common(1)[0][0]
    return tuple(item for item in items if scales.get(item, commonest) != commonest)


# --- how many factors


@dataclass(frozen=True, repr=False)
class Scree(Result):
    """Result of `scree`.

    Attributes
    ----------
    parallel, horn : Parallel
        By the sequential parallel analysis, which counts; and by Horn's.
    adequacy : Adequacy
    sphericity : Sphericity
    answers : Answers
    aspect : str
    draws : int
    confidence : float
    """

    measure = "satisfaction.scree"

    parallel: Parallel
    horn: Parallel
    adequacy: Adequacy
    sphericity: Sphericity
    answers: Answers
    aspect: str
    draws: int
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["eigenvalue", "low", "high", "random"], "number") | {
            "factor": "integer"
        }

    def title(self) -> str:
        return ngettext(
            "{factors} factor of {items} items stands out from chance",
            "{factors} factors of {items} items stand out from chance",
            self.parallel.factors,
        ).format(factors=number(self.parallel.factors), items=number(self.answers.frame.shape[1]))

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.ticker import MaxNLocator

        rows = self.table
        axes = charts.new_axes(ax)
        beyond = rows["factor"] <= self.parallel.factors
        axes.plot(rows["factor"], rows["eigenvalue"], color=charts.BLUE, linewidth=1)
        axes.vlines(rows["factor"], rows["low"], rows["high"], color=charts.BLUE, linewidth=1.5)
        axes.scatter(
            rows["factor"], rows["eigenvalue"], zorder=3, edgecolors=charts.BLUE,
            color=np.where(beyond, charts.BLUE, "white"),
        )  # fmt: skip
        axes.plot(rows["factor"], rows["random"], color=charts.ORANGE, linestyle="--")
        # The line falls, so words that begin on it stand above it.
        begin = rows.iloc[len(rows) // 3]
        axes.annotate(
            _("without a further factor, 95th percentile"),
            (begin["factor"], begin["random"]),
            (4, 6),
            textcoords="offset points",
            color=charts.ORANGE,
        )
        axes.set_ylim(0, float(rows["high"].max()) * 1.05)
        axes.set(xlabel=_("Factor"), ylabel=_("Eigenvalue"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        return "\n\n".join(
            [self._suitable(), self._count(), self.answers.who(self.context.period())]
        )

    def alt(self) -> str:
        parts = [
            _("{factor}: {eigenvalue} ({low} to {high}), random {random}").format(
                factor=number(row.factor),
                eigenvalue=number(row.eigenvalue, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
                random=number(row.random, 2),
            )
            for row in self.table.head(self.parallel.factors + 2).itertuples()
        ]
        return _(
            "Falling line of eigenvalues with intervals, and a dashed line of what they would be "
            "without a further factor. {parts}."
        ).format(parts=_("; ").join(parts))

    def _suitable(self) -> str:
        adequacy = _("The measure of Kaiser, Meyer and Olkin is {kmo}: {word}.").format(
            kmo=number(self.adequacy.overall, 2), word=kmo_word(self.adequacy.overall)
        )
        chance = self.sphericity.chance
        bartlett = (
            _("Bartlett's test rules out that the items do not correlate at all ({p}).")
            if chance < 1 - self.confidence
            else _(
                "Bartlett's test does not rule out that the items do not correlate at all ({p})."
            )
        ).format(p=_("p < 0.001") if chance < 0.001 else _("p = {p}").format(p=number(chance, 3)))
        return f"{adequacy} {bartlett}"

    def _count(self) -> str:
        factors, rows = self.parallel.factors, self.table
        explained = float(rows["eigenvalue"].head(factors).sum() / len(rows))
        many = ngettext(
            "{factors} factor stands out: its eigenvalue is larger than 95 of 100 from random "
            "answers without any factor. It makes up {explained} of the sum of all eigenvalues.",
            "{factors} factors stand out: the eigenvalue of each is larger than 95 of 100 from "
            "random answers that hold only the factors before it. Together they make up "
            "{explained} of the sum of all eigenvalues.",
            factors,
        ).format(factors=number(factors), explained=percent(explained))
        none = _("Not even the first eigenvalue is larger than 95 of 100 random ones.")
        parts = [many if factors else none]
        if factors and rows["low"].iloc[factors - 1] < rows["random"].iloc[factors - 1]:
            parts.append(_("Of the last of them this cannot be told with confidence."))
        above = int((rows["eigenvalue"] > 1).sum())
        parts.append(
            _(
                "Compared throughout with answers that have nothing in common, {horn} would count; "
                "by the old rule, eigenvalues above 1, {above}."
            ).format(horn=number(self.horn.factors), above=number(above))
        )
        meant = len({name for name in self.answers.dimensions if name})
        if meant:
            parts.append(
                ngettext(
                    "The questionnaire means to ask about {meant} dimension.",
                    "The questionnaire means to ask about {meant} dimensions.",
                    meant,
                ).format(meant=number(meant))
            )
        return " ".join(parts)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Eigenvalues of the correlations between the items"),
            denominator=_("Number of items, the sum of all eigenvalues"),
            period=self.context.period(),
            method=_(
                "Aspect {aspect}; correlations with the weights of the questionnaires, complete "
                "answers. Sequential parallel analysis (Green and others 2012): an eigenvalue "
                "counts that is larger than the 95th percentile of {draws} sets of {effective} "
                "random answers which hold only the factors before it. That number of independent "
                "normal answers, used in Bartlett's test too, would make correlations as sure as "
                "these are. {confidence} t intervals of eigenvalues by "
                "linearisation, answers of one customer together; the largest eigenvalues of a "
                "sample lie somewhat too high. "
                "Words for the measure of Kaiser, Meyer and Olkin: Kaiser (1974)."
            ).format(
                aspect=aspect_name(self.aspect),
                draws=number(self.draws),
                effective=number(self.answers.effective),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.answers.exclusions(),
        )


@measure(needs=NEEDS)
def scree(
    crm: Workspace,
    *,
    aspect: str = "perception",
    dimensions: Sequence[str] | None = None,
    draws: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> Scree:
    """How many factors the items of a questionnaire share.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.
    aspect : str
    dimensions : sequence of str, optional
        By default the items whose scale is the one that most items have.
    draws : int
        Random data sets of the parallel analysis.
    confidence : float
    seed : int

    Returns
    -------
    Scree
        `.table` has a row per factor: factor (its number), eigenvalue, low, high, random (95th
        percentile of what it would be without a further factor), beyond (whether it counts).
        `.adequacy`, `.sphericity`, `.parallel` and `.horn` hold the tests.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If there are fewer than three items, or fewer than three customers for each; or if an item
        follows exactly from others.

    Notes
    -----
    An eigenvalue is the variance of a component of the standardised items. It moves with an
    answer z by (v'z)² − λ Σ v²z², v being its eigenvector.

    References
    ----------
    Green, S. B. and others (2012), Educational and Psychological Measurement 72, 357-374. Horn,
    J. L. (1965), Psychometrika 30, 179-185. Kaiser, H. F. (1974), Psychometrika 39, 31-36.
    """
    together = answers(crm, aspect, None if dimensions is None else tuple(dimensions))
    matrix = together.correlations
    found = sequential_parallel_analysis(matrix, together.effective, draws=draws, seed=seed)
    size = len(matrix)
    table = pd.DataFrame({"factor": np.arange(1, size + 1), "eigenvalue": found.eigenvalues}).join(
        _eigenvalue_limits(together, confidence)
    )
    return Scree(
        table.assign(random=found.random, beyond=np.arange(size) < found.factors),
        Context.of(crm),
        found,
        parallel_analysis(matrix, together.effective, draws=draws, seed=seed),
        kmo(matrix),
        bartlett_sphericity(matrix, together.effective),
        together,
        aspect,
        draws,
        confidence,
    )


def _eigenvalue_limits(together: Answers, confidence: float) -> pd.DataFrame:
    values, vectors = np.linalg.eigh(together.correlations)
    weight = together.weights / together.weights.sum()
    apart = together.frame.to_numpy() - weight @ together.frame.to_numpy()
    apart /= np.sqrt(weight @ apart**2)
    moved = (apart @ vectors) ** 2 - values * (apart**2 @ vectors**2)
    ends = [
        from_influence(value, weight * part, together.clusters, confidence=confidence)[1:3]
        for value, part in zip(values[::-1], moved.T[::-1], strict=True)
    ]
    return pd.DataFrame(ends, columns=["low", "high"])


def kmo_word(value: float) -> str:
    """Kaiser's word for the measure of Kaiser, Meyer and Olkin.

    Examples
    --------
    >>> kmo_word(0.86)
    'meritorious'
    """
    words = {
        0.9: _("marvellous"),
        0.8: _("meritorious"),
        0.7: _("middling"),
        0.6: _("mediocre"),
        0.5: _("miserable"),
    }
    return next((word for least, word in words.items() if value >= least), _("unacceptable"))


# --- which item loads on which factor


@dataclass(frozen=True, repr=False)
class Structure(Result):
    """Result of `structure`.

    Attributes
    ----------
    loadings : pandas.DataFrame
        A row per item in the order of the questionnaire, a column per factor (1, 2, …).
    fitted : Loadings
    named_after : tuple of str
        The dimension whose items load most on each factor; empty where none is declared.
    asked_for : bool
        Whether the number of factors was given, not counted by parallel analysis.
    error : float
        Standard error of a loading, the median of all.
    answers : Answers
    aspect : str
    confidence : float
    """

    measure = "satisfaction.structure"

    loadings: pd.DataFrame
    fitted: Loadings
    named_after: tuple[str, ...]
    asked_for: bool
    error: float
    answers: Answers
    aspect: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(
            ["loading", "low", "high", "second_loading", "communality", "adequacy"], "number"
        )

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        factors = {str(place + 1): name for place, name in enumerate(self.factor_names())}
        return {
            "item": item_names(as_settings(self.answers)),
            "dimension": dimension_labels(self.answers),
            "factor": factors,
            "second_factor": factors,
            "place": {
                "fits": _("as meant"),
                "weak": _("weak"),
                "two": _("on two factors"),
                "elsewhere": _("on another factor"),
            },
        }

    def main_columns(self) -> Sequence[str]:
        hidden = ("second_factor", "adequacy")
        return [name for name in self.table if name not in hidden]

    def factor_names(self) -> list[str]:
        """Name of each factor: of the dimension whose items load most on it."""
        labels, seen = dimension_labels(self.answers), Counter[str]()
        names = []
        for place, dimension in enumerate(self.named_after, 1):
            seen[dimension] += 1
            label = labels.get(dimension, dimension)
            if not dimension:
                names.append(_("Factor {number}").format(number=place))
            elif seen[dimension] > 1:
                names.append(f"{label} ({seen[dimension]})")
            else:
                names.append(label)
        return names

    def title(self) -> str:
        fits = int((self.table["place"] == "fits").sum())
        factors = self.loadings.shape[1]
        if self.error > UNSTABLE:
            return ngettext(
                "{factors} factor of {items} items that changes when customers are left out",
                "{factors} factors of {items} items that change when customers are left out",
                factors,
            ).format(items=number(len(self.table)), factors=number(factors))
        if not any(self.named_after):
            return ngettext(
                "{items} items on {factors} factor", "{items} items on {factors} factors", factors
            ).format(items=number(len(self.table)), factors=number(factors))
        return ngettext(
            "{fits} of {items} items load as meant on {factors} factor",
            "{fits} of {items} items load as meant on {factors} factors",
            factors,
        ).format(fits=number(fits), items=number(len(self.table)), factors=number(factors))

    def plot(self, ax: Axes | None = None) -> Axes:
        values = self.loadings.to_numpy()
        items, factors = values.shape
        height = max(2.6, 0.27 * items + 1.7)
        axes = charts.new_axes(ax, size=(charts.SIZE[0] + 0.6, height))
        axes.imshow(values, cmap="RdBu_r", vmin=-1.4, vmax=1.4, aspect="auto")
        for row, column in np.ndindex(items, factors):
            value = values[row, column]
            if abs(value) >= SECOND:
                axes.text(
                    column, row, number(value, 2), ha="center", va="center", fontsize=9,
                    color="white" if abs(value) > 0.85 else charts.INK,
                )  # fmt: skip
        labels = item_names(as_settings(self.answers))
        names = [charts.wrapped(labels.get(item, item), 44) for item in self.loadings.index]
        axes.set_yticks(np.arange(items), names, fontsize=9)
        axes.set_xticks(
            np.arange(factors), [charts.wrapped(name, 16) for name in self.factor_names()],
            fontsize=9,
        )  # fmt: skip
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        for edge in self._edges():
            axes.axhline(edge, color="white", linewidth=4)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._explained()]
        if self.error > UNSTABLE:
            parts.append(self._unstable())
        else:
            parts += [self._astray(), self._related()]
        parts.append(self.answers.who(self.context.period()))
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = self.factor_names()
        parts = []
        for place, name in enumerate(names, 1):
            own = self.table[self.table["factor"] == str(place)]
            if own.empty:
                parts.append(_("{factor}: no item").format(factor=name))
                continue
            parts.append(
                ngettext(
                    "{factor}: {count} item, loading {low} to {high}",
                    "{factor}: {count} items, loadings {low} to {high}",
                    len(own),
                ).format(
                    factor=name,
                    count=number(len(own)),
                    low=number(own["loading"].min(), 2),
                    high=number(own["loading"].max(), 2),
                )
            )
        return _(
            "Grid of loadings, a row per item and a column per factor; values of {second} and "
            "more are written. Strongest on {parts}."
        ).format(second=number(SECOND, 2), parts=_("; ").join(parts))

    def _edges(self) -> list[float]:
        """Between the items of one dimension and the next."""
        names = self.answers.dimensions
        return [place - 0.5 for place in range(1, len(names)) if names[place] != names[place - 1]]

    def _items(self, rows: pd.DataFrame) -> str:
        labels = item_names(as_settings(self.answers))
        names = self.factor_names()
        return _("; ").join(
            _("“{item}” ({factor} {loading}, {low} to {high})").format(
                item=labels.get(row.item, row.item),
                factor=names[int(row.factor) - 1],
                loading=number(row.loading, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
            )
            for row in rows.itertuples()
        )

    def _explained(self) -> str:
        factors = self.loadings.shape[1]
        how = _("as asked for") if self.asked_for else _("as many as stand out from chance")
        return ngettext(
            "{factors} factor ({how}) explains {share} of the variance of the items.",
            "{factors} factors ({how}) explain {share} of the variance of the items.",
            factors,
        ).format(factors=number(factors), how=how, share=percent(self.fitted.explained))

    def _unstable(self) -> str:
        said = _(
            "These factors cannot be relied on: with a twentieth of the customers left out, other "
            "loadings come about (standard error of a loading {error}, the median). Which item "
            "belongs where cannot be told from these answers."
        ).format(error=number(self.error, 2))
        if self.loadings.shape[1] > 1:
            said += " " + _("Try fewer factors: structure(crm, factors={fewer}).").format(
                fewer=self.loadings.shape[1] - 1
            )
        return said

    def _astray(self) -> str:
        sentences = {
            "elsewhere": _("Strongest on the factor of another dimension: {items}."),
            "two": _("On two factors, the second with {second} or more: {items}."),
            "weak": _("Weak, below {weak} on every factor: {items}."),
        }
        parts = []
        for place, sentence in sentences.items():
            rows = self.table[self.table["place"] == place]
            if place == "elsewhere" and "dimension" in rows:
                # Of a dimension that has no factor it is said below, once for all its items.
                rows = rows[rows["dimension"].isin(self.named_after)]
            if len(rows):
                parts.append(
                    sentence.format(
                        items=self._items(rows), second=number(SECOND, 2), weak=number(WEAK, 2)
                    )
                )
        lost = self._without_factor()
        if not parts and not lost and any(self.named_after):
            parts.append(
                _("Every item is strongest on the factor of its own dimension, and on no other.")
            )
        unsure = self.table[(self.table["place"] == "fits") & (self.table["low"].abs() < WEAK)]
        if len(unsure):
            parts.append(
                ngettext(
                    "For {count} item that loads as meant, whether the loading reaches {weak} "
                    "cannot be told.",
                    "For {count} items that load as meant, whether the loading reaches {weak} "
                    "cannot be told.",
                    len(unsure),
                ).format(count=number(len(unsure)), weak=number(WEAK, 2))
            )
        if lost:
            parts.append(
                _(
                    "Without a factor of their own, their items going together with those of other "
                    "dimensions: {names}."
                ).format(names=_(", ").join(lost))
            )
        if (self.fitted.uniquenesses < 0.01).any():
            parts.append(
                _(
                    "The fit puts the whole variance of an item into the factors, which often "
                    "means too many factors or too few answers."
                )
            )
        return " ".join([*parts, intervals_in_brackets(self.confidence)] if parts else parts)

    def _without_factor(self) -> list[str]:
        labels = dimension_labels(self.answers)
        meant = dict.fromkeys(name for name in self.answers.dimensions if name)
        return [labels.get(name, name) for name in meant if name not in self.named_after]

    def _related(self) -> str:
        related = self.fitted.correlations
        factors = len(related)
        if factors < 2:
            return ""
        apart = related[np.triu_indices(factors, 1)]
        if factors == 2:
            return _("The two factors correlate by {correlation}.").format(
                correlation=number(apart[0], 2)
            )
        return _(
            "The factors correlate by {low} to {high}, {mean} on average. How far they do depends "
            "on the rotation, which prefers loadings near zero."
        ).format(
            low=number(apart.min(), 2), high=number(apart.max(), 2), mean=number(apart.mean(), 2)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("What the factors explain of each item (communality)"),
            denominator=_("Variance of the item"),
            period=self.context.period(),
            method=_(
                "Aspect {aspect}; correlations with the weights of the questionnaires, complete "
                "answers. Factors by maximum likelihood, rotated by oblimin with Kaiser's "
                "normalisation, so that they may correlate; a factor is named after the dimension "
                "whose items load most on it. An item is weak below {weak} and on two factors from "
                "a second loading of {second} on. {confidence} t intervals of loadings by a "
                "jackknife over {groups} groups of customers; each item is judged by itself."
            ).format(
                groups=number(GROUPS),
                aspect=aspect_name(self.aspect),
                weak=number(WEAK, 2),
                second=number(SECOND, 2),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.answers.exclusions(),
        )


@measure(needs=NEEDS)
def structure(
    crm: Workspace,
    *,
    aspect: str = "perception",
    dimensions: Sequence[str] | None = None,
    factors: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Structure:
    """Which items of a questionnaire load on which factor, and which go astray.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, and answers: response_id, item, aspect, value.
    aspect, dimensions
        As in `scree`.
    factors : int, optional
        By default as many as the parallel analysis of `scree` counts.
    confidence : float
    seed : int
        Of the parallel analysis and of the groups of the jackknife.

    Returns
    -------
    Structure
        `.table` has a row per item: item, dimension (where declared), factor (on which it loads
        most, ``"1"`` …), loading with low and high, second_factor, second_loading, communality,
        adequacy (its measure of Kaiser, Meyer and Olkin), place (``"fits"``, ``"weak"``,
        ``"two"``, ``"elsewhere"``). `.loadings` has all loadings.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        As `scree`; if no factor stands out from chance; or if the items are too few for so many
        factors.

    Notes
    -----
    Exploratory: nothing is said beforehand of which item belongs where. The loadings are those of
    the pattern, what a factor adds with the others held fixed. The items are taken as measured on
    a scale of equal steps, which with few answers to choose from makes loadings somewhat small.

    References
    ----------
    Hair, J. F. et al. (2019), Multivariate Data Analysis, 8th ed., chapter 3, on weak loadings.
    Tabachnick, B. G. and Fidell, L. S. (2013), Using Multivariate Statistics, chapter 13.
    """
    together = answers(crm, aspect, None if dimensions is None else tuple(dimensions))
    many = _how_many(together, seed) if factors is None else factors
    fitted = factor_loadings(together.correlations, many, rotation="oblimin")
    errors = loading_errors(
        together.frame, fitted, weights=together.weights, clusters=together.clusters, seed=seed
    )
    names = _named_after(fitted.loadings, together.dimensions)
    # Factors stand in the order of the questionnaire's dimensions.
    meant = list(dict.fromkeys(together.dimensions))
    order = sorted(range(many), key=lambda one: (meant.index(names[one]), one))
    fitted = Loadings(
        fitted.loadings[:, order],
        fitted.uniquenesses,
        fitted.correlations[np.ix_(order, order)],
    )
    named = tuple(names[one] for one in order)
    loadings = pd.DataFrame(fitted.loadings, together.frame.columns, pd.RangeIndex(1, many + 1))
    return Structure(
        _by_item(loadings, errors[:, order], fitted, named, together, confidence),
        Context.of(crm),
        loadings,
        fitted,
        named,
        factors is not None,
        float(np.median(errors)),
        together,
        aspect,
        confidence,
    )


def _how_many(together: Answers, seed: int) -> int:
    found = sequential_parallel_analysis(together.correlations, together.effective, seed=seed)
    if not found.factors:
        raise NotEnoughData(
            _(
                "The items go together no more than random answers do, so there is no factor to "
                "show. Look at scree(crm)."
            )
        )
    return found.factors


def _named_after(loadings: np.ndarray, dimensions: list[str]) -> list[str]:
    """The dimension whose items load most on each factor, by mean square."""
    squares = pd.DataFrame(loadings**2).groupby(np.array(dimensions, object), sort=False).mean()
    return [str(squares[factor].idxmax()) for factor in squares.columns]


def _by_item(
    loadings: pd.DataFrame,
    errors: np.ndarray,
    fitted: Loadings,
    named: tuple[str, ...],
    together: Answers,
    confidence: float,
) -> pd.DataFrame:
    from scipy.stats import t

    values = loadings.to_numpy()
    rows = np.arange(len(values))
    falling = np.argsort(-np.abs(values), axis=1, kind="stable")
    first = falling[:, 0]
    strongest = values[rows, first]
    freedom = min(GROUPS, together.customers) - 1
    reach = t.ppf((1 + confidence) / 2, freedom) * errors[rows, first]
    table = pd.DataFrame(
        {
            "item": loadings.index.astype(str),
            "dimension": together.dimensions,
            "factor": (first + 1).astype(str),
            "loading": strongest,
            "low": strongest - reach,
            "high": strongest + reach,
        }
    )
    second = np.full(len(values), np.nan)
    if values.shape[1] > 1:
        second = values[rows, falling[:, 1]]
        table["second_factor"] = (falling[:, 1] + 1).astype(str)
    table["second_loading"] = second
    table["communality"] = fitted.communalities
    table["adequacy"] = kmo(together.correlations).items
    table["place"] = [
        _place(one, other, dimension, named[factor])
        for one, other, dimension, factor in zip(
            strongest, second, together.dimensions, first, strict=True
        )
    ]
    return table if any(together.dimensions) else table.drop(columns="dimension")


def _place(strongest: float, second: float, dimension: str, factor: str) -> str:
    """Where an item stands: the gravest thing that can be said of it."""
    if abs(strongest) < WEAK:
        return "weak"
    if dimension and dimension != factor:
        return "elsewhere"
    if abs(second) >= SECOND:
        return "two"
    return "fits"
