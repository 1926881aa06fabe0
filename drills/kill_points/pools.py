"""The operations of the storage driver on pools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import leaks
from tierhost.drills.kill_points.operation import Operation, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.kill_points.operation import Step

IMAGE_BYTES: Final = 2 << 20
MKFS_LIMIT_S: Final = 20.0
WITH_BUILD: Final = 1
OVERWRITE: Final = 2
BUILD_OVERWRITE: Final = 8
TIMES: Final = re.compile(r"<timestamps>.*</timestamps>", re.DOTALL)
UUID: Final = "@uuid"
TAG: Final = "@tag"
TARGET: Final = "@target"
VOLUME: Final = "@volume"


def target(scene: Scene) -> Path:
    """The pool's directory."""
    return scene.folder / "pool"


def image(scene: Scene) -> Path:
    """The pool's image, where it is one."""
    return scene.folder / "disk.img"


def dir_xml(scene: Scene) -> str:
    """A pool that is a directory."""
    about = f"<name>{scene.tag}</name><uuid>{scene.uuid}</uuid>"
    return f"<pool type='dir'>{about}<target><path>{target(scene)}</path></target></pool>"


def fs_xml(scene: Scene) -> str:
    """A pool that is mounted."""
    about = f"<name>{scene.tag}</name><uuid>{scene.uuid}</uuid>"
    source = f"<source><device path='{image(scene)}'/><format type='ext4'/></source>"
    return f"<pool type='fs'>{about}{source}<target><path>{target(scene)}</path></target></pool>"


def blank_image(scene: Scene) -> None:
    """An image with nothing in it."""
    image(scene).touch()
    os.truncate(image(scene), IMAGE_BYTES)


def made_image(scene: Scene) -> None:
    """An image with a file system in it: made once for a site, and copied."""
    master = scene.site.folder / "master.ext4"
    if not master.exists():
        blank = scene.site.folder / "master.new"
        blank.touch()
        os.truncate(blank, IMAGE_BYTES)
        program = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/sbin:/usr/sbin") or "mkfs.ext4"
        subprocess.run([program, "-q", "-F", str(blank)], check=True, timeout=MKFS_LIMIT_S, capture_output=True)
        blank.rename(master)
    shutil.copyfile(master, image(scene))


def view(scene: Scene) -> Any:
    """The pool as a client sees it, and its directory and mounts as the kernel does."""
    place = target(scene)
    info = scene.ask("storage.storage_pool_get_info", scene.tag)
    return [
        scene.ask("storage.storage_pool_lookup_by_name", scene.tag),
        info.get("state", info),
        scene.ask("storage.storage_pool_get_autostart", scene.tag),
        sorted(os.listdir(place)) if place.exists() else "no directory",
        leaks.mounts(scene.folder),
        len(leaks.lasting_loops(scene.folder)),
    ]


def define_dir(scene: Scene) -> Any:
    """Define a pool that is a directory."""
    return scene.call("storage.storage_pool_define_xml", dir_xml(scene))


def built_dir(scene: Scene) -> None:
    """Define it and make its directory."""
    define_dir(scene)
    scene.call("storage.storage_pool_build", scene.tag)


def active_dir(scene: Scene) -> None:
    """Define it, make its directory, start it."""
    define_dir(scene)
    scene.call("storage.storage_pool_create", scene.tag, WITH_BUILD)


def define_fs(scene: Scene) -> None:
    """Define a pool that is mounted."""
    target(scene).mkdir()
    made_image(scene)
    scene.call("storage.storage_pool_define_xml", fs_xml(scene))


def active_fs(scene: Scene) -> None:
    """Define and mount it."""
    define_fs(scene)
    scene.call("storage.storage_pool_create", scene.tag)


def define_blank(scene: Scene) -> None:
    """Define one whose image is empty."""
    blank_image(scene)
    scene.call("storage.storage_pool_define_xml", fs_xml(scene))


def image_only(scene: Scene) -> None:
    """Nothing but an image with a file system in it."""
    target(scene).mkdir()
    made_image(scene)


def clear(scene: Scene) -> None:
    """Stop it, forget it, remove its files."""
    scene.undo("storage.storage_pool_destroy", scene.tag)
    scene.undo("storage.storage_pool_undefine", scene.tag)
    if not leaks.mounts(scene.folder):
        shutil.rmtree(target(scene), ignore_errors=True)
    image(scene).unlink(missing_ok=True)


def _call(name: str, *args: Any) -> Step:
    return lambda scene: scene.call(f"storage.storage_pool_{name}", *filled(scene, args))


def filled(scene: Scene, args: tuple[Any, ...]) -> list[Any]:
    """Arguments with the scene's own names in them."""
    words = {UUID: scene.uuid, TAG: scene.tag, TARGET: str(target(scene)), VOLUME: str(target(scene) / "disk")}
    return [words.get(arg, arg) if isinstance(arg, str) else arg for arg in args]


def _change(name: str, prepare: Step, *args: Any, situation: str = "") -> Operation:
    title = f"storage.storage_pool_{name}" + (f":{situation}" if situation else "")
    return Operation(title, _call(name, TAG, *args), view, prepare, clear)


def question(name: str, prepare: Step, *args: Any, look: Step = view) -> Operation:
    """One that changes nothing. Sizes of a file system change by themselves, and are left out."""

    def call(scene: Scene) -> Any:
        answer = scene.ask(f"storage.{name}", *filled(scene, args))
        if name == "storage_pool_list":
            return [row for row in answer if row["uuid"] == scene.uuid]
        if name == "storage_pool_get_info":
            return answer["state"]
        if name == "storage_vol_get_xml_desc":
            return TIMES.sub("", answer)
        return answer

    return Operation(f"storage.{name}", call, look, prepare, clear, changes=False)


def kill_and_look(scene: Scene) -> Any:
    """Have the driver initialize: by the death of the life before."""
    scene.kill("storage")
    return scene.ask("storage.storage_pool_lookup_by_name", scene.tag)


def reload(scene: Scene) -> Any:
    """Have the driver look at everything again."""
    scene.site.client.host("reload", "storage")
    return scene.ask("storage.storage_pool_lookup_by_name", scene.tag)


def _define_again(scene: Scene) -> Any:
    return scene.call("storage.storage_pool_define_xml", dir_xml(scene).replace("/pool<", "/other<"))


OPERATIONS: Final = (
    Operation("storage.storage_pool_define_xml", define_dir, view, clear=clear),
    Operation("storage.storage_pool_define_xml:again", _define_again, view, define_dir, clear),
    Operation(
        "storage.storage_pool_create_xml",
        lambda scene: scene.call("storage.storage_pool_create_xml", dir_xml(scene)),
        view,
        lambda scene: target(scene).mkdir(),
        clear,
    ),
    Operation(
        "storage.storage_pool_create_xml:fs",
        lambda scene: scene.call("storage.storage_pool_create_xml", fs_xml(scene)),
        view,
        image_only,
        clear,
    ),
    _change("create", built_dir),
    _change("create", define_dir, WITH_BUILD, situation="build"),
    _change("create", define_fs, situation="fs"),
    _change("create", define_blank, OVERWRITE, situation="fs-build"),
    _change("destroy", active_dir),
    _change("destroy", active_fs, situation="fs"),
    _change("undefine", define_dir),
    _change("build", define_dir),
    _change("build", define_blank, BUILD_OVERWRITE, situation="fs"),
    _change("delete", built_dir),
    _change("set_autostart", define_dir, True),
    question("storage_pool_refresh", active_dir, TAG),
    question("storage_pool_list", define_dir),
    question("storage_pool_lookup_by_name", define_dir, TAG),
    question("storage_pool_lookup_by_uuid", define_dir, UUID),
    question("storage_pool_lookup_by_target_path", define_dir, TARGET),
    question("storage_pool_lookup_by_volume", active_dir, VOLUME),
    question("storage_pool_get_autostart", define_dir, TAG),
    question("storage_pool_get_info", active_dir, TAG),
    question("storage_pool_get_xml_desc", active_dir, TAG, 1),
    Operation("storage.state_initialize", kill_and_look, view, active_dir, clear, changes=False, own_lives=1),
    Operation("storage.state_initialize:fs", kill_and_look, view, active_fs, clear, changes=False, own_lives=1),
    Operation("storage.state_reload", reload, view, active_fs, clear, changes=False),
)
