"""Sliders over the loyalty index: the weights of the measures, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crmlab.language import _, number, percent
from crmlab.loyalty.index_sensitivity import TOP, at_top
from crmlab.loyalty.loyalty_index import LoyaltyIndex, indices, mean_index
from crmlab.loyalty.nine_measures import measure_names
from crmlab.show import charts

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: So many measures get a slider, the heaviest first.
SLIDERS = 9


class Reweighted(NamedTuple):
    """The index with other weights.

    Attributes
    ----------
    value, low, high : float
        The company's index; NaN where no weight is left.
    shares : numpy.ndarray
        Share of the customers in each bar of the picture.
    stays : float
        Share of the most loyal, as many as `TOP` says, that stays at the top.
    """

    value: float
    low: float
    high: float
    shares: NDArray[np.float64]
    stays: float


def reweighted(result: LoyaltyIndex, factors: dict[str, float]) -> Reweighted:
    """The index with the weights of some measures multiplied by a factor.

    Parameters
    ----------
    result : LoyaltyIndex
    factors : dict of str to float
        By the code of the measure.
    """
    changed = result.shares * [factors.get(code, 1.0) for code in result.shares.index]
    if not changed.sum() > 0:
        return Reweighted(np.nan, np.nan, np.nan, np.zeros(len(result.histogram())), np.nan)
    ids = result.customers["customer_id"]
    scores = result.measured.scores.loc[ids, result.shares.index].to_numpy(float)
    each = indices(scores, (changed / changed.sum()).to_numpy(float), 0.0)
    company = mean_index(each, result.customers["weight"], result.confidence)
    before = at_top(result.customers["index"].to_numpy(float), TOP)
    after = at_top(np.where(np.isfinite(each), each, -1.0), TOP)
    return Reweighted(
        company.value,
        company.low,
        company.high,
        result.histogram(each),
        float(after[before].mean()),
    )


def explore_loyalty_weights(result: LoyaltyIndex) -> None:
    """Sliders that raise or lower the weights of the measures, and the index that follows.

    Parameters
    ----------
    result : LoyaltyIndex
        Who has an index stays the same whatever the weights.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    names = measure_names(result.measured.measures)
    codes = list(result.shares.nlargest(SLIDERS, keep="first").index)
    sliders = {
        f"measure{place}": ipywidgets.FloatSlider(
            value=1.0, min=0.0, max=5.0, step=0.5, readout_format=".1f", continuous_update=False,
            description=names[code], style={"description_width": "200px"},
            layout={"width": "480px"},
        )
        for place, code in enumerate(codes)
    }  # fmt: skip
    with charts.house_style():
        axes = result.plot()
        # The title states the default; once a slider moves, the sentence below does.
        axes.figure.suptitle("")
        bars: list[Any] = list(axes.patches)[: len(result.histogram())]
        axes.set_ylim(0, 2 * float(result.histogram().max()))
        (now,) = axes.plot(
            [0, 0], [0, 1], color=charts.ORANGE, transform=axes.get_xaxis_transform()
        )

    def found(factors: dict[str, float]) -> Reweighted:
        return reweighted(result, dict(zip(codes, factors.values(), strict=True)))

    def move(**factors: float) -> None:
        changed = found(factors)
        now.set_xdata([changed.value, changed.value])
        for bar, share in zip(bars, changed.shares, strict=True):
            bar.set_height(float(share))

    def words(**factors: float) -> str:
        changed = found(factors)
        if not np.isfinite(changed.value):
            return _("At least one measure needs a weight.")
        return _(
            "With these weights the company's index is {index}; with the weights of the table, the "
            "blue line, it is {before}. Of the most loyal {top} of the customers {stays} stay at "
            "the top."
        ).format(
            index=number(changed.value, 1),
            before=number(result.index["index"], 1),
            top=percent(TOP, 0),
            stays=percent(changed.stays, 0),
        )

    figure: Any = axes.figure
    explorer(figure, move, words, sliders)
