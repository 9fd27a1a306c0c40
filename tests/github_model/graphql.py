"""GraphQL: `updateRefs`, and reading what leads to it. The schema is a slice of GitHub's own."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo, build_schema, graphql

from tests.github_model.access import NotLet, allow
from tests.github_model.bare import ZERO, Move
from tests.github_model.calls import Answer, Call, Refusal
from tests.github_model.github import NoSuch
from tests.github_model.moves import Refused, move
from tests.github_model.records import ANYBODY, Repo
from tests.github_model.shapes import node_id

Info = GraphQLResolveInfo[Any]

SCHEMA = build_schema("""
scalar GitObjectID
scalar GitRefname
enum PullRequestState { OPEN CLOSED MERGED }

interface GitObject { oid: GitObjectID! }
type Commit implements GitObject { oid: GitObjectID! }
type Ref { id: ID!, name: String!, prefix: String!, target: GitObject }
type PullRequest {
  id: ID!, number: Int!, title: String!, state: PullRequestState!, merged: Boolean!
  isDraft: Boolean!, headRefOid: GitObjectID!, headRefName: String!, baseRefName: String!
}
type Repository {
  id: ID!, databaseId: Int, nameWithOwner: String!
  ref(qualifiedName: String!): Ref
  pullRequest(number: Int!): PullRequest
}
type Query { repository(owner: String!, name: String!, followRenames: Boolean = true): Repository }

input RefUpdate {
  afterOid: GitObjectID!, beforeOid: GitObjectID, force: Boolean = false, name: GitRefname!
}
input UpdateRefsInput {
  clientMutationId: String, refUpdates: [RefUpdate!]!, repositoryId: ID!
}
type UpdateRefsPayload { clientMutationId: String }
type Mutation { updateRefs(input: UpdateRefsInput!): UpdateRefsPayload }
""")


class Spoken(GraphQLError):
    """An error with GitHub's `type`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    @property
    def formatted(self) -> Any:
        """As GitHub sends it: the type beside the message."""
        return {"type": self.kind} | dict(super().formatted)


class _Repository:
    """What a query sees of a repository."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self.id = node_id("R", repo.id)
        self.databaseId = repo.id
        self.nameWithOwner = repo.full_name

    async def ref(self, info: Info, qualifiedName: str) -> Any:  # noqa: N803
        """A ref by its full name, or a branch."""
        whole = qualifiedName.startswith("refs/")
        name = qualifiedName if whole else f"refs/heads/{qualifiedName}"
        sha = await self._repo.bare.ref(name)
        prefix, _, short = name.removeprefix("refs/").partition("/")
        if sha is None:
            return None
        target = {"oid": sha, "__typename": "Commit"}
        return {"id": f"REF_{name}", "name": short, "prefix": f"refs/{prefix}/", "target": target}

    def pullRequest(self, info: Info, number: int) -> Any:  # noqa: N802
        """A pull request."""
        pull = self._repo.pulls.get(number)
        if pull is None:
            raise Spoken(
                "NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}."
            )
        return {
            "id": node_id("PR", pull.id),
            "number": number,
            "title": pull.title,
            "state": "MERGED" if pull.merged else pull.state.upper(),
            "merged": pull.merged,
            "isDraft": pull.draft,
            "headRefOid": pull.head_sha,
            "headRefName": pull.head_ref,
            "baseRefName": pull.base_ref,
        }


class _Root:
    """What queries and mutations start from."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def repository(self, info: Info, owner: str, name: str, **_: object) -> _Repository:
        """A repository by its name."""
        try:
            repo = self._call.github.repo(owner, name)
            allow(self._call.actor, repo, "metadata:read")
        except (NoSuch, NotLet):
            said = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise Spoken("NOT_FOUND", said) from None
        return _Repository(repo)

    async def updateRefs(  # noqa: N802
        self,
        info: Info,
        input: dict[str, Any],  # noqa: A002
    ) -> Any:
        """Move refs, all or none, each only from `beforeOid` where that is given."""
        call = self._call
        wanted = input["repositoryId"]
        every = call.github.repos.values()
        repo = next((one for one in every if node_id("R", one.id) == wanted), None)
        if repo is None or repo.deleted:
            raise Spoken("NOT_FOUND", f"Could not resolve to a node with the global id '{wanted}'")
        try:
            allow(call.actor, repo, "contents:write")
        except NotLet as refused:
            raise Spoken("FORBIDDEN", refused.message) from None
        async with repo.writing:
            await _update(call, repo, input["refUpdates"])
        return {"clientMutationId": input.get("clientMutationId")}


async def _update(call: Call, repo: Repo, updates: list[dict[str, Any]]) -> None:
    """Raises Spoken."""
    stand = await repo.bare.refs()
    moves, force = [], []
    for update in updates:
        name, new, old = update["name"], update["afterOid"], stand.get(update["name"])
        before = update.get("beforeOid")
        if not name.startswith("refs/"):
            raise Spoken("UNPROCESSABLE", f"'{name}' is not a fully qualified ref name.")
        if before is not None and before != (old or ZERO):
            raise Spoken("STALE_DATA", f"Expected {name} to be at {before}, but was {old or ZERO}.")
        if new != ZERO and await repo.bare.resolve(new) != new:
            raise Spoken("UNPROCESSABLE", f"No object with the id '{new}'.")
        if new != (old or ZERO):
            moves.append(Move(name, old, None if new == ZERO else new))
            force.append(bool(update.get("force")))
    try:
        await move(call.github, repo, call.actor, moves, force=force)
    except Refused as refused:
        raise Spoken("UNPROCESSABLE", str(refused)) from None


async def answer(call: Call) -> Answer:
    """Run a query or mutation. 200 for whoever is known: errors are in the body."""
    if call.actor is ANYBODY:
        raise Refusal(401, "This endpoint requires you to be authenticated.")
    done = await graphql(
        SCHEMA,
        call.said.get("query", ""),
        root_value=_Root(call),
        variable_values=call.said.get("variables") or {},
        operation_name=call.said.get("operationName"),
        type_resolver=lambda value, *_: "Commit",
    )
    errors = [_spoken(error) for error in done.errors or ()]
    body: dict[str, Any] = {"data": done.data} if done.data is not None or not errors else {}
    if errors:
        body["errors"] = errors
    return Answer(body=body)


def _spoken(error: GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = dict(error.formatted)
    if isinstance(error.original_error, Spoken):
        shown = {"type": error.original_error.kind} | shown
    return shown
