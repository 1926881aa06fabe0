"""`tierhost remote-key`: the keys of connections and of the door, and who may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.host.cli import output
from tierhost.host.cli.arguments import UsageError
from tierhost.host.cli.connecting import connect

if TYPE_CHECKING:
    import argparse

ACTIONS: Final[dict[str, tuple[str, int, int]]] = {
    "generate": ("remote_key_generate", 1, 1),
    "rotate": ("remote_key_rotate", 1, 1),
    "commit": ("remote_key_commit", 1, 1),
    "delete": ("remote_key_delete", 1, 1),
    "list": ("remote_key_list", 0, 0),
    "allow": ("remote_allow", 3, 66),
    "revoke": ("remote_disallow", 1, 1),
    "allowed": ("remote_allow_list", 0, 0),
}
"""What each does: the driver's method, and how many words it takes."""


def remote_key(arguments: argparse.Namespace) -> int:
    """Ask the remote driver about its keys; print what it answers."""
    method, fewest, most = ACTIONS[arguments.action]
    words = list(arguments.words)
    if not fewest <= len(words) <= most:
        raise UsageError(f"{arguments.action} with {len(words)} words", hint="tierhost remote-key --help")
    args = [*words[:2], words[2:]] if arguments.action == "allow" else words
    with connect(arguments) as client:
        value = client.call(f"remote.{method}", *args, deadline_s=arguments.deadline)
    output.print_value(value, output.style(arguments.format))
    return 0
