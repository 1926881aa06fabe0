"""The end of a thread that waits on descriptors: anybody may put it, the thread sees it among what it polls."""

from __future__ import annotations

import os


class End:
    """An event that happens once. Its descriptor lives as long as anybody holds the object, so it is never another's."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def put(self) -> None:
        """Make `fd` readable from now on. From any thread, as often as one likes."""
        os.eventfd_write(self.fd, 1)

    def __del__(self) -> None:
        os.close(self.fd)
