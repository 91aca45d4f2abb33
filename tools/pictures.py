"""Draw the pictures of the README from the bundled data.

python tools/pictures.py
"""

from __future__ import annotations

from pathlib import Path

import crmlab
from crmlab.language import set_language
from crmlab.show.display import picture_of

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def main() -> None:
    """Write ``docs/pictures/*.png``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    crm = crmlab.load()
    (FOLDER / "layers.png").write_bytes(picture_of(crmlab.tiering.layers(crm)))
    set_language("zh_CN")
    (FOLDER / "segments_zh_CN.png").write_bytes(picture_of(crmlab.tiering.rfm_segments(crm)))


if __name__ == "__main__":
    main()
