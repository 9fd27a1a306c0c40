"""The user's own jj and git, with the user's own configuration, when the user has called us: what a
revision is, what a push would push, and what is installed there.

Standard library only: `oya-vcs hook` must start at once. Must not know what becomes of any of it.
"""
