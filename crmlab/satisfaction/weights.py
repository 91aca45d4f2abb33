"""Weighting the answers to what is known of everyone, and what that can and cannot repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.asked import (
    NOT_GIVEN,
    Asked,
    asked,
    category_labels,
    category_name,
    known,
    labels_of,
    points,
    rake_to_asked,
    totals_of_asked,
    usable,
)
from crmlab.satisfaction.responses import facts
from crmlab.satisfaction.side_by_side import Ways, row_of, way_names
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats.weighting import Raked, design_effect, effective_size, post_stratify, rake

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Characteristics of which the customers are counted for `to="customers"`.
COUNTED = ("tier", "region", "industry", "size", "scope", "customer_type")
#: A weight above so many times their mean is worth a warning.
EXTREME = 5


@dataclass(frozen=True, repr=False)
class Weighting(Result):
    """Result of `weighting`.

    Attributes
    ----------
    weights : pandas.Series
        Weight of each answer, by response_id; their mean is 1.
    raked : crmlab.stats.weighting.Raked
    to : str
        Whose totals were met: ``"asked"`` or ``"customers"``.
    effects : tuple of float
        Kish's design effect of the weights to begin with, and of the raked ones.
    trim : float or None
    asked : Asked
    """

    measure = "satisfaction.weighting"

    weights: pd.Series
    raked: Raked
    to: str
    effects: tuple[float, float]
    trim: float | None
    asked: Asked

    def formats(self) -> Mapping[str, str]:
        return {"weight": "number", "population": "integer"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = self.table["characteristic"].unique().tolist()
        return {"characteristic": labels_of(names), "category": category_labels(names)}

    def title(self) -> str:
        return _("Raked: {answers} answers tell as much as {effective} of equal weight").format(
            answers=number(len(self.weights)), effective=number(effective_size(self.weights))
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, 0.36 * len(table) + 1.8)))
        places = np.arange(len(table))[::-1]
        shares, targets = table["answers_share"], table["population_share"]
        axes.hlines(places, np.minimum(shares, targets), np.maximum(shares, targets),
                    colors=charts.GREY)  # fmt: skip
        axes.scatter(shares, places, color=charts.ORANGE, zorder=3, label=_("Answered"))
        name = _("Customers") if self.to == "customers" else _("All asked")
        axes.scatter(targets, places, color=charts.BLUE, zorder=3, label=name)
        axes.set_yticks(places, [category_name(row) for row in table.itertuples()])
        axes.set_ylim(-0.7, len(table) - 0.3)
        axes.set_xlim(left=0)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share"))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        before, after = self.effects
        effect = _(
            "Unequal weights cost precision: by Kish's design effect the {answers} answers tell as "
            "much as {effective} of equal weight (design effect {after}; {before} by the weights "
            "to begin with)."
        ).format(
            answers=number(len(self.weights)),
            effective=number(effective_size(self.weights)),
            after=number(after, 2),
            before=number(before, 2),
        )
        return "\n\n".join(
            [self._moved(), effect, self._extremes(), self._means(), self.asked.sentence()]
        )

    def alt(self) -> str:
        parts = [
            _("{name} {answered} of the answers, {population} of the population").format(
                name=category_name(row),
                answered=percent(row.answers_share),
                population=percent(row.population_share),
            )
            for row in self.table.itertuples()
        ]
        return _("Pairs of points, a category each: {parts}.").format(parts=_("; ").join(parts))

    def _moved(self) -> str:
        apart = self.table["answers_share"] - self.table["population_share"]
        row = self.table.iloc[apart.abs().argmax()]
        if self.to == "customers":
            said = _(
                "The category that the answers miss most is {name}: {answered} of the answers, "
                "{population} of the customers. {raking}"
            )
        else:
            said = _(
                "The category that the answers miss most is {name}: {answered} of the answers, "
                "{population} of all asked by their weights. {raking}"
            )
        return said.format(
            name=category_name(row),
            answered=percent(row["answers_share"]),
            population=percent(row["population_share"]),
            raking=self.raked.sentence(),
        )

    def _extremes(self) -> str:
        largest = number(float(self.weights.max()), 1)
        if self.raked.trimmed:
            return ngettext(
                "{count} weight was held at {trim} times the mean, and the excess given to the "
                "others.",
                "{count} weights were held at {trim} times the mean, and the excess given to the "
                "others.",
                self.raked.trimmed,
            ).format(count=number(self.raked.trimmed), trim=number(float(self.trim or 0), 1))
        extreme = int((self.weights > EXTREME).sum())
        if not extreme:
            return _("The largest weight is {largest} times the mean.").format(largest=largest)
        return ngettext(
            "The largest weight is {largest} times the mean; {count} answer counts more than "
            "{limit} times the mean. Consider trim={limit}.",
            "The largest weight is {largest} times the mean; {count} answers count more than "
            "{limit} times the mean. Consider trim={limit}.",
            extreme,
        ).format(largest=largest, count=number(extreme), limit=number(EXTREME))

    def _means(self) -> str:
        return _(
            "The weights repair only what the categories know. If answering depends on "
            "satisfaction itself, customers of one category who answer still differ from those who "
            "do not."
        )

    def _define(self) -> Definition:
        whose = (
            _("Number of customers listed in each category")
            if self.to == "customers"
            else _("Weights of all questionnaires sent at first, added up in each category")
        )
        limit = (
            _("No limit on the weights.")
            if self.trim is None
            else _("No weight above {trim} times their mean.").format(trim=number(self.trim, 1))
        )
        return Definition(
            numerator=whose,
            denominator=_("Weights of the answers of the category"),
            period=self.context.period(),
            method=_(
                "Raking (iterative proportional fitting) of the answers of the first try, from the "
                "weights of the sample on. {limit} Design effect: Kish, without clusters."
            ).format(limit=limit),
            source=self.context.source,
            exclusions=self.asked.exclusions(),
        )


@measure(
    needs=[
        {"surveys": ["response_id", "customer_id", "answered_at"], "customers": ["tier"]},
        {"surveys": ["response_id", "customer_id", "answered_at"], "customers": ["region"]},
    ]
)
def weighting(
    crm: Workspace,
    *,
    margins: Sequence[str] | None = None,
    to: Literal["asked", "customers"] = "asked",
    trim: float | None = None,
) -> Weighting:
    """Weights by which those who answered look like everyone in what is known of everyone.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, answered_at; and customers: tier or region.
    margins : sequence of str, optional
        Characteristics in categories: columns of customers, and with ``to="asked"`` also of the
        order asked about (``"on_time"``, ``"service_line"`` …). By default tier and region, as far
        as they are known.
    to : {"asked", "customers"}
        Whose totals the answers are raked to: all who were asked, by the weights of the sample, or
        all customers listed, one each. The first keeps to whom the survey is about, such as every
        month's customers; the second makes a customer who was never due count too.
    trim : float, optional
        No weight is larger than so many times their mean.

    Returns
    -------
    Weighting
        `.table` has a row per category of each margin: characteristic, category, population,
        population_share, answers, answers_share (unweighted), weighted_share (after raking),
        weight (mean of the category; 1 is the mean of all). `.weights` has the weight of each
        answer by response_id.

    Raises
    ------
    MissingColumns
        If a column is not there.
    UnknownName
        If a margin is not known.
    NotEnoughData
        If nobody answered or everybody did, or nobody of a category did.

    Notes
    -----
    See `crmlab.stats.weighting.rake`. A category that is not known is one of its own. Answers of
    the call centre, and of those asked again, are not weighted here.

    References
    ----------
    Kalton, G. and Flores-Cervantes, I. (2003), Journal of Official Statistics 19, 81-97.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> who = [str(i) for i in range(40)]
    >>> customers = pd.DataFrame({"customer_id": who, "tier": ["key"] * 20 + ["general"] * 20})
    >>> surveys = pd.DataFrame({"response_id": who, "customer_id": who, "overall": 4})
    >>> back = ["2025-03-02"] * 15 + [None] * 20 + ["2025-03-02"] * 5
    >>> surveys = surveys.assign(answered_at=pd.to_datetime(back))
    >>> crm = from_frames({"surveys": surveys, "customers": customers})
    >>> weighting(crm).table[["category", "answers_share", "weighted_share", "weight"]].round(3)
      category  answers_share  weighted_share  weight
    0      key           0.75             0.5   0.667
    1  general           0.25             0.5   2.000
    """
    found = asked(crm)
    answers = found.answers()
    about = facts(crm)
    if margins is None:
        margins = usable(found, ("tier", "region"))
    if not margins:
        raise NotEnoughData(_("Nothing is known of everyone that the answers could be raked to."))
    of = pd.DataFrame({name: known(about, answers, name) for name in margins})
    totals = {name: _totals(crm, found, about, name, to) for name in margins}
    base = answers["weight"].to_numpy(float)
    raked = rake(of, totals, base, trim=trim)
    weights = pd.Series(
        raked.weights / raked.weights.mean(), pd.Index(answers["response_id"]), name="weight"
    )
    table = pd.concat(
        [_categories(of[name], totals[name], weights.to_numpy()) for name in margins],
        ignore_index=True,
    )
    effects = (design_effect(base), design_effect(raked.weights))
    return Weighting(table, Context.of(crm), weights, raked, to, effects, trim, found)


def _totals(crm: Workspace, found: Asked, about: pd.DataFrame, name: str, to: str) -> pd.Series:
    """How many there are of each category of a characteristic."""
    if to == "asked":
        return totals_of_asked(found, about, name)
    if to != "customers":
        raise UnknownName(_('to is "asked" or "customers", not {to}.').format(to=to))
    if name not in COUNTED:
        raise UnknownName(
            _(
                'The customers are counted by {names}, not by {column}. With to="asked" the '
                "answers can be raked to what is known of the orders too."
            ).format(names=_(", ").join(COUNTED), column=name)
        )
    counted = crm.query("customer_groups").rename(columns={"customer_region": "region"})
    group = counted[name].astype(object).where(counted[name].notna(), NOT_GIVEN).astype(str)
    return counted["customers"].astype(float).groupby(group).sum()


def _categories(values: pd.Series, totals: pd.Series, weights: np.ndarray) -> pd.DataFrame:
    order = list(shown(str(values.name)).values)  # that of the model, such as key before general
    ranks = {category: order.index(category) for category in totals.index if category in order}
    totals = totals.reindex(sorted(totals.index, key=lambda one: ranks.get(one, len(order))))
    counts = values.value_counts().reindex(totals.index).fillna(0).astype("int64")
    sums = pd.Series(weights).groupby(values.to_numpy()).sum().reindex(totals.index)
    return pd.DataFrame(
        {
            "characteristic": values.name,
            "category": list(totals.index),
            "population": totals.to_numpy(),
            "population_share": (totals / totals.sum()).to_numpy(),
            "answers": counts.to_numpy(),
            "answers_share": (counts / counts.sum()).to_numpy(),
            "weighted_share": (sums / sums.sum()).to_numpy(),
            "weight": (sums / counts).to_numpy(),
        }
    )


# --- against the truth


@dataclass(frozen=True, repr=False)
class WeightsPutToTest(Ways):
    """Result of `weights_put_to_test`.

    Attributes
    ----------
    truth : float
        Mean satisfaction of all who could have been asked.
    everyone : int
        How many customers' months that is.
    margins : tuple of str
    asked : Asked
    confidence : float
    """

    measure = "satisfaction.weights_put_to_test"

    truth: float
    everyone: int
    margins: tuple[str, ...]
    asked: Asked
    confidence: float

    def title(self) -> str:
        held = self.table.loc[self.table["holds"], "way"]
        if held.empty:
            return _("The truth lies outside the interval of every way of weighting")
        if len(held) == len(self.table):
            return _("The truth lies inside the interval of every way of weighting")
        return _("The truth lies inside the interval of: {names}").format(
            names=_(", ").join(way_names()[way] for way in held)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.5 * len(self.table) + 1.6))
        axes.axvline(self.truth, color=charts.MUTED, linestyle="--", linewidth=1)
        self._draw(axes, self.table.loc[~self.table["holds"], "way"].tolist())
        axes.set_xlabel(
            _("Mean satisfaction with {confidence} interval; dashed: the truth").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        truth = _(
            "The simulation knows what all would have said: {truth} on average, over {everyone} "
            "customers' months in which a questionnaire could have been sent."
        ).format(truth=number(self.truth, 2), everyone=number(self.everyone))
        errors = [
            _("{name} {estimate} ({low} to {high}), off by {error}").format(
                name=way_names()[row.way],
                estimate=number(row.satisfaction, 2),
                low=number(row.low, 2),
                high=number(row.high, 2),
                error=points(row.error),
            )
            for row in self.table.itertuples()
        ]
        estimates = _("The estimates: {parts}. {intervals}").format(
            parts=_("; ").join(errors), intervals=intervals_in_brackets(self.confidence)
        )
        once = _(
            "This is one survey: an interval that holds the truth here would miss it in another "
            "one now and then, even where nothing is wrong."
        )
        return "\n\n".join([truth, estimates, self._repaired(), once, self.asked.sentence()])

    def alt(self) -> str:
        return _(
            "Points with intervals of mean satisfaction beside a dashed line at the truth, "
            "{truth}. {parts}."
        ).format(truth=number(self.truth, 2), parts=self._in_words())

    def _repaired(self) -> str:
        error = self.table.set_index("way")["error"].abs()
        least = way_names()[error.idxmin()]
        change = 1 - error["raked"] / error["first"] if error["first"] > 0 else 0.0
        margins = _(", ").join(labels_of(self.margins).values())
        if change > 0:
            raking = _("Raking ({margins}) takes away {change} of the error of the first answers.")
        elif change < 0:
            raking = _("Raking ({margins}) adds {change} to the error of the first answers.")
        else:
            raking = _("Raking ({margins}) takes away nothing of the error of the first answers.")
        nearest = _("Nearest to the truth is: {name}.").format(name=least)
        return raking.format(margins=margins, change=percent(abs(change), 0)) + " " + nearest

    def _define(self) -> Definition:
        return self._defined(
            _(
                "Truth: mean of what all customers with an order that had arrived in time for the "
                "questionnaire would have answered, month by month. Weights count as known; "
                "{confidence} intervals, linearised, customers as clusters."
            )
        )


@measure(
    needs={
        "surveys": ["response_id", "customer_id", "answered_at", "mode", "weight", "overall"],
        "customers": ["tier", "region"],
    }
)
def weights_put_to_test(
    crm: Workspace, *, margins: Sequence[str] = ("tier", "region"), confidence: float = 0.95
) -> WeightsPutToTest:
    """Which way of weighting comes to the truth, where the truth is known.

    Parameters
    ----------
    crm : Workspace
        The bundled company or a student's: simulated, so that it is known what those would have
        said who were not asked or did not answer.
    margins : sequence of str
        What the answers are raked to, as in `weighting`.
    confidence : float

    Returns
    -------
    WeightsPutToTest
        `.table` has the rows plain (first answers, unweighted), first (with the weights of the
        sample), post_stratified (by tier, without them), raked and both (with those reached when
        asked again): way, answers, satisfaction, low, high, error (estimate less truth), holds
        (whether the interval holds the truth), design_effect.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If the data are real, so that nobody knows the truth, or nobody was asked again, or nobody
        of a category answered.
    UnknownName
        If a margin is not known.

    Notes
    -----
    Weights are made of what is known of everyone. Where customers of the same tier and region
    answer the sooner the more satisfied they are, no weight made of tier and region can repair it
    (not missing at random); a random part of the silent ones, asked until they answer, can.

    References
    ----------
    Little, R. J. A. and Vartivarian, S. (2005), Survey Methodology 31, 161-168. Hansen, M. H. and
    Hurwitz, W. N. (1946), Journal of the American Statistical Association 41, 517-529.
    """
    from crmlab.data.simulate.truth import known_truth

    everyone = known_truth(crm)
    everyone = everyone[everyone["eligible"]]
    truth = float(everyone["answer"].mean())
    found = asked(crm)
    first, both = found.answers(), found.with_again()
    if len(both) == len(first):
        raise NotEnoughData(_("Nobody was asked again, so there is nothing to compare with."))
    ways = {
        "plain": (first, np.ones(len(first))),
        "first": (first, first["weight"].to_numpy(float)),
        "post_stratified": (first, _post_stratified(found, first)),
        "raked": (first, rake_to_asked(found, first, margins).weights),
        "both": (both, both["weight"].to_numpy(float)),
    }
    rows = [row_of(way, frame, weights, confidence) for way, (frame, weights) in ways.items()]
    table = pd.DataFrame(rows).drop(columns=["satisfied_share", "satisfied_low", "satisfied_high"])
    holds = (table["low"] <= truth) & (truth <= table["high"])
    table = table.assign(error=table["satisfaction"] - truth, holds=holds)
    return WeightsPutToTest(
        table, Context.of(crm), truth, len(everyone), tuple(margins), found, confidence
    )


def _post_stratified(found: Asked, first: pd.DataFrame) -> np.ndarray:
    about = facts(found.workspace)
    tier = known(about, first, "tier")
    return post_stratify(tier.to_frame(), "tier", totals_of_asked(found, about, "tier"))
