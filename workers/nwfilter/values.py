"""How the values in a filter rule are read: addresses, numbers, names. Pure; each reads text or raises ValueError."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = int | str
MAC_BYTES: Final = 6
HEX_DIGITS_MAX: Final = 2

ETHER_TYPES: Final = {"arp": 0x0806, "rarp": 0x8035, "ipv4": 0x0800, "ipv6": 0x86DD, "vlan": 0x8100}
IP_PROTOCOLS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132, "udplite": 136,
}  # fmt: skip
ARP_OPCODES: Final = {
    "Request": 1, "Reply": 2, "Request_Reverse": 3, "Reply_Reverse": 4, "DRARP_Request": 5, "DRARP_Reply": 6,
    "DRARP_Error": 7, "InARP_Request": 8, "ARP_NAK": 9,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: how it is read, and what a mask makes of it (a pair of what is compared, and with what)."""

    read: Callable[[str], Value]
    masked: Callable[[Any, Value, str], tuple[Any, Any]] | None = None


def number(bits: int, names: Mapping[str, int] | None = None) -> Kind:
    """A whole number of so many bits, decimal or 0x..., or one of a few names."""
    known = {name.lower(): value for name, value in (names or {}).items()}
    most = (1 << bits) - 1

    def read(text: str) -> int:
        found = known.get(text.lower())
        if found is not None:
            return found
        try:
            value = int(text, 16 if text.lower().startswith("0x") else 10)
        except ValueError:
            value = -1
        if not (text.isascii() and 0 <= value <= most):
            named = f", or {', '.join(names)}" if names else ""
            raise ValueError(f"expected a number up to {most}{named}")
        return value

    return Kind(read)


def mac_number(text: str) -> int:
    """A MAC address as a number."""
    parts = text.split(":")
    if len(parts) != MAC_BYTES or not all(part and len(part) <= HEX_DIGITS_MAX for part in parts):
        raise ValueError("expected a MAC address")
    try:
        return int.from_bytes(bytes(int(part, 16) for part in parts), "big")
    except ValueError:
        raise ValueError("expected a MAC address") from None


def mac_text(number_: int) -> str:
    """A MAC address as it is written."""
    return number_.to_bytes(MAC_BYTES, "big").hex(":")


def _read_mac(text: str) -> str:
    return mac_text(mac_number(text))


def _masked_mac(left: Any, value: Value, mask: str) -> tuple[Any, Any]:
    bits = mac_number(mask)
    return {"&": [left, mac_text(bits)]}, mac_text(mac_number(str(value)) & bits)


def _masked_mac_number(left: Any, value: Value, mask: str) -> tuple[Any, Any]:
    bits = mac_number(mask)
    return {"&": [left, bits]}, int(value) & bits


def _read_ip4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("expected an IPv4 address") from None


def _read_ip6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ValueError("expected an IPv6 address") from None
    if address.scope_id is not None:
        raise ValueError("expected an IPv6 address without a zone")
    return str(address)


def _network4(value: str, mask: str) -> IPv4Network:
    try:
        return IPv4Network((value, int(mask) if mask.isdecimal() else mask), strict=False)
    except ValueError:
        raise ValueError("expected a mask of leading ones, or their number up to 32") from None


def _masked_ip4(left: Any, value: Value, mask: str) -> tuple[Any, Any]:
    network = _network4(str(value), mask)
    return left, {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _masked_ip4_number(left: Any, value: Value, mask: str) -> tuple[Any, Any]:
    network = _network4(str(IPv4Address(int(value))), mask)
    return {"&": [left, int(network.netmask)]}, int(network.network_address)


def _masked_ip6(left: Any, value: Value, mask: str) -> tuple[Any, Any]:
    bits = mask if mask.isdecimal() else _bits6(mask)
    try:
        network = IPv6Network((str(value), int(bits)), strict=False)
    except ValueError:
        raise ValueError("expected a mask of leading ones, or their number up to 128") from None
    return left, {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _bits6(mask: str) -> str:
    """The number of leading ones of a mask written as an address; something that is no number if it is not one."""
    try:
        digits = f"{int(IPv6Address(mask)):0128b}"
    except ValueError:
        return "999"
    return str(digits.count("1")) if "01" not in digits else "999"


def _read_ip4_number(text: str) -> int:
    return int(IPv4Address(_read_ip4(text)))


def _read_tcp_flags(text: str) -> str:
    """MASK/FLAGS, each names with commas, or ALL, or NONE."""
    mask, slash, flags = text.partition("/")
    if not slash:
        raise ValueError("expected MASK/FLAGS, as in SYN,ACK/SYN")
    return f"{_tcp_bits(mask)}/{_tcp_bits(flags)}"


TCP_FLAGS: Final = {"NONE": 0, "FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63}


def _tcp_bits(text: str) -> int:
    bits = 0
    for name in text.split(","):
        if name.strip().upper() not in TCP_FLAGS:
            raise ValueError(f"expected TCP flags out of {', '.join(TCP_FLAGS)}")
        bits |= TCP_FLAGS[name.strip().upper()]
    return bits


MAC: Final = Kind(_read_mac, _masked_mac)
MAC_RAW: Final = Kind(mac_number, _masked_mac_number)
IP4: Final = Kind(_read_ip4, _masked_ip4)
IP4_RAW: Final = Kind(_read_ip4_number, _masked_ip4_number)
IP6: Final = Kind(_read_ip6, _masked_ip6)
BYTE: Final = number(8)
SHORT: Final = number(16)
WORD: Final = number(32)
ETHER_TYPE: Final = number(16, ETHER_TYPES)
IP_PROTOCOL: Final = number(8, IP_PROTOCOLS)
OPCODE: Final = number(16, ARP_OPCODES)
VLAN_ID: Final = number(12)
DSCP: Final = number(6)
BOOLEAN_FLAGS: Final = Kind(_read_tcp_flags)
