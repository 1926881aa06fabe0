"""A program that dies in the middle of a network call, at every step in turn, and looks at what the next life makes of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.network.lives import UUID, Site, link, servers, tables, xml
from tests.integration.network.places import Place, run
from tierhost.ipc.errors import TierhostError
from tierhost.workers.runtime import commands, detached
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.testing import LifeInTest

CALL = b"the call"
STEPS_MAX = 60
BRIDGE = "thbr0"
MAC = "52:54:00:00:00:01"
HOST = "<host mac='52:54:00:00:00:02' ip='192.168.150.66'/>"
ADD, DHCP_HOST, BOTH = 3, 4, 3
EFFECTS = ("unlink", "rmdir", "replace", "fsync")

Call = tuple[str, list[Any], str]


def arm(steps: Steps) -> None:
    """Durable words, programs that have ended, processes that were started, and whatever is done to files and devices."""
    steps.after(Store, "_write")
    steps.after(commands, "_await")
    steps.after(detached, "start")
    steps.after(fcntl, "ioctl")
    for name in EFFECTS:
        steps.after(os, name)


def call(method: str, *args: Any, by: str = "") -> Call:
    return method, list(args), by


class Scene:
    """One call: what was before, and what must be true after it, however often it was made and died."""

    def __init__(self, made: Call, goal: Callable[[LifeInTest], bool], *befores: Call) -> None:
        self.made, self.goal, self.befores = made, goal, befores


def active(life: LifeInTest) -> list[str]:
    return [row["name"] for row in life.call("network_list") if row["state"] == "active"]


def is_on(life: LifeInTest) -> bool:
    return active(life) == ["lab"]


def is_off(life: LifeInTest) -> bool:
    return [row["state"] for row in life.call("network_list")] == ["inactive"]


def is_unknown(life: LifeInTest) -> bool:
    return bool(life.call("network_list") == [])


def is_updated(life: LifeInTest) -> bool:
    shown = [life.call("network_get_xml_desc", "lab", flags) for flags in (0, 1)]
    config = next(life.context.run_dir.glob("*.conf")).read_text()
    return all("192.168.150.66" in text for text in (*shown, config))


def has_ports(count: int) -> Callable[[LifeInTest], bool]:
    return lambda life: len(life.call("network_list_all_ports", "lab")) == count


DEFINE = call("network_define_xml", xml(mode="nat"))
CREATE = call("network_create", "lab")
PLUG = call("create_port", "lab", UUID, MAC, "web", by="qemu")
SCENES = {
    "define": Scene(DEFINE, is_off),
    "create": Scene(CREATE, is_on, DEFINE),
    "destroy-transient": Scene(call("network_destroy", "lab"), is_unknown, call("network_create_xml", xml())),
    "undefine": Scene(call("network_undefine", "lab"), is_unknown, DEFINE),
    "update": Scene(call("network_update", "lab", ADD, DHCP_HOST, -1, HOST, BOTH), is_updated, DEFINE, CREATE),
    "create-port": Scene(PLUG, has_ports(1), DEFINE, CREATE),
    "release-ports": Scene(call("release_ports", UUID, by="qemu"), has_ports(0), DEFINE, CREATE, PLUG),
}


def make(life: LifeInTest, wanted: Call, attempt: int = 0) -> None:
    method, args, by = wanted
    if attempt:
        life.call(method, *args, by=by, call_id=CALL, attempt=attempt)
    else:
        life.call(method, *args, by=by)


def die(site: Site, scene: Scene, after: int) -> int:
    with site.life() as life:
        for before in scene.befores:
            make(life, before)
        arm(Steps(after))
        make(life, scene.made, attempt=1)
    return SURVIVED


def find_out(site: Site, scene: Scene) -> int:
    """The next life: judge what it finds, make the call again as its caller would, and judge again."""
    with site.life(incarnation=2) as life:
        faults = judge(site, life)
        try:
            make(life, scene.made, attempt=2)
        except TierhostError as error:
            faults.append(f"the call cannot be made again: {type(error).__name__}: {error}")
        if not scene.goal(life):
            faults.append(f"in the end there is {life.call('network_list')}")
        faults += judge(site, life)
    tell(json.dumps(faults) + "\n")
    return 0


def judge(site: Site, life: LifeInTest) -> list[str]:
    """What is never true, whenever we died."""
    faults = []
    intents = {**life.context.run.intents(), **life.context.persistent.intents()}
    if intents or site.host.degraded:
        faults.append(f"left under way: {intents}, degraded: {site.host.degraded}")
    there = (link(BRIDGE) is not None, len(tables()), len(servers(site.place)))
    wanted = (True, 1, 1) if is_on(life) else (False, 0, 0)
    if there != wanted:
        faults.append(f"bridge, tables, servers: {there}, wanted {wanted}")
    taps = [line.split()[1].rstrip(":") for line in run("ip", "-o", "link", "show", "type", "tun").stdout.splitlines()]
    ports = [row["device"] for row in life.call("network_list_all_ports", "lab")] if is_on(life) else []
    if taps != ports:
        faults.append(f"taps {taps}, ports {ports}")
    known = is_on(life) or not is_unknown(life)
    faults += [f"left behind: {path}" for path in site.folder.glob("run/*.conf") if not is_on(life)]
    faults += [f"left behind: {path}" for path in site.folder.glob("state/leases/*") if not known]
    return faults


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene = SCENES[sys.argv[1]]
    for after in range(1, STEPS_MAX):
        folder = Path(tempfile.mkdtemp(prefix="s", dir=sys.argv[2]))
        place = Place()
        try:
            with place.entered():
                site = Site(folder, place)
                ended = in_child(lambda site=site, after=after: die(site, scene, after))  # type: ignore[misc]
                tell(f"{after} {ended} ")
                in_child(lambda site=site: find_out(site, scene))  # type: ignore[misc]
                for pid in servers(place):
                    os.kill(pid, signal.SIGKILL)
        finally:
            os.close(place.fd)
            shutil.rmtree(folder, ignore_errors=True)
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
