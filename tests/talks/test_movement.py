"""What moves while it waits: heads, branches, the target, and what is merged or closed by hand."""

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
async def test_somebody_pushes_to_the_target_meanwhile(oya: Listener, hub: Hub) -> None:
    """What was tested on the old target is built and tested again on the new one; nothing of
    either is lost."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        pushed = await hub.ann.pushes_to("main", {"b.txt": "B"})
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: pull.merged)
        landed = await hub.repo.bare.commit(await hub.target())
        assert landed.parents == (pushed, pull.head_sha)
        assert {"a.txt", "b.txt"} <= set(await hub.files())
        assert landed.sha in hub.ci.built


@pytest.mark.parametrize("what", ["title", "draft", "retarget"])
@pytest.mark.chaos
async def test_what_is_not_what_was_approved_any_more_waits(
    oya: Listener, hub: Hub, what: str
) -> None:
    """An edited title, a draft, another branch: one notice with the reason, and nothing lands."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        await hub.ann.moves("other", await hub.target())
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        oya.later()
        if what == "title":
            await hub.alice.rewrites(pull, title="Something else")
        elif what == "draft":
            hub.alice.drafts(pull)
        else:
            await hub.alice.retargets(pull, "other")
        await oya.until(lambda: [one for one in oya.answers(pull) if "No longer" in one])
        await oya.passes_all()
        await oya.until(lambda: "testing" not in oya.status(pull))
        assert not pull.merged
        assert len(oya.answers(pull)) == 2


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


@pytest.mark.chaos
async def test_the_target_is_deleted_and_comes_back(oya: Listener, hub: Hub) -> None:
    """GitHub closes what was to land there: it leaves with that reason, and its tests mean nothing
    any more. Opened again, and approved again, it lands."""
    hub.ci.way = Ci.HELD
    hub.repo.rules.clear()
    hub.protects(checks=("test",), allow_delete=True, bypass=frozenset({"ann"}))
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        tip = await hub.target()
        oya.later()
        await hub.ann.moves("main", None)
        await oya.until(lambda: "closed" in oya.status(pull))
        await hub.ann.moves("main", tip)
        await oya.passes_all()
        oya.later()
        await hub.alice.reopens(pull)
        hub.ci.way = Ci.GREEN
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_what_is_forced_in_its_place_while_it_is_tested_does_not_land(
    oya: Listener, hub: Hub
) -> None:
    """Another history of the branch, within the second of the approval: the approved commit lands
    or nothing does."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        old = pull.head_sha
        oya.later()
        hub.bob.comments(pull, f"@oya r+ {old}")
        await oya.until(hub.ci.waiting)
        new = await hub.alice.pushes(pull, {"evil.txt": "evil"}, force=True)
        await oya.until(lambda: [one for one in oya.answers(pull) if "No longer" in one])
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: "waiting" in oya.status(pull))
        assert set(await hub.files()) == {"README"}
        oya.later()
        hub.bob.comments(pull, f"@oya r+ {new}")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_a_fork_that_is_deleted_stops_nobody(oya: Listener, hub: Hub) -> None:
    """What was approved before lands from the commits that GitHub keeps; the next one, too."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.mallory.opens({"a.txt": "A"}, fork=True)
        other = await hub.alice.opens({"b.txt": "B"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        hub.mallory.deletes_fork()
        hub.bob.comments(other, "@oya r+")
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: pull.merged and other.merged)
        assert {"a.txt", "b.txt"} <= set(await hub.files())


@pytest.mark.chaos
async def test_what_is_closed_and_opened_again_has_to_be_approved_again(
    oya: Listener, hub: Hub
) -> None:
    """It left with its approval; nothing of that comes back by itself."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        oya.later()
        hub.alice.closes(pull)
        await oya.until(lambda: "Closed by " in oya.status(pull))
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        oya.later()
        await hub.alice.reopens(pull)
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya status"), "Closed by ")
        assert not pull.merged
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_a_target_that_is_set_back_gets_nothing_back_from_us(oya: Listener, hub: Hub) -> None:
    """What somebody took out of it while the next one was tested is not brought back by that: the
    queue waits, and says why and what to do."""
    async with oya.listens():
        first = await hub.target()
        taken = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(taken, "@oya r+")
        await oya.until(lambda: "landed" in oya.status(taken))
        hub.ci.way = Ci.HELD
        pull = await hub.alice.opens({"b.txt": "B"}, on=first)
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        await hub.ann.moves("main", first, force=True)
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: "paused" in oya.status(pull) and "backwards" in oya.status(pull))
        assert set(await hub.files()) == {"README"}
    await oya.clone.takes("main")
    async with oya.listens():
        await oya.until(lambda: pull.merged)
        assert set(await hub.files()) == {"README", "b.txt"}


@pytest.mark.chaos
async def test_what_the_target_holds_already_is_neither_hung_nor_failed(
    oya: Listener, hub: Hub
) -> None:
    """Somebody pushed the same: it counts as landed where that is, once its checks have passed."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        there = await hub.ann.pushes_to("main", {"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "landed" in oya.status(pull))
        assert "held it already" in oya.status(pull)
        assert await hub.target() == there
