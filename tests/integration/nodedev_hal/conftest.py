"""A private bus, and on it, if a test wants one, the peer that speaks HAL's protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import until
from tierhost.workers.nodedev_hal.driver import NodedevHalDriver
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

    from tierhost.workers.runtime.testing import LifeInTest

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""
LIMIT_S = 10.0


class PrivateBus:
    """One dbus-daemon and one peer, which can be killed, stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemon: subprocess.Popen[str] | None = None
        self.peer: subprocess.Popen[str] | None = None
        (folder / "conf").write_text(CONFIG.format(folder=folder))

    @property
    def address(self) -> str:
        return f"unix:path={self.folder}/bus"

    def start_daemon(self) -> None:
        self.end(self.daemon)
        (self.folder / "bus").unlink(missing_ok=True)
        argv = ["dbus-daemon", f"--config-file={self.folder}/conf", "--nofork", "--nopidfile", "--print-address"]
        self.daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.daemon.stdout is not None
        assert self.daemon.stdout.readline().startswith("unix:")

    def start_peer(self) -> None:
        self.end(self.peer)
        argv = [sys.executable, "-m", "tests.integration.nodedev_hal.hal_peer", self.address]
        self.peer = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hear("ready")

    def hear(self, word: str) -> None:
        assert self.peer is not None
        assert self.peer.stdout is not None
        assert self.peer.stdout.readline() == f"{word}\n"

    def tell(self, *words: Any) -> None:
        """Let a device come, change or go."""
        assert self.peer is not None
        assert self.peer.stdin is not None
        self.peer.stdin.write(json.dumps(words) + "\n")
        self.peer.stdin.flush()
        self.hear("done")

    @staticmethod
    def end(process: subprocess.Popen[str] | None) -> None:
        """SIGKILL it, also while it is stopped."""
        if process is not None:
            process.kill()
            process.communicate(timeout=LIMIT_S)

    @contextmanager
    def life(self, boot_id: str = "boot 1", **options: Any) -> Iterator[LifeInTest]:
        """Live once on this bus."""
        config = {"bus_address": self.address, "owner": True, **options}
        with live(NodedevHalDriver, self.folder / "life", config=config, boot_id=boot_id) as one:
            try:
                yield one
            finally:
                one.driver.state_cleanup()

    def send(self, process: subprocess.Popen[str] | None, number: signal.Signals) -> None:
        assert process is not None
        process.send_signal(number)


def told(one: LifeInTest, kind: str, name: str) -> None:
    """Wait until the driver tells of a device."""
    until(lambda: (kind, name) in [event[:2] for event in list(one.host.events)], f"{kind} {name}: {one.host.events}")


@pytest.fixture
def bus() -> Iterator[PrivateBus]:
    """A bus without anybody on it."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed")
    made = PrivateBus(Path(tempfile.mkdtemp(prefix="thh", dir="/tmp")))
    try:
        made.start_daemon()
        yield made
    finally:
        made.end(made.peer)
        made.end(made.daemon)
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def hal(bus: PrivateBus) -> PrivateBus:
    """A bus with the peer on it."""
    bus.start_peer()
    return bus
