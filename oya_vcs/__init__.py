"""oya-vcs: runs many coding agents on a jj repository and lands what they make.

This file says the version and nothing else, so that importing the package costs nothing.
"""

__version__ = "0.1.0"
