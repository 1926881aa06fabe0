"""What a guest is in a drill: light, its name its own, and looked at by its driver's word and by the kernel's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.kill_points import pools, secrets, volumes

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Scene

SEEN: Final = ("name", "uuid", "state", "persistent", "autostart")
DISK_BYTES: Final = 64 << 10
UNDEFINE_MANAGED_SAVE: Final = 1
INACTIVE: Final = 2
MORE: Final = "<features><acpi/></features>"
"""Without ACPI no disk can be plugged in."""


def xml_of(scene: Scene, devices: str = "", description: str = "") -> str:
    """A guest with as little as there can be."""
    about = f"<name>{scene.tag}</name><uuid>{scene.uuid}</uuid><description>{description}</description>"
    inside = f"<devices>{devices}<memballoon model='none'/></devices>"
    return f"<domain type='qemu'>{about}<memory unit='MiB'>16</memory><os><type>hvm</type></os>{MORE}{inside}</domain>"


def disk_file(scene: Scene) -> Path:
    """A disk's file."""
    return scene.folder / "disk.raw"


def disk_xml(scene: Scene, target: str = "sda", bus: str = "scsi") -> str:
    """A disk on that file."""
    return f"<disk type='file'><source file='{disk_file(scene)}'/><target dev='{target}' bus='{bus}'/></disk>"


def saved_file(scene: Scene) -> Path:
    """Where a guest's memory is saved to by `domain_save`."""
    return scene.folder / "memory"


def pids(scene: Scene) -> list[int]:
    """The processes of this guest, by the kernel's word."""
    found, uuid = [], scene.uuid.encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if uuid in line and b"qemu" in line.partition(b"\0")[0]:
                found.append(int(name))
    return found


def view(scene: Scene) -> Any:
    """The guest as a client sees it, and how many processes of it the kernel has."""
    row = scene.ask("qemu.domain_lookup_by_name", scene.tag)
    shown = {key: row[key] for key in SEEN if key in row}
    return [
        shown,
        scene.ask("qemu.domain_get_state", scene.tag).get("state"),
        scene.ask("qemu.domain_get_autostart", scene.tag),
        scene.ask("qemu.domain_has_managed_save_image", scene.tag),
        scene.ask("qemu.domain_get_xml_desc", scene.tag, INACTIVE),
        len(pids(scene)),
        saved_file(scene).exists(),
    ]


def view_devices(scene: Scene) -> Any:
    """The same, and the disk that is plugged in or out, live."""
    info = scene.ask("qemu.domain_get_block_info", scene.tag, "sda")
    return [view(scene), info.get("io_status", info), "sda" in str(scene.ask("qemu.domain_get_xml_desc", scene.tag))]


# What was before.


def define(scene: Scene) -> Any:
    """A definition."""
    return scene.call("qemu.domain_define_xml", xml_of(scene))


def started(scene: Scene) -> None:
    """A guest that runs."""
    define(scene)
    scene.call("qemu.domain_create", scene.tag)


def paused(scene: Scene) -> None:
    """A guest that is paused."""
    started(scene)
    scene.call("qemu.domain_suspend", scene.tag)


def with_saved_memory(scene: Scene) -> None:
    """A guest whose memory waits for its next start."""
    started(scene)
    scene.call("qemu.domain_managed_save", scene.tag)


def saved_to_file(scene: Scene) -> None:
    """A guest whose memory is in a file of its user's."""
    started(scene)
    scene.call("qemu.domain_save", scene.tag, str(saved_file(scene)))


def _with_file(scene: Scene) -> None:
    disk_file(scene).touch()
    os.truncate(disk_file(scene), DISK_BYTES)


def defined_with_file(scene: Scene) -> None:
    """A definition, and a disk that is not in it."""
    _with_file(scene)
    define(scene)


def started_with_file(scene: Scene) -> None:
    """A guest that runs, and a disk that it has not."""
    _with_file(scene)
    started(scene)


def defined_with_disk(scene: Scene) -> None:
    """A definition with a disk."""
    _with_file(scene)
    scene.call("qemu.domain_define_xml", xml_of(scene, disk_xml(scene)))


def started_with_disk(scene: Scene) -> None:
    """A guest that runs with a disk it lets go of at once."""
    started_with_file(scene)
    scene.call("qemu.domain_attach_device", scene.tag, disk_xml(scene))


def on_encrypted_volume(scene: Scene) -> None:
    """A definition whose disk is an encrypted volume."""
    volumes.keyed(scene)
    scene.call("storage.storage_vol_create_xml", scene.tag, volumes.encrypted_xml(scene))
    source = f"<source pool='{scene.tag}' volume='disk'/><target dev='vda' bus='virtio'/>"
    key = f"<encryption format='luks'><secret type='passphrase' uuid='{scene.uuid}'/></encryption>"
    scene.call("qemu.domain_define_xml", xml_of(scene, f"<disk type='volume'>{source}{key}</disk>"))


# After it.


def clear(scene: Scene) -> None:
    """End it, forget it, remove its files."""
    scene.undo("qemu.domain_destroy", scene.tag)
    scene.undo("qemu.domain_undefine", scene.tag, UNDEFINE_MANAGED_SAVE)
    disk_file(scene).unlink(missing_ok=True)
    saved_file(scene).unlink(missing_ok=True)


def clear_volume(scene: Scene) -> None:
    """The same, and its pool and secret."""
    clear(scene)
    pools.clear(scene)
    secrets.clear(scene)
