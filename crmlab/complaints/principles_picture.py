"""The picture of the five principles by group: five panels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.principle_values import PRINCIPLES
from crmlab.complaints.principle_words import principle_names
from crmlab.language import _, percent
from crmlab.show import charts
from crmlab.show.groups import group_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.complaints.principles_page import Principles

#: A picture shows so many groups, those of the most complaints; the table has all.
SHOWN = 14
#: Characters of a line of a group's name.
LABEL = 20


def draw_groups(page: Principles, ax: Axes | None) -> Axes:
    """Five panels side by side, a row per group, on axes that hold them."""
    groups = drawn_groups(page)
    names = [charts.wrapped(group_name(page.by, name), LABEL) for name in groups]
    row = 0.16 + 0.17 * max(len(name.splitlines()) for name in names)
    host = charts.new_axes(ax, size=(charts.SIZE[0], max(2.6, row * len(groups) + 1.7)))
    host.set_axis_off()
    box = host.get_window_extent()
    height = box.height / host.figure.dpi
    top, bottom = 0.45 / height, 0.55 / height
    left = 0.05 + 0.0115 * max(_columns(line) for name in names for line in name.splitlines())
    step = (1 - left) / len(PRINCIPLES)
    for place, name in enumerate(PRINCIPLES):
        panel = host.inset_axes((left + place * step, bottom, step * 0.84, 1 - top - bottom))
        _draw_panel(page, panel, name, groups)
        panel.set_yticks(np.arange(len(groups))[::-1], names if not place else [], fontsize=10)
    host.text(
        1, 0,
        _("Share kept, with 95% interval; dashed: all; orange: differs from the others"),
        ha="right", va="bottom", fontsize=9, color=charts.MUTED, transform=host.transAxes,
    )  # fmt: skip
    charts.set_title(host, page.title())
    return host


def _draw_panel(page: Principles, panel: Axes, name: str, groups: list[Any]) -> None:
    rows = page.table[page.table["principle"] == name]
    by_group = {_key(row[page.by]): row for _index, row in rows.iterrows()}
    drawn = pd.DataFrame([by_group[_key(group)] for group in groups])
    for place, (_index, row) in enumerate(drawn.iloc[::-1].iterrows()):
        apart = not pd.isna(row["stands_out"]) and bool(row["stands_out"])
        colour = charts.ORANGE if apart else charts.BLUE
        panel.hlines(place, row["low"], row["high"], color=colour, linewidth=1.5)
        panel.scatter(row["share"], place, color=colour, s=22, zorder=3)
    panel.axvline(page.overall.loc[name, "share"], color=charts.MUTED, linestyle="--", lw=1)
    panel.set_ylim(-0.6, len(groups) - 0.4)
    # A group without an interval still has its point.
    low, high = drawn[["low", "share"]].min().min(), drawn[["high", "share"]].max().max()
    if high != high:
        low, high = 0.0, 1.0
    ends = _round_ends(float(low), float(high))
    margin = 0.06 * (ends[1] - ends[0])
    panel.set_xlim(ends[0] - margin, ends[1] + margin)
    panel.set_xticks(ends, [percent(end, 0) for end in ends], fontsize=9)
    first, last = panel.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    panel.set_title(charts.wrapped(principle_names()[name], 15), fontsize=9.5, pad=5)


def drawn_groups(page: Principles) -> list[Any]:
    """The groups of the picture, in the order of the table: those of the most complaints."""
    groups = page.table[[page.by]].drop_duplicates()[page.by]
    if len(groups) <= SHOWN:
        return list(groups)
    most = page.table.groupby(page.by, dropna=False, sort=False)[["complaints"]].max()
    chosen = set(map(_key, most["complaints"].nlargest(SHOWN).index))
    return [name for name in groups if _key(name) in chosen]


def _columns(text: str) -> int:
    """Width of a line in Latin characters; a Chinese one counts as two."""
    return sum(2 if ord(letter) > 255 else 1 for letter in text)


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """The tens of a percentage between which these two lie, between 0 and 1."""
    begin, end = np.floor(low * 10) / 10, np.ceil(high * 10 - 1e-9) / 10
    if end - begin < 0.05:
        begin, end = (begin - 0.1, end) if begin > 0 else (begin, end + 0.1)
    return float(round(begin, 1)), float(round(end, 1))


def _key(value: Any) -> Any:
    return "" if pd.isna(value) else value
