"""What the wheel carries besides the package: notebooks, the bundled company, what to look up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Folder to what of it is carried, into a folder of the package with an underscore before its name.
#: Never "exercises": that is the instructor's source, with solutions.
CARRIED = {
    "notebooks": ["**/*"],
    "datasets": ["**/*"],
    "docs": ["mapping.md", "data_dictionary*.md", "mappings/*.toml"],
}
LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


class CarryTeachingMaterial(BuildHookInterface):
    """Copy notebooks/ and datasets/ into the wheel; an editable install finds them in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name every file to carry, before the wheel is written."""
        if version == "editable":
            return
        for folder, patterns in CARRIED.items():
            source = Path(self.root, folder)
            for path in sorted(path for pattern in patterns for path in source.glob(pattern)):
                inside = path.relative_to(source)
                if path.is_file() and not LEFT_OUT & set(inside.parts):
                    target = f"crmlab/_{folder}/{inside.as_posix()}"
                    build_data["force_include"][str(path)] = target
