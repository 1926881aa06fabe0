"""The bytes of rtnetlink: requests, attributes, and what the kernel's dumps say, as plain values. Pure."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADER: Final = struct.Struct("=LHHLL")
"""nlmsghdr: length, type, flags, sequence, port."""
ATTRIBUTE: Final = struct.Struct("=HH")
LINK: Final = struct.Struct("=BxHiII")
"""ifinfomsg: family, type, index, flags, change."""
ADDRESS: Final = struct.Struct("=BBBBI")
"""ifaddrmsg: family, prefix length, flags, scope, index."""
ROUTE: Final = struct.Struct("=BBBBBBBBI")
"""rtmsg: family, lengths, tos, table, protocol, scope, type, flags."""

NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, ROOT_MATCH, REPLACE, EXCL, CREATE = 1, 4, 0x300, 0x100, 0x200, 0x400
DUMP_INTERRUPTED: Final = 0x10
CAPPED, TLVS = 0x100, 0x200
"""Flags of an answer: the request is not repeated in it; words of the kernel follow."""
NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26

TYPE_MASK: Final = 0x3FFF
NESTED: Final = 0x8000
IFF_UP: Final = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO = 1, 3, 4, 5, 10, 16, 18
INFO_KIND, INFO_DATA = 1, 2
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST = 254, 4, 0, 1
LINK_LOCAL_SCOPE: Final = 253
IFA_F_NODAD: Final = 2

OPTIONS: Final[dict[str, dict[str, tuple[int, str]]]] = {
    # kind -> option -> attribute and its form
    "bridge": {"forward_delay": (1, "=I"), "stp": (5, "=I")},
    "vlan": {"tag": (1, "=H")},
    "bond": {
        "mode": (1, "=B"),
        "miimon": (3, "=I"),
        "updelay": (4, "=I"),
        "downdelay": (5, "=I"),
        "use_carrier": (6, "=B"),
        "arp_interval": (7, "=I"),
        "arp_validate": (9, "=I"),
    },
}
ARP_TARGETS: Final = 8
"""IFLA_BOND_ARP_IP_TARGET: a list of addresses."""

OPERSTATES: Final = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")


def attribute(kind: int, payload: bytes) -> bytes:
    """Write one attribute, padded."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def number(kind: int, value: int) -> bytes:
    """Write an attribute that is a 32-bit number."""
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    """Write an attribute that is a text."""
    return attribute(kind, value.encode() + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Read attributes: kind to payload, the last of each kind. What is cut short ends the list."""
    found: dict[int, bytes] = {}
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size or at + length > len(data):
            break
        found[kind & TYPE_MASK] = data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Take a datagram apart: type, flags, sequence and body of each message."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            return
        yield kind, flags, sequence, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def words_of(flags: int, body: bytes) -> str:
    """What the kernel says in its own words about an error, if it does."""
    if not flags & TLVS:
        return ""
    echoed = HEADER.size if flags & CAPPED else (HEADER.unpack_from(body, 4)[0] + 3) & ~3
    return attributes(body[4 + echoed :]).get(1, b"").rstrip(b"\0").decode(errors="replace")


def new_link(index: int, name: str, kind: str, options: Mapping[str, Any], parent: int = 0) -> bytes:
    """Ask for a new link, under an index of our choice: by it we know our own link again."""
    data = b""
    for option, value in options.items():
        if option == "arp_targets":
            each = (attribute(at, socket.inet_aton(address)) for at, address in enumerate(value))
            data += attribute(ARP_TARGETS | NESTED, b"".join(each))
        else:
            attribute_kind, form = OPTIONS[kind][option]
            data += attribute(attribute_kind, struct.pack(form, value))
    detail = text(INFO_KIND, kind) + (attribute(INFO_DATA | NESTED, data) if data else b"")
    body = LINK.pack(0, 0, index, 0, 0) + text(IFLA_IFNAME, name)
    if parent:
        body += number(IFLA_LINK, parent)
    return body + attribute(IFLA_LINKINFO | NESTED, detail)


def change_link(index: int, *, up: bool | None = None, extra: bytes = b"") -> bytes:
    """Ask for a change of a link: up or down, or what the attributes say."""
    mask = 0 if up is None else IFF_UP
    return LINK.pack(0, 0, index, IFF_UP if up else 0, mask) + extra


def address(index: int, written: str) -> bytes:
    """Name an address ("10.0.0.1/24") of a link. IPv6 ones are ours without a search for duplicates: they work at once."""
    host, _, prefix = written.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    flags = IFA_F_NODAD if family == socket.AF_INET6 else 0
    body = ADDRESS.pack(family, int(prefix), flags, 0, index)
    return body + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)


def default_route(index: int, gateway: str) -> bytes:
    """Name the default route over a gateway that a link leads to."""
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    body = ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
    return body + attribute(RTA_GATEWAY, socket.inet_pton(family, gateway)) + number(RTA_OIF, index)


def read_link(body: bytes) -> dict[str, Any]:
    """Read one link of a dump."""
    _, _, index, flags, _ = LINK.unpack_from(body)
    found = attributes(body[LINK.size :])
    detail = attributes(found.get(IFLA_LINKINFO, b""))
    kind = _text(detail.get(INFO_KIND, b""))
    options = attributes(detail.get(INFO_DATA, b""))
    known = OPTIONS.get(kind, {})
    state = found.get(IFLA_OPERSTATE, b"\0")[0]
    return {
        "index": index,
        "name": _text(found.get(IFLA_IFNAME, b"")),
        "kind": kind,
        "mac": ":".join(f"{byte:02x}" for byte in found.get(IFLA_ADDRESS, b"")),
        "mtu": _number(found.get(IFLA_MTU)),
        "up": bool(flags & IFF_UP),
        "state": OPERSTATES[state] if state < len(OPERSTATES) else "unknown",
        "master": _number(found.get(IFLA_MASTER)),
        "parent": _number(found.get(IFLA_LINK)),
        "options": {
            name: struct.unpack(form, options[at])[0]
            for name, (at, form) in known.items()
            if len(options.get(at, b"")) == struct.calcsize(form)
        },
    }


def read_address(body: bytes) -> tuple[int, str] | None:
    """Read one address of a dump: the link's index, and how it is written. None for what the kernel gave by itself."""
    family, prefix, _, scope, index = ADDRESS.unpack_from(body)
    found = attributes(body[ADDRESS.size :])
    packed = found.get(IFA_LOCAL, found.get(IFA_ADDRESS, b""))
    if family not in {socket.AF_INET, socket.AF_INET6} or (family == socket.AF_INET6 and scope == LINK_LOCAL_SCOPE):
        return None
    return index, f"{socket.inet_ntop(family, packed)}/{prefix}"


def read_route(body: bytes) -> tuple[int, str] | None:
    """Read one route of a dump: link and gateway of a default route in the main table, None for any other."""
    family, length, _, _, table, *_ = ROUTE.unpack_from(body)
    found = attributes(body[ROUTE.size :])
    gateway = found.get(RTA_GATEWAY)
    if length or table != RT_TABLE_MAIN or gateway is None or RTA_DST in found:
        return None
    return _number(found.get(RTA_OIF)), socket.inet_ntop(family, gateway)


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", sys.byteorder)
