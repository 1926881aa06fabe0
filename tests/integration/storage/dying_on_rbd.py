"""A program that dies in a call about an image, at every step in turn, and looks at what the next life makes of it."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.storage.ceph_pools import volume
from tests.integration.storage.lives import Site, in_call, within
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.store import Store
from tierhost.workers.storage import rbd_volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.storage.lives import Life
    from tierhost.workers.storage.driver import StorageDriver

CALL = b"the call"
STEPS_MAX = 40
PATIENCE_S = 30.0


def make(driver: StorageDriver) -> None:
    driver.storage_vol_create_xml("vault", volume("disk"))


def write(driver: StorageDriver) -> None:
    driver.storage_vol_upload("vault", "disk", b"words")


def copy(driver: StorageDriver) -> None:
    driver.storage_vol_create_xml_from("vault", volume("copy"), "vault", "disk")


def names(driver: StorageDriver) -> list[str]:
    return [found["name"] for found in driver.storage_vol_list("vault")]


SCENES: dict[
    str, tuple[Callable[[StorageDriver], object], Callable[[StorageDriver], bool], tuple[Callable[..., object], ...]]
] = {
    "make": (make, lambda driver: names(driver) == ["disk"], ()),
    "copy": (copy, lambda driver: driver.storage_vol_download("vault", "copy", 0, 5) == b"words", (make, write)),
    "delete": (lambda driver: driver.storage_vol_delete("vault", "disk"), lambda driver: names(driver) == [], (make,)),
    "resize": (
        lambda driver: driver.storage_vol_resize("vault", "disk", 16 << 20),
        lambda driver: bool(driver.storage_vol_get_info("vault", "disk")["capacity"] == 16 << 20),
        (make,),
    ),
    "start": (
        lambda driver: driver.storage_pool_create("vault"),
        lambda driver: driver.storage_pool_get_info("vault")["state"] == "running",
        (lambda driver: driver.storage_pool_destroy("vault"),),
    ),
}


class Changes:
    """What is asked of the cluster and changes something there: each is a step. Questions are none."""

    ask = staticmethod(rbd_volumes.ask)

    @staticmethod
    def any(*args: Any, changes: bool = False, **named: Any) -> Any:
        """Stand where `ask` stood."""
        return Changes.ask(*args, changes=True, **named) if changes else ask_only(*args, **named)


ask_only = rbd_volumes.ask


def live(site: Site) -> Life:
    """Begin a life; how it ends is seen."""
    life = site.begin()
    life.driver.state_initialize(privileged=True, inhibit=lambda **_: None)
    return life


def die(site: Site, xml: str, scene: str, after: int) -> int:
    call, _, befores = SCENES[scene]
    life = live(site)
    life.driver.storage_pool_define_xml(xml)
    life.driver.storage_pool_create("vault")
    for before in befores:
        before(life.driver)
    steps = Steps(after)
    steps.after(Store, "_write")
    steps.after(Changes, "ask")
    rbd_volumes.ask = Changes.any
    with in_call(CALL):
        call(life.driver)
    return SURVIVED


def find_out(site: Site, scene: str) -> int:
    """The next life: it settles by itself what was cut off; then the call is made again, if it was not answered."""
    call, goal, _ = SCENES[scene]
    life = live(site)
    faults = settle(life)
    records = [store.recorded(CALL) for store in (life.context.persistent, life.context.run)]
    known = [record.replied for record in records if record is not None]
    if known and not any(known):
        faults.append("the call is neither answered nor undone")
    if not known:
        try:
            with in_call(CALL), within(PATIENCE_S):
                call(life.driver)
        except DriverError as error:
            faults.append(f"the call cannot be made again: {error}")
    if not goal(life.driver):
        faults.append(f"answered: {known}, and in the end there is not what was asked for")
    faults += settle(life)
    clear(life)
    tell(json.dumps(faults) + "\n")
    return 0


def settle(life: Life) -> list[str]:
    """Let the time come for what was put off, until nothing is under way any more."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        life.run_later()
        intents = {**life.context.run.intents(), **life.context.persistent.intents()}
        if not intents and not life.degraded:
            return []
        if time.monotonic() > end_s:
            return [f"left under way: {intents}, degraded: {life.degraded}"]


def clear(life: Life) -> None:
    """Take the images away, for the next step."""
    driver = life.driver
    if not life.active():
        driver.storage_pool_create("vault")
    for name in names(driver):
        driver.storage_vol_delete("vault", name)


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene, folder = sys.argv[1:]
    told = json.loads(sys.stdin.read())
    secrets = {"client.libvirt secret": base64.b64decode(told["key"])}
    for after in range(1, STEPS_MAX):
        site = Site(Path(tempfile.mkdtemp(prefix="ths", dir=folder)), secrets)
        ended = in_child(lambda site=site, after=after: die(site, told["xml"], scene, after))  # type: ignore[misc]
        tell(f"{after} {ended} ")
        in_child(lambda site=site: find_out(site, scene))  # type: ignore[misc]
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
