"""The faults of the matrix: short and hard, on the one process that lives a driver, and over when the call is."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from tierhost.drills import leaks
from tierhost.drills.faults import NotFired
from tierhost.drills.faults.pressing import door_of, knock
from tierhost.host.shell import procfs
from tierhost.ipc.frames import LENGTH, framed
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    import random
    import socket
    from collections.abc import Callable
    from pathlib import Path

END_LIMIT_S: Final = 5.0
HELD_S: Final = 0.06
RUNS_S: Final = 0.006
"""A slow worker runs a tenth of the time: it is stopped for less long than a host takes a stopped one for lost."""

BABBLERS: Final = 8
BABBLE_PAUSE_S: Final = 0.002
WIRE_BYTES: Final = 200


class Hitting(Protocol):
    """One fault on one process. `lives`: how many lives it costs its victim. `before`: it begins before the call does."""

    lives: int
    before: bool

    def begin(self) -> str:
        """Strike; return the proof. Raises NotFired."""

    def end(self) -> None:
        """Heal."""


class Kill:
    """SIGKILL."""

    lives = 1
    before = False

    def __init__(self, folder: Path, driver: str, pid: int, rng: random.Random) -> None:
        self.folder = folder
        self.driver = driver
        self.pid = pid
        self.rng = rng

    def begin(self) -> str:
        """Kill it, and see it dead."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            raise NotFired(f"pid {self.pid} is gone already", subject=self.driver) from None
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            if not leaks.wait_readable(pidfd, END_LIMIT_S):
                raise NotFired(f"pid {self.pid} lives on", subject=self.driver)
        finally:
            os.close(pidfd)
        return f"pid {self.pid} was killed"

    def end(self) -> None:
        """The host heals this."""


class DamagedState(Kill):
    """One of its state files is damaged, and it is killed: its next life must live on the other."""

    def begin(self) -> str:
        """Damage, then kill: the next life begins with what is left."""
        files = state_files(self.folder, self.driver)
        if not files:
            raise NotFired("it has no state file", subject=self.driver)
        path = self.rng.choice(files)
        what = damage(path, self.rng)
        return f"{path.name} was {what}, and {super().begin()}"


class Stop:
    """SIGSTOP, before it is called: it has the request and does nothing with it."""

    lives = 1
    before = True

    def __init__(self, folder: Path, driver: str, pid: int, rng: random.Random) -> None:
        self.driver = driver
        self.pidfd = os.pidfd_open(pid)
        self.pid = pid

    def begin(self) -> str:
        """Stop it, and see it stopped."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGSTOP)
        end = END_LIMIT_S
        while not procfs.is_stopped(self.pid) and end > 0:
            if leaks.wait_readable(self.pidfd, RUNS_S):
                break
            end -= RUNS_S
        if end <= 0:
            raise NotFired(f"pid {self.pid} runs on", subject=self.driver)
        return f"pid {self.pid} was stopped"

    def end(self) -> None:
        """Let it go on, if it is there still."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGCONT)
        os.close(self.pidfd)


class _During:
    """Something that goes on in a thread from before the call until it is over."""

    lives = 0
    before = True

    def __init__(self, folder: Path, driver: str, pid: int, rng: random.Random) -> None:
        self.folder = folder
        self.driver = driver
        self.pid = pid
        self.rng = rng
        self.over = threading.Event()
        self.began = threading.Event()
        self.trouble = ""
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def _guarded(self) -> None:
        try:
            self.go_on()
        except OSError as error:
            self.trouble = str(error)
        finally:
            self.began.set()

    def go_on(self) -> None:
        """Do it until `over` is set; set `began` when it is in effect."""
        raise NotImplementedError

    def begin(self) -> str:
        """Begin, and wait until it is in effect."""
        self._thread.start()
        if not self.began.wait(END_LIMIT_S) or self.trouble:
            raise NotFired(self.trouble or "it does not come into effect", subject=self.driver)
        return self.proof()

    def proof(self) -> str:
        """Say what is in effect."""
        raise NotImplementedError

    def end(self) -> None:
        """Stop doing it."""
        self.over.set()
        self._thread.join(END_LIMIT_S)


class Slow(_During):
    """It runs a tenth of the time: stopped again and again, and never for long."""

    def go_on(self) -> None:
        """Stop it and let it go, in turn; at the end it goes."""
        pidfd = os.pidfd_open(self.pid)
        try:
            while not self.over.is_set():
                signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
                self.began.set()
                self.over.wait(HELD_S)
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
                self.over.wait(RUNS_S)
        finally:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            os.close(pidfd)

    def proof(self) -> str:
        """Say how slow."""
        return f"pid {self.pid} runs {RUNS_S * 1000:.0f} ms of every {(HELD_S + RUNS_S) * 1000:.0f}"


class Garbage(_During):
    """Strangers at its door, who send what is no message, half of one, or announce more than there may be."""

    sent = 0

    def go_on(self) -> None:
        """Babble at once with several connections; who is hung up on comes again."""
        path = door_of(self.folder, self.driver) or ""
        words: tuple[Callable[[], bytes], ...] = (
            lambda: framed(self.rng.randbytes(WIRE_BYTES)),
            lambda: LENGTH.pack(WIRE_BYTES) + self.rng.randbytes(WIRE_BYTES // 2),
            lambda: LENGTH.pack(FRAME_BYTES_MAX + 1),
            lambda: framed(b""),
        )
        with ExitStack() as stack:
            lines: list[socket.socket | None] = [None] * BABBLERS
            while not self.over.is_set():
                for number, line in enumerate(lines):
                    lines[number] = self._say(stack, path, line, words[self.rng.randrange(len(words))]())
                self.over.wait(BABBLE_PAUSE_S)

    def _say(self, stack: ExitStack, path: str, line: socket.socket | None, word: bytes) -> socket.socket | None:
        if line is None:
            line = knock(path)
            if line is None:
                return None
            stack.enter_context(line)
        try:
            self.sent += line.send(word)
        except BlockingIOError:
            return line
        except OSError:
            return None
        self.began.set()
        return line

    def proof(self) -> str:
        """Say how much."""
        return f"{BABBLERS} strangers babble at the door of pid {self.pid}"


def state_files(folder: Path, driver: str) -> list[Path]:
    """The files of a driver's stores that hold something."""
    root = Root.under(folder)
    places = (root.driver_state(driver), root.driver_run(driver))
    return sorted(
        path for place in places if place.is_dir() for path in place.glob("*.db*") if path.is_file() and path.stat().st_size
    )


def damage(path: Path, rng: random.Random) -> str:
    """Flip bytes of a file, cut it, or remove it. Returns what was done."""
    what = rng.choice(("flipped", "truncated", "removed"))
    size = path.stat().st_size
    if what == "removed":
        path.unlink()
    elif what == "truncated":
        os.truncate(path, rng.randrange(size))
    else:
        with path.open("r+b") as file:
            file.seek(rng.randrange(size))
            file.write(rng.randbytes(WIRE_BYTES))
    return what


HITTING: Final[dict[str, Any]] = {
    "kill": Kill,
    "stop": Stop,
    "slow": Slow,
    "garbage": Garbage,
    "damaged-state": DamagedState,
}
