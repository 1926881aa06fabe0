"""dnsmasq's configuration for one network, and what its lease file says. Pure: a definition in, text out; text in, leases out."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.definition import IPV4, IPV6, ISOLATED

if TYPE_CHECKING:
    from tierhost.workers.network.definition import DhcpHost, Ip, NetworkDefinition, Srv

LEASES_MAX: Final = 16_384
LEASE_S: Final = 3600
FOR_EVER_S: Final = (1 << 32) - 2
LEASE_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Places:
    """Where one dnsmasq has its files."""

    pid: str
    leases: str
    user: str


def config(definition: NetworkDefinition, places: Places) -> str:
    """Write the configuration. Every value comes from a checked definition: none has a line break or a comma in it."""
    lines = [
        "# written by tierhost when the network is started; changes are lost",
        f"user={places.user}",
        "log-facility=-",
        "quiet-dhcp",
        "quiet-dhcp6",
        "quiet-ra",
        "strict-order",
        f"pid-file={places.pid}",
        "except-interface=lo",
        "bind-dynamic",
        f"interface={definition.bridge.name}",
        *_names(definition),
    ]
    served = [ip for ip in definition.ips if ip.serves]
    if served:
        lines += _leasing(served, places)
        lines += [line for ip in served for line in _handing_out(ip)]
        if definition.forward.mode == ISOLATED and any(ip.version == IPV4 for ip in served):
            # No router: there is no way out.
            lines.append("dhcp-option=3")
    for ip in definition.ips:
        if ip.tftp_root:
            lines += ["enable-tftp", f"tftp-root={ip.tftp_root}"]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _names(definition: NetworkDefinition) -> list[str]:
    dns = definition.dns
    if not dns.enabled:
        return ["port=0"]
    lines = []
    if definition.domain:
        lines += [f"domain={definition.domain}", "expand-hosts"]
        lines += [f"local=/{definition.domain}/"] if definition.domain_local else []
    if not dns.forward_plain_names:
        lines += ["domain-needed", "local=//"]
    if definition.forward.mode == ISOLATED or any(address and not domain for address, domain in dns.forwarders):
        lines.append("no-resolv")
    lines += [f"server={f'/{domain}/' if domain else ''}{address or '#'}" for address, domain in dns.forwarders]
    lines += [f"host-record={','.join(host.names)},{host.address}" for host in dns.hosts]
    lines += [f'txt-record={name},"{text}"' for name, text in dns.texts]
    return [*lines, *(_service(srv) for srv in dns.services)]


def _service(srv: Srv) -> str:
    name = f"_{srv.service}._{srv.protocol}" + (f".{srv.domain}" if srv.domain else "")
    if not srv.target or srv.target == ".":
        return f"srv-host={name}"
    return f"srv-host={name},{srv.target},{srv.port},{srv.priority},{srv.weight}"


def _leasing(served: list[Ip], places: Places) -> list[str]:
    room = sum(int(found.end) - int(found.start) + 1 for ip in served for found in ip.ranges) + sum(
        len(ip.hosts) for ip in served
    )
    lines = ["no-ping", "dhcp-no-override", "dhcp-authoritative", f"dhcp-lease-max={min(LEASES_MAX, room)}"]
    return [*lines, f"dhcp-leasefile={places.leases}"]


def _handing_out(ip: Ip) -> list[str]:
    network = ip.interface.network
    size = str(network.netmask) if ip.version == IPV4 else str(network.prefixlen)
    lines = [f"dhcp-range={found.start},{found.end},{size},{_lease(found.lease_s or LEASE_S)}" for found in ip.ranges]
    if not ip.ranges:
        lines.append(f"dhcp-range={network.network_address},static,{size}")
    if ip.version == IPV6:
        lines.append("enable-ra")
    lines += [_reservation(host) for host in ip.hosts]
    if ip.boot_file:
        lines.append(f"dhcp-boot={ip.boot_file}" + (f",,{ip.boot_server}" if ip.boot_server else ""))
    return lines


def _reservation(host: DhcpHost) -> str:
    address = "" if host.address is None else str(host.address) if host.address.version == IPV4 else f"[{host.address}]"
    known_by = host.mac or (f"id:{host.id}" if host.id else "")
    lease = _lease(host.lease_s) if host.lease_s else ""
    return "dhcp-host=" + ",".join(part for part in (known_by, address, host.name, lease) if part)


def _lease(seconds: int) -> str:
    return "infinite" if seconds >= FOR_EVER_S else str(seconds)


def parse_leases(text: str, definition: NetworkDefinition) -> list[dict[str, Any]]:
    """Read dnsmasq's lease file, as libvirt shows leases. A line that is no lease is passed over."""
    prefixes = [ip.interface.network for ip in definition.ips]
    found, version = [], 4
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["duid"]:
            version = 6
            continue
        if len(fields) < LEASE_FIELDS or not fields[0].isdecimal():
            continue
        expiry, hardware, address, name = fields[:4]
        network = next((network for network in prefixes if _is_in(address, network)), None)
        if network is None:
            continue
        found.append(
            {
                "iface": definition.bridge.name,
                "expirytime": int(expiry),
                "type": version,
                "mac": hardware if version == IPV4 else "",
                "iaid": hardware if version == IPV6 else "",
                "ipaddr": address,
                "prefix": network.prefixlen,
                "hostname": "" if name == "*" else name,
                "clientid": fields[4] if len(fields) > LEASE_FIELDS and fields[4] != "*" else "",
            }
        )
    return found


def _is_in(address: str, network: Any) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:
        return False
