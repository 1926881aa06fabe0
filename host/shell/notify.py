"""Tell whoever started us how far we are: the service manager (sd_notify(3)), and the starter's pipe."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress


class ServiceManager:
    """Speaks to $NOTIFY_SOCKET; without one every word is dropped. Words are states such as "READY=1"."""

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) if address else None
        )

    def tell(self, *states: str) -> None:
        """Send one datagram. A manager that does not listen is its own problem, not ours."""
        if self._socket is None:
            return
        # One state a line: a reason in several lines is not several states.
        words = "\n".join(state.replace("\n", " ") for state in states)
        try:
            self._socket.sendto(words.encode("utf-8", "backslashreplace"), self._address)
        except BlockingIOError:
            return
        except OSError:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Give the socket back, if there is one."""
        if self._socket is not None:
            self._socket.close()


class Readiness:
    """Says "ready" once, when every tier is as far as it will get by itself."""

    def __init__(self, service_manager: ServiceManager, fd: int | None, *, progress: bool = False) -> None:
        self._service_manager = service_manager
        self._fd = fd
        self._progress = progress
        self._said = False

    def tier(self, text: str) -> None:
        """Another tier came up, or is held up; the next one may take its time."""
        self._service_manager.tell(f"STATUS={text}", "EXTEND_TIMEOUT_USEC=60000000")
        self._show(text)

    def settled(self, text: str) -> None:
        """All tiers are as far as they get. Only the first time counts."""
        if self._said:
            return
        self._said = True
        self._service_manager.tell("READY=1", f"STATUS={text}", f"MAINPID={os.getpid()}")
        if self._fd is not None:
            with suppress(OSError):
                # Whoever started us has stopped waiting: the host is as ready as before.
                os.write(self._fd, text.encode("utf-8", "backslashreplace"))
            os.close(self._fd)
            self._fd = None

    def stopping(self) -> None:
        """The host is on its way out."""
        self._service_manager.tell("STOPPING=1")
        self._show("ended")
        self._service_manager.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _show(self, text: str) -> None:
        """Tell the person in front of the terminal, as long as there is one."""
        if self._progress:
            try:
                sys.stderr.write(text + "\n")
                sys.stderr.flush()
            except OSError:
                self._progress = False
