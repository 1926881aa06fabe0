"""Other hosts, for the driver that goes there: ways to them, keys, and URIs. It imports neither the wire nor ZeroMQ itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.ipc.curve import Lines, are_keys, is_key, new_pair, public_of
from tierhost.ipc.paths import Root
from tierhost.ipc.uris import Uri, parse_uri
from tierhost.ipc.ways import TcpWay, UnixWay, Way

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context

__all__ = ["Lines", "TcpWay", "Uri", "Way", "are_keys", "is_key", "new_pair", "parse_uri", "public_of", "way_home", "way_to_root"]


def way_to_root(folder: str) -> Way:
    """Return a way to the host of another root on this machine."""
    return UnixWay(Root.under(Path(folder)))


def way_home(context: Context) -> Way:
    """Return a way to the drivers of our own host, as a client of it: no services, whatever our manifest needs."""
    return UnixWay(Root(state=context.state_dir.parent, run=context.run_dir.parent.parent))
