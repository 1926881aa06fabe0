"""LVM by its programs: which options every one of them gets, what they report, and whether this kernel has device-mapper."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.commands import CommandFailed, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.directories import subject

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition

DEVICES_WITHOUT_A_MAJOR: Final = Path("/proc/misc")
UDEV_CONTROL: Final = Path("/run/udev/control")
TAG: Final = "tierhost-half-made"
"""What a volume is tagged with until it is whole."""


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """One logical volume as `lvs` reports it."""

    name: str
    uuid: str
    size: int
    active: bool
    tags: tuple[str, ...] = ()
    kind: str = "-"


def has_device_mapper() -> bool:
    """Whether the kernel can show logical volumes at all."""
    return any(line.split()[-1:] == ["device-mapper"] for line in DEVICES_WITHOUT_A_MAJOR.read_text().splitlines())


def need_device_mapper(definition: PoolDefinition) -> None:
    """Raise, with what a person can do, where it cannot."""
    if not has_device_mapper():
        raise DriverError(
            "logical volumes need device-mapper, and this kernel has none",
            code=Code.OPERATION_UNSUPPORTED,
            subject=subject(definition),
            hint="modprobe dm-mod, or a kernel that has it",
        )


def lvm(definition: PoolDefinition, effort: Effort, *words: str) -> str:
    """Run one LVM command; it sees the devices of the pool only, if the pool names any. Returns what it reports."""
    keep = (effort.lock_fd,) if effort.lock_fd >= 0 else ()
    try:
        return run(["lvm", *arguments(definition, words)], limit_s=effort.limit_s, keep_fds=keep).out
    except CommandFailed as error:
        # It complains of every descriptor it was given, and the lock of the act is one.
        told = (line.strip() for line in error.words.splitlines() if not line.startswith("File descriptor "))
        raise CommandFailed(words[0], error.status, " ".join(told)) from None


def arguments(definition: PoolDefinition, words: tuple[str, ...]) -> list[str]:
    """Put together a command with the options that keep it from waiting for a udevd that is not there."""
    udev = "1" if UDEV_CONTROL.exists() else "0"
    settings = f"activation {{ udev_sync={udev} udev_rules={udev} }} devices {{ obtain_device_list_from_udev=0 }}"
    devices = definition.source.devices
    return [words[0], "--config", settings, *(["--devices", ",".join(devices)] if devices else []), *words[1:]]


def group_of(definition: PoolDefinition) -> str:
    """Name the volume group."""
    return definition.source.name


def list_volumes(definition: PoolDefinition, effort: Effort) -> list[LogicalVolume]:
    """List the logical volumes of the pool's group that are shown to people."""
    columns = "lv_name,lv_uuid,lv_size,lv_active,lv_tags,lv_attr"
    report = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns, group_of(definition))
    return parse_volumes(lvm(definition, effort, "lvs", *report))


def parse_volumes(text: str) -> list[LogicalVolume]:
    """Read a JSON report of `lvs`."""
    rows: list[dict[str, Any]] = json.loads(text)["report"][0]["lv"]
    return [
        LogicalVolume(
            row["lv_name"],
            row["lv_uuid"],
            int(row["lv_size"]),
            row["lv_active"] == "active",
            tuple(filter(None, row["lv_tags"].split(","))),
            row["lv_attr"][:1],
        )
        for row in rows
    ]


def group_space(definition: PoolDefinition, effort: Effort) -> tuple[int, int]:
    """Bytes of the group, and those that are free."""
    words = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o", "vg_size,vg_free", group_of(definition))
    (row,) = json.loads(lvm(definition, effort, "vgs", *words))["report"][0]["vg"]
    return int(row["vg_size"]), int(row["vg_free"])


def active_nodes(group: str) -> list[str]:
    """Names of the group's volumes that the kernel shows: no program is run, no device is touched."""
    prefix = group.replace("-", "--") + "-"
    names = []
    for path in Path("/sys/class/block").glob("dm-*/dm/name"):
        name = path.read_text().strip()
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and not rest.startswith("-"):
            names.append(rest.replace("--", "-"))
    return sorted(names)


def node(definition: PoolDefinition, name: str) -> str:
    """The device node of a volume."""
    return os.path.join(definition.target, name)
