"""Drivers with broken manifests, broken code and broken manners: each costs only itself, and is told with its reason."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.host.conftest import Site, until
from tests.integration.host.drivers import Above
from tests.integration.host.folders import CODE, configure, initialize, lay_down
from tierhost.ipc.errors import DeadlineExceeded, DriverBug, OutcomeUnknown
from tierhost.ipc.limits import IN_FLIGHT_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.ipc.client import Client

IMPATIENT = """\
spares = 0
[restart]
intensity_max = 1
backoff_first_s = 0.05
greet_s = 1.0
[liveness]
patience_s = 1.0
"""
OPTIONAL = "required = false\n"

MANIFESTS = {
    "no-toml": (b'name = "no-toml\n', "driver.toml: not TOML: .*line 4"),
    "no-text": (b'name = "\xff"\n', "driver.toml: not TOML: .*utf-8"),
    "unknown-key": (b'colour = "red"\n', "driver.toml: colour: unknown key .known: name, tier"),
    "wrong-type": (b'warm = "yes"\n', "driver.toml: warm: expected bool, got 'yes'"),
    "no-service": (b'needs = ["secret"]\n', "driver.toml: needs: expected 'driver.method', got 'secret'"),
    "no-name-of-a-service": (b"provides = [1]\n", "driver.toml: provides: expected text, got 1"),
    "no-module": (b"preload = [1]\n", "driver.toml: preload: expected text, got 1"),
    "no-time": (b"[limits_s]\ninitialize = 0\n", "driver.toml: limits_s.initialize: expected seconds, got 0"),
    "no-verb": (b"[limits_s]\ninitialise = 3\n", "driver.toml: limits_s.initialise: unknown verb .known: initialize"),
    "no-entry": (b'entry = "driver.Driver"\n', "driver.toml: entry: missing or not of the form"),
    "no-tier": (b'tier = "attic"\n', "no-tier: tier 'attic' is none of libvirt, hypervisor"),
    "too-long": (b"#" * (64 << 10), "driver.toml: [0-9]+ bytes, the limit is 65536"),
}

CODES: dict[str, tuple[dict[str, str], str]] = {
    "no-import": ({"before": "import no_such_module"}, "ModuleNotFoundError: No module named 'no_such_module' .see .*/no-import"),
    "no-python": ({"code": "def driver(:\n"}, "SyntaxError: .*driver.py, line 1.* .see .*/no-python"),
    "no-class": ({"code": "Driver = 1\n"}, "driver:Driver is no StateDriver"),
    "import-raises": ({"before": "raise ValueError('on purpose')"}, "importing the driver raised ValueError: on purpose"),
    "import-leaves": ({"before": "sys.exit('on purpose')"}, "importing the driver raised SystemExit: on purpose"),
    "import-exits": ({"before": "os._exit(7)"}, "exited with 7"),
    "import-hangs": ({"before": "threading.Event().wait()"}, "its hello took too long"),
    "no-making": (
        {"inside": "def __init__(self, context):\n    raise ValueError('on purpose')"},
        "constructing the driver raised",
    ),
    "raises": ({"inside": initialize("raise ValueError('on purpose')")}, "state_initialize raised ValueError: on purpose"),
    "raises-no-text": ({"inside": initialize(r"raise ValueError('\udcff')")}, r"state_initialize raised ValueError: \\udcff"),
    "raises-nameless": (
        {"before": "class Mute(Exception):\n    __str__ = None", "inside": initialize("raise Mute")},
        "state_initialize raised Mute",
    ),
    "leaves": ({"inside": initialize("sys.exit('on purpose')")}, "state_initialize raised SystemExit: on purpose"),
    "nonsense": ({"inside": initialize("return 'yes'")}, "state_initialize returned 'yes', expected an InitResult"),
    "blocks": (
        {"inside": initialize("threading.Event().wait()"), "manifest": "[limits_s]\ninitialize = 0.3\n"},
        "state_initialize took too long",
    ),
    "auto-start-blocks": (
        {
            "inside": "def state_auto_start(self):\n    threading.Event().wait()\n",
            "manifest": "[limits_s]\nauto_start = 0.3\n",
        },
        "state_auto_start took too long",
    ),
    "exits": ({"inside": initialize("os._exit(7)")}, "exited with 7"),
    "crashes": ({"inside": initialize("os.kill(os.getpid(), signal.SIGSEGV)")}, "killed by SIGSEGV"),
    # What a loop in C does that never lets another thread run: a regular expression, say.
    "keeps-the-interpreter": ({"inside": initialize("ctypes.PyDLL(None).sleep(60)")}, "hangs|SIGALRM|exited with 1"),
    "ends-its-main-thread": (
        {"inside": initialize("ctypes.CDLL(None).pthread_cancel(ctypes.c_ulong(threading.main_thread().ident))")},
        "hangs|SIGALRM|exited with 1",
    ),
}


@pytest.fixture(scope="module")
def broken() -> Iterator[Site]:
    """One host with every broken driver there is, and a sound one."""
    made = Site(Path(tempfile.mkdtemp(prefix="th", dir="/tmp")))
    drivers = made.folder / "drivers"
    lay_down(drivers, "sound")
    for name, (text, _) in MANIFESTS.items():
        folder = lay_down(drivers, name)
        key = text.partition(b" ")[0]
        right = folder.joinpath("driver.toml").read_bytes().splitlines(keepends=True)
        folder.joinpath("driver.toml").write_bytes(b"".join(line for line in right if not line.startswith(key)) + text)
    for name, (how, _) in CODES.items():
        lay_down(drivers, name, **{**how, "manifest": OPTIONAL + how.get("manifest", "")})
    try:
        made.start(options=("--drivers", str(drivers), *configure(made.folder, IMPATIENT)))
        yield made
    finally:
        made.tear_down()


@pytest.mark.slow
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_broken_manifest_is_told_with_its_file_and_key(broken: Site, name: str) -> None:
    with broken.client() as client:
        reasons = {row["source"]: row["reason"] for row in client.host("status")["broken"]}
    assert re.search(MANIFESTS[name][1], reasons[str(broken.folder / "drivers" / name)])


@pytest.mark.slow
@pytest.mark.parametrize("name", CODES)
def test_a_driver_that_cannot_begin_is_given_up_with_its_reason(broken: Site, name: str) -> None:
    row = broken.wait_phase(name, "QUARANTINED")
    assert re.search(CODES[name][1], row["last_error"], re.DOTALL), row["last_error"]
    with broken.client() as client:
        assert any(row["last_error"] in line for line in client.host("story", name)), "people are told the same story"


@pytest.mark.slow
def test_beside_all_of_them_a_sound_driver_lives_its_first_life(broken: Site) -> None:
    for name in CODES:
        broken.wait_phase(name, "QUARANTINED")
    row = broken.driver("sound")
    assert (row["phase"], row["incarnation"], row["restarts"], row["last_error"]) == ("READY", 1, 0, "")
    with broken.client() as client:
        assert client.call("sound.echo", "hello", changes=False) == "hello"


@pytest.mark.slow
def test_a_required_driver_holds_the_next_tier_until_it_is_repaired_and_released(site: Site) -> None:
    drivers = site.folder / "drivers"
    folder = lay_down(drivers, "below", before="threading.Event().wait()")
    site.start(Above, options=("--drivers", str(drivers), *configure(site.folder, IMPATIENT)))
    with site.client() as client:
        tiers = {tier["name"]: (tier["state"], tier["reason"]) for tier in client.host("status")["tiers"]}
        why = "below is QUARANTINED: its hello took too long"
        assert tiers == {"libvirt": ("held", why), "hypervisor": ("held", f"tier libvirt is held: {why}")}
        assert site.driver("above")["phase"] == "DORMANT"
        folder.joinpath("driver.py").write_text(CODE.format(before="", inside=""))
        client.host("worker_release", "below")
        # None of the processes that still hang in what it was is given this life.
        site.wait_phase("above", "READY")
        assert client.call("below.echo", "hello", changes=False) == "hello"


@pytest.mark.parametrize("end", ["raise ValueError('on purpose')", "raise SystemExit(3)", "import os; os._exit(7)"])
def test_a_module_that_ends_the_process_that_forks_is_not_preloaded_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    site.folder.joinpath("ends_what_imports_it.py").write_text(end)
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    lay_down(site.folder / "drivers", "greedy", manifest='preload = ["ends_what_imports_it"]\n')
    site.start(options=("--drivers", str(site.folder / "drivers"), *configure(site.folder)))
    site.wait_phase("greedy", "READY")
    with site.client() as client:
        assert client.call("greedy.echo", "hello", changes=False) == "hello"
        assert [event["kind"] for event in client.host("events_since", 0)].count("zygote-died") == 1


RUDE = r"""
def objects(self):
    counted = getattr(self, "counted", {})
    return counted if counted is not None else 1 / 0

@change()
def count(self, what):
    nonsense = {"set": {"pools": {1, 2}}, "number": {1: 2}, "deep": {"pools": deep()}, "text": {"\udcff": 1}, "list": [1]}
    self.counted = nonsense.get(what)
    self.context.degrade("pool \udcff", "it is called \udcff")

@read()
def tell(self, what):
    self.context.emit("kind \udcff" * 50, "pool \udcff", {"set": {1}, "text": "\udcff"} if what else {})

@read()
def leave(self):
    sys.exit("on purpose")

@read()
def give_back(self, what):
    return {"set": {1}, "object": object(), "text": "\udcff", "deep": deep(), "large": "x" * (9 << 20)}[what]

@change()
def exit(self):
    self.context.persistent.put("counts", "exits", {"n": 1})
    os._exit(7)

@read()
def block(self):
    threading.Event().wait()
"""

DEEP = """
def deep():
    value = []
    for _ in range(100):
        value = [value]
    return value
"""


@pytest.fixture
def rude(site: Site) -> Site:
    """A host with a driver whose methods have no manners, and a sound one."""
    drivers = site.folder / "drivers"
    lay_down(drivers, "rude", before=DEEP, inside=RUDE)
    lay_down(drivers, "sound")
    site.start(options=("--drivers", str(drivers), *configure(site.folder)))
    return site


def untouched(site: Site, *names: str) -> None:
    """Every one of these serves, and in its first life."""
    with site.client() as client:
        for name in names:
            assert client.call(f"{name}.echo", "hello", changes=False) == "hello"
            assert site.driver(name)["incarnation"] == 1


@pytest.mark.parametrize("what", ["set", "object", "text", "deep", "large"])
def test_an_answer_that_cannot_travel_is_the_driver_s_bug(rude: Site, what: str) -> None:
    with rude.client() as client, pytest.raises(DriverBug, match="give_back returned what cannot travel"):
        client.call("rude.give_back", what, changes=False)
    untouched(rude, "rude", "sound")


def test_a_method_that_leaves_python_ends_its_call_and_takes_no_seat_for_good(rude: Site) -> None:
    with rude.client() as client:
        for _ in range(IN_FLIGHT_PER_PEER_MAX + 1):
            with pytest.raises(DriverBug, match=r"rude\.leave raised SystemExit: on purpose"):
                client.call("rude.leave", changes=False)
    untouched(rude, "rude", "sound")


def test_a_method_that_blocks_costs_its_caller_the_deadline_and_nobody_else_anything(rude: Site) -> None:
    with rude.client() as client:
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                client.call("rude.block", changes=False, deadline_s=0.1)
    untouched(rude, "rude", "sound")


def test_a_method_that_ends_its_process_is_an_outcome_nobody_knows_and_the_next_life_serves(rude: Site) -> None:
    with rude.client() as client, pytest.raises(OutcomeUnknown, match="died during exit"):
        client.call("rude.exit")
    assert "exited with 7" in rude.wait_phase("rude", "READY", above=1)["last_error"]
    untouched(rude, "sound")


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        *((what, "what it reports cannot travel") for what in ("set", "number", "deep", "text")),
        ("list", "objects returned .1., expected a map"),
        ("nothing", "objects raised ZeroDivisionError"),
    ],
)
def test_objects_that_cannot_be_told_are_shown_as_that(rude: Site, what: str, shown: str) -> None:
    with rude.client() as client:
        client.call("rude.count", what)
    until(lambda: re.search(shown, str(rude.driver("rude")["degraded"].get("driver rude"))), "it is shown")
    untouched(rude, "rude", "sound")


def test_events_that_cannot_travel_are_told_without_what_cannot(rude: Site) -> None:
    with rude.client() as client:
        client.call("rude.tell", "everything", changes=False)
        until(lambda: _told(client), "it is told")
        assert _told(client)["details"] == {"left out": "Happened.details at 'set' is a set that is not allowed there"}
        assert _told(client)["subject"] == r"pool \udcff"
    untouched(rude, "rude", "sound")


def _told(client: Client) -> dict[str, Any]:
    return next((event for event in client.host("events_since", 0) if event["kind"].startswith("kind")), {})
