"""GitHub's own descriptions of what it answers: to check every message, and to fill in what the
model has no state for. Knows nothing of what the messages are about.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

FOLDER = Path(__file__).parent / "schemas"
EMPTY: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}
FORMATS = {
    "uri": "https://github.test/",
    "uri-template": "https://github.test/",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "noreply@github.test",
}
ABSENT: Any = object()
ANYTHING: dict[str, Any] = {}


class Book:
    """A file of schemas that refer to each other."""

    def __init__(self, name: str, *, exact: bool) -> None:
        """`exact`: leave out what the schema does not name, instead of passing it on."""
        self.root: dict[str, Any] = json.loads(gzip.decompress((FOLDER / name).read_bytes()))
        self._exact = exact
        self._checkers: dict[str, jsonschema_rs.Draft7Validator] = {}
        self._least: dict[int, Any] = {}

    def at(self, pointer: str) -> Any:
        """What stands at a JSON pointer."""
        node: Any = self.root
        for step in pointer.removeprefix("#/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return node

    def faults(self, schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
        """Where `value` breaks the schema, and how; nowhere if it does not."""
        known = json.dumps(schema, sort_keys=True)
        if known not in self._checkers:
            whole = {key: part for key, part in self.root.items() if key != "paths"} | schema
            self._checkers[known] = jsonschema_rs.Draft7Validator(whole)
        return [
            ("/".join(str(step) for step in error.instance_path), error.message[-300:])
            for error in self._checkers[known].iter_errors(value)
        ]

    def complete(self, schema: dict[str, Any], known: Any = ABSENT) -> Any:
        """`known`, with everything that the schema requires and `known` leaves out."""
        if known is ABSENT:
            if id(schema) not in self._least:
                self._least[id(schema)] = self._nothing(schema)
            return self._least[id(schema)]
        if isinstance(known, list):
            items = self._object(schema).get("items", ANYTHING)
            return [self.complete(items, item) for item in known]
        if not isinstance(known, dict):
            return known
        flat = self._object(schema, known)
        parts = flat.get("properties", {})
        exact = self._exact and flat.get("additionalProperties", True) is False
        value = {
            key: self.complete(parts[key], item) if key in parts else item
            for key, item in known.items()
            if key in parts or not exact
        }
        missing = [key for key in flat.get("required", ()) if key not in value]
        return value | {key: self.complete(parts.get(key, ANYTHING)) for key in missing}

    def _object(self, schema: dict[str, Any], known: Any = None) -> dict[str, Any]:
        """The schema with its references followed, its parts joined, an alternative chosen: the
        one that shares most with `known`."""
        while "$ref" in schema:
            schema = self.at(schema["$ref"])
        if "allOf" in schema:
            parts = [self._object(part, known) for part in schema["allOf"]]
            parts.append({key: part for key, part in schema.items() if key != "allOf"})
            return {
                **{key: part for one in parts for key, part in one.items()},
                "properties": {k: v for one in parts for k, v in one.get("properties", {}).items()},
                "required": [key for one in parts for key in one.get("required", ())],
            }
        for word in ("anyOf", "oneOf"):
            if word in schema and "properties" not in schema:
                choices = [self._object(part, known) for part in schema[word]]
                shared = set(known or ())
                return max(choices, key=lambda one: _likeness(one, shared))
        return schema

    def _nothing(self, schema: dict[str, Any]) -> Any:
        """The least that the schema takes."""
        while "$ref" in schema:
            schema = self.at(schema["$ref"])
        if any(part.get("type") == "null" for part in schema.get("anyOf", ())):
            return None
        flat = self._object(schema)
        kinds = flat.get("type", "object" if "properties" in flat else "null")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "null" in kinds:
            return None
        if "enum" in flat:
            return flat["enum"][0]
        if "const" in flat:
            return flat["const"]
        if kinds[0] == "object":
            return self.complete(flat, {})
        if kinds[0] == "array":
            return []
        return FORMATS.get(flat.get("format", ""), EMPTY[kinds[0]])


def _likeness(schema: dict[str, Any], shared: set[str]) -> tuple[int, int]:
    parts = set(schema.get("properties", ()))
    return len(parts & shared), -len(set(schema.get("required", ())) - shared)


@cache
def rest() -> Book:
    """The REST interface."""
    return Book("openapi.json.gz", exact=False)


@cache
def events() -> Book:
    """The webhooks."""
    return Book("webhooks.json.gz", exact=True)


@cache
def _tolerated() -> list[dict[str, str]]:
    text = (FOLDER / "deviations.toml").read_text(encoding="utf-8")
    found: list[dict[str, str]] = tomllib.loads(text).get("deviation", [])
    return found


def intolerable(place: str, faults: list[tuple[str, str]]) -> list[str]:
    """The faults at a place that deviations.toml does not list."""
    return [
        f"{place}: {path or 'the whole'}: {message}"
        for path, message in faults
        if not any(
            listed["place"] == place
            and fnmatchcase(path, listed["path"])
            and listed["says"] in message
            for listed in _tolerated()
        )
    ]


def of_component(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """`known` as a whole object of the REST interface's component."""
    book = rest()
    value: dict[str, Any] = book.complete(book.at(f"#/components/schemas/{name}"), known)
    return value


def request_faults(operation: str, query: dict[str, str], body: Any) -> list[str]:
    """How a request breaks its operation, which is "METHOD path"."""
    method, _, path = operation.partition(" ")
    book = rest()
    spec = book.root["paths"][path][method.lower()]
    found: list[tuple[str, str]] = []
    known = {}
    for parameter in spec.get("parameters", ()):
        part = book.at(parameter["$ref"]) if "$ref" in parameter else parameter
        if part["in"] == "query":
            known[part["name"]] = part["schema"]
    for name, text in query.items():
        if name not in known:
            found.append((name, "is not a parameter of this operation"))
        else:
            found += [
                (name, said) for _, said in book.faults(known[name], _typed(known[name], text))
            ]
    content = spec.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None and (body is not None or spec["requestBody"].get("required")):
        found += book.faults(content["schema"], body)
        names = set(content["schema"].get("properties", ()))
        if isinstance(body, dict) and names:
            found += [(name, "is not a field of this body") for name in set(body) - names]
    return intolerable(operation, found)


def _typed(schema: dict[str, Any], text: str) -> Any:
    if schema.get("type") == "integer" and text.isdecimal():
        return int(text)
    if schema.get("type") == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text


def answer_faults(operation: str, status: int, body: Any) -> list[str]:
    """How an answer breaks its operation. Errors (4xx, 5xx) only need a message: GitHub gives many
    that the description leaves out."""
    method, _, path = operation.partition(" ")
    if status >= 400:
        spoken = isinstance(body, dict) and isinstance(body.get("message"), str)
        return [] if spoken else [f"{operation}: {status} without a message"]
    if status == 304:
        return []
    spec = rest().root["paths"][path][method.lower()]["responses"]
    if str(status) not in spec:
        return [f"{operation}: {status} is no answer of this operation"]
    response = spec[str(status)]
    response = rest().at(response["$ref"]) if "$ref" in response else response
    content = response.get("content", {}).get("application/json")
    if content is None:
        return [] if body is None else [f"{operation}: {status} has a body"]
    return intolerable(operation, rest().faults(content["schema"], body))


def of_event(event: str, action: str, known: dict[str, Any]) -> dict[str, Any]:
    """`known` as a whole payload of a webhook."""
    value: dict[str, Any] = events().complete(events().at(_definition(event, action)), known)
    return value


def event_faults(event: str, action: str, payload: dict[str, Any]) -> list[str]:
    """How a payload breaks its schema."""
    schema = {"$ref": _definition(event, action)}
    return intolerable(f"{event}.{action}", events().faults(schema, payload))


def _definition(event: str, action: str) -> str:
    return f"#/definitions/{event}${action or 'event'}"
