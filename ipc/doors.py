"""A listening socket at a path of its own, that turns callers away when the process has no descriptors left for them."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from tierhost.ipc.endpoints import inode_of, make_way, private_files

BACKLOG = 128


class Door:
    """For one thread; never waits."""

    def __init__(self, path: str) -> None:
        """Listen. Raises AddressInUse, or OSError if the path cannot be used."""
        self._path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            make_way(path)
            with private_files():
                self._listening.bind(path)
            self._listening.listen(BACKLOG)
        except OSError as error:
            self._listening.close()
            error.filename = error.filename or path
            raise
        self._inode = inode_of(path)
        self._reserve = _reserve()

    def fileno(self) -> int:
        """Return what becomes readable when somebody knocks."""
        return self._listening.fileno()

    def accept(self) -> socket.socket | None:
        """Return the connection of the next caller; None: nobody knocks, or there is nothing left to take one with."""
        while True:
            try:
                raw, _ = self._listening.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                # Gone already; or we have no descriptors left: who is let wait would keep us looking, without end.
                if error.errno == errno.ECONNABORTED or (error.errno in {errno.EMFILE, errno.ENFILE} and self._turn_away()):
                    continue
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    return None
                raise
            raw.setblocking(False)
            return raw

    def _turn_away(self) -> bool:
        """Hang up on the next caller, with the descriptor that is kept for this. False: another thread took it first."""
        if self._reserve >= 0:
            os.close(self._reserve)
        try:
            self._listening.accept()[0].close()
        except OSError:
            return False
        finally:
            self._reserve = _reserve()
        return True

    def close(self) -> None:
        """Close it, and take its path away unless somebody else has it by now."""
        self._listening.close()
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
        if inode_of(self._path) == self._inode:
            Path(self._path).unlink(missing_ok=True)


def _reserve() -> int:
    """Open a descriptor of nothing; -1 if there is none to be had."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return -1
