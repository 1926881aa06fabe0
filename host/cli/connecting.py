"""Finds the running host that a command is about, and says at once if there is none."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from tierhost.ipc.errors import PeerAbsent
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    import argparse

    from tierhost.ipc.client import Client

GREETING_S = 10.0
"""How long a host that is there may take to answer the first question."""


def root_of(arguments: argparse.Namespace) -> Root:
    """The root the command is about."""
    return Root.under(arguments.root) if arguments.root else Root.default()


def connect(arguments: argparse.Namespace, *, workers_will_do: bool = False) -> Client:
    """Connect to the host. Raises PeerAbsent, without waiting, if nobody listens on its socket.

    `workers_will_do`: unless workers of the last host are alive; they answer without one, and standard error says so.
    """
    root = root_of(arguments)
    try:
        look_for_listener(root)
    except PeerAbsent as absent:
        from tierhost.ipc.orphans import listening_lives

        if not workers_will_do or not listening_lives(root):
            raise
        sys.stderr.write(f"note: {absent.text}; its workers answer without it\n")
    from tierhost.ipc.client import Client

    return Client(root, deadline_s=GREETING_S)


def look_for_listener(root: Root) -> None:
    """Raise PeerAbsent if no host listens. A killed host leaves its socket's name behind, and ZeroMQ would wait for it."""
    path = str(root.host_socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            raise PeerAbsent(f"no host runs on {root.run}", hint="`tierhost up` starts one") from None
        except ConnectionRefusedError:
            hint = "`tierhost up` starts one, which adopts the workers and guests that are left"
            raise PeerAbsent(f"the host of {root.run} is dead", hint=hint) from None
        except PermissionError:
            hint = "ask as root or as the user who runs it, or name another --root"
            raise PeerAbsent(f"you may not talk to the host of {root.run}", hint=hint) from None
