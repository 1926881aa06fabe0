"""A Domain and what was resolved for it become QEMU's arguments. Pure: paths and keys come in, text goes out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tierhost.workers.qemu.domain import Disk, Domain

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
MASTER_KEY = "masterKey0"
CACHES = {
    "none": {"direct": True, "no-flush": False},
    "directsync": {"direct": True, "no-flush": False},
    "writeback": {"direct": False, "no-flush": False},
    "writethrough": {"direct": False, "no-flush": False},
    "unsafe": {"direct": False, "no-flush": True},
}


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A secret, encrypted with the guest's master key: what may stand in an argument."""

    data: bytes
    iv: bytes


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the command line needs and the XML does not say. `paths`, `formats`, `wrapped`: by disk target."""

    emulator: str
    monitor_fd: int
    master_key_fd: int
    paths: dict[str, str]
    formats: dict[str, str]
    wrapped: dict[str, Wrapped] = field(default_factory=dict)
    vnc_socket: str = ""
    vnc_password: Wrapped | None = None
    incoming_fd: int | None = None


def arguments(domain: Domain, resolved: Resolved) -> list[str]:
    """Build the whole command. The guest starts paused: whoever starts it says `cont` once it is on record."""
    args = [resolved.emulator, "-name", f"guest={domain.name.replace(',', ',,')}", "-uuid", domain.uuid, "-S"]
    args += ["-nodefaults", "-no-user-config", "-display", "none", "-no-shutdown", "-sandbox", SANDBOX]
    args += ["-machine", f"{domain.machine},accel={'kvm' if domain.type == 'kvm' else 'tcg'},usb=off"]
    args += ["-cpu", domain.cpu_model] if domain.cpu_model else []
    args += ["-m", f"size={domain.memory_kib}k", "-smp", str(domain.vcpus)]
    args += ["-chardev", f"socket,id=monitor,fd={resolved.monitor_fd},server=on,wait=off", "-mon", "chardev=monitor,mode=control"]
    args += ["-rtc", f"base={domain.clock}"]
    args += ["-no-acpi"] if "acpi" not in domain.features and domain.features else []
    args += ["-no-reboot"] if domain.on_reboot == "destroy" else []
    args += _boot(domain)
    if resolved.wrapped or resolved.vnc_password:
        args += ["-object", f"secret,id={MASTER_KEY},format=raw,file=/dev/fd/{resolved.master_key_fd}"]
    args += _controllers(domain)
    for disk in domain.disks:
        if disk.target in resolved.paths:
            args += disk_arguments(domain, disk, resolved)
        elif disk.device == "cdrom":
            args += ["-device", json.dumps(_device(domain, disk, ""))]
    args += _serials(domain) + _interfaces(domain) + _graphics(domain, resolved)
    if domain.rng:
        args += ["-object", f"rng-random,id=rng0,filename={domain.rng}", "-device", "virtio-rng-pci,rng=rng0"]
    args += ["-device", "virtio-balloon-pci,id=balloon0"] if domain.balloon else []
    args += ["-incoming", f"fd:{resolved.incoming_fd}"] if resolved.incoming_fd is not None else []
    return args


def _boot(domain: Domain) -> list[str]:
    boot = domain.boot
    if boot.kernel:
        args = ["-kernel", boot.kernel]
        args += ["-initrd", boot.initrd] if boot.initrd else []
        return [*args, "-append", boot.cmdline] if boot.cmdline else args
    letters = {"hd": "c", "cdrom": "d", "network": "n", "fd": "a"}
    order = "".join(letters[device] for device in boot.devices)
    return ["-boot", f"order={order},menu={'on' if boot.menu else 'off'}"]


def _controllers(domain: Domain) -> list[str]:
    buses = {disk.bus for disk in domain.disks}
    args = ["-device", "virtio-scsi-pci,id=scsi0"] if "scsi" in buses else []
    return [*args, "-device", "ahci,id=sata0"] if "sata" in buses else args


def disk_arguments(domain: Domain, disk: Disk, resolved: Resolved) -> list[str]:
    """The arguments of one disk: its secret, its block node, its device."""
    args = []
    if disk.target in resolved.wrapped:
        args += ["-object", json.dumps(secret_object(disk, resolved.wrapped[disk.target]))]
    args += ["-blockdev", json.dumps(block_node(disk, resolved.paths[disk.target], resolved.formats[disk.target]))]
    return [*args, "-device", json.dumps(_device(domain, disk, disk.alias))]


def secret_object(disk: Disk, wrapped: Wrapped) -> dict[str, Any]:
    """The QOM object that holds a disk's passphrase, encrypted with the master key (libvirt's scheme)."""
    return secret(f"{disk.alias}-key", wrapped)


def secret(name: str, wrapped: Wrapped) -> dict[str, Any]:
    """A QOM secret object."""
    return {
        "qom-type": "secret",
        "id": name,
        "keyid": MASTER_KEY,
        "iv": base64.b64encode(wrapped.iv).decode(),
        "format": "base64",
        "data": base64.b64encode(wrapped.data).decode(),
    }


def block_node(disk: Disk, path: str, image_format: str) -> dict[str, Any]:
    """The block graph of one disk: file, below a format, below LUKS if it is encrypted."""
    cache = CACHES.get(disk.cache, CACHES["writeback"])
    file: dict[str, Any] = {
        "driver": "host_device" if disk.kind == "block" else "file",
        "filename": path,
        "node-name": f"{disk.alias}-file",
        "cache": cache,
        "read-only": disk.readonly,
        "discard": disk.discard or "ignore",
    }
    if disk.io in {"native", "threads", "io_uring"}:
        file["aio"] = disk.io
    node: dict[str, Any] = {"node-name": disk.alias, "read-only": disk.readonly, "file": file}
    if disk.key is None:
        return {"driver": image_format, **node}
    if image_format == "qcow2":
        return {"driver": "qcow2", **node, "encrypt": {"format": "luks", "key-secret": f"{disk.alias}-key"}}
    return {"driver": "luks", **node, "key-secret": f"{disk.alias}-key"}


def device(domain: Domain, disk: Disk) -> dict[str, Any]:
    """The device a guest sees the disk as, for hot-plug."""
    return _device(domain, disk, disk.alias)


def _device(domain: Domain, disk: Disk, node: str) -> dict[str, Any]:
    policy = {"stop": "stop", "report": "report", "ignore": "ignore", "enospace": "enospc"}[disk.on_error]
    kind = "cd" if disk.device == "cdrom" else "hd"
    driver = {"virtio": "virtio-blk-pci", "scsi": f"scsi-{kind}", "ide": f"ide-{kind}", "sata": f"ide-{kind}"}[disk.bus]
    made: dict[str, Any] = {"driver": driver, "id": f"dev-{disk.target}"}
    if node:
        # Reads fail like writes: the guest stops, and goes on when its storage is back.
        made |= {"drive": node, "werror": policy, "rerror": "stop" if policy == "enospc" else policy}
    if disk.bus == "scsi":
        made["bus"] = "scsi0.0"
    elif disk.bus == "sata":
        made["bus"] = f"sata0.{[one.target for one in domain.disks if one.bus == 'sata'].index(disk.target)}"
    elif disk.bus == "ide":
        number = [one.target for one in domain.disks if one.bus == "ide"].index(disk.target)
        made |= {"bus": f"ide.{number // 2}", "unit": number % 2} if "q35" not in domain.machine else {"bus": f"ide.{number}"}
    if disk.serial:
        made["serial"] = disk.serial
    if disk.boot_order:
        made["bootindex"] = disk.boot_order
    return made


def _serials(domain: Domain) -> list[str]:
    args: list[str] = []
    for number, port in enumerate(domain.serials):
        options = {
            "file": f"file,id=serial{number},path={port.path},append=on",
            "unix": f"socket,id=serial{number},path={port.path},server=on,wait=off",
            "pty": f"pty,id=serial{number}",
            "null": f"null,id=serial{number}",
        }[port.kind]
        args += ["-chardev", options, "-device", f"isa-serial,chardev=serial{number},id=port{number}"]
    return args


def _interfaces(domain: Domain) -> list[str]:
    args: list[str] = []
    for number, card in enumerate(domain.interfaces):
        # A guest on a user-mode network reaches nobody but its own emulated gateway.
        backend = f"user,id=net{number},restrict=on" if card.kind == "user" else f"tap,id=net{number},ifname={card.device},script=no,downscript=no"
        model = {"virtio": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139"}[card.model]
        args += ["-netdev", backend, "-device", f"{model},netdev=net{number},mac={card.mac},id=card{number},romfile="]
    return args


def _graphics(domain: Domain, resolved: Resolved) -> list[str]:
    args = ["-device", "VGA,id=video0"] if domain.video else []
    graphics = domain.graphics
    if graphics is None:
        return args
    where = f"unix:{graphics.socket or resolved.vnc_socket}" if graphics.port < 0 or graphics.socket else f"127.0.0.1:{graphics.port - 5900}"
    if resolved.vnc_password is None:
        return [*args, "-vnc", where]
    return [*args, "-object", json.dumps(secret("vnc-password", resolved.vnc_password)), "-vnc", f"{where},password-secret=vnc-password"]
