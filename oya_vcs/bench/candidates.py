"""What plan and candidate of a change cost beside the three git programs that nobody can do
without.

Both are measured turn by turn on one repository, which somebody else makes. Must not know what is
done with the figure.
"""

from __future__ import annotations

from pathlib import Path

from oya_vcs.adapters.clock import SystemClock, stopwatch
from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.local import LocalForge
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bench import planning
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core.effects import BuildCandidate, effect_key
from oya_vcs.core.events import CandidateBuilt, Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId
from oya_vcs.errors import Bug

RATIO_MAX = 2.0
"""What one change may cost: its candidate, against bare merge-tree, commit-tree and update-ref."""
WARM = 2
"""Turns that are not counted."""


async def built(
    repo: Path, home: Path, tools: Tools, environ: dict[str, str], count: int
) -> list[Figure]:
    """Plans and candidates of `count` changes on the tip of main, and the same commits made
    bare."""
    programs = Programs(
        jj=tools.jj, git=tools.git, path=environ["PATH"], home=home / "jj", user=environ
    )
    repository = await open_repository(repo, workspaces=home / "workspaces", programs=programs)
    await repository.prepare()
    forge = LocalForge(
        repository,
        ReaperRunner(home / "runs", SystemClock()),
        target="main",
        checks_at=lambda _text: {},
        checkouts=home / "checkouts",
        logs=home / "logs",
        check_ms_max=1,
        environ={},
    )
    bare = _Bare(str(tools.git), repository, environ)
    tip = await bare.run("rev-parse", "refs/heads/main")
    plan = planning.plan_of(planning.line_of(planning.MANY))
    ours, theirs = list[float](), list[float]()
    for number in range(WARM + count):
        head = await bare.head(tip, number)
        effect = BuildCandidate(
            repo=repository.id,
            bead=BeadId("bench"),
            change=ChangeId(f"bench.{number}"),
            head=head,
            round=1,
            message="Land\n",
            made_at_ms=1_700_000_000_000,
        )
        begin = stopwatch()
        plan()
        event = await forge.do(effect_key(effect), effect, _nothing_told)
        ours.append(stopwatch() - begin)
        if not isinstance(event, CandidateBuilt):
            raise Bug(f"The benchmark's change became no candidate: {event}.")
        begin = stopwatch()
        await bare.candidate(tip, head, number)
        theirs.append(stopwatch() - begin)
    ours, theirs = ours[WARM:], theirs[WARM:]
    ratio = median([one / other for one, other in zip(ours, theirs, strict=True)])
    return [
        Figure(
            name="candidate",
            what="plan and candidate of a change; baseline: the three git programs (time)",
            ours=f"{1000 * median(ours):.1f} ms",
            baseline=f"{1000 * median(theirs):.1f} ms",
            ratio=ratio,
            wanted=f"≤ {RATIO_MAX:g}",
            met=ratio <= RATIO_MAX,
        )
    ]


class _Bare:
    """Git as a script would run it."""

    def __init__(self, git: str, repository: JjRepository, environ: dict[str, str]) -> None:
        self._argv = [git, f"--git-dir={repository.git_dir}"]
        self._env = {**environ, "GIT_INDEX_FILE": str(repository.control.parent / "bench-index")}
        for who in ("AUTHOR", "COMMITTER"):
            self._env |= {f"GIT_{who}_NAME": "A Person", f"GIT_{who}_EMAIL": "person@example.org"}

    async def run(self, *args: str, stdin: str = "") -> str:
        """One program."""
        return (await run_program([*self._argv, *args], env=self._env, stdin=stdin)).out.strip()

    async def head(self, base: str, number: int) -> CommitId:
        """A change of one file."""
        await self.run("read-tree", base)
        blob = await self.run("hash-object", "-w", "--stdin", stdin=f"{number}\n")
        await self.run("update-index", "--add", "--cacheinfo", f"100644,{blob},bench-{number}")
        tree = await self.run("write-tree")
        return CommitId(await self.run("commit-tree", tree, "-p", base, "-m", "Work"))

    async def candidate(self, base: str, head: str, number: int) -> None:
        """What nobody can do without."""
        tree = await self.run("merge-tree", "--write-tree", base, head)
        commit = await self.run("commit-tree", tree, "-p", base, "-p", head, "-m", f"{number}")
        await self.run("update-ref", f"refs/oya/bench/{number}", commit)


async def _nothing_told(_event: Event) -> None:
    """Nobody else moves this target."""
