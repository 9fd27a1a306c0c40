"""Cuts what the model serves out of GitHub's own descriptions; run by hand when they change.

    python -m tests.github_model.slicing OPENAPI WEBHOOKS-SCHEMAS

Both are the folders of npm's unpacked @octokit packages of these names. It writes
schemas/openapi.json.gz and schemas/webhooks.json.gz. Descriptions and examples are left out, and
OpenAPI's `nullable` becomes JSON Schema's null, so that a validator can read the slices. It must
not change what a schema asks for: where the model cannot keep to it, schemas/deviations.toml says
so and why.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "schemas"
REPO = "/repos/{owner}/{repo}"

OPERATIONS = {
    "/app": "get",
    "/app/hook/deliveries": "get",
    "/app/hook/deliveries/{delivery_id}": "get",
    "/app/hook/deliveries/{delivery_id}/attempts": "post",
    "/app/installations": "get",
    "/app/installations/{installation_id}": "get",
    "/app/installations/{installation_id}/access_tokens": "post",
    "/installation/repositories": "get",
    "/rate_limit": "get",
    "/user": "get",
    "/user/{account_id}": "get",
    "/users/{username}": "get",
    REPO: "get",
    f"{REPO}/branches/{{branch}}": "get",
    f"{REPO}/branches/{{branch}}/protection": "get",
    f"{REPO}/check-runs": "post",
    f"{REPO}/check-runs/{{check_run_id}}": "get patch",
    f"{REPO}/collaborators/{{username}}/permission": "get",
    f"{REPO}/commits": "get",
    f"{REPO}/commits/{{ref}}": "get",
    f"{REPO}/commits/{{ref}}/check-runs": "get",
    f"{REPO}/commits/{{ref}}/check-suites": "get",
    f"{REPO}/commits/{{ref}}/status": "get",
    f"{REPO}/commits/{{ref}}/statuses": "get",
    f"{REPO}/compare/{{basehead}}": "get",
    f"{REPO}/git/commits/{{commit_sha}}": "get",
    f"{REPO}/git/matching-refs/{{ref}}": "get",
    f"{REPO}/git/ref/{{ref}}": "get",
    f"{REPO}/git/refs": "post",
    f"{REPO}/git/refs/{{ref}}": "patch delete",
    f"{REPO}/installation": "get",
    f"{REPO}/issues/comments": "get",
    f"{REPO}/issues/comments/{{comment_id}}": "get patch delete",
    f"{REPO}/issues/{{issue_number}}/comments": "get post",
    f"{REPO}/issues/{{issue_number}}/events": "get",
    f"{REPO}/issues/{{issue_number}}/labels": "get post put",
    f"{REPO}/issues/{{issue_number}}/labels/{{name}}": "delete",
    f"{REPO}/issues/{{issue_number}}/timeline": "get",
    f"{REPO}/labels": "get post",
    f"{REPO}/pulls": "get post",
    f"{REPO}/pulls/comments": "get",
    f"{REPO}/pulls/{{pull_number}}": "get patch",
    f"{REPO}/pulls/{{pull_number}}/comments": "get",
    f"{REPO}/pulls/{{pull_number}}/commits": "get",
    f"{REPO}/pulls/{{pull_number}}/merge": "get put",
    f"{REPO}/pulls/{{pull_number}}/reviews": "get post",
    f"{REPO}/rules/branches/{{branch}}": "get",
    f"{REPO}/statuses/{{sha}}": "post",
}
"""The operations that the model serves, by path."""

EVENTS = (
    "check_run", "check_suite", "installation", "installation_repositories", "issue_comment",
    "merge_group", "ping", "pull_request", "pull_request_review", "pull_request_review_comment",
    "push", "repository", "status", "workflow_run",
)  # fmt: skip
"""The kinds of webhook that the model sends."""

SILENT = {"description", "example", "examples", "externalDocs", "x-github", "summary", "tags"}
REF = re.compile(r"#/components/(\w+)/(.+)")


def plain(node: Any, *, named: bool = False) -> Any:
    """The node without what only people read; `named` where its keys are names of their own."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: plain(
            value, named=key in {"properties", "schemas", "definitions", "patternProperties"}
        )
        for key, value in node.items()
        if named or key not in SILENT
    }
    return kept if named else _with_null(kept)


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.pop("nullable", False):
        return schema
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def refs(node: Any) -> Iterator[str]:
    """Every `$ref` in the node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for item in node:
            yield from refs(item)


def closure(whole: dict[str, Any], sections: tuple[str, ...], start: Any) -> dict[str, Any]:
    """The parts of `whole` below `sections` that `start` refers to, and what those refer to."""
    found: dict[str, Any] = {}
    waiting = [start]
    while waiting:
        for ref in refs(waiting.pop()):
            if ref in found or not ref.startswith("#/" + "/".join(sections)):
                continue
            part: Any = whole
            for step in ref.removeprefix("#/").split("/"):
                part = part[step]
            found[ref] = plain(part)
            waiting.append(found[ref])
    return found


def openapi(whole: dict[str, Any]) -> dict[str, Any]:
    """The slice of the REST description: its paths and the components they need."""
    paths: dict[str, Any] = {}
    for path, methods in OPERATIONS.items():
        item = plain(whole["paths"][path])
        paths[path] = {
            method: {
                key: value
                for key, value in item[method].items()
                if key in {"operationId", "parameters", "requestBody", "responses"}
            }
            for method in methods.split()
        }
    components: dict[str, dict[str, Any]] = {}
    for ref, part in sorted(closure(whole, ("components",), paths).items()):
        match = REF.fullmatch(ref)
        assert match, ref
        components.setdefault(match[1], {})[match[2]] = part
    version = whole["info"]["version"]
    return {"openapi": whole["openapi"], "version": version, "paths": paths} | {
        "components": components
    }


def webhooks(whole: dict[str, Any], version: str) -> dict[str, Any]:
    """The slice of the webhook schemas: one definition an event and action."""
    names = [
        name
        for name in whole["definitions"]
        if any(name == f"{event}_event" or name.startswith(f"{event}$") for event in EVENTS)
    ]
    start = {name: plain(whole["definitions"][name]) for name in sorted(names)}
    found = closure(whole, ("definitions",), start)
    more = {ref.removeprefix("#/definitions/"): part for ref, part in sorted(found.items())}
    return {"version": version, "definitions": start | more}


def write(name: str, value: dict[str, Any]) -> None:
    """Write a slice, byte for byte the same for the same input."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    (FOLDER / name).write_bytes(gzip.compress(text, 9, mtime=0))


def main() -> None:
    """Cut both slices out of the two packages named on the command line."""
    rest, hooks = (Path(argument) for argument in sys.argv[1:3])
    whole = json.loads((rest / "generated" / "api.github.com.json").read_bytes())
    write("openapi.json.gz", openapi(whole))
    version = json.loads((hooks / "package.json").read_bytes())["version"]
    write("webhooks.json.gz", webhooks(json.loads((hooks / "schema.json").read_bytes()), version))


if __name__ == "__main__":
    main()
