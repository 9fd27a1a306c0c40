"""The way to a provider of models that does not lead through its key: workers speak to a gateway on
this machine, each attempt with a token of its own, and the gateway speaks to the provider.

`passes` gives the tokens out and takes them back; `routes` knows what may be asked of whom; `meter`
reads what an answer used; `limits` what may be asked how often; `relay` passes requests and answers
on; `answers` is what the gateway says itself. docs/adr/0019-gateway.md has the reasons.

Must not know beads beyond their names, workers, how the gateway is served, or the journal.
"""
