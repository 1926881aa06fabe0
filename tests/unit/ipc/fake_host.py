"""A fake host: a thread with the real sockets of one root, that answers and publishes what the test tells it to."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import NoSuchMethod
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Event, Reply, Request
from tierhost.ipc.sockets import Poller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.directory import Entry
    from tierhost.ipc.paths import Root
    from tierhost.ipc.sockets import Sockets


class FakeHost:
    """Serves until `stop`. `asked` are the methods it was asked; `methods` its answers; `kept` its events."""

    def __init__(self, sockets: Sockets, root: Root, *, number: int = 100) -> None:
        self.asked: list[str] = []
        self.lives: dict[str, dict[str, Any]] = {}
        self.kept: list[Event] = []
        self.number = number
        self.methods: dict[str, Callable[..., Any]] = {"directory": self._directory, "events_since": self._events_since}
        self._door = sockets.door(root.host_socket)
        self._loudspeaker = sockets.loudspeaker(root.events_socket)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._wake_fd = os.eventfd(0)
        self._poller = Poller()
        self._poller.register(self._door)
        self._poller.register_fd(self._wake_fd)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            ready = self._poller.poll(60)
            if self._wake_fd in ready:
                os.eventfd_read(self._wake_fd)
                while not self._work.empty():
                    work = self._work.get()
                    if work is None:
                        return
                    work()
            arrived = self._door.receive()
            request = decode(arrived[2]) if arrived else None
            if arrived is not None and isinstance(request, Request):
                self._answer(arrived[0], request)

    def _answer(self, routing_id: bytes, request: Request) -> None:
        self.asked.append(request.method)
        method = self.methods.get(request.method)
        if method is None:
            self._door.send(routing_id, encode(failure_of(NoSuchMethod("it has none such"), request.call_id, 0)))
            return
        answer = method(*request.args, **request.kwargs)
        if answer is not NotImplemented:
            self._door.send(routing_id, encode(Reply(request.call_id, 0, answer)))

    def _directory(self) -> Any:
        return {"number": self.number, "lives": list(self.lives.values())}

    def _events_since(self, number: int) -> Any:
        return [event._asdict() for event in self.kept if event.number > number]

    # For the test's thread. Sockets are the serving thread's, so that is where these are done.

    def do(self, work: Callable[[], None]) -> None:
        """Have something done, and wait for it."""
        done = threading.Event()
        self._work.put(work)
        self._work.put(done.set)
        os.eventfd_write(self._wake_fd, 1)
        assert done.wait(10)

    def say(self, kind: str, subject: str = "", *, heard: bool = True, source: str = "host", **details: Any) -> None:
        """Publish an event; one that is not `heard` is kept only, as if it had been lost on the way."""

        def work() -> None:
            self.number += 1
            event = Event(self.number, time.monotonic(), source, int(details.get("incarnation", 0)), kind, subject, details)
            self.kept.append(event)
            if heard:
                self._loudspeaker.say(source.encode(), encode(event))

        self.do(work)

    def up(self, entry: Entry, *, heard: bool = True) -> None:
        """Announce a life."""
        needs = sorted(entry.needs)
        life = {
            "driver": entry.driver,
            "incarnation": entry.incarnation,
            "endpoint": entry.endpoint,
            "pid": entry.pid,
            "needs": needs,
        }
        self.lives[entry.driver] = life
        self.say("peer-up", entry.driver, heard=heard, source="host", **life)

    def down(self, entry: Entry, *, heard: bool = True) -> None:
        """Announce a death."""
        self.lives.pop(entry.driver, None)
        self.say("peer-down", entry.driver, heard=heard, driver=entry.driver, incarnation=entry.incarnation)

    def stop(self) -> None:
        """End as a process does: no answer, no paths."""
        if self._thread.is_alive():
            self._work.put(None)
            os.eventfd_write(self._wake_fd, 1)
            self._thread.join(10)
            self._poller.close()
            self._door.close()
            self._loudspeaker.close()
            os.close(self._wake_fd)
