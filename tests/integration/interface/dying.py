"""A program that dies in the middle of an interface call, at every step in turn, and looks at what the next life makes of it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.interface.conftest import bridge, card, static
from tests.namespaces import enter_new, ip
from tierhost.workers.interface import backend, steps
from tierhost.workers.interface.driver import InterfaceDriver
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.store import Store
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.testing import LifeInTest

CALL = b"the call"
STEPS_MAX = 60
FULL = bridge("br0", "p0", inside=f"<mtu size='1400'/>{static('10.9.0.1', '10.9.0.254')}")

Call = tuple[str, *tuple[str, ...]]


class Scene:
    """One call: what was before, and which interfaces are active after it, however often it was made and died."""

    def __init__(self, call: Call, active: set[str], *befores: Call) -> None:
        self.call, self.active, self.befores = call, active, befores


SCENES: dict[str, Scene] = {
    "create-bridge": Scene(("interface_create", "br0"), {"br0"}, ("interface_define_xml", FULL)),
    "destroy-bridge": Scene(("interface_destroy", "br0"), set(), ("interface_define_xml", FULL), ("interface_create", "br0")),
    "create-card": Scene(("interface_create", "p0"), {"p0"}, ("interface_define_xml", card("p0"))),
    "destroy-card": Scene(("interface_destroy", "p0"), set(), ("interface_define_xml", card("p0")), ("interface_create", "p0")),
    "define": Scene(("interface_define_xml", FULL), set()),
    "undefine": Scene(("interface_undefine", "br0"), set(), ("interface_define_xml", FULL)),
    "begin": Scene(("interface_change_begin",), set()),
    "rollback": Scene(
        ("interface_change_rollback",),
        {"br0"},
        ("interface_define_xml", FULL),
        ("interface_create", "br0"),
        ("interface_change_begin",),
        ("interface_destroy", "br0"),
        ("interface_define_xml", card("p0")),
        ("interface_create", "p0"),
        ("interface_undefine", "br0"),
    ),
}


def die(folder: Path, scene: Scene, after: int) -> int:
    with live(InterfaceDriver, folder) as life:
        for method, *args in scene.befores:
            life.call(method, *args)
        counted = Steps(after)
        counted.after(Store, "_write")
        counted.after(backend, "_ask")
        life.call(scene.call[0], *scene.call[1:], call_id=CALL)
    return SURVIVED


def find_out(folder: Path, scene: Scene) -> int:
    """The next life: judge what it finds, make the call again as its caller would, and judge again."""
    with live(InterfaceDriver, folder) as life:
        faults = judge(life)
        try:
            life.call(scene.call[0], *scene.call[1:], call_id=CALL, attempt=2)
        except DriverError as error:
            faults.append(f"the call cannot be made again: {error}")
        active = {interface.name for interface in life.driver.interfaces.all() if interface.active}  # type: ignore[attr-defined]
        if active != scene.active:
            faults.append(f"in the end {active} are active")
        faults += judge(life)
    tell(json.dumps(faults) + "\n")
    return 0


def judge(life: LifeInTest) -> list[str]:
    """What is never true, whenever we died: something under way, half an interface, a device that is nobody's."""
    assert isinstance(life.driver, InterfaceDriver)
    stores = life.context.run, life.context.persistent
    faults = [f"left under way: {store.intents()}" for store in stores if store.intents()]
    faults += [f"degraded: {life.host.degraded}"] if life.host.degraded else []
    world = life.driver.links.world()
    known = life.driver.interfaces.all()
    for interface in known:
        if interface.live:
            missing = steps.pending(steps.start_steps(interface.live.definition.part, interface.live.indexes), world)
            faults += [f"half of {interface.name}: {missing}"] if missing else []
    active = {interface.name for interface in known if interface.active}
    if ("br0" in world.links) != ("br0" in active):
        faults.append(f"links {sorted(world.links)}, active {active}")
    p0 = world.links["p0"]
    if not active and (p0.up or p0.master or p0.addresses or p0.mtu != 1500):  # as it was made
        faults.append(f"the card is not as it was: {p0}")
    return faults


def in_new_network(work: Callable[[], int]) -> int:
    enter_new()
    ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
    return work()


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene = SCENES[sys.argv[1]]
    for after in range(1, STEPS_MAX):
        folder = Path(tempfile.mkdtemp(prefix="thi", dir=sys.argv[2]))

        def both(folder: Path = folder, after: int = after) -> int:
            ended = in_child(lambda: die(folder, scene, after))
            tell(f"{after} {ended} ")
            in_child(lambda: find_out(folder, scene))
            return ended

        ended = in_child(lambda both=both: in_new_network(both))  # type: ignore[misc]
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
