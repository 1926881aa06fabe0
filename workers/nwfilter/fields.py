"""Every protocol element of a filter rule, its attributes, and where in a frame each is found. A table; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.nwfilter import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.nwfilter.values import Kind

Expression = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: the kind of its value, what it is compared with, and the attributes of its mask and of its range's end."""

    kind: Kind
    left: Expression
    mask: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One element. `gate` is what makes a frame one of it. `ip`: judged with the IP rules, after those for frames."""

    gate: tuple[Expression, ...]
    fields: Mapping[str, Field]
    ip: bool = False
    extra: frozenset[str] = field(default=frozenset())
    """Attributes that are no field of a frame."""


def equal(left: Any, right: Any, *, negated: bool = False) -> Expression:
    """One comparison, as nft's JSON writes it."""
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}


def payload(protocol: str, name: str) -> Expression:
    """A field by its name."""
    return {"payload": {"protocol": protocol, "field": name}}


def raw(offset: int, bits: int) -> Expression:
    """Bits after the Ethernet header."""
    return {"payload": {"base": "nh", "offset": offset, "len": bits}}


L4PROTO: Final[Expression] = {"meta": {"key": "l4proto"}}


def ether_type(name: str) -> Expression:
    """The comparison that lets through frames of one Ethernet type; a frame with a VLAN tag is of type vlan only."""
    return equal(payload("ether", "type"), values.ETHER_TYPES[name])


_FRAME: Final = {
    "srcmacaddr": Field(values.MAC, payload("ether", "saddr"), mask="srcmacmask"),
    "dstmacaddr": Field(values.MAC, payload("ether", "daddr"), mask="dstmacmask"),
}
_PORTS: Final = {
    "srcportstart": Field(values.SHORT, payload("th", "sport"), until="srcportend"),
    "dstportstart": Field(values.SHORT, payload("th", "dport"), until="dstportend"),
}
_ARP: Final = {
    **_FRAME,
    "hwtype": Field(values.SHORT, raw(0, 16)),
    "protocoltype": Field(values.ETHER_TYPE, raw(16, 16)),
    "opcode": Field(values.OPCODE, raw(48, 16)),
    "arpsrcmacaddr": Field(values.MAC_RAW, raw(64, 48)),
    "arpsrcipaddr": Field(values.IP4_RAW, raw(112, 32), mask="arpsrcipmask"),
    "arpdstmacaddr": Field(values.MAC_RAW, raw(144, 48)),
    "arpdstipaddr": Field(values.IP4_RAW, raw(192, 32), mask="arpdstipmask"),
}
"""By place, not by name: what is called arp here serves RARP as well."""

_STP: Final = {
    "srcmacaddr": _FRAME["srcmacaddr"],
    "type": Field(values.BYTE, raw(48, 8)),
    "flags": Field(values.BYTE, raw(56, 8)),
    "root-priority": Field(values.SHORT, raw(64, 16), until="root-priority-hi"),
    "root-address": Field(values.MAC_RAW, raw(80, 48), mask="root-address-mask"),
    "root-cost": Field(values.WORD, raw(128, 32), until="root-cost-hi"),
    "sender-priority": Field(values.SHORT, raw(160, 16), until="sender-priority-hi"),
    "sender-address": Field(values.MAC_RAW, raw(176, 48), mask="sender-address-mask"),
    "port": Field(values.SHORT, raw(224, 16), until="port-hi"),
    "age": Field(values.SHORT, raw(240, 16), until="age-hi"),
    "max-age": Field(values.SHORT, raw(256, 16), until="max-age-hi"),
    "hello-time": Field(values.SHORT, raw(272, 16), until="hello-time-hi"),
    "forward-delay": Field(values.SHORT, raw(288, 16), until="forward-delay-hi"),
}
"""A bridge's frame: three bytes of LLC, then the fields in their order."""

BRIDGE_GROUP: Final = "01:80:c2:00:00:00"


def _addresses(header: str, kind: Kind) -> dict[str, Field]:
    return {
        "srcipaddr": Field(kind, payload(header, "saddr"), mask="srcipmask"),
        "dstipaddr": Field(kind, payload(header, "daddr"), mask="dstipmask"),
    }


def _ranges(header: str, kind: Kind) -> dict[str, Field]:
    return {
        "srcipfrom": Field(kind, payload(header, "saddr"), until="srcipto"),
        "dstipfrom": Field(kind, payload(header, "daddr"), until="dstipto"),
    }


_VERSIONS: Final = {"ip": ("ipv4", values.IP4), "ip6": ("ipv6", values.IP6)}
_STATES: Final = frozenset({"state", "connlimit-above"})


def _ip_rule(header: str, protocol: str, more: Mapping[str, Field] | None = None) -> Protocol:
    name, kind = _VERSIONS[header]
    gate = [ether_type(name)]
    if protocol:
        gate.append(equal(L4PROTO, values.IP_PROTOCOLS[protocol]))
    fields = {
        "srcmacaddr": _FRAME["srcmacaddr"],
        **_addresses(header, kind),
        **_ranges(header, kind),
        "dscp": Field(values.DSCP, payload(header, "dscp")),
        **(more or {}),
    }
    return Protocol(tuple(gate), fields, ip=True, extra=_STATES)


def _messages(protocol: str) -> dict[str, Field]:
    return {
        "type": Field(values.BYTE, payload(protocol, "type"), until="typeend"),
        "code": Field(values.BYTE, payload(protocol, "code"), until="codeend"),
    }


_TCP_FLAGS: Final = {"flags": Field(values.BOOLEAN_FLAGS, payload("tcp", "flags"))}

PROTOCOLS: Final[dict[str, Protocol]] = {
    "": Protocol((), {}),
    "mac": Protocol((), {**_FRAME, "protocolid": Field(values.ETHER_TYPE, payload("ether", "type"))}),
    "vlan": Protocol(
        (ether_type("vlan"),),
        {
            **_FRAME,
            "vlanid": Field(values.VLAN_ID, payload("vlan", "id")),
            "encap-protocol": Field(values.ETHER_TYPE, payload("vlan", "type")),
        },
    ),
    "stp": Protocol((equal(payload("ether", "daddr"), BRIDGE_GROUP),), _STP),
    "arp": Protocol((ether_type("arp"),), _ARP),
    "rarp": Protocol((ether_type("rarp"),), _ARP),
    "ip": Protocol(
        (ether_type("ipv4"),),
        {
            **_FRAME,
            **_addresses("ip", values.IP4),
            "protocol": Field(values.IP_PROTOCOL, payload("ip", "protocol")),
            **_PORTS,
            "dscp": Field(values.DSCP, payload("ip", "dscp")),
        },
    ),
    "ipv6": Protocol(
        (ether_type("ipv6"),),
        {
            **_FRAME,
            **_addresses("ip6", values.IP6),
            "protocol": Field(values.IP_PROTOCOL, L4PROTO),
            **_PORTS,
            **_messages("icmpv6"),
        },
    ),
    "icmp": _ip_rule("ip", "icmp", _messages("icmp")),
    "icmpv6": _ip_rule("ip6", "icmpv6", _messages("icmpv6")),
    "igmp": _ip_rule("ip", "igmp"),
    "all": _ip_rule("ip", ""),
    "all-ipv6": _ip_rule("ip6", ""),
    **{
        f"{name}{suffix}": _ip_rule(header, name, more)
        for header, suffix in (("ip", ""), ("ip6", "-ipv6"))
        for name, more in (
            ("tcp", {**_PORTS, **_TCP_FLAGS}),
            ("udp", _PORTS),
            ("sctp", _PORTS),
            ("udplite", {}),
            ("esp", {}),
            ("ah", {}),
        )
    },
}
"""libvirt's elements; a rule without one is for every frame."""

CHAINS: Final[dict[str, tuple[int, tuple[Expression, ...]]]] = {
    "root": (0, ()),
    "stp": (-810, PROTOCOLS["stp"].gate),
    "mac": (-800, ()),
    "vlan": (-750, PROTOCOLS["vlan"].gate),
    "ipv4": (-700, PROTOCOLS["ip"].gate),
    "ipv6": (-600, PROTOCOLS["ipv6"].gate),
    "arp": (-500, PROTOCOLS["arp"].gate),
    "rarp": (-400, PROTOCOLS["rarp"].gate),
}
"""libvirt's chains: the priority of each, and which frames go there. A name may go on after a dash: arp-mac."""

LATER: Final = frozenset({"ipset", "ipsetflags", "gratuitous", "option"})
"""Attributes of libvirt that would narrow a rule, and that are refused because nothing here does."""
