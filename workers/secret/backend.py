"""Encryption at rest and a process that keeps to itself: the key, AES-GCM, no core dumps, no debugger."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tierhost.workers.runtime.contract import Code, DriverError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
CHECK_BYTES: Final = 8
KEY_FILE: Final = "master.key"
CREDENTIAL: Final = "master-key"
PR_SET_DUMPABLE: Final = 4


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
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, association)

    def open(self, sealed: bytes, association: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], association)
        except (InvalidTag, ValueError):
            reason = "its value does not open: damaged, moved, or encrypted with another master key"
            raise NotOurs(reason, hint="set the value again, or bring the right master key back") from None


def keep_to_ourselves() -> None:
    """No core dumps, and nobody but root looks into this process's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def master_key(folder: Path, *, may_make: bool) -> bytes:
    """Return the master key: from the service manager's credentials, else from two 0600 files in `folder`.

    `may_make`: nothing is encrypted yet, so a first key may be made. Raises NoKey.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        data = (Path(credentials) / CREDENTIAL).read_bytes()
        # Any length of secret text is good enough for a person; the cipher wants 32 bytes.
        return data if len(data) == KEY_BYTES else hashlib.blake2b(data, digest_size=KEY_BYTES).digest()
    paths = [folder / KEY_FILE, folder / f"{KEY_FILE}.copy"]
    found = [_read(path) for path in paths]
    key = next((one for one in found if one is not None), None)
    if key is None:
        if not may_make or any(path.exists() for path in paths):
            reason = f"{paths[0]} and its copy are missing or damaged, and values are encrypted with what was in them"
            raise NoKey(reason, hint="bring one of them back; a new key could not open the values")
        key = os.urandom(KEY_BYTES)
    for path, one in zip(paths, found, strict=True):
        if one != key:
            _write(path, key)
    return key


def _read(path: Path) -> bytes | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        reason = f"{path} belongs to uid {status.st_uid} and has mode {status.st_mode & 0o777:04o}"
        raise NoKey(reason, hint=f"chown it to uid {os.geteuid()} and chmod it 0600, after asking who could read it")
    data = path.read_bytes()
    key, check = data[:KEY_BYTES], data[KEY_BYTES:]
    return key if len(data) == KEY_BYTES + CHECK_BYTES and check == _check(key) else None


def _check(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=CHECK_BYTES, person=b"tierhost-key").digest()


def _write(path: Path, key: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, key + _check(key))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
