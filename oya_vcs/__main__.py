"""`python -m oya_vcs`: the same as the `oya-vcs` command. Knows only the command line."""

from __future__ import annotations

import sys

from oya_vcs.cli import main

if __name__ == "__main__":
    sys.exit(main())
