"""libvirt's <volume> XML: parsed once into a frozen wish, and written with what the volume is now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.definitions import Element, Unsupported, parse
from tierhost.workers.storage.volume_names import is_volume_name
from tierhost.workers.storage.xml_values import Permissions, absolute_path, canonical_uuid_text, read_permissions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierhost.workers.storage.looking import FileLook, Look

CAPACITY_MAX: Final = 1 << 60
TELLING: Final = ("key", "physical", "source")
"""What libvirt writes into a volume's XML and does not read back: kept out of the report of what was not read."""

UNITS: Final[dict[str, int]] = {"B": 1, "bytes": 1, "byte": 1} | {
    spelling: base**power
    for power, letter in enumerate("KMGTPE", start=1)
    for spelling, base in ((letter, 1024), (f"{letter}iB", 1024), (f"{letter}B", 1000))
}
FORMATS: Final = ("raw", "qcow2", "luks")
HASHES: Final = ("sha1", "sha256", "sha512", "ripemd160")
COMPAT: Final = ("0.10", "1.1")
CLUSTER_BYTES: Final = (512, 2 << 20)


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a volume is to be encrypted, and the secret that opens it: by uuid or by usage."""

    secret_uuid: str = ""
    secret_usage: str = ""
    cipher: str = "aes-xts-plain64"
    key_bits: int = 512
    hash: str = "sha256"


@dataclass(frozen=True, slots=True)
class Backing:
    """The image below a copy-on-write volume. Its format is named, never guessed: guests write the first bytes."""

    path: str
    format: str


@dataclass(frozen=True, slots=True)
class VolumeDefinition:
    """A volume as somebody wants it made. `capacity` and `allocation` are bytes; None: as the source's, all of it."""

    name: str
    capacity: int | None
    allocation: int | None = None
    format: str = "raw"
    permissions: Permissions = field(default_factory=Permissions)
    encryption: Encryption | None = None
    backing: Backing | None = None
    qcow2_options: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """The elements nobody read, as text: kept, and shown again."""


def parse_volume(text: str) -> VolumeDefinition:
    """Parse a volume. Raises BadDefinition naming element and line, or Unsupported for what touches safety."""
    volume = parse(text, "volume")
    volume.one_of("type", ("file", "block", "network"), "file")
    for told in TELLING:
        found = volume.child(told)
        if found is not None:
            found.keep()
    name = checked_volume_name(volume, volume.need_child("name").text)
    capacity, allocation = (_bytes(volume.child(tag)) for tag in ("capacity", "allocation"))
    target = volume.child("target")
    image_format, encryption = ("raw", None) if target is None else _format(target)
    permissions = Permissions() if target is None else read_permissions(target.child("permissions"))
    options = () if target is None else _qcow2_options(target, image_format)
    backing = _backing(volume.child("backingStore"), image_format)
    volume.refuse("encryption")
    unread = tuple(volume.unread())
    return VolumeDefinition(
        name, capacity, allocation, image_format, permissions, encryption, backing, options, unread, _extras(volume.node)
    )


_TOP_LEVEL: Final = frozenset({"name", "capacity", "allocation", "target", "backingStore", *TELLING})


def _extras(volume: etree._Element) -> tuple[str, ...]:
    extras = [child for child in volume if child.tag not in _TOP_LEVEL]
    return tuple(str(etree.tostring(child, encoding="unicode", with_tail=False)) for child in extras)


def checked_volume_name(element: Element, name: str) -> str:
    """Check a volume's name."""
    if not is_volume_name(name):
        raise element.bad(
            f"the name {name[:80]!r} is empty, too long, begins with '.', or has '/' or unprintable characters in it"
        )
    return name


def _bytes(element: Element | None) -> int | None:
    if element is None or not element.text:
        return None
    unit = element.get("unit") or "bytes"
    if unit not in UNITS:
        raise element.bad(f"unit is {unit[:40]!r}, expected one of {', '.join(UNITS)}")
    return element.whole(
        str(element.whole(element.text, element.tag, 0, CAPACITY_MAX) * UNITS[unit]), f"<{element.tag}> in bytes", 0, CAPACITY_MAX
    )


def _format(target: Element) -> tuple[str, Encryption | None]:
    """Read <format> and <encryption>. Type luks is raw in LUKS, which libvirt writes as raw with <encryption>."""
    for told in ("path", "timestamps"):
        found = target.child(told)
        if found is not None:
            found.keep()
    kind = target.child("format")
    image_format = "raw" if kind is None else kind.one_of("type", FORMATS, "raw")
    element = target.child("encryption")
    encryption = None if element is None else _encryption(element)
    if image_format == "luks" and encryption is None:
        raise target.bad("format luks needs <encryption format='luks'><secret type='passphrase' uuid='...'/></encryption>")
    if image_format == "qcow2" and encryption is not None:
        raise Unsupported(
            "encryption inside of qcow2 is not supported", subject=target.path, hint="use format raw with <encryption>"
        )
    return ("raw" if image_format == "luks" else image_format), encryption


def _encryption(element: Element) -> Encryption:
    kind = element.get("format")
    if kind != "luks":
        raise Unsupported(
            f"encryption format {str(kind)[:40]!r} is not supported (line {element.line})",
            code=Code.CONFIG_UNSUPPORTED,
            subject=element.path,
        )
    secret = element.need_child("secret")
    secret.one_of("type", ("passphrase",))
    uuid, usage = secret.get("uuid"), secret.get("usage")
    if bool(uuid) == bool(usage):
        raise secret.bad("expected either attribute 'uuid' or attribute 'usage'")
    cipher = _cipher(element.child("cipher"), element.child("ivgen"))
    unread = element.unread()
    if unread:
        raise Unsupported(f"not supported here, and ignoring it would not be safe: {', '.join(unread)}", subject=element.path)
    return Encryption(canonical_uuid_text(secret, uuid) if uuid else "", usage or "", *cipher)


def _cipher(element: Element | None, ivgen: Element | None) -> tuple[str, int, str]:
    initial = "plain64" if ivgen is None else ivgen.one_of("name", ("plain", "plain64"), "plain64")
    if element is None:
        return f"aes-xts-{initial}", 512, "sha256"
    name = element.one_of("name", ("aes",))
    mode = element.one_of("mode", ("xts", "cbc"), "xts")
    bits = element.whole(element.need("size"), "size", 128, 256)
    if bits not in {128, 192, 256}:
        raise element.bad(f"size is {bits}, expected 128, 192 or 256")
    # XTS takes two keys; libvirt and QEMU count one of them.
    return f"{name}-{mode}-{initial}", bits * 2 if mode == "xts" else bits, element.one_of("hash", HASHES, "sha256")


def _qcow2_options(target: Element, image_format: str) -> tuple[str, ...]:
    if image_format != "qcow2":
        return ()
    options = []
    compat = target.child("compat")
    if compat is not None:
        if compat.text not in COMPAT:
            raise compat.bad(f"compat is {compat.text[:40]!r}, expected one of {', '.join(COMPAT)}")
        options.append(f"compat={compat.text}")
    cluster = target.child("clusterSize")
    size = _bytes(cluster)
    if cluster is not None and size is not None:
        options.append(f"cluster_size={cluster.whole(str(size), 'clusterSize in bytes', *CLUSTER_BYTES)}")
    features = target.child("features")
    if features is not None and features.child("lazy_refcounts") is not None:
        options.append("lazy_refcounts=on")
    return tuple(options)


def _backing(element: Element | None, image_format: str) -> Backing | None:
    if element is None or element.child("path") is None:
        return None
    if image_format != "qcow2":
        raise element.bad("only a qcow2 volume can have a <backingStore>")
    path = absolute_path(element.need_child("path"))
    kind = element.child("format")
    if kind is None:
        raise element.bad("<format> is missing: the format of a backing image is named, never guessed")
    return Backing(path, kind.one_of("type", ("raw", "qcow2")))


def describe_volume(look: Look) -> str:
    """Write a volume's XML in libvirt's order, and at the end what was in its definition and nobody read."""
    volume = etree.Element("volume", type=look.kind)
    _put(volume, "name", look.name)
    _put(volume, "key", look.path)
    for tag, value in (("capacity", look.header.capacity), ("allocation", look.allocation), ("physical", look.size)):
        _put(volume, tag, str(value), unit="bytes")
    target = etree.SubElement(volume, "target")
    _put(target, "path", look.path)
    etree.SubElement(target, "format", type=look.header.format)
    if look.file is not None:
        _put_file(target, look.file)
    if look.header.luks:
        _put_encryption(target, look.encryption or {})
    if look.header.backing_path:
        backing = etree.SubElement(volume, "backingStore")
        _put(backing, "path", look.backing_path)
        etree.SubElement(backing, "format", type=look.header.backing_format or "raw")
    _append(volume, look.extras)
    etree.indent(volume)
    return str(etree.tostring(volume, encoding="unicode", pretty_print=True))


def _put(parent: etree._Element, tag: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, tag, attributes).text = text


def _put_file(target: etree._Element, file: FileLook) -> None:
    permissions = etree.SubElement(target, "permissions")
    for tag, text in (("mode", f"0{file.mode:o}"), ("owner", str(file.owner)), ("group", str(file.group))):
        _put(permissions, tag, text)
    times = etree.SubElement(target, "timestamps")
    for tag, instant_ns in (("atime", file.accessed_ns), ("mtime", file.modified_ns), ("ctime", file.changed_ns)):
        _put(times, tag, f"{instant_ns // 10**9}.{instant_ns % 10**9:09}")


def _put_encryption(target: etree._Element, encryption: Mapping[str, str]) -> None:
    element = etree.SubElement(target, "encryption", format="luks")
    for attribute in ("uuid", "usage"):
        value = encryption.get(f"secret_{attribute}")
        if value:
            etree.SubElement(element, "secret", {"type": "passphrase", attribute: value})


def _append(volume: etree._Element, extras: Sequence[str]) -> None:
    for extra in extras:
        volume.append(etree.fromstring(extra))
