"""How long a move of an explorer takes in the kernel: from a control's new value to new outputs.

Every explorer that a chapter exports (its name starts with ``explore_``) is shown in a plain
IPython shell, and each of its controls is moved over its whole range. A move is timed from setting
the value to the end of its callbacks: computing, drawing, PNG, sentence, handing the outputs over.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

#: Moves of every control.
MOVES = 20

#: Chapters whose explorers are moved.
CHAPTERS = ("complaints", "loyalty", "satisfaction", "tiering")
#: Explorers that must be there, so that none is forgotten in silence.
EXPECTED = (
    "complaints.explore_staffing",
    "loyalty.explore_clv",
    "loyalty.explore_loyalty_weights",
    "loyalty.explore_points",
    "satisfaction.explore_kano",
    "satisfaction.explore_sample_size",
    "satisfaction.explore_smoothing",
    "satisfaction.explore_weights",
    "satisfaction.explore_what_if",
    "tiering.explore_thresholds",
    "tiering.explore_top_share",
    "tiering.explore_waits",
)


def moves() -> dict[str, list[float]]:
    """Seconds of every move, by explorer; those that were expected and are not there have none."""
    import crmlab

    shell = _shell()
    crm = crmlab.load()
    found: dict[str, list[float]] = {name: [] for name in EXPECTED}
    for chapter in CHAPTERS:
        module = getattr(crmlab, chapter)
        for name, explore in _explorers(module):
            found[f"{chapter}.{name}"] = _timed(shell, explore, _given(module, explore, crm))
    return found


def _shell() -> Any:
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance(display_pub_class=CapturingDisplayPublisher)


def _explorers(chapter: ModuleType) -> Iterator[tuple[str, Callable[..., None]]]:
    for name in chapter.__all__:
        if name.startswith("explore_"):
            yield name, getattr(chapter, name)


def _given(chapter: ModuleType, explore: Callable[..., None], crm: Any) -> tuple[Any, ...]:
    """What an explorer is called with: the workspace, or a Result, which knows its measure."""
    kinds = [
        explore.__annotations__[name]
        for name, parameter in inspect.signature(explore).parameters.items()
        if parameter.default is parameter.empty
    ]
    if not kinds or kinds == ["Workspace"]:
        return (crm,) * len(kinds)
    (kind,) = kinds
    result_type = getattr(sys.modules[explore.__module__], kind)
    _chapter, _dot, measure = result_type.measure.partition(".")
    return (getattr(chapter, measure)(crm),)


def _timed(shell: Any, explore: Callable[..., None], given: tuple[Any, ...]) -> list[float]:
    controls = _controls(explore, given)
    took = []
    for control in controls:
        for value in _values(control):
            shell.display_pub.outputs.clear()
            began = time.perf_counter()
            control.value = value
            took.append(time.perf_counter() - began)
            # A callback that fails is shown by its Output widget and raises nothing here.
            shown = [output["data"] for output in shell.display_pub.outputs]
            if not any("image/png" in data for data in shown):
                raise RuntimeError(f"{explore.__name__} drew nothing when moved to {value}")
    return took


def _controls(explore: Callable[..., None], given: tuple[Any, ...]) -> list[Any]:
    """The explorer's controls, caught on their way to ipywidgets."""
    import ipywidgets

    caught: list[Any] = []
    original = ipywidgets.interactive_output

    def catching(function: Callable[..., None], controls: dict[str, Any]) -> Any:
        caught.extend(controls.values())
        return original(function, controls)

    ipywidgets.interactive_output = catching
    try:
        explore(*given)
    finally:
        ipywidgets.interactive_output = original
    if not caught:
        raise RuntimeError(f"{explore.__name__} shows no control")
    return caught


def _values(control: Any) -> list[Any]:
    """Values over a control's range, from its least to its greatest, to and fro if they are few."""
    if hasattr(control, "options"):
        there = [option[1] if isinstance(option, tuple) else option for option in control.options]
    elif isinstance(control.value, bool):
        there = [not control.value, control.value]
    else:
        steps = round((control.max - control.min) / control.step)
        there = [control.min + step * control.step for step in range(steps + 1)]
    if len(there) >= MOVES:
        values = [there[turn * (len(there) - 1) // (MOVES - 1)] for turn in range(MOVES)]
    else:
        values = ([*there, *there[-2:0:-1]] * MOVES)[:MOVES]
    # A control that is given the value it has does not move.
    before = [control.value, *values]
    return [value for value, last in zip(values, before, strict=False) if value != last]
