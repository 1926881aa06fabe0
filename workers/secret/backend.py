"""Encryption at rest and a process that keeps to itself: the key, AES-GCM, no core dumps, no debugger."""

from __future__ import annotations

import ctypes
import os
import resource
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.files import evidence_path, make_folder, write_file
from tierhost.workers.secret.openssl import AESGCM, KEY_BYTES, NONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_BYTES: Final = 8
CREDENTIAL_BYTES_MAX: Final = 1 << 16
KEY_FILES: Final = ("master.key", "master.key.copy")
"""Two, because one damaged file must not cost every value."""

CREDENTIAL: Final = "master-key"
OTHERS_BITS: Final = 0o077
PR_SET_DUMPABLE: Final = 4
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class NoKey(DriverError):
    """Raised when the master key is missing or not safe to use. Nothing is encrypted with another one instead."""

    code = Code.INTERNAL_ERROR


class NotOurs(DriverError):
    """Raised when a ciphertext does not open: damaged, moved from another secret, or made with another key."""

    code = Code.INVALID_SECRET


class Vault(Protocol):
    """Turns values into what may be written down, and back."""

    def seal(self, value: bytes, association: bytes) -> bytes:
        """Encrypt a value, bound to `association`."""

    def open(self, sealed: bytes, association: bytes) -> bytes:
        """Decrypt it. Raises NotOurs."""


class AesGcmVault:
    """AES-256-GCM with a fresh nonce for each value."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: bytes, association: bytes) -> bytes:
        """Encrypt a value, bound to `association`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, association)

    def open(self, sealed: bytes, association: bytes) -> bytes:
        """Decrypt it. Raises NotOurs."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], association)
        except (InvalidTag, ValueError):
            reason = "its value does not open: damaged, moved, or encrypted with another master key"
            raise NotOurs(reason, hint="set the value again, or bring the right master key back and reload") from None


class ShutVault:
    """Stands where the vault would be while its key is missing: every use says why."""

    def __init__(self, why: NoKey) -> None:
        self._why = why

    def _refuse(self) -> NoKey:
        return NoKey(self._why.text, subject=self._why.subject, hint=self._why.hint)

    def seal(self, value: bytes, association: bytes) -> bytes:
        """Raise NoKey."""
        raise self._refuse()

    def open(self, sealed: bytes, association: bytes) -> bytes:
        """Raise NoKey."""
        raise self._refuse()


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key, never shown; which of its files had to be mended; and which could not be."""

    key: bytes = field(repr=False)
    mended: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


def keep_to_ourselves() -> None:
    """Allow no core dump, and nobody but root to look into this process's memory. Raises OSError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_DUMPABLE): {os.strerror(error)}")


def master_key(folder: Path, fits: Callable[[bytes], bool] | None) -> MasterKey:
    """Return the master key: from the service manager's credentials, else from two 0600 files in `folder`. Raises NoKey.

    `fits` tells whether a key opens what is encrypted; None means that nothing is, so that a first key may be made.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        return MasterKey(_from_credential(Path(credentials) / CREDENTIAL))
    paths = [folder / name for name in KEY_FILES]
    found = [_read(path) for path in paths]
    keys = [key for key in found if key is not None]
    if keys:
        key = next((key for key in keys if fits is not None and fits(key)), keys[0])
    elif fits is None and not any(os.path.lexists(path) for path in paths):
        key = os.urandom(KEY_BYTES)
    else:
        reason = "the master key and its copy are missing or damaged" + (", and values are encrypted with it" if fits else "")
        hint = (
            f"bring {KEY_FILES[0]} back and reload; a new key could not open the values"
            if fits
            else "remove what is left of both"
        )
        raise NoKey(reason, subject=str(paths[0]), hint=hint)
    return _with_both_files(paths, found, key)


def _with_both_files(paths: list[Path], found: list[bytes | None], key: bytes) -> MasterKey:
    """Write the key where it is not. A key that is in one file is good to use; a first key must be in at least one."""
    mended, troubles = [], []
    for path, one in zip(paths, found, strict=True):
        if one == key:
            continue
        try:
            mended.append(_replace(path, key))
        except OSError as error:
            troubles.append(f"{path} cannot be written: {error.strerror}")
    if len(troubles) == len(paths):
        raise NoKey(troubles[0], subject=str(paths[0].parent), hint="is the disk full or read-only?")
    first = not any(found)
    return MasterKey(key, () if first else tuple(mended), tuple(troubles))


def _from_credential(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(CREDENTIAL_BYTES_MAX)
    if not data:
        raise NoKey("the credential is empty", subject=str(path), hint="give the service a master-key credential with content")
    # Any secret text is good enough for a person; the cipher wants 32 bytes.
    return data if len(data) == KEY_BYTES else blake2b(data, digest_size=KEY_BYTES).digest()


def _read(path: Path) -> bytes | None:
    """Return the key in a file; None if it is missing or damaged. Raises NoKey when others could have read or written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoKey(
            f"cannot be opened: {error.strerror}", subject=str(path), hint="it must be a plain file of mode 0600"
        ) from None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & OTHERS_BITS:
            reason = f"belongs to uid {status.st_uid} and has mode {status.st_mode & 0o7777:04o}, so others may know the key"
            hint = f"chown it to uid {os.geteuid()}, chmod it 0600 and reload, after asking who could read it"
            raise NoKey(reason, subject=str(path), hint=hint)
        data = os.read(descriptor, KEY_BYTES + CHECK_BYTES + 1)
    except IsADirectoryError:
        return None
    finally:
        os.close(descriptor)
    key, check = data[:KEY_BYTES], data[KEY_BYTES:]
    return key if len(key) == KEY_BYTES and check == _check(key) else None


def _check(key: bytes) -> bytes:
    return blake2b(key, digest_size=CHECK_BYTES, person=b"tierhost-key").digest()


def _replace(path: Path, key: bytes) -> str:
    """Write one of the two files, and say what was wrong with it; what stood there is kept beside it. Raises OSError."""
    make_folder(path.parent)
    told = "was missing"
    if os.path.lexists(path):
        told = "was damaged, or held another key"
        path.replace(evidence_path(path))
    write_file(path, key + _check(key))
    return f"{path.name} {told}"
