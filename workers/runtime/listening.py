"""A door for other machines: proved keys come in, what each may call is asked of a policy, and goes straight to the driver."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter, deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from tierhost import __version__
from tierhost.ipc.codec import NotInLanguage, decode, encode
from tierhost.ipc.curve_door import CurveDoor
from tierhost.ipc.errors import AccessDenied, Busy, CallError, Code, ProtocolError, TierhostError
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Reply, Request
from tierhost.ipc.ways import GREETING
from tierhost.workers.runtime.guard import guarded
from tierhost.workers.runtime.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.curve_door import Knock
    from tierhost.ipc.ways import Way

UNDER_WAY_MAX: Final = 64
UNDER_WAY_PER_KEY_MAX: Final = 16
"""Calls from other machines at once, in all and of one key; the next one is refused as Busy."""

HINT: Final = "`tierhost remote-key allow` there says what a key may call"
LOOK_UP_S: Final = 0.25
LEAVE_S: Final = 2.0
IDLE_WAYS_MAX: Final = 8
TOLD_OF_MAX: Final = 64
DESCRIPTORS: Final = 16_384
ID_BYTES: Final = 16

Complain: TypeAlias = "Callable[[str], None]"


class Policy(Protocol):
    """Who may come in, and what for. Asked by the door's thread, for every key and every call: what it says counts at once."""

    def may_enter(self, key: str, address: str) -> bool:
        """Whether this public key is on the list."""

    def refuses(self, key: str, method: str) -> str:
        """Why this key may not call "driver.method"; empty: it may."""


class Listening:
    """One door and its thread."""

    def __init__(
        self, address: str, secret: str, policy: Policy, way_home: Callable[[], Way], complain: Callable[[str], None]
    ) -> None:
        """Listen. Raises OSError. `way_home` leads to the drivers here; `complain` is told what garbage arrived, by whom."""
        self._policy = policy
        self._way_home = way_home
        self._idle: list[Way] = []
        self._told_of: deque[str] = deque(maxlen=TOLD_OF_MAX)
        self._complain = complain
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._pool = Pool(_nothing)
        _make_room()
        self._door = CurveDoor(address, secret, policy.may_enter)
        self.address = self._door.address
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. What is under way is not answered any more; whoever asked asks the next door, with the same id."""
        with self._lock:
            if self._ending.is_set():
                return
            self._ending.set()
            self._door.wake()
        self._thread.join(LEAVE_S)

    def _serve(self) -> None:
        while not self._ending.is_set():
            for knock in guarded("the door", self._door.turn, LOOK_UP_S).value or ():
                guarded("the door", self._take, knock)
        with self._lock:
            self._door.close()
            for way in self._idle:
                way.close()
            self._idle.clear()

    def _take(self, knock: Knock) -> None:
        try:
            request = decode(knock.data)
        except ProtocolError as error:
            self._tell_of(knock, error.text)
            return
        if not isinstance(request, Request):
            self._tell_of(knock, f"{type(request).__name__} is nothing to say at a door")
            return
        try:
            self._admit(knock, request)
        except TierhostError as error:
            self._answer(knock.routing_id, encode(failure_of(error, request.call_id, 0)))

    def _tell_of(self, knock: Knock, what: str) -> None:
        """Whoever sends garbage gets no answer. It is told once of each key."""
        if knock.key not in self._told_of:
            self._told_of.append(knock.key)
            self._complain(f"{knock.address}, key {knock.key[:16]}: {what}")

    def _admit(self, knock: Knock, request: Request) -> None:
        if not self._policy.may_enter(knock.key, knock.address):
            raise AccessDenied("this key was taken off the allow list", code=Code.AUTH_FAILED, subject="door")
        if request.method == GREETING:
            self._answer(knock.routing_id, encode(Reply(request.call_id, 0, {"version": __version__})))
            return
        refusal = self._policy.refuses(knock.key, request.method)
        if refusal:
            raise AccessDenied(
                refusal, subject=request.method[:80], hint="`tierhost remote-key allow` there says what a key may call"
            )
        with self._lock:
            if self._under_way.total() >= UNDER_WAY_MAX or self._under_way[knock.key] >= UNDER_WAY_PER_KEY_MAX:
                raise Busy("too many calls are under way through this door", subject="door", hint="wait for answers first")
            self._under_way[knock.key] += 1
        end_s = time.monotonic() + request.remaining_s
        self._pool.run(lambda: self._call(knock, request, end_s))

    def _call(self, knock: Knock, request: Request, end_s: float) -> None:
        # Each key has call ids of its own: nobody gets an answer that was recorded for somebody else.
        call_id = blake2b(knock.key.encode() + request.call_id, digest_size=ID_BYTES).digest()

        outcome = guarded(request.method, self._forward, request, call_id, end_s)
        with self._lock:
            self._under_way[knock.key] -= 1
            if not self._under_way[knock.key]:
                del self._under_way[knock.key]
        error = outcome.error
        try:
            data = encode(failure_of(error, request.call_id, 0) if error else Reply(request.call_id, 0, outcome.value))
        except NotInLanguage as trouble:
            data = encode(failure_of(CallError(str(trouble), subject=request.method), request.call_id, 0))
        self._answer(knock.routing_id, data)

    def _forward(self, request: Request, call_id: bytes, end_s: float) -> Any:
        with self._lock:
            way = self._idle.pop() if self._idle else self._way_home()
        try:
            return way.ask(request.method, request.args, request.kwargs, call_id=call_id, end_s=end_s, changes=True)
        finally:
            with self._lock:
                keep = not self._ending.is_set() and len(self._idle) < IDLE_WAYS_MAX
                if keep:
                    self._idle.append(way)
            if not keep:
                way.close()

    def _answer(self, routing_id: bytes, data: bytes) -> None:
        with self._lock:
            if not self._ending.is_set():
                self._door.answer(routing_id, data)


def _nothing() -> None:
    """A thread of ours that ends has nothing of its own to close."""


def _make_room() -> None:
    """Have descriptors for a flood of half-open connections: what this worker does elsewhere must not want for one meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
