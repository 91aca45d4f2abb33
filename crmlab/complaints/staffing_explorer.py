"""Explorer of the desk: the promise, the people, what share is begun in time and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlab.complaints.cases import cases
from crmlab.complaints.desk import Desk, desk_of
from crmlab.complaints.staffing import ACTUAL, DRAWN
from crmlab.complaints.steps import promise_words
from crmlab.language import _, money, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.result import require
from crmlab.stats.replay import Runs, waits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: The longest promise, in working hours, and the steps on the way to it.
LONGEST, STEP = 16.0, 0.5
#: The promise at which the sliders start, and the share that is promised.
USUAL, PROMISED = 4.0, 0.9
#: The most people beyond those whom the work keeps busy.
MOST_MORE = 6
#: A curve is named where it begins so much above the one named before it.
ROOM = 0.05


class Desks:
    """The share begun within each time, by number of people, on the days as they were.

    Attributes
    ----------
    desk : Desk
    staff : list of int
        The numbers of people looked at.
    hours : numpy.ndarray
    shares : numpy.ndarray, shape (staff, hours)
    """

    def __init__(self, desk: Desk, *, seed: int = 0) -> None:
        self.desk = desk
        # Those that staffing() replays, so that the two say the same.
        runs = desk.histories(ACTUAL, DRAWN, seed)
        actual = Runs(runs.come[:, :ACTUAL], runs.lasts[:, :ACTUAL], runs.counts[:ACTUAL])
        first = max(1, int(np.floor(desk.load)))
        self.hours = np.linspace(0, LONGEST, int(LONGEST / STEP) + 1)
        self.staff: list[int] = []
        shares: list[NDArray[np.float64]] = []
        for staff in range(first, first + MOST_MORE):
            waits = waits_of(actual, staff)
            waits = np.sort(waits[np.isfinite(waits)])
            within = np.searchsorted(waits, self.hours + 1e-9, side="right")
            self.staff.append(staff)
            shares.append(within / max(len(waits), 1))
        self.shares = np.array(shares)

    def share(self, staff: int, within: float) -> float:
        """The share begun in time."""
        place = round(within / STEP)
        return float(self.shares[self.staff.index(staff), place])

    def fewest(self, within: float) -> int | None:
        """The fewest people who keep the promise; None where none of those looked at do."""
        kept = self.shares[:, round(within / STEP)] >= PROMISED
        return self.staff[int(kept.argmax())] if kept.any() else None


def explore_staffing(crm: Workspace) -> None:
    """Sliders for the promise and the people: what share is begun in time, and what it costs.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, handling_minutes; the workspace's cost of ``complaint.minute``
        where it is known.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If there is no complaint, no working day or no handling time.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    needs = {"complaints": ["opened_at", "handling_minutes"]}
    require(crm, "complaints.explore_staffing", crm.missing(needs))
    desks = Desks(desk_of(crm, cases(crm), 8.0))
    currency = crm.settings.currency
    usual: dict[str, Any] = {
        "continuous_update": False,
        "style": {"description_width": "300px"},
        "layout": {"width": "620px"},
    }
    controls: dict[str, Any] = {
        "within": ipywidgets.FloatSlider(
            value=USUAL, min=0.0, max=LONGEST, step=STEP, readout_format=".1f",
            description=_("Working hours until work begins"), **usual,
        ),
        "staff": ipywidgets.IntSlider(
            value=desks.fewest(USUAL) or desks.staff[-1], min=desks.staff[0], max=desks.staff[-1],
            description=_("People at the desk"), **usual,
        ),
    }  # fmt: skip
    with charts.house_style():
        axes = charts.new_axes()
        curve = _Curve(axes, desks)

    def words(within: float, staff: int) -> str:
        return words_of(desks, within, staff, currency)

    figure: Any = axes.figure
    explorer(figure, curve.set, words, controls)


def words_of(desks: Desks, within: float, staff: int, currency: str) -> str:
    """What so many people do for the promise, in words."""
    desk = desks.desk
    said = ngettext(
        "{count} person, busy {busy} of the time, begins {share} of the cases within {within} of "
        "working time, on the days as they were.",
        "{count} people, busy {busy} of the time, begin {share} of the cases within {within} of "
        "working time, on the days as they were.",
        staff,
    ).format(
        count=number(staff),
        busy=percent(min(desk.load / staff, 1.0), 0),
        share=percent(desks.share(staff, within)),
        within=promise_words(within),
    )
    cost = (
        _("They cost {cost} a year.").format(cost=money(desk.cost(staff), currency))
        if np.isfinite(desk.rate)
        else _("The workspace does not say what a minute costs.")
    )
    return f"{said} {cost} {_fewest_words(desks, within)}"


def _fewest_words(desks: Desks, within: float) -> str:
    fewest = desks.fewest(within)
    if fewest is None:
        return ngettext(
            "For {promised} in time even {count} person is not enough.",
            "For {promised} in time even {count} people are not enough.",
            desks.staff[-1],
        ).format(promised=percent(PROMISED, 0), count=number(desks.staff[-1]))
    return ngettext(
        "For {promised} in time it takes {count} person.",
        "For {promised} in time it takes {count} people.",
        fewest,
    ).format(promised=percent(PROMISED, 0), count=number(fewest))


class _Curve:
    """The share begun within each time for the people chosen, and for the other numbers in grey."""

    def __init__(self, axes: Axes, desks: Desks) -> None:
        self.desks = desks
        above = -1.0
        for staff, shares in zip(desks.staff, desks.shares, strict=True):
            axes.plot(desks.hours, shares, color=charts.GREY, linewidth=1, alpha=0.6)
            if shares[0] - above > ROOM:
                above = shares[0]
                axes.annotate(
                    number(staff), (0, above), xytext=(-4, 0), textcoords="offset points",
                    ha="right", va="center", color=charts.MUTED, fontsize=10,
                )  # fmt: skip
        (self.line,) = axes.plot(desks.hours, desks.shares[0], color=charts.BLUE, linewidth=2.5)
        self.at = axes.axvline(0, color=charts.MUTED, linestyle=":", linewidth=1.5)
        axes.axhline(PROMISED, color=charts.MUTED, linestyle=":", linewidth=1.5)
        (self.dot,) = axes.plot([0], [0], color=charts.ORANGE, marker="o", markersize=10, zorder=4)
        self.title = axes.set_title(" ")
        axes.set_xlim(-0.6, LONGEST + 0.2)
        axes.set_ylim(0, 1.04)
        charts.share_axis(axes.yaxis)
        axes.set_xlabel(_("Working hours until work begins (number at a line: people)"))
        axes.set_ylabel(_("Share of cases begun"))

    def set(self, within: float, staff: int) -> None:
        """Put the curve of so many people and the dot at the promise."""
        share = self.desks.share(staff, within)
        self.line.set_ydata(self.desks.shares[self.desks.staff.index(staff)])
        self.at.set_xdata([within, within])
        self.dot.set_data([within], [share])
        kept = (
            _("The promise is kept: {share} begun within {within}")
            if share >= PROMISED
            else _("The promise is not kept: {share} begun within {within}")
        )
        self.title.set_text(kept.format(share=percent(share, 0), within=promise_words(within)))
