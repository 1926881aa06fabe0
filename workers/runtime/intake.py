"""Takes requests in at a life's door: what may run is served, what may not is answered, garbage is counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.ipc.admission import Admitted, Arrival
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import ProtocolError, TierhostError
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Request

if TYPE_CHECKING:
    from tierhost.workers.runtime.life import Life

REQUESTS_PER_TURN_MAX = 64
"""A flood at the door does not keep the loop from the host's words and from its beat."""


def read_requests(life: Life) -> None:
    """Take what has arrived, up to a bound. Called by the loop when the door can be read."""
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
            settle(life, arrival, error)
            continue
        if admitted is not None:
            settle(life, arrival, admitted)


def settle(life: Life, arrival: Arrival, settled: Admitted | TierhostError) -> None:
    """Serve what was admitted (at once, or on the pool), or answer why it was not."""
    if isinstance(settled, TierhostError):
        life.door.send(arrival.routing_id, encode(failure_of(settled, arrival.request.call_id, life.incarnation)))
        return
    answer = life.serve(settled)
    if answer is not None:
        life.door.send(arrival.routing_id, answer)
