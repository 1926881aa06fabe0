"""Where a pool's storage comes from: <source> of a pool's XML, and the readers of its parts that back ends share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.storage.xml_values import canonical_uuid_text

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element

HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}\Z")
"""A host name or an address. None of the signs with which libraries and programs join hosts, ports and options."""

HOSTS_MAX: Final = 64
PORT_MAX: Final = 65535
TEXT_CHARS_MAX: Final = 255
USAGE_TYPES: Final = {"ceph": "ceph", "chap": "iscsi"}
"""What a secret is called in `secret`, by what it authenticates for."""


@dataclass(frozen=True, slots=True)
class SourceHost:
    """A machine that serves storage; port 0 is the protocol's own."""

    name: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Auth:
    """As whom a pool's storage is asked, and which secret proves it: by uuid or by usage."""

    type: str
    username: str
    secret_uuid: str = ""
    secret_usage: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The arguments that make the secret driver find the key."""
        if self.secret_uuid:
            return {"uuid": self.secret_uuid}
        return {"usage_type": USAGE_TYPES[self.type], "usage_id": self.secret_usage}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a pool's storage comes from, as its back end read it. What a type does not have is empty."""

    device: str = ""
    format: str = ""
    hosts: tuple[SourceHost, ...] = ()
    name: str = ""
    directory: str = ""
    devices: tuple[str, ...] = ()
    initiator: str = ""
    auth: Auth | None = None


def read_hosts(source: Element, *, least: int = 1) -> tuple[SourceHost, ...]:
    """Read the <host name='...' port='...'/> of a source."""
    hosts = list(source.children("host"))
    if not least <= len(hosts) <= HOSTS_MAX:
        raise source.bad(f"there are {len(hosts)} <host> elements, expected {least} to {HOSTS_MAX}")
    return tuple(_host(host) for host in hosts)


def _host(host: Element) -> SourceHost:
    name = host.need("name")
    if not HOST.match(name):
        raise host.bad(f"the host {name[:80]!r} is no host name and no address")
    port = host.get("port")
    return SourceHost(name, 0 if port is None else host.whole(port, "port", 1, PORT_MAX))


def read_auth(source: Element, kind: str) -> Auth | None:
    """Read <auth type='...' username='...'><secret uuid='...'/> (or usage='...')</auth>; None if there is none."""
    auth = source.child("auth")
    if auth is None:
        return None
    auth.one_of("type", (kind,))
    secret = auth.need_child("secret")
    secret.one_of("type", (USAGE_TYPES[kind],), USAGE_TYPES[kind])
    uuid, usage = secret.get("uuid"), secret.get("usage")
    if bool(uuid) == bool(usage):
        raise secret.bad("expected either attribute 'uuid' or attribute 'usage'")
    return Auth(
        kind,
        checked_text(auth, auth.need("username"), "username"),
        canonical_uuid_text(secret, uuid) if uuid else "",
        usage or "",
    )


def checked_text(element: Element, text: str, what: str, forbidden: str = "") -> str:
    """Check a text that a library or program is handed: not empty, printable, not too long, without certain signs."""
    wrong = not text or len(text) > TEXT_CHARS_MAX or not text.isprintable() or any(sign in text for sign in forbidden)
    if wrong:
        raise element.bad(f"{what} is {text[:80]!r}: empty, too long, or with signs in it that it may not have")
    return text
