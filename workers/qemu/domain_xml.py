"""Libvirt domain XML to a Domain: what we act on is read, what touches safety and is not read is refused."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import replace

from tierhost.workers.qemu.device_xml import disk_from, graphics_from, interface_from, serials_from
from tierhost.workers.qemu.domain import NAME_CHARS_MAX, Boot, Domain
from tierhost.workers.runtime.definitions import Element, Unsupported, parse

UNITS = {"b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 10**6, "M": 1024**2, "MiB": 1024**2, "GB": 10**9, "G": 1024**3, "GiB": 1024**3}
MEMORY_KIB_MAX = 1 << 34
VCPUS_MAX = 255
FEATURES = ("acpi", "apic", "pae")
UNSAFE = ("launchSecurity", "seclabel", "sysinfo", "memoryBacking", "cputune")
UNSAFE_DEVICES = ("hostdev", "lease", "filesystem", "redirdev", "smartcard", "shmem", "tpm", "nvram", "vsock", "crypto", "iommu")
NAME = re.compile(r"[^/\n\0]+\Z")


def from_xml(text: str) -> tuple[Domain, list[str]]:
    """Read a definition; also return what in it nobody acts on. Raises BadDefinition or Unsupported."""
    root = parse(text, "domain")
    return from_element(root), root.unread()


def from_element(root: Element) -> Domain:
    """Read a <domain> element."""
    kind = root.one_of("type", ("qemu", "kvm"))
    name, uuid = _name(root), _uuid(root)
    memory_kib = _memory(root)
    current = root.child("currentMemory")
    if current is not None:
        current.keep()
    for tag in ("title", "description", "metadata", "genid"):
        found = root.child(tag)
        if found is not None:
            found.keep()
    domain = Domain(name=name, uuid=uuid, xml="", memory_kib=memory_kib, vcpus=_vcpus(root), type=kind, cpu_model=_cpu(root))
    domain = _os(root, domain)
    domain = replace(
        domain,
        features=_features(root),
        clock=_clock(root),
        on_poweroff=_action(root, "on_poweroff", ("destroy", "restart", "preserve"), "destroy"),
        on_reboot=_action(root, "on_reboot", ("restart", "destroy", "preserve"), "restart"),
        on_crash=_action(root, "on_crash", ("destroy", "restart", "preserve"), "destroy"),
    )
    root.refuse(*UNSAFE)
    devices = root.child("devices")
    if devices is not None:
        domain = _devices(devices, domain)
    root.set_child_text("uuid", uuid)
    return replace(domain, xml=root.xml())


def _name(root: Element) -> str:
    name = root.need_child("name").text
    if not name or len(name) > NAME_CHARS_MAX or not NAME.match(name) or name.startswith("."):
        raise root.bad(f"<name> is {name!r:.40}, expected 1 to {NAME_CHARS_MAX} characters without '/', not starting with '.'")
    return name


def _uuid(root: Element) -> str:
    given = root.child_text("uuid")
    try:
        return str(uuids.UUID(given)) if given else str(uuids.uuid4())
    except ValueError:
        raise root.bad(f"<uuid> is {given!r:.60}, expected a UUID") from None


def _memory(root: Element) -> int:
    memory = root.need_child("memory")
    unit = UNITS.get(memory.get("unit") or "KiB")
    if unit is None:
        raise memory.bad(f"unknown unit (known: {', '.join(UNITS)})")
    number = memory.whole(memory.text, "memory", 1, MEMORY_KIB_MAX * 1024)
    return max(1024, number * unit // 1024)


def _vcpus(root: Element) -> int:
    vcpu = root.child("vcpu")
    if vcpu is None:
        return 1
    vcpu.get("placement")
    return vcpu.whole(vcpu.text, "vcpu", 1, VCPUS_MAX)


def _cpu(root: Element) -> str:
    cpu = root.child("cpu")
    if cpu is None:
        return ""
    mode = cpu.one_of("mode", ("custom", "host-model", "host-passthrough", "maximum"), "custom")
    if mode != "custom":
        # Under TCG the host's own model is not to be had; "max" is all that TCG can do.
        return "max"
    return cpu.child_text("model")


def _os(root: Element, domain: Domain) -> Domain:
    system = root.need_child("os")
    kind = system.need_child("type")
    if kind.text != "hvm":
        raise kind.bad(f"<type> is {kind.text!r:.40}, expected hvm")
    arch = kind.one_of("arch", ("x86_64", "i686"), "x86_64")
    machine = kind.get("machine") or "pc"
    if not re.fullmatch(r"[a-z0-9.-]{1,40}", machine):
        raise kind.bad(f"machine {machine!r:.40} is not a machine type")
    devices = tuple(boot.one_of("dev", ("hd", "cdrom", "network", "fd")) for boot in system.children("boot"))
    menu = system.child("bootmenu")
    boot = Boot(
        devices=devices or ("hd",),
        kernel=_path(system, "kernel"),
        initrd=_path(system, "initrd"),
        cmdline=system.child_text("cmdline"),
        menu=menu.flag("enable", default=False) if menu is not None else False,
    )
    system.refuse("loader", "nvram", "acpi", "firmware")
    return replace(domain, arch=arch, machine=machine, boot=boot)


def _path(parent: Element, tag: str) -> str:
    path = parent.child_text(tag)
    if path and (not path.startswith("/") or "\n" in path):
        raise parent.bad(f"<{tag}> is {path!r:.80}, expected an absolute path")
    return path


def _features(root: Element) -> frozenset[str]:
    features = root.child("features")
    return frozenset(name for name in FEATURES if features.child(name) is not None) if features is not None else frozenset()


def _clock(root: Element) -> str:
    clock = root.child("clock")
    if clock is None:
        return "utc"
    for timer in clock.children("timer"):
        timer.keep()
    return clock.one_of("offset", ("utc", "localtime"), "utc")


def _action(root: Element, tag: str, choices: tuple[str, ...], default: str) -> str:
    found = root.child(tag)
    if found is None:
        return default
    if found.text not in choices:
        raise found.bad(f"<{tag}> is {found.text!r:.40}, expected one of {', '.join(choices)}")
    return found.text


def _devices(devices: Element, domain: Domain) -> Domain:
    emulator = devices.child_text("emulator")
    if emulator and not re.fullmatch(r"/[\w./+-]*qemu-system-[a-z0-9_]+", emulator):
        raise devices.bad(f"<emulator> is {emulator!r:.80}, expected the absolute path of a qemu-system program")
    disks = tuple(disk_from(element) for element in devices.children("disk"))
    targets = [disk.target for disk in disks]
    if len(set(targets)) != len(targets):
        raise devices.bad(f"two disks have the same target: {', '.join(sorted(targets))}")
    for controller in devices.children("controller"):
        _controller(controller)
    for ignored in devices.children("input"):
        ignored.keep()
    graphics = devices.child("graphics")
    videos = [video for video in devices.children("video") if _video(video)]
    rng = devices.child("rng")
    balloon = devices.child("memballoon")
    domain = replace(
        domain,
        emulator=emulator,
        disks=disks,
        serials=serials_from(devices),
        interfaces=tuple(interface_from(element) for element in devices.children("interface")),
        graphics=graphics_from(graphics) if graphics is not None else None,
        video=bool(videos) or graphics is not None,
        rng=_rng(rng) if rng is not None else "",
        balloon=balloon is None or balloon.one_of("model", ("virtio", "none")) == "virtio",
    )
    devices.refuse(*UNSAFE_DEVICES)
    return domain


def _controller(controller: Element) -> None:
    kind = controller.need("type")
    if kind not in {"pci", "usb", "ide", "sata", "scsi", "virtio-serial"}:
        raise Unsupported(f"controller type {kind!r:.40} is not supported (line {controller.line})", subject=controller.path)
    controller.keep()


def _video(video: Element) -> bool:
    model = video.child("model")
    if model is None:
        return True
    kind = model.one_of("type", ("vga", "cirrus", "virtio", "bochs", "none"), "vga")
    for name in ("vram", "heads", "primary", "ram", "vgamem"):
        model.get(name)
    return kind != "none"


def _rng(rng: Element) -> str:
    rng.one_of("model", ("virtio",))
    backend = rng.need_child("backend")
    backend.one_of("model", ("random",))
    path = backend.text or "/dev/urandom"
    if path not in {"/dev/urandom", "/dev/random"}:
        raise backend.bad(f"<backend> is {path!r:.40}, expected /dev/urandom or /dev/random")
    return path
