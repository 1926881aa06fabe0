"""Bridges and their ports, by iproute2. Not by pyroute2: its import takes 330 ms, and `ip` is done in 2 ms."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.definition import IPV4, IPV6
from tierhost.workers.runtime.commands import CommandFailed, CommandMissing, run
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.workers.network.definition import NetworkDefinition

ABSENT_STATUS: Final = 1
BRIDGE_NUMBERS_MAX: Final = 4096
ROUTES: Final = Path("/proc/thread-self/net/route")
SETTINGS: Final = Path("/proc/sys/net")
HINT: Final = "is tierhost allowed to change the network (root, CAP_NET_ADMIN)?"


@dataclass(frozen=True, slots=True)
class Link:
    """One network device as the kernel shows it."""

    name: str
    index: int
    kind: str
    mac: str
    alias: str = ""
    master: str = ""
    up: bool = False


def look(name: str, deadline_s: float) -> Link | None:
    """Look at one device; None if there is none of this name."""
    if not exists(name):
        return None
    try:
        shown = run(["ip", "-j", "-d", "link", "show", "dev", name], limit_s=_left(deadline_s), statuses=(0, ABSENT_STATUS))
    except CommandMissing as error:
        error.hint = "install the package iproute2"
        raise
    if shown.status == ABSENT_STATUS:
        return None
    found: dict[str, Any] = json.loads(shown.out)[0]
    return Link(
        name=found["ifname"],
        index=found["ifindex"],
        kind=found.get("linkinfo", {}).get("info_kind", ""),
        mac=found.get("address", ""),
        alias=found.get("ifalias", ""),
        master=found.get("master", ""),
        up="UP" in found.get("flags", ()),
    )


def exists(name: str) -> bool:
    """Whether there is a device of this name. Quick: nothing is run."""
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def index_of(name: str) -> int:
    """The number of a device, or 0."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def batch(lines: Sequence[str], deadline_s: float, subject: str) -> None:
    """Run several `ip` commands in one process; the first that fails ends it. Raises DriverError with its words."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        run(["ip", "-batch", "-"], stdin=text.encode(), limit_s=_left(deadline_s))
    except CommandFailed as error:
        raise DriverError(
            f"the kernel refuses: {error.words.splitlines()[0] if error.words else error.text}",
            code=Code.OPERATION_DENIED if "permitted" in error.words else Code.OPERATION_FAILED,
            subject=subject,
            hint=HINT,
        ) from None


def make_bridge(definition: NetworkDefinition, mark: str, deadline_s: float) -> None:
    """Make a bridge that is not there, with its mark and its addresses, and let it work. Raises DriverError."""
    name = definition.bridge.name
    lines = [
        f"link add name {name} address {definition.mac} type bridge stp_state 0 forward_delay {definition.bridge.delay_s * 100}",
        f'link set dev {name} alias "{mark}"',
        *dress_lines(definition),
    ]
    batch(lines, deadline_s, definition.subject)
    settle_ipv6(definition)


def dress_bridge(definition: NetworkDefinition, deadline_s: float) -> None:
    """Give a bridge of ours again what it may have lost: addresses, routes, being up. Changes nothing that is as it should be."""
    batch(dress_lines(definition), deadline_s, definition.subject)
    settle_ipv6(definition)


def dress_lines(definition: NetworkDefinition) -> list[str]:
    """What makes a bare bridge the network's, as `ip` commands. Pure; each may be said twice."""
    name = definition.bridge.name
    lines = [f"link set dev {name} type bridge stp_state {int(definition.bridge.stp)}"]
    if definition.bridge.mtu:
        lines.append(f"link set dev {name} mtu {definition.bridge.mtu}")
    for ip in definition.ips:
        extra = "broadcast +" if ip.version == IPV4 else "nodad"
        lines.append(f"addr replace {ip.interface} {extra} dev {name}")
    lines.append(f"link set dev {name} up")
    lines += [f"route replace {r.destination} via {r.gateway} dev {name} metric {r.metric}" for r in definition.routes]
    return lines


def settle_ipv6(definition: NetworkDefinition) -> None:
    """The host learns nothing from guests' router advertisements, and has no IPv6 address on a bridge that was given none."""
    has_ipv6 = any(ip.version == IPV6 for ip in definition.ips)
    folder = SETTINGS / "ipv6/conf" / definition.bridge.name
    for key, value in (("accept_ra", "0"), ("autoconf", "0"), ("disable_ipv6", "0" if has_ipv6 else "1")):
        _set(folder / key, value)


def forward_packets(definition: NetworkDefinition) -> None:
    """Let the kernel pass packets on between its networks; nobody turns that off again, others may rely on it."""
    for ip in definition.ips:
        _set(SETTINGS / ("ipv4/ip_forward" if ip.version == IPV4 else "ipv6/conf/all/forwarding"), "1")


def _set(path: Path, value: str) -> None:
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except FileNotFoundError:
        # A kernel without IPv6.
        return
    except OSError as error:
        raise DriverError(f"cannot set {path}: {error.strerror}", code=Code.SYSTEM_ERROR, hint=HINT) from None


def remove(link: Link, deadline_s: float, subject: str) -> None:
    """Take a device away, unless another has its name by now. Gone already is as good."""
    if index_of(link.name) != link.index:
        return
    try:
        batch([f"link del dev {link.name}"], deadline_s, subject)
    except DriverError:
        if index_of(link.name) == link.index:
            raise


def free_bridge_name(taken: set[str]) -> str:
    """Find a name for a bridge, as libvirt does: virbr0, virbr1, ..."""
    for number in range(BRIDGE_NUMBERS_MAX):
        name = f"virbr{number}"
        if name not in taken and not exists(name):
            return name
    raise DriverError("no bridge name is free", code=Code.OPERATION_FAILED, hint="name one in <bridge name='...'/>")


def conflicting_device(networks: Sequence[IPv4Network], own: str) -> str:
    """Name another device that already reaches one of these networks, and how; nothing if there is none."""
    for line in ROUTES.read_text().splitlines()[1:]:
        device, destination, _gateway, _flags, _refs, _use, _metric, mask = line.split()[:8]
        bits = int(mask, 16).bit_count()
        route = IPv4Network((int.from_bytes(bytes.fromhex(destination)[::-1], "big"), bits), strict=False)
        if bits and device != own and any(route.overlaps(network) for network in networks):
            return f"{device} ({route})"
    return ""


def _left(deadline_s: float) -> float:
    return max(0.1, deadline_s - time.monotonic())
