"""Keys on their way to QEMU: never in an argument, the environment or a file in the clear (libvirt's master key scheme)."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tierhost.workers.qemu.command_line import Wrapped

MASTER_KEY_BYTES = 32
BLOCK_BITS = 128


class MasterKey:
    """One guest's key, made fresh for each start; QEMU reads it from a memory file that no path leads to."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or os.urandom(MASTER_KEY_BYTES)

    def memory_file(self) -> int:
        """Return a file descriptor to hand to QEMU; the caller closes its own copy."""
        fd = os.memfd_create("key", os.MFD_CLOEXEC)
        os.write(fd, self.key)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def wrap(self, value: bytes) -> Wrapped:
        """Encrypt a secret the way QEMU's `secret` object expects it: AES-256-CBC, PKCS#7."""
        iv = os.urandom(BLOCK_BITS // 8)
        padder = padding.PKCS7(BLOCK_BITS).padder()
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(iv)).encryptor()
        return Wrapped(encryptor.update(padder.update(value) + padder.finalize()) + encryptor.finalize(), iv)
