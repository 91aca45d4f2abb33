"""The loyalty scorecard: the course's nine measures of every customer, and what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crmlab.language import _, ngettext, number
from crmlab.loyalty.nine_answers import customers_counted
from crmlab.loyalty.nine_measures import (
    Array,
    higher_is_loyal,
    layer_names,
    measure_names,
    rule_words,
    source_words,
)
from crmlab.loyalty.nine_values import Measured, Own, measured
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import weighted
from crmlab.stats.rank_correlation import spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Orders alone are enough, and so are questionnaires alone.
NEEDS: tuple[Mapping[str, Sequence[str]], ...] = (
    {"orders": ["customer_id", "ordered_at"]},
    {"surveys": ["customer_id"]},
)
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class Scorecard(Result):
    """Result of `scorecard`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer: customer_id, the value of each measure under its code, its score under
        its code with ``_score``, known (how many measures are), weight (for how many customers it
        stands in a mean of the company; NaN for those who were not asked or did not answer).
    measured : Measured
    """

    measure = "loyalty.scorecard"

    customers: pd.DataFrame
    measured: Measured

    def formats(self) -> Mapping[str, str]:
        sized = dict.fromkeys(["lower_quartile", "median", "upper_quartile"], "sized")
        return sized | {"score": "number1", "low": "number1", "high": "number1"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        rows = self.measured.measures.set_index("measure", drop=False)
        return {
            "measure": self._names(),
            "layer": layer_names(),
            "made_of": {code: self._source(code) for code in rows.index},
            "scored": {code: rule_words(row) for code, row in rows.iterrows()},
            "direction": {"more": _("more is more loyal"), "less": _("less is more loyal")},
        }

    def main_columns(self) -> Sequence[str]:
        return [
            "measure", "layer", "scored", "customers", "lower_quartile", "median",
            "upper_quartile", "score", "low", "high",
        ]  # fmt: skip

    def title(self) -> str:
        measures = len(self.table)
        if len(self.measured.known) < measures:
            return _("{known} of {count} measures of loyalty are known, of {customers}").format(
                known=number(len(self.measured.known)),
                count=number(measures),
                customers=customers_counted(int(self.table["customers"].max())),
            )
        whole = int((self.customers["known"] == measures).sum())
        return ngettext(
            "Of {customers}, {whole} can be judged by {count} measure of loyalty",
            "Of {customers}, {whole} can be judged by all {count} measures of loyalty",
            measures,
        ).format(
            customers=customers_counted(len(self.customers)),
            whole=number(whole),
            count=number(measures),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        drawn = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.42 * len(drawn) + 1.7))
        places = np.arange(len(drawn))[::-1]
        quartiles = drawn[["score_lower_quartile", "score_upper_quartile"]].to_numpy(float)
        axes.barh(
            places, quartiles[:, 1] - quartiles[:, 0], left=quartiles[:, 0], height=0.62,
            color=charts.GRID,
        )  # fmt: skip
        axes.hlines(places, drawn["low"], drawn["high"], color=charts.INK, linewidth=1.5)
        axes.plot(drawn["score"], places, "o", color=charts.BLUE, markersize=6)
        for place, known in zip(places, drawn["customers"], strict=True):
            axes.annotate(
                number(known), (101, place), va="center", color=charts.MUTED, annotation_clip=False
            )
        axes.annotate(
            _("known of"), (101, len(drawn) - 0.55), color=charts.MUTED, annotation_clip=False
        )
        axes.set_yticks(
            places, [charts.wrapped(self._reversed(row), 28) for row in drawn.itertuples()]
        )
        axes.set_xlim(0, 100)
        axes.set_ylim(-0.6, len(drawn) - 0.4)
        axes.set_xlabel(_("Score; dot: mean with interval, bar: middle half of the customers"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._known(),
            self._where(),
            self._ranks(),
            self._stand_in(),
            self._asked(),
            self.measured.left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = self._names()
        parts = [
            _("{measure} {score}, known of {customers}").format(
                measure=names[row.measure],
                score=number(row.score, 1),
                customers=number(row.customers),
            )
            for row in self._drawn().itertuples()
        ]
        return _("Mean score of each measure, with the middle half as a bar. {parts}.").format(
            parts=_("; ").join(parts)
        )

    # --- the words

    def _names(self) -> dict[str, str]:
        return measure_names(self.measured.measures)

    def _reversed(self, row: Any) -> str:
        name = self._names()[row.measure]
        return _("{measure}, reversed").format(measure=name) if row.direction == "less" else name

    def _drawn(self) -> pd.DataFrame:
        return self.table[self.table["customers"] > 0]

    def _source(self, code: str) -> str:
        if self.measured.why[code] == "own":
            return _("values handed in")
        source = self.measured.measures.set_index("measure").loc[code, "source"]
        return source_words(str(source))

    def _listed(self, codes: Sequence[str]) -> str:
        names = self._names()
        return _(", ").join(names[code] for code in codes)

    def _known(self) -> str:
        why = self.measured.why
        unknown = {
            reason: [code for code in why if why[code] == reason]
            for reason in ("no column", "no value")
        }
        parts = [
            _(
                "{known} of {measures} measures of loyalty are known of at least one customer."
            ).format(known=number(len(self.measured.known)), measures=number(len(self.table)))
        ]
        if unknown["no column"]:
            parts.append(
                _("The data have no column for: {names}.").format(
                    names=self._listed(unknown["no column"])
                )
            )
        if unknown["no value"]:
            parts.append(
                _("There is a column and nothing in it ({period}) for: {names}.").format(
                    period=self.measured.period(), names=self._listed(unknown["no value"])
                )
            )
        return " ".join(parts)

    def _where(self) -> str:
        rules = self.measured.measures.set_index("measure")["scale"]
        table = self._drawn()
        fixed = table[~table["measure"].map(rules).str.startswith("rank")]
        if fixed.empty:
            return ""
        best, worst = fixed.loc[fixed["score"].idxmax()], fixed.loc[fixed["score"].idxmin()]
        known = np.isfinite([best["low"], worst["low"]]).any()
        intervals = intervals_in_brackets(CONFIDENCE) if known else ""
        if len(fixed) == 1:
            said = _("{measure} stands at {score}. {intervals}")
            return said.format(**self._scored(best), intervals=intervals).rstrip()
        if best["score"] == worst["score"]:
            said = _("The measures that have a scale all stand at {score} of 100 ({period}).")
            return said.format(score=number(best["score"], 1), period=self.measured.period())
        said = _("Highest stands {best}, lowest {worst} ({period}).").format(
            period=self.measured.period(),
            best=_("{measure} with {score}").format(**self._scored(best)),
            worst=_("{measure} with {score}").format(**self._scored(worst)),
        )
        caution = _(
            "Scores of different scales can be compared only as far as their 0 and 100 mean the "
            "same."
        )
        return " ".join(part for part in (said, intervals, caution) if part)

    def _scored(self, row: pd.Series) -> dict[str, str]:
        said = (
            _("{score} of 100") if np.isnan(row["low"]) else _("{score} of 100 ({low} to {high})")
        )
        return {
            "measure": self._names()[row["measure"]],
            "score": said.format(
                score=number(row["score"], 1),
                low=number(row["low"], 1),
                high=number(row["high"], 1),
            ),
        }

    def _ranks(self) -> str:
        rules = self.measured.measures.set_index("measure")["scale"]
        ranked = [code for code in self.measured.known if rules[code].startswith("rank")]
        if not ranked:
            return ""
        return _(
            "Scored by rank, because there is no natural scale: {names}. The mean of ranks is 50 "
            "whatever customers do, so these tell customers apart and cannot show that the company "
            "gains or loses."
        ).format(names=self._listed(ranked))

    def _stand_in(self) -> str:
        """That a discount is not yet a reaction to prices; and how far it goes with spending."""
        sources = self.measured.measures.set_index("measure")["source"]
        more = {
            "orders.promotion": _("Who was offered nothing could use nothing."),
            "orders.list_price": _("A discount agreed in a contract counts in it as well."),
        }
        found = [
            code
            for code in self.measured.known
            if sources[code] in more and self.measured.why[code] != "own"
        ]
        if not found:
            return ""
        said = _(
            "{measure} is measured by a stand-in, the {source}: nobody sees what a customer would "
            "have done at another price. {more}"
        ).format(
            measure=self._names()[found[0]],
            source=self._source(found[0]),
            more=more[sources[found[0]]],
        )
        paid = [code for code in self.measured.known if sources[code] == "orders.amount"]
        if not paid:
            return said
        both = self.measured.values[[found[0], paid[0]]].dropna()
        related = spearman(*both.to_numpy().T, confidence=CONFIDENCE)
        if np.isnan(related.low):
            return said
        goes = _("Its rank correlation with {spend} is {correlation} ({low} to {high}).").format(
            spend=self._names()[paid[0]],
            correlation=number(related.value, 2),
            low=number(related.low, 2),
            high=number(related.high, 2),
        )
        return f"{said} {goes}"

    def _asked(self) -> str:
        if self.measured.said is None:
            return _("There are no answers of customers to these questions.")
        return f"{self.measured.said.sentence()} {self.measured.weighting()}"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of each customer the value of each measure, and its score from 0 to 100"),
            denominator=_("Customers with a purchase by the last day, or with an answer"),
            period=self.measured.period(),
            method=_(
                "{rules}. Means and quartiles of answers are weighted; those of what customers did "
                "are of all customers. 95% t intervals over customers."
            ).format(
                rules=_("; ").join(
                    _("{measure}: {source}; {rule}").format(
                        measure=self._names()[row["measure"]],
                        source=self._source(row["measure"]),
                        rule=rule_words(row),
                    )
                    for _index, row in self.measured.measures.iterrows()
                )
            ),
            source=self.context.source,
            exclusions=self.measured.exclusions,
        )


@measure(needs=NEEDS)
def scorecard(
    crm: Workspace,
    *,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    months: int = 12,
) -> Scorecard:
    """The nine measures of loyalty of every customer, each as it is and as a score of 0 to 100.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at (amount and promotion for two measures more); or with
        surveys: customer_id and the questions on loyalty.
    measures : pandas.DataFrame, optional
        Where each measure comes from and how it is scored, in the shape of `loyalty_measures`,
        which are the default.
    own : mapping of str to pandas.Series, optional
        Values of a measure by customer_id in place of those of its source. Where a change of the
        tariff shows how customers answer to prices, the sensitivities are
        ``{"price_sensitivity": -price_by_customer(crm).customers.set_index("customer_id")
        ["elasticity"]}``.
    months : int
        How many months back from the last day count.

    Returns
    -------
    Scorecard
        `.table` has a row per measure: measure, layer, made_of, scored (how), direction, customers
        (of whom it is known), known_share, lower_quartile, median, upper_quartile (of the values),
        score (mean), low, high, score_lower_quartile, score_upper_quartile. The values are in the
        units of the source: shares, points, days, money. A measure that is not known of anybody
        keeps its row.

    Raises
    ------
    CrmlabError
        If `measures`, `own` or `months` cannot be used.
    NotEnoughData
        If none of the measures is known of anybody.

    Notes
    -----
    Repeat purchase is the share of the months since the first purchase, the last twelve at most, in
    which the customer bought again: several orders in a month, or one order split in two, do not
    raise it, and a new customer is held against the time there was. A month is a twelfth of 365
    days, counted back from the last day.

    Of several questionnaires a customer has the mean, weighted by their design weights. For a mean
    over customers the sum of a customer's weights is divided by the months with a purchase in the
    period where questionnaires are about orders: the months in which they could have been asked
    (weight sharing).

    References
    ----------
    Lavallée, P. (2007), Indirect Sampling, chapter 2, on weight sharing. Oliver, R. L. (1999),
    Journal of Marketing 63 (special issue), 33-44, on the layers.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"],
    ...     "ordered_at": ["2025-01-10", "2025-12-31", "2025-06-30"], "amount": [9.0, 1.0, 5.0]})
    >>> found = scorecard(from_frames({"orders": orders}))
    >>> found.customers[["customer_id", "repeat_purchase", "spend", "spend_score"]].round(3)
      customer_id  repeat_purchase  spend  spend_score
    0           A            0.091   10.0         75.0
    1           B            0.000    5.0         25.0
    """
    found = measured(crm, measures=measures, own=own, months=months)
    scores = found.scores.add_suffix("_score")
    customers = pd.concat([found.values, scores], axis=1).assign(
        known=found.scores.notna().sum(axis=1), weight=found.weight
    )
    return Scorecard(_table(found), Context.of(crm), customers.reset_index(), found)


def _table(found: Measured) -> pd.DataFrame:
    rows = [_row(found, row) for _index, row in found.measures.iterrows()]
    return pd.DataFrame(rows)


def _row(found: Measured, rule: pd.Series) -> dict[str, Any]:
    code = rule["measure"]
    values, scores = found.values[code], found.scores[code]
    weight = found.weight if found.from_surveys(code) else pd.Series(1.0, values.index)
    lower, median, upper = weighted_quantiles(values, weight, [0.25, 0.5, 0.75])
    score_lower, score_upper = weighted_quantiles(scores, weight, [0.25, 0.75])
    mean = weighted.mean(scores, weights=weight.fillna(0.0), confidence=CONFIDENCE)
    # The mean of ranks is 50 by construction, and of answers all alike nothing can be said.
    judged = not str(rule["scale"]).startswith("rank") and scores.max() > scores.min()
    known = int(values.notna().sum())
    return {
        "measure": code,
        "layer": rule["layer"],
        "made_of": code,
        "scored": code,
        "direction": "more" if higher_is_loyal(rule) else "less",
        "customers": known,
        "known_share": known / len(values),
        "lower_quartile": lower,
        "median": median,
        "upper_quartile": upper,
        "score": mean.value,
        "low": max(mean.low, 0.0) if judged else np.nan,
        "high": min(mean.high, 100.0) if judged else np.nan,
        "score_lower_quartile": score_lower,
        "score_upper_quartile": score_upper,
    }


def weighted_quantiles(values: ArrayLike, weights: ArrayLike, shares: Sequence[float]) -> Array:
    """The values below which given shares of the weight lie.

    Parameters
    ----------
    values, weights : array_like of float, shape (customers,)
        What is missing, or without weight, does not count.
    shares : sequence of float

    Returns
    -------
    numpy.ndarray
        The smallest value at which the share is reached; where it is reached exactly, the middle
        between this value and the next. NaN where nothing counts.

    Examples
    --------
    >>> weighted_quantiles([1, 2, 3, 4], [1, 1, 1, 1], [0.25, 0.5]).tolist()
    [1.5, 2.5]
    >>> weighted_quantiles([1, 2, 3], [5, 1, 1], [0.5]).tolist()
    [1.0]
    """
    value, weight = np.asarray(values, float), np.asarray(weights, float)
    counts = np.isfinite(value) & (weight > 0)
    if not counts.any():
        return np.full(len(shares), np.nan)
    order = np.argsort(value[counts], kind="stable")
    value, weight = value[counts][order], weight[counts][order]
    reached = np.cumsum(weight) / weight.sum()
    tiny = 1e-12
    first = np.searchsorted(reached, np.asarray(shares) - tiny)
    beyond = np.searchsorted(reached, np.asarray(shares) + tiny)
    last = len(value) - 1
    return np.asarray((value[np.minimum(first, last)] + value[np.minimum(beyond, last)]) / 2)
