"""Explorer of a points programme: at which lift of orders it pays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crmlab.errors import NotEnoughData
from crmlab.language import _, money, number, percent
from crmlab.loyalty.points import NEEDS
from crmlab.show import charts
from crmlab.show.result import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What is taken where the data do not say: cost of a point, margin as share of revenue.
POINT_COST = 0.01
MARGIN = 0.2
#: The largest lift on the axis.
MOST = 0.3
_DAYS_PER_YEAR = 365.25


class Programme(NamedTuple):
    """A points programme in five figures.

    Attributes
    ----------
    spend : float
        Revenue of a member in a year.
    per_hundred : float
        Points for 100 of money.
    point_cost : float
        Money a redeemed point costs.
    redeemed : float
        Share of the points that is redeemed in the end.
    margin : float
        Share of the revenue that is left after direct costs.
    """

    spend: float
    per_hundred: float
    point_cost: float
    redeemed: float
    margin: float

    @property
    def cost(self) -> float:
        """What the points cost, as a share of the revenue."""
        return self.per_hundred / 100 * self.point_cost * self.redeemed

    def needed(self) -> float:
        """The lift of orders at which the programme pays; infinite where none does.

        Examples
        --------
        >>> round(Programme(1000, 10, 0.1, 0.5, 0.105).needed(), 3)
        0.05
        """
        left = self.margin - self.cost
        return self.cost / left if left > 0 else math.inf

    def profit(self, lift: Any) -> Any:
        """Profit of a member in a year, beyond that without the programme.

        Examples
        --------
        >>> round(Programme(1050, 10, 0.1, 0.5, 0.105).profit(0.05), 6)
        0.0
        """
        return self.spend * (self.margin - self.cost - self.margin / (1 + lift))


def programme_of(crm: Workspace) -> Programme:
    """The programme as the data show it.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, points_earned, amount; cost and points_redeemed and
        the settings' cost of a point where they are known.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If no order with an amount earns points.
    """
    needs = {"orders": [*NEEDS["orders"], "amount"]}
    require(crm, "loyalty.explore_points", crm.missing(needs))
    frame = crm.query("points_by_customer")
    amount, earned = float(frame["amount"].sum()), float(frame["earned"].sum())
    if not (amount > 0 and earned > 0):
        raise NotEnoughData(_("No order of a known customer earns points."))
    years = max(((crm.as_of - crm.first_day).days + 1) / _DAYS_PER_YEAR, 1 / _DAYS_PER_YEAR)
    margin = float(frame["margin"].sum()) / amount
    known = crm.has("orders", "cost") and margin > 0
    return Programme(
        spend=amount / int((frame["orders"] > 0).sum()) / years,
        per_hundred=100 * earned / amount,
        point_cost=float(crm.settings.activity_costs.get("points.point", POINT_COST)),
        redeemed=1.0,
        margin=margin if known else MARGIN,
    )


def explore_points(crm: Workspace) -> None:
    """Sliders for the terms of a points programme: what a member brings, and the break-even.

    Parameters
    ----------
    crm : Workspace
        As in `programme_of`, whose figures are where the sliders start; points count as redeemed,
        every one, until the slider says otherwise.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    start = programme_of(crm)
    currency = crm.settings.currency
    usual = {
        "continuous_update": False,
        "style": {"description_width": "300px"},
        "layout": {"width": "620px"},
    }
    amounts = {
        "per_hundred": (_("Points for 100 of money"), start.per_hundred, 5, ".1f"),
        "point_cost": (_("Cost of a point redeemed"), start.point_cost, 10, ".3f"),
    }
    controls: dict[str, Any] = {
        name: ipywidgets.FloatSlider(
            value=value, min=0.0, max=most * value, step=value / 20,
            readout_format=form, description=label, **usual,
        )
        for name, (label, value, most, form) in amounts.items()
    }  # fmt: skip
    shares = {
        "redeemed": (_("Share of points redeemed"), start.redeemed, 1.0),
        "margin": (_("Margin as share of revenue"), start.margin, 1.0),
        "lift": (_("Orders raised by"), 0.05, MOST),
    }
    controls |= {
        name: ipywidgets.FloatSlider(
            value=value, min=0.0, max=most, step=0.01, readout_format=".0%", description=label,
            **usual,
        )
        for name, (label, value, most) in shares.items()
    }  # fmt: skip
    with charts.house_style():
        axes = charts.new_axes()
        curve = _Curve(axes, currency)

    def programme(terms: dict[str, float]) -> tuple[Programme, float]:
        terms = dict(terms)
        lift = terms.pop("lift")
        return start._replace(**terms), lift

    def move(**terms: float) -> None:
        curve.set(*programme(terms))

    def words(**terms: float) -> str:
        return words_of(*programme(terms), currency)

    figure: Any = axes.figure
    explorer(figure, move, words, controls)


def words_of(programme: Programme, lift: float, currency: str) -> str:
    """What the programme does at that lift, in words."""
    profit = programme.profit(lift)
    said = _(
        "The points cost {cost} of the revenue, of which {margin} are margin. If the programme "
        "raised orders by {lift}, a member who spends {spend} a year brings {profit} more with it "
        "than without."
    ).format(
        cost=percent(programme.cost, 2),
        margin=percent(programme.margin),
        lift=percent(lift),
        spend=money(programme.spend, currency),
        profit=money(profit, currency),
    )
    needed = programme.needed()
    if not math.isfinite(needed):
        never = _("No lift pays: the points cost more than the margin.")
        return f"{said} {never}"
    even = _("It breaks even where orders rise by {needed}.").format(needed=percent(needed, 2))
    return f"{said} {even}"


class _Curve:
    """Profit of a member over the lift, with a dot where the slider stands."""

    def __init__(self, axes: Axes, currency: str) -> None:
        self.axes, self.currency = axes, currency
        self.x = np.linspace(0, MOST, 121)
        axes.axhline(0, color=charts.MUTED, linewidth=1)
        (self.line,) = axes.plot(self.x, 0 * self.x, color=charts.BLUE)
        (self.dot,) = axes.plot([0], [0], color=charts.ORANGE, marker="o", markersize=9)
        self.even = axes.axvline(0, color=charts.MUTED, linestyle=":", linewidth=1.5)
        self.title = axes.set_title(" ")
        axes.set_xlim(-0.005, MOST + 0.005)
        charts.share_axis(axes.xaxis)
        axes.yaxis.set_major_formatter(lambda value, _place: number(value))
        axes.set_ylim(-9999, 9999)
        axes.set_xlabel(_("Orders raised by (dotted: break-even)"))
        axes.set_ylabel(_("Profit of a member in a year,\nbeyond that without the programme"))

    def set(self, programme: Programme, lift: float) -> None:
        """Put the curve of a programme."""
        y = programme.profit(self.x)
        self.line.set_ydata(y)
        self.dot.set_data([lift], [programme.profit(lift)])
        needed = programme.needed()
        shown = needed <= MOST
        self.even.set_visible(shown)
        if shown:
            self.even.set_xdata([needed, needed])
        reach = max(np.abs(y).max(), 1e-9)
        self.axes.set_ylim(min(-0.15 * reach, 1.1 * y.min()), max(0.15 * reach, 1.1 * y.max()))
        self.title.set_text(
            _("Break-even at {needed} more orders").format(needed=percent(needed, 2))
            if math.isfinite(needed)
            else _("No lift of orders pays for these points")
        )
