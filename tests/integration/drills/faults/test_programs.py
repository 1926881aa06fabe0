"""Programs that misbehave in a driver's place, on a real host: they cost their own driver only, and are rolled back."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.drills.faults.conftest import Site
from tests.integration.drills.faults.test_resources import HEAL
from tests.waiting import until
from tierhost.drills.faults import BadPlan
from tierhost.drills.faults.programs import Program
from tierhost.drills.misbehaving import WAYS, folders
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "<secret><usage type='volume'><volume>kept</volume></usage></secret>"

SHOWN = {
    "hangs-in-verb": "state_initialize took too long",
    "slow-verb": "",
    "raises-in-verb": "state_initialize raised OnPurpose: on purpose",
    "dies-in-verb": "exited with 7",
    "never-says-hello": "its hello took too long",
    "speaks-garbage": "not a message",
    "speaks-for-another-life": "it claims to be life",
    "lies-about-ready": "",
    "floods": "",
    "leaks-memory": "",
    "leaks-descriptors": "",
    "has-a-child": "",
}
"""What the host says of each program that misbehaves at once, beside an honest driver."""

LIMITS = "[limits_s]\ninitialize = 0.3\n"
IMPATIENT = """\
[restart]
greet_s = 1.0
intensity_max = 2
backoff_max_s = 0.05
"""


@pytest.fixture(scope="module")
def crowd() -> Iterator[Site]:
    """One host with every program that misbehaves by itself, each beside the others, and two honest drivers."""
    made = Site(Path(tempfile.mkdtemp(prefix="thf", dir="/tmp")))
    drivers = made.folder / "drivers"
    for name in SHOWN:
        folder = folders.beside(drivers, name, name, {"mib": 64} if name == "leaks-memory" else {})
        manifest = folder / "driver.toml"
        manifest.write_text(manifest.read_text() + (LIMITS if name == "hangs-in-verb" else ""))
    try:
        made.config = made.config.replace("[restart]\nintensity_max = 1000\nbackoff_max_s = 0\n", IMPATIENT)
        made.options = ("--drivers", str(drivers))
        made.start()
        yield made
    finally:
        made.close()


def test_every_way_that_needs_no_call_is_seen_here() -> None:
    assert set(SHOWN) == {name for name, way in WAYS.items() if way.at_once}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_program_misbehaves_as_it_says_and_the_host_says_why(crowd: Site, name: str) -> None:
    folder = crowd.folder / "drivers" / name
    until(lambda: [what for _, what in folders.told(folder) if what != "loaded"], f"{name} has misbehaved")
    until(lambda: SHOWN[name] in crowd.row(name)["last_error"], f"the host says of {name}: {SHOWN[name]}")


@pytest.mark.slow
def test_beside_all_of_them_honest_drivers_live_their_first_life(crowd: Site) -> None:
    for name in ("hangs-in-verb", "raises-in-verb", "never-says-hello"):
        until(lambda name=name: crowd.row(name)["phase"] == "QUARANTINED", f"{name} is given up")  # type: ignore[misc]
    for name in ("echo", "secret"):
        assert (crowd.row(name)["phase"], crowd.row(name)["incarnation"]) == ("READY", 1)
    assert crowd.call("echo.echo", "hello") == "hello"
    assert crowd.call("secret.secret_list") == []


def ask(site: Site, uuid: str, deadline_s: float = 20.0) -> Any:
    return site.call("secret.secret_lookup_by_uuid", uuid, deadline_s=deadline_s)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"program": "raises-in-method"}, "DriverBug"),
        ({"program": "hangs-in-method"}, "DeadlineExceeded"),
        ({"program": "lies-about-ready"}, "DriverBug DriverError"),
        ({"program": "dies-in-verb", "times": 2}, ""),
    ],
    ids=lambda value: value["program"] if isinstance(value, dict) else "",
)
def test_a_bad_release_of_a_driver_costs_its_own_callers_and_is_rolled_back(
    release: Site, options: dict[str, Any], error: str
) -> None:
    uuid = release.call("secret.secret_list")[0]["uuid"]
    other = release.row("echo")["pid"]
    fault = Program(release, "secret", options)
    try:
        assert "in the place of secret: " in fault.strike()
        outcome = ""
        try:
            assert ask(release, uuid, 0.5 if error == "DeadlineExceeded" else 20.0)["uuid"] == uuid
        except TierhostError as refused:
            outcome = type(refused).__name__
        assert outcome in error.split() or (not error and not outcome)
        assert release.call("echo.echo", "hello") == "hello"
    finally:
        subprocess.run([sys.executable, "-c", HEAL], input=json.dumps(fault.leash()), text=True, check=True, timeout=60)
    assert ask(release, uuid)["uuid"] == uuid
    assert release.row("echo")["pid"] == other, "a neighbour lives through both restarts of the host"


@pytest.fixture(scope="module")
def release() -> Iterator[Site]:
    """A host with a secret."""
    made = Site(Path(tempfile.mkdtemp(prefix="thf", dir="/tmp")))
    try:
        made.start()
        with made.client() as client:
            client.call("secret.secret_define_xml", SECRET)
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    "options", [{"program": "sings"}, {"program": "floods", "loud": True}, {"program": "slow-verb", "verb": "state_sing"}, {}]
)
def test_a_program_or_an_option_that_there_is_not_is_a_mistake_in_the_plan(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadPlan):
        Program(Site(tmp_path), "secret", options)
