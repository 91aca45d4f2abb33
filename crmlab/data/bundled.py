"""Where the bundled data are."""

from __future__ import annotations

from pathlib import Path

from crmlab.errors import SourceNotFound
from crmlab.language import _


def datasets_folder() -> Path:
    """Folder of the bundled data: beside the package in a checkout, inside it once installed.

    Raises
    ------
    SourceNotFound
        If neither is there.

    Examples
    --------
    >>> (datasets_folder() / "effects.toml").exists()
    True
    """
    package = Path(__file__).parents[1]
    for folder in (package.parent / "datasets", package / "_datasets"):
        if (folder / "effects.toml").exists():
            return folder
    raise SourceNotFound(
        _(
            "The bundled data were not found beside or inside {package}. Install crmlab again."
        ).format(package=package)
    )
