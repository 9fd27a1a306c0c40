"""The merge-queue bot: the web application that speaks to GitHub and to people's browsers.

What belongs here: receiving webhooks (check the signature and the size, translate into facts),
writing replies from `templates/replies`, serving the page and its API. It offers facts to the
engine and reads what the engine published.

What may not enter: decisions (they are `oya_vcs.core`'s), writing to the record, starting
programs, jj or git, and any import of `oya_vcs.adapters`, `oya_vcs.journal` or `oya_vcs.runtime`;
`oya_vcs.bootstrap` hands the bot what it needs. Nothing below bootstrap imports the bot.
"""
