"""The house style of pictures: fonts that have every glyph, colours that keep their meaning.

Nothing here is applied at import. `crmlab.start` applies the style to a notebook; `house_style`
is a context for anywhere else.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FONT_FILE = Path(__file__).parent / "fonts" / "NotoSansCJKsc-Regular-subset.otf"

#: Colour-blind safe (Okabe and Ito 2008, "Color universal design"); ink passes 4.5:1 on white.
INK = "#1f2937"
MUTED = "#6b7280"
GRID = "#e5e7eb"
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREY = "#9ca3af"

#: The same layer of customers has the same colour throughout the book.
LAYER_COLOURS = {"key": ORANGE, "potential": BLUE, "general": GREY}

DPI = 110
SIZE = (7.2, 4.2)
#: Latin characters of the title's size that fit into an inch.
COLUMNS_PER_INCH = 9.5


@cache
def chinese_font() -> str:
    """Name of the bundled Chinese font, registered with matplotlib on first use."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(FONT_FILE)
    return font_manager.FontProperties(fname=FONT_FILE).get_name()


def style() -> Any:
    """The house style as matplotlib settings.

    The Chinese font follows the Latin one in ``font.family``: there matplotlib looks for each
    glyph in turn, which it does not do for a list in ``font.sans-serif``.
    """
    return {
        "font.family": ["DejaVu Sans", chinese_font()],
        "font.size": 11,
        "axes.titlesize": 13,
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
        "figure.titlesize": 13,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.unicode_minus": True,
        "grid.color": GRID,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "figure.figsize": SIZE,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "legend.frameon": False,
        "lines.linewidth": 2,
    }


@contextmanager
def house_style() -> Iterator[None]:
    """The house style inside a ``with`` block, and nothing changed after it."""
    import matplotlib as mpl

    with mpl.rc_context(style()):
        yield


def new_axes(ax: Axes | None = None, *, size: tuple[float, float] = SIZE) -> Axes:
    """`ax` itself, or the axes of a new figure that pyplot does not keep."""
    if ax is not None:
        return ax
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes, without the date and version that would change from run to run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    # What savefig() would do, without drawing once more to find out what it need not know.
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def set_title(ax: Axes, title: str) -> None:
    """The computed title, over the whole width of a picture that has only these axes."""
    figure: Any = ax.get_figure()
    # Two sums of money in dollars are no formula.
    if len(figure.axes) > 1:
        ax.set_title(title, parse_math=False)
        return
    # Over the axes alone a title is cut off where long labels leave them little width.
    columns = int(figure.get_size_inches()[0] * COLUMNS_PER_INCH)
    figure.suptitle(wrapped(title, columns), x=0.01, ha="left", parse_math=False)


def share_axis(axis: Axis) -> None:
    """Write the ticks of a drawn axis as percentages, with a decimal where they are close."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=1 if high - low < 0.06 else 0))


def date_axis(axis: Axis, *, ticks: tuple[int, int] = (3, 7)) -> None:
    """Write an axis of days as months, with at least and at most so many ticks."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axis.set_major_locator(AutoDateLocator(minticks=ticks[0], maxticks=ticks[1]))
    axis.set_major_formatter(DateFormatter("%Y-%m"))


def wrapped(text: str, width: int) -> str:
    r"""`text` broken into lines of at most `width` Latin characters; a Chinese one counts as two.

    Examples
    --------
    >>> wrapped("one two three", 8)
    'one two\nthree'
    """
    from rich.console import Console
    from rich.text import Text

    return "\n".join(line.plain.rstrip() for line in Text(text).wrap(Console(), width))
