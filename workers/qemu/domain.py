"""What a guest is made of: frozen values that the XML readers make and the command line is built from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """Which secret opens a disk: by uuid, or by its usage (a secret for a volume)."""

    uuid: str = ""
    usage: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """As whom a server is asked ("ceph" or "chap"), and which secret proves it."""

    type: str
    username: str
    secret: Key


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """A server: name and port, or a UNIX socket."""

    name: str = ""
    port: int = 0
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """An image on servers: a `protocol`, the image's `name` there, and how to log in."""

    protocol: str
    name: str
    hosts: tuple[RemoteHost, ...]
    login: Login | None = None
    initiator: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk. It comes from a `path` (kind file or block), is a `volume` of a `pool`, or `remote`; a cdrom may be empty."""

    target: str
    bus: str
    index: int
    device: str = "disk"
    kind: str = "file"
    path: str = ""
    pool: str = ""
    volume: str = ""
    remote: Remote | None = None
    format: str = "raw"
    key: Key | None = None
    readonly: bool = False
    serial: str = ""
    boot_order: int = 0
    cache: str = "writeback"
    io: str = ""
    on_write_error: str = "stop"
    on_read_error: str = "stop"
    discard: str = "ignore"

    @property
    def node(self) -> str:
        """The name of its block node in QEMU (at most 31 characters there)."""
        return f"disk-{self.target}"

    @property
    def device_id(self) -> str:
        """The name of its device in QEMU."""
        return f"dev-{self.target}"

    @property
    def key_id(self) -> str:
        """The name of its key in QEMU."""
        return f"key-{self.target}"

    @property
    def login_id(self) -> str:
        """The name in QEMU of the key with which its server is asked."""
        return f"login-{self.target}"

    @property
    def has_medium(self) -> bool:
        """Whether anything is in it."""
        return bool(self.path or self.volume or self.remote)


@dataclass(frozen=True, slots=True)
class Chardev:
    """A serial port that ends in a "file" (path), a "unix" socket (path), a "pty" or nothing ("null")."""

    kind: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card: on a user-mode network ("user"), a tap device that exists ("ethernet"), or a named network ("network")."""

    kind: str
    model: str
    mac: str
    device: str = ""
    boot_order: int = 0
    network: str = ""
    filter: str = ""
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What its filter is told of it: each name with its values."""


@dataclass(frozen=True, slots=True)
class Graphics:
    """VNC on a UNIX socket (`socket`, or one of ours), or on a TCP port (-1: the first that is free)."""

    kind: str = "address"
    address: str = "127.0.0.1"
    port: int = -1
    socket: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Boot:
    """How the guest starts: from a kernel, or from disks and cards with a boot order."""

    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    menu: bool = False


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor as the guest sees it. No model: QEMU's default."""

    model: str = ""
    features: tuple[tuple[str, bool], ...] = ()
    sockets: int = 0
    cores: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Domain:
    """One guest's definition. `xml` is what it was read from, without passwords; they are in the values alone."""

    name: str
    uuid: str
    xml: str
    memory_kib: int
    vcpus: int = 1
    current_kib: int = 0
    type: str = "qemu"
    machine: str = "pc"
    arch: str = "x86_64"
    emulator: str = ""
    cpu: Cpu = field(default_factory=Cpu)
    boot: Boot = field(default_factory=Boot)
    features: frozenset[str] = frozenset()
    clock: str = "utc"
    hpet: bool = True
    catch_up: bool = False
    on_poweroff: str = "destroy"
    on_reboot: str = "restart"
    on_crash: str = "destroy"
    disks: tuple[Disk, ...] = ()
    serials: tuple[Chardev, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    graphics: Graphics | None = None
    video: str = ""
    rng: str = ""
    balloon: bool = True
    panic: bool = False

    def disk(self, target: str) -> Disk | None:
        """The disk of this target, if there is one."""
        return next((disk for disk in self.disks if disk.target == target), None)

    @property
    def volumes(self) -> list[list[str]]:
        """What it uses of the storage driver: [pool, volume] each."""
        return [[disk.pool, disk.volume] for disk in self.disks if disk.kind == "volume" and disk.volume]

    @property
    def subject(self) -> str:
        """How errors, events and `tierhost status` name it."""
        return f"guest {self.name}"
