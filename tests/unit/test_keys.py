"""Execution keys: what they are made of, and that no shortcut changes them."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given

from oya_vcs.core.decide import advance
from oya_vcs.core.effects import CollectResult, Effect, RunWorker, effect_key
from oya_vcs.core.events import AttemptClaimed, BeadAdded, RepoRegistered
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import (
    BeadId,
    CommitId,
    RepoId,
    WorkspaceName,
    canonical_json,
    canonical_text,
    execution_key,
)
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from tests.strategies import effects, instances

SPEC = BeadSpec(
    id=BeadId("parser"), title="Lies die Zeilen – „alle“ \n", needs=(BeadId("a"),), labels=("x",)
)
RUN = RunWorker(
    repo=RepoId("r"),
    bead=SPEC.id,
    attempt=2,
    workspace=WorkspaceName("w"),
    path="/w",
    spec=SPEC,
    feedback="\x1b[31mno\x1b[0m",
)
COLLECT = CollectResult(
    repo=RepoId("r"),
    bead=SPEC.id,
    attempt=1,
    workspace=WorkspaceName("w"),
    base=CommitId("b" * 40),
    message="m",
    allow_empty=True,
)


def by_the_book(bead: str, work: object) -> str:
    """UUID v5 as the standard library makes it, of the SHA-256 of canonical JSON."""
    text = json.dumps(
        work, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    name = hashlib.sha256(text.encode()).hexdigest()
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_DNS, bead), name))


@pytest.mark.parametrize("work", [{"b": 1, "a": [True, None, "é"]}, [], "x", 0])
def test_a_key_is_a_uuid_v5(work: object) -> None:
    """The key is the UUID that the standard library gives for the same namespace and name."""
    key = execution_key(SPEC.id, work)
    assert key == by_the_book("parser", work)
    assert uuid.UUID(key).version == 5


@given(instances(BeadSpec) | effects())
def test_the_text_of_a_data_class_is_its_canonical_json(value: BeadSpec | Effect) -> None:
    """Names, values, arrays and nested data classes as `dataclasses.asdict` gives them, sorted."""
    assert canonical_text(value).encode() == canonical_json(asdict(value))


@given(effects())
@example(RUN)
@example(COLLECT)
def test_an_effects_key_covers_its_kind_and_all_its_fields(effect: Effect) -> None:
    """It is the key of the effect's name and fields, so that journals of before keep theirs."""
    work = {"effect": type(effect).__name__, **asdict(effect)}
    assert effect_key(effect) == by_the_book(effect.bead, work)


def test_a_specs_key_covers_all_its_fields() -> None:
    """The same bead with the same content has the same key; a field that came after the first keys
    were made is left out where it is empty."""
    content = asdict(SPEC)
    assert content.pop("prefers") == ()
    assert spec_key(SPEC) == by_the_book("parser", content)
    chosen = replace(SPEC, prefers=(BeadId("b"),))
    assert spec_key(chosen) == by_the_book("parser", asdict(chosen)) != spec_key(SPEC)


@pytest.mark.parametrize("work", [{"a": float("nan")}, {"a": SPEC}, {1, 2}])
def test_work_that_is_no_json_is_refused(work: object) -> None:
    """A key is never made of something that another program could not write down."""
    with pytest.raises((TypeError, ValueError), match=r"JSON"):
        execution_key(SPEC.id, work)


def test_an_attempts_workspace_is_named_by_the_spec_and_the_number() -> None:
    """The key in its name is that of canonical JSON of the two, in every version."""
    spec, world = replace(SPEC, needs=()), World()
    apply(world, RepoRegistered(repo=RepoId("r"), path="/r", target="main"), 1)
    key = spec_key(spec)
    apply(world, BeadAdded(repo=RepoId("r"), bead=spec.id, key=key, spec=spec), 1)
    policy = Policy(repo=RepoId("r"), slots=1, attempts_max=1, backoff_ms=1)
    claimed = next(advance(world, 1, policy))
    assert isinstance(claimed, AttemptClaimed)
    run = by_the_book(spec.id, {"spec": key, "attempt": 1})
    assert claimed.workspace == f"{spec.id}-a1-{run[:8]}"
