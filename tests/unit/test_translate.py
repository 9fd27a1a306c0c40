"""What GitHub's payloads mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oya_vcs.core.commands import Command, Verb
from oya_vcs.core.events import QueueResumed
from oya_vcs.core.hints import Hint, Topic
from oya_vcs.core.ids import CommitId
from oya_vcs.core.marks import mark
from oya_vcs.core.pulls import CommentSeen, PullSeen, PullState, ReviewSeen
from oya_vcs_bot.payloads import Json
from oya_vcs_bot.translate import News, Translator
from tests.hooks import NAME, REPO, examples

US = Translator(repo=REPO, name=NAME, app_id=4711, user_id=42)
HEAD = CommitId("ec26c3e57ca3a959ca5aad62de7213c562f8c821")
AT = "2019-05-15T15:20:21Z"
AT_MS = 1_557_933_621_000


def example(event: str, action: str = "") -> dict[str, Any]:
    """The first official payload of this kind."""
    return next(
        one
        for _, one in examples(event)
        if action in ("", one.get("action")) and one["repository"]["full_name"] == NAME
    )


def comment(said: object, /, **fields: object) -> dict[str, Any]:
    """A payload in which somebody comments on pull request 2."""
    payload = example("issue_comment", "created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/x/pulls/2"}
    url = f"https://github.com/{NAME}/pull/2#issuecomment-492700400"
    payload["comment"] |= {"body": said, "html_url": url, "created_at": AT, "updated_at": AT}
    payload["comment"] |= fields
    return payload


def test_a_pull_request_is_seen_as_it_is() -> None:
    """All that is decided upon, by its names here."""
    payload = example("pull_request", "opened")
    payload["pull_request"] |= {"labels": [{"name": "b"}, {"name": "a"}]}
    assert US.read("pull_request", payload) == News(
        (
            PullSeen(
                repo=REPO,
                number=2,
                head=HEAD,
                branch="changes",
                base="master",
                title="Update the README with new information.",
                body="This is a pretty simple change that we need to pull into master.",
                author="Codertocat",
                author_id=21031067,
                draft=False,
                state=PullState.OPEN,
                labels=("a", "b"),
                fork=False,
                mergeable=None,
                updated_ms=1_557_933_633_000,
                by="Codertocat",
            ),
        )
    )


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"state": "closed"}, {"state": PullState.CLOSED}),
        ({"state": "closed", "merged": True}, {"state": PullState.MERGED}),
        ({"state": "closed", "merged_at": AT}, {"state": PullState.MERGED}),
        ({"state": "odd", "merged": None, "merged_at": None}, {"state": PullState.OPEN}),
        ({"draft": True}, {"draft": True}),
        ({"draft": "yes"}, {"draft": False}),
        ({"mergeable": True}, {"mergeable": True}),
        ({"mergeable": False}, {"mergeable": False}),
        ({"mergeable": "MERGEABLE"}, {"mergeable": None}),
        ({"body": None}, {"body": ""}),
        ({"title": "\ud800"}, {"title": "?"}),
        ({"user": None}, {"author": "", "author_id": 0}),
        ({"user": {"id": 2**70}}, {"author": "", "author_id": 0}),
        ({"labels": [None, 1, {"name": "a"}, {}]}, {"labels": ("a",)}),
        ({"labels": {"name": "a"}}, {"labels": ()}),
        ({"updated_at": "yesterday"}, {"updated_ms": 0}),
        ({"updated_at": "0001-01-01T00:00:00+14:00"}, {"updated_ms": 0}),
    ],
)
def test_a_field_that_is_odd_means_less(fields: dict[str, Any], seen: dict[str, Any]) -> None:
    """And never spoils what stands beside it."""
    payload = example("pull_request", "opened")
    payload["pull_request"] |= fields
    (fact,) = US.read("pull_request", payload).facts
    assert {name: getattr(fact, name) for name in seen} == seen


@pytest.mark.parametrize("repo", [None, {}, {"full_name": "somebody/Hello-World"}])
def test_a_fork_is_one_even_where_it_is_gone(repo: object) -> None:
    """The repository that a pull request comes from may have been deleted."""
    payload = example("pull_request", "opened")
    payload["pull_request"]["head"]["repo"] = repo
    (fact,) = US.read("pull_request", payload).facts
    assert isinstance(fact, PullSeen)
    assert fact.fork


@pytest.mark.parametrize(
    "path",
    ["number", "head", "head.sha", "base", "base.ref", "base.repo"],
)
@pytest.mark.parametrize("value", [None, 0, -1, "", "x", [], {}, True])
def test_a_pull_request_without_what_it_is_known_by_is_none(path: str, value: object) -> None:
    """No number, no commit, no target: nothing that could be acted upon."""
    payload = example("pull_request", "opened")
    *way, last = path.split(".")
    place = payload["pull_request"]
    for name in way:
        place = place[name]
    if path == "base.ref" and value == "x":
        value = 7
    place[last] = value
    if path == "number" and value is True:
        value = None
    assert US.read("pull_request", payload) == News()


def test_the_rest_api_tells_the_same() -> None:
    """A listed pull request and comment are the facts that the webhooks would have told."""
    payload = example("pull_request", "opened")
    (fact,) = US.read("pull_request", payload).facts
    listed = payload["pull_request"]
    for name in ("merged", "mergeable", "merged_by", "comments"):
        del listed[name]
    assert US.pull(Json(listed), by="Codertocat") == fact
    said = comment("@oya r+")
    assert US.comment(Json(said["comment"])) == US.read("issue_comment", said).facts[0]


def test_a_comment_is_read_for_commands() -> None:
    """Who said what, where, and what could not be understood; and the pull request is looked at."""
    news = US.read("issue_comment", comment("Fine!\r\n@oya r+ p=1\r\n> @oya r-\r\n\r\n@oya huh"))
    (fact,) = news.facts
    assert isinstance(fact, CommentSeen)
    assert (fact.repo, fact.number, fact.comment) == (REPO, 2, "issuecomment-492700400")
    assert (fact.author, fact.author_id, fact.written_ms) == ("Codertocat", 21031067, AT_MS)
    assert fact.commands == (Command(verb=Verb.APPROVE, priority=1),)
    assert [one.line for one in fact.faults] == ["@oya huh"]
    assert news.hints == (Hint(topic=Topic.PULL, number=2),)


@pytest.mark.parametrize(
    "body", ["", "Fine.", "r+", "`@oya r+`", "the @oya bot", None, 7, ["@oya r+"]]
)
def test_a_comment_for_somebody_else_is_nothing(body: Any) -> None:
    """No fact, and nothing is looked at: most comments cost nothing."""
    assert US.read("issue_comment", comment(body)) == News()


@pytest.mark.parametrize("action", ["edited", "deleted", "pinned", None])
def test_only_a_new_comment_counts(action: object) -> None:
    """What is edited was read when it was written; deleting takes nothing back."""
    assert US.read("issue_comment", comment("@oya r+") | {"action": action}) == News()


@pytest.mark.parametrize(("changed", "counts"), [(AT, True), ("2019-05-15T15:20:27Z", False)])
def test_an_edited_comment_is_nothing_in_a_list_either(changed: str, counts: bool) -> None:
    """A poll that meets it cannot know what it said first; GitHub's own touch is no edit."""
    listed = comment("@oya r+", updated_at=changed)["comment"]
    assert (US.comment(Json(listed)) is not None) is counts


@pytest.mark.parametrize(
    "fields",
    [
        {"body": f"{mark('k')}\n@oya r+"},
        {"performed_via_github_app": {"id": 4711}},
        {"user": {"id": 42, "login": "oya"}},
    ],
)
def test_what_we_wrote_ourselves_is_never_read(fields: dict[str, Any]) -> None:
    """By its mark, our app or our account."""
    assert US.read("issue_comment", comment("@oya r+", **fields)) == News()


@pytest.mark.parametrize(
    ("url", "comment_id"),
    [
        ("pull/2#issuecomment-7", "issuecomment-7"),
        ("pull/2#discussion_r7", "discussion_r7"),
        ("pull/2/files#discussion_r7", "discussion_r7"),
        ("pull/2#pullrequestreview-7", "pullrequestreview-7"),
        ("issues/2#issuecomment-7", None),
        ("commit/abc#commitcomment-7", None),
        ("pull/0#issuecomment-7", None),
        ("pull/2", None),
        ("pull/2#issuecomment-٧", None),
    ],
)
def test_a_comment_is_known_by_where_it_stands(url: str, comment_id: str | None) -> None:
    """Issues are not ours, and the kinds of comments are counted apart."""
    payload = comment("@oya r+", html_url=f"https://github.com/{NAME}/{url}")
    facts = US.read("issue_comment", payload).facts
    found = [fact.comment for fact in facts if isinstance(fact, CommentSeen)]
    assert found == ([] if comment_id is None else [comment_id])


def test_a_comment_on_a_line_counts_too() -> None:
    """People approve where they look."""
    payload = example("pull_request_review_comment", "created")
    payload["comment"]["body"] = "@oya r+"
    (fact,) = US.read("pull_request_review_comment", payload).facts
    assert isinstance(fact, CommentSeen)
    assert fact.comment == f"discussion_r{payload['comment']['id']}"


def test_a_review_is_seen_and_read() -> None:
    """Its text for a worker, its commands for the queue, and that it requests changes; a dismissal
    is none of these."""
    payload = example("pull_request_review", "submitted")
    payload["review"] |= {"body": "Rename it.\n\n@oya r-", "state": "CHANGES_REQUESTED"}
    review, wanted, spoken = US.read("pull_request_review", payload).facts
    assert isinstance(review, ReviewSeen)
    assert isinstance(wanted, CommentSeen)
    assert (wanted.comment, wanted.tacit) == ("pullrequestreview-237895671-changes", True)
    assert wanted.commands == (Command(verb=Verb.REWORK),)
    assert isinstance(spoken, CommentSeen)
    assert (review.state, review.head, review.text) == (
        "changes_requested",
        HEAD,
        "Rename it.\n\n@oya r-",
    )
    assert spoken.comment == "pullrequestreview-237895671"
    assert spoken.commands == (Command(verb=Verb.UNAPPROVE),)
    assert US.read("pull_request_review", payload | {"action": "dismissed"}) == News()
    payload["review"] |= {"body": None, "state": "commented"}
    assert US.read("pull_request_review", payload) == News()
    payload["review"] |= {"state": "approved"}
    assert len(US.read("pull_request_review", payload).facts) == 1


@pytest.mark.parametrize(
    ("event", "hint"),
    [
        ("check_run", Hint(topic=Topic.CHECKS, commit=HEAD)),
        ("check_suite", Hint(topic=Topic.CHECKS, commit=HEAD)),
        ("status", Hint(topic=Topic.CHECKS, commit=CommitId(f"6113728f27ae{28 * '0'}"))),
        ("push", Hint(topic=Topic.REF, ref="refs/tags/simple-tag")),
        ("create", Hint(topic=Topic.REF, ref="refs/heads/simple-tag")),
        ("repository", Hint(topic=Topic.ACCESS)),
        ("branch_protection_rule", Hint(topic=Topic.ACCESS)),
        ("ping", None),
        ("label", None),
        ("star", None),
    ],
)
def test_other_events_are_hints_or_nothing(event: str, hint: Hint | None) -> None:
    """Where to look sooner; what is there is asked of GitHub."""
    payload = example_of_any(event)
    us = Translator(repo=REPO, name=payload.get("repository", {}).get("full_name", NAME))
    payload |= {"sha": f"6113728f27ae{28 * '0'}"} if event == "status" else {}
    payload |= {"ref_type": "branch"} if event == "create" else {}
    news = us.read(event, payload)
    assert news.facts == ()
    assert news.hints == (() if hint is None else (hint,))


def example_of_any(event: str) -> dict[str, Any]:
    """The first official payload of this kind, about whatever repository."""
    return next(one for _, one in examples(event))


@pytest.mark.parametrize("event", ["merge_group", "workflow_run", "workflow_job"])
def test_what_stands_for_checks_is_a_hint(event: str) -> None:
    """At the commit that it is about."""
    payload = example_of_any(event)
    name = payload.get("repository", {}).get("full_name", NAME)
    (hint,) = Translator(repo=REPO, name=name).read(event, payload).hints
    assert hint.topic is Topic.CHECKS
    assert hint.commit == payload[event]["head_sha"]


@pytest.mark.parametrize("event", ["installation", "installation_repositories"])
def test_an_installation_that_changes_is_a_hint(event: str) -> None:
    """We may do less by now, or more."""
    assert US.read(event, example_of_any(event)).hints == (Hint(topic=Topic.ACCESS),)


def test_where_we_are_let_in_again_the_queue_looks_again() -> None:
    """Installed again it is another installation, known by the repository that it is on; one that
    is taken away, or is about another repository, resumes nothing."""
    us = Translator(repo=REPO, name=NAME, installation=1)
    here, there = [{"full_name": NAME}], [{"full_name": "somebody/else"}]
    said: dict[str, Any] = {"action": "created", "installation": {"id": 2}}
    resumed = News((QueueResumed(repo=REPO),), (Hint(topic=Topic.ACCESS),))
    assert us.read("installation", said | {"repositories": here}) == resumed
    assert us.read("installation", said | {"repositories": there}) == News(elsewhere=True)
    added = said | {"action": "added", "repositories_added": here}
    assert us.read("installation_repositories", added) == resumed
    gone = said | {"action": "deleted", "repositories": here}
    assert us.read("installation", gone) == News((), resumed.hints)
    back = {"action": "unsuspend", "installation": {"id": 1}}
    assert us.read("installation", back) == resumed


def test_a_repository_that_was_ours_by_its_name_is_heard_of() -> None:
    """Renamed or given away it has another one."""
    owner, _, name = NAME.partition("/")
    repository = {"full_name": "b/c", "name": "c", "owner": {"login": "b"}}
    renamed = {"full_name": f"{owner}/c", "name": "c", "owner": {"login": owner}}
    for now, changes in (
        (renamed, {"repository": {"name": {"from": name}}}),
        (repository | {"name": name}, {"owner": {"from": {"user": {"login": owner}}}}),
        (repository | {"name": name}, {"owner": {"from": {"organization": {"login": owner}}}}),
    ):
        said = {"action": "renamed", "repository": now, "changes": changes}
        assert US.read("repository", said).hints == (Hint(topic=Topic.ACCESS),)
    said = {"action": "renamed", "repository": repository, "changes": {}}
    assert US.read("repository", said) == News(elsewhere=True)


def test_our_own_check_wakes_nobody() -> None:
    """It is us who set it."""
    payload = example("check_run")
    payload["check_run"]["app"] = {"id": 4711}
    assert US.read("check_run", payload) == News()


def test_another_repository_means_nothing() -> None:
    """Nor another installation: an app's one address hears of all of them."""
    us = Translator(repo=REPO, name="somebody/else")
    assert all(us.read(*one) == News(elsewhere=True) for one in examples("pull_request"))
    payload = example("pull_request", "opened")
    elsewhere = Translator(repo=REPO, name=NAME, installation=1)
    foreign = elsewhere.read("pull_request", payload | {"installation": {"id": 2}})
    assert foreign == News(elsewhere=True)
    assert elsewhere.read("pull_request", payload | {"installation": {"id": 1}}).facts
    assert elsewhere.read("pull_request", payload | {"installation": {}}).facts
    assert US.read("pull_request", payload | {"repository": None}) == News(elsewhere=True)


def test_the_name_counts_in_any_case() -> None:
    """As it does for GitHub."""
    us = Translator(repo=REPO, name=NAME.upper())
    assert us.read("pull_request", example("pull_request", "opened")).facts


def test_no_example_is_changed_by_being_read() -> None:
    """Reading is pure."""
    for event, payload in examples():
        before = json.dumps(payload)
        first = US.read(event, payload)
        assert US.read(event, payload) == first
        assert json.dumps(payload) == before
