"""Workers of every kind: who carries out `RunWorker`, and what each of them is given.

`[worker] kind` says which. `brief` is what all get; `command` runs a program, `programs` finds it;
`granting` is what a worker may reach beyond its workspace. A kind is one class that is a
`ports.Performer` for `RunWorker`, and `bootstrap/edges.py` is alone in choosing it. Each of them

- says `WorkerSpawned` through `report` before its agent begins, with a process that ends with it;
- writes what the agent says to the log of the attempt, without secrets: that is its progress, by
  which silence is judged (`core/clocks.py`; under the reaper this comes by itself);
- says what the agent used so far as `UsageCounted`, at most every few seconds, and at the end in
  `WorkerFinished`;
- settles with `WorkerFinished` when nothing of the agent runs any more. An agent's word that it
  succeeded only means that its result is looked at.

Must not know jj, the journal, or what follows from an attempt's end.
"""
