"""Connection URIs: where a host is, in one word that fits on a command line. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from tierhost.ipc.errors import Code, TierhostError

CONFIG: Final = "config:///"
UNIX_SCHEME: Final = "tierhost+unix"
TCP_SCHEME: Final = "tierhost+tcp"
URI_CHARS_MAX: Final = 1024
HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})\Z|[0-9A-Fa-f:]{2,45}\Z")
FORMS: Final = f"{UNIX_SCHEME}:///PATH/TO/ROOT or {TCP_SCHEME}://HOST:PORT"


class BadUri(TierhostError):
    """Raised when a URI names no host that we could reach."""

    code = Code.INVALID_ARG


@dataclass(frozen=True, slots=True)
class Uri:
    """One of two: the root of a host on this machine, or the address of one on another."""

    root: str = ""
    address: str = ""

    def __str__(self) -> str:
        if self.root:
            return f"{UNIX_SCHEME}://{self.root}"
        return f"{TCP_SCHEME}://{self.address.removeprefix('tcp://')}"


def parse_uri(text: object) -> Uri:
    """Read a URI of a host. Raises BadUri with the forms there are."""
    if not isinstance(text, str) or not 0 < len(text) <= URI_CHARS_MAX or not text.isprintable():
        raise BadUri("a URI is a line of text", hint=FORMS)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadUri(f"'{text:.100}' is no URI: {error!s:.100}", hint=FORMS) from None
    if parts.query or parts.fragment or parts.username is not None:
        raise BadUri(f"'{text:.100}' has parts that nobody would read", hint=FORMS)
    if parts.scheme == UNIX_SCHEME:
        return Uri(root=_root(parts.netloc, unquote(parts.path), text))
    if parts.scheme == TCP_SCHEME:
        return Uri(address=_address(parts.hostname, port, parts.path, text))
    raise BadUri(f"'{text:.100}' has a scheme that we do not know", hint=FORMS)


def _root(netloc: str, path: str, text: str) -> str:
    if netloc or not path.startswith("/") or path == "/" or ".." in PurePosixPath(path).parts or not path.isprintable():
        raise BadUri(f"'{text:.100}' names no absolute directory", hint=f"{UNIX_SCHEME}:///srv/site (three slashes)")
    return str(PurePosixPath(path))


def _address(host: str | None, port: int | None, path: str, text: str) -> str:
    if not host or not HOST.match(host) or not port or path not in {"", "/"}:
        raise BadUri(f"'{text:.100}' names no host and port", hint=f"{TCP_SCHEME}://192.0.2.7:16510")
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
