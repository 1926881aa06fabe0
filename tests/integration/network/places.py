"""Network namespaces for tests: one that the driver works in, and some that stand for guests and for the world outside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tierhost.workers.runtime.commands import SYSTEM_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLONE_NEWNET: Final = 0x40000000
PACKAGES: Final = {"ip": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq-base", "busybox": "busybox-static"}
LIBC: Final = ctypes.CDLL(None, use_errno=True)


def need(*programs: str) -> None:
    """Skip a test where it cannot be run."""
    if os.geteuid() != 0:
        pytest.skip("only root may make networks")
    for program in ("ip", *programs):
        if shutil.which(program, path=SYSTEM_PATHS) is None:
            pytest.skip(f"the package {PACKAGES[program]} is not installed")


class Place:
    """A network namespace. It lives as long as this descriptor, or a process in it."""

    def __init__(self) -> None:
        made: list[int] = []

        def make() -> None:
            if LIBC.unshare(CLONE_NEWNET) == 0:
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            pytest.skip("no network namespace can be made here")
        self.fd = made[0]
        with self.entered():
            run("ip", "link", "set", "lo", "up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in it with this thread, and with whatever this thread starts."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            assert LIBC.setns(self.fd, CLONE_NEWNET) == 0
            yield
        finally:
            assert LIBC.setns(before, CLONE_NEWNET) == 0
            os.close(before)

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        with self.entered():
            return run(*argv, check=check)

    @property
    def path(self) -> str:
        """How `ip` knows it."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def processes(self) -> list[int]:
        """Every process in it."""
        inode = os.fstat(self.fd).st_ino
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _inode(pid) == inode]

    def close(self) -> None:
        """End what runs in it, and let it go."""
        for pid in self.processes():
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        os.close(self.fd)


def _inode(pid: str) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=20, check=False, env={"PATH": SYSTEM_PATHS, "LC_ALL": "C"}
    )
    if check:
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


class Guest:
    """Stands for a guest: a namespace of its own whose eth0 is plugged into a bridge by a pair of Ethernet devices."""

    def __init__(self, number: int) -> None:
        self.place = Place()
        self.device = f"guest{number}"
        self.mac = f"52:54:00:00:77:{number:02x}"
        pair = ["link", "add", self.device, "type", "veth", "peer", "name", "eth0", "address", self.mac, "netns", self.place.path]
        run("ip", *pair)
        run("ip", "link", "set", self.device, "up")
        self.place.run("ip", "link", "set", "eth0", "up")

    def plug(self, bridge: str) -> None:
        """Put its cable into a bridge."""
        run("ip", "link", "set", self.device, "master", bridge)

    def address(self, address: str, router: str = "") -> None:
        """Give it an address by hand."""
        self.place.run("ip", "addr", "add", address, "dev", "eth0")
        if router:
            self.place.run("ip", "route", "add", "default", "via", router)

    def ask_for_address(self, folder: Path) -> str:
        """Ask for an address by DHCP, take it, and return it; nothing if nobody gives one."""
        script = folder / "udhcpc"
        script.write_text(
            "#!/bin/sh\n"
            '[ "$1" = bound ] || exit 0\n'
            "ip addr replace $ip/$mask dev $interface\n"
            '[ -z "$router" ] || ip route replace default via $router\n'
            "echo given $ip\n"
        )
        script.chmod(0o755)
        argv = ["busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-t", "3", "-T", "1", "-s", str(script)]
        said = self.place.run(*argv, check=False).stdout
        return next((line.split()[1] for line in said.splitlines() if line.startswith("given ")), "")

    def reaches(self, address: str) -> bool:
        """Whether an address answers it."""
        return self.place.run("busybox", "ping", "-c", "1", "-W", "1", address, check=False).returncode == 0

    def close(self) -> None:
        """Pull its cable, and end it."""
        self.place.close()


class Chatter:
    """Two guests that send each other numbered words through the bridge, so that a single one that is lost is seen."""

    def __init__(self, one: Guest, other: Guest, address: str) -> None:
        with other.place.entered():
            self._ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._ear.bind((address, 7777))
            self._ear.settimeout(1.0)
        with one.place.entered():
            self._mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = (address, 7777)
        self.words = 0
        self.lost = 0

    def say(self) -> None:
        """Send one word, and wait for it."""
        self.words += 1
        word = str(self.words).encode()
        self._mouth.sendto(word, self._to)
        try:
            while self._ear.recv(100) != word:
                pass
        except TimeoutError:
            self.lost += 1

    def until(self, condition: Callable[[], object]) -> None:
        """Go on until something has happened."""
        while not condition():
            self.say()

    def close(self) -> None:
        """Fall silent."""
        self._ear.close()
        self._mouth.close()
