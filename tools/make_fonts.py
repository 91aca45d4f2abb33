"""Make the bundled Chinese font: a subset of Noto Sans CJK SC Regular.

    .venv/bin/python tools/make_fonts.py NotoSansCJK-Regular.ttc

The source is the collection of Noto Sans CJK 2.004 (Debian: package fonts-noto-cjk) or the single
OpenType font NotoSansCJKsc-Regular.otf of the same release. The same source and the same fontTools
give the same bytes. The family gets a name of its own, so that a chart is drawn with this font
whether or not the reader's system has the full one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

OUTPUT = Path(__file__).parents[1] / "crmlab/show/fonts/NotoSansCJKsc-Regular-subset.otf"
SOURCE_FAMILY = "Noto Sans CJK SC"
FAMILY = "Noto Sans CJK SC Subset"
POSTSCRIPT_NAME = "NotoSansCJKsc-Regular-subset"
RANGES = [
    (0x0020, 0x007E),  # ASCII
    (0x00A0, 0x00FF),  # Latin-1
    (0x0391, 0x03C9),  # Greek letters
    (0x2010, 0x203B),  # general punctuation
    (0x2460, 0x2473),  # circled numbers
    (0x3000, 0x301F),  # CJK punctuation
    (0xFF01, 0xFF5E),  # fullwidth forms
    (0xFFE0, 0xFFE6),  # fullwidth currency signs
]
SIGNS = "€™℃№←↑→↓↔−√∑∏∞∈∩∪∫∝∠≈≠≡≤≥■□▲△▼▽◆◇○●★☆✓"


def gb2312_hanzi() -> str:
    """All 6,763 Chinese characters of GB 2312: level 1 (rows 16-55) and level 2 (rows 56-87)."""
    pairs = (bytes([row + 0xA0, cell + 0xA0]) for row in range(16, 88) for cell in range(1, 95))
    return "".join(pair.decode("gb2312", errors="ignore") for pair in pairs)


def wanted_characters() -> set[str]:
    """Every character the bundled font should draw."""
    ranges = {chr(code) for first, last in RANGES for code in range(first, last + 1)}
    return ranges | set(SIGNS) | set(gb2312_hanzi())


def open_source(path: Path) -> TTFont:
    """Open the Simplified Chinese font in a collection, or a single font."""
    if path.suffix.lower() not in {".ttc", ".otc"}:
        return TTFont(path, recalcTimestamp=False)
    for number, font in enumerate(TTCollection(path, lazy=True).fonts):
        if font["name"].getDebugName(1) == SOURCE_FAMILY:
            return TTFont(path, fontNumber=number, recalcTimestamp=False)
    raise SystemExit(f"{path}: no font of the family {SOURCE_FAMILY!r} in this collection")


def reduce(font: TTFont) -> None:
    """Keep the wanted characters and what is needed to draw them one by one."""
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    options.notdef_outline = True
    reducer = subset.Subsetter(options)
    reducer.populate(text="".join(sorted(wanted_characters())))
    reducer.subset(font)


def rename(font: TTFont) -> None:
    """Give the subset its own family and PostScript name; copyright and licence lines stay."""
    names = font["name"]
    names.names = [record for record in names.names if record.langID == 0x409]
    identifier = f"{names.getDebugName(3)};subset"
    for name_id, text in {1: FAMILY, 3: identifier, 4: FAMILY, 6: POSTSCRIPT_NAME}.items():
        names.setName(text, name_id, 3, 1, 0x409)
    compact = font["CFF "].cff
    compact.fontNames = [POSTSCRIPT_NAME]
    compact[0].FamilyName = FAMILY
    compact[0].FullName = FAMILY


def main() -> None:
    """Read the arguments and write the subset."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "source", type=Path, help="NotoSansCJK-Regular.ttc or NotoSansCJKsc-Regular.otf"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    font = open_source(arguments.source)
    reduce(font)
    rename(font)
    font.save(arguments.output, reorderTables=True)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {len(font.getBestCmap()):,} characters, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
