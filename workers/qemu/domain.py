"""What a guest is made of: frozen values that the XML reader makes and the command line is built from."""

from __future__ import annotations

from dataclasses import dataclass, field

NAME_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class Key:
    """Which secret opens a disk: by uuid, or by its usage."""

    uuid: str = ""
    usage: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk. `source`: a path, or (pool, volume)."""

    target: str
    bus: str
    device: str = "disk"
    kind: str = "file"
    path: str = ""
    pool: str = ""
    volume: str = ""
    format: str = "raw"
    key: Key | None = None
    readonly: bool = False
    serial: str = ""
    boot_order: int = 0
    cache: str = ""
    io: str = ""
    on_error: str = "stop"
    discard: str = ""

    @property
    def alias(self) -> str:
        return f"disk-{self.target}"


@dataclass(frozen=True, slots=True)
class Chardev:
    """A serial port: "file" (path), "unix" (path), "pty" or "null"."""

    kind: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card: user-mode ("user"), or a tap device that exists ("ethernet")."""

    kind: str
    model: str
    mac: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Graphics:
    """VNC, on a UNIX socket or on a loopback port."""

    socket: str = ""
    port: int = -1
    password: str = ""


@dataclass(frozen=True, slots=True)
class Boot:
    """How the guest starts: from devices in this order, or from a kernel."""

    devices: tuple[str, ...] = ("hd",)
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    menu: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """One guest's definition."""

    name: str
    uuid: str
    xml: str
    memory_kib: int
    vcpus: int
    type: str = "qemu"
    machine: str = "pc"
    arch: str = "x86_64"
    emulator: str = ""
    cpu_model: str = ""
    boot: Boot = field(default_factory=Boot)
    features: frozenset[str] = frozenset()
    clock: str = "utc"
    on_poweroff: str = "destroy"
    on_reboot: str = "restart"
    on_crash: str = "destroy"
    disks: tuple[Disk, ...] = ()
    serials: tuple[Chardev, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    graphics: Graphics | None = None
    video: bool = False
    rng: str = ""
    balloon: bool = True

    def keys(self) -> dict[str, Key]:
        """Disk target -> the secret that opens it."""
        return {disk.target: disk.key for disk in self.disks if disk.key is not None}

    def disk(self, target: str) -> Disk | None:
        return next((disk for disk in self.disks if disk.target == target), None)
