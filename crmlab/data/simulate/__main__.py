"""``python -m crmlab.data.simulate datasets/`` writes the bundled data anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from crmlab.data.simulate import write


def main() -> None:
    """Write the data into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m crmlab.data.simulate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the datasets folder")
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
