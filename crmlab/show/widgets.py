"""Explorers: a picture that answers to controls in JupyterLab and still reads without a kernel."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlab.language import _, set_close
from crmlab.show.charts import house_style, png
from crmlab.show.display import bundle, words_bundle

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure


def explorer(
    figure: Figure,
    move: Callable[..., None],
    words: Callable[..., str],
    controls: Mapping[str, Widget],
) -> None:
    """Show controls over a picture that follows them.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn once; `move` changes its artists.
    move : callable
        Takes the controls' values by name and updates the figure's artists.
    words : callable
        Takes the same values and says what the picture shows; it is also the picture's text.
    controls : mapping of str to ipywidgets.Widget
        By the names of the arguments.

    Notes
    -----
    The picture and its sentence are ordinary outputs that are updated in place, so they stand at
    their defaults in a notebook without a kernel and in a report, where the controls do not work.
    """
    from IPython.display import display
    from ipywidgets import VBox, interactive_output

    values: dict[str, Any] = {name: control.value for name, control in controls.items()}
    data, metadata = _drawn(figure, move, words, values)
    # Where everything stands is settled by now; settling it again takes longer than drawing.
    figure.set_layout_engine("none")
    picture = display(data, metadata=metadata, raw=True, display_id=True)
    sentence = display(_sentence(words, values), raw=True, display_id=True)

    def follow(**now: Any) -> None:
        data, metadata = _drawn(figure, move, words, now)
        picture.update(data, metadata=metadata, raw=True)
        sentence.update(_sentence(words, now), raw=True)
        # shown among the controls, where it is not kept in the notebook
        display(_for_screen_readers(set_close(words(**now))), raw=True)

    errors = interactive_output(follow, dict(controls))
    display(_box_with_words(VBox([*controls.values(), errors])), raw=True)


def _box_with_words(box: Widget) -> dict[str, object]:
    """The controls as a display whose plain text, shown without a kernel, says what to do."""
    data = dict(box._repr_mimebundle_())
    return data | {"text/plain": _("Run this cell to move the controls.")}


def _for_screen_readers(said: str) -> dict[str, object]:
    """A script that names the sliders and describes the picture, which JupyterLab does not do."""
    script = (Path(__file__).parent / "describe.js").read_text(encoding="utf-8")
    return {"application/javascript": script.replace("SAID", json.dumps(said)), "text/plain": ""}


def _drawn(
    figure: Figure, move: Callable[..., None], words: Callable[..., str], values: Mapping[str, Any]
) -> tuple[dict[str, object], dict[str, object]]:
    move(**values)
    with house_style():
        return bundle(png(figure), set_close(words(**values)))


def _sentence(words: Callable[..., str], values: Mapping[str, Any]) -> dict[str, object]:
    return words_bundle(words(**values))
