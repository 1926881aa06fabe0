"""Who sent a message, by the kernel's word."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """The process at the other end of a connection (SO_PEERCRED)."""

    uid: int
    gid: int
    pid: int


@lru_cache(maxsize=1024)
def parse_credentials(peer_address: str) -> PeerCredentials | None:
    """Read libzmq's Peer-Address, "localhost:uid:gid:pid". None: it is none, the peer did not come by a UNIX socket."""
    try:
        _, uid, gid, pid = peer_address.rsplit(":", 3)
        return PeerCredentials(int(uid), int(gid), int(pid))
    except ValueError:
        return None
