"""The command line's grammar, and the help that teaches it. Standard library only: `--help` must be
fast."""

from __future__ import annotations

from oya_vcs import __version__
from oya_vcs.cli.grammar import Commands, Parser, common, raw
from oya_vcs.cli.grammar import add as _add
from oya_vcs.cli.grammar_hooks import hooks
from oya_vcs.cli.grammar_simulate import simulating
from oya_vcs.cli.parser_daemon import daemon, shell

ABOUT = """\
Runs many coding agents at once on a jj repository: each bead (a unit of work) in its own
workspace, every step in an fsynced journal, results landed through a merge queue that never
lets an untested tree onto the target.

Try it:   oya-vcs demo
Use it:   oya-vcs init REPO, commit the oya.toml it wrote, then
          oya-vcs run BEADS.jsonl --repo REPO --worker './agent.sh'
"""

EXITS = """\
exit codes: 0 done · 1 work failed or input invalid · 2 usage or configuration · 3 not found ·
4 an external program or forge failed · 5 locked by another daemon · 6 no daemon · 130 interrupted
"""


def build() -> Parser:
    """The whole grammar."""
    parser = Parser(prog="oya-vcs", description=ABOUT, epilog=EXITS, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"oya-vcs {__version__}")
    common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _work(commands)
    daemon(commands)
    _beads(commands)
    _queue(commands)
    _journal(commands)
    _workspaces(commands)
    _health(commands)
    shell(commands)
    hooks(commands)
    simulating(commands)
    return parser


def _work(commands: Commands) -> None:
    demo = _add(
        commands,
        "demo",
        "run the main job on a generated repository",
        "Makes a jj repository and beads, works on them with a scripted worker, and lands them.\n"
        "Exit code 0 means that all landed and the journal verifies.\n\n"
        "With --github its changes are pull requests on a model of GitHub, which a checkout of\n"
        "oya-vcs has; with --keep as well the model serves on until Ctrl-C.",
    )
    many = "how many (default 12; 5 with --github)"
    demo.add_argument("--beads", type=int, metavar="N", help=many)
    demo.add_argument("--github", action="store_true", help="land by pull requests, on a model")
    demo.add_argument("--slots", type=int, default=4, metavar="N", help="how many at once (4)")
    demo.add_argument("--dir", metavar="DIR", help="where (default: a temporary folder)")
    demo.add_argument("--keep", action="store_true", help="keep the folder to look around in")
    init = _add(
        commands, "init", "register a jj repository, and write a commented oya.toml into it"
    )
    init.add_argument("repo", nargs="?", default=".", metavar="REPO", help="default: this folder")
    run = _add(
        commands,
        "run",
        "work on a beads file until every bead has landed or cannot",
        "Foreground: submits, works, lands, and ends when nothing more can be done. Run it again\n"
        "after a crash, a Ctrl-C or a power cut: it goes on where the journal says it was.\n\n"
        "The worker is split into words, not run by a shell. It starts in a workspace that\n"
        "holds the target, reads $OYA_PROMPT_FILE, changes files and exits with 0. One that\n"
        "prints nothing for 30 s and does not touch $OYA_HEARTBEAT counts as hung\n"
        "([worker] lease_ms).",
    )
    run.add_argument("beads", metavar="BEADS.jsonl", help="one JSON object a line")
    run.add_argument("--repo", default=".", metavar="REPO", help="a jj repository (this folder)")
    run.add_argument("--worker", metavar="CMD", help="the program that works on a bead")
    run.add_argument("--slots", type=int, metavar="N", help="how many beads at once")


def _beads(commands: Commands) -> None:
    bead = _add(commands, "bead", "look at beads; cancel, pause, resume or retry them")
    verbs = bead.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = _add(verbs, "list", "list every bead with its state and what it waits for")
    listing.add_argument("--state", metavar="STATE", help="only these: ready, running, failed, …")
    show = _add(verbs, "show", "show one bead with everything that happened to it")
    show.add_argument("bead", metavar="ID")
    _add(verbs, "ready", "list what could be worked on now, most urgent first")
    _add(verbs, "blocked", "list what waits for other beads to land, and for which")
    chain = _add(verbs, "chain", "show the longest chain of unfinished beads through one bead")
    chain.add_argument("bead", metavar="ID")
    _adding(verbs)
    importing = _add(verbs, "import", "put the beads of a file on record, for the daemon")
    importing.add_argument(
        "file",
        nargs="?",
        metavar="BEADS.jsonl",
        help="one JSON object a line (default: the .beads/issues.jsonl of the repository)",
    )
    importing.add_argument("--repo", default=".", metavar="REPO", help="a jj repository (this)")
    _wishes(verbs)


def _adding(verbs: Commands) -> None:
    adding = _add(verbs, "add", "put one new bead on record", _ADD)
    adding.add_argument("title", nargs="?", metavar="TITLE", help="or -: read text from stdin")
    for flag, name, what in (
        ("--description", "TEXT", "what is to be done; -: read it from stdin"),
        ("--acceptance", "TEXT", "how one can tell that it is done"),
        ("--id", "ID", "its name (default: made from the title)"),
        ("--type", "TYPE", "bug, feature, task, epic, … (default task)"),
        ("--tenant", "NAME", "whose turn it takes (default: default)"),
    ):
        adding.add_argument(flag, metavar=name, help=what)
    for flag, name, what in (
        ("--deps", "ID,ID", "beads that must land before it"),
        ("--label", "LABEL", "a label"),
        ("--file", "PATH", "what its worker is to change, from the root of the repository"),
    ):
        adding.add_argument(flag, metavar=name, action="append", default=[], help=f"{what}; again")
    adding.add_argument("--priority", metavar="N", help="0, the most urgent, to 1000 (default 2)")
    adding.add_argument("--allow-empty", action="store_true", help="it may land with no change")
    adding.add_argument("--repo", default=".", metavar="REPO", help="a jj repository (this)")


_ADD = """\
Without a title: a text from a pipe, or one that you write in $VISUAL or $EDITOR. Its first
line is the title, the rest the description. An empty one adds nothing (exit code 1)."""


def _wishes(verbs: Commands) -> None:
    for name, does, more in (
        ("cancel", "end beads for good", _CANCEL),
        ("pause", "let beads stand still", _PAUSE),
        ("resume", "let paused beads go on", "A worker that stands still goes on where it was."),
        ("retry", "give failed or cancelled beads new attempts", ""),
    ):
        parser = _add(verbs, name, does, more)
        parser.add_argument("beads", metavar="ID", nargs="+")
        parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")


_CANCEL = """\
At once where nothing of a bead runs; else its worker or its checks are stopped first. What a
worker wrote is kept. A landing that is under way is not stopped: then the bead has landed.
`oya-vcs bead retry` opens a cancelled bead again."""
_PAUSE = """\
Nothing new begins for a bead. A worker that runs is stopped in its tracks, keeps its slot, and
does not age. What is in the merge queue can be cancelled, not paused."""


def _queue(commands: Commands) -> None:
    queue = _add(commands, "queue", "look at the merge queue, approve, pause, simulate")
    verbs = queue.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add(verbs, "list", "list what is in the queue: place, what it waits for, when it may land")
    show = _add(verbs, "show", "show one change request with everything that happened to it")
    show.add_argument("change", metavar="ID", help="a change request, or its bead")
    approve = _add(verbs, "approve", "let a change land as it is at its head")
    approve.add_argument("change", metavar="ID", help="a change request, or its bead")
    approve.add_argument("--head", default="", metavar="SHA", help="refuse if it is another commit")
    approve.add_argument("--priority", type=int, metavar="N", help="0 is the most urgent")
    reject = _add(verbs, "reject", "take a change out; its bead goes back to a worker")
    reject.add_argument("change", metavar="ID", help="a change request, or its bead")
    reject.add_argument("--reason", default="", metavar="TEXT", help="what the worker is told")
    for name, does in (
        ("pause", "begin and land nothing until `queue resume`"),
        ("resume", "go on, and look again at what was held"),
        ("freeze", "land nothing for a while; tests go on"),
        ("close", "take up no change less urgent than a priority"),
        ("open", "take up every change again"),
    ):
        verb = _add(verbs, name, does)
        verb.add_argument("--repo", default="", metavar="REPO", help="if the home has several")
        if name in {"pause", "freeze", "close"}:
            verb.add_argument("--reason", default="", metavar="TEXT", help="what people are told")
        if name == "freeze":
            verb.add_argument("--for", dest="span", default="24h", metavar="D", help="30m, 24h, 7d")
            verb.add_argument("--end", action="store_true", help="end the freeze now")
        if name == "close":
            verb.add_argument(
                "--above", type=int, metavar="N", help="still take up 0 to N (default: nothing)"
            )
    _simulate(verbs)


def _simulate(verbs: Commands) -> None:
    simulate = _add(
        verbs,
        "simulate",
        "run the queue's own policy on a virtual clock, and say how fast it lands changes",
        "Rates are changes landed in the time of one test; docs/MERGE_QUEUE.md says what to use"
        " when. `oya-vcs simulate` is something else: the whole daemon, with everything failing.",
    )
    for flag, kind, default, what in (
        ("--changes", int, 1_000, "changes to land"),
        ("--fail", float, 0.1, "share of changes that are bad"),
        ("--flake", float, 0.0, "share of tests that fail without reason"),
        ("--flaky-depth", int, 0, "[queue] flaky_depth"),
        ("--window", int, 8, "[queue] window_max"),
        ("--batch", int, 8, "[queue] batch_max"),
        ("--slots", int, 0, "tests at once; 0: as many as are asked for"),
        ("--test-minutes", float, 10.0, "how long a test takes"),
        ("--load", float, 0.0, "changes that arrive in the time of a test; 0: all at the start"),
        ("--spread", float, 0.0, "share by which a test is longer or shorter than that"),
        ("--seed", int, 1, "of the dice"),
    ):
        simulate.add_argument(
            flag, type=kind, default=default, metavar="N", help=f"{what} (default {default:g})"
        )
    simulate.add_argument(
        "--disjoint", action="store_true", help="[queue] disjoint; no two changes share a path"
    )
    simulate.add_argument("--plot", metavar="FILE.svg", help="draw rates over shares of failure")


def _journal(commands: Commands) -> None:
    journal = _add(commands, "journal", "read, verify and replay the record")
    verbs = journal.add_subparsers(dest="verb", metavar="VERB", required=True)
    tail = _add(verbs, "tail", "show the last events")
    tail.add_argument("-n", type=int, default=20, metavar="N", help="how many (default 20)")
    _add(verbs, "verify", "prove that nothing was lost, reordered or edited")
    replay = _add(verbs, "replay", "fold the events into the state and print its digest")
    which = replay.add_mutually_exclusive_group()
    which.add_argument("--to", type=int, metavar="SEQ", help="the state as of this event")
    which.add_argument(
        "--diff",
        type=int,
        nargs=2,
        metavar=("A", "B"),
        help="what changed in the state from event A to event B",
    )
    _add(
        verbs,
        "checkpoint",
        "keep the state of now, so that the next start is quick",
        "A daemon does this by itself, every minute or 10,000 events and at its end.",
    )
    _add(verbs, "stats", "count events and bytes by type")
    _retention(verbs)


def _retention(verbs: Commands) -> None:
    export = _add(
        verbs,
        "export",
        "write the whole record as JSON lines",
        "One line an event with every column, archived ones too, and a last line that says how\n"
        "many there are. A daemon may run meanwhile.",
    )
    export.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdout")
    importing = _add(
        verbs,
        "import",
        "make the record of an empty home from an export",
        "Every line is checked; the journal appears only when the whole file was found right.",
    )
    importing.add_argument("file", metavar="FILE", help="what `journal export` wrote")
    compact = _add(
        verbs,
        "compact",
        "move the oldest events into compressed archives",
        "They stay part of the record: verify, replay, tail and export read them there. Needs a\n"
        "checkpoint behind the cut, and that no daemon runs.",
    )
    cut = compact.add_mutually_exclusive_group()
    cut.add_argument("--before", type=int, metavar="SEQ", help="archive all before this event")
    cut.add_argument(
        "--keep", type=_whole_number, metavar="N", help="archive all but the last N (100000)"
    )
    compact.add_argument("--dry-run", action="store_true", help="only say what would be archived")


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _workspaces(commands: Commands) -> None:
    workspace = _add(commands, "workspace", "look at the workspaces of attempts, and clean up")
    verbs = workspace.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = _add(verbs, "list", "list the workspaces that the journal says are ours")
    listed.add_argument("--all", action="store_true", help="removed ones too, with their pins")
    show = _add(
        verbs,
        "show",
        "show one workspace: its attempt, base, pins, size, and what in it is not saved",
    )
    show.add_argument("workspace", metavar="WORKSPACE|BEAD")
    restore = _add(
        verbs,
        "restore",
        "bring back what was in a removed workspace, in a new folder",
        "Of a bead, its newest attempt that something is kept of. Neither the repository nor the\n"
        "record is changed, and nothing is ever written over.",
    )
    restore.add_argument("workspace", metavar="WORKSPACE|BEAD")
    restore.add_argument(
        "--to", metavar="DIR", help="a folder that is not there yet (default: in the home)"
    )
    clean = _add(
        verbs,
        "clean",
        "remove kept workspaces of failed attempts, and what nobody expects",
        "What a workspace holds is committed and pinned under refs/oya/kept/ before it goes;\n"
        "`workspace restore` brings it back. What is not ours is explained and never touched.",
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    clean.add_argument(
        "--older-than", default="24h", metavar="D", help="30m, 24h, 7d (default 24h; 0 for all)"
    )
    clean.add_argument("--max", type=int, default=20, metavar="N", help="at most N (default 20)")


def _health(commands: Commands) -> None:
    status = _add(
        commands,
        "status",
        "say what runs, what waits and why",
        "--tree asks the running daemon for its parts: what each does, since when, how often it\n"
        "was started again, and its last error. Exit code 6 where no daemon runs.",
    )
    status.add_argument("--tree", action="store_true", help="show the running daemon's parts")
    doctor = _add(
        commands,
        "doctor",
        "check machine, configuration, home, journal and repositories",
        "Exit code 1 where something is wrong, and says the mend of each.",
    )
    doctor.add_argument(
        "--fix", action="store_true", help="do what is safe of it, and say what was done"
    )
    doctor.add_argument("--repo", metavar="REPO", help="check this repository, too")
    _bench(commands)


def _bench(commands: Commands) -> None:
    bench = _add(
        commands,
        "bench",
        "measure oya-vcs against what it stands on, side by side",
        "run: no-op beads against the bare jj, git and process calls, and steps of the engine.\n"
        "load: many beads at once while a user works, phase by phase, and against bare calls.\n"
        "queue: plan and candidate of a change against bare git; plans of a long queue.\n"
        "pool: runs under the reaper against bare processes, and the start of a hook.\n"
        "journal: appends, workflows, replay, restart, checkpoints and look-ups against plain"
        " SQLite loops.\n"
        "core: graphs and queues of beads against bare counters, networkx and heaps.\n"
        "runtime: messages of actors and injected crashes, against bare queues and the back-off.\n"
        "workspace: making, collecting and removing workspaces against bare jj calls.\n"
        "webhook: webhooks from the socket to the disk against the bare web server.\n"
        "watch: operations of others until they are on disk, against a bare watch; idle CPU.",
    )
    bench.add_argument(
        "what",
        nargs="?",
        choices=(
            *("all", "run", "load", "queue", "pool"),
            *("journal", "core", "runtime", "workspace", "webhook", "watch"),
        ),
        default="all",
        help="(all)",
    )
    for flag, default, what in (
        ("--beads", 60, "beads of `run`, over its rounds; changes of `queue`"),
        ("--load", 100, "beads of `load`, all at once"),
        ("--steps", 20_000, "steps of `run`"),
        ("--events", 200_000, "events of the replay"),
        ("--rows", 500_000, "events before the last appends"),
        ("--graph", 100_000, "beads of the graph of `core`"),
        ("--deliveries", 200_000, "webhooks in a row, for the memory they leave"),
        ("--rounds", 3, "rounds; the median counts"),
    ):
        bench.add_argument(
            flag, type=int, default=default, metavar="N", help=f"{what} (default {default})"
        )
    bench.add_argument("--dir", metavar="DIR", help="measure the disk that this folder is on")
    bench.add_argument("--write", metavar="FILE", help="put the tables into this Markdown file")
    bench.add_argument(
        "--gate", metavar="FILE", help="exit 1 where a ratio is beyond this file's limits"
    )
