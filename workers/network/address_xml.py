"""<ip> elements: the bridge's addresses, DHCP ranges and hosts, and what is booted over the network."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING, Final

from tierhost.workers.network.definition import IPV4, IPV6, DhcpHost, Ip, Range
from tierhost.workers.network.dns_xml import host_name

if TYPE_CHECKING:
    from tierhost.workers.network.definition import Address, Interface
    from tierhost.workers.runtime.definitions import Element

LEASE_S: Final = {"seconds": 1, "minutes": 60, "hours": 3600}
LEASE_S_MIN: Final = 120
LEASE_S_MAX: Final = (1 << 32) - 2
IPS_MAX: Final = 64
HOSTS_MAX: Final = 4096
RANGES_MAX: Final = 64
PORT_MAX: Final = 65535
PATH: Final = re.compile(r"/[\w./+@%=-]{0,1023}\Z", re.ASCII)
FILE: Final = re.compile(r"[\w./+@%=-]{1,255}\Z", re.ASCII)
MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z", re.ASCII)
DUID: Final = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){1,127}\Z", re.ASCII)


def address_of(element: Element, text: str, version: int = 0) -> Address:
    """Read an address. Raises BadDefinition."""
    try:
        address = ip_address(text)
    except ValueError:
        raise element.bad(f"{text[:60]!r} is not an IP address") from None
    if (version and address.version != version) or getattr(address, "scope_id", None):
        raise element.bad(f"{text[:60]!r} is not an IPv{version or address.version} address")
    return address


def ports_from(nat: Element) -> tuple[int, int] | None:
    """Read the <port> of a <nat>."""
    port = nat.child("port")
    if port is None:
        return None
    start, end = (port.whole(port.need(name), name, 1, PORT_MAX) for name in ("start", "end"))
    if start > end:
        raise port.bad("start is behind end")
    return start, end


def addresses_from(root: Element) -> tuple[Ip, ...]:
    """Read every <ip> of a network."""
    found = tuple(_ip(element) for element in root.children("ip"))
    if len(found) > IPS_MAX:
        raise root.bad(f"more than {IPS_MAX} addresses")
    for version in (4, 6):
        if sum(ip.version == version and ip.serves for ip in found) > 1:
            raise root.bad(f"only one IPv{version} <ip> may have a <dhcp>")
    for number, ip in enumerate(found):
        for other in found[:number]:
            if ip.version == other.version and ip.interface.network.overlaps(other.interface.network):
                raise root.bad(f"two of its networks overlap: {other.interface.network} and {ip.interface.network}")
    return found


def _ip(element: Element) -> Ip:
    version = 6 if element.one_of("family", ("ipv4", "ipv6"), "ipv4") == "ipv6" else 4
    interface = _interface(element, version)
    element.get("localPtr")
    tftp = element.child("tftp")
    root = tftp.need("root") if tftp is not None else ""
    if root and not PATH.match(root):
        raise element.bad(f"the root {root[:80]!r} is not an absolute path of plain characters")
    dhcp = element.child("dhcp")
    if dhcp is None:
        return Ip(interface, tftp_root=root)
    boot = dhcp.child("bootp")
    file, server = ("", "") if boot is None else (boot.need("file"), boot.get("server") or "")
    if file and not FILE.match(file):
        raise dhcp.bad(f"the boot file {file[:80]!r} is not a path of plain characters")
    return Ip(
        interface,
        ranges=_ranges(dhcp, interface),
        hosts=hosts_from(dhcp, interface),
        tftp_root=root,
        boot_file=file,
        boot_server=host_name(dhcp, server) if server else "",
    )


def _interface(element: Element, version: int) -> Interface:
    address = address_of(element, element.need("address"), version)
    bits = element.get("prefix") or (element.get("netmask") if version == IPV4 else None)
    bits = bits or ("64" if version == IPV6 else "24")
    try:
        made = ip_interface(f"{address}/{bits}")
    except ValueError as error:
        raise element.bad(f"no network: {error!s:.100}") from None
    assert isinstance(made, IPv4Interface | IPv6Interface)
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_reserved:
        raise element.bad(f"{address} cannot be the address of a bridge")
    return made


def lease_s(element: Element) -> int:
    """Read the <lease> of a range or a host: seconds; 0 leaves it to dnsmasq (an hour)."""
    lease = element.child("lease")
    if lease is None:
        return 0
    unit = LEASE_S[lease.one_of("unit", tuple(LEASE_S), "minutes")]
    seconds = lease.whole(lease.need("expiry"), "expiry", 0, LEASE_S_MAX) * unit
    if seconds == 0:
        return LEASE_S_MAX
    if not LEASE_S_MIN <= seconds <= LEASE_S_MAX:
        raise lease.bad(f"a lease of {seconds} s, expected {LEASE_S_MIN} to {LEASE_S_MAX}, or 0 for ever")
    return seconds


def _ranges(dhcp: Element, interface: Interface) -> tuple[Range, ...]:
    found = []
    for element in dhcp.children("range"):
        start, end = (_inside(element, element.need(name), interface) for name in ("start", "end"))
        if int(start) > int(end):
            raise element.bad(f"start {start} is behind end {end}")
        found.append(Range(start, end, lease_s(element)))
    if len(found) > RANGES_MAX:
        raise dhcp.bad(f"more than {RANGES_MAX} ranges")
    return tuple(found)


def _inside(element: Element, text: str, interface: Interface) -> Address:
    address = address_of(element, text, interface.version)
    if address not in interface.network:
        raise element.bad(f"{address} is not in the network {interface.network}")
    return address


def hosts_from(dhcp: Element, interface: Interface) -> tuple[DhcpHost, ...]:
    """Read the hosts of a <dhcp>; two of them may share nothing."""
    found = tuple(dhcp_host(element, interface) for element in dhcp.children("host"))
    if len(found) > HOSTS_MAX:
        raise dhcp.bad(f"more than {HOSTS_MAX} hosts")
    for what in ("address", "mac", "id"):
        values = [getattr(host, what) for host in found if getattr(host, what)]
        if len(set(values)) != len(values):
            raise dhcp.bad(f"two hosts have the same {what}")
    return found


def dhcp_host(element: Element, interface: Interface) -> DhcpHost:
    """Read one <host> of a <dhcp>. Raises BadDefinition."""
    mac, name, duid, address = (element.get(key) or "" for key in ("mac", "name", "id", "ip"))
    mac = mac.lower()
    if mac and not MAC.match(mac):
        raise element.bad(f"{mac[:40]!r} is not a MAC address")
    if duid and not DUID.match(duid):
        raise element.bad(f"{duid[:60]!r} is not a DUID")
    if interface.version == IPV6 and mac:
        raise element.bad("an IPv6 host is known by its id or name, not by its MAC")
    if not (mac or name or duid):
        raise element.bad("a host is known by its mac, its name or its id")
    made = DhcpHost(
        _inside(element, address, interface) if address else None,
        mac,
        host_name(element, name) if name else "",
        duid,
        lease_s(element),
    )
    if made.address is None and not made.name:
        raise element.bad("a host gets an ip, a name, or both")
    if made.address == interface.ip:
        raise element.bad(f"{made.address} is the bridge's own address")
    return made
