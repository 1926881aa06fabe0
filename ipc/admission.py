"""Who may call what, and how much at once: decides about one request by the kernel's word on its sender; no sockets."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from tierhost.ipc.errors import AccessDenied, Busy, DeadlineExceeded, NoSuchMethod, PeerAbsent, PeerDied, TierhostError
from tierhost.ipc.limits import IN_FLIGHT_MAX, IN_FLIGHT_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.credentials import PeerCredentials
    from tierhost.ipc.directory import Directory, Entry
    from tierhost.ipc.messages import Request

INTRODUCTION_S = 0.5
"""How long a request of a life that the directory does not show yet may wait for the host's word on it."""

STRANGERS_MAX = 64
STRANGERS_PER_PEER_MAX = 8
"""Requests that wait for such a word, in all and of one process; one more is judged by what is known now."""

METHOD_CHARS_QUOTED = 64
HINT_CHARS_MAX = 1_000


class Arrival(NamedTuple):
    """A request as it came in: whom to answer, who sent it, and the instant its caller stops waiting."""

    routing_id: bytes
    peer: PeerCredentials
    request: Request
    arrived_s: float

    @property
    def deadline_s(self) -> float:
        """The instant its caller stops waiting."""
        return self.arrived_s + self.request.remaining_s


class Admitted(NamedTuple):
    """A request that may run. `entry` is the calling life, None for a client."""

    arrival: Arrival
    entry: Entry | None


class Admission:
    """The gate of one callee, for the loop's thread. `offers` maps a public method to whether it is a service."""

    def __init__(self, driver: str, incarnation: int, owner_uid: int, offers: Mapping[str, bool], directory: Directory) -> None:
        self._driver = driver
        self._incarnation = incarnation
        self._owners = {0, owner_uid}
        self._offers = offers
        self._directory = directory
        self._strangers: deque[Arrival] = deque()

    def admit(self, arrival: Arrival) -> Admitted | None:
        """Let a request in, or keep it until the host has introduced its sender (None). Raises what its answer is."""
        request = arrival.request
        if request.incarnation not in {0, self._incarnation}:
            reason = f"life {request.incarnation} is over, this is life {self._incarnation}"
            raise PeerDied(reason, subject=f"driver {self._driver}")
        entry = self._directory.by_pid(arrival.peer.pid)
        if entry is None and request.caller and self._may_wait(arrival.peer.pid):
            self._strangers.append(arrival)
            return None
        return self._enter(arrival, entry)

    def _may_wait(self, pid: int) -> bool:
        if len(self._strangers) >= STRANGERS_MAX:
            return False
        return sum(waiting.peer.pid == pid for waiting in self._strangers) < STRANGERS_PER_PEER_MAX

    def _enter(self, arrival: Arrival, entry: Entry | None) -> Admitted:
        self._authorise(arrival, entry)
        return Admitted(arrival, entry)

    def _what_there_is(self, asked: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415  # 3 ms that only a mistake needs

        public = sorted(name for name, service in self._offers.items() if not service)
        near = get_close_matches(asked[:METHOD_CHARS_QUOTED], public)
        if near:
            return f"did you mean {' or '.join(near)}?"
        return f"it has {', '.join(public)}"[:HINT_CHARS_MAX]

    def _authorise(self, arrival: Arrival, entry: Entry | None) -> None:
        method = arrival.request.method
        if not self._offers:
            # A life that its host had no time to bring up: who finds no host finds its socket.
            raise PeerAbsent("it is not initialized yet", subject=f"driver {self._driver}", hint="try again in a moment")
        if method not in self._offers:
            reason = f"it has no method '{method[:METHOD_CHARS_QUOTED]}'"
            raise NoSuchMethod(reason, subject=f"driver {self._driver}", hint=self._what_there_is(method))
        if self._offers[method]:
            if entry is None:
                reason = f"{method} is a service for workers, and pid {arrival.peer.pid} is none"
                raise AccessDenied(reason, subject=f"driver {self._driver}")
            if f"{self._driver}.{method}" not in entry.needs:
                reason = f"the manifest of '{entry.driver}' does not need {self._driver}.{method}"
                raise AccessDenied(reason, subject=f"driver {self._driver}", hint="add it to `needs` in its driver.toml")
        elif entry is None and arrival.peer.uid not in self._owners:
            reason = f"uid {arrival.peer.uid} may not call this host's drivers"
            raise AccessDenied(reason, subject=f"driver {self._driver}", hint="call as root or as the user who runs the host")

    def introduced(self, now_s: float) -> list[tuple[Arrival, Admitted | TierhostError]]:
        """Look again at those who waited: the directory has changed, or their time is up."""
        settled: list[tuple[Arrival, Admitted | TierhostError]] = []
        for _ in range(len(self._strangers)):
            arrival = self._strangers.popleft()
            entry = self._directory.by_pid(arrival.peer.pid)
            if now_s >= arrival.deadline_s:
                reason = f"{arrival.request.method} came before the host's word on who asks, and that did not come in time"
                settled.append((arrival, DeadlineExceeded(reason, subject=f"driver {self._driver}")))
            elif entry is None and now_s < arrival.arrived_s + INTRODUCTION_S:
                self._strangers.append(arrival)
            else:
                settled.append((arrival, self._judged(arrival, entry)))
        return settled

    def _judged(self, arrival: Arrival, entry: Entry | None) -> Admitted | TierhostError:
        try:
            return self._enter(arrival, entry)
        except TierhostError as error:
            return error

    def has_strangers(self) -> bool:
        """Whether `introduced` has anybody to look at."""
        return bool(self._strangers)


class OpenRequests:
    """How many requests of one callee are under way, from each process and in all. For any thread.

    What is answered before the next request is read was never under way.
    """

    def __init__(self, driver: str) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._by_pid: dict[int, int] = {}
        self._in_all = 0

    def begin(self, pid: int) -> None:
        """Count one more of this process. Raises Busy if it, or all together, have too many."""
        with self._lock:
            open_already = self._by_pid.get(pid, 0)
            if self._in_all < IN_FLIGHT_MAX and open_already < IN_FLIGHT_PER_PEER_MAX:
                self._by_pid[pid] = open_already + 1
                self._in_all += 1
                return
        whose = "this caller has" if open_already >= IN_FLIGHT_PER_PEER_MAX else "all callers together have"
        reason = f"{whose} too many requests open"
        raise Busy(reason, subject=f"driver {self._driver}", hint="wait for answers before asking more")

    def finish(self, pid: int) -> None:
        """Count one less."""
        with self._lock:
            self._in_all -= 1
            still_open = self._by_pid.pop(pid) - 1
            if still_open:
                self._by_pid[pid] = still_open
