"""The file a guest's memory is saved in: a mark, what the guest is (XML, sealed password), then QEMU's own stream."""

from __future__ import annotations

import base64
import json
import os
import struct
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"tierhost-save-1\n"
DIGEST_BYTES: Final = 16
HEADER: Final = struct.Struct(f">{len(MAGIC)}sI{DIGEST_BYTES}s")
ABOUT_BYTES_MAX: Final = 8 << 20


class BadSaveFile(DriverError):
    """Raised when a file is not a saved guest, or its beginning is damaged; names the file."""

    code = Code.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of the guest in it. `paused`: it is to be paused when its memory is back."""

    xml: str
    password: bytes
    paused: bool


def create(path: Path, about: About) -> int:
    """Begin a file, readable by its owner alone; return its descriptor, for QEMU to write behind what we wrote."""
    text = {"xml": about.xml, "password": base64.b64encode(about.password).decode(), "paused": about.paused}
    body = json.dumps(text).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, 0o600)
        whole = HEADER.pack(MAGIC, len(body), _digest(body)) + body
        while whole:
            whole = whole[os.write(fd, whole) :]
    except OSError:
        os.close(fd)
        raise
    return fd


def complete(half_made: Path, path: Path) -> None:
    """Give a whole file its name, durably."""
    half_made.replace(path)
    sync_folder(path.parent)


def open_saved(path: Path) -> tuple[int, About]:
    """Open a saved guest; return a descriptor at the beginning of QEMU's stream, and what is said of it. Raises BadSaveFile."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BadSaveFile(f"cannot be opened: {error.strerror}", subject=str(path)) from None
    try:
        about = _about(fd)
    except (OSError, ValueError, KeyError, TypeError):
        os.close(fd)
        hint = "was it written by domain_save, and whole?"
        raise BadSaveFile("it is not a saved guest, or its beginning is damaged", subject=str(path), hint=hint) from None
    return fd, about


def _about(fd: int) -> About:
    head = os.read(fd, HEADER.size)
    if len(head) != HEADER.size:
        raise ValueError("too short")
    magic, length, digest = HEADER.unpack(head)
    if magic != MAGIC or length > ABOUT_BYTES_MAX:
        raise ValueError("another mark")
    body = os.read(fd, length)
    if _digest(body) != digest:
        raise ValueError("damaged")
    found = json.loads(body)
    return About(str(found["xml"]), base64.b64decode(found["password"]), bool(found["paused"]))


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()
