"""Values in libvirt's XML that pools and volumes have in common: names, uuids, paths, permissions; each checked."""

from __future__ import annotations

import os
import uuid as uuids
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element

NAME_BYTES_MAX: Final = 255
ID_MAX: Final = 2**32 - 2
PATH_BYTES_MAX: Final = 4095


@dataclass(frozen=True, slots=True)
class Permissions:
    """Mode, owner and group of a directory or file that we make; None leaves it to the system."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None


def checked_name(element: Element, name: str) -> str:
    """Check a pool's name: printable, without '/', not empty."""
    if not name or len(name.encode()) > NAME_BYTES_MAX or "/" in name or not name.isprintable() or name in {".", ".."}:
        raise element.bad(f"the name {name[:80]!r} is empty, too long, or has '/' or unprintable characters in it")
    return name


def canonical_uuid(element: Element) -> str:
    """Read a uuid element in its usual spelling."""
    return canonical_uuid_text(element, element.text)


def canonical_uuid_text(element: Element, text: str) -> str:
    """Write a uuid in its usual spelling; the element is named if it is none."""
    try:
        return str(uuids.UUID(text))
    except ValueError:
        raise element.bad(f"{text[:80]!r} is not a uuid") from None


def absolute_path(element: Element, path: str | None = None) -> str:
    """Read an absolute path (the element's text, if none is given), and write it without '//' or a trailing '/'."""
    path = element.text if path is None else path
    if not path.startswith("/") or "\0" in path or len(path.encode()) > PATH_BYTES_MAX:
        raise element.bad(f"the path {path[:80]!r} is not absolute, or too long")
    if ".." in path.split("/"):
        raise element.bad(f"the path {path[:80]!r} has '..' in it")
    clean = os.path.normpath(path)
    return "/" + clean.lstrip("/")


def read_permissions(element: Element | None) -> Permissions:
    """Read <permissions>; -1 means: leave it to the system, as in libvirt."""
    if element is None:
        return Permissions()
    mode = element.child("mode")
    return Permissions(None if mode is None else _octal(mode), _id(element.child("owner")), _id(element.child("group")))


def _octal(element: Element) -> int:
    try:
        mode = int(element.text, 8)
    except ValueError:
        raise element.bad(f"mode is {element.text[:80]!r}, expected an octal number") from None
    if not 0 <= mode <= 0o777:  # noqa: PLR2004  # no setuid bits on disk images
        raise element.bad(f"mode is {element.text[:80]!r}, expected 0 to 0777")
    return mode


def _id(element: Element | None) -> int | None:
    if element is None or element.text == "-1":
        return None
    return element.whole(element.text, element.tag, 0, ID_MAX)
