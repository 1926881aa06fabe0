"""Make and change image files by qemu-img and cryptsetup. A passphrase travels in a memory file, never in an argument."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import CommandFailed, key_file, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.headers import SECTOR_BYTES, read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.volume_xml import Backing, Encryption

LUKS_HEADER_BYTES: Final = 2 << 20
"""Room for a LUKS 1 header with eight key slots; what begins after it is asked of the header itself."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image file to copy from or to. `key` opens it, if it is encrypted."""

    path: str
    format: str
    key: bytes | None = None


def make_raw(path: str, capacity: int, allocation: int) -> None:
    """Make a file of zeros with `allocation` bytes set aside on the disk. Raises OSError (no space)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, capacity)
        if allocation:
            os.posix_fallocate(fd, 0, min(allocation, capacity))
    finally:
        os.close(fd)


def make_luks(
    path: str, capacity: int, allocation: int, encryption: Encryption, key: bytes, iterations: int, effort: Effort
) -> None:
    """Make a raw file whose payload of `capacity` bytes is encrypted.

    cryptsetup with a fixed number of key stretching rounds takes milliseconds; qemu-img first measures for seconds how
    many this machine can do, and takes the more time the busier the machine is.
    """
    make_raw(path, capacity + LUKS_HEADER_BYTES, allocation and allocation + LUKS_HEADER_BYTES)
    cipher = ["--cipher", encryption.cipher, "--key-size", str(encryption.key_bits), "--hash", encryption.hash]
    rounds = ["--pbkdf-force-iterations", str(iterations)]
    payload = ["--align-payload", str(LUKS_HEADER_BYTES // SECTOR_BYTES)]
    command = ["cryptsetup", "-q", "luksFormat", "--type", "luks1", *cipher, *rounds, *payload, "--key-file", "-", path]
    run(command, stdin=key, limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))
    header = read_header(path)
    if header.capacity != capacity:
        os.truncate(path, capacity + header.payload_offset)


def make_qcow2(path: str, capacity: int | None, backing: Backing | None, options: Sequence[str], effort: Effort) -> None:
    """Make a qcow2 image; over a backing image it may leave its capacity to that one."""
    below = ["-b", backing.path, "-F", backing.format] if backing else []
    size = [] if capacity is None else [str(capacity)]
    _qemu_img(
        ["create", "-q", "-f", "qcow2", *below, *(part for option in options for part in ("-o", option)), path, *size], effort
    )


def copy(source: Image, target: Image, effort: Effort) -> None:
    """Copy contents into an image that was made for it, from and to any format, out of and into encryption."""
    with ExitStack() as keys:
        arguments, descriptors = [], []
        for name, image in (("source", source), ("target", target)):
            if image.key is not None:
                fd = key_file(image.key)
                keys.callback(os.close, fd)
                descriptors.append(fd)
                arguments += ["--object", f"secret,id={name},format=raw,file=/dev/fd/{fd}"]
        images = [_options(source, "source"), _options(target, "target")]
        # -W: clusters may be written out of order, which is several times faster into a file nobody reads yet.
        _qemu_img(["convert", "-n", "-W", *arguments, "--image-opts", "--target-image-opts", *images], effort, descriptors)


def resize_qcow2(path: str, capacity: int, *, shrink: bool, effort: Effort) -> None:
    """Give a qcow2 image another capacity."""
    _qemu_img(["resize", "-q", "-f", "qcow2", *(["--shrink"] if shrink else []), path, str(capacity)], effort)


def _qemu_img(arguments: Sequence[str], effort: Effort, descriptors: Sequence[int] = ()) -> None:
    try:
        run(["qemu-img", *arguments], limit_s=effort.limit_s, keep_fds=(effort.lock_fd, *descriptors))
    except CommandFailed as error:
        if "Invalid password" in error.words:
            hint = "the secret's value does not open the volume: set the right passphrase"
            raise DriverError(error.text, code=Code.INVALID_SECRET, hint=hint) from None
        if '" lock' in error.words:  # as in: Failed to get "write" lock
            raise DriverError(error.text, code=Code.RESOURCE_BUSY, hint="a running guest has it open") from None
        raise


def _options(image: Image, key: str) -> str:
    file = f"file.driver=file,file.filename={image.path.replace(',', ',,')}"
    if image.key is not None:
        return f"driver=luks,{file},key-secret={key}"
    return f"driver={image.format},{file}"
