"""The escort: a small process between the reaper and an agent that is to be spoken to.

Started by the reaper in place of the agent, as `python -I -S .../escort/__main__.py ERRAND PROGRAM
ARGUMENT…`; it starts the agent itself, holds the other end of its standard input and output, and
speaks with it in its own tongue. All that the reaper promises of a run holds for both. It must not
know the rest of the package: it imports the standard library only. It stands outside of the
sandbox, where there is one: an agent in it can neither stop nor trace the escort, nor write its
report.

What it says on its standard output is the log of the attempt: what the agent does, in words. That
is the agent's progress, too: the escort says nothing by itself to make time pass. What it learned
for the daemon (`report.py`) is a file beside the run, replaced as a whole.

It ends with 0 when the agent says that it has finished: that is all that 0 means. It ends with 1
when the agent fails, refuses, breaks its protocol or the limits; then the report says why. SIGTERM
is passed on in the agent's own words, as a wish to cancel; the reaper sees to the rest.

`errand.py` is what it is asked, `child.py` the agent's process, `acp.py` a conversation in the
Agent Client Protocol, `permits.py` what it answers when the agent asks for leave, `dialects.py` the
lines that well-known programs print, `telling.py` the log, `run.py` the loop. `attending.py`,
`opencode.py`, `web.py` and `frames.py` are a session on an opencode server, from the loop down to
the bytes.
"""
