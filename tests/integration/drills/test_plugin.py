"""The pytest plugin, in suites of other people."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tierhost.drills import leaks
from tierhost.drills.plugin import seed_of

pytest_plugins = ["pytester"]

ENTERED = any(point.name == "tierhost" for point in entry_points(group="pytest11"))
QUIET = ("-p", "no:randomly", "-p", "no:cacheprovider")
PLUGIN = () if ENTERED else ("-p", "tierhost.drills.plugin")
"""An installed tierhost brings it; one that is only on the path is asked for."""

GREETER = """
import pytest
from tierhost.workers.runtime.contract import InitResult, StateDriver, change, read


class Greeter(StateDriver):
    '''Greets, and remembers whom.'''

    name = "greeter"
    tier = "libvirt"

    def state_initialize(self, *, privileged, inhibit):
        return InitResult.COMPLETE

    @change()
    def greet(self, name):
        self.context.persistent.put("greeted", name, {"name": name})

    @read()
    def list_greeted(self):
        return sorted(self.context.persistent.all("greeted"))

"""

SUITE = (
    GREETER
    + """
def test_a_host_with_a_driver_of_the_test(tierhost, tmp_path):
    tierhost.start(drivers=[Greeter])
    tierhost.call("greeter.greet", "ann")
    before = tierhost.pids("greeter")
    assert "ended" in tierhost.kill("greeter")
    assert tierhost.call("greeter.list_greeted") == ["ann"]
    assert tierhost.pids("greeter") != before
    assert {row["name"] for row in tierhost.status()["drivers"]} >= {"greeter", "secret"}
    assert (tmp_path / "host/run/host.lock").exists(), "its files are found below tmp_path"
    print("folder", tierhost.folder)


@pytest.mark.drill("kill greeter at t+0.1s", load=["greeter.list_greeted"], seed=7)
def test_nobody_notices_its_death(tierhost, drill):
    tierhost.start(drivers=[Greeter])
    tierhost.call("greeter.greet", "ann")
    done = drill(steady=[{"method": "greeter.list_greeted", "tolerance": {"equals": ["ann"]}}])
    assert done.history.strikes[0].fired_s is not None
    assert done.history.seed == 7


def test_a_driver_that_forgets_is_convicted(tierhost, drill):
    class Forgetful(Greeter):
        names = []

        @change()
        def greet(self, name):
            self.names.append(name)

        @read()
        def list_greeted(self):
            return self.names

    tierhost.start(drivers=[Forgetful])
    tierhost.call("greeter.greet", "ann")
    drill(
        faults=["kill greeter at t+0.05s"],
        load=["greeter.list_greeted"],
        steady=[{"title": "ann is known", "method": "greeter.list_greeted", "tolerance": {"equals": ["ann"]}}],
        abort_after_s=3,
    )


def test_a_test_that_fails_leaves_nothing(tierhost):
    tierhost.start()
    print("folder", tierhost.folder)
    assert False
"""
)


@pytest.mark.slow
def test_a_suite_of_somebody_else(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(SUITE)
    report = tmp_path / "junit.xml"
    arguments = ("--strict-markers", "-rA", "--drill-seed", "5", f"--junitxml={report}", *QUIET)
    done = pytester.runpytest_subprocess(*PLUGIN, *arguments)
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            "drill seed: 5 (again: --drill-seed 5)",
            "BROKEN  in-a-test: a drill of a test",
            "*BROKEN  steady*",
            "again: pytest '*test_a_driver_that_forgets_is_convicted' --drill-seed 5",
        ]
    )
    folders = {Path(line.split()[1]) for line in done.outlines if line.startswith("folder ")}
    assert len(folders) == 2
    assert [folder for folder in folders if folder.exists() or leaks.processes(folder)] == []
    told = properties(report)
    assert told["test_nobody_notices_its_death"]["drill_seed"] == "7"
    assert told["test_nobody_notices_its_death"]["drill_verdict"] == "HELD"
    assert json.loads(told["test_nobody_notices_its_death"]["drill_schedule"])[0]["kind"] == "kill"
    assert told["test_a_driver_that_forgets_is_convicted"]["drill_verdict"] == "BROKEN"


def properties(report: Path) -> dict[str, dict[str, str]]:
    """The properties of each test in a JUnit file that we had written ourselves."""
    found: dict[str, dict[str, str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # our own file
        found[case.attrib["name"]] = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    return found


def test_the_seed_of_a_test_is_its_own_and_the_same_whatever_runs_beside_it() -> None:
    assert seed_of(1, "a") == seed_of(1, "a")
    assert len({seed_of(1, "a"), seed_of(1, "b"), seed_of(2, "a")}) == 3


def test_a_suite_without_drills_imports_nothing_of_the_host() -> None:
    program = "import sys; import tierhost.drills.plugin; print([name for name in sys.modules if name.startswith('tierhost.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "['tierhost.drills', 'tierhost.drills.plugin']"


@pytest.mark.slow
def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one():\n    pass\n")
    done = pytester.runpytest_subprocess("-p", "no:tierhost", *QUIET)
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*drill seed*")
