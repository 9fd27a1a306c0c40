"""The whole daemon under one seed: the real tree, engine, outbox, reconciler and codec on virtual
time, over a disk, workers and a forge that fail as a plan says (docs/SIMULATION.md).

Puts parts together as `bootstrap` does; must not know jj, processes, sockets or real time.
"""
