"""crmlab: customer relationship management in logistics, measured.

The face of the package: `load` the tables, `start` a notebook, `show` a result, `set_language`,
and the chapters (`crmlab.tiering` …). Everything is imported when it is first used, so that
``import crmlab`` costs little.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmlab import complaints, loyalty, satisfaction, tiering
    from crmlab.data.sources import load
    from crmlab.errors import CrmlabError
    from crmlab.language import set_language
    from crmlab.show.display import show, start

__all__ = [
    "CrmlabError",
    "complaints",
    "load",
    "loyalty",
    "satisfaction",
    "set_language",
    "show",
    "start",
    "tiering",
]

__version__ = _version("crmlab")

_HOMES = {
    "CrmlabError": "crmlab.errors",
    "load": "crmlab.data.sources",
    "set_language": "crmlab.language",
    "start": "crmlab.show.display",
}
# `crmlab.show` is a package and, called, shows a result.
_MODULES = ("complaints", "loyalty", "satisfaction", "show", "tiering")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"crmlab.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crmlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
