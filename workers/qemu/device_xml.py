"""Serial ports, network cards, displays and small devices out of libvirt XML."""

from __future__ import annotations

import re
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.disk_xml import boot_order
from tierhost.workers.qemu.domain import Chardev, Graphics, Interface
from tierhost.workers.runtime.definitions import Unsupported

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element

MAC: Final = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
DEVICE_NAME: Final = re.compile(r"[\w.-]{1,15}\Z", re.ASCII)
INTERFACES_MAX: Final = 8
PARAMETERS_MAX: Final = 256
Parameters = tuple[tuple[str, tuple[str, ...]], ...]
VNC_PASSWORD_CHARS_MAX: Final = 8
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
VIDEO: Final = {"vga": "VGA", "cirrus": "cirrus-vga", "virtio": "virtio-vga", "bochs": "bochs-display", "none": ""}
CONTROLLERS: Final = {
    "scsi": {"", "auto", "virtio-scsi"},
    "sata": {"", "ahci"},
    "ide": {"", "piix3", "piix4"},
    "pci": {"", "pci-root", "pcie-root"},
    "usb": {"", "none"},
}
"""Controllers we make, or that the machine has: type -> models."""


def serials_from(devices: Element) -> tuple[Chardev, ...]:
    """Read <serial> and <console>: a console that only doubles the first serial port makes no port of its own."""
    found = [_chardev(element) for element in devices.children("serial")]
    for console in devices.children("console"):
        made = _chardev(console)
        if not found:
            found.append(made)
    return tuple(found)


def _chardev(element: Element) -> Chardev:
    kind = element.one_of("type", ("file", "unix", "pty", "null"))
    target = element.child("target")
    if target is not None:
        target.get("port")
        target.one_of("type", ("isa-serial", "serial"), "isa-serial")
    if kind in {"pty", "null"}:
        return Chardev(kind)
    source = element.need_child("source")
    if kind == "unix":
        source.one_of("mode", ("bind",), "bind")
    path = source.need("path")
    if not path.startswith("/") or "\n" in path:
        raise source.bad(f"path is {path!r:.80}, expected an absolute one")
    return Chardev(kind, path)


def interfaces_from(devices: Element, uuid: str) -> tuple[Interface, ...]:
    """Read every <interface>. A card without an address has one that follows from the guest's uuid."""
    found = tuple(_interface(element, uuid, number) for number, element in enumerate(devices.children("interface")))
    if len(found) > INTERFACES_MAX:
        raise devices.bad(f"{len(found)} interfaces, at most {INTERFACES_MAX} fit")
    return found


def _interface(interface: Element, uuid: str, number: int) -> Interface:
    kind = interface.get("type") or ""
    if kind not in {"user", "ethernet", "network"}:
        raise Unsupported(f"interfaces of type {kind!r:.20} are not supported (line {interface.line})", subject=interface.path)
    mac = interface.child("mac")
    address = mac.need("address").lower() if mac is not None else _address(uuid, number)
    if not MAC.match(address):
        raise interface.bad(f"{address!r:.30} is no MAC address")
    model = interface.child("model")
    name = model.one_of("type", ("virtio", "e1000", "rtl8139"), "virtio") if model is not None else "virtio"
    device = network = ""
    bound: tuple[str, Parameters] = ("", ())
    if kind == "network":
        network, bound = _network(interface), _filter(interface.child("filterref"))
    if kind == "ethernet":
        target = interface.need_child("target")
        if target.flag("managed", default=True):
            hint = "make the tap device first, and write managed='no'"
            raise Unsupported(f"tap devices are not made here (line {target.line})", subject=target.path, hint=hint)
        device = target.need("dev")
        if not DEVICE_NAME.match(device):
            raise target.bad(f"dev is {device!r:.30}, expected the name of a network device")
    interface.refuse("filterref", "vlan", "bandwidth", "virtualport", "port")
    return Interface(kind, name, address, device, boot_order(interface), network, *bound)


def _filter(filterref: Element | None) -> tuple[str, Parameters]:
    """Read which filter a card's traffic passes through, and what it is told."""
    if filterref is None:
        return "", ()
    values: dict[str, tuple[str, ...]] = {}
    for parameter in filterref.children("parameter"):
        name = parameter.need("name")
        values[name] = (*values.get(name, ()), parameter.need("value"))
    if sum(map(len, values.values())) > PARAMETERS_MAX:
        raise filterref.bad(f"more than {PARAMETERS_MAX} parameters")
    return filterref.need("filter"), tuple(values.items())


def _network(interface: Element) -> str:
    """Read the name of the network a card is plugged into. What its device is called is decided when the guest starts."""
    source = interface.need_child("source")
    network = source.need("network")
    if source.get("portgroup") is not None:
        raise Unsupported(f"port groups are not supported (line {source.line})", subject=source.path)
    source.get("bridge")
    source.get("portid")
    target = interface.child("target")
    if target is not None:
        target.get("dev")
    return network


def _address(uuid: str, number: int) -> str:
    digest = blake2b(f"{uuid} {number}".encode(), digest_size=3).hexdigest()
    return f"52:54:00:{digest[:2]}:{digest[2:4]}:{digest[4:]}"


def graphics_from(graphics: Element) -> Graphics:
    """Read <graphics type='vnc'>, on loopback unless a password protects it."""
    kind = graphics.get("type") or ""
    if kind != "vnc":
        raise Unsupported(f"graphics of type {kind!r:.20} are not supported (line {graphics.line})", subject=graphics.path)
    password = graphics.get("passwd") or ""
    if len(password) > VNC_PASSWORD_CHARS_MAX:
        raise graphics.bad(f"passwd has more than {VNC_PASSWORD_CHARS_MAX} characters, and VNC looks at no more")
    if graphics.get("passwdValidTo") is not None:
        raise Unsupported(f"a password that expires is not supported (line {graphics.line})", subject=graphics.path)
    port = graphics.whole(graphics.get("port") or "-1", "port", -1, 65535)
    if graphics.flag("autoport", default=port == -1):
        port = -1
    elif port < VNC_PORT:
        raise graphics.bad(f"port is {port}, VNC ports begin at {VNC_PORT}")
    listen = graphics.child("listen")
    kind = "socket" if graphics.get("socket") else "address"
    socket, address = graphics.get("socket") or "", graphics.get("listen") or "127.0.0.1"
    if listen is not None:
        kind = listen.one_of("type", ("address", "socket"))
        socket, address = listen.get("socket") or socket, listen.get("address") or address
    if kind == "address" and address not in LOOPBACK and not password:
        raise Unsupported(f"VNC on {address!r:.60} without a password (line {graphics.line})", subject=graphics.path)
    if socket and not socket.startswith("/"):
        raise graphics.bad(f"socket is {socket!r:.80}, expected an absolute path")
    return Graphics(kind, address, port, socket, password)


VNC_PORT: Final = 5900


def video_from(devices: Element) -> str:
    """Read <video>: the QEMU device, or nothing."""
    video = devices.child("video")
    model = video.child("model") if video is not None else None
    if video is None:
        return "VGA" if devices.child("graphics") is not None else ""
    return VIDEO[model.one_of("type", tuple(VIDEO), "vga") if model is not None else "vga"]


def rng_from(devices: Element) -> str:
    """Read <rng>: the host's file that randomness comes from, or nothing."""
    rng = devices.child("rng")
    if rng is None:
        return ""
    rng.one_of("model", ("virtio",))
    backend = rng.need_child("backend")
    if backend.get("model") != "random":
        raise Unsupported(f"only <backend model='random'> is supported (line {backend.line})", subject=backend.path)
    path = backend.text or "/dev/urandom"
    if path not in {"/dev/urandom", "/dev/random"}:
        raise backend.bad(f"<backend> is {path!r:.40}, expected /dev/urandom or /dev/random")
    return path


def check_controllers(devices: Element) -> None:
    """Refuse controllers that would not be what the XML says."""
    for controller in devices.children("controller"):
        kind, model = controller.need("type"), controller.get("model") or ""
        if model not in CONTROLLERS.get(kind, set()):
            what = f"a {kind!r:.20} controller of model {model!r:.20}" if model else f"a {kind!r:.20} controller"
            raise Unsupported(f"{what} is not supported (line {controller.line})", subject=controller.path)
        if (controller.get("index") or "0") != "0":
            raise Unsupported(f"only one {kind} controller is supported (line {controller.line})", subject=controller.path)
