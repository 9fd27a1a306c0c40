"""A town for each scenario, on a copy of one ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools
from tests.scenarios.ground import Ground
from tests.scenarios.town import Town

Open = Callable[..., Town]
WITH_AND_WITHOUT_REMOTE = pytest.mark.parametrize("alone", [False, True], ids=["remote", "alone"])


@pytest.fixture(scope="session")
def first_ground(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Ground:
    """What all of them are copied from."""
    ground = Ground(tmp_path_factory.mktemp("ground") / "ground", tools)
    ground.make()
    return ground


@pytest.fixture
def town(first_ground: Ground, tmp_path: Path) -> Iterator[Open]:
    """`town(window=3, method="squash")` opens the town, `alone` without a remote, and again with
    another `home` a second daemon in it; when the scenario is over, git's own record of the target
    is asked whether the promises were kept."""
    towns: list[Town] = []

    def make(home: str = "", *, alone: bool = False, **how: object) -> Town:
        if home:
            ground = towns[0].place.ground.beside(home)
        else:
            ground = first_ground.copy_to(tmp_path / "town", here=alone)
        towns.append(Town(ground, **how))  # type: ignore[arg-type]
        return towns[-1]

    yield make
    tested = {tree for one in towns for tree in one.place.outside.tested}
    try:
        for one in towns:
            one.place.kept_promises(tested)
    finally:
        for one in towns:
            one.place.close()
