"""Takes requests in at a life's door: what may run is served, what may not is answered, garbage is counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.ipc.admission import Admitted, Arrival
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import ProtocolError, TierhostError
from tierhost.ipc.failures import failure_of
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.messages import Request

if TYPE_CHECKING:
    from tierhost.ipc.credentials import PeerCredentials
    from tierhost.workers.runtime.life import Life

REQUESTS_PER_TURN_MAX = 64
"""A flood at the door does not keep the loop from the host's words and from its beat."""


def read_requests(life: Life) -> None:
    """Take what has arrived, up to a bound. Called by the loop when the door can be read."""
    for _ in range(REQUESTS_PER_TURN_MAX):
        arrived = life.door.receive()
        if arrived is None:
            break
        routing_id, peer, data = arrived
        try:
            request = decode(data)
        except ProtocolError as error:
            _refuse(life, peer, str(error))
            continue
        if not isinstance(request, Request):
            _refuse(life, peer, f"{type(request).__name__} is nothing to say to a worker")
            continue
        arrival = Arrival(routing_id, peer, request, time.monotonic())
        try:
            admitted = life.admission.admit(arrival)
        except TierhostError as error:
            settle(life, arrival, error)
            continue
        if admitted is not None:
            settle(life, arrival, admitted)
    if life.door.malformed_by is not None:
        _refuse(life, life.door.malformed_by, f"announces a message over the limit of {FRAME_BYTES_MAX} bytes")
        life.door.malformed_by = None


def _refuse(life: Life, peer: PeerCredentials, what: str) -> None:
    """Whoever sends garbage gets no answer. It is told once per process."""
    life.refused += 1
    if peer.pid not in life.strangers:
        life.strangers.append(peer.pid)
        life.outbox.emit("stranger", f"pid {peer.pid}", {"what": what, "uid": peer.uid})


def settle(life: Life, arrival: Arrival, settled: Admitted | TierhostError) -> None:
    """Serve what was admitted (at once, or on the pool), or answer why it was not."""
    if isinstance(settled, TierhostError):
        life.door.send(arrival.routing_id, encode(failure_of(settled, arrival.request.call_id, life.incarnation)))
        return
    answer = life.serve(settled)
    if answer is not None:
        life.door.send(arrival.routing_id, answer)
