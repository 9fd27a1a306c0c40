"""What GitHub's words mean: a webhook's payload, or an object as the REST API lists it, as facts.

Both ways give the same facts, so that a lost webhook is made good by a poll and one that comes
twice changes nothing. Pure and lenient: what is missing, unknown or oddly shaped means less, or
nothing, and never an error. Knows no network, no state, and does not decide what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oya_vcs.core.commands import PREFIX, Command, Speech, Verb, listen
from oya_vcs.core.event import Event
from oya_vcs.core.events import QueueResumed
from oya_vcs.core.hints import Hint, Topic
from oya_vcs.core.ids import CommitId, RepoId
from oya_vcs.core.marks import key_in
from oya_vcs.core.neutral import TEXT_MAX
from oya_vcs.core.pulls import CommentSeen, PullSeen, PullState, ReviewSeen
from oya_vcs_bot.payloads import Json
from oya_vcs_bot.plain import plain

EDITED_MS = 5_000
"""How much later than it was written a comment may have been changed without counting as edited:
GitHub itself touches some in their first second."""


@dataclass(frozen=True, slots=True)
class News:
    """What was heard: facts for the record, and where to look sooner. `elsewhere`: nothing, for it
    is about another repository, or comes from an App's installation for somebody else."""

    facts: tuple[Event, ...] = ()
    hints: tuple[Hint, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Translator:
    """Reads what is about one repository: `repo` here, `name` ("owner/name") on GitHub; all else
    means nothing. `prefix` is how people speak to us. `app_id`, `user_id` and `installation` are
    who we are there, 0 where that is not known: what we write ourselves is never read."""

    repo: RepoId
    name: str
    prefix: str = PREFIX
    app_id: int = 0
    user_id: int = 0
    installation: int = 0

    def read(self, event: str, payload: Mapping[str, object]) -> News:
        """What a webhook of this kind of event tells."""
        seen = Json(payload)
        if not self._about_us(event, seen):
            return News(elsewhere=True)
        news = _EVENTS.get(event)
        return News() if news is None else news(self, seen)

    def pull(self, pull: Json, by: str = "", *, pushed: bool = False) -> PullSeen | None:
        """A pull request as it is, or None where it is no whole one. `by` is who made it so, by
        having `pushed` to it just now."""
        head, base = pull["head"], pull["base"]
        number, commit = pull["number"].number, _commit(head["sha"])
        if not (number and commit and base["ref"].text) or not self._named(base["repo"]):
            return None
        closed = pull["state"].text == "closed"
        merged = pull["merged"].true or bool(pull["merged_at"])
        return PullSeen(
            repo=self.repo,
            number=number,
            head=commit,
            branch=head["ref"].text,
            base=base["ref"].text,
            title=pull["title"].text[:TEXT_MAX],
            body=pull["body"].text[:TEXT_MAX],
            author=pull["user"]["login"].text,
            author_id=pull["user"]["id"].number,
            draft=pull["draft"].true,
            state=PullState.MERGED if merged else PullState.CLOSED if closed else PullState.OPEN,
            labels=tuple(sorted(filter(None, (one["name"].text for one in pull["labels"].items)))),
            fork=head["repo"]["full_name"].text.lower() != self.name.lower(),
            mergeable=pull["mergeable"].maybe,
            updated_ms=pull["updated_at"].time_ms,
            pushed_ms=pull["updated_at"].time_ms if pushed else 0,
            by=by or pull["merged_by"]["login"].text,
        )

    def comment(self, comment: Json) -> CommentSeen | None:
        """What a comment on a pull request asks of us: one below it, or on its lines. None where it
        speaks to somebody else, is our own, or was edited: what it said first was read then."""
        written, changed = comment["created_at"].time_ms, comment["updated_at"].time_ms
        if changed > written + EDITED_MS:
            return None
        return self._spoken(comment, written)

    def review(self, review: Json) -> tuple[Event, ...]:
        """A review that was given, and what its text asks of us."""
        where = _PLACE.search(review["html_url"].text)
        state, text = review["state"].text.lower(), review["body"].text[:TEXT_MAX]
        if where is None or self._ours(review) or (not text and state in ("", "commented")):
            return ()
        at_ms = review["submitted_at"].time_ms
        seen = ReviewSeen(
            repo=self.repo,
            number=int(where["number"]),
            review=review["id"].number,
            author=review["user"]["login"].text,
            author_id=review["user"]["id"].number,
            written_ms=at_ms,
            state=state,
            head=_commit(review["commit_id"]),
            text=text,
        )
        told: list[Event] = [seen]
        if state == "changes_requested":
            told.append(_wanted(seen, where["id"]))
        spoken = self._spoken(review, at_ms)
        return (*told,) if spoken is None else (*told, spoken)

    def _spoken(self, comment: Json, written_ms: int) -> CommentSeen | None:
        where = _PLACE.search(comment["html_url"].text)
        if where is None or self._ours(comment):
            return None
        speech = self._speech(comment["body"].text)
        if not (speech.commands or speech.faults):
            return None
        return CommentSeen(
            repo=self.repo,
            number=int(where["number"]),
            comment=where["id"],
            author=comment["user"]["login"].text,
            author_id=comment["user"]["id"].number,
            written_ms=written_ms,
            commands=speech.commands,
            faults=speech.faults,
        )

    def _speech(self, body: str) -> Speech:
        """Most comments do not name us, and are not read at all."""
        if self.prefix.lower() not in body.lower():
            return Speech()
        return listen(plain(body), self.prefix)

    def _ours(self, comment: Json) -> bool:
        """Whether we wrote it: by the mark in it, the app that wrote it, or the account."""
        app = comment["performed_via_github_app"]["id"].number
        return (
            key_in(comment["body"].text) is not None
            or (self.app_id > 0 and app == self.app_id)
            or (self.user_id > 0 and comment["user"]["id"].number == self.user_id)
        )

    def _about_us(self, event: str, payload: Json) -> bool:
        if event in _INSTALLATIONS:
            return self._installed(payload)
        installation = payload["installation"]["id"].number
        if self.installation and installation not in (0, self.installation):
            return False
        return (
            "repository" not in payload
            or self._named(payload["repository"])
            or (event == "repository" and self._was_named(payload))
        )

    def _installed(self, payload: Json) -> bool:
        """Whether an App comes to our repository, or leaves it: when it is installed again, that is
        another installation than the one we know."""
        listed = ("repositories", "repositories_added", "repositories_removed")
        named = any(self._named(one) for name in listed for one in payload[name].items)
        ours = payload["installation"]["id"].number in (0, self.installation)
        return named or ours or not self.installation

    def _was_named(self, payload: Json) -> bool:
        """Whether a repository was ours by its name until it was renamed or given away."""
        now, was = payload["repository"], payload["changes"]
        owner = was["owner"]["from"]
        login = (owner["user"] or owner["organization"] or now["owner"])["login"].text
        name = was["repository"]["name"]["from"].text or now["name"].text
        return f"{login}/{name}".lower() == self.name.lower()

    def _named(self, repository: Json) -> bool:
        return repository["full_name"].text.lower() == self.name.lower()


_PLACE = re.compile(
    r"/pull/(?P<number>[1-9]\d{0,17})(?:/\w+)?"
    r"#(?P<id>(?:issuecomment-|discussion_r|pullrequestreview-)\d{1,19})\Z",
    re.ASCII,
)
"""Where a comment stands, by the address that people open it with. It tells pull requests from
issues, and the three kinds of comments, whose numbers are counted apart."""


def _wanted(review: ReviewSeen, name: str) -> CommentSeen:
    """That changes are requested counts as the word `rework`, though nobody said it to us."""
    return CommentSeen(
        repo=review.repo,
        number=review.number,
        comment=f"{name}-changes",
        author=review.author,
        author_id=review.author_id,
        written_ms=review.written_ms,
        commands=(Command(verb=Verb.REWORK),),
        faults=(),
        tacit=True,
    )


def _commit(sha: Json) -> CommitId | None:
    return CommitId(sha.text) if re.fullmatch(r"[0-9a-f]{40}", sha.text) else None


# --- One reader a kind of event -------------------------------------------------------------------


def _pull(us: Translator, payload: Json) -> News:
    pushed = payload["action"].text == "synchronize"
    seen = us.pull(payload["pull_request"], by=payload["sender"]["login"].text, pushed=pushed)
    return News() if seen is None else News((seen,))


def _comment(us: Translator, payload: Json) -> News:
    """Only when it is written: editing and deleting it takes nothing back."""
    seen = us.comment(payload["comment"]) if payload["action"].text == "created" else None
    if seen is None:
        return News()
    return News((seen,), (Hint(topic=Topic.PULL, number=seen.number),))


def _review(us: Translator, payload: Json) -> News:
    submitted = payload["action"].text == "submitted"
    return News(us.review(payload["review"])) if submitted else News()


def _checks(name: str) -> Callable[[Translator, Json], News]:
    """A check, or what stands for several; the result itself is asked for, not taken from here."""

    def news(us: Translator, payload: Json) -> News:
        check = payload[name] if name else payload
        commit = _commit(check["head_sha"] if name else check["sha"])
        own = us.app_id > 0 and check["app"]["id"].number == us.app_id
        if commit is None or own:
            return News()
        return News(hints=(Hint(topic=Topic.CHECKS, commit=commit),))

    return news


def _ref(us: Translator, payload: Json) -> News:
    ref = payload["ref"].text
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    branch = payload["ref_type"].text in ("", "branch")
    return News(hints=(Hint(topic=Topic.REF, ref=full),)) if ref and branch else News()


def _access(_us: Translator, _payload: Json) -> News:
    return News(hints=(Hint(topic=Topic.ACCESS),))


def _installation(us: Translator, payload: Json) -> News:
    """Where we are let in again, what the world refused meanwhile may be tried again."""
    opened = payload["action"].text in _LET_IN
    facts = (QueueResumed(repo=us.repo),) if opened else ()
    return News(facts, (Hint(topic=Topic.ACCESS),))


_INSTALLATIONS = frozenset({"installation", "installation_repositories"})
_LET_IN = frozenset({"created", "unsuspend", "new_permissions_accepted", "added"})

_EVENTS: Mapping[str, Callable[[Translator, Json], News]] = {
    "branch_protection_rule": _access,
    "check_run": _checks("check_run"),
    "check_suite": _checks("check_suite"),
    "create": _ref,
    "delete": _ref,
    "installation": _installation,
    "installation_repositories": _installation,
    "issue_comment": _comment,
    "member": _access,
    "merge_group": _checks("merge_group"),
    "ping": lambda _us, _payload: News(),
    "pull_request": _pull,
    "pull_request_review": _review,
    "pull_request_review_comment": _comment,
    "push": _ref,
    "repository": _access,
    "repository_ruleset": _access,
    "status": _checks(""),
    "workflow_job": _checks("workflow_job"),
    "workflow_run": _checks("workflow_run"),
}
"""The kinds of events that mean something; all others are acknowledged and mean nothing."""
