"""A model of GitHub to play with: `python -m tests.github_model FOLDER`, until interrupted, or with
`--until-eof` until its input ends: whoever started it has.

It says where it listens, and writes the App's key and everybody's tokens into the folder.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from tests.github_model.conversation import Hub, hub_at


def card(hub: Hub, key: Path) -> str:
    """What a client needs to know."""
    people = (hub.ann, hub.alice, hub.bob, hub.mallory)
    lines = [
        f"api_url = {hub.url}",
        f"graphql = {hub.url}/graphql",
        f"git = {hub.git_url}",
        f"repo = {hub.repo.full_name}",
        f"app_id = {hub.app.id}",
        f"installation = {hub.installation.id}",
        f"private_key_file = {key}",
        f"webhook_secret = {hub.hooks.secret}",
        *(f"token of {one.account.login} = {one.token}" for one in people),
    ]
    return "\n".join(lines) + "\n"


async def serve(folder: Path, *, until_eof: bool) -> None:
    """Serve until cancelled, or until the input ends."""
    async with hub_at(folder / "repositories", shutil.which("git") or "git") as hub:
        key = folder / "app.pem"
        key.write_text(hub.private_key, encoding="utf-8")
        key.chmod(0o600)
        text = card(hub, key)
        (folder / "card.txt").write_text(text, encoding="utf-8")
        sys.stdout.write(text)
        sys.stdout.flush()
        await (asyncio.to_thread(sys.stdin.read) if until_eof else asyncio.Event().wait())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[1]).resolve(), until_eof="--until-eof" in sys.argv))
