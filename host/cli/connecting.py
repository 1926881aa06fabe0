"""Finds the running host that a command is about, and says at once if there is none."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.host.cli.arguments import UsageError
from tierhost.ipc.errors import PeerAbsent, TierhostError
from tierhost.ipc.paths import Root
from tierhost.ipc.uris import CONFIG, parse_uri

if TYPE_CHECKING:
    import argparse

    from tierhost.host.remote_client import RemoteClient
    from tierhost.ipc.client import Client
    from tierhost.ipc.uris import Uri

GREETING_S = 10.0
"""How long a host that is there may take to answer the first question."""


CONFIG_COMMANDS = frozenset({"call", "status", "events", "story"})
UNIX_COMMANDS = CONFIG_COMMANDS | {"down", "worker-restart", "worker-stop", "worker-release", "reload", "remote-key"}
TCP_COMMANDS = frozenset({"call"})


def root_of(arguments: argparse.Namespace) -> Root:
    """The root the command is about. Raises UsageError if `-c` and the rest of the command line do not go together."""
    place = _place(arguments)
    if place is not None and place.root:
        if arguments.root:
            raise UsageError("--root and -c name two different hosts", hint="leave one of them out")
        return Root.under(Path(place.root))
    return Root.under(arguments.root) if arguments.root else Root.default()


def _place(arguments: argparse.Namespace) -> Uri | None:
    """Where `-c` goes; None: nowhere else, with or without hypervisors."""
    if not arguments.connect:
        return None
    place = None if arguments.connect == CONFIG else parse_uri(arguments.connect)
    able = CONFIG_COMMANDS if place is None else UNIX_COMMANDS if place.root else TCP_COMMANDS
    if arguments.command not in able:
        hint = f"that goes with {', '.join(sorted(able))}"
        raise UsageError(f"{arguments.command} does not go with -c {arguments.connect}", hint=hint)
    return place


def connect_to_call(arguments: argparse.Namespace) -> Client | RemoteClient:
    """Connect to whatever `-c` names; where it names another machine, through this one's remote driver."""
    client = connect(arguments, workers_will_do=True)
    place = _place(arguments)
    if place is None or place.root:
        return client
    from tierhost.host.remote_client import RemoteClient

    try:
        return RemoteClient(client, str(place))
    except TierhostError:
        client.close()
        raise


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
    if arguments.connect == CONFIG:
        from tierhost.host.config_client import ConfigClient

        return ConfigClient(root, deadline_s=GREETING_S)
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
