"""<dns>: what a network's own name server knows, and whom it asks. Names are plain: they go into dnsmasq's configuration."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from tierhost.workers.network.definition import Dns, DnsHost, Srv

if TYPE_CHECKING:
    from tierhost.workers.network.definition import Address
    from tierhost.workers.runtime.definitions import Element

NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\Z", re.ASCII)
TEXT: Final = re.compile(r"[ -!#-+\--~]{0,255}\Z", re.ASCII)
"""Printable, without the quotation mark and the comma: both mean something to dnsmasq."""

SERVICE: Final = re.compile(r"[A-Za-z0-9-]{1,15}\Z", re.ASCII)
ENTRIES_MAX: Final = 4096
PORT_MAX: Final = 65535


def host_name(element: Element, text: str) -> str:
    """Read the name of a host or a domain. Raises BadDefinition."""
    if not NAME.match(text):
        raise element.bad(f"{text[:60]!r} is not a host name")
    return text


def _address(element: Element, text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise element.bad(f"{text[:60]!r} is not an IP address") from None


def dns_from(dns: Element | None) -> Dns:
    """Read <dns>."""
    if dns is None:
        return Dns()
    made = Dns(
        enabled=dns.flag("enable", default=True),
        forward_plain_names=dns.flag("forwardPlainNames", default=True),
        forwarders=tuple(_forwarder(element) for element in dns.children("forwarder")),
        hosts=tuple(dns_host(element) for element in dns.children("host")),
        texts=tuple((host_name(element, element.need("name")), _text(element)) for element in dns.children("txt")),
        services=tuple(_srv(element) for element in dns.children("srv")),
    )
    if max(map(len, (made.forwarders, made.hosts, made.texts, made.services))) > ENTRIES_MAX:
        raise dns.bad(f"more than {ENTRIES_MAX} entries of one kind")
    return made


def _forwarder(element: Element) -> tuple[str, str]:
    address, domain = element.get("addr") or "", element.get("domain") or ""
    if not (address or domain):
        raise element.bad("a forwarder has an addr, a domain, or both")
    return str(_address(element, address)) if address else "", host_name(element, domain) if domain else ""


def dns_host(element: Element) -> DnsHost:
    """Read one <host> of a <dns>. Raises BadDefinition."""
    address = _address(element, element.need("ip"))
    names = tuple(host_name(name, name.text) for name in element.children("hostname"))
    if not names:
        raise element.bad("<hostname> is missing")
    return DnsHost(address, names)


def _text(element: Element) -> str:
    value = element.get("value") or ""
    if not TEXT.match(value):
        raise element.bad(
            "the value is longer than 255 characters, or has quotation marks, commas or unprintable characters in it"
        )
    return value


def _srv(element: Element) -> Srv:
    service, protocol = element.need("service"), element.need("protocol")
    if not (SERVICE.match(service) and SERVICE.match(protocol)):
        raise element.bad("service and protocol are words of at most 15 letters, digits or '-'")
    domain, target = element.get("domain") or "", element.get("target") or ""
    return Srv(
        service,
        protocol,
        host_name(element, domain) if domain else "",
        host_name(element, target) if target and target != "." else target,
        element.whole(element.get("port") or "1", "port", 0, PORT_MAX),
        element.whole(element.get("priority") or "0", "priority", 0, PORT_MAX),
        element.whole(element.get("weight") or "0", "weight", 0, PORT_MAX),
    )
