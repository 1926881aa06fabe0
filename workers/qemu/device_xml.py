"""Disks, serial ports, network cards and displays out of libvirt XML."""

from __future__ import annotations

import random
import re

from tierhost.workers.qemu.domain import Chardev, Disk, Graphics, Interface, Key
from tierhost.workers.runtime.definitions import Element

BUSES = ("virtio", "ide", "sata", "scsi")
TARGET = re.compile(r"(?:vd|hd|sd|xvd)[a-z]{1,2}\Z")
BUS_BY_PREFIX = {"vd": "virtio", "hd": "ide", "sd": "scsi"}
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
ERRORS = ("stop", "report", "ignore", "enospace")


def disk_from(disk: Element) -> Disk:
    """Read a <disk>."""
    kind = disk.one_of("type", ("file", "block", "volume"))
    device = disk.one_of("device", ("disk", "cdrom"), "disk")
    target = disk.need_child("target")
    name = target.need("dev")
    if not TARGET.match(name):
        raise target.bad(f"dev is {name!r:.20}, expected something like vda")
    bus = target.one_of("bus", BUSES, BUS_BY_PREFIX.get(name[:2], "ide"))
    for ignored in ("alias", "address"):
        found = disk.child(ignored)
        if found is not None:
            found.keep()
    driver = disk.child("driver")
    boot = disk.child("boot")
    made = Disk(
        target=name,
        bus=bus,
        device=device,
        kind=kind,
        **_source(disk, kind, optional=device == "cdrom"),
        **_driver(driver),
        key=_key(disk),
        readonly=disk.child("readonly") is not None or device == "cdrom",
        serial=_serial(disk),
        boot_order=boot.whole(boot.need("order"), "order", 1, 99) if boot is not None else 0,
    )
    disk.refuse("auth", "shareable", "transient", "iotune", "mirror", "backingStore", "throttlefilters")
    return made


def _source(disk: Element, kind: str, *, optional: bool) -> dict[str, str]:
    source = disk.child("source") if optional else disk.need_child("source")
    if source is None:
        return {}
    source.refuse("auth", "reservations", "slices", "encryption", "seclabel")
    if kind == "volume":
        return {"pool": source.need("pool"), "volume": source.need("volume")}
    path = source.need("file" if kind == "file" else "dev")
    if not path.startswith("/") or "\n" in path:
        raise source.bad(f"the path is {path!r:.80}, expected an absolute one")
    return {"path": path}


def _driver(driver: Element | None) -> dict[str, str]:
    if driver is None:
        return {}
    driver.one_of("name", ("qemu",), "qemu")
    return {
        "format": driver.one_of("type", ("raw", "qcow2"), "raw"),
        "cache": driver.one_of("cache", ("none", "writeback", "writethrough", "directsync", "unsafe", "default"), "default"),
        "io": driver.one_of("io", ("native", "threads", "io_uring", "default"), "default"),
        "on_error": driver.one_of("error_policy", ERRORS, "stop"),
        "discard": driver.one_of("discard", ("unmap", "ignore"), "ignore"),
    }


def _key(disk: Element) -> Key | None:
    encryption = disk.child("encryption")
    if encryption is None:
        return None
    encryption.one_of("format", ("luks",))
    secret = encryption.need_child("secret")
    secret.one_of("type", ("passphrase",))
    uuid, usage = secret.get("uuid"), secret.get("usage")
    if not uuid and not usage:
        raise secret.bad("neither uuid nor usage says which secret")
    return Key(uuid=uuid or "", usage=usage or "")


def _serial(disk: Element) -> str:
    serial = disk.child_text("serial")
    if serial and not re.fullmatch(r"[\w .+-]{1,36}", serial):
        raise disk.bad(f"<serial> is {serial!r:.40}, expected letters, digits, '_ .+-'")
    return serial


def serials_from(devices: Element) -> tuple[Chardev, ...]:
    """Read <serial> and <console>: a console that only doubles the first serial port makes no port of its own."""
    found = [_chardev(element) for element in devices.children("serial")]
    for console in devices.children("console"):
        target = console.child("target")
        if target is not None:
            target.keep()
        made = _chardev(console)
        if not found:
            found.append(made)
    return tuple(found)


def _chardev(element: Element) -> Chardev:
    kind = element.one_of("type", ("file", "unix", "pty", "null"))
    target = element.child("target")
    if target is not None:
        target.keep()
    if kind not in {"file", "unix"}:
        source = element.child("source")
        if source is not None:
            source.keep()
        return Chardev(kind)
    source = element.need_child("source")
    if kind == "unix":
        source.one_of("mode", ("bind",), "bind")
    path = source.need("path")
    if not path.startswith("/"):
        raise source.bad(f"path is {path!r:.80}, expected an absolute one")
    return Chardev(kind, path)


def interface_from(interface: Element) -> Interface:
    """Read an <interface>; a MAC address is made up where none is given (in libvirt's range)."""
    kind = interface.one_of("type", ("user", "ethernet"))
    mac = interface.child("mac")
    address = mac.need("address").lower() if mac is not None else _random_mac()
    if not MAC.match(address):
        raise interface.bad(f"{address!r:.30} is no MAC address")
    model = interface.child("model")
    name = model.one_of("type", ("virtio", "e1000", "rtl8139"), "virtio") if model is not None else "virtio"
    device = ""
    if kind == "ethernet":
        target = interface.need_child("target")
        target.flag("managed", default=True)
        device = target.need("dev")
        if not re.fullmatch(r"[\w.-]{1,15}", device):
            raise target.bad(f"dev is {device!r:.30}, expected a device name")
    for ignored in ("alias", "address", "source"):
        found = interface.child(ignored)
        if found is not None:
            found.keep()
    interface.refuse("filterref", "vlan", "bandwidth", "virtualport")
    return Interface(kind, name, address, device)


def _random_mac() -> str:
    return "52:54:00:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))  # noqa: S311  # an address, no secret


def graphics_from(graphics: Element) -> Graphics:
    """Read <graphics type='vnc'>."""
    graphics.one_of("type", ("vnc",))
    password = graphics.get("passwd") or ""
    if len(password) > 8:
        raise graphics.bad("passwd has more than 8 characters, and VNC knows no more")
    for name in ("autoport", "listen", "keymap", "sharePolicy"):
        graphics.get(name)
    listen = graphics.child("listen")
    if listen is not None:
        kind = listen.one_of("type", ("address", "socket", "none"))
        address = listen.get("address") or "127.0.0.1"
        if kind == "address" and address not in {"127.0.0.1", "::1", "localhost"} and not password:
            raise listen.bad(f"VNC on {address} without a password")
        socket = listen.get("socket") or ""
        return Graphics(socket=socket, port=_port(graphics), password=password)
    return Graphics(port=_port(graphics), password=password, socket=graphics.get("socket") or "")


def _port(graphics: Element) -> int:
    return graphics.whole(graphics.get("port") or "-1", "port", -1, 65535)
