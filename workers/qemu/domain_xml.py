"""Libvirt domain XML to a Domain: what we act on is read, what touches safety and is not read is refused."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import replace
from typing import Final

from tierhost.workers.qemu.device_xml import (
    check_controllers,
    graphics_from,
    interfaces_from,
    rng_from,
    serials_from,
    video_from,
)
from tierhost.workers.qemu.disk_xml import disk_from
from tierhost.workers.qemu.domain import Boot, Cpu, Disk, Domain, Interface
from tierhost.workers.runtime.definitions import Element, Unsupported, parse

NAME_CHARS_MAX: Final = 100
NAME: Final = re.compile(r"[^/\n\0]+\Z")
WORD: Final = re.compile(r"[\w.+-]{1,60}\Z", re.ASCII)
MACHINE: Final = re.compile(r"(pc|q35|pc-i440fx-[\d.]+|pc-q35-[\d.]+)\Z", re.ASCII)
EMULATOR: Final = re.compile(r"/[\w./+-]*/qemu-system-(x86_64|i386)\Z", re.ASCII)
MEMORY_KIB_MIN: Final = 1 << 10
MEMORY_KIB_MAX: Final = 1 << 34
VCPUS_MAX: Final = 255
BYTES_BY_UNIT: Final = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "k": 2**10,
    "KiB": 2**10,
    "M": 2**20,
    "MiB": 2**20,
    "G": 2**30,
    "GiB": 2**30,
    "T": 2**40,
    "TiB": 2**40,
}
UNSAFE: Final = ("launchSecurity", "keywrap")
UNSAFE_DEVICES: Final = ("hostdev", "lease", "filesystem", "shmem", "tpm", "nvram", "memory", "crypto", "iommu", "vsock")
"""What a guest may rely on for the safety of its data: refused rather than left out."""


def from_xml(text: str) -> tuple[Domain, list[str]]:
    """Read a definition; also return what in it nobody acts on. Raises BadDefinition or Unsupported."""
    root = parse(text, "domain")
    domain = _from_element(root)
    return domain, root.unread()


def _from_element(root: Element) -> Domain:
    uuid = _uuid(root)
    memory_kib = _memory(root.need_child("memory"))
    current = root.child("currentMemory")
    for tag in ("title", "description", "metadata"):
        found = root.child(tag)
        if found is not None:
            found.keep()
    domain = Domain(
        name=_name(root),
        uuid=uuid,
        xml="",
        memory_kib=memory_kib,
        current_kib=min(_memory(current), memory_kib) if current is not None else memory_kib,
        vcpus=_vcpus(root),
        type=_type(root),
        on_poweroff=_action(root, "on_poweroff", ("destroy", "restart", "preserve"), "destroy"),
        on_reboot=_action(root, "on_reboot", ("restart", "destroy", "preserve"), "restart"),
        on_crash=_action(root, "on_crash", ("destroy", "restart", "preserve"), "destroy"),
        features=frozenset(child.tag for child in _features(root)),
    )
    domain = _clock(root, _system(root, replace(domain, cpu=_cpu(root, domain))))
    _check_label(root)
    root.refuse(*UNSAFE)
    devices = root.child("devices")
    if devices is not None:
        domain = _devices(devices, domain, _boot_devices(root))
    root.set_child_text("uuid", uuid)
    return replace(domain, xml=_without_passwords(root))


def _type(root: Element) -> str:
    kind = root.get("type") or ""
    if kind not in {"qemu", "kvm"}:
        raise Unsupported(f"guests of type {kind!r:.20} are not run here, only 'qemu' and 'kvm'", subject=root.path)
    return kind


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


def _memory(memory: Element) -> int:
    unit = BYTES_BY_UNIT.get(memory.get("unit") or "KiB")
    if unit is None:
        raise memory.bad(f"unknown unit (known: {', '.join(BYTES_BY_UNIT)})")
    kib = memory.whole(memory.text, "memory", 1, MEMORY_KIB_MAX * 1024) * unit // 1024
    if not MEMORY_KIB_MIN <= kib <= MEMORY_KIB_MAX:
        raise memory.bad(f"memory is {kib} KiB, expected 1 MiB to {MEMORY_KIB_MAX >> 30} TiB")
    return kib


def _vcpus(root: Element) -> int:
    vcpu = root.child("vcpu")
    if vcpu is None:
        return 1
    vcpu.one_of("placement", ("static",), "static")
    return vcpu.whole(vcpu.text, "vcpu", 1, VCPUS_MAX)


def _cpu(root: Element, domain: Domain) -> Cpu:
    cpu = root.child("cpu")
    if cpu is None:
        return Cpu()
    mode = cpu.one_of("mode", ("custom", "host-model", "host-passthrough", "maximum"), "custom")
    if mode.startswith("host") and domain.type == "qemu":
        raise Unsupported(
            f"CPU mode {mode!r} is for type='kvm' (line {cpu.line})", subject=cpu.path, hint="mode='maximum' is all QEMU can do"
        )
    model = cpu.child_text("model") if mode == "custom" else "host" if mode.startswith("host") else "max"
    if model and not WORD.match(model):
        raise cpu.bad(f"<model> is {model!r:.40}, expected the name of a processor")
    features = []
    for feature in cpu.children("feature"):
        name = feature.need("name")
        if not WORD.match(name):
            raise feature.bad(f"name is {name!r:.40}, expected the name of a feature")
        features.append((name, feature.one_of("policy", ("require", "disable", "force"), "require") != "disable"))
    return _topology(cpu, domain, Cpu(model, tuple(features)))


def _topology(cpu: Element, domain: Domain, made: Cpu) -> Cpu:
    topology = cpu.child("topology")
    if topology is None:
        return made
    sockets, cores, threads = (
        topology.whole(topology.need(name), name, 1, VCPUS_MAX) for name in ("sockets", "cores", "threads")
    )
    topology.one_of("dies", ("1",), "1")
    if sockets * cores * threads != domain.vcpus:
        raise topology.bad(f"{sockets} sockets of {cores} cores of {threads} threads are not {domain.vcpus} virtual CPUs")
    return replace(made, sockets=sockets, cores=cores, threads=threads)


def _system(root: Element, domain: Domain) -> Domain:
    system = root.need_child("os")
    kind = system.need_child("type")
    if kind.text != "hvm":
        raise Unsupported(f"<type> is {kind.text!r:.40}, only hvm is supported (line {kind.line})", subject=system.path)
    arch = kind.one_of("arch", ("x86_64", "i686"), "x86_64")
    machine = kind.get("machine") or "pc"
    if not MACHINE.match(machine):
        raise Unsupported(f"machine {machine!r:.40} is not supported, only pc and q35 (line {kind.line})", subject=system.path)
    menu = system.child("bootmenu")
    boot = Boot(
        kernel=_path(system, "kernel"),
        initrd=_path(system, "initrd"),
        cmdline=system.child_text("cmdline"),
        menu=menu.flag("enable", default=False) if menu is not None else False,
    )
    if (boot.initrd or boot.cmdline) and not boot.kernel:
        raise system.bad("<initrd> and <cmdline> mean nothing without <kernel>")
    system.refuse("loader", "nvram", "acpi", "firmware", "init")
    return replace(domain, arch=arch, machine=machine, boot=boot)


def _path(parent: Element, tag: str) -> str:
    path = parent.child_text(tag)
    if path and (not path.startswith("/") or "\n" in path):
        raise parent.bad(f"<{tag}> is {path!r:.80}, expected an absolute path")
    return path


def _boot_devices(root: Element) -> list[str]:
    return [boot.one_of("dev", ("hd", "cdrom", "network")) for boot in root.need_child("os").children("boot")] or ["hd"]


def _features(root: Element) -> list[Element]:
    features = root.child("features")
    found = [features.child(name) for name in ("acpi", "apic", "pae")] if features is not None else []
    return [feature for feature in found if feature is not None]


def _clock(root: Element, domain: Domain) -> Domain:
    clock = root.child("clock")
    if clock is None:
        return domain
    offset = clock.get("offset") or "utc"
    if offset not in {"utc", "localtime"}:
        raise Unsupported(
            f"clock offset {offset!r:.20} is not supported, only utc and localtime (line {clock.line})", subject=clock.path
        )
    hpet, catch_up = True, False
    for timer in clock.children("timer"):
        if timer.get("name") == "hpet":
            hpet = timer.flag("present", default=True)
        elif timer.get("name") == "rtc":
            catch_up = timer.one_of("tickpolicy", ("delay", "catchup"), "delay") == "catchup"
    return replace(domain, clock=offset, hpet=hpet, catch_up=catch_up)


def _action(root: Element, tag: str, choices: tuple[str, ...], default: str) -> str:
    found = root.child(tag)
    if found is None:
        return default
    if found.text not in choices:
        raise found.bad(f"<{tag}> is {found.text!r:.40}, expected one of {', '.join(choices)}")
    return found.text


def _check_label(root: Element) -> None:
    for label in root.children("seclabel"):
        if label.get("type") != "none":
            raise Unsupported(f"security labels are not set here (line {label.line})", subject=label.path)


def _devices(devices: Element, domain: Domain, boot_devices: list[str]) -> Domain:
    emulator = devices.child_text("emulator")
    if emulator and not EMULATOR.match(emulator):
        raise devices.bad(f"<emulator> is {emulator!r:.80}, expected the absolute path of qemu-system-x86_64")
    disks = tuple(disk_from(element) for element in devices.children("disk"))
    _check_places(devices, domain, disks)
    check_controllers(devices)
    for builtin in devices.children("input"):
        if builtin.one_of("bus", ("ps2", "usb", "virtio"), "ps2") == "ps2":
            builtin.one_of("type", ("mouse", "keyboard"))
    graphics, balloon, panic = devices.child("graphics"), devices.child("memballoon"), devices.child("panic")
    if panic is not None:
        panic.one_of("model", ("isa",), "isa")
    disks, interfaces = in_boot_order(disks, interfaces_from(devices, domain.uuid), boot_devices)
    devices.refuse(*UNSAFE_DEVICES)
    return replace(
        domain,
        emulator=emulator,
        disks=disks,
        serials=serials_from(devices),
        interfaces=interfaces,
        graphics=graphics_from(graphics) if graphics is not None else None,
        video=video_from(devices),
        rng=rng_from(devices),
        balloon=balloon is None or balloon.one_of("model", ("virtio", "none")) == "virtio",
        panic=panic is not None,
    )


def _check_places(devices: Element, domain: Domain, disks: tuple[Disk, ...]) -> None:
    targets = [disk.target for disk in disks]
    places = [(disk.bus, disk.index) for disk in disks]
    if len(set(targets)) != len(targets) or len(set(places)) != len(places):
        raise devices.bad(f"two disks have the same target or place: {', '.join(sorted(targets))}")
    if "q35" in domain.machine and any(disk.bus == "ide" for disk in disks):
        raise Unsupported("a q35 machine has no IDE bus", subject=devices.path, hint="use bus='sata'")


def in_boot_order(
    disks: tuple[Disk, ...], interfaces: tuple[Interface, ...], boot_devices: list[str]
) -> tuple[tuple[Disk, ...], tuple[Interface, ...]]:
    """Give the first device of each kind in <os><boot> its order, unless devices have orders of their own."""
    if any(disk.boot_order for disk in disks) or any(card.boot_order for card in interfaces):
        return disks, interfaces
    kinds = {"hd": "disk", "cdrom": "cdrom"}
    for order, kind in enumerate(boot_devices, 1):
        if kind == "network":
            interfaces = (replace(interfaces[0], boot_order=order), *interfaces[1:]) if interfaces else ()
            continue
        first = next((disk.target for disk in disks if disk.device == kinds[kind]), "")
        disks = tuple(replace(disk, boot_order=order) if disk.target == first else disk for disk in disks)
    return disks, interfaces


def _without_passwords(root: Element) -> str:
    graphics = root.need_child("devices").child("graphics") if root.child("devices") is not None else None
    if graphics is not None:
        graphics.drop("passwd")
    return root.xml()
