"""Two shares a row, each with its interval, and beside them what they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.show import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The columns of the two shares with their intervals.
FIRST = ("satisfied_share", "satisfied_low", "satisfied_high")
SECOND = ("others_satisfied", "others_low", "others_high")


def draw_pairs(
    axes: Axes,
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    labels: tuple[str, str],
    beside: Sequence[str],
    heading: str,
    strong: Sequence[bool],
) -> None:
    """Draw a row of `table` as two points with intervals, the first of them from above.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    table : pandas.DataFrame
        With the columns of `FIRST` and `SECOND`.
    names : sequence of str
        What stands at the left of each row.
    labels : tuple of str
        What the first and the second points are.
    beside : sequence of str
        What stands at the right of each row, below `heading`.
    heading : str
    strong : sequence of bool
        Which of `beside` are written in full ink.
    """
    places = np.arange(len(table))[::-1]
    for shift, columns, colour, label in (
        (0.14, FIRST, charts.ORANGE, labels[0]),
        (-0.14, SECOND, charts.GREY, labels[1]),
    ):
        middle, low, high = (table[name] for name in columns)
        axes.hlines(places + shift, low, high, color=colour, linewidth=3)
        axes.scatter(middle, places + shift, color=colour, s=55, zorder=3, label=label)
    axes.set_yticks(places, [charts.wrapped(name, 24) for name in names])
    axes.set_ylim(-0.6, max(len(places), 1) - 0.4)
    axes.set_xlim(0, 1)
    charts.share_axis(axes.xaxis)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1, handletextpad=0.2
    )
    at = axes.get_yaxis_transform()
    top = len(places) - 0.32
    axes.text(1.02, top, heading, transform=at, va="bottom", fontsize=9.5)
    for place, text, full in zip(places, beside, strong, strict=True):
        colour = charts.INK if full else charts.MUTED
        axes.text(1.02, place, text, transform=at, va="center", fontsize=9.5, color=colour)
