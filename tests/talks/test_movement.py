"""What moves while it waits: heads, and what is merged or closed by hand."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import Listener


async def test_what_is_pushed_after_the_approval_does_not_land(oya: Listener, hub: Hub) -> None:
    """One notice that names what was approved; the next in line lands; what is there now lands when
    that is approved."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        other = await hub.alice.opens({"b.txt": "B"})
        old = pull.head_sha
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        hub.bob.comments(other, "@oya r+")
        await oya.until(hub.ci.waiting)
        oya.later()
        await hub.alice.pushes(pull, {"a.txt": "AA"})
        await oya.until(lambda: [one for one in oya.answers(pull) if "No longer" in one])
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: other.merged)
        assert not pull.merged
        assert "a.txt" not in await hub.files()
        notices = [one for one in oya.answers(pull) if "No longer" in one]
        assert [old in one for one in notices] == [True]
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        assert (await hub.files())["a.txt"] == "AA"


@pytest.mark.chaos
async def test_what_is_closed_leaves_and_what_is_merged_by_hand_is_found(
    oya: Listener, hub: Hub
) -> None:
    """Both end their beads with what happened; nothing is landed twice, and the next one lands."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        closed, merged, last = [await hub.alice.opens({f"{one}.txt": one}) for one in "abc"]
        oya.later()
        for one in (closed, merged, last):
            hub.bob.comments(one, "@oya r+")
        await oya.until(hub.ci.waiting)
        oya.later()
        hub.alice.closes(closed)
        await hub.ann.merges(merged)
        await oya.until(lambda: "closed" in oya.status(closed))
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: last.merged)
        await oya.until(lambda: "landed" in oya.status(merged))
        assert "a.txt" not in await hub.files()
        assert {"b.txt", "c.txt"} <= set(await hub.files())
        assert not closed.merged
