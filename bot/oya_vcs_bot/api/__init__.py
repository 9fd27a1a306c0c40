"""The API and the page: what a person, a script or a browser sees of a running daemon, and asks of
it.

Knows the daemon as a `House` (`asking.py`) that is handed in, and the state as a value; not how
that is kept, and not what follows from a wish.
"""
