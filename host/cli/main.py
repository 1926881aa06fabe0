"""`tierhost`: picks the command, and turns every error into a line, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from tierhost.host.cli.arguments import EXIT_USAGE, UsageError, parse
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

COMMANDS = {
    "up": "hosting:up",
    "down": "hosting:down",
    "demo": "hosting:demo",
    "drill": "hosting:drill",
    "status": "looking:status",
    "events": "looking:events",
    "story": "looking:story",
    "check": "checking:check",
    "call": "asking:call",
    "worker-restart": "asking:worker_restart",
    "worker-stop": "asking:worker_stop",
    "worker-release": "asking:worker_release",
    "reload": "asking:reload",
    "remote-key": "keys:remote_key",
}
"""Where each command's function is; only the one that was asked for is imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 (done), 1 (failed, said why on stderr), 2 (wrong usage), 130 (Ctrl-C)."""
    arguments = parse(argv)
    try:
        code = find(arguments.command)(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (TierhostError, OSError, ValueError) as error:
        complain(*explain(error))
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    return code


def find(command: str) -> Callable[[argparse.Namespace], int]:
    """Import the function behind a command."""
    module, _, name = COMMANDS[command].partition(":")
    found: Callable[[argparse.Namespace], int] = getattr(import_module(f"tierhost.host.cli.{module}"), name)
    return found


def explain(error: TierhostError | OSError | ValueError) -> tuple[str, str]:
    """Put an error into a text and a hint. Raises it again if it is no error but a bug of ours."""
    if isinstance(error, TierhostError):
        return (f"{error.subject}: {error.text}" if error.subject else error.text), error.hint
    if isinstance(error, OSError):
        return (f"{error.filename}: {error.strerror}" if error.filename else str(error)), ""
    # A configuration, a manifest or a path that cannot be used; nobody else raises a ValueError on purpose.
    if not type(error).__module__.startswith("tierhost."):
        raise error
    return str(error), ""


def complain(text: str, hint: str) -> None:
    """Say what went wrong, one mistake a line, and what can be done about it."""
    for line in text.splitlines() or [""]:
        sys.stderr.write(f"error: {line.removeprefix('error: ')}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
