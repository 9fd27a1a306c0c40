"""How we get in: as a GitHub App, or with a token that the user gave.

An App proves who it is with a key of its own and is given tokens that last an hour; they are kept
in memory only, and are of any length. Knows of the API only what an App asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import jwt

from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.adapters.github.wire import Wire
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Clock

RENEW_MS = 300_000
"""A token is renewed so long before its end: longer than a request, or a push, takes."""
JWT_S = 600
"""How long proof that we are the App may hold: GitHub takes none that holds longer."""
JWT_EARLY_S = 60
"""It begins so long ago, as GitHub advises: its clock may be behind ours."""
DELIVERIES_MAX = 100
"""Webhooks that are looked back at: a page of GitHub's."""


class Credentials(Protocol):
    """What gets us in."""

    async def token(self) -> str:
        """A token that counts now. Raises GithubFailed."""
        ...

    def refused(self, token: str) -> bool:
        """GitHub does not know this token; returns whether another one may be had."""
        ...


class UserToken:
    """A token from the environment, which only the user can renew."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        """The token."""
        return self._token

    def refused(self, token: str) -> bool:
        """There is no other."""
        return False


class Undelivered(NamedTuple):
    """A webhook that nobody took: its number, and those of the repository and the installation that
    it is about, 0 for none."""

    id: int
    repository: int
    installation: int


def _undelivered(row: Mapping[str, Any]) -> Undelivered:
    about = (int(row.get(name) or 0) for name in ("repository_id", "installation_id"))
    return Undelivered(int(row["id"]), *about)


class App:
    """A GitHub App, installed where `repo` (owner/name) is.

    `key` is its private key in PEM. Raises ConfigurationInvalid where that is none.
    """

    def __init__(self, wire: Wire, clock: Clock, *, app_id: int, key: str, repo: str) -> None:
        self._wire = wire
        self._clock = clock
        self._app_id = app_id
        self._key = key
        self._repo = repo
        self._token = ""
        self._ends_ms = 0
        self.installed = 0
        """The number of its installation on the repository, 0 until that was asked for."""
        self._renewing = asyncio.Lock()
        try:
            self.jwt()
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConfigurationInvalid(
                "github.private_key_file holds no RSA private key in PEM.",
                "Make one on the App's page on GitHub, and name the file that it downloads.",
            ) from error

    def jwt(self) -> str:
        """What proves for nine minutes, by our clock, that we are the App."""
        issued_s = self._clock.now_ms() // 1_000 - JWT_EARLY_S
        said = {"iat": issued_s, "exp": issued_s + JWT_S, "iss": str(self._app_id)}
        return jwt.encode(said, self._key, algorithm="RS256")

    async def token(self) -> str:
        """The installation's token, renewed before it ends; whoever comes meanwhile waits."""
        async with self._renewing:
            if self._ends_ms - self._clock.now_ms() < RENEW_MS:
                await self._renew()
            return self._token

    def refused(self, token: str) -> bool:
        """Forget the token, unless it was renewed meanwhile."""
        if token == self._token:
            self._ends_ms = 0
        return True

    async def about(self) -> Any:
        """The App as GitHub has it: its `slug`, and the permissions and events that it asks for.
        Raises GithubFailed."""
        return await self._as_app("GET", "/app")

    async def installation(self) -> Any:
        """Its installation on the repository: what it was given there. Raises GithubFailed."""
        return await self._as_app("GET", f"/repos/{self._repo}/installation")

    async def failed_deliveries(self) -> list[Undelivered]:
        """Webhooks of late that nobody took, and that were not taken later either: of all of the
        App's, wherever it is installed. Raises GithubFailed."""
        try:
            rows = await self._as_app("GET", f"/app/hook/deliveries?per_page={DELIVERIES_MAX}")
        except GithubFailed as error:
            if error.why is Why.MISSING:  # the App has no webhook
                return []
            raise
        taken = {row["guid"] for row in rows if row["status"] == "OK"}
        failed = {row["guid"]: row for row in rows if row["guid"] not in taken}
        return sorted(map(_undelivered, failed.values()))

    async def redeliver(self, delivery: int) -> None:
        """Have a webhook sent again. Raises GithubFailed."""
        await self._as_app("POST", f"/app/hook/deliveries/{delivery}/attempts")

    async def _as_app(self, method: str, path: str) -> Any:
        heard = await self._wire.ask(method, path, jwt=self.jwt())
        return {} if heard.reply is None else heard.reply.data

    async def _renew(self) -> None:
        known = self.installed
        try:
            given = await self._given()
        except GithubFailed as error:
            if not known or error.why is not Why.MISSING:
                raise
            self.installed = 0  # that one is gone; there may be another one by now
            given = await self._given()
        self._token = given["token"]
        self._ends_ms = int(datetime.fromisoformat(given["expires_at"]).timestamp() * 1_000)

    async def _given(self) -> Any:
        """A new token of the installation, which is asked for where it is not known. That there is
        none must not be taken for something of the repository that is not there."""
        if not self.installed:
            try:
                self.installed = int((await self.installation())["id"])
            except GithubFailed as error:
                if error.why is not Why.MISSING:
                    raise
                raise GithubFailed(
                    Why.UNAUTHORISED,
                    f"The GitHub App {self._app_id} is not installed on {self._repo}.",
                    status=error.status,
                    hint="Install it there, or look at [github] repo and app_id.",
                ) from error
        path = f"/app/installations/{self.installed}/access_tokens"
        only = {"repositories": [self._repo.partition("/")[2]]}
        heard = await self._wire.ask("POST", path, jwt=self.jwt(), body=only)
        return {} if heard.reply is None else heard.reply.data
