"""Who sees that a dnsmasq has died, or a bridge is gone, while nobody asks: one thread on pidfds and the kernel's own news."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.detached import Detached

RTMGRP_LINK: Final = 1
RTM_DELLINK: Final = 17
HEADER: Final = struct.Struct("=IHHII")
LINK_INFO: Final = struct.Struct("=BxHi")
NEWS_BYTES_MAX: Final = 1 << 16
ROUND_S: Final = 1.0
"""How often every dnsmasq is looked at for being stopped, of which the kernel gives no news."""


def deleted_links(news: bytes) -> list[int]:
    """The numbers of devices that are gone, in one message of the kernel. A port that left its bridge is not gone. Pure."""
    found, at = [], 0
    while at + HEADER.size <= len(news):
        length, kind, *_ = HEADER.unpack_from(news, at)
        if length < HEADER.size or at + length > len(news):
            break
        if kind == RTM_DELLINK and length >= HEADER.size + LINK_INFO.size:
            family, _, index = LINK_INFO.unpack_from(news, at + HEADER.size)
            if family == socket.AF_UNSPEC:
                found.append(index)
        at += length + (-length % 4)
    return found


class Vigil:
    """Watches over what is active. Begins with the first network; a thread of its own, which calls back and waits for nobody."""

    def __init__(self, lost: Callable[[str, str], None], stopped: Callable[[str, bool], None]) -> None:
        """`lost(uuid, what)`: "dnsmasq" or "bridge" is gone. `stopped(uuid, yes)`: its dnsmasq was stopped, or goes on."""
        self._lost = lost
        self._stopped = stopped
        self._lock = threading.Lock()
        self._processes: dict[str, Detached] = {}
        self._bridges: dict[str, int] = {}
        self._halted: set[str] = set()
        self._wake = -1
        self._closed = False

    def watch(self, uuid: str, process: Detached | None, index: int) -> None:
        """Watch over a network from now on: its dnsmasq, if it has one, and its bridge."""
        with self._lock:
            self._bridges[uuid] = index
            if process is not None:
                self._processes[uuid] = process
            else:
                self._processes.pop(uuid, None)
            if self._wake < 0 and not self._closed:
                self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
                news.bind((0, RTMGRP_LINK))
                threading.Thread(target=self._run, args=(news,), name="vigil", daemon=True).start()
        self._rouse()

    def forget(self, uuid: str) -> None:
        """Watch over a network no longer."""
        with self._lock:
            self._bridges.pop(uuid, None)
            self._processes.pop(uuid, None)
            self._halted.discard(uuid)
        self._rouse()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._rouse()

    def _rouse(self) -> None:
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _run(self, news: socket.socket) -> None:
        with news:
            while not self._closed:
                with self._lock:
                    processes = dict(self._processes)
                poller = select.poll()
                for fd in (self._wake, news.fileno(), *(process.pidfd for process in processes.values())):
                    poller.register(fd, select.POLLIN)
                poller.poll(ROUND_S * 1000 if processes else None)
                self._drain()
                self._look_at(processes)
                self._read(news)
        with self._lock:
            os.close(self._wake)
            self._wake = -1

    def _drain(self) -> None:
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return

    def _look_at(self, processes: dict[str, Detached]) -> None:
        for uuid, process in processes.items():
            if process.is_gone():
                with self._lock:
                    known = self._processes.get(uuid) is process
                    if known:
                        del self._processes[uuid]
                if known:
                    self._lost(uuid, "dnsmasq")
            elif process.is_stopped() != (uuid in self._halted):
                halted = uuid not in self._halted
                self._halted ^= {uuid}
                self._stopped(uuid, halted)

    def _read(self, news: socket.socket) -> None:
        gone: set[int] = set()
        try:
            while True:
                gone.update(deleted_links(news.recv(NEWS_BYTES_MAX)))
        except BlockingIOError:
            pass
        except OSError:
            # More happened than the kernel keeps for us: look whether each bridge is there.
            with self._lock:
                gone.update(index for index in self._bridges.values() if not _is_there(index))
        with self._lock:
            lost = [uuid for uuid, index in self._bridges.items() if index in gone]
            for uuid in lost:
                del self._bridges[uuid]
        for uuid in lost:
            self._lost(uuid, "bridge")


def _is_there(index: int) -> bool:
    try:
        return bool(socket.if_indextoname(index))
    except OSError:
        return False
