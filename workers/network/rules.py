"""The filter table of one network, as nftables' JSON. Pure: a definition in, commands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.definition import IPV4, IPV6, NAT, NetworkDefinition

if TYPE_CHECKING:
    from tierhost.workers.network.definition import Address, Ip

FAMILY: Final = "inet"
LOCAL_MULTICAST: Final = {4: ("224.0.0.0", 24), 6: ("ff02::", 16)}
BROADCAST: Final = ("255.255.255.255", 32)

Rule = list[dict[str, Any]]


def table_name(uuid: str) -> str:
    """The network's own table: nobody else's has this name, and everything in it is ours."""
    return f"tierhost_{uuid.replace('-', '')}"


def table_key(uuid: str) -> dict[str, str]:
    """The table as nft's JSON names it."""
    return {"family": FAMILY, "name": table_name(uuid)}


def removal(uuid: str) -> list[dict[str, Any]]:
    """Commands that leave no table behind, whether there is one or not."""
    return [{"add": {"table": table_key(uuid)}}, {"delete": {"table": table_key(uuid)}}]


def table(definition: NetworkDefinition) -> list[dict[str, Any]]:
    """Commands that put the network's table in place of whatever it was, in one transaction."""
    name = table_name(definition.uuid)
    commands = [*removal(definition.uuid), {"add": {"table": table_key(definition.uuid)}}]
    chains = {"forward": ("filter", "forward", 0, forward_rules(definition))}
    if definition.forward.mode == NAT:
        chains["postrouting"] = ("nat", "postrouting", 100, nat_rules(definition))
    for chain, (kind, hook, priority, rules) in chains.items():
        made = {"family": FAMILY, "table": name, "name": chain, "type": kind, "hook": hook, "prio": priority, "policy": "accept"}
        commands.append({"add": {"chain": made}})
        commands += [{"add": {"rule": {"family": FAMILY, "table": name, "chain": chain, "expr": rule}}} for rule in rules]
    return commands


def forward_rules(definition: NetworkDefinition) -> list[Rule]:
    """Who may reach whom through the host: guests each other; the rest as the network's mode has it."""
    bridge, forward = definition.bridge.name, definition.forward
    rules: list[Rule] = [[_device("iifname", bridge), _device("oifname", bridge), ACCEPT]]
    if forward.mode:
        for ip in definition.ips:
            rules += _passing(definition, ip)
    return [*rules, [_device("iifname", bridge), REJECT], [_device("oifname", bridge), REJECT]]


def _passing(definition: NetworkDefinition, ip: Ip) -> list[Rule]:
    bridge, forward = definition.bridge.name, definition.forward
    outside = [_devices("oifname", forward.devices)] if forward.devices else []
    inside = [_devices("iifname", forward.devices)] if forward.devices else []
    translated = forward.mode == NAT and (ip.version == IPV4 or forward.nat_ipv6)
    # Where addresses are translated nobody outside can begin to talk to a guest: only answers come in.
    answers = [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}]
    return [
        [_device("iifname", bridge), *outside, _address("saddr", ip), ACCEPT],
        [_device("oifname", bridge), *inside, _address("daddr", ip), *(answers if translated else []), ACCEPT],
    ]


def nat_rules(definition: NetworkDefinition) -> list[Rule]:
    """Guests appear outside under the host's address, or under those of the definition."""
    forward = definition.forward
    outside = [_devices("oifname", forward.devices)] if forward.devices else []
    rules: list[Rule] = []
    for ip in definition.ips:
        if ip.version == IPV6 and not forward.nat_ipv6:
            continue
        ours = _address("saddr", ip)
        spared = [LOCAL_MULTICAST[ip.version], *([BROADCAST] if ip.version == IPV4 else [])]
        rules += [[ours, *outside, _within(ip.version, "daddr", *network), RETURN] for network in spared]
        foreign = _within(ip.version, "daddr", str(ip.interface.network.network_address), ip.interface.network.prefixlen, op="!=")
        addresses = forward.nat_addresses if ip.version == IPV4 else None
        for protocol in ("tcp", "udp"):
            ports = forward.nat_ports or (1024, 65535)
            rules.append([ours, *outside, foreign, _protocol(protocol), _translation(addresses, ports)])
        rules.append([ours, *outside, foreign, _translation(addresses, None)])
    return rules


ACCEPT: Final[dict[str, Any]] = {"accept": None}
REJECT: Final[dict[str, Any]] = {"reject": None}
RETURN: Final[dict[str, Any]] = {"return": None}


def _device(key: str, name: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": name}}


def _devices(key: str, names: tuple[str, ...]) -> dict[str, Any]:
    return _device(key, names[0]) if len(names) == 1 else {**_device(key, ""), "match": _set_of(key, names)}


def _set_of(key: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {"op": "==", "left": {"meta": {"key": key}}, "right": {"set": list(names)}}


def _protocol(name: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": name}}


def _within(version: int, field: str, address: str, bits: int, op: str = "==") -> dict[str, Any]:
    payload = {"protocol": "ip" if version == IPV4 else "ip6", "field": field}
    return {"match": {"op": op, "left": {"payload": payload}, "right": {"prefix": {"addr": address, "len": bits}}}}


def _address(field: str, ip: Ip) -> dict[str, Any]:
    network = ip.interface.network
    return _within(ip.version, field, str(network.network_address), network.prefixlen)


def _translation(addresses: tuple[Address, Address] | None, ports: tuple[int, int] | None) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if addresses is not None:
        start, end = map(str, addresses)
        how |= {"family": "ip", "addr": start if start == end else {"range": [start, end]}}
    if ports is not None:
        how["port"] = {"range": list(ports)}
    return {"snat" if addresses is not None else "masquerade": how or None}
