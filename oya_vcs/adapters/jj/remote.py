"""A git remote of the repository, asked and pushed to with git alone.

Of the repository's own configuration only the remote's address counts, as it was when the daemon
started: a worker that may write there can name neither another place nor a program to run. How to
get in (credentials, keys, proxies) is the user's configuration's business. Must not know what is
pushed, or why.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from oya_vcs.adapters.jj.program import Ended, run_program, run_to_end
from oya_vcs.adapters.jj.repository import JjRepository
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from oya_vcs.ports import Refusal, Refused

REMOTE_MS_MAX = 120_000
"""How long one command may take: a push of a change takes seconds."""
PASSED = re.compile(
    r"HOME|USER|LOGNAME|XDG_CONFIG_HOME|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|KRB5CCNAME"
    r"|GIT_SSH(_COMMAND|_VARIANT)?|GIT_ASKPASS|SSH_ASKPASS|GIT_SSL_\w+|SSL_CERT_(FILE|DIR)"
    r"|(https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY|GH_TOKEN|GITHUB_TOKEN|GH_CONFIG_DIR"
)
"""What git, ssh and credential helpers need of the daemon's environment to get in."""
SETTINGS = {
    "fetch.prune": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "maintenance.auto": "false",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "push.useForceIfIncludes": "false",
}
"""What the user's own configuration must not add to a push or a fetch."""
HERE = "oya"
"""What git is told that the remote is called: its address stands under this name in the environment
of the command, where no other user sees it."""
SAID_MAX = 2_000

Entry = Callable[[], Awaitable[Mapping[str, str]]]
"""What of git's configuration lets us in now. It goes to git in its environment. Raises
WorldFailed."""

_UNAUTHORISED = re.compile(
    r"Authentication failed|could not read (Username|Password)|terminal prompts disabled"
    r"|Permission (to \S+ )?denied|access denied|not authorized|unauthorized|returned error: 40[13]"
    r"|Host key verification failed|Write access to repository not granted",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"returned error: 404|repository '.*' (not found|does not exist)|Repository not found"
    r"|does not appear to be a git repository|no such repository",
    re.IGNORECASE,
)
_NO_BRANCH = re.compile(r"couldn't find remote ref", re.IGNORECASE)
_STALE = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|incorrect old value"
    r"|remote ref updated|reference already exists|but expected",
    re.IGNORECASE,
)
_OVERTAKEN = re.compile(
    r"^remote: error: cannot lock ref '[^']*': (reference already exists|is at \w+ but expected"
    r"|unable to resolve reference|reference is missing)",
    re.MULTILINE,
)
"""What git's own server says where the ref moved while it took our push: of it the line of
`--porcelain` says only that a transaction failed."""
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class GitRemote:
    """A `ports.Remote`. Made by `open_remote`; `url` and `push_url` may hold a secret. Without an
    `entry` it is left to the user's configuration how to get in."""

    repository: JjRepository
    name: str
    url: str
    push_url: str
    environ: Mapping[str, str]
    entry: Entry | None = None

    async def tip(self, branch: str) -> CommitId | Refused | None:
        """Where the branch stands there now."""
        ref = _ref(branch)
        ended = await self._git("ls-remote", "--refs", HERE, ref)
        if ended.status != 0:
            return self._refused(ended)
        rows = (line.split("\t") for line in ended.out.splitlines())
        return next((CommitId(commit) for commit, name in rows if name == ref), None)

    async def fetch(self, branch: str) -> CommitId | Refused | None:
        """Bring the branch's commits here, kept by a ref of ours."""
        kept = f"refs/oya/remotes/{self.repository.home_tag}/{self.name}/{branch}"
        how = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet")
        ended = await self._git("fetch", *how, HERE, f"+{_ref(branch)}:{kept}")
        if ended.status == 0:
            form = ("for-each-ref", "--format=%(objectname)", kept)
            return CommitId(await self.repository.git(*form))
        return None if _NO_BRANCH.search(ended.err) else self._refused(ended)

    async def push(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        """Push with the branch's old place as the condition: a plain push would also move a branch
        that somebody has set back."""
        ref = _ref(branch)
        ended = await self._git(
            *("push", "--porcelain", "--atomic", "--no-verify"),
            *(f"--force-with-lease={ref}:{base}", HERE, f"{commit}:{ref}"),
        )
        rejected = re.search(r"^!\t\S+\t(.*)$", ended.out, re.MULTILINE)
        if rejected is not None:
            return self._rejected(rejected[1], ended)
        return None if ended.status == 0 else self._refused(ended)

    async def _git(self, *args: str) -> Ended:
        argv, environment = await self.repository.git_call(*args)
        passed = {name: text for name, text in self.environ.items() if PASSED.fullmatch(name)}
        settings = {f"remote.{HERE}.url": self.url, f"remote.{HERE}.pushurl": self.push_url}
        settings |= SETTINGS
        try:
            settings |= {} if self.entry is None else await self.entry()
        except WorldFailed as error:
            return Ended(-1, "", error.message)
        named = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            named |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        environment |= {**passed, **named, "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
        for unset in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
            environment.pop(unset, None)
        try:
            async with asyncio.timeout(REMOTE_MS_MAX / 1000):
                return await run_to_end(argv, env=environment, alone=True)
        except TimeoutError:
            return Ended(-1, "", f"It did not end within {REMOTE_MS_MAX // 1000} s.")

    def _rejected(self, summary: str, ended: Ended) -> Refused:
        """What the remote says of it, with what the line of `--porcelain` says: of a text that may
        be long people are shown the first line."""
        if _STALE.search(summary) or _OVERTAKEN.search(ended.err):
            return Refused(Refusal.STALE, summary)
        words = [line for line in ended.err.splitlines() if line.startswith("remote:")]
        said = "\n".join([*(line.removeprefix("remote:").strip() for line in words), summary])
        return Refused(Refusal.DECLINED, self._plain(said))

    def _refused(self, ended: Ended) -> Refused:
        if _UNAUTHORISED.search(ended.err):
            why = Refusal.UNAUTHORISED
        elif _MISSING.search(ended.err):
            why = Refusal.MISSING
        else:
            why = Refusal.UNREACHABLE
        return Refused(why, self._plain(ended.err or f"git ended with status {ended.status}."))

    def _plain(self, said: str) -> str:
        """Without what gets somebody in, should git or the remote have repeated it."""
        for url in {self.url, self.push_url}:
            if secret := _CREDENTIALS.search(url):
                said = said.replace(secret[0], "")
                for part in secret[0].removesuffix("@").split(":")[1:]:
                    said = said.replace(part, "…") if part else said
        return _CREDENTIALS.sub("", said).strip()[-SAID_MAX:]


def _ref(branch: str) -> str:
    """The full name of a branch; what is a full name already, as `refs/pull/7/head`, is itself."""
    return branch if branch.startswith("refs/") else f"refs/heads/{branch}"


async def open_remote(
    repository: JjRepository, name: str, environ: Mapping[str, str], entry: Entry | None = None
) -> GitRemote:
    """The remote of this name, with its addresses as they are now.

    Raises ConfigurationInvalid, with the mend, where the repository has none of that name.
    """
    url = await _address(repository, f"remote.{name}.url")
    if not url:
        raise ConfigurationInvalid(
            f"[repo] remote is {name!r}, and {repository.root} has no git remote of that name.",
            f"Run `jj git remote add {name} URL` there, or leave [repo] remote out of oya.toml.",
        )
    push_url = await _address(repository, f"remote.{name}.pushurl") or url
    return GitRemote(repository, name, url, push_url, dict(environ), entry)


async def _address(repository: JjRepository, key: str) -> str:
    """A remote's address in the repository's own file; a path is taken from its root."""
    file = repository.common / "config"
    argv, env = await repository.git_call("config", "--file", str(file), "--no-includes", key)
    try:
        url = (await run_program(argv, env=env)).out.strip()
    except WorldFailed:
        return ""
    is_path = "://" not in url and not re.match(r"[^/]+:", url)
    return str(repository.root / url) if url and is_path else url
