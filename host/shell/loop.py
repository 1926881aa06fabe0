"""The host's one loop: wait, turn what happened into events, let the core decide, carry out what it ordered."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

from tierhost.host.core import events
from tierhost.host.shell import procfs
from tierhost.host.shell.processes import describe_exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.host.core.events import Event
    from tierhost.host.shell.control import Control
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.nursery import Nursery
    from tierhost.host.shell.orders import Orders
    from tierhost.host.shell.processes import Body
    from tierhost.host.shell.switchboard import Switchboard

SCAN_PERIOD_S = 0.1
"""How often beats are read and orphans reaped."""

BURIAL_PERIOD_S = 0.002
"""How soon to look again at a dead life that left children behind."""

BEAT_AGE_WORTH_TELLING_S = 0.3

LAST_WORD_S = 0.05
"""How long the word on how a worker ended may be on its way, when its process can no longer be asked."""


class Loop:
    """Single-threaded. Nothing in here waits for one worker: what takes time is asked for, and comes back as an event."""

    def __init__(
        self, equipment: Equipment, orders: Orders, control: Control, switchboard: Switchboard, nursery: Nursery
    ) -> None:
        self._of = equipment
        self._orders = orders
        self._control = control
        self._switchboard = switchboard
        self._nursery = nursery
        self._scan_deadline_s = 0.0
        self._queue: deque[Event] = deque()
        self._signals = _signal_socket()
        self._of.poller.register_fd(self._signals.fileno())
        self._of.poller.register(self._of.door)
        for pidfd in equipment.processes.bodies.by_pidfd:
            # Adopted lives: nobody tells us of their birth, so this is where their death begins to be heard.
            self._of.poller.register_fd(pidfd)
        self.watch_zygote()

    def watch_zygote(self) -> None:
        """Listen to the (new) process that forks workers, and for its death."""
        zygote = self._of.processes.zygote
        self._of.poller.register_fd(zygote.channel.fileno())
        self._of.poller.register_fd(zygote.pidfd)

    def run(self, first: Iterable[Event]) -> None:
        """Turn until the core says that the host is to end. `first`: what is known before the first turn."""
        try:
            self.tell(first)
            while not self._orders.ended:
                self.turn()
            self._control.settle_shutdown()
        finally:
            signal.set_wakeup_fd(-1)
            self._signals.close()

    def tell(self, facts: Iterable[Event]) -> None:
        """Give events to the core and carry out its commands, until nothing follows from them."""
        self._queue.extend(facts)
        while self._queue:
            event = self._queue.popleft()
            now_s = time.monotonic()
            self._of.journal.note(now_s, event)
            for command in self._of.core.handle(event, now_s):
                self._of.journal.note(now_s, command)
                self._queue.extend(self._orders.perform(command))
        self._orders.follow_up()

    def turn(self) -> None:
        """Wait for something to happen, bounded, and deal with it."""
        for ready in self._of.poller.poll(self._wait_s()):
            self._ready(ready)
        self.tell(self._control.asked())
        self._control.confirm()
        self._bury_again()
        now_s = time.monotonic()
        if now_s >= self._scan_deadline_s:
            self._scan_deadline_s = now_s + SCAN_PERIOD_S
            self.tell(self._read_beats(now_s))
            _reap_orphans()
            self._nursery.tend(now_s)
        deadline_s = self._of.core.deadline_s(now_s)
        if deadline_s is not None and now_s >= deadline_s:
            self.tell([events.TimePassed()])
        self._control.settle_shutdown()
        self._of.publisher.flush()
        self._of.journal.flush()

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        if self._orders.unburied:
            return BURIAL_PERIOD_S
        deadline_s = self._of.core.deadline_s(now_s)
        earliest_s = self._scan_deadline_s if deadline_s is None else min(self._scan_deadline_s, deadline_s)
        return max(0.0, earliest_s - now_s)

    def _ready(self, ready: object) -> None:
        processes = self._of.processes
        if ready is self._of.door:
            self.tell(self._switchboard.read())
        elif ready == self._signals.fileno():
            self.tell(self._read_signals())
        elif ready == processes.zygote.channel.fileno():
            self.tell(self._orders.born())
        elif ready == processes.zygote.pidfd:
            self._zygote_died()
        elif isinstance(ready, int) and ready in processes.bodies.by_pidfd:
            self.tell(self._died(processes.bodies.by_pidfd[ready]))

    # Processes.

    def _died(self, body: Body) -> Iterable[Event]:
        self._of.poller.unregister_fd(body.pidfd)
        body.exited = True
        status = procfs.exit_status(body.pid)
        if status is None:
            self._hear_how_it_ended(body)
        body.how = body.how or describe_exit(status)
        if not body.driver:
            self._nursery.died(body)
            return []
        return [events.WorkerExited(body.driver, body.incarnation, body.how)]

    def _hear_how_it_ended(self, body: Body) -> None:
        """We are late, and it was reaped. The zygote, if that reaped it, says how it ended."""
        channel = select.poll()
        channel.register(self._of.processes.zygote.channel, select.POLLIN)
        deadline_s = time.monotonic() + LAST_WORD_S
        while not body.how and not body.adopted and (left_s := deadline_s - time.monotonic()) > 0:
            ready = channel.poll(1000 * left_s)
            self.tell(self._orders.born())
            if not ready or ready[0][1] & select.POLLHUP:
                return

    def _zygote_died(self) -> None:
        """Start another one. Workers are not its concern: they live on, and are known by their pidfds."""
        zygote = self._of.processes.zygote
        self.tell(self._orders.born())
        self._of.poller.unregister_fd(zygote.channel.fileno())
        self._of.poller.unregister_fd(zygote.pidfd)
        self._of.publisher.say(time.monotonic(), "host", "zygote-died", f"pid {zygote.pid}")
        unborn = self._nursery.replace_zygote()
        self.watch_zygote()
        self.tell(
            events.WorkerStartFailed(body.driver, body.incarnation, "the process that forks workers died")
            for body in unborn
            if body.driver
        )

    def _bury_again(self) -> None:
        unburied, self._orders.unburied = self._orders.unburied, []
        for body in unburied:
            if self._of.processes.is_buried(body):
                self.tell(self._orders.buried(body))
            else:
                self._orders.unburied.append(body)

    def _read_beats(self, now_s: float) -> Iterable[Event]:
        for driver, body in list(self._of.processes.bodies.by_driver.items()):
            if not body.assigned or body.exited:
                continue
            age_s = self._of.beats.age_s(body.slot, now_s)
            if age_s >= BEAT_AGE_WORTH_TELLING_S:
                yield events.BeatRead(driver, body.incarnation, age_s, procfs.is_stopped(body.pid))

    # Signals: the C-level part only writes a byte; everything is done here.

    def _read_signals(self) -> Iterable[Event]:
        for number in self._signals.recv(64):
            if number == signal.SIGHUP:
                yield events.ReloadAsked()
            elif number in {signal.SIGTERM, signal.SIGINT}:
                # A service manager that restarts us must not stop guests: they run on.
                yield events.ShutdownAsked(save=False, force=True)


def _signal_socket() -> socket.socket:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, _noted)
    return ours


def _noted(number: int, frame: object) -> None:
    """Let the wake-up byte do the work."""


def _reap_orphans() -> None:
    """Take the exit of processes that lost their parent: guests of dead workers, and workers of a dead zygote."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
