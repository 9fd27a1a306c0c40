"""The record: an append-only journal of events in SQLite, fsynced before it acknowledges.

`codec` turns events into rows and back, `chain` links the rows by hash, `driver` is the one door to
SQLite, `schema` makes and opens the file, `store` writes, `reader` reads, `replay` folds, `verify`
proves, `measure` times, `lock` keeps a second daemon out. `compact` moves old rows into
files of `archive`, `transfer` exports and imports, `disk` asks whether a disk is well.
`snapshot` is the world as bytes, `checkpoint` a file of it; `restart` finds the state from the
newest one, `proof` proves what that left out, `difference` tells two states apart, `collector`
holds Python's garbage collector back meanwhile. `beads` keeps tables of where each bead stands,
`queries` asks them, `lookup` finds by key.
Policy is not known here: what is decided about an event is in `core`. Importing this package loads
nothing; import the module that is meant.
"""
