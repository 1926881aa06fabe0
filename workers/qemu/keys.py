"""Keys on their way to QEMU, and passwords at rest: never in an argument, the environment or a file in the clear."""

from __future__ import annotations

import os
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

    The key file is made when the first password comes, so that drivers without one never have a key.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def seal(self, uuid: str, password: str) -> bytes:
        """Encrypt a guest's password; an empty one stays empty. Raises PasswordLost."""
        if not password:
            return b""
        nonce = os.urandom(NONCE_BYTES)
        try:
            if not self._key_file.exists():
                write_file(self._key_file, os.urandom(KEY_BYTES))
            return nonce + self._cipher().encrypt(nonce, password.encode(), uuid.encode())
        except (OSError, ValueError) as error:
            raise PasswordLost(f"its VNC password cannot be kept: {error}", code=Code.SYSTEM_ERROR) from None

    def open(self, uuid: str, sealed: bytes) -> str:
        """Decrypt a guest's password. Raises PasswordLost."""
        if not sealed:
            return ""
        try:
            return self._cipher().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], uuid.encode()).decode()
        except (OSError, ValueError, InvalidTag):
            hint = "define the guest again, with its password"
            raise PasswordLost(f"its VNC password cannot be read with {self._key_file}", hint=hint) from None

    def _cipher(self) -> AESGCM:
        return AESGCM(self._key_file.read_bytes())
