"""`python -m oya_vcs.adapters.toolbox`: makes sure that jj and git are there, and says where.

What `make setup` runs. Knows nothing of the command line of `oya-vcs`.
"""

from __future__ import annotations

import sys

from oya_vcs.adapters.toolbox import find_tools, provision
from oya_vcs.config import environment, tools_folder
from oya_vcs.errors import OyaError, WorldFailed


def main() -> int:
    """Print where jj and git are; return the exit code."""
    folder = tools_folder()
    try:
        try:
            tools = find_tools(folder, environment())
        except WorldFailed:
            provision(folder, print)
            tools = find_tools(folder, environment())
    except OyaError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(f"jj is {tools.jj}; git is {tools.git}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
