"""Who asks: users' tokens, Apps' JWTs, installation tokens, and what each may do."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options

from tests.github_model.clock import Clock
from tests.github_model.records import ANYBODY, ROLES, Account, Actor, App, Installation, Repo

JWT_SECONDS_MAX = 600
"""GitHub refuses a JWT whose end is more than ten minutes ahead."""

DRIFT_SECONDS = 60
"""How far ahead of GitHub's an App's clock may be."""

EITHER = dict.fromkeys(("comments", "labels"), ("issues", "pull_requests"))
"""Of a pull request, both permissions of an App give these."""

TOKEN_MS = 3_600_000
"""How long an installation token holds."""


class NotLet(Exception):
    """Refused: with the status and the message that GitHub gives."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@cache
def key_pair() -> tuple[str, str]:
    """A private and a public key in PEM, made once a process: none is kept in a file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@dataclass
class Access:
    """The credentials that the model has given out."""

    clock: Clock
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    tokens: dict[str, tuple[Actor, int | None]] = field(default_factory=dict)

    def token_of(self, account: Account) -> str:
        """A new personal token of a user."""
        token = f"ghp_{secrets.token_hex(18)}"
        self.tokens[token] = Actor(account, token=token), None
        return token

    def revoke(self, chosen: Callable[[Actor], object] = lambda actor: True) -> None:
        """End tokens before their time."""
        self.tokens = {token: held for token, held in self.tokens.items() if not chosen(held[0])}

    def installation_token(
        self, held: Installation, permissions: dict[str, str]
    ) -> tuple[str, int]:
        """A new token of an installation, and when it ends. As long as GitHub makes them now."""
        said = json.dumps({"iat": self.clock.now_ms(), "sub": str(held.id)}).encode()
        body = base64.urlsafe_b64encode(said).decode().rstrip("=")
        token = f"ghs_{held.app.id}_{body}.{secrets.token_urlsafe(256)}"
        ends = self.clock.now_ms() + TOKEN_MS
        actor = Actor(held.app.bot, installation=held, permissions=permissions, token=token)
        self.tokens[token] = actor, ends
        return token, ends

    def actor(self, header: str | None) -> Actor:
        """Who an Authorization header speaks for. Raises NotLet."""
        if not header:
            return ANYBODY
        kind, _, value = header.partition(" ")
        if kind.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                raise NotLet(401, "Bad credentials") from None
        elif kind.lower() not in {"bearer", "token"}:
            raise NotLet(401, "Bad credentials")
        if kind.lower() == "bearer" and value.count(".") == 2 and not value.startswith("gh"):
            return self._app(value)
        held = self.tokens.get(value)
        if held is None or (held[1] is not None and held[1] <= self.clock.now_ms()):
            raise NotLet(401, "Bad credentials")
        installation = held[0].installation
        if installation is not None and installation.suspended:
            raise NotLet(403, "This installation has been suspended")
        return held[0]

    def _app(self, token: str) -> Actor:
        """The App that a JWT speaks for: RS256, its id as issuer, ended at most in ten minutes."""
        off: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key_pair()[1], algorithms=["RS256"], options=off
            )
        except jwt.PyJWTError:
            raise NotLet(401, "A JSON web token could not be decoded") from None
        app = next((one for one in self.apps.values() if str(one.id) == str(claims["iss"])), None)
        now = self.clock.now_ms() // 1000
        if app is None:
            raise NotLet(401, "Integration not found")
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= now:
            raise NotLet(401, "'Expiration time' claim ('exp') must be a numeric value in future")
        if claims["exp"] > now + JWT_SECONDS_MAX + DRIFT_SECONDS:
            raise NotLet(401, "'Expiration time' claim ('exp') is too far in the future")
        if not isinstance(claims.get("iat"), int) or claims["iat"] > now + DRIFT_SECONDS:
            raise NotLet(401, "'Issued at' claim ('iat') must be an Integer in the past")
        return Actor(app.bot, app=app)


def allow(actor: Actor, repo: Repo, *needed: str) -> None:
    """Let an actor pass who has one of the permissions: "contents:write". Raises NotLet.

    A person's role counts for a person: read for all reading and for comments, triage for labels,
    write for the rest, admin for administration.
    """
    if actor.app is not None:
        raise NotLet(401, "A JSON web token speaks for the App, not for an installation")
    if repo.archived and any(need.endswith((":write", "administration")) for need in needed):
        raise NotLet(403, "Repository was archived so is read-only.")
    held = actor.installation
    if held is None:
        _allow_person(actor, repo, needed)
        return
    if not any(one is repo for one in held.repos):
        raise NotLet(*((404, "Not Found") if repo.private else _not_accessible()))
    for need in needed:
        name, _, level = need.partition(":")
        granted = {actor.permissions.get(one, "none") for one in EITHER.get(name, (name,))}
        if name == "metadata" or granted & {"write", level}:
            return
    raise NotLet(*_not_accessible())


def _not_accessible() -> tuple[int, str]:
    return 403, "Resource not accessible by integration"


def _allow_person(actor: Actor, repo: Repo, needed: tuple[str, ...]) -> None:
    role = ROLES.index(repo.role(actor.account))
    if role < ROLES.index("read"):
        raise NotLet(404, "Not Found")
    least = min(_least_role(need) for need in needed)
    if least > ROLES.index("read") and actor is ANYBODY:
        raise NotLet(401, "Requires authentication")
    if role < least:
        raise NotLet(403, "Must have push access to repository")


def _least_role(need: str) -> int:
    name, _, level = need.partition(":")
    if name == "administration":
        return ROLES.index("admin")
    if level == "read" or name in {"comments", "pull_requests"}:
        return ROLES.index("read")
    return ROLES.index("triage" if name == "labels" else "write")
