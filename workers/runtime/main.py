"""A worker process: parks as a spare, takes up one life, serves until told to leave or left alone too long."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tierhost.ipc.codec import NotInLanguage, decode, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import BEAT_PERIOD_S, PROTOCOL
from tierhost.ipc.messages import (
    Assign,
    Goodbye,
    Hello,
    Leave,
    Message,
    Parked,
    PeerDown,
    PeerUp,
    Perform,
    VerbDone,
    Welcome,
)
from tierhost.ipc.paths import Root
from tierhost.ipc.sockets import Poller, Sockets
from tierhost.workers.runtime.guard import Outcome, guarded
from tierhost.workers.runtime.intake import read_requests, settle
from tierhost.workers.runtime.life import Life
from tierhost.workers.runtime.loading import load
from tierhost.workers.runtime.outbox import in_other_words
from tierhost.workers.runtime.pulse import Pulse
from tierhost.workers.runtime.rehearsal import rehearse
from tierhost.workers.runtime.session import Session, Stage
from tierhost.workers.runtime.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.sockets import Line

HELLO_PERIOD_S = 0.02
"""How often an orphan looks for a new host."""

SLOT_BYTES = 8
EXIT_HOST_BROKE_PROTOCOL = 3
EXIT_ORPHANED = 4


def live(launch: dict[str, Any]) -> NoReturn:
    """Run one worker process to its end. Called by the zygote in a fresh child, by name; never returns.

    `launch`: run and state directory, identity for the control socket, the driver to import in advance (warm) or a
    handed-over class (blob), the host's pid.
    """
    worker = Worker(launch)
    try:
        code = worker.run()
    except ProtocolError as error:
        sys.stderr.write(f"the host broke the protocol: {error}\n")
        code = EXIT_HOST_BROKE_PROTOCOL
    sys.stderr.flush()
    # Not sys.exit: nothing of the parent's (its exit handlers, its threads) is ours to run.
    os._exit(code)


class Worker:
    """The main loop: control words, requests, beats. Driver code never runs in it, except inline methods."""

    def __init__(self, launch: dict[str, Any]) -> None:
        self._root = Root(state=Path(launch["state"]), run=Path(launch["run"]))
        self._launch = launch
        self._host_pid: int = launch["host_pid"]
        self._sockets = Sockets()
        self._poller = Poller()
        self._control = self._line_to_host()
        self._host_fd = self._watch_host()
        self._directory = Directory()
        self._session = Session()
        self._life: Life | None = None
        self._exit_code: int | None = None
        self._orphaned_s: float | None = None
        self._hello_s = 0.0
        self._warm: Outcome | None = None
        self._timers = Timers()
        self._pulse: Pulse | None = None
        self._rehearsed = False

    def _line_to_host(self) -> Line:
        line = self._sockets.line(self._root.host_socket, identity=self._launch["identity"])
        self._poller.register(line)
        return line

    def _watch_host(self) -> int:
        try:
            fd = os.pidfd_open(self._host_pid)
        except ProcessLookupError:
            return -1
        self._poller.register_fd(fd)
        return fd

    # The loop.

    def run(self) -> int:
        """Park, live, leave. Returns the exit code."""
        spec = self._launch["warm"]
        if spec is not None:
            self._warm = guarded("importing the driver", load, spec, self._launch["blob"])
        if not self._park(spec["name"] if spec else ""):
            return 0
        while self._exit_code is None:
            self._turn()
        return self._exit_code

    def _park(self, warm: str) -> bool:
        word = encode(Parked(PROTOCOL, warm))
        while not self._control.send(word):
            if self._host_fd < 0 or (not self._control.wait_sendable(HELLO_PERIOD_S) and self._host_is_dead()):
                return False
        return True

    def _host_is_dead(self) -> bool:
        return self._host_fd in self._poller.poll(0)

    def _turn(self) -> None:
        moved = self._poller.poll(HELLO_PERIOD_S if self._orphaned_s is not None else self._timers.wait_s(BEAT_PERIOD_S))
        if not moved and not self._rehearsed and self._session.stage is Stage.PARKED:
            # Nobody wants this spare just now.
            self._rehearsed = True
            rehearse(self._root.rehearsal(self._launch["identity"].decode()))
        for ready in moved:
            life = self._life
            if ready is self._control:
                self._read_control()
            elif life is not None and ready is life.door:
                read_requests(life)
            elif life is not None and ready == life.outbox.wake_fd:
                # First the wake-up, then (below) what was meant: whoever comes in between wakes us once more.
                life.outbox.drain()
            elif ready == self._host_fd:
                self._host_died()
        now_s = time.monotonic()
        if self._pulse is not None:
            self._pulse.beat(now_s)
            self._pulse.guard(now_s)
        if self._life is not None:
            self._tend(self._life, now_s)
        if self._orphaned_s is not None:
            self._look_for_host(now_s)

    def _tend(self, life: Life, now_s: float) -> None:
        """Send what threads have left for the loop, run what is due, tell the host how the objects are."""
        outbox = life.outbox
        for routing_id, data in outbox.answers():
            life.door.send(routing_id, data)
        if life.admission.has_strangers():
            for arrival, settled in life.admission.introduced(now_s):
                settle(life, arrival, settled)
        for work in self._timers.due(now_s):
            life.pool.run(work)
        if (outbox.dirty or outbox.has_words()) and self._orphaned_s is None:
            outbox.flush(self._send)
            if outbox.dirty and self._session.stage is Stage.IDLE:
                # Before they are counted: what changes meanwhile is counted next time.
                outbox.dirty = False
                outbox.report(life.objects(), self._send)

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run something on the pool, not before `seconds` have passed. From any thread."""
        self._timers.add(seconds, function)
        if self._life is not None:
            self._life.outbox.wake()

    # The host.

    def _send(self, message: Message) -> bool:
        try:
            data = encode(message)
        except NotInLanguage as trouble:
            data = encode(in_other_words(message, str(trouble)))
        return self._control.send(data)

    def _read_control(self) -> None:
        while self._exit_code is None:
            data = self._control.receive()
            if data is None:
                return
            message = decode(data)
            if not isinstance(message, Assign | Welcome | Perform | PeerUp | PeerDown | Leave):
                reason = f"the host says {type(message).__name__}"
                raise ProtocolError(reason)
            self._session.hear(message)
            self._obey(message)

    def _obey(self, message: Message) -> None:
        if isinstance(message, PeerUp):
            needs = frozenset(map(str, message.needs))
            self._directory.up(Entry(message.driver, message.incarnation, message.endpoint, message.pid, needs))
        elif isinstance(message, PeerDown):
            self._directory.down(message.driver, message.incarnation)
        elif isinstance(message, Perform) and self._life is not None:
            self._perform(self._life, message)
        elif isinstance(message, Assign):
            self._take_up(message)
        elif isinstance(message, Welcome):
            self._welcomed(message)
        elif isinstance(message, Leave):
            self._send(Goodbye(self._life.name if self._life else "", self._session.incarnation, message.reason))
            self._exit_code = 0

    def _take_up(self, message: Assign) -> None:
        spec = message.spec
        self._pulse = Pulse(self._root.beats, message.slot, cast("float", spec["patience_s"]))
        self._pulse.beat(time.monotonic())
        loaded = self._warm or guarded("importing the driver", load, spec, self._launch["blob"])
        life = Life(spec, message.incarnation, self._root, self._directory, self.later)
        self._life = life
        self._poller.register(life.door)
        self._poller.register_fd(life.outbox.wake_fd)
        # The host orders the first verb while we open the stores.
        self._send(Hello(PROTOCOL, life.name, message.incarnation, ""))
        life.build(loaded)

    def _perform(self, life: Life, message: Perform) -> None:
        verb = message.verb

        def work() -> None:
            outcome, reason = life.perform(verb, message.remaining_s)
            self._session.performed(verb, outcome)
            life.outbox.say(VerbDone(life.name, life.incarnation, message.seq, verb, outcome, reason))

        life.pool.run(work)

    # Without a host.

    def _host_died(self) -> None:
        self._poller.unregister_fd(self._host_fd)
        os.close(self._host_fd)
        self._host_fd = -1
        if self._life is None:
            self._exit_code = 0
            return
        self._orphaned_s = time.monotonic()
        # A fresh line: on the old one our first word to the next host could still go to the dead one.
        self._poller.unregister(self._control)
        self._control.close()
        self._control = self._line_to_host()

    def _look_for_host(self, now_s: float) -> None:
        life, orphaned_s = self._life, self._orphaned_s
        if life is None or orphaned_s is None:
            return
        if now_s - orphaned_s > life.spec["orphan_grace_s"]:
            sys.stderr.write("no host came back in time\n")
            self._exit_code = EXIT_ORPHANED
        elif now_s >= self._hello_s and self._session.stage is Stage.IDLE:
            sent = self._send(Hello(PROTOCOL, life.name, life.incarnation, self._session.finished))
            self._hello_s = now_s + (1.0 if sent else HELLO_PERIOD_S)

    def _welcomed(self, message: Welcome) -> None:
        self._host_pid = message.host_pid
        self._host_fd = self._watch_host()
        self._orphaned_s = None if self._host_fd >= 0 else time.monotonic()
        self._hello_s = 0.0
        if self._life is not None:
            self._life.outbox.forget_what_was_told()
