"""What is taken for a word to us, from whom, and of which pull requests."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import Listener


async def test_who_may_not_write_approves_nothing(oya: Listener, hub: Hub) -> None:
    """Somebody who may only read is refused, with what it takes; nothing is built, and the word of
    somebody who may counts all the same."""
    async with oya.listens():
        pull = await hub.mallory.opens({"a.txt": "A"}, fork=True)
        oya.later()
        refused = await oya.hears(hub.mallory.comments(pull, "@oya r+"), "Not done")
        assert "write permission" in refused
        assert not hub.ci.built
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya r+"), "Approved")
        await oya.until(lambda: pull.merged)
        assert (await hub.files())["a.txt"] == "A"


async def test_a_line_after_the_other_is_obeyed_and_what_is_quoted_is_not(
    oya: Listener, hub: Hub
) -> None:
    """Two commands in one comment, each answered once, among code and quotes; what
    is not understood is answered with what was meant."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        text = "> @oya cancel\n\n`@oya cancel`\n\n@oya r+ p=1\n@oya hold\n@oya relase\n"
        said = hub.bob.comments(pull, text)
        await oya.hears(said, "Approved")
        await oya.hears(said, "It is held")
        assert "`@oya release`" in await oya.hears(said, "I do not understand this")
        await oya.until(lambda: "Held by bob" in oya.status(pull))
        assert len(oya.answers(pull)) == 3
        assert not hub.ci.built


@pytest.mark.parametrize(
    ("title", "label", "draft", "why"),
    [
        ("WIP: later", "", False, "its title says WIP"),
        ("A change", "do-not-merge", False, "it has the label do-not-merge"),
        ("A change", "", True, "it is a draft"),
    ],
)
@pytest.mark.chaos
async def test_what_is_not_to_land_as_it_is_is_refused(
    oya: Listener, hub: Hub, title: str, label: str, draft: bool, why: str
) -> None:
    """With the reason, and nothing is built."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"}, title=title, draft=draft)
        if label:
            hub.alice.labels(pull, label)
        oya.later()
        assert why in await oya.hears(hub.bob.comments(pull, "@oya r+"), "Not done")
        assert not hub.ci.built


@pytest.mark.chaos
async def test_how_people_speak_and_what_they_block_by_is_configured(
    oya: Listener, hub: Hub
) -> None:
    """Another prefix for comments and labels, other words and labels that block."""
    settings = {
        "github__prefix": "@merge-bot",
        "github__wip": ("SOON",),
        "github__blocked": ("frozen",),
    }
    async with oya.listens(**settings):
        soon = await hub.alice.opens({"a.txt": "A"}, title="SOON: a change")
        frozen = await hub.alice.opens({"b.txt": "B"}, title="WIP, but nobody minds")
        hub.alice.labels(frozen, "frozen")
        free = await hub.alice.opens({"c.txt": "C"}, title="WIP, but nobody minds")
        oya.later()
        hub.bob.comments(soon, "@oya r+")
        said = hub.bob.comments(soon, "@merge-bot r+")
        assert "its title says SOON" in await oya.hears(said, "Not done")
        said = hub.bob.comments(frozen, "@merge-bot r+")
        assert "it has the label frozen" in await oya.hears(said, "Not done")
        hub.bob.labels(free, "merge-bot:queue")
        await oya.until(lambda: free.merged)
        assert not soon.merged
        assert not frozen.merged


@pytest.mark.chaos
async def test_another_commit_than_the_one_that_is_named_is_refused(
    oya: Listener, hub: Hub
) -> None:
    """`r+` with a commit that was replaced; with the newest it lands."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        old = pull.head_sha
        oya.later()
        new = await hub.alice.pushes(pull, {"b.txt": "B"})
        oya.later()
        assert new in await oya.hears(hub.bob.comments(pull, f"@oya r+ {old}"), "Not done")
        oya.later()
        await oya.hears(hub.bob.comments(pull, f"@oya r+ {new[:12]}"), "Approved")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_only_what_somebody_wrote_to_us_is_heard(oya: Listener, hub: Hub) -> None:
    """What is written into a comment later, what we say ourselves and what names us in passing asks
    for nothing; of talk without our name GitHub is asked nothing."""
    async with oya.listens() as daemon:
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        talk = hub.bob.comments(pull, "Nice. Is @oya there? And @oyakata?")
        oya.later(10)
        hub.bob.edits(talk, "@oya r+")
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya help"), "A line that begins with")
        oya.later()
        said = await oya.hears(hub.bob.comments(pull, "@oya status"), "Nobody has approved it yet")
        assert len(oya.answers(pull)) == 2
        hub.mallory.comments(pull, said)
        assert not any("permission" in what for what, _, _ in hub.server.requests)
        assert not daemon.world.beads
