"""The pytest plugin: a private host for a test, and drills against it. Nothing of the host is imported until a test asks.

Fixtures `tierhost` (a private host, torn down whatever happens) and `drill` (break something of it, and assert the
verdict); marker `@pytest.mark.drill(faults=..., seed=...)`; option `--drill-seed`, printed in the header.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.drills.private_host import Drilling, PrivateHost

SEED_BYTES: Final = 4
SEED: Final = pytest.StashKey[int]()
MARKER: Final = "drill(*faults, load=[...], steady=[...], asks=[...], radius={...}, seed=N): what `drill()` does in this test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("tierhost", "drills")
    group.addoption("--drill-seed", type=int, metavar="N", help="what drills leave to chance grows from it (default: made up)")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed; workers of pytest-xdist are told that of the process that started them."""
    config.addinivalue_line("markers", MARKER)
    told: dict[str, Any] = getattr(config, "workerinput", {})
    chosen = config.getoption("--drill-seed")
    if chosen is None:
        chosen = told.get("drill_seed", int.from_bytes(os.urandom(SEED_BYTES), "big"))
    config.stash[SEED] = chosen


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the seed."""
    node.workerinput["drill_seed"] = node.config.stash[SEED]


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed, so that a run can be repeated."""
    return f"drill seed: {config.stash[SEED]} (again: --drill-seed {config.stash[SEED]})"


def seed_of(config_seed: int, test: str) -> int:
    """Return the seed of one test: tests of a run differ, and each is the same whatever runs beside it."""
    return random.Random(f"{config_seed} {test}").getrandbits(8 * SEED_BYTES)  # noqa: S311  # a schedule that must repeat


@pytest.fixture(name="tierhost")
def tierhost_fixture(tmp_path: Path) -> Iterator[PrivateHost]:
    """Give a private host under `tmp_path`. It starts with `start(drivers=[...])`, or with the first call."""
    from tierhost.drills.private_host import private_host  # noqa: PLC0415  # a test that has no host pays nothing

    with private_host(tmp_path / "host") as host:
        yield host


@pytest.fixture(name="drill")
def drill_fixture(tierhost: PrivateHost, request: pytest.FixtureRequest, record_property: Any, tmp_path: Path) -> Drilling:
    """Give a function that runs a drill against the host of `tierhost`, and fails the test unless everything held.

    It takes a `Drill`, or the same words as the marker; without any, the marker's. Plan, seed and verdict go to JUnit.
    """
    from tierhost.drills.private_host import Drilling  # noqa: PLC0415

    marker = request.node.get_closest_marker("drill")
    words: dict[str, Any] = dict(marker.kwargs) if marker else {}
    if marker and marker.args:
        words["faults"] = [*marker.args, *words.get("faults", ())]
    session = request.config.stash[SEED]
    seed = words.pop("seed", seed_of(session, request.node.nodeid))
    again = f"pytest {request.node.nodeid!r} --drill-seed {session}"
    return Drilling(tierhost, seed, words, record_property, tmp_path, again)
