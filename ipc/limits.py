"""Every bound of the language in one place, with its unit in its name."""

from typing import Final

PROTOCOL: Final = 1
"""Version both sides must agree on; raised when a message changes its meaning or its fields."""

FRAME_BYTES_MAX: Final = 8 << 20
"""One message on the wire. Definitions are capped at 4 MiB, so a frame holds one with room to spare."""

DEPTH_MAX: Final = 16
"""Nesting of lists and maps in arguments and answers."""

ITEMS_MAX: Final = 65_536
"""Entries of one list or map."""

VALUES_MAX: Final = 262_144
"""Values in one message, all lists and maps together: what it becomes in memory is bounded too, not just its bytes."""

NAME_CHARS_MAX: Final = 64
"""A driver's or a method's name."""

CALL_ID_BYTES_MAX: Final = 64
"""What a caller may name a call; ours have 16 bytes."""

TEXT_CHARS_MAX: Final = 16_384
"""A reason, an error's text: for people, so short."""

IN_FLIGHT_MAX: Final = 256
"""Requests one callee holds at once; the next one is refused with RESOURCE_BUSY, never queued without bound."""

IN_FLIGHT_PER_PEER_MAX: Final = 64
"""Requests one caller process may have open at one callee: a flood costs the flooder only."""

HIGH_WATER: Final = IN_FLIGHT_MAX * 4
"""Messages kept for one peer that does not read; what comes then is refused (or, of events, lost for that peer)."""

CALL_DEADLINE_DEFAULT_S: Final = 30.0
"""For a caller that names none. No call is without a deadline."""

CALL_DEADLINE_MAX_S: Final = 3600.0
"""The longest a call may ask for (a wipe of a large volume)."""

SOCKET_PATH_BYTES_MAX: Final = 107
"""sun_path of a UNIX socket, less its closing zero."""

DRIVERS_MAX: Final = 512
"""Drivers of one host, and slots of its beat table."""

BEAT_PERIOD_S: Final = 0.1
"""How often a worker's main loop writes its beat when nothing else happens."""

RECONNECT_MS: Final = 5
"""How soon a socket tries again; libzmq's default of 100 ms is a visible outage."""

ORDER_BYTES_MAX = 192 << 10
"""One order to the process that forks workers, in one datagram; bounds the size of a driver class that travels as bytes."""
