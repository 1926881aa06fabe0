"""What a connection, a key and an entry of the allow list are, and who may call what. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.abroad import Uri, are_keys, is_key, parse_uri
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
PATTERN: Final = re.compile(r"[a-z][a-z0-9-]*\.[a-z*_][a-z0-9_*]*\Z")
PATTERN_CHARS_MAX: Final = 128
PATTERNS_MAX: Final = 64
METHOD_CHARS_MAX: Final = 64
"""Of "driver.method", as it travels."""

CONNECTIONS_MAX: Final = 64
KEYS_MAX: Final = 64
ALLOWED_MAX: Final = 256
PEER_KEYS_MAX: Final = 4
NEVER: Final = frozenset({"host", "remote"})
"""What no key may call, whatever is allowed: the host's own orders, and this driver, who keeps the keys and knows the way on."""

RETRY_FIRST_S: Final = 0.05
RETRY_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Definition:
    """One connection: where to, with which of our keys, and which keys the other side may have."""

    name: str
    uri: str
    key: str = ""
    peer_keys: tuple[str, ...] = ()
    autostart: bool = False

    @property
    def subject(self) -> str:
        """How errors, events and degraded objects name it."""
        return f"connection {self.name}"

    @property
    def place(self) -> Uri:
        """Where it goes."""
        return parse_uri(self.uri)

    def row(self) -> dict[str, Any]:
        """Return it as the store keeps it and callers see it."""
        return {
            "name": self.name,
            "uri": self.uri,
            "key": self.key,
            "peer_keys": list(self.peer_keys),
            "autostart": self.autostart,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Definition | None:
        """Read what `row` wrote; None if that is not what this is."""
        try:
            return replace(connection(row["name"], row["uri"], row["key"], row["peer_keys"]), autostart=bool(row["autostart"]))
        except (DriverError, KeyError, TypeError, ValueError):
            return None


def connection(name: object, uri: object, key: object = "", peer_keys: object = ()) -> Definition:
    """Check what somebody says of a connection. Raises DriverError, BadUri."""
    named = checked_name(name, "connection")
    place = parse_uri(uri)
    theirs = list(peer_keys) if isinstance(peer_keys, list | tuple) else [peer_keys]
    if place.root:
        if key or [each for each in theirs if each]:
            raise _wrong("the kernel says who we are on this machine: no keys", f"connection {named}")
        return Definition(named, str(place))
    if not 0 < len(theirs) <= PEER_KEYS_MAX or not are_keys(theirs):
        hint = "`tierhost remote-key list` there shows its door's key; two of them while it is being changed"
        raise _wrong("which key the other side has must be said, in 64 hexadecimal digits", f"connection {named}", hint)
    return Definition(named, str(place), checked_name(key, "key"), tuple(map(str, theirs)))


def checked_name(name: object, kind: str) -> str:
    """Return a name that may be one of a connection, a key, an entry. Raises DriverError."""
    if not isinstance(name, str) or not NAME.match(name):
        raise _wrong(f"{str(name)[:80]!r} is no name of a {kind}: letters, digits, '.', '_', '-', 64 at most", kind)
    return name


def checked_method(method: object) -> str:
    """Return "driver.method". Raises DriverError."""
    if not isinstance(method, str) or len(method) > METHOD_CHARS_MAX or not all(method.partition(".")):
        raise _wrong(f"{str(method)[:80]!r} names no method", "remote", "say DRIVER.METHOD")
    return method


@dataclass(frozen=True, slots=True)
class Allowed:
    """One key that may come in, and what it may call: "storage.*", "secret.secret_list"."""

    name: str
    public: str
    methods: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """Return it as the store keeps it and callers see it."""
        return {"name": self.name, "public": self.public, "methods": list(self.methods)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Allowed | None:
        """Read what `row` wrote; None if that is not what this is."""
        try:
            return allowed(row["name"], row["public"], row["methods"])
        except (DriverError, KeyError, TypeError):
            return None


def allowed(name: object, public: object, methods: object) -> Allowed:
    """Check what somebody says of a key that may come in. Raises DriverError."""
    named = checked_name(name, "key")
    if not is_key(public):
        raise _wrong("a public key is 64 hexadecimal digits", f"key {named}", "`tierhost remote-key list` there shows it")
    if not isinstance(methods, list | tuple) or not 0 < len(methods) <= PATTERNS_MAX:
        raise _wrong("what the key may call must be said", f"key {named}", '["storage.*"], or ["secret.secret_list"]')
    for pattern in methods:
        if not isinstance(pattern, str) or len(pattern) > PATTERN_CHARS_MAX or not PATTERN.match(pattern):
            raise _wrong(f"{str(pattern)[:80]!r} is no DRIVER.METHOD or DRIVER.*", f"key {named}")
        if pattern.partition(".")[0] in NEVER:
            raise _wrong(f"no key may call {pattern}", f"key {named}")
    return Allowed(named, str(public), tuple(methods))


class GuestList:
    """Who may come in, by public key. Replaced as a whole: the door's thread reads it without a lock."""

    def __init__(self, entries: Iterable[Allowed] = ()) -> None:
        self._by_key: dict[str, list[Allowed]] = {}
        for entry in entries:
            self._by_key.setdefault(entry.public, []).append(entry)

    def knows(self, key: str) -> bool:
        """Whether this key may come in at all."""
        return key in self._by_key

    def refuses(self, key: str, method: str) -> str:
        """Say why this key may not call "driver.method"; empty: it may."""
        entries = self._by_key.get(key)
        if not entries:
            return "this key is not on the allow list"
        if method.partition(".")[0] not in NEVER and any(
            fnmatchcase(method, pattern) for entry in entries for pattern in entry.methods
        ):
            return ""
        return f"the key '{entries[0].name}' may not call this"


def next_pause(pause_s: float) -> float:
    """How long to wait before the attempt after the next one."""
    return min(2 * pause_s, RETRY_MAX_S)


def listen_address(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return where the configuration wants a door, and what is wrong with that; nothing where it wants none."""
    unknown = sorted(config.keys() - {"listen"})
    if unknown:
        return "", f"unknown option {', '.join(unknown)[:100]} (known: listen)"
    listen = config.get("listen", "")
    if not listen:
        return "", ""
    if not isinstance(listen, str) or not re.match(r"tcp://(\[[0-9A-Fa-f:]+\]|[0-9A-Za-z.-]+|\*):\d{1,5}\Z", listen):
        return "", f'listen: expected "tcp://ADDRESS:PORT", got {listen!r:.100}'
    return listen, ""


def no_connection(name: object) -> DriverError:
    """Say that there is none of this name."""
    return DriverError(
        f"no connection with matching name '{str(name)[:80]}'",
        code=Code.INVALID_CONN,
        subject="remote",
        hint="`tierhost call remote.connect_list` lists them",
    )


def names(entries: Sequence[Allowed]) -> list[str]:
    """List the names of entries, in order."""
    return sorted(entry.name for entry in entries)


def _wrong(text: str, subject: str, hint: str = "") -> DriverError:
    return DriverError(text, code=Code.INVALID_ARG, subject=subject, hint=hint)
