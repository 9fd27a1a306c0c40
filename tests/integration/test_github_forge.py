"""The GitHub forge on the model of GitHub: what goes wrong on the way, and what is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.github import (
    App,
    Github,
    GithubRemote,
    Notices,
    Person,
    Poller,
    UserToken,
    Wire,
    clock_of,
    look,
    ourselves,
)
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.adapters.github.people import by_number, level_of, who_labelled
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.pulls import CommentSeen, Level, PullSeen, Reply, TellStatus
from oya_vcs.ports import Refusal, Refused
from oya_vcs_bot.translate import Translator
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.faults import Fault
from tests.github_model.records import Pull

COMMENT = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
GRAPHQL = "POST /graphql"
PATCH = "PATCH /repos/{owner}/{repo}/git/refs/{ref}"
READ = "GET /repos/{owner}/{repo}/git/ref/{ref}"
TAG = "abcdef"


class BareRemote:
    """The model's bare repository as `ports.Remote`, to look at and not to push to."""

    name = "origin"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def tip(self, branch: str) -> CommitId | Refused | None:
        found = await self._hub.repo.bare.ref(f"refs/heads/{branch}")
        return None if found is None else CommitId(found)

    async def fetch(self, branch: str) -> CommitId | Refused | None:
        return await self.tip(branch)

    async def push(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        raise AssertionError(branch)


class Oya:
    """What the adapter is made of, with a clock on which waiting takes no time."""

    def __init__(self, hub: Hub) -> None:
        self.clock = ManualClock(hub.github.clock.now_ms())
        self.wire = Wire(hub.url, self.clock)
        repo = hub.repo.full_name
        key = hub.private_key
        self.app = App(self.wire, hub.github.clock, app_id=hub.app.id, key=key, repo=repo)
        self.api = Github(self.wire, self.app, repo, self.clock)
        self.remote = GithubRemote(self.api, BareRemote(hub), self.clock)
        self.notices = Notices(self.api, _render, who=self._who, own_app=hub.app.id, home_tag=TAG)
        self._translator = Translator(repo=RepoId("r"), name=repo, app_id=hub.app.id)
        self.told: list[e.Event] = []

    async def _who(self) -> Person:
        return await ourselves(self.api, "oya")

    def understand(self, kind: str, payload: dict[str, object]) -> Sequence[e.Event]:
        return self._translator.read(kind, payload).facts

    def poller(self, *live: str, since_ms: int = 0) -> Poller:
        async def offer(facts: Sequence[e.Event]) -> None:
            self.told.extend(facts)

        async def needed() -> list[ChangeId]:
            return [ChangeId(one) for one in live]

        return Poller(
            self.api,
            understand=self.understand,
            offer=offer,
            live=needed,
            home_tag=TAG,
            clock=self.clock,
            poll_ms=60_000,
            since_ms=since_ms,
            app=self.app,
        )


def _render(template: str, fields: Any) -> str:
    return f"{template}: {fields.get('sentence', '')}"


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model of GitHub."""
    async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
        yield hub


@pytest_asyncio.fixture
async def oya(hub: Hub) -> AsyncIterator[Oya]:
    """The adapter, as the App."""
    oya = Oya(hub)
    yield oya
    await oya.wire.close()


async def candidate(hub: Hub) -> tuple[CommitId, CommitId]:
    """The target, and a commit on it that GitHub has."""
    base = await hub.target()
    commit = await hub.ann.commits({"new.txt": "n"}, on=base, message="Land", repo=hub.repo)
    await hub.ann.moves("oya/queue/x", commit)
    return CommitId(base), CommitId(commit)


# --- Landing --------------------------------------------------------------------------------------

FAULTS = [one for one in Fault if one not in {Fault.DELAY, Fault.STALE, Fault.PRIMARY}]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
@pytest.mark.parametrize("times", [1, 2])
async def test_whatever_goes_wrong_the_target_moves_once(
    hub: Hub, oya: Oya, fault: Fault, times: int
) -> None:
    """Before it is done, after it, without an answer, refused by a limit, by a token or for a
    moment: the push ends with the target at the commit, and it was moved once."""
    base, commit = await candidate(hub)
    moves: list[str | None] = []

    async def note(_repo: Any, move: Any) -> None:
        if move.ref == "refs/heads/main":
            moves.append(move.new)

    hub.github.on_move.append(note)
    await oya.api.get(oya.api.here(""))
    hub.faults.on(GRAPHQL, fault, times=times, value=7)
    if fault is Fault.UNAUTHORISED and times == 2:
        # A token that is refused twice is not asked about a third time: PATCH does it.
        hub.faults.on(READ, Fault.FAIL_BEFORE, times=2)
    assert await oya.remote.push("main", base, commit) is None
    assert await hub.target() == commit
    assert moves == [commit]


@pytest.mark.parametrize("fault", [Fault.FAIL_AFTER, Fault.FAIL_BEFORE], ids=lambda f: f.name)
async def test_without_updaterefs_the_branch_is_patched(hub: Hub, oya: Oya, fault: Fault) -> None:
    """Where GraphQL refuses, PATCH does it after a read, and a 500 of that is read after, too."""
    base, commit = await candidate(hub)
    hub.faults.on(GRAPHQL, Fault.CONFLICT, times=5)
    hub.faults.on(PATCH, fault)
    assert await oya.remote.push("main", base, commit) is None
    assert await hub.target() == commit


async def test_a_moved_target_is_stale_and_stays(hub: Hub, oya: Oya) -> None:
    """Somebody pushed in between: refused, and what they pushed is still there."""
    base, commit = await candidate(hub)
    theirs = await hub.bob.pushes_to("main", {"theirs.txt": "t"})
    refused = await oya.remote.push("main", base, commit)
    assert isinstance(refused, Refused)
    assert refused.why is Refusal.STALE
    assert await hub.target() == theirs


async def test_a_target_that_was_set_back_is_not_moved(hub: Hub, oya: Oya) -> None:
    """Commits that somebody took off the target do not come back with ours."""
    first = await hub.target()
    await hub.bob.pushes_to("main", {"gone.txt": "g"})
    base, commit = await candidate(hub)
    await hub.ann.moves("main", first, force=True)
    refused = await oya.remote.push("main", base, commit)
    assert isinstance(refused, Refused)
    assert refused.why is Refusal.STALE
    assert await hub.target() == first


async def test_a_protected_branch_says_why(hub: Hub, oya: Oya) -> None:
    """A rule that is not fulfilled declines the landing in GitHub's own words."""
    hub.protects(checks=("test",))
    base, commit = await candidate(hub)
    hub.faults.clear()
    await hub.ci.settled()
    other = await hub.ann.commits({"u.txt": "u"}, on=base, message="Untested", repo=hub.repo)
    await hub.ann.moves("elsewhere", other)
    refused = await oya.remote.push("main", base, CommitId(other))
    assert isinstance(refused, Refused)
    assert refused.why is Refusal.DECLINED
    assert "test" in refused.said
    assert await hub.target() == base != commit


# --- Access ---------------------------------------------------------------------------------------


async def test_a_limit_holds_up_everything(hub: Hub, oya: Oya) -> None:
    """A secondary limit that one request meets is waited for by the next one, of whatever kind."""
    await oya.api.get(oya.api.here(""))
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.faults.on(COMMENT, Fault.SECONDARY, value=90)
    before_ms = oya.clock.now_ms()
    path = oya.api.here(f"/issues/{pull.number}/comments")
    await oya.api.send("POST", path, {"body": "Said"})
    assert oya.clock.now_ms() - before_ms >= 90_000
    assert [one.body for one in hub.repo.comments.values()] == ["Said"]


async def test_an_ended_token_is_renewed_once(hub: Hub, oya: Oya) -> None:
    """401 brings another token and the same request again; a second 401 is an answer."""
    first = await oya.api.token()
    hub.faults.on("GET /repos/{owner}/{repo}", Fault.UNAUTHORISED)
    assert (await oya.api.get(oya.api.here("")))["full_name"] == hub.repo.full_name
    assert await oya.api.token() != first


async def test_what_proves_the_app_goes_by_the_clock(hub: Hub, oya: Oya) -> None:
    """The one that is handed in, not the machine's: for nine minutes from now, and a minute back
    for a GitHub whose clock is behind."""
    clock = ManualClock()
    now_s, repo = clock.now_ms() // 1_000, hub.repo.full_name
    app = App(oya.wire, clock, app_id=hub.app.id, key=hub.private_key, repo=repo)
    said = jwt.decode(app.jwt(), options={"verify_signature": False, "verify_exp": False})
    assert said == {"iat": now_s - 60, "exp": now_s + 540, "iss": str(hub.app.id)}


async def test_what_did_not_change_costs_nothing(hub: Hub, oya: Oya) -> None:
    """Asked again, a list comes from memory: GitHub says 304, which counts for no limit."""
    await hub.alice.opens({"a.txt": "A"})
    path = oya.api.here("/pulls")

    async def numbers() -> list[int]:
        return [one["number"] async for one in oya.api.each(path, state="open")]

    first = await numbers()
    used = {who: held.used for who, held in hub.github.limits.windows.items()}
    assert await numbers() == first
    assert {who: held.used for who, held in hub.github.limits.windows.items()} == used


async def test_lists_are_read_to_their_end(hub: Hub, oya: Oya) -> None:
    """More rows than fit on a page all come, in order."""
    pull = await hub.alice.opens({"a.txt": "A"})
    for number in range(230):
        hub.bob.comments(pull, str(number))
    path = oya.api.here(f"/issues/{pull.number}/comments")
    assert [one["body"] async for one in oya.api.each(path)] == [str(n) for n in range(230)]


async def test_people_are_asked_about_by_number(hub: Hub, oya: Oya) -> None:
    """What an account may do, under its name of now; nobody, and a label of nobody's, nothing."""
    for who, level in ((hub.ann, Level.ADMIN), (hub.bob, Level.WRITE), (hub.mallory, Level.READ)):
        person = await by_number(oya.api, who.account.id)
        assert (person.login, await level_of(oya.api, person)) == (who.account.login, level)
    assert await level_of(oya.api, await by_number(oya.api, 999_999)) is Level.NONE
    stranger = Person(hub.mallory.account.id, "ann")
    assert await level_of(oya.api, stranger) is Level.NONE
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.bob.labels(pull, "oya:queue")
    hub.mallory.labels(pull, "other")
    found = await who_labelled(oya.api, pull.number, "oya:queue", removed=False)
    assert found.id == hub.bob.account.id
    assert await who_labelled(oya.api, pull.number, "oya:hold", removed=False) == Person()


async def test_the_doctor_says_what_is_missing(hub: Hub, oya: Oya) -> None:
    """Permissions by name, with the mend; required checks; a target that is not there."""
    given = hub.installation.permissions
    given |= {"contents": "read"}
    del given["checks"]
    seen = await look(oya.api, oya.app, "main", 0)
    errors = [one.what for one in seen if one.grade == "error"]
    assert [one.split(" (")[0] for one in errors] == [
        "the App lacks the permission contents: write",
        "the App lacks the permission checks: write",
        "no checks are required for main, so nothing may land",
    ]
    assert all(one.mend for one in seen if one.grade != "ok")
    given |= {"contents": "write", "checks": "write"}
    hub.protects(ruleset=True, checks=("test",))
    seen = await look(oya.api, oya.app, "main", 0)
    assert not [one for one in seen if one.grade == "error"]
    assert "required checks of main: test" in [one.what for one in seen]
    assert [one.what for one in await look(oya.api, oya.app, "gone", 0) if one.grade == "error"]


async def test_the_doctor_compares_the_clocks(hub: Hub, oya: Oya) -> None:
    """Half a minute either way is nothing; more is a warning that says which way."""
    now_ms = hub.github.clock.now_ms()
    for off_s, said in ((0, "our clock is GitHub's"), (3600, "ahead of"), (-90, "s behind")):
        seen = await clock_of(oya.api, now_ms + off_s * 1_000)
        assert said in seen.what
        assert (seen.grade == "ok") is (not off_s)


async def test_the_doctor_tells_of_webhooks_that_nobody_took(hub: Hub, oya: Oya) -> None:
    """As GitHub's own list of deliveries has them."""
    seen = await look(oya.api, oya.app, "main", 0)
    assert not [one for one in seen if "reached nobody" in one.what]
    hub.hooks.url = "http://127.0.0.1:1/nobody"
    await hub.alice.opens({"b.txt": "B"})
    await hub.settled()
    seen = await look(oya.api, oya.app, "main", 0)
    (told,) = [one for one in seen if "reached nobody" in one.what]
    assert told.grade == "warning"


async def test_the_doctor_looks_at_a_token(hub: Hub, oya: Oya) -> None:
    """A token that may only read is an error; one that may push is none."""
    for person, errors in ((hub.mallory, 1), (hub.bob, 0)):
        api = Github(oya.wire, UserToken(person.token), hub.repo.full_name, oya.clock)
        seen = await look(api, None, "main", 1)
        assert sum(one.grade == "error" for one in seen) == errors


# --- What is said ---------------------------------------------------------------------------------


def reply(pull: Pull, line: int = 1) -> Reply:
    """An answer to somebody."""
    return Reply(
        repo=RepoId("r"),
        bead=BeadId("b"),
        number=pull.number,
        comment="issuecomment-1",
        line=line,
        template="done",
    )


def status(pull: Pull, number: int, state: str) -> TellStatus:
    """What the living comment is to say."""
    return TellStatus(
        repo=RepoId("r"),
        bead=BeadId("b"),
        number=pull.number,
        round=number,
        head=CommitId(pull.head_sha),
        state=state,
        sentence=f"It is {state}.",
    )


async def test_a_reply_appears_once(hub: Hub, oya: Oya) -> None:
    """Done again it is found by its mark; another one is another comment; somebody's copy of the
    mark is not ours."""
    pull = await hub.alice.opens({"a.txt": "A"})
    one, other = reply(pull), reply(pull, 2)
    assert await oya.notices.find_reply(effect_key(one), one) is None
    hub.mallory.comments(pull, f"<!-- oya-vcs:{effect_key(one)} -->\nMine")
    for effect in (one, one, other, one):
        await oya.notices.reply(effect_key(effect), effect)
    assert len(hub.said(pull)) == 2
    assert await oya.notices.find_reply(effect_key(one), one) is not None


async def test_the_living_comment_is_edited_in_place(hub: Hub, oya: Oya) -> None:
    """One comment, one check on the head and one label of ours, whatever is told how often."""
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.bob.labels(pull, "oya:queue")
    for number, state in enumerate(["queued", "testing", "testing", "merged"], 1):
        effect = status(pull, number, state)
        told = await oya.notices.tell(effect_key(effect), effect)
        assert told.round == number
    assert [one.split("\n")[1] for one in hub.said(pull)] == ["status: It is merged."]
    assert sorted(one.name for one in pull.labels) == ["oya:is/merged", "oya:queue"]
    shown = [run for run in hub.repo.runs.values() if run.name == "oya-vcs"]
    assert [(run.sha, run.conclusion) for run in shown] == [(pull.head_sha, "success")]


async def test_a_status_without_rights_to_checks_is_told(hub: Hub, oya: Oya) -> None:
    """What the App may not show takes nothing from what it may say."""
    del hub.installation.permissions["checks"]
    pull = await hub.alice.opens({"a.txt": "A"})
    effect = status(pull, 1, "queued")
    await oya.notices.tell(effect_key(effect), effect)
    assert len(hub.said(pull)) == 1


# --- What is found --------------------------------------------------------------------------------


async def test_the_poller_finds_what_no_webhook_told(hub: Hub, oya: Oya) -> None:
    """Pull requests of any state, comments that speak to us, and reviews; what is new is found at
    the next look."""
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.bob.comments(pull, "@oya r+")
    hub.bob.comments(pull, "Nice")
    hub.bob.reviews(pull, "REQUEST_CHANGES", "Please add a test.")
    oya.clock = ManualClock(hub.github.clock.now_ms())
    poller = oya.poller()
    await poller.look()
    assert {type(one) for one in oya.told} == {PullSeen, CommentSeen, e.ReviewSeen}
    assert [one.number for one in oya.told if isinstance(one, PullSeen)] == [pull.number]
    spoken, wanted = [one for one in oya.told if isinstance(one, CommentSeen)]
    assert {spoken.tacit, wanted.tacit} == {False, True}
    oya.told.clear()
    head = await hub.alice.pushes(pull, {"a.txt": "B"})
    hub.alice.closes(pull)
    await poller.look()
    seen = [one for one in oya.told if isinstance(one, PullSeen)]
    assert [(one.head, one.state) for one in seen] == [(head, "closed")]


async def test_lost_webhooks_are_sent_again_as_far_as_they_are_ours(hub: Hub, oya: Oya) -> None:
    """Each once: those about this repository, and the App's own here; none of another repository of
    the same App, nor of another owner's installation."""
    hub.hooks.url = "http://127.0.0.1:1/nobody"
    hook = {"id": 1, "type": "App", "app_id": hub.app.id, "active": True, "events": []}
    known = {"zen": "Go.", "hook_id": 1, "hook": hook | {"config": {"content_type": "json"}}}
    ours, here = hub.installation.id, hub.repo.id
    for installation, repository in ((ours, here), (ours, None), (ours, here + 1), (1, None)):
        hub.hooks.emit("ping", "", known, installation, repository)
    await hub.settled()
    lost = hub.hooks.log[-4:]
    poller = oya.poller()
    for _ in range(2):
        await poller.look()
        await hub.settled()
    again = [one.guid for one in hub.hooks.log if one.redelivery]
    assert sorted(again) == sorted(one.guid for one in lost[:2])


async def test_who_is_not_let_in_says_so_once_and_asks_ever_less_often(
    hub: Hub, oya: Oya, caplog: pytest.LogCaptureFixture
) -> None:
    """What is refused is no repository without anything in it; installed again, which is another
    installation, we are let in without a restart, and what waited is looked at again."""
    await hub.alice.opens({"a.txt": "A"})
    oya.clock = ManualClock(hub.github.clock.now_ms())  # the App's own stays beside GitHub's
    poller = oya.poller()
    await poller.look()
    hub.owner.uninstalls()
    with pytest.raises(GithubFailed, match="is not installed on acme/widget") as refused:
        await oya.api.find("/repos/acme/widget/pulls/77")
    assert refused.value.why is Why.UNAUTHORISED
    begun_ms = oya.clock.now_ms()
    looks = asyncio.create_task(poller.run())
    await until(lambda: len(hub.server.requests) >= 40)
    hub.owner.installs()
    await until(lambda: bool(oya.told) and isinstance(oya.told[-1], e.QueueResumed))
    looks.cancel()
    said = [one.message for one in caplog.records if "is not installed" in one.message]
    assert len(said) == 1
    vain = sum(status == 404 for _, _, status in hub.server.requests) - 1
    assert oya.clock.now_ms() - begun_ms >= 60_000 * (1 + 2 + 4) + 300_000 * (vain - 4)


async def test_the_first_look_finds_every_open_pull_request(hub: Hub, oya: Oya) -> None:
    """Also one that nobody has touched for a year, but no closed one as old."""
    idle, closed = await hub.alice.opens({"a.txt": "A"}), await hub.bob.opens({"b.txt": "B"})
    hub.bob.closes(closed)
    now_ms = hub.github.clock.now_ms()
    for pull in (idle, closed):
        pull.updated_ms = now_ms - 365 * 24 * 3_600_000
    oya.clock = ManualClock(now_ms)
    await oya.poller(since_ms=now_ms).look()
    assert [one.number for one in oya.told if isinstance(one, PullSeen)] == [idle.number]


async def test_orphans_are_removed_if_ours(hub: Hub, oya: Oya) -> None:
    """After two looks at them; neither a candidate that is needed, nor another home's, nor a
    person's branch of such a name."""
    base = await hub.target()
    ours, needed = f"oya/queue/{TAG}/a.1/{base[:16]}", f"oya/queue/{TAG}/b.1/{base[:16]}"
    others = ["oya/queue/123456/a.1/x", "oya/queue/mine", "oya/bead/a"]
    for branch in (ours, needed, *others):
        await hub.ann.moves(branch, base)
    poller = oya.poller("b.1")
    for _ in range(11):
        assert ours in await branches(hub)
        await poller.look()
    assert await branches(hub) == {"main", needed, *others}


async def until(is_so: Callable[[], bool]) -> None:
    """Let others run until it is so."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


async def branches(hub: Hub) -> set[str]:
    """The branches there are."""
    refs = await hub.repo.bare.refs()
    return {ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")}
