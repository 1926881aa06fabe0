"""A Domain and what was fetched for it become QEMU's arguments. Pure: paths, keys and descriptors come in, text goes out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.blocks import MASTER_KEY, SATA_SLOT, SCSI_SLOT, Place, Wrapped, block_nodes, device, pci, secret

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Chardev, Cpu, Domain, Graphics

SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
VIDEO_SLOT: Final = 2
RNG_SLOT: Final = 3
BALLOON_SLOT: Final = 4
CARD_SLOT: Final = 16
VNC_PORT: Final = 5900
VNC_DISPLAY_MAX: Final = 99
CARDS: Final = {"virtio": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the command needs and the definition does not say. `places`, `keys` and `logins`: by disk target."""

    emulator: str
    pidfile: str
    monitor_fd: int
    master_key_fd: int
    vnc_socket: str = ""
    places: dict[str, Place] = field(default_factory=dict)
    keys: dict[str, Wrapped] = field(default_factory=dict)
    logins: dict[str, Wrapped] = field(default_factory=dict)
    vnc_password: Wrapped | None = None
    incoming: bool = False
    tap_fds: dict[int, int] = field(default_factory=dict)
    """By the card's number: the descriptors of taps that were opened for it."""


def arguments(domain: Domain, resolved: Resolved) -> list[str]:
    """Build the whole command. The guest is paused at first: it runs once it is on record.

    `-uuid` and `-pidfile` name the process as this guest's, for whoever looks for it later (see `identity`).
    """
    args = [resolved.emulator, "-name", f"guest={escaped(domain.name)},debug-threads=on"]
    args += ["-uuid", domain.uuid, "-pidfile", resolved.pidfile, "-S", "-no-shutdown"]
    args += ["-nodefaults", "-no-user-config", "-display", "none", "-sandbox", SANDBOX]
    args += _machine(domain) + _processors(domain) + _boot(domain)
    args += ["-chardev", f"socket,id=monitor,fd={resolved.monitor_fd},server=on,wait=off", "-mon", "chardev=monitor,mode=control"]
    if resolved.keys or resolved.logins or resolved.vnc_password:
        args += ["-object", f"secret,id={MASTER_KEY},format=raw,file=/dev/fd/{resolved.master_key_fd}"]
    args += _disks(domain, resolved) + _serials(domain.serials) + _cards(domain, resolved) + _display(domain, resolved)
    if domain.rng:
        rng = {"qom-type": "rng-random", "id": "rng0", "filename": domain.rng}
        args += [
            "-object",
            json.dumps(rng),
            *_device(driver="virtio-rng-pci", id="rng0-device", rng="rng0", **pci(domain, RNG_SLOT)),
        ]
    args += _device(driver="virtio-balloon-pci", id="balloon0", **pci(domain, BALLOON_SLOT)) if domain.balloon else []
    args += _device(driver="pvpanic", id="panic0") if domain.panic else []
    return [*args, "-incoming", "defer"] if resolved.incoming else args


def identity(args: list[str]) -> tuple[str, str] | None:
    """The uuid and the pidfile in a process's arguments, if it was started by `arguments`."""
    try:
        name, pidfile = args.index("-uuid"), args.index("-pidfile")
        return args[name + 1], args[pidfile + 1]
    except (ValueError, IndexError):
        return None


def given_name(args: list[str]) -> str:
    """The guest's name in a process's arguments."""
    named = args[args.index("-name") + 1] if "-name" in args[:-1] else ""
    return named.removeprefix("guest=").removesuffix(",debug-threads=on").replace(",,", ",")


def escaped(text: str) -> str:
    """Text as a value in one of QEMU's option lists, where a comma ends a value."""
    return text.replace(",", ",,")


def _device(**properties: Any) -> list[str]:
    return ["-device", json.dumps(properties)]


def _machine(domain: Domain) -> list[str]:
    options = [domain.machine, f"accel={'kvm' if domain.type == 'kvm' else 'tcg'}", "usb=off", "dump-guest-core=off"]
    options += [] if "acpi" in domain.features else ["acpi=off"]
    options += [] if domain.hpet else ["hpet=off"]
    clock = f"base={domain.clock}" + (",driftfix=slew" if domain.catch_up else "")
    return ["-machine", ",".join(options), "-m", f"size={domain.memory_kib}k", "-rtc", clock]


def _processors(domain: Domain) -> list[str]:
    cpu = domain.cpu
    model = cpu.model or ("qemu32" if domain.arch == "i686" else "qemu64")
    args = ["-cpu", ",".join([model, *(f"{name}={'on' if on else 'off'}" for name, on in cpu.features)])]
    return [*args, "-smp", _topology(domain.vcpus, cpu)]


def _topology(vcpus: int, cpu: Cpu) -> str:
    return f"{vcpus},sockets={cpu.sockets},cores={cpu.cores},threads={cpu.threads}" if cpu.sockets else f"{vcpus}"


def _boot(domain: Domain) -> list[str]:
    boot = domain.boot
    args = ["-no-reboot"] if domain.on_reboot != "restart" else []
    if boot.kernel:
        args += ["-kernel", boot.kernel]
        args += ["-initrd", boot.initrd] if boot.initrd else []
        return [*args, "-append", boot.cmdline] if boot.cmdline else args
    return [*args, "-boot", f"menu={'on' if boot.menu else 'off'},strict=on"]


def _disks(domain: Domain, resolved: Resolved) -> list[str]:
    buses = {disk.bus for disk in domain.disks}
    args = _device(driver="virtio-scsi-pci", id="scsi0", **pci(domain, SCSI_SLOT)) if "scsi" in buses else []
    if "sata" in buses and "q35" not in domain.machine:
        args += _device(driver="ahci", id="sata0", **pci(domain, SATA_SLOT))
    for disk in domain.disks:
        if disk.target in resolved.keys:
            args += ["-object", json.dumps(secret(disk.key_id, resolved.keys[disk.target]))]
        if disk.target in resolved.logins:
            args += ["-object", json.dumps(secret(disk.login_id, resolved.logins[disk.target]))]
        if disk.target in resolved.places:
            args += ["-blockdev", json.dumps(block_nodes(disk, resolved.places[disk.target]))]
        args += _device(**device(domain, disk))
    return args


def _serials(serials: tuple[Chardev, ...]) -> list[str]:
    args: list[str] = []
    for number, port in enumerate(serials):
        name = f"serial{number}"
        backend = {
            "file": f"file,id={name},path={escaped(port.path)},append=on",
            "unix": f"socket,id={name},path={escaped(port.path)},server=on,wait=off",
            "pty": f"pty,id={name}",
            "null": f"null,id={name}",
        }[port.kind]
        args += ["-chardev", backend, *_device(driver="isa-serial", id=f"{name}-port", chardev=name, index=number)]
    return args


def _cards(domain: Domain, resolved: Resolved) -> list[str]:
    args: list[str] = []
    for number, card in enumerate(domain.interfaces):
        net = f"net{number}"
        # From a user-mode network a guest reaches nobody but its own emulated gateway.
        backend = {
            "user": f"user,id={net},restrict=on",
            "ethernet": f"tap,id={net},ifname={escaped(card.device)},script=no,downscript=no",
            "network": f"tap,id={net},fd={resolved.tap_fds.get(number, -1)}",
        }[card.kind]
        args += ["-netdev", backend]
        made: dict[str, Any] = {"driver": CARDS[card.model], "id": f"card{number}", "netdev": net, "mac": card.mac}
        made |= {"bootindex": card.boot_order} if card.boot_order else {"romfile": ""}
        args += _device(**made, **pci(domain, CARD_SLOT + number))
    return args


def _display(domain: Domain, resolved: Resolved) -> list[str]:
    args = _device(driver=domain.video, id="video0", **pci(domain, VIDEO_SLOT)) if domain.video else []
    graphics = domain.graphics
    if graphics is None:
        return args
    where = _vnc(graphics, resolved)
    if resolved.vnc_password is None:
        return [*args, "-vnc", where]
    return [
        *args,
        "-object",
        json.dumps(secret("vnc-password", resolved.vnc_password)),
        "-vnc",
        f"{where},password-secret=vnc-password",
    ]


def _vnc(graphics: Graphics, resolved: Resolved) -> str:
    if graphics.kind == "socket":
        return f"unix:{escaped(graphics.socket or resolved.vnc_socket)}"
    address = f"[{graphics.address}]" if ":" in graphics.address else escaped(graphics.address)
    return f"{address}:0,to={VNC_DISPLAY_MAX}" if graphics.port < 0 else f"{address}:{graphics.port - VNC_PORT}"
