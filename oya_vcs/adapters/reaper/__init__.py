"""The reaper: a small process beside each program, so that nothing of it outlives the daemon.

Started by `adapters/process/runner.py` as `python -I -S .../reaper/__main__.py`. It must not know
the rest of the package: it imports the standard library only, and of that what starts in
milliseconds.

Its standard input is the lifeline, held open by the daemon. On it come lines: the orders as JSON
(never in argv, which everybody can read), then `go`, later perhaps `stop REASON`. Before `go` an
end of the lifeline, a stop or a signal ends the reaper without a trace. After it:

1. `started` appears in the run folder, on disk, with the room that the outcome will need;
2. the program runs in its own session: standard input /dev/null, exactly the environment of the
   orders, no other open file. Its output is copied to the log, secrets taken out of it before they
   touch the disk. At `output_bytes_max` the log ends and the program is stopped (`output_limit`);
   what it still writes is read and thrown away, so that output never blocks it. Its tree is
   measured each second: more memory or more processes than ordered stop it too;
3. when the lifeline ends (the daemon is dead), a stop is read, or SIGTERM, SIGINT or SIGHUP comes,
   every process of the tree gets SIGTERM and, `stop_ms` later, SIGKILL until none is left. When the
   program itself ends, what it left in the background has LINGER_MS to end too, and is then stopped
   the same way;
4. `started` becomes `outcome.json`, as `adapters/process/folder.py` describes it.

Every `beat_ms` the time stamp of `started` says that the reaper is there and awake.

On Linux the reaper is a child subreaper: an orphan of its tree becomes its child, whatever session
it is in, so that "no child is left" means "the tree is gone". Elsewhere (macOS) it can only stop
the program's process group. What cannot be stopped (sudo) makes the outcome `infrastructure`.

`hearing.py` is what it listens to, `program.py` the start of the program, `tree.py` the processes
that came of it, `weight.py` what they may weigh, `output.py` the log, `redaction.py` and
`shapes.py` what a secret looks like, `record.py` the files of the run, `run.py` the run itself.
"""
