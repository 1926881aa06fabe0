"""A program that dies in the middle of a storage call, at every step in turn, and looks at what the next life makes of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.storage.images import UMOUNT, blank, fs_pool, image, mounted, run
from tests.integration.storage.lives import Site, in_call
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.store import Store
from tierhost.workers.storage.looking import TABLE
from tierhost.workers.storage.mounts import loops_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.storage.lives import Life
    from tierhost.workers.storage.driver import StorageDriver

CALL = b"the call"
STEPS_MAX = 60
KEY = "11111111-2222-3333-4444-555555555555"
SECRET = f"<encryption format='luks'><secret type='passphrase' uuid='{KEY}'/></encryption>"
OVERWRITE = 8
EFFECTS = (
    "makedirs",
    "rmdir",
    "link",
    "unlink",
    "ftruncate",
    "truncate",
    "posix_fallocate",
    "pwrite",
    "chmod",
    "fsync",
    "fdatasync",
)


def arm(steps: Steps) -> None:
    """Durable words, programs that have ended, and whatever is done to files."""
    steps.after(Store, "_write")
    steps.after(commands, "_await")
    for name in EFFECTS:
        steps.after(os, name)


def volume(name: str, kind: str = "raw", inside: str = "") -> str:
    sizes = "<capacity unit='MiB'>1</capacity><allocation>0</allocation>"
    return f"<volume><name>{name}</name>{sizes}<target><format type='{kind}'/>{inside}</target></volume>"


class Scene:
    """One call: what was before, and what must be true after it, however often it was made and died."""

    def __init__(
        self,
        call: Callable[[StorageDriver, Site], object],
        goal: Callable[[StorageDriver, Site], bool],
        *befores: Callable[[StorageDriver, Site], object],
    ) -> None:
        self.call, self.goal, self.befores = call, goal, befores


def name(site: Site) -> str:
    return site.folder.name


def define_fs(driver: StorageDriver, site: Site) -> None:
    (site.folder / "pool").mkdir()
    driver.storage_pool_define_xml(fs_pool(site, image(site.folder / "disk.img")))


def define_blank(driver: StorageDriver, site: Site) -> None:
    driver.storage_pool_define_xml(fs_pool(site, blank(site.folder / "disk.img")))


def start(driver: StorageDriver, site: Site) -> None:
    driver.storage_pool_create(name(site))


def start_transient(driver: StorageDriver, site: Site) -> None:
    driver.storage_pool_create_xml(fs_pool(site, site.folder / "disk.img"))


def image_only(driver: StorageDriver, site: Site) -> None:
    (site.folder / "pool").mkdir()
    image(site.folder / "disk.img")


def active_dir(driver: StorageDriver, site: Site) -> None:
    target = f"<target><path>{site.folder}/pool</path></target>"
    driver.storage_pool_define_xml(f"<pool type='dir'><name>{name(site)}</name>{target}</pool>")
    driver.storage_pool_build(name(site))
    driver.storage_pool_create(name(site))


def volume_of(kind: str, inside: str = "") -> Callable[[StorageDriver, Site], object]:
    return lambda driver, site: driver.storage_vol_create_xml(name(site), volume("disk", kind, inside))


def clone_to(kind: str) -> Callable[[StorageDriver, Site], object]:
    return lambda driver, site: driver.storage_vol_create_xml_from(name(site), volume("copy", kind), name(site), "disk")


def resize(driver: StorageDriver, site: Site) -> None:
    driver.storage_vol_resize(name(site), "disk", 2 << 20)


def is_mounted(driver: StorageDriver, site: Site) -> bool:
    return driver.storage_pool_get_info(name(site))["state"] == "running" and len(mounted(site)) == 1


def is_off(driver: StorageDriver, site: Site) -> bool:
    return [pool["state"] for pool in driver.storage_pool_list()] == ["inactive"] and mounted(site) == []


def is_unknown(driver: StorageDriver, site: Site) -> bool:
    return driver.storage_pool_list() == []


def has_no_folder(driver: StorageDriver, site: Site) -> bool:
    return is_off(driver, site) and not (site.folder / "pool").exists()


def is_built(driver: StorageDriver, site: Site) -> bool:
    driver.storage_pool_create(name(site))
    driver.storage_pool_destroy(name(site))
    return True


def has(*volumes: str) -> Callable[[StorageDriver, Site], bool]:
    return lambda driver, site: [found["name"] for found in driver.storage_vol_list(name(site))] == list(volumes)


def has_grown(driver: StorageDriver, site: Site) -> bool:
    return bool(driver.storage_vol_get_info(name(site), "disk")["capacity"] == 2 << 20)


def write(driver: StorageDriver, site: Site) -> None:
    driver.storage_vol_upload(name(site), "disk", b"old words")


SCENES: dict[str, Scene] = {
    "pool-build": Scene(lambda driver, site: driver.storage_pool_build(name(site), OVERWRITE), is_built, define_blank),
    "pool-create": Scene(start, is_mounted, define_fs),
    "pool-create-xml": Scene(start_transient, is_mounted, image_only),
    "pool-create-with-build": Scene(lambda driver, site: driver.storage_pool_create(name(site), 2), is_mounted, define_blank),
    "pool-destroy": Scene(lambda driver, site: driver.storage_pool_destroy(name(site)), is_off, define_fs, start),
    "pool-delete": Scene(
        lambda driver, site: driver.storage_pool_delete(name(site)),
        has_no_folder,
        define_fs,
    ),
    "pool-undefine": Scene(
        lambda driver, site: driver.storage_pool_undefine(name(site)),
        is_unknown,
        define_fs,
    ),
    "volume-create-raw": Scene(volume_of("raw"), has("disk"), active_dir),
    "volume-create-qcow2": Scene(volume_of("qcow2"), has("disk"), active_dir),
    "volume-create-luks": Scene(volume_of("raw", SECRET), has("disk"), active_dir),
    "volume-clone": Scene(clone_to("qcow2"), has("copy", "disk"), active_dir, volume_of("raw")),
    "volume-resize-raw": Scene(resize, has_grown, active_dir, volume_of("raw")),
    "volume-resize-qcow2": Scene(resize, has_grown, active_dir, volume_of("qcow2")),
    "volume-delete": Scene(
        lambda driver, site: driver.storage_vol_delete(name(site), "disk", 1), has(), active_dir, volume_of("raw"), write
    ),
    "volume-wipe": Scene(
        lambda driver, site: driver.storage_vol_wipe(name(site), "disk"),
        lambda driver, site: driver.storage_vol_download(name(site), "disk", 0, 9) == bytes(9),
        active_dir,
        volume_of("raw"),
        write,
    ),
}


def live(site: Site) -> Life:
    """Begin a life; how it ends is seen."""
    life = site.begin()
    life.driver.state_initialize(privileged=True, inhibit=lambda **_: None)
    return life


def die(site: Site, scene: Scene, after: int) -> int:
    life = live(site)
    for before in scene.befores:
        before(life.driver, site)
    arm(Steps(after))
    with in_call(CALL):
        scene.call(life.driver, site)
    return SURVIVED


def find_out(site: Site, scene: Scene) -> int:
    """The next life: judge what it finds, make the call again as its caller would, and judge again."""
    life = live(site)
    faults = judge(site, life)
    records = [store.recorded(CALL) for store in (life.context.persistent, life.context.run)]
    known = [("replied" if record.replied else "acted") for record in records if record is not None]
    if "acted" in known and "replied" not in known:
        faults.append("the call is neither answered nor undone")
    if not known:
        try:
            with in_call(CALL):
                scene.call(life.driver, site)
        except DriverError as error:
            faults.append(f"the call cannot be made again: {error}")
    if not scene.goal(life.driver, site):
        faults.append(f"its call was {known}, and in the end there is {life.driver.storage_pool_list()}")
    faults += judge(site, life)
    tell(json.dumps(faults) + "\n")
    return 0


def judge(site: Site, life: Life) -> list[str]:
    """What is never true, whenever we died."""
    faults = []
    intents = {**life.context.run.intents(), **life.context.persistent.intents()}
    if intents or life.degraded:
        faults.append(f"left under way: {intents}, degraded: {life.degraded}")
    loops = loops_over(f"{site.folder}/disk.img")
    pools = [pool for pool in life.driver.storage_pool_list() if pool["type"] == "fs"]
    if len(mounted(site)) != len(loops) or len(loops) != len([pool for pool in pools if pool["state"] == "active"]):
        faults.append(f"mounts {mounted(site)}, loop devices {loops}, pools {pools}")
    faults += [f"left behind: {path}" for path in (*site.folder.glob("pool/.*"), *site.folder.glob("run/acts/*"))]
    faults += [f"remembered: {path}" for path in life.context.persistent.all(TABLE) if not Path(path).exists()]
    return faults


def tear_down(site: Site) -> None:
    """Unmount what is mounted; the folder is the test's to remove."""
    while mounted(site):
        run(UMOUNT, site.folder / "pool")


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene = SCENES[sys.argv[1]]
    for after in range(1, STEPS_MAX):
        site = Site(Path(tempfile.mkdtemp(prefix="ths", dir=sys.argv[2])), {KEY: b"a passphrase"})
        try:
            ended = in_child(lambda site=site, after=after: die(site, scene, after))  # type: ignore[misc]
            tell(f"{after} {ended} ")
            in_child(lambda site=site: find_out(site, scene))  # type: ignore[misc]
        finally:
            tear_down(site)
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
