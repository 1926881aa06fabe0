"""The envoy's own side: one thread per call, the library opened by the first of them, the end when the worker is gone.

The module it is told to load has `open_storage(settings, key)`, which returns an object whose public methods are the
calls: they take `deadline_s`, `data` and the call's arguments, and return an answer for JSON and bytes. They raise OSError.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import importlib
import json
import os
import resource
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

from tierhost.workers.storage.envoy_frames import receive, send

FIRST_BYTES_MAX: Final = 64 << 10
FDS_MAX: Final = 2
PR_SET_DUMPABLE: Final = 4


def main() -> None:
    """Serve until the worker is gone. Arguments: the folder of the package, the socket's descriptor."""
    # Nobody but root reads the key out of our memory, and no core file has it.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = socket.socket(fileno=int(sys.argv[2]))
    first = control.recv(FIRST_BYTES_MAX)
    if first:
        words = json.loads(first)
        storage = _Storage(words["module"], words["settings"], base64.b64decode(words["key"]))
        _serve(control, storage)
    os._exit(0)


class _Storage:
    """The library's object: opened by the first call that needs it, and again by the next if that failed."""

    def __init__(self, module: str, settings: dict[str, Any], key: bytes) -> None:
        self._module, self._settings, self._key = module, settings, key
        self._lock = threading.Lock()
        self._opened: Any = None

    def call(self, words: dict[str, Any], data: bytes, deadline_s: float) -> tuple[Any, bytes]:
        with self._lock:
            if self._opened is None:
                self._opened = importlib.import_module(self._module).open_storage(self._settings, self._key)
        name = words["method"]
        if name.startswith("_"):
            raise OSError(errno.ENOSYS, name)
        answer: tuple[Any, bytes] = getattr(self._opened, name)(deadline_s=deadline_s, data=data, **words["arguments"])
        return answer


def _serve(control: socket.socket, storage: _Storage) -> None:
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, FDS_MAX)
        if not message:
            return  # whatever a thread is waiting for in there: it ends with the process
        threading.Thread(target=_answer, args=(storage, descriptors), daemon=True).start()


def _answer(storage: _Storage, descriptors: list[int]) -> None:
    """Serve one call. The second descriptor is the lock of an act: it is held until the call is over."""
    try:
        with socket.socket(fileno=descriptors[0]) as sock, suppress(OSError, EOFError):
            words, data = receive(sock, time.monotonic() + 60.0)
            deadline_s = time.monotonic() + words["limit_s"]
            reply, payload = _made(storage, words, data, deadline_s)
            send(sock, reply, payload, time.monotonic() + 60.0)
    finally:
        for fd in descriptors[1:]:
            os.close(fd)


def _made(storage: _Storage, words: dict[str, Any], data: bytes, deadline_s: float) -> tuple[dict[str, Any], bytes]:
    if not words["method"]:
        return {"answer": None}, b""  # a beat
    try:
        answer, payload = storage.call(words, data, deadline_s)
    except OSError as error:
        return {"errno": error.errno or errno.EIO, "text": error.strerror or str(error)}, b""
    return {"answer": answer}, payload
