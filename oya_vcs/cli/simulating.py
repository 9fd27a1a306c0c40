"""`oya-vcs simulate`: the whole daemon under many seeds, on virtual time."""

from __future__ import annotations

import argparse

from oya_vcs.cli.output import Output
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.simulation.plan import drawn
from oya_vcs.simulation.search import smallest, tried

SEEDS_MAX = 10_000_000
"""What `--seeds` may say: four days."""


def simulate(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Play the seeds; tell the smallest story of the first that breaks a rule, or of the only one.
    Raises ConfigurationInvalid."""
    for flag, given, most in (
        ("--seeds", arguments.seeds, SEEDS_MAX),
        ("--steps", arguments.steps, 1_000),
    ):
        if not 1 <= given <= most:
            message = f"{flag} {given} cannot be simulated."
            raise ConfigurationInvalid(message, f"Give {flag} from 1 to {most:,}.")
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    tally = tried(seeds, arguments.steps)
    data: dict[str, object] = {
        "seeds": tally.seeds,
        "events": tally.events,
        "lives": tally.lives,
        "wrongs": dict(sorted(tally.wrongs.items())),
        "broken": {str(seed): rule for seed, rule in tally.broken.items()},
    }
    wrongs = ", ".join(f"{kind} {count:,}" for kind, count in sorted(tally.wrongs.items()))
    count = f"{tally.seeds:,} seeds, {tally.lives:,} lives of a daemon, {tally.events:,} events."
    lines = [count, f"Went wrong: {wrongs or 'nothing'}."]
    if tally.broken or arguments.seeds == 1:
        lines += _told(min(tally.broken, default=arguments.seed), arguments.steps, data)
    if not tally.broken:
        lines.append("Every rule held.")
    output.answer("simulate", data, "\n".join(lines))
    return ExitCode.WORK_FAILED if tally.broken else ExitCode.DONE


def _told(seed: int, steps: int, data: dict[str, object]) -> list[str]:
    """The story of a seed, as small as it gets where it breaks a rule."""
    plan, verdict = smallest(drawn(seed, steps))
    data["plan"], data["story"] = plan.lines(), list(verdict.trace)
    data["digest"], data["how"] = verdict.digest, verdict.how
    lines = ["", *plan.lines(), "", *verdict.trace, "", f"digest {verdict.digest}"]
    if verdict.rule:
        again = f"oya-vcs simulate --seed {seed} --seeds 1 --steps {steps}"
        lines.append(f"Broken: {verdict.rule}: {verdict.how}. Once more: {again}")
    return lines
