"""Measure oya-vcs and its peers turn by turn, and print (or write) one table of medians.

    python compare.py --ours PYTHON --peers PYTHON --npm DIR --dir DIR [--rounds 3] [--write FILE]

`--ours` is a Python that has oya-vcs, `--peers` one that has the peers (README.md here says how to
make it), `--npm` the folder with Restate. Each measurement is a process of its own in a fresh
folder below `--dir`. With `--strace` every peer is run once more under strace, and the table says
how often a workflow that is alone reached the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARKS = ("<!-- bench peers: begin -->", "<!-- bench peers: end -->")
HEAD = ("engine", "version", "alone /s", "64 in flight /s", "ours, alone", "ours, in flight")
PEERS = {
    "eventsourcing": ["eventsourcing_peer.py"],
    "dbos": ["dbos_peer.py"],
    "dbos-wal": ["dbos_peer.py", "--wal"],
    "restate-node": ["restate_peer.py"],
    "restate-python": ["restate_peer.py", "--python"],
    "temporal": ["temporal_peer.py"],
}
TRACED = 50
"""Workflows of a run under strace, and of the run twice as long that it is compared with."""


def measured(argv: list[str], folder: Path, prefix: tuple[str, ...] = ()) -> dict[str, object]:
    """What one run of a script reports. Raises where it fails, with what it said."""
    inside = tempfile.mkdtemp(dir=folder)
    try:
        whole = [*prefix, *argv, "--dir", inside]
        ran = subprocess.run(whole, capture_output=True, check=False, text=True, timeout=600)
        if ran.returncode:
            raise SystemExit(f"{' '.join(argv)} failed:\n{ran.stdout}\n{ran.stderr}")
        return json.loads(ran.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def fsyncs(argv: list[str], folder: Path) -> float:
    """How often a workflow that is alone waits for the disk: the difference of two runs."""
    counts = []
    for alone in (TRACED, 2 * TRACED):
        log = folder / "strace"
        calls = "trace=fsync,fdatasync,sync_file_range"
        trace = ("strace", "-f", "-c", "-o", str(log), "-e", calls)
        measured([*argv, "--alone", str(alone), "--flight", "1"], folder, trace)
        found = re.search(r"(\d+) +(?:\d+ +)?total", log.read_text())
        counts.append(int(found[1]) if found else 0)
    return (counts[1] - counts[0]) / TRACED


def main() -> None:
    """Rounds of all, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", default=sys.executable)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--npm")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    parser.add_argument("--strace", action="store_true")
    parser.add_argument("--write")
    given = parser.parse_args()
    folder = Path(given.dir)
    chosen = {"oya-vcs": [given.ours, str(HERE / "ours.py")]}
    for name in given.only:
        if "restate" in name and not given.npm:
            continue
        script, *more = PEERS[name]
        npm = ["--npm", given.npm] if "restate" in name else []
        chosen[name] = [given.peers, str(HERE / script), *more, *npm]
    found: dict[str, list[dict[str, object]]] = {name: [] for name in chosen}
    for number in range(given.rounds):
        for name, argv in chosen.items():
            one = measured(argv, folder)
            found[name].append(one)
            print(number + 1, json.dumps(one), file=sys.stderr, flush=True)
    synced = {name: fsyncs(argv, folder) for name, argv in chosen.items()} if given.strace else {}
    text = table(found, synced, given.rounds)
    print(text)
    if given.write:
        put(Path(given.write), text)


def table(found: dict[str, list[dict[str, object]]], synced: dict[str, float], rounds: int) -> str:
    """The table, and a line on each engine's settings."""

    def middle(name: str, what: str) -> float:
        return statistics.median(float(one[what]) for one in found[name])

    def ours_by(name: str, what: str) -> float:
        """The median over the rounds of ours / theirs: both of one round met the same machine."""
        pairs = zip(found["oya-vcs"], found[name], strict=True)
        return statistics.median(float(one[what]) / float(other[what]) for one, other in pairs)

    head = (*HEAD, "fsyncs a workflow") if synced else HEAD
    rows = [head, ["---"] * len(head)]
    notes = []
    for name, runs in found.items():
        alone, flight = (middle(name, f"{one}_per_second") for one in ("alone", "flight"))
        label = str(runs[0]["peer"]) if name == "oya-vcs" else name
        row = [label, str(runs[0]["version"]), f"{alone:,.0f}", f"{flight:,.0f}"]
        row += [
            "" if name == "oya-vcs" else f"{ours_by(name, f'{one}_per_second'):,.1f} ×"
            for one in ("alone", "flight")
        ]
        if synced:
            row.append(f"{synced[name]:.1f}")
        rows.append(row)
        notes.append(f"- {label}: {runs[0]['settings']}.")
    lines = [f"| {' | '.join(row)} |" for row in rows]
    load = os.getloadavg()[2]
    said = (
        f"Medians of {rounds} rounds, engines turn by turn in each; {os.cpu_count()} processors,"
        f" load average {load:.1f} over 15 minutes (with the benchmark's own)."
    )
    return "\n".join([said, "", *lines, "", *notes])


def put(path: Path, text: str) -> None:
    """Put the text between the marks of a Markdown file, or at its end."""
    old = path.read_text("utf-8") if path.exists() else ""
    before, begun, rest = old.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2] if begun else "\n"
    path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
