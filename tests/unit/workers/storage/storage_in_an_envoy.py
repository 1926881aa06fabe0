"""A module for an envoy that the tests understand: no library, and every way to behave badly."""

from __future__ import annotations

import errno
import os
import select
import signal
from typing import Any


def open_storage(settings: dict[str, Any], key: bytes) -> Here:
    """Open it, unless the key is wrong."""
    if key != settings["expected"].encode():
        raise OSError(errno.EACCES, "the key is wrong")
    return Here()


class Here:
    """The calls."""

    def echo(self, *, deadline_s: float, data: bytes, word: str) -> tuple[Any, bytes]:
        """Answer what was said, twice."""
        return [word, deadline_s > 0], data * 2

    def fail(self, **_: Any) -> tuple[Any, bytes]:
        """Refuse as a library does."""
        raise OSError(errno.ENOENT, "no such image")

    def fall_over(self, **_: Any) -> tuple[Any, bytes]:
        """Have a bug."""
        raise ZeroDivisionError

    def hang(self, **_: Any) -> tuple[Any, bytes]:
        """Never come back."""
        select.select([], [], [])
        return None, b""

    def stop(self, **_: Any) -> tuple[Any, bytes]:
        """Stop the whole process."""
        os.kill(os.getpid(), signal.SIGSTOP)
        return self.hang()

    def crash(self, **_: Any) -> tuple[Any, bytes]:
        """Take the process down."""
        os._exit(3)
