"""What the reaper starts: finds the package that this file is in, for isolated mode finds none.

At the end of the path, so that nothing that is installed beside the package stands before the
standard library. Must not know what the escort does.
"""

import sys

if __name__ == "__main__":
    sys.path.append(__file__.rsplit("/", 4)[0])
    from oya_vcs.adapters.escort.run import main

    sys.exit(main(sys.argv[1], sys.argv[2:]))
