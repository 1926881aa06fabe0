"""A disk as QEMU sees it: its key, its block nodes, its device. Pure: the same maps serve the command line and hot-plug."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.network_disks import remote_node

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Disk, Domain, Remote

MASTER_KEY: Final = "masterKey0"
SCSI_SLOT: Final = 5
SATA_SLOT: Final = 6
DISK_SLOT: Final = 8
DISK_SLOT_LATE: Final = 24
DISKS_EARLY: Final = 8
"""PCI slots by purpose, the same for one definition for ever: saved memory fits no other arrangement."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A secret, encrypted with the guest's master key: what may stand in an argument."""

    data: bytes
    iv: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disk's image is, and of what format its container is ("raw", "qcow2").

    `kind` is "file" or "block" with a path, or "network". `ceph_configuration` is the file that QEMU's Ceph library reads.
    """

    path: str
    format: str
    kind: str = "file"
    remote: Remote | None = None
    ceph_configuration: str = "/dev/null"


def secret(name: str, wrapped: Wrapped) -> dict[str, Any]:
    """The object that holds a secret under the guest's master key (libvirt's scheme)."""
    return {
        "qom-type": "secret",
        "id": name,
        "keyid": MASTER_KEY,
        "iv": base64.b64encode(wrapped.iv).decode(),
        "format": "base64",
        "data": base64.b64encode(wrapped.data).decode(),
    }


def block_nodes(disk: Disk, place: Place) -> dict[str, Any]:
    """The block graph of one disk: a file or a remote image, in it a format, in that LUKS if it is encrypted."""
    cache = {"direct": disk.cache in {"none", "directsync"}, "no-flush": disk.cache == "unsafe"}
    if place.remote is not None:
        origin = remote_node(place.remote, disk.login_id, place.ceph_configuration)
    else:
        origin = {"driver": "host_device" if place.kind == "block" else "file", "filename": place.path}
        origin |= {"aio": disk.io} if disk.io else {}
    file: dict[str, Any] = {
        **origin,
        "node-name": f"{disk.node}-file",
        "cache": cache,
        "read-only": disk.readonly,
        "discard": disk.discard,
    }
    node = {"node-name": disk.node, "cache": cache, "read-only": disk.readonly, "discard": disk.discard, "file": file}
    if disk.key is None:
        return {"driver": place.format, **node}
    if place.format == "qcow2":
        return {"driver": "qcow2", **node, "encrypt": {"format": "luks", "key-secret": disk.key_id}}
    return {"driver": "luks", **node, "key-secret": disk.key_id}


def device(domain: Domain, disk: Disk) -> dict[str, Any]:
    """The device a guest sees the disk as; without a source it is an empty drive."""
    kind = "cd" if disk.device == "cdrom" else "hd"
    driver = {"virtio": "virtio-blk-pci", "scsi": f"scsi-{kind}", "ide": f"ide-{kind}", "sata": f"ide-{kind}"}[disk.bus]
    made: dict[str, Any] = {"driver": driver, "id": disk.device_id, **_place(domain, disk)}
    if disk.has_medium:
        # A guest whose disk fails stops, unless its definition says otherwise, and goes on when its storage is back.
        policy = "enospc" if disk.on_write_error == "enospace" else disk.on_write_error
        made |= {"drive": disk.node, "werror": policy, "rerror": disk.on_read_error}
        made |= {} if disk.device == "cdrom" else {"write-cache": "off" if disk.cache in {"writethrough", "directsync"} else "on"}
    if disk.serial:
        made["serial"] = disk.serial
    if disk.boot_order:
        made["bootindex"] = disk.boot_order
    return made


def _place(domain: Domain, disk: Disk) -> dict[str, Any]:
    if disk.bus == "virtio":
        slot = DISK_SLOT + disk.index if disk.index < DISKS_EARLY else DISK_SLOT_LATE - DISKS_EARLY + disk.index
        return pci(domain, slot)
    if disk.bus == "scsi":
        return {"bus": "scsi0.0", "scsi-id": disk.index, "lun": 0}
    if disk.bus == "ide":
        return {"bus": f"ide.{disk.index // 2}", "unit": disk.index % 2}
    return {"bus": f"{'ide' if 'q35' in domain.machine else 'sata0'}.{disk.index}"}


def pci(domain: Domain, slot: int) -> dict[str, Any]:
    """A place on the machine's first PCI bus."""
    return {"bus": "pcie.0" if "q35" in domain.machine else "pci.0", "addr": f"0x{slot:x}"}
