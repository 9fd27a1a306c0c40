"""The record: an append-only journal of events in SQLite, fsynced before it acknowledges.

`codec` turns events into rows and back, `chain` links the rows by hash, `driver` is the one door to
SQLite, `schema` makes and opens the file, `store` writes, `reader` reads, `replay` folds, `verify`
proves, `measure` times, `lock` keeps a second daemon out. Policy is not known here: what is decided
about an event is in `core`. Importing this package loads nothing; import the module that is meant.
"""
