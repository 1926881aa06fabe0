"""Disks out of libvirt XML."""

from __future__ import annotations

import re
from typing import Any, Final

from tierhost.workers.qemu.domain import Disk, Key
from tierhost.workers.qemu.network_disks import read_remote
from tierhost.workers.runtime.definitions import Element, Unsupported, parse

BUS_BY_PREFIX: Final = {"vd": "virtio", "hd": "ide", "sd": "scsi"}
PLACES: Final = {"virtio": 15, "ide": 4, "sata": 6, "scsi": 256}
"""How many disks a bus takes here: the letters of a target say which place a disk has, for ever."""

TARGET: Final = re.compile(r"(vd|hd|sd)([a-z]{1,2})\Z")
SERIAL: Final = re.compile(r"[\w .+-]{1,36}\Z", re.ASCII)
CACHES: Final = ("default", "none", "writeback", "writethrough", "directsync", "unsafe")
LETTERS: Final = 26


def disk_from_text(text: str) -> tuple[Disk, list[str]]:
    """Read a <disk> that stands alone (hot-plug); also return what of it nobody acts on."""
    element = parse(text, "disk")
    return disk_from(element), element.unread()


def disk_from(disk: Element) -> Disk:
    """Read a <disk>. Raises BadDefinition or Unsupported."""
    kind = disk.one_of("type", ("file", "block", "volume", "network"), "file")
    device = disk.one_of("device", ("disk", "cdrom"), "disk")
    target = disk.need_child("target")
    name = target.need("dev")
    bus, index = _place(target, name)
    for generated in ("alias", "address"):
        found = disk.child(generated)
        if found is not None:
            found.keep()
    key = _key(disk)
    made = Disk(
        target=name,
        bus=bus,
        index=index,
        device=device,
        kind=kind,
        **_source(disk, kind, optional=device == "cdrom"),
        **_driver(disk.child("driver")),
        key=key,
        readonly=disk.child("readonly") is not None or device == "cdrom",
        serial=_serial(disk),
        boot_order=boot_order(disk),
    )
    disk.refuse("auth", "shareable", "transient", "iotune", "mirror", "backingStore", "throttlefilters", "encryption")
    _check_possible(disk, made)
    return made


def _place(target: Element, name: str) -> tuple[str, int]:
    match = TARGET.match(name)
    if match is None:
        raise target.bad(f"dev is {name!r:.20}, expected something like vda, hda or sda")
    prefix, letters = match.groups()
    bus = target.one_of("bus", tuple(PLACES), BUS_BY_PREFIX[prefix])
    index = ord(letters[-1]) - ord("a") + (LETTERS * (ord(letters[0]) - ord("a") + 1) if len(letters) > 1 else 0)
    if index >= PLACES[bus]:
        raise target.bad(f"dev is {name!r}, but a {bus} bus has {PLACES[bus]} places here")
    return bus, index


def _source(disk: Element, kind: str, *, optional: bool) -> dict[str, Any]:
    source = disk.child("source") if optional else disk.need_child("source")
    if source is None:
        return {}
    remote = {"remote": read_remote(disk, source)} if kind == "network" else {}
    source.refuse("auth", "reservations", "slices", "encryption", "seclabel")
    if remote:
        return remote
    if kind == "volume":
        source.one_of("mode", ("host",), "host")
        return {"pool": source.need("pool"), "volume": source.need("volume")}
    path = source.need("file" if kind == "file" else "dev")
    if not path.startswith("/") or "\n" in path:
        raise source.bad(f"the path is {path!r:.80}, expected an absolute one")
    return {"path": path}


def _driver(driver: Element | None) -> dict[str, Any]:
    if driver is None:
        return {}
    driver.one_of("name", ("qemu",), "qemu")
    cache = driver.one_of("cache", CACHES, "default")
    io = driver.one_of("io", ("threads", "native", "io_uring", "default"), "default")
    if io == "native" and cache not in {"none", "directsync"}:
        raise Unsupported(f"io='native' needs cache='none' or 'directsync' (line {driver.line})", subject=driver.path)
    return {
        "format": driver.one_of("type", ("raw", "qcow2"), "raw"),
        "cache": "writeback" if cache == "default" else cache,
        "io": "" if io == "default" else io,
        "on_write_error": driver.one_of("error_policy", ("stop", "report", "ignore", "enospace"), "stop"),
        "on_read_error": driver.one_of("rerror_policy", ("stop", "report", "ignore"), "stop"),
        "discard": driver.one_of("discard", ("unmap", "ignore"), "ignore"),
    }


def _key(disk: Element) -> Key | None:
    # Where libvirt writes it today is inside <source>; where it wrote it first is beside.
    source = disk.child("source")
    encryption = (source.child("encryption") if source is not None else None) or disk.child("encryption")
    if encryption is None:
        return None
    if encryption.get("format") != "luks":
        raise Unsupported(f"only encryption of format 'luks' is supported (line {encryption.line})", subject=encryption.path)
    encryption.one_of("engine", ("qemu",), "qemu")
    secret = encryption.need_child("secret")
    secret.one_of("type", ("passphrase",))
    uuid, usage = secret.get("uuid"), secret.get("usage")
    if bool(uuid) == bool(usage):
        raise secret.bad("either uuid or usage says which secret it is")
    return Key(uuid=uuid or "", usage=usage or "")


def _serial(disk: Element) -> str:
    serial = disk.child_text("serial")
    if serial and not SERIAL.match(serial):
        raise disk.bad(f"<serial> is {serial!r:.40}, expected at most 36 letters, digits or '_ .+-'")
    return serial


def boot_order(device: Element) -> int:
    """Read a device's <boot order='N'/>; 0 if it has none."""
    boot = device.child("boot")
    return 0 if boot is None else boot.whole(boot.need("order"), "order", 1, 99)


def _check_possible(disk: Element, made: Disk) -> None:
    if made.device == "cdrom" and made.bus == "virtio":
        raise Unsupported(f"a cdrom cannot be on a virtio bus (line {disk.line})", subject=disk.path)
    if made.kind == "network" and made.io:
        raise Unsupported(f"io='{made.io}' is for files and devices (line {disk.line})", subject=disk.path)
    if made.readonly and made.device == "disk" and made.bus in {"ide", "sata"}:
        raise Unsupported(f"QEMU has no read-only {made.bus} disks (line {disk.line})", subject=disk.path)
