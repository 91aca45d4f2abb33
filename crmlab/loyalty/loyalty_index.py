"""The loyalty index: the nine measures in one figure per customer and one for the company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, ngettext, number, percent
from crmlab.loyalty.nine_measures import Array, Weights, layer_names, measure_names, weights_of
from crmlab.loyalty.nine_values import Measured, Own, measured
from crmlab.loyalty.scorecard import NEEDS, weighted_quantiles
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.clustered import Estimate
from crmlab.stats.intervals import check_confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Share of the weight whose measures must be known of a customer.
LEAST = 0.5
#: Width of the bars that customers are counted in.
BIN = 5


@dataclass(frozen=True, repr=False)
class LoyaltyIndex(Result):
    """Result of `loyalty_index`.

    Attributes
    ----------
    customers : pandas.DataFrame
        A row per customer of whom enough is known, the most loyal first: customer_id, index, rank
        (equal customers share one), known_share (of the weight), weight (for how many customers
        they stand; NaN for those without an answer).
    index : pandas.Series
        Of the company: index, low, high.
    shares : pandas.Series
        The weight of each measure that is known of somebody, by code; they sum to 1.
    dropped : float
        Share of the weight that was given to measures that are not known of anybody.
    too_few : int
        Customers of whom too little is known.
    least : float
    measured : Measured
    confidence : float
    """

    measure = "loyalty.loyalty_index"

    customers: pd.DataFrame
    index: pd.Series
    shares: pd.Series
    dropped: float
    too_few: int
    least: float
    measured: Measured
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"weight": "percent", "score": "number1", "low": "number1", "high": "number1"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"measure": measure_names(self.measured.measures), "layer": layer_names()}

    def title(self) -> str:
        if np.isnan(self.index["low"]):
            return _("The loyalty index is {index} of 100").format(
                index=number(self.index["index"], 1)
            )
        return _("The loyalty index is {index} of 100 ({low} to {high})").format(**self._written())

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.ticker import MaxNLocator

        axes = charts.new_axes(ax)
        shares = self.histogram()
        places = np.arange(0, 100, BIN)
        axes.bar(places, shares, width=BIN * 0.94, align="edge", color=charts.GREY)
        axes.axvspan(self.index["low"], self.index["high"], color=charts.BLUE, alpha=0.25, lw=0)
        axes.axvline(self.index["index"], color=charts.BLUE)
        axes.set_xlim(0, 100)
        charts.share_axis(axes.yaxis)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axes.set_xlabel(_("Loyalty index of a customer; line: company, with interval"))
        axes.set_ylabel(_("Share of customers"))
        charts.set_title(axes, self.title())
        return axes

    def histogram(self, index: Array | None = None) -> Array:
        """Share of the customers in each bar, as far as they stand for others.

        Parameters
        ----------
        index : numpy.ndarray, shape (customers,), optional
            Another index of the customers, in their order; their own by default.
        """
        values = self.customers["index"].to_numpy(float) if index is None else index
        weight = self.customers["weight"].fillna(0.0).to_numpy(float)
        weight = np.where(np.isfinite(values), weight, 0.0)
        edges = np.append(np.arange(0, 100, BIN), 100)
        # Computed values may lie beside an edge by rounding.
        counted = np.histogram(np.nan_to_num(values).round(9), edges, weights=weight)[0]
        return np.asarray(counted / max(weight.sum(), 1e-12), float)

    def reading(self) -> str:
        parts = [
            self._company(),
            self._weights(),
            self._enough(),
            self._ranked(),
            self._asked(),
            self.measured.left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        lower, upper = self._quartiles()
        return _(
            "Histogram of the customers' loyalty index: half of them lie between {lower} and "
            "{upper}; a line at {index}, the company's."
        ).format(
            lower=number(lower, 1), upper=number(upper, 1), index=number(self.index["index"], 1)
        )

    # --- the words

    def _written(self) -> dict[str, str]:
        return {name: number(self.index[name], 1) for name in ("index", "low", "high")}

    def _quartiles(self) -> Array:
        return weighted_quantiles(
            self.customers["index"], self.customers["weight"].fillna(0.0), [0.25, 0.75]
        )

    def _company(self) -> str:
        lower, upper = self._quartiles()
        said = (
            _("The company's loyalty index is {index} of 100.")
            if np.isnan(self.index["low"])
            else _("The company's loyalty index is {index} of 100 ({low} to {high}).")
        ).format(**self._written())
        known = np.isfinite(self.index["low"])
        rest = _(
            "Half of the customers lie between {lower} and {upper} ({period}). {intervals}"
        ).format(
            lower=number(lower, 1),
            upper=number(upper, 1),
            period=self.measured.period(),
            intervals=intervals_in_brackets(self.confidence) if known else "",
        )
        return f"{said} {rest}".rstrip()

    def _weights(self) -> str:
        names = measure_names(self.measured.measures)
        parts = [
            _("{measure} {weight}").format(measure=names[code], weight=percent(share))
            for code, share in self.shares.sort_values(ascending=False, kind="stable").items()
            if share > 0
        ]
        said = _("Weights: {parts}. They are chosen, not measured.").format(
            parts=_("; ").join(parts)
        )
        if self.dropped <= 0:
            return said
        more = _(
            "{share} of the weight was meant for measures of which nothing is known; it is shared "
            "out over the others."
        ).format(share=percent(self.dropped))
        return f"{said} {more}"

    def _enough(self) -> str:
        said = ngettext(
            "{count} customer has an index: measures with at least {least} of the weight are known "
            "of them, and what is not known gives its weight to the rest.",
            "{count} customers have an index: measures with at least {least} of the weight are "
            "known of them, and what is not known gives its weight to the rest.",
            len(self.customers),
        ).format(count=number(len(self.customers)), least=percent(self.least, 0))
        if not self.too_few:
            return said
        more = ngettext(
            "Of {count} more customer too little is known.",
            "Of {count} more customers too little is known.",
            self.too_few,
        ).format(count=number(self.too_few))
        return f"{said} {more}"

    def _ranked(self) -> str:
        scales = self.measured.measures.set_index("measure")["scale"]
        share = sum(
            self.shares[code] for code in self.shares.index if scales[code].startswith("rank")
        )
        if not share > 0:
            return ""
        return _(
            "{share} of the weight is on measures scored by rank: the index tells customers apart, "
            "but that part of it would not show that all of them become more loyal, or less."
        ).format(share=percent(share, 0))

    def _asked(self) -> str:
        if self.measured.said is None:
            return _("The index rests on what customers did; nobody's attitude is in it.")
        silent = int(self.customers["weight"].isna().sum())
        said = f"{self.measured.said.sentence()} {self.measured.weighting()}"
        if not silent:
            return said
        more = ngettext(
            "{count} customer with an index gave no answer and is not in the company's.",
            "{count} customers with an index gave no answer and are not in the company's.",
            silent,
        ).format(count=number(silent))
        return f"{said} {more}"

    def _define(self) -> Definition:
        few = Exclusion.of_customers(_("too little known"), self.too_few)
        return Definition(
            numerator=_("Of a customer: sum of weight times score over the measures known"),
            denominator=_("Sum of the weights of these measures"),
            period=self.measured.period(),
            method=_(
                "Scores from 0 to 100 as in the scorecard; at least {least} of the weight is "
                "known. The company's index is the weighted mean over customers, with a "
                "{confidence} t interval; the weights of the measures are taken as fixed."
            ).format(least=percent(self.least, 0), confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.measured.exclusions + ((few,) if self.too_few else ()),
        )


@measure(needs=NEEDS)
def loyalty_index(
    crm: Workspace,
    *,
    weights: Weights | None = None,
    measures: pd.DataFrame | None = None,
    own: Own | None = None,
    months: int = 12,
    least: float = LEAST,
    confidence: float = 0.95,
) -> LoyaltyIndex:
    """A loyalty index from 0 to 100 of every customer, and of the company.

    Parameters
    ----------
    crm : Workspace
        As for `scorecard`.
    weights : mapping of str to float or pandas.DataFrame, optional
        The weight of each measure; by default those of `index_weights`. They are divided by their
        sum.
    measures, own, months
        As for `scorecard`.
    least : float
        Share of the weight whose measures must be known of a customer.
    confidence : float

    Returns
    -------
    LoyaltyIndex
        `.table` has a row per measure that is known of somebody: measure, layer, weight (share),
        customers (with an index, of whom it is known), score (their mean), index_points (its part
        of the company's index; these sum to it). `.customers` has the index of each customer,
        `.index` that of the company.

    Raises
    ------
    CrmlabError
        If the weights, `measures`, `own`, `months` or `least` cannot be used.
    UnknownName
        If a weight is given to something that is no measure.
    NotEnoughData
        If nobody is known well enough.

    Notes
    -----
    The index of customer i is Σ w s / Σ w over the measures known of i, with scores s; that of the
    company is Σ vᵢ indexᵢ / Σ vᵢ with the customers' weights v of the scorecard. The nine measures
    are formative: they make the index up and need not go together, so no reliability of the index
    follows from their correlations, and no weights either. See `index_sensitivity` for what other
    weights would give. Ranks are taken as fixed; where they are of the same customers as the
    index, its interval is somewhat too wide.

    References
    ----------
    Diamantopoulos, A. and Winklhofer, H. M. (2001), Journal of Marketing Research 38, 269-277, on
    indices of formative measures.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"],
    ...     "ordered_at": ["2025-01-10", "2025-12-31", "2025-06-30"], "amount": [9.0, 1.0, 5.0]})
    >>> found = loyalty_index(from_frames({"orders": orders}), weights={"spend": 1})
    >>> found.customers[["customer_id", "index"]]
      customer_id  index
    0           A   75.0
    1           B   25.0
    """
    check_confidence(confidence)
    if not 0 < least <= 1:
        raise CrmlabError(
            _("least is a share above 0 and at most 1, not {least}.").format(least=least)
        )
    found = measured(crm, measures=measures, own=own, months=months)
    given = weights_of(weights, found.measures)
    shares = known_weights(given, found)
    each = indices(found.scores[shares.index].to_numpy(float), shares.to_numpy(float), least)
    enough = np.isfinite(each)
    if not (enough & (found.weight > 0).to_numpy()).any():
        raise NotEnoughData(
            _(
                "Of no customer are measures with {least} of the weight known. Lower least, or "
                "leave measures out of the weights."
            ).format(least=percent(least, 0))
        )
    company = mean_index(each, found.weight, confidence)
    return LoyaltyIndex(
        _table(found, shares, each),
        Context.of(crm),
        _customers(found, shares, each),
        pd.Series(company._asdict()).rename({"value": "index"})[["index", "low", "high"]],
        shares,
        float(given.drop(shares.index).sum()),
        int((~enough).sum()),
        least,
        found,
        confidence,
    )


def known_weights(given: pd.Series, found: Measured) -> pd.Series:
    """The weights of the measures that are known of somebody, divided by their sum."""
    there = given[found.known]
    if not there.sum() > 0:
        raise NotEnoughData(
            _("All the weight is on measures of which nothing is known: {names}.").format(
                names=_(", ").join(
                    measure_names(found.measures)[code] for code in given.index[given > 0]
                )
            )
        )
    return there / there.sum()


def indices(scores: Array, weights: Array, least: float) -> Array:
    """The index of each customer: the weighted mean of the scores that are known.

    Parameters
    ----------
    scores : numpy.ndarray, shape (customers, measures)
        NaN where not known.
    weights : numpy.ndarray, shape (measures,) or (measures, sets)
        Each set sums to 1.
    least : float
        NaN for customers of whom measures with less of the weight are known.

    Returns
    -------
    numpy.ndarray, shape (customers,) or (customers, sets)

    Examples
    --------
    >>> indices(np.array([[80.0, 20.0], [50.0, np.nan]]), np.array([0.75, 0.25]), 0.5).tolist()
    [65.0, 50.0]
    """
    known = np.isfinite(scores)
    carried = known @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(known, scores, 0.0) @ weights / carried
    # Weights that add up to half may fall short of it by rounding.
    return np.asarray(np.where((carried > 0) & (carried >= least - 1e-9), found, np.nan), float)


def mean_index(each: Array, weight: pd.Series, confidence: float) -> Estimate:
    """The company's index: the mean over customers, each with its weight; kept in 0 to 100."""
    found = weighted.mean(each, weights=weight.fillna(0.0).to_numpy(), confidence=confidence)
    counted = each[np.isfinite(each) & (weight > 0).to_numpy()]
    if not len(counted) or not np.ptp(counted) > 0:  # all alike: no interval without a width
        return found._replace(low=np.nan, high=np.nan)
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 100.0))


def _table(found: Measured, shares: pd.Series, each: Array) -> pd.DataFrame:
    counted = np.isfinite(each) & (found.weight > 0).to_numpy()
    scores, weight = found.scores[shares.index][counted], found.weight[counted]
    known = scores.notna().to_numpy()
    carried = known @ shares.to_numpy()
    points = scores.fillna(0.0).to_numpy() * shares.to_numpy() / carried[:, None]
    layers = found.measures.set_index("measure")["layer"]
    rows: list[dict[str, Any]] = [
        {
            "measure": code,
            "layer": layers[code],
            "weight": shares[code],
            "customers": int(known[:, place].sum()),
            "score": weighted.mean(scores[code], weights=weight).value,
            "index_points": float(np.average(points[:, place], weights=weight)),
        }
        for place, code in enumerate(shares.index)
    ]
    return pd.DataFrame(rows)


def _customers(found: Measured, shares: pd.Series, each: Array) -> pd.DataFrame:
    known = found.scores[shares.index].notna().to_numpy() @ shares.to_numpy()
    frame = pd.DataFrame(
        {
            "customer_id": found.scores.index,
            "index": each,
            "known_share": known,
            "weight": found.weight.to_numpy(),
        }
    ).dropna(subset=["index"])
    frame.insert(2, "rank", frame["index"].rank(ascending=False, method="min").astype("int64"))
    return frame.sort_values(["rank", "customer_id"], ignore_index=True)
