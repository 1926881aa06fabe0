"""A program that dies in the middle of a call, at every step of it in turn, and looks at what the next life makes of it.

It forks, so it must have one thread only: it is run as a process of its own by the test.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.qemu.lives import Life, Site
from tests.integration.qemu.plugs import taps
from tests.namespaces import enter_new
from tests.waiting import until
from tierhost.workers.qemu import save_file
from tierhost.workers.qemu.monitor import Monitors
from tierhost.workers.runtime import calling, detached
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.detached import Detached
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = b"the call"
CARD = "<interface type='network'><source network='lab'/><filterref filter='clean-traffic'/></interface>"
STEPS_MAX = 60


def arm(steps: Steps) -> None:
    """Durable words, QEMU commands, processes, signals, files that get their names."""
    steps.after(Store, "_write")
    steps.after_awaited(Monitors, "_execute")
    steps.after(detached, "start")
    steps.after(Detached, "signal")
    steps.after(save_file, "complete")
    steps.after(save_file, "create")


def start(site: Site, life: Life) -> None:
    life.driver.domain_create("web")


def destroy(site: Site, life: Life) -> None:
    life.driver.domain_destroy("web")


def suspend(site: Site, life: Life) -> None:
    life.driver.domain_suspend("web")


def save(site: Site, life: Life) -> None:
    life.driver.domain_managed_save("web")


def plug(site: Site, life: Life) -> None:
    disk = f"<disk type='file'><source file='{site.folder}/more.img'/><target dev='vdb'/></disk>"
    life.driver.domain_attach_device_flags("web", disk, 3)


def nothing(site: Site, life: Life) -> None:
    """Before a first start there is only the definition."""


def started(site: Site, life: Life) -> None:
    site.disk("more")
    life.driver.domain_create("web")


def saved(site: Site, life: Life) -> None:
    life.driver.domain_create("web")
    life.driver.domain_managed_save("web")


def runs(life: Life) -> bool:
    return life.state("web") == "running" and not life.driver.domain_has_managed_save_image("web")


def is_off(life: Life) -> bool:
    return life.state("web") == "shutoff" and not life.driver.domain_has_managed_save_image("web")


def is_saved(life: Life) -> bool:
    return life.state("web") == "shutoff" and life.driver.domain_has_managed_save_image("web")


def is_paused(life: Life) -> bool:
    return life.driver.domain_get_state("web") == {"state": "paused", "reason": "user"}


def has_disk(life: Life) -> bool:
    live, config = (life.driver.domain_get_xml_desc("web", flags) for flags in (0, 2))
    return "vdb" in live and "vdb" in config and life.driver.domain_get_block_info("web", "vdb")["io_status"] == "ok"


Scene = tuple["Callable[[Site, Life], None]", "Callable[[Site, Life], None]", "Callable[[Life], bool]"]

SCENES: dict[str, Scene] = {
    "start": (nothing, start, runs),
    "destroy": (started, destroy, is_off),
    "suspend": (started, suspend, is_paused),
    "save": (started, save, is_saved),
    "restore": (saved, start, runs),
    "plug": (started, plug, has_disk),
    "start-plugged-in": (nothing, start, runs),
    "destroy-plugged-in": (started, destroy, is_off),
}
"""What was before, the call, and what must be true after it, however often it was made and died."""


def die(site: Site, scene: Scene, after: int) -> int:
    before, call, _ = scene
    life = site.live()
    life.driver.domain_define_xml(site.guest(devices=CARD if is_plugged_in() else ""))
    before(site, life)
    arm(Steps(after))
    make(site, life, call)
    return SURVIVED


def make(site: Site, life: Life, call: Callable[[Site, Life], None]) -> None:
    token = calling.CALL_ID.set(CALL)
    try:
        call(site, life)
    finally:
        calling.CALL_ID.reset(token)


def find_out(site: Site, scene: Scene) -> int:
    """The next life: judge what it finds, make the call again as its caller would, and judge again."""
    _, call, goal = scene
    life = site.live()
    faults = judge(site, life)
    records = [store.recorded(CALL) for store in (life.context.persistent, life.context.run)]
    known = [("replied" if record.replied else "acted") for record in records if record is not None]
    if "acted" in known and "replied" not in known:
        faults.append("the call is neither answered nor undone")
    if not known:
        try:
            make(site, life, call)
        except DriverError as error:
            faults.append(f"the call cannot be made again: {error}")
    if not goal(life):
        faults.append(f"in the end it is {life.driver.domain_get_info('web')}; its call was {known}")
    faults += judge(site, life)
    tell(json.dumps(faults) + "\n")
    site.tear_down()
    return 0


def is_plugged_in() -> bool:
    return sys.argv[1].endswith("plugged-in")


def judge(site: Site, life: Life) -> list[str]:
    """What is never true, whenever we died."""
    alive, row = site.processes(), life.driver.domain_list()[0]
    faults = []
    if len(alive) > 1:
        faults.append(f"{len(alive)} processes of one guest")
    if (row["id"] >= 0) != bool(alive):
        faults.append(f"shown as {row['state']}, processes: {alive}")
    if alive and life.driver.domain_has_managed_save_image("web"):
        faults.append("it runs, and is saved")
    if life.context.run.intents() or life.context.persistent.intents():
        faults.append(f"left under way: {life.context.run.intents()}")
    if life.degraded:
        faults.append(f"degraded: {life.degraded}")
    if is_plugged_in():
        until(lambda: len(taps()) == len(site.processes()), f"a tap for each guest that runs; there are {taps()}")
        if {path.stem for path in site.folder.glob("*.filter")} != set(taps()):
            faults.append(f"ports {taps()}, filtered: {list(site.folder.glob('*.filter'))}")
    saves = site.state_dir / "save"
    faults += [f"left behind: {path.name}" for path in saves.glob("*") if path.suffix != ".save"]
    return faults


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene = SCENES[sys.argv[1]]
    for after in range(1, STEPS_MAX):
        site = Site(Path(tempfile.mkdtemp(prefix="thq", dir=sys.argv[2])))
        if is_plugged_in():
            enter_new()
        ended = in_child(lambda site=site, after=after: die(site, scene, after))  # type: ignore[misc]
        tell(f"{after} {ended} ")
        in_child(lambda site=site: find_out(site, scene))  # type: ignore[misc]
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
