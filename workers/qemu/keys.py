"""Keys on their way to QEMU, and passwords at rest: never in an argument, the environment or a file in the clear."""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tierhost.workers.qemu.blocks import Wrapped
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.files import write_file

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
CHECK_BYTES: Final = 8
BLOCK_BITS: Final = 128


class MasterKey:
    """One guest's key, made fresh for each start (libvirt's scheme); QEMU reads it from a memory file that no path leads to."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or os.urandom(KEY_BYTES)

    def memory_file(self) -> int:
        """Return a descriptor to hand to QEMU; the caller closes its own copy."""
        fd = os.memfd_create("key", os.MFD_CLOEXEC)
        os.write(fd, self.key)
        return fd

    def wrap(self, value: bytes) -> Wrapped:
        """Encrypt a secret the way QEMU's `secret` object expects it: AES-256-CBC, PKCS#7."""
        iv = os.urandom(BLOCK_BITS // 8)
        padder = padding.PKCS7(BLOCK_BITS).padder()
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(iv)).encryptor()
        return Wrapped(encryptor.update(padder.update(value) + padder.finalize()) + encryptor.finalize(), iv)


class PasswordLost(DriverError):
    """Raised when a VNC password cannot be kept, or one on record can no longer be read."""

    code = Code.INVALID_SECRET


class Passwords:
    """VNC passwords of definitions at rest: AES-GCM, bound to their guest, under a key of this driver's own.

    The key is made when the first password comes, so that drivers without one never have a key. It is in two files,
    because one damaged file must not cost every password.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_files = (key_file, key_file.with_name(f"{key_file.name}.copy"))

    def seal(self, uuid: str, password: str) -> bytes:
        """Encrypt a guest's password; an empty one stays empty. Raises PasswordLost."""
        if not password:
            return b""
        nonce = os.urandom(NONCE_BYTES)
        try:
            if not any(path.exists() for path in self._key_files):
                self._write(os.urandom(KEY_BYTES))
            return nonce + AESGCM(self._keys()[0]).encrypt(nonce, password.encode(), uuid.encode())
        except (OSError, ValueError, IndexError) as error:
            raise PasswordLost(f"its VNC password cannot be kept: {error}", code=Code.SYSTEM_ERROR) from None

    def open(self, uuid: str, sealed: bytes) -> str:
        """Decrypt a guest's password. Raises PasswordLost."""
        if not sealed:
            return ""
        for key in self._keys():
            with suppress(InvalidTag, ValueError):
                return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], uuid.encode()).decode()
        reason = f"its VNC password cannot be read with {self._key_files[0]}"
        raise PasswordLost(reason, hint="define the guest again, with its password")

    def _keys(self) -> list[bytes]:
        """Return what the files hold, after mending one from the other."""
        found = [_read_key(path) for path in self._key_files]
        keys = [key for key in found if key]
        if keys and len(keys) < len(found):
            # Where that cannot be written, one file is as good as two, until it can be.
            with suppress(OSError):
                self._write(keys[0])
        return keys

    def _write(self, key: bytes) -> None:
        for path in self._key_files:
            if _read_key(path) != key:
                write_file(path, key + _check(key))


def _read_key(path: Path) -> bytes:
    """Return the key in a file; nothing if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    key, check = content[:KEY_BYTES], content[KEY_BYTES:]
    return key if check == _check(key) else b""


def _check(key: bytes) -> bytes:
    return blake2b(key, digest_size=CHECK_BYTES, person=b"tierhost-vnc").digest()
