"""Van Westendorp's price sensitivity meter (价格敏感度测试): what customers say they would pay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.data.questionnaires import CONVENIENCE
from crmlab.errors import NotEnoughData
from crmlab.language import _, current_language, ngettext, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.price_meter import crossing, crossing_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The four questions, from the lowest price to the highest.
QUESTIONS = ("too_cheap", "cheap", "expensive", "too_expensive")
#: The points, each with the question of the falling and of the rising curve.
POINTS = {
    "optimal": ("too_cheap", "too_expensive"),
    "indifference": ("cheap", "expensive"),
    "marginal_cheapness": ("too_cheap", "expensive"),
    "marginal_expensiveness": ("cheap", "too_expensive"),
    "lower_as_first_defined": ("too_cheap", "cheap"),
    "upper_as_first_defined": ("expensive", "too_expensive"),
}
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class PriceMeter(Result):
    """Result of `van_westendorp`.

    Attributes
    ----------
    answers : pandas.DataFrame
        A row per questionnaire with four prices in order: customer, weight, too_cheap, cheap,
        expensive, too_expensive.
    inconsistent : int
        Questionnaires whose prices are out of order.
    others : tuple of Exclusion
        What else is left out.
    units : dict of str to str
        Unit of the prices in English and Chinese, as the questions name it; may be empty.
    """

    measure = "loyalty.van_westendorp"

    answers: pd.DataFrame
    inconsistent: int
    others: tuple[Exclusion, ...]
    units: Mapping[str, str]

    def main_columns(self) -> Sequence[str]:
        return ("price_point", "falling", "rising", "price", "low", "high", "share", "with_all")

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["price", "low", "high", "with_all"], "sized")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        curves = {
            "too_cheap": _("too cheap"),
            "cheap": _("cheap"),
            "expensive": _("expensive"),
            "too_expensive": _("too expensive"),
        }
        opposite = {
            "not_cheap": _("not cheap"),
            "not_expensive": _("not expensive"),
        }
        points = {
            "optimal": _("Optimal price point"),
            "indifference": _("Indifference price point"),
            "marginal_cheapness": _("Point of marginal cheapness"),
            "marginal_expensiveness": _("Point of marginal expensiveness"),
            "lower_as_first_defined": _("Lower end as first defined"),
            "upper_as_first_defined": _("Upper end as first defined"),
        }
        return {"price_point": points, "falling": curves | opposite, "rising": curves | opposite}

    def unit(self) -> str:
        """Unit of the prices in the current language."""
        return self.units.get(current_language(), "") or self.context.currency

    def title(self) -> str:
        return _("Acceptable prices go from {low} to {high}; the optimal point is {best}").format(
            low=self._price("marginal_cheapness"),
            high=self._price("marginal_expensiveness"),
            best=self._price("optimal"),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        low, high = (
            self._row(name)["price"] for name in ("marginal_cheapness", "marginal_expensiveness")
        )
        axes.axvspan(low, high, color=charts.GRID, alpha=0.7, zorder=0)
        left, right = self._ends()
        for name in QUESTIONS:
            self._draw_curve(axes, name, (left, right))
        best = self._row("optimal")
        axes.plot([best["price"]] * 2, [0, best["share"]], color=charts.INK, linewidth=1.2)
        axes.plot(best["price"], best["share"], "o", color=charts.INK, markersize=6)
        axes.annotate(
            self._price("optimal"), (best["price"], best["share"]), xytext=(0, 8),
            textcoords="offset points", ha="center", fontsize=10,
        )  # fmt: skip
        axes.set_xlim(left, right)
        axes.set_ylim(0, 1.02)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(
            _("Price ({unit}); grey: the range that is accepted").format(unit=self.unit())
        )
        axes.set_ylabel(_("Share of customers"))
        charts.set_title(axes, self.title())
        return axes

    def _ends(self) -> tuple[float, float]:
        """Prices between which nearly all of the curves lie."""
        prices = self.answers[list(QUESTIONS)].to_numpy()
        low, high = np.quantile(prices, [0.005, 0.985])
        gap = max(high - low, abs(high) * 0.05, 1e-9) * 0.04
        return float(low - gap), float(high + gap)

    def _draw_curve(self, axes: Axes, name: str, ends: tuple[float, float]) -> None:
        """A curve of shares, with its name beside it."""
        falls = name in ("too_cheap", "cheap")
        colour = charts.BLUE if falls else charts.ORANGE
        prices, shares = curve(self.answers[name], self.answers["weight"], falling=falls)
        x = np.concatenate([[ends[0]], prices, [ends[1]]])
        y = np.concatenate([[float(falls)], shares, [float(not falls)]])
        firm = name.startswith("too")
        axes.step(
            x, y, where="post", color=colour, linestyle="-" if firm else "--", linewidth=2
        )  # fmt: skip
        at = {"too_cheap": 0.5, "cheap": 0.62, "expensive": 0.74, "too_expensive": 0.5}[name]
        left = name == "too_cheap"
        place = int(np.argmax(shares <= at) if falls else np.argmax(shares >= at))
        label = self.value_labels()["rising"][name]
        axes.annotate(
            label, (prices[place], at), xytext=(-5 if left else 5, 0), color=colour,
            textcoords="offset points", ha="right" if left else "left", va="center", fontsize=10,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )  # fmt: skip

    # --- the words

    def _row(self, name: str) -> pd.Series:
        return self.table.set_index("price_point").loc[name]

    def _price(self, name: str) -> str:
        return number(self._row(name)["price"], 1)

    def _with_interval(self, name: str) -> str:
        row = self._row(name)
        return with_interval(row["price"], row["low"], row["high"], lambda price: number(price, 1))

    def reading(self) -> str:
        parts = [self._points(), self._range(), self._left_out(), self._caution()]
        return "\n\n".join(part for part in parts if part)

    def _points(self) -> str:
        best = self._row("optimal")
        said = _(
            "Optimal price point, where as many find it too cheap as too expensive: {optimal} "
            "{unit}; {share} find it so on either side. Indifference price point, where as many "
            "find it cheap as expensive: {indifference}."
        ).format(
            optimal=self._with_interval("optimal"),
            unit=self.unit(),
            share=percent(best["share"], 0),
            indifference=self._with_interval("indifference"),
        )
        if not np.isfinite(best["low"]):
            few = _("So few customers give no interval of it.")
            return f"{said} {few}"
        return f"{said} {intervals_in_brackets(CONFIDENCE)}"

    def _range(self) -> str:
        return _(
            "Acceptable prices lie between the point of marginal cheapness, {low}, below which "
            "more find it too cheap than expensive, and that of marginal expensiveness, {high}, "
            "above which more find it too expensive than cheap. With the curves not cheap and not "
            "expensive, as first defined, the range goes from {first_low} to {first_high}."
        ).format(
            low=self._with_interval("marginal_cheapness"),
            high=self._with_interval("marginal_expensiveness"),
            first_low=self._with_interval("lower_as_first_defined"),
            first_high=self._with_interval("upper_as_first_defined"),
        )

    def _left_out(self) -> str:
        said = ngettext(
            "{count} questionnaire with four prices from {customers} customers counts.",
            "{count} questionnaires with four prices from {customers} customers count.",
            len(self.answers),
        ).format(
            count=number(len(self.answers)), customers=number(self.answers["customer"].nunique())
        )
        if self.inconsistent:
            said += " " + ngettext(
                "{count} whose prices are out of order (a bargain above what is expensive, say) is "
                "left out; with it the optimal point is {value}.",
                "{count} whose prices are out of order (a bargain above what is expensive, say) "
                "are left out; with them the optimal point is {value}.",
                self.inconsistent,
            ).format(
                count=number(self.inconsistent),
                value=number(self._row("optimal")["with_all"], 1),
            )
        return f"{said} {left_out_words(self.others)}" if self.others else said

    def _caution(self) -> str:
        return _(
            "These are prices as said, not as paid: nobody gave up money or an order. The meter "
            "tells which prices look odd to customers; how many orders a price brings, and what it "
            "earns after costs, it cannot tell."
        )

    def alt(self) -> str:
        return _(
            "Four curves of shares by price: too cheap and cheap falling, expensive and too "
            "expensive rising. Too cheap and too expensive cross at {optimal}, cheap and expensive "
            "at {indifference}; the range from {low} to {high} is shaded."
        ).format(
            optimal=self._price("optimal"),
            indifference=self._price("indifference"),
            low=self._price("marginal_cheapness"),
            high=self._price("marginal_expensiveness"),
        )

    def _define(self) -> Definition:
        wrong = (
            (Exclusion.of_questionnaires(_("prices out of order"), self.inconsistent),)
            if self.inconsistent
            else ()
        )
        return Definition(
            numerator=_(
                "Share whose price for too cheap or cheap is at or above p; for expensive or too "
                "expensive at or below p"
            ),
            denominator=_("Questionnaires with all four prices, in order, by weight"),
            period=self.context.period(),
            method=_(
                "Van Westendorp (1976). Where two curves of steps cross is the weighted median of "
                "their prices put together, the middle where they coincide; nothing is drawn "
                "between the steps. Marginal points by the curves expensive and cheap, as now is "
                "usual, and by not cheap and not expensive, as first defined. 95% intervals: the "
                "prices at which the two curves differ by no more than chance, by a sign test of "
                "customers (mid-P), who count once each with the weight of all their answers."
            ),
            source=self.context.source,
            exclusions=(*wrong, *self.others),
        )


def curve(prices: pd.Series, weights: pd.Series, *, falling: bool) -> tuple[np.ndarray, np.ndarray]:
    """Each price named, and the share from it on: above it where the curve falls, else up to it.

    Examples
    --------
    >>> price, share = curve(pd.Series([2, 1, 2, 4]), pd.Series([1, 1, 1, 1]), falling=False)
    >>> price.tolist(), share.tolist()
    ([1.0, 2.0, 4.0], [0.25, 0.75, 1.0])
    """
    each, place = np.unique(prices.to_numpy(float), return_inverse=True)
    share = np.cumsum(np.bincount(place, weights.to_numpy(float))) / weights.sum()
    return each, 1 - share if falling else share


@measure(needs={"surveys": ["response_id"], "answers": ["response_id", "item", "aspect", "value"]})
def van_westendorp(crm: Workspace) -> PriceMeter:
    """Between which prices customers find the service neither too cheap nor too expensive.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id; answers: response_id, item, aspect, value, where the aspect
        ``price`` has the items too_cheap, cheap, expensive and too_expensive. With
        surveys.customer_id, weight and mode these count.

    Returns
    -------
    PriceMeter
        `.table` has a row per point: price_point (optimal, indifference, marginal_cheapness,
        marginal_expensiveness, lower_as_first_defined, upper_as_first_defined), falling and rising
        (the two curves), price, low, high (money per unit as the questions name it), share (height
        of the crossing), with_all (price if answers out of order count too).

    Raises
    ------
    NotEnoughData
        If nobody who counts answers all four questions with prices in order.

    Notes
    -----
    Prices are in order if too_cheap ≤ cheap ≤ expensive ≤ too_expensive. Prices below 0 do not
    count. An answer counts with its design weight, where the data have weights; those asked when
    they called the call centre do not count. Without customer_id every questionnaire is a customer
    of its own. Curves and crossings: `crmlab.stats.price_meter.crossing`.

    References
    ----------
    Van Westendorp, P. H. (1976), NSS price sensitivity meter, Proceedings of the 29th ESOMAR
    Congress, 139-167.
    """
    frame, others = _answers(crm)
    steps = np.diff(frame[list(QUESTIONS)].to_numpy(float), axis=1)
    ordered = (steps >= 0).all(axis=1)
    kept = frame[ordered].reset_index(drop=True)
    if kept.empty:
        raise NotEnoughData(
            _(
                "No questionnaire names four prices in order (too_cheap, cheap, expensive, "
                "too_expensive); {count} name them out of order. Look whether the items are mapped "
                "to the right questions."
            ).format(count=number(len(frame)))
        )
    table = pd.DataFrame([_point(name, kept, frame) for name in POINTS])
    return PriceMeter(
        table, Context.of(crm), kept, int((~ordered).sum()), others, _units(crm)
    )  # fmt: skip


def _answers(crm: Workspace) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """Questionnaires with all four prices, and what is left out."""
    answers = crm.answers
    named = answers[(answers["aspect"] == "price") & answers["item"].isin(QUESTIONS)]
    if named.empty:
        raise NotEnoughData(
            _(
                "Nobody was asked for prices: there are no answers of the aspect price to the "
                "items {items}."
            ).format(items=_(", ").join(QUESTIONS))
        )
    prices = named.pivot_table("value", "response_id", "item", aggfunc="first")
    prices = prices.reindex(columns=list(QUESTIONS)).astype(float)
    surveys = crm.surveys.drop_duplicates("response_id").set_index("response_id")
    lost = ~prices.index.isin(surveys.index)
    prices = prices[~lost].join(surveys.reindex(columns=["customer_id", "weight", "mode"]))
    prices = prices.reset_index()
    weighted = bool(prices["weight"].notna().any())
    if not weighted:
        prices["weight"] = 1.0
    if prices["customer_id"].isna().all():
        prices["customer_id"] = prices["response_id"]
    steps = {
        _("asked when they called the call centre"): prices["mode"].isin(CONVENIENCE),
        _("customer not given"): prices["customer_id"].isna(),
        _("answered, but without a weight"): ~(prices["weight"] > 0),
        _("not all four prices given"): prices[list(QUESTIONS)].isna().any(axis=1),
        _("a price below 0"): (prices[list(QUESTIONS)] < 0).any(axis=1),
    }
    exclusions = [Exclusion.of_questionnaires(_("not among the surveys"), int(lost.sum()))]
    for reason, out in steps.items():
        gone = out.reindex(prices.index).fillna(False).to_numpy(bool)
        prices = prices[~gone]
        exclusions.append(Exclusion.of_questionnaires(reason, int(gone.sum())))
    frame = prices.rename(columns={"customer_id": "customer"})
    frame = frame[["customer", "weight", *QUESTIONS]].reset_index(drop=True)
    left_out = tuple(each for each in exclusions if each.count)
    if frame.empty:
        none = _("No questionnaire with prices counts.")
        raise NotEnoughData(f"{none} {left_out_words(left_out)}")
    return frame, left_out


def _point(name: str, kept: pd.DataFrame, everyone: pd.DataFrame) -> dict[str, object]:
    falling, rising = POINTS[name]
    price = crossing(kept[falling], kept[rising], weights=kept["weight"])
    low, high = crossing_interval(
        kept[falling], kept[rising], weights=kept["weight"], clusters=kept["customer"],
        confidence=CONFIDENCE,
    )  # fmt: skip
    above = np.average(kept[falling] >= price, weights=kept["weight"])
    below = np.average(kept[rising] <= price, weights=kept["weight"])
    opposite = {"lower_as_first_defined": "rising", "upper_as_first_defined": "falling"}
    curves = {"falling": falling, "rising": rising}
    if name in opposite:
        curves[opposite[name]] = f"not_{curves[opposite[name]]}"
    return {
        "price_point": name,
        **curves,
        "price": price,
        "low": low,
        "high": high,
        "share": float((above + below) / 2),
        "with_all": crossing(everyone[falling], everyone[rising], weights=everyone["weight"]),
    }


def _units(crm: Workspace) -> dict[str, str]:
    """The unit that all four questions name in brackets at the end, by language."""
    asked = [item for item in crm.settings.items if item.item in QUESTIONS]
    found = {}
    for language, labels in (
        ("en", [item.label for item in asked]),
        ("zh_CN", [item.label_zh for item in asked]),
    ):
        named = {match[1] for label in labels if (match := _UNIT.search(label))}
        if len(named) == 1:
            found[language] = named.pop()
    return found


_UNIT = re.compile(r"[(（]([^()（）]+)[)）]\s*$")
