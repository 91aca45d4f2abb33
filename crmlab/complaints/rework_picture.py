"""The picture of the flow of cases between stages: boxes from top to bottom, and arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.moves import ORDER, REOPEN
from crmlab.complaints.steps import stage_name
from crmlab.language import _, number
from crmlab.show import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Half the width of a box, and half its height, where stages are one apart.
HALF_WIDTH, HALF_HEIGHT = 1.0, 0.27
#: So many moves at most are drawn, the commonest.
MOST_DRAWN = 14


def draw(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the moves of a table of `rework`."""
    shown = table.sort_values("moves", ascending=False, kind="stable").head(MOST_DRAWN)
    names = set(shown["origin"]) | set(shown["destination"])
    order = [stage for stage in (*ORDER, REOPEN) if stage in names]
    places = {stage: -float(place) for place, stage in enumerate(order)}
    for stage, y in places.items():
        _box(axes, stage_name(stage), y)
    most = max(float(shown["moves"].max()), 1.0) if len(shown) else 1.0
    for _index, row in shown.iterrows():
        start, end = places[row["origin"]], places[row["destination"]]
        width = 1.0 + 5.0 * float(row["moves"]) / most
        colour = charts.ORANGE if end > start else charts.BLUE
        _arrow(axes, start, end, width, colour, number(row["moves"]))
    axes.set_xlim(-3.4, 3.4)
    axes.set_ylim(-len(order) + 0.5, 0.5)
    axes.set_axis_off()
    axes.text(
        3.35,
        0.45,
        _("orange: to an earlier stage"),
        color=charts.ORANGE,
        ha="right",
        va="top",
        fontsize=10,
    )


def _box(axes: Axes, name: str, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (-HALF_WIDTH, y - HALF_HEIGHT), 2 * HALF_WIDTH, 2 * HALF_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor="white",
            edgecolor=charts.MUTED, linewidth=1.2,
        )
    )  # fmt: skip
    axes.text(0, y, name, ha="center", va="center")


def _arrow(axes: Axes, start: float, end: float, width: float, colour: str, label: str) -> None:
    """Down to the next box straight, back in an arc at the right, past a box at the left."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    style = f"-|>,head_length={2 + width:.1f},head_width={1.5 + width / 2:.1f}"
    if start - end == 1:
        top, bottom = start - HALF_HEIGHT, end + HALF_HEIGHT
        path = Path([(0, top), (0, bottom)], [Path.MOVETO, Path.LINETO])
        at, side = (0.22, (top + bottom) / 2), "left"
    else:
        sign = 1.0 if end >= start else -1.0
        reach = sign * (HALF_WIDTH + 0.9 + 0.35 * abs(start - end))
        edge, shift = sign * HALF_WIDTH, 0.1 * np.sign(end - start)
        corners = [
            (edge, start + shift),
            (2 * reach - edge, (start + end) / 2),
            (edge, end - shift),
        ]
        path = Path(corners, [Path.MOVETO, Path.CURVE3, Path.CURVE3])
        at, side = (reach + 0.1 * sign, (start + end) / 2), "left" if sign > 0 else "right"
    axes.add_patch(
        FancyArrowPatch(
            path=path, arrowstyle=style, color=colour, linewidth=width, shrinkA=0, shrinkB=0,
            fill=False, joinstyle="miter",
        )
    )  # fmt: skip
    axes.text(*at, label, ha=side, va="center", color=colour, fontsize=10)
