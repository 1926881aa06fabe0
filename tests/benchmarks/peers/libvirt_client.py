"""A client of libvirtd that is there before libvirtd is: Debian's own binding, its imports done, its socket watched.

usage: /usr/bin/python3 libvirt_client.py SOCKET. One JSON order per line on stdin, one JSON answer per line on stdout.
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import libvirt

LOOK_AGAIN_S = 0.0005
PATIENCE_S = 60.0


class Client:
    """The orders it takes are its methods."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: Any = None

    def open(self) -> float:
        """Connect as soon as somebody listens; return when that was done."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self._path)
                    break
                except OSError:
                    if time.monotonic() > deadline_s:
                        raise
                    time.sleep(LOOK_AGAIN_S)
        self._connection = libvirt.open(f"qemu+unix:///system?socket={self._path}")
        return time.monotonic()

    def close(self) -> None:
        """Forget the connection; libvirtd may be dead already."""
        try:
            self._connection.close()
        except libvirt.libvirtError:
            return

    def define(self, secrets: list[tuple[str, str]], pools: list[str], guests: list[str]) -> None:
        """Define everything; start the pools and the guests."""
        for xml, value in secrets:
            self._connection.secretDefineXML(xml).setValue(value.encode())
        for xml in pools:
            self._connection.storagePoolDefineXML(xml).create()
        for xml in guests:
            self._connection.defineXML(xml).create()

    def listed(self, secrets: int, pools: int, guests: int) -> dict[str, float]:
        """From connecting on: when the first list came, and when everything was there and every guest's monitor answered."""
        self.open()
        running = self._until(lambda: self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING), 0)
        first_s = time.monotonic()
        running = self._until(lambda: self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING), guests)
        self._until(lambda: self._connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE), pools)
        self._until(self._connection.listAllSecrets, secrets)
        list_s = time.monotonic()
        for guest in running:
            # Needs the guest's job, which its re-attachment holds until it is done.
            guest.memoryStats()
        return {"first_s": first_s, "list_s": list_s, "all_s": time.monotonic()}

    def _until(self, ask: Callable[[], list[Any]], count: int) -> list[Any]:
        deadline_s = time.monotonic() + PATIENCE_S
        while len(found := ask()) < count:
            if time.monotonic() > deadline_s:
                message = f"{len(found)} of {count} came back"
                raise TimeoutError(message)
        return found

    def values(self, uuid: str, count: int) -> list[float]:
        """Look one secret's value up, again and again; return how long each time took."""
        secret = self._connection.secretLookupByUUIDString(uuid)
        times = []
        for _ in range(count):
            start_s = time.perf_counter()
            secret.value()
            times.append(time.perf_counter() - start_s)
        return times


def main() -> None:
    """Carry out orders until stdin ends."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    client = Client(sys.argv[1])
    for line in sys.stdin:
        method, arguments = json.loads(line)
        answer = getattr(client, method)(**arguments)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
