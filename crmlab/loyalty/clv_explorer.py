"""The worth of keeping customers: retention, discount and margin, moved by sliders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlab.errors import CrmlabError
from crmlab.language import _, currency_name, money, number, percent
from crmlab.loyalty.future_value import FutureValue
from crmlab.show import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The highest retention that is drawn; beyond it the value runs away.
MOST = 0.98
STEPS = 99
#: The highest discount that can be set, unless the estimate is higher.
DEAREST = 0.30
#: How much of each is moved to see what it is worth.
POINT = 0.01


def clv_of(margin: float, retention: float, discount: float) -> float:
    """Lifetime value of a customer who brings as much every year and stays with the same chance.

    Parameters
    ----------
    margin : float
        A year, money.
    retention : float
        Chance to stay for another year, from 0 to 1.
    discount : float
        A year, above 0.

    Returns
    -------
    float
        m r / (1 + d − r): the sum of m (r / (1 + d))ᵗ over t = 1, 2, …. The first margin comes
        after a year, from those who are still there. It is also the most that winning such a
        customer may cost; where the first margin comes at once, that is m more.

    Raises
    ------
    CrmlabError
        If `retention` or `discount` is not one of those allowed.

    References
    ----------
    Gupta, S. and Lehmann, D. R. (2003), Journal of Interactive Marketing 17(1), 9-24.

    Examples
    --------
    >>> round(clv_of(100, retention=0.8, discount=0.10), 1)
    266.7
    """
    if not 0 <= retention <= 1 or not 0 < discount < 1:
        raise CrmlabError(
            _(
                "retention lies between 0 and 1, and discount is a rate a year above 0 such as "
                "0.10; they are {retention} and {discount}."
            ).format(retention=retention, discount=discount)
        )
    return margin * retention / (1 + discount - retention)


def explore_clv(result: FutureValue) -> None:
    """Sliders of retention, discount and margin: what they make of a customer's lifetime value.

    Parameters
    ----------
    result : FutureValue
        The sliders start at its estimates of a customer who is there: margin of the coming year,
        purchases of the year after as a share of those, and its discount.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    usual = {
        "continuous_update": False,
        "style": {"description_width": "230px"},
        "layout": {"width": "560px"},
    }
    margin = _rounded(max(result.yearly_margin, 1.0))
    discount = max(round(result.discount, 2), 0.01)
    controls = {
        "retention": ipywidgets.FloatSlider(
            value=round(min(result.retention, MOST), 2), min=0.0, max=MOST, step=0.01,
            readout_format=".0%", description=_("Stay for another year"), **usual,
        ),
        "discount": ipywidgets.FloatSlider(
            value=discount, min=0.01, max=max(DEAREST, discount), step=0.01,
            readout_format=".0%", description=_("Discount a year"), **usual,
        ),
        "margin": ipywidgets.FloatSlider(
            value=margin, min=0.0, max=3 * margin, step=margin / 20, readout_format=",.0f",
            description=_("Margin a year ({currency})").format(
                currency=currency_name(result.context.currency)
            ),
            **usual,
        ),
    }  # fmt: skip
    with charts.house_style():
        axes = charts.new_axes()
        curve = _Curve(axes, result.context.currency)

    def move(retention: float, discount: float, margin: float) -> None:
        curve.set(retention, discount, margin)

    def words(retention: float, discount: float, margin: float) -> str:
        return worth_in_words(retention, discount, margin, result.context.currency)

    figure: Any = axes.figure
    explorer(figure, move, words, controls)


def worth_in_words(retention: float, discount: float, margin: float, currency: str) -> str:
    """What the lifetime value is, and which of the three moves it most, in sentences."""

    def told(value: float) -> str:
        return money(value, currency)

    value = clv_of(margin, retention, discount)
    more = clv_of(margin, min(retention + POINT, 1.0), discount) - value
    cheaper = clv_of(margin, retention, max(discount - POINT, 1e-9)) - value
    richer = clv_of(margin * (1 + POINT), retention, discount) - value
    first = _(
        "A customer who brings {margin} a year and stays for another year with a chance of "
        "{retention} is worth {value}, discounted by {discount} a year. Winning such a customer "
        "pays as long as it costs less than that; where the first margin comes at once, less than "
        "{at_once}."
    ).format(
        margin=told(margin),
        retention=percent(retention, 0),
        discount=percent(discount, 0),
        value=told(value),
        at_once=told(value + margin),
    )
    second = _(
        "One point more of retention adds {more}, one point less of discount {cheaper}, one "
        "percent more of margin {richer}. With the same chance every year a customer stays for "
        "{years} years on average."
    ).format(
        more=told(more),
        cheaper=told(cheaper),
        richer=told(richer),
        years=number(1 / (1 - retention), 1),
    )
    return f"{first} {second}"


class _Curve:
    """Lifetime value over retention, and where it stands."""

    def __init__(self, axes: Axes, currency: str) -> None:
        from matplotlib.ticker import MaxNLocator

        self.axes = axes
        self.currency = currency
        self.retention = np.linspace(0, MOST, STEPS)
        (self.line,) = axes.plot([], [], color=charts.BLUE)
        (self.across,) = axes.plot([], [], color=charts.GRID, linewidth=1.5, zorder=1)
        (self.dot,) = axes.plot([], [], "o", color=charts.ORANGE, markersize=9)
        self.label = axes.text(
            0, 0, "", ha="right", va="bottom", color=charts.ORANGE, parse_math=False
        )
        axes.set_xlim(0, 1)
        charts.share_axis(axes.xaxis)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _place: number(value))
        axes.set_xlabel(_("Chance to stay for another year"))
        axes.set_ylabel(_("Lifetime value ({currency})").format(currency=currency_name(currency)))

    def set(self, retention: float, discount: float, margin: float) -> None:
        """Put the curve and the point of the three values."""
        values = [clv_of(margin, one, discount) for one in self.retention]
        value = clv_of(margin, retention, discount)
        self.line.set_data(self.retention, values)
        self.across.set_data([0, retention, retention], [value, value, 0])
        self.dot.set_data([retention], [value])
        self.label.set_text(money(value, self.currency))
        self.label.set_position((retention - 0.02, value))
        self.label.set_horizontalalignment("right" if retention > 0.3 else "left")
        self.axes.set_ylim(0, max(values[-1] * 1.05, 1.0))


def _rounded(value: float) -> float:
    """To two significant figures, which is what a slider's start needs."""
    place = int(np.floor(np.log10(value))) - 1
    return float(round(value, -place))
