"""``python -m crmlab`` is the command ``crmlab``."""

from crmlab.cli import main

if __name__ == "__main__":
    main()
