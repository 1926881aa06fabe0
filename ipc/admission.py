"""Who may call what: decides about one request by the kernel's word on its sender; no sockets, no threads."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierhost.ipc.errors import AccessDenied, Busy, NoSuchMethod, PeerDied, TierhostError
from tierhost.ipc.limits import IN_FLIGHT_MAX, IN_FLIGHT_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.directory import Directory, Entry
    from tierhost.ipc.messages import Request
    from tierhost.ipc.sockets import PeerCredentials

INTRODUCTION_S = 0.5
"""How long a request of a life that the directory does not show yet may wait for the host's word on it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came in: whom to answer, who sent it, and the instant its caller stops waiting."""

    routing_id: bytes
    peer: PeerCredentials
    request: Request
    arrived_s: float

    @property
    def deadline_s(self) -> float:
        return self.arrived_s + self.request.remaining_s


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may run. `entry` is the calling life, None for a client."""

    arrival: Arrival
    entry: Entry | None


class Admission:
    """The gate of one callee. `offers` maps a public method to whether it is a service (for workers that need it)."""

    def __init__(self, driver: str, incarnation: int, owner_uid: int, offers: Mapping[str, bool], directory: Directory) -> None:
        self._driver = driver
        self._incarnation = incarnation
        self._owners = {0, owner_uid}
        self._offers = offers
        self._directory = directory
        self._in_flight: Counter[int] = Counter()
        self._strangers: deque[Arrival] = deque()

    def admit(self, arrival: Arrival) -> Admitted | None:
        """Let a request in, or keep it until the host has introduced its sender (None). Raises what its answer is."""
        request = arrival.request
        if request.incarnation not in {0, self._incarnation}:
            reason = f"life {request.incarnation} is over, this is life {self._incarnation}"
            raise PeerDied(reason, subject=f"driver {self._driver}")
        entry = self._directory.by_pid(arrival.peer.pid)
        if entry is None and request.caller and len(self._strangers) < IN_FLIGHT_PER_PEER_MAX:
            self._strangers.append(arrival)
            return None
        return self._enter(arrival, entry)

    def _enter(self, arrival: Arrival, entry: Entry | None) -> Admitted:
        self._authorise(arrival, entry)
        pid = arrival.peer.pid
        if self._in_flight.total() >= IN_FLIGHT_MAX or self._in_flight[pid] >= IN_FLIGHT_PER_PEER_MAX:
            who = "this caller has" if self._in_flight[pid] >= IN_FLIGHT_PER_PEER_MAX else "all callers together have"
            reason = f"{who} too many requests open"
            raise Busy(reason, subject=f"driver {self._driver}", hint="wait for answers before asking more")
        self._in_flight[pid] += 1
        return Admitted(arrival, entry)

    def _authorise(self, arrival: Arrival, entry: Entry | None) -> None:
        method = arrival.request.method
        if method not in self._offers:
            reason = f"it has no method '{method[:64]}'"
            raise NoSuchMethod(reason, subject=f"driver {self._driver}", hint="`tierhost check` lists the methods of every driver")
        if self._offers[method]:
            if entry is None:
                reason = f"{method} is a service for workers, and pid {arrival.peer.pid} is none"
                raise AccessDenied(reason, subject=f"driver {self._driver}")
            if f"{self._driver}.{method}" not in entry.needs:
                reason = f"the manifest of '{entry.driver}' does not need {self._driver}.{method}"
                raise AccessDenied(reason, subject=f"driver {self._driver}", hint=f"add it to `needs` in {entry.driver}/driver.toml")
        elif entry is None and arrival.peer.uid not in self._owners:
            reason = f"uid {arrival.peer.uid} may not call this host's drivers"
            raise AccessDenied(reason, subject=f"driver {self._driver}", hint="call as root or as the user who runs the host")

    def introduced(self, now_s: float) -> list[tuple[Arrival, Admitted | TierhostError]]:
        """Look again at those who waited: the directory has changed, or their time is up."""
        settled: list[tuple[Arrival, Admitted | TierhostError]] = []
        for _ in range(len(self._strangers)):
            arrival = self._strangers.popleft()
            entry = self._directory.by_pid(arrival.peer.pid)
            if entry is None and now_s < arrival.arrived_s + min(INTRODUCTION_S, arrival.request.remaining_s):
                self._strangers.append(arrival)
                continue
            try:
                settled.append((arrival, self._enter(arrival, entry)))
            except TierhostError as error:
                settled.append((arrival, error))
        return settled

    def has_strangers(self) -> bool:
        """Whether `introduced` has anybody to look at."""
        return bool(self._strangers)

    def finished(self, pid: int) -> None:
        """A request of this process was answered."""
        self._in_flight[pid] -= 1
        if self._in_flight[pid] <= 0:
            del self._in_flight[pid]
