"""A worker process: parks as a spare, takes up one life, serves until told to leave or left alone too long."""

from __future__ import annotations

import faulthandler
import heapq
import itertools
import mmap
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tierhost.ipc.admission import Arrival
from tierhost.ipc.calls import failure_of
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import ProtocolError, TierhostError
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
    Request,
    VerbDone,
    Welcome,
)
from tierhost.ipc.paths import Root
from tierhost.ipc.sockets import Poller, Sockets
from tierhost.workers.runtime.guard import Outcome, guarded
from tierhost.workers.runtime.life import Life
from tierhost.workers.runtime.loading import load
from tierhost.workers.runtime.session import Session, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.sockets import Line

REQUESTS_PER_TURN_MAX = 64
"""A flood at the door does not keep the loop from the host's words and from its beat."""

HELLO_PERIOD_S = 0.02
"""How often an orphan looks for a new host."""

WATCHDOG_PERIOD_S = 1.0
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
        self._watchdog_s = 0.0
        self._warm: Outcome | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()
        self._timer_lock = threading.Lock()
        self._beats: memoryview | None = None
        self._slot = 0

    def _line_to_host(self) -> Line:
        line = self._sockets.line(self._root.host_socket, identity=self._launch["identity"], immediate=True)
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
        for ready in self._poller.poll(HELLO_PERIOD_S if self._orphaned_s is not None else self._wait_s()):
            if ready is self._control:
                self._read_control()
            elif ready == self._host_fd:
                self._host_died()
            elif self._life is not None and ready is self._life.door:
                self._read_requests(self._life)
        now_s = time.monotonic()
        self._beat(now_s)
        if self._life is not None:
            self._tend(self._life, now_s)
        if self._orphaned_s is not None:
            self._look_for_host(now_s)

    def _wait_s(self) -> float:
        with self._timer_lock:
            if not self._timers:
                return BEAT_PERIOD_S
            return max(0.0, min(BEAT_PERIOD_S, self._timers[0][0] - time.monotonic()))

    def _beat(self, now_s: float) -> None:
        if self._beats is None:
            return
        self._beats[self._slot] = now_s
        if now_s >= self._watchdog_s and self._life is not None:
            # Seen from inside: leaves a traceback where the host could only see silence.
            self._watchdog_s = now_s + WATCHDOG_PERIOD_S
            faulthandler.dump_traceback_later(self._life.spec["patience_s"], exit=True)

    def _tend(self, life: Life, now_s: float) -> None:
        """Send what threads have left for the loop, run what is due, tell the host how the objects are."""
        life.outbox.drain()
        for routing_id, data in life.outbox.answers():
            life.door.send(routing_id, data)
        if life.admission.has_strangers():
            for arrival, settled in life.admission.introduced(now_s):
                self._settle(life, arrival, settled)
        for work in self._due(now_s):
            life.pool.run(work)
        if self._orphaned_s is None:
            life.outbox.flush(self._send)
            if life.outbox.dirty and self._session.stage is Stage.IDLE:
                life.outbox.report(life.objects(), self._send)

    def _due(self, now_s: float) -> list[Callable[[], None]]:
        due = []
        with self._timer_lock:
            while self._timers and self._timers[0][0] <= now_s:
                due.append(heapq.heappop(self._timers)[2])
        return due

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run something on the pool, not before `seconds` have passed. From any thread."""
        with self._timer_lock:
            work = lambda: guarded("deferred work", function)  # noqa: E731
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_numbers), lambda: (work(), None)[1]))
        if self._life is not None:
            self._life.outbox.wake()

    # The host.

    def _send(self, message: Message) -> bool:
        return self._control.send(encode(message))

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
        self._slot = message.slot
        with self._root.beats.open("r+b") as table:
            self._beats = memoryview(mmap.mmap(table.fileno(), 0)).cast("d")
        self._beats[self._slot] = time.monotonic()
        loaded = self._warm or guarded("importing the driver", load, spec, self._launch["blob"])
        life = Life(spec, message.incarnation, self._root, self._sockets, self._directory, self.later)
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

    # Requests.

    def _read_requests(self, life: Life) -> None:
        for _ in range(REQUESTS_PER_TURN_MAX):
            arrived = life.door.receive()
            if arrived is None:
                return
            routing_id, peer, data = arrived
            try:
                request = decode(data)
            except ProtocolError:
                # Whoever sends garbage gets no answer, and nobody else notices.
                life.refused += 1
                continue
            if not isinstance(request, Request):
                life.refused += 1
                continue
            arrival = Arrival(routing_id, peer, request, time.monotonic())
            try:
                admitted = life.admission.admit(arrival)
            except TierhostError as error:
                self._settle(life, arrival, error)
                continue
            if admitted is not None:
                self._settle(life, arrival, admitted)

    @staticmethod
    def _settle(life: Life, arrival: Arrival, settled: Any) -> None:
        if isinstance(settled, TierhostError):
            life.door.send(arrival.routing_id, encode(failure_of(settled, arrival.request.call_id, life.incarnation)))
            return
        answer = life.serve(settled)
        if answer is not None:
            life.door.send(arrival.routing_id, answer)
