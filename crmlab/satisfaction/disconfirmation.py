"""Satisfaction of customers who got less, as much, or more than they expected (Oliver 1980)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.pairs import (
    FEWEST,
    NEEDS,
    Pairs,
    by_dimension,
    overall_mean,
    pairs,
)
from crmlab.satisfaction.responses import excluded
from crmlab.satisfaction.servqual import design_words, two
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

GROUPS = ("below", "met", "above")
#: Perceptions and expectations this close, in points of the scale, count as met.
MET = 0.5


@dataclass(frozen=True, repr=False)
class Disconfirmation(Result):
    """Result of `disconfirmation`.

    Attributes
    ----------
    differences : pandas.DataFrame
        Satisfaction of those below and above less that of those whose expectations were met:
        group, difference, low, high, probability (after Holm's correction), apart. Only groups of
        ten customers or more.
    coefficients : pandas.DataFrame
        term, value, low, high. Two models: satisfaction by ``expectation`` and
        ``disconfirmation``; by ``expectation_alone`` and ``perception``; and the ``sum`` of the
        latter two.
    tests : pandas.DataFrame
        Index ``disconfirmation``, ``difference`` (only the difference counts) and ``curved`` (the
        plane is not enough): probability (after Holm's correction), apart.
    pairs : Pairs
    unanswered : int
        Questionnaires without overall satisfaction, or without one of the dimensions.
    met : float
    confidence : float
    """

    measure = "satisfaction.disconfirmation"

    differences: pd.DataFrame
    coefficients: pd.DataFrame
    tests: pd.DataFrame
    pairs: Pairs
    unanswered: int
    met: float
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"disconfirmation": group_names()}

    def title(self) -> str:
        parts = [
            _("{name} {value}").format(
                name=group_names()[row.disconfirmation], value=two(row.satisfaction)
            )
            for row in self._judged().itertuples()
        ]
        if not parts:
            return _("No group has enough customers to speak of its satisfaction")
        return _("Overall satisfaction: {parts}").format(parts=_("; ").join(parts))

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.7 * len(table) + 1.4))
        places = np.arange(len(table))[::-1]
        colours = {"below": charts.ORANGE, "met": charts.GREY, "above": charts.BLUE}
        for place, row in zip(places, table.itertuples(), strict=True):
            colour = colours[row.disconfirmation]
            judged = row.customers >= FEWEST
            if judged:
                axes.hlines(place, row.low, row.high, color=colour)
            inside = colour if judged else "white"
            axes.scatter(row.satisfaction, place, color=inside, edgecolor=colour, s=50, zorder=3)
        labels = [
            ngettext("{name}\n{count} questionnaire", "{name}\n{count} questionnaires", n).format(
                name=group_names()[code], count=number(n)
            )
            for code, n in zip(table["disconfirmation"], table["questionnaires"], strict=True)
        ]
        axes.set_yticks(places, labels)
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlabel(
            _("Overall satisfaction, mean with {confidence} interval; hollow: too few").format(
                confidence=percent(self.confidence, 0)
            )
            if len(self._judged()) < len(table)
            else _("Overall satisfaction, mean with {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        regression = " ".join([self._oliver(), self._difference_model(), self._curved()])
        who = self.pairs.sentence(*self._missing())
        groups = " ".join([self._groups(), *self._apart(), *self._few()])
        return "\n\n".join([groups, regression, who])

    def alt(self) -> str:
        parts = [_row_words(row) for row in self._judged().itertuples()]
        return _("Points with intervals of overall satisfaction. {parts}.").format(
            parts=_("; ").join(parts) or self.title()
        )

    def _groups(self) -> str:
        parts = [
            _("{name} {share}").format(
                name=group_names()[row.disconfirmation], share=percent(row.share)
            )
            for row in self.table.itertuples()
        ]
        shares = _(
            "Perceptions within {met} points of expectations count as met. By that rule: {parts}."
        ).format(met=two(self.met), parts=_("; ").join(parts))
        means = _("Overall satisfaction: {parts}. {brackets}").format(
            parts=_("; ").join(_row_words(row) for row in self._judged().itertuples()),
            brackets=intervals_in_brackets(self.confidence),
        )
        return f"{shares} {means}" if len(self._judged()) else shares

    def _judged(self) -> pd.DataFrame:
        """The groups of which something is said."""
        return self.table[self.table["customers"] >= FEWEST]

    def _apart(self) -> list[str]:
        return [_apart_words(row) for row in self.differences.itertuples()]

    def _few(self) -> list[str]:
        few = self.table[self.table["customers"] < FEWEST]
        absent = [name for name in GROUPS if name not in set(self.table["disconfirmation"])]
        said = [
            _("No questionnaire falls into the group “{name}”.").format(name=group_names()[name])
            for name in absent
        ]
        return said + [
            ngettext(
                "Of the group “{name}” there is only {customers} customer, so nothing is said of "
                "it.",
                "Of the group “{name}” there are only {customers} customers, so nothing is said of "
                "it.",
                row.customers,
            ).format(name=group_names()[row.disconfirmation], customers=number(row.customers))
            for row in few.itertuples()
        ]

    def _term(self, term: str) -> dict[str, str]:
        row = self.coefficients.set_index("term").loc[term]
        return {name: two(row[name]) for name in ("value", "low", "high")}

    def _oliver(self) -> str:
        value = self.coefficients.set_index("term").loc["disconfirmation", "value"]
        if not self.tests.loc["disconfirmation", "apart"]:
            said = _(
                "Whether satisfaction goes with the difference, expectations being equal, cannot "
                "be told: {value} for each point ({low} to {high})."
            )
        elif value > 0:
            said = _(
                "Of two customers with equal expectations, the one who perceives a point more "
                "is the more satisfied, by {value} on the average ({low} to {high})."
            )
        else:
            said = _(
                "Of two customers with equal expectations, the one who perceives a point more "
                "is the less satisfied: {value} on the average ({low} to {high})."
            )
        return said.format(**self._term("disconfirmation"))

    def _difference_model(self) -> str:
        both = _(
            "If only the difference counted, expectation and perception would have equal and "
            "opposite coefficients; they are {expected} ({expected_low} to {expected_high}) and "
            "{perceived} ({perceived_low} to {perceived_high})."
        ).format(
            **_renamed(self._term("expectation_alone"), "expected"),
            **_renamed(self._term("perception"), "perceived"),
        )
        return f"{both} {self._verdict()}"

    def _verdict(self) -> str:
        total = self.coefficients.set_index("term").loc["sum", "value"]
        if not self.tests.loc["difference", "apart"]:
            said = _("Their sum, {value} ({low} to {high}), does not speak against that.")
        elif total > 0:
            said = _(
                "Their sum is {value} ({low} to {high}), not zero: of two customers with the same "
                "gap, the one who expects and perceives more is the more satisfied, so the gap "
                "alone throws away what perception says."
            )
        else:
            said = _(
                "Their sum is {value} ({low} to {high}), not zero: of two customers with the same "
                "gap, the one who expects and perceives more is the less satisfied, so the gap "
                "alone throws away what expectation says."
            )
        return said.format(**self._term("sum"))

    def _curved(self) -> str:
        if not np.isfinite(self.tests.loc["curved", "probability"]):
            return _("The answers are too few or too alike to tell a curved surface from a plane.")
        if self.tests.loc["curved", "apart"]:
            return _(
                "Squares and the product of the two add to it by more than chance would: the "
                "effect of a point is not the same everywhere."
            )
        return _("Squares and the product of the two add nothing that chance would not.")

    def _missing(self) -> tuple[Exclusion, ...]:
        reason = _("no overall satisfaction, or a dimension not answered")
        return excluded({reason: self.unanswered})

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Overall satisfaction"),
            denominator=_("Questionnaires with expectations, perceptions and overall satisfaction"),
            period=self.context.period(),
            method=_(
                "Disconfirmation: the mean over the dimensions of perception less expectation "
                "(Oliver 1980). Means with design weights; linear regressions of overall "
                "satisfaction on expectation and disconfirmation, on expectation and perception, "
                "and with squares and product (Edwards 1994), by weighted least squares with the "
                "questionnaires of a customer as a cluster; {confidence} t intervals; Holm's rule "
                "over the two differences and over the three tests. {design}"
            ).format(confidence=percent(self.confidence, 0), design=design_words(self.pairs.found)),
            source=self.context.source,
            exclusions=self.pairs.exclusions(*self._missing()),
        )


@measure(needs={**NEEDS, "surveys": ["response_id", "overall"]})
def disconfirmation(
    crm: Workspace, *, met: float = MET, confidence: float = 0.95
) -> Disconfirmation:
    """Whether customers are satisfied as far as their expectations are met.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, overall; answers: response_id, item, aspect (expectation,
        perception), value.
    met : float
        Points of the scale within which perception and expectation count as the same.
    confidence : float

    Returns
    -------
    Disconfirmation
        `.table` has a row per group (below, met, above): disconfirmation, questionnaires,
        customers, share (weighted), satisfaction, low, high. `.differences`, `.coefficients` and
        `.tests` say how far the groups and the models differ.

    Raises
    ------
    MissingColumns
        If a column is not there.
    CrmlabError
        If `met` is negative.
    NotEnoughData
        If fewer than ten customers answered all, or one of the three does not vary.

    Notes
    -----
    With satisfaction S, expectation E, perception P and D = P − E, the model S = a + b₁E + b₂D is
    the same as S = a + cE + dP with d = b₂ and c = b₁ − b₂. The difference alone counts if
    b₁ = c + d = 0. Overall satisfaction is treated as a number, so a coefficient is a mean change
    and not a change of everybody's answer.

    References
    ----------
    Oliver, R. L. (1980), Journal of Marketing Research 17, 460-469. Edwards, J. R. (1994),
    Organizational Behavior and Human Decision Processes 58, 51-100.
    """
    if not met >= 0:
        raise CrmlabError(
            _("met is a number of points, 0 or more; it is {met}.").format(met=two(met))
        )
    both = pairs(crm)
    frame = _arranged(both)
    coefficients, tests = _models(frame, confidence)
    table = _by_group(frame, met, confidence)
    return Disconfirmation(
        table,
        Context.of(crm),
        _differences(frame, table, met, confidence),
        coefficients,
        tests,
        both,
        len(both.frame) - len(frame),
        met,
        confidence,
    )


def _arranged(both: Pairs) -> pd.DataFrame:
    """Satisfaction, expectation and perception of each questionnaire that has all three."""
    frame = pd.DataFrame(
        {
            "satisfaction": both.frame["overall"].astype(float),
            "expectation": overall_mean(by_dimension(both.expectation, both.items)),
            "perception": overall_mean(by_dimension(both.perception, both.items)),
            "weight": both.frame["weight"].astype(float),
            "cluster": both.frame["cluster"],
        }
    ).dropna()
    customers = frame["cluster"].nunique()
    if customers < FEWEST:
        raise NotEnoughData(
            _(
                "Disconfirmation needs overall satisfaction, expectations and perceptions from "
                "{fewest} customers at least; there are {customers}."
            ).format(fewest=FEWEST, customers=customers)
        )
    frame = frame.assign(difference=(frame["perception"] - frame["expectation"]).round(9))
    if (frame[["expectation", "perception", "difference"]].nunique() < 2).any():
        raise NotEnoughData(
            _(
                "Expectations, perceptions or their differences are all alike, so satisfaction "
                "cannot go with them."
            )
        )
    if frame["satisfaction"].nunique() < 2:
        raise NotEnoughData(
            _("All customers gave the same overall satisfaction, so nothing can go with it.")
        )
    return frame


def _group(difference: pd.Series, met: float) -> np.ndarray:
    return np.select([difference < -met, difference > met], ["below", "above"], "met")


def _by_group(frame: pd.DataFrame, met: float, confidence: float) -> pd.DataFrame:
    group, rows = _group(frame["difference"], met), []
    for name in GROUPS:
        part = frame[group == name]
        if part.empty:
            continue
        found = survey.mean(
            part["satisfaction"], weights=part["weight"], clusters=part["cluster"],
            confidence=confidence,
        )  # fmt: skip
        rows.append(
            {
                "disconfirmation": name,
                "questionnaires": len(part),
                "customers": int(part["cluster"].nunique()),
                "share": float(part["weight"].sum() / frame["weight"].sum()),
                "satisfaction": found.value,
                "low": found.low,
                "high": found.high,
            }
        )
    return pd.DataFrame(rows)


def _differences(
    frame: pd.DataFrame, table: pd.DataFrame, met: float, confidence: float
) -> pd.DataFrame:
    """Satisfaction of those below and above less that of those whose expectations were met."""
    group = _group(frame["difference"], met)
    enough = set(table.loc[table["customers"] >= FEWEST, "disconfirmation"])
    rows, chances = [], []
    for name in ("below", "above"):
        if not {name, "met"} <= enough:
            continue
        contrast = survey.contrast(
            frame["satisfaction"], group == name, group == "met", weights=frame["weight"],
            clusters=frame["cluster"],
        )  # fmt: skip
        found = contrast.estimate(confidence)
        chances.append(contrast.chance)
        rows.append(
            {"group": name, "difference": found.value, "low": found.low, "high": found.high}
        )
    columns = ["group", "difference", "low", "high"]
    apart, adjusted = holm(chances, 1 - confidence)
    return pd.DataFrame(rows, columns=columns).assign(probability=adjusted, apart=apart)


def _models(frame: pd.DataFrame, confidence: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The coefficients of both ways to write the model, and the three tests."""
    oliver = fitted(frame, frame[["expectation", "difference"]])
    parts = fitted(frame, frame[["expectation", "perception"]])
    rows = [
        _coefficient(oliver, 1, "expectation", confidence),
        _coefficient(oliver, 2, "disconfirmation", confidence),
        _coefficient(parts, 1, "expectation_alone", confidence),
        _coefficient(parts, 2, "perception", confidence),
        _coefficient(oliver, 1, "sum", confidence),
    ]
    chances = [oliver.pvalues[2], oliver.pvalues[1], _chance_of_curves(frame)]
    apart, adjusted = holm(chances, 1 - confidence)
    tests = pd.DataFrame(
        {"probability": adjusted, "apart": apart}, ["disconfirmation", "difference", "curved"]
    )
    return pd.DataFrame(rows), tests


def _chance_of_curves(frame: pd.DataFrame) -> float:
    """How often chance alone would make squares and product add as much; NaN if not to be told."""
    # around the means, so that squares and product are not copies of the terms themselves
    away = frame[["expectation", "perception"]] - frame[["expectation", "perception"]].mean()
    curves = away.assign(
        expected_square=away["expectation"] ** 2,
        product=away["expectation"] * away["perception"],
        perceived_square=away["perception"] ** 2,
    )
    terms = curves.shape[1] + 1
    rank = np.linalg.matrix_rank(curves.assign(constant=1.0).to_numpy())
    if rank < terms or frame["cluster"].nunique() < 2 * terms:
        return np.nan
    return float(fitted(frame, curves).wald_test(np.eye(terms)[3:], use_f=True, scalar=True).pvalue)


def fitted(frame: pd.DataFrame, predictors: pd.DataFrame) -> Any:
    """Weighted least squares of satisfaction, with the questionnaires of a customer as a cluster.

    Parameters
    ----------
    frame : pandas.DataFrame
        satisfaction, weight, cluster.
    predictors : pandas.DataFrame
        With the same index; the constant is added.

    Returns
    -------
    statsmodels results
        With t intervals on the clusters less one.
    """
    from statsmodels.regression.linear_model import WLS

    design = np.column_stack([np.ones(len(predictors)), predictors.to_numpy(float)])
    model = WLS(frame["satisfaction"].to_numpy(), design, weights=frame["weight"].to_numpy())
    groups = pd.factorize(frame["cluster"])[0]
    return model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)


def _coefficient(fit: Any, place: int, term: str, confidence: float) -> dict[str, Any]:
    low, high = fit.conf_int(1 - confidence)[place]
    return {"term": term, "value": fit.params[place], "low": low, "high": high}


def group_names() -> Mapping[str, str]:
    """What the three groups are called in the current language."""
    return {
        "below": _("below expectations"),
        "met": _("expectations met"),
        "above": _("above expectations"),
    }


def _row_words(row: Any) -> str:
    return _("{name} {value} ({low} to {high})").format(
        name=group_names()[row.disconfirmation],
        value=two(row.satisfaction),
        low=two(row.low),
        high=two(row.high),
    )


def _apart_words(row: Any) -> str:
    """How a group differs from those whose expectations were met."""
    if not row.apart:
        said = _(
            "Whether the group “{name}” differs in satisfaction from those whose expectations were "
            "met cannot be told: {value} ({low} to {high})."
        )
    elif row.difference < 0:
        said = _(
            "The group “{name}” is less satisfied than those whose expectations were met: {value} "
            "({low} to {high})."
        )
    else:
        said = _(
            "The group “{name}” is more satisfied than those whose expectations were met: {value} "
            "({low} to {high})."
        )
    return said.format(
        name=group_names()[row.group],
        value=two(row.difference),
        low=two(row.low),
        high=two(row.high),
    )


def _renamed(numbers: dict[str, str], name: str) -> dict[str, str]:
    return {
        name: numbers["value"],
        f"{name}_low": numbers["low"],
        f"{name}_high": numbers["high"],
    }
