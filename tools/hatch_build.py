"""What the wheel carries besides the package: the notebooks and the bundled company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = {"notebooks": "crmlab/_notebooks", "datasets": "crmlab/_datasets"}
LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


class CarryTeachingMaterial(BuildHookInterface):
    """Copy notebooks/ and datasets/ into the wheel; an editable install finds them in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name every file to carry, before the wheel is written."""
        if version == "editable":
            return
        for folder, target in CARRIED.items():
            source = Path(self.root, folder)
            for path in sorted(source.rglob("*")):
                inside = path.relative_to(source)
                if path.is_file() and not LEFT_OUT & set(inside.parts):
                    build_data["force_include"][str(path)] = f"{target}/{inside.as_posix()}"
