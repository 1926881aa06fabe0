"""What happens on a machine of its own; each scene looks at what the driver makes of it. test_hot_plug runs each."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.namespaces import ip
from tests.waiting import until
from tierhost.workers.nodedev_udev import backend, following
from tierhost.workers.nodedev_udev.driver import NodedevUdevDriver
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.runtime.testing import LifeInTest

LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81
LOOP_NUMBER_MIN = 1_000
UDEVD = "systemd-udevd"
UDEVD_PATHS = f"/usr/lib/systemd:/lib/systemd:{os.environ.get('PATH', '')}"
BURST = 200


@contextmanager
def life() -> Iterator[LifeInTest]:
    with tempfile.TemporaryDirectory(prefix="thn") as folder, live(NodedevUdevDriver, Path(folder)) as one:
        try:
            yield one
        finally:
            one.driver.state_cleanup()


def told(one: LifeInTest, kind: str, part: str) -> str:
    """Wait until the driver tells of a device with this in its name; return the name."""

    def look() -> str | None:
        names = [subject for told_kind, subject, _ in list(one.host.events) if told_kind == kind and part in subject]
        return names[-1] if names else None

    return until(look, f"{kind} {part}; told so far: {one.host.events}")


def cards() -> None:
    """A pair of cards comes, one is renamed, both go."""
    with life() as one:
        ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
        name = told(one, "node-device-added", "net_p0")
        told(one, "node-device-added", "net_p1")
        assert "<interface>p0</interface>" in one.call("node_device_get_xml_desc", name)
        assert one.call("node_device_get_parent", name) == "computer"
        ip("link", "set", "p0", "name", "q0")
        told(one, "node-device-removed", "net_p0")
        renamed = told(one, "node-device-added", "net_q0")
        assert renamed == name.replace("p0", "q0")
        ip("link", "del", "q0")
        told(one, "node-device-removed", "net_q0")
        told(one, "node-device-removed", "net_p1")
        assert one.call("node_list_devices", "net") == ["net_lo_00_00_00_00_00_00"]


def loops() -> None:
    """A loop device comes, is given a file and loses it again, and goes."""
    with life() as one, tempfile.NamedTemporaryFile() as file:
        control = os.open("/dev/loop-control", os.O_RDWR)
        number = LOOP_NUMBER_MIN + os.getpid()
        fcntl.ioctl(control, LOOP_CTL_ADD, number)
        try:
            name = told(one, "node-device-added", f"block_loop{number}")
            assert "<size>0</size>" in one.call("node_device_get_xml_desc", name)
            file.truncate(1 << 20)
            subprocess.run(["losetup", f"/dev/loop{number}", file.name], check=True, timeout=10)
            try:
                told(one, "node-device-updated", name)
                assert "<size>1048576</size>" in one.call("node_device_get_xml_desc", name)
            finally:
                subprocess.run(["losetup", "-d", f"/dev/loop{number}"], check=True, timeout=10)
        finally:
            until(lambda: _removed(control, number), "the loop is free")
        told(one, "node-device-removed", name)


def _removed(control: int, number: int) -> bool:
    try:
        fcntl.ioctl(control, LOOP_CTL_REMOVE, number)
    except OSError:
        return False
    return True


def burst() -> None:
    """More comes at once than is kept for us: everything is read again, and nothing is missing."""
    backend.BUFFER_BYTES = 4096  # type: ignore[misc]
    with life() as one:
        lines = "".join(f"link add b{number} type ifb\n" for number in range(BURST))
        with one.driver._changing:  # type: ignore[attr-defined]  # the first event is not acted on before the last has come
            subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True, timeout=30)
        until(lambda: one.call("node_num_of_devices", "net") == BURST + 1, "all of them are shown")
        until(lambda: "node-device-events-lost" in one.host.kinds(), "it is told that some were lost")
        added = [subject for kind, subject, _ in one.host.events if kind == "node-device-added"]
        assert len(added) == len(set(added)) == BURST


def udev() -> None:
    """Where a udevd runs its word is waited for; one that hangs is told, and waited for no longer."""
    following.UDEV_PATIENCE_S = 0.5  # type: ignore[misc]
    program = shutil.which(UDEVD, path=UDEVD_PATHS)
    assert program is not None
    # It hears of every device of this machine, so it is given another /dev to put in order.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev"], check=True, timeout=10)
    os.mknod("/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    rules = Path("/run/udev/rules.d")
    rules.mkdir(parents=True)
    (rules / "10-ours.rules").write_text('SUBSYSTEM=="net", ENV{OURS}="a word of udev"\n')
    with subprocess.Popen([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as udevd:
        try:
            until(lambda: Path(backend.UDEV_CONTROL).exists(), "udevd listens")
            with life() as one:
                ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
                told(one, "node-device-added", "net_p0")
                assert one.host.degraded == {}
                facts = backend.facts_of("/sys/class/net/p0")
                assert facts is not None
                assert facts.properties["OURS"] == "a word of udev"
                udevd.send_signal(signal.SIGSTOP)
                ip("link", "add", "s0", "type", "veth", "peer", "name", "s1")
                told(one, "node-device-added", "net_s0")
                until(lambda: "udev" in one.host.degraded, "it is told that udevd does not answer")
                udevd.send_signal(signal.SIGCONT)
                until(lambda: "udev" not in one.host.degraded, "it is told that udevd answers again")
        finally:
            udevd.send_signal(signal.SIGCONT)
            udevd.kill()


def no_sys() -> None:
    """Without /sys there is nothing to drive."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys"], check=True, timeout=10)
    with tempfile.TemporaryDirectory(prefix="thn") as folder, live(NodedevUdevDriver, Path(folder)) as one:
        assert one.outcome.value == "skipped"


SCENES = {scene.__name__: scene for scene in (cards, loops, burst, udev, no_sys)}

if __name__ == "__main__":
    SCENES[sys.argv[1]]()
