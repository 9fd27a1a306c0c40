"""Refs that move, by whatever way, and all that follows: events, pull requests, the tiny CI."""

from __future__ import annotations

from collections.abc import Sequence

from tests.github_model.bare import ZERO, Commit, Move
from tests.github_model.github import GitHub
from tests.github_model.judge import HEADS, refused
from tests.github_model.pulls import base_moved, close, head_moved
from tests.github_model.records import Account, Actor, Repo
from tests.github_model.shapes import Json, signature

FOLLOWED = (HEADS, "refs/tags/")


class Refused(Exception):
    """The ref stays where it is; says why."""


async def move(
    github: GitHub, repo: Repo, actor: Actor, moves: Sequence[Move], *, force: Sequence[bool]
) -> None:
    """Move refs by an API call, all or none. Raises Refused. The caller holds `repo.writing`."""
    for one, forced in zip(moves, force, strict=True):
        why = await refused(github, repo, actor, one, force=forced)
        if why:
            raise Refused(why)
    if not await repo.bare.move(moves):
        raise Refused("Reference cannot be updated")
    await moved(github, repo, actor.account, moves)


async def changes(repo: Repo) -> list[Move]:
    """What has moved since last something followed from it: branches and tags."""
    before, after = repo.seen, await repo.bare.refs()
    return [
        Move(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name) and name.startswith(FOLLOWED)
    ]


async def moved(github: GitHub, repo: Repo, actor: Account, moves: Sequence[Move]) -> None:
    """Follow up refs that have moved, in that order."""
    for one in moves:
        if one.new is None:
            repo.seen.pop(one.ref, None)
        else:
            repo.seen[one.ref] = one.new
        forced = await _forced(repo, one)
        await _tell_push(github, repo, actor, one, forced=forced)
        if one.ref.startswith(HEADS):
            await _follow(github, repo, actor, one, forced=forced)
        for listener in github.on_move:
            await listener(repo, one)


async def _forced(repo: Repo, one: Move) -> bool:
    if one.old is None or one.new is None:
        return False
    return not await repo.bare.is_ancestor(one.old, one.new)


async def _follow(github: GitHub, repo: Repo, actor: Account, one: Move, *, forced: bool) -> None:
    """The open pull requests from and to the branch, in every repository that it may concern."""
    branch = one.ref.removeprefix(HEADS)
    for base in [repo, *([repo.parent] if repo.parent else [])]:
        for pull in list(base.pulls.values()):
            if pull.state == "open" and pull.head_repo is repo and pull.head_ref == branch:
                if one.new is None:
                    close(github, base, pull, actor)
                else:
                    await head_moved(github, base, pull, one.new, actor, forced=forced)
            if pull.state == "open" and base is repo and pull.base_ref == branch:
                if one.new is None:
                    close(github, base, pull, actor)
                else:
                    await base_moved(github, base, pull, one.new, actor)


async def _tell_push(
    github: GitHub, repo: Repo, actor: Account, one: Move, *, forced: bool
) -> None:
    if not one.ref.startswith(FOLLOWED):
        return
    listed: list[Commit] = []
    if one.new is not None:
        span = [f"{one.old}..{one.new}"] if one.old else [one.new]
        listed = await repo.bare.commits(*span, limit=20 if one.old else 1)
    shown = [_pushed(github, repo, commit) for commit in reversed(listed)]
    page = f"{github.shapes.web}/{repo.full_name}"
    base = github.shapes.repo(repo)
    stamp = repo.created_ms // 1000
    known: Json = {
        "ref": one.ref,
        "before": one.old or ZERO,
        "after": one.new or ZERO,
        "created": one.old is None,
        "deleted": one.new is None,
        "forced": forced,
        "base_ref": None,
        "compare": f"{page}/compare/{(one.old or ZERO)[:12]}...{(one.new or ZERO)[:12]}",
        "commits": shown,
        "head_commit": shown[-1] if shown else None,
        "pusher": {"name": actor.login, "email": f"{actor.login}@github.test"},
        "repository": base | {"created_at": stamp, "pushed_at": stamp},
    }
    github.tell("push", "", repo, actor, known)


def _pushed(github: GitHub, repo: Repo, commit: Commit) -> Json:
    author, committer = signature(commit.author), signature(commit.committer)
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.committer.date,
        "url": f"{github.shapes.web}/{repo.full_name}/commit/{commit.sha}",
        "author": author,
        "committer": committer,
        "added": [],
        "removed": [],
        "modified": [],
    }
