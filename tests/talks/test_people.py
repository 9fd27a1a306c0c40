"""Who is who: accounts change their names, and names change hands."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.talks.listener import Listener


@pytest.mark.chaos
async def test_who_takes_a_delegates_name_gets_none_of_his_rights(oya: Listener, hub: Hub) -> None:
    """The account that it was delegated to may approve it, whatever that is called by now; who has
    taken its name may not."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya delegate=nobody"), "nobody is called nobody")
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya delegate=mallory"), "may approve it")
        hub.mallory.renames("mal")
        thief = hub.person("mallory", "read")
        oya.later()
        await oya.hears(thief.comments(pull, "@oya r+"), "mallory may not say r+ here")
        oya.later()
        hub.mallory.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_who_loses_the_right_cannot_use_it_any_more(oya: Listener, hub: Hub) -> None:
    """What somebody may do is asked when it matters."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        hub.repo.roles[hub.bob.account.id] = "triage"
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya r+"), "It takes write permission")
        await oya.hears(hub.bob.comments(pull, "@oya try"), "The trial passed")
        assert not pull.merged
