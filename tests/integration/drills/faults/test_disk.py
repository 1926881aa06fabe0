"""The disk under a real driver's state: it answers what it can, refuses what it cannot write, loses nothing, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.drills.faults.test_resources import HEAL
from tierhost.drills import small_disks
from tierhost.drills.faults import BadPlan
from tierhost.drills.faults.disk import Failing, Full, ReadOnly, probe
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tests.integration.drills.faults.conftest import Site
    from tierhost.drills.faults.disk import _Disk

UUID = "5f3ab8a4-6c1b-4f0e-9c57-0b6c8b2f9d{number:02}"
SECRET = f"<secret><uuid>{UUID}</uuid><usage type='volume'><volume>{{number}}</volume></usage></secret>"
FAULTS = [
    pytest.param(fault, marks=pytest.mark.skipif(bool(why), reason=why or "-"), id=fault.kind)
    for fault in (Full, ReadOnly, Failing)
    for why in [small_disks.why_not(fault.disk)]
]


def define(site: Site, number: int) -> Any:
    with site.client() as client:
        return client.call("secret.secret_define_xml", SECRET.format(number=number))["uuid"]


def define_many(site: Site) -> None:
    """More than fits into what was left in files that are there already."""
    for number in range(2, 12):
        define(site, number)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("place", ["state"])
def test_a_spoiled_disk_costs_what_must_be_written_and_loses_nothing(site: Site, kind: type[_Disk], place: str) -> None:
    first = define(site, 1)
    other = site.row("echo")["incarnation"]
    fault = kind(site, "secret", {"place": place})
    try:
        fault.make_ready()
        life = site.row("secret")["incarnation"]
        assert fault.disk == small_disks.MEMORY or "loop" in small_disk(fault).source()
        assert fault.wanted() in fault.strike()
        with pytest.raises(TierhostError) as refused:
            define_many(site)
        assert refused.value.code
        known = {row["uuid"] for row in site.call("secret.secret_list")}
        assert first in known
        assert site.call("echo.echo", "hello") == "hello"
        assert site.row("secret")["incarnation"] == life, "it is no reason to die"
        heal = subprocess.run([sys.executable, "-c", HEAL], input=json.dumps(fault.leash()), text=True, check=True, timeout=60)
        assert heal.returncode == 0
        assert probe(fault.place) == ""
        later = define(site, 42)
        assert {row["uuid"] for row in site.call("secret.secret_list")} >= known | {later}
        with site.client() as client:
            before = site.row("secret")["incarnation"]
            client.host("worker_restart", "secret")
        site.wait_next_life("secret", before)
        assert {row["uuid"] for row in site.call("secret.secret_list")} >= known | {later}
        assert site.row("echo")["incarnation"] == other
    finally:
        fault.heal()


def small_disk(fault: _Disk) -> small_disks.SmallDisk:
    return fault._small(fault.leash()["arguments"])


def test_a_place_outside_the_target_is_refused(shared: Site) -> None:
    with pytest.raises(BadPlan, match="place must be state, run or a folder below"):
        Full(shared, "secret", {"place": "/var/lib"})
