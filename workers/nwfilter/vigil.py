"""Who sees that somebody flushed or changed our tables: one thread on the kernel's own news about nftables."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

NETLINK_NETFILTER: Final = 12
NEWS_GROUP: Final = 1 << (7 - 1)
"""NFNLGRP_NFTABLES, as the bit that a socket is bound with."""

SUBSYSTEM: Final = 10
GENERATION: Final = 15
"""NFNL_SUBSYS_NFTABLES; and the message that ends each transaction, which names no table."""

BRIDGE_FAMILY: Final = 7
TABLE_ATTRIBUTE: Final = 1
"""The table's name has this number in messages about tables, chains, rules and sets alike."""

HEADER: Final = struct.Struct("=IHHII")
FAMILY: Final = struct.Struct("=BBH")
ATTRIBUTE: Final = struct.Struct("=HH")
NEWS_BYTES_MAX: Final = 1 << 18
RECEIVE_BYTES: Final = 4 << 20


def changed_tables(news: bytes) -> set[str]:
    """The bridge tables that one message of the kernel is about. Pure."""
    found: set[str] = set()
    at = 0
    while at + HEADER.size <= len(news):
        length, kind, *_ = HEADER.unpack_from(news, at)
        if length < HEADER.size or at + length > len(news):
            break
        if kind >> 8 == SUBSYSTEM and kind & 0xFF != GENERATION and length >= HEADER.size + FAMILY.size:
            name = _table(news[at + HEADER.size : at + length])
            if name:
                found.add(name)
        at += length + (-length % 4)
    return found


def _table(body: bytes) -> str:
    if FAMILY.unpack_from(body)[0] != BRIDGE_FAMILY:
        return ""
    at = FAMILY.size
    while at + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, at)
        if length < ATTRIBUTE.size or at + length > len(body):
            return ""
        if kind & 0x3FFF == TABLE_ATTRIBUTE:
            return body[at + ATTRIBUTE.size : at + length].rstrip(b"\0").decode(errors="replace")
        at += length + (-length % 4)
    return ""


class Vigil:
    """Calls `changed(names)` for tables that changed, whoever did it; with None when news were lost: look at all of them."""

    def __init__(self, changed: Callable[[set[str] | None], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = -1

    def begin(self) -> None:
        """Watch from now on; said again, nothing happens."""
        with self._lock:
            if self._thread is not None:
                return
            news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
            news.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            news.bind((0, NEWS_GROUP))
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._thread = threading.Thread(target=self._run, args=(news,), name="vigil", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for it."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            os.eventfd_write(self._wake, 1)
        thread.join()
        os.close(self._wake)

    def _run(self, news: socket.socket) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        poller.register(news.fileno(), select.POLLIN)
        with news:
            while not any(fd == self._wake for fd, _ in poller.poll()):
                changed = _read(news)
                if changed is None or changed:
                    self._changed(changed)


def _read(news: socket.socket) -> set[str] | None:
    """Everything that is told by now; None if the kernel had more to tell than it keeps."""
    found: set[str] = set()
    try:
        while True:
            found |= changed_tables(news.recv(NEWS_BYTES_MAX))
    except BlockingIOError:
        return found
    except OSError:
        return None
