"""How results are shown: `Result`, the house style of charts, explorers.

The package can be called: ``crmlab.show(result)`` is `crmlab.show.display.show`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Show(ModuleType):
    # Importing crmlab.show.result binds the name `show` of crmlab to this module, so a function
    # of the same name in crmlab would be lost: the module itself answers the call.
    def __call__(self, *args: Any, **options: Any) -> None:
        from crmlab.show.display import show

        show(*args, **options)


sys.modules[__name__].__class__ = _Show
